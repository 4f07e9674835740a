"""DiFull: a head sees its own cell, and nothing else, whatever the other cells show."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

import camlite
from camlite import nets
from camlite.errors import ArchitectureError
from camlite.split import LayerChosen

K, CLASSES = 5, 3


@pytest.fixture
def parts() -> tuple[nn.Module, nn.Module]:
    """features and head of a plain network that has biases, padding, strides and BatchNorm."""
    torch.manual_seed(0)
    features = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, K, 3, stride=2, padding=1),
        nn.ReLU(),
    )
    features[1].running_mean.uniform_(-0.2, 0.2)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(K, CLASSES))
    return features.double().eval(), head.double().eval()


def image(cells: int, h: int = 6, w: int = 8, n: int = 2) -> Tensor:
    return torch.rand(n, 2, cells * h, cells * w, dtype=torch.float64)


def places(cells: int, height: int, width: int) -> list[tuple[slice, slice]]:
    """Where each cell lies, counted with a running corner: rows first."""
    found, top = [], 0
    while top < height:
        left = 0
        while left < width:
            found.append((slice(top, top + height // cells), slice(left, left + width // cells)))
            left += width // cells
        top += height // cells
    return found


def outside(maps: Tensor, cells: int, cell: int) -> Tensor:
    rows, columns = places(cells, *maps.shape[-2:])[cell]
    rest = torch.ones(maps.shape[-2:], dtype=torch.bool)
    rest[rows, columns] = False
    return maps[..., rest]


@pytest.mark.parametrize("cells", [1, 2, 3])
def test_the_logits_of_a_cell_are_those_of_the_plain_network_on_it(parts, cells):
    features, head = parts
    net, x = nets.DiFull(features, head, cells), image(cells)
    Y = net(x)
    assert Y.shape == (2, cells**2 * CLASSES)
    for cell, (rows, columns) in enumerate(places(cells, *x.shape[2:])):
        alone = head(features(x[:, :, rows, columns]))
        torch.testing.assert_close(Y[:, cell * CLASSES : (cell + 1) * CLASSES], alone)


def test_the_map_holds_the_plain_networks_map_of_each_cell(parts):
    features, head = parts
    x = image(2)
    F = nets.DiFull(features, head).features(x)
    for here, there in zip(places(2, *x.shape[2:]), places(2, *F.shape[2:]), strict=True):
        torch.testing.assert_close(F[(..., *there)], features(x[(..., *here)]))


@pytest.mark.parametrize("cells", [2, 3])
def test_what_the_other_cells_show_changes_nothing(parts, cells):
    net, x = nets.DiFull(*parts, cells), image(cells)
    for cell, (rows, columns) in enumerate(places(cells, *x.shape[2:])):
        other = 9 * torch.randn_like(x)
        other[:, :, rows, columns] = x[:, :, rows, columns]
        own = slice(cell * CLASSES, (cell + 1) * CLASSES)
        assert torch.equal(net(other)[:, own], net(x)[:, own])
        assert not torch.allclose(net(other), net(x))


def test_the_gradient_outside_is_exactly_0_at_the_pixels_and_at_the_map(parts):
    net, x = nets.DiFull(*parts, 3), image(3).requires_grad_()
    F = net.features(x)
    for cell in range(9):
        Y = net(x)[:, cell * CLASSES + 1].sum()
        (G,) = torch.autograd.grad(Y, x)
        assert outside(G, 3, cell).abs().max() == 0 < G.abs().max()
        camlite_F, classifier = F.detach().requires_grad_(), camlite.split(net, "features")[1]
        (G,) = torch.autograd.grad(classifier(camlite_F)[:, cell * CLASSES + 1].sum(), camlite_F)
        assert outside(G, 3, cell).abs().max() == 0 < G.abs().max()


@pytest.mark.parametrize("method", ["hires_cam", "layer_cam", "saliency", "guided_backprop"])
def test_maps_that_weigh_each_place_by_its_own_gradient_stay_in_the_cell(parts, method):
    net, x = nets.DiFull(*parts), image(2)
    for cell in range(4):
        maps = camlite.METHODS[method].evidence(net, "features", x, cell * CLASSES + 2)
        assert outside(maps, 2, cell).abs().max() == 0


def test_grad_cam_attributes_outside_where_nothing_can_count(parts):
    features, head = parts
    net, x = nets.DiFull(features, head), image(2)
    maps = camlite.grad_cam(net, "features", x, CLASSES + 2, relu=False)
    assert outside(maps, 2, 1).abs().max() > 0
    weights = head[-1].weight[2] / (4 * 3 * 4)  # by hand: ∂Y/∂F = W / (3·4) in one of 4 cells
    first_cell = torch.einsum("k,nkij->nij", weights, features(x[:, :, :6, :8]))
    torch.testing.assert_close(maps[:, :3, :4], first_cell)


def test_it_is_cut_in_the_graph_and_the_layer_is_found(parts):
    net, x = nets.DiFull(*parts), image(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no SplitByHook
        first, then = camlite.split(net, "features")
    assert torch.equal(then(first(x)), net(x))
    with pytest.warns(LayerChosen, match="'features'"):
        assert camlite.hires_cam(net, None, x, [0, 4]).shape == (2, 6, 8)


def test_cam_and_full_grad_say_why_not(parts):
    net, x = nets.DiFull(*parts), image(2)
    with pytest.raises(ArchitectureError, match="global average pooling"):
        camlite.cam(net, "features", x, 0)
    with pytest.raises(ArchitectureError, match="one cell at a time"):
        camlite.full_grad(net, x, 0)


@pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook")
def test_a_layer_inside_the_features_has_no_one_map(parts):
    net = nets.DiFull(*parts)
    with pytest.raises(ArchitectureError, match="runs 4 times"):
        camlite.grad_cam(net, "features.network.2", image(2), 0)


def test_one_cell_is_the_plain_network_and_cam_is_its_cam(parts):
    features, head = parts
    net, x = nets.DiFull(features, head, 1), image(1)
    plain = nn.Sequential(features, head)
    assert torch.equal(net(x), plain(x))
    assert torch.equal(camlite.cam(net, "features", x, 2), camlite.cam(plain, "0", x, 2))


def test_one_head_alone_and_a_softmax_that_does_not_mix_the_cells(parts):
    net, x = nets.DiFull(*parts), image(2)
    for cell, (rows, columns) in enumerate(places(2, *x.shape[2:])):
        one, own = nets.DiFull(*parts, cell=cell), slice(cell * CLASSES, (cell + 1) * CLASSES)
        assert torch.equal(one(x), net(x)[:, own])
        other = 9 * torch.randn_like(x)
        other[:, :, rows, columns] = x[:, :, rows, columns]
        assert torch.equal(one(other).softmax(1), one(x).softmax(1))
        assert not torch.allclose(net(other).softmax(1)[:, own], net(x).softmax(1)[:, own])
        maps = camlite.hires_cam(one, "features", x, 1)
        torch.testing.assert_close(maps, camlite.hires_cam(net, "features", x, own.start + 1))
        with pytest.raises(ArchitectureError):
            camlite.cam(one, "features", x, 1)
    for wrong in (4, -1):
        with pytest.raises(ValueError, match="cell must be 0 to 3"):
            nets.DiFull(*parts, cell=wrong)


def test_sizes_that_do_not_fit_and_no_cells(parts):
    net = nets.DiFull(*parts)
    for x in (torch.rand(1, 2, 7, 8).double(), torch.rand(1, 2, 8, 7).double()):
        with pytest.raises(ValueError, match="2×2 cells do not fit"):
            net(x)
        with pytest.raises(ValueError, match="2×2 cells do not fit"):
            camlite.grad_cam(net, "features", x, 0)
    with pytest.raises(ValueError, match="cells must be a whole number, 1 or more"):
        nets.DiFull(*parts, cells=0)
