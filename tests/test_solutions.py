"""Every solution runs from start to end, as a script and as a notebook, and all its checks pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import jupytext
import pytest

from camlite.course.lessons import all_lessons
from camlite.course.paths import ROOT

LESSONS = {lesson.name: lesson for lesson in all_lessons()}


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("CAMLITE_HOME", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    return os.environ


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LESSONS)
def test_solution_runs_as_a_script(name, environment, tmp_path):
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(LESSONS[name].master)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    print(f"{name}: {time.monotonic() - begin:.0f} s")
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.findall(r"✔ (\d+\.\d+)", done.stdout) == list(LESSONS[name].exercises), done.stdout
    assert "✘" not in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", LESSONS)
def test_solution_runs_as_a_notebook(name, environment, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("CAMLITE_FAST", "1")
    monkeypatch.delenv("MPLBACKEND")
    book = jupytext.reads(LESSONS[name].text, fmt="py:percent")
    NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
    ).execute()
    outputs = [o for cell in book.cells if cell.cell_type == "code" for o in cell.outputs]
    text = "".join(
        str(o.get("text", "")) + str(o.get("data", {}).get("text/plain", "")) for o in outputs
    )
    assert [id for id in LESSONS[name].exercises if f"✔ {id}" not in text] == []
    figures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert len(figures) >= 1
