"""The command line, `camlite`. Exit codes: 0 good, 1 not right yet, 2 wrong use."""

from __future__ import annotations

import sys

# importing a module of commands adds them to the application, in this order of the help
# isort: off
from camlite.cli import learn
from camlite.cli import doctor
from camlite.cli import library
from camlite.cli import measure
from camlite.cli import release
from camlite.cli import grade
from camlite.cli import report
from camlite.cli import export
from camlite.cli import author

# isort: on
from camlite.cli.console import app

__all__ = [
    "app",
    "author",
    "doctor",
    "export",
    "grade",
    "learn",
    "library",
    "main",
    "measure",
    "release",
    "report",
]


def main() -> None:
    """The entry point of the command `camlite`."""
    try:
        app()
    except KeyboardInterrupt:
        print()
        sys.exit(130)
