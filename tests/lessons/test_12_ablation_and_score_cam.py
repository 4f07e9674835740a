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


def of_each(c, maps):
    """The class of each of the N·K maps (N, K, …): that of its image."""
    return torch.as_tensor(c).expand(len(maps)).repeat_interleave(maps.shape[1])


def first_of(c):
    """The class of the first image."""
    return torch.as_tensor(c).reshape(-1)[0]


def flat_head(sizes, classes, scale=1.0):
    """A head that keeps positions apart, with a bend in it: what GAP would hide, it shows."""
    inside = int(np.prod(sizes))
    head = nn.Sequential(nn.Flatten(), nn.Linear(inside, 8), nn.Tanh(), nn.Linear(8, classes))
    with torch.no_grad():
        head[1].weight.mul_(2)
        head[3].weight.mul_(3 * scale)
    return head.eval()


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
    head = lifted(flat_head((4, 3, 5), 3), F, 1, 1.5)
    yield Case("positive logits, a head with a flatten layer", head, F, 1)
    F, c = normal(rng, 3, 5, 2, 3), torch.tensor([2, 0, 3])
    head = lifted(flat_head((5, 2, 3), 4), F, c, 0.8)
    yield Case("a class for each image, one logit is large, all are positive", head, F, c)
    F = normal(rng, 2, 3, 4, 2)
    yield Case("negative logits", lifted(flat_head((3, 4, 2), 4), F, 2, -1.2), F, 2)
    F = normal(rng, 1, 1, 3, 4)
    yield Case("one image with one channel", lifted(flat_head((1, 3, 4), 3), F, 0, 2.0), F, 0)
    F, c = normal(rng, 2, 4, 3, 3).relu(), torch.tensor([4, 1])
    F[:, 1] = 0
    head = lifted(flat_head((4, 3, 3), 5), F, c, -0.9)
    yield Case("channel 1 is zero everywhere, negative logits", head, F, c)


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
def relative_drops(classifier, F, c):
    y = of_class(classifier(F), c)
    w = []
    for k in range(F.shape[1]):
        without = F.clone()
        without[:, k] = 0
        w.append((y - of_class(classifier(without), c)) / y.abs())
    return torch.stack(w, dim=1)


def without(F, k):
    """The maps without channel k."""
    return F * (torch.arange(F.shape[1]) != k)[:, None, None]


def without_each(classifier, F, c, removed=without, pick=of_class):
    """y (N, 1) and y_k (N, K), with `pick(logits, c)` as the score."""
    y = pick(classifier(F), c)[:, None]
    y_k = [pick(classifier(removed(F, k)), c) for k in range(F.shape[1])]
    return y, torch.stack(y_k, dim=1)


def of_scores(weights, **how):
    """The answer `weights(y, y_k)`, with other scores if `without_each` is told how."""
    return lambda classifier, F, c: weights(*without_each(classifier, F, c, **how))


def overwritten(F, k):
    F[:, k] = 0
    return F


ablation_weights.products(
    lambda weights, how: of_scores(weights, **how),
    how={
        "each channel alone": ({}, ""),
        "removed_for_good": (
            {"removed": lambda F, k: F * (torch.arange(F.shape[1]) > k)[:, None, None]},
            "The removed channels stay removed: at step k all channels up to k are zero. Start "
            "from a fresh copy of F each time.",
        ),
        "overwrote_the_maps": (
            {"removed": overwritten},
            "You wrote the zeros into F itself. Then F is empty after the loop, and nobody else "
            "can use it. Work on a copy.",
        ),
        "kept_only_one": (
            {"removed": lambda F, k: F - without(F, k)},
            "You kept channel k and removed all the others. Ablation removes one channel and keeps "
            "the rest.",
        ),
        "mean_instead_of_zero": (
            {"removed": lambda F, k: without(F, k) + (F - without(F, k)).mean((2, 3), True)},
            "You replaced the channel by its mean. Removing it means setting it to zero. (With "
            "global average pooling the mean would change nothing at all!)",
        ),
        "wrong_axis": (
            {"removed": lambda F, k: without(F.transpose(0, 1), k % len(F)).transpose(0, 1)},
            "You removed image k instead of channel k. F is (N, K, h, w): channels are axis 1, "
            "F[:, k].",
        ),
        "every_class_from_every_image": (
            {"pick": lambda logits, c: logits[:, c]},
            "logits[:, c] with one class for each image takes all these classes from every image: "
            "an N×N table. You need one logit from each row.",
        ),
    },
    weights={
        "relative drop": (lambda y, y_k: (y - y_k) / y.abs(), ""),
        "divided_by_signed_score": (
            lambda y, y_k: (y - y_k) / y,
            "You divided by y itself, as the paper does. Where y is negative, every weight gets "
            "the wrong sign: a channel that helps the class counts against it. Keep the size of y, "
            "not its sign.",
        ),
        "not_divided": (
            lambda y, y_k: y - y_k,
            "You have the drop, but not the relative drop: divide it by the size of the score.",
        ),
    },
)

ablation_weights.wrongs(
    first_class_for_all=(
        lambda classifier, F, c: relative_drops(classifier, F, first_of(c)),
        "You used the class of the first image for all images. c can hold one class for each "
        "image.",
    ),
    sign_of_any_image=(
        of_scores(lambda y, y_k: (y - y_k) / (-y if (y < 0).any() else y)),
        "You turned the weights of all images around when one score was negative. Each image has a "
        "y of its own: the sign is repaired image by image.",
    ),
    score_cut_off=(
        of_scores(lambda y, y_k: (y - y_k) / y.clamp_min(1e-8)),
        "You cut y off at a small positive number. Where y is negative you then divide by that "
        "small number, and the weights are huge. Divide by the size of y.",
    ),
    divided_by_the_score_after=(
        of_scores(lambda y, y_k: (y - y_k) / y_k.abs()),
        "You divided by y_k. The drop is compared with the score before, y.",
    ),
)


@ablation_weights.wrong(
    "This is gradient times activation. It is the drop only where the classifier is linear; here "
    "you are asked to remove the channel and look."
)
def gradient_times_map(classifier, F, c):
    with torch.enable_grad():
        F = F.clone().requires_grad_()
        y = of_class(classifier(F), c)
        (G,) = torch.autograd.grad(y.sum(), F)
    return ((G * F).sum(dim=(2, 3)) / y.abs()[:, None]).detach()


ablation_weights.teaches(
    {
        "sign: then first for all": "You took the sign of the first image's score for all images. "
        "Each image has a y of its own, and in one batch some are positive and some negative.",
        "abs of classifier": "You compared the sizes, |y| − |y_k|. A score that falls from −1 to "
        "−2 has become larger in size, but the channel helped: take the plain drop y − y_k, and "
        "the size only of the y below it.",
        "result: neg": "The sign is turned around. If the score falls without the channel, the "
        "channel helped, and its weight is positive: y − y_k.",
        "softmax of classifier": "You used the probability. y is the logit, the number before the "
        "softmax.",
        "predicted for c": "You took the score of the class that wins. c says which class is asked "
        "for, and it need not be the winner.",
        "winner of classifier": "You took the largest logit each time. Without channel k another "
        "class may win; follow class c.",
        "result: abs": "You took the size of the drop. If the score rises without a channel, that "
        "channel spoke against the class, and its weight is negative.",
        "result: relu": "You cut off negative weights. The ReLU of this method stands around the "
        "whole map, not around the weights.",
        "result: transpose": "The axes are exchanged: the result is (N, K), one row for each "
        "image.",
    }
)


@ablation_weights.accepts
def all_at_once(classifier, F, c):
    """N·K copies of the maps in one batch, each with another channel missing."""
    y = of_class(classifier(F), c)[:, None]
    copies = F[:, None] * (1 - torch.eye(F.shape[1]))[:, :, None, None]
    y_k = of_class(classifier(copies.flatten(0, 1)), of_each(c, F)).view(F.shape[:2])
    return (y - y_k) / y.abs()


@ablation_weights.accepts
def put_back_afterwards(classifier, F, c):
    y, w = of_class(classifier(F), c), []
    for k in range(F.shape[1]):
        kept = F[:, k].clone()
        F[:, k] = 0
        w.append((y - of_class(classifier(F), c)) / y.abs())
        F[:, k] = kept
    return torch.stack(w, 1)


def image_by_image(classifier, F, c):
    rows = []
    for n, maps in enumerate(F):
        cn = int(c[n]) if torch.is_tensor(c) else c
        y = classifier(maps[None])[0, cn].item()
        kept = (without(maps[None], k) for k in range(len(maps)))
        rows.append([(y - classifier(less)[0, cn].item()) / abs(y) for less in kept])
    return torch.tensor(rows)


ablation_weights.accepts_all(
    image_by_image=image_by_image,
    # the paper's quotient, multiplied by the sign of y
    sign_put_back=of_scores(lambda y, y_k: y.sign() * (1 - y_k / y)),
    double_and_epsilon=of_scores(lambda y, y_k: (y.double() - y_k) / (y.abs().double() + 1e-8)),
    numpy_answer=of_scores(lambda y, y_k: (y - y_k).detach().numpy() / np.abs(y.detach().numpy())),
)


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
    yield Case("maps of 3×2 to 7×9", normal(rng, 2, 3, 3, 2), (7, 9))
    scales = torch.tensor([1.0, 30.0, 0.02])[None, :, None, None]
    F = normal(rng, 2, 3, 4, 5) * scales + scales
    yield Case("channels with very different ranges", F, (8, 15))
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


def scaled(Z, axes=(2, 3), constant=0.0):
    """To [0, 1]; a part with one value only becomes `constant`."""
    low, high = span(Z, axes)
    return torch.where(high > low, (Z - low) / (high - low), constant)


@masks_from_maps.reference
def _(F, size):
    return scaled(up(F, size))


masks_from_maps.products(
    lambda order, constant: lambda F, size: order(F, size, constant),
    order={
        "enlarge, then scale": (
            lambda F, size, constant: scaled(up(F, size), (2, 3), constant),
            "",
        ),
        "scaled_before_enlarging": (
            lambda F, size, constant: up(scaled(F, (2, 3), constant), size),
            "You scaled first and enlarged afterwards. Interpolation mixes the peak with its "
            "neighbours, so the mask does not reach 1 any more. Enlarge first, then scale.",
        ),
    },
    constant={
        "zeros": (0.0, ""),
        "constant_channel_is_nan": (
            torch.nan,
            "A constant channel gave NaN: max − min is 0 there. It shows no place, so its mask is "
            "zeros.",
        ),
        "constant_channel_is_one": (
            1.0,
            "A constant channel gave a mask that lets the whole image through. It shows no place; "
            "its mask is zeros.",
        ),
    },
)


@masks_from_maps.wrong(
    "You divided by the maximum only. After the minimum is taken away, the largest value is "
    "max − min."
)
def divided_by_max(F, size):
    Z = up(F, size)
    low, high = span(Z)
    return torch.where(high > low, (Z - low) / high, 0.0)


@masks_from_maps.wrong(
    "You cut off negative values and divided by the maximum. s moves the smallest value to 0, "
    "whatever its sign, and divides by max − min."
)
def relu_and_divided_by_max(F, size):
    Z = up(F, size).relu()
    return Z / Z.amax((2, 3), keepdim=True).clamp_min(1e-30)


masks_from_maps.wrongs(
    one_range_per_image=(
        lambda F, size: scaled(up(F, size), (1, 2, 3)),
        "You used one minimum and one maximum for all channels of an image. Each channel becomes a "
        "mask of its own, with its own range.",
    ),
    one_range_for_all=(
        lambda F, size: scaled(up(F, size), (0, 1, 2, 3)),
        "You used one minimum and one maximum for the whole tensor. Each channel of each image "
        "needs its own.",
    ),
    not_scaled=(
        lambda F, size: up(F, size),
        "You did not scale. A mask lets a share of the image through, so its values lie in [0, 1].",
    ),
    sigmoid=(
        lambda F, size: up(F, size).sigmoid(),
        "You used a sigmoid. It brings values into [0, 1] too, but the formula takes min-max: the "
        "weakest place is 0 and the strongest is 1.",
    ),
)

EPSILON = (
    "A small number in the denominator changes channels with small values. Test for max = min "
    "instead of adding an epsilon."
)

masks_from_maps.teaches(
    {
        "resizing: then relu": "You cut off negative values first. s keeps the whole range: the "
        "smallest value becomes 0, whatever its sign.",
        "resizing: nearest": "You used the nearest pixel. Then the mask has hard blocks; use "
        "bilinear interpolation.",
        "resizing: aligned": "You set align_corners=True. Pixels are areas, not points: use "
        "align_corners=False.",
        "resizing: bicubic": "You used bicubic interpolation. It overshoots: then the extreme "
        "values, which s relies on, are not values of the map.",
        "size reversed": "Height and width are exchanged. size is (H, W): rows first.",
        **{f"quotient: + 1e-{power} below": EPSILON for power in range(3, 9)},
        "result: 1 -": "You turned the masks around: the strongest place of a map must let the "
        "image through (1), not hide it (0).",
        "result: round": "You cut the mask in two at one half. The masks of this method are soft: "
        "they dim the image by degrees.",
    }
)


@masks_from_maps.accepts
def channel_by_channel(F, size):
    H = torch.zeros(*F.shape[:2], *size)
    for n, maps in enumerate(F):
        for k, Z in enumerate(functional.interpolate(maps[None], size=size, mode="bilinear")[0]):
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
    alive = F.flatten(2).std(2)[..., None, None] > 1e-9
    return torch.where(alive, (Z - low) / (high - low).clamp_min(1e-30), torch.zeros_like(Z))


def over(range_):
    """The usual quotient, with `range_(high, low)` below the line."""

    def answer(F, size):
        Z = up(F, size)
        low, high = span(Z)
        return (Z - low) / range_(high, low)

    return answer


masks_from_maps.accepts_all(
    range_not_below_a_tiny_number=over(lambda high, low: (high - low).double().clamp_min(1e-12)),
    negligible_epsilon=over(lambda high, low: high - low + 1e-12),
)


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


def images(rng, *shape):
    return torch.rand(*shape, generator=rng) + 0.3 * normal(rng, *shape)


@increase_of_confidence.cases
def _(rng):
    def given(N, K, C, H, W, classes):
        masks = torch.rand(N, K, H, W, generator=rng)
        return flat_head((C, H, W), classes), images(rng, N, C, H, W), masks

    f, x, masks = given(2, 3, 3, 5, 4, 4)
    black = torch.zeros_like(x)
    yield Case("two colour images, three masks, the baseline is black", f, x, masks, 1, black)
    f, x, masks = given(3, 5, 1, 4, 6, 5)
    c, baseline = torch.tensor([4, 0, 2]), images(rng, *x.shape)
    yield Case("grey images, a class for each, any baseline", f, x, masks, c, baseline)
    f, x, masks = given(1, 1, 2, 3, 7, 3)
    yield Case("one image, one mask, any baseline", f, x, masks, 2, images(rng, *x.shape))
    f, x, masks = given(2, 4, 3, 4, 4, 4)
    masks[0, 2] = 0
    grey = 0.5 * torch.ones_like(x)
    yield Case("one mask hides everything", f, x, masks, torch.tensor([0, 3]), grey)


@increase_of_confidence.reference
def increase(f, x, masks, c, baseline):
    after = [of_class(f(x * masks[:, k][:, None]), c) for k in range(masks.shape[1])]
    return torch.stack(after, dim=1) - of_class(f(baseline), c)[:, None]


def confidence(f, x, masks, c, pick=of_class, laid=torch.mul):
    """f_c of each image with a mask laid on it, (N, K)."""
    after = [pick(f(laid(x, masks[:, k, None])), c) for k in range(masks.shape[1])]
    return torch.stack(after, dim=1)


increase_of_confidence.products(
    lambda first, second: (
        lambda f, x, masks, c, baseline: (
            confidence(f, x, masks, c, laid=lambda x, H: first(x, H, baseline))
            - second(lambda x: of_class(f(x), c)[:, None], x, baseline)
        )
    ),
    first={
        "the masked image": (lambda x, H, baseline: x * H, ""),
        "baseline_masked": (
            lambda x, H, baseline: baseline * H,
            "You masked the baseline, as the article's formula does. Then the image never reaches "
            "the network! The mask belongs on x.",
        ),
        "hidden_part_from_the_baseline": (
            lambda x, H, baseline: x * H + baseline * (1 - H),
            "You filled the hidden part with the baseline. That is a sensible variant, but not "
            "this formula: x ∘ H makes the hidden part zero, and x_b appears in the second term "
            "only.",
        ),
        "colour_axis_missing": (
            lambda x, H, baseline: x * H[:, 0],
            "The mask has no colour axis: x is (N, C, H, W) and masks[:, k] is (N, H, W), so the "
            "sizes do not meet. Give the mask an axis of size 1 where x has its colours.",
        ),
    },
    second={
        "the baseline": (lambda f_c, x, baseline: f_c(baseline), ""),
        "nothing_subtracted": (
            lambda f_c, x, baseline: 0,
            "You did not subtract the score of the baseline: C is an increase, compared with "
            "f_c(x_b).",
        ),
        "compared_with_the_image": (
            lambda f_c, x, baseline: f_c(x),
            "You compared with the whole image. The formula compares with the baseline: f_c(x_b), "
            "not f_c(x).",
        ),
    },
)

increase_of_confidence.wrongs(
    baseline_masked_as_well=(
        lambda f, x, masks, c, baseline: (
            confidence(f, x, masks, c) - confidence(f, baseline, masks, c)
        ),
        "You masked the baseline as well. The second term is f_c(x_b), the score of the whole "
        "baseline: the same number for all masks.",
    ),
    largest_logit=(
        lambda f, x, masks, c, baseline: (
            confidence(f, x, masks, c, lambda logits, c: logits.amax(1))
            - of_class(f(baseline), c)[:, None]
        ),
        "You took the largest logit of each masked image. Follow class c, even where it does not "
        "win.",
    ),
    first_class=(
        lambda f, x, masks, c, baseline: increase(f, x, masks, first_of(c), baseline),
        "You used the class of the first image for all images. c can hold one class for each "
        "image.",
    ),
    all_classes_from_every_image=(
        lambda f, x, masks, c, baseline: (
            confidence(f, x, masks, c, lambda logits, c: logits[:, c]) - f(baseline)[:, c][:, None]
        ),
        "logits[:, c] with one class for each image takes all these classes from every image: an "
        "N×N table. You need one logit from each row.",
    ),
)


@increase_of_confidence.wrong(
    "Images and masks are paired wrongly: a mask of one image lies on another image. In a big "
    "batch, repeat_interleave keeps the K copies of an image together; repeat does not."
)
def paired_wrongly(f, x, masks, c, baseline):
    many = x.repeat(masks.shape[1], 1, 1, 1) * masks.flatten(0, 1)[:, None]
    after = of_class(f(many), of_each(c, masks)).view(masks.shape[:2])
    return after - of_class(f(baseline), c)[:, None]


increase_of_confidence.teaches(
    {
        "softmax of f": "You used probabilities. Here f_c is the logit, the number before the "
        "softmax over classes.",
        "1 - masks": "You kept what the mask hides: 1 − H instead of H. That measures how well the "
        "rest does.",
        "masks: first for all": "You used the masks of the first image for all images. Each image "
        "has its own K masks.",
        "ones for x": "The network saw the masks, not the image behind them: multiply them with x.",
        "product: add": "You added the mask to the image. ∘ is the product, pixel by pixel.",
        "result: neg": "The sign is turned around: the baseline's score is subtracted from that of "
        "the masked image.",
        "result: softmax 1": "You applied the softmax over the channels already. That is the next "
        "exercise; here the raw differences are asked for.",
        "result: transpose": "The axes are exchanged: the result is (N, K), one row for each "
        "image.",
    }
)


@increase_of_confidence.accepts
def one_big_batch(f, x, masks, c, baseline):
    masked = (x[:, None] * masks[:, :, None]).flatten(0, 1)
    after = of_class(f(masked), of_each(c, masks)).view(masks.shape[:2])
    return after - of_class(f(baseline), c)[:, None]


@increase_of_confidence.accepts
def one_forward_pass_each(f, x, masks, c, baseline):
    N, K = masks.shape[:2]
    C = np.zeros((N, K))
    for n in range(N):
        cn = int(c[n]) if torch.is_tensor(c) else c
        for k in range(K):
            after, before = f((x[n] * masks[n, k])[None]), f(baseline[n][None])
            C[n, k] = after[0, cn].item() - before[0, cn].item()
    return C


@increase_of_confidence.accepts
def einsum_and_chunks(f, x, masks, c, baseline):
    masked = torch.einsum("nchw,nkhw->nkchw", x, masks).flatten(0, 1)
    logits = torch.cat([f(part) for part in masked.split(3)])
    after = logits.gather(1, of_each(c, masks)[:, None]).view(masks.shape[:2])
    return after - f(baseline)[torch.arange(len(x)), c].unsqueeze(1)


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
    f, F, x = flat_head((3, 6, 8), 4, 0.6), normal(rng, 2, 4, 3, 4), images(rng, 2, 3, 6, 8)
    yield Case("two colour images, signed maps", f, F, x, 1)
    f, F, x = flat_head((1, 5, 7), 5, 0.6), normal(rng, 3, 3, 3, 2), images(rng, 3, 1, 5, 7)
    yield Case("a class for each image", f, F, x, torch.tensor([3, 0, 4]))
    F = normal(rng, 2, 5, 2, 4).relu() + 0.1 * torch.rand(2, 5, 2, 4, generator=rng)
    F[:, 2] = 0
    F[1, 4] = 1.0
    yield Case(
        "channel 2 is zero everywhere; in the second image channel 4 is 1 everywhere",
        flat_head((2, 4, 8), 3, 0.6),
        F,
        images(rng, 2, 2, 4, 8),
        torch.tensor([2, 0]),
    )
    f, F, x = flat_head((1, 4, 3), 3, 0.6), normal(rng, 2, 1, 4, 3), images(rng, 2, 1, 4, 3)
    yield Case("one channel", f, F, x, 0)


def alive(F):
    return F.amax((2, 3)) > F.amin((2, 3))


def confidences(f, F, x, c, skip=True):
    """(N, K); `skip`: −∞ for constant channels."""
    C = (
        confidence(f, x, scaled(up(F, x.shape[2:])), c)
        - of_class(f(torch.zeros_like(x)), c)[:, None]
    )
    return torch.where(alive(F), C, -torch.inf) if skip else C


def mixed(α, F):
    return torch.einsum("nk,nkxy->nxy", α, F)


@score_cam.reference
def _(f, F, x, c):
    α = confidences(f, F, x, c).softmax(1)
    return sum(α[:, k, None, None] * F[:, k] for k in range(F.shape[1])).relu()


CONSTANT = {
    "taken out": (True, ""),
    "constant_channel_weighted": (
        False,
        "A constant channel got a share of the weight. Its mask is empty, so it was never tested: "
        "its weight is 0, and the other weights sum to 1.",
    ),
}


def with_score(score, constant):
    """`score(f, x, c)`: the network and the class that are asked."""

    def answer(f, F, x, c):
        f, c = score(f, x, c)
        return mixed(confidences(f, F, x, c, constant).softmax(1), F).relu()

    return answer


score_cam.products(
    with_score,
    score={
        "the logit of class c": (lambda f, x, c: (f, c), ""),
        "probabilities_used": (
            lambda f, x, c: (lambda x: f(x).softmax(1), c),
            "You used probabilities for the confidence. Algorithm 1 takes logits; probabilities "
            "differ by less than 1, and the softmax over channels makes them nearly equal.",
        ),
        "first_class_only": (
            lambda f, x, c: (f, first_of(c)),
            "You used the class of the first image for all images. c can hold one class for each "
            "image.",
        ),
        "winning_class": (
            lambda f, x, c: (f, f(x).argmax(1)),
            "You explained the class that wins. c says which class is asked for.",
        ),
    },
    constant=CONSTANT,
)

score_cam.products(
    lambda of, constant: (
        lambda f, F, x, c: of(confidences(f, F, x, c, constant), F, lambda F: up(F, x.shape[2:]))
    ),
    of={
        "no_relu": (
            lambda C, F, up: mixed(C.softmax(1), F),
            "The ReLU is missing: L = ReLU(Σ α F). Where F can be negative, you see the "
            "difference.",
        ),
        "relu_before_the_sum": (
            lambda C, F, up: mixed(C.softmax(1), F.relu()),
            "You cut the maps off before the sum. The ReLU stands around the whole sum.",
        ),
        "softmax_over_images": (
            lambda C, F, up: mixed(C.softmax(0).nan_to_num(), F).relu(),
            "The softmax went over the images. It goes over the channels: the K weights of one "
            "image sum to 1.",
        ),
        "softmax_over_everything": (
            lambda C, F, up: mixed(C.flatten().softmax(0).view_as(C), F).relu(),
            "The softmax went over all images together. Each image has its own K weights with "
            "sum 1.",
        ),
        "baseline_was_masked": (
            lambda C, F, up: mixed((C * 0).nan_to_num(-torch.inf).softmax(1), F).relu(),
            "All your weights are equal: the image never reached the network. The masks belong on "
            "x, not on the baseline.",
        ),
        "masks_mixed": (
            lambda C, F, up: mixed(C.softmax(1), scaled(up(F))).relu(),
            "You mixed the masks. The weights belong to the feature maps F themselves, with their "
            "own strength; the result is as large as F.",
        ),
        "enlarged": (
            lambda C, F, up: up(mixed(C.softmax(1), F)[:, None])[:, 0].relu(),
            "You enlarged the map to the size of the image. Algorithm 1 ends at the resolution of "
            "F; enlarging comes with the picture.",
        ),
        "channels_not_summed": (
            lambda C, F, up: (C.softmax(1)[:, :, None, None] * F).relu(),
            "You weighted the maps but did not add them up: the channel axis must disappear.",
        ),
    },
    constant=CONSTANT,
)


def weighted(weights, skip=True):
    """The answer with `weights(C)`; a constant channel, if skipped, counts 0 before and after."""

    def answer(f, F, x, c):
        C = confidences(f, F, x, c, False)
        α = weights(torch.where(alive(F), C, 0.0) if skip else C)
        return mixed(torch.where(alive(F), α, 0.0), F).relu()

    return answer


score_cam.wrongs(
    constant_channel_removed_too_late=(
        weighted(lambda C: C.softmax(1), skip=False),
        "You set the weight of the constant channel to 0 after the softmax. Then the other weights "
        "do not sum to 1 any more: take the channel out before.",
    ),
    no_softmax=(
        weighted(lambda C: C),
        "You used the confidences themselves as weights. That is the variant of the authors' code; "
        "Algorithm 1 sends them through a softmax over the channels.",
    ),
    divided_by_the_sum=(
        weighted(lambda C: C / C.sum(1, keepdim=True)),
        "You divided the confidences by their sum. The formula takes the softmax: e^C first, then "
        "divided by the sum. Without it weights can be negative, and the sum can be near 0.",
    ),
    minmax_of_weights=(
        lambda f, F, x, c: mixed(scaled(confidences(f, F, x, c, False), 1), F).relu(),
        "The weights are scaled to [0, 1] by min-max. The formula takes the softmax over the "
        "channels.",
    ),
)


@score_cam.wrong(
    "You compared with the score of the whole image and left the softmax out. Algorithm 1 sends "
    "the confidences through a softmax over the channels."
)
def drop_from_the_image(f, F, x, c):
    C = confidence(f, x, scaled(up(F, x.shape[2:])), c) - of_class(f(x), c)[:, None]
    return mixed(torch.where(alive(F), C, 0.0), F).relu()


score_cam.teaches(
    {
        "result: minmax": "You scaled the map to [0, 1]. Keep the raw values: scaling comes with "
        "the picture.",
    }
)

score_cam.accepts_all(
    in_the_formulas_steps=lambda f, F, x, c: (
        (confidences(f, F, x, c).softmax(1)[:, :, None, None] * F).sum(1).relu()
    ),
)


@score_cam.accepts
def no_baseline(f, F, x, c):
    """The baseline cancels in the softmax."""
    C = confidence(f, x, scaled(up(F, x.shape[2:])), c)
    α = torch.exp(C - C.amax(1, keepdim=True)) * alive(F)
    return (α / α.sum(1, keepdim=True))[:, :, None, None].mul(F).sum(1).clamp(min=0)


@score_cam.accepts
def only_living_channels(f, F, x, c):
    L = []
    for n, k in enumerate(alive(F)):
        H = scaled(up(F[n : n + 1, k], x.shape[2:]))
        cn = int(c[n]) if torch.is_tensor(c) else c
        C = confidence(f, x[n : n + 1], H, cn)[0] - f(x)[n, cn]  # any baseline: the image itself
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
    L = functional.softmax(C, dim=1)[:, None] @ F.flatten(2)
    return L.view(len(F), *F.shape[2:]).relu()


def test_lesson(proof):
    proof()
