"""CNN = classifier ∘ features, bit for bit: every family of torchvision, and users' own modules."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from camlite import LayerChosen, LayerNotFound, SplitByHook, cam, grad_cam, split
from camlite.nets import GapNet
from camlite.scores import score_and_gradient
from camlite.split import last_spatial_layer, stage_ends

# One image size per family, small, but such that the last layer still has space.
FAMILIES = {
    "resnet18": 64,
    "resnet50": 64,
    "vgg16": 32,
    "densenet121": 64,
    "efficientnet_b0": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "mobilenet_v3_large": 64,
    "googlenet": 64,
    "inception_v3": 139,
    "squeezenet1_1": 64,
    "shufflenet_v2_x1_0": 64,
    "regnet_y_400mf": 64,
    "convnext_tiny": 64,
    "mnasnet1_0": 64,
    "alexnet": 64,
    "swin_t": 64,
}
SMALL = ("resnet18", "mobilenet_v3_small", "squeezenet1_1", "shufflenet_v2_x1_0", "mnasnet1_0")


@functools.lru_cache(maxsize=2)
def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    no_init = {"init_weights": False} if name in ("googlenet", "inception_v3", "vgg16") else {}
    return getattr(torchvision.models, name)(weights=None, **no_init).eval()


def pictures(size: int, n: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(1))


def boundaries(model: nn.Module, prefix: str = "") -> Iterator[str]:
    """The blocks that run one after the other: children, and children of nn.Sequential."""
    for name, child in model.named_children():
        yield prefix + name
        if isinstance(child, nn.Sequential):
            yield from boundaries(child, f"{prefix}{name}.")


def without_positions(model: nn.Module, layers: Sequence[str], x: Tensor) -> list[str]:
    """The layers whose output is (N, K), or (N, h, w, D) with the features last: no maps."""
    shapes = {}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda module, args, out, name=name: shapes.update({name: out.shape})
        )
        for name in layers
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return [n for n in layers if len(shapes[n]) < 4 or shapes[n][2] != shapes[n][3]]


def check_cut(model: nn.Module, layer: str, x: Tensor, flat: Sequence[str] = ()) -> None:
    """Bit for bit, and F unchanged; a layer in `flat` is refused, because it has no positions."""
    with torch.no_grad():
        expected = model(x)
    features, classifier = split(model, layer)
    if layer in flat:
        with pytest.raises(ValueError, match="choose a layer that gives maps"):
            features(x)
        return
    F = features(x)
    before = F.clone()
    assert torch.equal(classifier(F), expected), layer
    assert torch.equal(F, before), f"{layer}: the classifier part changed F"


# ------------------------------------------------------------------ torchvision


@pytest.mark.parametrize("name", SMALL)
def test_last_layer_of_small_networks(name: str) -> None:
    model, x = network(name), pictures(FAMILIES[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)
        warnings.simplefilter("error", SplitByHook)
        for layer in stage_ends(model, x):
            check_cut(model, layer, x)


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_block_boundary(name: str) -> None:
    model, x = network(name), pictures(FAMILIES[name])
    idle = [n for n in ("aux1", "aux2", "AuxLogits") if hasattr(model, n)]  # they run in training
    layers = [layer for layer in boundaries(model) if layer not in idle]
    flat = without_positions(model, layers, x)
    assert len(flat) < len(layers) * (1 if name == "swin_t" else 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SplitByHook)
        for layer in layers:
            check_cut(model, layer, x, flat)


LAST = {
    "resnet18": "layer4",
    "densenet121": "relu",
    "googlenet": "inception5b",
    "mobilenet_v3_small": "features",
    "squeezenet1_1": "classifier.2",
    "resnet50": "layer4",
    "vgg16": "features.29",
    "inception_v3": "Mixed_7c",
    "alexnet": "features.11",
    "swin_t": "permute",
    "efficientnet_b0": "features",
    "mobilenet_v3_large": "features",
}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        pytest.param(n, layer, marks=[] if i < 5 else pytest.mark.slow)
        for i, (n, layer) in enumerate(LAST.items())
    ],
)
def test_layer_none_is_the_last_layer_with_space(name: str, layer: str) -> None:
    with pytest.warns(LayerChosen, match=f"'{layer}'"):
        assert last_spatial_layer(network(name), pictures(FAMILIES[name])) == layer


def test_cam_of_densenet_needs_no_layer() -> None:
    """The last ReLU of torchvision's DenseNet is a function call behind `features`."""
    model, x = network("densenet121"), pictures(64)
    with pytest.warns(LayerChosen):
        M = cam(model, None, x, target=7)
    with torch.no_grad():
        bias = model.classifier.bias[7]
        assert torch.allclose(M.mean((1, 2)) + bias, model(x)[:, 7], atol=1e-5)


def test_stage_ends_of_resnet() -> None:
    with pytest.warns(LayerChosen):
        ends = stage_ends(network("resnet18"), pictures(64))
    assert ends == ["relu", "layer1", "layer2", "layer3", "layer4"]


def gradient_by_hook(model: nn.Module, layer: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """F and ∂Y/∂F by autograd through the whole network; a clone keeps in-place steps away."""
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, args, out: (kept.append(out), out.clone())[1]
    )
    Y = model(x.clone().requires_grad_())[:, 3].sum()
    handle.remove()
    return kept[-1].detach(), torch.autograd.grad(Y, kept[-1])[0]


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("resnet18", "layer3"),
        ("resnet18", "layer4.1.conv1"),
        ("squeezenet1_1", "features.12"),
        ("mobilenet_v3_small", "features.8"),
        ("densenet121", "features"),
        pytest.param("vgg16", "features.28", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore::camlite.SplitByHook")
def test_feature_maps_and_gradients_are_those_of_the_whole_network(name: str, layer: str) -> None:
    model, x = network(name), pictures(64)
    F, G = gradient_by_hook(model, layer, x)
    features, classifier = split(model, layer)
    assert torch.allclose(features(x), F, rtol=1e-5, atol=1e-6)
    _, ours = score_and_gradient(classifier, features(x), 3)
    assert torch.allclose(ours, G, rtol=1e-4, atol=1e-4 * float(G.abs().max()))


# ------------------------------------------------------------------ users' own modules


class Net(nn.Module):
    """Two convolutions and a linear layer; the subclasses change how they are called."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn(self.conv1(x)))
        return self.fc(self.relu(self.conv2(x)).mean((2, 3)))


class ViewNet(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = functional.max_pool2d(self.relu(self.conv2(self.relu(self.conv1(x)))), 8)
        return self.fc(y.view(x.shape[0], -1))


class SizeNet(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = functional.max_pool2d(self.relu(self.conv2(self.relu(self.conv1(x)))), 8)
        return self.fc(y.view(x.size(0), -1)) * x.size()[0] / x.shape[0]


class DataDependent(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        if x.mean() > 0:
            x = self.conv2(x)
        return self.fc(self.relu(x).mean((2, 3)))


class Residual(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn(self.conv1(x)))
        x = self.relu(self.conv2(x).relu_() + x)
        return self.fc(x.mean((2, 3)))


class InPlace(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv1(x))
        functional.relu_(x)  # the result is not used: only the change in place counts
        y = self.conv2(x)
        y += x
        return self.fc(functional.relu(y, inplace=True).mean((2, 3)))


class Defaults(Net):
    def forward(self, x: Tensor, factor: float = 2.0, mask: Tensor | None = None) -> Tensor:
        x = self.relu(self.conv1(x)) * factor
        if mask is not None:
            x = x * mask
        return self.fc(self.conv2(x).mean((2, 3)))


class ManyImages(Net):
    """Each picture is cut in two, and the halves become images of their own."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv1(torch.cat(x.chunk(2, 3))))
        return self.fc(y.mean((2, 3))).view(2, -1, 4).mean(0)


def sequential() -> nn.Module:
    block = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Sequential(nn.BatchNorm2d(6), nn.ReLU(True)))
    return nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4)).eval()


CUT = [
    (Net, "conv1"),
    (Net, "bn"),
    (Net, "relu"),
    (Net, "conv2"),
    (ViewNet, "conv1"),
    (ViewNet, "conv2"),
    (SizeNet, "conv2"),
    (InPlace, "bn"),
    (InPlace, "conv1"),
    (Defaults, "conv1"),
    (Defaults, "conv2"),
    (sequential, "0"),
    (sequential, "0.0"),
    (sequential, "0.1.0"),
    (sequential, "0.1.1"),
    (sequential, "1"),
    (GapNet, "features.5"),
    (GapNet, "features"),
]
HOOKED = [
    (DataDependent, "conv1"),
    (DataDependent, "relu"),
    (Residual, "conv2"),
    (InPlace, "conv2"),
]


@pytest.mark.parametrize(("build", "layer"), CUT)
@pytest.mark.parametrize("n", [1, 3])
def test_cut_of_users_modules(build: type, layer: str, n: int) -> None:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_cut(build().eval(), layer, pictures(8, n, channels=1 if build is GapNet else 3))


@pytest.mark.parametrize(("build", "layer"), HOOKED)
def test_hook_path(build: type, layer: str) -> None:
    torch.manual_seed(0)
    model, x = build().eval(), pictures(8)
    with pytest.warns(SplitByHook, match="whole forward"):
        check_cut(model, layer, x)
    with pytest.warns(SplitByHook):
        features, classifier = split(model, layer)
    F, G = gradient_by_hook(model, layer, x) if layer != "relu" else (None, None)
    _, ours = score_and_gradient(classifier, features(x), 3)
    assert ours.abs().sum() > 0
    if G is not None:
        assert torch.allclose(features(x), F)
        assert torch.allclose(ours, G)


def test_hook_path_takes_several_maps_of_each_image() -> None:
    torch.manual_seed(0)
    model, x = Residual().eval(), pictures(8)
    with pytest.warns(SplitByHook):
        features, classifier = split(model, "conv2")
    F = features(x)
    doubled = classifier(torch.stack([F, F * 0], 1).flatten(0, 1))  # F_0, 0, F_1, 0
    assert torch.allclose(doubled[::2], model(x), atol=1e-6)
    assert not torch.allclose(doubled[1::2], model(x), atol=1e-3)
    with pytest.raises(ValueError, match="3 feature maps do not fit the 2 images"):
        classifier(torch.cat([F, F[:1]]))


def test_hook_path_needs_the_images_first() -> None:
    with pytest.warns(SplitByHook):
        _, classifier = split(Residual(), "conv2")
    with pytest.raises(ValueError, match=r"call features\(images\) first"):
        classifier(torch.zeros(1, 6, 8, 8))


def test_a_module_that_runs_several_times_is_cut_behind_its_last_run() -> None:
    torch.manual_seed(0)
    model, x = Net().eval(), pictures(8)
    features, _ = split(model, "relu")
    with torch.no_grad():
        last = model.relu(model.conv2(model.relu(model.bn(model.conv1(x)))))
    assert torch.equal(features(x), last)


def test_first_axis_must_be_the_image() -> None:
    features, _ = split(ManyImages().eval(), "conv1")
    with pytest.raises(ValueError, match="choose a layer that gives maps"):
        features(pictures(8))


@pytest.mark.parametrize("build", [Net, Residual])
@pytest.mark.filterwarnings("ignore::camlite.SplitByHook")
def test_several_cuts(build: type) -> None:
    torch.manual_seed(0)
    model, x = build().eval(), pictures(8)
    first, second, last = split(model, ["conv1", "conv2"])
    with torch.no_grad():
        assert torch.equal(last(second(first(x))), model(x))


# ------------------------------------------------------------------ names


def test_wrong_name_gets_a_suggestion() -> None:
    with pytest.raises(LayerNotFound, match="did you mean 'conv2'"):
        split(Net(), "conv3")


def test_layer_as_a_module() -> None:
    model, x = Net().eval(), pictures(8)
    assert torch.equal(split(model, model.conv2)[0](x), split(model, "conv2")[0](x))
    with pytest.raises(LayerNotFound, match="not a part of the model"):
        split(model, nn.ReLU())


def test_a_layer_that_never_runs() -> None:
    model = Net().eval()
    model.spare = nn.Conv2d(3, 3, 1)
    with pytest.warns(SplitByHook, match="not called as a module"):
        features, _ = split(model, "spare")
    with pytest.raises(ValueError, match="'spare' did not run"):
        features(pictures(8))


def test_a_network_without_space() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 4))
    with pytest.raises(LayerNotFound, match="no layer of this model has an output with space"):
        last_spatial_layer(model, pictures(8))


@pytest.mark.filterwarnings("ignore::camlite.LayerChosen")
def test_layer_none_without_a_graph() -> None:
    assert last_spatial_layer(DataDependent(), pictures(8)) == "relu"


# ------------------------------------------------------------------ modes


@pytest.mark.parametrize("build", [Net, DataDependent])
@pytest.mark.filterwarnings("ignore::camlite.SplitByHook")
@pytest.mark.parametrize(
    "mode",
    [
        torch.no_grad,
        torch.inference_mode,
        torch.enable_grad,
        functools.partial(torch.autocast, "cpu", dtype=torch.bfloat16),
    ],
)
def test_results_do_not_depend_on_the_callers_mode(build: type, mode: type) -> None:
    torch.manual_seed(0)
    model, x = build().eval(), pictures(8)
    expected = grad_cam(model, "conv2", x, target=1, relu=False)
    with mode():
        assert torch.equal(grad_cam(model, "conv2", x, target=1, relu=False), expected)
        assert torch.equal(grad_cam(model, "conv2", x + 0, target=1, relu=False), expected)


@pytest.mark.parametrize("build", [Net, DataDependent])
@pytest.mark.filterwarnings("ignore::camlite.SplitByHook")
def test_frozen_parameters_and_training_mode(build: type) -> None:
    torch.manual_seed(0)
    model, x = build().eval(), pictures(8)
    expected = grad_cam(model, "conv2", x, target=1, relu=False)
    assert torch.equal(grad_cam(model.requires_grad_(False), "conv2", x, 1, relu=False), expected)
    model.train()
    assert torch.equal(grad_cam(model, "conv2", x, 1, relu=False), expected)
    assert model.training
    assert model.bn.num_batches_tracked == 0


def test_no_graph_without_need() -> None:
    model, x = Net().eval(), pictures(8)
    features, classifier = split(model, "conv2")
    assert not classifier(features(x)).requires_grad
    assert not features(x.clone().requires_grad_()).requires_grad
    assert classifier(features(x).requires_grad_()).requires_grad


def test_timm() -> None:
    timm = pytest.importorskip("timm", reason="timm is not installed")
    torch.manual_seed(0)
    for name, layer in [("resnet18", "layer3"), ("mobilenetv3_small_050", "conv_head")]:
        check_cut(timm.create_model(name, pretrained=False).eval(), layer, pictures(64))
