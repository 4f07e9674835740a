"""Every solution runs from start to end, its checks pass, and its sentences hold.

One kind of data at full length, the other with CAMLITE_FAST, alternating from lesson to lesson;
`--all-modes` runs all four.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from camlite import data
from camlite.course.lessons import all_lessons, find_lesson
from camlite.paths import ROOT
from tests.prose import claims, missing_words

LESSONS = [lesson.name for lesson in all_lessons()]
KINDS = ("mnist", "digits")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" not in metafunc.fixturenames:
        return
    every = metafunc.config.getoption("--all-modes")
    modes = [
        (name, kind, fast)
        for n, name in enumerate(LESSONS)
        for k, kind in enumerate(KINDS)
        for fast in (False, True)
        if every or fast == bool((n + k) % 2)
    ]
    ids = [f"{name}-{kind}{'-fast' if fast else ''}" for name, kind, fast in modes]
    metafunc.parametrize(("name", "kind", "fast"), modes, ids=ids)


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_words_stand_in_the_lesson(lesson: str) -> None:
    found = claims(lesson)
    assert len(found) >= 5, "a lesson says more than that about what its cells show"
    assert not missing_words(find_lesson(lesson).text, found)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_lesson_says_the_truth(name: str, kind: str, fast: bool) -> None:
    if kind == "mnist" and data.find("MNIST/raw") is None:
        pytest.skip("MNIST is not at hand: CAMLITE_DATA names no folder with MNIST/raw")
    command = [sys.executable, "-m", "tests.prose", name, "--data", kind]
    begin = time.monotonic()
    done = subprocess.run(
        command + ["--fast"] * fast, capture_output=True, text=True, cwd=ROOT, check=False
    )
    print(f"{name} {kind}{' fast' if fast else ''}: {time.monotonic() - begin:.0f} s")
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-3000:]}"
