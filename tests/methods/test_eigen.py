"""Eigen-CAM and its relatives: the direction by other means, its sign, its symmetries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_nets import CASES, GapHead, logit, maps_and_gradients, ready
from torch import nn

import camlite

pytestmark = pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook")


class Features(nn.Module):
    """The image is the feature map: any F can be put in."""

    def __init__(self, K: int) -> None:
        super().__init__()
        self.features = nn.Identity()
        self.weight = nn.Parameter(torch.arange(1.0, K + 1).double())

    def forward(self, x):
        return (self.features(x).flatten(2).mean(2) * self.weight)[:, :3]


def of(F, **options):
    return camlite.eigen_cam(Features(F.shape[1]), "features", F, **options)


def power_iteration(O):
    """v_1 of O by repeated multiplication with OᵀO, no decomposition; its sum made positive."""
    v = np.ones(O.shape[1]) + 0.01 * np.arange(O.shape[1])
    for _ in range(5000):
        v = O.T @ (O @ v)
        v /= np.linalg.norm(v)
    return v if v.sum() > 0 else -v


def by_loop(F, center):
    maps = []
    for f in F.numpy():
        O = np.array([[f[k].ravel()[p] for k in range(len(f))] for p in range(f[0].size)])
        if center:
            O = O - O.mean(0)
        maps.append((O @ power_iteration(O)).reshape(f.shape[1:]))
    return torch.tensor(np.array(maps))


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_eigen_cam_is_the_projection_on_the_first_direction(name, center):
    model, layer, x = CASES[name]()
    (F,), _ = maps_and_gradients(model, [layer], x, logit(0))
    M = camlite.eigen_cam(model, layer, x, center=center)
    torch.testing.assert_close(M, by_loop(F, center), rtol=1e-6, atol=1e-8)
    positive = camlite.eigen_cam(model, layer, x, center=center, relu=True)
    torch.testing.assert_close(positive, M.relu())


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("name", ["gap", "flatten", "silu", "in a branch", "signal"])
def test_eigen_grad_cam_is_the_same_on_gradient_times_features(name, center, pooled):
    model, layer, x = CASES[name]()
    (F,), (G,) = maps_and_gradients(model, [layer], x, logit(1))
    G = G.mean(tuple(range(2, G.dim())), keepdim=True) if pooled else G
    M = camlite.eigen_grad_cam(model, layer, x, 1, center=center, pooled=pooled, relu=False)
    torch.testing.assert_close(M, by_loop(G * F, center), rtol=1e-6, atol=1e-8)
    M = camlite.eigen_grad_cam(model, layer, x, 1, center=center, pooled=pooled)
    assert bool((M >= 0).all())


def test_eigen_cam_knows_no_class_but_eigen_grad_cam_does():
    model, layer, x = CASES["flatten"]()
    same = [camlite.eigen_cam(model, layer, x, c) for c in (None, 0, 3, torch.tensor([0, 1, 2]))]
    assert all(torch.equal(same[0], other) for other in same)
    a, b = (camlite.eigen_grad_cam(model, layer, x, c) for c in (0, 3))
    assert not torch.allclose(a, b)


def kernel_by_loop(f, kernel, γ):
    """The kernel between all positions of one image, in float64, number by number."""
    rows = f.flatten(1).T.numpy()
    rows = rows - rows.mean(0)
    C = np.zeros((len(rows), len(rows)))
    for i, x in enumerate(rows):
        for j, y in enumerate(rows):
            if kernel == "sigmoid":
                C[i, j] = np.tanh(γ * sum(x * y) + 1)
            elif kernel == "rbf":
                C[i, j] = np.exp(-γ * sum((x - y) ** 2))
            elif kernel == "poly":
                C[i, j] = (γ * sum(x * y) + 1) ** 3
            else:
                C[i, j] = sum(x * y)
    H = np.eye(len(C)) - 1 / len(C)
    return H @ C @ H


def strongest_eigenvector(C):
    """√λ u of the largest λ, by squaring C again and again; C may have negative eigenvalues."""
    power = C + np.abs(C).sum(1).max() * np.eye(len(C))  # all positive, in the same order
    for _ in range(40):
        power = power @ power
        power /= np.linalg.norm(power)
    u = power @ np.random.default_rng(0).standard_normal(len(C))
    u /= np.linalg.norm(u)
    return np.sqrt(u @ C @ u) * u


@pytest.mark.parametrize("gamma", [None, 0.3])
@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly", "linear"])
@pytest.mark.parametrize("name", ["gap", "silu", "before relu", "by data", "signal"])
def test_kpca_cam_is_the_strongest_eigenvector_of_the_centred_kernel(name, kernel, gamma):
    model, layer, x = CASES[name]()
    (F,), _ = maps_and_gradients(model, [layer], x, logit(0))
    M = camlite.kpca_cam(model, layer, x, kernel=kernel, gamma=gamma)
    for f, m in zip(F, M, strict=True):
        C = kernel_by_loop(f, kernel, 1 / len(f) if gamma is None else gamma)
        slow = torch.tensor(strongest_eigenvector(C)).view_as(m)
        along = (f.sum(0) - f.sum(0).mean()) * slow
        slow = slow if along.sum() > 0 else -slow
        torch.testing.assert_close(m, slow, rtol=1e-4, atol=1e-6)
    positive = camlite.kpca_cam(model, layer, x, 2, kernel=kernel, gamma=gamma, relu=True)
    torch.testing.assert_close(positive, M.relu())


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly", "linear"])
@pytest.mark.parametrize("gamma", [None, 0.05])
def test_kpca_cam_agrees_with_scikit_learn_up_to_the_sign(kernel, gamma):
    decomposition = pytest.importorskip("sklearn.decomposition")
    F = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(7)).double()
    M = camlite.kpca_cam(Features(6), "features", F, kernel=kernel, gamma=gamma)
    for f, m in zip(F, M, strict=True):
        rows = f.flatten(1).T.numpy()
        pca = decomposition.KernelPCA(1, kernel=kernel, gamma=gamma, eigen_solver="dense")
        theirs = torch.tensor(pca.fit_transform(rows - rows.mean(0))).view_as(m)
        torch.testing.assert_close(theirs * (theirs * m).sum().sign(), m)


@pytest.mark.parametrize("name", CASES)
def test_kpca_cam_with_a_linear_kernel_is_eigen_cam_of_centred_features(name):
    model, layer, x = CASES[name]()
    linear = camlite.kpca_cam(model, layer, x, kernel="linear", gamma=9)
    torch.testing.assert_close(linear, camlite.eigen_cam(model, layer, x, center=True))


def test_kpca_cam_of_weak_features_nears_eigen_cam():
    """tanh(1 + ε) is a line for small ε: the map is Eigen-CAM's, up to its size."""
    F = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(4)).double() / 1000
    M = camlite.kpca_cam(Features(6), "features", F)
    E = camlite.eigen_cam(Features(6), "features", F, center=True)
    torch.testing.assert_close(camlite.minmax(M), camlite.minmax(E), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly"])
def test_kpca_cam_of_weak_features_survives_float32(kernel):
    """In float32 tanh(1 + 1e-8) is tanh(1): the kernel is taken in float64."""
    F = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(4)) / 10000
    exact = camlite.kpca_cam(Features(6), "features", F.double(), kernel=kernel)
    single = camlite.kpca_cam(Features(6).float(), "features", F, kernel=kernel)
    assert single.dtype == torch.float32
    assert (single - exact).abs().max() < 1e-3 * exact.abs().max()


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly"])
def test_kpca_cam_of_strong_features_is_another_map(kernel):
    F = torch.randn(1, 6, 5, 4, generator=torch.Generator().manual_seed(4)).double()
    weak, strong = (
        camlite.minmax(camlite.kpca_cam(Features(6), "features", s * F, kernel=kernel))
        for s in (1, 4)
    )
    assert (weak - strong).abs().max() > 0.05


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly", "linear"])
def test_kpca_cam_batch_mirror_order_and_constant_maps(kernel):
    def of_kernel(F):
        return camlite.kpca_cam(Features(F.shape[1]), "features", F, kernel=kernel)

    g = torch.Generator().manual_seed(6)
    F = torch.randn(3, 6, 5, 4, generator=g).double() + 0.2
    M = of_kernel(F)
    torch.testing.assert_close(torch.cat([of_kernel(f[None]) for f in F]), M)
    torch.testing.assert_close(of_kernel(F.flip(-1)), M.flip(-1))
    torch.testing.assert_close(of_kernel(F[:, torch.randperm(6, generator=g)]), M)
    torch.testing.assert_close(M.sum((1, 2)), torch.zeros(3).double())  # the kernel is centred
    assert not of_kernel(torch.full((2, 4, 3, 3), 0.37).double()).any()
    assert not of_kernel(torch.rand(1, 4, 1, 1).double()).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "cosine"}, "kernel must be one of 'sigmoid', 'rbf', 'poly', 'linear'"),
        ({"gamma": 0}, "gamma must be a finite number, more than 0"),
        ({"gamma": float("nan")}, "gamma must be a finite number"),
        ({"gamma": "scale"}, "gamma must be a finite number"),
    ],
)
def test_kpca_cam_wrong_options(options, message):
    model, layer, x = CASES["gap"]()
    with pytest.raises(ValueError, match=message):
        camlite.kpca_cam(model, layer, x, **options)


def test_kpca_cam_of_endless_products_is_an_error_not_a_map():
    F = 1e80 * torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    with pytest.raises(ValueError, match="kernel between the positions"):
        camlite.kpca_cam(Features(3), "features", F, kernel="poly")


@pytest.mark.parametrize("name", CASES)
def test_lafam_is_the_mean_over_the_channels(name):
    model, layer, x = CASES[name]()
    (F,), _ = maps_and_gradients(model, [layer], x, logit(0))
    M = camlite.lafam(model, layer, x)
    for n, m in enumerate(M):
        slow = sum(F[n, k] for k in range(F.shape[1])) / F.shape[1]
        torch.testing.assert_close(m, slow)
        torch.testing.assert_close(m, camlite.lafam(model, layer, x[n : n + 1])[0])
    torch.testing.assert_close(camlite.lafam(model, layer, x, 2, relu=True), M.relu())


def test_lafam_of_one_pattern_is_eigen_cam_up_to_scale():
    """Channels that are multiples of one map: both methods can only show this map."""
    pattern = torch.rand(1, 1, 5, 4, generator=torch.Generator().manual_seed(3)).double()
    F = pattern * torch.tensor([0.5, 2.0, 1.0]).double().view(1, 3, 1, 1)
    M, L = of(F), camlite.lafam(Features(3), "features", F)
    torch.testing.assert_close(M / M.max(), L / L.max())


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("center", [False, True])
def test_sign_never_runs_against_the_mean_and_follows_a_mirror(seed, center):
    """Forty random maps: the sign is a rule, not the mood of the SVD."""
    g = torch.Generator().manual_seed(seed)
    F = torch.randn(2, 6, 5, 4, generator=g).double() + (0.2 if seed % 2 else 0.0)
    M = of(F, center=center)
    mean = F.mean(1)
    m = mean - center * mean.mean((1, 2), keepdim=True)
    assert bool(((M * m).sum((1, 2)) > 0).all())
    torch.testing.assert_close(of(F.flip(-1), center=center), M.flip(-1))
    order = torch.randperm(6, generator=g)
    torch.testing.assert_close(of(F[:, order], center=center), M)
    torch.testing.assert_close(of(3 * F, center=center), 3 * M)


def test_features_that_are_not_negative_give_a_map_of_one_sign_unless_centred():
    F = torch.rand(4, 6, 5, 7, generator=torch.Generator().manual_seed(0)).double()
    assert bool((of(F) >= 0).all())
    centred = of(F, center=True)
    assert bool((centred < 0).any((1, 2)).all())
    assert bool((centred > 0).any((1, 2)).all())


def test_a_sum_of_zero_has_a_sign_too():
    """v = (1, −1)/√2: the sum says nothing, the first largest entry decides."""
    F = torch.tensor([[[[1.0, 2.0]], [[-1.0, -2.0]]]], dtype=torch.float64)
    M = of(F)[0, 0]
    torch.testing.assert_close(M.abs(), torch.tensor([2**0.5, 8**0.5]).double())
    assert torch.equal(of(F.clone()), of(F))


def test_rank_one_features_are_found_exactly():
    """F_k = a_k S: the map is S times the length of a."""
    S = torch.rand(1, 5, 6, generator=torch.Generator().manual_seed(1)).double()
    a = torch.tensor([1.0, 2.0, 0.0, 2.0]).double()
    torch.testing.assert_close(of(a[None, :, None, None] * S[:, None]), 3 * S)


@pytest.mark.parametrize("center", [False, True])
def test_no_pattern_at_all_gives_zeros(center):
    assert not of(torch.zeros(2, 4, 3, 3).double(), center=center).any()
    constant = of(torch.ones(2, 4, 3, 3).double(), center=center)
    assert not constant.any() if center else bool((constant - 2).abs().max() < 1e-12)
    one_position = of(torch.full((1, 4, 1, 2), 1.0).double(), center=center)
    assert torch.isfinite(one_position).all()


def test_more_channels_than_positions_costs_no_square_matrix():
    """2048 channels at 7×7: a full V would hold 4 million numbers for each image."""
    F = torch.rand(1, 2048, 7, 7, generator=torch.Generator().manual_seed(2)).double()
    M = of(F)
    _, s, _ = torch.linalg.svd(F.flatten(2).transpose(1, 2), full_matrices=False)
    torch.testing.assert_close(M.flatten(1).norm(dim=1), s[:, 0])  # |O v_1| = σ_1


def test_batch_float32_and_model_state():
    model, layer, x = CASES["gap"]()
    model.train()
    exact = camlite.eigen_cam(model, layer, x)
    torch.testing.assert_close(
        exact, torch.cat([camlite.eigen_cam(model, layer, one[None]) for one in x])
    )
    single = camlite.eigen_cam(ready(GapHead()).float(), layer, x.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=1e-4)
    assert all(m.training for m in model.modules())
