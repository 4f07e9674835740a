"""From a raw map to a picture: the named parts that the formulas share.

A raw map has the resolution of its layer, (N, h, w) or (N, l) for signals; its values are kept as
the formula gives them. Upsampling and scaling are separate, visible steps.

A constant map points nowhere. `constant` says what that means for rounded numbers, in one place
for methods, metrics and sanity checks.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from camlite.checks import finite, finite_floats


def gap(F: Tensor) -> Tensor:
    """Global average pooling: (1/Z) Σ_ij F_k[i, j], for (N, K, h, w) or (N, K, l) -> (N, K).

    >>> gap(torch.tensor([[[[1.0, 2.0], [3.0, 6.0]]]]))
    tensor([[3.]])
    """
    finite("the maps", F)
    return F.flatten(2).mean(2)


def weighted_sum(w: Tensor, F: Tensor) -> Tensor:
    """Σ_k w_k F_k: weights (N, K), maps (N, K, h, w) or (N, K, l) -> (N, h, w) or (N, l).

    Constant maps have a constant sum, although the order of additions differs between positions.

    >>> weighted_sum(torch.tensor([[1.0, -2.0]]), torch.ones(1, 2, 2, 3))
    tensor([[[-1., -1., -1.],
             [-1., -1., -1.]]])
    """
    finite("the weights", w)
    finite("the maps", F)
    with torch.autocast(F.device.type, enabled=False):  # it would round to 16 bits
        L = torch.einsum("nk,nk...->n...", w, F)
    return _levelled(L, constant(F, F.dim() - 2).all(1))


def channel_sum(A: Tensor) -> Tensor:
    """Σ_k A_k: (N, K, h, w) or (N, K, l) -> (N, h, w) or (N, l); constant maps give a constant."""
    finite("the maps", A)
    return _levelled(A.sum(1), constant(A, A.dim() - 2).all(1))


def constant(M: Tensor, dims: int | None = None) -> Tensor:
    """Which maps have the same value everywhere: (N, h, w) -> (N,) bool.

    The same value up to rounding: max M − min M ≤ 8 ε max |M|, where ε is the step of M's dtype
    at 1 (1.2e-7 in float32). This is what a sum of few numbers may differ by; smaller differences
    say nothing. `dims` last axes belong to one map (default: all but the first axis).

    >>> constant(torch.tensor([[[0.5, 0.5]], [[0.5, 0.6]]]))
    tensor([ True, False])
    """
    axes = tuple(range(-(M.dim() - 1 if dims is None else dims), 0))
    low, high = M.amin(axes), M.amax(axes)
    ε = torch.finfo(M.dtype).eps if M.is_floating_point() else 0
    step = 8 * ε * torch.maximum(high.abs(), low.abs())
    return (high - low <= step) & step.isfinite()


def _levelled(M: Tensor, level: Tensor) -> Tensor:
    """M (N, …), in which the maps where `level` (N,) is true get their first value everywhere."""
    if not bool(level.any()):
        return M
    dims = M.dim() - level.dim()
    first = M.flatten(level.dim())[..., :1].reshape(*level.shape, *[1] * dims)
    return torch.where(level.reshape(first.shape), first, M)


def up(M: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear upsampling of maps (N, h, w) or (N, K, h, w), or of signals, to `size`.

    Pixels are areas, not points (`align_corners=False`), as in the authors' code of Score-CAM.
    A constant map stays constant: rounding errors would look like a pattern.

    >>> up(torch.tensor([[0.0, 1.0]]), size=(4,))
    tensor([[0.0000, 0.2500, 0.7500, 1.0000]])
    """
    size = _checked_size(size)
    space = len(size)
    if M.dim() not in (space + 1, space + 2):
        raise ValueError(f"cannot resize a map of shape {tuple(M.shape)} to {size}")
    finite_floats("the map", M)
    level = constant(M, space)
    without_channels = M.dim() == space + 1
    M = M[:, None] if without_channels else M
    mode = {1: "linear", 2: "bilinear"}[space]
    M = interpolate(M, size=size, mode=mode, align_corners=False)
    return _levelled(M[:, 0] if without_channels else M, level)


def _checked_size(size: Sequence[int]) -> tuple[int, ...]:
    try:
        sides = tuple(operator.index(side) for side in size)
    except TypeError:
        sides = ()
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise ValueError(f"size must be (H, W) or (L,), as in images.shape[2:], not {size!r}")
    return sides


def minmax(M: Tensor, dims: int = 2) -> Tensor:
    """s(M) = (M − min M) / (max M − min M) over the last `dims` axes; a constant map gives zeros.

    Source: Wang et al. 2020 (Score-CAM, arXiv 1910.01279), Eq. 8.

    >>> minmax(torch.tensor([[[-1.0, 0.0], [1.0, 3.0]]]))
    tensor([[[0.0000, 0.2500],
             [0.5000, 1.0000]]])
    """
    axes = tuple(range(-dims, 0))
    low, high = M.amin(axes, keepdim=True), M.amax(axes, keepdim=True)
    finite("the map, or in max − min of it", high - low)
    level = constant(M, dims).reshape(low.shape)
    return torch.where(level, torch.zeros_like(M), (M - low) / (high - low))


def same_size(maps: Sequence[Tensor]) -> Tensor:
    """Maps of several layers, (N, h, w) or (N, l), all at the largest's size: (layers, N, …)."""
    size = max((M.shape[1:] for M in maps), key=lambda shape: shape.numel())
    return torch.stack([up(M, size) for M in maps])


def heatmap(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Raw maps (N, h, w) -> heat (N, H, W) in [0, 1] for a picture; (N, l) -> (N, L) for signals.

    Upsampled first, then scaled by each map's own minimum and maximum: colours of two pictures
    cannot be compared. A constant map gives zeros. Raises ValueError for NaN and infinite values.

    >>> heat = heatmap(torch.rand(2, 7, 7), size=(224, 224))
    >>> heat.shape, float(heat.min()), float(heat.max())
    (torch.Size([2, 224, 224]), 0.0, 1.0)
    """
    size = _checked_size(size)
    if not isinstance(maps, Tensor) or maps.dim() != len(size) + 1:
        shape = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(f"maps of shape {shape} do not fit size={size}: expected (N, h, w)")
    return minmax(up(maps, size), dims=len(size))
