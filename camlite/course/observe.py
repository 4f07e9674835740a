"""Call an answer on the cases and write down all that can be seen: results, errors, side effects.

What is seen is plain data (arrays and text), so that it can cross from one process to another.
"""

from __future__ import annotations

import copy
import linecache
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from camlite.course.exercises import Case, Exercise

Value = np.ndarray | str


@dataclass
class Sight:
    """What one case showed: named results in order, or the error that ended it."""

    parts: dict[str, Value] = field(default_factory=dict)
    error: str = ""  # the exception's type, "" if there was none
    detail: str = ""  # its text, and the learner's line


def observe(exercise: Exercise, answer: Callable[..., Any], seed: int) -> list[Sight]:
    """One `Sight` for each case. Exceptions and SystemExit are caught, KeyboardInterrupt is not."""
    return [_observe_case(exercise, answer, case) for case in exercise.draw_cases(seed)]


def _observe_case(exercise: Exercise, answer: Callable[..., Any], case: Case) -> Sight:
    args, kwargs = _copy(case.args), _copy(case.kwargs)
    before = _state(args)
    grad_mode = torch.is_grad_enabled()
    try:
        if exercise.parts is not None:
            parts: dict[str, Value] = {}
            for name, value in exercise.parts(answer, *args, **kwargs).items():
                parts |= _plain(name, value)
            return Sight(parts)
        parts = _plain("result", answer(*args, **kwargs))
        parts["side effects"] = _changes(before, _state(args), grad_mode)
        again = _plain("result", answer(*_fresh_generators(args), **_fresh_generators(kwargs)))
        parts["second call"] = "same" if _same(parts, again) else "different"
        return Sight(parts)
    except (Exception, SystemExit) as error:
        return Sight(error=type(error).__name__, detail=_explain(error))
    finally:
        torch.set_grad_enabled(grad_mode)


def _plain(name: str, value: Any) -> dict[str, Value]:
    """A result as arrays and text: lists and dicts become one entry for each item."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return {
            name: value.float().numpy() if value.dtype == torch.bfloat16 else value.numpy().copy()
        }
    if isinstance(value, (bool, int, float, np.number, np.ndarray)):
        array = np.array(value)
        return {name: array if array.dtype != object else "an array of objects"}
    if isinstance(value, str):
        return {name: value}
    if isinstance(value, dict):
        keys = sorted(value, key=str)
        items = {f"{name}[{key!r}]": value[key] for key in keys}
        parts: dict[str, Value] = {f"keys of {name}": ", ".join(repr(k) for k in keys)}
    elif isinstance(value, (list, tuple)):
        if value and all(isinstance(v, (bool, int, float, np.number)) for v in value):
            return {name: np.array(value)}
        items = {f"{name}[{i}]": item for i, item in enumerate(value)}
        parts = {f"length of {name}": np.array(len(value))}
    else:
        return {name: "nothing (None)" if value is None else f"a {type(value).__name__}"}
    for key, item in items.items():
        parts |= _plain(key, item)
    return parts


def _same(first: dict[str, Value], again: dict[str, Value]) -> bool:
    for name, value in again.items():
        other = first.get(name)
        if isinstance(value, str) or isinstance(other, str) or other is None:
            if not (isinstance(other, str) and other == value):
                return False
        elif value.shape != other.shape or not np.allclose(
            value, other, rtol=1e-4, atol=1e-6, equal_nan=True
        ):
            return False
    return True


def _copy(value: Any) -> Any:
    """Fresh arguments: an answer that changes them in place must not spoil the next case."""
    if isinstance(value, (list, tuple)):
        return type(value)(_copy(v) for v in value)
    if isinstance(value, dict):
        return {k: _copy(v) for k, v in value.items()}
    if isinstance(value, torch.Generator):
        return torch.Generator().manual_seed(value.initial_seed())
    return copy.deepcopy(value) if isinstance(value, (Tensor, nn.Module, np.ndarray)) else value


def _fresh_generators(value: Any) -> Any:
    """The same objects again, but random generators start anew."""
    if isinstance(value, dict):
        return {k: _copy(v) if isinstance(v, torch.Generator) else v for k, v in value.items()}
    return tuple(_copy(v) if isinstance(v, torch.Generator) else v for v in value)


def _state(args: Any) -> dict[str, Any]:
    """What an answer must leave alone: the numbers of the arguments and the model's condition."""
    state: dict[str, Any] = {}
    for i, arg in enumerate(args):
        if isinstance(arg, Tensor):
            state[f"argument {i + 1}"] = arg.detach().clone()
        elif isinstance(arg, nn.Module):
            state["the model's weights or buffers"] = {
                k: v.clone() for k, v in arg.state_dict().items()
            }
            state["train/eval mode"] = [m.training for m in arg.modules()]
            state["hooks (one was left in the model)"] = [
                len(m._forward_hooks) + len(m._backward_hooks) + len(m._forward_pre_hooks)
                for m in arg.modules()
            ]
            state[".grad of the model's weights"] = [p.grad is None for p in arg.parameters()]
            state["requires_grad of the weights"] = [p.requires_grad for p in arg.parameters()]
    return state


def _changes(before: dict[str, Any], after: dict[str, Any], grad_mode: bool) -> str:
    changed = [name for name in before if not _equal(before[name], after[name])]
    if torch.is_grad_enabled() != grad_mode:
        changed.append("gradient mode")
    return "changed: " + ", ".join(changed) if changed else "none"


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, dict):
        return all(torch.equal(a[k], b[k]) for k in a)
    return a == b


def _explain(error: BaseException) -> str:
    """The error in one or two lines, with the learner's own line where it can be found."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename.startswith(("<", "In[")) or "ipykernel" in f.filename]
    if not own:
        return text
    line = own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return f"{text}\n    in {own[-1].name}(), at:  {line}" if line else text
