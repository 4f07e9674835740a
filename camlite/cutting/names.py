"""Which layer is meant: a name or a module becomes the layer's dotted name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from torch import nn

from camlite.errors import LayerNotFound

Layer = str | nn.Module | None


def layer_name(model: nn.Module, layer: Layer) -> str:
    """The dotted name of a layer that was given as a name or as a module.

    A module that the model holds under several names has one of them here, the first: what is cut
    is the module, not the name. A name that is no module comes back as it is: it may be a step of
    the graph.
    """
    if isinstance(layer, str):
        layer = layer.removeprefix("_orig_mod.")  # as a compiled model calls its layers
    module = _module(model, layer) if isinstance(layer, str) else layer
    if isinstance(layer, str) and module is None:
        return layer
    if not isinstance(module, nn.Module):
        raise LayerNotFound(f"layer must be a name or a module, not {layer!r}")
    if module is model:
        raise LayerNotFound(f"the whole model is not one of its layers; {_some_of(model)}")
    for name, each in model.named_modules():
        if each is module:
            return name
    raise LayerNotFound(f"this {type(module).__name__} is not a part of the model")


def _module(model: nn.Module, name: str) -> nn.Module | None:
    """The module of this name; a name may lead through a module that has several names."""
    try:
        return model.get_submodule(name)
    except AttributeError:
        return None


def is_module(model: nn.Module, name: str) -> bool:
    """Whether a name is that of a module, and not of a step of the graph."""
    return _module(model, name) is not None


def not_found(model: nn.Module, name: str, steps: Iterable[str] = ()) -> LayerNotFound:
    """The error for a name that does not exist, with the nearest ones that do."""
    known = [*(n for n, _ in model.named_modules() if n), *steps]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
    hint = f"did you mean {_listed(near)}?" if near else _some_of(model)
    return LayerNotFound(f"the model has no layer {name!r}; {hint}")


def _some_of(model: nn.Module) -> str:
    names = [name for name, _ in model.named_children()]
    return f"its parts are {_listed(names)}" if names else "see model.named_modules()"


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))
