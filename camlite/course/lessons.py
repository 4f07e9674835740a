"""The lessons: one master file each in solutions/, from which what learners get is made.

A master is a py:percent file. Between `### BEGIN SOLUTION` and `### END SOLUTION` stands the
answer; `released` puts a line that raises NotImplementedError in its place.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from camlite.course import paths
from camlite.course.exercises import Exercise

_SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n(.*?)^[ \t]*### END SOLUTION\n", re.M | re.S)
_EXERCISE_CELL = re.compile(
    r"^# %% tags=\[\"exercise\", \"(?P<id>\d+\.\d+)\"\]\n(?P<body>.*?)(?=^# %%|\Z)", re.M | re.S
)

_EFFORT = re.compile(
    r"^# ## Exercise (?P<id>\d+\.\d+): .+\n(?:#\n)?# \*(?P<dots>(?=.{5} )●+○*) · about "
    r"(?P<minutes>\d+) minutes\*$",
    re.M,
)

_RECALL = re.compile(r"^# ## Recall\n(?P<body>(?:#(?! ## | %%).*\n)*)", re.M)
_QUESTION = re.compile(
    r"^\*\*\d\.\*\* (?:\(lesson (?P<lesson>\d+)\) )?(?P<text>(?!\(lesson )(?:\S.*\n)+)"
    r"\n<details><summary>Answer</summary>\n\n(?P<answer>(?:\S.*\n)+)\n</details>$",
    re.M,
)


class NoSuchLesson(ValueError):
    """The number or name fits no lesson; the message lists them."""


@dataclass(frozen=True)
class Effort:
    """What an exercise asks for, as the line after its heading says it."""

    difficulty: str  # ●●○○○
    minutes: int


@dataclass(frozen=True)
class Question:
    """A recall question: the lesson that it is about, and both texts as Markdown on one line."""

    lesson: int
    text: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """One lesson, known by its master file."""

    number: int
    name: str
    master: Path

    @property
    def text(self) -> str:
        """The master with its solutions."""
        return self.master.read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        """The first heading."""
        found = re.search(r"^# # (.+)$", self.text, re.M)
        return found.group(1) if found else self.name

    @property
    def minutes(self) -> str:
        """How long it takes, from the line `**Time** … minutes`."""
        found = re.search(r"\*\*Time\*\*\D*(\d+)", self.text)
        return found.group(1) if found else "?"

    @property
    def difficulty(self) -> str:
        """The dots of the line `**Difficulty** ●●○○○`."""
        found = re.search(r"\*\*Difficulty\*\*\D*?([●○]+)", self.text)
        return found.group(1) if found else "?"

    @property
    def efforts(self) -> dict[str, Effort]:
        """Exercise -> effort, where the line `*●●○○○ · about N minutes*` follows the heading."""
        found = _EFFORT.finditer(self.text)
        return {one["id"]: Effort(one["dots"], int(one["minutes"])) for one in found}

    @property
    def questions(self) -> list[Question]:
        """The questions of the section `## Recall`. Each has this form, one paragraph each:

            **2.** (lesson 3) What is asked?

            <details><summary>Answer</summary>

            What is true.

            </details>

        Without `(lesson N)` a question is about this lesson. Other forms do not count.
        """
        section = _RECALL.search(self.text)
        body = re.sub(r"^# ?", "", section["body"], flags=re.M) if section else ""
        return [
            Question(
                int(one["lesson"] or self.number),
                " ".join(one["text"].split()),
                " ".join(one["answer"].split()),
            )
            for one in _QUESTION.finditer(body)
        ]

    @property
    def checks(self) -> Path:
        """The file with this lesson's exercises."""
        return paths.CHECKS / f"test_{self.name}.py"

    @property
    def exercises(self) -> dict[str, Exercise]:
        """The exercises by number, in order."""
        return _load_exercises(self.checks)


def all_lessons() -> list[Lesson]:
    """Every lesson, in order."""
    masters = sorted(paths.SOLUTIONS.glob("[0-9][0-9]_*.py"))
    return [Lesson(int(m.stem[:2]), m.stem, m) for m in masters]


def find_lesson(which: str | int) -> Lesson:
    """The lesson of a number ("3"), a name ("03_class_activation_map") or an exercise ("3.1")."""
    lessons = all_lessons()
    text = str(which).strip()
    head = text.split(".")[0].split("_")[0]
    for lesson in lessons:
        if text == lesson.name or (head.isdigit() and int(head) == lesson.number):
            return lesson
    numbers = ", ".join(str(one.number) for one in lessons)
    raise NoSuchLesson(f"there is no lesson {text!r}; there are {numbers}")


def find_exercise(id: str) -> Exercise:
    """The exercise of a number like "3.1"."""
    exercises = find_lesson(id).exercises
    if str(id) not in exercises:
        raise NoSuchLesson(f"there is no exercise {id!r}; this lesson has {', '.join(exercises)}")
    return exercises[str(id)]


@cache
def _load_exercises(path: Path) -> dict[str, Exercise]:
    name = f"camlite_checks_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        return {}
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    found = [value for value in vars(module).values() if isinstance(value, Exercise)]
    return {e.id: e for e in sorted(found, key=lambda e: [int(part) for part in e.id.split(".")])}


# ------------------------------------------------------------------ from master to lesson


def released(lesson: Lesson) -> str:
    """The text learners get: each solution becomes a stub that names its exercise."""

    def strip_cell(cell: re.Match[str]) -> str:
        id = cell.group("id")
        name = lesson.exercises[id].name if id in lesson.exercises else "?"

        def stub(block: re.Match[str]) -> str:
            indent = block.group(1)
            return (
                f"{indent}# YOUR CODE HERE\n"
                f'{indent}raise NotImplementedError("Exercise {id}: {name}")\n'
            )

        return _SOLUTION.sub(stub, cell.group(0))

    text = _EXERCISE_CELL.sub(strip_cell, lesson.text)
    if "### BEGIN SOLUTION" in text or "### END SOLUTION" in text:
        raise ValueError(
            f"{lesson.master.name}: a solution mark without its partner, or a solution "
            'outside a cell with tags=["exercise", "N.M"]'
        )
    return text


def solution_lines(lesson: Lesson) -> list[str]:
    """The lines that stand between the marks: none of them may reach the learner's file."""
    blocks = [block.group(2) for block in _SOLUTION.finditer(lesson.text)]
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if len(line) >= 16]


def without_answers(text: str) -> str:
    """A lesson without the bodies of its exercise cells: what the learner need not change."""
    return _EXERCISE_CELL.sub(lambda cell: f"# %% exercise {cell.group('id')}\n", text)


def drift(lesson: Lesson, folder: Path) -> str:
    """How lessons/NAME.py stands to its master: same, answered (only exercise cells differ),
    drifted or missing.
    """
    path = folder / f"{lesson.name}.py"
    if not path.exists():
        return "missing"
    text, fresh = path.read_text(encoding="utf-8"), released(lesson)
    if text == fresh:
        return "same"
    return "answered" if without_answers(text) == without_answers(fresh) else "drifted"


def notebook(lesson: Lesson) -> str:
    """The released lesson as a notebook (JSON). The same lesson gives the same bytes."""
    import jupytext

    book = jupytext.reads(released(lesson), fmt="py:percent")
    for number, cell in enumerate(book.cells):
        cell["id"] = f"lesson{lesson.number:02d}-{number:03d}"
        cell.metadata.pop("lines_to_next_cell", None)
    book.metadata.pop("jupytext", None)
    return jupytext.writes(book, fmt="ipynb")


def exercise_cells(lesson: Lesson) -> list[str]:
    """The numbers of the exercises that have a cell in the master."""
    return [cell.group("id") for cell in _EXERCISE_CELL.finditer(lesson.text)]
