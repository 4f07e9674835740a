"""Where the course's files lie, and where the learner works."""

from __future__ import annotations

import os
from pathlib import Path

from camlite.paths import DATASETS, IN_CLONE, ROOT

__all__ = ["CHECKS", "DATASETS", "ROOT", "SOLUTIONS", "home", "learner_folder"]

SOLUTIONS = ROOT / "solutions"
CHECKS = ROOT / "tests" / "lessons"


def learner_folder() -> Path:
    """Where the learner works: lessons/ of the clone, or of the current folder.

    Jupyter starts a notebook's Python in the notebook's own folder: that is lessons/ itself.
    """
    named = os.environ.get("CAMLITE_LESSONS")
    if named:
        return Path(named)
    if IN_CLONE:
        return ROOT / "lessons"
    here = Path.cwd()
    return here if here.name == "lessons" else here / "lessons"


def home() -> Path:
    """The folder of progress and backups, beside the learner's lessons."""
    named = os.environ.get("CAMLITE_HOME")
    return Path(named) if named else learner_folder().parent / ".camlite"
