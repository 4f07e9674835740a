"""CNN = classifier ∘ features: cut a network at a layer into two functions.

`features, classifier = split(model, "layer4")` gives `classifier(features(x)) == model(x)`, bit
for bit. Every formula of `camlite.methods` is written on these two functions.

How: torch.fx writes down the network's operations in the order they run; the list is cut behind
the layer. Where that is not possible (control flow that depends on the data, or a path that goes
around the layer) a temporary forward hook does the same, and the classifier then costs a whole
forward pass; a `SplitByHook` warning says so.
"""

from __future__ import annotations

import difflib
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from camlite.errors import LayerNotFound

Layer = str | nn.Module | None
Stage = Callable[[Tensor], Tensor]


class SplitByHook(UserWarning):
    """The network could not be cut; the classifier part costs a whole forward pass."""


class LayerChosen(UserWarning):
    """No layer was given; the message names the one that was taken."""


class _NotACleanCut(Exception):
    """A second path goes around the layer."""


def split(model: nn.Module, layer: Layer | Sequence[Layer]) -> tuple[Stage, ...]:
    """Cut `model` behind `layer` into `(features, classifier)`; a list of n layers gives n + 1 parts.

    `layer` is a dotted name ("layer4", "features.29"), a module of the model, or the name of a
    functional step of its traced graph ("relu": the last ReLU of torchvision's DenseNet).
    Layers of a list go from the image to the logits.

    The parts share the model's weights and leave the model as it was. They run in evaluation mode
    and without autocast. They record a graph only if their input requires a gradient. A part never
    changes its input: it starts from a copy, because an in-place ReLU behind the cut would
    otherwise overwrite the features.

    Raises `LayerNotFound` (with the nearest names), and ValueError for images that are not a
    finite float tensor (N, C, H, W) or (N, C, L).
    """
    layers = list(layer) if isinstance(layer, (list, tuple)) else [layer]
    names = [layer_name(model, each) for each in layers]
    try:
        return _cut_graph(model, names)
    except LayerNotFound:
        raise
    except Exception as reason:  # tracing runs the user's code on symbols: anything can happen
        _require_modules(model, names)
        warnings.warn(
            f"{' and '.join(names)} cannot be cut out of the graph ({_first_line(reason)}); "
            "using a hook: same results, but each run of the classifier part is a whole forward",
            SplitByHook,
            stacklevel=2,
        )
        return _cut_with_hooks(model, names)


def layer_name(model: nn.Module, layer: Layer) -> str:
    """The dotted name of a layer that was given as a name or as a module."""
    if isinstance(layer, str):
        return layer
    if isinstance(layer, nn.Module):
        for name, module in model.named_modules():
            if module is layer:
                return name
        raise LayerNotFound(f"this {type(layer).__name__} is not a part of the model")
    raise LayerNotFound(f"layer must be a name or a module, not {layer!r}")


# ------------------------------------------------------------------ the cut in the traced graph


class _Tracer(fx.Tracer):
    """Writes the graph down and remembers which step made the output of which module."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[str, Any] = {}

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        out = super().call_module(m, forward, args, kwargs)
        self.made[self.path_of_module(m)] = out
        return out


def _cut_graph(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    tracer = _Tracer()
    parameters = list(inspect.signature(model.forward).parameters.values())[1:]
    defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}
    with evaluation(model):
        graph = tracer.trace(model, concrete_args=defaults or None)
    steps = list(graph.nodes)
    cuts = [_step_of(name, tracer.made, steps, model) for name in names]
    ends = [*cuts, steps[-1]]
    starts = [None, *cuts]
    return tuple(
        _Part(model, fx.GraphModule(tracer.root, _between(steps, start, end)), checks=start is None)
        for start, end in zip(starts, ends, strict=True)
    )


def _step_of(name: str, made: dict[str, Any], steps: list[fx.Node], model: nn.Module) -> fx.Node:
    if name in made:
        if isinstance(made[name], fx.Proxy):
            return made[name].node
        raise _NotACleanCut(f"{name} returns a {type(made[name]).__name__}, not one tensor")
    functional = {n.name: n for n in steps if n.op in ("call_function", "call_method")}
    if name in functional:
        return functional[name]
    modules = [n for n, _ in model.named_modules()]
    if name in modules:
        raise _NotACleanCut(f"{name} is never called")
    raise _not_found(name, [*modules, *functional])


def _between(steps: list[fx.Node], start: fx.Node | None, end: fx.Node) -> fx.Graph:
    """The steps after `start` up to `end`, in their order, as a graph of one input."""
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    begin = 0
    if start is not None:
        begin = steps.index(start) + 1
        copies[start] = graph.call_function(torch.clone, (graph.placeholder("F"),))
        _carry_over(steps[:begin], copies, graph)
    for step in steps[begin : steps.index(end) + 1]:
        if step.op == "placeholder" and (start is not None or copies):
            continue  # the optional arguments of forward: their defaults are already traced in
        try:
            copies[step] = graph.node_copy(step, copies.__getitem__)
        except KeyError as missing:
            raise _NotACleanCut(f"{missing.args[0]} reaches past the layer") from None
    if end.op != "output":
        graph.output(copies[end])
    return graph


def _carry_over(before: list[fx.Node], copies: dict[fx.Node, fx.Node], graph: fx.Graph) -> None:
    """What later steps may use from before the cut: weights, and the number of images."""
    for step in before:
        if step.op == "get_attr":
            copies[step] = graph.node_copy(step)
        elif _is_batch_size(step):
            F = next(iter(copies.values()))
            copies[step] = graph.call_method("size", (F, 0))


def _is_batch_size(step: fx.Node) -> bool:
    """x.size(0) or x.shape[0] of the network's input."""
    if step.op == "call_method" and step.target == "size":
        return step.args[1:] == (0,)
    if step.op != "call_function" or getattr(step.target, "__name__", "") != "getitem":
        return False
    of, index = step.args
    is_shape = isinstance(of, fx.Node) and of.op == "call_function" and of.target is getattr
    return is_shape and of.args[1] == "shape" and index == 0  # type: ignore[union-attr]


class _Part:
    """One part of a cut network, as a function."""

    def __init__(self, model: nn.Module, graph: fx.GraphModule, checks: bool) -> None:
        self.model, self.graph, self.checks = model, graph, checks

    def __call__(self, x: Tensor) -> Tensor:
        if self.checks:
            check_images(self.model, x)
        with evaluation(self.model), plain_arithmetic(x):
            return self.graph(x.clone() if self.checks else x)


# ------------------------------------------------------------------ the same with hooks


def _cut_with_hooks(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    memory: dict[str, Any] = {}
    starts, ends = [None, *names], [*names, None]
    return tuple(
        _HookedPart(model, start, end, memory) for start, end in zip(starts, ends, strict=True)
    )


class _HookedPart:
    """The same part, made by running the whole model: the layer's output is put in or taken out.

    A module may run several times (one ReLU for a whole block): its last run counts. The first
    part keeps the images for the others. The others also take B feature maps for each image, all
    maps of the first image first.
    """

    def __init__(self, model: nn.Module, start: str | None, end: str | None, memory: dict) -> None:
        self.model, self.start, self.end, self.memory = model, start, end, memory

    def __call__(self, x: Tensor) -> Tensor:
        if self.start is None:
            check_images(self.model, x)
            self.memory["images"] = x
        elif "images" not in self.memory:
            raise ValueError("call features(images) first: the classifier part needs the images")
        images = self.memory["images"]
        if len(x) % len(images):
            raise ValueError(f"{len(x)} feature maps do not fit the {len(images)} images")
        images = images.repeat_interleave(len(x) // len(images), 0) if self.start else x
        with evaluation(self.model), plain_arithmetic(x), self._hooks(x) as taken:
            # With a start layer the graph begins there, so nothing is recorded before it.
            torch.set_grad_enabled(x.requires_grad and self.start is None)
            out = self.model(images.clone())
            return out if self.end is None else taken[-1]

    @contextmanager
    def _hooks(self, x: Tensor) -> Iterator[list[Tensor]]:
        taken: list[Tensor] = []
        runs = iter(range(1, 1_000_000))

        def put_in(module: nn.Module, args: Any, out: Any) -> Any:
            if next(runs) < self.memory.get(self.start, 1):
                return None
            torch.set_grad_enabled(x.requires_grad)
            return x.clone()

        def take_out(module: nn.Module, args: Any, out: Any) -> Any:
            if not isinstance(out, Tensor):
                raise ValueError(f"layer {self.end!r} returns a {type(out).__name__}, not one tensor")
            taken.append(out)
            return out.clone()

        handles = []
        if self.start is not None:
            handles.append(self.model.get_submodule(self.start).register_forward_hook(put_in))
        if self.end is not None:
            handles.append(self.model.get_submodule(self.end).register_forward_hook(take_out))
        try:
            yield taken
        finally:
            for handle in handles:
                handle.remove()
        if self.end is not None:
            if not taken:
                raise ValueError(f"layer {self.end!r} did not run for these images")
            self.memory[self.end] = len(taken)


# ------------------------------------------------------------------ shared by both


@contextmanager
def evaluation(model: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; each module gets its own flag back."""
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = False
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def plain_arithmetic(x: Tensor) -> Iterator[None]:
    """Outside inference mode and autocast; a graph is recorded only if `x` requires a gradient."""
    no_autocast = torch.autocast(x.device.type, enabled=False)
    with torch.inference_mode(False), torch.set_grad_enabled(x.requires_grad), no_autocast:
        yield


def check_images(model: nn.Module, images: Tensor) -> None:
    """ValueError unless `images` is a finite float tensor (N, C, H, W) or (N, C, L) for `model`."""
    if not isinstance(images, Tensor):
        raise ValueError(f"images must be a torch tensor (N, C, H, W), not {type(images).__name__}")
    if images.dim() not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"images must have shape (N, C, H, W), or (N, C, L) for signals, none of them 0; "
            f"got {tuple(images.shape)}"
        )
    if images.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"images must be float32 or float64, not {images.dtype}: convert images and model")
    weight = next(model.parameters(), None)
    if weight is not None and weight.is_floating_point():
        for what in ("dtype", "device"):
            if getattr(weight, what) != getattr(images, what):
                raise ValueError(f"images have {what} {getattr(images, what)}, the model's weights "
                                 f"have {getattr(weight, what)}")
    if not bool(torch.isfinite(images).all()):
        raise ValueError("images hold NaN or infinite values")


def last_spatial_layer(model: nn.Module, images: Tensor) -> str:
    """The last layer that still has space: more than one position, and not a pooling layer.

    Found by one forward pass of the first image. Of nested modules with the same output the
    outermost is named: "layer4" rather than "layer4.2.relu". Announced by a `LayerChosen` warning.
    """
    check_images(model, images)
    outputs: list[tuple[str, nn.Module, Tensor]] = []
    names = {module: name for name, module in model.named_modules() if name}

    def record(module: nn.Module, args: Any, out: Any) -> None:
        if isinstance(out, Tensor) and out.dim() == images.dim() and out[0, 0].numel() > 1:
            outputs.append((names[module], module, out))

    handles = [module.register_forward_hook(record) for module in names]
    try:
        with evaluation(model), plain_arithmetic(images.detach()):
            model(images[:1].clone())
    finally:
        for handle in handles:
            handle.remove()
    resized = [out for _, module, out in outputs if _only_resizes(module)]
    kept = [o for o in outputs if not any(o[2] is other for other in resized)]
    if not kept:
        raise LayerNotFound("no layer of this model has an output with space, (N, K, h, w)")
    _, _, last = kept[-1]
    same = [name for name, _, out in reversed(kept) if out is last]  # nested, or in place: 28 and 29
    name = min(same, key=lambda n: n.count("."))
    kernel = "×".join(str(s) for s in last.shape[1:])
    warnings.warn(f"layer=None: using {name!r}, the last layer with space ({kernel})",
                  LayerChosen, stacklevel=3)
    return name


def _only_resizes(module: nn.Module) -> bool:
    name = type(module).__name__
    return "Pool" in name or "Dropout" in name or name in ("Identity", "Upsample", "Permute")


def _require_modules(model: nn.Module, names: list[str]) -> None:
    modules = [n for n, _ in model.named_modules()]
    for name in names:
        if name not in modules:
            raise _not_found(name, modules)


def _not_found(name: str, known: list[str]) -> LayerNotFound:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
    hint = f"did you mean {', '.join(repr(n) for n in near)}?" if near else "see model.named_modules()"
    return LayerNotFound(f"the model has no layer {name!r}; {hint}")


def _first_line(reason: BaseException) -> str:
    return (str(reason).splitlines() or [type(reason).__name__])[0]
