"""Expected Grad-CAM: a literal loop, and the identities that tie it to its relatives."""

from __future__ import annotations

import pytest
import torch
from small_nets import logit, maps_and_gradients
from test_gradient import CASES, CLASS, combine, flat

import camlite
from camlite.perturb import blur

pytestmark = pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook")


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_it_is_the_mean_gradient_on_random_ways(name, relu):
    model, layer, x = CASES[name]()
    σ = 0.2 * (x.flatten(1).amax(1) - x.flatten(1).amin(1)).reshape(-1, *[1] * (x.dim() - 1))
    g = torch.Generator().manual_seed(7)
    (F,), _ = maps_and_gradients(model, [layer], x, logit(CLASS))
    mean = torch.zeros_like(F)
    for s in range(4):
        start = blur(x) + σ * torch.randn(x.shape[1:], generator=g).double()
        t = (s + float(torch.rand(1, generator=g))) / 4
        _, (G,) = maps_and_gradients(model, [layer], (1 - t) * start + t * x, logit(CLASS))
        mean += G / 4
    M = combine([[sum(row) / len(row) for row in image] for image in flat(mean)], F)
    generator = torch.Generator().manual_seed(7)
    options = {"samples": 4, "sigma": 0.2, "relu": relu, "generator": generator}
    got = camlite.expected_grad_cam(model, layer, x, CLASS, **options)
    torch.testing.assert_close(got, M.clamp(min=0) if relu else M)


@pytest.mark.parametrize("baseline", ["zero", "mean", "blur", 0.3])
def test_without_noise_it_becomes_integrated_grad_cam(baseline):
    model, layer, x = CASES["silu"]()
    common = {"relu": False, "baseline": baseline}
    exact = camlite.integrated_grad_cam(
        model, layer, x, CLASS, variant="gradient", steps=400, **common
    )
    errors = [
        float(
            (
                camlite.expected_grad_cam(model, layer, x, CLASS, samples=n, sigma=0.0, **common)
                - exact
            ).norm()
            / exact.norm()
        )
        for n in (4, 100)
    ]
    assert errors[1] < 5e-3
    assert errors[1] < errors[0]


def test_a_baseline_at_the_image_without_noise_is_grad_cam():
    model, layer, x = CASES["silu"]()
    M = camlite.expected_grad_cam(model, layer, x, CLASS, baseline="original", sigma=0.0, samples=3)
    torch.testing.assert_close(M, camlite.grad_cam(model, layer, x, CLASS))


def test_with_gap_and_one_linear_layer_it_is_grad_cam():
    model, layer, x = CASES["gap"]()
    M = camlite.expected_grad_cam(model, layer, x, CLASS, samples=3)
    torch.testing.assert_close(M, camlite.grad_cam(model, layer, x, CLASS))


def test_a_saturated_score_is_seen_on_the_way():
    model, layer, x = CASES["gap"]()
    start = model(torch.zeros_like(x))[:, CLASS].detach()

    def saturated(S):
        return torch.sigmoid(60 * (S[:, CLASS] - start))

    flat_part = (model(x)[:, CLASS].detach() - start).abs() * 60 > 10
    assert flat_part.any()
    here = camlite.grad_cam(model, layer, x, saturated, relu=False)[flat_part].abs().amax()
    M = camlite.expected_grad_cam(
        model, layer, x, saturated, relu=False, baseline="zero", samples=40, sigma=0.05
    )
    assert M[flat_part].abs().amax() > 20 * here


def test_the_seed_decides_and_the_global_state_is_left_alone():
    model, layer, x = CASES["silu"]()
    before = torch.get_rng_state()
    a, b = (camlite.expected_grad_cam(model, layer, x, CLASS, samples=3) for _ in range(2))
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    other = torch.Generator().manual_seed(1)
    c = camlite.expected_grad_cam(model, layer, x, CLASS, samples=3, generator=other)
    assert not torch.allclose(a, c)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples"),
        ({"sigma": -1.0}, "sigma"),
        ({"baseline": "black"}, "baseline must be one of"),
        ({"generator": 3}, "torch.Generator"),
    ],
)
def test_mistakes_are_explained(options, message):
    model, layer, x = CASES["silu"]()
    with pytest.raises(ValueError, match=message):
        camlite.expected_grad_cam(model, layer, x, CLASS, **options)
