"""What a system that grades by itself must know: the lessons, the seed, what to install."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setup:
    """`lessons`: their numbers. `seed`: of the graded inputs, None for new ones each time.
    `install`: what pip installs: a name, an address, or a wheel on this machine.
    """

    lessons: tuple[int, ...]
    seed: int | None
    install: str

    @property
    def lessons_text(self) -> str:
        """As `camlite grade --lessons` takes them: 3,8."""
        return ",".join(map(str, self.lessons))


def setup_of(out: Path, lessons: Sequence[int], seed: int | None, install: str) -> Setup:
    """What was given, completed by the settings of an earlier `camlite grade` in `out`.

    Raises ValueError where no lesson is known, or `install` cannot stand in a script.
    """
    settings = _settings(out / "settings.json")
    known = tuple(lessons) or tuple(_whole(n) for n in settings.get("lessons", ()))
    if not known:
        raise ValueError("say which lessons are graded, for example --lessons 8")
    if not re.fullmatch(r"[^\x00-\x1f\x7f]+", install):
        raise ValueError("--install must be one line: a name, an address or a wheel")
    before = settings.get("seed")
    return Setup(known, seed if seed is not None or before is None else _whole(before), install)


def _settings(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise ValueError(f"{path} is no JSON") from None
    return found if isinstance(found, dict) else {}


def _whole(value: object) -> int:
    """ValueError: it is no whole number. A script is made of it."""
    try:
        return int(str(value))
    except ValueError:
        raise ValueError(f"settings.json: {value!r} is no whole number") from None
