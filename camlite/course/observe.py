"""Call an answer on the cases and write down all that can be seen: results, errors, side effects.

What is seen is plain data (arrays and text), so that it can cross from one process to another.
"""

from __future__ import annotations

import copy
import inspect
import linecache
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from camlite.course.exercises import Case, Exercise
from camlite.course.state import Shared, changes, condition, random_numbers, seeded

Value = np.ndarray | str
NOTHING = "nothing (None)"
ABOUT_THE_CALL = ("side effects", "second call")  # parts that are no results
MOST_VALUES, MOST_ITEMS, DEEPEST = 2**24, 1000, 8  # of an array, of a list, of lists in lists


@dataclass
class Observation:
    """What one case showed: named results in order, or the error that ended it."""

    parts: dict[str, Value] = field(default_factory=dict)
    error: str = ""  # the exception's type, "" if there was none
    detail: str = ""  # its text, and the learner's line


class Retold(Exception):
    """An error that was seen in another process, with what was said of it there."""

    detail: str


def observe(
    exercise: Exercise, answer: Callable[..., Any], seed: int, shared: Shared | None = None
) -> list[Observation]:
    """One `Observation` for each case. All that is raised is caught, but for KeyboardInterrupt."""
    shared = shared or Shared()
    return [_observe_case(exercise, answer, case, shared) for case in exercise.draw_cases(seed)]


def _observe_case(
    exercise: Exercise, answer: Callable[..., Any], case: Case, shared: Shared
) -> Observation:
    args, kwargs = _copy(case.args), _copy(case.kwargs)
    try:
        with warnings.catch_warnings():
            if exercise.parts is None:
                return Observation(_two_calls(answer, args, kwargs, shared))
            # a training step changes its model; what else was given stays as it was
            given = _named(args, kwargs)
            data = {k: v for k, v in given.items() if not isinstance(v, nn.Module)}
            before = _conditions(data)
            parts: dict[str, Value] = {}
            for name, value in exercise.parts(answer, *args, **kwargs).items():
                parts |= _plain(name, value)
            changed = changes(before, _conditions(data)) + shared.restore()
            return Observation(parts | _side_effects(changed))
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Observation(error=type(error).__name__, detail=explain(error))
    finally:
        shared.restore()
        shared.restore_random_numbers()


def results(exercise: Exercise, answer: Callable[..., Any], case: Case) -> dict[str, Value] | None:
    """What an answer returns, and nothing else of what can be seen; None where it stops.

    For many variations of the right answer, of which no side effects are feared.
    """
    args, kwargs = _copy(case.args), _copy(case.kwargs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if exercise.parts is None:
                return _plain("result", finished(answer(*args, **kwargs)))
            parts: dict[str, Value] = {}
            for name, value in exercise.parts(answer, *args, **kwargs).items():
                parts |= _plain(name, value)
            return parts
    except Exception:
        return None


def _two_calls(
    answer: Callable[..., Any], args: tuple, kwargs: dict[str, Any], shared: Shared
) -> dict[str, Value]:
    """The result, what the call changed, and whether a second call gives the same again."""
    named = _named(args, kwargs)
    before = _conditions(named)
    parts = _plain("result", finished(answer(*args, **kwargs)))
    changed = changes(before, _conditions(named)) + shared.restore()
    first = random_numbers()
    again = _plain(
        "result", finished(answer(*_fresh_generators(args), **_fresh_generators(kwargs)))
    )
    changed += seeded(shared.random, first, random_numbers())
    repeats = list(parts) == list(again) and all(close(parts[n], again[n], 1e-4) for n in parts)
    return parts | _side_effects(changed) | {"second call": "same" if repeats else "different"}


def _named(args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {f"argument {i + 1}": a for i, a in enumerate(args)} | kwargs


def _conditions(named: dict[str, Any]) -> dict[str, Any]:
    return {k: v for name, value in named.items() for k, v in condition(value, name).items()}


def _side_effects(changed: list[str]) -> dict[str, Value]:
    return {"side effects": "changed: " + ", ".join(changed[:5]) if changed else "none"}


def finished(value: Any) -> Any:
    """The result of an `async def`; it is run here, for in a notebook a loop runs already."""
    if not inspect.iscoroutine(value):
        return value
    try:
        while True:
            value.send(None)
    except StopIteration as end:
        return end.value


# ------------------------------------------------------------------ results as plain data


def _plain(name: str, value: Any, depth: int = 0) -> dict[str, Value]:
    """A result as arrays and text: lists and dicts become one entry for each item."""
    if isinstance(value, Tensor):
        return {name: _of_tensor(value)}
    if isinstance(value, (bool, int, float, complex, np.generic, np.ndarray)):
        return {name: _checked(np.array(value))}
    if isinstance(value, str):
        return {name: value[:1000]}
    if not isinstance(value, (dict, list, tuple)):
        return {name: NOTHING if value is None else f"a {type(value).__name__}"}
    if depth == DEEPEST:
        return {name: f"lists in lists, more than {DEEPEST} deep"}
    if isinstance(value, dict):
        keys = sorted(value, key=str)
        items = {f"{name}[{key!r}]"[:200]: value[key] for key in keys[:MOST_ITEMS]}
        parts: dict[str, Value] = {f"keys of {name}": ", ".join(map(repr, keys[:50]))}
    elif value and all(isinstance(v, (bool, int, float, complex, np.number)) for v in value):
        return {name: _checked(np.array(value))}
    else:
        items = {f"{name}[{i}]": item for i, item in enumerate(value[:MOST_ITEMS])}
        parts = {f"length of {name}": np.array(len(value))}
    for key, item in items.items():
        parts |= _plain(key, item, depth + 1)
    return parts


def _of_tensor(value: Tensor) -> Value:
    if value.numel() > MOST_VALUES:
        return f"a tensor of shape {tuple(value.shape)}: too large to look at"
    value = value.detach() if value.layout == torch.strided else value.detach().to_dense()
    value = (value.dequantize() if value.is_quantized else value).cpu()
    value = value.resolve_conj().resolve_neg()
    try:
        return value.numpy().copy()
    except TypeError:  # numpy has no bfloat16
        return value.float().numpy()


def _checked(array: np.ndarray) -> Value:
    """Numbers stay an array; all else (text, objects, integers beyond 64 bits) becomes words."""
    if array.dtype.kind not in "biufc":
        return f"not numbers that fit an array (numpy's type is {array.dtype})"
    if array.size > MOST_VALUES:
        return f"an array of shape {array.shape}: too large to look at"
    return array


def close(want: Value, got: Value, rtol: float) -> bool:
    """The same text, or the same shape and values; `rtol` is relative to the largest expected."""
    if isinstance(want, str) or isinstance(got, str):
        return isinstance(want, str) and isinstance(got, str) and want == got
    return want.shape == got.shape and not differing(want, got, rtol).any()


def differing(want: np.ndarray, got: np.ndarray, rtol: float) -> np.ndarray:
    """Where two arrays of one shape differ. Integers and truth values must be the same exactly;
    complex numbers are never real ones.
    """
    if want.dtype.kind in "biu" and got.dtype.kind in "biu":
        return np.asarray(want != got)
    if (want.dtype.kind == "c") != (got.dtype.kind == "c"):
        return np.ones(want.shape, bool)
    w, g = (v if v.dtype.kind == "c" else v.astype(float) for v in (want, got))
    largest = float(np.abs(w[np.isfinite(w)]).max(initial=0.0))
    return np.asarray(~np.isclose(g, w, rtol=0, atol=rtol * largest + 1e-7, equal_nan=True))


# ------------------------------------------------------------------ arguments and errors


def _copy(value: Any) -> Any:
    """Fresh arguments: an answer that changes them in place must not spoil the next case."""
    if isinstance(value, (list, tuple)):
        return type(value)(_copy(v) for v in value)
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, torch.Generator):
        return torch.Generator().manual_seed(value.initial_seed())
    if type(value) is Tensor and value.is_leaf and value.grad is None:
        return value.detach().clone().requires_grad_(value.requires_grad)  # as deepcopy, but quick
    if isinstance(value, nn.Module):
        return _copy_of_model(value)
    return copy.deepcopy(value) if isinstance(value, (Tensor, np.ndarray)) else value


def _copy_of_model(model: nn.Module) -> nn.Module:
    """With the .grad of its weights, which torch's own deepcopy leaves out."""
    copied = copy.deepcopy(model)
    for new, old in zip(copied.parameters(), model.parameters(), strict=True):
        new.grad = None if old.grad is None else old.grad.clone()
    return copied


def _fresh_generators(value: Any) -> Any:
    """The same objects again, but random generators start anew."""
    if isinstance(value, dict):
        return {k: _copy(v) if isinstance(v, torch.Generator) else v for k, v in value.items()}
    return tuple(_copy(v) if isinstance(v, torch.Generator) else v for v in value)


def explain(error: BaseException) -> str:
    """The error in one or two lines, with the learner's own line where it can be found."""
    if isinstance(error, Retold):
        return error.detail
    try:
        text = f"{type(error).__name__}: {error}".strip().split("\n")[0][:300]
    except BaseException:  # a learner's own exception, which cannot be printed
        text = type(error).__name__
    own = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if f.filename.startswith(("<cell", "In[", "<ipython")) or "ipykernel" in f.filename
    ]
    if not own:
        return text
    line = own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return f"{text}\n    in {own[-1].name}(), at:  {line[:200]}" if line else text
