"""How many points an exercise has: one for each dot of its difficulty, ●●○○○ = 2.

This is the only place that says so; an assignment may give other numbers (`--points 3.1=5`).
"""

from __future__ import annotations

from camlite.course.lessons import Lesson


def points(lesson: Lesson) -> dict[str, float]:
    """Exercise -> points, in the lesson's order."""
    efforts = lesson.efforts
    return {
        id: float(efforts[id].difficulty.count("●")) if id in efforts else 1.0
        for id in lesson.exercises
    }
