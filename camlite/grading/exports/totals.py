"""A plain table, one row for each student: for a spreadsheet, and for systems without a form."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from camlite.grading.exports import common
from camlite.grading.marks import Mark, as_text


def document(marks: Sequence[Mark]) -> str:
    """CSV: student, the points of each lesson, their sum, the maximum."""
    lessons = sorted({mark.lesson for mark in marks})
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("student", *(f"lesson {number}" for number in lessons), "points", "max_points"))
    for student, own in common.by_student(marks).items():
        of_each = [[mark for mark in own if mark.lesson == number] for number in lessons]
        sums = [common.points(some) for some in of_each]
        numbers = map(common.number, (*sums, sum(sums), common.max_points(own)))
        table.writerow((as_text(common.one_line(student)), *numbers))
    return text.getvalue()
