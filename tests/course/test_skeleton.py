"""`camlite dev new` and `camlite dev check N`: what is written runs, and says what is left."""

from __future__ import annotations

import re
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import tests.prose as prose
from camlite.cli import app
from camlite.course import lessons, paths, skeleton

NAME = "05_two_words"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the folders that an author writes in."""
    root = tmp_path / "clone"
    free = ("0[45]_*", "test_0[45]_*")  # lesson 5 is new in the copy, and 3 is the one before it
    kept = shutil.ignore_patterns("__pycache__", "*.ipynb", *free)
    for folder in ("solutions", "lessons", "tests/lessons"):
        shutil.copytree(paths.ROOT / folder, root / folder, ignore=kept)
    (root / "tests" / "prose").mkdir()
    monkeypatch.setattr(paths, "ROOT", root)
    monkeypatch.setattr(paths, "SOLUTIONS", root / "solutions")
    monkeypatch.setattr(paths, "CHECKS", root / "tests" / "lessons")
    monkeypatch.setattr(prose, "HERE", root / "tests" / "prose")
    monkeypatch.setenv("CAMLITE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CAMLITE_FAST", "1")
    monkeypatch.setenv("MPLBACKEND", "agg")
    lessons._load_exercises.cache_clear()
    yield root
    lessons._load_exercises.cache_clear()


def camlite(*args: str):
    done = CliRunner().invoke(app, list(args))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def failures(done) -> dict[str, str]:
    """Proof -> the reason why it does not hold, as `dev check` prints them."""
    assert "Traceback" not in done.output
    return dict(re.findall(rf"^{NAME}: (\S+): (.+)$", done.stdout, re.M))


def filled(clone: Path) -> None:
    """What an author does with the skeleton, in short."""
    master, checks, claims = skeleton.files(NAME).values()
    wrong = ("M.amax((1, 2))", "M.mean((0, 1))", "M.mean()", "M.mean(2)[:, 0]")
    text = checks.read_text()
    for expression in (*wrong, "M.flatten(1).mean(1)"):
        text = text.replace('raise NotImplementedError("FILL IN")', f"return {expression}", 1)
    checks.write_text(text.replace("FILL IN", "words of the author"))
    for path in (master, claims):
        path.write_text(path.read_text().replace("FILL IN", "words of the author"))
    lessons._load_exercises.cache_clear()


def test_a_new_lesson_says_what_is_left_and_passes_when_it_is_written(clone: Path) -> None:
    done = camlite("dev", "new", "5", "two_words")
    assert done.exit_code == 0
    for path in skeleton.files(NAME).values():
        assert str(path.relative_to(clone)) in done.stdout
        assert not re.search("@[A-Z]", path.read_text())

    done = camlite("dev", "check", "5")
    assert done.exit_code == 1
    left = failures(done)
    to_write = {f"5.1-wrong-wrong_{n}" for n in (2, 3, 4, 5)} | {"5.1-accepts-right_2"}
    assert set(left) == {"nothing_left_to_fill_in", "not_drifted"} | to_write
    assert all(left[proof] == f"write this answer in test_{NAME}.py" for proof in to_write)
    assert "run `camlite dev release`" in left["not_drifted"]
    marks = re.findall(r"(\S+), lines ([\d, ]+)", left["nothing_left_to_fill_in"])
    assert len(marks) == 3
    for file, numbers in marks:
        lines = (clone / file).read_text().splitlines()
        found = [str(n) for n, line in enumerate(lines, start=1) if "FILL IN" in line]
        assert numbers.split(", ") == found

    filled(clone)
    assert camlite("dev", "release").exit_code == 0
    done = camlite("dev", "check", "5")
    assert (done.exit_code, failures(done)) == (0, {}), done.stdout
    assert done.stdout.startswith(f"✔ {NAME}")


def test_the_skeleton_runs_and_its_sentence_is_true(clone: Path, capsys) -> None:
    camlite("dev", "new", "5", "two_words")
    master = skeleton.files(NAME)["master"]
    left = runpy.run_path(str(master), run_name="__main__")
    assert "✔ 5.1" in capsys.readouterr().out
    (claim,) = prose.claims(NAME)
    assert prose.missing_words(master.read_text(), [claim]) == []
    claim.test(SimpleNamespace(**left))


def test_the_questions_are_about_the_two_lessons_before(clone: Path) -> None:
    camlite("dev", "new", "5", "two_words")
    before = [one.number for one in lessons.all_lessons() if one.number < 5]
    assert [q.lesson for q in lessons.find_lesson(5).questions] == [5, 5, 5, *before[:-3:-1]]


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ("3 again", "lesson 3 exists already"),
        ("0 none", "from 1 to 99"),
        ("100 many", "from 1 to 99"),
        ("4 Heads", "no name for a lesson"),
        ("4 two-words", "no name for a lesson"),
        ("4 ../heads", "no name for a lesson"),
        ("4 4heads", "no name for a lesson"),
    ],
)
def test_what_is_refused(clone: Path, args: str, why: str) -> None:
    before = sorted(clone.rglob("*"))
    done = camlite("dev", "new", *args.split())
    assert done.exit_code == 2
    assert why in done.stderr
    assert sorted(clone.rglob("*")) == before


@pytest.mark.parametrize("which", ["checks", "claims"])
def test_nothing_is_overwritten(clone: Path, which: str) -> None:
    path = skeleton.files(NAME)[which]
    path.write_text("mine")
    done = camlite("dev", "new", "5", "two_words")
    assert done.exit_code == 2
    assert str(path) in done.stderr
    assert path.read_text() == "mine"
    assert not skeleton.files(NAME)["master"].exists()


@pytest.mark.parametrize("broken", ["def f(:", "raise OSError('gone')", "import no_such_module"])
def test_a_check_file_that_does_not_run_is_one_sentence(clone: Path, broken: str) -> None:
    camlite("dev", "new", "5", "two_words")
    skeleton.files(NAME)["checks"].write_text(broken)
    done = camlite("dev", "check", "5")
    assert done.exit_code == 1
    assert list(failures(done)) == ["the_checks_are_read"]


def rules(text: str) -> dict[str, str]:
    """The failing rules about questions of the new lesson, with this master."""
    from camlite.course.proofs import check_everything

    skeleton.files(NAME)["master"].write_text(text)
    found = check_everything([lessons.find_lesson(5)])
    return {proof.name: why for _, proof, why in found if "recall" in proof.name and why}


def test_five_questions_and_two_about_earlier_lessons(clone: Path) -> None:
    camlite("dev", "new", "5", "two_words")
    text = skeleton.files(NAME)["master"].read_text()
    assert rules(text) == {}
    assert "4 questions" in rules(text.replace("# **5.** ", "# 5. "))["five_recall_questions"]
    last = f"(lesson {lessons.find_lesson(5).questions[-1].lesson})"
    one = rules(text.replace(f"{last} ", ""))["five_recall_questions"]
    assert "1 of the questions are about earlier lessons" in one
    unknown = rules(text.replace(last, "(lesson 0)"))["five_recall_questions"]
    assert "[0]" in unknown
    later = rules(text.replace(last, "(lesson 6)"))["five_recall_questions"]
    assert "[6]" in later
