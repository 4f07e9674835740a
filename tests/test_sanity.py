"""Sanity checks: the user's model stays as it was, and the similarities are what they say."""

import copy
import math
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import camlite
from camlite import metrics, sanity
from camlite.data import digits

torch.set_num_threads(1)


def seed(n=0):
    return torch.Generator().manual_seed(n)


def maps(n=3, h=14, w=17, s=0):
    return torch.rand(n, h, w, generator=seed(s), dtype=torch.float64)


def digit_net(batch_norm=False):
    norm = nn.BatchNorm2d(16) if batch_norm else nn.Identity()
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        norm,
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 64, 10),
    )


@pytest.fixture(scope="module")
def trained():
    """Two small networks that know the digits, and images they were not trained on."""
    X, y = digits(train=True)
    nets = []
    for n in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(n)
            net = digit_net()
            adam = torch.optim.Adam(net.parameters(), lr=3e-3)
            for _ in range(3):
                for some in torch.randperm(len(y)).split(64):
                    adam.zero_grad()
                    cross_entropy(net(X[some]), y[some]).backward()
                    adam.step()
        nets.append(net.eval().requires_grad_(True))
    X, y = digits(train=False)
    assert float((nets[0](X).argmax(1) == y).float().mean()) > 0.9
    return nets, X[:40], y[:40]


# ------------------------------------------------------------------ the similarities


def test_spearman_is_scipys():
    from scipy.stats import spearmanr

    a, b = (maps() * 5).round(), (maps(s=1) * 5).round() - 2  # ties and signs
    for absolute in (False, True):
        got = sanity.spearman(a, b, absolute=absolute)
        for n in range(3):
            x, y = (M[n].flatten().numpy() for M in (a, b))
            x, y = (abs(x), abs(y)) if absolute else (x, y)
            assert float(got[n]) == pytest.approx(spearmanr(x, y)[0])
    assert sanity.spearman(a, torch.exp(a)).tolist() == pytest.approx([1] * 3)


def slow_ssim(a, b, window):
    """Each window by itself, from Wang et al.'s formula."""
    H, W = a.shape
    r = window // 2
    g = np.array([math.exp(-(k**2) / (2 * 1.5**2)) for k in range(-r, r + 1)])
    w = np.outer(g, g) / np.outer(g, g).sum()
    values = []
    for y in range(r, H - r):
        for x in range(r, W - r):
            p, q = (M[y - r : y + r + 1, x - r : x + r + 1] for M in (a, b))
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
            c = (w * (p - mp) * (q - mq)).sum()
            values.append(
                (2 * mp * mq + 1e-4) * (2 * c + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
            )
    return np.mean(values)


@pytest.mark.parametrize(("h", "w", "window"), [(14, 17, 11), (7, 8, 7), (14, 17, 5)])
def test_ssim_equals_the_loop(h, w, window):
    a, b = maps(2, h, w), maps(2, h, w, s=1)
    got = sanity.ssim(a, b, window=min(window, 11) if (h, w) != (7, 8) else 11)
    for n in range(2):
        assert float(got[n]) == pytest.approx(slow_ssim(a[n].numpy(), b[n].numpy(), window))
    assert sanity.ssim(a, a).tolist() == pytest.approx([1, 1])


def slow_hog(M, cell):
    H, W = M.shape
    rows, cols = H // cell, W // cell
    votes = np.zeros((rows, cols, 9))
    for y in range(rows * cell):
        for x in range(cols * cell):
            dy = M[y + 1, x] - M[y - 1, x] if 0 < y < H - 1 else 0.0
            dx = M[y, x + 1] - M[y, x - 1] if 0 < x < W - 1 else 0.0
            angle = math.degrees(math.atan2(dy, dx)) % 180
            votes[y // cell, x // cell, min(8, int(angle / 20))] += math.hypot(dy, dx) / cell**2
    out = []
    for y in range(rows - 2):
        for x in range(cols - 2):
            v = votes[y : y + 3, x : x + 3].ravel()
            v = np.minimum(v / math.sqrt((v**2).sum() + 1e-10), 0.2)
            out.append(v / math.sqrt((v**2).sum() + 1e-10))
    return np.concatenate(out)


@pytest.mark.parametrize("cell", [3, 4])
def test_hog_equals_the_loop(cell):
    M = maps(2, 15, 21)
    for n, got in enumerate(sanity.hog(M, cell)):
        np.testing.assert_allclose(got.numpy(), slow_hog(M[n].numpy(), cell), rtol=1e-5, atol=1e-7)


def test_scikit_image_agrees():
    skimage = pytest.importorskip("skimage", reason="scikit-image is not a dependency")
    from skimage.feature import hog
    from skimage.metrics import structural_similarity

    assert skimage
    a, b = maps(2, 40, 52), maps(2, 40, 52, s=1)
    for n in range(2):
        x, y = a[n].numpy(), b[n].numpy()
        theirs = hog(x, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(3, 3))
        np.testing.assert_allclose(sanity.hog(a, 8)[n].numpy(), theirs, atol=1e-6)
        theirs = structural_similarity(
            x, y, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert float(sanity.ssim(a, b)[n]) == pytest.approx(theirs)


def test_hog_sees_edges_and_not_brightness():
    line = torch.linspace(0, 1, 24)
    a = (torch.sin(6 * line)[:, None] * torch.cos(9 * line) + 1)[None].double() / 4
    assert float(sanity.hog_correlation(a, 0.5 * a + 0.3)) == pytest.approx(1, abs=1e-6)
    assert float(sanity.hog_correlation(a, a.mT)) < 0.5


@pytest.mark.parametrize("name", ["spearman", "ssim", "hog"])
def test_a_constant_map_is_similar_to_nothing(name):
    a = maps()
    a[1] = 0.3
    alike = sanity.SIMILARITIES[name](a, a)
    assert alike.tolist() == pytest.approx([1, 0, 1])


def test_bad_maps():
    for f in sanity.SIMILARITIES.values():
        with pytest.raises(ValueError, match="one shape"):
            f(maps(3), maps(2))
        with pytest.raises(ValueError, match="NaN"):
            f(maps(3), maps(3) / 0)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        sanity.ssim(maps() - 1, maps())
    with pytest.raises(ValueError, match="cells"):
        sanity.hog_correlation(maps(1, 2, 2), maps(1, 2, 2, s=1))


# ------------------------------------------------------------------ randomisation


def test_the_users_model_and_random_state_stay_as_they_were(trained):
    (net, _), X, _ = trained
    net = copy.deepcopy(net).train()
    before = copy.deepcopy(net.state_dict())
    state = torch.get_rng_state()
    sanity.cascading_randomization(net, "3", X[:4])
    sanity.cascading_randomization(net, net[3], X[:4], how="shuffle", order="independent")
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("order", ["cascading", "independent"])
@pytest.mark.parametrize("how", ["reset", "shuffle"])
def test_which_layers_are_random_in_each_step(trained, order, how):
    (net, _), X, _ = trained
    seen = []

    def method(model, layer, images, target):
        pairs = zip(model.parameters(), net.parameters(), strict=True)
        same = [torch.equal(a, b) for a, b in pairs]
        seen.append([same[0] and same[1], same[2] and same[3], same[4] and same[5]])  # 0, 3, 6
        return camlite.grad_cam(model, layer, images, target)

    got = sanity.cascading_randomization(net, "3", X[:2], method=method, order=order, how=how)
    assert got.layers == ["original", "6", "3", "0"]
    falls = [[True] * 3, [True, True, False], [True, False, False], [False] * 3]
    alone = [[True] * 3, [True, True, False], [True, False, True], [False, True, True]]
    assert seen == (falls if order == "cascading" else alone)


def test_the_class_is_the_original_models(trained):
    (net, _), X, _ = trained
    classes = []

    def method(model, layer, images, target):
        classes.append(target.tolist())
        return camlite.grad_cam(model, layer, images, target)

    sanity.cascading_randomization(net, "3", X[:5], method=method)
    assert classes == [net(X[:5]).argmax(1).tolist()] * 4


def test_the_curve_starts_at_one_falls_and_can_be_repeated(trained):
    (net, _), X, _ = trained
    a, b, c = (sanity.cascading_randomization(net, "3", X, generator=seed(n)) for n in (0, 0, 1))
    assert torch.equal(a.maps, b.maps)
    assert not torch.equal(a.maps, c.maps)
    assert a.maps.shape == (4, 40, 8, 8)
    for name, values in a.similarity.items():
        assert values.shape == (4, 40), name
        assert values[0].tolist() == pytest.approx([1] * 40)
        assert float(values[-1].mean()) < 0.3, name
        assert bool(torch.isfinite(values).all())


def test_a_map_that_does_not_look_at_the_model_never_falls(trained):
    """The control: an edge detector stays at 1 where Grad-CAM falls."""
    (net, _), X, _ = trained
    got = sanity.cascading_randomization(
        net, "3", X, method=lambda model, layer, images, target: metrics.sobel_edges(images)
    )
    for values in got.similarity.values():
        assert values.flatten().tolist() == pytest.approx([1] * 160)


def test_guided_backpropagation_stays_alike_where_saliency_does_not(trained):
    """Adebayo et al.'s finding: guided backpropagation shows the image more than the model."""
    (net, _), X, _ = trained
    guided, plain = (
        sanity.cascading_randomization(net, "3", X, method=lambda m, layer, x, c, f=f: f(m, x, c))
        for f in (camlite.guided_backprop, camlite.saliency)
    )
    for name in ("spearman", "ssim"):
        ends = [float(got.similarity[name][-1].mean()) for got in (guided, plain)]
        assert ends[0] > 0.3 > ends[1], name


def test_blank_maps_count_as_different(trained):
    (net, _), X, _ = trained
    steps = iter(range(9))

    def method(model, layer, images, target):
        return camlite.grad_cam(model, layer, images, target) * (next(steps) == 0)

    got = sanity.cascading_randomization(net, "3", X[:3], method=method)
    assert got.blank.tolist() == [[False] * 3, *[[True] * 3] * 3]
    assert float(got.similarity["ssim"][1:].abs().max()) == 0


def test_pixel_maps_signals_and_several_layers(trained):
    (net, _), X, _ = trained
    got = sanity.cascading_randomization(
        net,
        ["0", net[3]],
        X[:2],
        method=lambda m, layer, x, c: x * camlite.grad_cam(m, layer[1], x, c)[:, None],
    )
    assert got.maps.shape == (4, 2, 1, 8, 8)
    assert got.similarity["spearman"].shape == (4, 2)
    wave = nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3))
    got = sanity.cascading_randomization(wave, "1", torch.randn(2, 2, 20, generator=seed()))
    assert list(got.similarity) == ["spearman"]


def test_randomize():
    layer = nn.Linear(6, 5)
    values = layer.weight.detach().flatten().sort().values
    before = layer.weight.detach().clone()
    sanity.randomize(layer, how="shuffle", generator=seed())
    assert not torch.equal(layer.weight, before)
    torch.testing.assert_close(layer.weight.detach().flatten().sort().values, values)

    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(3 + 2 * torch.randn(4000, generator=seed()))

    own = Scale()
    sanity.randomize(own, generator=seed(1))
    assert float(own.scale.detach().mean()) == pytest.approx(3, abs=0.2)
    assert float(own.scale.detach().std()) == pytest.approx(2, abs=0.2)
    with pytest.raises(ValueError, match="how"):
        sanity.randomize(layer, how="noise")


def test_batch_norm_statistics_can_be_measured_again(trained):
    _, X, _ = trained
    seen = []

    def method(model, layer, images, target):
        mean = model[0](images).mean((0, 2, 3)).detach()
        seen.append(float((model[1].running_mean - mean).abs().max()))
        return camlite.grad_cam(model, layer, images, target)

    net = digit_net(batch_norm=True).eval()
    for recompute in (False, True):
        sanity.cascading_randomization(net, "3", X, method=method, recompute_batch_norm=recompute)
    as_reset, measured = seen[1:5], seen[6:]
    assert min(as_reset) > 0.05
    assert max(measured) < 1e-5


def test_random_labels_are_learned_by_heart_and_change_the_maps(trained):
    (net, other), X, y = trained
    before = copy.deepcopy(net.state_dict())
    got = sanity.train_on_random_labels(net, X, y, generator=seed())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert got.accuracy[-1] >= 0.99
    assert sorted(got.labels.tolist()) == sorted(y.tolist())
    assert got.labels.tolist() != y.tolist()
    assert float((got.model(X).argmax(1) == got.labels).float().mean()) >= 0.95
    assert not got.model.training
    models = (net, other, got.model)
    mine, twin, wrong = (camlite.grad_cam(m, "3", X, y, relu=False) for m in models)
    alike, changed = (float(sanity.spearman(mine, M).mean()) for M in (twin, wrong))
    assert alike > changed + 0.1  # a second good network agrees more than one that learned noise
    again = sanity.train_on_random_labels(net, X, y, generator=seed(), epochs=2)
    assert len(again.accuracy) == 2
    assert again.accuracy == got.accuracy[:2]


# ------------------------------------------------------------------ weights in unusual places


class Unusual(nn.Module):
    """Weights that are computed, used by a function, or inside nn.MultiheadAttention."""

    def __init__(self) -> None:
        super().__init__()
        old_norm = torch.nn.utils.weight_norm
        new_norm = torch.nn.utils.parametrizations.weight_norm
        self.old = old_norm(nn.Conv2d(3, 8, 3, padding=1, bias=False))
        self.new = new_norm(nn.Conv2d(8, 8, 3, padding=1, bias=False))
        self.spectral = torch.nn.utils.spectral_norm(nn.Conv2d(8, 8, 3, padding=1))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.functional = nn.Linear(8, 8)
        self.fc = nn.Linear(8, 4, bias=False)
        self.unused = nn.Linear(2, 2)

    def forward(self, x):
        x = self.spectral(self.new(self.old(x).relu()).relu()).relu()
        tokens = x.flatten(2).mT
        tokens = tokens + self.attention(tokens, tokens, tokens)[0]
        g = nn.functional.linear(tokens.mean(1), self.functional.weight, self.functional.bias)
        return self.fc(g)


def unusual():
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        return Unusual().eval()


def test_layers_are_found_where_their_weights_are_used():
    assert sanity.layers_from_top(unusual(), torch.rand(1, 3, 8, 8)) == [
        "fc",
        "functional",
        "attention.out_proj",
        "attention",
        "spectral",
        "new",
        "old",
    ]


@pytest.mark.parametrize("how", ["reset", "shuffle"])
@pytest.mark.parametrize(
    "layer", ["fc", "functional", "attention.out_proj", "attention", "spectral", "new", "old"]
)
def test_randomize_changes_what_the_network_says(layer, how):
    net, x = unusual(), torch.rand(2, 3, 8, 8)
    with torch.no_grad():
        before = net(x)
        sanity.randomize(net.get_submodule(layer), how=how)
        assert (net(x) - before).abs().max() > 1e-3


def test_a_model_whose_weights_carry_a_graph_is_copied():
    """weight_norm keeps the weight it computed, with its graph: deepcopy refuses that."""
    net, x = unusual(), torch.rand(2, 3, 8, 8)
    net(x).sum().backward()
    kept = net.old.weight
    assert kept.grad_fn is not None
    twin = sanity._private_copy(net)
    assert net.old.weight is kept
    assert torch.equal(twin(x), net(x))
    run = sanity.cascading_randomization(net, "new", x, 1)
    assert run.layers[1] == "fc"
    assert (run.similarity["spearman"][1:] < 1).all()


def test_training_options_that_make_no_sense_are_named():
    net, x, labels = unusual(), torch.rand(4, 3, 8, 8), torch.arange(4)
    for options in ({"epochs": 0}, {"batch_size": 0}, {"learning_rate": float("nan")}):
        with pytest.raises(ValueError, match=next(iter(options))):
            sanity.train_on_random_labels(net, x, labels, **options)
