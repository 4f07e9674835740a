"""Figures: images with heat on top, readable in grey and by the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from camlite.checks import one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEAT = "magma"  # lightness only rises: high is bright, in grey print too (jet does not)
SIGNED = "RdBu_r"  # red for, blue against; white is zero

Cell = tuple[Tensor, Tensor | None]
"""One place of a figure: an image (C, H, W), and a map (H, W) to draw over it or None."""


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
    title: str = "",
    signed: bool = False,
    scale: str = "each",
    alpha: float = 0.55,
    columns: int = 6,
) -> Figure:
    """Each image above the same image with its heat, and one colour bar.

    Shapes: images (N, C, H, W); heat (N, H, W), from `heatmap` or `up`. Colours go from 0 to the
    largest value; with `signed=True` from blue (against) over white (0) to red (for), on grey.
    `scale="each"`: each map by its own largest value, so colours of two maps cannot be compared;
    `"shared"`: one scale for all maps. `titles`: one for each image. `save` names a file.
    Returns the matplotlib figure. ValueError where shapes do not fit.
    """
    if len(images) != len(heat) or (titles is not None and len(titles) != len(images)):
        raise ValueError(
            f"{len(images)} images, {len(heat)} maps and "
            f"{len(titles) if titles is not None else 'no'} titles do not belong together"
        )
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = canvas(2 * rows, columns, (1.9, 2.05), margin=(1, 0.3 * bool(title)))
    cells: list[Cell] = [(image, None) for image in images]
    maps: list[Cell] = list(zip(images, heat, strict=True))
    places = np.arange(2 * rows * columns).reshape(rows, 2, columns)
    above, below = (axes.flat[list(places[:, i].flat)][: len(images)] for i in (0, 1))
    draw([*above, *below], [*cells, *maps], signed=signed, scale=scale, alpha=alpha, shrink=0.8)
    for axis, text in zip(above, titles or [], strict=False):
        axis.set_title(text, fontsize=9)
    return finished(figure, title, save)


def grid(
    rows: Sequence[Sequence[Cell]],
    row_titles: Sequence[str],
    column_titles: Sequence[str],
    save: str | Path | None = None,
    *,
    title: str = "",
    signed: bool = False,
    scale: str = "each",
    alpha: float = 0.55,
) -> Figure:
    """A table of pictures: each cell is (image (C, H, W), map (H, W) or None); one colour bar.

    `signed`, `scale` and `save` as in `show`.
    """
    figure, axes = canvas(len(rows), len(rows[0]), (1.75, 1.75), margin=(1.2, 0.5))
    cells = [cell for row in rows for cell in row]
    draw(list(axes.flat), cells, signed=signed, scale=scale, alpha=alpha, shrink=0.8)
    for axis, text in zip(axes[0], column_titles, strict=True):
        axis.set_title(text, fontsize=10)
    for axis, text in zip(axes[:, 0], row_titles, strict=True):
        axis.set_axis_on()
        axis.set_ylabel(text, fontsize=9, rotation=0, ha="right", va="center")
    return finished(figure, title, save)


# ------------------------------------------------------------------ what all figures share


def canvas(
    rows: int, columns: int, cell: tuple[float, float], margin: tuple[float, float]
) -> tuple[Figure, np.ndarray]:
    """A figure and its places (rows, columns), without axes; sizes in inches (width, height)."""
    import matplotlib.pyplot as plt

    size = (cell[0] * columns + margin[0], cell[1] * rows + margin[1])
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        axis.set_axis_off()
    return figure, axes


def draw(
    axes: Sequence[Axes],
    cells: Sequence[Cell],
    *,
    signed: bool = False,
    scale: str = "each",
    alpha: float = 0.55,
    shrink: float = 0.8,
) -> None:
    """Each cell into its place, all with the same colours, and their colour bar beside them."""
    one_of("scale", scale, ("each", "shared"))
    maps = [_fitting(image, map_) for image, map_ in cells]
    tops = [0.0 if map_ is None else float(map_.abs().max()) for map_ in maps]
    top = (max(tops) if scale == "shared" else 1.0) or 1.0
    colours: dict[str, Any] = {
        "cmap": SIGNED if signed else HEAT,
        "vmin": -top if signed else 0,
        "vmax": top,
    }
    drawn: Any = None
    for axis, (image, _), map_, own in zip(axes, cells, maps, tops, strict=True):
        grey = signed and map_ is not None  # red and blue over a coloured image would not be read
        seen = image.float().mean(0, keepdim=True) if grey else image
        axis.imshow(picture(seen), cmap="gray", vmin=0, vmax=1)
        if map_ is not None:
            shown = map_ / own if scale == "each" and own else map_
            drawn = axis.imshow(shown.numpy(), alpha=alpha, **colours)
    if drawn is not None:
        what = "against ← 0 → for" if signed else "evidence"
        how = "scaled per map" if scale == "each" else "one scale for all"
        bar = axes[0].figure.colorbar(drawn, ax=list(axes), shrink=shrink)
        bar.set_label(f"{what}\n{how}", fontsize=9)
        opaque(bar)
        if signed:
            bar.ax.axhline(0, color="black", linewidth=0.8)  # where it is zero


def finished(figure: Figure, title: str = "", save: str | Path | None = None) -> Figure:
    """The figure with its title, written to a file if `save` names one."""
    if title:
        figure.suptitle(title)
    if save is not None:
        figure.savefig(save, dpi=150)
    return figure


def opaque(bar: Any) -> None:
    """The bar shows the colours themselves, not as they look through the image."""
    if bar.solids is not None:
        bar.solids.set_alpha(1)


def _fitting(image: Tensor, map_: Tensor | None) -> Tensor | None:
    """The map, ready to draw; ValueError unless it has the image's size and no NaN."""
    if map_ is None:
        return None
    if map_.shape != image.shape[1:]:
        raise ValueError(
            f"heat is {tuple(map_.shape)}, the images are {tuple(image.shape[1:])}: "
            "use heatmap(maps, size=images.shape[-2:])"
        )
    map_ = map_.detach().float().cpu()
    if not bool(torch.isfinite(map_).all()):
        raise ValueError("a map holds NaN or infinite values: it cannot be drawn")
    return map_
