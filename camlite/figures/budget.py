"""How long maps take on this machine, in which order they are drawn, and a clock to stop them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_pre_hook

from camlite import methods
from camlite.cutting.running import whole
from camlite.methods.cards import METHODS, shape_of
from camlite.scores import score_and_gradient
from camlite.split import split

SLOW = 10.0  # seconds: figures are drawn without slower methods first, then with them
SILENCE = 20.0  # seconds: a method that runs longer says so


@contextmanager
def useful_threads() -> Iterator[None]:
    """One thread for PyTorch where that is faster: on a busy machine threads wait for each other.

    Measured with ResNet50 on two cores that four processes share: 0.6 s for a forward pass with
    one thread, 2 to 10 s with two. The number is put back at the end.
    """
    before = torch.get_num_threads()
    x, weights = torch.rand(1, 64, 56, 56), torch.rand(64, 64, 3, 3)

    def convolutions() -> None:
        for _ in range(10):
            functional.conv2d(x, weights, padding=1)

    try:
        many = _seconds(convolutions)
        torch.set_num_threads(1)
        if many <= _seconds(convolutions):
            torch.set_num_threads(before)
        yield
    finally:
        torch.set_num_threads(before)


def estimates(model: nn.Module, layer: str, x: Tensor) -> dict[str, float]:
    """Seconds for one map of each method: the passes on its card × what a pass takes here.

    And what each method does besides its passes: the network is cut open for each map.
    """
    f = whole(model)
    features, classifier = split(model, layer)
    F, shape = features(x), shape_of(model, layer, x)
    forward = _seconds(lambda: f(x))
    after = min(1.0, _seconds(lambda: classifier(F)) / forward)
    both = _seconds(lambda: score_and_gradient(f, x, 0), times=1)
    backward = max(1.0, both / forward - 1)

    def passes(name: str) -> float:
        cost = METHODS[name].cost(shape, **METHODS[name].fewer)
        return cost.in_forwards(after, backward) * forward

    measured = _seconds(lambda: methods.grad_cam(model, layer, x, 0), times=1)
    besides = max(0.0, measured - passes("grad_cam"))
    return {name: passes(name) + besides for name in METHODS}


def _seconds(run: Callable[[], Any], times: int = 2) -> float:
    """The shortest of a few runs."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def in_turns(seconds: Mapping[str, float]) -> list[str]:
    """The order that tells most in a short time: quick methods in turns, then slow ones.

    The families of the quick ones take turns, each with its quickest method that is left: there is
    one method with gradients, one with scores, one of pixels and a floor before a second of any.
    Of the slow ones the quickest comes first: a larger budget only adds to a smaller one.
    """
    by_time = sorted(seconds, key=lambda m: seconds[m])
    families: dict[str, list[str]] = {card.family: [] for card in METHODS.values()}
    for m in by_time:
        if seconds[m] <= SLOW:
            families[METHODS[m].family].append(m)
    turns = zip_longest(*families.values())
    quick = [m for turn in turns for m in turn if m is not None]
    return quick + [m for m in by_time if seconds[m] > SLOW]


def fitting(order: list[str], seconds: Mapping[str, float], budget: float) -> list[str]:
    """The methods, in this order, that fit into a budget of seconds one after the other."""
    kept = []
    for m in order:
        if seconds[m] <= budget:
            kept.append(m)
            budget -= seconds[m]
    return kept


class OutOfTime(BaseException):
    """The budget is used up. Not an Exception: code that repairs errors must not catch it."""


@dataclass
class Clock:
    """A budget of seconds for a whole run, and how true the estimates have been so far."""

    budget: float = math.inf
    reserve: float = 0.0  # what is kept for drawing what is finished
    begin: float = field(default_factory=time.perf_counter)
    estimated: float = 0.0
    taken: float = 0.0

    @property
    def passed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.begin

    @property
    def left(self) -> float:
        """Seconds until the budget is used up, but for the reserve."""
        return self.budget - self.reserve - self.passed

    @property
    def pace(self) -> float:
        """How many seconds an estimated second has taken; 1 where it was less."""
        return max(1.0, self.taken / self.estimated) if self.estimated else 1.0

    def learn(self, estimated: float, taken: float) -> None:
        """Compare an estimate with what it took: the next ones are corrected by it."""
        self.estimated += estimated
        self.taken += taken

    @contextmanager
    def running(self, tell: Callable[[float], None] = lambda seconds: None) -> Iterator[None]:
        """Look at the clock before each layer of any network; OutOfTime when nothing is left.

        `tell` gets the seconds since the start now and then. The hook belongs to PyTorch, not to
        a model, and is taken away at the end: so methods need not know of any clock.
        """
        if self.left < 0:
            raise OutOfTime
        begin = said = time.perf_counter()

        def look(*_: Any) -> None:
            nonlocal said
            if self.left < 0:
                raise OutOfTime
            now = time.perf_counter()
            if now - said > SILENCE:
                said = now
                tell(now - begin)

        hook = register_module_forward_pre_hook(look)
        try:
            yield
        finally:
            hook.remove()
