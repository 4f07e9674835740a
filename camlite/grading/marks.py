"""Marks on disk: one row per student and exercise.

`OUT/marks.csv` is for people and spreadsheets. `OUT/marks.jsonl` is the same with what the student
is told (`message`); a row is whole once its newline is on the disk, so that a killed run goes on
where it was. Points that a person gives stand in `OUT/by_hand.csv` and count before all others.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from camlite.paths import LineFile, whole_lines, write_whole

STATUSES = ("graded", "timeout", "crashed", "memory", "no_file", "not_parsable", "refused")
COLUMNS = (
    "student",
    "lesson",
    "exercise",
    "status",
    "points",
    "max_points",
    "diagnosis",
    "seconds",
)
BY_HAND = ("student", "exercise", "points", "comment")


@dataclass(frozen=True)
class Mark:
    """One exercise of one student.

    `status`: graded (there is a verdict, right or wrong), or why there is none. `diagnosis`: the
    name of the mistake; "" where the answer is right or no mistake is known by name; "todo" where
    it is not written yet. `message`: what the student is told. `file`: what was graded, as the
    student named it. `by_hand`: the points were given by a person.
    """

    student: str
    lesson: int
    exercise: str
    status: str
    points: float
    max_points: float
    diagnosis: str = ""
    seconds: float = 0.0
    message: str = ""
    file: str = ""
    by_hand: bool = False

    @property
    def order(self) -> tuple[str, list[int]]:
        """How marks are sorted: by student, then by exercise (3.10 after 3.9)."""
        return self.student, [int(part) for part in self.exercise.split(".")]


class MarksLog(LineFile):
    """`marks.jsonl`: one line for each student."""

    def append_marks(self, marks: Iterable[Mark]) -> None:
        """All the marks of one student, or none of them after a kill."""
        self.append(json.dumps([asdict(mark) for mark in marks], ensure_ascii=False))


def read_log(path: Path) -> list[Mark]:
    """The marks so far, in the order of their coming."""
    return [Mark(**row) for line in whole_lines(path).splitlines() for row in json.loads(line)]


def read_marks(out: Path) -> list[Mark]:
    """The marks of a folder that `camlite grade` wrote, sorted, points by hand included.

    Raises ValueError where there are none.
    """
    path = out / "marks.jsonl"
    if not path.exists():
        raise ValueError(f"{out} holds no marks: there is no marks.jsonl. Run camlite grade first")
    return with_points_by_hand(read_log(path), out / "by_hand.csv")


def with_points_by_hand(marks: Iterable[Mark], path: Path) -> list[Mark]:
    """The marks, sorted; where `by_hand.csv` (student, exercise, points, comment) names one, its
    points count, and its comment stands before the message.

    Raises ValueError for a row that fits no mark, or has no number.
    """
    found = {(mark.student, mark.exercise): mark for mark in marks}
    for number, row in enumerate(_rows_by_hand(path), start=2):
        key = (row["student"], row["exercise"])
        if key not in found:
            raise ValueError(f"{path}, line {number}: no mark of {key[0]} in {key[1]}")
        try:
            given = float(row["points"])
        except ValueError:
            raise ValueError(f"{path}, line {number}: {row['points']!r} is no number") from None
        message = "\n".join(filter(None, [row.get("comment") or "", found[key].message]))
        found[key] = replace(found[key], points=given, message=message, by_hand=True)
    return sorted(found.values(), key=lambda mark: mark.order)


def _rows_by_hand(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    missing = [name for name in BY_HAND[:3] if name not in (reader.fieldnames or [])]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}; it needs {', '.join(BY_HAND)}")
    return list(reader)


def write_csv(marks: Iterable[Mark], path: Path) -> None:
    """The table for people. A name that a spreadsheet would take for a formula stays text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for mark in marks:
        cells = {f.name: getattr(mark, f.name) for f in fields(mark)}
        cells |= {"points": f"{mark.points:g}", "max_points": f"{mark.max_points:g}"}
        cells |= {"seconds": f"{mark.seconds:.2f}"}
        writer.writerow([as_text(str(cells[name])) for name in COLUMNS])
    write_whole(path, text.getvalue())


def as_text(cell: str) -> str:
    """With an apostrophe before what a spreadsheet would calculate: =, +, -, @, tab, return."""
    formula = cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not _is_number(cell)
    return f"'{cell}" if formula else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
