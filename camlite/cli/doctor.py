"""`camlite doctor`: is everything there that the course needs? Each problem with its remedy."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version

import typer
from rich.text import Text

from camlite import data, weights
from camlite.cli.console import LEARN, AsJson, Command, app, friendly, out, say
from camlite.course import paths
from camlite.course.lessons import all_lessons

MARKS = {"ok": ("[ OK ]", "green"), "info": ("[INFO]", "yellow"), "fail": ("[FAIL]", "red")}
PACKAGES, COURSE, DATA = "Python packages", "The course", "Data and networks"


@dataclass(frozen=True)
class Finding:
    """One line. `status` is ok, info (camlite works without it) or fail."""

    group: str
    status: str
    what: str
    remedy: str = ""


@app.command(cls=Command, rich_help_panel=LEARN)
@friendly
def doctor(as_json: AsJson = False) -> None:
    """Check that camlite is completely installed. Example: camlite doctor

    Exit code 0: everything that camlite needs is there; 1: something is missing.
    """
    findings: list[Finding] = []
    for finding in examine():
        if not as_json:
            _say(finding, new_group=not findings or findings[-1].group != finding.group)
        findings.append(finding)
    if as_json:
        print(json.dumps([asdict(f) for f in findings], indent=1, ensure_ascii=False))
    raise typer.Exit(1 if any(f.status == "fail" for f in findings) else 0)


def _say(finding: Finding, new_group: bool) -> None:
    if new_group:
        say((finding.group, "bold"))
    out.print(Text.assemble(MARKS[finding.status], " ", finding.what))
    if finding.remedy:
        say((f"       {finding.remedy}", "dim"))


def examine() -> Iterator[Finding]:
    """Every finding, the cheap ones first."""
    good = sys.version_info >= (3, 10)
    yield Finding(
        PACKAGES,
        "ok" if good else "fail",
        f"Python {'.'.join(map(str, sys.version_info[:3]))}",
        "" if good else "install Python 3.10 or newer",
    )
    yield from _packages()
    lessons = all_lessons()
    yield Finding(
        COURSE,
        "ok" if lessons else "fail",
        f"{len(lessons)} lessons in {paths.SOLUTIONS.name}/",
        "" if lessons else "clone the repository again",
    )
    yield _submitted_code()
    folder = paths.learner_folder()
    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    can_write = existing.is_dir() and os.access(existing, os.W_OK)
    yield Finding(
        COURSE,
        "ok" if can_write else "fail",
        f"your lessons: {folder}" if can_write else f"your lessons: cannot write in {folder}",
        "" if can_write else "choose another folder with the environment variable CAMLITE_LESSONS",
    )
    yield from _bundled()
    yield from _optional()


def _submitted_code() -> Finding:
    """What holds submitted code when a class is graded."""
    from camlite.grading.sandbox import protection

    found = protection()
    if found.kind == "bubblewrap":
        return Finding(COURSE, "ok", "grading: submitted code is closed in by bubblewrap")
    return Finding(
        COURSE,
        "info",
        "grading: submitted code has resource limits only (learners need nothing more)",
        f"{found.why}; docs/instructors.md says what this does not stop",
    )


def _packages() -> Iterator[Finding]:
    """What pyproject.toml asks for, without the extras."""
    try:
        required = [text for text in requires("camlite") or [] if "extra ==" not in text]
    except PackageNotFoundError:
        remedy = "in the clone: python -m pip install -e ."
        yield Finding(PACKAGES, "fail", "camlite itself is not installed", remedy)
        return
    for text in required:
        name, *bounds = re.findall(r"^[\w.-]+|(?<=>=)[\d.]+", text)
        lowest = bounds[0] if bounds else "0"
        remedy = f'python -m pip install "{name}>={lowest}"'
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding(PACKAGES, "fail", f"{name} is missing", remedy)
            continue
        if _numbers(found) < _numbers(lowest):
            yield Finding(PACKAGES, "fail", f"{name} {found} is older than {lowest}", remedy)
        else:
            yield Finding(PACKAGES, "ok", f"{name} {found}")


def _numbers(text: str) -> tuple[int, ...]:
    """`2.10.1+cpu` -> (2, 10, 1)."""
    return tuple(int(n) for n in re.match(r"[\d.]*", text)[0].split(".") if n)  # type: ignore[index]


def _bundled() -> Iterator[Finding]:
    """The files of the networks that come with camlite, against their checksums."""
    wrong, right = [], 0
    for card in sorted(paths.DATASETS.glob("*.json")):
        facts = json.loads(card.read_text(encoding="utf-8"))
        file = card.with_suffix(".pt")
        if "sha256" not in facts:
            continue
        same = file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == facts["sha256"]
        right += same
        wrong += [] if same else [file.name]
    for name in wrong:
        remedy = "git checkout datasets/, or install camlite again"
        yield Finding(DATA, "fail", f"the bundled network {name} is missing or changed", remedy)
    yield Finding(DATA, "ok" if right else "fail", f"{right} bundled networks with their checksums")


def _optional() -> Iterator[Finding]:
    mnist = data.find("MNIST/raw") is not None
    yield Finding(
        DATA,
        "ok" if mnist else "info",
        "MNIST" if mnist else "MNIST is not on this machine: the lessons use scikit-learn's digits",
        "" if mnist else "python -c 'from camlite import data; data.mnist()' downloads it (11 MB)",
    )
    here = ", ".join(weights.at_hand())
    yield Finding(
        DATA,
        "ok" if here else "info",
        f"pretrained networks: {here or 'none on this machine'}",
        ""
        if here
        else "camlite explain downloads ResNet50; or copy weight files into weights/ in a folder "
        "that the environment variable CAMLITE_DATA names",
    )
