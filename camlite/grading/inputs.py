"""The inputs of an exercise without its answers: its cases and probes, cut out of a check file.

Where an exercise gives networks or functions to the answer, these have to be built where the
answer runs. What is sent there is the source of `cases` and `probe` and of the helpers that they
use; no reference, no wrong or other right answer, no hint.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from pathlib import Path
from symtable import symtable

from camlite.course.exercises import Exercise
from camlite.grading.plain import is_plain

INPUTS = ("cases", "probe")


def runs_inside(exercise: Exercise) -> bool:
    """Whether the cases of an exercise have to be drawn where the answer runs."""
    given = [value for case in exercise.draw_cases(0) for value in (*case.args, case.kwargs)]
    return exercise.inside or not all(map(is_plain, given))


def inputs_only(checks: Path, ids: Collection[str]) -> str:
    """The text of a check file, reduced to the cases and probes of these exercises."""
    body = ast.parse(checks.read_text(encoding="utf-8")).body
    made = {
        target.id: node
        for node in body
        if isinstance(node, ast.Assign) and _calls(node.value, "Exercise")
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    told = [(node, _told(node, made)) for node in body]
    asked = {name for name, node in made.items() if _number(node) in ids}
    roots = [n for n, what in told if any(o in asked and m in INPUTS for o, m in what)]
    others = [node for node, what in told if not what]
    chosen: list[ast.stmt] = list(roots)
    wanted = _names(roots)
    while more := [n for n in others if n not in chosen and _gives(n) & wanted]:
        chosen += more
        wanted |= _names(more)
    bare: dict[ast.stmt, ast.stmt] = {node: _bare(node) for node in made.values()}
    return "\n".join(ast.unparse(bare.get(n, n)) for n in body if n in chosen)


def _number(node: ast.Assign) -> str:
    """`cam = Exercise("3.1", …)` -> 3.1."""
    assert isinstance(node.value, ast.Call)
    first = node.value.args[0]
    return str(first.value) if isinstance(first, ast.Constant) else ""


def _calls(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _told(node: ast.stmt, made: Collection[str]) -> list[tuple[str, str]]:
    """What a statement tells an exercise, as a decorator or as a call: `cam.wrongs(…)`."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        said = node.decorator_list
    else:
        said = [node.value] if isinstance(node, ast.Expr) else []
    methods = (one.func if isinstance(one, ast.Call) else one for one in said)
    return [
        (one.value.id, one.attr)
        for one in methods
        if isinstance(one, ast.Attribute)
        and isinstance(one.value, ast.Name)
        and one.value.id in made
    ]


def _names(nodes: Iterable[ast.stmt]) -> set[str]:
    """Names of the file that statements use. A variable of a function is none, whatever it is
    called: one of the name of a right answer once took that answer along.
    """
    tables = [symtable(ast.unparse(node), "<statement>", "exec") for node in nodes]
    found: set[str] = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        own = table.get_type() == "module"
        found |= {s.get_name() for s in table.get_symbols() if own or s.is_global()}
    return found


def _gives(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(a.asname or a.name).split(".")[0] for a in node.names}
    if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
        return {n.id for n in stored if isinstance(n.ctx, ast.Store)}
    return set()


def _bare(node: ast.Assign) -> ast.stmt:
    """The exercise without its hints: number and name only."""
    assert isinstance(node.value, ast.Call)
    name, (number, function) = node.targets[0], node.value.args[:2]
    said = "({}, {}, formula='', hints=('', '', ''))".format(*map(ast.unparse, (number, function)))
    return ast.parse(f"{ast.unparse(name)} = Exercise{said}").body[0]
