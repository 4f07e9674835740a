"""The teacher's command: grade."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from camlite.cli.console import TEACH, Command, app, friendly, out, say, words

if TYPE_CHECKING:
    from camlite.grading.marks import Mark

MOST_NAMES = 10  # of students without a file


@app.command(cls=Command, rich_help_panel=TEACH)
@friendly
def grade(
    submissions: Annotated[
        Path,
        typer.Argument(
            help="A folder or a zip, as a learning system exports it: a folder or zip for each "
            "student, or files whose names begin with the student."
        ),
    ],
    folder: Annotated[
        Path,
        typer.Option(
            "--out", help="Folder of the marks. If it holds an unfinished run, that is continued."
        ),
    ],
    lessons: Annotated[
        list[str] | None,
        typer.Option(help="For example 3,8. Default: the lessons that were handed in."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of the hidden inputs. Default: a new one, kept in --out."),
    ] = None,
    points: Annotated[
        list[str] | None,
        typer.Option(help="Points of an exercise, for example 3.1=5; repeatable."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Submissions at once. Default: the number of cores.")
    ] = None,
    memory: Annotated[int, typer.Option(help="MB that a submission may use.")] = 2000,
    slower: Annotated[
        float, typer.Option(help="This machine is so many times slower: more time for each.")
    ] = 1.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Grade a class, safely. Example: camlite grade submissions/ --out marks/ --lessons 8

    Writes marks.csv, and a page for each student. Points in marks/by_hand.csv (student, exercise,
    points, comment) count before all others; run the command again after you changed it.
    """
    from camlite.grading.grade import (
        assignment_for,
        cores,
        grade,
        kept_seed,
        warning,
    )
    from camlite.grading.marks import read_marks

    if warning():
        say((f"Warning. {warning()}", "yellow"))
    chosen = kept_seed(folder) if seed is None else seed
    assignment = assignment_for(
        submissions,
        words(lessons),
        words(points),
        secrets.randbelow(2**31) if chosen is None else chosen,
        memory,
        slower,
    )
    count = grade(submissions, folder, assignment, jobs or cores(), quiet)
    marks = read_marks(folder)
    table = Table("exercise", "right", "not right", "not written", "no verdict", "points (mean)")
    for id in dict.fromkeys(mark.exercise for mark in marks):
        of = [mark for mark in marks if mark.exercise == id]
        mean = sum(mark.points for mark in of) / len(of)
        table.add_row(id, *map(str, _counts(of)), f"{mean:.2f} of {of[0].max_points:g}")
    out.print(table)
    say(*((line, "yellow") for line in _nothing_graded(marks)))
    say(
        (f"{count} students. Seed of the inputs: {assignment.seed}", ""),
        (f"Marks: {folder}/marks.csv, pages for students: {folder}/feedback/", "bold"),
        (f"The class as a whole: camlite report {folder}", "dim"),
    )


def _counts(marks: list[Mark]) -> list[int]:
    """How many are right, not right, not written, without a verdict."""
    from camlite.grading.feedback import kind_of

    kinds = [kind_of(mark) for mark in marks]
    counts = [kinds.count(kind) for kind in ("right", "wrong", "todo")]
    return [*counts, len(marks) - sum(counts)]


def _nothing_graded(marks: list[Mark]) -> list[str]:
    """Whom to ask: students without a file that can be read, at most ten names for each reason."""
    from camlite.grading.text import one_line

    lines = []
    for status, told in (("no_file", "No file"), ("not_parsable", "No file that can be read")):
        found: dict[int, list[str]] = {}
        for mark in marks:
            names = found.setdefault(mark.lesson, [])
            if mark.status == status and not mark.by_hand and mark.student not in names:
                names.append(mark.student)
        for lesson, names in found.items():
            more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
            listed = " · ".join([*map(one_line, names[:MOST_NAMES]), *more])
            lines += [f"{told} of lesson {lesson}: {listed}"] if names else []
    return lines
