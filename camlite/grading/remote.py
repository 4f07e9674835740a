"""An answer that runs behind the trust line, called as if it were a function of this process.

The cases of most exercises are plain values: they are drawn here, and each call sends them over.
What the answer changed of its arguments, of random numbers and of torch's settings comes back
with the result, so that `course.observe` sees the same as at home.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from camlite.course.exercises import Exercise
from camlite.course.observe import Observation, Retold, observe
from camlite.course.state import Shared
from camlite.grading.plain import Garbled, random_numbers, set_random_numbers
from camlite.grading.sandbox import Session, Stopped

MOST_PARTS = 20_000


def observed(
    session: Session, exercise: Exercise, seed: int, code: list[str]
) -> tuple[list[Observation], str]:
    """What was seen of one exercise's answer, and what it printed. Raises `Stopped`."""
    reply = session.ask("define", code=code, name=exercise.name)
    if "error" in reply:
        return _checked([[{}, reply["error"], reply.get("detail")]], 1), ""
    if exercise.id in session.sandbox.inside:
        reply = session.ask("observe", id=exercise.id, seed=seed)
        count = len(exercise.draw_cases(seed))
        return _checked(reply.get("seen"), count), str(reply.get("printed"))
    remote = Remote(session)
    seen = observe(exercise, remote, seed, RemoteShared(remote))
    if remote.stopped:
        raise remote.stopped
    return seen, remote.printed


def _checked(seen: Any, count: int) -> list[Observation]:
    """So many observations that came from the other side, of the right kinds."""
    try:
        found = [Observation(dict(parts), str(e)[:100], str(d)[:1000]) for parts, e, d in seen]
        values = [item for one in found for item in one.parts.items()]
        known = all(isinstance(n, str) and isinstance(v, (np.ndarray, str)) for n, v in values)
    except (TypeError, ValueError):
        raise Stopped("crashed", "Your code sent what is no result.") from None
    if not known or len(values) > MOST_PARTS or len(found) != count:
        raise Stopped("crashed", "Your code sent what is no result.")
    return found


class Remote:
    """Called as the answer is; all that it does there is done here too."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.stopped: Stopped | None = None
        self.printed = ""
        self.changed: list[str] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """One call on the other side. Raises what the answer raises there, or `Stopped`."""
        if self.stopped:
            raise self.stopped
        try:
            request = {"args": list(args), "kwargs": kwargs, "random": random_numbers()}
            result, error = self._told(
                self.session.ask("call", **request), [*args, *kwargs.values()]
            )
        except Stopped as stopped:
            self.stopped = stopped
            raise
        except (Garbled, KeyError, TypeError, ValueError, RuntimeError, AttributeError):
            self.stopped = Stopped("crashed", "Your code sent what is no result.")
            raise self.stopped from None
        if error:
            raise error
        return result

    def _told(self, reply: dict[str, Any], given: list[Any]) -> tuple[Any, Retold | None]:
        """The result or the error, once all that was changed there is changed here."""
        self.printed = str(reply["printed"])
        self.changed += [str(name) for name in reply["shared"]]
        set_random_numbers(reply["random"])
        if "given" in reply:
            write_back(given, reply["given"])
        if "error" in reply:
            return None, retold(str(reply["error"]), reply["bases"], str(reply["detail"]))
        return reply["result"], None


class RemoteShared(Shared):
    """The settings of this process, and what the answer changed in its own."""

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        self.remote = remote

    def restore(self) -> list[str]:
        """Names of both."""
        changed, self.remote.changed = self.remote.changed, []
        return super().restore() + changed


def retold(name: str, bases: Iterable[str], detail: str) -> Retold:
    """The error of the other side: caught by the same `except`, told in the same words."""
    known = (getattr(builtins, str(base), None) for base in bases)
    errors = [b for b in known if isinstance(b, type) and issubclass(b, Exception)]
    base = errors[0] if errors else Exception
    error = _instance(name[:60], (Retold,) if base is Exception else (Retold, base))
    error.detail = detail[:1000]
    error.args = (detail.split("\n")[0].partition(": ")[2],)
    return error


def _instance(name: str, bases: tuple[type, ...]) -> Retold:
    """An error that was not told what it is about: some kinds ask for that."""
    kind: Any = type(name, bases, {"__init__": lambda self: None})
    try:
        error: Retold = kind()
    except TypeError:  # a group of errors
        return _instance(name, (Retold,))
    return error


def write_back(mine: Any, theirs: Any) -> None:
    """Change values here as they were changed there. Raises TypeError where these do not fit."""
    if isinstance(mine, Tensor):
        if not isinstance(theirs, Tensor):
            raise TypeError("another kind of value came back")
        with torch.no_grad():
            mine.data = theirs.detach().clone()
        mine.requires_grad_(theirs.requires_grad)
        mine.grad = theirs.grad
    elif isinstance(mine, torch.Generator):
        mine.set_state(theirs.get_state())
    elif isinstance(mine, np.ndarray):
        if mine.shape == theirs.shape and mine.dtype == theirs.dtype:
            mine[...] = theirs
    elif isinstance(mine, (list, tuple)):
        for i, (a, b) in enumerate(zip(mine, theirs, strict=False)):
            if is_container(a):
                write_back(a, b)
            elif isinstance(mine, list):
                mine[i] = b
        if isinstance(mine, list) and len(mine) != len(theirs):
            mine[:] = list(theirs)
    elif isinstance(mine, dict):
        for key in mine.keys() & theirs.keys():
            if is_container(mine[key]):
                write_back(mine[key], theirs[key])
        kept = {k: v for k, v in mine.items() if k in theirs and is_container(v)}
        mine.clear()
        mine.update(theirs | kept)


def is_container(value: Any) -> bool:
    """Whether a value can be changed in place, or holds some that can."""
    kinds = (Tensor, torch.Generator, np.ndarray, list, tuple, dict)
    return isinstance(value, kinds)
