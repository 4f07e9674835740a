"""Figures: images with heat on top, readable in grey and by the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAT = "magma"  # lightness only rises: high is bright, in grey print too (jet does not)
SIGNED = "RdBu_r"  # red for, blue against; white is zero


def picture(image: Tensor) -> np.ndarray:
    """(C, H, W) -> (H, W) or (H, W, 3) in [0, 1] for imshow; normalised images are stretched."""
    image = image.detach().float().cpu()
    if image.min() < 0 or image.max() > 1:
        image = (image - image.min()) / (image.max() - image.min()).clamp_min(1e-12)
    return (image[0] if image.shape[0] == 1 else image[:3].permute(1, 2, 0)).numpy()


def show(
    images: Tensor,
    heat: Tensor,
    titles: Sequence[str] | None = None,
    save: str | Path | None = None,
    *,
    signed: bool = False,
    alpha: float = 0.55,
    columns: int = 6,
) -> Figure:
    """Each image above the same image with its heat, and one colour bar.

    Shapes: images (N, C, H, W); heat (N, H, W) in [0, 1] from `heatmap`, or signed maps of any
    range with `signed=True`: they share one symmetric scale. `save` writes the figure to a file.
    Returns the matplotlib figure.
    """
    import matplotlib.pyplot as plt

    _require_fit(images, heat, titles)
    heat = heat.detach().float().cpu()
    top = float(heat.abs().max()) or 1.0
    scale = {"cmap": HEAT, "vmin": 0, "vmax": 1}
    label = "evidence, scaled per image"
    if signed:
        scale = {"cmap": SIGNED, "vmin": -top, "vmax": top}
        label = "against the class   ←   0   →   for the class"
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(
        2 * rows,
        columns,
        figsize=(1.9 * columns + 1, 4.1 * rows),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.set_axis_off()
    drawn: Any = None
    for n, (image, map_) in enumerate(zip(images, heat, strict=True)):
        above, below = (
            axes[2 * (n // columns), n % columns],
            axes[2 * (n // columns) + 1, n % columns],
        )
        above.imshow(picture(image), cmap="gray", vmin=0, vmax=1)
        below.imshow(picture(image), cmap="gray", vmin=0, vmax=1)
        drawn = below.imshow(map_.numpy(), alpha=alpha, **scale)
        if titles is not None:
            above.set_title(titles[n], fontsize=9)
    bar = figure.colorbar(drawn, ax=axes, shrink=0.7, label=label)
    opaque(bar)
    if save is not None:
        figure.savefig(save, dpi=150)
    return figure


def _require_fit(images: Tensor, heat: Tensor, titles: Sequence[str] | None) -> None:
    """ValueError unless each image has one map of its own size, and one title if there are any."""
    if len(images) != len(heat) or (titles is not None and len(titles) != len(images)):
        raise ValueError(
            f"{len(images)} images, {len(heat)} maps and "
            f"{len(titles) if titles is not None else 'no'} titles do not belong together"
        )
    if heat.shape[1:] != images.shape[2:]:
        raise ValueError(
            f"heat is {tuple(heat.shape[1:])}, the images are {tuple(images.shape[2:])}: "
            "use heatmap(maps, size=images.shape[-2:])"
        )


def grid(
    rows: Sequence[Sequence[tuple[Tensor, Tensor | None]]],
    row_titles: Sequence[str],
    column_titles: Sequence[str],
    save: str | Path | None = None,
    *,
    title: str = "",
    alpha: float = 0.55,
) -> Figure:
    """A table of pictures: each cell is (image (C, H, W), heat (H, W) in [0, 1] or None)."""
    import matplotlib.pyplot as plt

    shape = len(rows), len(rows[0])
    figure, axes = plt.subplots(
        *shape,
        figsize=(1.75 * shape[1] + 1.2, 1.75 * shape[0] + 0.5),
        squeeze=False,
        layout="constrained",
    )
    drawn: Any = None
    for axis, (image, heat) in zip(axes.flat, (cell for row in rows for cell in row), strict=True):
        axis.imshow(picture(image), cmap="gray", vmin=0, vmax=1)
        if heat is not None:
            drawn = axis.imshow(heat.detach().cpu().numpy(), cmap=HEAT, vmin=0, vmax=1, alpha=alpha)
        axis.set(xticks=[], yticks=[])
        for side in axis.spines.values():
            side.set_visible(False)
    for axis, text in zip(axes[0], column_titles, strict=True):
        axis.set_title(text, fontsize=10)
    for axis, text in zip(axes[:, 0], row_titles, strict=True):
        axis.set_ylabel(text, fontsize=9, rotation=0, ha="right", va="center")
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, shrink=0.6, label="evidence, scaled per image")
        opaque(bar)
    if title:
        figure.suptitle(title)
    if save is not None:
        figure.savefig(save, dpi=150)
    return figure


def opaque(bar: Any) -> None:
    """The bar shows the colours themselves, not as they look through the image."""
    if bar.solids is not None:
        bar.solids.set_alpha(1)
