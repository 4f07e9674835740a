"""Lesson 9: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says


def mean(fall, name):
    return float(fall[name].mean())


@says(
    "the whole logit, 3, comes from the place above on the left",
    "Grad-CAM shows nothing at all",
    "Grad-CAM gives it +0.5, exactly as much as the place that raises the logit by 3",
)
def _(run):
    assert run.Y_paper.tolist() == [3, 2]
    assert (run.M_paper[0] == 0).all()
    assert run.M_paper[1].tolist() == [[0.5, 0], [0, 0.5]]
    assert (run.G_paper * run.F_paper)[1, 0].tolist() == [[3, 0], [0, -1]]


@says("three convolutions and a pooling, 32 maps of 7×7")
def _(run):
    assert tuple(run.F_train.shape[1:]) == (32, 7, 7)


@says(
    "Grad-CAM gives about as much to the right digit as to the left one",
    "HiResCAM gives much less to the right, but not nothing",
)
def _(run):
    assert run.left_right > 0.9
    assert 0.37 < run.grad_right < 0.6
    assert 0.02 < run.hires_right < 0.3
    right = run.M_grad.relu()[:, :, 4:].sum()
    assert 0.7 < right / run.M_grad.relu()[:, :, :3].sum() < 1.4


@says("Some maps of Grad-CAM have no positive cell", "why HiResCAM cannot do that here")
def _(run):
    assert run.empty[0] > 0
    assert run.empty[1] == 0


@says(
    "the logit moves four times as much as without the right one, or more",
    "Compare the last column with the share of HiResCAM: they are close",
    "For some pairs it raises the logit, for others it lowers it",
)
def _(run):
    assert len(run.six) == 6
    for of_grad, of_hires, without_right, without_left in run.six.values():
        assert without_left > 3.5 * without_right
        assert abs(without_right / (without_right + without_left) - of_hires) < 0.06
        assert of_hires < of_grad - 0.12
    c, rows = run.c_same, torch.arange(len(run.c_same))
    logits = [
        run.head(run.trunk(x))[rows, c]
        for x in (run.X_same, run.without(run.X_same, slice(14, 28)))
    ]
    rises = (logits[0] > logits[1]).float().mean()
    assert 0.2 < rises < 0.8


@says(
    "the network has lost its digit, and either map may be the negative one",
    "HiResCAM's cells still matter more",
)
def _(run):
    assert run.free_alike.mean() < -0.95
    assert run.Y_free.mean() < 0.6 * run.Y.mean() or run.Y_free.mean() < 3
    assert min(run.free_below) >= 5
    assert mean(run.free_fall, "HiResCAM") > mean(run.free_fall, "Grad-CAM") + 0.4


@says("the logit *rises*, on average", "agrees with the experiment")
def _(run):
    assert run.falls.mean() < -0.3
    assert run.net_right.mean() < -0.3
    assert run.both > 0.9


@says("On ordinary test images its two maps nearly agree")
def _(run):
    assert run.plain_alike.mean() > 0.8
    assert run.plain_alike.median() > 0.8


@says(
    "the cosine goes down to almost −1",
    "the network is as sure of the digit as can be",
    'Where one map says "for", the other says "against"',
)
def _(run):
    assert run.built_alike.mean() < -0.95
    assert run.sure.mean() > 0.97
    assert run.in_vain > 0.95


@says("let each pixel move a little, between black and white")
def _(run):
    assert run.X_built.min() >= 0
    assert run.X_built.max() <= 1
    assert (run.X_built - run.X_plain[: run.count]).abs().mean() < 0.15


@says(
    "both maps point to places that matter, far above chance; the experiment sees no clear winner"
)
def _(run):
    fall = run.plain_fall
    for name in ("Grad-CAM", "HiResCAM"):
        assert mean(fall, name) > 2.5 * mean(fall, "chance")
    assert abs(mean(fall, "Grad-CAM") - mean(fall, "HiResCAM")) < 0.15 * mean(fall, "HiResCAM")


@says(
    "Grad-CAM's cells matter hardly more than cells taken by chance, or even less",
    "HiResCAM's matter more",
)
def _(run):
    fall = run.built_fall
    assert mean(fall, "Grad-CAM") < mean(fall, "chance") + 1
    more = 0.4 if run.fast else 1.5  # half as many images there
    assert mean(fall, "HiResCAM") > mean(fall, "chance") + more
    assert mean(fall, "HiResCAM") > mean(fall, "Grad-CAM") + more


@says("In the feature maps the logit even rises when Grad-CAM's cells are hidden")
def _(run):
    fall = run.built_fall_F
    assert mean(fall, "Grad-CAM") < -0.8
    assert mean(fall, "HiResCAM") > mean(fall, "chance") + 2


@says(
    "(a) is repaired: $w = 3$, and the used place gets 3",
    "both places get 1. The sum is 2",
)
def _(run):
    assert run.paper_x[0].tolist() == [[3, 0], [0, 0]]
    assert run.paper_x[1].tolist() == [[1, 0], [0, 1]]


@says("XGrad-CAM lights up the right digit as much as Grad-CAM did")
def _(run):
    assert run.xgrad_right > run.grad_right - 0.05
    assert run.xgrad_right > run.hires_right + 0.15


@says("Both HiResCAM and XGrad-CAM add up, to rounding; Grad-CAM misses most of the logit")
def _(run):
    assert run.gap_one["HiResCAM"] < 1e-4
    assert run.gap_one["XGrad-CAM"] < 1e-4
    assert run.gap_one["Grad-CAM"] > 2


@says("the logit falls by exactly the value of the map there")
def _(run):
    assert run.place_off < 1e-4


@says(
    "is the gap of HiResCAM still 0? Not with the bias of the last layer alone",
    "With $\\varepsilon$ the gap is 0 again",
)
def _(run):
    for name in ("HiResCAM", "XGrad-CAM"):
        last, with_ε = run.gap_two[name]
        assert last > 5e-3
        assert with_ε < 1e-4
    assert run.gap_two["Grad-CAM"][1] > 0.5


@says(
    "it violates both axioms less than Grad-CAM",
    "look at the bars of HiResCAM: they are the same",
)
def _(run):
    grad, xgrad, hires = (run.residuals[n] for n in ("Grad-CAM", "XGrad-CAM", "HiResCAM"))
    for axiom in ("conservation", "sensitivity"):
        assert xgrad[axiom].mean() < 0.6 * grad[axiom].mean()
        assert torch.allclose(xgrad[axiom], hires[axiom], atol=1e-3)


@says(
    "HiResCAM stays exactly the same",
    "Grad-CAM changes",
    "XGrad-CAM becomes another map: a few channels whose sum is close to 0 get huge weights",
)
def _(run):
    assert run.kept["HiResCAM"] > 0.9999
    assert run.kept["XGrad-CAM"] < 0.5 < run.kept["Grad-CAM"] < 0.98
    before, after = run.signed["before it"], run.signed["after the ReLU"]
    assert before["w"].max() > 20 * after["w"].max()
    F = before["F"]
    ratio = F.sum((2, 3)).abs() / F.abs().sum((2, 3)).clamp_min(1e-12)
    assert ratio.flatten()[before["w"].argmax()] < 0.02


@says("its cells now matter clearly less than those of the other two")
def _(run):
    fall = run.signed["before it"]["fall"]
    assert mean(fall, "XGrad-CAM") < 0.85 * min(mean(fall, "Grad-CAM"), mean(fall, "HiResCAM"))


@says("They hold as well as before, to the last digit")
def _(run):
    before, after = (run.signed[t]["axioms"] for t in ("before it", "after the ReLU"))
    for axiom in before:
        assert abs(float(before[axiom].mean() - after[axiom].mean())) < 2e-3


@says("the spread is exactly 0", "the evidence on the wrong digit stays where it was")
def _(run):
    assert (
        run.look(run.mobile.features, run.mobile.classifier, run.X_gap, run.c_gap)[1]
        .std((2, 3))
        .max()
        < 1e-8
    )
    first = run.gap_right["Grad-CAM"]
    for name in ("HiResCAM", "XGrad-CAM", "Grad-CAM, G smoothed over 3×3"):
        assert run.gap_alike[name] > 0.9999
        assert abs(run.gap_right[name] - first) < 1e-3


@says("Only the noisy images give slightly other weights, and they repair nothing")
def _(run):
    name = "Grad-CAM, G of noisy images"
    assert 0.9 < run.gap_alike[name] < 0.9995
    assert run.gap_right[name] > run.gap_right["Grad-CAM"] - 0.03


@says("each has the cells of the layer, 7×7", "in about as many cells as with Grad-CAM")
def _(run):
    assert run.printed.count("cells (7, 7)") == 3
    assert abs(run.packed["HiResCAM"] - run.packed["Grad-CAM"]) < 1.5


@says("Both do what you have written")
def _(run):
    assert max(run.off_hires, run.off_xgrad) < 1e-4


@says(
    "At the end of features the three maps are one",
    "In the middle Grad-CAM and HiResCAM hardly agree",
    "HiResCAM's cells matter most",
    "matter about as much as cells taken by chance",
)
def _(run):
    if not run.real:
        return
    assert run.real_alike["features"] > 0.9999
    assert run.real_alike["features.13"] < 0.6
    if run.fast:  # four photographs
        return
    fall = run.real_fall
    assert mean(fall, "HiResCAM") > mean(fall, "Grad-CAM") + 0.5
    for name in ("Grad-CAM", "XGrad-CAM"):
        assert abs(mean(fall, name) - mean(fall, "chance")) < 1


@says("what one map calls evidence for, the other calls against")
def _(run):
    shown = run.built_grad[run.some] * run.built_hires[run.some]
    assert (shown <= 0).float().mean() > 0.9


@says("the strongest tenth of the cells is painted black in the image")
def _(run):
    left, built, gap = run.last_falls.values()
    assert mean(left, "HiResCAM") > max(mean(left, "Grad-CAM"), mean(left, "XGrad-CAM")) + 0.4
    assert mean(built, "HiResCAM") > mean(built, "Grad-CAM") + 0.4
    assert abs(mean(gap, "HiResCAM") - mean(gap, "Grad-CAM")) < 1e-2


@says(
    'torch.einsum("nkxy,nkxy->nxy", W[c_same], F_left)',
    "it is the CAM of lesson 3, divided by $Z$",
)
def _(run):
    cam_flat = torch.einsum("nkxy,nkxy->nxy", run.W[run.c_same], run.F_left)
    assert torch.allclose(cam_flat, run.hires_cam(run.F_left, run.G_left), atol=1e-5)
    assert run.off > 0.1  # not answered yet
