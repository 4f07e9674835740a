"""Lesson 17, checked: drop and increase, deletion curve and its area, pointing game, ADCC."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from camlite.course import Case, Exercise, normal

# ------------------------------------------------------------------ 17.1

average_drop = Exercise(
    "17.1",
    "average_drop",
    formula="AD = 100/N Σ_i max(0, Y_i − O_i) / Y_i",
    hints=(
        "For each image: which share of its own confidence is lost? A gain counts as 0. Then the "
        "mean over the images, in percent.",
        "max(0, Y − O) is (before − after) cut off below 0. Divide it by Y, image by image, before "
        "you take the mean.",
        "Clamp before − after at 0, divide by before, take the mean, times 100.",
    ),
)


def confidences(rng):
    """Pairs with drops and gains, of very different size."""
    before = torch.tensor([0.9, 0.1, 0.6, 0.35, 0.8])
    after = torch.tensor([0.3, 0.4, 0.5, 0.35, 0.1])
    yield Case("five images: drops, one gain, one equal", before, after)
    yield Case(
        "two drops, one tiny confidence", torch.tensor([0.9, 2e-6]), torch.tensor([0.8, 0.0])
    )
    yield Case("one image that gains", torch.tensor([0.25]), torch.tensor([0.75]))
    yield Case("one image that loses", torch.tensor([0.8]), torch.tensor([0.6]))
    before = 0.05 + 0.9 * torch.rand(12, generator=rng)
    yield Case("twelve random images", before, torch.rand(12, generator=rng))


average_drop.cases(confidences)


def lost(before, after):
    return (before - after).clamp(min=0)


@average_drop.reference
def _(before, after):
    return 100 * (lost(before, after) / before).mean()


average_drop.teaches(
    {
        "limit (clamp): left out": "A gain counts as a negative drop in your mean, and hides the "
        "losses of other images. Cut it off: max(0, Y − O).",
        "difference: absolute": "You took the absolute difference, so a gain counts as a loss. A "
        "gain counts as 0.",
        "product: only first": "This is a fraction. Percent are asked for: times 100.",
        "quotient: then sum for all": "You took the sum over the images: the 1/N is missing. (Two "
        "papers print it so, and call it an average.)",
        "difference: turned": "You measured the gain: max(0, O − Y). The drop is max(0, Y − O).",
    }
)
average_drop.wrongs(
    cut_off_after_the_mean=(
        lambda before, after: 100 * ((before - after) / before).mean().clamp(min=0),
        "You cut off at 0 after the mean. Each image has its own max(0, …), before the mean.",
    ),
    not_relative=(
        lambda before, after: 100 * lost(before, after).mean(),
        "You did not divide by Y: the lost share of each image's own confidence is asked for.",
    ),
    ratio_of_means=(
        lambda before, after: 100 * lost(before, after).mean() / before.mean(),
        "You divided the mean loss by the mean confidence. Each image has its own share: divide "
        "first, then take the mean.",
    ),
    divided_by_after=(
        lambda before, after: 100 * (lost(before, after) / after.clamp(min=1e-12)).mean(),
        "You divided by the score of the masked image, O. The share is of the whole image's score Y.",
    ),
    only_losers=(
        lambda before, after: (
            100 * (lost(before, after) / before)[before > after].mean().nan_to_num()
        ),
        "You took the mean over the images that lose. All images count: a gain is a drop of 0.",
    ),
)
average_drop.accepts_all(
    relu=lambda before, after: (1 - after / before).relu().mean() * 100,
    plain_number=lambda before, after: float(100 * (lost(before, after) / before).mean()),
    numpy_inside=lambda before, after: (
        100 * np.mean(np.maximum(0, before.numpy() - after.numpy()) / before.numpy())
    ),
    float64_inside=lambda before, after: (
        (lost(before.double(), after.double()) / before.double()).mean() * 100
    ),
    loop=lambda before, after: (
        100
        / len(before)
        * sum(max(0, y - o) / y for y, o in zip(before.tolist(), after.tolist(), strict=True))
    ),
)

# ------------------------------------------------------------------ 17.2

increase_in_confidence = Exercise(
    "17.2",
    "increase_in_confidence",
    formula="IC = 100/N Σ_i 1[Y_i < O_i]",
    hints=(
        "How many of the images get a higher score when they are masked? As a share, in percent.",
        "before < after is one truth value for each image. As float, its mean is the share.",
        "Compare before < after, turn it into float, take the mean, times 100.",
    ),
)
increase_in_confidence.cases(confidences)


@increase_in_confidence.reference
def _(before, after):
    return 100 * (before < after).float().mean()


increase_in_confidence.teaches(
    {
        "product: only first": "This is a fraction. Percent are asked for: times 100.",
    }
)
increase_in_confidence.wrongs(
    mean_of_truth_values=(
        lambda before, after: 100 * (before < after).mean(),
        "A mean needs numbers, not truth values: turn them into numbers first, with .float().",
    ),
    turned_round=(
        lambda before, after: 100 * (before > after).float().mean(),
        "You counted the images that lose. An increase is a higher score after masking.",
    ),
    equal_counts=(
        lambda before, after: 100 * (before <= after).float().mean(),
        "You counted equal scores. An equal score is no increase: take <, not ≤.",
    ),
    count=(
        lambda before, after: (before < after).sum(),
        "This is a number of images. Divide by N, and take percent.",
    ),
    hundred_times_the_count=(
        lambda before, after: 100 * (before < after).sum(),
        "You took 100 times the number of images: the 1/N is missing.",
    ),
    how_much=(
        lambda before, after: 100 * (after - before).clamp(min=0).mean(),
        "You measured how much is gained. This number counts how often.",
    ),
    not_equal=(
        lambda before, after: 100 * (before != after).float().mean(),
        "You counted every change. Only a higher score after masking counts: <, not ≠.",
    ),
    mean_is_compared=(
        lambda before, after: 100 * (before.mean() < after.mean()).float(),
        "You compared the two means. Compare image by image, then take the mean.",
    ),
)
increase_in_confidence.accepts_all(
    count_over_n=lambda before, after: 100 * (after > before).sum() / len(before),
    plain_number=lambda before, after: (before < after).float().mean().item() * 100,
    numpy_inside=lambda before, after: 100 * np.mean(before.numpy() < after.numpy()),
    loop=lambda before, after: (
        100 * sum(y < o for y, o in zip(before.tolist(), after.tolist(), strict=True)) / len(before)
    ),
)

# ------------------------------------------------------------------ 17.3

deletion_curve = Exercise(
    "17.3",
    "deletion_curve",
    patience=3,  # each answer runs the network many times
    seconds=60.0,
    formula="y_i = P_c(x with its round(i·H·W/S) most important pixels filled, equal ones in reading "
    "order), i = 0 … S",
    hints=(
        "Give every pixel its rank: 0 for the most important one. After step i all pixels with a "
        "rank below round(i · P / steps) show the fill. Ask the network once for each step.",
        "order = M.flatten(1).argsort(dim=1, descending=True, stable=True), rank = "
        "order.argsort(dim=1) in the shape of M. gone = rank < round(i · P / steps), with a colour "
        "axis: (N, 1, H, W).",
        "For i in range(steps + 1): mix with torch.where(gone, fill, x), call f, softmax(1), take "
        "[rows, classes]. Stack the columns along axis 1.",
    ),
)


def small_net(classes=4, colours=3):
    """A network of images of any size, with a bend: it sees what is hidden, and where."""
    net = nn.Sequential(
        nn.Conv2d(colours, 6, 3, padding=1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, classes),
    )
    with torch.no_grad():
        net[0].weight.mul_(2)
        net[4].weight.mul_(4)
    return net.eval().requires_grad_(False)


@deletion_curve.cases
def _(rng):
    x, colour = torch.rand(2, 3, 4, 6, generator=rng), torch.rand(3, 1, 1, generator=rng)
    M = normal(rng, 2, 4, 6)
    yield Case("two images of 4×6, 6 steps, one colour", small_net(), x, 2, M, 6, colour)
    c = torch.tensor([3, 0, 1])
    x, own = torch.rand(3, 3, 5, 3, generator=rng), torch.rand(3, 3, 1, 1, generator=rng)
    M = normal(rng, 3, 5, 3) * torch.tensor([1.0, 1e-4, 30])[:, None, None]
    yield Case(
        "15 pixels in 4 steps, a class and a colour for each image", small_net(), x, c, M, 4, own
    )
    x, picture = torch.rand(2, 1, 6, 6, generator=rng), torch.rand(1, 6, 6, generator=rng)
    ties = torch.randint(0, 3, (2, 6, 6), generator=rng).float()
    yield Case("many equal values, a picture as fill", small_net(3, 1), x, 1, ties, 8, picture)
    x, pictures = normal(rng, 1, 3, 4, 5), torch.rand(1, 3, 4, 5, generator=rng)
    M = -torch.rand(1, 4, 5, generator=rng) - 1
    yield Case("one image, all values negative, one step", small_net(), x, 0, M, 1, pictures)


def rank_of(M):
    return M.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)


def probability_of(logits, c):
    return of_class(logits.softmax(1), c)


def of_class(Y, c):
    return Y[torch.arange(len(Y)), torch.as_tensor(c).expand(len(Y))]


def curve(
    rank=rank_of,
    count=lambda i, P, S: round(i * P / S),
    mix=torch.where,
    score=probability_of,
    points=lambda S: range(S + 1),
    keep=lambda columns: torch.stack(columns, 1),
):
    """A deletion curve with other parts."""

    def answer(f, x, c, M, steps, fill):
        order, columns = rank(M).view(len(M), 1, *M.shape[1:]), []
        for i in points(steps):
            gone = order < count(i, M[0].numel(), steps)
            columns.append(score(f(mix(gone, fill, x)), c))
        return keep(columns)

    return answer


@deletion_curve.reference  # in plain steps: the search changes them one by one
def _(f, x, c, M, steps, fill):
    classes, columns = torch.as_tensor(c).expand(len(x)), []
    rank = M.flatten(1).argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    for i in range(steps + 1):
        gone = (rank < round(i * M[0].numel() / steps)).view(len(M), 1, *M.shape[1:])
        Y = f(torch.where(gone, fill, x)).softmax(1)
        columns.append(Y[torch.arange(len(x)), classes])
    return torch.stack(columns, 1)


deletion_curve.teaches(
    {
        "abs(M)": "You sorted by the absolute value. A negative value is less important than 0: "
        "sort by M.",
        "M: first for all": "You used the order of the first map for all images. Each image has "
        "its own.",
        "comparison: le": "One pixel too many is gone in each step: a rank below the count, "
        "rank < count.",
        "comparison: ge": "You began with the fill and put the pixels back: that is insertion. "
        "torch.where(gone, fill, x) takes the fill where gone is true.",
        "zeros for fill": "The removed pixels are black in your answer. They show the fill.",
        "rounding: left out": "You rounded the number of pixels up. After step i it is "
        "round(i · P / steps).",
    }
)
AFTER_STEP = "After step i it is round(i · P / steps)."
DESCENDING = "Sort with descending=True, stable=True."
deletion_curve.products(
    curve,
    rank={
        "most important first": (rank_of, ""),
        "least_important_first": (
            lambda M: rank_of(-M),
            "You removed the least important pixels first. Sort with descending=True.",
        ),
        "ties_in_reverse": (
            lambda M: rank_of(M.flatten(1).flip(1)).flip(1),
            "Equal values go in the reverse of the reading order in your answer (an ascending sort "
            f"that is flipped does so). {DESCENDING}",
        ),
        "order_instead_of_rank": (
            lambda M: rank_of(M).argsort(dim=1),
            "You compared the order with the count. The order lists pixel numbers; you need the rank "
            "of each pixel: argsort the order once more.",
        ),
        "all_images_sorted_together": (
            lambda M: rank_of(M.flatten()[None]).view(len(M), -1),
            "You sorted the pixels of all images together. Each image has its own order: flatten(1) "
            "and argsort over axis 1.",
        ),
    },
    score={
        "probability": (probability_of, ""),
        "logit": (of_class, "You returned logits. The softmax probability is asked for."),
        "winner": (
            lambda Y, c: Y.softmax(1).amax(1),
            "You took the largest probability each time. Another class may win: follow class c.",
        ),
        "wrong_axis": (
            lambda Y, c: of_class(Y.softmax(0), c),
            "Your softmax goes over the images. It goes over the classes: softmax(1).",
        ),
    },
)
deletion_curve.wrongs(
    **{
        name: (curve(**{part: other}), sentence)
        for part, others in {
            "rank": {
                "ties_by_columns": (
                    lambda M: rank_of(M.mT).view(M.mT.shape).mT.reshape(len(M), -1),
                    f"Equal values go column by column in your answer. They go row by row. {DESCENDING}",
                ),
                "ties_together": (
                    lambda M: (M.flatten(1)[:, None] > M.flatten(1)[:, :, None]).sum(2),
                    "Equal values share one rank in your answer, so they go together (as with a "
                    f"threshold). They go one by one, in reading order. {DESCENDING}",
                ),
            },
            "score": {
                "all_classes_from_all": (
                    lambda Y, c: Y.softmax(1)[:, c],
                    "[:, c] with one class for each image takes all these classes from every image. You "
                    "need one from each row: [rows, classes].",
                ),
            },
            "count": {
                "rounded_down": (
                    lambda i, P, S: i * P // S,
                    f"You rounded the number of pixels down. {AFTER_STEP}",
                ),
                "half_up": (
                    lambda i, P, S: int(i * P / S + 0.5),
                    "You round every half up. Python's round takes the even one, as here: round(4.5) is 4.",
                ),
                "equal_steps": (
                    lambda i, P, S: i * (P // S),
                    "You remove P // steps pixels in each step, so some are left at the end. "
                    f"{AFTER_STEP}",
                ),
                "rounded_before": (
                    lambda i, P, S: i * round(P / S),
                    f"You rounded P / steps, and multiplied by i then. Round last. {AFTER_STEP}",
                ),
            },
            "points": {
                "first_point_missing": (
                    lambda S: range(1, S + 1),
                    "Column 0 is missing: the whole image, with no pixel removed.",
                ),
                "last_point_missing": (
                    range,
                    "The last column is missing: there are steps + 1 points, and in the last one all "
                    "pixels are gone. range(steps + 1).",
                ),
            },
            "mix": {
                "fill_added": (
                    lambda gone, fill, x: x + fill * gone,
                    "You added the fill to the picture. It takes the pixel's place.",
                ),
                "fill_added_everywhere": (
                    lambda gone, fill, x: x * ~gone + fill,
                    "You added the fill everywhere. It belongs where a pixel is gone.",
                ),
                "one_colour_only": (
                    lambda gone, fill, x: torch.cat(
                        [torch.where(gone, fill, x)[:, :1], x[:, 1:]], 1
                    ),
                    "Only the first colour of a pixel is removed. All colours of a pixel go together.",
                ),
            },
            "keep": {
                "steps_first": (
                    torch.stack,
                    "The table is turned: images are the rows, points the columns. Stack along axis 1.",
                ),
                "a_list": (
                    list,
                    "You returned a list. Stack the columns: torch.stack(scores, dim=1).",
                ),
                "mean_of_images": (
                    lambda columns: torch.stack(columns, 1).mean(0),
                    "You took the mean over the images. Each image has its own curve.",
                ),
                "relative": (
                    lambda columns: torch.stack(columns, 1) / columns[0][:, None],
                    "You divided by the first point. The probability itself is asked for.",
                ),
            },
        }.items()
        for name, (other, sentence) in others.items()
    },
    no_colour_axis=(
        lambda f, x, c, M, steps, fill: f(torch.where(rank_of(M).view_as(M) < 1, fill, x)),
        "`gone` is (N, H, W) and has no axis for the colours, so it does not fit x. Give it one: "
        "(N, 1, H, W), with gone[:, None].",
    ),
)


@deletion_curve.accepts
def pixel_by_pixel(f, x, c, M, steps, fill):
    fill, columns = fill.expand_as(x), []
    for i in range(steps + 1):
        now = x.clone().flatten(2)
        for n in range(len(x)):
            gone = np.argsort(-M[n].flatten().numpy(), kind="stable")
            gone = torch.from_numpy(gone)[: round(i * gone.size / steps)]
            now[n][:, gone] = fill.flatten(2)[n][:, gone]
        columns.append(probability_of(f(now.view_as(x)), c))
    return torch.stack(columns, 1)


@deletion_curve.accepts
def mixed_with_masks(f, x, c, M, steps, fill):
    rank = rank_of(M).view(len(M), 1, *M.shape[1:])
    ends = (torch.arange(steps + 1).double() * M[0].numel() / steps).round()
    kept = [(rank >= end).float() for end in ends]
    return torch.stack([probability_of(f(x * k + fill * (1 - k)), c) for k in kept], -1)


# ------------------------------------------------------------------ 17.4

area_under_curve = Exercise(
    "17.4",
    "area_under_curve",
    formula="A = 1/S Σ_i (y_{i−1} + y_i) / 2",
    hints=(
        "Between two neighbours lies one trapezoid. Its height is the mean of the two. All have the "
        "same width.",
        "scores[:, :-1] are the left edges, scores[:, 1:] the right ones, S of each. The width is "
        "1 / S.",
        "Add the two, halve, and take the mean over axis 1.",
    ),
)


@area_under_curve.cases
def _(rng):
    yield Case("two curves of six points", torch.rand(2, 6, generator=rng))
    yield Case("a rising curve", torch.tensor([[0.1, 0.4, 0.8, 0.9, 0.95]]))
    yield Case("three curves of two points", torch.rand(3, 2, generator=rng))
    yield Case("as many curves as points, also negative", normal(rng, 4, 4))


@area_under_curve.reference
def _(scores):
    return torch.trapezoid(scores, dx=1 / (scores.shape[1] - 1), dim=1)


def heights(y):
    return (y[:, 1:] + y[:, :-1]) / 2


area_under_curve.teaches(
    {
        "mean over axis 1: sum": "Each of your trapezoids has width 1. The whole curve has width "
        "1: divide by S.",
        "quotient #2: + 1 below": "You divided by the number of points, S + 1. There are S "
        "trapezoids.",
        "quotient: only first": "You added the two edges and did not halve them. The height is "
        "their mean.",
        "sum of two: sub": "You subtracted the two edges. The height of a trapezoid is their mean: "
        "add them.",
    }
)
area_under_curve.wrongs(
    mean_without_first=(
        lambda y: y[:, 1:].mean(1),
        "You took the mean without the first point: rectangles. Use trapezoids.",
    ),
    mean_without_last=(
        lambda y: y[:, :-1].mean(1),
        "You took the mean without the last point: rectangles. Use trapezoids.",
    ),
    last_not_halved=(
        lambda y: (y.sum(1) - y[:, 0] / 2) / (y.shape[1] - 1),
        "Your last point counts in full. Both end points belong to one trapezoid only: half each.",
    ),
)
area_under_curve.accepts_all(
    mean_of_heights=lambda y: heights(y).mean(1),
    ends_count_half=lambda y: (y.sum(1) - (y[:, 0] + y[:, -1]) / 2) / (y.shape[1] - 1),
    with_numpy=lambda y: np.stack([np.sum((a[1:] + a[:-1]) / 2) / (len(a) - 1) for a in y.numpy()]),
    true_fractions=lambda y: torch.trapezoid(y, torch.linspace(0, 1, y.shape[1])),
    float64_inside=lambda y: heights(y.double()).mean(1),
)

# ------------------------------------------------------------------ 17.5

pointing_hit = Exercise(
    "17.5",
    "pointing_hit",
    formula="hit = mask at the first maximum of M; no hit for a constant map",
    hints=(
        "Find the place of each map's maximum, and look up whether the mask is true there.",
        "Flatten both to (N, H·W). argmax(dim=1) gives the place, the first one of equal maxima. "
        "mask[arange(N), place] looks it up.",
        "hit = mask[rows, M.argmax(1)], and & (M.amax(1) > M.amin(1)) for the maps that are the same "
        "everywhere.",
    ),
)


@pointing_hit.cases
def _(rng):
    M = normal(rng, 4, 5, 7)
    place = M.flatten(1).argmax(1)
    mask = torch.rand(4, 35, generator=rng) < 0.4
    hits = torch.tensor([True, False, True, False])
    mask[
        :, place[M.flatten(1).amax(1).argmax()]
    ] = ~hits  # the place of one map is no use to others
    mask[torch.arange(4), place] = hits
    yield Case("four maps of 5×7, two hits", M, mask.view(4, 5, 7))
    top = torch.tensor(
        [[0, 0, 2, 0], [0, 2, 0, 0], [1, 0, 0, 2]]
    )  # first by rows, by columns, last
    mask = torch.zeros(3, 3, 4).bool()
    mask[[0, 1, 2], [0, 1, 2], [2, 1, 3]] = True
    yield Case(
        "three equal maxima: the first on the mask, or another", top.expand(3, 3, 4) * 1.0, mask
    )
    flat = torch.stack([torch.full((2, 5), 3.0), torch.zeros(2, 5), -torch.eye(2, 5)])
    yield Case(
        "two maps that are the same everywhere, one without a positive value", flat, flat > -9
    )
    dim = -1 - torch.rand(3, 4, 3, generator=rng)
    mask = torch.zeros(3, 12).bool()
    mask[[0, 2], dim.flatten(1).argmax(1)[[0, 2]]] = True
    yield Case("all values negative", dim, mask.view(3, 4, 3))
    dot = torch.zeros(1, 4, 4)
    dot[0, 3, 1] = 1e-6
    yield Case("one map with one tiny point", dot, dot > 0)


def looked_up(M, mask, place):
    return mask.flatten(1)[torch.arange(len(M)), place]


def pointing(M):
    return M.flatten(1).amax(1) > M.flatten(1).amin(1)


@pointing_hit.reference
def _(M, mask):
    return looked_up(M, mask, M.flatten(1).argmax(1)) & pointing(M)


def tops(M):
    return M == M.amax((1, 2), keepdim=True)


def last(M):
    P = M[0].numel()
    return P - 1 - M.flatten(1).flip(1).argmax(1)


pointing_hit.teaches(
    {
        "result: mean 0": "You returned the share of hits. One truth value for each image is asked for."
    }
)
pointing_hit.wrongs(
    rows_forgotten=(
        lambda M, mask: mask.flatten(1)[M.flatten(1).argmax(1)],
        "mask[place] takes whole rows, and there are only N of them. Take one value of each row: "
        "mask[torch.arange(N), place].",
    ),
    constant_hits=(
        lambda M, mask: looked_up(M, mask, M.flatten(1).argmax(1)),
        "A map that is the same everywhere got a hit. It points nowhere: no hit.",
    ),
    any_maximum=(
        lambda M, mask: (tops(M) & mask).flatten(1).any(1) & pointing(M),
        "You counted a hit if any of several equal maxima hits. The first in reading order counts.",
    ),
    any_maximum_and_constant=(
        lambda M, mask: (tops(M) & mask).flatten(1).any(1),
        "You counted a hit if any of several equal maxima hits. The first in reading order counts, "
        "and a map that is the same everywhere has no hit.",
    ),
    all_maxima=(
        lambda M, mask: (~tops(M) | mask).flatten(1).all(1) & pointing(M),
        "You asked that all equal maxima lie on the mask. The first in reading order counts.",
    ),
    last_maximum=(
        lambda M, mask: looked_up(M, mask, last(M)) & pointing(M),
        "You took the last of several equal maxima. The first in reading order counts.",
    ),
    first_by_columns=(
        lambda M, mask: looked_up(M.mT, mask.mT, M.mT.flatten(1).argmax(1)) & pointing(M),
        "You took the first of several equal maxima column by column. Reading order is row by row.",
    ),
    joined_by_or=(
        lambda M, mask: looked_up(M, mask, M.flatten(1).argmax(1)) | pointing(M),
        "You joined the two conditions with |, or. Both must hold: &.",
    ),
    minimum=(
        lambda M, mask: looked_up(M, mask, M.flatten(1).argmin(1)) & pointing(M),
        "You took the place of the smallest value. The brightest point is argmax.",
    ),
    absolute_maximum=(
        lambda M, mask: looked_up(M, mask, M.abs().flatten(1).argmax(1)) & pointing(M),
        "You took the largest absolute value. A large negative value is not bright: argmax of M.",
    ),
    maximum_of_the_product=(
        lambda M, mask: (M * mask).flatten(1).amax(1) == M.flatten(1).amax(1),
        "You compared the maximum of M · mask with that of M. The product is 0 outside the mask, which "
        "is more than a negative value, and ties count. Look up the mask at the first maximum.",
    ),
    one_maximum_for_all=(
        lambda M, mask: looked_up(M, mask, int(M.argmax()) % M[0].numel()) & pointing(M),
        "You took one maximum for all maps together. Each map has its own: argmax over axis 1 of the "
        "flattened maps.",
    ),
    no_hit_without_positive=(
        lambda M, mask: (
            looked_up(M, mask, M.flatten(1).argmax(1)) & (M.flatten(1).amax(1) > 0) & pointing(M)
        ),
        "A map whose values are all negative or 0 has a maximum too. Only a map that is the same "
        "everywhere points nowhere.",
    ),
)


@pointing_hit.accepts
def one_by_one(M, mask):
    hits = []
    for m, inside in zip(M.numpy(), mask.numpy(), strict=True):
        y, x = np.unravel_index(m.argmax(), m.shape)
        hits.append(bool(inside[y, x]) and bool(m.max() != m.min()))
    return torch.tensor(hits)


@pointing_hit.accepts
def gathered(M, mask):
    flat = M.reshape(len(M), -1)
    hit = mask.reshape(len(M), -1).gather(1, flat.argmax(1, keepdim=True)).squeeze(1)
    return torch.where((flat == flat[:, :1]).all(1), torch.tensor(False), hit)


# ------------------------------------------------------------------ 17.6

adcc = Exercise(
    "17.6",
    "adcc",
    formula="3 / (1/coherency + 1/(1 − complexity) + 1/(1 − drop))",
    hints=(
        "Three good numbers: coherency, 1 − complexity and 1 − drop. Their harmonic mean.",
        "The harmonic mean of three numbers is 3 divided by the sum of 1/a. A 1/0 of tensors is "
        "inf, and 3/inf is 0, as it shall be.",
        "3 / (1 / coherency + 1 / (1 - complexity) + 1 / (1 - drop)).",
    ),
)


@adcc.cases
def _(rng):
    yield Case("the numbers of the text", *torch.tensor([[0.9], [0.3], [0.2]]))
    yield Case("five images", *(0.05 + 0.9 * torch.rand(3, 5, generator=rng)))
    yield Case(
        "each of the three as bad as possible, once",
        torch.tensor([0.0, 0.8, 0.7, 1.0]),
        torch.tensor([0.2, 1.0, 0.4, 0.0]),
        torch.tensor([0.3, 0.1, 1.0, 0.0]),
    )
    yield Case("three single numbers", *torch.tensor([0.75, 0.4, 0.25]))


def good(coherency, complexity, drop):
    return torch.stack([coherency, 1 - complexity, 1 - drop])


@adcc.reference
def _(coherency, complexity, drop):
    return 3 / (1 / good(coherency, complexity, drop)).sum(0)


adcc.teaches(
    {
        "quotient #2: mul": "You multiplied 3 with the sum of the 1/a. Divide 3 by it.",
        "quotient #1: then sum for all": "The 3 is missing: with three perfect numbers the result "
        "must be 1.",
        "stacking: then mean for all": "You took the plain mean. In the harmonic mean one bad "
        "number is enough to spoil all.",
        "1 - complexity": "Complexity is bad when it is high: take 1 − complexity.",
        "1 - drop": "The drop is bad when it is high: take 1 − drop.",
        "1 - coherency": "Coherency is good when it is high: take it as it is.",
    }
)
adcc.wrongs(
    brackets_forgotten=(
        lambda a, b, c: 3 / (1 / a + 1 / 1 - b + 1 / 1 - c),
        "Brackets are missing: 1 / 1 - complexity is (1 / 1) - complexity. Write 1 / (1 - complexity), "
        "and the same for the drop.",
    ),
    product=(
        lambda a, b, c: good(a, b, c).prod(0),
        "You took the product. ADCC is the harmonic mean: 3 / (1/a + 1/b + 1/c).",
    ),
    geometric_mean=(
        lambda a, b, c: good(a, b, c).prod(0) ** (1 / 3),
        "You took the geometric mean. ADCC is the harmonic mean: 3 / (1/a + 1/b + 1/c).",
    ),
    none_turned=(
        lambda a, b, c: 3 / (1 / a + 1 / b + 1 / c),
        "Complexity and drop are bad when they are high: take 1 − complexity and 1 − drop.",
    ),
    mean_first=(
        lambda a, b, c: 3 / (1 / good(a.mean(), b.mean(), c.mean())).sum(0),
        "You took the means over the images first. Each image has its own ADCC.",
    ),
)
adcc.accepts_all(
    one_fraction=lambda a, b, c: (lambda p, q: 3 * a * p * q / (p * q + a * q + a * p))(
        1 - b, 1 - c
    ).nan_to_num(),
    powers=lambda a, b, c: 3 * (a**-1 + (1 - b) ** -1 + (1 - c) ** -1) ** -1,
    negligible_epsilon=lambda a, b, c: 3 / (1 / (good(a, b, c) + 1e-12)).sum(0),
    float64_inside=lambda a, b, c: 3 / (1 / good(a.double(), b.double(), c.double())).sum(0),
)


@adcc.accepts
def numpy_inside(coherency, complexity, drop):
    with np.errstate(divide="ignore"):
        return 3 / (1 / coherency.numpy() + 1 / (1 - complexity.numpy()) + 1 / (1 - drop.numpy()))


def test_lesson(proof):
    proof()
