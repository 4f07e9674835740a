"""An answer gets the same verdict behind the trust line as at home: right ones, and wrong ones.

The answers are those that the check files declare, as text: what is written there, under the name
that is asked for, with the helpers that it uses.
"""

from __future__ import annotations

import ast
import copy
import time
from collections.abc import Iterator
from itertools import islice

import pytest

from camlite.course.answer import answer_of
from camlite.course.lessons import all_lessons
from camlite.course.observe import Observation, observe
from camlite.course.runner import verdict_on
from camlite.grading.remote import observed
from camlite.grading.sandbox import Sandbox, Stopped

SEED = 11
LESSONS = [
    pytest.param(one, id=one.name, marks=[] if one.number == 9 else pytest.mark.slow)
    for one in all_lessons()
]
WRONG_ANSWERS = 2  # of each exercise


def told(node: ast.stmt) -> Iterator[tuple[str, str, str, ast.AST]]:
    """What a statement tells an exercise: (its variable, how, the answer's name, the answer)."""
    if isinstance(node, ast.FunctionDef):
        for said in node.decorator_list:
            call = said.func if isinstance(said, ast.Call) else said
            if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
                yield call.value.id, call.attr, node.name, node
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value.func
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name):
            for one in node.value.keywords:
                answer = one.value
                if call.attr == "wrongs" and isinstance(answer, ast.Tuple):
                    answer = answer.elts[0]
                if one.arg:
                    yield call.value.id, call.attr, one.arg, answer


def is_exercise(node: ast.stmt) -> bool:
    """Whether a statement declares one, or says something of one."""
    value = getattr(node, "value", None)
    made = isinstance(value, ast.Call) and getattr(value.func, "id", "") == "Exercise"
    said = isinstance(node, ast.Expr) or any(True for _ in told(node))
    return made or said


def is_helper(node: ast.stmt) -> bool:
    """What an answer may use: other answers, too, but what judges them not."""
    if isinstance(node, ast.FunctionDef):
        return not node.name.startswith("test_")
    return not is_exercise(node)


def bare(node: ast.stmt) -> ast.stmt:
    """A function without what it is declared as."""
    if isinstance(node, ast.FunctionDef):
        node = copy.deepcopy(node)
        node.decorator_list = [d for d in node.decorator_list if not says_something(d)]
    return node


def says_something(decorator: ast.expr) -> bool:
    call = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(call, ast.Attribute) and call.attr in (*KINDS, "cases", "probe")


def answers(lesson) -> Iterator[tuple[str, str, str, str]]:
    """(exercise, how, name, text of a file) for the answers that the check file declares."""
    body = ast.parse(lesson.checks.read_text(encoding="utf-8")).body
    before = "\n".join(ast.unparse(bare(n)) for n in body if is_helper(n))
    wanted = {
        target.id: (ast.literal_eval(node.value.args[0]), ast.literal_eval(node.value.args[1]))
        for node in body
        if isinstance(node, ast.Assign) and is_exercise(node)
        for target in node.targets
    }
    for node in body:
        for variable, how, name, answer in told(node):
            if variable not in wanted or how not in KINDS:
                continue
            id, function = wanted[variable]
            if isinstance(answer, ast.FunctionDef):
                text = f"{ast.unparse(bare(answer))}\n{function} = {answer.name}"
            else:
                text = f"{function} = {ast.unparse(answer)}"
            yield id, how, name, f"{before}\n\n{text}\n"


KINDS = {"reference": True, "accepts": True, "accepts_all": True, "wrong": False, "wrongs": False}


def chosen(lesson) -> list[tuple[str, str, str, str]]:
    """All right answers; some wrong ones of each exercise; the solution in the lesson itself."""
    every = list(answers(lesson))
    found = [one for one in every if KINDS[one[1]]]
    for id in lesson.exercises:
        wrong = (one for one in every if one[0] == id and not KINDS[one[1]])
        found += islice(wrong, WRONG_ANSWERS)
    return found


def at_home(exercise, code: list[str]) -> list[Observation]:
    answer = answer_of(code, exercise.name)
    return [answer] if isinstance(answer, Observation) else observe(exercise, answer, SEED)


def behind(sandbox: Sandbox, exercise, code: list[str]) -> list[Observation] | str:
    with sandbox.session() as session:
        session.until = time.monotonic() + 3 * exercise.seconds
        try:
            return observed(session, exercise, SEED, code)[0]
        except Stopped as stop:
            return f"{stop.status}: {stop.why}"


def refused(seen: list[Observation] | str) -> bool:
    return any(one.error == "WriteItYourself" for one in seen if isinstance(one, Observation))


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_verdict_is_the_same(lesson):
    different = []
    with Sandbox(lesson) as sandbox:
        for id, how, name, text in chosen(lesson):
            exercise = lesson.exercises[id]
            here, there = at_home(exercise, [text]), behind(sandbox, exercise, [text])
            if "camlite." in text and refused(there):
                continue  # at home the library's own function is an answer too
            home = verdict_on(exercise, here, "", SEED)
            away = there if isinstance(there, str) else verdict_on(exercise, there, "", SEED)
            if KINDS[how] and home.status != "passed":
                different.append((id, name, "not right at home", home.message))
            if home != away:
                different.append((id, name, home, away))
    assert not different


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_solution_of_the_lesson_is_right(lesson):
    wrong = []
    text = [lesson.text]
    with Sandbox(lesson) as sandbox:
        for exercise in lesson.exercises.values():
            there = behind(sandbox, exercise, text)
            seen = there if isinstance(there, str) else verdict_on(exercise, there, "", SEED)
            if isinstance(seen, str) or seen.status != "passed":
                wrong.append((exercise.id, seen))
    assert not wrong
