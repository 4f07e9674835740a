"""Marks on disk: whole rows only, points by hand first, nothing a spreadsheet would calculate."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from camlite.cli.grade import MOST_NAMES, _counts, _nothing_graded
from camlite.course.lessons import all_lessons
from camlite.grading.marks import COLUMNS, Mark, MarksLog, read_log, read_marks, write_csv
from camlite.grading.points import points


def mark(student="an", exercise="3.1", points=2.0, **more):
    return Mark(student, int(exercise.split(".")[0]), exercise, "graded", points, 2.0, **more)


def test_half_a_line_is_cut_off_and_the_run_goes_on(tmp_path):
    path = tmp_path / "marks.jsonl"
    with MarksLog(path) as log:
        log.append_marks([mark(), mark(exercise="3.2")])
    with path.open("ab") as file:
        file.write(b'[{"student": "bi')
    assert [m.exercise for m in read_log(path)] == ["3.1", "3.2"]
    with MarksLog(path) as log:
        log.append_marks([mark("bi", points=0.0, message="Xin chào\nhọc viên 学生")])
    assert [m.student for m in read_log(path)] == ["an", "an", "bi"]
    assert read_log(path)[2].message.endswith("学生")


def test_points_by_hand_count_and_are_said(tmp_path):
    with MarksLog(tmp_path / "marks.jsonl") as log:
        log.append_marks([mark("bi", "3.10"), mark("bi", "3.9", 0.0, message="Look again.")])
        log.append_marks([mark("an")])
    by_hand = tmp_path / "by_hand.csv"
    by_hand.write_text('student,exercise,points,comment\nbi,3.9,1.5,"Good idea, see me"\n')
    found = read_marks(tmp_path)
    assert [(m.student, m.exercise) for m in found] == [
        ("an", "3.1"),
        ("bi", "3.9"),
        ("bi", "3.10"),
    ]
    assert (found[1].points, found[1].by_hand) == (1.5, True)
    assert found[1].message == "Good idea, see me\nLook again."
    by_hand.write_text("student,exercise,points\nnobody,3.9,1\n")
    with pytest.raises(ValueError, match="line 2: no student 'nobody'"):
        read_marks(tmp_path)
    by_hand.write_text("student,exercise,points\nbi,3.9,many\n")
    with pytest.raises(ValueError, match="'many' is no number"):
        read_marks(tmp_path)
    by_hand.write_text("name,points\n")
    with pytest.raises(ValueError, match="no column 'student'"):
        read_marks(tmp_path)


ROWS = "student,exercise,points,comment\n"
AS_SAVED = {  # what a text editor, a spreadsheet and a careful hand make of the same row
    "as in marks.csv": f"{ROWS}'=1+1,3.1,1.5,\n",
    "as the student is called": f"{ROWS}=1+1,3.1,1.5,\n",
    "semicolons": "student;exercise;points;comment\r\n=1+1;3.1;1,5;\r\n",
    "spaces": "student, exercise, points\n\n =1+1 , 3.1 , 1.5\n",
    "with a mark of the encoding": f"\ufeff{ROWS}=1+1,3.1,1.5,\n",
    "an empty comment, and a comma": f'{ROWS}=1+1,3.1,"1,5",\n',
}


@pytest.fixture
def with_a_formula(tmp_path):
    """A folder with one right answer of a student called =1+1."""
    with MarksLog(tmp_path / "marks.jsonl") as log:
        log.append_marks([mark("=1+1", message="Right.")])
    return tmp_path


@pytest.mark.parametrize("text", AS_SAVED.values(), ids=AS_SAVED)
def test_points_by_hand_are_read_as_people_save_them(with_a_formula, text):
    (with_a_formula / "by_hand.csv").write_bytes(text.encode())
    (found,) = read_marks(with_a_formula)
    assert (found.points, found.checked, found.message) == (1.5, 2.0, "Right.")


def test_a_comment_may_have_two_lines(with_a_formula):
    (with_a_formula / "by_hand.csv").write_text(f'{ROWS}=1+1,3.1,1,"Well,\nalmost."\n')
    (found,) = read_marks(with_a_formula)
    assert found.message == "Well,\nalmost.\nRight."


WRONG_ROWS = {
    "o,brien,3.1,2,x": "more cells than columns",
    "=1+1,3.1,nan,": "points are 0 or more",
    "=1+1,3.1,-5,": "points are 0 or more",
    "=1+1,3.1,,": "'' is no number",
    "=1+1": "no mark of =1\\+1 in an exercise without a name",
    "=1+1,3.2,1,": "no mark of =1\\+1 in 3.2",
    "=1+l,3.1,1,": "no student '=1\\+l'; is it '=1\\+1'",
}


@pytest.mark.parametrize(("row", "told"), WRONG_ROWS.items())
def test_a_row_by_hand_that_cannot_be_is_named(with_a_formula, row, told):
    (with_a_formula / "by_hand.csv").write_text(f"{ROWS}{row}\n")
    with pytest.raises(ValueError, match=f"by_hand.csv, line 2: {told}"):
        read_marks(with_a_formula)


def test_points_by_hand_in_another_encoding_are_refused(with_a_formula):
    (with_a_formula / "by_hand.csv").write_bytes(f"{ROWS}=1+1,3.1,1,Schön\n".encode("latin-1"))
    with pytest.raises(ValueError, match="not UTF-8"):
        read_marks(with_a_formula)


def test_no_marks_yet(tmp_path):
    with pytest.raises(ValueError, match="Run camlite grade first"):
        read_marks(tmp_path)


@pytest.mark.parametrize("name", ['=HYPERLINK("x")', "+1+1", "@SUM(A1)", "-2+3", "\t=1"])
def test_a_formula_in_a_name_stays_text(tmp_path, name):
    write_csv([mark(name, message="a"), mark('o,brien "x"\nb')], tmp_path / "marks.csv")
    rows = list(csv.DictReader((tmp_path / "marks.csv").open(encoding="utf-8", newline="")))
    assert list(rows[0]) == list(COLUMNS)
    assert rows[0]["student"] == f"'{name}"
    assert rows[1]["student"] == 'o,brien "x"\nb'
    assert (rows[0]["points"], rows[0]["max_points"], rows[0]["seconds"]) == ("2", "2", "0.00")


def test_every_exercise_has_as_many_points_as_dots():
    for lesson in all_lessons():
        found = points(lesson)
        assert list(found) == list(lesson.exercises)
        assert all(1 <= n <= 5 for n in found.values()), json.dumps(found)


# ------------------------------------------------------------------ what the command prints


def test_every_mark_is_counted_once_also_without_points():
    nothing = replace(mark(points=0.0, diagnosis="todo"), max_points=0.0)
    lost = replace(mark(points=0.0), status="timeout")
    copied = mark(points=0.0, by_hand=True, checked=2.0)
    marks = [mark(), mark(points=1.0), nothing, lost, copied]
    assert _counts(marks) == [2, 1, 1, 1]


def test_who_has_no_file_is_named():
    without = replace(mark(points=0.0), status="no_file")
    many = [replace(without, student=f"s{i:02}") for i in range(MOST_NAMES + 2)]
    (line,) = _nothing_graded([mark("an"), *many, replace(many[0], exercise="3.2")])
    assert line.startswith("No file of lesson 3: s00 · s01 ·")
    assert line.endswith("s09 · and 2 more")
    assert _nothing_graded([mark(), replace(without, by_hand=True)]) == []
    broken = replace(without, status="not_parsable", student="a\x1b[31m\nb")
    assert _nothing_graded([broken]) == ["No file that can be read of lesson 3: a b"]
