"""What the engine reads from a lesson's text."""

from __future__ import annotations

import pytest

from camlite.course.lessons import Effort, Lesson


def lesson(tmp_path, after_heading: str) -> Lesson:
    master = tmp_path / "09_small.py"
    master.write_text(f"# # Lesson 9\n#\n# ## Exercise 9.1: scale\n{after_heading}\n#\n# Text.\n")
    return Lesson(9, "09_small", master)


def test_the_effort_of_an_exercise_stands_after_its_heading(tmp_path):
    found = lesson(tmp_path, "# *●●○○○ · about 12 minutes*").efforts
    assert found == {"9.1": Effort("●●○○○", 12)}


@pytest.mark.parametrize(
    "line",
    [
        "#",
        "# ●●○○○ · about 12 minutes",
        "# *●●○○ · about 12 minutes*",
        "# *●○●○○ · about 12 minutes*",
        "# *○○○○○ · about 12 minutes*",
        "# *●●○○○ · 12 minutes*",
        "# *●●○○○ - about 12 minutes*",
        "# Text.\n#\n# *●●○○○ · about 12 minutes*",
    ],
)
def test_only_this_form_of_the_line_counts(line, tmp_path):
    assert lesson(tmp_path, line).efforts == {}
