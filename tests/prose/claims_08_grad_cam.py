"""Lesson 8: what it says about its own output."""

from __future__ import annotations

import torch

import camlite
from tests.prose import says


@says("The weight of fc1 is a table of 64 rows and 1344 columns")
def _(run):
    assert tuple(run.net.fc1.weight.shape) == (64, 1344)
    assert "CAM says: CAM needs global average pooling" in run.printed


@says('the best answer to "3 beside 7" is one half for each')
def _(run):
    assert 0.3 < run.p[run.a] < 0.6
    assert 0.3 < run.p[run.b] < 0.6


@says("the gradients of the training are not needed any more")
def _(run):
    assert all(w.grad is None for w in run.net.parameters())


@says("first a negative number, then 0")
def _(run):
    assert run.before < -0.1
    assert run.after == 0


@says("What it returns goes on through the network")
def _(run):
    assert "the head alone, given zeros: True" in run.printed
    assert run.store["F"].max() > 0


@says("then makes it a start")
def _(run):
    assert run.start.is_leaf
    assert "start of a graph: True · gradient of Σ start²: True" in run.printed


@says("All agree, and the in-place ReLU does no harm")
def _(run):
    assert torch.allclose(run.G_hook, run.G)
    assert torch.allclose(run.G_hook, run.G_split)
    assert run.F_early.min() < -0.1


@says("G is the same; the check accepts both", "goes down to conv1", "only the head is touched")
def _(run):
    assert all(run.same_G.values())
    assert run.reached[True] == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert run.reached[False][0] == "conv1.weight"
    assert len(run.reached[False]) == len(list(run.net.parameters()))


@says("The factor is $Z$")
def _(run):
    assert torch.allclose(run.ratio, torch.tensor(float(run.Z)), rtol=1e-2)


@says("so fc.weight is the W of lesson 3, (1000, 2048)", "CAM of a real network, by hand")
def _(run):
    assert run.same_big
    if run.data == "mnist" and run.big_name == "ResNet50":
        assert tuple(run.W_big.shape) == (1000, 2048)
    else:
        assert run.big_name == "heads_gap_linear"


@says("Each map is strongest at its own object")
def _(run):
    half = run.seen.shape[2] // 2
    first, second = camlite.up(run.cam_big, run.seen.shape[2:])
    assert int(first.amax(1).argmax()) < half  # the dog, or the 0, is above
    assert int(second.amax(1).argmax()) >= half


@says("finds evidence against the class at the other digit", "ResNet50 has hardly any")
def _(run):
    first, second = run.cam_big
    against = -run.cam_big.amin((1, 2)) / run.cam_big.max()
    if run.big_name == "ResNet50":
        assert against.max() < 0.2
    else:
        h = first.shape[0] // 2
        assert first[h:, h:].mean() < 0
        assert second[:h, :h].mean() < 0
        assert against.min() > 0.2


@says("its map of the cat is faint", "it gives the cat a small probability")
def _(run):
    if run.big_name == "ResNet50":
        assert run.cam_big[1].max() < 0.6 * run.cam_big[0].max()
        assert run.p_big[1] < 0.05


@says("It is not all of the heat")
def _(run):
    for k, side, share in ((run.a, 0, run.own[0]), (run.b, 1, run.own[1])):
        M = camlite.up(run.explain("relu4", run.x, k), run.size)[0]
        half = M[:, :28] if side == 0 else M[:, 28:]
        assert torch.allclose(half.sum() / M.sum(), share, atol=1e-4)
        assert share < 0.95


@says(
    "the last layer is the best, the first one has the finest map",
    "The deeper the layer, the coarser the map, and the better it knows the class",
    "its share is close to 0.5",
)
def _(run):
    shares = [mean for mean, _, _ in run.ladder.values()]
    assert shares == sorted(shares)
    assert abs(shares[0] - 0.5) < 0.06
    assert shares[-1] > 0.7


@says("which does not get smaller")
def _(run):
    spread = [spread for _, spread, _ in run.ladder.values()]
    assert spread[-1] > spread[0]


@says("a map can be empty: the sum is negative at all places")
def _(run):
    for layer, (_, _, empty) in run.ladder.items():
        tops = run.explain(layer, run.X2, run.c2, relu=False).amax((1, 2))
        assert int((tops <= 0).sum()) == empty


@says("It does, mostly")
def _(run):
    assert run.on_rival.mean() > 0.7


@says("The more we take away from the digit, the more the logit falls", "falls nearly always")
def _(run):
    assert run.falls[0.1] > 0.7
    assert run.falls[1.0] > 0.95


@says("at every amount it comes true less often than the first one", "The answer there is the same")
def _(run):
    assert all(run.rises[amount] < run.falls[amount] - 0.05 for amount in run.rises)


@says("the claim is no better than a coin", "With the small digits it is more than half")
def _(run):
    if run.data == "mnist":
        assert all(share < 0.6 for share in run.rises.values())
    else:
        assert all(0.52 < share < 0.85 for share in run.rises.values())


@says("the mean change of the logit is small beside the fall")
def _(run):
    for amount in run.rises:
        rise = (run.logit_with_darker(1 - run.side2, amount) - run.whole).mean()
        fall = (run.whole - run.logit_with_darker(run.side2, amount)).mean()
        assert abs(rise) < 0.3 * fall


@says("not the same map up to a scale, for signs change")
def _(run):
    assert run.other_sign > 0


@says("The gradient of the logit has the same size for all five")
def _(run):
    sizes = run.α_logit.abs().amax(1)
    assert sizes.max() < 5 * sizes.min()


@says("The gradient of the probability is small where the network is sure")
def _(run):
    sizes = run.α_prob.abs().amax(1)
    sure = run.P_sure > 0.99
    assert sure.any()
    assert sizes[sure].max() < 1e-2 * run.α_logit.abs().amax()
    assert sizes.argmin() == run.P_sure.argmax()


@says("puts only a little more than half of its lines on the digit in question")
def _(run):
    assert 0.5 < run.shares["guided back-propagation"] < 0.7


@says("The product has the largest share")
def _(run):
    assert max(run.shares, key=run.shares.get) == "Guided Grad-CAM"


@says("Grad-CAM becomes another map", "draws nearly the same picture for a network whose decision")
def _(run):
    assert abs(run.alike_map) < 0.3
    assert run.alike_guided > 0.7


@says('it must agree with camlite.hires_cam(net, "relu4", X2, c2)')
def _(run):
    by_hand = (run.G2 * run.F2).sum(1).detach()
    assert torch.allclose(by_hand, camlite.hires_cam(run.net, "relu4", run.X2, run.c2), atol=1e-4)


@says("the surer of the digit")
def _(run):
    sizes = [run.explain(layer, run.x, run.a)[0].numel() for layer in run.ladder]
    assert sizes == sorted(sizes, reverse=True)


@says("hidden = (F_flat @ W1.T + b1).relu()", "logits_flat = hidden @ W2.T + b2")
def _(run):
    hidden = (run.F_flat @ run.W1.T + run.b1).relu()
    logits_flat = hidden @ run.W2.T + run.b2
    with torch.no_grad():
        assert torch.allclose(logits_flat, run.net(run.x), atol=1e-4)
    assert (hidden == 0).any()  # so the ReLU matters
    assert run.off > 1  # not answered yet
