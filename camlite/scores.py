"""The score Y that a map explains, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from camlite.checks import finite

Target = int | Tensor | Callable[[Tensor], Tensor] | None


def chosen(logits: Tensor, target: Target) -> Tensor | Callable[[Tensor], Tensor]:
    """The class of each image, (N,), from `target`; a callable stays as it is.

    None is the predicted class. An int is one class for all images, a LongTensor (N,) one class
    for each. Raises ValueError for a class that does not exist and for a wrong number of classes.
    """
    if callable(target):
        return target
    if not isinstance(logits, Tensor) or logits.dim() != 2:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"the model must return logits of shape (N, classes), not {shape}; "
            "for other outputs give target=<function: output -> (N,)>"
        )
    N, C = logits.shape
    with torch.inference_mode(False):  # a gradient must be able to keep the classes
        if target is None:
            return logits.argmax(1)
        c = class_numbers(target).to(logits.device, copy=True)
        if c.dim() > 1 or (c.dim() == 1 and len(c) != N):
            raise ValueError(
                f"target has shape {tuple(c.shape)}, but there are {N} images: give "
                f"one class, or a tensor of {N} classes"
            )
        if bool((c < 0).any()) or bool((c >= C).any()):
            raise ValueError(f"target {target} is out of range: the model has classes 0 to {C - 1}")
        return c.long().expand(N)


def class_numbers(values: Any, name: str = "target") -> Tensor:
    """Class numbers as a tensor of integers; ValueError for anything else."""
    try:
        c = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        kinds = "class numbers"
        if name == "target":
            kinds = "a class number, a tensor of class numbers, a function or None"
        raise ValueError(f"{name} must be {kinds}, not {values!r}") from None
    if c.is_floating_point() or c.is_complex() or c.dtype == torch.bool:
        raise ValueError(f"{name} must hold whole class numbers, not {c.dtype}")
    return c


def score(logits: Tensor, target: Target) -> Tensor:
    """Y (N,): the logit of each image's class, or what a callable target makes of the output.

    Raises ValueError where Y is not finite.
    """
    c = chosen(logits, target)
    Y = c(logits) if callable(c) else logits.gather(1, c[:, None])[:, 0]
    if not isinstance(Y, Tensor) or Y.shape != (len(logits),):
        shape = tuple(Y.shape) if isinstance(Y, Tensor) else type(Y).__name__
        raise ValueError(
            f"target(output) must return one score per image, ({len(logits)},), not {shape}"
        )
    if not bool(torch.isfinite(Y).all()):
        raise ValueError(
            "the model returned NaN or infinite scores: no map explains them. Do the weights hold "
            "NaN? Are the images scaled as the model expects?"
        )
    return Y


@contextmanager
def recording(F: Tensor) -> Iterator[None]:
    """A graph is recorded whatever the caller's mode; autocast would round the gradient."""
    no_autocast = torch.autocast(F.device.type, enabled=False)
    with torch.inference_mode(False), torch.enable_grad(), no_autocast:
        yield


def score_and_gradient(
    classifier: Callable[[Tensor], Tensor], F: Tensor, target: Target
) -> tuple[Tensor, Tensor]:
    """Y (N,) and G = ∂Y/∂F, of F's shape. Only the classifier part is differentiated."""
    Y, _, (G,) = score_and_gradients([classifier], F, target)
    return Y, G


def score_and_gradients(
    stages: Sequence[Callable[[Tensor], Tensor]], F: Tensor, target: Target
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Y (N,), and for each cut l of a network the map F_l and G_l = ∂Y/∂F_l, in one backward pass.

    `F` is the first cut's feature map; `stages` are the parts after it, as `split` returns them.
    """
    with recording(F):
        maps = [F.clone().requires_grad_()]
        for stage in stages[:-1]:
            F_l = stage(maps[-1])
            maps.append(F_l if F_l.requires_grad else F_l.requires_grad_())  # a parallel branch
        Y = score(stages[-1](maps[-1]), target)
        _require_graph(Y)
        G = torch.autograd.grad(Y.sum(), maps, materialize_grads=True)
    for G_l in G:
        finite("the gradient of the score", G_l)
    return Y.detach(), [m.detach() for m in maps], [g.detach() for g in G]


def gradient_and_hessian_product(
    classifier: Callable[[Tensor], Tensor], F: Tensor, target: Target
) -> tuple[Tensor, Tensor]:
    """G = ∂Y/∂F and H·F, the Hessian ∂²Y/∂F² of each image times F, both of F's shape.

    H itself, (K h w)² numbers, is never formed. Where Y is piecewise linear H·F is 0.
    """
    plain_attention = sdpa_kernel(SDPBackend.MATH)  # the fast kernels have no second derivative
    with recording(F), plain_attention:
        F = F.clone().requires_grad_()
        Y = score(classifier(F), target)
        _require_graph(Y)
        (G,) = torch.autograd.grad(Y.sum(), F, create_graph=True)
        if not G.requires_grad:
            return G.detach(), torch.zeros_like(F)
        (HF,) = torch.autograd.grad(G, F, grad_outputs=F.detach(), materialize_grads=True)
    finite("the second derivative of the score", HF)
    return G.detach(), HF.detach()


def _require_graph(Y: Tensor) -> None:
    if not Y.requires_grad:
        raise ValueError("the score does not depend on the layer: it has no gradient there")
