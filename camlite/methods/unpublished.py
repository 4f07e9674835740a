"""Two methods that no paper at hand describes in full: known from an abstract and from blog posts.

They stand apart because their formulas are readings, not quotations: Cluster-CAM's paper was only
at hand as an abstract, and Cosine-CAM is an idea of a blog post. Do not cite them as the authors'
methods. Letters as in `groups`: F feature maps; l a group of channels; M_l its map; H_l its mask;
X an image; Y the score.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from camlite.checks import at_least_one
from camlite.maps import weighted_sum
from camlite.methods.clusters import group_maps, k_means
from camlite.perturb import at_once, masks, scorer
from camlite.scores import Target, chosen
from camlite.split import Layer, split_at


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

    >>> camlite.cluster_cam(model, "features", images, clusters=4).shape
    torch.Size([2, 12, 12])
    """
    at_least_one(clusters=clusters)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X = images.detach()
    V = normalize(F.flatten(2), dim=2) if cosine else F.flatten(2)
    l = k_means(V, clusters, generator)  # (N, K)
    M = group_maps(F, l)
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
    return (best - worst * (two & bool(scissors))).to(Y.dtype)


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

    >>> camlite.cosine_cam(model, "features", images, clusters=4).shape
    torch.Size([2, 12, 12])
    """
    at_least_one(clusters=clusters)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X = images.detach()
    l = k_means(normalize(F.flatten(2), dim=2), clusters, generator)  # (N, K)
    M = group_maps(F, l)
    Y = scorer(model, X, chosen(classifier(F), target), probability)
    Y_b = [Y(n, torch.zeros_like(each)[None]) for n, each in enumerate(X)]
    β = torch.zeros_like(M.flatten(2)[..., 0])
    for n, k, H in masks(M, X.shape[2:], at_once(X, batch_size), progress, "Cosine-CAM"):
        β[n, k] = Y(n, X[n] * H) - Y_b[n]
    L = weighted_sum(β, M)
    return L.relu() if relu else L
