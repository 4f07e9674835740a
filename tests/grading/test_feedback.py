"""Feedback pages: what a student reads, and that a student's text stays in its place."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from camlite.course.judge import judge
from camlite.course.lessons import find_lesson
from camlite.course.observe import observe
from camlite.grading.feedback import kind_of, write_feedback
from camlite.grading.marks import Mark
from camlite.grading.names import LONGEST, file_names, key
from camlite.grading.text import lines, one_line

EVIL = '<script>alert("x")</script><img src=x onerror=y>'
ALLOWED = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "article"}
ALLOWED |= {"h1", "h2", "h3", "p", "pre", "code", "span", "strong", "bdi", "footer"}


def mark(student="an", exercise="3.1", points=2.0, status="graded", **more):
    return Mark(student, int(exercise.split(".")[0]), exercise, status, points, 2.0, **more)


def graded(exercise, wrong=None, seed=5):
    """A mark as the check gives it: of a declared wrong answer, or of the right one."""
    found = find_lesson(exercise).exercises[exercise]
    answers = {known.name: known.answer for known in found.wrong_answers}
    verdict = judge(found, observe(found, answers[wrong] if wrong else found.right, seed), seed)
    points = 2.0 if verdict.status == "passed" else 0.0
    return mark("an", exercise, points, diagnosis=verdict.diagnosis or "", message=verdict.message)


def pages(out, student, marks):
    """The texts of the two pages, which must be the only ones of this call."""
    write_feedback(out, student, marks)
    return [next((out / "feedback").glob(f"*.{kind}")).read_text() for kind in ("html", "md")]


class Tags(HTMLParser):
    """The tags and attributes of a page, and the text outside <style>."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


# ------------------------------------------------------------------ what is said


def test_the_page_says_what_was_seen_what_was_expected_and_what_comes_next(tmp_path):
    marks = [graded("3.1", "divided_by_the_places"), graded("3.2")]
    assert (marks[0].diagnosis, marks[1].points) == ("divided_by_the_places", 2.0)
    page, text = pages(tmp_path, "an", marks)
    for shown in (Tags(page).text, text.replace("\\", "")):
        shown = " ".join(shown.split())
        assert "2 of 4 points" in shown
        assert "1 of 2 exercises is right" in shown
        assert "You divided by the number of places" in shown
        assert re.search(r"expected +shape", shown)
        assert "“The idea: change the order of two sums” and “Exercise 3.1: the map”" in shown
        assert "camlite hint 3.1" in shown
        assert "camlite hint 3.2" not in shown  # it is right


def test_no_solution_and_no_hint_is_given_away(tmp_path):
    lesson = find_lesson(3)
    page, text = pages(
        tmp_path, "an", [graded("3.1", "divided_by_the_places"), graded("3.3", "minimum_kept")]
    )
    for line in lesson.text.split("### BEGIN SOLUTION")[1].split("### END SOLUTION")[0].split("\n"):
        assert len(line.strip()) < 16 or line.strip() not in page + text
    for hint in (h for e in lesson.exercises.values() for h in e.hints):
        assert hint[:40] not in page + text


STATUSES = {
    "timeout": "never ends",
    "crashed": "ended the Python process",
    "memory": "more memory",
    "no_file": "Did you hand one in?",
    "not_parsable": "not valid Python",
    "refused": "does not refuse it",
}


@pytest.mark.parametrize("status", STATUSES)
def test_where_there_is_no_verdict_the_page_says_why(tmp_path, status):
    page, text = pages(tmp_path, "an", [mark(status=status, points=0.0)])
    assert STATUSES[status] in page
    assert STATUSES[status] in text


def test_not_written_yet_is_not_called_wrong(tmp_path):
    todo = mark(points=0.0, diagnosis="todo", message="f is not written yet.")
    page, _ = pages(tmp_path, "an", [todo])
    assert "not written yet" in page
    assert "not right" not in Tags(page).text.split("Do you think")[0]
    assert kind_of(replace(todo, diagnosis="")) == "wrong"


def test_points_by_hand_are_named_as_such(tmp_path):
    page, text = pages(tmp_path, "an", [mark(points=1.5, message="See me.", by_hand=True)])
    assert "1.5 of 2 points" in page
    assert "A person gave these points" in page
    assert "A person gave these points" in text
    page, text = pages(tmp_path, "an", [mark(points=1.5, message="See me.")])
    assert "A person" not in page + text


def test_a_right_answer_without_points_is_not_called_wrong(tmp_path):
    copied = mark(points=0.0, message="Copied.\nRight.", by_hand=True, checked=2.0)
    page, text = pages(tmp_path, "an", [copied])
    assert "0 of 2 points" in page
    assert "not right yet" not in page + text
    assert kind_of(replace(copied, checked=0.0)) == "wrong"
    assert kind_of(replace(copied, checked=0.0, points=2.0)) == "right"


def test_a_lesson_that_is_gone_still_counts(tmp_path):
    page, _ = pages(tmp_path, "an", [mark(exercise="97.1", points=1.0), mark(exercise="3.99")])
    assert "3 of 4 points" in page
    assert "Lesson 97" in page


def test_the_same_marks_give_the_same_bytes(tmp_path):
    marks = [
        graded("3.1"),
        graded("3.2", "sum_instead_of_mean"),
        mark(exercise="8.1", status="no_file"),
    ]
    first = pages(tmp_path / "a", "an", marks)
    assert pages(tmp_path / "b", "an", marks[::-1]) == first
    assert pages(tmp_path / "a", "an", marks) == first


# ------------------------------------------------------------------ text of students


def test_tags_in_names_files_and_prints_stay_text(tmp_path):
    marks = [mark(EVIL, points=0.0, message=f"Your code printed:\n    {EVIL}", file=f"{EVIL}.py")]
    page, text = pages(tmp_path, EVIL, marks)
    seen = Tags(page)
    assert seen.tags <= ALLOWED
    assert "onerror" not in seen.attributes
    assert seen.text.count(EVIL) >= 4  # title, heading, file, print: as it was written
    outside = re.sub(r"(`{3,})text\n.*?\n\1", "", text, flags=re.S)
    assert not re.search(r"(?<!\\)<", outside)


def test_the_page_asks_for_nothing_from_elsewhere(tmp_path):
    page, _ = pages(tmp_path, "an", [graded("3.1")])
    assert "default-src 'none'" in page
    assert not {"src", "href", "style", "onclick"} & Tags(page).attributes
    assert not re.search(r"url\(|@import|https?:", page)


def test_a_print_cannot_end_its_block_in_markdown(tmp_path):
    evil = "```\n# Full points\n````\n~~~\n<b>"
    _, text = pages(tmp_path, "an", [mark(points=0.0, message=evil)])
    block = re.search(r"^(`{3,})text\n(.*?)\n\1$", text, re.S | re.M)
    assert block is not None
    assert block[2] == evil
    assert len(block[1]) == 5


def test_a_name_cannot_write_markdown(tmp_path):
    name = "# [x](http://evil) ![i](u) **b** `c` | d\n\n# Full points\nwww.evil.com"
    _, text = pages(tmp_path, name, [mark(name)])
    title = text.split("\n")[0]
    assert "Full points" in title  # no line of its own
    assert not re.search(r"(?<!\\)[\[\]()*`|]|http://|www\.", title)


def test_codes_for_terminals_and_directions_are_gone():
    text = "a\x1b[31mred\x1b[0m\x1b]0;title\x07b\x9b2Jc\x00\x08\u202e\u2066d\u200be\ud800f"
    assert lines(text) == "aredbc����d�e�f"
    assert one_line("a\r\n\tb\u2028c") == "a b�c"
    assert lines("می\u200cخواهم 👩\u200d🔬") == "می\u200cخواهم 👩\u200d🔬"  # spelled with joiners


def test_long_prints_are_cut_and_say_so():
    assert lines("x" * 10_000) == "x" * 500 + "… (9500 more characters)"
    assert lines("y\n" * 300).endswith("y\n… (220 more lines)")
    assert len(lines("x" * 10_000_000)) < 1000


# ------------------------------------------------------------------ file names


ODD = ["../../etc/passwd", "/abs", "a\\b", ".hidden", "-rf", "con", "NUL.txt", "", " ", "...", "\n"]
ODD += [
    "Nguyễn Văn An",
    "学生",
    "o,brien",
    'a"b',
    "é" * 400,
    "👩‍🔬" * 90,
    "x\ud800",
    "a\u202eb",
    "e\x00",
]


def test_any_name_becomes_a_safe_file_name():
    names = file_names(ODD)
    assert list(names) == sorted(ODD)
    for name in names.values():
        assert not re.search(r'[/\\<>:"|?*\x00-\x1f]', name)
        assert not name.startswith((".", "-", " "))
        assert not name.endswith((".", " "))
        assert 0 < len(name.encode()) <= LONGEST - len(".html")
        assert name.split(".")[0].lower() not in ("con", "nul")
    assert len({key(name) for name in names.values()}) == len(ODD)
    assert names["Nguyễn Văn An"] == "Nguyễn Văn An"
    assert names["学生"] == "学生"


@pytest.mark.parametrize("students", [["An", "an", "AN"], ["é", "e\u0301"], ["a/b", "a?b", "a_b"]])
def test_names_that_a_system_takes_for_one_get_a_number(tmp_path, students):
    names = file_names(students)
    assert names == file_names(students[::-1])
    assert sorted(name[-2:] for name in names.values())[0] == "-2"
    for student in students:
        write_feedback(tmp_path, student, [mark(student)], names[student])
    files = [path.name for path in (tmp_path / "feedback").glob("*.html")]
    assert len({key(name) for name in files}) == len(students)


def test_without_a_name_nobody_else_is_overwritten_and_ones_own_is(tmp_path):
    for student in ("An", "an", "An", "x\ud800", "x\ud801", "x\ud800"):
        write_feedback(tmp_path, student, [mark(student)])
    files = sorted(path.name for path in (tmp_path / "feedback").glob("*.html"))
    assert files == ["An.html", "an-2.html", "x_-2.html", "x_.html"]


# ------------------------------------------------------------------ to be read by all


def luminance(colour):
    full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    parts = [int(full[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_colours_differ_enough_in_light_and_dark(tmp_path):
    page, _ = pages(tmp_path, "an", [mark()])
    schemes = re.findall(r":root \{(.*?)\}", page, re.S)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w+)", scheme))
        for ink in ("ink", "soft", "right", "wrong", "other", "link"):
            for paper in ("page", "card"):
                a, b = sorted((luminance(colours[ink]), luminance(colours[paper])))
                assert (b + 0.05) / (a + 0.05) >= 4.5, (ink, paper)
