"""Where the course's files lie: in the clone, or inside an installed package."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
_CLONE = _PACKAGE.parent
ROOT = _CLONE if (_CLONE / "solutions").is_dir() else _PACKAGE / "_course"
"""The folder that holds lessons/, solutions/, tests/lessons/ and datasets/."""

SOLUTIONS = ROOT / "solutions"
CHECKS = ROOT / "tests" / "lessons"
DATASETS = ROOT / "datasets"
IN_CLONE = ROOT == _CLONE


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
