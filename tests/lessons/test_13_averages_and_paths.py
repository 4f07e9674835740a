"""Lesson 13, checked: Integrated Grad-CAM, RISE, and the weights of IS-CAM."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from camlite.course import Case, Exercise, normal


def of_class(Y, c):
    """The score of each image's class: (N, C) -> (N,)."""
    return Y[torch.arange(len(Y)), torch.as_tensor(c).expand(len(Y))]


def first_of(c):
    """The class of the first image."""
    return torch.as_tensor(c).reshape(-1)[0]


PICKS = {
    "of class c": (of_class, ""),
    "winner": (
        lambda Y, c: Y.amax(1),
        "You took the largest score each time. On the way, or under a mask, another class may win: "
        "follow class c.",
    ),
    "first_class_for_all": (
        lambda Y, c: Y[:, first_of(c)],
        "You used the class of the first image for all images. c can hold one class for each.",
    ),
}


WINNER_AT_THE_IMAGE = (
    "You replaced c by the class with the largest score at the image. c is given: it may be a class "
    "that does not win."
)


# ------------------------------------------------------------------ 13.1

integrated_grad_cam = Exercise(
    "13.1",
    "integrated_grad_cam",
    patience=3,  # each answer runs the network many times
    formula="L = (1/m) Σ_i ReLU(Σ_k α_k (F_k(x_t) − F_k(b))),  x_t = b + t (x − b), t = i/m, "
    "i = 1 … m;  α = GAP(G(x_t))",
    hints=(
        "Grad-CAM, m times: at m pictures between the baseline and the image. Two things are new: "
        "from the feature maps those of the baseline are subtracted, and the m maps are averaged.",
        "x_t = b + t (x − b) with t = i/m, i from 1 to m. At each x_t: F and G from look, "
        "α = mean of G over the places, ReLU of Σ_k α_k (F_k(x_t) − F_k(b)). The ReLU is in each step.",
        "F_b once, before the loop. In the loop over range(1, steps + 1): look at the picture, take "
        "G.mean((2, 3)) with two axes added, multiply by F − F_b, sum over axis 1, relu, add up. "
        "Divide by steps.",
    ),
)


def bent(C, K, size, classes, scale=1.0, end=torch.relu, stride=1):
    """Features (a convolution) and a classifier whose gradient changes on the way."""
    convolution = nn.Conv2d(C, K, 3, padding=1, stride=stride)
    head = nn.Sequential(
        nn.Flatten(), nn.Linear(K * size[0] * size[1], 12), nn.Tanh(), nn.Linear(12, classes)
    )
    with torch.no_grad():
        convolution.weight.mul_(2)
        head[1].weight.mul_(2.5)
        head[3].weight.mul_(scale)
    return lambda x: end(convolution(x)), head.requires_grad_(False)


@integrated_grad_cam.cases
def _(rng):
    f, k = bent(3, 5, (4, 6), 4)
    x = normal(rng, 2, 3, 4, 6)
    yield Case("two colour images, from black, 4 steps", f, k, x, 1, torch.zeros_like(x), 4)
    f, k = bent(1, 4, (3, 4), 3, stride=2)
    x, b = normal(rng, 2, 1, 6, 8), normal(rng, 2, 1, 6, 8)
    yield Case("feature maps smaller than the images", f, k, x, torch.tensor([2, 0]), b, 3)
    f, k = bent(1, 4, (3, 7), 5)
    x, b = normal(rng, 3, 1, 3, 7), normal(rng, 3, 1, 3, 7)
    c = torch.tensor([4, 0, 2])
    yield Case("three grey images, a class and a baseline for each", f, k, x, c, b, 3)
    f, k = bent(2, 3, (5, 4), 3)
    x, b = normal(rng, 1, 2, 5, 4), normal(rng, 1, 2, 5, 4)
    yield Case("one image, one step", f, k, x, 0, b, 1)
    f, k = bent(1, 5, (4, 4), 3, 0.001, torch.tanh)
    x, b = normal(rng, 2, 1, 4, 4), normal(rng, 2, 1, 4, 4)
    yield Case("small gradients, features with a sign, 7 steps", f, k, x, 2, b, 7)
    f, k = bent(2, 4, (4, 5), 3)
    x, b = 6 * normal(rng, 2, 2, 4, 5), 0.3 * normal(rng, 2, 2, 4, 5)
    yield Case("a head that is flat at the image", f, k, x, torch.tensor([1, 2]), b, 6)
    f, k = bent(1, 3, (4, 5), 3)
    x = normal(rng, 2, 1, 4, 5)
    b = torch.stack([x[0], normal(rng, 1, 4, 5)])
    yield Case("the first baseline is the image itself: no path, no heat", f, k, x, 1, b, 3)


def look(features, classifier, x, c, pick=of_class):
    """F and G at the pictures x, (N, K, h, w)."""
    with torch.enable_grad():
        F = features(x).detach().requires_grad_()
        return F.detach(), torch.autograd.grad(pick(classifier(F), c).sum(), F)[0]


def pooled(G):
    return G.mean((2, 3), keepdim=True)


def along(
    times=lambda m: [i / m for i in range(1, m + 1)],
    at=lambda x, b, t: b + t * (x - b),
    change=lambda F_t, F_b, F_x, F_before: F_t - F_b,
    weight=pooled,
    end=lambda steps, m: steps.relu().sum(0) / m,
    pick=of_class,
):
    """Integrated Grad-CAM with one thing done in another way. `end` gets the m signed maps."""

    def answer(features, classifier, x, c, baseline, steps):
        F_b, F_x = features(baseline).detach(), features(x).detach()
        maps, before = [], F_b
        for t in times(steps):
            F, G = look(features, classifier, at(x, baseline, t), c, pick)
            maps.append((weight(G) * change(F, F_b, F_x, before)).sum(1))
            before = F
        return end(torch.stack(maps), steps)

    return answer


integrated_grad_cam.reference(along())

TIMES = {
    "1/m … 1": (lambda m: [i / m for i in range(1, m + 1)], ""),
    "starts_at_the_baseline": (
        lambda m: [i / m for i in range(m)],
        "The last step is missing, the image itself: range(steps) and range(1, steps) end at steps − 1. "
        "(The authors' notebook does so; who walks from x to b gets it too.) Write "
        "range(1, steps + 1).",
    ),
    "t_is_i": (
        lambda m: list(range(1, m + 1)),
        "You did not divide: t is i/m, not i. Your way runs far past the image.",
    ),
    "both_ends": (
        lambda m: torch.linspace(0, 1, m).tolist(),
        "You took m points from 0 to 1, both ends included, as linspace gives them. Here t is i/m: "
        "the first point is 1/m, not 0.",
    ),
    "middles": (
        lambda m: [(i + 0.5) / m for i in range(m)],
        "You took the middle of each step. That is a good rule for a sum, but here t is i/m.",
    ),
    "only_the_image": (
        lambda m: [1.0],
        "Only the image itself counts in your map. Did you overwrite the sum in the loop, or look "
        "at x in each step? All m pictures x_t count.",
    ),
    "always_50": (
        lambda m: [i / 50 for i in range(1, 51)],
        "You took 50 steps, whatever is asked for. The argument steps says how many.",
    ),
}
AT = {
    "from b to x": (lambda x, b, t: b + t * (x - b), ""),
    "from_black": (
        lambda x, b, t: t * x,
        "Your way begins at black, whatever the baseline is: t · x. It begins at b: "
        "x_t = b + t (x − b).",
    ),
    "b_added": (
        lambda x, b, t: b + t * x,
        "You wrote b + t · x. At t = 1 this is b + x, not the image: x_t = b + t (x − b).",
    ),
    "always_the_image": (
        lambda x, b, t: x,
        "Only the image itself is in your map: the last step, or x in every step. All m pictures "
        "x_t count, each as much as the others.",
    ),
    "squared": (
        lambda x, b, t: b + t * t * (x - b),
        "Your steps are not equal: t came in twice. x_t = b + t (x − b).",
    ),
}
CHANGE = {
    "F(x_t) − F(b)": (lambda F_t, F_b, F_x, before: F_t - F_b, ""),
    "baseline_not_subtracted": (
        lambda F_t, F_b, F_x, before: F_t,
        "You left out F(b): the feature maps of the baseline are subtracted in each step.",
    ),
    "features_of_the_image": (
        lambda F_t, F_b, F_x, before: F_x - F_b,
        "You took the feature maps of the image in every step. Gradient and feature maps both "
        "belong to x_t.",
    ),
    "features_of_the_image_alone": (
        lambda F_t, F_b, F_x, before: F_x,
        "You multiplied by the feature maps of the image, F(x). In each step it is F(x_t) − F(b).",
    ),
    "since_the_last_step": (
        lambda F_t, F_b, F_x, before: F_t - before,
        "You subtracted the feature maps of the step before. Here it is F(x_t) − F(b), always from "
        "the baseline on.",
    ),
    "to_the_image": (
        lambda F_t, F_b, F_x, before: F_x - F_t,
        "You took F(x) − F(x_t), the part of the way that is still ahead. It is F(x_t) − F(b), the "
        "part that is done.",
    ),
    "the_other_way_round": (
        lambda F_t, F_b, F_x, before: F_b - F_t,
        "The sign is turned around: it is F(x_t) − F(b).",
    ),
}
WEIGHT = {
    "mean of G": (pooled, ""),
    "sum_of_G": (
        lambda G: G.sum((2, 3), keepdim=True),
        "You summed G over the places. GAP is the mean: divide by the number of places.",
    ),
    "place_by_place": (
        lambda G: G,
        "You multiplied place by place, as HiResCAM does. Here each channel has one weight: the "
        "mean of G over the places.",
    ),
    "only_positive_gradients": (
        lambda G: pooled(G.relu()),
        "You cut off the negative gradients. α is the mean of G with its sign.",
    ),
    "weights_cut_off": (
        lambda G: pooled(G).relu(),
        "You cut off negative weights. The ReLU stands around the sum over the channels, not "
        "around α.",
    ),
    "axes_lost": (
        lambda G: G.mean((2, 3)),
        "α is (N, K) and does not meet F, (N, K, h, w). Give it two axes more, or use "
        "keepdim=True.",
    ),
}
END = {
    "mean of the ReLUs": (lambda maps, m: maps.relu().sum(0) / m, ""),
    "relu_after_the_mean": (
        lambda maps, m: maps.mean(0).relu(),
        "You averaged first and took the ReLU at the end. In the formula the ReLU is inside: each "
        "step has its own, then comes the mean.",
    ),
    "no_relu": (
        lambda maps, m: maps.mean(0),
        "The ReLU is missing: each step takes the positive part of its map.",
    ),
    "not_divided": (
        lambda maps, m: maps.relu().sum(0),
        "You added the steps up and did not divide by their number. The map would grow with m.",
    ),
    "largest_step": (
        lambda maps, m: maps.relu().amax(0),
        "You took the largest value of the steps. It is their mean.",
    ),
    "divided_by_one_less": (
        lambda maps, m: maps.relu().sum(0) / (m + 1),
        "You divided by m + 1. The baseline itself is no step (it would add 0): i runs from 1 to m.",
    ),
}
integrated_grad_cam.each_alone(
    along, times=TIMES, change=CHANGE, end=END, at=AT, weight=WEIGHT, pick=PICKS
)
integrated_grad_cam.products(  # what tired students do at the same time
    along,
    times={name: TIMES[name] for name in ("starts_at_the_baseline", "both_ends")},
    change={"baseline_not_subtracted": CHANGE["baseline_not_subtracted"]},
)


def gains_added_up(relu):
    """The maps of F(x_t) − F of the step before, added up; with a ReLU in each step, or one, or none."""
    ends = {
        "in each step": lambda maps, m: maps.relu().sum(0),
        "at the end": lambda maps, m: maps.sum(0).relu(),
        "none": lambda maps, m: maps.sum(0),
    }
    sentence = (
        "You added up the gains of the single steps: slope times F(x_t) − F of the step before. Here "
        "each step has F(x_t) − F(b), always from the baseline on, and the maps are averaged."
    )
    return along(change=CHANGE["since_the_last_step"][0], end=ends[relu]), sentence


integrated_grad_cam.wrongs(
    gains_added_up=gains_added_up("in each step"),
    gains_added_up_relu_at_the_end=gains_added_up("at the end"),
    gains_added_up_no_relu=gains_added_up("none"),
)


def on_the_way_of_the_features(features, classifier, x, c, baseline, steps):
    F_b, F_x = features(baseline).detach(), features(x).detach()
    return along()(lambda F: F, classifier, F_x, c, F_b, steps)


def integrated_gradients(features, classifier, x, c, baseline, steps):
    path = [baseline + i / steps * (x - baseline) for i in range(1, steps + 1)]
    G = sum(look(lambda z: z, lambda z: classifier(features(z)), z, c)[1] for z in path) / steps
    return ((x - baseline) * G).sum(1)


def gradients_first(features, classifier, x, c, baseline, steps):
    path = [baseline + i / steps * (x - baseline) for i in range(1, steps + 1)]
    α = sum(pooled(look(features, classifier, each, c)[1]) for each in path) / steps
    return (α * features(x).detach()).sum(1).relu()


def gradients_first_with_b(features, classifier, x, c, baseline, steps):
    return along(change=CHANGE["features_of_the_image"][0], end=END["relu_after_the_mean"][0])(
        features, classifier, x, c, baseline, steps
    )


def grad_cam_at_the_image(features, classifier, x, c, baseline, steps):
    F, G = look(features, classifier, x, c)
    return (pooled(G) * F).sum(1).relu()


def weights_of_the_image(features, classifier, x, c, baseline, steps):
    _, G = look(features, classifier, x, c)
    return along(weight=lambda _: pooled(G))(features, classifier, x, c, baseline, steps)


def enlarged(features, classifier, x, c, baseline, steps):
    L = along()(features, classifier, x, c, baseline, steps)
    return nn.functional.interpolate(L[:, None], size=x.shape[2:], mode="bilinear")[:, 0]


def class_of_the_image(features, classifier, x, c, baseline, steps):
    c = classifier(features(x)).argmax(1)
    return along()(features, classifier, x, c, baseline, steps)


def last_step_missing(features, classifier, x, c, baseline, steps):
    """With range(1, steps): for one step nothing is added to the 0 of the beginning."""
    before_the_last = along(times=lambda m: [i / m for i in range(1, m)])
    return before_the_last(features, classifier, x, c, baseline, steps) if steps > 1 else 0.0


integrated_grad_cam.wrongs(
    last_step_missing=(last_step_missing, TIMES["starts_at_the_baseline"][1]),
    enlarged=(
        enlarged,
        "You enlarged the map to the size of the image. Return it as the feature maps are, "
        "(N, h, w): no camlite.up here.",
    ),
    class_of_the_image=(class_of_the_image, WINNER_AT_THE_IMAGE),
    a_list=(
        lambda *given: along()(*given).tolist(),
        "The values are right, but in a list of numbers. Return the tensor: leave out .tolist().",
    ),
    on_the_way_of_the_features=(
        on_the_way_of_the_features,
        "You walked between the feature maps, F(b) + t (F(x) − F(b)). The way leads through "
        "pictures: make x_t first, then F(x_t).",
    ),
    integrated_gradients=(
        integrated_gradients,
        "This is Integrated Gradients, at the pixels. Take the gradient with respect to the feature "
        "maps F, make one weight of each channel, and weigh the maps with it.",
    ),
    gradients_first=(
        gradients_first,
        "You averaged the gradients and multiplied by the maps of the image at the end. That is a "
        "known variant. Here each step has its own map, with F(x_t) − F(b).",
    ),
    gradients_first_with_b=(
        gradients_first_with_b,
        "You averaged the gradients first, and multiplied by F(x) − F(b) once. Here each step has "
        "its own product, with its own F(x_t), and its own ReLU.",
    ),
    grad_cam_at_the_image=(
        grad_cam_at_the_image,
        "This is Grad-CAM at the image. Walk from the baseline to it, and average.",
    ),
    weights_of_the_image=(
        weights_of_the_image,
        "You took the gradient at the image in all steps. That is the flat place! Take it at x_t.",
    ),
    probability=(
        along(pick=lambda Y, c: of_class(Y.softmax(1), c)),
        "You took a softmax. The score is what classifier returns, as it is.",
    ),
    classes_of_all_images=(
        along(pick=lambda Y, c: Y[:, torch.as_tensor(c).reshape(-1)].sum(1)),
        "Y[:, c] takes the classes of all images from every row. look picks the right one for each "
        "image.",
    ),
)


def all_steps_in_one_batch(features, classifier, x, c, baseline, steps):
    t = (torch.arange(steps) + 1).view(-1, 1, 1, 1, 1) / steps
    many = (baseline + t * (x - baseline)).flatten(0, 1)
    F, G = look(features, classifier, many, torch.as_tensor(c).expand(len(x)).repeat(steps))
    F = F - features(baseline).detach().repeat(steps, 1, 1, 1)
    L = torch.einsum("nk,nkxy->nxy", G.mean((2, 3)), F).relu()
    return L.unflatten(0, (steps, len(x))).mean(0)


def one_image_after_the_other(features, classifier, x, c, baseline, steps):
    maps = []
    for n, k in enumerate(torch.as_tensor(c).expand(len(x)).tolist()):
        b, L = baseline[n : n + 1], 0
        for i in range(1, steps + 1):
            with torch.enable_grad():
                F = features((1 - i / steps) * b + i / steps * x[n : n + 1]).detach()
                F.requires_grad_()
                (G,) = torch.autograd.grad(classifier(F)[0, k], F)
            change = (F - features(b)).detach().double().numpy()[0]
            α = G.double().numpy()[0].mean((1, 2))
            L = L + np.maximum(np.tensordot(α, change, 1), 0) / steps
        maps.append(torch.from_numpy(L).float())
    return torch.stack(maps)


integrated_grad_cam.accepts_all(
    all_steps_in_one_batch=all_steps_in_one_batch,
    one_image_after_the_other=one_image_after_the_other,
    linspace=along(times=lambda m: torch.linspace(0, 1, m + 1)[1:]),
    backwards=along(times=lambda m: [i / m for i in range(m, 0, -1)]),
)


# ------------------------------------------------------------------ 13.2

rise = Exercise(
    "13.2",
    "rise",
    patience=3,  # each answer runs the network many times
    formula="R = Σ_s f_c(x ∘ m_s) m_s / (S · p),  p = keep",
    hints=(
        "Look through each mask, and write down the score. Then add the masks up, each as strong "
        "as its score.",
        "For each mask s: the picture x ∘ m_s, all colours through the same mask; its score for "
        "class c, one number for each image; this number times m_s. At the end divide by S times "
        "keep.",
        "Loop over masks. f(x * m) works as it is: m (H, W) meets the last two axes. Pick the "
        "score of class c of each image, (N,); add score[:, None, None] * m to a sum (N, H, W); "
        "divide by len(masks) * keep.",
    ),
)


def flat_head(sizes, classes, scale=1.0):
    """A network with a bend that keeps the places apart; its scores have both signs."""
    inside = int(np.prod(sizes))
    head = nn.Sequential(nn.Flatten(), nn.Linear(inside, 8), nn.Tanh(), nn.Linear(8, classes))
    with torch.no_grad():
        head[1].weight.mul_(2)
        head[3].weight.mul_(3 * scale)
    return head.requires_grad_(False)


def coarse(rng, S, H, W, keep=0.5):
    """Masks with values between 0 and 1."""
    coins = (torch.rand(S, 1, 3, 3, generator=rng) < keep).float()
    return nn.functional.interpolate(coins, size=(H, W), mode="bilinear")[:, 0]


@rise.cases
def _(rng):
    f, x = flat_head((3, 5, 7), 4), torch.rand(2, 3, 5, 7, generator=rng)
    yield Case("two colour images, 6 masks, keep 0.5", f, x, 1, coarse(rng, 6, 5, 7), 0.5)
    f, x = flat_head((1, 4, 6), 5), normal(rng, 3, 1, 4, 6)
    c, masks = torch.tensor([4, 0, 2]), coarse(rng, 3, 4, 6, 0.3)
    yield Case("a class for each image, as many masks as images, keep 0.3", f, x, c, masks, 0.3)
    f, x = flat_head((2, 6, 4), 3), normal(rng, 2, 2, 6, 4)
    masks = (torch.rand(7, 6, 4, generator=rng) < 0.2).float()
    masks[3], masks[5] = 0, 1
    c = torch.tensor([2, 0])
    yield Case("one mask hides all, one hides nothing, keep 0.2", f, x, c, masks, 0.2)
    f, x = flat_head((3, 4, 4), 3, 0.001), torch.rand(1, 3, 4, 4, generator=rng)
    yield Case("one image, small scores, keep 0.8", f, x, 2, coarse(rng, 5, 4, 4, 0.8), 0.8)
    f, x = flat_head((1, 3, 5), 3), normal(rng, 2, 1, 3, 5)
    yield Case("one mask only", f, x, 0, torch.rand(1, 3, 5, generator=rng), 0.6)


def masked(f, x, masks, c, laid=torch.mul, pick=of_class):
    """The score under each mask: (N, S)."""
    return torch.stack([pick(f(laid(x, m)), c) for m in masks], dim=1)


def summed(scores, masks):
    """Σ_s score_s m_s: (N, S), (S, H, W) -> (N, H, W)."""
    return torch.einsum("ns,shw->nhw", scores, masks)


def number(a):
    """1 where a is 0, else a: to divide by."""
    return torch.where(a == 0, torch.ones_like(a), a)


def through(
    laid=torch.mul,
    pick=of_class,
    norm=lambda masks, keep: len(masks) * keep,
    end=lambda scores, masks, f_x: summed(scores, masks),
):
    """RISE with one thing done in another way. `end` gets the scores (N, S) and the masks."""

    def answer(f, x, c, masks, keep):
        scores = masked(f, x, masks, c, laid, pick)
        return end(scores, masks, pick(f(x), c)[:, None]) / norm(masks, keep)

    return answer


rise.reference(through())

LAID = {
    "x ∘ m": (torch.mul, ""),
    "hidden_part_shown": (
        lambda x, m: x * (1 - m),
        "You showed the part that the mask hides: 1 − m. The network looks through m.",
    ),
    "mask_not_laid_on": (
        lambda x, m: x,
        "The network saw the whole image each time. Lay the mask on it: f(x ∘ m_s).",
    ),
    "mask_alone": (
        lambda x, m: (x * 0 + 1) * m,
        "The network saw the mask without the image: multiply the two.",
    ),
    "mask_added": (
        lambda x, m: x + m,
        "You added the mask to the image. ∘ is the product, pixel by pixel.",
    ),
    "mask_rounded": (
        lambda x, m: x * (m > 0.5),
        "You made the masks hard, 0 or 1. They may have values between; take them as they are.",
    ),
}
NORM = {
    "S · keep": (lambda masks, keep: len(masks) * keep, ""),
    "keep_forgotten": (
        lambda masks, keep: len(masks),
        "You divided by S only. A pixel is seen in about S · keep of the masks: this is the number "
        "that makes the map a mean score.",
    ),
    "number_forgotten": (
        lambda masks, keep: keep,
        "You divided by keep only. With more masks the map would grow: divide by S too.",
    ),
    "not_divided": (
        lambda masks, keep: 1,
        "You did not divide. The map is a mean score: divide by S · keep.",
    ),
    "how_often_each_pixel_was_seen": (
        lambda masks, keep: number(masks.sum(0)),
        "You divided each pixel by how often it was seen. That is a good variant, but RISE divides "
        "by the same number everywhere: S · keep.",
    ),
    "mean_of_the_masks": (
        lambda masks, keep: len(masks) * masks.mean(),
        "You measured the mean of the masks. Take the argument keep: it is the chance with which "
        "they were drawn.",
    ),
    "share_that_is_hidden": (
        lambda masks, keep: len(masks) * (1 - keep),
        "You divided by S · (1 − keep). A pixel is seen with the chance keep.",
    ),
    "multiplied_by_keep": (
        lambda masks, keep: len(masks) / keep,
        "You multiplied by keep. Divide by it: a pixel that is seen in half of the masks collects "
        "half of the sum.",
    ),
    "number_squared": (
        lambda masks, keep: len(masks) ** 2 * keep,
        "You divided by S twice: a mean, and then once more. Divide by S · keep once.",
    ),
}
RISE_END = {
    "Σ score m": (lambda scores, masks, f_x: summed(scores, masks), ""),
    "drop": (
        lambda scores, masks, f_x: summed(f_x - scores, masks),
        "You took what the score loses, f(x) − f(x ∘ m). RISE takes the score itself.",
    ),
    "rise_over_the_mean": (
        lambda scores, masks, f_x: summed(scores - scores.mean(1, keepdim=True), masks),
        "You subtracted the mean score first. It is a useful variant; RISE takes the score as it "
        "is.",
    ),
    "positive_scores_only": (
        lambda scores, masks, f_x: summed(scores.relu(), masks),
        "You cut off negative scores. f returns the score, and it is taken with its sign.",
    ),
    "hidden_part_paid": (
        lambda scores, masks, f_x: summed(scores, 1 - masks),
        "You gave the score to the part that was hidden. It belongs to what was seen: m_s.",
    ),
    "rounded_in_the_sum": (
        lambda scores, masks, f_x: summed(scores, (masks > 0.5).float()),
        "In the sum you made the masks hard, 0 or 1. Add them as they are.",
    ),
    "no_mask_in_the_sum": (
        lambda scores, masks, f_x: summed(scores, torch.ones_like(masks)),
        "You added up the scores without their masks. Each score belongs to the pixels of m_s.",
    ),
    "no_score_in_the_sum": (
        lambda scores, masks, f_x: summed(torch.ones_like(scores), masks),
        "You added up the masks without their scores.",
    ),
    "last_mask_only": (
        lambda scores, masks, f_x: summed(scores[:, -1:], masks[-1:]),
        "Only the last mask is left. Add up: did you overwrite the sum in the loop?",
    ),
    "softmax_of_the_scores": (
        lambda scores, masks, f_x: summed(scores.softmax(1), masks),
        "You sent the scores through a softmax over the masks. RISE weighs each mask with its "
        "score itself.",
    ),
    "best_mask_only": (
        lambda scores, masks, f_x: masks[scores.argmax(1)] * scores.amax(1)[:, None, None],
        "You kept the best mask only. All masks count, each with its score.",
    ),
}
rise.each_alone(through, laid=LAID, norm=NORM, pick=PICKS, end=RISE_END)


def images_added_up(f, x, c, masks, keep):
    R = through()(f, x, c, masks, keep)
    return R.sum(0, keepdim=True).expand_as(R)


def a_mask_for_each_image(f, x, c, masks, keep):
    own = masks[torch.arange(len(x)) % len(masks)]
    return of_class(f(x * own[:, None]), c)[:, None, None] * own / keep


def masked_image_added(f, x, c, masks, keep):
    scores = masked(f, x, masks, c)
    return torch.einsum("ns,shw,nchw->nhw", scores, masks, x) / (len(masks) * keep)


def rounded_first(f, x, c, masks, keep):
    return through()(f, x, c, (masks > 0.5).float(), keep)


def mask_on_mask(f, x, c, masks, keep):
    """What y = x, y *= m does: the picture gets darker with each mask."""
    scores = torch.stack([of_class(f(x * seen), c) for seen in masks.cumprod(0)], dim=1)
    return summed(scores, masks) / (len(masks) * keep)


def in_place(f, x, c, masks, keep):
    R = 0
    for m in masks:
        x *= m
        R = R + of_class(f(x), c)[:, None, None] * m
    return R / (len(masks) * keep)


MASK_ON_MASK = (
    "Each mask was laid on the picture that the masks before had darkened (y = x is no copy, and "
    "y *= m changes x). Write x * m: a new picture each time."
)
rise.wrongs(
    in_place=(in_place, MASK_ON_MASK),
    rounded_first=(
        rounded_first,
        "You made the masks hard, 0 or 1, before you used them. They may have values between; take "
        "them as they are.",
    ),
    mask_on_mask=(mask_on_mask, MASK_ON_MASK),
    divided_by_the_images=(
        lambda f, x, c, masks, keep: through()(f, x, c, masks, keep) * len(masks) / len(x),
        "You divided by the number of images, N. S is the number of masks: len(masks).",
    ),
    as_often_as_seen=(  # 0 / 0 where a pixel was never seen
        lambda f, x, c, masks, keep: through(norm=lambda *_: masks.sum(0))(f, x, c, masks, keep),
        NORM["how_often_each_pixel_was_seen"][1],
    ),
    seen_at_least_once=(
        lambda f, x, c, masks, keep: (
            through(norm=lambda *_: 1)(f, x, c, masks, keep) / masks.sum(0).clamp(min=1)
        ),
        NORM["how_often_each_pixel_was_seen"][1],
    ),
    first_mask_only=(
        lambda f, x, c, masks, keep: through()(f, x, c, masks[:1], keep) / len(masks),
        "Only the first mask is in your map. Take all: does return stand inside the loop?",
    ),
    class_of_the_image=(
        lambda f, x, c, masks, keep: through()(f, x, f(x).argmax(1), masks, keep),
        WINNER_AT_THE_IMAGE,
    ),
    axes_lost=(
        lambda f, x, c, masks, keep: sum(of_class(f(x * m), c) * m for m in masks),
        "The scores are (N,) and do not meet the mask, (H, W). Give them two axes more: "
        "score[:, None, None] * m is (N, H, W).",
    ),
    all_masks_at_once=(
        lambda f, x, c, masks, keep: f(x * masks),
        "x is (N, C, H, W) and masks is (S, H, W): they do not meet all at once. Take one mask "
        "after the other: for m in masks, x * m.",
    ),
    probability=(
        through(pick=lambda Y, c: of_class(Y.softmax(1), c)),
        "You took a softmax. The score is what f returns, as it is: who wants probabilities gives "
        "an f that returns them.",
    ),
    images_added_up=(
        images_added_up,
        "You added up the images of the batch. Each image has its own map.",
    ),
    a_mask_for_each_image=(
        a_mask_for_each_image,
        "You gave each image one mask of its own. All masks are for all images.",
    ),
    masked_image_added=(
        masked_image_added,
        "You added up the masked images. It is the mask that is added, times its score.",
    ),
    classes_of_all_images=(
        through(pick=lambda Y, c: Y[:, torch.as_tensor(c).reshape(-1)].sum(1)),
        "f(x)[:, c] takes the classes of all images from every row. One score from each row: "
        "logits[rows, classes].",
    ),
)


def one_big_batch(f, x, c, masks, keep):
    many = (x[:, None] * masks[:, None]).flatten(0, 1)
    classes = torch.as_tensor(c).expand(len(x)).repeat_interleave(len(masks))
    scores = of_class(f(many), classes).view(len(x), len(masks))
    return (scores @ masks.flatten(1)).view(len(x), *masks.shape[1:]) / (len(masks) * keep)


def image_by_image(f, x, c, masks, keep):
    R = np.zeros((len(x), *masks.shape[1:]))
    for n, k in enumerate(torch.as_tensor(c).expand(len(x)).tolist()):
        for m in masks:
            R[n] += f((x[n] * m)[None])[0, k].item() * m.numpy() / (len(masks) * keep)
    return R


rise.accepts_all(
    one_big_batch=one_big_batch,
    image_by_image=image_by_image,
    mean_over_keep=lambda f, x, c, masks, keep: (
        (masked(f, x, masks, c)[:, :, None, None] * masks).mean(1) / keep
    ),
    double_inside=lambda f, x, c, masks, keep: summed(
        masked(f, x, masks, c).double(), masks.double() / (len(masks) * keep)
    ),
)


# ------------------------------------------------------------------ 13.3

is_cam_weights = Exercise(
    "13.3",
    "is_cam_weights",
    patience=3,  # each answer runs the network many times
    formula="α = softmax over k of C_k,  C_k = (1/m) Σ_i f_c(x ∘ (i/m) H_k), i = 1 … m",
    hints=(
        "Score-CAM with masks that open slowly: for each channel m pictures instead of one. Their "
        "mean score is C_k. Then the softmax over the channels, as in lesson 12.",
        "C_k = (1/m) Σ_i f_c(x ∘ (i/m) H_k), with i from 1 to m. First the mean, then the softmax "
        "over the K channels of one image.",
        "Two loops: over k in range(K), and over i in range(1, steps + 1). Mask: masks[:, k, None] "
        "times i / steps. Mean of the m scores of class c; stack the K results along axis 1; "
        "softmax(1).",
    ),
)


@is_cam_weights.cases
def _(rng):
    f, x = flat_head((3, 5, 7), 4, 0.6), normal(rng, 2, 3, 5, 7)
    yield Case("two colour images, 4 steps", f, x, torch.rand(2, 5, 5, 7, generator=rng), 1, 4)
    f, x = flat_head((1, 4, 6), 5, 0.6), normal(rng, 3, 1, 4, 6)
    c = torch.tensor([4, 0, 2])
    yield Case("a class for each image", f, x, torch.rand(3, 3, 4, 6, generator=rng), c, 3)
    f, x = flat_head((2, 6, 4), 3, 0.6), normal(rng, 2, 2, 6, 4)
    masks = torch.rand(2, 4, 6, 4, generator=rng)
    masks[:, 2] = 0
    masks[1, 0] = 1
    c = torch.tensor([2, 0])
    yield Case("one mask hides all, one hides nothing; 5 steps", f, x, masks, c, 5)
    f, x = flat_head((1, 4, 4), 3, 0.6), normal(rng, 1, 1, 4, 4)
    yield Case("one step: only the whole mask", f, x, torch.rand(1, 6, 4, 4, generator=rng), 0, 1)
    f, x = flat_head((1, 3, 5), 3, 0.6), 4 * normal(rng, 2, 1, 3, 5)
    yield Case("bright images, 8 steps", f, x, torch.rand(2, 3, 3, 5, generator=rng), 2, 8)


def opened(
    times=lambda m: [i / m for i in range(1, m + 1)],
    laid=lambda x, H, t: x * (t * H),
    pick=of_class,
    mean=lambda scores, m: scores.sum(0) / m,
    end=lambda C: C.softmax(1),
):
    """IS-CAM's weights with one thing done in another way. `mean` gets the scores (m, N, K)."""

    def answer(f, x, masks, c, steps):
        scores = [
            torch.stack(
                [pick(f(laid(x, masks[:, k, None], t)), c) for k in range(masks.shape[1])], dim=1
            )
            for t in times(steps)
        ]
        return end(mean(torch.stack(scores), steps))

    return answer


is_cam_weights.reference(opened())

OPEN_TIMES = {
    "1/m … 1": (lambda m: [i / m for i in range(1, m + 1)], ""),
    "starts_closed": (
        lambda m: [i / m for i in range(m)],
        "Your mask begins closed and never opens fully: i runs from 0 to m − 1. Here i runs from 1 "
        "to m.",
    ),
    "both_ends": (
        lambda m: torch.linspace(0, 1, m).tolist(),
        "You took m strengths from 0 to 1, both ends included, as linspace gives them. Here the "
        "first is 1/m, not 0.",
    ),
    "middles": (
        lambda m: [(i + 0.5) / m for i in range(m)],
        "You took the middle of each step, (i − ½)/m. That is a good rule for a sum, but here the "
        "strength is i/m, and the last one is 1.",
    ),
    "strengths_added_up": (
        lambda m: [sum(range(1, i + 1)) / m for i in range(1, m + 1)],
        "Your strengths add up: 1/m, 3/m, 6/m … and become larger than 1. A known program does so. "
        "The strength of step i is i/m.",
    ),
    "only_the_whole_mask": (
        lambda m: [1.0] * m,
        "These are the weights of Score-CAM: only the fully open mask counts. Open it in m steps, "
        "i/m, and take the mean of all m scores.",
    ),
    "always_10": (
        lambda m: [i / 10 for i in range(1, 11)],
        "You took 10 steps, whatever is asked for. The argument steps says how many.",
    ),
    "not_divided_by_m": (
        lambda m: list(range(1, m + 1)),
        "You multiplied the mask by i, not by i/m: the image becomes m times as bright.",
    ),
    "each_step_the_same": (
        lambda m: [1 / m] * m,
        "You multiplied by 1/m in every step. The strength grows: i/m.",
    ),
}
# A threshold at i/m or at 1 − i/m: over all steps nearly the same masks, and the softmax removes the
# step that hides all or nothing for every channel. So one sentence for all of them.
THRESHOLD = (
    "You compared the mask with a threshold in each step, and opened some pixels fully. The mask is "
    "multiplied by i/m: the whole mask, weaker."
)
OPEN_LAID = {
    "x ∘ t H": (lambda x, H, t: x * (t * H), ""),
    "rest_faded_out": (
        lambda x, H, t: x * (1 - t * (1 - H)),
        "You walk from the whole image to the masked one. Here the way begins in the dark: "
        "x ∘ (i/m) H.",
    ),
    "threshold": (
        lambda x, H, t: x * (H >= t),
        THRESHOLD,
    ),
    "threshold_from_the_top": (
        lambda x, H, t: x * (H > 1 - t),
        THRESHOLD,
    ),
    "threshold_from_the_top_or_equal": (
        lambda x, H, t: x * (H >= 1 - t),
        THRESHOLD,
    ),
    "power": (
        lambda x, H, t: x * H**t,
        "You raised the mask to the power i/m. It is multiplied by i/m.",
    ),
    "strength_without_mask": (
        lambda x, H, t: x * t,
        "The mask is missing: you made the whole image darker. x ∘ (i/m) H_k.",
    ),
    "hidden_part": (
        lambda x, H, t: x * (t * (1 - H)),
        "You kept what the mask hides: 1 − H instead of H.",
    ),
    "mask_added": (
        lambda x, H, t: x + t * H,
        "You added the mask to the image. ∘ is the product, pixel by pixel: x ∘ (i/m) H_k.",
    ),
    "whole_mask_added": (
        lambda x, H, t: x + H,
        "You added the mask to the image, and i/m is missing. ∘ is the product: x ∘ (i/m) H_k.",
    ),
    "mask_of_the_first_image": (
        lambda x, H, t: x * (t * H[:1]),
        "You used the masks of the first image for all images. Each image has its own K masks.",
    ),
}
OPEN_MEAN = {
    "mean": (lambda scores, m: scores.sum(0) / m, ""),
    "summed": (
        lambda scores, m: scores.sum(0),
        "You added the m scores and did not divide by m. The softmax feels it: the weights become "
        "much sharper.",
    ),
    "divided_by_one_more": (
        lambda scores, m: scores.sum(0) / (m + 1),
        "You divided by m + 1. There are m steps.",
    ),
    "best_step": (
        lambda scores, m: scores.amax(0),
        "You took the best of the m scores. It is their mean.",
    ),
    "softmax_in_each_step": (
        lambda scores, m: scores.softmax(2).mean(0).log(),
        "You took a softmax in each step and averaged the weights. First the mean of the scores, "
        "then one softmax.",
    ),
}
OPEN_END = {
    "softmax over channels": (lambda C: C.softmax(1), ""),
    "relu_of_the_scores": (
        lambda C: C.relu().softmax(1),
        "You cut off negative scores C_k. The softmax takes them with their sign.",
    ),
    "no_softmax": (
        lambda C: C,
        "The softmax is missing: the weights of one image are positive and sum to 1.",
    ),
    "softmax_over_images": (
        lambda C: C.softmax(0),
        "The softmax went over the images. It goes over the channels: the K weights of one image "
        "sum to 1.",
    ),
    "softmax_over_everything": (
        lambda C: C.flatten().softmax(0).view_as(C),
        "The softmax went over all images together. Each image has its own K weights with sum 1.",
    ),
    "divided_by_the_sum": (
        lambda C: C / C.sum(1, keepdim=True),
        "You divided by the sum. The softmax takes e^C first.",
    ),
    "transposed": (
        lambda C: C.softmax(1).T,
        "The axes are exchanged: the result is (N, K), one row for each image.",
    ),
    "logarithm": (
        lambda C: C.log_softmax(1),
        "You returned the logarithm of the weights. The weights themselves are asked for.",
    ),
}
is_cam_weights.each_alone(
    opened, times=OPEN_TIMES, laid=OPEN_LAID, mean=OPEN_MEAN, end=OPEN_END, pick=PICKS
)
ZERO_MASK = (
    "You gave a mask of zeros the weight 0, as in other lessons. Here it is treated like any other: "
    "the network sees a black picture, and its score counts."
)


def zero_masks_out(f, x, masks, c, steps):
    silent = masks.amax((2, 3)) == 0
    return opened(end=lambda C: C.masked_fill(silent, -torch.inf).softmax(1))(f, x, masks, c, steps)


def constant_masks_out(f, x, masks, c, steps):
    flat = masks.amax((2, 3)) == masks.amin((2, 3))
    return opened(end=lambda C: C.masked_fill(flat, -torch.inf).softmax(1))(f, x, masks, c, steps)


is_cam_weights.wrongs(
    zero_masks_out=(zero_masks_out, ZERO_MASK),
    constant_masks_out=(
        constant_masks_out,
        "You gave constant masks the weight 0. Here a mask of zeros, or of ones, is treated like "
        "any other.",
    ),
    zero_masks_out_at_the_end=(
        lambda f, x, masks, c, steps: (
            opened()(f, x, masks, c, steps) * (masks.amax((2, 3)) > 0).float()
        ),
        ZERO_MASK,
    ),
    class_of_the_image=(
        lambda f, x, masks, c, steps: opened()(f, x, masks, f(x).argmax(1), steps),
        WINNER_AT_THE_IMAGE,
    ),
    all_masks_at_once=(
        lambda f, x, masks, c, steps: f(x * masks),
        "x is (N, C, H, W) and masks is (N, K, H, W): they do not meet all at once. Take one "
        "channel after the other: x * masks[:, k, None].",
    ),
    colour_axis_missing=(
        lambda f, x, masks, c, steps: f(x * masks[:, 0]),
        "masks[:, k] is (N, H, W) and lacks the axis of the colours: masks[:, k, None].",
    ),
    probability=(
        opened(pick=lambda Y, c: of_class(Y.softmax(1), c)),
        "You took probabilities. The score is what f returns, as it is.",
    ),
    classes_of_all_images=(
        opened(pick=lambda Y, c: Y[:, torch.as_tensor(c).reshape(-1)].sum(1)),
        "f(x)[:, c] takes the classes of all images from every row. One score from each row.",
    ),
)


def all_in_one_batch(f, x, masks, c, steps):
    N, K = masks.shape[:2]
    t = torch.arange(1, steps + 1).view(1, 1, -1, 1, 1, 1) / steps
    many = (x[:, None, None] * masks[:, :, None, None] * t).flatten(0, 2)
    classes = torch.as_tensor(c).expand(N).repeat_interleave(K * steps)
    return of_class(f(many), classes).view(N, K, steps).mean(2).softmax(1)


def number_by_number(f, x, masks, c, steps):
    N, K = masks.shape[:2]
    C = np.zeros((N, K))
    for n, k in enumerate(torch.as_tensor(c).expand(N).tolist()):
        for j in range(K):
            for i in range(1, steps + 1):
                C[n, j] += f((x[n] * (i / steps) * masks[n, j])[None])[0, k].item() / steps
    E = np.exp(C - C.max(1, keepdims=True))
    return E / E.sum(1, keepdims=True)


def baseline_subtracted(f, x, masks, c, steps):
    """Y(0) cancels in the softmax."""
    Y_b = of_class(f(torch.zeros_like(x)), c)[:, None]
    return opened(end=lambda C: (C - Y_b).softmax(1))(f, x, masks, c, steps)


is_cam_weights.accepts_all(
    all_in_one_batch=all_in_one_batch,
    number_by_number=number_by_number,
    baseline_subtracted=baseline_subtracted,
)


def test_lesson(proof):
    proof()
