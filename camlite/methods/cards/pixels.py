"""Cards of the methods at the resolution of the image, and of the floors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from camlite import methods
from camlite.methods.cards.card import Card, Cost


def _patches(size: Sequence[int], o: Any) -> int:
    """The places of occlusion's square: steps of one stride, and the border."""
    patch = o.patch or max(1, min(size) // 8)
    stride = o.stride or max(1, patch // 2)
    return math.prod(-(-max(0, side - patch) // stride) + 1 for side in size)


CARDS = (
    Card(
        function=methods.saliency,
        title="Saliency: the gradient of the image",
        short="Saliency",
        family="pixels",
        layers="none",
        paper="Simonyan, Vedaldi, Zisserman. Deep Inside Convolutional Networks: Visualising Image "
        "Classification Models and Saliency Maps. 2013. arXiv 1312.6034",
        equation="|∂Y/∂X|",
        needs="a differentiable network",
        passes=lambda s, o: Cost(forwards=1, backwards=1),
        caveats=("Noisy.", "Sensitivity, not evidence: no sign, no sum."),
        variants=("The paper's picture is the largest value over the colours: .amax(1).",),
    ),
    Card(
        function=methods.smooth_grad,
        title="SmoothGrad",
        short="SmoothGrad",
        family="pixels",
        layers="none",
        paper="Smilkov, Thorat, Kim, Viégas, Wattenberg. SmoothGrad: removing noise by adding "
        "noise. 2017. arXiv 1706.03825",
        equation="(1/N) Σ_i ∂Y/∂X (X + ε_i)",
        needs="a differentiable network",
        passes=lambda s, o: Cost(forwards=o.samples + 1, backwards=o.samples),
        formula={"forwards": "samples + 1", "backwards": "samples"},
        caveats=("Smooth does not mean right: noise hides what the network does between pixels.",),
        variants=("sigma: 0.1 to 0.2 of the value range in the paper.",),
    ),
    Card(
        function=methods.integrated_gradients,
        title="Integrated Gradients",
        short="Integrated Gradients",
        family="pixels",
        layers="none",
        paper="Sundararajan, Taly, Yan. Axiomatic Attribution for Deep Networks. ICML 2017. "
        "arXiv 1703.01365",
        equation="(X − X_b) ∘ (1/m) Σ_t ∂Y/∂X (X_b + (t/m)(X − X_b))  (Eq. 3)",
        needs="a differentiable network",
        passes=lambda s, o: Cost(forwards=o.steps + 1, backwards=o.steps),
        formula={"forwards": "steps + 1", "backwards": "steps"},
        caveats=(
            "Depends on the baseline: black pixels get 0 where the baseline is black.",
            "The multiplication with X draws the image.",
        ),
        variants=('baseline="zero", "mean", "blur", "strong_blur", a number, an image.',),
    ),
    Card(
        function=methods.deconvnet,
        title="DeconvNet",
        short="DeconvNet",
        family="pixels",
        layers="none",
        paper="Zeiler, Fergus. Visualizing and Understanding Convolutional Networks. ECCV 2014. "
        "arXiv 1311.2901",
        equation="at a ReLU: 1[R > 0]·R",
        needs="ReLUs",
        passes=lambda s, o: Cost(forwards=1, backwards=1),
        caveats=(
            "Shows the image more than the decision.",
            "Other activation functions keep their gradient (with a warning).",
        ),
    ),
    Card(
        function=methods.guided_backprop,
        title="Guided backpropagation",
        short="Guided backpropagation",
        family="pixels",
        layers="none",
        paper="Springenberg, Dosovitskiy, Brox, Riedmiller. Striving for Simplicity: The All "
        "Convolutional Net. ICLR Workshop 2015. arXiv 1412.6806",
        equation="at a ReLU: 1[f > 0]·1[R > 0]·R",
        needs="ReLUs",
        passes=lambda s, o: Cost(forwards=1, backwards=1),
        caveats=(
            "Fails the sanity checks: nearly unchanged when upper layers are randomised.",
            "Other activation functions keep their gradient (with a warning).",
        ),
    ),
    Card(
        function=methods.guided_grad_cam,
        title="Guided Grad-CAM",
        short="Guided Grad-CAM",
        family="pixels",
        layers="one",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra. Grad-CAM: Visual Explanations "
        "from Deep Networks via Gradient-based Localization. ICCV 2017. arXiv 1610.02391",
        equation="Up(L) ∘ guided backpropagation",
        needs="ReLUs, and a differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=2, backwards=1, backwards_after=1),
        caveats=("The sharp detail is guided backpropagation's: it fails the sanity checks.",),
    ),
    Card(
        function=methods.occlusion,
        title="Occlusion sensitivity",
        short="Occlusion sensitivity",
        family="pixels",
        layers="none",
        paper="Zeiler, Fergus. Visualizing and Understanding Convolutional Networks. ECCV 2014. "
        "arXiv 1311.2901",
        equation="P(X) − P(X with a patch hidden), mean over the patches that hide a pixel",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=_patches(s.size, o) + 2),
        formula={"forwards": "positions + 2"},
        caveats=(
            "Patch size and fill decide what is found.",
            "Evidence that is there twice is missed: hiding one leaves the other.",
        ),
        variants=(
            "The paper shows P(X with a patch hidden); here the loss, so that high means evidence.",
            "probability=False: logits.",
        ),
    ),
    Card(
        function=methods.rise,
        title="RISE: randomised input sampling",
        short="RISE",
        family="pixels",
        layers="none",
        paper="Petsiuk, Das, Saenko. RISE: Randomized Input Sampling for Explanation of Black-box "
        "Models. BMVC 2018. arXiv 1806.07421",
        equation="S = (1 / (N·p)) Σ_i P(X ∘ M_i) M_i",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=o.samples + 1),
        formula={"forwards": "samples + 1"},
        caveats=(
            "Random: give a generator and report the number of masks.",
            "Few masks leave blotches; the level of the map means nothing.",
        ),
        variants=("cells, keep: 7 and 0.5 in the paper.", "probability=False: logits."),
        fewer={"samples": 1000},
    ),
    Card(
        function=methods.random_cam,
        title="Random-CAM (a floor)",
        short="Random-CAM",
        family="floor",
        layers="one",
        paper="None. A control: what the feature maps show without any knowledge of the class.",
        equation="L = ReLU(Σ_k r_k F_k), r_k uniform in [−1, 1]",
        needs="nothing",
        passes=lambda s, o: Cost(forwards_before=1),
        caveats=("Explains nothing: a method should do better than this.",),
    ),
    Card(
        function=methods.center_gaussian,
        title="Centre Gaussian (a floor)",
        short="Centre Gaussian",
        family="floor",
        layers="one",
        paper="None. A control: photographers put the object in the middle.",
        equation="exp(−d² / 2σ²)",
        needs="nothing",
        passes=lambda s, o: Cost(),
        caveats=("Explains nothing: a method should do better than this.",),
    ),
)
