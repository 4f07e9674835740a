"""Read what a learner wrote, from .py or .ipynb, and take out an answer without running the rest.

Of the statements at the top level only those run that the answer needs: its own definition, and
whatever gives a value to a name that it uses. A training loop or a broken plot elsewhere in the
file does not stop a check.
"""

from __future__ import annotations

import ast
import dis
import json
import linecache
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_CELL = re.compile(r"#\s*%%(?P<title>.*)")
_MAGIC = re.compile(r"\s*[%!?]|\s*[\w, ]+=\s*[%!]|.*\?\s*$")
_PYTHON_CELLS = ("time", "capture", "prun")  # cell magics after which the names exist
_DEFINES = re.compile(r"^[ \t]*(?:async +)?(?:def|class) +(\w+)|^(\w+) *=", re.M)


class UnreadableSubmission(ValueError):
    """The file is not there, empty, not Python or not a notebook; the message says which."""


# ------------------------------------------------------------------ files and their cells


def read_submission(path: Path) -> list[str]:
    """The code cells of a .py or .ipynb file."""
    if path.suffix not in (".py", ".ipynb"):
        raise UnreadableSubmission(f"{path} must be a .py or an .ipynb file")
    if not path.is_file():
        raise UnreadableSubmission(f"there is no file {path}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableSubmission(f"{path} cannot be read as text: {error}") from error
    return cells_of(str(path), data)


def cells_of(name: str, data: bytes) -> list[str]:
    """The code cells of a file of this name; `data` is what stands in it."""
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableSubmission(f"{name} cannot be read as text: {error}") from error
    if not text.strip():
        raise UnreadableSubmission(f"{name} is empty")
    if name.lower().endswith(".py"):
        return cells(text)
    try:
        return _notebook_cells(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise UnreadableSubmission(f"{name} is not a notebook: {error}") from error


def _notebook_cells(book: Any) -> list[str]:
    found = book.get("cells") if isinstance(book, dict) else None
    if not isinstance(found, list):
        raise ValueError("it has no list of cells")
    sources = [
        c.get("source") for c in found if isinstance(c, dict) and c.get("cell_type") == "code"
    ]
    texts = ["".join(map(str, s)) if isinstance(s, list) else str(s or "") for s in sources]
    return [text for text in texts if text.strip()]


def cells(text: str) -> list[str]:
    """A .py file: whole if it is valid Python; else its cells, or its paragraphs if it has none.

    Each piece keeps its line numbers: empty lines stand for what is before it.
    """
    try:
        _quiet_parse(text, "the file")
        return [text]
    except SyntaxError:
        pass
    lines = text.split("\n")
    marks = [i for i, line in enumerate(lines) if _CELL.match(line)]
    starts = marks or [
        i for i in range(1, len(lines)) if not lines[i - 1].strip() and lines[i][:1].strip()
    ]
    pieces = pairwise([0, *starts, len(lines)])
    return ["\n" * a + "\n".join(lines[a:b]) for a, b in pieces if not _is_text(lines[a])]


def _is_text(line: str) -> bool:
    mark = _CELL.match(line)
    return mark is not None and re.search(r"\[(markdown|md|raw)\]", mark["title"]) is not None


def _quiet_parse(code: str, filename: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # e.g. an escape like "\d" in a string
            return ast.parse(code, filename)
    except (ValueError, RecursionError, MemoryError) as error:  # zero bytes, a thousand brackets
        raise SyntaxError(str(error) or type(error).__name__) from error


def parse(code: str, filename: str) -> ast.Module:
    """A cell as Python. A line of IPython (`%matplotlib`, `!pip`) counts as `pass`, but only
    where Python stumbles over it: inside an expression a line may begin with `%` or `!=`.
    """
    lines = code.split("\n")
    title = next((i for i, line in enumerate(lines) if line.split("#")[0].strip()), 0)
    if lines[title].startswith("%%"):
        if lines[title][2:].split()[:1] not in [[name] for name in _PYTHON_CELLS]:
            return ast.Module([], [])  # %%bash, %%script: not Python of this notebook
        lines[title] = ""
    while True:
        try:
            return _quiet_parse("\n".join(lines), filename)
        except SyntaxError as error:
            at = (error.lineno or 0) - 1
            if not (0 <= at < len(lines) and _MAGIC.match(lines[at])):
                raise
            lines[at] = re.sub(r"\S.*", "pass", lines[at])


# ------------------------------------------------------------------ statements and their names


@dataclass(frozen=True)
class Statement:
    """A statement at the top level: the names that it changes and those that it uses.

    `code` is the SyntaxError of its cell where that is not Python; `defines` is said of functions,
    classes and imports.
    """

    code: CodeType | SyntaxError
    gives: frozenset[str]
    takes: frozenset[str] = frozenset()
    defines: bool = False


def statements(code_cells: list[str]) -> list[Statement]:
    """The statements of all cells, in order."""
    found: list[Statement] = []
    imported: set[str] = set()
    for number, code in enumerate(code_cells):
        filename = f"<cell {number + 1}>"
        lines = [f"{line}\n" for line in code.split("\n")]
        linecache.cache[filename] = (len(code), None, lines, filename)
        try:
            tree = parse(code, filename)
            compiled = [compile(ast.Module([node], []), filename, "exec") for node in tree.body]
        except (SyntaxError, ValueError, RecursionError) as error:
            bad = error if isinstance(error, SyntaxError) else SyntaxError(str(error))
            names = frozenset(filter(None, sum(_DEFINES.findall(code), ())))
            found.append(Statement(bad, names))
            continue
        for node, one in zip(tree.body, compiled, strict=True):
            gives = set(_names(one, "STORE_NAME", deep=False))
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imported |= gives
                gives |= {alias.name for alias in node.names} & {"*"}
            else:
                gives |= _changed_in_place(node) - imported
            defines = isinstance(
                node,
                (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom),
            )
            taken = frozenset(_names(one, "LOAD_"))
            found.append(Statement(one, frozenset(gives), taken, defines))
    return found


def _names(code: CodeType, kind: str, deep: bool = True) -> Iterator[str]:
    """Names of the file (not of a function) that code reads (LOAD_) or sets (STORE_NAME)."""
    for step in dis.get_instructions(code):
        if step.opname.startswith(kind) and step.opname.endswith(("NAME", "GLOBAL", "GLOBALS")):
            yield str(step.argval)
    for inner in code.co_consts if deep else ():
        if isinstance(inner, CodeType):
            yield from _names(inner, kind)


def _changed_in_place(node: ast.stmt) -> set[str]:
    """The names behind `table[k] = …`, `net.head = …`, `names.append(…)`, `net.eval()`."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return set()
    changed: list[ast.AST] = []
    for part in ast.walk(node):
        if isinstance(part, (ast.Subscript, ast.Attribute)) and not isinstance(part.ctx, ast.Load):
            changed.append(part)
        if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            changed.append(part.value.func)
    return {root for part in changed if (root := _root(part))}


def _root(node: ast.AST) -> str:
    inside = False
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node, inside = node.value, True
    return node.id if inside and isinstance(node, ast.Name) else ""


# ------------------------------------------------------------------ one answer


def definition(code_cells: list[str], name: str) -> Any:
    """What the file defines as `name`: the answer, the exception that stopped it, or None.

    As in a notebook the last definition that works counts. But where that is only the line an
    exercise begins with, a later attempt that failed is what the learner wants to hear of.
    """
    module = sys.modules["submission"] = ModuleType("submission")  # a dataclass looks for it there
    space = vars(module)
    failed: BaseException | None = None
    written = False
    for one in _needed(statements(code_cells), name):
        try:
            if isinstance(one.code, SyntaxError):
                raise one.code
            exec(one.code, space)
        except (Exception, SystemExit) as error:  # e.g. a package that is missing
            failed = error if name in one.gives else failed
        else:
            if name in one.gives:
                failed, written = None, "NotImplementedError" not in one.takes
    return space.get(name) if written or failed is None else failed


def _needed(every: list[Statement], name: str) -> list[Statement]:
    """The statements that give `name` a value, and those that these need, in the file's order.

    What a lesson assigns after the answer (`bar = …` of a figure) does not take the place of what
    was there before it; a function that is written anew does.
    """
    chosen: set[int] = set()
    asked, names = {name}, [name]
    answer = max((i for i, one in enumerate(every) if name in one.gives), default=0)
    while names:
        wanted = names.pop()
        givers = [i for i, one in enumerate(every) if wanted in one.gives or "*" in one.gives]
        if any(i < answer and wanted in every[i].gives for i in givers):
            givers = [i for i in givers if i <= answer or every[i].defines]
        for i in givers:
            if i not in chosen:
                chosen.add(i)
                names += every[i].takes - asked
                asked |= every[i].takes
    return [every[i] for i in sorted(chosen)]
