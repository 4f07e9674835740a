"""Gradescope: `results.json` of one student, and the zip of an autograder that writes it.

The fields are those of Gradescope's page "Autograder Specifications"
(gradescope-autograders.readthedocs.io/en/latest/specs). The zip was not tried on Gradescope.
"""

from __future__ import annotations

import shlex
import zipfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from camlite.grading.exports import common
from camlite.grading.exports.settings import Setup
from camlite.grading.marks import Mark

EPOCH = (1980, 1, 1, 0, 0, 0)  # the zip of today and of tomorrow are the same bytes


def results(marks: Sequence[Mark]) -> dict[str, Any]:
    """The marks of one student as Gradescope shows them: one test for each exercise."""
    return {
        "score": round(common.points(marks), 2),
        "execution_time": round(sum(mark.seconds for mark in marks), 2),
        "output": f"{common.number(common.points(marks))} of "
        f"{common.number(common.max_points(marks))} points",
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [_test(mark) for mark in marks],
    }


def _test(mark: Mark) -> dict[str, Any]:
    return {
        "name": common.title(mark),
        "number": mark.exercise,
        "score": round(mark.points, 2),
        "max_score": round(mark.max_points, 2),
        "status": "passed" if common.full(mark) else "failed",
        "output": common.told(mark),
        "output_format": "text",
        "visibility": "visible",
    }


def write_autograder(path: Path, setup: Setup) -> None:
    """The zip that Gradescope asks for: setup.sh and run_autograder at its root.

    `setup.install` is what pip installs; a wheel on this machine goes into the zip.
    """
    wheel = Path(setup.install)
    inside = wheel.suffix == ".whl" and wheel.is_file()
    values = {
        "@INSTALL@": f"/autograder/source/{wheel.name}" if inside else setup.install,
        "@LESSONS@": setup.lessons_text,
        "@SEED@": "" if setup.seed is None else str(setup.seed),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("setup.sh", "run_autograder", "README.txt"):
            _add(archive, name, _filled(name, values).encode(), executable=name != "README.txt")
        if inside:
            _add(archive, wheel.name, wheel.read_bytes(), executable=False)


def _filled(name: str, values: dict[str, str]) -> str:
    text = (files("camlite.grading.exports") / "files" / name).read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value if name.endswith(".txt") else shlex.quote(value))
    return text


def _add(archive: zipfile.ZipFile, name: str, content: bytes, executable: bool) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = (0o755 if executable else 0o644) << 16
    info.create_system = 3  # Unix: the permissions count
    archive.writestr(info, content, zipfile.ZIP_DEFLATED)
