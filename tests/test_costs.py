"""What a card says a method costs is what it costs: passes are counted while the methods run.

Methods with masks skip constant maps; the networks here have none, so the cost is reached.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from camlite import nets
from camlite.cutting.fused import fused
from camlite.methods.cards import METHODS, RESNET50, Cost, Shape, shape_of

HEADS = ("linear", "deep")


class Counting(nn.Module):
    """A small network that counts the images that pass its two ends, forwards and backwards."""

    def __init__(self, head: str) -> None:
        super().__init__()
        self.start = nn.Identity()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.pool = nn.AvgPool2d(2)
        centred = nn.InstanceNorm2d(7)  # signed maps: also the ReLU of a map is not constant
        self.conv2 = nn.Sequential(nn.Conv2d(4, 7, 3, padding=1), centred)
        self.end = nn.Identity()
        deep = nn.Sequential(nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 5))
        self.head = deep if head == "deep" else nn.Linear(7, 5)
        self.count: Counter[str] = Counter()
        for name in ("start", "end"):
            self.get_submodule(name).register_forward_hook(self._counter(name))

    def _counter(self, name: str) -> Any:
        def forward(module: nn.Module, args: Any, out: Tensor) -> None:
            self.count[f"forwards {name}"] += len(out)
            if out.requires_grad:
                out.register_hook(backward)

        def backward(gradient: Tensor) -> None:
            self.count[f"backwards {name}"] += len(gradient)

        return forward

    def forward(self, x: Tensor) -> Tensor:
        F = self.conv2(self.pool(self.conv1(self.start(x))))
        return self.head(self.end(F).mean((2, 3)))


class CountingViT(nets.TinyViT):
    """A transformer that counts the same: before its blocks, and behind its first one."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.blocks[0] = Marked(self.blocks[0], self.count)

    def forward(self, images: Tensor) -> Tensor:
        self.count["forwards start"] += len(images)
        return super().forward(images)


class Marked(nn.Module):
    """A block whose output counts the images that pass it, forwards and backwards."""

    def __init__(self, block: nn.Module, count: Counter[str]) -> None:
        super().__init__()
        self.block, self.count = block, count

    def forward(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.block(tokens)
        self.count["forwards end"] += len(out)
        if out.requires_grad:
            out.register_hook(self.backward)
        return out

    def backward(self, gradient: Tensor) -> None:
        self.count["backwards end"] += len(gradient)


@pytest.mark.parametrize("name", [m for m, c in METHODS.items() if c.family == "attention"])
def test_the_cost_on_a_transformer_is_what_is_counted(name: str) -> None:
    """Backwards the passes are counted behind the first block: in it they end at its attention."""
    net, found = CountingViT().eval(), []
    for n in (1, 2):
        net.count.clear()
        x = torch.rand(1, 3, 24, 24).repeat(n, 1, 1, 1)
        METHODS[name].function(net, *([None] if METHODS[name].layers == "several" else []), x)
        found.append(Counter(net.count))
    expected = passes(METHODS[name].cost())
    expected["backwards start"] = 0
    assert found[1] - found[0] == +Counter(expected)


@pytest.fixture(scope="module", params=HEADS)
def net(request: pytest.FixtureRequest) -> Counting:
    torch.manual_seed(2)
    return Counting(request.param).eval()


def counted(net: Counting, name: str, images: int, **options: Any) -> Counter[str]:
    """Passes of one call with copies of one image, so that each costs the same."""
    card = METHODS[name]
    x = torch.rand(1, 3, 18, 14, generator=torch.Generator().manual_seed(1)).repeat(images, 1, 1, 1)
    where: dict[str, tuple[Any, ...]] = {"none": (), "several": (["conv1", "conv2"],)}
    net.count.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        card.function(net, *where.get(card.layers, ("conv2",)), x, None, **options)
    return Counter(net.count)


def passes(cost: Cost) -> dict[str, int]:
    """What the two ends of the network see."""
    return {
        "forwards start": cost.forwards + cost.forwards_before,
        "forwards end": cost.forwards + cost.forwards_after,
        "backwards start": cost.backwards,
        "backwards end": cost.backwards + cost.backwards_after,
    }


# Two settings for each method: its defaults (fewer where there are thousands), and another.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "grad_cam_plus_plus": ({}, {"normalized": True}),
    "smooth_grad_cam_plus_plus": ({}, {"samples": 3}),
    "layer_cam": ({}, {"element_wise": True}),
    "integrated_grad_cam": ({"steps": 4}, {"steps": 3, "variant": "code"}),
    "expected_grad_cam": ({"samples": 3}, {"samples": 2, "sigma": 0.0}),
    "finer_cam": ({}, {"rivals": 1, "weighted": False}),
    "poly_cam": ({}, {"variant": "-"}),
    "refine_cam": ({}, {"root": True}),
    "winsor_cam": ({}, {"percentile": 50.0, "importance": "max"}),
    "score_cam": ({}, {"baseline": None, "batch_size": 2}),
    "ss_cam": ({"samples": 2}, {"samples": 3, "variant": "input"}),
    "is_cam": ({}, {"steps": 2, "batch_size": 3}),
    "ablation_cam": ({}, {"divide": "none", "batch_size": 2}),
    "recipro_cam": ({}, {"gaussian": True, "batch_size": 5}),
    "group_cam": ({}, {"groups": 5}),
    "cluster_cam": ({}, {"clusters": 3}),
    "cosine_cam": ({}, {"clusters": 4}),
    "smooth_grad": ({}, {"samples": 2}),
    "integrated_gradients": ({}, {"steps": 3, "baseline": "blur"}),
    "occlusion": ({}, {"patch": 5, "stride": 3}),
    "rise": ({"samples": 30}, {"samples": 8, "cells": 3}),
    "eigen_cam": ({}, {"center": True}),
    "eigen_grad_cam": ({}, {"pooled": True}),
    "kpca_cam": ({}, {"kernel": "rbf"}),
    "center_gaussian": ({}, {"sigma": 0.5}),
}
SAME = ({}, {})  # no option, or only relu and generator


@pytest.mark.parametrize("which", [0, 1], ids=["usual", "other"])
@pytest.mark.parametrize("name", [m for m, c in METHODS.items() if c.family != "attention"])
def test_the_cost_is_what_is_counted(name: str, which: int, net: Counting) -> None:
    if name == "cam" and isinstance(net.head, nn.Sequential):
        pytest.skip("CAM needs one linear layer")
    options = SETTINGS.get(name, SAME)[which]
    one, two = (counted(net, name, n, **options) for n in (1, 2))
    shape = shape_of(net, "conv2", torch.rand(1, 3, 18, 14))
    assert two - one == +Counter(passes(METHODS[name].cost(shape, **options)))
    net.count.clear()
    fused(net, torch.rand(1, 3, 18, 14))
    checks = one + one - two  # what a call costs, however many images it gets
    assert checks in (Counter(), net.count), "only the check of the fused network"


@pytest.mark.parametrize("name", [name for name, card in METHODS.items() if card.formula])
def test_the_formula_that_is_printed_is_the_number(name: str) -> None:
    card = METHODS[name]
    shape = Shape(512, (14, 13), (196, 182), (64, 512))
    patch = max(1, min(shape.size) // 8)
    letters = {
        "K": shape.K,
        "h": shape.hw[0],
        "w": shape.hw[1],
        "Σ_l": 1,
        "K_l": sum(shape.channels),
        "layers": len(shape.channels),
        "positions": math.prod(len(range(0, n - patch, patch // 2)) + 1 for n in shape.size),
        **card.options,
    }
    for number, text in card.formula.items():
        words = text.split(",")[0].replace("·", " * ").replace("Σ_l ", "").split()
        value = eval(" ".join(str(letters.get(word, word)) for word in words))
        assert value == getattr(card.cost(shape), number), text


@pytest.mark.parametrize("name", METHODS)
def test_what_is_not_constant_has_a_formula(name: str) -> None:
    card, small = METHODS[name], Shape(3, (2, 2), (40, 40), (2, 3))
    fewer = {o: 2 for o in ("samples", "steps", "groups", "clusters") if o in card.options}
    costs = [card.cost(RESNET50), card.cost(small), card.cost(small, **fewer)]
    varies = {f for f in vars(costs[0]) if len({getattr(cost, f) for cost in costs}) > 1}
    assert varies == set(card.formula)


def test_the_cost_in_forward_passes() -> None:
    assert Cost(forwards=3, backwards=2).in_forwards(backward=1.5) == 6
    half = Cost(forwards=1, forwards_before=2, forwards_after=4, backwards_after=8)
    assert half.in_forwards(after=0.25, backward=2) == 1 + 2 * 0.75 + 4 * 0.25 + 8 * 2 * 0.25


def test_an_option_that_does_not_exist_is_named() -> None:
    with pytest.raises(ValueError, match=r"rise has no option 'steps'; its options: samples"):
        METHODS["rise"].cost(steps=3)


def test_the_shape_of_a_network(net: Counting) -> None:
    shape = shape_of(net, "conv2", torch.rand(2, 3, 18, 14))
    linear = isinstance(net.head, nn.Linear)
    assert shape == Shape(7, (9, 7), (18, 14), (4, 7), linear_head=linear)


def test_the_example_is_resnet50() -> None:
    torchvision = pytest.importorskip("torchvision")
    model = torchvision.models.resnet50(weights=None).eval()
    assert shape_of(model, "layer4", torch.rand(1, 3, 224, 224)) == RESNET50
