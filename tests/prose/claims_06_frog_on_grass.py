"""Lesson 6: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says


@says("In the training set 95 of 100 animals are at home")
def _(run):
    at_home = (run.train.labels == run.train.backgrounds).float().mean()
    assert abs(float(at_home) - 0.95) < 0.01


@says("A good result")
def _(run):
    assert run.at_home_right > 0.98


@says("image number $i$ shows exactly the animal of image $i$ of matched")
def _(run):
    assert torch.equal(run.matched.labels, run.flipped.labels)
    assert torch.equal(run.matched.object_mask, run.flipped.object_mask)
    assert (run.matched.backgrounds != run.flipped.backgrounds).all()


@says("Some of these animals are brighter than their ground, some are a hole in it")
def _(run):
    first = run.density[:6]
    assert (first > 1.2).any()
    assert (first < 0.8).any()


@says("The ground has most of the energy")
def _(run):
    assert run.on_ground > 0.65


@says("A flat map, which tells nothing at all, has even more of its energy on the ground")
def _(run):
    assert run.flat_ground > run.on_ground


@says("most maps prefer the animal a little")
def _(run):
    assert (run.density > 1).float().mean() > 0.6
    assert 1 < run.density.mean() < 1.5


@says("Over all moved images the network is worse than guessing")
def _(run):
    assert run.moved_right < 0.24


@says("Our first test set showed us only the bright diagonal")
def _(run):
    home = torch.stack([run.table[i, i] for i in range(4)])
    assert home.min() > 0.95
    assert run.table[~torch.eye(4, dtype=torch.bool)].mean() < 0.3


@says("Of the moved frogs many are still known, of the other animals hardly any")
def _(run):
    frog, *others = (run.moved_by_class[c] for c in range(4))
    assert frog > 0.4
    assert sum(others) / 3 < 0.15
    assert max(others) < frog / 2


@says("On both together", "would look excellent (the first line below)")
def _(run):
    from sklearn.metrics import roc_auc_score

    assert roc_auc_score(run.both_failed, run.which_set) > 0.85


@says("In matched nearly all images are right, in flipped nearly all fail")
def _(run):
    assert run.at_home_right > 0.98
    assert run.failed.float().mean() > 0.75


@says("The gap foretells the mistakes almost perfectly")
def _(run):
    assert run.auc > 0.97


@says("has a hole where the frog is, and the gap is near +1")
def _(run):
    assert run.gap[run.failed].mean() > 0.8
    assert run.gap[run.failed & run.frog].mean() > 0.7


@says("nearly all of their evidence lies on the animal", "Nearly all of them are frogs")
def _(run):
    right = ~run.failed
    assert run.gap[right].mean() < -0.7
    assert run.frog[right].float().mean() > 0.65


@says("Not one blue frog is a frog")
def _(run):
    assert run.called_frog["as it is"][0] >= 10
    assert run.called_frog["painted blue"][0] == 0


@says("with green paint more of the other animals are called frog, but far from all")
def _(run):
    others = int((~run.frog & run.away).sum())
    plain, green = run.called_frog["as it is"][1], run.called_frog["painted green"][1]
    assert plain < green < 0.6 * others


@says("most answers went with the ground", "the answer hardly noticed")
def _(run):
    assert run.to_ground > 0.7
    assert run.survives > 0.9


@says("the accuracy at home is high for both")
def _(run):
    assert min(run.before["accuracy, matched"], run.after["accuracy, matched"]) > 0.95


@says("On flipped and in the worst group the repair helps very much")
def _(run):
    for line in ("accuracy, flipped", "accuracy, worst group"):
        assert run.after[line] > run.before[line] + 0.5


@says("The answer no longer follows the ground", "is about as often the same as by chance")
def _(run):
    assert run.after["moved: follows the ground"] < 0.1
    assert run.after["erased: same answer"] < 0.4


@says("The evidence moves onto the animal: two to three times as dense as a flat map")
def _(run):
    assert 2 <= run.after["... divided by its area"] <= 3.2
    assert run.before["... divided by its area"] < 1.5


@says("Plain grey was in the varied set")
def _(run):
    assert run.after["accuracy, plain grey"] > 0.95
    assert run.before["accuracy, plain grey"] < 0.6


@says("It did on the photograph and on plain colours")
def _(run):
    for ground in ("a photograph", "plain colours"):
        assert run.after[f"accuracy, {ground}"] > run.before[f"accuracy, {ground}"] + 0.15


@says("the accuracy even falls there")
def _(run):
    assert run.after["accuracy, a railway"] < run.before["accuracy, a railway"]


@says("painted blue, many animals are strangers even to the repaired network")
def _(run):
    assert run.after["flipped, painted blue"] < 0.7 < run.after["accuracy, flipped"]


@says("the two classes differ by less than 0.1", "only the vehicles are left")
def _(run):
    for name, table in run.tables.items():
        difference = (table[0] - table[1]).abs()
        assert (difference[4:] < 0.1).all()
        assert (difference[:2] > 0.9).all()
        assert (difference[2:4] > 0.8).all() if name == "biased training set" else True
    assert (difference[2:4] < 0.1).all()


@says("twice as dense as that on the track, and not denser on the vehicle")
def _(run):
    on_vehicle, on_track, moved = run.rail_numbers["biased"]
    assert 1.6 < on_track < 2.5
    assert on_vehicle < 1.1
    assert moved > 0.8


@says("After the repair it is the other way round")
def _(run):
    on_vehicle, on_track, moved = run.rail_numbers["repaired"]
    assert on_vehicle > 2
    assert on_track < 1
    assert moved < 0.1


@says("The track is about as large as the vehicle, so a flat map would have a gap near 0")
def _(run):
    assert abs(float(run.track_area - run.rail_area)) < 0.1


@says("(We chose mistakes of the biased network, so the middle row is wrong everywhere")
def _(run):
    for old, _, scenes, n in run.shown:
        one = scenes.images[n : n + 1]
        assert run.answers(old, one).argmax(1)[0] != scenes.labels[n]


def on_object(run, model, scenes, n):
    one, mask = scenes.images[n : n + 1], scenes.object_mask[n : n + 1]
    M = run.maps(model, one, run.answers(model, one).argmax(1))
    return float(run.energy_inside(M, mask))


@says("In most columns of the middle row the evidence lies around the object")
def _(run):
    assert sum(on_object(run, old, scenes, n) < 0.3 for old, _, scenes, n in run.shown) >= 4


@says("In most columns of the last row more of it lies on the object than before")
def _(run):
    more = [
        on_object(run, new, scenes, n) > on_object(run, old, scenes, n) + 0.05
        for old, new, scenes, n in run.shown
    ]
    assert sum(more) >= 4


@says(
    "by_animal = (raw * on).mean(dim=(1, 2))",
    "by_ground = (raw * (1 - on)).mean(dim=(1, 2))",
    "The difference to the logit is rounding only",
    "away from home, the ground speaks against the true class",
)
def _(run):
    by_animal = (run.raw * run.on).mean(dim=(1, 2))
    by_ground = (run.raw * (1 - run.on)).mean(dim=(1, 2))
    assert torch.allclose(by_animal + by_ground + run.by_bias, run.of_truth, atol=1e-4)
    assert by_ground.mean() < -0.5
    assert run.off > 1  # not answered yet
