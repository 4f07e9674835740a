"""A class of generated submissions: right, wrong in every declared way, unfinished, broken.

`python -m tests.benchmarks.classroom --lesson 8 --count 300` makes one, grades it and says how
long that took; `docs/instructors.md` says it.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from camlite.course.lessons import Lesson, find_lesson, released
from camlite.grading.grade import Assignment, cores, grade
from camlite.grading.marks import read_marks
from camlite.grading.points import points


def right(lesson: Lesson) -> str:
    """The lesson with its solutions, as a learner would hand it in."""
    return re.sub(r"^[ \t]*### (?:BEGIN|END) SOLUTION\n", "", lesson.text, flags=re.M)


_LOADED = """
def declared():
    import sys
    from types import ModuleType

    module = sys.modules["checks"] = ModuleType("checks")
    exec({source!r}, vars(module))
    return {{e.id: e for e in vars(module).values() if isinstance(e, module.Exercise)}}


known = declared()
"""


def wrong(lesson: Lesson, chosen: dict[str, int]) -> str:
    """A file in which exercise `id` is answered by its declared wrong answer number `chosen[id]`.

    The check file is handed in with it: that is where these answers stand.
    """
    source = lesson.checks.read_text(encoding="utf-8")
    lines = [
        f"{lesson.exercises[id].name} = known[{id!r}].wrong_answers[{n}].answer"
        for id, n in chosen.items()
    ]
    return "\n".join([_LOADED.format(source=source), *lines])


def submissions(lesson: Lesson, count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Names and texts: of ten, four right or nearly so, four wrong, one unfinished, one broken."""
    rng = random.Random(seed)
    solution = right(lesson)
    for i in range(count):
        name = f"Student {i:03d}"
        if i % 10 == 0:
            yield name, released(lesson)
        elif i % 10 == 1:
            yield name, solution.replace("    return ", "    retrun ")
        elif i % 10 < 6:
            yield name, solution
        else:
            numbers = {id: len(e.wrong_answers) for id, e in lesson.exercises.items()}
            yield name, wrong(lesson, {id: rng.randrange(n) for id, n in numbers.items()})


def main() -> None:
    """Make a class, grade it, print the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lesson", default="8")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--out", type=Path, help="keep the class and its marks here")
    options = parser.parse_args()
    lesson = find_lesson(options.lesson)
    with tempfile.TemporaryDirectory() as made:
        folder = options.out or Path(made)
        for name, text in submissions(lesson, options.count):
            path = folder / "submissions" / name / f"{lesson.name}.py"
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
        begin = time.monotonic()
        assignment = Assignment((lesson.number,), points(lesson), seed=1)
        grade(folder / "submissions", folder / "marks", assignment, cores(), quiet=False)
        seconds = time.monotonic() - begin
        marks = read_marks(folder / "marks")
    named = sum(bool(mark.diagnosis) for mark in marks)
    per = seconds * cores() / options.count
    print(
        f"{options.count} submissions of lesson {lesson.number}: {seconds:.0f} s on {cores()} "
        f"cores, {per:.2f} s for one on one core; {named} of {len(marks)} marks name a mistake; "
        f"this process holds {psutil.Process().memory_info().rss / 2**20:.0f} MB"
    )


if __name__ == "__main__":
    main()
