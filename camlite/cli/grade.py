"""The teacher's command: grade."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from camlite.cli.console import TEACH, Command, app, friendly, out, say, words


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
        verdicts = [mark for mark in of if mark.status == "graded"]
        todo = sum(mark.diagnosis == "todo" for mark in verdicts)
        right = sum(mark.points == mark.max_points for mark in verdicts)
        mean = sum(mark.points for mark in of) / len(of)
        numbers = (right, len(verdicts) - right - todo, todo, len(of) - len(verdicts))
        table.add_row(id, *map(str, numbers), f"{mean:.2f} of {of[0].max_points:g}")
    out.print(table)
    say(
        (f"{count} students. Seed of the inputs: {assignment.seed}", ""),
        (f"Marks: {folder}/marks.csv, pages for students: {folder}/feedback/", "bold"),
        (f"The class as a whole: camlite report {folder}", "dim"),
    )
