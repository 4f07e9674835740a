"""What may have happened to a result: each change is a function of an array, with its words.

The same changes serve four times: the learner's result is the right one after the change; the
right one is the learner's after it (a step is missing); the result is an argument after it; and
a second mistake comes after a first. The words fit behind a comma in each of these sentences.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np
from scipy.special import log_softmax, softmax

Array = np.ndarray


@dataclass(frozen=True)
class ResultChange:
    """`name` for programs, `words` for the learner, and the change itself."""

    name: str
    words: str
    apply: Callable[[Array], Array]


@cache
def result_changes(ndim: int) -> tuple[ResultChange, ...]:
    """All changes of an array with so many axes, the likely ones first."""
    return tuple(
        ResultChange(*change)
        for family in (_values, _scales, _softmaxes, _shapes, _orders, _images, _reductions)
        for change in family(ndim)
    )


@cache
def likely_changes(ndim: int) -> tuple[ResultChange, ...]:
    """Those that also come as a second mistake."""
    names = {"neg", "abs", "relu", "square", "sqrt", "1 -", "sigmoid", "minmax", "minmax of all"}
    names |= {"/ max", "/ max of all", "/ sum", "softmax 1", "softmax of places", "first for all"}
    names |= {"transpose", "T", "clamp", "mean 0 for all", "centred", "/ max of size", "l2"}
    return tuple(change for change in result_changes(ndim) if change.name in names)


_Entry = tuple[str, str, Callable[[Array], Array]]


def _values(ndim: int) -> Iterator[_Entry]:
    yield "neg", "with its sign turned around", lambda a: -a
    yield "relu", "with negative values cut off (ReLU)", lambda a: np.maximum(a, 0)
    yield "abs", "without its signs (absolute values)", np.abs
    yield "relu of neg", "with its sign turned around, then a ReLU", lambda a: np.maximum(-a, 0)
    yield "negative part", "with positive values cut off", lambda a: np.minimum(a, 0)
    yield "square", "squared", np.square
    yield "sqrt", "after a square root", np.sqrt
    yield "1 -", "subtracted from 1", lambda a: 1 - a
    yield "clamp", "cut to [0, 1]", lambda a: np.clip(a, 0, 1)
    yield "sigmoid", "after a sigmoid", lambda a: 1 / (1 + np.exp(-a))
    yield "exp", "after exp", np.exp
    yield "log", "after the logarithm", np.log
    yield "tanh", "after tanh", np.tanh
    yield "1 /", "turned upside down (1 divided by it)", lambda a: 1 / a
    yield "sign", "with only its signs", np.sign
    yield "> 0", "turned into true and false (greater than 0)", lambda a: (a > 0).astype(float)
    yield "round", "rounded", np.round
    yield "floor", "rounded down", np.floor
    for n in (1, 2, 3):
        words = f"rounded to {n} place{'s' * (n > 1)} after the point"
        yield f"round {n}", words, lambda a, n=n: np.round(a, n)
    yield "+ 1", "larger by 1", lambda a: a + 1
    yield "- 1", "smaller by 1", lambda a: a - 1


def _scales(ndim: int) -> Iterator[_Entry]:
    each = tuple(range(1, ndim))
    groups = [("", "of each image", each)] if each else []
    groups += [(" of all", "of all together", tuple(range(ndim)))] if ndim else []
    if ndim > 2:
        groups += [(f" of {ndim - 1}", "of each row", (ndim - 1,))]
    if ndim > 1:
        axes_alone = (1, 0) if ndim > 2 else (0,)
        groups += [(f" along {n}", f"along axis {n}", (n,)) for n in axes_alone]
    if ndim > 3:
        groups += [(" of map", "of each map", (ndim - 2, ndim - 1))]
    for name, whose, axes in groups:
        for kind, words, apply in (
            ("minmax", f"scaled to [0, 1] with the minimum and maximum {whose}", _minmax),
            ("/ max", f"divided by the maximum {whose}", _over(np.max)),
            ("/ max of size", f"divided by the largest absolute value {whose}", _over(_size)),
            ("/ sum", f"divided by the sum {whose}", _over(np.sum)),
            ("/ mean", f"divided by the mean {whose}", _over(np.mean)),
            ("l2", f"divided by the length (L2 norm) {whose}", _over(_length)),
            ("/ sum of sizes", f"divided by the sum of absolute values {whose}", _over(_sizes)),
            ("centred", f"minus the mean {whose}", _minus(np.mean)),
            ("- min", f"minus the minimum {whose}", _minus(np.min)),
            ("z", f"minus the mean, divided by the standard deviation {whose}", _z(0)),
            ("z1", f"minus the mean, divided by the standard deviation {whose}", _z(1)),
        ):
            yield f"{kind}{name}", words, lambda a, apply=apply, axes=axes: apply(a, axes)


def _softmaxes(ndim: int) -> Iterator[_Entry]:
    for axis in sorted(range(ndim), key=lambda n: n != 1):
        words = f"over axis {axis}"
        yield f"softmax {axis}", f"after a softmax {words}", lambda a, n=axis: softmax(a, n)
        yield (
            f"log_softmax {axis}",
            f"after a log-softmax {words}",
            lambda a, n=axis: log_softmax(a, n),
        )
    if ndim > 2:
        each = tuple(range(1, ndim))
        yield (
            "softmax of places",
            "after a softmax over all places of each image",
            lambda a: softmax(a, each),
        )
    if ndim > 1:
        yield "softmax of all", "after a softmax over all values", lambda a: softmax(a)


def _orders(ndim: int) -> Iterator[_Entry]:
    if ndim > 1:
        yield "transpose", "with its last two axes exchanged", lambda a: np.swapaxes(a, -1, -2)
    for i, j in combinations(range(ndim), 2):
        if (i, j) != (ndim - 2, ndim - 1):
            words = f"with axes {i} and {j} exchanged"
            yield f"swap {i} {j}", words, lambda a, i=i, j=j: np.swapaxes(a, i, j)
    if ndim > 2:
        yield "T", "with all its axes in the opposite order", np.transpose
        yield "last axis first", "with its last axis first", lambda a: np.moveaxis(a, -1, 0)
        yield "first axis last", "with its first axis last", lambda a: np.moveaxis(a, 0, -1)
        yield "axis 1 last", "with axis 1 as the last", lambda a: np.moveaxis(a, 1, -1)
        yield "last axis 1", "with the last axis as axis 1", lambda a: np.moveaxis(a, -1, 1)
    if ndim > 1:
        words = "with its numbers in another order (reshape is not a transpose)"
        yield "reshaped", words, lambda a: np.swapaxes(a, -1, -2).reshape(a.shape)
        yield "reshaped back", words, _reshaped_back
        yield "turn", "turned by 180 degrees", lambda a: np.flip(a, (-1, -2))
    if ndim == 1:
        yield from _other_places()
    for axis in reversed(range(ndim)):
        yield f"flip {axis}", f"reversed along axis {axis}", lambda a, n=axis: np.flip(a, n)
        for by in (1, -1):
            words = f"shifted by one place along axis {axis}"
            yield f"roll {axis} {by}", words, lambda a, n=axis, by=by: np.roll(a, by, n)
        yield f"cumsum {axis}", f"added up step by step along axis {axis}", _along(np.cumsum, axis)


def _other_places() -> Iterator[_Entry]:
    """Of three or four numbers, as of a box, each order."""
    for size in (3, 4):
        own = tuple(range(size))
        for order in permutations(own):
            if order not in (own, own[::-1]):
                label = ", ".join(map(str, order))
                words = f"with its numbers in another order: {label} of 0 to {size - 1}"
                yield f"order {label}", words, lambda a, n=order: _picked(a, n)


def _images(ndim: int) -> Iterator[_Entry]:
    if ndim:
        yield "first for all", "with the first image's values for all", _for_all(lambda a: a[:1])
        yield "last for all", "with the last image's values for all", _for_all(lambda a: a[-1:])
        yield "first", "only for the first image", lambda a: a[0]
        yield "first, kept", "only for the first image", lambda a: a[:1]
        yield "last", "only for the last image", lambda a: a[-1]
        yield "rest 0", "with zeros for all images but the first", _zeros_but(slice(1))
        yield "first 0", "with zeros for the first image", _zeros_but(slice(1, None))
        yield "last 0", "with zeros for the last image", _zeros_but(slice(-1))
        yield "images summed up", "each image added to those before it", _along(np.cumsum, 0)


def _reductions(ndim: int) -> Iterator[_Entry]:
    sets = [(n,) for n in range(ndim)]
    sets += [tuple(range(n, ndim)) for n in range(ndim - 1)]
    for axes in sets:
        over = "over everything" if len(axes) == ndim > 1 else _over_axes(axes)
        label = " ".join(map(str, axes))
        for name, done, f in (
            ("sum", "summed", np.sum),
            ("mean", "averaged", np.mean),
            ("max", "reduced to the maximum", np.max),
            ("min", "reduced to the minimum", np.min),
            ("sum of sizes", "reduced to the sum of absolute values", _sizes),
            ("std", "reduced to the standard deviation", np.std),
            ("std1", "reduced to the standard deviation", _std1),
            ("norm", "reduced to its length (L2 norm)", _length),
        ):
            yield f"{name} {label}", f"{done} {over}", lambda a, f=f, n=axes: f(a, axis=n)
            yield (
                f"{name} {label}, kept",
                f"{done} {over}, which stays as an axis of size 1",
                lambda a, f=f, n=axes: f(a, axis=n, keepdims=True),
            )
            yield (
                f"{name} {label} for all",
                f"{done} {over}, the same value for all",
                _for_all(lambda a, f=f, n=axes: f(a, axis=n, keepdims=True)),
            )


def _shapes(ndim: int) -> Iterator[_Entry]:
    for axis in range(ndim + 1):
        words = f"with one more axis of size 1 (axis {axis})"
        yield f"unsqueeze {axis}", words, lambda a, n=axis: np.expand_dims(a, n)
    for axes in [(n,) for n in range(ndim)] + ([(ndim - 2, ndim - 1)] if ndim > 1 else []):
        label, words = " ".join(map(str, axes)), _over_axes(axes).removeprefix("over ")
        yield (
            f"squeeze {label}",
            f"without {words} of size 1",
            lambda a, n=axes: np.squeeze(a, n),
        )
    yield "squeeze", "without its axes of size 1", np.squeeze
    yield "flat", "as one long row", np.ravel
    if ndim:
        yield "places", "turned into the places where it is not 0 (nonzero)", np.argwhere
    if ndim > 2:
        yield "flat images", "with each image as one long row", lambda a: a.reshape(len(a), -1)


# ------------------------------------------------------------------ the named parts


def _over_axes(axes: tuple[int, ...]) -> str:
    many = len(axes) > 1
    return f"over ax{'es' if many else 'is'} {' and '.join(map(str, axes))}"


def _size(a: Array, **kwargs: object) -> Array:
    return np.max(np.abs(a), **kwargs)  # type: ignore[call-overload, no-any-return]


def _sizes(a: Array, **kwargs: object) -> Array:
    return np.sum(np.abs(a), **kwargs)  # type: ignore[call-overload, no-any-return]


def _length(a: Array, **kwargs: object) -> Array:
    return np.sqrt(np.sum(a**2, **kwargs))  # type: ignore[call-overload, no-any-return]


def _std1(a: Array, axis: tuple[int, ...], **kwargs: object) -> Array:
    """The standard deviation with n − 1, as torch takes it; one value has none."""
    if math.prod(a.shape[n] for n in axis) < 2:
        raise ValueError
    return np.std(a, axis=axis, ddof=1, **kwargs)  # type: ignore[call-overload, no-any-return]


def _minmax(a: Array, axes: tuple[int, ...]) -> Array:
    low, high = a.min(axes, keepdims=True), a.max(axes, keepdims=True)
    return (a - low) / np.where(high > low, high - low, 1)


def _over(f: Callable[..., Array]) -> Callable[[Array, tuple[int, ...]], Array]:
    return lambda a, axes: a / f(a, axis=axes, keepdims=True)


def _minus(f: Callable[..., Array]) -> Callable[[Array, tuple[int, ...]], Array]:
    return lambda a, axes: a - f(a, axis=axes, keepdims=True)


def _z(ddof: int) -> Callable[[Array, tuple[int, ...]], Array]:
    def z(a: Array, axes: tuple[int, ...]) -> Array:
        if math.prod(a.shape[n] for n in axes) < 2:
            raise ValueError
        return (a - a.mean(axes, keepdims=True)) / a.std(axes, keepdims=True, ddof=ddof)

    return z


def _zeros_but(places: slice) -> Callable[[Array], Array]:
    def change(a: Array) -> Array:
        kept = np.zeros_like(a)
        kept[places] = a[places]
        return kept

    return change


def _picked(a: Array, order: tuple[int, ...]) -> Array:
    if len(a) != len(order):
        raise ValueError
    return a[list(order)]


def _reshaped_back(a: Array) -> Array:
    turned = np.swapaxes(a, -1, -2)
    return np.swapaxes(a.reshape(turned.shape), -1, -2)


def _for_all(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    return lambda a: np.broadcast_to(f(a), a.shape)


def _along(f: Callable[..., Array], axis: int) -> Callable[[Array], Array]:
    return lambda a: f(a, axis=axis)
