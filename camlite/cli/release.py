"""The teacher's command that makes what students get: release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from camlite.cli.console import TEACH, AsJson, Command, app, friendly, out, say, words
from camlite.course.lessons import Lesson
from camlite.grading.points import points


@app.command(cls=Command, rich_help_panel=TEACH)
@friendly
def release(
    folder: Annotated[
        Path, typer.Option("--out", help="Folder of the files. What it holds already stays.")
    ] = Path("camlite-handout"),
    lessons: Annotated[
        list[str] | None,
        typer.Option(help="For example 3,8; repeatable. Default: all lessons."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="py, ipynb, nbgrader or zip; repeatable. zip: one file with the notebooks and a "
            "README.txt for students. Default: zip.",
        ),
    ] = None,
    install: Annotated[
        str,
        typer.Option(help="The command that installs camlite, for README.txt in the zip."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Make the files that students get: lessons without answers, and points.csv.

    Example: camlite release --lessons 3,8 --out week-1
    """
    from camlite.grading.handout import chosen, handout, write

    found = chosen(words(lessons))
    kinds = words(formats) or ["zip"]
    files = handout(found, kinds, install)
    write(folder, files)
    if as_json:
        made = {
            "files": [str(folder / name) for name in files],
            "points": {id: n for one in found for id, n in points(one).items()},
        }
        print(json.dumps(made, indent=1, ensure_ascii=False))
        return
    _say_points(found)
    for name in files:
        say((f"written    {folder / name}", ""))
    if "zip" in kinds and not install:
        say(
            ("README.txt names no command that installs camlite. To name one: --install", "yellow"),
        )


def _say_points(lessons: list[Lesson]) -> None:
    table = Table("exercise", "", "points")
    for one in lessons:
        for id, number in points(one).items():
            table.add_row(id, one.exercises[id].name, f"{number:g}")
        table.add_row("", f"lesson {one.number}", f"{sum(points(one).values()):g}", style="bold")
        table.add_section()
    out.print(table)
