"""Generated scenes: same seed, same pixels; right masks; networks that learn the shortcut."""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from camlite import ArchitectureError, cam, data, split
from camlite.data.generated import SPLITS
from camlite.nets import SceneNet, accuracy, bundled, count_parameters, fit

DATASETS = Path(__file__).parent.parent / "datasets"
KINDS = ("pond", "rail")
NETWORKS = [f"{kind}_{version}" for kind in KINDS for version in ("biased", "repaired")]


def script():
    """datasets/train_scenes.py as a module."""
    spec = importlib.util.spec_from_file_location("train_scenes", DATASETS / "train_scenes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- scenes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", SPLITS)
def test_shapes_and_ranges(kind, part):
    s = data.scenes(kind, part, count=5)
    assert len(s) == 5
    assert s.images.shape == (5, 3, 48, 48)
    assert s.images.dtype == torch.float32
    assert 0 <= s.images.min() < s.images.max() <= 1
    assert s.labels.tolist() == [i % len(s.class_names) for i in range(5)]
    for mask in (s.object_mask, s.background_mask, s.context_mask):
        assert mask.shape == (5, 48, 48)
        assert mask.dtype == torch.bool
    assert s.contents.shape == (5, len(s.content_names))
    assert not (s.object_mask & s.context_mask).any()


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_pixels(kind):
    a, b, c = (data.scenes(kind, "train", count=6, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(a.images, b.images)
    assert torch.equal(a.object_mask, b.object_mask)
    assert not torch.equal(a.images, c.images)
    assert torch.equal(data.scenes(kind, "train", count=2, seed=3).images, a.images[:2])


def test_the_seeds_leave_the_global_generators_alone():
    np.random.seed(0)
    torch.manual_seed(0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    data.scenes(count=2), data.twins(2), data.mosaic(1), data.signals(3)
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("kind", KINDS)
def test_masks_are_exactly_where_the_object_changes_the_picture(kind):
    """Same image with and without the object: all changes lie in the mask, up to its soft edge."""
    with_, without = (data.scenes(kind, p, count=16) for p in ("matched", "background_only"))
    changed = (with_.images - without.images).abs().amax(dim=1) > 0.02
    mask = with_.object_mask
    edge = torch.nn.functional.max_pool2d(mask[:, None].float(), 3, 1, 1)[:, 0].bool()
    assert not (changed & ~edge).any()
    assert (changed & mask).sum() / mask.sum() > 0.9  # a green frog on grass may share a colour
    assert (mask.flatten(1).float().mean(1) > 0.05).all()
    assert (mask.flatten(1).float().mean(1) < 0.45).all()
    assert torch.equal(with_.background_mask, ~mask)
    assert not without.object_mask.any()


@pytest.mark.parametrize("kind", KINDS)
def test_the_object_is_the_same_in_every_test_split(kind):
    parts = [data.scenes(kind, p, count=8) for p in ("matched", "flipped", "object_on_grey")]
    for other in parts[1:]:
        assert torch.equal(parts[0].object_mask, other.object_mask)
        assert torch.equal(parts[0].labels, other.labels)
    inner = -torch.nn.functional.max_pool2d(-parts[0].object_mask[:, None].float(), 3, 1, 1) > 0.5
    difference = (parts[0].images - parts[2].images).abs().amax(1, keepdim=True)
    assert (difference[inner] < 0.02).float().mean() > 0.95  # all but gaps between the wheels
    assert difference[inner].max() < 0.3


def test_context_of_the_railway_is_rails_or_road():
    s = data.scenes("rail", "matched", count=4)
    bare = data.scenes("rail", "background_only", count=4)
    rows = bare.context_mask.any(dim=2)
    assert (rows.sum(1) == rows.sum(1)[0]).all()
    assert bare.context_mask[:, rows[0]].all()  # a band across the whole picture
    assert torch.equal(s.context_mask, bare.context_mask & ~s.object_mask)
    assert not data.scenes("rail", "object_on_grey", count=2).context_mask.any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("p", [0.0, 0.6, 0.95, 1.0])
def test_correlation_is_as_asked(kind, p):
    count = 400 if 0 < p < 1 else 40
    s = data.scenes(kind, "train", count=count, correlation=p, size=16)
    share = (s.backgrounds == s.labels).float().mean().item()
    assert abs(share - p) <= 4 * (p * (1 - p) / count) ** 0.5  # four standard deviations


def test_rails_without_a_train_never_occur_in_training():
    s = data.scenes("rail", "train", count=300, size=16, correlation=0.5)
    has = {name: s.contents[:, k] for k, name in enumerate(s.content_names)}
    assert (has["rails"] <= has["train"]).all()
    assert (has["road"] <= has["car"]).all()
    assert (has["train"] != has["car"]).all()
    assert 0.3 < has["tree"].float().mean() < 0.5


def test_splits_are_what_they_are_called():
    for kind, homes in (("pond", 4), ("rail", 2)):
        s = {p: data.scenes(kind, p, count=120, size=16) for p in SPLITS}
        assert (s["matched"].backgrounds == s["matched"].labels).all()
        assert (s["background_only"].backgrounds == s["background_only"].labels).all()
        assert (s["flipped"].backgrounds != s["flipped"].labels).all()
        assert s["flipped"].backgrounds.max() < homes
        assert {
            s["object_on_grey"].background_names[b] for b in s["object_on_grey"].backgrounds
        } == {"grey"}
        kinds = len(s["varied"].background_names)
        shares = torch.bincount(s["varied"].backgrounds, minlength=kinds) / 120
        assert (shares - 1 / kinds).abs().max() < 0.15
        objects = s["background_only"].contents[:, : len(s["flipped"].class_names)]
        assert not objects.any()
    grey = data.scenes("pond", "object_on_grey", count=4)
    assert torch.allclose(grey.images[:, :, 0, 0], torch.tensor(128 / 255))


def test_training_and_test_images_differ_for_one_seed():
    learn, test = (data.scenes("pond", p, count=8, seed=5) for p in ("train", "matched"))
    assert not (learn.object_mask == test.object_mask).all(dim=(1, 2)).any()


def test_groups_have_names():
    s = data.scenes("pond", "flipped", count=8)
    for label, background, group in zip(s.labels, s.backgrounds, s.groups, strict=True):
        expected = f"{s.class_names[label]} on {s.background_names[background]}"
        assert s.group_names[group] == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "sea"}, "pond, rail"),
        ({"split": "test"}, "background_only"),
        ({"correlation": 1.5}, "1.5"),
        ({"count": -1}, "-1"),
        ({"size": 3}, "3"),
        ({"seed": -2}, "-2"),
    ],
)
def test_wrong_arguments_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        data.scenes(**({"count": 2} | given))


def test_no_images_are_no_error():
    assert data.scenes(count=0).images.shape == (0, 3, 48, 48)
    assert data.twins(0).object_masks.shape == (0, 3, 72, 72)
    assert data.mosaic(0).images.shape == (0, 3, 96, 96)
    assert data.signals(0).signals.shape == (0, 1, 128)


# --- twins, mosaic, signals ----------------------------------------------------------------------


def test_twins():
    t = data.twins(12, seed=1)
    assert t.images.shape == (12, 3, 72, 72)
    assert t.counts.tolist() == [1, 2, 3] * 4
    areas = t.object_masks.sum(dim=(2, 3))
    assert ((areas > 0).sum(1) == t.counts).all()
    assert (areas[:, 0] > areas[:, 1]).all()
    assert (areas[:, 1] >= areas[:, 2]).all()
    assert (t.object_masks.sum(1) <= 1).all()  # no animal covers another
    assert torch.equal(t.images, data.twins(12, seed=1).images)
    assert sorted(set(t.labels.tolist())) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="size"):
        data.twins(1, size=8)


def test_look_alikes_differ_in_the_mark_and_nowhere_else():
    a = data.lookalikes(8, seed=1)
    assert a.images.shape == a.swapped.shape == (8, 3, 96, 96)
    assert a.labels.tolist() == [0, 1, 2, 3] * 2
    assert a.class_names == ["white bird", "dark bird", "white fish", "dark fish"]
    changed = (a.images != a.swapped).any(dim=1)
    wider = torch.nn.functional.max_pool2d(a.part_mask.float(), 3, stride=1, padding=1).bool()
    assert (changed | ~a.part_mask).all(), "all of the mark changes"
    assert (wider | ~changed).all(), "only the mark, up to half-covered pixels, changes"
    assert (a.object_mask | ~a.part_mask).all()
    white = a.images.mean(1)[a.part_mask & (a.labels % 2 == 0)[:, None, None]].mean()
    dark = a.images.mean(1)[a.part_mask & (a.labels % 2 == 1)[:, None, None]].mean()
    assert white > dark + 0.5
    assert torch.equal(data.lookalikes(2, seed=1).images, a.images[:2])
    assert not torch.equal(data.lookalikes(2, seed=2).images, a.images[:2])
    assert len(data.lookalikes(0).images) == 0
    for bad in ({"count": -1}, {"count": 1, "size": 8}):
        with pytest.raises(ValueError, match="count must be"):
            data.lookalikes(**bad)


def test_mosaic():
    m = data.mosaic(3, seed=2)
    assert m.images.shape == (3, 3, 96, 96)
    parts = data.scenes("pond", "flipped", count=12, seed=2)
    for n in range(3):
        assert sorted(m.cells[n].flatten().tolist()) == [0, 1, 2, 3]
        for row in range(2):
            for column in range(2):
                where = slice(48 * row, 48 * row + 48), slice(48 * column, 48 * column + 48)
                c = m.cells[n, row, column]
                source = 4 * n + c
                assert parts.labels[source] == c
                assert torch.equal(m.images[n][:, where[0], where[1]], parts.images[source])
                assert m.cell_masks[n, c][where].all()
                assert m.cell_masks[n, c].sum() == 48 * 48
                assert torch.equal(m.object_masks[n, c][where], parts.object_mask[source])


def test_signals():
    s = data.signals(60, length=100, motif=20, seed=3)
    assert s.signals.shape == (60, 1, 100)
    assert (s.spans[:, 1] - s.spans[:, 0] == 20).all()
    assert s.spans.min() >= 0
    assert s.spans.max() <= 100
    assert (s.mask.sum(1) == 20).all()
    assert s.mask[4, s.spans[4, 0]]
    assert torch.equal(s.signals, data.signals(60, length=100, motif=20, seed=3).signals)
    with pytest.raises(ValueError, match="200"):
        data.signals(3, length=100, motif=200)


def test_only_the_motif_tells_the_class():
    """Without waves and noise, what is left outside the span is zero, inside it is the motif."""
    quiet = data.signals(30, noise=0.0, seed=1)
    x = quiet.signals[:, 0]
    smooth = (x[:, 2:] - 2 * x[:, 1:-1] + x[:, :-2]).abs()  # slow waves hardly bend
    near = quiet.mask.clone()
    near[:, :-1] |= quiet.mask[:, 1:]
    near[:, 1:] |= quiet.mask[:, :-1]
    assert smooth[~near[:, 1:-1]].max() < 0.02
    assert smooth.masked_fill(~quiet.mask[:, 1:-1], 0).amax(1).min() > 0.1


def test_a_small_network_reads_the_signals_and_its_map_finds_the_motif():
    """What lesson 19 needs: accuracy, and the best window of the map over the motif."""
    learn, test = data.signals(600, seed=0), data.signals(150, seed=1)
    torch.manual_seed(0)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv1d(1, 16, 9, padding=4),
        nn.ReLU(),
        nn.Conv1d(16, 24, 9, padding=4),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(24, 3),
    )
    fit(model, learn.signals, learn.labels, epochs=12)
    assert accuracy(model, test.signals, test.labels) > 0.95
    features, head = model[:4], model[6]
    with torch.no_grad():
        M = torch.einsum("nk,nkl->nl", head.weight[test.labels], features(test.signals))
    windows = M.unfold(1, 24, 1).sum(2).argmax(1)
    overlap = (24 - (windows - test.spans[:, 0]).abs()).clamp_min(0)
    assert (overlap / (48 - overlap)).mean() > 0.5


# --- networks ------------------------------------------------------------------------------------


def test_scene_net_is_a_network_for_cam():
    torch.manual_seed(0)
    model = SceneNet().eval()
    assert count_parameters(model) == 47_252
    x = data.scenes(count=2).images
    features, classifier = split(model, "features")
    assert features(x).shape == (2, 64, 12, 12)
    assert torch.equal(classifier(features(x)), model(x))
    M = cam(model, "features", x, 1)
    assert torch.allclose(M.mean(dim=(1, 2)) + model.classifier.bias[1], model(x)[:, 1], atol=1e-5)
    with pytest.raises(ArchitectureError):
        cam(model, "features.5", x)


def test_fit_depends_on_its_seed_only():
    s = data.scenes(count=32)
    results = []
    for seed in (1, 1, 2):
        torch.manual_seed(7)
        model = SceneNet()
        torch.manual_seed(np.random.randint(1000))
        losses = fit(model, s.images, s.labels, epochs=2, seed=seed)
        results.append((losses, model.classifier.weight))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])
    assert not torch.equal(results[0][1], results[2][1])
    assert not model.training


@pytest.mark.parametrize("name", NETWORKS)
def test_bundled_network_is_what_its_facts_say(name):
    facts = json.loads((DATASETS / f"{name}.json").read_text())
    raw = (DATASETS / f"{name}.pt").read_bytes()
    assert len(raw) < 1_000_000
    assert hashlib.sha256(raw).hexdigest() == facts["sha256"]
    found = script().measure(bundled(name), name.split("_")[0], facts["seed"], count=100)
    for key in ("matched_accuracy", "flipped_accuracy", "energy_on_object"):
        assert found[key] == pytest.approx(facts[key], abs=0.1), key


def effect(biased, repaired):
    """The lesson's claims, for one seed."""
    assert biased["matched_accuracy"] >= 0.95
    assert biased["flipped_accuracy"] <= 0.5
    assert biased["energy_on_object"] < 0.4
    assert repaired["matched_accuracy"] >= 0.9
    assert repaired["flipped_accuracy"] >= 0.9
    assert repaired["worst_group_accuracy"] >= biased["worst_group_accuracy"] + 0.5
    assert repaired["energy_on_object"] >= biased["energy_on_object"] + 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_bundled_networks_show_the_effect(kind):
    facts = [DATASETS / f"{kind}_{version}.json" for version in ("biased", "repaired")]
    effect(*(json.loads(path.read_text()) for path in facts))


def test_the_repaired_network_reads_twins_and_mosaics():
    """It was trained on one animal in 48×48, and still works on several in larger pictures."""
    model = bundled("pond_repaired")
    t, m = data.twins(24), data.mosaic(8)
    assert accuracy(model, t.images, t.labels) >= 0.85
    for c in range(4):
        L = cam(model, "features", m.images, c).relu()
        cells = m.cell_masks[:, c, ::4, ::4]  # at the map's own resolution, 24×24
        assert ((L * cells).sum(dim=(1, 2)) / L.sum(dim=(1, 2))).mean() > 0.5  # by chance: 0.25


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_the_effect_holds_for_every_seed(kind, seed):
    train_scenes = script()
    assert seed in train_scenes.SEEDS
    effect(
        *(
            train_scenes.measure(train_scenes.train(kind, version, seed), kind, seed)
            for version in ("biased", "repaired")
        )
    )
