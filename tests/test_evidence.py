"""Every method behind one call: one map per image, none of it negative."""

from __future__ import annotations

import pytest
import torch

import camlite
from camlite import nets
from camlite.methods.cards import METHODS

FEWER = {
    "rise": {"samples": 20},
    "ss_cam": {"samples": 1},
    "is_cam": {"steps": 1},
    "smooth_grad": {"samples": 3},
    "integrated_gradients": {"steps": 3},
    "smooth_grad_cam_plus_plus": {"samples": 3},
    "integrated_grad_cam": {"steps": 3},
}


@pytest.fixture(scope="module")
def pond():
    part = camlite.data.scenes("pond", "flipped", count=2, seed=5)
    return nets.bundled("pond_repaired"), part.images, part.labels


@pytest.mark.parametrize("name", METHODS)
def test_each_method_gives_one_map_per_image(name, pond):
    model, images, labels = pond
    if METHODS[name].family == "attention":
        model, images = nets.bundled("tokens_0"), camlite.data.shapes(count=2).images
    maps = METHODS[name].evidence(model, "features", images, labels, **FEWER.get(name, {}))
    assert maps.dim() == 3
    assert len(maps) == 2
    assert bool((maps >= 0).all())
    assert maps.amax() > 0


def test_signed_maps_keep_their_positive_part(pond):
    model, images, labels = pond
    signed = camlite.hires_cam(model, "features", images, labels)
    assert bool((signed < 0).any())
    maps = METHODS["hires_cam"].evidence(model, "features", images, labels)
    assert torch.equal(maps, signed.clamp(min=0))


def test_pixel_methods_keep_the_largest_value_of_the_colours(pond):
    model, images, labels = pond
    values = camlite.integrated_gradients(model, images, labels, steps=3)
    maps = METHODS["integrated_gradients"].evidence(model, "features", images, labels, steps=3)
    slow = torch.stack(
        [
            torch.stack(
                [
                    torch.stack([max(c.abs() for c in pixel) for pixel in row])
                    for row in image.permute(1, 2, 0)[:6]
                ]
            )
            for image in values
        ]
    )
    assert torch.equal(maps[:, :6], slow)


def test_methods_over_several_layers_choose_their_own(pond):
    model, images, labels = pond
    maps = METHODS["zoom_cam"].evidence(model, "features", images, labels)
    with pytest.warns(camlite.LayerChosen):
        assert torch.equal(maps, camlite.zoom_cam(model, None, images, labels).relu())
    assert maps.shape[1:] != camlite.grad_cam(model, "features", images, labels).shape[1:]
