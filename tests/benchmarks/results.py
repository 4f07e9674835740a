"""Measures the methods on real photographs and on pictures with known evidence: docs/results.md.

    python -m tests.benchmarks.results            # go on where it stopped, then write the page
    python -m tests.benchmarks.results --page     # only write the page from what is there

Needs `CAMLITE_DATA` with imagenet_samples/ and weights/. About two hours on two cores.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from camlite import data
from camlite.evaluation import Plan, evaluate
from camlite.evaluation.measures import Protocol

WORK = Path("results")
FAITHFUL = ("average_drop", "increase_in_confidence", "average_gain", "insertion", "deletion")
GRADIENT = (
    "cam", "grad_cam", "grad_cam_plus_plus", "xgrad_cam", "hires_cam", "layer_cam", "finer_cam",
    "shapley_cam", "eigen_cam", "eigen_grad_cam", "zoom_cam", "refine_cam", "full_grad",
    "ablation_cam", "recipro_cam", "smooth_grad_cam_plus_plus", "integrated_grad_cam", "group_cam",
    "cluster_cam", "cosine_cam",
)
MASKING = ("score_cam", "ss_cam", "is_cam", "poly_cam")
PIXELS = ("saliency", "smooth_grad", "integrated_gradients", "guided_backprop", "guided_grad_cam",
          "occlusion", "rise")
EVERY = (*GRADIENT, *MASKING, *PIXELS)
FEWER = {"ss_cam": {"samples": 4}, "is_cam": {"steps": 4}}
TWENTY = Protocol(steps=20)


def plans() -> dict[str, Plan]:
    """The runs, by name."""
    photographs = str(data.find("imagenet_samples") or "imagenet_samples")
    photo = Plan(photographs, "", WORK, metrics=FAITHFUL, target="predicted", protocol=TWENTY)
    known = Plan("", "pond_repaired", WORK, methods=EVERY, protocol=replace(TWENTY, fill="mean"),
                 options={"rise": {"samples": 1000}, **FEWER})
    squeeze = replace(photo, model="squeezenet1_1", layer="features")
    runs = {
        "squeezenet1_1": replace(squeeze, limit=60, methods=(*GRADIENT, "score_cam")),
        "scenes": replace(known, data="scenes", limit=100),
        "twins": replace(known, data="twins", limit=60),
        "mosaic": replace(known, data="mosaic", limit=25),
        "resnet50": replace(photo, model="resnet50", limit=20, methods=GRADIENT),
        "mobilenet_v2": replace(photo, model="mobilenet_v2", limit=40,
                                methods=(*GRADIENT, "score_cam")),
        "squeezenet1_1-slow": replace(squeeze, limit=10, options=FEWER,
                                      methods=(*GRADIENT, *MASKING)),
    }
    return {name: replace(plan, out=WORK / name) for name, plan in runs.items()}


def main() -> None:
    """Run what is missing, then write the page."""
    for name, plan in plans().items():
        print(name, flush=True)
        evaluate(plan)


if __name__ == "__main__":
    main()
