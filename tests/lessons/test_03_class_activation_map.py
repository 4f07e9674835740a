"""Lesson 3, checked: the class activation map, its sum, its scale, its size, its colours."""

from __future__ import annotations

import matplotlib
import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from camlite.course import Case, Exercise, normal

# ------------------------------------------------------------------ 3.1

class_activation_map = Exercise(
    "3.1",
    "class_activation_map",
    formula="M_c[x, y] = Σ_k W[c, k] · F_k[x, y]",
    hints=(
        "Each class owns one row of W: one weight for each feature map. The map is the sum of the "
        "feature maps, each times its weight.",
        "M_c[n, x, y] = Σ_k W[c, k] · F[n, k, x, y]. Only the channel axis k disappears. W[c] "
        "picks the rows; if c holds one class for each image, W[c] has shape (N, K).",
        "Pick the rows W[c], bring them to shape (N or 1, K, 1, 1), multiply with F, and sum over "
        "axis 1. Or name the axes in one einsum: n, k, x, y.",
    ),
)


@class_activation_map.cases
def _(rng):
    F, W = normal(rng, 2, 4, 5, 7), normal(rng, 4, 4)
    yield Case("two images, maps of 5×7, one class for both", F, W, 1)
    yield Case("a class for each image", F, W, torch.tensor([3, 0]))
    yield Case("one channel, one image", normal(rng, 1, 1, 3, 2), normal(rng, 3, 1), 2)
    F, W = normal(rng, 3, 6, 2, 3).abs(), -normal(rng, 5, 6).abs()
    yield Case("negative evidence everywhere", F, W, torch.tensor([4, 4, 2]))
    F, W = 1e4 * normal(rng, 2, 3, 4, 2), normal(rng, 4, 3)
    F[:, 1] = 0
    yield Case("a channel without any answer, huge values", F, W, torch.tensor([0, 3]))


@class_activation_map.reference
def _(F, W, c):
    N = len(F)
    c = torch.as_tensor(c).expand(N)
    return torch.stack([sum(W[c[n], k] * F[n, k] for k in range(F.shape[1])) for n in range(N)])


def rows(F, W, c):
    """W[c] for each image: (N, K)."""
    return W[torch.as_tensor(c).expand(len(F))]


def weighted_sum(weights, F):
    return torch.einsum("nk,nkxy->nxy", weights, F)


class_activation_map.teaches(
    {
        "W.mT": "You took a column of W. In PyTorch the rows of W are the classes: W has shape "
        "(C, K). (Keras stores it the other way round.)",
        "abs(W)": "You used the size of the weights without their sign. A negative weight says "
        "that this pattern speaks against the class.",
        "ones for W": "You added the feature maps without weights. Without W the map is the same "
        "for every class.",
        "softmax(W, 1)": "You made the weights a probability with softmax. CAM uses the weights of "
        "the linear layer as they are.",
        "sum(W, 0)": "You added up the maps of all classes. Only one row of W belongs to the class "
        "that is asked for.",
        "selection: then first for all": "You used the class of the first image for all images. "
        "c can hold one class for each image.",
        "sum over axis 1: mean": "You divided by the number of channels. The formula has a sum "
        "over k, not a mean.",
        "result: relu": "You cut the negative values off. The formula of CAM has no ReLU: a "
        "negative value says that this place speaks against the class.",
        "result: minmax": "You scaled the map to [0, 1] already. Keep the raw values: exercise 3.2 "
        "needs them, and scaling is exercise 3.3.",
        "result: sum 1 2": "You summed over space too. Only the channels are summed; x and y stay.",
    }
)
class_activation_map.wrongs(
    predicted_class=(
        lambda F, W, c: weighted_sum(W[(F.mean((2, 3)) @ W.T).argmax(1)], F),
        "You took the class that wins for each image. The map of class c is asked for, also where "
        "another class wins.",
    ),
    channels_not_summed=(
        lambda F, W, c: rows(F, W, c)[:, :, None, None] * F,
        "You weighted the feature maps but did not add them up: the channel axis must disappear.",
    ),
    every_class_with_every_image=(
        lambda F, W, c: torch.einsum("ck,nkxy->cnxy", W, F)[c],
        "You picked the classes after you had computed the maps of all images: now every class "
        "goes with every image. Image n belongs to class c[n] only, so the result is (N, h, w).",
    ),
    every_image_with_every_class=(
        lambda F, W, c: torch.einsum("ck,nkxy->ncxy", W, F)[:, c],
        "You took maps[:, c]: with one class for each image this gives every class for every "
        "image. Image n belongs to class c[n] only, so the result is (N, h, w).",
    ),
    divided_by_the_places=(
        lambda F, W, c: weighted_sum(rows(F, W, c), F) / F[0, 0].numel(),
        "You divided by the number of places. The map itself is not averaged: that comes in "
        "exercise 3.2.",
    ),
)

class_activation_map.accepts_all(
    einsum=lambda F, W, c: weighted_sum(rows(F, W, c), F),
    float64_inside=lambda F, W, c: (rows(F, W.double(), c)[..., None, None] * F.double()).sum(1),
    matmul=lambda F, W, c: (rows(F, W, c)[:, None] @ F.flatten(2)).reshape(len(F), *F.shape[2:]),
)


@class_activation_map.accepts
def broadcast(F, W, c):
    w = W[c] if torch.is_tensor(c) and c.dim() else W[c][None]
    return (w[:, :, None, None] * F).sum(dim=1)


@class_activation_map.accepts
def numpy_inside(F, W, c):
    F, W, c = F.numpy(), W.numpy(), np.broadcast_to(np.asarray(c), (len(F),))
    return torch.from_numpy(np.stack([np.tensordot(W[c[n]], F[n], axes=1) for n in range(len(F))]))


@class_activation_map.accepts
def one_by_one_convolution(F, W, c):
    """All class maps at once with a 1×1 convolution, then the asked ones."""
    every = functional.conv2d(F, W[:, :, None, None])
    return every[torch.arange(len(F)), torch.as_tensor(c).expand(len(F))]


# ------------------------------------------------------------------ 3.2

logit_from_map = Exercise(
    "3.2",
    "logit_from_map",
    formula="Y_c = (1/Z) Σ_xy M_c[x, y] + b_c,  Z = h·w",
    hints=(
        "GAP takes the mean over all positions. The mean of a weighted sum is the weighted sum of "
        "the means: so the mean of the map is almost the logit.",
        "Y_c = GAP(M_c) + b_c. What is still missing after the mean is the bias of class c.",
        "Take the mean over the last two axes of M, then add the bias.",
    ),
)


@logit_from_map.cases
def _(rng):
    M, bias = normal(rng, 2, 5, 7), normal(rng, 2)
    yield Case("two images, maps of 5×7, a bias for each image", M, bias)
    yield Case("one number as the bias of all", normal(rng, 3, 2, 3), torch.tensor(-1.5))
    yield Case("one image", normal(rng, 1, 1, 4), normal(rng, 1))
    M = normal(rng, 2, 4, 3) + torch.tensor([2.0, -2.0])[:, None, None]
    yield Case("one logit is positive, one negative", M, 0.1 * normal(rng, 2))


@logit_from_map.reference
def _(M, bias):
    return M.mean(dim=(1, 2)) + bias


def at_every_position(M, bias):
    return M + bias.expand(len(M))[:, None, None]


logit_from_map.teaches(
    {
        "mean over axes 1 and 2: amax": "You took the maximum of the map. That would be global max "
        "pooling; the network has global average pooling.",
        "mean over axes 1 and 2: square of height": "You divided by h·h. The map need not be "
        "square: there are h·w places.",
        "zeros for bias": "You forgot the bias: the mean of the map is the logit without b_c.",
        "neg(bias)": "You subtracted the bias. The linear layer adds it.",
        "relu(M)": "You cut off negative values before the mean. Then the sum is not the logit any "
        "more: the negative evidence is missing.",
        "mean(M, 0)": "You took the mean over the images too. Each image has its own logit.",
    }
)
logit_from_map.wrongs(
    sum_instead_of_mean=(  # declared: the tests of the course ask for a diagnosis by this name
        lambda M, bias: M.sum((1, 2)) + bias,
        "You summed the map. GAP takes the mean: your value is larger by the factor h·w.",
    ),
    bias_at_every_position=(
        lambda M, bias: at_every_position(M, bias).sum((1, 2)),
        "You added the bias at every position and then summed it up: b_c is counted h·w times.",
    ),
    relu_after_the_bias=(
        lambda M, bias: logit_from_map.right(M, bias).relu(),
        "You cut off negative logits. A logit may be negative: it then speaks against the class.",
    ),
    one_axis_averaged=(
        lambda M, bias: M.mean(2) + bias.expand(len(M))[:, None],
        "You averaged one axis only. All places of the map disappear: the result is (N,).",
    ),
    bias_averaged=(
        lambda M, bias: (M.sum((1, 2)) + bias) / M[0].numel(),
        "You divided the bias by the number of places too. Only the map is averaged; the bias is "
        "added once.",
    ),
)

logit_from_map.accepts_all(
    flatten_first=lambda M, bias: M.flatten(1).mean(1) + bias,
    divide_by_hand=lambda M, bias: torch.stack([m.sum() / (len(m) * len(m[0])) for m in M]) + bias,
    pooling_layer=lambda M, bias: functional.adaptive_avg_pool2d(M[:, None], 1).flatten() + bias,
    bias_inside_the_mean=lambda M, bias: at_every_position(M, bias).mean((1, 2)),
    numpy_and_float64=lambda M, bias: M.numpy().astype(float).mean(axis=(1, 2)) + bias.numpy(),
)


# ------------------------------------------------------------------ 3.3

normalize = Exercise(
    "3.3",
    "normalize",
    formula="(M − min M) / (max M − min M), for each image",
    hints=(
        "Move the smallest value of each map to 0 and its largest to 1. Each image has its own two "
        "values.",
        "s(M) = (M − min M) / (max M − min M). Where max = min the denominator is 0: a constant "
        "map shows nothing, so its answer is zeros.",
        "Take amin and amax over the last two axes with keepdim, and let torch.where choose zeros "
        "where the largest value equals the smallest.",
    ),
)


@normalize.cases
def _(rng):
    M = normal(rng, 3, 5, 7)
    ranges = torch.tensor([1.0, 20.0, 0.01])[:, None, None]
    yield Case("three maps with different ranges", M * ranges)
    yield Case("the second map is constant", torch.stack([M[0], torch.full((5, 7), 2.5), M[1]]))
    yield Case("only negative values", -normal(rng, 2, 4, 3).abs() - 1)
    yield Case("only positive values", normal(rng, 2, 3, 5).abs() + 1)
    yield Case("tiny values", normal(rng, 1, 2, 6) * 1e-6)


def lowest(M):
    return M.amin((1, 2), keepdim=True)


def highest(M):
    return M.amax((1, 2), keepdim=True)


def fraction(above, below, constant=0.0):
    """above / below for each map, and `constant` where a map has nothing below the line."""
    return torch.where(below != 0, above / below, constant)


@normalize.reference
def _(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))


normalize.teaches(
    {
        "difference #2: only first": "You divided by the maximum only. After subtracting the "
        "minimum the largest value is max − min.",
        "relu(M)": "You cut off negative values first. Min-max scaling keeps the whole range: the "
        "smallest value becomes 0, whatever its sign.",
        "result: minmax of 2": "You scaled each row of the map on its own. The minimum and the "
        "maximum are those of the whole map.",
    }
)
normalize.teaches(  # 1e-10 and less changes nothing that counts: accepted below
    {
        f"quotient: + 1e-{power} below": "A small number in the denominator changes maps with small "
        "values. Test for max = min instead of adding an epsilon."
        for power in range(3, 10)
    }
)
normalize.wrongs(
    one_range_for_all=(
        lambda M: (M - M.min()) / (M.max() - M.min()),
        "You used one minimum and one maximum for all images. Each map needs its own.",
    ),
    minimum_kept=(
        lambda M: fraction(M, highest(M) - lowest(M)),
        "You did not subtract the minimum: the smallest value must become 0.",
    ),
    parentheses_missing=(
        lambda M: (M - lowest(M)) / highest(M) - lowest(M),
        "You divided by max and then subtracted min: Python divides first. Put max − min in "
        "parentheses.",
    ),
    divided_by_the_largest_absolute_value=(
        lambda M: M / highest(M.abs()),
        "You divided by the largest absolute value. Then zero stays zero, which is often better; "
        "but here the formula asks for min-max scaling to [0, 1].",
    ),
    standardized=(
        lambda M: fraction(M - M.mean((1, 2), keepdim=True), M.std((1, 2), keepdim=True)),
        "You subtracted the mean and divided by the standard deviation. That is standardization; "
        "here the result must lie in [0, 1].",
    ),
    constant_map_is_nan=(
        lambda M: (M - lowest(M)) / (highest(M) - lowest(M)),
        "A constant map gave NaN: max − min is 0 there. Return zeros for such a map.",
    ),
    constant_map_is_ones=(
        lambda M: fraction(M - lowest(M), highest(M) - lowest(M), 1.0),
        "A constant map gave ones. It points nowhere: return zeros for it.",
    ),
    constant_map_is_kept=(
        lambda M: fraction(M - lowest(M), highest(M) - lowest(M), M),
        "A constant map kept its values. It points nowhere: return zeros for it.",
    ),
    small_is_not_constant=(
        lambda M: torch.where(highest(M) - lowest(M) > 1e-5, normalize.right(M), 0.0),
        "You took a map with small values for a constant one. A map may have values of a "
        "millionth: only where max = min is it constant.",
    ),
    one_constant_map_stops_all=(
        lambda M: normalize.right(M) * (highest(M) > lowest(M)).all(),
        "One constant map made all maps of the batch zero. Each map is judged on its own.",
    ),
)

normalize.accepts_all(
    negligible_epsilon=lambda M: (M - lowest(M)) / (highest(M) - lowest(M) + 1e-12),
    nan_to_num=lambda M: torch.nan_to_num((M - lowest(M)) / (highest(M) - lowest(M))),
    denominator_not_below_a_tiny_number=lambda M: (
        (M.double() - lowest(M)) / (highest(M).double() - lowest(M)).clamp_min(1e-30)
    ),
)


@normalize.accepts
def loop(M):
    result = torch.zeros_like(M)
    for n in range(len(M)):
        low, high = M[n].min(), M[n].max()
        if high > low:
            result[n] = (M[n] - low) / (high - low)
    return result


@normalize.accepts
def numpy_answer(M):
    M = M.numpy()
    low, span = M.min((1, 2), keepdims=True), np.ptp(M, axis=(1, 2), keepdims=True)
    return np.divide(M - low, span, out=np.zeros_like(M), where=span > 0)


# ------------------------------------------------------------------ 3.4

upsample = Exercise(
    "3.4",
    "upsample",
    formula="bilinear interpolation of (N, h, w) to (N, H, W), align_corners=False",
    hints=(
        "torch.nn.functional.interpolate does the work. It wants images with a channel axis.",
        "interpolate needs (N, 1, h, w). size is (H, W), the mode is bilinear, and pixels are "
        "areas: align_corners=False.",
        "Add a channel axis with M[:, None], interpolate to size, and take the axis away with [:, 0].",
    ),
)


@upsample.cases
def _(rng):
    yield Case("two maps of 5×7 to 10×21", normal(rng, 2, 5, 7), (10, 21))
    yield Case("one map of 3×2 to 9×9", normal(rng, 1, 3, 2), (9, 9))
    yield Case("the same size: nothing changes", normal(rng, 2, 4, 6), (4, 6))
    yield Case("three maps of 2×3 to 7×4, no whole factor", normal(rng, 3, 2, 3), (7, 4))


def right_size(M, size, **options):
    return functional.interpolate(M[:, None], size, mode="bilinear", **options)[:, 0]


def factors(M, size):
    return size[0] / M.shape[1], size[1] / M.shape[2]


@upsample.reference
def _(M, size):
    return functional.interpolate(M[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


upsample.teaches(
    {
        "resizing: nearest": "You used the nearest pixel. The map then shows blocks; bilinear "
        "interpolation mixes the four neighbours.",
        "resizing: aligned": "You set align_corners=True: pixels are then points, and the corners "
        "of both grids coincide. Use align_corners=False: pixels are areas.",
        "resizing: bicubic": "You used bicubic interpolation. It overshoots: values appear that "
        "are larger than any value of the map.",
        "size reversed": "Height and width are exchanged. size is (H, W): rows first.",
        "minmax(M)": "You enlarged a scaled map. Here the values stay as they are: scaling is "
        "exercise 3.3.",
        "result: unsqueeze 1": "The channel axis that interpolate needs is still there. Take it "
        "away again: the result has shape (N, H, W).",
        "result: first, kept": "Only the first map came back. The result has one map for each "
        "image.",
    }
)
upsample.wrongs(
    channel_axis_missing=(
        lambda M, size: functional.interpolate(M, size=size, mode="bilinear"),
        "interpolate did not find the axes that its mode needs. mode='bilinear' wants four: "
        "(N, channels, h, w).",
    ),
    one_factor_for_both_sides=(
        lambda M, size: right_size(M, None, scale_factor=factors(M, size)[0]),
        "You enlarged both sides by the same factor. size says how large each side shall be.",
    ),
    spline=(
        lambda M, size: torch.from_numpy(ndimage.zoom(M, (1, *factors(M, size)), order=2)),
        "A spline of order 2 overshoots, and its grid aligns the corners. Use bilinear "
        "interpolation.",
    ),
    repeated_values=(
        lambda M, size: torch.kron(M, torch.ones([int(f) for f in factors(M, size)])),
        "You repeated each value. The map then shows blocks, and whole factors only are possible; "
        "bilinear interpolation mixes the four neighbours.",
    ),
)


upsample.accepts_all(
    upsample_module=lambda M, size: torch.nn.Upsample(size, mode="bilinear")(M[:, None]).squeeze(1),
    images_as_channels=lambda M, size: functional.interpolate(M[None], size, mode="bilinear")[0],
    one_map_after_the_other=lambda M, size: np.stack(
        [right_size(one[None].double(), list(size))[0].numpy() for one in M]
    ),
)


@upsample.accepts
def by_hand(M, size):
    def weights(n, N):
        at = ((torch.arange(N) + 0.5) * n / N - 0.5).clamp(0, n - 1)
        low = at.floor().long().clamp(max=n - 1)
        high = (low + 1).clamp(max=n - 1)
        A = torch.zeros(N, n)
        A[torch.arange(N), low] += 1 - (at - low)
        A[torch.arange(N), high] += at - low
        return A

    return weights(M.shape[1], size[0]) @ M @ weights(M.shape[2], size[1]).T


# ------------------------------------------------------------------ 3.5

overlay = Exercise(
    "3.5",
    "overlay",
    formula="(1 − alpha) · image + alpha · jet(heat)",
    hints=(
        "The colour map jet turns each number of heat into a colour. The picture is a mix of the "
        "image and these colours.",
        "(1 − alpha) · image + alpha · jet(heat). A grey image (H, W) needs three equal channels; "
        "matplotlib's jet gives four: red, green, blue and opacity.",
        "Get the colours with matplotlib.colormaps['jet'](heat), keep the first three channels, "
        "stack a grey image three times on the last axis, and mix.",
    ),
    rtol=2.5e-2,  # one step of a table with 256 colours
)


@overlay.cases
def _(rng):
    grey, heat = torch.rand(5, 7, generator=rng), torch.rand(5, 7, generator=rng)
    yield Case("a grey image", grey, heat)
    colour = torch.rand(4, 6, 3, generator=rng)
    yield Case("a colour image and alpha 0.3", colour, torch.rand(4, 6, generator=rng), 0.3)
    yield Case("weak heat, nothing above 0.4", grey, 0.4 * heat)
    yield Case("alpha 0: only the image", grey, heat, 0.0)
    yield Case("alpha 1: only the colours", grey, heat, 1.0)


def jet(heat, name="jet"):
    return torch.from_numpy(matplotlib.colormaps[name](heat.numpy())).float()[..., :3]


def as_colour(image):
    return image if image.dim() == 3 else image[..., None].expand(*image.shape, 3)


def mixed(image, colours, alpha):
    return (1 - alpha) * as_colour(image) + alpha * colours


@overlay.reference
def _(image, heat, alpha=0.5):
    return (1 - alpha) * as_colour(image) + alpha * jet(heat)


overlay.teaches(
    {
        "1 - alpha": "You used alpha for the image. alpha is the share of the heat.",
        "0.5 for alpha": "alpha is not used: you always mixed half and half.",
        "1 - heat": "You turned the colour map round: here hot is blue. Small heat is blue, large "
        "is red.",
        "result: last axis first": "The channels are on the first axis. Pictures for matplotlib "
        "are (H, W, 3).",
    }
)
overlay.wrongs(
    **{
        f"{name}_instead_of_jet": (
            lambda image, heat, alpha=0.5, name=name: mixed(image, jet(heat, name), alpha),
            "This is not jet. Other colour maps are better for readers, and we will use them; but "
            "here the paper's colours are asked for.",
        )
        for name in ("viridis", "magma", "inferno", "hot", "turbo")
    }
)
overlay.wrongs(
    blue_and_red_exchanged=(
        lambda image, heat, alpha=0.5: mixed(image, jet(heat).flip(-1), alpha),
        "Red and blue are exchanged, as after OpenCV: hot places look blue. The last axis is red, "
        "green, blue.",
    ),
    added_without_mixing=(
        lambda image, heat, alpha=0.5: (as_colour(image) + alpha * jet(heat)).clamp(0, 1),
        "You added the colours on top of the image. Mix: the image keeps the share 1 − alpha.",
    ),
    colours_in_bytes=(
        lambda image, heat, alpha=0.5: mixed(image, 255 * jet(heat), alpha),
        "Your colours run from 0 to 255, the image from 0 to 1. Divide the colours by 255 before you mix.",
    ),
    heat_without_colours=(
        lambda image, heat, alpha=0.5: mixed(image, as_colour(heat), alpha),
        "You mixed in the numbers of heat, not their colours: the result is grey.",
    ),
    opacity_channel_kept=(  # opaque: 1 everywhere
        lambda image, heat, alpha=0.5: functional.pad(
            mixed(image, jet(heat), alpha), (0, 1), value=1
        ),
        "You kept the fourth channel of the colour map, the opacity. The result has three.",
    ),
    bytes_instead_of_fractions=(
        lambda image, heat, alpha=0.5: 255 * mixed(image, jet(heat), alpha),
        "The values run from 0 to 255. Keep them in [0, 1].",
    ),
    heat_scaled_again=(
        lambda image, heat, alpha=0.5: mixed(image, jet(normalize.right(heat[None])[0]), alpha),
        "You scaled the heat once more. It lies in [0, 1] already, and the same value must have "
        "the same colour in every picture.",
    ),
    opacity_follows_the_heat=(
        lambda image, heat, alpha=0.5: mixed(image, jet(heat), alpha * heat[..., None]),
        "You used alpha times heat as the share, so only hot places are coloured. alpha is the "
        "same at all places.",
    ),
)


@overlay.accepts
def through_a_table_of_bytes(image, heat, alpha=0.5):
    """As with OpenCV: heat in 256 steps, the colours as uint8."""
    table = matplotlib.colormaps["jet"](np.arange(256), bytes=True)[:, :3]
    colours = torch.from_numpy(table[(heat.numpy() * 255).astype(np.uint8)] / 255.0)
    return (1 - alpha) * as_colour(image).double() + alpha * colours


@overlay.accepts
def bytes_of_matplotlib(image, heat, alpha=0.5):
    colours = torch.from_numpy(matplotlib.colormaps["jet"](heat.numpy(), bytes=True)[..., :3])
    return torch.lerp(as_colour(image).contiguous(), colours.float() / 255, float(alpha))


@overlay.accepts
def numpy_picture(image, heat, alpha=0.5):
    image = np.asarray(image)
    image = np.stack([image] * 3, -1) if image.ndim == 2 else image
    return (1 - alpha) * image + alpha * matplotlib.colormaps["jet"](np.asarray(heat))[..., :3]


@overlay.accepts
def pyplot_jet(image, heat, alpha=0.5):
    import matplotlib.pyplot as plt

    image = image if image.dim() == 3 else torch.stack((image, image, image), dim=-1)
    return image * (1 - alpha) + torch.tensor(plt.cm.jet(heat.numpy()))[:, :, :3] * alpha


@overlay.accepts
def pixel_by_pixel(image, heat, alpha=0.5):
    H, W = heat.shape
    result = torch.zeros(H, W, 3)
    table = matplotlib.colormaps["jet"]
    for y in range(H):
        for x in range(W):
            r, g, b, _ = table(float(heat[y, x]))
            result[y, x] = (1 - alpha) * image[y, x] + alpha * torch.tensor([r, g, b])
    return result


def test_lesson(proof):
    proof()
