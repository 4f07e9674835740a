"""Grad-CAM and its relatives: each formula against a literal loop; identities between them."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

import pytest
import torch
from small_nets import (
    CASES,
    LADDERS,
    DeepHead,
    GapHead,
    logit,
    loops,
    maps_and_gradients,
    pictures,
    ready,
)
from torch import nn

import camlite
from camlite.maps import minmax
from camlite.scores import gradient_and_hessian_product, score_and_gradient, score_and_gradients
from camlite.split import SplitByHook, split

pytestmark = pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook")
CLASS = 2
METHODS = {
    "grad_cam": camlite.grad_cam,
    "grad_cam_plus_plus": camlite.grad_cam_plus_plus,
    "grad_cam_plus_plus normalized": lambda *a, **k: camlite.grad_cam_plus_plus(
        *a, normalized=True, **k
    ),
    "smooth": lambda *a, **k: camlite.smooth_grad_cam_plus_plus(*a, samples=3, **k),
    "smooth as printed": lambda *a, **k: camlite.smooth_grad_cam_plus_plus(
        *a, samples=3, as_printed=True, **k
    ),
    "xgrad_cam": camlite.xgrad_cam,
    "hires_cam": camlite.hires_cam,
    "layer_cam": camlite.layer_cam,
    "layer_cam element-wise": lambda *a, **k: camlite.layer_cam(*a, element_wise=True, **k),
    "integrated paper": lambda *a, **k: camlite.integrated_grad_cam(*a, steps=4, **k),
    "integrated code": lambda *a, **k: camlite.integrated_grad_cam(
        *a, steps=4, variant="code", **k
    ),
    "integrated gradient": lambda *a, **k: camlite.integrated_grad_cam(
        *a, steps=4, variant="gradient", **k
    ),
    "finer_cam": camlite.finer_cam,
    "finer_cam mean": lambda *a, **k: camlite.finer_cam(*a, weighted=False, alpha=0.6, **k),
    "shapley_cam": camlite.shapley_cam,
    "shapley_cam logit": lambda *a, **k: camlite.shapley_cam(*a, utility="logit", **k),
    "eigen_cam": camlite.eigen_cam,
    "eigen_grad_cam": camlite.eigen_grad_cam,
}
SCALED = sorted(
    set(METHODS)
    - {
        "grad_cam_plus_plus",
        "grad_cam_plus_plus normalized",
        "smooth",
        "smooth as printed",
        "finer_cam",
        "shapley_cam",
    }
)


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]()


# ------------------------------------------------------------------ literal loops, in float64


def flat(t):
    return t.flatten(2).tolist() if t.dim() > 2 else t.tolist()


def combine(w, F):
    """Σ_k w[n][k] F[n][k][p], position by position."""
    N, K = F.shape[:2]
    f = flat(F)
    P = len(f[0][0])
    M = [[sum(w[n][k] * f[n][k][p] for k in range(K)) for p in range(P)] for n in range(N)]
    return torch.tensor(M, dtype=F.dtype).reshape(N, *F.shape[2:])


def pixelwise(F, value):
    """Σ_k value(n, k, p), position by position."""
    M = torch.zeros(len(F), F[0, 0].numel(), dtype=F.dtype)
    for n, k, p in loops(F):
        M[n, p] += value(n, k, p)
    return M.reshape(len(F), *F.shape[2:])


def plus_plus_weights(F, D1, D2, D3, numerator=None):
    """Eq. 19 and Eq. 5 as printed, with powers of the gradient; 0 / 0 is 0."""
    f, d1, d2, d3 = flat(F), flat(D1), flat(D2), flat(D3)
    top = d2 if numerator is None else flat(numerator)
    w = [[0.0] * F.shape[1] for _ in range(len(F))]
    α = [[[0.0] * len(f[0][0]) for _ in row] for row in f]
    for n, k, p in loops(F):
        below = 2 * d2[n][k][p] + sum(f[n][k]) * d3[n][k][p]
        α[n][k][p] = top[n][k][p] / below if below != 0 else 0.0
        w[n][k] += α[n][k][p] * max(d1[n][k][p], 0.0)
    return w, α


def test_grad_cam_plus_plus_is_eq_19(case):
    model, layer, x = case
    (F,), (G,) = maps_and_gradients(model, [layer], x, logit(CLASS))
    w, _ = plus_plus_weights(F, G, G**2, G**3)
    M = camlite.grad_cam_plus_plus(model, layer, x, CLASS, relu=False)
    torch.testing.assert_close(M, combine(w, F))
    M = camlite.grad_cam_plus_plus(model, layer, x, CLASS)
    torch.testing.assert_close(M, combine(w, F).clamp(min=0))


def test_grad_cam_plus_plus_normalized_is_the_authors_code(case):
    model, layer, x = case
    (F,), (G,) = maps_and_gradients(model, [layer], x, logit(CLASS))
    _, α = plus_plus_weights(F, G, G**2, G**3)
    g = flat(G)
    w = [[0.0] * F.shape[1] for _ in range(len(F))]
    for n, k, p in loops(F):
        if g[n][k][p] > 0:
            total = sum(a for a, b in zip(α[n][k], g[n][k], strict=True) if b > 0)
            w[n][k] += α[n][k][p] / total * g[n][k][p] if total != 0 else 0.0
    M = camlite.grad_cam_plus_plus(model, layer, x, CLASS, relu=False, normalized=True)
    torch.testing.assert_close(M, combine(w, F))


@pytest.mark.parametrize("as_printed", [False, True])
def test_smooth_grad_cam_plus_plus(case, as_printed):
    model, layer, x = case
    σ = 0.1 * (x.flatten(1).amax(1) - x.flatten(1).amin(1)).reshape(-1, *[1] * (x.dim() - 1))
    g = torch.Generator().manual_seed(7)
    (F,), _ = maps_and_gradients(model, [layer], x, logit(CLASS))
    D1 = D2 = D3 = torch.zeros_like(F)
    for _ in range(4):
        noisy = x + σ * torch.randn(x.shape[1:], generator=g).double()
        _, (G,) = maps_and_gradients(model, [layer], noisy, logit(CLASS))
        D1, D2, D3 = D1 + G / 4, D2 + G**2 / 4, D3 + G**3 / 4
    w, _ = plus_plus_weights(F, D1, D2, D3, D1 if as_printed else None)
    M = camlite.smooth_grad_cam_plus_plus(
        model,
        layer,
        x,
        CLASS,
        relu=False,
        samples=4,
        sigma=0.1,
        as_printed=as_printed,
        generator=torch.Generator().manual_seed(7),
    )
    torch.testing.assert_close(M, combine(w, F))  # the clean activations, all samples' gradients


def test_smooth_with_sigma_0_is_grad_cam_plus_plus(case):
    model, layer, x = case
    smooth = camlite.smooth_grad_cam_plus_plus(model, layer, x, CLASS, samples=2, sigma=0.0)
    torch.testing.assert_close(smooth, camlite.grad_cam_plus_plus(model, layer, x, CLASS))


def test_grad_cam_loop(case):
    model, layer, x = case
    (F,), (G,) = maps_and_gradients(model, [layer], x, logit(CLASS))
    w = [[sum(row) / len(row) for row in image] for image in flat(G)]
    M = camlite.grad_cam(model, layer, x, CLASS, relu=False)
    torch.testing.assert_close(M, combine(w, F))


def test_xgrad_cam_loop(case):
    model, layer, x = case
    (F,), (G,) = maps_and_gradients(model, [layer], x, logit(CLASS))
    f, g = flat(F), flat(G)
    w = [[0.0] * F.shape[1] for _ in range(len(F))]
    for n, k, p in loops(F):
        total = sum(f[n][k])
        w[n][k] += f[n][k][p] / total * g[n][k][p] if total != 0 else 0.0
    M = camlite.xgrad_cam(model, layer, x, CLASS, relu=False)
    torch.testing.assert_close(M, combine(w, F))


def test_hires_and_layer_cam_loops(case):
    model, layer, x = case
    (F,), (G,) = maps_and_gradients(model, [layer], x, logit(CLASS))
    f, g = flat(F), flat(G)
    hires = pixelwise(F, lambda n, k, p: g[n][k][p] * f[n][k][p])
    torch.testing.assert_close(camlite.hires_cam(model, layer, x, CLASS), hires)
    torch.testing.assert_close(
        camlite.hires_cam(model, layer, x, CLASS, relu=True), hires.clamp(min=0)
    )
    M = pixelwise(F, lambda n, k, p: max(g[n][k][p], 0) * f[n][k][p])
    torch.testing.assert_close(camlite.layer_cam(model, layer, x, CLASS, relu=False), M)
    torch.testing.assert_close(camlite.layer_cam(model, layer, x, CLASS), M.clamp(min=0))
    E = pixelwise(F, lambda n, k, p: max(g[n][k][p] * f[n][k][p], 0))
    torch.testing.assert_close(camlite.layer_cam(model, layer, x, CLASS, element_wise=True), E)


@pytest.mark.parametrize("variant", ["paper", "code", "gradient"])
@pytest.mark.parametrize("relu", [True, False])
def test_integrated_grad_cam_loop(case, variant, relu):
    model, layer, x = case
    X_b = torch.full_like(x, 0.3)
    (F,), _ = maps_and_gradients(model, [layer], x, logit(CLASS))
    (F_b,), _ = maps_and_gradients(model, [layer], X_b, logit(CLASS))
    total = torch.zeros_like(F[:, 0])
    for t in range(5):
        X_t = X_b + (t + (variant != "code")) / 5 * (x - X_b)
        (F_t,), (G,) = maps_and_gradients(model, [layer], X_t, logit(CLASS))
        w = [[sum(row) / len(row) for row in image] for image in flat(G)]
        of = {"paper": F_t - F_b, "code": F_t, "gradient": F}[variant]
        step = combine(w, of)
        total += (step.clamp(min=0) if relu and variant != "gradient" else step) / 5
    total = total.clamp(min=0) if relu else total
    M = camlite.integrated_grad_cam(
        model, layer, x, CLASS, steps=5, variant=variant, baseline=0.3, relu=relu
    )
    torch.testing.assert_close(M, total)
    as_tensor = camlite.integrated_grad_cam(
        model, layer, x, CLASS, steps=5, variant=variant, baseline=X_b[0], relu=relu
    )
    torch.testing.assert_close(as_tensor, M)


@pytest.mark.parametrize("weighted", [True, False])
def test_finer_cam_loop(case, weighted):
    model, layer, x = case
    logits = model(x).tolist()

    def fine(S):
        Y = []
        for n, row in enumerate(logits):
            near = sorted((abs(v - row[CLASS]), i) for i, v in enumerate(row) if i != CLASS)[:2]
            p = [S[n].softmax(0)[i] if weighted else 1.0 for _, i in near]
            differences = [S[n, CLASS] - 0.7 * S[n, i] for _, i in near]
            Y.append(sum(a * d for a, d in zip(p, differences, strict=True)) / sum(p))
        return torch.stack(Y)

    (F,), (G,) = maps_and_gradients(model, [layer], x, fine)
    w = [[sum(row) / len(row) for row in image] for image in flat(G)]
    M = camlite.finer_cam(
        model, layer, x, CLASS, rivals=2, alpha=0.7, weighted=weighted, relu=False
    )
    torch.testing.assert_close(M, combine(w, F))


def test_finer_cam_with_named_rivals_and_all_rivals(case):
    model, layer, x = case
    M = camlite.finer_cam(model, layer, x, CLASS, rivals=[0], relu=False)
    plain = camlite.grad_cam(model, layer, x, lambda S: S[:, CLASS] - S[:, 0], relu=False)
    torch.testing.assert_close(M, plain)
    every = camlite.finer_cam(model, layer, x, CLASS, rivals=99)
    torch.testing.assert_close(every, camlite.finer_cam(model, layer, x, CLASS, rivals=[0, 1, 3]))


def test_shapley_cam_from_a_dense_hessian():
    """α = GAP(G − ½ H F) with the whole Hessian written out, one image at a time."""
    model, layer, x = CASES["silu"]()
    features, classifier = split(model, layer)
    F = features(x)
    for n in range(len(x)):

        def u(f):
            S = classifier(f.reshape(1, *F.shape[1:]))
            return S[0, CLASS] + S.log_softmax(1)[0, CLASS]

        f = F[n].flatten()
        g = torch.autograd.functional.jacobian(u, f)
        H = torch.autograd.functional.hessian(u, f)
        α = (g - H @ f / 2).reshape(F.shape[1], -1).mean(1)
        M = camlite.shapley_cam(model, layer, x[n : n + 1], CLASS, relu=False)[0]
        torch.testing.assert_close(M, torch.einsum("k,khw->hw", α, F[n]))
    together = camlite.shapley_cam(model, layer, x, CLASS, relu=False)[-1]
    torch.testing.assert_close(together, M)


@pytest.mark.parametrize("name", ["gap", "flatten", "deep", "residual", "signal"])
def test_shapley_cam_with_the_logit_is_grad_cam_behind_relus(name):
    model, layer, x = CASES[name]()
    M = camlite.shapley_cam(model, layer, x, CLASS, utility="logit", relu=False)
    torch.testing.assert_close(M, camlite.grad_cam(model, layer, x, CLASS, relu=False))
    rest = camlite.shapley_cam(model, layer, x, CLASS, relu=False)
    assert not torch.allclose(rest, M)  # the softmax is curved


# ------------------------------------------------------------------ gradients by finite differences


@pytest.mark.parametrize("name", CASES)
def test_gradient_by_finite_differences(name):
    model, layer, x = CASES[name]()
    features, classifier = split(model, layer)
    g = torch.Generator().manual_seed(3)
    F = features(x)
    F = F + 0.1 * torch.rand(F.shape, generator=g).double()  # away from the kinks: max of 0 and 0
    _, G = score_and_gradient(classifier, F, CLASS)
    for _ in range(5):
        d = torch.randn(F.shape, generator=g).double()
        d /= d.norm()
        h = 1e-6
        slope = (classifier(F + h * d) - classifier(F - h * d))[:, CLASS].sum() / (2 * h)
        assert float((G * d).sum()) == pytest.approx(float(slope), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", LADDERS)
def test_all_layers_gradients_in_one_pass(name):
    """∂Y/∂F_l of a network cut at several layers: also the path around a later layer counts."""
    model, layers, x = LADDERS[name]()
    features, *stages = split(model, layers)
    Y, F, G = score_and_gradients(stages, features(x), CLASS)
    F_hook, G_hook = maps_and_gradients(model, layers, x, logit(CLASS))
    torch.testing.assert_close(Y, model(x)[:, CLASS])
    for a, b in zip([*F, *G], [*F_hook, *G_hook], strict=True):
        torch.testing.assert_close(a, b)
    for layer, g in zip(layers, G, strict=True):  # one layer at a time, by itself
        features, classifier = split(model, layer)
        torch.testing.assert_close(score_and_gradient(classifier, features(x), CLASS)[1], g)


def test_hessian_product_by_finite_differences():
    model, layer, x = CASES["silu"]()
    features, classifier = split(model, layer)
    F = features(x)
    _, HF = gradient_and_hessian_product(classifier, F, CLASS)
    h = 1e-5
    up = score_and_gradient(classifier, F + h * F, CLASS)[1]
    down = score_and_gradient(classifier, F - h * F, CLASS)[1]
    torch.testing.assert_close(HF, (up - down) / (2 * h), rtol=1e-5, atol=1e-8)
    assert HF.abs().max() > 1e-3


def test_layers_in_the_wrong_order_are_refused():
    model, _, x = CASES["residual"]()
    with pytest.raises(ValueError, match="from the image to the logits"):
        camlite.zoom_cam(model, ["bn2", "stem"], x)


# ------------------------------------------------------------------ identities (papers' facts)


def test_one_linear_layer_behind_gap_all_methods_agree():
    model, layer, x = CASES["gap"]()
    Z = 6 * 7
    M_c = camlite.cam(model, layer, x, CLASS)
    W, b = model.fc.weight.detach(), model.fc.bias.detach()
    F = model.features(x).detach()
    for method in (camlite.grad_cam, camlite.hires_cam, camlite.xgrad_cam):
        torch.testing.assert_close(method(model, layer, x, CLASS, relu=False), M_c / Z)
    torch.testing.assert_close(M_c.mean((1, 2)) + b[CLASS], model(x)[:, CLASS])
    positive = torch.einsum("k,nkhw->nhw", W[CLASS].clamp(min=0), F) / Z
    torch.testing.assert_close(camlite.layer_cam(model, layer, x, CLASS), positive)
    normalized = camlite.grad_cam_plus_plus(model, layer, x, CLASS, normalized=True)
    torch.testing.assert_close(normalized, positive)  # relu(w) / Z: LayerCAM's map
    w = W[CLASS].clamp(min=0) / (2 + W[CLASS] * F.mean((2, 3)))
    torch.testing.assert_close(
        camlite.grad_cam_plus_plus(model, layer, x, CLASS), torch.einsum("nk,nkhw->nhw", w, F)
    )


@pytest.mark.parametrize("name", ["gap", "flatten"])
def test_hires_cam_is_complete_before_one_linear_layer(name):
    model, layer, x = CASES[name]()
    Y, b = model(x)[:, CLASS].detach(), model.fc.bias[CLASS].detach()
    hires = camlite.hires_cam(model, layer, x, CLASS).sum((1, 2)) + b
    torch.testing.assert_close(hires, Y)
    grad = camlite.grad_cam(model, layer, x, CLASS, relu=False).sum((1, 2)) + b
    assert torch.allclose(grad, Y) == (name == "gap")


@pytest.mark.parametrize("name", ["gap", "flatten"])
def test_xgrad_cam_axioms_before_one_linear_layer(name):
    """Removing channel k lowers Y by the map's share of k; all shares and the bias make Y."""
    model, layer, x = CASES[name]()
    features, classifier = split(model, layer)
    F = features(x)
    Y = classifier(F)[:, CLASS]
    shares = []
    for k in range(F.shape[1]):
        without = F.clone()
        without[:, k] = 0
        only = torch.zeros_like(F)
        only[:, k] = F[:, k]
        loss = Y - classifier(without)[:, CLASS]
        _, G = score_and_gradient(classifier, F, CLASS)
        total = F[:, k].sum((1, 2))
        w_k = torch.where(total != 0, (F[:, k] * G[:, k]).sum((1, 2)) / total, 0)
        torch.testing.assert_close(w_k * total, loss)  # sensitivity
        shares.append(w_k[:, None, None] * F[:, k])
    torch.testing.assert_close(camlite.xgrad_cam(model, layer, x, CLASS, relu=False), sum(shares))
    torch.testing.assert_close(sum(shares).sum((1, 2)) + model.fc.bias[CLASS].detach(), Y)


def test_layer_cam_is_hires_cam_for_positive_gradients():
    model, layer, x = CASES["flatten"]()
    model.fc.weight.data.abs_()
    torch.testing.assert_close(
        camlite.layer_cam(model, layer, x, CLASS), camlite.hires_cam(model, layer, x, CLASS)
    )


def test_layer_cam_is_element_wise_grad_cam_for_positive_features():
    model, layer, x = CASES["flatten"]()
    M = camlite.layer_cam(model, layer, x, CLASS)
    torch.testing.assert_close(M, camlite.layer_cam(model, layer, x, CLASS, element_wise=True))
    model, layer, x = CASES["silu"]()  # negative features
    M = camlite.layer_cam(model, layer, x, CLASS)
    assert not torch.allclose(M, camlite.layer_cam(model, layer, x, CLASS, element_wise=True))


class ByHand(nn.Module):
    """Feature map = image; logit 0 = Σ g ∘ F: the gradient is g, whatever the image."""

    def __init__(self, g) -> None:
        super().__init__()
        self.features = nn.Identity()
        self.register_buffer("g", torch.tensor(g, dtype=torch.float64))

    def forward(self, x):
        return (self.features(x) * self.g).sum((1, 2, 3))[:, None]


@pytest.mark.parametrize(
    ("F", "g", "grad", "hires"),
    [
        ([[1, 0], [0, 0]], [[3, -1], [-1, -1]], [[0, 0], [0, 0]], [[3, 0], [0, 0]]),
        ([[1, 0], [0, 1]], [[3, 0], [0, -1]], [[0.5, 0], [0, 0.5]], [[3, 0], [0, -1]]),
    ],
)
def test_hires_counterexamples(F, g, grad, hires):
    """Grad-CAM misses the place that was used, or lights up one that speaks against the class."""
    x = torch.tensor([[F]], dtype=torch.float64)
    model = ByHand(g)
    assert camlite.grad_cam(model, "features", x, 0, relu=False)[0].tolist() == grad
    assert camlite.hires_cam(model, "features", x, 0)[0].tolist() == hires


def test_several_objects_of_different_size():
    """Fig. 2 of the Grad-CAM++ paper: maps with 15, 4 and 2 of 80 cells on, gradient 1 where on."""
    F = torch.zeros(1, 3, 8, 10, dtype=torch.float64)
    for k, cells in enumerate((15, 4, 2)):
        F[0, k].view(-1)[20 * k : 20 * k + cells] = 1
    model = ByHand(F[0].tolist())
    M = camlite.grad_cam(model, "features", F, 0)
    assert [round(float((M * F[0, k]).max() * 80)) for k in range(3)] == [15, 4, 2]
    M = camlite.grad_cam_plus_plus(model, "features", F, 0, normalized=True)
    assert [float((M * F[0, k]).max()) for k in range(3)] == pytest.approx([1, 1, 1])


def test_a_shift_of_all_class_rows_changes_cam_but_not_differences():
    model, layer, x = CASES["gap"]()
    before = {m: METHODS[m](model, layer, x, CLASS, relu=False) for m in ("grad_cam", "finer_cam")}
    difference = camlite.cam(model, layer, x, 0) - camlite.cam(model, layer, x, 1)
    p = model(x).softmax(1)
    model.fc.weight.data += torch.tensor([1.0, -2.0, 0.5, 1.5, -1.0], dtype=torch.float64)
    torch.testing.assert_close(model(x).softmax(1), p)
    grad = camlite.grad_cam(model, layer, x, CLASS, relu=False)
    assert not torch.allclose(grad, before["grad_cam"])
    after = camlite.finer_cam(model, layer, x, CLASS, relu=False)
    torch.testing.assert_close(after, before["finer_cam"])
    torch.testing.assert_close(
        camlite.cam(model, layer, x, 0) - camlite.cam(model, layer, x, 1), difference
    )


def test_flipping_the_image_flips_the_map_of_a_symmetric_network():
    model, layer, x = CASES["gap"]()
    for conv in (model.features[0], model.features[2]):
        conv.weight.data = conv.weight.data + conv.weight.data.flip(-1)
    for name in ("grad_cam", "grad_cam_plus_plus", "eigen_cam", "zoom_cam"):
        method = getattr(camlite, name)
        torch.testing.assert_close(
            method(model, layer, x.flip(-1), CLASS), method(model, layer, x, CLASS).flip(-1)
        )


def test_classes_have_different_maps():
    model, layer, x = CASES["gap"]()
    assert not torch.allclose(
        camlite.grad_cam(model, layer, x, 0, relu=False),
        camlite.grad_cam(model, layer, x, 1, relu=False),
    )


def test_saturated_score_integrated_grad_cam_still_sees_it():
    """A sigmoid far in its flat part has no gradient at the image, but has one on the way there."""
    model, layer, x = CASES["gap"]()

    def saturated(S):
        return torch.sigmoid(60 * (S[:, CLASS] - model(torch.zeros_like(x))[:, CLASS].detach()))

    flat_part = (model(x) - model(torch.zeros_like(x)))[:, CLASS].detach().abs() * 60 > 10
    assert flat_part.any()
    here = camlite.grad_cam(model, layer, x, saturated, relu=False)[flat_part].abs().amax()
    path = camlite.integrated_grad_cam(model, layer, x, saturated, relu=False, variant="code")
    assert path[flat_part].abs().amax() > 20 * here


def test_integrated_grad_cam_converges_with_steps():
    model, layer, x = CASES["silu"]()
    fine = camlite.integrated_grad_cam(model, layer, x, CLASS, steps=200, relu=False)
    coarse = [
        camlite.integrated_grad_cam(model, layer, x, CLASS, steps=m, relu=False)
        for m in (5, 20, 80)
    ]
    errors = [float((M - fine).norm()) for M in coarse]
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


# ------------------------------------------------------------------ scale of the logits; precision


class Scaled(nn.Module):
    def __init__(self, model, s) -> None:
        super().__init__()
        self.model, self.s = model, s

    def forward(self, x):
        return self.model(x) * self.s


@pytest.mark.parametrize("s", [1e-6, 1e-3, 1e3])
@pytest.mark.parametrize("name", SCALED)
def test_scaling_the_logits_leaves_the_scaled_map_unchanged(name, s):
    model, layer, x = CASES["deep"]()
    model, x = model.float(), x.float()
    M = minmax(METHODS[name](model, layer, x, CLASS))
    scaled = METHODS[name](Scaled(model, s), f"model.{layer}", x, CLASS)
    torch.testing.assert_close(minmax(scaled), M, rtol=1e-3, atol=1e-4)
    assert M.amax((1, 2)).max() == 1


@pytest.mark.parametrize("name", ["grad_cam_plus_plus", "grad_cam_plus_plus normalized", "smooth"])
def test_grad_cam_plus_plus_survives_tiny_and_huge_logits(name):
    """The formula depends on the scale, but it tends to α = 1/2, and never to an empty map."""
    model, layer, x = CASES["deep"]()
    model, x = model.float(), x.float()
    (F,), (G,) = maps_and_gradients(model, [layer], x, logit(CLASS))
    half = minmax(torch.einsum("nk,nkhw->nhw", G.clamp(min=0).sum((2, 3)) / 2, F).relu())
    for s in (1e-12, 1e-6, 1e-3, 1, 1e3):
        M = METHODS[name](Scaled(model, s), f"model.{layer}", x, CLASS)
        assert torch.isfinite(M).all()
        assert M.amax((1, 2)).min() > 0
        if s <= 1e-6 and name == "grad_cam_plus_plus":
            torch.testing.assert_close(minmax(M), half, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_float32_is_close_to_float64(name, case):
    model, layer, x = case
    exact = METHODS[name](model, layer, x, CLASS)
    single = METHODS[name](model.float(), layer, x.float(), CLASS)
    assert single.dtype == torch.float32
    if exact.abs().max() < 1e3:  # a sum near 0 may divide by anything: documented for XGrad-CAM
        scale = float(exact.abs().max()) + 1e-3
        torch.testing.assert_close(single.double(), exact, rtol=1e-2, atol=2e-3 * scale)


# ------------------------------------------------------------------ the contract, all methods


@pytest.mark.parametrize("name", METHODS)
def test_shape_batch_and_repetition(name, case):
    model, layer, x = case
    M = METHODS[name](model, layer, x)
    (F,), _ = maps_and_gradients(model, [layer], x, logit(CLASS))
    assert M.shape == (len(x), *F.shape[2:])
    assert torch.isfinite(M).all()
    assert not M.requires_grad
    assert torch.equal(M, METHODS[name](model, layer, x))
    alone = torch.cat([METHODS[name](model, layer, one[None]) for one in x])
    torch.testing.assert_close(M, alone)
    if name != "eigen_cam":
        each = torch.tensor([0, 1, 3])
        by_tensor = METHODS[name](model, layer, x, each)
        one = METHODS[name](model, layer, x[1:2], 1)
        torch.testing.assert_close(by_tensor[1:2], one)


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_left_behind(name):
    model, _, x = CASES["residual"]()
    model.train()
    model.fc.weight.grad = torch.ones_like(model.fc.weight)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    random = torch.get_rng_state()
    METHODS[name](model, "conv1", x, CLASS)
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(m.training and not m._forward_hooks for m in model.modules())
    assert model.conv1.weight.grad is None
    assert torch.equal(model.fc.weight.grad, torch.ones_like(model.fc.weight))


@pytest.mark.parametrize("name", METHODS)
def test_dead_channels_constant_maps_and_nothing_positive(name):
    model, layer, x = CASES["gap"]()
    model.features[2].bias.data[:3] = -1e3  # three dead channels
    assert torch.isfinite(METHODS[name](model, layer, x, CLASS)).all()
    model.features[2].bias.data[:] = -1e3  # all dead
    assert not METHODS[name](model, layer, x, CLASS).any()
    model, layer, x = CASES["gap"]()
    model.fc.weight.data = -model.fc.weight.data.abs()  # all evidence is negative
    M = METHODS[name](model, layer, x, CLASS)
    assert torch.isfinite(M).all()
    if name in ("grad_cam", "grad_cam_plus_plus", "smooth", "xgrad_cam", "layer_cam"):
        assert not M.any()
    constant = torch.ones(1, 2, 6, 7, dtype=torch.float64)
    model.features[0].padding = model.features[2].padding = (0, 0)  # no border: constant maps
    assert torch.isfinite(METHODS[name](model, layer, constant, CLASS)).all()


def test_xgrad_cam_with_a_channel_that_sums_to_zero():
    x = torch.tensor([[[[1.0, -1.0]], [[2.0, 3.0]]]], dtype=torch.float64)
    model = ByHand([[[1.0, 2.0]], [[1.0, 1.0]]])
    assert camlite.xgrad_cam(model, "features", x, 0)[0].tolist() == [[2.0, 3.0]]


def test_grad_cam_plus_plus_where_the_denominator_is_zero():
    """2 + G ΣF = 0 needs a negative sum: the channel is left out, never NaN or infinite."""
    x = torch.tensor([[[[-1.0, -1.0]], [[2.0, 3.0]]]], dtype=torch.float64)
    model = ByHand([[[1.0, 1.0]], [[1.0, 1.0]]])
    M = camlite.grad_cam_plus_plus(model, "features", x, 0)
    torch.testing.assert_close(M, 2 / (2 + 5) * x[:, 1])


# ------------------------------------------------------------------ several layers of LayerCAM


@pytest.mark.parametrize("gamma", [2.0, None])
@pytest.mark.parametrize("name", LADDERS)
def test_layer_cam_fusion(name, gamma):
    model, layers, x = LADDERS[name]()
    size = camlite.layer_cam(model, layers[0], x, CLASS).shape[1:]
    for n in range(len(x)):
        maps = []
        for layer in layers:
            M = camlite.layer_cam(model, layer, x[n : n + 1], CLASS)
            M = M / M.max() if M.max() > 0 else M
            maps.append(camlite.up(torch.tanh(gamma * M) if gamma else M, size)[0])
        fused = camlite.layer_cam(model, layers, x, CLASS, gamma=gamma)[n]
        torch.testing.assert_close(fused, torch.stack(maps).amax(0))
    alone = camlite.layer_cam(model, layers[0], x, CLASS)
    assert torch.equal(camlite.layer_cam(model, layers[:1], x, CLASS), alone)


# ------------------------------------------------------------------ mistakes


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: camlite.layer_cam(m, ["features.1", "features"], x, relu=False), "one layer"),
        (lambda m, x: camlite.smooth_grad_cam_plus_plus(m, None, x, samples=0), "samples"),
        (lambda m, x: camlite.smooth_grad_cam_plus_plus(m, None, x, sigma=-1.0), "sigma"),
        (lambda m, x: camlite.smooth_grad_cam_plus_plus(m, None, x, sigma=math.nan), "sigma"),
        (lambda m, x: camlite.integrated_grad_cam(m, None, x, steps=0), "steps"),
        (lambda m, x: camlite.integrated_grad_cam(m, None, x, variant="best"), "variant"),
        (lambda m, x: camlite.integrated_grad_cam(m, None, x, baseline=x[0, :, :5]), "baseline"),
        (lambda m, x: camlite.finer_cam(m, None, x, 1, rivals=[1]), "rivals"),
        (lambda m, x: camlite.finer_cam(m, None, x, 1, rivals=[9]), "rivals"),
        (lambda m, x: camlite.finer_cam(m, None, x, 1, rivals=[]), "rivals"),
        (lambda m, x: camlite.finer_cam(m, None, x, 1, rivals=0), "rival"),
        (lambda m, x: camlite.finer_cam(m, None, x, lambda S: S[:, 0]), "classes"),
        (lambda m, x: camlite.shapley_cam(m, None, x, utility="prob"), "utility"),
        (lambda m, x: camlite.hires_cam(m, None, x, 4), "classes 0 to 3"),
        (lambda m, x: camlite.eigen_cam(m, None, x, 4), "classes 0 to 3"),
        (lambda m, x: camlite.xgrad_cam(m, None, x * math.nan), "NaN"),
    ],
)
@pytest.mark.filterwarnings("ignore::camlite.split.LayerChosen")
def test_mistakes_are_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call(ready(GapHead()), pictures())


def test_a_hook_is_announced_once():
    model, layer, x = CASES["in a branch"]()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        camlite.smooth_grad_cam_plus_plus(model, layer, x, samples=5)
    assert [w.category for w in seen] == [SplitByHook]


def test_finer_cam_shows_what_a_rival_does_not_share():
    """Two classes share channel 0 and differ in channel 1: only channel 1 is left."""
    model, layer, x = CASES["gap"]()
    W = torch.tensor([[2.0, 1, 0, 0, 0], [2, 0, 0, 0, 0], [-9, 0, 0, 0, 0], [-9, 0, 0, 0, 0]])
    model.fc.weight.data = W.double()
    model.fc.bias.data[:] = 0
    M = camlite.finer_cam(model, layer, x, 0, rivals=[1], relu=False)
    torch.testing.assert_close(M, model.features(x)[:, 1].detach() / 42)


# ------------------------------------------------------------------ a real network


@pytest.fixture(scope="module")
def resnet50_and_dog():
    folder = Path(os.environ.get("CAMLITE_DATA", "none"))
    weights = folder / "weights" / "resnet50-tf-uint8.pth"
    if not weights.exists():
        pytest.skip("CAMLITE_DATA has no weights/resnet50-tf-uint8.pth")
    torchvision = pytest.importorskip("torchvision")
    from PIL import Image
    from torchvision.transforms.functional import normalize, to_tensor

    model = torchvision.models.resnet50(weights=None)
    model.load_state_dict(torch.load(weights, weights_only=True))
    picture = Image.open(folder / "photos" / "dog_cat_224.png").convert("RGB")
    x = normalize(to_tensor(picture), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[None]
    return model.eval(), x


def test_resnet50_identities_and_the_dog_above_the_cat(resnet50_and_dog):
    model, x = resnet50_and_dog
    dog, cat = 243, 281
    M = camlite.cam(model, "layer4", x, dog) / 49
    for method in (camlite.grad_cam, camlite.hires_cam, camlite.xgrad_cam):
        signed = method(model, "layer4", x, dog, relu=False)
        torch.testing.assert_close(signed, M, rtol=1e-3, atol=1e-5)
    rows = torch.arange(7.0)
    heights = [
        float((camlite.layer_cam(model, "layer4", x, c).sum((0, 2)) * rows).sum())
        / float(camlite.layer_cam(model, "layer4", x, c).sum())
        for c in (dog, cat)
    ]
    assert heights[0] < heights[1]  # the dog sits above the cat in the picture


def test_deep_head_is_not_linear_so_the_cases_differ():
    """A guard for the oracles above: on this network the methods must not coincide."""
    model, x = ready(DeepHead()), pictures(size=(8, 8))
    maps = [
        METHODS[n](model, "features.4", x, CLASS, relu=False)
        for n in (
            "grad_cam",
            "grad_cam_plus_plus",
            "xgrad_cam",
            "hires_cam",
            "layer_cam",
            "finer_cam",
        )
    ]
    for i, a in enumerate(maps):
        for b in maps[i + 1 :]:
            assert not torch.allclose(a, b, rtol=1e-2)
