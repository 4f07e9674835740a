"""Graded behind the trust line, an answer gets the verdict that it gets at home."""

from __future__ import annotations

import time

import pytest

from camlite.course.judge import judge
from camlite.course.lessons import all_lessons, find_lesson
from camlite.course.observe import observe
from camlite.course.runner import verdict_on
from camlite.grading.remote import observed
from camlite.grading.sandbox import Sandbox, Stopped
from tests.benchmarks.classroom import right, wrong

SEED = 1
REFUSED = ("refused", None)


def there(session, exercise, code):
    session.until = time.monotonic() + 4 * exercise.seconds
    seen, _ = observed(session, exercise, SEED, [code])
    if any(one.error == "WriteItYourself" for one in seen):
        return REFUSED  # it calls camlite's own functions, as some declared answers do
    found = verdict_on(exercise, seen, "", SEED)
    return found.status, found.diagnosis


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(n.number, marks=[] if n.number == 9 else pytest.mark.slow)
        for n in all_lessons()
    ],
)
@pytest.mark.timeout(900)
def test_right_and_declared_wrong_answers(number):
    """The solution passes; of the wrong answers every fifth is tried, in every exercise."""
    lesson = find_lesson(number)
    with Sandbox(lesson) as sandbox, sandbox.session() as session:
        for exercise in lesson.exercises.values():
            assert there(session, exercise, right(lesson)) == ("passed", None)
    different = []
    with Sandbox(lesson) as sandbox:
        for id, exercise in lesson.exercises.items():
            for n, known in list(enumerate(exercise.wrong_answers))[:: 2 if number == 9 else 5]:
                here = judge(exercise, observe(exercise, known.answer, SEED), SEED)
                try:
                    with sandbox.session() as session:
                        got = there(session, exercise, wrong(lesson, {id: n}))
                except Stopped as error:
                    got = error.status, error.why
                if got not in ((here.status, here.diagnosis), REFUSED):
                    different.append((id, known.name, here.status, here.diagnosis, *got))
    assert not different
