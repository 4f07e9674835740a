"""Group-CAM, Cluster-CAM, Cosine-CAM and the floors: each against a literal slow loop."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from score_nets import LAYERS, Flat, PoolLinear, Residual, Signal, pictures, ready, signals
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

import camlite
from camlite import center_gaussian, cluster_cam, cosine_cam, group_cam, random_cam
from camlite.methods import floors, groups, pixels, score, unpublished
from camlite.methods.clusters import k_means
from camlite.methods.unpublished import _cognition_weights

pytestmark = pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook")
CLOSE = {"rtol": 1e-9, "atol": 1e-10}
GROUP_METHODS = [
    (group_cam, {"groups": 3}),
    (group_cam, {"groups": 3, "cluster": "k_means", "denoise": 0.5}),
    (cluster_cam, {"clusters": 3}),
    (cosine_cam, {"clusters": 3}),
]
FLOORS = [(random_cam, {}), (center_gaussian, {})]


def maps_and_gradients(net: nn.Module, layer: str, X: Tensor, c: int) -> tuple[Tensor, Tensor]:
    """F and ∂Y/∂F by a hook of our own."""
    taken = []

    def take(module: nn.Module, args, F: Tensor) -> Tensor:
        taken.append(F.detach().clone().requires_grad_())
        return taken[0].clone()

    handle = net.get_submodule(layer).register_forward_hook(take)
    net(X.clone())[:, c].sum().backward(inputs=taken)
    handle.remove()
    return taken[0].detach(), taken[0].grad


def mask_by_hand(M: Tensor, size: torch.Size) -> Tensor | None:
    if M.max() == M.min():
        return None
    H = interpolate(M[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    return (H - H.min()) / (H.max() - H.min())


def gaussian_by_hand(X: Tensor, sigma: float = 50.0, kernel: int = 51) -> Tensor:
    """Blur of (C, H, W) in numpy: one axis after the other, mirrored at the border."""
    out = X.numpy()
    for axis in (1, 2):
        half = (min(kernel, 2 * out.shape[axis] - 1) - 1) // 2
        weights = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
        weights /= weights.sum()
        pad = [(half, half) if a == axis else (0, 0) for a in range(3)]
        out = np.apply_along_axis(np.convolve, axis, np.pad(out, pad, "reflect"), weights, "valid")
    return torch.from_numpy(out)


def group_cam_by_hand(net: nn.Module, layer: str, X: Tensor, c: int, groups: int) -> Tensor:
    F, G = maps_and_gradients(net, layer, X, c)
    maps = []
    with torch.no_grad():
        for n, x in enumerate(X):
            weighted = torch.stack([G[n, k].mean() * F[n, k] for k in range(F.shape[1])])
            X_b = gaussian_by_hand(x)
            P_b = net(X_b[None]).softmax(1)[0, c]
            L = torch.zeros_like(F[n, 0])
            for chunk in weighted.chunk(groups):
                M = chunk.sum(0).relu()
                H = mask_by_hand(M, x.shape[1:])
                if H is not None:
                    P = net((x * H + X_b * (1 - H))[None]).softmax(1)[0, c]
                    L = L + (P - P_b).relu() * M
            maps.append(L)
    return torch.stack(maps)


ties_of_old_versions = pytest.mark.skipif(
    torch.__version__ < "2.15",
    reason="with torch 2.6 another rounding decides a tie of k-means otherwise than the oracle",
)


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
@pytest.mark.parametrize("groups", [1, 3, 32])
def test_group_cam_with_consecutive_channels(kind, layer, groups):
    net, X = ready(kind), pictures(3)
    got = torch.stack([group_cam(net, layer, X, c, groups=groups) for c in range(4)])
    by_hand = torch.stack([group_cam_by_hand(net, layer, X, c, groups) for c in range(4)])
    assert by_hand.abs().max() > 0
    torch.testing.assert_close(got, by_hand, **CLOSE)


def test_the_signed_group_maps():
    """relu=False: same masks and β; where all group maps are positive nothing changes."""
    net, X = ready(Flat), pictures(3)
    signed = group_cam(net, "features", X, 1, groups=2, relu=False)
    assert signed.min() < 0
    assert (group_cam(net, "features", X, 1, groups=2) >= signed - 1e-12).all()


def test_denoising_removes_the_lowest_values_of_a_group_map():
    net, X = ready(Flat), pictures(3)
    plain = group_cam(net, "features", X, 1, groups=1)
    some = group_cam(net, "features", X, 1, groups=1, denoise=0.7)
    n = int((plain.flatten(1).amax(1) > 0).nonzero()[0, 0])
    assert (some[n] > 0).double().mean() <= 0.3 + 1 / some[n].numel()
    kept = some[n] > 0
    ratio = some[n][kept] / plain[n][kept]  # the same map there, up to β
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), **CLOSE)
    with pytest.raises(ValueError, match="70"):
        group_cam(net, "features", X, 1, denoise=70)


# ------------------------------------------------------------------ clusters


def seed_of(generator: torch.Generator) -> int:
    return int(torch.randint(2**31 - 1, (1,), generator=generator))


def clusters_by_hand(F: Tensor, clusters: int, seed: int, cosine: bool = True) -> list[list[int]]:
    V = F.flatten(1).numpy()
    if cosine:
        lengths = np.sqrt((V**2).sum(1, keepdims=True))
        V = np.divide(V, lengths, out=np.zeros_like(V), where=lengths > 0)
    count = min(clusters, len(np.unique(V, axis=0)))
    labels = KMeans(count, n_init=3, random_state=seed).fit_predict(V)
    return [[k for k in range(len(F)) if labels[k] == each] for each in range(count)]


@torch.no_grad()
def cluster_scores(net, F, x, c, groups):
    maps = [sum(F[k] for k in group) for group in groups]
    masks = [mask_by_hand(M, x.shape[1:]) for M in maps]
    return [
        (M, float(net((x * H)[None])[0, c]))
        for M, H in zip(maps, masks, strict=True)
        if H is not None
    ]


@ties_of_old_versions
@pytest.mark.parametrize(("kind", "layer"), LAYERS)
@pytest.mark.parametrize("cosine", [True, False])
@pytest.mark.parametrize("scissors", [True, False])
def test_cluster_cam_is_base_minus_scissors(kind, layer, cosine, scissors):
    net, X = ready(kind), pictures(2)
    got = cluster_cam(
        net,
        layer,
        X,
        1,
        clusters=3,
        cosine=cosine,
        scissors=scissors,
        relu=False,
        generator=torch.Generator().manual_seed(5),
    )
    seed = seed_of(torch.Generator().manual_seed(5))
    F, _ = maps_and_gradients(net, layer, X, 1)
    for n in range(2):
        groups = clusters_by_hand(F[n], 3, seed, cosine)
        scored = sorted(cluster_scores(net, F[n], X[n], 1, groups), key=lambda pair: pair[1])
        L = scored[-1][0] - (scored[0][0] if scissors and len(scored) > 1 else 0)
        torch.testing.assert_close(got[n], L, **CLOSE)


@ties_of_old_versions
@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_cosine_cam_weighs_each_cluster_by_its_increase_of_confidence(kind, layer):
    net, X = ready(kind), pictures(2)
    got = cosine_cam(
        net, layer, X, 1, clusters=3, relu=False, generator=torch.Generator().manual_seed(5)
    )
    seed = seed_of(torch.Generator().manual_seed(5))
    F, _ = maps_and_gradients(net, layer, X, 1)
    with torch.no_grad():
        Y_b = float(net(torch.zeros(1, 3, 11, 13).double())[0, 1])
    for n in range(2):
        groups = clusters_by_hand(F[n], 3, seed)
        L = sum((Y - Y_b) * M for M, Y in cluster_scores(net, F[n], X[n], 1, groups))
        torch.testing.assert_close(got[n], L, **CLOSE)


def test_distance_of_unit_vectors_is_the_cosine_distance():
    x, y = torch.randn(2, 50, 30, generator=torch.Generator().manual_seed(0)).double()
    unit = [torch.nn.functional.normalize(v, dim=1) for v in (x, y)]
    cosine = torch.nn.functional.cosine_similarity(x, y)
    torch.testing.assert_close(((unit[0] - unit[1]) ** 2).sum(1), 2 * (1 - cosine), **CLOSE)


def test_strong_and_weak_channels_of_one_pattern_join_only_by_cosine():
    a = torch.tensor([1.0, 0, 0, 2]).double()
    b = torch.tensor([0.0, 3, 1, 0]).double()
    V = torch.stack([a, 100 * a, b, 100 * b])
    unit = torch.nn.functional.normalize(V, dim=1)
    by_cosine = k_means(unit[None], 2, None)[0].tolist()
    assert by_cosine[0] == by_cosine[1] != by_cosine[2] == by_cosine[3]
    by_distance = k_means(V[None], 2, None)[0].tolist()
    assert by_distance[0] == by_distance[2]  # weak with weak


def test_cognition_weights():
    nan = torch.nan
    Y = torch.tensor([[1.0, 3, 2], [nan, 5, nan], [nan, nan, nan], [-4, nan, -7]])
    w = torch.tensor([[-1.0, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, -1]])
    assert torch.equal(_cognition_weights(Y, scissors=True), w)
    assert torch.equal(_cognition_weights(Y, scissors=False), w.clamp_min(0))


# ------------------------------------------------------------------ floors


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_random_cam_is_a_sum_with_random_weights(kind, layer):
    net, X = ready(kind), pictures(2)
    F, _ = maps_and_gradients(net, layer, X, 0)
    r = 2 * torch.rand(F.shape[1], generator=torch.Generator().manual_seed(9)).double() - 1
    L = (r[:, None, None] * F).sum(1)
    got = random_cam(net, layer, X, relu=False, generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(got, L, **CLOSE)
    got = random_cam(net, layer, X, generator=torch.Generator().manual_seed(9))
    torch.testing.assert_close(got, L.relu(), **CLOSE)


def test_the_centre_gaussian():
    M = center_gaussian(ready(Flat), "features", pictures(2), sigma=0.2)
    assert M.shape == (2, 11, 13)
    assert M[0, 5, 6] == M.max() == 1
    torch.testing.assert_close(M, M.flip(1, 2))
    d2 = torch.tensor((3 / 11) ** 2 + (4 / 13) ** 2).double()
    torch.testing.assert_close(M[1, 8, 2], torch.exp(-d2 / 0.08), rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match="sigma"):
        center_gaussian(ready(Flat), "features", pictures(2), sigma=0)


# ------------------------------------------------------------------ what holds for all of them


@pytest.mark.parametrize(("method", "options"), GROUP_METHODS + FLOORS)
@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_a_batch_gives_what_its_images_give(method, options, kind, layer):
    net, X = ready(kind), pictures(3)
    together = method(net, layer, X, **options)
    alone = torch.cat([method(net, layer, x[None], **options) for x in X])
    torch.testing.assert_close(together, alone, **CLOSE)


@pytest.mark.parametrize(("method", "options"), GROUP_METHODS)
def test_the_batch_size_changes_nothing(method, options):
    net, X = ready(Flat), pictures(2)
    torch.testing.assert_close(
        method(net, "features", X, batch_size=1, **options),
        method(net, "features", X, **options),
        **CLOSE,
    )


@pytest.mark.parametrize(("method", "options"), GROUP_METHODS + FLOORS)
def test_float32_and_gradient_modes(method, options):
    exact = method(ready(Flat), "features", pictures(2), 1, **options)
    single = ready(Flat, dtype=torch.float32), "features", pictures(2, dtype=torch.float32)
    plain = method(*single, 1, **options)
    assert plain.dtype == torch.float32
    torch.testing.assert_close(plain.double(), exact, rtol=1e-3, atol=1e-4)
    for mode in (
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        with mode():
            assert torch.equal(method(*single, 1, **options), plain)


@pytest.mark.parametrize(("method", "options"), GROUP_METHODS)
def test_constant_maps_give_zeros_and_no_warning(method, options):
    """The authors' code divides 0 by 0 there; scikit-learn warns of too few different points."""
    net, X = ready(PoolLinear), pictures(2)
    for bias in (-100.0, 3.0):
        with torch.no_grad():
            net.conv.weight.zero_()
            net.conv.bias.fill_(bias)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for relu in (True, False):
                L = method(net, "last", X, 1, relu=relu, **options)
                assert torch.equal(L, torch.zeros_like(L))


@pytest.mark.parametrize(("method", "options"), GROUP_METHODS)
def test_one_dead_channel_is_no_trouble(method, options):
    net, X = ready(PoolLinear), pictures(2)
    L = method(net, "last", X, 1, **{**options, **({"groups": 6} if "groups" in options else {})})
    assert L.isfinite().all()


@pytest.mark.parametrize(("method", "options"), GROUP_METHODS + FLOORS)
def test_signals(method, options):
    net, x = ready(Signal), signals(2)
    L = method(net, "norm", x, 1, **options)
    assert L.shape == (2, 30 if method is center_gaussian else 13)
    assert L.isfinite().all()
    torch.testing.assert_close(L[1:], method(net, "norm", x[1:], 1, **options), **CLOSE)


@pytest.mark.parametrize(("method", "options"), GROUP_METHODS + FLOORS)
@pytest.mark.parametrize("kind", [Flat, Residual])
def test_nothing_is_left_behind_and_two_calls_agree(method, options, kind):
    net, X = ready(kind).train(), pictures(2).requires_grad_()
    layer = dict(LAYERS)[kind]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    random_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = (method(net, layer, X, 1, **options) for _ in range(2))
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert torch.equal(torch.get_rng_state(), random_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert all(m.training and not m._forward_hooks for m in net.modules())
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (group_cam, {"groups": 0}, "groups"),
        (group_cam, {"cluster": "spectral"}, "'spectral'"),
        (cluster_cam, {"clusters": 2.5}, "clusters"),
        (cosine_cam, {"clusters": True}, "clusters"),
    ],
)
def test_wrong_options_are_named(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(ready(Flat), "features", pictures(1), **options)


def test_every_method_here_has_a_card():
    for file in (score, groups, unpublished, pixels, floors):
        names = [
            name
            for name, each in vars(file).items()
            if not name.startswith("_") and getattr(each, "__module__", "") == file.__name__
        ]
        assert names
        for name in names:
            assert camlite.METHODS[name].function is getattr(camlite, name) is vars(file)[name]


def two_convolutions(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 5),
    )


@pytest.mark.parametrize("method", [cluster_cam, cosine_cam])
def test_a_batch_gives_what_its_images_give_alone_where_channels_are_dead(method):
    """A vector of zeros is equally far from all vectors of length 1: rounding decided its group."""
    wrong = 0
    for seed in range(4):
        net = two_convolutions(seed)
        X = torch.rand(4, 3, 24, 24, generator=torch.Generator().manual_seed(seed))
        options = {"clusters": 3, "relu": False, "batch_size": 32}
        together = method(net, "4", X, 1, **options)
        alone = torch.cat([method(net, "4", x[None], 1, **options) for x in X])
        assert (net[:5](X).flatten(2).amax(2) == 0).any(), "no channel is dead: nothing is tested"
        off = (together - alone).flatten(1).abs().amax(1)
        wrong += int((off > 1e-3 * alone.flatten(1).abs().amax(1)).sum())
    assert wrong == 0


def test_dead_channels_change_no_group():
    V = torch.rand(1, 12, 20, generator=torch.Generator().manual_seed(0)).double()
    with_dead = torch.cat([V[:, :5], torch.zeros(1, 6, 20).double(), V[:, 5:]], 1)
    l = k_means(with_dead, 4, None)[0]
    l = torch.cat([l[:5], l[11:]])
    alone = k_means(V, 4, None)[0]
    assert len(l.unique()) == 4
    assert torch.equal(l[:, None] == l, alone[:, None] == alone)
    assert not k_means(torch.zeros(2, 6, 9), 3, None).any()


def test_rounding_does_not_choose_where_the_groups_begin():
    """A start in either of two neighbours leaves the same sum of distances: an exact tie."""
    net = two_convolutions(24)
    with torch.no_grad():
        net[3].bias[:10] = -50  # these channels are dead
        X = torch.rand(4, 3, 24, 20, generator=torch.Generator().manual_seed(24))
        V = normalize(net[:5](X)[2:3].flatten(2), dim=2)
    l, g = k_means(V, 8, None)[0], torch.Generator().manual_seed(0)
    for _ in range(20):
        rounded = V * (1 + 1e-7 * torch.randn(V.shape, generator=g))
        again = k_means(rounded, 8, None)[0]
        assert torch.equal(l[:, None] == l, again[:, None] == again)
