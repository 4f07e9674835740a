"""What a run leaves: tables, figures, and a card that says how the numbers came about.

| file | what |
|---|---|
| `rows.csv` | every measurement: one line for each picture and method |
| `summary.csv` | each method and metric: value, interval, number of pictures |
| `pairs.csv` | each pair of methods: win rate, difference with its interval |
| `cost.csv` | seconds; the only table that differs from run to run |
| `table.png`, `examples.png` | the summary and some maps as pictures |
| `card.md` | model, layer, protocol, seeds, what was left out, versions |
"""

from __future__ import annotations

import csv
import io
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from camlite.evaluation.measures import DELTAS, METRICS, TAUS
from camlite.evaluation.plan import CHECKSUM, FLOORS, Job
from camlite.evaluation.store import Key, Stored, read_rows
from camlite.evaluation.subject import example
from camlite.evaluation.summary import (
    LEVEL,
    RESAMPLES,
    Column,
    Summary,
    any_map,
    summarize,
)
from camlite.evaluation.work import map_file
from camlite.figures import plot
from camlite.maps import heatmap
from camlite.methods.cards import METHODS
from camlite.paths import write_whole

FILES = ("summary.csv", "rows.csv", "pairs.csv", "cost.csv", "card.md", "table.png", "examples.png")


def report(job: Job) -> dict[str, Any]:
    """Write all files of a run into its folder; returns the summary as plain data."""
    rows = read_rows(job.parts)
    pictures = [(item.name, item.label) for item in job.items]
    summary = summarize(rows, pictures, job.methods, job.metrics, job.plan.seed)
    out = job.plan.out
    write_whole(out / "rows.csv", _rows_table(job, rows))
    write_whole(out / "summary.csv", _summary_table(summary))
    write_whole(out / "pairs.csv", _pairs_table(summary))
    write_whole(out / "cost.csv", _cost_table(job, rows))
    write_whole(out / "card.md", card(job, summary, rows))
    for figure in ("table.png", "examples.png"):
        (out / figure).unlink(missing_ok=True)
    if any(column.cells for column in summary.columns):
        draw_table(job, summary, out / "table.png")
        draw_examples(job, summary, rows, out / "examples.png")
    files = [name for name in FILES if (out / name).exists()]
    return {
        "out": str(out),
        "model": job.subject.name,
        "layer": job.layer,
        "files": files,
        "pictures": len(pictures) - len(summary.problems),
        "problems": _problems(summary),
        "without_map": summary.without_map,
        "maps": any(m not in FLOORS for m in summary.methods) or set(job.methods) == set(FLOORS),
        "metrics": {
            column.name: {
                "head": column.metric.head,
                "lower_is_better": column.metric.lower_is_better,
                "pictures": column.pictures,
                "excluded": column.excluded,
                "methods": {m: vars(cell) for m, cell in column.cells.items()},
            }
            for column in summary.columns
        },
    }


def _problems(summary: Summary) -> dict[str, str]:
    """Pictures without numbers and the reason; a picture may be listed with several classes."""
    return {
        name if c is None else f"{name} (class {c})": why
        for (name, c), why in summary.problems.items()
    }


def title(method: str) -> str:
    """A method's or floor's name for people."""
    own = {"fake_cam": "Fake-CAM", "sobel_edges": "Sobel edges"}
    return own.get(method) or METHODS[method].short


# ------------------------------------------------------------------ tables


def _csv(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_plain(v) for v in line] for line in lines)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Six digits are more than any metric is worth, and hide the rounding of one machine."""
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def _rows_table(job: Job, rows: dict[Key, Stored]) -> str:
    numbers = list(dict.fromkeys(c for name in job.metrics for c in METRICS[name].columns))
    more = [f"{name}_chance" for name in ("pointing", "energy") if name in numbers]
    numbers += [name for name in more if name not in numbers]
    header = ["file", "class_index", "explained", "predicted", "method", "blank", *numbers]
    lines = []
    for item in job.items:
        mended = any_map(rows, (item.name, item.label), job.methods)
        for method in job.methods if mended else ("", *job.methods):
            row = rows.get((item.name, item.label, method))
            if row is not None:
                notes = "; ".join(f"{name}: {why}" for name, why in row.get("notes", {}).items())
                lines.append([*(row.get(name) for name in header), notes, row["problem"]])
    return _csv([*header, "notes", "problem"], lines)


def _summary_table(summary: Summary) -> str:
    header = ["metric", "better", "method", "floor", "value", "low", "high", "pictures"]
    lines = [
        (
            c.name,
            "lower" if c.metric.lower_is_better else "higher",
            m,
            int(m in FLOORS),
            cell.value,
            cell.low,
            cell.high,
            c.pictures,
        )
        for c in summary.columns
        for m, cell in c.cells.items()
    ]
    return _csv(header, lines)


def _pairs_table(summary: Summary) -> str:
    header = ["metric", "a", "b", "a_wins_percent", "difference", "low", "high", "pictures"]
    lines = [
        (
            c.name,
            p.a,
            p.b,
            p.wins,
            p.difference.value,
            p.difference.low,
            p.difference.high,
            c.pictures,
        )
        for c in summary.columns
        for p in c.pairs
    ]
    return _csv(header, lines)


def _cost_table(job: Job, rows: dict[Key, Stored]) -> str:
    header = ["method", "maps", "seconds_per_map_median", "seconds_of_maps", "seconds_of_metrics"]
    lines = []
    for method in job.methods:
        if done := _done(job, rows, method):
            seconds = [row["seconds"] for row in done]
            lines.append(
                (
                    method,
                    len(done),
                    statistics.median(seconds),
                    sum(seconds),
                    sum(row["seconds_metrics"] for row in done),
                )
            )
    return _csv(header, lines)


def _done(job: Job, rows: dict[Key, Stored], method: str) -> list[Stored]:
    """The rows of a method for the pictures of this run: the folder may hold more."""
    found = (rows.get((item.name, item.label, method)) for item in job.items)
    return [row for row in found if row is not None and not row["problem"]]


# ------------------------------------------------------------------ the card


def card(job: Job, summary: Summary, rows: dict[Key, Stored]) -> str:
    """The evaluation card: all that another person needs to compare with these numbers."""
    facts = {**_what(job, summary, rows), **_how(job), **_where(job, rows)}
    lines = [
        f"# Evaluation card: {job.subject.name} on {job.settings['data']}",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in facts.items()),
        "",
        "## Result",
        "",
    ]
    if not summary.methods:
        return "\n".join([*lines, "No method has a map.", "", *_left_out(summary)]).rstrip() + "\n"
    lines += [
        *markdown_table(summary),
        "",
        f"In brackets: {LEVEL} % bootstrap interval over the picture files ({RESAMPLES} "
        "resamples). *Italics*: a floor is as good, or these pictures do not tell the two "
        "apart (0 is in the interval of the difference). Floors know nothing of the decision. "
        "About one in twenty intervals misses by chance.",
        "",
    ]
    lines += _left_out(summary) + _blank(job, rows)
    return "\n".join(lines).rstrip() + "\n"


def _what(job: Job, summary: Summary, rows: dict[Key, Stored]) -> dict[str, str]:
    s, plan = job.settings, job.plan
    guesses = [row for method in job.methods[:1] for row in _done(job, rows, method)]
    right = sum(row["predicted"] == row["class_index"] for row in guesses)
    view = job.subject.view
    seen = f"short side {round(view.side * 256 / 224)}, centre {view.side}×{view.side}"
    return {
        "data": f"`{s['data']}`, {len(job.items) - len(summary.problems)} pictures with a class "
        f"evaluated, {len(summary.problems)} could not be",
        "network": f"{job.subject.name}, {job.subject.source}, weights {s['weights']}",
        "input": f"{seen if view.side else 'as it is'}"
        f"{', ImageNet mean and deviation' if view.normalize else ', in [0, 1]'}",
        "chosen": f"{plan.limit or 'all'}; drawn by the seed if there are more",
        "checksum": f"{s[CHECKSUM]} (names, labels, sizes, masks, boxes)",
        "right": f"for {right} of {len(guesses)} the predicted class is the label",
        "layer": f"`{job.layer}`; methods over several layers choose their own",
        "class explained": {
            "label": "the label of each picture",
            "predicted": "the predicted class of each picture",
        }[plan.target],
    }


def _how(job: Job) -> dict[str, str]:
    p = job.plan.protocol
    curves = "; ".join(
        f"{game}: fill {o['fill']}, {o['steps']} steps, {o['rule']}"
        for game in ("deletion", "insertion")
        if game in job.metrics
        for o in [p.options(game)]
    )
    facts = {
        "score": "the maps explain the logit, or what the method's default is; "
        "metrics use the softmax probability",
        "maps": "positive part; pixel methods: largest absolute value of the colours; bilinear "
        "upsampling; scaled by their own minimum and maximum where a metric needs [0, 1]",
        "masked pictures": f"E = L ∘ X + (1 − L) ∘ fill, {p.keep:.0%} of the pixels may be seen, "
        f"fill {p.fill}",
        "fill 0": "the mean colour of ImageNet" if job.subject.view.normalize else "black",
    }
    if curves:
        facts["curves"] = f"{curves} (protocol {p.curves})"
    if "pointing_game" in job.metrics:
        facts["pointing game"] = f"tolerance {224 * p.tolerance:g} pixels of 224"
    if "adcc" in job.metrics:
        facts["ADCC"] = "coherency and complexity of L ∘ X with fill 0; made of the means"
    if "road" in job.metrics:
        facts["ROAD"] = "10 % to 90 % of the pixels, noise 0.01; mean of (LeRF − MoRF) / 2"
    if "max_box_acc_v2" in job.metrics:
        facts["boxes"] = (
            f"best of all regions, IoU ≥ {', '.join(map(str, DELTAS))}, {len(TAUS)} "
            "thresholds; τ for each half of the files is chosen on the other half, "
            "and stays as it is in the resamples"
        )
    if job.plan.options:
        facts["options"] = "; ".join(f"{m}: {dict(o)}" for m, o in job.plan.options.items())
    return facts


def _where(job: Job, rows: dict[Key, Stored]) -> dict[str, str]:
    s = job.settings
    done = [row for method in job.methods for row in _done(job, rows, method)]
    seconds = sum(row["seconds"] + row["seconds_metrics"] for row in done)
    device = (
        torch.cuda.get_device_name(job.we.device)
        if job.we.device.type == "cuda"
        else f"{platform.machine()} CPU, {os.cpu_count()} cores"
    )
    return {
        "seed": f"{s['seed']}; each picture has its own random numbers, made from seed and name",
        "cost": f"{seconds / 60:.1f} minutes of one process, see cost.csv",
        "machine": f"{device}; {job.we.size} process(es) at the end, "
        f"{torch.get_num_threads()} threads each",
        "versions": ", ".join(f"{n} {s[n]}" for n in ("camlite", "torch", "torchvision"))
        + f", Python {platform.python_version()}",
    }


def markdown_table(summary: Summary) -> list[str]:
    """Methods down, metrics across; floors last."""
    heads = [c.metric.head for c in summary.columns]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for method in summary.methods:
        name = f"{title(method)} (floor)" if method in FLOORS else title(method)
        lines.append(f"| {name} | " + " | ".join(_shown(c, method) for c in summary.columns) + " |")
    counts = " | ".join(str(c.pictures) for c in summary.columns)
    return [*lines, f"| pictures | {counts} |"]


def _shown(column: Column, method: str) -> str:
    if method not in column.cells:
        return "–"
    cell, d = column.cells[method], column.metric.digits
    text = f"{cell.value:.{d}f} [{cell.low:.{d}f}, {cell.high:.{d}f}]"
    return f"*{text}*" if method not in FLOORS and not column.beats(method, FLOORS) else text


def _left_out(summary: Summary) -> list[str]:
    lines: list[str] = []
    if summary.without_map:
        lines += ["## Methods without a map", ""]
        lines += [f"- {title(m)}: {why}" for m, why in summary.without_map.items()] + [""]
    if summary.problems:
        lines += ["## Pictures that could not be evaluated", ""]
        lines += [f"- {name}: {why}" for name, why in _problems(summary).items()] + [""]
    some = [c for c in summary.columns if c.excluded]
    if some:
        lines += ["## Pictures left out of a metric", ""]
        lines += [f"- {c.metric.title}: {n} ({why})" for c in some for why, n in c.excluded.items()]
    return [*lines, ""] if some else lines


def _blank(job: Job, rows: dict[Key, Stored]) -> list[str]:
    """Constant maps point nowhere; they stay in the means, so their number must be told."""
    counts = {
        m: (sum(row.get("blank", 0) for row in done), len(done))
        for m in job.methods
        if (done := _done(job, rows, m))
    }
    lines = [f"- {title(m)}: {n} of {of}" for m, (n, of) in counts.items() if n]
    head = [
        "## Constant maps",
        "",
        "They point nowhere: the object is missed, nothing is seen in "
        "the masked picture, and the curves change the pixels in reading order.",
        "",
    ]
    return [*head, *lines] if lines else []


# ------------------------------------------------------------------ figures


def draw_table(job: Job, summary: Summary, save: Path) -> None:
    """The summary as a picture: dark is good, within each column; floors below the line."""
    import matplotlib.pyplot as plt

    columns = [c for c in summary.columns if c.cells]
    shape = len(summary.methods), len(columns)
    figure, axis = plt.subplots(
        figsize=(2.6 + 1.75 * shape[1], 1.5 + 0.34 * shape[0]), layout="constrained"
    )
    good = np.stack([_goodness(c, summary.methods) for c in columns], axis=1)
    drawn = axis.imshow(good, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")  # text stays readable
    for (i, j), _ in np.ndenumerate(good):
        text = _shown(columns[j], summary.methods[i])
        style = "italic" if text.startswith("*") else "normal"
        axis.text(j, i, text.strip("*"), ha="center", va="center", fontsize=7.5, style=style)
    heads = [f"{c.metric.head}\nn = {c.pictures}" for c in columns]
    axis.set_xticks(range(shape[1]), heads, fontsize=8)
    axis.set_yticks(range(shape[0]), [title(m) for m in summary.methods], fontsize=8)
    axis.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    floors = sum(m in FLOORS for m in summary.methods)
    axis.axhline(shape[0] - floors - 0.5, color="black", linewidth=1.5)
    axis.set_title(
        f"{job.subject.name}, {job.layer}, {job.settings['data']}: value and "
        f"{LEVEL} % interval\nbelow the line: floors; italics: not told "
        "apart from the best floor",
        fontsize=9,
    )
    bar = figure.colorbar(drawn, ax=axis, shrink=0.5, ticks=[0, 1])
    bar.ax.set_yticklabels(["worst of\nthe column", "best"], fontsize=8)
    bar.ax.set_ylim(0, 1)
    figure.savefig(save, dpi=150)
    plt.close(figure)


def _goodness(column: Column, methods: list[str]) -> np.ndarray:
    """0 for the column's worst value, 1 for its best."""
    values = np.array([column.cells[m].value for m in methods])
    values = -values if column.metric.lower_is_better else values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.full_like(values, 0.5)


def draw_examples(job: Job, summary: Summary, rows: dict[Key, Stored], save: Path) -> None:
    """The first pictures with the maps of all methods, in blocks side by side."""
    import matplotlib.pyplot as plt

    shown = [
        item
        for item in job.examples
        if all(map_file(job, item, m).exists() for m in summary.methods)
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
    drawn: Any = None
    for column, item in enumerate(shown):
        seen = example(item.read(), job.subject.view).seen
        explained = rows[item.name, item.label, summary.methods[0]]["explained"]
        name = job.subject.categories[explained]
        for block in range(blocks):
            axis = axes[0, block * len(shown) + column]
            axis.imshow(plot.picture(seen[0]), cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{Path(item.name).stem[:14]}\n{name[:16]}", fontsize=7)
        for n, method in enumerate(summary.methods):
            axis = axes[1 + n % down, n // down * len(shown) + column]
            L = torch.from_numpy(np.load(map_file(job, item, method)))[None]
            axis.imshow(plot.picture(seen[0]), cmap="gray", vmin=0, vmax=1)
            heat = heatmap(L, seen.shape[2:])[0].numpy()
            drawn = axis.imshow(heat, cmap=plot.HEAT, vmin=0, vmax=1, alpha=0.6)
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
    bar = figure.colorbar(drawn, ax=axes, shrink=0.4, label="evidence, scaled per map")
    plot.opaque(bar)
    figure.suptitle(f"{job.subject.name}, {job.layer}: the first pictures", fontsize=10)
    figure.savefig(save, dpi=150)
    plt.close(figure)
