"""Weights from the feature maps alone: their strongest pattern (SVD), or all of them the same.

Letters: F (N, K, h, w) feature maps; Z = h·w positions; O (N, Z, K) one row for each position;
O = U Σ Vᵀ; v = V_1 the first right singular vector, one weight for each channel. For KPCA-CAM:
k(x, y) a kernel; C (Z, Z) the kernel between all positions of one image, centred; λ_1, u_1 its
largest eigenvalue and that eigenvector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from camlite.checks import a_number, finite, one_of
from camlite.maps import constant, gap
from camlite.scores import Target, chosen, score_and_gradient
from camlite.split import Layer, split_at


def eigen_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = False,
    center: bool = False,
) -> Tensor:
    """Eigen-CAM: the feature maps projected on their first principal direction, L = O V_1.

    Shows the strongest pattern of the layer, whatever it is: no class and no gradient enter, so
    all classes of an image get the same map and `target` only has to exist. `center=True`
    subtracts each channel's mean over the positions before the decomposition and projects what
    is left, as pytorch-grad-cam does; this map is signed.

    Sign: V_1 and −V_1 solve the decomposition equally well. Here V_1 is taken with Σ_k V_1[k] > 0
    (if the sum is 0: its largest entry positive), so the map never runs against the mean feature
    map: Σ_positions L · Σ_k O_k = σ_1² Σ_k V_1[k]. For F ≥ 0 and without centring all V_1 ≥ 0.
    If the two largest singular values are equal the direction itself is not unique.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Muhammad & Yeasin 2020, arXiv 2008.00299; the sign rule is this package's.

    >>> maps = [camlite.eigen_cam(model, "features", images, target=c) for c in (0, 1)]
    >>> torch.equal(*maps)  # it asks for no class
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    if target is not None:
        chosen(classifier(F), target)  # only to refuse a class that does not exist
    L = _first_component(F, center)
    return L.relu() if relu else L


def eigen_grad_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    center: bool = False,
    pooled: bool = False,
) -> Tensor:
    """EigenGrad-CAM: Eigen-CAM of gradient times feature map, G ∘ F, which depends on the class.

    `center`, the sign and equal singular values as in `eigen_cam`. `pooled=True` decomposes
    GAP(G) F instead, the channels of Grad-CAM.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: no paper; pytorch-grad-cam's EigenGradCAM (there with center=True).

    >>> maps = [camlite.eigen_grad_cam(model, "features", images, target=c) for c in (0, 1)]
    >>> torch.equal(*maps)
    False
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    _, G = score_and_gradient(classifier, F, target)
    if pooled:
        G = G.mean(tuple(range(2, G.dim())), keepdim=True)
    L = _first_component(G * F, center)
    return L.relu() if relu else L


KERNELS = ("sigmoid", "rbf", "poly", "linear")


def kpca_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = False,
    kernel: str = "sigmoid",
    gamma: float | None = None,
) -> Tensor:
    """KPCA-CAM: Eigen-CAM with a kernel, L = √λ_1 u_1 of the centred kernel C between positions.

    Shows the strongest pattern of the layer, as Eigen-CAM does: no class enters, `target` only has
    to exist. The kernel compares the K numbers x, y at two positions, each channel minus its mean:
    - "sigmoid": tanh(γ x·y + 1); "rbf": exp(−γ |x − y|²); "poly": (γ x·y + 1)³;
    - "linear": x·y, which is `eigen_cam(center=True)`.

    `gamma` is γ, None takes 1/K. The kernels are not linear: features twice as large give another
    map, not twice the map. Where γ x·y is large the sigmoid is ±1, and the map has a few levels.
    The sigmoid is no inner product (C can have negative eigenvalues; the largest counts).

    Sign: u_1 and −u_1 are both solutions. Here Σ_positions L · Σ_k F_k > 0, as in `eigen_cam`; if
    that sum is 0, the largest entry is positive. Two equal eigenvalues leave the map undetermined.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution. C has (h·w)² numbers
    and its eigenvectors cost (h·w)³ steps: 49² at 7×7, but 3136² at 56×56. Take a deep layer.
    Source: Karmani et al. 2024, arXiv 2410.00267; read in pytorch-grad-cam's KPCA_CAM (commit
    084273b), not in the paper. Constants 1 and 3 and γ are those of scikit-learn's KernelPCA,
    which that code calls.

    >>> maps = camlite.kpca_cam(model, "features", images, kernel="linear")
    >>> linear = camlite.eigen_cam(model, "features", images, center=True)
    >>> torch.allclose(maps, linear, atol=1e-3)
    True
    """
    one_of("kernel", kernel, KERNELS)
    if gamma is not None:
        a_number("gamma", gamma, low=0, open=True)
    features, classifier = split_at(model, layer, images)
    F = features(images)
    if target is not None:
        chosen(classifier(F), target)  # only to refuse a class that does not exist
    finite("the layer's output", F)
    O = (F - _mean_map(F)).flatten(2).transpose(1, 2)  # (N, Z, K)
    γ = 1 / F.shape[1] if gamma is None else gamma
    with torch.autocast(F.device.type, enabled=False):  # it would round to 16 bits
        L = torch.stack([_first_kernel_component(O_n, kernel, γ) for O_n in O])  # (N, Z)
    L = _with_sign(L, (L * O.sum(2)).sum(1, keepdim=True)).unflatten(1, F.shape[2:])
    return L.relu() if relu else L


def _first_kernel_component(O: Tensor, kernel: str, γ: float) -> Tensor:
    """√λ_1 u_1 (Z,) of the centred kernel between the rows of O (Z, K); 0 where all are alike."""
    if not O.any():  # rounding alone would be the pattern
        return O.new_zeros(len(O))
    products = O.double() @ O.double().T  # 1 + a small number would lose it in float32
    squares = products.diagonal()
    if kernel == "sigmoid":
        C = torch.tanh(γ * products + 1)
    elif kernel == "rbf":
        C = torch.exp(-γ * (squares[:, None] + squares - 2 * products).clamp(min=0))
    elif kernel == "poly":
        C = (γ * products + 1) ** 3
    else:
        C = products
    C = C - C.mean(0) - C.mean(1, keepdim=True) + C.mean()
    finite("the kernel between the positions", C)
    λ, u = torch.linalg.eigh((C + C.T) / 2)  # in ascending order
    return (λ[-1].clamp(min=0).sqrt() * u[:, -1]).to(O.dtype)


def lafam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = False,
) -> Tensor:
    """LaFAM: the mean of the feature maps, L = 1/K Σ_k F_k. No label, no weights.

    Shows where the layer is active. A map that asks for a class has to beat it. `target` only has
    to exist. The authors take layers that end with a ReLU, so that their maps have no sign.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Karjauv & Albayrak 2024, arXiv 2407.06059; read in the authors' code, not in the paper.

    >>> F = camlite.split(model, "features")[0](images)
    >>> torch.allclose(camlite.lafam(model, "features", images), F.mean(1))
    True
    """
    features, classifier = split_at(model, layer, images)
    F = features(images)
    if target is not None:
        chosen(classifier(F), target)  # only to refuse a class that does not exist
    finite("the layer's output", F)
    L = F.mean(1)
    return L.relu() if relu else L


def _first_component(F: Tensor, center: bool) -> Tensor:
    """O V_1 for each image, in the shape of one feature map: (N, h, w)."""
    finite("the layer's output", F)
    if center:
        F = F - _mean_map(F)
    O = F.flatten(2).transpose(1, 2)  # (N, Z, K)
    _, _, Vh = torch.linalg.svd(O, full_matrices=False)
    v = _with_sign(Vh[:, 0], Vh[:, 0].sum(1, keepdim=True))  # (N, K)
    return (O * v[:, None]).sum(2).unflatten(1, F.shape[2:])


def _mean_map(F: Tensor) -> Tensor:
    """Each channel's mean at all positions; a constant channel is its own mean, not rounded."""
    mean = _like(gap(F), F).expand_as(F)
    return torch.where(_like(constant(F, F.dim() - 2), F), F, mean)


def _like(a: Tensor, F: Tensor) -> Tensor:
    return a.reshape(*a.shape, *[1] * (F.dim() - 2))


def _with_sign(v: Tensor, s: Tensor) -> Tensor:
    """v or −v (N, …), so that s (N, 1) is positive; where s is 0, so that v's largest entry is."""
    largest = v.gather(1, v.abs().argmax(1, keepdim=True))
    return v * torch.where(s != 0, s, largest).sign()
