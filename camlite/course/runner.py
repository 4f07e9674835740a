"""Check a file: its code runs in another process, the verdict is made in this one.

An answer that loops for ever or ends the interpreter costs its own exercise only: the process is
stopped, and a new one goes on with the next exercise.
"""

from __future__ import annotations

import os
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from camlite.course.exercises import Exercise
from camlite.course.judge import Verdict, judge
from camlite.course.lessons import Lesson
from camlite.course.observe import Observation
from camlite.course.submission import read_submission
from camlite.course.worker import receive, unpack

START_SECONDS = 60.0  # to start Python and import torch, on a slow machine
NEUTRAL = Path(__file__).resolve().parents[2]  # of where camlite is: no file beside the answer
MARK = "CAMLITE_WORKER"


def check_file(lesson: Lesson, path: Path, only: str | None = None) -> list[Verdict]:
    """A verdict for each exercise of the lesson. Raises `UnreadableSubmission` for a bad file."""
    read_submission(path)  # a bad file is reported before a process is started
    exercises = [e for e in lesson.exercises.values() if only in (None, e.id)]
    seed = secrets.randbelow(2**31)
    verdicts: list[Verdict] = []
    while len(verdicts) < len(exercises):
        verdicts += _run(exercises[len(verdicts) :], path, seed)
    return verdicts


def _run(exercises: list[Exercise], path: Path, seed: int) -> Iterator[Verdict]:
    """Verdicts as they come from one process; if it has to be stopped, that is the last one."""
    worker = _Worker([str(path.resolve()), str(seed), *[e.id for e in exercises]])
    try:
        started = worker.receive(START_SECONDS)
        for exercise in exercises:
            data = worker.receive(exercise.seconds) if started else None
            if data is None:
                where = f"in {exercise.name}" if started else "before the first exercise"
                yield _error(exercise, worker.why_it_ended(exercise, where))
                return
            _, seen, printed = unpack(data)
            yield _verdict(exercise, seen, printed, seed)
    finally:
        worker.stop()


def _error(exercise: Exercise, message: str) -> Verdict:
    return Verdict(exercise.id, exercise.name, "error", None, message)


def _verdict(exercise: Exercise, seen: list[Observation], printed: str, seed: int) -> Verdict:
    if len(seen) != len(exercise.draw_cases(seed)):  # the answer could not be called
        return _error(exercise, seen[0].detail)
    verdict = judge(exercise, seen, seed)
    if verdict.status in ("passed", "todo") or not printed.strip():
        return verdict
    lines = [f"    {line[:200]}" for line in printed.split("\n")]
    return replace(verdict, message="\n".join([verdict.message, "Your code printed:", *lines]))


class _Worker:
    """A process that runs answers. A thread reads what it sends, so that waiting can end."""

    def __init__(self, arguments: list[str]) -> None:
        self.mark = secrets.token_hex(16)
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed in stop)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "camlite.course.worker", *arguments],
            stdin=subprocess.PIPE,  # closed when this process ends, however it ends
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=NEUTRAL,
            env=os.environ | {"MPLBACKEND": "agg", MARK: self.mark},
            start_new_session=True,
        )
        self.sent: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with suppress(OSError, ValueError, OverflowError, MemoryError):
            while (data := receive(self.process.stdout)) is not None:  # type: ignore[arg-type]
                self.sent.put(data)
        self.sent.put(None)

    def receive(self, seconds: float) -> bytes | None:
        """The next that it sends; None if it ends or the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(queue.Empty):
                return self.sent.get(timeout=0.1)
            if self.process.poll() is not None and self.sent.empty():
                return None  # what it started may still hold the pipe open
        return None

    def why_it_ended(self, exercise: Exercise, where: str) -> str:
        """A sentence for the learner."""
        code = self.process.poll()
        if code is None:
            return (
                f"{exercise.name} did not finish in {exercise.seconds:.0f} seconds. "
                "Does a loop never end?"
            )
        if code == 0:
            return (
                f"Your code ended the Python process {where} (exit or os._exit). Remove that call."
            )
        self.errors.seek(max(0, self.errors.seek(0, os.SEEK_END) - 2000))
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"The Python process ended with code {code} {where}: {lines[-1] if lines else ''}"

    def stop(self) -> None:
        """End the process and all that it started."""
        if os.name == "posix":
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for stray in _marked(self.mark):  # in a session of their own
            with suppress(ProcessLookupError):
                os.kill(stray, signal.SIGKILL)
        self.errors.close()


def _marked(mark: str) -> list[int]:
    """Processes whose environment holds the mark (Linux)."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
    return found
