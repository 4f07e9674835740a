"""The evaluation card: all that another person needs to compare with these numbers."""

from __future__ import annotations

import os
import platform

import torch

from camlite.evaluation.compared import title
from camlite.evaluation.loop import finished
from camlite.evaluation.measures import DELTAS, METRICS, TAUS
from camlite.evaluation.plan import CHECKSUM, Run
from camlite.evaluation.store import Row, RowKey
from camlite.evaluation.summary import LEVEL, RESAMPLES, Summary
from camlite.evaluation.tables import markdown_table

QUESTIONS = {  # of the data sets that are made for one question
    "difull": "each head sees its own cell and nothing else: what the other cells show cannot "
    "change the logit, so attribution outside is impossible, not only implausible. The gradient "
    "outside is exactly 0. A map sees this head alone: a softmax over all heads would mix the "
    "cells. Guessing finds one cell in four",
    "parts": "which part of the object does the decision need? Each scene is drawn again without "
    "one part (eyes, shell, wheels, …); no other pixel changes",
}


SILENT = {  # columns of the rows that mark a map without a say
    "blank": (
        "Constant maps",
        "They point nowhere: the object is missed, nothing is seen in the masked picture, and the "
        "curves change the pixels in reading order.",
    ),
    "no_order": (
        "Maps without an order of the parts",
        "All parts have the same sum, mostly 0. The rank correlation is 0, as by chance.",
    ),
}
HOW: list[
    tuple[set[str], str, str]
] = [  # which metrics have this choice behind them, and what it is
    (
        {"energy_in_cell", "pointing_in_cell"},
        "in cell",
        "each place of the map is a block of pixels: bilinear upsampling would carry evidence over "
        "the border; no tolerance",
    ),
    (
        {"part_order", "top_part"},
        "importance of a part",
        "measured: how far the logit of the class falls without it; by the map: its sum over the "
        "pixels that change. Parts that no pixel shows do not count",
    ),
    (
        {"part_order"},
        "order of parts",
        "Spearman's rank correlation of the two, for each picture; chance: 0",
    ),
    (
        {"object_recall"},
        "objects found",
        "the hottest pixels are lit, as many as all objects of the picture cover; an object is "
        "found if half of its pixels are lit",
    ),
    ({"adcc"}, "ADCC", "coherency and complexity of L ∘ X with fill 0; made of the means"),
    ({"road"}, "ROAD", "10 % to 90 % of the pixels, noise 0.01; mean of (LeRF − MoRF) / 2"),
    (
        {"max_box_acc_v2"},
        "boxes",
        f"best of all regions, IoU ≥ {', '.join(map(str, DELTAS))}, {len(TAUS)} thresholds; τ for "
        "each half of the files is chosen on the other half, and stays as it is in the resamples",
    ),
]


def card(run: Run, summary: Summary, rows: dict[RowKey, Row]) -> str:
    """The evaluation card: all that another person needs to compare with these numbers."""
    facts = {**_what(run, summary, rows), **_how(run), **_where(run, rows)}
    lines = [
        f"# Evaluation card: {run.network.name} on {run.settings['data']}",
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
    lines += _left_out(summary) + _counted(run, rows)
    return "\n".join(lines).rstrip() + "\n"


def _what(run: Run, summary: Summary, rows: dict[RowKey, Row]) -> dict[str, str]:
    s, plan = run.settings, run.plan
    guesses = max((finished(run, rows, method) for method in run.methods), key=len)
    right = sum(row["predicted"] == row["class_index"] for row in guesses)
    preprocessing = run.network.preprocessing
    side = preprocessing.side
    seen = f"short side {round(side * 256 / 224)}, centre {side}×{side}"
    return {
        "data": f"`{s['data']}`, {len(run.samples) - len(summary.problems)} pictures with a class "
        f"evaluated, {len(summary.problems)} could not be",
        "network": f"{run.network.name}, {run.network.source}, weights {s['weights']}",
        "input": f"{seen if side else 'as it is'}"
        f"{', ImageNet mean and deviation' if preprocessing.normalize else ', in [0, 1]'}",
        "chosen": f"{plan.limit or 'all'}; drawn by the seed if there are more",
        "checksum": f"{s[CHECKSUM]} (names, labels, sizes, masks, boxes)",
        "right": f"for {right} of {len(guesses)} the predicted class is the label"
        f"{_at_most(guesses)}",
        "layer": f"`{run.layer}`; methods over several layers choose their own",
        "class explained": {
            "label": "the label of each picture",
            "predicted": "the predicted class of each picture",
        }[plan.target],
        **({"question": QUESTIONS[plan.data]} if plan.data in QUESTIONS else {}),
        **_by_chance(run, guesses),
    }


def _by_chance(run: Run, rows: list[Row]) -> dict[str, str]:
    """What luck gives, where a metric knows it: the mean over the pictures."""
    chance = [
        f"{METRICS[name].title.removesuffix(', %')} {100 * level:.1f} %"
        for name in run.metrics
        if (level := _mean(METRICS[name].chance, rows)) is not None
    ]
    return {"chance": f"{', '.join(chance)} (mean)"} if chance else {}


def _at_most(rows: list[Row]) -> str:
    """Several questions about one file have one prediction."""
    files = len({row["file"] for row in rows})
    return f"; {files} at most, one prediction for each file" if files < len(rows) else ""


def _mean(column: str, rows: list[Row]) -> float | None:
    levels = [row[column] for row in rows if column in row]
    return sum(levels) / len(levels) if levels else None


def _how(run: Run) -> dict[str, str]:
    p = run.plan.protocol
    curves = "; ".join(
        f"{game}: fill {o['fill']}, {o['steps']} steps, {o['rule']}"
        for game in ("deletion", "insertion")
        if game in run.metrics
        for o in [p.options(game)]
    )
    facts = {
        "score": "the maps explain the logit, or what the method's default is; "
        "metrics use the softmax probability",
        "maps": "positive part; pixel methods: largest absolute value of the colours; bilinear "
        "upsampling; scaled by their own minimum and maximum where a metric needs [0, 1]",
        "masked pictures": f"E = L ∘ X + (1 − L) ∘ fill, {p.keep:.0%} of the pixels may be seen, "
        f"fill {p.fill}",
        "fill 0": "the mean colour of ImageNet" if run.network.preprocessing.normalize else "black",
    }
    if curves:
        facts["curves"] = f"{curves} (protocol {p.curves})"
    if "pointing_game" in run.metrics:
        facts["pointing game"] = f"tolerance {224 * p.tolerance:g} pixels of 224"
    facts |= {name: text for names, name, text in HOW if names & set(run.metrics)}
    if run.plan.options:
        facts["options"] = "; ".join(f"{m}: {dict(o)}" for m, o in run.plan.options.items())
    return facts


def _where(run: Run, rows: dict[RowKey, Row]) -> dict[str, str]:
    s = run.settings
    done = [row for method in run.methods for row in finished(run, rows, method)]
    seconds = sum(row["seconds"] + row["seconds_metrics"] for row in done)
    device = (
        torch.cuda.get_device_name(run.group.device)
        if run.group.device.type == "cuda"
        else f"{platform.machine()} CPU, {os.cpu_count()} cores"
    )
    return {
        "seed": f"{s['seed']}; each picture has its own random numbers, made from seed and name",
        "cost": f"{seconds / 60:.1f} minutes of one process, see cost.csv",
        "machine": f"{device}; {run.group.world_size} process(es) at the end, "
        f"{torch.get_num_threads()} threads each",
        "versions": ", ".join(f"{n} {s[n]}" for n in ("camlite", "torch", "torchvision"))
        + f", Python {platform.python_version()}",
    }


def _left_out(summary: Summary) -> list[str]:
    lines: list[str] = []
    if summary.without_map:
        lines += ["## Methods without a map", ""]
        lines += [f"- {title(m)}: {why}" for m, why in summary.without_map.items()] + [""]
    if summary.problems:
        lines += ["## Pictures that could not be evaluated", ""]
        lines += [f"- {name}: {why}" for name, why in summary.problem_lines().items()] + [""]
    some = [c for c in summary.columns if c.excluded]
    if some:
        lines += ["## Pictures left out of a metric", ""]
        lines += [f"- {c.metric.title}: {n} ({why})" for c in some for why, n in c.excluded.items()]
    return [*lines, ""] if some else lines


def _counted(run: Run, rows: dict[RowKey, Row]) -> list[str]:
    """Maps that say nothing stay in the means, so their number must be told."""
    lines: list[str] = []
    for column, (head, text) in SILENT.items():
        counts = {
            m: (sum(int(row.get(column, 0)) for row in done), len(done))
            for m in run.methods
            if (done := finished(run, rows, m))
        }
        found = [f"- {title(m)}: {n} of {of}" for m, (n, of) in counts.items() if n]
        lines += [f"## {head}", "", text, "", *found, ""] if found else []
    return lines
