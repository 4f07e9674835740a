"""One answer out of a file of code: the function, or why there is none."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from camlite.course.observe import Observation, explain
from camlite.course.submission import definition

PRINTED = 2000  # characters


def answer_of(code: list[str], name: str) -> Callable[..., Any] | Observation:
    """What the cells define as `name`, if it can be called; else what to say instead."""
    found = definition(code, name)
    if found is None:
        return Observation(error="Missing", detail=f"there is no {name} in this file")
    if isinstance(found, BaseException):
        return Observation(error=type(found).__name__, detail=_cell_error(found))
    if not callable(found):
        kind = f"{name} is a {type(found).__name__}, not a function"
        return Observation(error="Missing", detail=kind)
    answer: Callable[..., Any] = found
    return answer


def _cell_error(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}: {(error.text or '').strip()[:200]}"
        return f"its cell is not valid Python: {error.msg}, {where}"
    return f"its cell stops with {explain(error)}"


class Printed(io.StringIO):
    """What an answer prints, but never more than its beginning."""

    def write(self, text: str) -> int:
        """Keep the beginning, forget the rest."""
        super().write(text[: max(0, PRINTED - self.tell())])
        return len(text)

    def beginning(self) -> str:
        """At most ten lines; nothing if the answer closed its output."""
        return "" if self.closed else "\n".join(self.getvalue().split("\n")[:10])
