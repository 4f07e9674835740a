"""Weights from asking the network again: mask the image, or remove a channel, and look at Y.

Letters: F (N, K, h, w) feature maps; Y the score; H_k the mask made of channel k; C_k its
increase of confidence; α channel weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from tqdm import tqdm

from camlite.maps import minmax, up, weighted_sum
from camlite.scores import Target, chosen, score
from camlite.split import Layer, evaluation, last_spatial_layer, plain_arithmetic, split


def score_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    probability: bool = False,
    channel_softmax: bool = True,
    baseline: Tensor | None = None,
    batch_size: int = 16,
    progress: bool = False,
) -> Tensor:
    """Score-CAM: each feature map masks the image; its weight is the score the masked image gets.

    H_k = s(Up(F_k)), C_k = Y(X ∘ H_k) − Y(X_b), α = softmax_k(C), L = ReLU(Σ_k α_k F_k).
    No gradients; K forward passes per image, `batch_size` masked images at a time. A constant
    channel masks nothing (s is 0 everywhere) and gets weight 0.

    Variants, which all circulate as "Score-CAM": `probability` scores by softmax probability
    instead of the logit; `channel_softmax=False` takes C itself as weight, as the authors' code
    does (with `probability=True`); `baseline` is X_b, (C, H, W), zeros by default. Under the
    softmax over channels Y(X_b) is the same for all k and cancels exactly.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Wang et al. 2020, arXiv 1910.01279, Eq. 6-10 and Algorithm 1 (logits, channel softmax).
    """
    features, classifier = split(model, layer or last_spatial_layer(model, images))
    F = features(images)  # (N, K, h, w)
    classes = chosen(classifier(F), target)
    α = torch.zeros(F.shape[:2], dtype=F.dtype, device=F.device)
    bar = tqdm(total=α.numel(), desc="Score-CAM", disable=not progress, unit="mask")
    for n, X in enumerate(images):
        c = classes if callable(classes) else int(classes[n])
        X_b = torch.zeros_like(X) if baseline is None else baseline
        Y_b = _confidence(model, X_b[None], c, probability)
        alive = (F[n].flatten(1).amax(1) > F[n].flatten(1).amin(1)).nonzero()[:, 0]
        C = []
        for H in _masks(F[n, alive], X.shape[1:], batch_size):  # Eq. 7
            C.append(_confidence(model, X * H, c, probability) - Y_b)  # Eq. 6
            bar.update(len(H))
        if C:
            α[n, alive] = torch.cat(C).softmax(0) if channel_softmax else torch.cat(C)
    bar.close()
    L = weighted_sum(α, F)
    return L.relu() if relu else L


def _masks(F: Tensor, size: torch.Size, batch_size: int) -> Iterator[Tensor]:
    """H = s(Up(F_k)) for a few channels at a time: (B, 1, H, W). Eq. 7 and 8."""
    for some in F.split(batch_size):
        yield minmax(up(some, size), dims=len(size))[:, None]


def _confidence(model: nn.Module, images: Tensor, c: Target, probability: bool) -> Tensor:
    with evaluation(model), plain_arithmetic(images.detach()):
        logits = model(images.detach())
    return score(logits.softmax(1) if probability else logits, c)
