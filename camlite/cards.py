"""One card per method: what it needs, what it costs, where it fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from camlite import methods


@dataclass(frozen=True)
class Card:
    """What a reader wants to know before using a method. Costs are per image."""

    function: Callable[..., Tensor]
    title: str
    paper: str
    equation: str
    needs: str
    forwards: str
    backwards: str
    caveats: tuple[str, ...]
    variants: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.function.__name__


_CARDS = (
    Card(
        function=methods.cam,
        title="CAM: class activation mapping",
        paper="Zhou, Khosla, Lapedriza, Oliva, Torralba. Learning Deep Features for Discriminative "
        "Localization. CVPR 2016. arXiv 1512.04150",
        equation="M_c = Σ_k W[c, k] F_k  (Eq. 2)",
        needs="global average pooling and one linear layer behind the layer",
        forwards="1",
        backwards="0",
        caveats=(
            "Not unique: adding one vector to all rows of W changes every map but no probability.",
            "As coarse as the layer: 7×7 for ResNet at 224×224.",
            "Often covers only the most telling part of the object.",
        ),
        variants=("No ReLU, as in the paper; some libraries add one.",),
    ),
    Card(
        function=methods.grad_cam,
        title="Grad-CAM: gradient-weighted class activation mapping",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra. Grad-CAM: Visual Explanations "
        "from Deep Networks via Gradient-based Localization. ICCV 2017. arXiv 1610.02391",
        equation="α_k = GAP(∂Y/∂F_k), L = ReLU(Σ_k α_k F_k)  (Eq. 1, 2)",
        needs="a differentiable network behind the layer",
        forwards="1",
        backwards="1, behind the layer only",
        caveats=(
            "Averaging the gradient can light up places the network does not use (HiResCAM).",
            "Coarse in deep layers, noisy in shallow ones.",
        ),
        variants=("relu=False: the signed map.",),
    ),
    Card(
        function=methods.score_cam,
        title="Score-CAM: score-weighted class activation mapping",
        paper="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu. Score-CAM: Score-Weighted Visual "
        "Explanations for Convolutional Neural Networks. CVPR Workshops 2020. arXiv 1910.01279",
        equation="C_k = Y(X ∘ s(Up(F_k))) − Y(X_b), α = softmax_k(C), L = ReLU(Σ_k α_k F_k)  "
        "(Eq. 6-10)",
        needs="forward passes only",
        forwards="K + 2 (ResNet50 layer4: 2,050)",
        backwards="0",
        caveats=(
            "Masked images are unlike anything the network was trained on.",
            "The softmax over many channels makes the weights nearly equal.",
        ),
        variants=(
            "default: logits, softmax over channels (Algorithm 1).",
            "probability=True, channel_softmax=False: the authors' code weighs by probability.",
        ),
    ),
)

METHODS: dict[str, Card] = {card.name: card for card in _CARDS}
"""Every method's card, by the function's name."""
