"""The command line, `camlite`. Exit codes: 0 good, 1 an answer is not right yet, 2 wrong use."""

from __future__ import annotations

import sys

# importing a module of commands adds them to the application, in this order of the help
# isort: off
from camlite.course import cli_learn
from camlite.course import cli_library
from camlite.course import cli_author
# isort: on
from camlite.course.console import app

__all__ = ["app", "cli_author", "cli_learn", "cli_library", "main"]


def main() -> None:
    """The entry point of the command `camlite`."""
    try:
        app()
    except KeyboardInterrupt:
        print()
        sys.exit(130)


if __name__ == "__main__":
    main()
