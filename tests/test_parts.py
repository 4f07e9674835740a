"""Scenes without one part: what changes is the part, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from PIL import Image

from camlite import data
from camlite.data.drawing import DARK, PALETTE, Pen
from camlite.data.generated import WORLDS, _part_names, _streams

DRAWN = [(draw, part) for draw in WORLDS["pond"].classes.values() for part in _part_names(draw)]
DRAWN += [(draw, part) for draw in WORLDS["rail"].classes.values() for part in _part_names(draw)]


class Only(Pen):
    """Draws one part, and leaves all the rest out."""

    def __init__(self, only: str, *args) -> None:
        super().__init__(*args)
        self.only, self.hidden = only, True

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self.hidden = name != self.only
        yield
        self.hidden = True


def noise(side: int) -> Image.Image:
    rng = np.random.default_rng(5)
    return Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))


@pytest.mark.parametrize(("draw", "part"), DRAWN, ids=lambda x: getattr(x, "__name__", x))
@pytest.mark.parametrize(("turn", "mirrored"), [(0, False), (11.0, True)])
def test_a_part_that_is_left_out_moves_no_other_pixel(draw, part, turn, mirrored):
    whole, less = noise(240), noise(240)
    place = (120, 120), 80.0, turn, mirrored
    draw(Pen(whole, *place), *PALETTE[2])
    draw(Pen(less, *place, part), *PALETTE[2])
    alone = Only(part, noise(240), *place)
    draw(alone, *PALETTE[2])
    changed = (np.asarray(whole) != np.asarray(less)).any(2)
    assert changed.any()
    assert not (changed & (np.asarray(alone.sheet) == 0)).any()


def test_each_object_has_parts_enough_for_an_order_and_no_part_holds_another():
    names = {d.__name__: _part_names(d) for w in WORLDS.values() for d in w.classes.values()}
    assert {"eyes", "mouth"} <= set(names["frog"])
    assert "shell" in names["turtle"]
    assert "wheels" in names["train"]
    assert "wheels" in names["car"]
    for draw, part in DRAWN:
        assert len(names[draw.__name__]) >= 4
        pen = Pen(noise(240), (120, 120), 80.0, 0, False, part)
        draw(pen, DARK, DARK)
        assert tuple(pen.parts) == names[draw.__name__]  # the others are still drawn


@pytest.mark.parametrize(("kind", "split"), [("pond", "flipped"), ("rail", "matched")])
def test_the_pictures_are_the_scenes_and_change_on_the_object_only(kind, split):
    parts = data.parts(kind, split, count=8, seed=4)
    scenes = data.scenes(kind, split, count=8, seed=4)
    assert torch.equal(parts.scenes.images, scenes.images)
    for n, without in enumerate(parts.without):
        changed = (without != scenes.images[n]).any(1)  # (P, H, W)
        assert len(changed) == len(parts.part_names[n])
        stream, ground = _streams(4, False, n), int(scenes.backgrounds[n])
        drawn = WORLDS[kind].paint(int(scenes.labels[n]), ground, 192, stream, "")
        assert not changed[:, drawn.object_mask == 0].any()
        sizes = changed.flatten(1).sum(1)
        assert (sizes > 0).all()
        assert (sizes < changed.any(0).sum()).all()  # no part is all of the object


def test_what_lies_behind_appears():
    parts = data.parts("pond", "flipped", count=4, seed=0)
    shell = parts.part_names[3].index("shell")
    without, whole = parts.without[3][shell], parts.scenes.images[3]
    gone = (without != whole).any(0)
    around = ~parts.scenes.object_mask[3]
    mean = [image[:, area].mean(1) for image, area in ((without, gone), (whole, around))]
    painted = whole[:, gone].mean(1)
    assert (mean[0] - mean[1]).norm() < (painted - mean[1]).norm()


def test_more_pictures_begin_with_the_same_ones_and_wrong_use_is_refused():
    few, more = data.parts(count=2, seed=1), data.parts(count=3, seed=1)
    for a, b in zip(few.without, more.without, strict=False):
        assert torch.equal(a, b)
    assert data.parts(count=0).without == []
    with pytest.raises(ValueError, match="background_only has no object"):
        data.parts(split="background_only", count=1)
    with pytest.raises(ValueError, match="no kind 'sea'"):
        data.parts("sea")
