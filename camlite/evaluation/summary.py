"""From rows to numbers: means with bootstrap intervals, and methods compared in pairs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from camlite.evaluation.measures import METRICS, Metric, Values
from camlite.evaluation.store import Row, RowKey
from camlite.metrics import win_rate

SampleKey = tuple[str, int | None]  # file and class
UNDEFINED = dict.fromkeys(METRICS, "the metric is undefined for it") | {
    "average_drop": "the score before masking is 0",
    "average_drop_in_deletion": "the score before masking is 0",
    "average_gain": "the score before masking is 1 already",
    "max_box_acc_v2": "there is no other half to choose a threshold on",
}
RESAMPLES = 2000
LEVEL = 95  # percent of the bootstrap distribution that an interval holds
DIGITS = 6  # equal maps differ by rounding alone: beyond this they are ties


@dataclass(frozen=True)
class Estimate:
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
    difference: Estimate


@dataclass(frozen=True)
class Column:
    """One metric: the pictures it holds for, the methods' numbers, and the pairs."""

    name: str
    pictures: int
    excluded: dict[str, int]
    cells: dict[str, Estimate]
    pairs: list[Pair]

    @property
    def metric(self) -> Metric:
        """What was measured."""
        return METRICS[self.name]

    def beats(self, method: str, others: Sequence[str]) -> bool:
        """Whether the method is better than each of the others, and 0 is in no interval."""
        gaps = [p.difference for p in self.pairs if p.a == method and p.b in others]
        return all(g.high < 0 if self.metric.lower_is_better else g.low > 0 for g in gaps)


@dataclass(frozen=True)
class Summary:
    """columns: the metrics; methods: those that apply; without_map: the others, and why not."""

    columns: list[Column]
    methods: list[str]
    without_map: dict[str, str]
    problems: dict[SampleKey, str]

    def problem_lines(self) -> dict[str, str]:
        """Images without numbers and the reason; an image may be listed with several classes."""
        return {
            name if c is None else f"{name} (class {c})": why
            for (name, c), why in self.problems.items()
        }


def summarize(
    rows: Mapping[RowKey, Row],
    pictures: Sequence[SampleKey],
    methods: Sequence[str],
    metrics: Sequence[str],
    seed: int = 0,
) -> Summary:
    """The numbers of all methods for all metrics.

    `pictures` are (file, class) in order. A picture counts for a metric only if every method has a
    value for it: methods are compared on the same pictures. The others are counted with the reason.
    A method without any map is left out of the table.
    """
    problems = {
        (file, c): rows[file, c, ""]["problem"]
        for file, c in pictures
        if (file, c, "") in rows and not any_map(rows, (file, c), methods)
    }
    good = [picture for picture in pictures if picture not in problems]
    without = {}
    for method in methods:
        found = [rows.get((file, c, method)) for file, c in good]
        if not any(row and not row["problem"] for row in found):
            without[method] = next((row["problem"] for row in found if row), "no picture was done")
    kept = [m for m in methods if m not in without]
    columns = [_column(name, rows, good, kept, seed) for name in metrics] if kept else []
    return Summary(columns, kept, without, problems)


def any_map(rows: Mapping[RowKey, Row], picture: SampleKey, methods: Sequence[str]) -> bool:
    """Whether any method has a map of this picture, now or in a later start."""
    found = (rows.get((*picture, method)) for method in methods)
    return any(row is not None and not row["problem"] for row in found)


def _column(
    name: str,
    rows: Mapping[RowKey, Row],
    pictures: Sequence[SampleKey],
    methods: list[str],
    seed: int,
) -> Column:
    metric = METRICS[name]
    values = _values(metric, rows, pictures, methods)  # (M, N, k)
    known = np.isfinite(values).all(axis=(0, 2))  # (N,)
    reasons = Counter(
        _why_not(name, rows, picture, methods, values[:, n])
        for n, picture in enumerate(pictures)
        if not known[n]
    )
    good = [picture for n, picture in enumerate(pictures) if known[n]]
    if not good:
        return Column(name, 0, dict(reasons), {}, [])
    values = _values(metric, rows, good, methods)  # thresholds are chosen on what counts
    numbers = metric.combine(values.mean(1))  # (M,)
    drawn = metric.combine(_resampled_means(values, [file for file, _ in good], seed))  # (B, M)
    cells = {m: _cell(numbers[i], drawn[:, i]) for i, m in enumerate(methods)}
    pairs = [
        Pair(
            a,
            b,
            _wins(metric, values[i], values[j]),
            _cell(numbers[i] - numbers[j], drawn[:, i] - drawn[:, j]),
        )
        for i, a in enumerate(methods)
        for j, b in enumerate(methods)
        if i != j
    ]
    return Column(name, len(good), dict(reasons), cells, pairs)


def _values(
    metric: Metric, rows: Mapping[RowKey, Row], pictures: Sequence[SampleKey], methods: list[str]
) -> Values:
    """(M, N, k): each method's values of one metric, NaN where there is none."""
    half = _halves([file for file, _ in pictures])
    values = []
    for method in methods:
        found = [rows.get((file, c, method), {}) for file, c in pictures]
        raw = {
            column: np.array([row.get(column, np.nan) for row in found], dtype=float)
            for column in metric.columns
        }
        values.append(metric.values({**raw, "half": half}).round(DIGITS))
    return np.stack(values)


def _halves(files: Sequence[str]) -> Values:
    """0 or 1 for each picture: half of the files, shuffled by a hash of their names.

    All questions about one file are in the same half.
    """
    shuffled = sorted(set(files), key=lambda file: hashlib.sha256(file.encode()).digest())
    place = {file: n % 2 for n, file in enumerate(shuffled)}
    return np.array([place[file] for file in files])


def _why_not(
    name: str, rows: Mapping[RowKey, Row], picture: SampleKey, methods: list[str], values: Values
) -> str:
    """Why a picture does not count: what the first method without a value says."""
    method = methods[int(np.flatnonzero(~np.isfinite(values).all(1))[0])]
    row = rows.get((*picture, method))
    if row is None:
        return f"not done yet for {method}"
    return row["problem"] or row.get("notes", {}).get(name) or UNDEFINED[name]


def _resampled_means(values: Values, files: Sequence[str], seed: int) -> Values:
    """(B, M, k): means over files drawn with replacement, the same ones for all methods.

    Several questions about one file are drawn together: they are not independent.
    """
    rng = np.random.default_rng(seed)
    _, group = np.unique(files, return_inverse=True)  # (N,)
    count = int(group.max()) + 1
    means = np.empty((RESAMPLES, values.shape[0], values.shape[2]))
    for b in range(RESAMPLES):
        times = np.bincount(rng.integers(count, size=count), minlength=count)[group]
        means[b] = np.einsum("n,mnk->mk", times, values) / times.sum()
    return means


def _cell(value: float, drawn: Values) -> Estimate:
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Estimate(float(value), float(low), float(high))


def _wins(metric: Metric, a: Values, b: Values) -> float:
    """The win rate; a metric of several terms is compared picture by picture after combining."""
    ours, theirs = (torch.from_numpy(np.ascontiguousarray(metric.combine(v))) for v in (a, b))
    return win_rate(ours, theirs, lower_is_better=metric.lower_is_better)
