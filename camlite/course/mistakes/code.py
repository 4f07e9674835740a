"""What may have happened in the code: one place of a right answer is written otherwise.

`steps` sees what torch computes. What Python itself computes (whole numbers, loops, choices,
options of a call) it does not see. So here the source of the right answer, and of the helpers
beside it, is changed in one place: `<` for `>`, a term left out, a loop that ends too early.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, TypeGuard

Answer = Callable[..., Any]
_Entry = tuple[str, str, ast.AST | None]  # None: the statement is left out
_Slot = tuple[ast.AST, str, int | None]  # the parent, its field, and the place in a list


@dataclass(frozen=True)
class CodeChange:
    """`name` for programs, `words` behind "when …", and the answer that makes the mistake."""

    name: str
    words: str
    answer: Answer


@functools.cache
def code_changes(right: Answer) -> tuple[CodeChange, ...]:
    """All changes of the code of a right answer; none where its source cannot be read."""
    if not inspect.isfunction(right) or right.__closure__:
        return ()
    known = frozenset(inspect.signature(right).parameters)
    functions = list(_family(right))
    return tuple(
        change for function in functions for change in _changes(function, right, functions, known)
    )


def _family(right: FunctionType) -> Iterator[FunctionType]:
    """The answer, and the functions of the same file that it uses, directly or through others."""
    waiting, seen = [right], {right}
    while waiting:
        function = waiting.pop(0)
        if not function.__code__.co_freevars:
            yield function
        for name in _names(function.__code__):
            used = function.__globals__.get(name)
            if isinstance(used, FunctionType) and used not in seen and _beside(used, right):
                seen.add(used)
                waiting.append(used)


def _names(code: CodeType) -> Iterator[str]:
    """The names that code uses, in its comprehensions too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _beside(one: FunctionType, other: FunctionType) -> bool:
    return one.__code__.co_filename == other.__code__.co_filename


def _changes(
    function: FunctionType, right: FunctionType, family: list[FunctionType], known: frozenset[str]
) -> Iterator[CodeChange]:
    tree = _parsed(function)
    if tree is None or _may_not_end(tree):
        return
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)
    for number, slot in enumerate(_slots(definition)):
        for name, words, other in _alternatives(slot, known):
            with _Written(slot, other):
                code = compile(ast.fix_missing_locations(tree), inspect.getfile(function), "exec")
            answer = _rebuilt(code, definition.name, function, right, family)
            yield CodeChange(f"code {function.__name__}.{number}: {name}", words, answer)


@functools.cache
def may_not_end(right: Answer) -> bool:
    """Whether a changed answer could run for ever: it has a loop whose end depends on its body."""
    if not inspect.isfunction(right):
        return False
    trees = (_parsed(function) for function in _family(right))
    return any(tree is not None and _may_not_end(tree) for tree in trees)


def _may_not_end(tree: ast.AST) -> bool:
    """`while`, or `for x in places: … places.append(y)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.While):
            return True
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Name):
            grown = (n.func.value for n in ast.walk(node) if _is_method(n))
            if any(isinstance(one, ast.Name) and one.id == node.iter.id for one in grown):
                return True
    return False


def _is_method(node: ast.AST) -> TypeGuard[Any]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def _parsed(function: FunctionType) -> ast.Module | None:
    """The source as one definition without decorators; None for a lambda and what has no file."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.FunctionDef):
        return None
    tree.body[0].decorator_list = []
    return tree


def _rebuilt(
    code: Any, name: str, changed: FunctionType, right: FunctionType, family: list[FunctionType]
) -> Answer:
    """The right answer in a world of its own, in which one function is changed."""
    world = dict(right.__globals__)
    exec(code, world)
    new = world[name]
    if changed is right:
        return new  # type: ignore[no-any-return]
    for one in family:
        if one is not changed:
            world[one.__name__] = _moved(one, world)
    return _moved(right, world)


def _moved(function: FunctionType, world: dict[str, Any]) -> FunctionType:
    moved = FunctionType(function.__code__, world, function.__name__, function.__defaults__)
    moved.__kwdefaults__ = function.__kwdefaults__
    return moved


# ------------------------------------------------------------------ places in the code


def _slots(definition: ast.FunctionDef) -> Iterator[_Slot]:
    """Every place of the body, from its beginning."""
    waiting: list[ast.AST] = list(definition.body)
    yield from ((definition, "body", n) for n in range(len(definition.body)))
    while waiting:
        node = waiting.pop(0)
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "args") and not isinstance(node, ast.Call):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST):
                    yield node, field, index
                    waiting.append(child)


def _at(slot: _Slot) -> Any:
    parent, field, index = slot
    value = getattr(parent, field)
    return value if index is None else value[index]


class _Written:
    """While this holds, something else stands in the place."""

    def __init__(self, slot: _Slot, other: ast.AST | None) -> None:
        self.slot, self.before = slot, _at(slot)
        leaves_out = isinstance(self.before, ast.stmt)
        self.other = ast.Pass() if other is None and leaves_out else other

    def __enter__(self) -> None:
        self._put(self.other)

    def __exit__(self, *_: object) -> None:
        self._put(self.before)

    def _put(self, node: ast.AST | None) -> None:
        parent, field, index = self.slot
        if index is None:
            setattr(parent, field, node)
        else:
            getattr(parent, field)[index] = node


# ------------------------------------------------------------------ what may stand there instead

COMPARED = {ast.Lt: "<", ast.LtE: "≤", ast.Gt: ">", ast.GtE: "≥", ast.Eq: "=", ast.NotEq: "≠"}
LEFT_OUT = {ast.Add: "addition of", ast.Sub: "subtraction of", ast.Mult: "multiplication by"}
LEFT_OUT |= {ast.Div: "division by", ast.FloorDiv: "division by", ast.Pow: "power of"}
TURNED: dict[type, tuple[type[ast.operator], str]] = {
    ast.Add: (ast.Sub, "a subtraction"),
    ast.Sub: (ast.Add, "an addition"),
    ast.Mult: (ast.Div, "a division"),
    ast.Div: (ast.Mult, "a multiplication"),
    ast.FloorDiv: (ast.Mult, "a multiplication"),
}
OTHER_CALLS = {"max": "min", "min": "max", "any": "all", "all": "any", "sum": "max"}
OTHER_CALLS |= {"argmax": "argmin", "argmin": "argmax", "floor": "ceil", "ceil": "floor"}
OTHER_CALLS |= {"maximum": "minimum", "minimum": "maximum", "amax": "amin", "amin": "amax"}
LIMITS = ("max", "min", "maximum", "minimum")
JOINED: dict[type, str] = {ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^"}  # of truth values


def _alternatives(slot: _Slot, known: frozenset[str]) -> Iterator[_Entry]:
    parent, field, _ = slot
    node = _at(slot)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "left out", f"the call of {_name(node.value)} is left out", None
    elif isinstance(node, ast.AugAssign):
        words = "values are not added up: only the last one counts"
        yield "not added up", words, ast.Assign([node.target], node.value)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _other_comparisons(node)
    elif isinstance(node, ast.BinOp) and type(node.op) in JOINED:
        yield from _otherwise_joined(node)
    elif isinstance(node, ast.BinOp):
        yield from _other_operations(node, known)
    elif isinstance(node, ast.If):
        always, never = (ast.If(ast.Constant(v), node.body, node.orelse) for v in (True, False))
        yield "never", "the lines below an “if” never run", never
        yield "always", "the lines below an “if” always run", always
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        word = "minus sign" if isinstance(node.op, ast.USub) else "“not”"
        yield "left out", f"a {word} is left out", node.operand
    elif isinstance(node, ast.BoolOp):
        turned = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "turned", "“and” and “or” are exchanged", ast.BoolOp(turned, node.values)
    elif isinstance(node, ast.IfExp):
        yield "first", "one case is left out: always the first of two", node.body
        yield "second", "one case is left out: always the second of two", node.orelse
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, ast.comprehension) and node.ifs:
        every = ast.comprehension(node.target, node.iter, [], 0)
        yield "all", "all are taken: a condition (if) is left out", every
    elif isinstance(node, ast.Constant):
        yield from _other_numbers(node.value)
    elif isinstance(node, ast.Tuple) and isinstance(parent, ast.Return) and len(node.elts) == 2:
        turned_round = ast.Tuple([node.elts[1], node.elts[0]], ast.Load())
        yield "exchanged", "the two results are exchanged", turned_round
    if field == "iter":
        yield from _shorter_loops(node)


def _name(call: ast.Call) -> str:
    f = call.func
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else "it"


def _called(node: ast.AST, known: frozenset[str]) -> str | None:
    """How a learner would call this value; None for what has a name in the right answer only."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return f"{node.value:g}"
    if isinstance(node, ast.Name) and node.id in known:
        return node.id
    if isinstance(node, ast.Call) and _name(node) == "len" and node.args:
        inner = _called(node.args[0], known)
        return f"the number of {inner}" if inner else None
    return None


def _other_comparisons(node: ast.Compare) -> Iterator[_Entry]:
    own = type(node.ops[0])
    for kind, sign in COMPARED.items():
        if own in COMPARED and kind is not own:
            words = f"a comparison asks with {sign} instead of {COMPARED[own]}"
            yield sign, words, ast.Compare(node.left, [kind()], node.comparators)


def _other_operations(node: ast.BinOp, known: frozenset[str]) -> Iterator[_Entry]:
    kind = type(node.op)
    if kind not in LEFT_OUT:
        return
    article = "an" if LEFT_OUT[kind][0] == "a" else "a"
    noun = LEFT_OUT[kind].split()[0]
    right, left = _called(node.right, known), _called(node.left, known)
    words = f"the {LEFT_OUT[kind]} {right}" if right else f"{article} {noun}"
    yield "only left", f"{words} is left out", node.left
    if kind in (ast.Add, ast.Mult):
        words_left = f"the {LEFT_OUT[kind]} {left}" if left else f"{article} {noun}"
        yield "only right", f"{words_left} is left out", node.right
    if kind in TURNED:
        other, its = TURNED[kind]
        yield (
            its.split()[1],
            f"{words} is replaced by {its}",
            ast.BinOp(node.left, other(), node.right),
        )
    if kind in (ast.Sub, ast.Div, ast.FloorDiv):
        turned = ast.BinOp(node.right, node.op, node.left)
        yield "turned", f"{article} {noun} is taken the other way round", turned
    if kind is ast.FloorDiv:
        yield "exact", "a quotient is not rounded down", ast.BinOp(node.left, ast.Div(), node.right)
    if kind is ast.Div:
        down = ast.BinOp(node.left, ast.FloorDiv(), node.right)
        yield "rounded down", "a quotient is rounded down (// for /)", down


def _otherwise_joined(node: ast.BinOp) -> Iterator[_Entry]:
    """Two masks or conditions, `a & b`."""
    own = JOINED[type(node.op)]
    yield "only left", f"of two conditions joined by {own} only the first counts", node.left
    yield "only right", f"of two conditions joined by {own} only the second counts", node.right
    for kind, sign in JOINED.items():
        if sign != own:
            other = ast.BinOp(node.left, kind(), node.right)
            yield sign, f"two conditions are joined by {sign} instead of {own}", other


def _other_calls(node: ast.Call) -> Iterator[_Entry]:
    name = _name(node)
    for n, option in enumerate(node.keywords):
        rest = [*node.keywords[:n], *node.keywords[n + 1 :]]
        if option.arg:
            words = f"the option {option.arg} of {name} is left out"
            yield f"no {option.arg}", words, ast.Call(node.func, node.args, rest)
    if name in OTHER_CALLS:
        other = OTHER_CALLS[name]
        yield other, f"“{name}” is replaced by “{other}”", _called_otherwise(node, other)
    if name in LIMITS and len(node.args) == 2:
        yield from _without_limit(node, name)
    if isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
        yield "left out", f"“{name}” is left out", node.args[0]
    if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
        yield "left out", f"“{name}” is left out", node.func.value


def _without_limit(node: ast.Call, name: str) -> Iterator[_Entry]:
    """`max(n, 0)`: what is limited is taken as it is."""
    for limit, other in (node.args, node.args[::-1]):
        if isinstance(limit, ast.Constant) and isinstance(limit.value, (int, float)):
            words = f"the limit at {limit.value:g} (“{name}”) is left out"
            yield f"no {name} with {limit.value:g}", words, other


def _called_otherwise(node: ast.Call, name: str) -> ast.Call:
    f = node.func
    func = (
        ast.Attribute(f.value, name, ast.Load())
        if isinstance(f, ast.Attribute)
        else ast.Name(name, ast.Load())
    )
    return ast.Call(func, node.args, node.keywords)


def _other_numbers(value: object) -> Iterator[_Entry]:
    if isinstance(value, bool):
        yield str(not value), f"{value} is replaced by {not value}", ast.Constant(not value)
    elif isinstance(value, (int, float)) and value == value:
        others = [value + 1, value - 1, 0, 1] if isinstance(value, int) else [0.0, 1.0, 1 - value]
        for other in dict.fromkeys(others):
            if other != value:
                words = f"a {value:g} of the formula is replaced by {other:g}"
                yield f"{value:g} -> {other:g}", words, ast.Constant(other)


def _shorter_loops(node: ast.expr) -> Iterator[_Entry]:
    """The same loop over fewer, or in the opposite order."""
    for name, words, places in (
        ("without first", "a loop leaves out the first", "1:"),
        ("without last", "a loop leaves out the last", ":-1"),
        ("only first", "a loop takes only the first", ":1"),
        ("only last", "a loop takes only the last", "-1:"),
        ("reversed", "a loop runs in the opposite order", "::-1"),
    ):
        taken = ast.parse(f"list(x)[{places}]", mode="eval").body
        assert isinstance(taken, ast.Subscript)
        taken.value = ast.Call(ast.Name("list", ast.Load()), [node], [])
        yield name, words, taken
