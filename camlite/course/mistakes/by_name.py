"""Mistakes by their names: for authors and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from camlite.course.exercises import Case, Exercise
from camlite.course.mistakes.numbers import as_array
from camlite.course.mistakes.results import ResultChange, result_changes
from camlite.course.mistakes.search import Search
from camlite.course.observe import Observation, observe


def answer_of(exercise: Exercise, name: str, cases: list[Case]) -> Callable[..., Any] | None:
    """An answer that makes the single mistake of this name, for tests; None if there is none."""
    nothing = [Observation() for _ in cases]
    search = Search(exercise, cases, nothing, nothing)
    for i in range(len(cases)):
        for run in search.runs(i):
            if run.name == name:
                return run.answer
    right = exercise.right
    kind, _, change = name.partition(": ")
    for ndim in range(5) if right is not None and kind == "result" else ():
        for made in result_changes(ndim):
            if made.name == change:
                return lambda *args, **kwargs: _changed(made, right(*args, **kwargs))  # type: ignore[misc]
    return None


def mistakes_of(exercise: Exercise) -> Iterator[tuple[str, str]]:
    """The single mistakes that are searched for, by name, with what is said of each."""
    cases = exercise.draw_cases(1)
    expected = observe(exercise, exercise.right, 1)  # type: ignore[arg-type]
    search = Search(exercise, cases, expected, expected)
    seen = set()
    for i in range(len(cases)):
        for candidate in search.single(i):
            if candidate.name not in seen:
                seen.add(candidate.name)
                yield candidate.name, candidate.sentence


def _changed(change: ResultChange, value: Any) -> Any:
    """The change that suits the value's number of axes, of each array in it."""
    if isinstance(value, (list, tuple)):
        return [_changed(change, v) for v in value]
    array = as_array(value)
    if array is None:
        return value
    own = next((c for c in result_changes(array.ndim) if c.name == change.name), change)
    with np.errstate(all="ignore"):
        return own.apply(array)
