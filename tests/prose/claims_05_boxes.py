"""Lesson 5: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says


def fit(run, name, pictures="wide"):
    return (run.fit if pictures == "wide" else run.fit_close)[name]


NO_CLASS = "the highest third, no class"
MAP, MIDDLE, WHOLE = "the map, 20 % rule", "always in the middle", "the whole picture"


@says("We show the first picture with more than 30 pixels outside the largest island")
def _(run):
    columns = run.above[run.example].any(0).nonzero()
    x0, _, x1, _ = run.found_close[run.example].tolist()
    assert int(columns.max()) + 1 - int(columns.min()) > x1 - x0


@says("50 pixels are shared, 150 are covered, so the IoU is 1/3")
def _(run):
    assert abs(run.moved - 1 / 3) < 1e-9


@says("A good result: about three of four boxes fit")
def _(run):
    assert 0.65 < 1 - run.known_close / 100 < 0.85
    assert run.top1_close >= run.known_close - 3


@says("The word is right in nearly every picture", "Why are both errors the same, or nearly?")
def _(run):
    assert run.names_right > 0.96
    assert abs(run.top1_close - run.known_close) < 2


@says("A box that never looks at the picture does as well as the map")
def _(run):
    assert fit(run, MIDDLE, "close") > fit(run, MAP, "close") - 0.06
    assert fit(run, WHOLE, "close") < 0.25


@says("camlite.boxes, which gives the same as your functions")
def _(run):
    assert run.same


@says(
    "Now the map is far better than the box that does not look", "It fits nearly as often as before"
)
def _(run):
    assert fit(run, MAP) > fit(run, MIDDLE) + 0.35
    assert abs(fit(run, MAP) - fit(run, MAP, "close")) < 0.12


@says("The word is right less often")
def _(run):
    assert run.names_right_wide < run.names_right - 0.03


@says("below, for the usual border. A high threshold keeps only the brightest part")
def _(run):
    assert run.tau < 0.2


@says("who takes 0.4 instead of 0.2 loses more than half of the boxes")
def _(run):
    right = (run.IoU_wide >= 0.5).double().mean(1)
    assert right[run.TAUS.index(0.4)] < 0.5 * right[run.TAUS.index(0.2)]


@says("The ten pictures promise more than the others keep")
def _(run):
    assert run.flattered > run.honest + 0.02


@says('so "no evidence" lands at a grey level above 20', "for many maps, nearly the whole picture")
def _(run):
    assert run.zero_at > 21
    x0, y0, x1, y1 = run.rules["grey level 20 of 255"].T
    areas = (x1 - x0) * (y1 - y0) / 72**2
    assert (areas > 0.8).float().mean() > 0.3


@says("sometimes the islands all belong to one animal")
def _(run):
    multi = (run.outside > 0).nonzero().flatten().tolist()
    better = 0
    for n in multi:
        rows, columns = run.above[n].nonzero(as_tuple=True)
        around = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        better += run.iou(tuple(map(int, around)), run.true_close[n]) > float(run.IoU_close[n])
    assert better > 0.3 * len(multi)


@says("The same maps, the same network, and the share goes up and down with one line")
def _(run):
    shares = list(run.fit_rule.values())
    assert max(shares) - min(shares) > 0.25
    assert run.fit_rule["grey level 20 of 255"] < run.fit_rule["8% of the maximum"] - 0.1


@says("nothing. The threshold is a share of the maximum, and the factor goes away")
def _(run):
    assert int(run.unchanged.sum()) >= run.COUNT - 2  # rounding may move one


@says("With the ReLU some boxes move a little")
def _(run):
    assert 0.5 < float(run.unchanged_relu.double().mean()) < 0.98


@says("with a lower threshold the map does better than the box in the middle there as well")
def _(run):
    best = (run.IoU_by_threshold_close[:, run.HALF :] >= 0.5).double().mean(1).max()
    assert best > fit(run, MIDDLE, "close") + 0.03


def shares(run, kind):
    return [float(r[1].mean()) for name, r in run.results.items() if name.startswith(kind)]


@says("Every network with GAP finds the animal more often than every network with GMP")
def _(run):
    assert len(shares(run, "GAP")) == len(shares(run, "GMP")) == 3
    assert min(shares(run, "GAP")) > max(shares(run, "GMP")) + 0.05


@says("even the lowest thresholds do not make a good box of it")
def _(run):
    assert max(shares(run, "GMP")) < 0.65


@says("In reading the words GMP is not worse; on these pictures it is better on average")
def _(run):
    gap, gmp = (sum(run.words[kind]) / 3 for kind in ("GAP", "GMP"))
    assert gmp > gap
    assert min(run.words["GMP"]) > 0.97


@says("one of them alone would have told you another story about how much")
def _(run):
    assert max(shares(run, "GMP")) - min(shares(run, "GMP")) > 0.15


@says("Grad-CAM at the earlier layer makes finer maps and worse boxes")
def _(run):
    assert run.contest["Grad-CAM, earlier layer"].shape[-1] == 36
    assert shares(run, "Grad-CAM")[0] < 0.4


@says("The gradient at the pixels does about as well as CAM here")
def _(run):
    assert abs(shares(run, "gradient")[0] - sum(shares(run, "GAP")) / 3) < 0.12


@says(
    "The best boxes come from maps that know no class",
    "each of them makes better boxes than the CAM of the same network",
)
def _(run):
    blind, gap = shares(run, "no class, seed"), shares(run, "GAP")
    assert len(blind) == len(gap) == 3  # both in the order of the seeds
    assert all(a > b for a, b in zip(blind, gap, strict=True))
    assert sum(blind) > sum(gap) + 0.15


@says("The mean of all maps of pond_biased finds little")
def _(run):
    assert shares(run, "no class, from pond_biased")[0] < 0.4


@says(
    "nearly all boxes of the rival fit, also at the strict border, where the map fails more often"
)
def _(run):
    _, strict = run.shares_versus["the rival, words and boxes"]
    assert strict > 0.9
    assert run.shares_versus["the map, words only"][1] < 0.5


@says("the map is better than the middle box at the usual border")
def _(run):
    of_map, of_middle = (
        run.shares_versus[name][0]
        for name in ("the map, words only", "the picture's middle, no network")
    )
    assert of_map > of_middle + 0.02


@says("the crop helps, and the true box helps even more")
def _(run):
    whole, _, margin, true = run.again["far"]
    assert whole + 0.05 < margin < true - 0.05


@says("the crop harms", "with the true box and a margin nearly all stays as it was")
def _(run):
    whole, own, margin, true = run.again["near"]
    assert max(own, margin) < whole - 0.15
    assert true > whole - 0.06


@says(
    "the crop with its own box changes hardly anything", "With the true box it is right more often"
)
def _(run):
    whole, own, margin, true = run.again["biased"]
    assert max(abs(own - whole), abs(margin - whole)) < 0.06
    assert true > whole + 0.25


@says("Most of the object seeds are right, and nearly all of the ground seeds")
def _(run):
    assert run.object_right > 0.7
    assert run.ground_right > 0.93


@says("better than the map cut at its best threshold, and about as good as the filled true box")
def _(run):
    cut = max(v for k, v in run.of_masks.items() if k.startswith("map"))
    assert run.of_masks["seeds, grown by colour"] > cut + 0.04
    assert abs(run.of_masks["seeds, grown by colour"] - run.of_masks["true box, filled"]) < 0.08


@says("where the seeds are bad, what grows from them is bad too")
def _(run):
    worst, best = run.chosen[-1], run.chosen[0]
    planted = [  # the share of the animal that is an object seed
        float((run.seeds[n][run.animal[n]] == 1).double().mean()) for n in (worst, best)
    ]
    assert run.growing[worst] < 0.3
    assert planted[0] < planted[1]


@says("Most of the region is animal, but less than half of the animal is region")
def _(run):
    assert run.precision.mean() > 0.7
    assert run.coverage.mean() < 0.5


@says("the lowest third is hardly missed")
def _(run):
    assert run.still_right["the lowest third"] > run.still_right["nothing"] - 0.06


@says("A blob by chance costs about a quarter", "the highest third about half of them")
def _(run):
    nothing, highest = run.still_right["nothing"], run.still_right["the highest third"]
    assert 0.35 < highest / nothing < 0.65
    assert 0.15 < 1 - sum(run.blobs) / 5 / nothing < 0.35
    assert min(run.blobs) > highest + 0.1


@says("its highest third costs as many words", "A map that knows no class finds it as well")
def _(run):
    of_class, blind = run.still_right["the highest third"], run.still_right[NO_CLASS]
    assert blind < of_class + 0.06


@says("About three of four boxes fit on pictures where a box in the middle fits fewer than one")
def _(run):
    assert 0.65 < float(run.fits.mean()) < 0.9
    assert fit(run, MIDDLE) < 0.25


@says("logits_gmp = F.amax(dim=(2, 3)) @ W.T + b")
def _(run):
    logits = run.F.amax(dim=(2, 3)) @ run.W.T + run.b
    assert torch.allclose(logits, run.gmp(run.X), atol=1e-3)
    assert run.off > 1  # not answered yet


@says(
    "It is multiplied by 144 / 324 = 0.44",
    "the mean of the map plus the bias is no longer the logit",
)
def _(run):
    M = torch.einsum("ck,nkxy->ncxy", run.W, run.F)
    assert not torch.allclose(M.mean(dim=(2, 3)) + run.b, run.gmp(run.X), atol=0.5)


@says("It helps at least as much as the map's", "What helps here is that the animal becomes larger")
def _(run):
    for name in ("far", "near"):
        assert run.middle_crops[name] > run.again[name][2] - 0.02


@says(
    "in its place, with the rest painted grey, nearly all answers stay right",
    "with the square around it most of the harm is still there",
)
def _(run):
    stretched, square, in_place = run.in_place.values()
    assert in_place > 0.95
    assert run.again["near"][0] - square > 0.5 * (run.again["near"][0] - stretched)


@says("Random weights reach anything from nearly nothing to nearly as much as CAM")
def _(run):
    assert min(run.draws) < 0.15
    assert max(run.draws) > float(run.fits.mean()) - 0.2
