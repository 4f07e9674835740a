"""Lesson 13: what it says about its own output."""

from __future__ import annotations

from itertools import combinations

import torch

from tests.prose import says

GAP, FLAT, GMP = "GAP, linear", "flatten, 2 linear", "GMP, linear"
PONDS = ("pond 0", "pond 1", "pond 2")


def rise(run, cells, part=1):
    return f"RISE {cells}×{cells}, {run.S_all // part}"


def path(run, steps):
    return f"Integrated Grad-CAM, {steps}"


def mean(run, text, method, what=1):
    """The mean of the hits (1) or of the fall (2)."""
    return float(run.results[text, method][what].mean())


@says(
    "At the picture the gradient is exactly 0, so",
    "it names both lamps, and not the poster",
    "Grad-CAM is blank, although the lamps are the only reason",
)
def _(run):
    assert run.slopes[1.0] == run.slopes[0.75] == [0, 0, 0]
    left, poster, right = run.slopes[0.5]
    assert left == right > 0 == poster
    assert run.grad_cam_room.max() == 0


@says("Both lamps light up equally, the poster stays dark")
def _(run):
    left, poster, right = run.parts.values()
    assert left.max() - left.min() < 1e-6
    assert abs(left.mean() - right.mean()) < 1e-6 < left.min()
    assert (poster == 0).all()
    assert (run.path_room - run.library_room).abs().max() < 1e-6


@says("it is not complete. Why?", "these gains add up to $Y(x) - Y(b)$")
def _(run):
    assert abs(run.gained - 1) < 1e-6
    assert abs(float(run.pixel_path.sum()) - run.gained) < 0.01
    assert 0.25 < run.path_room.sum() < 0.4


@says(
    "A random map has 0.25. A map that knows",
    "has about 0.5",
    "A map must beat 0.5 before we may say that it knows the digit",
)
def _(run):
    assert abs(run.floor_hits["random numbers"] - 0.25) < 0.02
    assert abs(run.floor_hits["the picture itself"] - 0.5) < 0.03
    assert abs(run.floor_hits[run.MEAN_MAP] - 0.5) < 0.05
    assert max(run.floor_hits.values()) < 0.55
    inside = run.both_boxes.flatten(2).sum(2)
    assert (inside == 28 * 28 / 4).all()


@says(
    "The error is about a constant divided by $m$",
    "Here 20 steps are enough for every eye: the error is 4 %",
)
def _(run):
    products = [m * e for m, e in run.path_error.items()]
    assert max(products) < 1.5 * min(products)
    assert 0.035 < run.path_error[20] < 0.045


@says("for the digits black is the best of the three, or level")
def _(run):
    for text in (GAP, FLAT, GMP):
        black, *others = (run.by_baseline[text, name].mean() for name in run.baselines)
        assert black > max(others) - 0.02


@says("black as a gamble: the intervals are wide, with a loss in two networks")
def _(run):
    if run.fast:
        return
    losses = [run.by_baseline[text, "black"] for text in PONDS]
    assert sum(bool(loss.mean() < -0.04) for loss in losses) == 2
    assert sum(run.error(loss) > 0.05 for loss in losses) == 2


@says(
    "To the digit networks black says little about the class",
    "a logit near 0, and about −1 where",
    "black is a bird or a fish, with a logit far above that of any picture",
)
def _(run):
    assert abs(run.said[GAP, "black"]) < 0.5
    assert abs(run.said[GMP, "black"]) < 0.5
    assert -3 < run.said[FLAT, "black"] < 0
    for net in run.pond_nets.values():
        top, animal = net(torch.zeros(1, 3, 48, 96))[0].max(0)
        assert run.pond.class_names[animal] in ("bird", "fish")
        assert top > net(run.x_pond).max() + 1


@says("Blurred and mean colour are worse for the digits of the")
def _(run):
    for name in ("blurred", "mean colour"):
        worse = run.by_baseline[GAP, name] - run.by_baseline[GAP, "black"]
        assert worse.mean() < -0.05


@says("did the path find clearly more than Grad-CAM")
def _(run):
    for gain in run.by_baseline.values():
        assert gain.mean() - run.error(gain) < 0.02
        assert gain.mean() < 0.04


@says(
    "is the same number at *every* picture: walking cannot change the weights",
    "with two linear layers has an $\\alpha$ that changes on the way",
)
def _(run):
    for text, net in {**run.networks, **run.pond_nets}.items():
        x = run.x_pond if text in PONDS else run.x
        halves = run.camlite.split(net, "features")
        α = [run.look(*halves, t * x, 1)[1].mean((2, 3)) for t in (0.2, 1.0)]
        changed = float((α[0] - α[1]).abs().max() / α[1].abs().max())
        assert changed > 0.1 if text == FLAT else changed < 1e-4


@says(
    "With the right norm the flat network gives about 1 for each $p$",
    "So a map of few masks has a pattern",
)
def _(run):
    for flat, spread, _real in run.levels.values():
        assert abs(flat - 1) < 0.1
        assert 0.005 < spread < 0.2


@says("all pixels have a mean score, larger")
def _(run):
    assert run.rise_all.min() > 0


@says("the mean of\n# the maps of ten times 50 masks is the map of 500")
def _(run):
    assert (run.tenths.mean(0) - run.rise_all).abs().max() < 1e-5
    assert (run.same_draws - run.rise_all).abs().max() < 1e-4


@says(
    "in theory four times the masks halve the error",
    "at 1 the noise is as strong as the map, and with 20",
)
def _(run):
    ratio = run.rise_error[20] / run.rise_error[80]
    assert 1.5 < ratio < 2.8
    assert run.rise_error[20] > 1.2


@says("more equal. At $i = 1$ the picture is nearly black")
def _(run):
    assert run.shared[1] < run.shared[3] < run.shared[10]
    assert run.difference_is < 1e-3


@says(
    "The hits fall towards\n# those of the mean of all maps",
    "With $\\sigma = 0.2$ it is close to",
    "With more samples two draws agree better, slowly",
)
def _(run):
    mean_map = run.floor_hits[run.MEAN_MAP]
    for samples in (1, 4):
        assert run.ss_hits[2.0, samples] < run.ss_hits[0.2, samples] - 0.05
        assert run.ss_hits[2.0, samples] < mean_map + 0.04
    assert abs(run.ss_hits[0.2, 4] - run.score_hits) < 0.06
    for sigma in (0.2, 2.0):
        assert run.ss_alike[sigma, 1] + 0.05 < run.ss_alike[sigma, 4] < 0.99


@says(
    "only for the head with two linear layers",
    "26 passes buy exactly the map of one",
    "Where the map does change, it finds no more than before",
)
def _(run):
    for text, off in run.expected_is_grad_cam.items():
        assert off > 0.05 if text == FLAT else off < 1e-4
    expected = run.camlite.expected_grad_cam(run.networks[FLAT], "features", run.x, run.c)
    gain = run.hits(expected, run.box) - run.results[FLAT, "Grad-CAM"][1]
    assert gain.mean() < 0.02


@says("Gradients comes close with so few steps. The map of this reading misses it by far")
def _(run):
    for of_map, of_pixels in run.off_gain.values():
        assert of_pixels < 0.2
        assert of_map > 0.5


@says(
    "With ten times as many steps it is level, and not better than Grad-CAM",
    "It is level with\n# Grad-CAM, or below, here too",
)
def _(run):
    for text in run.networks:
        for what, margin in ((1, 0.02), (2, 0.12)):
            few, many = (
                mean(run, text, path(run, m), what) for m in (run.few_steps, run.many_steps)
            )
            assert abs(few - many) < margin + 0.01
            assert many < mean(run, text, "Grad-CAM", what) + margin


@says("are not better than Score-CAM, and Score-CAM is not better than Grad-CAM")
def _(run):
    for text in run.networks:
        score = mean(run, text, "Score-CAM")
        assert max(mean(run, text, m) for m in ("IS-CAM, 5", "SS-CAM, 5")) < score + 0.04
        assert score < mean(run, text, "Grad-CAM") + 0.02


@says("buys something, and the more the worse Grad-CAM is")
def _(run):
    once = [mean(run, text, "Grad-CAM") for text in (GAP, FLAT, GMP)]
    gains = [
        mean(run, text, rise(run, 4)) - g for text, g in zip((GAP, FLAT, GMP), once, strict=True)
    ]
    assert gains[0] < gains[1] < gains[2]
    assert gains[1] > 0.08
    assert once[0] > max(once[1:])
    assert run.fast or once[1] > once[2]
    assert run.fast or gains[0] > 0.02


@says("it finds less. In the full run 80 masks with the right cells beat 320 with the wrong ones")
def _(run):
    for text in run.networks:
        assert mean(run, text, rise(run, 7)) < mean(run, text, rise(run, 4)) - 0.04
        if not run.fast:
            assert run.S_all == 320
            assert mean(run, text, rise(run, 7)) < mean(run, text, rise(run, 4, 4)) - 0.02


@says("It finds about as much as RISE with all masks", "So much of what RISE bought")
def _(run):
    for text in run.networks:
        smooth, masks = mean(run, text, "Grad-CAM, smoothed"), mean(run, text, rise(run, 4))
        assert smooth > masks - 0.1
        assert smooth > mean(run, text, "Grad-CAM") + 0.05


@says("RISE (4×4) and the smoothed map are now *below*")
def _(run):
    for text in run.networks:
        once = mean(run, text, "Grad-CAM", 2)
        for method in ("Grad-CAM, smoothed", rise(run, 4)):
            assert mean(run, text, method, 2) < once - 0.08


@says("makes the logit fall about as far as blackening the whole digit")
def _(run):
    assert mean(run, GAP, "random map", 2) > 0.85


@says("no map of\n# Grad-CAM was blank")
def _(run):
    for net in run.networks.values():
        M = run.camlite.grad_cam(net, "features", run.x, run.c)
        assert (M.amax((1, 2)) > 0).all()
    for net in run.pond_nets.values():
        M = run.camlite.grad_cam(net, "features", run.x_pond, run.c_pond)
        assert (M.amax((1, 2)) > 0).all()


@says("the map depends on where the path begins")
def _(run):
    for _, *maps in (run.rows[1], run.rows[3]):
        assert (
            max(float((a - b).norm() / a.norm()) for (_, a), (_, b) in combinations(maps, 2)) > 0.3
        )


@says("smooth maps fill the place of the", "sharp ones follow its lines")
def _(run):
    for text in run.networks:
        wide, sharp = (
            float((run.first_map[text, m] > 0.5 * run.first_map[text, m].max()).float().mean())
            for m in ("Grad-CAM, smoothed", "Grad-CAM")
        )
        assert wide > 1.8 * sharp


@says("`predicted = sum(Y[1:]) / 10 - Y[0]`")
def _(run):
    Y = [run.gap_net(i / 10 * run.few)[torch.arange(8), run.class_few] for i in range(11)]
    predicted = sum(Y[1:]) / 10 - Y[0]
    assert (predicted - run.L_signed.sum((1, 2))).abs().max() < 1e-3


@says("With one step it found more than with\n# the logit")
def _(run):
    for net in run.networks.values():
        features, head = run.camlite.split(net, "features")
        black = torch.zeros_like(run.x)
        once, many = (
            run.hits(
                run.integrated_grad_cam(
                    features, lambda F, head=head: head(F).softmax(1), run.x, run.c, black, m
                ),
                run.box,
            ).mean()
            for m in (1, 20)
        )
        logit = run.hits(run.camlite.grad_cam(net, "features", run.x, run.c), run.box).mean()
        assert run.fast or 0.01 < once - logit < 0.1
        assert run.fast or many < logit + 0.03
