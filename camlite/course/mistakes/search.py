"""Which change of the right answer shows what the learner's answer showed?

All single changes are tried on the first wrong case, then on the next; then pairs, in order of
likelihood, until the time is over. What fits has to fit in numbers enough that it is no accident.
"""

from __future__ import annotations

import functools
import inspect
import math
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, zip_longest
from typing import Any

import numpy as np

from camlite.course.exercises import Case, Exercise, WrongAnswer
from camlite.course.mistakes.arguments import ArgumentChange, argument_changes
from camlite.course.mistakes.code import code_changes, may_not_end
from camlite.course.mistakes.numbers import (
    Parts,
    applied,
    as_array,
    bases,
    dims,
    evidence,
    quickly,
    results_of,
    same,
    size_values,
    sizes,
    special,
)
from camlite.course.mistakes.results import ResultChange, likely_changes, result_changes
from camlite.course.mistakes.steps import Limited, Steps
from camlite.course.observe import Observation, results

SECONDS = 0.5  # of processor time, for single changes, and as much again for pairs
LIKELY = 150  # changes that are tried in pairs: there is no time for more
LONG = 500  # operations, in all cases together
MANY = 2000  # operations: of a longer formulation not every case is looked at
TOO_MANY = 20_000  # operations of one changed answer: its loop may have no end
ENOUGH, ENOUGH_FOR_TWO = 2, 4  # different numbers that must agree, each to four digits
LITTLE = 0.01  # zeros agree too, and prove nothing


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
        self.want = [results_of(o) for o in expected]
        self.got = [results_of(o) for o in seen]
        rtol = exercise.rtol
        pairs = enumerate(zip(self.want, self.got, strict=True))
        self.wrong = [i for i, (w, g) in pairs if g and not same(w, g, rtol)]
        self.shown: dict[tuple[str, Any, int], Parts | None] = {}
        self.given: dict[int, dict[str, Any]] = {}
        self.seconds = SECONDS * exercise.patience
        self.end = time.thread_time() + self.seconds

    def found(self, seconds: float | None = None) -> Found | None:
        """The best explanation of the first wrong case that has one."""
        seconds = self.seconds if seconds is None else seconds
        numeric = [i for i in self.wrong if evidence(self.got[i], self.want[i])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of changes that do not suit the numbers
            for candidates in (self.single, self._pairs):
                self.end = time.thread_time() + seconds
                for i in numeric:
                    if time.thread_time() > self.end:
                        break
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

    def single(self, i: int) -> Iterator[_Candidate]:
        """All explanations of case i by one change."""
        runs, taught = self.runs(i), self.exercise.taught
        yield from (self._one_run(run) for run in runs if run.name in taught)
        yield from self._of_result(i)
        rest = [run for run in runs if run.name not in taught]
        yield from (self._one_run(run) for run in rest if run.right not in self._long)
        yield from self._times_a_size(i)
        yield from self._missing(i)
        yield from (self._one_run(run) for run in self._code_runs)
        yield from self._of_arguments(i)
        yield from self._some_right(i)
        yield from (self._one_run(run) for run in rest if run.right in self._long)

    def _one_run(self, run: _Run) -> _Candidate:
        sentence = f"Your result is what the formula gives when {run.words}."
        return _Candidate(run.name, sentence, lambda j: self._agree(j, self._show(run, j)))

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
        for change in result_changes(dims(self.got[i].get(self._part(i)))):
            yield _Candidate(
                f"missing: {change.name}",
                f"The right result is yours, {change.words}. "
                "Is this step missing, or done otherwise?",
                lambda j, change=change: self._agree_after(j, change),
            )

    def _times_a_size(self, i: int) -> Iterator[_Candidate]:
        for label, words in sizes(self._given(i)):
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
        for name, pick in bases(self._given(i)):
            base = as_array(pick(self._given(i)))
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
        runs = sorted(self.runs(i), key=lambda run: -1 if run.name in taught else run.rank)
        likely = likely_changes(self._ndim(i))
        yield from _by_turns(
            self._result_twice(i, likely),
            self._known_then_more(likely),
            self._more_then_known(i),
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

    def _known_then_more(self, likely: tuple[ResultChange, ...]) -> Iterator[_Candidate]:
        """A wrong answer that the exercise knows, and a change of its result."""
        for change in likely:
            for known in self._known:
                yield self._known_then(known, change)

    def _more_then_known(self, i: int) -> Iterator[_Candidate]:
        """A wrong answer that the exercise knows, of a changed argument.

        Likely changes of all answers come before unlikely ones of the first: another class or
        score before another image.
        """
        changes = argument_changes(self._given(i), {})
        for change in sorted(changes, key=lambda change: (change.of_data, change.rank)):
            if change.name.endswith("exchanged"):
                continue  # it may undo the known mistake, which is then not there at all
            for known in self._known:
                if inspect.isfunction(known.answer):
                    yield self._known_after(known, change)

    @property
    def _known(self) -> list[WrongAnswer]:
        """Those of one mistake."""
        return [known for known in self.exercise.wrong_answers if known.mistakes == 1]

    def _known_then(self, known: WrongAnswer, change: ResultChange) -> _Candidate:
        alone = _Run(f"known: {known.name}", "", known.answer, _unchanged)
        return _Candidate(
            f"{known.name}, result: {change.name}",
            f"{known.sentence} And then your result is {change.words}.",
            lambda j: self._agree(j, self._after(self._show(alone, j), change)),
            changes=2,
        )

    def _known_after(self, known: WrongAnswer, change: ArgumentChange) -> _Candidate:
        run = _Run(f"{known.name}, {change.name}", "", known.answer, _arguments_first(change))
        return _Candidate(
            run.name,
            f"{known.sentence} And besides, {change.words}.",
            lambda j: self._agree(j, self._show(run, j)),
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

    def runs(self, i: int) -> list[_Run]:
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
    def _long(self) -> list[Callable[..., Any]]:
        """Formulations that take long, all but the shortest: their steps are changed last."""
        return [right for right, steps in self._formulations[1:] if steps.operations > LONG]

    @cached_property
    def _code_runs(self) -> list[_Run]:
        """Every right formulation, written otherwise in one place.

        What stands in the formulation itself comes first; then the helpers, each of them once,
        although several formulations may use it.
        """
        own: list[_Run] = []
        helpers: dict[str, _Run] = {}
        for right, _ in self._formulations:
            for c in code_changes(right):
                run = _Run(c.name, c.words, c.answer, _unchanged)
                if c.name.startswith(f"code {right.__name__}."):
                    own.append(run)
                else:
                    helpers.setdefault(c.name, run)
        return [*own, *helpers.values()]

    @cached_property
    def _formulations(self) -> list[tuple[Callable[..., Any], Steps]]:
        """The right answers and their steps, those with the fewest operations first."""
        found: list[tuple[Callable[..., Any], Steps]] = []
        for right in (self.exercise.right, *self.exercise.accepted):
            assert right is not None
            steps = Steps(right)
            for n, case in enumerate(self.cases):  # a step may be taken in some cases only
                if steps.operations > MANY or (found and time.thread_time() > self.end):
                    break
                if n > 1 and not steps.operations:
                    break  # it builds networks, or works with Python's own numbers
                results(self.exercise, steps.watched, case)
            if steps.operations or right is self.exercise.right or code_changes(right):
                found.append((right, steps))
        return sorted(found, key=lambda one: one[1].operations)

    def _show(self, run: _Run, j: int) -> Parts | None:
        key = run.name, run.right, j  # formulations have steps of the same name
        if key not in self.shown:
            with Limited(TOO_MANY) if may_not_end(run.right) else nullcontext():
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
                if not quickly(value, self.got[i].get(name, ""), self.exercise.rtol):
                    names[name] = None
        return list(names)

    def _part(self, i: int) -> str:
        """The first of these in case i."""
        return next((n for n in self._wrong_parts if n in self.got[i]), "")

    def _subject(self, i: int) -> str:
        part = self._part(i)  # none is wrong where `dev mistakes` lists all sentences
        return (
            "Your result"
            if part.startswith("result") or not part
            else f"The part {part!r} of your result"
        )

    def _ndim(self, i: int) -> int:
        return dims(self.want[i].get(self._part(i)))

    def _after(self, parts: Parts | None, change: ResultChange) -> Parts | None:
        """The parts after a change of those that the learner has wrong somewhere."""
        made = {}
        for name, value in (parts or {}).items():
            made[name] = value
            if name in self._wrong_parts:
                array = as_array(value)
                changed = None if array is None else applied(change, array)
                if changed is None:
                    return None
                made[name] = changed
        return made or None

    def _agree(self, j: int, made: Parts | None) -> float:
        if made is None or not same(made, self.got[j], self.exercise.rtol):
            return 0
        return self._worth(j, evidence(self.got[j], self.want[j]))

    def _agree_after(self, j: int, change: ResultChange) -> float:
        """Whether the learner's parts are right after a change."""
        made = self._after(self.got[j], change)
        if made is None or not same(self.want[j], made, self.exercise.rtol):
            return 0
        return self._worth(j, evidence(self.want[j], self.got[j]))

    def _worth(self, j: int, numbers: float) -> float:
        """Numbers that need not agree to four digits prove less."""
        digits = min(-math.log10(self.exercise.rtol), 4)
        return max(numbers * digits / 4, 1 if j not in self.wrong else LITTLE)

    def _agree_times(self, j: int, label: str, power: int) -> float:
        size = dict(size_values(self._given(j))).get(label)
        if size is None or size == 1:
            return 0
        times = ResultChange("", "", lambda a: a * float(size) ** power)
        return self._agree(j, self._after(self.want[j], times))

    def _base_fits(self, pick: Any, change: ResultChange | None) -> Callable[[int], float]:
        def fits(j: int) -> float:
            if list(self.got[j]) != ["result"]:
                return 0
            try:  # two arguments that have one shape in one case may not in another
                base = as_array(pick(self._given(j)))
            except (RuntimeError, ValueError, TypeError):
                return 0
            if base is None:
                return 0
            made = base if change is None else applied(change, base)
            return 0 if made is None else self._agree(j, {"result": made})

        return fits

    def _right_at(self, j: int, axis: int, right: Callable[[int], Any]) -> float:
        """Whether along an axis just these places are right."""
        want, got = (as_array(parts.get(self._part(j))) for parts in (self.want[j], self.got[j]))
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
        @functools.wraps(right)
        def answer(*args: Any, **kwargs: Any) -> Any:
            return right(**change.apply(_bound(right, args, kwargs)))

        return answer

    return changed


def _unchanged(answer: Callable[..., Any]) -> Callable[..., Any]:
    return answer


def _likely_pairs(runs: list[_Run]) -> Iterator[tuple[_Run, _Run]]:
    """Two likely changes before a likely one and an unlikely one. `runs` begin with the likely."""
    yield from sorted(combinations(runs[:LIKELY], 2), key=lambda pair: pair[0].rank + pair[1].rank)


def _by_turns(*iterators: Iterator[_Candidate]) -> Iterator[_Candidate]:
    for together in zip_longest(*iterators):
        yield from (candidate for candidate in together if candidate is not None)
