"""Lesson 15, checked: maps of groups, unit channels, clusters, parts of a graph, group scores."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import KMeans
from torch import nn
from torch.nn import functional

from camlite.course import Case, Exercise, normal


def columns(weights):
    """(N, K) -> (N, K, 1, 1): ready to multiply maps."""
    return weights[:, :, None, None]


def as_a_tensor(answer, *args):
    """A NumPy array would stop the lesson some cells later: it gets a sentence, whatever it holds."""
    found = answer(*args)
    return {"result": "a NumPy array" if isinstance(found, np.ndarray) else found}


def numpy_array(right):
    return (
        lambda *args: right(*args).numpy(),
        "This is a NumPy array. The lesson goes on with tensors: torch.from_numpy(…) at the end "
        "makes one of it.",
    )


# ------------------------------------------------------------------ 15.1

group_maps = Exercise(
    "15.1",
    "group_maps",
    formula="M_g = ReLU(Σ_{k in group g} α_k F_k); group g: channels g·K/groups to (g+1)·K/groups − 1",
    hints=(
        "Weigh every channel first, as in Grad-CAM. Then do not add up all channels, but each "
        "group of neighbours for itself.",
        "A = α_k F_k is (N, K, h, w). Cut its axis 1 into (groups, K / groups), sum over the "
        "second of the two new axes, and take the ReLU of the sums.",
        "Give alpha two more axes of length 1 and multiply F by it; unflatten axis 1 with (groups, "
        "-1); sum over axis 2; relu at the end.",
    ),
)


@group_maps.cases
def _(rng):
    yield Case(
        "two images, six channels in three groups", normal(rng, 2, 6, 3, 5), normal(rng, 2, 6), 3
    )
    yield Case("four groups of three", normal(rng, 3, 12, 4, 2).relu(), normal(rng, 3, 12), 4)
    yield Case("one group: Grad-CAM", normal(rng, 2, 4, 3, 2).abs(), normal(rng, 2, 4), 1)
    yield Case("each channel is a group", normal(rng, 2, 5, 2, 4).relu(), normal(rng, 2, 5), 5)
    yield Case("one image, small values", 1e-4 * normal(rng, 1, 8, 2, 3), normal(rng, 1, 8), 2)


def cut(A, groups):
    """Consecutive channels, (N, groups, K / groups, h, w)."""
    return A.unflatten(1, (groups, -1))


@group_maps.reference
def of_groups(F, alpha, groups):
    return cut(columns(alpha) * F, groups).sum(2).relu()


group_maps.probe(as_a_tensor)
group_maps.wrongs(numpy_array=numpy_array(of_groups))
group_maps.products(
    lambda pieces, weigh, end: lambda F, alpha, groups: end(pieces(weigh(F, alpha), groups)),
    pieces={
        "neighbours": (lambda A, groups: cut(A, groups), ""),
        "every_nth_channel": (
            lambda A, groups: A.unflatten(1, (-1, groups)).transpose(1, 2),
            "You took every channel number g, g + groups, …: the groups are combed. Group g holds "
            "neighbours: unflatten with (groups, -1), and sum over axis 2.",
        ),
        "sizes_exchanged": (
            lambda A, groups: A.unflatten(1, (-1, groups)),
            "You made groups of `groups` channels. `groups` is the number of groups; each has "
            "K / groups channels.",
        ),
    },
    weigh={
        "alpha": (lambda F, alpha: columns(alpha) * F, ""),
        "no_weights": (
            lambda F, alpha: F,
            "You added the channels without their weights: alpha is missing.",
        ),
        "relu_of_the_weights": (
            lambda F, alpha: columns(alpha.relu()) * F,
            "You cut negative weights off. The ReLU stands around the sum of the group; channels "
            "that speak against the class are subtracted before.",
        ),
    },
    end={
        "sum, then ReLU": (lambda A: A.sum(2).relu(), ""),
        "no_relu": (lambda A: A.sum(2), "The ReLU around the sum of each group is missing."),
        "mean_of_the_group": (
            lambda A: A.mean(2).relu(),
            "You took the mean over the channels of a group. The formula has the sum.",
        ),
    },
)
group_maps.wrongs(
    alpha_without_axes=(
        lambda F, alpha, groups: cut(alpha * F, groups).sum(2).relu(),
        "alpha is (N, K) and does not meet F, (N, K, h, w): alpha[:, :, None, None] gives it two "
        "more axes of length 1.",
    ),
    summed_over_the_groups=(
        lambda F, alpha, groups: cut(columns(alpha) * F, groups).sum(1).relu(),
        "You summed over the groups. After unflatten axis 1 counts the groups and axis 2 the channels "
        "in a group: sum over axis 2.",
    ),
    not_summed=(
        lambda F, alpha, groups: cut(columns(alpha) * F, groups).relu(),
        "You cut the channels into groups but did not add them up: sum over axis 2 before the ReLU.",
    ),
    sum_of_the_weights=(
        lambda F, alpha, groups: (
            columns(alpha.unflatten(1, (groups, -1)).sum(2)) * cut(F, groups).sum(2)
        ).relu(),
        "You added up the weights and the maps of a group, and multiplied the two sums. Each channel "
        "is multiplied by its own α first.",
    ),
    relu_of_each_channel=(
        lambda F, alpha, groups: cut((columns(alpha) * F).relu(), groups).sum(2),
        "You took the ReLU of each channel before the sum. It stands around the sum of the group.",
    ),
    all_channels=(
        lambda F, alpha, groups: of_groups(F, alpha, 1)[:, 0],
        "You added up all channels: this is Grad-CAM. Each group has a map of its own.",
    ),
    weights_of_the_first_image=(
        lambda F, alpha, groups: of_groups(F, alpha[:1].expand_as(alpha), groups),
        "You used the weights of the first image for all. alpha has a row for each image.",
    ),
    mean_weight_of_the_group=(
        lambda F, alpha, groups: (
            columns(alpha.unflatten(1, (groups, -1)).mean(2)) * cut(F, groups).sum(2)
        ).relu(),
        "You gave all channels of a group their mean weight. Each channel keeps its own α.",
    ),
)
group_maps.accepts_all(
    einsum=lambda F, alpha, groups: torch.einsum(
        "ngk,ngkxy->ngxy", cut(alpha, groups), cut(F, groups)
    ).clamp(min=0),
    chunks=lambda F, alpha, groups: torch.stack(
        [A.sum(1) for A in (columns(alpha) * F).chunk(groups, 1)], 1
    ).relu(),
)


@group_maps.accepts
def loops_in_numpy(F, alpha, groups):
    size = F.shape[1] // groups
    A = F.double().numpy() * alpha.numpy()[:, :, None, None]
    sums = [A[:, g * size : (g + 1) * size].sum(1) for g in range(groups)]
    return torch.from_numpy(np.maximum(np.stack(sums, 1), 0))


# ------------------------------------------------------------------ 15.2

unit_channels = Exercise(
    "15.2",
    "unit_channels",
    formula="F_k / ‖F_k‖,  ‖F_k‖ = √(Σ_xy F_k²); 0 where the channel is 0 everywhere",
    hints=(
        "Divide every channel by its own length, so that only its pattern is left.",
        "The length of channel k of one image is √(Σ_xy F_k(x, y)²): one number for all its "
        "places, (N, K). A channel of length 0 stays as it is.",
        "flatten(2), norm(dim=2), two axes of length 1 behind it; torch.where(norm > 0, F / norm, "
        "zeros).",
    ),
)


@unit_channels.cases
def _(rng):
    F = normal(rng, 2, 4, 3, 5) * torch.tensor([1.0, 20.0, 0.05, 3.0])[:, None, None]
    yield Case("strong and weak channels, both signs", F)
    dead = normal(rng, 3, 5, 4, 2).relu() + 0.1
    dead[0, 2] = dead[2, 4] = 0
    yield Case("a channel that is zero everywhere", dead)
    yield Case("tiny values", 1e-7 * (normal(rng, 1, 3, 2, 4).abs() + 0.1))
    yield Case("one channel of one image", normal(rng, 1, 1, 3, 4))
    yield Case("large values", 1e4 * normal(rng, 2, 2, 2, 3))


def length(F, axes=(2, 3)):
    return F.square().sum(axes, keepdim=True).sqrt()


def divided(F, by, at_zero=0.0):
    return torch.where(by != 0, F / by, at_zero)


@unit_channels.reference
def units(F):
    return divided(F, length(F))


unit_channels.probe(as_a_tensor)
unit_channels.wrongs(numpy_array=numpy_array(units))
unit_channels.products(
    lambda by, divide: lambda F: divide(F, by(F)),
    by={
        "length": (length, ""),
        "sum_of_sizes": (
            lambda F: F.abs().sum((2, 3), keepdim=True),
            "You divided by the sum of the sizes, the L1 norm. Then distance and cosine do not say "
            "the same: take the root of the sum of squares.",
        ),
        "square_of_the_length": (
            lambda F: length(F).square(),
            "You divided by the sum of squares: the square root is missing.",
        ),
        "mean_square": (
            lambda F: F.square().mean((2, 3), keepdim=True).sqrt(),
            "You divided by the root of the mean square. The length has the sum of squares.",
        ),
        "largest_value": (
            lambda F: F.amax((2, 3), keepdim=True),
            "You divided by the largest value. Asked for is the length, the root of the sum of "
            "squares.",
        ),
    },
    divide={
        "zero stays": (divided, ""),
        "zero_by_zero": (
            lambda F, by: F / by,
            "A channel that is 0 everywhere gave NaN: 0 divided by 0. It stays zero.",
        ),
        "epsilon": (
            lambda F, by: F / (by + 1e-6),
            "A small number below the line makes small channels too short. Test whether the norm is "
            "0 instead.",
        ),
    },
)
unit_channels.wrongs(
    norm_without_axes=(
        lambda F: F / F.flatten(2).norm(dim=2),
        "The norms are (N, K) and do not meet F, (N, K, h, w): [:, :, None, None] gives them two "
        "more axes of length 1.",
    ),
    centred=(
        lambda F: units(F - F.mean((2, 3), keepdim=True)),
        "You took the mean of each map away first. That is correlation: the places where a channel "
        "is 0 become negative. Only divide by the length.",
    ),
    left_flat=(
        lambda F: divided(F, length(F)).flatten(2),
        "The values are right, but the maps are still long vectors. Bring back the shape of F, "
        "(N, K, h, w).",
    ),
    over_one_axis=(
        lambda F: divided(F, length(F, (3,))),
        "Your norm runs over one axis of the map: each row of a map gets length 1. Flatten the "
        "map first.",
    ),
    over_the_batch=(
        lambda F: divided(F, length(F, (0, 2, 3))),
        "Your norm runs over the images too. Each channel of each image has its own.",
    ),
    over_channels_and_places=(
        lambda F: divided(F, length(F, (1, 2, 3))),
        "You divided by one norm for the whole image: strong channels stay strong. Each channel "
        "has its own.",
    ),
    over_the_channels=(
        lambda F: divided(F, length(F, (1,))),
        "Your norm runs over the channels: each place gets length 1. Each channel has its own "
        "norm, over its places.",
    ),
    standardized=(
        lambda F: divided(
            F - F.mean((2, 3), keepdim=True), F.std((2, 3), correction=0, keepdim=True)
        ),
        'You standardised: mean 0, deviation 1. That moves the zero of the map, and "nothing here" '
        "becomes a negative number. Only divide by the length.",
    ),
    minmax=(
        lambda F: divided(
            F - F.amin((2, 3), keepdim=True),
            F.amax((2, 3), keepdim=True) - F.amin((2, 3), keepdim=True),
        ),
        "You scaled each channel to [0, 1]. Asked for is length 1: divide by the L2 norm.",
    ),
)
unit_channels.accepts_all(
    normalize=lambda F: functional.normalize(F.flatten(2), dim=2).view_as(F),
    vector_norm=lambda F: torch.nan_to_num(
        F / torch.linalg.vector_norm(F, dim=(2, 3), keepdim=True)
    ),
)


@unit_channels.accepts
def numpy_loop(F):
    out = np.zeros(F.shape)
    for n, maps in enumerate(F.numpy()):
        for k, one in enumerate(maps):
            if one.any():
                out[n, k] = one / np.linalg.norm(one)
    return torch.from_numpy(out)


# ------------------------------------------------------------------ 15.3

cluster_channels = Exercise(
    "15.3",
    "cluster_channels",
    formula="k-means of F_k / ‖F_k‖, image by image -> (N, K) numbers of clusters",
    seconds=60.0,
    hints=(
        "Two steps for each image: take the strength of the channels away, and let k-means sort "
        "the vectors.",
        "unit_channels(F).flatten(2) is (N, K, h·w). One image of it, (K, h·w), is what "
        "fit_predict wants: one row for each channel.",
        "Loop over the images. KMeans(n_clusters=k, n_init=10, random_state=seed).fit_predict of "
        "the rows as a numpy array; make a long tensor of it; stack the N results.",
    ),
)


def sections(rng, N, sizes, h, w):
    """Channels of clear sections: one pattern each, strong or weak, and other ones in each image."""
    F = []
    for _ in range(N):
        patterns = torch.linalg.qr(normal(rng, h * w, len(sizes))).Q.T  # at right angles
        of = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        of = of[torch.randperm(len(of), generator=rng)]
        strength = 10 ** (2 * torch.rand(len(of), 1, generator=rng) - 1)  # 0.1 to 10
        V = strength * (patterns[of] + 0.03 * normal(rng, len(of), h * w))
        F.append(V.view(-1, h, w))
    return torch.stack(F)


def peaks_and_flat_maps(rng):
    """Four sections that the length tells apart: not the maximum, and not without the mean."""
    peaks = torch.eye(30)
    flat = torch.ones(8, 30)
    flat[range(8), range(8, 16)] = torch.linspace(1, 3, 8)  # their maxima differ much
    sorts = (peaks[:1], peaks[1:2], peaks[:1] + 0.15)  # the last minus its mean is the first
    V = torch.cat([each.expand(4, -1) for each in sorts] + [flat])
    V = V * 10 ** (2 * torch.rand(20, 1, generator=rng) - 1) * (1 + 0.01 * normal(rng, 20, 30))
    return V[torch.randperm(20, generator=rng)].view(1, 20, 5, 6)


def alike_where_positive(rng):
    """Two sections differ where they are negative only, and a third is the first turned round."""
    a, b, c = torch.eye(3).repeat_interleave(8, 1)
    V = torch.cat([each.expand(4, -1) for each in (a - b, a - c, b - a)])
    V = V * 10 ** (2 * torch.rand(12, 1, generator=rng) - 1) * (1 + 0.01 * normal(rng, 12, 24))
    return V[torch.randperm(12, generator=rng)].view(1, 12, 4, 6)


@cluster_channels.cases
def _(rng):
    yield Case("three images, two sections", sections(rng, 3, (5, 4), 3, 4), 2, 0)
    yield Case("four sections of different sizes", sections(rng, 2, (6, 2, 3, 5), 4, 5), 4, 7)
    F = sections(rng, 2, (4, 6, 5), 5, 3)
    F[:, 8] = 0
    yield Case("a channel that is zero everywhere", F, 3, 1)
    yield Case("one image, as many clusters as channels", sections(rng, 1, (1,) * 5, 3, 3), 5, 2)
    yield Case("peaks, a raised peak, flat maps", peaks_and_flat_maps(rng), 4, 5)
    yield Case("channels with a sign, alike where positive", alike_where_positive(rng), 3, 3)
    F = (normal(rng, 3, 40, 4, 4) + 0.5).relu()
    yield Case("channels without clear sections", F, 7, bad_start(F, 7))


def bad_start(F, k):
    """Of some seeds the one of which a single start of k-means ends worst: it takes several."""
    V = units(F).flatten(2)
    return max(range(1, 13), key=lambda seed: spreads(V, [kmeans(v, k, seed, 1) for v in V]))


def fitted(vectors, k, seed, starts=10):
    return KMeans(n_clusters=k, n_init=starts, random_state=seed).fit(np.asarray(vectors))


def kmeans(vectors, k, seed, starts=10):
    return torch.as_tensor(fitted(vectors, k, seed, starts).labels_).long()


def by_image(vectors, starts=10):
    """The answer that sorts `vectors(F)`, (N, K, …), image by image."""
    return lambda F, k, seed: torch.stack(
        [kmeans(V, k, seed, starts) for V in vectors(F).flatten(2)]
    )


def renumbered(clusters):
    """The same partition, its clusters numbered in the order in which they appear."""
    first = {}
    return [first.setdefault(int(g), len(first)) for g in clusters]


def spread(V, clusters):
    """The sum of squared distances to the centres: what k-means makes small."""
    return sum(
        float((V[clusters == g] - V[clusters == g].mean(0)).square().sum())
        for g in set(clusters.tolist())
    )


def spreads(V, clusters):
    """The same for several images together."""
    return sum(spread(v, g) for v, g in zip(V, clusters, strict=True))


def wrong_kind(found, N, K, k):
    """What is wrong with the result as such, in words; "" where it is a partition."""
    if isinstance(found, np.ndarray):
        return "it is a NumPy array: torch.as_tensor makes a tensor of it"
    if isinstance(found, list | tuple):
        return "it is a list or tuple: torch.stack joins the tensors of the images"
    if not isinstance(found, torch.Tensor):
        return "it is no tensor: return whole numbers, (N, K)"
    found = found.detach().cpu().double()
    if found.shape != (N, K):
        return f"its shape is {tuple(found.shape)}, asked for is (N, K), here {(N, K)}"
    if not bool(((found == found.round()) & (found >= 0) & (found < k)).all()):
        return (
            "its values are not whole numbers from 0 to k − 1: return the numbers of the clusters"
        )
    return ""


@cluster_channels.probe
def _(answer, F, k, seed):
    """Partitions, whatever the numbers of the clusters; dead channels may go anywhere."""
    found = answer(F, k, seed)
    if found is None:
        return {"kind of result": None}
    if wrong := wrong_kind(found, len(F), F.shape[1], k):
        return {"kind of result": wrong}
    found, again = found.long(), answer(F, k, seed).long()
    alive = F.flatten(2).any(2)
    parts = {"kind of result": ""}
    if F.shape[1] < 40:  # clear sections: every right k-means finds the same
        rows = zip(found, alive, strict=True)
        parts["partition"] = [torch.tensor(renumbered(g[a])) for g, a in rows]
    else:
        V = units(F).flatten(2)
        best = spreads(V, by_image(units)(F, k, seed))
        parts["the spread in the clusters is as small"] = spreads(V, found) < 1.033 * best
        other = [answer(F[:4], k, seed + more).long() for more in (1, 2, 3)]
        parts["another seed, other starts"] = any(not torch.equal(found[:4], o) for o in other)
    return parts | {"the same seed, the same result": bool(torch.equal(found, again))}


@cluster_channels.reference
def _(F, k, seed):
    return by_image(units)(F, k, seed)


cluster_channels.teaches_parts(
    {
        "kind of result": "Return whole numbers from 0 to k − 1, one for each channel of each image: "
        "(N, K).",
        "the same seed, the same result": "Two calls with the same seed gave two results. Give the "
        "seed to k-means: random_state=seed.",
        "the spread in the clusters is as small": "There is a better partition for the same k: its "
        "distances to the centres are clearly smaller. Divide each channel by its length, and start "
        "several times: n_init=10.",
        "another seed, other starts": "Four seeds gave one and the same result: `seed` is not used. "
        "Give it to k-means: random_state=seed.",
    }
)
cluster_channels.wrongs(
    negative_values_cut=(
        lambda F, k, seed: by_image(units)(F.relu(), k, seed),
        "You cut the negative values off first. A channel may have a sign: divide it by its length "
        "as it is.",
    ),
    sizes_of_the_values=(
        lambda F, k, seed: by_image(units)(F.abs(), k, seed),
        "You took the sizes of the values. A channel and the same channel turned round are not "
        "alike: keep the signs.",
    ),
    only_the_first_image=(
        lambda F, k, seed: by_image(units)(F[:1], k, seed)[0],
        "You sorted only the first image. Loop over all images and stack the results: (N, K).",
    ),
    counted_from_one=(
        lambda F, k, seed: by_image(units)(F, k, seed) + 1,
        "Your clusters are numbered from 1. Number them from 0 to k − 1.",
    ),
    centres_returned=(
        lambda F, k, seed: torch.stack(
            [torch.as_tensor(fitted(V, k, seed).cluster_centers_) for V in units(F).flatten(2)]
        ),
        "These are the centres of the clusters. fit_predict gives the number of each channel's "
        "cluster.",
    ),
    maps_not_flat=(
        lambda F, k, seed: torch.stack([kmeans(maps, k, seed) for maps in units(F)]),
        "k-means wants one row of numbers for each channel. Make a long vector of each map first: "
        "flatten(2).",
    ),
    maps_of_all_images=(
        lambda F, k, seed: kmeans(units(F), k, seed),
        "k-means cannot sort a whole batch of maps, (N, K, h, w). Loop over the images, and give it "
        "one row for each channel: flatten(2).",
    ),
    one_start=(
        by_image(units, 1),
        "k-means found a bad partition where a better one exists: one start is not enough. "
        "Start ten times: n_init=10.",
    ),
    seed_always_0=(
        lambda F, k, seed: by_image(units)(F, k, 0),
        "Four seeds gave one and the same result: `seed` is not used. Give it to k-means: "
        "random_state=seed.",
    ),
    divided_by_the_maximum=(
        by_image(lambda F: divided(F, F.amax((2, 3), keepdim=True))),
        "You divided each channel by its largest value. Unit channels have the length 1: use "
        "unit_channels.",
    ),
    centred=(
        by_image(lambda F: units(F - F.mean((2, 3), keepdim=True))),
        "You took the mean of each channel away before the division. Sort the unit channels as "
        "they are.",
    ),
    always_four_clusters=(
        lambda F, k, seed: by_image(units)(F, 4, seed),
        "You made four clusters, whatever k is.",
    ),
    numpy_array=(
        lambda F, k, seed: by_image(units)(F, k, seed).numpy(),
        "This is a NumPy array. The lesson goes on with tensors: torch.as_tensor makes one of it.",
    ),
    not_stacked=(
        lambda F, k, seed: list(by_image(units)(F, k, seed)),
        "You returned a list. torch.stack joins the tensors of the images.",
    ),
    seed_not_used=(
        lambda F, k, seed: by_image(units)(F, k, None),
        "Two calls with the same seed gave two results. Give the seed to k-means: "
        "random_state=seed.",
    ),
    raw_channels=(
        by_image(lambda F: F),
        "You sorted the channels as they are. Weak channels then come together, whatever they show: "
        "divide each by its length first.",
    ),
    first_image_for_all=(
        lambda F, k, seed: by_image(units)(F[:1], k, seed).expand(len(F), -1),
        "All images got the partition of the first. Each image is sorted on its own.",
    ),
    mean_of_the_images=(
        lambda F, k, seed: kmeans(units(F).mean(0).flatten(1), k, seed).expand(len(F), -1),
        "You sorted the mean over the images. Each image is sorted on its own.",
    ),
    consecutive_channels=(
        lambda F, k, seed: (torch.arange(F.shape[1]) * k // F.shape[1]).expand(len(F), -1),
        "These are groups of consecutive numbers, as in 15.1. Sort the channels by k-means.",
    ),
    brightest_place=(
        lambda F, k, seed: F.flatten(2).argmax(2) % k,
        "You sorted the channels by their brightest place. k-means compares whole maps.",
    ),
    always_two_clusters=(
        lambda F, k, seed: by_image(units)(F, min(k, 2), seed),
        "You made two clusters, whatever k is.",
    ),
)


@cluster_channels.wrong(
    "All images were put into one k-means, as one long list of N·K channels. Each image is sorted on "
    "its own."
)
def all_images_together(F, k, seed):
    return kmeans(units(F).flatten(2).flatten(0, 1), k, seed).view(len(F), -1)


@cluster_channels.wrong(
    "Zero divided by zero is NaN, and k-means stopped. A zero channel stays zero: use unit_channels."
)
def divided_by_zero(F, k, seed):
    return by_image(lambda F: F / length(F))(F, k, seed)


@cluster_channels.wrong(
    "You sorted the places, not the channels: k-means wants one row for each channel, (K, h·w)."
)
def places_sorted(F, k, seed):
    return torch.stack([kmeans(V.T, min(k, V.shape[1]), seed) for V in units(F).flatten(2)])


cluster_channels.accepts_all(
    in_float64=by_image(lambda F: units(F.double())),
    numbers_turned=lambda F, k, seed: k - 1 - by_image(units)(F, k, seed),
    as_scikit_learn_gives_it=lambda F, k, seed: by_image(units)(F, k, seed).int(),
    whole_floats=lambda F, k, seed: by_image(units)(F, k, seed).float(),
    more_starts=by_image(units, 25),
)


@cluster_channels.accepts
def by_hand(F, k, seed):
    """k-means in torch: start far apart, then assign and average; the best of twelve starts."""
    generator, out = torch.Generator().manual_seed(seed), []
    for V in units(F).flatten(2).double():
        best = None
        for _ in range(12):
            chosen = [int(torch.randint(len(V), (1,), generator=generator))]
            while len(chosen) < k:
                far = torch.cdist(V, V[chosen]).amin(1).square() + 1e-12
                chosen.append(int(torch.multinomial(far, 1, generator=generator)))
            centres = V[chosen]
            for _ in range(15):
                g = torch.cdist(V, centres).argmin(1)
                centres = torch.stack(
                    [V[g == j].mean(0) if (g == j).any() else centres[j] for j in range(k)]
                )
            if best is None or spread(V, g) < spread(V, best):
                best = g
        out.append(best)
    return torch.stack(out)


# ------------------------------------------------------------------ 15.4

count_graph_parts = Exercise(
    "15.4",
    "count_graph_parts",
    formula="edges where similarity ≥ threshold; the number of connected parts",
    hints=(
        "Take any node and find everybody who can be reached from it, in any number of steps. That "
        "is one part. Count how often you must start anew.",
        "Keep a set of the nodes not yet seen, and a set of the nodes to visit. Visiting a node adds "
        "its unseen neighbours to the second set and takes them out of the first.",
        "While unseen: parts += 1 and pop one node into to_visit. While to_visit: pop a node, find "
        "its neighbours with nonzero, move the unseen ones over. Return parts.",
    ),
)


def graph(K, edges, value=0.8, diagonal=1.0):
    """A symmetric table: `value` on the edges, something smaller elsewhere."""
    S = torch.full((K, K), 0.2)
    for a, b in edges:
        S[a, b] = S[b, a] = value
    return S.fill_diagonal_(diagonal)


@count_graph_parts.cases
def _(rng):
    def mixed_up(S):
        order = torch.randperm(len(S), generator=rng)
        return S[order][:, order]

    triangle, chain = [(0, 1), (1, 2), (0, 2)], [(3, 4), (4, 5), (5, 6)]
    yield Case(
        "a triangle, a chain of four, a node alone", mixed_up(graph(8, triangle + chain)), 0.5
    )
    line = [(k, k + 1) for k in range(11)]
    yield Case("a chain of twelve nodes", mixed_up(graph(12, line)), 0.7)
    yield Case("no edges: five nodes alone", graph(5, []), 0.5)
    yield Case(
        "a node without edges, even to itself", graph(6, [(0, 1), (2, 3), (3, 4)], 0.9, 0.0), 0.6
    )
    at = graph(7, [(0, 3), (3, 5), (1, 2)], value=0.5)
    yield Case("similarities of exactly the threshold", at, 0.5)
    ring = [(k, (k + 1) % 6) for k in range(6)] + [(6, 7), (8, 9), (9, 6)]
    yield Case("a ring of six and a part of four", mixed_up(graph(10, ring)), 0.6)
    yield Case("everybody is joined", graph(4, [(0, 1), (1, 2), (2, 3)]), 0.1)
    yield Case("threshold 0, some cosines below it", mixed_up(graph(9, line[:5], 0.3) - 0.25), 0.0)
    yield Case("one node", torch.ones(1, 1), 0.5)


def parts_of(edges):
    return int(connected_components(np.asarray(edges), directed=False)[0])


@count_graph_parts.probe
def _(answer, similarity, threshold):
    """A tensor or an array of one number is as good as an int."""
    found = answer(similarity, threshold)
    if isinstance(found, torch.Tensor | np.ndarray | np.generic) and np.size(found) == 1:
        found = np.asarray(found).item()
    return {"result": found}


@count_graph_parts.reference
def count_parts(similarity, threshold):
    return parts_of(similarity >= threshold)


def zero_eigenvalues(A, below=1e-4):
    A = A.double().fill_diagonal_(0)
    return int((torch.linalg.eigvalsh(A.sum(1).diag() - A) < below).sum())


def neighbours_only(edges):
    """Starts anew after the direct neighbours of a node."""
    unseen, parts = set(range(len(edges))), 0
    while unseen:
        node = min(unseen)
        unseen -= {node, *edges[node].nonzero()[:, 0].tolist()}
        parts += 1
    return parts


def one_pass(edges):
    """Labels handed on once, from small numbers to large ones; a walk to larger numbers only
    counts the same: the nodes without a smaller neighbour."""
    label = torch.arange(len(edges))
    for a in range(len(edges)):
        for b in range(a):
            if edges[a, b]:
                label[a] = label[b]
    return len(set(label.tolist()))


def with_itself(edges):
    return (edges | torch.eye(len(edges), dtype=torch.bool)).float()


def not_alone(edges):
    """The parts of two nodes and more."""
    edges = edges.clone().fill_diagonal_(True)
    return parts_of(edges) - int((edges.sum(1) == 1).sum())


def largest_part(edges):
    return int(np.bincount(connected_components(np.asarray(edges))[1]).max())


def off_diagonal(edges):
    return edges & ~torch.eye(len(edges), dtype=torch.bool)


count_graph_parts.wrongs(
    strictly_above=(
        lambda S, t: parts_of(t < S),
        "You joined nodes only where the similarity is above the threshold. Exactly the threshold "
        "is an edge too: ≥.",
    ),
    edges_below=(
        lambda S, t: parts_of(t >= S),
        "You joined the channels that are NOT alike. An edge is where the similarity is ≥ the "
        "threshold.",
    ),
    only_neighbours=(
        lambda S, t: neighbours_only(t <= S),
        "You stopped at the direct neighbours. One may walk many steps: visit the neighbours of the "
        "neighbours too, until nobody new is found.",
    ),
    one_pass_of_labels=(
        lambda S, t: one_pass(t <= S),
        "You followed each edge in one direction only, from the smaller number to the larger. Two "
        "beginnings that meet later are one part: walk both ways, until nobody new is found.",
    ),
    rank_of_the_edges=(
        lambda S, t: int(torch.linalg.matrix_rank((t <= S).float())),
        "You took the rank of the table of edges. It counts different rows, and two nodes of one "
        "part need not have the same neighbours.",
    ),
    entries_of_the_table=(
        lambda S, t: int((t <= S).sum()),
        "You counted the entries of the table of edges: each edge twice, and the diagonal. Count "
        "the parts.",
    ),
    size_of_the_similarity=(
        lambda S, t: parts_of(t <= S.abs()),
        "You compared the size of the similarity. A negative one is no edge: take it with its sign.",
    ),
    number_of_edges=(
        lambda S, t: int(off_diagonal(t <= S).sum()) // 2,
        "You counted the edges. Count the parts: groups of nodes that can reach each other.",
    ),
    nodes_minus_edges=(
        lambda S, t: len(S) - int(off_diagonal(t <= S).sum()) // 2,
        "Nodes minus edges is right only where no part has a ring. A triangle has three edges, and "
        "is one part.",
    ),
    single_nodes_forgotten=(
        lambda S, t: not_alone(t <= S),
        "You left out the nodes without an edge. Each of them is a part of its own.",
    ),
    only_single_nodes=(
        lambda S, t: int((off_diagonal(t <= S).sum(1) == 0).sum()),
        "You counted the nodes without an edge. Each is a part, but the others form parts too.",
    ),
    size_of_the_largest=(
        lambda S, t: largest_part(t <= S),
        "This is the number of nodes in the largest part. Asked for is the number of parts.",
    ),
    different_rows=(
        lambda S, t: len((t <= S).unique(dim=0)),
        "You counted different rows of the table of edges. Two nodes of one part need not have the "
        "same neighbours.",
    ),
    two_steps=(
        lambda S, t: len((with_itself(t <= S) @ with_itself(t <= S) > 0).unique(dim=0)),
        "You looked two steps far. A part may be longer: go on until nothing changes.",
    ),
    threshold_ignored=(
        lambda S, t: parts_of(S > 0),
        "You took every positive similarity as an edge. The threshold decides.",
    ),
    threshold_always_0_5=(
        lambda S, t: parts_of(S >= 0.5),
        "You took 0.5 as threshold, whatever is given.",
    ),
    threshold_always_0_7=(
        lambda S, t: parts_of(S >= 0.7),
        "You took 0.7 as threshold, whatever is given.",
    ),
)
count_graph_parts.accepts_all(
    laplacian=lambda S, t: zero_eigenvalues(t <= S),
    numpy_number=lambda S, t: np.int64(parts_of(t <= S)),
    tensor_of_one_number=lambda S, t: torch.tensor(parts_of(t <= S)),
)


@count_graph_parts.accepts
def reachable(similarity, threshold):
    R = (similarity >= threshold).float() + torch.eye(len(similarity))
    for _ in range(len(R)):
        R = ((R @ R) > 0).float()
    return len(R.unique(dim=0))


@count_graph_parts.accepts
def labels_until_nothing_changes(similarity, threshold):
    label, before = list(range(len(similarity))), None
    while label != before:
        before = list(label)
        for a in range(len(label)):
            for b in range(len(label)):
                if similarity[a, b] >= threshold:
                    label[a] = label[b] = min(label[a], label[b])
    return len(set(label))


# ------------------------------------------------------------------ 15.5

cognition_weights = Exercise(
    "15.5",
    "cognition_weights",
    formula="w = +1 at the largest score of each image, −1 at the smallest, 0 elsewhere",
    hints=(
        "Two groups of each image count: the best is added, the worst is cut away.",
        "argmax over axis 1 is the place of the best, argmin that of the worst. A row of the result "
        "is zeros but for these two places.",
        "functional.one_hot(place, k) for the best minus the same for the worst, as numbers with a "
        "point.",
    ),
)


@cognition_weights.cases
def _(rng):
    yield Case("three images, five groups, both signs", normal(rng, 3, 5))
    yield Case("only negative scores", -normal(rng, 2, 6).abs() - 1)
    yield Case("only positive scores", normal(rng, 2, 4).abs() + 0.5)
    yield Case("one image, two groups", torch.tensor([[-3.0, -1.0]]))
    yield Case("as many images as groups", normal(rng, 4, 4) * 20)


def marked(at, k):
    return functional.one_hot(at, k).float()


def base_and_scissors(scores, best=torch.argmax, worst=torch.argmin):
    k = scores.shape[1]
    return marked(best(scores, 1), k) - marked(worst(scores, 1), k)


@cognition_weights.reference
def _(scores):
    return base_and_scissors(scores)


cognition_weights.probe(as_a_tensor)
cognition_weights.wrongs(numpy_array=numpy_array(base_and_scissors))


def along_images(scores):
    return base_and_scissors(scores.T).T


def in_the_batch(scores):
    w = torch.zeros(scores.numel())
    w[scores.argmax()], w[scores.argmin()] = 1, -1
    return w.view_as(scores)


cognition_weights.wrongs(
    only_the_base=(
        lambda scores: marked(scores.argmax(1), scores.shape[1]),
        "The scissors are missing: the group with the lowest score gets −1.",
    ),
    only_the_scissors=(
        lambda scores: -marked(scores.argmin(1), scores.shape[1]),
        "The base is missing: the group with the highest score gets +1.",
    ),
    both_plus_one=(
        lambda scores: base_and_scissors(scores).abs(),
        "The worst group got +1. It is cut away: −1.",
    ),
    turned_around=(
        lambda scores: -base_and_scissors(scores),
        "The signs are turned around: the best group counts +1, the worst −1.",
    ),
    with_their_scores=(
        lambda scores: base_and_scissors(scores).abs() * scores,
        "You kept the two scores as weights. Cognition weights are +1 and −1, whatever the scores "
        "are.",
    ),
    with_the_size_of_the_scores=(
        lambda scores: base_and_scissors(scores) * scores.abs(),
        "You kept the sizes of the two scores. Cognition weights are +1 and −1.",
    ),
    scores_times_weights=(
        lambda scores: base_and_scissors(scores) * scores,
        "You multiplied the weights by the scores. Return the weights themselves: +1, −1 and 0.",
    ),
    scaled_to_minus_one_and_one=(
        lambda scores: 2 * scaled(scores, (1,)) - 1,
        "You scaled all scores to [−1, 1]. The groups between the best and the worst get 0.",
    ),
    second_best_cut_away=(
        lambda scores: base_and_scissors(scores, worst=lambda s, axis: s.argsort(axis)[:, -2]),
        "The second best group got −1. The scissors are the group with the lowest score.",
    ),
    true_minus_true=(
        lambda scores: (
            (scores == scores.amax(1, keepdim=True)) - (scores == scores.amin(1, keepdim=True))
        ),
        "torch does not subtract truth values. Make numbers of them first: .float().",
    ),
    unsigned_bytes=(
        lambda scores: (
            (scores == scores.amax(1, keepdim=True)).byte()
            - (scores == scores.amin(1, keepdim=True)).byte()
        ),
        "A byte has no sign: −1 became 255. Make floats of the two tables first: .float().",
    ),
    only_a_negative_worst=(
        lambda scores: (
            marked(scores.argmax(1), scores.shape[1])
            - marked(scores.argmin(1), scores.shape[1]) * (scores.amin(1, keepdim=True) < 0)
        ),
        "You cut the worst group away only where its score is negative. It gets −1 always.",
    ),
    only_a_positive_best=(
        lambda scores: (
            marked(scores.argmax(1), scores.shape[1]) * (scores.amax(1, keepdim=True) > 0)
            - marked(scores.argmin(1), scores.shape[1])
        ),
        "You took the best group only where its score is positive. It gets +1 always.",
    ),
    signs_of_all=(
        torch.sign,
        "You gave every group the sign of its score. Only two groups of an image count.",
    ),
    all_others_minus_one=(
        lambda scores: 2 * marked(scores.argmax(1), scores.shape[1]) - 1,
        "All groups but the best got −1. Only the worst does; the others get 0.",
    ),
    all_others_plus_one=(
        lambda scores: 1 - 2 * marked(scores.argmin(1), scores.shape[1]),
        "All groups but the worst got +1. Only the best does; the others get 0.",
    ),
    largest_in_size=(
        lambda scores: base_and_scissors(scores.abs()),
        "You compared the sizes of the scores. −5 is worse than −1: compare the numbers with their "
        "sign.",
    ),
    best_image_of_each_group=(
        along_images,
        "You compared the images with each other, column by column. The groups of one image are "
        "compared: axis 1.",
    ),
    one_pair_for_the_batch=(
        in_the_batch,
        "You chose one best and one worst group of the whole batch. Each image has its own.",
    ),
    places_instead_of_weights=(
        lambda scores: torch.stack([scores.argmax(1), scores.argmin(1)], 1),
        "These are the places of the two groups. Return a row of weights for each image, (N, k).",
    ),
    first_image_for_all=(
        lambda scores: base_and_scissors(scores[:1]).expand_as(scores),
        "All images got the weights of the first. Each image has its own best group.",
    ),
    above_and_below_the_mean=(
        lambda scores: (scores - scores.mean(1, keepdim=True)).sign(),
        "You gave +1 to all groups above the mean and −1 to all below. Only one of each counts.",
    ),
    ranks=(
        lambda scores: scores.argsort(1).argsort(1) * 2 / (scores.shape[1] - 1) - 1,
        "You spread the weights from −1 to +1 by rank. All groups between the best and the worst "
        "get 0.",
    ),
)


def written_in(scores, best, worst):
    w = torch.zeros_like(scores)
    w[torch.arange(len(scores)), best] = 1
    w[torch.arange(len(scores)), worst] = -1
    return w


cognition_weights.accepts_all(
    compared=lambda scores: (
        (scores == scores.amax(1, keepdim=True)).int()
        - (scores == scores.amin(1, keepdim=True)).int()
    ),
    written=lambda scores: written_in(scores, scores.argmax(1), scores.argmin(1)),
    scattered=lambda scores: (
        torch.zeros_like(scores)
        .scatter(1, scores.argmax(1, keepdim=True), 1)
        .scatter(1, scores.argmin(1, keepdim=True), -1)
    ),
    sorted_first=lambda scores: written_in(
        scores, scores.argsort(1)[:, -1], scores.argsort(1)[:, 0]
    ),
    numpy_loop=lambda scores: torch.from_numpy(
        np.stack([(s == s.max()) * 1.0 - (s == s.min()) for s in scores.numpy()])
    ),
)

# ------------------------------------------------------------------ 15.6

score_groups = Exercise(
    "15.6",
    "score_groups",
    patience=3,  # each answer runs the network many times
    formula="Y_g = f_c(x ∘ H_g + fill ∘ (1 − H_g)),  H_g = s(Up(M_g))",
    seconds=60.0,
    hints=(
        "One question for each group: the image where its mask is 1, the fill where it is 0. Ask "
        "the network, and keep the logit of class c.",
        "H = masks_from_maps(M, x.shape[2:]) is (N, groups, H, W). For group g the network sees "
        "x · H_g + fill · (1 − H_g), with H_g = H[:, g, None].",
        "Make H. For each g make the mixed image, call f, take [rows, classes] of the logits. Stack "
        "the results along axis 1.",
    ),
)


def small_net(classes=4, colours=3):
    """A network of images of any size, with a bend: it sees what is hidden, and where."""
    net = nn.Sequential(
        nn.Conv2d(colours, 6, 3, padding=1),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, classes),
    )
    with torch.no_grad():
        net[0].weight.mul_(3)
        net[4].weight.mul_(4)
    return net.eval().requires_grad_(False)


@score_groups.cases
def _(rng):
    x, colour = torch.rand(2, 3, 8, 12, generator=rng), torch.rand(3, 1, 1, generator=rng)
    M = normal(rng, 2, 3, 4, 6).relu()
    yield Case("two images, three groups, a colour as fill", small_net(), M, x, 2, colour)
    c = torch.tensor([3, 0, 1])
    x, picture = torch.rand(3, 3, 6, 9, generator=rng), torch.rand(3, 6, 9, generator=rng)
    M = normal(rng, 3, 2, 2, 3) * torch.tensor([1.0, 30.0])[:, None, None]
    yield Case("a class for each image, a picture as fill", small_net(), M, x, c, picture)
    x = torch.rand(2, 1, 7, 5, generator=rng)
    own = torch.rand(2, 1, 7, 5, generator=rng)
    M = normal(rng, 2, 4, 3, 3).relu()
    M[0, 1] = M[1, 3] = 0
    yield Case(
        "silent groups, a fill for each image", small_net(3, 1), M, x, torch.tensor([2, 1]), own
    )
    x = normal(rng, 1, 3, 5, 8)
    yield Case(
        "one image, one group, black",
        small_net(),
        normal(rng, 1, 1, 2, 4),
        x,
        1,
        torch.zeros(3, 1, 1),
    )


def up(M, size, mode="bilinear"):
    how = {"align_corners": False} if mode == "bilinear" else {}
    return functional.interpolate(M, size=tuple(size), mode=mode, **how)


def scaled(Z, axes=(2, 3)):
    low, high = Z.amin(axes, keepdim=True), Z.amax(axes, keepdim=True)
    return torch.where(high > low, (Z - low) / (high - low), 0.0)


def of_class(logits, c):
    c = torch.as_tensor(c).expand(len(logits))
    return logits[torch.arange(len(logits)), c]


def mixed(x, H, fill):
    return x * H + fill * (1 - H)


def ask(f, M, x, c, fill, masks=lambda M, size: scaled(up(M, size)), mix=mixed, pick=of_class):
    H = masks(M, x.shape[2:])
    return torch.stack([pick(f(mix(x, H[:, g, None], fill)), c) for g in range(H.shape[1])], 1)


@score_groups.reference
def _(f, M, x, c, fill):
    return ask(f, M, x, c, fill)


score_groups.probe(as_a_tensor)
score_groups.wrongs(numpy_array=numpy_array(ask))

MASKS = {
    "scaled_before_enlarging": (
        lambda M, size: up(scaled(M), size),
        "You scaled the map first and enlarged it afterwards: the mask does not reach 1 any "
        "more. masks_from_maps enlarges first.",
    ),
    "not_scaled": (
        up,
        "The map is no mask yet: scale it to [0, 1] after enlarging, as masks_from_maps does.",
    ),
    "one_scale_for_all_groups": (
        lambda M, size: scaled(up(M, size), (1, 2, 3)),
        "You scaled all groups of an image together. Each mask has its own minimum and maximum.",
    ),
    "nearest_neighbour": (
        lambda M, size: scaled(up(M, size, "nearest")),
        "You enlarged with hard edges. Use bilinear interpolation, as masks_from_maps does.",
    ),
}


def repeated(x, times):
    return x.repeat(times, 1, 1, 1)


def in_one_batch(
    f,
    M,
    x,
    c,
    fill,
    classes=torch.Tensor.repeat_interleave,
    images=lambda x, times: x.repeat_interleave(times, 0),
):
    """All groups of all images as one batch, image after image."""
    H = scaled(up(M, x.shape[2:])).flatten(0, 1)[:, None]
    seen = mixed(images(x, M.shape[1]), H, images(fill.expand_as(x), M.shape[1]))
    return of_class(
        f(seen), classes(torch.as_tensor(c).expand(len(x)).contiguous(), M.shape[1])
    ).view(M.shape[:2])


score_groups.each_alone(
    lambda **how: lambda f, M, x, c, fill: ask(f, M, x, c, fill, **how),
    masks=MASKS,
    mix={
        "image and fill": (mixed, ""),
        "no_fill": (
            lambda x, H, fill: x * H,
            "You multiplied the image by the mask and left the hole black. The hidden part shows "
            "the fill: add fill · (1 − H).",
        ),
        "fill_everywhere": (
            lambda x, H, fill: x * H + fill,
            "You added the fill everywhere, also where the image is seen. It belongs into the "
            "hidden part: fill · (1 − H).",
        ),
        "turned_mask": (
            lambda x, H, fill: mixed(x, 1 - H, fill),
            "The mask is turned around: the network sees the image where the group is silent. The "
            "image belongs where H is 1.",
        ),
        "fill_under_the_mask": (
            lambda x, H, fill: (x + fill) * H,
            "You laid the mask over image and fill together. The fill belongs into the hidden part: "
            "fill · (1 − H).",
        ),
    },
    pick={
        "logit": (of_class, ""),
        "probability": (
            lambda Y, c: of_class(Y.softmax(1), c),
            "You returned probabilities. Asked for are the logits as they are.",
        ),
        "winner": (
            lambda Y, c: Y.amax(1),
            "You took the largest logit each time. Through a mask another class may win: follow "
            "class c.",
        ),
        "every_class_from_every_image": (
            lambda Y, c: Y[:, c],
            "logits[:, c] with one class for each image takes all these classes from every image. "
            "You need one logit from each row: logits[rows, classes].",
        ),
        "class_of_the_first_image": (
            lambda Y, c: Y[:, int(torch.as_tensor(c).reshape(-1)[0])],
            "You used the class of the first image for all. c can hold one class for each image.",
        ),
    },
)
score_groups.wrongs(
    mask_without_colour_axis=(
        lambda f, M, x, c, fill: torch.stack(
            [
                of_class(f(mixed(x, scaled(up(M, x.shape[2:]))[:, g], fill)), c)
                for g in range(M.shape[1])
            ],
            1,
        ),
        "H[:, g] is (N, H, W) and does not meet the image, (N, C, H, W). H[:, g, None] is one mask "
        "for all colours.",
    ),
    all_classes=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill, pick=lambda Y, c: Y),
        "You kept the logits of all classes. Take the one of class c: logits[rows, classes].",
    ),
    whole_image_each_time=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill, mix=lambda x, H, fill: x),
        "Every group got the logit of the whole image: the mask never reached the network.",
    ),
    fill_of_the_first_image=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill[0] if fill.dim() == 4 else fill),
        "You used the fill of the first image for all. Leave `fill` as it is: torch gives each image "
        "its own.",
    ),
    first_part_of_the_fill=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill[0]),
        "You took fill[0], which is one colour, or one image. Leave `fill` as it is: it fits to x.",
    ),
    silent_group_scored_0=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill) * (M.amax((2, 3)) > M.amin((2, 3))),
        "You gave a silent group the score 0. Ask the network: it sees only the fill, and that has "
        "a logit too.",
    ),
    classes_repeated=(
        lambda f, M, x, c, fill: in_one_batch(f, M, x, c, fill, classes=torch.Tensor.repeat),
        "The classes are in the wrong order: in your batch all groups of one image come one after "
        "the other. repeat_interleave does the same with c.",
    ),
    images_repeated=(
        lambda f, M, x, c, fill: in_one_batch(f, M, x, c, fill, images=repeated),
        "Images and masks are in different orders: repeat gives all images, then all again. The "
        "masks need repeat_interleave.",
    ),
    images_and_classes_repeated=(
        lambda f, M, x, c, fill: in_one_batch(f, M, x, c, fill, torch.Tensor.repeat, repeated),
        "Images and classes are repeated in one order, the masks lie in another: use "
        "repeat_interleave.",
    ),
    mean_of_the_fill=(
        lambda f, M, x, c, fill: ask(f, M, x, c, 0 * fill + fill.mean()),
        "You made one number of the fill. It has its own value for each colour, or for each pixel.",
    ),
    minus_the_image=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill) - of_class(f(x), c)[:, None],
        "You subtracted the logit of the whole image. Return the logits as they are.",
    ),
    minus_the_fill=(
        lambda f, M, x, c, fill: (
            ask(f, M, x, c, fill) - of_class(f((0 * x + fill).expand_as(x)), c)[:, None]
        ),
        "You subtracted the logit of the fill. Return the logits as they are; the difference is "
        "taken later.",
    ),
    softmax_over_groups=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill).softmax(1),
        "You sent the scores through a softmax over the groups. Return the logits as they are.",
    ),
    all_groups_in_one_mask=(
        lambda f, M, x, c, fill: ask(f, M.sum(1, keepdim=True), x, c, fill).expand(M.shape[:2]),
        "You made one mask of all groups together. Each group asks its own question.",
    ),
    groups_are_rows=(
        lambda f, M, x, c, fill: ask(f, M, x, c, fill).T,
        "The axes are exchanged: the result is (N, groups), one row for each image.",
    ),
    first_map_for_all_images=(
        lambda f, M, x, c, fill: ask(f, M[:1].expand_as(M), x, c, fill),
        "You used the maps of the first image for all. Each image has its own.",
    ),
    silent_group_sees_the_image=(
        lambda f, M, x, c, fill: ask(
            f,
            M,
            x,
            c,
            fill,
            lambda M, size: torch.where(
                columns(M.amax((2, 3)) > M.amin((2, 3))), scaled(up(M, size)), 1.0
            ),
        ),
        "A silent group let the whole image through. Its mask is 0: the network sees only the fill.",
    ),
)
score_groups.wrongs(
    silent_group_is_nan=(
        lambda f, M, x, c, fill: ask(
            f,
            M,
            x,
            c,
            fill,
            lambda M, size: (
                lambda Z: (Z - Z.amin((2, 3), True)) / (Z.amax((2, 3), True) - Z.amin((2, 3), True))
            )(up(M, size)),
        ),
        "A silent group gave NaN: max − min is 0 there. Its mask is zeros: use masks_from_maps.",
    ),
)


score_groups.accepts_all(all_at_once=lambda f, M, x, c, fill: in_one_batch(f, M, x, c, fill))


@score_groups.accepts
def one_by_one(f, M, x, c, fill):
    H, rows = scaled(up(M, x.shape[2:])), []
    for n in range(len(x)):
        cn = int(c[n]) if torch.is_tensor(c) else c
        own = fill[n] if fill.dim() == 4 else fill
        seen = [own + (x[n] - own) * h for h in H[n]]
        rows.append([f(image[None])[0, cn].item() for image in seen])
    return torch.tensor(rows, dtype=torch.double)


def test_lesson(proof):
    proof()
