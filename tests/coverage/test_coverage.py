"""Six of ten wrong answers, and more, are named without being declared."""

from __future__ import annotations

import pytest

from camlite.course.coverage import coverage, frozen_answers
from camlite.course.lessons import find_lesson

LESSONS = (1, 2, 3, 6, 8, 12, 20)


def test_the_frozen_answers_belong_to_exercises():
    frozen = frozen_answers()
    assert list(frozen) == [id for n in LESSONS for id in find_lesson(n).exercises]
    assert all(len(answers) >= 5 for answers in frozen.values())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_six_of_ten_wrong_answers_are_named_without_their_declaration():
    """docs/mistakes.md has the table. What trains, or draws random numbers, is searched in vain."""
    counted = [n for n in coverage() if n.status != "passed"]
    unnamed = [f"{n.exercise} {n.answer}: {n.sentence}" for n in counted if not n.diagnosis]
    assert len(unnamed) <= 0.4 * len(counted), "\n".join(unnamed)
