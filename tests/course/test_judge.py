"""The sentences of a verdict: none is said that is not true of the answer."""

from __future__ import annotations

import pytest
import torch

from camlite.course import Case, Exercise
from camlite.course.lessons import find_exercise
from tests.course.small import FACTOR, verdict


def odd(M):
    """A function of M that no search finds."""
    return (3 * M).sin() * M.exp()


CLUES = {
    "an axis of size 1 left": (lambda M: odd(M)[:, None], "one axis of size 1 too many."),
    "an axis of size 1 lost": (lambda M: odd(M).squeeze(0), "one axis of size 1 too few."),
    "a sum too many": (lambda M: odd(M).sum(1), "one axis too few."),
    "one number": (lambda M: odd(M).sum(), "3 axes too few."),
    "one too few": (lambda M: odd(M)[:, :-1], "axis 1 has size 2, not 3."),
    "turned": (lambda M: odd(M).mT, "The sizes of the axes are right, their order is not."),
    "a factor": (lambda M: 3.4 * M, "1.7 times the right one, everywhere."),
    "no factor": (odd, "The shape is right, the values are not."),
    "nearly right": (lambda M: 2.0004 * M, "The shape is right, the values are not."),
    "known": (lambda M: M * M, "You squared."),
    "the known error": (lambda M: M.sum(7), "You asked for an axis that is not there."),
    "another error of its kind": (lambda M: M.argmax(3), "Your code stopped with IndexError"),
    "no return": (lambda M: None, "Did you forget the return?"),
    "not finite": (lambda M: 2 * M / (M > 0), "is there a division by zero?"),
}


@pytest.mark.parametrize("name", CLUES)
def test_the_clue_is_true(name):
    answer, says = CLUES[name]
    if name == "an axis of size 1 lost":  # the first case has none
        found = verdict(lambda M: answer(M) if len(M) == 1 else 2 * M)
        assert "1 of 2 cases is right." in found.message
    else:
        found = verdict(answer)
    assert says in found.message, found.message


LISTS = {
    "a comma too many": (lambda M: (2 * M,), "result[0] is right.", "found: in a list"),
    "a pair": (lambda M: [odd(M), 2 * M], "result[1] is right.", "found: in a list"),
    "images in a list": (lambda M: [2 * m for m in M], "dim=0", "found: not stacked"),
    "rows in a list": (lambda M: list(2 * M.movedim(1, 0)), "dim=1", "found: not stacked"),
    "another list": (lambda M: [odd(m) for m in M], "a list or tuple of 2\n", None),
    "a ragged list": (lambda M: [2 * M, M[0]], "result[0] is right.", "found: in a list"),
    "nothing in a list": (lambda M: [], "a list or tuple of 0\n", None),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_where_one_array_is_asked_for(name):
    answer, says, diagnosis = LISTS[name]
    found = verdict(answer)
    assert (says in found.message, found.diagnosis) == (True, diagnosis), found.message


def raises(kind):
    def answer(n):
        if n < 0:
            raise kind(n)
        return n + FACTOR

    return answer


ERRORS = {
    "another error": (raises(KeyError), "ValueError is asked for", "found: another error"),
    "no error": (lambda n: n + FACTOR, "raise ValueError.", "found: no error"),
    "an error too many": (lambda n: raises(ValueError)(n - 9), "stopped with ValueError", None),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_case_that_asks_for_an_error(name):
    exercise = Exercise("9.6", "positive", formula="n + 2", hints=("a", "b", "c"))
    exercise.make_cases = lambda rng: iter([Case("a number", 7.5), Case("none", -1.5)])
    exercise.right = raises(ValueError)
    answer, says, diagnosis = ERRORS[name]
    found = verdict(answer, exercise)
    assert (says in found.message, found.diagnosis) == (True, diagnosis), found.message
    assert verdict(raises(ValueError), exercise).status == "passed"


def test_the_call_is_shown_in_words():
    exercise = Exercise("9.7", "draw", formula="noise", hints=("a", "b", "c"))
    exercise.make_cases = lambda rng: iter([Case("a draw", torch.Generator().manual_seed(4))])
    exercise.right = lambda g: torch.randn(5, generator=g)
    found = verdict(lambda g: torch.zeros(2, 2), exercise)
    assert "Called draw(generator with seed 4)" in found.message


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("3.4", lambda M, size: odd(M)[:, :2]),
        ("6.4", lambda labels, objects: torch.zeros(int(labels.max()), objects.shape[1])),
    ],
)
def test_nothing_is_said_of_a_sum_where_the_shape_is_wrong(id, answer):
    found = verdict(answer, find_exercise(id))
    assert found.status == "wrong"
    assert "The shape is not right: axis" in found.message
    assert "sums over" not in found.message


def test_a_part_in_words_says_its_own_sentence():
    made = Exercise("9.5", "layers", formula="…", hints=("a", "b", "c"))
    made.cases(lambda rng: [Case("three", 3)])
    made.reference(lambda n: f"3×{n}")
    made.probe(lambda answer, n: {"weights": answer(n), "layers": "one"})
    assert "Look at: weights." in verdict(lambda n: "none", made).message
    made.teaches_parts({"weights": "No weight is there."})
    told = verdict(lambda n: "none", made)
    assert told.diagnosis == "found: part weights"
    assert told.message.endswith("No weight is there.")
    assert "Did you forget the return?" in verdict(lambda n: None, made).message


def test_a_plain_number_has_no_shape():
    counting = Exercise("9.8", "count", formula="the number of rows", hints=("a", "b", "c"))
    counting.cases(lambda rng: [Case("a table", torch.rand(4, 3, generator=rng))])
    counting.reference(len)
    found = verdict(lambda table: 17, counting)
    assert "The value is not right. The formula: the number of rows" in found.message
    assert "shape" not in found.message
