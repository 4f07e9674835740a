"""`camlite gallery`: every method on one wall, both signs, depths, networks side by side."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from camlite import data, nets
from camlite.cli import app
from camlite.figures import gallery as drawn
from camlite.methods.cards import METHODS
from camlite.weights import Pretrained

pytestmark = pytest.mark.filterwarnings("ignore::camlite.LayerChosen")
DATA = Path(os.environ.get("CAMLITE_DATA", "missing"))
CAT_DOG = DATA / "photos" / "cat_dog.jpg"


def scene(head: str = "gap_linear") -> drawn.Scene:
    """A bundled network before a canvas with a digit from scikit-learn."""
    small, _ = data.digits(train=False)
    x = torch.zeros(1, 1, 28, 28)
    x[0, :, 3:19, 9:25] = small[3].repeat_interleave(2, 1).repeat_interleave(2, 2)
    model = nets.bundled(f"heads_{head}")
    with torch.no_grad():
        p = model(x).softmax(1)[0]
    net = Pretrained(model, [f"digit {c}" for c in range(10)], "bundled")
    layer = {"gap_linear": "features", "flatten": "features"}[head]
    return drawn.Scene(head, net, layer, x, x, p)


def test_every_method_has_its_place_on_the_wall():
    one = scene()
    panels = drawn.wall(one, 3, list(METHODS), progress=False)
    assert [p.method for p in panels] == list(METHODS)
    for panel in panels:
        assert panel.note in ("", "nothing positive"), panel
        assert panel.heat.shape == (28, 28), panel.method
        assert panel.heat.isfinite().all(), panel.method
        assert 0 <= panel.heat.min() <= panel.heat.max() <= 1, panel.method
        assert (panel.heat.amax() > 0.9) == (panel.note == ""), panel.method
    assert sum(panel.note == "" for panel in panels) > 30


def test_two_classes_have_two_maps():
    one = scene()
    assert not torch.equal(drawn.heat_of("cam", one, 3), drawn.heat_of("cam", one, 8))


def test_a_method_that_does_not_fit_says_what_it_needs():
    cam, grad_cam = drawn.wall(scene("flatten"), 3, ["cam", "grad_cam"], progress=False)
    assert cam.heat is None
    assert "linear layer" in cam.note
    assert grad_cam.heat is not None


def test_fast_leaves_out_what_needs_many_forwards_unless_it_is_asked_for():
    one = scene()
    names, left_out = drawn.selection(one, [], fast=True)
    assert left_out == {"rise": 1000}  # K = 32: Score-CAM is cheap here
    assert set(names) | set(left_out) == set(METHODS)
    assert drawn.forwards(one)["score_cam"] == 32
    assert drawn.forwards(one)["poly_cam"] == 2 * (16 + 32)
    assert drawn.selection(one, [], fast=False) == (list(METHODS), {})
    assert drawn.selection(one, ["rise"], fast=True) == (["rise"], {})


def test_the_rival_is_another_class():
    one = scene()
    likeliest, second = one.p.topk(2).indices.tolist()
    assert drawn._rival(one, likeliest, [likeliest]) == second
    assert drawn._rival(one, 5, [5]) == likeliest
    assert [drawn._rival(one, c, [4, 7]) for c in (4, 7)] == [7, 4]


def test_for_and_against_change_places_with_the_classes():
    one = scene()
    M = drawn._signed(one, 3, 8)
    assert M.min() < 0 < M.max()
    torch.testing.assert_close(drawn._signed(one, 8, 3), -M)


def test_the_figures_are_pictures(tmp_path):
    one, other = scene(), scene("flatten")
    panels = drawn.wall(one, 3, ["cam", "saliency", "score_cam"], progress=False)
    files = [
        drawn.draw_wall(one, 3, panels, str(tmp_path / "wall.png")),
        drawn.draw_signs(one, [3, 8], str(tmp_path / "signs.png")),
        drawn.draw_ladder(one, [3], str(tmp_path / "ladder.png")),
        drawn.draw_networks([one, other], [3], str(tmp_path / "networks.png")),
    ]
    for file in files:
        with Image.open(file) as picture:
            assert picture.width > 500
            assert len(np.unique(np.asarray(picture.convert("L")))) > 50, file
    assert [drawn._cam_or_grad_cam(s) for s in (one, other)] == ["cam", "grad_cam"]


@pytest.mark.parametrize(
    ("args", "says"),
    [(("no_such.jpg",), "no_such.jpg"), (("x.jpg", "--method", "gard_cam"), "gard_cam")],
)
def test_wrong_use_is_one_line_and_exit_2(args, says):
    done = CliRunner().invoke(app, ["gallery", *args, "--model", "resnet18"])
    assert done.exit_code == 2
    assert says in done.stderr


def test_help_has_an_example():
    done = CliRunner().invoke(app, ["gallery", "--help"])
    assert done.exit_code == 0
    assert "camlite gallery cat_dog.jpg" in done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not CAT_DOG.exists(), reason="CAMLITE_DATA has no photos/cat_dog.jpg")
def test_dog_and_cat_with_real_networks(tmp_path):
    args = [
        "gallery",
        str(CAT_DOG),
        "--model",
        "mobilenet_v2",
        "--model",
        "squeezenet1_1",
        "--class",
        "bull mastiff",
        "--class",
        "282",
        "--fast",
        "--json",
    ]
    done = CliRunner().invoke(app, [*args, "--save", str(tmp_path)])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [c["class"] for c in answer["classes"]] == [243, 282]
    assert {"score_cam", "ss_cam", "is_cam", "rise"} <= set(answer["left_out"])
    drawn_ones = set(answer["methods"]["243"])
    assert drawn_ones | set(answer["left_out"]) == set(METHODS)
    assert len(answer["figures"]) == 5
    assert all(Path(file).stat().st_size > 50_000 for file in answer["figures"])
