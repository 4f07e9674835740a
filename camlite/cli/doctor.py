"""`camlite doctor`: is everything there that the course needs? Each line with its remedy."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from camlite import data, weights
from camlite.course import paths
from camlite.course.lessons import all_lessons

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "matplotlib",
    "scikit-learn",
    "scipy",
    "jupyterlab",
    "jupytext",
    "nbclient",
    "typer",
    "rich",
    "tqdm",
)


@dataclass(frozen=True)
class Line:
    """One finding. `status` is ok, info (works, but could be more) or fail."""

    status: str
    what: str
    remedy: str = ""


def examine() -> Iterator[Line]:
    """Every finding, the cheap ones first."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 10)
    yield Line(
        "ok" if good else "fail",
        f"Python {version}",
        "" if good else "install Python 3.10 or newer",
    )
    for package in PACKAGES:
        try:
            yield Line("ok", f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            yield Line("fail", f"{package} is missing", f"python -m pip install {package}")
    lessons = all_lessons()
    yield Line(
        "ok" if lessons else "fail",
        f"{len(lessons)} lessons in {paths.SOLUTIONS.name}/",
        "" if lessons else "clone the repository again",
    )
    yield from _bundled()
    folder = paths.learner_folder()
    parent = folder if folder.exists() else folder.parent
    can_write = os.access(parent, os.W_OK)
    yield Line(
        "ok" if can_write else "fail",
        f"can write in {folder}",
        "" if can_write else "choose another folder with CAMLITE_LESSONS",
    )
    yield from _optional()


def _bundled() -> Iterator[Line]:
    for card in sorted(paths.DATASETS.glob("*.json")):
        facts = json.loads(card.read_text(encoding="utf-8"))
        file = card.with_suffix(".pt")
        if "sha256" not in facts:
            continue
        same = file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == facts["sha256"]
        yield Line(
            "ok" if same else "fail",
            f"bundled network {card.stem}",
            "" if same else f"{file.name} is missing or changed: git checkout datasets/",
        )


def _optional() -> Iterator[Line]:
    mnist = data.find("MNIST/raw") is not None
    yield Line(
        "ok" if mnist else "info",
        "MNIST is at hand" if mnist else "MNIST is not here: the lessons use scikit-learn's digits",
        "" if mnist else "python -c 'from camlite import data; data.mnist()' downloads it (11 MB)",
    )
    here = ", ".join(weights.at_hand())
    yield Line(
        "ok" if here else "info",
        f"pretrained networks: {here or 'none yet'}",
        "" if here else "camlite explain downloads one, or put files into CAMLITE_DATA/weights",
    )
