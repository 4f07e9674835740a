"""One class of hostile and broken submissions, graded once for each kind of protection."""

from __future__ import annotations

import csv
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import camlite.grading.grade
from camlite.course.lessons import find_lesson
from camlite.grading.grade import Assignment, Job, _graded, _none, grade
from camlite.grading.marks import Mark, read_marks
from camlite.grading.points import points
from camlite.grading.sandbox import FIRST_UID, UIDS, protection
from camlite.grading.submissions import find_students
from camlite.paths import ROOT
from tests.grading.hostile import HONEST, LESSON, SET, Hostile, Row

# a class takes minutes, and one worker makes it for all (with --dist loadgroup)
pytestmark = [pytest.mark.timeout(1200), pytest.mark.xdist_group("hostile")]
LIMIT, LONGER = 3.0, 8.0  # seconds of an exercise here; where much is done at once
MODES = ("bubblewrap", "limits")


def is_quick(number: int, mode: str) -> bool:
    """Of those that do not take long: what one mode cannot stop, and some of the others."""
    one, every = SET[number], {"bubblewrap": 4, "limits": 16}[mode]
    return not one.is_slow(mode) and (bool(one.not_stopped) or number % every == 0)


QUICK = {mode: [one for i, one in enumerate(SET) if is_quick(i, mode)] for mode in MODES}
SLOW = {mode: [one for one in SET if one not in QUICK[mode]] for mode in MODES}


def each(chosen: dict[str, list[Hostile]]) -> list:
    """The parameters (class, submission), with a name for each."""
    return [
        pytest.param(mode, one, id=f"{mode}-{ascii(one.name)[1:60]}")
        for mode in MODES
        for one in chosen[mode]
    ]


@dataclass
class Class:
    """What came out."""

    mode: str
    names: dict[str, str]  # of a submission -> the student's
    marks: dict[str, list[Mark]]
    out: Path
    seconds: float
    begin: float  # of the grading, by the clock
    called: bool  # somebody came through the network


def written(folder: Path, chosen: list[Hostile], out: Path, port: int) -> dict[str, str]:
    """The submissions, with an honest one before each tenth; the student's name of each."""
    folder.mkdir()
    (folder.parent / "secret.py").write_text(HONEST)
    names = {}
    for i, one in enumerate(chosen):
        if i % 10 == 0:
            (folder / f"{i:03d} honest").mkdir()
            (folder / f"{i:03d} honest" / LESSON).write_text(HONEST)
        if one.write:
            path = folder / f"{i:03d} {one.name}"
            one.write(path)
        else:
            path = folder / f"{i:03d} {one.name}".replace("/", "_")
            path.mkdir()
            known = {"@ROOT@": str(ROOT), "@OUT@": str(out), "@PORT@": str(port)}
            code = one.code
            for word, value in known.items():
                code = code.replace(word, value)
            (path / LESSON).write_text(code)
        names[one.name] = f"{i:03d}"
    return names


def graded(folder: Path, mode: str, chosen: list[Hostile], limit: float = LIMIT) -> Class:
    """Grade them all at once."""
    lesson = find_lesson(9)
    table = {id: 2.0 for id in points(lesson)}
    assignment = Assignment((9,), table, seed=5, memory=400, slower=limit / 20)
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        patch.setenv("MY_SECRET", "x")
        if mode == "limits":
            patch.setenv("PATH", str(folder / "nothing"))  # bwrap is not found
        protection.cache_clear()
        names = written(folder / "in", chosen, out, server.getsockname()[1])
        begin, clock = time.monotonic(), time.time()
        grade(folder / "in", out, assignment, jobs=2, quiet=True)
        seconds = time.monotonic() - begin
        try:
            server.accept()
            called = True
        except BlockingIOError:
            called = False
    protection.cache_clear()
    marks: dict[str, list[Mark]] = {}
    for mark in read_marks(out):
        marks.setdefault(mark.student, []).append(mark)
    numbers = {student[:3]: student for student in marks if "honest" not in student}
    return Class(
        mode, {k: numbers.get(v, v) for k, v in names.items()}, marks, out, seconds, clock, called
    )


@pytest.fixture(scope="module")
def classes():
    """Those that are graded already: each is graded once."""
    return {}


def made(request, factory: pytest.TempPathFactory, chosen: dict[str, list[Hostile]]) -> Class:
    """A class, where the machine has what holds it."""
    mode, known = request.param, request.getfixturevalue("classes")
    if mode == "bubblewrap" and protection().kind != "bubblewrap":
        pytest.skip(protection().why)
    key = mode, id(chosen)
    if key not in known:
        limit = LIMIT if chosen is QUICK else LONGER
        known[key] = graded(factory.mktemp(mode), mode, chosen[mode], limit)
    return known[key]


@pytest.fixture(params=MODES)
def quick(request, tmp_path_factory):
    """The class without those that take long."""
    return made(request, tmp_path_factory, QUICK)


@pytest.fixture(params=MODES)
def slow(request, tmp_path_factory):
    """Those that take long."""
    return made(request, tmp_path_factory, SLOW)


def fits(mark: Mark, row: Row) -> bool:
    """Whether a mark is as expected; a share of -1 is any."""
    return mark.status in row.statuses and row.share in (-1, mark.points / mark.max_points)


def expect(found: Class, one: Hostile) -> None:
    first, *others = found.marks[found.names[one.name]]
    assert fits(first, one.row(found.mode)), first
    assert all(fits(mark, one.rest) for mark in others), others


@pytest.mark.parametrize(("quick", "one"), each(QUICK), indirect=["quick"])
def test_hostile(quick, one):
    expect(quick, one)


@pytest.mark.slow
@pytest.mark.parametrize(("slow", "one"), each(SLOW), indirect=["slow"])
def test_slow_and_hostile(slow, one):
    expect(slow, one)


def test_the_marks_of_the_honest_are_right(quick):
    honest = [marks for name, marks in quick.marks.items() if "honest" in name]
    assert len(honest) == len(range(0, len(QUICK[quick.mode]), 10))
    assert all(mark.points == 2 for marks in honest for mark in marks)


def test_nobody_waits_longer_than_the_limit(quick):
    found = [mark for marks in quick.marks.values() for mark in marks]
    assert max(mark.seconds for mark in found) < LIMIT + 3
    print(f"{quick.mode}: {quick.seconds:.0f} s")


def test_the_network_is_closed_by_bubblewrap(quick):
    assert quick.called == (quick.mode == "limits")


def test_nothing_is_left_running(quick):
    orphans = [
        p
        for p in psutil.process_iter(["ppid", "uids", "status", "create_time"])
        if p.info["ppid"] in (1, os.getpid())
        and p.info["status"] != psutil.STATUS_ZOMBIE
        and p.info["create_time"] > quick.begin
    ]
    users = [p.info["uids"].real for p in orphans if p.info["uids"]]
    assert not [uid for uid in users if FIRST_UID <= uid < FIRST_UID + 2 * UIDS]


def test_no_page_obeys_a_student(quick):
    for page in (quick.out / "feedback").glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script>alert" not in text
        assert "<img" not in text
        assert not {"\x1b", "\u202e"} & set(text)


def test_the_table_has_a_row_for_each_exercise_of_each_student(quick):
    with (quick.out / "marks.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert len(rows) == 3 * len(quick.marks) == 3 * len(find_students(quick.out.parent / "in"))
    assert not [row for row in rows if row[0].startswith("=")]


def test_a_folder_that_looks_like_another_students_is_another_student(tmp_path):
    for name in ("An Li", "An  Li", "Bo_7_assignsubmission_file_", "Bo_8_assignsubmission_file_"):
        (tmp_path / name).mkdir()
        (tmp_path / name / LESSON).write_text(HONEST)
    found = find_students(tmp_path)
    assert [one.name for one in found] == ["An Li", "An Li (2)", "Bo", "Bo (2)"]
    assert all(len(one.files) == 1 for one in found)


def test_an_answer_that_ends_the_judging_process_costs_no_other_student():
    jobs = [Job(name, 9) for name in ("an", "bo", "cy", "killer", "di", "eo", "fa")]
    assignment = Assignment((9,), points(find_lesson(9)), seed=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("camlite.grading.grade._begin", begin_with_a_killer)
        found = [marks[0] for marks in _graded(jobs, assignment, 2)]
    assert sorted((m.student, m.status) for m in found) == [
        (job.student, "crashed" if job.student == "killer" else "no_file")
        for job in sorted(jobs, key=lambda job: job.student)
    ]


def begin_with_a_killer(assignment: Assignment, slots: object) -> None:
    """Begin a judging process that one student's job ends."""

    def grade_or_die(job: Job) -> list[Mark]:
        if job.student == "killer":
            os._exit(1)
        return _none(job, assignment, "no_file", "")

    camlite.grading.grade._grade = grade_or_die


@pytest.mark.slow
def test_a_grading_that_is_killed_leaves_nothing_running(tmp_path):
    written(
        tmp_path / "in", [one for one in SET if "endless loop" in one.name], tmp_path / "out", 0
    )
    command = [sys.executable, "-m", "camlite", "grade", str(tmp_path / "in")]
    started = psutil.Popen([*command, "--out", str(tmp_path / "out"), "--lessons", "9"])
    end = time.monotonic() + 120
    while not any(
        "camlite.grading.inside" in p.cmdline() for p in started.children(recursive=True)
    ):
        assert time.monotonic() < end
        time.sleep(0.5)
    below = started.children(recursive=True)
    started.kill()
    _, alive = psutil.wait_procs([started, *below], timeout=30)
    assert not alive
