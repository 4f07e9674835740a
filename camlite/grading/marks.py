"""Marks on disk: one row per student and exercise.

`OUT/marks.csv` is for people and spreadsheets. `OUT/marks.jsonl` is the same with what the student
is told (`message`); a row is whole once its newline is on the disk, so that a killed run goes on
where it was. Points that a person gives stand in `OUT/by_hand.csv` and count before all others.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from difflib import get_close_matches
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
    student named it. `by_hand`: the points were given by a person; `checked`: the points that the
    check gave then. `evidence`: for the teacher only, what was expected and what was seen.
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
    checked: float | None = None
    evidence: str = ""

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

    Raises ValueError for a row that fits no mark, and for points that are no number from 0 up.
    """
    found = {(mark.student, mark.exercise): mark for mark in marks}
    for line, row in _rows_by_hand(path):
        where = f"{path}, line {line}"
        mark = found.get(_key(found, row))
        if mark is None:
            raise ValueError(f"{where}: {_not_found(found, row)}")
        message = "\n".join(filter(None, [row["comment"], mark.message]))
        found[mark.student, mark.exercise] = replace(
            mark,
            points=_given(row["points"], where),
            message=message,
            by_hand=True,
            checked=mark.points,
        )
    return sorted(found.values(), key=lambda mark: mark.order)


def _key(found: Iterable[tuple[str, str]], row: dict[str, str]) -> tuple[str, str]:
    """Whom a row names. In `marks.csv` a name may stand with an apostrophe (`as_text`)."""
    if row["student"].startswith("'") and (row["student"], row["exercise"]) not in found:
        return row["student"][1:], row["exercise"]
    return row["student"], row["exercise"]


def _not_found(found: Iterable[tuple[str, str]], row: dict[str, str]) -> str:
    students = sorted({student for student, _ in found})
    if _key(found, row)[0] in students:
        return f"no mark of {row['student']} in {row['exercise'] or 'an exercise without a name'}"
    near = get_close_matches(row["student"], students, n=1)
    return f"no student {row['student']!r}" + (f"; is it {near[0]!r}?" if near else "")


def _given(text: str, where: str) -> float:
    """Points as a person writes them, also with a decimal comma."""
    try:
        points = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(f"{where}: {text!r} is no number") from None
    if not 0 <= points < float("inf"):
        raise ValueError(f"{where}: points are 0 or more, not {text}")
    return points


def _rows_by_hand(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of each row, with every column of BY_HAND; between commas or semicolons."""
    if not path.exists():
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8. Save it as “CSV UTF-8”") from None
    semicolon = ";" in text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=";" if semicolon else ",")
    reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
    missing = [name for name in BY_HAND[:3] if name not in reader.fieldnames]
    if missing:
        raise ValueError(f"{path} has no column {missing[0]!r}; it needs {', '.join(BY_HAND)}")
    for row in reader:
        if None in row:
            raise ValueError(
                f"{path}, line {reader.line_num}: more cells than columns. A name or a comment "
                'with a comma stands in "quotation marks"'
            )
        yield reader.line_num, {name: (row.get(name) or "").strip() for name in BY_HAND}


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
