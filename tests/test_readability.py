"""The budget that keeps the library readable beside a paper."""

from __future__ import annotations

import ast
import inspect
import re
import statistics
from pathlib import Path

import pytest

import camlite
from camlite import METHODS

PACKAGE = Path(camlite.__file__).parent
FILES = sorted((PACKAGE / "methods").glob("*.py"))
SOURCE = re.compile(r"^\s*Source: ", re.MULTILINE)


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def body_lines(function: ast.FunctionDef) -> int:
    """Lines of code in the body: no docstring, no blank line, no comment."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if not body:
        return 0
    lines = ast.unparse(ast.Module(body=body, type_ignores=[])).splitlines()
    written = (body[-1].end_lineno or 0) - body[0].lineno + 1
    return max(len(lines), written)


def test_methods_are_short() -> None:
    lengths = {f"{p.name}:{f.name}": body_lines(f) for p in FILES for f in functions(p)}
    assert len(lengths) > 30
    assert statistics.median(lengths.values()) <= 8
    assert not {name: n for name, n in lengths.items() if n > 25}


def test_other_functions_are_short() -> None:
    """Course and command line hold tables of options; the library itself is held to 40."""
    long = {f"{p.name}:{f.name}": body_lines(f) for p in sorted(PACKAGE.glob("*.py"))
            for f in functions(p) if body_lines(f) > 40}
    assert not long


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_methods_need_no_hooks_and_no_base_classes(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert not {n for n in names if re.fullmatch(r"register_.*hook", n)}
    bases = [ast.unparse(b) for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for b in n.bases]
    assert set(bases) <= {"NamedTuple", "UserWarning", "torch.autograd.Function"}, bases


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_what_it_shows_and_where_it_is_from(method: str) -> None:
    doc = inspect.getdoc(METHODS[method].function)
    assert doc is not None
    assert SOURCE.search(doc), "a line that starts with 'Source:'"
    assert "Shapes:" in doc
    assert len(doc.splitlines()[0]) <= 100


def test_public_functions_have_docstrings() -> None:
    bare = [name for name in camlite.__all__
            if callable(getattr(camlite, name)) and not inspect.getdoc(getattr(camlite, name))]
    assert not bare


@pytest.mark.parametrize("path", [*FILES, *sorted(PACKAGE.glob("*.py"))], ids=lambda p: p.name)
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 620
