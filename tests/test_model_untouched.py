"""Every method leaves the model, the images and the random state as they were, also on errors."""

from __future__ import annotations

import dataclasses
import random
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.cluster  # noqa: F401  its first import draws from Python's random numbers
import torch
from calling import (
    CLASSLESS,
    METHODS,
    MODELS,
    Plain,
    build,
    call,
    is_random,
    needs_cam_head,
    parameters,
    pictures,
)
from torch import Tensor, nn

from camlite import metrics, sanity
from camlite.metrics.shared import classes_of

every_method = pytest.mark.parametrize("method", METHODS)
HOOKS = [name for name in vars(nn.Module()) if "hook" in name]


def state(model: nn.Module, images: Tensor) -> dict[str, Any]:
    """All that a careless method could change, as plain values."""
    modules = dict(model.named_modules())
    numbers = [*model.named_parameters(), *model.named_buffers(), ("images", images)]
    return {
        "modules": {n: id(m) for n, m in modules.items()},
        "tensors": {n: id(p) for n, p in numbers},
        "values": {n: p.detach().clone().numpy().tobytes() for n, p in numbers},
        "grads": {n: None if p.grad is None else (id(p.grad), p.grad.tolist()) for n, p in numbers},
        "requires_grad": {n: p.requires_grad for n, p in numbers},
        "training": {n: m.training for n, m in modules.items()},
        "hooks": {
            n: [
                list(h) if (h := getattr(m, hook)) is not None else None
                for hook in HOOKS
                if hasattr(getattr(m, hook), "__iter__")
            ]
            for n, m in modules.items()
        },
        "attributes": {n: sorted(vars(m)) for n, m in modules.items()},
        "in place": {n: getattr(m, "inplace", None) for n, m in modules.items()},
        "random": (
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),
            random.getstate(),
        ),
        "modes": (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_default_dtype(),
            torch.get_num_threads(),
        ),
    }


def in_use(kind: type[Plain]) -> nn.Module:
    """A model in the middle of the user's work: some gradients, mixed training flags, a hook."""
    model = build(kind)
    model.train()
    model.bn1.eval()
    model.conv1.weight.requires_grad_(False)
    model.conv1.bias.grad = torch.ones_like(model.conv1.bias)
    model.bn1.register_forward_hook(lambda module, args, out: None)
    return model


@every_method
@pytest.mark.parametrize(("kind", "seeded"), [*((k, True) for k in MODELS), (Plain, False)])
def test_nothing_changes(method: str, kind: type[Plain], seeded: bool) -> None:
    model, images = in_use(kind), pictures().requires_grad_()
    before = state(model, images)
    options = {} if seeded else {"generator": None}
    if needs_cam_head(method, kind):
        with pytest.raises(ValueError, match="CAM needs"):
            call(method, model, images)
    else:
        maps = call(method, model, images, **options)
        assert not maps.requires_grad
    assert state(model, images) == before


class Interrupted(BaseException):
    """Not an Exception: like Ctrl-C."""


@every_method
@pytest.mark.parametrize("run", [1, 3])
@pytest.mark.parametrize("kind", MODELS)
def test_nothing_changes_when_interrupted(method: str, kind: type[Plain], run: int) -> None:
    model, images, runs = in_use(kind), pictures(), iter(range(1, 10**6))

    def bomb(module: nn.Module, args: Any, out: Tensor) -> None:
        if next(runs) == run:
            raise Interrupted

    model.pool.register_forward_hook(bomb)
    before = state(model, images)
    try:
        call(method, model, images)
    except Interrupted:
        assert run >= 1
    except ValueError:
        assert needs_cam_head(method, kind)
    else:
        assert run > 1 or method == "center_gaussian", "the model did not run"
    assert state(model, images) == before


@every_method
def test_nothing_changes_when_the_target_fails(method: str) -> None:
    if method in ("cam", "finer_cam"):
        pytest.skip("needs a class: it takes no function")
    model, images = in_use(Plain), pictures()
    before = state(model, images)

    def target(logits: Tensor) -> Tensor:
        raise Interrupted

    try:
        call(method, model, images, target)
    except Interrupted:
        pass
    else:
        assert method in CLASSLESS, "the target was not used"
    assert state(model, images) == before


def close(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    return bool((a.double() - b.double()).abs().max() <= tolerance * b.double().abs().max())


@every_method
@pytest.mark.parametrize("kind", MODELS)
def test_twice_the_same_and_finite(method: str, kind: type[Plain]) -> None:
    if needs_cam_head(method, kind):
        return
    model, images = build(kind), pictures()
    maps = call(method, model, images, target=1)
    assert torch.isfinite(maps).all()
    assert maps.shape[0] == len(images)
    assert maps.dtype == images.dtype
    assert torch.equal(call(method, model, images, target=1), maps)


@every_method
@pytest.mark.parametrize("kind", MODELS)
def test_batch_of_n_is_n_calls(method: str, kind: type[Plain]) -> None:
    if needs_cam_head(method, kind):
        return
    model, images, classes = build(kind), pictures(3), torch.tensor([2, 0, 1])
    seeds = {"sigma": 0.0} if is_random(method) and "sigma" in parameters(method) else {}
    same_draw = ("random_cam", "cosine_cam", "cluster_cam")
    if is_random(method) and not seeds and method not in same_draw:
        pytest.skip("draws other random numbers for each image of a batch")
    maps = call(method, model, images, classes, **seeds)
    alone = [call(method, model, images[n : n + 1], int(classes[n]), **seeds) for n in range(3)]
    assert close(maps, torch.cat(alone))


@every_method
@pytest.mark.parametrize("kind", MODELS[:2])
def test_float64_agrees_with_float32(method: str, kind: type[Plain]) -> None:
    if needs_cam_head(method, kind):
        return
    maps = call(method, build(kind), pictures(), target=1)
    exact = call(method, build(kind, torch.float64), pictures(dtype=torch.float64), target=1)
    assert exact.dtype == torch.float64
    assert close(maps, exact, 1e-3)


@every_method
@pytest.mark.parametrize("kind", MODELS[:2])
def test_autocast_changes_nothing(method: str, kind: type[Plain]) -> None:
    if needs_cam_head(method, kind):
        return
    model, images = build(kind), pictures()
    expected = call(method, model, images, target=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        maps = call(method, model, images, target=1)
    assert maps.dtype == torch.float32
    assert close(maps, expected, 1e-5)


@every_method
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_works_without_gradients_of_the_caller(method: str, mode: type) -> None:
    model, images = build(Plain).requires_grad_(False), pictures()
    expected = call(method, model, images, target=1)
    with mode():
        assert torch.equal(call(method, model, pictures(), target=1), expected)


@every_method
def test_16_bits_are_refused(method: str) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        model, images = build(Plain).to(dtype), pictures(dtype=dtype)
        with pytest.raises(ValueError, match="images must be float32 or float64, not torch"):
            call(method, model, images)


class ChangesItsInput(Plain):
    """Its first operation works in place: it normalises the caller's images."""

    def forward(self, x: Tensor) -> Tensor:
        x.sub_(0.5).div_(0.25)
        return super().forward(x)


class TakesACopy(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward((x - 0.5) / 0.25)


def heat(images: Tensor) -> Tensor:
    return torch.rand(len(images), 12, 12, generator=torch.Generator().manual_seed(6))


MEASURES = {
    "confidence": lambda model, x: metrics.confidence(model, x, 1),
    "masked_confidence": lambda model, x: metrics.masked_confidence(model, x, heat(x)),
    "deletion": lambda model, x: metrics.deletion(model, x, heat(x), steps=3),
    "insertion": lambda model, x: metrics.insertion(model, x, heat(x), steps=3),
    "road": lambda model, x: metrics.road(model, x, heat(x), fractions=(0.2, 0.6)),
    "classes_of": lambda model, x: classes_of(model, x, None, 1),
    "layers_from_top": lambda model, x: sanity.layers_from_top(model, x),
    "cascading_randomization": lambda model, x: sanity.cascading_randomization(
        model, "conv2", x, recompute_batch_norm=True
    ),
    "train_on_random_labels": lambda model, x: sanity.train_on_random_labels(
        model, x, torch.tensor([0, 1]), epochs=2
    ),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_leave_model_and_images_as_they_were(measure: str) -> None:
    model, images = in_use(Plain), pictures()
    before = state(model, images)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        MEASURES[measure](model, images)
    assert state(model, images) == before


@pytest.mark.parametrize("measure", MEASURES)
def test_measures_of_a_model_that_changes_its_input(measure: str) -> None:
    images = pictures()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = MEASURES[measure](build(TakesACopy), images)
        ours = MEASURES[measure](build(ChangesItsInput), images)
    assert torch.equal(images, pictures())
    assert plain(ours) == plain(expected)


def plain(result: Any) -> Any:
    """Tensors as lists, named tuples and dicts as what they hold, networks as their weights."""
    if isinstance(result, nn.Module):
        result = result.state_dict()
    if isinstance(result, Tensor):
        return result.tolist()
    if isinstance(result, dict):
        return {key: plain(value) for key, value in result.items()}
    if dataclasses.is_dataclass(result):
        return plain(vars(result))
    return [plain(value) for value in result] if isinstance(result, (list, tuple)) else result


@every_method
def test_methods_of_a_model_that_changes_its_input(method: str) -> None:
    images = pictures()
    maps = call(method, build(ChangesItsInput), images, target=1)
    assert torch.equal(images, pictures())
    assert close(maps, call(method, build(TakesACopy), images, target=1), 1e-5)
