"""The learner's files: make them, find the one to check, put them back to the start.

`camlite start 3` writes lessons/03_….ipynb beside the lesson's .py. Either may be worked on; a
check takes the one that was changed last. Nothing of the learner's is ever overwritten: `reset`
moves the old file to .camlite/backup first.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from camlite.course import paths
from camlite.course.lessons import Lesson, notebook, released
from camlite.paths import write_whole


def start(lesson: Lesson) -> Path:
    """The learner's notebook; it is written where there is none."""
    folder = paths.learner_folder()
    path = folder / f"{lesson.name}.ipynb"
    if not path.exists():
        write_whole(path, notebook(lesson))
    return path


def newest_answer(lesson: Lesson, folder: Path | None = None) -> Path | None:
    """The file to check: of .py and .ipynb the one that was changed last.

    A file that is still as released counts only if there is no other.
    """
    folder = folder or paths.learner_folder()
    found = [
        p for p in (folder / f"{lesson.name}.ipynb", folder / f"{lesson.name}.py") if p.exists()
    ]
    pristine = {".py": released(lesson), ".ipynb": notebook(lesson)}
    changed = [
        p for p in found if p.read_text(encoding="utf-8", errors="replace") != pristine[p.suffix]
    ]
    return max(changed, key=lambda p: p.stat().st_mtime, default=found[0] if found else None)


def reset(lesson: Lesson) -> tuple[list[Path], list[Path]]:
    """Put the lesson back to its start: (backups made, files written)."""
    folder = paths.learner_folder()
    backup = paths.home() / "backup" / time.strftime("%Y%m%d-%H%M%S")
    saved, written = [], []
    for path, fresh in (
        (folder / f"{lesson.name}.py", released(lesson)),
        (folder / f"{lesson.name}.ipynb", notebook(lesson)),
    ):
        if not path.exists():
            continue
        backup.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, backup / path.name)
        saved.append(backup / path.name)
        write_whole(path, fresh)
        written.append(path)
    if not written:
        written.append(start(lesson))
    return saved, written
