"""Lesson 18: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says


def curve(run, name):
    """The mean over networks and draws, after 1 to 5 random layers."""
    return run.curves[name].mean(0)


@says("They have seen few images, so they make mistakes")
def _(run):
    assert min(run.known) > 0.98
    assert 0.5 < min(run.right)
    assert max(run.right) < 0.98


@says("it is B, the edge filter of lesson 7 (Sobel's)")
def _(run):
    assert torch.equal(run.game["B"], run.metrics.sobel_edges(run.x))


@says("the copy has new numbers, the original has not")
def _(run):
    assert run.twin[0].bias.tolist() == [1, 2, 3] != run.pair[0].bias.tolist()


@says("on average about chance, already with one layer")
def _(run):
    for shares in run.broken_right:
        assert sum(shares) / len(shares) < 0.45
    assert min(run.right) > 0.5


@says("But the draws differ")
def _(run):
    assert max(run.broken_right[0]) > min(run.broken_right[0]) + 0.02


@says("Three zeros take the ranks 1, 2, 3, so each gets 2", "The 5 gets 6")
def _(run):
    ranks = (run.counts.cumsum(0) - (run.counts - 1) / 2)[run.which]
    assert ranks.tolist() == [2, 6, 2, 4.5, 2, 4.5]


@says("Grad-CAM and the gradient notice", "a single draw can be off by 0.2 or more")
def _(run):
    for name in ("Grad-CAM", "gradient"):
        assert curve(run, name)[0] < curve(run, "guided")[0] - 0.3
        assert abs(float(curve(run, name)[0]) - run.floors[name][1]) < 0.35
        assert run.curves[name][:, 0].amax() - run.curves[name][:, 0].amin() > 0.2


@says("Guided back-propagation does not notice", "It hardly notices another class either")
def _(run):
    assert curve(run, "guided")[:2].min() > 0.6
    assert curve(run, "guided")[4] < 0.45
    assert curve(run, "guided")[4] < curve(run, "guided")[1] - 0.3
    assert run.floors["guided"][0] > 0.55


@says(
    "|gradient| notices more than its numbers say", "One random layer takes most of", "two take all"
)
def _(run):
    mean, (_, floor) = curve(run, "|gradient|"), run.floors["|gradient|"]
    assert 0.4 < floor < 0.65
    assert (1 - mean[0]) / (1 - floor) > 0.55
    assert (1 - mean[1]) / (1 - floor) > 0.85


@says("Eigen-CAM has exactly 1.00 for two layers")
def _(run):
    assert torch.allclose(run.curves["Eigen-CAM"][:, :2], torch.tensor(1.0))
    assert curve(run, "Eigen-CAM")[2] < 0.95


@says("Sobel and the blob", "The blob has 1.00 for *another image*")
def _(run):
    for name in ("Sobel", "blob"):
        assert torch.allclose(run.curves[name], torch.tensor(1.0), atol=1e-4)
    assert run.floors["blob"][1] > 0.999
    assert run.floors["Sobel"][1] < 0.3


@says("Noise passes best of all")
def _(run):
    assert run.curves["noise"].abs().max() < 0.03


@says("With one random layer more maps are dead than in the trained networks")
def _(run):
    assert 0 < run.dead[0]
    assert run.dead[0] > 1 - run.alive.float().mean()


def toy(run, text, ruler):
    return float(run.toy_numbers[text][ruler].mean())


@says("for ρ the opposite; for HOG the same, because an edge has no sign")
def _(run):
    assert toy(run, "and its negative", "ρ") < -0.999
    assert toy(run, "and its negative", "HOG") > 0.99


@says("the same order, so ρ says 1. SSIM says that the contrast is another")
def _(run):
    assert toy(run, "and its 4th power", "ρ") > 0.999
    assert toy(run, "and its 4th power", "SSIM") < 0.5


@says('SSIM says "alike"', "SSIM is high for all maps that are mostly dark")
def _(run):
    assert toy(run, "two spots", "SSIM") > 0.7
    assert toy(run, "two spots", "HOG") < 0.3


@says("all three still see a likeness")
def _(run):
    for ruler in run.RULERS:
        assert toy(run, "moved by 4 pixels", ruler) > toy(run, "no relation, 6×6", ruler) + 0.2


@says("The means of ρ are near 0", "often has a ρ of 0.3 or more by chance", "HOG's floor is not 0")
def _(run):
    for side in ("6×6", "3×3"):
        assert abs(toy(run, f"no relation, {side}", "ρ")) < 0.15
        assert toy(run, f"no relation, {side}", "HOG") > 0.2
    single = run.toy_numbers["no relation, 3×3"]["ρ"]
    assert (single.abs() > 0.3).double().mean() > 0.25


@says(
    "the mean of ρ is about as low as its floor; |ρ| and HOG are far above theirs",
    "all rulers agree",
)
def _(run):
    broken, floor = (run.ruled["Grad-CAM", k] for k in ("last layer random", "another image"))
    assert broken["ρ"] < floor["ρ"] + 0.2
    for ruler in ("|ρ|", "HOG"):
        assert broken[ruler] > floor[ruler] + 0.2
    for ruler, value in run.ruled["guided", "last layer random"].items():
        assert value > max(0.5, run.ruled["guided", "another image"][ruler] + 0.2)


@says("In some images ρ is near 0.8, in others near −0.8")
def _(run):
    net, draw = run.networks[0], torch.Generator().manual_seed(0)
    maps = [
        run.signed_grad_cam(f, "relu3", run.x, run.c)
        for f in (net, run.randomize_from_top(net, 1, draw))
    ]
    values = run.sanity.spearman(*maps)
    assert values.max() > 0.7
    assert values.min() < -0.6


@says("Then its weights are", "trained, its answers are sure, and it knows nothing about frogs")
def _(run):
    for net in run.liars:
        assert run.nets.accuracy(net, run.new.images - 0.5, run.new.labels) < 0.45
    assert run.by_heart > 0.95


@says("it is far from 1")
def _(run):
    assert max(good for name, (good, _) in run.labels_test.items() if name[0] not in "Sb") < 0.9


@says("hardly anything is left")
def _(run):
    for name in ("Grad-CAM", "gradient"):
        good, mixed = run.labels_test[name]
        assert abs(mixed) < 0.2
        assert mixed < good
    assert run.labels_test["Grad-CAM"][1] < run.labels_test["Grad-CAM"][0] - 0.08


@says("a large part of it is left", "large part of the likeness is left")
def _(run):
    good, mixed = run.labels_test["guided"]
    assert mixed > 0.4 * good
    assert mixed > run.floors["guided"][1] + 0.05


@says("two good networks have no more in common than two different images")
def _(run):
    assert abs(run.labels_test["|gradient|"][0] - run.floors["|gradient|"][1]) < 0.15


@says("0 in both columns", "there was nothing to lose")
def _(run):
    assert max(map(abs, run.labels_test["noise"])) < 0.02


@says("**Sobel, the blob:** 1.00 and 1.00")
def _(run):
    for name in ("Sobel", "blob"):
        assert min(run.labels_test[name]) > 0.999


@says("it has little in common with the filter, and no more than with the filter of another image")
def _(run):
    own, others = run.like_edges["guided"]
    assert own < 0.25
    assert own < others + 0.05


@says("the numbers are near,", "have the same form")
def _(run):
    assert run.same_number
    for curve_ in (run.library["reset"][0], run.curves["guided"][0]):
        assert curve_[:2].min() > 0.55
        assert curve_[4] < curve_[1] - 0.2


@says("Where all of them are dead, the similarity is 0 by our rule")
def _(run):
    similarity, blank = run.library["shuffle"]
    assert similarity[blank == 1].abs().sum() == 0


@says("The edge filter has", "clearly more than 1, because animals have edges")
def _(run):
    on = (run.edges * run.mask).sum((1, 2)) / run.edges.sum((1, 2))
    assert (on / run.mask.float().mean((1, 2))).mean() > 1.4
    assert torch.isnan(run.density(run.edges)).all()  # not answered yet
