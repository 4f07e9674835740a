"""What happens to the score when only the highlighted part of the image is left.

Letters: X images; L maps scaled to [0, 1]; E = L ∘ X the explanation image; Y (N,) the score of X
(`before`) and O (N,) the score of E (`after`), for the same class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camlite.checks import a_number, finite, one_of
from camlite.maps import constant, minmax
from camlite.metrics.shared import (
    classes_of,
    confidence,
    fitted,
    pearson,
    ranks,
    require,
    same_length,
    score_name,
)
from camlite.perturb import Fill, fill_name, filled
from camlite.scores import Target


def average_drop(before: Tensor, after: Tensor) -> float:
    """Average drop, AD = 100/N Σ_i max(0, Y_i − O_i) / Y_i: the share of confidence that is lost.

    Range 0 to 100 percent (more with negative O), lower is better. `before`, `after` (N,) come from
    `masked_confidence`, or are probabilities of the same class before and after masking.

    Pitfalls: the larger the map, the smaller the drop; a map of ones everywhere but one pixel
    ("Fake-CAM") is almost perfect. Logits give other numbers than probabilities, and may be
    negative. Masked images are unlike all training images.
    Source: Chattopadhyay et al. 2018 (Grad-CAM++), arXiv 1710.11063; it prints the sum
    without 1/N and calls it an average. Raises `Undefined` where Y_i is not positive.

    >>> average_drop(torch.tensor([0.8, 0.5]), torch.tensor([0.4, 0.6]))  # one half, and no drop
    25.0
    """
    return float(relative_drop(before, after).mean())


def relative_drop(before: Tensor, after: Tensor) -> Tensor:
    """The drop of each image, 100 · max(0, Y_i − O_i) / Y_i, (N,): what `average_drop` averages.

    >>> relative_drop(torch.tensor([0.8, 0.5]), torch.tensor([0.4, 0.6]))
    tensor([50.,  0.], dtype=torch.float64)
    """
    Y, O = same_length(before=before, after=after)
    require("the relative drop", Y > 0, "the score before masking is not positive")
    return 100 * (Y - O).clamp(min=0) / Y


def increase_in_confidence(before: Tensor, after: Tensor) -> float:
    """Increase in confidence, IC = 100/N Σ_i 1[Y_i < O_i]: how often masking helps.

    Range 0 to 100 percent, higher is better. An equal score is no increase.
    Pitfalls: as for `average_drop`; it says how often, not how much; where Y is already close to 1
    nothing can increase.
    Source: Chattopadhyay et al. 2018 (Grad-CAM++), arXiv 1710.11063 ("% increase").

    >>> increase_in_confidence(torch.tensor([0.8, 0.5]), torch.tensor([0.4, 0.6]))
    50.0
    """
    Y, O = same_length(before=before, after=after)
    return float(100 * (Y < O).double().mean())


def average_gain(before: Tensor, after: Tensor) -> float:
    """Average gain, AG = 100/N Σ_i max(0, O_i − Y_i) / (1 − Y_i): the counterpart of average drop.

    How much of the confidence that was missing does the masked image gain? Range 0 to 100 percent,
    higher is better. For probabilities only.
    Pitfalls: undefined where Y_i is 1, which single precision reaches for sure predictions.
    Source: Zhang et al. 2023 (Opti-CAM), arXiv 2301.07002. The idea was read in a summary; the
    formula itself was not compared with the paper's text.

    >>> average_gain(torch.tensor([0.75, 0.5]), torch.tensor([0.5, 0.75]))
    25.0
    """
    return float(relative_gain(before, after).mean())


def relative_gain(before: Tensor, after: Tensor) -> Tensor:
    """The gain of each image, 100 · max(0, O_i − Y_i) / (1 − Y_i), (N,): see `average_gain`.

    >>> relative_gain(torch.tensor([0.75, 0.5]), torch.tensor([0.5, 0.75]))
    tensor([ 0., 50.], dtype=torch.float64)
    """
    Y, O = same_length(before=before, after=after)
    if bool((Y.minimum(O) < 0).any() or (Y.maximum(O) > 1).any()):
        raise ValueError("average_gain needs probabilities in [0, 1]: apply softmax to logits")
    require("the average gain", Y < 1, "the probability before masking is already 1")
    return 100 * (O - Y).clamp(min=0) / (1 - Y)


def win_rate(a: Tensor, b: Tensor, *, lower_is_better: bool = True, ties: str = "half") -> float:
    """How often method a beats method b on the same image: 100/N Σ_i 1[a_i < b_i].

    `a` and `b` (N,) are per-image values, for instance from `relative_drop`. Range 0 to 100
    percent, higher is better for a. `ties="half"` gives each side half of a tie, so the two rates
    sum to 100; `"lose"` counts only strict wins.
    Pitfalls: the paper has no rule for ties, and drops of exactly 0 on both sides are common. A
    method that is better by a hair on most images wins.
    Source: Chattopadhyay et al. 2018 (Grad-CAM++), arXiv 1710.11063 ("win %").

    >>> win_rate(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 2.0]))  # one win, one tie
    75.0
    """
    one_of("ties", ties, ("half", "lose"))
    a, b = same_length(a=a, b=b)
    wins = (a < b if lower_is_better else a > b).double()
    return float(100 * (wins + (0.5 if ties == "half" else 0.0) * (a == b)).mean())


@dataclass(frozen=True)
class Confidences:
    """before (N,) and after (N,) masking; blank (N,): constant maps, which leave no image."""

    before: Tensor
    after: Tensor
    blank: Tensor
    protocol: dict[str, Any]


def masked_confidence(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    target: Target = None,
    *,
    probability: bool = True,
    keep: float = 1.0,
    fill: Fill = 0.0,
    inverse: bool = False,
    batch_size: int = 32,
) -> Confidences:
    """Y and O for average drop and its relatives: the scores of X and of E = L ∘ X.

    L is the map upsampled bilinearly and scaled by its own minimum and maximum. `keep=0.5` sets
    all but the highest half of L to 0, as in the Score-CAM paper. `fill` shows where L is 0: 0 of
    the normalised image is the data set's mean colour; black needs a tensor (C, 1, 1).
    `inverse=True` masks with 1 − L instead: the drop is then the average drop in deletion (ADD),
    where higher is better. `target` is decided on the whole images.

    Shapes: images (N, C, H, W) or (N, C, L), maps (N, h, w) or (N, l) -> two tensors (N,).
    Source: Chattopadhyay et al. 2018, arXiv 1710.11063; `keep`: Wang et al. 2020, arXiv 1910.01279.

    >>> maps = camlite.grad_cam(model, "features", images)
    >>> scores = camlite.metrics.masked_confidence(model, images, maps)
    >>> 0 <= camlite.metrics.average_drop(scores.before, scores.after) <= 100
    True
    """
    a_number("keep", keep, 0, 1, open=True)
    c = classes_of(model, images, target, batch_size)
    M = fitted(maps, images.shape[2:], len(images))
    L = minmax(M, dims=M.dim() - 1)
    if keep < 1:
        seen = ranks(L, "first") < round(keep * L[0].numel())
        L = L * seen.reshape(L.shape)
    L = (1 - L if inverse else L)[:, None].to(images)
    E = L * images + (1 - L) * filled(images, fill)
    Y = confidence(model, images, c, probability=probability, batch_size=batch_size)
    O = confidence(model, E, c, probability=probability, batch_size=batch_size)
    protocol = {
        "score": score_name(c, probability),
        "scaling": "min-max",
        "upsampling": "bilinear",
        "keep": keep,
        "fill": fill_name(fill),
        "inverse": inverse,
    }
    return Confidences(Y, O, constant(M), protocol)


def coherency(maps: Tensor, again: Tensor) -> Tensor:
    """Coherency, (1 + Pearson(L(X), L(X ∘ L))) / 2: does the masked image get the same map? (N,)

    `again` is the same method's map, for the same class, of the image masked by the first map.
    Range 0 to 1, higher is better; maps without any relation have 0.5. A constant map has no
    correlation and gets 0, the worst value (so does NaN in the authors' code).

    Shapes: both (N, h, w), of one size. Pitfall: the value depends on the resolution compared at.
    Source: Poppi et al. 2021, arXiv 2104.10252, and the authors' code.

    >>> M = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    >>> [round(float(coherency(M, again)), 3) for again in (2 * M, -M)]
    [1.0, 0.0]
    """
    if maps.shape != again.shape or maps.dim() < 2:
        shapes = f"{tuple(maps.shape)} and {tuple(again.shape)}"
        raise ValueError(f"coherency needs two sets of maps of one shape, not {shapes}")
    a, b = (M.detach().double().flatten(1) for M in (maps, again))
    finite("one of the maps", torch.stack([a, b]))
    return torch.where(constant(maps) | constant(again), 0.0, (1 + pearson(a, b)) / 2)


def complexity(heat: Tensor) -> Tensor:
    """Complexity, the mean of |L|: how much of the image the map covers. (N,)

    Range 0 to 1, lower is better. `heat` (N, H, W) is scaled to [0, 1] already (`heatmap`).
    Pitfall: an empty map has the best value; only together with the drop it says something.
    Source: Poppi et al. 2021, arXiv 2104.10252 (the L1 norm divided by the number of pixels).

    >>> complexity(torch.tensor([[[0.0, 1.0], [0.5, 0.5]]]))
    tensor([0.5000], dtype=torch.float64)
    """
    if heat.dim() < 2 or not bool(((heat >= 0) & (heat <= 1)).all()):
        raise ValueError("complexity needs heat (N, H, W) in [0, 1]: use heatmap(maps, size)")
    return heat.detach().double().flatten(1).mean(1)


def adcc(
    coherency: float | Tensor, complexity: float | Tensor, drop: float | Tensor
) -> float | Tensor:
    """ADCC = 3 / (1/Coherency + 1/(1 − Complexity) + 1/(1 − Drop)): one number from three.

    All three are fractions in [0, 1] (drop = average drop / 100). Range 0 to 1, higher is better.
    Where one of the three is as bad as possible, the harmonic mean has the limit 0.
    Example: adcc(0.9, 0.3, 0.2) = 0.7916.

    Pitfalls: the paper's tables may be means of per-image values or use averaged terms; these are
    different numbers. One version of the authors' code multiplies 3 by the sum instead of
    dividing by it: not this formula.
    Source: Poppi et al. 2021, arXiv 2104.10252. Numbers give a number, tensors (N,) a tensor.

    >>> round(adcc(0.9, 0.3, 0.2), 4)
    0.7916
    """
    terms = [torch.as_tensor(t, dtype=torch.float64) for t in (coherency, complexity, drop)]
    if not all(bool(((t >= 0) & (t <= 1)).all()) for t in terms):
        raise ValueError(
            "coherency, complexity and drop must be fractions in [0, 1], not percent; "
            f"got {coherency}, {complexity}, {drop}"
        )
    good = torch.stack(torch.broadcast_tensors(terms[0], 1 - terms[1], 1 - terms[2]))
    value = torch.where((good > 0).all(0), 3 / (1 / good.clamp(min=1e-300)).sum(0), 0.0)
    return float(value) if value.dim() == 0 else value
