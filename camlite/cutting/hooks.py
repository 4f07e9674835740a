"""The cut with forward hooks, for networks whose graph cannot be cut. Hooks are always removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from camlite.cutting.layout import require_map
from camlite.cutting.running import (
    SCRIPTED,
    Stage,
    check_images,
    evaluation_mode,
    logits_of,
    plain_arithmetic,
    uncompiled,
)
from camlite.errors import ArchitectureError


def cut_with_hooks(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    """The parts of `model` between the named layers, as `graph.cut_graph` returns them."""
    memory = _Memory()
    ends = [*names, None]
    return tuple(_HookedPart(model, names[:i], end, memory) for i, end in enumerate(ends))


class _Memory:
    """What each output of a part was made of: the images, and the maps put in on the way.

    A part runs the whole network, so it needs them again. The maps are known by their values (a
    method copies them before it asks for a gradient). Changed maps are known no more: for these
    the last call of `features` counts. The last few calls are kept.
    """

    KEPT = 8

    def __init__(self) -> None:
        self.made_of: dict[Any, dict[Any, Tensor] | None] = {}
        self.last: dict[Any, Tensor] = {}
        self.runs: dict[str, int] = {}  # how often each layer ran

    def keep(self, out: Tensor, made_of: dict[Any, Tensor]) -> None:
        key = _fingerprint(out)
        self.made_of.pop(key, None)
        self.made_of[key] = self.last = made_of
        for old in list(self.made_of)[: -self.KEPT]:
            self.made_of[old] = None

    def of(self, x: Tensor) -> dict[Any, Tensor]:
        if not self.last:
            raise ValueError("call features(images) first: the classifier part needs the images")
        found = self.made_of.get(_fingerprint(x), self.last)
        if found is None:
            raise ValueError("these maps are too old: call features(images) for them again")
        return found


def _fingerprint(x: Tensor) -> tuple[Any, ...]:
    x = x.detach()
    return (*x.shape, *(float(t.sum(dtype=torch.float64)) for t in (x, x.abs(), x[..., ::2])))


class _HookedPart:
    """The same part, made by running the whole model: the layer's output is put in or taken out.

    A module may run several times (one ReLU for a whole block): its last run counts. After the
    first part, a part also takes B feature maps for each image, all maps of the first image first.
    The maps of earlier layers are put in too: a path may lead from an earlier layer around a later
    one, and the gradient of the earlier layer must not miss it.
    """

    def __init__(
        self, model: nn.Module, starts: list[str], end: str | None, memory: _Memory
    ) -> None:
        self.model, self.starts, self.end, self.memory = model, starts, end, memory

    def __call__(self, x: Tensor) -> Tensor:
        if not self.starts:
            check_images(self.model, x)
            made_of: dict[Any, Tensor] = {"images": x.detach()}
        else:
            made_of = {**self.memory.of(x), self.starts[-1]: x}
        out = self._result(x, made_of)
        if self.end is None:
            return logits_of(out, x)
        one = {name: t[:1].detach() for name, t in made_of.items()}
        F = require_map(self.model, self.end, out, x, lambda: self._result(x[:1].detach(), one))
        if self.memory.runs[self.end] > 1:
            _require_one_way(self.model, self.end, made_of["images"][:1])
        self.memory.keep(F, made_of)
        return F

    def _result(self, x: Tensor, made_of: dict[Any, Tensor]) -> Any:
        images = _as_many(made_of["images"], x)
        given = {name: _as_many(made_of[name], x) for name in self.starts if name in made_of}
        with evaluation_mode(self.model), plain_arithmetic(x), uncompiled():
            torch.set_grad_enabled(False)  # the graph begins at the start layer, not before
            with self._hooks(given) as taken:
                out = self.model(images.clone())
            return out if self.end is None else taken[-1]

    @contextmanager
    def _hooks(self, given: dict[str, Tensor]) -> Iterator[list[Any]]:
        taken: list[Any] = []
        order: list[str] = []
        handles = []

        def put_in(name: str) -> Any:
            def hook(module: nn.Module, args: Any, out: Tensor) -> Any:
                order.append(name)
                if order.count(name) != self.memory.runs[name]:
                    return None
                torch.set_grad_enabled(torch.is_grad_enabled() or given[name].requires_grad)
                return _replaced(out, given[name], self.model)

            return hook

        def take_out(module: nn.Module, args: Any, out: Any) -> None:
            order.append(str(self.end))  # a later in-place layer may overwrite `out`
            taken.append(out.clone() if isinstance(out, Tensor) else out)

        try:
            for name in given:
                handles.append(_module(self.model, name).register_forward_hook(put_in(name)))
            if self.end is not None:
                handles.append(_module(self.model, self.end).register_forward_hook(take_out))
            yield taken
        finally:
            for handle in handles:
                handle.remove()
        self._check(order, given)

    def _check(self, order: list[str], given: Iterable[str]) -> None:
        for name in given:
            if order.count(name) != self.memory.runs[name]:
                raise ValueError(
                    f"layer {name!r} ran {self.memory.runs[name]} times for the images, and "
                    f"{order.count(name)} times with these maps: there is no part to run"
                )
        if self.end is None:
            return
        if self.end not in order:
            raise ValueError(f"layer {self.end!r} did not run for these images")
        if order[-1] != self.end:
            raise ValueError(
                f"layer {self.end!r} runs before {order[-1]!r}: give layers from "
                "the image to the logits"
            )
        self.memory.runs[self.end] = order.count(self.end)


def _replaced(out: Tensor, given: Tensor, model: nn.Module) -> Tensor:
    """`given` in the place of `out`, under all names that `out` has.

    The output of an in-place ReLU is also its input, which may go on along another path; so the
    values are written into `out` itself. Not into a view, and not into a weight.
    """
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    is_own = out.untyped_storage().data_ptr() in own
    if out._is_view() or is_own or out.shape != given.shape:
        return given.clone()
    return out.detach_().copy_(given)


def _module(model: nn.Module, name: str) -> nn.Module:
    module = model.get_submodule(name)
    if isinstance(module, torch.jit.ScriptModule):
        raise ArchitectureError(SCRIPTED)
    return module


def _require_one_way(model: nn.Module, layer: str, image: Tensor) -> None:
    """ArchitectureError if an earlier run of the layer reaches the output past its last run."""
    runs: list[Tensor] = []

    def start_anew(module: nn.Module, args: Any, out: Tensor) -> Tensor:
        runs.append(out.detach().clone().requires_grad_())
        return runs[-1].clone()

    X = image.clone().requires_grad_()
    handle = model.get_submodule(layer).register_forward_hook(start_anew)
    try:
        with evaluation_mode(model), plain_arithmetic(X), uncompiled():
            Y = model(X.clone())
            if not isinstance(Y, Tensor) or not Y.requires_grad:
                return
            G = torch.autograd.grad(Y.sum(), runs[:-1], allow_unused=True)
    finally:
        handle.remove()
    if any(g is not None for g in G):
        raise ArchitectureError(
            f"layer {layer!r} runs {len(runs)} times, and several runs reach the logits (a network "
            "for several images, or with shared weights): there is no one map. Choose a layer "
            "that runs once, or wrap the model so that one of its inputs is fixed"
        )


def _as_many(given: Tensor, x: Tensor) -> Tensor:
    """What belongs to each image, repeated for the B maps of each image in `x`."""
    if len(x) % len(given):
        raise ValueError(f"{len(x)} feature maps do not fit the {len(given)} images")
    return given.repeat_interleave(len(x) // len(given), 0) if len(x) > len(given) else given


def run_and_record(
    model: nn.Module, images: Tensor, names: Sequence[str]
) -> tuple[Tensor, list[tuple[str, Tensor]]]:
    """The model's output with a graph from `images` on, and every output of the named modules.

    What is recorded is the tensor itself, before anything after it can change it in place, so
    `torch.autograd.grad` gives the gradient there. One entry for each run of a module.
    """
    taken: list[tuple[str, Tensor]] = []

    def take_out(name: str) -> Any:
        def hook(module: nn.Module, args: Any, out: Tensor) -> Tensor:
            taken.append((name, out))
            return out.clone()

        return hook

    check_images(model, images)
    handles = [model.get_submodule(n).register_forward_hook(take_out(n)) for n in names]
    try:
        with evaluation_mode(model), plain_arithmetic(images), uncompiled():
            return logits_of(model(images.clone()), images), taken
    finally:
        for handle in handles:
            handle.remove()
