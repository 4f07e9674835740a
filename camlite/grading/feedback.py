"""What a student gets back: one page, as HTML and as Markdown, in `OUT/feedback/`.

For each exercise: the points, what was seen and what was expected, and the next step. No hidden
input and no solution stands in it beyond what the message of the check says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from camlite.course.lessons import Lesson, NoSuchLesson, find_lesson
from camlite.grading import pages
from camlite.grading.marks import Mark
from camlite.grading.names import free_name, key
from camlite.grading.text import one_line
from camlite.paths import write_whole

_HEADING = re.compile(r"^# ## (.+)$", re.M)
_OWNER = '<meta name="student" content="{}">'
_SAID = {  # status -> what stands beside the exercise, what is told if the check told nothing
    "right": ("✔", "right", "All cases are right."),
    "wrong": ("✘", "not right yet", "The result is not right yet."),
    "todo": ("…", "not written yet", "This exercise is not written yet."),
    "timeout": (
        "!",
        "too slow",
        "Your code did not finish in the time that it has. Is there a loop that never ends?",
    ),
    "crashed": ("!", "stopped", "Your code ended the Python process. Run it alone to see why."),
    "memory": (
        "!",
        "too much memory",
        "Your code asked for more memory than it may have. Is a list or a tensor growing?",
    ),
    "no_file": ("!", "no file", "There is no file of this lesson from you."),
    "not_parsable": ("!", "not readable", "Your file is not valid Python, or not a notebook."),
    "refused": ("!", "refused", "Your code was not accepted."),
}


@dataclass(frozen=True)
class Block:
    """An exercise on the page."""

    kind: str  # right, wrong, todo, or why there is no verdict
    sign: str  # ✔ ✘ … !
    verdict: str
    exercise: str
    function: str
    points: str
    by_hand: bool
    message: str
    read: tuple[str, ...]  # sections of the lesson
    hint: bool


@dataclass(frozen=True)
class Part:
    """A lesson on the page."""

    number: int
    title: str
    file: str
    blocks: list[Block]


def write_feedback(out: Path, student: str, marks: list[Mark], name: str | None = None) -> None:
    """Write `feedback/<name>.html` and `.md` for one student. The same marks give the same bytes.

    `name` comes from `names.file_names` of the whole class. Without it the first name is taken that
    no other student's page has: who is first then depends on the order of the calls.
    """
    folder = out / "feedback"
    parts = [_part(number, list(group)) for number, group in _by_lesson(marks)]
    blocks = [block for part in parts for block in part.blocks]
    values = {
        "student": student,
        "owner": Markup(_owner(student)),
        "points": _number(sum(mark.points for mark in marks)),
        "max_points": _number(sum(mark.max_points for mark in marks)),
        "right": sum(block.kind == "right" for block in blocks),
        "count": len(blocks),
        "parts": parts,
    }
    name = name or _own_name(folder, student)
    write_whole(folder / f"{name}.html", pages.html("feedback.html", **values))
    write_whole(folder / f"{name}.md", pages.markdown("feedback.md", **values))


def _by_lesson(marks: list[Mark]) -> Iterator[tuple[int, Iterator[Mark]]]:
    return groupby(sorted(marks, key=lambda m: (m.lesson, m.order)), key=lambda m: m.lesson)


def _own_name(folder: Path, student: str) -> str:
    """The name of this student's page, or the first that is free."""
    taken = set()
    for path in folder.glob("*.html"):
        if _owner(student) in path.read_text(encoding="utf-8", errors="replace"):
            return path.stem
        taken.add(key(path.stem))
    return free_name(student, taken)


def _owner(student: str) -> str:
    """The line of a page that says whose it is: exactly, so not for eyes."""
    return _OWNER.format(escape(student.encode("unicode_escape").decode()))


def _part(number: int, marks: list[Mark]) -> Part:
    lesson = _lesson(number)
    files = dict.fromkeys(one_line(mark.file) for mark in marks if mark.file)
    title = lesson.title if lesson else f"Lesson {number}"
    return Part(number, title, ", ".join(files), [_block(mark, lesson) for mark in marks])


def _lesson(number: int) -> Lesson | None:
    """None for a lesson that is not here any more: its marks still count."""
    try:
        return find_lesson(number)
    except NoSuchLesson:
        return None


def _block(mark: Mark, lesson: Lesson | None) -> Block:
    kind = kind_of(mark)
    sign, verdict, told = _SAID[kind]
    exercise = lesson.exercises.get(mark.exercise) if lesson else None
    helps = kind in ("wrong", "todo", "timeout", "crashed", "memory") and exercise is not None
    return Block(
        kind,
        sign,
        verdict,
        mark.exercise,
        exercise.name if exercise else "",
        f"{_number(mark.points)} of {_number(mark.max_points)} points",
        mark.by_hand,
        mark.message.strip("\n") or told,
        tuple(sections(lesson, mark.exercise)) if lesson and helps else (),
        helps,
    )


def kind_of(mark: Mark) -> str:
    """What happened, in one word: right, wrong or todo where there is a verdict; else the status.

    Points by hand do not change what the check has seen, but full points count as right. So a
    right answer that a person gave no points, because it was copied, is still called right.
    """
    if mark.status != "graded":
        return mark.status
    if mark.diagnosis == "todo":
        return "todo"
    best = max(mark.points, mark.checked or 0)
    return "right" if best >= mark.max_points and not mark.diagnosis else "wrong"


def sections(lesson: Lesson, exercise: str) -> list[str]:
    """The headings to read again: the text before an exercise, if there is one, and its own."""
    before = ""
    for heading in _HEADING.findall(lesson.text):
        if heading.startswith(f"Exercise {exercise}:"):
            return [before, heading] if before else [heading]
        before = "" if heading.startswith("Exercise ") else heading
    return []


def _number(value: float) -> str:
    return f"{value:g}"
