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
        self.scale = nn.Parameter(torch.zeros(20))
        self.inside = inside


def a_network(rng, norm=False):
    """Modules inside others, ReLUs between them. Weights about 0.1; all others about 2 ± 0.1."""
    first = nn.Sequential(nn.Conv2d(3, 24, 3), nn.BatchNorm2d(24) if norm else nn.ReLU())
    last = nn.Sequential(nn.Flatten(), nn.Linear(60, 24), nn.ReLU(), nn.Linear(24, 20))
    net = nn.Sequential(first, Scaled(nn.Conv2d(24, 20, 3)), nn.ReLU(), last, nn.Identity())
    for p in net.parameters():
        z = normal(rng, *p.shape)
        p.detach().copy_(2 + 0.1 * z if p.dim() == 1 else 0.1 * z)
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
    new, second, third = (
        {n: p.detach() for n, p in m.named_parameters()} for m in (got, again, other)
    )
    if list(new) != list(old) or any(new[n].shape != p.shape for n, p in old.items()):
        return {"what comes back": "a network with other layers"}
    changed = [n for n in new if not torch.equal(new[n], old[n])]
    mine, repeated = (
        {p.data_ptr() for p in model.parameters()},
        all(torch.equal(new[n], second[n]) for n in new),
    )
    return {
        "what comes back": "the given model itself" if got is model else "another network",
        "changed in the given model": ", ".join(changes(given, condition(model, ""))) or "nothing",
        "weights shared with the given model": names(n for n in new if new[n].data_ptr() in mine),
        "new weights": names(changed),
        "the same seed again": "the same weights" if repeated else "other weights",
        "the same in spite of another seed": names(
            n for n in changed if torch.equal(new[n], third[n])
        ),
        "the new numbers are": "; ".join(kinds({n: (new[n], old[n]) for n in changed})),
    }


def names(found):
    return ", ".join(found) or "none"


def kinds(pairs):
    """What is wrong with the numbers, and where. All tensors have at least 20 of them."""
    found = {}
    for name, (new, old) in pairs.items():
        found.setdefault(kind(new.flatten(), old.flatten()), []).append(name)
    found.pop("", None)
    return [f"{what}: {', '.join(where)}" for what, where in found.items()] or ["as asked"]


def kind(new, old):
    size = float((new.square().mean() / old.square().mean()).sqrt())
    if torch.equal(new.sort().values, old.sort().values):
        return "the old ones in another order"
    if old.mean() < 1 and torch.corrcoef(torch.stack([new, old]))[0, 1].abs() > 0.5:
        return "like the old ones"
    if new.amin() >= 0 and size > 0:
        return "never negative"
    return "much larger" if size > 2.5 else "" if size > 1 / 3 else "much smaller"


def with_own(model):
    return [m for m in model.modules() if list(m.parameters(recurse=False))]


def scale(p):
    return p.square().mean().sqrt()


def normals(p, generator):
    return scale(p) * torch.randn(p.shape, generator=generator)


def randomizer(
    layers=lambda m, count: with_own(m)[-count:],
    draw=normals,
    own=lambda module: list(module.parameters(recurse=False)),
    write=lambda p, new: p.detach().copy_(new),
    copied=copy.deepcopy,
):
    """The answer with other parts."""

    def answer(model, count, generator):
        model = copied(model)
        for module in layers(model, count):
            for p in own(module):
                write(p, draw(p.detach(), generator))
        return model

    return answer


right_randomizer = randomizer()
randomize_from_top.reference(right_randomizer)


def randn(p, generator):
    return torch.randn(p.shape, generator=generator)


def one_scale_for_a_layer(model, count, generator):
    model = copy.deepcopy(model)
    for module in with_own(model)[-count:]:
        p = nn.utils.parameters_to_vector(module.parameters(recurse=False)).detach()
        for own in module.parameters(recurse=False):
            own.detach().copy_(scale(p) * randn(own, generator))
    return model


WHICH = (
    "These are not the right parameters. All parameters of the last `count` modules that have "
    "parameters of their own are new, and no others: own[-count:]."
)
NUMBERS = (
    "Each parameter gets s · z: its own s = √(mean p²), and new numbers z ~ N(0, 1) of torch.randn."
)
BACK = (
    "Return a whole network: the copy, copy.deepcopy(model), with new weights in its last layers."
)
DRAWN = (
    "All numbers come from the given generator, as it is: torch.randn(p.shape, generator=generator), "
    "and no seed of your own. Then the same seed gives the same network, and another seed another."
)
LEAVE_IT = (
    "The given model is no longer as it was. Work on copy.deepcopy(model); copy.copy makes a new "
    "outside, with the same layers in it."
)

randomize_from_top.teaches_parts(
    {
        "what comes back": BACK,
        "changed in the given model": LEAVE_IT,
        "new weights": WHICH,
        "the same seed again": DRAWN,
        "the same in spite of another seed": DRAWN,
        "the new numbers are": NUMBERS,
    }
)
randomize_from_top.each_alone(
    randomizer,
    copied={"the_model_itself": (lambda m: m, BACK), "shallow_copy": (copy.copy, LEAVE_IT)},
    write={
        "nothing_written": (
            lambda p, new: None,
            "Nothing changed in the copy. `p = …` only gives a new tensor the name p; "
            "p.detach().copy_(…) writes the numbers into the parameter.",
        ),
        "without_detach": (
            lambda p, new: p.copy_(new),
            "A parameter learns, so PyTorch lets nobody write into it. p.detach() is the same "
            "memory without the history: p.detach().copy_(…).",
        ),
    },
    layers={
        "last_modules": (
            lambda m, n: [e for e in m.modules() if not list(e.children())][-n:],
            "You counted modules without parameters too, a ReLU for instance. Only modules with "
            "parameters of their own count.",
        ),
        "named_kinds": (
            lambda m, n: [e for e in m.modules() if isinstance(e, (nn.Conv2d, nn.Linear))][-n:],
            "You took layers of some kinds only. A parameter can be in any module, under any name: "
            "ask whether list(module.parameters(recurse=False)) is empty.",
        ),
        "last_tensors": (
            lambda m, n: [nn.ParameterList(list(m.parameters())[-n:])],
            "You counted tensors: a weight and its bias are two of them. Count modules, and change "
            "all parameters that a module has.",
        ),
        "first_layers": (
            lambda m, n: with_own(m)[:n],
            "You began at the image. The top is the end of the network, the logits: take the last "
            "`count` layers.",
        ),
        "only_one_layer": (
            lambda m, n: with_own(m)[-n:][:1],
            "Only one layer is new, the one at place `count` from the end. All layers from there to "
            "the end are new: own[-count:].",
        ),
    },
    own={"weights_without_biases": (lambda m: list(m.parameters(recurse=False))[:1], WHICH)},
    draw={
        "not_scaled": (
            randn,
            "The random numbers are not scaled. Multiply them by s = √(mean p²), one number for "
            "each parameter.",
        ),
        "standard_deviation": (
            lambda p, generator: p.std() * randn(p, generator),
            "p.std() is the spread around the mean. Of a parameter like 2.0, 2.1, 1.9 it is nearly "
            "0, so this layer would die. Take √(mean p²).",
        ),
        "no_root": (lambda p, generator: scale(p) ** 2 * randn(p, generator), NUMBERS),
        "only_positive": (
            lambda p, generator: scale(p) * torch.rand(p.shape, generator=generator),
            NUMBERS,
        ),
        "noise_added": (lambda p, generator: p + normals(p, generator), NUMBERS),
        "generator_not_used": (lambda p, generator: normals(p, None), DRAWN),
        "own_seed": (lambda p, generator: normals(p, generator.manual_seed(0)), DRAWN),
    },
)
randomize_from_top.wrongs(
    modules_with_any_parameters=(
        randomizer(
            lambda m, n: [e for e in m.modules() if list(e.parameters())][-n:],
            own=lambda m: list(m.parameters()),
        ),
        "module.parameters() also gives those of the modules inside, so a container counts as a "
        "layer. Ask for its own: module.parameters(recurse=False).",
    ),
    one_scale_for_a_layer=(one_scale_for_a_layer, NUMBERS),
)


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
    new = copy.deepcopy(model)
    top = [n for n, m in new.named_modules() if len(m._parameters)][-count:]
    weights = new.state_dict()
    for name, p in new.named_parameters():
        if name.rpartition(".")[0] in top:
            weights[name] = randn(p, generator) * p.detach().norm() / p.numel() ** 0.5
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
    a, b = normal(rng, 6, 4, 5), normal(rng, 6, 4, 5)
    yield Case("six signed maps of 4×5", a, b + torch.linspace(-2, 2, 6)[:, None, None] * a**3)
    yield Case("after a ReLU: many pixels share the value 0", a.relu(), (a + b).relu())
    few = torch.randint(0, 4, (5, 5, 3), generator=rng).float()
    yield Case(
        "only four different values", few, few - torch.randint(0, 4, (5, 5, 3), generator=rng)
    )
    flat = torch.stack([torch.zeros(4, 5), a[0], torch.full((4, 5), 2.5), a[1]])
    yield Case("constant maps, in a, in b, and in both", flat, flat[[1, 0, 0, 1]] ** 3)
    yield Case("one map, the same order, tiny and huge values", 1e-6 * a[:1], 1e5 * a[:1].exp())
    yield Case("one map, the opposite order", a[:1], -(a[:1] ** 3))


def ranks(M):
    """(N, P) -> (N, P)."""
    larger, equal = M[:, :, None] > M[:, None, :], M[:, :, None] == M[:, None, :]
    return larger.double().sum(2) + (equal.double().sum(2) + 1) / 2


def centred(r):
    return r - r.mean(1, keepdim=True)


def flat(M):
    return M.clone().double().flatten(1)


@rank_correlation.reference
def right_correlation(a, b):
    A, B = (centred(ranks(flat(M))) for M in (a, b))
    size = (A.square().sum(1) * B.square().sum(1)).sqrt()
    return torch.where(size > 0, (A * B).sum(1) / size, 0.0).float()


def of_maps(change):
    return lambda a, b: right_correlation(change(a), change(b))


def of_ranks(rank):
    def answer(a, b):
        A, B = (centred(rank(flat(M)).double()) for M in (a, b))
        size = (A.square().sum(1) * B.square().sum(1)).sqrt()
        return torch.where(size > 0, (A * B).sum(1) / size, 0.0).float()

    return answer


def both_constant(a, b):
    return (flat(a).std(1) == 0) & (flat(b).std(1) == 0)


def by_differences(a, b):
    P = a[0].numel()
    d = ranks(flat(a)) - ranks(flat(b))
    return (1 - 6 * d.square().sum(1) / (P * (P**2 - 1))).float()


NO_TIES = (
    "Equal values got different ranks, as it happens. They share their mean rank; a map after a "
    "ReLU has many zeros."
)

rank_correlation.wrongs(
    no_ranks=(
        of_ranks(lambda M: M),
        "This is the correlation of the values. Replace each value by its rank first: then one very "
        "bright pixel counts no more than any other.",
    ),
    argsort_once=(
        of_ranks(lambda M: M.argsort(1)),
        "argsort does not give ranks: it says which pixel comes first, second, … The ranks are the "
        "places of the pixels in this order. (And ties need the mean rank.)",
    ),
    argsort_twice=(of_ranks(lambda M: M.argsort(1).argsort(1)), NO_TIES),
    ties_in_order=(
        of_ranks(lambda M: M.argsort(dim=1, stable=True).argsort(dim=1)),
        NO_TIES,
    ),
    lowest_rank=(
        of_ranks(lambda M: (M[:, :, None] > M[:, None, :]).sum(2)),
        "Equal values got the lowest of their ranks. They share the mean of them.",
    ),
    whole_ranks=(
        of_ranks(lambda M: ranks(M).ceil()),
        "Your ranks are whole numbers. (counts − 1)/2 can end in .5: divide with /, not with //.",
    ),
    dense_ranks=(
        of_ranks(lambda M: torch.stack([m.unique(return_inverse=True)[1] for m in M])),
        "You numbered the different values 1, 2, 3, … A value that occurs ten times takes ten "
        "places: its rank is the mean of these ten.",
    ),
    differences_with_ties=(
        by_differences,
        "1 − 6 Σ d² / (P (P² − 1)) is right only without ties. With equal values take the "
        "correlation of the ranks. A constant map has similarity 0.",
    ),
    constant_is_one=(
        lambda a, b: torch.where(both_constant(a, b), 1.0, right_correlation(a, b)),
        "Two constant maps got 1. A constant map says nothing, so it agrees with nothing: 0.",
    ),
    ranked_together=(
        of_ranks(lambda M: ranks(M.view(1, -1)).view(len(M), -1)),
        "You ranked the pixels of all images together. Each map has its own order: ranks 1 to h·w "
        "for each.",
    ),
    one_number_for_all=(
        lambda a, b: right_correlation(a[None], b[None]).expand(len(a)),
        "You ranked and correlated all images as one. Each image has its own ρ.",
    ),
    absolute_maps=(
        of_maps(torch.abs),
        "You ranked |a| and |b|. The maps keep their signs here.",
    ),
    without_negative_values=(
        of_maps(torch.relu),
        "You cut off the negative values. They have an order too: the maps keep their signs here.",
    ),
    covariance=(
        lambda a, b: (centred(ranks(flat(a))) * centred(ranks(flat(b)))).mean(1).float(),
        "This is the covariance of the ranks. Divide by √(Σ r̃_a² · Σ r̃_b²), so that the result "
        "lies between −1 and 1.",
    ),
)
rank_correlation.teaches(
    {
        "quotient: sub": "Equal values got the highest of their ranks. They share the mean of them.",
        "comparison: ge": "Equal values got more than the highest of their ranks: the mean is "
        "(counts − 1)/2 below it.",
        "mean over axis 1: then minmax": "You did not subtract the mean rank. Then all maps look "
        "alike, because all ranks are positive.",
        "product #1: then square": "The root is missing: divide by √(Σ r̃_a² · Σ r̃_b²).",
        "result: 1 -": "This is a distance, 1 − ρ. Return the correlation ρ: 1 for the same order.",
        "result: abs": "You took the absolute value. −1, the opposite order, is not 1.",
    }
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

    r = torch.stack([rank(a), rank(b)], 1)
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


def small(hidden):
    """A convolution and `hidden` + 2 linear layers, some inside others."""
    inside = nn.Sequential(*[nn.Sequential(nn.Linear(5, 5), nn.ReLU()) for _ in range(hidden)])
    first = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten())
    return nn.Sequential(first, nn.Linear(16, 5), nn.ReLU(), inside, nn.Linear(5, 3)).eval()


@cascade.cases
def _(rng):
    x = normal(rng, 4, 1, 4, 6)
    yield Case("six layers, four images", small(3), "0", x, torch.arange(4) % 3, 5)
    yield Case("five layers, c is one class", small(2), "1", x[:3], 2, 9)
    yield Case("four layers, one image", small(1), "1", x[:1], torch.tensor([1]), 2)


class Spy:
    """A method with a fixed map for each set of random layers; it writes down what it is asked."""

    def __init__(self, model, layer, x, c):
        self.given, self.asked, self.other = (layer, x.clone(), torch.as_tensor(c).clone()), [], []
        self.old = {n: p.detach().clone() for n, p in model.named_parameters()}
        layers = dict.fromkeys(n.rpartition(".")[0] for n in self.old)
        self.number = {n: i + 1 for i, n in enumerate(layers)}

    def __call__(self, model, layer, x, c):
        new = {
            self.number[n.rpartition(".")[0]]
            for n, p in model.named_parameters()
            if not torch.equal(p, self.old[n])
        }
        self.asked.append(tuple(sorted(new)))
        named = ("layer", str(layer) == str(self.given[0])), ("x", torch.equal(x, self.given[1]))
        same_c = torch.equal(torch.as_tensor(c).expand(len(x)), self.given[2].expand(len(x)))
        self.other += [n for n, same in (*named, ("c", same_c)) if not same and n not in self.other]
        return fixed_map(len(self.given[1]), new)

    def shown(self):
        asked = sorted(set(self.asked), key=lambda new: (len(new), new))
        texts = [" + ".join(map(str, new)) or "none" for new in asked]
        return "; ".join(texts) or "`method` was never called"


def fixed_map(N, new):
    """Signed; the fewer layers are random, the more alike. After two the last image's is constant."""
    rng = torch.Generator().manual_seed(17 + sum(2**i for i in new))
    base = torch.randn(N, 3, 5, generator=torch.Generator().manual_seed(1))
    M = (base + 0.5 * len(new) * torch.randn(N, 3, 5, generator=rng)) ** 3
    M[-1] *= len(new) != 2
    return M


@cascade.probe
def _(answer, model, layer, x, c, seed):
    spy, given = Spy(model, layer, x, c), condition(model, "")
    generator = torch.Generator().manual_seed(seed)
    before = generator.get_state()
    got = answer(model, layer, x, c, spy, generator)
    if isinstance(got, (list, tuple)) and all(torch.is_tensor(v) and v.dim() == 0 for v in got):
        got = [float(v) for v in got]
    elif isinstance(got, (list, tuple)) and any(torch.is_tensor(v) for v in got):
        got = "a list of tensors, with a number for each image"
    return {
        "changed in the given model": ", ".join(changes(given, condition(model, ""))) or "nothing",
        "random layers in the networks that were asked": spy.shown(),
        "the method got another": ", ".join(spy.other) or "nothing",
        "returned": got,
        "the given generator is": "not used"
        if torch.equal(generator.get_state(), before)
        else "used",
    }


def steps(model):
    return range(1, len(with_own(model)) + 1)


def cascades(
    network=right_randomizer,
    alike=lambda first, M: float(right_correlation(first, M).mean()),
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
        return finish([alike(*pair) for pair in compared(maps)])

    return answer


cascade.reference(cascades())


def alive_only(first, M):
    alive = M.flatten(1).std(1) > 0
    return float(right_correlation(first, M)[alive].sum() / alive.sum().clamp(min=1))


LAYERS = (
    "The number of steps is the number of modules with parameters of their own (18.1): not of "
    "tensors, nor of ReLUs or containers, and it is another one for another model."
)
ONE_NUMBER = "Each step gives one number: the rank correlation of every image, then the mean of it."
AS_GIVEN = (
    "Compare the maps as the method gives them, with their signs, by rank_correlation (18.2)."
)

cascade.each_alone(
    cascades,
    compared={
        "with_the_step_before": (
            lambda maps: list(itertools.pairwise(maps)),
            "You compared each map with the one of the step before. Each is compared with the map "
            "of the given model.",
        )
    },
    counts={
        "tensors": (lambda m: range(1, len(list(m.parameters())) + 1), LAYERS),
        "modules": (lambda m: range(1, len(list(m.modules())) + 1), LAYERS),
        "children": (lambda m: range(1, sum(bool([*e.parameters()]) for e in m) + 1), LAYERS),
        "five_steps": (lambda m: range(1, 6), LAYERS),
        "last_step_missing": (
            lambda m: range(1, len(with_own(m))),
            "The last step is missing, in which all layers are random. range(1, number) stops before "
            "`number`.",
        ),
    },
    network={
        "one_layer_at_a_time": (
            randomizer(lambda m, n: with_own(m)[-n:][:1]),
            "Only one layer was random in each step. In a cascade the layers above it stay random "
            "too.",
        ),
        "own_generator": (
            lambda m, count, generator: right_randomizer(m, count, torch.Generator()),
            "You drew from a generator of your own. Pass the given one on: then whoever calls your "
            "function chooses the draw.",
        ),
    },
    question={
        "class_asked_anew": (
            lambda m, layer, x, c: (layer, x, m(x).argmax(1)),
            "You asked the random network for its own class. The question stays the same: c.",
        )
    },
    alike={
        "no_mean": (right_correlation, ONE_NUMBER),
        "sum": (lambda first, M: float(right_correlation(first, M).sum()), ONE_NUMBER),
        "first_image": (lambda first, M: float(right_correlation(first, M)[0]), ONE_NUMBER),
        "mean_maps": (
            lambda first, M: float(right_correlation(first.mean(0, True), M.mean(0, True))),
            ONE_NUMBER,
        ),
        "the_values": (lambda first, M: float(of_ranks(lambda r: r)(first, M).mean()), AS_GIVEN),
        "the_sizes": (lambda first, M: float(of_maps(torch.abs)(first, M).mean()), AS_GIVEN),
        "constant_maps_left_out": (
            alive_only,
            "You left out the images whose map is constant. They count, with similarity 0: a map "
            "that died is not like the original.",
        ),
    },
    finish={
        "begins_with_the_original": (
            lambda found: [1.0, *found],
            "Your list begins with the original's likeness to itself. It begins with one random "
            "layer.",
        )
    },
)
cascade.teaches_parts(
    {
        "random layers in the networks that were asked": "`method`, the given function, is asked for "
        "the given model, and then for networks with the last 1, 2, … layers random, until all are.",
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
