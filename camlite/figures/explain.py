"""`camlite explain IMAGE`: a photograph, a real network, the maps of several methods."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camlite import data
from camlite.figures import plot
from camlite.maps import heatmap
from camlite.methods.cards import METHODS
from camlite.split import LayerChosen, chosen_layer
from camlite.weights import at_hand, preprocess, pretrained


def explain(
    image: Path,
    model: str,
    layer: str | None,
    classes: list[str],
    methods: list[str],
    save: Path,
    progress: bool,
) -> dict[str, Any]:
    """Draw methods × classes for one image into `save`; returns predictions, layer and file."""
    unknown = [m for m in methods if m not in METHODS]
    if unknown:
        raise ValueError(f"no method is called {unknown[0]!r}; there are {', '.join(METHODS)}")
    picture = data.load_image(image)
    net = pretrained(model)
    seen, x = preprocess(picture)
    with torch.no_grad():
        p = net.model(x).softmax(1)[0]
    chosen = [net.classes(c) for c in classes] or [int(p.argmax())]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)  # the layer is part of the answer
        layer = chosen_layer(net.model, layer, x)
    rows = [
        [(seen[0], heat_of(m, net.model, layer, x, c, progress)) for c in chosen] for m in methods
    ]
    titles = [f"{net.categories[c]} ({c})\np = {p[c]:.3f}" for c in chosen]
    plot.grid(
        [[(seen[0], None), *row] for row in rows],
        [METHODS[m].short for m in methods],
        ["the network sees", *titles],
        save=save,
        title=f"{model}, layer {layer}",
    )
    top = p.topk(min(5, len(p)))
    return {
        "image": str(image),
        "model": model,
        "weights": net.source,
        "layer": layer,
        "top": [
            {"class": int(c), "name": net.categories[int(c)], "probability": float(q)}
            for q, c in zip(top.values, top.indices, strict=True)
        ],
        "figure": str(save),
    }


def heat_of(
    method: str, model: nn.Module, layer: str, x: Tensor, c: int, progress: bool, **options: Any
) -> Tensor:
    """(H, W) in [0, 1]: the positive part of a method's map, or the size of each pixel's value."""
    card = METHODS[method]
    if "progress" in card.options:
        options["progress"] = progress
    maps = card.evidence(model, layer, x, c, **options)
    if maps.shape[1:] == x.shape[2:] and method not in ("center_gaussian", "occlusion"):
        return _stretched(maps)
    return heatmap(maps, x.shape[2:])[0]


def _stretched(maps: Tensor) -> Tensor:
    """Pixel maps have few extreme values: all above the 99.5th percentile is drawn the same."""
    top = torch.quantile(maps.flatten(), 0.995).clamp_min(1e-12)
    return (maps[0] / top).clamp(0, 1)


def default_model() -> str:
    """The best network whose weights are at hand; ResNet50, which can be downloaded, otherwise."""
    here = at_hand()
    return next(
        (n for n in ("resnet50", "densenet121", "resnet18", "mobilenet_v2") if n in here),
        next(iter(here), "resnet50"),
    )
