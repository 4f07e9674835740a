"""Classroom 50: the result of one student, schema `classroom50/result/v1`.

Called inside an `autograder.py` of Classroom 50, which gives what it knows in the environment.
The schema is `schemas/result-v1.schema.json` of github.com/foundation50/classroom50. The file was
validated against it; it was not tried in a classroom.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from camlite.grading.exports import common
from camlite.grading.marks import Mark

GIVEN = {
    "classroom": "CLASSROOM",
    "assignment": "ASSIGNMENT",
    "owner": "USERNAME",
    "submission": "SUBMISSION_TAG",
    "commit": "COMMIT_URL",
    "release": "RELEASE_URL",
}


def result(
    marks: Sequence[Mark], environment: Mapping[str, str], submitted: datetime
) -> dict[str, Any]:
    """The marks of one student. `submitted`: the time of the graded commit.

    Classroom 50 knows whole points only: half a point is rounded up, exercise by exercise; the
    exact points stand beside them as `points`. Raises ValueError outside of Classroom 50.
    """
    missing = [name for name in GIVEN.values() if not environment.get(name)]
    if missing:
        raise ValueError(f"{missing[0]} is not set: run this inside an autograder of Classroom 50")
    tests = [_test(mark) for mark in marks]
    return {
        "schema": "classroom50/result/v1",
        **{field: environment[name] for field, name in GIVEN.items()},
        "owner": environment.get("OWNER") or environment["USERNAME"],
        "assignment_type": environment.get("ASSIGNMENT_TYPE") or "individual",
        "review": environment.get("REVIEW_URL") or environment["COMMIT_URL"],
        "datetime": submitted.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "score": sum(test["score"] for test in tests),
        "max-score": sum(test["max-score"] for test in tests),
        "tests": tests,
    }


def _test(mark: Mark) -> dict[str, Any]:
    top = _whole(mark.max_points)
    return {
        "test-name": common.title(mark),
        "passed": common.full(mark),
        "score": min(_whole(mark.points), top),
        "max-score": top,
        "points": mark.points,
        "message": common.told(mark),
    }


def _whole(value: float) -> int:
    """The nearest whole number, a half upward, never below 0."""
    return max(0, int(value + 0.5))


def commit_time() -> datetime:
    """When the commit in the working folder was made. ValueError: there is none."""
    done = subprocess.run(
        ["git", "show", "-s", "--format=%ct", "HEAD"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ValueError("this folder is no git repository with a commit")
    return datetime.fromtimestamp(int(done.stdout), timezone.utc)
