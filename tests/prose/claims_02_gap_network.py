"""Lesson 2: what it says about its own output."""

from __future__ import annotations

import json
import math

import torch
from torch.nn import functional

from camlite import paths
from tests.prose import says


@says("An untrained network is not exactly uniform, but near")
def _(run):
    printed = run.printed.split("loss of the untrained network: ")[1]
    assert abs(float(printed.split()[0]) - math.log(10)) < 0.05


@says("The gradient is 4", "the second backward made 8 of it")
def _(run):
    assert run.gradient == 4
    assert "after a second backward 8.0" in run.printed
    assert math.isclose(run.w.item(), 2.6, rel_tol=1e-6)


@says("10 still belongs to 1, and 20 to 2. The last batch is smaller")
def _(run):
    assert (run.pictures == 10 * run.names).all()
    assert [len(batch) for batch in run.shuffled.split(2)] == [2, 2, 1]


@says("The mean of the three means is 2")
def _(run):
    means, sizes = torch.tensor([1.0, 1, 4]), torch.tensor([32, 32, 8])
    assert means.mean() == 2
    assert round(float((means * sizes).sum() / sizes.sum()), 2) == 1.33


@says("only 8 epochs are run instead of 24")
def _(run):
    assert run.epochs == len(run.losses) == (8 if run.fast else 24)


@says("a network that only averages at the end can read digits")
def _(run):
    assert run.test_accuracy > 0.9


@says("right on 98.43 % of 6,000 validation pictures")
def _(run):
    facts = json.loads((paths.DATASETS / "gapnet_mnist.json").read_text())
    assert (facts["validation_accuracy"], facts["validation_images"]) == (0.9843, 6000)


@says("The two rows of logits agree")
def _(run):
    Y = run.net(run.test_images[[run.unsure]])
    assert torch.allclose(run.by_hand, Y, atol=1e-4)


@says("the order stays, and a few large logits share nearly all of the probability")
def _(run):
    p = run.by_hand.softmax(dim=1)[0]
    assert p.argsort().tolist() == run.by_hand[0].argsort().tolist()
    assert p.topk(3).values.sum() > 0.85
    assert p.max() < 0.8  # the row teaches something: not 1.000 and zeros


@says("It runs with every size, and it gets worse the further we go from what it has learned")
def _(run):
    frames, larger = list(run.by_size.values())[:4], list(run.by_size.values())[4:7]
    assert frames == sorted(frames, reverse=True)
    assert larger == sorted(larger, reverse=True)
    assert frames[0] > frames[1] + 0.05
    assert frames[0] > larger[0] + 0.05


@says("With stretched kernels it is exactly as good as with 8×8 pixels")
def _(run):
    assert abs(run.repaired - run.test_accuracy) < 0.004  # one picture may change by rounding
    assert run.before < 0.5


@says("dividing by 64 does not bring the accuracy back")
def _(run):
    assert all(abs(row[1] - row[0]) < 0.05 for row in run.frames.values())


@says("Averaging the digit only helps a lot", "so the black places had spoken too")
def _(run):
    assert all(row[2] > row[0] + 0.04 for row in run.frames.values())
    assert run.frames[4][2] > run.frames[4][0] + 0.3
    assert run.black.max() > 1


@says("the last column is exactly as good as the pictures without a frame")
def _(run):
    for mean, _, digit, silent in run.frames.values():
        assert abs(silent - run.test_accuracy) < 0.004
        assert silent > digit + 0.02 > mean


@says("With exchanged maps nothing changes", "With exchanged pictures many answers change")
def _(run):
    whole, by_map, by_picture = run.shares
    assert abs(whole - by_map) < 0.004
    assert by_picture < whole - 0.15


@says("The two differ only in the rows within reach of the cut and of the edge")
def _(run):
    within = {*range(4), *range(10, 18), *range(24, 28)}  # four rows on each side
    assert set(run.noticed) <= within
    assert len(run.noticed) >= 12


@says("Of all values nearly everything stays the same", "most values are zero, before and after")
def _(run):
    assert run.same_of_all > 0.9
    assert run.active.float().mean() < 0.5


@says("Of those that say something, fewer stay")
def _(run):
    assert run.same_of_active < 0.6


@says("The first half of the epochs brings nearly everything")
def _(run):
    half = run.epochs // 2
    assert run.accuracies[half - 1] > 0.9 * run.accuracies[-1]


@says("In the second half the loss still falls", "the validation pictures hardly moves")
def _(run):
    half = run.epochs // 2
    assert run.losses[-1] < 0.5 * run.losses[half]
    later = run.accuracies[half:]
    assert max(later) - min(later) < 0.06


@says("better on the pictures it has learned from than on the test pictures")
def _(run):
    assert run.train_accuracy > run.test_accuracy + 0.005


@says("of 144 validation pictures, one is 0.7 %")
def _(run):
    assert len(run.validate) == 144
    assert round(100 / 144, 1) == 0.7


@says("kernel = torch.full((8, 8), 1 / 64)")
def _(run):
    kernel = torch.full((8, 8), 1 / 64)
    slid = functional.conv2d(run.busy[None, None], kernel[None, None])
    assert run.busy.mean() > 0.05  # zero, the beginner's kernel, is seen to be wrong
    assert torch.allclose(slid, run.busy.mean())
    assert "(1, 1, 1, 1): your kernel gives 0.0000" in run.printed
