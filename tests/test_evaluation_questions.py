"""The data sets of `camlite evaluate` that are made for one question."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import camlite
from camlite import data, nets
from camlite.cli import app
from camlite.evaluation import Plan, evaluate
from camlite.evaluation.dataset import AnnotatedImage, generated
from camlite.evaluation.loop import measured
from camlite.evaluation.measures import Case, Protocol
from camlite.evaluation.network import in_cells, load_network
from camlite.evaluation.preprocessing import ModelInput, Preprocessing, preprocessed

TWO = ("part_order", "top_part")


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "rows.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def value(answer: dict, metric: str, method: str) -> float:
    return answer["metrics"][metric]["methods"][method]["value"]


@pytest.fixture
def without_figures(monkeypatch):
    """Drawing takes longer than measuring here."""
    for name in ("draw_table", "draw_examples"):
        monkeypatch.setattr(f"camlite.evaluation.report.{name}", lambda *_: None)


# ------------------------------------------------------------------ difull


@pytest.mark.parametrize("name", ["pond_repaired", "pond_gap_1", "pond_gmp_0", "pond_rival"])
def test_each_head_says_of_its_cell_what_the_plain_network_says(name):
    plain = load_network(name)
    celled = in_cells(plain)
    x = data.mosaic(3).images
    corners = [x[..., :48, :48], x[..., :48, 48:], x[..., 48:, :48], x[..., 48:, 48:]]
    torch.testing.assert_close(celled.model(x), torch.cat([plain.model(c) for c in corners], 1))
    assert not celled.model.training
    assert celled.categories[5] == f"{plain.categories[1]} in cell 2"
    assert len(celled.categories) == 16


def test_the_label_is_class_and_cell_and_the_mask_is_the_cell():
    samples = generated("difull", 3, "pond").samples
    net, right = nets.bundled("pond_repaired"), 0
    for n, sample in enumerate(samples):
        shown = sample.read()
        cell, c = divmod(sample.label, 4)
        assert cell == n % 4
        row, column = divmod(cell, 2)
        expected = torch.zeros(96, 96, dtype=torch.bool)
        expected[48 * row : 48 * row + 48, 48 * column : 48 * column + 48] = True
        assert torch.equal(shown.mask, expected)
        alone = shown.image[0][:, expected].reshape(1, 3, 48, 48)
        right += int(net(alone).argmax() == c)
    assert right >= 10  # of 12: the cell holds this animal
    assert [sample.name for sample in samples[3:5]] == ["difull-0000", "difull-0001"]


def by_hand(L: Tensor, cell: int) -> tuple[float, float]:
    """Energy in the cell and whether the maximum lies there, place by place at the map's size."""
    row, column = divmod(cell, 2)
    side, inside, best, where = L.shape[0] // 2, 0.0, -1.0, (0, 0)
    for i, line in enumerate(L.tolist()):
        for j, v in enumerate(line):
            here = (i // side, j // side)
            inside += v if here == (row, column) else 0
            best, where = (v, here) if v > best else (best, where)
    return inside / float(L.sum()), float(where == (row, column))


def test_the_rows_of_difull_are_those_of_a_loop(tmp_path, without_figures):
    methods = ("grad_cam", "hires_cam", "saliency", "score_cam")
    answer = evaluate(Plan("difull", "pond_repaired", tmp_path, methods=methods, limit=3), False)
    assert list(answer["metrics"]) == ["energy_in_cell", "pointing_in_cell"]
    plain, x = nets.bundled("pond_repaired"), data.mosaic(3, seed=1).images
    gap = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), plain.classifier)
    for row in rows(tmp_path):
        if row["method"] not in methods:
            continue
        n, label = int(row["file"][-4:]), int(row["class_index"])
        net = nets.DiFull(plain.features, gap, cell=label // 4).eval()
        L = camlite.METHODS[row["method"]].evidence(net, "features", x[n : n + 1], label % 4)[0]
        energy, hit = by_hand(L.detach(), label // 4)
        assert float(row["energy_in_cell"]) == pytest.approx(energy, abs=1e-4)
        assert float(row["pointing_in_cell"]) == hit
        assert row["energy_in_cell_chance"] == row["pointing_in_cell_chance"] == "0.25"
    for method in ("hires_cam", "saliency"):  # each place has its own gradient, outside it is 0
        assert value(answer, "energy_in_cell", method) == 100
        assert value(answer, "pointing_in_cell", method) == 100
    assert 25 < value(answer, "energy_in_cell", "grad_cam") < 100
    for floor in ("fake_cam", "center_gaussian"):
        assert value(answer, "energy_in_cell", floor) == pytest.approx(25, abs=0.1)


def test_the_card_of_difull_says_what_is_impossible_and_the_figures_are_drawn(tmp_path):
    plan = Plan("difull", "pond_repaired", tmp_path, methods=("cam", "hires_cam"), limit=1)
    answer = evaluate(plan, False)
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    for fact in (
        "impossible, not only implausible",
        "energy in cell 25.0 %, pointing in cell 25.0 % (mean)",
        "with a head for each of 2×2 cells",
        "1 at most, one prediction for each file",
        "of 4 the predicted class is the label",
    ):
        assert fact in card
    assert list(answer["without_map"]) == ["cam"]
    assert "global average pooling" in answer["without_map"]["cam"]
    for name in ("table.png", "examples.png"):
        assert (tmp_path / name).stat().st_size > 1000


def test_a_network_of_another_kind_says_how_it_can_be_done():
    with pytest.raises(ValueError, match=r"gapnet_mnist cannot be put into cells.*DiFull\("):
        in_cells(load_network("gapnet_mnist"))


OWN = """
from torch import nn
from camlite import nets

def grid():
    net = nets.bundled("pond_repaired")
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.classifier)
    return nets.DiFull(net.features, head)
"""


def test_a_difull_network_of_your_own_and_a_folder_of_grids(tmp_path, monkeypatch, capsys):
    sample = generated("difull", 1, "pond").samples[2]
    shown = sample.read()
    folder = tmp_path / "grids"
    (folder / "masks").mkdir(parents=True)
    pixels = (shown.image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(folder / "a.png")
    Image.fromarray(shown.mask.numpy()).convert("L").save(folder / "masks" / "a.png")
    (folder / "labels.csv").write_text(f"file,class_index\na.png,{sample.label}\n")
    (tmp_path / "owngrid.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    command = "evaluate grids --model owngrid:grid --side 0 --no-normalize --method hires_cam"
    with pytest.raises(SystemExit) as ended:
        app([*command.split(), "--metric", "energy_in_cell"])
    assert ended.value.code == 0
    assert "100.0" in capsys.readouterr().out


# ------------------------------------------------------------------ parts


def ranks(values: list[float]) -> list[float]:
    """1 for the smallest; equal values share the mean of their places."""
    return [
        sum(other < v for other in values) + (sum(other == v for other in values) + 1) / 2
        for v in values
    ]


def correlation(a: list[float], b: list[float]) -> float:
    n, x, y = len(a), ranks(a), ranks(b)
    mx, my = sum(x) / n, sum(y) / n
    over = sum((p - mx) * (q - my) for p, q in zip(x, y, strict=True))
    under = sum((p - mx) ** 2 for p in x) * sum((q - my) ** 2 for q in y)
    return over / under**0.5


@pytest.mark.parametrize(("model", "world"), [("pond_repaired", "pond"), ("rail_biased", "rail")])
def test_the_rows_of_parts_are_those_of_a_loop(tmp_path, without_figures, model, world):
    methods = ("grad_cam", "saliency")
    answer = evaluate(Plan("parts", model, tmp_path, methods=methods, limit=4), False)
    assert list(answer["metrics"]) == ["part_order", "top_part"]
    net, parts = nets.bundled(model), data.parts(world, "flipped", count=4, seed=1)
    for row in rows(tmp_path):
        if row["method"] not in methods:
            continue
        n, c = int(row["file"][-4:]), int(row["class_index"])
        x, P = parts.scenes.images[n], len(parts.part_names[n])
        L = camlite.METHODS[row["method"]].evidence(net, "features", x[None], c)
        heat = camlite.maps.up(L, (48, 48))[0].tolist()
        fall, shown = [], []
        for p in range(P):
            less, total = parts.without[n][p], 0.0
            for i in range(48):
                for j in range(48):
                    total += heat[i][j] if less[:, i, j].tolist() != x[:, i, j].tolist() else 0
            shown.append(total)
            fall.append((net(x[None])[0, c] - net(less[None])[0, c]).item())
        assert row["no_order"] == "0"
        assert float(row["part_order"]) == pytest.approx(correlation(shown, fall), abs=1e-5)
        tops = [p for p in range(P) if shown[p] == max(shown)]
        right = sum(fall[p] == max(fall) for p in tops) / len(tops)
        assert float(row["top_part"]) == pytest.approx(right, abs=1e-5)
        assert float(row["top_part_chance"]) == pytest.approx(1 / P, abs=1e-5)


def case(fall: list[float], L: list[float], hidden: int = 0) -> Case:
    """One row of pixels, one part for each; without part p the logit falls by fall[p]."""
    P = len(fall)
    x = torch.ones(1, 1, 1, P)
    without = x.repeat(P, 1, 1, 1)
    for p in range(hidden, P):
        without[p, 0, 0, p] = 0
    weights = torch.tensor(fall)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(P, 2, bias=False))
    model[1].weight.data = torch.stack([-weights, weights])
    shown = ModelInput(x, x, None, None, None, without)
    heat = torch.tensor(L)[None, None]
    return Case(model, shown, torch.tensor([1]), heat, lambda _: heat, Protocol(), 8, 0)


@pytest.mark.parametrize(
    ("fall", "L", "order", "top"),
    [
        ([3.0, 2.0, 1.0], [9.0, 5.0, 1.0], 1.0, 1.0),
        ([3.0, 2.0, 1.0], [1.0, 5.0, 9.0], -1.0, 0.0),
        ([3.0, -2.0, 1.0, 0.0], [4.0, 0.0, 3.0, 2.0], 1.0, 1.0),  # the fall keeps its sign
        ([3.0, 2.0, 1.0], [2.0, 2.0, 0.0], 0.8660254, 0.5),  # two share the top
        ([3.0, 2.0, 1.0], [0.0, 0.0, 0.0], 0.0, 1 / 3),  # no order: as by chance
        ([2.0, 2.0, 2.0], [3.0, 2.0, 1.0], None, 1.0),  # nothing to compare with
    ],
)
def test_the_order_and_the_top_by_hand(fall, L, order, top):
    values, notes = measured(case(fall, L), ("part_order", "top_part"))
    assert values.get("part_order") == (None if order is None else pytest.approx(order))
    assert ("part_order" in notes) == (order is None)
    assert values.get("no_order", 0) == (len(set(L)) == 1)
    assert values["top_part"] == pytest.approx(top)


def test_parts_that_no_pixel_shows_do_not_count():
    values, notes = measured(case([9.0, 3.0, 2.0, 1.0], [0.0, 3.0, 2.0, 1.0], hidden=1), TWO)
    expected = {"part_order": 1, "no_order": 0, "top_part": 1, "top_part_chance": 1 / 3}
    assert values == pytest.approx(expected)
    values, notes = measured(case([9.0, 3.0, 2.0, 1.0], [0.0, 3.0, 2.0, 1.0], hidden=2), TWO)
    assert values == {}
    assert set(notes.values()) == {"fewer than three parts are seen"}


def test_maps_without_an_order_stay_and_are_counted(tmp_path, without_figures, monkeypatch):
    def flat(method, run, x, c, seed):
        return torch.zeros(1, 2, 2) if method == "cam" else torch.rand(1, 12, 12)

    monkeypatch.setattr("camlite.evaluation.loop.map_of", flat)
    answer = evaluate(Plan("parts", "pond_repaired", tmp_path, methods=("cam",), limit=4), False)
    assert answer["metrics"]["part_order"]["pictures"] == 4
    assert value(answer, "part_order", "cam") == 0
    assert value(answer, "top_part", "cam") == pytest.approx(
        100 * (1 / 5 + 1 / 6 + 1 / 5 + 1 / 4) / 4
    )
    card = (tmp_path / "card.md").read_text()
    assert "## Maps without an order of the parts" in card
    assert card.count("- CAM: 4 of 4") == 2  # constant, too


def test_a_picture_where_no_part_counts_is_left_out_and_counted(
    tmp_path, without_figures, monkeypatch
):
    """The network sees one pixel in the corner: no part changes the logit."""

    class Corner(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x[:, 0, :2, :2].mean((1, 2))] * 4, 1)

    net = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), Corner())
    monkeypatch.setattr(nets, "bundled", lambda name: net.eval())
    plan = Plan("parts", "pond_repaired", tmp_path, layer="0", methods=("grad_cam",), limit=3)
    answer = evaluate(plan, False)
    (why,) = answer["metrics"]["part_order"]["excluded"].items()
    assert why == ("the logit falls equally without each part: there is no order", 3)


def test_the_card_and_the_figures_of_parts(tmp_path):
    evaluate(Plan("parts", "pond_repaired", tmp_path, methods=("grad_cam",), limit=4), False)
    card = (tmp_path / "card.md").read_text(encoding="utf-8")
    for fact in ("which part of the object", "the logit of the class falls", "top part 20.4 %"):
        assert fact in card
    for name in ("table.png", "examples.png"):
        assert (tmp_path / name).stat().st_size > 1000


def test_parts_go_through_the_same_steps_as_the_picture():
    given = generated("parts", 1, "pond").samples[0].read()
    for view in (Preprocessing(32), Preprocessing(0, grey=True), Preprocessing(0, False)):
        shown = preprocessed(given, view)
        for p, image in enumerate(given.without):
            alone = preprocessed(AnnotatedImage(image[None]), view)
            torch.testing.assert_close(shown.without[p : p + 1], alone.x)


def test_other_pictures_have_no_parts(tmp_path):
    with pytest.raises(ValueError, match="part_order needs drawings without each part"):
        evaluate(Plan("scenes", "pond_repaired", tmp_path / "o", metrics=("part_order",)), False)
