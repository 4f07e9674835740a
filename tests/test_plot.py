"""Figures: what belongs together, what does not, and that heat is drawn on its image."""

from __future__ import annotations

import matplotlib
import pytest
import torch

import camlite
from camlite.figures import plot

matplotlib.use("agg")


def test_show_draws_images_heat_titles_and_one_bar(tmp_path):
    images, heat = torch.rand(7, 3, 8, 10), torch.rand(7, 8, 10)
    figure = camlite.show(images, heat, titles=[f"n{i}" for i in range(7)], save=tmp_path / "a.png")
    drawn = [axis for axis in figure.axes if axis.images]
    assert len(drawn) == 14
    assert [a.get_title() for a in drawn if a.get_title()] == [f"n{i}" for i in range(7)]
    assert len(figure.axes) == 24 + 1  # two rows of six, doubled, and the bar
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_signed_maps_share_one_symmetric_scale():
    images, maps = torch.rand(2, 1, 4, 4), torch.stack([torch.full((4, 4), -3.0), torch.rand(4, 4)])
    figure = camlite.show(images, maps, signed=True)
    limits = {i.get_clim() for axis in figure.axes for i in axis.images if i.get_alpha()}
    assert limits == {(-3.0, 3.0)}


def test_normalised_images_are_stretched_and_one_channel_is_grey():
    assert plot.picture(torch.tensor([[[-2.0, 2.0]]])).tolist() == [[0.0, 1.0]]
    assert plot.picture(torch.rand(3, 4, 5)).shape == (4, 5, 3)
    assert plot.picture(torch.full((1, 2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("images", "heat", "titles", "says"),
    [
        ((2, 3, 8, 8), (3, 8, 8), None, "do not belong together"),
        ((2, 3, 8, 8), (2, 8, 8), ["one"], "1 titles"),
        ((2, 3, 8, 8), (2, 2, 2), None, "use heatmap"),
    ],
)
def test_what_does_not_fit_is_said(images, heat, titles, says):
    with pytest.raises(ValueError, match=says):
        camlite.show(torch.rand(images), torch.rand(heat), titles=titles)


def test_the_colours_of_heat_only_become_lighter():
    rgb = matplotlib.colormaps[plot.HEAT](torch.linspace(0, 1, 256).numpy())[:, :3]
    luminance = rgb @ [0.2126, 0.7152, 0.0722]
    assert (luminance[1:] >= luminance[:-1] - 1e-3).all()
