"""The course from the outside: the command line, with good, wrong, broken and hostile files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest
import torch
from typer.testing import CliRunner

from camlite.cli import app
from camlite.course import progress, workspace
from camlite.course.lessons import (
    all_lessons,
    drift,
    find_lesson,
    notebook,
    released,
)
from camlite.course.paths import ROOT

LESSON = 3
RIGHT = find_lesson(LESSON).text


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Each test is a new learner with an empty folder."""
    monkeypatch.setenv("CAMLITE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CAMLITE_LESSONS", str(tmp_path / "lessons"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def camlite(*args: str):
    """The command line in this process: importing torch once is enough."""
    return CliRunner().invoke(app, list(args))


def check(path: Path, what: str = "3") -> tuple[int, dict[str, dict]]:
    done = camlite("check", what, "--file", str(path), "--json")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    answer = json.loads(done.stdout)
    assert answer["lesson"] == LESSON
    return done.exit_code, {e["id"]: e for e in answer["exercises"]}


def with_answer(code: str) -> str:
    """The released lesson with `code` as a new cell at its end: the last definition counts."""
    return f"{released(find_lesson(LESSON))}\n# %%\n{code}\n"


def test_a_learner_walks_from_start_to_right(own_folder):
    assert camlite("start", "3", "--no-open").exit_code == 0
    book = own_folder / "lessons" / f"{find_lesson(LESSON).name}.ipynb"
    code, before = check(book)
    assert code == 1
    assert {e["status"] for e in before.values()} == {"todo"}

    wrong = "def logit_from_map(M, bias):\n    return M.sum(dim=(1, 2)) + bias"
    cells = jupytext.read(book)
    cell = next(c for c in cells.cells if "def logit_from_map" in c.source)
    cell.source = wrong
    jupytext.write(cells, book)
    code, first = check(book)
    assert code == 1
    assert (first["3.2"]["status"], first["3.2"]["diagnosis"]) == ("wrong", "sum_instead_of_mean")
    assert "GAP takes the mean" in first["3.2"]["message"]

    hints = [camlite("hint", "3.2").stdout for _ in range(3)]
    assert len(set(hints)) == 3
    jupytext.write(jupytext.reads(RIGHT, fmt="py:percent"), book)
    code, second = check(book)
    assert code == 0
    assert {e["status"] for e in second.values()} == {"passed"}
    shown = json.loads(camlite("status", "--json").stdout)["exercises"]["3.2"]
    assert shown["status"] == "passed"
    assert shown["attempts"] == 2
    assert shown["hints"] == 3


def test_other_cells_cannot_stop_a_check(tmp_path):
    noise = """
import no_such_package
%matplotlib inline
!pip install everything
while True:
    pass
raise RuntimeError("a broken plot")
"""
    path = tmp_path / "noisy.py"
    path.write_text(RIGHT.replace('# %% tags=["figure"]', f"# %%\n{noise}\n# %%", 1))
    code, _ = check(path)
    assert code == 0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("gone.py", None, "there is no file"),
        ("empty.py", "", "is empty"),
        ("empty.ipynb", "  \n", "is empty"),
        ("text.ipynb", "this is no notebook", "not a notebook"),
        ("list.ipynb", "[]", "not a notebook"),
        ("object.ipynb", "{}", "not a notebook"),
        ("data.bin", "abc", "must be a .py or an .ipynb"),
        ("latin.py", b"\xff\xfe\xfa caf\xe9", "cannot be read"),
    ],
)
def test_unreadable_files_are_one_line_and_exit_2(tmp_path, name, content, says):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = camlite("check", "3", "--file", str(path), "--json")
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_one_exercise_of_a_file_that_is_not_python(tmp_path):
    path = tmp_path / "prose.py"
    path.write_text("Dear teacher, here is my homework. It was a nice exercise!")
    code, found = check(path, "3.2")
    assert code == 1
    assert list(found) == ["3.2"]
    assert found["3.2"]["message"] == "there is no logit_from_map in this file"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("check", "99"), "there is no lesson '99'"),
        (("check", "3.9"), "there is no exercise '3.9'"),
        (("hint", "x"), "there is no lesson"),
        (("card", "gard_cam"), "did you mean grad_cam"),
        (("check", "3"), "camlite start 3"),
        (("explain", "no_such.jpg"), "no_such.jpg"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(args, says):
    done = camlite(*args)
    assert done.exit_code == 2, done.stdout
    assert says in done.stderr


def test_reset_keeps_a_backup(own_folder):
    lesson = find_lesson(LESSON)
    path = workspace.start(lesson)
    path.write_text("my precious work")
    assert camlite("reset", "3").exit_code == 0
    assert path.read_text() == notebook(lesson)
    kept = list((own_folder / "home" / "backup").rglob("*.ipynb"))
    assert [k.read_text() for k in kept] == ["my precious work"]


def test_start_overwrites_nothing():
    path = workspace.start(find_lesson(LESSON))
    path.write_text("my precious work")
    assert workspace.start(find_lesson(LESSON)).read_text() == "my precious work"


def test_the_file_changed_last_is_checked(own_folder):
    lesson = find_lesson(LESSON)
    book = workspace.start(lesson)
    script = book.with_suffix(".py")
    script.write_text(released(lesson))
    assert workspace.newest_answer(lesson) == book  # both as released: the notebook
    script.write_text(RIGHT)
    assert workspace.newest_answer(lesson) == script
    book.write_text(notebook(lesson).replace("raise", "pass  #"))
    os.utime(script, (1, 1))
    assert workspace.newest_answer(lesson) == book


def test_a_damaged_progress_file_is_kept_and_a_new_one_begun(own_folder):
    home = own_folder / "home"
    home.mkdir()
    (home / "progress.json").write_text("{ half a fi")
    assert progress.load() == {"exercises": {}, "lesson": None}
    assert [p.read_text() for p in home.glob("progress-damaged-*")] == ["{ half a fi"]


def test_the_notebook_is_the_same_bytes_each_time_and_valid():
    import nbformat

    lesson = find_lesson(LESSON)
    assert notebook(lesson) == notebook(lesson)
    nbformat.validate(nbformat.reads(notebook(lesson), as_version=4))


def test_drift_tells_answers_from_changes(tmp_path):
    lesson = find_lesson(LESSON)
    path = tmp_path / f"{lesson.name}.py"
    assert drift(lesson, tmp_path) == "missing"
    path.write_text(released(lesson))
    assert drift(lesson, tmp_path) == "same"
    path.write_text(RIGHT)
    assert drift(lesson, tmp_path) == "answered"
    path.write_text(released(lesson).replace("heat map", "hat map"))
    assert drift(lesson, tmp_path) == "drifted"


@pytest.mark.slow  # it starts pytest, which starts a process for each lesson
def test_pytest_checks_a_learner(tmp_path):
    lesson = find_lesson(LESSON)
    (tmp_path / f"{lesson.name}.py").write_text(
        with_answer("def logit_from_map(M, bias):\n    return M.mean((1, 2)) + bias")
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            str(ROOT / "tests" / "lessons" / f"test_{lesson.name}.py"),
            "--learner",
            str(tmp_path),
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(ROOT),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert "1 passed" in done.stdout, done.stdout[-2000:]
    assert f"{len(lesson.exercises) - 1} failed" in done.stdout


def test_check_in_a_notebook_cell_prints_the_sentence(capsys):
    from camlite.course import check as check_cell
    from camlite.course import hint

    check_cell("3.2", lambda M, bias: M.mean((1, 2)))
    assert "You forgot the bias" in capsys.readouterr().out
    check_cell("3.2", lambda M, bias: M.mean((1, 2)) + bias)
    assert "✔ 3.2" in capsys.readouterr().out
    check_cell("3.2", 5)  # type: ignore[arg-type]
    assert "give the function itself" in capsys.readouterr().out
    check_cell("7.7.7", print)
    hint("3.1")
    assert "Hint 1 of 3" in capsys.readouterr().out


def test_the_installed_command_has_the_same_exit_codes():
    done = subprocess.run(
        [sys.executable, "-m", "camlite", "hint", "77.1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("camlite: there is no lesson")


def test_demo_draws_and_tells(own_folder):
    done = camlite("demo", "--json")
    assert done.exit_code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (own_folder / facts["figure"]).stat().st_size > 20_000
    assert facts["accuracy"] > 0.9
    assert all(0 <= d["probability"] <= 1 for d in facts["digits"])


@pytest.mark.parametrize(
    "command",
    [
        [],
        *(
            [c]
            for c in (
                "demo",
                "lessons",
                "start",
                "check",
                "hint",
                "reset",
                "status",
                "doctor",
                "card",
                "explain",
                "release",
            )
        ),
    ],
    ids=lambda c: c[0] if c else "camlite",
)
def test_every_command_has_help_with_an_example(command):
    done = camlite(*command, "--help")
    assert done.exit_code == 0
    unwrapped = " ".join(done.stdout.replace("│", " ").split())
    assert not command or f"camlite {command[0]}" in unwrapped


def test_ids_and_names_are_those_of_the_file_names():
    for lesson in all_lessons():
        assert all(e.lesson == lesson.number for e in lesson.exercises.values())
        assert lesson.name.startswith(f"{lesson.number:02d}_")


def test_an_error_of_torch_is_not_mistaken_for_a_stub(capsys):
    from camlite.course import check as check_cell

    def mean_of_integers(M, bias):
        return M.long().mean((1, 2)) + bias  # torch: NotImplementedError or RuntimeError

    def refused_by_torch(M, bias):
        raise NotImplementedError("mean(): could not infer output dtype")

    def stub(M, bias):
        raise NotImplementedError

    said = {mean_of_integers: "error", refused_by_torch: "error", stub: "todo"}
    for answer, status in said.items():
        check_cell("3.2", answer)
        assert f"logit_from_map: {status}" in capsys.readouterr().out


def test_the_message_shows_the_values_that_differ(capsys):
    from camlite.course import check as check_cell

    def right_but_for_the_last(M):
        low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
        s = torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))
        s[-1, -1, -1] = 7.5
        return s

    check_cell("3.3", right_but_for_the_last)
    assert "from [2, 4, 6]: 7.5" in capsys.readouterr().out
