"""What all commands share: the application, how it speaks, and how it takes a user's mistake."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from camlite.errors import DataNotFound

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learn class activation maps step by step.\n\nBegin with: camlite demo",
)
dev = typer.Typer(no_args_is_help=True, help="For authors of lessons.")
app.add_typer(dev, name="dev")
out = Console(soft_wrap=True, highlight=False, markup=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]


def friendly(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake is one line on stderr and exit code 2, never a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (ValueError, DataNotFound, OSError) as error:
            Console(stderr=True, soft_wrap=True, highlight=False).print(
                Text(f"camlite: {error}", style="red")
            )
            raise typer.Exit(2) from None

    return wrapped


def say(*lines: tuple[str, str]) -> None:
    """Print (text, style) lines."""
    for text, style in lines:
        out.print(Text(text, style))


def show_picture(path: Path) -> None:
    """Show a picture if there is a screen and a person before it."""
    has_screen = (
        sys.platform in ("win32", "darwin")
        or os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
    )
    if has_screen and sys.stdout.isatty():
        typer.launch(str(path))
