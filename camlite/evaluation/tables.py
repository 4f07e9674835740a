"""The numbers of a run as tables: CSV files, and Markdown for the card."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from camlite.evaluation.compared import FLOORS, title
from camlite.evaluation.loop import finished
from camlite.evaluation.measures import METRICS
from camlite.evaluation.plan import Run
from camlite.evaluation.store import Row, RowKey
from camlite.evaluation.summary import Column, Summary, any_map


def _csv(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_plain(v) for v in line] for line in lines)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Six digits are more than any metric is worth, and hide the rounding of one machine."""
    return f"{value:.6g}" if isinstance(value, float) else "" if value is None else value


def rows_table(run: Run, rows: dict[RowKey, Row]) -> str:
    """Every measurement: one line for each picture and method."""
    numbers = list(dict.fromkeys(c for name in run.metrics for c in METRICS[name].columns))
    more = [f"{name}_chance" for name in ("pointing", "energy") if name in numbers]
    numbers += [name for name in more if name not in numbers]
    header = ["file", "class_index", "explained", "predicted", "method", "blank", *numbers]
    lines = []
    for sample in run.samples:
        has_map = any_map(rows, (sample.name, sample.label), run.methods)
        for method in run.methods if has_map else ("", *run.methods):
            row = rows.get((sample.name, sample.label, method))
            if row is not None:
                notes = "; ".join(f"{name}: {why}" for name, why in row.get("notes", {}).items())
                lines.append([*(row.get(name) for name in header), notes, row["problem"]])
    return _csv([*header, "notes", "problem"], lines)


def summary_table(summary: Summary) -> str:
    """Each method and metric: value, interval, number of pictures."""
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


def pairs_table(summary: Summary) -> str:
    """Each pair of methods: win rate, difference with its interval."""
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


def cost_table(run: Run, rows: dict[RowKey, Row]) -> str:
    """Seconds of each method; the only table that differs from run to run."""
    header = ["method", "maps", "seconds_per_map_median", "seconds_of_maps", "seconds_of_metrics"]
    lines = []
    for method in run.methods:
        if done := finished(run, rows, method):
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


def markdown_table(summary: Summary) -> list[str]:
    """Methods down, metrics across; floors last."""
    heads = [c.metric.head for c in summary.columns]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---|" * len(heads)]
    for method in summary.methods:
        name = f"{title(method)} (floor)" if method in FLOORS else title(method)
        cells = " | ".join(cell_text(c, method) for c in summary.columns)
        lines.append(f"| {name} | {cells} |")
    counts = " | ".join(str(c.pictures) for c in summary.columns)
    return [*lines, f"| pictures | {counts} |"]


def cell_text(column: Column, method: str) -> str:
    """Value and interval, in italics where a floor is as good."""
    if method not in column.cells:
        return "–"
    cell, d = column.cells[method], column.metric.digits
    text = f"{cell.value:.{d}f} [{cell.low:.{d}f}, {cell.high:.{d}f}]"
    return f"*{text}*" if method not in FLOORS and not column.beats(method, FLOORS) else text
