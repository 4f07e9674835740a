"""Real test data: a folder named by CAMLITE_DATA, or one that lies beside the clone."""

from __future__ import annotations

import os

import pytest
import torch

from camlite.paths import ROOT

BESIDE = ROOT.parent / "shared" / "data"
if "CAMLITE_DATA" not in os.environ and BESIDE.is_dir():
    os.environ["CAMLITE_DATA"] = str(BESIDE)
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:  # the workers share the cores
    workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    threads = max(1, (os.cpu_count() or 1) // workers)
    torch.set_num_threads(threads)
    # What a test starts (a notebook, a script) shares them too: two lessons at once with two
    # threads each took 300 s, with one thread each 66 s (threads that wait keep a core busy).
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-modes",
        action="store_true",
        help="run every lesson with both kinds of data, at full length and fast",
    )
