"""Lesson 7: what it says about its own output."""

from __future__ import annotations

import torch

import camlite
from tests.prose import says

SIGNED = True, False  # the two halves of the tables


def tables(run):
    return run.pond_table, run.digit_table


@says("We make one pixel a little brighter", "One pass back, and we have all 784 slopes")
def _(run):
    assert run.same_slopes > 0.97
    assert run.G.shape[-2:] == (28, 28) or run.G.shape[1] == 3


@says("The correlation is not quite 1")
def _(run):
    assert run.same_slopes < 0.99999


@says("torch.autograd.grad leaves the weights alone")
def _(run):
    assert "a weight has a .grad now: False" in run.printed


@says("The strokes get more than their share, but most of the saliency lies on black pixels")
def _(run):
    S, stroke = run.S_many, run.stroke
    on_stroke = float(((S * stroke).sum((1, 2)) / S.sum((1, 2))).mean())
    assert 1.1 * float(stroke.float().mean()) < on_stroke < 0.45


@says("in the ring around it the map is denser than on the stroke itself")
def _(run):
    dense = {text: run.density(run.S_many, zone) for text, zone in run.zones.items()}
    assert dense["two pixels around"] > 1.03 * dense["strokes"]
    assert dense["all the rest"] < 0.8


@says("For $Y = 3x_1 + x_2$ at $x = (0, 5)$ the saliency is $(3, 1)$")
def _(run):
    x = torch.tensor([[[[0.0, 5.0]]]])
    W = torch.tensor([3.0, 1.0])
    S = run.saliency(lambda x: (x.flatten(1) @ W)[:, None], x, 0)
    assert S.flatten().tolist() == [3, 1]
    assert (W * x.flatten()).tolist() == [0, 5]


@says("It knows no network and no class, and yet it prefers the animals")
def _(run):
    assert 1.2 < run.dense["Sobel"] < 1.8


@says("The saliency is about twice as dense as that")
def _(run):
    assert 1.7 < run.dense["saliency"] / run.dense["Sobel"] < 2.6


@says("run it twice, and every number is the same")
def _(run):
    assert torch.allclose(run.saliency(run.net, run.five, run.c[:5]), run.S, atol=1e-6)


@says("Noise of 0.02 cannot be seen by eye, and yet the picture of the derivative changes a lot")
def _(run):
    assert run.rank < 0.85


@says(
    "For the digits it is another picture. For the animals it is nearly the old one",
    "although many signs have changed (first column)",
)
def _(run):
    assert run.alike_after["digits"][1] < 0.65
    assert run.alike_after["animals"][1] > 0.75
    assert run.alike_after["animals"][0] < run.alike_after["animals"][1] - 0.15


@says("A 3×3 filter that moves by two sees a pixel in an odd row and an odd column four times")
def _(run):
    ones = torch.ones(1, 1, 8, 8, requires_grad=True)
    seen = torch.nn.functional.conv2d(ones, torch.ones(1, 1, 3, 3), stride=2, padding=1)
    times = torch.autograd.grad(seen.sum(), ones)[0][0, 0]
    assert [times[2, 2], times[3, 3], times[2, 3], times[3, 2]] == [1, 4, 2, 2]
    assert [m.stride[0] for m in run.f.features if isinstance(m, torch.nn.Conv2d)].count(2) == 2


@says("about three times as much saliency for the first kind", "no strides, and no grid")
def _(run):
    assert 2.4 < run.parity[1, 1] / run.parity[0, 0] < 4.2
    assert run.parity_digits.max() / run.parity_digits.min() < 1.25


@says("SmoothGrad is not denser on the animals, where its picture stayed, and not on the digits")
def _(run):
    for saliency, smooth in run.dense_after.values():
        assert smooth < saliency


@says("a quarter of the variance. The measured points lie on the line")
def _(run):
    for values in run.variances.values():
        for n, value in zip(run.sizes, values, strict=True):
            assert 0.65 < values[0] / value / n < 1.5


@says("with 0.3 it is another picture than with 0.05, with its sign and without")
def _(run):
    for sign in SIGNED:
        assert run.limits_alike[0.3, sign] < 0.75
        assert run.limits_alike[0.3, sign] < run.limits_alike[0.1, sign] - 0.1


@says("Only the first rule tells what really happens: $Y$ rises by 2", "falls by 3")
def _(run):
    at_input = {rule: (through @ run.A).tolist() for rule, through in run.passes.items()}
    assert at_input == {"gradient": [2, -3], "deconvnet": [5, -5], "guided": [3, -1]}
    two = run.two.clone().requires_grad_()
    assert torch.autograd.grad(run.small_net(two), two)[0].tolist() == [2, -3]
    for rule, through in run.passes.items():
        assert torch.equal(run.relu_rule(run.f_two, run.R, rule), through)


@says("Guided back-propagation has the right signs here and the wrong sizes")
def _(run):
    assert run.f_two.tolist() == [2, -1, 3]


def half_lies_on(M):
    """The share of the pixels that holds half of each picture."""
    v = M.abs().amax(1).flatten(1).sort(1, descending=True).values.cumsum(1)
    return float((v < v[:, -1:] / 2).float().mean())


@says("Guided back-propagation is the cleanest: it has the fewest grains beside the animal")
def _(run):
    outside = {
        rule: float((M.abs().amax(1) * ~run.mask).sum() / M.abs().amax(1).sum())
        for rule, M in run.signals.items()
    }
    assert outside["guided"] < outside["gradient"] < outside["deconvnet"]
    assert half_lies_on(run.signals["guided"]) < half_lies_on(run.signals["gradient"])


@says("it draws the same picture for every frog. The difference is rounding, or zero")
def _(run):
    assert max(run.same_class.values()) < 1e-4


@says("found nothing to replace, said nothing, and gave the plain gradient")
def _(run):
    assert run.silu_found == 0
    assert run.unchanged
    assert "camlite: guided backpropagation changes the ReLUs" in run.printed
    assert run.silu_right > (0.6 if run.fast else 0.85)


@says(
    "In every layer about half of the units or more have a negative input, and more than a tenth "
    "of the signal goes through them",
)
def _(run):
    assert min(run.negative_share) > 0.4
    assert min(run.negative_signal) > 0.1


@says("What SiLU does bring is a derivative without jumps")
def _(run):
    assert run.jumps["ReLU"] > 8
    assert run.jumps["SiLU"] < 4


@says(
    "with small squares of grey or of the mean colour it lies on the animal for nearly all images"
)
def _(run):
    for text in ("8×8, grey", "4×4, grey", "8×8, mean colour"):
        assert run.peaks[text] > 0.85


@says("The rest of the map depends on the patch and on the fill", "related, but far from alike")
def _(run):
    others = [value for text, value in run.to_first.items() if text != "8×8, grey"]
    assert max(others) < 0.85
    assert min(others) > 0.1
    assert run.to_first["8×8, black"] < 0.5


@says("The place of the largest drop is robust")
def _(run):
    assert min(run.peaks.values()) > 0.3  # the animals cover 23 %


@says("only 122 questions for each image (121 places")
def _(run):
    assert len(range(0, 48 - 8 + 1, 4)) ** 2 == 121


@says("the gradient, with its sign, is near 1: it is this claim. SmoothGrad is not far")
def _(run):
    assert run.predicted["saliency"] > 0.98
    assert run.predicted["SmoothGrad"] > 0.7


@says("Guided back-propagation predicts only a part, DeconvNet almost nothing")
def _(run):
    assert 0.35 < run.predicted["guided"] < 0.7
    assert abs(run.predicted["DeconvNet"]) < 0.2


@says("Look at guided: it loses the most, with both fills")
def _(run):
    for kind in run.fills:
        assert max(run.lost, key=lambda text: run.lost[text][kind]) == "guided"


@says("The filter and the DeconvNet lose much less; the filter still more than chance")
def _(run):
    for kind in run.fills:
        least = min(run.lost[text][kind] for text in ("saliency", "SmoothGrad", "occlusion"))
        assert run.lost["Sobel"][kind] < 0.6 * least
        assert run.lost["DeconvNet"][kind] < 0.6 * least
        assert run.lost["Sobel"][kind] > run.lost["by chance"][kind] + 0.5


@says(
    "Most of what it erases lies on the animal (last column), but about as much with saliency and "
    "occlusion",
)
def _(run):
    guided = run.on_animal["guided"]
    assert guided > 0.6
    assert all(abs(run.on_animal[text] - guided) < 0.08 for text in ("saliency", "occlusion"))


@says("Sobel's filter does not notice anything, of course: 1.00 everywhere but between two images")
def _(run):
    for table in tables(run):
        for (what, _), row in table.items():
            assert (row["Sobel"][0] > 0.9999) == (what != "another image")


@says("With sign, guided back-propagation hardly notices")
def _(run):
    for table in tables(run):
        for what in ("another class", "last layer random"):
            assert table[what, True]["guided"][0] > 0.7


@says("with all layers random it changes too")
def _(run):
    for table in tables(run):
        assert table["all layers random", True]["guided"][0] < 0.6


@says("With sign, gradient, SmoothGrad and occlusion notice", "far below that of guided")
def _(run):
    for table in tables(run):
        for text in ("saliency", "SmoothGrad", "occlusion"):
            for what in ("another class", "last layer random"):
                row = table[what, True]
                assert row[text][0] < row["guided"][0] - 0.4


@says("On the animals the range over the seeds is large")
def _(run):
    assert run.pond_table["last layer random", True]["saliency"][1] / 2 > 0.2


@says(
    "Without sign, on the animals, nobody notices another class or a random decision",
    "Only with all layers random all but the filter fall below that mark",
    "All maps stay far more alike than those of two different images (the DeconvNet apart)",
)
def _(run):
    floor = run.pond_table["another image", False]
    for what in ("another class", "last layer random"):
        for text, (mean, _) in run.pond_table[what, False].items():
            assert mean > 0.55
            assert text == "DeconvNet" or mean > floor[text][0] + 0.12
    for text, (mean, _) in run.pond_table["all layers random", False].items():
        assert (mean < floor[text][0]) == (text != "Sobel")


@says("Saliency and SmoothGrad are close to each other; occlusion", "comes after them")
def _(run):
    for kind in run.fills:
        saliency, smooth, hidden = (
            run.lost[n][kind] for n in ("saliency", "SmoothGrad", "occlusion")
        )
        assert abs(saliency - smooth) < 0.5
        assert hidden < min(saliency, smooth) - 0.2


@says("On the digits saliency notices more, but far from fully")
def _(run):
    for what in ("another class", "last layer random"):
        value = run.digit_table[what, False]["saliency"][0]
        assert 0.1 < value < run.pond_table[what, False]["saliency"][0] - 0.15


@says("DeconvNet has, on the animals, about the same likeness for another image as for another")
def _(run):
    row = [
        run.pond_table[what, True]["DeconvNet"][0] for what in ("another image", "another class")
    ]
    assert abs(row[0] - row[1]) < 0.12


@says("The same result, so it does not hang on the measure")
def _(run):
    for other_class, random in (run.plain["guided"],):
        assert other_class > 0.55
        assert random > 0.85
    assert max(run.plain["gradient"]) < 0.5


@says("We found the second half, for both networks")
def _(run):
    for table in tables(run):
        assert table["last layer random", True]["guided"][0] > 0.7


@says(
    "guided back-propagation +1.00 with sign and +0.99 without, the gradient +0.16 and +0.47",
    "guided +0.00 and +0.20, the gradient −0.01 and +0.09",
    "even the picture without sign changes clearly, but it stays far from the floor",
    "The filter has +1.00",
)
def _(run):
    measured = {"guided": (1.00, 0.99), "saliency": (0.16, 0.47), "Sobel": (1.0, 1.0)}
    floors = {"guided": (0.00, 0.20), "saliency": (-0.01, 0.09), "Sobel": (0.00, 0.00)}
    for (text, sign), (value, floor) in run.big_table.items():  # empty where there is no ResNet50
        assert abs(value - measured[text][0 if sign else 1]) < 0.04
        assert abs(floor - floors[text][0 if sign else 1]) < 0.04


@says(
    "edges = torch.hypot(right, down)",
    "right, down = (functional.conv2d(grey, k[None, None])[:, 0] for k in (K, K.T))",
)
def _(run):
    right, down = (
        torch.nn.functional.conv2d(run.grey, k[None, None])[:, 0] for k in (run.K, run.K.T)
    )
    assert torch.allclose(torch.hypot(right, down), camlite.metrics.sobel_edges(run.X), atol=1e-5)
    assert run.off > 1  # not answered yet


@says(
    "It must agree with camlite.integrated_gradients(f, X[:4], cX[:4], steps=m)",
    "comes the nearer to the difference of the two logits, the larger m is",
)
def _(run):
    m, x, k = 20, run.X[:4], run.cX[:4]
    G = sum(run.gradient(run.f, i / m * x, k) for i in range(1, m + 1)) / m
    theirs = camlite.integrated_gradients(run.f, x, k, steps=m)
    assert torch.allclose(G * x, theirs, atol=1e-4)


@says("No map was first in every test")
def _(run):
    assert max(run.predicted, key=run.predicted.get) == "saliency"
    assert all(max(run.lost, key=lambda n: run.lost[n][kind]) != "saliency" for kind in run.fills)
