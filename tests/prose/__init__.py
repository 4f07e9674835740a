"""What a lesson says about its own output must be true of its own output.

For each lesson a file `claims_NN_name.py` holds its sentences, each beside a test of what the
lesson's run left behind:

    @says("the first claim holds")
    def _(run):
        assert run.gap > 0.1

The words must stand in the master, so a sentence cannot be changed without its test. `run.gap` is
the lesson's own variable `gap` at its end, `run.printed` all that it printed, `run.data` and
`run.fast` how it was run. Try one lesson: `python -m tests.prose 12 --data digits --fast`.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import re
import runpy
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Claim:
    """A sentence of the lesson, or a part of it, and the test of it."""

    words: str
    test: Callable[[Any], None]


_claims: list[Claim] = []


def says(*words: str) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """The test below belongs to these words of the lesson."""

    def keep(test: Callable[[Any], None]) -> Callable[[Any], None]:
        _claims.extend(Claim(each, test) for each in words)
        return test

    return keep


def claims(lesson: str) -> list[Claim]:
    """The claims of a lesson, by its name; none where it has no file yet."""
    path = HERE / f"claims_{lesson}.py"
    _claims.clear()
    if path.exists():
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return list(_claims)


def plain(text: str) -> str:
    """Prose on one line: without the comment marks, bold and italic, and line breaks."""
    lines = (re.sub(r"^\s*#( >)? ?", "", line) for line in text.splitlines())
    return re.sub(r"\s+", " ", " ".join(lines).replace("*", "").replace("`", "").replace("_", ""))


def missing_words(master: str, found: list[Claim]) -> list[str]:
    """The words that do not stand in the lesson any more."""
    prose = plain(master)
    return [claim.words for claim in found if plain(claim.words).strip() not in prose]


def run(master: Path, data: str, fast: bool) -> SimpleNamespace:
    """Runs the lesson in this process, in a folder of its own, and returns what it left behind.

    `data`: "mnist" (all that CAMLITE_DATA names) or "digits" (only what is bundled).
    """
    import matplotlib

    matplotlib.use("agg")
    os.environ.pop("CAMLITE_FAST", None)
    if fast:
        os.environ["CAMLITE_FAST"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        if data == "digits":
            os.environ["CAMLITE_DATA"] = folder
        os.environ["CAMLITE_HOME"] = folder
        os.chdir(folder)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            left = runpy.run_path(str(master), run_name="__main__")
        os.chdir("/")
    return SimpleNamespace(**{**left, "printed": printed.getvalue(), "data": data, "fast": fast})
