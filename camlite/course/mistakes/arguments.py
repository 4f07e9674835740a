"""What may have happened to an argument on its way into the formula."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

Given = dict[str, Any]


@dataclass(frozen=True)
class ArgumentChange:
    """`name` for programs, `words` behind "when …", and the change of all arguments.

    `rank`: 0 is the likeliest change of its argument. `of_data`: of an array of real numbers, not
    of a class, an option or a function.
    """

    name: str
    words: str
    apply: Callable[[Given], Given]
    rank: int = 0
    of_data: bool = False


def argument_changes(given: Given, defaults: Given) -> Iterator[ArgumentChange]:
    """All changes that suit these arguments, the likely ones first."""
    for name, value in given.items():
        for rank, (label, words, change) in enumerate(_changes_of(value)):
            yield ArgumentChange(
                label.replace("{}", name),
                words.replace("{}", name),
                lambda given, name=name, change=change: given | {name: change(given[name])},
                rank,
                _is_float(value, 0) or isinstance(value, np.ndarray),
            )
        if name in defaults and _differ(value, defaults[name]):
            default = defaults[name]
            yield ArgumentChange(
                f"{name} ignored",
                f"{name} is ignored (always {default!r})",
                lambda given, name=name, default=default: given | {name: default},
            )
    yield from _other_classes(given)
    yield from _exchanges(given)


_Entry = tuple[str, str, Callable[[Any], Any]]


def _changes_of(value: Any) -> Iterator[_Entry]:
    """Labels and words hold {} for the argument's name."""
    if isinstance(value, np.ndarray):
        for label, words, change in _changes_of(torch.from_numpy(value)):
            yield label, words, lambda a, f=change: f(torch.from_numpy(a)).numpy()
    elif isinstance(value, Tensor) and value.dtype == torch.bool:
        yield "not {}", "{} is inverted (not {})", torch.logical_not
        yield "all true in {}", "{} is left out (true everywhere)", torch.ones_like
        yield from _tensor_orders(value)
    elif isinstance(value, Tensor) and value.is_floating_point():
        yield from _tensor_values(value)
        yield from _tensor_orders(value)
    elif isinstance(value, Tensor):
        yield "{}: first for all", "the first number of {} is taken for all", _first_for_all
        yield "0 for {}", "{} is replaced by 0", torch.zeros_like
        yield "{} + 1", "{} is larger by 1", lambda a: a + 1
        yield "{} - 1", "{} is smaller by 1", lambda a: a - 1
        yield from _tensor_orders(value)
    elif isinstance(value, bool):
        yield "not {}", "{} is inverted", lambda a: not a
    elif isinstance(value, int):
        yield from _other_numbers(value)
    elif isinstance(value, float):
        yield "1 - {}", "{} is replaced by 1 − {}", lambda a: 1 - a
        for number in (0.0, 1.0, 0.5):
            yield f"{number:g} for {{}}", f"{{}} is replaced by {number:g}", lambda a, n=number: n
        yield "{} ** 2", "{} is squared", lambda a: a * a
        yield "sqrt({})", "the square root of {} is taken", lambda a: a**0.5
    elif isinstance(value, (tuple, list)) and len(value) == 2 and _integers(value):
        kind = type(value)
        yield "{} reversed", "the two numbers of {} are exchanged", lambda a: kind((a[1], a[0]))
        yield "{}[0] twice", "only the first number of {} is used", lambda a: kind((a[0], a[0]))
        yield "{}[1] twice", "only the second number of {} is used", lambda a: kind((a[1], a[1]))
    elif isinstance(value, (tuple, list)) and value:
        kind = type(value)
        yield "{} reversed", "{} is read from its end", lambda a: kind(reversed(a))
        yield "{} without first", "the first of {} is left out", lambda a: a[1:]
        yield "{} without last", "the last of {} is left out", lambda a: a[:-1]
    elif callable(value) and not isinstance(value, type):
        yield from _function_values()


def _other_numbers(value: int) -> Iterator[_Entry]:
    """Of a size or a class. A size is at least 1: with a step of 0 a loop would have no end."""
    yield "{} + 1", "{} is larger by 1", lambda a: a + 1
    yield "{} - 1", "{} is smaller by 1", lambda a: a - 1 if a != 1 else a
    yield "2 {}", "{} is doubled", lambda a: 2 * a
    yield "{} // 2", "{} is halved", lambda a: max(a // 2, 1)


def _tensor_values(value: Tensor) -> Iterator[_Entry]:
    yield "neg({})", "{} is replaced by −{}", torch.neg
    yield "abs({})", "{} is replaced by |{}|", torch.abs
    yield "relu({})", "the negative values of {} are cut off (ReLU)", torch.relu
    yield "ones for {}", "{} is left out (1 everywhere)", torch.ones_like
    yield "zeros for {}", "{} is left out (0 everywhere)", torch.zeros_like
    yield "square({})", "{} is squared", torch.square
    yield "1 - {}", "{} is replaced by 1 − {}", lambda a: 1 - a
    yield "sign({})", "only the sign of {} is used", torch.sign
    yield "min0({})", "the positive values of {} are cut off", lambda a: a.clamp(max=0)
    yield "sigmoid({})", "a sigmoid is applied to {}", torch.sigmoid
    yield "{} > 0", "{} is replaced by 1 where it is positive, else 0", lambda a: (a > 0).to(a)
    for axis in sorted(range(value.dim()), key=lambda n: n != 1):
        softmax = f"a softmax over axis {axis} is applied to {{}}"
        yield f"softmax({{}}, {axis})", softmax, lambda a, n=axis: a.softmax(n)
        for name, word, f in (
            ("mean", "mean", torch.mean),
            ("sum", "sum", torch.sum),
            ("amax", "maximum", torch.amax),
        ):
            yield (
                f"{name}({{}}, {axis})",
                f"each value of {{}} is replaced by the {word} over axis {axis}",
                lambda a, f=f, n=axis: f(a, dim=n, keepdim=True).expand_as(a),
            )
    if value.dim() > 2:
        places = tuple(range(2, value.dim())) if value.dim() > 3 else (1, 2)
        yield (
            f"mean({{}}, {places})",
            f"each value of {{}} is replaced by the mean over axes {places[0]} and {places[-1]}",
            lambda a: a.mean(places, keepdim=True).expand_as(a),
        )
        yield (
            f"sum({{}}, {places})",
            f"each value of {{}} is replaced by the sum over axes {places[0]} and {places[-1]}",
            lambda a: a.sum(places, keepdim=True).expand_as(a),
        )
        yield (
            "minmax({})",
            "each map of {} is scaled to [0, 1] first",
            lambda a: _minmax(a, places),
        )
    if value.dim():
        whole = tuple(range(1, value.dim())) if value.dim() > 2 else tuple(range(value.dim()))
        yield "minmax of {}", "{} is scaled to [0, 1] first", lambda a: _minmax(a, whole)
        yield (
            "{} - mean",
            "the mean of {} is subtracted first",
            lambda a: a - a.mean(whole, keepdim=True),
        )
        yield (
            "{} / norm",
            "{} is divided by its length (L2 norm) first",
            lambda a: a / a.square().sum(whole, keepdim=True).sqrt(),
        )


def _tensor_orders(value: Tensor) -> Iterator[_Entry]:
    if not value.dim():
        return
    if value.dtype == torch.bool or value.is_floating_point():
        yield "{}: first for all", "the first image of {} is taken for all", _first_for_all
    if value.dim() == 1:
        yield "sort({})", "{} is sorted first", lambda a: a.sort().values
    if value.dim() > 1:
        yield "{}.mT", "the last two axes of {} are exchanged", lambda a: a.mT
        yield "{} turned", "{} is turned by 180 degrees", lambda a: a.flip(-1, -2)
    if value.dim() > 2:
        yield "{}: axes 0, 1", "axes 0 and 1 of {} are exchanged", lambda a: a.transpose(0, 1)
    if value.dim() > 1:
        yield (
            "{} reshaped",
            "the numbers of {} are put into another order (reshape is not a transpose)",
            lambda a: a.mT.reshape(a.shape),
        )
        yield (
            "{} reshaped back",
            "the numbers of {} are put into another order (reshape is not a transpose)",
            lambda a: a.reshape(a.mT.shape).mT,
        )
    if value.dim() == 4:
        yield (
            "{}: channels mixed",
            "the channels of {} are mixed (reshape is not permute)",
            lambda a: a.reshape(a.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2),
        )
    for axis in reversed(range(value.dim())):
        yield f"flip({{}}, {axis})", f"{{}} is reversed along axis {axis}", _flip(axis)


def _function_values() -> Iterator[_Entry]:
    for name, words, change in (
        ("softmax", "the probabilities (softmax) of {} are used", lambda y: y.softmax(1)),
        ("log_softmax", "the log-probabilities of {} are used", lambda y: y.log_softmax(1)),
        ("sigmoid", "a sigmoid is applied to what {} gives", torch.sigmoid),
        ("neg", "what {} gives is negated", torch.neg),
        ("abs", "the absolute values of what {} gives are used", torch.abs),
        ("relu", "a ReLU is applied to what {} gives", torch.relu),
        ("softmax 0", "a softmax over the images is applied to {}", lambda y: y.softmax(0)),
        ("winner", "the largest logit of {} is taken", lambda y: y.amax(1, True).expand_as(y)),
        ("sum", "the logits of all classes are added", lambda y: y.sum(1, True).expand_as(y)),
        ("mean", "the logits of all classes are averaged", lambda y: y.mean(1, True).expand_as(y)),
    ):
        yield f"{name} of {{}}", words, lambda f, change=change: lambda *a: change(f(*a))


def _other_classes(given: Given) -> Iterator[ArgumentChange]:
    """A class that stands in `c` or `target` may be replaced by the one that wins."""
    asked = [n for n in ("c", "target", "classes", "labels") if n in given]
    for name in asked:
        if isinstance(given[name], int):
            yield ArgumentChange(
                f"0 for {name}", f"{name} is replaced by 0", lambda g, n=name: g | {n: 0}
            )
        for other, value in given.items():
            if callable(value):
                for tensor in [n for n, v in given.items() if _is_float(v, 2)]:
                    yield from _winners(name, lambda g, f=other, x=tensor: g[f](g[x]))
            elif _is_float(value, 2) and value.dim() == 2:
                maps = [n for n, v in given.items() if _is_float(v, 3)]
                if maps:
                    yield from _winners(name, lambda g, W=other, F=maps[0]: _logits(g[F], g[W]))
                else:
                    yield from _winners(name, lambda g, x=other: g[x])


def _logits(F: Tensor, W: Tensor) -> Tensor:
    """Of a linear layer on the averages of maps, without its bias."""
    return F.flatten(2).mean(2) @ W.T


def _winners(name: str, logits: Callable[[Given], Tensor]) -> Iterator[ArgumentChange]:
    for label, words, pick in (
        ("predicted", "the class with the largest score", torch.argmax),
        ("least likely", "the class with the smallest score", torch.argmin),
    ):
        yield ArgumentChange(
            f"{label} for {name}",
            f"{words} is taken instead of {name}",
            lambda given, pick=pick: given | {name: pick(logits(given), 1)},
        )


def _exchanges(given: Given) -> Iterator[ArgumentChange]:
    for a, b in combinations(given, 2):
        if type(given[a]) is type(given[b]) or (callable(given[a]) and callable(given[b])):
            yield ArgumentChange(
                f"{a} and {b} exchanged",
                f"{a} and {b} are exchanged",
                lambda given, a=a, b=b: given | {a: given[b], b: given[a]},
            )


# ------------------------------------------------------------------ the named parts


def _is_float(value: Any, dims: int) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and value.dim() >= dims


def _integers(values: Any) -> bool:
    return all(isinstance(v, int) and not isinstance(v, bool) for v in values)


def _differ(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, (bool, int, float, str)) and a != b


def _first_for_all(a: Tensor) -> Tensor:
    return a[:1].expand_as(a)


def _flip(axis: int) -> Callable[[Tensor], Tensor]:
    return lambda a: a.flip(axis)


def _minmax(a: Tensor, axes: tuple[int, ...]) -> Tensor:
    low, high = a.amin(axes, keepdim=True), a.amax(axes, keepdim=True)
    return (a - low) / torch.where(high > low, high - low, torch.ones_like(high))
