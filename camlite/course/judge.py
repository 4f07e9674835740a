"""Compare what an answer showed with what the right one shows, and say what went wrong.

The order: not written yet; a wrong answer that the exercise knows, with the same results in all
cases; an error; a mistake found by search, or a known one that fits in some cases; else what the
first wrong case shows. No sentence is said that could be untrue of the code: where the cause is
not known, only what was seen is said.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from torch import Generator, Tensor, nn

from camlite.course.exercises import Answer, Case, Exercise
from camlite.course.mistakes import Search, evidence, special
from camlite.course.observe import (
    ABOUT_THE_CALL,
    NOTHING,
    Observation,
    Value,
    close,
    differing,
    observe,
)
from camlite.course.plain_errors import meaning

SHOWN = 6  # values of a result in a message
STUBS = ("NotImplementedError: Exercise", "NotImplementedError:\n")  # torch raises it too
EARLIER = re.compile(r"NotImplementedError: Exercise (?P<id>\d+\.\d+): (?P<name>\w+)")
ENOUGH_FOR_SOME = 6  # different numbers that must agree where a mistake shows in some cases only
IN_THIS_CASE = "In this case you get what a known mistake gives."

Pair = tuple[Observation, Observation]  # what was expected in a case, and what was seen


@dataclass(frozen=True)
class Verdict:
    """The result of one exercise. `status` is passed, wrong, error or todo.

    `without_values` is the message where the inputs stay hidden: no call, no results.
    """

    id: str
    name: str
    status: str
    diagnosis: str | None
    message: str
    without_values: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """For `--json`."""
        return {k: v for k, v in asdict(self).items() if k != "without_values"}


def judge(exercise: Exercise, seen: list[Observation], seed: int) -> Verdict:
    """The verdict on an answer of which `seen` was seen on the cases of `seed`."""

    def verdict(
        status: str, *lines: str, hidden: Collection[str] = (), diagnosis: str | None = None
    ) -> Verdict:
        shown = [line for line in lines if line not in hidden]
        texts = ("\n".join(each).encode("utf-8", "replace").decode() for each in (lines, shown))
        return Verdict(exercise.id, exercise.name, status, diagnosis, *texts)  # can be printed

    if is_stub(seen):
        return verdict("todo", _not_written(exercise, seen))
    assert exercise.right is not None, f"exercise {exercise.id} has no reference"
    cases = exercise.draw_cases(seed)
    pairs = list(zip(_observed(exercise, exercise.right, seed), seen, strict=True))
    wrong = [i for i, pair in enumerate(pairs) if not _agree(*pair, exercise.rtol)]
    if not wrong:
        return verdict("passed", f"{len(cases)} cases, all right.")
    cause = _cause(exercise, cases, pairs, wrong, seed)
    want, got = pairs[cause.case]
    right = len(cases) - len(wrong)
    values = [f"Called {_call(exercise.name, cases[cause.case])}", *_both(want, got, exercise)]
    return verdict(
        "error" if got.error and not cause.diagnosis else "wrong",
        f"Case: {cases[cause.case].says}.",
        *values,
        cause.sentence,
        *([f"{right} of {len(cases)} cases {_are(right)} right."] if right else []),
        hidden=values,
        diagnosis=cause.diagnosis,
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


@dataclass(frozen=True)
class _Cause:
    """What is said, of which case; the diagnosis is None where only what was seen is said."""

    case: int
    sentence: str
    diagnosis: str | None = None


def _cause(
    exercise: Exercise, cases: list[Case], pairs: list[Pair], wrong: list[int], seed: int
) -> _Cause:
    first, fits = wrong[0], _known_wrong_answers(exercise, cases, pairs, wrong, seed)
    if fits and fits[0].everywhere:
        return _Cause(first, fits[0].sentence, fits[0].name)
    if pairs[first][1].error:
        return _error_clue(first, *pairs[first])
    if not fits and all(pairs[i][0].error for i in wrong):
        return _clue(first, pairs, exercise)
    found = Search(exercise, cases, [w for w, _ in pairs], [g for _, g in pairs]).found()
    if found and (found.everywhere or not fits or len(found.wrong_cases) > len(fits[0].cases)):
        some = "" if len(found.wrong_cases) == len(wrong) else "In this case: "
        sentence = exercise.taught.get(found.name, found.sentence)
        return _Cause(found.wrong_cases[0], some + sentence, f"found: {found.name}")
    if fits:
        return _Cause(fits[0].cases[0], f"{IN_THIS_CASE} {fits[0].sentence}", fits[0].name)
    return _clue(first, pairs, exercise)


def is_stub(seen: list[Observation]) -> bool:
    """Whether the line that every exercise begins with was reached."""
    return any(f"{s.detail}\n".startswith(STUBS) for s in seen)


def _not_written(exercise: Exercise, seen: list[Observation]) -> str:
    """Which function is not written yet: an answer may call one of an earlier exercise."""
    stubs = (EARLIER.match(s.detail) for s in seen)
    earlier = next((stub for stub in stubs if stub and stub["id"] != exercise.id), None)
    if earlier:
        return (
            f"{exercise.name} calls {earlier['name']} ({earlier['id']}), which is not written yet. "
            f"Write {earlier['name']} first."
        )
    return f"{exercise.name} is not written yet. Replace the line that raises NotImplementedError."


def _agree(want: Observation, got: Observation, rtol: float) -> bool:
    if want.error or got.error:
        return want.error == got.error
    return list(want.parts) == list(got.parts) and all(
        close(want.parts[name], got.parts[name], rtol) for name in want.parts
    )


@lru_cache(maxsize=1024)  # the wrong answers of several exercises, each for two seeds
def _observed(exercise: Exercise, answer: Answer, seed: int) -> list[Observation]:
    """What the exercise's own answers show; many answers may be judged with one seed."""
    return observe(exercise, answer, seed)


@dataclass(frozen=True)
class _Fit:
    """A known wrong answer, and the wrong cases in which it shows the same."""

    name: str
    sentence: str
    cases: list[int]
    everywhere: bool


def _known_wrong_answers(
    exercise: Exercise, cases: list[Case], pairs: list[Pair], wrong: list[int], seed: int
) -> list[_Fit]:
    """Those that show the same in some wrong case; the one that does so most often is first.

    Where both only stop with errors, these must say the same: many mistakes end in a ValueError.
    """
    fits = []
    seen = [got for _, got in pairs]
    for known in exercise.wrong_answers:
        theirs = _observed(exercise, known.answer, seed)
        same = [_agree(t, s, exercise.rtol) for t, s in zip(theirs, seen, strict=True)]
        errors = [[o.detail.split("\n")[0] for o in each] for each in (theirs, seen)]
        if all(same) and (errors[0] == errors[1] or not all(o.error for o in seen)):
            return [_Fit(known.name, known.sentence, wrong, True)]
        some = [i for i in wrong if same[i] and not seen[i].error and not special(cases[i])]
        if sum(evidence(seen[i].parts, pairs[i][0].parts) for i in some) >= ENOUGH_FOR_SOME:
            fits.append(_Fit(known.name, known.sentence, some, False))
    return sorted(fits, key=lambda fit: -len(fit.cases))


# ------------------------------------------------------------------ what is said


def _both(want: Observation, got: Observation, exercise: Exercise) -> list[str]:
    """Expected and yours, side by side, for the first part that differs."""
    asked = [f"  expected  {want.error}"] if want.error else []
    if got.error:
        return [*asked, f"  yours     {got.detail}"]
    name = _first_difference(want, got, exercise.rtol)
    if want.error or name is None:
        return asked
    label = "" if name == "result" else f"{name}: "
    w, g = want.parts.get(name), got.parts.get(name)
    start = 0
    if isinstance(w, np.ndarray) and isinstance(g, np.ndarray) and w.shape == g.shape:
        at = int(differing(w, g, exercise.rtol).reshape(-1).argmax())
        start = at if at >= SHOWN else 0  # else the first values show it
    shown = _show(g, start) if g is not None else _container(name, got)
    return [f"  expected  {label}{_show(w, start)}", f"  yours     {label}{shown}"]


def _first_difference(want: Observation, got: Observation, rtol: float) -> str | None:
    for name in want.parts:
        if name not in got.parts or not close(want.parts[name], got.parts[name], rtol):
            return name
    return next((name for name in got.parts if name not in want.parts), None)


def _error_clue(first: int, want: Observation, got: Observation) -> _Cause:
    """The answer stopped, and should not have, or with another error."""
    if not want.error:
        return _Cause(first, f"Your code stopped with {got.error}. {meaning(got.detail)}".rstrip())
    words = f"Here {want.error} is asked for, and your code stopped with {got.error}."
    return _Cause(first, words, "found: another error")


def _clue(first: int, pairs: list[Pair], exercise: Exercise) -> _Cause:
    """What the first wrong case shows; a mistake has a name where it can be only this one."""
    want, got = pairs[first]
    if want.error:
        words = f"Here {want.error} is asked for, and your code did not stop: raise {want.error}."
        return _Cause(first, words, "found: no error")
    if joined := _joined_clue(first, pairs, exercise):
        return joined
    name = _first_difference(want, got, exercise.rtol) or ""
    w, g = want.parts.get(name), got.parts.get(name)
    if name == "side effects":
        return _Cause(
            first,
            "The result is right, but your code changed something it should leave as it was.",
            "found: side effects",
        )
    if name == "second call":
        return _Cause(
            first,
            "A second call with the same arguments gave another result: is something left over "
            "from the first, or drawn at random?",
            "found: second call",
        )
    if isinstance(g, str) and g == NOTHING and not (isinstance(w, str) and w == NOTHING):
        return _Cause(first, "Did you forget the return?", "found: no return")
    if _lost_numbers(w, g):
        return _Cause(
            first,
            "Your result holds NaN or infinite values: is there a division by zero?",
            "found: not finite",
        )
    if name in exercise.parts_taught:
        return _Cause(first, exercise.parts_taught[name], f"found: part {name}")
    return _Cause(first, _observation(first, name, pairs, exercise))


def _joined_clue(first: int, pairs: list[Pair], exercise: Exercise) -> _Cause | None:
    """A list or tuple where one array is asked for: one item is right, or all of them stacked."""
    want, got = pairs[first]
    name = _first_difference(want, got, exercise.rtol) or ""
    w = want.parts.get(name)
    if not isinstance(w, np.ndarray) or f"length of {name}" not in got.parts:
        return None
    items = {n: v for n, v in got.parts.items() if n.startswith(f"{name}[")}
    for n, item in items.items():
        if close(w, item, exercise.rtol):
            words = f"{n} is right. Give back this value alone, not in a list or tuple."
            return _Cause(first, words, "found: in a list")
    arrays = [v for v in items.values() if isinstance(v, np.ndarray)]
    if not arrays or len(arrays) < len(items) or len({a.shape for a in arrays}) > 1:
        return None
    for axis in range(arrays[0].ndim + 1):
        if close(w, np.stack(arrays, axis), exercise.rtol):
            words = f"The values are right, but in a list: torch.stack(…, dim={axis}) joins them."
            return _Cause(first, words, "found: not stacked")
    return None


def _lost_numbers(want: Value | None, got: Value | None) -> bool:
    """Whether NaN or an infinite value stands where a number was expected."""
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray):
        return False
    return want.shape == got.shape and bool((np.isfinite(want) & ~np.isfinite(got)).any())


def _observation(first: int, name: str, pairs: list[Pair], exercise: Exercise) -> str:
    """In what the two differ, where the cause is not known."""
    want, got = pairs[first]
    w, g = want.parts.get(name), got.parts.get(name)
    if g is None or w is None:
        return "The result is not built as asked: compare it with the text of the exercise."
    if isinstance(w, str) or isinstance(g, str):
        both = isinstance(w, str) and isinstance(g, str)  # a part in words says what is wrong
        return f"Look at: {name}." if both else "This is not the kind of result asked for."
    if w.shape != g.shape:
        return _shape_clue(w.shape, g.shape)
    if g.dtype.kind == "c" and w.dtype.kind != "c":
        return "Your result holds complex numbers. Real ones are asked for."
    return _factor_clue(first, name, pairs) or _formula_clue(name, want, got, exercise)


def _shape_clue(want: tuple[int, ...], got: tuple[int, ...]) -> str:
    if sorted(want) == sorted(got):
        return "The sizes of the axes are right, their order is not."
    if len(want) != len(got):
        more = len(got) - len(want)
        ones = [n for n in want if n != 1] == [n for n in got if n != 1]
        count = "one axis" if abs(more) == 1 else f"{abs(more)} axes"
        size = " of size 1" if ones else ""
        return f"The shape is not right: {count}{size} too {'many' if more > 0 else 'few'}."
    axis = next(i for i in range(len(want)) if want[i] != got[i])
    return f"The shape is not right: axis {axis} has size {got[axis]}, not {want[axis]}."


def _factor_clue(first: int, name: str, pairs: list[Pair]) -> str | None:
    """One factor between all values, said of this case, or of all if it is the same in all."""
    ratios = [_constant_ratio(want.parts.get(name), got.parts.get(name)) for want, got in pairs]
    factor = ratios[first]
    if factor is None:
        return None
    if abs(factor) < 1e-6:
        return "Your result is zero, or nearly so, everywhere in this case."
    if np.isclose(factor, 1, rtol=1e-3):
        return None  # nearly right
    everywhere = all(r is not None and np.isclose(r, factor, rtol=1e-3) for r in ratios)
    where = "everywhere" if everywhere else "in this case"
    return f"Your result is {factor:.4g} times the right one, {where}. Why that factor?"


def _constant_ratio(want: Value | None, got: Value | None) -> float | None:
    if not isinstance(want, np.ndarray) or not isinstance(got, np.ndarray):
        return None
    if want.shape != got.shape or not (want.dtype.kind in "biuf" and got.dtype.kind in "biuf"):
        return None
    w, g = want.astype(float), got.astype(float)
    largest = np.abs(w).max(initial=0.0)
    used = np.abs(w) > 1e-3 * largest
    if not np.isfinite(largest) or used.sum() < 2:
        return None
    ratio = float((g[used] / w[used]).flat[0])
    return ratio if np.allclose(g, ratio * w, rtol=1e-3, atol=1e-6 * largest) else None


def _formula_clue(name: str, want: Observation, got: Observation, exercise: Exercise) -> str:
    right = [
        n
        for n in want.parts
        if n not in ABOUT_THE_CALL
        and n in got.parts
        and close(want.parts[n], got.parts[n], exercise.rtol)
    ]
    begin = f"{', '.join(right[:3])}: right. {name}: not yet." if right else ""
    value = got.parts.get(name)
    single = isinstance(value, np.ndarray) and value.ndim == 0
    begin = begin or (
        "The value is not right." if single else "The shape is right, the values are not."
    )
    return f"{begin} The formula: {exercise.formula}"


# ------------------------------------------------------------------ values and calls in words


def _show(value: Value | None, start: int = 0) -> str:
    if value is None:
        return "(missing)"
    if isinstance(value, str):
        return value if len(value) <= 300 else f"{value[:300]}…"
    if value.ndim == 0:
        return f"{value.item():.6g}" if value.dtype.kind in "fc" else str(value.item())
    numbers = ", ".join(f"{v:.4g}" for v in value.reshape(-1)[start : start + SHOWN].tolist())
    at = [int(i) for i in np.unravel_index(start, value.shape)] if start else []
    where = f" from {at}" if at else ""
    more = ", …" if value.size > start + SHOWN else ""
    return f"shape {tuple(value.shape)}{where}: {numbers}{more}"


def _container(name: str, got: Observation) -> str:
    """What stands where one value was expected: its items are parts of their own."""
    if f"length of {name}" in got.parts:
        return f"a list or tuple of {got.parts[f'length of {name}']}"
    if f"keys of {name}" in got.parts:
        return f"a dict with the keys {_show(got.parts[f'keys of {name}'])}"
    return "(missing)"


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
    if isinstance(value, Generator):
        return f"generator with seed {value.initial_seed()}"
    if callable(value):
        return getattr(value, "__name__", "f")
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "…"
