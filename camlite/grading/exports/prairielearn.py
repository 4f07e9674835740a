"""PrairieLearn: `results.json` of an external grader, for one student.

The fields are those of PrairieLearn's page "External grading" (docs/externalGrading.md). The file
was not tried in PrairieLearn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from camlite.grading.exports import common
from camlite.grading.marks import Mark

SIZE = 900_000  # bytes of all messages together; PrairieLearn takes files up to 1 MB
NOT_GRADABLE = {"no_file", "not_parsable"}


def results(marks: Sequence[Mark]) -> dict[str, Any]:
    """`score` from 0 to 1, and one test for each exercise.

    Where no file could be read, the answer is "not gradable": no try is lost for it.
    """
    # a character takes up to 6 bytes in JSON that is pure ASCII
    limit = min(common.MESSAGE, SIZE // (6 * len(marks)))
    if all(mark.status in NOT_GRADABLE and not mark.by_hand for mark in marks):
        reasons = dict.fromkeys(common.told(mark, limit) for mark in marks)
        return {"gradable": False, "format_errors": list(reasons)}
    top = common.max_points(marks)
    score = min(max(common.points(marks) / top, 0.0), 1.0) if top else 0.0
    right = sum(common.full(mark) for mark in marks)
    return {
        "gradable": True,
        "score": score,
        "message": f"{right} of {len(marks)} exercises are right.",
        "tests": [_test(mark, limit) for mark in marks],
    }


def _test(mark: Mark, limit: int) -> dict[str, Any]:
    return {
        "name": common.title(mark),
        "points": mark.points,
        "max_points": mark.max_points,
        "message": common.told(mark, limit),
    }
