"""Checks of what users give: a clear ValueError instead of NaN or a traceback from deep inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

import torch
from torch import Tensor


def all_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite; ten times as fast as `torch.isfinite(values).all()`."""
    if not values.numel() or values.is_complex():
        return bool(torch.isfinite(values).all())
    extremes = torch.stack(values.detach().aminmax())  # NaN if any value is NaN
    return bool(torch.isfinite(extremes).all())


def finite(what: str, values: Tensor) -> None:
    """ValueError if any of the values is NaN or infinite; `what` they are, for the message."""
    if not all_finite(values):
        raise ValueError(f"NaN or infinite values in {what}")


def finite_floats(what: str, values: object) -> None:
    """ValueError unless `values` is a tensor of finite floating point numbers."""
    if not isinstance(values, Tensor) or not values.is_floating_point():
        kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"{what} must be a tensor of floating point numbers, not {kind}")
    finite(what, values)


def one_of(name: str, value: object, choices: Sequence[object]) -> None:
    """ValueError unless `value` is one of the choices."""
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def at_least_one(**counts: object) -> None:
    """ValueError unless each number is a whole number, 1 or more."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, Integral) or int(count) < 1:
            raise ValueError(f"{name} must be a whole number, 1 or more, not {count!r}")


def a_number(
    name: str, value: object, low: float = -math.inf, high: float = math.inf, *, open: bool = False
) -> None:
    """ValueError unless `value` is a finite number and low ≤ value ≤ high; `open`: low < value."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    v = float(value) if number else math.nan  # type: ignore[arg-type]
    if math.isfinite(v) and low <= v <= high and not (open and v == low):
        return
    limits = "" if low == -math.inf else f", more than {low:g}" if open else f", {low:g} or more"
    limits += "" if high == math.inf else f" and {high:g} or less"
    raise ValueError(f"{name} must be a finite number{limits}, not {value!r}")
