"""Maps from several layers: the deep ones know what, the shallow ones know where.

The network is cut at all layers in one pass; one backward pass gives every gradient. Letters:
F_l (N, K_l, h_l, w_l) feature maps of layer l; G_l = ∂Y/∂F_l; M_l the map of one layer; P_l the
map of layer l and all deeper ones. Layers go from the image to the logits.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm import tqdm

from camlite.checks import a_number, finite, one_of
from camlite.cutting.hooks import run_and_record
from camlite.cutting.running import check_images
from camlite.errors import ArchitectureError
from camlite.maps import channel_sum, gap, minmax, same_size, up, weighted_sum
from camlite.methods.gradient import pixel_weights
from camlite.perturb import Scorer, at_once, scorer
from camlite.scores import Target, chosen, recording, score, score_and_gradients
from camlite.split import Layer, split_at_all, stage_ends


class Incomplete(UserWarning):
    """The terms of a full-gradient decomposition do not add up to the score."""


def zoom_cam(
    model: nn.Module, layer: Layer | Sequence[Layer], images: Tensor, target: Target = None
) -> Tensor:
    """Zoom-CAM: the strongest layer at each position, M = max_l Up(s(ReLU(Σ_k G_l ∘ F_l))).

    s scales each layer's map to [0, 1], so a weak layer counts as much as a strong one and noise
    of a shallow layer stays. `layer` is a list, or None for the last layer before each change of
    resolution; the paper takes all convolutions of VGG16.

    Shapes: images (N, C, H, W) -> maps (N, h, w) in [0, 1] at the largest layer's resolution.
    Source: Shi et al. 2020, arXiv 2010.08644, as in the authors' code (which upsamples from layer
    to layer; here once).

    >>> maps = camlite.zoom_cam(model, ["features.5", "features.11"], images)
    >>> maps.shape, float(maps.max())
    (torch.Size([2, 24, 24]), 1.0)
    """
    features, *stages = split_at_all(model, layer, images, otherwise=stage_ends)
    _, F, G = score_and_gradients(stages, features(images), target)
    M = [channel_sum(g * f).relu() for g, f in zip(G, F, strict=True)]
    return same_size([minmax(m, dims=m.dim() - 1) for m in M]).amax(0)


def refine_cam(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    target: Target = None,
    *,
    root: bool = False,
) -> Tensor:
    """RefineCAM: what all layers agree on, P = Π_l Up(s(M_l)), with M_l the layer's Grad-CAM++.

    The product removes the noise of shallow layers and keeps their detail. Each map is scaled to
    [0, 1] by s first, so where one layer has its minimum P is 0. `root=True` takes the n-th root
    of the n maps' product. `layer` is a list, or None for the last layer before each change of
    resolution.

    Shapes: images (N, C, H, W) -> maps (N, h, w) in [0, 1] at the largest layer's resolution.
    Source: Domeniconi et al. 2026, arXiv 2605.14641, as in the authors' code.

    >>> camlite.refine_cam(model, ["features.5", "features.11"], images).shape
    torch.Size([2, 24, 24])
    """
    features, *stages = split_at_all(model, layer, images, otherwise=stage_ends)
    _, F, G = score_and_gradients(stages, features(images), target)
    w = [(pixel_weights(f, g) * g.relu()).flatten(2).sum(2) for f, g in zip(F, G, strict=True)]
    M = [weighted_sum(w_l, f).relu() for w_l, f in zip(w, F, strict=True)]
    P = same_size([minmax(m, dims=m.dim() - 1) for m in M]).prod(0)
    return P ** (1 / len(M)) if root else P


def winsor_cam(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    target: Target = None,
    *,
    percentile: float = 99.0,
    importance: str = "mean",
) -> Tensor:
    """Winsor-CAM: Grad-CAM of every layer, summed with weights whose outliers are cut.

    M_l = s(ReLU(Σ_k α_lk F_lk)), α_lk = GAP(G_lk); a_l = ReLU(mean_k α_lk), or max_k with
    importance="max". Winsorizing cuts the a_l > 0 at their `percentile`; then they are scaled to
    [0.1, 1], a_l = 0 stays 0: L = Σ_l w_l Up(M_l). A small percentile makes layers equal, a large
    one lets the strongest layer rule. `layer` is a list, or None for the last layer before each
    change of resolution; the paper takes all convolutions.

    Doubts: a layer whose mean gradient is negative is left out, whatever its map shows, and where
    all are, the map is 0. The scale moves the weakest layer to 0.1 unless all are equal, so w_l
    jumps from 1 to 0.1 between percentile=0 and a little more.

    Shapes: images (N, C, H, W) -> maps (N, h, w) ≥ 0 at the largest layer's resolution.
    Source: Wall et al. 2025, arXiv 2507.10846, as in the authors' code (commit 578db68, the
    README there takes percentile 90); equation numbers were not checked in the paper. That code
    takes a map that is wider than it has channels (early layers) for one with its channels last;
    here the channels are always the second axis.

    >>> maps = camlite.winsor_cam(model, ["features.5", "features.11"], images, percentile=50)
    >>> maps.shape
    torch.Size([2, 24, 24])
    """
    a_number("percentile", percentile, low=0, high=100)
    one_of("importance", importance, ("mean", "max"))
    features, *stages = split_at_all(model, layer, images, otherwise=stage_ends)
    _, F, G = score_and_gradients(stages, features(images), target)
    α = [gap(g) for g in G]  # (N, K_l) each
    M = [weighted_sum(α_l, f).relu() for α_l, f in zip(α, F, strict=True)]
    M_up = same_size([minmax(m, dims=m.dim() - 1) for m in M])  # (layers, N, …)
    a = torch.stack([α_l.amax(1) if importance == "max" else α_l.mean(1) for α_l in α]).relu()
    w = torch.stack([_winsorized(a_n, percentile) for a_n in a.T], 1)  # (layers, N)
    return (w.reshape(*w.shape, *[1] * (M_up.dim() - 2)) * M_up).sum(0)


def _winsorized(a: Tensor, percentile: float) -> Tensor:
    """Importances (layers,) ≥ 0 -> weights: those > 0 cut at their percentile, then 0.1 to 1."""
    alive = a > 0
    if not bool(alive.any()):
        return a
    cut = a.clamp(max=a[alive].quantile(percentile / 100))
    low, high = cut[alive].min(), cut.max()
    w = 0.1 + 0.9 * (cut - low) / (high - low) if high > low else torch.ones_like(a)
    return torch.where(alive, w, torch.zeros_like(a))


def poly_cam(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    target: Target = None,
    *,
    variant: str = "+-",
    local_norm: bool = True,
    authors_masks: bool = False,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Poly-CAM: each shallower layer sharpens the map of the deeper ones.

    From deep to shallow: M_l = ReLU(Σ_k w_k F_k); P_l = M_l for the deepest layer, else
    P_l = LNorm(M_l) ∘ Up(P_{l+1}). The weights ask the network, by softmax probability P:
    - variant "+" (PCAM+): w = P(X ∘ H_k);
    - variant "-" (PCAM−): w = ReLU(P(X) − P(X ∘ (1 − H_k)));
    - variant "+-" (PCAM±): w = ReLU(P(X ∘ H_k) + P(X) − P(X ∘ (1 − H_k))).

    H_k is F_k, cut at its 0.1 and 99.9 percentiles, scaled to [0, 1], upsampled. `authors_masks`
    divides by the upper percentile instead of the range, as their code does: the same where the
    lower one is 0. `local_norm=False` leaves LNorm out. Channels that are 0 everywhere are
    skipped; they cannot change the map. A callable target gets the probabilities.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the shallowest layer's resolution. Cost:
    Σ_l K_l forward passes, twice that for "+-"; `batch_size` masked images at a time.
    Source: Englebert et al. 2022, arXiv 2204.13359, as in the authors' code.

    >>> camlite.poly_cam(model, ["features.5", "features.11"], images[:1], variant="+").shape
    torch.Size([1, 24, 24])
    """
    one_of("variant", variant, ("+", "-", "+-"))
    features, *stages = split_at_all(model, layer, images, otherwise=stage_ends)
    F = [features(images)]
    for stage in stages[:-1]:
        F.append(stage(F[-1]))
    c = chosen(stages[-1](F[-1]), target)
    Y, B = scorer(model, images, c, probability=True), at_once(images, batch_size)
    P = torch.empty(0)
    for F_l in tqdm(F[::-1], desc="Poly-CAM", unit="layer", disable=not progress):
        M = weighted_sum(_poly_weights(Y, images, F_l, variant, authors_masks, B), F_l).relu()
        if F_l is F[-1]:
            P = M
        else:
            P = (_local_norm(M, P.shape[1:]) if local_norm else M) * up(P, M.shape[1:])
    return P


def _poly_weights(
    Y: Scorer, images: Tensor, F: Tensor, variant: str, authors_masks: bool, B: int
) -> Tensor:
    """w (N, K) of one layer: probability gained by keeping, and lost by removing, what k marks."""
    w = torch.zeros(F.shape[:2], dtype=F.dtype, device=F.device)
    for n, X in enumerate(images):
        P_X = Y(n, X[None])
        alive = (F[n] != 0).flatten(1).any(1).nonzero()[:, 0]
        for k in alive.split(B) if len(alive) else ():
            H = up(_clipped(F[n, k], authors_masks), X.shape[1:])[:, None]
            kept = Y(n, X * H) if "+" in variant else 0
            lost = P_X - Y(n, X * (1 - H)) if "-" in variant else 0
            w[n, k] = kept + lost
    return w if variant == "+" else w.relu()


def _clipped(F: Tensor, by_max: bool) -> Tensor:
    """Channels (B, h, w) cut at their 0.1 and 99.9 percentiles and scaled to [0, 1]."""
    q = torch.tensor([0.001, 0.999], dtype=F.dtype, device=F.device)
    low, high = F.flatten(1).quantile(q, dim=1).reshape(2, -1, *[1] * (F.dim() - 1))
    return ((F - low) / (high if by_max else high - low).clamp(min=1e-12)).clamp(0, 1)


def _local_norm(M: Tensor, size: Sequence[int]) -> Tensor:
    """LNorm(M) = M / max(Up(Down(M)), 1e-12): 1 where M is like its surroundings."""
    return M / up(up(M, size), M.shape[1:]).clamp(min=1e-12)


class FullGradients(NamedTuple):
    """What the input and each bias contribute to the score; for a network of ReLUs, all of it."""

    Y: Tensor  # (N,)
    input: Tensor  # ∂Y/∂X ∘ X, (N, C, H, W)
    biases: list[tuple[str, Tensor]]  # layer name, ∂Y/∂z ∘ b with z the layer's output

    def total(self) -> Tensor:
        """The sum of all terms, (N,): equal to Y if the decomposition is complete."""
        return self.input.flatten(1).sum(1) + sum(term.flatten(1).sum(1) for _, term in self.biases)


def full_gradients(model: nn.Module, images: Tensor, target: Target = None) -> FullGradients:
    """The full-gradient decomposition Y = Σ ∂Y/∂X ∘ X + Σ_l Σ ∂Y/∂z_l ∘ b_l.

    z_l is the output and b_l the bias of convolution, linear or BatchNorm layer l; a BatchNorm in
    evaluation mode is linear with b = β − γ μ / √(σ² + ε). Exact for networks of these layers,
    ReLU, max and average pooling and additions, and for a score linear in the logits.

    Shapes: images (N, C, H, W). Cost: 1 forward and 1 backward through the whole network.
    Source: Srinivas & Fleuret 2019, arXiv 1905.00780.

    >>> terms = camlite.methods.layers.full_gradients(model, images)
    >>> torch.allclose(terms.total(), terms.Y, atol=1e-3)
    True
    """
    check_images(model, images)
    b = {name: bias for name, m in model.named_modules() if (bias := _bias(m)) is not None}
    with recording(images):
        X = images.detach().clone().requires_grad_()
        S, z = run_and_record(model, X, list(b))
        Y = score(S, chosen(S.detach(), target))
        G_X, *G = torch.autograd.grad(Y.sum(), [X, *(z_l for _, z_l in z)], materialize_grads=True)
    finite("the gradient of the score", G_X)
    terms = [
        (name, _times_bias(G_l, b[name], model.get_submodule(name)))
        for (name, _), G_l in zip(z, G, strict=True)
    ]
    return FullGradients(Y.detach(), G_X * X.detach(), terms)


_WITH_BIAS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
_NORM = (nn.BatchNorm1d, nn.BatchNorm2d)


def _bias(layer: nn.Module) -> Tensor | None:
    """b (K,): what the layer adds to W·x; None for layers that add nothing."""
    if isinstance(layer, _WITH_BIAS) and layer.bias is not None:
        return layer.bias.detach()
    if isinstance(layer, _NORM) and layer.running_mean is not None:
        assert layer.running_var is not None
        γ = 1 if layer.weight is None else layer.weight.detach()
        β = 0 if layer.bias is None else layer.bias.detach()
        return β - γ * layer.running_mean / (layer.running_var + layer.eps).sqrt()
    return None


def _times_bias(G: Tensor, b: Tensor, layer: nn.Module) -> Tensor:
    """G ∘ b: the channels are the last axis of a linear layer, the second of the others."""
    return G * (b if isinstance(layer, nn.Linear) else b.reshape(-1, *[1] * (G.dim() - 2)))


def full_grad(model: nn.Module, images: Tensor, target: Target = None) -> Tensor:
    """FullGrad: input and biases as one map, Σ_C ψ(∂Y/∂X ∘ X) + Σ_l Σ_k ψ(∂Y/∂z_l ∘ b_l).

    ψ takes the absolute value, scales it to [0, 1] over all channels of the layer, and upsamples
    it to the image. The decomposition is exact (`full_gradients`); the map is not: ψ drops signs
    and sizes. All layers with a bias count; only those without positions (linear) are left out.
    Warns `Incomplete` if the terms do not add up to the score. Raises `ArchitectureError` for a
    network that runs layers on one cell of the image at a time (`nets.DiFull`).

    Shapes: images (N, C, H, W) -> maps (N, H, W), not negative, at the image's resolution.
    Source: Srinivas & Fleuret 2019, arXiv 1905.00780, as in the authors' code.

    >>> maps = camlite.full_grad(model, images)
    >>> maps.shape
    torch.Size([2, 48, 48])
    """
    _require_whole_maps(model)
    terms = full_gradients(model, images, target)
    _warn_if_incomplete(terms)
    dims = images.dim() - 1  # channels and positions
    spatial = [terms.input, *(term for _, term in terms.biases if term.dim() == images.dim())]
    return torch.stack([up(minmax(t.abs(), dims).sum(1), images.shape[2:]) for t in spatial]).sum(0)


def _require_whole_maps(model: nn.Module) -> None:
    """Each layer's term is laid over the whole image: it must have seen the whole image."""
    if not all(getattr(m, "maps_cover_the_image", True) for m in model.modules()):
        raise ArchitectureError(
            "FullGrad lays the terms of all layers over the whole image, but this network runs "
            "layers on one cell at a time; use a method of one layer, for instance hires_cam"
        )


def _warn_if_incomplete(terms: FullGradients) -> None:
    total = terms.total()
    size = terms.Y.abs() + terms.input.flatten(1).abs().sum(1)
    if bool(((total - terms.Y).abs() > 1e-3 * size).any()):
        warnings.warn(
            f"the terms add up to {total.tolist()}, the score is {terms.Y.tolist()}: the network "
            "has biases or curved functions (SiLU, softmax, LayerNorm) that FullGrad does not see",
            Incomplete,
            stacklevel=3,
        )
