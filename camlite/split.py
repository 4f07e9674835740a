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
import functools
import itertools
import operator
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

from camlite.errors import LayerNotFound

Layer = str | nn.Module | None
Stage = Callable[[Tensor], Tensor]


# Parts of the names of steps that change the size, or nothing, but never the content.
RESIZES = ("pool", "dropout", "identity", "upsample", "interpolate")


class SplitByHook(UserWarning):
    """The network could not be cut; the classifier part costs a whole forward pass."""


class LayerChosen(UserWarning):
    """No layer was given; the message names the one that was taken."""


class _NotACleanCut(Exception):  # noqa: N818
    """A second path goes around the layer."""


def split(model: nn.Module, layer: Layer | Sequence[Layer]) -> tuple[Stage, ...]:
    """Cut `model` behind `layer` into `(features, classifier)`; n layers give n + 1 parts.

    `layer` is a dotted name ("layer4", "features.29"), a module of the model, or the name of a
    functional step of its traced graph ("relu": the last ReLU of torchvision's DenseNet).
    Layers of a list go from the image to the logits.

    The parts share the model's weights and leave the model as it was. They run in evaluation mode
    and without autocast. The features part records no graph; the others do if their input requires
    a gradient. A part never changes its input: it starts from a copy, because an in-place ReLU
    behind the cut would otherwise overwrite the features.

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


class _OneCall(nn.Module):
    """model(x), with the defaults of all other arguments."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


class _Tracer(fx.Tracer):
    """Writes the graph down and remembers which step made the output of which module.

    With `layers`, a module that holds none of them is one step: faster, and what cannot be traced
    inside it does no harm. Without, every function call is a step.
    """

    def __init__(self, layers: Sequence[str] | None) -> None:
        super().__init__()
        self.layers = layers
        self.made: dict[str, Any] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        name = _name_in_model(module_qualified_name)
        if self.layers is None or not name:
            return bool(name) and super().is_leaf_module(m, module_qualified_name)
        return not any(layer.startswith(f"{name}.") for layer in self.layers)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        out = super().call_module(m, forward, args, kwargs)
        if name := _name_in_model(self.path_of_module(m)):
            self.made[name] = out
        return out


def _name_in_model(name: str) -> str:
    return name.removeprefix("model").removeprefix(".")


def _trace(model: nn.Module, layers: Sequence[str] | None = None) -> _Tracer:
    """The operations of one call `model(x)` in evaluation mode."""
    tracer = _Tracer(layers)
    with evaluation(model):
        tracer.trace(_OneCall(model))
    return tracer


def _cut_graph(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    modules = {name for name, _ in model.named_modules()}
    tracer = _trace(model, names if modules.issuperset(names) else None)
    steps = list(tracer.graph.nodes)
    cuts = [_step_of(name, tracer.made, steps, model) for name in names]
    starts, ends = [None, *cuts], [*cuts, steps[-1]]
    graphs = [_between(steps, start, end) for start, end in zip(starts, ends, strict=True)]
    parts = [_Part(model, fx.GraphModule(tracer.root, graph)) for graph in graphs]
    parts[0].first, parts[-1].last = True, True
    return tuple(parts)


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
    first = 0
    if start is not None:
        first = steps.index(start) + 1
        F = copies[start] = graph.call_function(torch.clone, (graph.placeholder("F"),))
        for step in steps:  # what may come from before the cut: weights and the number of images
            if _is_batch_size(step):
                copies[step] = graph.call_method("size", (F, 0))
            elif step.op == "get_attr":
                copies[step] = graph.node_copy(step)
    for step in steps[first : steps.index(end) + 1]:
        if step in copies or (start is not None and _is_shape(step)):
            continue
        try:
            copies[step] = graph.node_copy(step, copies.__getitem__)
        except KeyError as missing:
            raise _NotACleanCut(f"{missing.args[0]} reaches past the layer") from None
    if end.op != "output":
        graph.output(copies[end])
    return graph


def _is_batch_size(step: fx.Node) -> bool:
    """x.size(0), x.size()[0] or x.shape[0] of the network's input x."""
    if step.op == "call_method" and step.target == "size" and step.args[1:] == (0,):
        return _is_input(step.args[0])
    if step.op == "call_function" and step.target is operator.getitem and step.args[1] == 0:
        return isinstance(step.args[0], fx.Node) and _is_shape(step.args[0])
    return False


def _is_shape(step: fx.Node) -> bool:
    """x.size() or x.shape of the network's input x."""
    if step.op == "call_method" and step.target == "size":
        return len(step.args) == 1 and _is_input(step.args[0])
    return step.target is getattr and step.args[1] == "shape" and _is_input(step.args[0])


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
        with evaluation(self.model), plain_arithmetic(x):
            out = self.graph(x)
        return out if self.last else _checked(out, x)


# ------------------------------------------------------------------ the same with hooks


def _cut_with_hooks(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    memory: dict[Any, Any] = {}
    ends = [*names, None]
    return tuple(_HookedPart(model, names[:i], end, memory) for i, end in enumerate(ends))


class _HookedPart:
    """The same part, made by running the whole model: the layer's output is put in or taken out.

    A module may run several times (one ReLU for a whole block): its last run counts. The first
    part keeps the images for the others. The others also take B feature maps for each image, all
    maps of the first image first. Each part also keeps the maps it was given and the later parts
    put them in again: a path may lead from an earlier layer around a later one, and the gradient
    of the earlier layer must not miss it.
    """

    def __init__(self, model: nn.Module, starts: list[str], end: str | None, memory: dict) -> None:
        self.model, self.starts, self.end, self.memory = model, starts, end, memory

    def __call__(self, x: Tensor) -> Tensor:
        if not self.starts:
            check_images(self.model, x)
            x = x.detach()
            self.memory.clear()
            self.memory["images"] = x
        elif "images" not in self.memory:
            raise ValueError("call features(images) first: the classifier part needs the images")
        else:
            self.memory["map", self.starts[-1]] = x
        images = _as_many(self.memory["images"], x)
        with evaluation(self.model), plain_arithmetic(x), self._hooks(x) as taken:
            torch.set_grad_enabled(False)  # the graph begins at the start layer, not before
            out = self.model(images.clone())
        return out if self.end is None else _checked(taken[-1], x)

    @contextmanager
    def _hooks(self, x: Tensor) -> Iterator[list[Tensor]]:
        taken: list[Tensor] = []
        order: list[str] = []
        handles = []

        def put_in(name: str, given: Tensor) -> Any:
            def hook(module: nn.Module, args: Any, out: Any) -> Any:
                order.append(name)
                if order.count(name) < self.memory.get(("runs", name), 1):
                    return None
                torch.set_grad_enabled(torch.is_grad_enabled() or given.requires_grad)
                return given.clone()

            return hook

        def take_out(module: nn.Module, args: Any, out: Any) -> None:
            if not isinstance(out, Tensor):
                kind = type(out).__name__
                raise ValueError(f"layer {self.end!r} returns a {kind}, not one tensor")
            order.append(str(self.end))
            taken.append(out.clone())  # a later in-place layer may overwrite `out`

        for name in self.starts:
            if ("map", name) in self.memory:
                hook = put_in(name, _as_many(self.memory["map", name], x))
                handles.append(self.model.get_submodule(name).register_forward_hook(hook))
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
            if order[-1] != self.end:
                raise ValueError(f"layer {self.end!r} runs before {order[-1]!r}: give layers from "
                                 "the image to the logits")
            self.memory["runs", self.end] = len(taken)


def _as_many(given: Tensor, x: Tensor) -> Tensor:
    """What belongs to each image, repeated for the B maps of each image in `x`."""
    if len(x) % len(given):
        raise ValueError(f"{len(x)} feature maps do not fit the {len(given)} images")
    return given.repeat_interleave(len(x) // len(given), 0) if len(x) > len(given) else given


def run_and_record(
    model: nn.Module, images: Tensor, names: Sequence[str]
) -> tuple[Tensor, list[tuple[str, Tensor]]]:
    """The model's output with a graph from `images` on, and every output of the named modules.

    What is recorded is the tensor itself, before anything behind it can change it in place, so
    `torch.autograd.grad` gives the gradient there. One entry for each run of a module.
    """
    taken: list[tuple[str, Tensor]] = []

    def take_out(name: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Tensor) -> Tensor:
            taken.append((name, out))
            return out.clone()

        return hook

    check_images(model, images)
    handles = [model.get_submodule(n).register_forward_hook(take_out(n)) for n in names]
    try:
        with evaluation(model), plain_arithmetic(images):
            return model(images.clone()), taken
    finally:
        for handle in handles:
            handle.remove()


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
        raise ValueError(f"images must be float32 or float64, not {images.dtype}: convert images "
                         "and model")
    weight = next(model.parameters(), None)
    if weight is not None and weight.is_floating_point():
        for what in ("dtype", "device"):
            if getattr(weight, what) != getattr(images, what):
                raise ValueError(f"images have {what} {getattr(images, what)}, the model's weights "
                                 f"have {getattr(weight, what)}")
    if not bool(torch.isfinite(images).all()):
        raise ValueError("images hold NaN or infinite values")


def _checked(F: Tensor, x: Tensor) -> Tensor:
    """F, made of the images or feature maps x; ValueError unless F is a map (N, K, h, w) too."""
    if len(F) != len(x) or F.dim() < x.dim():
        raise ValueError(
            f"this layer's output has shape {tuple(F.shape)} for an input of {tuple(x.shape)}; "
            "choose a layer that gives maps (N, K, h, w), or (N, K, l) for signals; for the tokens "
            "of a transformer see camlite.tokens_to_map"
        )
    return F


# ------------------------------------------------------------------ which layer


def last_spatial_layer(model: nn.Module, images: Tensor) -> str:
    """The last layer with space: more than one position, and every path goes through it.

    Pooling, dropout and resizing do not count. Of nested modules with the same output the
    outermost is named: "layer4" rather than "layer4.2.relu". A functional step counts too: "relu"
    is the last ReLU of torchvision's DenseNet. Found by one forward pass of the first image;
    announced by a `LayerChosen` warning.

    Raises `LayerNotFound` where no layer has space, and for transformers behind whose last map
    there are only tokens: see `camlite.tokens_to_map`.
    """
    name, shape = _layers_with_space(model, images)[-1]
    warnings.warn(f"layer=None: using {name!r}, the last layer with space ({_text(shape)})",
                  LayerChosen, stacklevel=3)
    return name


def stage_ends(model: nn.Module, images: Tensor) -> list[str]:
    """The last layer before each change of resolution, from the image to the logits.

    ResNet: relu, layer1, layer2, layer3, layer4. Layers are found and announced as by
    `last_spatial_layer`.
    """
    layers = _layers_with_space(model, images)
    ends = [a for a, b in itertools.pairwise(layers) if a[1][2:] != b[1][2:]]
    ends.append(layers[-1])
    shown = ", ".join(f"{name!r} ({_text(shape)})" for name, shape in ends)
    warnings.warn(f"layer=None: using {shown}, the last layer before each change of resolution",
                  LayerChosen, stacklevel=3)
    return [name for name, _ in ends]


def _layers_with_space(model: nn.Module, images: Tensor) -> list[tuple[str, torch.Size]]:
    """Name and output shape of the layers with space, in the order in which they run."""
    check_images(model, images)
    first = images.detach()[:1]
    try:
        tracer = _trace(model)
    except Exception:  # tracing runs the user's code on symbols: anything can happen
        layers = _seen_by_hooks(model, first)
    else:
        layers = _seen_in_graph(model, tracer, first)
    layers = [(name, shape) for name, shape in layers
              if len(shape) == images.dim() and shape[2:].numel() > 1]
    if not layers:
        raise LayerNotFound("no layer of this model has an output with space, (N, K, h, w)")
    return layers


def _seen_in_graph(
    model: nn.Module, tracer: _Tracer, image: Tensor
) -> list[tuple[str, torch.Size]]:
    steps = list(tracer.graph.nodes)
    shapes = _shapes(model, fx.GraphModule(tracer.root, _between(steps, None, steps[-1])), image)
    names = {step: step.name for step in steps if _keeps_shape(step, shapes)}
    names |= {out.node: name for name, out in tracer.made.items() if isinstance(out, fx.Proxy)}
    found, after = [], ""
    for step in _clean_cuts(steps):
        shape = shapes.get(step.name)
        if step not in names or shape is None or _only_resizes(step, tracer.root):
            continue
        if _holds_tokens(step, tracer.root):
            after = names[step] if shape[1:-1].numel() > 1 else after
        else:
            found.append((names[step], shape))
            after = "" if len(shape) == image.dim() and shape[2:].numel() > 1 else after
    if after:
        raise LayerNotFound(
            f"the last layers of this model hold tokens ({after!r}), not maps (N, K, h, w): "
            "name an earlier layer, or turn tokens into a map with camlite.tokens_to_map"
        )
    return found


def _shapes(model: nn.Module, graph: fx.GraphModule, image: Tensor) -> dict[str, torch.Size]:
    """The output shape of each step, by its name."""
    shapes: dict[str, torch.Size] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            out = super().run_node(n)
            if isinstance(out, Tensor):
                shapes[n.name] = out.shape
            return out

    with evaluation(model), plain_arithmetic(image):
        Recorder(graph).run(image.clone())
    return shapes


def _keeps_shape(step: fx.Node, shapes: dict[str, torch.Size]) -> bool:
    """A function of one map, such as relu(x): not permute, cat or a pooling step."""
    if step.op not in ("call_function", "call_method") or len(step.all_input_nodes) != 1:
        return False
    return shapes.get(step.name) == shapes.get(step.all_input_nodes[0].name)


def _clean_cuts(steps: list[fx.Node]) -> list[fx.Node]:
    """The steps that every path from the image to the logits goes through."""
    place = {step: i for i, step in enumerate(steps)}
    clean, reach = [], 0  # reach: the last step that uses anything from before
    for i, step in enumerate(steps):
        if reach <= i and step.op != "placeholder":
            clean.append(step)
        if step.op != "get_attr" and not _is_batch_size(step) and not _is_shape(step):
            users = [u for u in step.users if not _is_batch_size(u) and not _is_shape(u)]
            reach = max([reach, *(place[u] for u in users)])
    return clean


def _only_resizes(step: fx.Node, root: nn.Module) -> bool:
    name = str(getattr(step.target, "__name__", step.target))
    if step.op == "call_module":
        name = type(root.get_submodule(name)).__name__
    return _name_says_resizes(name)


def _name_says_resizes(name: str) -> bool:
    return any(word in name.lower() for word in RESIZES)


def _holds_tokens(step: fx.Node, root: nn.Module) -> bool:
    """Channels last, (N, T, D) or (N, h, w, D): made by Linear or LayerNorm, not turned since."""
    while step.all_input_nodes:
        if step.op == "call_module":
            module = root.get_submodule(str(step.target))
            if next(module.parameters(), None) is not None or isinstance(module, nn.LayerNorm):
                return isinstance(module, (nn.Linear, nn.LayerNorm))
        elif str(getattr(step.target, "__name__", step.target)) in ("permute", "transpose"):
            return False
        step = step.all_input_nodes[0]
    return False


def _seen_by_hooks(model: nn.Module, image: Tensor) -> list[tuple[str, torch.Size]]:
    """The modules' names and outputs; of nested ones with the same output the outermost."""
    outputs: dict[str, Tensor] = {}
    resized = set()

    def record(name: str, module: nn.Module, args: Any, out: Any) -> None:
        if isinstance(out, Tensor):
            outputs.pop(name, None)  # a module may run several times: the last run counts
            outputs[name] = out
            if out is not args[0] and _name_says_resizes(type(module).__name__):
                resized.add(id(out))

    handles = [module.register_forward_hook(functools.partial(record, name))
               for name, module in model.named_modules() if name]
    try:
        with evaluation(model), plain_arithmetic(image):
            model(image.clone())
    finally:
        for handle in handles:
            handle.remove()
    outermost = {id(out): name for name, out in outputs.items() if id(out) not in resized}
    return [(name, outputs[name].shape) for name in outermost.values()]


def _text(shape: torch.Size) -> str:
    return "×".join(str(s) for s in shape[1:])


def _require_modules(model: nn.Module, names: list[str]) -> None:
    modules = [n for n, _ in model.named_modules()]
    for name in names:
        if name not in modules:
            raise _not_found(name, modules)


def _not_found(name: str, known: list[str]) -> LayerNotFound:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
    names = ", ".join(repr(n) for n in near)
    hint = f"did you mean {names}?" if near else "see model.named_modules()"
    return LayerNotFound(f"the model has no layer {name!r}; {hint}")


def _first_line(reason: BaseException) -> str:
    return (str(reason).splitlines() or [type(reason).__name__])[0]
