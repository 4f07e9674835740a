"""Running a user's model without leaving anything behind, and checking what goes in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; each module gets its own flag back."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = False
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def plain_arithmetic(x: Tensor) -> Iterator[None]:
    """Outside inference mode and autocast; a graph is recorded only if `x` requires a gradient."""
    no_autocast = torch.autocast(x.device.type, enabled=False)
    with torch.inference_mode(False), torch.set_grad_enabled(x.requires_grad), no_autocast:
        yield


def whole(model: nn.Module) -> Callable[[Tensor], Tensor]:
    """`model` as a function of the images, in evaluation mode; the model stays as it was.

    A graph is recorded only if the images require a gradient.
    """

    def f(X: Tensor) -> Tensor:
        with evaluation_mode(model), plain_arithmetic(X):
            return model(X.clone())

    return f


def check_images(model: nn.Module, images: Tensor) -> None:
    """ValueError unless `images` is a finite float tensor (N, C, H, W) or (N, C, L) for `model`."""
    if not isinstance(images, Tensor):
        raise ValueError(f"images must be a torch tensor (N, C, H, W), not {type(images).__name__}")
    if images.dim() not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"images must have shape (N, C, H, W), or (N, C, L) for signals, none of them 0; "
            f"got {tuple(images.shape)}"
        )
    if images.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"images must be float32 or float64, not {images.dtype}: convert images and model"
        )
    weight = next(model.parameters(), None)
    if weight is not None and weight.is_floating_point():
        for what in ("dtype", "device"):
            if getattr(weight, what) != getattr(images, what):
                raise ValueError(
                    f"images have {what} {getattr(images, what)}, the model's weights "
                    f"have {getattr(weight, what)}"
                )
    if not bool(torch.isfinite(images).all()):
        raise ValueError("images hold NaN or infinite values")


def checked(F: Tensor, x: Tensor) -> Tensor:
    """F, made of the images or feature maps x; ValueError unless F is a map (N, K, h, w) too."""
    if len(F) != len(x) or F.dim() < x.dim():
        raise ValueError(
            f"this layer's output has shape {tuple(F.shape)} for an input of {tuple(x.shape)}; "
            "choose a layer that gives maps (N, K, h, w), or (N, K, l) for signals; for the tokens "
            "of a transformer see camlite.tokens_to_map"
        )
    return F
