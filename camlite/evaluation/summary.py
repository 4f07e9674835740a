"""From rows to numbers: means with bootstrap intervals, and methods compared in pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from camlite.evaluation.measures import METRICS, Metric, Values
from camlite.evaluation.store import Key, Stored
from camlite.metrics import win_rate

RESAMPLES = 2000
LEVEL = 95  # percent of the bootstrap distribution that an interval holds
DIGITS = 6  # equal maps differ by rounding alone: beyond this they are ties


@dataclass(frozen=True)
class Cell:
    """A number for the data set, with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pair:
    """Method a against method b on the same pictures.

    wins: how often a is better, percent, a tie counts one half; difference: a − b of the data
    set's numbers, with its interval. If 0 lies in it, these pictures do not tell the two apart.
    """

    a: str
    b: str
    wins: float
    difference: Cell


@dataclass(frozen=True)
class Column:
    """One metric: the pictures it holds for, the methods' numbers, and the pairs."""

    name: str
    pictures: int
    excluded: dict[str, int]
    cells: dict[str, Cell]
    pairs: list[Pair]

    @property
    def metric(self) -> Metric:
        """What was measured."""
        return METRICS[self.name]


@dataclass(frozen=True)
class Summary:
    """columns: the metrics; methods: those that apply; without_map: the others, and why not."""

    columns: list[Column]
    methods: list[str]
    without_map: dict[str, str]
    problems: dict[tuple[str, int | None], str]


def summarize(
    rows: Mapping[Key, Stored],
    pictures: Sequence[tuple[str, int | None]],
    methods: Sequence[str],
    metrics: Sequence[str],
    seed: int = 0,
) -> Summary:
    """The numbers of all methods for all metrics.

    `pictures` are (file, class) in order. A picture counts for a metric only if every method has a
    value for it: methods are compared on the same pictures. The others are counted with the reason.
    A method without any map is left out of the table.
    """
    problems = {(file, c): rows[file, c, ""]["problem"] for file, c in pictures
                if (file, c, "") in rows and not _any_map(rows, file, c, methods)}
    good = [picture for picture in pictures if picture not in problems]
    without = {}
    for method in methods:
        found = [rows.get((file, c, method)) for file, c in good]
        if not any(row and not row["problem"] for row in found):
            without[method] = next((row["problem"] for row in found if row), "no picture was done")
    kept = [m for m in methods if m not in without]
    columns = [_column(name, rows, good, kept, seed) for name in metrics] if kept else []
    return Summary(columns, kept, without, problems)


def _any_map(
    rows: Mapping[Key, Stored], file: str, c: int | None, methods: Sequence[str]
) -> bool:
    found = (rows.get((file, c, method)) for method in methods)
    return any(row is not None and not row["problem"] for row in found)


def _column(
    name: str,
    rows: Mapping[Key, Stored],
    pictures: Sequence[tuple[str, int | None]],
    methods: list[str],
    seed: int,
) -> Column:
    metric = METRICS[name]
    values = np.stack([_values(metric, rows, pictures, method) for method in methods])  # (M, N, k)
    known = np.isfinite(values).all(axis=(0, 2))  # (N,)
    reasons = Counter(
        _why_not(rows, picture, methods, values[:, n])
        for n, picture in enumerate(pictures) if not known[n]
    )
    values = values[:, known]
    cells: dict[str, Cell] = {}
    pairs: list[Pair] = []
    if known.any():
        numbers = metric.combine(values.mean(1))  # (M,)
        drawn = metric.combine(_resampled_means(values, seed))  # (B, M)
        for i, a in enumerate(methods):
            cells[a] = _cell(numbers[i], drawn[:, i])
            for j, b in enumerate(methods):
                if i != j:
                    gap = _cell(numbers[i] - numbers[j], drawn[:, i] - drawn[:, j])
                    pairs.append(Pair(a, b, _wins(metric, values[i], values[j]), gap))
    return Column(name, int(known.sum()), dict(reasons), cells, pairs)


def _values(
    metric: Metric, rows: Mapping[Key, Stored], pictures: Sequence[tuple[str, int | None]],
    method: str,
) -> Values:
    """(N, k): one method's values of one metric, NaN where there is none."""
    found = [rows.get((file, c, method), {}) for file, c in pictures]
    raw = {column: np.array([row.get(column, np.nan) for row in found], dtype=float)
           for column in metric.columns}
    return metric.values(raw).round(DIGITS)


def _why_not(
    rows: Mapping[Key, Stored], picture: tuple[str, int | None], methods: list[str], values: Values
) -> str:
    """Why a picture does not count: what the first method without a value says."""
    method = methods[int(np.flatnonzero(~np.isfinite(values).all(1))[0])]
    row = rows.get((*picture, method))
    if row is None:
        return f"not done yet for {method}"
    return row["problem"] or row["note"] or "the metric is undefined for it"


def _resampled_means(values: Values, seed: int) -> Values:
    """(B, M, k): means over pictures drawn with replacement, the same ones for all methods."""
    rng = np.random.default_rng(seed)
    M, N, k = values.shape
    means = np.empty((RESAMPLES, M, k))
    for b in range(RESAMPLES):
        times = np.bincount(rng.integers(N, size=N), minlength=N)  # how often each was drawn
        means[b] = np.einsum("n,mnk->mk", times, values) / N
    return means


def _cell(value: float, drawn: Values) -> Cell:
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Cell(float(value), float(low), float(high))


def _wins(metric: Metric, a: Values, b: Values) -> float:
    """The win rate; a metric of several terms is compared picture by picture after combining."""
    ours, theirs = (torch.from_numpy(np.ascontiguousarray(metric.combine(v))) for v in (a, b))
    return win_rate(ours, theirs, lower_is_better=metric.lower_is_better)
