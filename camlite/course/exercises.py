"""How an exercise is declared: its cases, one right answer, and the wrong answers it knows.

    cam = Exercise("3.1", "class_activation_map", formula="M_c = Σ_k W[c, k] F_k", hints=(...))

    @cam.cases
    def _(rng):
        yield Case("two images", torch.rand(2, 4, 5, 7, generator=rng), ...)

    @cam.reference
    def right(F, W, c): ...

    @cam.wrong("You took a column of W. Its rows are the classes.")
    def column_of_W(F, W, c): ...

    cam.wrongs(                                   # the same as a table, for one-line answers
        no_weights=(lambda F, W, c: F.sum(1), "You added the feature maps without weights."),
    )
    cam.teaches({"result: relu": "You cut the negative values off. CAM has no ReLU."})

    @cam.accepts
    def with_a_loop(F, W, c): ...

The cases are drawn anew for every check. Wrong answers serve twice: a learner whose results equal
a wrong answer's results reads its sentence, and the test suite proves that each one is rejected
with exactly that sentence. Mistakes that the search finds by itself (`camlite.course.mistakes`)
need no code: `teaches` gives them a better sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import torch

Answer = Callable[..., Any]


def normal(rng: torch.Generator, *shape: int) -> torch.Tensor:
    """Standard normal numbers for a case."""
    return torch.randn(*shape, generator=rng)


class Case:
    """One call of the learner's function: what is special about it, and the arguments."""

    def __init__(self, says: str, *args: Any, **kwargs: Any) -> None:
        self.says, self.args, self.kwargs = says, args, kwargs


@dataclass(frozen=True)
class WrongAnswer:
    """A typical mistake: its name, the sentence that teaches, and the code that makes it.

    `mistakes`: how many independent ones it is made of.
    """

    name: str
    sentence: str
    answer: Answer
    mistakes: int = 1


@dataclass(eq=False)
class Exercise:
    """What is asked and how an answer is judged. See the module's text for how to fill it.

    `seconds` is how long a submitted answer may run; `rtol` is relative to the largest expected
    value; `patience`: so many times longer than usual is a mistake searched (networks are slow to
    build). `parts` turns a learner's object into named results where calling it once is not enough
    (a class, a training step): `parts(answer, *case.args) -> dict`; results are compared in order.
    `inside`: the probe takes gradients through the answer; when it is graded, it runs where the
    answer runs (so do all exercises that give networks or functions to the answer).
    """

    id: str
    name: str
    formula: str
    hints: tuple[str, str, str]
    seconds: float = 20.0
    rtol: float = 1e-4
    patience: float = 1
    inside: bool = False
    right: Answer | None = None
    make_cases: Callable[[torch.Generator], Iterator[Case]] | None = None
    parts: Callable[..., dict[str, Any]] | None = None
    wrong_answers: list[WrongAnswer] = field(default_factory=list)
    accepted: list[Answer] = field(default_factory=list)
    taught: dict[str, str] = field(default_factory=dict)
    parts_taught: dict[str, str] = field(default_factory=dict)

    def reference(self, answer: Answer) -> Answer:
        """The right answer, as plainly as it can be written."""
        self.right = answer
        return answer

    def cases(self, maker: Callable[[torch.Generator], Iterator[Case]]) -> Any:
        """The calls: `maker(rng)` yields `Case`s. Non-square, batch > 1, negative values …"""
        self.make_cases = maker
        return maker

    def probe(self, parts: Callable[..., dict[str, Any]]) -> Any:
        """How to look at an answer that is more than one function call."""
        self.parts = parts
        return parts

    def wrong(self, sentence: str) -> Callable[[Answer], Answer]:
        """A typical wrong answer; the function's name is the name of the diagnosis."""

        def add(answer: Answer) -> Answer:
            self.wrong_answers.append(WrongAnswer(answer.__name__, sentence, answer))
            return answer

        return add

    def wrongs(self, **table: tuple[Answer, str]) -> None:
        """Typical wrong answers of one line: name=(answer, sentence)."""
        for name, (answer, sentence) in table.items():
            self.wrong_answers.append(WrongAnswer(name, sentence, answer))

    def products(self, build: Answer, **factors: dict[str, tuple[Any, str]]) -> None:
        """Independent mistakes and all their combinations.

        Each factor names its choices: {name: (value, sentence)}; the right one has the sentence
        "". `build(**values)` makes the answer of one choice of each factor.
        """
        for chosen in product(*(choices.items() for choices in factors.values())):
            named = [(name, sentence) for name, (_, sentence) in chosen if sentence]
            values = {f: value for f, (_, (value, _)) in zip(factors, chosen, strict=True)}
            if named:
                name = "_and_".join(name for name, _ in named)
                sentence = " ".join(sentence for _, sentence in named)
                self.wrong_answers.append(
                    WrongAnswer(name, sentence, build(**values), mistakes=len(named))
                )

    def each_alone(self, build: Answer, **factors: dict[str, tuple[Any, str]]) -> None:
        """As `products`, but every mistake alone: for those that are rarely made together."""
        for factor, choices in factors.items():
            for name, (value, sentence) in choices.items():
                if sentence:
                    self.wrong_answers.append(WrongAnswer(name, sentence, build(**{factor: value})))

    def teaches(self, sentences: dict[str, str]) -> None:
        """Better sentences for mistakes that the search finds: {name of the found: sentence}.

        `camlite dev mistakes 3.1` lists the names. The first that fits is the one that is said.
        """
        self.taught |= sentences

    def teaches_parts(self, sentences: dict[str, str]) -> None:
        """What a part of the probe says when it is the first to differ: {part: sentence}.

        For a part that can be wrong in one way only ("weights that learn"), where nothing declared
        and nothing searched fits.
        """
        self.parts_taught |= sentences

    def accepts(self, answer: Answer) -> Answer:
        """Another correct formulation, which the check must let pass."""
        self.accepted.append(answer)
        return answer

    def accepts_all(self, **table: Answer) -> None:
        """Other correct formulations of one line: name=answer."""
        for name, answer in table.items():
            answer.__name__ = name
            self.accepted.append(answer)

    @property
    def lesson(self) -> int:
        """The number of the lesson: 3 for exercise 3.1."""
        return int(self.id.split(".")[0])

    def draw_cases(self, seed: int) -> list[Case]:
        """The cases of one check; the same seed gives the same cases in every process."""
        assert self.make_cases is not None, f"exercise {self.id} has no cases"
        state = torch.get_rng_state()  # a case may build a network, which uses the global generator
        torch.manual_seed(seed)
        try:
            return list(self.make_cases(torch.Generator().manual_seed(seed)))
        finally:
            torch.set_rng_state(state)
