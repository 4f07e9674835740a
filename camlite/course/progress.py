"""What the learner has done, in .camlite/progress.json. Written whole or not at all."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

from camlite.course import paths
from camlite.paths import write_whole


def load() -> dict[str, Any]:
    """`{"exercises": {"3.1": {"status", "attempts", "hints", "time"}}, "lesson": 3, "quiz": …}`.

    `quiz`: `{"3": {"1": true}}`, whether question 1 of lesson 3 was known when last asked.
    A damaged file is kept under another name, and a new one is begun.
    """
    path = paths.home() / "progress.json"
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        quizzes = state.get("quiz", {}).values()
        if not all(isinstance(part, dict) for part in (state.get("exercises"), *quizzes)):
            raise ValueError("not as it was written")
        return state
    except FileNotFoundError:
        pass
    except (ValueError, AttributeError):
        path.replace(path.with_name(f"progress-damaged-{time.strftime('%Y%m%d-%H%M%S')}.json"))
    return {"exercises": {}, "lesson": None}


def save(state: dict[str, Any]) -> None:
    """Write beside the file, then put in its place: a crash leaves the old one."""
    write_whole(paths.home() / "progress.json", json.dumps(state, indent=1))


def exercise(state: dict[str, Any], id: str) -> dict[str, Any]:
    """The entry of one exercise; it is made where there is none."""
    fresh = {"status": "todo", "attempts": 0, "hints": 0}
    return state["exercises"].setdefault(id, fresh)


def record(verdicts: list[Any]) -> None:
    """Keep the verdicts. What was passed once stays passed."""
    state = load()
    for verdict in verdicts:
        entry = exercise(state, verdict.id)
        if verdict.status != "todo":
            entry["attempts"] += 1
        if entry["status"] != "passed":
            entry["status"] = verdict.status
            entry["time"] = time.strftime("%Y-%m-%d %H:%M:%S")
    with suppress(OSError):  # a read-only folder must not cost the learner the verdict
        save(state)


def record_quiz(lesson: int, known: dict[int, bool]) -> None:
    """Keep for each question that was asked whether it was known; a later answer counts."""
    state = load()
    entry = state.setdefault("quiz", {}).setdefault(str(lesson), {})
    entry.update({str(number): answer for number, answer in known.items()})
    with suppress(OSError):
        save(state)


def next_hint(id: str) -> int:
    """The number of the hint to show now, 1 to 3; asking again shows the next."""
    state = load()
    entry = exercise(state, id)
    entry["hints"] = min(entry["hints"] + 1, 3)
    with suppress(OSError):
        save(state)
    return int(entry["hints"])
