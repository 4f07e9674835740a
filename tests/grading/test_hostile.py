"""One class of hostile and broken submissions, graded once for each kind of protection."""

from __future__ import annotations

import csv
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from camlite.course.lessons import find_lesson
from camlite.grading.grade import Assignment, grade
from camlite.grading.marks import Mark, read_marks
from camlite.grading.points import points
from camlite.grading.sandbox import FIRST_UID, UIDS, protection
from camlite.paths import ROOT
from tests.grading.hostile import HONEST, LESSON, SET, Hostile, Row

LIMIT = 4.0  # seconds of an exercise here
MODES = ("bubblewrap", "limits")
QUICK = [one for one in SET if not one.slow]
SLOW = [one for one in SET if one.slow]


@dataclass
class Class:
    """What came out."""

    mode: str
    names: dict[str, str]  # of a submission -> the student's
    marks: dict[str, list[Mark]]
    out: Path
    seconds: float
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


def graded(folder: Path, mode: str, chosen: list[Hostile]) -> Class:
    """Grade them all at once."""
    lesson = find_lesson(9)
    table = {id: 2.0 for id in points(lesson)}
    assignment = Assignment((9,), table, seed=5, memory=400, slower=LIMIT / 20)
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        patch.setenv("MY_SECRET", "x")
        if mode == "limits":
            patch.setenv("PATH", str(folder / "nothing"))  # bwrap is not found
        protection.cache_clear()
        names = written(folder / "in", chosen, out, server.getsockname()[1])
        begin = time.monotonic()
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
        mode, {k: numbers.get(v, v) for k, v in names.items()}, marks, out, seconds, called
    )


@pytest.fixture(scope="module", params=MODES)
def quick(request, tmp_path_factory):
    """The class without those that take long."""
    if request.param == "bubblewrap" and protection().kind != "bubblewrap":
        pytest.skip(protection().why)
    return graded(tmp_path_factory.mktemp(request.param), request.param, QUICK)


@pytest.fixture(scope="module", params=MODES)
def slow(request, tmp_path_factory):
    """Those that take long."""
    if request.param == "bubblewrap" and protection().kind != "bubblewrap":
        pytest.skip(protection().why)
    return graded(tmp_path_factory.mktemp(request.param), request.param, SLOW)


def fits(mark: Mark, row: Row) -> bool:
    """Whether a mark is as expected; a share of -1 is any."""
    return mark.status in row.statuses and row.share in (-1, mark.points / mark.max_points)


def expect(found: Class, one: Hostile) -> None:
    first, *others = found.marks[found.names[one.name]]
    assert fits(first, one.row(found.mode)), first
    assert all(fits(mark, one.rest) for mark in others), others


@pytest.mark.parametrize("one", QUICK, ids=lambda one: ascii(one.name)[1:60])
def test_hostile(quick, one):
    expect(quick, one)


@pytest.mark.slow
@pytest.mark.parametrize("one", SLOW, ids=lambda one: ascii(one.name)[1:60])
def test_slow_and_hostile(slow, one):
    expect(slow, one)


def test_the_marks_of_the_honest_are_right(quick):
    honest = [marks for name, marks in quick.marks.items() if "honest" in name]
    assert len(honest) == len(range(0, len(QUICK), 10))
    assert all(mark.points == 2 for marks in honest for mark in marks)


def test_nobody_waits_longer_than_the_limit(quick):
    found = [mark for marks in quick.marks.values() for mark in marks]
    assert max(mark.seconds for mark in found) < LIMIT + 3
    print(f"{quick.mode}: {quick.seconds:.0f} s")


def test_the_network_is_closed_by_bubblewrap(quick):
    assert quick.called == (quick.mode == "limits")


def test_nothing_is_left_running(quick):
    orphans = [
        p for p in psutil.process_iter(["ppid", "uids"]) if p.info["ppid"] in (1, os.getpid())
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
    assert len(rows) == 3 * len(quick.marks) == 3 * (len(QUICK) + len(range(0, len(QUICK), 10)))
    assert not [row for row in rows if row[0].startswith("=")]
