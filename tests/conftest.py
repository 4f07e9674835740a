"""Real test data: a folder named by CAMLITE_DATA, or one that lies beside the clone."""

from __future__ import annotations

import os

import pytest

from camlite.paths import ROOT

BESIDE = ROOT.parent / "shared" / "data"
if "CAMLITE_DATA" not in os.environ and BESIDE.is_dir():
    os.environ["CAMLITE_DATA"] = str(BESIDE)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-modes",
        action="store_true",
        help="run every lesson with both kinds of data, at full length and fast",
    )
