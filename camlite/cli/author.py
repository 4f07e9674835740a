"""The authors' commands: dev release, dev new, dev check, dev mistakes, dev coverage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from camlite.cli.console import dev, friendly, say
from camlite.course import lessons as course
from camlite.course import paths
from camlite.paths import write_whole

if TYPE_CHECKING:
    from camlite.course.coverage import Named


@dev.command(name="release")
@friendly
def dev_release(
    check_only: Annotated[
        bool,
        typer.Option(
            "--check", help="Write nothing; exit code 1 if a lesson differs from its master."
        ),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the lessons. Default: lessons/ of the clone."),
    ] = None,
) -> None:
    """Write lessons/ from solutions/, without the answers. Example: camlite dev release --check"""
    folder = folder or paths.ROOT / "lessons"
    drifted = False
    for one in course.all_lessons():
        how = course.drift(one, folder)
        drifted = drifted or how != "same"
        if not check_only and how != "same":
            write_whole(folder / f"{one.name}.py", course.released(one))
        say((f"{how if check_only or how == 'same' else 'written':10} {one.name}", ""))
    raise typer.Exit(1 if check_only and drifted else 0)


@dev.command(name="new")
@friendly
def dev_new(
    number: Annotated[int, typer.Argument(help="Number of the new lesson.")],
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits and _.")],
) -> None:
    """Begin a lesson: its master, its checks, its sentences. Example: camlite dev new 14 eigen_cam

    All three files run as they are written. They say FILL IN where you must write.
    """
    from camlite.course.skeleton import new_lesson

    for path in new_lesson(number, name):
        say((f"written    {path.relative_to(paths.ROOT)}", ""))
    say(
        (f"What is left to write: camlite dev check {number}", "bold"),
        ("For learners, once it is written: camlite dev release", ""),
    )


@dev.command(name="check")
@friendly
def dev_check(
    lesson: Annotated[
        str | None, typer.Argument(help="Number of the lesson. Default: all lessons.")
    ] = None,
) -> None:
    """Test the lessons: stubs, solutions, wrong and other right answers, leaks, drift.

    Example: camlite dev check 3
    """
    from camlite.course.proofs import check_everything

    counts: dict[str, list[int]] = {}
    failures = []
    lessons = None if lesson is None else [course.find_lesson(lesson)]
    for one, proof, reason in check_everything(lessons):
        good_bad = counts.setdefault(one.name, [0, 0])
        good_bad[bool(reason)] += 1
        if reason:
            failures.append(f"{one.name}: {proof.name}: {reason}")
    for name, (good, bad) in counts.items():
        say(
            (
                f"{'✘' if bad else '✔'} {name}: {good} proofs passed, {bad} failed",
                "red" if bad else "green",
            )
        )
    for failure in failures:
        say((failure, "red"))
    raise typer.Exit(1 if failures or not counts else 0)


@dev.command(name="mistakes")
@friendly
def dev_mistakes(
    exercise: Annotated[str, typer.Argument(help="An exercise, such as 3.1.")],
) -> None:
    """The mistakes that are searched for in an exercise, by the names that `teaches` takes.

    Example: camlite dev mistakes 3.1
    """
    from camlite.course.mistakes.by_name import mistakes_of

    for name, sentence in mistakes_of(course.find_exercise(exercise)):
        say((f"{name:40} ", "bold"), (sentence, ""))


@dev.command(name="coverage")
@friendly
def dev_coverage(
    only: Annotated[
        str | None, typer.Argument(help="A lesson or an exercise. Default: all.")
    ] = None,
    sentences: Annotated[
        bool, typer.Option("--sentences", help="Print what is said about each wrong answer.")
    ] = False,
    searched: Annotated[
        bool, typer.Option("--search", help="Leave out all declared wrong answers, not only one.")
    ] = False,
) -> None:
    """How many wrong answers of a frozen set are named, each without its own declaration.

    Example: camlite dev coverage 3
    """
    from camlite.course.coverage import coverage

    counted: list[Named] = []
    for one in coverage(only, searched):
        if sentences:
            say((f"{one.exercise} {one.answer}", "bold"), (f"  {one.own}", "dim"))
            say((f"    {one.diagnosis or one.status}: {one.sentence}", ""))
        if one.status != "passed":  # a later check may accept what an earlier one refused
            counted.append(one)
    for id in dict.fromkeys(one.exercise for one in counted):
        say((_share(id, [one for one in counted if one.exercise == id]), ""))
    if counted:
        say((_share("all", counted), "bold"))
    single = [one for one in counted if one.mistakes == 1]
    if 0 < len(single) < len(counted):
        say((f"{_share('all', single)} of those that are one mistake", "bold"))


def _share(what: str, answers: Sequence[Named]) -> str:
    found = sum(one.diagnosis is not None for one in answers)
    return f"{what:5} {found:3} of {len(answers):3} named: {found / len(answers):.0%}"
