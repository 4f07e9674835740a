"""What a class did, counted: outcomes, mistakes and their sentences, what is worth adding."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from camlite.course.coverage import HOW_MANY
from camlite.course.exercises import Exercise
from camlite.course.judge import IN_THIS_CASE
from camlite.course.lessons import NoSuchLesson, find_exercise
from camlite.grading.feedback import kind_of
from camlite.grading.marks import Mark

OUTCOMES = {  # how a bar is divided
    "right": "right",
    "named": "wrong, the mistake has a name",
    "unnamed": "wrong, no name is known",
    "todo": "not written",
    "none": "no verdict",
}
ENOUGH = 3  # students with one mistake, before a sentence of its own is proposed
AGREE = 2  # students with one answer that nobody has a name for
FIXED = {"another error", "no error", "side effects", "second call", "no return", "not finite"}
FIXED |= {"in a list", "not stacked"}  # found by the judge itself, with sentences of its own
PRINTED = "Your code printed:"
_NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?|-?\d+e[+-]?\d+")


@dataclass(frozen=True)
class Mistake:
    """A mistake by its name, how many students made it, and the sentence that they read."""

    exercise: str
    diagnosis: str
    students: int
    sentence: str

    @property
    def found(self) -> str:
        """The name that `teaches` takes; "" for a declared one."""
        return self.diagnosis.removeprefix("found: ") if self._was_found else ""

    @property
    def _was_found(self) -> bool:
        return self.diagnosis.startswith("found: ")

    @property
    def name(self) -> str:
        """For people: no underscores."""
        return self.found or self.diagnosis.replace("_", " ")


@dataclass(frozen=True)
class Agreeing:
    """A wrong answer without a name that several students gave: the same values in one case."""

    exercise: str
    students: tuple[str, ...]
    case: str
    expected: str
    yours: str


@dataclass(frozen=True)
class Tally:
    """One exercise of a class."""

    exercise: str
    function: str
    outcomes: dict[str, int]  # the keys of OUTCOMES
    share: float  # mean of points / max_points
    mistakes: list[Mistake]

    @property
    def students(self) -> int:
        """How many have a mark."""
        return sum(self.outcomes.values())


def tallies(marks: Iterable[Mark]) -> list[Tally]:
    """Each exercise, in order."""
    of: dict[str, list[Mark]] = defaultdict(list)
    for mark in sorted(marks, key=lambda m: (m.lesson, m.order[1], m.student)):
        of[mark.exercise].append(mark)
    return [_tally(id, some) for id, some in of.items()]


def _tally(id: str, marks: list[Mark]) -> Tally:
    exercise = known(id)
    counted = Counter(outcome(mark) for mark in marks)
    shares = [mark.points / mark.max_points for mark in marks if mark.max_points]
    return Tally(
        id,
        exercise.name if exercise else "",
        {name: counted[name] for name in OUTCOMES},
        sum(shares) / len(shares) if shares else 0.0,
        _mistakes(id, exercise, marks),
    )


def known(id: str) -> Exercise | None:
    """The exercise of a mark; None if it is not here any more."""
    try:
        return find_exercise(id)
    except NoSuchLesson:
        return None


def outcome(mark: Mark) -> str:
    """One of OUTCOMES."""
    kind = kind_of(mark)
    if kind == "wrong":
        return "named" if mark.diagnosis else "unnamed"
    return kind if kind in OUTCOMES else "none"


def _mistakes(id: str, exercise: Exercise | None, marks: list[Mark]) -> list[Mistake]:
    """The most frequent first."""
    of: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        if outcome(mark) == "named":
            of[mark.diagnosis].append(mark)
    made = [
        Mistake(id, name, len(some), sentence_of(exercise, name, [m.message for m in some]))
        for name, some in of.items()
    ]
    return sorted(made, key=lambda mistake: (-mistake.students, mistake.diagnosis))


def sentence_of(exercise: Exercise | None, diagnosis: str, messages: list[str]) -> str:
    """The sentence that explains a mistake: as declared, as taught, or as most students read it."""
    if exercise is not None:
        found = diagnosis.removeprefix("found: ")
        declared = {wrong.name: wrong.sentence for wrong in exercise.wrong_answers}
        taught = exercise.taught | {f"part {p}": s for p, s in exercise.parts_taught.items()}
        if found != diagnosis and found in taught:
            return taught[found]
        if diagnosis in declared:
            return declared[diagnosis]
    said = Counter(filter(None, map(last_sentence, messages)))
    if said:
        return max(said, key=lambda sentence: (said[sentence], sentence))
    return _searched(exercise, diagnosis) or "No sentence is known for this mistake."


def last_sentence(message: str) -> str:
    """What a message says of the cause: it stands last, before the count and the prints."""
    lines = message.split(PRINTED)[0].strip().split("\n")
    while lines and (not lines[-1].strip() or HOW_MANY.fullmatch(lines[-1])):
        lines.pop()
    last = lines[-1] if lines else ""
    return last.removeprefix(IN_THIS_CASE).removeprefix("In this case:").strip()


def _searched(exercise: Exercise | None, diagnosis: str) -> str:
    from camlite.course.mistakes.by_name import mistakes_of

    if exercise is None or not diagnosis.startswith("found: "):
        return ""
    return dict(mistakes_of(exercise)).get(diagnosis.removeprefix("found: "), "")


# ------------------------------------------------------------------ what is worth adding


def worth_a_sentence(mistakes: Iterable[Mistake]) -> list[Mistake]:
    """Mistakes that the search found for many, and that have no sentence of their own yet."""
    return [
        mistake
        for mistake in mistakes
        if mistake.students >= ENOUGH
        and mistake.found
        and mistake.found not in FIXED
        and not mistake.found.startswith("part ")
        and mistake.found not in (e.taught if (e := known(mistake.exercise)) else {})
    ]


def agreeing(marks: Iterable[Mark]) -> list[Agreeing]:
    """Wrong answers without a name that several students share; the most frequent first.

    Two agree if they show the same values, to three digits, in the case that the message tells.
    The values stand in `Mark.evidence`: a student's message holds none.
    """
    of: dict[tuple[str, str, str], list[Mark]] = defaultdict(list)
    for mark in marks:
        yours = _line(mark.evidence, "  yours ")
        if outcome(mark) == "unnamed" and yours:
            case = _line(mark.message, "Case: ")
            of[mark.exercise, case, _NUMBER.sub(_rounded, yours)].append(mark)
    found = [
        Agreeing(
            exercise,
            tuple(sorted(mark.student for mark in some)),
            case,
            _line(some[0].evidence, "  expected "),
            _line(some[0].evidence, "  yours "),
        )
        for (exercise, case, _), some in of.items()
        if len(some) >= AGREE
    ]
    return sorted(found, key=lambda one: (-len(one.students), one.exercise, one.yours))


def _line(message: str, begin: str) -> str:
    lines = message.split(PRINTED)[0].split("\n")
    return next((line[len(begin) :].strip() for line in lines if line.startswith(begin)), "")


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number.group()):.3g}"
