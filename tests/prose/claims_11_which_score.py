"""Lesson 11: what it says about its own output."""

from __future__ import annotations

import math

import torch

from tests.prose import says


@says("The logit does not know its rivals: their numbers are 0", "Their rows have the sum 0")
def _(run):
    logit, prob, log_prob = run.slopes.values()
    assert logit.tolist() == [1, 0, 0]
    for row in (prob, log_prob):
        assert abs(float(row.sum())) < 1e-6
        assert row[0] > 0 > row[2] > row[1]
    p = run.S.detach().softmax(1)[0]
    assert torch.allclose(prob, p[0] * log_prob)
    assert [round(float(v), 2) for v in p] == [0.67, 0.24, 0.09]


@says("The first way gives −∞, and a gradient of NaN")
def _(run):
    value, slope = run.trap["softmax, then log"]
    assert value == -math.inf
    assert math.isnan(slope[0])
    value, slope = run.trap["log_softmax"]
    assert value == -120
    assert slope[:2] == [-1, 1]


@says("Probability and log-probability have the same map, up to the factor $P_c$")
def _(run):
    assert run.factor_off < 1e-6
    prob, log_prob, logit = (run.maps[kind, 0] for kind in ("prob", "log_prob", "logit"))
    assert run.like(prob, log_prob).min() > 0.9999
    assert run.like(logit, log_prob).min() < 0.98


@says(
    "both softmax scores have nearly nothing to say",
    "there its map is even larger than that of the logit",
)
def _(run):
    for kind in ("prob", "log_prob"):
        assert run.sizes["the answer", kind] < 0.05 * run.sizes["the answer", "logit"]
    assert run.sizes["the last", "prob"] < 0.05 * run.sizes["the last", "logit"]
    assert run.sizes["the last", "log_prob"] > run.sizes["the last", "logit"]


@says(
    "the two softmax maps stay, and the logit's map of frog has become, number by number, the old "
    "map of bird",
    "Both networks give the same probabilities to every picture",
)
def _(run):
    assert run.P_shift < 1e-5
    assert run.moved["prob"] < 1e-3
    assert run.moved["log_prob"] < 1e-3
    assert run.moved["logit"] > 0.5
    assert run.became_bird < 1e-5


@says("four times as dense as in a flat map")
def _(run):
    for on_frog, on_bird, *_ in run.signs.values():
        assert 3.4 < on_frog < 5
        assert on_bird < 0.5


@says(
    "some of it lies on the bird, some on the grounds, and it is only half alike to what speaks "
    "for the bird",
    "With the log-probability both questions become nearly one",
    "With the lead they are one, exactly",
)
def _(run):
    assert 1.5 < run.signs["logit"][3] < 3.3
    assert run.signs["log-probability"][3] > 1.4 * run.signs["logit"][3]
    assert 0.3 < run.mirror["logit"] < 0.65
    assert 0.88 < run.mirror["log-probability"] < 0.999
    assert run.mirror["lead"] > 0.99999


@says(
    "without the bird the logit of the frog rises in about three of four pictures, but by little: "
    "its mean change is a few hundredths",
    "Without the frog it falls by three, in every picture",
    "its strongest blue on the bird is about an eighth of its strongest red",
    "the lead of the frog grows clearly, in about nine of ten pictures",
)
def _(run):
    assert 0.66 < run.tested["logit"][0] < 0.84
    rise = run.three["logit"][0](run.without_bird) - run.three["logit"][0](run.before)
    fall = run.three["logit"][0](run.before) - run.three["logit"][0](run.without_frog)
    assert 0 < rise.mean() < 0.15
    assert (fall > 0).all()
    assert 2.8 < fall.mean() < 3.9
    assert 0.1 < run.blue < 0.15
    lead = run.three["lead"][0]
    assert (lead(run.without_bird) - lead(run.before)).mean() > 1
    assert 0.84 <= run.tested["lead"][0] <= 0.96
    assert run.tested["lead"][0] > run.tested["logit"][0]


@says(
    "about half, and never more",
    "the logit rises in most pictures",
    "it rises less often, and falls in the mean",
)
def _(run):
    assert 0.48 < (run.centre(run.noise) < 0).float().mean() <= 0.5
    for _, after in run.turned.values():
        assert 0.48 < after <= 0.5
    often, mean = run.erased["repaired", "against"]
    less, falls = run.erased["repaired", "only centred"]
    assert often > 0.7
    assert mean > 0
    assert less < often - 0.2
    assert falls < 0
    assert run.erased["biased", "only centred"][1] < 0


@says("for which nearly the whole picture speaks for the class")
def _(run):
    assert run.turned["biased"][0] < 0.1


@says(
    "by construction there is no blue for five of them",
    "Grad-CAM++ and LayerCAM cut off negative gradients",
    "their two maps are the same picture",
    "Before GAP this pattern has one sign, and camlite draws it as plus",
    "Ablation-CAM can be blue",
)
def _(run):
    none = {"grad_cam_plus_plus", "layer_cam", "lafam", "eigen_cam", "eigen_grad_cam"}
    for name in none:
        M = torch.cat([run.gallery[name, thing].flatten() for thing in run.asked])
        assert M.min() > -1e-6 * M.max()
    for name in set(run.signed_methods) - none:
        assert max(run.negative[name]) > 0
    for name in ("eigen_cam", "lafam"):
        first, second = (run.gallery[name, thing] for thing in run.asked)
        assert torch.equal(first, second)


@says("CAM, Grad-CAM, XGrad-CAM and HiResCAM are one map here")
def _(run):
    for thing in run.asked:
        grad = run.gallery["grad_cam", thing]
        for name in ("cam", "xgrad_cam", "hires_cam"):
            assert run.like(run.gallery[name, thing], grad) > 0.999


@says("draw the dog there in strong blue", "Grad-CAM++ and LayerCAM paint it red")
def _(run):
    if not run.real:
        return
    for name in ("grad_cam_plus_plus", "layer_cam"):
        M = run.gallery[name, "cat"][0]
        assert M[:3].max() > 0.55 * M.max()
    for name in ("finer_cam", "shapley_cam"):
        assert run.deepest[name, "cat"] > 0.5
    for name in ("cam", "grad_cam", "xgrad_cam", "hires_cam"):
        assert run.deepest[name, "cat"] < 0.15


@says("Finer-CAM's map of the dog is bright red on the cat")
def _(run):
    if not run.real:
        return
    M = run.gallery["finer_cam", "dog"][0]
    assert M[5:].max() > 0.8 * M.max()
    closest = run.big(run.z)[0].topk(4).indices.tolist()
    assert closest[0] == run.asked["dog"]
    assert run.asked["cat"] not in closest


@says(
    "for the dog's logit the neck is warm, a little",
    "For its lead over the second class, another breed of dog, it is very warm",
    "For its lead over the cat it is cold",
    "blurring the neck moves all three scores a little, in the same direction, and several boxes "
    "of the grid move them as much or more",
)
def _(run):
    if not run.real:
        return
    dog, other, cat = run.at_neck.values()
    assert 0.03 < dog[0] < 0.3
    assert other[0] > 0.4
    assert cat[0] < -0.15
    assert all(-1 < change < 0 for _, change, _ in run.at_neck.values())
    assert all(larger >= 3 for *_, larger in run.at_neck.values())


@says(
    "with the weights held fixed",
    "in network 2 they are hardly alike",
    "its gradient is about (1, −1.09, +0.09)",
    "What Finer-CAM adds: you name the rival",
)
def _(run):
    assert run.identity_off < 1e-10
    assert run.finer_off < 1e-5
    assert min(run.through_p[:2]) > 0.8
    assert run.through_p[2] < 0.7
    S = torch.tensor([[6.0, 4.0, 1.0]], requires_grad=True)
    slope = torch.autograd.grad(run.contrast_score(S, 0, [1, 2], 1.0).sum(), S)[0][0]
    assert torch.allclose(slope, torch.tensor([1, -1.09, 0.09]), atol=0.005)


@says("most of what is left belongs to the other animal")
def _(run):
    assert min(run.rivals_share["the other animal"]) > 0.7
    for seed in run.seeds:
        assert run.on_part["log-probability", seed][0] < run.on_part["logit", seed][0]


@says(
    "Rather than the look-alike: most on the mark, less on the rest",
    "Rather than the other animal: less on the mark, more on the rest",
)
def _(run):
    contrast, other = (run.mean_of[f"{text}, α = 1"] for text in ("look-alike", "other animal"))
    assert contrast[0] > other[0] + 1
    assert contrast[1] < other[1] - 0.3
    assert max(run.times, key=run.times.get).startswith("look-alike")
    assert min(run.times, key=run.times.get) == "other animal, α = 1"


@says(
    "In each row more of the evidence is inside of the line in the third column than in the last",
    "In networks 0 and 2 the third column hardly gains on the second one; the last column loses in "
    "all three",
)
def _(run):
    for n in run.chosen:
        look, other = (run.dense[f"{text}, α = 1"][n] for text in ("look-alike", "other animal"))
        assert look[0] > other[0]
        assert look[1] < other[1]
    for seed in run.seeds:
        logit, look, other = (run.on_part[text, seed][0] for text in run.show_kinds)
        assert other < logit - 0.8
        assert seed == 1 or abs(look - logit) < 0.5


@says(
    "Network 1** knows every animal",
    "the contrast drops what the look-alikes share",
    "mixes up birds and fish, about one animal in five",
    "its contrast hardly gains: less on the rest, but no more on the mark",
    "the contrast is the same map",
)
def _(run):
    assert run.knows[1] > 0.98
    assert 0.7 < run.knows[2] < 0.9
    logit, contrast = (
        [run.on_part[text, s] for s in run.seeds] for text in ("logit", "look-alike, α = 1")
    )
    assert contrast[1][0] > logit[1][0] + 0.8
    assert contrast[1][1] < logit[1][1] - 0.4
    assert abs(contrast[0][0] - logit[0][0]) < 0.5
    assert contrast[0][1] < logit[0][1]
    assert run.like(run.found["logit", 2], run.found["look-alike, α = 1", 2]).mean() > 0.9


@says("It proves that the mark decides between the look-alikes")
def _(run):
    assert min(run.knows) > 0.7
    assert min(run.follows) > 0.65
    assert min(run.follows[:2]) > 0.9


@says("still this map is densest on the mark")
def _(run):
    on_mark, on_rest = run.mean_of["other animal, α = 1"]
    assert on_mark > 1.5 * on_rest


@says(
    "the contrast with the look-alike changes its sign",
    "The contrast with the other animal keeps its sign in all three networks, and nearly all of "
    "its size in network 1",
    "The logit changes its sign too",
)
def _(run):
    for text in ("look-alike, α = 1", "logit"):
        assert all(before > 0 > after for before, after in run.noticed[text])
    assert all(before > 0 < after for before, after in run.noticed["other animal, α = 1"])
    before, after = run.noticed["other animal, α = 1"][1]
    assert 0.8 * before < after <= before


@says(
    "only for the logit, with ReLUs",
    "The logarithm of a softmax is curved, and so is Hardswish; there the term is not 0",
)
def _(run):
    assert run.second["flatten", "logit"] < 1e-6
    for which, value in run.second.items():
        assert which == ("flatten", "logit") or value > 1e-3


@says("w = (weight_of[1] - weight_of[0]) / (12 * 24)")
def _(run):
    with torch.no_grad():
        F = run.pond.features(run.pairs)
    w = (run.weight_of[1] - run.weight_of[0]) / (12 * 24)
    counterfactual = torch.einsum("k,nkxy->nxy", w, F).relu()
    assert torch.allclose(counterfactual, run.wanted, atol=1e-6)
    assert run.wanted.max() > 1e-2
