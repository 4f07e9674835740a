"""GitHub Actions: a workflow that runs at each push, and the job summary that it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files

from camlite.grading.exports import common
from camlite.grading.exports.settings import Setup
from camlite.grading.marks import Mark

SIZE = 1_000_000  # bytes; GitHub takes 1 MiB for each step
_MARKUP = re.compile(r"""[\\`*_{}\[\]<>()#+!|~&@:"'$=-]""")


def workflow(setup: Setup) -> str:
    """The YAML file for students' repositories: read access only, no secret, no seed."""
    text = (files("camlite.grading.exports") / "files" / "workflow.yml").read_text("utf-8")
    # a string of JSON is a string of YAML, whatever it holds
    text = text.replace("@INSTALL@", json.dumps(setup.install))
    return text.replace("@LESSONS@", json.dumps(setup.lessons_text))


def summary(marks: Sequence[Mark]) -> str:
    """Markdown with one table for each student; what students wrote in it stays text.

    Raises ValueError where it is too long for GitHub even without messages.
    """
    everyone = common.by_student(marks)
    for limit in (common.MESSAGE, 300, 1):
        parts = [_student(name, own, len(everyone) > 1, limit) for name, own in everyone.items()]
        text = "\n".join(parts)
        if len(text.encode()) <= SIZE:
            return text
    raise ValueError(f"{len(everyone)} students are too many for one job summary")


def _student(name: str, marks: Sequence[Mark], named: bool, limit: int) -> str:
    got, top = common.points(marks), common.max_points(marks)
    head = f"{common.number(got)} of {common.number(top)} points"
    rows = [f"## {escaped(name)}: {head}" if named else f"## {head}", ""]
    rows += ["| | exercise | points | what to look at |", "|---|---|---|---|"]
    return "\n".join([*rows, *(_row(mark, limit) for mark in marks), ""])


def _row(mark: Mark, limit: int) -> str:
    sign = "✅" if common.full(mark) else "❌"
    points = f"{common.number(mark.points)} of {common.number(mark.max_points)}"
    said = common.told(mark, limit)
    lines = "<br>".join(escaped(line) for line in said.splitlines())
    return f"| {sign} | {escaped(mark.exercise)} | {points} | {lines} |"


def escaped(text: str) -> str:
    """Text that Markdown and HTML show as it is: each sign with a meaning is its own number."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", common.one_line(text))
