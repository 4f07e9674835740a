"""Boxes against annotated boxes: localisation error and MaxBoxAccV2.

Annotated boxes: one tensor (N, 4), or a list of N tensors (B_n, 4) where images have several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camlite.boxes import EMPTY, component_boxes, iou_matrix, largest_component
from camlite.checks import a_number, one_of
from camlite.maps import constant, minmax
from camlite.metrics.shared import require

Truths = Tensor | Sequence[Tensor]


def localization_error(
    boxes: Tensor, truths: Truths, predicted: Tensor, labels: Tensor, threshold: float = 0.5
) -> float:
    """Top-k localisation error of ILSVRC in percent: class and box must both be right.

    An image is right if one of its k guesses has the right class and a box with IoU ≥ threshold
    with any annotated box of the image. Range 0 to 100, lower is better. With `predicted=labels`
    this is the error with known class ("GT-known").

    Shapes: boxes (N, 4) with predicted (N,), or (N, k, 4) with (N, k); labels (N,).
    Pitfall: a wrong class makes a perfect box wrong, so compare only networks of like accuracy.
    Source: Russakovsky et al. 2015 (ILSVRC), arXiv 1409.0575; used in Zhou et al. 2016, Table 2.
    Raises `Undefined` for images without annotated box.

    >>> boxes = torch.tensor([[0, 0, 4, 4], [0, 0, 4, 4]])
    >>> truths = torch.tensor([[0, 0, 4, 5], [8, 8, 9, 9]])
    >>> labels = torch.tensor([3, 7])
    >>> localization_error(boxes, truths, predicted=labels, labels=labels)
    50.0
    """
    a_number("threshold", threshold, 0, 1, open=True)
    predicted, labels = torch.as_tensor(predicted), torch.as_tensor(labels)
    if predicted.dim() == 1:
        boxes, predicted = boxes[:, None], predicted[:, None]
    if boxes.shape != (*predicted.shape, 4) or labels.shape != predicted.shape[:1]:
        raise ValueError(
            f"boxes {tuple(boxes.shape)}, predicted {tuple(predicted.shape)} and labels "
            f"{tuple(labels.shape)} do not fit: (N, 4) with (N,), or (N, k, 4) with (N, k)"
        )
    same_class = (predicted == labels[:, None]).cpu()  # (N, k)
    right = []
    for some, same, truth in zip(boxes, same_class, _list(truths, len(labels)), strict=True):
        fits = iou_matrix(some, truth).amax(1) >= threshold  # (k,)
        right.append(bool((fits & same).any()))
    return 100 * (1 - sum(right) / len(right))


@dataclass(frozen=True)
class BoxAccuracy:
    """What `max_box_acc_v2` found; all accuracies in percent.

    value: the mean over the deltas; per_delta (D,); threshold (D,) the one used for each delta;
    thresholds (T,) and curve (T, D): the accuracy at every threshold; blank (N,): constant maps.
    """

    value: float
    per_delta: Tensor
    threshold: Tensor
    thresholds: Tensor
    curve: Tensor
    blank: Tensor
    protocol: dict[str, Any]


def max_box_acc_v2(
    heat: Tensor,
    truths: Truths,
    *,
    deltas: Sequence[float] = (0.3, 0.5, 0.7),
    thresholds: Sequence[float] | None = None,
    contours: str = "all",
    held_out: tuple[Tensor, Truths] | None = None,
) -> BoxAccuracy:
    """MaxBoxAccV2: how often a box of the map fits an annotated box, at the best threshold.

    BoxAcc(τ, δ) = 1/N Σ 1[IoU ≥ δ], for the box that fits best of all regions above τ; then the
    maximum over τ, and the mean over δ. In percent, higher is better. `contours="largest"` with
    `deltas=(0.5,)` is the first version, MaxBoxAcc.

    `held_out=(heat, truths)` chooses τ on those other images and uses it here: do this whenever
    you choose anything by the result. Without it τ is the best for these very images, as in the
    paper's definition, and `protocol["threshold"]` says "oracle".

    As in the authors' code, maps are scaled by minimum and maximum and rounded down to 256 grey
    levels, and regions are the grey levels above ⌊255 τ⌋. Differences: boxes are half-open here,
    there both ends count as inside; holes inside a region give no boxes here.
    Pitfall: put the centre baseline beside it. In MaxBoxAcc, the first version, a centre Gaussian
    has 52.5 % on ImageNet where CAM has 63.5 % (numbers of the 2020 paper, read in a summary).
    Shapes: heat (N, H, W) at the images' size; truths (N, 4) or a list of (B_n, 4).
    Source: Choe et al. 2020, arXiv 2007.04178 (V2), 2001.07437; authors' code.

    >>> heat = torch.zeros(1, 8, 8)
    >>> heat[0, 2:6, 1:5] = 1
    >>> max_box_acc_v2(heat, torch.tensor([[1, 2, 5, 6]])).value
    100.0
    """
    wanted = [t / 1000 for t in range(1000)] if thresholds is None else list(thresholds)
    taus = torch.tensor(wanted, dtype=torch.float64)
    curve = box_accuracy(heat, truths, taus, deltas, contours=contours)  # (T, D)
    tuning = curve
    if held_out is not None:
        tuning = box_accuracy(*held_out, taus, deltas, contours=contours)
    best = tuning.argmax(0)  # the lowest of equally good thresholds
    per_delta = curve[best, torch.arange(len(best))]
    protocol = {
        "metric": "MaxBoxAccV2",
        "deltas": list(deltas),
        "contours": contours,
        "scaling": "min-max",
        "thresholds": len(taus),
        "threshold": "oracle" if held_out is None else "held out",
    }
    return BoxAccuracy(
        float(per_delta.mean()), per_delta, taus[best], taus, curve, constant(heat), protocol
    )


def box_accuracy(
    heat: Tensor,
    truths: Truths,
    thresholds: Tensor,
    deltas: Sequence[float],
    *,
    contours: str = "all",
) -> Tensor:
    """BoxAcc(τ, δ) in percent, (T, D): the share of images with a box of IoU ≥ δ at threshold τ.

    >>> heat = torch.zeros(1, 8, 8)
    >>> heat[0, 2:6, 1:5] = 1
    >>> box_accuracy(heat, torch.tensor([[1, 2, 5, 8]]), torch.tensor([0.2]), deltas=(0.5, 0.7))
    tensor([[100.,   0.]], dtype=torch.float64)
    """
    one_of("contours", contours, ("all", "largest"))
    if len(deltas) == 0:
        raise ValueError("deltas must name one IoU or more, such as (0.3, 0.5, 0.7)")
    for delta in deltas:
        a_number("each of the deltas", delta, 0, 1, open=True)
    if heat.dim() != 3 or len(heat) == 0 or not bool(torch.isfinite(heat).all()):
        raise ValueError(f"heat must be finite, (N, H, W) with N ≥ 1; got {tuple(heat.shape)}")
    if len(thresholds) == 0 or not bool(((thresholds >= 0) & (thresholds < 1)).all()):
        raise ValueError("thresholds must lie in 0 ≤ τ < 1")
    grey = (minmax(heat.detach().double()) * 255).floor()  # the 256 levels of an image file
    levels, which = (thresholds.double() * 255).floor().unique(return_inverse=True)
    best = torch.zeros(len(heat), len(levels), dtype=torch.float64)
    for n, truth in enumerate(_list(truths, len(heat))):
        for t, level in enumerate(levels.tolist()):
            best[n, t] = _best_overlap(grey[n] > level, truth, contours)
    right = best[:, which, None] >= torch.tensor(list(deltas), dtype=torch.float64)  # (N, T, D)
    return 100 * right.double().mean(0)


def _best_overlap(region: Tensor, truth: Tensor, contours: str) -> float:
    found = component_boxes(largest_component(region) if contours == "largest" else region)
    return float(iou_matrix(torch.from_numpy(np.array(found or [EMPTY])), truth).max())


def _list(truths: Truths, count: int) -> list[Tensor]:
    """Annotated boxes as a list of (B_n, 4); `Undefined` for images that have none."""
    boxes = [torch.as_tensor(t).reshape(-1, 4) for t in truths]
    if len(boxes) != count:
        raise ValueError(f"{len(boxes)} sets of annotated boxes for {count} images")
    require("localisation", torch.tensor([len(b) > 0 for b in boxes]), "there is no annotated box")
    return boxes
