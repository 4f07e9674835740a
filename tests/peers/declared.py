"""What each test of the peers shows, in words: the rows of docs/differences.md.

A test declares its row with `@shows(...)`; `write_differences.py` turns the rows into the page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

PEERS = {"pgc": ("grad-cam", "pytorch_grad_cam"), "tc": ("torchcam", "torchcam")}


@dataclass
class Row:
    """Where and why implementations differ, or on which options they agree."""

    method: str
    what: str
    paper: str
    camlite: str
    pgc: str = "–"
    tc: str = "–"
    authors: str = ""
    tests: list[str] = field(default_factory=list)


DIFFERENCES: list[Row] = []
AGREEMENTS: list[Row] = []


def shows(rows: list[Row], **words: str) -> Callable[[Any], Any]:
    """Adds a row for the decorated test."""

    def add(test: Any) -> Any:
        rows.append(Row(**words, tests=[f"{test.__module__.split('.')[-1]}.py::{test.__name__}"]))
        return test

    return add


def peer(short: str) -> Any:
    """The peer's module; the test is skipped where the extra `peers` is not installed."""
    return pytest.importorskip(PEERS[short][1], reason="pip install camlite[peers]")


def must_fail(short: str, fails: bool) -> None:
    """A finding about a peer: skipped, and said so, where the peer's version has mended it."""
    package = PEERS[short][0]
    try:
        installed = version(package)
    except PackageNotFoundError:
        installed = "of unknown version"
    if not fails:
        pytest.skip(f"{package} {installed} does this right now: drop the row")
