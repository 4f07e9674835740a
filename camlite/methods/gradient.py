"""Weights from the network itself: from its last layer (CAM) or from gradients (Grad-CAM …).

Letters: F (N, K, h, w) feature maps; Y (N,) the score; G = ∂Y/∂F; Z = h·w; w, α channel weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from camlite.errors import ArchitectureError
from camlite.maps import gap, weighted_sum
from camlite.scores import Target, chosen, score_and_gradient
from camlite.split import Layer, Stage, last_spatial_layer, split


def cam(model: nn.Module, layer: Layer, images: Tensor, target: Target = None) -> Tensor:
    """Class activation map: where the evidence for class c lies, M_c = Σ_k W[c, k] F_k.

    The mean of the map plus the bias is the logit: Y_c = (1/Z) Σ_xy M_c[x, y] + b_c.
    Needs a network that ends in global average pooling and one linear layer; raises
    `ArchitectureError` where `layer` is not directly in front of them. There is no ReLU in the
    paper's formula and none here: negative values speak against the class.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Zhou et al. 2016, arXiv 1512.04150, Eq. 2.
    """
    features, classifier = split(model, layer or last_spatial_layer(model, images))
    F = features(images)  # (N, K, h, w)
    W, Y = _linear_head(model, classifier, F)  # (C, K), (N, C)
    c = chosen(Y, target)  # (N,)
    if callable(c):
        raise ValueError("CAM explains one class: give an int or a tensor of classes, not a function")
    return weighted_sum(W[c], F)  # Eq. 2


def _linear_head(model: nn.Module, classifier: Stage, F: Tensor) -> tuple[Tensor, Tensor]:
    """W of the head, and its logits; proved on these images to be W·GAP(F) + b."""
    Y = classifier(F)
    heads = [m for m in model.modules() if isinstance(m, nn.Linear) and m.in_features == F.shape[1]]
    for head in heads:
        by_hand = nn.functional.linear(gap(F), head.weight, head.bias)
        if by_hand.shape == Y.shape and torch.allclose(by_hand, Y, rtol=1e-3, atol=1e-4):
            return head.weight.detach(), Y
    raise ArchitectureError(
        "CAM needs global average pooling and then one linear layer directly behind the chosen "
        f"layer ({F.shape[1]} channels); this network does something else there. Choose the layer "
        "after the last activation function, or use grad_cam, which needs no special head."
    )


def grad_cam(
    model: nn.Module, layer: Layer, images: Tensor, target: Target = None, *, relu: bool = True
) -> Tensor:
    """Grad-CAM: weigh each feature map by its mean gradient, L = ReLU(Σ_k α_k F_k), α = GAP(∂Y/∂F).

    Works for any head and any layer. `relu=False` gives the signed map: its negative part speaks
    against the class. On a network with GAP and one linear layer the signed map is CAM / Z.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: Selvaraju et al. 2017, arXiv 1610.02391, Eq. 1 and 2. Y is the logit, as there.
    """
    features, classifier = split(model, layer or last_spatial_layer(model, images))
    F = features(images)  # (N, K, h, w)
    Y, G = score_and_gradient(classifier, F, target)  # G = ∂Y/∂F
    α = gap(G)  # Eq. 1
    L = weighted_sum(α, F)  # Eq. 2
    return L.relu() if relu else L
