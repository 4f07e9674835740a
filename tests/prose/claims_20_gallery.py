"""Lesson 20: what it says about its own output."""

from __future__ import annotations

import torch

import camlite
from camlite.data import digits
from tests.prose import says


def real(run):
    return bool(run.real)


@says("camlite has more than thirty methods")
def _(run):
    assert len(camlite.METHODS) > 30


@says("the usual networks, trained on the 1000 classes of ImageNet, have no class person")
def _(run):
    if real(run):
        assert len(run.names) == 1000
        assert "person" not in run.names


@says("Their picture holds two digits, a three and an eight")
def _(run):
    _, labels = digits(train=False)
    for side, digit in ((slice(0, 14), 3), (slice(14, 28), 8)):
        part = run.two_digits[0, 0, side, side]
        assert part.max() > 0.5
        assert digit in labels
    assert (run.main == "gap_linear") == (not real(run))


@says("what it says where there is no CAM")
def _(run):
    assert "no CAM: CAM needs global average pooling" in run.printed


@says(
    "Grad-CAM, HiResCAM and XGrad-CAM agree, also for two linear layers and for the small network "
    "with SqueezeNet's head"
)
def _(run):
    for name, row in run.cosines.items():
        if name != "flatten":
            assert min(row["hires_cam"], row["xgrad_cam"]) > 0.9999, name


@says("so the gradient at the layer is the same at all places, whatever follows")
def _(run):
    for head, model in run.small.items():
        features, classifier = camlite.split(model, "features")
        with torch.enable_grad():
            F = features(run.two_digits).detach().requires_grad_()
            (G,) = torch.autograd.grad(classifier(F.clone())[0, 3], F)
        if head in ("gap_linear", "gap_two_linears"):
            assert torch.allclose(G, G.mean((2, 3), keepdim=True).expand_as(G), atol=1e-7)
        if head == "flatten":
            assert G.std((2, 3)).max() > 1e-3


@says("CAM asks for more: one linear layer, whose weights it can read")
def _(run):
    with_cam = {name for name, row in run.cosines.items() if row["cam"] is not None}
    assert with_cam & set(run.small) == {"gap_linear", "functional_relu"}
    assert all(run.cosines[name]["cam"] > 0.9999 for name in with_cam)


@says("Of all these heads only the flattening one tells the three apart")
def _(run):
    row = run.cosines["flatten"]
    assert row["hires_cam"] < 0.95
    assert row["xgrad_cam"] < 0.999


@says("The probability is nearly zero, and there is still a map, as bright as the others")
def _(run):
    assert run.largest_p[run.absent] < 1e-3
    for name in run.zoo:
        assert run.heat(run.answers[run.absent, name][1]).max() > 0.99


@says("the networks do not agree where the evidence is")
def _(run):
    peaks = {
        int(run.heat(M).flatten().argmax())
        for (target, _), (_, M, _) in run.answers.items()
        if target == run.absent
    }
    assert len(peaks) > 1


@says(
    "SqueezeNet, if you have it, is brightest on the dog although the cat was asked for",
)
def _(run):
    if "squeezenet1_1" in run.zoo:
        row = int(run.heat(run.answers[run.second, "squeezenet1_1"][1]).flatten().argmax()) // 224
        assert row < 112  # the dog's head is above, the cat lies below
        row = int(run.heat(run.answers[run.second, "resnet50"][1]).flatten().argmax()) // 224
        assert row > 112


@says("CAM and Grad-CAM are the same picture")
def _(run):
    for maps in run.signed.values():
        assert run.alike(maps["CAM"], maps["Grad-CAM"]) > 0.9999


@says("the sign of a single logit's map means little: it may be red at most places")
def _(run):
    assert max(run.positive[c, "CAM"] for c in run.signed) > 0.55
    if real(run):
        assert min(run.positive[c, "CAM"] for c in run.signed) > 0.8


@says("the place of one speaks for it, that of the other against it")
def _(run):
    (M,) = run.signed[run.first][f"rather than {run.names[run.second]}"]
    h, w = M.shape
    above, below = M[: h // 2], M[h // 2 :]
    if not real(run):  # the three stands at the upper left, the eight at the lower right
        above, below = above[:, : w // 2], below[:, w // 2 :]
    assert above.sum() > 0 > below.sum()


@says("All its weights are positive, and still the maps are not the same")
def _(run):
    assert run.score_cams_alike < 0.6


@says("The random map is last")
def _(run):
    average = {m: float(d.mean()) for m, d in run.drop.items()}
    others = [average[m] for m in average if m != "random_cam"]
    assert average["random_cam"] > max(others) + 10


@says("its drop lies between that of the methods and that of the random map")
def _(run):
    average = {m: float(d.mean()) for m, d in run.drop.items()}
    methods = max(average["grad_cam"], average["grad_cam_plus_plus"])
    assert methods < average["center_gaussian"] < average["random_cam"]


@says("The intervals of the first two methods overlap")
def _(run):
    a, b = (run.intervals[m] for m in ("grad_cam_plus_plus", "grad_cam"))
    assert a[0] < b[1]
    assert b[0] < a[1]


@says("The paired interval is shorter than the two intervals above")
def _(run):
    paired = run.high - run.low
    assert all(
        paired < run.intervals[m][1] - run.intervals[m][0]
        for m in ("grad_cam_plus_plus", "grad_cam")
    )


@says('Does it contain 0? Then the rule of the protocol says "undecided"')
def _(run):
    assert (run.verdict == "undecided") == (run.low <= 0 <= run.high)
    assert f"verdict: {run.verdict}" in run.printed


@says("a fifth of the images makes more than half of all the difference")
def _(run):
    sizes = run.difference.abs().sort(descending=True).values
    assert sizes[: -(-len(sizes) // 5)].sum() > 0.5 * sizes.sum()


@says("each thing speaks for its own class and against the other")
def _(run):
    M = run.signed[run.first][f"rather than {run.names[run.second]}"]
    other = run.signed[run.second][f"rather than {run.names[run.first]}"]
    assert torch.allclose(M, -other, atol=1e-5)


@says("With the real ResNet50 the numbers of the paper stand beside yours")
def _(run):
    assert ("(paper " in run.printed) == real(run)


@says("We print a fingerprint of the text; if you change a word later, it changes too")
def _(run):
    assert run.fingerprint(run.protocol) == run.sealed
    assert run.fingerprint({**run.protocol, "fill": "grey"}) != run.sealed


@says("with N = at_most you use all images that are there")
def _(run):
    files, most = list(run.files) or list(range(run.at_most)), run.at_most
    assert most == (len(run.files) if real(run) else len(run.digits) // 2)
    assert [files[i * most // most] for i in range(most)] == files
    assert len(run.images) == run.N <= most
    assert len({tuple(x.flatten()[::97].tolist()) for x in run.images}) == run.N


@says("Four times the images make the intervals about half as long")
def _(run):
    values, generator = run.drop["grad_cam"], torch.Generator().manual_seed(1)
    low, high = run.bootstrap_interval(values, 0.95, generator)
    four = run.bootstrap_interval(values.repeat(4), 0.95, generator)
    assert 0.4 < (four[1] - four[0]) / (high - low) < 0.6


@says("a floor that wins. Make a map that is 1 everywhere except at one pixel")
def _(run):
    x = run.images[:10]
    with torch.no_grad():
        c = run.net(x).argmax(1)
    before = run.probability(x, c)
    fake = torch.ones_like(x[:, :1])
    fake[..., 0, 0] = 0
    lost = camlite.metrics.average_drop(before, run.probability(x * fake, c))
    assert float(lost) < min(float(d.mean()) for d in run.drop.values())


@says("without_one = (difference.sum() - difference) / (len(difference) - 1)")
def _(run):
    d = run.difference
    without_one = (d.sum() - d) / (len(d) - 1)
    for i in range(len(d)):
        assert abs(without_one[i] - torch.cat([d[:i], d[i + 1 :]]).mean()) < 1e-4
    assert "without the first image: yours +0.000" in run.printed  # not answered yet
