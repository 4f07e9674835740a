"""Where the definitions coincide, camlite and both peers give the same numbers, to 1e-5."""

from __future__ import annotations

import pytest
import torch
import torchvision
from declared import AGREEMENTS, peer, shows
from nets import far, features_and_gradient, flatten_net, net, pgc_raw, pictures, tc_raw
from torch import nn

import camlite

C = 2
NETS = pytest.mark.parametrize(
    "model",
    [net(), net(nn.SiLU()), net(deep_head=True), flatten_net()],
    ids=["gap", "silu", "deep head", "flatten"],
)
SMOOTH = pytest.mark.parametrize(
    "model", [net(deep_head=True), flatten_net()], ids=["deep head", "flatten"]
)


@shows(
    AGREEMENTS,
    method="CAM",
    what="one linear layer behind GAP",
    paper="Zhou 2016, Eq. 2",
    camlite="cam",
    tc="CAM",
)
@pytest.mark.parametrize("model", [net(), net(nn.SiLU())], ids=["gap", "silu"])
def test_cam(model):
    x = pictures()
    assert far(tc_raw("CAM", model, x, C, fc_layer="fc"), camlite.cam(model, "conv2", x, C)) < 1e-5


@shows(
    AGREEMENTS,
    method="Grad-CAM",
    what="logit, mean of the gradient",
    paper="Selvaraju 2017, Eq. 1-2",
    camlite="grad_cam",
    pgc="GradCAM",
    tc="GradCAM",
)
@NETS
def test_grad_cam(model):
    x = pictures()
    signed = camlite.grad_cam(model, "conv2", x, C, relu=False)
    assert far(pgc_raw("GradCAM", model, x, C), signed) < 1e-5
    assert far(tc_raw("GradCAM", model, x, C), signed.relu()) < 1e-5


@shows(
    AGREEMENTS,
    method="XGrad-CAM",
    what="F ≥ 0; peers add 1e-7 and 1e-8 to ΣF",
    paper="Fu 2020, code",
    camlite="xgrad_cam",
    pgc="XGradCAM",
    tc="XGradCAM",
)
@pytest.mark.parametrize(
    "model", [net(), net(deep_head=True), flatten_net()], ids=["gap", "deep head", "flatten"]
)
def test_xgrad_cam(model):
    x = pictures()
    signed = camlite.xgrad_cam(model, "conv2", x, C, relu=False)
    assert far(pgc_raw("XGradCAM", model, x, C), signed) < 1e-5
    assert far(tc_raw("XGradCAM", model, x, C), signed.relu()) < 1e-5


@shows(
    AGREEMENTS,
    method="HiResCAM",
    what="Σ G ∘ F",
    paper="Draelos 2020",
    camlite="hires_cam",
    pgc="HiResCAM",
)
@NETS
def test_hires_cam(model):
    x = pictures()
    ours = camlite.hires_cam(model, "conv2", x, C)
    assert far(pgc_raw("HiResCAM", model, x, C), ours) < 1e-5


@shows(
    AGREEMENTS,
    method="LayerCAM",
    what="one layer",
    paper="Jiang 2021",
    camlite="layer_cam",
    pgc="LayerCAM",
    tc="LayerCAM",
)
@NETS
def test_layer_cam(model):
    x = pictures()
    ours = camlite.layer_cam(model, "conv2", x, C)
    assert far(pgc_raw("LayerCAM", model, x, C).relu(), ours) < 1e-5
    assert far(tc_raw("LayerCAM", model, x, C), ours) < 1e-5


@shows(
    AGREEMENTS,
    method="Element-wise Grad-CAM",
    what="Σ ReLU(G ∘ F)",
    paper="no paper",
    camlite="layer_cam(element_wise=True)",
    pgc="GradCAMElementWise",
)
@NETS
def test_element_wise_grad_cam(model):
    x = pictures()
    ours = camlite.layer_cam(model, "conv2", x, C, element_wise=True)
    assert far(pgc_raw("GradCAMElementWise", model, x, C), ours) < 1e-5


@shows(
    AGREEMENTS,
    method="Eigen-CAM",
    what="centred, up to the sign",
    paper="Muhammad 2020",
    camlite="eigen_cam(center=True)",
    pgc="EigenCAM",
)
@NETS
def test_eigen_cam(model):
    x = pictures()
    theirs = pgc_raw("EigenCAM", model, x, C)
    ours = camlite.eigen_cam(model, "conv2", x, center=True)
    assert all(min(far(t, o), far(-t, o)) < 1e-4 for t, o in zip(theirs, ours, strict=True))


@shows(
    AGREEMENTS,
    method="KPCA-CAM",
    what="each kernel, up to the sign",
    paper="Karmani 2024",
    camlite="kpca_cam(kernel=…, gamma=…)",
    pgc="KPCA_CAM",
)
@NETS
@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly", "linear"])
def test_kpca_cam(model, kernel):
    x = pictures()
    theirs = pgc_raw("KPCA_CAM", model, x, C, kernel=kernel, gamma=0.1)
    ours = camlite.kpca_cam(model, "conv2", x, C, kernel=kernel, gamma=0.1)
    assert all(min(far(t, o), far(-t, o)) < 1e-4 for t, o in zip(theirs, ours, strict=True))


@shows(
    AGREEMENTS,
    method="EigenGrad-CAM",
    what="centred, up to the sign",
    paper="no paper",
    camlite="eigen_grad_cam(center=True, relu=False)",
    pgc="EigenGradCAM",
)
@NETS
def test_eigen_grad_cam(model):
    x = pictures()
    theirs = pgc_raw("EigenGradCAM", model, x, C)
    ours = camlite.eigen_grad_cam(model, "conv2", x, C, center=True, relu=False)
    assert all(min(far(t, o), far(-t, o)) < 1e-4 for t, o in zip(theirs, ours, strict=True))


@shows(
    AGREEMENTS,
    method="Ablation-CAM",
    what="layer behind a ReLU, positive logit",
    paper="Desai 2020",
    camlite="ablation_cam",
    pgc="AblationCAM",
)
@SMOOTH
def test_ablation_cam(model):
    x = pictures()
    with torch.no_grad():
        c = int(model(x).mean(0).argmax())
        assert (model(x)[:, c] > 0).all()
    ours = camlite.ablation_cam(model, "conv2", x, c, relu=False)
    assert far(pgc_raw("AblationCAM", model, x, c, batch_size=8), ours) < 1e-5


@shows(
    AGREEMENTS,
    method="Score-CAM",
    what="logits, softmax over channels; the image is an odd "
    "multiple of the layer, so scaling before or after upsampling is the same",
    paper="Wang 2020, Algorithm 1",
    camlite="score_cam",
    tc="ScoreCAM",
)
@NETS
def test_score_cam(model):
    x = pictures()
    ours = camlite.score_cam(model, "conv2", x, C)
    assert far(tc_raw("ScoreCAM", model, x, C), ours) < 1e-5


@shows(
    AGREEMENTS,
    method="ShapleyCAM",
    what="utility ReST",
    paper="Cai 2025",
    camlite="shapley_cam",
    pgc="ShapleyCAM with ClassifierOutputReST",
)
def test_shapley_cam():
    # In front of flatten pytorch-grad-cam 1.5.7 stops with an error when it lets its hooks go.
    model, x = net(deep_head=True), pictures()
    ours = camlite.shapley_cam(model, "conv2", x, C, relu=False)
    theirs = pgc_raw("ShapleyCAM", model, x, C, target="ClassifierOutputReST")
    assert far(theirs, ours) < 1e-5


@shows(
    AGREEMENTS,
    method="Finer-CAM",
    what="plain mean of the 3 closest classes, α = 0.6",
    paper="Zhang 2025",
    camlite="finer_cam(weighted=False, alpha=0.6)",
    tc="FinerCAM",
)
@NETS
def test_finer_cam(model):
    x = pictures()
    ours = camlite.finer_cam(model, "conv2", x, C, weighted=False, alpha=0.6)
    assert far(tc_raw("FinerCAM", model, x, C), ours) < 1e-5


def test_literal_features_are_right():
    """The float64 oracle of the findings agrees with the library."""
    model, x = flatten_net(), pictures()
    F, G = features_and_gradient(model, x, C)
    ours = camlite.hires_cam(model, "conv2", x, C)
    assert far(ours.double(), (F * G).sum(1)) < 1e-5


def small_vit() -> nn.Module:
    """torchvision's ViT, with weights far from its usual start, at which the head is 0."""
    g = torch.Generator().manual_seed(1)
    model = torchvision.models.VisionTransformer(
        image_size=16,
        patch_size=4,
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=12,
        num_classes=4,
    )
    for p in model.parameters():
        p.data = 0.4 * torch.randn(p.shape, generator=g)
    return model.eval()


@shows(
    AGREEMENTS,
    method="LeGrad",
    what="mean over the given blocks, not scaled",
    paper="Bousselham 2025",
    camlite="legrad",
    tc="LeGrad",
)
@pytest.mark.parametrize("last", [1, 2, 3])
def test_legrad(last):
    model = small_vit()
    if not hasattr(peer("tc").methods, "LeGrad"):
        pytest.skip("this torchcam has no LeGrad yet")
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    layers = [f"encoder.layers.encoder_layer_{i}" for i in range(3)][-last:]
    ours = camlite.legrad(model, layers, x, C)
    assert far(tc_raw("LeGrad", model, x, C, layers), ours) < 1e-5
