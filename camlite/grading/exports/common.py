"""What all exports share: marks of each student, numbers, and text that is safe to hand on."""

from __future__ import annotations

import re
from collections.abc import Sequence

from camlite.grading.marks import Mark

MESSAGE = 4000  # characters of one message; more is no help to a reader
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def by_student(marks: Sequence[Mark]) -> dict[str, list[Mark]]:
    """Student -> marks, in the order of the marks."""
    found: dict[str, list[Mark]] = {}
    for mark in marks:
        found.setdefault(mark.student, []).append(mark)
    return found


def of_lessons(marks: Sequence[Mark], lessons: Sequence[int]) -> list[Mark]:
    """Only the marks of these lessons; of all where none is named. ValueError: no mark is left."""
    left = [mark for mark in marks if not lessons or mark.lesson in lessons]
    if not left:
        wanted = ", ".join(map(str, lessons))
        raise ValueError(f"no mark of lesson {wanted}" if lessons else "there are no marks yet")
    return left


def of_one_student(marks: Sequence[Mark], student: str | None) -> list[Mark]:
    """The marks of `student`, who need not be named where there is only one. ValueError if not."""
    everyone = by_student(marks)
    if student is None and len(everyone) == 1:
        return next(iter(everyone.values()))
    if student is None:
        raise ValueError(f"the marks are of {len(everyone)} students; say which one: --student")
    if student not in everyone:
        raise ValueError(f"no mark of student {printable(student)}")
    return everyone[student]


def points(marks: Sequence[Mark]) -> float:
    """The sum of the points."""
    return sum(mark.points for mark in marks)


def max_points(marks: Sequence[Mark]) -> float:
    """The sum of what could be reached."""
    return sum(mark.max_points for mark in marks)


def full(mark: Mark) -> bool:
    """All points of the exercise."""
    return mark.points >= mark.max_points


def number(value: float) -> str:
    """At most two decimals, as the systems keep them, and none that is 0: 7, 7.5, 7.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def printable(text: str) -> str:
    """Without control characters (tab and newline stay): for terminals, JSON and XML."""
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """`printable`, with single spaces."""
    return " ".join(printable(text).split())


def told(mark: Mark, limit: int = MESSAGE) -> str:
    """What the student is told, at most `limit` characters. The status where nothing was said."""
    text = printable(mark.message).strip()
    if not text:
        text = "Right." if full(mark) else STATUS[mark.status]
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


STATUS = {
    "graded": "Not right yet.",
    "timeout": "The code took too long and was stopped.",
    "crashed": "The code ended before it gave an answer.",
    "memory": "The code needed too much memory and was stopped.",
    "no_file": "No file with this exercise was found.",
    "not_parsable": "The file is no valid Python or notebook.",
    "refused": "The file could not be taken.",
}


def title(mark: Mark) -> str:
    """The exercise as a heading: Exercise 3.1."""
    return f"Exercise {mark.exercise}"
