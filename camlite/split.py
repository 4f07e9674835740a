"""CNN = classifier ∘ features: cut a network at a layer into two functions.

`features, classifier = split(model, "layer4")` gives `classifier(features(x)) == model(x)`, bit
for bit. Every formula of `camlite.methods` is written on these two functions.

How: torch.fx writes down the network's operations in the order they run; the list is cut behind
the layer. Where that is not possible (control flow that depends on the data, or a path that goes
around the layer) a temporary forward hook does the same, and the classifier then costs a whole
forward pass; a `SplitByHook` warning says so. The two ways are in
`cutting/graph.py` and `cutting/hooks.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from camlite.cutting.choice import LayerChosen, last_spatial_layer, stage_ends
from camlite.cutting.graph import Stage, cut_graph, not_found
from camlite.cutting.hooks import cut_with_hooks
from camlite.errors import LayerNotFound

__all__ = [
    "Layer",
    "LayerChosen",
    "SplitByHook",
    "Stage",
    "chosen_layer",
    "last_spatial_layer",
    "layer_name",
    "split",
    "split_at",
    "split_at_all",
    "stage_ends",
]

Layer = str | nn.Module | None


class SplitByHook(UserWarning):
    """The network could not be cut; the classifier part costs a whole forward pass."""


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
    layers: list[Any] = list(layer) if isinstance(layer, (list, tuple)) else [layer]
    names = [layer_name(model, each) for each in layers]
    try:
        return cut_graph(model, names)
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
        return cut_with_hooks(model, names)


def split_at(model: nn.Module, layer: Layer, images: Tensor) -> tuple[Stage, Stage]:
    """`split` at one layer, for the methods: None is the last layer with space.

    Raises ValueError where several layers are given: the method has no place for the others.
    """
    if isinstance(layer, (list, tuple)):
        if len(layer) != 1:
            raise ValueError(
                f"this method takes one layer, not {len(layer)}; methods over several layers are "
                "layer_cam, zoom_cam, poly_cam and refine_cam"
            )
        layer = layer[0]
    features, classifier = split(model, chosen_layer(model, layer, images, stacklevel=5))
    return features, classifier


def split_at_all(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    *,
    otherwise: Callable[..., Any],
) -> tuple[Stage, ...]:
    """`split` at one layer or several, for the methods: None is what `otherwise` finds."""
    if layer is None:
        return split(model, otherwise(model, images, stacklevel=4))
    return split(model, layer)


def chosen_layer(model: nn.Module, layer: Layer, images: Tensor, *, stacklevel: int = 4) -> str:
    """The layer's dotted name; None is the last layer with space, announced by `LayerChosen`."""
    if layer is None:
        return last_spatial_layer(model, images, stacklevel=stacklevel)
    return layer_name(model, layer)


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


def _require_modules(model: nn.Module, names: list[str]) -> None:
    modules = [n for n, _ in model.named_modules()]
    for name in names:
        if name not in modules:
            raise not_found(name, modules)


def _first_line(reason: BaseException) -> str:
    return (str(reason).splitlines() or [type(reason).__name__])[0]
