"""Where the project's files lie: in the clone, or inside an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CLONE = _PACKAGE.parent
IN_CLONE = (_CLONE / "solutions").is_dir()
ROOT = _CLONE if IN_CLONE else _PACKAGE / "_course"
"""The folder that holds lessons/, solutions/, tests/lessons/ and datasets/."""

DATASETS = ROOT / "datasets"
DOWNLOADS = DATASETS / "downloads"
