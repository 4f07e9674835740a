"""`camlite demo`: the first heat maps, without a download and without training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from camlite import data, maps, nets
from camlite.figures import plot
from camlite.methods.cards import METHODS
from camlite.paths import DATASETS

SHOWN = ("cam", "grad_cam", "score_cam")


def demo(folder: Path) -> dict[str, Any]:
    """Draw six digits and their maps into `folder`; returns what was predicted and written."""
    images, labels, name = data.handwriting(train=False)
    model = nets.bundled(f"gapnet_{name}")
    some = images[:1000], labels[:1000]
    x, truth = _one_of_each(images, labels, digits=(2, 3, 4, 6, 7, 9))
    with torch.no_grad():
        p, c = model(x).softmax(1).max(1)

    heat = {m: heat_of(m, model, x) for m in SHOWN}
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"three-methods-{name}.png"
    _figure(x, c, p, heat, file)
    facts = json.loads((DATASETS / f"gapnet_{name}.json").read_text(encoding="utf-8"))
    return {
        "data": name,
        "figure": str(file),
        "accuracy": nets.accuracy(model, *some),
        "accuracy_images": len(some[1]),
        "stated_test_accuracy": facts["test_accuracy"],
        "digits": [
            {"truth": int(t), "predicted": int(d), "probability": float(q)}
            for t, d, q in zip(truth, c, p, strict=True)
        ],
    }


def heat_of(method: str, model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """(N, H, W) in [0, 1]: the evidence for the predicted class; what speaks against it is 0."""
    layer = "features"  # the last ReLU: 128 maps as large as the image
    return maps.heatmap(METHODS[method].evidence(model, layer, x), x.shape[-2:])


def _one_of_each(
    images: torch.Tensor, labels: torch.Tensor, digits: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    first = torch.tensor([int((labels == digit).nonzero()[0]) for digit in digits])
    return images[first], labels[first]


def _figure(
    x: torch.Tensor, c: torch.Tensor, p: torch.Tensor, heat: dict[str, torch.Tensor], file: Path
) -> None:
    rows = [[(image, None) for image in x]]
    rows += [[(image, h) for image, h in zip(x, heat[m], strict=True)] for m in SHOWN]
    columns = [f"{int(d)}\np = {q:.3f}" for d, q in zip(c, p, strict=True)]
    plot.grid(
        rows,
        ["image", *(METHODS[m].short for m in SHOWN)],
        columns,
        save=file,
        title="Where three methods see the evidence for the predicted digit",
    )
