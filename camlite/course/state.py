"""What an answer must leave as it was: its arguments, and what the whole process shares."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


def _set_device(device: torch.device) -> None:
    torch.set_default_device(None if device.type == "cpu" else device)


# name -> (how to ask, how to set)
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "the default device": (lambda: torch.empty(0).device, _set_device),
    "the gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "the choice of deterministic algorithms": (
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
}
RANDOM: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch": (torch.get_rng_state, torch.set_rng_state),
    "numpy": (np.random.get_state, np.random.set_state),
    "random": (random.getstate, random.setstate),
}
# whose functions all share; in a class a new name hides an inherited one, in a module it does not
MODULES, CLASSES = (torch, functional, nn, np), (Tensor, nn.Module)


class Shared:
    """The state of the process as it was; `restore` puts it back and says what had changed."""

    def __init__(self) -> None:
        self.settings = {name: ask() for name, (ask, _) in SETTINGS.items()}
        self.functions = [(o, dict(vars(o))) for o in (*MODULES, *CLASSES)]
        self.random = random_numbers()

    def restore(self) -> list[str]:
        """Settings and functions; the names of those that were not as before."""
        changed = []
        for name, (ask, put) in SETTINGS.items():
            if ask() != self.settings[name]:
                put(self.settings[name])
                changed.append(name)
        for owner, before in self.functions:
            if not quickly_equal(vars(owner), before):
                changed += [f"{owner.__name__}.{name}" for name in _mend(owner, before)]
        return changed

    def restore_random_numbers(self) -> None:
        """The generators that all share go on from where they were."""
        for name, (_, put) in RANDOM.items():
            put(self.random[name])


def _mend(owner: Any, before: dict[str, Any]) -> list[str]:
    """Put back the public names of a module or class; which they were."""
    now = dict(vars(owner))
    replaced = [n for n, value in before.items() if n[0] != "_" and not _alike(value, now.get(n))]
    for name in replaced:
        setattr(owner, name, before[name])
    added = [n for n in now.keys() - before.keys() if n[0] != "_"] if owner in CLASSES else []
    for name in added:
        delattr(owner, name)
    return replaced + added


def _alike(before: Any, now: Any) -> bool:
    """The same, or by torch itself wrapped in a function of the same name: it does so lazily."""
    names = [(getattr(f, "__module__", None), getattr(f, "__name__", None)) for f in (before, now)]
    return before is now or names[0] == names[1]


def random_numbers() -> dict[str, Any]:
    """Where the generators that all share stand now."""
    return {name: ask() for name, (ask, _) in RANDOM.items()}


def seeded(before: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """The generators that an answer called twice gave a fixed seed.

    To draw from them is allowed (a new layer does). Who draws, goes on; who seeds, ends at the
    same place twice.
    """
    return [
        f"the seed of {name}'s random numbers"
        for name in before
        if not same(before[name], first[name]) and same(first[name], second[name])
    ]


def condition(value: Any, name: str) -> dict[str, Any]:
    """All that must stay of one argument: numbers, flags, gradients, whatever it is nested in."""
    if isinstance(value, Tensor):
        return {
            name: value.detach().clone(),
            f"requires_grad of {name}": value.requires_grad,
            f".grad of {name}": None if value.grad is None else value.grad.clone(),
        }
    if isinstance(value, nn.Module):
        return _of_model(value)
    if isinstance(value, np.ndarray):
        return {name: value.copy()}
    if isinstance(value, (list, tuple)):
        items = {f"{name}[{i}]": item for i, item in enumerate(value)}
    elif isinstance(value, dict):
        items = {f"{name}[{key!r}]": item for key, item in value.items()}
    else:
        simple = value is None or isinstance(value, (bool, int, float, str))
        return {name: value} if simple else {}
    found: dict[str, Any] = {name: list(items)}
    for key, item in items.items():
        found |= condition(item, key)
    return found


def _of_model(model: nn.Module) -> dict[str, Any]:
    modules, weights = list(model.modules()), list(model.parameters())
    return {
        "the model's layers": [id(m) for m in modules],
        "the model's weights or buffers": {k: v.clone() for k, v in model.state_dict().items()},
        "train/eval mode": [m.training for m in modules],
        "hooks (one was left in the model)": [
            len(m._forward_hooks) + len(m._backward_hooks) + len(m._forward_pre_hooks)
            for m in modules
        ],
        ".grad of the model's weights": [
            None if p.grad is None else p.grad.clone() for p in weights
        ],
        "requires_grad of the weights": [p.requires_grad for p in weights],
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of what is not as before. A list that changed is named once, not item by item."""
    changed: list[str] = []
    for name in before:
        # the flags of an item that is gone ("requires_grad of …") say no more than that it is gone
        item = name if name in after else name.rpartition(" of ")[2]
        if not same(before[name], after.get(name)) and not any(item.startswith(c) for c in changed):
            changed.append(name)
    return changed


def same(a: Any, b: Any) -> bool:
    """Equal in type, shape and every value; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        alike = a.shape == b.shape and a.dtype == b.dtype and a.device == b.device
        return alike and bool(torch.isclose(a, b, rtol=0, atol=0, equal_nan=True).all())
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return quickly_equal(a, b) or (len(a) == len(b) and all(map(same, a, b)))
    return bool(a == b) or (a != a and b != b)


def quickly_equal(a: Any, b: Any) -> bool:
    """Whether Python's own comparison calls them equal: most are, and it is fast."""
    try:
        return bool(a == b)
    except (ValueError, RuntimeError):  # arrays or tensors that differ
        return False
