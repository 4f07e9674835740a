"""Lesson 10: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says

NETWORKS = ("pond_repaired", "pond_gap_1", "pond_gap_2")


def error(v):
    """Half of the interval that the lesson prints."""
    return float(1.96 * v.std() / len(v) ** 0.5)


@says(
    "each of them counts. Even the small one, in nearly all pictures",
    "They count about as much as they are large",
)
def _(run):
    for fall, least in zip(run.falls, (0.97, 0.9, 0.7), strict=True):
        assert fall.mean() > 3 * error(fall)
        assert (fall > 0).float().mean() > least
    per_area = [float(f.mean()) / a for f, a in zip(run.falls, run.areas, strict=True)]
    assert max(per_area) < 2 * min(per_area)
    assert run.falls[0].mean() > run.falls[1].mean() > run.falls[2].mean()


@says("15/80, 4/80, 2/80", "the largest object is 7.5 times as bright as the smallest one")
def _(run):
    assert torch.allclose(run.α_toy[0], torch.tensor([15.0, 4, 2]) / 80)
    assert run.α_toy[0, 0] / run.α_toy[0, 2] == 7.5


@says(
    "Grad-CAM's three weights are equal there, and all objects are equally bright",
    "if you take the feature maps before their ReLU",
)
def _(run):
    after, before = run.α_ways.values()
    assert torch.allclose(torch.tensor(after), torch.ones(3))
    assert torch.allclose(torch.tensor(before), torch.tensor([15.0, 4, 2]))


@says("the second derivative of the logit is 0", "it is $e^S g^2$")
def _(run):
    for g, of_S, of_Y, formula in run.seconds:
        assert abs(g) > 1e-5
        assert of_S == 0
        assert abs(of_Y - formula) < 1e-9 * abs(formula)


@says("0.88, 0.67, 0.5. Not equal, but much flatter than 15 : 4 : 2")
def _(run):
    assert [round(v, 2) for v in run.w_toy[0].tolist()] == [0.88, 0.67, 0.5]


@says(
    "nearly all weights of the last layer lie a little below 1/2",
    "more of them differ from 1/2, but the median stays close to it",
)
def _(run):
    low, mid, high = (run.found_α[name] for name in ("features", "features.8", "features.5"))
    assert low[0] > 0.4
    assert low[2] < 0.5
    assert high[0] < mid[0] < low[0]
    assert all(found[1] > 0.44 for found in run.found_α.values())


@says(
    "a good part of the weight is lost at once, and with small logits nearly all of it",
    "half the gradient means an eighth of the weight",
    "half the gradient means half the weight",
)
def _(run):
    assert 0.4 < run.kept[1][0] < 0.8
    for scale in (0.1, 0.01):
        share, with_it, without = run.kept[scale]
        assert share < 0.05
        assert abs(with_it - 1 / 8) < 0.01
        assert abs(without - 1 / 2) < 0.01
    assert (
        4e-4
        < run.look(*run.camlite.split(run.net, "features"), run.twins.images, 0)[1].abs().median()
        < 1e-3
    )


@says("At the layer before GAP you can write the weights down without any gradient")
def _(run):
    assert run.off_formula < 1e-4 * run.by_formula.max()


@says(
    "The blob finds an animal now and then, mostly the only or the large one",
    "Random weights find more than you may think",
    "Noise finds nothing, and neither does a map without any order",
)
def _(run):
    of = run.floor_recall
    blob, random = of["a blob in the middle"], of[f"random weights ({len(run.seeds)} draws)"]
    assert 0.1 < blob < 0.4
    large, _, small = run.by_size(run.floors["a blob in the middle"][0])
    assert large > small + 0.2
    assert 0.15 < random < 0.6
    assert of["noise, 18×18 cells"] < 0.03
    assert of["1 everywhere"] == 0
    assert of["the masks themselves"] == 1


@says(
    "the two intervals overlap",
    "Grad-CAM++ is level or a little ahead at this layer, by some hundredths at most",
    "its map is nearly identical with that of Grad-CAM++",
    "Grad-CAM+ has the same numbers",
)
def _(run):
    grad, plus, both = (run.last_recall[t] for t in ("Grad-CAM", "Grad-CAM+", "Grad-CAM++"))
    assert abs(grad.mean() - both.mean()) < error(grad) + error(both)
    assert -0.02 < run.gain.mean() < 0.08
    assert abs(plus.mean() - both.mean()) < 0.01
    assert run.last_alike["Grad-CAM+"] > 0.999


@says(
    "All three miss the small animal more often than the large one",
    "a cell of the map is 4×4 pixels",
)
def _(run):
    for large, _, small in run.sizes_found.values():
        assert small < large - (0.02 if run.fast else 0.15)  # 20 pictures, 60 pictures
    assert run.last["Grad-CAM"].shape[1] * 4 == 72


@says("At the last layer Grad-CAM++ is level or a little ahead, in all three networks")
def _(run):
    for name in NETWORKS:
        change = run.table[name, "features"][2]
        assert -0.02 < change.mean() < 0.08


@says("it is level in two networks and worse in one", "it finds fewer animals in all three")
def _(run):
    one = {name: run.table[name, "features.8"][2] for name in NETWORKS}
    assert one["pond_gap_2"].mean() < -error(one["pond_gap_2"])
    for name in ("pond_repaired", "pond_gap_1"):
        assert abs(one[name].mean()) < 0.06
    for name in NETWORKS:
        two = run.table[name, "features.5"][2]
        assert two.mean() < -error(two)


@says("And everywhere it is nearly the same map as Grad-CAM+")
def _(run):
    assert all(row[3] > 0.97 for row in run.table.values())


@says("The pixel weights alone leave Grad-CAM as it is. The ReLU makes the difference")
def _(run):
    for layer in ("features", "features.8"):
        alone = run.four[layer, "pixel weights only"]
        relu, both = (run.four[layer, t] for t in ("ReLU only (Grad-CAM+)", "both (Grad-CAM++)"))
        assert alone > 0.998
        assert 1 - relu > 4 * (1 - alone)
        assert abs(relu - both) < 0.01


@says("in all three networks Grad-CAM++ has much less of its heat on the animal in question")
def _(run):
    for name in NETWORKS:
        change = run.cost[name, "Grad-CAM++"] - run.cost[name, "Grad-CAM"]
        assert change.mean() < -0.1
        assert abs(run.cost[name, "Grad-CAM+"].mean() - run.cost[name, "Grad-CAM++"].mean()) < 0.01


@says("25 samples cost 25 passes forward and backward instead of one")
def _(run):
    assert run.printed.count("26 passes") == 4  # and one for F of the clean image


@says(
    "at the last layer they buy nothing at all",
    "At the layer before the map changes",
    "In one network the recall hardly moves, in the other it falls",
    "neither change is far from what chance can do",
)
def _(run):
    for name in ("pond_repaired", "pond_gap_2"):
        off, change = run.bought[name, "features"]
        assert off < 1e-5
        assert (change == 0).all()
        assert run.bought[name, "features.8"][0] > 0.2
    hardly, falls = (run.bought[name, "features.8"][1] for name in ("pond_repaired", "pond_gap_2"))
    assert abs(hardly.mean()) < 0.06
    assert -2 * error(falls) < falls.mean() < 0


@says("otherwise it has your steps", "has the same steps as your functions")
def _(run):
    assert max(run.off_plus, run.off_smooth) < 1e-5


@says(
    "At both layers the pixel weights are close to 1/2",
    "At the last one the two maps say nearly the same about the dogs",
    "differ much, but Grad-CAM+ goes with Grad-CAM++",
    "changes these pictures a little",
)
def _(run):
    if not run.real:
        return
    for layer in ("layer4", "layer3"):
        assert run.real_α[layer] > 0.47
        assert run.real_alike[layer][1] > 0.99
        assert 0.9 < run.real_alike[layer][2] < 0.995
    assert run.real_alike["layer4"][0] > 0.95
    assert run.real_alike["layer3"][0] < 0.6


@says(
    "energyeach = (heat[:, None]",
    "on each animal the heat is denser than a flat map's, on the large one several times",
    "The small one has the least",
)
def _(run):
    share = (run.heat[:, None] * run.animals).sum((2, 3)) / run.heat.sum((1, 2))[:, None]
    assert (share - torch.stack(run.known, dim=1)).abs().max() < 1e-5
    density = share.mean(0) / run.animals.float().mean((0, 2, 3))
    assert density.min() > 1.4
    assert density[0] > 3
    assert density.argmin() == 2
    assert run.off > 0.1  # not answered yet
