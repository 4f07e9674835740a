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
    "You switch off the left one: you can still read", "Each lamp alone gives 1.2 times the light"
)
def _(run):
    assert run.room(run.x_room)[0, 0] == run.room(run.one_lamp)[0, 0] == 1
    assert run.room(0 * run.x_room)[0, 0] == 0
    assert abs(run.room(run.one_lamp / 2)[0, 0] - 0.6) < 1e-6


@says(
    "At the picture the gradient is exactly 0, so",
    "it names both lamps, and not the poster",
    "Grad-CAM is blank, although the lamps are the only reason",
)
def _(run):
    assert run.slopes[1.0] == run.slopes[0.5] == [0, 0, 0]
    left, poster, right = run.slopes[0.25]
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
    assert 0.18 < run.path_room.sum() < 0.25


@says(
    "A random map has 0.25. A map that knows",
    "has about 0.5",
    "A map clearly above 0.5 knows the digit",
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
    assert max(products) < 1.1 * min(products)
    assert 0.035 < run.path_error[20] < 0.0495


@says("for the digits black is the best of the three, or level")
def _(run):
    for text in (GAP, FLAT, GMP):
        black, *others = (run.by_baseline[text, name].mean() for name in run.baselines)
        assert black > max(others) - 0.02


@says(
    "the path from black loses on pond 1",
    "On pond 0 it is not clear: black −0.07 ±\n# 0.08; blurred (−0.08 ± 0.04) and mean colour "
    "(−0.04 ± 0.02) lose a little",
    "On pond 2 no baseline\n# changes anything",
    "and the path from black loses nothing",
)
def _(run):
    def loses(text, name):
        gain = run.by_baseline[text, name]
        return bool(gain.mean() + run.error(gain) < 0)

    if run.fast:
        return
    assert [loses(text, "black") for text in PONDS] == [False, True, False]
    printed = {"black": (0.07, 0.08), "blurred": (0.08, 0.04), "mean colour": (0.04, 0.02)}
    for name, (loss, interval) in printed.items():
        gain = run.by_baseline["pond 0", name]
        assert abs(gain.mean() + loss) < 0.015
        assert abs(run.error(gain) - interval) < 0.015
        assert loses("pond 0", name) == (name != "black")
    for name in run.baselines:
        assert abs(run.by_baseline["pond 2", name].mean()) < 0.03
    assert len(run.x) == 40
    assert len(run.x_pond) == 24


@says("**black is the best of the three for one network and the worst for another (full run)")
def _(run):
    if run.fast:
        return
    others = ("blurred", "mean colour")
    for name in others:
        better = run.by_baseline[GAP, "black"] - run.by_baseline[GAP, name]
        assert better.mean() > run.error(better)
        worse = run.by_baseline["pond 1", "black"] - run.by_baseline["pond 1", name]
        assert worse.mean() < -run.error(worse)


def highest(net, x):
    return net(x).amax(1)


@says(
    "its highest logit is below 1,\n# where the pictures have 6 and 11",
    "a little of a 4: 3.5, where the\n# pictures have about 15",
)
def _(run):
    black = torch.zeros_like(run.x[:1])
    for text, at_pictures in ((GAP, 6), (GMP, 11)):
        assert highest(run.networks[text], black) < 0.6
        assert abs(highest(run.networks[text], run.x).mean() - at_pictures) < 0.6
    net = run.networks[FLAT]
    assert net(black).argmax() == 4
    assert abs(highest(net, black) - 3.5) < 0.1
    assert abs(highest(net, run.x).mean() - 15) < 1.5


@says("black is a bird or\n# a fish, with a higher logit than any class has at any of these pairs")
def _(run):
    for net in run.pond_nets.values():
        top, animal = net(torch.zeros(1, 3, 48, 96))[0].max(0)
        assert run.pond.class_names[animal] in ("bird", "fish")
        assert top > net(run.x_pond).max() + 1


@says("(a single large animal can\n# have more)")
def _(run):
    net = run.pond_nets["pond 2"]
    assert net(run.pond.images).max() > net(torch.zeros(1, 3, 48, 48)).max()


@says("Blurred and mean colour are worse for the digits of the")
def _(run):
    for name in ("blurred", "mean colour"):
        worse = run.by_baseline[GAP, name] - run.by_baseline[GAP, "black"]
        assert worse.mean() < -0.05


@says("did the path find\n# clearly more than Grad-CAM, which looks once")
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


@says(
    "more than twice as strong at 0.7",
    "The real one still grows, but less",
)
def _(run):
    real = {keep: mean for keep, (_, _, mean) in run.levels.items()}
    assert real[0.3] < real[0.5] < real[0.7]
    assert 0.7 * real[0.7] > 2 * 0.3 * real[0.3] > 0
    assert real[0.7] / real[0.3] < 0.7 / 0.3


@says("all pixels have a mean score, larger")
def _(run):
    assert run.rise_all.min() > 0


@says("the mean of\n# the maps of ten times 50 masks is the map of 500")
def _(run):
    assert (run.maps_of_20.mean(0) - run.rise_all).abs().max() < 1e-5
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
    "The hits fall below those\n# of the mean of all maps",
    "(0.59 and 0.62 in the full run, 16 questions)",
    "More samples: two draws agree better",
)
def _(run):
    for samples in (1, 4):
        assert run.ss_hits[2.0, samples] < run.ss_hits[0.2, samples] - 0.05
        assert run.ss_hits[2.0, samples] < run.mean_hits - 0.01
    assert abs(run.ss_hits[0.2, 4] - run.score_hits) < 0.06
    assert run.fast or abs(run.ss_hits[0.2, 4] - 0.59) < 0.02
    assert run.fast or abs(run.score_hits - 0.62) < 0.02
    for sigma in (0.2, 2.0):
        assert run.ss_alike[sigma, 1] + 0.05 < run.ss_alike[sigma, 4] < 0.99


@says(
    "only for the head with two linear layers",
    "25 + 1 passes (full run) buy exactly the\n# map of one",
    "Where the map does change, it finds no more than before",
)
def _(run):
    for text, off in run.expected_is_grad_cam.items():
        assert off > 0.05 if text == FLAT else off < 1e-4
    expected = run.camlite.expected_grad_cam(run.networks[FLAT], "features", run.x, run.c)
    gain = run.hits(expected, run.box) - run.results[FLAT, "Grad-CAM"][1]
    assert gain.mean() < 0.02


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


@says("buys something: in the full run the more, the worse Grad-CAM is")
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


@says(
    "it finds less. In the full run 80 masks with the right cells beat 320 with the\n#   wrong ones"
)
def _(run):
    for text in run.networks:
        assert mean(run, text, rise(run, 7)) < mean(run, text, rise(run, 4)) - 0.04
        if not run.fast:
            assert run.S_all == 320
            assert mean(run, text, rise(run, 7)) < mean(run, text, rise(run, 4, 4)) - 0.02


@says(
    "Under GAP and GMP it finds about as much as RISE\n#   with all masks",
    "under flatten it finds less",
    "(full run: 0.68 against 0.76, a difference of\n#   0.08 ± 0.07)",
    "a free smoothing gives\n# most of the same gain",
)
def _(run):
    for text in run.networks:
        once, smooth, masks = (
            mean(run, text, m) for m in ("Grad-CAM", "Grad-CAM, smoothed", rise(run, 4))
        )
        assert smooth - once > 0.55 * (masks - once)
    if run.fast:
        return
    for text in (GAP, GMP):
        assert abs(mean(run, text, "Grad-CAM, smoothed") - mean(run, text, rise(run, 4))) < 0.07
    smooth, masks = (run.results[FLAT, m][1] for m in ("Grad-CAM, smoothed", rise(run, 4)))
    assert abs(smooth.mean() - 0.68) < 0.02
    assert abs(masks.mean() - 0.76) < 0.02
    assert abs((masks - smooth).mean() - 0.08) < 0.02
    assert abs(run.error(masks - smooth) - 0.07) < 0.02
    assert (masks - smooth).mean() > run.error(masks - smooth)


@says(
    "It\n#   buys nothing (full run: 0.49 → 0.50, 0.46 → 0.44, 0.47 → 0.47)",
    "none for a map without a class (grey star)",
    "It helps a map that holds the class already",
)
def _(run):
    printed = {GAP: (0.49, 0.50), FLAT: (0.46, 0.44), GMP: (0.47, 0.47)}
    for text in run.networks:
        values = [mean(run, text, f"mean of all maps{end}") for end in ("", ", smoothed")]
        assert values[1] < values[0] + 0.04
        assert mean(run, text, "Grad-CAM, smoothed") > values[1] + 0.1
        for value, said in zip(values, printed[text], strict=True):
            assert run.fast or abs(value - said) < 0.015


@says("Grad-CAM of the GMP network was below 0.5 and knew the digit")
def _(run):
    assert mean(run, GMP, "Grad-CAM") < 0.5
    assert mean(run, GMP, "Grad-CAM, smoothed") > 0.65


@says("RISE (4×4) and the smoothed map are now *below*")
def _(run):
    for text in run.networks:
        once = mean(run, text, "Grad-CAM", 2)
        for method in ("Grad-CAM, smoothed", rise(run, 4)):
            assert mean(run, text, method, 2) < once - 0.08


@says("makes the logit fall about as far as blackening the whole digit")
def _(run):
    assert mean(run, GAP, "random map", 2) > 0.85


@says("no map of Grad-CAM was blank")
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


@says("Under flatten and GMP the sharp maps also light the", "RISE lights far more than the digit")
def _(run):
    other = run.both_boxes[run.used[0], 1 - int(run.side[0])]
    for text in run.networks:
        shown = {m: run.camlite.minmax(run.first_map[text, m]) for m in run.methods}
        for method in ("Grad-CAM", path(run, run.many_steps), "Score-CAM"):
            lit = shown[method][other].max()
            assert lit < 0.45 if text == GAP else lit > 0.5
        wide = (shown[rise(run, 4)] > 0.5).sum()
        assert wide > 2.5 * (run.x[0, 0] > 0.3)[run.box[0]].sum()


@says("`predicted = sum(Y[1:]) / 10 - Y[0]`")
def _(run):
    Y = [run.gap_net(i / 10 * run.few)[torch.arange(8), run.class_few] for i in range(11)]
    predicted = sum(Y[1:]) / 10 - Y[0]
    assert (predicted - run.L_signed.sum((1, 2))).abs().max() < 1e-3


@says("in the end like $1/m^2$: 0.0054 with 10 steps, 0.0014 with 20")
def _(run):
    found = {}
    for m in (10, 20):
        middles = 2 * run.path_map(2 * m) - run.path_map(m)
        found[m] = float((middles - run.limit).norm() / run.limit.norm())
    assert abs(found[10] - 0.0054) < 0.0005
    assert abs(found[20] - 0.0014) < 0.0003


@says(
    "With one step it found 0.06, 0.05 and 0.02 more than the logit with one step",
    "the first network kept its gain\n# (0.07 ± 0.03), and the two others had none",
)
def _(run):
    if run.fast:
        return
    black = torch.zeros_like(run.x)
    gains = {}
    for text, net in run.networks.items():
        features, head = run.camlite.split(net, "features")
        for m in (1, 20):
            probability, logit = (
                run.hits(run.integrated_grad_cam(features, f, run.x, run.c, black, m), run.box)
                for f in (lambda F, head=head: head(F).softmax(1), head)
            )
            gains[text, m] = probability - logit
    for text, printed in ((GAP, 0.06), (FLAT, 0.05), (GMP, 0.02)):
        assert abs(gains[text, 1].mean() - printed) < 0.015
        assert 0.01 < run.error(gains[text, 1]) < 0.035
    assert abs(gains[GAP, 20].mean() - 0.07) < 0.015
    assert abs(run.error(gains[GAP, 20]) - 0.03) < 0.01
    for text in (FLAT, GMP):
        assert abs(gains[text, 20].mean()) < run.error(gains[text, 20])


@says("Smoothing buys hits for Grad-CAM (green star)", "paths and channel masks buy none")
def _(run):
    for text in run.networks:
        once = mean(run, text, "Grad-CAM")
        assert mean(run, text, "Grad-CAM, smoothed") > once + 0.05
        for method in (path(run, run.many_steps), "Score-CAM", "IS-CAM, 5", "SS-CAM, 5"):
            assert mean(run, text, method) < once + 0.03
