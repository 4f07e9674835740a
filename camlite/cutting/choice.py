"""Which layer, if none is given: the last one with space, or the last of each resolution."""

from __future__ import annotations

import functools
import itertools
import warnings
from typing import Any

import torch
from torch import Tensor, fx, nn

from camlite.cutting.graph import Tracer, between, is_batch_size, is_shape, trace
from camlite.cutting.running import check_images, evaluation_mode, plain_arithmetic
from camlite.errors import LayerNotFound

# Parts of the names of steps that change the size, or nothing, but never the content.
RESIZES = ("pool", "dropout", "identity", "upsample", "interpolate")


class LayerChosen(UserWarning):
    """No layer was given; the message names the one that was taken."""


def last_spatial_layer(model: nn.Module, images: Tensor, *, stacklevel: int = 3) -> str:
    """The last layer with space: more than one position, and every path goes through it.

    Pooling, dropout and resizing do not count. Of nested modules with the same output the
    outermost is named: "layer4" rather than "layer4.2.relu". A functional step counts too: "relu"
    is the last ReLU of torchvision's DenseNet. Found by one forward pass of the first image;
    announced by a `LayerChosen` warning.

    Raises `LayerNotFound` where no layer has space, and for transformers behind whose last map
    there are only tokens: see `camlite.tokens_to_map`.
    """
    name, shape = _layers_with_space(model, images)[-1]
    warnings.warn(
        f"layer=None: using {name!r}, the last layer with space ({_text(shape)})",
        LayerChosen,
        stacklevel=stacklevel,
    )
    return name


def stage_ends(model: nn.Module, images: Tensor, *, stacklevel: int = 3) -> list[str]:
    """The last layer before each change of resolution, from the image to the logits.

    ResNet: relu, layer1, layer2, layer3, layer4. Layers are found and announced as by
    `last_spatial_layer`.
    """
    layers = _layers_with_space(model, images)
    ends = [a for a, b in itertools.pairwise(layers) if a[1][2:] != b[1][2:]]
    ends.append(layers[-1])
    shown = ", ".join(f"{name!r} ({_text(shape)})" for name, shape in ends)
    warnings.warn(
        f"layer=None: using {shown}, the last layer before each change of resolution",
        LayerChosen,
        stacklevel=stacklevel,
    )
    return [name for name, _ in ends]


def _layers_with_space(model: nn.Module, images: Tensor) -> list[tuple[str, torch.Size]]:
    """Name and output shape of the layers with space, in the order in which they run."""
    check_images(model, images)
    first = images.detach()[:1]
    try:
        tracer = trace(model)
    except Exception:  # tracing runs the user's code on symbols: anything can happen
        layers = _seen_by_hooks(model, first)
    else:
        layers = _seen_in_graph(model, tracer, first)
    layers = [
        (name, shape)
        for name, shape in layers
        if len(shape) == images.dim() and shape[2:].numel() > 1
    ]
    if not layers:
        raise LayerNotFound("no layer of this model has an output with space, (N, K, h, w)")
    return layers


def _seen_in_graph(model: nn.Module, tracer: Tracer, image: Tensor) -> list[tuple[str, torch.Size]]:
    steps = list(tracer.graph.nodes)
    shapes = _shapes(model, fx.GraphModule(tracer.root, between(steps, None, steps[-1])), image)
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

    with evaluation_mode(model), plain_arithmetic(image):
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
        if step.op != "get_attr" and not is_batch_size(step) and not is_shape(step):
            users = [u for u in step.users if not is_batch_size(u) and not is_shape(u)]
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

    handles = [
        module.register_forward_hook(functools.partial(record, name))
        for name, module in model.named_modules()
        if name
    ]
    try:
        with evaluation_mode(model), plain_arithmetic(image):
            model(image.clone())
    finally:
        for handle in handles:
            handle.remove()
    outermost = {id(out): name for name, out in outputs.items() if id(out) not in resized}
    return [(name, outputs[name].shape) for name in outermost.values()]


def _text(shape: torch.Size) -> str:
    return "×".join(str(s) for s in shape[1:])
