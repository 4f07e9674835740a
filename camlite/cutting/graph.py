"""The cut in the traced graph: torch.fx writes down what a model does, step by step.

A part of the network is a stretch of these steps, made into a function of one tensor. The graph
names the model's own modules and weights; they are looked up whenever a part runs.
"""

from __future__ import annotations

import builtins
import functools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from camlite.cutting.layout import require_map
from camlite.cutting.names import is_module, not_found
from camlite.cutting.running import (
    Stage,
    check_images,
    evaluation_mode,
    logits_of,
    plain_arithmetic,
    uncompiled,
    whole,
)
from camlite.cutting.twin import twins_of


class NotACleanCut(Exception):
    """The graph cannot be cut at this layer; the message says why."""


# ------------------------------------------------------------------ writing the graph down


class _OneCall(nn.Module):
    """model(x), with the defaults of all other arguments."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


@contextmanager
def _isinstance_knows_symbols(root: nn.Module) -> Iterator[None]:
    """While tracing, `isinstance(x, Tensor)` in a user's `forward` has the answer of a real run.

    Otherwise another branch would be traced, silently. Other questions about the type of a symbol
    have no answer: NotACleanCut.
    """
    plain = builtins.isinstance

    def asked(value: Any, kind: Any) -> bool:
        if not issubclass(type(value), fx.Proxy):
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


class Tracer(fx.Tracer):
    """Writes the graph of a model's twin down; remembers which step made each module's output.

    With `layers`, a module that holds none of them is one step: faster, and what cannot be traced
    inside it does no harm. Without, every function call is a step.
    """

    proxy_buffer_attributes = True  # so that a change of a buffer is a step, and not made here

    def __init__(self, model: nn.Module, layers: Sequence[str] | None) -> None:
        super().__init__()
        self.twins = twins_of(model)
        wanted = () if layers is None else [self.twins[model.get_submodule(n)] for n in layers]
        self.layers = None if layers is None else set(wanted)
        self.made: dict[str, Any] = {}
        self.trace(_OneCall(self.twins[model]))
        self.steps = list(self.graph.nodes)
        self.forward = _OneCall(model)  # the steps' names are those of the model's own modules
        for name, value in vars(self.root).items():
            if isinstance(value, Tensor):  # made in `forward`, from nothing
                setattr(self.forward, name, value)

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
        m = self.twins.get(m, m)
        out = super().call_module(m, functools.partial(self._open, m), args, kwargs)
        if name := _in_model(self.path_of_module(m)):
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


# ------------------------------------------------------------------ cutting it


def cut_graph(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    """The parts of `model` between the named layers; NotACleanCut where a path goes around one."""
    tracer = trace(model, names if all(is_module(model, name) for name in names) else None)
    cuts = [_step_of(name, tracer, model) for name in names]
    free = independent(tracer.steps)
    sizes: dict[torch.Size, torch.Size | None] = {}
    ends = [*zip(names, cuts, strict=True), (None, tracer.steps[-1])]
    parts, start = [], None
    for name, end in ends:
        graph = between(tracer.steps, start, end, free)
        parts.append(_Part(model, graph, tracer.forward, name, sizes, first=start is None))
        start = end
    return tuple(parts)


def _step_of(name: str, tracer: Tracer, model: nn.Module) -> fx.Node:
    made = tracer.made.get(name)
    if made is not None:
        if isinstance(made, fx.Proxy):
            return made.node
        raise NotACleanCut(f"{name!r} returns a {type(made).__name__}, not one tensor")
    functional = {n.name: n for n in tracer.steps if n.op in ("call_function", "call_method")}
    if name in functional:
        return functional[name]
    if is_module(model, name):
        raise NotACleanCut(f"{name!r} is not called as a module")
    raise not_found(model, name, functional)


def between(
    steps: list[fx.Node], start: fx.Node | None, end: fx.Node, free: set[fx.Node]
) -> fx.Graph:
    """The steps after `start` up to `end`, in their order, as a graph of one tensor.

    From before `start` may come what does not depend on what is in the images: weights, and the
    images' size. Such steps (`free`) are repeated; a second input, `images`, answers for the size.
    """
    graph = fx.Graph()
    changed = _changed(steps, free)
    copies: dict[fx.Node, fx.Node] = {}
    first = 0
    if start is not None:
        first = steps.index(start) + 1
        copies[start] = graph.call_function(torch.clone, (graph.placeholder("F"),))
        images = graph.placeholder("images")

    def repeated(step: fx.Node) -> fx.Node:
        if step.op == "placeholder" and start is not None:
            return images
        if step not in copies:
            if _place(step) in changed:
                raise NotACleanCut(f"{step.name!r} changes while the model runs")
            copies[step] = graph.node_copy(step, repeated)
        return copies[step]

    def earlier(step: fx.Node) -> fx.Node:
        if step not in copies and step not in free:
            raise NotACleanCut(f"{step.name!r}, made before the layer, is used after it")
        return copies[step] if step in copies else repeated(step)

    for step in steps[first : steps.index(end) + 1]:
        if step not in copies:
            copies[step] = graph.node_copy(step, repeated if step in free else earlier)
            if _is_constant(step) and _place(step) in changed:
                copies[step] = graph.call_function(torch.clone, (copies[step],))
    if end.op != "output":
        graph.output(copies[end])
    return graph


_ATTRIBUTES = ("shape", "device", "dtype", "ndim", "is_cuda")
_METHODS = ("size", "dim", "numel", "new_zeros", "new_ones", "new_full")
_FUNCTIONS = (torch.zeros_like, torch.ones_like)


def independent(steps: Iterable[fx.Node]) -> set[fx.Node]:
    """The steps whose results do not depend on what is in the images, only on their size.

    Weights, `x.shape`, `x.device`, and all that is computed from these.
    """
    free: set[fx.Node] = set()
    for step in steps:
        used = step.all_input_nodes
        if step.op in ("placeholder", "output") or _changes(step) is not None:
            continue
        if all(i in free for i in used) or (_asks_for_size(step) and _is_input(step.args[0])):
            free.add(step)
    return free


def _asks_for_size(step: fx.Node) -> bool:
    if step.op == "call_method":
        return step.target in _METHODS
    if step.target is getattr:
        return step.args[1] in _ATTRIBUTES
    return step.target in _FUNCTIONS


def _is_input(step: Any) -> bool:
    return isinstance(step, fx.Node) and step.op == "placeholder"


def _is_constant(step: fx.Node) -> bool:
    return step.op == "get_attr" and str(step.target).startswith("_tensor_constant")


def _changed(steps: list[fx.Node], free: set[fx.Node]) -> set[Any]:
    """The places of the weights, constants and steps of `free` that some step changes in place."""
    places: set[Any] = set()
    todo = [target for step in steps if (target := _changes(step)) in free]
    while todo:
        step = todo.pop()
        if _place(step) not in places:
            places.add(_place(step))
            todo += step.all_input_nodes
    return places


def _place(step: fx.Node) -> Any:
    return step.target if step.op == "get_attr" else step


def _changes(step: fx.Node) -> Any:
    """What the step changes in place: its first argument, or `out`; None where it changes nothing.

    A module is asked for its attribute `inplace`, a function for its name.
    """
    if step.op not in ("call_function", "call_method", "call_module") or not step.args:
        return None
    if "out" in step.kwargs:
        return step.kwargs["out"]
    name = str(getattr(step.target, "__name__", step.target))
    in_place = step.kwargs.get("inplace") is True
    if step.op != "call_module":
        in_place |= name.endswith("_") and not name.endswith("__")
        in_place |= getattr(operator, name, None) is step.target and name in _IN_PLACE_OPERATORS
    return step.args[0] if in_place else None


_IN_PLACE_OPERATORS = {f"i{name}" for name in ("add", "sub", "mul", "truediv", "floordiv", "mod")}
_IN_PLACE_OPERATORS |= {f"i{name}" for name in ("pow", "and", "or", "xor", "matmul")} | {"setitem"}


# ------------------------------------------------------------------ running a part


def as_function(graph: fx.Graph, forward: nn.Module) -> Callable[..., Any]:
    """The graph as a function; its steps call the modules of `forward` as they are then."""
    code = graph.python_code("self")
    namespace = dict(code.globals)
    exec(compile(code.src, "<a part of the network>", "exec"), namespace)
    return functools.partial(namespace["forward"], forward)


class _Part:
    """One part of a cut network, as a function."""

    def __init__(
        self,
        model: nn.Module,
        graph: fx.Graph,
        forward: nn.Module,
        end: str | None,
        sizes: dict[torch.Size, torch.Size | None],
        *,
        first: bool,
    ) -> None:
        self.model, self.end, self.sizes, self.first = model, end, sizes, first
        self.asks_for_size = not first and _asks_for_more_than_the_number(graph)
        self.run = as_function(graph, forward)

    def __call__(self, x: Tensor) -> Tensor:
        if self.first:
            check_images(self.model, x)
            x = x.detach()
        size = x.shape[1:] if self.first else self._size_of_images(x)
        out = self._result(x, size)
        if self.end is None:
            return logits_of(out, x)
        one = x[:1].detach()
        runs = [lambda: self._result(one, size), lambda: whole(self.model)(one)]
        F = require_map(self.model, self.end, out, x, *runs[: 2 if self.first else 1])
        if self.sizes.setdefault(F.shape[1:], size) != size:
            self.sizes[F.shape[1:]] = None
        return F

    def _result(self, x: Tensor, size: torch.Size) -> Any:
        with evaluation_mode(self.model), plain_arithmetic(x), uncompiled():
            if self.first:
                return self.run(x.clone())
            return self.run(x, x.new_empty(1).expand(len(x), *size))

    def _size_of_images(self, F: Tensor) -> torch.Size:
        """(C, H, W) of the images these maps were made of."""
        size = self.sizes.get(F.shape[1:], F.shape[1:] if not self.asks_for_size else None)
        if size is None and not self.asks_for_size:
            return F.shape[1:]
        if size is None:
            known = (
                "images of several sizes gave" if F.shape[1:] in self.sizes else "no images gave"
            )
            raise ValueError(
                f"this network asks for the size of its images after the layer, and {known} maps "
                f"of shape {tuple(F.shape[1:])} here: call features(images) of a new split first"
            )
        return size


def _asks_for_more_than_the_number(graph: fx.Graph) -> bool:
    """Whether a part asks for more of the images than their number, device and dtype."""
    images = next(step for step in graph.nodes if step.name == "images")
    for step in images.users:
        if step.target is getattr and step.args[1] in ("device", "dtype", "ndim", "is_cuda"):
            continue
        if step.target == "size" and step.args[1:] == (0,):
            continue
        whole_shape = step.target is getattr or (step.target == "size" and len(step.args) == 1)
        if whole_shape and all(_takes_the_first(user) for user in step.users):
            continue
        return True
    return False


def _takes_the_first(step: fx.Node) -> bool:
    return step.target is operator.getitem and bool(step.args[1] == 0)
