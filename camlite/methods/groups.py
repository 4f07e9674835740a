"""Channels in groups: one mask, one forward pass and one weight for a whole group.

Letters: F (N, K, h, w) feature maps; l a group of channels; M_l its map; H_l = s(Up(M_l)) its
mask; β_l its weight; X an image, X_b its baseline; Y the score, P the softmax probability.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from camlite.checks import at_least_one, finite, one_of
from camlite.maps import gap, weighted_sum
from camlite.perturb import at_once, filled, masks, noise, own_generator, scorer
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
    """
    one_of("cluster", cluster, ("chunks", "k_means"))
    at_least_one(groups=groups)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X = images.detach()
    c = chosen(classifier(F), target)
    α = gap(score_and_gradient(classifier, F, c)[1])
    A = α[..., None] * F.flatten(2)  # α_k F_k, (N, K, h·w)
    l = _chunks(A, groups) if cluster == "chunks" else _k_means(A, groups, generator)
    signed = _group_maps(F, l, α)
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


def _k_means(V: Tensor, groups: int, generator: torch.Generator | None) -> Tensor:
    """The group of each channel, (N, K), by k-means on the vectors V (N, K, h·w), image by image.

    Never more groups than different vectors. The same start for each image of a batch. A channel
    that is 0 everywhere takes no part, it adds nothing to any group: a vector of zeros is equally
    far from all vectors of length 1, so rounding alone would decide where it goes. Other ties are
    decided by a fixed noise of 1e-5 of the vectors' size, large beside rounding: so a batch gives
    what its images give alone.
    """
    from sklearn.cluster import KMeans

    finite("the layer's output", V)
    generator = own_generator(generator)
    seed = int(torch.randint(2**31 - 1, (1,), generator=generator, device=generator.device))
    l = torch.zeros(V.shape[:2], dtype=torch.long)
    tilt = 1e-5 * noise(V.shape[1:], None, l.double())
    for n, v in enumerate(V.detach().cpu().double()):
        alive = v.any(1)
        v = v + tilt * v.square().mean().sqrt()
        different = len(V[n].detach().cpu()[alive].unique(dim=0))
        if different > 0:
            k_means = KMeans(n_clusters=min(groups, different), n_init=3, random_state=seed)
            l[n, alive] = torch.from_numpy(k_means.fit_predict(v[alive].numpy())).long()
    return l.to(V.device)


def _group_maps(F: Tensor, l: Tensor, α: Tensor | float = 1.0) -> Tensor:
    """Σ_{k∈l} α_k F_k: (N, K, h, w) and the group of each channel (N, K) -> (N, groups, h, w)."""
    groups = range(int(l.max()) + 1)
    return torch.stack([weighted_sum(α * (l == each).to(F), F) for each in groups], 1)


def _highest(M: Tensor, denoise: float) -> Tensor:
    """Each map with its values up to the `denoise` quantile set to 0."""
    if not 0 <= denoise < 1:
        raise ValueError(f"denoise must be a share, 0 <= denoise < 1, not {denoise!r}")
    if denoise == 0:
        return M
    lowest = M.flatten(2).quantile(denoise, dim=2).view(*M.shape[:2], *[1] * (M.dim() - 2))
    return torch.where(lowest < M, M, torch.zeros_like(M))


def cluster_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    clusters: int = 8,
    cosine: bool = True,
    scissors: bool = True,
    relu: bool = True,
    probability: bool = False,
    generator: torch.Generator | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Cluster-CAM: clusters of feature maps mask the image; the best counts for, the worst against.

    Channels are clustered by k-means, M_l = Σ_{k∈l} F_k, Y_l = Y(X ∘ H_l). The cluster with the
    highest Y_l is the cognition-base, the one with the lowest the cognition-scissors:
    L = ReLU(M_base − M_scissors). No gradients; `clusters` + 1 forward passes.

    `cosine`: k-means on vectors of length 1, where ‖x − y‖² = 2 (1 − cos(x, y)); False clusters
    the maps as they are. `scissors=False` gives M_base alone. Clusters with a constant map are
    left out; with fewer than two others nothing is subtracted.

    Doubtful: only the abstract was at hand. The weights +1, −1 and 0 are one blog's reading of
    it, the number of clusters is ours. Opinion of that blog: bad where there are several objects.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Feng et al. 2024, Neural Networks 178:106473, arXiv 2302.01642.
    """
    at_least_one(clusters=clusters)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X = images.detach()
    V = normalize(F.flatten(2), dim=2) if cosine else F.flatten(2)
    l = _k_means(V, clusters, generator)  # (N, K)
    M = _group_maps(F, l)
    Y = scorer(model, X, chosen(classifier(F), target), probability)
    Y_l = torch.full_like(M.flatten(2)[..., 0], torch.nan)
    for n, k, H in masks(M, X.shape[2:], at_once(X, batch_size), progress, "Cluster-CAM"):
        Y_l[n, k] = Y(n, X[n] * H)
    w = _cognition_weights(Y_l, scissors)  # (N, clusters)
    L = weighted_sum(w, M)
    return L.relu() if relu else L


def _cognition_weights(Y: Tensor, scissors: bool) -> Tensor:
    """+1 for the best cluster of each image, −1 for the worst, 0 for the others. NaN: no mask."""
    known = ~Y.isnan()
    best = one_hot(Y.nan_to_num(nan=-torch.inf).argmax(1), Y.shape[1]) * known
    worst = one_hot(Y.nan_to_num(nan=torch.inf).argmin(1), Y.shape[1]) * known
    two = known.sum(1, keepdim=True) > 1
    return (best - worst * two * scissors).to(Y.dtype)


def cosine_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    clusters: int = 8,
    relu: bool = True,
    probability: bool = False,
    generator: torch.Generator | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Cosine-CAM: channels of the same pattern, strong or weak, form a group; groups get a score.

    k-means on channel vectors of length 1, where ‖x − y‖² = 2 (1 − cos(x, y)); M_l = Σ_{k∈l} F_k;
    β_l = Y(X ∘ H_l) − Y(0); L = ReLU(Σ_l β_l M_l). No gradients; `clusters` + 2 forward passes.
    A constant group map has no mask and gets weight 0.

    Not a published method: an idea of a Japanese blog post, kept here as an exercise. The post's
    own code first weighs the maps by GAP(G ∘ F), takes an SVD, and fills with a blurred image.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: no paper. The identity is elementary; the weights are Score-CAM's Eq. 6.
    """
    at_least_one(clusters=clusters)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X = images.detach()
    l = _k_means(normalize(F.flatten(2), dim=2), clusters, generator)  # (N, K)
    M = _group_maps(F, l)
    Y = scorer(model, X, chosen(classifier(F), target), probability)
    Y_b = [Y(n, torch.zeros_like(each)[None]) for n, each in enumerate(X)]
    β = torch.zeros_like(M.flatten(2)[..., 0])
    for n, k, H in masks(M, X.shape[2:], at_once(X, batch_size), progress, "Cosine-CAM"):
        β[n, k] = Y(n, X[n] * H) - Y_b[n]
    L = weighted_sum(β, M)
    return L.relu() if relu else L
