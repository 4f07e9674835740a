"""Mistakes in what Python computes itself: the code of the right answer, changed in one place."""

from __future__ import annotations

import copy
import itertools

import pytest
from torch import nn

from camlite.course import Case, Exercise
from camlite.course.mistakes.code import code_changes, may_not_end
from tests.course.small import verdict


def is_odd(n):
    return n % 2 == 1


def last(n, far=1):
    return n - far


def count(sizes, step=1, odd=False):
    """How many places: a loop, a choice, a condition, a helper, an option."""
    total = 0
    for size in sizes:
        total += last(size, far=2) * step + 3
    extra = 10 if odd else 20
    return total + extra + sum(n for n in sorted(sizes, reverse=True)[1:] if is_odd(n))


SIZES = ([7, 4, 9], 2, True)
RIGHT = (5 + 2 + 7) * 2 + 9 + 10 + 7


def test_each_change_is_of_one_place_and_gives_what_its_words_say():
    given = {c.words: c.answer for c in code_changes(count)}
    expected = {
        "the multiplication by step is left out": 5 + 2 + 7 + 9 + 17,
        "the addition of 3 is left out": RIGHT - 9,
        "a loop leaves out the last": RIGHT - 17,  # of `for`: in the sum, the last is even
        "values are not added up: only the last one counts": 14 + 3 + 17,
        "one case is left out: always the second of two": RIGHT + 10,
        "all are taken: a condition (if) is left out": RIGHT + 4,
        "the option far of last is left out": RIGHT + 6,
        "the option reverse of sorted is left out": RIGHT + 9,
        "a subtraction is replaced by an addition": None,  # far has no name for the learner
        "a comparison asks with ≠ instead of =": RIGHT - 7 + 4,  # in the helper
        "a 10 of the formula is replaced by 11": RIGHT + 1,
    }
    assert count(*SIZES) == RIGHT
    for words, value in expected.items():
        assert words in given, sorted(given)
        if value is not None and words != "a loop leaves out the last":
            assert given[words](*SIZES) == value, words
    loops = [c.answer(*SIZES) for c in code_changes(count) if c.words.endswith("out the last")]
    assert RIGHT - 17 in loops
    assert count(*SIZES) == RIGHT  # and the right one is as it was


def share(inside, bright, least=3):
    """A limit, an `if`, two conditions joined, a quotient."""
    both = sum(one & other for one, other in zip(inside, bright, strict=True))
    if both < least:
        both = least
    return max(both - 4, 0) / len(inside)


INSIDE, BRIGHT = [True] * 5 + [False], [True] * 6


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("the limit at 0 (“max”) is left out", 1 / 6),
        ("the lines below an “if” always run", 0),
        ("of two conditions joined by & only the first counts", 1 / 6),
        ("of two conditions joined by & only the second counts", 2 / 6),
        ("two conditions are joined by | instead of &", 2 / 6),
        ("two conditions are joined by ^ instead of &", 0),
        ("a quotient is rounded down (// for /)", 0),
    ],
)
def test_limits_choices_joined_conditions_and_quotients_are_changed(words, value):
    assert share(INSIDE, BRIGHT) == 1 / 6
    changed = [c.answer for c in code_changes(share) if c.words == words]
    assert [answer(INSIDE, BRIGHT) for answer in changed] == [value]


def test_without_the_limit_or_the_if_a_value_falls_below():
    given = {c.words: c.answer for c in code_changes(share)}
    assert share([True, False], [True, True]) == 0
    assert given["the limit at 0 (“max”) is left out"]([True, False], [True, True]) == -0.5
    assert given["the lines below an “if” never run"]([True] * 5, [False] * 5, 5) == 0
    assert share([True] * 5, [False] * 5, 5) == 1 / 5


def first_words(words, kinds=(str, bytes)):
    """A loop that ends, a choice of several, a condition of two parts, a side, a copy."""
    found = []
    for word in words:
        if not isinstance(word, kinds) or isinstance(word, (int, float)):
            break
        if word and len(word) > 2:
            found.append(word)
    return [*copy.deepcopy(found), found[-1]]


def test_loops_choices_and_conditions_are_changed():
    words = ["abc", "", "de", "fgh", 7, "ijk"]
    right = ["abc", "fgh", "fgh"]
    given = {c.words: c.answer for c in code_changes(first_words)}
    expected = {
        "a loop leaves out the one that should end it, and takes those after it": [
            *("abc", "fgh", "ijk"),
            "ijk",
        ],
        "int is no longer among the choices": right,
        "one of several conditions is left out": None,
        "the lines below an “if” always run": None,
        "the first is taken instead of the last": ["abc", "fgh", "abc"],
        "“deepcopy” is left out": right,
        "“deepcopy” is replaced by “copy”": right,
    }
    assert first_words(words) == right
    for says, result in expected.items():
        assert says in given, sorted(given)
        if result is not None:
            assert given[says](words) == result, says
    sides = {c.words for c in code_changes(layer_after)}
    assert "out_channels is replaced by in_channels" in sides
    assert "“Linear” has no bias (bias=False)" in sides


def layer_after(convolution):
    return nn.Linear(convolution.out_channels, 2)


def test_what_has_no_source_or_may_not_end_is_left_alone():
    def loops(n):
        while n > 1:
            n -= 1
        return n

    def grows(n):
        places = [n]
        for place in places:
            if place < 9:
                places.append(place + 1)
        return places

    def counts(n):
        for k in itertools.count():
            if k > n:
                break
        return k

    power = 3
    assert code_changes(counts) == ()
    assert code_changes(lambda n: n + 1) == ()
    assert code_changes(len) == ()
    assert code_changes(loops) == code_changes(grows) == ()
    assert may_not_end(loops)
    assert may_not_end(grows)
    assert not may_not_end(count)
    assert code_changes(lambda n: n**power) == ()


def exercise() -> Exercise:
    made = Exercise("9.3", "count_places", formula="…", hints=("a", "b", "c"))

    @made.cases
    def _(rng):
        yield Case("three sizes", [753, 481, 927], 2)
        yield Case("two sizes", [151, 4832], 3)
        yield Case("one size", [3171], 1)

    @made.reference
    def _(sizes, step):
        total = 1
        for size in sizes:
            total += (size - 1) * step
        return total

    return made


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda s, step: 1 + sum((n - 1) * step for n in s[1:]), "the first of sizes is left out"),
        (lambda s, step: 1 + sum(n * step for n in s), "the subtraction of 1 is left out"),
        (lambda s, step: sum((n - 1) * step for n in s), "smaller by 1"),
        (lambda s, step: 1 + (s[-1] - 1) * step, "a loop takes only the last"),
    ],
)
def test_a_wrong_whole_number_is_explained(answer, says):
    told = verdict(answer, exercise())
    assert told.diagnosis.startswith("found: ")
    assert says in told.message


def test_small_whole_numbers_alone_prove_nothing():
    """5 for 4 in one case comes of a hundred mistakes."""
    made = Exercise("9.4", "number", formula="…", hints=("a", "b", "c"))

    @made.cases
    def _(rng):
        yield Case("one", [1, 2, 1])

    @made.reference
    def _(sizes):
        return sum(sizes) + 0 * len(sizes)

    assert verdict(lambda sizes: 3, made).diagnosis is None
