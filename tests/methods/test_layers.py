"""Methods over several layers, each against loops; FullGrad's completeness; choice of layers."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from small_nets import (
    LADDERS,
    DeepHead,
    GapHead,
    Residual,
    Signal,
    logit,
    maps_and_gradients,
    pictures,
    ready,
)
from torch import nn
from torch.nn.functional import interpolate

import camlite
from camlite.methods.layers import Incomplete, full_gradients
from camlite.split import LayerChosen, stage_ends

pytestmark = [
    pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook"),
    pytest.mark.filterwarnings("ignore::camlite.methods.layers.Incomplete"),
]
CLASS = 1
METHODS = {
    "zoom_cam": camlite.zoom_cam,
    "refine_cam": camlite.refine_cam,
    "refine_cam root": lambda *a, **k: camlite.refine_cam(*a, root=True, **k),
    "winsor_cam": camlite.winsor_cam,
    "winsor_cam 40": lambda *a, **k: camlite.winsor_cam(*a, percentile=40, **k),
    "winsor_cam max": lambda *a, **k: camlite.winsor_cam(*a, importance="max", **k),
    "poly_cam +": lambda *a, **k: camlite.poly_cam(*a, variant="+", **k),
    "poly_cam -": lambda *a, **k: camlite.poly_cam(*a, variant="-", **k),
    "poly_cam +-": camlite.poly_cam,
    "poly_cam authors": lambda *a, **k: camlite.poly_cam(*a, authors_masks=True, **k),
    "poly_cam plain": lambda *a, **k: camlite.poly_cam(*a, local_norm=False, **k),
}


@pytest.fixture(params=LADDERS)
def ladder(request):
    return LADDERS[request.param]()


def resize(M, size):
    """One map, (h, w) or (l,), to `size`, with torch's own function."""
    mode = "linear" if M.dim() == 1 else "bilinear"
    return interpolate(M[None, None], size=tuple(size), mode=mode, align_corners=False)[0, 0]


def scaled(M):
    low, high = M.min(), M.max()
    return (M - low) / (high - low) if high > low else torch.zeros_like(M)


def plain_maps(model, layers, x, kind):
    """One image's map at each layer, by a loop over channels and positions."""
    F, G = maps_and_gradients(model, layers, x, logit(CLASS))
    maps = []
    for f, g in zip(F, G, strict=True):
        f, g = f[0], g[0]
        M = torch.zeros_like(f[0])
        for k in range(len(f)):
            if kind == "hires":
                M += g[k] * f[k]
            else:
                w = 0.0
                for a in g[k].flatten().tolist():
                    below = 2 * a**2 + float(f[k].sum()) * a**3
                    w += (a**2 / below if below != 0 else 0) * max(a, 0)
                M += w * f[k]
        maps.append(M.clamp(min=0))
    return maps


def test_zoom_cam_is_the_maximum(ladder):
    model, layers, x = ladder
    result = camlite.zoom_cam(model, layers, x, CLASS)
    for n in range(len(x)):
        maps = plain_maps(model, layers, x[n : n + 1], "hires")
        size = maps[0].shape
        expected = torch.stack([resize(scaled(M), size) for M in maps]).amax(0)
        torch.testing.assert_close(result[n], expected)
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("root", [False, True])
def test_refine_cam_is_the_product(ladder, root):
    model, layers, x = ladder
    result = camlite.refine_cam(model, layers, x, CLASS, root=root)
    for n in range(len(x)):
        maps = plain_maps(model, layers, x[n : n + 1], "plus plus")
        expected = torch.ones_like(maps[0])
        for M in maps:
            expected = expected * resize(scaled(M), maps[0].shape)
        expected = expected ** (1 / len(maps)) if root else expected
        torch.testing.assert_close(result[n], expected)


def winsor_by_loop(model, layers, x, percentile, importance):
    """Winsor-CAM of one image: Grad-CAM maps, numpy's percentile, one layer at a time."""
    F, G = maps_and_gradients(model, layers, x, logit(CLASS))
    maps, a = [], []
    for f, g in zip(F, G, strict=True):
        α = [float(g[0, k].mean()) for k in range(g.shape[1])]
        M = sum(α_k * f_k for α_k, f_k in zip(α, f[0], strict=True)).clamp(min=0)
        maps.append(resize(scaled(M), F[0].shape[2:]))
        a.append(max(0.0, max(α) if importance == "max" else float(np.mean(α))))
    positive = [a_l for a_l in a if a_l > 0]
    if not positive:
        return torch.zeros_like(maps[0]), a
    cut = [min(a_l, float(np.percentile(positive, percentile))) for a_l in a]
    low, high = min(c for c in cut if c > 0), max(cut)
    L = torch.zeros_like(maps[0])
    for M, c in zip(maps, cut, strict=True):
        if c > 0:
            L += (1.0 if high == low else 0.1 + 0.9 * (c - low) / (high - low)) * M
    return L, a


@pytest.mark.parametrize("importance", ["mean", "max"])
@pytest.mark.parametrize("percentile", [0, 30, 50.5, 99, 100])
def test_winsor_cam_is_the_weighted_sum_of_grad_cams(ladder, percentile, importance):
    model, layers, x = ladder
    result = camlite.winsor_cam(
        model, layers, x, CLASS, percentile=percentile, importance=importance
    )
    for n in range(len(x)):
        expected, _ = winsor_by_loop(model, layers, x[n : n + 1], percentile, importance)
        torch.testing.assert_close(result[n], expected)
    assert result.min() >= 0


def test_winsor_cam_leaves_out_layers_with_a_negative_mean_gradient():
    """What the docstring warns of does happen: layers that are left out, and images with none."""
    left_out = 0
    for name in LADDERS:
        model, layers, x = LADDERS[name]()
        for n in range(len(x)):
            _, a = winsor_by_loop(model, layers, x[n : n + 1], 99, "mean")
            left_out += a.count(0.0)
            if not any(a):
                assert not camlite.winsor_cam(model, layers, x[n : n + 1], CLASS).any()
    assert left_out > 0


def test_winsor_cam_of_one_layer_is_grad_cam_scaled():
    model, x = ready(GapHead()), pictures(2)
    W = model.fc.weight.data
    W[CLASS] += 0.1 - W[CLASS].mean()  # a mean gradient above 0
    M = camlite.grad_cam(model, "features", x, CLASS)
    assert torch.equal(camlite.winsor_cam(model, "features", x, CLASS), camlite.minmax(M))


@pytest.mark.parametrize(
    ("a", "percentile", "w"),
    [
        ([1.0, 2.0, 3.0, 100.0], 0, [1.0, 1.0, 1.0, 1.0]),
        ([1.0, 2.0, 3.0, 101.0], 100, [0.1, 0.109, 0.118, 1.0]),
        ([0.0, 1.0, 2.0, 100.0], 50, [0.0, 0.1, 1.0, 1.0]),
        ([1.0, 3.0, 100.0], 1e-9, [0.1, 1.0, 1.0]),  # the jump that the docstring names
        ([4.0, 4.0, 0.0], 70, [1.0, 1.0, 0.0]),
        ([0.0, 0.0], 70, [0.0, 0.0]),
    ],
)
def test_winsorized_weights_by_hand(a, percentile, w):
    found = camlite.methods.layers._winsorized(torch.tensor(a).double(), percentile)
    torch.testing.assert_close(found, torch.tensor(w).double())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"percentile": -1}, "percentile must be a finite number, 0 or more and 100 or less"),
        ({"percentile": 101}, "percentile must be a finite number"),
        ({"percentile": "high"}, "percentile must be a finite number"),
        ({"importance": "median"}, "importance must be one of 'mean', 'max'"),
    ],
)
def test_winsor_cam_wrong_options(options, message):
    with pytest.raises(ValueError, match=message):
        camlite.winsor_cam(ready(GapHead()), "features", pictures(1), **options)


def poly_by_loop(model, layers, x, variant, local_norm=True, authors=False):
    """Poly-CAM of one image as in the authors' code: numpy's percentiles, one mask at a time."""
    F, _ = maps_and_gradients(model, layers, x, logit(CLASS))

    def P(image):
        return float(model(image).softmax(1)[0, CLASS].detach())

    size, previous = x.shape[2:], None
    for f in [f[0] for f in reversed(F)]:
        M = torch.zeros_like(f[0])
        for f_k in f:
            if not f_k.any():
                continue
            low, high = (np.percentile(f_k.numpy(), q) for q in (0.1, 99.9))
            H = (f_k - low) / max(high if authors else high - low, 1e-12)
            H = resize(H.clamp(0, 1), size)
            kept, lost = P(x * H), P(x) - P(x * (1 - H))
            w = {"+": kept, "-": max(lost, 0), "+-": max(kept + lost, 0)}[variant]
            M += w * f_k
        M = M.clamp(min=0)
        if previous is None:
            previous = M
            continue
        if local_norm:
            M = M / torch.clamp(resize(resize(M, previous.shape), M.shape), min=1e-12)
        previous = M * resize(previous, M.shape)
    return previous


@pytest.mark.parametrize("variant", ["+", "-", "+-"])
def test_poly_cam_loop(ladder, variant):
    model, layers, x = ladder
    x = x[:2]
    result = camlite.poly_cam(model, layers, x, CLASS, variant=variant, batch_size=3)
    for n in range(len(x)):
        torch.testing.assert_close(result[n], poly_by_loop(model, layers, x[n : n + 1], variant))


@pytest.mark.parametrize("options", [{"local_norm": False}, {"authors_masks": True}])
def test_poly_cam_options(options):
    model, layers, x = LADDERS["silu"]()
    result = camlite.poly_cam(model, layers, x[:1], CLASS, **options)[0]
    loop = poly_by_loop(
        model, layers, x[:1], "+-", options.get("local_norm", True), "authors_masks" in options
    )
    torch.testing.assert_close(result, loop)
    assert not torch.allclose(result, camlite.poly_cam(model, layers, x[:1], CLASS)[0])


def test_poly_cam_of_one_layer_is_the_weighted_sum_and_a_dead_channel_changes_nothing():
    model, x = ready(GapHead()), pictures(1)
    before = camlite.poly_cam(model, "features", x, CLASS)
    dead = ready(GapHead())
    dead.features[2].bias.data[1] = -1e3
    W = dead.fc.weight.data
    W[:, 1] = 5.0
    assert torch.isfinite(camlite.poly_cam(dead, "features", x, CLASS)).all()
    assert before.shape == (1, 6, 7)
    torch.testing.assert_close(before[0], poly_by_loop(model, ["features"], x, "+-"))


@pytest.mark.parametrize("name", METHODS)
def test_contract(name, ladder):
    model, layers, x = ladder
    x = x[:2]
    M = METHODS[name](model, layers, x, CLASS)
    (F, *_), _ = maps_and_gradients(model, layers, x, logit(CLASS))
    assert M.shape == (len(x), *F.shape[2:])
    assert torch.isfinite(M).all()
    assert not M.requires_grad
    assert torch.equal(M, METHODS[name](model, layers, x, CLASS))
    alone = torch.cat([METHODS[name](model, layers, one[None], CLASS) for one in x])
    torch.testing.assert_close(M, alone)
    modules = [model.get_submodule(layer) for layer in layers]
    assert torch.equal(M, METHODS[name](model, modules, x, CLASS))


@pytest.mark.parametrize("name", [*METHODS, "full_grad"])
def test_nothing_is_left_behind(name):
    model, layers, x = LADDERS["skip around"]()
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    random = torch.get_rng_state()
    if name == "full_grad":
        camlite.full_grad(model, x, CLASS)
    else:
        METHODS[name](model, layers, x, CLASS)
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(m.training and not m._forward_hooks for m in model.modules())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("name", METHODS)
def test_float32_and_nothing_positive(name):
    model, layers, x = LADDERS["deep"]()
    exact = METHODS[name](model, layers, x[:1], CLASS)
    single = METHODS[name](model.float(), layers, x[:1].float(), CLASS)
    assert single.dtype == torch.float32
    if "poly" not in name:  # LNorm divides by values near 0
        torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=1e-4)
    for p in model.parameters():
        p.data.zero_()  # constant maps, no gradient
    assert not METHODS[name](model, layers, x[:1].float(), CLASS).any()


@pytest.mark.parametrize("name", ["zoom_cam", "refine_cam"])
@pytest.mark.parametrize("s", [1e-6, 1e3])
def test_scale_of_the_logits(name, s):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = model

        def forward(self, x):
            return self.net(x) * s

    model, layers, x = LADDERS["deep"]()
    M = METHODS[name](Scaled(), [f"net.{layer}" for layer in layers], x, CLASS)
    assert torch.isfinite(M).all()
    assert M.amax((1, 2)).min() > 0
    if name == "zoom_cam":
        torch.testing.assert_close(M, METHODS[name](model, layers, x, CLASS))


# ------------------------------------------------------------------ FullGrad


class MaxPooled(nn.Module):
    """Every layer type that FullGrad knows, also BatchNorm without weights and a 1-D BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, 4, 3),
            nn.BatchNorm2d(4, affine=False),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.ConvTranspose2d(4, 3, 3),
            nn.ReLU(inplace=True),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.LazyLinear(6),
            nn.BatchNorm1d(6),
            nn.LeakyReLU(0.1),
            nn.Linear(6, 4, bias=False),
        )
        self.net(torch.zeros(2, 2, 10, 10))

    def forward(self, x):
        return self.net(x)


COMPLETE = {
    "gap": lambda: (ready(GapHead()), pictures()),
    "deep": lambda: (ready(DeepHead()), pictures(size=(8, 8))),
    "residual": lambda: (ready(Residual()), pictures()),
    "signal": lambda: (ready(Signal()), pictures(size=(12,))),
    "every layer": lambda: (ready(MaxPooled()), pictures(size=(10, 10))),
}


@pytest.mark.parametrize("name", COMPLETE)
def test_full_gradients_are_complete(name):
    model, x = COMPLETE[name]()
    terms = full_gradients(model, x, CLASS)
    torch.testing.assert_close(terms.Y, model(x)[:, CLASS].detach())
    torch.testing.assert_close(terms.total(), terms.Y)
    assert terms.input.shape == x.shape
    difference = full_gradients(model, x, lambda S: S[:, 0] - S[:, 1])
    torch.testing.assert_close(difference.total(), difference.Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        camlite.full_grad(model, x, CLASS)


@pytest.mark.parametrize("name", COMPLETE)
def test_full_gradients_by_finite_differences_of_the_biases(name):
    """The term of a bias is its slope: Σ over positions of ∂Y/∂z ∘ b = ∂Y/∂b · b."""
    model, x = COMPLETE[name]()
    terms = full_gradients(model, x, CLASS)
    checked = 0
    for layer, term in terms.biases:
        bias = model.get_submodule(layer).bias
        if bias is None or isinstance(model.get_submodule(layer), nn.modules.batchnorm._BatchNorm):
            continue
        old, h = bias.data.clone(), 1e-6
        with torch.no_grad():
            bias.data = old * (1 + h)
            up = model(x)[:, CLASS]
            bias.data = old * (1 - h)
            slope = (up - model(x)[:, CLASS]) / (2 * h)
            bias.data = old
        torch.testing.assert_close(term.flatten(1).sum(1), slope, rtol=1e-5, atol=1e-6)
        checked += 1
    assert checked


def test_a_layer_that_runs_twice_counts_twice():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.fc = nn.Linear(2, 3)

        def forward(self, x):
            return self.fc(self.conv(self.conv(x).relu_()).relu_().mean((2, 3)))

    model = ready(Twice())
    terms = full_gradients(model, pictures(), 0)
    assert [layer for layer, _ in terms.biases] == ["conv", "conv", "fc"]
    torch.testing.assert_close(terms.total(), terms.Y)


@pytest.mark.parametrize("name", COMPLETE)
def test_full_grad_map_by_loop(name):
    model, x = COMPLETE[name]()
    terms = full_gradients(model, x, CLASS)
    M = camlite.full_grad(model, x, CLASS)
    assert M.shape == (len(x), *x.shape[2:])
    for n in range(len(x)):
        expected = torch.zeros_like(x[n, 0])
        for term in [terms.input, *(t for _, t in terms.biases if t.dim() == x.dim())]:
            a = term[n].abs()
            a = (a - a.min()) / (a.max() - a.min()) if a.max() > a.min() else a * 0
            for channel in a:
                expected += resize(channel, x.shape[2:])
        torch.testing.assert_close(M[n], expected)


@pytest.mark.filterwarnings("default::camlite.methods.layers.Incomplete")
def test_full_grad_says_when_it_is_not_complete():
    model, x = ready(DeepHead(nn.SiLU)), pictures(size=(8, 8))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        M = camlite.full_grad(model, x, CLASS)
    assert [w.category for w in seen] == [Incomplete]
    assert "SiLU" in str(seen[0].message)
    assert torch.isfinite(M).all()


# ------------------------------------------------------------------ which layers


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("vgg16", ["features.3", "features.8", "features.15", "features.22", "features.29"]),
        ("resnet18", ["relu", "layer1", "layer2", "layer3", "layer4"]),
        ("resnet50", ["relu", "layer1", "layer2", "layer3", "layer4"]),
        ("squeezenet1_1", ["features.1", "features.4", "features.7", "classifier.2"]),
        (
            "mobilenet_v3_small",
            [
                "features.0",
                "features.2.block.0",
                "features.4.block.0",
                "features.9.block.0",
                "features",
            ],
        ),
    ],
)
def test_stage_ends(name, layers):
    """The lists of the Poly-CAM authors for VGG16 and ResNet50; cut without a hook."""
    fast = {"init_weights": False} if name == "vgg16" else {}
    model = torchvision.models.get_model(name, weights=None, **fast).eval()
    x = torch.rand(1, 3, 64, 64)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert stage_ends(model, x) == layers
    assert [w.category for w in seen] == [LayerChosen]
    assert layers[0] in str(seen[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = camlite.split(model, layers)
        F = x
        for part in parts:
            F = part(F)
        assert torch.equal(F, model(x).detach())


@pytest.mark.parametrize("name", ["zoom_cam", "refine_cam", "poly_cam +"])
def test_layers_are_chosen_and_announced(name):
    model, x = ready(DeepHead()), pictures(1, size=(8, 8))
    with pytest.warns(LayerChosen, match=r"'features\.1'.*'features'"):
        M = METHODS[name](model, None, x, CLASS)
    assert torch.equal(M, METHODS[name](model, ["features.1", "features"], x, CLASS))


def test_layers_are_chosen_without_a_graph_too():
    model, _, x = LADDERS["by data"]()
    with pytest.warns(LayerChosen):
        assert stage_ends(model, x)[-1] in ("bn2", "relu")
    with pytest.warns(LayerChosen):
        assert torch.isfinite(camlite.zoom_cam(model, None, x)).all()


def test_a_network_of_one_resolution_has_one_layer():
    with pytest.warns(LayerChosen):
        assert stage_ends(ready(GapHead()), pictures()) == ["features"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: camlite.poly_cam(m, "features.1", x, variant="±"), "variant"),
        (lambda m, x: camlite.poly_cam(m, "features.1", x, batch_size=0), "batch_size"),
        (lambda m, x: camlite.zoom_cam(m, ["features.1"], x, 7), "classes 0 to 3"),
        (lambda m, x: camlite.full_grad(m, x, 7), "classes 0 to 3"),
        (lambda m, x: camlite.full_grad(m, x * float("nan")), "NaN"),
        (lambda m, x: camlite.zoom_cam(m, ["nowhere"], x), "no layer 'nowhere'"),
    ],
)
def test_mistakes_are_explained(call, message):
    with pytest.raises((ValueError, camlite.LayerNotFound), match=message):
        call(ready(DeepHead()), pictures(size=(8, 8)))


# ------------------------------------------------------------------ a real network


def test_full_gradients_are_complete_on_a_trained_network():
    folder = Path(os.environ.get("CAMLITE_DATA", "none"))
    weights = folder / "weights" / "squeezenet1_1-caffe.pth"
    if not weights.exists():
        pytest.skip("CAMLITE_DATA has no weights/squeezenet1_1-caffe.pth")
    from PIL import Image
    from torchvision.transforms.functional import normalize, to_tensor

    model = torchvision.models.squeezenet1_1(weights=None)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model = model.double().eval()
    picture = Image.open(folder / "photos" / "dog_cat_224.png").convert("RGB")
    x = normalize(to_tensor(picture), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])[None].double()
    terms = full_gradients(model, x, 243)
    torch.testing.assert_close(terms.total(), terms.Y)
    assert camlite.full_grad(model, x, 243).shape == (1, 224, 224)
