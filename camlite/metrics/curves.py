"""Deletion and insertion: change the pixels in the map's order and watch the score.

Four protocols circulate under these names, and their numbers cannot be compared:

| protocol | deletion fill | insertion fill | steps | rule |
|---|---|---|---|---|
| RISE, code of the authors (the default) | 0 | "blur" | 224 | "trapezoid" |
| Score-CAM paper (one constant; 0 here) | 0 | 0 | 100 | "trapezoid" |
| Poly-CAM, code of the authors | "blur" | "blur" | 224 | "mean" |
| torch-cam | 0 | 0 | 20 | "trapezoid" |

The Score-CAM paper names neither the constant nor the rule: both are our reading.
`PROTOCOLS` holds the table: `deletion(model, images, maps, **PROTOCOLS["poly_cam"]["deletion"])`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camlite.checks import at_least_one, finite, one_of
from camlite.maps import constant
from camlite.metrics.shared import (
    classes_of,
    confidence,
    fitted,
    ranks,
    require,
    score_name,
)
from camlite.perturb import Fill, fill_name, filled
from camlite.scores import Target

PROTOCOLS: dict[str, dict[str, dict[str, Any]]] = {
    "rise": {
        "deletion": {"fill": 0.0, "steps": 224, "rule": "trapezoid"},
        "insertion": {"fill": "blur", "steps": 224, "rule": "trapezoid"},
    },
    "score_cam": {
        "deletion": {"fill": 0.0, "steps": 100, "rule": "trapezoid"},
        "insertion": {"fill": 0.0, "steps": 100, "rule": "trapezoid"},
    },
    "poly_cam": {
        "deletion": {"fill": "blur", "steps": 224, "rule": "mean"},
        "insertion": {"fill": "blur", "steps": 224, "rule": "mean"},
    },
    "torch_cam": {
        "deletion": {"fill": 0.0, "steps": 20, "rule": "trapezoid"},
        "insertion": {"fill": 0.0, "steps": 20, "rule": "trapezoid"},
    },
}


@dataclass(frozen=True)
class Curve:
    """fraction (S + 1,) of the pixels changed; scores (N, S + 1); area (N,); how it was measured.

    blank (N,) bool: constant maps; their order is the tie rule alone.
    """

    fraction: Tensor
    scores: Tensor
    area: Tensor
    blank: Tensor
    protocol: dict[str, Any]


def deletion(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    target: Target = None,
    *,
    steps: int = 224,
    fill: Fill = 0.0,
    rule: str = "trapezoid",
    probability: bool = True,
    relative: bool = False,
    ties: str = "first",
    batch_size: int = 32,
    generator: torch.Generator | None = None,
) -> Curve:
    """Deletion: remove the highest pixels first; a good map makes the score fall at once.

    The area under the curve lies in [0, 1] for probabilities; lower is better. All channels of a
    pixel change together, ⌈P / steps⌉ of the P pixels in each step, and the last step takes the
    rest. `relative=True` divides each curve by the whole image's score: without it images of low
    confidence have small areas whatever the map. `target` is decided on the whole images.

    Pitfalls: the fill decides the ranking of methods, so give two; the rule changes the value
    (`area_under`); coarse maps have many ties; deleted images are unlike all training images.
    Shapes: images (N, C, H, W) or (N, C, L); maps (N, h, w) or (N, l), upsampled bilinearly.
    Source: Petsiuk et al. 2018 (RISE), arXiv 1806.07421; fill and steps as in
    the authors' code. Raises ValueError for maps that do not fit the images.

    >>> maps = camlite.grad_cam(model, "features", images)
    >>> curve = camlite.metrics.deletion(model, images, maps, steps=10, fill="mean")
    >>> curve.scores.shape, curve.area.shape, curve.protocol["fill"]
    (torch.Size([2, 11]), torch.Size([2]), 'mean')
    """
    game = _game("deletion", steps, fill, rule, relative, ties)
    return _play(game, model, images, fill, maps, target, probability, batch_size, generator)


def insertion(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    target: Target = None,
    *,
    steps: int = 224,
    fill: Fill = "blur",
    rule: str = "trapezoid",
    probability: bool = True,
    relative: bool = False,
    ties: str = "first",
    batch_size: int = 32,
    generator: torch.Generator | None = None,
) -> Curve:
    """Insertion: reveal the highest pixels first on an empty canvas; a good map makes Y rise soon.

    The area under the curve lies in [0, 1] for probabilities; higher is better. The canvas is the
    blurred image (RISE): with zeros, the border of the revealed part acts as an object, but a blur
    shows the shapes from the start. Everything else is as in `deletion`, which see.

    Source: Petsiuk et al. 2018 (RISE), arXiv 1806.07421; authors' code.

    >>> maps = camlite.grad_cam(model, "features", images)
    >>> as_in_rise = camlite.metrics.PROTOCOLS["rise"]["insertion"] | {"steps": 10}
    >>> camlite.metrics.insertion(model, images, maps, **as_in_rise).area.shape
    torch.Size([2])
    """
    game = _game("insertion", steps, fill, rule, relative, ties)
    return _play(game, model, images, fill, maps, target, probability, batch_size, generator)


def _game(
    metric: str, steps: int, fill: Fill, rule: str, relative: bool, ties: str
) -> dict[str, Any]:
    one_of("rule", rule, RULES)
    return {
        "metric": metric,
        "steps": steps,
        "fill": fill_name(fill),
        "rule": rule,
        "relative": relative,
        "ties": ties,
        "upsampling": "bilinear",
    }


def _play(
    game: dict[str, Any],
    model: nn.Module,
    images: Tensor,
    fill: Fill,
    maps: Tensor,
    target: Target,
    probability: bool,
    batch_size: int,
    generator: torch.Generator | None,
) -> Curve:
    """Turns the image into the fill (deletion) or back, highest pixels of the map first."""
    c = classes_of(model, images, target, batch_size)
    M = fitted(maps, images.shape[2:], len(images))
    rank = ranks(M, game["ties"], generator)  # (N, P)
    changed = step_counts(rank.shape[1], game["steps"])  # (S + 1,)
    hole = filled(images, fill)
    start, finish = (images, hole) if game["metric"] == "deletion" else (hole, images)
    scores = []
    for n, (a, b) in enumerate(zip(start.flatten(2), finish.flatten(2), strict=True)):
        now = (rank[n] < changed[:, None].to(rank))[:, None]  # (S + 1, 1, P)
        series = (torch.where(some, b, a) for some in now.split(batch_size))  # (B, C, P)
        one = c[n] if isinstance(c, Tensor) else c
        y = [
            confidence(model, x.reshape(-1, *images.shape[1:]), one, probability=probability)
            for x in series
        ]
        scores.append(torch.cat(y))
    Y = torch.stack(scores)
    if game["relative"]:
        whole = Y[:, 0] if game["metric"] == "deletion" else Y[:, -1]
        require(f"relative {game['metric']}", whole > 0, "the whole image's score is not positive")
        Y = Y / whole[:, None]
    fraction = changed.to(Y) / rank.shape[1]
    protocol = {**game, "score": score_name(c, probability)}
    return Curve(fraction, Y, area_under(Y, fraction, game["rule"]), constant(M), protocol)


def step_counts(pixels: int, steps: int) -> Tensor:
    """How many pixels are changed after each step: 0, s, 2s, …, all; s = ⌈pixels / steps⌉."""
    at_least_one(steps=steps)
    s = -(-pixels // steps)
    return torch.tensor([*range(0, pixels, s), pixels])


RULES = ("trapezoid", "equal_steps", "mean")


def area_under(scores: Tensor, fraction: Tensor | None = None, rule: str = "trapezoid") -> Tensor:
    """The area under curves (..., S + 1) -> (...); for fractions from 0 to 1 a mean height.

    "trapezoid": Σ ½ (y_i + y_{i+1}) Δ over the true fractions (equal steps if none are given).
    "equal_steps": RISE's code, the same with equal steps also where the last one is smaller.
    "mean": Poly-CAM's code, the mean of the points without the first.
    Example: 0.1, 0.4, 0.8, 0.9, 0.95 has area 0.656 by the trapezoids and 0.7625 by the mean.

    >>> round(float(area_under(torch.tensor([0.1, 0.4, 0.8, 0.9, 0.95]))), 3)
    0.656
    """
    one_of("rule", rule, RULES)
    finite("scores", scores)
    if scores.shape[-1] < 2:
        raise ValueError(f"a curve needs at least two points, not {scores.shape[-1]}")
    if rule == "mean":
        return scores[..., 1:].mean(-1)
    if rule == "equal_steps" or fraction is None:
        return torch.trapezoid(scores, dx=1 / (scores.shape[-1] - 1))
    finite("fraction", fraction)
    return torch.trapezoid(scores, fraction.to(scores))
