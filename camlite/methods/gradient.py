"""Weights from the network itself: from its last layer (CAM) or from gradients (Grad-CAM …).

Letters: F (N, K, h, w) feature maps; Y (N,) the score; G = ∂Y/∂F; Z = h·w; w, α channel weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import torch
from torch import Tensor, nn
from tqdm import tqdm

from camlite.checks import a_number, at_least_one, one_of
from camlite.maps import channel_sum, gap, same_size, weighted_sum
from camlite.methods.head import linear_head
from camlite.perturb import Fill, filled, noises
from camlite.scores import (
    Target,
    chosen,
    class_numbers,
    gradient_and_hessian_product,
    score,
    score_and_gradient,
    score_and_gradients,
)
from camlite.split import Layer, last_spatial_layer, split_at, split_at_all


def cam(model: nn.Module, layer: Layer, images: Tensor, target: Target = None) -> Tensor:
    """Class activation map: where the evidence for class c lies, M_c = Σ_k W[c, k] F_k.

    The mean of the map plus the bias is the logit: Y_c = (1/Z) Σ_xy M_c[x, y] + b_c.
    Needs a network that ends in global average pooling and one linear layer; raises
    `ArchitectureError` where `layer` is not directly before them. There is no ReLU in the
    paper's formula and none here: negative values speak against the class.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Zhou et al. 2016, arXiv 1512.04150, Eq. 2.

    >>> maps = camlite.cam(model, "features", images, target=0)
    >>> logits = maps.mean((1, 2)) + model.classifier.bias[0]
    >>> torch.allclose(logits, model(images)[:, 0], atol=1e-4)
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    W, Y = linear_head(model, classifier, F)  # (C, K), (N, C)
    c = chosen(Y, target)  # (N,)
    if callable(c):
        raise ValueError("CAM explains one class: give an int or a tensor of classes, no function")
    return weighted_sum(W[c], F)  # Eq. 2


def grad_cam(
    model: nn.Module, layer: Layer, images: Tensor, target: Target = None, *, relu: bool = True
) -> Tensor:
    """Grad-CAM: weigh each feature map by its mean gradient, L = ReLU(Σ_k α_k F_k), α = GAP(∂Y/∂F).

    Works for any head and any layer. `relu=False` gives the signed map: its negative part speaks
    against the class. On a network with GAP and one linear layer the signed map is CAM / Z.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Selvaraju et al. 2017, arXiv 1610.02391, Eq. 1 and 2. Y is the logit, as there.

    >>> maps = camlite.grad_cam(model, "features", images)
    >>> maps.shape, camlite.heatmap(maps, images.shape[2:]).shape
    (torch.Size([2, 12, 12]), torch.Size([2, 48, 48]))
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    _, G = score_and_gradient(classifier, F, target)  # G = ∂Y/∂F
    α = gap(G)  # Eq. 1
    L = weighted_sum(α, F)  # Eq. 2
    return L.relu() if relu else L


def grad_cam_plus_plus(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    normalized: bool = False,
) -> Tensor:
    """Grad-CAM++: every position of a channel has its own weight α, so several objects count.

    w_k = Σ_ij α_ij ReLU(G_ij), α = G² / (2 G² + G³ ΣF) = 1 / (2 + G ΣF), L = ReLU(Σ_k w_k F_k).
    The paper explains exp(Y): its derivatives are exp(Y)·G, exp(Y)·G², exp(Y)·G³ for a network of
    ReLUs, and the common factor exp(Y) is dropped (it scales the whole map). α is computed in the
    divided form, without a small number in the denominator, so tiny gradients do not vanish.

    Variant `normalized=True`: α of each channel sums to 1 over the positions with G > 0, as in the
    authors' code. Not given here: the softmax score of Eq. 21-24. A denominator of 0 (possible
    only where ΣF < 0) gives α = 0.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Chattopadhyay et al. 2018, arXiv 1710.11063v3, Eq. 5, 19 and 20.

    >>> maps = camlite.grad_cam_plus_plus(model, "features", images, target=[0, 1])
    >>> maps.shape, bool((maps >= 0).all())
    (torch.Size([2, 12, 12]), True)
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    _, G = score_and_gradient(classifier, F, target)
    α = pixel_weights(F, G) * (G > 0)  # Eq. 19; the others meet ReLU(G) = 0 anyway
    if normalized:
        α = _divide(α, _sum(α))
    w = (α * G.relu()).flatten(2).sum(2)  # Eq. 5
    L = weighted_sum(w, F)  # Eq. 20
    return L.relu() if relu else L


def pixel_weights(F: Tensor, G: Tensor) -> Tensor:
    """α = 1 / (2 + G ΣF), for each position; 0 where the denominator is 0."""
    return _divide(torch.ones_like(G), 2 + G * _sum(F))


def _sum(F: Tensor) -> Tensor:
    """Σ_ij F_k[i, j], in a shape that multiplies F: (N, K, 1, 1) or (N, K, 1)."""
    return F.sum(tuple(range(2, F.dim())), keepdim=True)


def _divide(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0."""
    return torch.where(b != 0, a / b, torch.zeros_like(b))


def smooth_grad_cam_plus_plus(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    samples: int = 25,
    sigma: float = 0.15,
    as_printed: bool = False,
    generator: torch.Generator | None = None,
    progress: bool = False,
) -> Tensor:
    """Smooth Grad-CAM++: Grad-CAM++ with the gradient's powers averaged over noisy images.

    D_p = mean of G^p over `samples` images X + ε, ε ~ N(0, (sigma · (max X − min X))²);
    α = D_2 / (2 D_2 + D_3 ΣF), w_k = Σ_ij α ReLU(D_1), L = ReLU(Σ_k w_k F_k). F is that of the
    clean image. The class is chosen on the clean image. With sigma = 0 this is Grad-CAM++.

    `as_printed=True` puts D_1 into the numerator of α, as the paper is said to print it; the
    derivation from Grad-CAM++ gives D_2. The paper leaves samples and sigma open; 25 and 0.15 are
    those of SmoothGrad's range. Noise comes from `generator`, by default a new one with seed 0;
    the global random state is never used.

    Shapes: images (N, C, H, W) -> maps (N, h, w). Cost: `samples` forwards and backwards.
    Source: Omeiza et al. 2019, arXiv 1908.01224 (checked through other implementations only).

    >>> clean = camlite.smooth_grad_cam_plus_plus(model, "features", images, samples=1, sigma=0)
    >>> torch.allclose(clean, camlite.grad_cam_plus_plus(model, "features", images), atol=1e-4)
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    c = chosen(classifier(F), target)
    D1, D2, D3 = torch.zeros_like(F), torch.zeros_like(F), torch.zeros_like(F)
    for ε in tqdm(noises(images, samples, sigma, generator), total=samples, disable=not progress):
        _, G = score_and_gradient(classifier, features(images + ε), c)
        D1, D2, D3 = D1 + G / samples, D2 + G**2 / samples, D3 + G**3 / samples
    α = pixel_weights(F, _divide(D3, D2))
    if as_printed:
        α = _divide(D1, 2 * D2 + D3 * _sum(F))
    w = (α * D1.relu()).flatten(2).sum(2)
    L = weighted_sum(w, F)
    return L.relu() if relu else L


def _like(a: Tensor, F: Tensor) -> Tensor:
    """One number for each image, (N,), in a shape that multiplies F: (N, 1, 1, 1) or (N, 1, 1)."""
    return a.reshape(-1, *[1] * (F.dim() - 1))


def xgrad_cam(
    model: nn.Module, layer: Layer, images: Tensor, target: Target = None, *, relu: bool = True
) -> Tensor:
    """XGrad-CAM: the gradient's mean over each feature map, weighted by the map itself.

    w_k = Σ_ij (F_k[i, j] / ΣF_k) G_k[i, j], L = ReLU(Σ_k w_k F_k). These weights violate two
    axioms as little as possible: sensitivity (removing channel k lowers Y by w_k ΣF_k) and
    conservation (the map's sum is Y). Both hold exactly in front of one linear layer, the second
    up to its bias. With GAP and one linear layer it is Grad-CAM.

    A channel with ΣF_k = 0 gets weight 0. The paper assumes F ≥ 0; for signed features (before
    the ReLU, or with SiLU) ΣF_k can be close to 0 and the weight very large.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Fu et al. 2020, arXiv 2008.02312, weights as in the authors' code (there + 1e-6).

    >>> maps = camlite.xgrad_cam(model, "features", images)
    >>> torch.allclose(maps, camlite.grad_cam(model, "features", images), atol=1e-4)
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    _, G = score_and_gradient(classifier, F, target)
    w = (_divide(F, _sum(F)) * G).flatten(2).sum(2)
    L = weighted_sum(w, F)
    return L.relu() if relu else L


def hires_cam(
    model: nn.Module, layer: Layer, images: Tensor, target: Target = None, *, relu: bool = False
) -> Tensor:
    """HiResCAM: gradient times feature map, position by position, L = Σ_k G_k ∘ F_k.

    Nothing is averaged, so no position is lit up that the network did not use. In front of one
    linear layer, with GAP or flatten, the map's sum plus the bias is the logit. The resolution is
    that of the layer, as for Grad-CAM. The formula has no ReLU: negative values speak against
    the class; `relu=True` drops them.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Draelos & Carin 2020, arXiv 2011.08891.

    >>> maps = camlite.hires_cam(model, "features", images, target=0)
    >>> logits = maps.sum((1, 2)) + model.classifier.bias[0]
    >>> torch.allclose(logits, model(images)[:, 0], atol=1e-4)
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    _, G = score_and_gradient(classifier, F, target)
    L = channel_sum(G * F)
    return L.relu() if relu else L


def layer_cam(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    element_wise: bool = False,
    gamma: float | None = 2.0,
) -> Tensor:
    """LayerCAM: only positive gradients count, each at its place, M = ReLU(Σ_k ReLU(G_k) ∘ F_k).

    Works in shallow layers too, where an averaged gradient says little. A list of layers gives one
    map at the size of the largest: each map is scaled, tanh(gamma · M / max M) (Eq. 9), so that
    weak shallow layers count, and the maximum is taken at each position. `gamma=None` leaves tanh
    out. The paper scales shallow layers; here all layers are scaled alike.

    `element_wise=True` is "element-wise Grad-CAM", Σ_k ReLU(G_k ∘ F_k): the same where F ≥ 0.
    `relu=False` (one layer only) keeps the sign that negative features give.
    Layers in front of a stride of 2 show a grid: take one layer before.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the (largest) layer's resolution.
    Source: Jiang et al. 2021, IEEE TIP 30:5875, as described by the authors' code and libraries.

    >>> camlite.layer_cam(model, ["features.5", "features.11"], images).shape  # the larger layer's
    torch.Size([2, 24, 24])
    """
    if gamma is not None:
        a_number("gamma", gamma, low=0, open=True)
    features, *stages = split_at_all(model, layer, images, otherwise=last_spatial_layer)
    _, F, G = score_and_gradients(stages, features(images), target)
    if not relu and len(F) > 1:
        raise ValueError("relu=False gives a signed map of one layer; several layers were given")
    GF = [(g * f).relu() if element_wise else g.relu() * f for g, f in zip(G, F, strict=True)]
    M = [channel_sum(gf).relu() if relu else channel_sum(gf) for gf in GF]
    if len(M) == 1:
        return M[0]
    M = [_divide(m, _like(m.flatten(1).amax(1), m)) for m in M]  # in [0, 1]
    if gamma is not None:
        M = [torch.tanh(gamma * m) for m in M]  # Eq. 9
    return same_size(M).amax(0)


def integrated_grad_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    baseline: Fill = "zero",
    steps: int = 50,
    variant: str = "paper",
    progress: bool = False,
) -> Tensor:
    """Integrated Grad-CAM: Grad-CAM averaged on the way from a baseline image to the image.

    X_t = X_b + t (X − X_b). A gradient that is flat at the image itself (a saturated score) still
    counts where the way passes its slope. Three forms circulate; each is a mean over the steps:
    - "paper": ReLU(Σ_k GAP(G(X_t)) (F(X_t) − F(X_b))), t = 1/m … 1;
    - "code", the authors' notebook: ReLU(Σ_k GAP(G(X_t)) F(X_t)), t = 0 … (m − 1)/m;
    - "gradient": the gradients are averaged first, ReLU(Σ_k mean_t GAP(G(X_t)) F(X)), t = 1/m … 1.
    The published form is a sum, which differs by the factor m.

    `baseline` is X_b: "zero" (the mean colour after the usual preprocessing) or another fill of
    `perturb.filled`. The class is chosen at X. `relu=False` leaves out every ReLU.

    Shapes: images (N, C, H, W) -> maps (N, h, w). Cost: `steps` forwards and backwards.
    Source: Sattarzadeh et al. 2021, arXiv 2102.07805; the subtraction of F(X_b) in "paper" was not
    checked in the paper itself, "code" was read in the authors' notebook.

    >>> maps = camlite.integrated_grad_cam(model, "features", images, baseline="mean", steps=5)
    >>> maps.shape
    torch.Size([2, 12, 12])
    """
    one_of("variant", variant, ("paper", "code", "gradient"))
    at_least_one(steps=steps)
    features, classifier = split_at(model, layer, images)
    F = features(images)
    c = chosen(classifier(F), target)
    X_b = filled(images, baseline, "baseline")
    F_b = features(X_b) if variant == "paper" else torch.zeros_like(F)
    L = torch.zeros_like(F[:, 0])
    for t in tqdm(range(steps), disable=not progress):
        X = X_b + (t if variant == "code" else t + 1) / steps * (images - X_b)
        F_t = features(X)
        α = gap(score_and_gradient(classifier, F_t, c)[1])
        L_t = weighted_sum(α, F if variant == "gradient" else F_t - F_b)
        L += (L_t.relu() if relu and variant != "gradient" else L_t) / steps
    return L.relu() if relu else L


def finer_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    rivals: int | Sequence[int] = 3,
    alpha: float = 1.0,
    weighted: bool = True,
) -> Tensor:
    """Finer-CAM: what tells class c from similar ones, Y = Σ_i p_i (S_c − α S_i) / Σ_i p_i.

    Grad-CAM of this difference: what c shares with its rivals i drops out. `rivals` is how many
    classes with the closest logits are taken, or the classes themselves. `weighted=False` takes
    the plain mean of the rivals (with alpha=0.6 that is torch-cam's form). With alpha = 1 the map
    does not change when one vector is added to all rows of a linear head, unlike CAM.
    As in the authors' code the gradient also runs through the probabilities p.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Zhang et al., Finer-CAM, CVPR 2025, arXiv 2501.11309, as in the authors' code.

    >>> maps = camlite.finer_cam(model, "features", images, target=0, rivals=[1], relu=False)
    >>> W = model.classifier.weight
    >>> F = model.features(images)
    >>> torch.allclose(maps, camlite.weighted_sum((W[0] - W[1]).expand(2, -1), F) / 144, atol=1e-4)
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    S = classifier(F)
    c = chosen(S, target)
    if callable(c):
        raise ValueError("Finer-CAM compares classes: give an int or a tensor of classes")
    a_number("alpha", alpha)
    i = _closest(S, c, rivals)  # (N, rivals)

    def difference(S: Tensor) -> Tensor:
        S_i = S.gather(1, i.clone())  # the copy is for inference mode
        p = S_i.softmax(1) if weighted else torch.full_like(S_i, 1 / i.shape[1])  # p_i / Σ p_i
        return S.gather(1, c[:, None])[:, 0] - alpha * (p * S_i).sum(1)

    _, G = score_and_gradient(classifier, F, difference)
    L = weighted_sum(gap(G), F)
    return L.relu() if relu else L


def _closest(S: Tensor, c: Tensor, rivals: int | Sequence[int]) -> Tensor:
    """The rival classes of each image, (N, rivals): given, or those with the closest logits."""
    C = S.shape[1]
    if isinstance(rivals, Integral):
        at_least_one(rivals=rivals)
        if C < 2:
            raise ValueError("Finer-CAM compares classes, and this model has only one")
        distance = (S - S.gather(1, c[:, None])).abs().scatter(1, c[:, None], torch.inf)
        return distance.topk(min(int(rivals), C - 1), largest=False).indices
    i = class_numbers(rivals, "rivals").to(S.device).expand(len(S), -1)
    if i.numel() == 0 or bool(((i < 0) | (i >= C) | (i == c[:, None])).any()):
        raise ValueError(f"rivals must be classes, 0 to {C - 1}, other than the target: {rivals}")
    return i


def shapley_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    utility: str = "rest",
) -> Tensor:
    """ShapleyCAM: Grad-CAM with a second-order term, α_k = GAP(G − ½ H F), H the Hessian of u.

    α approximates the Shapley value of a channel (its mean contribution over all orders in which
    channels can enter). The utility u is "rest": S_c + ln P_c, the paper's; or "logit": S_c, for
    which a network of ReLUs behind the layer has H = 0 and the map is Grad-CAM. A function as
    target is u itself.

    Shapes: images (N, C, H, W) -> maps (N, h, w). Cost: 1 forward and 2 backwards behind the layer.
    Source: Cai 2025, arXiv 2501.06261, as in the authors' code.

    >>> maps = camlite.shapley_cam(model, "features", images, utility="logit")
    >>> torch.allclose(maps, camlite.grad_cam(model, "features", images), atol=1e-4)
    True
    """
    one_of("utility", utility, ("rest", "logit"))
    features, classifier = split_at(model, layer, images)
    F = features(images)
    c = chosen(classifier(F), target)

    def u(S: Tensor) -> Tensor:
        return score(S, c) + (score(S.log_softmax(1), c) if utility == "rest" else 0)

    G, HF = gradient_and_hessian_product(classifier, F, c if callable(c) else u)
    α = gap(G - HF / 2)
    L = weighted_sum(α, F)
    return L.relu() if relu else L
