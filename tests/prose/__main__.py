"""`python -m tests.prose 12 --data digits --fast`: run a lesson, then test its sentences.

Prints one line for each check and each sentence. Exit code 1: something is not as it is said.
"""

from __future__ import annotations

import argparse
import re
import sys
import traceback

from camlite.course.lessons import find_lesson
from tests.prose import claims, missing_words, run


def main() -> int:
    """Everything that is wrong, line by line."""
    parser = argparse.ArgumentParser(prog="python -m tests.prose")
    parser.add_argument("lesson")
    parser.add_argument("--data", choices=("mnist", "digits"), default="mnist")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--printed", action="store_true", help="show what the lesson prints")
    asked = parser.parse_args()
    lesson = find_lesson(asked.lesson)
    found = claims(lesson.name)
    wrong = [
        f"these words do not stand in it: {words}" for words in missing_words(lesson.text, found)
    ]
    left = run(lesson.master, asked.data, asked.fast)
    if asked.printed:
        print(left.printed)
    passed = re.findall(r"✔ (\d+\.\d+)", left.printed)
    if passed != list(lesson.exercises) or "✘" in left.printed:
        wrong.append(f"checks that passed: {passed}, exercises: {list(lesson.exercises)}")
    for claim in found:
        try:
            claim.test(left)
            print(f"true   {claim.words}")
        except Exception:
            wrong.append(f"{claim.words}\n{traceback.format_exc(limit=-1)}")
    for each in wrong:
        print(f"WRONG  {each}")
    print(
        f"{lesson.name} ({asked.data}{', fast' if asked.fast else ''}): "
        f"{len(found)} sentences, {len(wrong)} wrong"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
