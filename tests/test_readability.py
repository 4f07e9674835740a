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
OWN_CLASSES = {
    n.name
    for p in PACKAGE.rglob("*.py")
    for n in ast.walk(ast.parse(p.read_text("utf-8")))
    if isinstance(n, ast.ClassDef)
}
SOURCE = re.compile(r"^\s*Source: ", re.MULTILINE)


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def statements(function: ast.FunctionDef) -> list[ast.stmt]:
    """The body without its docstring."""
    return function.body[1:] if ast.get_docstring(function) else function.body


def lines_of_code(function: ast.FunctionDef) -> int:
    """Lines of the body with each statement on one line, however it is wrapped."""
    return len(ast.unparse(ast.Module(statements(function), [])).splitlines())


def lines_on_the_page(function: ast.FunctionDef) -> int:
    """Lines of the body as they are written, comments and blank lines included."""
    body = statements(function)
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_methods_are_short() -> None:
    lengths = {f"{p.name}:{f.name}": lines_on_the_page(f) for p in FILES for f in functions(p)}
    assert len(lengths) > 30
    assert statistics.median(lengths.values()) <= 8
    assert not {name: n for name, n in lengths.items() if n > 25}


def test_other_functions_are_short() -> None:
    long = {
        f"{p.name}:{f.name}"
        for p in sorted(PACKAGE.glob("*.py"))
        for f in functions(p)
        if lines_of_code(f) > 40
    }
    assert not long


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_methods_need_no_hooks_and_no_base_classes(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert not {n for n in names if re.fullmatch(r"register_.*hook", n)}
    bases = {ast.unparse(b) for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for b in n.bases}
    assert not bases & OWN_CLASSES


@pytest.mark.parametrize("method", METHODS)
def test_every_method_says_what_it_shows_and_where_it_is_from(method: str) -> None:
    doc = inspect.getdoc(METHODS[method].function)
    assert doc is not None
    assert SOURCE.search(doc), "a line that starts with 'Source:'"
    assert "Shapes:" in doc
    assert len(doc.splitlines()[0]) <= 100


def test_public_functions_have_docstrings() -> None:
    bare = [
        name
        for name in camlite.__all__
        if callable(getattr(camlite, name)) and not inspect.getdoc(getattr(camlite, name))
    ]
    assert not bare


@pytest.mark.parametrize("path", [*FILES, *sorted(PACKAGE.glob("*.py"))], ids=lambda p: p.name)
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 600
