"""Which layer, if none is given: the last one with space, or the last of each resolution."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Iterable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, fx, nn

from camlite.cutting.graph import independent
from camlite.cutting.layout import Layouts, watched
from camlite.cutting.names import Layer, layer_name
from camlite.cutting.running import (
    check_images,
    evaluation_mode,
    opened,
    plain_arithmetic,
    uncompiled,
)
from camlite.cutting.tracing import Tracer, trace
from camlite.errors import LayerNotFound, warn_user

# Parts of the names of steps that change the size, or nothing, but never the content.
RESIZES = ("pool", "drop", "identity", "upsample", "interpolate")


class LayerChosen(UserWarning):
    """No layer was given; the message names the one that was taken."""


class _Found(NamedTuple):
    """A layer that every path from the image to the logits goes through."""

    name: str
    shape: torch.Size
    when: int  # how many modules had told their layout before


def chosen_layer(model: nn.Module, layer: Layer, images: Tensor) -> str:
    """The layer's dotted name; None is the last layer with space, announced by `LayerChosen`."""
    if layer is None:
        return last_spatial_layer(model, images)
    return layer_name(opened(model), layer)


def last_spatial_layer(model: nn.Module, images: Tensor) -> str:
    """The last layer with space: more than one position, and every path goes through it.

    Pooling, dropout and resizing do not count. Of nested modules with the same output the
    outermost is named: "layer4" rather than "layer4.2.relu". A functional step counts too: "relu"
    is the last ReLU of torchvision's DenseNet. Found by one forward pass of the first image;
    announced by a `LayerChosen` warning.

    Raises `LayerNotFound` where no layer has space, and for transformers after whose last map
    there are only tokens: see `camlite.tokens_to_map`.
    """
    name, shape, _ = _layers_with_space(model, images)[-1]
    text = f"layer=None: using {name!r}, the last layer with space ({_text(shape)})"
    warn_user(text, LayerChosen)
    return name


def stage_ends(model: nn.Module, images: Tensor) -> list[str]:
    """The last layer before each change of resolution, from the image to the logits.

    ResNet: relu, layer1, layer2, layer3, layer4. Layers are found and announced as by
    `last_spatial_layer`.
    """
    layers = _layers_with_space(model, images)
    ends = [a for a, b in itertools.pairwise(layers) if a.shape[2:] != b.shape[2:]]
    ends.append(layers[-1])
    shown = ", ".join(f"{name!r} ({_text(shape)})" for name, shape, _ in ends)
    text = f"layer=None: using {shown}, the last layer before each change of resolution"
    warn_user(text, LayerChosen)
    return [end.name for end in ends]


def _text(shape: torch.Size) -> str:
    return "×".join(str(s) for s in shape[1:])


def _layers_with_space(model: nn.Module, images: Tensor) -> list[_Found]:
    """The layers with space, in the order in which they run."""
    model = opened(model)
    check_images(model, images)
    first = images.detach()[:1]
    try:
        tracer = trace(model)
        with watched(model) as layouts:
            found = _steps_of_graph(tracer, model, first, layouts)
    except Exception:  # tracing runs the user's code on symbols: anything can happen
        with watched(model) as layouts:
            found = _modules_that_ran(model, first, layouts)
    maps = [one for one in found if _is_map(one.shape, first.dim(), layouts)]
    if layouts.tokens_since(maps[-1].when if maps else 0):
        raise LayerNotFound(
            "the last layers of this model hold tokens, not maps (N, K, h, w): name an earlier "
            "layer, or turn tokens into a map with camlite.tokens_to_map"
        )
    if not maps:
        raise LayerNotFound(
            "no layer of this model has an output with space, (N, K, h, w), and lies on every "
            "path from the image to the logits: name a layer"
        )
    return maps


def _is_map(shape: torch.Size, dims: int, layouts: Layouts) -> bool:
    return len(shape) == dims and shape[2:].numel() > 1 and not layouts.tokens(shape)


# ------------------------------------------------------------------ in the graph


def _steps_of_graph(
    tracer: Tracer, model: nn.Module, image: Tensor, layouts: Layouts
) -> list[_Found]:
    steps, free = tracer.steps, independent(tracer.steps)
    shapes, when = _shapes(model, tracer, image, layouts)
    names = {step: step.name for step in steps if _keeps_shape(step, shapes)}
    names |= {out.node: name for name, out in tracer.made.items() if isinstance(out, fx.Proxy)}
    used = [step for step in steps if step not in free]
    clean = _on_every_path(used, lambda step: [u for u in step.users if u not in free])
    return [
        _Found(names[step], shapes[step.name], when[step.name])
        for step in clean
        if step in names and step.name in shapes and not _only_resizes(step, tracer.forward)
    ]


def _shapes(
    model: nn.Module, tracer: Tracer, image: Tensor, layouts: Layouts
) -> tuple[dict[str, torch.Size], dict[str, int]]:
    """The output shape of each step, and when it ran, by its name."""
    shapes: dict[str, torch.Size] = {}
    when: dict[str, int] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            out = super().run_node(n)
            if isinstance(out, Tensor):
                shapes[n.name], when[n.name] = out.shape, len(layouts.said)
            return out

    with evaluation_mode(model), plain_arithmetic(image), uncompiled():
        Recorder(tracer.forward, graph=tracer.graph).run(image.clone())
    return shapes, when


def _keeps_shape(step: fx.Node, shapes: dict[str, torch.Size]) -> bool:
    """A function of one map, such as relu(x): not permute, cat or a pooling step."""
    if step.op not in ("call_function", "call_method") or len(step.all_input_nodes) != 1:
        return False
    return shapes.get(step.name) == shapes.get(step.all_input_nodes[0].name)


def _only_resizes(step: fx.Node, root: nn.Module) -> bool:
    name = str(getattr(step.target, "__name__", step.target))
    if step.op == "call_module":
        name = type(root.get_submodule(name)).__name__
    return _name_says_resizes(name)


def _name_says_resizes(name: str) -> bool:
    return any(word in name.lower() for word in RESIZES)


# ------------------------------------------------------------------ without a graph


def _modules_that_ran(model: nn.Module, image: Tensor, layouts: Layouts) -> list[_Found]:
    """The modules that every path goes through, by the graph that autograd records.

    Of nested modules with the same output the outermost counts.
    """
    ran: dict[str, tuple[Tensor, Any, int]] = {}
    kept: list[Tensor] = []  # an output that is freed gives its id to another one
    resized: set[int] = set()

    def record(name: str, module: nn.Module, args: Any, out: Any) -> None:
        if not isinstance(out, Tensor):
            return
        kept.append(out)
        if _name_says_resizes(type(module).__name__):
            if not any(out is a for a in args):
                resized.add(id(out))
            return
        ran.pop(name, None)  # a module may run several times: the last run counts
        ran[name] = (out, out.grad_fn, len(layouts.said))

    handles = [
        module.register_forward_hook(functools.partial(record, name))
        for name, module in model.named_modules()
        if name and not isinstance(module, torch.jit.ScriptModule)
    ]
    X = image.clone().requires_grad_()
    try:
        with evaluation_mode(model), plain_arithmetic(X), uncompiled():
            Y = model(X.clone())
    finally:
        for handle in handles:
            handle.remove()
    clean = _clean_in_autograd(Y, X)
    outermost = {id(out): name for name, (out, made_by, _) in ran.items() if made_by in clean}
    return [
        _Found(n, ran[n][0].shape, ran[n][2]) for out, n in outermost.items() if out not in resized
    ]


def _clean_in_autograd(Y: Any, X: Tensor) -> set[Any]:
    """The nodes of autograd's graph that every path from X to Y goes through."""
    if not isinstance(Y, Tensor) or Y.grad_fn is None:
        return set()
    order: dict[Any, None] = {}
    users: dict[Any, list[Any]] = {Y.grad_fn: []}
    todo: list[Any] = [Y.grad_fn]
    seen = set()
    while todo:  # depth first: each node comes after all that it was made of
        node = todo[-1]
        if node in seen:
            todo.pop()
            order.setdefault(node)
            continue
        seen.add(node)
        for earlier, _ in node.next_functions:
            if earlier is not None:
                users.setdefault(earlier, []).append(node)
                if earlier not in seen:
                    todo.append(earlier)
    from_X: set[Any] = set()
    for node in order:
        made_of = [earlier for earlier, _ in node.next_functions]
        if getattr(node, "variable", None) is X or not from_X.isdisjoint(made_of):
            from_X.add(node)
    return set(_on_every_path([n for n in order if n in from_X], users.__getitem__))


Step = TypeVar("Step", bound=Hashable)


def _on_every_path(steps: list[Step], users: Callable[[Step], Iterable[Step]]) -> list[Step]:
    """The steps that every path from the first to the last goes through; in the order they run."""
    place = {step: i for i, step in enumerate(steps)}
    clean, reach = [], 0  # reach: the last step that uses anything from before
    for i, step in enumerate(steps):
        if reach <= i and i > 0:
            clean.append(step)
        reach = max([reach, *(place[u] for u in users(step))])
    return clean
