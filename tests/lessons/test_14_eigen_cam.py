"""Lesson 14, checked: the strongest pattern of the feature maps, its sign, and with the gradient."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from camlite.course import Case, Exercise, normal

# ------------------------------------------------------------------ one sign for both answers


def strongest(O):
    """O v₁ for each image: O (N, Z, K) -> (N, Z)."""
    Vh = torch.linalg.svd(O.double(), full_matrices=False).Vh
    return (O.double() @ Vh[:, 0, :, None])[..., 0].float()


def rows(F):
    """One row for each place: (N, K, h, w) -> (N, Z, K)."""
    return F.flatten(2).transpose(1, 2)


def centred(O):
    return O - O.mean(1, keepdim=True)


def as_map(L, F):
    return L.reshape(len(F), *F.shape[2:])


SHOWN = "result, turned to plus"  # so that the learner knows that the sign may be ours
INEXACT = "not exact: your code draws random numbers"


def to_plus(found, shape):
    """Each image turned so that its farthest value from 0 is positive: v₁ and −v₁ both pass."""
    if isinstance(found, (list, tuple)):
        alone = [np.shape(m) == shape[1:] for m in found]
        return [
            to_plus(m[None], shape)[0] if one else to_plus(m, shape)
            for m, one in zip(found, alone, strict=True)
        ]
    if isinstance(found, np.ndarray) and found.dtype.kind == "f":
        found = torch.from_numpy(np.ascontiguousarray(found))
    if not isinstance(found, Tensor) or not found.is_floating_point() or not found.numel():
        return found
    if not found.dim():
        return found
    flat = found.double().reshape(len(found), -1)
    farthest = flat.gather(1, flat.abs().argmax(1, keepdim=True))
    return torch.where(farthest < 0, -1.0, 1.0).reshape(-1, *[1] * (found.dim() - 1)) * found


def shown(answer, right, *given, **how):
    """What is compared. Random methods are near where one pattern is strong, and far elsewhere."""
    before = torch.get_rng_state()
    found = to_plus(answer(*given, **how), right.shape)
    if torch.equal(before, torch.get_rng_state()):
        return {SHOWN: found}
    right = to_plus(right, right.shape)
    if getattr(found, "shape", None) != right.shape:
        return {SHOWN: found}
    off = float((found - right).abs().max() / right.abs().max().clamp_min(1e-12))
    return {SHOWN: INEXACT if off > 0.03 else right}


# ------------------------------------------------------------------ 14.1

eigen_cam = Exercise(
    "14.1",
    "eigen_cam",
    formula="O = U Σ Vᵀ,  L = O v₁  (up to its sign)",
    hints=(
        "Each place has K numbers: a row of O. Find the direction v₁ along which the rows are "
        "longest, and measure how far each row goes along it.",
        "O[n] is (h·w, K). torch.linalg.svd(O) gives U, S, Vh; v₁ is the first ROW of Vh, "
        "Vh[n, 0]. L = O v₁. With center=True subtract the mean row from O first.",
        "F.flatten(2).transpose(1, 2) is O. If center, subtract O.mean(dim=1, keepdim=True). Take "
        "Vh[:, 0], (N, K), multiply each row of O by it and sum over k, then reshape to (N, h, w).",
    ),
)


def features(rng, N, K, h, w, noise=0.25):
    """Maps ≥ 0 with one strong pattern on a level of its own in each channel, for a clear v₁."""
    level = 1 + torch.rand(N, K, 1, 1, generator=rng)
    pattern = torch.rand(N, 1, h, w, generator=rng) * 4 - 1
    strength = torch.rand(N, K, 1, 1, generator=rng) * 2 - 0.6
    return (level + strength * pattern + noise * normal(rng, N, K, h, w)).relu()


@eigen_cam.cases
def _(rng):
    F = features(rng, 2, 5, 4, 7)
    yield Case("two images, five channels, maps of 4×7", F)
    yield Case("the same, centred", F, center=True)
    signed = normal(rng, 2, 4, 1, 1) * normal(rng, 2, 1, 5, 3) * 3 + 0.2 * normal(rng, 2, 4, 5, 3)
    yield Case("signed features, maps of 5×3", signed, center=False)
    yield Case("signed features, centred", signed + 1, center=True)
    yield Case("one image, more channels than places", features(rng, 1, 9, 2, 3))
    dead = F * (torch.arange(5) != 2)[:, None, None]
    yield Case("one channel is 0 everywhere, large values", 1e4 * dead, center=True)
    weak = torch.tensor([1.0, 1e-2, 0])[:, None, None, None]
    channel, place = (torch.linalg.qr(normal(rng, 3, k, 2)).Q for k in (6, 20))
    two = (10 * channel * torch.tensor([1, 0.9])) @ place.mT  # singular values 10 and 9
    yield Case("signed, a second pattern is nearly as strong", two.reshape(3, 6, 4, 5))
    several = features(rng, 3, 4, 4, 4) * weak
    yield Case("a strong image, a weak one, one of zeros", several, center=False)


@eigen_cam.reference
def _(F, center=False):
    O = rows(F)
    return as_map(strongest(centred(O) if center else O), F)


@eigen_cam.probe
def _(answer, F, **how):
    return shown(answer, right_map(F, **how).double(), F, **how)


def prepared(change):
    """The right answer for another O; `change` makes it of O and of `center`."""
    return lambda F, center=False: as_map(strongest(change(rows(F), center)), F)


def projected(direction, use=lambda O: O):
    """O times another direction, (N, K)."""

    def answer(F, center=False):
        O = centred(rows(F)) if center else rows(F)
        return as_map((use(O) @ direction(O)[..., None])[..., 0], F)

    return answer


def Vh(O):
    return torch.linalg.svd(O, full_matrices=False).Vh


def first(O):
    return Vh(O)[:, 0]


def right_map(F, center=False):
    return as_map(strongest(centred(rows(F)) if center else rows(F)), F)


def whole_batch(F, center=False):
    O = rows(F).flatten(0, 1)
    O = O - O.mean(0) if center else O
    return as_map(O @ torch.linalg.svd(O, full_matrices=False).Vh[0], F)


def cut_wrongly(F, center=False):
    O = F.reshape(len(F), -1, F.shape[1])
    return as_map(strongest(centred(O) if center else O), F)


def own_first(F, center=False):
    """Places and channels exchanged: for each channel a number."""
    A = F.flatten(2)
    A = A - A.mean(1, keepdim=True) if center else A
    return strongest(A)


def raw_projected(F, center=False):
    return as_map((rows(F) @ first(centred(rows(F)) if center else rows(F))[..., None])[..., 0], F)


def unit_map(F, center=False):
    O = centred(rows(F)) if center else rows(F)
    return as_map(torch.linalg.svd(O, full_matrices=False).U[:, :, 0], F)


LENGTH_ONE = (
    "Your map has length 1: that is u₁ (in a table of channels × places it is the first row of "
    "Vh). L = O v₁ keeps its size, L = σ₁ u₁."
)
RELU = (
    "You applied a ReLU. The sign of the map is still open, so a ReLU may cut the wrong half off. "
    "Return the signed map."
)
NOT_STACKED = (
    "The values are right, but in a list, one map for each image. torch.stack joins them to "
    "(N, h, w)."
)


def lowest_rank(F, center=False):
    O = centred(rows(F)) if center else rows(F)
    return as_map((O @ torch.pca_lowrank(O, q=1, center=False)[2])[..., 0], F)


def float_map(F, center=False):
    """In float32 as a learner writes it: here it matters which of the two signs the SVD gives."""
    return projected(first)(F, center)


CENTRED_LATE = (
    "You made the map of the O that is not centred, and subtracted the mean of the finished map. "
    "center=True subtracts each channel's mean before the SVD: that changes v₁."
)
NO_SHIFT = (
    "You subtracted the smallest value of the map. Where its 0 lies matters: return L = O v₁ as it "
    "is."
)
RANDOM = (
    "torch.pca_lowrank and torch.svd_lowrank draw random numbers, and with a small q they are not "
    "exact. Use torch.linalg.svd."
)
NO_CENTER = (
    "Your function has no parameter center. The first line must be def eigen_cam(F, center=False)."
)

eigen_cam.wrongs(
    centred_by_default=(
        lambda F, center=True: right_map(F, center),
        "Without center your function centres. The default is False: "
        "def eigen_cam(F, center=False).",
    ),
    no_parameter_center=(lambda F: right_map(F), NO_CENTER),
    no_parameter_and_centred=(lambda F: right_map(F, True), NO_CENTER),
    no_default=(
        lambda F, center: right_map(F, center),
        "Your function cannot be called without center. Give it a default: center=False.",
    ),
    random_direction=(lowest_rank, RANDOM),
    column_of_Vh=(
        projected(lambda O: Vh(O)[:, : O.shape[2], 0] if O.shape[1] >= O.shape[2] else first(O)),
        "You took the first column of Vh. torch.linalg.svd returns Vᵀ, so v₁ is its first row: "
        "Vh[:, 0].",
    ),
    second_direction=(
        projected(lambda O: Vh(O)[:, 1]),
        "You took the second direction. The singular values are sorted, the largest first: index 0.",
    ),
    weakest_direction=(
        projected(lambda O: torch.linalg.eigh(O.mT @ O).eigenvectors[..., 0]),
        "You took the weakest direction. eigh sorts from small to large: v₁ is the last one there.",
    ),
    last_row_of_Vh=(
        projected(lambda O: Vh(O)[:, -1]),
        "You took the last row of Vh, the weakest direction. svd sorts from large to small: index 0.",
    ),
    length_one=(
        unit_map,
        LENGTH_ONE,
    ),
    first_row_without_center=(
        lambda F, center=False: unit_map(F),
        "In the table of channels × places the first row of Vh is u₁, the map with length 1, not "
        "v₁: multiply it by S[:, 0]. And center=True is not done yet.",
    ),
    sigma_twice=(
        projected(
            lambda O: first(O) * torch.linalg.svdvals(O)[:, :1],
        ),
        "You multiplied by σ₁, but O v₁ has this size already: L = O v₁ = σ₁ u₁.",
    ),
    never_centred=(
        prepared(lambda O, center: O),
        "Your result does not change with center=True. Then the mean over the places is "
        "subtracted from each channel before the decomposition.",
    ),
    always_centred=(
        prepared(lambda O, center: centred(O)),
        "You always centre. That is asked for with center=True only.",
    ),
    map_centred_afterwards=(
        lambda F, center=False: float_map(F) - center * float_map(F).mean((1, 2), keepdim=True),
        CENTRED_LATE,
    ),
    map_centred_by_one_number=(
        lambda F, center=False: float_map(F) - center * float_map(F).mean(),
        CENTRED_LATE,
    ),
    sense_of_center=(
        prepared(lambda O, center: O if center else centred(O)),
        "center has the wrong sense: center=True subtracts the mean, center=False does not.",
    ),
    centred_over_the_channels=(
        prepared(lambda O, center: O - O.mean(2, keepdim=True) if center else O),
        "You subtracted the mean over the channels at each place. Each channel loses its own mean "
        "over the places.",
    ),
    centred_by_one_number=(
        prepared(lambda O, center: O - O.mean((1, 2), keepdim=True) if center else O),
        "You subtracted one mean of all numbers. Each channel has its own mean over the places.",
    ),
    centred_over_the_images=(
        prepared(lambda O, center: O - O.mean((0, 1), keepdim=True) if center else O),
        "The mean that you subtract is taken over the images too. Each image has its own.",
    ),
    standardised=(
        prepared(
            lambda O, center: centred(O) / O.std(1, keepdim=True).clamp_min(1e-8) if center else O
        ),
        "You also divided by the standard deviation. Centring only subtracts the mean.",
    ),
    columns_of_length_one=(
        prepared(
            lambda O, center: functional.normalize(centred(O) if center else O, dim=1),
        ),
        "You divided each column of O by its length, so weak channels count as much as strong "
        "ones. O stays as it is, or is only centred.",
    ),
    rows_of_length_one=(
        prepared(
            lambda O, center: functional.normalize(centred(O) if center else O, dim=2),
        ),
        "You divided each row of O by its length. O stays as it is, or is only centred.",
    ),
    raw_maps_projected=(
        raw_projected,
        "You found v₁ from the centred O, but multiplied the O that is not centred. L = O v₁ with "
        "the same O.",
    ),
    one_direction_for_all=(
        whole_batch,
        "You put all images into one matrix, so they share one direction. Each image has its own v₁.",
    ),
    one_direction_for_all_each_centred=(
        lambda F, center=False: whole_batch(
            F - F.mean((2, 3), keepdim=True) if center else F, center=False
        ),
        "You centred each image, but then one SVD got the rows of all images, so they share one "
        "direction. Each image has its own v₁.",
    ),
    direction_of_the_mean_table=(
        projected(lambda O: first(O.mean(0, keepdim=True)).expand(len(O), -1)),
        "You averaged the tables of all images before the SVD. Each image has its own v₁.",
    ),
    direction_of_the_first_image=(
        projected(lambda O: first(O[:1]).expand(len(O), -1)),
        "You used the direction of the first image for all images.",
    ),
    reshaped_without_transpose=(
        cut_wrongly,
        "You reshaped F to (N, h·w, K) directly: that cuts the numbers at wrong places. First "
        "flatten(2), then transpose(1, 2).",
    ),
    a_number_for_each_channel=(
        own_first,
        "You have one number for each channel: channels and places are exchanged. The rows of O "
        "are the places.",
    ),
    the_weights=(
        lambda F, center=False: first(centred(rows(F)) if center else rows(F)),
        "This is v₁, the weights of the channels, (N, K). The map is L = O v₁, (N, h, w).",
    ),
    not_a_map_yet=(
        lambda F, center=False: strongest(centred(rows(F)) if center else rows(F)),
        "The values are right, in one row for each image, (N, h·w). Give them the shape (N, h, w).",
    ),
    rows_and_columns_exchanged=(
        lambda F, center=False: (
            right_map(F, center).flatten(1).reshape(len(F), F.shape[3], F.shape[2])
        ),
        "The shape is (N, w, h). F.shape[2:] is (h, w): keep this order.",
    ),
    mean_map=(
        lambda F, center=False: (F - F.mean((2, 3), keepdim=True) if center else F).mean(1),
        "This is the mean of the feature maps, where all weights are equal. Here v₁ weighs them.",
    ),
    weights_that_sum_to_one=(
        projected(lambda O: first(O) / first(O).sum(1, keepdim=True)),
        "You scaled the weights so that their sum is 1. v₁ has the length 1: its squares sum to 1.",
    ),
    positive_weights=(
        projected(lambda O: first(O).abs()),
        "You took the absolute values of v₁. With signed maps channels can work against each "
        "other: keep the signs.",
    ),
    squared=(
        lambda F, center=False: right_map(F, center) ** 2,
        "You squared the map. L = O v₁ has a sign.",
    ),
    absolute=(
        lambda F, center=False: right_map(F, center).abs(),
        "You took the absolute value of the map. The map has a sign: what lies on the other side "
        "of 0 is the opposite, not the same.",
    ),
    relu=(
        lambda F, center=False: right_map(F, center).relu(),
        RELU,
    ),
    relu_of_the_other_sign=(lambda F, center=False: (-right_map(F, center)).relu(), RELU),
    a_list_of_maps=(lambda F, center=False: list(right_map(F, center)), NOT_STACKED),
    smallest_value_subtracted=(
        lambda F, center=False: (
            float_map(F, center) - float_map(F, center).amin((1, 2), keepdim=True)
        ),
        NO_SHIFT,
    ),
    smallest_of_all_subtracted=(
        lambda F, center=False: float_map(F, center) - float_map(F, center).amin(),
        NO_SHIFT,
    ),
    minmax=(
        lambda F, center=False: (
            lambda L: (
                (L - L.amin((1, 2), keepdim=True))
                / (L.amax((1, 2), keepdim=True) - L.amin((1, 2), keepdim=True)).clamp_min(1e-12)
            )
        )(right_map(F, center)),
        "You scaled the map to [0, 1]. The raw values are asked for.",
    ),
    channels_not_summed=(
        lambda F, center=False: (
            (F - F.mean((2, 3), keepdim=True) if center else F)
            * first(centred(rows(F)) if center else rows(F))[..., None, None]
        ),
        "The channel axis is still there: add up the weighted maps of all channels.",
    ),
)


def by_gram(F, center=False):
    """The K×K matrix of products; eigh sorts from small to large."""
    O = rows(F).double()
    O = centred(O) if center else O
    return as_map((O @ torch.linalg.eigh(O.mT @ O).eigenvectors[..., -1:])[..., 0], F)


def by_places(F, center=False):
    """The Z×Z matrix: u₁ and σ₁, L = σ₁ u₁."""
    O = rows(F)
    O = centred(O) if center else O
    square, U = torch.linalg.eigh(O @ O.mT)
    return as_map(U[..., -1] * square[:, -1:].clamp_min(0).sqrt(), F)


def power_iteration(F, center=False):
    O = rows(F).double()
    O = centred(O) if center else O
    v = torch.linspace(1, 2, O.shape[2]).double().expand(len(O), -1)
    for _ in range(1000):
        v = functional.normalize((O.mT @ (O @ v[..., None]))[..., 0], dim=1)
    return as_map((O @ v[..., None])[..., 0], F).float()


def loop_in_numpy(F, center=False):
    maps = []
    for f in F.numpy():
        O = f.reshape(len(f), -1).T
        O = O - O.mean(axis=0) if center else O
        U, S, _ = np.linalg.svd(O, full_matrices=True)
        maps.append((U[:, 0] * S[0]).reshape(f.shape[1:]))
    return np.stack(maps)


def channels_first(F, center=False):
    """The matrix of the article, channels × places: v₁ is its first left singular vector."""
    A = F.flatten(2)
    A = A - A.mean(2, keepdim=True) if center else A
    U = torch.linalg.svd(A, full_matrices=False).U
    return torch.einsum("nkz,nk->nz", A, U[:, :, 0]).unflatten(1, F.shape[2:])


def low_rank(F, center=False):
    maps = []
    for f in F:
        O = f.flatten(1).T
        O = O - O.mean(0) if center else O
        V = torch.pca_lowrank(O, q=min(O.shape), center=False)[2]
        maps.append(-(O @ V[:, 0]).reshape(f.shape[1:]))
    return torch.stack(maps)


eigen_cam.accepts_all(
    gram_matrix=by_gram,
    places_times_places=by_places,
    power_iteration=power_iteration,
    loop_in_numpy=loop_in_numpy,
    channels_first=channels_first,
    low_rank=low_rank,
    other_sign=lambda F, center=False: -right_map(F, center),
)


# ------------------------------------------------------------------ 14.2

fix_sign = Exercise(
    "14.2",
    "fix_sign",
    formula="−M where Σ_xy M[x, y] Σ_k F_k[x, y] < 0, else M",
    hints=(
        "Ask the feature maps: does the map run with their sum, or against it?",
        "s = Σ_xy M · (Σ_k F_k): one number for each image. Where s < 0 the map is turned.",
        "F.sum(1) is (N, h, w); multiply it by M and sum over axes 1 and 2. Then torch.where("
        "s < 0, −1, 1) as (N, 1, 1), times M.",
    ),
)


def alternating(M, F, sizes=1.0):
    """Maps that must be turned, stay, be turned, stay …"""
    s = (M * F.sum(1)).sum((1, 2), keepdim=True)
    sign = torch.where(s < 0, -1.0, 1.0) * (2.0 * (torch.arange(len(M)) % 2) - 1)[:, None, None]
    return M * sign * sizes


@fix_sign.cases
def _(rng):
    F = features(rng, 4, 5, 3, 7)
    M = as_map(strongest(centred(rows(F))), F)
    M = torch.where(sum_of_products(M, F) < 0, -M, M)
    M = M + M.std() * torch.tensor([-0.02, -0.02, 0.02, 0.02])[:, None, None]  # no sum near 0
    M = alternating(M, F, torch.tensor([0.1, 1, 0.1, 1])[:, None, None])
    yield Case("four maps of 3×7, nearly centred; the two weak ones must be turned", M, F)
    yield Case("the same, maps and features very small", 1e-4 * M, 1e-6 * F)
    F = features(rng, 3, 4, 5, 3)
    few = -torch.ones(3, 5, 3) + 0.01 * normal(rng, 3, 5, 3)
    few[:, 2, 1] = 1.5
    strong = F.clone()
    strong[:, :, 2, 1] += 40
    yield Case("only one place agrees, but the features are strong there", few, strong)
    yield Case("the largest value is on the other side", -few, F + 1)
    most = 1 + 0.1 * torch.rand(2, 4, 4, generator=rng)
    most[:, 0, 0] = -0.5
    level = 1 + 0.1 * torch.rand(2, 3, 4, 4, generator=rng)
    level[:, :, 0, 0] = 2
    yield Case("the strongest place says no, all others say yes", most, level)
    left = torch.tensor([[-1.0, 3, -1, 0], [2, 2, -3, 0], [1, -3, -3, 0]])  # image, channel
    right = torch.tensor([[2, 0.5, 0, 0], [0, 2.5, 0, 0], [0, 2, 0, 0]])  # a larger sum
    signed = torch.stack([left, left, right, right], dim=2)[:, :, None].repeat(1, 1, 2, 1)
    signed = signed + 0.05 * normal(rng, 3, 4, 2, 4)
    halves = torch.tensor([1.0, -1, 1])[:, None, None] * torch.tensor([1.0, 1, -1, -1])
    M = halves * (1 + 0.1 * torch.rand(3, 2, 4, generator=rng))
    yield Case("signed features: many small ones against a few large ones", M, signed)
    edges = torch.tensor([[[3.0, -3], [-2, 2]], [[1, 1], [-1, -1]]])
    flat = torch.ones(2, 3, 2, 2)
    yield Case("features that are the same at all places: the sum is exactly 0", edges, flat)
    F = features(rng, 1, 3, 2, 4)
    M = torch.rand(1, 2, 4, generator=rng) + 0.5
    yield Case("one image", alternating(M * torch.tensor([1, -0.1, 1, -0.1]), F), F)


def sum_of_products(M, F):
    return (M * F.sum(1)).sum((1, 2), keepdim=True)


def turn(s):
    """The answer that turns the maps where `s(M, F)` is negative."""

    def answer(M, F):
        return torch.where(s(M, F) < 0, -M, M)

    return answer


@fix_sign.reference
def _(M, F):
    return M * torch.where(sum_of_products(M, F) < 0, -1.0, 1.0)


ERASED = "You set the maps with a negative sum to 0. Turn them: −M."

fix_sign.wrongs(
    absolute_value=(
        lambda M, F: M.abs(),
        "You took the absolute value. Then both sides of 0 are bright, animal and ground. Turn the "
        "whole map, or leave it as it is.",
    ),
    relu=(
        lambda M, F: turn(sum_of_products)(M, F).relu(),
        "The sign is right, but then you cut the negative half off. Only turning is asked for.",
    ),
    wrong_sense=(
        lambda M, F: torch.where(sum_of_products(M, F) > 0, -M, M),
        "You turned the maps that agree with the features. Turn where the sum is negative.",
    ),
    always_turned=(
        lambda M, F: -M,
        "You turned every map. Only those whose sum is negative are turned.",
    ),
    nothing_turned=(
        lambda M, F: M.clone(),
        "You returned the map as it came. Where the sum is negative it must be turned.",
    ),
    sign_of_zero=(
        lambda M, F: M * sum_of_products(M, F).sign(),
        "sign(0) is 0, and it erases a map whose sum is exactly 0. There the sum says nothing: "
        "leave the map as it is.",
    ),
    zero_is_turned=(
        lambda M, F: torch.where(sum_of_products(M, F) > 0, M, -M),
        "You turned a map whose sum is exactly 0. Only a negative sum turns it.",
    ),
    only_clearly_negative=(
        lambda M, F: torch.where(sum_of_products(M, F) < -1e-3, -M, M),
        "You turn only where s is clearly below 0. Small maps and features have a small s: turn "
        "where s < 0.",
    ),
    sum_of_the_map=(
        turn(lambda M, F: M.sum((1, 2), keepdim=True)),
        "You asked the sum of the map alone. A centred map has the sum 0: ask the product with the "
        "features.",
    ),
    largest_value=(
        turn(lambda M, F: M.amax((1, 2), keepdim=True) + M.amin((1, 2), keepdim=True)),
        "You compared the largest and the smallest value of the map. That is the other repair, "
        "|min| > |max|; here the features decide.",
    ),
    one_sign_for_all=(
        turn(lambda M, F: sum_of_products(M, F).sum(0, keepdim=True)),
        "You summed over the images too, so that all get the same sign. Each image has its own.",
    ),
    sign_of_the_first=(
        turn(lambda M, F: sum_of_products(M, F)[:1]),
        "You used the sign of the first image for all images.",
    ),
    place_by_place=(
        lambda M, F: torch.where(M * F.sum(1) < 0, -M, M),
        "You decided place by place. The whole map is turned, or none of it: sum over the places "
        "first.",
    ),
    row_by_row=(
        turn(lambda M, F: (M * F.sum(1)).sum(2, keepdim=True)),
        "You decided row by row. The whole map is turned, or none of it: sum over both axes of "
        "space.",
    ),
    sums_multiplied=(
        turn(lambda M, F: M.sum((1, 2), keepdim=True) * F.sum((1, 2, 3))[:, None, None]),
        "You summed F over the places, or took its mean, before it met M. Where is the map strong, "
        "and are the features strong there too? Multiply at each place, then sum.",
    ),
    multiplied_by_the_sum=(
        lambda M, F: M * sum_of_products(M, F),
        "You multiplied by the sum itself. Only its sign counts; the size of the map stays.",
    ),
    only_the_sign=(
        lambda M, F: torch.where(sum_of_products(M, F) < 0, -1.0, 1.0)[:, 0, 0],
        "These are the signs, (N,). Multiply the maps by them.",
    ),
    sign_of_F_lost=(
        turn(lambda M, F: (M * (F**2).sum(1)).sum((1, 2), keepdim=True)),
        "You took |F| or F². Signed features vote with their sign: Σ_k F_k.",
    ),
    largest_channel=(
        turn(lambda M, F: (M * F.amax(1)).sum((1, 2), keepdim=True)),
        "You took the largest channel at each place. All channels vote: Σ_k F_k.",
    ),
    positive_features=(
        turn(lambda M, F: (M * F.relu().sum(1)).sum((1, 2), keepdim=True)),
        "You left the negative features out. They vote too: Σ_k F_k.",
    ),
    zero_for_minus=(
        lambda M, F: torch.where(sum_of_products(M, F) < 0, torch.zeros_like(M), M),
        ERASED,
    ),
    only_the_agreeing_maps=(lambda M, F: M * (sum_of_products(M, F) > 0), ERASED),
    first_channel=(
        turn(lambda M, F: (M * F[:, 0]).sum((1, 2), keepdim=True)),
        "You asked the first channel only. All channels vote: Σ_k F_k.",
    ),
    at_the_strongest_place=(
        turn(
            lambda M, F: M.flatten(1).gather(1, F.sum(1).flatten(1).argmax(1, keepdim=True))[
                :, :, None
            ]
        ),
        "You looked at the strongest place only. All places vote.",
    ),
    correlation=(
        turn(
            lambda M, F: (
                (M - M.mean((1, 2), keepdim=True))
                * (F.sum(1) - F.sum(1).mean((1, 2), keepdim=True))
            ).sum((1, 2), keepdim=True)
        ),
        "You subtracted the means first, as a correlation does. The formula has the plain product.",
    ),
)

F_MEETS_NO_MAP = (
    "M is (N, h, w) and F is (N, K, h, w): they do not meet. First add up the channels, "
    "F.sum(dim=1)."
)
S_MEETS_NO_MAP = (
    "s is (N,) and M is (N, h, w): their axes do not meet. Sum with keepdim=True, or write "
    "s[:, None, None]."
)

fix_sign.wrongs(
    axes_missing=(
        lambda M, F: torch.where((M * F.sum(1)).sum((1, 2)) < 0, -M, M),
        S_MEETS_NO_MAP,
    ),
    axes_missing_with_sign=(
        lambda M, F: M * (M * F.sum(1)).sum((1, 2)).sign(),
        S_MEETS_NO_MAP,
    ),
    channels_not_summed=(
        lambda M, F: torch.where((M * F).sum((1, 2), keepdim=True) < 0, -M, M),
        F_MEETS_NO_MAP,
    ),
    channels_not_summed_short=(
        lambda M, F: torch.where((M * F).sum((1, 2)) < 0, -M, M),
        F_MEETS_NO_MAP,
    ),
    nothing_but_one_sum=(
        lambda M, F: torch.where((M * F).sum() < 0, -M, M),
        F_MEETS_NO_MAP,
    ),
    places_summed=(
        lambda M, F: torch.where((M * F.sum((2, 3))).sum((1, 2), keepdim=True) < 0, -M, M),
        "You summed F over the places. The channels are added up, F.sum(dim=1), and the places stay.",
    ),
)

fix_sign.accepts_all(
    mean_of_the_features=lambda M, F: turn(
        lambda M, F: (M * F.mean(1)).mean((1, 2))[:, None, None]
    )(M, F),
    einsum=lambda M, F: (
        M * (1 - 2 * (torch.einsum("nxy,nkxy->n", M, F) < 0).float())[:, None, None]
    ),
    numpy_inside=lambda M, F: np.where(
        (M.numpy() * F.numpy().sum(1)).sum((1, 2), keepdims=True) < 0, -M.numpy(), M.numpy()
    ),
    float64_inside=lambda M, F: turn(sum_of_products)(M.double(), F.double()),
)


@fix_sign.accepts
def image_by_image(M, F):
    out = M.clone()
    for n in range(len(M)):
        if float((M[n] * F[n].sum(0)).sum()) < 0:
            out[n] = -out[n]
    return out


# ------------------------------------------------------------------ 14.3

eigen_grad_cam = Exercise(
    "14.3",
    "eigen_grad_cam",
    formula="O = (G ∘ F) as places × channels,  L = O v₁  (up to its sign)",
    hints=(
        "The same decomposition. But the maps that go into it are no longer F alone: the gradient "
        "has looked at them first.",
        "A = G ∘ F, (N, K, h, w), place by place. Then L = O v₁ with the O of A, not centred.",
        "Give G * F to your eigen_cam, without center.",
    ),
)


def gradients(rng, F, strength=1.0):
    """A gradient with both signs, so that G ∘ F has one strong pattern."""
    N, K, h, w = F.shape
    a = normal(rng, N, K, 1, 1)
    a = a + a.sign() * 0.4
    product = 3 * a * (normal(rng, N, 1, h, w) + 0.5) + 0.25 * normal(rng, N, K, h, w)
    return strength * product / F.clamp_min(0.3)


@eigen_grad_cam.cases
def _(rng):
    F = features(rng, 2, 5, 4, 7) + 0.3
    G = gradients(rng, F)
    yield Case("two images, five channels, maps of 4×7", F, G)
    dead = F * (torch.arange(5) != 3)[:, None, None]
    yield Case("one channel is 0 everywhere, a large gradient", dead, 1e3 * G)
    same = normal(rng, 2, 4, 1, 1)
    same = same + same.sign()
    F = features(rng, 2, 4, 3, 5) + 0.3
    yield Case("the same gradient at all places", F, same.expand_as(F).clone())
    yield Case("only evidence against the class", F, -gradients(rng, F).abs())
    F = normal(rng, 1, 7, 2, 3)
    F = F + F.sign()
    yield Case(
        "one image, signed features, more channels than places",
        F,
        gradients(rng, F.abs()) * F.sign(),
    )
    F = features(rng, 3, 4, 4, 4) + 0.3
    weak = torch.tensor([1.0, 1e-2, 0])[:, None, None, None]
    yield Case("the last image has no gradient", F, gradients(rng, F) * weak)


@eigen_grad_cam.reference
def _(F, G):
    return as_map(strongest(rows(G * F)), F)


@eigen_grad_cam.probe
def _(answer, F, G):
    return shown(answer, right_map(G * F).double(), F, G)


def of(make):
    """The right answer for other maps A, made of F and G."""
    return lambda F, G: as_map(strongest(rows(make(F, G))), F)


def projected_on(A, direction_of):
    """The maps A(F, G) along the direction of other maps."""
    return lambda F, G: as_map(
        (rows(A(F, G)) @ first(rows(direction_of(F, G)))[..., None])[..., 0], F
    )


def product(F, G):
    return G * F


NO_MATRIX = "@ is the product of matrices. G ∘ F multiplies place by place: G * F."

eigen_grad_cam.wrongs(
    features_only=(
        of(lambda F, G: F),
        "This is Eigen-CAM: the gradient is missing, and no class is asked. Decompose G ∘ F.",
    ),
    gradient_only=(
        of(lambda F, G: G),
        "You decomposed the gradient alone. Where a channel found nothing it says nothing: "
        "multiply by F.",
    ),
    mean_gradient=(
        of(lambda F, G: G.mean((2, 3), keepdim=True) * F),
        "You took the mean of the gradient over the places first, as Grad-CAM does. Here each "
        "place keeps its own gradient: G ∘ F.",
    ),
    sum_of_gradient=(
        of(lambda F, G: G.sum((2, 3), keepdim=True) * F),
        "You summed the gradient over the places first. Here each place keeps its own: G ∘ F.",
    ),
    size_of_gradient=(
        of(lambda F, G: G.abs() * F),
        "You took |G|. That is another method, Seg-Eigen-CAM; here the gradient keeps its sign.",
    ),
    positive_gradient=(
        of(lambda F, G: G.relu() * F),
        "You cut off negative gradients. They tell what speaks against the class: keep the sign.",
    ),
    positive_product=(
        of(lambda F, G: (G * F).relu()),
        "You cut off the negative values of G ∘ F before the decomposition. Keep the sign.",
    ),
    added=(
        of(lambda F, G: F + G),
        "You added gradient and features. Multiply them, place by place.",
    ),
    centred_too=(
        lambda F, G: as_map(strongest(centred(rows(G * F))), F),
        "You centred G ∘ F. Here the decomposition is without centring.",
    ),
    features_projected=(
        projected_on(lambda F, G: F, product),
        "v₁ comes from G ∘ F, but you multiplied F by it. L = O v₁ with the same O.",
    ),
    direction_of_features=(
        projected_on(product, lambda F, G: F),
        "You took v₁ of F and multiplied G ∘ F by it. Decompose G ∘ F itself.",
    ),
    gradient_after=(
        lambda F, G: as_map(strongest(rows(F)), F) * G.sum(1),
        "You made the map of F and multiplied it by the gradient afterwards. First G ∘ F, then the "
        "decomposition.",
    ),
    gradient_mean_after=(
        lambda F, G: right_map(F) * G.mean(1),
        "You made the map of F and multiplied it by the gradient afterwards. First G ∘ F, then the "
        "decomposition.",
    ),
    matrix_product=(lambda F, G: right_map(F @ G), NO_MATRIX),
    matrix_product_turned=(lambda F, G: right_map(G @ F), NO_MATRIX),
    hires_cam=(
        lambda F, G: (G * F).sum(1),
        "This is HiResCAM, the plain sum of G ∘ F over the channels. Here v₁ weighs the channels.",
    ),
    grad_cam=(
        lambda F, G: (G.mean((2, 3), keepdim=True) * F).sum(1),
        "This is Grad-CAM. Here G ∘ F is decomposed, and v₁ weighs its channels.",
    ),
    second_direction=(
        lambda F, G: as_map((rows(G * F) @ Vh(rows(G * F))[:, 1, :, None])[..., 0], F),
        "You took the second direction. The singular values are sorted, the largest first: index 0.",
    ),
    relu=(
        lambda F, G: as_map(strongest(rows(G * F)), F).relu(),
        RELU,
    ),
    relu_of_the_other_sign=(lambda F, G: (-right_map(G * F)).relu(), RELU),
    a_list_of_maps=(lambda F, G: list(right_map(G * F)), NOT_STACKED),
    absolute=(
        lambda F, G: as_map(strongest(rows(G * F)), F).abs(),
        "You took the absolute value of the map. It has a sign: keep it.",
    ),
    length_one=(
        lambda F, G: unit_map(G * F),
        LENGTH_ONE,
    ),
    one_direction_for_all=(
        lambda F, G: whole_batch(G * F),
        "You put all images into one matrix, so they share one direction. Each image has its own v₁.",
    ),
    reshaped_without_transpose=(
        lambda F, G: cut_wrongly(G * F),
        "You reshaped to (N, h·w, K) directly: that cuts the numbers at wrong places. First "
        "flatten(2), then transpose(1, 2).",
    ),
    not_a_map_yet=(
        lambda F, G: strongest(rows(G * F)),
        "The values are right, in one row for each image, (N, h·w). Give them the shape (N, h, w).",
    ),
)

eigen_grad_cam.accepts_all(
    gram_matrix=lambda F, G: by_gram(G * F),
    loop_in_numpy=lambda F, G: loop_in_numpy(G * F),
    power_iteration=lambda F, G: power_iteration(G * F),
    places_times_places=lambda F, G: by_places((G * F).double()).float(),
    other_sign=lambda F, G: -right_map(F * G),
)


def test_lesson(proof):
    proof()
