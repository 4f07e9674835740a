"""`--set score_cam.batch_size=16`: options of methods, read and checked against the methods."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from camlite.methods.cards import METHODS, find_card


def require_options(options: Mapping[str, Mapping[str, Any]], methods: Sequence[str]) -> None:
    """ValueError unless each method is measured, has these options, and the values are right."""
    for method, given in options.items():
        if method not in methods:
            raise ValueError(f"--set {method}.…: {method} is not measured; add --method {method}")
        known = METHODS[method].options
        possible = [n for n in known if n != "generator"]
        for name, value in given.items():
            if name not in possible:
                raise ValueError(
                    f"{method} has no option {name!r}; it has {', '.join(possible) or 'none'}"
                )
            _require_kind(f"--set {method}.{name}", value, known[name])


def _require_kind(option: str, value: Any, default: Any) -> None:
    """A number where the default is a number, and so on; other mistakes the method itself finds."""
    kinds = {bool: (bool,), int: (int,), float: (int, float)}.get(type(default))
    if kinds and (not isinstance(value, kinds) or isinstance(value, bool) != (kinds == (bool,))):
        what = {bool: "True or False", int: "a whole number", float: "a number"}[type(default)]
        raise ValueError(f"{option} must be {what} (default {default}), not {value!r}")
    if not isinstance(value, (bool, int, float, str, list, tuple, type(None))):
        raise ValueError(f"{option} must be a number, a word or a list, not {value!r}")


def parse_options(texts: list[str]) -> dict[str, dict[str, Any]]:
    """`score_cam.batch_size=16` -> {"score_cam": {"batch_size": 16}}."""
    options: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        method, dot, name = left.partition(".")
        if not (equals and dot and value):
            raise ValueError(
                f"--set {text}: write it as method.option=value, "
                "for instance score_cam.batch_size=16"
            )
        try:
            parsed = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parsed = value  # a word, like blur
        options.setdefault(find_card(method).name, {})[name] = parsed
    return options
