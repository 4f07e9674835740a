"""`camlite explain IMAGE`: a photograph, a real network, the maps of several methods."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from camlite import data, plot
from camlite.cards import METHODS
from camlite.maps import heatmap
from camlite.split import LayerChosen, last_spatial_layer
from camlite.weights import Pretrained, at_hand, preprocess, pretrained


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
        layer = layer or last_spatial_layer(net.model, x)
    rows = [[_cell(seen, x, net, layer, m, c, progress) for c in chosen] for m in methods]
    titles = [f"{net.categories[c]} ({c})\np = {p[c]:.3f}" for c in chosen]
    plot.grid(
        [[(seen[0], None), *row] for row in rows],
        [METHODS[m].title.split(":")[0] for m in methods],
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


def _cell(
    seen: torch.Tensor,
    x: torch.Tensor,
    net: Pretrained,
    layer: str,
    method: str,
    c: int,
    progress: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    function = METHODS[method].function
    slow = {"progress": progress} if "progress" in (function.__kwdefaults__ or {}) else {}
    maps = function(net.model, layer, x, c, **slow)
    return seen[0], heatmap(maps, x.shape[-2:])[0]


def default_model() -> str:
    """The best network whose weights are at hand; ResNet50, which can be downloaded, otherwise."""
    here = at_hand()
    return next(
        (n for n in ("resnet50", "densenet121", "resnet18", "mobilenet_v2") if n in here),
        next(iter(here), "resnet50"),
    )
