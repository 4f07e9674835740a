"""Figures: images with heat on top, readable in grey and by the colour-blind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from camlite.checks import a_number, one_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

HEAT = "magma"  # lightness only rises: high is bright, in grey print too (jet does not)
SIGNED = "RdBu_r"  # red for, blue against; white is zero
NEUTRAL = 0.25  # the grey behind the bar of heat: dark, so that lightness rises there too
NEUTRAL_SIGNED = 0.8  # behind the bar of signed maps: light, as both ends are dark

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
    alpha: float | None = None,
    columns: int = 6,
) -> Figure:
    """Each image above the same image with its heat, and one colour bar.

    Shapes: images (N, C, H, W); heat (N, H, W), from `heatmap` or `up`. Colours go from 0 to the
    largest value; with `signed=True` from blue (against) over 0 to red (for), on grey. The heat
    is the less transparent the larger it is: where it is 0, the image is as it was. A line goes
    round what is above half of the largest value (dashed: below minus half of it); a map that is
    all grain has none. `alpha=0.5`: the same opacity everywhere instead, and no line.
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
    alpha: float | None = None,
) -> Figure:
    """A table of pictures: each cell is (image (C, H, W), map (H, W) or None); one colour bar.

    `signed`, `scale`, `alpha` and `save` as in `show`.
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
    alpha: float | None = None,
    shrink: float = 0.8,
) -> None:
    """Each cell into its place, all with the same colours, and their colour bar beside them."""
    one_of("scale", scale, ("each", "shared"))
    if alpha is not None:
        a_number("alpha", alpha, 0, 1)
    maps = [_fitting(image, map_) for image, map_ in cells]
    tops = [0.0 if map_ is None else float(map_.abs().max()) for map_ in maps]
    top = (max(tops) if scale == "shared" else 1.0) or 1.0
    lines = []
    for axis, (image, _), map_, own in zip(axes, cells, maps, tops, strict=True):
        if map_ is None:
            axis.imshow(picture(image), cmap="gray", vmin=0, vmax=1)
        else:
            shown = map_ / own if scale == "each" and own else map_
            lines.append(overlay(axis, image, shown, signed=signed, top=top, alpha=alpha))
    if lines:
        what = "against ← 0 → for" if signed else "evidence"
        how = "scaled per map" if scale == "each" else "one scale for all"
        label, line = f"{what}\n{how}", any(lines)
        bar(axes, label, signed=signed, top=top, alpha=alpha, line=line, shrink=shrink)


def overlay(
    axis: Axes,
    image: Tensor,
    map_: Tensor,
    *,
    signed: bool = False,
    top: float = 1.0,
    alpha: float | None = None,
) -> bool:
    """The map (H, W) over the image (C, H, W); colours end at `top`. True if it has a line.

    A line is drawn at half of `top`, for eyes and printers that see no colours.
    """
    seen = image.float().mean(0, keepdim=True) if signed else image  # red on red is not read
    axis.imshow(picture(seen), cmap="gray", vmin=0, vmax=1)
    axis.imshow(map_.numpy(), cmap=colours(signed, alpha), vmin=-top if signed else 0, vmax=top)
    levels = [level for level in _levels(signed, top) if _has_line(map_, level)]
    if alpha is None and levels:
        styles = ["solid" if level > 0 else "dashed" for level in levels]
        axis.contour(
            map_.numpy(), levels, colors="black", linewidths=0.7, linestyles=styles
        ).set_path_effects(_halo())
    return alpha is None and bool(levels)


def bar(
    axes: Sequence[Axes],
    label: str,
    *,
    signed: bool = False,
    top: float = 1.0,
    alpha: float | None = None,
    line: bool = False,
    shrink: float = 0.8,
) -> None:
    """A colour bar for maps: colours as they look over grey, zero, and the value of the line."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    scale = Normalize(-top if signed else 0, top)
    figure = axes[0].figure
    over_grey = _over(NEUTRAL_SIGNED if signed else NEUTRAL, colours(signed, alpha))
    drawn = figure.colorbar(ScalarMappable(scale, over_grey), ax=list(axes), shrink=shrink)
    notes = ["grey: the image"] * (alpha is None) + ["line: half of top"] * line
    drawn.set_label("\n".join([label, *notes]), fontsize=8)  # short lines: figures can be low
    if signed:
        drawn.ax.axhline(0, color="black", linewidth=0.8)  # where it is zero
    for level in _levels(signed, top) if line else ():
        style = "solid" if level > 0 else "dashed"
        drawn.ax.axhline(level, color="black", linewidth=0.7, ls=style, path_effects=_halo())


def opacity(value: Tensor) -> Tensor:
    """How much of the image a value in [-1, 1] covers: nothing at 0, nearly all at 1 and -1."""
    return 0.9 * value.abs() ** 0.75


def colours(signed: bool = False, alpha: float | None = None) -> ListedColormap:
    """The colours of maps with their opacity: it grows with the value, or is `alpha` everywhere."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    name = SIGNED if signed else HEAT
    value = torch.linspace(-1 if signed else 0, 1, 257)  # odd: zero has a colour of its own
    place = (value + 1) / 2 if signed else value
    if signed and alpha is None:  # transparent near zero: pale colours there would not be seen
        place = 0.5 + value.sign() * (0.15 + 0.35 * value.abs())
    rgba = matplotlib.colormaps[name](place.numpy())
    rgba[:, 3] = opacity(value).numpy() if alpha is None else alpha
    return ListedColormap(rgba, name)


def _over(grey: float, colours: ListedColormap) -> ListedColormap:
    """The colours as they look over a neutral tone."""
    from matplotlib.colors import ListedColormap

    rgba = colours(np.arange(colours.N))
    rgb, a = rgba[:, :3], rgba[:, 3:]
    return ListedColormap(a * rgb + (1 - a) * grey, colours.name)


def _levels(signed: bool, top: float) -> list[float]:
    return [-top / 2, top / 2] if signed else [top / 2]


def _has_line(map_: Tensor, level: float) -> bool:
    """Whether the map crosses the level, but not so often that lines would cover it (grain)."""
    above = map_ > level
    crossings = int((above[1:] != above[:-1]).sum() + (above[:, 1:] != above[:, :-1]).sum())
    return 0 < crossings <= 3 * sum(map_.shape)


def _halo() -> list[Any]:
    """White beside a black line: seen on dark and on bright images."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=1.6, foreground="white")]


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
