"""The command that hands marks to other systems: export."""

from __future__ import annotations

import json
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from camlite.cli.console import TEACH, Command, app, friendly, say, words

if TYPE_CHECKING:
    from camlite.grading.exports.fill import Filled
    from camlite.grading.marks import Mark

WHOSE, TABLES, BUILDS = "Which marks", "Canvas and Moodle", "What grades by itself"


class System(str, Enum):
    """The systems, as `--to` takes them."""

    canvas = "canvas"
    moodle = "moodle"
    gradescope = "gradescope"
    gradescope_autograder = "gradescope-autograder"
    classroom50 = "classroom50"
    prairielearn = "prairielearn"
    github_workflow = "github-workflow"
    github_summary = "github-summary"
    junit = "junit"
    totals = "totals"


FILES = {
    System.gradescope: "results.json",
    System.gradescope_autograder: "autograder.zip",
    System.classroom50: "result.json",
    System.prairielearn: "results.json",
    System.github_workflow: "camlite.yml",
    System.github_summary: "summary.md",
    System.junit: "junit.xml",
    System.totals: "totals.csv",
}
ONE_STUDENT = {System.gradescope, System.classroom50, System.prairielearn}


@app.command(cls=Command, rich_help_panel=TEACH)
@friendly
def export(
    marks: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="The folder that camlite grade wrote.", show_default=False
        ),
    ],
    to: Annotated[
        System,
        typer.Option(
            metavar="SYSTEM",
            help=f"One of {', '.join(system.value for system in System)}.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="The file to write. Default: in OUT/exports/; for Canvas and Moodle beside the "
            "exported file.",
        ),
    ] = None,
    lessons: Annotated[
        list[str] | None,
        typer.Option(
            help="Only these lessons, for example 3,8. Default: all.", rich_help_panel=WHOSE
        ),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option(
            help="For systems that take one student: whose marks. Needed where OUT holds several.",
            rich_help_panel=WHOSE,
        ),
    ] = None,
    filled: Annotated[
        Path | None,
        typer.Option(
            "--fill",
            help="The CSV file that the system exported. It is read, not changed.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            help="The column to fill in, for example 'Lesson 8'. Default for Moodle: Grade.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Also write where other points stand in the column.",
            rich_help_panel=TABLES,
        ),
    ] = False,
    scale: Annotated[
        bool | None,
        typer.Option(
            "--scale/--no-scale",
            help="Where the column has another maximum than the marks: convert them, or not. "
            "Default: ask for one of the two.",
            rich_help_panel=TABLES,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="For the autograder: the seed of the graded inputs. Default: that of OUT, else "
            "new inputs each time.",
            rich_help_panel=BUILDS,
        ),
    ] = None,
    install: Annotated[
        str,
        typer.Option(
            help="What pip installs there: a name, an address such as git+https://…, or a wheel "
            "on this machine.",
            rich_help_panel=BUILDS,
        ),
    ] = "camlite",
) -> None:
    """Hand the marks to another system. Example: camlite export OUT --to moodle --fill grades.csv

    For Canvas: camlite export OUT --to canvas --fill grades.csv --column "Lesson 8"

    Exit code 1: the table was written, but not each student has their points in it.
    """
    only = [_lesson(text) for text in words(lessons)]
    if to not in (System.canvas, System.moodle) and (filled or column):
        raise ValueError("--fill and --column are for canvas and moodle")
    if to in (System.canvas, System.moodle):
        if filled is None:
            raise ValueError(f"give the CSV file that {to.value} exported: --fill grades.csv")
        target = target or filled.with_name(f"{filled.stem}_filled{filled.suffix}")
        done = _fill(marks, to, filled, target, column, only, scale, overwrite)
        say((f"Written: {target}", "bold"))
        raise typer.Exit(0 if done.complete else 1)
    target = target or marks / "exports" / to.value / FILES[to]
    if to in (System.gradescope_autograder, System.github_workflow):
        _write_setup(to, target, marks, only, seed, install)
    else:
        _write_marks(to, target, marks, only, student)
    say((f"Written: {target}", "bold"))


def _lesson(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number of a lesson")
    return int(text)


def _write_setup(
    to: System, target: Path, out: Path, lessons: list[int], seed: int | None, install: str
) -> None:
    from camlite.grading.exports import github, gradescope
    from camlite.grading.exports.settings import setup_of
    from camlite.paths import write_whole

    setup = setup_of(out, lessons, seed, install)
    if to is System.github_workflow:
        write_whole(target, github.workflow(setup))
    else:
        gradescope.write_autograder(target, setup)


def _write_marks(
    to: System, target: Path, out: Path, lessons: list[int], student: str | None
) -> None:
    from camlite.grading.exports import common, github, junit, totals
    from camlite.grading.marks import read_marks
    from camlite.paths import write_whole

    found = common.of_lessons(read_marks(out), lessons)
    if to in ONE_STUDENT or student is not None:
        found = common.of_one_student(found, student)
    if to is System.junit:
        write_whole(target, junit.document(found))
    elif to is System.github_summary:
        write_whole(target, github.summary(found))
    elif to is System.totals:
        write_whole(target, totals.document(found))
    else:
        write_whole(target, json.dumps(_result(to, found), indent=2) + "\n")


def _result(to: System, found: list[Mark]) -> dict[str, Any]:
    from camlite.grading.exports import classroom50, gradescope, prairielearn

    if to is System.gradescope:
        return gradescope.results(found)
    if to is System.prairielearn:
        return prairielearn.results(found)
    return classroom50.result(found, os.environ, classroom50.commit_time())


def _fill(
    out: Path,
    to: System,
    exported: Path,
    target: Path,
    column: str | None,
    lessons: list[int],
    scale: bool | None,
    overwrite: bool,
) -> Filled:
    from camlite.grading.exports import canvas, common, moodle
    from camlite.grading.exports.fill import fill
    from camlite.grading.exports.table import read_table
    from camlite.grading.marks import read_marks

    if target.resolve() == exported.resolve():
        raise ValueError("--out is the exported file itself; give another name")
    if column is None and to is System.canvas:
        raise ValueError("say which column is filled in, for example --column 'Lesson 8'")
    everyone = common.by_student(common.of_lessons(read_marks(out), lessons))
    table = read_table(exported)
    system = canvas if to is System.canvas else moodle
    done = fill(system.sheet(table, column or "Grade"), everyone, scale, overwrite)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(table.bytes())
    _say_filled(done)
    return done


def _say_filled(done: Filled) -> None:
    from camlite.grading.exports.common import one_line

    say((f"{len(done.written)} written, {len(done.same)} already there", "green"))
    for title, lines in (
        ("Other points were kept (--overwrite replaces them)", done.kept),
        ("Not written", done.refused),
        ("No row of the table for these submissions", done.unmatched),
    ):
        say(*((f"{title}: {one_line(name)}: {why}", "yellow") for name, why in lines.items()))
    say(*((f"No marks for this row: {one_line(name)}", "yellow") for name in done.without))
