"""Every solution runs as a notebook. As a script, with what it says: tests/prose."""

from __future__ import annotations

import os

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
