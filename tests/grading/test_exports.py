"""Marks in other systems: valid there, nothing lost, and a table changes in one column only."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from camlite.cli import app
from camlite.grading.exports import classroom50, common, github, gradescope, junit, prairielearn
from camlite.grading.exports.settings import setup_of
from camlite.grading.exports.table import read_table
from camlite.grading.marks import Mark, MarksLog

SAFE = "<script>alert(1)</script> | `x` [a](http://b) ${{ secrets.X }} ]]> & 学生\nnext"
HOSTILE = "\x1b[31m" + SAFE.replace("script> |", "script>\x00 |").replace("\n", "\r\n")
TOP = {"3.1": 1.0, "3.2": 2.0, "3.10": 4.0}


def mark(student="an", exercise="3.1", points=None, status="graded", **more):
    top = TOP[exercise]
    lesson = int(exercise.partition(".")[0])
    got = top if points is None else points
    return Mark(student, lesson, exercise, status, got, top, **more)


def class_of(**points: float) -> list[Mark]:
    """Students with these points in 3.10, and nothing else."""
    return [mark(name.replace("__", " "), "3.10", value) for name, value in points.items()]


def one() -> list[Mark]:
    """One student with something of everything."""
    return [
        mark(message="", seconds=0.5),
        mark(exercise="3.2", points=0.5, diagnosis="relu is missing", message=HOSTILE),
        mark(exercise="3.10", points=0.0, status="timeout"),
    ]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "OUT"


def write(out: Path, marks: list[Mark]) -> Path:
    with MarksLog(out / "marks.jsonl") as log:
        for own in common.by_student(marks).values():
            log.append_marks(own)
    return out


def camlite(*args: object, code: int = 0):
    done = CliRunner().invoke(app, ["export", *map(str, args)])
    assert done.exit_code == code, (done.exit_code, done.output, done.exception)
    return done


def texts(tree) -> list[str]:
    """All strings in a tree of JSON."""
    if isinstance(tree, dict):
        return [text for value in tree.values() for text in texts(value)]
    if isinstance(tree, list):
        return [text for value in tree for text in texts(value)]
    return [tree] if isinstance(tree, str) else []


# ------------------------------------------------------------------ one student, JSON

# Gradescope publishes no schema: this is its page "Autograder Specifications", in our words.
VISIBILITY = {"enum": ["hidden", "after_due_date", "after_published", "visible"]}
FORMAT = {"enum": ["text", "html", "simple_format", "md", "ansi"]}
GRADESCOPE = {
    "type": "object",
    "additionalProperties": False,
    "required": ["tests"],
    "properties": {
        "score": {"type": "number"},
        "execution_time": {"type": "number", "minimum": 0},
        "output": {"type": "string"},
        "output_format": FORMAT,
        "test_output_format": FORMAT,
        "test_name_format": FORMAT,
        "visibility": VISIBILITY,
        "stdout_visibility": VISIBILITY,
        "extra_data": {"type": "object"},
        "leaderboard": {"type": "array"},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "score": {"type": "number"},
                    "max_score": {"type": "number"},
                    "status": {"enum": ["passed", "failed"]},
                    "name": {"type": "string"},
                    "name_format": FORMAT,
                    "number": {"type": "string"},
                    "output": {"type": "string"},
                    "output_format": FORMAT,
                    "tags": {"type": "array"},
                    "visibility": VISIBILITY,
                    "extra_data": {"type": "object"},
                },
            },
        },
    },
}
WHOLE = {"type": "integer", "minimum": 0}
TEXT = {"type": "string", "minLength": 1}
CLASSROOM50 = {  # after the schema of classroom50/result/v1
    "type": "object",
    "additionalProperties": False,
    "required": [
        *("schema", "classroom", "assignment", "assignment_type", "owner", "submission"),
        *("commit", "release", "review", "datetime", "score", "max-score", "tests"),
    ],
    "properties": {
        "schema": {"const": "classroom50/result/v1"},
        **dict.fromkeys(("classroom", "assignment", "owner", "commit", "release", "review"), TEXT),
        "assignment_type": {"enum": ["individual", "group"]},
        "submission": {"type": "string", "pattern": "^submit/"},
        "datetime": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
        "score": WHOLE,
        "max-score": WHOLE,
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["test-name", "passed", "score", "max-score"],
                "properties": {
                    "test-name": TEXT,
                    "passed": {"type": "boolean"},
                    "score": WHOLE,
                    "max-score": WHOLE,
                },
            },
        },
    },
}
PRAIRIELEARN = {  # after its page "External grading"
    "type": "object",
    "anyOf": [
        {"required": ["score"]},
        {"required": ["gradable"], "properties": {"gradable": {"const": False}}},
    ],
    "properties": {
        "gradable": {"type": "boolean"},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "message": {"type": "string"},
        "format_errors": {"type": ["string", "array"], "items": {"type": "string"}},
        "tests": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "points", "max_points"],
                "properties": {
                    "name": {"type": "string"},
                    "points": {"type": "number"},
                    "max_points": {"type": "number"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
IN_CLASSROOM = {
    "CLASSROOM": "cam",
    "ASSIGNMENT": "lesson-3",
    "USERNAME": "an",
    "SUBMISSION_TAG": "submit/20261101T101010Z-abc1234",
    "COMMIT_URL": "https://example.org/c",
    "RELEASE_URL": "https://example.org/r",
}
WHEN = datetime(2026, 11, 1, 10, 10, 10, tzinfo=timezone.utc)
JSON = {
    "gradescope": (GRADESCOPE, gradescope.results),
    "prairielearn": (PRAIRIELEARN, prairielearn.results),
    "classroom50": (CLASSROOM50, lambda marks: classroom50.result(marks, IN_CLASSROOM, WHEN)),
}


@pytest.mark.parametrize("system", JSON)
def test_json_fits_its_schema_and_messages_are_text(system):
    schema, make = JSON[system]
    found = make(one())
    jsonschema.validate(json.loads(json.dumps(found)), schema)
    said = [text for text in texts(found) if "script" in text]
    assert said == [SAFE]
    assert "The code took too long and was stopped." in texts(found)
    assert "relu is missing" not in texts(found)  # the name of a mistake is for the instructor
    long = make([mark(points=0.0, message="a" * 10_000)])
    assert max(map(len, texts(long))) == common.MESSAGE


def test_gradescope_adds_up():
    found = gradescope.results(one())
    assert found["score"] == 1.5
    assert found["execution_time"] == 0.5
    assert found["output"] == "1.5 of 7 points"
    assert [t["score"] for t in found["tests"]] == [1.0, 0.5, 0.0]
    assert [t["status"] for t in found["tests"]] == ["passed", "failed", "failed"]
    assert [t["number"] for t in found["tests"]] == ["3.1", "3.2", "3.10"]
    assert {t["output_format"] for t in found["tests"]} == {"text"}


def test_classroom50_rounds_in_favour_of_the_student_and_keeps_the_exact_points():
    found = classroom50.result(one(), {**IN_CLASSROOM, "OWNER": "group-1"}, WHEN)
    assert (found["score"], found["max-score"]) == (2, 7)
    assert [t["points"] for t in found["tests"]] == [1.0, 0.5, 0.0]
    assert found["owner"] == "group-1"
    assert found["review"] == IN_CLASSROOM["COMMIT_URL"]
    assert found["datetime"] == "2026-11-01T10:10:10Z"
    bonus = classroom50.result([mark(points=9.0, by_hand=True)], IN_CLASSROOM, WHEN)
    assert (bonus["score"], bonus["max-score"]) == (1, 1)
    with pytest.raises(ValueError, match="RELEASE_URL is not set"):
        classroom50.result(one(), {**IN_CLASSROOM, "RELEASE_URL": ""}, WHEN)


def test_classroom50_takes_the_time_of_the_commit(out, tmp_path, monkeypatch):
    write(out, one())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name, value in IN_CLASSROOM.items():
        monkeypatch.setenv(name, value)
    assert "no git repository" in camlite(out, "--to", "classroom50", code=2).output
    stamp = {"GIT_COMMITTER_DATE": "2026-11-02T12:00:00+02:00"}
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], [*who, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], check=True, env=os.environ | stamp)
    camlite(out, "--to", "classroom50", "--out", tmp_path / "result.json")
    found = json.loads((tmp_path / "result.json").read_text())
    jsonschema.validate(found, CLASSROOM50)
    assert found["datetime"] == "2026-11-02T10:00:00Z"


def test_prairielearn_scores_from_0_to_1_and_takes_no_try_for_a_missing_file():
    found = prairielearn.results(one())
    assert found["score"] == pytest.approx(1.5 / 7)
    assert found["message"] == "1 of 3 exercises are right."
    missing = [mark(exercise=e, points=0.0, status="no_file") for e in TOP]
    found = prairielearn.results(missing)
    jsonschema.validate(found, PRAIRIELEARN)
    assert found == {
        "gradable": False,
        "format_errors": ["No file with this exercise was found."],
    }
    by_hand = [*missing[1:], mark(points=0.5, status="no_file", by_hand=True)]
    assert prairielearn.results(by_hand)["score"] == pytest.approx(0.5 / 7)
    assert prairielearn.results([mark(points=9.0, by_hand=True)])["score"] == 1.0


def test_prairielearn_stays_below_a_megabyte():
    many = [mark(exercise=e, points=0.0, message="学" * 5000) for e in TOP for _ in range(200)]
    assert len(json.dumps(prairielearn.results(many), indent=2)) < 1_000_000


@pytest.mark.parametrize("system", ["gradescope", "prairielearn"])
def test_the_command_writes_one_student_and_asks_which(out, system):
    write(out, [*one(), mark("bi", points=0.0)])
    assert "2 students; say which one: --student" in camlite(out, "--to", system, code=2).output
    assert "no mark of student cu" in camlite(
        *(out, "--to", system, "--student", "\x1b[1mcu"), code=2
    ).output.replace("\n", " ")
    camlite(out, "--to", system, "--student", "bi")
    path = out / "exports" / system / "results.json"
    assert json.loads(path.read_text())["score"] == 0
    (out / "by_hand.csv").write_text("student,exercise,points\nbi,3.1,1\n")
    camlite(out, "--to", system, "--student", "bi")
    assert json.loads(path.read_text())["score"] == 1
    assert "no mark of lesson 8" in camlite(out, "--to", system, "--lessons", 8, code=2).output


# ------------------------------------------------------------------ Gradescope's autograder


def test_the_autograder_zip_is_the_same_bytes_each_time_and_has_what_gradescope_asks(out):
    path = out / "exports" / "gradescope-autograder" / "autograder.zip"
    command = (out, "--to", "gradescope-autograder", "--lessons", "3,8", "--seed", 7)
    camlite(*command)
    first = path.read_bytes()
    camlite(*command)
    assert path.read_bytes() == first
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["setup.sh", "run_autograder", "README.txt"]
        modes = {i.filename: i.external_attr >> 16 for i in archive.infolist()}
        run = archive.read("run_autograder").decode()
        readme = archive.read("README.txt").decode()
    assert "Neither file was tried on Gradescope itself." in " ".join(readme.split())
    assert not re.search("@[A-Z]+@", run + readme)
    assert modes == {"setup.sh": 0o755, "run_autograder": 0o755, "README.txt": 0o644}
    assert "\nLESSONS=3,8\nSEED=7\n" in run


def test_what_is_installed_is_one_word_of_the_shell(tmp_path, out):
    (tmp_path / "camlite 1.whl").write_bytes(b"wheel")
    for install, word in (
        ("git+https://x.org/c.git; rm -rf /", "'git+https://x.org/c.git; rm -rf /'"),
        (str(tmp_path / "camlite 1.whl"), "'/autograder/source/camlite 1.whl'"),
    ):
        gradescope.write_autograder(tmp_path / "a.zip", setup_of(out, [3], None, install))
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            assert f"\nINSTALL={word}\n" in archive.read("setup.sh").decode()
            for name in ("setup.sh", "run_autograder"):
                script = archive.read(name)
                subprocess.run(["bash", "-n"], input=script, check=True)
            assert "\nSEED=''\n" in archive.read("run_autograder").decode()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("camlite 1.whl") == b"wheel"


def test_settings_of_an_earlier_run_are_taken(out):
    out.mkdir()
    (out / "settings.json").write_text('{"seed": 5, "lessons": [3, 8]}')
    assert setup_of(out, [], None, "camlite").lessons_text == "3,8"
    assert setup_of(out, [], None, "camlite").seed == 5
    assert setup_of(out, [4], 0, "camlite").seed == 0
    assert setup_of(out, [4], 0, "camlite").lessons == (4,)
    (out / "settings.json").write_text('{"seed": "$(id)", "lessons": [3]}')
    with pytest.raises(ValueError, match="no whole number"):
        setup_of(out, [], None, "camlite")
    (out / "settings.json").unlink()
    with pytest.raises(ValueError, match="say which lessons"):
        setup_of(out, [], None, "camlite")
    with pytest.raises(ValueError, match="one line"):
        setup_of(out, [3], None, "camlite\nrm")


FAKE = """#!/usr/bin/env bash
# stands for Python on Gradescope: `camlite grade` gives a mark for each file it is shown
if [ -e {crash} ]; then exit 3; fi
if [ "$3" != grade ]; then exec {python} "$@"; fi
echo "$@" > {log}
find "$4" -type f -printf '%P\\n' >> {log}
mkdir -p "$6" && cp {marks} "$6/marks.jsonl"
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Gradescope's machines run Linux")
def test_run_autograder_writes_a_result_whatever_happens(tmp_path, out):
    write(out, one())
    gradescope.write_autograder(tmp_path / "a.zip", setup_of(out, [3], 7, "camlite"))
    root = tmp_path / "autograder"
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(root / "source")
    (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
    (root / "submission").mkdir()
    (root / "submission" / "my lesson.py").write_text("x = 1")
    fake = tmp_path / "python"
    values = {"python": sys.executable, "log": tmp_path / "log", "crash": tmp_path / "crash"}
    fake.write_text(FAKE.format(marks=out / "marks.jsonl", **values))
    fake.chmod(0o755)
    where = {"AUTOGRADER_ROOT": str(root), "CAMLITE_PYTHON": str(fake)}
    where |= {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)}

    def run():
        done = subprocess.run(
            ["bash", root / "run_autograder"], env=os.environ | where, timeout=120
        )
        assert done.returncode == 0
        return json.loads((root / "results" / "results.json").read_text())

    found = run()
    jsonschema.validate(found, GRADESCOPE)
    assert found["score"] == 1.5
    command, file = (tmp_path / "log").read_text().splitlines()
    assert command.endswith("--lessons 3 --seed 7")
    assert file == "student/my lesson.py"
    assert (root / "run_autograder").stat().st_mode & 0o077 == 0  # the seed stands in it
    (tmp_path / "crash").touch()
    found = run()
    assert found["score"] == 0
    assert found["output"].endswith("Please tell your instructor.")


# ------------------------------------------------------------------ GitHub Actions


def test_the_workflow_has_least_permissions_no_secret_and_no_seed(out):
    camlite(*(out, "--to", "github-workflow", "--lessons", "3,8", "--seed", 4711))
    text = (out / "exports" / "github-workflow" / "camlite.yml").read_text()
    found = yaml.safe_load(text)
    assert found[True] == "push"  # YAML 1.1 reads `on` as yes
    assert found["permissions"] == {"contents": "read"}
    job = found["jobs"]["check"]
    assert job["env"] == {"INSTALL": "camlite", "LESSONS": "3,8"}
    assert job["timeout-minutes"] <= 60
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(action.startswith("actions/") for action in used)
    assert job["steps"][0]["with"]["persist-credentials"] is False
    assert "4711" not in text
    assert "${{" not in text
    assert "secrets." not in text
    assert "in values, not in kind" in text
    for step in job["steps"]:
        subprocess.run(["bash", "-n"], input=step.get("run", "").encode(), check=True)


def test_a_strange_name_of_a_package_is_one_string_of_the_workflow(out):
    install = "a: b # 'c' \"d\" \\ é"
    found = yaml.safe_load(github.workflow(setup_of(out, [3], None, install)))
    assert found["jobs"]["check"]["env"]["INSTALL"] == install


def shown(cell: str) -> str:
    """What a reader sees of a cell of the summary."""
    import html

    return html.unescape(cell.replace("<br>", "\n"))


def test_the_summary_shows_messages_as_text(out):
    write(out, one())
    camlite(out, "--to", "github-summary")
    lines = (out / "exports" / "github-summary" / "summary.md").read_text("utf-8").splitlines()
    assert lines[0] == "## 1.5 of 7 points"
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")][2:]
    assert [len(row) for row in rows] == [4, 4, 4]
    assert [row[1].strip() for row in rows] == ["3.1", "3.2", "3.10"]
    assert [row[2].strip() for row in rows] == ["1 of 1", "0.5 of 2", "0 of 4"]
    said = rows[1][3]
    assert not set(said.replace("<br>", "").replace("&#", "").replace(";", "")) & set(
        "<>`[]()*_\"'"
    )
    assert shown(said).strip().startswith("<script>alert(1)</script> | `x` [a](http://b)")
    assert shown(said).strip().endswith("\nnext")


def test_the_summary_of_a_class_names_students_and_stays_below_a_mebibyte():
    names = ["# <b>an</b>", *(f"s{i}" for i in range(100))]
    marks = [
        mark(name, e, 0.0, message="<学>" * 2000) for name in names for e in ("3.1", "3.2", "3.10")
    ]
    text = github.summary(marks)
    assert len(text.encode()) < 2**20
    assert text.startswith("## &#35; &#60;b&#62;an&#60;/b&#62;: 0 of 7 points\n")
    assert text.count("\n## ") == 100
    with pytest.raises(ValueError, match="too many"):
        github.summary([mark(f"{i}" * 100_000) for i in range(20)])


# ------------------------------------------------------------------ JUnit


def test_totals_have_one_row_for_each_student(out):
    eight = Mark("bi", 8, "8.1", "graded", 1.5, 3.0)
    write(out, [mark("bi"), mark("bi", "3.2", 0.5), eight, mark("=1+1, an", points=0.0)])
    camlite(out, "--to", "totals")
    path = out / "exports" / "totals" / "totals.csv"
    header = "student,lesson 3,lesson 8,points,max_points\n"
    assert path.read_text() == f'{header}"\'=1+1, an",0,0,0,1\nbi,1.5,1.5,3,6\n'
    camlite(out, "--to", "totals", "--lessons", 8)
    assert path.read_text() == "student,lesson 8,points,max_points\nbi,1.5,1.5,3\n"


# After junit-10.xsd of Jenkins' xUnit plugin: element -> (attributes, those needed, children)
XSD = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, set(), {"testsuite"}),
    "testsuite": (
        {"name", "time", "tests", "failures", "errors", "skipped", "timestamp", "hostname"},
        {"name", "tests", "failures", "errors"},
        {"properties", "testcase"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, {"name", "value"}, set()),
    "testcase": ({"name", "time", "classname"}, {"name"}, {"failure", "error", "skipped"}),
    "failure": ({"type", "message"}, set(), set()),
    "error": ({"type", "message"}, set(), set()),
}


def test_junit_xml_is_valid_and_comes_back(out):
    marks = [*one(), *class_of(**{'a<b>&\x01"c': 4.0})]
    write(out, marks)
    camlite(out, "--to", "junit")
    path = out / "exports" / "junit" / "junit.xml"
    root = ET.parse(path).getroot()
    for element in root.iter():
        attributes, needed, children = XSD[element.tag]
        assert needed <= set(element.keys()) <= attributes
        assert {child.tag for child in element} <= children
        assert re.fullmatch(r"\d*\.?\d*", element.get("time", "0"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("4", "1", "1")
    assert [suite.get("name") for suite in root] == ['a<b>&"c', "an"]
    an = root[1]
    assert (an.get("tests"), an.get("failures"), an.get("errors")) == ("3", "1", "1")
    assert an.find("properties/property").get("value") == "1.5 of 7"
    cases = an.findall("testcase")
    assert [case.get("name") for case in cases] == ["3.1", "3.2", "3.10"]
    assert cases[1].find("failure").get("type") == "relu is missing"
    assert cases[1].find("failure").text.startswith("<script>alert(1)</script>")
    assert cases[2].find("error").get("type") == "timeout"
    before = path.read_bytes()
    camlite(out, "--to", "junit")
    assert path.read_bytes() == before
    assert b"timestamp" not in before


def test_another_library_reads_the_junit_file_too(tmp_path):
    junitparser = pytest.importorskip("junitparser")
    (tmp_path / "j.xml").write_text(junit.document(one()), encoding="utf-8")
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "j.xml"))
    assert [(case.name, len(case.result)) for case in suite] == [
        ("3.1", 0),
        ("3.2", 1),
        ("3.10", 1),
    ]


# ------------------------------------------------------------------ tables that a system exported

CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lesson 7 (70),Lesson 8 (81),Current Score\r\n"
    ",,,,,,Manual Posting,\r\n"
    '"    Points Possible",,,,,10,4.00,(read only)\r\n'
    '"Doe, Jane",12,u1,jane@uni.edu,"A ""x"", B",7.5,,"81"\r\n'
    '"Nguyễn, Văn An",34,u2,an,A,,"",\r\n'
    '"=2+3, Bo",56,u3,bo,A,=1+1,,\r\n'
    '"Student, Test",99,,0123abc,A,,,\r\n'
)
MOODLE = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\n'
    'Participant 12,"Jane Doe",jane@uni.edu,"Submitted for grading",,"4,00",Yes,-,-,"a\nb"\n'
    'Participant 34,"An Lân",an@uni.edu,"No submission","-","4,00",Yes,-,-,\n'
    'Participant 56,"Bo, the 2nd",bo@uni.edu,"No submission","3,00","4,00",Yes,-,-,\n'
)


def canvas(out, exported, *more: object, code: int = 0, column="Lesson 8"):
    command = (out, "--to", "canvas", "--fill", exported, "--column", column, *more)
    return " ".join(camlite(*command, code=code).output.split())


def moodle(out, exported, *more: object, code: int = 0):
    return " ".join(
        camlite(out, "--to", "moodle", "--fill", exported, *more, code=code).output.split()
    )


def save(path: Path, text: str, encoding: str = "utf-8", bom: bytes = b"") -> Path:
    path.write_bytes(bom + text.encode(encoding))
    return path


def test_canvas_one_column_changes_and_nothing_else(out, tmp_path):
    write(out, class_of(**{"12": 3.5, "an": 4.0, "bo": 0.0}))
    exported = save(tmp_path / "grades.csv", CANVAS)
    said = canvas(out, exported)
    assert "3 written, 0 already there" in said
    assert exported.read_bytes().decode() == CANVAS
    found = (tmp_path / "grades_filled.csv").read_bytes().decode()
    assert found == (
        CANVAS.replace(',7.5,,"81"', ',7.5,3.5,"81"')
        .replace('A,,"",', 'A,,"4",')
        .replace("A,=1+1,,", "A,=1+1,0,")
    )


ENCODINGS = [
    ("utf-8", b""),
    ("utf-8", b"\xef\xbb\xbf"),
    ("utf-16-le", b"\xff\xfe"),
    ("utf-16-be", b"\xfe\xff"),
    ("utf-16-le", b""),
]


@pytest.mark.parametrize(("encoding", "bom"), ENCODINGS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_line_ends_and_delimiter_stay(out, tmp_path, encoding, bom, end, delimiter):
    write(out, class_of(**{"12": 3.5, "Văn__An__Nguyễn": 4.0, "bo": 0.0}))
    rows = list(csv.reader(io.StringIO(CANVAS, newline="")))
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(rows)
    exported = save(tmp_path / "g.csv", text.getvalue(), encoding, bom)
    canvas(out, exported)
    content = (tmp_path / "g_filled.csv").read_bytes()
    assert content.startswith(bom)
    found = content[len(bom) :].decode(encoding)
    assert found.count(end) == text.getvalue().count(end)
    again = list(csv.reader(io.StringIO(found, newline=""), delimiter=delimiter))
    assert [row[6] for row in again] == [
        "Lesson 8 (81)",
        *rows[1][6:7],
        "4.00",
        "3.5",
        "4",
        "0",
        "",
    ]
    assert [row[:6] + row[7:] for row in again] == [row[:6] + row[7:] for row in rows]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_old_encodings_stay_byte_for_byte(out, tmp_path, encoding):
    write(out, class_of(**{"José__Muñoz": 2.0}))
    odd = "\x81" if encoding == "latin-1" else "€"
    text = f"Student,ID,Section,Lesson 8 (1)\n'x{odd}',7,A,\n\"Muñoz, José\",8,A,\n"
    canvas(out, save(tmp_path / "g.csv", text, encoding), code=1)
    found = (tmp_path / "g_filled.csv").read_bytes().decode(encoding)
    assert found == text.replace('José",8,A,', 'José",8,A,2')


def test_what_is_not_matched_is_said_on_both_sides(out, tmp_path):
    write(out, class_of(**{"12": 1.0, "nobody": 2.0, "\x1b[31mred": 3.0}))
    said = canvas(out, save(tmp_path / "g.csv", CANVAS), code=1)
    assert "No row of the table for these submissions: nobody: no row fits" in said
    assert "\x1b" not in said
    assert "No marks for this row: Nguyễn, Văn An" in said
    assert "Test" not in said
    assert "Points Possible" not in said


def test_other_points_are_kept_until_somebody_says_overwrite(out, tmp_path):
    write(out, class_of(**{"12": 3.5, "an": 4.0, "bo": 0.0}))
    text = CANVAS.replace('7.5,,"81"', '7.5,2,"81"').replace('A,,"",', 'A,,"4.00",')
    text = text.replace("=1+1,,", "=1+1,EX,")
    exported = save(tmp_path / "g.csv", text)
    said = canvas(out, exported, code=1)
    assert "0 written, 1 already there" in said
    assert "Other points were kept (--overwrite replaces them): 12: 2, not 3.5" in said
    assert "bo: EX, not 0" in said
    assert (tmp_path / "g_filled.csv").read_bytes().decode() == text
    canvas(out, exported, "--overwrite")
    found = (tmp_path / "g_filled.csv").read_bytes().decode()
    assert ',7.5,3.5,"81"' in found
    assert '"4.00"' in found  # the same points: not a byte changes
    assert "=1+1,0," in found


def test_points_of_another_scale_are_converted_only_if_asked(out, tmp_path):
    write(out, class_of(**{"12": 3.0, "an": 4.0, "bo": 1.0}))
    exported = save(tmp_path / "g.csv", CANVAS.replace("10,4.00", "10,100"))
    assert "out of 100 points, the marks are out of 4; give --scale" in canvas(
        out, exported, code=2
    )
    assert not (tmp_path / "g_filled.csv").exists()
    canvas(out, exported, "--scale")
    assert ",7.5,75," in (tmp_path / "g_filled.csv").read_text(encoding="utf-8")
    canvas(out, exported, "--no-scale")
    assert ",7.5,3," in (tmp_path / "g_filled.csv").read_text(encoding="utf-8")


def test_canvas_refuses_its_own_columns(out, tmp_path):
    write(out, class_of(**{"12": 3.0}))
    exported = save(tmp_path / "g.csv", CANVAS)
    for column in ("Current Score", "Section", "ID"):
        assert "takes no points in the column" in canvas(out, exported, code=2, column=column)
    assert "no column is called 'Lesson'" in canvas(out, exported, code=2, column="Lesson")
    two = save(tmp_path / "two.csv", CANVAS.replace("Lesson 7 (70)", "Lesson 8 (70)"))
    assert "several columns are called 'Lesson 8'" in canvas(out, two, code=2)
    canvas(out, two, code=1, column="lesson 8 (81)")
    notes = save(tmp_path / "n.csv", CANVAS.replace("10,4.00", "10,(read only)"))
    assert "takes no points" in canvas(out, notes, code=2)


def test_canvas_leaves_out_who_does_not_have_the_assignment(out, tmp_path):
    write(out, class_of(**{"12": 3.0, "an": 1.0, "bo": 2.0}))
    exported = save(tmp_path / "g.csv", CANVAS.replace("=1+1,,", "=1+1,N/A,"))
    assert "Not written: bo: Canvas says N/A" in canvas(out, exported, "--overwrite", code=1)
    assert "N/A" in (tmp_path / "g_filled.csv").read_text(encoding="utf-8")


def test_canvas_with_last_and_first_names(out, tmp_path):
    write(out, class_of(**{"Jane__Doe": 3.0}))
    text = "LastName,FirstName,ID,SIS Login ID,Section,Lesson 8 (1)\nDoe,Jane,12,j,A,\n"
    canvas(out, save(tmp_path / "g.csv", text))
    assert (tmp_path / "g_filled.csv").read_text() == text.replace("A,", "A,3")


def test_moodle_fills_the_grade_with_the_decimal_comma_of_the_file(out, tmp_path):
    names = {"Jane Doe_12_assignsubmission_file_": 3.5, "an@uni.edu": 4.0, "bo": 3.0}
    write(out, class_of(**names))
    exported = save(tmp_path / "g.csv", MOODLE)
    said = moodle(out, exported)
    assert "2 written, 1 already there" in said
    found = (tmp_path / "g_filled.csv").read_bytes().decode()
    assert found == MOODLE.replace(
        '"Submitted for grading",,', '"Submitted for grading","3,5",'
    ).replace('"No submission","-"', '"No submission","4"')


def test_moodle_in_other_words_and_with_a_semicolon(out, tmp_path):
    write(out, class_of(**{"Jane Doe_12_assignsubmission_file_": 3.5}))
    text = (
        "ID;Vollständiger Name;E-Mail-Adresse;Status;Bewertung;Bestwertung\r\n"
        "Teilnehmer/in 12;Jane Doe;j@uni.edu;Zur Bewertung abgegeben;;4,00\r\n"
    )
    exported = save(tmp_path / "g.csv", text)
    assert "no column is called 'Grade'; there are 'ID'" in moodle(out, exported, code=2)
    moodle(out, exported, "--column", "Bewertung")
    assert (tmp_path / "g_filled.csv").read_bytes().decode() == text.replace(";;", ";3,5;")


def test_moodle_with_anonymous_marking(out, tmp_path):
    write(out, class_of(**{"Participant_12_assignsubmission_file_": 3.5, "Participant 34": 1.0}))
    text = "Identifier,Status,Grade,Maximum Grade\nParticipant 12,x,,4.00\nParticipant 34,x,,4.00\n"
    moodle(out, save(tmp_path / "g.csv", text))
    found = (tmp_path / "g_filled.csv").read_text()
    assert found == text.replace("12,x,", "12,x,3.5").replace("34,x,", "34,x,1")


def test_moodle_drops_too_many_points_in_silence_so_they_are_not_written(out, tmp_path):
    write(out, class_of(**{"an@uni.edu": 4.0, "jane@uni.edu": 1.0, "bo@uni.edu": 3.0}))
    (out / "by_hand.csv").write_text("student,exercise,points\nan@uni.edu,3.10,5\n")
    said = moodle(out, save(tmp_path / "g.csv", MOODLE), code=1)
    assert "Not written: an@uni.edu: 5 is more than the maximum of 4" in said
    locked = save(tmp_path / "l.csv", MOODLE.replace(',"-","4,00",Yes', ',"-","4,00",No'))
    assert "an@uni.edu: Moodle says that the grade cannot be changed" in moodle(out, locked, code=1)


def test_moodle_s_grader_report(out, tmp_path):
    write(out, class_of(**{"s1": 3.0, "Lan__Do": 2.0}))
    text = (
        '"First name","Last name","ID number","Email address","Assignment: Lesson 8 (Real)"\n'
        "An,Do,s1,a@x.org,-\nLan,Do,,l@x.org,-\n"
    )
    moodle(out, save(tmp_path / "g.csv", text), "--column", "Lesson 8")
    found = (tmp_path / "g_filled.csv").read_text()
    assert found == text.replace("a@x.org,-", "a@x.org,3").replace("l@x.org,-", "l@x.org,2")


# ------------------------------------------------------------------ who is who

PEOPLE = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Lesson 8 (81)\n"
    '"Doe, Jane",12,34,jane@uni.edu,A,\n'
    '"Doe, Jane",34,u2,jane@other.edu,A,\n'
    '"Lân, An",56,u3,an@uni.edu,A,\n'
    '"Bo Li",78,u4,BO@uni.edu,A,\n'
)
WHO = {
    "12": 1,
    "34": "lines 2, 3 fit",  # the number of one, the university's number of the other
    "u2": 2,
    "JANE@other.edu": 2,
    "Jane Doe": "lines 2, 3 fit",
    "doejane_12_777_lesson_08.py": 1,
    "doejane_LATE_34_777_lesson_08.py": 2,
    "Jane Doe_34": 2,
    "An Lân_12": "no row fits",  # name and number are two people's
    "An Lân": 3,
    "LÂN, an": 3,
    "an_la\u0302n": 3,  # the accent as a letter of its own
    "An Lan": "no row fits",
    "li bo": "no row fits",  # without a comma, the order of a name counts
    "Bo  Li": 4,
    "bo": 4,  # the part of the address before the @
    "jane": "lines 2, 3 fit",
    "": "no row fits",
    "_": "no row fits",
    "1": "no row fits",
}


@pytest.mark.parametrize("student", WHO)
def test_who_is_who(out, tmp_path, student):
    write(out, [mark(student, "3.10", 2.0)])
    said = canvas(out, save(tmp_path / "g.csv", PEOPLE), code=1)
    found = (tmp_path / "g_filled.csv").read_text(encoding="utf-8").splitlines()
    filled = [i for i, line in enumerate(found) if line.endswith("A,2")]
    if isinstance(WHO[student], int):
        assert filled == [WHO[student]]
    else:
        assert filled == []
        assert WHO[student] in said


def test_two_submissions_of_one_person_are_for_a_human_to_choose(out, tmp_path):
    write(out, class_of(**{"12": 1.0, "u3": 4.0, "an@uni.edu": 2.0}))
    said = canvas(out, save(tmp_path / "g.csv", PEOPLE), code=1)
    assert "u3: line 4 fits another submission, too" in said
    assert "an@uni.edu: line 4 fits another submission, too" in said
    assert '"Lân, An",56,u3,an@uni.edu,A,\n' in (tmp_path / "g_filled.csv").read_text("utf-8")


# ------------------------------------------------------------------ files that are no table


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no CSV file"),
        (b"only one line\n", "no CSV file"),
        (b"a\nb\n", "no CSV file"),
        (b"PK\x03\x04\x00\x00\xff", "no text"),
        (b'Student,ID\n"open,1\n', "no CSV file"),
        (b"name,points\nan,3\n", "no gradebook of Canvas"),
    ],
)
def test_other_files_are_refused_in_one_sentence(out, tmp_path, content, why):
    write(out, class_of(an=1.0))
    (tmp_path / "g.csv").write_bytes(content)
    assert why in canvas(out, tmp_path / "g.csv", code=2)
    assert not (tmp_path / "g_filled.csv").exists()


def test_a_file_without_changes_is_written_as_it_came(tmp_path):
    for text in (CANVAS, MOODLE, PEOPLE, CANVAS.rstrip("\r\n"), MOODLE + "\n\n", "a,b\r1,2\r"):
        content = text.encode()
        (tmp_path / "g.csv").write_bytes(content)
        assert read_table(tmp_path / "g.csv").bytes() == content


CELLS = st.text(alphabet=' ab"=é学\n,', max_size=6)
TABLES = st.integers(2, 4).flatmap(
    lambda wide: st.lists(st.lists(CELLS, min_size=wide, max_size=wide), min_size=2, max_size=5)
)


@settings(deadline=None)
@given(
    TABLES, st.sampled_from([",", "\t"]), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.data()
)
def test_any_table_comes_back_and_changes_in_one_cell(
    tmp_path_factory, rows, delimiter, end, quoted, data
):
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    path = save(tmp_path_factory.getbasetemp() / "any.csv", text.getvalue())
    table = read_table(path)
    assert table.bytes() == path.read_bytes()
    assume(table.delimiter == delimiter)  # a table full of commas may be read either way
    at = data.draw(st.integers(1, len(rows) - 1)), data.draw(st.integers(0, len(rows[0]) - 1))
    value = data.draw(st.sampled_from(["7.5", "7,5", "", 'a"b\tc']))
    table.change(table.rows[at[0]], at[1], value)
    rows[at[0]][at[1]] = value
    found = csv.reader(io.StringIO(table.bytes().decode(), newline=""), delimiter=delimiter)
    assert list(found) == rows


def test_a_delimiter_inside_of_names_is_not_the_one_of_the_table(tmp_path):
    text = 'Student,ID,"Lesson; one; and; more (1)"\n"a",1,\n'
    assert read_table(save(tmp_path / "g.csv", text)).delimiter == ","
    text = text.replace(",", "\t").replace("; ", ", ")
    assert read_table(save(tmp_path / "g.csv", text)).delimiter == "\t"


def test_wrong_use_is_said_in_one_sentence(out, tmp_path):
    assert "there is no marks.jsonl" in camlite(out, "--to", "junit", code=2).output
    write(out, class_of(an=1.0))
    exported = save(tmp_path / "g.csv", PEOPLE)
    for line, why in (
        (("--to", "canvas"), "--fill grades.csv"),
        (("--to", "canvas", "--fill", exported), "say which column"),
        (("--to", "junit", "--column", "x"), "are for canvas and moodle"),
        (("--to", "moodle", "--fill", tmp_path / "no.csv"), "No such file"),
        (("--to", "moodle", "--fill", exported, "--out", exported), "exported file itself"),
        (("--to", "github-workflow"), "say which lessons"),
        (("--to", "junit", "--lessons", "x"), "'x' is no number of a lesson"),
        (("--to", "github-classroom"), "Invalid value"),
    ):
        assert why in " ".join(camlite(out, *line, code=2).output.replace("│", "").split())
    assert exported.read_text(encoding="utf-8") == PEOPLE
