"""The search for mistakes: it finds what it is for, alone and in pairs, and says nothing untrue."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from camlite.course import Case, Exercise, normal
from camlite.course.judge import judge
from camlite.course.lessons import all_lessons, find_exercise
from camlite.course.mistakes import search
from camlite.course.mistakes.arguments import argument_changes
from camlite.course.mistakes.by_name import answer_of, mistakes_of
from camlite.course.mistakes.results import result_changes
from camlite.course.mistakes.steps import Limited, Steps, Unsuitable
from camlite.course.observe import observe
from tests.course.small import verdict


def share(part, whole):
    return part / whole


def make() -> Exercise:
    """relu(Σ_k (α_k F_k)) / its largest value, α the mean of G: steps of several kinds."""
    exercise = Exercise("9.2", "small_cam", formula="…", hints=("a", "b", "c"))

    @exercise.cases
    def _(rng):
        for n, says in ((2, "two images"), (3, "three images"), (1, "one image")):
            F, G = normal(rng, n, 4, 3, 5), normal(rng, n, 4, 3, 5)
            yield Case(says, F, G, nn.Linear(4, 6), 5 - torch.arange(n))

    @exercise.reference
    def _(F, G, classifier, c, scale=True):
        alpha = G.mean((2, 3))
        L = (alpha[:, :, None, None] * F).sum(1).relu()
        y = classifier(alpha)[torch.arange(len(F)), c]
        return share(L, L.amax((1, 2), keepdim=True)) + y[:, None, None]

    return exercise


def answer(
    mean=lambda G: G.mean((2, 3)),
    relu=torch.relu,
    over=lambda L: L.amax((1, 2), keepdim=True),
    logits=lambda y: y,
    pick=lambda y, c: y[torch.arange(len(y)), c],
    end=lambda result: result,
):
    """The same as a learner writes it, with one part or several changed."""

    def small_cam(F, G, classifier, c, scale=True):
        L = relu(torch.einsum("nk,nkxy->nxy", mean(G), F))
        y = pick(logits(classifier(G.mean((2, 3)))), c)
        return end(L / over(L) + y.reshape(-1, 1, 1))

    return small_cam


FOUND = {
    # on the way out
    "result: neg": answer(end=torch.neg),
    "result: relu": answer(end=torch.relu),
    "result: transpose": answer(end=lambda y: y.mT),
    "result: round 2": answer(end=lambda y: (100 * y).round() / 100),
    "result: sum 1": answer(end=lambda y: y.sum(1)),
    "result: mean 2, kept": answer(end=lambda y: y.mean(2, keepdim=True)),
    "result: first for all": answer(end=lambda y: y[:1].expand_as(y)),
    "result: softmax 1": answer(end=lambda y: y.softmax(1)),
    "result: minmax": answer(
        end=lambda y: (y - y.amin((1, 2), True)) / (y.amax((1, 2), True) - y.amin((1, 2), True))
    ),
    "result: * the number of places of F": answer(end=lambda y: 15 * y),
    "result: / the size of axis 1 of F": answer(end=lambda y: y / 4),
    "missing: sum 1": answer(end=lambda y: torch.stack((y / 3, y / 6, y / 2), 1)),
    # inside
    "ReLU: left out": answer(relu=lambda L: L),
    "sum over axis 1: then clamp": answer(relu=lambda L: L.clamp(0, 1)),
    "quotient: only first": answer(over=lambda L: 1),
    "quotient: + 1e-2 below": answer(over=lambda L: L.amax((1, 2), keepdim=True) + 1e-2),
    "maximum over axes 1 and 2: then sum for all": answer(
        over=lambda L: L.amax((1, 2), keepdim=True).sum(0, keepdim=True)
    ),
    "maximum over axes 1 and 2: sum": answer(over=lambda L: L.sum((1, 2), keepdim=True)),
    "maximum over axes 1 and 2: axes 0 and 1 and 2": answer(over=lambda L: L.max()),
    # on the way in
    "softmax of classifier": answer(logits=lambda y: y.softmax(1)),
    "0 for c": answer(pick=lambda y, c: y[:, 0]),
    "winner of classifier": answer(pick=lambda y, c: y.amax(1)),
    # something else
    "F": lambda F, G, classifier, c: F,
    "F: mean 1": lambda F, G, classifier, c: F.mean(1),
    "F · G: sum 1": lambda F, G, classifier, c: (F * G).sum(1),
    # two at once
    "result: relu, transpose": answer(end=lambda y: y.relu().mT),
    "softmax of classifier, result: neg": answer(logits=lambda y: y.softmax(1), end=torch.neg),
    "ReLU: left out, 0 for c": answer(pick=lambda y, c: y[:, 0], relu=lambda L: L),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_mistake_is_found(name, monkeypatch):
    monkeypatch.setattr(search, "SECONDS", 5)  # what is found, also on a busy machine
    exercise = make()
    found = verdict(FOUND[name], exercise)
    assert found.diagnosis == f"found: {name}", found.message


def test_the_right_answer_in_other_words_is_right():
    assert verdict(answer(), make()).status == "passed"


def test_a_mistake_in_some_cases_only_is_told_of_such_a_case():
    wrong = FOUND["result: neg"]

    def three_images_turned(F, G, classifier, c):
        return (wrong if len(F) == 3 else answer())(F, G, classifier, c)

    found = verdict(three_images_turned, make())
    assert "Case: three images." in found.message
    assert "its sign turned around" in found.message
    assert "2 of 3 cases are right." in found.message


def test_another_mistake_in_each_case():
    """The first wrong case that can be explained is the one that is shown."""

    def answers(F, G, classifier, c):
        kind = {2: lambda y: (7 * y).sin(), 3: lambda y: y.mT, 1: lambda y: y}[len(F)]
        return answer(end=kind)(F, G, classifier, c)

    found = verdict(answers, make())
    assert found.diagnosis == "found: result: transpose"
    assert "Case: three images." in found.message


def test_an_error_in_a_later_case_stops_no_search():
    """And arguments that have one shape in some cases only."""
    exercise = Exercise("9.3", "product", formula="a · b", hints=("a", "b", "c"))

    @exercise.cases
    def _(rng):
        yield Case("one shape", normal(rng, 9, 4), normal(rng, 9, 4), torch.arange(9))
        yield Case("two shapes", normal(rng, 3, 4), normal(rng, 4), 1)

    @exercise.reference
    def _(a, b, c):
        return (a * b).sum(1) + torch.as_tensor(c)

    found = verdict(lambda a, b, c: (a * b).sum(1) + c[:1].expand(len(a)), exercise)
    assert found.diagnosis == "found: c: first for all"
    assert verdict(lambda a, b, c: a * b[None], exercise).status == "wrong"


def test_a_declared_answer_comes_first_and_teaches():
    exercise = make()
    exercise.wrongs(turned=(FOUND["result: neg"], "You turned it."))
    exercise.teaches({"ReLU: left out": "Where is the ReLU?"})
    assert verdict(FOUND["result: neg"], exercise).diagnosis == "turned"
    found = verdict(FOUND["ReLU: left out"], exercise)
    assert (found.diagnosis, "Where is the ReLU?" in found.message) == (
        "found: ReLU: left out",
        True,
    )
    both = verdict(lambda *a: FOUND["result: neg"](*a).relu(), exercise)
    assert both.diagnosis is not None


def test_a_declared_answer_with_one_mistake_more():
    exercise = make()
    exercise.wrongs(
        odd=(lambda F, G, classifier, c: (5 * F).sin().sum(1), "You took the sine."),
    )
    found = verdict(lambda F, G, classifier, c: (5 * F).sin().sum(1).relu(), exercise)
    assert found.diagnosis == "found: odd, result: relu"
    assert "You took the sine. And then your result is with negative values" in found.message


def noisy(x, g):
    return x + torch.randn(x.shape, generator=g)


DRAWS = {
    "uniform": lambda x, g: x + torch.rand(x.shape, generator=g),
    "once for images": lambda x, g: x + torch.randn(x.shape[1:], generator=g),
    "once for channels": lambda x, g: x + torch.randn(3, 1, 4, 5, generator=g),
}


@pytest.mark.parametrize("name", DRAWS)
def test_another_draw_of_random_numbers(name):
    exercise = Exercise("9.4", "noisy", formula="x + ε", hints=("a", "b", "c"))

    @exercise.cases
    def _(rng):
        for seed in (1, 2):
            x = normal(rng, 3, 2, 4, 5)
            yield Case("three images", x, torch.Generator().manual_seed(seed))

    exercise.right = noisy
    found = verdict(DRAWS[name], exercise)
    assert found.diagnosis == f"found: random draw: {name}", found.message


def test_a_declared_answer_of_another_score():
    """Found before the many changes of the images are tried."""

    def sine(logits=lambda y: y):
        def small_cam(F, G, classifier, c):
            y = logits(classifier(G.mean((2, 3))))[torch.arange(len(F)), c]
            return (5 * F).sin().sum(1) + y[:, None, None]

        return small_cam

    exercise = make()
    exercise.wrongs(odd=(sine(), "You took the sine."))
    found = verdict(sine(lambda y: y.log_softmax(1)), exercise)
    assert found.diagnosis == "found: odd, log_softmax of classifier", found.message


@pytest.mark.parametrize(
    "id", [id for lesson in all_lessons() for id, e in lesson.exercises.items() if not e.parts]
)
def test_noise_is_no_mistake(id):
    """Nothing is named where there is nothing to name."""
    exercise = find_exercise(id)

    def noise(*args, **kwargs):
        rng = torch.Generator().manual_seed(0)

        def spoilt(value):
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                return value + (0.3 + 0.1 * value.abs()) * normal(rng, *value.shape)
            if isinstance(value, (list, tuple)):
                return type(value)(spoilt(v) for v in value)
            return value

        return spoilt(exercise.right(*args, **kwargs))

    found = verdict(noise, exercise)
    assert found.status == "passed" or found.diagnosis is None, found.message


@pytest.mark.slow
@pytest.mark.parametrize("id", ["2.4", "3.1", "3.3", "8.3", "12.1"])
def test_every_single_mistake_that_changes_something_is_named(id):
    """By its own name or by another that gives the same results."""
    exercise = find_exercise(id)
    cases = exercise.draw_cases(4)
    names = [name for name, _ in mistakes_of(exercise)]
    made = [(n, a) for n in names[::9] if (a := answer_of(exercise, n, cases)) is not None]
    assert len(made) > 15
    for name, wrong in made:
        seen = observe(exercise, wrong, 4)
        found = judge(exercise, seen, 4)
        explained = found.diagnosis is not None or found.status in ("passed", "error")
        clues = ("times the right one", "zero, or nearly so")
        explained = explained or any(clue in found.message for clue in clues)
        assert explained, f"{name}: {found.message}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda box: box[[1, 0, 3, 2]], "in another order: 1, 0, 3, 2 of 0 to 3."),
        (lambda box: box.nonzero(), "turned into the places where it is not 0 (nonzero)."),
    ],
)
def test_what_may_have_happened_to_four_numbers(change, says):
    made = Exercise("9.5", "box", formula="…", hints=("a", "b", "c"))

    @made.cases
    def _(rng):
        yield from (Case("four numbers", torch.randint(99, (4,), generator=rng)) for _ in range(5))

    @made.reference
    def _(numbers):
        return numbers.cumsum(0)

    assert says in verdict(lambda numbers: change(numbers.cumsum(0)), made).message


def test_names_are_given_once():
    for ndim in range(5):
        names = [change.name for change in result_changes(ndim)]
        assert len(names) == len(set(names))
    given = {"F": torch.rand(2, 3, 4, 5), "W": torch.rand(3, 3), "c": 1, "size": (2, 3)}
    names = [change.name for change in argument_changes(given, {})]
    assert len(names) == len(set(names))


def test_steps_inside_a_network_stay():
    net, x = nn.Sequential(nn.Linear(3, 3), nn.ReLU()), torch.rand(2, 3)
    steps = Steps(lambda: net(x).mean(1))
    steps.watched()
    assert [place[2] for place in steps.steps] == ["mean"]


def endless(x):
    while True:
        x.add_(1)


def test_a_changed_loop_without_an_end_is_stopped():
    x = torch.ones(3)
    with pytest.raises(Unsuitable), Limited(50):
        endless(x)
    assert x[0] == 51


def test_a_matrix_and_a_stack_of_matrices_are_not_multiplied():
    """Maps (N, 5, 4) and features (4, 3, 5, 4): the sizes meet, but there is no such product."""
    exercise = Exercise("0.1", "first_maps", formula="", hints=("", "", ""))
    exercise.make_cases = lambda rng: iter(
        [Case("four images", normal(rng, 4, 5, 4), normal(rng, 4, 3, 5, 4))]
    )
    exercise.right = lambda M, F: M + F[:, 0]
    seen = observe(exercise, lambda M, F: M.sin(), 1)
    assert judge(exercise, seen, 1).status == "wrong"
