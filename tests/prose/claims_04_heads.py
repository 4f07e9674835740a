"""Lesson 4: what it says about its own output."""

from __future__ import annotations

import torch
from torch import nn

from tests.prose import says


def mean_gap(scores):
    """Training minus test accuracy, for each seed."""
    return scores[:, 0] - scores[:, 1]


@says("In AlexNet and VGG nearly all parameters stand in the linear layers")
def _(run):
    assert min(run.famous["alexnet"], run.famous["vgg16"]) > 0.85
    assert max(run.famous["resnet50"], run.famous["densenet121"]) < 0.15


@says("The flattening head makes a network with three times as many parameters")
def _(run):
    sizes = {head: size + run.trunk_size for head, size in run.head_size.items()}
    others = [size for head, size in sizes.items() if head != "flatten"]
    assert all(2.9 <= sizes["flatten"] / size <= 3.3 for size in others)


@says("Its gap is much larger than that of GAP and one linear layer, for every seed")
def _(run):
    assert (mean_gap(run.scores["flatten"]) > mean_gap(run.scores["gap_linear"]) + 0.04).all()


@says("GMP is better on new pictures than GAP here", "knows nearly all of its training pictures")
def _(run):
    assert (run.scores["gmp_linear"][:, 1] > run.scores["gap_linear"][:, 1]).all()
    assert run.scores["gmp_linear"][:, 0].mean() > 0.93


@says("It has exactly as many parameters as GAP")
def _(run):
    assert run.head_size["gmp_linear"] == run.head_size["gap_linear"]


@says("GAP is not good on the training pictures either", "not good on the training pictures either")
def _(run):
    for head in ("gap_linear", "gap_two_linears"):
        assert run.scores[head][:, 0].mean() < run.scores["gmp_linear"][:, 0].mean() - 0.03


@says("flatten wins now", "its gap has become much smaller")
def _(run):
    flat, gap = run.still_scores["flatten"], run.still_scores["gap_linear"]
    assert (flat[:, 1] > gap[:, 1] + 0.01).all()
    assert mean_gap(flat).mean() < 0.75 * mean_gap(run.scores["flatten"]).mean()


@says(
    "With enough pictures the four heads are nearly the same",
    "are one picture of 360: nothing; flatten has a few errors more",
)
def _(run):
    assert min(run.long_scores.values()) > 0.96
    others = [v for head, v in run.long_scores.items() if head != "flatten"]
    assert run.long_scores["flatten"] < min(others)
    assert 360 * (max(others) - min(others)) < 1.5


@says("They have learned from 8622 pictures, 20 times as many")
def _(run):
    pictures = len(run.learned_small) * 6
    assert pictures == 8622
    assert run.fast or round(pictures / len(run.images), -1) == 20


@says(
    "only GAP with one linear layer, of the four", "flatten with one linear layer adds up as well"
)
def _(run):
    assert max(run.added["gap_linear"], run.added["flatten, one linear"]) < 1e-4
    assert min(run.added[h] for h in ("gmp_linear", "flatten", "gap_two_linears")) > 0.03


@says("this is a property of the head, not of its weights")
def _(run):
    torch.manual_seed(5)
    for model in run.long.values():
        head = model.classifier
        untrained = [nn.Linear(m.in_features, m.out_features) for m in head if hasattr(m, "weight")]
        layers = [untrained.pop(0) if hasattr(m, "weight") else m for m in head]
        adds_up = run.not_added_up(nn.Sequential(*layers)) < 1e-4
        assert adds_up == (model is run.gap_net)


@says("One colleague gets a map. The other three get an error")
def _(run):
    assert list(run.refused) == ["gmp_linear", "flatten", "gap_two_linears"]
    assert abs(run.with_bias - run.gap_net(run.two)[0, 3].item()) < 1e-3


@says("A yes", "B yes", "C no", "D camlite refuses", "E yes", "F no: a maximum", "G no", "H no")
def _(run):
    yes = [letter for letter, verdict in run.verdicts.items() if verdict == "map"]
    assert yes == ["A", "B", "E"]
    assert len(run.verdicts) == 8


@says("with $W = W_2 W_1$ there is a map")
def _(run):
    assert run.off_product < 1e-5


@says("B has a condition")
def _(run):
    assert run.answer_of_cam(run.B_early) == "refused"
    assert 0.1 < run.negative < 0.9


@says("its mean is not the score", "So of each channel only one place counts")
def _(run):
    c = torch.tensor([3])
    _, b = run.weights_of(run.gmp_net)
    logit = run.gmp_net(run.two)[0, 3].item()
    assert abs(float(run.formula_map(run.gmp_net, run.two, c).mean() + b[3]) - logit) > 1
    assert abs(float(run.dots_map(run.gmp_net, run.two, c).sum() + b[3]) - logit) < 1e-3


@says("GAP's map has more of its evidence on the right digit and covers more of it")
def _(run):
    (inside, covered, miss, _), (inside_gmp, covered_gmp, miss_gmp, _) = run.localised.values()
    assert inside > inside_gmp + 0.1
    assert covered > covered_gmp + 0.2
    assert miss < 1e-4 < 1 < miss_gmp


@says("Every GAP network covers more of its digits than every GMP network")
def _(run):
    gap, gmp = (run.coverage[head][:, 0] for head in ("gap_linear", "gmp_linear"))
    assert gap.min() > gmp.max() + 0.02


@says("they light up more of the *picture*, too", "lie on the digit as well as GAP's, or better")
def _(run):
    gap, gmp = (run.coverage[head] for head in ("gap_linear", "gmp_linear"))
    assert gap[:, 1].mean() > 1.2 * gmp[:, 1].mean()
    gap_aims, gmp_aims = (float((one[:, 0] / one[:, 1]).mean()) for one in (gap, gmp))
    assert gmp_aims > 0.95 * gap_aims


@says("On our digits the difference is larger than there")
def _(run):
    assert run.localised["GAP"][0] - run.localised["GMP"][0] > 0.05


@says("No probability of any picture has changed", "the new map of the 3 is the old map of the 8")
def _(run):
    assert run.p_change < 1e-4
    assert run.same_as_8 < 1e-3 * float(run.maps_old[8].abs().max())


@says("Both are complete: each explains its logit exactly")
def _(run):
    assert abs(run.mean_new - run.logit_new) < 1e-3


@says("Neither helps")
def _(run):
    assert min(run.moved_by.values()) > 0.3


@says("The difference map stays, and it is complete too")
def _(run):
    assert run.D_change < 1e-5
    assert abs(run.lead_map - run.lead) < 1e-3


@says("has left a mean row that is small beside the rows")
def _(run):
    assert float(run.mean_row.norm() / run.W.norm(dim=1).mean()) < 0.3


@says('In training mode the "frozen" trunk became another one')
def _(run):
    assert run.F_changes["eval"] == 0
    assert run.F_changes["train"] > 0.05


def errors(run, which, kind="in place"):
    """1 − accuracy for each seed: 0 of the network, 1 with a new head, 2 of the floor."""
    return 1 - torch.tensor([run.cost[kind, seed][which] for seed in run.SEEDS[:2]])


def errors_with(run, text):
    return 1 - torch.tensor(run.repaired[text])


@says("Where the digits move nothing is lost; also not after the long training")
def _(run):
    old, new, _ = (errors(run, which, "digits move") for which in range(3))
    assert (new < old + 0.02).all()
    assert abs(run.cost_long[0] - run.cost_long[1]) < 0.015


@says("the new head makes twice as many errors, or more. Only the place differs")
def _(run):
    assert (errors(run, 1) > 1.7 * errors(run, 0)).all()


@says("the random trunk with a new head is nearer to the trained one with a new head than the old")
def _(run):
    old, new, random = (errors(run, which).mean() for which in range(3))
    assert random - new < new - old


@says("the accuracy is repaired, and the network has a CAM", "many errors more, and a repair")
def _(run):
    old, new = errors(run, 0), errors(run, 1)
    star = errors_with(run, "two 3×3 convolutions")
    assert (star < new - 0.03).all()
    assert (new - star > 0.8 * (new - old)).all()


@says("Convolutions of 1×1 do not repair it")
def _(run):
    assert (errors_with(run, "two 1×1 convolutions") > 1.4 * errors(run, 0)).all()


@says("on a **random** trunk the two convolutions do most of the repair as well")
def _(run):
    new = errors(run, 1).mean()
    star, on_random = (
        errors_with(run, text).mean()
        for text in ("two 3×3 convolutions", "the same on a random trunk")
    )
    assert new - on_random > 0.55 * (new - star)


@says("two to three points for VGG and GoogLeNet, and 8.5 points for AlexNet", "comes down to 2.3")
def _(run):
    change = {(old, new): round(e - o, 1) for old, o, new, e in run.published}
    assert change["AlexNet", "AlexNet-GAP"] == 8.5
    assert change["AlexNet", "AlexNet*-GAP"] == 2.3
    assert change["VGGnet", "VGGnet-GAP"] == 2.2
    assert change["GoogLeNet", "GoogLeNet-GAP"] == 3.1
    assert all(value > 0 for value in change.values())


@says("Only 130 numbers learn")
def _(run):
    new = run.rail_nets["pond, on any ground"]
    assert sum(p.numel() for p in new.parameters() if p.requires_grad) == 130


def of_trunk(run, which, text):
    """Accuracy (0) or density (1) of the trunks whose name begins so."""
    return [value[which] for name, value in run.other_task.items() if name.startswith(text)]


@says("both trunks from the pond tell trains from cars, on more than 90 of 100 pictures")
def _(run):
    assert min(of_trunk(run, 0, "pond")) > 0.9
    assert of_trunk(run, 0, "railway")[0] > 0.97


@says("are far above the coin, and some of them are about as good")
def _(run):
    random = of_trunk(run, 0, "random")
    assert min(random) > 0.6
    assert max(random) > max(of_trunk(run, 0, "pond")) - 0.07


@says("more than twice as dense as a flat map", "it is spread over rails, road and sky")
def _(run):
    assert of_trunk(run, 1, "railway")[0] > 2.2
    assert max(of_trunk(run, 1, "pond")) < 2


@says("All five networks read digits")
def _(run):
    assert min(run.nets.accuracy(m, run.laid, run.small_labels) for m in run.last.values()) > 0.95


@says("the points lie on the line")
def _(run):
    for model in (run.gap_net, run.swapped):
        M = run.formula_map(model, run.both, run.asked)
        explained = M.mean((1, 2)) + run.weights_of(model)[1][run.asked]
        logits = model(run.both)[torch.arange(len(M)), run.asked]
        assert torch.allclose(explained, logits, atol=1e-3)


@says("the mean of its map stays near zero, whatever the logit is")
def _(run):
    M = run.formula_map(run.gmp_net, run.both, run.asked).mean((1, 2))
    logits = run.gmp_net(run.both)[torch.arange(len(M)), run.asked]
    assert M.abs().max() < 1
    assert logits.max() > 10


@says("M_flat = (W_flat.reshape(10, 32, 14, 14)[3] * F_any).sum(dim=1)", "What is left is rounding")
def _(run):
    M = (run.W_flat.reshape(10, 32, 14, 14)[3] * run.F_any).sum(dim=1)
    assert torch.allclose(M.sum((1, 2)) + run.b_flat[3], run.Y_flat, atol=1e-3)
    assert run.off_flat > 0.5  # not answered yet


@says("adds up to zero over the classes", "So plain gradient descent never moves the mean row")
def _(run):
    g = run.pooled(run.gap_net, run.learned[:300])
    for optimizer, stays in ((torch.optim.SGD, True), (torch.optim.Adam, False)):
        torch.manual_seed(0)
        linear = torch.nn.Linear(32, 10)
        before = linear.weight.detach().mean(0)
        steps = optimizer(linear.parameters(), lr=0.05)
        for _ in range(50):
            loss = torch.nn.functional.cross_entropy(linear(g), run.learned_labels[:300])
            steps.zero_grad()
            loss.backward()
            steps.step()
        moved = float((linear.weight.detach().mean(0) - before).norm())
        assert (moved < 1e-4) == stays
