"""Sanity checks: does the map depend on the model, and on what the model learned?

A map that stays the same when the weights become random cannot explain the weights. Three
similarities are compared because they disagree: Spearman's rank correlation looks at the order of
pixels, SSIM at local structure (high for all smooth maps), HOG correlation at edges. Each returns
one number per image; 1 = the same. A constant map is similar to nothing: 0, never NaN.

Source: Adebayo et al. 2018, "Sanity Checks for Saliency Maps", arXiv 1810.03292. Always show
`metrics.sobel_edges` beside the maps: it passes no check, and looks just as convincing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, cross_entropy
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from camlite.checks import a_number, at_least_one, finite, finite_floats, one_of
from camlite.cutting.running import check_images, evaluation_mode, plain_arithmetic, whole
from camlite.maps import constant, minmax, up
from camlite.methods.gradient import grad_cam
from camlite.metrics.shared import classes_of, pearson
from camlite.perturb import noise, own_generator
from camlite.scores import Target, class_numbers
from camlite.split import Layer, chosen_layer, layer_name

Method = Callable[..., Tensor]  # (model, layer, images, target) -> maps


@dataclass(frozen=True)
class Randomization:
    """layers: "original" and then the layer made random in each of the S steps.

    maps (S + 1, N, h, w) raw; similarity: name -> (S + 1, N), to the original's map; blank
    (S + 1, N): constant maps, whose similarity is set to 0; protocol: the choices made.
    """

    layers: list[str]
    maps: Tensor
    similarity: dict[str, Tensor]
    blank: Tensor
    protocol: dict[str, Any]


def cascading_randomization(
    model: nn.Module,
    layer: Layer | Sequence[Layer],
    images: Tensor,
    target: Target = None,
    *,
    method: Method = grad_cam,
    order: str = "cascading",
    how: str = "reset",
    recompute_batch_norm: bool = False,
    upsample: bool = True,
    generator: torch.Generator | None = None,
) -> Randomization:
    """Makes the layers random from the logits down, and compares the maps after each step.

    `order="cascading"`: every step also keeps the layers before it random. "independent": only
    one layer is random at a time. `how="reset"` draws weights as for a new network, "shuffle"
    permutes each tensor's own values, which keeps their distribution. Similarity should fall
    quickly; a method whose maps stay alike shows the image, not the model. Guided backpropagation
    is known to fail.

    Works on a copy: your model is not touched. The class is the original model's choice in all
    steps. "reset" also resets BatchNorm's statistics; `recompute_batch_norm` measures them again
    on `images` after each step. Maps are compared at the image's size, as in the paper, or at
    their own with `upsample=False`. Pixel methods: give `method=lambda m, layer, x, c: …`.

    Pitfalls: one random draw is one sample, so repeat with several generators; a ReLU can make a
    whole map 0 (`blank`); scaling hides maps that merely grow weak.
    Shapes: images (N, C, H, W), S randomised layers. Source: Adebayo et al. 2018, arXiv 1810.03292.

    >>> run = camlite.sanity.cascading_randomization(model, "features", images)
    >>> run.layers[:3], run.similarity["spearman"].shape
    (['original', 'classifier', 'features.10'], torch.Size([10, 2]))
    """
    one_of("order", order, ("cascading", "independent"))
    one_of("how", how, ("reset", "shuffle"))
    where = _by_name(model, layer, images)
    c = classes_of(model, images, target, batch_size=32)
    random = _private_copy(model)
    original = copy.deepcopy(random.state_dict())
    steps, g = layers_from_top(random, images), own_generator(generator)
    maps = [method(model, where, images, c).detach()]
    for name in steps:
        if order == "independent":
            random.load_state_dict(original)
        randomize(random.get_submodule(name), how=how, generator=g)
        if recompute_batch_norm:
            _measure_batch_norm(random, images)
        maps.append(method(random, where, images, c).detach())
    M = torch.stack(maps)
    return Randomization(
        ["original", *steps],
        M,
        _compare(M, images, upsample),
        torch.stack([constant(m) for m in _one_map_each(M, images)]),
        {
            "method": getattr(method, "__name__", "method"),
            "order": order,
            "how": how,
            "recompute_batch_norm": recompute_batch_norm,
            "upsample": upsample,
            "scaling": "min-max",
        },
    )


def _compare(M: Tensor, images: Tensor, upsample: bool) -> dict[str, Tensor]:
    M = _one_map_each(M, images)
    size = images.shape[2:] if upsample else M.shape[2:]
    heat = [minmax(up(m, size), dims=len(size)) for m in M]
    measures = SIMILARITIES if len(size) == 2 else {"spearman": spearman}
    return {n: torch.stack([f(heat[0], h) for h in heat]) for n, f in measures.items()}


def _one_map_each(M: Tensor, images: Tensor) -> Tensor:
    """(S, N, h, w); pixel methods give (S, N, C, H, W): the largest |M| over the colours."""
    return M.abs().amax(2) if M.dim() == images.dim() + 1 else M


def _by_name(model: nn.Module, layer: Any, images: Tensor) -> Any:
    """The layer by its name: a module of the model is not a module of the copy."""
    if isinstance(layer, (list, tuple)):
        return [layer_name(model, each) for each in layer]
    return chosen_layer(model, layer, images)


def layers_from_top(model: nn.Module, images: Tensor) -> list[str]:
    """Names of the modules with weights of their own, the last to run first.

    The order is that in which a forward pass of the first image uses the weights; weights that it
    does not use are left out.

    >>> camlite.sanity.layers_from_top(model, images)[:3]
    ['classifier', 'features.10', 'features.9']
    """
    check_images(model, images)
    own = {m: n for n, m in model.named_modules() if any(True for _ in m.parameters(recurse=False))}
    seen = _WeightsInUse(model)
    hooks = [m.register_forward_pre_hook(lambda m, args: seen.names.append(own[m])) for m in own]
    try:
        with seen:
            whole(model)(images[:1].detach())
    finally:
        for hook in hooks:
            hook.remove()
    return list(dict.fromkeys(name for name in reversed(seen.names) if not _is_rule(name)))


class _WeightsInUse(TorchFunctionMode):
    """While active, the names of the modules whose weights are used, in order: also of modules
    that do not run themselves, such as the last layer of `nn.MultiheadAttention`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names: list[str] = []
        self.owner = {
            id(p): name
            for name, module in model.named_modules()
            for p in _own_parameters(module)
            if not _is_rule(name)
        }

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        for used in tree_leaves((args, kwargs)):
            if isinstance(used, nn.Parameter) and id(used) in self.owner:
                self.names.append(self.owner[id(used)])
        return func(*args, **(kwargs or {}))


def _is_rule(name: str) -> bool:
    """Is it a part of `torch.nn.utils.parametrize`, and not a layer?"""
    return "parametrizations" in name.split(".")


def _own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """The module's own parameters, also those from which its weights are computed."""
    rules: Any = getattr(module, "parametrizations", None)
    computed_from = [] if rules is None else rules.parameters()
    return [*module.parameters(recurse=False), *computed_from]


def _private_copy(model: nn.Module) -> nn.Module:
    """`copy.deepcopy`, also where the model keeps tensors with a graph, as weight_norm does."""
    kept = [v for m in model.modules() for v in (*vars(m).values(), *m._buffers.values())]
    graphs = [v for v in kept if isinstance(v, Tensor) and not v.is_leaf]
    return copy.deepcopy(model, {id(v): v.detach().clone() for v in graphs})


@torch.no_grad()
def randomize(
    module: nn.Module, *, how: str = "reset", generator: torch.Generator | None = None
) -> None:
    """Makes the module's own weights random, in place.

    "reset": as PyTorch initialises a new module; weights without such a rule, or that it does not
    reach (of `weight_norm`), are drawn from a normal distribution with their own mean and
    deviation. "shuffle": a permutation of each tensor.

    >>> head = torch.nn.Linear(2, 3)
    >>> before = head.weight.clone()
    >>> randomize(head)
    >>> torch.equal(head.weight, before)
    False
    """
    one_of("how", how, ("reset", "shuffle"))
    g = own_generator(generator)
    reset = getattr(module, "reset_parameters", None)
    before = [p.clone() for p in _own_parameters(module)]
    if how == "reset" and callable(reset):
        with _seeded(g):
            reset()
    for p, old in zip(_own_parameters(module), before, strict=True):
        if not torch.equal(p, old):
            continue
        if how == "shuffle":
            places = torch.randperm(p.numel(), generator=g, device=g.device).to(p.device)
            p.copy_(p.flatten()[places].reshape(p.shape))
        else:
            p.copy_(p.mean() + p.std(correction=0) * noise(p.shape, g, like=p))


@contextmanager
def _seeded(generator: torch.Generator) -> Iterator[None]:
    """PyTorch's initialisers take no generator: its next number seeds them, for a while."""
    seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def _measure_batch_norm(model: nn.Module, images: Tensor) -> None:
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [m.momentum for m in norms]
    with evaluation_mode(model), plain_arithmetic(images.detach()):
        for m in norms:
            m.reset_running_stats()
            m.training, m.momentum = True, None  # None: the plain average of what it sees
        model(images.detach().clone())
    for m, momentum in zip(norms, momenta, strict=True):
        m.momentum = momentum


# ------------------------------------------------------------------ how alike are two maps?


def spearman(a: Tensor, b: Tensor, *, absolute: bool = False) -> Tensor:
    """Spearman's rank correlation: the correlation of the pixels' ranks, −1 to 1. (N,)

    Equal values share their mean rank. `absolute=True` ranks |a| and |b|: for signed maps the
    paper reports both. Constant maps: 0. Shapes: both (N, h, w) or (N, l).

    >>> M = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    >>> [round(float(spearman(M, other)), 3) for other in (M**3, -M)]
    [1.0, -1.0]
    """
    from scipy.stats import rankdata

    a, b = (M.abs() if absolute else M for M in _pair(a, b))
    rank = [torch.from_numpy(rankdata(M.flatten(1).numpy(), axis=1)) for M in (a, b)]
    return torch.where(constant(a) | constant(b), 0.0, pearson(rank[0], rank[1]))


def ssim(a: Tensor, b: Tensor, *, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Structural similarity of maps scaled to [0, 1]: mean over windows, −1 to 1. (N,)

    SSIM = (2 μ_a μ_b + C1)(2 σ_ab + C2) / ((μ_a² + μ_b² + C1)(σ_a² + σ_b² + C2)), with Gaussian
    windows, C1 = 0.01², C2 = 0.03². Only windows inside the map count; on maps smaller than
    `window` it is the largest odd number that fits. Constant maps: 0.
    Pitfall: smooth, coarse maps have high values whatever they show.
    Shapes: both (N, H, W). Source: Wang, Bovik, Sheikh, Simoncelli 2004, IEEE TIP 13 (4).

    >>> heat = camlite.heatmap(camlite.grad_cam(model, "features", images), (48, 48))
    >>> [round(value, 3) for value in ssim(heat, heat).tolist()]
    [1.0, 1.0]
    """
    at_least_one(window=window)
    a_number("sigma", sigma, low=0, open=True)
    a, b = (M.double() for M in _pair(a, b, dims=3))
    if bool((torch.minimum(a, b) < 0).any() or (torch.maximum(a, b) > 1).any()):
        raise ValueError("ssim compares maps in [0, 1]: use heatmap or minmax first")
    fits = min(window, *a.shape[1:])
    x = torch.arange(fits - 1 + fits % 2, dtype=torch.float64)
    k = torch.exp(-((x - (len(x) - 1) / 2) ** 2) / (2 * sigma**2))
    k = k / k.sum()
    μa, μb, aa, bb, ab = (_smooth(M, k) for M in (a, b, a * a, b * b, a * b))
    C1, C2 = 0.01**2, 0.03**2
    S = (2 * μa * μb + C1) * (2 * (ab - μa * μb) + C2)
    S = S / ((μa**2 + μb**2 + C1) * (aa - μa**2 + bb - μb**2 + C2))
    return torch.where(constant(a) | constant(b), 0.0, S.flatten(1).mean(1))


def _smooth(M: Tensor, k: Tensor) -> Tensor:
    """Weighted means over all windows that lie inside the maps (N, H, W)."""
    for _ in range(2):  # along one axis, then along the other
        N, H, W = M.shape
        M = conv1d(M.reshape(N * H, 1, W), k[None, None]).reshape(N, H, -1).transpose(1, 2)
    return M


def hog_correlation(a: Tensor, b: Tensor, *, cell: int | None = None) -> Tensor:
    """The correlation of the maps' histograms of oriented gradients: are the edges alike? (N,)

    −1 to 1. `cell` is the side of a cell in pixels: 16, as in the paper, or as large as three
    cells fit into the map. Constant maps: 0. Shapes: both (N, H, W).

    >>> M = torch.eye(12)[None]
    >>> [round(float(hog_correlation(M, other)), 3) for other in (M, 5 * M)]
    [1.0, 1.0]
    """
    a, b = _pair(a, b, dims=3)
    cell = max(1, min(16, min(a.shape[1:]) // 3)) if cell is None else cell
    return torch.where(constant(a) | constant(b), 0.0, pearson(hog(a, cell), hog(b, cell)))


def hog(maps: Tensor, cell: int = 16, orientations: int = 9, block: int = 3) -> Tensor:
    """Histograms of oriented gradients: maps (N, H, W) -> (N, features), float64.

    Gradients by central differences (0 at the border); in each cell a histogram of their
    orientation over 180°, weighted by strength; blocks of 3×3 cells normalised by "L2-Hys" (L2,
    clipped at 0.2, L2 again). Equal to scikit-image's `hog`, which is no dependency of camlite.
    Source: Dalal and Triggs 2005, CVPR.

    >>> hog(torch.rand(2, 48, 48)).shape  # 3×3 cells of 16 pixels: one block of 9 cells
    torch.Size([2, 81])
    """
    at_least_one(cell=cell, orientations=orientations, block=block)
    finite_floats("maps", maps)
    M = maps.detach().cpu().double()
    N, H, W = M.shape
    rows, cols = H // cell, W // cell
    if min(rows, cols) < block:
        raise ValueError(
            f"maps of {H}×{W} hold {rows}×{cols} cells of {cell} pixels; "
            f"{block}×{block} are needed: upsample the maps or take smaller cells"
        )
    dy, dx = torch.zeros_like(M), torch.zeros_like(M)
    dy[:, 1:-1] = M[:, 2:] - M[:, :-2]
    dx[:, :, 1:-1] = M[:, :, 2:] - M[:, :, :-2]
    angle = torch.rad2deg(torch.atan2(dy, dx)) % 180
    which = (angle / (180 / orientations)).long().clamp(max=orientations - 1)
    votes = nn.functional.one_hot(which, orientations) * torch.hypot(dy, dx)[..., None]
    votes = votes[:, : rows * cell, : cols * cell].reshape(N, rows, cell, cols, cell, orientations)
    cells = votes.mean((2, 4))  # (N, rows, cols, orientations)
    blocks = cells.unfold(1, block, 1).unfold(2, block, 1).movedim(3, -1)  # (N, ·, ·, 3, 3, 9)
    blocks = blocks.flatten(3)
    for limit in (0.2, float("inf")):
        blocks = (blocks / (blocks.square().sum(-1, keepdim=True) + 1e-10).sqrt()).clamp(max=limit)
    return blocks.flatten(1)


SIMILARITIES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "spearman": spearman,
    "ssim": ssim,
    "hog": hog_correlation,
}


def _pair(a: Tensor, b: Tensor, dims: int | None = None) -> list[Tensor]:
    if a.shape != b.shape or a.dim() < 2 or (dims is not None and a.dim() != dims):
        want = "(N, H, W)" if dims else "(N, h, w) or (N, l)"
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"needs two sets of maps {want} of one shape, not {shapes}")
    finite("one of the maps", torch.stack([a, b]))
    return [M.detach().cpu() for M in (a, b)]


# ------------------------------------------------------------------ the data randomisation test


@dataclass(frozen=True)
class RandomLabels:
    """A network that learned wrong labels by heart; accuracy: of each epoch, on those labels."""

    model: nn.Module
    labels: Tensor
    accuracy: list[float]


def train_on_random_labels(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int = 200,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    stop_at: float = 0.99,
    generator: torch.Generator | None = None,
) -> RandomLabels:
    """The data randomisation test: a fresh copy of the model learns permuted labels by heart.

    A map that looks the same for this network and for the properly trained one does not show
    what was learned. Compare both with `spearman`, `ssim` and `hog_correlation`, on the class of
    the true label. The copy has random weights at first, is trained with Adam until it knows
    `stop_at` of the labels, and is returned in evaluation mode; your model is not touched.

    Check the last `accuracy`: a network that did not learn the labels proves nothing. Use few
    images and a network that can remember them: a linear layer behind a flattened map can, global
    average pooling hardly. Shapes: images (N, C, H, W), labels (N,) whole numbers.
    Source: Adebayo et al. 2018, arXiv 1810.03292.

    >>> wrong = camlite.sanity.train_on_random_labels(model, images, torch.tensor([0, 1]), epochs=1)
    >>> wrong.labels.shape, len(wrong.accuracy)
    (torch.Size([2]), 1)
    """
    check_images(model, images)
    labels = class_numbers(labels, "labels")
    if labels.shape != images.shape[:1] or len(labels) < 2:
        raise ValueError(f"labels {tuple(labels.shape)} do not fit images {tuple(images.shape)}")
    at_least_one(epochs=epochs, batch_size=batch_size)
    a_number("learning_rate", learning_rate, low=0, open=True)
    a_number("stop_at", stop_at, 0, 1)
    C = whole(model)(images[:1].detach()).shape[1]
    if bool((labels < 0).any() or (labels >= C).any()):
        raise ValueError(f"labels must be classes of the model, 0 to {C - 1}")
    net, g = _private_copy(model).train(), own_generator(generator)
    for name, module in net.named_modules():
        if _own_parameters(module) and not _is_rule(name):
            randomize(module, generator=g)
    wrong = labels[torch.randperm(len(labels), generator=g, device=g.device).to(labels.device)]
    adam = torch.optim.Adam(net.parameters(), lr=learning_rate)
    accuracy: list[float] = []
    with torch.enable_grad(), _seeded(g):
        while len(accuracy) < epochs and (not accuracy or accuracy[-1] < stop_at):
            known = 0
            for some in torch.randperm(len(wrong)).to(wrong.device).split(batch_size):
                Y = net(images[some])
                adam.zero_grad()
                cross_entropy(Y, wrong[some]).backward()
                adam.step()
                known += int((Y.argmax(1) == wrong[some]).sum())
            accuracy.append(known / len(wrong))
    return RandomLabels(net.eval(), wrong, accuracy)
