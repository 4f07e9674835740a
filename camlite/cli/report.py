"""The command for teachers that looks at a whole class: report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from camlite.cli.console import TEACH, Command, app, friendly, say, show_picture
from camlite.grading.similar import THRESHOLD


@app.command(cls=Command, rich_help_panel=TEACH)
@friendly
def report(
    graded: Annotated[Path, typer.Argument(help="The folder that camlite grade wrote.")],
    path: Annotated[
        Path | None, typer.Option("--out", help="The file. Default: report.html in that folder.")
    ] = None,
    similarity: Annotated[
        float,
        typer.Option(help="Pairs of answers that share so much of what is their own are shown."),
    ] = THRESHOLD,
) -> None:
    """Draw a class: scores, mistakes, what to add, similar answers. Example: camlite report marks

    One HTML file, for the teacher only: it holds names and answers of students.
    """
    from camlite.grading.report import write_report

    written = write_report(graded, path, similarity)
    say((f"Report: {written}", "bold"), ("It holds names and answers. Keep it to yourself.", "dim"))
    show_picture(written)
