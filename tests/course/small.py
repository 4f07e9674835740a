"""One small exercise, so that the engine is tested without a lesson: `scale(M)` gives 2 · M."""

from __future__ import annotations

from typing import Any

import torch

from camlite.course import Case, Exercise
from camlite.course.answer import answer_of
from camlite.course.judge import Verdict, judge
from camlite.course.observe import Observation, observe
from camlite.course.worker import pack, unpack

scale = Exercise("9.1", "scale", formula="2 · M", hints=("a", "b", "c"))
SEED = 3
FACTOR = 2  # not a number in the code of the reference, which a search would try to change


@scale.cases
def _(rng):
    yield Case("two maps of 3×4", torch.randn(2, 3, 4, generator=rng))
    yield Case("one map of 2×5", torch.randn(1, 2, 5, generator=rng))


@scale.reference
def _(M):
    return FACTOR * M


@scale.wrong("You squared.")
def squared(M):
    return M**2


@scale.wrong("You asked for an axis that is not there.")
def axis_too_far(M):
    return 2 * M.sum(7)


def verdict(answer: Any, exercise: Exercise = scale) -> Verdict:
    """As in a notebook: an answer that is a function already."""
    return judge(exercise, observe(exercise, answer, SEED), SEED)


def verdict_on_code(cells: list[str], exercise: Exercise = scale) -> Verdict:
    """As `camlite check` judges a file, but in this process."""
    answer = answer_of(cells, exercise.name)
    refused = isinstance(answer, Observation)
    here = [answer] if refused else observe(exercise, answer, SEED)
    id, seen, _ = unpack(pack(exercise.id, here, ""))
    assert id == exercise.id
    if len(seen) == 1:
        return Verdict(id, exercise.name, "error", None, seen[0].detail)
    return judge(exercise, seen, SEED)
