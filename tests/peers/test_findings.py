"""The traps of the common libraries: each one a test that camlite passes and the peer fails.

Where a newer version of a peer does it right, its half is skipped and says so.
"""

from __future__ import annotations

import copy

import pytest
import torch
from declared import DIFFERENCES, must_fail, peer, shows
from nets import (
    correlation,
    far,
    features_and_gradient,
    flatten_net,
    heat,
    literal_grad_cam_plus_plus,
    net,
    pgc_raw,
    pictures,
    quiet,
    tc_raw,
)
from torch import Tensor, nn

import camlite

C = 2


# ------------------------------------------------------------------ Grad-CAM++


@shows(
    DIFFERENCES,
    method="Grad-CAM++",
    what="denominator of α",
    paper="α = G² / (2 G² + G³ ΣF) (Eq. 19)",
    authors="as the paper; α then divided by its sum",
    camlite="the paper's, in the form 1 / (2 + G ΣF)",
    tc="computed as 2 G² + Σ(G³ F), then never applied: the weights are Σ G² ReLU(G)",
)
def test_grad_cam_plus_plus_is_equation_19():
    model, x = flatten_net(), pictures()
    literal = literal_grad_cam_plus_plus(*features_and_gradient(model, x, C))
    ours = camlite.grad_cam_plus_plus(model, "conv2", x, C)
    assert far(ours.double(), literal) < 1e-5


def test_torchcam_grad_cam_plus_plus_never_divides():
    model, x = flatten_net(), pictures()
    F, G = features_and_gradient(model, x, C)
    undivided = ((G**2 * G.relu()).flatten(2).sum(2)[..., None, None] * F).sum(1).relu()
    must_fail("tc", far(tc_raw("GradCAMpp", model, x, C).double(), undivided) < 1e-4)


@shows(
    DIFFERENCES,
    method="Grad-CAM++",
    what="small number in the denominator",
    paper="none (Eq. 19)",
    authors="exact zeros become 1",
    camlite="none",
    pgc="1e-6 is added to terms of the size G²: small gradients count less or not at all",
    tc="1e-8",
)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-6])
def test_grad_cam_plus_plus_of_small_logits(scale):
    model, x = scaled(scale), pictures()
    literal = literal_grad_cam_plus_plus(*features_and_gradient(model, x, C))
    assert far(camlite.grad_cam_plus_plus(model, "conv2", x, C).double(), literal) < 1e-5


def test_pytorch_grad_cam_plus_plus_is_ruled_by_its_epsilon():
    model, x = scaled(1e-3), pictures()
    literal = literal_grad_cam_plus_plus(*features_and_gradient(model, x, C))
    theirs = pgc_raw("GradCAMPlusPlus", model, x, C).relu().double()
    must_fail("pgc", far(theirs, literal) > 0.1)


def scaled(scale: float) -> nn.Module:
    """The same classes, smaller logits."""
    model = flatten_net()
    with torch.no_grad():
        for p in model.fc[-1].parameters():
            p *= scale
    return model


# ------------------------------------------------------------------ layers that work in place


@shows(
    DIFFERENCES,
    method="every method",
    what="a ReLU in place behind the layer",
    paper="F is the layer's output",
    camlite="F is copied before anything can change it",
    pgc="on a CPU F is what the ReLU left, the gradient is that of the layer's output",
    tc="F and gradient are those behind the ReLU: another layer is explained",
)
def test_features_are_the_layers_own():
    model, x = in_place(), pictures()
    features, classifier = camlite.split(model, "conv2")
    F = features(x)
    with torch.no_grad():
        own = model.conv2(model.conv1(x))
        assert own.min() < 0
        assert torch.equal(F, own)
        assert torch.equal(classifier(F), model(x))
    assert torch.equal(F, own)


def in_place() -> nn.Module:
    """conv2 ends in a convolution; the ReLU in place belongs to the next block."""
    model = net()
    model.conv2 = model.conv2[0]
    model.flatten = nn.Sequential(nn.ReLU(inplace=True), *model.flatten)
    return model


def test_pytorch_grad_cam_keeps_overwritten_features():
    model, x = in_place(), pictures()
    true = camlite.grad_cam(model, "conv2", x, C, relu=False)
    must_fail("pgc", far(pgc_raw("GradCAM", model, x, C), true) > 0.01)


def test_torchcam_keeps_overwritten_features():
    model, x = in_place(), pictures()
    true = camlite.grad_cam(model, "conv2", x, C)
    must_fail("tc", far(tc_raw("GradCAM", model, x, C), true) > 0.01)


# ------------------------------------------------------------------ Smooth Grad-CAM++


@shows(
    DIFFERENCES,
    method="Smooth Grad-CAM++",
    what="feature maps and ReLU factor",
    paper="gradients averaged over noisy images, feature maps of the clean image",
    camlite="as the paper: mean gradient in the ReLU, clean F; D₂ in the numerator "
    "(as_printed=True: D₁)",
    tc="F and the ReLU's gradient are those of the last noisy image",
)
def test_smooth_grad_cam_plus_plus_uses_clean_features():
    """A literal loop with the same noise."""
    model, x = flatten_net(), pictures(1)
    ours = camlite.smooth_grad_cam_plus_plus(
        model, "conv2", x, C, samples=3, sigma=0.2, generator=torch.Generator().manual_seed(1)
    )
    g, scale = torch.Generator().manual_seed(1), 0.2 * float(x.max() - x.min())
    noisy = [x + scale * torch.randn(x.shape[1:], generator=g) for _ in range(3)]
    G = torch.stack([features_and_gradient(model, each, C)[1] for each in noisy])
    F, _ = features_and_gradient(model, x, C)
    D1, D2, D3 = G.mean(0), (G**2).mean(0), (G**3).mean(0)
    α = D2 / (2 * D2 + D3 * F.sum((2, 3), keepdim=True))
    w = (α * D1.relu()).flatten(2).sum(2)
    literal = (w[..., None, None] * F).sum(1).relu()
    assert far(ours.double(), literal) < 1e-4


def test_torchcam_smooth_grad_cam_plus_plus_uses_the_last_noisy_image():
    model, x = flatten_net(), pictures(1)
    clean, _ = features_and_gradient(model, x, C)
    with peer("tc").methods.SmoothGradCAMpp(model, "conv2") as extractor:
        model(x)
        extractor(C)
        used = extractor.hook_a[0].detach()
    must_fail("tc", far(used.double(), clean) > 0.01)


# ------------------------------------------------------------------ Ablation-CAM


@shows(
    DIFFERENCES,
    method="Ablation-CAM",
    what="value of a removed channel",
    paper="0 (the channel is set to zero)",
    camlite="0",
    pgc="0 only if the smallest value of the batch is 0; else the minimum − 1e7, again for "
    "each channel: −1e7, −2e7, … depending on batch_size",
)
def test_ablation_cam_does_not_depend_on_the_batch_size():
    model, x = net(nn.SiLU()), pictures()
    maps = [camlite.ablation_cam(model, "conv2", x, C, batch_size=b) for b in (1, 3, 8)]
    assert far(maps[0], maps[2]) < 1e-5
    assert far(maps[1], maps[2]) < 1e-5


def test_pytorch_grad_cam_ablation_depends_on_the_batch_size():
    model, x = net(nn.SiLU(), deep_head=True), pictures(1)
    a, b = (heat(pgc_raw("AblationCAM", model, x, C, batch_size=size)) for size in (8, 3))
    if far(a, b) < 1e-3:  # a saturated head hides it
        model = net(nn.SiLU())
        a, b = (heat(pgc_raw("AblationCAM", model, x, C, batch_size=size)) for size in (8, 3))
    must_fail("pgc", far(a, b) > 1e-3)


@shows(
    DIFFERENCES,
    method="Ablation-CAM",
    what="negative logit",
    paper="(Y − Y_k) / Y, for the positive score of the predicted class",
    camlite='divided by |Y|; divide="score" is the paper\'s',
    pgc="divided by Y: the map is turned around",
)
def test_ablation_cam_of_a_negative_logit():
    model, x = negative(), pictures(1)
    ours = camlite.ablation_cam(model, "conv2", x, C, relu=False)
    assert correlation(ours, contributions(model, x)) > 0.999
    paper = camlite.ablation_cam(model, "conv2", x, C, relu=False, divide="score")
    assert torch.allclose(paper, -ours)


def negative() -> nn.Module:
    model = net()
    with torch.no_grad():
        model.fc.bias[C] -= 100
    return model


def contributions(model: nn.Module, x: Tensor) -> Tensor:
    """Σ_k (Y − Y_k) F_k by the head's algebra: Y − Y_k = W[c, k] GAP(F_k)."""
    with torch.no_grad():
        F = model.conv2(model.conv1(x))
        return ((model.fc.weight[C] * F.mean((2, 3)))[..., None, None] * F).sum(1)


def test_pytorch_grad_cam_turns_a_negative_logit_around():
    model, x = negative(), pictures(1)
    theirs = pgc_raw("AblationCAM", model, x, C, batch_size=8)
    must_fail("pgc", correlation(theirs, contributions(model, x)) < -0.9)


class Counter:
    """How many images run through a module."""

    def __init__(self, module: nn.Module) -> None:
        self.images, self.largest = 0, 0
        self.handle = module.register_forward_hook(self.count)

    def count(self, module: nn.Module, args: tuple, out: Tensor) -> None:
        self.images += len(out)
        self.largest = max(self.largest, len(out))


@shows(
    DIFFERENCES,
    method="Ablation-CAM",
    what="cost for one image",
    paper="K runs of the network",
    camlite="1 run of the part before the layer, K of the part "
    "behind it (none for GAP and one linear layer)",
    pgc="K runs of the whole network, although the layer's output is replaced",
)
def test_ablation_cam_runs_the_first_part_once():
    model, x = net(deep_head=True), pictures(1)
    counter = Counter(model.conv1[0])
    camlite.ablation_cam(model, "conv2", x, C)
    assert counter.images == 1


def test_pytorch_grad_cam_ablation_runs_everything():
    model, x = net(deep_head=True), pictures(1)
    counter = Counter(model.conv1[0])
    pgc_raw("AblationCAM", model, x, C, batch_size=8)
    must_fail("pgc", counter.images >= 8)


# ------------------------------------------------------------------ Eigen-CAM


def features_as_images(seed: int) -> tuple[nn.Module, Tensor]:
    """A network whose layer `conv2` hands the picture on: any feature map can be tried."""
    torch.manual_seed(seed)
    model = nn.Sequential()
    model.conv2 = nn.Identity()
    model.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3))
    F = torch.randn(1, 16, 5, 5).relu() + torch.rand(1, 16, 1, 1) * torch.rand(1, 1, 5, 5) * 4
    return model.eval(), F


@shows(
    DIFFERENCES,
    method="Eigen-CAM",
    what="sign and centring of the first singular vector",
    paper="L = O V₁; −V₁ is a solution too",
    camlite="not centred (center=True: centred); the "
    "sign with Σ V₁ > 0, so the map never runs against the mean feature map",
    pgc="centred; the sign is what the linear algebra library returns, then ReLU",
)
@pytest.mark.parametrize("center", [False, True])
def test_eigen_cam_follows_the_mean_feature_map(center):
    for seed in range(40):
        model, F = features_as_images(seed)
        ours = camlite.eigen_cam(model, "conv2", F, center=center)
        mean = F.sum(1) - (F.sum(1).mean() if center else 0)
        assert (ours * mean).sum() > 0, seed
        mirrored = camlite.eigen_cam(model, "conv2", F.flip(3), center=center)
        assert far(mirrored.flip(2), ours) < 1e-3, seed


def test_pytorch_grad_cam_eigen_cam_has_any_sign():
    against = 0
    for seed in range(40):
        model, F = features_as_images(seed)
        against += correlation(pgc_raw("EigenCAM", model, F, 0), F.sum(1)) < 0
    must_fail("pgc", against > 0)


# ------------------------------------------------------------------ Score-CAM


@shows(
    DIFFERENCES,
    method="Score-CAM",
    what="score and weights",
    paper="Algorithm 1: logits, softmax over the channels; experiments: probabilities",
    authors="probability, no softmax over the channels, no baseline, upsampled maps",
    camlite="Algorithm 1; probability=, channel_softmax=, baseline=, upsampled= give the others",
    pgc="logits, softmax; masks upsampled with align_corners=True",
    tc="logits, softmax; masks scaled before upsampling",
)
def test_four_score_cams():
    """Four methods under one name; the options tell them apart."""
    model, x = net(deep_head=True), pictures(1)
    variants = [
        camlite.score_cam(model, "conv2", x, C),
        camlite.score_cam(model, "conv2", x, C, probability=True),
        camlite.score_cam(model, "conv2", x, C, channel_softmax=False),
        camlite.score_cam(
            model, "conv2", x, C, probability=True, channel_softmax=False, baseline=None
        ),
    ]
    shown = [heat(M) for M in variants]
    assert all(far(shown[i], shown[j]) > 1e-3 for i in range(4) for j in range(i))


def test_score_cam_by_a_literal_loop():
    model, x = net(deep_head=True), pictures(1)
    with torch.no_grad():
        F = model.conv2(model.conv1(x))[0]
        S = []
        for F_k in F:
            H = nn.functional.interpolate(F_k[None, None], (12, 12), mode="bilinear")[0, 0]
            S.append(model(x * (H - H.min()) / (H.max() - H.min()))[0, C])
        literal = sum(a * F_k for a, F_k in zip(torch.stack(S).softmax(0), F, strict=True)).relu()
    assert far(camlite.score_cam(model, "conv2", x, C)[0], literal) < 1e-5


def test_softmax_over_probabilities_forgets_the_class():
    """Probabilities lie in [0, 1]: their softmax over the channels is nearly flat."""
    model, x = net(deep_head=True), pictures(1)

    def changed(**options: bool) -> float:
        a, b = (heat(camlite.score_cam(model, "conv2", x, c, **options)) for c in (0, C))
        return far(a, b)

    flat = changed(probability=True)
    assert flat < 0.5 * changed(probability=True, channel_softmax=False)


def test_pytorch_grad_cam_score_cam_is_not_algorithm_1():
    model, x = net(deep_head=True), pictures(1)
    ours = camlite.score_cam(model, "conv2", x, C)
    must_fail("pgc", far(pgc_raw("ScoreCAM", model, x, C).relu(), ours) > 1e-4)


@shows(
    DIFFERENCES,
    method="Score-CAM",
    what="memory",
    paper="–",
    camlite="one batch of masked images; no feature maps of the masked images are kept",
    pgc="all K masked images at once, and the hooks keep the feature maps of all K runs",
    tc="one batch of masked images",
)
def test_score_cam_holds_one_batch():
    model, x = net(), pictures(1)
    counter = Counter(model.fc)  # the last layer: the convolutions may run as private copies
    camlite.score_cam(model, "conv2", x, C, batch_size=3)
    assert counter.largest <= 3
    assert counter.images >= 8


def test_pytorch_grad_cam_score_cam_keeps_all_feature_maps():
    library = peer("pgc")
    model, x = net(), pictures(1)
    with library.ScoreCAM(model=model, target_layers=[model.conv2]) as cam, quiet():
        cam(input_tensor=x, targets=None)
        kept = sum(len(F) for F in cam.activations_and_grads.activations)
    must_fail("pgc", kept > 8)


# ------------------------------------------------------------------ cost and side effects


@shows(
    DIFFERENCES,
    method="gradient methods",
    what="cost for one image",
    paper="–",
    camlite="backward pass through the part behind the layer only, no gradients of weights",
    pgc="backward pass through the whole network, with the gradients of all weights",
    tc="backward pass to the layer; the forward pass records a graph of everything",
)
def test_gradient_methods_leave_the_first_part_alone():
    model, x = net(), pictures()
    handle = model.conv1[0].register_full_backward_hook(fail)
    camlite.grad_cam(model, "conv2", x, C)
    handle.remove()
    assert all(p.grad is None for p in model.parameters())


def fail(*args: object) -> None:
    raise AssertionError("a gradient reached the first layer")


@shows(
    DIFFERENCES,
    method="every method",
    what="the user's model afterwards",
    paper="–",
    camlite="unchanged: hooks, flags, gradients, statistics, also after an exception",
    pgc="gradients of all weights replaced, evaluation mode stays on; GuidedBackprop swaps the "
    "ReLUs; an exception leaves an AblationLayer inside",
    tc="hooks stay unless `with` is used; in training mode BatchNorm statistics change",
)
def test_pytorch_grad_cam_fills_gradients_and_keeps_evaluation_mode():
    model = net().train()
    pgc_raw("GradCAM", model, pictures(), C)
    must_fail("pgc", not model.training)
    must_fail("pgc", all(p.grad is not None for p in model.parameters()))


def test_camlite_leaves_gradients_and_training_mode():
    model = net().train()
    before = copy.deepcopy(model.state_dict())
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    camlite.grad_cam(model, "conv2", pictures(), C)
    assert model.training
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_pytorch_grad_cam_leaves_an_ablation_layer_after_an_exception():
    library = peer("pgc")
    model = net()
    own = model.conv2

    def interrupt(output: Tensor) -> Tensor:
        if model.conv2 is not own:
            raise KeyboardInterrupt
        return output[C]

    with (
        pytest.raises(KeyboardInterrupt),
        quiet(),
        library.AblationCAM(model=model, target_layers=[own]) as cam,
    ):
        cam(input_tensor=pictures(), targets=[interrupt] * 2)
    must_fail("pgc", model.conv2 is not own)


def test_camlite_leaves_the_layer_after_an_exception():
    model = net(deep_head=True)
    own, runs = model.conv2, iter(range(10))

    def interrupt(output: Tensor) -> Tensor:
        if next(runs) == 2:
            raise KeyboardInterrupt
        return output[:, C]

    with pytest.raises(KeyboardInterrupt):
        camlite.ablation_cam(model, "conv2", pictures(), interrupt, batch_size=2)
    assert model.conv2 is own
    assert not own._forward_hooks


def test_pytorch_grad_cam_guided_backprop_swaps_the_relus():
    library = peer("pgc")
    model, x = net(), pictures(1)
    relu = model.conv1[1]
    guided = library.GuidedBackpropReLUModel(model=model, device="cpu")
    guided(x, target_category=C)
    must_fail("pgc", model.conv1[1] is not relu)


@shows(
    DIFFERENCES,
    method="every method",
    what="a class that does not exist",
    paper="–",
    camlite="ValueError with the class and the range",
    pgc="the IndexError is printed and swallowed by `with`",
    tc="ValueError or IndexError",
)
def test_a_class_that_does_not_exist():
    with pytest.raises(ValueError, match="target 1000000 is out of range: the model has classes 0"):
        camlite.grad_cam(net(), "conv2", pictures(), 10**6)


def test_pytorch_grad_cam_swallows_the_error(capsys):
    swallowed = True
    try:
        library = peer("pgc")
        model = net()
        wrong = [library.utils.model_targets.ClassifierOutputTarget(10**6)] * 2
        with library.GradCAM(model=model, target_layers=[model.conv2]) as cam:
            cam(input_tensor=pictures(), targets=wrong)
    except IndexError:
        swallowed = False
    must_fail("pgc", swallowed)


@shows(
    DIFFERENCES,
    method="every method",
    what="fewer targets than images",
    paper="–",
    camlite="ValueError",
    pgc="the remaining maps are zero",
    tc="ValueError",
)
def test_too_few_targets():
    with pytest.raises(ValueError, match="there are 3 images"):
        camlite.grad_cam(net(), "conv2", pictures(3), torch.tensor([C]))


def test_pytorch_grad_cam_gives_empty_maps():
    library = peer("pgc")
    model = net()
    target = library.utils.model_targets.ClassifierOutputTarget(C)
    with library.GradCAM(model=model, target_layers=[model.conv2]) as cam:
        maps = cam(input_tensor=pictures(3), targets=[target])
    must_fail("pgc", not maps[1:].any())


@shows(
    DIFFERENCES,
    method="every method",
    what="frozen weights, no_grad, inference_mode",
    paper="–",
    camlite="works",
    pgc="error",
    tc="error",
)
def test_frozen_weights():
    model, x = net(), pictures()
    expected = camlite.grad_cam(model, "conv2", x, C)
    model.requires_grad_(False)
    with torch.inference_mode():
        assert torch.equal(camlite.grad_cam(model, "conv2", x, C), expected)


@pytest.mark.parametrize(("short", "raw"), [("pgc", pgc_raw), ("tc", tc_raw)])
def test_peers_need_trainable_weights(short, raw):
    peer(short)
    model = net().requires_grad_(False)
    try:
        raw("GradCAM", model, pictures(), C)
        failed = False
    except Exception:
        failed = True
    must_fail(short, failed)


@shows(
    DIFFERENCES,
    method="layer=None",
    what="layer that is chosen",
    paper="the last convolutional layer",
    camlite="the last layer with space that every path "
    "goes through, announced; for token models a clear error",
    tc="the last output with 4 axes, pooling layers too",
    pgc="must be given",
)
def test_chosen_layer_is_no_pooling_layer():
    with pytest.warns(camlite.LayerChosen, match="'conv2'"):
        camlite.grad_cam(pooled(), None, pictures())


def pooled() -> nn.Module:
    """A second pooling layer that keeps space, as `avgpool` of VGG."""
    model = net()
    model.flatten = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    model.fc = nn.Linear(32, 5)
    return model


def test_torchcam_chooses_the_pooling_layer():
    methods = peer("tc").methods
    model = pooled()
    extractor = methods.GradCAM(model, input_shape=(3, 12, 12))
    names = extractor.target_names
    extractor.remove_hooks()
    must_fail("tc", names == ["flatten.0"])
