"""Options that make no sense get one clear ValueError: never NaN, never garbage, no traceback."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from calling import CLASSLESS, METHODS, Plain, build, call, parameters, pictures
from PIL import Image
from torch import Tensor, nn

import camlite
from camlite import metrics, sanity
from camlite.data.files import load_image
from camlite.perturb import fill_name, filled

NAN = float("nan")
USES_MODEL = [m for m in METHODS if m != "center_gaussian"]


def maps() -> Tensor:
    return torch.rand(2, 6, 6, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("method", [m for m in METHODS if m not in CLASSLESS])
@pytest.mark.parametrize("target", ["cat", {}, {"cat": 1}, ["a", "b"], object(), 1j])
def test_a_target_that_is_no_class(method: str, target: Any) -> None:
    with pytest.raises(ValueError, match="target must"):
        call(method, build(Plain), pictures(), target)


@pytest.mark.parametrize("method", USES_MODEL)
@pytest.mark.parametrize("where", ["conv1", "fc"])
def test_a_network_that_says_nan(method: str, where: str) -> None:
    model = build(Plain)
    with torch.no_grad():
        model.get_submodule(where).bias.fill_(NAN)
    if where == "fc" and method in CLASSLESS:
        return  # they look at the layer only
    with pytest.raises(ValueError, match=r"NaN or infinite|one linear layer"):
        call(method, model, pictures(), 1)


@pytest.mark.parametrize("method", [m for m in METHODS if "generator" in parameters(m)])
def test_a_number_is_no_generator(method: str) -> None:
    with pytest.raises(ValueError, match=r"torch\.Generator\(\)\.manual_seed\(5\)"):
        call(method, build(Plain), pictures(), generator=5)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("finer_cam", {"alpha": NAN}),
        ("layer_cam", {"gamma": NAN}),
        ("layer_cam", {"gamma": -1.0}),
        ("smooth_grad", {"sigma": NAN}),
        ("smooth_grad", {"sigma": -0.1}),
        ("smooth_grad_cam_plus_plus", {"sigma": -0.1}),
        ("smooth_grad_cam_plus_plus", {"sigma": float("inf")}),
        ("ss_cam", {"sigma": NAN}),
        ("ss_cam", {"sigma": -2.0}),
        ("center_gaussian", {"sigma": 0}),
        ("center_gaussian", {"sigma": NAN}),
        ("group_cam", {"denoise": NAN}),
        ("group_cam", {"denoise": None}),
        ("group_cam", {"denoise": 1.0}),
        ("rise", {"keep": NAN}),
        ("rise", {"keep": "half"}),
        ("occlusion", {"patch": "large"}),
        ("integrated_gradients", {"baseline": NAN}),
        ("integrated_grad_cam", {"baseline": torch.full((3, 12, 12), NAN)}),
        ("integrated_gradients", {"baseline": [0.0, 0.5, 1.0]}),
        ("integrated_gradients", {"baseline": np.zeros((3, 12, 12))}),
        ("integrated_gradients", {"baseline": True}),
        ("score_cam", {"baseline": "grey"}),
        ("occlusion", {"fill": torch.zeros(2, 12, 12)}),
        ("occlusion", {"fill": torch.zeros(12)}),
        ("occlusion", {"fill": lambda X: 0}),
        ("finer_cam", {"rivals": 0}),
        ("finer_cam", {"rivals": "birds"}),
        ("finer_cam", {"rivals": [1.5]}),
        ("finer_cam", {"rivals": 1.5}),
        ("finer_cam", {"rivals": {}}),
        ("rise", {"samples": 2.0}),
    ],
)
def test_an_option_that_makes_no_sense_is_named(method: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        call(method, build(Plain), pictures(), 0, **options)


def test_an_option_that_is_not_used_this_time_is_looked_at() -> None:
    model, X, M = build(Plain), pictures(), maps()
    with pytest.raises(ValueError, match="gamma"):
        camlite.layer_cam(model, "conv2", X, 0, gamma=NAN)  # one layer: no gamma in the formula
    truthy = [call("cluster_cam", model, X, 0, scissors=s, relu=False) for s in (True, 2)]
    assert torch.equal(*truthy)
    with pytest.raises(ValueError, match="generator"):
        metrics.deletion(model, X, M, 0, generator=5)  # type: ignore[arg-type]  # no random ties


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    model, X = build(Plain), pictures()
    for method, name in (("finer_cam", "rivals"), ("rise", "samples"), ("score_cam", "batch_size")):
        two = [call(method, model, X, 0, **{name: number}) for number in (2, np.int64(2))]
        assert torch.equal(*two), method
    classes = [call("grad_cam", model, X, c) for c in (1, np.int64(1), [1, 1], np.array([1, 1]))]
    assert all(torch.equal(M, classes[0]) for M in classes)
    rivals = [call("finer_cam", model, X, 0, rivals=r) for r in ([1, 2], np.array([1, 2]))]
    assert torch.equal(*rivals)


# ------------------------------------------------------------------ what fills the hole


def square(X: Tensor) -> Tensor:
    return X**2


@pytest.mark.parametrize("shape", [(2, 3, 12, 12), (2, 3, 30)])
def test_one_vocabulary_fills_every_hole(shape: tuple[int, ...]) -> None:
    X = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    ones = [1] * (len(shape) - 2)
    one = torch.rand(shape[1:])
    want: list[tuple[Any, Tensor]] = [
        ("zero", torch.zeros(shape)),
        (0, torch.zeros(shape)),
        (np.float32(0.5), torch.full(shape, 0.5)),
        ("mean", X.flatten(2).mean(2).reshape(2, 3, *ones).expand(shape)),
        ("original", X),
        (one, one.expand(shape)),
        (torch.arange(3.0).reshape(3, *ones), torch.arange(3.0).reshape(1, 3, *ones).expand(shape)),
        (X / 2, X / 2),
        (torch.tensor(0.25), torch.full(shape, 0.25)),
        (square, X**2),
    ]
    for fill, expected in want:
        torch.testing.assert_close(filled(X, fill), expected)
    weak, strong = filled(X, "blur"), filled(X, "strong_blur")
    assert weak.shape == strong.shape == X.shape
    assert strong.flatten(2).std(2).max() < X.flatten(2).std(2).min() / 4
    names = [fill_name(fill) for fill in ("blur", 0.0, one, square)]
    assert names == ["blur", "0.0", f"tensor {shape[1:]}", "square"]


@pytest.mark.parametrize("fill", ["zero", "mean", "blur", "strong_blur", "original", 0.3, square])
def test_methods_and_metrics_take_the_same_fills(fill: Any) -> None:
    model, X = build(Plain), pictures()
    for method, name in (
        ("occlusion", "fill"),
        ("integrated_gradients", "baseline"),
        ("integrated_grad_cam", "baseline"),
    ):
        by_word = call(method, model, X, 0, **{name: fill})
        torch.testing.assert_close(by_word, call(method, model, X, 0, **{name: filled(X, fill)}))
    for metric in (metrics.deletion, metrics.insertion):
        by_word = metric(model, X, maps(), 0, steps=4, fill=fill).scores
        same = metric(model, X, maps(), 0, steps=4, fill=filled(X, fill)).scores
        torch.testing.assert_close(by_word, same)


# ------------------------------------------------------------------ metrics

SMALL: dict[str, Callable[..., Any]] = {
    "deletion": metrics.deletion,
    "insertion": metrics.insertion,
    "masked_confidence": metrics.masked_confidence,
    "road": metrics.road,
}


@pytest.mark.parametrize("metric", SMALL)
def test_what_the_metrics_refuse(metric: str) -> None:
    model, X, M, f = build(Plain), pictures(), maps(), SMALL[metric]
    with pytest.raises(ValueError, match="batch_size must be a whole number, 1 or more, not 0"):
        f(model, X, M, 1, batch_size=0)
    with pytest.raises(ValueError, match=r"float32 or float64, not torch\.uint8"):
        f(model, (255 * X).byte(), M, 1)
    with pytest.raises(ValueError, match="images hold NaN"):
        f(model, X * NAN, M, 1)
    for wrong in (-1, 4, torch.tensor([-1, -1]), torch.tensor([0, 4]), torch.tensor([99, 0])):
        with pytest.raises(ValueError, match="out of range: the model has classes 0 to 3"):
            f(model, X, M, wrong)
    with pytest.raises(ValueError, match="target must be"):
        f(model, X, M, "cat")
    with pytest.raises(ValueError, match="NaN or infinite"):
        f(model, X, M * NAN, 1)


def test_numbers_that_make_no_sense_in_metrics() -> None:
    model, X, M = build(Plain), pictures(), maps()
    heat, truths = torch.rand(2, 12, 12), torch.tensor([[0, 0, 6, 6], [2, 2, 9, 9]])
    boxes, labels = truths.float(), torch.tensor([0, 1])
    missing = torch.ones(12, 12).tril().bool()
    calls: dict[str, list[Callable[[], Any]]] = {
        "noise": [
            lambda: metrics.road(model, X, M, 1, noise=NAN),
            lambda: metrics.imputed(X, missing, noise=-1),
        ],
        "deltas": [
            lambda: metrics.max_box_acc_v2(heat, truths, deltas=()),
            lambda: metrics.max_box_acc_v2(heat, truths, deltas=(0.5, NAN)),
        ],
        "thresholds": [lambda: metrics.max_box_acc_v2(heat, truths, thresholds=[NAN])],
        "threshold": [
            lambda: metrics.localization_error(boxes, truths, labels, labels, threshold=NAN),
            lambda: camlite.boxes.bounding_box(heat[0], NAN),
        ],
        "tolerance": [lambda: metrics.pointing_game(M, heat, tolerance=NAN)],
        "steps": [lambda: metrics.deletion(model, X, M, 1, steps=0)],
        "fill": [
            lambda: metrics.deletion(model, X, M, 1, fill=NAN),
            lambda: metrics.masked_confidence(model, X, M, 1, fill="black"),
        ],
        "values": [lambda: metrics.class_mean(torch.tensor([NAN, 1.0]), labels)],
        "scores": [lambda: metrics.area_under(torch.tensor([NAN, 1.0]))],
        "fraction": [lambda: metrics.area_under(M[0, 0, :2], torch.tensor([NAN, 1.0]))],
        "masks": [
            lambda: metrics.pointing_game(M, M * NAN),
            lambda: metrics.energy_pointing_game(M, M * NAN),
        ],
        "keep": [lambda: metrics.masked_confidence(model, X, M, 1, keep="half")],  # type: ignore[arg-type]
        "images": [
            lambda: metrics.sobel_edges(X * NAN),
            lambda: metrics.sobel_edges((255 * X).byte()),
            lambda: metrics.fake_cam((255 * X).byte()),
            lambda: metrics.imputed((255 * X).byte(), missing),
            lambda: sanity.train_on_random_labels(model, X * NAN, labels),
        ],
        "labels": [
            lambda: sanity.train_on_random_labels(model, X, labels.float()),
            lambda: sanity.train_on_random_labels(model, X, torch.tensor([0, 9])),
        ],
        "stop_at": [lambda: sanity.train_on_random_labels(model, X, labels, stop_at=NAN)],
        "maps": [lambda: sanity.hog(heat * NAN, 4)],
        "cell": [
            lambda: sanity.hog_correlation(heat, heat, cell=0),
            lambda: sanity.hog_correlation(heat, heat, cell=2.5),  # type: ignore[arg-type]
        ],
        "block": [lambda: sanity.hog(heat, 2, block=0)],
        "window": [lambda: sanity.ssim(heat, heat, window=0)],
        "sigma": [lambda: sanity.ssim(heat, heat, sigma=NAN)],
    }
    for name, wrong in calls.items():
        for one in wrong:
            with pytest.raises(ValueError, match=name):
                one()


# ------------------------------------------------------------------ the rest


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (nn.Tanh(), "tanh"),
        (torch.tanh, "tanh"),
        (nn.Sigmoid(), "sigmoid"),
        (lambda x: x.sigmoid(), "sigmoid"),
        (lambda x: x.clamp(min=0), "clamp"),
        (lambda x: torch.clamp(x, min=0), "clamp"),
        (nn.Hardsigmoid(), "hardsigmoid"),
        (nn.Hardtanh(), "hardtanh"),
        (nn.Tanhshrink(), "tanhshrink"),
        (nn.Threshold(0.1, 0), "threshold"),
        (lambda x: torch.maximum(x, torch.zeros_like(x)), "maximum"),
    ],
)
def test_relu_rules_name_what_they_leave_alone(function: Any, name: str) -> None:
    class Net(Plain):
        def forward(self, x: Tensor) -> Tensor:
            return self.fc(function(self.conv2(self.relu1(self.conv1(x)))).mean((2, 3)))

    for method in (camlite.guided_backprop, camlite.deconvnet):
        with pytest.warns(UserWarning, match=f"only ReLUs follow .* {name} keep"):
            method(build(Net), pictures(), 1)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            method(build(Plain), pictures(), lambda Y: Y.sigmoid()[:, 0].clamp(0, 1))


@pytest.mark.parametrize("bad", [NAN, float("inf")])
def test_the_named_parts_of_the_formulas_pass_no_nan_on(bad: float) -> None:
    F = torch.rand(2, 3, 4, 4)
    w = torch.rand(2, 3)
    broken, wrong = F.clone(), w.clone()
    broken[1, 2, 3, 3] = wrong[0, 0] = bad
    for part in (
        lambda: camlite.gap(broken),
        lambda: camlite.weighted_sum(w, broken),
        lambda: camlite.weighted_sum(wrong, F),
        lambda: camlite.up(broken, (8, 8)),
        lambda: camlite.minmax(broken),
        lambda: camlite.boxes.crop(broken[1], (0, 0, 4, 4), (6, 6)),
    ):
        with pytest.raises(ValueError, match="NaN or infinite"):
            part()


def test_a_picture_file_that_holds_nan_is_refused(tmp_path: Any) -> None:
    grey = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    Image.fromarray(grey).save(tmp_path / "good.tiff")
    assert load_image(tmp_path / "good.tiff").isfinite().all()
    grey[2, 3] = np.nan
    Image.fromarray(grey).save(tmp_path / "bad.tiff")
    with pytest.raises(ValueError, match=r"bad\.tiff .*NaN"):
        load_image(tmp_path / "bad.tiff")
