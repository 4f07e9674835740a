"""Grade a class: `camlite grade SUBMISSIONS --out OUT`.

Each core has a process that judges and, on the other side of the trust line, a sandbox in which
the answers run. The marks of a student and lesson are on the disk as soon as they are known;
started again after a kill, the rest is graded. The same seed gives the same marks.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from camlite.course.exercises import Exercise
from camlite.course.judge import Verdict
from camlite.course.lessons import Lesson, all_lessons, find_exercise, find_lesson
from camlite.course.observe import Observation
from camlite.course.runner import verdict_on
from camlite.course.submission import UnreadableSubmission, cells_of
from camlite.grading.feedback import write_feedback
from camlite.grading.marks import Mark, MarksLog, read_log, read_marks, write_csv
from camlite.grading.names import file_names
from camlite.grading.plain import pack
from camlite.grading.points import points
from camlite.grading.remote import observed
from camlite.grading.sandbox import Sandbox, Stopped, protection
from camlite.grading.submissions import File, Student, answers_to, find_students
from camlite.paths import write_whole

LONGEST = 4000  # characters of a message
REMEMBERED = 2000  # verdicts of one process: many students hand in the same mistake


@dataclass(frozen=True)
class Assignment:
    """What is graded, and how: lessons, points of exercises, the seed of the inputs."""

    lessons: tuple[int, ...]
    points: Mapping[str, float]
    seed: int
    memory: int = 2000
    slower: float = 1.0  # times the seconds that an exercise may take

    def settings(self) -> dict[str, Any]:
        """What must be the same when a run goes on."""
        return {
            "camlite": version("camlite"),  # another check may judge otherwise
            "lessons": list(self.lessons),
            "points": dict(self.points),
            "seed": self.seed,
            "memory": self.memory,
            "slower": self.slower,
        }


@dataclass(frozen=True)
class Job:
    """One lesson of one student."""

    student: str
    lesson: int
    files: list[File] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def grade(submissions: Path, out: Path, assignment: Assignment, jobs: int, quiet: bool) -> int:
    """Grade all that is not graded yet; returns how many students there are.

    Raises ValueError for submissions that cannot be found, and for an OUT of another assignment.
    """
    students = find_students(submissions)
    _bind(out, assignment)
    log = out / "marks.jsonl"
    done = {(mark.student, mark.lesson) for mark in read_log(log)} if log.exists() else set()
    todo = [
        Job(one.name, number, answers_to(find_lesson(number), one), one.problems)
        for number in assignment.lessons
        for one in students
        if (one.name, number) not in done
    ]
    keep_files(students, assignment.lessons, out)
    with MarksLog(log) as file:
        for marks in tqdm(
            _graded(todo, assignment, jobs), total=len(todo), unit="lesson", disable=quiet
        ):
            file.append_marks(marks)
    finish(out)
    return len(students)


def _bind(out: Path, assignment: Assignment) -> None:
    path, mine = out / "settings.json", json.dumps(assignment.settings(), indent=1)
    if path.exists() and path.read_text(encoding="utf-8") != mine:
        theirs, ours = json.loads(path.read_text(encoding="utf-8")), json.loads(mine)
        other = next(k for k in ours if theirs.get(k) != ours[k])
        raise ValueError(
            f"{out} holds marks of another assignment: {other} was {theirs.get(other)}, and is "
            f"{ours[other]} now. Choose another --out"
        )
    write_whole(path, mine)


def finish(out: Path) -> None:
    """The table for people and the pages for students, points by hand included."""
    marks = read_marks(out)
    write_csv(marks, out / "marks.csv")
    students: dict[str, list[Mark]] = {}
    for mark in marks:
        students.setdefault(mark.student, []).append(mark)
    names = file_names(students)
    for name, theirs in students.items():
        write_feedback(out, name, theirs, names[name])


def keep_files(students: Iterable[Student], lessons: Iterable[int], out: Path) -> None:
    """A copy of what is graded, for the class report: OUT/submitted/<student>/<lesson>.py."""
    students = list(students)
    names = file_names(one.name for one in students)
    for one in students:
        for lesson in map(find_lesson, lessons):
            path = out / "submitted" / names[one.name] / f"{lesson.name}.py"
            files = answers_to(lesson, one)
            with suppress(UnreadableSubmission):
                if files and not path.exists():
                    code = "\n\n# %%\n".join(cells_of(files[0].name, files[0].data))
                    write_whole(path, code.encode("utf-8", "replace").decode())


# ------------------------------------------------------------------ processes that judge


def _graded(todo: list[Job], assignment: Assignment, jobs: int) -> Iterator[list[Mark]]:
    """The marks of each job as they come. A process that ends is replaced."""
    tries = [0] * len(todo)
    left = list(range(len(todo)))
    while left:
        pool = ProcessPoolExecutor(
            jobs, multiprocessing.get_context("spawn"), _begin, (assignment, _slots(jobs))
        )
        with pool:
            running: dict[Future[list[Mark]], int] = {}
            try:
                while left or running:
                    # in order: few sandboxes are started
                    while left and len(running) < _room([*running.values(), left[0]], tries, jobs):
                        running[pool.submit(_grade, todo[left[0]])] = left[0]
                        left.pop(0)
                    ready, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in ready:
                        marks = future.result()
                        running.pop(future)
                        yield marks
            except BrokenProcessPool:
                suspects = list(running.values())  # each is tried again, alone
                lost = suspects if len(suspects) == 1 and tries[suspects[0]] else []
                for i in suspects:
                    tries[i] += 1
                left = [i for i in suspects if i not in lost] + left
                for i in lost:
                    yield _none(todo[i], assignment, "crashed", "It ended the grading process.")


def _room(chosen: list[int], tries: list[int], jobs: int) -> int:
    """How many jobs may run at once: one that was there when a process ended runs alone."""
    return 1 if any(tries[i] for i in chosen) else 2 * jobs


def _slots(jobs: int) -> Any:
    """A number for each process, so that the sandboxes of two have different users."""
    queue = multiprocessing.get_context("spawn").Queue()
    for slot in range(jobs):
        queue.put(slot)
    return queue


class _Process:
    """What one judging process holds: the assignment, its sandbox, verdicts given before."""

    assignment: Assignment
    slot = 0
    sandbox: Sandbox | None = None
    verdicts: dict[bytes, Verdict]


def _begin(assignment: Assignment, slots: Any) -> None:
    torch.set_num_threads(1)
    _Process.assignment, _Process.slot, _Process.verdicts = assignment, slots.get(), {}
    atexit.register(_close)
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """Where the grading is killed, nothing that judges or runs an answer goes on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        _close()
        os._exit(1)


def _close() -> None:
    if _Process.sandbox is not None:
        _Process.sandbox.close()
        _Process.sandbox = None


def _sandbox(lesson: Lesson) -> Sandbox:
    """The warm process of this lesson."""
    if _Process.sandbox is None or _Process.sandbox.lesson.number != lesson.number:
        _close()
        _Process.sandbox = Sandbox(lesson, _Process.slot, _Process.assignment.memory)
    return _Process.sandbox


def _grade(job: Job) -> list[Mark]:
    assignment, lesson = _Process.assignment, find_lesson(job.lesson)
    if not job.files:
        return _none(job, assignment, "no_file", f"No file for lesson {job.lesson} was found.")
    file = job.files[0]
    try:
        code = cells_of(file.name, file.data)
    except UnreadableSubmission as error:
        return _none(job, assignment, "not_parsable", str(error)[:300])
    return list(_marks(job, lesson, code, assignment))


def _none(job: Job, assignment: Assignment, status: str, why: str) -> list[Mark]:
    """The same mark, no points, for each exercise of the lesson."""
    lesson = find_lesson(job.lesson)
    return [_mark(job, assignment, id, status, why) for id in lesson.exercises]


def _mark(
    job: Job, assignment: Assignment, id: str, status: str, message: str, **more: Any
) -> Mark:
    file = job.files[0].path if job.files else ""
    notes = list(job.problems)
    if len(job.files) > 1:
        notes.append(f"You handed in {len(job.files)} files for this lesson. The newest counts.")
    return Mark(
        student=job.student,
        lesson=job.lesson,
        exercise=id,
        status=status,
        max_points=assignment.points[id],
        message="\n".join([message[:LONGEST], *notes]),
        file=file,
        **{"points": 0.0} | more,
    )


def _marks(job: Job, lesson: Lesson, code: list[str], assignment: Assignment) -> Iterator[Mark]:
    """One session for all exercises; where it has to be stopped, a new one goes on."""
    left = list(lesson.exercises)
    while left:
        with _sandbox(lesson).session() as session:
            while left:
                id, begin = left.pop(0), time.monotonic()
                exercise = lesson.exercises[id]
                session.until = begin + exercise.seconds * assignment.slower
                try:
                    seen, _ = observed(session, exercise, assignment.seed, code)
                    seconds = time.monotonic() - begin
                    status, message, more = _judged(exercise, seen, assignment)
                except Exception as error:  # a class is not left without marks for one answer
                    stop = error if isinstance(error, Stopped) else _unforeseen(error)
                    seconds = time.monotonic() - begin
                    yield _mark(job, assignment, id, stop.status, stop.why, seconds=seconds)
                    break
                yield _mark(job, assignment, id, status, message, seconds=seconds, **more)


def _unforeseen(error: Exception) -> Stopped:
    kind = type(error).__name__
    why = f"What your code gave back cannot be judged ({kind}). Ask the person who teaches."
    return Stopped("crashed", why)


def _judged(
    exercise: Exercise, seen: list[Any], assignment: Assignment
) -> tuple[str, str, dict[str, Any]]:
    """Status, message, and points and diagnosis, of what was seen."""
    refused = next((one for one in seen if one.error == "WriteItYourself"), None)
    if refused:
        return "refused", refused.detail.removeprefix("WriteItYourself: "), {}
    verdict = _verdict(exercise, seen, assignment.seed)
    if any(map(_no_memory, seen)):
        return "memory", "Your code asked for more memory than there is.", {}
    if verdict.status == "passed":
        return "graded", "Right.", {"points": assignment.points[exercise.id]}
    diagnosis = "todo" if verdict.status == "todo" else verdict.diagnosis or ""
    more = {"diagnosis": diagnosis, "evidence": verdict.message[:LONGEST]}
    return "graded", verdict.without_values or verdict.message, more


def _no_memory(one: Observation) -> bool:
    """As Python, numpy and torch say it."""
    return one.error.endswith("MemoryError") or "can't allocate memory" in one.detail


def _verdict(exercise: Exercise, seen: list[Any], seed: int) -> Verdict:
    """The verdict; a search for a mistake is made once for all who made it."""
    shown = [[one.parts, one.error, one.detail] for one in seen]
    key = hashlib.sha256(exercise.id.encode() + pack(shown)).digest()
    if key not in _Process.verdicts:
        if len(_Process.verdicts) >= REMEMBERED:
            _Process.verdicts.clear()
        _Process.verdicts[key] = verdict_on(exercise, seen, "", seed)
    return _Process.verdicts[key]


# ------------------------------------------------------------------ what is asked for


def assignment_for(
    submissions: Path,
    lessons: Iterable[str],
    given_points: Iterable[str],
    seed: int,
    memory: int,
    slower: float,
) -> Assignment:
    """Lessons (default: those for which somebody handed in a file), points like `3.1=5`.

    Raises ValueError for what is no lesson, no exercise or no number.
    """
    chosen = [find_lesson(one) for one in lessons]
    if not chosen:
        chosen = _lessons_of(find_students(submissions))
    table = {id: n for lesson in chosen for id, n in points(lesson).items()}
    for one in given_points:
        id, _, number = one.partition("=")
        find_exercise(id)
        try:
            table[id] = float(number)
        except ValueError:
            table[id] = -1
        if not 0 <= table[id] < 1e6:  # not a number, nan, negative
            raise ValueError(f"--points {one}: write it as 3.1=5")
    numbers = tuple(dict.fromkeys(lesson.number for lesson in chosen))
    return Assignment(numbers, table, seed, memory, slower)


def _lessons_of(students: list[Student]) -> list[Lesson]:
    found = [one for one in all_lessons() if any(answers_to(one, s) for s in students)]
    if not found:
        raise ValueError(
            "no file was recognised as a lesson: name the lesson with --lessons, for example "
            "--lessons 8"
        )
    return found


def kept_seed(out: Path) -> int | None:
    """The seed of a run that is continued."""
    path = out / "settings.json"
    return int(json.loads(path.read_text(encoding="utf-8"))["seed"]) if path.exists() else None


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def warning() -> str:
    """What to print where submitted code is not closed in; "" where it is."""
    found = protection()
    if found.kind == "bubblewrap":
        return ""
    return (
        f"Submitted code runs with resource limits only: {found.why}. It can read files of this "
        "machine, also the solutions, and use the network."
    )
