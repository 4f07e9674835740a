"""Constant maps, heat, sizes: what happens to a map before anybody looks at it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import camlite
from camlite import heatmap, metrics, sanity
from camlite.evaluation import loop
from camlite.maps import channel_sum, constant, up, weighted_sum

SIZES = [((7, 7), (224, 224)), ((5, 5), (28, 28)), ((3, 4), (17, 23)), ((7,), (224,))]
DTYPES = [torch.float32, torch.float64]


def levels(h: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Constant maps (50, *h) of values that bilinear upsampling rounds."""
    values = torch.rand(46, generator=torch.Generator().manual_seed(0)).to(dtype)
    values = torch.cat([values, torch.tensor([0.1, 1e-3, -0.7, 123.4], dtype=dtype)])
    return values.reshape(-1, *[1] * len(h)).expand(-1, *h).contiguous()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("h", "size"), SIZES)
def test_a_constant_map_gives_zeros_at_every_size(h, size, dtype):
    M = levels(h, dtype)
    assert not heatmap(M, size).any()
    assert torch.equal(up(M, size).flatten(1)[:, 0], M.flatten(1)[:, 0])
    assert constant(M).all()
    assert constant(up(M, size)).all()


def test_a_constant_map_points_nowhere_whatever_its_value():
    M, masks = levels((5, 5), torch.float32), torch.ones(50, 28, 28)
    game = metrics.pointing_game(M, masks)
    assert game.blank.all()
    assert not game.values.any()
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    images = torch.rand(50, 1, 28, 28)
    assert metrics.deletion(net, images, M, 0, steps=2).blank.all()
    assert metrics.masked_confidence(net, images, M, 0).blank.all()


def test_two_constant_maps_are_not_alike():
    a, b = levels((5, 5), torch.float32)[:2, None]
    like = sanity._compare(torch.stack([a, b]), torch.zeros(1, 3, 56, 56), upsample=True)
    assert {name: float(values.abs().max()) for name, values in like.items()} == {
        "spearman": 0.0,
        "ssim": 0.0,
        "hog": 0.0,
    }
    rounded = torch.full((1, 48, 48), 0.1) * (1 + 1e-7 * torch.randn(1, 48, 48))
    for measure in (sanity.spearman, sanity.hog_correlation, metrics.coherency):
        assert float(measure(rounded, rounded)) == 0.0, measure


def test_constant_means_equal_up_to_rounding_and_nothing_more():
    M = torch.ones(4, 6, 6)
    M[1, 2, 2] += 4e-7  # three steps of float32
    M[2, 2, 2] += 4e-6
    M[3] *= 0
    assert constant(M).tolist() == [True, True, False, True]
    assert constant(1e-20 * M).tolist() == [True, True, False, True]
    assert constant(M.double()).tolist() == [True, False, False, True]
    assert constant(torch.tensor([[3, 3], [3, 4]])).tolist() == [True, False]
    assert float(heatmap(M[2:3], (6, 6)).max()) == 1


@pytest.mark.parametrize("K", [8, 64, 512])
def test_constant_features_give_a_constant_map(K):
    """A sum is rounded differently at different positions: the vector unit has a remainder."""
    for seed in range(20):
        g = torch.Generator().manual_seed(seed)
        F = torch.rand(1, K, 1, 1, generator=g).expand(1, K, 7, 9).contiguous()
        w = 2 * torch.rand(1, K, generator=g) - 1
        for L in (weighted_sum(w, F), channel_sum(w[..., None, None] * F)):
            assert L.unique().numel() == 1
            torch.testing.assert_close(
                L[0, 0, 0].double(), (w.double() @ F[0, :, 0, 0].double())[0], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("method", ["grad_cam", "hires_cam", "layer_cam", "eigen_cam"])
def test_a_network_that_sees_the_same_everywhere_has_no_heat(method):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 64, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 5)
    )
    for value in (0.1, 0.37, 0.9):
        maps = getattr(camlite, method)(net, "1", torch.full((2, 3, 15, 13), value), 1)
        assert not heatmap(maps, (60, 60)).any()
    if method == "eigen_cam":
        maps = camlite.eigen_cam(net, "1", torch.full((2, 3, 15, 13), 0.37), center=True)
        assert not heatmap(maps, (60, 60)).any()


def test_evaluate_means_the_same_by_blank():
    assert loop.constant is constant


def test_what_heatmap_refuses():
    M = torch.rand(2, 7, 7)
    for bad in (torch.nan, torch.inf):
        wrong = M.clone()
        wrong[1, 3, 3] = bad
        with pytest.raises(ValueError, match="NaN or infinite"):
            heatmap(wrong, (28, 28))
        with pytest.raises(ValueError, match="NaN or infinite"):
            camlite.minmax(wrong)
    with pytest.raises(ValueError, match="NaN or infinite"):  # max − min is no float32
        camlite.minmax(torch.tensor([[[-3e38, 3e38]]]))
    for size in (224, (224,), (2.5, 3), (0, 4), "224", None, (4, 4, 4)):
        with pytest.raises(ValueError, match=r"size must be \(H, W\)|do not fit size"):
            heatmap(M, size)
    with pytest.raises(ValueError, match="floating point"):
        heatmap((M * 255).to(torch.uint8), (28, 28))
    with pytest.raises(ValueError, match="ndarray"):
        heatmap(M.numpy(), (28, 28))
