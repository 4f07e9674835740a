"""The sentences of a verdict: none is said that is not true of the answer."""

from __future__ import annotations

import pytest
import torch

from camlite.course import Case, Exercise
from camlite.course.lessons import find_exercise
from tests.course.small import verdict


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
        assert "1 of 2 cases are right." in found.message
    else:
        found = verdict(answer)
    assert says in found.message, found.message


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
