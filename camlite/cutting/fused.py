"""The same network, faster: for the methods that need many forward passes and no gradient."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized

from camlite.cutting.graph import as_function, between, independent
from camlite.cutting.running import Stage, check_images, evaluation_mode, whole
from camlite.cutting.tracing import has_hooks, trace

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def fast(model: nn.Module, images: Tensor) -> Stage:
    """`whole(model)` for many forward passes without gradients: same results, less time.

    Runs the `fused` network; a network that cannot be fused is run as it is.
    """
    return whole(fused(model, images))


def fused(model: nn.Module, images: Tensor) -> nn.Module:
    """A network for evaluation only, with the same outputs as `model`, but faster.

    Each convolution takes the BatchNorm after it into its weights (the algebra is exact, the
    rounding differs: logits change by about 1e-6 of their size in float32), and images and weights
    are stored in channels_last order. This needs a private copy of the convolutions' weights; the
    model is not touched. Where a network cannot be traced, or the logits of the first of `images`,
    taken twice, differ, `model` itself comes back.
    """
    check_images(model, images)
    first = images[:1].detach()
    try:
        with evaluation_mode(model):
            net = _Fused(model)
        Y, twice = whole(model)(first), whole(net)(first.expand(2, *first.shape[1:]))
        same = bool((Y - twice).abs().max() <= 1e-4 * Y.abs().max())
    except Exception:  # tracing runs the user's code on symbols: anything can happen
        return model
    return net if same and Y.shape[1:] == twice.shape[1:] else model


class _Fused(nn.Module):
    """The steps of a network, with private convolutions, each with its BatchNorm folded in."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        tracer = trace(model)
        self.steps = tracer.forward  # the model's own modules, and beside them the private ones
        for i, (step, conv) in enumerate(_with_own_weights(tracer.graph, self.steps)):
            order = torch.channels_last if isinstance(conv, nn.Conv2d) else torch.preserve_format
            step.target = f"private_{i}"
            self.steps.add_module(step.target, conv.to(memory_format=order))
        steps = list(tracer.graph.nodes)
        self.run = as_function(between(steps, None, steps[-1], independent(steps)), self.steps)

    def forward(self, x: Tensor) -> Any:
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        return self.run(x)


def _with_own_weights(graph: fx.Graph, root: nn.Module) -> list[tuple[fx.Node, nn.Module]]:
    """The convolutions that run once, as copies, with the BatchNorm after them where there is one.

    A layer with hooks or with computed weights is left as it is.
    """
    steps = [step for step in graph.nodes if step.op == "call_module"]
    layers = {step: root.get_submodule(str(step.target)) for step in steps}
    runs = list(layers.values())
    copies: list[tuple[fx.Node, nn.Module]] = []
    for step, conv in layers.items():
        computed = is_parametrized(conv) or has_hooks(conv)
        if not isinstance(conv, _CONVS) or computed or sum(m is conv for m in runs) > 1:
            continue
        users = list(step.users)
        norm = layers.get(users[0]) if len(users) == 1 else None
        if isinstance(norm, _NORMS) and norm.running_mean is not None and not has_hooks(norm):
            copies.append((step, fuse_conv_bn_eval(conv, norm)))
            users[0].replace_all_uses_with(step)
            graph.erase_node(users[0])
        else:
            copies.append((step, copy.deepcopy(conv)))
    return copies
