"""`camlite evaluate`: killed, resumed, divided, and its numbers against slow loops."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from camlite import data, metrics, nets
from camlite.evaluation import Plan, evaluate, loop, report
from camlite.evaluation.compared import FLOORS
from camlite.evaluation.measures import METRICS, TAUS, Protocol
from camlite.evaluation.store import RowFile, bind_settings, read_rows
from camlite.evaluation.summary import _halves, summarize

TABLES = ("rows.csv", "summary.csv", "pairs.csv")
METHODS = ("grad_cam", "smooth_grad_cam_plus_plus", "saliency")  # the second has chance in it


@pytest.fixture(autouse=True)
def one_thread():
    """As torchrun starts its processes: the same sums in the same order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def without_figures(request, monkeypatch):
    """Drawing takes longer than measuring here; one test looks at the figures."""
    if "figures" not in request.node.name:
        for name in ("draw_table", "draw_examples"):
            monkeypatch.setattr(report, name, lambda *_: None)


def plan(out: Path, **changes) -> Plan:
    few = Plan("scenes", "pond_repaired", out, methods=METHODS, limit=5, protocol=Protocol(steps=4))
    return replace(few, **changes)


def arguments(out: Path, limit: int) -> list[str]:
    return [
        "evaluate",
        "scenes",
        "--method",
        ",".join(METHODS),
        "--limit",
        str(limit),
        "--steps",
        "4",
        "--out",
        str(out),
    ]


def tables(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in TABLES}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def lines(out: Path) -> int:
    return sum(p.read_bytes().count(b"\n") for p in (out / "parts").glob("rank-*.jsonl"))


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1"}


# ------------------------------------------------------------------ killed and started again


def kill_after(out: Path, rows: int, limit: int) -> None:
    """Start the command, and kill it without warning once so many rows are on the disk."""
    command = [sys.executable, "-m", "camlite", *arguments(out, limit)]
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 120
    while lines(out) < rows:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_run_goes_on_and_ends_with_the_same_numbers(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    evaluate(plan(whole, limit=12), progress=False)
    kill_after(killed, rows=5, limit=12)
    file = killed / "parts" / "rank-0.jsonl"
    finished = file.read_bytes()
    finished = finished[: finished.rfind(b"\n") + 1]
    assert 5 <= finished.count(b"\n") < 12 * 7
    with file.open("ab") as torn:  # as if the kill came in the middle of a line
        torn.write(b'{"file": "scene-0003", "class_index": 3, "met')
    evaluate(plan(killed, limit=12), progress=False)
    assert file.read_bytes().startswith(finished)  # what was done is not done again
    assert lines(killed) == 12 * 7
    assert tables(killed) == tables(whole)


@pytest.mark.slow
def test_many_kills_at_any_moment(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    evaluate(plan(whole, limit=60), progress=False)
    chance = random.Random(0)
    while lines(killed) < 300:
        kill_after(killed, lines(killed) + chance.randint(1, 90), limit=60)
    evaluate(plan(killed, limit=60), progress=False)
    assert lines(killed) == 60 * 7
    assert tables(killed) == tables(whole)


def test_a_finished_run_makes_no_map_again(tmp_path: Path, monkeypatch) -> None:
    evaluate(plan(tmp_path), progress=False)
    before = tables(tmp_path)
    monkeypatch.setattr(loop, "map_of", lambda *_: pytest.fail("a map was made again"))
    evaluate(plan(tmp_path), progress=False)
    assert tables(tmp_path) == before


def test_more_methods_pictures_and_metrics_only_add_rows(tmp_path: Path) -> None:
    evaluate(plan(tmp_path / "a", limit=3, methods=("grad_cam",)), progress=False)
    first = (tmp_path / "a" / "parts" / "rank-0.jsonl").read_bytes()
    evaluate(plan(tmp_path / "a"), progress=False)
    assert (tmp_path / "a" / "parts" / "rank-0.jsonl").read_bytes().startswith(first)
    evaluate(plan(tmp_path / "b"), progress=False)
    assert tables(tmp_path / "a") == tables(tmp_path / "b")
    more = ("average_drop", "adcc")
    evaluate(plan(tmp_path / "a", metrics=more), progress=False)
    evaluate(plan(tmp_path / "c", metrics=more), progress=False)
    assert tables(tmp_path / "a") == tables(tmp_path / "c")


def test_other_settings_do_not_mix_with_the_rows_of_a_folder(tmp_path: Path) -> None:
    evaluate(plan(tmp_path, limit=1, methods=("grad_cam",)), progress=False)
    for changes, named in (
        ({"protocol": Protocol(steps=5)}, "protocol"),
        ({"seed": 1}, "seed"),
        ({"target": "predicted"}, "target"),
        ({"model": "pond_biased"}, "model"),
        ({"options": {"grad_cam": {"relu": False}}}, "options"),
        ({"layer": "features.5"}, "layer"),
    ):
        with pytest.raises(ValueError, match=f"settings: {named} was .* another --out"):
            evaluate(plan(tmp_path, limit=1, methods=("grad_cam",), **changes), progress=False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"layer": "nope"}, "no layer 'nope'"),
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"limit": 0}, "--limit must be 1 or more"),
        ({"methods": ("grad-camm",)}, "did you mean grad_cam"),
        ({"metrics": ("drop",)}, "metrics must be one of 'average_drop'"),
        ({"target": "best"}, "target must be one of 'label', 'predicted'"),
        ({"options": {"rise": {"size": 3}}, "methods": ("rise",)}, "rise has no option 'size'"),
        ({"options": {"rise": {"samples": 3}}}, "rise is not measured; add --method rise"),
        ({"seed": -1}, "--seed must be 0 or more"),
        ({"model": "heads_flatten"}, "choose one with --model"),
        ({"model": "resnet5"}, "torchvision has no classifier"),
        ({"side": -1}, "side must be 0"),
        ({"data": "no/where"}, "no/where is no folder"),
        ({"device": "tpu"}, "--device is cpu or cuda"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_written(tmp_path: Path, changes, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        evaluate(plan(tmp_path / "out", **changes), progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"keep": 0.0},
        {"keep": 2.0},
        {"fill": "red"},
        {"fill": float("nan")},
        {"curves": "mine"},
    ],
)
def test_a_protocol_that_is_not_possible(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"steps|keep|fill|protocol"):
        Protocol(**wrong)


@pytest.mark.parametrize("fill", ["zero", "mean", "blur", "strong_blur", "original", 0.5])
def test_masked_pictures_take_the_fills_of_the_library(fill: float | str) -> None:
    assert Protocol(fill=fill).fill == fill


def test_a_network_that_cannot_take_the_pictures(tmp_path: Path) -> None:
    """heads_flatten reads 28×28 only; its pictures here are 48×48."""
    image = torch.full((48, 48, 3), 120, dtype=torch.uint8).numpy()
    (tmp_path / "data" / "3").mkdir(parents=True)
    Image.fromarray(image).save(tmp_path / "data" / "3" / "a.png")
    wrong = plan(tmp_path / "out", data=str(tmp_path / "data"), model="heads_flatten")
    with pytest.raises(ValueError, match=r"heads_flatten cannot take pictures of shape .* --side"):
        evaluate(wrong, progress=False)
    answer = evaluate(replace(wrong, side=28, methods=("grad_cam",)), progress=False)
    assert answer["pictures"] == 1


def test_rows_of_one_key_are_merged_whatever_file_they_lie_in(tmp_path: Path) -> None:
    """Two processes measured one metric; a later start of one measures two, or mends a problem."""
    key = {"file": "a.png", "class_index": 1, "method": "cam"}
    old = {**key, "problem": "", "metrics": ["average_drop"], "notes": {}, "after": 0.5}
    new = {
        **key,
        "problem": "",
        "metrics": ["average_drop", "road"],
        "notes": {},
        "after": 0.5,
        "road": 0.1,
    }
    broken = {**key, "method": "rise", "problem": "boom"}
    mended = {**old, "method": "rise"}
    with RowFile(tmp_path, 1) as first:
        first.append_row(old)
        first.append_row(broken)
    with RowFile(tmp_path, 0) as second:
        second.append_row(new)
        second.append_row(mended)
    rows = read_rows(tmp_path)
    assert rows["a.png", 1, "cam"] == new
    assert rows["a.png", 1, "rise"] == mended


def test_a_row_counts_once_its_line_is_whole(tmp_path: Path) -> None:
    row = {"file": "ä.png", "class_index": 1, "method": "cam", "x": 0.1 + 0.2, "problem": ""}
    with RowFile(tmp_path, 0) as file:
        file.append_row(row)
    (tmp_path / "rank-0.jsonl").open("ab").write(b'{"file": "b.png"')
    assert read_rows(tmp_path) == {("ä.png", 1, "cam"): row}
    with RowFile(tmp_path, 0) as file:
        file.append_row(row | {"method": "grad_cam"})
    assert len(read_rows(tmp_path)) == 2
    with pytest.raises(ValueError, match="Out of range"):
        RowFile(tmp_path, 1).append_row({"x": float("nan")})  # never a silent NaN


def test_binding_ignores_what_only_adds(tmp_path: Path) -> None:
    bind_settings(tmp_path, {"model": "a", "methods": ["x"]}, free=("methods",))
    bind_settings(tmp_path, {"model": "a", "methods": ["y"]}, free=("methods",))
    with pytest.raises(ValueError, match="model was a, and is b now"):
        bind_settings(tmp_path, {"model": "b", "methods": ["x"]}, free=("methods",))


# ------------------------------------------------------------------ several processes


def under_torchrun(out: Path, processes: int, limit: int) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        str(processes),
        "-m",
        "camlite",
        *arguments(out, limit),
        "--json",
    ]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=250)


def test_two_processes_make_the_same_tables_as_one(tmp_path: Path) -> None:
    evaluate(plan(tmp_path / "one"), progress=False)
    done = under_torchrun(tmp_path / "two", processes=2, limit=5)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["pictures"] == 5  # one answer, from rank 0
    shares = [p.read_bytes().count(b"\n") for p in (tmp_path / "two" / "parts").glob("rank-*")]
    assert sorted(shares) == [2 * 7, 3 * 7]
    assert tables(tmp_path / "two") == tables(tmp_path / "one")


@pytest.mark.slow
def test_four_processes_go_on_where_one_was_killed(tmp_path: Path) -> None:
    evaluate(plan(tmp_path / "one", limit=20), progress=False)
    kill_after(tmp_path / "four", rows=20, limit=20)
    done = under_torchrun(tmp_path / "four", processes=4, limit=20)
    assert done.returncode == 0, done.stderr
    assert tables(tmp_path / "four") == tables(tmp_path / "one")


# ------------------------------------------------------------------ the numbers


def test_a_row_holds_what_the_public_functions_say(tmp_path: Path) -> None:
    """One picture by hand: the network, the map, each metric."""
    every = plan(tmp_path, data="parts", limit=1, methods=("layer_cam",), metrics=tuple(METRICS))
    evaluate(every, progress=False)
    row = next(r for r in table(tmp_path / "rows.csv") if r["method"] == "layer_cam")

    import camlite

    part = camlite.data.scenes("pond", "flipped", count=1, seed=1)
    net, x, c = nets.bundled("pond_repaired"), part.images, part.labels
    L = camlite.layer_cam(net, "features", x, c)
    after = metrics.masked_confidence(net, x, L, c)
    inverse = metrics.masked_confidence(net, x, L, c, inverse=True)
    heat = camlite.heatmap(L, x.shape[2:])
    again = camlite.layer_cam(net, "features", x * heat, c)
    mask = part.object_mask
    box = torch.tensor([camlite.boxes.bounding_box(mask[0].double())])
    blocks = L.repeat_interleave(4, 1).repeat_interleave(4, 2)
    own = camlite.boxes.bounding_box(camlite.up(L, x.shape[2:])[0])
    expected = {
        "before": after.before,
        "after": after.after,
        "after_inverse": inverse.after,
        "deletion": metrics.deletion(net, x, L, c, steps=4).area,
        "insertion": metrics.insertion(net, x, L, c, steps=4).area,
        "coherency": metrics.coherency(L, again),
        "complexity": metrics.complexity(heat),
        "pointing": metrics.pointing_game(L, mask, tolerance=48 * 15 / 224).values,
        "energy": metrics.energy_pointing_game(L, mask).values,
        "energy_in_cell": metrics.energy_pointing_game(blocks, mask).values,
        "pointing_in_cell": metrics.pointing_game(blocks, mask, tolerance=0).values,
        "objects_found": metrics.object_recall(L, mask[:, None]).values,
        "iou": camlite.boxes.iou(own, box[0]),
    }
    assert {k: float(row[k]) for k in expected} == pytest.approx(
        {k: float(v) for k, v in expected.items()}, rel=1e-4, abs=1e-6
    )
    best = metrics.max_box_acc_v2(heat, box, thresholds=TAUS, deltas=(0.5,))
    overlaps = [100.0 * (float(row[f"iou_{tau:.2f}"]) >= 0.5) for tau in TAUS]
    assert overlaps == best.curve[:, 0].tolist()


def made_rows(columns: dict[str, dict[str, list[float]]]):
    """Rows as the store gives them: method -> column -> one value per picture."""
    rows = {}
    for method, of in columns.items():
        for n in range(len(next(iter(of.values())))):
            values = {k: v[n] for k, v in of.items() if not np.isnan(v[n])}
            notes = {"insertion": "no value here"}
            rows[f"p{n}", 0, method] = {"problem": "", "notes": notes, **values}
    return rows


def pictures(count: int) -> list[tuple[str, int | None]]:
    return [(f"p{n}", 0) for n in range(count)]


def test_the_summary_against_a_slow_loop() -> None:
    rng = np.random.default_rng(0)
    Y, a, b = rng.uniform(0.1, 1, (3, 40))
    rows = made_rows(
        {
            "cam": {"before": list(Y), "after": list(a)},
            "grad_cam": {"before": list(Y), "after": list(b)},
        }
    )
    found = summarize(
        rows,
        pictures(40),
        ["cam", "grad_cam"],
        ["average_drop", "increase_in_confidence", "average_gain"],
    )
    drop, increase, gain = found.columns
    T = torch.from_numpy
    for method, after in (("cam", a), ("grad_cam", b)):
        assert drop.cells[method].value == pytest.approx(metrics.average_drop(T(Y), T(after)))
        assert increase.cells[method].value == metrics.increase_in_confidence(T(Y), T(after))
        assert gain.cells[method].value == pytest.approx(metrics.average_gain(T(Y), T(after)))
    lost = [max(0, y - o) / y for y, o in zip(Y, a, strict=True)]
    other = [max(0, y - o) / y for y, o in zip(Y, b, strict=True)]
    wins = sum(1 if p < q else 0.5 if p == q else 0 for p, q in zip(lost, other, strict=True))
    first = drop.pairs[0]
    assert (first.a, first.b) == ("cam", "grad_cam")
    assert first.wins == pytest.approx(100 * wins / 40)
    assert first.difference.value == pytest.approx(100 * (np.mean(lost) - np.mean(other)))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Many data sets with a known mean: about 95 % of the intervals contain it."""
    hits = 0
    for seed in range(60):
        values = np.random.default_rng(seed).uniform(0, 1, 50)
        rows = made_rows({"cam": {"insertion": list(values)}})
        cell = summarize(rows, pictures(50), ["cam"], ["insertion"], seed).columns[0].cells["cam"]
        hits += cell.low <= 0.5 <= cell.high
    assert 51 <= hits <= 60


def test_a_picture_counts_only_if_every_method_has_a_value() -> None:
    nan = float("nan")
    rows = made_rows(
        {"cam": {"insertion": [0.2, nan, 0.4]}, "grad_cam": {"insertion": [0.5, 0.9, 0.7]}}
    )
    column = summarize(rows, pictures(3), ["cam", "grad_cam"], ["insertion"]).columns[0]
    assert column.pictures == 2
    assert column.excluded == {"no value here": 1}
    assert column.cells["grad_cam"].value == pytest.approx(0.6)  # without the 0.9


def test_undefined_values_are_counted_and_never_averaged() -> None:
    rows = made_rows({"cam": {"before": [0.5, 0.0, 1.0], "after": [0.25, 0.1, 0.5]}})
    drop, gain = summarize(rows, pictures(3), ["cam"], ["average_drop", "average_gain"]).columns
    assert (drop.pictures, drop.cells["cam"].value) == (2, 50)  # 0 before: no share can be lost
    assert (gain.pictures, gain.cells["cam"].value) == (2, pytest.approx(5))  # 1: none to gain
    nothing = made_rows({"cam": {"before": [0.0], "after": [0.1]}})
    empty = summarize(nothing, pictures(1), ["cam"], ["average_drop"]).columns[0]
    assert (empty.pictures, empty.cells, empty.pairs) == (0, {}, [])


def test_a_wrong_row_of_a_picture_does_not_take_the_right_one_with_it() -> None:
    rows = made_rows({"cam": {"insertion": [0.5, 0.7]}})
    rows["p0", 9, ""] = {"problem": "class_index 9 is out of range"}
    found = summarize(rows, [*pictures(2), ("p0", 9)], ["cam"], ["insertion"])
    assert list(found.problems) == [("p0", 9)]
    assert found.columns[0].pictures == 2


def test_equal_maps_draw_although_they_were_rounded_differently() -> None:
    rows = made_rows(
        {"cam": {"insertion": [0.5, 0.25]}, "grad_cam": {"insertion": [0.5 + 1e-9, 0.25 - 1e-9]}}
    )
    pair = summarize(rows, pictures(2), ["cam", "grad_cam"], ["insertion"]).columns[0].pairs[0]
    assert (pair.wins, pair.difference.value) == (50, 0)


def test_adcc_is_made_of_the_means() -> None:
    terms = {
        "coherency": [0.8, 1.0],
        "complexity": [0.2, 0.4],
        "before": [1.0, 1.0],
        "after": [0.9, 0.7],
    }
    column = summarize(made_rows({"cam": terms}), pictures(2), ["cam"], ["adcc"]).columns[0]
    assert column.cells["cam"].value == pytest.approx(0.7916, abs=5e-5)  # of 0.9, 0.3, 0.2


def test_box_thresholds_are_chosen_on_the_other_half() -> None:
    """One half needs τ = 0.5, the other 0.1: each gets the other's τ, and fails."""
    count = 8
    half = _halves([f"p{n}" for n in range(count)])
    of = {f"iou_{tau:.2f}": [0.9 if tau == (0.5, 0.1)[h] else 0.0 for h in half] for tau in TAUS}
    assert box_accuracy(of, count) == 0
    same = {f"iou_{tau:.2f}": [0.6 if tau == 0.5 else 0.0] * count for tau in TAUS}
    assert box_accuracy(same, count) == pytest.approx(200 / 3)  # right for 0.3 and 0.5, not 0.7


def test_one_picture_has_no_other_half_to_choose_on() -> None:
    of = {f"iou_{tau:.2f}": [0.6] for tau in TAUS}
    (column,) = summarize(made_rows({"cam": of}), pictures(1), ["cam"], ["max_box_acc_v2"]).columns
    assert (column.pictures, column.cells) == (0, {})
    assert list(column.excluded) == ["there is no other half to choose a threshold on"]


def test_halves_are_equally_large_and_keep_a_file_together() -> None:
    files = [f"scene-{n // 4:04d}" for n in range(100)]  # four questions about each file
    half = _halves(files)
    assert half.sum() == 48  # of 25 files 13 and 12
    assert all(len(set(half[n : n + 4])) == 1 for n in range(0, 100, 4))
    classes = np.arange(100) % 4
    assert {int(c) for c in classes[half == 0]} == {0, 1, 2, 3}  # not every other class


def test_several_questions_about_one_file_are_drawn_together() -> None:
    """Four equal answers about each picture are not four times as many pictures."""
    values = np.random.default_rng(0).uniform(0, 1, 20)
    once = made_rows({"cam": {"insertion": list(values)}})
    asked = {(file, c, m): row for (file, _, m), row in once.items() for c in range(4)}
    four = [(f"p{n}", c) for n in range(20) for c in range(4)]
    (a,) = summarize(once, pictures(20), ["cam"], ["insertion"]).columns
    (b,) = summarize(asked, four, ["cam"], ["insertion"]).columns
    assert b.pictures == 80
    for end in ("value", "low", "high"):
        assert getattr(b.cells["cam"], end) == pytest.approx(getattr(a.cells["cam"], end), abs=0.01)


def test_a_score_without_its_masked_score_is_no_drop() -> None:
    nan = float("nan")
    rows = made_rows({"cam": {"before": [0.5, 0.5], "after": [0.25, nan]}})
    drop, gain = summarize(rows, pictures(2), ["cam"], ["average_drop", "average_gain"]).columns
    assert (drop.pictures, drop.cells["cam"].value) == (1, 50)
    assert gain.pictures == 1


def test_a_method_beats_a_floor_only_if_the_pictures_tell_them_apart() -> None:
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 0.8, 30)
    rows = made_rows(
        {
            "cam": {"insertion": list(base + 0.1)},
            "grad_cam": {"insertion": list(base + rng.normal(0.002, 0.1, 30))},
            "random_cam": {"insertion": list(base)},
        }
    )
    methods = ["cam", "grad_cam", "random_cam"]
    (column,) = summarize(rows, pictures(30), methods, ["insertion"]).columns
    assert column.beats("cam", ["random_cam"])
    assert not column.beats("grad_cam", ["random_cam"])
    assert not column.beats("random_cam", ["cam"])


def box_accuracy(overlaps: dict[str, list[float]], count: int) -> float:
    rows = made_rows({"cam": overlaps})
    (column,) = summarize(rows, pictures(count), ["cam"], ["max_box_acc_v2"]).columns
    return column.cells["cam"].value


# ------------------------------------------------------------------ what a run leaves


def test_floors_stand_beside_the_methods_and_figures_are_drawn(tmp_path: Path) -> None:
    answer = evaluate(plan(tmp_path, methods=("grad_cam",)), progress=False)
    methods = list(answer["metrics"]["average_drop"]["methods"])
    assert methods == ["grad_cam", *FLOORS]
    for name in answer["files"]:
        assert (tmp_path / name).stat().st_size > 100
    drops = answer["metrics"]["average_drop"]["methods"]
    assert drops["fake_cam"]["value"] < drops["grad_cam"]["value"]  # why floors must stand there
    card = (tmp_path / "card.md").read_text()
    for fact in (
        "pond_repaired",
        "`features`",
        "softmax probability",
        "Fake-CAM (floor)",
        "torch " + torch.__version__.split("+")[0],
        "seed",
        "4 steps",
    ):
        assert fact in card
    assert "nan" not in (card + (tmp_path / "summary.csv").read_text()).lower()


def test_a_metric_without_a_value_leaves_the_others_theirs(tmp_path: Path, monkeypatch) -> None:
    def undefined(case):
        raise metrics.Undefined("ROAD", [0], "there is no hole to fill")

    monkeypatch.setitem(METRICS, "road", replace(METRICS["road"], measure=undefined))
    names = ("average_drop", "road")
    answer = evaluate(plan(tmp_path, limit=2, methods=("grad_cam",), metrics=names), progress=False)
    assert answer["metrics"]["average_drop"]["pictures"] == 2
    ((reason, count),) = answer["metrics"]["road"]["excluded"].items()
    assert (count, "no hole to fill" in reason) == (2, True)
    assert "road" not in {row["metric"] for row in table(tmp_path / "summary.csv")}


@pytest.mark.parametrize("error", [RuntimeError("shapes do not fit"), ValueError("score is NaN")])
def test_a_picture_on_which_a_method_fails_is_one_row(tmp_path: Path, monkeypatch, error) -> None:
    def fails_once(method, run, x, c, seed, real=loop.map_of):
        if method == "grad_cam" and int(c) == 1:
            raise error
        return real(method, run, x, c, seed)

    monkeypatch.setattr(loop, "map_of", fails_once)
    answer = evaluate(plan(tmp_path, limit=4, methods=("grad_cam",)), progress=False)
    drop = answer["metrics"]["average_drop"]
    assert (drop["pictures"], drop["excluded"]) == (3, {str(error): 1})
    problems = [r["problem"] for r in table(tmp_path / "rows.csv") if r["problem"]]
    assert problems == [str(error)]


INPLACE = """
import torch
from camlite import nets

class Scaled(torch.nn.Module):
    def __init__(self, in_place):
        super().__init__()
        self.net, self.in_place = nets.bundled("pond_repaired"), in_place
        self.categories = list("abcd")

    def forward(self, x):
        return self.net(x.mul_(0.9) if self.in_place else x * 0.9)

def in_place():
    return Scaled(True)

def as_usual():
    return Scaled(False)
"""


def test_a_network_that_changes_its_input_in_place_has_the_same_numbers(
    tmp_path: Path, monkeypatch
) -> None:
    """Each method and metric sees the image as it is in the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "scaled_pond.py").write_text(INPLACE)
    scene = data.scenes("pond", "flipped", count=2, seed=1)
    for n, image in enumerate(scene.images):
        pixels = (image.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        file = tmp_path / "data" / str(int(scene.labels[n])) / f"{n}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    for name in ("as_usual", "in_place"):
        evaluate(
            plan(
                tmp_path / name,
                data=str(tmp_path / "data"),
                model=f"scaled_pond:{name}",
                side=0,
                normalize=False,
                layer="net.features",
                methods=("cam", "grad_cam", "score_cam", "saliency", "occlusion"),
                metrics=("average_drop", "insertion", "deletion", "road", "adcc"),
            ),
            progress=False,
        )
    assert tables(tmp_path / "in_place") == tables(tmp_path / "as_usual")
    assert not [row for row in table(tmp_path / "in_place" / "rows.csv") if row["problem"]]


def test_constant_maps_are_counted(tmp_path: Path) -> None:
    """On a biased network Grad-CAM of the true class is often 0 everywhere."""
    evaluate(
        plan(
            tmp_path,
            model="pond_biased",
            limit=30,
            methods=("grad_cam",),
            metrics=("average_drop",),
        ),
        progress=False,
    )
    blank = [r["blank"] for r in table(tmp_path / "rows.csv") if r["method"] == "grad_cam"]
    count = blank.count("1")
    assert 0 < count < 30
    card = (tmp_path / "card.md").read_text()
    assert f"- Grad-CAM: {count} of 30" in card.partition("## Constant maps")[2]


def test_results_may_not_lie_among_the_pictures(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lies in the folder of the pictures"):
        evaluate(plan(tmp_path / "results", data=str(tmp_path)), progress=False)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("batch_size", "many", "whole number"),
        ("relu", 1, "True or False"),
        ("probability", "yes", "True or False"),
        ("baseline", {1}, "a number, a word or a list"),
    ],
)
def test_options_of_the_wrong_kind_are_refused(tmp_path: Path, option, value, sentence) -> None:
    wrong = plan(tmp_path / "out", methods=("score_cam",), options={"score_cam": {option: value}})
    if option == "batch_size":
        wrong = replace(wrong, methods=("rise",), options={"rise": {"samples": value}})
    with pytest.raises(ValueError, match=sentence):
        evaluate(wrong, progress=False)
    assert not (tmp_path / "out").exists()


def test_a_method_that_does_not_apply_is_named_and_left_out(tmp_path: Path) -> None:
    answer = evaluate(
        plan(tmp_path, layer="features.5", methods=("cam", "grad_cam")), progress=False
    )
    assert list(answer["without_map"]) == ["cam"]
    assert "cam" not in answer["metrics"]["insertion"]["methods"]
    assert answer["metrics"]["insertion"]["pictures"] == 5
    assert "## Methods without a map" in (tmp_path / "card.md").read_text()
