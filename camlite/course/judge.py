"""Compare what an answer showed with what the right one shows, and say what went wrong.

The order of the sentences: not written yet; an error; a part of another kind or shape; NaN; a
known wrong answer; a constant factor; else the first part that differs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from torch import Tensor, nn

from camlite.course.exercises import Case, Exercise
from camlite.course.observe import Sight, Value, observe

SHOWN = 6  # values of a result in a message
STUBS = ("NotImplementedError: Exercise", "NotImplementedError:\n")  # torch raises it too


@dataclass(frozen=True)
class Verdict:
    """The result of one exercise. `status` is passed, wrong, error or todo."""

    id: str
    name: str
    status: str
    diagnosis: str | None
    message: str

    def as_dict(self) -> dict[str, str | None]:
        """For `--json`."""
        return asdict(self)


def judge(exercise: Exercise, sights: list[Sight], seed: int) -> Verdict:
    """The verdict on an answer that showed `sights` on the cases of `seed`."""

    def verdict(status: str, message: str, diagnosis: str | None = None) -> Verdict:
        return Verdict(exercise.id, exercise.name, status, diagnosis, message)

    if any(f"{s.detail}\n".startswith(STUBS) for s in sights):
        return verdict(
            "todo",
            f"{exercise.name} is not written yet. Replace the line that raises "
            "NotImplementedError.",
        )
    assert exercise.right is not None, f"exercise {exercise.id} has no reference"
    cases = exercise.draw_cases(seed)
    expected = observe(exercise, exercise.right, seed)
    differing = [
        i
        for i, (e, s) in enumerate(zip(expected, sights, strict=True))
        if not _agree(e, s, exercise.rtol)
    ]
    if not differing:
        return verdict("passed", f"{len(cases)} cases, all right.")
    first = differing[0]
    case, want, got = cases[first], expected[first], sights[first]
    call = f"Case: {case.says}.\nCalled {_call(exercise.name, case)}"
    known = _known_wrong_answer(exercise, sights, seed)
    if known is not None:
        sentence = next(w.sentence for w in exercise.wrong_answers if w.name == known)
        return verdict("wrong", "\n".join([call, *_both(want, got, exercise), sentence]), known)
    if got.error:
        return verdict("error", f"{call}\nYour code stopped with {got.detail}")
    clue = _clue(want, got, exercise)
    return verdict("wrong", "\n".join([call, *_both(want, got, exercise), clue]))


def _agree(want: Sight, got: Sight, rtol: float) -> bool:
    if want.error or got.error:
        return want.error == got.error
    return list(want.parts) == list(got.parts) and all(
        _close(want.parts[name], got.parts[name], rtol) for name in want.parts
    )


def _close(want: Value, got: Value, rtol: float) -> bool:
    if isinstance(want, str) or isinstance(got, str):
        return isinstance(want, str) and isinstance(got, str) and want == got
    if want.shape != got.shape:
        return False
    if want.size == 0:
        return True
    finite = want[np.isfinite(want)] if want.dtype.kind == "f" else want
    largest = float(np.abs(finite.astype(float)).max()) if finite.size else 0.0
    return bool(
        np.allclose(
            got.astype(float),
            want.astype(float),
            rtol=0,
            atol=rtol * largest + 1e-7,
            equal_nan=True,
        )
    )


def _known_wrong_answer(exercise: Exercise, sights: list[Sight], seed: int) -> str | None:
    """The name of the wrong answer that shows the same on all cases."""
    for wrong in exercise.wrong_answers:
        theirs = observe(exercise, wrong.answer, seed)
        if all(_agree(t, s, exercise.rtol) for t, s in zip(theirs, sights, strict=True)):
            return wrong.name
    return None


def _first_difference(want: Sight, got: Sight, rtol: float) -> str | None:
    for name in want.parts:
        if name not in got.parts or not _close(want.parts[name], got.parts[name], rtol):
            return name
    return next((name for name in got.parts if name not in want.parts), None)


def _both(want: Sight, got: Sight, exercise: Exercise) -> list[str]:
    """Expected and yours, side by side, for the first part that differs."""
    if got.error or want.error:
        return [f"  yours     {got.detail}"] if got.error else []
    name = _first_difference(want, got, exercise.rtol)
    if name is None:
        return []
    label = "" if name == "result" else f"{name}: "
    expected = want.parts.get(name)
    yours = got.parts.get(name)
    start = _first_wrong_value(expected, yours, exercise.rtol)
    return [
        f"  expected  {label}{_show(expected, start)}",
        f"  yours     {label}{_show(yours, start)}",
    ]


def _first_wrong_value(want: Value | None, got: Value | None, rtol: float) -> int:
    """Where to begin to show the values: at the first that is not right, if the shapes agree."""
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray):
        return 0
    if want.shape != got.shape or want.ndim == 0:
        return 0
    w, g = want.reshape(-1).astype(float), got.reshape(-1).astype(float)
    wrong = ~np.isclose(g, w, rtol=0, atol=rtol * np.abs(w).max(initial=0.0) + 1e-7)
    first = int(wrong.argmax())
    return first if first >= SHOWN else 0


def _clue(want: Sight, got: Sight, exercise: Exercise) -> str:
    name = _first_difference(want, got, exercise.rtol)
    w, g = want.parts.get(name or ""), got.parts.get(name or "")
    if name == "side effects":
        return "The result is right, but your code changed something it should leave as it was."
    if name == "second call":
        return "A second call with the same arguments gave another result: something is left over."
    if isinstance(g, str):
        if "None" in g:
            return "Did you forget the return?"
        is_text = isinstance(w, str)  # a part in words says itself what is wrong
        return f"Look at: {name}." if is_text else "This is not the kind of result asked for."
    if isinstance(w, str) or w is None or g is None:
        return "The result is not built as asked: compare it with the text of the exercise."
    if w.shape != g.shape:
        if sorted(w.shape) == sorted(g.shape):
            return "The numbers of axes are right, their order is not."
        return "The shape is not right: look at which axes the formula sums over."
    if not np.isfinite(g.astype(float)).all():
        return "Your result holds NaN or infinite values: is there a division by zero?"
    right_parts = [
        n
        for n in want.parts
        if n != name
        and n not in ("side effects", "second call")
        and n in got.parts
        and _close(want.parts[n], got.parts[n], exercise.rtol)
    ]
    factor = _constant_ratio(w.astype(float), g.astype(float))
    if factor is not None:
        return f"Your result is {factor:.4g} times the right one, everywhere. Why that factor?"
    if right_parts:
        return (
            f"{', '.join(right_parts[:3])}: right. {name}: not yet. The formula: {exercise.formula}"
        )
    return f"The shape is right, the values are not. The formula: {exercise.formula}"


def _constant_ratio(want: np.ndarray, got: np.ndarray) -> float | None:
    used = np.abs(want) > 1e-3 * max(np.abs(want).max(initial=0.0), 1e-12)
    if used.sum() < 2:
        return None
    ratio = got[used] / want[used]
    constant = np.allclose(ratio, ratio.flat[0], rtol=1e-3) and np.allclose(
        got, ratio.flat[0] * want, atol=1e-6
    )
    return float(ratio.flat[0]) if constant else None


def _show(value: Value | None, start: int = 0) -> str:
    if value is None:
        return "(missing)"
    if isinstance(value, str):
        return value
    if value.ndim == 0:
        return f"{value.item():.6g}" if value.dtype.kind == "f" else str(value.item())
    numbers = ", ".join(f"{v:.4g}" for v in value.reshape(-1)[start : start + SHOWN])
    at = [int(i) for i in np.unravel_index(start, value.shape)] if start else []
    where = f" from {at}" if at else ""
    more = ", …" if value.size > start + SHOWN else ""
    return f"shape {tuple(value.shape)}{where}: {numbers}{more}"


def _call(name: str, case: Case) -> str:
    shown = [_argument(a) for a in case.args] + [
        f"{k}={_argument(v)}" for k, v in case.kwargs.items()
    ]
    return f"{name}({', '.join(shown)})"


def _argument(value: object) -> str:
    if isinstance(value, Tensor):
        if value.numel() > 4 or value.dim() > 1:
            return f"tensor{tuple(value.shape)}"
        numbers = [f"{v:.4g}" for v in value.flatten().tolist()]
        return numbers[0] if value.dim() == 0 else f"[{', '.join(numbers)}]"
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    if isinstance(value, nn.Module):
        return type(value).__name__
    if callable(value):
        return getattr(value, "__name__", "f")
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
