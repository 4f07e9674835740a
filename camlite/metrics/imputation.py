"""ROAD: remove pixels so that the hole does not tell what was there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from camlite.checks import a_number, at_least_one, finite_floats
from camlite.cutting.running import check_images, whole
from camlite.maps import constant
from camlite.metrics.shared import fitted, ranks, score_name
from camlite.perturb import noise as normal
from camlite.perturb import own_generator
from camlite.scores import Target, chosen, score

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@dataclass(frozen=True)
class Road:
    """Scores after removing a fraction (S,) of the pixels, most or least relevant first.

    before (N,); morf, lerf (N, S) scores; morf_right, lerf_right (N, S) bool: is the class still
    predicted; combined (N,) the mean of (lerf − morf) / 2; blank (N,) constant maps.
    """

    fraction: Tensor
    before: Tensor
    morf: Tensor
    lerf: Tensor
    morf_right: Tensor
    lerf_right: Tensor
    combined: Tensor
    blank: Tensor
    protocol: dict[str, Any]


def road(
    model: nn.Module,
    images: Tensor,
    maps: Tensor,
    target: Target = None,
    *,
    fractions: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    noise: float = 0.01,
    probability: bool = True,
    ties: str = "first",
    batch_size: int = 32,
    generator: torch.Generator | None = None,
) -> Road:
    """ROAD, remove and debias: deletion whose holes are filled from their surroundings.

    Most relevant first (`morf`): scores and accuracy should fall early, lower is better. Least
    relevant first (`lerf`): higher is better. Both orders should rank methods alike. `combined` =
    mean of (lerf − morf) / 2 lies in [−0.5, 0.5] for probabilities; higher is better, 0 is chance.
    The paper reports the accuracy, `morf_right.double().mean(0)`.

    Pitfalls: costs 2·S sparse linear systems per image, up to a second each at 224 × 224; large
    removed areas become a smooth blob. `noise` is in units of the (normalised) image.
    Shapes: images (N, C, H, W), maps (N, h, w). `target` needs classes, not a function.
    Source: Rong et al. 2022, arXiv 2202.00449; `combined`: pytorch-grad-cam.

    >>> maps = camlite.grad_cam(model, "features", images)
    >>> road = camlite.metrics.road(model, images, maps, fractions=(0.2, 0.5))
    >>> road.morf.shape, road.combined.shape
    (torch.Size([2, 2]), torch.Size([2]))
    """
    share = torch.tensor(list(fractions), dtype=torch.float64)
    if len(share) == 0 or not bool(((share > 0) & (share < 1)).all()):
        raise ValueError(f"fractions must be more than 0 and less than 1; got {list(fractions)}")
    a_number("noise", noise, low=0)
    at_least_one(batch_size=batch_size)
    check_images(model, images)
    if images.dim() != 4:
        raise ValueError(f"road fills holes in images (N, C, H, W), not {tuple(images.shape)}")
    logits = _outputs(model, images, batch_size)
    c = chosen(logits, target)
    if not isinstance(c, Tensor):
        raise ValueError("road counts right predictions: give classes as target, not a function")
    M = fitted(maps, images.shape[2:], len(images))
    g = own_generator(generator)
    rank = ranks(M, ties, g).reshape(M.shape)
    P = M[0].numel()
    counts = (share * P).round().long().clamp(1, P - 1).tolist()

    def without(missing: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Scores (N, S) of the class and whether it is predicted, each hole filled."""
        holes = (imputed(images, m, noise=noise, generator=g) for m in missing)
        return _read([_outputs(model, x, batch_size) for x in holes], c, probability)

    morf, morf_right = without([rank < k for k in counts])
    lerf, lerf_right = without([rank >= P - k for k in counts])
    before, _ = _read([logits], c, probability)
    protocol = {
        "metric": "road",
        "score": score_name(c, probability),
        "noise": noise,
        "fractions": list(fractions),
        "ties": ties,
        "upsampling": "bilinear",
    }
    return Road(
        share,
        before[:, 0],
        morf,
        lerf,
        morf_right,
        lerf_right,
        ((lerf - morf) / 2).mean(1),
        constant(M),
        protocol,
    )


def imputed(
    images: Tensor,
    missing: Tensor,
    *,
    noise: float = 0.01,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Noisy linear imputation: each missing pixel is the weighted mean of its 8 neighbours.

    x_i Σ_j w_ij = Σ_j w_ij x_j with w = 1/6 for the four direct and 1/12 for the diagonal
    neighbours inside the image: one sparse linear system, in which missing neighbours are
    unknowns too. Then Gaussian noise of deviation `noise` is added to the filled pixels.

    Shapes: images (N, C, H, W), missing (N, H, W) bool, or (H, W) for all -> (N, C, H, W). Known
    pixels are not changed. Raises ValueError if no pixel of an image is known.
    Source: Rong et al. 2022, arXiv 2202.00449, and the authors' code.

    >>> missing = torch.zeros(48, 48, dtype=torch.bool)
    >>> missing[10:20, 10:20] = True
    >>> filled = camlite.metrics.imputed(images, missing)
    >>> torch.equal(filled[:, :, ~missing], images[:, :, ~missing])  # known pixels stay
    True
    """
    a_number("noise", noise, low=0)
    finite_floats("images", images)
    missing = missing.bool().expand(len(images), *images.shape[2:])
    if bool(missing.flatten(1).all(1).any()):
        raise ValueError("all pixels of an image are missing: nothing to fill them from")
    g, out = own_generator(generator), images.detach().clone()
    for x, hole in zip(out, missing, strict=True):
        if bool(hole.any()):
            values = torch.from_numpy(_solve(x.double().cpu().numpy(), hole.cpu().numpy()))
            x[:, hole] = (values + noise * normal(values.shape, g, like=values)).to(x)
    return out


def _solve(x: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The values (C, holes) of the missing pixels, without noise."""
    from scipy.sparse import diags_array
    from scipy.sparse.linalg import spsolve

    w, m = neighbour_weights(*hole.shape), hole.ravel()
    A = diags_array(w.sum(1)[m]) - w[m][:, m]  # unknown neighbours
    b = w[m][:, ~m] @ x.reshape(len(x), -1)[:, ~m].T  # known neighbours, one column per channel
    return spsolve(A.tocsc(), b).reshape(m.sum(), -1).T


@lru_cache(maxsize=4)
def neighbour_weights(height: int, width: int) -> csr_array:
    """w (P, P), sparse: 1/6 between direct, 1/12 between diagonal neighbours of an image."""
    from scipy.sparse import diags_array, eye_array, kron

    def step(n: int) -> Any:  # 1 between neighbours of a line of n pixels
        return diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1], shape=(n, n))

    Th, Tw = step(height), step(width)
    direct = kron(eye_array(height), Tw) + kron(Th, eye_array(width))
    return (direct / 6 + kron(Th, Tw) / 12).tocsr()


def _outputs(model: nn.Module, images: Tensor, batch_size: int) -> Tensor:
    return torch.cat([whole(model)(x) for x in images.detach().split(batch_size)])


def _read(outputs: list[Tensor], c: Tensor, probability: bool) -> tuple[Tensor, Tensor]:
    """Scores (N, S) of class c, and whether c is the prediction."""
    Y = [score(logits.softmax(1) if probability else logits, c) for logits in outputs]
    right = [logits.argmax(1) == c for logits in outputs]
    return torch.stack(Y, 1), torch.stack(right, 1)
