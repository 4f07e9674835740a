"""A model's twin: the same weights in other objects, for tracing.

Tracing runs the user's `forward` on symbols. What it leaves in `self` (a stored feature map, a
counter, a running mean) must not be left in the user's model; so the twin's `forward` is run.
"""

from __future__ import annotations

import copy
import functools
from collections import OrderedDict, deque
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

_OF_EVERY_MODULE = set(vars(nn.Module()))
_PLAIN = (bool, int, float, str, bytes, type(None), type, FunctionType, torch.dtype, torch.device)


def twins_of(model: nn.Module) -> dict[nn.Module, nn.Module]:
    """Every module of `model` and its twin, in evaluation mode.

    Twins share parameters with the model, and nothing else that `forward` could change.
    """
    twins: dict[nn.Module, nn.Module] = {}
    for module in model.modules():
        scripted = isinstance(module, torch.jit.ScriptModule)  # its forward is never traced
        twins[module] = module if scripted else object.__new__(type(module))
    memory: dict[int, Any] = {id(module): twin for module, twin in twins.items()}
    for module, twin in twins.items():
        if twin is module:
            continue
        own = dict(vars(module))
        own["training"] = False
        own["_parameters"] = own["_parameters"].copy()
        own["_buffers"] = own["_buffers"].copy()
        own["_modules"] = {n: twins.get(m, m) for n, m in own["_modules"].items()}
        if not type(module).__module__.startswith("torch.nn."):  # these keep nothing in `self`
            for values in (own, own["_buffers"]):
                for name in values.keys() - _OF_EVERY_MODULE:
                    values[name] = _copied(values[name], memory)
        vars(twin).update(own)
    return twins


def _copied(value: Any, memory: dict[int, Any]) -> Any:
    """A copy that shares no changeable object with `value`, except parameters.

    `copy.deepcopy` would be shorter; it fails on tensors that carry a graph, and copies weights.
    """
    if isinstance(value, (*_PLAIN, nn.Parameter)):
        return value
    if id(value) not in memory:
        memory[id(value)] = value  # an object that holds itself ends here
        memory[id(value)] = _new(value, memory)
    return memory[id(value)]


def _new(value: Any, memory: dict[int, Any]) -> Any:
    if isinstance(value, Tensor):
        return value if nn.parameter.is_lazy(value) else value.detach().clone()
    if type(value) in (list, tuple, set, deque):
        return type(value)(_copied(v, memory) for v in value)
    if type(value) in (dict, OrderedDict):
        return type(value)((k, _copied(v, memory)) for k, v in value.items())
    if isinstance(value, MethodType):
        return MethodType(value.__func__, _copied(value.__self__, memory))
    if isinstance(value, functools.partial):
        keywords = {k: _copied(v, memory) for k, v in value.keywords.items()}
        args = [_copied(v, memory) for v in value.args]
        return functools.partial(_copied(value.func, memory), *args, **keywords)
    if not hasattr(value, "__dict__") or callable(value):
        return value
    try:
        new = copy.copy(value)
    except Exception:  # some objects cannot be copied: a file, a lock
        return value
    if new is not value:
        vars(new).update({k: _copied(v, memory) for k, v in vars(value).items()})
    return new
