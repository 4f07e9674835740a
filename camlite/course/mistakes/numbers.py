"""Results as numbers: whether two agree, and how many different numbers say so."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np
from torch import Tensor

from camlite.course.exercises import Case
from camlite.course.mistakes.results import ResultChange
from camlite.course.observe import ABOUT_THE_CALL, Observation, Value, close

Parts = dict[str, Value]
NUMBER = re.compile(r"\d[\d×]*")


def results_of(o: Observation) -> Parts:
    """What was returned; nothing where an error ended the case."""
    return {} if o.error else {n: v for n, v in o.parts.items() if n not in ABOUT_THE_CALL}


def same(a: Parts, b: Parts, rtol: float) -> bool:
    """The same parts, with the same values."""
    return list(a) == list(b) and all(quickly(a[n], b[n], rtol) for n in a)


def quickly(a: Value, b: Value, rtol: float) -> bool:
    """`close`, with a glance at the shape and one number before all are compared."""
    if isinstance(a, str) or isinstance(b, str):
        return a is b or (isinstance(a, str) and isinstance(b, str) and a == b)
    if a.shape != b.shape:
        return False
    if a.size > 1:
        x, y = float(a.flat[-1].real), float(b.flat[-1].real)
        if abs(x - y) > 0.01 * max(abs(x), abs(y), float(np.abs(a.flat[0]))) + 1e-3:
            return close(a, b, rtol) if not np.isfinite(x) else False
    return close(a, b, rtol)


def as_array(value: Any) -> np.ndarray | None:
    """As real numbers, None where it is something else."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return None
    return value.astype(float)


def dims(value: Any) -> int:
    """The number of axes; 0 where it is no array."""
    array = as_array(value)
    return 0 if array is None else array.ndim


def applied(change: ResultChange, array: np.ndarray) -> np.ndarray | None:
    """The array after a change, None where it does not suit."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(change.apply(array))
    except (ValueError, IndexError, TypeError):
        return None


def evidence(got: Parts, want: Parts) -> float:
    """How many different numbers stand where the two differ. Whole numbers agree easily."""
    count = 0.0
    for name, value in got.items():
        array, other = as_array(value), as_array(want.get(name))
        if array is None:
            count += _numbers_in(value, want.get(name, ""))
            continue
        if other is not None and other.shape != array.shape:
            count += 2  # the shape agrees too
        elif other is not None:
            if np.abs(array).max(initial=0) <= 1e-6 * np.abs(other).max(initial=0):
                continue  # zeros come of many mistakes
            array = array[~np.isclose(array, other, rtol=1e-5, atol=0, equal_nan=True)]
        whole = bool((array == np.round(array)).all())
        rounded = [f"{v:.4g}" for v in array.ravel()[:100]]
        count += _digits(array) / 4 if whole else len(set(rounded) - {"nan", "0"})
    return count


def _numbers_in(text: Value, other: Value) -> float:
    """Of the numbers in a text, as whole numbers: "weights that learn: 3×7". Not those in both."""
    if not isinstance(text, str):
        return 0
    found, known = (set(NUMBER.findall(t)) if isinstance(t, str) else set() for t in (text, other))
    return sum(min(sum(c.isdigit() for c in one), 4) for one in found - known) / 4


def _digits(whole: np.ndarray) -> int:
    """How many digits say something: 4 at most of each number, and no zeros at its end."""
    texts = (f"{abs(v):.0f}".rstrip("0")[:4] for v in whole.ravel()[:100])
    return sum(max(len(text), 1) for text in texts)


def special(case: Case) -> bool:
    """One image, one channel, or all sizes the same: many mistakes look the same there."""
    tensors = [v for v in (*case.args, *case.kwargs.values()) if isinstance(v, Tensor)]
    return any(1 in v.shape or (v.dim() > 2 and len(set(v.shape)) == 1) for v in tensors)


def bases(given: dict[str, Any]) -> Iterator[tuple[str, Callable[[dict[str, Any]], Any]]]:
    """The arguments that are arrays, and products of two that fit."""
    arrays = {n: a for n, v in given.items() if (a := as_array(v)) is not None and a.ndim}
    for name in arrays:
        yield name, lambda g, name=name: g[name]
    for one, other in combinations(arrays, 2):
        if arrays[one].shape == arrays[other].shape:
            yield f"{one} · {other}", lambda g, a=one, b=other: g[a] * g[b]
        elif arrays[one].ndim > 1 and _can_be_multiplied(arrays[one], arrays[other]):
            yield f"{one} @ {other}", lambda g, a=one, b=other: _product(g[a], g[b])


def _can_be_multiplied(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether a @ b exists; b is one matrix or one vector, not a stack of them."""
    return b.ndim < 3 and a.shape[-1] == b.shape[0]


def _product(one: Any, other: Any) -> np.ndarray | None:
    a, b = as_array(one), as_array(other)
    return None if a is None or b is None else a @ b


def sizes(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(label, words) of each size that may have slipped in as a factor."""
    values = dict(size_values(given))
    for label in values:
        yield label, label if label.isdigit() else f"{label} ({values[label]:g})"


def size_values(given: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The sizes of the arguments, by what they are called."""
    values: dict[str, float] = {}
    for name, value in given.items():
        array = as_array(value)
        if array is None or not array.ndim:
            continue
        shape = array.shape
        if len(shape) > 2:
            places = math.prod(shape[-2:])
            values[f"the number of places of {name}"] = places
            values[f"the root of the number of places of {name}"] = places**0.5
            values[f"the height of {name} by its width"] = shape[-2] / shape[-1]
        for axis, size in enumerate(shape):
            values[f"the size of axis {axis} of {name}"] = size
            values[f"the root of the size of axis {axis} of {name}"] = size**0.5
            if len(shape) > 3:
                label = f"the number of places of {name} by the size of its axis {axis}"
                values[label] = places / size
        values[f"the number of values of {name}"] = array.size
    yield from values.items()
    for number in (2, 100, 255):
        yield str(number), number
