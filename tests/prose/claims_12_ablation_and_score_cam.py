"""Lesson 12: what it says about its own output."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch.utils.flop_counter import FlopCounterMode

import camlite
from tests.prose import says

SOFTMAX = ("probability, softmax", "logit, softmax (Alg. 1)")
WITHOUT = ("probability (authors' code)", "logit − fill (Eq. 6, 10)")
EQUATION = "logit − fill (Eq. 6, 10)"


# ------------------------------------------------------------------ part 1


@says("The experiment gives the true contribution, to the last digits")
def _(run):
    assert run.difference < 1e-5 * run.contribution.abs().max()


@says("in each image many channels are silent", "Without them nothing changes: their weight is 0")
def _(run):
    assert all(count > 30 for count in run.silent.tolist())
    F = run.digit_features(run.images[:1])
    w = run.ablation_weights(run.digit_classifier, F, run.net(run.images[:1]).argmax(1))
    assert not w[F.flatten(2).amax(2) == 0].any()


@says("Ablation-CAM is not CAM")
def _(run):
    for _, maps in run.maps_of.values():
        assert run.correlation(maps["CAM"], maps["Ablation-CAM, divided by |y|"]) < 0.99


@says("Strong channels get stronger", "each channel is multiplied by its own mean once more")
def _(run):
    by_hand = run.contribution / run.y.abs()
    assert torch.allclose(run.w, by_hand, atol=1e-5)


@says("The paper's quotient turns all colours of the second row around")
def _(run):
    logit, maps = run.maps_of["least likely class"]
    assert logit < 0
    assert torch.allclose(maps["the paper's, divided by y"], -maps["Ablation-CAM, divided by |y|"])


@says('as camlite.split(model, "layer4") does, and camlite.ablation_cam works')
def _(run):
    resnet = torchvision.models.resnet18(weights=None).eval()
    assert camlite.ablation_cam(resnet, "layer4", torch.rand(1, 3, 64, 64), 3).shape == (1, 2, 2)


# ------------------------------------------------------------------ part 2


@says("every animal stood on every ground, and on plain grey too")
def _(run):
    varied = run.scenes("pond", "varied", 200)
    assert "grey" in [varied.background_names[b] for b in varied.backgrounds]
    assert len(set(varied.groups.tolist())) == len(varied.group_names)


@says("With the other order no pixel of the mask reaches 1")
def _(run):
    assert run.right_order.max() == 1
    assert run.other_order.max() < 0.9


@says("all channels get the same, for every image and for every class")
def _(run):
    assert run.C_article.abs().max() == 0
    others = run.as_in_the_article(run.f, run.x, run.H, (run.c + 1) % 4, run.black)
    assert others.abs().max() == 0


@says("Nothing is left of it: $C$ moves, the weights do not")
def _(run):
    assert max(run.changes.values()) < 1e-4
    means = [
        float(run.increase_of_confidence(run.f, run.x, run.H, run.c, b).mean())
        for b in run.baselines.values()
    ]
    assert max(means) - min(means) > 1


# ------------------------------------------------------------------ part 3


@says("On black, all 96 animals are called bird")
def _(run):
    assert run.called["black"] == {"frog": 0, "bird": 96, "fish": 0, "turtle": 0}


@says(
    "black itself is a bird",
    "with a larger logit than a real animal usually gets",
    "black is a bird",
)
def _(run):
    logits = run.says_to_nothing["black"]
    assert run.animals[int(logits.argmax())] == "bird"
    assert logits.softmax(0).max() > 0.99
    assert logits.max() > 2 * run.usual


@says("On the mean colour the same outlines are nearly all recognised")
def _(run):
    assert run.recognised["mean colour"] > 0.95


@says("White is in between")
def _(run):
    assert 0.5 < run.recognised["white"] < 0.9
    assert run.recognised["black"] < 0.3


@says("this colour is close to the plain grey ground")
def _(run):
    grey = run.scenes("pond", "object_on_grey", 4).images[:, :, 0, 0].mean(0)
    assert (grey - run.mean_colour[:, 0, 0]).abs().max() < 0.15


@says("A map that knows nothing has 0.5")
def _(run):
    assert run.shares["mean of all maps"] == pytest.approx(0.5, abs=0.005)


@says("Score-CAM is far behind CAM, whatever the variant")
def _(run):
    assert all(run.shares[v, "black"] < run.shares["CAM"] - 0.15 for v in run.variants)


@says("with Equations 6 and 10 it comes near to CAM", "there CAM is first")
def _(run):
    assert 0 < run.shares["CAM"] - run.shares[EQUATION, "mean colour"] < 0.08


@says("Most of the case against that Score-CAM was our black")
def _(run):
    black, mean = (run.shares["CAM"] - run.shares[EQUATION, t] for t in run.masked)
    assert mean < 0.5 * black


@says("Without softmax over channels, both the fill and the variant move it a lot")
def _(run):
    for variant in WITHOUT:
        assert run.shares[variant, "mean colour"] - run.shares[variant, "black"] > 0.06
    assert run.shares[WITHOUT[1], "mean colour"] - run.shares[WITHOUT[0], "mean colour"] > 0.1


@says("Where the softmax stands, the fill changes little")
def _(run):
    for v in SOFTMAX:
        assert abs(run.shares[v, "mean colour"] - run.shares[v, "black"]) < 0.05


@says("So nearly all channels share the weight, and the map is almost the mean of all maps")
def _(run):
    assert run.K_eff[SOFTMAX[0], "mean colour"] > 60
    M = run.maps[SOFTMAX[0], "mean colour"]
    alike = [run.correlation(a, b) for a, b in zip(M, run.maps["mean of all maps"], strict=True)]
    assert sum(alike) / len(alike) > 0.98


@says("the same picture for both animals")
def _(run):
    assert run.correlation(run.of_frog, run.of_rival) > 0.98


@says("most weights are negative, and many maps are blank; the table says how many")
def _(run):
    variant = "logit − whole image"
    weights = run.all_variants(run.masked["black"], run.fills["black"], run.left)[variant]
    assert (weights[run.alive] < 0).float().mean() > 0.5
    assert min(run.blank[variant, t] for t in run.masked) > run.N  # more than half of 2 N
    assert all(run.blank[v, t] == 0 for v in SOFTMAX for t in run.masked)


@says("Here it says the same as our table")
def _(run):
    assert max(run.library_differences.values()) < 1e-3
    assert run.difference_to_library < 1e-4


@says("with the mean colour the order fits far better")
def _(run):
    black, mean = (run.agreements["pond", t][0] for t in run.masked)
    assert mean > black + 0.2


@says("For the digits there is no relation at all", "on the digits, no")
def _(run):
    assert abs(run.agreements[run.name, "black"][0]) < 0.12


@says("through most of these windows the network says what it says to the fill alone")
def _(run):
    assert min(same for _, same in run.agreements.values()) > 0.5


@says("their ground is black")
def _(run):
    assert run.images.median() == 0


@says("With black the measure is useless: a random map is as good as CAM")
def _(run):
    assert run.drops["random", "black"] <= run.drops["CAM", "black"] + 0.5


@says("Three of four animals lose everything", "and the birds lose nothing")
def _(run):
    assert run.drops["CAM", "black"] == pytest.approx(75, abs=1.5)
    assert (run.c_singles != 1).float().mean() == pytest.approx(0.75, abs=0.02)


@says("With the mean colour the random map is last")
def _(run):
    drops = {text: d for (text, fill), d in run.drops.items() if fill == "mean colour"}
    assert max(drops, key=drops.get) == "random"
    assert drops["random"] - sorted(drops.values())[-2] > 10


@says("has a lower drop than CAM: what the paper reports, in small")
def _(run):
    fair = "Score-CAM, mean colour"
    assert run.drops[fair, "mean colour"] < run.drops["CAM", "mean colour"] - 2


@says("the mean of all maps, which knows nothing of the class, is nearly as good as CAM")
def _(run):
    drops = [run.drops[m, "mean colour"] for m in ("mean of all maps", "CAM")]
    assert abs(drops[0] - drops[1]) < 4


@says(
    "with black and with the mean colour the maps are nearly the same, the dog's map and the cat's "
    "map are far apart, and Algorithm 1 is close to CAM",
    "dog and cat are told apart with either fill",
)
def _(run):
    if run.data == "digits":  # no real weights there: the lesson says so
        assert "no real network and photograph at hand" in run.printed
    elif run.real_name == "mobilenet_v2":
        assert run.between > 0.9
        assert run.near_cam > 0.9
        assert max(run.real_apart.values()) < 0


@says("To this network a black picture is no animal, and it is not sure of it")
def _(run):
    if getattr(run, "real_name", None) == "mobilenet_v2":
        assert run.p_black.argmax() >= 398  # ImageNet's animals are the classes below
        assert run.p_black.max() < 0.5


@says("Half of the channels can go, and nothing changes")
def _(run):
    assert run.curve[32][0] > 0.96


@says("With 8 it is another map, and not a better one")
def _(run):
    assert run.curve[8][0] < 0.85
    assert run.curve[8][1] < run.curve[64][1] - 0.05


@says("it is the bird that suffers: most blank maps ask for it")
def _(run):
    blanks = int(run.empty_maps.sum())
    assert blanks == run.blank[EQUATION, "black"] > 0
    assert run.blank_birds > 0.5 * blanks
    assert run.blank_birds / blanks > 1.5 * run.asked_for.count("bird") / (2 * run.N)


def forwards(run, method):
    """What one map costs, counted in operations: a busy machine's clock proves nothing."""
    image, c = run.eight[:1], run.asked_first[:1]

    def operations(call, *args):
        with FlopCounterMode(display=False) as counter:
            call(*args)
        return counter.get_total_flops()

    one = operations(run.f, image)
    return operations(run.methods[method], run.f, "features", image, c) / one


@says("Ablation-CAM is cheap here")
def _(run):
    assert forwards(run, "Ablation-CAM") < 3
    assert 0 < run.costs["Ablation-CAM"] < run.costs["Score-CAM"]


@says("64 runs of the whole network here")
def _(run):
    assert run.K == 64
    silent = int((run.f.features(run.eight[:1]).flatten(2).amax(2) == 0).sum())
    assert silent < run.K / 2  # their masks are constant, and left out
    assert run.K - silent <= forwards(run, "Score-CAM") < run.K + 8  # and its checks


@says("α_by_hand = f.classifier.weight[c] / F[0, 0].numel()")
def _(run):
    α_by_hand = run.f.classifier.weight[run.c] / run.F[0, 0].numel()
    ours = run.signed_map(α_by_hand, run.F).relu()
    assert torch.allclose(ours, run.by_gradient, atol=1e-4 * float(run.by_gradient.max()))
    assert run.off == run.by_gradient.max()  # not answered yet
