"""The learner's commands: demo, lessons, start, check, hint, reset, status, doctor."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from camlite.cli.console import AsJson, app, friendly, out, say, show_picture
from camlite.course import lessons as course
from camlite.course import progress, workspace
from camlite.course.judge import Verdict
from camlite.course.notebook import MARKS, render

WhichLesson = Annotated[
    str | None, typer.Argument(help="Number of the lesson. Default: the current one.")
]


@app.command()
@friendly
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where the figure goes.")] = Path(
        "camlite-demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Draw your first heat maps: CAM, Grad-CAM, Score-CAM of six digits. Example: camlite demo"""
    from camlite.figures.demo import demo as run

    facts = run(folder)
    if as_json:
        print(json.dumps(facts, indent=1))
        return
    source = {"mnist": "MNIST", "digits": "scikit-learn's digits (MNIST is not at hand)"}[
        facts["data"]
    ]
    say(
        (
            f"Data: {source}. The bundled network is right on {facts['accuracy']:.1%} of "
            f"{facts['accuracy_images']} test images.",
            "",
        )
    )
    table = Table("digit", "predicted", "probability")
    for row in facts["digits"]:
        table.add_row(str(row["truth"]), str(row["predicted"]), f"{row['probability']:.3f}")
    out.print(table)
    say((f"Figure: {facts['figure']}", "bold"), ("Next: camlite start 1", "bold green"))
    show_picture(Path(facts["figure"]))


@app.command()
@friendly
def lessons(as_json: AsJson = False) -> None:
    """List the lessons. Example: camlite lessons"""
    found = course.all_lessons()
    if as_json:
        print(
            json.dumps(
                [
                    {
                        "lesson": one.number,
                        "name": one.name,
                        "title": one.title,
                        "exercises": [{"id": e.id, "name": e.name} for e in one.exercises.values()],
                    }
                    for one in found
                ],
                indent=1,
                ensure_ascii=False,
            )
        )
        return
    table = Table("", "lesson", "minutes", "difficulty", "exercises")
    for one in found:
        table.add_row(
            str(one.number),
            one.title.partition(": ")[2] or one.title,
            one.minutes,
            one.difficulty,
            ", ".join(one.exercises),
        )
    out.print(table)
    say(("Open one: camlite start N", "dim"))


@app.command()
@friendly
def start(
    lesson: WhichLesson = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Start Jupyter.")] = True,
) -> None:
    """Open a lesson in Jupyter; its notebook is made if needed. Example: camlite start 3"""
    one = _lesson(lesson)
    path = workspace.start(one)
    state = progress.load()
    progress.save(state | {"lesson": one.number})
    shown = _shown(path)
    say(
        (one.title, "bold"),
        (f"Your notebook: {shown}", ""),
        (f"Check it: camlite check {one.number}", ""),
    )
    if not (open_ and sys.stdin.isatty() and sys.stdout.isatty()):
        say((f"Open it: jupyter lab {shown}", "bold green"))
        return
    say(("Jupyter opens in your browser. Stop it with Ctrl-C.", "dim"))
    os.execv(sys.executable, [sys.executable, "-m", "jupyter", "lab", str(path)])


@app.command()
@friendly
def check(
    lesson: Annotated[str | None, typer.Argument(help="Lesson (3) or exercise (3.1).")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Any .py or .ipynb, wherever it lies.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again whenever the file is saved.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check your answers of a lesson. Example: camlite check 3

    Runs imports and exercise cells only, in a process of its own. Exit code 0: all passed.
    """
    one = _lesson(lesson)
    only = lesson if lesson and "." in lesson else None
    if only:
        course.find_exercise(only)
    while True:
        path = file or workspace.newest_answer(one)
        if path is None:
            raise ValueError(
                f"you have no file for lesson {one.number} yet: camlite start {one.number}"
            )
        stamp = path.stat().st_mtime_ns if path.exists() else 0
        verdicts = _check_once(one, path, only, as_json)
        if not watch:
            raise typer.Exit(0 if all(v.status == "passed" for v in verdicts) else 1)
        say((f"Watching {_shown(path)}. Stop with Ctrl-C.", "dim"))
        while path.exists() and path.stat().st_mtime_ns == stamp:
            time.sleep(0.3)


def _check_once(one: course.Lesson, path: Path, only: str | None, as_json: bool) -> list[Verdict]:
    from camlite.course.runner import check_file

    if not as_json:
        say((f"Checking {_shown(path)}", "dim"))
    verdicts = check_file(one, path, only)
    progress.record(verdicts)
    if as_json:
        print(
            json.dumps(
                {"lesson": one.number, "exercises": [v.as_dict() for v in verdicts]},
                indent=1,
                ensure_ascii=False,
            )
        )
        return verdicts
    for verdict in verdicts:
        say(*render(verdict, f"camlite hint {verdict.id}"))
    done = sum(v.status == "passed" for v in verdicts)
    if done == len(one.exercises):
        after = [n.number for n in course.all_lessons() if n.number > one.number]
        step = f"Next: camlite start {after[0]}" if after else "That was the last lesson."
        say((f"All {done} right. {step}", "bold green"))
        say((f"Compare with another solution: solutions/{one.name}.py", "dim"))
    else:
        say((f"{done} of {len(verdicts)} right.", "bold"))
    return verdicts


@app.command()
@friendly
def hint(exercise: Annotated[str, typer.Argument(help="Like 3.2.")]) -> None:
    """Show the next of three hints. Example: camlite hint 3.2"""
    found = course.find_exercise(exercise)
    number = progress.next_hint(found.id)
    say((f"Hint {number} of 3 for {found.id} {found.name}", "bold"), (found.hints[number - 1], ""))
    if number < 3:
        say((f"A stronger one: camlite hint {found.id}", "dim"))


@app.command()
@friendly
def reset(lesson: Annotated[str, typer.Argument(help="Number of the lesson.")]) -> None:
    """Put a lesson back to its start; your file is kept as a backup. Example: camlite reset 3"""
    saved, written = workspace.reset(_lesson(lesson))
    for path in saved:
        say((f"Your file is kept: {_shown(path)}", ""))
    for path in written:
        say((f"Fresh: {_shown(path)}", "bold"))


@app.command()
@friendly
def status(as_json: AsJson = False) -> None:
    """Show what you have done. Example: camlite status"""
    state = progress.load()
    if as_json:
        print(json.dumps(state, indent=1))
        return
    table = Table("lesson", "", "exercises")
    unfinished = []
    for one in course.all_lessons():
        marks = Text()
        for id in one.exercises:
            now = state["exercises"].get(id, {}).get("status", "todo")
            mark, colour = MARKS[now]
            marks.append(f"{mark} {id}  ", colour if now != "todo" else "dim")
            unfinished += [one.number] if now != "passed" else []
        table.add_row(str(one.number), one.title.partition(": ")[2] or one.title, marks)
    out.print(table)
    begun = state.get("lesson")
    following = begun if begun in unfinished else min(unfinished, default=None)
    next_step = f"Next: camlite start {following}" if following else "You have done it all."
    say((next_step, "bold green"))


@app.command()
@friendly
def doctor() -> None:
    """Look whether everything is there. Example: camlite doctor"""
    from camlite.cli.doctor import examine

    failed = False
    for line in examine():
        label, colour = {
            "ok": ("[ OK ]", "green"),
            "info": ("[INFO]", "yellow"),
            "fail": ("[FAIL]", "red"),
        }[line.status]
        out.print(Text(label, colour), Text(line.what))
        if line.remedy:
            out.print(Text(f"       {line.remedy}", "dim"))
        failed = failed or line.status == "fail"
    raise typer.Exit(1 if failed else 0)


def _lesson(which: str | None) -> course.Lesson:
    if which is not None:
        return course.find_lesson(which)
    started = progress.load().get("lesson")
    return course.find_lesson(started) if started else course.all_lessons()[0]


def _shown(path: Path) -> str:
    """A path as short as it can be."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
