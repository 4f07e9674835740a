"""The process in which submitted code runs: `python -m camlite.course.worker FILE OUT SEED ID...`.

It draws the cases from the seed, calls the learner's functions, and writes what it saw as plain
arrays and JSON. It judges nothing; see `camlite.course.runner`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from camlite.course.lessons import find_exercise
from camlite.course.observe import Sight, observe
from camlite.course.submission import definitions, read_submission


def main(file: str, out: str, seed: str, *ids: str) -> None:
    """Observe each exercise in turn; the result of one is on disk before the next begins."""
    torch.set_num_threads(max(1, min(2, os.cpu_count() or 1)))
    exercises = [find_exercise(id) for id in ids]
    (Path(out) / "started").touch()
    space = definitions(read_submission(Path(file)), exercises)
    for exercise in exercises:
        print(f"\x1e{exercise.id}", flush=True)  # whose prints follow
        answer = space.get(exercise.name)
        if answer is None:
            sights = [Sight(error="Missing", detail=f"there is no {exercise.name} in this file")]
        elif isinstance(answer, Exception):
            sights = [Sight(error=type(answer).__name__, detail=_cell_error(answer))]
        elif not callable(answer):
            sights = [
                Sight(
                    error="Missing",
                    detail=f"{exercise.name} is a {type(answer).__name__}, not a function",
                )
            ]
        else:
            sights = observe(exercise, answer, int(seed))
        write(sights, Path(out), exercise.id)


def _cell_error(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}: {(error.text or '').strip()}"
        return f"its cell is not valid Python: {error.msg}, {where}"
    return f"its cell stops with {type(error).__name__}: {error}"


def write(sights: list[Sight], folder: Path, id: str) -> None:
    """Arrays as .npz without pickle, the rest as .json; the .json comes last and whole."""
    arrays = {
        f"{i} {name}": value
        for i, s in enumerate(sights)
        for name, value in s.parts.items()
        if isinstance(value, np.ndarray)
    }
    np.savez(folder / f"{id}.npz", **arrays)  # type: ignore[arg-type]
    rest = [
        {
            "order": list(s.parts),
            "error": s.error,
            "detail": s.detail,
            "text": {k: v for k, v in s.parts.items() if isinstance(v, str)},
        }
        for s in sights
    ]
    partial = folder / f"{id}.part"
    partial.write_text(json.dumps(rest), encoding="utf-8")
    partial.replace(folder / f"{id}.json")


def read(folder: Path, id: str) -> list[Sight]:
    """What `write` wrote."""
    rest = json.loads((folder / f"{id}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{id}.npz", allow_pickle=False) as arrays:
        return [
            Sight(
                {
                    name: one["text"][name] if name in one["text"] else arrays[f"{i} {name}"]
                    for name in one["order"]
                },
                one["error"],
                one["detail"],
            )
            for i, one in enumerate(rest)
        ]


if __name__ == "__main__":
    main(*sys.argv[1:])
