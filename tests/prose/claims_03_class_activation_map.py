"""Lesson 3: what it says about its own output."""

from __future__ import annotations

import matplotlib
import torch
from torch.nn import functional

from tests.prose import says


@says("a value can be negative", "F comes out of a ReLU and is never negative")
def _(run):
    assert run.negative > 0.2
    assert run.F.min() >= 0
    assert (run.W < 0).any()
    assert (run.W > 0).any()


@says("Single values are in the hundreds, and the logits above are small numbers")
def _(run):
    assert (run.M.abs().amax(dim=(1, 2)) >= 100).all()
    assert (run.Y[run.rows, run.c].abs() < 15).all()


@says("at most of them nearly nothing happens, and what is for and against partly cancels")
def _(run):
    assert run.small > 0.5
    assert (run.M.clamp(max=0).mean(dim=(1, 2)) < -0.2 * run.M.mean(dim=(1, 2))).all()


@says("The two lines agree")
def _(run):
    assert torch.allclose(run.from_map, run.from_network, atol=1e-3)


@says("add up what each band gives to the logit")
def _(run):
    assert abs(sum(run.gives) + run.b[run.c[0]] - run.Y[0, run.c[0]]) < 1e-3


@says("Zero has moved up, and in each picture to another place", "at least a quarter bright")
def _(run):
    assert run.zero_at.min() > 0.25
    assert run.zero_at.max() - run.zero_at.min() > 0.2


@says("its maps are smaller")
def _(run):
    assert tuple(run.M_pond.shape[1:]) == (12, 12)
    assert tuple(run.scenes.images.shape[2:]) == (48, 48)


@says("the factor is 1, and the call changes nothing")
def _(run):
    assert run.unchanged
    assert torch.equal(run.upsample(run.M, (28, 28)), run.M)


@says("A spline overshoots", "is never larger than the largest of them")
def _(run):
    assert run.too_high[0] == 0
    assert run.too_high[1] > 40


@says("here the peak loses a little")
def _(run):
    assert 0.9 < run.smooth[0].max() / run.M_pond[0].max() < 1


@says("most of the background is white")
def _(run):
    empty = functional.max_pool2d(run.x, 9, stride=1, padding=4)[:, 0] == 0  # no ink within 9×9
    faint = run.M.abs() < 0.05 * run.M.abs().max()
    assert faint[empty].float().mean() > 0.9


@says("shine in blue, green or yellow")
def _(run):
    for red, green, blue, _ in (run.jet(float(v)) for v in run.zero_at):
        assert max(green, blue) > 0.9
        assert red <= max(green, blue)


@says("Its largest values are dark red, darker than the middle ones", "more is always brighter")
def _(run):
    def lightness(name):
        table = torch.from_numpy(matplotlib.colormaps[name](torch.linspace(0, 1, 64).numpy()))
        return table[:, :3].float() @ torch.tensor([0.299, 0.587, 0.114])

    jet, magma = lightness("jet"), lightness("magma")
    assert jet[-1] < 0.5 * jet[32]
    assert (magma.diff() > 0).all()


@says("Did you see colour at the border of the picture")
def _(run):
    border = run.M.clone()
    border[:, 1:-1, 1:-1] = 0
    assert border.abs().max() > 0.25 * run.M.abs().max()
    assert run.x[:, :, [0, -1]].mean() < 0.02
    assert run.x[..., [0, -1]].mean() < 0.02


@says("which shows why the first guess won")
def _(run):
    assert run.lead > 0
    assert abs(run.lead - float(run.Y_hard[0, run.first] - run.Y_hard[0, run.second])) < 1e-3


@says("The first guess is wrong here")
def _(run):
    assert run.first != run.label
    assert f"first {run.first} " in run.printed


@says("We make 20 such pictures")
def _(run):
    assert tuple(run.pairs.shape) == (20, 3, 48, 96)


@says("the map of frog is red on the frog, and the map of bird on the bird")
def _(run):
    maps = run.enlarged
    for k in (0, 1):
        mask, other = run.masks[k, run.closest], run.masks[1 - k, run.closest]
        positive = maps[k].clamp(min=0)
        assert positive[mask].sum() > 0.5 * positive.sum()
        assert maps[k][mask].mean() > 5 * maps[k][~mask & ~other].mean().abs()


@says("Each animal adds to its own class, and takes away from the other one")
def _(run):
    n = run.closest
    assert run.left[0, n] > 1
    assert run.right[1, n] > 1
    assert run.right[0, n] < -1
    assert run.left[1, n] < -1


@says("Both logits end at the same height")
def _(run):
    assert abs(run.Y_pairs[run.closest, 0] - run.Y_pairs[run.closest, 1]) < 0.05
    halves = run.left + run.right + run.b_pond[:, None]
    assert torch.allclose(halves.T, run.Y_pairs, atol=1e-4)


@says("For fish and turtle, both halves count against the class")
def _(run):
    assert (run.left[2:, run.closest] < -1).all()
    assert (run.right[2:, run.closest] < -1).all()


@says("On these pictures this network looks at the animal", "the misses are small")
def _(run):
    assert min(run.hits) >= 14
    assert min(run.near) == 20


@says("the brightest place for frog is such a miss: it lies between the eyes, just above the head")
def _(run):
    y, x = divmod(int(run.enlarged[0].argmax()), 96)
    frog = run.masks[0, run.closest]
    assert not frog[y, x]
    assert frog[y + 2 :, x].any()  # the head is below
    assert frog[y, :x].any()  # and an eye on each side
    assert frog[y, x:].any()


@says("would be on the frog in 3 pictures of 20, and on the bird in 2")
def _(run):
    shares = run.masks.float().mean(dim=(1, 2, 3)) * 20
    assert [round(v) for v in shares.tolist()] == [3, 2]


@says("camlite.cam computes the same map")
def _(run):
    assert torch.allclose(run.library, run.M, atol=1e-3)


@says("though the logit of fish is far below zero")
def _(run):
    assert run.Y_pairs[run.closest, 2] < -2


@says("logits_pond = F_pond.mean(dim=(2, 3)) @ W_pond.T + b_pond", "What is left is rounding")
def _(run):
    logits_pond = run.F_pond.mean(dim=(2, 3)) @ run.W_pond.T + run.b_pond
    with torch.no_grad():
        assert torch.allclose(logits_pond, run.pond(run.scenes.images), atol=1e-4)
    assert run.off > 1  # not answered yet
