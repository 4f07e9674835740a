"""Where the project's files lie: in the clone, or inside an installed package."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CLONE = _PACKAGE.parent
IN_CLONE = (_CLONE / "solutions").is_dir()
ROOT = _CLONE if IN_CLONE else _PACKAGE / "_course"
"""The folder that holds lessons/, solutions/, tests/lessons/ and datasets/."""

DATASETS = ROOT / "datasets"
DOWNLOADS = DATASETS / "downloads"


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that readers see the old or the new text, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(partial, 0o644)
    os.replace(partial, path)
