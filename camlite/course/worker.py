"""The process in which submitted code runs: `python -m camlite.course.worker FILE SEED ID...`.

It draws the cases from the seed, calls the learner's functions, and sends what it saw as plain
arrays and JSON, through the pipe that was its standard output. It judges nothing; see
`camlite.course.runner`.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch

from camlite.course.answer import Printed, answer_of
from camlite.course.lessons import find_exercise
from camlite.course.observe import Observation, observe
from camlite.course.submission import read_submission


def main(file: str, seed: str, *ids: str) -> None:
    """Observe each exercise in turn; the result of one is sent before the next begins."""
    parent, results = _take_over(0), os.fdopen(_take_over(1), "wb")
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    torch.set_num_threads(min(2, torch.get_num_threads()))
    exercises = [find_exercise(id) for id in ids]
    code = read_submission(Path(file))
    os.chdir(Path(file).parent)
    sys.path.append(str(Path(file).parent))  # last: a torch.py of the learner hides nothing
    send(results, b"ready")
    for exercise in exercises:
        printed = Printed()
        with redirect_stdout(printed), redirect_stderr(Printed()):
            answer = answer_of(code, exercise.name)
            if isinstance(answer, Observation):
                seen = [answer]
            else:
                seen = observe(exercise, answer, int(seed))
        send(results, pack(exercise.id, seen, printed.beginning()))


def _take_over(number: int) -> int:
    """The parent's pipe under a new number; the answer's prints and reads go nowhere."""
    pipe, nowhere = os.dup(number), os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, number)
    os.close(nowhere)
    return pipe


def _end_with_parent(pipe: int) -> None:
    """The parent holds the other end. When it is gone, so is this process and all it started."""
    os.read(pipe, 1)
    if os.name == "posix":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


# ------------------------------------------------------------------ from process to process


def send(pipe: BinaryIO, data: bytes) -> None:
    """The length in 8 bytes, then the data."""
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def receive(pipe: BinaryIO) -> bytes | None:
    """What `send` sent; None at the end."""
    length = int.from_bytes(pipe.read(8), "big")
    data = pipe.read(length)
    return data if length and len(data) == length else None


def pack(id: str, seen: list[Observation], printed: str) -> bytes:
    """Arrays as .npz without pickle; the rest is JSON and one more array in it."""
    arrays: dict[str, np.ndarray] = {}
    observations = []
    for s in seen:
        parts: list[tuple[str, int | str]] = []
        for name, value in s.parts.items():
            parts.append((name, value if isinstance(value, str) else len(arrays)))
            if isinstance(value, np.ndarray):
                arrays[str(len(arrays))] = value
        observations.append({"parts": parts, "error": s.error, "detail": s.detail})
    rest = {"id": id, "printed": printed, "observations": observations}
    text = json.dumps(rest, ensure_ascii=False).encode("utf-8", "replace")
    buffer = io.BytesIO()
    np.savez(buffer, json=np.frombuffer(text, np.uint8), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(data: bytes) -> tuple[str, list[Observation], str]:
    """What `pack` packed: the exercise, what was seen, what was printed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        rest = json.loads(arrays["json"].tobytes())
        seen = [
            Observation(
                {name: v if isinstance(v, str) else arrays[str(v)] for name, v in one["parts"]},
                one["error"],
                one["detail"],
            )
            for one in rest["observations"]
        ]
    return rest["id"], seen, rest["printed"]


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main(*sys.argv[1:])
