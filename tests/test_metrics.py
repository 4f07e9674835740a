"""Metrics: worked examples, slow literal loops, other libraries, and the papers' warnings."""

import contextlib
import csv
import math
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

import camlite
from camlite import boxes, metrics
from camlite.data import digits
from camlite.metrics.imputation import neighbour_weights
from camlite.metrics.shared import ranks
from camlite.perturb import blur as rise_blur

torch.set_num_threads(1)


def seed(n=0):
    return torch.Generator().manual_seed(n)


def small_net(channels=3, classes=4, dtype=torch.float64):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = nn.Sequential(
            nn.Conv2d(channels, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, classes),
        )
    with torch.no_grad():
        net[-1].weight.mul_(20)  # probabilities that differ
    return net.to(dtype)


def small_images(n=3, channels=3, h=12, w=10, dtype=torch.float64):
    return torch.randn(n, channels, h, w, generator=seed(1), dtype=torch.float64).to(dtype)


def small_maps(n=3, h=12, w=10, dtype=torch.float64):
    return torch.rand(n, h, w, generator=seed(2), dtype=torch.float64).to(dtype)


# ------------------------------------------------------------------ drop, increase, gain, win


def test_confidence_metrics_by_hand():
    before, after = torch.tensor([0.8, 0.5, 0.5]), torch.tensor([0.4, 0.5, 0.75])
    assert metrics.average_drop(before, after) == pytest.approx(100 * (0.5 + 0 + 0) / 3)
    assert metrics.relative_drop(before, after).tolist() == pytest.approx([50, 0, 0])
    assert metrics.increase_in_confidence(before, after) == pytest.approx(100 / 3)  # equal: no
    assert metrics.average_gain(before, after) == pytest.approx(100 * (0 + 0 + 0.5) / 3)


def test_confidence_metrics_equal_the_loop():
    Y, O = torch.rand(2, 50, generator=seed()).double().tolist()
    drop = sum(max(0, y - o) / y for y, o in zip(Y, O, strict=True)) / 50
    up = sum(y < o for y, o in zip(Y, O, strict=True)) / 50
    gain = sum(max(0, o - y) / (1 - y) for y, o in zip(Y, O, strict=True)) / 50
    Y, O = torch.tensor(Y, dtype=torch.float64), torch.tensor(O, dtype=torch.float64)
    assert metrics.average_drop(Y, O) == pytest.approx(100 * drop)
    assert metrics.increase_in_confidence(Y, O) == pytest.approx(100 * up)
    assert metrics.average_gain(Y, O) == pytest.approx(100 * gain)


def test_win_rate_and_its_ties():
    a, b = torch.tensor([1.0, 2.0, 3.0, 0.0]), torch.tensor([2.0, 1.0, 4.0, 0.0])
    assert metrics.win_rate(a, b) == 62.5
    assert metrics.win_rate(a, b) + metrics.win_rate(b, a) == 100
    assert metrics.win_rate(a, b, ties="lose") == 50
    assert metrics.win_rate(a, b, lower_is_better=False) == 37.5


def test_undefined_values_are_named_and_can_be_left_out():
    before, after = torch.tensor([0.5, 0.0, 0.5, -1.0]), torch.tensor([0.25, 0.1, 0.5, 0.1])
    with pytest.raises(metrics.Undefined, match="not positive") as error:
        metrics.average_drop(before, after)
    assert error.value.images == [1, 3]
    value, left_out = metrics.where_defined(metrics.average_drop, before, after)
    assert (value, left_out) == (25.0, [1, 3])
    with pytest.raises(metrics.Undefined):
        metrics.where_defined(metrics.average_drop, -before.abs(), after)
    with pytest.raises(metrics.Undefined, match="already 1"):
        metrics.average_gain(torch.tensor([1.0]), torch.tensor([0.5]))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ([0.5, float("nan")], [0.5, 0.5], "NaN"),
        ([0.5], [0.5, 0.5], "one number per image"),
        ([], [], "one number per image"),
        ([[0.5]], [[0.5]], "one number per image"),
    ],
)
def test_bad_scores(before, after, says):
    for metric in (metrics.average_drop, metrics.increase_in_confidence, metrics.win_rate):
        with pytest.raises(ValueError, match=says):
            metric(torch.tensor(before), torch.tensor(after))


def test_average_gain_refuses_logits():
    with pytest.raises(ValueError, match="softmax"):
        metrics.average_gain(torch.tensor([3.0]), torch.tensor([4.0]))


@pytest.mark.parametrize("keep", [1.0, 0.5])
@pytest.mark.parametrize("inverse", [False, True])
def test_masked_confidence_equals_the_loop(keep, inverse):
    net, X, M = small_net(), small_images(), small_maps()
    black = torch.tensor([-1.0, -2.0, -3.0], dtype=torch.float64).reshape(3, 1, 1)
    got = metrics.masked_confidence(net, X, M, 1, keep=keep, inverse=inverse, fill=black)
    for n in range(3):
        L = (M[n] - M[n].min()) / (M[n].max() - M[n].min())
        muted = L.flatten().sort().values[: round((1 - keep) * L.numel())]
        L = torch.tensor([[0.0 if v in muted else v for v in row] for row in L.tolist()]).double()
        L = 1 - L if inverse else L
        E = torch.stack([L * X[n, k] + (1 - L) * black[k, 0, 0] for k in range(3)])
        with torch.no_grad():
            assert got.before[n] == pytest.approx(float(net(X[n : n + 1]).softmax(1)[0, 1]))
            assert got.after[n] == pytest.approx(float(net(E[None]).softmax(1)[0, 1]), rel=1e-6)
    assert got.protocol["keep"] == keep
    assert got.protocol["score"] == "probability"


def test_masked_confidence_scores():
    net, X, M = small_net(), small_images(), small_maps()
    logits = net(X).detach()
    got = metrics.masked_confidence(net, X, M, probability=False)
    torch.testing.assert_close(got.before, logits.amax(1))  # None: the predicted class
    got = metrics.masked_confidence(net, X, M, lambda out: out[:, 0] - out[:, 1])
    torch.testing.assert_close(got.before, logits[:, 0] - logits[:, 1])
    assert got.protocol["score"] == "function"
    M[1] = 7
    got = metrics.masked_confidence(net, X, M, 0)
    assert got.blank.tolist() == [False, True, False]
    torch.testing.assert_close(got.after[1], net(0 * X[:1]).softmax(1)[0, 0].detach())
    with pytest.raises(ValueError, match="keep"):
        metrics.masked_confidence(net, X, M, keep=0.0)
    with pytest.raises(ValueError, match="do not fit"):
        metrics.masked_confidence(net, X, M[:2])


def test_coarse_maps_are_upsampled_bilinearly():
    net, X, M = small_net(), small_images(), small_maps(h=3, w=4)
    fine = nn.functional.interpolate(M[:, None], size=(12, 10), mode="bilinear")[:, 0]
    coarse, same = (metrics.masked_confidence(net, X, m).after for m in (M, fine))
    torch.testing.assert_close(coarse, same)


# ------------------------------------------------------------------ ADCC


def test_adcc_worked_example():
    assert metrics.adcc(0.9, 0.3, 0.2) == pytest.approx(0.7916, abs=5e-5)
    assert metrics.adcc(0.9, 0.3, 0.2) == pytest.approx(3 / (1 / 0.9 + 1 / 0.7 + 1 / 0.8))


def test_adcc_of_many_and_at_its_limits():
    got = metrics.adcc(torch.tensor([0.9, 1.0, 0.5]), torch.tensor([0.3, 0.0, 0.5]), 0.2)
    assert got.tolist() == pytest.approx([0.7916, 3 / (2 + 1 / 0.8), 3 / (4 + 1 / 0.8)], abs=5e-5)
    assert metrics.adcc(0.0, 0.3, 0.2) == metrics.adcc(1, 1, 0) == metrics.adcc(1, 0, 1) == 0
    assert metrics.adcc(1, 0, 0) == 1
    with pytest.raises(ValueError, match="percent"):
        metrics.adcc(0.9, 0.3, 20)


def test_coherency_and_complexity_equal_the_loop():
    a, b = small_maps(5), torch.rand(5, 12, 10, generator=seed(7)).double()
    for n, got in enumerate(metrics.coherency(a, b).tolist()):
        assert got == pytest.approx((np.corrcoef(a[n].flatten(), b[n].flatten())[0, 1] + 1) / 2)
    assert metrics.coherency(a, 3 * a - 1).tolist() == pytest.approx([1] * 5)
    assert metrics.coherency(a, -a).tolist() == pytest.approx([0] * 5, abs=1e-12)
    assert metrics.coherency(a, torch.ones_like(a)).tolist() == [0] * 5
    assert metrics.complexity(a).tolist() == pytest.approx([float(M.sum()) / 120 for M in a])
    with pytest.raises(ValueError, match="heatmap"):
        metrics.complexity(2 * a)


# ------------------------------------------------------------------ deletion and insertion


def test_the_same_points_have_two_areas():
    points = torch.tensor([0.1, 0.4, 0.8, 0.9, 0.95], dtype=torch.float64)
    assert float(metrics.area_under(points)) == pytest.approx(0.656, abs=5e-4)
    assert float(metrics.area_under(points, rule="mean")) == pytest.approx(0.7625)
    rise = (points.sum() - points[0] / 2 - points[-1] / 2) / 4  # the authors' formula
    assert float(metrics.area_under(points, rule="equal_steps")) == pytest.approx(float(rise))


def test_rules_differ_where_the_last_step_is_smaller():
    y, fraction = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([0.0, 0.8, 1.0])
    assert float(metrics.area_under(y, fraction)) == pytest.approx(0.8 * 0.75 + 0.2 * 0.25)
    assert float(metrics.area_under(y, fraction, "equal_steps")) == pytest.approx(0.5)


def slow_curve(net, x, M, c, steps, start, finish):
    """Pixel by pixel, as in RISE's code."""
    H, W = M.shape
    order = sorted(((y, u) for y in range(H) for u in range(W)), key=lambda p: -float(M[p]))
    size, now, scores = math.ceil(H * W / steps), start.clone(), []
    for k in range(0, H * W + size, size):
        with torch.no_grad():
            scores.append(float(net(now[None]).softmax(1)[0, c]))
        for y, u in order[k : k + size]:
            now[:, y, u] = finish[:, y, u]
    return scores


@pytest.mark.parametrize("steps", [7, 24, 1000])
def test_curves_equal_the_loop(steps):
    net, X, M = small_net(), small_images(2), small_maps(2)
    blur = rise_blur(X)
    down = metrics.deletion(net, X, M, 2, steps=steps)
    rise = metrics.insertion(net, X, M, 2, steps=steps)
    for n in range(2):
        zero = torch.zeros_like(X[n])
        slow = slow_curve(net, X[n], M[n], 2, steps, X[n], zero)
        assert down.scores[n].tolist() == pytest.approx(slow)
        slow = slow_curve(net, X[n], M[n], 2, steps, blur[n], X[n])
        assert rise.scores[n].tolist() == pytest.approx(slow)
    size = math.ceil(120 / steps)
    fractions = [min(1, k * size / 120) for k in range(len(down.fraction))]
    assert down.fraction.tolist() == pytest.approx(fractions)
    area = np.trapezoid(down.scores[0].numpy(), down.fraction.numpy())
    assert float(down.area[0]) == pytest.approx(area)
    assert rise.protocol["fill"] == "blur"


def test_every_protocol_is_reachable():
    net, X, M = small_net(), small_images(2), small_maps(2)
    for name, games in metrics.PROTOCOLS.items():
        for game, options in games.items():
            curve = getattr(metrics, game)(net, X, M, **options)
            assert curve.protocol["rule"] == options["rule"], name
            assert curve.protocol["steps"] == options["steps"]
            assert curve.protocol["metric"] == game
    poly = metrics.deletion(net, X, M, **metrics.PROTOCOLS["poly_cam"]["deletion"])
    torch.testing.assert_close(poly.area, poly.scores[:, 1:].mean(1))


def test_insertion_is_deletion_read_backwards():
    net, X, M = small_net(), small_images(), small_maps()
    a = metrics.insertion(net, X, M, 1, steps=12, fill=0.5)
    b = metrics.deletion(net, X, -M, 1, steps=12, fill=0.5)
    torch.testing.assert_close(a.scores, b.scores.flip(1))


def test_best_order_of_a_linear_network():
    """Y = Σ w x: removing by w x is the best order there is, by minus w x the worst."""
    w = torch.randn(1, 2, 6, 6, generator=seed(4), dtype=torch.float64)
    X = torch.randn(1, 2, 6, 6, generator=seed(5), dtype=torch.float64)
    best = (w * X).sum(1)
    area = partial(metrics.deletion, lambda_net(w), X, steps=36, probability=False, target=0)
    lowest, highest = float(area(maps=best).area), float(area(maps=-best).area)
    for n in range(20):
        other = torch.rand(1, 6, 6, generator=seed(n))
        assert lowest < float(area(maps=other).area) < highest


def lambda_net(w):
    """A linear layer on the pixels as a module."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(w.numel(), 1, bias=False, dtype=w.dtype))
    with torch.no_grad():
        net[1].weight.copy_(w.flatten()[None])
    return net


def test_ties():
    M = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]])
    assert ranks(M, "first").tolist() == [[0, 1, 3, 2]]
    assert ranks(M, "last").tolist() == [[2, 1, 3, 0]]
    drawn = {tuple(ranks(M, "random", seed(n))[0].tolist()) for n in range(40)}
    assert len(drawn) == 6  # 3! orders of the three ones
    assert all(r[2] == 3 for r in drawn)
    net, X = small_net(), small_images()
    flat = torch.ones(3, 12, 10)
    first, last = (metrics.deletion(net, X, flat, ties=t) for t in ("first", "last"))
    assert not torch.allclose(first.area, last.area)
    assert first.blank.all()


def test_relative_curves_start_at_one():
    net, X, M = small_net(), small_images(), small_maps()
    plain, relative = (metrics.deletion(net, X, M, 1, relative=r) for r in (False, True))
    torch.testing.assert_close(relative.scores, plain.scores / plain.scores[:, :1])
    torch.testing.assert_close(
        metrics.insertion(net, X, M, 1, relative=True).scores[:, -1],
        torch.ones(3, dtype=torch.float64),
    )
    with pytest.raises(metrics.Undefined):
        metrics.deletion(net, X, M, lambda out: -out.abs()[:, 0], relative=True)


def test_signals_have_curves_too():
    net = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
    X, M = torch.randn(2, 2, 20, generator=seed()), torch.rand(2, 5, generator=seed())
    assert metrics.deletion(net, X, M, steps=5).scores.shape == (2, 6)
    assert metrics.insertion(net, X, M, steps=20).scores.shape == (2, 21)


def test_blur_is_the_authors_blur():
    from scipy.ndimage import gaussian_filter
    from scipy.signal import convolve2d

    impulse = np.zeros((11, 11))
    impulse[5, 5] = 1
    X = small_images(1)
    theirs = [convolve2d(x, gaussian_filter(impulse, 5), mode="same") for x in X[0].numpy()]
    np.testing.assert_allclose(rise_blur(X)[0].numpy(), theirs, atol=1e-12)


def test_fills():
    net, X, M = small_net(), small_images(), small_maps()
    whole = metrics.deletion(net, X, M, 0, fill="mean", steps=1).scores[:, 1]
    mean = X.mean((2, 3), keepdim=True).expand_as(X)
    torch.testing.assert_close(whole, net(mean).softmax(1)[:, 0].detach())
    flipped = metrics.deletion(net, X, M, 0, fill=lambda x: x.flip(3), steps=1)
    torch.testing.assert_close(flipped.scores[:, 1], net(X.flip(3)).softmax(1)[:, 0].detach())
    for bad in ("median", torch.zeros(7)):
        with pytest.raises(ValueError, match="fill"):
            metrics.deletion(net, X, M, fill=bad)
    for bad in ({"steps": 0}, {"rule": "simpson"}, {"ties": "none"}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            metrics.deletion(net, X, M, **bad)


# ------------------------------------------------------------------ ROAD


def test_neighbour_weights_by_hand():
    w = neighbour_weights(3, 4).toarray().reshape(3, 4, 3, 4)
    middle = w[1, 1] * 12
    assert middle.tolist() == [[1, 2, 1, 0], [2, 0, 2, 0], [1, 2, 1, 0]]
    assert (w[0, 0] * 12)[:2, :2].tolist() == [[0, 2], [2, 1]]
    assert w.reshape(12, 12).sum(1)[5] == pytest.approx(1)


def test_each_filled_pixel_is_the_mean_of_its_neighbours():
    X = small_images(2)
    hole = torch.rand(2, 12, 10, generator=seed(3)) < 0.6
    filled = metrics.imputed(X, hole, noise=0.0)
    assert torch.equal(filled[(~hole)[:, None].expand_as(X)], X[(~hole)[:, None].expand_as(X)])
    weight = {0: 0, 1: 1 / 6, 2: 1 / 12}
    for n, y, x in hole.nonzero().tolist():
        total = mean = 0.0
        for v in range(max(0, y - 1), min(12, y + 2)):
            for u in range(max(0, x - 1), min(10, x + 2)):
                w = weight[abs(v - y) + abs(u - x)]
                total, mean = total + w, mean + w * filled[n, :, v, u]
        torch.testing.assert_close(filled[n, :, y, x], mean / total)


def test_imputation_continues_a_ramp_and_adds_noise():
    ramp = torch.arange(20.0)[:, None] + 2 * torch.arange(20.0)
    hole = torch.zeros(20, 20, dtype=torch.bool)
    hole[5:12, 6:15] = True
    X = ramp[None, None].double()
    torch.testing.assert_close(metrics.imputed(X, hole, noise=0.0), X)
    rough = metrics.imputed(X, hole, noise=0.5, generator=seed()) - X
    assert 0.3 < float(rough[0, 0][hole].std()) < 0.7
    assert float(rough[0, 0][~hole].abs().max()) == 0
    with pytest.raises(ValueError, match="all pixels"):
        metrics.imputed(X, torch.ones_like(hole))


def test_road_by_its_own_parts():
    net, X, M = small_net(), small_images(), small_maps()
    got = metrics.road(net, X, M, 1, fractions=(0.25, 0.5), noise=0.0)
    rank = ranks(M, "first").reshape(3, 12, 10)
    for s, k in enumerate((30, 60)):
        for scores, right, hole in (
            (got.morf, got.morf_right, rank < k),
            (got.lerf, got.lerf_right, rank >= 120 - k),
        ):
            logits = net(metrics.imputed(X, hole, noise=0.0)).detach()
            torch.testing.assert_close(scores[:, s], logits.softmax(1)[:, 1])
            assert right[:, s].tolist() == (logits.argmax(1) == 1).tolist()
    torch.testing.assert_close(got.combined, (got.lerf - got.morf).mean(1) / 2)
    assert got.protocol["noise"] == 0.0


def test_road_needs_classes_images_and_fractions():
    net, X, M = small_net(), small_images(), small_maps()
    for options in ({"target": lambda out: out[:, 0]}, {"fractions": (0.0,)}, {"fractions": ()}):
        with pytest.raises(ValueError, match=r"function|fractions"):
            metrics.road(net, X, M, **options)


def test_the_same_generator_gives_the_same_road():
    net, X, M = small_net(), small_images(), small_maps()
    road = partial(metrics.road, net, X, M, fractions=(0.5,), noise=0.5)
    a, b, c = (road(generator=seed(n)).morf for n in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


# ------------------------------------------------------------------ pointing


def test_pointing_game_equals_torchrays_rule():
    M, mask = small_maps(40, 14, 11), torch.zeros(40, 14, 11, dtype=torch.bool)
    mask[:, 3:6, 4:9] = True
    for tolerance in (0, 1, 2, 3, 5):
        got = metrics.pointing_game(M, mask, tolerance=tolerance).values.tolist()
        for n in range(40):
            y, x = divmod(int(M[n].flatten().argmax()), 11)
            near = [(v - y) ** 2 + (u - x) ** 2 for v in range(3, 6) for u in range(4, 9)]
            hit = min(near) < tolerance**2 if tolerance else min(near) == 0
            assert got[n] == float(hit)


def test_pointing_game_ties_and_chance():
    M = torch.tensor([[[0.0, 1.0, 1.0, 0.0]]])
    mask = torch.tensor([[[0, 0, 1, 1]]])
    game = partial(metrics.pointing_game, M, mask, tolerance=0)
    assert [float(game(ties=t).values) for t in ("first", "any", "share")] == [0, 1, 0.5]
    assert float(game().chance) == 0.5
    blank = metrics.pointing_game(torch.ones(1, 1, 4), mask, tolerance=15, ties="any")
    assert float(blank.values) == 0
    assert blank.blank.tolist() == [True]


def test_empty_masks_are_named_never_nan():
    M, mask = small_maps(3), torch.zeros(3, 12, 10)
    mask[1, 2, 2] = 1
    for metric in (metrics.pointing_game, metrics.energy_pointing_game):
        with pytest.raises(metrics.Undefined) as error:
            metric(M, mask)
        assert error.value.images == [0, 2]
        value, left_out = metrics.where_defined(metric, M, mask)
        assert left_out == [0, 2]
        assert value.values.shape == (1,)


def test_energy_pointing_game_equals_the_loop():
    M, mask = small_maps(4), torch.rand(4, 12, 10, generator=seed(8)) > 0.7
    got = metrics.energy_pointing_game(M, mask)
    for n in range(4):
        inside = sum(float(M[n, y, x]) for y in range(12) for x in range(10) if mask[n, y, x])
        assert float(got.values[n]) == pytest.approx(inside / float(M[n].sum()))
        assert float(got.chance[n]) == pytest.approx(float(mask[n].sum()) / 120)


def test_energy_of_signed_and_empty_maps():
    M, mask = torch.tensor([[[-1.0, 3.0, 1.0]]]), torch.tensor([[[0, 1, 0]]])
    with pytest.raises(ValueError, match="negative"):
        metrics.energy_pointing_game(M, mask)
    assert float(metrics.energy_pointing_game(M, mask, negative="relu").values) == 0.75
    lifted = metrics.energy_pointing_game(M, mask, negative="minmax")
    assert float(lifted.values) == pytest.approx(4 / 6)
    empty = metrics.energy_pointing_game(0 * M, mask)
    assert (float(empty.values), bool(empty.blank)) == (0.0, True)
    flat = metrics.energy_pointing_game(0 * M + 1, mask)
    assert float(flat.values) == pytest.approx(float(flat.chance))


def slow_found(M, masks):
    """Objects with at least half of their pixels lit; lit: not more than a are as hot."""
    values = sorted(float(v) for v in M.flatten())
    a = int(masks.any(0).sum())
    found = []
    for mask in masks:
        own = [float(v) for v in M[mask]]
        lit = [v for v in own if sum(other >= v for other in values) <= a]
        found.append(bool(own) and 2 * len(lit) >= len(own) and values[0] < values[-1])
    return found


@pytest.mark.parametrize("levels", [3, 12, 10_000])
def test_objects_found_equal_the_loop(levels):
    """Few levels: many ties, also where the last pixel is lit."""
    for n in range(40):
        M = (torch.rand(1, 6, 7, generator=seed(n)) * levels).floor()
        order = torch.rand(6, 7, generator=seed(100 + n)) + 0.15 * M[0] / levels * (n % 3)
        masks = torch.stack([order > 0.9, (order > 0.8) & (order <= 0.9), order > 1.2])[None]
        if masks.any():
            assert metrics.objects_found(M, masks)[0].tolist() == slow_found(M[0], masks[0])


def test_object_recall_by_hand():
    masks = torch.zeros(1, 3, 4, 6, dtype=torch.bool)
    masks[0, 0, 0, :4] = masks[0, 1, 3, :2] = True  # 6 pixels may be lit; the third one is empty
    M = torch.arange(24.0).flip(0).view(1, 4, 6)  # the first row is hottest
    assert metrics.object_recall(M, masks).values.tolist() == [0.5]
    assert metrics.object_recall(-M, masks).values.tolist() == [0.5]  # the last row
    assert metrics.object_recall(masks.any(1).float(), masks).values.tolist() == [1]
    half = M.clone()
    half[0, 3, 0] = 99  # one of two pixels is a half
    assert metrics.objects_found(half, masks).tolist() == [[True, True, False]]


def test_object_recall_of_maps_without_any_order():
    masks = torch.zeros(1, 2, 4, 4)
    masks[0, 0, 0, 0] = masks[0, 1, 2, 2] = 1
    for flat in (
        torch.ones(1, 4, 4),
        torch.zeros(1, 2, 2),
        metrics.fake_cam(torch.ones(1, 3, 4, 4)),
    ):
        assert metrics.object_recall(flat, masks).values.tolist() == [0]
    assert metrics.object_recall(torch.ones(1, 4, 4), masks).blank.tolist() == [True]
    few = torch.zeros(1, 4, 4)
    few[0, 0, 0] = 1  # less heat than may be lit: what is 0 stays dark
    assert metrics.object_recall(few, masks).values.tolist() == [0.5]
    everything = torch.ones(1, 1, 4, 4)  # an object as large as the picture
    assert metrics.object_recall(torch.rand(1, 4, 4, generator=seed()), everything).values == 1


@given(scale=st.floats(1e-3, 1e3), power=st.sampled_from([1, 3]))
@settings(max_examples=20, deadline=None)
def test_only_the_order_of_the_pixels_counts(scale, power):
    M, masks = small_maps(5), torch.rand(5, 2, 12, 10, generator=seed(4)) > 0.8
    found = metrics.objects_found(M, masks)
    assert torch.equal(metrics.objects_found(scale * M**power, masks), found)
    assert torch.equal(metrics.objects_found(M.flip(2), masks.flip(3)), found)


def test_objects_that_are_missing_or_of_another_shape():
    M, masks = small_maps(3), torch.zeros(3, 2, 12, 10)
    masks[1, 0, 2, 2] = 1
    with pytest.raises(metrics.Undefined, match="no object is marked") as error:
        metrics.object_recall(M, masks)
    assert error.value.images == [0, 2]
    assert metrics.where_defined(metrics.object_recall, M, masks)[1] == [0, 2]
    with pytest.raises(ValueError, match=r"\(N, B, H, W\)"):
        metrics.objects_found(M, masks[:, 0])
    with pytest.raises(ValueError, match="do not fit"):
        metrics.objects_found(M[:2], masks)
    with pytest.raises(ValueError, match="masks"):
        metrics.objects_found(M, masks * math.nan)


def test_class_mean_weighs_classes_not_images():
    values, labels = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([7, 7, 7, 2])
    assert metrics.class_mean(values, labels) == 0.5


def test_masks_of_another_shape():
    with pytest.raises(ValueError, match=r"\(N, H, W\)"):
        metrics.pointing_game(small_maps(3), torch.ones(12, 10))
    with pytest.raises(ValueError, match="do not fit 2 images"):
        metrics.energy_pointing_game(small_maps(3), torch.ones(2, 12, 10))


# ------------------------------------------------------------------ localisation


def test_localization_error_by_hand():
    found = torch.tensor([[0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 4, 4], [0, 0, 0, 0]])
    truth = torch.tensor([[0, 0, 4, 4], [0, 0, 4, 2], [0, 0, 4, 1], [0, 0, 4, 4]])
    labels = torch.tensor([1, 2, 3, 4])
    assert metrics.localization_error(found, truth, labels, labels) == 50  # IoU 1, ½, ¼, 0
    assert metrics.localization_error(found, truth, labels, labels, threshold=0.25) == 25
    assert metrics.localization_error(found, truth, torch.tensor([9, 2, 3, 4]), labels) == 75


def test_top_k_and_many_truths():
    found = torch.tensor([[[0, 0, 2, 2], [5, 5, 9, 9]]])
    truths = [torch.tensor([[5, 5, 9, 9], [20, 20, 30, 30]])]
    label = torch.tensor([3])
    assert metrics.localization_error(found, truths, torch.tensor([[1, 3]]), label) == 0
    assert metrics.localization_error(found, truths, torch.tensor([[3, 1]]), label) == 100
    with pytest.raises(metrics.Undefined, match="no annotated box"):
        metrics.localization_error(found, [torch.zeros(0, 4)], torch.tensor([[1, 3]]), label)
    with pytest.raises(ValueError, match="do not fit"):
        metrics.localization_error(found, truths, torch.tensor([1]), label)


def slow_box_accuracy(heat, truths, taus, deltas, contours):
    out = torch.zeros(len(taus), len(deltas), dtype=torch.float64)
    for M, truth in zip(heat, truths, strict=True):
        grey = np.uint8((M - M.min()) / (M.max() - M.min()) * 255)
        for t, tau in enumerate(taus):
            region = torch.from_numpy(grey > int(tau * grey.max()))
            if contours == "largest":
                region = boxes.largest_component(region)
            found = boxes.component_boxes(region) or [boxes.EMPTY]
            best = max(boxes.iou(a, b) for a in found for b in truth)
            out[t] += torch.tensor([100.0 * (best >= d) / len(heat) for d in deltas])
    return out


@pytest.mark.parametrize("contours", ["all", "largest"])
def test_box_accuracy_equals_the_loop(contours):
    heat = camlite.heatmap(small_maps(6, 4, 5), (16, 20))
    truths = [torch.tensor([[2, 3, 9, 11], [12, 4, 18, 10]])] * 6
    taus, deltas = [k / 20 for k in range(20)], (0.1, 0.3, 0.5)
    slow = slow_box_accuracy(heat, truths, taus, deltas, contours)
    got = metrics.box_accuracy(heat, truths, torch.tensor(taus), deltas, contours=contours)
    torch.testing.assert_close(got, slow)
    best = metrics.max_box_acc_v2(heat, truths, deltas=deltas, thresholds=taus, contours=contours)
    assert best.value == pytest.approx(float(slow.amax(0).mean()))
    assert best.protocol["threshold"] == "oracle"
    assert best.threshold.tolist() == [taus[i] for i in slow.argmax(0)]


def test_threshold_is_chosen_on_held_out_images_only():
    """Held-out objects are the small peak, test objects the wide foot: τ comes from the first."""
    M = torch.full((20, 20), 0.0)
    M[4:16, 4:16], M[8:12, 8:12] = 0.3, 1.0
    foot, peak = torch.tensor([[4, 4, 16, 16]]), torch.tensor([[8, 8, 12, 12]])
    honest = metrics.max_box_acc_v2(M[None], foot, held_out=(M[None], peak))
    assert honest.value == 0
    assert honest.protocol["threshold"] == "held out"
    assert metrics.max_box_acc_v2(M[None], foot).value == 100
    assert bool((honest.threshold >= 0.29).all())


def test_maps_are_rounded_down_to_grey_levels():
    M = torch.zeros(1, 20, 20)
    M[0, 4:16, 4:16], M[0, 8:12, 8:12] = 0.5, 1.0  # 0.5 is grey level 127, and so is τ = 0.5
    peak = torch.tensor([[8, 8, 12, 12]])
    at = metrics.box_accuracy(M, peak, torch.tensor([0.49, 0.5]), (0.9,))
    assert at.flatten().tolist() == [0, 100]


def test_all_contours_find_what_the_largest_does_not():
    M = torch.zeros(1, 20, 20)
    M[0, 1:5, 1:5], M[0, 8:18, 8:18] = 1.0, 1.0
    small = torch.tensor([[1, 1, 5, 5]])
    assert metrics.max_box_acc_v2(M, small).value == 100
    assert metrics.max_box_acc_v2(M, small, contours="largest").value == 0
    blank = metrics.max_box_acc_v2(torch.zeros(1, 20, 20), small)
    assert (blank.value, blank.blank.tolist()) == (0, [True])


# ------------------------------------------------------------------ nothing is ever NaN


@settings(max_examples=25, deadline=None)
@given(arrays(np.float32, (2, 6, 5), elements=st.floats(-1e3, 1e3, width=32)))
def test_finite_maps_give_finite_numbers(array):
    M, X, net = torch.from_numpy(array), small_images(2, h=6, w=5, dtype=torch.float32), NET32
    mask = torch.zeros(2, 6, 5)
    mask[:, 2:4, 1:3] = 1
    heat = camlite.heatmap(M, (6, 5))
    c = metrics.masked_confidence(net, X, M)
    values = [
        metrics.relative_drop(c.before, c.after),
        metrics.deletion(net, X, M, steps=3).area,
        metrics.pointing_game(M, mask, tolerance=1).values,
        metrics.coherency(M, M.flip(1)),
        metrics.energy_pointing_game(M, mask, negative="relu").values,
        metrics.complexity(heat),
        metrics.max_box_acc_v2(M, torch.tensor([[1, 2, 3, 4]] * 2), thresholds=(0, 0.2, 0.9)).curve,
    ]
    assert all(bool(torch.isfinite(v).all()) for v in values)


NET32 = small_net(dtype=torch.float32)


# ------------------------------------------------------------------ other libraries


class FixedMaps:
    """What torch-cam's metrics expect of an extractor; gives the maps it was made with."""

    def __init__(self, model, maps):
        self.model, self.maps = model, maps

    def __call__(self, *args, **kwargs):
        return [self.maps]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return contextlib.nullcontext()


def test_torch_cam_agrees():
    theirs = pytest.importorskip("torchcam.metrics")
    net, X = small_net(), small_images()
    M = camlite.minmax(small_maps(h=6, w=5))
    heat = camlite.up(M, (12, 10))  # torch-cam does not scale again after upsampling
    soft = partial(torch.softmax, dim=-1)
    drop = theirs.ClassificationMetric(FixedMaps(net, M), soft)
    drop.update(X, [0, 1, 2])
    c = torch.tensor([0, 1, 2])
    with torch.no_grad():
        before, after = (net(x).softmax(1)[torch.arange(3), c] for x in (X, X * heat[:, None]))
    result = drop.summary()
    ours = metrics.average_drop(before, after) / 100
    assert ours == pytest.approx(result["avg_drop"], abs=1e-6)
    ours = metrics.increase_in_confidence(before, after) / 100
    assert ours == pytest.approx(result["conf_increase"])

    curves = theirs.DeletionInsertionMetric(FixedMaps(net, M), soft, steps=7)
    curves.update(X, [0, 1, 2])
    for game in ("deletion", "insertion"):
        protocol = metrics.PROTOCOLS["torch_cam"][game] | {"steps": 7}
        ours = getattr(metrics, game)(net, X, M, c, **protocol)
        assert float(ours.area.mean()) == pytest.approx(curves.summary()[game + "_auc"], abs=1e-6)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # in its own code
def test_pytorch_grad_cam_agrees():
    road = pytest.importorskip("pytorch_grad_cam.metrics.road")
    from pytorch_grad_cam.metrics.arcc import Complexity, batch_pearson_coherency
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
    from pytorch_grad_cam.metrics.perturbation_confidence import RemoveLeastRelevantFirst as Lerf
    from pytorch_grad_cam.metrics.perturbation_confidence import RemoveMostRelevantFirst as Morf
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget as Softmax

    net, X = NET32, small_images(dtype=torch.float32)
    M = camlite.minmax(small_maps(dtype=torch.float32))
    targets, heat = [Softmax(c) for c in (0, 1, 2)], M.numpy()
    c = torch.tensor([0, 1, 2])
    ours = metrics.masked_confidence(net, X, M, c)
    drop = DropInConfidence()(X, heat, targets, net)  # absolute, not relative to Y
    np.testing.assert_allclose((ours.before - ours.after).clamp(min=0).numpy(), drop, atol=1e-6)
    up = IncreaseInConfidence()(X, heat, targets, net)
    assert metrics.increase_in_confidence(ours.before, ours.after) == pytest.approx(100 * up.mean())
    np.testing.assert_allclose(metrics.complexity(M).numpy(), Complexity()(heat), rtol=1e-5)
    other = small_maps(dtype=torch.float32).flip(1)
    pearson = batch_pearson_coherency(heat, other.numpy())
    np.testing.assert_allclose(metrics.coherency(M, other).numpy(), (pearson + 1) / 2, atol=1e-5)

    smooth = road.NoisyLinearImputer(noise=0.0)
    mine = metrics.road(net, X, M, c, noise=0.0)
    for s, percentile in enumerate((90, 80, 70, 60, 50, 40, 30, 20, 10)):  # theirs: what is kept
        for scores, order in ((mine.morf, Morf), (mine.lerf, Lerf)):
            holes = [order(percentile, smooth)(x, m) for x, m in zip(X, M, strict=True)]
            with torch.no_grad():
                theirs = net(torch.stack(holes)).softmax(1).gather(1, c[:, None])[:, 0]
            torch.testing.assert_close(scores[:, s], theirs, atol=1e-5, rtol=1e-4)


def test_quantus_agrees():
    quantus = pytest.importorskip("quantus")
    from quantus.functions.perturb_func import noisy_linear_imputation

    X, M = small_images(4), (small_maps(4) * 4).round() / 4  # many ties
    mask = torch.zeros(4, 12, 10, dtype=torch.bool)
    mask[:, 3:6, 4:9] = True
    batch = {
        "x_batch": X.numpy(),
        "y_batch": np.zeros(4, int),
        "a_batch": M[:, None].numpy(),
        "s_batch": mask[:, None].numpy(),
        "model": small_net().eval(),
    }
    options = {"normalise": False, "disable_warnings": True}
    hits = quantus.PointingGame(**options)(**batch)
    ours = metrics.pointing_game(M, mask, tolerance=0, ties="any").values.tolist()
    assert ours == [float(h) for h in hits]
    mass = quantus.RelevanceMassAccuracy(**options)(**batch)
    np.testing.assert_allclose(metrics.energy_pointing_game(M, mask).values.numpy(), mass)
    hole = torch.rand(12, 10, generator=seed()) < 0.5
    missing = hole.flatten().nonzero()[:, 0].numpy()
    theirs = noisy_linear_imputation(X[0].numpy(), missing, noise=0.0)
    ours = metrics.imputed(X[:1], hole, noise=0.0)[0].numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-10)


# ------------------------------------------------------------------ the papers' warnings


def test_sobel_edges_by_hand():
    step = torch.zeros(1, 2, 6, 6)
    step[..., 3:] = 1.0
    assert metrics.sobel_edges(step)[0, 2].tolist() == [0, 0, 4, 4, 0, 0]
    assert float(metrics.sobel_edges(torch.ones(1, 3, 5, 5)).abs().max()) == 0
    across, down = metrics.sobel_edges(step), metrics.sobel_edges(step.mT)
    torch.testing.assert_close(across, down.mT)


def test_fake_cam_says_nothing_and_drops_nothing():
    net, X = small_net(), small_images()
    fake, real = metrics.fake_cam(X), camlite.grad_cam(net, "3", X)
    assert fake.sum() == X[:, 0].numel() - len(X)
    drops = [
        metrics.average_drop(c.before, c.after)
        for c in (metrics.masked_confidence(net, X, M) for M in (fake, real))
    ]
    assert drops[0] < 0.2 * drops[1]
    everywhere = metrics.complexity(camlite.heatmap(fake, (12, 10)))
    assert float(everywhere.min()) > 0.99


DATA = Path(os.environ.get("CAMLITE_DATA", ""))
needs_photos = pytest.mark.skipif(
    "CAMLITE_DATA" not in os.environ or not (DATA / "weights/squeezenet1_1-caffe.pth").exists(),
    reason="CAMLITE_DATA names no folder with ImageNet photographs and weights",
)


@needs_photos
@pytest.mark.slow
def test_floors_on_photographs():
    """Fake-CAM beats Grad-CAM in average drop, and ADCC puts it below: Poppi et al.'s point."""
    import torchvision
    from PIL import Image

    net = torchvision.models.squeezenet1_1(weights=None)
    net.load_state_dict(torch.load(DATA / "weights/squeezenet1_1-caffe.pth", weights_only=True))
    net.eval()
    with (DATA / "imagenet_samples/labels.csv").open() as file:
        rows = list(csv.DictReader(file))[::35]
    prepare = torchvision.models.SqueezeNet1_1_Weights.DEFAULT.transforms()
    images = [Image.open(DATA / "imagenet_samples" / row["file"]).convert("RGB") for row in rows]
    X = torch.stack([prepare(image) for image in images])
    c = torch.tensor([int(row["class_index"]) for row in rows])

    def numbers(make):
        M = make(X)
        heat = camlite.heatmap(M, (224, 224))
        score = metrics.masked_confidence(net, X, M, c)
        drop = metrics.average_drop(score.before, score.after) / 100
        coherency = metrics.coherency(heat, camlite.heatmap(make(X * heat[:, None]), (224, 224)))
        cover = float(metrics.complexity(heat).mean())
        return drop, metrics.adcc(float(coherency.mean()), cover, drop)

    fake_drop, fake_adcc = numbers(metrics.fake_cam)
    drop, adcc = numbers(lambda x: camlite.grad_cam(net, "features.12", x, c))
    assert fake_drop < 0.05 < drop
    assert fake_adcc < 0.1 < adcc
    order = metrics.deletion(net, X, camlite.grad_cam(net, "features.12", X, c), c, steps=4)
    control = metrics.deletion(net, X, torch.rand(len(X), 7, 7, generator=seed()), c, steps=4)
    assert float(order.area.mean()) < float(control.area.mean())


def test_the_centre_is_a_strong_floor_for_centred_objects():
    """Digits stand in the middle: the centre alone beats chance, and a random map does not."""
    X, _ = digits(train=False)
    mask = X[:, 0] > 0.5
    centre = camlite.center_gaussian(nn.Conv2d(1, 1, 1), None, X)
    chaos = torch.rand(len(X), 8, 8, generator=seed())
    middle, random = (metrics.energy_pointing_game(M, mask) for M in (centre, chaos))
    assert middle.mean > 1.2 * float(middle.chance.mean())
    assert random.mean == pytest.approx(float(random.chance.mean()), abs=0.02)
    hits = [metrics.pointing_game(M, mask, tolerance=0).mean for M in (centre, chaos)]
    assert hits[0] > hits[1] + 0.1
