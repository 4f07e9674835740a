"""Cards of the methods with scores of changed images or maps, channel by channel or in groups."""

from __future__ import annotations

import math
from typing import Any

from camlite import methods
from camlite.methods.cards.card import Card, Cost


def _groups(K: int, o: Any) -> int:
    """The groups that there are: at most K; ⌈K / groups⌉ channels in a chunk may need fewer."""
    return -(-K // -(-K // o.groups)) if o.cluster == "chunks" else min(o.groups, K)


CARDS = (
    Card(
        function=methods.score_cam,
        title="Score-CAM: score-weighted class activation mapping",
        short="Score-CAM",
        family="score",
        layers="one",
        paper="Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu. Score-CAM: Score-Weighted Visual "
        "Explanations for Convolutional Neural Networks. CVPR Workshops 2020. arXiv 1910.01279",
        equation="C_k = Y(X ∘ s(Up(F_k))) − Y(X_b), α = softmax_k(C), L = ReLU(Σ_k α_k F_k)  "
        "(Eq. 6-10)",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=s.K + 1 + (o.baseline is not None)),
        formula={"forwards": "K + 2"},
        caveats=(
            "Masked images are unlike anything the network was trained on.",
            "The softmax over many channels makes the weights nearly equal.",
        ),
        variants=(
            "default: logits, softmax over channels (Algorithm 1).",
            "probability=True, channel_softmax=False, baseline=None, upsampled=True: the authors' "
            "code.",
            "Under the softmax over channels the baseline cancels.",
            "Code that circulates with a blurred fill, log-odds or only the top N channels is a "
            "variant of its own: none of them is in the paper, none is given here.",
        ),
    ),
    Card(
        function=methods.ss_cam,
        title="SS-CAM: smoothed Score-CAM",
        short="SS-CAM",
        family="score",
        layers="one",
        paper="Wang, Naidu, Michael, Kundu. SS-CAM: Smoothed Score-CAM for Sharper Visual Feature "
        "Localization. 2020. arXiv 2006.14255",
        equation="C_k = (1/N) Σ_i Y(X ∘ (s(Up(F_k)) + ε_i)) − Y(0), then as Score-CAM",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=o.samples * s.K + 2),
        formula={"forwards": "samples·K + 2"},
        caveats=(
            "By far the most expensive method here.",
            "Noise of the size of the mask and more: sigma is 2, a mask lies between 0 and 1.",
            "Number of samples and sigma differ between sources; the paper was not at hand.",
        ),
        variants=(
            'variant="mask": noise on the mask; variant="input": noise on the image.',
            "probability and channel_softmax as in Score-CAM.",
        ),
        fewer={"samples": 2},
    ),
    Card(
        function=methods.is_cam,
        title="IS-CAM: integrated Score-CAM (uniform steps)",
        short="IS-CAM",
        family="score",
        layers="one",
        paper="Naidu, Ghosh, Maurya, Nayak, Kundu. IS-CAM: Integrated Score-CAM for "
        "axiomatic-based explanations. 2020. arXiv 2010.03023",
        equation="C_k = (1/N) Σ_i Y(X ∘ (i/N) s(Up(F_k))) − Y(0), then as Score-CAM",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=o.steps * s.K + 2),
        formula={"forwards": "steps·K + 2"},
        caveats=(
            "Doubtful: the paper's scaling of the masks could not be checked.",
            "torch-cam adds the steps up; its images become brighter than the input.",
        ),
        variants=("probability and channel_softmax as in Score-CAM.",),
        fewer={"steps": 2},
    ),
    Card(
        function=methods.ablation_cam,
        title="Ablation-CAM",
        short="Ablation-CAM",
        family="score",
        layers="one",
        paper="Desai, Ramaswamy. Ablation-CAM: Visual Explanations for Deep Convolutional Network "
        "via Gradient-free Localization. WACV 2020",
        equation="α_k = (Y − Y_k) / |Y|, L = ReLU(Σ_k α_k F_k)",
        needs="forward passes of the part after the layer",
        passes=lambda s, o: Cost(forwards=1, forwards_after=3 if s.linear_head else s.K + 1),
        formula={"forwards_after": "K + 1, or 3 for GAP + one linear layer"},
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
        short="Recipro-CAM",
        family="score",
        layers="one",
        paper="Byun, Lee. Recipro-CAM: Fast gradient-free visual explanations for convolutional "
        "neural networks. CVPR Workshops (XAI4CV) 2024. arXiv 2209.14074",
        equation="L[i, j] = P(classifier(F ∘ δ_ij))",
        needs="forward passes of the part after the layer",
        passes=lambda s, o: Cost(forwards=1, forwards_after=math.prod(s.hw)),
        formula={"forwards_after": "h·w"},
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
        short="Group-CAM",
        family="groups",
        layers="one",
        paper="Zhang, Rao, Yang. Group-CAM: Group Score-Weighted Visual Explanations for Deep "
        "Convolutional Networks. 2021. arXiv 2103.13859",
        equation="M_l = ReLU(Σ_{k∈l} α_k F_k), β_l = ReLU(P(X_l) − P(X_b)), L = Σ_l β_l M_l",
        needs="a differentiable network after the layer, and forward passes",
        passes=lambda s, o: Cost(forwards=_groups(s.K, o) + 2, forwards_after=1, backwards_after=1),
        formula={"forwards": "groups + 2"},
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
        short="Cluster-CAM",
        family="groups",
        layers="one",
        paper="Feng, Ji, Daković, Cui, Zhu, Stanković. Cluster-CAM: Cluster-Weighted Visual "
        "Interpretation of CNNs' Decision in Image Classification. Neural Networks 178, 2024. "
        "arXiv 2302.01642",
        equation="L = ReLU(M_base − M_scissors), M_l = Σ_{k∈l} F_k",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=min(o.clusters, s.K) + 1),
        formula={"forwards": "clusters + 1"},
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
        short="Cosine-CAM",
        family="groups",
        layers="one",
        paper="None. An exercise from a Japanese blog post; never published as a method.",
        equation="k-means on F_k / ‖F_k‖, β_l = Y(X ∘ s(Up(M_l))) − Y(0), L = ReLU(Σ_l β_l M_l)",
        needs="forward passes only",
        passes=lambda s, o: Cost(forwards=min(o.clusters, s.K) + 2),
        formula={"forwards": "clusters + 2"},
        caveats=(
            "No paper, no evaluation.",
            "k-means depends on its start; give a generator.",
        ),
    ),
)
