"""What is sent behind the trust line: the same cases, and no answer among them."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from camlite.course.exercises import Exercise
from camlite.course.judge import judge
from camlite.course.lessons import all_lessons, find_lesson
from camlite.course.observe import observe
from camlite.grading.inputs import inputs_only, runs_inside
from camlite.grading.view import uses_the_methods, write_view

LESSONS = {lesson.name: lesson for lesson in all_lessons()}


def sent(lesson):
    """The numbers of the exercises that run inside, and the module that is made there."""
    ids = [id for id, exercise in lesson.exercises.items() if runs_inside(exercise)]
    module = sys.modules["inputs"] = ModuleType("inputs")
    exec(inputs_only(lesson.checks, ids), vars(module))
    return ids, module


@pytest.mark.parametrize("name", LESSONS)
def test_the_cases_are_the_same_and_no_function_passes(name):
    lesson = LESSONS[name]
    ids, module = sent(lesson)
    made = {v.id: v for v in vars(module).values() if isinstance(v, Exercise)}
    functions = [
        f for f in vars(module).values() if getattr(f, "__module__", "") == "inputs" and callable(f)
    ]
    for id in ids:
        exercise = lesson.exercises[id]
        here, there = exercise.draw_cases(5), made[id].draw_cases(5)
        assert [case.says for case in here] == [case.says for case in there]
        assert (exercise.parts is None) == (made[id].parts is None)
        assert made[id].hints == ("", "", "")
        for answer in functions:
            assert judge(exercise, observe(exercise, answer, 5), 5).status != "passed"


def test_nothing_of_the_answers_is_sent():
    text = inputs_only(find_lesson(12).checks, ["12.1", "12.3", "12.4"])
    for word in (".wrong", ".reference", ".accepts", "teaches", "You "):
        assert word not in text


def test_the_view_holds_no_reference(tmp_path):
    write_view(tmp_path, methods=False)
    found = {path.relative_to(tmp_path / "camlite").as_posix() for path in tmp_path.rglob("*.py")}
    assert {"nets.py", "split.py", "data/__init__.py", "figures/plot.py"} <= found
    hidden = ("methods", "metrics", "maps", "boxes", "weights", "judge", "mistakes", "lessons")
    assert not [name for name in found if any(word in name for word in hidden)]
    write_view(tmp_path / "with", methods=True)
    assert (tmp_path / "with/camlite/methods/gradient.py").exists()
    assert not (tmp_path / "with/camlite/course/judge.py").exists()
    assert not (tmp_path / "with/camlite/metrics").exists()


def test_only_the_lesson_that_uses_the_library_gets_it():
    assert [one.number for one in all_lessons() if uses_the_methods(one)] == [20]
