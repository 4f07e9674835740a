"""Lesson 20, checked: compare networks, a bootstrap interval, and a paired comparison."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import nn
from torch.nn import functional

import camlite
from camlite.course import Case, Exercise

# ------------------------------------------------------------------ 20.1


def network(head, activation=nn.ReLU, channels=1, classes=4):
    """A small random network: a trunk of two convolutions, and one of the heads of the lesson."""
    trunk = nn.Sequential(
        nn.Conv2d(channels, 5, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(5, 6, 3, stride=2, padding=1),
        activation(),
    )
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    tail = {
        "gap_linear": [*pool, nn.Linear(6, classes)],
        "two_linears": [*pool, nn.Linear(6, 8), nn.Hardswish(), nn.Linear(8, classes)],
        "flatten": [nn.Flatten(), nn.Linear(6 * 4 * 5, 8), nn.ReLU(), nn.Linear(8, classes)],
    }[head]
    return nn.Sequential(trunk, *tail).eval()


def not_predicted(model, image):
    """The least likely class."""
    with torch.no_grad():
        return int(model(image)[0].argmin())


compare = Exercise(
    "20.1",
    "compare",
    formula="cos(A, B) = Σ A B / (√Σ A² · √Σ B²), of signed maps, with B the map of Grad-CAM",
    hints=(
        "For each network make four maps with the library, all with their sign, all for the class "
        "`target`. Then compare three of them with Grad-CAM.",
        "camlite.grad_cam and camlite.xgrad_cam cut negative values off unless you say relu=False. "
        "camlite.cam raises camlite.ArchitectureError for some heads: catch it and write None.",
        "Loop over models.items(). Flatten each map to one long vector; "
        "functional.cosine_similarity(a, b, dim=0) compares two vectors. Fill a dict for each name.",
    ),
)


@compare.cases
def _(rng):
    image = torch.randn(1, 1, 8, 10, generator=rng)
    one = network("gap_linear", nn.Tanh)
    yield Case(
        "GAP and one linear layer, negative feature maps, a class that is not predicted",
        {"one": one},
        image,
        not_predicted(one, image),
    )
    three = torch.randn(1, 3, 8, 10, generator=rng)
    flat = network("flatten", channels=3)
    yield Case(
        "a colour image, a flattening head: no CAM, and the others differ",
        {"flat": flat},
        three,
        not_predicted(flat, three),
    )
    two = {"a": network("two_linears"), "b": network("gap_linear")}
    yield Case(
        "two networks, only the second has a CAM", two, image, not_predicted(two["a"], image)
    )


def maps_of(model, image, target):
    """The signed maps, written out; CAM is None where there is none."""
    trunk, head = model[0], model[1:]
    with torch.enable_grad():
        F = trunk(image).detach().requires_grad_()
        Y = head(F)[0]
        c = Y.argmax() if target is None else target
        (G,) = torch.autograd.grad(Y[c], F)
    F, space = F.detach(), (2, 3)
    total = F.sum(space, keepdim=True)
    w = (G * F).sum(space, keepdim=True) / torch.where(total == 0, 1, total)
    cam = None
    if [type(part) for part in head] == [nn.AdaptiveAvgPool2d, nn.Flatten, nn.Linear]:
        cam = (head[-1].weight.detach()[c][:, None, None] * F).sum(1)
    return {
        "cam": cam,
        "grad_cam": (G.mean(space, keepdim=True) * F).sum(1),
        "hires_cam": (G * F).sum(1),
        "xgrad_cam": (w * F).sum(1),
    }


def cosine(a, b):
    a, b = a.flatten(), b.flatten()
    return float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12))


def table(models, image, target, alike=cosine, cut=(), missing=None):
    """The right table, with room for mistakes: a ReLU behind the maps that `cut` names."""
    out = {}
    for name, model in models.items():
        maps = maps_of(model, image, target)
        maps |= {k: maps[k].relu() for k in cut if maps[k] is not None}
        grad = maps.pop("grad_cam")
        out[name] = {k: missing if M is None else alike(M, grad) for k, M in maps.items()}
    return out


@compare.reference
def _(models, image, target):
    return table(models, image, target)


def with_mistakes(asked, cut, missing):
    def answer(models, image, target):
        return table(models, image, target if asked else None, cut=cut, missing=missing)

    return answer


compare.products(
    with_mistakes,
    asked={
        "target": (True, ""),
        "predicted_class": (
            False,
            "You explained the predicted class. Give `target` to each of the methods: without it "
            "they take the class with the largest logit.",
        ),
    },
    cut={
        "signed": ((), ""),
        "relu_kept": (
            ("grad_cam", "xgrad_cam"),
            "You cut the negative values off: relu=False keeps the sign of Grad-CAM and XGrad-CAM. "
            "CAM and HiResCAM have no ReLU by default, so you compared a map with half of another.",
        ),
        "relu_kept_in_grad_cam": (
            ("grad_cam",),
            "You cut the negative values of Grad-CAM off: give relu=False to it too.",
        ),
        "relu_kept_in_xgrad_cam": (
            ("xgrad_cam",),
            "You cut the negative values of XGrad-CAM off: give relu=False to it too.",
        ),
        "all_positive": (
            ("cam", "grad_cam", "hires_cam", "xgrad_cam"),
            "You cut the negative values off all four maps. Compare them whole: evidence against "
            "the class is evidence too.",
        ),
    },
    missing={
        "none": (None, ""),
        "zero_for_no_cam": (
            0.0,
            "You wrote 0 where a network has no CAM. Zero would say that CAM and Grad-CAM have "
            "nothing in common; None says that there is no CAM.",
        ),
    },
)


def measured_by(alike):
    return lambda models, image, target: table(models, image, target, alike)


compare.wrongs(
    correlation=(
        measured_by(lambda a, b: cosine(a - a.mean(), b - b.mean())),
        "This is the correlation: it takes the mean of each map away first. The cosine does not, "
        "and here the level of a map is part of its evidence.",
    ),
    scaled_first=(
        measured_by(lambda a, b: cosine(camlite.minmax(a), camlite.minmax(b))),
        "You scaled the maps to [0, 1] before you compared them. That moves the zero, and the sign "
        "of the evidence is lost.",
    ),
    not_normalised=(
        measured_by(lambda a, b: float((a * b).sum())),
        "You left the lengths out: the sum of A·B grows with the size of the maps. Divide by both "
        "norms.",
    ),
    distance=(
        measured_by(lambda a, b: float((a - b).norm())),
        "You measured a distance. CAM and Grad-CAM differ by the factor Z, so they are far apart, "
        "but point the same way: use the cosine.",
    ),
    one_minus_cosine=(
        measured_by(lambda a, b: 1 - cosine(a, b)),
        "This is 1 − cosine, a distance: 0 where two maps point the same way. Return the cosine.",
    ),
    cosine_of_rows=(
        measured_by(lambda a, b: float(functional.cosine_similarity(a, b, dim=-1).mean())),
        "The cosine was taken along the rows of the maps and then averaged. Flatten each map to "
        "one long vector first.",
    ),
)


@compare.wrong(
    "Your code stops at the first network that has no CAM. Catch camlite.ArchitectureError with "
    "try and except, and go on."
)
def stops_without_cam(models, image, target):
    for model in models.values():
        camlite.cam(model, "0", image, target)
    return table(models, image, target)


@compare.wrong(
    "You left out the networks that have no CAM. Their other maps can be compared all the same."
)
def networks_left_out(models, image, target):
    return {n: row for n, row in table(models, image, target).items() if row["cam"] is not None}


def dot_product_in_numpy(a, b):
    a, b = a.numpy().ravel(), b.numpy().ravel()
    return np.dot(a, b) / np.sqrt(np.dot(a, a) * np.dot(b, b))


compare.accepts_all(
    with_numpy=measured_by(dot_product_in_numpy),
    einsum_of_unit_maps=measured_by(
        lambda a, b: torch.einsum("nxy,nxy->", a / a.norm(), b / b.norm())
    ),
)


@compare.accepts
def with_the_library(models, image, target):
    out = {}
    for name, model in models.items():
        grad = camlite.grad_cam(model, None, image, target, relu=False)
        row = {
            "xgrad_cam": cosine(camlite.xgrad_cam(model, "0", image, target, relu=False), grad),
            "hires_cam": cosine(camlite.hires_cam(model, "0", image, target), grad),
        }
        try:
            row["cam"] = cosine(camlite.cam(model, "0", image, target), grad)
        except camlite.ArchitectureError:
            row["cam"] = None
        out[name] = row
    return out


# ------------------------------------------------------------------ 20.2

bootstrap_interval = Exercise(
    "20.2",
    "bootstrap_interval",
    formula="low, high = quantiles (1 − level)/2 and (1 + level)/2 of the means of 4000 resamples",
    hints=(
        "One resample: N draws from the N values, with replacement, and their mean. You need 4000 "
        "such means. The interval holds the middle part of them.",
        "torch.randint(N, (4000, N), generator=generator) draws the positions. The share outside "
        "the interval is 1 − level; half of it lies on each side.",
        "values[positions] is (4000, N). Take the mean over the last axis, then the quantiles "
        "(1 − level) / 2 and 1 − (1 − level) / 2, and return them as two numbers.",
    ),
    rtol=0.16,  # two runs of the right answer differ by chance: about 0.05 of the half width
)


@bootstrap_interval.cases
def _(rng):
    yield Case("30 values, level 0.95", torch.rand(30, generator=rng) * 50, 0.95, rng)
    yield Case("skewed values, level 0.8", torch.randn(40, generator=rng).exp(), 0.8, rng)
    yield Case("negative values, level 0.5", torch.randn(25, generator=rng) - 3, 0.5, rng)
    yield Case("all values equal: nothing to be unsure of", torch.full((12,), 2.5), 0.9, rng)


@bootstrap_interval.probe
def _(answer, values, level, generator):
    start = generator.get_state()

    def run():
        result = answer(values.clone(), level, generator)
        result = result.tolist() if isinstance(result, (torch.Tensor, np.ndarray)) else result
        if not isinstance(result, (tuple, list)) or len(result) != 2:
            return result
        return tuple(float(end) for end in result)

    first = run()
    if not isinstance(first, tuple):
        return {"result": first}
    goes_on = run()
    generator.set_state(start)
    again = run()
    middle = float(values.mean())
    low, high = first
    return {
        "low, from the mean": low - middle,
        "high, from the mean": high - middle,
        "result": torch.tensor(first),
        "two calls, the generator put back between them": "the same interval twice"
        if again == first
        else "two different intervals",
        "two calls, the generator going on": "the same interval twice"
        if goes_on == first
        else "two different intervals",
    }


def draws_of(values, generator, count=4000, size=None):
    positions = torch.randint(len(values), (count, size or len(values)), generator=generator)
    return values[positions]


def mean_of_rows(resamples):
    return resamples.mean(1)


def half_outside(level):
    return (1 - level) / 2, (1 + level) / 2


def ends(means, low, high):
    return float(means.quantile(low)), float(means.quantile(high))


@bootstrap_interval.reference
def _(values, level, generator):
    means = draws_of(values, generator, 40_000).mean(1)
    return ends(means, (1 - level) / 2, (1 + level) / 2)


def interval(generator_of=lambda given: given, tails=half_outside, size=None, number=mean_of_rows):
    """An answer of chosen parts: whose draws, which quantiles, how many draws, of which number."""

    def answer(values, level, generator):
        resamples = draws_of(values, generator_of(generator), size=size and size(len(values)))
        return ends(number(resamples), *tails(level))

    return answer


bootstrap_interval.products(
    interval,
    generator_of={
        "given": (lambda given: given, ""),
        "global_generator": (
            lambda given: None,
            "You did not use the generator that was given. The draws then come from the global "
            "one, and nobody can repeat your interval.",
        ),
        "own_seed": (
            lambda given: torch.Generator().manual_seed(0),
            "Each call gives exactly the same interval, so the given generator was not used. "
            "Either you seed a generator of your own, or nothing was drawn: mean ± standard errors is "
            "not the bootstrap.",
        ),
    },
    tails={
        "half_outside": (half_outside, ""),
        "whole_tail_on_each_side": (
            lambda level: sorted((1 - level, level)),
            "You left 1 − level outside on each side, so 2·(1 − level) in all. Half of it belongs "
            "on each side.",
        ),
        "always_95_percent": (
            lambda level: (0.025, 0.975),
            "You always took the quantiles for 95 %. The share inside the interval is `level`.",
        ),
    },
)

bootstrap_interval.wrongs(
    quantiles_of_values=(
        interval(number=lambda resamples: resamples.flatten()[:100_000]),
        "These are quantiles of the values. They say how much single images differ; the question "
        "is how much the mean would differ. Take the mean of each resample first.",
    ),
    medians=(
        interval(number=lambda resamples: resamples.median(1).values),
        "You took the median of each resample. The interval is for the mean, the number of the "
        "table.",
    ),
    sums=(
        interval(number=lambda resamples: resamples.sum(1)),
        "You took the sum of each resample. The interval is for the mean, the number of the table.",
    ),
    mean_of_each_column=(
        interval(number=lambda resamples: resamples.mean(0)),
        "You took the mean along the wrong axis. In (4000, N) each row is one resample: take the "
        "mean over the last axis.",
    ),
    half_the_size=(
        interval(size=lambda N: N // 2),
        "Your resamples are smaller than the data. Means of fewer values vary more, so the "
        "interval is too wide: draw N values each time.",
    ),
    exchanged=(
        interval(tails=lambda level: half_outside(level)[::-1]),
        "High and low are exchanged: return (low, high).",
    ),
)


@bootstrap_interval.wrong(
    "You drew without replacement. Each resample then holds all values once, and has the same "
    "mean: the interval has no width."
)
def without_replacement(values, level, generator):
    order = torch.rand(4000, len(values), generator=generator).argsort(1)
    return ends(values[order].mean(1), *half_outside(level))


@bootstrap_interval.wrong(
    "You returned the distances from the mean. Return the two ends of the interval themselves."
)
def distances_from_the_mean(values, level, generator):
    low, high = interval()(values, level, generator)
    return low - float(values.mean()), high - float(values.mean())


@bootstrap_interval.accepts
def one_resample_at_a_time(values, level, generator):
    N = len(values)
    means = torch.stack(
        [values[torch.randint(N, (N,), generator=generator)].mean() for _ in range(4000)]
    )
    tail = (1 - level) / 2
    return means.quantile(tail).item(), means.quantile(1 - tail).item()


@bootstrap_interval.accepts
def with_multinomial_counts(values, level, generator):
    N = len(values)
    draws = torch.multinomial(torch.ones(4000, N), N, replacement=True, generator=generator)
    counts = torch.stack([(draws == i).sum(1) for i in range(N)], dim=1)
    means = counts.double() @ values.double() / N
    return tuple(torch.quantile(means, torch.tensor([(1 - level) / 2, (1 + level) / 2]).double()))


@bootstrap_interval.accepts
def numpy_percentiles(values, level, generator):
    seed = int(torch.randint(2**31, (), generator=generator))
    rng = np.random.default_rng(seed)
    means = rng.choice(values.numpy(), (4000, len(values))).mean(1)
    return np.percentile(means, [50 * (1 - level), 50 * (1 + level)])


@bootstrap_interval.accepts
def by_sorting(values, level, generator):
    means = draws_of(values, generator).mean(1).sort().values
    cut = round(4000 * (1 - level) / 2)
    return float(means[cut]), float(means[3999 - cut])


@bootstrap_interval.accepts
def scipy_bootstrap(values, level, generator):
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    found = stats.bootstrap(
        (values.numpy(),),
        np.mean,
        n_resamples=4000,
        confidence_level=level,
        method="percentile",
        rng=rng,
    )
    return found.confidence_interval.low, found.confidence_interval.high


# ------------------------------------------------------------------ 20.3

paired_win_rate = Exercise(
    "20.3",
    "paired_win_rate",
    formula="100/N · Σ_i (1[a_i < b_i] + ½ · 1[a_i = b_i])",
    hints=(
        "Compare a and b image by image. For each image there is a winner, or a tie.",
        "Lower is better: a wins where a < b. A tie counts one half. The mean over the images, times "
        "100, is the rate in percent.",
        "(a < b) and (a == b) are tensors of True and False; .double() makes numbers of them. Add "
        "the first and half of the second, take the mean, times 100.",
    ),
)


@paired_win_rate.cases
def _(rng):
    a, b = torch.rand(7, generator=rng), torch.rand(7, generator=rng)
    a[:3] = b[:3] - torch.tensor([0.1, 0.2, -5.0])
    a[3] = b[3]
    a[4:6] = b[4:6] - 0.3
    a[6] = b[6] + 0.01
    yield Case("seven images, one tie, one large defeat", a, b)
    yield Case("the same, exchanged", b, a)
    yield Case("the pairs matter", torch.tensor([1.0, 2, 3, 9]), torch.tensor([2, 3, 4, 1.5]))
    yield Case("many ties", torch.tensor([0.0, 0, 3, 0, 9]), torch.tensor([0.0, 0, 2, 0, 11]))
    yield Case("only ties", torch.zeros(4), torch.zeros(4))
    yield Case("one image", torch.tensor([1.0]), torch.tensor([2.0]))


@paired_win_rate.reference
def _(a, b):
    wins = sum(1.0 if x < y else 0.5 if x == y else 0.0 for x, y in zip(a, b, strict=True))
    return 100 * wins / len(a)


def rate(comes_first, tie, scale):
    """An answer of chosen parts: which side wins, what a tie is worth, what becomes of the wins."""

    def answer(a, b):
        return float(scale(comes_first(a, b).double() + tie * (a == b).double()))

    return answer


paired_win_rate.products(
    rate,
    comes_first={
        "lower_wins": (torch.lt, ""),
        "higher_wins": (
            torch.gt,
            "You counted where a is higher. These are drops: the lower one wins.",
        ),
    },
    tie={
        "half": (0.5, ""),
        "ties_lost": (0.0, "You gave a nothing for a tie. It is half a win for each side."),
        "ties_won": (1.0, "You gave a the whole win for a tie. It is half a win for each side."),
    },
    scale={
        "percent": (lambda wins: 100 * wins.mean(), ""),
        "fraction": (torch.mean, "The result is a fraction. Return percent: times 100."),
        "number_of_wins": (
            torch.sum,
            "This is how many images were won. Divide by the number of images: a rate.",
        ),
    },
)

right_rate = rate(torch.lt, 0.5, lambda wins: 100 * wins.mean())

paired_win_rate.wrongs(
    ties_counted_twice=(
        rate(torch.le, 0.5, lambda wins: 100 * wins.mean()),
        "A tie counts one and a half times: a <= b holds for ties already, and you added another "
        "half. Use a < b and half of a == b.",
    ),
    ties_left_out=(
        lambda a, b: float(100 * (a < b).sum() / (a != b).sum().clamp_min(1)),
        "You left the ties out and divided by the others. All images count; a tie is half a win. "
        "(With ties only, there would be nothing to divide by.)",
    ),
    wins_minus_defeats=(
        lambda a, b: float(100 * ((a < b).double() - (a > b).double()).mean()),
        "You subtracted the defeats from the wins. The rate is the wins and half of the ties, "
        "divided by the number of images.",
    ),
    ties_not_in_percent=(
        lambda a, b: float(100 * (a < b).double().mean() + 0.5 * (a == b).double().mean()),
        "You multiplied only the wins by 100. The half of the ties is part of the rate too: add "
        "both first, then times 100.",
    ),
    all_pairs=(
        lambda a, b: right_rate(a[:, None], b[None]),
        "You compared every image of a with every image of b. The comparison is paired: image i of "
        "a only with image i of b.",
    ),
    sorted_first=(
        lambda a, b: right_rate(a.sort().values, b.sort().values),
        "You compared the sorted values. Sorting tears the pairs apart: the images do not match "
        "any more.",
    ),
    means_compared=(
        lambda a, b: right_rate(a.mean(), b.mean()),
        "You compared the means. One large defeat decides then; the rate asks how often, not how "
        "much.",
    ),
)

paired_win_rate.accepts_all(
    in_steps=lambda a, b: 100 * ((a < b).double() + 0.5 * (a == b).double()).mean(),
    by_sign=lambda a, b: 50 * (1 + torch.sign(b - a).mean()),
    library=lambda a, b: camlite.metrics.win_rate(a, b),
    heaviside=lambda a, b: 100 * np.heaviside((b - a).numpy(), 0.5).mean(),
    mean_of_strict_and_weak=lambda a, b: (
        50 * ((a < b).float().mean() + (a <= b).float().mean()).item()
    ),
)


def test_lesson(proof):
    proof()
