"""Where the course's files lie, and where the learner works."""

from __future__ import annotations

import os
from pathlib import Path

from camlite.paths import DATASETS, IN_CLONE, ROOT

__all__ = ["CHECKS", "DATASETS", "ROOT", "SOLUTIONS", "home", "learner_folder"]

SOLUTIONS = ROOT / "solutions"
CHECKS = ROOT / "tests" / "lessons"


def learner_folder() -> Path:
    """Where the learner works: lessons/ of the clone, or of the current folder."""
    named = os.environ.get("CAMLITE_LESSONS")
    if named:
        return Path(named)
    return ROOT / "lessons" if IN_CLONE else Path.cwd() / "lessons"


def home() -> Path:
    """The folder of progress and backups, beside the learner's lessons."""
    named = os.environ.get("CAMLITE_HOME")
    return Path(named) if named else learner_folder().parent / ".camlite"
