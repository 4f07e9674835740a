"""What takes the places of `camlite` and `camlite.course` where answers are graded.

`package.py` becomes `camlite/__init__.py` there, `course.py` becomes `camlite/course/__init__.py`.
`behind` writes the whole folder.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from camlite.course.lessons import Lesson, solution_lines
from camlite.paths import DATASETS

PACKAGE = Path(__file__).resolve().parents[2]
OFFERED = ("data", "nets.py", "split.py", "cutting", "figures/__init__.py", "figures/plot.py")
NEEDED = ("checks.py", "errors.py", "paths.py", "grading/__init__.py", "grading/plain.py")
# metrics and the like are answers of other exercises: no method needs them
HIDDEN = ("_course", "cli", "course", "evaluation", "grading", "metrics", "boxes.py", "sanity.py")
COURSE = ("answer", "exercises", "observe", "state", "submission")
RUNNING = (*(f"course/{name}.py" for name in COURSE), "grading/inside.py")


def uses_the_methods(lesson: Lesson) -> bool:
    """Whether the lesson's own solution calls methods of camlite: then answers may do so too."""
    return any(re.search(r"\bcamlite\.\w+\(", line) for line in solution_lines(lesson))


def write_view(folder: Path, methods: bool) -> None:
    """A package `camlite` without references, checks and solutions; `methods`: with its methods."""
    target = folder / "camlite"
    if methods:
        shutil.copytree(PACKAGE, target, ignore=shutil.ignore_patterns("__pycache__", *HIDDEN))
    for name in (*([] if methods else OFFERED), *NEEDED, *RUNNING):
        _copy(PACKAGE / name, target / name)
    here = Path(__file__).parent
    _copy(here / "package.py", target / "__init__.py")
    if methods:
        with (target / "__init__.py").open("a", encoding="utf-8") as file:
            file.write("\nfrom camlite.methods import *\n")
    _copy(here / "course.py", target / "course/__init__.py")
    (target / "_course").mkdir()
    (target / "_course/datasets").symlink_to(DATASETS)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)
