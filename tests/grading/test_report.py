"""The class report: what is counted, what is proposed, which answers are shown side by side."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

import camlite.course.judge
from camlite.cli import app
from camlite.course.lessons import find_exercise, find_lesson
from camlite.grading.marks import Mark, MarksLog, read_marks
from camlite.grading.names import file_names
from camlite.grading.report import contents, pairs_of, submitted_answers, write_report
from camlite.grading.similar import Answer, compare, definitions, published, tokens
from camlite.grading.tally import (
    FIXED,
    agreeing,
    last_sentence,
    sentence_of,
    tallies,
    worth_a_sentence,
)
from tests.grading.classes import IN_TURN, NAMELESS, UNUSUAL, code_of, make_class, renamed, verdict

EVIL = '<script>alert("x")</script>'


def mark(student, exercise="3.3", points=0.0, diagnosis="", message="", **more):
    lesson, status = int(exercise.split(".")[0]), more.pop("status", "graded")
    return Mark(student, lesson, exercise, status, points, 2.0, diagnosis, message=message, **more)


def written(out, marks):
    with MarksLog(out / "marks.jsonl") as log:
        for student in dict.fromkeys(m.student for m in marks):
            log.append_marks([m for m in marks if m.student == student])
    return write_report(out).read_text(encoding="utf-8")


class Page(HTMLParser):
    """The tags, and the text inside and outside of <svg> and of folded parts."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.pictures, self.plain = [], set(), "", ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag in ("svg", "details", "style"):
            self.open.append(tag)
        if "svg" in self.open:
            self.pictures += " ".join(value or "" for _, value in attrs)

    def handle_endtag(self, tag):
        if tag in self.open:
            self.open.remove(tag)

    def handle_data(self, data):
        self.pictures += data if "svg" in self.open else ""
        self.plain += data if not self.open else ""


# ------------------------------------------------------------------ a whole class


@pytest.fixture(scope="module")
def sixty(tmp_path_factory):
    out = tmp_path_factory.mktemp("sixty")
    return out, make_class(out, 60, names="Thị {:03} " + EVIL)


def test_every_student_of_a_class_is_counted_once(sixty):
    out, students = sixty
    every = tallies(read_marks(out))
    assert [t.exercise for t in every] == ["3.1", "3.2", "3.3", "3.4", "3.5"]
    for tally in every:
        assert tally.students == len(students)
        assert sum(m.students for m in tally.mistakes) == tally.outcomes["named"] > 0
        assert all(len(m.sentence) > 20 for m in tally.mistakes)
        known = {w.name: w.sentence for w in find_exercise(tally.exercise).wrong_answers}
        for mistake in tally.mistakes:
            assert mistake.found or mistake.sentence == known[mistake.diagnosis]


def test_names_stand_only_beside_pairs_and_in_folded_tables(sixty):
    out, students = sixty
    page = Page(write_report(out).read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert not [name for name in students if name[:8] in page.pictures]
    beside = {name for name in students if name in page.plain}
    assert beside == {students[1], students[5]}  # the pair that the class was made with


def test_the_report_of_a_class_is_one_file_that_asks_for_nothing(sixty):
    out, _ = sixty
    text = write_report(out).read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert text.count("<svg") == 3
    assert text.count("aria-label=") == 3
    outside = re.sub(r'xmlns(:xlink)?="[^"]*"', "", text)
    assert not re.search(r"https?:|src=|@import|url\((?!#)", outside)
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))


def test_the_same_class_gives_the_same_bytes(sixty, tmp_path):
    out, _ = sixty
    once = write_report(out, tmp_path / "a.html").read_bytes()
    assert write_report(out, tmp_path / "b.html").read_bytes() == once


def test_three_hundred_students_fit_into_one_file(tmp_path):
    make_class(tmp_path, 300)
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "300 students" in page
    assert len(page) < 1_000_000


# ------------------------------------------------------------------ counting


def test_outcomes_and_the_hardest_exercise(tmp_path):
    marks = [
        mark("a", "3.1", 2.0),
        mark("b", "3.1", 0.0, "todo"),
        mark("c", "3.1", 0.0, "channels_not_summed"),
        mark("d", "3.1", 0.0),
        mark("e", "3.1", 0.0, status="timeout", seconds=20.0),
        mark("a", "3.2", 0.0, status="crashed"),
        mark("a", "3.10", 1.0, "by hand", by_hand=True),
    ]
    first = tallies(marks)[0]
    assert list(first.outcomes.values()) == [1, 1, 1, 1, 1]
    assert first.share == 0.2
    page = contents(tmp_path, marks)
    assert [t.exercise for t in page["hardest"]] == ["3.2", "3.1", "3.10"]
    assert [t.exercise for t in page["tallies"]] == ["3.1", "3.2", "3.10"]
    assert dict(page["statuses"])["3.1"] == [4, 1, 0, 0, 0, 0, 0]
    assert page["slowest"][0].student == "e"
    assert page["rows"][0].points == 3.0
    assert page["rows"][0].trouble == "3.2 crashed"


def test_points_by_hand_count_in_the_report(tmp_path):
    text = "student,exercise,points\nb,3.3,2\n"
    marks = [mark("a", points=2.0), mark("b", diagnosis="standardized")]
    (tmp_path / "by_hand.csv").write_text(text)
    assert "Half of the class has at least 100 %" in written(tmp_path, marks)


def test_the_sentence_of_a_mistake():
    normalize = find_exercise("3.3")
    declared = next(w for w in normalize.wrong_answers if w.name == "standardized")
    assert sentence_of(normalize, "standardized", ["forged"]) == declared.sentence
    assert sentence_of(normalize, "found: relu(M)", ["forged"]) == normalize.taught["relu(M)"]
    several = ["Case: a.\nSeen most.", "Seen most.\n2 of 4 cases are right.", "Seen once."]
    assert sentence_of(normalize, "found: something", several) == "Seen most."
    by_name = sentence_of(find_exercise("3.1"), "found: result: tanh", [])
    assert by_name == "Your result is the right one, but after tanh."
    assert "No sentence" in sentence_of(None, "gone", [])


def test_prints_and_counts_are_not_taken_for_the_sentence():
    message = (
        "Case: a.\nIn this case: You summed.\n1 of 4 cases is right.\nYour code printed:\n    x"
    )
    assert last_sentence(message) == "You summed."
    assert last_sentence("") == ""


def test_the_mistakes_with_fixed_sentences_are_those_of_the_judge():
    source = Path(camlite.course.judge.__file__).read_text(encoding="utf-8")
    assert set(re.findall(r'"found: ([\w ]+)"', source)) == FIXED


# ------------------------------------------------------------------ what to add


def test_a_sentence_is_proposed_for_what_many_did_and_nobody_taught():
    names = ["F: mean 1"] * 3 + ["result: tanh"] * 2 + ["result: relu"] * 5 + ["no return"] * 5
    marks = [mark(str(i), "3.1", 0.0, f"found: {name}", "S.") for i, name in enumerate(names)]
    marks += [mark(f"x{i}", "3.1", 0.0, "channels_not_summed") for i in range(9)]
    assert "result: relu" in find_exercise("3.1").taught
    found = worth_a_sentence(tallies(marks)[0].mistakes)
    assert [(m.found, m.students) for m in found] == [("F: mean 1", 3)]


def test_equal_wrong_answers_without_a_name_are_put_together(tmp_path):
    status, diagnosis, message = verdict("3.3", NAMELESS)
    assert (status, diagnosis) == ("wrong", "")
    nearly = re.sub(r"(\d\.\d\d\d)(?=,)", r"\g<1>", message).replace("  yours     ", "  yours  ")
    other = message.replace("  yours     shape (3, 5, 7): ", "  yours     shape (3, 5, 7): 9.5, ")
    printed = f"{message}\nYour code printed:\n    {EVIL}"
    texts = {"an": message, "bi": printed, "cy": nearly, "do": other, "ed": other[:20]}
    told = message.split("\n")[0]
    marks = [mark(student, message=told, evidence=text) for student, text in texts.items()]
    named = mark("named", diagnosis="x", message=told, evidence=message)
    marks += [named, mark("ok", "3.1", message=told, evidence=message)]
    (one,) = agreeing(marks)
    assert one.students == ("an", "bi", "cy")
    folder = tmp_path / "submitted" / "an"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text(code_of("3.3", NAMELESS))
    page = Page(written(tmp_path, marks))
    assert "3 students, exercise 3.3" in " ".join(page.plain.split())
    assert "scaled.cos()" in write_report(tmp_path).read_text()


# ------------------------------------------------------------------ similar answers


def answers(*codes):
    """Answers of students a, b, c …"""
    return [
        Answer(name, code, tokens_of(code)) for name, code in zip("abcdefgh", codes, strict=False)
    ]


def tokens_of(code):
    return tokens(next(n for n in ast.parse(code).body if isinstance(n, ast.FunctionDef)))


def flagged(*codes, exercise="3.3"):
    solution, base = published(find_lesson(exercise), find_exercise(exercise).name)
    found = compare(exercise, answers(*codes), solution, base)
    return [(s.first.student, s.second.student) for s in found.pairs]


DISGUISED = '''
def normalize(maps: "Tensor", *, unused=None):
    """Done all alone."""
    # another comment
    everything = sorted( maps.flatten(1).tolist() )
    for number, numbers in enumerate(maps.flatten(1)):
        largest, smallest = float(max(numbers)), float(min(numbers))

        while largest - smallest > 0.0 and number < len(everything):
            maps[number] = torch.tensor(
                [(one - smallest) / (largest - smallest) for one in numbers]
            ).view_as(maps[number])
            break
        else:
            maps[number] = torch.zeros(maps.shape[2:])
    return maps
'''
HONEST = textwrap.dedent("""
def normalize(M):
    scaled = []
    for one in M:
        span = one.max() - one.min()
        if span == 0:
            scaled.append(one * 0)
        else:
            scaled.append((one - one.min()) / span)
    return torch.stack(scaled)
""")


def test_a_renamed_copy_is_shown_and_an_honest_other_answer_is_not():
    mine = code_of("3.3", UNUSUAL)
    assert flagged(mine, DISGUISED, HONEST, code_of("3.3", IN_TURN)) == [("a", "b")]


def test_what_can_be_renamed_or_left_out_leaves_no_token():
    bare = "def f(a, b):\n    return a.mean(dim=1) + 2 * b\n"
    dressed = (
        'def g(x: "Tensor", other: int | None) -> dict[str, float]:\n    """Text."""\n'
        "    # a comment\n    return (x.mean(dim = 7)\n            + 0.5*other)\n"
    )
    assert tokens_of(dressed) == tokens_of(bare)
    assert tokens_of(bare.replace("mean", "sum")) != tokens_of(bare)
    assert tokens_of(bare.replace("dim", "axis")) != tokens_of(bare)
    assert tokens_of(bare.replace("+", "-")) != tokens_of(bare)


def test_two_who_wrote_the_published_solution_are_not_shown():
    lesson = find_lesson(3)
    text = re.search(r"def normalize.*?### END SOLUTION", lesson.text, re.S)[0]
    own = renamed(text, 4)
    assert flagged(text, own, HONEST) == []
    solution, base = published(lesson, "normalize")
    assert compare("3.3", answers(text, own, HONEST), solution, base).as_published == 2


def test_short_answers_are_not_compared():
    short = code_of("3.3", NAMELESS)
    assert flagged(short, renamed(short, 2)) == []


def test_what_many_wrote_is_no_pair_but_a_form_that_many_share():
    mine = code_of("3.3", UNUSUAL)
    many = [renamed(mine, n) for n in range(5)]
    assert len(flagged(*many[:3])) == 3
    assert flagged(*many) == []
    solution, base = published(find_lesson(3), "normalize")
    (count, _), *others = compare("3.3", answers(*many, HONEST), solution, base).common
    assert (count, others) == (5, [])


def test_the_threshold_counts_and_pairs_are_put_together_by_students():
    mine = code_of("3.3", UNUSUAL)
    half = mine.replace("    return M\n", HONEST.replace("def normalize(M):\n", ""))
    two = answers(mine, half)
    score = compare("3.3", two, threshold=0.01).pairs[0].score
    assert 0.2 < score < 0.95
    assert compare("3.3", two, threshold=score + 0.01).pairs == []
    both = [compare(id, answers(mine, DISGUISED, half)) for id in ("3.3", "3.4")]
    assert pairs_of(both)[0].students == ("a", "b")
    assert [s.exercise for s in pairs_of(both)[0].found] == ["3.3", "3.4"]


# ------------------------------------------------------------------ files that were handed in


def test_files_are_read_as_a_check_reads_them(tmp_path):
    stub = 'def normalize(M):\n    raise NotImplementedError("Exercise 3.3: normalize")\n'
    cells = ["%matplotlib inline\nimport torch", HONEST, stub, "def broken(:"]
    book = {"cells": [{"cell_type": "code", "source": code} for code in cells[:3]]}
    (tmp_path / "a.ipynb").write_text(json.dumps(book))
    (tmp_path / "a.py").write_text("\n\n# %%\n".join(cells[1:]))
    (tmp_path / "big.py").write_text(HONEST + "#" * 2_000_001)
    (tmp_path / "bad.ipynb").write_text("{")
    (tmp_path / "deep.py").write_text("x = " + "-" * 100_000 + "1\n")
    (tmp_path / "none.py").write_bytes(b"\x00\xff")
    for name in ("a.ipynb", "a.py"):
        code, row = definitions(tmp_path / name)["normalize"]
        assert code == HONEST.strip()
        assert row == tokens_of(HONEST)
    for name in ("big.py", "bad.ipynb", "deep.py", "none.py", "missing.py"):
        assert "normalize" not in definitions(tmp_path / name)


def test_a_student_is_compared_with_nobody_elses_files(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.py").write_text(code_of("3.3", UNUSUAL))
    students = ["../outside", "an", "link"]
    for student in students[1:]:
        folder = tmp_path / "submitted" / file_names(students)[student]
        folder.mkdir(parents=True)
    (tmp_path / "submitted" / "an" / "a.py").write_text(code_of("3.3", UNUSUAL))
    (tmp_path / "submitted" / "link" / "a.py").symlink_to(tmp_path / "outside" / "a.py")
    marks = [mark(s, file="../../outside/a.py", message="x") for s in students]
    (compared,) = contents(tmp_path, marks)["compared"]
    assert compared.answers == 1


def test_the_graded_file_counts_where_there_are_several(tmp_path):
    folder = tmp_path / "submitted" / "an"
    folder.mkdir(parents=True)
    (folder / "1.py").write_text(HONEST)
    (folder / "2.py").write_text(code_of("3.3", UNUSUAL))
    (answer,) = submitted_answers(tmp_path, [mark("an", file="late/1.py")])["3.3"]
    assert answer.code == HONEST.strip()
    (answer,) = submitted_answers(tmp_path, [mark("an", file="2.py")])["3.3"]
    assert "sorted(" in answer.code


def test_code_of_students_stays_text(tmp_path):
    students = ["an", EVIL]
    for number, name in enumerate(file_names(students).values()):
        folder = tmp_path / "submitted" / name
        folder.mkdir(parents=True)
        comment = f"    # {EVIL}\x1b[31m\u202e\n    return M\n"
        code = renamed(code_of("3.3", UNUSUAL), number).replace("    return M\n", comment)
        (folder / "a.py").write_text(code)
    text = written(tmp_path, [mark(s, message=EVIL, file=EVIL, diagnosis=EVIL) for s in students])
    page = Page(text)
    assert "script" not in page.tags
    assert page.plain.count(EVIL) >= 4  # heading, both answers, the mistake
    assert "\x1b" not in text
    assert "\u202e" not in text


# ------------------------------------------------------------------ the command


def test_the_command_writes_the_report_and_says_where(tmp_path):
    written(tmp_path, [mark("an", points=2.0)])
    done = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "r.html")])
    assert done.exit_code == 0
    assert "r.html" in done.stdout
    assert "1 student," in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("bad", [["--similarity", "0"], ["--similarity", "1.5"], []])
def test_wrong_use_is_one_line(tmp_path, bad):
    if bad:
        written(tmp_path, [mark("an")])
    done = CliRunner().invoke(app, ["report", str(tmp_path), *bad])
    assert done.exit_code == 2
    assert done.stdout == ""


def test_marks_of_lessons_that_are_gone_and_odd_numbers(tmp_path):
    marks = [Mark("an", 97, "97.1", "graded", 0.0, 0.0, "old"), mark("bi", "3.99", 1.0)]
    (tmp_path / "settings.json").write_text('{"seed": "<b>7"}')
    page = Page(written(tmp_path, marks))
    assert "Lesson 97" in page.plain
    assert "<b>7" in page.plain
