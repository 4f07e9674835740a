"""What all commands share: the application, its printing, and how errors are shown."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand

from camlite.errors import DataNotFound

LEARN, DRAW, MEASURE = "Learn", "Draw", "Measure"  # panels of the help
TEACH, AUTHORS = "For teachers", "For authors"
OLD_SPELLINGS = {  # they work where the new option exists, and are not shown
    "--save": "--out",
    "--methods": "--method",
    "--metrics": "--metric",
    "--classes": "--class-table",
}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Learn class activation maps step by step.\n\nBegin with: camlite demo",
)
dev = typer.Typer(no_args_is_help=True, help="Test the lessons themselves.")
app.add_typer(dev, name="dev", rich_help_panel=AUTHORS)
out = Console(soft_wrap=True, highlight=False, markup=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for another program.")]


class Command(TyperCommand):
    """A command whose old options still work."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Old spellings become new ones; then as ever."""
        options = {name for parameter in self.params for name in parameter.opts}
        end = args.index("--") if "--" in args else len(args)
        for i, arg in enumerate(args[:end]):
            name, equals, value = arg.partition("=")
            new = OLD_SPELLINGS.get(name)
            if new in options and name not in options:
                args[i] = f"{new}{equals}{value}"
        return super().parse_args(ctx, args)


def words(given: list[str] | None) -> list[str]:
    """A repeated option that also takes lists: `a,b`, `c` -> a, b, c."""
    return [w.strip() for text in given or [] for w in text.split(",") if w.strip()]


def friendly(command: Callable[..., Any]) -> Callable[..., Any]:
    """A user's mistake is one line on stderr and exit code 2, never a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except (ValueError, DataNotFound, OSError) as error:
            Console(stderr=True, soft_wrap=True, highlight=False).print(
                Text(f"camlite: {_in_words(error)}", style="red")
            )
            raise typer.Exit(2) from None

    return wrapped


@contextmanager
def terminated_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, by which a machine ends a program, raises KeyboardInterrupt as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():  # only there it can be asked for
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_words(error: Exception) -> str:
    """Of an error of the system its sentence and the file, without the number."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return str(error)


def say(*lines: tuple[str, str]) -> None:
    """Print (text, style) lines."""
    for text, style in lines:
        out.print(Text(text, style))


def show_picture(path: Path) -> None:
    """Open the figure if there is a screen and the output is a terminal."""
    has_screen = (
        sys.platform in ("win32", "darwin")
        or os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
    )
    if has_screen and sys.stdout.isatty():
        typer.launch(str(path))
