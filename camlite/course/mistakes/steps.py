"""What may have happened inside the formula: one step of the right answer is changed as it runs.

torch tells a `TorchFunctionMode` of every operation. So a first run of the right answer lists its
steps (a mean, a difference, a ReLU), and a later run changes one of them: a sum for the mean, the
difference the other way round, no ReLU. Steps inside networks stay as they are: these are given.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Place = tuple[CodeType, int, str]  # the code, the instruction in it, and the operation
Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
Instead = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

TORCH = str(Path(torch.__file__).parent)


@dataclass(frozen=True)
class StepChange:
    """`name` for programs, `words` behind "when …", the place, and what is done there instead.

    `rank`: 0 is the likeliest change of its step.
    """

    name: str
    words: str
    place: Place
    instead: Instead
    rank: int = 0

    def inside(self, answer: Callable[..., Any]) -> Callable[..., Any]:
        """The answer with this step changed, whoever calls it."""

        @functools.wraps(answer)  # its arguments have names
        def changed(*args: Any, **kwargs: Any) -> Any:
            with _Changed(self.place, self.instead):
                return answer(*args, **kwargs)

        return changed


# ------------------------------------------------------------------ seeing and changing a step


def _place(func: Callable[..., Any], file: str) -> Place | None:
    """Where in the answer's own file this operation stands; None inside a network or a library."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(TORCH):
        if frame.f_code.co_filename.endswith(("nn/modules/module.py", "autograd/function.py")):
            return None
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename != file or frame.f_code.co_name == "forward":
        return None
    return frame.f_code, frame.f_lasti, getattr(func, "__name__", "")


class Steps(TorchFunctionMode):
    """The steps of an answer while `watched` runs it: for each place its first call."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        super().__init__()
        self.answer = answer
        self.file = answer.__code__.co_filename if inspect.isfunction(answer) else ""
        self.steps: dict[Place, Call] = {}
        self.operations = 0

    def watched(self, *args: Any, **kwargs: Any) -> Any:
        """The answer; its steps are noted."""
        with self:
            return self.answer(*args, **kwargs)

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        place = _place(func, self.file)
        if place is not None:
            self.operations += 1
            self.steps.setdefault(place, (func, args, kwargs or {}))
        return func(*args, **(kwargs or {}))

    def changes(self) -> Iterator[StepChange]:
        """All changes of the steps, in their order; the likely ones of each first."""
        names = [_noun(call) for call in self.steps.values()]
        for number, (place, call) in enumerate(self.steps.items()):
            noun = names[number]
            if noun is None:
                continue
            count = names[: number + 1].count(noun)
            alone = names.count(noun) == 1
            which = f"the {noun}" if alone else f"the {_ordinal(count)} {noun}"
            label = noun if alone else f"{noun} #{count}"
            for rank, (name, words, instead) in enumerate(_alternatives(call)):
                yield StepChange(f"{label}: {name}", words.format(which), place, instead, rank)


class Limited(TorchFunctionMode):
    """What runs inside stops after so many operations: a changed loop may have no end."""

    def __init__(self, operations: int) -> None:
        super().__init__()
        self.left = operations

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Unsuitable
        return func(*args, **(kwargs or {}))


class _Changed(TorchFunctionMode):
    """One place does something else."""

    def __init__(self, place: Place, instead: Instead) -> None:
        super().__init__()
        self.place, self.instead = place, instead

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        file = self.place[0].co_filename
        if getattr(func, "__name__", "") == self.place[2] and _place(func, file) == self.place:
            return self.instead(func, args, kwargs)
        return func(*args, **kwargs)


# ------------------------------------------------------------------ the words for a step

REDUCTIONS = {"mean": "mean", "sum": "sum", "amax": "maximum", "amin": "minimum"}
REDUCTIONS |= {"max": "maximum", "min": "minimum", "std": "standard deviation", "norm": "norm"}
SAME = {"max": "amax", "min": "amin"}  # without an axis, torch has these names
ALONG = {"softmax": "softmax", "log_softmax": "log-softmax", "argmax": "argmax"}
ALONG |= {"argmin": "argmin", "sort": "sorting", "argsort": "sorting", "cumsum": "running sum"}
ALONG |= {"topk": "choice of the largest", "stack": "stacking", "cat": "joining"}
UNARY = {"relu": "ReLU", "abs": "absolute value", "neg": "minus sign", "sqrt": "square root"}
UNARY |= {"sigmoid": "sigmoid", "exp": "exp", "log": "logarithm", "tanh": "tanh"}
UNARY |= {"square": "square", "pow": "power", "__pow__": "power", "clamp": "limit (clamp)"}
UNARY |= {"clamp_min": "limit (clamp)", "clamp_max": "limit (clamp)", "round": "rounding"}
UNARY |= {"sign": "sign", "flip": "reversal", "clone": "copy", "detach": "detach"}
BINARY = {"sub": "difference", "__rsub__": "difference", "add": "sum of two", "mul": "product"}
BINARY |= {"__radd__": "sum of two", "div": "quotient", "__rdiv__": "quotient"}
BINARY |= {"maximum": "larger of two", "minimum": "smaller of two", "matmul": "matrix product"}
COMPARISONS = {"gt": "comparison", "ge": "comparison", "lt": "comparison", "le": "comparison"}
OTHERS = {"where": "choice (where)", "interpolate": "resizing", "__getitem__": "selection"}
OTHERS |= {"__setitem__": "assignment", "einsum": "einsum", "conv2d": "convolution"}
OTHERS |= {"randn": "random draw"}
NOUNS = REDUCTIONS | ALONG | UNARY | BINARY | COMPARISONS | OTHERS


def _noun(call: Call) -> str | None:
    """What the step is called: "mean over axes 2 and 3"."""
    name = _name(call)
    noun = NOUNS.get(name)
    axes = _axes(call) if name in REDUCTIONS | ALONG else None
    if noun is None or axes is None:
        return noun
    return f"{noun} over ax{'es' if len(axes) > 1 else 'is'} {' and '.join(map(str, axes))}"


def _name(call: Call) -> str:
    return str(getattr(call[0], "__name__", "")).removeprefix("linalg_").removesuffix("_norm")


def _axes(call: Call) -> tuple[int, ...] | None:
    """The axes that a step works along, None for all."""
    _, args, kwargs = call
    axes = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
    if isinstance(axes, int) and not isinstance(axes, bool):
        return (axes,)
    return tuple(axes) if isinstance(axes, (tuple, list)) and axes else None


def _ordinal(n: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(n, f"{n}th")


# ------------------------------------------------------------------ what may be done instead

_Entry = tuple[str, str, Instead]


def _alternatives(call: Call) -> Iterator[_Entry]:
    """Words hold {} for the step."""
    name = _name(call)
    if name in REDUCTIONS and isinstance(call[1][0], Tensor):
        yield from _other_reductions(call)
    if name in ALONG:
        yield from _other_axes(call)
    if name in UNARY or name in ("softmax", "log_softmax", "cumsum"):
        yield "left out", "{} is left out", lambda f, args, kwargs: args[0]
    if name in ("pow", "__pow__"):
        yield from _other_powers(call)
    if name in BINARY:
        yield from _other_operations(call)
    if name in COMPARISONS:
        yield from _other_comparisons()
    if name == "where" and len(call[1]) == 3:
        yield "first", "{} is left out: always the first", lambda f, a, k: _like(f(*a), a[1])
        yield "second", "{} is left out: always the second", lambda f, a, k: _like(f(*a), a[2])
        yield "any", "{} asks for all images together (any)", lambda f, a, k: f(a[0].any(), *a[1:])
        yield "all", "{} asks for all images together (all)", lambda f, a, k: f(a[0].all(), *a[1:])
        yield "exchanged", "the two sides of {} are exchanged", lambda f, a, k: f(a[0], a[2], a[1])
    if name == "interpolate":
        yield from _other_resizing(call)
    if name == "__setitem__":
        yield from _other_values(call)
    if name == "randn":
        yield from _other_draws()
    if name not in ("clone", "detach", "__setitem__", "randn", *COMPARISONS):
        yield from _followed_by(call)


def _other_reductions(call: Call) -> Iterator[_Entry]:
    """Another kind of reduction, another divisor, other values, other axes."""
    own, axes = _name(call), _axes(call)
    for name in ("mean", "sum", "amax", "amin", "std", "norm"):
        if name != SAME.get(own, own):
            words = f"{{}} is replaced by the {REDUCTIONS[name]}"
            yield name, words, lambda f, a, k, name=name: _reduce(name, a, k, _axes((f, a, k)))
    if own == "mean" and axes is not None and len(axes) == 2:
        for n, size in enumerate(("height", "width")):
            words = f"{{}} divides by the square of the {size}, as if maps were square"
            yield f"square of {size}", words, lambda f, a, k, n=n: _as_if_square(f, a, k, n)
    if own == "mean":
        words = "{} divides by the number of all values, of all images"
        yield (
            "of all values",
            words,
            lambda f, a, k: _reduce("sum", a, k, _axes((f, a, k))) / len(a[0].flatten()),
        )
    if call[2].get("keepdim", len(call[1]) > 2 and call[1][2]):
        yield "left out", "{} is left out: each value stays at its place", lambda f, a, k: a[0]
    else:
        words = "{} keeps its axes (keepdim), so that the next step spreads it"
        yield (
            "kept",
            words,
            lambda f, a, k: _reduce(
                _name((f, a, k)), a[:2], k | {"keepdim": True}, _axes((f, a, k))
            ),
        )
    if own in ("amin", "min"):
        yield "left out", "{} is left out (0)", lambda f, a, k: torch.zeros_like(f(*a, **k))
    yield (
        "absolute",
        "absolute values are taken before {}",
        lambda f, a, k: f(a[0].abs(), *a[1:], **k),
    )
    yield (
        "positive",
        "negative values are cut off before {}",
        lambda f, a, k: f(a[0].relu(), *a[1:], **k),
    )
    yield from _reductions_over_other_axes(call)


def _reductions_over_other_axes(call: Call) -> Iterator[_Entry]:
    axes, count = _axes(call), call[1][0].dim()
    others = [(n,) for n in range(count)] + [tuple(range(n, count)) for n in range(count - 1)]
    others += [(1, 2)] if count == 4 else []  # as if the channels came last
    own_axes = None if axes is None else tuple(n % max(count, 1) for n in axes)
    for other in others:
        if other != own_axes:
            label = " and ".join(map(str, other))
            words = f"{{}} is taken over ax{'es' if len(other) > 1 else 'is'} {label}"
            yield (
                f"axes {label}",
                words,
                lambda f, a, k, n=other: _expanded(f, a, k, _reduce(_name((f, a, k)), a, k, n)),
            )


def _reduce(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], axes: tuple[int, ...] | None
) -> Tensor:
    x, keep = args[0], bool(kwargs.get("keepdim", args[2] if len(args) > 2 else False))
    axes = tuple(range(x.dim())) if axes is None else axes
    if name == "norm":
        return torch.linalg.vector_norm(x, dim=axes, keepdim=keep)
    return getattr(torch, SAME.get(name, name))(x, dim=axes, keepdim=keep)  # type: ignore[no-any-return]


def _as_if_square(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], used: int
) -> Any:
    sizes = [args[0].shape[n] for n in _axes((f, args, kwargs)) or ()]
    return f(*args, **kwargs) * sizes[1 - used] / sizes[used]


def _expanded(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], other: Tensor
) -> Tensor:
    """In the shape of the right result where torch can bring it there."""
    right = f(*args, **kwargs)
    try:
        return other.expand_as(right)
    except (RuntimeError, AttributeError):
        return other


def _other_axes(call: Call) -> Iterator[_Entry]:
    first = call[1][0]
    dims = first.dim() if isinstance(first, Tensor) else 1 + _dims_of_first(first)
    own = _axes(call) or (0,)
    for axis in range(dims):
        if (axis,) != tuple(n % dims for n in own):
            words = f"{{}} goes along axis {axis}"
            yield f"axis {axis}", words, lambda f, a, k, n=axis: f(a[0], **_moved(k, n))
    if "arg" in _name(call) or "sort" in _name(call):
        yield "of neg", "{} takes the opposite order", lambda f, a, k: f(-a[0], *a[1:], **k)


def _moved(kwargs: dict[str, Any], axis: int) -> dict[str, Any]:
    return {n: v for n, v in kwargs.items() if n not in ("dim", "axis")} | {"dim": axis}


def _dims_of_first(tensors: Any) -> int:
    return tensors[0].dim() if tensors and isinstance(tensors[0], Tensor) else 0


def _other_operations(call: Call) -> Iterator[_Entry]:
    name = _name(call)
    reverse = name.startswith("__r")
    sides = ("second", "first") if reverse else ("first", "second")
    if name in ("sub", "__rsub__"):
        yield "turned", "{} is taken the other way round", lambda f, a, k: -f(*a, **k)
        yield "add", "{} is replaced by a sum", lambda f, a, k: a[0] + a[1]
        yield "absolute", "{} is taken without its sign", lambda f, a, k: f(*a, **k).abs()
    if name in ("add", "__radd__"):
        yield "sub", "{} is replaced by a difference", lambda f, a, k: a[0] - a[1]
        yield "mul", "{} is replaced by a product", lambda f, a, k: a[0] * a[1]
    if name == "mul":
        yield "add", "{} is replaced by a sum", lambda f, a, k: a[0] + a[1]
        yield "div", "{} is replaced by a quotient", lambda f, a, k: a[0] / a[1]
    if name in ("div", "__rdiv__"):
        yield "turned", "{} is turned upside down", lambda f, a, k: 1 / f(*a, **k)
        yield "mul", "{} is replaced by a product", lambda f, a, k: a[0] * a[1]
        yield "sub", "{} is replaced by a difference", lambda f, a, k: a[0] - a[1]
        yield "absolute", "{} is taken without its sign", lambda f, a, k: f(*a, **k).abs()
        yield "size below", "{} has the absolute value below", _size_below
        yield "at least 1 below", "{} has at least 1 below (clamp)", _at_least_one_below
        yield "+ 1 below", "1 is added below the line of {}", lambda f, a, k: a[0] / (a[1] + 1)
        for power in range(2, 10):
            yield (
                f"+ 1e-{power} below",
                f"{{}} has a small number (1e-{power}) added below the line",
                lambda f, a, k, p=power: a[0] / (a[1] + 10.0**-p),
            )
        for power in (4, 5, 6, 7, 8, 9, 10, 12):
            yield (
                f"at least 1e-{power} below",
                f"{{}} has at least 1e-{power} below the line (clamp)",
                lambda f, a, k, p=power: a[0] / torch.as_tensor(a[1]).clamp(min=10.0**-p),
            )
    for position, side in enumerate(sides):
        alone = {"mul": "only its {0} factor", "div": "only what stands above the line"}
        alone |= {"__rdiv__": alone["div"], "matmul": alone["mul"]}
        words = alone.get(name, "only its {0} part").format(side)
        yield (
            f"only {side}",
            f"of {{}} {words} is used",
            lambda f, a, k, n=position: _like(f(*a, **k), a[n]),
        )


def _other_powers(call: Call) -> Iterator[_Entry]:
    own = call[1][1] if len(call[1]) > 1 else None
    for power in (2, 3, 4):
        if isinstance(own, (int, float)) and power != own:
            words = f"{{}} has the exponent {power}"
            yield f"{power}", words, lambda f, a, k, power=power: f(a[0], power)


def _at_least_one_below(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    return args[0] / (args[1].clamp(min=1) if isinstance(args[1], Tensor) else max(args[1], 1))


def _size_below(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] / (args[1].abs() if isinstance(args[1], Tensor) else abs(args[1]))


def _other_comparisons() -> Iterator[_Entry]:
    for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤")):
        words = f"{{}} asks with {sign}"
        yield name, words, lambda f, a, k, name=name: getattr(torch, name)(a[0], a[1])


def _other_resizing(call: Call) -> Iterator[_Entry]:
    for name, words, own in (
        ("nearest", "takes the nearest value (mode nearest)", {"mode": "nearest"}),
        ("aligned", "aligns the corners (align_corners=True)", _interpolation(True)),
        ("bilinear", "is bilinear", _interpolation(False)),
        ("bicubic", "is bicubic", _interpolation(False, "bicubic")),
        ("area", "averages (mode area)", {"mode": "area"}),
    ):
        if any(call[2].get(option) != value for option, value in own.items()):
            yield name, f"{{}} {words}", lambda f, a, k, own=own: f(*a, **_resizing(k, own))


def _interpolation(aligned: bool, mode: str = "bilinear") -> dict[str, Any]:
    return {"mode": mode, "align_corners": aligned}


def _resizing(kwargs: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return {n: v for n, v in kwargs.items() if n not in ("mode", "align_corners")} | own


def _other_values(call: Call) -> Iterator[_Entry]:
    """`x[place] = value`: another value."""
    if not isinstance(call[1][2], (int, float)):
        return
    for number in (0.0, 1.0):
        if number != call[1][2]:
            words = f"{{}} writes {number:g}"
            yield f"{number:g}", words, lambda f, a, k, n=number: f(a[0], a[1], n)
    yield "mean", "{} writes the mean", lambda f, a, k: f(a[0], a[1], a[0][a[1]].mean())
    yield "left out", "{} is left out", lambda f, a, k: None


def _other_draws() -> Iterator[_Entry]:
    """`torch.randn(shape)`: from elsewhere, or fewer numbers."""
    yield "uniform", "{} is uniform (rand), not normal", lambda f, a, k: torch.rand(*a, **k)
    yield "left out", "{} is left out (0)", lambda f, a, k: torch.zeros(*a)
    yield (
        "once for images",
        "{} is made once for all images",
        lambda f, a, k: f(_shape(a)[1:], **k).expand(_shape(a)),
    )
    yield (
        "once for channels",
        "{} is made once for all channels",
        lambda f, a, k: f((_shape(a)[0], 1, *_shape(a)[2:]), **k).expand(_shape(a)),
    )


def _followed_by(call: Call) -> Iterator[_Entry]:
    """The step as it is, and then something more; of a selection only which images it takes.

    (A ReLU after `F[n]` is a ReLU of F, and that is said of the argument.)
    """
    changes = (
        ("then relu", "{} is followed by a ReLU", torch.relu),
        ("then abs", "{} is followed by an absolute value", torch.abs),
        ("then neg", "{} gets a minus sign", torch.neg),
        ("then first for all", "{} is that of the first image for all", _first_for_all),
        ("then mean for all", "{} is averaged over the images", _mean_for_all),
        ("then sum for all", "{} is added up over the images", lambda y: _mean_for_all(y) * len(y)),
        ("then softmax", "{} is followed by a softmax over axis 1", lambda y: _wide(y).softmax(1)),
        (
            "then softmax 0",
            "{} is followed by a softmax over axis 0",
            lambda y: _several(y).softmax(0),
        ),
        ("then sum over places", "{} is added up over the last two axes", _sum_over_places),
        ("then sigmoid", "{} is followed by a sigmoid", torch.sigmoid),
        ("then minmax", "{} is scaled to [0, 1]", _minmax),
        ("then / sum", "{} is divided by its sum over axis 1", lambda y: _wide(y) / y.sum(1, True)),
        ("then clamp", "{} is cut to [0, 1]", lambda y: y.clamp(0, 1)),
        ("then square", "{} is squared", torch.square),
        ("then sqrt", "{} is followed by a square root", torch.sqrt),
        ("then 1 -", "{} is subtracted from 1", lambda y: 1 - y),
    )
    selects = _name(call) == "__getitem__"
    for name, words, change in changes:
        if selects and not name.endswith("for all"):
            continue
        yield name, words, lambda f, a, k, change=change: _if_float(change, f(*a, **k))


# ------------------------------------------------------------------ the named parts


class Unsuitable(Exception):
    """The change does not fit this step."""


def _if_float(change: Callable[[Tensor], Tensor], value: Any) -> Tensor:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise Unsuitable
    return change(value)


def _like(right: Tensor, part: Any) -> Tensor:
    """One operand in the shape of the right result; its own shape where that does not fit."""
    part = torch.as_tensor(part, dtype=right.dtype)
    try:
        return part.expand_as(right)
    except RuntimeError:
        return part


def _shape(args: tuple[Any, ...]) -> tuple[int, ...]:
    """Of `torch.randn(2, 3)` and `torch.randn((2, 3))`."""
    return tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else args


def _several(y: Tensor) -> Tensor:
    """Axis 0 has several places."""
    if y.dim() < 1 or len(y) < 2:
        raise Unsuitable
    return y


def _wide(y: Tensor) -> Tensor:
    """Axis 1 has several places."""
    if y.dim() < 2 or y.shape[1] < 2:
        raise Unsuitable
    return y


def _first_for_all(y: Tensor) -> Tensor:
    return y[:1].expand_as(y)


def _mean_for_all(y: Tensor) -> Tensor:
    return y.mean(0, keepdim=True).expand_as(y)


def _sum_over_places(y: Tensor) -> Tensor:
    if y.dim() < 3 or y.shape[-2:].numel() == 1:
        raise Unsuitable
    return y.sum((-2, -1), keepdim=True).expand_as(y)


def _minmax(y: Tensor) -> Tensor:
    axes = tuple(range(1, y.dim()))
    low, high = y.amin(axes, keepdim=True), y.amax(axes, keepdim=True)
    return (y - low) / torch.where(high > low, high - low, torch.ones_like(high))
