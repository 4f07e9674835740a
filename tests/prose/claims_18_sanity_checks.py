"""Lesson 18: what it says about its own output."""

from __future__ import annotations

from tests.prose import says


# The words stand in the lesson; the test looks at what the lesson's run left behind. Five at least.
@says("the means are not all the same")
def _(run):
    assert run.means.std() > 0


# FILL IN: the other sentences. `python -m tests.prose 18 --data digits --fast` tries them.
