"""The graph of a model: torch.fx runs `forward` on symbols and writes every step down.

A model is traced at every call, and no graph is kept: between two calls anything that `forward`
reads may have changed, also a global variable or a value in an object. So a trace must be cheap.
What fx does for each trace and we do not need is left out: it looks through all attributes for
tensors, wraps each function of `math` anew, replaces methods of `nn.Module`, and notes for each
step who made it.
"""

from __future__ import annotations

import builtins
import functools
import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx import _symbolic_trace
from torch.fx.node import map_aggregate
from torch.nn.modules.module import register_module_forward_pre_hook

from camlite.cutting.twin import twins_of

try:
    from torch.fx._symbolic_trace import (
        _autowrap_check,
        _new_patcher,
        _patch_wrapped_functions,
        is_fx_symbolic_tracing,
    )
except ImportError:  # in another version of torch: `fx.Tracer.trace` does the same, and costs more
    QUICK = False
else:
    QUICK = True


class NotACleanCut(Exception):
    """The graph cannot be cut at this layer; the message says why."""


class _OneCall(nn.Module):
    """model(x), with the defaults of all other arguments."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)

    def named_children(self) -> Iterator[tuple[str, nn.Module]]:
        """None, so that fx does not look for tensors in all modules: see `_name_tensors`."""
        return iter(())


_SIMPLE = {int, float, bool, str, type(None)}
_ONE_AT_A_TIME = threading.RLock()  # fx replaces methods of nn.Module while it traces
_MATH = {n: f for n, f in vars(math).items() if callable(f) and not n.startswith("_")}


@contextmanager
def _math_knows_symbols() -> Iterator[None]:
    """While tracing, `math.sqrt(symbol)` is a step."""
    vars(math).update(_math_of_symbols())
    try:
        yield
    finally:
        vars(math).update(_MATH)


@functools.cache
def _math_of_symbols() -> dict[str, Callable[..., Any]]:
    return {name: _of_symbols(function) for name, function in _MATH.items()}


def _of_symbols(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def f(*args: Any, **kwargs: Any) -> Any:
        found: list[Any] = []
        map_aggregate((args, kwargs), found.append)
        symbols = [a for a in found if issubclass(type(a), fx.Proxy)]
        if symbols:
            return symbols[0].tracer.create_proxy("call_function", function, args, kwargs)
        return function(*args, **kwargs)

    return f


@contextmanager
def _isinstance_knows_symbols(root: nn.Module) -> Iterator[None]:
    """While tracing, `isinstance(x, Tensor)` in a user's `forward` has the answer of a real run.

    Otherwise another branch would be traced, silently. Other questions about the type of a symbol
    have no answer: NotACleanCut. Another thread may hold symbols of a trace that is over: it is
    answered as always.
    """
    plain, thread = builtins.isinstance, threading.get_ident()

    def asked(value: Any, kind: Any) -> bool:
        if not issubclass(type(value), fx.Proxy) or threading.get_ident() != thread:
            return plain(value, kind)
        if sys._getframe(1).f_globals.get("__name__", "").startswith("torch."):
            return plain(value, kind)
        if Tensor in (kind if type(kind) is tuple else (kind,)) and _is_tensor(value.node, root):
            return True
        raise NotACleanCut("forward asks for the type of a result")

    builtins.isinstance = asked
    try:
        yield
    finally:
        builtins.isinstance = plain


def _is_tensor(step: fx.Node, root: nn.Module) -> bool:
    """Whether the step's result is surely one tensor."""
    if step.op != "call_module":
        return True
    module = root.get_submodule(str(step.target))
    several = isinstance(module, (nn.RNNBase, nn.MultiheadAttention))
    return type(module).__module__.startswith("torch.nn.") and not several


def _is_called_like_any_module(kind: type[nn.Module]) -> bool:
    """Whether calls and attributes are nn.Module's, so that `_replaced` can be undone by `del`."""
    same = kind.__call__ is nn.Module.__call__ and kind.__getattr__ is nn.Module.__getattr__
    own = {"__call__", "__getattr__"} & vars(kind).keys()
    return same and not own and type(kind).__setattr__ is type.__setattr__


@contextmanager
def _replaced(kinds: set[type[nn.Module]], called: Any, asked: Any) -> Iterator[None]:
    """Modules of these classes are called, and asked for parameters and submodules, otherwise."""
    try:
        for kind in kinds:
            for name, method in {"__call__": called, "__getattr__": asked}.items():
                setattr(kind, name, method)
        yield
    finally:
        for kind in kinds:
            for name in ("__call__", "__getattr__"):
                if name in vars(kind):
                    delattr(kind, name)


@contextmanager
def _fx_tracing() -> Iterator[None]:
    """What `torch.fx` answers if asked whether it traces: compiled functions ask."""
    before = is_fx_symbolic_tracing()  # `is_fx_tracing` writes a warning
    _say_that_fx_traces(True)
    try:
        yield
    finally:
        _say_that_fx_traces(before)


def _say_that_fx_traces(it_does: bool) -> None:
    if hasattr(_symbolic_trace, "_set_is_fx_tracing"):
        _symbolic_trace._set_is_fx_tracing(it_does)
    else:  # torch before 2.14
        vars(_symbolic_trace)["_is_fx_tracing_flag"] = it_does


class Tracer(fx.Tracer):
    """Writes the graph of a model's twin down; remembers which step made each module's output.

    With `layers`, a module that holds none of them is one step: faster, and what cannot be traced
    inside it does no harm. Without, every function call is a step.
    """

    proxy_buffer_attributes = True  # so that a change of a buffer is a step, and not made here

    def __init__(self, model: nn.Module, layers: Sequence[str] | None) -> None:
        super().__init__((), tuple(_MATH.values()))  # type: ignore[arg-type]
        self.thread = threading.get_ident()
        self.twins = twins_of(model)
        wanted = () if layers is None else [self.twins[model.get_submodule(n)] for n in layers]
        self.layers = None if layers is None else set(wanted)
        self.made: dict[str, Any] = {}
        self.before = {twin: dict(vars(twin)) for twin in self.twins.values()}
        with _ONE_AT_A_TIME, _math_knows_symbols():
            root = _OneCall(self.twins[model])
            kinds = {type(twin) for twin in self.twins.values()}
            if QUICK and all(_is_called_like_any_module(kind) for kind in kinds):
                self._trace_quickly(root, kinds)
            else:
                self.trace(root)
        self.steps = list(self.graph.nodes)
        self.forward = _OneCall(model)  # the steps' names are those of the model's own modules
        for name, value in vars(self.root).items():
            if isinstance(value, Tensor):  # made in `forward`, from nothing
                setattr(self.forward, name, value)

    def _trace_quickly(self, root: _OneCall, kinds: set[type[nn.Module]]) -> None:
        """`fx.Tracer.trace`, but it replaces methods of the model's classes, not of nn.Module.

        Python tells each subclass when a method of nn.Module is replaced: hundreds of them.
        """
        self.root, self.graph = root, fx.Graph(tracer_cls=type(self))
        self.submodule_paths = {module: path for path, module in root.named_modules()}
        self.tensor_attrs = {}
        proxies: dict[str, Any] = {}
        call, read = nn.Module.__call__, nn.Module.__getattr__

        def called(m: nn.Module, *args: Any, **kwargs: Any) -> Any:
            there = getattr(m.forward, "__globals__", None)
            if there is not None and threading.get_ident() == self.thread:
                _autowrap_check(patcher, there, self._autowrap_function_ids)
            return self.call_module(m, functools.partial(call, m), args, kwargs)

        def asked(m: nn.Module, name: str) -> Any:
            return self.getattr(name, read(m, name), proxies)

        def ran(m: nn.Module, args: Any) -> None:
            if threading.get_ident() == self.thread:
                raise NotACleanCut(f"forward calls a {type(m).__name__} that is not in the model")

        x = self.create_proxy("placeholder", "x", (), {})
        strangers = register_module_forward_pre_hook(ran)
        try:
            with _fx_tracing(), _new_patcher() as patcher, _replaced(kinds, called, asked):
                _patch_wrapped_functions(patcher)
                self.create_node("output", "output", (self.create_arg(root.model(x)),), {})
        finally:
            strangers.remove()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the module is one step."""
        if not _in_model(module_qualified_name):
            return False
        if isinstance(m, torch.jit.ScriptModule):
            return True
        if self.layers is None:
            return super().is_leaf_module(m, module_qualified_name) or has_hooks(m)
        return not any(part in self.layers for part in m.modules() if part is not m)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Called for each module as it runs. Nobody's hooks are called."""
        if threading.get_ident() != self.thread:
            return forward(*args, **kwargs)
        m = self.twins.get(m, m)
        path = self.path_of_module(m)
        if self.is_leaf_module(m, path):
            out = self.create_proxy("call_module", path, args, kwargs)
        else:
            out = self._open(m, *args, **kwargs)
        if name := _in_model(path):
            self.made[name] = out
        return out

    def _open(self, m: nn.Module, *args: Any, **kwargs: Any) -> Any:
        name = _in_model(self.path_of_module(m))
        if has_hooks(m):
            who = repr(name) if name else "the model"
            raise NotACleanCut(f"{who} has hooks, and what they do is in no graph")
        if name:
            return m.forward(*args, **kwargs)
        with _isinstance_knows_symbols(self.root):
            return m.forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Called when a module's parameter, buffer or submodule is read."""
        if threading.get_ident() != self.thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        """A new step, without fx's notes about where it was made."""
        return self.graph.create_node(*args, **kwargs)

    def create_arg(self, a: Any) -> Any:
        """A value as a step's argument; the frequent kinds come first."""
        kind = type(a)
        if kind is fx.Proxy:
            return a.node
        if kind in _SIMPLE:
            return a
        if kind is tuple:
            return tuple([self.create_arg(each) for each in a])
        if issubclass(kind, Tensor) and not self.tensor_attrs:
            self._name_tensors()
        return super().create_arg(a)

    def _name_tensors(self) -> None:
        """The names of the tensors that were attributes of modules before `forward` ran."""
        for twin, attributes in self.before.items():
            for name, value in attributes.items():
                if isinstance(value, Tensor):
                    self.tensor_attrs[value] = f"{self.path_of_module(twin)}.{name}"


def has_hooks(module: nn.Module) -> bool:
    """Whether hooks are called when the module runs, or when its gradient is computed."""
    m: Any = module
    return bool(
        m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks
    )


def trace(model: nn.Module, layers: Sequence[str] | None = None) -> Tracer:
    """The operations of one call `model(x)` in evaluation mode.

    Raises NotACleanCut where a tensor goes from a module on through an attribute: such a path is
    in no graph.
    """
    tracer = Tracer(model, layers)
    ran = {f"{step.target}." for step in tracer.steps if step.op == "call_module"}
    for step in tracer.steps:
        if step.op == "get_attr" and str(step.target).startswith(tuple(ran)):
            owner, _, name = str(step.target).rpartition(".")
            if name not in tracer.forward.get_submodule(owner)._parameters:
                raise NotACleanCut(f"{_in_model(owner)!r} runs, and its {name!r} is read elsewhere")
    return tracer


def _in_model(name: str) -> str:
    return name.removeprefix("model").removeprefix(".")
