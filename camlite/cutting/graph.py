"""The cut in the traced graph.

A part of the network is a stretch of the graph's steps, as a function of one tensor. The steps
name the model's own modules and weights; they are looked up whenever a part runs.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

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
from camlite.cutting.tracing import NotACleanCut, Tracer, trace

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
        stretch = between(tracer.steps, start, end, free)
        parts.append(_Part(model, stretch, tracer.forward, name, sizes, first=start is None))
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


class Stretch(NamedTuple):
    """Steps of a graph in the order in which they run."""

    inputs: tuple[fx.Node, ...]  # whose results are given
    steps: list[fx.Node]
    end: fx.Node  # whose result is wanted
    copied: set[fx.Node]  # constants that a later step changes in place


def between(
    steps: list[fx.Node], start: fx.Node | None, end: fx.Node, free: set[fx.Node]
) -> Stretch:
    """The steps after `start` up to `end`, in their order, as a function of one tensor.

    From before `start` may come what does not depend on what is in the images: weights, and the
    images' size. Such steps (`free`) are repeated; a second input, in the place of the images,
    answers for the size.
    """
    images = steps[0]
    changed = _changed(steps, free)
    inputs = (images,) if start is None else (start, images)
    order: list[fx.Node] = []
    done = {inputs[0]}

    def repeat(step: fx.Node) -> None:
        if step in done or step is images:
            return
        if _place(step) in changed:
            raise NotACleanCut(f"{step.name!r} changes while the model runs")
        add(step)

    def add(step: fx.Node) -> None:
        for used in step.all_input_nodes:
            if used not in done and used not in free and step not in free:
                raise NotACleanCut(f"{used.name!r}, made before the layer, is used after it")
            repeat(used)
        order.append(step)
        done.add(step)

    stretch = steps[steps.index(inputs[0]) + 1 : steps.index(end) + 1]
    for step in stretch:
        if step not in done:
            add(step)
    if end not in done:
        raise NotACleanCut(f"{end.name!r} runs before the layer that is named before it")
    constants = {step for step in stretch if _is_constant(step) and _place(step) in changed}
    return Stretch(inputs, order, end, constants)


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


def as_function(stretch: Stretch, forward: nn.Module) -> Callable[..., Any]:
    """The steps as a function of the inputs; they call the modules of `forward` as they are then.

    A result is forgotten after the last step that uses it.
    """
    last_used = _last_used(stretch)

    def run(*given: Any) -> Any:
        results = dict(zip(stretch.inputs, given, strict=True))
        del given
        for step in stretch.steps:
            results[step] = _result(step, forward, results)
            if step in stretch.copied:
                results[step] = results[step].clone()
            for used in last_used[step]:
                del results[used]
        return results[stretch.end]

    return run


def _last_used(stretch: Stretch) -> dict[fx.Node, list[fx.Node]]:
    """For each step the results, its own too, that no later step uses."""
    last_used: dict[fx.Node, list[fx.Node]] = {}
    needed = {stretch.end}
    for step in reversed(stretch.steps):
        last_used[step] = [n for n in {step, *step.all_input_nodes} if n not in needed]
        needed.update(last_used[step])
    return last_used


def _result(step: fx.Node, forward: nn.Module, results: dict[fx.Node, Any]) -> Any:
    args, kwargs = (_filled_in(values, results) for values in (step.args, step.kwargs))
    if step.op == "output":
        return args[0]
    if step.op == "call_function":
        return step.target(*args, **kwargs)  # type: ignore[operator]
    if step.op == "call_method":
        return getattr(args[0], str(step.target))(*args[1:], **kwargs)
    there = functools.reduce(getattr, str(step.target).split("."), forward)
    return there if step.op == "get_attr" else there(*args, **kwargs)


def _filled_in(argument: Any, results: dict[fx.Node, Any]) -> Any:
    """An argument of a step with results in the place of steps."""
    if isinstance(argument, fx.Node):
        return results[argument]
    if isinstance(argument, tuple):
        values = [_filled_in(each, results) for each in argument]
        return type(argument)(*values) if hasattr(argument, "_fields") else tuple(values)
    if isinstance(argument, list):
        return [_filled_in(each, results) for each in argument]
    if isinstance(argument, dict):
        return {key: _filled_in(each, results) for key, each in argument.items()}
    if isinstance(argument, slice):
        return slice(*_filled_in((argument.start, argument.stop, argument.step), results))
    return argument


class _Part:
    """One part of a cut network, as a function."""

    def __init__(
        self,
        model: nn.Module,
        stretch: Stretch,
        forward: nn.Module,
        end: str | None,
        sizes: dict[torch.Size, torch.Size | None],
        *,
        first: bool,
    ) -> None:
        self.model, self.end, self.sizes, self.first = model, end, sizes, first
        self.asks_for_size = not first and _asks_for_more_than_the_number(stretch)
        self.run = as_function(stretch, forward)

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
            return self.run(x.clone(), x.new_empty(1).expand(len(x), *size))

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


def _asks_for_more_than_the_number(stretch: Stretch) -> bool:
    """Whether a part asks for more of the images than their number, device and dtype."""
    _, images = stretch.inputs
    for step in stretch.steps:
        if images not in step.all_input_nodes:
            continue
        if step.target is getattr and step.args[1] in ("device", "dtype", "ndim", "is_cuda"):
            continue
        if step.target == "size" and step.args[1:] == (0,):
            continue
        whole_shape = step.target is getattr or (step.target == "size" and len(step.args) == 1)
        users = [user for user in step.users if user in stretch.steps]
        if whole_shape and all(_takes_the_first(user) for user in users):
            continue
        return True
    return False


def _takes_the_first(step: fx.Node) -> bool:
    return step.target is operator.getitem and bool(step.args[1] == 0)
