"""Where the project's files lie: in the clone, or inside an installed package."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

_PACKAGE = Path(__file__).resolve().parent
_CLONE = _PACKAGE.parent
IN_CLONE = (_CLONE / "solutions").is_dir()
ROOT = _CLONE if IN_CLONE else _PACKAGE / "_course"
"""The folder that holds lessons/, solutions/, tests/lessons/ and datasets/."""

DATASETS = ROOT / "datasets"
DOWNLOADS = DATASETS / "downloads"


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that readers see the old or the new text, never a half."""
    write_whole_bytes(path, text.replace("\n", os.linesep).encode("utf-8"))


def write_whole_bytes(path: Path, content: bytes) -> None:
    """The same for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.chmod(partial, 0o644)
    os.replace(partial, path)


def whole_lines(path: Path) -> bytes:
    """The file up to its last newline: a kill may have left half a line after it."""
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1]


class LineFile:
    """A file to which whole lines are added; what a kill left behind the last one is cut off."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, kept = path, whole_lines(path)
        self.file = path.open("ab")
        self.file.truncate(len(kept))

    def append(self, line: str) -> None:
        """Returns when the line is on the disk."""
        self.file.write(line.encode("utf-8", "replace") + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
