"""What is measured for each map, and how a number for the data set comes of it.

Rows hold raw measurements (the score before and after masking, the area under a curve, …); the
metrics of `camlite.metrics` are applied to them afterwards, image by image:

    rows -> values (N, k), NaN where the metric is undefined -> mean over images -> one number

NaN stays inside this package: a picture without a value is counted, never averaged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from camlite import metrics
from camlite.boxes import bounding_box, component_boxes, iou_matrix
from camlite.checks import one_of
from camlite.cutting.running import whole
from camlite.evaluation.preprocessing import ModelInput
from camlite.maps import constant, minmax, up
from camlite.perturb import filled
from camlite.sanity import spearman

TAUS = tuple(t / 20 for t in range(20))  # thresholds at which boxes are drawn: 0, 0.05, … 0.95
DELTAS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Protocol:
    """The choices behind the numbers; the card repeats them."""

    curves: str = "rise"  # metrics.PROTOCOLS: fills and rule of deletion and insertion
    steps: int | None = None  # None: the protocol's own number
    keep: float = 1.0  # share of pixels that may be seen in masked images
    fill: float | str = 0.0  # what masked images show elsewhere: a number or word of `filled`
    tolerance: float = 15 / 224  # of the pointing game, as a share of the picture's shorter side

    def __post_init__(self) -> None:
        one_of("protocol", self.curves, tuple(metrics.PROTOCOLS))
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"--steps must be 1 or more, not {self.steps}")
        if not 0 < self.keep <= 1:
            raise ValueError(
                f"--keep is the share of pixels that may be seen, more than 0 and not "
                f"more than 1; {self.keep} is not"
            )
        filled(torch.zeros(1, 1, 1, 1), self.fill, "--fill")  # refuses what is no fill

    def options(self, game: str) -> dict[str, Any]:
        """The options of `metrics.deletion` or `metrics.insertion`."""
        own = metrics.PROTOCOLS[self.curves][game]
        return own if self.steps is None else own | {"steps": self.steps}


@dataclass(frozen=True)
class Case:
    """One map L (1, h, w) ≥ 0 of one picture, for class c; `again` makes the same map of others."""

    model: nn.Module
    input: ModelInput
    c: Tensor
    L: Tensor
    again: Callable[[Tensor], Tensor]
    protocol: Protocol
    batch_size: int
    seed: int

    @cached_property
    def confidences(self) -> metrics.Confidences:
        """Y and O: the probability before and after masking."""
        return self.masked()

    def masked(self, **options: Any) -> metrics.Confidences:
        """`metrics.masked_confidence` with the protocol's choices."""
        return metrics.masked_confidence(
            self.model,
            self.input.x,
            self.L,
            self.c,
            keep=self.protocol.keep,
            fill=self.protocol.fill,
            **options,
        )

    @cached_property
    def heat(self) -> Tensor:
        """L at the picture's size, (1, H, W), not scaled."""
        return up(self.L, self.input.x.shape[2:])

    @property
    def blocks(self) -> Tensor:
        """L at the picture's size, each place a block of pixels: what is in a cell stays in it."""
        return interpolate(self.L[:, None], self.input.x.shape[2:], mode="nearest")[:, 0]

    @property
    def mask(self) -> Tensor:
        """The object, (1, H, W)."""
        assert self.input.mask is not None
        return self.input.mask[None]

    @property
    def objects(self) -> Tensor:
        """The single objects, (1, B, H, W)."""
        assert self.input.objects is not None
        return self.input.objects[None]

    @cached_property
    def parts(self) -> tuple[Tensor, Tensor]:
        """Measured and shown importance of the parts that are seen, (P,) each.

        Measured: how far the logit of class c falls when the part is drawn away. Shown: the sum of
        the map over the pixels that change. ValueError for fewer than three parts: no order.
        """
        x, without = self.input.x, self.input.without
        assert without is not None
        changed = (without != x).any(1)  # (P, H, W)
        seen = changed.flatten(1).any(1)
        if int(seen.sum()) < 3:
            raise ValueError("fewer than three parts are seen")
        Y = whole(self.model)(torch.cat([x, without[seen]]))[:, int(self.c)].double()
        shown = (self.heat.double() * changed[seen]).flatten(1).sum(1)
        return (Y[0] - Y[1:]).cpu(), shown.cpu()

    @property
    def truths(self) -> list[Tensor]:
        """The annotated boxes, for one picture."""
        assert self.input.boxes is not None
        return [self.input.boxes]


Measurements = dict[str, float]
Values = np.ndarray


@dataclass(frozen=True)
class Metric:
    """One column of the table.

    measure: a case -> raw numbers, by column; values: columns (N,) -> (N, k), NaN = undefined;
    combine: means (..., k) -> (...). `needs` says which annotation the picture must have, `chance`
    in which column stands what luck would give (0 to 1). Among the columns that `values` gets is
    `half`: in which half of the data set the picture is, 0 or 1.
    """

    title: str
    measure: Callable[[Case], Measurements]
    columns: tuple[str, ...]
    values: Callable[[dict[str, Values]], Values]
    lower_is_better: bool
    needs: str = ""
    combine: Callable[[Values], Values] = field(default=lambda means: means[..., 0])
    digits: int = 3
    chance: str = ""

    @property
    def head(self) -> str:
        """The title and which way is better."""
        return f"{self.title} {'↓' if self.lower_is_better else '↑'}"


# ------------------------------------------------------------------ raw measurements of one map


def _masked(case: Case) -> Measurements:
    found = case.confidences
    return {"before": float(found.before), "after": float(found.after)}


def _masked_inverse(case: Case) -> Measurements:
    found = case.masked(inverse=True)
    return {"before": float(found.before), "after_inverse": float(found.after)}


def _curve(game: str) -> Callable[[Case], Measurements]:
    def area(case: Case) -> Measurements:
        play = {"deletion": metrics.deletion, "insertion": metrics.insertion}[game]
        found = play(
            case.model,
            case.input.x,
            case.L,
            case.c,
            batch_size=case.batch_size,
            **case.protocol.options(game),
        )
        return {game: float(found.area)}

    return area


def _road(case: Case) -> Measurements:
    g = torch.Generator().manual_seed(case.seed)
    found = metrics.road(
        case.model, case.input.x, case.L, case.c, batch_size=case.batch_size, generator=g
    )
    return {"road": float(found.combined)}


def _adcc(case: Case) -> Measurements:
    L = minmax(case.heat)
    again = case.again(case.input.x * L)
    return {
        "coherency": float(metrics.coherency(case.L, again)),
        "complexity": float(metrics.complexity(L)),
        **_masked(case),
    }


def _pointing(case: Case) -> Measurements:
    pixels = case.protocol.tolerance * min(case.mask.shape[1:])
    found = metrics.pointing_game(case.heat, case.mask, tolerance=pixels)
    return {"pointing": float(found.values), "pointing_chance": _chance(found)}


def _energy(case: Case) -> Measurements:
    found = metrics.energy_pointing_game(case.heat, case.mask)
    return {"energy": float(found.values), "energy_chance": _chance(found)}


def _energy_in_cell(case: Case) -> Measurements:
    found = metrics.energy_pointing_game(case.blocks, case.mask)
    return {"energy_in_cell": float(found.values), "energy_in_cell_chance": _chance(found)}


def _pointing_in_cell(case: Case) -> Measurements:
    found = metrics.pointing_game(case.blocks, case.mask, tolerance=0)
    return {"pointing_in_cell": float(found.values), "pointing_in_cell_chance": _chance(found)}


def _objects(case: Case) -> Measurements:
    found = metrics.object_recall(case.heat, case.objects)
    return {"objects_found": float(found.values)}


def _part_order(case: Case) -> Measurements:
    """ρ of the two orders; a map that gives all parts the same has no order: 0, as by chance."""
    fall, shown = case.parts
    if bool(constant(fall[None])):
        raise ValueError("the logit falls equally without each part: there is no order")
    return {
        "part_order": float(spearman(shown[None], fall[None])),
        "no_order": float(constant(shown[None])),
    }


def _top_part(case: Case) -> Measurements:
    """1 if the map's most important part is the measured one; of k equal ones each counts 1/k."""
    fall, shown = case.parts
    best = shown == shown.max()
    right = float((best & (fall == fall.max())).any()) / int(best.sum())
    return {"top_part": right, "top_part_chance": 1 / len(fall)}


def _chance(found: metrics.Measure) -> float:
    assert found.chance is not None
    return float(found.chance)


def _box(case: Case) -> Measurements:
    box = bounding_box(case.heat[0])
    return {"iou": float(iou_matrix(torch.tensor([box]), case.truths[0]).max())}


def _boxes(case: Case) -> Measurements:
    """For each threshold τ the overlap of the box that fits best, of all regions above τ."""
    grey = (minmax(case.heat[0]) * 255).floor()
    overlap = {}
    for tau in TAUS:
        boxes = component_boxes(grey > int(255 * tau)) or [(0, 0, 0, 0)]
        overlap[f"iou_{tau:.2f}"] = float(iou_matrix(torch.tensor(boxes), case.truths[0]).max())
    return overlap


# ------------------------------------------------------------------ values of each picture


def _applied(metric: Callable[[Tensor, Tensor], Tensor], good: Values, *columns: Values) -> Values:
    """The metric's value for the pictures where it is defined, (N, 1); NaN for the others."""
    out = np.full((len(good), 1), np.nan)
    if good.any():
        out[good, 0] = metric(*(torch.from_numpy(column[good]) for column in columns))
    return out


def _drop(rows: dict[str, Values], after: str = "after") -> Values:
    Y, O = rows["before"], rows[after]
    return _applied(metrics.relative_drop, (Y > 0) & np.isfinite(O), Y, O)


def _gain(rows: dict[str, Values]) -> Values:
    Y, O = rows["before"], rows["after"]
    return _applied(metrics.relative_gain, (Y < 1) & np.isfinite(O), Y, O)


def _increase(rows: dict[str, Values]) -> Values:
    return _if_known(rows["after"], rows["before"] < rows["after"])


def _adcc_terms(rows: dict[str, Values]) -> Values:
    return np.stack([rows["coherency"], rows["complexity"], _drop(rows)[:, 0] / 100], axis=1)


def _adcc_of_means(means: Values) -> Values:
    value = metrics.adcc(*(torch.from_numpy(np.atleast_1d(means[..., i])) for i in range(3)))
    return np.asarray(value).reshape(means.shape[:-1])


def _held_out_boxes(rows: dict[str, Values]) -> Values:
    """100 · the share of δ with IoU ≥ δ, each picture at the threshold chosen on the other half.

    `half` (N,) is 0 or 1. The chosen τ is the lowest of the best, for each δ apart. Without
    pictures in the other half there is no threshold, and no value.
    """
    iou = np.stack([rows[f"iou_{tau:.2f}"] for tau in TAUS], axis=1)  # (N, T)
    known, out = np.isfinite(iou[:, 0]), np.full((len(iou), 1), np.nan)
    for half in (0, 1):
        here, there = known & (rows["half"] == half), known & (rows["half"] != half)
        if here.any() and there.any():
            chosen = [(iou[there] >= d).mean(0).argmax() for d in DELTAS]
            right = [iou[here, t] >= d for t, d in zip(chosen, DELTAS, strict=True)]
            out[here, 0] = 100 * np.mean(right, axis=0)
    return out


def _column(name: str, factor: float = 1.0) -> Callable[[dict[str, Values]], Values]:
    return lambda rows: factor * rows[name][:, None]


def _miss(rows: dict[str, Values]) -> Values:
    return _if_known(rows["iou"], rows["iou"] < 0.5)


def _if_known(column: Values, yes: Values) -> Values:
    """100 for yes and 0 for no, NaN where the column has no value."""
    return np.where(np.isnan(column), np.nan, 100.0 * yes)[:, None]


METRICS: dict[str, Metric] = {
    "average_drop": Metric("drop, %", _masked, ("before", "after"), _drop, True, digits=1),
    "increase_in_confidence": Metric(
        "increase, %", _masked, ("before", "after"), _increase, False, digits=1
    ),
    "average_gain": Metric("gain, %", _masked, ("before", "after"), _gain, False, digits=1),
    "average_drop_in_deletion": Metric(
        "drop in deletion, %",
        _masked_inverse,
        ("before", "after_inverse"),
        lambda rows: _drop(rows, "after_inverse"),
        False,
        digits=1,
    ),
    "insertion": Metric(
        "insertion", _curve("insertion"), ("insertion",), _column("insertion"), False
    ),
    "deletion": Metric("deletion", _curve("deletion"), ("deletion",), _column("deletion"), True),
    "road": Metric("ROAD", _road, ("road",), _column("road"), False),
    "adcc": Metric(
        "ADCC",
        _adcc,
        ("coherency", "complexity", "before", "after"),
        _adcc_terms,
        False,
        combine=_adcc_of_means,
    ),
    "pointing_game": Metric(
        "pointing game, %",
        _pointing,
        ("pointing", "pointing_chance"),
        _column("pointing", 100),
        False,
        "mask",
        digits=1,
        chance="pointing_chance",
    ),
    "energy_pointing_game": Metric(
        "energy in object, %",
        _energy,
        ("energy", "energy_chance"),
        _column("energy", 100),
        False,
        "mask",
        digits=1,
        chance="energy_chance",
    ),
    "energy_in_cell": Metric(
        "energy in cell, %",
        _energy_in_cell,
        ("energy_in_cell", "energy_in_cell_chance"),
        _column("energy_in_cell", 100),
        False,
        "mask",
        digits=1,
        chance="energy_in_cell_chance",
    ),
    "pointing_in_cell": Metric(
        "pointing in cell, %",
        _pointing_in_cell,
        ("pointing_in_cell", "pointing_in_cell_chance"),
        _column("pointing_in_cell", 100),
        False,
        "mask",
        digits=1,
        chance="pointing_in_cell_chance",
    ),
    "object_recall": Metric(
        "objects found, %",
        _objects,
        ("objects_found",),
        _column("objects_found", 100),
        False,
        "objects",
        digits=1,
    ),
    "part_order": Metric(
        "order of parts, ρ",
        _part_order,
        ("part_order", "no_order"),
        _column("part_order"),
        False,
        "without",
    ),
    "top_part": Metric(
        "top part, %",
        _top_part,
        ("top_part", "top_part_chance"),
        _column("top_part", 100),
        False,
        "without",
        digits=1,
        chance="top_part_chance",
    ),
    "localization_error": Metric(
        "localisation error, %", _box, ("iou",), _miss, True, "boxes", digits=1
    ),
    "max_box_acc_v2": Metric(
        "MaxBoxAccV2, %",
        _boxes,
        tuple(f"iou_{tau:.2f}" for tau in TAUS),
        _held_out_boxes,
        False,
        "boxes",
        digits=1,
    ),
}
FAITHFULNESS = ("average_drop", "increase_in_confidence", "insertion", "deletion")
LOCALIZATION = ("pointing_game", "energy_pointing_game", "localization_error", "max_box_acc_v2")
OWN = {  # of generated data sets that ask a question of their own
    "twins": (*FAITHFULNESS, *LOCALIZATION, "object_recall"),
    "difull": ("energy_in_cell", "pointing_in_cell"),
    "parts": ("part_order", "top_part"),
}


def default_metrics(data: str, annotated: bool) -> tuple[str, ...]:
    """What is measured unless metrics are asked for."""
    return OWN.get(data) or (*FAITHFULNESS, *(LOCALIZATION if annotated else ()))
