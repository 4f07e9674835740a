"""Asking the network about changed images: many forward passes, masks, baselines, noise.

The score, group and perturbation methods are built on these few functions. Letters: X an image,
X_b its baseline, F (N, K, h, w) feature maps, H_k the mask made of channel k, Y the score.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from tqdm import tqdm

from camlite.cutting.graph import Stage
from camlite.cutting.running import check_images, evaluation_mode, plain_arithmetic, whole
from camlite.maps import minmax, up
from camlite.scores import Target, score

Baseline = str | float | Tensor
Scorer = Callable[[int, Tensor], Tensor]
_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


# ------------------------------------------------------------------ the network as a function


def fast(model: nn.Module, images: Tensor) -> Stage:
    """`whole(model)` for many forward passes without gradients: same results, less time.

    Runs the `fused` network; a network that cannot be fused is run as it is.
    """
    net = fused(model, images)
    if net is model:
        return whole(model)
    order = torch.channels_last if images.dim() == 4 else torch.preserve_format

    def f(X: Tensor) -> Tensor:
        with evaluation_mode(net), plain_arithmetic(X):
            return net(X.clone(memory_format=order))

    return f


def fused(model: nn.Module, images: Tensor) -> nn.Module:
    """A network for evaluation only, with the same outputs as `model`, but faster.

    Each convolution takes the BatchNorm behind it into its weights (the algebra is exact, the
    rounding differs: logits change by about 1e-6 of their size in float32), and its weights are
    stored in channels_last order. This needs a private copy of the convolutions' weights; the
    model is not touched. Where a network cannot be traced, or the logits of the first of `images`
    differ, `model` itself comes back.
    """
    check_images(model, images)
    first = images[:1].detach()
    try:
        with evaluation_mode(model):
            graph = _fused(model)
        Y, Y_fused = whole(model)(first), whole(graph)(first)
        same = bool((Y - Y_fused).abs().max() <= 1e-4 * Y.abs().max())
    except Exception:  # tracing runs the user's code on symbols: anything can happen
        return model
    return graph if same else model


def _fused(model: nn.Module) -> fx.GraphModule:
    """The traced network with private convolutions, each with its BatchNorm folded in."""
    net = fx.symbolic_trace(model)  # new containers around the model's own layers
    steps = [step for step in net.graph.nodes if step.op == "call_module"]
    layers = {step: net.get_submodule(step.target) for step in steps}
    for step in steps:
        conv = layers[step]
        if not isinstance(conv, _CONVS):
            continue
        users = list(step.users)
        norm = layers.get(users[0]) if len(users) == 1 else None
        if isinstance(norm, _NORMS) and norm.running_mean is not None:
            conv = fuse_conv_bn_eval(conv, norm)
            users[0].replace_all_uses_with(step)
            net.graph.erase_node(users[0])
        else:
            conv = copy.deepcopy(conv)
        order = torch.channels_last if isinstance(conv, nn.Conv2d) else torch.preserve_format
        net.add_submodule(step.target, conv.to(memory_format=order))
    net.recompile()
    return net


def scorer(model: nn.Module, images: Tensor, c: Target, probability: bool) -> Scorer:
    """Y(n, X): the score of image n's class for any images X (B, C, H, W) -> (B,).

    `c` is what `scores.chosen` returns: the class of each image, (N,), or a function. The score
    is the logit, or the softmax probability. Raises ValueError for a score that is not finite.
    """
    f = fast(model, images)

    def Y(n: int, X: Tensor) -> Tensor:
        logits = f(X.detach())
        of_class = int(c[n]) if isinstance(c, Tensor) else c
        scores = score(logits.softmax(1) if probability else logits, of_class)
        if not bool(torch.isfinite(scores).all()):
            raise ValueError("the model's score of a changed image is not finite: map undefined")
        return scores

    return Y


def at_once(images: Tensor, batch_size: int | None) -> int:
    """How many images to run together: `batch_size`, or as many pixels as suit the machine.

    Measured for ResNet50 at 224×224: on a CPU 8 images are as fast as more and need less memory.
    """
    if batch_size is None:
        few, most = (8, 64) if images.device.type == "cpu" else (128, 1024)
        return max(1, min(most, few * 224 * 224 // images[0, 0].numel()))
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number, 1 or more, not {batch_size!r}")
    return batch_size


# ------------------------------------------------------------------ masks


def masks(
    F: Tensor, size: Sequence[int], B: int, progress: bool = False, name: str = ""
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(n, k, H): some channels k (B,) of image n and their masks H = s(Up(F_k)), (B, 1, H, W).

    Made when they are needed, B at a time: never all K. A constant channel has no mask (s is 0/0
    there) and is left out. Source: Wang et al. 2020 (Score-CAM, arXiv 1910.01279), Eq. 7 and 8.
    """
    flat = F.flatten(2)
    alive = flat.amax(2) > flat.amin(2)
    with tqdm(total=int(alive.sum()), desc=name, disable=not progress, unit="mask") as bar:
        for n in range(len(F)):
            for k in alive[n].nonzero()[:, 0].split(B):
                yield n, k, minmax(up(F[n, k], size), dims=len(size))[:, None]
                bar.update(len(k))


# ------------------------------------------------------------------ baselines and noise


def blur(images: Tensor, kernel: int = 51, sigma: float = 50.0) -> Tensor:
    """Gaussian blur of images (N, C, H, W) or signals (N, C, L), mirrored at the border.

    The kernel shrinks to what a small image allows. Source of 51 and 50: Group-CAM's code.
    """
    from torchvision.transforms.functional import gaussian_blur  # a slow import, needed only here

    X = images if images.dim() == 4 else images[:, :, None]
    height, width = (min(kernel, 2 * s - 1) for s in X.shape[-2:])
    with torch.autocast(X.device.type, enabled=False):  # it would round to 16 bits
        return gaussian_blur(X, [width, height], [sigma, sigma]).reshape(images.shape)


def baseline_images(images: Tensor, baseline: Baseline) -> Tensor:
    """X_b for each image: "zero", "blur", "original", a number, or a tensor like one image.

    Zero is the mean colour where images are normalised, and black where they are in [0, 1].
    """
    if isinstance(baseline, Tensor):
        if baseline.shape not in (images.shape, images.shape[1:]):
            raise ValueError(
                f"baseline has shape {tuple(baseline.shape)}, one image has "
                f"{tuple(images.shape[1:])}"
            )
        return baseline.to(images).expand_as(images)
    if isinstance(baseline, (int, float)):
        return torch.full_like(images, float(baseline))
    made: dict[str, Callable[[Tensor], Tensor]] = {
        "zero": torch.zeros_like,
        "blur": blur,
        "original": torch.clone,
    }
    if baseline not in made:
        raise ValueError(
            f"baseline must be one of {', '.join(made)}, a number or a tensor, not {baseline!r}"
        )
    return made[baseline](images)


def own_generator(generator: torch.Generator | None) -> torch.Generator:
    """The given generator, or a new one with seed 0: the global random state stays untouched."""
    return generator if generator is not None else torch.Generator().manual_seed(0)


def noise(shape: Sequence[int], generator: torch.Generator | None, like: Tensor) -> Tensor:
    """Standard normal numbers, drawn in float32 where the generator lives, then put to `like`.

    So float32 and float64, and CPU and GPU, see the same numbers.
    """
    generator = own_generator(generator)
    drawn = torch.randn(tuple(shape), generator=generator, device=generator.device)
    return drawn.to(device=like.device, dtype=like.dtype)


def one_of(name: str, value: object, choices: Sequence[object]) -> None:
    """ValueError unless `value` is one of the choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def at_least_one(**counts: int) -> None:
    """ValueError unless each number is a whole number, 1 or more."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"{name} must be a whole number, 1 or more, not {count!r}")
