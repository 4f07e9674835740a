"""The class report: one HTML file about a graded class, for the teacher. `camlite report OUT`.

No student's name stands in a picture; names stand only beside pairs of similar answers and in
tables that are folded.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camlite.course.lessons import NoSuchLesson, find_lesson
from camlite.grading import pages, pictures
from camlite.grading.marks import STATUSES, Mark, read_marks
from camlite.grading.names import file_names
from camlite.grading.similar import (
    FEW,
    LEAST,
    SHORTEST,
    THRESHOLD,
    Answer,
    Compared,
    Similar,
    compare,
    definitions,
    files_of,
    published,
)
from camlite.grading.tally import (
    OUTCOMES,
    Agreeing,
    agreeing,
    known,
    tallies,
    worth_a_sentence,
)
from camlite.paths import write_whole

SLOWEST = 10  # runs in the table
MOST_MISTAKES = 6  # of an exercise that are not folded
MOST_PAIRS = 30  # pairs of students that are shown


@dataclass(frozen=True)
class Pair:
    """Two students, and the exercises in which their answers are similar."""

    students: tuple[str, str]
    found: list[Similar]

    @property
    def order(self) -> tuple[int, float, tuple[str, str]]:
        """Most exercises first, then the highest score."""
        return -len(self.found), -max(one.score for one in self.found), self.students


@dataclass(frozen=True)
class Row:
    """One student in the folded table."""

    student: str
    points: float
    max_points: float
    right: int
    exercises: int
    trouble: str  # statuses that are no verdict
    seconds: float


def write_report(out: Path, path: Path | None = None, threshold: float = THRESHOLD) -> Path:
    """Write the report of a folder that `camlite grade` left; returns its path.

    Raises ValueError where there are no marks, or the threshold is no share.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold must be above 0 and at most 1, not {threshold:g}")
    marks = read_marks(out)
    if not marks:
        raise ValueError(f"{out} holds no marks yet")
    path = path or out / "report.html"
    write_whole(path, pages.html("report.html", **contents(out, marks, threshold)))
    return path


def contents(out: Path, marks: list[Mark], threshold: float = THRESHOLD) -> dict[str, Any]:
    """All that the template puts on the page."""
    every = tallies(marks)
    hardest = sorted(every, key=lambda t: (t.share, t.exercise))
    rows = student_rows(marks)
    times = run_times(marks)
    answers = submitted_answers(out, marks)
    compared = compare_all(answers, threshold)
    pairs = pairs_of(compared)
    return {
        "lessons": [_title(number) for number in sorted({mark.lesson for mark in marks})],
        "seed": _seed(out),
        "rows": rows,
        "scores": pictures.scores([r.points / r.max_points for r in rows if r.max_points] or [0.0]),
        "outcomes": pictures.outcomes(hardest),
        "names_of_outcomes": OUTCOMES,
        "hardest": hardest,
        "tallies": every,
        "most_mistakes": MOST_MISTAKES,
        "sentences": worth_a_sentence(m for t in every for m in t.mistakes),
        "agreeing": [(one, _example(one, answers)) for one in agreeing(marks)],
        "all_statuses": STATUSES,
        "statuses": status_table(marks),
        "seconds": pictures.seconds(times) if times else "",
        "slowest": sorted(marks, key=lambda m: (-m.seconds, m.order))[:SLOWEST] if times else [],
        "compared": compared,
        "pairs": pairs[:MOST_PAIRS],
        "pairs_left": len(pairs[MOST_PAIRS:]),
        "threshold": threshold,
        "least": LEAST,
        "shortest": SHORTEST,
        "few": FEW,
    }


def _title(number: int) -> str:
    try:
        return find_lesson(number).title
    except NoSuchLesson:
        return f"Lesson {number}"


def _seed(out: Path) -> str:
    """The seed of the hidden inputs, if the settings name it."""
    try:
        settings = json.loads((out / "settings.json").read_text(encoding="utf-8"))
        return str(settings["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


# ------------------------------------------------------------------ tables


def student_rows(marks: Iterable[Mark]) -> list[Row]:
    """One row for each student, by name."""
    of: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        of[mark.student].append(mark)
    return [
        Row(
            student,
            sum(m.points for m in some),
            sum(m.max_points for m in some),
            sum(m.points >= m.max_points for m in some),
            len(some),
            ", ".join(f"{m.exercise} {m.status}" for m in some if m.status != "graded"),
            sum(m.seconds for m in some),
        )
        for student, some in sorted(of.items())
    ]


def status_table(marks: Iterable[Mark]) -> list[tuple[str, list[int]]]:
    """Exercise -> how many marks have each of STATUSES."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for mark in sorted(marks, key=lambda m: (m.lesson, m.order[1])):
        counted[mark.exercise][mark.status] += 1
    return [(id, [counts[status] for status in STATUSES]) for id, counts in counted.items()]


def run_times(marks: Iterable[Mark]) -> dict[str, list[float]]:
    """Exercise -> the seconds of all runs; nothing ran where they are 0."""
    times: dict[str, list[float]] = defaultdict(list)
    for mark in sorted(marks, key=lambda m: (m.lesson, m.order[1])):
        if mark.seconds > 0:
            times[mark.exercise].append(mark.seconds)
    return dict(times)


# ------------------------------------------------------------------ what was handed in


def submitted_answers(out: Path, marks: list[Mark]) -> dict[str, list[Answer]]:
    """Exercise -> the answers in `OUT/submitted`, one for each student who wrote one."""
    found: dict[str, list[Answer]] = defaultdict(list)
    names = file_names(mark.student for mark in marks)
    of: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        of[mark.student].append(mark)
    for student, some in of.items():
        written = _definitions(out / "submitted", student, names[student], some)
        for mark in some:
            exercise = known(mark.exercise)
            if exercise is not None and exercise.name in written:
                found[mark.exercise].append(Answer(student, *written[exercise.name]))
    return found


def _definitions(
    submitted: Path, student: str, safe: str, marks: list[Mark]
) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What a student's files define; a file that a mark names goes before the others."""
    plain = Path(student).name == student and "\0" not in student
    folders = dict.fromkeys(
        [submitted / student, submitted / safe] if plain else [submitted / safe]
    )
    graded = {Path(mark.file).name for mark in marks if mark.file}
    files = [path for folder in folders for path in files_of(folder)]
    written: dict[str, tuple[str, tuple[str, ...]]] = {}
    for path in sorted(files, key=lambda path: path.name in graded):  # later ones win
        written |= definitions(path)
    return written


def compare_all(answers: dict[str, list[Answer]], threshold: float) -> list[Compared]:
    """Each exercise of which there are answers, in order."""
    compared = []
    for id in sorted(answers, key=lambda id: [int(part) for part in id.split(".")]):
        exercise = known(id)
        assert exercise is not None
        solution, base = published(find_lesson(id), exercise.name)
        compared.append(compare(id, answers[id], solution, base, threshold))
    return compared


def pairs_of(compared: Iterable[Compared]) -> list[Pair]:
    """The similar answers, put together by students."""
    of: dict[tuple[str, str], list[Similar]] = defaultdict(list)
    for one in compared:
        for similar in one.pairs:
            of[similar.first.student, similar.second.student].append(similar)
    return sorted((Pair(*item) for item in of.items()), key=lambda pair: pair.order)


def _example(one: Agreeing, answers: dict[str, list[Answer]]) -> str:
    """The shortest of the answers that agree; "" where none was kept."""
    codes = [a.code for a in answers.get(one.exercise, []) if a.student in one.students]
    return min(codes, key=lambda code: (len(code), code), default="")
