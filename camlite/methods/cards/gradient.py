"""Cards of CAM, of the methods with gradients or an SVD, and of those over several layers."""

from __future__ import annotations

from camlite import methods
from camlite.methods.cards.card import Card, Cost

CARDS = (
    Card(
        function=methods.cam,
        title="CAM: class activation mapping",
        short="CAM",
        family="last layer",
        layers="one",
        paper="Zhou, Khosla, Lapedriza, Oliva, Torralba. Learning Deep Features for Discriminative "
        "Localization. CVPR 2016. arXiv 1512.04150",
        equation="M_c = Σ_k W[c, k] F_k  (Eq. 2)",
        needs="global average pooling and one linear layer after the layer",
        passes=lambda s, o: Cost(forwards=1, forwards_after=1),  # the proof of the head
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
        short="Grad-CAM",
        family="gradient",
        layers="one",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra. Grad-CAM: Visual Explanations "
        "from Deep Networks via Gradient-based Localization. ICCV 2017. arXiv 1610.02391",
        equation="α_k = GAP(∂Y/∂F_k), L = ReLU(Σ_k α_k F_k)  (Eq. 1, 2)",
        needs="a differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "Averaging the gradient can light up places the network does not use (HiResCAM).",
            "Coarse in deep layers, noisy in shallow ones.",
        ),
        variants=("relu=False: the signed map.",),
    ),
    Card(
        function=methods.grad_cam_plus_plus,
        title="Grad-CAM++: a weight for every position",
        short="Grad-CAM++",
        family="gradient",
        layers="one",
        paper="Chattopadhyay, Sarkar, Howlader, Balasubramanian. Grad-CAM++: Generalized "
        "Gradient-Based Visual Explanations for Deep Convolutional Networks. WACV 2018. arXiv "
        "1710.11063 (version 3: Improved Visual Explanations …)",
        equation="α = 1 / (2 + G ΣF), w_k = Σ_ij α ReLU(G), L = ReLU(Σ_k w_k F_k)  (Eq. 5, 19, 20)",
        needs="a differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
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
        short="Smooth Grad-CAM++",
        family="gradient",
        layers="one",
        paper="Omeiza, Speakman, Cintas, Weldemariam. Smooth Grad-CAM++: An Enhanced Inference "
        "Level Visualization Technique. 2019. arXiv 1908.01224",
        equation="D_p = mean G^p, α = D_2 / (2 D_2 + D_3 ΣF), w_k = Σ_ij α ReLU(D_1)",
        needs="a differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=o.samples + 1, backwards_after=o.samples),
        formula={"forwards": "samples + 1", "backwards_after": "samples"},
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
        short="XGrad-CAM",
        family="gradient",
        layers="one",
        paper="Fu, Hu, Dong, Guo, Gao, Li. Axiom-based Grad-CAM: Towards Accurate Visualization "
        "and Explanation of CNNs. BMVC 2020. arXiv 2008.02312",
        equation="w_k = Σ_ij (F_k / ΣF_k) G_k, L = ReLU(Σ_k w_k F_k)",
        needs="a differentiable network after the layer; features ≥ 0",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "With signed features ΣF_k can be near 0 and one channel decides the map.",
            "Behind the layer only GAP: the same map as Grad-CAM.",
        ),
        variants=("ΣF_k = 0 gives weight 0; the authors add 1e-6.", "relu=False: the signed map."),
    ),
    Card(
        function=methods.hires_cam,
        title="HiResCAM: gradient times feature map",
        short="HiResCAM",
        family="gradient",
        layers="one",
        paper="Draelos, Carin. Use HiResCAM instead of Grad-CAM for faithful explanations of "
        "convolutional neural networks. 2020. arXiv 2011.08891",
        equation="L = Σ_k G_k ∘ F_k",
        needs="a differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "The resolution is not higher than Grad-CAM's.",
            "Exact only before one linear layer; deeper heads give no guarantee.",
        ),
        variants=("default: signed, as in the formula.", "relu=True: positive evidence only."),
    ),
    Card(
        function=methods.layer_cam,
        title="LayerCAM: positive gradients, position by position",
        short="LayerCAM",
        family="gradient",
        layers="one or several",
        paper="Jiang, Zhang, Hou, Cheng, Wei. LayerCAM: Exploring Hierarchical Class Activation "
        "Maps for Localization. IEEE TIP 30:5875-5888, 2021",
        equation="M = ReLU(Σ_k ReLU(G_k) ∘ F_k); several layers: max_l Up(tanh(γ M_l / max M_l))",
        needs="a differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "Layers before a stride of 2 or a pooling layer show a grid.",
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
        short="Integrated Grad-CAM",
        family="gradient",
        layers="one",
        paper="Sattarzadeh, Sudhakar, Plataniotis, Jang, Jeong, Kim. Integrated Grad-CAM: "
        "Sensitivity-Aware Visual Explanation of Deep Convolutional Networks. ICASSP 2021. "
        "arXiv 2102.07805",
        equation="L = (1/m) Σ_t ReLU(Σ_k GAP(G(X_t)) (F(X_t) − F(X_b))), X_t = X_b + t (X − X_b)",
        needs="a differentiable network after the layer; a baseline image",
        passes=lambda s, o: Cost(
            forwards=o.steps + 1, forwards_before=int(o.variant == "paper"), backwards_after=o.steps
        ),
        formula={"forwards": "steps + 1", "backwards_after": "steps"},
        caveats=(
            "Depends on the baseline.",
            "Not Integrated Gradients: no completeness.",
            "With GAP and one linear layer the weights are the same everywhere on the path.",
            'The subtraction in variant="paper" was not checked in the paper itself.',
        ),
        variants=(
            'variant="paper": with the baseline\'s features subtracted.',
            'variant="code": the authors\' notebook, nothing subtracted, without the end point.',
            'variant="gradient": gradients averaged, features of the image itself.',
        ),
    ),
    Card(
        function=methods.expected_grad_cam,
        title="Expected Grad-CAM: Grad-CAM along many paths",
        short="Expected Grad-CAM",
        family="gradient",
        layers="one",
        paper="Buono, Mashhadi, Rahat, Tiwari, Byttner. Expected Grad-CAM: Towards gradient "
        "faithfulness. 2024. arXiv 2406.01274. In TMLR 2026 as: Not All CAMs Are Complete",
        equation="L = ReLU(Σ_k α_k F_k), α = GAP(E[G(X' + t (X − X'))]), X' = X_b + ε, t ~ U(0, 1)",
        needs="a differentiable network after the layer; a baseline image",
        passes=lambda s, o: Cost(forwards=o.samples + 1, backwards_after=o.samples),
        formula={"forwards": "samples + 1", "backwards_after": "samples"},
        caveats=(
            "Doubtful: read from the abstract; no formula or code of the authors was at hand.",
            "With GAP and one linear layer it is Grad-CAM, at many times the cost.",
            "Depends on the baseline, on sigma and on the noise; give a generator.",
        ),
        variants=('sigma=0: one baseline; with many samples Integrated Grad-CAM\'s "gradient".',),
    ),
    Card(
        function=methods.finer_cam,
        title="Finer-CAM: the difference to similar classes",
        short="Finer-CAM",
        family="gradient",
        layers="one",
        paper="Zhang, Gu, Chowdhury, Mai, Carlyn, Berger-Wolf, Su, Chao. Finer-CAM: Spotting the "
        "Difference Reveals Finer Details for Visual Explanation. CVPR 2025. arXiv 2501.11309",
        equation="Grad-CAM of Y = Σ_i p_i (S_c − α S_i) / Σ_i p_i",
        needs="a differentiable network after the layer; two classes or more",
        passes=lambda s, o: Cost(forwards=1, forwards_after=1, backwards_after=1),
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
        short="ShapleyCAM",
        family="gradient",
        layers="one",
        paper="Cai. CAMs as Shapley Value-based Explainers. The Visual Computer 2025. "
        "arXiv 2501.06261",
        equation="α_k = GAP(G − ½ H F), L = ReLU(Σ_k α_k F_k), u = S_c + ln P_c",
        needs="a twice differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=1, forwards_after=1, backwards_after=2),
        caveats=("A second-order approximation of Shapley values, not their exact values.",),
        variants=(
            'utility="rest": S_c + ln P_c, the paper\'s.',
            'utility="logit": for a ReLU network after the layer this is Grad-CAM.',
        ),
    ),
    Card(
        function=methods.eigen_cam,
        title="Eigen-CAM: the strongest pattern",
        short="Eigen-CAM",
        family="components",
        layers="one",
        paper="Muhammad, Yeasin. Eigen-CAM: Class Activation Map using Principal Components. "
        "IJCNN 2020. arXiv 2008.00299",
        equation="O = U Σ Vᵀ (positions × channels), L = O V_1",
        needs="nothing: no gradient, no class",
        passes=lambda s, o: Cost(forwards_before=1),
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
        function=methods.kpca_cam,
        title="KPCA-CAM: Eigen-CAM with a kernel",
        short="KPCA-CAM",
        family="components",
        layers="one",
        paper="Karmani, Sivakaran, Prasad, Ali, Yang, Tang. KPCA-CAM: Visual Explainability of "
        "Deep Computer Vision Models using Kernel PCA. 2024. arXiv 2410.00267",
        equation="C = k(O_i, O_j), centred; C u_1 = λ_1 u_1, L = √λ_1 u_1",
        needs="nothing: no gradient, no class",
        passes=lambda s, o: Cost(forwards_before=1),
        caveats=(
            "The same map for every class: it shows what stands out, object or background.",
            "(h·w)² numbers and (h·w)³ steps for each image: only for deep layers.",
            "Features twice as large give another map; where γ x·y is large, tanh leaves few "
            "levels.",
            "Formula from pytorch-grad-cam's code (commit 084273b); the paper was not read.",
        ),
        variants=(
            'kernel="sigmoid" (default), "rbf", "poly", as scikit-learn\'s KernelPCA has them.',
            'kernel="linear": eigen_cam(center=True).',
            "The sign follows the mean feature map; pytorch-grad-cam makes the largest value "
            "positive.",
        ),
    ),
    Card(
        function=methods.lafam,
        title="LaFAM: the mean of the feature maps",
        short="LaFAM",
        family="components",
        layers="one",
        paper="Karjauv, Albayrak. LaFAM: Unsupervised Feature Attribution with Label-free "
        "Activation Maps. 2024. arXiv 2407.06059",
        equation="L = 1/K Σ_k F_k",
        needs="nothing: no gradient, no class",
        passes=lambda s, o: Cost(forwards_before=1),
        caveats=(
            "The same map for every class: it shows where the layer is active.",
            "A channel with large values counts more than the others.",
        ),
        variants=("relu=True: without the places where the mean is negative.",),
    ),
    Card(
        function=methods.eigen_grad_cam,
        title="EigenGrad-CAM: Eigen-CAM of gradient times feature map",
        short="EigenGrad-CAM",
        family="components",
        layers="one",
        paper="No paper; pytorch-grad-cam. Eigen-CAM: arXiv 2008.00299",
        equation="O = G ∘ F = U Σ Vᵀ, L = ReLU(O V_1)",
        needs="a differentiable network after the layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "The strongest pattern of G ∘ F can be evidence against the class.",
            "With GAP and one linear layer the decomposition loses the sign of G: after the ReLU "
            "the map is all there or blank.",
        ),
        variants=("center=True: pytorch-grad-cam.", "pooled=True: GAP(G) F instead of G ∘ F."),
    ),
    Card(
        function=methods.zoom_cam,
        title="Zoom-CAM: the strongest layer at each position",
        short="Zoom-CAM",
        family="several layers",
        layers="several",
        paper="Shi, Khademi, Li, van Gemert. Zoom-CAM: Generating Fine-grained Pixel Annotations "
        "from Image Labels. ICPR 2020. arXiv 2010.08644",
        equation="M = max_l Up(s(ReLU(Σ_k G_l ∘ F_l)))",
        needs="a differentiable network after the first layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "Noise of shallow layers passes the maximum.",
            "Before a max pooling of 2×2 three of four gradients are 0: the layer after it is "
            "often the better one.",
        ),
        variants=("a list of layers; None: the last layer before each change of resolution.",),
    ),
    Card(
        function=methods.poly_cam,
        title="Poly-CAM: deep maps sharpened by shallow ones",
        short="Poly-CAM",
        family="several layers",
        layers="several",
        paper="Englebert, Cornu, De Vleeschouwer. Poly-CAM: High Resolution Class Activation Map "
        "for Convolutional Neural Networks. ICPR 2022. arXiv 2204.13359",
        equation="P_l = LNorm(M_l) ∘ Up(P_{l+1}), M_l = ReLU(Σ_k w_k F_k)",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=len(o.variant) * sum(s.channels) + len(s.channels) + 1),
        formula={"forwards": "2·Σ_l K_l + layers + 1"},
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
        short="FullGrad",
        family="several layers",
        layers="none",
        paper="Srinivas, Fleuret. Full-Gradient Representation for Neural Network Visualization. "
        "NeurIPS 2019. arXiv 1905.00780",
        equation="Y = Σ ∂Y/∂X ∘ X + Σ_l Σ ∂Y/∂z_l ∘ b_l; map = Σ_l Σ_k ψ(terms)",
        needs="a network of convolution, linear, BatchNorm, ReLU and pooling layers",
        passes=lambda s, o: Cost(forwards=1, backwards=1),
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
        short="RefineCAM",
        family="several layers",
        layers="several",
        paper="Domeniconi, Stramiglio, Lombardi, Salti. How to Evaluate and Refine your CAM. 2026. "
        "arXiv 2605.14641",
        equation="P = Π_l Up(s(M_l)), M_l the Grad-CAM++ map of layer l",
        needs="a differentiable network after the first layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=("Zero as soon as one layer has its minimum there.",),
        variants=("root=True: the n-th root of the product of n maps.",),
    ),
    Card(
        function=methods.winsor_cam,
        title="Winsor-CAM: all layers, with outlying weights cut",
        short="Winsor-CAM",
        family="several layers",
        layers="several",
        paper="Wall, Wang, Rizk, Santosh. Winsor-CAM: Human-Tunable Visual Explanations from Deep "
        "Networks via Layer-Wise Winsorization. 2025. arXiv 2507.10846",
        equation="a_l = ReLU(mean_k GAP(G_lk)), w_l in [0.1, 1] from min(a_l, percentile of a), "
        "L = Σ_l w_l Up(s(Grad-CAM of layer l))",
        needs="a differentiable network after the first layer",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "A layer whose mean gradient is negative is left out; where all are, the map is 0.",
            "The weakest layer gets 0.1 for any percentile above 0, and 1 at 0: a jump.",
            "Averaged gradients of shallow layers say little, and here they are added.",
            "Formula from the authors' code (commit 578db68); equations not checked in the paper.",
        ),
        variants=(
            "percentile: 99 is the default of the authors' code, 90 that of its README.",
            'importance="max": the largest channel weight of a layer instead of the mean.',
            "layer=None: one layer for each resolution; the paper takes all convolutions.",
        ),
    ),
)
