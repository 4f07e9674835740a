"""Bad input gives a clear error or documented zeros: never NaN, never a storm of warnings."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from calling import CLASSLESS, METHODS, Plain, build, call, parameters, pictures, takes_layers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from camlite import LayerNotFound

pytestmark = pytest.mark.parametrize("method", METHODS)
few = settings(
    max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
# Weighted sums of one layer's feature maps.
WEIGHTED = (
    "cam",
    "grad_cam",
    "grad_cam_plus_plus",
    "smooth_grad_cam_plus_plus",
    "xgrad_cam",
    "hires_cam",
    "expected_grad_cam",
    "finer_cam",
    "shapley_cam",
    "eigen_cam",
    "eigen_grad_cam",
    "lafam",
    "score_cam",
    "ss_cam",
    "is_cam",
    "ablation_cam",
    "group_cam",
    "cluster_cam",
    "cosine_cam",
    "random_cam",
)
NEEDS_CLASS = [m for m in METHODS if m not in CLASSLESS]


def finite(method: str, model: nn.Module, images: Tensor, **options: Any) -> Tensor:
    """The maps; warnings other than camlite's own few are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = call(method, model, images, **options)
    assert torch.isfinite(maps).all()
    return maps


@given(value=st.sampled_from([float("nan"), float("inf"), -float("inf")]), data=st.data())
@few
def test_images_that_are_not_finite(method: str, value: float, data: st.DataObject) -> None:
    images = pictures()
    images.view(-1)[data.draw(st.integers(0, images.numel() - 1))] = value
    with pytest.raises(ValueError, match="NaN or infinite"):
        call(method, build(Plain), images)


@given(shape=st.lists(st.integers(1, 3), max_size=6).filter(lambda s: len(s) not in (3, 4)))
@few
def test_wrong_rank(method: str, shape: list[int]) -> None:
    with pytest.raises(ValueError, match=r"images must have shape \(N, C, H, W\)"):
        call(method, build(Plain), torch.zeros(shape))


@pytest.mark.parametrize("axis", range(4))
def test_empty(method: str, axis: int) -> None:
    shape = [2, 3, 12, 12]
    shape[axis] = 0
    with pytest.raises(ValueError, match="none of them 0"):
        call(method, build(Plain), torch.zeros(shape))


def test_not_a_float_tensor(method: str) -> None:
    with pytest.raises(ValueError, match=r"images must be float32 or float64, not torch\.uint8"):
        call(method, build(Plain), torch.zeros(2, 3, 12, 12, dtype=torch.uint8))
    with pytest.raises(ValueError, match="images must be a torch tensor"):
        call(method, build(Plain), pictures().numpy())
    with pytest.raises(ValueError, match=r"images have dtype torch.float64, the model's weights"):
        call(method, build(Plain), pictures(dtype=torch.float64))


@given(target=st.one_of(st.integers(-(10**6), -1), st.integers(4, 10**6)))
@few
def test_class_out_of_range(method: str, target: int) -> None:
    if method not in NEEDS_CLASS:
        return
    for wrong in (target, torch.tensor([0, target])):
        with pytest.raises(ValueError, match="out of range: the model has classes 0 to 3"):
            call(method, build(Plain), pictures(), wrong)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.tensor([1, 2, 3]), "there are 2 images"),
        (torch.tensor([[1, 2]]), "there are 2 images"),
        (1.5, "whole class numbers"),
        (torch.tensor([True, False]), "whole class numbers"),
    ],
)
def test_wrong_targets(method: str, target: Any, message: str) -> None:
    if method in NEEDS_CLASS:
        with pytest.raises(ValueError, match=message):
            call(method, build(Plain), pictures(), target)


@pytest.mark.parametrize("answer", [lambda Y: Y, lambda Y: Y.sum(), lambda Y: 3.0])
def test_a_target_function_with_a_wrong_answer(method: str, answer: Any) -> None:
    if method in NEEDS_CLASS:
        with pytest.raises(ValueError, match=r"one score per image|give an int or a tensor"):
            call(method, build(Plain), pictures(), answer)


def test_a_layer_that_does_not_exist(method: str) -> None:
    if "layer" not in parameters(method) or method == "center_gaussian":
        return
    with pytest.raises(LayerNotFound, match=r"no layer 'konv2'; did you mean .*'conv2'"):
        call(method, build(Plain), pictures(), layer="konv2", several=["conv1", "konv2"])


def test_layers_in_the_wrong_order(method: str) -> None:
    if takes_layers(method):
        with pytest.raises(ValueError, match="from the image to the logits"):
            call(method, build(Plain), pictures(), several=["conv2", "conv1"])


def test_a_layer_without_space(method: str) -> None:
    if "layer" not in parameters(method) or method == "center_gaussian":
        return
    with pytest.raises(ValueError, match=r"\(N, K, h, w\)"):
        call(method, build(Plain), pictures(), layer="fc", several=["conv2", "fc"])


# ------------------------------------------------------------------ finite, whatever the network


@given(value=st.sampled_from([0.0, 1.0, -3.0]))
@few
def test_constant_images(method: str, value: float) -> None:
    finite(method, build(Plain), torch.full((2, 3, 12, 12), value))


@given(dead=st.sampled_from(["all", "some", "behind"]))
@few
def test_dead_channels(method: str, dead: str) -> None:
    model = build(Plain)
    with torch.no_grad():
        conv = model.conv1 if dead == "behind" else model.conv2[0]
        conv.weight[: 3 if dead == "some" else None] = 0
        conv.bias[: 3 if dead == "some" else None] = -1  # the ReLU behind it gives 0
    maps = finite(method, model, pictures())
    if dead == "all" and method in WEIGHTED:
        assert not maps.any(), "a layer of zeros has a map of zeros"


@given(shift=st.sampled_from([-50.0, -1e4, 50.0]))
@few
def test_negative_logits(method: str, shift: float) -> None:
    model = build(Plain)
    with torch.no_grad():
        model.fc.bias += shift
    finite(method, model, pictures())


def test_maps_that_are_negative_everywhere(method: str) -> None:
    model = build(Plain)
    with torch.no_grad():
        model.fc.weight.abs_().neg_()
    maps = finite(method, model, pictures(), several=["conv2"])
    if method in ("grad_cam", "xgrad_cam", "grad_cam_plus_plus", "layer_cam"):
        assert not maps.any(), "ReLU of a negative map"


def test_a_class_that_nothing_speaks_for(method: str) -> None:
    """A score that does not depend on the image has the gradient 0."""
    model = build(Plain)
    with torch.no_grad():
        model.fc.weight.zero_()
    finite(method, model, pictures(), target=1)


@given(scale=st.sampled_from([1e-9, 1e9]))
@few
def test_tiny_and_huge_logits(method: str, scale: float) -> None:
    """An epsilon in the denominator of Grad-CAM++ makes the map blank for tiny logits."""
    model = build(Plain)
    with torch.no_grad():
        model.fc.weight *= scale
        model.fc.bias *= scale
    maps = finite(method, model, pictures(), target=1)
    if method in ("grad_cam", "xgrad_cam", "hires_cam", "eigen_grad_cam", "grad_cam_plus_plus"):
        assert maps.any()


def test_a_picture_of_one_position(method: str) -> None:
    finite(method, build(Plain), pictures(size=2))
