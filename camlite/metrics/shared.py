"""What the metrics share: results, checks, fills, and the score of many images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from camlite.checks import at_least_one, finite, one_of
from camlite.cutting.running import check_images, whole
from camlite.maps import constant, up
from camlite.perturb import own_generator
from camlite.scores import Target, chosen, score


class Undefined(ValueError):
    """The metric has no value for some images: `images` are their positions, `reason` says why."""

    def __init__(self, metric: str, images: Sequence[int], reason: str) -> None:
        self.metric, self.images, self.reason = metric, list(images), reason
        shown = ", ".join(map(str, self.images[:8])) + (" …" if len(self.images) > 8 else "")
        super().__init__(
            f"{metric} is undefined for {len(self.images)} image(s), at {shown}: {reason}. "
            "Leave them out and say how many; metrics.where_defined does so."
        )


def require(metric: str, good: Tensor, reason: str) -> None:
    """Raises `Undefined` for the images where `good` (N,) is False."""
    if not bool(good.all()):
        raise Undefined(metric, (~good).nonzero()[:, 0].tolist(), reason)


def where_defined(
    metric: Callable[..., Any], *inputs: Sequence[Any] | Tensor, **options: Any
) -> tuple[Any, list[int]]:
    """`metric(*inputs, **options)` on the images that have a value, and the images left out.

    Each of the inputs has one entry per image; bind a model with functools.partial. Report the
    number of images left out beside the mean. Raises `Undefined` where no image is left.

    >>> masks = torch.tensor([[[0, 1], [0, 1]], [[0, 0], [0, 0]]])  # the second is empty
    >>> game, left_out = where_defined(camlite.metrics.pointing_game, torch.rand(2, 2, 2), masks)
    >>> len(game.values), left_out
    (1, [1])
    """
    keep, left_out = list(range(len(inputs[0]))), list[int]()
    while True:
        try:
            kept = [x[keep] if isinstance(x, Tensor) else [x[i] for i in keep] for x in inputs]
            return metric(*kept, **options), sorted(left_out)
        except Undefined as no:
            left_out += [keep[i] for i in no.images]
            keep = [i for i in keep if i not in left_out]
            if not keep:
                raise Undefined(no.metric, sorted(left_out), no.reason) from None


@dataclass(frozen=True)
class Measure:
    """One number per image, and how it was measured.

    values (N,); blank (N,) bool: maps that gave no answer and got the worst value; chance (N,):
    what a map without any information would get, or None; protocol: the choices made.
    """

    values: Tensor
    blank: Tensor
    chance: Tensor | None
    protocol: dict[str, Any]

    @property
    def mean(self) -> float:
        """The mean over the images; `class_mean` gives each class the same weight."""
        return float(self.values.double().mean())


def class_mean(values: Tensor, labels: Tensor) -> float:
    """The mean over the classes of the mean over their images; values (N,), labels (N,).

    Classes without images do not count. (TorchRay gives them 0: it divides by all its classes.)

    >>> class_mean(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([5, 5, 7]))
    0.5
    """
    if values.shape != labels.shape or values.dim() != 1:
        shapes = f"{tuple(values.shape)} and {tuple(labels.shape)}"
        raise ValueError(f"values and labels must have one entry per image, (N,), not {shapes}")
    finite("values", values)
    means = [values[labels == c].double().mean() for c in labels.unique()]
    return float(torch.stack(means).mean())


def same_length(**tensors: Tensor) -> list[Tensor]:
    """The tensors, each a finite (N,) float64 with the same N ≥ 1."""
    out = [torch.as_tensor(t).detach().double() for t in tensors.values()]
    shapes = ", ".join(f"{n} {tuple(t.shape)}" for n, t in zip(tensors, out, strict=True))
    if any(t.dim() != 1 or len(t) == 0 or t.shape != out[0].shape for t in out):
        raise ValueError(f"needs one number per image in each input, (N,) with N ≥ 1; got {shapes}")
    for name, t in zip(tensors, out, strict=True):
        finite(name, t)
    return out


def fitted(maps: Tensor, size: Sequence[int], count: int) -> Tensor:
    """Maps (N, h, w) or (N, l) at `size`: bilinear upsampling where they are coarser."""
    if not isinstance(maps, Tensor) or maps.dim() != len(size) + 1 or len(maps) != count:
        shape = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(
            f"maps of shape {shape} do not fit {count} images of size {tuple(size)}: "
            f"expected ({count}, {', '.join('hwl'[: len(size)])})"
        )
    finite("one of the maps", maps)
    maps = maps.detach()
    return maps if tuple(maps.shape[1:]) == tuple(size) else up(maps, size)


def confidence(
    model: nn.Module,
    images: Tensor,
    target: Target,
    *,
    probability: bool = True,
    batch_size: int = 32,
) -> Tensor:
    """Y (N,): the softmax probability of each image's class, or its logit. No graph is recorded.

    A callable target gets the model's output as it is. Raises ValueError if the result is NaN.

    >>> confidence(model, images, target=0, probability=False).shape
    torch.Size([2])
    """
    at_least_one(batch_size=batch_size)
    check_images(model, images)
    Y = []
    for start in range(0, len(images), batch_size):
        x = images[start : start + batch_size].detach()
        out = whole(model)(x)
        some = target[start : start + batch_size] if _per_image(target) else target  # type: ignore[index]
        Y.append(score(out.softmax(1) if probability and not callable(some) else out, some))
    return torch.cat(Y)


def _per_image(target: Target) -> bool:
    return isinstance(target, Tensor) and target.dim() == 1


def classes_of(model: nn.Module, images: Tensor, target: Target, batch_size: int) -> Target:
    """The class of each image, (N,), decided on the whole images; a callable stays as it is.

    Known classes are taken as they are, without a forward pass; `score` looks whether they exist.
    """
    at_least_one(batch_size=batch_size)
    check_images(model, images)
    if _per_image(target) and target.dtype == torch.long and len(target) == len(images):  # type: ignore[union-attr,arg-type]
        return target.to(images.device)  # type: ignore[union-attr]  # known: no forward pass
    logits = []
    for x in images.detach().split(batch_size):
        logits.append(whole(model)(x))
    return chosen(torch.cat(logits), target)


def score_name(target: Target, probability: bool) -> str:
    """How a protocol names the score."""
    return "function" if callable(target) else "probability" if probability else "logit"


def ranks(maps: Tensor, ties: str, generator: torch.Generator | None = None) -> Tensor:
    """The place of each pixel when sorted by its value, 0 = highest: maps (N, ...) -> (N, P).

    Equal values: "first" in reading order, "last" in reverse (RISE's code flips an ascending
    sort), "random" by the generator, without one with seed 0. Coarse maps have many equal values.
    """
    one_of("ties", ties, ("first", "last", "random"))
    g = own_generator(generator)
    M = maps.flatten(1)
    before = torch.arange(M.shape[1])
    if ties == "last":
        before = before.flip(0)
    elif ties == "random":
        before = torch.randperm(len(before), generator=g, device=g.device)
    before = before.to(M.device)
    order = before[M[:, before].argsort(dim=1, descending=True, stable=True)]
    return order.argsort(1)


def pearson(a: Tensor, b: Tensor) -> Tensor:
    """Pearson correlation of the rows of (N, D): (N,); 0 where a row is constant."""
    flat = constant(a) | constant(b)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    size = a.norm(dim=1) * b.norm(dim=1)
    r = (a * b).sum(1) / torch.where(size > 0, size, 1.0)
    return torch.where(flat, 0.0, r.clamp(-1, 1))
