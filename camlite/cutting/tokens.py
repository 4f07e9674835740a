"""Vision transformers: a module that shows tokens as a map, so that every method runs on them.

A transformer holds tokens, (N, T, D) in ViT and (N, h, w, D) in Swin; the formulas of class
activation maps are written for feature maps, (N, K, h, w). The numbers are the same, only their
order differs: `tokens_to_map` puts a step behind a layer that turns the tokens into a map and back.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn

from camlite.cutting.layout import AsMap
from camlite.cutting.names import Layer, layer_name
from camlite.errors import ArchitectureError


def tokens_to_map(
    model: nn.Module, layer: Layer, grid: tuple[int, int] | None = None
) -> tuple[nn.Module, str]:
    """A model with the same weights and output, and the name of its step that holds a map.

        model, layer = camlite.tokens_to_map(vit_b_16(), "encoder.layers.encoder_layer_10")
        maps = camlite.grad_cam(model, layer, images)  # (N, 14, 14) for 224×224 images

    Works behind any layer that returns tokens (N, T, D) or (N, h, w, D); each of the D features
    is a channel, K = D. `grid` is (h, w) of the patches; None takes a square. Tokens in front of
    the h·w patch tokens (class token, registers) keep their values, and a method that changes the
    map leaves them as they are. The model that was given stays untouched.

    `split` cuts such a model with a hook and says so (`SplitByHook`): the results are the same,
    each run of the part behind the map costs a whole forward pass.

    Which layer: ViT reads only the class token behind the last block, so the patch tokens there
    have the gradient 0: take the last block but one, or "…encoder_layer_11.ln_1". The last stage
    of torchvision's Swin needs no wrapper: layer "permute" (or None) is a map already.

    Raises ArchitectureError, when the model runs, where the tokens do not fit the grid.

    Source: the tokens are those of Dosovitskiy et al. 2021 (ViT, arXiv 2010.11929), Eq. 1, and of
    Liu et al. 2021 (Swin, arXiv 2103.14030). A class activation map of a transformer is a custom
    of the libraries, not a method of a paper.
    """
    name = layer_name(model, layer)
    step = nn.Sequential(model.get_submodule(name), _ThroughMap(grid))
    return _replaced(model, name.split("."), step), f"{name}.1.map"


class _ThroughMap(nn.Module):
    """tokens -> map (N, K, h, w) -> the same tokens. `map` is the place to look at."""

    def __init__(self, grid: tuple[int, int] | None) -> None:
        super().__init__()
        self.grid = grid
        self.map = AsMap()

    def forward(self, tokens: Tensor) -> Tensor:
        if tokens.dim() == 4:  # (N, h, w, D)
            return self.map(tokens.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        h, w = self.grid or _square(tokens)
        first = tokens.shape[1] - h * w  # class token and registers come first
        if first < 0:
            raise ArchitectureError(f"{tokens.shape[1]} tokens do not fill the grid {h}×{w}")
        F = tokens[:, first:].transpose(1, 2).unflatten(2, (h, w))
        patches = self.map(F).flatten(2).transpose(1, 2)
        return torch.cat([tokens[:, :first], patches], 1)


def patch_grid(T: int, grid: tuple[int, int] | None) -> tuple[tuple[int, int], int]:
    """(h, w) of the patches among T tokens, and how many tokens stand in front of them.

    Raises ArchitectureError where they do not fit: without `grid`, unless T is h² or h² + 1.
    """
    h, w = (math.isqrt(T), math.isqrt(T)) if grid is None else grid
    first = T - h * w
    if first < 0 or min(h, w) < 1 or (grid is None and first > 1):
        raise ArchitectureError(
            f"{T} tokens do not fit the grid {h}×{w}: give grid=(h, w); tokens in front of the "
            "patches (class token, registers) may be more"
        )
    return (h, w), first


def _square(tokens: Tensor) -> tuple[int, int]:
    """h = w, T = h² or h² + 1. Registers, or pictures that are not square, need `grid`."""
    if tokens.dim() != 3:
        raise ArchitectureError(
            f"this layer returns a tensor of shape {tuple(tokens.shape)}, not tokens (N, T, D)"
        )
    T = int(tokens.shape[1])
    side = math.isqrt(T)
    if T - side**2 > 1:
        raise ArchitectureError(f"{T} tokens are no square (+ 1 class token): give grid=(h, w)")
    return side, side


def _replaced(model: nn.Module, path: list[str], new: nn.Module) -> nn.Module:
    """`model` with another module at `path`; the modules on the way are copied, not the weights."""
    if not path:
        return new
    twin = copy.copy(model)
    twin._modules = dict(model._modules)
    twin._modules[path[0]] = _replaced(model.get_submodule(path[0]), path[1:], new)
    return twin
