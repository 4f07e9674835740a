"""Three methods that no paper at hand describes in full: known from abstracts and blog posts.

They stand apart because their formulas are readings, not quotations: of Cluster-CAM's and Expected
Grad-CAM's papers only the abstracts were at hand, and Cosine-CAM is an idea of a blog post. Do not
cite them as the authors' methods. Letters as in `groups`: F feature maps; l a group of channels;
M_l its map; H_l its mask; X an image; Y the score; G = ∂Y/∂F.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot
from tqdm import tqdm

from camlite.checks import at_least_one
from camlite.maps import gap, weighted_sum
from camlite.methods.clusters import group_maps, k_means
from camlite.perturb import Fill, at_once, filled, masks, noises, own_generator, scorer
from camlite.scores import Target, chosen, score_and_gradient
from camlite.split import Layer, split_at


def expected_grad_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    baseline: Fill = "blur",
    samples: int = 25,
    sigma: float = 0.15,
    generator: torch.Generator | None = None,
    progress: bool = False,
) -> Tensor:
    """Expected Grad-CAM: Grad-CAM with the mean gradient on the ways from many noisy baselines.

    X_t = X' + t (X − X'), X' = X_b + ε with SmoothGrad's noise ε and t drawn from U(0, 1);
    α = GAP(mean of G(X_t)) over the samples, L = ReLU(Σ_k α_k F_k), F that of the image itself.
    With sigma = 0 and many samples it is Integrated Grad-CAM's variant "gradient". t is drawn once
    in each of `samples` equal parts of [0, 1], so that few samples suffice.

    Doubtful: only the abstracts were at hand, and the authors' repository held no code in 2026.
    They say: the gradient is replaced by Expected Gradients (Erion et al. 2021) with kernel
    smoothing, nothing else of Grad-CAM is changed, and Integrated Grad-CAM is a special case.
    X' and the numbers are our reading. Their theorem says that the best weights are complete;
    completeness holds for Expected Gradients at the pixels, Σ E[(X − X') ∂Y/∂X] = Y(X) − E Y(X'),
    not for the sum of this map. With GAP and one linear layer it is Grad-CAM.

    `baseline` is X_b, a fill of `perturb.filled`. Noise and t come from `generator`, by default a
    new one with seed 0. The class is chosen at X. `relu=False` leaves out the ReLU.

    Shapes: images (N, C, H, W) -> maps (N, h, w). Cost: `samples` forwards and backwards.
    Source: Buono et al. 2024, arXiv 2406.01274; 2026, TMLR, "Not All CAMs Are Complete".

    >>> maps = camlite.expected_grad_cam(model, "features", images, samples=3)
    >>> torch.allclose(maps, camlite.grad_cam(model, "features", images), atol=1e-4)
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    c = chosen(classifier(F), target)
    X_b = filled(images, baseline, "baseline")
    generator = own_generator(generator)
    G = torch.zeros_like(F)
    draws = noises(images, samples, sigma, generator)
    for s, ε in enumerate(tqdm(draws, total=samples, disable=not progress)):
        t = (s + float(torch.rand((), generator=generator, device=generator.device))) / samples
        X_t = X_b + ε + t * (images - X_b - ε)
        G += score_and_gradient(classifier, features(X_t), c)[1] / samples
    L = weighted_sum(gap(G), F)
    return L.relu() if relu else L


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
