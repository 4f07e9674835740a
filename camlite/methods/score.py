"""Weights from asking the network again: mask the image, or remove a channel, and look at Y.

Letters: F (N, K, h, w) feature maps; Y the score; X an image, X_b its baseline; H_k the mask made
of channel k; C_k its increase of confidence; α channel weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from tqdm import tqdm

from camlite.checks import a_number, at_least_one, one_of
from camlite.errors import ArchitectureError
from camlite.maps import gap, up, weighted_sum
from camlite.methods.head import linear_head
from camlite.perturb import Fill, Scorer, at_once, filled, masks, noise, scorer
from camlite.scores import Target, chosen, score
from camlite.split import Layer, Stage, split_at


def score_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    probability: bool = False,
    channel_softmax: bool = True,
    baseline: Fill | None = "zero",
    upsampled: bool = False,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Score-CAM: each feature map masks the image; its weight is the score the masked image gets.

    H_k = s(Up(F_k)), C_k = Y(X ∘ H_k) − Y(X_b), α = softmax_k(C), L = ReLU(Σ_k α_k F_k).
    No gradients; K forward passes per image, `batch_size` masked images at a time (default: what
    suits the machine). A constant channel has no mask (s is 0/0): it is left out, weight 0.

    Several methods circulate as "Score-CAM". The default is Algorithm 1: logits, softmax over the
    channels. `probability`: Y is the softmax probability, as in the paper's experiments.
    `channel_softmax=False`: the weights are C itself. `baseline` is X_b: "zero",
    "original" or another fill of `perturb.filled`; None leaves Y(X_b) out. Under the softmax over
    channels Y(X_b) is the same for all k and cancels. `upsampled=True`: the sum is taken at the
    size of the image. The authors' code is `probability=True, channel_softmax=False,
    baseline=None, upsampled=True`.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution; (N, H, W) upsampled.
    Source: Wang et al. 2020, arXiv 1910.01279, Eq. 6-10 and Algorithm 1.

    >>> camlite.score_cam(model, "features", images).shape
    torch.Size([2, 12, 12])
    >>> authors = {"probability": True, "channel_softmax": False, "baseline": None}
    >>> camlite.score_cam(model, "features", images, **authors, upsampled=True).shape
    torch.Size([2, 48, 48])
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X, size = images.detach(), images.shape[2:]
    Y = scorer(model, X, chosen(classifier(F), target), probability)
    Y_b = _baseline_scores(Y, X, baseline)
    C = torch.full_like(F.flatten(2)[..., 0], -torch.inf)  # (N, K)
    for n, k, H in masks(F, size, at_once(X, batch_size), progress, "Score-CAM"):  # Eq. 7
        C[n, k] = Y(n, X[n] * H) - Y_b[n]  # Eq. 6
    L = weighted_sum(_channel_weights(C, channel_softmax), F)  # Eq. 10
    L = up(L, size) if upsampled else L  # Up is linear: the same as the sum of upsampled maps
    return L.relu() if relu else L


def _baseline_scores(Y: Scorer, X: Tensor, baseline: Fill | None) -> list[Tensor] | list[float]:
    """Y(X_b) of each image."""
    if baseline is None:
        return [0.0] * len(X)
    return [Y(n, X_b[None]) for n, X_b in enumerate(filled(X, baseline, "baseline"))]


def _channel_weights(C: Tensor, channel_softmax: bool) -> Tensor:
    """α from C (N, K): its softmax over the channels, or C itself. No mask (C = −∞): weight 0."""
    α = C.softmax(1) if channel_softmax else C
    return torch.where(C.isfinite(), α, torch.zeros_like(C))


def ss_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    variant: str = "mask",
    samples: int = 35,
    sigma: float = 2.0,
    generator: torch.Generator | None = None,
    relu: bool = True,
    probability: bool = False,
    channel_softmax: bool = True,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """SS-CAM, smoothed Score-CAM: the increase of confidence is averaged over noisy samples.

    variant="mask": C_k = (1/N) Σ_i Y(X ∘ (H_k + ε_i)) − Y(0); variant="input":
    C_k = (1/N) Σ_i Y((X + ε_i) ∘ H_k) − Y(0); ε_i normal with standard deviation `sigma`; then as
    in Score-CAM. N·K forward passes per image: 71,680 for ResNet50's layer4 with 35 samples.
    The same N noise images serve all channels and all images, so the result does not depend on
    `batch_size`. Without `generator` the noise has seed 0.

    Not settled: 35 samples and sigma 2 are torch-cam's numbers and those quoted by Poly-CAM;
    another summary says 10 samples. The paper's own text was not at hand.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Wang et al. 2020, arXiv 2006.14255 (both placements of the noise, known second hand).

    >>> maps = camlite.ss_cam(model, "features", images[:1], variant="input", samples=2, sigma=0.1)
    >>> maps.shape
    torch.Size([1, 12, 12])
    """
    one_of("variant", variant, ("mask", "input"))
    at_least_one(samples=samples)
    a_number("sigma", sigma, low=0)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X, size = images.detach(), images.shape[2:]
    Y = scorer(model, X, chosen(classifier(F), target), probability)
    Y_b = _baseline_scores(Y, X, "zero")
    channels = 1 if variant == "mask" else X.shape[1]
    E = sigma * noise((samples, channels, *size), generator, X)  # ε_i
    C = torch.full_like(F.flatten(2)[..., 0], -torch.inf)
    for n, k, H in masks(F, size, at_once(X, batch_size), progress, "SS-CAM"):
        noisy = (X[n] * (H + ε) if variant == "mask" else (X[n] + ε) * H for ε in E)
        C[n, k] = sum(Y(n, each) for each in noisy) / samples - Y_b[n]
    L = weighted_sum(_channel_weights(C, channel_softmax), F)
    return L.relu() if relu else L


def is_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    steps: int = 10,
    relu: bool = True,
    probability: bool = False,
    channel_softmax: bool = True,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """IS-CAM, integrated Score-CAM, with uniform steps: the mask grows from 0 to its full strength.

    C_k = (1/N) Σ_{i=1..N} Y(X ∘ (i/N) H_k) − Y(0); then as in Score-CAM. N·K forward passes.

    Doubtful: how the paper scales the mask could not be checked. i/N is the plain reading, the
    mean along the straight path from 0 to the masked image. torch-cam adds the steps up, so that
    its last image of ten is 5.5 times as bright as the input.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Naidu et al. 2020, arXiv 2010.03023 (known second hand).

    >>> maps = camlite.is_cam(model, "features", images[:1], steps=1)  # only the whole mask
    >>> torch.allclose(maps, camlite.score_cam(model, "features", images[:1]), atol=1e-4)
    True
    """
    at_least_one(steps=steps)
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    X, size = images.detach(), images.shape[2:]
    Y = scorer(model, X, chosen(classifier(F), target), probability)
    Y_b = _baseline_scores(Y, X, "zero")
    C = torch.full_like(F.flatten(2)[..., 0], -torch.inf)
    for n, k, H in masks(F, size, at_once(X, batch_size), progress, "IS-CAM"):
        path = (X[n] * H * (i / steps) for i in range(1, steps + 1))
        C[n, k] = sum(Y(n, each) for each in path) / steps - Y_b[n]
    L = weighted_sum(_channel_weights(C, channel_softmax), F)
    return L.relu() if relu else L


def ablation_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    divide: str = "abs",
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Ablation-CAM: the weight of a channel is what the score loses when the channel is set to 0.

    α_k = (Y − Y_k) / |Y|, L = ReLU(Σ_k α_k F_k). K runs of the part behind the layer; where that
    part is global average pooling and one linear layer, its logits without channel k are known
    in closed form, logits − W[:, k] GAP(F)_k, and no run is needed.

    `divide`: "score" is the paper's formula, (Y − Y_k) / Y. A negative logit then turns the sign
    of the whole map around, so the default "abs" divides by |Y|: the same for Y > 0. "norm" is
    the slope (Y − Y_k) / ‖F_k‖ that the paper starts from (read in papers that quote it; the
    Euclidean norm is assumed). "none" keeps the difference. Nothing is divided by zero.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Desai and Ramaswamy, WACV 2020.

    >>> maps = camlite.ablation_cam(model, "features", images, target=0)
    >>> maps.shape
    torch.Size([2, 12, 12])
    """
    one_of("divide", divide, ("abs", "score", "norm", "none"))
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    logits = classifier(F)
    c = chosen(logits, target)
    Y = score(logits, c)[:, None]  # (N, 1)
    drop = torch.zeros_like(F.flatten(2)[..., 0])  # (N, K)
    for k, logits_k in _without_channels(model, classifier, F, batch_size, progress):
        drop[:, k] = Y - score(logits_k, _repeated(c, len(k))).view(len(F), -1)  # Y − Y_k
    size = {"abs": Y.abs(), "score": Y, "norm": F.flatten(2).norm(dim=2), "none": Y**0}[divide]
    α = drop / torch.where(size == 0, 1, size)
    L = weighted_sum(α, F)
    return L.relu() if relu else L


def _without_channels(
    model: nn.Module, classifier: Stage, F: Tensor, batch_size: int | None, progress: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """(k, logits_k): some channels k (B,) and the logits without each of them, (N·B, classes).

    All B of the first image come first. A channel that is 0 everywhere has nothing to lose.
    """
    N = len(F)
    W = _pool_and_linear(model, classifier, F)  # (classes, K) or None
    logits = classifier(F) if W is not None else None
    k_used = F.flatten(2).any(2).any(0).nonzero()[:, 0]
    batches = k_used.split(max(1, at_once(F, batch_size) // N)) if len(k_used) else ()
    for k in tqdm(batches, desc="Ablation-CAM", disable=not progress):
        if W is not None and logits is not None:
            yield k, (logits[:, None] - gap(F)[:, k, None] * W.T[k]).flatten(0, 1)
        else:
            F_k = F.repeat_interleave(len(k), 0).unflatten(0, (N, len(k)))
            F_k[:, torch.arange(len(k)), k] = 0
            yield k, classifier(F_k.flatten(0, 1))


def _pool_and_linear(model: nn.Module, classifier: Stage, F: Tensor) -> Tensor | None:
    """W if the part is proved to be W·GAP(F) + b."""
    try:
        return linear_head(model, classifier, F)[0]
    except ArchitectureError:
        return None


def _repeated(c: Target, B: int) -> Target:
    """Each image's class B times; a function stays as it is."""
    return c.repeat_interleave(B) if isinstance(c, Tensor) else c


def recipro_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    gaussian: bool = False,
    probability: bool = True,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Recipro-CAM: the score that each position of the feature map gets when it is left alone.

    L[i, j] = P(classifier(F ∘ δ_ij)): all positions but one are set to 0. h·w runs of the part
    behind the layer (49 for ResNet50's layer4), no gradients. There is no ReLU in the formula.
    `gaussian=True` spreads the vector at (i, j) over its neighbours with the 3×3 filter
    (1, 2, 1)ᵀ(1, 2, 1) / 16; the authors' code has it, switched off. `probability=False` takes
    the logit. The authors then scale the map by its minimum and maximum: use `heatmap`.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Byun and Lee, CVPR Workshops 2024, arXiv 2209.14074; formula from the authors' code.

    >>> maps = camlite.recipro_cam(model, "features", images)
    >>> maps.shape, bool(((maps > 0) & (maps < 1)).all())  # probabilities
    (torch.Size([2, 12, 12]), True)
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    c = chosen(classifier(F), target)
    spread = torch.ones((1, 1), dtype=F.dtype, device=F.device)
    for side in F.shape[2:]:
        spread = torch.kron(spread, _neighbours(side, gaussian).to(F))  # (h·w, h·w)
    L = torch.zeros_like(F[:, 0]).flatten(1)  # (N, h·w)
    positions = torch.arange(len(spread)).split(max(1, at_once(F, batch_size) // len(F)))
    for p in tqdm(positions, desc="Recipro-CAM", disable=not progress):
        F_p = F.flatten(2)[:, :, p].mT[..., None] * spread[p][:, None]  # (N, B, K, h·w)
        logits = classifier(F_p.reshape(-1, *F.shape[1:]))
        Y = score(logits.softmax(1) if probability else logits, _repeated(c, len(p)))
        L[:, p] = Y.view(-1, len(p))
    return L.view_as(F[:, 0])


def _neighbours(side: int, gaussian: bool) -> Tensor:
    """Row i: where position i of an axis goes: only to i, or (1, 2, 1)/4 around it."""
    I = torch.eye(side)
    return I / 2 + (I.roll(1, 0).tril(-1) + I.roll(-1, 0).triu(1)) / 4 if gaussian else I
