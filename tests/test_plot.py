"""Figures: what belongs together, what does not, and that heat is drawn on its image."""

from __future__ import annotations

from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import camlite
from camlite import data, nets
from camlite.figures import demo, plot

matplotlib.use("agg")


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def maps_of(figure: Any) -> list[Any]:
    """The heat that is drawn over the images."""
    return [image for axis in figure.axes for image in axis.images[1:]]


def printed(axis: Any) -> torch.Tensor:
    """The colour (H, W, 3) from 0 to 1 that the figure has at the middle of each pixel."""
    canvas = axis.figure.canvas
    canvas.draw()
    paper = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    high, wide = axis.images[0].get_array().shape[:2]
    places = axis.transData.transform([(x, y) for y in range(high) for x in range(wide)])
    colours = [paper[len(paper) - 1 - int(y), int(x)] for x, y in places]
    return torch.tensor(np.array(colours)).reshape(high, wide, 3)


def bar_of(figure: Any) -> Any:
    return next(axis for axis in figure.axes if axis.get_label() == "<colorbar>")


def test_show_draws_images_heat_titles_and_one_bar(tmp_path):
    images, heat = torch.rand(7, 3, 8, 10), torch.rand(7, 8, 10)
    names = [f"n{i}" for i in range(7)]
    figure = camlite.show(images, heat, titles=names, title="seven", save=tmp_path / "a.png")
    drawn = [axis for axis in figure.axes if axis.images]
    assert len(drawn) == 14
    assert [a.get_title() for a in drawn if a.get_title()] == names
    assert len(figure.axes) == 24 + 1  # two rows of six, doubled, and the bar
    assert figure.get_suptitle() == "seven"
    assert (tmp_path / "a.png").stat().st_size > 1000
    for n, drawn_map in enumerate(maps_of(figure)):  # over its own image, the image above it
        torch.testing.assert_close(
            torch.as_tensor(drawn_map.get_array().data), heat[n] / heat[n].max()
        )
        below = drawn_map.axes
        above = drawn[drawn.index(below) - (6 if n < 6 else 1)]
        assert (below.images[0].get_array() == plot.picture(images[n])).all()
        assert (above.images[0].get_array() == plot.picture(images[n])).all()
        assert above.get_title() == names[n]


@pytest.mark.parametrize(
    ("scale", "signed", "limits", "largest"),
    [
        ("each", False, (0, 1), [1, 1]),
        ("shared", False, (0, 4), [2, 4]),
        ("each", True, (-1, 1), [1, 1]),
        ("shared", True, (-4, 4), [2, 4]),
    ],
)
def test_maps_have_a_scale_each_or_a_shared_one(scale, signed, limits, largest):
    image, one = torch.rand(1, 4, 4), torch.rand(4, 4)
    one[0, 0] = 2
    two = torch.full((4, 4), -4.0 if signed else 4.0)
    figures = (
        camlite.show(torch.stack([image] * 2), torch.stack([one, two]), signed=signed, scale=scale),
        plot.grid([[(image, one)], [(image, two)]], ["a", "b"], [""], signed=signed, scale=scale),
    )
    for figure in figures:
        drawn = maps_of(figure)
        assert [i.get_clim() for i in drawn] == [limits] * 2
        assert [abs(i.get_array()).max() for i in drawn] == pytest.approx(largest)
        assert {i.get_cmap().name for i in drawn} == {plot.SIGNED if signed else plot.HEAT}
        assert ("per map" in bar_of(figure).get_ylabel()) == (scale == "each")


def test_zero_is_seen_on_the_bar():
    image, map_ = torch.rand(1, 4, 4), torch.tensor([[-0.3, 2.0], [0.0, 1.0]]).repeat(2, 2)
    signed = bar_of(plot.grid([[(image, map_)]], [""], [""], signed=True, scale="shared"))
    assert signed.get_ylim() == (-2, 2)
    assert 0 in signed.get_yticks()
    assert [list(line.get_ydata()) for line in signed.lines] == [[0, 0], [-1, -1], [1, 1]]
    assert [line.get_linestyle() for line in signed.lines] == ["-", "--", "-"]
    assert bar_of(plot.grid([[(image, map_)]], [""], [""])).get_ylim() == (0, 1)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("scale", ["each", "shared"])
@pytest.mark.parametrize("channels", [1, 3])
def test_without_evidence_the_photograph_is_as_it_was(channels, scale, signed):
    image = torch.rand(channels, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = image.mean(0, keepdim=True) if signed else image  # colours over colours are not read
    half = torch.zeros(8, 8)
    half[:, 6:] = -3.0 if signed else 3.0
    figure = plot.grid([[(seen, None), (image, half)]], [""], [""] * 2, scale=scale, signed=signed)
    photo, mixed = printed(figure.axes[0]), printed(figure.axes[1])
    torch.testing.assert_close(mixed[:, :5], photo[:, :5], atol=1.5 / 255, rtol=0)
    assert (photo - mixed)[:, 6:].abs().mean() > 0.1


def test_opacity_grows_with_the_heat_and_is_the_same_for_and_against():
    heat, signed = (plot.colours(s)(torch.linspace(0, 1, 300).numpy())[:, 3] for s in (False, True))
    assert heat[0] == 0
    assert (heat[1:] >= heat[:-1]).all()
    assert heat[-1] == pytest.approx(0.9)
    assert signed == pytest.approx(signed[::-1])
    assert (signed[150:-1] <= signed[151:]).all()
    assert plot.colours(True)(0.5)[3] == 0
    value = torch.linspace(0, 1, 50)
    torch.testing.assert_close(plot.opacity(value), plot.opacity(-value))


def test_a_constant_opacity_can_be_asked_for():
    image, map_ = torch.ones(1, 4, 4), torch.eye(4)
    for signed in (False, True):
        figure = plot.grid([[(image, map_)]], [""], [""], alpha=0.5, signed=signed)
        (drawn,) = maps_of(figure)
        assert drawn.cmap(0.0)[3] == drawn.cmap(1.0)[3] == 0.5
        assert not figure.axes[0].collections, "no line"
        assert "grey" not in bar_of(figure).get_ylabel()
    white = plot.colours(True, 1.0)(0.5)[:3]
    assert white == pytest.approx((0.97, 0.97, 0.97), abs=0.01)
    with pytest.raises(ValueError, match="alpha must be a finite number, 0 or more and 1 or less"):
        camlite.show(image[None], map_[None], alpha=1.5)


def test_the_bar_shows_heat_as_it_looks_over_a_grey_image():
    grey, top = torch.full((1, 4, 4), plot.NEUTRAL), torch.full((4, 4), 5.0)
    for value in (0.0, 0.3, 1.0):
        map_ = top * value
        map_[0, 0] = 5.0
        figure = plot.grid([[(grey, map_)]], [""], [""])
        mixed = printed(figure.axes[0])[3, 3]
        bar = next(c for c in bar_of(figure).collections if c.get_array() is not None)
        on_bar = torch.tensor(bar.cmap(bar.norm(value))[:3])
        torch.testing.assert_close(mixed, on_bar, atol=0.02, rtol=0)


@pytest.mark.parametrize("signed", [False, True])
def test_a_line_goes_round_what_is_above_half(signed):
    """It is what is left of the colours in grey, and it tells for from against."""
    map_ = torch.zeros(9, 9)
    map_[2:5, 2:5] = 4.0
    if signed:
        map_[6:8, 6:8] = -3.0
    figure = plot.grid([[(torch.rand(3, 9, 9), map_)]], [""], [""], signed=signed)
    (lines,) = figure.axes[0].collections
    assert list(lines.levels) == ([-0.5, 0.5] if signed else [0.5])
    corners = lines.get_paths()[-1].vertices
    assert corners.min() == pytest.approx(1.5)
    assert corners.max() == pytest.approx(4.5)
    assert len(bar_of(figure).lines) == (3 if signed else 1)


def test_a_map_that_is_all_grain_or_all_zero_has_no_line():
    grain = torch.arange(400).reshape(20, 20).remainder(2).float()
    for map_ in (grain, torch.zeros(20, 20), torch.ones(20, 20)):
        figure = plot.grid([[(torch.rand(1, 20, 20), map_)]], [""], [""])
        assert not figure.axes[0].collections
        assert not bar_of(figure).lines
        assert "line" not in bar_of(figure).get_ylabel()


def test_a_grid_has_titles_at_its_sides_and_a_map_that_is_zero_stays_zero():
    image = torch.rand(3, 4, 4)
    cells = [[(image, None), (image, torch.zeros(4, 4))], [(image, None), (image, image[0])]]
    figure = plot.grid(cells, ["one", "two"], ["left", "right"], title="all")
    assert [a.get_ylabel() for a in figure.axes[:4]] == ["one", "", "two", ""]
    assert [a.get_title() for a in figure.axes[:4]] == ["left", "right", "", ""]
    assert figure.get_suptitle() == "all"
    assert [i.get_array().max() for i in maps_of(figure)] == [0, 1]


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


@pytest.mark.parametrize(
    ("map_", "options", "says"),
    [
        (torch.rand(2, 2), {}, "use heatmap"),
        (torch.full((4, 4), torch.nan), {}, "NaN"),
        (torch.rand(4, 4), {"scale": "both"}, "scale must be one of 'each', 'shared'"),
    ],
)
def test_what_a_grid_cannot_draw_is_said(map_, options, says):
    with pytest.raises(ValueError, match=says):
        plot.grid([[(torch.rand(1, 4, 4), map_)]], [""], [""], **options)


def test_the_colours_of_heat_only_become_lighter():
    rgb = matplotlib.colormaps[plot.HEAT](torch.linspace(0, 1, 256).numpy())[:, :3]
    luminance = rgb @ [0.2126, 0.7152, 0.0722]
    assert (luminance[1:] >= luminance[:-1] - 1e-3).all()
    figure = plot.grid([[(torch.rand(1, 4, 4), torch.eye(4))]], [""], [""])
    bar = next(c for c in bar_of(figure).collections if c.get_array() is not None)
    on_bar = bar.cmap(range(257))[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert on_bar.min() > on_bar[0] - 0.04, "over grey it hardly falls before it rises"
    assert (on_bar[61:] >= on_bar[60:-1]).all()


def test_the_demo_is_dark_where_nothing_speaks_for_the_class():
    images, _, name = data.handwriting(train=False)
    model, x = nets.bundled(f"gapnet_{name}"), images[:4]
    signed = camlite.cam(model, "features", x)
    heat = demo.heat_of("cam", model, x)
    assert signed.shape == heat.shape, "nothing is enlarged here"
    assert torch.equal(heat > 0, signed > 0)
