"""Running a user's model without leaving anything behind, and checking what goes in and out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.parameter import is_lazy

from camlite.checks import all_finite
from camlite.errors import ArchitectureError

Stage = Callable[[Tensor], Tensor]


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; each module gets its own flag back."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            if module.training:  # setting an attribute of a module is slow
                module.training = False
        yield
    finally:
        for module, training in flags:
            if module.training != training:
                module.training = training


@contextmanager
def plain_arithmetic(x: Tensor) -> Iterator[None]:
    """Outside inference mode and autocast; a graph is recorded only if `x` requires a gradient."""
    no_autocast = torch.autocast(x.device.type, enabled=False)
    with torch.inference_mode(False), torch.set_grad_enabled(x.requires_grad), no_autocast:
        yield


def uncompiled() -> AbstractContextManager[Any]:
    """Functions of `torch.compile` run as they are written: compiled ones do not call hooks."""
    if "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance"):
        return torch.compiler.set_stance("force_eager")
    return nullcontext()


SCRIPTED = (
    "a TorchScript model (torch.jit.script or trace) cannot be cut open: give the nn.Module that "
    "it was made from"
)


def opened(model: nn.Module) -> nn.Module:
    """The module whose parts can be named: of a compiled model the original, with its weights.

    Raises ArchitectureError for TorchScript, ValueError where lazy layers have no weights yet.
    """
    model = getattr(model, "_orig_mod", model)
    if isinstance(model, torch.jit.ScriptModule):
        raise ArchitectureError(SCRIPTED)
    if any(isinstance(module, LazyModuleMixin) for module in model.modules()):
        for name, weight in model.named_parameters():
            if is_lazy(weight):
                raise ValueError(f"{name!r} of a lazy layer has no values yet: run the model once")
    return model


def whole(model: nn.Module) -> Stage:
    """`model` as a function of the images, in evaluation mode; the model stays as it was.

    A graph is recorded only if the images require a gradient. Raises ArchitectureError where the
    model does not return one tensor.
    """

    def f(X: Tensor) -> Tensor:
        with evaluation_mode(model), plain_arithmetic(X):
            return logits_of(model(X.clone()), X)

    return f


def logits_of(out: Any, x: Tensor) -> Tensor:
    """The model's output, made of `x`; ArchitectureError unless it is a tensor with a gradient."""
    if not isinstance(out, Tensor):
        raise ArchitectureError(
            f"the model returns a {type(out).__name__}, not one tensor of logits (N, C): wrap it "
            "in a module whose forward returns the logits"
        )
    if x.requires_grad and not _has_gradient(out):
        raise ArchitectureError(
            "the model's output has no gradient here: something after the layer stops it (a "
            "quantised layer, detach, no_grad, argmax) or does not use the layer. Methods that "
            "need no gradient, such as score_cam and ablation_cam, may still work"
        )
    return out


def _has_gradient(out: Tensor) -> bool:
    """Whether `out` has a graph, and every step of it can be differentiated."""
    todo, seen = [out.grad_fn], {out.grad_fn}
    while todo:
        step = todo.pop()
        if step is not None and "NotImplemented" in step.name():
            return False
        earlier = {before for before, _ in step.next_functions if before} if step else set()
        todo += earlier - seen
        seen |= earlier
    return out.requires_grad


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
    if not all_finite(images):
        raise ValueError("images hold NaN or infinite values")
