"""`camlite gallery`: every method on one wall, both signs, depths, networks side by side."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
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
    panels = list(drawn.wall(one, 3, list(METHODS), progress=False))
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


def test_fast_leaves_out_the_slowest_unless_they_are_asked_for():
    seconds = {"score_cam": 60.0, "cam": 1.0, "rise": 90.0, "grad_cam": 2.0, "is_cam": 58.0}
    kept, left_out = drawn.selection(seconds, [], budget=120)
    assert kept == ["cam", "grad_cam", "is_cam"]
    assert left_out == ["score_cam", "rise"]
    assert drawn.selection(seconds, [], budget=None) == (list(seconds), [])
    assert drawn.selection(seconds, ["rise"], budget=1) == (["rise"], [])


def test_the_estimate_is_the_cost_of_the_card():
    one = scene()
    seconds = drawn.estimates(one)
    assert set(seconds) == set(METHODS)
    ratio = seconds["rise"] / seconds["ss_cam"]  # 1000 masks, and two for each of 32 channels
    assert ratio == pytest.approx(1001 / 66)
    assert seconds["smooth_grad"] > seconds["guided_grad_cam"] > seconds["grad_cam"] > 0


def test_figures_are_written_as_soon_as_they_are_ready(tmp_path, monkeypatch):
    small = torchvision.models.get_model("shufflenet_v2_x0_5", weights=None)
    (tmp_path / "weights").mkdir()
    torch.save(small.state_dict(), tmp_path / "weights" / "shufflenet_v2_x0_5-random.pth")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (230, 260, 3), "uint8")).save(
        tmp_path / "photo.png"
    )
    monkeypatch.setenv("CAMLITE_DATA", str(tmp_path))
    lines: list[str] = []
    there: list[set[str]] = []

    def tell(line: str) -> None:
        lines.append(line)
        there.append({path.name for path in (tmp_path / "out").iterdir()})

    chosen = ["grad_cam", "saliency", "cam"]
    model = "shufflenet_v2_x0_5"
    answer = drawn.gallery(tmp_path / "photo.png", [model], ["3", "7"], chosen, False,
                           tmp_path / "out", False, tell)  # fmt: skip
    assert "6 maps" in lines[0]
    assert "estimated" in lines[0]
    assert there[0] == set(), "the estimate comes first"
    names = [f"photo-{model}-{what}.png" for what in ("signs", "layers", "methods-3", "methods-7")]
    assert [Path(file).name for file in answer["figures"]] == names
    assert there[1:] == [set(names[: n + 1]) for n in range(4)]
    assert [Path(line.split(" (")[0]).name for line in lines[1:]] == names
    assert list(answer["methods"][3]) == chosen, "in the order they were asked for"


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
    panels = list(drawn.wall(one, 3, ["cam", "saliency", "score_cam"], progress=False))
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
    assert answer["estimated_seconds"] <= drawn.FAST
    drawn_ones = set(answer["methods"]["243"])
    assert drawn_ones | set(answer["left_out"]) == set(METHODS)
    assert len(answer["figures"]) == 5
    assert all(Path(file).stat().st_size > 50_000 for file in answer["figures"])
