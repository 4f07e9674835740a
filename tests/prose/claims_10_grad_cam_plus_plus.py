"""Lesson 10: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says

NETWORKS = ("pond_repaired", "pond_gap_1", "pond_gap_2")


def error(v):
    """Half of the interval that the lesson prints."""
    return float(1.96 * v.std() / len(v) ** 0.5)


@says(
    "each of them counts. Even the small one, in most of the pictures",
    "The larger an animal is, the more it counts",
    "per area, the small one counts a little less than the large one",
    "The same shapes on empty ground hardly change the logit",
)
def _(run):
    for fall, control, least in zip(run.falls, run.controls, (0.97, 0.9, 0.7), strict=True):
        assert fall.mean() > 3 * error(fall)
        assert (fall > 0).float().mean() > least
        assert abs(control.mean()) < 0.1 < fall.mean() / 3
    per_area = [float(f.mean()) / a for f, a in zip(run.falls, run.areas, strict=True)]
    assert 0.5 * per_area[0] < per_area[2] < per_area[0]
    assert run.falls[0].mean() > run.falls[1].mean() > run.falls[2].mean()


@says(
    "Z = 80 here: 15/80, 4/80, 2/80",
    "the largest object is 7.5 times as bright as the smallest one",
)
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
    "At the places of one channel they do not differ at all",
    "Further back the spread grows, but the median stays close to 1/2",
    "α depends on the scale of the logits",
    "are mostly close to 1/2",
)
def _(run):
    low, mid, high = (run.found_α[name] for name in ("features", "features.8", "features.5"))
    assert low[0] > 0.4
    assert low[2] < 0.5
    assert high[0] < mid[0] < low[0]
    assert all(found[1] > 0.44 for found in run.found_α.values())
    assert run.α_scaled[0] > 0.44 > 0.35 > run.α_scaled[1] > 2 * run.α_scaled[2]
    F, G = run.look(*run.camlite.split(run.net, "features"), run.twins.images, run.twins.labels)
    α = run.pixel_weights(F, G).flatten(2)
    assert (α.amax(2) - α.amin(2)).max() < 1e-6


@says(
    "a good part of the weight is lost at once, and with small logits nearly all of it",
    "half the gradient means an eighth of the weight",
    "half the gradient means half the weight",
    "Strong channels gain weight",
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
    "The blob finds an animal now and then, of three mostly the large one",
    "Random weights find more than you may think",
    "Noise finds nothing, and neither does a map that is the same everywhere",
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


@says(
    "the brightest place on the small animal is much darker than that on the large one",
    "Grad-CAM++ changes this little",
    "both miss the small one much more often than the large one (in the full run in nearly half",
)
def _(run):
    for large, _, small in run.peaks.values():
        assert small < 0.65 * large
    assert abs(run.peaks["Grad-CAM++"][2] - run.peaks["Grad-CAM"][2]) < 0.08
    for text in ("Grad-CAM", "Grad-CAM++"):
        assert run.fast or 0.4 < run.sizes_found[text][2] < 0.65 < run.sizes_found[text][0] - 0.1


@says("In the last picture no map draws its line on the small frog")
def _(run):
    small = run.twins.object_masks[run.some[3], 2]
    assert run.twins.class_names[run.twins.labels[run.some[3]]] == "frog"
    for M in run.last.values():
        heat = run.enlarged(M)[run.some[3]]
        assert (heat * small).max() < 0.5 * heat.max()


@says("At the last layer Grad-CAM++ is level or a little ahead, in all three networks")
def _(run):
    for name in NETWORKS:
        change = run.table[name, "the last layer"][2]
        assert -0.02 < change.mean() < 0.08


@says(
    "it is level in two networks and worse in one",
    "it finds fewer animals in all three",
    "For the small animals alone it goes both ways",
)
def _(run):
    one = {name: run.table[name, "one before"][2] for name in NETWORKS}
    assert one["pond_gap_2"].mean() < -error(one["pond_gap_2"])
    for name in ("pond_repaired", "pond_gap_1"):
        assert abs(one[name].mean()) < 0.06
    for name in NETWORKS:
        two = run.table[name, "two before"][2]
        assert two.mean() < -error(two)
    small = [v.mean() for v in run.small_change.values()]
    assert min(small) < -0.04 < 0.04 < max(small)


@says(
    "Here the pixel weights find a few animals more in one network",
    "do nothing in the two others",
    "The gain stays small",
)
def _(run):
    plus = [run.table[name, "before its ReLU"][4].mean() for name in NETWORKS]
    assert 0 < plus[0] < 0.06
    assert max(abs(plus[1]), abs(plus[2])) < 0.01
    for name in NETWORKS:
        assert -0.02 < run.table[name, "before its ReLU"][2].mean() < 0.1


@says(
    "At all these layers it is nearly the same map as Grad-CAM+",
    "After the ReLU, Grad-CAM++ was in our tests Grad-CAM with positive gradients",
)
def _(run):
    assert all(row[3] > 0.97 for row in run.table.values())


@says("The pixel weights alone leave Grad-CAM nearly as it is. The ReLU makes the difference")
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


@says(
    "The bright part hardly grows (above 50 % of the maximum), but faint heat spreads (above 20 %)",
    "nearly always onto animals of other classes",
)
def _(run):
    grad, plus = run.wide["Grad-CAM"], run.wide["Grad-CAM++"]
    assert plus[0] > 1.2 * grad[0]
    assert 0 <= plus[1] - grad[1] < 0.01
    assert run.less > 0.95


@says("25 samples cost 25 passes forward and backward, and one more for F of the clean image")
def _(run):
    assert run.printed.count("26 passes") == 4  # and one for F of the clean image


@says(
    "at the last layer they buy nothing at all",
    "At the layer before the map changes, at its most changed place by more than half",
    "In one network the recall hardly moves, in the other it falls",
    "that interval ends close to 0 or holds it",
)
def _(run):
    for name in ("pond_repaired", "pond_gap_2"):
        off, change = run.bought[name, "features"]
        assert off < 1e-5
        assert (change == 0).all()
        assert run.bought[name, "features.8"][0] > 0.5
    hardly, falls = (run.bought[name, "features.8"][1] for name in ("pond_repaired", "pond_gap_2"))
    assert abs(hardly.mean()) < 0.06
    assert falls.mean() < 0
    assert falls.mean() + error(falls) > -0.04


@says("otherwise it has your steps", "has the same steps as your functions")
def _(run):
    assert max(run.off_plus, run.off_smooth) < 1e-5


@says(
    "At both layers the pixel weights are close to 1/2",
    "only Grad-CAM++ draws the half line on the left dog",
    "At the last one the two maps are nearly one, but not quite",
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
    assert run.left_dog["Grad-CAM"] < 0.5 < run.left_dog["Grad-CAM++"]
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
