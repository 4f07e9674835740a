"""The cut with forward hooks, for networks whose graph cannot be cut. Hooks are always removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from camlite.cutting.graph import Stage
from camlite.cutting.running import check_images, checked, evaluation_mode, plain_arithmetic


def cut_with_hooks(model: nn.Module, names: list[str]) -> tuple[Stage, ...]:
    """The parts of `model` between the named layers, as `graph.cut_graph` returns them."""
    memory: dict[Any, Any] = {}
    ends = [*names, None]
    return tuple(_HookedPart(model, names[:i], end, memory) for i, end in enumerate(ends))


class _HookedPart:
    """The same part, made by running the whole model: the layer's output is put in or taken out.

    A module may run several times (one ReLU for a whole block): its last run counts. The first
    part keeps the images for the others. The others also take B feature maps for each image, all
    maps of the first image first. Each part also keeps the maps it was given and the later parts
    put them in again: a path may lead from an earlier layer around a later one, and the gradient
    of the earlier layer must not miss it.
    """

    def __init__(self, model: nn.Module, starts: list[str], end: str | None, memory: dict) -> None:
        self.model, self.starts, self.end, self.memory = model, starts, end, memory

    def __call__(self, x: Tensor) -> Tensor:
        if not self.starts:
            check_images(self.model, x)
            x = x.detach()
            self.memory.clear()
            self.memory["images"] = x
        elif "images" not in self.memory:
            raise ValueError("call features(images) first: the classifier part needs the images")
        else:
            self.memory["map", self.starts[-1]] = x
        images = _as_many(self.memory["images"], x)
        with evaluation_mode(self.model), plain_arithmetic(x), self._hooks(x) as taken:
            torch.set_grad_enabled(False)  # the graph begins at the start layer, not before
            out = self.model(images.clone())
        return out if self.end is None else checked(taken[-1], x)

    @contextmanager
    def _hooks(self, x: Tensor) -> Iterator[list[Tensor]]:
        taken: list[Tensor] = []
        order: list[str] = []
        handles = []

        def put_in(name: str, given: Tensor) -> Any:
            def hook(module: nn.Module, args: Any, out: Any) -> Any:
                order.append(name)
                if order.count(name) < self.memory.get(("runs", name), 1):
                    return None
                torch.set_grad_enabled(torch.is_grad_enabled() or given.requires_grad)
                return given.clone()

            return hook

        def take_out(module: nn.Module, args: Any, out: Any) -> None:
            if not isinstance(out, Tensor):
                kind = type(out).__name__
                raise ValueError(f"layer {self.end!r} returns a {kind}, not one tensor")
            order.append(str(self.end))
            taken.append(out.clone())  # a later in-place layer may overwrite `out`

        for name in self.starts:
            if ("map", name) in self.memory:
                hook = put_in(name, _as_many(self.memory["map", name], x))
                handles.append(self.model.get_submodule(name).register_forward_hook(hook))
        if self.end is not None:
            handles.append(self.model.get_submodule(self.end).register_forward_hook(take_out))
        try:
            yield taken
        finally:
            for handle in handles:
                handle.remove()
        if self.end is not None:
            if not taken:
                raise ValueError(f"layer {self.end!r} did not run for these images")
            if order[-1] != self.end:
                raise ValueError(
                    f"layer {self.end!r} runs before {order[-1]!r}: give layers from "
                    "the image to the logits"
                )
            self.memory["runs", self.end] = len(taken)


def _as_many(given: Tensor, x: Tensor) -> Tensor:
    """What belongs to each image, repeated for the B maps of each image in `x`."""
    if len(x) % len(given):
        raise ValueError(f"{len(x)} feature maps do not fit the {len(given)} images")
    return given.repeat_interleave(len(x) // len(given), 0) if len(x) > len(given) else given


def run_and_record(
    model: nn.Module, images: Tensor, names: Sequence[str]
) -> tuple[Tensor, list[tuple[str, Tensor]]]:
    """The model's output with a graph from `images` on, and every output of the named modules.

    What is recorded is the tensor itself, before anything behind it can change it in place, so
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
        with evaluation_mode(model), plain_arithmetic(images):
            return model(images.clone()), taken
    finally:
        for handle in handles:
            handle.remove()
