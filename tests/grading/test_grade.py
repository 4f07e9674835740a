"""A class is graded: right, wrong, unfinished, broken; killed and started again; by hand."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from camlite.course.lessons import find_lesson, released
from camlite.grading.grade import Assignment, assignment_for, finish, grade, kept_seed
from camlite.grading.marks import read_marks
from camlite.grading.points import points
from camlite.paths import ROOT

LESSON = find_lesson(9)
RIGHT = re.sub(r"^[ \t]*### (?:BEGIN|END) SOLUTION\n", "", LESSON.text, flags=re.M)
WRONG = "def hires_cam(F, G):\n    return (F * G).sum(1).abs()\n"
CLASS = {
    "right": RIGHT,
    "o,brien": WRONG,
    "学生": released(LESSON),
    "ends": "import os\n\n\ndef hires_cam(F, G):\n    os._exit(0)\n" + RIGHT.split("# %%")[0],
    "library": "import camlite\n\n\ndef hires_cam(F, G):\n    return camlite.up(F, (3, 3))\n",
    "no python": "def hires_cam(F, G)\n    return 1\n",
}
ASSIGNMENT = Assignment((9,), points(LESSON), seed=4)


def handed_in(folder, students=CLASS):
    for name, text in students.items():
        (folder / name).mkdir(parents=True)
        (folder / name / f"{LESSON.name}.py").write_text(text, encoding="utf-8")
    (folder / "empty").mkdir(parents=True)
    (folder / "empty/notes.txt").write_text("I was ill.")
    return folder


def rows(out):
    with (out / "marks.csv").open(encoding="utf-8", newline="") as file:
        return {(r["student"], r["exercise"]): r for r in csv.DictReader(file)}


def without_seconds(out):
    return [replace(mark, seconds=0.0) for mark in read_marks(out)]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    submissions = handed_in(folder / "in")
    grade(submissions, folder / "out", ASSIGNMENT, jobs=1, quiet=True)
    return submissions, folder / "out"


def test_one_row_for_each_student_and_exercise(graded):
    found = rows(graded[1])
    assert list(found) == [(s, id) for s in sorted([*CLASS, "empty"]) for id in LESSON.exercises]
    assert all(r["lesson"] == "9" for r in found.values())
    assert all(float(r["max_points"]) == points(LESSON)[id] for (_, id), r in found.items())


@pytest.mark.parametrize(
    ("student", "exercise", "status", "diagnosis"),
    [
        ("right", "9.1", "graded", ""),
        ("o,brien", "9.1", "graded", "found: result: abs"),
        ("学生", "9.1", "graded", "todo"),
        ("ends", "9.1", "crashed", ""),
        ("ends", "9.2", "graded", ""),
        ("library", "9.1", "refused", ""),
        ("no python", "9.1", "graded", ""),
        ("empty", "9.1", "no_file", ""),
    ],
)
def test_what_each_got(graded, student, exercise, status, diagnosis):
    row = rows(graded[1])[student, exercise]
    assert (row["status"], row["diagnosis"]) == (status, diagnosis)
    right = student == "right"
    assert float(row["points"]) == (points(LESSON)[exercise] if right else 0)


def test_the_teacher_sees_what_was_expected(graded):
    found = {(m.student, m.exercise): m.evidence for m in read_marks(graded[1])}
    assert "  expected  " in found["o,brien", "9.1"]
    assert "  yours     " in found["o,brien", "9.1"]


def test_students_are_told_what_went_wrong_and_no_input(graded):
    messages = {(m.student, m.exercise): m.message for m in read_marks(graded[1])}
    assert messages["right", "9.1"] == "Right."
    assert "absolute" in messages["o,brien", "9.1"]
    assert "write it yourself" in messages["library", "9.1"]
    assert "not valid Python" in messages["no python", "9.1"]
    assert "ended the Python process" in messages["ends", "9.1"]
    for text in messages.values():
        assert "Called " not in text
        assert "expected  " not in text
    pages = sorted(path.name for path in (graded[1] / "feedback").iterdir())
    assert len(pages) == 2 * (len(CLASS) + 1)


def test_started_again_nothing_is_done_twice_and_points_by_hand_stay(graded):
    submissions, out = graded
    before = (out / "marks.jsonl").read_bytes()
    (out / "by_hand.csv").write_text("student,exercise,points,comment\no,brien,9.1,1,x\n")
    with pytest.raises(ValueError, match="more cells than columns"):
        finish(out)
    (out / "by_hand.csv").write_text('student,exercise,points,comment\n"o,brien",9.1,1,Nearly.\n')
    begin = time.monotonic()
    grade(submissions, out, ASSIGNMENT, jobs=1, quiet=True)
    assert time.monotonic() - begin < 20
    assert (out / "marks.jsonl").read_bytes() == before
    assert rows(out)["o,brien", "9.1"]["points"] == "1"
    (out / "by_hand.csv").unlink()
    finish(out)


def test_other_settings_do_not_fit_the_marks_that_are_there(graded):
    submissions, out = graded
    assert kept_seed(out) == 4
    with pytest.raises(ValueError, match="seed was 4, and is 5 now"):
        grade(submissions, out, replace(ASSIGNMENT, seed=5), jobs=1, quiet=True)


def test_what_is_asked_for(graded, tmp_path):
    submissions, _ = graded
    found = assignment_for(submissions, [], ["9.1=7.5"], 3, 1000, 1.0)
    assert found.lessons == (9,)
    assert found.points["9.1"] == 7.5
    with pytest.raises(ValueError, match=r"write it as 3\.1=5"):
        assignment_for(submissions, ["9"], ["9.1=many"], 3, 1000, 1.0)
    for points_ in ("9.1=nan", "9.1=-2", "9.1="):
        with pytest.raises(ValueError, match="write it as"):
            assignment_for(submissions, ["9"], [points_], 3, 1000, 1.0)
    with pytest.raises(ValueError, match="there is no exercise"):
        assignment_for(submissions, ["9"], ["9.9=1"], 3, 1000, 1.0)
    with pytest.raises(ValueError, match="no file was recognised as a lesson"):
        assignment_for(handed_in(tmp_path / "x", {}), [], [], 3, 1000, 1.0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_ten_times_it_ends_as_if_undisturbed(graded, tmp_path):
    """SIGKILL in the middle of the work; the last start is left alone."""
    students = CLASS | {f"n{i}": RIGHT.replace("relu()", "abs()", i % 4) for i in range(12)}
    submissions = handed_in(tmp_path / "in", students)
    command = [sys.executable, "-m", "camlite", "grade", submissions, "--seed", "4", "--quiet"]
    disturbed, undisturbed = tmp_path / "disturbed", tmp_path / "undisturbed"
    subprocess.run([*command, "--out", undisturbed], cwd=ROOT, check=True, capture_output=True)
    log, kills = disturbed / "marks.jsonl", 0
    while kills < 10:
        before = len(log.read_bytes()) if log.exists() else 0
        run = subprocess.Popen([*command, "--out", disturbed], cwd=ROOT, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end and run.poll() is None:  # until one more is on the disk
            if log.exists() and len(log.read_bytes()) > before:
                break
            time.sleep(0.02)
        run.kill()
        run.wait()
        kills += 1
    subprocess.run([*command, "--out", disturbed], cwd=ROOT, check=True, capture_output=True)
    assert without_seconds(disturbed) == without_seconds(undisturbed)
