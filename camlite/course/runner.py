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
    exercise, what, seconds = exercises[0], "the Python process", START_SECONDS
    try:
        worker.receive(seconds)  # it is ready; nothing of the learner's has run yet
        for exercise in exercises:
            what, seconds = exercise.name, exercise.seconds
            _, seen, printed = unpack(worker.receive(seconds))
            yield verdict_on(exercise, seen, printed, seed)
    except TimeoutError:
        why = f"{what} did not finish in {seconds:.0f} seconds. Does a loop never end?"
        yield _error(exercise, why)
    except EOFError:
        yield _error(exercise, worker.last_words(what))
    finally:
        worker.stop()


def _error(exercise: Exercise, message: str) -> Verdict:
    return Verdict(exercise.id, exercise.name, "error", None, message)


def verdict_on(exercise: Exercise, seen: list[Observation], printed: str, seed: int) -> Verdict:
    """What the learner is told of what was seen, and of what the code printed."""
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

    def receive(self, seconds: float) -> bytes:
        """The next that it sends. Raises TimeoutError, or EOFError if it ends before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ended = self.process.poll() is not None  # what it started may hold the pipe open
            with suppress(queue.Empty):
                data = self.sent.get(timeout=2 if ended else 0.1)
                ended = data is None
                if data is not None:
                    return data
            if ended:
                raise EOFError
        raise TimeoutError

    def last_words(self, where: str) -> str:
        """Why it ended, for the learner."""
        with suppress(subprocess.TimeoutExpired):  # the pipe is closed a little before the end
            self.process.wait(5)
        code = self.process.poll()
        if code == 0:
            return (
                f"Your code ended the Python process in {where} (exit or os._exit). "
                "Remove that call."
            )
        if code is None:
            return f"Your code closed files of the Python process in {where}."
        self.errors.seek(max(0, self.errors.seek(0, os.SEEK_END) - 2000))
        lines = self.errors.read().decode("utf-8", "replace").strip().splitlines()
        return f"The Python process ended with code {code} in {where}. {lines[-1] if lines else ''}"

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
