"""Networks as people write them: what is cut is right, or is refused with a reason.

The oracle everywhere is autograd on the model itself, with one plain hook at the layer.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from test_split import Net, gradient_by_hook, pictures
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

import camlite
from camlite import ArchitectureError, LayerChosen, LayerNotFound, SplitByHook, grad_cam, split
from camlite.cutting.fused import fused
from camlite.cutting.running import whole
from camlite.scores import score_and_gradient
from camlite.split import last_spatial_layer


def ready(model: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for p in model.parameters():
        nn.init.normal_(p, std=0.3)
    return model.eval()


def check_layer(model: nn.Module, layer: str, x: Tensor, **close: float) -> list[str]:
    """F, Y and ∂Y/∂F are those of the whole model; returns the warnings' texts."""
    with torch.no_grad():
        expected = model(x.clone())
    F, G = gradient_by_hook(model, layer, x)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        features, classifier = split(model, layer)
    ours = features(x)
    torch.testing.assert_close(ours, F, **close)
    torch.testing.assert_close(classifier(ours), expected, **close)
    torch.testing.assert_close(score_and_gradient(classifier, ours, 3)[1], G, **close)
    return [str(w.message) for w in seen]


# ------------------------------------------------------------------ the model stays as it was


class Remembers(Net):
    """Keeps what it sees: in an attribute, a buffer, a list, a dict, an object, a running mean."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(1))
        self.register_buffer("ema", torch.ones(6))
        self.seen: list[Any] = []
        self.named: dict[str, Any] = {}
        self.other = SimpleNamespace(map=None)
        self.mean = torch.zeros(6)
        self.count = 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv1(x))
        self.last = y.detach()
        self.conv1.kept = y
        self.seen.append(y)
        self.named["y"] = y
        self.other.map = y
        self.mean.add_(1)
        self.ema.mul_(0.9)
        self.count += 1
        return self.fc(self.conv2(y).mean((2, 3)))


def test_tracing_leaves_nothing_in_the_model():
    model = ready(Remembers())
    before = {n: b.clone() for n, b in model.state_dict().items()}
    split(model, "conv1")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert (model.count, model.seen, model.named, model.other.map) == (0, [], {}, None)
    assert not model.mean.any()
    assert "kept" not in vars(model.conv1)


def test_what_the_models_own_forward_keeps_is_real():
    model, x = ready(Remembers()), pictures(8)
    grad_cam(model, "conv1", x, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)
        grad_cam(model, None, x, 1)
    camlite.rise(model, x, 1, samples=3)
    assert all(type(y) is Tensor for y in (model.last, *model.seen, *model.named.values()))
    torch.save(model.state_dict(), io.BytesIO())


def test_hooks_see_real_tensors_and_keep_their_meaning():
    model, x, seen = ready(torchvision.models.resnet18(weights=None)), pictures(64, 1), []
    model.layer4[0].register_forward_hook(lambda m, a, out: seen.append(out))
    model.layer4[1].register_forward_hook(lambda m, a, out: 2 * out)
    model.layer3.register_forward_pre_hook(lambda m, a: seen.append(a[0]))
    for layer in ("layer2", "layer4.0.conv1", "layer4"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SplitByHook)
            features, classifier = split(model, layer)
        assert not seen, "tracing called a hook"
        with torch.no_grad():
            expected = model(x)
        assert torch.equal(classifier(features(x)), expected)
        assert {type(t) for t in seen} == {Tensor}
        seen.clear()


def test_a_hook_of_the_model_itself_is_heard():
    model, x = ready(Net()), pictures(8)
    model.register_forward_hook(lambda m, a, out: out + 1)
    with pytest.warns(SplitByHook, match="the model has hooks"):
        features, classifier = split(model, "conv1")
    with torch.no_grad():
        assert torch.equal(classifier(features(x)), model(x))


def patched(model: nn.Module) -> nn.Module:
    model.forward = lambda x: model.fc(model.conv2(model.relu(model.conv1(x))).mean((2, 3)))
    return model


def with_spectral_norm(model: nn.Module) -> nn.Module:
    parametrizations.spectral_norm(model.conv2)
    nn.utils.spectral_norm(model.conv1)
    return model


def with_weight_norm(model: nn.Module) -> nn.Module:
    parametrizations.weight_norm(model.conv1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(model.conv2)
    return model


def tied(model: nn.Module) -> nn.Module:
    model.conv2 = model.second = nn.Conv2d(6, 6, 3, padding=1)
    model.bn.weight = model.bn.bias
    return model


@pytest.mark.parametrize("change", [patched, with_spectral_norm, with_weight_norm, tied])
@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_computed_and_shared_weights(change, layer):
    model, x = change(Net()).eval(), pictures(8)
    check_layer(model, layer, x)


@pytest.mark.parametrize("change", [patched, with_spectral_norm, with_weight_norm, tied])
def test_the_fast_network_of_computed_and_shared_weights(change):
    model, x = change(Net()).eval(), pictures(8)
    before = {n: p.clone() for n, p in model.state_dict().items()}
    torch.testing.assert_close(whole(fused(model, x))(x), whole(model)(x))
    assert all(torch.equal(p, before[n]) for n, p in model.state_dict().items())


class Functional(Net):
    """Weights and buffers that `forward` itself uses, below a module that is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.register_buffer("shift", torch.zeros(1))
        self.offset = torch.zeros(1)

    def forward(self, x: Tensor) -> Tensor:
        w = self.scale * 2
        y = self.conv2(self.relu(self.conv1(x) * w)) * w + self.shift + self.offset
        return self.fc(y.mean((2, 3)))


def test_weights_that_are_changed_later_are_seen():
    model, x = ready(Functional()), pictures(8)
    features, classifier = split(model, "conv2")
    F = features(x)
    with torch.no_grad():
        model.scale += 1
        model.shift += 2
        model.offset += 3
        model.fc = nn.Linear(6, 4)
        assert torch.equal(classifier(features(x)), model(x))
    assert not torch.equal(features(x), F)


def test_a_lazy_layer_without_weights_is_named():
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.LazyLinear(4))
    with pytest.raises(ValueError, match=r"'2\.weight' of a lazy layer has no values yet"):
        split(model, "0")
    with torch.no_grad():
        model(pictures(8))
    check_layer(model.eval(), "0", pictures(8))


# ------------------------------------------------------------------ never a wrong map


class Siamese(Net):
    def forward(self, x: Tensor) -> Tensor:
        a, b = (self.conv2(self.relu(self.conv1(half))) for half in (x, x.flip(3)))
        return self.fc(a.mean((2, 3)) * b.amax((2, 3)))


class SiameseByData(Siamese):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.mean() > -9 else -x)


@pytest.mark.parametrize("build", [Siamese, SiameseByData])
@pytest.mark.filterwarnings("ignore::camlite.SplitByHook")
def test_a_layer_that_runs_for_two_images_is_refused(build):
    model, x = ready(build()), pictures(8)
    with pytest.raises(ArchitectureError, match=r"'conv2' runs 2 times, and several runs reach"):
        grad_cam(model, "conv2", x, 1)
    with pytest.raises(LayerNotFound, match="lies on every path"):
        last_spatial_layer(model, x)


class InPlaceShortcut(Net):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv1(x))
        y = self.conv2(self.relu(x))  # x is changed too
        return self.fc((y + x).relu().mean((2, 3)))


class StoredShortcut(Net):
    """The shortcut goes through an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.block = Keeps()

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv2(self.block(self.conv1(x)))
        return self.fc((y * self.block.kept).relu().mean((2, 3)))


class Keeps(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.kept = x.sigmoid()
        return self.kept


class Accumulates(Net):
    """Sums into a tensor that is made in `forward`."""

    def forward(self, x: Tensor) -> Tensor:
        total = torch.zeros(1, 4)
        y = self.relu(self.conv1(x))
        total += self.fc(y.mean((2, 3))) if False else 1
        z = torch.zeros(1)
        z = z.add_(1)
        return self.fc(self.conv2(y).mean((2, 3))) + total + z


class Workspace(Net):
    """A buffer is written before the layer and read after it: a path around the layer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("work", torch.zeros(2, 6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)
        self.work.copy_(y.detach().mean((2, 3)))
        y = self.conv2(y)
        return self.fc(y.mean((2, 3)) + self.work)


class AsksIfTensor(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x)
        if isinstance(y, Tensor):
            y = y * 3
        return self.fc(self.conv2(y).mean((2, 3)))


@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (InPlaceShortcut, "relu"),
        (InPlaceShortcut, "bn"),
        (StoredShortcut, "block"),
        (Accumulates, "conv1"),
        (Workspace, "conv1"),
        (Workspace, "conv2"),
        (AsksIfTensor, "conv1"),
        (AsksIfTensor, "conv2"),
    ],
)
@pytest.mark.parametrize("again", [1, 2])
def test_paths_that_are_easy_to_miss(build, layer, again):
    model, x = ready(build()), pictures(8)
    for _ in range(again):  # a part must not change what its next run does
        check_layer(model, layer, x)


class Residual(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        return self.fc((self.conv2(x) + x).relu().mean((2, 3)))


def test_maps_are_those_of_their_own_images():
    model = ready(Residual())
    a, b = pictures(8), pictures(8).flip(0) * 2
    with pytest.warns(SplitByHook):
        features, classifier = split(model, "conv2")
    F_a, F_b = features(a), features(b)
    with torch.no_grad():
        for F, x in ((F_a, a), (F_b, b), (F_a.clone(), a)):
            assert torch.equal(classifier(F), model(x))
    for _ in range(9):
        features(torch.randn_like(a))
    with pytest.raises(ValueError, match="too old"):
        classifier(F_a)


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x0_5"])
@pytest.mark.filterwarnings("ignore::camlite.SplitByHook")
def test_every_layer_inside_the_blocks(name):
    torch.manual_seed(0)
    model, x = getattr(torchvision.models, name)(weights=None).eval(), pictures(64, 1)
    maps = ("conv", "bn", "relu", "branch", "downsample", "features")
    layers = [n for n, _ in model.named_modules() if any(part in n for part in maps)]
    empty = [n for n, m in model.named_modules() if isinstance(m, nn.Sequential) and not len(m)]
    for layer in [n for n in layers if n not in empty][5::6]:
        check_layer(model, layer, x, rtol=1e-3, atol=1e-4)


# ------------------------------------------------------------------ the usual ways to write it


class UnpacksShape(Net):
    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        return self.fc(self.relu(self.conv2(self.conv1(x))).reshape(n, 6, h * w).mean(2))


class LateDevice(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv2(self.conv1(x)))
        return self.fc(y.mean((2, 3))) + torch.arange(4, device=x.device, dtype=x.dtype)


class Interpolates(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv2(self.conv1(x)[:, :, ::2, ::2]))
        y = functional.interpolate(y, size=x.shape[-2:], mode="bilinear")
        return self.fc(y.flatten(2).square().mean(2))


class Zeros(Net):
    def forward(self, x: Tensor) -> Tensor:
        start = x.new_zeros(x.size(0), 4)
        return self.fc(self.relu(self.conv2(self.conv1(x))).mean((2, 3))) + start


_old = pytest.mark.skipif(
    torch.__version__ < "2.15",
    reason="torch 2.6 cannot trace arange(device=x.device): a hook is used",
)


@pytest.mark.parametrize(
    "build", [UnpacksShape, pytest.param(LateDevice, marks=_old), Interpolates, Zeros]
)
def test_sizes_of_the_images_may_be_asked_for_late(build):
    model, x = ready(build()), pictures(8)
    for layer in ("conv1", "conv2"):
        assert not check_layer(model, layer, x)
    with pytest.warns(LayerChosen, match="'relu'"):
        assert last_spatial_layer(model, x) == "relu"
    features, classifier = split(model, "conv2")
    doubled = features(x).repeat_interleave(2, 0)
    torch.testing.assert_close(classifier(doubled)[::2], model(x))


def test_sizes_that_maps_cannot_tell():
    features, classifier = split(ready(Interpolates()), "conv2")
    with pytest.raises(ValueError, match="no images gave maps"):
        classifier(torch.zeros(1, 6, 4, 4))
    F = features(pictures(8))
    classifier(F)
    features(pictures(7))
    with pytest.raises(ValueError, match="images of several sizes gave maps"):
        classifier(F)


class Second(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resnet = torchvision.models.resnet18(weights=None)
        self.features = nn.Sequential(*list(self.resnet.children())[:-2])
        self.fc = nn.Linear(512, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean((2, 3)))


def test_a_second_name_of_a_module():
    torch.manual_seed(0)
    model, x = Second().eval(), pictures(64)
    for layer in ("features.7", "features.6.0", "resnet.layer4"):
        assert not check_layer(model, layer, x, rtol=1e-3, atol=1e-5)


# ------------------------------------------------------------------ layer=None


class ManyPools(nn.Module):
    """Cannot be traced; one pooling module runs several times, so its outputs are freed."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8 if i else 3, 8, 3, padding=1), nn.ReLU())
            for i in range(blocks)
        )
        self.last, self.act = nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()
        self.fc = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 1e9:
            x = -x
        for conv in self.convs:
            x = self.pool(conv(x))
        return self.fc(self.act(self.last(x)).mean((2, 3)))


@pytest.mark.filterwarnings("ignore::camlite.LayerChosen")
def test_one_pooling_module_for_many_places():
    for blocks in (2, 3, 4):
        for _ in range(10):
            assert last_spatial_layer(ManyPools(blocks), pictures(64)) == "act"


class BranchByData(Net):
    """Cannot be traced; `conv2` runs last but lies inside a branch."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x if x.sum() < 1e9 else -x))
        return self.fc((self.bn(x) + self.conv2(x)).amax((2, 3)))


def test_a_layer_inside_a_branch_is_not_chosen():
    model, x = ready(BranchByData()), pictures(8)
    with pytest.warns(LayerChosen):
        assert last_spatial_layer(model, x) == "relu"


@pytest.mark.parametrize("layer", [nn.Sequential(), 0, "", [], {}, "0", [None]])
def test_what_is_false_is_not_none(layer):
    model = nn.Sequential()
    model.add_module("net", Net())
    with pytest.raises(LayerNotFound):
        grad_cam(model, layer, pictures(8), 1)


def test_the_model_itself_is_no_layer():
    model = Net()
    with pytest.raises(LayerNotFound, match="the whole model is not one of its layers"):
        grad_cam(model, model, pictures(8), 1)


TIMM = {
    "pit_ti_224": 224,
    "test_vit": 160,
    "nest_tiny_jx": 224,
    "convit_tiny": 224,
    "crossvit_tiny_240": 240,
    "deit_tiny_patch16_224": 224,
    "eva02_tiny_patch14_224": 224,
    "beit_base_patch16_224": 224,
    "vit_small_patch14_dinov2": 518,
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if i < 2 else pytest.mark.slow) for i, n in enumerate(TIMM)]
)
def test_transformers_of_timm_without_a_layer(name):
    """The last map is far from the logits: only tokens follow."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=10).eval()
    x = pictures(TIMM[name], 1)
    with pytest.raises(LayerNotFound, match=r"camlite\.tokens_to_map"):
        last_spatial_layer(model, x)


class ByData(nn.Module):
    """Cannot be traced."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x if x.sum() < 1e9 else -x)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitByHook)
        yield


def test_a_named_layer_with_its_channels_last_is_refused():
    torch.manual_seed(0)
    model, x = torchvision.models.swin_t(weights=None).eval(), pictures(64, 1)
    for layer in ("features.7", "features.1.0", "features.0.1", "norm"):
        with pytest.raises(ArchitectureError, match=r"last axis.*camlite\.tokens_to_map"):
            grad_cam(model, layer, x, 1)
        with pytest.raises(ArchitectureError, match="last axis"), quiet():
            grad_cam(ByData(model), f"net.{layer}", x.repeat(2, 1, 1, 1), 1)
    twin, name = camlite.tokens_to_map(model, "features.7")
    with pytest.warns(SplitByHook):
        assert grad_cam(twin, name, x, 1).shape == (1, 2, 2)
    assert grad_cam(model, "permute", x, 1).shape == (1, 2, 2)


# ------------------------------------------------------------------ the fast network


class ViewFirst(Net):
    def forward(self, x: Tensor) -> Tensor:
        x = x.view(x.size(0), -1).view(x.shape)
        return self.fc(self.relu(self.conv1(x)).mean((2, 3)))


class ViewAfter(Net):
    """Its view is possible for one image in channels_last order, and not for two."""

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.conv1(x))
        return self.fc(y.view(x.size(0) * 6, 64).view(x.size(0), 6, 64).mean(2))


class Strides(Net):
    def forward(self, x: Tensor) -> Tensor:
        y = torch.as_strided(x, (x.size(0), 3, 8, 4), (192, 64, 8, 1))
        return self.fc(self.relu(self.conv1(y)).mean((2, 3)))


@pytest.mark.parametrize("build", [Net, ViewFirst, ViewAfter, Strides])
def test_the_fast_network_is_the_same_function(build, capfd):
    model, x = ready(build()), pictures(8, 3)
    for n in (1, 2, 3):
        torch.testing.assert_close(whole(fused(model, x[:n]))(x), whole(model)(x))
    camlite.occlusion(model, x, 1, patch=4, stride=4)
    camlite.rise(model, x, 1, samples=4)
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------ refusals that help


class Recurrent(Net):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(48, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.lstm(self.conv1(x).transpose(1, 2).flatten(2))
        return self.fc(out.mean(1))


class GivesDict(Net):
    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"out": super().forward(x)}


def test_no_map_at_all():
    with pytest.raises(ArchitectureError, match="'lstm' returns a tuple, not one tensor"):
        grad_cam(ready(Recurrent()), "lstm", pictures(8), 1)


@pytest.mark.parametrize("n", [1, 2])
def test_an_output_that_is_no_tensor(n):
    for call in (
        lambda m, x: grad_cam(m, "conv1", x, 1),
        lambda m, x: camlite.saliency(m, x, 1),
        lambda m, x: camlite.occlusion(m, x, 1),
    ):
        with pytest.raises(ArchitectureError, match="returns a dict, not one tensor of logits"):
            call(ready(GivesDict()), pictures(8, n))


@pytest.mark.filterwarnings("ignore")
def test_torchscript_is_refused():
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 6, 3), nn.Linear(6, 4)

        def forward(self, x):
            return self.fc(self.conv(x).mean((2, 3)))

    x = pictures(8)
    scripted = torch.jit.trace(Plain().eval(), x)
    for layer in ("conv", None):
        with pytest.raises(ArchitectureError, match="TorchScript"):
            grad_cam(scripted, layer, x, 1)
    inside = nn.Sequential(scripted, nn.Identity()).eval()
    with pytest.raises(ArchitectureError, match="TorchScript"):
        grad_cam(inside, "0.conv", x, 1)


def test_two_layers_for_a_method_of_one():
    for method in (grad_cam, camlite.score_cam, camlite.eigen_cam, camlite.cam):
        with pytest.raises(ValueError, match="this method takes one layer, not 2"):
            method(Net(), ["conv1", "conv2"], pictures(8), 1)


def test_a_compiled_model_is_cut_as_it_is_written():
    model, x = ready(Net()), pictures(8)
    expected = grad_cam(model, "conv2", x, 1)
    compiled = torch.compile(model, backend="eager")
    for layer in ("conv2", "_orig_mod.conv2", model.conv2):
        assert torch.equal(grad_cam(compiled, layer, x, 1), expected)
    residual = ready(Residual())
    expected_hooked = grad_cam_quiet(residual, x)
    residual.conv2.compile(backend="eager")
    for size in range(8, 20):  # more shapes than torch recompiles for
        residual(pictures(size))
    assert torch.equal(grad_cam_quiet(residual, x), expected_hooked)


def grad_cam_quiet(model: nn.Module, x: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitByHook)
        return grad_cam(model, "conv2", x, 1)


@pytest.mark.filterwarnings("ignore")
def test_a_quantised_head_has_no_gradient():
    from torch.ao.quantization import quantize_dynamic

    if not torch.backends.quantized.supported_engines:
        pytest.skip("this torch has no quantised layers")
    model = quantize_dynamic(ready(Net()), {nn.Linear})
    for call in (
        lambda: grad_cam(model, "conv2", pictures(8), 1),
        lambda: camlite.saliency(model, pictures(8), 1),
    ):
        with pytest.raises(ArchitectureError, match=r"has no gradient here: .* quantised"):
            call()
    assert camlite.score_cam(model, "conv2", pictures(8), 1).any()


@pytest.mark.parametrize("method", [grad_cam, camlite.score_cam, camlite.layer_cam])
def test_warnings_point_at_the_users_line(method):
    with pytest.warns(LayerChosen) as seen:
        method(Net(), None, pictures(8), 1)
    assert {w.filename for w in seen} == {__file__}
    with pytest.warns(SplitByHook) as seen:
        method(ready(Residual()), "conv2", pictures(8), 1)
    assert {w.filename for w in seen} == {__file__}
