"""Lesson 1: what it says about its own output."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.prose import says


@says("a tree that a person can read gets fewer than half of the pictures right")
def _(run):
    assert run.tree_scores[3] < 0.5
    assert run.tree.get_n_leaves() == 8


@says("The large one does better", "The network is better than both")
def _(run):
    assert run.tree_scores[3] < run.tree_scores[None] < run.network_score


@says("the three lines are the decision")
def _(run):
    assert len(run.path) - 1 == 3
    assert run.printed.count(" brighter than ") == 3
    assert f"so it is a {run.tree_answer}" in run.printed


@says("98,442, nearly a hundred thousand")
def _(run):
    assert run.total == run.count_parameters(run.net) == 98_442


@says(
    "Most of the numbers sit in the last convolution", "The whole linear layer at the end is small"
)
def _(run):
    assert run.count_parameters(run.net.features[6]) > 0.7 * run.total
    assert run.count_parameters(run.net.classifier) < 0.02 * run.total


@says("6 on the bar (three times 2), −3 beside it, 0 on black")
def _(run):
    far_from_the_other_bar = run.vertical[0]
    assert far_from_the_other_bar.tolist() == [0, 0, -3, 6, -3, 0, 0]


@says("the kernel does not see it", "some of the −1 lie on white pixels too, and 4 is left")
def _(run):
    assert (run.vertical[3, [0, 1, 5, 6]] == 0).all()
    assert run.vertical[3, 3] == 4


@says("The network does exactly this")
def _(run):
    assert torch.allclose(run.by_hand, run.first(run.x)[0], atol=1e-5)


@says("Some are positive on one side and negative on the other")
def _(run):
    step = torch.tensor([[-1.0, 0, 1]] * 3)
    edges = torch.stack([step, step.T, step + step.T, step - step.T]).flatten(1)
    likeness = run.flat @ functional.normalize(edges, dim=1).T
    assert (likeness.abs().amax(dim=1) > 0.7).sum() >= 3


@says("a cosine of one half", "not copies")
def _(run):
    best = run.likeness.amax(dim=0)
    assert (best > 0.45).all()
    assert (best < 0.6).all()


@says("no kernel is positive in all nine places")
def _(run):
    assert (run.kernels > 0).sum((1, 2)).max() < 9


@says("The deeper the layer, the more zeros", "they have more zeros, and answer at fewer places")
def _(run):
    zeros = [float((maps == 0).float().mean()) for maps in run.F]
    assert zeros == sorted(zeros)
    assert zeros[-1] > zeros[0] + 0.2


@says("60 of the 128 last maps are silent", "The same maps are silent for every picture", "uses 68")
def _(run):
    assert int(run.silent_here.sum()) == int(run.silent_always.sum()) == 60
    assert (run.silent_here == run.silent_always).all()
    assert len(run.last) == 300


@says("9. Each layer adds one pixel on each side: 3, 5, 7, 9")
def _(run):
    assert [run.receptive_field([(3, 1)] * n) for n in range(1, 5)] == [3, 5, 7, 9]
    for number, change in enumerate(run.noticed, start=1):
        where = (change > 0).nonzero()
        height, width = (where.amax(0) - where.amin(0) + 1).tolist()
        assert height == width == 2 * number + 1


@says("the four corners of the last field notice least")
def _(run):
    change = run.noticed[-1]
    corners = change[[10, 10, 18, 18], [10, 18, 10, 18]]
    assert corners.mean() < 0.5 * change[10:19, 10:19].mean()
    assert corners.max() < 0.25 * change.max()


@says("no value in this network ever sees the whole digit")
def _(run):
    ink = run.x[0, 0].nonzero()
    height, width = (ink.amax(0) - ink.amin(0) + 1).tolist()
    assert max(height, width) > 9


@says("Move the digit, and its maps move with it")
def _(run):
    moved = torch.roll(run.x, shifts=3, dims=3)
    for before, after in zip(run.F, run.feature_maps(run.net, moved), strict=True):
        back = torch.roll(after, shifts=-3, dims=3)
        assert (back - before)[..., 8:-8].abs().max() < 1e-3


@says("a network where it is the other way round", 'There the "where" ends')
def _(run):
    assert run.after_flatten > 0.9 * run.count_parameters(run.lenet5)
    assert run.after_maps < 0.02 * run.total
    assert "Flatten    (400,)" in run.printed
