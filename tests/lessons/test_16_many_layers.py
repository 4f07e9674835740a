"""Lesson 16, checked: LayerCAM, three ways to fuse layers, local normalisation, Poly-CAM's rule."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from camlite.course import Case, Exercise, normal

# ------------------------------------------------------------------ 16.1

layer_cam = Exercise(
    "16.1",
    "layer_cam",
    formula="M = ReLU(Σ_k ReLU(G_k) ∘ F_k)",
    hints=(
        "HiResCAM multiplied gradient and features place by place. LayerCAM does the same, but a "
        "negative gradient counts as 0.",
        "First ReLU(G), then the product with F, place by place; then the sum over the channels; "
        "last the ReLU of the sum.",
        "G.relu() times F, sum over axis 1, and relu() of the result.",
    ),
)


@layer_cam.cases
def _(rng):
    F, G = normal(rng, 2, 5, 4, 7), normal(rng, 2, 5, 4, 7)
    yield Case("two images, feature maps of 4×7 after a ReLU", F.relu(), G)
    yield Case("signed feature maps, as before a ReLU", F - 0.2, G)
    yield Case("one channel, one image, maps of 3×2", *normal(rng, 2, 1, 1, 3, 2).abs())
    dead = F.relu() * (torch.arange(5) != 2)[:, None, None]
    yield Case("one channel is dead, a large gradient", dead, 3e4 * G)
    yield Case("as many channels as rows, a tiny gradient", *normal(rng, 2, 3, 4, 4, 6) * 1e-3)
    yield Case("no gradient is positive: the map is 0", F.relu(), -G.abs())


@layer_cam.reference
def _(F, G):
    return (G.relu() * F).sum(1).relu()


def gap(G):
    return G.mean((2, 3), keepdim=True)


layer_cam.teaches(
    {
        "result: unsqueeze 1": "The channel axis is still there, with length 1. The map is "
        "(N, h, w).",
        "sum over axis 1: axes 0": "You summed over the images. The channels are axis 1.",
        "sum over axis 1: mean": "You took the mean over the channels. The formula has a sum: your "
        "map is smaller by the factor K.",
    }
)

layer_cam.wrongs(
    hires_cam=(
        lambda F, G: (G * F).sum(1).relu(),
        "You kept the negative gradients. That is HiResCAM with a ReLU at the end. Here each "
        "gradient goes through a ReLU first.",
    ),
    no_relu_at_the_end=(
        lambda F, G: (G.relu() * F).sum(1),
        "The ReLU at the end is missing. Features before a ReLU can be negative, and then the sum "
        "is negative too.",
    ),
    no_relu_at_all=(
        lambda F, G: (G * F).sum(1),
        "Both ReLUs are missing. This is HiResCAM: put a ReLU on the gradient, and one on the sum.",
    ),
    relu_on_the_products=(
        lambda F, G: (G * F).relu().sum(1),
        "You cut off negative products. With signed features a negative gradient times a negative "
        "feature is positive, and stays in your map. Cut off the gradient, before the product.",
    ),
    relu_on_each_channel=(
        lambda F, G: (G.relu() * F).relu().sum(1),
        "You cut off negative features, or put the last ReLU before the sum, which is the same. A "
        "channel with negative features then cannot lower the map: first the sum, then the ReLU.",
    ),
    relu_on_features_only=(
        lambda F, G: (G * F.relu()).sum(1).relu(),
        "Your ReLU is on the features. It belongs on the gradient: only places where more of the "
        "channel would raise the score count.",
    ),
    mean_of_the_gradient=(
        lambda F, G: (gap(G) * F).sum(1).relu(),
        "You took the mean of the gradient over the places: Grad-CAM. Here each place keeps its own "
        "gradient.",
    ),
    mean_of_positive_gradients=(
        lambda F, G: (gap(G.relu()) * F).sum(1).relu(),
        "You made one weight for each channel, the mean of its positive gradients. LayerCAM has a "
        "weight for each place: multiply without the mean.",
    ),
    relu_on_the_mean=(
        lambda F, G: (gap(G).relu() * F).sum(1).relu(),
        "You took the mean of the gradient, then the ReLU: one weight for each channel. LayerCAM has "
        "a weight for each place: multiply without the mean.",
    ),
    absolute_gradient=(
        lambda F, G: (G.abs() * F).sum(1).relu(),
        "You took the absolute value of the gradient. A negative gradient says that the place "
        "speaks against the class; it counts as 0 here.",
    ),
    channels_not_summed=(
        lambda F, G: (G.relu() * F).relu(),
        "The channel axis is still there. Add up the channels: the map is (N, h, w).",
    ),
    scaled=(
        lambda F, G: (lambda M: M / M.amax((1, 2), keepdim=True).clamp_min(1e-12))(
            (G.relu() * F).sum(1).relu()
        ),
        "You divided the map by its maximum. The raw values are asked for; scaling comes in the "
        "next exercise.",
    ),
    positive_features_weighted_by_sign=(
        lambda F, G: ((G > 0) * F).sum(1).relu(),
        "You counted only whether the gradient is positive. Its size is the weight of the place: "
        "multiply with ReLU(G).",
    ),
)

layer_cam.accepts_all(
    einsum=lambda F, G: torch.einsum("nkxy,nkxy->nxy", G.clamp(min=0), F).clamp(min=0),
    float64_inside=lambda F, G: (G.double().relu() * F.double()).sum(1).relu().float(),
    numpy_inside=lambda F, G: np.maximum((np.maximum(G.numpy(), 0) * F.numpy()).sum(1), 0),
)


@layer_cam.accepts
def loops(F, G):
    M = torch.zeros(len(F), *F.shape[2:])
    for n in range(len(F)):
        for k in range(F.shape[1]):
            M[n] += torch.where(G[n, k] > 0, G[n, k], 0.0) * F[n, k]
    return M.clamp(min=0)


# ------------------------------------------------------------------ 16.2

fuse = Exercise(
    "16.2",
    "fuse",
    formula='max_l Up(s(M_l)) · Π_l Up(s(M_l)) · max_l Up(tanh(2 M_l / max M_l)), for "max", '
    '"product" and "tanh"',
    hints=(
        "Three steps for each map: scale it (s or tanh), enlarge it, and then put all maps "
        "together, place by place.",
        "s(M) = (M − min M) / (max M − min M) and tanh(2 M / max M), with the minimum and maximum "
        "of each image. Then interpolate to `size`. Then the largest value over the layers, or the "
        "product.",
        "For each M: low and high are M.amin and M.amax over axes 1 and 2 with keepdim. Scale, "
        "torch.where for the flat maps, interpolate M[:, None] bilinearly, [:, 0]. Stack all; "
        "amax(0) or prod(0).",
    ),
)


def up(M, size, mode="bilinear", align=False):
    kwargs = {"align_corners": align} if mode == "bilinear" else {}
    return functional.interpolate(M[:, None], size=size, mode=mode, **kwargs)[:, 0]


def lifted(rng, *shape):
    """A map whose minimum is not 0, with a clear maximum in each image."""
    return torch.rand(*shape, generator=rng) + torch.linspace(0.2, 0.8, shape[0])[:, None, None]


@fuse.cases
def _(rng):
    three = [lifted(rng, 2, 8, 12), 300 * lifted(rng, 2, 4, 6), 1e-3 * lifted(rng, 2, 2, 3)]
    for how in ("max", "product", "tanh"):
        yield Case(f'"{how}": three layers of 8×12, 4×6 and 2×3, to 8×12', three, (8, 12), how)
    two = [lifted(rng, 1, 2, 3), lifted(rng, 1, 5, 3)]
    for how in ("product", "tanh", "max"):
        yield Case(f'"{how}": one image, larger than all its maps', two, (10, 9), how)
    flat = [lifted(rng, 2, 4, 6), torch.zeros(2, 2, 3), torch.full((2, 3, 3), 3.0)]
    for how in ("max", "product", "tanh"):
        yield Case(f'"{how}": one map is 0 everywhere, one is 3 everywhere', flat, (4, 6), how)
    for how in ("max", "tanh"):
        one = [lifted(rng, 3, 3, 4) * torch.tensor([1.0, 50, 0.02])[:, None, None]]
        yield Case(f'"{how}": one layer, three images of very different size', one, (6, 8), how)


def edges(M):
    return M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)


def over(a, b):
    """a / b, and 0 where b is 0."""
    return torch.where(b > 0, a / b, torch.zeros_like(a))


def minmax(M):
    low, high = edges(M)
    return over(M - low, high - low)


def squash(M, gamma=2.0):
    return torch.tanh(gamma * over(M, edges(M)[1]))


@fuse.reference
def _(maps, size, how):
    scaled = [squash(M) if how == "tanh" else minmax(M) for M in maps]
    large = torch.stack([up(M, size) for M in scaled])
    return large.prod(0) if how == "product" else large.amax(0)


def fused(s=minmax, t=squash, enlarge=up, most=None, product=None, scale_last=False):
    """The answer with other parts."""

    def answer(maps, size, how):
        scale = t if how == "tanh" else s
        if scale_last:
            large = torch.stack([scale(enlarge(M, size)) for M in maps])
        else:
            large = torch.stack([enlarge(scale(M), size) for M in maps])
        together = product if how == "product" else most
        return (together or (torch.prod if how == "product" else torch.amax))(large, 0)

    return answer


fuse.wrongs(
    enlarged_before_scaling=(
        fused(scale_last=True),
        "You enlarged first and scaled then. Here it is the other way round: Up(s(M)), scale each "
        "map at its own size, then enlarge. (In lesson 12 the enlarging came first.)",
    ),
    not_scaled=(
        fused(s=lambda M: M),
        'The maps are not scaled. Then the layer with the largest numbers decides alone. In "max" '
        'and "product" each map goes through s first.',
    ),
    nothing_scaled=(
        fused(s=lambda M: M, t=lambda M: torch.tanh(2 * M)),
        "The maps are not scaled, and the layer with the largest numbers decides alone. Use s(M), "
        "and M / max M inside the tanh.",
    ),
    minimum_left=(
        fused(s=lambda M: over(M, edges(M)[1])),
        "You divided by the maximum and left the minimum. s(M) takes the minimum away first, so "
        "that the darkest place is 0.",
    ),
    minimum_only_above=(
        fused(s=lambda M: over(M - edges(M)[0], edges(M)[1])),
        "You subtracted the minimum but divided by max M. s divides by max M − min M, so that the "
        "brightest place is 1.",
    ),
    tanh_not_divided=(
        fused(t=lambda M: torch.tanh(2 * M)),
        "M / max M is missing inside the tanh. A layer with small numbers would stay small, and one "
        "with large numbers would be 1 everywhere.",
    ),
    tanh_without_two=(
        fused(t=lambda M: squash(M, 1)),
        "The factor 2 inside the tanh is missing: tanh(2 M / max M).",
    ),
    tanh_with_minimum=(
        fused(t=lambda M: torch.tanh(2 * minmax(M))),
        "You put s(M) into the tanh. The formula has M / max M there: the minimum is not taken away.",
    ),
    no_tanh=(
        fused(t=lambda M: over(M, edges(M)[1])),
        'For "tanh" there is no tanh in your map: only M / max M. It lifts weak places.',
    ),
    tanh_like_max=(
        fused(t=minmax),
        'There is no tanh(2 M / max M) in your map for "tanh": each map is scaled by s there, as for '
        '"max". Take tanh(2 M / max M) in its place, and then the maximum.',
    ),
    tanh_forgotten_and_multiplied=(
        lambda maps, size, how: fused()(maps, size, "max" if how == "max" else "product"),
        'For "tanh" you give the product of the maps scaled by s, as for "product". Scale each map '
        "by tanh(2 M / max M) there, and take the maximum.",
    ),
    tanh_multiplied=(
        lambda maps, size, how: fused(most=torch.prod if how == "tanh" else None)(maps, size, how),
        'For "tanh" you multiply the maps. Their scaling is right; then the largest value over the '
        "layers is taken.",
    ),
    one_scale_for_all_images=(
        fused(
            s=lambda M: over(M - M.min(), (M.max() - M.min()).expand_as(M)),
            t=lambda M: torch.tanh(2 * over(M, M.max().expand_as(M))),
        ),
        "You took the minimum and maximum of all images together. Each image has its own: amin and "
        "amax over axes 1 and 2, with keepdim=True.",
    ),
    sum_instead_of_product=(
        fused(product=torch.sum),
        'You added the maps for "product". A place must be bright in ALL layers: multiply them.',
    ),
    mean_instead_of_product=(
        fused(product=torch.mean),
        'You took the mean of the maps for "product". A place must be bright in ALL layers: '
        "multiply them.",
    ),
    geometric_mean=(
        fused(product=lambda large, dim: large.prod(dim) ** (1 / len(large))),
        "You took a root of the product. The plain product is asked for.",
    ),
    minimum_instead_of_product=(
        fused(product=torch.amin),
        'You took the smallest value for "product". Multiply the maps, place by place.',
    ),
    mean_instead_of_maximum=(
        fused(most=torch.mean),
        'You took the mean over the layers. For "max" and "tanh" the strongest layer decides at each '
        "place: the maximum.",
    ),
    never_enlarged=(
        fused(enlarge=lambda M, size: M),
        "The maps keep their own sizes, and maps of different sizes can be neither stacked nor "
        "multiplied place by place. Enlarge each scaled map to `size` first.",
    ),
    never_enlarged_and_no_tanh=(
        fused(enlarge=lambda M, size: M, t=minmax),
        "The maps keep their own sizes, and maps of different sizes can be neither stacked nor "
        "multiplied place by place. Enlarge each scaled map to `size` first. And in "
        '"tanh" the scaling is tanh(2 M / max M), not s.',
    ),
    never_scaled_nor_enlarged=(
        lambda maps, size, how: (torch.prod if how == "product" else torch.amax)(
            torch.stack(maps), 0
        ),
        "The maps have different sizes and cannot be stacked. Scale each one, enlarge it to `size` "
        "with `up`, and then stack.",
    ),
    list_of_maps=(
        lambda maps, size, how: [up((squash if how == "tanh" else minmax)(M), size) for M in maps],
        "You returned a list with one map for each layer. Stack them, and take the maximum or the "
        "product over the layers.",
    ),
    always_the_maximum=(
        fused(product=torch.amax),
        '"product" gives the maximum in your answer. Multiply the maps there, place by place.',
    ),
    exchanged=(
        fused(most=torch.prod, product=torch.amax),
        '"max" and "tanh" take the largest value over the layers, "product" multiplies. Here you do '
        "the other of the two.",
    ),
    only_the_last_layer=(
        lambda maps, size, how: up((squash if how == "tanh" else minmax)(maps[-1]), size),
        "Only one layer is in your result. Keep the enlarged maps in a list and put all of them "
        "together.",
    ),
    nearest=(
        fused(enlarge=lambda M, size: up(M, size, "nearest")),
        'Your enlarging is not bilinear. Without mode="bilinear" interpolate copies the nearest '
        "value.",
    ),
    corners_aligned=(
        fused(enlarge=lambda M, size: up(M, size, align=True)),
        "You enlarged with align_corners=True. Leave it at False: pixels are areas, not points.",
    ),
    flat_map_is_nan=(
        fused(
            s=lambda M: (M - edges(M)[0]) / (edges(M)[1] - edges(M)[0]),
            t=lambda M: torch.tanh(2 * M / edges(M)[1]),
        ),
        "A constant map gave NaN: 0 divided by 0. It marks no place: s gives zeros, and so does tanh "
        "for a map that is 0 everywhere.",
    ),
    flat_map_left_out=(
        lambda maps, size, how: fused()([M for M in maps if M.max() > M.min()], size, how),
        "You left out the layers that are constant. They take part: s makes zeros of them, so a "
        "product with them is 0.",
    ),
    scaled_again=(
        lambda maps, size, how: minmax(fused()(maps, size, how)),
        "You scaled the result once more. The scaling is done for each layer, before they are put "
        "together.",
    ),
    a_map_for_each_layer=(
        lambda maps, size, how: torch.stack(
            [up((squash if how == "tanh" else minmax)(M), size) for M in maps]
        ),
        "The layers are still apart. Put them together into one map (N, H, W), with the maximum or "
        "the product over the layers.",
    ),
)

fuse.accepts_all(
    parts=fused(),
    tiny_epsilon=fused(
        s=lambda M: (M - edges(M)[0]) / (edges(M)[1] - edges(M)[0] + 1e-12),
        t=lambda M: torch.tanh(2 * M / (edges(M)[1] + 1e-12)),
    ),
    float64_inside=lambda maps, size, how: fused()([M.double() for M in maps], size, how).float(),
)


@fuse.accepts
def one_after_the_other(maps, size, how):
    together = None
    for M in maps:
        M = np.asarray(M)
        low, high = M.min((1, 2), keepdims=True), M.max((1, 2), keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            M = np.tanh(2 * M / high) if how == "tanh" else (M - low) / (high - low)
        M = up(torch.from_numpy(np.nan_to_num(M)), size)
        if together is None:
            together = M
        else:
            together = together * M if how == "product" else torch.maximum(together, M)
    return together


# ------------------------------------------------------------------ 16.3

local_normalize = Exercise(
    "16.3",
    "local_normalize",
    formula="LNorm(M) = M / max(Up(Down(M)), 1e-12)",
    hints=(
        "Up(Down(M)) is a blurred copy of M: what it is like around here. Divide M by it.",
        "Down: bilinear to coarse_size. Up: bilinear back to the size of M. Never divide by less "
        "than 1e-12.",
        "interpolate M[:, None] to coarse_size, then to M.shape[1:], take [:, 0], "
        "clamp(min=1e-12), and divide M by it.",
    ),
)


@local_normalize.cases
def _(rng):
    M = torch.rand(2, 8, 12, generator=rng) + 0.1
    yield Case("two maps of 8×12, coarse size 4×6", M, (4, 6))
    yield Case("one map of 6×9, coarse size 2×3", torch.rand(1, 6, 9, generator=rng) + 0.1, (2, 3))
    yield Case("one number for all: coarse size 1×1", M[:, :5, :7] + 0.2, (1, 1))
    yield Case("sizes that are no multiples: 7×10 and 3×4", M[:, :7, :10] * 40, (3, 4))
    yield Case("tiny values", M * 1e-7, (4, 6))
    empty = M.clone()
    empty[1] = 0
    yield Case("the second map is 0 everywhere", empty, (4, 6))
    half = M.clone()
    half[:, :, 6:] = 0
    yield Case("the right half is 0: it stays 0", half, (4, 6))


@local_normalize.reference
def _(M, coarse_size):
    down = functional.interpolate(
        M[:, None], size=coarse_size, mode="bilinear", align_corners=False
    )
    back = functional.interpolate(down, size=M.shape[1:], mode="bilinear", align_corners=False)
    return M / back[:, 0].clamp(min=1e-12)


def blurred(M, size, **kwargs):
    return up(up(M, size, **kwargs), M.shape[1:], **kwargs)


def below(blur, least=1e-12):
    """M over its blurred copy."""
    return lambda M, size: M / blur(M, size).clamp(min=least)


local_normalize.wrongs(
    by_the_maximum=(
        below(lambda M, size: M.amax((1, 2), keepdim=True)),
        "You divided each map by its maximum: one number for all places. LNorm compares each place "
        "with its surroundings, Up(Down(M)).",
    ),
    by_the_mean=(
        below(lambda M, size: M.mean((1, 2), keepdim=True)),
        "You divided each map by its mean: one number for all places. LNorm compares each place "
        "with its surroundings, Up(Down(M)).",
    ),
    by_the_sum=(
        below(lambda M, size: M.sum((1, 2), keepdim=True)),
        "You divided each map by its sum: one number for all places. LNorm compares each place with "
        "its surroundings, Up(Down(M)).",
    ),
    minmax_instead=(
        lambda M, size: minmax(M),
        "You scaled the map to [0, 1] as a whole. LNorm compares each place with its surroundings, "
        "Up(Down(M)).",
    ),
    subtracted=(
        lambda M, size: M - blurred(M, size),
        "You subtracted the blurred map. LNorm divides by it: 1 means like the surroundings.",
    ),
    multiplied=(
        lambda M, size: M * blurred(M, size),
        "You multiplied with the blurred map. Divide by it.",
    ),
    upside_down=(
        lambda M, size: blurred(M, size) / M.clamp(min=1e-12),
        "Your fraction is upside down: M stands above, the blurred map below.",
    ),
    only_blurred=(
        blurred,
        "This is only the blurred map, Up(Down(M)). Divide M by it.",
    ),
    only_down=(
        lambda M, size: up(M, size),
        "You only made the map smaller. Enlarge it again to the size of M, and divide M by that.",
    ),
    up_forgotten=(
        below(up),
        "You divide M by its small copy: two different sizes. Up is missing. Enlarge the small copy "
        "to M.shape[1:] first, then divide.",
    ),
    coarse_result=(
        lambda M, size: up(below(blurred)(M, size), size),
        "Your result has the coarse size. LNorm keeps the size of M.",
    ),
    areas_averaged=(
        below(lambda M, size: up(functional.adaptive_avg_pool2d(M, size), M.shape[1:])),
        "You averaged areas to make the map smaller. The formula's Down is bilinear, as "
        'interpolate(..., mode="bilinear") does it.',
    ),
    maximum_of_areas=(
        below(lambda M, size: up(functional.adaptive_max_pool2d(M, size), M.shape[1:])),
        "You took the largest value of each area. The formula's Down is bilinear, as "
        'interpolate(..., mode="bilinear") does it.',
    ),
    antialias=(
        below(
            lambda M, size: up(
                functional.interpolate(M[:, None], size=size, mode="bilinear", antialias=True)[
                    :, 0
                ],
                M.shape[1:],
            )
        ),
        "You made the map smaller with antialias=True. Leave it out: plain bilinear.",
    ),
    nearest=(
        below(lambda M, size: blurred(M, size, mode="nearest")),
        'Your Down and Up take the nearest value. Say mode="bilinear" in both.',
    ),
    only_up_is_nearest=(
        below(lambda M, size: up(up(M, size), M.shape[1:], "nearest")),
        'Down is bilinear, but Up copies the nearest value. Say mode="bilinear" in both.',
    ),
    corners_aligned=(
        below(lambda M, size: blurred(M, size, align=True)),
        "You used align_corners=True. Leave it at False, for Down and for Up.",
    ),
    zero_is_nan=(
        lambda M, size: M / blurred(M, size),
        "A map that is 0 everywhere gave NaN: 0 divided by 0. Divide by at least 1e-12: "
        "clamp(min=1e-12).",
    ),
    much_added_below=(
        lambda M, size: M / (blurred(M, size) + 1e-6),
        "You added a number below the line that is too large for maps with tiny values. "
        "clamp(min=1e-12) changes nothing where there is something.",
    ),
    cut_off_too_early=(
        below(blurred, 1e-6),
        "You divide by at least 1e-6. Maps with tiny values notice that: take 1e-12.",
    ),
    no_channel_axis=(
        lambda M, size: (
            M
            / functional.interpolate(
                functional.interpolate(M, size=size, mode="bilinear"),
                size=M.shape[1:],
                mode="bilinear",
            )
        ),
        "interpolate wants (N, channels, h, w): give it M[:, None], and take [:, 0] of its result. "
        "The function `up` above does this.",
    ),
    one_blur_for_all=(
        below(lambda M, size: blurred(M.mean(0, keepdim=True), size)),
        "You mixed the images: the blurred map is that of all of them. Each map has its own "
        "surroundings.",
    ),
    then_scaled=(
        lambda M, size: (lambda L: over(L, edges(L)[1]))(below(blurred)(M, size)),
        "You scaled the result to a maximum of 1. Then 1 no longer means: like the surroundings.",
    ),
    cut_off_at_one=(
        lambda M, size: below(blurred)(M, size).clamp(max=1),
        "You cut the result off at 1. Values above 1 say: brighter than the surroundings. Keep them.",
    ),
)

for exponent in (7, 8, 9, 10):
    local_normalize.wrongs(
        **{
            f"added_1e-{exponent}": (
                lambda M, size, e=exponent: M / (blurred(M, size) + 10.0**-e),
                "You added a number below the line that is too large for maps with tiny values. "
                "clamp(min=1e-12) changes nothing where there is something.",
            )
        }
    )

local_normalize.accepts_all(
    maximum=lambda M, size: M / torch.maximum(blurred(M, size), torch.tensor(1e-12)),
    float64_inside=lambda M, size: below(blurred)(M.double(), size).float(),
    added_very_little=lambda M, size: M / (blurred(M, size) + 1e-14),
    numpy_inside=lambda M, size: M.numpy() / np.maximum(blurred(M, size).numpy(), 1e-12),
    image_by_image=lambda M, size: torch.cat(
        [below(blurred)(M[n : n + 1], size) for n in range(len(M))]
    ),
)


# ------------------------------------------------------------------ 16.4

poly_cam = Exercise(
    "16.4",
    "poly_cam",
    formula="P = M of the deepest layer; then P ← LNorm(M_l) ∘ Up(P), layer by layer",
    hints=(
        "Start with the deepest map. Each further map sharpens what you have so far.",
        "P = maps[0]. For each further M: enlarge P to the size of M, and multiply it with LNorm(M), "
        "whose coarse size is the size of P before it was enlarged.",
        "for M in maps[1:]: P = local_normalize(M, P.shape[1:]) * (P enlarged to M.shape[1:], "
        "bilinear). Return P.",
    ),
)


@poly_cam.cases
def _(rng):
    def some(*shape):
        return torch.rand(*shape, generator=rng) + 0.1

    yield Case(
        "three maps of 2×3, 4×6 and 8×12", [some(2, 2, 3), some(2, 4, 6) * 7, some(2, 8, 12)]
    )
    four = [some(1, 2, 2), some(1, 3, 4), some(1, 6, 8), some(1, 12, 16)]
    yield Case("four maps, one image", four)
    dark = [some(2, 2, 3), some(2, 6, 9), some(2, 12, 18)]
    dark[1][0] = 0
    yield Case("the middle map of the first image is 0 everywhere", dark)
    yield Case(
        "large and tiny values", [300 * some(3, 2, 3), 1e-6 * some(3, 5, 7), some(3, 10, 14)]
    )


def lnorm(M, size):
    return M / blurred(M, size).clamp(min=1e-12)


@poly_cam.reference
def _(maps):
    P = maps[0]
    for M in maps[1:]:
        P = lnorm(M, P.shape[1:]) * up(P, M.shape[1:])
    return P


def chain(step, start=lambda maps: maps[0], order=lambda maps: maps[1:]):
    """P from step to step; `step(P, M, maps, l)` with l from 1."""

    def answer(maps):
        P = start(maps)
        for number, M in enumerate(order(maps), 1):
            P = step(P, M, maps, number)
        return P

    return answer


def right_step(P, M, maps, number):
    return lnorm(M, P.shape[1:]) * up(P, M.shape[1:])


TWO_SIZES = (
    "Two maps of different sizes meet in your step, one of M's size and one of P's. Enlarge P to "
    "M.shape[1:] before you multiply. (LNorm(M) has the size of M: if yours has not, check 16.3 first.)"
)

poly_cam.wrongs(
    without_lnorm=(
        chain(lambda P, M, maps, n: M * up(P, M.shape[1:])),
        "You multiplied with M itself. Each shallower map goes through local_normalize first.",
    ),
    scaled_as_a_whole=(
        chain(lambda P, M, maps, n: minmax(M) * up(P, M.shape[1:])),
        "You scaled each map as a whole, to [0, 1]. Poly-CAM normalises it locally: "
        "local_normalize(M, size of P).",
    ),
    divided_by_the_maximum=(
        chain(lambda P, M, maps, n: over(M, edges(M)[1]) * up(P, M.shape[1:])),
        "You divided each map by its maximum. Poly-CAM normalises it locally: "
        "local_normalize(M, size of P).",
    ),
    always_the_deepest_size=(
        chain(lambda P, M, maps, n: lnorm(M, maps[0].shape[1:]) * up(P, M.shape[1:])),
        "The coarse size is always that of the deepest map in your answer. It is the size of P as it "
        "is now, one step coarser than M.",
    ),
    its_own_size=(
        chain(lambda P, M, maps, n: lnorm(M, M.shape[1:]) * up(P, M.shape[1:])),
        "The coarse size is that of M itself, so LNorm(M) is 1 wherever M is not 0. Take the size "
        "of P before you enlarge it.",
    ),
    not_enlarged=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) * P),
        TWO_SIZES,
    ),
    shape_with_images=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape) * up(P, M.shape[1:])),
        "P.shape is (N, h, w). The coarse size is only (h, w): P.shape[1:].",
    ),
    enlarged_to_the_whole_shape=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) * up(P, M.shape)),
        "M.shape is (N, h, w). The size to enlarge to is only (h, w): M.shape[1:].",
    ),
    product_normalised=(
        chain(lambda P, M, maps, n: lnorm(M * up(P, M.shape[1:]), P.shape[1:])),
        "You normalised the product of M and P. Only M goes through local_normalize; then multiply "
        "with the enlarged P.",
    ),
    the_map_before=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) * up(maps[n - 1], M.shape[1:])),
        "You multiplied with the map of the layer before, not with P. P carries what all deeper "
        "layers said: use it and overwrite it.",
    ),
    always_the_deepest_map=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) * up(maps[0], M.shape[1:])),
        "You multiplied with the deepest map in each step. Multiply with P, which carries what all "
        "deeper layers said.",
    ),
    added=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) + up(P, M.shape[1:])),
        "You added LNorm(M) and P. They are multiplied: a place needs both.",
    ),
    p_normalised=(
        chain(lambda P, M, maps, n: M * lnorm(up(P, M.shape[1:]), P.shape[1:])),
        "You normalised P instead of M. The shallow map M goes through local_normalize; P is only "
        "enlarged.",
    ),
    start_scaled=(
        chain(right_step, start=lambda maps: minmax(maps[0])),
        "You scaled the deepest map to [0, 1]. P starts as maps[0], as it is.",
    ),
    start_with_ones=(
        chain(right_step, start=lambda maps: torch.ones_like(maps[0])),
        "P starts with ones (or as LNorm of maps[0] at its own size, which is 1). So the deepest map "
        "is missing: P starts as maps[0].",
    ),
    deepest_normalised=(
        chain(right_step, start=lambda maps: lnorm(maps[0], maps[1].shape[1:])),
        "You put the deepest map through local_normalize too. P starts as maps[0], as it is.",
    ),
    deepest_normalised_by_one_number=(
        chain(right_step, start=lambda maps: lnorm(maps[0], (1, 1))),
        "You put the deepest map through local_normalize too. P starts as maps[0], as it is.",
    ),
    all_normalised_with_one_size=(
        chain(
            lambda P, M, maps, n: lnorm(M, maps[0].shape[1:]) * up(P, M.shape[1:]),
            start=lambda maps: lnorm(maps[0], maps[0].shape[1:]),
        ),
        "You put every map through local_normalize with the size of the deepest one, the deepest "
        "too, which becomes 1. P starts as maps[0]; the coarse size is that of P as it is now.",
    ),
    always_from_the_deepest=(
        chain(lambda P, M, maps, n: lnorm(M, maps[0].shape[1:]) * up(maps[0], M.shape[1:])),
        "You use maps[0] in each step, so the middle layers are lost. Use P, and its size: it "
        "carries what all deeper layers said.",
    ),
    matrix_product=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) @ up(P, M.shape[1:])),
        "You wrote @, the matrix product. The circle ∘ means place by place: write *.",
    ),
    last_layer_missing=(
        chain(right_step, order=lambda maps: maps[1:-1]),
        "One layer is missing: the last map of the list, which has the finest grid.",
    ),
    one_step_only=(
        chain(right_step, order=lambda maps: maps[1:2]),
        "Your loop ends after the first step. Return P after all maps.",
    ),
    second_layer_skipped=(
        chain(right_step, order=lambda maps: maps[2:]),
        "You left out maps[1]. Go through all maps after the first one.",
    ),
    without_the_deepest=(
        chain(right_step, start=lambda maps: maps[1], order=lambda maps: maps[2:]),
        "You began with maps[1]. The deepest map is maps[0].",
    ),
    from_shallow_to_deep=(
        lambda maps: chain(right_step)(maps[::-1]),
        "You went from the finest map to the coarsest. The list has the deepest map first: go "
        "through it as it is.",
    ),
    scaled_in_each_step=(
        chain(lambda P, M, maps, n: minmax(right_step(P, M, maps, n))),
        "You scaled P to [0, 1] in each step. The rule keeps P as it is.",
    ),
    scaled_at_the_end=(
        lambda maps: minmax(chain(right_step)(maps)),
        "You scaled the result to [0, 1]. The raw values are asked for.",
    ),
    product_of_all=(
        lambda maps: torch.stack([up(minmax(M), maps[-1].shape[1:]) for M in maps]).prod(0),
        'This is fuse(…, "product"). Poly-CAM goes layer by layer, and normalises each shallower map '
        "locally.",
    ),
    nearest=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) * up(P, M.shape[1:], "nearest")),
        'P was enlarged by copying the nearest value. Say mode="bilinear".',
    ),
    corners_aligned=(
        chain(lambda P, M, maps, n: lnorm(M, P.shape[1:]) * up(P, M.shape[1:], align=True)),
        "P was enlarged with align_corners=True. Leave it at False.",
    ),
)


poly_cam.wrongs(
    lnorm_too_small=(
        chain(lambda P, M, maps, n: up(lnorm(M, P.shape[1:]), P.shape[1:]) * up(P, M.shape[1:])),
        TWO_SIZES,
    ),
)

SAME_AS_ABOVE = ("minmax_instead", "by_the_maximum")
for known in local_normalize.wrong_answers:
    if known.name not in (*SAME_AS_ABOVE, "up_forgotten", "only_down", "coarse_result"):
        poly_cam.wrongs(
            **{
                f"lnorm_{known.name}": (
                    chain(
                        lambda P, M, maps, n, lnorm=known.answer: (
                            lnorm(M, P.shape[1:]) * up(P, M.shape[1:])
                        )
                    ),
                    "The LNorm in your chain is not the one of 16.3. If you call your "
                    f"local_normalize, check 16.3 first. There this is said: {known.sentence}",
                )
            }
        )


@poly_cam.wrong("You returned a list with P after each step. Only the last P is asked for.")
def all_steps_but_the_first(maps):
    return all_steps(maps)[1:]


@poly_cam.wrong("You returned the maps of all steps. Only the last P is asked for.")
def all_steps(maps):
    steps = [maps[0]]
    for M in maps[1:]:
        steps.append(right_step(steps[-1], M, maps, 0))
    return steps


poly_cam.accepts_all(
    chain=chain(right_step),
    other_order_of_the_product=chain(
        lambda P, M, maps, n: up(P, M.shape[1:]) * M / blurred(M, P.shape[1:]).clamp(min=1e-12)
    ),
    float64_inside=lambda maps: chain(right_step)([M.double() for M in maps]).float(),
)


@poly_cam.accepts
def recursive(maps):
    if len(maps) == 1:
        return maps[0]
    P = recursive(maps[:-1])
    return right_step(P, maps[-1], maps, 0)


def test_lesson(proof):
    proof()
