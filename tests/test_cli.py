"""The command line: one vocabulary, help with examples, and one clear line for every mistake."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from camlite.cli import app, doctor, learn, library, measure
from camlite.cli.console import OLD_SPELLINGS, words
from camlite.course import workspace
from camlite.course.lessons import find_lesson

PANELS = ["Learn", "Draw", "Measure", "For teachers", "For authors"]
GROUP = get_command(app)
assert isinstance(GROUP, TyperGroup)
PANELS = ["Learn", "Draw", "Measure", "For teachers", "For authors"]
COMMANDS: dict[str, Any] = {
    **{name: command for name, command in GROUP.commands.items() if name != "dev"},
    **{f"dev {name}": command for name, command in GROUP.commands["dev"].commands.items()},
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMLITE_LESSONS", str(tmp_path / "lessons"))
    monkeypatch.setenv("CAMLITE_HOME", str(tmp_path / "home"))
    return tmp_path


def camlite(*args: str):
    return CliRunner().invoke(app, list(args))


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if "-" in name}


# ------------------------------------------------------------------ one vocabulary


def test_no_command_has_an_option_that_another_spells_differently() -> None:
    every = set().union(*(options(command) for command in COMMANDS.values()))
    assert {"--method", "--metric", "--class", "--class-table", "--out", "--json"} <= every
    assert not every & set(OLD_SPELLINGS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_and_shows_no_old_spelling(name: str) -> None:
    done = camlite(*name.split(), "--help")
    assert done.exit_code == 0
    unwrapped = " ".join(done.stdout.replace("│", " ").split())
    assert f"Example: camlite {name}" in unwrapped
    assert not [old for old in OLD_SPELLINGS if re.search(rf"{old}\b(?!-)", unwrapped)]


def test_help_groups_the_commands() -> None:
    shown = camlite("--help").stdout
    panels = [p for p in PANELS if f"─ {p} ─" in shown]
    assert panels == PANELS
    assert "a.b" not in shown


def received(monkeypatch: pytest.MonkeyPatch, *args: str) -> dict[str, Any]:
    """What the command's function is given; the function itself does not run."""
    given: dict[str, Any] = {}
    command = COMMANDS[args[0]]
    monkeypatch.setattr(command, "callback", lambda **values: given.update(values))
    command.main(list(args[1:]), standalone_mode=False)
    return given


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("explain a.jpg --save b.png", "explain a.jpg --out b.png"),
        ("explain a.jpg --save=b.png", "explain a.jpg --out=b.png"),
        ("gallery a.jpg --save b", "gallery a.jpg --out b"),
        ("evaluate x --methods a,b --methods c", "evaluate x --method a,b --method c"),
        ("evaluate x --metrics a --classes t.csv", "evaluate x --metric a --class-table t.csv"),
    ],
)
def test_old_spellings_still_work(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    before, now = (received(monkeypatch, *line.split()) for line in (old, new))
    assert before == now
    assert any(value for value in now.values())


def test_an_old_spelling_means_nothing_where_the_new_one_does_not_exist() -> None:
    done = camlite("explain", "--classes", "3")
    assert done.exit_code == 2
    assert "--classes" in done.stderr


def test_an_argument_after_two_dashes_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    images = received(monkeypatch, "explain", "--", "--save")["image"]
    assert list(map(Path, images)) == [Path("--save")]


def test_lists_and_repetition_mean_the_same() -> None:
    assert words(["a, b", "c"]) == words(["a", "b", "c"]) == ["a", "b", "c"]
    assert words(None) == words([" ,"]) == []


# ------------------------------------------------------------------ without arguments


def test_the_next_hint_is_for_the_first_exercise_that_is_not_passed(own_folder: Path) -> None:
    camlite("start", "3", "--no-open")
    assert "Hint 1 of 3 for 3.1" in camlite("hint").stdout
    assert "Hint 2 of 3 for 3.1" in camlite("hint").stdout
    progress = own_folder / "home" / "progress.json"
    state = json.loads(progress.read_text())
    for id in find_lesson("3").exercises:
        state["exercises"][id] = {"status": "passed", "attempts": 1, "hints": 0}
        if id == "3.1":
            progress.write_text(json.dumps(state))
            assert "for 3.2" in camlite("hint").stdout
    progress.write_text(json.dumps(state))
    done = camlite("hint")
    assert done.exit_code == 2
    assert "passed all exercises of lesson 3" in done.stderr


def test_reset_takes_the_current_lesson() -> None:
    camlite("start", "3", "--no-open")
    file = workspace.paths.learner_folder() / f"{find_lesson('3').name}.ipynb"
    fresh = file.read_bytes()
    file.write_text("mine")
    done = camlite("reset")
    assert "Backup of your file" in done.stdout
    assert file.read_bytes() == fresh


def test_explain_and_gallery_take_a_sample_photograph(monkeypatch: pytest.MonkeyPatch) -> None:
    from camlite.data.files import photo_files
    from camlite.figures import explain, gallery

    seen = []

    def stop(image: Path, *_: Any, **__: Any) -> None:
        seen.append(image)
        raise ValueError("seen")

    monkeypatch.setattr(explain, "explain", stop)
    monkeypatch.setattr(gallery, "gallery", stop)
    assert camlite("explain").exit_code == camlite("gallery").exit_code == 2
    assert seen == [photo_files()[0]] * 2
    assert seen[0].is_file()


def test_card_lists_all_methods_as_json() -> None:
    every = json.loads(camlite("card", "--json").stdout)
    one = json.loads(camlite("card", "grad_cam", "--json").stdout)
    assert one in every
    assert len(every) > 30


# ------------------------------------------------------------------ quiz


def asked(monkeypatch: pytest.MonkeyPatch, answers: list[Any], *args: str):
    """`camlite quiz` at a terminal where somebody types this; an exception is a key."""
    typed = iter(answers)

    def type_(prompt: str) -> str:
        now = next(typed)
        if isinstance(now, type):
            raise now
        print(prompt)
        return now

    monkeypatch.setattr(learn, "_somebody_answers", lambda: True)
    monkeypatch.setattr("builtins.input", type_)
    return camlite("quiz", *args)


def plain(text: str) -> str:
    return re.sub(r"[*`\s]+", " ", text)


def test_a_quiz_asks_one_by_one_and_says_what_to_read_again(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    answers = ["", "y", "", "maybe", "NO", "", "yes", "", "n", "", "y"]
    done = asked(monkeypatch, answers, "3")
    assert done.exit_code == 0
    shown, end = plain(done.stdout), 0
    for question in find_lesson("3").questions:  # each answer comes after Enter, in order
        at = [shown.index(plain(t), end) for t in (question.text, "Enter", question.answer)]
        assert at == sorted(at)
        end = at[-1]
    assert shown.count("Please type y or n") == 1
    assert "You knew 3 of 5" in shown
    again = re.findall(r"Read again for question (\d): (Lesson \d)", done.stdout)
    assert again == [("2", "Lesson 3"), ("4", "Lesson 2")]
    state = json.loads((own_folder / "home" / "progress.json").read_text())
    known = {"1": True, "2": False, "3": True, "4": False, "5": True}
    assert state == {"exercises": {}, "lesson": None, "quiz": {"3": known}}


@pytest.mark.parametrize("key", [KeyboardInterrupt, EOFError])
def test_a_quiz_may_end_at_any_time(
    monkeypatch: pytest.MonkeyPatch, own_folder: Path, key: type
) -> None:
    done = asked(monkeypatch, [key], "3")
    assert done.exit_code == 0
    assert "You answered no question" in done.stdout
    assert not (own_folder / "home" / "progress.json").exists()
    done = asked(monkeypatch, ["", "y", "", key], "3")
    assert done.exit_code == 0
    assert "You knew 1 of 1" in done.stdout
    assert "You stopped early" in done.stdout


def test_a_later_quiz_counts_and_status_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "quiz" not in camlite("status").stdout
    asked(monkeypatch, ["", "n"] * 5, "3")
    asked(monkeypatch, ["", "y", "", "y", EOFError], "3")
    shown = camlite("status").stdout
    assert "quiz" in shown
    assert re.findall(r"(\d of \d) ", shown) == ["2 of 5"]


def test_without_a_number_the_quiz_is_of_the_lesson_that_was_started() -> None:
    assert camlite("quiz").stdout.startswith("Lesson 1")
    camlite("start", "3", "--no-open")
    assert camlite("quiz").stdout.startswith("Lesson 3")


def test_all_questions_are_printed_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = camlite("quiz", "6")  # the input of the tests is no terminal
    assert printed.exit_code == 0
    assert printed.stdout.count("Answer:") == 5
    assert asked(monkeypatch, [], "6", "--all").stdout == printed.stdout
    found = json.loads(asked(monkeypatch, [], "6", "--json").stdout)
    assert found["lesson"] == 6
    assert [q["number"] for q in found["questions"]] == [1, 2, 3, 4, 5]
    assert [q["lesson"] for q in found["questions"]] == [6, 6, 6, 3, 2]
    assert {key for q in found["questions"] for key in q} == {"number", "lesson", "text", "answer"}


def test_a_damaged_quiz_does_not_stop_the_learner(own_folder: Path) -> None:
    (own_folder / "home").mkdir()
    for quiz in ("[]", '{"3": 1}'):
        damaged = f'{{"exercises": {{}}, "quiz": {quiz}}}'
        (own_folder / "home" / "progress.json").write_text(damaged)
        assert camlite("status").exit_code == 0


# ------------------------------------------------------------------ mistakes

WRONG = [
    "nonsense",
    "start 99",
    "start three",
    "check 3.77",
    "check 3 --file no.py",
    "check 3",
    "hint 3",
    "hint 99.1",
    "quiz 99",
    "quiz three",
    "reset x",
    "card grad-camm",
    "explain no.jpg",
    "explain {text}",
    "explain {folder}",
    "explain {image} --model resnet5",
    "explain {image} {image} --out a.png",
    "explain {image} --method nope",
    "explain {image} --out {text}/a.png",
    "gallery no.jpg",
    "gallery {image} --method nope",
    "gallery {image} --model nope",
    "evaluate no/where",
    "evaluate scenes --method nope",
    "evaluate scenes --metric nope",
    "evaluate scenes --limit 0",
    "evaluate scenes --limit x",
    "evaluate scenes --steps 0",
    "evaluate scenes --keep 2",
    "evaluate scenes --keep nan",
    "evaluate scenes --fill red",
    "evaluate scenes --fill nan",
    "evaluate scenes --protocol mine",
    "evaluate scenes --target best",
    "evaluate scenes --set rise",
    "evaluate scenes --set rise.size=3 --method rise",
    "evaluate scenes --set rise.samples=many --method rise",
    "evaluate scenes --set rise.samples= --method rise",
    "evaluate scenes --set rise.samples=9 --method cam",
    "evaluate scenes --set nope.samples=1",
    "evaluate scenes --layer nope",
    "evaluate scenes --model nope",
    "evaluate scenes --model nope:make",
    "evaluate scenes --device tpu",
    "evaluate scenes --batch-size 0",
    "evaluate scenes --side -1",
    "evaluate scenes --seed -1 --limit 1 --method cam --steps 2",
    "evaluate scenes --masks no",
    "evaluate difull --model rail_repaired",
    "evaluate difull --model heads_flatten",
    "evaluate difull --target predicted",
    "evaluate scenes --metric part_order",
    "evaluate parts --model heads_flatten",
    "evaluate {folder} --model pond_repaired",
    "evaluate {folder} --model pond_repaired --out {folder}/x",
    "evaluate {text} --model pond_repaired",
    "demo --out {text}",
    "dev release --out {text}",
    "release --out {text}",
    "release --lessons 99",
    "release --lessons 3.1",
    "release --lessons 3-8",
    "release --format pdf",
]


@pytest.mark.parametrize("line", WRONG)
def test_wrong_use_is_one_line_and_exit_code_2(own_folder: Path, line: str) -> None:
    from PIL import Image

    (own_folder / "folder").mkdir()
    (own_folder / "text.txt").write_text("no image")
    Image.new("RGB", (8, 8)).save(own_folder / "image.png")
    done = camlite(*line.format(text="text.txt", image="image.png", folder="folder").split())
    assert done.exit_code == 2, (done.exit_code, done.stdout, done.exception)
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    assert done.stderr.count("\n") == 1 or "Usage" in done.stderr, done.stderr


def test_a_method_may_be_written_as_people_write_it(own_folder: Path) -> None:
    for command in ("card grad-camm", "explain --method grad-camm", "gallery --method grad-camm"):
        assert "did you mean grad_cam" in camlite(*command.split()).stderr
    done = camlite("explain", "no.jpg", "--method", "Grad-CAM++")
    assert "no.jpg does not exist" in done.stderr  # the method is known


def test_errors_of_the_system_are_sentences(own_folder: Path) -> None:
    (own_folder / "text.txt").write_text("no folder")
    done = camlite("explain", "--out", "text.txt/a.png")
    assert done.exit_code == 2
    assert done.stderr.startswith("camlite: ")
    assert "Errno" not in done.stderr


def test_every_command_takes_a_mistake_kindly() -> None:
    """All functions are wrapped, so that a mistake cannot become a traceback."""
    for command in COMMANDS.values():
        assert hasattr(inspect.unwrap(command.callback), "__wrapped__") or hasattr(
            command.callback, "__wrapped__"
        )
    assert library.card.__wrapped__
    assert measure.evaluate.__wrapped__


# ------------------------------------------------------------------ doctor


def findings(*args: str) -> tuple[int, list[dict[str, str]]]:
    done = camlite("doctor", "--json", *args)
    return done.exit_code, json.loads(done.stdout)


def test_the_doctor_finds_nothing_wrong_here() -> None:
    code, found = findings()
    assert code == 0, [f for f in found if f["status"] == "fail"]
    packages = {f["what"].split()[0] for f in found if f["group"] == "Python packages"}
    assert {"torch", "pillow", "ipykernel", "typer"} <= packages
    assert "pytest" not in packages  # an extra, not needed by learners
    assert camlite("doctor").stdout.count("[ OK ]") == sum(f["status"] == "ok" for f in found)


def test_the_doctor_says_what_is_missing_or_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["torch>=99.1", "no-such-package>=2", "rich", 'pytest>=999; extra == "test"']
    monkeypatch.setattr(doctor, "requires", lambda _: asked)
    code, found = findings()
    assert code == 1
    failed = {f["what"]: f["remedy"] for f in found if f["status"] == "fail"}
    old, missing = sorted(failed, reverse=True)
    assert old.startswith("torch ")
    assert old.endswith(" is older than 99.1")
    assert missing == "no-such-package is missing"
    assert failed[missing] == 'python -m pip install "no-such-package>=2"'


def test_the_doctor_sees_a_changed_network_and_a_place_it_cannot_write_in(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (own_folder / "a file").write_text("")
    monkeypatch.setenv("CAMLITE_LESSONS", str(own_folder / "a file" / "lessons"))
    monkeypatch.setattr(workspace.paths, "DATASETS", own_folder)
    (own_folder / "pond.json").write_text('{"sha256": "0"}')
    (own_folder / "pond.pt").write_bytes(b"changed")
    code, found = findings()
    assert code == 1
    failed = " ".join(f["what"] for f in found if f["status"] == "fail")
    assert "pond.pt is missing or changed" in failed
    assert "cannot write in" in failed


def test_version_numbers_are_compared_as_numbers() -> None:
    assert doctor._numbers("2.10.1+cpu") == (2, 10, 1)
    assert doctor._numbers("2.9") < doctor._numbers("2.10.0rc1")


# ------------------------------------------------------------------ the documentation

DOCS = sorted(Path(__file__).parents[1].glob("docs/*.md"))
OTHER_PROGRAMS = {"--nproc-per-node", "--requeue", "--help"}  # torchrun, sbatch, every program
CALL = re.compile(r"camlite (" + "|".join(COMMANDS) + r")\b((?:\\\n|[^\n`])*)")


def test_every_option_in_the_page_of_evaluate_exists() -> None:
    page = (Path(__file__).parents[1] / "docs" / "evaluate.md").read_text(encoding="utf-8")
    running_text = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    named = set(re.findall(r"--[a-z][a-z-]+", running_text)) - OTHER_PROGRAMS
    known = {o for p in COMMANDS["evaluate"].params for o in (*p.opts, *p.secondary_opts)}
    assert len(named) > 15
    assert named <= known | set(OLD_SPELLINGS)
    unnamed = {o for o in known if o.startswith("--")} - named
    assert unnamed <= {"--help", "--json", "--normalize"}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.stem)
def test_commands_in_the_docs_use_options_that_exist(path: Path) -> None:
    calls = CALL.findall(path.read_text(encoding="utf-8"))
    for name, rest in calls:
        named = set(re.findall(r"--[a-z][a-z-]+", rest))
        known = {o for p in COMMANDS[name].params for o in (*p.opts, *p.secondary_opts)}
        assert named <= known | {"--help"}, name
    assert calls or path.stem != "evaluate"
