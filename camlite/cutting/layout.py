"""Is a tensor a map (N, K, h, w), or does it hold tokens, (N, T, D) or (N, h, w, D)?

The shape alone does not say. The modules do: what comes out of a linear layer or a LayerNorm has
its features on the last axis, what comes out of a convolution on the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.pooling import _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd

from camlite.errors import ArchitectureError


class AsMap(nn.Identity):
    """Marks a tensor as a map: its features are on the second axis."""


_CHANNELS_SECOND = (
    *(_ConvNd, _BatchNorm, nn.GroupNorm, nn.Upsample, nn.PixelShuffle, AsMap),
    *(_AvgPoolNd, _MaxPoolNd, _AdaptiveAvgPoolNd, _AdaptiveMaxPoolNd),
)


class Layouts:
    """What the modules that ran say about shapes: (shape, these are tokens), in their order."""

    def __init__(self) -> None:
        self.said: list[tuple[torch.Size, bool]] = []

    def record(self, module: nn.Module, args: Any, out: Any) -> None:
        """A forward hook."""
        if isinstance(out, Tensor) and (tokens := _makes_tokens(module, out)) is not None:
            self.said.append((out.shape, tokens))

    def tokens(self, shape: torch.Size) -> bool:
        """Whether only modules with the features on the last axis made this shape.

        Where all axes are of one size both kinds may have made it; then the last one counts.
        """
        said = [tokens for made, tokens in self.said if made == shape] or [False]
        return said[-1] if _is_cube(shape) else all(said)

    def tokens_since(self, when: int) -> bool:
        """Whether tokens, several for each image, were made after the first `when` modules."""
        return any(self.tokens(shape) and shape[1:-1].numel() > 1 for shape, _ in self.said[when:])


def _is_cube(shape: torch.Size) -> bool:
    return len(set(shape[1:])) == 1


def _makes_tokens(module: nn.Module, out: Tensor) -> bool | None:
    """True for tokens, False for maps, None where the module does not say."""
    if out.dim() < 3:
        return None
    if isinstance(module, _CHANNELS_SECOND):
        return False
    width = _width(module)
    on_last, on_second = out.shape[-1] == width, out.shape[1] == width
    if type(module) in (nn.Linear, nn.LayerNorm) or on_last != on_second:
        return on_last  # a subclass of LayerNorm may be one of maps, (N, K, h, w)
    return None


def _width(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1:
        return int(module.normalized_shape[0])
    return None


@contextmanager
def watched(model: nn.Module) -> Iterator[Layouts]:
    """What the modules say that run meanwhile."""
    layouts = Layouts()
    says = [m for m in model.modules() if isinstance(m, _CHANNELS_SECOND) or _width(m)]
    handles = [m.register_forward_hook(layouts.record) for m in says if not _is_scripted(m)]
    try:
        yield layouts
    finally:
        for handle in handles:
            handle.remove()


def _is_scripted(module: nn.Module) -> bool:
    return isinstance(module, torch.jit.ScriptModule)


WHAT_TO_DO = (
    "choose a layer that gives maps (N, K, h, w), or (N, K, l) for signals; for the tokens of a "
    "transformer see camlite.tokens_to_map"
)


def require_map(
    model: nn.Module, layer: str, F: Any, x: Tensor, *runs: Callable[[], object]
) -> Tensor:
    """F, the output of `layer` for the images or maps x; ArchitectureError unless it is a map.

    Only if a width of the model makes tokens possible, `runs` are called: they run the part, then
    the whole model. The first in which a module says something about F's shape decides.
    """
    if not isinstance(F, Tensor):
        raise ArchitectureError(
            f"layer {layer!r} returns a {type(F).__name__}, not one tensor: {WHAT_TO_DO}"
        )
    if len(F) != len(x) or F.dim() < x.dim():
        raise ArchitectureError(
            f"layer {layer!r} has output of shape {tuple(F.shape)} for an input of "
            f"{tuple(x.shape)}: {WHAT_TO_DO}"
        )
    if any(_width(m) == F.shape[-1] for m in model.modules()):
        layouts, shape = Layouts(), torch.Size((1, *F.shape[1:]))
        for run in runs:
            if all(made != shape for made, _ in layouts.said):
                with watched(model) as layouts:
                    run()
        turned = _is_cube(F.shape) and F.stride(1) < F.stride(-1)  # by a permute, into a map
        if layouts.tokens(shape) and not turned:
            raise ArchitectureError(
                f"layer {layer!r} has output of shape {tuple(F.shape)} with the features on the "
                f"last axis: these are tokens, no maps; {WHAT_TO_DO}"
            )
    return F
