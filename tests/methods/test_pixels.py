"""Pixel methods: gradients against finite differences, ReLU rules by hand, literal mask loops."""

from __future__ import annotations

import warnings

import pytest
import torch
from score_nets import (
    Flat,
    PoolLinear,
    Residual,
    Signal,
    Untraceable,
    pictures,
    ready,
    signals,
)
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import interpolate

import camlite
from camlite import (
    deconvnet,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    occlusion,
    rise,
    saliency,
    smooth_grad,
)

pytestmark = pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook")
CLOSE = {"rtol": 1e-9, "atol": 1e-10}
NETS = [PoolLinear, Flat, Residual, Untraceable]
PIXEL_METHODS = [
    (saliency, {}),
    (smooth_grad, {"samples": 3}),
    (integrated_gradients, {"steps": 4}),
    (deconvnet, {}),
    (guided_backprop, {}),
    (occlusion, {"patch": 4, "stride": 3}),
    (rise, {"samples": 20, "cells": 3}),
]
IDS = [method.__name__ for method, _ in PIXEL_METHODS]


def gradient(net: nn.Module, X: Tensor, c: int) -> Tensor:
    X = X.clone().requires_grad_()
    return torch.autograd.grad(net(X)[:, c].sum(), X)[0]


# ------------------------------------------------------------------ gradients


@pytest.mark.parametrize("kind", NETS)
def test_saliency_is_the_size_of_the_gradient(kind):
    net, X, step = ready(kind), pictures(2), 1e-6
    got = saliency(net, X, 1)
    for at in [(0, 0, 0, 0), (0, 2, 5, 6), (1, 1, 10, 12), (1, 0, 3, 3)]:
        e = torch.zeros_like(X)
        e[at] = step
        with torch.no_grad():
            slope = (net(X + e)[at[0], 1] - net(X - e)[at[0], 1]) / (2 * step)
        torch.testing.assert_close(got[at], slope.abs(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", NETS)
def test_smooth_grad_is_the_mean_gradient_of_noisy_images(kind):
    net, X = ready(kind), pictures(2)
    X[1] *= 5  # the noise follows each image's range
    got = smooth_grad(net, X, 1, samples=4, sigma=0.2, generator=torch.Generator().manual_seed(2))
    g, total = torch.Generator().manual_seed(2), torch.zeros_like(X)
    for _ in range(4):
        ε = torch.randn(3, 11, 13, generator=g).double()
        for n in range(2):
            noisy = X[n] + 0.2 * (X[n].max() - X[n].min()) * ε
            total[n] += gradient(net, noisy[None], 1)[0] / 4
    torch.testing.assert_close(got, total, **CLOSE)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("baseline", ["zero", "blur", "strong_blur", "mean", 0.5])
def test_integrated_gradients_add_up_to_the_difference_of_the_scores(kind, baseline):
    net, X = ready(kind), pictures(2)
    X_b = camlite.perturb.filled(X, baseline)
    with torch.no_grad():
        difference = net(X)[:, 1] - net(X_b)[:, 1]
    gaps = []
    for steps in (8, 200):
        IG = integrated_gradients(net, X, 1, baseline=baseline, steps=steps)
        gaps.append((IG.flatten(1).sum(1) - difference).abs().max())
    assert gaps[1] < 0.03 * difference.abs().max() + 1e-3
    assert gaps[1] < gaps[0]


def test_integrated_gradients_are_the_sum_of_the_paper():
    net, X, m = ready(Flat), pictures(1), 5
    X_b = torch.full_like(X, 0.3)
    total = sum(gradient(net, X_b + k / m * (X - X_b), 2) for k in range(1, m + 1))
    got = integrated_gradients(net, X, 2, baseline=0.3, steps=m)
    torch.testing.assert_close(got, (X - X_b) * total / m, **CLOSE)


def test_the_class_is_that_of_the_clean_image():
    net, X = ready(Flat), pictures(3)
    c = net(X).argmax(1)
    for method, options in (
        (smooth_grad, {"samples": 2, "sigma": 3.0}),
        (integrated_gradients, {"steps": 3}),
    ):
        torch.testing.assert_close(method(net, X, **options), method(net, X, c, **options))


# ------------------------------------------------------------------ rules at a ReLU


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        (guided_backprop, lambda f, R: (f > 0) * R.clamp_min(0)),
        (deconvnet, lambda f, R: R.clamp_min(0)),
    ],
)
def test_the_relu_rules_by_hand(method, rule):
    """X → W1 → ReLU → W2 → ReLU → W3: three matrices, no autograd."""
    g = torch.Generator().manual_seed(0)
    W1, W2, W3 = (torch.randn(*s, generator=g).double() for s in ((6, 12), (5, 6), (4, 5)))
    layers = [
        nn.Linear(12, 6, bias=False),
        nn.ReLU(inplace=True),
        nn.Linear(6, 5, bias=False),
        nn.ReLU(),
        nn.Linear(5, 4, bias=False),
    ]
    net = nn.Sequential(nn.Flatten(), *layers).double()
    for layer, W in zip(layers[::2], (W1, W2, W3), strict=True):
        layer.weight.data = W
    X = torch.randn(2, 1, 3, 4, generator=g).double()
    f1 = X.flatten(1) @ W1.T
    f2 = f1.clamp_min(0) @ W2.T
    R = rule(f1, rule(f2, W3[1].expand(2, 5)) @ W2) @ W1
    torch.testing.assert_close(method(net, X, 1), R.view_as(X), **CLOSE)
    assert not torch.allclose(R.view_as(X), gradient(net, X, 1))


class Module(nn.Module):
    """One network, its ReLU written in seven ways."""

    def __init__(self, relu, layers: int = 2) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(layers))
        self.relu, self.head = relu, nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = self.relu(conv(x))
        return self.head(x.mean((2, 3)))


WAYS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "function": functional.relu,
    "function in place": lambda x: functional.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "method": lambda x: x.relu(),
    "method in place": lambda x: x.relu_(),
}


@pytest.mark.parametrize("method", [guided_backprop, deconvnet])
@pytest.mark.parametrize("way", list(WAYS))
def test_every_way_to_write_a_relu_counts(method, way):
    nets = [ready(lambda relu=relu: Module(relu)) for relu in (nn.ReLU(), WAYS[way])]
    X = pictures(2)
    first, second = (method(net, X, 1) for net in nets)
    torch.testing.assert_close(first, second, **CLOSE)
    assert not torch.allclose(first, gradient(nets[0], X, 1), atol=1e-3)


@pytest.mark.parametrize("method", [guided_backprop, deconvnet])
@pytest.mark.parametrize(
    "relu6", [nn.ReLU6(), nn.ReLU6(inplace=True), functional.relu6, nn.Hardtanh(0, 6)]
)
def test_relu6_counts_as_a_relu(method, relu6):
    X = pictures(2) / 10
    nets = [ready(lambda relu=relu: Module(relu)) for relu in (relu6, nn.ReLU())]
    torch.testing.assert_close(*[method(net, X, 1) for net in nets], **CLOSE)  # no value above 6
    with torch.no_grad():
        for net in nets:
            net.convs[1].bias.fill_(100.0)  # now every value is above
    blocked, passed = (guided_backprop(net, X, 1) for net in nets)
    assert blocked.abs().max() == 0 < passed.abs().max()


def test_an_in_place_relu_still_changes_what_others_hold():
    """A branch that keeps the tensor from before sees it changed, as in plain torch."""

    class Alias(Module):
        def forward(self, x: Tensor) -> Tensor:
            x = self.convs[0](x)
            self.relu(x)  # the return value is not used
            return self.head(self.convs[1](x).mean((2, 3)))

    class Plain(Module):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.convs[1](self.relu(self.convs[0](x))).mean((2, 3)))

    X = pictures(2)
    alias = ready(lambda: Alias(nn.ReLU(inplace=True)))
    plain = ready(lambda: Plain(nn.ReLU()))
    torch.testing.assert_close(guided_backprop(alias, X, 1), guided_backprop(plain, X, 1), **CLOSE)


@pytest.mark.parametrize("method", [guided_backprop, deconvnet])
@pytest.mark.parametrize("other", [nn.SiLU(), nn.GELU(), nn.LeakyReLU(), nn.Hardtanh(), nn.Tanh()])
def test_a_network_without_relus_is_an_error_not_a_plain_gradient(method, other):
    net = ready(lambda: Module(other))
    with pytest.raises(ValueError, match="ReLU"):
        method(net, pictures(1), 1)


def test_other_activation_functions_beside_relus_are_told():
    net = ready(lambda: Module(lambda x: functional.silu(x.relu())))
    with pytest.warns(UserWarning, match="silu keep"):
        guided_backprop(net, pictures(1), 1)


def test_guided_grad_cam_is_the_product_of_both():
    net, X = ready(Flat), pictures(2)
    L = camlite.grad_cam(net, "features", X, 1)
    L = interpolate(L[:, None], size=(11, 13), mode="bilinear", align_corners=False)
    got = guided_grad_cam(net, "features", X, 1)
    assert got.shape == X.shape
    torch.testing.assert_close(got, L * guided_backprop(net, X, 1), **CLOSE)


# ------------------------------------------------------------------ hiding parts


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("probability", [True, False])
@pytest.mark.parametrize(("patch", "stride"), [(4, 3), (3, 3), (2, 5), (20, 1)])
def test_occlusion_is_the_mean_loss_over_the_patches_that_hide_a_pixel(
    kind, probability, patch, stride
):
    net, X = ready(kind), pictures(2)
    got = occlusion(net, X, 1, patch=patch, stride=stride, fill=0.5, probability=probability)
    loss, times = torch.zeros(2, 11, 13).double(), torch.zeros(11, 13)

    def Y(x: Tensor) -> Tensor:
        with torch.no_grad():
            return (net(x).softmax(1) if probability else net(x))[:, 1]

    rows, columns = ({*range(0, s - patch + 1, stride), max(0, s - patch)} for s in (11, 13))
    for i in rows:
        for j in columns:
            hidden = X.clone()
            hidden[:, :, i : i + patch, j : j + patch] = 0.5
            loss[:, i : i + patch, j : j + patch] += (Y(X) - Y(hidden))[:, None, None]
            times[i : i + patch, j : j + patch] += 1
    torch.testing.assert_close(got, loss / times.clamp_min(1), **CLOSE)


def test_occlusion_finds_the_only_pixel_that_counts():
    class OnePixel(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x[:, 0, 7, 2], -x[:, 0, 7, 2]], 1)

    X = torch.ones(1, 3, 11, 13)
    M = occlusion(OnePixel(), X, 0, patch=1, stride=1, probability=False)
    expected = torch.zeros(1, 11, 13)
    expected[0, 7, 2] = 1
    torch.testing.assert_close(M, expected)
    M = rise(OnePixel(), X, 0, samples=3000, cells=6, probability=False)
    assert divmod(int(M.argmax()), 13) == (7, 2)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("probability", [True, False])
def test_rise_is_the_mean_score_under_the_masks_that_show_a_pixel(kind, probability):
    net, X = ready(kind), pictures(2)
    got = rise(
        net,
        X,
        1,
        samples=9,
        cells=3,
        keep=0.4,
        probability=probability,
        generator=torch.Generator().manual_seed(1),
    )
    g = torch.Generator().manual_seed(1)
    coins = (torch.rand(9, 3, 3, generator=g) < 0.4).float()  # cells of 4 × 5 pixels
    rows = torch.randint(4, (9,), generator=g)
    columns = torch.randint(5, (9,), generator=g)
    S = torch.zeros(2, 11, 13).double()
    for i in range(9):
        M = interpolate(coins[i][None, None], size=(16, 20), mode="bilinear", align_corners=False)
        M = M[0, 0, rows[i] : rows[i] + 11, columns[i] : columns[i] + 13].double()
        with torch.no_grad():
            Y = net(X * M)
        S += (Y.softmax(1) if probability else Y)[:, 1, None, None] * M
    torch.testing.assert_close(got, S / (9 * 0.4), **CLOSE)


@pytest.mark.parametrize(("method", "options"), PIXEL_METHODS[-2:])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_the_batch_size_changes_nothing(method, options, batch_size):
    net, X = ready(Flat), pictures(2)
    torch.testing.assert_close(
        method(net, X, batch_size=batch_size, **options), method(net, X, **options), **CLOSE
    )


# ------------------------------------------------------------------ what holds for all of them


@pytest.mark.parametrize(("method", "options"), PIXEL_METHODS, ids=IDS)
@pytest.mark.parametrize("kind", NETS)
def test_a_batch_gives_what_its_images_give(method, options, kind):
    net, X = ready(kind), pictures(3)
    together = method(net, X, **options)
    hides = method in (occlusion, rise)
    assert together.shape == ((3, 11, 13) if hides else (3, 3, 11, 13))
    alone = torch.cat([method(net, x[None], **options) for x in X])
    torch.testing.assert_close(together, alone, **CLOSE)


@pytest.mark.parametrize(("method", "options"), PIXEL_METHODS, ids=IDS)
def test_signals(method, options):
    net, x = ready(Signal), signals(2)
    got = method(net, x, 1, **options)
    assert got.shape == ((2, 30) if method in (occlusion, rise) else (2, 2, 30))
    torch.testing.assert_close(got[1:], method(net, x[1:], 1, **options), **CLOSE)


@pytest.mark.parametrize(("method", "options"), PIXEL_METHODS, ids=IDS)
@pytest.mark.parametrize("kind", NETS)
def test_nothing_is_left_behind_and_two_calls_agree(method, options, kind):
    net, X = ready(kind).train(), pictures(2).requires_grad_()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    types = [type(m) for m in net.modules()]
    random_state, image = torch.get_rng_state(), X.detach().clone()
    first, second = (method(net, X, 1, **options) for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(m.training and not m._forward_hooks for m in net.modules())
    assert types == [type(m) for m in net.modules()]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(X.detach(), image)
    assert X.grad is None


@pytest.mark.parametrize("method", [guided_backprop, deconvnet])
def test_after_an_error_the_relus_are_plain_again(method):
    net, X = ready(PoolLinear), pictures(1)
    before = gradient(net, X, 1)

    def interrupted(logits: Tensor) -> Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        method(net, X, interrupted)
    assert torch.equal(gradient(net, X, 1), before)


@pytest.mark.parametrize(("method", "options"), PIXEL_METHODS, ids=IDS)
def test_float32_and_gradient_modes(method, options):
    exact = method(ready(Flat), pictures(2), 1, **options)
    single = ready(Flat, dtype=torch.float32), pictures(2, dtype=torch.float32)
    plain = method(*single, 1, **options)
    assert plain.dtype == torch.float32
    torch.testing.assert_close(plain.double(), exact, rtol=1e-3, atol=1e-4)
    for mode in (
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        with mode():
            assert torch.equal(method(*single, 1, **options), plain)


@pytest.mark.parametrize(("method", "options"), PIXEL_METHODS, ids=IDS)
def test_bad_images_and_classes_are_named(method, options):
    net, X = ready(Flat), pictures(1)
    with pytest.raises(ValueError, match="out of range"):
        method(net, X, 4, **options)
    with pytest.raises(ValueError, match="NaN"):
        method(net, X * torch.nan, 1, **options)
    with pytest.raises(ValueError, match="int64"):
        method(net, X.long(), 1, **options)


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (occlusion, {"patch": 0}, "patch"),
        (occlusion, {"fill": "pink"}, "'pink'"),
        (rise, {"keep": 0}, "keep"),
        (rise, {"samples": -1}, "samples"),
        (smooth_grad, {"samples": 0}, "samples"),
        (integrated_gradients, {"steps": 0}, "steps"),
    ],
)
def test_wrong_options_are_named(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(ready(Flat), pictures(1), **options)


def test_black_images_give_zeros_or_constants_never_nan():
    net, X = ready(PoolLinear), torch.zeros(2, 3, 11, 13).double()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method, options in PIXEL_METHODS:
            assert method(net, X, 1, **options).isfinite().all(), method.__name__
