"""Tests of the checks themselves, and the rules every lesson keeps: `camlite dev check`.

A check that cannot fail teaches nothing. So for every exercise: the solution passes, the stub is
"todo", every wrong answer is rejected with its own diagnosis, other right formulations pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from camlite.course import paths
from camlite.course.exercises import Exercise
from camlite.course.judge import judge
from camlite.course.lessons import (
    Lesson,
    all_lessons,
    drift,
    exercise_cells,
    find_lesson,
    released,
    solution_lines,
)
from camlite.course.mistakes.by_name import answer_of
from camlite.course.observe import Value, close, observe
from camlite.course.skeleton import TO_FILL, is_written, left_to_fill
from camlite.course.submission import cells, definition, read_submission

SEEDS = (1, 2)  # the proofs use fixed draws; learners get new ones


@dataclass(frozen=True)
class Proof:
    """One thing that must hold; `run` raises AssertionError with the reason if it does not."""

    name: str
    run: Callable[[], None]


def proofs(lesson_name: str) -> list[Proof]:
    """All proofs of one lesson."""
    lesson = find_lesson(lesson_name)
    found = list(_lesson_proofs(lesson))
    for exercise in lesson.exercises.values():
        found += _exercise_proofs(lesson, exercise)
    return found


def _lesson_proofs(lesson: Lesson) -> Iterator[Proof]:
    def every_exercise_has_a_cell() -> None:
        assert exercise_cells(lesson) == list(lesson.exercises), (
            f"cells for {exercise_cells(lesson)}, checks for {list(lesson.exercises)}"
        )

    def not_drifted() -> None:
        assert drift(lesson, paths.ROOT / "lessons") in ("same", "answered"), (
            f"lessons/{lesson.name}.py is not what its master gives: run `camlite dev release`"
        )

    def no_leak() -> None:
        text = released(lesson)
        leaked = [line for line in solution_lines(lesson) if line in text]
        assert not leaked, f"these solution lines stand in the learner's file: {leaked}"

    def complete_header() -> None:
        assert lesson.minutes != "?", "the header needs **Time** N minutes"
        assert lesson.difficulty != "?", "the header needs **Difficulty** ●○○○○"

    def every_exercise_tells_its_effort() -> None:
        missing = [id for id in lesson.exercises if id not in lesson.efforts]
        assert not missing, (
            f"after the heading of {', '.join(missing)} a line like *●●○○○ · about 10 minutes*"
        )

    def five_recall_questions() -> None:
        asked = lesson.questions
        known = [one.number for one in all_lessons() if one.number < lesson.number]
        earlier = [one for one in asked if one.lesson != lesson.number]
        unknown = sorted({one.lesson for one in earlier} - set(known))
        assert len(asked) == 5, (
            f"{len(asked)} questions in `## Recall` have the form that `Lesson.questions` shows; "
            "five are needed"
        )
        assert not unknown, f"a question is about lesson {unknown}: there is no such earlier lesson"
        assert len(earlier) >= 2 or not known, (
            f"{len(earlier)} of the questions are about earlier lessons, two are needed: "
            "**1.** (lesson N) …"
        )

    def nothing_left_to_fill_in() -> None:
        left = left_to_fill(lesson)
        assert not left, f"{TO_FILL!r} stands in " + "; ".join(left)

    for rule in (
        nothing_left_to_fill_in,
        five_recall_questions,
        every_exercise_has_a_cell,
        not_drifted,
        no_leak,
        complete_header,
        every_exercise_tells_its_effort,
    ):
        yield Proof(rule.__name__, rule)


def _exercise_proofs(lesson: Lesson, exercise: Exercise) -> Iterator[Proof]:
    patient = replace(exercise, patience=4 * exercise.patience)  # the machine may be busy

    def expect(answer: Callable[..., Any], status: str, diagnosis: str | None = None) -> None:
        assert is_written(answer), f"write this answer in {lesson.checks.name}"
        for seed in SEEDS:
            verdict = judge(patient, observe(exercise, answer, seed), seed)
            assert (verdict.status, verdict.diagnosis) == (status, diagnosis), (
                f"{verdict.status}, {verdict.diagnosis} instead of {status}, {diagnosis}\n"
                f"{verdict.message}"
            )

    def solution_passes() -> None:
        expect(_defined_in(lesson.text, exercise), "passed")

    def stub_is_todo() -> None:
        expect(_defined_in(released(lesson), exercise), "todo")

    def declared_well() -> None:
        assert exercise.right, "a reference is needed"
        assert len(exercise.hints) == 3, "three hints"
        assert min(len(hint) for hint in exercise.hints) > 15, "a hint is empty"
        assert len({w.name for w in exercise.wrong_answers}) == len(exercise.wrong_answers), (
            "names twice"
        )
        assert all(
            w.sentence.strip().endswith((".", "?", "!", ")")) for w in exercise.wrong_answers
        )
        known = len(exercise.wrong_answers) + len(exercise.taught)
        assert known >= 5, f"only {known} wrong answers"
        assert all(s.strip().endswith((".", "?", "!", ")")) for s in exercise.taught.values())
        assert len(exercise.accepted) >= 2, f"only {len(exercise.accepted)} other right answers"
        assert len(exercise.draw_cases(1)) >= 2, "at least two cases"

    for rule in (solution_passes, stub_is_todo, declared_well):
        yield Proof(f"{exercise.id}-{rule.__name__}", rule)
    for wrong in exercise.wrong_answers:
        yield Proof(
            f"{exercise.id}-wrong-{wrong.name}", partial(expect, wrong.answer, "wrong", wrong.name)
        )  # type: ignore[misc]
    for name in exercise.taught:
        yield Proof(f"{exercise.id}-teaches-{name}", partial(_teaches, exercise, name, expect))
    for part in exercise.parts_taught:
        yield Proof(f"{exercise.id}-part-{part}", partial(_teaches_part, exercise, part))  # type: ignore[misc]
    for other in exercise.accepted:
        yield Proof(f"{exercise.id}-accepts-{other.__name__}", partial(expect, other, "passed"))  # type: ignore[misc]


def _teaches(exercise: Exercise, name: str, expect: Callable[..., None]) -> None:
    """The mistake of this name can be made, and its sentence is the one that is said."""
    answer = answer_of(exercise, name, exercise.draw_cases(SEEDS[0]))
    assert answer is not None, f"no mistake {name!r} is searched for: camlite dev mistakes"
    expect(answer, "wrong", f"found: {name}")


def _teaches_part(exercise: Exercise, part: str) -> None:
    """A declared wrong answer differs first in this part."""
    right = observe(exercise, exercise.right, SEEDS[0])  # type: ignore[arg-type]
    for wrong in exercise.wrong_answers:
        for want, got in zip(right, observe(exercise, wrong.answer, SEEDS[0]), strict=True):
            differ = (n for n, v in want.parts.items() if not _same(v, got.parts.get(n), exercise))
            if not got.error and next(differ, None) == part:
                return
    raise AssertionError(f"no wrong answer is declared that differs first in the part {part!r}")


def _same(want: Value, got: Value | None, exercise: Exercise) -> bool:
    return got is not None and close(want, got, exercise.rtol)


def _defined_in(text: str, exercise: Exercise) -> Callable[..., Any]:
    answer = definition(cells(text), exercise.name)
    assert callable(answer), f"{exercise.name} is not defined: {answer!r}"
    return answer


def learner_checks(lesson_name: str, folder: Path) -> list[Proof]:
    """One test for each exercise of a learner's file in `folder`."""
    from camlite.course.runner import check_file
    from camlite.course.workspace import newest_answer

    lesson = find_lesson(lesson_name)

    @cache
    def verdicts() -> dict[str, Any]:
        path = newest_answer(lesson, folder)
        assert path is not None, f"there is no {lesson.name}.py or .ipynb in {folder}"
        read_submission(path)
        return {v.id: v for v in check_file(lesson, path)}

    def passes(id: str) -> None:
        verdict = verdicts()[id]
        assert verdict.status == "passed", f"{verdict.status}\n{verdict.message}"

    return [
        Proof(f"{id}-{e.name}", lambda id=id: passes(id))  # type: ignore[misc]
        for id, e in lesson.exercises.items()
    ]


def check_everything(lessons: list[Lesson] | None = None) -> Iterator[tuple[Lesson, Proof, str]]:
    """Every proof of these lessons (of all if None), with the reason where it fails, else ""."""
    for lesson in all_lessons() if lessons is None else lessons:
        try:
            found = proofs(lesson.name)
        except Exception as error:  # a check file that does not even run
            broken = f"{lesson.checks.name} does not run: {type(error).__name__}: {error}"
            yield lesson, Proof("the_checks_are_read", lambda: None), broken
            continue
        for proof in found:
            try:
                proof.run()
                yield lesson, proof, ""
            except Exception as error:  # a broken lesson must not hide the next one's result
                yield lesson, proof, str(error) or type(error).__name__
