"""`camlite gallery`: every method on one wall, both signs, depths, networks side by side."""

from __future__ import annotations

import json
import math
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

import camlite
from camlite import data, nets
from camlite.cli import app
from camlite.figures import budget
from camlite.figures import gallery as drawn
from camlite.methods.cards import METHODS
from camlite.weights import Pretrained

pytestmark = pytest.mark.filterwarnings("ignore::camlite.LayerChosen")
DATA = Path(os.environ.get("CAMLITE_DATA", "missing"))
MODEL = "shufflenet_v2_x0_5"
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
    panels = [drawn.panel(one, 3, name, progress=False) for name in METHODS]
    assert [p.method for p in panels] == list(METHODS)
    for panel in panels:
        if METHODS[panel.method].family == "attention":
            assert panel.note.startswith("needs a transformer")
            assert panel.heat is None
            continue
        assert panel.note in ("", "nothing positive"), panel
        assert panel.heat.shape == (28, 28), panel.method
        assert panel.heat.isfinite().all(), panel.method
        assert 0 <= panel.heat.min() <= panel.heat.max() <= 1, panel.method
        assert (panel.heat.amax() > 0.9) == (panel.note == ""), panel.method
    assert sum(panel.note == "" for panel in panels) > 30


def test_every_method_that_has_a_sign_shows_it():
    """The heat speaks for the class; without the ReLU a map may also speak against it."""
    one = scene()
    signed = {m: drawn.panel(one, 3, m, progress=False) for m in METHODS if METHODS[m].has_sign}
    assert {"cam", "grad_cam", "finer_cam", "score_cam", "group_cam", "ablation_cam"} <= set(signed)
    assert not {"saliency", "random_cam", "recipro_cam"} & set(signed)
    for name, panel in signed.items():
        assert panel.signed.shape == (28, 28), name
        assert panel.signed.isfinite().all(), name
        torch.testing.assert_close(panel.heat, drawn.heat_of(name, one, 3), msg=name)
    against = {name for name, panel in signed.items() if bool((panel.signed < 0).any())}
    assert {"cam", "grad_cam", "hires_cam", "finer_cam", "integrated_grad_cam"} <= against
    assert not {"grad_cam_plus_plus", "layer_cam", "score_cam"} & against, "they cannot"


def test_methods_without_a_sign_say_so():
    one = scene()
    with pytest.raises(ValueError, match="saliency gives no map with a sign"):
        METHODS["saliency"].signed(one.net.model, one.layer, one.x, 3)


def test_the_wall_of_signs_has_the_methods_that_every_class_has():
    one = scene()
    walls = {
        c: [drawn.panel(one, c, m, progress=False) for m in names]
        for c, names in ((3, ("cam", "saliency", "hires_cam")), (8, ("cam",)))
    }
    assert drawn.with_sign(walls) == ["cam"]


def test_two_classes_have_two_maps():
    one = scene()
    assert not torch.equal(drawn.heat_of("cam", one, 3), drawn.heat_of("cam", one, 8))


def test_a_method_that_does_not_fit_says_what_it_needs():
    other = scene("flatten")
    cam, grad_cam = (drawn.panel(other, 3, name, progress=False) for name in ("cam", "grad_cam"))
    assert cam.heat is None
    assert "linear layer" in cam.note
    assert grad_cam.heat is not None


# ------------------------------------------------------------------ how long it takes


def test_the_families_take_turns_the_quick_methods_first():
    seconds = {"score_cam": 60.0, "ss_cam": 90.0, "grad_cam": 2.0, "layer_cam": 3.0, "cam": 1.0,
               "saliency": 2.5, "rise": 70.0, "ablation_cam": 4.0, "recipro_cam": 5.0}  # fmt: skip
    assert budget.in_turns(seconds) == [
        *("cam", "grad_cam", "ablation_cam", "saliency"),  # one of each family
        *("layer_cam", "recipro_cam"),
        *("score_cam", "rise", "ss_cam"),  # these take longer, each longer than the last
    ]
    assert sorted(budget.in_turns(dict.fromkeys(METHODS, 1.0))) == sorted(METHODS)


def test_what_fits_is_kept_and_what_comes_after_it_is_tried():
    seconds = {"cam": 1.0, "score_cam": 60.0, "rise": 70.0, "smooth_grad": 8.0}
    assert budget.fitting(list(seconds), seconds, 69) == ["cam", "score_cam", "smooth_grad"]
    assert budget.fitting(list(seconds), seconds, math.inf) == list(seconds)


def test_the_estimate_is_the_cost_of_the_card_and_what_comes_on_top():
    one = scene()
    seconds = budget.estimates(one.net.model, one.layer, one.x)
    assert set(seconds) == set(METHODS)
    on_top = seconds["center_gaussian"]  # it needs no pass
    assert on_top >= 0
    ratio = (seconds["rise"] - on_top) / (seconds["ss_cam"] - on_top)
    assert ratio == pytest.approx(1001 / 66)  # 1000 masks, and two for each of 32 channels
    assert seconds["smooth_grad"] > seconds["guided_grad_cam"] > seconds["grad_cam"] > 0


@pytest.mark.parametrize(("many", "one", "used"), [(0.1, 0.2, 3), (2.0, 0.2, 1)])
def test_threads_are_used_where_they_help(monkeypatch, many, one, used):
    before = torch.get_num_threads()
    monkeypatch.setattr(
        budget, "_seconds", lambda run: one if torch.get_num_threads() == 1 else many
    )
    try:
        torch.set_num_threads(3)
        with budget.useful_threads():
            assert torch.get_num_threads() == used
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_clock_learns_how_true_the_estimates_are():
    clock = budget.Clock(100.0)
    assert clock.pace == 1
    clock.learn(2.0, 1.0)
    assert clock.pace == 1, "quick methods say little about slow ones"
    clock.learn(2.0, 5.0)
    clock.learn(2.0, 12.0)
    assert clock.pace == 3
    clock.reserve = 10.0
    assert 85 < clock.left < 90


def test_the_clock_stops_a_method_between_two_passes_and_leaves_no_hook():
    one = scene()
    passes = []
    handle = one.net.model.register_forward_hook(lambda *_: passes.append(1))
    clock = budget.Clock(1000.0)
    told = []

    def slower(*_):
        clock.begin -= 400.0  # 400 seconds for each pass

    slow = one.net.model.register_forward_hook(slower)
    with pytest.raises(budget.OutOfTime), clock.running(told.append):
        camlite.rise(one.net.model, one.x, 3, samples=500, batch_size=1)
    assert 2 <= len(passes) <= 4
    handle.remove()
    slow.remove()
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_a_method_that_runs_long_says_so(monkeypatch):
    monkeypatch.setattr(budget, "SILENCE", 0.0)
    told: list[float] = []
    one = scene()
    with budget.Clock().running(told.append):
        camlite.cam(one.net.model, one.layer, one.x, 3)
    assert told
    assert told == sorted(told)


@pytest.fixture
def photo(tmp_path, monkeypatch):
    """A small random network that `pretrained` finds, and a picture."""
    small = torchvision.models.get_model(MODEL, weights=None)
    (tmp_path / "weights").mkdir()
    torch.save(small.state_dict(), tmp_path / "weights" / f"{MODEL}-random.pth")
    file = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 255, (230, 260, 3), "uint8")
    Image.fromarray(pixels).save(file)
    monkeypatch.setenv("CAMLITE_DATA", str(tmp_path))
    return file


@pytest.fixture
def only_walls(monkeypatch):
    """The other figures are empty files: they take longer than what is tested."""
    for name in ("draw_signs", "draw_ladder"):
        monkeypatch.setattr(drawn, name, lambda *given: Path(given[-1]).touch() or given[-1])


def run(photo: Path, methods: list[str], minutes: float, classes=("3", "7"), tell=print):
    return drawn.gallery(
        photo, [MODEL], list(classes), methods, minutes, photo.parent / "out", False, tell
    )


def test_figures_are_written_as_soon_as_they_are_ready(photo):
    lines: list[str] = []
    there: list[set[str]] = []

    def tell(line: str) -> None:
        lines.append(line)
        there.append({path.name for path in (photo.parent / "out").iterdir()})

    chosen = ["grad_cam", "saliency", "cam"]
    answer = run(photo, chosen, 10, tell=tell)
    assert re.match(rf"3 of 3 methods for 2 classes with {MODEL}: about \d+ s", lines[0])
    assert there[0] == set(), "the estimate comes first"
    figures = ("signs", "methods-3", "methods-7", "signed", "layers")
    names = [f"photo-{MODEL}-{what}.png" for what in figures]
    assert [Path(file).name for file in answer["figures"]] == names
    written = [i for i, line in enumerate(lines) if ".png (" in line]
    assert [Path(lines[i].split(" (")[0]).name for i in written] == names
    assert [there[i] for i in written] == [set(names[: n + 1]) for n in range(5)]
    begun = [line.split(", about")[0] for line in lines if ", about" in line and "/" in line[:3]]
    assert begun == ["1/3 Grad-CAM", "2/3 Saliency", "3/3 CAM"]
    assert list(answer["methods"][3]) == chosen, "in the order they were asked for"
    assert answer["left_out"] == {}
    assert answer["missing"] == []
    assert not answer["stopped"]


def test_what_does_not_fit_is_left_out_with_the_minutes_it_needs(photo, only_walls, monkeypatch):
    seconds = {"cam": 0.1, "grad_cam": 0.1, "score_cam": 130.0, "rise": 150.0, "saliency": 0.0}
    monkeypatch.setattr(budget, "estimates", lambda *_: seconds)
    answer = run(photo, list(seconds)[:4], 2, classes=["3"])
    assert list(answer["methods"][3]) == ["cam", "grad_cam"]
    assert answer["left_out"] == {"score_cam": 130.0, "rise": 150.0}
    assert answer["estimated_seconds"] == 0.2
    assert 3 <= answer["minutes_for"]["score_cam"] < answer["minutes_for"]["rise"]


@pytest.fixture
def clock(monkeypatch):
    """The clock of a run of two minutes, to be put forward."""
    clock = budget.Clock(120.0)
    monkeypatch.setattr(budget, "Clock", lambda seconds: clock)
    return clock


def test_a_method_slower_than_estimated_does_not_break_the_budget(
    photo, only_walls, clock, monkeypatch
):
    """Estimated: nothing. It takes an hour: it is stopped, and what is finished is drawn."""
    monkeypatch.setattr(budget, "estimates", lambda *_: dict.fromkeys(METHODS, 0.001))
    honest, lines = drawn.panel, []

    def panel(scene, c, name, progress):
        clock.begin -= 3600.0 * (name == "score_cam")
        return honest(scene, c, name, progress)

    monkeypatch.setattr(drawn, "panel", panel)
    answer = run(photo, ["cam", "score_cam", "grad_cam"], 2, classes=["3"], tell=lines.append)
    assert list(answer["methods"][3]) == ["cam"]
    assert list(answer["left_out"]) == ["score_cam", "grad_cam"]
    assert answer["missing"] == ["layers"]
    assert "Score-CAM: stopped, the time is over" in lines
    assert any(file.endswith("methods-3.png") for file in answer["figures"])


def test_an_estimate_is_corrected_by_what_methods_took(photo, only_walls, clock, monkeypatch):
    monkeypatch.setattr(
        budget, "estimates", lambda *_: {"cam": 1.0, "grad_cam": 40.0, "saliency": 0.0}
    )

    def six_seconds(scene, c, name, progress):
        clock.begin -= 6.0
        return drawn.Panel(name, torch.rand(224, 224), 6.0)

    monkeypatch.setattr(drawn, "panel", six_seconds)
    answer = run(photo, ["cam", "grad_cam"], 2, classes=["3"])
    assert list(answer["methods"][3]) == ["cam"], "six times 40 s do not fit"
    assert answer["left_out"] == {"grad_cam": 40.0}
    assert answer["minutes_for"]["grad_cam"] >= 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_keeps_what_is_finished(photo, only_walls, monkeypatch, number):
    finished = drawn.panel

    def stopped(scene, c, name, progress):
        if name == "saliency":
            signal.raise_signal(number)
        return finished(scene, c, name, progress)

    monkeypatch.setattr(drawn, "panel", stopped)
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = signal.signal(number, usual[number])  # a shell may start programs that ignore Ctrl-C
    args = ["--model", MODEL, "--method", "cam,grad_cam,saliency", "--out", str(photo.parent / "o")]
    try:
        done = CliRunner().invoke(app, ["gallery", str(photo), "--class", "3", *args])
        assert signal.getsignal(number) == usual[number]
    finally:
        signal.signal(number, before)
    assert done.exit_code == 130
    assert {file.name for file in (photo.parent / "o").iterdir()} == {
        f"photo-{MODEL}-signs.png",
        f"photo-{MODEL}-methods-3.png",
        f"photo-{MODEL}-signed.png",
    }
    assert "Stopped. Not drawn: the figure of layers" in done.stdout
    assert "Stopped. Not drawn: saliency (1 min)" in done.stdout
    assert "Traceback" not in done.output
    with Image.open(photo.parent / "o" / f"photo-{MODEL}-methods-3.png") as wall:
        assert wall.width > 600, "three places: the picture, CAM and Grad-CAM"


def test_half_a_figure_is_never_seen(tmp_path, monkeypatch):
    def interrupted(figure, file, **_):
        Path(file).write_bytes(b"half")
        raise KeyboardInterrupt

    one = scene()
    monkeypatch.setattr(Figure, "savefig", interrupted)
    with pytest.raises(KeyboardInterrupt):
        drawn.draw_signs(one, [3], str(tmp_path / "signs.png"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("minutes", ["0", "-1", "nan"])
def test_minutes_are_more_than_zero(photo, minutes):
    done = CliRunner().invoke(app, ["gallery", str(photo), "--model", MODEL, "--minutes", minutes])
    assert done.exit_code == 2
    assert f"--minutes must be more than 0, not {minutes}" in done.stderr


@pytest.mark.parametrize(
    ("args", "minutes"),
    [
        ((), 2.0),
        (("--fast",), 2.0),
        (("--minutes", "0.5"), 0.5),
        (("--method", "cam"), math.inf),
        (("--method", "cam", "--minutes", "3"), 3.0),
        (("--fast", "--minutes", "inf"), math.inf),
    ],
)
def test_two_minutes_are_the_budget_where_nothing_else_is_asked_for(monkeypatch, args, minutes):
    asked = []

    def stop(*given, **_):
        asked.append(given[4])
        raise ValueError("enough")

    monkeypatch.setattr(drawn, "gallery", stop)
    CliRunner().invoke(app, ["gallery", "x.jpg", "--model", MODEL, *args])
    assert asked == [minutes]


# ------------------------------------------------------------------ signs, layers, networks


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
    panels = [drawn.panel(one, 3, m, progress=False) for m in ("cam", "saliency", "score_cam")]
    files = [
        drawn.draw_wall(one, 3, panels, str(tmp_path / "wall.png")),
        drawn.draw_signs(one, [3, 8], str(tmp_path / "signs.png")),
        drawn.draw_signed_wall(one, {3: panels, 8: panels}, str(tmp_path / "signed.png")),
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
        "--minutes",
        "1.5",
        "--json",
    ]
    done = CliRunner().invoke(app, [*args, "--save", str(tmp_path)])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [c["class"] for c in answer["classes"]] == [243, 282]
    assert answer["estimated_seconds"] <= 90
    drawn_ones = set(answer["methods"]["243"])
    assert drawn_ones | set(answer["left_out"]) == set(METHODS)
    assert len(answer["figures"]) == 6
    assert all(Path(file).stat().st_size > 50_000 for file in answer["figures"])
