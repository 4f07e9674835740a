"""Lesson 12, checked: remove a channel, make masks, mask the image, and Score-CAM from both."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from camlite.course import Case, Exercise, normal


def of_class(logits, c):
    """The logit of each image's class: (N, C) -> (N,)."""
    c = torch.as_tensor(c).expand(len(logits))
    return logits[torch.arange(len(logits)), c]


def flat_head(sizes, classes, scale=1.0):
    """A head that keeps positions apart, with a bend in it: what GAP would hide, it shows."""
    inside = int(np.prod(sizes))
    head = nn.Sequential(
        nn.Flatten(), nn.Linear(inside, 8), nn.Tanh(), nn.Linear(8, classes)
    ).eval()
    with torch.no_grad():
        head[1].weight.mul_(2)
        head[3].weight.mul_(3 * scale)
    return head


def lifted(head, F, c, to):
    """The same head, its last bias moved: the asked logits have the sign of `to`, at least |to|."""
    with torch.no_grad():
        Y = of_class(head(F), c)
        head[-1].bias += to - (Y.min() if to > 0 else Y.max())
    return head


# ------------------------------------------------------------------ 12.1

ablation_weights = Exercise(
    "12.1",
    "ablation_weights",
    formula="w_k = (y − y_k) / |y|,  y_k: the logit of class c when channel k is set to zero",
    hints=(
        "Ask the network K + 1 times: once with all channels, and once without each of them. What "
        "the score loses is what the channel was worth.",
        "y is the logit of class c. For y_k take a copy of F, set channel k to zero in all images, "
        "and run the classifier again. The relative drop is (y − y_k) / |y|: a channel that helps "
        "must get a positive weight, also where y is negative.",
        "Loop over k in range(K). Clone F anew each time, set [:, k] to 0, call the classifier, "
        "and pick the logit of each image's class. Stack the K drops along axis 1.",
    ),
)


@ablation_weights.cases
def _(rng):
    for first, says in ((1, "positive"), (-1, "negative")):
        head, F, c = both_signs(rng, first)
        yield Case(f"both signs in one batch, the first logit is {says}", head, F, c)
    F = normal(rng, 2, 4, 3, 5)
    yield Case(
        "positive logits, a head with a flatten layer",
        lifted(flat_head((4, 3, 5), 3), F, 1, 1.5),
        F,
        1,
    )
    F, c = normal(rng, 3, 5, 2, 3), torch.tensor([2, 0, 3])
    yield Case(
        "a class for each image, one logit is large, all are positive",
        lifted(flat_head((5, 2, 3), 4), F, c, 0.8),
        F,
        c,
    )
    F = normal(rng, 2, 3, 4, 2)
    yield Case("negative logits", lifted(flat_head((3, 4, 2), 4), F, 2, -1.2), F, 2)
    F = normal(rng, 1, 1, 3, 4)
    yield Case("one image with one channel", lifted(flat_head((1, 3, 4), 3), F, 0, 2.0), F, 0)
    F = normal(rng, 2, 4, 3, 3).relu()
    F[:, 1] = 0
    yield Case(
        "channel 1 is zero everywhere, negative logits",
        lifted(flat_head((4, 3, 3), 5), F, torch.tensor([4, 1]), -0.9),
        F,
        torch.tensor([4, 1]),
    )


def both_signs(rng, first):
    """A head, maps and classes: the first image's logit has the sign of `first`, the others the
    opposite one; and without some channel a logit changes its sign, in both kinds of images."""
    while True:
        F, c, head = normal(rng, 3, 4, 3, 3), torch.tensor([0, 2, 1]), flat_head((4, 3, 3), 3)
        with torch.no_grad():
            for n, wanted in enumerate((0.5 * first, -0.6 * first, -0.7 * first)):
                head[-1].bias[c[n]] += wanted - head(F)[n, c[n]]
            y, y_k = without_each(head, F, c)
        changed = (y * y_k < 0).any(1)
        if changed[0] and changed[1:].any() and y_k.abs().min() > 1e-3:
            return head, F, c


@ablation_weights.reference
def _(classifier, F, c):
    y = of_class(classifier(F), c)
    w = []
    for k in range(F.shape[1]):
        without = F.clone()
        without[:, k] = 0
        w.append((y - of_class(classifier(without), c)) / y.abs())
    return torch.stack(w, dim=1)


def without_each(classifier, F, c, fill=0.0, pick=of_class):
    """y (N, 1) and y_k (N, K), with `pick(logits, c)` as the score."""
    y_k = []
    for k in range(F.shape[1]):
        changed = F.clone()
        changed[:, k] = fill if isinstance(fill, float) else fill[:, k]
        y_k.append(pick(classifier(changed), c))
    return pick(classifier(F), c)[:, None], torch.stack(y_k, dim=1)


@ablation_weights.wrong(
    "You divided by y itself, as the paper does. Where y is negative, every "
    "weight gets the wrong sign: a channel that helps the class counts against "
    "it. Keep the size of y, not its sign."
)
def divided_by_signed_score(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return (y - y_k) / y


@ablation_weights.wrong(
    "You took the sign of the first image's score for all images. Each image has a y of its own, "
    "and in one batch some are positive and some negative."
)
def sign_of_the_first_image(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    w = (y - y_k) / y
    return -w if y[0] < 0 else w


@ablation_weights.wrong(
    "You turned the weights of all images around when one score was negative. Each image has a y "
    "of its own: the sign is repaired image by image."
)
def sign_of_any_image(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    w = (y - y_k) / y
    return -w if (y < 0).any() else w


@ablation_weights.wrong(
    "You compared the sizes, |y| − |y_k|. A score that falls from −1 to −2 has become larger in size, "
    "but the channel helped: take the plain drop y − y_k, and the size only of the y below it."
)
def drop_of_the_size(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return (y.abs() - y_k.abs()) / y.abs()


@ablation_weights.wrong(
    "You cut y off at a small positive number. Where y is negative you then divide by that small "
    "number, and the weights are huge. Divide by the size of y."
)
def score_cut_off(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return (y - y_k) / y.clamp_min(1e-8)


@ablation_weights.wrong(
    "You have the drop, but not the relative drop: divide it by the size of the score."
)
def not_divided(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return y - y_k


@ablation_weights.wrong(
    "The sign is turned around. If the score falls without the channel, the "
    "channel helped, and its weight is positive: y − y_k."
)
def sign_turned(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return (y_k - y) / y.abs()


@ablation_weights.wrong(
    "The removed channels stay removed: at step k all channels up to k are "
    "zero. Start from a fresh copy of F each time."
)
def removed_for_good(classifier, F, c):
    y, less, w = of_class(classifier(F), c), F.clone(), []
    for k in range(F.shape[1]):
        less[:, k] = 0
        w.append((y - of_class(classifier(less), c)) / y.abs())
    return torch.stack(w, dim=1)


@ablation_weights.wrong(
    "You wrote the zeros into F itself. Then F is empty after the loop, and "
    "nobody else can use it. Work on a copy."
)
def overwrote_the_maps(classifier, F, c):
    y, w = of_class(classifier(F), c), []
    for k in range(F.shape[1]):
        F[:, k] = 0
        w.append((y - of_class(classifier(F), c)) / y.abs())
    return torch.stack(w, dim=1)


@ablation_weights.wrong(
    "You kept channel k and removed all the others. Ablation removes one "
    "channel and keeps the rest."
)
def kept_only_one(classifier, F, c):
    y, alone = of_class(classifier(F), c), []
    for k in range(F.shape[1]):
        only = torch.zeros_like(F)
        only[:, k] = F[:, k]
        alone.append(of_class(classifier(only), c))
    return (y[:, None] - torch.stack(alone, 1)) / y.abs()[:, None]


@ablation_weights.wrong("You used the probability. y is the logit, the number before the softmax.")
def probability_instead_of_logit(classifier, F, c):
    y, y_k = without_each(classifier, F, c, pick=lambda logits, c: of_class(logits.softmax(1), c))
    return (y - y_k) / y.abs()


@ablation_weights.wrong(
    "You took the score of the class that wins. c says which class is asked "
    "for, and it need not be the winner."
)
def predicted_class(classifier, F, c):
    y, y_k = without_each(classifier, F, classifier(F).argmax(1))
    return (y - y_k) / y.abs()


@ablation_weights.wrong(
    "You took the largest logit each time. Without channel k another class may win; follow class c."
)
def largest_logit_each_time(classifier, F, c):
    y, y_k = without_each(classifier, F, c, pick=lambda logits, c: logits.amax(1))
    return (y - y_k) / y.abs()


@ablation_weights.wrong(
    "You used the class of the first image for all images. c can hold one class for each image."
)
def first_class_for_all(classifier, F, c):
    y, y_k = without_each(classifier, F, torch.as_tensor(c).reshape(-1)[0])
    return (y - y_k) / y.abs()


@ablation_weights.wrong("You divided by y_k. The drop is compared with the score before, y.")
def divided_by_the_score_after(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return (y - y_k) / y_k.abs()


@ablation_weights.wrong(
    "You took the size of the drop. If the score rises without a channel, that "
    "channel spoke against the class, and its weight is negative."
)
def sign_lost(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return (y - y_k).abs() / y.abs()


@ablation_weights.wrong(
    "You cut off negative weights. The ReLU of this method stands around the "
    "whole map, not around the weights."
)
def negative_weights_cut_off(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return ((y - y_k) / y.abs()).relu()


@ablation_weights.wrong(
    "You replaced the channel by its mean. Removing it means setting it to "
    "zero. (With global average pooling the mean would change nothing at all!)"
)
def mean_instead_of_zero(classifier, F, c):
    y, y_k = without_each(classifier, F, c, fill=F.mean(dim=(2, 3), keepdim=True).expand_as(F))
    return (y - y_k) / y.abs()


@ablation_weights.wrong(
    "You removed image k instead of channel k. F is (N, K, h, w): channels are axis 1, F[:, k]."
)
def wrong_axis(classifier, F, c):
    y, y_k = of_class(classifier(F), c), []
    for k in range(F.shape[1]):
        changed = F.clone()
        changed[k % len(F)] = 0
        y_k.append(of_class(classifier(changed), c))
    return (y[:, None] - torch.stack(y_k, 1)) / y.abs()[:, None]


@ablation_weights.wrong(
    "This is gradient times activation. It is the drop only where the "
    "classifier is linear; here you are asked to remove the channel and look."
)
def gradient_times_map(classifier, F, c):
    with torch.enable_grad():
        F = F.clone().requires_grad_()
        y = of_class(classifier(F), c)
        (G,) = torch.autograd.grad(y.sum(), F)
    return ((G * F).sum(dim=(2, 3)) / y.abs()[:, None]).detach()


@ablation_weights.wrong("The axes are exchanged: the result is (N, K), one row for each image.")
def transposed(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return ((y - y_k) / y.abs()).T


@ablation_weights.wrong(
    "logits[:, c] with one class for each image takes all these classes from every image: an N×N "
    "table. You need one logit from each row."
)
def every_class_from_every_image(classifier, F, c):
    y, y_k = without_each(classifier, F, c, pick=lambda logits, c: logits[:, c])
    return ((y - y_k) / y.abs()).squeeze(1)


@ablation_weights.wrong(
    "logits[:, c] with one class for each image takes all these classes from every image: an N×N "
    "table. You need one logit from each row. (And think about a negative y.)"
)
def every_class_from_every_image_and_sign(classifier, F, c):
    y, y_k = without_each(classifier, F, c, pick=lambda logits, c: logits[:, c])
    return ((y - y_k) / y).squeeze(1)


@ablation_weights.accepts
def all_at_once(classifier, F, c):
    """N·K copies of the maps in one batch, each with another channel missing."""
    N, K = F.shape[:2]
    keep = 1 - torch.eye(K)
    copies = F[:, None] * keep[None, :, :, None, None]
    c = torch.as_tensor(c).expand(N)
    y = classifier(F).gather(1, c[:, None])
    y_k = (
        classifier(copies.flatten(0, 1))
        .view(N, K, -1)
        .gather(2, c[:, None, None].expand(N, K, 1))[..., 0]
    )
    return (y - y_k) / y.abs()


@ablation_weights.accepts
def image_by_image(classifier, F, c):
    N, K = F.shape[:2]
    w = torch.zeros(N, K)
    for n in range(N):
        cn = int(c[n]) if torch.is_tensor(c) and c.dim() else int(c)
        y = classifier(F[n : n + 1])[0, cn].item()
        for k in range(K):
            less = F[n : n + 1].clone()
            less[0, k] = 0.0
            w[n, k] = (y - classifier(less)[0, cn].item()) / abs(y)
    return w


@ablation_weights.accepts
def sign_put_back(classifier, F, c):
    """The paper's quotient, multiplied by the sign of y."""
    y, y_k = without_each(classifier, F, c)
    return y.sign() * (1 - y_k / y)


@ablation_weights.accepts
def in_double_with_a_small_epsilon(classifier, F, c):
    y, y_k = without_each(classifier, F, c)
    return (y.double() - y_k) / (y.abs().double() + 1e-8)


@ablation_weights.accepts
def put_back_afterwards(classifier, F, c):
    y, w = of_class(classifier(F), c), []
    for k in range(F.shape[1]):
        kept = F[:, k].clone()
        F[:, k] = 0
        w.append((y - of_class(classifier(F), c)) / y.abs())
        F[:, k] = kept
    return torch.stack(w, 1)


@ablation_weights.accepts
def numpy_answer(classifier, F, c):
    N, K = F.shape[:2]
    rows, c = np.arange(N), np.broadcast_to(np.asarray(c), N)
    with torch.no_grad():
        y = classifier(F).numpy()[rows, c]
        drops = [
            y - classifier(F * (torch.arange(K) != k)[:, None, None]).numpy()[rows, c]
            for k in range(K)
        ]
    return np.stack(drops, 1) / np.abs(y)[:, None]


# ------------------------------------------------------------------ 12.2

masks_from_maps = Exercise(
    "12.2",
    "masks_from_maps",
    formula="H_k = s(Up(F_k)),  s(Z) = (Z − min Z) / (max Z − min Z), for each channel of each "
    "image",
    hints=(
        "Two steps of lesson 3, in this order: make the maps as large as the image, then scale "
        "each one to [0, 1].",
        "H = s(Up(F)): inside first, so Up comes before s. The minimum and the maximum are those "
        "of one channel of one image. A constant channel gives zeros.",
        "functional.interpolate takes (N, K, h, w) as it is. Then amin and amax over the last two "
        "axes with keepdim, and torch.where for the channels whose two values are equal.",
    ),
)


@masks_from_maps.cases
def _(rng):
    F = normal(rng, 2, 3, 3, 2)
    yield Case("maps of 3×2 to 7×9", F, (7, 9))
    scales = torch.tensor([1.0, 30.0, 0.02])[None, :, None, None]
    yield Case(
        "channels with very different ranges", normal(rng, 2, 3, 4, 5) * scales + scales, (8, 15)
    )
    dead = normal(rng, 2, 4, 3, 5).relu()
    dead[0, 1], dead[1, 3] = 0, 2.0
    yield Case("one channel is zero everywhere, one is 2 everywhere", dead, (6, 10))
    yield Case("only negative values", -normal(rng, 1, 2, 2, 4).abs() - 1, (5, 8))
    yield Case("the same size: only scaling", normal(rng, 2, 2, 4, 6), (4, 6))
    yield Case("tiny values, one channel", normal(rng, 1, 1, 3, 3) * 1e-6, (4, 7))


def up(F, size):
    return functional.interpolate(F, size=tuple(size), mode="bilinear", align_corners=False)


def span(Z, axes=(2, 3)):
    return Z.amin(axes, keepdim=True), Z.amax(axes, keepdim=True)


def scaled(Z, axes=(2, 3)):
    low, high = span(Z, axes)
    return torch.where(high > low, (Z - low) / (high - low), torch.zeros_like(Z))


@masks_from_maps.reference
def _(F, size):
    return scaled(up(F, size))


@masks_from_maps.wrong(
    "You scaled first and enlarged afterwards. Interpolation mixes the peak "
    "with its neighbours, so the mask does not reach 1 any more. Enlarge first, "
    "then scale."
)
def scaled_before_enlarging(F, size):
    return up(scaled(F), size)


@masks_from_maps.wrong(
    "You used one minimum and one maximum for all channels of an image. Each "
    "channel becomes a mask of its own, with its own range."
)
def one_range_per_image(F, size):
    return scaled(up(F, size), (1, 2, 3))


@masks_from_maps.wrong(
    "You used one minimum and one maximum for the whole tensor. Each channel of "
    "each image needs its own."
)
def one_range_for_all(F, size):
    return scaled(up(F, size), (0, 1, 2, 3))


@masks_from_maps.wrong(
    "A constant channel gave NaN: max − min is 0 there. It shows no place, so its mask is zeros."
)
def constant_channel_is_nan(F, size):
    low, high = span(up(F, size))
    return (up(F, size) - low) / (high - low)


@masks_from_maps.wrong(
    "A constant channel gave a mask that lets the whole image through. It shows "
    "no place; its mask is zeros."
)
def constant_channel_is_one(F, size):
    low, high = span(up(F, size))
    return torch.where(high > low, (up(F, size) - low) / (high - low), torch.ones_like(low))


@masks_from_maps.wrong(
    "You divided by the maximum only. After the minimum is taken away, the "
    "largest value is max − min."
)
def divided_by_max(F, size):
    Z = up(F, size)
    low, high = span(Z)
    return torch.where(high > low, (Z - low) / high, torch.zeros_like(Z))


@masks_from_maps.wrong(
    "You cut off negative values first. s keeps the whole range: the smallest "
    "value becomes 0, whatever its sign."
)
def relu_first(F, size):
    return scaled(up(F, size).relu())


@masks_from_maps.wrong(
    "You did not scale. A mask lets a share of the image through, so its values lie in [0, 1]."
)
def not_scaled(F, size):
    return up(F, size)


@masks_from_maps.wrong(
    "You used a sigmoid. It brings values into [0, 1] too, but the formula "
    "takes min-max: the weakest place is 0 and the strongest is 1."
)
def sigmoid(F, size):
    return up(F, size).sigmoid()


@masks_from_maps.wrong(
    "You cut the mask in two at one half. The masks of this method are soft: "
    "they dim the image by degrees."
)
def cut_at_one_half(F, size):
    return (scaled(up(F, size)) > 0.5).float()


@masks_from_maps.wrong(
    "You used the nearest pixel. Then the mask has hard blocks; use bilinear interpolation."
)
def nearest(F, size):
    return scaled(functional.interpolate(F, size=tuple(size)))


@masks_from_maps.wrong(
    "You set align_corners=True. Pixels are areas, not points: use align_corners=False."
)
def corners_aligned(F, size):
    return scaled(functional.interpolate(F, size=tuple(size), mode="bilinear", align_corners=True))


@masks_from_maps.wrong(
    "You used bicubic interpolation. It overshoots: then the extreme values, "
    "which s relies on, are not values of the map."
)
def bicubic(F, size):
    return scaled(functional.interpolate(F, size=tuple(size), mode="bicubic", align_corners=False))


@masks_from_maps.wrong("Height and width are exchanged. size is (H, W): rows first.")
def exchanged_sides(F, size):
    return scaled(up(F, tuple(size)[::-1]))


@masks_from_maps.wrong(
    "A small number in the denominator changes channels with small values. Test "
    "for max = min instead of adding an epsilon."
)
def epsilon_in_denominator(F, size):
    low, high = span(up(F, size))
    return (up(F, size) - low) / (high - low + 1e-6)


@masks_from_maps.wrong(
    "A small number in the denominator changes channels with small values. Test "
    "for max = min instead of adding an epsilon."
)
def small_epsilon_in_denominator(F, size):
    low, high = span(up(F, size))
    return (up(F, size) - low) / (high - low + 1e-8)


@masks_from_maps.wrong(
    "You turned the masks around: the strongest place of a map must let the "
    "image through (1), not hide it (0)."
)
def turned_around(F, size):
    return 1 - scaled(up(F, size))


@masks_from_maps.wrong(
    "You cut off negative values and divided by the maximum. s moves the smallest value to 0, "
    "whatever its sign, and divides by max − min."
)
def relu_and_divided_by_max(F, size):
    Z = up(F, size).relu()
    return Z / Z.amax((2, 3), keepdim=True).clamp_min(1e-30)


@masks_from_maps.accepts
def channel_by_channel(F, size):
    N, K = F.shape[:2]
    H = torch.zeros(N, K, *size)
    for n in range(N):
        for k in range(K):
            Z = functional.interpolate(F[n, k][None, None], size=size, mode="bilinear")[0, 0]
            if Z.max() > Z.min():
                H[n, k] = (Z - Z.min()) / (Z.max() - Z.min())
    return H


@masks_from_maps.accepts
def nan_to_zero(F, size):
    Z = nn.Upsample(size=size, mode="bilinear", align_corners=False)(F)
    flat = Z.flatten(2)
    low, high = flat.min(2).values[..., None, None], flat.max(2).values[..., None, None]
    return torch.nan_to_num((Z - low) / (high - low))


@masks_from_maps.accepts
def constant_found_before_enlarging(F, size):
    Z = up(F, size)
    low, high = span(Z)
    alive = F.flatten(2).std(2) > 1e-9
    return torch.where(
        alive[..., None, None], (Z - low) / (high - low).clamp_min(1e-30), torch.zeros_like(Z)
    )


@masks_from_maps.accepts
def range_not_below_a_tiny_number(F, size):
    Z = up(F.double(), size)
    low, high = span(Z)
    return (Z - low) / (high - low).clamp_min(1e-12)


@masks_from_maps.accepts
def negligible_epsilon(F, size):
    low, high = span(up(F, size))
    return (up(F, size) - low) / (high - low + 1e-12)


@masks_from_maps.accepts
def numpy_answer_12_2(F, size):
    Z = functional.interpolate(F, size=size, mode="bilinear").numpy()
    low, range_ = Z.min((2, 3), keepdims=True), np.ptp(Z, axis=(2, 3), keepdims=True)
    return np.divide(Z - low, range_, out=np.zeros_like(Z), where=range_ > 0)


# ------------------------------------------------------------------ 12.3

increase_of_confidence = Exercise(
    "12.3",
    "increase_of_confidence",
    formula="C_k = f_c(x ∘ H_k) − f_c(x_b)",
    hints=(
        "Lay each mask on the image, ask the network for the score of class c, and compare with "
        "its score for the baseline.",
        "C_k = f_c(x ∘ H_k) − f_c(x_b). The mask lies on x, the image. One mask covers all "
        "colours, so it needs a colour axis: (N, 1, H, W). The second term is the same for all k.",
        "Loop over k: f(x * masks[:, k, None]), pick the logit of each image's class, subtract "
        "that of f(baseline). Stack the K results along axis 1.",
    ),
)


@increase_of_confidence.cases
def _(rng):
    def random_masks(N, K, H, W):
        return torch.rand(N, K, H, W, generator=rng)

    def images(*shape):
        return torch.rand(*shape, generator=rng) + 0.3 * normal(rng, *shape)

    x = images(2, 3, 5, 4)
    yield Case(
        "two colour images, three masks, the baseline is black",
        flat_head((3, 5, 4), 4),
        x,
        random_masks(2, 3, 5, 4),
        1,
        torch.zeros_like(x),
    )
    x = images(3, 1, 4, 6)
    yield Case(
        "grey images, a class for each, any baseline",
        flat_head((1, 4, 6), 5),
        x,
        random_masks(3, 5, 4, 6),
        torch.tensor([4, 0, 2]),
        images(3, 1, 4, 6),
    )
    x = images(1, 2, 3, 7)
    yield Case(
        "one image, one mask, any baseline",
        flat_head((2, 3, 7), 3),
        x,
        random_masks(1, 1, 3, 7),
        2,
        images(1, 2, 3, 7),
    )
    x = images(2, 3, 4, 4)
    masks = random_masks(2, 4, 4, 4)
    masks[0, 2] = 0
    yield Case(
        "one mask hides everything",
        flat_head((3, 4, 4), 4),
        x,
        masks,
        torch.tensor([0, 3]),
        0.5 * torch.ones_like(x),
    )


@increase_of_confidence.reference
def _(f, x, masks, c, baseline):
    after = [of_class(f(x * masks[:, k][:, None]), c) for k in range(masks.shape[1])]
    return torch.stack(after, dim=1) - of_class(f(baseline), c)[:, None]


def confidence(f, x, masks, c, pick=of_class):
    """f_c of each masked image, (N, K)."""
    return torch.stack([pick(f(x * masks[:, k, None]), c) for k in range(masks.shape[1])], dim=1)


@increase_of_confidence.wrong(
    "You masked the baseline, as the article's formula does. Then the "
    "image never reaches the network! The mask belongs on x."
)
def baseline_masked(f, x, masks, c, baseline):
    return confidence(f, baseline, masks, c) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "You masked the baseline as well. The second term is f_c(x_b), the score of the whole baseline: "
    "the same number for all masks."
)
def baseline_masked_as_well(f, x, masks, c, baseline):
    return confidence(f, x, masks, c) - confidence(f, baseline, masks, c)


@increase_of_confidence.wrong(
    "You filled the hidden part with the baseline. That is a sensible "
    "variant, but not this formula: x ∘ H makes the hidden part zero, "
    "and x_b appears in the second term only."
)
def hidden_part_from_the_baseline(f, x, masks, c, baseline):
    after = [
        of_class(f(x * masks[:, k, None] + baseline * (1 - masks[:, k, None])), c)
        for k in range(masks.shape[1])
    ]
    return torch.stack(after, 1) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "You did not subtract the score of the baseline: C is an increase, compared with f_c(x_b)."
)
def nothing_subtracted(f, x, masks, c, baseline):
    return confidence(f, x, masks, c)


@increase_of_confidence.wrong(
    "You compared with the whole image. The formula compares with the "
    "baseline: f_c(x_b), not f_c(x)."
)
def compared_with_the_image(f, x, masks, c, baseline):
    return confidence(f, x, masks, c) - of_class(f(x), c)[:, None]


@increase_of_confidence.wrong(
    "You used probabilities. Here f_c is the logit, the number before the softmax over classes."
)
def probabilities(f, x, masks, c, baseline):
    after = confidence(f, x, masks, c, lambda logits, c: of_class(logits.softmax(1), c))
    return after - of_class(f(baseline).softmax(1), c)[:, None]


@increase_of_confidence.wrong(
    "You kept what the mask hides: 1 − H instead of H. That measures how well the rest does."
)
def inverse_mask(f, x, masks, c, baseline):
    return confidence(f, x, 1 - masks, c) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "You used the class of the first image for all images. c can hold one class for each image."
)
def first_class(f, x, masks, c, baseline):
    c = torch.as_tensor(c).reshape(-1)[0]
    return confidence(f, x, masks, c) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "You took the largest logit of each masked image. Follow class c, even where it does not win."
)
def largest_logit(f, x, masks, c, baseline):
    return (
        confidence(f, x, masks, c, lambda logits, c: logits.amax(1))
        - of_class(f(baseline), c)[:, None]
    )


@increase_of_confidence.wrong(
    "The sign is turned around: the baseline's score is subtracted from that of the masked image."
)
def minus_turned(f, x, masks, c, baseline):
    return of_class(f(baseline), c)[:, None] - confidence(f, x, masks, c)


@increase_of_confidence.wrong(
    "Images and masks are paired wrongly: a mask of one image lies on "
    "another image. In a big batch, repeat_interleave keeps the K copies "
    "of an image together; repeat does not."
)
def paired_wrongly(f, x, masks, c, baseline):
    N, K = masks.shape[:2]
    many = x.repeat(K, 1, 1, 1) * masks.flatten(0, 1)[:, None]
    c = torch.as_tensor(c).expand(N)
    after = of_class(f(many), c.repeat_interleave(K)).view(N, K)
    return after - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "You used the masks of the first image for all images. Each image has its own K masks."
)
def masks_of_the_first_image(f, x, masks, c, baseline):
    return confidence(f, x, masks[:1].expand_as(masks), c) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "You applied the softmax over the channels already. That is the next "
    "exercise; here the raw differences are asked for."
)
def softmax_already(f, x, masks, c, baseline):
    return (confidence(f, x, masks, c) - of_class(f(baseline), c)[:, None]).softmax(1)


@increase_of_confidence.wrong(
    "The network saw the masks, not the image behind them: multiply them with x."
)
def masks_alone(f, x, masks, c, baseline):
    return confidence(f, torch.ones_like(x), masks, c) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong("You added the mask to the image. ∘ is the product, pixel by pixel.")
def mask_added(f, x, masks, c, baseline):
    after = [of_class(f(x + masks[:, k, None]), c) for k in range(masks.shape[1])]
    return torch.stack(after, 1) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "The axes are exchanged: the result is (N, K), one row for each image."
)
def axes_exchanged(f, x, masks, c, baseline):
    return (confidence(f, x, masks, c) - of_class(f(baseline), c)[:, None]).T


@increase_of_confidence.wrong(
    "The mask has no colour axis: x is (N, C, H, W) and masks[:, k] is (N, H, W), so the sizes do "
    "not meet. Give the mask an axis of size 1 where x has its colours."
)
def colour_axis_missing(f, x, masks, c, baseline):
    after = [of_class(f(x * masks[:, k]), c) for k in range(masks.shape[1])]
    return torch.stack(after, 1) - of_class(f(baseline), c)[:, None]


@increase_of_confidence.wrong(
    "logits[:, c] with one class for each image takes all these classes from every image: an N×N "
    "table. You need one logit from each row."
)
def all_classes_from_every_image(f, x, masks, c, baseline):
    after = confidence(f, x, masks, c, lambda logits, c: logits[:, c])
    return after - f(baseline)[:, c][:, None]


@increase_of_confidence.accepts
def one_big_batch(f, x, masks, c, baseline):
    N, K = masks.shape[:2]
    c = torch.as_tensor(c).expand(N)
    masked = (x[:, None] * masks[:, :, None]).flatten(0, 1)
    after = f(masked).view(N, K, -1).gather(2, c[:, None, None].expand(N, K, 1))[..., 0]
    return after - f(baseline).gather(1, c[:, None])


@increase_of_confidence.accepts
def image_for_image(f, x, masks, c, baseline):
    rows = []
    for n in range(len(x)):
        cn = int(torch.as_tensor(c).expand(len(x))[n])
        after = f(x[n] * masks[n][:, None])[:, cn]
        rows.append(after - f(baseline[n : n + 1])[0, cn])
    return torch.stack(rows)


@increase_of_confidence.accepts
def one_forward_pass_each(f, x, masks, c, baseline):
    N, K = masks.shape[:2]
    C = np.zeros((N, K))
    for n in range(N):
        cn = int(c[n]) if torch.is_tensor(c) and c.dim() else int(c)
        for k in range(K):
            after, before = f((x[n] * masks[n, k])[None]), f(baseline[n][None])
            C[n, k] = after[0, cn].item() - before[0, cn].item()
    return C


@increase_of_confidence.accepts
def einsum_and_chunks(f, x, masks, c, baseline):
    N, K = masks.shape[:2]
    masked = torch.einsum("nchw,nkhw->nkchw", x, masks).reshape(N * K, *x.shape[1:])
    logits = torch.cat([f(part) for part in masked.split(3)]).reshape(N, K, -1)
    c = torch.as_tensor(c).expand(N)
    n = torch.arange(N)
    return logits[n, :, c] - f(baseline)[n, c].unsqueeze(1)


# ------------------------------------------------------------------ 12.4

score_cam = Exercise(
    "12.4",
    "score_cam",
    formula="L = ReLU(Σ_k α_k F_k),  α = softmax over k of C_k;  a constant channel: α_k = 0",
    hints=(
        "You have all parts: masks from 12.2, confidences from 12.3. The softmax over the channels "
        "makes them weights; then comes the weighted sum that you know from CAM.",
        "α = softmax_k(C_k), L = ReLU(Σ_k α_k F_k). Logits, and any baseline. A constant channel "
        "was never tested, so it must get weight 0, and the other weights must still sum to 1.",
        "Set C to −∞ where F is constant over space: e^(−∞) = 0. Then C.softmax(1), an einsum "
        "nk,nkxy->nxy with F, and relu.",
    ),
)


@score_cam.cases
def _(rng):
    def images(*shape):
        return torch.rand(*shape, generator=rng) + 0.3 * normal(rng, *shape)

    yield Case(
        "two colour images, signed maps",
        flat_head((3, 6, 8), 4, 0.6),
        normal(rng, 2, 4, 3, 4),
        images(2, 3, 6, 8),
        1,
    )
    yield Case(
        "a class for each image",
        flat_head((1, 5, 7), 5, 0.6),
        normal(rng, 3, 3, 3, 2),
        images(3, 1, 5, 7),
        torch.tensor([3, 0, 4]),
    )
    F = normal(rng, 2, 5, 2, 4).relu() + 0.1 * torch.rand(2, 5, 2, 4, generator=rng)
    F[:, 2] = 0
    F[1, 4] = 1.0
    yield Case(
        "channel 2 is zero everywhere; in the second image channel 4 is 1 everywhere",
        flat_head((2, 4, 8), 3, 0.6),
        F,
        images(2, 2, 4, 8),
        torch.tensor([2, 0]),
    )
    yield Case(
        "one channel", flat_head((1, 4, 3), 3, 0.6), normal(rng, 2, 1, 4, 3), images(2, 1, 4, 3), 0
    )


def alive(F):
    return F.amax((2, 3)) > F.amin((2, 3))


def confidences(f, F, x, c, skip, pick=of_class):
    C = confidence(f, x, scaled(up(F, x.shape[2:])), c, pick)
    C = C - pick(f(torch.zeros_like(x)), c)[:, None]
    return torch.where(alive(F), C, -torch.inf) if skip else C


def mixed(α, F):
    return torch.einsum("nk,nkxy->nxy", α, F)


@score_cam.reference
def _(f, F, x, c):
    α = confidences(f, F, x, c, True).softmax(1)
    return sum(α[:, k, None, None] * F[:, k] for k in range(F.shape[1])).relu()


@score_cam.wrong(
    "A constant channel got a share of the weight. Its mask is empty, so it was never "
    "tested: its weight is 0, and the other weights sum to 1."
)
def constant_channel_weighted(f, F, x, c):
    return mixed(confidences(f, F, x, c, False).softmax(1), F).relu()


@score_cam.wrong(
    "You set the weight of the constant channel to 0 after the softmax. Then the "
    "other weights do not sum to 1 any more: take the channel out before."
)
def constant_channel_removed_too_late(f, F, x, c):
    α = confidences(f, F, x, c, False).softmax(1)
    return mixed(torch.where(alive(F), α, torch.zeros_like(α)), F).relu()


def wrong_with_and_without_constants(sentence, name):
    """The same mistake twice: with constant channels taken out, and with them left in."""

    def register(make):
        def skipping(f, F, x, c):
            return make(f, F, x, c, True)

        def keeping(f, F, x, c):
            return make(f, F, x, c, False)

        skipping.__name__, keeping.__name__ = name, f"{name}_and_constant_channel"
        score_cam.wrong(sentence)(skipping)
        score_cam.wrong(sentence)(keeping)
        return make

    return register


@wrong_with_and_without_constants(
    "The ReLU is missing: L = ReLU(Σ α F). Where F can be negative, you see the difference.",
    "no_relu",
)
def _(f, F, x, c, skip):
    return mixed(confidences(f, F, x, c, skip).softmax(1), F)


@wrong_with_and_without_constants(
    "You cut the maps off before the sum. The ReLU stands around the whole sum.",
    "relu_before_the_sum",
)
def _(f, F, x, c, skip):
    return mixed(confidences(f, F, x, c, skip).softmax(1), F.relu())


@wrong_with_and_without_constants(
    "You used probabilities for the confidence. Algorithm 1 takes "
    "logits; probabilities differ by less than 1, and the softmax "
    "over channels makes them nearly equal.",
    "probabilities_used",
)
def _(f, F, x, c, skip):
    return mixed(
        confidences(f, F, x, c, skip, lambda Y, c: of_class(Y.softmax(1), c)).softmax(1), F
    ).relu()


@wrong_with_and_without_constants(
    "The softmax went over the images. It goes over the channels: "
    "the K weights of one image sum to 1.",
    "softmax_over_images",
)
def _(f, F, x, c, skip):
    return mixed(torch.nan_to_num(confidences(f, F, x, c, skip).softmax(0)), F).relu()


@wrong_with_and_without_constants(
    "The softmax went over all images together. Each image has its own K weights with sum 1.",
    "softmax_over_everything",
)
def _(f, F, x, c, skip):
    C = confidences(f, F, x, c, skip)
    return mixed(C.flatten().softmax(0).view_as(C), F).relu()


@wrong_with_and_without_constants(
    "All your weights are equal: the image never reached the "
    "network. The masks belong on x, not on the baseline.",
    "baseline_was_masked",
)
def _(f, F, x, c, skip):
    return mixed((confidences(f, F, x, c, skip) * 0).nan_to_num(-torch.inf).softmax(1), F).relu()


@wrong_with_and_without_constants(
    "You mixed the masks. The weights belong to the feature maps F "
    "themselves, with their own strength; the result is as large as "
    "F.",
    "masks_mixed",
)
def _(f, F, x, c, skip):
    return mixed(confidences(f, F, x, c, skip).softmax(1), scaled(up(F, x.shape[2:]))).relu()


@wrong_with_and_without_constants(
    "You enlarged the map to the size of the image. Algorithm 1 "
    "ends at the resolution of F; enlarging comes with the picture.",
    "enlarged",
)
def _(f, F, x, c, skip):
    return up(mixed(confidences(f, F, x, c, skip).softmax(1), F)[:, None], x.shape[2:])[:, 0].relu()


@wrong_with_and_without_constants(
    "You used the class of the first image for all images. c can hold one class for each image.",
    "first_class_only",
)
def _(f, F, x, c, skip):
    return mixed(confidences(f, F, x, torch.as_tensor(c).reshape(-1)[0], skip).softmax(1), F).relu()


@wrong_with_and_without_constants(
    "You explained the class that wins. c says which class is asked for.", "winning_class"
)
def _(f, F, x, c, skip):
    return mixed(confidences(f, F, x, f(x).argmax(1), skip).softmax(1), F).relu()


@score_cam.wrong(
    "You scaled the map to [0, 1]. Keep the raw values: scaling comes with the picture."
)
def scaled_already(f, F, x, c):
    return scaled(mixed(confidences(f, F, x, c, True).softmax(1), F).relu()[:, None])[:, 0]


@wrong_with_and_without_constants(
    "You weighted the maps but did not add them up: the channel axis must disappear.",
    "channels_not_summed",
)
def _(f, F, x, c, skip):
    return (confidences(f, F, x, c, skip).softmax(1)[:, :, None, None] * F).relu()


@score_cam.wrong(
    "You used the confidences themselves as weights. That is the variant of the "
    "authors' code; Algorithm 1 sends them through a softmax over the channels."
)
def no_softmax(f, F, x, c):
    C = confidences(f, F, x, c, True)
    return mixed(torch.where(alive(F), C, torch.zeros_like(C)), F).relu()


@score_cam.wrong(
    "You divided the confidences by their sum. The formula takes the softmax: e^C first, then divided "
    "by the sum. Without it weights can be negative, and the sum can be near 0."
)
def divided_by_the_sum(f, F, x, c):
    C = confidences(f, F, x, c, True)
    C = torch.where(alive(F), C, torch.zeros_like(C))
    return mixed(C / C.sum(1, keepdim=True), F).relu()


@score_cam.wrong(
    "You compared with the score of the whole image and left the softmax out. "
    "Algorithm 1 sends the confidences through a softmax over the channels."
)
def drop_from_the_image(f, F, x, c):
    C = confidence(f, x, scaled(up(F, x.shape[2:])), c) - of_class(f(x), c)[:, None]
    return mixed(torch.where(alive(F), C, torch.zeros_like(C)), F).relu()


@score_cam.wrong(
    "The weights are scaled to [0, 1] by min-max. The formula takes the softmax over the channels."
)
def minmax_of_weights(f, F, x, c):
    C = confidences(f, F, x, c, False)
    low, high = C.amin(1, keepdim=True), C.amax(1, keepdim=True)
    return mixed(torch.where(high > low, (C - low) / (high - low), torch.zeros_like(C)), F).relu()


@score_cam.accepts
def another_baseline(f, F, x, c):
    """The baseline cancels: the image itself will do."""
    C = confidence(f, x, scaled(up(F, x.shape[2:])), c) - of_class(f(x), c)[:, None]
    return mixed(C.masked_fill(~alive(F), -torch.inf).softmax(1), F).relu()


@score_cam.accepts
def no_baseline(f, F, x, c):
    C = confidence(f, x, scaled(up(F, x.shape[2:])), c)
    α = torch.exp(C - C.amax(1, keepdim=True)) * alive(F)
    return (α / α.sum(1, keepdim=True))[:, :, None, None].mul(F).sum(1).clamp(min=0)


@score_cam.accepts
def only_living_channels(f, F, x, c):
    L = []
    for n in range(len(x)):
        cn = torch.as_tensor(c).expand(len(x))[n]
        k = alive(F)[n].nonzero()[:, 0]
        H = scaled(up(F[n : n + 1, k], x.shape[2:]))[0]
        C = f(x[n] * H[:, None])[:, cn] - f(torch.zeros_like(x[n : n + 1]))[0, cn]
        L.append(torch.tensordot(C.softmax(0), F[n, k], dims=1).relu())
    return torch.stack(L)


@score_cam.accepts
def empty_masks_found(f, F, x, c):
    """A constant channel is known by its mask: zeros."""
    H = scaled(up(F, x.shape[2:]))
    C = confidence(f, x, H, c) + torch.log((H.amax((2, 3)) > 0).float())
    return np.maximum(np.einsum("nk,nkxy->nxy", C.softmax(1).detach().numpy(), F.numpy()), 0)


@score_cam.accepts
def very_low_confidence(f, F, x, c):
    C = confidences(f, F, x, c, False)
    C[~alive(F)] = -1e9
    return (
        torch.matmul(functional.softmax(C, dim=1)[:, None], F.flatten(2))
        .view(len(F), *F.shape[2:])
        .relu()
    )


def test_lesson(proof):
    proof()
