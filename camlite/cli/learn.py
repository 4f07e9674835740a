"""The learner's commands: demo, lessons, start, check, hint, quiz, reset, status."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from camlite.cli.console import LEARN, AsJson, Command, app, friendly, out, say, show_picture
from camlite.course import lessons as course
from camlite.course import progress, workspace
from camlite.course.judge import Verdict
from camlite.course.notebook import MARKS, render
from camlite.grading.points import points

WhichLesson = Annotated[
    str | None, typer.Argument(help="Number of the lesson. Default: the lesson you started last.")
]


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Folder of the figure.")] = Path(
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
    source = {"mnist": "MNIST", "digits": "scikit-learn's digits (MNIST is not on this machine)"}[
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


@app.command(cls=Command, rich_help_panel=LEARN)
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
                        "exercises": [
                            {"id": id, "name": one.exercises[id].name, "points": worth}
                            for id, worth in points(one).items()
                        ],
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
    say(("Open a lesson: camlite start N", "dim"))


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def start(
    lesson: WhichLesson = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Start Jupyter.")] = True,
) -> None:
    """Open a lesson as a notebook in Jupyter. Example: camlite start 3"""
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


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def check(
    lesson: Annotated[
        str | None,
        typer.Argument(help="Lesson (3) or exercise (3.1). Default: the lesson you started last."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="A .py or .ipynb file in any folder. Default: your file of this lesson."
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Check again each time the file is saved.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check your answers to a lesson. Example: camlite check 3

    Only what your answers need is run, in a separate process. Exit code 0: all passed;
    1: not yet; 2: wrong use.
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


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def hint(
    exercise: Annotated[
        str | None,
        typer.Argument(help="For example 3.2. Default: the next one that you have not passed."),
    ] = None,
) -> None:
    """Show the next of three hints. Example: camlite hint 3.2"""
    found = course.find_exercise(exercise or _next_exercise())
    number = progress.next_hint(found.id)
    say((f"Hint {number} of 3 for {found.id} {found.name}", "bold"), (found.hints[number - 1], ""))
    if number < 3:
        say((f"A stronger hint: camlite hint {found.id}", "dim"))


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def quiz(
    lesson: WhichLesson = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Print all questions with answers, ask nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Ask the recall questions of a lesson, one by one. Example: camlite quiz 3

    You say whether you knew the answer; `camlite status` shows how many. Where there is nobody to
    ask (the input is no terminal), all is printed. Ctrl-C ends it.
    """
    one = _lesson(lesson)
    questions = one.questions
    if not questions:
        raise ValueError(f"lesson {one.number} has no recall questions")
    if as_json:
        asked = [{"number": n, **asdict(q)} for n, q in enumerate(questions, start=1)]
        print(json.dumps({"lesson": one.number, "questions": asked}, indent=1, ensure_ascii=False))
        return
    say((one.title, "bold"))
    known: dict[int, bool] = {}
    asking = _somebody_answers() and not everything
    try:
        for number, question in enumerate(questions, start=1):
            about = "" if question.lesson == one.number else f" · lesson {question.lesson}"
            say((f"\nQuestion {number} of {len(questions)}{about}", "bold"))
            out.print(Markdown(question.text), soft_wrap=False)
            if asking:
                input("Think first. Enter shows the answer. ")
            out.print(Markdown(f"**Answer:** {question.answer}", style="green"), soft_wrap=False)
            if asking:
                known[number] = _yes("Did you know it? [y/n] ")
    except (KeyboardInterrupt, EOFError):
        say(("", ""))
    if asking:
        _end_of_quiz(one, questions, known)


def _somebody_answers() -> bool:
    """Whether questions can be asked here."""
    return sys.stdin.isatty()


def _yes(question: str) -> bool:
    """Ask until the answer is yes or no."""
    while (answer := input(question).strip().lower()) not in ("y", "yes", "n", "no"):
        say(("Please type y or n.", "dim"))
    return answer.startswith("y")


def _end_of_quiz(
    one: course.Lesson, questions: list[course.Question], known: dict[int, bool]
) -> None:
    """Keep the answers; say how many were known, and which lessons to read again."""
    if not known:
        say(("You answered no question.", ""))
        return
    progress.record_quiz(one.number, known)
    say((f"\nYou knew {sum(known.values())} of {len(known)}.", "bold"))
    missed = [number for number, answer in known.items() if not answer]
    for number in missed:
        where = course.find_lesson(questions[number - 1].lesson)
        say((f"Read again for question {number}: {where.title}", ""))
    if len(known) < len(questions):
        say((f"You stopped early. All {len(questions)}: camlite quiz {one.number}", "dim"))
    elif missed:
        say((f"Try it again in a few days: camlite quiz {one.number}", "dim"))


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def reset(lesson: WhichLesson = None) -> None:
    """Start a lesson again; a backup of your file is kept. Example: camlite reset 3"""
    saved, written = workspace.reset(_lesson(lesson))
    for path in saved:
        say((f"Backup of your file: {_shown(path)}", ""))
    for path in written:
        say((f"Ready to start again: {_shown(path)}", "bold"))


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def status(as_json: AsJson = False) -> None:
    """Show your progress. Example: camlite status"""
    state = progress.load()
    if as_json:
        print(json.dumps(state, indent=1))
        return
    quizzes = state.get("quiz", {})
    table = Table("lesson", "", "exercises", *["quiz"] * bool(quizzes))
    unfinished = []
    for one in course.all_lessons():
        marks = Text()
        for id in one.exercises:
            now = state["exercises"].get(id, {}).get("status", "todo")
            mark, colour = MARKS[now]
            marks.append(f"{mark} {id}  ", colour if now != "todo" else "dim")
            unfinished += [one.number] if now != "passed" else []
        answers = quizzes.get(str(one.number), {}).values()
        known = f"{sum(answers)} of {len(answers)}" if answers else ""
        row = (str(one.number), one.title.partition(": ")[2] or one.title, marks, known)
        table.add_row(*row[: len(table.columns)])
    out.print(table)
    begun = state.get("lesson")
    following = begun if begun in unfinished else min(unfinished, default=None)
    next_step = (
        f"Next: camlite start {following}" if following else "You have passed all exercises."
    )
    say((next_step, "bold green"))


def _lesson(which: str | None) -> course.Lesson:
    if which is not None:
        return course.find_lesson(which)
    started = progress.load().get("lesson")
    return course.find_lesson(started) if started else course.all_lessons()[0]


def _next_exercise() -> str:
    """The first exercise of the current lesson that is not passed."""
    one, done = _lesson(None), progress.load()["exercises"]
    todo = [id for id in one.exercises if done.get(id, {}).get("status") != "passed"]
    if not todo:
        first = next(iter(one.exercises))
        raise ValueError(
            f"you have passed all exercises of lesson {one.number}: name the exercise, "
            f"for example camlite hint {first}"
        )
    return todo[0]


def _shown(path: Path) -> str:
    """The path relative to the current folder where that is possible."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
