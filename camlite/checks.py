"""Checks of what users give: a clear ValueError instead of NaN or a traceback from deep inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

import torch
from torch import Tensor


def finite(what: str, values: Tensor) -> None:
    """ValueError if any of the values is NaN or infinite; `what` is how the message begins."""
    if not bool(torch.isfinite(values).all()):
        raise ValueError(f"{what} holds NaN or infinite values")


def one_of(name: str, value: object, choices: Sequence[object]) -> None:
    """ValueError unless `value` is one of the choices."""
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def at_least_one(**counts: object) -> None:
    """ValueError unless each number is a whole number, 1 or more."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, Integral) or int(count) < 1:
            raise ValueError(f"{name} must be a whole number, 1 or more, not {count!r}")


def a_number(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> None:
    """ValueError unless `value` is a number, not NaN or infinite, and low ≤ value ≤ high."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:  # type: ignore[arg-type,operator]
        limits = f" from {low:g} to {high:g}" if math.isfinite(high) else f", {low:g} or more"
        raise ValueError(
            f"{name} must be a finite number{limits if math.isfinite(low) else ''}, not {value!r}"
        )
