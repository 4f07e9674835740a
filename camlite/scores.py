"""The score Y that a map explains, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

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
    if target is None:
        return logits.argmax(1)
    c = torch.as_tensor(target, device=logits.device)
    if c.is_floating_point() or c.dtype == torch.bool:
        raise ValueError(f"target must hold whole class numbers, not {c.dtype}")
    if c.dim() > 1 or (c.dim() == 1 and len(c) != N):
        raise ValueError(f"target has shape {tuple(c.shape)}, but there are {N} images: give one "
                         f"class, or a tensor of {N} classes")
    if bool((c < 0).any()) or bool((c >= C).any()):
        raise ValueError(f"target {target} is out of range: the model has classes 0 to {C - 1}")
    return c.long().expand(N)


def score(logits: Tensor, target: Target) -> Tensor:
    """Y (N,): the logit of each image's class, or what a callable target makes of the output."""
    c = chosen(logits, target)
    if not callable(c):
        return logits.gather(1, c[:, None])[:, 0]
    Y = c(logits)
    if not isinstance(Y, Tensor) or Y.shape != (len(logits),):
        shape = tuple(Y.shape) if isinstance(Y, Tensor) else type(Y).__name__
        raise ValueError(f"target(output) must return one score per image, ({len(logits)},), not {shape}")
    return Y


def score_and_gradient(
    classifier: Callable[[Tensor], Tensor], F: Tensor, target: Target
) -> tuple[Tensor, Tensor]:
    """Y (N,) and G = ∂Y/∂F, of F's shape. Only the classifier part is differentiated."""
    Y, (G,) = score_and_gradients([classifier], F, target)
    return Y, G


def score_and_gradients(
    stages: Sequence[Callable[[Tensor], Tensor]], F: Tensor, target: Target
) -> tuple[Tensor, list[Tensor]]:
    """Y and ∂Y/∂F_l for every layer l of a network cut at several layers, in one backward pass.

    `F` is the first cut's feature map; `stages` are the parts behind it.
    """
    with torch.inference_mode(False), torch.enable_grad():
        maps = [F.clone().requires_grad_()]
        for stage in stages[:-1]:
            maps.append(stage(maps[-1]))
        Y = score(stages[-1](maps[-1]), target)
        if not Y.requires_grad:
            raise ValueError("the score does not depend on the layer: it has no gradient there")
        G = torch.autograd.grad(Y.sum(), maps)
    return Y.detach(), [g.detach() for g in G]
