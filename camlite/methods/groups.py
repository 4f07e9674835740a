"""Channels in groups: one mask, one forward pass and one weight for a whole group.

Letters: F (N, K, h, w) feature maps; l a group of channels; M_l its map; H_l = s(Up(M_l)) its
mask; β_l its weight; X an image, X_b its baseline; Y the score, P the softmax probability.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from camlite.checks import a_number, at_least_one, one_of
from camlite.maps import gap, weighted_sum
from camlite.methods.clusters import group_maps, k_means
from camlite.perturb import at_once, filled, masks, own_generator, scorer
from camlite.scores import Target, chosen, score_and_gradient
from camlite.split import Layer, split_at


def group_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    groups: int = 32,
    cluster: str = "chunks",
    denoise: float = 0.0,
    relu: bool = True,
    generator: torch.Generator | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Group-CAM: gradient-weighted maps are added in groups; each group's mask gets a score.

    α = GAP(∂Y/∂F), M_l = ReLU(Σ_{k∈l} α_k F_k), X_l = X ∘ H_l + X_b ∘ (1 − H_l) with X_b the
    blurred image, β_l = ReLU(P(X_l) − P(X_b)), L = Σ_l β_l M_l. One backward pass and
    `groups` + 2 forward passes. A constant group map has no mask and gets weight 0.

    Groups are consecutive channels, as in the authors' code. `cluster="k_means"` groups similar
    α_k F_k instead (an option of the authors' later code; `generator` gives the start).
    `denoise=0.7` sets the lowest 70 % of each M_l to 0, as an earlier version of that code does.
    `relu=False` adds the signed group maps; masks and β stay as they are.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Zhang, Rao, Yang 2021, arXiv 2103.13859; formula from the authors' code.

    >>> camlite.group_cam(model, "features", images, groups=8).shape
    torch.Size([2, 12, 12])
    """
    one_of("cluster", cluster, ("chunks", "k_means"))
    at_least_one(groups=groups)
    a_number("denoise", denoise, low=0)
    generator = own_generator(generator)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X = images.detach()
    c = chosen(classifier(F), target)
    α = gap(score_and_gradient(classifier, F, c)[1])
    A = α[..., None] * F.flatten(2)  # α_k F_k, (N, K, h·w)
    l = _chunks(A, groups) if cluster == "chunks" else k_means(A, groups, generator)
    signed = group_maps(F, l, α)
    M = _highest(signed.relu(), denoise)  # (N, groups, h, w)
    P, X_b = scorer(model, X, c, probability=True), filled(X, "strong_blur")
    P_b = [P(n, each[None]) for n, each in enumerate(X_b)]
    β = torch.zeros_like(M.flatten(2)[..., 0])
    for n, k, H in masks(M, X.shape[2:], at_once(X, batch_size), progress, "Group-CAM"):
        X_l = X[n] * H + X_b[n] * (1 - H)
        β[n, k] = (P(n, X_l) - P_b[n]).relu()
    return weighted_sum(β, M if relu else signed)


def _chunks(A: Tensor, groups: int) -> Tensor:
    """The group of each channel, (N, K): consecutive channels, as many in each group."""
    N, K = A.shape[:2]
    l = torch.arange(K, device=A.device) // -(-K // groups)
    return l.expand(N, K)


def _highest(M: Tensor, denoise: float) -> Tensor:
    """Each map with its values up to the `denoise` quantile set to 0."""
    if denoise >= 1:
        raise ValueError(f"denoise must be a share, 0 <= denoise < 1, not {denoise!r}")
    if denoise == 0:
        return M
    lowest = M.flatten(2).quantile(denoise, dim=2).view(*M.shape[:2], *[1] * (M.dim() - 2))
    return torch.where(lowest < M, M, torch.zeros_like(M))
