"""From a raw map to a picture: the named parts that the formulas share.

A raw map has the resolution of its layer, (N, h, w) or (N, l) for signals; its values are kept as
the formula gives them. Upsampling and scaling are separate, visible steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def gap(F: Tensor) -> Tensor:
    """Global average pooling: (1/Z) Σ_ij F_k[i, j], for (N, K, h, w) or (N, K, l) -> (N, K)."""
    return F.flatten(2).mean(2)


def weighted_sum(w: Tensor, F: Tensor) -> Tensor:
    """Σ_k w_k F_k: weights (N, K), maps (N, K, h, w) or (N, K, l) -> (N, h, w) or (N, l)."""
    with torch.autocast(F.device.type, enabled=False):  # it would round to 16 bits
        return torch.einsum("nk,nk...->n...", w, F)


def up(M: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear upsampling of maps (N, h, w) or (N, K, h, w), or of signals, to `size`.

    Pixels are areas, not points (`align_corners=False`), as in the authors' code of Score-CAM.
    """
    space = len(size)
    if space not in (1, 2):
        raise ValueError(f"size must be (H, W) or (L,), not {tuple(size)}")
    if M.dim() not in (space + 1, space + 2):
        raise ValueError(f"cannot resize a map of shape {tuple(M.shape)} to {tuple(size)}")
    without_channels = M.dim() == space + 1
    M = M[:, None] if without_channels else M
    mode = {1: "linear", 2: "bilinear"}[space]
    M = interpolate(M, size=tuple(size), mode=mode, align_corners=False)
    return M[:, 0] if without_channels else M


def minmax(M: Tensor, dims: int = 2) -> Tensor:
    """s(M) = (M − min M) / (max M − min M) over the last `dims` axes; a constant map gives zeros.

    Source: Wang et al. 2020 (Score-CAM, arXiv 1910.01279), Eq. 8.
    """
    axes = tuple(range(-dims, 0))
    low, high = M.amin(axes, keepdim=True), M.amax(axes, keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))


def same_size(maps: Sequence[Tensor]) -> Tensor:
    """Maps of several layers, (N, h, w) or (N, l), all at the largest's size: (layers, N, …)."""
    size = max((M.shape[1:] for M in maps), key=lambda shape: shape.numel())
    return torch.stack([up(M, size) for M in maps])


def heatmap(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Raw maps (N, h, w) -> heat (N, H, W) in [0, 1] for a picture; (N, l) -> (N, L) for signals.

    Upsampled first, then scaled by each map's own minimum and maximum: colours of two pictures
    cannot be compared. A constant map gives zeros.
    """
    if maps.dim() != len(size) + 1:
        raise ValueError(f"maps of shape {tuple(maps.shape)} do not fit size={tuple(size)}")
    return minmax(up(maps, size), dims=len(size))
