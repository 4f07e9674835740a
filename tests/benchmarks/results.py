"""Measures the methods on real photographs and on pictures with known evidence: docs/results.md.

    python -m tests.benchmarks.results            # go on where it stopped, then write the page
    python -m tests.benchmarks.results --page     # only write the page from what is there
    torchrun --nproc-per-node 2 -m tests.benchmarks.results         # the same, divided
    python -m tests.benchmarks.results --renew cluster_cam cosine_cam    # these rows only
    python -m tests.benchmarks.results --only twins                      # these runs only

`--renew` is for a repair that changes some methods: they are measured again on the same pictures,
and their rows replace the old ones in every run that has them. The card says so. `--only` is for
a new metric or other pictures of some runs; the others stay as they are.

Needs `CAMLITE_DATA` with imagenet_samples/ and weights/. About two and a half hours
of one process (the cards add up to 154 minutes).
"""

from __future__ import annotations

import argparse
import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from camlite import data
from camlite.evaluation import Plan, evaluate
from camlite.evaluation.compared import title
from camlite.evaluation.dataset import GENERATED
from camlite.evaluation.distributed import process_group
from camlite.evaluation.drawing import draw_cells, goodness
from camlite.evaluation.measures import METRICS, Protocol
from camlite.methods.cards import find_card
from tests.benchmarks.results_page import FOLDER, PAGE, card_table, page, rows
from tests.benchmarks.results_page import methods as methods_of

WORK = Path("results")
FAITHFUL = ("average_drop", "increase_in_confidence", "average_gain", "insertion", "deletion")
GRADIENT = (
    "cam",
    "grad_cam",
    "grad_cam_plus_plus",
    "xgrad_cam",
    "hires_cam",
    "layer_cam",
    "finer_cam",
    "shapley_cam",
    "eigen_cam",
    "eigen_grad_cam",
    "zoom_cam",
    "refine_cam",
    "full_grad",
    "ablation_cam",
    "recipro_cam",
    "smooth_grad_cam_plus_plus",
    "integrated_grad_cam",
    "group_cam",
    "cluster_cam",
    "cosine_cam",
)
MASKING = ("score_cam", "ss_cam", "is_cam", "poly_cam")
PIXELS = (
    "saliency",
    "smooth_grad",
    "integrated_gradients",
    "guided_backprop",
    "guided_grad_cam",
    "occlusion",
    "rise",
)
EVERY = (*GRADIENT, *MASKING, *PIXELS)
QUICK = (  # less than a second for a mosaic
    *(m for m in GRADIENT if m not in ("integrated_grad_cam", "smooth_grad_cam_plus_plus")),
    "score_cam",
    "saliency",
    "guided_backprop",
    "guided_grad_cam",
)
AUTHORS = {"probability": True, "channel_softmax": False, "baseline": None}  # Score-CAM's code
FEWER = {"ss_cam": {"samples": 4}, "is_cam": {"steps": 4}}
TWENTY = Protocol(steps=20)


def plans() -> dict[str, Plan]:
    """The runs, by name."""
    photographs = str(data.find("imagenet_samples") or "imagenet_samples")
    photo = Plan(photographs, "", WORK, metrics=FAITHFUL, target="predicted", protocol=TWENTY)
    known = Plan(
        "",
        "pond_repaired",
        WORK,
        methods=EVERY,
        protocol=replace(TWENTY, fill="mean"),
        options={"rise": {"samples": 1000}, **FEWER},
    )
    squeeze = replace(photo, model="squeezenet1_1", layer="features")
    runs = {
        "squeezenet1_1": replace(squeeze, limit=60, methods=(*GRADIENT, "score_cam")),
        "scenes": replace(known, data="scenes", limit=100),
        "twins": replace(known, data="twins", limit=60),
        "mosaic": replace(known, data="mosaic", limit=25),
        "parts": replace(known, data="parts", limit=60),
        "difull": replace(known, data="difull", limit=20, methods=QUICK, options={}),
        "scenes-biased": replace(
            known, data="scenes", model="pond_biased", target="predicted", limit=100
        ),
        "resnet50": replace(photo, model="resnet50", limit=20, methods=GRADIENT),
        "squeezenet1_1-authors": replace(
            squeeze, limit=60, methods=("grad_cam", "score_cam"), options={"score_cam": AUTHORS}
        ),
        "mobilenet_v2": replace(
            photo, model="mobilenet_v2", limit=24, methods=(*GRADIENT, "score_cam")
        ),
        "squeezenet1_1-slow": replace(
            squeeze, limit=6, options=FEWER, methods=(*GRADIENT, *MASKING)
        ),
    }
    return {name: replace(plan, out=WORK / name) for name, plan in runs.items()}


def keep(name: str, plan: Plan, folder: Path = FOLDER) -> None:
    """Copy what the page needs into docs/results: no photograph is among it."""
    to = folder / name
    to.mkdir(parents=True, exist_ok=True)
    for file in ("summary.csv", "card.md"):
        shutil.copyfile(plan.out / file, to / file)
    with (plan.out / "pairs.csv").open(newline="") as source:
        rows = list(csv.reader(source))
    with (to / "pairs.csv").open("w", newline="") as target:  # against Grad-CAM only: a small file
        csv.writer(target, lineterminator="\n").writerows(
            [rows[0], *(row for row in rows if row[2] == "grad_cam")]
        )
    own = plan.data in GENERATED
    for file in ("table.png", "examples.png") if own else ("table.png",):
        _small(plan.out / file, to / file)


def renewed(name: str, plan: Plan, methods: set[str]) -> Plan | None:
    """The plan of a run's methods that are measured again; None where it has none of them."""
    again = tuple(m for m in plan.methods if m in methods)
    if not again:
        return None
    options = {m: own for m, own in plan.options.items() if m in again}
    methods_ = ("grad_cam", *again)
    return replace(
        plan, methods=methods_, options=options, out=WORK / f"{name}-renewed", examples=0
    )


def replace_rows(name: str, plan: Plan, methods: set[str]) -> None:
    """Put the rows of these methods into docs/results: tables, card, and the table as a picture."""
    to = FOLDER / name
    for table, column in (("summary", 2), ("pairs", 1)):
        old, new = (_read(folder / f"{table}.csv") for folder in (to, plan.out))
        if table == "pairs":
            new = [row for row in new if row[2] == "grad_cam"]
        found = {(row[0], row[column]): row for row in new if row[column] in methods}
        with (to / f"{table}.csv").open("w", newline="") as file:
            lines = [found.get((row[0], row[column]), row) for row in old]
            csv.writer(file, lineterminator="\n").writerows(lines)
    titles = {title(m) for m in methods}
    fresh = {ln.split("|")[1].strip(): ln for ln in _card(plan.out) if ln.startswith("|")}
    card = []
    for line in _card(to):
        own = line.split("|")[1].strip() if line.startswith("|") else ""
        if own == "renewed":
            continue
        card.append(fresh[own] if own in titles and own in fresh else line)
        if own == "versions":
            versions = fresh["versions"].split("|")[2].strip()
            card.append(f"| renewed | {', '.join(sorted(titles & set(fresh)))}: {versions} |")
    (to / "card.md").write_text("\n".join(card) + "\n", encoding="utf-8")
    rows.cache_clear()
    _draw(name, plan)


def _read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _card(folder: Path) -> list[str]:
    return (folder / "card.md").read_text(encoding="utf-8").splitlines()


def _draw(name: str, plan: Plan) -> None:
    """table.png, from the tables."""
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in card_table(name)]
    names = methods_of(name)
    metrics = list(dict.fromkeys(row["metric"] for row in rows(name)))
    good, heads = [], []
    for metric in metrics:
        cells = {row["method"]: row for row in rows(name) if row["metric"] == metric}
        values = np.array([float(cells[m]["value"]) for m in names])
        good.append(goodness(values, METRICS[metric].lower_is_better))
        heads.append(f"{METRICS[metric].head}\nn = {cells[names[0]]['pictures']}")
    layer = next(line for line in _card(FOLDER / name) if line.startswith("| layer")).split("`")[1]
    what = f"{plan.model}, {layer}, {Path(plan.data).name}"
    save = FOLDER / name / "table.png"
    draw_cells([line[1:] for line in lines[2:]], np.stack(good, 1), names, heads, what, save)
    _small(save, save)


def _small(source: Path, save: Path) -> None:
    """A figure for the documentation: 255 colours, at most 1800 pixels."""
    image = Image.open(source).convert("RGB")
    image.thumbnail((1800, 1800))
    image.quantize(255, dither=Image.Dither.NONE).save(save, optimize=True)


def main(runs: dict[str, Plan], renew: set[str]) -> None:
    """Run what is missing of these runs, then write the page."""
    with process_group() as group:  # under torchrun: connected once for all runs
        for name, plan in runs.items():
            again = renewed(name, plan, renew) if renew else plan
            if again is None:
                continue
            print(name, flush=True)
            if evaluate(again):  # rank 0
                if renew:
                    replace_rows(name, again, renew)
                else:
                    keep(name, plan)
        if group.is_main:
            PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.results")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--renew", nargs="+", default=[], metavar="METHOD")
    parser.add_argument("--only", nargs="+", choices=plans(), default=list(plans()), metavar="RUN")
    asked = parser.parse_args()
    main(
        {} if asked.page else {name: plans()[name] for name in asked.only},
        renew={find_card(name).name for name in asked.renew},
    )
