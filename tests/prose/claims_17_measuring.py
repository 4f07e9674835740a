"""Lesson 17: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says

FLOORS = ("random weights", "blob", "edges", "Fake-CAM", "random pixels")


def share(values) -> float:
    return float(torch.as_tensor(values).float().mean())


@says("they know all the animals here")
def _(run):
    assert all(run.nets.accuracy(net, run.x, run.c) > 0.9 for net in run.networks)


@says("one asks the whole network 64 times, the other one the tail")
def _(run):
    assert (len(run.whole_runs), len(run.tail_runs)) == (65, 64)


@says("960 channels there: 960 runs of the tail against 960 whole runs")
def _(run):
    from torchvision.models import mobilenet_v3_large

    assert mobilenet_v3_large(weights=None).features[-1][0].out_channels == 960


@says("Fake-CAM wins, on all three networks, and by far; the increase too")
def _(run):
    for found in (run.on_black, run.on_mean):
        for i in range(3):
            drops = {name: found[name][i] for name in run.names}
            assert drops["Fake-CAM"] < 0.1
            assert min(v for name, v in drops.items() if name != "Fake-CAM") > 8
            assert max(run.names, key=lambda name, i=i: found[name][3 + i]) == "Fake-CAM"


@says("upwards in about half of the images")
def _(run):
    for found in (run.on_black, run.on_mean):
        assert all(25 < v < 70 for v in found["Fake-CAM"][3:])
    seen = run.seen_through(run.x, run.maps[0]["Fake-CAM"], run.mean)
    assert (run.probability(run.networks[0], seen, run.c) - run.Y[0]).abs().max() < 1e-3


@says("Nearly all of them lose about 75 %, the best maps, the edges and the random weights")
def _(run):
    values = [v for name in run.names if name != "Fake-CAM" for v in run.on_black[name][:3]]
    assert sum(abs(v - 75) < 5 for v in values) > 0.7 * len(values)
    for name in ("Grad-CAM", "Ablation-CAM", "Eigen-CAM", "edges", "random weights"):
        assert max(abs(v - 75) for v in run.on_black[name][:3]) < 2


@says("nearly all that these masks leave on black, network 0 calls bird", "the birds, one quarter")
def _(run):
    assert run.said_bird > 0.97
    assert share(run.c == 1) == 0.25


@says("Grad-CAM again, scaled, and its fourth root taken", "knows no more than Grad-CAM, and beats")
def _(run):
    for i in range(3):
        assert run.grown[i] + 3 < run.on_mean["blob"][i] < run.on_mean["Grad-CAM"][i]
        assert run.roots[i].mean() > 2 * run.scaled(run.maps[i]["Grad-CAM"]).mean()


@says("the random pixels are as large as the blob, on average")
def _(run):
    for i, M in enumerate(run.maps):
        sizes = [float(run.scaled(M[name]).mean()) for name in ("random pixels", "blob")]
        assert abs(sizes[0] - sizes[1]) < 0.05
        assert run.on_mean["random pixels"][i] > run.on_mean["blob"][i] + 20


@says("its drop is much smaller than that of Grad-CAM, on all three networks")
def _(run):
    assert all(run.on_mean["blob"][i] + 5 < run.on_mean["Grad-CAM"][i] for i in range(3))


@says("With black, random pixels get about the area of Grad-CAM on networks 0 and 1")
def _(run):
    black = run.areas["random pixels", "black"] - run.areas["Grad-CAM", "black"]
    assert black[:2].abs().max() < 4


@says("With the mean colour and with the blurred picture noise is one of the worst")
def _(run):
    for fill in ("mean colour", "blurred"):
        for i in range(3):
            order = sorted(run.names, key=lambda name, i=i, fill=fill: run.areas[name, fill][i])
            assert "random pixels" in order[-3:]


@says(
    "With black it is better than Grad-CAM on networks 0 and 1",
    "on networks 0 and 1, occlusion with black beats Grad-CAM when the fill is black",
)
def _(run):
    gap = run.areas["Grad-CAM", "black"] - run.areas["occlusion", "black"]
    assert gap[:2].min() > 0.3


@says("with the mean colour Grad-CAM is better, on all three")
def _(run):
    gap = run.areas["occlusion", "mean colour"] - run.areas["Grad-CAM", "mean colour"]
    assert gap.min() > 0.3


@says(
    "made with the mean colour instead, it does worse with black, and better with the mean colour"
)
def _(run):
    by_black = [float(run.areas["occlusion", fill][0]) for fill in ("black", "mean colour")]
    assert run.by_mean[0] > by_black[0] + 3
    assert run.by_mean[1] < by_black[1] - 3


@says("Here noise and Fake-CAM are the worst maps (network 0)", "and little is lost")
def _(run):
    order = sorted(run.names, key=lambda name: float(run.road[name].mean()))
    assert set(order[-2:]) == {"random pixels", "Fake-CAM"}
    assert run.Y[0].mean() - run.road["random pixels"].mean() < 0.1


@says("The blob and the edges hit about nine of ten animals, as the good methods do")
def _(run):
    for name in ("blob", "edges", "Grad-CAM", "gradient"):
        assert min(run.on_object(name)[:3]) > 80


@says("The energy tells them from Grad-CAM here")
def _(run):
    for i in (3, 4, 5):
        for name in FLOORS:
            assert run.on_object("Grad-CAM")[i] > run.on_object(name)[i] + 10


@says("a smaller spot in the middle, and it wins that as well")
def _(run):
    assert run.spot_energy > max(run.on_object("Grad-CAM")[3:]) + 2


@says("All five floors are near chance, and so is Eigen-CAM")
def _(run):
    for name in (*FLOORS, "Eigen-CAM"):
        assert all(abs(v - 0.25) < 0.1 for v in run.in_quarter[name])
    assert min(run.in_quarter["Grad-CAM"]) > 0.6


@says("The gradient is hardly better")
def _(run):
    assert all(0.24 < v < 0.35 for v in run.in_quarter["gradient"])


@says("All its answers here are wrong: fish on grass are called frog")
def _(run):
    truth = run.shown.labels[run.fooled]
    assert (run.c_blind != truth).all()
    fish = (truth == 2) & (run.shown.backgrounds[run.fooled] == 0)
    assert fish.any()
    assert (run.c_blind[fish] == 0).all()


@says("Hits and energy say B too, and by far")
def _(run):
    for i in (0, 1):
        assert run.judged["B"][i] > 60 + run.judged["A"][i]


@says("its area is smaller than that of noise", "The area of B is larger than that of noise")
def _(run):
    assert run.judged["A"][2] + 3 < run.judged["noise"][2] < run.judged["B"][2] - 3


@says("Fake-CAM is punished, with nearly 0: its complexity is nearly 1")
def _(run):
    assert run.ADCC["Fake-CAM"].max() < 0.01
    assert run.three["Fake-CAM"][1].min() > 0.999


@says("On network 1 Grad-CAM has a better one")
def _(run):
    assert run.on_1["Grad-CAM"] > run.on_1["blob"] + 2


@says("it has the best ADCC of all eleven maps", "Its coherency is 1", "coherency 1 for the same")
def _(run):
    assert len(run.names) == 11
    mean = {name: float(run.ADCC[name].mean()) for name in run.names}
    assert max(mean, key=mean.get) == "blob"
    for name in ("blob", "random pixels"):
        assert run.three[name][0].min() > 0.999


@says("Each number has another winner")
def _(run):
    assert len({int(best) for best in run.rank.argmin(0)}) >= 5


@says("The floors do not make the disagreement: the six methods alone have no less")
def _(run):
    assert run.real_ones > run.all_of_them


@says("no map is best everywhere", "Fake-CAM is first in the drop, the blob in ADCC")
def _(run):
    first = run.rank == 1
    assert not first.all(1).any()
    assert first[run.names.index("Fake-CAM"), 0]
    assert first[run.names.index("blob"), 7]


@says("The intervals are wide where methods are close")
def _(run):
    width = run.high - run.low
    assert width[run.names.index("random pixels"), 1] >= 5
    assert width[run.names.index("Fake-CAM"), 0] == 0


@says("in ROAD and in energy no floor is among the first three")
def _(run):
    floors = [run.names.index(name) for name in FLOORS]
    assert run.rank[floors][:, [2, 3, 4, 6]].min() > 3


@says("Two measures can order every third pair otherwise")
def _(run):
    assert 0.25 < run.all_of_them < 0.4


@says("What the other quarters show cannot change it")
def _(run):
    assert max(run.moved) < 1e-5


@says("the gradient, HiResCAM and LayerCAM are exactly 0 outside", "Grad-CAM is not.")
def _(run):
    for name in ("gradient", "HiResCAM", "LayerCAM"):
        assert max(run.wrong_light[name]) == 0
    assert min(run.wrong_light["Grad-CAM"]) > 0.1


@says("Ablation-CAM spreads its light for the same reason", "Eigen-CAM asks no class at all")
def _(run):
    for a, b in zip(run.wrong_light["Grad-CAM"], run.wrong_light["Ablation-CAM"], strict=True):
        assert b > a
    assert min(run.wrong_light["Eigen-CAM"]) > 0.7


@says("They agree, up to rounding")
def _(run):
    assert max(run.off.values()) < 1e-3


@says("2304 pixels are no multiple of 7")
def _(run):
    P = run.x[0, 0].numel()
    assert P == 2304
    assert P % 7
    assert P % run.STEPS == 0


@says(
    "by_class = torch.stack([hits_of_edges[c == k].mean() for k in range(4)])",
    "each class has equally many images here",
)
def _(run):
    by_class = torch.stack([run.hits_of_edges[run.c == k].mean() for k in range(4)])
    assert abs(float(by_class.mean() - run.hits_of_edges.mean())) < 1e-6
    assert len(set(run.c.bincount().tolist())) == 1
