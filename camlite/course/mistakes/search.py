"""Which change of the right answer shows what the learner's answer showed?

All single changes are tried on the first wrong case, then on the next; then pairs, in order of
likelihood, until the time is over. What fits has to fit in numbers enough that it is no accident.
"""

from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, zip_longest
from typing import Any

import numpy as np
from torch import Tensor

from camlite.course.exercises import Case, Exercise
from camlite.course.mistakes.arguments import ArgumentChange, argument_changes
from camlite.course.mistakes.results import ResultChange, likely_changes, result_changes
from camlite.course.mistakes.steps import Steps
from camlite.course.observe import ABOUT_THE_CALL, Observation, Value, close, observe, results

SECONDS = 0.5  # of processor time, for single changes, and as much again for pairs
MANY = 2000  # operations: of a longer formulation not every case is looked at
ENOUGH, ENOUGH_FOR_TWO = 3, 6  # different numbers that must agree

Parts = dict[str, Value]


@dataclass(frozen=True)
class Found:
    """A change that gives the learner's results in some wrong cases."""

    name: str
    sentence: str
    wrong_cases: tuple[int, ...]
    everywhere: bool  # it gives the learner's results in all cases, right or wrong


@dataclass(frozen=True)
class _Candidate:
    """`fits(i)`: how many different numbers of case i agree, 0 where it does not fit."""

    name: str
    sentence: str
    fits: Callable[[int], float]
    changes: int = 1


@dataclass(frozen=True)
class _Run:
    """A right answer with a change inside or before it."""

    name: str
    words: str
    right: Callable[..., Any]
    change: Callable[[Callable[..., Any]], Callable[..., Any]]
    rank: int = 0

    @property
    def answer(self) -> Callable[..., Any]:
        """What makes the mistake."""
        return self.change(self.right)


class Search:
    """The search for one answer."""

    def __init__(
        self,
        exercise: Exercise,
        cases: list[Case],
        expected: list[Observation],
        seen: list[Observation],
    ) -> None:
        self.exercise, self.cases = exercise, cases
        self.want = [_results(o) for o in expected]
        self.got = [_results(o) for o in seen]
        rtol = exercise.rtol
        self.wrong = [
            i
            for i, (w, g) in enumerate(zip(self.want, self.got, strict=True))
            if not _same(w, g, rtol)
        ]
        self.shown: dict[tuple[str, Any, int], Parts | None] = {}
        self.given: dict[int, dict[str, Any]] = {}
        self.end = time.thread_time() + SECONDS

    def found(self, seconds: float = SECONDS) -> Found | None:
        """The best explanation of the first wrong case that has one."""
        numeric = [i for i in self.wrong if evidence(self.got[i], self.want[i])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of changes that do not suit the numbers
            for candidates in (self._single, self._pairs):
                self.end = time.thread_time() + seconds
                for i in numeric:
                    if best := self._best(i, candidates(i)):
                        return best
        return None

    def _best(self, i: int, candidates: Iterator[_Candidate]) -> Found | None:
        """Of those that fit in case i the one that fits in most cases; the first of equals."""
        best: tuple[int, ...] = (0, 0, 0)
        found = None
        for candidate in candidates:
            if time.thread_time() > self.end:
                break
            if not candidate.fits(i):
                continue
            counts = {j: candidate.fits(j) for j in self.wrong}
            explained = tuple(j for j in self.wrong if counts[j])
            enough = ENOUGH if candidate.changes == 1 else ENOUGH_FOR_TWO
            if len(explained) < len(self.wrong):
                enough = ENOUGH_FOR_TWO
                counts = {j: n for j, n in counts.items() if not special(self.cases[j])}
            if sum(counts.values()) < enough:
                continue
            rest = [j for j in range(len(self.cases)) if j not in self.wrong]
            everywhere = len(explained) == len(self.wrong) and all(map(candidate.fits, rest))
            taught = candidate.name in self.exercise.taught
            rank = (len(explained), int(everywhere), int(taught))
            if rank > best:
                best = rank
                found = Found(candidate.name, candidate.sentence, explained, everywhere)
            if everywhere and (taught or not self.exercise.taught):
                break
        return found

    # -------------------------------------------------------------- the candidates

    def _single(self, i: int) -> Iterator[_Candidate]:
        yield from self._of_result(i)
        for run in self._runs(i):
            sentence = f"Your result is what the formula gives when {run.words}."
            yield _Candidate(
                run.name, sentence, lambda j, run=run: self._agree(j, self._show(run, j))
            )
        yield from self._times_a_size(i)
        yield from self._missing(i)
        yield from self._of_arguments(i)
        yield from self._some_right(i)

    def _of_result(self, i: int) -> Iterator[_Candidate]:
        subject = self._subject(i)
        for change in result_changes(self._ndim(i)):
            yield _Candidate(
                f"result: {change.name}",
                f"{subject} is the right one, but {change.words}.",
                lambda j, change=change: self._agree(j, self._after(self.want[j], change)),
            )

    def _missing(self, i: int) -> Iterator[_Candidate]:
        """The right result is the learner's after a change: that step is missing."""
        for change in result_changes(_dims(self.got[i].get(self._part(i)))):
            yield _Candidate(
                f"missing: {change.name}",
                f"The right result is yours, {change.words}. Is this step missing?",
                lambda j, change=change: self._agree_after(j, change),
            )

    def _times_a_size(self, i: int) -> Iterator[_Candidate]:
        for label, words in _sizes(self._given(i)):
            for name, phrase, power in (
                (f"* {label}", f"multiplied by {words}", 1),
                (f"/ {label}", f"divided by {words}", -1),
            ):
                yield _Candidate(
                    f"result: {name}",
                    f"{self._subject(i)} is the right one, but {phrase}.",
                    lambda j, label=label, power=power: self._agree_times(j, label, power),
                )

    def _of_arguments(self, i: int) -> Iterator[_Candidate]:
        """The result is an argument, or a product of two, after some change or none."""
        subject = self._subject(i)
        for name, pick in _bases(self._given(i)):
            base = _array(pick(self._given(i)))
            if base is None:
                continue
            yield _Candidate(name, f"{subject} is {name} itself.", self._base_fits(pick, None))
            for change in result_changes(base.ndim):
                yield _Candidate(
                    f"{name}: {change.name}",
                    f"{subject} is {name}, {change.words}.",
                    self._base_fits(pick, change),
                )

    def _some_right(self, i: int) -> Iterator[_Candidate]:
        """Along one axis only the first is right, or only the last, or all but one of these."""
        for axis in range(self._ndim(i)):
            what = f"place along axis {axis}"
            for name, words, right in (
                ("only first right", f"Only the first {what} is right.", lambda n: [0]),
                ("only last right", f"Only the last {what} is right.", lambda n: [n - 1]),
                ("first wrong", f"Only the first {what} is wrong.", lambda n: range(1, n)),
                ("last wrong", f"Only the last {what} is wrong.", lambda n: range(n - 1)),
            ):
                yield _Candidate(
                    f"{name}, axis {axis}",
                    words,
                    lambda j, axis=axis, right=right: self._right_at(j, axis, right),
                )

    def _pairs(self, i: int) -> Iterator[_Candidate]:
        taught = self.exercise.taught
        runs = sorted(self._runs(i), key=lambda run: -1 if run.name in taught else run.rank)
        likely = likely_changes(self._ndim(i))
        yield from self._result_twice(i, likely)
        yield from self._known_and_more(i, likely)
        yield from _by_turns(
            (self._run_then(run, change) for run in runs for change in likely),
            (self._two_runs(a, b) for a, b in _likely_pairs(runs)),
        )

    def _result_twice(self, i: int, likely: tuple[ResultChange, ...]) -> Iterator[_Candidate]:
        subject = self._subject(i)
        for first in likely:
            for second in likely:
                if first is not second:
                    yield _Candidate(
                        f"result: {first.name}, {second.name}",
                        f"{subject} is the right one, but {first.words}, and then {second.words}.",
                        lambda j, a=first, b=second: self._agree(
                            j, self._after(self._after(self.want[j], a), b)
                        ),
                        changes=2,
                    )

    def _known_and_more(self, i: int, likely: tuple[ResultChange, ...]) -> Iterator[_Candidate]:
        """A wrong answer that the exercise knows, with a change before or after it."""
        for known in self.exercise.wrong_answers:
            alone = _Run(f"known: {known.name}", "", known.answer, _unchanged)
            for change in likely:
                yield _Candidate(
                    f"{known.name}, result: {change.name}",
                    f"{known.sentence} And then your result is {change.words}.",
                    lambda j, a=alone, c=change: self._agree(j, self._after(self._show(a, j), c)),
                    changes=2,
                )
            if not inspect.isfunction(known.answer):
                continue
            for more in argument_changes(self._given(i), {}):
                run = _Run(f"{known.name}, {more.name}", "", known.answer, _arguments_first(more))
                yield _Candidate(
                    run.name,
                    f"{known.sentence} And besides, {more.words}.",
                    lambda j, run=run: self._agree(j, self._show(run, j)),
                    changes=2,
                )

    def _run_then(self, run: _Run, change: ResultChange) -> _Candidate:
        return _Candidate(
            f"{run.name}, result: {change.name}",
            f"Your result is what the formula gives when {run.words}, but {change.words}.",
            lambda j: self._agree(j, self._after(self._show(run, j), change)),
            changes=2,
        )

    def _two_runs(self, a: _Run, b: _Run) -> _Candidate:
        """Both changes of one right answer: of the one that has the step that is changed."""
        reference = self._formulations[0][0]
        right = b.right if a.right is reference else a.right
        both = _Run(
            f"{a.name}, {b.name}",
            f"{a.words}, and {b.words}",
            right,
            lambda answer: a.change(b.change(answer)),
        )
        return _Candidate(
            both.name,
            f"Your result is what the formula gives when {both.words}.",
            lambda j: self._agree(j, self._show(both, j)),
            changes=2,
        )

    # -------------------------------------------------------------- the right answer, changed

    def _runs(self, i: int) -> list[_Run]:
        """The right answer with one argument or one step changed."""
        return [*self._argument_runs(i), *self._step_runs]

    def _argument_runs(self, i: int) -> list[_Run]:
        right = self._formulations[0][0]
        if not inspect.isfunction(right):
            return []
        return [
            _Run(c.name, c.words, right, _arguments_first(c), c.rank)
            for c in argument_changes(self._given(i), _defaults(right))
        ]

    @cached_property
    def _step_runs(self) -> list[_Run]:
        """Every right formulation has steps of its own."""
        return [
            _Run(c.name, c.words, right, c.inside, c.rank)
            for right, steps in self._formulations
            for c in steps.changes()
        ]

    @cached_property
    def _formulations(self) -> list[tuple[Callable[..., Any], Steps]]:
        """The right answers and their steps, those with the fewest operations first."""
        found: list[tuple[Callable[..., Any], Steps]] = []
        for right in (self.exercise.right, *self.exercise.accepted):
            assert right is not None
            steps = Steps(right)
            for case in self.cases:  # a step may be taken in some cases only
                if steps.operations > MANY or (found and time.thread_time() > self.end):
                    break
                results(self.exercise, steps.watched, case)
            if steps.operations or right is self.exercise.right:
                found.append((right, steps))
        return sorted(found, key=lambda one: one[1].operations)

    def _show(self, run: _Run, j: int) -> Parts | None:
        key = run.name, run.right, j  # formulations have steps of the same name
        if key not in self.shown:
            self.shown[key] = results(self.exercise, run.answer, self.cases[j])
        return self.shown[key]

    def _given(self, i: int) -> dict[str, Any]:
        """The arguments by the names of the right answer."""
        if i not in self.given:
            case = self.cases[i]
            self.given[i] = _bound(self.exercise.right, case.args, case.kwargs)
        return self.given[i]

    # -------------------------------------------------------------- what agrees

    @cached_property
    def _wrong_parts(self) -> list[str]:
        """The names of the parts that differ in some wrong case, in order."""
        names: dict[str, None] = {}
        for i in self.wrong:
            for name, value in self.want[i].items():
                if not _quickly(value, self.got[i].get(name, ""), self.exercise.rtol):
                    names[name] = None
        return list(names)

    def _part(self, i: int) -> str:
        """The first of these in case i."""
        return next((n for n in self._wrong_parts if n in self.got[i]), "")

    def _subject(self, i: int) -> str:
        part = self._part(i)
        return "Your result" if part.startswith("result") else f"The part {part!r} of your result"

    def _ndim(self, i: int) -> int:
        return _dims(self.want[i].get(self._part(i)))

    def _after(self, parts: Parts | None, change: ResultChange) -> Parts | None:
        """The parts after a change of those that the learner has wrong somewhere."""
        made = {}
        for name, value in (parts or {}).items():
            made[name] = value
            if name in self._wrong_parts:
                array = _array(value)
                changed = None if array is None else _applied(change, array)
                if changed is None:
                    return None
                made[name] = changed
        return made or None

    def _agree(self, j: int, made: Parts | None) -> float:
        if made is None or not _same(made, self.got[j], self.exercise.rtol):
            return 0
        return max(evidence(self.got[j], self.want[j]), 1 if j not in self.wrong else 0)

    def _agree_after(self, j: int, change: ResultChange) -> float:
        """Whether the learner's parts are right after a change."""
        made = self._after(self.got[j], change)
        if made is None or not _same(self.want[j], made, self.exercise.rtol):
            return 0
        return max(evidence(self.want[j], self.got[j]), 1 if j not in self.wrong else 0)

    def _agree_times(self, j: int, label: str, power: int) -> float:
        size = dict(_size_values(self._given(j))).get(label)
        if size is None or size == 1:
            return 0
        times = ResultChange("", "", lambda a: a * float(size) ** power)
        return self._agree(j, self._after(self.want[j], times))

    def _base_fits(self, pick: Any, change: ResultChange | None) -> Callable[[int], float]:
        def fits(j: int) -> float:
            if list(self.got[j]) != ["result"]:
                return 0
            try:  # two arguments that have one shape in one case may not in another
                base = _array(pick(self._given(j)))
            except (RuntimeError, ValueError, TypeError):
                return 0
            if base is None:
                return 0
            made = base if change is None else _applied(change, base)
            return 0 if made is None else self._agree(j, {"result": made})

        return fits

    def _right_at(self, j: int, axis: int, right: Callable[[int], Any]) -> float:
        """Whether along an axis just these places are right."""
        want, got = (_array(parts.get(self._part(j))) for parts in (self.want[j], self.got[j]))
        if want is None or got is None or want.shape != got.shape or want.ndim <= axis:
            return 0
        size, rtol = want.shape[axis], self.exercise.rtol
        if size < 3:
            return 0
        with np.errstate(invalid="ignore"):
            far = np.nan_to_num(np.abs(got - want), nan=np.inf)
        unit = rtol * np.abs(want[np.isfinite(want)]).max(initial=0.0) + 1e-7
        farthest = [far.take(n, axis).max(initial=0.0) / unit for n in range(size)]
        places = [n for n in range(size) if farthest[n] <= 1]
        clearly = all(farthest[n] > 100 for n in range(size) if n not in places)
        return float((far > unit).sum() + size) if clearly and places == list(right(size)) else 0


def answer_of(exercise: Exercise, name: str, cases: list[Case]) -> Callable[..., Any] | None:
    """An answer that makes the single mistake of this name, for tests; None if there is none."""
    nothing = [Observation() for _ in cases]
    search = Search(exercise, cases, nothing, nothing)
    for i in range(len(cases)):
        for run in search._runs(i):
            if run.name == name:
                return run.answer
    right = exercise.right
    kind, _, change = name.partition(": ")
    for ndim in range(5) if right is not None and kind == "result" else ():
        for made in result_changes(ndim):
            if made.name == change:
                return lambda *args, **kwargs: _changed(made, right(*args, **kwargs))  # type: ignore[misc]
    return None


# ------------------------------------------------------------------ results as numbers


def _results(o: Observation) -> Parts:
    """What was returned; nothing where an error ended the case."""
    return {} if o.error else {n: v for n, v in o.parts.items() if n not in ABOUT_THE_CALL}


def _same(a: Parts, b: Parts, rtol: float) -> bool:
    return list(a) == list(b) and all(_quickly(a[n], b[n], rtol) for n in a)


def _quickly(a: Value, b: Value, rtol: float) -> bool:
    """`close`, with a glance at the shape and one number before all are compared."""
    if isinstance(a, str) or isinstance(b, str):
        return a is b or (isinstance(a, str) and isinstance(b, str) and a == b)
    if a.shape != b.shape:
        return False
    if a.size > 1:
        x, y = float(a.flat[-1].real), float(b.flat[-1].real)
        if abs(x - y) > 0.01 * max(abs(x), abs(y), float(np.abs(a.flat[0]))) + 1e-3:
            return close(a, b, rtol) if not np.isfinite(x) else False
    return close(a, b, rtol)


def _array(value: Any) -> np.ndarray | None:
    """As real numbers, None where it is something else."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return None
    return value.astype(float)


def _dims(value: Any) -> int:
    array = _array(value)
    return 0 if array is None else array.ndim


def _applied(change: ResultChange, array: np.ndarray) -> np.ndarray | None:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(change.apply(array))
    except (ValueError, IndexError, TypeError):
        return None


def evidence(got: Parts, want: Parts) -> float:
    """How many different numbers stand where the two differ. Whole numbers agree easily."""
    count = 0.0
    for name, value in got.items():
        array, other = _array(value), _array(want.get(name))
        if array is None:
            continue
        if other is not None and other.shape != array.shape:
            count += 2  # the shape agrees too
        elif other is not None:
            array = array[~np.isclose(array, other, rtol=1e-5, atol=0, equal_nan=True)]
        whole = bool((array == np.round(array)).all())
        rounded = [f"{v:.4g}" for v in array.ravel()[:100]]
        count += len(array.ravel()) / 4 if whole else len(set(rounded) - {"nan", "0"})
    return count


def special(case: Case) -> bool:
    """One image, one channel, or all sizes the same: many mistakes look the same there."""
    tensors = [v for v in (*case.args, *case.kwargs.values()) if isinstance(v, Tensor)]
    return any(1 in v.shape or (v.dim() > 2 and len(set(v.shape)) == 1) for v in tensors)


# ------------------------------------------------------------------ arguments and sizes


def _bound(right: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        bound = inspect.signature(right).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return {}
    bound.apply_defaults()
    return dict(bound.arguments)


def _defaults(right: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(right).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _arguments_first(
    change: ArgumentChange,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An answer gets its arguments changed."""

    def changed(right: Callable[..., Any]) -> Callable[..., Any]:
        def answer(*args: Any, **kwargs: Any) -> Any:
            return right(**change.apply(_bound(right, args, kwargs)))

        answer.__signature__ = inspect.signature(right)  # type: ignore[attr-defined]
        return answer

    return changed


def _unchanged(answer: Callable[..., Any]) -> Callable[..., Any]:
    return answer


def _likely_pairs(runs: list[_Run]) -> Iterator[tuple[_Run, _Run]]:
    """Two likely changes before a likely one and an unlikely one."""
    yield from sorted(combinations(runs, 2), key=lambda pair: pair[0].rank + pair[1].rank)


def _by_turns(*iterators: Iterator[_Candidate]) -> Iterator[_Candidate]:
    for together in zip_longest(*iterators):
        yield from (candidate for candidate in together if candidate is not None)


def _bases(given: dict[str, Any]) -> Iterator[tuple[str, Callable[[dict[str, Any]], Any]]]:
    """The arguments that are arrays, and products of two of one shape."""
    arrays = {n: a for n, v in given.items() if (a := _array(v)) is not None and a.ndim}
    for name in arrays:
        yield name, lambda g, name=name: g[name]
    for one, other in combinations(arrays, 2):
        if arrays[one].shape == arrays[other].shape:
            yield f"{one} · {other}", lambda g, a=one, b=other: g[a] * g[b]


def _sizes(given: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(label, words) of each size that may have slipped in as a factor."""
    values = dict(_size_values(given))
    for label in values:
        yield label, f"{label} ({values[label]:g})"


def _size_values(given: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in given.items():
        array = _array(value)
        if array is None or not array.ndim:
            continue
        shape = array.shape
        if len(shape) > 2:
            places = math.prod(shape[-2:])
            yield f"the number of places of {name}", places
            yield f"the root of the number of places of {name}", places**0.5
            yield f"the height of {name} by its width", shape[-2] / shape[-1]
        for axis, size in enumerate(shape):
            yield f"the size of axis {axis} of {name}", size
            yield f"the root of the size of axis {axis} of {name}", size**0.5
        yield f"the number of values of {name}", array.size
    for number in (2, 100, 255):
        yield str(number), number


def mistakes_of(exercise: Exercise) -> Iterator[tuple[str, str]]:
    """The single mistakes that are searched for, by name, with what is said of each."""
    cases = exercise.draw_cases(1)
    expected = observe(exercise, exercise.right, 1)  # type: ignore[arg-type]
    search = Search(exercise, cases, expected, expected)
    seen = set()
    for i in range(len(cases)):
        for candidate in search._single(i):
            if candidate.name not in seen:
                seen.add(candidate.name)
                yield candidate.name, candidate.sentence


def _changed(change: ResultChange, value: Any) -> Any:
    """The change that suits the value's number of axes, of each array in it."""
    if isinstance(value, (list, tuple)):
        return [_changed(change, v) for v in value]
    array = _array(value)
    if array is None:
        return value
    own = next((c for c in result_changes(array.ndim) if c.name == change.name), change)
    with np.errstate(all="ignore"):
        return own.apply(array)
