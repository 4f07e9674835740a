"""One card per method: what it needs, what it costs, where it fails."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

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
        """The function's name, which is the key in METHODS."""
        return self.function.__name__

    @property
    def call(self) -> str:
        """How the function is called, without its options."""
        given = inspect.signature(self.function).parameters.values()
        plain = [str(p.name) for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]
        return f"camlite.{self.name}({', '.join(plain)})"

    def as_dict(self) -> dict[str, Any]:
        """All facts by name, for printing and for `--json`."""
        facts = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "function"}
        return {"name": self.name, **facts, "call": self.call}


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
        function=methods.grad_cam_plus_plus,
        title="Grad-CAM++: a weight for every position",
        paper="Chattopadhyay, Sarkar, Howlader, Balasubramanian. Grad-CAM++: Improved Visual "
        "Explanations for Deep Convolutional Networks. WACV 2018. arXiv 1710.11063",
        equation="α = 1 / (2 + G ΣF), w_k = Σ_ij α ReLU(G), L = ReLU(Σ_k w_k F_k)  (Eq. 5, 19, 20)",
        needs="a differentiable network behind the layer",
        forwards="1",
        backwards="1, behind the layer only",
        caveats=(
            "Where G ΣF is small, α is 1/2 and this is Grad-CAM with positive gradients only.",
            "Negative evidence is dropped: rarely different from class to class as Grad-CAM is.",
            "Depends on the scale of the logits, unlike most methods here.",
        ),
        variants=(
            "default: Eq. 19, without a small number in the denominator.",
            "normalized=True: α sums to 1 over positions with G > 0, as in the authors' code.",
        ),
    ),
    Card(
        function=methods.smooth_grad_cam_plus_plus,
        title="Smooth Grad-CAM++: Grad-CAM++ over noisy images",
        paper="Omeiza, Speakman, Cintas, Weldemariam. Smooth Grad-CAM++: An Enhanced Inference "
        "Level Visualization Technique. 2019. arXiv 1908.01224",
        equation="D_p = mean G^p, α = D_2 / (2 D_2 + D_3 ΣF), w_k = Σ_ij α ReLU(D_1)",
        needs="a differentiable network behind the layer",
        forwards="samples + 1 (26)",
        backwards="samples (25), behind the layer only",
        caveats=(
            "Random: report samples and sigma; two seeds give two maps.",
            "Number of samples and sigma are not settled by the paper.",
            "D_3 can be negative where D_1 is positive: α can then grow large.",
        ),
        variants=("as_printed=True: D_1 instead of D_2 in the numerator of α.",),
    ),
    Card(
        function=methods.xgrad_cam,
        title="XGrad-CAM: axiom-based Grad-CAM",
        paper="Fu, Hu, Dong, Guo, Gao, Li. Axiom-based Grad-CAM: Towards Accurate Visualization "
        "and Explanation of CNNs. BMVC 2020. arXiv 2008.02312",
        equation="w_k = Σ_ij (F_k / ΣF_k) G_k, L = ReLU(Σ_k w_k F_k)",
        needs="a differentiable network behind the layer; features ≥ 0",
        forwards="1",
        backwards="1, behind the layer only",
        caveats=(
            "With signed features ΣF_k can be near 0 and one channel decides the map.",
            "Behind the layer only GAP: the same map as Grad-CAM.",
        ),
        variants=("ΣF_k = 0 gives weight 0; the authors add 1e-6.", "relu=False: the signed map."),
    ),
    Card(
        function=methods.hires_cam,
        title="HiResCAM: gradient times feature map",
        paper="Draelos, Carin. Use HiResCAM instead of Grad-CAM for faithful explanations of "
        "convolutional neural networks. 2020. arXiv 2011.08891",
        equation="L = Σ_k G_k ∘ F_k",
        needs="a differentiable network behind the layer",
        forwards="1",
        backwards="1, behind the layer only",
        caveats=(
            "The resolution is not higher than Grad-CAM's.",
            "Exact only in front of one linear layer; deeper heads give no guarantee.",
        ),
        variants=("default: signed, as in the formula.", "relu=True: positive evidence only."),
    ),
    Card(
        function=methods.layer_cam,
        title="LayerCAM: positive gradients, position by position",
        paper="Jiang, Zhang, Hou, Cheng, Wei. LayerCAM: Exploring Hierarchical Class Activation "
        "Maps for Localization. IEEE TIP 30:5875-5888, 2021",
        equation="M = ReLU(Σ_k ReLU(G_k) ∘ F_k); several layers: max_l Up(tanh(γ M_l / max M_l))",
        needs="a differentiable network behind the layer",
        forwards="1",
        backwards="1, behind the (first) layer only",
        caveats=(
            "Layers in front of a stride of 2 or a pooling layer show a grid.",
            "Negative evidence is dropped.",
        ),
        variants=(
            "a list of layers: fused by the maximum after tanh (Eq. 9, gamma=2); gamma=None: no "
            "tanh.",
            "element_wise=True: Σ_k ReLU(G_k ∘ F_k), known as element-wise Grad-CAM.",
            "relu=False: signed features keep their sign.",
        ),
    ),
    Card(
        function=methods.integrated_grad_cam,
        title="Integrated Grad-CAM: Grad-CAM along a path",
        paper="Sattarzadeh, Sudhakar, Plataniotis, Jang, Jeong, Kim. Integrated Grad-CAM: "
        "Sensitivity-Aware Visual Explanation of Deep Convolutional Networks. ICASSP 2021. "
        "arXiv 2102.07805",
        equation="L = (1/m) Σ_t ReLU(Σ_k GAP(G(X_t)) (F(X_t) − F(X_b))), X_t = X_b + t (X − X_b)",
        needs="a differentiable network behind the layer; a baseline image",
        forwards="steps + 2 (52)",
        backwards="steps (50), behind the layer only",
        caveats=(
            "Depends on the baseline.",
            "Not Integrated Gradients: no completeness.",
            'The subtraction in variant="paper" was not checked in the paper itself.',
        ),
        variants=(
            'variant="paper": with the baseline\'s features subtracted.',
            'variant="code": the authors\' notebook, nothing subtracted, without the end point.',
            'variant="gradient": gradients averaged, features of the image itself.',
        ),
    ),
    Card(
        function=methods.finer_cam,
        title="Finer-CAM: the difference to similar classes",
        paper="Zhang, Gu, Chowdhury, Mai, Carlyn, Berger-Wolf, Su, Chao. Finer-CAM: Spotting the "
        "Difference Reveals Finer Details for Visual Explanation. CVPR 2025. arXiv 2501.11309",
        equation="Grad-CAM of Y = Σ_i p_i (S_c − α S_i) / Σ_i p_i",
        needs="a differentiable network behind the layer; two classes or more",
        forwards="1 (the part behind the layer twice)",
        backwards="1, behind the layer only",
        caveats=(
            "Answers another question than Grad-CAM: c rather than its rivals.",
            "The rivals are the closest logits of this image, not the most similar meanings.",
        ),
        variants=(
            "rivals: how many, or which classes; alpha: strength of the comparison (1).",
            "weighted=False, alpha=0.6: torch-cam's default.",
        ),
    ),
    Card(
        function=methods.shapley_cam,
        title="ShapleyCAM: gradient minus half the Hessian",
        paper="Cai. CAMs as Shapley Value-based Explainers. The Visual Computer 2025. "
        "arXiv 2501.06261",
        equation="α_k = GAP(G − ½ H F), L = ReLU(Σ_k α_k F_k), u = S_c + ln P_c",
        needs="a twice differentiable network behind the layer",
        forwards="1 (the part behind the layer twice)",
        backwards="2, behind the layer only",
        caveats=("A second-order approximation of Shapley values, not their exact values.",),
        variants=(
            'utility="rest": S_c + ln P_c, the paper\'s.',
            'utility="logit": for a ReLU network behind the layer this is Grad-CAM.',
        ),
    ),
    Card(
        function=methods.eigen_cam,
        title="Eigen-CAM: the strongest pattern",
        paper="Muhammad, Yeasin. Eigen-CAM: Class Activation Map using Principal Components. "
        "IJCNN 2020. arXiv 2008.00299",
        equation="O = U Σ Vᵀ (positions × channels), L = O V_1",
        needs="nothing: no gradient, no class",
        forwards="1, up to the layer",
        backwards="0",
        caveats=(
            "The same map for every class: it shows what stands out, object or background.",
            "Not centred, it is close to the mean feature map.",
        ),
        variants=(
            "center=True: channels centred first, as in pytorch-grad-cam; a signed map.",
            "The sign is fixed by Σ V_1 > 0; other implementations leave it to chance.",
        ),
    ),
    Card(
        function=methods.eigen_grad_cam,
        title="EigenGrad-CAM: Eigen-CAM of gradient times feature map",
        paper="No paper; pytorch-grad-cam. Eigen-CAM: arXiv 2008.00299",
        equation="O = G ∘ F = U Σ Vᵀ, L = ReLU(O V_1)",
        needs="a differentiable network behind the layer",
        forwards="1",
        backwards="1, behind the layer only",
        caveats=("The strongest pattern of G ∘ F can be evidence against the class.",),
        variants=("center=True: pytorch-grad-cam.", "pooled=True: GAP(G) F instead of G ∘ F."),
    ),
    Card(
        function=methods.zoom_cam,
        title="Zoom-CAM: the strongest layer at each position",
        paper="Shi, Khademi, Li, van Gemert. Zoom-CAM: Generating Fine-grained Pixel Annotations "
        "from Image Labels. ICPR 2020. arXiv 2010.08644",
        equation="M = max_l Up(s(ReLU(Σ_k G_l ∘ F_l)))",
        needs="a differentiable network behind the first layer",
        forwards="1",
        backwards="1, behind the first layer",
        caveats=("Noise of shallow layers passes the maximum.",),
        variants=("a list of layers; None: the last layer before each change of resolution.",),
    ),
    Card(
        function=methods.poly_cam,
        title="Poly-CAM: deep maps sharpened by shallow ones",
        paper="Englebert, Cornu, De Vleeschouwer. Poly-CAM: High Resolution Class Activation Map "
        "for Convolutional Neural Networks. ICPR 2022. arXiv 2204.13359",
        equation="P_l = LNorm(M_l) ∘ Up(P_{l+1}), M_l = ReLU(Σ_k w_k F_k)",
        needs="forward passes only",
        forwards="Σ_l K_l, twice for ± (ResNet50, five layers: 7,808)",
        backwards="0",
        caveats=(
            "Slow: masks of every channel of every layer.",
            "Masked images are unlike anything the network was trained on.",
            "LNorm divides by local values near 0: single bright pixels.",
        ),
        variants=(
            'variant="+", "-", "+-": PCAM+, PCAM−, PCAM±.',
            "local_norm=False: without LNorm, the authors' ablation study.",
            "authors_masks=True: masks divided by the maximum instead of the range.",
        ),
    ),
    Card(
        function=methods.full_grad,
        title="FullGrad: input and biases",
        paper="Srinivas, Fleuret. Full-Gradient Representation for Neural Network Visualization. "
        "NeurIPS 2019. arXiv 1905.00780",
        equation="Y = Σ ∂Y/∂X ∘ X + Σ_l Σ ∂Y/∂z_l ∘ b_l; map = Σ_l Σ_k ψ(terms)",
        needs="a network of convolution, linear, BatchNorm, ReLU and pooling layers",
        forwards="1",
        backwards="1, through the whole network",
        caveats=(
            "The decomposition is complete, the map is not: ψ drops signs and sizes.",
            "SiLU, softmax and LayerNorm break the completeness (a warning says so).",
            "Little difference between classes in practice.",
        ),
        variants=("full_gradients gives the terms themselves.",),
    ),
    Card(
        function=methods.refine_cam,
        title="RefineCAM: what all layers agree on",
        paper="Domeniconi, Stramiglio, Lombardi, Salti. How to Evaluate and Refine your CAM. 2026. "
        "arXiv 2605.14641",
        equation="P = Π_l Up(s(M_l)), M_l the Grad-CAM++ map of layer l",
        needs="a differentiable network behind the first layer",
        forwards="1",
        backwards="1, behind the first layer",
        caveats=("Zero as soon as one layer has its minimum there.",),
        variants=("root=True: the n-th root of the product of n maps.",),
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
            "probability=True, channel_softmax=False, baseline=None, upsampled=True: the authors' "
            "code.",
            "Under the softmax over channels the baseline cancels.",
        ),
    ),
    Card(
        function=methods.ss_cam,
        title="SS-CAM: smoothed Score-CAM",
        paper="Wang, Naidu, Michael, Kundu. SS-CAM: Smoothed Score-CAM for Sharper Visual Feature "
        "Localization. 2020. arXiv 2006.14255",
        equation="C_k = (1/N) Σ_i Y(X ∘ (s(Up(F_k)) + ε_i)) − Y(0), then as Score-CAM",
        needs="forward passes only",
        forwards="N·K + 2 (ResNet50 layer4, N = 35: 71,682)",
        backwards="0",
        caveats=(
            "By far the most expensive method here.",
            "Noise of the size of the mask and more: sigma is 2, a mask lies between 0 and 1.",
            "Number of samples and sigma differ between sources; the paper was not at hand.",
        ),
        variants=(
            'variant="mask": noise on the mask; variant="input": noise on the image.',
            "probability and channel_softmax as in Score-CAM.",
        ),
    ),
    Card(
        function=methods.is_cam,
        title="IS-CAM: integrated Score-CAM (uniform steps)",
        paper="Naidu, Ghosh, Maurya, Nayak, Kundu. IS-CAM: Integrated Score-CAM for "
        "axiomatic-based explanations. 2020. arXiv 2010.03023",
        equation="C_k = (1/N) Σ_i Y(X ∘ (i/N) s(Up(F_k))) − Y(0), then as Score-CAM",
        needs="forward passes only",
        forwards="N·K + 2 (ResNet50 layer4, N = 10: 20,482)",
        backwards="0",
        caveats=(
            "Doubtful: the paper's scaling of the masks could not be checked.",
            "torch-cam adds the steps up; its images become brighter than the input.",
        ),
        variants=("probability and channel_softmax as in Score-CAM.",),
    ),
    Card(
        function=methods.ablation_cam,
        title="Ablation-CAM",
        paper="Desai, Ramaswamy. Ablation-CAM: Visual Explanations for Deep Convolutional Network "
        "via Gradient-free Localization. WACV 2020",
        equation="α_k = (Y − Y_k) / |Y|, L = ReLU(Σ_k α_k F_k)",
        needs="forward passes of the part behind the layer",
        forwards="1, and K of the part behind the layer (none for GAP + one linear layer)",
        backwards="0",
        caveats=(
            "Channels are removed one by one: two that say the same seem worthless.",
            "On GAP + linear the weight is W[c, k]·GAP(F)_k: each channel counts by its own mean "
            "once more than in CAM.",
        ),
        variants=(
            'divide="score": the paper\'s (Y − Y_k) / Y; a negative logit turns the sign around.',
            'divide="abs" (default): |Y|, the same for Y > 0.',
            'divide="norm": the slope (Y − Y_k) / ‖F_k‖; divide="none": the difference.',
        ),
    ),
    Card(
        function=methods.recipro_cam,
        title="Recipro-CAM",
        paper="Byun, Lee. Recipro-CAM: Fast gradient-free visual explanations for convolutional "
        "neural networks. CVPR Workshops (XAI4CV) 2024. arXiv 2209.14074",
        equation="L[i, j] = P(classifier(F ∘ δ_ij))",
        needs="forward passes of the part behind the layer",
        forwards="1, and h·w of the part behind the layer (ResNet50 layer4: 49)",
        backwards="0",
        caveats=(
            "A feature map that is 0 but for one position is unlike anything seen in training.",
            "Probabilities are never negative: no evidence against the class.",
        ),
        variants=(
            "gaussian=True: the position is spread by a 3×3 filter.",
            "probability=False: logits.",
        ),
    ),
    Card(
        function=methods.group_cam,
        title="Group-CAM: group score-weighted class activation mapping",
        paper="Zhang, Rao, Yang. Group-CAM: Group Score-Weighted Visual Explanations for Deep "
        "Convolutional Networks. 2021. arXiv 2103.13859",
        equation="M_l = ReLU(Σ_{k∈l} α_k F_k), β_l = ReLU(P(X_l) − P(X_b)), L = Σ_l β_l M_l",
        needs="a differentiable network behind the layer, and forward passes",
        forwards="groups + 3 (35)",
        backwards="1, behind the layer only",
        caveats=(
            "Consecutive channels have nothing in common: the groups are arbitrary.",
            "Where no group beats the blurred image the map is zero.",
        ),
        variants=(
            'cluster="chunks": consecutive channels (default, as in the authors\' code); '
            '"k_means": similar maps.',
            "denoise=0.7: the lowest 70 % of each group map are removed (earlier authors' code).",
        ),
    ),
    Card(
        function=methods.cluster_cam,
        title="Cluster-CAM: cognition-base and cognition-scissors",
        paper="Feng, Ji, Daković, Cui, Zhu, Stanković. Cluster-CAM: Cluster-Weighted Visual "
        "Interpretation of CNNs' Decision in Image Classification. Neural Networks 178, 2024. "
        "arXiv 2302.01642",
        equation="L = ReLU(M_base − M_scissors), M_l = Σ_{k∈l} F_k",
        needs="forward passes only",
        forwards="clusters + 1 (9)",
        backwards="0",
        caveats=(
            "Doubtful: the merging formula is one blog's reading of the abstract.",
            "One cluster counts: bad where there are several objects.",
            "k-means depends on its start; give a generator.",
        ),
        variants=(
            "cosine=False: k-means on the maps as they are.",
            "scissors=False: nothing is subtracted.",
        ),
    ),
    Card(
        function=methods.cosine_cam,
        title="Cosine-CAM (a blog's idea, no paper)",
        paper="None. An exercise from a Japanese blog post; never published as a method.",
        equation="k-means on F_k / ‖F_k‖, β_l = Y(X ∘ s(Up(M_l))) − Y(0), L = ReLU(Σ_l β_l M_l)",
        needs="forward passes only",
        forwards="clusters + 2 (10)",
        backwards="0",
        caveats=(
            "No paper, no evaluation.",
            "k-means depends on its start; give a generator.",
        ),
    ),
    Card(
        function=methods.saliency,
        title="Saliency: the gradient of the image",
        paper="Simonyan, Vedaldi, Zisserman. Deep Inside Convolutional Networks: Visualising Image "
        "Classification Models and Saliency Maps. 2013. arXiv 1312.6034",
        equation="|∂Y/∂X|",
        needs="a differentiable network",
        forwards="1",
        backwards="1, through the whole network",
        caveats=("Noisy.", "Sensitivity, not evidence: no sign, no sum."),
        variants=("The paper's picture is the largest value over the colours: .amax(1).",),
    ),
    Card(
        function=methods.smooth_grad,
        title="SmoothGrad",
        paper="Smilkov, Thorat, Kim, Viégas, Wattenberg. SmoothGrad: removing noise by adding "
        "noise. 2017. arXiv 1706.03825",
        equation="(1/N) Σ_i ∂Y/∂X (X + ε_i)",
        needs="a differentiable network",
        forwards="samples + 1 (51)",
        backwards="samples (50), through the whole network",
        caveats=("Smooth does not mean right: noise hides what the network does between pixels.",),
        variants=("sigma: 0.1 to 0.2 of the value range in the paper.",),
    ),
    Card(
        function=methods.integrated_gradients,
        title="Integrated Gradients",
        paper="Sundararajan, Taly, Yan. Axiomatic Attribution for Deep Networks. ICML 2017. "
        "arXiv 1703.01365",
        equation="(X − X_b) ∘ (1/m) Σ_t ∂Y/∂X (X_b + (t/m)(X − X_b))  (Eq. 3)",
        needs="a differentiable network",
        forwards="steps + 1 (51)",
        backwards="steps (50), through the whole network",
        caveats=(
            "Depends on the baseline: black pixels get 0 where the baseline is black.",
            "The multiplication with X draws the image.",
        ),
        variants=('baseline="zero", "blur", a number or an image.',),
    ),
    Card(
        function=methods.deconvnet,
        title="DeconvNet",
        paper="Zeiler, Fergus. Visualizing and Understanding Convolutional Networks. ECCV 2014. "
        "arXiv 1311.2901",
        equation="at a ReLU: 1[R > 0]·R",
        needs="ReLUs",
        forwards="1",
        backwards="1, through the whole network",
        caveats=(
            "Shows the image more than the decision.",
            "Other activation functions keep their gradient (with a warning).",
        ),
    ),
    Card(
        function=methods.guided_backprop,
        title="Guided backpropagation",
        paper="Springenberg, Dosovitskiy, Brox, Riedmiller. Striving for Simplicity: The All "
        "Convolutional Net. ICLR Workshop 2015. arXiv 1412.6806",
        equation="at a ReLU: 1[f > 0]·1[R > 0]·R",
        needs="ReLUs",
        forwards="1",
        backwards="1, through the whole network",
        caveats=(
            "Fails the sanity checks: nearly unchanged when upper layers are randomised.",
            "Other activation functions keep their gradient (with a warning).",
        ),
    ),
    Card(
        function=methods.guided_grad_cam,
        title="Guided Grad-CAM",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra. Grad-CAM: Visual Explanations "
        "from Deep Networks via Gradient-based Localization. ICCV 2017. arXiv 1610.02391",
        equation="Up(L) ∘ guided backpropagation",
        needs="ReLUs, and a differentiable network behind the layer",
        forwards="2",
        backwards="2",
        caveats=("The sharp detail is guided backpropagation's: it fails the sanity checks.",),
    ),
    Card(
        function=methods.occlusion,
        title="Occlusion sensitivity",
        paper="Zeiler, Fergus. Visualizing and Understanding Convolutional Networks. ECCV 2014. "
        "arXiv 1311.2901",
        equation="P(X) − P(X with a patch hidden), mean over the patches that hide a pixel",
        needs="forward passes only",
        forwards="2 + number of positions (224×224, patch 28, stride 14: 227)",
        backwards="0",
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
        paper="Petsiuk, Das, Saenko. RISE: Randomized Input Sampling for Explanation of Black-box "
        "Models. BMVC 2018. arXiv 1806.07421",
        equation="S = (1 / (N·p)) Σ_i P(X ∘ M_i) M_i",
        needs="forward passes only",
        forwards="samples + 1 (4,001)",
        backwards="0",
        caveats=(
            "Random: give a generator and report the number of masks.",
            "Few masks leave blotches; the level of the map means nothing.",
        ),
        variants=("cells, keep: 7 and 0.5 in the paper.", "probability=False: logits."),
    ),
    Card(
        function=methods.random_cam,
        title="Random-CAM (a floor)",
        paper="None. A control: what the feature maps show without any knowledge of the class.",
        equation="L = ReLU(Σ_k r_k F_k), r_k uniform in [−1, 1]",
        needs="nothing",
        forwards="1, up to the layer",
        backwards="0",
        caveats=("Explains nothing: a method should do better than this.",),
    ),
    Card(
        function=methods.center_gaussian,
        title="Centre Gaussian (a floor)",
        paper="None. A control: photographers put the object in the middle.",
        equation="exp(−d² / 2σ²)",
        needs="nothing",
        forwards="0",
        backwards="0",
        caveats=("Explains nothing: a method should do better than this.",),
    ),
)

METHODS: dict[str, Card] = {card.name: card for card in _CARDS}
"""Every method's card, by the function's name."""


def find_card(name: str) -> Card:
    """The card of a method; "Grad-CAM" and "gradcam" find grad_cam. ValueError with near names."""
    plain = {key.replace("_", ""): key for key in METHODS}
    asked = "".join(ch for ch in name.lower().replace("++", "plusplus") if ch.isalnum())
    if asked in plain:
        return METHODS[plain[asked]]
    near = [plain[n] for n in difflib.get_close_matches(asked, plain, n=3)]
    advice = f"did you mean {', '.join(near)}?" if near else "`camlite card` lists all methods"
    raise ValueError(f"no method is called {name!r}; {advice}")
