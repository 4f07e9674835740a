"""Asking the network about changed images: many forward passes, masks, fills, noise.

The score, group and perturbation methods are built on these few functions. Letters: X an image,
X_b its baseline, F (N, K, h, w) feature maps, H_k the mask made of channel k, Y the score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Real

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, conv2d
from tqdm import tqdm

from camlite.checks import a_number, at_least_one, finite, one_of
from camlite.cutting.fused import fast
from camlite.maps import constant, minmax, up
from camlite.scores import Target, score

Fill = str | float | Tensor | Callable[[Tensor], Tensor]
Scorer = Callable[[int, Tensor], Tensor]


# ------------------------------------------------------------------ the network as a function


def scorer(model: nn.Module, images: Tensor, c: Target, probability: bool) -> Scorer:
    """Y(n, X): the score of image n's class for any images X (B, C, H, W) -> (B,).

    `c` is what `scores.chosen` returns: the class of each image, (N,), or a function. The score
    is the logit, or the softmax probability. Raises ValueError for a score that is not finite.
    """
    f = fast(model, images)

    def Y(n: int, X: Tensor) -> Tensor:
        logits = f(X.detach())
        of_class = int(c[n]) if isinstance(c, Tensor) else c
        return score(logits.softmax(1) if probability else logits, of_class)

    return Y


def at_once(images: Tensor, batch_size: int | None) -> int:
    """How many images to run together: `batch_size`, or as many pixels as suit the machine.

    Measured for ResNet50 at 224×224: on a CPU 8 images are as fast as more and need less memory.
    """
    if batch_size is None:
        few, most = (8, 64) if images.device.type == "cpu" else (128, 1024)
        return max(1, min(most, few * 224 * 224 // images[0, 0].numel()))
    at_least_one(batch_size=batch_size)
    return int(batch_size)


# ------------------------------------------------------------------ masks


def masks(
    F: Tensor, size: Sequence[int], B: int, progress: bool = False, name: str = ""
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(n, k, H): some channels k (B,) of image n and their masks H = s(Up(F_k)), (B, 1, H, W).

    Made when they are needed, B at a time: never all K. A constant channel has no mask (s is 0/0
    there) and is left out. Source: Wang et al. 2020 (Score-CAM, arXiv 1910.01279), Eq. 7 and 8.
    """
    alive = ~constant(F, F.dim() - 2)
    with tqdm(total=int(alive.sum()), desc=name, disable=not progress, unit="mask") as bar:
        for n in range(len(F)):
            for k in alive[n].nonzero()[:, 0].split(B):
                yield n, k, minmax(up(F[n, k], size), dims=len(size))[:, None]
                bar.update(len(k))


# ------------------------------------------------------------------ what fills the hole, and noise


def filled(images: Tensor, fill: Fill, name: str = "fill") -> Tensor:
    """What stands in the hole, for each of the images (N, C, H, W) or signals (N, C, L): (N, …).

    The one vocabulary of all methods and metrics, for `fill` (what a hidden place shows) and for
    `baseline` (the image at which a path or a difference begins):
    - a number, or "zero": 0 is the mean colour of the data set where images are normalised, and
      black where they are in [0, 1];
    - "mean": each image's own mean colour;
    - "blur": the image under RISE's blur, `blur`;
    - "strong_blur": the image under Group-CAM's, `strong_blur`: hardly more than its colours;
    - "original": the image itself;
    - a tensor like one image, (C, H, W) or (C, 1, 1), or like all of them;
    - a function images -> tensor.

    Raises ValueError for anything else, and for values that are not finite; `name` is what the
    message calls the argument.

    >>> images = torch.tensor([[[[0.0, 1.0]], [[4.0, 2.0]]]])  # two colours, two pixels
    >>> filled(images, "mean")
    tensor([[[[0.5000, 0.5000]],
    <BLANKLINE>
             [[3.0000, 3.0000]]]])
    """
    images = images.detach()
    if isinstance(fill, str):
        one_of(name, fill, tuple(_FILLS))
        out = _FILLS[fill](images)
    elif callable(fill):
        out = fill(images)
    elif isinstance(fill, Real) and not isinstance(fill, bool):
        out = torch.full_like(images, float(fill))
    else:
        out = fill  # type: ignore[assignment]
    return _like_images(out, images, name)


def _like_images(out: Tensor, images: Tensor, name: str) -> Tensor:
    """`out`, expanded to the images' shape; ValueError where it does not fit or is not finite."""
    if not isinstance(out, Tensor):
        raise ValueError(
            f"{name} must be a number, one of {', '.join(map(repr, _FILLS))}, a tensor like one "
            f"image {tuple(images.shape[1:])} or a function, not {type(out).__name__}"
        )
    finite(name, out)
    try:
        if 0 < out.dim() < images.dim() - 1:
            raise RuntimeError
        return out.detach().to(images).expand_as(images)
    except RuntimeError:
        raise ValueError(
            f"{name} has shape {tuple(out.shape)}, one image has {tuple(images.shape[1:])}"
        ) from None


def fill_name(fill: Fill) -> str:
    """How a protocol names a fill."""
    if isinstance(fill, Tensor):
        return f"tensor {tuple(fill.shape)}"
    return getattr(fill, "__name__", type(fill).__name__) if callable(fill) else str(fill)


def mean_colour(images: Tensor) -> Tensor:
    """Each image's mean over the positions, in the images' shape."""
    mean = images.flatten(2).mean(2)  # (N, C)
    return mean.reshape(*mean.shape, *[1] * (images.dim() - 2)).expand_as(images)


def blur(images: Tensor, width: int = 11, sigma: float = 5.0) -> Tensor:
    """RISE's blur of images (N, C, H, W) or signals (N, C, L), with its authors' two peculiarities.

    The kernel is a Gaussian-filtered impulse with reflecting borders, hence nearly flat: σ = 5 is
    wide for 11 pixels. Beyond the image it reads zeros, so borders fade towards 0.
    Source: Petsiuk et al. 2018, code of the authors (evaluation.py).
    """
    from scipy.ndimage import gaussian_filter1d

    impulse = torch.zeros(width, dtype=torch.float64)
    impulse[width // 2] = 1
    k = torch.from_numpy(gaussian_filter1d(impulse.numpy(), sigma)).to(images)
    C, signal = images.shape[1], images.dim() == 3
    kernel = k if signal else torch.outer(k, k)
    kernel = kernel.expand(C, 1, *kernel.shape)
    with torch.autocast(images.device.type, enabled=False):  # it would round to 16 bits
        return (conv1d if signal else conv2d)(images, kernel, padding=width // 2, groups=C)


def strong_blur(images: Tensor, kernel: int = 51, sigma: float = 50.0) -> Tensor:
    """Gaussian blur of images (N, C, H, W) or signals (N, C, L), mirrored at the border.

    The kernel shrinks to what a small image allows. Source of 51 and 50: Group-CAM's code.
    """
    from torchvision.transforms.functional import gaussian_blur  # a slow import, needed only here

    X = images if images.dim() == 4 else images[:, :, None]
    height, width = (min(kernel, 2 * s - 1) for s in X.shape[-2:])
    with torch.autocast(X.device.type, enabled=False):  # it would round to 16 bits
        return gaussian_blur(X, [width, height], [sigma, sigma]).reshape(images.shape)


_FILLS: dict[str, Callable[[Tensor], Tensor]] = {
    "zero": torch.zeros_like,
    "mean": mean_colour,
    "blur": blur,
    "strong_blur": strong_blur,
    "original": torch.clone,
}


def own_generator(generator: torch.Generator | None) -> torch.Generator:
    """The given generator, or a new one with seed 0: the global random state stays untouched."""
    if generator is None:
        return torch.Generator().manual_seed(0)
    if not isinstance(generator, torch.Generator):
        raise ValueError(
            "generator must be a torch.Generator, such as torch.Generator().manual_seed(5), "
            f"not {generator!r}"
        )
    return generator


def noise(shape: Sequence[int], generator: torch.Generator | None, like: Tensor) -> Tensor:
    """Standard normal numbers, drawn in float32 where the generator lives, then put to `like`.

    So float32 and float64, and CPU and GPU, see the same numbers.
    """
    generator = own_generator(generator)
    drawn = torch.randn(tuple(shape), generator=generator, device=generator.device)
    return drawn.to(device=like.device, dtype=like.dtype)


def noises(
    images: Tensor, samples: int, sigma: float, generator: torch.Generator | None
) -> Iterator[Tensor]:
    """SmoothGrad's noise ε for the images (N, …): normal, σ = sigma · (max − min) of each image.

    All images of a batch get the same noise up to its size, so a batch gives what its images give
    alone. Source: Smilkov et al. 2017, arXiv 1706.03825.
    """
    at_least_one(samples=samples)
    a_number("sigma", sigma, low=0)
    generator, axes = own_generator(generator), tuple(range(1, images.dim()))
    σ = sigma * (images.amax(axes, keepdim=True) - images.amin(axes, keepdim=True))
    for _ in range(samples):
        yield σ * noise(images.shape[1:], generator, images)
