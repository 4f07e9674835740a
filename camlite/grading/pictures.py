"""The pictures of the class report: SVG that takes the page's colour of text. No student's name."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from functools import wraps
from statistics import median
from typing import Any

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from camlite.grading.tally import OUTCOMES, Tally

INK = "#123456"  # stands for the colour of the text: currentColor
WIDTH = 4.5  # inches; text of 10 points stays readable on a phone
STYLES: dict[str, tuple[str, str, str]] = {  # face, hatch, colour of the number on it
    "right": ("#0b6aa8", "", "white"),
    "named": ("#b34700", "", "white"),
    "unnamed": ("#8f4a86", "...", "white"),
    "todo": ("#a9afb8", "", "black"),
    "none": ("none", "////", INK),
}
_SETTINGS: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "hatch.linewidth": 0.6,
}
_PICTURE = re.compile(r"<svg .*</svg>", re.S)
_SIZE = re.compile(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', re.S)
_ABOUT = re.compile(r"<metadata>.*?</metadata>", re.S)
_ID = re.compile(r'(\bid="|url\(#|href="#)')  # several pictures stand on one page
_GENERIC = re.compile(r"'DejaVu Sans'[^;\"]*sans-serif")


def picture(draw: Callable[..., tuple[Figure, str]]) -> Callable[..., Markup]:
    """`draw` gives a figure and what it shows in words; the picture is SVG for a page.

    The same data give the same bytes.
    """

    @wraps(draw)
    def drawn(*args: object) -> Markup:
        with matplotlib.rc_context(_SETTINGS | {"svg.hashsalt": draw.__name__}):
            figure, alt = draw(*args)
            text = io.StringIO()
            figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
        svg = _ABOUT.sub("", _PICTURE.findall(text.getvalue())[0])
        svg = _SIZE.sub(rf'\1role="img" aria-label="{alt}"', svg, count=1)
        svg = _GENERIC.sub("sans-serif", svg.replace(INK, "currentColor"))
        return Markup(_ID.sub(rf"\1{draw.__name__}-", svg))

    return drawn


def _axes(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.add_subplot()


@picture
def scores(shares: Sequence[float]) -> tuple[Figure, str]:
    """How many students have which share of the points, in tenths."""
    figure, axes = _axes(2.8)
    counts, _ = np.histogram(np.clip(shares, 0, 1), bins=np.linspace(0, 1, 11))
    middle = 100 * median(shares)
    bars = axes.bar(np.arange(5, 100, 10), counts, width=9, color=STYLES["right"][0])
    axes.bar_label(bars, [str(n) if n else "" for n in counts], padding=2)
    axes.plot(middle, max(counts) * 1.2, "v", color=INK, clip_on=False)
    axes.set(xlim=(0, 100), ylim=(0, max(counts) * 1.2), xlabel="share of the points, in percent")
    axes.set(ylabel="students", xticks=range(0, 101, 20))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(f"Half of the class has at least {middle:.0f} % (triangle)", fontsize=10)
    return figure, f"Histogram of the scores of {len(shares)} students, median {middle:.0f} percent"


@picture
def outcomes(tallies: Sequence[Tally]) -> tuple[Figure, str]:
    """Each exercise as a bar of all students, divided by what came of it; the first on top."""
    figure, axes = _axes(1.2 + 0.32 * len(tallies))
    rows = [f"{t.exercise} {t.function}" for t in tallies]
    left = np.zeros(len(tallies))
    for key, (face, hatch, ink) in STYLES.items():
        counts = np.array([t.outcomes[key] for t in tallies])
        bars = axes.barh(rows, counts, left=left, color=face, hatch=hatch, label=OUTCOMES[key])
        for bar in bars:
            bar.set(edgecolor=INK, linewidth=0.5)
        wide = 0.06 * max(t.students for t in tallies)
        labels = [str(n) if n >= wide else "" for n in counts]
        axes.bar_label(bars, labels, label_type="center", color=ink, fontsize=9)
        left += counts
    axes.invert_yaxis()
    axes.set(xlabel="students")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(loc="outside upper left", frameon=False, ncols=2, fontsize=9)
    return figure, "Bars: what came of each exercise, the hardest on top; numbers in the table"


@picture
def seconds(times: dict[str, list[float]]) -> tuple[Figure, str]:
    """Each run as a point: exercise and seconds, on a scale of powers of ten."""
    figure, axes = _axes(1.0 + 0.3 * len(times))
    for row, values in enumerate(times.values()):
        shift = np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else np.zeros(1)
        points = np.maximum(sorted(values), 1e-3)
        axes.plot(points, row + shift, ".", color="#2f86cc", markersize=4)
        axes.plot(median(points), row, "|", color=INK, markersize=14, markeredgewidth=2)
    axes.set_yticks(range(len(times)), list(times))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="seconds (each point a run, the line is the median)")
    return figure, "Points: how long each run took, by exercise; the slowest are in the table"
