"""Lesson 18, checked: layers made random from the top, Spearman's rank correlation, the cascade."""

from __future__ import annotations

import copy
import itertools
import warnings

import numpy as np
import scipy.stats
import torch
from torch import nn

from camlite.course import Case, Exercise, normal
from camlite.course.observe import NOTHING
from camlite.course.state import changes, condition

# ------------------------------------------------------------------ 18.1

randomize_from_top = Exercise(
    "18.1",
    "randomize_from_top",
    formula="in a copy, for the last `count` modules with parameters of their own: "
    "p = s · z, z ~ N(0, 1), s = √(mean p²)",
    hints=(
        "Work on a copy. Find the modules that have parameters of their own, take the last `count` "
        "of them, and write new numbers into each of their parameters.",
        "own = [m for m in copied.modules() if list(m.parameters(recurse=False))]; own[-count:] are "
        "the last ones. Each of their parameters p gets torch.randn(p.shape, generator=generator) "
        "times √(mean p²).",
        "copy.deepcopy the model. For each module of own[-count:], for each p of "
        "module.parameters(recurse=False): p.detach().copy_ of the random numbers times the root of "
        "the mean of p.detach().square(). Return the copy.",
    ),
)


class Scaled(nn.Module):
    """A module that holds a parameter itself, and another module."""

    def __init__(self, inside):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.7, -1.2]))
        self.inside = inside

    def forward(self, x):
        return self.inside(x) * self.scale[:, None, None]


def a_network(rng, norm=False):
    """Convolutions (some inside others), ReLUs between them, and two linear layers."""
    first = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6) if norm else nn.ReLU())
    last = nn.Sequential(nn.Flatten(), nn.Linear(2 * 15, 10), nn.ReLU(), nn.Linear(10, 4))
    net = nn.Sequential(first, Scaled(nn.Conv2d(6, 2, 3)), nn.ReLU(), last, nn.Identity())
    with torch.no_grad():
        for p in net.parameters():  # no tensor is all 0 or all 1, as after a training
            p += 0.2 * p.square().mean().sqrt().clamp(min=0.1) * normal(rng, *p.shape)
    return net.eval()


@randomize_from_top.cases
def _(rng):
    yield Case("the last layer; before it are a ReLU and more layers", a_network(rng), 1, 3)
    yield Case("two layers: both are inside the last module", a_network(rng), 2, 11)
    yield Case("four layers, one of them holds a parameter beside a layer", a_network(rng), 4, 7)
    yield Case("all six, batch normalisation too", a_network(rng, norm=True), 6, 5)


@randomize_from_top.probe
def _(answer, model, count, seed):
    for p in model.parameters():  # gradients of the caller, which must stay
        p.grad = torch.ones_like(p)
    given, old = condition(model, ""), {n: p.detach().clone() for n, p in model.named_parameters()}
    got, again, other = (
        answer(model, count, torch.Generator().manual_seed(s)) for s in (seed, seed, seed + 1)
    )
    if not isinstance(got, nn.Module):
        return {"what comes back": NOTHING if got is None else f"a {type(got).__name__}"}
    new, second, third = (dict(m.named_parameters()) for m in (got, again, other))
    if list(new) != list(old) or any(new[n].shape != p.shape for n, p in old.items()):
        return {"what comes back": "a network with other layers"}
    changed = [n for n, p in new.items() if not torch.equal(p, old[n])]
    mine = {p.data_ptr() for p in model.parameters()}
    return {
        "what comes back": "the given model itself" if got is model else "another network",
        "changed in the given model": ", ".join(changes(given, condition(model, ""))) or "nothing",
        "weights shared with the given model": names(
            n for n, p in new.items() if p.data_ptr() in mine
        ),
        "new weights": names(changed),
        "the same seed again": "other weights"
        if any(not torch.equal(p, second[n]) for n, p in new.items())
        else "the same weights",
        "the same in spite of another seed": names(
            n for n in changed if torch.equal(new[n], third[n])
        ),
        "left of the old weights": names(n for n in changed if alike(new[n], old[n])),
        "size of the new weights": size_of([new[n] for n in changed], [old[n] for n in changed]),
    }


def alike(p, q):
    """Do many numbers still follow the old ones?"""
    if p.numel() < 20 or not p.isfinite().all():
        return False
    return float(torch.corrcoef(torch.stack([p.detach().flatten(), q.flatten()]))[0, 1].abs()) > 0.8


def names(found):
    return ", ".join(found) or "none"


def size_of(new, old):
    """Of tensors with at least 20 numbers; another distribution of about this size is fine."""
    if not all(p.isfinite().all() for p in new):
        return "not finite"
    pairs = [
        (p.square().mean() / q.square().mean()).sqrt()
        for p, q in zip(new, old, strict=True)
        if p.numel() > 19
    ]
    if all(1 / 3 < r < 3 for r in pairs):
        return "about as before"
    return "much larger" if max(pairs) > 3 else "much smaller"


def with_own(model):
    return [m for m in model.modules() if list(m.parameters(recurse=False))]


def normals(p, generator):
    return p.square().mean().sqrt() * torch.randn(p.shape, generator=generator)


def randomizer(
    layers=lambda m, count: with_own(m)[-count:],
    draw=normals,
    copied=copy.deepcopy,
    own=lambda module: module.parameters(recurse=False),
):
    """The answer with other parts."""

    @torch.no_grad()
    def answer(model, count, generator):
        model = copied(model)
        for module in layers(model, count):
            for p in own(module):
                p.copy_(draw(p, generator))
        return model

    return answer


right_randomizer = randomizer()
randomize_from_top.reference(right_randomizer)


def leaves(m):
    return [each for each in m.modules() if not list(each.children())]


def tensors_alone(model, count, generator):
    model = copy.deepcopy(model)
    with torch.no_grad():
        for p in list(model.parameters())[-count:]:
            p.copy_(normals(p, generator))
    return model


def nothing_written(model, count, generator):
    model = copy.deepcopy(model)
    for module in with_own(model)[-count:]:
        for p in module.parameters(recurse=False):
            p = normals(p, generator)
    return model


randomize_from_top.wrongs(
    the_model_itself=(
        randomizer(copied=lambda m: m),
        "You changed the given model. Its owner still needs it: work on copy.deepcopy(model).",
    ),
    shallow_copy=(
        randomizer(copied=copy.copy),
        "You changed the given model: copy.copy makes a new outside, but the layers inside are the "
        "same. Take copy.deepcopy.",
    ),
    nothing_written=(
        nothing_written,
        "Nothing changed in the copy. `p = …` only gives a new tensor the name p; "
        "p.detach().copy_(…) writes the numbers into the parameter.",
    ),
    a_list_of_layers=(
        lambda model, count, generator: with_own(right_randomizer(model, count, generator))[
            -count:
        ],
        "You returned a list of layers. Return the whole network, the copy.",
    ),
    last_modules=(
        randomizer(lambda m, count: leaves(m)[-count:]),
        "You counted modules without parameters too, a ReLU for instance. Only modules with "
        "parameters of their own count.",
    ),
    children_only=(
        randomizer(lambda m, count: list(m.children())[-count:], own=lambda m: m.parameters()),
        "You took the last children of the model. A child can hold several layers, or none with "
        "parameters: go through model.modules().",
    ),
    modules_with_any_parameters=(
        randomizer(
            lambda m, count: [e for e in m.modules() if list(e.parameters())][-count:],
            own=lambda m: m.parameters(),
        ),
        "module.parameters() also gives those of the modules inside, so a container counts as a "
        "layer. Ask for its own: module.parameters(recurse=False).",
    ),
    last_tensors=(
        tensors_alone,
        "You counted tensors: a weight and its bias are two of them. Count modules, and change all "
        "parameters that a module has.",
    ),
    named_kinds_only=(
        randomizer(
            lambda m, n: [e for e in m.modules() if isinstance(e, (nn.Conv2d, nn.Linear))][-n:]
        ),
        "You took only convolutions and linear layers. Other modules have parameters too: ask "
        "whether list(module.parameters(recurse=False)) is empty.",
    ),
    with_a_weight_only=(
        randomizer(lambda m, count: [e for e in m.modules() if hasattr(e, "weight")][-count:]),
        "You took only modules with a `weight`. A parameter can have any name: ask whether "
        "list(module.parameters(recurse=False)) is empty.",
    ),
    first_layers=(
        randomizer(lambda m, count: with_own(m)[:count]),
        "You began at the image. The top is the end of the network, the logits: take the last "
        "`count` layers.",
    ),
    only_one_layer=(
        randomizer(lambda m, count: with_own(m)[-count : len(with_own(m)) - count + 1]),
        "Only one layer is new, the one at place `count` from the end. All layers from there to the "
        "end are new: own[-count:].",
    ),
    one_too_many=(
        randomizer(lambda m, count: with_own(m)[-count - 1 :]),
        "One layer too many is new. The last `count` are own[-count:].",
    ),
    one_too_few=(
        randomizer(lambda m, count: with_own(m)[len(with_own(m)) - count + 1 :]),
        "One layer too few is new. The last `count` are own[-count:].",
    ),
    all_layers=(
        randomizer(lambda m, count: with_own(m)),
        "All layers are new. Only the last `count` may change: own[-count:].",
    ),
    weights_without_biases=(
        randomizer(own=lambda m: list(m.parameters(recurse=False))[:1]),
        "The biases are still the trained ones. All parameters of a layer get new numbers.",
    ),
    generator_not_used=(
        randomizer(draw=lambda p, generator: normals(p, None)),
        "You did not draw from the generator that was given, so nobody can repeat the experiment. "
        "Pass it on: torch.randn(p.shape, generator=generator).",
    ),
    generator_sown_anew=(
        randomizer(draw=lambda p, generator: normals(p, generator.manual_seed(0))),
        "Every seed gives the same weights. Draw from the generator as it is given: set no seed of "
        "your own.",
    ),
    zeros=(
        randomizer(draw=lambda p, generator: 0 * p),
        "The new weights are 0, not random. A network of zeros has no map at all.",
    ),
    not_scaled=(
        randomizer(draw=lambda p, generator: torch.randn(p.shape, generator=generator)),
        "The new weights are much larger than the old ones. Multiply the random numbers by "
        "s = √(mean p²), one number for each parameter.",
    ),
    noise_added=(
        randomizer(draw=lambda p, generator: p + 0.1 * normals(p, generator)),
        "You added noise to the trained weights. What they learned is still in them: write new "
        "numbers, without the old ones.",
    ),
)
randomize_from_top.teaches_parts(
    {
        "what comes back": "Return the copy, a network with the same layers.",
        "new weights": "These are not the right parameters. All parameters of the last `count` modules "
        "that have parameters of their own are new, and no others.",
        "the same seed again": "Two calls with the same seed give different weights. Draw all "
        "numbers from the given generator.",
        "the same in spite of another seed": "Some new weights are the same for every seed. Each of "
        "them is drawn from the given generator.",
        "size of the new weights": "The new weights are not about as large as the old ones: the "
        "random numbers are multiplied by s = √(mean p²).",
    }
)


@randomize_from_top.accepts
def shuffled(model, count, generator):
    model = copy.deepcopy(model)
    for module in with_own(model)[-count:]:
        for p in module.parameters(recurse=False):
            order = torch.randperm(p.numel(), generator=generator)
            p.data = p.data.flatten()[order].reshape(p.shape)
            if p.numel() < 7:  # a permutation of few numbers is often the old order
                p.data = normals(p.data, generator)
    return model


@randomize_from_top.accepts
def with_normal_(model, count, generator):
    copied = copy.deepcopy(model)
    own = [m for m in copied.modules() if any(True for _ in m.parameters(recurse=False))]
    for module in own[::-1][:count]:
        for p in module.parameters(recurse=False):
            nn.init.normal_(p, std=float(p.detach().pow(2).mean() ** 0.5), generator=generator)
    return copied


@randomize_from_top.accepts
def by_names(model, count, generator):
    new = copy.deepcopy(model).requires_grad_(True)
    top = [n for n, m in new.named_modules() if len(m._parameters)][-count:]
    weights = new.state_dict()
    for name, p in new.named_parameters():
        if name.rpartition(".")[0] in top:
            z = torch.randn(p.shape, generator=generator)
            weights[name] = z * p.detach().norm() / p.numel() ** 0.5
    new.load_state_dict(weights)
    return new


# ------------------------------------------------------------------ 18.2

rank_correlation = Exercise(
    "18.2",
    "rank_correlation",
    formula="ρ = Σ r̃_a r̃_b / √(Σ r̃_a² · Σ r̃_b²), r̃ = rank − mean rank; equal values share their "
    "mean rank; 0 for a constant map",
    hints=(
        "Give each pixel its place in the order of its own map. Then take the ordinary correlation "
        "of the two lists of places.",
        "For each image: ranks of a.flatten() and of b.flatten(), with the mean rank for ties. "
        "Subtract the mean rank. Sum of the products, divided by the root of the product of the two "
        "sums of squares.",
        "For one map: _, which, counts = m.unique(return_inverse=True, return_counts=True); "
        "(counts.cumsum(0) - (counts - 1) / 2)[which] are the ranks. Loop over the images; where "
        "the root is 0, the answer is 0.",
    ),
)


@rank_correlation.cases
def _(rng):
    a, b = normal(rng, 3, 4, 6), normal(rng, 3, 4, 6)
    yield Case(
        "three signed maps of 4×6", a, torch.stack([b[0], a[1] ** 3 + 0.4 * b[1], -a[2] + b[2]])
    )
    yield Case("after a ReLU: many pixels share the value 0", a.relu(), (a + b).relu())
    few = torch.randint(0, 4, (2, 5, 3), generator=rng).float()
    yield Case(
        "only four different values", few, few + torch.randint(0, 3, (2, 5, 3), generator=rng)
    )
    flat = torch.stack([torch.zeros(4, 6), a[0], torch.full((4, 6), 2.5)])
    yield Case(
        "constant maps, in a, in b, and in both", flat, torch.stack([a[1], 0 * a[1], a[2] * 0 + 1])
    )
    yield Case("one map, the same order, tiny and huge values", 1e-6 * a[:1], 1e5 * a[:1].exp())
    yield Case("one map, the opposite order", a[:1], -(a[:1] ** 3))


def ranks(M, method="average"):
    return torch.from_numpy(
        scipy.stats.rankdata(M.detach().flatten(1).numpy(), method, axis=1)
    ).double()


def correlation(A, B, centre=True):
    A, B = (M.double().flatten(1) for M in (A, B))
    if centre:
        A, B = (M - M.mean(1, keepdim=True) for M in (A, B))
    size = (A.square().sum(1) * B.square().sum(1)).sqrt()
    return torch.where(size > 0, (A * B).sum(1) / size, 0.0).float()


@rank_correlation.reference
def right_correlation(a, b):
    return correlation(ranks(a), ranks(b))


def argsort(M):
    return M.flatten(1).argsort(1, stable=True)


def constant(M):
    return M.flatten(1).amax(1) == M.flatten(1).amin(1)


def by_differences(a, b):
    P = a[0].numel()
    return (1 - 6 * (ranks(a) - ranks(b)).square().sum(1) / (P * (P**2 - 1))).float()


def with_nan(a, b):
    return torch.where(constant(a) | constant(b), torch.nan, right_correlation(a, b))


rank_correlation.wrongs(
    no_ranks=(
        correlation,
        "This is the correlation of the values. Replace each value by its rank first: then one very "
        "bright pixel counts no more than any other.",
    ),
    argsort_once=(
        lambda a, b: correlation(argsort(a), argsort(b)),
        "argsort does not give ranks: it says which pixel comes first, second, … The ranks are the "
        "places of the pixels in this order. (And ties need the mean rank.)",
    ),
    argsort_twice=(
        lambda a, b: correlation(
            a.flatten(1).argsort(1).argsort(1), b.flatten(1).argsort(1).argsort(1)
        ),
        "argsort of argsort gives ranks, but equal values get different ones, as it happens. They "
        "share their mean rank; a map after a ReLU has many zeros.",
    ),
    ties_in_order=(
        lambda a, b: correlation(ranks(a, "ordinal"), ranks(b, "ordinal")),
        "Equal values got different ranks, in the order in which they lie in the map. They share "
        "their mean rank; a map after a ReLU has many zeros.",
    ),
    lowest_rank_for_ties=(
        lambda a, b: correlation(ranks(a, "min"), ranks(b, "min")),
        "Equal values got the lowest of their ranks. They share the mean of them.",
    ),
    highest_rank_for_ties=(
        lambda a, b: correlation(ranks(a, "max"), ranks(b, "max")),
        "Equal values got the highest of their ranks. They share the mean of them.",
    ),
    dense_ranks=(
        lambda a, b: correlation(ranks(a, "dense"), ranks(b, "dense")),
        "You numbered the different values 1, 2, 3, … A value that occurs ten times takes ten "
        "places: its rank is the mean of these ten.",
    ),
    differences_with_ties=(
        by_differences,
        "1 − 6 Σ d² / (P (P² − 1)) is right only without ties. With equal values take the "
        "correlation of the ranks. A constant map has similarity 0.",
    ),
    not_centred=(
        lambda a, b: torch.where(
            constant(a) | constant(b), 0.0, correlation(ranks(a), ranks(b), False)
        ),
        "You did not subtract the mean rank. Then all maps look alike, because all ranks are "
        "positive.",
    ),
    constant_is_nan=(
        with_nan,
        "A constant map gave NaN: 0 divided by 0. It has no order at all; its similarity is 0.",
    ),
    constant_is_one=(
        lambda a, b: torch.where(constant(a) & constant(b), 1.0, right_correlation(a, b)),
        "Two constant maps got 1. A constant map says nothing, so it agrees with nothing: 0.",
    ),
    one_number=(
        lambda a, b: right_correlation(a, b).mean(),
        "There is one number for all images. Each image has its own.",
    ),
    all_images_ranked_together=(
        lambda a, b: correlation(ranks(a[None]).view(a.shape), ranks(b[None]).view(b.shape)),
        "You ranked the pixels of all images together. Each map has its own order: ranks 1 to h·w "
        "for each.",
    ),
    absolute_value=(
        lambda a, b: right_correlation(a, b).abs(),
        "You took the absolute value. −1, the opposite order, is something else than 1.",
    ),
    absolute_maps=(
        lambda a, b: right_correlation(a.abs(), b.abs()),
        "You ranked |a| and |b|. The maps keep their signs here.",
    ),
    squared=(
        lambda a, b: right_correlation(a, b) ** 2,
        "You squared it, or you forgot the root. Divide by √(Σ r̃_a² · Σ r̃_b²).",
    ),
    not_divided=(
        lambda a, b: (
            (
                (ranks(a) - ranks(a).mean(1, keepdim=True))
                * (ranks(b) - ranks(b).mean(1, keepdim=True))
            )
            .mean(1)
            .float()
        ),
        "This is the covariance of the ranks. Divide by √(Σ r̃_a² · Σ r̃_b²), so that the result "
        "lies between −1 and 1.",
    ),
    kendall=(
        lambda a, b: torch.tensor(
            [
                np.nan_to_num(scipy.stats.kendalltau(p.flatten(), q.flatten()).statistic)
                for p, q in zip(a.numpy(), b.numpy(), strict=True)
            ]
        ).float(),
        "This is Kendall's τ, another rank correlation, which counts pairs. Spearman's ρ is the "
        "correlation of the ranks.",
    ),
)
rank_correlation.teaches(
    {"result: 1 -": "This is a distance, 1 − ρ. Return the correlation ρ: 1 for the same order."}
)


@rank_correlation.accepts
def with_scipy(a, b):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [
            scipy.stats.spearmanr(p.numpy().ravel(), q.numpy().ravel()).statistic
            for p, q in zip(a, b, strict=True)
        ]
    return torch.tensor(np.nan_to_num(found))


@rank_correlation.accepts
def with_unique(a, b):
    found = torch.zeros(len(a))
    for n, pair in enumerate(zip(a, b, strict=True)):
        r = []
        for m in pair:
            _, which, counts = m.flatten().unique(return_inverse=True, return_counts=True)
            r.append((counts.cumsum(0) - (counts - 1) / 2)[which])
        ra, rb = (each - each.mean() for each in r)
        size = (ra.square().sum() * rb.square().sum()).sqrt()
        if size > 0:
            found[n] = (ra * rb).sum() / size
    return found


@rank_correlation.accepts
def with_comparisons(a, b):
    def rank(M):
        M = M.flatten(1)
        larger, equal = M[:, :, None] > M[:, None, :], M[:, :, None] == M[:, None, :]
        return larger.sum(2) + (equal.sum(2) + 1) / 2

    r = torch.stack([torch.stack([*p]) for p in zip(rank(a), rank(b), strict=True)])
    return torch.stack([torch.corrcoef(pair)[0, 1] for pair in r]).nan_to_num()


# ------------------------------------------------------------------ 18.3

cascade = Exercise(
    "18.3",
    "cascade",
    formula="[mean_n ρ(M_0, M_k)_n for k = 1, 2, … all], M_k = method(f_k, layer, x, c), f_k: the last "
    "k layers random",
    hints=(
        "The map of the given model once. Then, for 1, 2, 3, … layers from the top: a new network "
        "(18.1), its map, and how alike the two maps are (18.2).",
        "How many layers are there? As many as modules with parameters of their own. For count = 1 "
        "to this number: rank_correlation(first, method(randomised, layer, x, c)).mean().",
        "first = method(model, layer, x, c); for count in range(1, number + 1): randomize_from_top("
        "model, count, generator), its map, float of the mean rank correlation with `first`, "
        "appended to a list.",
    ),
)


def small(rng, wide=False):
    hidden = [nn.Linear(5, 5), nn.ReLU()] if wide else []
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 8, 5), nn.ReLU(), *hidden
    )
    net.append(nn.Linear(5, 3))
    return net.eval()


@cascade.cases
def _(rng):
    yield Case(
        "three layers, four images",
        small(rng),
        "0",
        normal(rng, 4, 1, 4, 6),
        torch.arange(4) % 3,
        5,
    )
    yield Case("four layers, c is one class", small(rng, True), "1", normal(rng, 3, 1, 4, 6), 2, 9)
    yield Case("one image", small(rng), "1", normal(rng, 1, 1, 4, 6), torch.tensor([1]), 2)


class Spy:
    """A method with a fixed map for each set of random layers; it writes down what it is asked."""

    def __init__(self, model, layer, x, c):
        self.given, self.asked = (layer, x.clone(), torch.as_tensor(c).clone()), []
        self.old = {n: p.detach().clone() for n, p in model.named_parameters()}
        layers = dict.fromkeys(n.partition(".")[0] for n in self.old)
        self.number, self.other = {n: i for i, n in enumerate(layers)}, []

    def __call__(self, model, layer, x, c):
        new = {
            self.number[n.partition(".")[0]]
            for n, p in model.named_parameters()
            if not torch.equal(p, self.old[n])
        }
        self.asked.append(tuple(sorted(new)))
        named = ("layer", str(layer) == str(self.given[0])), ("x", torch.equal(x, self.given[1]))
        same_c = torch.equal(torch.as_tensor(c).expand(len(x)), self.given[2].expand(len(x)))
        self.other += [n for n, same in (*named, ("c", same_c)) if not same and n not in self.other]
        return fixed_map(len(self.given[1]), new)

    def kinds(self):
        return sorted(set(self.asked), key=lambda new: (len(new), new))


def fixed_map(N, new):
    """The fewer layers are random, the more alike; after two the last image's map is constant."""
    rng = torch.Generator().manual_seed(17 + sum(2**i for i in new))
    base = torch.randn(N, 3, 5, generator=torch.Generator().manual_seed(1))
    M = (base + 0.8 * len(new) * torch.randn(N, 3, 5, generator=rng)).relu() ** 3
    M[-1] *= len(new) != 2
    return M


@cascade.probe
def _(answer, model, layer, x, c, seed):
    spy, given = Spy(model, layer, x, c), condition(model, "")
    got = answer(model, layer, x, c, spy, torch.Generator().manual_seed(seed))
    shown = ["none" if not k else " + ".join(f"layer {i + 1}" for i in k) for k in spy.kinds()]
    if isinstance(got, (list, tuple)) and all(torch.is_tensor(v) and v.dim() == 0 for v in got):
        got = [float(v) for v in got]
    return {
        "changed in the given model": ", ".join(changes(given, condition(model, ""))) or "nothing",
        "random layers in the networks that were asked": "; ".join(shown) or "no network was asked",
        "the method got another": ", ".join(spy.other) or "nothing",
        "returned": got,
    }


def steps(model):
    return range(1, len(with_own(model)) + 1)


def cascades(
    network=right_randomizer,
    alike=lambda first, M: right_correlation(first, M).mean(),
    counts=steps,
    question=lambda model, layer, x, c: (layer, x, c),
    finish=lambda found: found,
    compared=lambda maps: [(maps[0], M) for M in maps[1:]],
):
    """The answer with other parts."""

    def answer(model, layer, x, c, method, generator):
        maps = [method(model, layer, x, c)]
        for count in counts(model):
            random = network(model, count, generator)
            maps.append(method(random, *question(random, layer, x, c)))
        return finish([float(alike(*pair)) for pair in compared(maps)])

    return answer


cascade.reference(cascades())


def one_layer_alone(model, count, generator):
    return randomizer(lambda m, n: [with_own(m)[-n]])(model, count, generator)


def from_the_image(model, count, generator):
    return randomizer(lambda m, n: with_own(m)[:n])(model, count, generator)


cascade.wrongs(
    compared_with_the_step_before=(
        cascades(compared=lambda maps: list(itertools.pairwise(maps))),
        "You compared each map with the one of the step before. Each is compared with the map of "
        "the given model.",
    ),
    begins_with_the_original=(
        cascades(counts=lambda m: steps(m), finish=lambda found: [1.0, *found]),
        "Your list begins with the original's likeness to itself. It begins with one random layer.",
    ),
    last_step_missing=(
        cascades(counts=lambda m: range(1, len(with_own(m)))),
        "The last step is missing, in which all layers are random. range(1, number) stops before "
        "`number`.",
    ),
    only_all_layers=(
        cascades(counts=lambda m: [len(with_own(m))]),
        "Only the network with all layers random was asked. The cascade has a step for each layer.",
    ),
    tensors_counted=(
        cascades(counts=lambda m: range(1, len(list(m.parameters())) + 1)),
        "You made a step for each tensor (weight, bias). There is one step for each module with "
        "parameters of its own.",
    ),
    modules_counted=(
        cascades(counts=lambda m: range(1, len(list(m.modules())) + 1)),
        "You made a step for each module, also for those without parameters. Count the modules with "
        "parameters of their own.",
    ),
    one_layer_at_a_time=(
        cascades(network=one_layer_alone),
        "Only one layer was random in each step. In a cascade the layers above it stay random too.",
    ),
    from_the_image_on=(
        cascades(network=from_the_image),
        "You began at the first layer. The cascade begins at the top, with the layer that makes the "
        "logits.",
    ),
    model_not_replaced=(
        cascades(network=lambda m, count, g: m),
        "The method always got the given model. Give it the network that randomize_from_top made.",
    ),
    class_asked_anew=(
        cascades(question=lambda m, layer, x, c: (layer, x, m(x).argmax(1))),
        "You asked the random network for its own class. The question stays the same: c.",
    ),
    sum_over_images=(
        cascades(alike=lambda first, M: right_correlation(first, M).sum()),
        "You added up the images. Take the mean of the rank correlations.",
    ),
    first_image_only=(
        cascades(alike=lambda first, M: right_correlation(first, M)[0]),
        "You used one image only. Take the mean over all images.",
    ),
    correlation_of_the_values=(
        cascades(alike=lambda first, M: correlation(first, M).mean()),
        "You compared the values of the maps. Use rank_correlation of 18.2.",
    ),
    correlation_of_mean_maps=(
        cascades(alike=lambda first, M: right_correlation(first.mean(0, True), M.mean(0, True))),
        "You took the mean of the maps first. Compare image by image, then take the mean.",
    ),
    distance=(
        cascades(alike=lambda first, M: 1 - right_correlation(first, M).mean()),
        "This is 1 − ρ, a distance. Return the likeness: 1 is the same order.",
    ),
    last_number_only=(
        cascades(finish=lambda found: found[-1]),
        "Only one number came back. Return a list, with one number for each step.",
    ),
    constant_maps_left_out=(
        cascades(
            alike=lambda first, M: (
                right_correlation(first, M)[~constant(M)].sum() / (~constant(M)).sum().clamp(min=1)
            )
        ),
        "You left out the images whose map is constant. They count, with similarity 0: a map that "
        "died is not like the original.",
    ),
    from_all_layers_down=(
        cascades(finish=lambda found: found[::-1]),
        "Your list runs the other way: from all layers to one. It begins with one random layer.",
    ),
)

cascade.teaches_parts(
    {
        "random layers in the networks that were asked": "The method is asked for the given model "
        "once, and then for networks with the last 1, 2, … layers random, until all are.",
        "the method got another": "layer, x and c go to the method as they are, in every step.",
    }
)


@cascade.accepts
def one_network_that_becomes_random_step_by_step(model, layer, x, c, method, generator):
    first, net, found = method(model, layer, x, c), copy.deepcopy(model), []
    with torch.no_grad():
        for module in with_own(net)[::-1]:
            for p in module.parameters(recurse=False):
                p.copy_(normals(p, generator))
            found.append(right_correlation(first, method(net, layer, x, c)).mean().item())
    return found


@cascade.accepts
def numpy_numbers(model, layer, x, c, method, generator):
    first = method(model, layer, x, c)
    maps = [method(right_randomizer(model, k, generator), layer, x, c) for k in steps(model)]
    return np.array([with_scipy(first, M).mean() for M in maps])


cascade.accepts_all(tensors=cascades(finish=lambda found: [torch.tensor(v) for v in found]))


def test_lesson(proof):
    proof()
