"""The cut in the traced graph: torch.fx writes down what a model does, step by step.

A part of the network is a stretch of these steps, made into a function of one tensor.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from camlite.cutting.running import check_images, checked, evaluation_mode, plain_arithmetic
from camlite.errors import LayerNotFound

Stage = Callable[[Tensor], Tensor]


class NotACleanCut(Exception):
    """A second path goes around the layer."""


class _OneCall(nn.Module):
    """model(x), with the defaults of all other arguments."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


class Tracer(fx.Tracer):
    """Writes the graph down and remembers which step made the output of which module.

    With `layers`, a module that holds none of them is one step: faster, and what cannot be traced
    inside it does no harm. Without, every function call is a step.
    """

    def __init__(self, layers: Sequence[str] | None) -> None:
        super().__init__()
        self.layers = layers
        self.made: dict[str, Any] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the module is one step."""
        name = _name_in_model(module_qualified_name)
        if self.layers is None or not name:
            return bool(name) and super().is_leaf_module(m, module_qualified_name)
        return not any(layer.startswith(f"{name}.") for layer in self.layers)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """Called for each module as it runs."""
        out = super().call_module(m, forward, args, kwargs)
        if name := _name_in_model(self.path_of_module(m)):
            self.made[name] = out
        return out


def _name_in_model(name: str) -> str:
    return name.removeprefix("model").removeprefix(".")


def trace(model: nn.Module, layers: Sequence[str] | None = None) -> Tracer:
    """The operations of one call `model(x)` in evaluation mode."""
    tracer = Tracer(layers)
    with evaluation_mode(model):
        tracer.trace(_OneCall(model))
    return tracer


def cut_graph(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    """The parts of `model` between the named layers; NotACleanCut where a path goes around one."""
    modules = {name for name, _ in model.named_modules()}
    tracer = trace(model, names if modules.issuperset(names) else None)
    steps = list(tracer.graph.nodes)
    cuts = [_step_of(name, tracer.made, steps, model) for name in names]
    starts, ends = [None, *cuts], [*cuts, steps[-1]]
    graphs = [between(steps, start, end) for start, end in zip(starts, ends, strict=True)]
    parts = [_Part(model, fx.GraphModule(tracer.root, graph)) for graph in graphs]
    parts[0].first, parts[-1].last = True, True
    return tuple(parts)


def _step_of(name: str, made: dict[str, Any], steps: list[fx.Node], model: nn.Module) -> fx.Node:
    if name in made:
        if isinstance(made[name], fx.Proxy):
            return made[name].node
        raise NotACleanCut(f"{name} returns a {type(made[name]).__name__}, not one tensor")
    functional = {n.name: n for n in steps if n.op in ("call_function", "call_method")}
    if name in functional:
        return functional[name]
    modules = [n for n, _ in model.named_modules()]
    if name in modules:
        raise NotACleanCut(f"{name} is never called")
    raise not_found(name, [*modules, *functional])


def between(steps: list[fx.Node], start: fx.Node | None, end: fx.Node) -> fx.Graph:
    """The steps after `start` up to `end`, in their order, as a graph of one input."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    first = 0
    if start is not None:
        first = steps.index(start) + 1
        F = copies[start] = graph.call_function(torch.clone, (graph.placeholder("F"),))
        for step in steps:  # what may come from before the cut: weights and the number of images
            if is_batch_size(step):
                copies[step] = graph.call_method("size", (F, 0))
            elif step.op == "get_attr":
                copies[step] = graph.node_copy(step)
    for step in steps[first : steps.index(end) + 1]:
        if step in copies or (start is not None and is_shape(step)):
            continue
        try:
            copies[step] = graph.node_copy(step, copies.__getitem__)
        except KeyError as missing:
            raise NotACleanCut(f"{missing.args[0]} reaches past the layer") from None
    if end.op != "output":
        graph.output(copies[end])
    return graph


def is_batch_size(step: fx.Node) -> bool:
    """x.size(0), x.size()[0] or x.shape[0] of the network's input x."""
    if step.op == "call_method" and step.target == "size" and step.args[1:] == (0,):
        return _is_input(step.args[0])
    if step.op == "call_function" and step.target is operator.getitem and step.args[1] == 0:
        return isinstance(step.args[0], fx.Node) and is_shape(step.args[0])
    return False


def is_shape(step: fx.Node) -> bool:
    """x.size() or x.shape of the network's input x."""
    if step.op == "call_method" and step.target == "size":
        return len(step.args) == 1 and _is_input(step.args[0])
    of_input = step.target is getattr and step.args[1] == "shape" and _is_input(step.args[0])
    return bool(of_input)


def _is_input(step: Any) -> bool:
    return isinstance(step, fx.Node) and step.op == "placeholder"


class _Part:
    """One part of a cut network, as a function."""

    def __init__(self, model: nn.Module, graph: fx.GraphModule) -> None:
        self.model, self.graph = model, graph
        self.first = self.last = False

    def __call__(self, x: Tensor) -> Tensor:
        if self.first:
            check_images(self.model, x)
            x = x.detach().clone()
        with evaluation_mode(self.model), plain_arithmetic(x):
            out = self.graph(x)
        return out if self.last else checked(out, x)


def not_found(name: str, known: list[str]) -> LayerNotFound:
    """The error for a name that does not exist, with the nearest ones that do."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
    names = ", ".join(repr(n) for n in near)
    hint = f"did you mean {names}?" if near else "see model.named_modules()"
    return LayerNotFound(f"the model has no layer {name!r}; {hint}")
