"""Check a file: its code runs in another process, the verdict is made in this one.

An answer that loops for ever or ends the interpreter costs its own exercise only: the process is
stopped, and a new one goes on with the next exercise.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from camlite.course.exercises import Exercise
from camlite.course.judge import Verdict, judge
from camlite.course.lessons import Lesson
from camlite.course.submission import read_submission
from camlite.course.worker import read

START_SECONDS = 60.0  # to start Python and import torch, on a slow machine


def check_file(lesson: Lesson, path: Path, only: str | None = None) -> list[Verdict]:
    """A verdict for each exercise of the lesson. Raises `UnreadableSubmission` for a bad file."""
    read_submission(path)  # a bad file is reported before a process is started
    exercises = [e for e in lesson.exercises.values() if only in (None, e.id)]
    seed = secrets.randbelow(2**31)
    verdicts: dict[str, Verdict] = {}
    with tempfile.TemporaryDirectory() as folder:
        waiting = exercises
        while waiting:
            stopped = _run_worker(waiting, path, Path(folder), seed)
            done = [e for e in waiting if (Path(folder) / f"{e.id}.json").exists()]
            printed = _prints(Path(folder) / "prints")
            for exercise in done:
                verdicts[exercise.id] = _judge(exercise, Path(folder), seed, printed)
            waiting = [e for e in waiting if e not in done]
            if waiting and stopped:
                broken = waiting.pop(0)
                verdicts[broken.id] = Verdict(broken.id, broken.name, "error", None, stopped)
    return [verdicts[e.id] for e in exercises]


def _judge(exercise: Exercise, folder: Path, seed: int, printed: dict[str, str]) -> Verdict:
    sights = read(folder, exercise.id)
    if len(sights) == 1 and sights[0].error and len(exercise.draw_cases(seed)) != 1:
        return Verdict(exercise.id, exercise.name, "error", None, sights[0].detail)
    if sights[0].error in ("Missing", "SyntaxError"):
        return Verdict(exercise.id, exercise.name, "error", None, sights[0].detail)
    verdict = judge(exercise, sights, seed)
    if verdict.status in ("passed", "todo") or not printed.get(exercise.id):
        return verdict
    message = f"{verdict.message}\nYour code printed:\n{printed[exercise.id]}"
    return Verdict(verdict.id, verdict.name, verdict.status, verdict.diagnosis, message)


def _run_worker(exercises: list[Exercise], path: Path, folder: Path, seed: int) -> str:
    """Run the answers; returns why the process stopped early, or an empty text."""
    command = [
        sys.executable,
        "-m",
        "camlite.course.worker",
        str(path.resolve()),
        str(folder),
        str(seed),
        *[e.id for e in exercises],
    ]
    (folder / "started").unlink(missing_ok=True)
    environment = os.environ | {"MPLBACKEND": "agg", "PYTHONIOENCODING": "utf-8"}
    with (folder / "prints").open("w") as prints, (folder / "errors").open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=prints,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            cwd=path.resolve().parent,
            env=environment,
            start_new_session=True,
        )
        try:
            if not _wait(process, folder / "started", START_SECONDS):
                return _ended(process, folder, "before the first exercise")
            for exercise in exercises:
                if not _wait(process, folder / f"{exercise.id}.json", exercise.seconds):
                    if process.poll() is None:
                        return (
                            f"{exercise.name} did not finish in {exercise.seconds:.0f} seconds. "
                            "Does a loop never end?"
                        )
                    return _ended(process, folder, f"in {exercise.name}")
        finally:
            _stop(process)
    return ""


def _ended(process: subprocess.Popen, folder: Path, where: str) -> str:
    if process.returncode == 0:
        return f"Your code ended the Python process {where} (exit or os._exit). Remove that call."
    lines = (folder / "errors").read_text(errors="replace").strip().splitlines()
    last = lines[-1] if lines else ""
    return f"The Python process ended with code {process.returncode} {where}: {last}"


def _wait(process: subprocess.Popen, sign: Path, seconds: float) -> bool:
    """Wait until the file `sign` appears, the process ends, or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not sign.exists():
        if process.poll() is not None:
            return sign.exists()
        time.sleep(0.02)
    return sign.exists()


def _stop(process: subprocess.Popen) -> None:
    """End the process and all that it started."""
    if os.name == "posix":
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()


def _prints(path: Path) -> dict[str, str]:
    """What each answer printed, at most ten lines: exercise -> text."""
    blocks = path.read_text(encoding="utf-8", errors="replace").split("\x1e")[1:]
    split = [block.partition("\n") for block in blocks]
    return {
        id.strip(): "\n".join(f"    {line}" for line in text.splitlines()[:10])
        for id, _, text in split
        if text.strip()
    }
