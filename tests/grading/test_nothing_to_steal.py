"""Nothing that is sent to where the answers run is itself a right answer."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType

import pytest

from camlite.course.judge import _agree, _observed
from camlite.course.lessons import all_lessons
from camlite.course.observe import observe
from camlite.grading.inputs import inputs_only, runs_inside
from camlite.grading.view import HIDDEN, uses_the_methods

SEED = 3
LESSONS = [
    pytest.param(one, id=one.name, marks=[] if one.number in (8, 9) else pytest.mark.slow)
    for one in all_lessons()
]


def sent(lesson) -> dict[str, object]:
    """What the text of the inputs defines, as `camlite.grading.inside` makes it."""
    text = inputs_only(lesson.checks, {e.id for e in lesson.exercises.values() if runs_inside(e)})
    module = ModuleType("inputs")
    exec(compile(text, "<inputs>", "exec"), vars(module))
    return {name: value for name, value in vars(module).items() if name[0] != "_"}


def of_the_package() -> dict[str, object]:
    """Functions of camlite, for lessons in whose solution they are called."""
    modules = [m for name, m in sys.modules.items() if name.startswith("camlite.")]
    hidden = [name.removesuffix(".py") for name in HIDDEN]
    seen = [m for m in modules if m.__name__.split(".")[1] not in hidden]
    return {k: v for m in seen for k, v in vars(m).items()}


def is_right(exercise, answer) -> bool:
    pairs = zip(
        _observed(exercise, exercise.right, SEED), observe(exercise, answer, SEED), strict=True
    )
    return all(_agree(want, got, exercise.rtol) for want, got in pairs)


@pytest.mark.parametrize("lesson", LESSONS)
def test_nothing_that_is_sent_is_an_answer(lesson):
    found = sent(lesson) | (of_the_package() if uses_the_methods(lesson) else {})
    functions = {
        name: value
        for name, value in found.items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and (value.__module__ or "").split(".")[0] in ("inputs", "camlite", "builtins")
    }
    right = [
        (exercise.id, name)
        for exercise in lesson.exercises.values()
        for name, answer in functions.items()
        if is_right(exercise, answer)
    ]
    assert not right
