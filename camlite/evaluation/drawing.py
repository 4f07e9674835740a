"""The figures of a run: the summary as a picture, and some maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from camlite.evaluation.compared import FLOORS, title
from camlite.evaluation.loop import map_file
from camlite.evaluation.plan import Run
from camlite.evaluation.preprocessing import preprocessed
from camlite.evaluation.store import Row, RowKey
from camlite.evaluation.summary import LEVEL, Column, Summary
from camlite.evaluation.tables import cell_text
from camlite.figures import plot
from camlite.maps import heatmap


def draw_table(run: Run, summary: Summary, save: Path) -> None:
    """The summary as a picture: dark is good, within each column; floors below the line."""
    columns = [c for c in summary.columns if c.cells]
    draw_cells(
        [[cell_text(column, m) for column in columns] for m in summary.methods],
        np.stack([_goodness(c, summary.methods) for c in columns], axis=1),
        summary.methods,
        [f"{c.metric.head}\nn = {c.pictures}" for c in columns],
        f"{run.network.name}, {run.layer}, {run.settings['data']}",
        save,
    )


def draw_cells(
    texts: list[list[str]],
    good: np.ndarray,
    methods: list[str],
    heads: list[str],
    what: str,
    save: Path,
) -> None:
    """A table as a picture. `texts`: "*…*" is italic; `good` (rows, columns): 0 worst, 1 best."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(
        figsize=(2.6 + 1.75 * good.shape[1], 1.5 + 0.34 * good.shape[0]), layout="constrained"
    )
    drawn = axis.imshow(good, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")  # text stays readable
    for (i, j), _ in np.ndenumerate(good):
        style = "italic" if texts[i][j].startswith("*") else "normal"
        axis.text(j, i, texts[i][j].strip("*"), ha="center", va="center", fontsize=7.5, style=style)
    axis.set_xticks(range(good.shape[1]), heads, fontsize=8)
    axis.set_yticks(range(good.shape[0]), [title(m) for m in methods], fontsize=8)
    axis.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    floors = sum(m in FLOORS for m in methods)
    axis.axhline(good.shape[0] - floors - 0.5, color="black", linewidth=1.5)
    axis.set_title(
        f"{what}: value and {LEVEL} % interval\nbelow the line: floors; italics: not told "
        "apart from the best floor",
        fontsize=9,
    )
    bar = figure.colorbar(drawn, ax=axis, shrink=0.5, ticks=[0, 1])
    bar.ax.set_yticklabels(["worst of\nthe column", "best"], fontsize=8)
    bar.ax.set_ylim(0, 1)
    figure.savefig(save, dpi=150)
    plt.close(figure)


def _goodness(column: Column, methods: list[str]) -> np.ndarray:
    values = np.array([column.cells[m].value for m in methods])
    return goodness(values, column.metric.lower_is_better)


def goodness(values: np.ndarray, lower_is_better: bool) -> np.ndarray:
    """0 for the worst value of a column, 1 for its best."""
    values = -values if lower_is_better else values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.full_like(values, 0.5)


def draw_examples(run: Run, summary: Summary, rows: dict[RowKey, Row], save: Path) -> None:
    """The first pictures with the maps of all methods, in blocks side by side."""
    import matplotlib.pyplot as plt

    shown = [
        sample
        for sample in run.examples
        if all(map_file(run, sample, m).exists() for m in summary.methods)
    ]
    if not shown:
        return
    blocks = -(-len(summary.methods) // 10)
    down = -(-len(summary.methods) // blocks)
    figure, axes = plt.subplots(
        down + 1,
        blocks * len(shown),
        squeeze=False,
        layout="constrained",
        figsize=(max(5, blocks * (1.1 * len(shown) + 1.2)), 1.1 * (down + 1) + 0.5),
    )
    for axis in axes.flat:
        axis.set_axis_off()
    line = False
    for column, sample in enumerate(shown):
        seen = preprocessed(sample.read(), run.network.preprocessing).seen
        explained = rows[sample.name, sample.label, summary.methods[0]]["explained"]
        name = run.network.categories[explained]
        for block in range(blocks):
            axis = axes[0, block * len(shown) + column]
            axis.imshow(plot.picture(seen[0]), cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{Path(sample.name).stem[:14]}\n{name[:16]}", fontsize=7)
        for n, method in enumerate(summary.methods):
            axis = axes[1 + n % down, n // down * len(shown) + column]
            L = torch.from_numpy(np.load(map_file(run, sample, method)))[None]
            line |= plot.overlay(axis, seen[0], heatmap(L, seen.shape[2:])[0])
            if column == 0:
                axis.text(
                    -0.08,
                    0.5,
                    title(method).replace(" ", "\n"),
                    fontsize=7,
                    ha="right",
                    va="center",
                    transform=axis.transAxes,
                )
    plot.bar(list(axes.flat), "evidence\nscaled per map", line=line, shrink=0.4)
    figure.suptitle(f"{run.network.name}, {run.layer}: the first pictures", fontsize=10)
    figure.savefig(save, dpi=150)
    plt.close(figure)
