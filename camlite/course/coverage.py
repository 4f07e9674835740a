"""How many wrong answers get a name that nobody wrote down for them: `camlite dev coverage`.

Each wrong answer of a frozen set (the checks of commit de782e3, as they were) is judged by today's
check with this wrong answer left out: the others, and the search, have to name it.
"""

from __future__ import annotations

import re
import sys
import types
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from camlite.course import paths
from camlite.course.exercises import Exercise, WrongAnswer
from camlite.course.judge import judge
from camlite.course.lessons import all_lessons
from camlite.course.observe import observe

FROZEN = paths.ROOT / "tests" / "coverage" / "wrong_answers.zip"
SEED = 1
HOW_MANY = re.compile(r"\d+ of \d+ cases (is|are) right\.")  # the last line of a verdict


@dataclass(frozen=True)
class Named:
    """What is said about one wrong answer when nothing was declared for it."""

    exercise: str
    answer: str
    own: str  # the sentence that its author wrote
    status: str  # wrong, error or passed
    diagnosis: str | None
    sentence: str
    mistakes: int = 1  # of how many mistakes it is made


def frozen_answers(archive: Path = FROZEN) -> dict[str, list[WrongAnswer]]:
    """The wrong answers of the frozen checks, by exercise."""
    found: dict[str, list[WrongAnswer]] = {}
    if not archive.exists():
        raise FileNotFoundError(f"{archive} is missing: coverage is measured in a clone of camlite")
    with zipfile.ZipFile(archive) as files:
        for name in sorted(n for n in files.namelist() if Path(n).name.startswith("test_")):
            module = types.ModuleType(f"frozen_{Path(name).stem}")
            sys.modules[module.__name__] = module  # dataclasses look their module up
            code = compile(files.read(name), f"{archive.name}/{name}", "exec")
            exec(code, module.__dict__)
            for value in vars(module).values():
                if isinstance(value, Exercise):
                    found[value.id] = value.wrong_answers
    return found


def coverage(only: str | None = None, searched: bool = False) -> Iterator[Named]:
    """Every frozen wrong answer, judged without itself. `searched`: without any wrong answer.

    A lesson that is younger than the frozen set is counted, where it is asked for by its number,
    with the wrong answers that it declares today. Its tables of `products` make combinations of
    mistakes; the frozen set has hardly any, so compare it with those of one mistake.
    """
    frozen = frozen_answers()
    for lesson in all_lessons():
        for id, exercise in lesson.exercises.items():
            if only in (None, id, str(lesson.number)):
                for wrong in frozen.get(id) or (exercise.wrong_answers if only else ()):
                    yield _named(exercise, wrong, searched)


def _named(exercise: Exercise, wrong: WrongAnswer, searched: bool) -> Named:
    others = [w for w in exercise.wrong_answers if w.name != wrong.name and not searched]
    taught = {} if searched else exercise.taught
    parts = {} if searched else exercise.parts_taught
    rest = replace(exercise, wrong_answers=others, taught=taught, parts_taught=parts)
    verdict = judge(rest, observe(rest, wrong.answer, SEED), SEED)
    lines = [line for line in verdict.message.splitlines() if not HOW_MANY.fullmatch(line)]
    said = (verdict.status, verdict.diagnosis, lines[-1])
    return Named(exercise.id, wrong.name, wrong.sentence, *said, mistakes=wrong.mistakes)
