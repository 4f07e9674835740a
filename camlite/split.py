"""CNN = classifier ∘ features: cut a network at a layer into two functions.

`features, classifier = split(model, "layer4")` gives `classifier(features(x)) == model(x)`, bit
for bit. Every formula of `camlite.methods` is written on these two functions.

How: torch.fx writes down the network's operations in the order they run; the list is cut after
the layer. Where that is not possible (control flow that depends on the data, or a path that goes
around the layer) a temporary forward hook does the same, and the classifier then costs a whole
forward pass; a `SplitByHook` warning says so. The two ways are in
`cutting/graph.py` and `cutting/hooks.py`. Each call cuts anew and keeps nothing:
`cutting/tracing.py` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from camlite.cutting.choice import LayerChosen, chosen_layer, last_spatial_layer, stage_ends
from camlite.cutting.graph import cut_graph
from camlite.cutting.hooks import cut_with_hooks
from camlite.cutting.names import Layer, is_module, layer_name, not_found
from camlite.cutting.running import Stage, opened
from camlite.errors import ArchitectureError, LayerNotFound, warn_user

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


class SplitByHook(UserWarning):
    """The network could not be cut; the classifier part costs a whole forward pass."""


def split(model: nn.Module, layer: Layer | Sequence[Layer]) -> tuple[Stage, ...]:
    """Cut `model` after `layer` into `(features, classifier)`; n layers give n + 1 parts.

    `layer` is a dotted name ("layer4", "features.29"), a module of the model, or the name of a
    functional step of its traced graph ("relu": the last ReLU of torchvision's DenseNet).
    Layers of a list go from the image to the logits.

    The parts share the model's weights and leave the model as it was. They run in evaluation mode
    and without autocast. The features part records no graph; the others do if their input requires
    a gradient. A part never changes its input: it starts from a copy, because an in-place ReLU
    after the cut would otherwise overwrite the features.

    Where a hook cuts and a path goes around the layer, that path is the one of the last images:
    give `classifier` what the last call of `features` gave, or a change of it.

    Raises `LayerNotFound` (with the nearest names), `ArchitectureError` for a network that cannot
    be opened or a layer that gives no map, and ValueError for images that are not a finite float
    tensor (N, C, H, W) or (N, C, L).

    >>> features, classifier = camlite.split(model, "features")
    >>> F = features(images)
    >>> F.shape, torch.equal(classifier(F), model(images))
    (torch.Size([2, 64, 12, 12]), True)
    """
    model = opened(model)
    layers: list[Layer] = list(layer) if isinstance(layer, (list, tuple)) else [layer]  # type: ignore[list-item]
    if not layers:
        raise LayerNotFound("no layer is given: the list is empty")
    names = [layer_name(model, each) for each in layers]
    try:
        return cut_graph(model, names)
    except (LayerNotFound, ArchitectureError):
        raise
    except Exception as reason:  # tracing runs the user's code on symbols: anything can happen
        for name in names:
            if not is_module(model, name):
                raise not_found(model, name) from None
        warn_user(
            f"{' and '.join(names)} cannot be cut out of the graph ({_first_line(reason)}); "
            "using a hook: same results, but each run of the classifier part is a whole forward",
            SplitByHook,
        )
        return cut_with_hooks(model, names)


def split_at(model: nn.Module, layer: Layer, images: Tensor) -> tuple[Stage, Stage]:
    """`split` at one layer, for the methods: None is the last layer with space.

    Raises ValueError where several layers are given: the method has no place for the others.
    """
    if isinstance(layer, (list, tuple)) and len(layer) > 1:
        raise ValueError(
            f"this method takes one layer, not {len(layer)}; methods over several layers are "
            "layer_cam, zoom_cam, poly_cam, refine_cam and winsor_cam"
        )
    features, classifier = split_at_all(model, layer, images, otherwise=last_spatial_layer)
    return features, classifier


def split_at_all(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    *,
    otherwise: Callable[[nn.Module, Tensor], str | list[str]],
) -> tuple[Stage, ...]:
    """`split` at one layer or several, for the methods: None is what `otherwise` finds."""
    return split(model, otherwise(model, images) if layer is None else layer)


def _first_line(reason: BaseException) -> str:
    return (str(reason).splitlines() or [type(reason).__name__])[0]
