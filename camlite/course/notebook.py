"""`check` and `hint` for a notebook cell."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from html import escape
from typing import Any

from camlite.course import progress
from camlite.course.judge import Verdict, judge
from camlite.course.lessons import NoSuchLesson, find_exercise
from camlite.course.observe import observe

MARKS = {
    "passed": ("✔", "green"),
    "wrong": ("✘", "red"),
    "error": ("✘", "red"),
    "todo": ("…", "yellow"),
}
# plain colours, dark enough for white and light enough for black: Jupyter removes var(…) from a
# notebook that it does not trust
CSS = {
    "bold": "font-weight: bold",
    "dim": "opacity: 0.7",
    "green": "color: #388e3c",
    "red": "color: #e53935",
    "yellow": "color: #b26a00",
}
WRAPPED = "margin: 0; white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere"


def check(id: str, answer: Callable[..., Any]) -> None:
    """Check an answer: `check("3.1", class_activation_map)`. Prints what is right, what is not."""
    try:
        exercise = find_exercise(str(id))
    except NoSuchLesson as error:
        _print((f"check: {error}", ""))
        return
    if not callable(answer):
        _print((f"check: give the function itself: check({id!r}, {exercise.name})", ""))
        return
    seed = secrets.randbelow(2**31)
    verdict = judge(exercise, observe(exercise, answer, seed), seed)
    progress.record([verdict])
    _print(*render(verdict, hint_command=f'hint("{verdict.id}")'))


def hint(id: str) -> None:
    """Show the next hint: first the idea, then a part of the formula, then the line in words."""
    try:
        exercise = find_exercise(str(id))
    except NoSuchLesson as error:
        _print((f"hint: {error}", ""))
        return
    number = progress.next_hint(exercise.id)
    _print(
        (f"Hint {number} of 3 for {exercise.id} {exercise.name}", "bold"),
        (exercise.hints[number - 1], ""),
    )


def render(verdict: Verdict, hint_command: str) -> list[tuple[str, str]]:
    """A verdict as (text, style) lines for rich."""
    mark, colour = MARKS[verdict.status]
    lines = [(f"{mark} {verdict.id} {verdict.name}: {verdict.status}", f"bold {colour}")]
    if verdict.status != "passed":
        lines += [(f"  {line}", "") for line in verdict.message.splitlines()]
        lines.append((f"  For a hint: {hint_command}", "dim"))
    return lines


def html(lines: list[tuple[str, str]]) -> str:
    """(text, style) lines for a notebook: long lines wrap at the edge of the cell."""
    spans = []
    for text, style in lines:
        css = "; ".join(CSS[word] for word in style.split())
        spans.append(f'<span style="{css}">{escape(text)}</span>' if css else escape(text))
    return f'<pre style="{WRAPPED}">' + "\n".join(spans) + "</pre>"


def _print(*lines: tuple[str, str]) -> None:
    if _in_notebook():
        from IPython.display import display

        plain = "\n".join(text for text, _ in lines)
        display({"text/plain": plain, "text/html": html(list(lines))}, raw=True)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False)
    console.print(Text("\n").join(Text(text, style) for text, style in lines))


def _in_notebook() -> bool:
    """A kernel (Jupyter, VS Code) shows HTML; a terminal, IPython's too, does not."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return hasattr(shell, "kernel")
