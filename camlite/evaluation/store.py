"""Finished rows on disk. A killed run loses at most the row it was working on.

Each process appends to a file of its own, `parts/rank-<r>.jsonl`, one JSON object per line. A line
counts once its newline is written; what a kill left behind it is cut off at the next start.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from camlite.paths import LineFile, whole_lines, write_whole

RowKey = tuple[str, int | None, str]  # picture, class, method ("" for a problem with the picture)
Row = dict[str, Any]


class RowFile(LineFile):
    """One process's file: `append_row` returns when the row is on the disk."""

    def __init__(self, folder: Path, rank: int) -> None:
        super().__init__(folder / f"rank-{rank}.jsonl")

    def append_row(self, row: Mapping[str, Any]) -> None:
        """Write one row; floats come back exactly as they were."""
        self.append(json.dumps(row, allow_nan=False))


def read_rows(folder: Path) -> dict[RowKey, Row]:
    """The rows of all processes, one for each key.

    A later start may have measured more metrics, or solved a problem, in another process's file:
    rows of one key are merged, and a measured row counts before a problem.
    """
    rows: dict[RowKey, Row] = {}
    for path in sorted(folder.glob("rank-*.jsonl")):
        for line in whole_lines(path).splitlines():
            row = json.loads(line)
            key = row["file"], row["class_index"], row["method"]
            rows[key] = _merged(rows[key], row) if key in rows else row
    return rows


def _merged(a: Row, b: Row) -> Row:
    if a["problem"] or b["problem"]:
        return a if b["problem"] else b
    metrics = list(dict.fromkeys([*a["metrics"], *b["metrics"]]))
    return {**a, **b, "metrics": metrics, "notes": {**a.get("notes", {}), **b.get("notes", {})}}


def bind_settings(
    folder: Path, settings: Mapping[str, Any], free: Iterable[str], write: bool = True
) -> None:
    """Bind the folder to these settings, or see that it is bound to the same ones.

    `free` names the settings that may change between two starts, because they only add rows.
    Of several processes one has `write`; the others only look, so that all see the same mistake.
    Raises ValueError where the folder holds a run with other settings: its rows would not fit.
    """
    path = folder / "settings.json"
    mine = json.loads(json.dumps({k: v for k, v in settings.items() if k not in set(free)}))
    if path.exists():
        theirs = json.loads(path.read_text(encoding="utf-8"))
        other = [k for k in mine.keys() | theirs.keys() if mine.get(k) != theirs.get(k)]
        if other:
            k = sorted(other)[0]
            raise ValueError(
                f"{folder} holds a run with other settings: {k} was {theirs.get(k)}, and is "
                f"{mine.get(k)} now. Its rows do not fit. Choose another --out, or delete it"
            )
    elif write:
        write_whole(path, json.dumps(mine, indent=1, ensure_ascii=False))
