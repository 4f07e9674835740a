"""Lesson 14: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says

SEEDS = ("seed 0", "seed 1", "seed 2")


@says(
    "25, 25, 45 and 5",
    "No other direction beats $(1, 1)/\\sqrt 2$, but one other *equals* it: 225°",
    "90 % of all energy, 45 of 50, lie along one direction",
)
def _(run):
    energies = [float(run.energy[a]) for a in (0, 90, 45, 315)]
    assert torch.allclose(torch.tensor(energies), torch.tensor([25.0, 25, 45, 5]), atol=1e-4)
    assert run.best == [45, 225]
    assert abs(float(run.S[0]) ** 2 - 45) < 1e-3


@says("not centred, then a ReLU. All values are ≤ 0, and nothing is left")
def _(run):
    for F in run.F_of.values():
        turned = -run.fix_sign(run.eigen_cam(F), F)
        assert (turned.amax((1, 2)) < 1e-3 * turned.abs().amax((1, 2))).all()


@says("So each map has only one sign too")
def _(run):
    one_sign = (run.raw >= -1e-3).all(2).all(1) | (run.raw <= 1e-3).all(2).all(1)
    assert one_sign.all()


@says(
    "Eigen-CAM is densest on the fish, in all three networks",
    "On the turtle it is about as dense as a flat map, or less",
    "CAM finds each animal that we ask for",
    "it prefers the fish too, only less",
)
def _(run):
    for seed in SEEDS:
        cam, eigen, mean = (run.on_animal[seed][m] for m in ("CAM", "Eigen-CAM", "LaFAM"))
        assert min(cam) > 4
        for values in (eigen, mean):
            assert max(values) == values[2]
        assert eigen[2] > mean[2] + 0.5
        assert eigen[3] < 1.3


@says(
    "in a single mosaic it may be another animal",
    "It is so in many mosaics, in many others not",
)
def _(run):
    n = 3 * len(run.mosaics.images)
    assert sum(run.on_fish.values()) < 0.85 * n
    assert 0.35 * n < sum(run.on_answer.values()) < 0.8 * n


@says(
    "both repairs do the same, and all maps lie on the animal",
    "they fall to about half",
    "Animal and ground lie on the two sides of 0, and now both light up",
)
def _(run):
    for seed in SEEDS:
        assert run.disagree[seed] < 0.03
        for rule in ("by the features", "by |min|, |max|"):
            assert run.repairs[seed][rule][0] > 0.97
        dense, both = (run.repairs[seed][r][1] for r in ("by the features", "absolute value"))
        assert 0.4 * dense < both < 0.65 * dense


@says("two images in which both sides are equally strong")
def _(run):
    F = run.F_of["biased"]
    M = run.fix_sign(run.eigen_cam(F, center=True), F)[run.two_sides]
    ratio = -M.amin((1, 2)) / M.amax((1, 2))
    assert (ratio > 0.5).all()
    assert (ratio < 2).all()


@says(
    "For the biased network the two repairs disagree",
    'For "where is the animal?" the rule |min| > |max| does better',
)
def _(run):
    assert run.disagree["biased"] > 0.05
    rules = run.repairs["biased"]
    assert rules["by |min|, |max|"][0] > rules["by the features"][0] + 0.08


@says("So it is the same rule")
def _(run):
    assert run.off_library < 1e-4


@says(
    "**As it is, Eigen-CAM is nearly LaFAM** in the three networks that know the animals",
    "one direction holds about 90 % of the energy (first column)",
    "with unit length the first direction holds less than half there, and $r$ is still above 0.9",
    "in the biased network the features are ≥ 0 too, and $r$ is much smaller",
    "Centring keeps the pattern: $r$ is nearly the same",
)
def _(run):
    assert run.F_of["biased"].min() >= 0
    for seed in SEEDS:
        share, like, _ = run.table[seed, "as it is"]
        assert like > 0.95
        assert 0.86 < share < 0.95
        share, like, _ = run.table[seed, "unit length"]
        assert share < 0.5
        assert like > 0.9
    assert run.table["biased", "as it is"][1] < 0.8
    for who in run.networks:
        assert abs(run.table[who, "centred"][1] - run.table[who, "as it is"][1]) < 0.08


@says(
    "in the three networks the answer to the first guess is: all five",
    "To the second: four of them. Unit length is about as dense as LaFAM",
)
def _(run):
    for seed in SEEDS:
        five, lafam = run.five[seed], run.floor[seed][0]
        assert min(run.table[seed, text][1] for text in five) > 0.85
        denser = {text: run.table[seed, text][2] - lafam for text in five}
        assert abs(denser.pop("unit length")) < 0.2
        assert min(denser.values()) > 0.1


@says(
    "these maps are denser on the animal",
    "**LaFAM minus its mean is as dense, in all three networks.**",
)
def _(run):
    for seed in SEEDS:
        centred, raw = run.table[seed, "centred"][2], run.table[seed, "as it is"][2]
        assert centred > raw + 0.3
        assert abs(centred - run.floor[seed][1]) < 0.3


@says("in the biased network the five disagree", "decides whether the map lies on the animal")
def _(run):
    densities = [run.table["biased", t][2] for t in run.prepared(run.F_of["biased"])]
    assert max(densities) > 2 * min(densities)
    five = run.five["biased"]
    mask = run.moved.object_mask[run.n_picked : run.n_picked + 1]
    shown = [
        float(run.density(five[t][run.n_picked : run.n_picked + 1], mask))
        for t in ("as it is", "centred")
    ]
    assert shown[0] < 1 < shown[1]


@says(
    "The two repaired networks use the object, and all maps lie on it",
    "networks answer from the ground and the rails, and CAM of their answer lies there",
    "at the pond it lies on the animal in many images, centred even in most",
    "At the railway it follows the rails more often",
    "LaFAM does so in nearly all",
)
def _(run):
    maps = ("CAM of its answer", "Eigen-CAM", "LaFAM", "Eigen-CAM, centred", "LaFAM, centred")
    for world in ("pond", "rail"):
        repaired, biased = run.lit[world, "repaired"], run.lit[world, "biased"]
        assert repaired["right answer"] > 0.9
        assert min(repaired[m] for m in maps) > 0.9
        assert biased["the ground's"] > 0.75
        assert biased["CAM of its answer"] < 0.25
    pond, rail = run.lit["pond", "biased"], run.lit["rail", "biased"]
    assert 0.3 < pond["Eigen-CAM"] < 0.65
    assert min(pond["LaFAM"], pond["LaFAM, centred"]) > 0.8
    assert pond["Eigen-CAM, centred"] > 0.6
    assert rail["Eigen-CAM"] < pond["Eigen-CAM"] - 0.1
    assert rail["Eigen-CAM, centred"] < 0.5


@says(
    'Look at a column "it says turtle" on the sand', "the map shows a beautiful animal, no turtle"
)
def _(run):
    turtle = run.animals.index("turtle")  # at home on the sand
    shown = [n for n in run.shown if run.answer_biased[n] == turtle == run.moved.backgrounds[n]]
    assert shown
    assert all(run.moved.labels[n] != turtle for n in shown)


@says("it answers from the ground, Eigen-CAM shows the animal (6 picked images)")
def _(run):
    shown = run.shown
    assert len(shown) == 6
    assert (run.answer_biased[shown] != run.moved.labels[shown]).all()
    mask = run.moved.object_mask[shown]
    assert (run.density(run.M_eigen[shown], mask) > 1.5).all()
    assert (run.density(run.M_cam[shown], mask) < 1).all()


@says(
    "The logits stay, and CAM stays",
    "Eigen-CAM as it is goes from the animal to the ground in all three networks",
    "LaFAM moves too",
    "Only the standardised table does not know units",
)
def _(run):
    for seed in SEEDS:
        assert run.logit_moves[seed] < 1e-5
        assert run.units[seed, "CAM"][2] > 0.9999
        before, after, _ = run.units[seed, "Eigen-CAM, as it is"]
        assert before > 2.5
        assert after < 0.95
        assert run.units[seed, "LaFAM"][1] < run.units[seed, "LaFAM"][0] - 0.6
        assert run.units[seed, "Eigen-CAM, standardised"][2] > 0.999


@says("centred in two of them")
def _(run):
    assert sum(run.units[seed, "Eigen-CAM, centred"][1] < 1 for seed in SEEDS) == 2


@says("centred Eigen-CAM is denser on the animal than CAM, in all three networks")
def _(run):
    for seed in SEEDS:
        assert run.units[seed, "Eigen-CAM, centred"][0] > run.units[seed, "CAM"][0] + 0.25


@says("the largest is about twice the median one")
def _(run):
    assert all(1.5 < run.spread[seed] < 2.6 for seed in SEEDS)


@says(
    "with 10, Eigen-CAM (not centred) is less dense on the animal",
    "with 20 it is about like a flat map there, or below",
)
def _(run):
    dense = {}
    for seed, f in run.trained.items():
        k = run.channel_on_the_ground(run.F_of[seed])
        for factor in (10, 20):
            new = run.in_other_units(f, k, factor)
            F = run.camlite.split(new, "features")[0](run.moved.images)
            M = run.fix_sign(run.eigen_cam(F), F)
            dense[seed, factor] = float(run.density(M, run.moved.object_mask).mean())
        assert dense[seed, 10] < run.units[seed, "Eigen-CAM, as it is"][0] - 0.5
        assert dense[seed, 20] < 1.15


@says(
    "About half of the maps are blank, in each of the three networks",
    "the turtle gets no map at all, the bird mostly none, the frog and the fish mostly do",
    "on the turtle it is then not denser than a flat map",
)
def _(run):
    for seed in SEEDS:
        total = 4 * len(run.mosaics.images)
        assert 0.35 < run.blank[seed] / total < 0.65
        n = len(run.mosaics.images)
        assert run.asked[seed, "turtle"][0] == n
        for animal in ("frog", "fish"):
            assert run.asked[seed, animal][0] <= 0.26 * n
        assert run.asked[seed, "bird"][0] > 0.55 * n
        assert run.asked[seed, "turtle"][2] < 1.05


@says("Nothing changes.", "So the map has one sign everywhere, as in Part 1")
def _(run):
    for seed in SEEDS:
        assert run.same_as_size[seed] < 1e-4


@says("The end of the lines above counts it: the rule holds for all maps")
def _(run):
    for seed in SEEDS:
        assert run.same_rule[seed] == run.is_blank_of[seed].numel()
        assert 0 < run.blank[seed] < run.same_rule[seed]


@says(
    "For the plain features the first direction is a little better than the mean",
    "For all maps that know the class the plain sum is better",
    "for the first two of them by far",
    "both ways are nearly the same",
)
def _(run):
    for seed in SEEDS:
        direction, mean = run.sources[seed, "F"]
        assert mean < direction < mean + 1
        for text in ("G ∘ F", "ablation"):
            direction, total = run.sources[seed, text]
            assert total > 2 * direction
        direction, total = run.sources[seed, "groups"]
        assert direction < total < 1.15 * direction


@says(
    "Eigen-CAM is nearly the CAM of the *dog*",
    "it shows both animals",
    "there is no cat in the last two maps",
    "there the largest channel is tens of times the median one",
)
def _(run):
    if run.real_name is None:
        return
    assert run.spread["real"] > 15
    like = {" ".join(text.split()): r for text, r in run.real_like.items()}
    for text in ("Eigen-CAM", "Eigen-CAM, centred"):
        assert like[text][0] > 0.9
        assert like[text][1] < 0.2
    assert min(like["LaFAM"][:2]) > 0.4


@says(
    "The mosaic is the first with two blank maps",
    "only CAM answers all four questions",
    "The peak of Eigen-CAM lies on the frog here; its density is about the same on frog and fish",
)
def _(run):
    assert int(run.is_blank_of["seed 0"][run.n_last].sum()) == 2
    masks = run.mosaics.object_masks[run.n_last]
    F = run.features["seed 0"](run.mosaics.images[run.n_last : run.n_last + 1])
    for c in range(4):
        assert float(run.density(run.cam(run.first, F, c), masks[c : c + 1])) > 2
    M = run.camlite.up(run.eigen_cam(F).abs(), masks.shape[1:])[0]
    dense = [float(run.density(run.eigen_cam(F).abs(), mask[None])) for mask in masks]
    assert abs(dense[0] - dense[2]) < 0.4
    frog, *others = (float(M[mask.bool()].max()) for mask in masks)
    assert frog > 1.1 * max(others)


@says("a density of at most about 2. CAM has 6 to 8")
def _(run):
    turtle = run.mosaics.object_masks[:, 3]
    for seed in SEEDS:
        F = run.features[seed](run.mosaics.images)
        O = F.flatten(2).mT
        v = torch.linalg.svd(O, full_matrices=False).Vh[:, 1, :, None]
        M = (O @ v).reshape(len(F), *F.shape[2:])
        M = run.fix_sign(M, F)
        assert max(float(run.density(T, turtle).mean()) for T in (M, -M)) < 2.3
        assert 5.5 < run.on_animal[seed]["CAM"][3] < 8


@says("a direction has the weight $W_c \\cdot v_1$", "The mean drop is larger than the mean logit")
def _(run):
    assert run.drop_measured.mean() > run.logit + 0.2
    drop = (run.W[run.c] * run.v).sum(1) * run.L.mean(dim=(1, 2))
    assert torch.allclose(drop, run.drop_measured, atol=1e-3)
    assert run.off_drop > 1  # not answered yet
