"""The guide for instructors: its worked example proves itself, its plans add up."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from camlite.course.judge import judge
from camlite.course.lessons import all_lessons, find_lesson
from camlite.course.observe import observe
from camlite.grading.tally import last_sentence

GUIDE = (Path(__file__).parents[2] / "docs" / "instructors.md").read_text(encoding="utf-8")
TEXT, CHECK = re.findall(r"```python\n(.*?)```", GUIDE, re.S)


@pytest.fixture(scope="module")
def example():
    """The exercise that the guide adds to lesson 3, and the solution in its text."""
    assert find_lesson(3).exercises  # its file of checks is loaded now
    space = dict(vars(sys.modules["camlite_checks_test_03_class_activation_map"]))
    exec(CHECK, space)
    names = {"torch": space["torch"], "Tensor": object, "check": lambda *_: None}
    exec(TEXT.replace("### BEGIN SOLUTION", "").replace("### END SOLUTION", ""), names)
    return space["peak"], names["peak"]


def verdict(exercise, answer):
    return judge(exercise, observe(exercise, answer, 3), 3)


def test_the_worked_example_accepts_what_is_right(example):
    exercise, solution = example
    for answer in (solution, *exercise.accepted):
        assert verdict(exercise, answer).status == "passed"
    assert len(exercise.accepted) >= 2


def test_the_worked_example_names_what_is_wrong(example):
    exercise, _ = example
    assert len(exercise.wrong_answers) >= 5
    for wrong in exercise.wrong_answers:
        assert verdict(exercise, wrong.answer).diagnosis == wrong.name
    message = verdict(exercise, exercise.wrong_answers[0].answer).message
    case, call, *_ = message.split("\n")
    shown = GUIDE.split("✘ 3.6 peak: wrong\n")[1].split("```")[0]
    for line in (case, call, last_sentence(message)):
        assert line in shown


def plans():
    """(title, rows) of each plan: a row is (lessons, minutes)."""
    for title, body in re.findall(r"^### (\w+ weeks: .*?)\n(.*?)(?=^##)", GUIDE, re.S | re.M):
        cells = re.findall(r"^\| \d+ \| ([^|]+) \| (\d+) \|", body, re.M)
        yield title, [(re.findall(r"\b\d+\b", first), int(minutes)) for first, minutes in cells]


def test_the_plans_have_the_minutes_of_the_lessons():
    here = {str(one.number): int(one.minutes) for one in all_lessons()}
    seen = 0
    for _, rows in plans():
        for lessons, minutes in rows:
            if set(lessons) <= set(here):
                seen += 1
                assert sum(here[one] for one in lessons) == minutes, lessons
    assert seen >= 20


def test_the_plans_have_as_many_weeks_and_lessons_as_their_titles_say():
    words = {"Six": 6, "Ten": 10, "Fourteen": 14, "seven": 7, "fourteen": 14, "all": 20}
    found = list(plans())
    assert len(found) == 3
    for title, rows in found:
        weeks, lessons = title.split()[0], title.split(": ")[1].split()[0]
        assert len(rows) == words[weeks]
        assert sum(len(some) for some, _ in rows) == words[lessons]
