"""Lesson 9, checked: HiResCAM, XGrad-CAM, and whether a map adds up to the logit."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from camlite.course import Case, Exercise, normal

# ------------------------------------------------------------------ 9.1

hires_cam = Exercise(
    "9.1",
    "hires_cam",
    formula="L[x, y] = Σ_k G_k[x, y] F_k[x, y]",
    hints=(
        "Grad-CAM first takes the mean of the gradient, then multiplies. Here nothing is averaged: "
        "each place keeps its own gradient.",
        "G and F have the same shape. Multiply them place by place, and add up the channels. The "
        "sign stays.",
        "The product of G and F is (N, K, h, w). Sum it over axis 1, the channels.",
    ),
)


def dead(F, k):
    """The feature maps, channel k silent."""
    return F * (torch.arange(F.shape[1]) != k)[:, None, None]


@hires_cam.cases
def _(rng):
    F, G = normal(rng, 2, 5, 4, 7), normal(rng, 2, 5, 4, 7)
    yield Case("two images, signed feature maps of 4×7", F, G)
    yield Case("one channel, one image, maps of 3×2", *normal(rng, 2, 1, 1, 3, 2))
    yield Case("feature maps after a ReLU, one channel is dead", dead(F, 2).relu(), G)
    yield Case("only evidence against the class, a large gradient", F.abs(), -3e4 * G.abs())
    yield Case("the mean of each gradient is 0", F, G - G.mean((2, 3), keepdim=True))
    yield Case("as many channels as rows", *normal(rng, 2, 3, 4, 4, 6))


@hires_cam.reference
def _(F, G):
    return (G * F).sum(1)


def mean_over_places(G):
    return G.mean((2, 3), keepdim=True)


def total(F):
    return F.sum((2, 3), keepdim=True)


hires_cam.teaches(
    {
        "result: relu": "You cut off the negative values. HiResCAM has no ReLU: what is negative "
        "speaks against the class, and without it the map does not add up to the logit.",
        "relu(G)": "You cut off negative gradients. That is another method, LayerCAM. Here the "
        "gradient keeps its sign.",
        "sum over axis 1: mean": "You took the mean over the channels. The formula has a sum: your "
        "map is smaller by the factor K.",
        "result: abs": "You took the absolute value of the map. Evidence against the class is not "
        "evidence for it: keep the sign.",
        "abs(G)": "You took the absolute value of the gradient. Its sign says whether the place "
        "speaks for the class or against it.",
        "result: minmax": "You scaled the map to [0, 1]. That is for a picture, and 0 is lost; here "
        "the raw values are asked for.",
        "result: unsqueeze 1": "The channel axis is still there, with length 1. The map is "
        "(N, h, w).",
        "ones for G": "You added the feature maps without the gradient. Then the class does not "
        "matter at all.",
        "ones for F": "You added up the gradient alone. A place with a large gradient where "
        "nothing was found adds nothing to the logit: multiply by F.",
    }
)

hires_cam.wrongs(
    mean_of_the_gradient=(
        lambda F, G: (mean_over_places(G) * F).sum(1),
        "You took the mean of the gradient over the places first. That is Grad-CAM. HiResCAM "
        "multiplies at each place.",
    ),
    sum_of_the_gradient=(
        lambda F, G: (total(G) * F).sum(1),
        "You added up the gradient over the places first: Grad-CAM, larger by h·w. HiResCAM "
        "multiplies at each place.",
    ),
    mean_of_the_features=(
        lambda F, G: (G * mean_over_places(F)).sum(1),
        "You took the mean of F over the places. Then the map no longer knows where something was "
        "found. Multiply at each place.",
    ),
    channels_not_summed=(
        lambda F, G: G * F,
        "The channel axis is still there. Add up the products of all channels: the map is (N, h, w).",
    ),
    relu_before_the_sum=(
        lambda F, G: (G * F).relu().sum(1),
        "You cut off negative products before the sum. Then a channel against the class cannot "
        "cancel one for it, and the map does not add up.",
    ),
    one_number_for_each_image=(
        lambda F, G: (G * F).sum((1, 2, 3)),
        "You summed over the places too. They are the map: only the channels disappear.",
    ),
    one_number_for_each_channel=(
        lambda F, G: (G * F).sum((2, 3)),
        "You summed over the places, and the channels are left. It is the other way round: the "
        "places stay, the channels disappear.",
    ),
    added_instead_of_multiplied=(
        lambda F, G: (G + F).sum(1),
        "You added gradient and features. A place counts if both are there: multiply.",
    ),
    features_twice=(
        lambda F, G: (mean_over_places(G * F) * F).sum(1),
        "You made one weight for each channel out of G·F and multiplied it with F again. The "
        "product G·F at each place is the map already.",
    ),
    enlarged=(
        lambda F, G: functional.interpolate((G * F).sum(1, keepdim=True), scale_factor=4)[:, 0],
        "You enlarged the map. The name promises it, but HiResCAM has the resolution of the layer: "
        "(N, h, w).",
    ),
)

hires_cam.accepts_all(
    einsum=lambda F, G: torch.einsum("nkxy,nkxy->nxy", G, F),
    float64_inside=lambda F, G: (G.double() * F.double()).sum(-3).float(),
    numpy_inside=lambda F, G: np.sum(F.numpy() * G.numpy(), axis=1),
    dot_products=lambda F, G: torch.linalg.vecdot(F, G, dim=1),
)


@hires_cam.accepts
def nested_loops(F, G):
    L = torch.zeros(len(F), *F.shape[2:])
    for n in range(len(F)):
        for k in range(F.shape[1]):
            L[n] += G[n, k] * F[n, k]
    return L


# ------------------------------------------------------------------ 9.2

xgrad_cam = Exercise(
    "9.2",
    "xgrad_cam",
    formula="L = ReLU(Σ_k w_k F_k),  w_k = Σ_xy (F_k[x, y] / ΣF_k) G_k[x, y]",
    hints=(
        "One weight for each channel, as in Grad-CAM. But the mean of the gradient is weighted: a "
        "place counts as much as the channel is active there.",
        "w_k = Σ_xy F_k G_k / Σ_xy F_k: a sum over the places above, a sum over the places below. "
        "Then L = ReLU(Σ_k w_k F_k). A channel whose sum is 0 must not give NaN.",
        "Sum F·G over axes 2 and 3, and F over axes 2 and 3, both (N, K). Where the second is 0 put "
        "1 in its place, divide, multiply F by the result (as (N, K, 1, 1)), sum over axis 1, relu.",
    ),
)


def away_from_zero(F):
    """Signed feature maps whose sums have both signs and are not small."""
    sign = torch.ones(F.shape[1])
    sign[1::2] = -1
    return F + 0.8 * sign[:, None, None]


@xgrad_cam.cases
def _(rng):
    F, G = normal(rng, 2, 5, 4, 7).relu(), normal(rng, 2, 5, 4, 7)
    yield Case("two images, feature maps of 4×7 after a ReLU", F, G)
    yield Case(
        "one channel, one image", normal(rng, 1, 1, 3, 2).abs(), normal(rng, 1, 1, 3, 2).abs()
    )
    yield Case("one channel is 0 everywhere", dead(F, 2), G)
    yield Case(
        "the first image is 0 everywhere", F * torch.tensor([0.0, 1])[:, None, None, None], G
    )
    signed = away_from_zero(normal(rng, 3, 4, 5, 3))
    yield Case("signed features: the sums have both signs", signed, normal(rng, 3, 4, 5, 3))
    yield Case("only evidence against the class", F, -G.abs())
    yield Case("a large gradient", 20 * F, 1e4 * G)


def over(a, b):
    """a / b, and 0 where b is 0."""
    return torch.where(b != 0, a / b, torch.zeros_like(b))


@xgrad_cam.reference
def _(F, G):
    w = over(total(F * G), total(F))
    return (w * F).sum(1).relu()


def weighted(w):
    """The answer with these weights, (N, K, 1, 1)."""
    return lambda F, G: (w(F, G) * F).sum(1).relu()


xgrad_cam.teaches(
    {
        "ReLU: left out": "The ReLU is missing: negative values of the sum become 0.",
        "result: minmax": "You scaled the map to [0, 1]. That is for a picture; here the raw values "
        "are asked for.",
        "result: unsqueeze 1": "The channel axis is still there, with length 1. The map is "
        "(N, h, w).",
        "relu(G)": "You cut off negative gradients. They belong into the weighted mean; only the "
        "map goes through the ReLU.",
        "abs(G)": "You took the absolute value of the gradient. Its sign says whether the place "
        "speaks for the class or against it.",
    }
)

xgrad_cam.wrongs(
    plain_mean=(
        weighted(lambda F, G: mean_over_places(G)),
        "You took the plain mean of the gradient. That is Grad-CAM. Here each place counts as much "
        "as the channel is active there: weigh G with F / ΣF.",
    ),
    not_divided=(
        weighted(lambda F, G: total(F * G)),
        "You did not divide by the sum of the channel. The places must have weights that add up "
        "to 1, F / ΣF; without it strong channels count twice.",
    ),
    divided_by_the_number_of_places=(
        weighted(lambda F, G: mean_over_places(F * G)),
        "You divided by h·w. The places are weighted with F, so divide by the sum of F over the "
        "places.",
    ),
    divided_by_the_gradient=(
        weighted(lambda F, G: over(total(F * G), total(G))),
        "You divided by the sum of G. F gives the weights of the places: divide by the sum of F.",
    ),
    divided_by_all_channels=(
        weighted(lambda F, G: total(F * G) / F.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)),
        "You divided by the sum over all channels. Each channel is divided by its own sum.",
    ),
    divided_by_the_whole_batch=(
        weighted(lambda F, G: over(total(F * G), total(F).sum(0, keepdim=True))),
        "You added up the channels of all images below the line. Each image has its own sums.",
    ),
    divided_by_the_largest=(
        weighted(lambda F, G: over(total(F * G), F.amax((2, 3), keepdim=True))),
        "You divided by the largest value of the channel. Divide by its sum, so that the weights of "
        "the places add up to 1.",
    ),
    divided_twice=(
        lambda F, G: (over(total(F * G), total(F)) * over(F, total(F))).sum(1).relu(),
        "You divided by ΣF twice. F / ΣF makes the weights; the map is made of F itself.",
    ),
    activations_twice=(
        weighted(lambda F, G: over(total(F * F * G), total(F))),
        "F counts twice in your weights. A place counts F / ΣF times its gradient, once.",
    ),
    much_added_below=(
        weighted(lambda F, G: total(F * G) / (total(F) + 1e-2)),
        "You added 0.01 below the line. Channels with a small sum notice that: take 1e-6 or less, "
        "or only care for a sum of exactly 0.",
    ),
    softmax_over_the_places=(
        weighted(lambda F, G: total(F.flatten(2).softmax(2).view_as(F) * G)),
        "You took a softmax of F as the weights of the places. The formula has F / ΣF: a place "
        "where the channel is 0 has no vote.",
    ),
    negative_features_cut_off=(
        weighted(lambda F, G: over(total(F.relu() * G), total(F.relu()))),
        "You cut off the negative values of F in the weights. Before a ReLU features have a sign, "
        "and the formula stays as it is.",
    ),
    absolute_sums=(
        weighted(lambda F, G: over(total(F * G), total(F.abs()))),
        "You divided by the sum of the absolute values. With signed features that is another "
        "number: the formula has the sum with its sign.",
    ),
    dead_channel_is_nan=(
        weighted(lambda F, G: total(F * G) / total(F)),
        "A channel that is 0 everywhere gave NaN: 0 divided by 0. Give it any finite weight.",
    ),
    places_multiplied=(
        lambda F, G: (G * F).sum(1).relu(),
        "You multiplied F with the gradient at each place. That is HiResCAM. XGrad-CAM has one "
        "weight for each channel.",
    ),
    weights_places_again=(
        lambda F, G: (over(F, total(F)) * G * F).sum(1).relu(),
        "Your weight still depends on the place. Sum F·G / ΣF over the places first: one number for "
        "each channel.",
    ),
    relu_before_the_sum=(
        lambda F, G: (over(total(F * G), total(F)) * F).relu().sum(1),
        "You applied the ReLU too early, on each channel or on its weight. Then channels against "
        "the class cannot cancel those for it. First sum, then ReLU.",
    ),
    relu_on_the_weights=(
        weighted(lambda F, G: over(total(F * G), total(F)).relu()),
        "You cut off negative weights. A channel with a negative weight speaks against the class; "
        "only the map goes through the ReLU.",
    ),
    only_the_weights=(
        lambda F, G: over(total(F * G), total(F))[:, :, 0, 0],
        "These are the weights (N, K). The map is the sum of the channels times their weights, "
        "(N, h, w), with the ReLU.",
    ),
    mean_over_the_channels=(
        lambda F, G: (over(total(F * G), total(F)) * F).mean(1).relu(),
        "You took the mean over the channels. The formula has a sum: your map is smaller by the "
        "factor K.",
    ),
    channels_not_summed=(
        lambda F, G: (over(total(F * G), total(F)) * F).relu(),
        "The channel axis is still there: the weighted feature maps must be added up.",
    ),
)

for small in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5):  # what learners take as "not quite 0"
    xgrad_cam.wrongs(
        **{
            f"sums_cut_off_at_{small:.0e}": (
                weighted(lambda F, G, small=small: total(F * G) / total(F).clamp_min(small)),
                "You cut the sum off at a small positive number. Where the sum is negative you "
                "then divide by that number, and the weight is huge. Only a sum of exactly 0 "
                "needs care.",
            )
        }
    )

xgrad_cam.accepts_all(
    as_the_authors=weighted(lambda F, G: total(F * G / (total(F) + 1e-6))),
    nan_to_num=weighted(lambda F, G: torch.nan_to_num(total(F * G) / total(F))),
    any_weight_for_dead_channels=weighted(
        lambda F, G: torch.where(total(F) == 0, 7.0, total(F * G) / total(F))
    ),
    einsum_in_float64=lambda F, G: torch.einsum(
        "nkxy,nk->nxy",
        F.double(),
        torch.einsum("nkxy,nkxy->nk", F.double(), G.double()) / (F.double().sum((2, 3)) + 1e-9),
    ).clamp(min=0),
)


@xgrad_cam.accepts
def loops_and_numpy(F, G):
    F, G = F.numpy(), G.numpy()
    L = np.zeros((len(F), *F.shape[2:]), dtype=F.dtype)
    for n in range(len(F)):
        for k in range(F.shape[1]):
            s = F[n, k].sum()
            if s != 0:
                L[n] += (F[n, k] / s * G[n, k]).sum() * F[n, k]
    return np.maximum(L, 0)


# ------------------------------------------------------------------ 9.3

conservation_gap = Exercise(
    "9.3",
    "conservation_gap",
    formula="gap = |Σ_xy M[x, y] + bias − logit|",
    hints=(
        "If the map is complete, all its places together and the bias are the logit. How much is "
        "missing?",
        "|Σ_xy M + b − Y|, one number for each image. Sum over both axes of space; no mean, as the "
        "1/Z is in the gradient already.",
        "Sum M over axes 1 and 2, add the bias, subtract the logit, and take the absolute value.",
    ),
)


@conservation_gap.cases
def _(rng):
    M, logit = normal(rng, 3, 4, 7), 5 * normal(rng, 3)
    yield Case("three maps of 4×7, a bias for each image", M, logit, normal(rng, 3))
    yield Case("one bias for all", M, logit, 1.7)
    yield Case(
        "one map of 3×2, a bias as a tensor of one number",
        M[:1, :3, :2],
        logit[:1],
        torch.tensor(-0.6),
    )
    exact = M.sum((1, 2)) + 0.5
    apart = torch.tensor([2.0, 0.0, -3.0])
    yield Case("too small, exact, too large", M, exact + apart, 0.5)
    yield Case("as many images as rows", normal(rng, 4, 4, 4) + 0.5, normal(rng, 4), normal(rng, 4))
    yield Case("large logits, a bias that is a whole number", 1e3 * M, 1e4 * logit, -200)


@conservation_gap.reference
def _(M, logit, bias):
    return (M.sum((1, 2)) + bias - logit).abs()


conservation_gap.teaches(
    {
        "sum over axes 1 and 2: mean": "You took the mean of the map, as in lesson 3. There the map was made "
        "of weights. Here it is made of gradients, and the 1/Z is inside: take the sum.",
        "relu(M)": "You left out the evidence against the class. The logit is made of both: keep "
        "the sign of the map.",
        "abs(M)": "You took the absolute values of the map. Evidence against the class lowers the "
        "logit: keep the sign.",
        "sum of two: only first": "The bias is missing. The logit contains it, and no place of the "
        "map does.",
        "zeros for bias": "The bias is missing. The logit contains it, and no place of the map does.",
        "sum over axes 1 and 2: amax": "You took the largest value of the map. All places together "
        "make the logit: take the sum.",
    }
)

conservation_gap.wrongs(
    no_absolute_value=(
        lambda M, logit, bias: M.sum((1, 2)) + bias - logit,
        "The absolute value is missing. Then a map that adds up to too little and one that adds up "
        "to too much cancel in a mean.",
    ),
    bias_subtracted=(
        lambda M, logit, bias: (M.sum((1, 2)) - bias - logit).abs(),
        "You subtracted the bias. The logit is the sum of the map plus the bias.",
    ),
    bias_after_the_absolute_value=(
        lambda M, logit, bias: (M.sum((1, 2)) - logit).abs() + bias,
        "You added the bias after the absolute value. It belongs inside: first the sum of the map "
        "and the bias, then the difference to the logit, and its absolute value last.",
    ),
    share_of_the_logit=(
        lambda M, logit, bias: ((M.sum((1, 2)) + bias - logit) / logit).abs(),
        "You divided by the logit. The gap is asked for in units of the logit, not as a share.",
    ),
    squared=(
        lambda M, logit, bias: (M.sum((1, 2)) + bias - logit) ** 2,
        "You squared the difference. Its absolute value is asked for.",
    ),
    one_for_all_images=(
        lambda M, logit, bias: (M.sum((1, 2)) + bias - logit).abs().mean(),
        "You took the mean over the images. Each image has its own gap: (N,).",
    ),
    bias_at_each_place=(
        lambda M, logit, bias: (
            (M + torch.as_tensor(bias).reshape(-1, 1, 1)).sum((1, 2)) - logit
        ).abs(),
        "You added the bias at each place, so it counts h·w times. It is added once.",
    ),
    every_image_with_every_logit=(
        lambda M, logit, bias: (M.sum((1, 2))[:, None] + bias - logit).abs(),
        "The axes do not meet: (N, 1) and (N,) give an N×N table. Sum over both axes of space "
        "without keepdim, so that all are (N,).",
    ),
    sizes_compared=(
        lambda M, logit, bias: ((M.sum((1, 2)) + bias).abs() - logit.abs()).abs(),
        "You compared the sizes. A map that adds up to −3 for a logit of +3 misses 6, not 0: "
        "subtract first, then take the absolute value.",
    ),
    one_sum_for_all=(
        lambda M, logit, bias: (M.sum() + bias - logit).abs(),
        "You summed over the images too. Each image is compared with its own logit: sum over axes "
        "1 and 2.",
    ),
    one_axis_only=(
        lambda M, logit, bias: (
            M.sum(2) + torch.as_tensor(bias).reshape(-1, 1) - logit[:, None]
        ).abs(),
        "Only one axis of space disappeared. Sum over rows and columns.",
    ),
    place_by_place=(
        lambda M, logit, bias: (
            (M + torch.as_tensor(bias).reshape(-1, 1, 1) - logit[:, None, None]).abs().sum((1, 2))
        ),
        "You compared each place with the logit. Sum the map first; all places together make the "
        "logit.",
    ),
    only_too_little=(
        lambda M, logit, bias: (logit - bias - M.sum((1, 2))).relu(),
        "You cut off one sign. A map that adds up to too much is as incomplete as one that adds up "
        "to too little: take the absolute value.",
    ),
)

conservation_gap.accepts_all(
    float64_inside=lambda M, logit, bias: (M.double().sum((-2, -1)) + bias - logit).abs().float(),
    einsum=lambda M, logit, bias: torch.abs(logit - bias - torch.einsum("nxy->n", M)),
    mean_times_places=lambda M, logit, bias: (
        M.mean((1, 2)) * M.shape[1] * M.shape[2] + bias - logit
    ).abs(),
    numpy_inside=lambda M, logit, bias: np.abs(
        M.numpy().sum((1, 2)) + np.asarray(bias) - logit.numpy()
    ),
)


@conservation_gap.accepts
def image_by_image(M, logit, bias):
    bias = torch.as_tensor(bias).expand(len(M))
    return [abs(float(m.sum() + b - y)) for m, y, b in zip(M, logit, bias, strict=True)]


def test_lesson(proof):
    proof()
