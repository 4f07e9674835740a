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
        "M_c[n, x, y] = Σ_k W[c, k] · F[n, k, x, y]. Only the channel axis k disappears. "
        "W[c] picks the rows; if c holds one class for each image, W[c] has shape (N, K).",
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
    yield Case(
        "negative evidence everywhere",
        normal(rng, 3, 6, 2, 3).abs(),
        -normal(rng, 5, 6).abs(),
        torch.tensor([4, 4, 2]),
    )
    dead, rows = normal(rng, 2, 3, 4, 2), normal(rng, 4, 3)
    dead[:, 1] = 0
    yield Case("a channel without any answer, huge values", 1e4 * dead, rows, torch.tensor([0, 3]))


@class_activation_map.reference
def _(F, W, c):
    N = len(F)
    c = torch.as_tensor(c).expand(N)
    return torch.stack([sum(W[c[n], k] * F[n, k] for k in range(F.shape[1])) for n in range(N)])


@class_activation_map.wrong(
    "You took a column of W. In PyTorch the rows of W are the classes: W has "
    "shape (C, K). (Keras stores it the other way round.)"
)
def column_instead_of_row(F, W, c):
    w = W.T[torch.as_tensor(c).expand(len(F)) % W.shape[1]]
    w = w[:, : F.shape[1]] if w.shape[1] >= F.shape[1] else w
    return torch.einsum("nk,nkxy->nxy", w, F)


@class_activation_map.wrong(
    "You cut the negative values off. The formula of CAM has no ReLU: a "
    "negative value says that this place speaks against the class."
)
def relu_added(F, W, c):
    return torch.einsum("nk,nkxy->nxy", W[torch.as_tensor(c).expand(len(F))], F).relu()


@class_activation_map.wrong(
    "You divided by the number of channels. The formula has a sum over k, not a mean."
)
def mean_over_channels(F, W, c):
    return (W[torch.as_tensor(c).expand(len(F))][:, :, None, None] * F).mean(1)


@class_activation_map.wrong(
    "You used the class of the first image for all images. c can hold one class for each image."
)
def first_class_for_all(F, W, c):
    c = torch.as_tensor(c).reshape(-1)[0]
    return torch.einsum("k,nkxy->nxy", W[c], F)


@class_activation_map.wrong(
    "You weighted the feature maps but did not add them up: the channel axis must disappear."
)
def channels_not_summed(F, W, c):
    return W[torch.as_tensor(c).expand(len(F))][:, :, None, None] * F


@class_activation_map.wrong(
    "You added the feature maps without weights. Without W the map is the same for every class."
)
def no_weights(F, W, c):
    return F.sum(1)


@class_activation_map.wrong(
    "You scaled the map to [0, 1] already. Keep the raw values: exercise 3.2 "
    "needs them, and scaling is exercise 3.3."
)
def already_normalized(F, W, c):
    M = torch.einsum("nk,nkxy->nxy", W[torch.as_tensor(c).expand(len(F))], F)
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return (M - low) / (high - low)


@class_activation_map.wrong(
    "You made the weights a probability with softmax. CAM uses the weights "
    "of the linear layer as they are."
)
def softmax_of_weights(F, W, c):
    return torch.einsum("nk,nkxy->nxy", W[torch.as_tensor(c).expand(len(F))].softmax(1), F)


@class_activation_map.wrong(
    "You summed over space too. Only the channels are summed; x and y stay."
)
def summed_over_space(F, W, c):
    return torch.einsum("nk,nkxy->n", W[torch.as_tensor(c).expand(len(F))], F)


@class_activation_map.wrong(
    "You picked the classes after you had computed the maps of all images: now every class goes with "
    "every image. Image n belongs to class c[n] only, so the result is (N, h, w)."
)
def every_class_with_every_image(F, W, c):
    return torch.einsum("ck,nkxy->cnxy", W, F)[c]


@class_activation_map.wrong(
    "You took maps[:, c]: with one class for each image this gives every class for every image. "
    "Image n belongs to class c[n] only, so the result is (N, h, w)."
)
def every_image_with_every_class(F, W, c):
    return torch.einsum("ck,nkxy->ncxy", W, F)[:, c]


@class_activation_map.wrong(
    "You added up the maps of all classes. Only one row of W belongs to the class that is asked for."
)
def all_classes_summed(F, W, c):
    return torch.einsum("ck,nkxy->nxy", W, F)


@class_activation_map.wrong(
    "You divided by the number of places. The map itself is not averaged: that comes in exercise 3.2."
)
def divided_by_the_places(F, W, c):
    weights = W[torch.as_tensor(c).expand(len(F))]
    return torch.einsum("nk,nkxy->nxy", weights, F) / F[0, 0].numel()


@class_activation_map.wrong(
    "You used the size of the weights without their sign. A negative weight says that this pattern "
    "speaks against the class."
)
def sign_of_the_weights_lost(F, W, c):
    return torch.einsum("nk,nkxy->nxy", W[torch.as_tensor(c).expand(len(F))].abs(), F)


@class_activation_map.accepts
def einsum(F, W, c):
    c = torch.as_tensor(c).expand(len(F))
    return torch.einsum("nk,nkxy->nxy", W[c], F)


@class_activation_map.accepts
def broadcast(F, W, c):
    w = W[c] if torch.is_tensor(c) and c.dim() else W[c][None]
    return (w[:, :, None, None] * F).sum(dim=1)


@class_activation_map.accepts
def matmul(F, W, c):
    N, K, h, w = F.shape
    rows = W[torch.as_tensor(c).expand(N)]
    return (rows[:, None, :] @ F.reshape(N, K, h * w)).reshape(N, h, w)


@class_activation_map.accepts
def numpy_inside(F, W, c):
    F, W, c = F.numpy(), W.numpy(), np.broadcast_to(np.asarray(c), (len(F),))
    return torch.from_numpy(np.stack([np.tensordot(W[c[n]], F[n], axes=1) for n in range(len(F))]))


@class_activation_map.accepts
def one_by_one_convolution(F, W, c):
    """All class maps at once with a 1×1 convolution, then the asked ones."""
    every = functional.conv2d(F, W[:, :, None, None])
    return every[torch.arange(len(F)), torch.as_tensor(c).expand(len(F))]


@class_activation_map.accepts
def float64_inside(F, W, c):
    weights = W.double()[torch.as_tensor(c).expand(len(F))]
    return (weights[..., None, None] * F.double()).sum(1)


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
    yield Case(
        "two images, maps of 5×7, a bias for each image", normal(rng, 2, 5, 7), normal(rng, 2)
    )
    yield Case("one number as the bias of all", normal(rng, 3, 2, 3), torch.tensor(-1.5))
    yield Case("one image", normal(rng, 1, 1, 4), normal(rng, 1))
    signs = torch.tensor([2.0, -2.0])[:, None, None]
    yield Case(
        "one logit is positive, one negative", signs + normal(rng, 2, 4, 3), 0.1 * normal(rng, 2)
    )


@logit_from_map.reference
def _(M, bias):
    return M.mean(dim=(1, 2)) + bias


@logit_from_map.wrong(
    "You summed the map. GAP takes the mean: your value is larger by the factor h·w."
)
def sum_instead_of_mean(M, bias):
    return M.sum(dim=(1, 2)) + bias


@logit_from_map.wrong("You forgot the bias: the mean of the map is the logit without b_c.")
def bias_forgotten(M, bias):
    return M.mean(dim=(1, 2))


@logit_from_map.wrong(
    "You added the bias at every position and then summed it up: b_c is counted h·w times."
)
def bias_at_every_position(M, bias):
    b = torch.as_tensor(bias).expand(len(M))
    return (M + b[:, None, None]).sum(dim=(1, 2))


@logit_from_map.wrong(
    "You took the maximum of the map. That would be global max pooling; the "
    "network has global average pooling."
)
def maximum(M, bias):
    return M.amax(dim=(1, 2)) + bias


@logit_from_map.wrong("You took the mean over the images too. Each image has its own logit.")
def mean_over_images(M, bias):
    return (M.mean() + bias).expand(len(M))


@logit_from_map.wrong(
    "You cut off negative values before the mean. Then the sum is not the logit any "
    "more: the negative evidence is missing."
)
def relu_before_mean(M, bias):
    return M.relu().mean(dim=(1, 2)) + bias


@logit_from_map.wrong("You subtracted the bias. The linear layer adds it.")
def bias_subtracted(M, bias):
    return M.mean(dim=(1, 2)) - bias


@logit_from_map.wrong("You divided by h·h. The map need not be square: there are h·w places.")
def square_maps_assumed(M, bias):
    return M.sum(dim=(1, 2)) / M.shape[1] ** 2 + bias


@logit_from_map.wrong(
    "You averaged one axis only. All places of the map disappear: the result is (N,)."
)
def one_axis_averaged(M, bias):
    return M.mean(dim=2) + torch.as_tensor(bias).expand(len(M))[:, None]


@logit_from_map.wrong(
    "You divided the bias by the number of places too. Only the map is averaged; the bias is added once."
)
def bias_averaged(M, bias):
    return (M.sum(dim=(1, 2)) + bias) / M[0].numel()


@logit_from_map.accepts
def flatten_first(M, bias):
    return M.flatten(1).mean(1) + bias


@logit_from_map.accepts
def divide_by_hand(M, bias):
    N, h, w = M.shape
    return torch.stack([M[n].sum() / (h * w) for n in range(N)]) + bias


@logit_from_map.accepts
def pooling_layer(M, bias):
    return functional.adaptive_avg_pool2d(M[:, None], 1).flatten() + bias


@logit_from_map.accepts
def bias_inside_the_mean(M, bias):
    b = torch.as_tensor(bias).expand(len(M))
    return (M + b[:, None, None]).mean(dim=(1, 2))


@logit_from_map.accepts
def numpy_and_float64(M, bias):
    return M.numpy().astype(np.float64).mean(axis=(1, 2)) + np.asarray(bias)


# ------------------------------------------------------------------ 3.3

normalize = Exercise(
    "3.3",
    "normalize",
    formula="(M − min M) / (max M − min M), for each image",
    hints=(
        "Move the smallest value of each map to 0 and its largest to 1. Each image has its own two "
        "values.",
        "s(M) = (M − min M) / (max M − min M). Where max = min the denominator is 0: a constant map "
        "shows nothing, so its answer is zeros.",
        "Take amin and amax over the last two axes with keepdim, and let torch.where choose zeros "
        "where the largest value equals the smallest.",
    ),
)


@normalize.cases
def _(rng):
    M = normal(rng, 3, 5, 7)
    yield Case(
        "three maps with different ranges", M * torch.tensor([1.0, 20.0, 0.01])[:, None, None]
    )
    yield Case("the second map is constant", torch.stack([M[0], torch.full((5, 7), 2.5), M[1]]))
    yield Case("only negative values", -normal(rng, 2, 4, 3).abs() - 1)
    yield Case("only positive values", normal(rng, 2, 3, 5).abs() + 1)
    yield Case("tiny values", normal(rng, 1, 2, 6) * 1e-6)


@normalize.reference
def _(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))


@normalize.wrong("You used one minimum and one maximum for all images. Each map needs its own.")
def one_range_for_all(M):
    return (M - M.min()) / (M.max() - M.min())


@normalize.wrong("A constant map gave NaN: max − min is 0 there. Return zeros for such a map.")
def constant_map_is_nan(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return (M - low) / (high - low)


@normalize.wrong(
    "You divided by the maximum only. After subtracting the minimum the largest value is max − min."
)
def divided_by_max(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / high, torch.zeros_like(M))


@normalize.wrong(
    "You cut off negative values first. Min-max scaling keeps the whole range: the "
    "smallest value becomes 0, whatever its sign."
)
def relu_first(M):
    M = M.relu()
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))


@normalize.wrong("You did not subtract the minimum: the smallest value must become 0.")
def minimum_kept(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, M / (high - low), torch.zeros_like(M))


@normalize.wrong(
    "You scaled each row of the map on its own. The minimum and the maximum are those of "
    "the whole map."
)
def per_row(M):
    low, high = M.amin(2, keepdim=True), M.amax(2, keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))


def with_epsilon(epsilon):
    def answer(M):
        low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
        return (M - low) / (high - low + epsilon)

    answer.__name__ = f"epsilon_of_{epsilon:.0e}_in_denominator".replace("-", "minus_")
    return answer


for power in range(3, 10):  # 1e-10 and less changes nothing that counts: accepted below
    normalize.wrong(
        "A small number in the denominator changes maps with small values. Test for "
        "max = min instead of adding an epsilon."
    )(with_epsilon(10.0**-power))


@normalize.wrong(
    "You took a map with small values for a constant one. A map may have values of a millionth: "
    "only where max = min is it constant."
)
def small_is_not_constant(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high - low > 1e-5, (M - low) / (high - low), torch.zeros_like(M))


@normalize.wrong(
    "You divided by the largest absolute value. Then zero stays zero, which is often better; but "
    "here the formula asks for min-max scaling to [0, 1]."
)
def divided_by_the_largest_absolute_value(M):
    return M / M.abs().amax((1, 2), keepdim=True)


@normalize.wrong("A constant map gave ones. It points nowhere: return zeros for it.")
def constant_map_is_ones(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.ones_like(M))


@normalize.wrong("A constant map kept its values. It points nowhere: return zeros for it.")
def constant_map_is_kept(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), M)


@normalize.wrong("One constant map made all maps of the batch zero. Each map is judged on its own.")
def one_constant_map_stops_all(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return (M - low) / (high - low) if (high > low).all() else torch.zeros_like(M)


@normalize.wrong(
    "You subtracted the mean and divided by the standard deviation. That is "
    "standardization; here the result must lie in [0, 1]."
)
def standardized(M):
    spread = M.std((1, 2), keepdim=True)
    return torch.where(
        spread > 1e-12, (M - M.mean((1, 2), keepdim=True)) / spread, torch.zeros_like(M)
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
def nan_to_num(M):
    flat = M.flatten(1)
    low, high = flat.min(1).values[:, None, None], flat.max(1).values[:, None, None]
    return torch.nan_to_num((M - low) / (high - low))


@normalize.accepts
def numpy_answer(M):
    M = M.numpy()
    low, span = M.min((1, 2), keepdims=True), np.ptp(M, axis=(1, 2), keepdims=True)
    return np.divide(M - low, span, out=np.zeros_like(M), where=span > 0)


@normalize.accepts
def negligible_epsilon(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return (M - low) / (high - low + 1e-12)


@normalize.accepts
def denominator_not_below_a_tiny_number(M):
    M = M.double() - M.double().amin((1, 2), keepdim=True)
    return M / M.amax((1, 2), keepdim=True).clamp_min(1e-30)


# ------------------------------------------------------------------ 3.4

upsample = Exercise(
    "3.4",
    "upsample",
    formula="bilinear interpolation of (N, h, w) to (N, H, W), align_corners=False",
    hints=(
        "torch.nn.functional.interpolate does the work. It wants images with a channel axis.",
        "interpolate needs (N, 1, h, w). size is (H, W), the mode is bilinear, and pixels are areas: "
        "align_corners=False.",
        "Add a channel axis with M[:, None], interpolate to size, and take the axis away with [:, 0].",
    ),
)


@upsample.cases
def _(rng):
    yield Case("two maps of 5×7 to 10×21", normal(rng, 2, 5, 7), (10, 21))
    yield Case("one map of 3×2 to 9×9", normal(rng, 1, 3, 2), (9, 9))
    yield Case("the same size: nothing changes", normal(rng, 2, 4, 6), (4, 6))
    yield Case("three maps of 2×3 to 7×4, no whole factor", normal(rng, 3, 2, 3), (7, 4))


@upsample.reference
def _(M, size):
    return functional.interpolate(M[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


@upsample.wrong(
    "You used the nearest pixel. The map then shows blocks; bilinear interpolation mixes "
    "the four neighbours."
)
def nearest(M, size):
    return functional.interpolate(M[:, None], size=size)[:, 0]


@upsample.wrong(
    "You set align_corners=True: pixels are then points, and the corners of both grids "
    "coincide. Use align_corners=False: pixels are areas."
)
def corners_aligned(M, size):
    return functional.interpolate(M[:, None], size=size, mode="bilinear", align_corners=True)[:, 0]


@upsample.wrong(
    "You used bicubic interpolation. It overshoots: values appear that are larger than "
    "any value of the map."
)
def bicubic(M, size):
    return functional.interpolate(M[:, None], size=size, mode="bicubic", align_corners=False)[:, 0]


@upsample.wrong("Height and width are exchanged. size is (H, W): rows first.")
def exchanged_sides(M, size):
    return functional.interpolate(
        M[:, None], size=size[::-1], mode="bilinear", align_corners=False
    )[:, 0]


@upsample.wrong(
    "The channel axis that interpolate needs is still there. Take it away again: the "
    "result has shape (N, H, W)."
)
def channel_axis_left(M, size):
    return functional.interpolate(M[:, None], size=size, mode="bilinear", align_corners=False)


@upsample.wrong(
    "A spline of order 2 overshoots, and its grid aligns the corners. Use bilinear interpolation."
)
def spline(M, size):
    zoom = (1, size[0] / M.shape[1], size[1] / M.shape[2])
    return torch.from_numpy(ndimage.zoom(M.numpy(), zoom, order=2))


@upsample.wrong(
    "interpolate did not find the axes that its mode needs. mode='bilinear' wants four: "
    "(N, channels, h, w)."
)
def channel_axis_missing(M, size):
    return functional.interpolate(M, size=size, mode="bilinear", align_corners=False)


@upsample.wrong(
    "You enlarged both sides by the same factor. size says how large each side shall be."
)
def one_factor_for_both_sides(M, size):
    return functional.interpolate(
        M[:, None], scale_factor=size[0] / M.shape[1], mode="bilinear", align_corners=False
    )[:, 0]


@upsample.wrong(
    "You repeated each value. The map then shows blocks, and whole factors only are possible; "
    "bilinear interpolation mixes the four neighbours."
)
def repeated_values(M, size):
    rows, columns = size[0] // M.shape[1], size[1] // M.shape[2]
    return M.repeat_interleave(rows, dim=1).repeat_interleave(columns, dim=2)


@upsample.wrong(
    "You enlarged a scaled map. Here the values stay as they are: scaling is exercise 3.3."
)
def scaled_too(M, size):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return right_size((M - low) / (high - low), size)


@upsample.wrong("Only the first map came back. The result has one map for each image.")
def first_map_only(M, size):
    return right_size(M[:1], size)


def right_size(M, size):
    return functional.interpolate(M[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


@upsample.accepts
def upsample_module(M, size):
    return torch.nn.Upsample(size=size, mode="bilinear")(M.unsqueeze(1)).squeeze(1)


@upsample.accepts
def images_as_channels(M, size):
    return functional.interpolate(M[None], size=tuple(size), mode="bilinear")[0]


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


@upsample.accepts
def one_map_after_the_other(M, size):
    return np.stack([right_size(one[None].double(), list(size))[0].numpy() for one in M])


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
        "Get the colours with matplotlib.colormaps['jet'](heat), keep the first three channels, stack "
        "a grey image three times on the last axis, and mix.",
    ),
    rtol=2.5e-2,  # one step of a table with 256 colours
)


@overlay.cases
def _(rng):
    grey, heat = torch.rand(5, 7, generator=rng), torch.rand(5, 7, generator=rng)
    yield Case("a grey image", grey, heat)
    yield Case(
        "a colour image and alpha 0.3",
        torch.rand(4, 6, 3, generator=rng),
        torch.rand(4, 6, generator=rng),
        0.3,
    )
    yield Case("weak heat, nothing above 0.4", grey, 0.4 * heat)
    yield Case("alpha 0: only the image", grey, heat, 0.0)
    yield Case("alpha 1: only the colours", grey, heat, 1.0)


def jet(heat):
    return torch.from_numpy(matplotlib.colormaps["jet"](heat.numpy())[..., :3]).float()


def as_colour(image):
    return image if image.dim() == 3 else image[..., None].expand(*image.shape, 3)


@overlay.reference
def _(image, heat, alpha=0.5):
    return (1 - alpha) * as_colour(image) + alpha * jet(heat)


@overlay.wrong(
    "Red and blue are exchanged, as after OpenCV: hot places look blue. The last axis is "
    "red, green, blue."
)
def blue_and_red_exchanged(image, heat, alpha=0.5):
    return (1 - alpha) * as_colour(image) + alpha * jet(heat).flip(-1)


@overlay.wrong("You used alpha for the image. alpha is the share of the heat.")
def alpha_of_the_image(image, heat, alpha=0.5):
    return alpha * as_colour(image) + (1 - alpha) * jet(heat)


@overlay.wrong(
    "You added the colours on top of the image. Mix: the image keeps the share 1 − alpha."
)
def added_without_mixing(image, heat, alpha=0.5):
    return (as_colour(image) + alpha * jet(heat)).clamp(0, 1)


@overlay.wrong("You kept the fourth channel of the colour map, the opacity. The result has three.")
def opacity_channel_kept(image, heat, alpha=0.5):
    colours = torch.from_numpy(matplotlib.colormaps["jet"](heat.numpy())).float()
    image = torch.cat([as_colour(image), torch.ones(*heat.shape, 1)], -1)
    return (1 - alpha) * image + alpha * colours


@overlay.wrong("You mixed in the numbers of heat, not their colours: the result is grey.")
def heat_without_colours(image, heat, alpha=0.5):
    return (1 - alpha) * as_colour(image) + alpha * heat[..., None].expand(*heat.shape, 3)


@overlay.wrong(
    "This is not jet. Other colour maps are better for readers, and we will use them; "
    "but here the paper's colours are asked for."
)
def another_colour_map(image, heat, alpha=0.5):
    colours = torch.from_numpy(matplotlib.colormaps["viridis"](heat.numpy())[..., :3]).float()
    return (1 - alpha) * as_colour(image) + alpha * colours


@overlay.wrong("The channels are on the first axis. Pictures for matplotlib are (H, W, 3).")
def channels_first(image, heat, alpha=0.5):
    return ((1 - alpha) * as_colour(image) + alpha * jet(heat)).permute(2, 0, 1)


@overlay.wrong("The values run from 0 to 255. Keep them in [0, 1].")
def bytes_instead_of_fractions(image, heat, alpha=0.5):
    return 255 * ((1 - alpha) * as_colour(image) + alpha * jet(heat))


@overlay.wrong(
    "Your colours run from 0 to 255, the image from 0 to 1. Divide the colours by 255 before you mix."
)
def colours_in_bytes(image, heat, alpha=0.5):
    return (1 - alpha) * as_colour(image) + alpha * 255 * jet(heat)


@overlay.wrong("alpha is not used: you always mixed half and half.")
def always_half(image, heat, alpha=0.5):
    return (as_colour(image) + jet(heat)) / 2


@overlay.wrong(
    "You turned the colour map round: here hot is blue. Small heat is blue, large is red."
)
def jet_reversed(image, heat, alpha=0.5):
    return (1 - alpha) * as_colour(image) + alpha * jet(1 - heat)


@overlay.wrong(
    "You scaled the heat once more. It lies in [0, 1] already, and the same value must have the same "
    "colour in every picture."
)
def heat_scaled_again(image, heat, alpha=0.5):
    heat = (heat - heat.min()) / (heat.max() - heat.min())
    return (1 - alpha) * as_colour(image) + alpha * jet(heat)


@overlay.wrong(
    "You used alpha times heat as the share, so only hot places are coloured. alpha is the same at "
    "all places."
)
def opacity_follows_the_heat(image, heat, alpha=0.5):
    share = alpha * heat[..., None]
    return (1 - share) * as_colour(image) + share * jet(heat)


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
