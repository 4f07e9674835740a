"""`camlite explain IMAGE`: a photograph, a real network, the maps of several methods."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from camlite import data
from camlite.cutting.tokens import tokens_to_map
from camlite.errors import ArchitectureError
from camlite.figures import plot
from camlite.maps import heatmap
from camlite.methods.cards import METHODS
from camlite.split import LayerChosen, SplitByHook, chosen_layer
from camlite.weights import at_hand, preprocess, pretrained

USUAL = ("cam", "grad_cam")  # drawn where no method is asked for, if they fit the network


def explain(
    image: Path,
    model: str,
    layer: str | None,
    classes: list[str],
    methods: list[str],
    save: Path,
    progress: bool,
) -> dict[str, Any]:
    """Draw methods × classes for one image into `save`; returns predictions, layer and file.

    Without `methods` the usual ones are drawn, and those that do not fit the network are left out
    and named in the answer's notes. A method that was asked for raises its error.
    """
    known(methods)
    picture = data.load_image(image)
    net = pretrained(model)
    seen, x = preprocess(picture)
    with torch.no_grad():
        p = net.model(x).softmax(1)[0]
    chosen = [net.classes(c) for c in classes] or [int(p.argmax())]
    cut, layer, notes = with_maps(net.model, layer, x)
    rows: dict[str, list[plot.Cell]] = {}
    for m in methods or USUAL:
        try:
            rows[m] = [(seen[0], heat_of(m, cut, layer, x, c, progress)) for c in chosen]
        except ArchitectureError:
            if methods:
                raise
            notes.append(f"{METHODS[m].short} is left out: it needs {METHODS[m].needs}")
    titles = [f"{net.categories[c]} ({c})\np = {p[c]:.3f}" for c in chosen]
    plot.grid(
        [[(seen[0], None), *row] for row in rows.values()],
        [METHODS[m].short for m in rows],
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
        "methods": list(rows),
        "notes": notes,
        "top": [
            {"class": int(c), "name": net.categories[int(c)], "probability": float(q)}
            for q, c in zip(top.values, top.indices, strict=True)
        ],
        "figure": str(save),
    }


def known(methods: list[str]) -> None:
    """ValueError for a method that does not exist."""
    unknown = [m for m in methods if m not in METHODS]
    if unknown:
        raise ValueError(f"no method is called {unknown[0]!r}; there are {', '.join(METHODS)}")


def with_maps(model: nn.Module, layer: str | None, x: Tensor) -> tuple[nn.Module, str, list[str]]:
    """The network, the layer to explain, and notes; the tokens of a ViT are turned into a map.

    None is the last layer with space. Of a ViT it is the last block but one: after the last block
    only the class token is read, and the patches there have the gradient 0.
    """
    if isinstance(model, VisionTransformer) and (layer or "encoder.").startswith("encoder."):
        blocks = [name for name, _ in model.encoder.layers.named_children()]
        layer = layer or f"encoder.layers.{blocks[-2]}"
        note = f"the tokens of {layer} are shown as a map, see camlite.tokens_to_map"
        return *tokens_to_map(model, layer), [note]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)  # the layer is part of the answer
        return model, chosen_layer(model, layer, x), []


def heat_of(
    method: str, model: nn.Module, layer: str, x: Tensor, c: int, progress: bool, **options: Any
) -> Tensor:
    """(H, W) in [0, 1]: the positive part of a method's map, or the size of each pixel's value."""
    card = METHODS[method]
    if "progress" in card.options:
        options["progress"] = progress
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitByHook)  # the same results, only slower
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
