"""`pytest tests/lessons` proves the checks; `--learner FOLDER` checks a learner's files instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from camlite.course.proofs import learner_checks, proofs


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--learner",
        metavar="FOLDER",
        default=None,
        help="check the lessons in this folder (.py or .ipynb) instead of proving the checks",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "proof" not in metafunc.fixturenames:
        return
    name = Path(metafunc.module.__file__).stem.removeprefix("test_")
    folder = metafunc.config.getoption("--learner")
    found = learner_checks(name, Path(folder)) if folder else proofs(name)
    metafunc.parametrize("proof", [p.run for p in found], ids=[p.name for p in found])
