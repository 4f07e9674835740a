"""Read what a learner wrote, from .py or .ipynb, and take out the answers without running the rest.

Only imports, function and class definitions, and the simple assignments of exercise cells are
executed: a training loop or a broken plot elsewhere in the file must not stop a check.
"""

from __future__ import annotations

import ast
import json
import linecache
import re
from pathlib import Path
from typing import Any

from camlite.course.exercises import Exercise

_MAGIC = re.compile(r"^\s*[%!?]")


class UnreadableSubmission(ValueError):
    """The file is not there, empty, not Python or not a notebook; the message says which."""


def read_submission(path: Path) -> list[tuple[list[str], str]]:
    """The code cells of a .py or .ipynb file as (tags, code)."""
    if path.suffix not in (".py", ".ipynb"):
        raise UnreadableSubmission(f"{path} must be a .py or an .ipynb file")
    if not path.is_file():
        raise UnreadableSubmission(f"there is no file {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableSubmission(f"{path} cannot be read as text: {error}") from error
    if not text.strip():
        raise UnreadableSubmission(f"{path} is empty")
    return cells(text, path.suffix[1:], str(path))


def cells(text: str, kind: str, name: str = "the file") -> list[tuple[list[str], str]]:
    """The code cells of a lesson's text; `kind` is py or ipynb."""
    import jupytext

    if kind == "ipynb":
        try:
            if not isinstance(json.loads(text).get("cells"), list):
                raise ValueError("it has no list of cells")
            book = jupytext.reads(text, fmt="ipynb")
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise UnreadableSubmission(f"{name} is not a notebook: {error}") from error
    else:
        book = jupytext.reads(text, fmt="py:percent" if "# %%" in text else "py:light")
    return [
        (list(cell.metadata.get("tags", [])), cell.source)
        for cell in book.cells
        if cell.cell_type == "code" and cell.source.strip()
    ]


def definitions(
    code_cells: list[tuple[list[str], str]], exercises: list[Exercise]
) -> dict[str, Any]:
    """The names that the learner defined. A name whose cell is not valid Python maps to the
    SyntaxError. In a notebook the last definition of a name counts, and so it does here.
    """
    names = {e.name for e in exercises}
    space: dict[str, Any] = {"__name__": "submission", "__builtins__": __builtins__}
    for number, (tags, code) in enumerate(code_cells):
        code = "\n".join("" if _MAGIC.match(line) else line for line in code.splitlines())
        filename = f"<cell {number + 1}>"
        linecache.cache[filename] = (
            len(code),
            None,
            [f"{line}\n" for line in code.splitlines()],
            filename,
        )
        try:
            tree = ast.parse(code, filename)
        except SyntaxError as error:
            space.update({name: error for name in names if _defines(name, code)})
            continue
        is_exercise = bool(names & _names_in(tree)) or tags[:1] == ["exercise"]
        for node in tree.body:
            _run(node, space, filename, is_exercise)
    return space


def _names_in(tree: ast.Module) -> set[str]:
    """What a cell defines at its top: functions, classes and assigned names."""
    found = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    assigned = [target for n in tree.body if isinstance(n, ast.Assign) for target in n.targets]
    return found | {target.id for target in assigned if isinstance(target, ast.Name)}


def _defines(name: str, code: str) -> bool:
    return re.search(rf"^\s*(def|class)\s+{re.escape(name)}\b", code, re.M) is not None


def _run(node: ast.stmt, space: dict[str, Any], filename: str, is_exercise: bool) -> None:
    """Execute one statement if it only defines something; a failure waits until it is needed."""
    wanted = isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))
    assigns = isinstance(node, (ast.Assign, ast.AnnAssign)) and is_exercise
    if not (wanted or assigns):
        return
    try:
        exec(compile(ast.Module([node], []), filename, "exec"), space)
    except Exception as error:  # e.g. a package that is missing, a decorator of another cell
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            space[node.name] = error
