"""The head that CAM needs: global average pooling and one linear layer, Y = W·GAP(F) + b."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from camlite.checks import finite
from camlite.cutting.running import plain_arithmetic
from camlite.errors import ArchitectureError
from camlite.maps import gap
from camlite.perturb import own_generator
from camlite.split import Stage


def linear_head(model: nn.Module, classifier: Stage, F: Tensor) -> tuple[Tensor, Tensor]:
    """W (C, K) of the head, and the logits Y (N, C) of F; proved to be W·GAP(F) + b.

    The proof asks the classifier twice: for F, and for a random half of F's numbers, enlarged
    until W·GAP outweighs b. Another kind of pooling, or a function behind it, gives other logits
    there. Raises `ArchitectureError` where no linear layer of the model passes.
    """
    Y = classifier(F)
    finite("the layer's output", F)
    heads = [m for m in model.modules() if isinstance(m, nn.Linear) and m.in_features == F.shape[1]]
    for head in heads:
        half = _half(F) * _enlarged(head, _half(F))
        if _is_head(head, F, Y) and _is_head(head, half, classifier(half)):
            return head.weight.detach(), Y
    raise ArchitectureError(
        "CAM needs global average pooling and then one linear layer directly after the chosen "
        f"layer ({F.shape[1]} channels); this network does something else there. Choose the layer "
        "after the last activation function, or use grad_cam, which needs no special head."
    )


def _is_head(head: nn.Linear, F: Tensor, Y: Tensor) -> bool:
    """Is Y = W·GAP(F) + b, up to rounding? Measured by what is added up: b may be much larger."""
    if not isinstance(Y, Tensor):
        return False
    with plain_arithmetic(F):
        by_hand = linear(gap(F), head.weight, head.bias)
    ε = torch.finfo(F.dtype).eps
    b = 0 if head.bias is None else head.bias.detach().abs().max()
    allowed = ε * (100 * _terms(head, F.abs()) + 8 * b)
    return by_hand.shape == Y.shape and bool(((by_hand - Y).abs() <= allowed).all())


def _terms(head: nn.Linear, F: Tensor) -> Tensor:
    """Σ_k |W_k GAP(F)_k|, (N, C): the size of the numbers that the head adds up."""
    return linear(gap(F).abs(), head.weight.detach().abs())


def _half(F: Tensor) -> Tensor:
    """F with a random half of its numbers set to 0, the same half for every image."""
    keep = torch.rand(F.shape[1:], generator=own_generator(None)) < 0.5
    return F * keep.to(F)


def _enlarged(head: nn.Linear, F: Tensor) -> Tensor:
    """How many times F must be taken until W·GAP(F) is as large as b, (N, 1, 1, 1); 1 or more."""
    size = _terms(head, F).amax(1)  # (N,)
    b = size.new_zeros(()) if head.bias is None else head.bias.detach().abs().max()
    times = torch.where(size > 0, (b / size).clamp(min=1), 1)
    return times.reshape(-1, *[1] * (F.dim() - 1))
