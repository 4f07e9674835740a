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

from typing import Any

from camlite.evaluation.card import card
from camlite.evaluation.drawing import draw_examples, draw_table
from camlite.evaluation.plan import FLOORS, Run
from camlite.evaluation.store import read_rows
from camlite.evaluation.summary import (
    summarize,
)
from camlite.evaluation.tables import cost_table, pairs_table, rows_table, summary_table
from camlite.paths import write_whole

FILES = ("summary.csv", "rows.csv", "pairs.csv", "cost.csv", "card.md", "table.png", "examples.png")


def report(run: Run) -> dict[str, Any]:
    """Write all files of a run into its folder; returns the summary as plain data."""
    rows = read_rows(run.parts)
    pictures = [(sample.name, sample.label) for sample in run.samples]
    summary = summarize(rows, pictures, run.methods, run.metrics, run.plan.seed)
    out = run.plan.out
    write_whole(out / "rows.csv", rows_table(run, rows))
    write_whole(out / "summary.csv", summary_table(summary))
    write_whole(out / "pairs.csv", pairs_table(summary))
    write_whole(out / "cost.csv", cost_table(run, rows))
    write_whole(out / "card.md", card(run, summary, rows))
    for figure in ("table.png", "examples.png"):
        (out / figure).unlink(missing_ok=True)
    if any(column.cells for column in summary.columns):
        draw_table(run, summary, out / "table.png")
        draw_examples(run, summary, rows, out / "examples.png")
    files = [name for name in FILES if (out / name).exists()]
    return {
        "out": str(out),
        "model": run.network.name,
        "layer": run.layer,
        "files": files,
        "pictures": len(pictures) - len(summary.problems),
        "problems": summary.problem_lines(),
        "without_map": summary.without_map,
        "maps": any(m not in FLOORS for m in summary.methods) or set(run.methods) == set(FLOORS),
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
