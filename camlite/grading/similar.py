"""Answers that resemble each other more than answers of a class do: a reason to look, no proof.

Each answer becomes a row of tokens: the nodes of its syntax tree without names, constants,
comments, annotations and docstrings; names of attributes and keywords stay, for they belong to the
library. Pieces of PIECE tokens are fingerprints, thinned out by winnowing (Schleimer, Wilkerson,
Aiken: "Winnowing", SIGMOD 2003). What stands in the lesson and its solution, and what many of the
class wrote, does not count.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

from camlite.course.lessons import Lesson
from camlite.course.submission import UnreadableSubmission, parse, read_submission

THRESHOLD = 0.6  # of the fingerprints that two answers hold together, the share that both hold
PIECE = 8  # tokens
WINDOW = 3  # of so many neighbouring pieces one is kept
SHORTEST = 45  # tokens: shorter answers are similar by nature and are not compared
LEAST = 8  # fingerprints of its own that an answer needs in order to be compared
COMMON = 0.1  # what more than this share of the class wrote is common
FEW = 4  # but never less than this many students
LARGEST = 2_000_000  # bytes of a file that is read
MOST_FILES = 50  # of a student
MOST_TOKENS = 3000  # of an answer: the longest solution has 145

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Answer:
    """What a student wrote for an exercise."""

    student: str
    code: str
    tokens: tuple[str, ...]

    @cached_property
    def fingerprints(self) -> frozenset[int]:
        """Of the whole answer."""
        return fingerprints(self.tokens)


@dataclass(frozen=True)
class Similar:
    """Two answers: `score` is compared with the threshold, `ratio` is of all tokens."""

    exercise: str
    first: Answer
    second: Answer
    score: float
    ratio: float

    @property
    def same_text(self) -> bool:
        """Whether the two agree letter for letter, names and comments included."""
        return self.first.code == self.second.code


@dataclass(frozen=True)
class Compared:
    """One exercise: how many answers there were, how many could be compared, what was found."""

    exercise: str
    answers: int
    as_published: int  # the same row of tokens as the solution's
    compared: int
    common: list[tuple[int, Answer]]  # shapes that many share, with one example
    pairs: list[Similar]


# ------------------------------------------------------------------ from files to tokens


def definitions(path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """The functions and classes of a file: name -> (code, tokens); the last one that is written.

    A file that cannot be read has none.
    """
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    try:
        if path.stat().st_size > LARGEST:
            return {}
        for cell in read_submission(path):
            for node in parse(cell, path.name).body:
                if isinstance(node, Definition) and not _is_stub(node):
                    found[node.name] = _code(cell, node), tokens(node)
    except (UnreadableSubmission, SyntaxError, OSError, RecursionError, MemoryError):
        pass
    return found


def _is_stub(node: Definition) -> bool:
    last = node.body[-1]
    return isinstance(last, ast.Raise) and "NotImplementedError" in ast.dump(last)


def _code(cell: str, node: Definition) -> str:
    return "\n".join(cell.split("\n")[node.lineno - 1 : node.end_lineno])


def tokens(tree: ast.AST, most: int = MOST_TOKENS) -> tuple[str, ...]:
    """The nodes from the first to the last, without what can be renamed or left out."""
    found: list[str] = []
    waiting = [tree]
    while waiting and len(found) < most:
        node = waiting.pop()
        found.append(_token(node))
        waiting += reversed(list(_children(node)))
    return tuple(found)


def _token(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f".{node.attr}"
    if isinstance(node, ast.keyword):
        return f"{node.arg}="
    return type(node).__name__


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params", "ctx"):
            continue
        nodes = value if isinstance(value, list) else [value]
        yield from (n for n in nodes if isinstance(n, ast.AST) and not _is_text(n))


def _is_text(node: ast.AST) -> bool:
    """A docstring, or a string that stands alone."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def fingerprints(row: tuple[str, ...]) -> frozenset[int]:
    """Of each WINDOW neighbouring pieces the one with the smallest hash."""
    pieces = [_hash(row[i : i + PIECE]) for i in range(max(0, len(row) - PIECE + 1))]
    windows = range(max(0, len(pieces) - WINDOW + 1))
    return frozenset(min(pieces[i : i + WINDOW]) for i in windows)


def _hash(piece: tuple[str, ...]) -> int:
    """The same in every process, unlike `hash`."""
    return int.from_bytes(hashlib.blake2b(" ".join(piece).encode(), digest_size=8).digest(), "big")


def files_of(folder: Path) -> list[Path]:
    """The notebooks and Python files under a student's folder, in order; no links."""
    found: list[Path] = []
    for here, folders, files in os.walk(folder):
        folders.sort()
        paths = (Path(here, name) for name in sorted(files) if name.endswith((".py", ".ipynb")))
        found += [path for path in paths if not path.is_symlink()]
        if len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]


# ------------------------------------------------------------------ comparing a class


def published(lesson: Lesson, name: str) -> tuple[tuple[str, ...], frozenset[int]]:
    """The tokens of the solution, and the fingerprints of all code of the lesson."""
    tree = ast.parse(lesson.text)
    own = next((n for n in tree.body if isinstance(n, Definition) and n.name == name), None)
    return tokens(own) if own else (), fingerprints(tokens(tree, most=10**6))


def compare(
    exercise: str,
    answers: list[Answer],
    solution: tuple[str, ...] = (),
    base: frozenset[int] = frozenset(),
    threshold: float = THRESHOLD,
) -> Compared:
    """Pairs of answers that share more than the threshold of what is neither base nor common."""
    answers = sorted(answers, key=lambda answer: answer.student)
    many = max(FEW, COMMON * len(answers))
    counted = Counter(one for answer in answers for one in answer.fingerprints)
    usual = base | fingerprints(solution) | {one for one, n in counted.items() if n > many}
    own = {answer.student: answer.fingerprints - usual for answer in answers}
    able = [a for a in answers if len(own[a.student]) >= LEAST and len(a.tokens) >= SHORTEST]
    return Compared(
        exercise,
        len(answers),
        sum(answer.tokens == solution for answer in answers),
        len(able),
        _shapes(answers, many),
        _pairs(exercise, able, own, threshold),
    )


def _shapes(answers: list[Answer], many: float) -> list[tuple[int, Answer]]:
    """Rows of tokens that more than `many` answers have."""
    of: dict[tuple[str, ...], list[Answer]] = defaultdict(list)
    for answer in answers:
        of[answer.tokens].append(answer)
    shared = [(len(some), some[0]) for some in of.values() if len(some) > many]
    return sorted(shared, key=lambda pair: (-pair[0], pair[1].student))


def _pairs(
    exercise: str, answers: list[Answer], own: dict[str, frozenset[int]], threshold: float
) -> list[Similar]:
    found = []
    for a, b in _with_something_in_common(answers, own):
        x, y = own[a.student], own[b.student]
        score = len(x & y) / len(x | y)
        if score >= threshold:
            ratio = difflib.SequenceMatcher(None, a.tokens, b.tokens, autojunk=False).ratio()
            found.append(Similar(exercise, a, b, score, ratio))
    return sorted(found, key=lambda s: (-s.score, s.first.student, s.second.student))


def _with_something_in_common(
    answers: list[Answer], own: dict[str, frozenset[int]]
) -> Iterable[tuple[Answer, Answer]]:
    """Pairs that share a fingerprint: few, because a fingerprint of many is not their own."""
    holders: dict[int, list[int]] = defaultdict(list)
    for i, answer in enumerate(answers):
        for one in own[answer.student]:
            holders[one].append(i)
    pairs = {pair for some in holders.values() for pair in combinations(some, 2)}
    return ((answers[i], answers[j]) for i, j in sorted(pairs))
