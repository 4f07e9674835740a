"""Lessons for a department that works with nbgrader: its cell metadata, and a cell for points.

`nbgrader_notebook` gives the notebook that goes into nbgrader's folder `source/`. Text is
read-only; exercises are solution cells; after each `check(…)` stands a locked cell that gives the
points. Between `### BEGIN SOLUTION` and `### END SOLUTION` there is only the line that an exercise
begins with: without these marks `nbgrader generate_assignment` would empty the whole cell.

The metadata follows nbgrader's schema version 3 (nbgrader/nbgraderformat/v3.json).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from camlite.course.lessons import Lesson, find_lesson, notebook
from camlite.course.notebook import render
from camlite.course.runner import check_file

_STUB = re.compile(
    r"^(?P<indent>[ \t]*)# YOUR CODE HERE\n[ \t]*raise NotImplementedError\(.*\)$", re.M
)
_CHECK = re.compile(r'^check\("(?P<id>\d+\.\d+)", \w+\)$')


def nbgrader_notebook(lesson: Lesson, points: Mapping[str, float]) -> str:
    """The released lesson as an nbgrader source notebook (JSON); `points`: exercise -> points.

    The same lesson gives the same bytes.
    """
    import nbformat

    book = nbformat.reads(notebook(lesson), as_version=4)
    cells = []
    for cell in book.cells:
        cells.append(_marked(cell))
        if asked := _CHECK.match(cell.source):
            cells.append(_points_cell(lesson, asked["id"], points[asked["id"]]))
    book.cells = cells
    return nbformat.writes(book) + "\n"


def _marked(cell: Any) -> Any:
    """A cell of the lesson with its metadata: text is read-only, exercises are solutions, the
    rest is the student's to play with.
    """
    if cell.cell_type == "markdown":
        cell.metadata["nbgrader"] = _metadata(cell.id, locked=True)
    elif "exercise" in cell.metadata.get("tags", ()):
        id = cell.metadata.tags[1].replace(".", "-")
        cell.metadata["nbgrader"] = _metadata(f"exercise-{id}", solution=True)
        marks = r"\g<indent>### BEGIN SOLUTION\n\g<0>\n\g<indent>### END SOLUTION"
        cell.source = _STUB.sub(marks, cell.source)
    return cell


def _points_cell(lesson: Lesson, id: str, points: float) -> Any:
    from nbformat.v4 import new_code_cell

    dashed = id.replace(".", "-")
    return new_code_cell(
        "# For nbgrader: the points of the exercise, from the file as it was saved last.\n"
        "from camlite.grading.nbgrader import nbgrader_points\n\n"
        f'nbgrader_points("{id}", {points:g})',
        id=f"lesson{lesson.number:02d}-points-{dashed}",
        metadata={
            "nbgrader": _metadata(f"points-{dashed}", grade=True, locked=True, points=points)
        },
    )


def _metadata(
    grade_id: str,
    grade: bool = False,
    solution: bool = False,
    locked: bool = False,
    points: float | None = None,
) -> dict[str, Any]:
    """The fields that schema version 3 asks for; `points` only where the cell is graded."""
    fields = {"grade": grade, "solution": solution, "locked": locked, "task": False}
    given = {} if points is None else {"points": points}
    return {"schema_version": 3, "grade_id": grade_id, **fields, **given}


# ------------------------------------------------------------------ in the graded notebook


def nbgrader_points(id: str, points: float) -> float:
    """`points` if the exercise passes `camlite check`, else 0.0: the value of a cell of nbgrader.

    nbgrader takes the value for the points, and gives 0 where a line stands on stderr. A warning, a
    progress bar or a log of the answer could be such a line; so the answer is not called here, but
    read from the notebook's file and run in another process, as `camlite check` does it. What went
    wrong is printed. Raises ValueError where the file is not found: that is no student's mistake.
    """
    lesson = find_lesson(id)
    path = _started_in() / f"{lesson.name}.ipynb"
    if not path.is_file():
        raise ValueError(f"there is no {path}: the notebook must keep its name")
    (verdict,) = check_file(lesson, path, only=id)
    if verdict.status != "passed":
        print("\n".join(text for text, _ in render(verdict, f"camlite hint {id}")))
    return float(points) if verdict.status == "passed" else 0.0


def _started_in() -> Path:
    """The notebook's folder, also after the notebook has changed to another one."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return Path(getattr(shell, "starting_dir", "."))
