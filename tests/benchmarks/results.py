"""Measures the methods on real photographs and on pictures with known evidence: docs/results.md.

    python -m tests.benchmarks.results            # go on where it stopped, then write the page
    python -m tests.benchmarks.results --page     # only write the page from what is there
    torchrun --nproc-per-node 2 -m tests.benchmarks.results         # the same, divided

Needs `CAMLITE_DATA` with imagenet_samples/ and weights/. About two and a half hours
of one process (the cards add up to 154 minutes).
"""

from __future__ import annotations

import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from PIL import Image

from camlite import data
from camlite.evaluation import Plan, evaluate
from camlite.evaluation.dataset import GENERATED
from camlite.evaluation.distributed import process_group
from camlite.evaluation.measures import Protocol
from tests.benchmarks.results_page import FOLDER, PAGE, page

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
        image = Image.open(plan.out / file).convert("RGB")
        image.thumbnail((1800, 1800))
        image.quantize(255, dither=Image.Dither.NONE).save(to / file, optimize=True)


def main(only_page: bool) -> None:
    """Run what is missing, then write the page."""
    with process_group() as group:  # under torchrun: connected once for all runs
        for name, plan in ({} if only_page else plans()).items():
            print(name, flush=True)
            if evaluate(plan):  # rank 0
                keep(name, plan)
        if group.is_main:
            PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(only_page="--page" in sys.argv[1:])
