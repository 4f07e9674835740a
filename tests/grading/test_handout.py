"""What students get: the same bytes each time, nothing secret inside, points where they belong."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jsonschema
import jupytext
import nbformat
import pytest
from typer.testing import CliRunner

from camlite.cli import app
from camlite.course import paths
from camlite.course.exercises import Exercise
from camlite.course.lessons import (
    Lesson,
    all_lessons,
    find_lesson,
    notebook,
    released,
    solution_lines,
)
from camlite.grading.handout import FORMATS, chosen, handout, write, zipped
from camlite.grading.nbgrader import nbgrader_points
from camlite.grading.points import points

LESSONS = {lesson.name: lesson for lesson in all_lessons()}
LESSON = find_lesson(3)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMLITE_HOME", str(tmp_path / "home"))


def camlite(*args: str):
    return CliRunner().invoke(app, list(args))


@cache
def built(name: str) -> dict[str, bytes]:
    """A handout of one lesson in all formats."""
    return handout([LESSONS[name]], list(FORMATS))


def for_nbgrader(name: str) -> nbformat.NotebookNode:
    text = built(name)[f"nbgrader/source/{name}/{name}.ipynb"].decode()
    return nbformat.reads(text, as_version=4)


def unpacked(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, with those inside a zip in its place."""
    found = {}
    for name, content in files.items():
        if not name.endswith(".zip"):
            found[name] = content
            continue
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found |= {f"{name}/{inner}": archive.read(inner) for inner in archive.namelist()}
    return found


# ------------------------------------------------------------------ the same bytes


def test_each_build_gives_the_same_bytes() -> None:
    lessons = chosen(["3", "8"])
    first = handout(lessons, list(FORMATS))
    assert first == handout(lessons, list(FORMATS))
    assert sorted(first) == [
        "camlite-lessons-3-8.zip",
        "ipynb/03_class_activation_map.ipynb",
        "ipynb/08_grad_cam.ipynb",
        "nbgrader/source/03_class_activation_map/03_class_activation_map.ipynb",
        "nbgrader/source/08_grad_cam/08_grad_cam.ipynb",
        "points.csv",
        "py/03_class_activation_map.py",
        "py/08_grad_cam.py",
    ]


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing depends on the order of a set, the time zone or the folder."""
    command = [sys.executable, "-m", "camlite", "release", "--lessons", "3", "--out", "there"]
    command += ["--format", ",".join(FORMATS)]
    environment = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Ho_Chi_Minh"}
    environment |= {"PYTHONPATH": str(paths.ROOT)}
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, capture_output=True)
    for name, content in handout([LESSON], list(FORMATS)).items():
        assert (tmp_path / "there" / name).read_bytes() == content


def test_a_zip_depends_on_names_and_contents_only() -> None:
    one, two = {"a/x": b"1", "b": b"2"}, {"b": b"2", "a/x": b"1"}
    assert zipped(one) == zipped(two)
    with zipfile.ZipFile(io.BytesIO(zipped(one))) as archive:
        entries = archive.infolist()
    assert [e.filename for e in entries] == ["a/x", "b"]
    for entry in entries:
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.external_attr >> 16 == 0o100644
        assert entry.compress_type == zipfile.ZIP_STORED


def test_notebooks_and_scripts_are_the_learner_s_lesson() -> None:
    files = unpacked(built(LESSON.name))
    name = LESSON.name
    assert files[f"py/{name}.py"].decode() == released(LESSON)
    book = notebook(LESSON)
    assert files[f"ipynb/{name}.ipynb"].decode() == book
    zipped_book = f"camlite-lesson-3.zip/camlite-lesson-3/lessons/{name}.ipynb"
    assert files[zipped_book].decode() == book


# ------------------------------------------------------------------ nothing secret inside


def secrets_of(exercise: Exercise) -> Iterator[str]:
    """Hints, sentences, and names that give a mistake or another right answer away."""
    yield from exercise.hints
    yield from (wrong.sentence for wrong in exercise.wrong_answers)
    yield from exercise.taught.values()
    yield from exercise.parts_taught.values()
    answers = [exercise.right, *exercise.accepted, *(w.answer for w in exercise.wrong_answers)]
    names = {getattr(answer, "__name__", "") for answer in answers}
    names |= {wrong.name for wrong in exercise.wrong_answers}
    yield from (
        n for n in names if "_" in n.strip("_") and n not in released(LESSON_OF[exercise.id])
    )


LESSON_OF = {id: lesson for lesson in LESSONS.values() for id in lesson.exercises}


def texts(name: str, content: bytes) -> str:
    """All that is readable in a file: of a notebook its cells, outputs and metadata."""
    if not name.endswith(".ipynb"):
        return content.decode()
    return "\n".join(strings(nbformat.reads(content.decode(), as_version=4)))


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def leaks(files: dict[str, bytes], lesson: Lesson) -> list[tuple[str, str]]:
    secret = [*solution_lines(lesson)]
    for exercise in lesson.exercises.values():
        secret += secrets_of(exercise)
    found = []
    for name, content in unpacked(files).items():
        text = texts(name, content)
        plain = " ".join(text.replace("\n# ", "\n").split())
        found += [(name, s) for s in secret if s in text or " ".join(s.split()) in plain]
    return found


@pytest.mark.parametrize("name", LESSONS)
def test_no_file_of_any_format_gives_an_answer_away(name: str) -> None:
    lesson = LESSONS[name]
    assert leaks(built(name), lesson) == []


def test_a_planted_secret_is_seen_in_every_format() -> None:
    exercise = LESSON.exercises["3.1"]
    planted = [
        solution_lines(LESSON)[0],
        exercise.hints[1],
        exercise.wrong_answers[1].sentence,
        exercise.taught["W.mT"],
        "every_class_with_every_image",
    ]
    for name, content in unpacked(built(LESSON.name)).items():
        if name == "points.csv":
            continue
        for secret in planted:
            if name.endswith(".ipynb"):
                book = nbformat.reads(content.decode(), as_version=4)
                book.cells[-1].metadata["note"] = secret
                changed = nbformat.writes(book).encode()
            else:
                changed = content + secret.encode()
            assert (name, secret) in leaks({name: changed}, LESSON)


@pytest.mark.parametrize("name", LESSONS)
def test_every_exercise_is_still_to_be_written(name: str) -> None:
    """Each exercise cell holds the line that it begins with, in each format."""
    lesson = LESSONS[name]
    for file, content in unpacked(built(name)).items():
        for exercise in lesson.exercises.values():
            line = f'raise NotImplementedError("Exercise {exercise.id}: {exercise.name}")'
            assert line in texts(file, content) or file.endswith(("points.csv", "README.txt"))


# ------------------------------------------------------------------ points


def test_points_stand_in_the_table_the_readme_and_the_listing() -> None:
    files = unpacked(built(LESSON.name))
    rows = list(csv.DictReader(io.StringIO(files["points.csv"].decode())))
    assert {row["exercise"]: float(row["points"]) for row in rows} == points(LESSON)
    assert [row["name"] for row in rows] == [e.name for e in LESSON.exercises.values()]
    readme = files["camlite-lesson-3.zip/camlite-lesson-3/README.txt"].decode()
    assert "9 points (3.1: 2, 3.2: 1, 3.3: 2, 3.4: 2, 3.5: 2)" in readme
    listed = json.loads(camlite("lessons", "--json").stdout)
    worth = {e["id"]: e["points"] for one in listed for e in one["exercises"]}
    assert worth == {id: n for one in LESSONS.values() for id, n in points(one).items()}


def test_the_command_prints_the_points_and_what_it_wrote(tmp_path: Path) -> None:
    done = camlite("release", "--lessons", "8,3", "--lessons", "3", "--format", "zip,py")
    assert done.exit_code == 0, done.stderr
    assert len(re.findall(r"lesson [38] +│ 9 ", done.stdout)) == 2
    assert done.stdout.index("3.1") < done.stdout.index("8.1")
    assert "camlite-lessons-3-8.zip" in done.stdout
    assert "--install" in done.stdout
    made = camlite(
        "release", "--lessons", "3", "--out", "b", "--install", "pip install X", "--json"
    )
    facts = json.loads(made.stdout)
    assert facts["points"] == points(LESSON)
    assert all((tmp_path / file).is_file() for file in facts["files"])


# ------------------------------------------------------------------ the zip


def test_the_readme_names_the_command_only_if_it_is_known() -> None:
    [without] = [v for k, v in unpacked(handout([LESSON], ["zip"])).items() if "README" in k]
    assert b"Your teacher tells you how to install camlite" in without
    assert b"pip install" not in without
    told = handout([LESSON], ["zip"], install="python -m pip install ./camlite.whl")
    [readme] = [v for k, v in unpacked(told).items() if "README" in k]
    assert b"\n    python -m pip install ./camlite.whl\n\n    camlite doctor\n" in readme
    assert max(len(line) for line in readme.decode().splitlines()) <= 80
    place, command = (readme.index(words) for words in (b"Open a terminal in", b"pip install"))
    assert place < readme.index(b"gives you the file camlite.whl. Put it beside") < command


@pytest.mark.parametrize("command", ["pip install camlite", "pip install https://x.edu/a.whl"])
def test_the_readme_asks_for_no_file_where_the_command_names_none(command: str) -> None:
    told = handout([LESSON], ["zip"], install=command)
    [readme] = [v for k, v in unpacked(told).items() if "README" in k]
    assert command.encode() in readme
    assert b"gives you the file" not in readme


def test_all_lessons_have_a_short_name() -> None:
    assert "camlite-lessons.zip" in handout(chosen([]), ["zip"])


def test_the_folder_of_the_zip_is_where_a_learner_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a clone: `camlite check 3` in the unpacked folder finds the notebook, and the
    notebook itself, which Jupyter starts in lessons/, keeps its progress in the same place.
    """
    monkeypatch.setattr(paths, "IN_CLONE", False)
    for name in ("CAMLITE_LESSONS", "CAMLITE_HOME"):
        monkeypatch.delenv(name, raising=False)
    [content] = [v for k, v in handout([LESSON], ["zip"]).items() if k.endswith(".zip")]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    top = tmp_path / "camlite-lesson-3"
    book = top / "lessons" / f"{LESSON.name}.ipynb"
    before = book.read_bytes()
    monkeypatch.chdir(top)
    assert paths.learner_folder() == book.parent
    assert paths.home() == top / ".camlite"
    assert camlite("start", "3", "--no-open").exit_code == 0
    assert book.read_bytes() == before
    monkeypatch.chdir(book.parent)
    assert paths.learner_folder() == book.parent
    assert paths.home() == top / ".camlite"


# ------------------------------------------------------------------ mistakes of a user


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--lessons 99", "there is no lesson '99'"),
        ("--lessons 3-8", "there is no lesson '3-8'"),
        ("--lessons 3.1", "3.1 is an exercise; a handout holds whole lessons, here 3"),
        ("--format pdf", "there is no format 'pdf'; there are py, ipynb, nbgrader, zip"),
        ("--out file.txt", "file.txt is a file, a folder is needed"),
        ("--out file.txt/deeper", "file.txt is a file, a folder is needed"),
        ("--lessons 3 --format py --out other", "other/py is a file, a folder is needed"),
        ("--lessons 3 --out mine", "mine/points.csv is there already and is something else"),
    ],
)
def test_wrong_use_is_one_sentence_and_writes_nothing(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "file.txt").write_text("mine")
    for folder, file in (("mine", "points.csv"), ("other", "py")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    done = camlite("release", *line.split())
    assert done.exit_code == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert {p.read_text() for p in before if p.is_file()} == {"mine"}


def test_other_files_in_the_folder_stay_and_a_second_build_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    files = handout([LESSON], ["py", "zip"])
    for _ in range(2):
        write(tmp_path, files)
        assert (tmp_path / "notes.txt").read_text() == "mine"
        assert all((tmp_path / name).read_bytes() == content for name, content in files.items())
    (tmp_path / "py" / f"{LESSON.name}.py").write_text("a teacher's own changes")
    with pytest.raises(ValueError, match="nothing was written"):
        write(tmp_path, files)
    assert (tmp_path / "py" / f"{LESSON.name}.py").read_text() == "a teacher's own changes"


# ------------------------------------------------------------------ nbgrader

SCHEMA_3 = {  # nbgrader/nbgraderformat/v3.json of nbgrader 0.9.6
    "type": "object",
    "properties": {
        "schema_version": {"type": "integer", "minimum": 3, "maximum": 3},
        **{key: {"type": "boolean"} for key in ("grade", "locked", "solution", "task")},
        "grade_id": {"type": "string", "pattern": r"^[a-zA-Z0-9_\-]*$"},
        "points": {"type": "number", "minimum": 0},
    },
    "required": ["schema_version", "grade", "locked", "solution", "grade_id"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("name", LESSONS)
def test_the_metadata_fit_the_schema(name: str) -> None:
    lesson, book = LESSONS[name], for_nbgrader(name)
    nbformat.validate(book)
    marked = [cell.metadata.nbgrader for cell in book.cells if "nbgrader" in cell.metadata]
    for one in marked:
        jsonschema.validate(one, SCHEMA_3)
        assert ("points" in one) == one["grade"]
    assert len({one["grade_id"] for one in marked}) == len(marked)
    worth = [one["points"] for one in marked if one["grade"]]
    assert worth == list(points(lesson).values())
    roles = {
        (c.cell_type, *(c.metadata.nbgrader[k] for k in ("grade", "solution", "locked")))
        for c in book.cells
        if "nbgrader" in c.metadata
    }
    assert roles == {
        ("markdown", False, False, True),
        ("code", False, True, False),
        ("code", True, False, True),
    }


@pytest.mark.parametrize("name", LESSONS)
def test_the_lesson_is_all_there_and_the_added_cells_follow_the_checks(name: str) -> None:
    lesson, book = LESSONS[name], for_nbgrader(name)
    own = re.compile(r"[ \t]*### (BEGIN|END) SOLUTION\n?")
    kept = [c for c in book.cells if not c.metadata.get("nbgrader", {}).get("grade")]
    plain = nbformat.reads(notebook(lesson), as_version=4)
    assert [c.id for c in kept] == [c.id for c in plain.cells]
    assert [own.sub("", c.source).rstrip() for c in kept] == [c.source for c in plain.cells]
    for id, exercise in lesson.exercises.items():
        at = next(i for i, c in enumerate(book.cells) if f'nbgrader_points("{id}", ' in c.source)
        assert book.cells[at - 1].source == f'check("{id}", {exercise.name})'


def test_between_the_marks_stands_only_the_beginning_of_an_exercise() -> None:
    """nbgrader puts its own line there; the rest of the cell must stay."""
    marks = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.S)
    for name in LESSONS:
        for cell in for_nbgrader(name).cells:
            if cell.metadata.get("nbgrader", {}).get("solution"):
                inside = marks.findall(cell.source)
                assert inside
                assert cell.source.count("NotImplementedError") == len(inside)
                ast.parse(cell.source)
                for block in inside:
                    assert re.fullmatch(
                        r"\s*# YOUR CODE HERE\s+raise NotImplementedError\(.*\)\s*", block
                    )
            else:
                assert "SOLUTION" not in cell.source


def solved(book: nbformat.NotebookNode, lesson: Lesson, change=lambda id, text: text) -> None:
    """Put the solutions into the exercise cells, each changed by `change(id, text)`."""
    master = jupytext.reads(lesson.text, fmt="py:percent")
    right = {c.metadata.tags[1]: c.source for c in master.cells if is_exercise(c)}
    for cell in book.cells:
        if is_exercise(cell):
            cell.source = change(cell.metadata.tags[1], right[cell.metadata.tags[1]])


def is_exercise(cell: nbformat.NotebookNode) -> bool:
    return "exercise" in cell.metadata.get("tags", ())


def test_the_value_of_the_cell_is_the_points(tmp_path: Path, capfd) -> None:
    book = for_nbgrader(LESSON.name)
    loud = "import sys, warnings\nprint('x', file=sys.stderr)\nwarnings.warn('careful')\n"
    broken = {"3.2": lambda text: text.replace("mean", "sum")}
    solved(book, LESSON, lambda id, text: loud + broken.get(id, str)(text))
    nbformat.write(book, tmp_path / f"{LESSON.name}.ipynb")
    assert (nbgrader_points("3.1", 2), capfd.readouterr()) == (2.0, ("", ""))
    assert nbgrader_points("3.2", 1) == 0.0
    said, errors = capfd.readouterr()
    assert "GAP takes the mean" in said
    assert errors == ""


def test_a_notebook_of_another_name_is_said() -> None:
    with pytest.raises(ValueError, match="the notebook must keep its name"):
        nbgrader_points("3.1", 2)


LOUD = """\
import logging, os, sys, warnings
from tqdm import tqdm
logging.basicConfig()
own_bar = tqdm(total=9)
os.chdir("/")

def loud(answer):
    def louder(*args, **kwargs):
        warnings.warn("careful")
        logging.warning("look")
        own_bar.update()
        print("printed", file=sys.stderr)
        os.write(2, b"from C")
        return answer(*args, **kwargs)
    return louder
"""


def in_nbgrader(course: Path, *command: str) -> None:
    """Raises with the output where nbgrader fails."""
    binaries = str(Path(sys.executable).parent)  # it calls alembic by name
    environment = os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(paths.ROOT),
        "CAMLITE_FAST": "1",
    }
    line = [sys.executable, "-m", "nbgrader", *command]
    done = subprocess.run(
        line, cwd=course, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nbgrader_itself_hands_out_and_grades(tmp_path: Path) -> None:
    """Right answers get full marks however loud they are; nothing, wrong and endless ones get 0."""
    pytest.importorskip("nbgrader")
    from nbgrader.api import Gradebook
    from nbgrader.nbgraderformat import MetadataValidator

    config = 'c = get_config()\nc.CourseDirectory.course_id = "cam"\nc.Execute.timeout = 60\n'
    (tmp_path / "nbgrader_config.py").write_text(config)
    files = handout(list(LESSONS.values()), ["nbgrader"])
    write(tmp_path, {name.removeprefix("nbgrader/"): text for name, text in files.items()})
    for name in LESSONS:
        in_nbgrader(tmp_path, "generate_assignment", name, "--create")
        book = nbformat.read(tmp_path / "release" / name / f"{name}.ipynb", 4)
        MetadataValidator().validate_nb(book)

    name = LESSON.name
    loop = "def normalize(M):\n    while True:\n        pass"

    def submit(student: str, change) -> None:
        book = nbformat.read(tmp_path / "release" / name / f"{name}.ipynb", 4)
        if change is not None:
            solved(book, LESSON, change)
        folder = tmp_path / "submitted" / student / name
        folder.mkdir(parents=True)
        nbformat.write(book, folder / f"{name}.ipynb")

    def loud(id: str, text: str) -> str:
        return LOUD * (id == "3.1") + re.sub(r"^def ", "@loud\ndef ", text, flags=re.M)

    wrong = {"3.2": lambda text: text.replace("mean", "sum"), "3.3": lambda _: loop}
    submit("loud", loud)
    submit("nothing", None)
    submit("wrong", lambda id, text: wrong.get(id, str)(text))
    in_nbgrader(tmp_path, "autograde", name, "--create")
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db") as gradebook:
        found = {
            (one.student.id, grade.name): grade.auto_score
            for one in gradebook.assignment_submissions(name)
            for book in one.notebooks
            for grade in book.grades
        }
    full = {f"points-{id.replace('.', '-')}": worth for id, worth in points(LESSON).items()}
    expected = {("loud", cell): worth for cell, worth in full.items()}
    expected |= {("nothing", cell): 0.0 for cell in full}
    expected |= {("wrong", cell): worth for cell, worth in full.items()}
    expected |= {("wrong", "points-3-2"): 0.0, ("wrong", "points-3-3"): 0.0}
    assert found == expected
