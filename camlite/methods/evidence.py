"""Every method behind one call, for pictures and tables in which they stand side by side."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from torch import Tensor, nn

from camlite.methods.cards import Card
from camlite.scores import Target
from camlite.split import Layer, LayerChosen

AT_SEVERAL_LAYERS = ("zoom_cam", "poly_cam", "refine_cam")


def evidence(
    card: Card,
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    **options: Any,
) -> Tensor:
    """One map per image, whatever the method returns: (N, h, w) ≥ 0, or (N, l) for signals.

    The positive part of a map; for a pixel method, which has a value for each colour, the largest
    absolute one. A layer is used only where the method takes one; methods over several layers
    choose their own.
    """
    where = [None if card.name in AT_SEVERAL_LAYERS else layer] if takes(card, "layer") else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)
        maps = card.function(model, *where, images, target, **options).detach()
    return maps.abs().amax(1) if maps.dim() == images.dim() else maps.relu()


def takes(card: Card, name: str) -> bool:
    """Whether the method has an argument of this name."""
    return name in inspect.signature(card.function).parameters
