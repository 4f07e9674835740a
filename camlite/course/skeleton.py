"""A new lesson: three files that run, with marks where the author must write (`camlite dev new`).

The templates in templates/ are read as they stand; only words like @NAME@ are put in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from camlite.course import paths
from camlite.course.lessons import Lesson, all_lessons
from camlite.paths import IN_CLONE, write_whole

TO_FILL = "FILL IN"
TEMPLATES = Path(__file__).parent / "templates"


def files(name: str) -> dict[str, Path]:
    """Template -> the file that an author writes for the lesson of this name, "04_heads"."""
    return {
        "master": paths.SOLUTIONS / f"{name}.py",
        "checks": paths.CHECKS / f"test_{name}.py",
        "claims": paths.ROOT / "tests" / "prose" / f"claims_{name}.py",
    }


def new_lesson(number: int, name: str) -> list[Path]:
    """Write the files of lesson `number`; ValueError where this would touch what is there."""
    _refuse(number, name)
    written = files(f"{number:02d}_{name}")
    there = [str(path) for path in written.values() if path.exists()]
    if there:
        raise ValueError(f"nothing was written, for this exists already: {', '.join(there)}")
    earlier = [one.number for one in all_lessons() if one.number < number][-2:]
    about = [f"(lesson {one}) " for one in (earlier * 2)[-2:]] or ["", ""]
    words = {
        "@N@": str(number),
        "@NAME@": f"{number:02d}_{name}",
        "@TITLE@": name.replace("_", " ").capitalize(),
        "@EARLIER_1@": about[1],
        "@EARLIER_2@": about[0],
    }
    for template, path in written.items():
        text = (TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        write_whole(path, text)
    return list(written.values())


def _refuse(number: int, name: str) -> None:
    if not IN_CLONE:
        raise ValueError("a new lesson is written in a clone of the repository")
    if not 1 <= number <= 99:
        raise ValueError(f"a lesson has a number from 1 to 99, not {number}")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(
            f"{name!r} is no name for a lesson: small letters, digits and _, as in eigen_cam"
        )
    same = [one.name for one in all_lessons() if one.number == number]
    if same:
        raise ValueError(f"lesson {number} exists already: {same[0]}")


def left_to_fill(lesson: Lesson) -> list[str]:
    """Where marks are left, file by file: "solutions/04_heads.py, lines 12, 40"."""
    left = []
    for path in files(lesson.name).values():
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        numbers = [str(n) for n, line in enumerate(lines, start=1) if TO_FILL in line]
        if numbers:
            left.append(f"{path.relative_to(paths.ROOT)}, lines {', '.join(numbers)}")
    return left


def is_written(answer: Callable[..., Any]) -> bool:
    """Whether an author has put an answer in the place of the template's."""
    return TO_FILL not in getattr(getattr(answer, "__code__", None), "co_consts", ())
