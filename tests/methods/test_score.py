"""Score-CAM and its successors, Ablation-CAM, Recipro-CAM: each against a literal slow loop."""

from __future__ import annotations

import warnings

import pytest
import torch
from score_nets import LAYERS, Flat, PoolLinear, Residual, Signal, pictures, ready, signals
from torch import Tensor, nn
from torch.nn.functional import interpolate

import camlite
from camlite import ablation_cam, is_cam, recipro_cam, score_cam, ss_cam
from camlite.cutting.fused import fast
from camlite.perturb import filled, masks, strong_blur

pytestmark = pytest.mark.filterwarnings("ignore::camlite.split.SplitByHook")
CLOSE = {"rtol": 1e-9, "atol": 1e-10}
SCORE_METHODS = [
    (score_cam, {}),
    (ss_cam, {"samples": 2}),
    (is_cam, {"steps": 2}),
    (ablation_cam, {}),
    (recipro_cam, {}),
]


def feature_maps(net: nn.Module, layer: str, X: Tensor) -> Tensor:
    """F by a plain hook, independent of camlite.split."""
    taken = []
    handle = net.get_submodule(layer).register_forward_hook(lambda m, a, F: taken.append(F.clone()))
    with torch.no_grad():
        net(X.clone())
    handle.remove()
    return taken[0]


def logits_with(net: nn.Module, layer: str, X: Tensor, F: Tensor) -> Tensor:
    """The logits when the layer's output is replaced by F."""
    handle = net.get_submodule(layer).register_forward_hook(lambda m, a, out: F.clone())
    with torch.no_grad():
        Y = net(X.clone())
    handle.remove()
    return Y


def mask_by_hand(F_k: Tensor, size: torch.Size) -> Tensor | None:
    """s(Up(F_k)), Eq. 7 and 8, in the paper's order: upsample, then scale."""
    if F_k.max() == F_k.min():
        return None
    H = interpolate(F_k[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
    return (H - H.min()) / (H.max() - H.min())


@torch.no_grad()
def score_cam_by_hand(
    net: nn.Module, F: Tensor, X: Tensor, c: int, increase, softmax: bool, relu: bool
) -> Tensor:
    """Algorithm 1 for one image, channel by channel; `increase(H)` is C of one mask."""
    C, alive = [], []
    for k in range(len(F)):
        H = mask_by_hand(F[k], X.shape[1:])
        if H is not None:
            C.append(float(increase(H)))
            alive.append(k)
    total = sum(torch.tensor(C, dtype=torch.float64).exp().tolist()) if softmax else 1.0
    L = torch.zeros_like(F[0])
    for C_k, k in zip(C, alive, strict=True):
        α = torch.tensor(C_k, dtype=torch.float64).exp() / total if softmax else C_k
        L = L + α * F[k]
    return L.clamp_min(0) if relu else L


# ------------------------------------------------------------------ Score-CAM


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
@pytest.mark.parametrize("probability", [False, True])
@pytest.mark.parametrize("softmax", [False, True])
def test_score_cam_is_algorithm_1(kind, layer, probability, softmax):
    net, X = ready(kind), pictures()
    got = score_cam(
        net, layer, X, target=1, relu=False, probability=probability, channel_softmax=softmax
    )
    F = feature_maps(net, layer, X)

    def Y(x: Tensor) -> Tensor:
        logits = net(x[None])
        return (logits.softmax(1) if probability else logits)[0, 1]

    for n in range(len(X)):
        by_hand = score_cam_by_hand(
            net, F[n], X[n], 1, lambda H, n=n: Y(X[n] * H) - Y(X[n] * 0), softmax, relu=False
        )
        torch.testing.assert_close(got[n], by_hand, **CLOSE)


def test_score_cam_of_the_authors_code_is_reachable():
    """Softmax probability, no baseline, no softmax over channels, upsampled raw maps, ReLU."""
    net, X = ready(PoolLinear), pictures(1)
    got = score_cam(
        net, "last", X, probability=True, channel_softmax=False, baseline=None, upsampled=True
    )
    F = feature_maps(net, "last", X)
    with torch.no_grad():
        c = int(net(X).argmax(1))
        L = torch.zeros(1, 1, 11, 13, dtype=torch.float64)
        for k in range(F.shape[1]):
            up = interpolate(F[:, k : k + 1], size=(11, 13), mode="bilinear", align_corners=False)
            if up.max() == up.min():
                continue
            scaled = (up - up.min()) / (up.max() - up.min())
            L += net(X * scaled).softmax(1)[0, c] * up
    torch.testing.assert_close(got, L.relu()[:, 0], **CLOSE)


@pytest.mark.parametrize(
    "baseline", ["blur", "strong_blur", "mean", "original", 0.7, None, torch.full((3, 11, 13), 2.0)]
)
def test_the_baseline_cancels_under_the_softmax_over_channels_and_only_there(baseline):
    net, X = ready(Flat), pictures()
    same = [score_cam(net, "features", X, 0, baseline=b) for b in ("zero", baseline)]
    torch.testing.assert_close(*same, **CLOSE)
    other = [
        score_cam(net, "features", X, 0, baseline=b, channel_softmax=False, relu=False)
        for b in ("zero", baseline)
    ]
    assert (other[0] - other[1]).abs().max() > 1e-3


def test_masking_the_baseline_instead_of_the_image_makes_all_weights_equal():
    """The slip C = Y(X_b ∘ H) − Y(X_b) with X_b = 0: every channel weighs the same."""
    net, X = ready(PoolLinear), pictures(1)
    F = feature_maps(net, "last", X)[0]
    with torch.no_grad():
        slip = score_cam_by_hand(
            net, F, X[0], 0, lambda H: (net(X * 0 * H) - net(X * 0))[0, 0], softmax=True, relu=False
        )
    alive = F[[0, 1, 3, 4, 5]]
    torch.testing.assert_close(slip, alive.mean(0), **CLOSE)
    assert not torch.allclose(score_cam(net, "last", X, 0, relu=False)[0], slip, rtol=1e-3)


def test_dead_channels_change_nothing_and_cost_nothing():
    net, X = ready(PoolLinear), pictures(1)
    before = score_cam(net, "last", X, 0)
    wide = ready(lambda: PoolLinear(K=9))
    state = net.state_dict()
    with torch.no_grad():
        for name, value in wide.state_dict().items():
            value.zero_()
            value[tuple(slice(s) for s in state[name].shape)] = state[name]
        wide.conv.bias[6:] = -1  # three channels that never fire
    torch.testing.assert_close(score_cam(wide, "last", X, 0), before, **CLOSE)
    F = feature_maps(wide, "last", X)
    assert sum(len(k) for _, k, _ in masks(F, X.shape[2:], 4)) == 5  # of 9


def test_maps_of_a_dead_layer_are_zero():
    net, X = ready(PoolLinear), pictures()
    with torch.no_grad():
        net.conv.bias.fill_(-100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for method, options in SCORE_METHODS[:-1]:
            for relu in (True, False):
                L = method(net, "last", X, 0, relu=relu, **options)
                assert torch.equal(L, torch.zeros_like(L)), method.__name__


def test_a_constant_channel_that_is_not_zero_gets_no_weight():
    net, X = ready(PoolLinear), pictures(1)
    with torch.no_grad():
        net.conv.weight[0] = 0
        net.conv.bias[0] = 3.0
    F = feature_maps(net, "last", X)[0]
    assert F[0].eq(3).all()
    L = score_cam(net, "last", X, 0, relu=False)
    by_hand = score_cam_by_hand(
        net, F, X[0], 0, lambda H: (net(X * H) - net(X * 0))[0, 0], softmax=True, relu=False
    )
    torch.testing.assert_close(L[0], by_hand, **CLOSE)


# ------------------------------------------------------------------ SS-CAM and IS-CAM


@pytest.mark.parametrize("variant", ["mask", "input"])
@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_ss_cam_is_the_mean_over_noisy_samples(variant, kind, layer):
    net, X = ready(kind), pictures()
    got = ss_cam(
        net,
        layer,
        X,
        2,
        variant=variant,
        samples=3,
        sigma=0.5,
        relu=False,
        generator=torch.Generator().manual_seed(7),
    )
    g = torch.Generator().manual_seed(7)
    E = 0.5 * torch.randn(3, 1 if variant == "mask" else 3, 11, 13, generator=g).double()
    F = feature_maps(net, layer, X)
    for n, x in enumerate(X):

        def increase(H: Tensor, x: Tensor = x) -> Tensor:
            noisy = [x * (H + ε) if variant == "mask" else (x + ε) * H for ε in E]
            return sum(net(each[None])[0, 2] for each in noisy) / 3 - net(x[None] * 0)[0, 2]

        by_hand = score_cam_by_hand(net, F[n], x, 2, increase, softmax=True, relu=False)
        torch.testing.assert_close(got[n], by_hand, **CLOSE)


@pytest.mark.parametrize("method", [ss_cam, is_cam])
def test_without_noise_or_with_one_step_it_is_score_cam(method):
    options = {"sigma": 0.0, "samples": 2} if method is ss_cam else {"steps": 1}
    net, X = ready(Flat), pictures()
    torch.testing.assert_close(
        method(net, "features", X, **options), score_cam(net, "features", X), **CLOSE
    )


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_is_cam_is_the_mean_over_uniform_steps(kind, layer):
    net, X = ready(kind), pictures()
    got = is_cam(net, layer, X, 2, steps=4, relu=False)
    F = feature_maps(net, layer, X)
    for n, x in enumerate(X):

        def increase(H: Tensor, x: Tensor = x) -> Tensor:
            steps = [net((x * H * i / 4)[None])[0, 2] for i in (1, 2, 3, 4)]
            return sum(steps) / 4 - net(x[None] * 0)[0, 2]

        by_hand = score_cam_by_hand(net, F[n], x, 2, increase, softmax=True, relu=False)
        torch.testing.assert_close(got[n], by_hand, **CLOSE)


# ------------------------------------------------------------------ Ablation-CAM


def ablation_by_hand(net: nn.Module, layer: str, X: Tensor, c: int) -> tuple[Tensor, Tensor]:
    """Y (N,) and Y − Y_k (N, K): one channel of one image at a time, whole network each time."""
    F = feature_maps(net, layer, X)
    drop = torch.zeros(F.shape[:2], dtype=F.dtype)
    for n in range(len(X)):
        for k in range(F.shape[1]):
            F_k = F[n : n + 1].clone()
            F_k[0, k] = 0
            Y = logits_with(net, layer, X[n : n + 1], F[n : n + 1])[0, c]
            drop[n, k] = Y - logits_with(net, layer, X[n : n + 1], F_k)[0, c]
    with torch.no_grad():
        return net(X)[:, c], drop


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
@pytest.mark.parametrize("divide", ["abs", "score", "norm", "none"])
def test_ablation_cam_sets_one_channel_to_zero(kind, layer, divide):
    net, X = ready(kind), pictures(3)
    F = feature_maps(net, layer, X)
    for c in range(4):
        Y, drop = ablation_by_hand(net, layer, X, c)
        norm = F.flatten(2).norm(dim=2)
        size = {
            "abs": Y.abs()[:, None],
            "score": Y[:, None],
            "none": torch.ones_like(drop),
            "norm": torch.where(norm > 0, norm, 1),
        }[divide]
        L = ((drop / size)[..., None, None] * F).sum(1)
        got = ablation_cam(net, layer, X, c, divide=divide, relu=False, batch_size=7)
        torch.testing.assert_close(got, L, **CLOSE)


def test_ablation_on_pool_and_linear_is_the_weight_times_the_mean():
    net, X = ready(PoolLinear), pictures(2)
    F = feature_maps(net, "last", X)
    L = torch.einsum("k,nk,nkhw->nhw", net.head.weight[1].detach(), F.mean((2, 3)), F)
    got = ablation_cam(net, "last", X, 1, divide="none", relu=False)
    torch.testing.assert_close(got, L, **CLOSE)


def test_the_closed_form_is_not_used_where_it_does_not_hold():
    """GAP, linear, ReLU: the logits are W·GAP(F) + b as long as they are positive."""

    class Clipped(PoolLinear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).relu()

    net, X = ready(Clipped), pictures(1)
    with torch.no_grad():
        net.head.bias -= super(Clipped, net).forward(X)[0] - 0.01
        torch.testing.assert_close(net(X), super(Clipped, net).forward(X))  # a linear head, so far
    F = feature_maps(net, "last", X)
    _, drop = ablation_by_hand(net, "last", X, 1)
    assert not torch.allclose(drop, net.head.weight[1] * F.mean((2, 3)))
    L = torch.einsum("nk,nkhw->nhw", drop, F)
    got = ablation_cam(net, "last", X, 1, divide="none", relu=False)
    torch.testing.assert_close(got, L, **CLOSE)


def test_a_negative_logit_turns_only_the_papers_form_around():
    net, X = ready(PoolLinear), pictures(2)
    with torch.no_grad():
        net.head.bias -= 100  # the same drops, now with a negative logit
    kept = ablation_cam(net, "last", X, 0, divide="abs", relu=False)
    turned = ablation_cam(net, "last", X, 0, divide="score", relu=False)
    plain = ablation_cam(net, "last", X, 0, divide="none", relu=False)
    torch.testing.assert_close(turned, -kept, **CLOSE)
    assert torch.corrcoef(torch.stack([kept.flatten(), plain.flatten()]))[0, 1] > 0.9


def test_ablation_of_a_score_that_is_zero_is_not_divided():
    net, X = ready(PoolLinear), pictures(2)

    def nothing(logits: Tensor) -> Tensor:
        return logits[:, 0] - logits[:, 0]

    for divide in ("abs", "score", "norm", "none"):
        L = ablation_cam(net, "last", X, nothing, divide=divide)
        assert torch.equal(L, torch.zeros_like(L))


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_ablation_does_not_depend_on_the_batch_size_even_with_negative_maps(batch_size):
    """A library sets channels to −1e7, −2e7, … there, by their place in the batch."""
    net, X = ready(Residual), pictures(2)
    layer = "after"  # a convolution's output: negative values
    assert feature_maps(net, layer, X).min() < 0
    torch.testing.assert_close(
        ablation_cam(net, layer, X, 0, batch_size=batch_size, relu=False),
        ablation_cam(net, layer, X, 0, relu=False),
        **CLOSE,
    )


def test_ablation_runs_only_the_part_behind_the_layer():
    net, X = ready(Flat), pictures(2)
    runs = []
    net.features[0].register_forward_hook(lambda m, a, out: runs.append(len(out)))
    ablation_cam(net, "features", X, 0)
    assert sum(runs) == 2  # each image once; a library runs the whole network for each channel


# ------------------------------------------------------------------ Recipro-CAM


@pytest.mark.parametrize(("kind", "layer"), LAYERS)
@pytest.mark.parametrize("gaussian", [False, True])
@pytest.mark.parametrize("probability", [False, True])
def test_recipro_cam_leaves_one_position_alone(kind, layer, gaussian, probability):
    net, X = ready(kind), pictures(2)
    got = recipro_cam(net, layer, X, 1, gaussian=gaussian, probability=probability, batch_size=5)
    F = feature_maps(net, layer, X)
    h, w = F.shape[2:]
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).double() / 16
    L = torch.zeros(2, h, w, dtype=torch.float64)
    for n in range(2):
        for i in range(h):
            for j in range(w):
                F_ij = torch.zeros_like(F[n])
                for di in (-1, 0, 1):
                    for dj in (-1, 0, 1):
                        a, b = i + di, j + dj
                        g = kernel[di + 1, dj + 1] if gaussian else float(di == dj == 0)
                        if 0 <= a < h and 0 <= b < w:
                            F_ij[:, a, b] += g * F[n, :, i, j]
                Y = logits_with(net, layer, X[n : n + 1], F_ij[None])
                L[n, i, j] = (Y.softmax(1) if probability else Y)[0, 1]
    torch.testing.assert_close(got, L, **CLOSE)


def test_recipro_logits_of_pool_and_linear_are_cam():
    """Y(F ∘ δ_ij) = M[i, j] / Z + b on GAP and one linear layer."""
    net, X = ready(PoolLinear), pictures(2)
    M = camlite.cam(net, "last", X, 1)
    got = recipro_cam(net, "last", X, 1, probability=False)
    expected = M / M[0].numel() + net.head.bias[1].detach()
    torch.testing.assert_close(got, expected, **CLOSE)


# ------------------------------------------------------------------ what holds for all of them


@pytest.mark.parametrize(("method", "options"), SCORE_METHODS)
@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_a_batch_gives_what_its_images_give(method, options, kind, layer):
    net, X = ready(kind), pictures(3)
    together = method(net, layer, X, **options)
    alone = torch.cat([method(net, layer, x[None], **options) for x in X])
    torch.testing.assert_close(together, alone, **CLOSE)


@pytest.mark.parametrize(("method", "options"), SCORE_METHODS)
@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_batch_size_changes_nothing(method, options, batch_size):
    net, X = ready(Flat), pictures(2)
    torch.testing.assert_close(
        method(net, "features", X, batch_size=batch_size, **options),
        method(net, "features", X, **options),
        **CLOSE,
    )


@pytest.mark.parametrize(("method", "options"), SCORE_METHODS)
def test_one_class_for_each_image_and_functions_as_targets(method, options):
    net, X = ready(Flat), pictures(2)
    c = torch.tensor([3, 0])
    both = method(net, "features", X, c, **options)
    alone = [method(net, "features", X[n : n + 1], int(c[n]), **options)[0] for n in (0, 1)]
    torch.testing.assert_close(both, torch.stack(alone), **CLOSE)
    by_function = method(net, "features", X, lambda Y: Y[:, 3], **options)
    torch.testing.assert_close(by_function[0], both[0], **CLOSE)


@pytest.mark.parametrize(("method", "options"), SCORE_METHODS)
def test_signals(method, options):
    net, x = ready(Signal), signals(2)
    L = method(net, "norm", x, 1, **options)
    assert L.shape == (2, 13)
    torch.testing.assert_close(L[1:], method(net, "norm", x[1:], 1, **options), **CLOSE)


def test_score_cam_of_a_signal_is_that_of_a_picture_one_pixel_high():
    net, x = ready(Signal), signals(1)
    F = feature_maps(net, "norm", x)[0]
    got = score_cam(net, "norm", x, 1, relu=False)
    C = []
    for F_k in F:
        H = interpolate(F_k[None, None], size=30, mode="linear", align_corners=False)[0, 0]
        H = (H - H.min()) / (H.max() - H.min())
        with torch.no_grad():
            C.append(net(x * H)[0, 1])
    expected = (torch.stack(C).softmax(0)[:, None] * F).sum(0)
    torch.testing.assert_close(got[0], expected, **CLOSE)


@pytest.mark.parametrize(("method", "options"), SCORE_METHODS)
def test_float32_follows_float64(method, options):
    exact = method(ready(Flat), "features", pictures(2), 1, **options)
    single = method(
        ready(Flat, dtype=torch.float32), "features", pictures(2, dtype=torch.float32), 1, **options
    )
    assert single.dtype == torch.float32
    assert exact.dtype == torch.float64
    torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=1e-4)
    for mode in (
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        with mode():
            again = method(
                ready(Flat, dtype=torch.float32),
                "features",
                pictures(2, dtype=torch.float32),
                1,
                **options,
            )
        assert torch.equal(again, single)


@pytest.mark.parametrize(("method", "options"), SCORE_METHODS)
@pytest.mark.parametrize(("kind", "layer"), LAYERS)
def test_nothing_is_left_behind(method, options, kind, layer):
    net, X = ready(kind).train(), pictures(2).requires_grad_()
    net.head.eval()  # a mixed state must come back as it was
    state = {name: value.clone() for name, value in net.state_dict().items()}
    flags = [(m.training, len(m._forward_hooks)) for m in net.modules()]
    random_state = torch.get_rng_state()
    first = method(net, layer, X, 1, **options)
    second = method(net, layer, X, 1, **options)
    assert torch.equal(first, second)
    assert not first.requires_grad
    assert torch.equal(torch.get_rng_state(), random_state)
    assert flags == [(m.training, len(m._forward_hooks)) for m in net.modules()]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert X.grad is None


def test_the_generator_decides_the_noise():
    net, X = ready(Flat), pictures(1)

    def run(seed: int) -> Tensor:
        return ss_cam(net, "features", X, samples=2, generator=torch.Generator().manual_seed(seed))

    assert torch.equal(run(3), run(3))
    assert not torch.equal(run(3), run(4))


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        (score_cam, {"batch_size": 0}, "batch_size"),
        (score_cam, {"baseline": "grey"}, "'grey'"),
        (score_cam, {"baseline": torch.zeros(3, 5, 5)}, "5, 5"),
        (ss_cam, {"samples": 0}, "samples"),
        (ss_cam, {"variant": "both"}, "'both'"),
        (is_cam, {"steps": 1.5}, "steps"),
        (ablation_cam, {"divide": "zero"}, "'zero'"),
    ],
)
def test_wrong_options_are_named(method, options, message):
    with pytest.raises(ValueError, match=message):
        method(ready(Flat), "features", pictures(1), **options)


@pytest.mark.parametrize(("method", "options"), SCORE_METHODS)
def test_a_class_that_does_not_exist_is_named(method, options):
    with pytest.raises(ValueError, match="out of range"):
        method(ready(Flat), "features", pictures(1), 4, **options)


def test_a_score_that_is_not_finite_is_an_error():
    net, X = ready(PoolLinear), pictures(1)

    def log_of_nothing(logits: Tensor) -> Tensor:
        return logits[:, 0] / 0

    with pytest.raises(ValueError, match="NaN or infinite"):
        score_cam(net, "last", X, log_of_nothing)


# ------------------------------------------------------------------ the fast copy, masks, blur


@pytest.mark.parametrize("kind", [PoolLinear, Flat, Residual])
def test_the_fast_copy_gives_the_same_logits_with_fewer_layers(kind):
    net, X = ready(kind), pictures(5)
    f = fast(net, X)
    with torch.no_grad():
        torch.testing.assert_close(f(X), net(X), **CLOSE)
    ran = []
    handles = [
        m.register_forward_hook(lambda m, a, out: ran.append(m))
        for m in net.modules()
        if isinstance(m, (nn.BatchNorm2d, nn.Conv2d))
    ]
    f(X)
    assert not ran  # private convolutions, and no BatchNorm at all
    for handle in handles:
        handle.remove()


def test_where_fusing_goes_wrong_the_network_itself_is_run():
    """One convolution runs twice, before two BatchNorms: no fused weights serve both."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.a, self.b = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
            self.head = nn.Linear(3, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.b(self.conv(self.a(self.conv(x)))).mean((2, 3)))

    net, X = ready(Twice), pictures(2)
    with torch.no_grad():
        torch.testing.assert_close(fast(net, X)(X), net(X), **CLOSE)


def test_masks_are_made_a_batch_at_a_time():
    F = torch.rand(2, 10, 3, 4)
    sizes = [tuple(H.shape) for _, _, H in masks(F, (9, 8), 4)]
    assert sizes == 2 * [(4, 1, 9, 8), (4, 1, 9, 8), (2, 1, 9, 8)]


def test_the_strong_blur_keeps_a_constant_image_and_takes_small_ones():
    for shape in ((1, 3, 60, 70), (2, 1, 4, 9), (1, 2, 5), (1, 1, 1, 1)):
        X = torch.full(shape, 2.5)
        torch.testing.assert_close(strong_blur(X), X)
    assert strong_blur(torch.randn(1, 1, 60, 60)).std() < 0.1
    assert torch.equal(filled(X, "original"), X)
