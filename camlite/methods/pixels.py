"""Maps at the resolution of the image: gradients of the input, and hiding parts of it.

Letters: X (N, C, H, W) images; Y (N,) the score; G = ∂Y/∂X. The gradient methods give one value
for each number of the image, (N, C, H, W): take the largest or the sum over C for a picture. The
methods that hide parts of the image hide all colours together and give (N, H, W). Signals are
(N, C, L) -> (N, C, L) and (N, L). None of these methods takes a layer, but Guided Grad-CAM.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from tqdm import tqdm, trange

from camlite.checks import a_number, at_least_one
from camlite.cutting.running import check_images, whole
from camlite.maps import up, weighted_sum
from camlite.methods.gradient import grad_cam
from camlite.perturb import Fill, at_once, filled, noises, own_generator, scorer
from camlite.scores import Target, chosen, score_and_gradient
from camlite.split import Layer


def saliency(model: nn.Module, images: Tensor, target: Target = None) -> Tensor:
    """Saliency: how much the score changes when a pixel changes a little, |∂Y/∂X|.

    Sensitivity, not evidence: it has no sign, and it does not add up to the score. The paper's
    picture is the largest value over the colours: `saliency(...).amax(1)`.

    Shapes: images (N, C, H, W) -> (N, C, H, W), all ≥ 0.
    Source: Simonyan, Vedaldi, Zisserman 2013, arXiv 1312.6034, Sec. 3.

    >>> G = camlite.saliency(model, images)
    >>> G.shape, G.amax(1).shape  # the paper's picture: the largest over the colours
    (torch.Size([2, 3, 48, 48]), torch.Size([2, 48, 48]))
    """
    check_images(model, images)
    _, G = score_and_gradient(whole(model), images.detach(), target)
    return G.abs()


def smooth_grad(
    model: nn.Module,
    images: Tensor,
    target: Target = None,
    *,
    samples: int = 50,
    sigma: float = 0.15,
    generator: torch.Generator | None = None,
    progress: bool = False,
) -> Tensor:
    """SmoothGrad: the mean gradient over noisy copies of the image, (1/N) Σ_i ∂Y/∂X (X + ε_i).

    ε_i is normal with standard deviation `sigma` × (max X − min X) of each image; the paper takes
    0.1 to 0.2. The class is that of the clean image. All images of a batch see the same noise, up
    to its size. Without `generator` the noise has seed 0. Cost: `samples` forwards and backwards.

    Shapes: images (N, C, H, W) -> signed gradients (N, C, H, W).
    Source: Smilkov et al. 2017, arXiv 1706.03825.

    >>> camlite.smooth_grad(model, images, samples=5).shape
    torch.Size([2, 3, 48, 48])
    """
    check_images(model, images)
    X, f = images.detach(), whole(model)
    c = chosen(f(X), target)
    mean, draws = torch.zeros_like(X), noises(X, samples, sigma, generator)
    for ε in tqdm(draws, total=samples, desc="SmoothGrad", disable=not progress):
        mean += score_and_gradient(f, X + ε, c)[1] / samples
    return mean


def integrated_gradients(
    model: nn.Module,
    images: Tensor,
    target: Target = None,
    *,
    baseline: Fill = "zero",
    steps: int = 50,
    progress: bool = False,
) -> Tensor:
    """Integrated Gradients: the gradient is averaged on the straight way from a baseline to X.

    IG = (X − X_b) ∘ (1/m) Σ_{t=1..m} ∂Y/∂X (X_b + (t/m) (X − X_b)). The sum over all pixels is
    Y(X) − Y(X_b), the better the more steps (completeness). The class is that of the image.
    `baseline` is X_b, any fill of `perturb.filled`: "zero", "mean", "blur", "strong_blur", a
    number, a tensor (C, H, W) or a function. Not Integrated Grad-CAM.

    Shapes: images (N, C, H, W) -> signed contributions (N, C, H, W).
    Source: Sundararajan, Taly, Yan, ICML 2017, arXiv 1703.01365: Eq. 1, as the sum Eq. 3.

    >>> IG = camlite.integrated_gradients(model, images, target=0, steps=100)
    >>> difference = (model(images) - model(torch.zeros_like(images)))[:, 0]
    >>> torch.allclose(IG.sum((1, 2, 3)), difference, rtol=0.05)
    True
    """
    at_least_one(steps=steps)
    check_images(model, images)
    X, f = images.detach(), whole(model)
    X_b, c = filled(X, baseline, "baseline"), chosen(f(X), target)
    mean = torch.zeros_like(X)
    for t in trange(1, steps + 1, desc="Integrated Gradients", disable=not progress):
        mean += score_and_gradient(f, X_b + (t / steps) * (X - X_b), c)[1] / steps
    return (X - X_b) * mean


# ------------------------------------------------------------------ other rules at a ReLU


def deconvnet(model: nn.Module, images: Tensor, target: Target = None) -> Tensor:
    """DeconvNet: the signal R goes back through each ReLU as 1[R > 0]·R, whatever came forward.

    (The gradient goes back as 1[f > 0]·R, where f is the ReLU's input.) Defined for ReLUs only:
    a network without one raises ValueError, and other activation functions (sigmoid, tanh, also a
    ReLU written as clamp) keep their gradient, with a warning. Modules, in-place modules and
    functional ReLUs all count; ReLU6 too. Nearly independent of the class: see the sanity checks
    of Adebayo et al. 2018.

    Shapes: images (N, C, H, W) -> signals (N, C, H, W).
    Source: Zeiler and Fergus, ECCV 2014, arXiv 1311.2901.

    >>> camlite.deconvnet(model, images).shape
    torch.Size([2, 3, 48, 48])
    """
    return _with_relu_rule("deconvnet", model, images, target)


def guided_backprop(model: nn.Module, images: Tensor, target: Target = None) -> Tensor:
    """Guided backpropagation: a ReLU passes the signal R back as 1[f > 0]·1[R > 0]·R.

    The rule of the gradient and that of `deconvnet` together; the same conditions hold. Sharp,
    but nearly unchanged when the upper layers are randomised (Adebayo et al. 2018): it shows the
    image rather than the decision.

    Shapes: images (N, C, H, W) -> signals (N, C, H, W).
    Source: Springenberg et al. 2015, arXiv 1412.6806.

    >>> camlite.guided_backprop(model, images).shape
    torch.Size([2, 3, 48, 48])
    """
    return _with_relu_rule("guided", model, images, target)


def guided_grad_cam(
    model: nn.Module, layer: Layer, images: Tensor, target: Target = None
) -> Tensor:
    """Guided Grad-CAM: the coarse map says where, guided backpropagation draws it: Up(L) ∘ GB.

    Inherits the weakness of guided backpropagation in the sanity checks. Needs ReLUs.

    Shapes: images (N, C, H, W) -> (N, C, H, W).
    Source: Selvaraju et al. 2017, arXiv 1610.02391, Sec. 3.

    >>> camlite.guided_grad_cam(model, "features", images).shape
    torch.Size([2, 3, 48, 48])
    """
    L = up(grad_cam(model, layer, images, target), images.shape[2:])  # (N, H, W)
    return L[:, None] * guided_backprop(model, images, target)


def _with_relu_rule(rule: str, model: nn.Module, images: Tensor, target: Target) -> Tensor:
    """The signal that arrives at the image when every ReLU follows `rule`."""
    check_images(model, images)
    f, at_relus = whole(model), _AtReLUs(rule)

    def f_with_rule(X: Tensor) -> Tensor:
        with at_relus:
            return f(X)

    _, R = score_and_gradient(f_with_rule, images.detach(), target)
    at_relus.require_relus()
    return R


class _AtReLUs(TorchFunctionMode):
    """While active, every ReLU that runs, module or function, goes backwards by another rule.

    The model itself is not changed: torch shows us each function before it is called.
    """

    RELUS = (functional.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)
    RELU6 = (functional.relu6, functional.hardtanh, functional.hardtanh_)
    OTHERS = (
        functional.silu,
        functional.gelu,
        functional.hardswish,
        functional.leaky_relu,
        functional.elu,
        functional.selu,
        functional.celu,
        functional.mish,
        functional.softplus,
        functional.prelu,
        functional.rrelu,
        functional.logsigmoid,
        functional.softsign,
        functional.hardsigmoid,
        functional.threshold,
        functional.hardshrink,
        functional.softshrink,
        functional.tanhshrink,
        functional.glu,
        torch.maximum,
        *RELU6,
        *(torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_, functional.tanh),
        *(torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_, functional.sigmoid),
        *(torch.clamp, torch.clamp_, Tensor.clamp, Tensor.clamp_, Tensor.clip, torch.clip),
        *(torch.clamp_min, Tensor.clamp_min, Tensor.clamp_max, torch.clamp_max),
    )

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule, self.relus, self.others = rule, 0, set[str]()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        top = self.top(func, *args, **kwargs)
        if top is None:
            if func in self.OTHERS:
                self.others.add(func.__name__.strip("_"))
            return func(*args, **kwargs)
        self.relus += 1
        f = args[0] if args else kwargs["input"]
        inplace = func.__name__.endswith("_") or kwargs.get("inplace", False)
        return _ReLU.apply(f, top, inplace, self.rule)

    def top(self, func: Any, *args: Any, **kwargs: Any) -> float | None:
        """Where this ReLU ends: infinity, or 6 for ReLU6, which torch runs as hardtanh from 0."""
        if func in self.RELUS:
            return torch.inf
        if func is functional.relu6:
            return 6.0
        if func in self.RELU6:
            low, high = (*args[1:3], kwargs.get("min_val", -1.0), kwargs.get("max_val", 1.0))[:2]
            return float(high) if low == 0 else None
        return None

    def require_relus(self) -> None:
        others = ", ".join(sorted(self.others))
        if not self.relus:
            raise ValueError(
                f"{self.rule} backpropagation changes the ReLUs of a network, and this one runs "
                f"none ({others or 'no activation function was seen'}); use saliency or smooth_grad"
            )
        if self.others:
            warnings.warn(
                f"only ReLUs follow the {self.rule} rule; {others} keep their gradient",
                stacklevel=4,
            )


class _ReLU(torch.autograd.Function):
    """max(0, f), at most `top`; backwards by the rules of DeconvNet or guided backpropagation."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, top: float, inplace: bool, rule: str) -> Tensor:
        ctx.rule = rule
        ctx.save_for_backward((f > 0) & (f < top))
        if not inplace:
            return f.clamp(0, top)
        ctx.mark_dirty(f)  # what else holds f must see it change, as with torch's in-place ReLU
        return f.clamp_(0, top)

    @staticmethod
    def backward(ctx: Any, *signals: Tensor) -> Any:
        (f_positive,), (R,) = ctx.saved_tensors, signals
        R = R.relu()  # 1[R > 0]·R
        return (R if ctx.rule == "deconvnet" else f_positive * R), None, None, None


# ------------------------------------------------------------------ hiding parts of the image


def occlusion(
    model: nn.Module,
    images: Tensor,
    target: Target = None,
    *,
    patch: int | None = None,
    stride: int | None = None,
    fill: Fill = "zero",
    probability: bool = True,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Occlusion: how much of the score is lost when a patch hides this place, P(X) − P(X hidden).

    A square of `patch` pixels (default: an eighth of the shorter side) moves by `stride` (default:
    half a patch); the last one ends at the border. A pixel's value is the mean loss over the
    patches that hide it; where stride > patch leaves gaps, it is 0. Positive: evidence for the
    class. `fill` is "zero" (the mean colour of normalised images: the paper's grey) or another
    fill of `perturb.filled`; `probability=False` takes the logit. One forward pass per position.

    Shapes: images (N, C, H, W) -> (N, H, W).
    Source: Zeiler and Fergus, ECCV 2014, arXiv 1311.2901, Sec. 4.2. They show P(X hidden).

    >>> camlite.occlusion(model, images, patch=12, fill="mean").shape
    torch.Size([2, 48, 48])
    """
    check_images(model, images)
    X, size = images.detach(), images.shape[2:]
    patch = max(1, min(size) // 8) if patch is None else patch
    at_least_one(patch=patch)
    stride = max(1, patch // 2) if stride is None else stride
    at_least_one(stride=stride)
    Y = scorer(model, X, chosen(whole(model)(X), target), probability)
    Y_X, X_fill = [Y(n, each[None]) for n, each in enumerate(X)], filled(X, fill)
    M, times = torch.zeros_like(X[:, 0]), torch.zeros(size).to(X)
    for hide in _patches(size, patch, stride, at_once(X, batch_size), progress):  # (B, H, W)
        hide = hide.to(X)
        times += hide.sum(0)
        for n in range(len(X)):
            hidden = X[n] * (1 - hide[:, None]) + X_fill[n] * hide[:, None]
            M[n] += weighted_sum((Y_X[n] - Y(n, hidden))[None], hide[None])[0]
    return M / times.clamp_min(1)


def _patches(
    size: Sequence[int], patch: int, stride: int, B: int, progress: bool
) -> Iterator[Tensor]:
    """Masks (B, H, W) that are 1 in a square and 0 elsewhere, for all places of the square."""
    starts = []
    for side in size:
        last = max(0, side - patch)
        starts.append(sorted({*range(0, last + 1, stride), last}))
    places = list(itertools.product(*starts))
    for some in tqdm(range(0, len(places), B), desc="occlusion", disable=not progress):
        hide = torch.zeros(len(places[some : some + B]), *size)
        for one, place in zip(hide, places[some : some + B], strict=True):
            one[tuple(slice(start, start + patch) for start in place)] = 1
        yield hide


def rise(
    model: nn.Module,
    images: Tensor,
    target: Target = None,
    *,
    samples: int = 4000,
    cells: int = 7,
    keep: float = 0.5,
    probability: bool = True,
    generator: torch.Generator | None = None,
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """RISE: random masks hide parts of the image; a pixel is worth the mean score when it is seen.

    S = (1 / (N·p)) Σ_i P(X ∘ M_i) M_i with N = `samples` and p = `keep`. A mask is a grid of
    `cells` × `cells` coin flips, upsampled a little larger than the image and cropped at a random
    place. Treats the network as a black box. All images of a batch see the same masks; without
    `generator` they have seed 0. The paper takes 4,000 masks for VGG16, 8,000 for ResNet50.

    Never negative, and never near zero: only differences within a map mean something.

    Shapes: images (N, C, H, W) -> (N, H, W).
    Source: Petsiuk, Das, Saenko, BMVC 2018, arXiv 1806.07421; masks as in the authors' code.

    >>> maps = camlite.rise(model, images, samples=50)
    >>> maps.shape, bool((maps >= 0).all())
    (torch.Size([2, 48, 48]), True)
    """
    at_least_one(samples=samples, cells=cells)
    a_number("keep", keep, 0, 1, open=True)
    check_images(model, images)
    X = images.detach()
    Y = scorer(model, X, chosen(whole(model)(X), target), probability)
    S, B = torch.zeros_like(X[:, 0]), at_once(X, batch_size)
    for M in _random_masks(X.shape[2:], samples, cells, keep, generator, B, progress):
        M = M.to(X)  # (B, H, W)
        for n in range(len(X)):
            S[n] += weighted_sum(Y(n, X[n] * M[:, None])[None], M[None])[0]
    return S / (samples * keep)


def _random_masks(
    size: Sequence[int],
    samples: int,
    cells: int,
    keep: float,
    generator: torch.Generator | None,
    B: int,
    progress: bool,
) -> Iterator[Tensor]:
    """`samples` masks, B at a time, (B, H, W) in [0, 1]; the draws do not depend on B."""
    g = own_generator(generator)
    cell = [-(-side // cells) for side in size]
    coins = torch.rand(samples, *[cells] * len(size), generator=g, device=g.device) < keep
    corners = [torch.randint(c, (samples,), generator=g, device=g.device).tolist() for c in cell]
    crops = [
        tuple(slice(a, a + side) for a, side in zip(at, size, strict=True))
        for at in zip(*corners, strict=True)
    ]
    for some in tqdm(range(0, samples, B), desc="RISE", disable=not progress):
        large = up(coins[some : some + B].float(), [(cells + 1) * c for c in cell])
        yield torch.stack([M[crop] for M, crop in zip(large, crops[some : some + B], strict=True)])
