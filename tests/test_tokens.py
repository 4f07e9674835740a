"""Vision transformers: tokens as a map, for every method, with the model's own output."""

from __future__ import annotations

import pytest
import torch
import torchvision
from calling import METHODS, call, parameters, takes_layers
from torch import Tensor, nn

import camlite
from camlite import ArchitectureError, LayerNotFound, tokens_to_map

pytestmark = pytest.mark.filterwarnings(
    "ignore::camlite.SplitByHook", "ignore::camlite.LayerChosen"
)


def pictures(size: int = 32, n: int = 2) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(2))


def vit() -> nn.Module:
    """torchvision's ViT, small: 4×4 patches and a class token."""
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(
        image_size=32,
        patch_size=8,
        num_layers=3,
        num_heads=2,
        hidden_dim=16,
        mlp_dim=32,
        num_classes=5,
    )
    for p in model.parameters():  # the usual start is 0 in the head and nearly linear elsewhere
        nn.init.normal_(p, std=0.4)
    return model.eval()


def swin() -> nn.Module:
    """torchvision's Swin, small: 4×4 tokens, then 2×2 in the last stage."""
    torch.manual_seed(0)
    return torchvision.models.SwinTransformer(
        patch_size=[4, 4],
        embed_dim=8,
        depths=[2, 2],
        num_heads=[2, 2],
        window_size=[2, 2],
        num_classes=5,
    ).eval()


LAYERS = [
    (vit, "encoder.layers.encoder_layer_1", (16, 4, 4)),
    (vit, "encoder.layers.encoder_layer_2.ln_1", (16, 4, 4)),
    (swin, "features.1", (8, 8, 8)),
    (swin, "features.3", (16, 4, 4)),
    (swin, "features.3.1.norm2", (16, 4, 4)),
]


@pytest.mark.parametrize(("build", "layer", "shape"), LAYERS)
def test_same_output_and_the_tokens_as_a_map(build, layer, shape):
    model, x = build(), pictures()
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, a, out: kept.append(out))
    with torch.no_grad():
        expected = model(x)
        handle.remove()
        twin, name = tokens_to_map(model, layer)
        assert torch.equal(twin(x), expected)
    features, classifier = camlite.split(twin, name)
    F = features(x)
    assert F.shape[1:] == shape
    assert torch.equal(classifier(F), expected)
    tokens = kept[0] if kept[0].dim() == 4 else kept[0][:, 1:].unflatten(1, shape[1:])
    assert torch.allclose(F, tokens.permute(0, 3, 1, 2), atol=1e-5)


@pytest.mark.parametrize(("build", "layer"), [(b, name) for b, name, _ in LAYERS])
def test_gradient_of_the_map_is_the_gradient_of_the_tokens(build, layer):
    model, x = build(), pictures()
    kept = []
    handle = model.get_submodule(layer).register_forward_hook(lambda m, a, out: kept.append(out))
    Y = model(x)[:, 1].sum()
    handle.remove()
    (G,) = torch.autograd.grad(Y, kept[0])
    F = kept[0].detach()
    if F.dim() == 3:
        F, G = (t[:, 1:].unflatten(1, (4, 4)) for t in (F, G))
    expected = (F * G).sum(3)
    twin, name = tokens_to_map(model, layer)
    ours = camlite.hires_cam(twin, name, x, 1)
    assert expected.abs().max() > 0
    assert torch.allclose(ours, expected, atol=1e-5 * float(expected.abs().max()) + 1e-7)


@pytest.mark.parametrize("method", [m for m in METHODS if "layer" in parameters(m)])
def test_every_method_runs(method):
    if method in ("cam", "guided_grad_cam"):
        pytest.skip("a ViT has no GAP behind its tokens, and no ReLU")
    if takes_layers(method):
        model, layer = tokens_to_map(vit(), "encoder.layers.encoder_layer_0")
        model, last = tokens_to_map(model, "encoder.layers.encoder_layer_1")
        layers = [layer, last]
    else:
        model, layer = tokens_to_map(vit(), "encoder.layers.encoder_layer_1")
        layers = []
    maps = call(method, model, pictures(), 1, layer=layer, several=layers)
    assert torch.isfinite(maps).all()
    if method != "center_gaussian":
        assert maps.shape[1:] in ((4, 4), (32, 32)) or maps.dim() == 4


def test_swin_needs_no_wrapper():
    model, x = swin(), pictures()
    with pytest.warns(camlite.LayerChosen, match="'permute'"):
        maps = camlite.cam(model, None, x, 1)
    with torch.no_grad():
        assert torch.allclose(maps.mean((1, 2)) + model.head.bias[1], model(x)[:, 1], atol=1e-5)


def test_the_given_model_stays_as_it_was():
    model, x = vit(), pictures()
    modules = dict(model.named_modules())
    twin, layer = tokens_to_map(model, "encoder.layers.encoder_layer_1")
    camlite.grad_cam(twin, layer, x, 1)
    assert dict(model.named_modules()) == modules
    assert {id(p) for p in twin.parameters()} == {id(p) for p in model.parameters()}


def test_the_last_block_of_vit_has_no_gradient_at_its_patches():
    """Only the class token is read behind it."""
    twin, layer = tokens_to_map(vit(), "encoder.layers.encoder_layer_2")
    assert not camlite.grad_cam(twin, layer, pictures(), 1, relu=False).any()


def test_vit_without_a_layer_says_what_to_do():
    with pytest.raises(LayerNotFound, match=r"camlite\.tokens_to_map"):
        camlite.grad_cam(vit(), None, pictures())


def test_tokens_are_not_taken_for_a_map():
    with pytest.raises(ValueError, match=r"camlite\.tokens_to_map"):
        camlite.grad_cam(vit(), "encoder.layers.encoder_layer_1", pictures())


def test_grids():
    wide = nn.Sequential(nn.Unflatten(1, (8, 2)), nn.Linear(2, 2), nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(ArchitectureError, match=r"8 tokens are no square .* give grid=\(h, w\)"):
        tokens_to_map(wide, "1")[0](torch.zeros(1, 16))
    with pytest.raises(ArchitectureError, match="8 tokens do not fill the grid 3×4"):
        tokens_to_map(wide, "1", grid=(3, 4))[0](torch.zeros(1, 16))
    with pytest.raises(ArchitectureError, match=r"not tokens \(N, T, D\)"):
        tokens_to_map(wide, "2")[0](torch.zeros(1, 16))
    assert tokens_to_map(wide, "1", grid=(2, 4))[0](torch.zeros(1, 16)).shape == (1, 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "layer", "shape"),
    [
        ("vit_b_16", "encoder.layers.encoder_layer_10", (14, 14)),
        ("swin_t", "features.5", (14, 14)),
        ("swin_t", "features.7", (7, 7)),
    ],
)
def test_full_size(name, layer, shape):
    torch.manual_seed(0)
    model, x = getattr(torchvision.models, name)(weights=None).eval(), pictures(224, 1)
    nn.init.normal_((model.heads if name == "vit_b_16" else model).head.weight, std=0.02)
    twin, where = tokens_to_map(model, layer)
    maps = camlite.grad_cam(twin, where, x, 1, relu=False)
    assert maps.shape == (1, *shape)
    assert maps.abs().max() > 0
