"""Lesson 19, checked: CAM with one index, a map of tokens, the window of a motif."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from camlite.course import Case, Exercise, normal


def looked_at(found):
    """The numbers of a tensor, with a graph or without; the lesson goes on with tensors only."""
    if isinstance(found, np.ndarray):
        return "a NumPy array"
    return found.detach() if isinstance(found, torch.Tensor) else found


NUMPY = (
    "This is a NumPy array. The lesson goes on with tensors: torch.from_numpy(…) at the end makes "
    "one of it."
)
ONE_CLASS = (
    "This works for one class only. c can also hold a class for each image of the batch: W[c] is "
    "then (N, K)."
)

# ------------------------------------------------------------------ 19.1

cam_1d = Exercise(
    "19.1",
    "cam_1d",
    formula="M_c[n, l] = Σ_k W[c, k] · F[n, k, l]",
    hints=(
        "It is exercise 3.1 with one axis less: the sum of the channels, each times its weight of "
        "class c.",
        "M[n, l] = Σ_k W[c, k] · F[n, k, l]. W[c] is (K,) for one class and (N, K) for a class of "
        "each series. Only the channel axis disappears.",
        "Bring W[c] to the shape (N or 1, K, 1): W[c].reshape(-1, F.shape[1], 1). Multiply with F "
        "and sum over axis 1.",
    ),
)


@cam_1d.cases
def _(rng):
    F, W = normal(rng, 2, 4, 7), normal(rng, 4, 4)
    yield Case("two series, one class for both", F, W, 1)
    yield Case("a class for each series", F, W, torch.tensor([2, 0]))
    yield Case("as many series as channels and places", normal(rng, 4, 4, 4), normal(rng, 4, 4), 3)
    yield Case("one series, one channel", normal(rng, 1, 1, 5), normal(rng, 3, 1), 2)
    F, W = 1e4 * normal(rng, 3, 6, 5).abs(), -normal(rng, 5, 6).abs()
    F[:, 2] = 0
    yield Case("negative everywhere, huge, a dead channel", F, W, torch.tensor([4, 4, 2]))


@cam_1d.probe
def _(answer, F, W, c):
    return {"result": looked_at(answer(F, W, c))}


def rows(F, W, c):
    """W[c] for each series: (N, K)."""
    return W[torch.as_tensor(c).expand(len(F))]


@cam_1d.reference
def weighted(F, W, c):
    return (rows(F, W, c)[:, :, None] * F).sum(1)


cam_1d.teaches(
    {
        "W.mT": "You took a column of W. Its rows are the classes: W is (C, K).",
        "abs(W)": "You used the size of the weights without their sign. A negative weight speaks "
        "against the class.",
        "ones for W": "You added the channels without weights: W is missing.",
        "selection: then first for all": "You used the class of the first series for all. c can "
        "hold one class for each series.",
        "sum over axis 1: mean": "You divided by the number of channels. The formula has a sum over k.",
    }
)
cam_1d.wrongs(
    numpy_array=(lambda F, W, c: weighted(F, W, c).numpy(), NUMPY),
    one_class_for_all=(lambda F, W, c: torch.einsum("k,nkl->nl", W[c], F), ONE_CLASS),
    relu=(
        lambda F, W, c: weighted(F, W, c).relu(),
        "You cut the negative values off. CAM has no ReLU, with one index neither.",
    ),
    scaled=(
        lambda F, W, c: (
            lambda M: (M - M.amin(1, keepdim=True)) / (M.amax(1) - M.amin(1))[:, None]
        )(weighted(F, W, c)),
        "You scaled the map. Keep the raw values: their mean explains the logit.",
    ),
    weights_without_an_axis=(
        lambda F, W, c: (W[c] * F).sum(1),
        "W[c] meets the last axis of F, the places. It needs an axis of length 1 after K: "
        "W[c].reshape(-1, K, 1).",
    ),
    logit_only=(
        lambda F, W, c: weighted(F, W, c).mean(1),
        "You averaged over the places too. That gives the logit without its bias; the map keeps its "
        "places: (N, L).",
    ),
    channels_not_summed=(
        lambda F, W, c: rows(F, W, c)[:, :, None] * F,
        "You weighed the channels but did not add them up: the channel axis must disappear.",
    ),
    place_axis_summed=(
        lambda F, W, c: (rows(F, W, c)[:, :, None] * F).sum(2),
        "You summed over the places. Sum over the channels, axis 1; the places stay.",
    ),
    all_classes=(
        lambda F, W, c: torch.einsum("ck,nkl->ncl", W, F),
        "These are the maps of all classes, (N, C, L). Only the map of class c is asked for.",
    ),
    every_series_with_every_class=(
        lambda F, W, c: torch.einsum("ck,nkl->ncl", W, F)[:, c],
        "You took maps[:, c]: with a class for each series this gives every class for every series. "
        "Series n belongs to class c[n] only.",
    ),
    divided_by_the_places=(
        lambda F, W, c: weighted(F, W, c) / F.shape[2],
        "You divided by the number of places. That is Grad-CAM's scale; CAM's map is not divided.",
    ),
    still_a_picture=(
        lambda F, W, c: weighted(F, W, c)[:, None],
        "There is one axis too many, of length 1: a map of a series is (N, L).",
    ),
)
cam_1d.accepts_all(
    einsum=lambda F, W, c: torch.einsum("nk,nkl->nl", rows(F, W, c), F),
    matmul=lambda F, W, c: (rows(F, W, c)[:, None] @ F)[:, 0],
    float64_inside=lambda F, W, c: (rows(F, W.double(), c)[:, :, None] * F.double()).sum(1).float(),
    reshaped=lambda F, W, c: (W[c].reshape(-1, F.shape[1], 1) * F).sum(1),
    as_a_picture_of_one_row=lambda F, W, c: torch.einsum(
        "nk,nkxy->nxy", rows(F, W, c), F.unsqueeze(2)
    )[:, 0],
)


@cam_1d.accepts
def loops_in_numpy(F, W, c):
    F, W, c = F.numpy(), W.numpy(), np.broadcast_to(np.asarray(c), len(F))
    return torch.from_numpy(np.stack([W[c[n]] @ F[n] for n in range(len(F))]))


# ------------------------------------------------------------------ 19.2

token_map = Exercise(
    "19.2",
    "token_map",
    formula="F = ReLU(conv(Eᵀ)),  M_c[n, t] = Σ_k W[c, k] · F[n, k, t]",
    hints=(
        "A sentence is a series: its places are the tokens, its channels the numbers of an "
        "embedding. But conv wants the channels before the places.",
        "embeddings (N, T, D): transpose(1, 2) makes (N, D, T). F = ReLU(conv of it) is (N, K, T). "
        "Then the formula of 19.1.",
        "F = conv(embeddings.transpose(1, 2)).relu(); return the weighted sum of F's channels with "
        "W[c], as in 19.1.",
    ),
)


def convolution(D, K, width):
    return nn.Conv1d(D, K, width, padding=width // 2)


@token_map.cases
def _(rng):
    E, W = normal(rng, 2, 7, 4), normal(rng, 3, 5)
    yield Case("two sentences of seven tokens", E, convolution(4, 5, 3), W, 1)
    yield Case("a class for each sentence", E, convolution(4, 5, 3), W, torch.tensor([2, 0]))
    same = normal(rng, 3, 6, 6)
    yield Case("as many tokens as numbers", same, convolution(6, 4, 3), normal(rng, 2, 4), 0)
    dead = convolution(5, 3, 1)
    with torch.no_grad():
        dead.bias[1] = -100.0
    yield Case(
        "one sentence, a channel that is never active", normal(rng, 1, 3, 5), dead, W[:, :3], 2
    )
    pair = nn.Sequential(convolution(4, 6, 5), nn.Tanh(), convolution(6, 5, 1))
    yield Case("conv is a module of two layers", 3 * E, pair, -W.abs(), torch.tensor([1, 1]))


@token_map.probe
def _(answer, embeddings, conv, W, c):
    return {"result": looked_at(answer(embeddings, conv, W, c))}


def tokens_of(read=lambda E: E.transpose(1, 2), then=torch.relu, weigh=weighted):
    return lambda E, conv, W, c: weigh(then(conv(read(E))), W, c)


token_map.reference(tokens_of())
token_map.products(
    tokens_of,
    read={
        "transposed": (lambda E: E.transpose(1, 2), ""),
        "reshaped": (
            lambda E: E.reshape(len(E), E.shape[2], E.shape[1]),
            "You reshaped the embeddings. That mixes the numbers of different tokens; transpose(1, 2) "
            "exchanges the two axes and keeps each token whole.",
        ),
    },
    then={
        "relu": (torch.relu, ""),
        "no_relu": (lambda F: F, "The ReLU after the convolution is missing."),
        "absolute": (torch.abs, "You took |F|. The ReLU sets negative values to 0."),
    },
    weigh={
        "W[c]": (weighted, ""),
        "relu_of_the_map": (
            lambda F, W, c: weighted(F, W, c).relu(),
            "You cut negative values of the map off. The ReLU stands after the convolution, not "
            "after the sum.",
        ),
        "no_weights": (
            lambda F, W, c: F.sum(1),
            "You added the channels without the weights W[c].",
        ),
    },
)
token_map.wrongs(
    numpy_array=(lambda E, conv, W, c: tokens_of()(E, conv, W, c).detach().numpy(), NUMPY),
    one_class_for_all=(
        lambda E, conv, W, c: torch.einsum("k,nkt->nt", W[c], conv(E.mT).relu()),
        ONE_CLASS,
    ),
    relu_before_conv=(
        lambda E, conv, W, c: weighted(conv(E.mT.relu()), W, c),
        "You took the ReLU of the embeddings. It stands after the convolution: conv(…).relu().",
    ),
    first_two_axes=(
        lambda E, conv, W, c: weighted(conv(E.transpose(0, 1)).relu(), W, c),
        "You exchanged the sentences with the tokens. transpose(1, 2) exchanges the last two axes.",
    ),
    not_transposed=(
        lambda E, conv, W, c: weighted(conv(E).relu(), W, c),
        "You gave conv the embeddings as they are, (N, T, D). It wants (N, D, T): transpose(1, 2).",
    ),
    conv_without_bias=(
        lambda E, conv, W, c: (
            weighted(nn.functional.conv1d(E.mT, conv.weight, padding="same").relu(), W, c)
            if isinstance(conv, nn.Conv1d)
            else tokens_of()(E, conv, W, c)
        ),
        "You left the bias of conv out. Call the module itself: conv(…).",
    ),
    logit_only=(
        lambda E, conv, W, c: tokens_of()(E, conv, W, c).mean(1),
        "You averaged over the tokens. The map keeps them: (N, T).",
    ),
    no_convolution=(
        lambda E, conv, W, c: E.relu().sum(2),
        "You did not use conv. The embeddings go through it first.",
    ),
    features_only=(
        lambda E, conv, W, c: conv(E.mT).relu(),
        "These are the features F. The map is their weighted sum: (N, T).",
    ),
    softmax_over_tokens=(
        lambda E, conv, W, c: tokens_of()(E, conv, W, c).softmax(1),
        "You made the map a softmax over the tokens. That is attention's custom; CAM keeps the "
        "values and their sign.",
    ),
    class_of_the_first=(
        lambda E, conv, W, c: tokens_of()(
            E, conv, W, torch.as_tensor(c).expand(len(E))[:1].expand(len(E))
        ),
        "You used the class of the first sentence for all of them.",
    ),
)
token_map.accepts_all(
    permuted=lambda E, conv, W, c: torch.einsum(
        "nk,nkt->nt", rows(E, W, c), conv(E.permute(0, 2, 1)).clamp(min=0)
    ),
    tokens_last=lambda E, conv, W, c: (conv(E.mT).mT.relu() @ rows(E, W, c)[:, :, None])[..., 0],
    with_no_grad=torch.no_grad()(tokens_of()),
)


@token_map.accepts
def one_sentence_after_the_other(E, conv, W, c):
    c = torch.as_tensor(c).expand(len(E))
    return torch.stack([W[k] @ conv(e.T[None])[0].relu() for e, k in zip(E, c, strict=True)])


# ------------------------------------------------------------------ 19.3

locate_motif = Exercise(
    "19.3",
    "locate_motif",
    formula="start = argmax_s Σ_{s ≤ l < s + length} M[l],  stop = start + length",
    hints=(
        "Slide a window of `length` places over the map, from the first place to the last one where "
        "it fits. Where is its sum largest?",
        "There are L − length + 1 windows: s = 0 … L − length. The sum of window s is "
        "M[s : s + length].sum().",
        "sums = M.unfold(0, length, 1).sum(1); start is int(sums.argmax()); stop is start + length.",
    ),
)


@locate_motif.cases
def _(rng):
    M = normal(rng, 12)
    M[4:7] += 3
    M[10] = M.max() + 2  # one large value alone, beside low ones
    M[9] = M[11] = -8
    yield Case("one high value alone, and a high window", M, 3)
    yield Case("the window is at the end", torch.arange(9.0) + 0.1 * normal(rng, 9), 4)
    yield Case("the window is at the start", torch.arange(8.0, 0, -1) ** 2, 3)
    yield Case("no value is positive", -normal(rng, 10).abs() - 0.5, 4)
    yield Case("the window is as long as the map", normal(rng, 6), 6)
    yield Case("a window of one place", normal(rng, 7), 1)
    signed = torch.tensor([5.0, -6, 5, 1, 1.5, 1, 0, -20, 1])
    yield Case("negative values beside high ones", signed + 0.01 * normal(rng, 9), 3)
    tie = torch.tensor([0.0, 1, 1, 0, 0, 1, 1, 0])
    yield Case("two windows of the same sum: the first", tie, 2)


@locate_motif.probe
def _(answer, M, length):
    """Two numbers are right as ints, as floats without a fraction, and as tensors of one number."""
    found = answer(M, length)
    if isinstance(found, (tuple, list)):
        found = [v.item() if getattr(v, "ndim", 1) == 0 else v for v in found]
    return {"result": found}


def window(values=lambda M: M, windows=1, stop=0, pick=torch.argmax):
    def answer(M, length):
        count = max(len(M) - length + windows, 1)
        sums = torch.stack([values(M)[s : s + length].sum() for s in range(count)])
        start = int(pick(sums))
        return start, start + length + stop

    return answer


@locate_motif.reference
def best_window(M, length):
    start = M.unfold(0, length, 1).sum(1).argmax()
    return start, start + length


locate_motif.products(
    window,
    values={
        "M": (lambda M: M, ""),
        "relu": (
            torch.relu,
            "You cut negative values off. They count against a window: keep them.",
        ),
        "size": (torch.abs, "You summed |M|. Negative values lower the sum of a window."),
    },
    windows={
        "all": (1, ""),
        "last_left_out": (
            0,
            "You left out the last window. There are L − length + 1: range(L − length + 1).",
        ),
    },
    stop={
        "half-open": (0, ""),
        "inclusive": (-1, "Your stop is the last place inside. Half-open: stop = start + length."),
    },
)


def around_the_maximum(M, length):
    start = int(M.argmax()) - length // 2
    return start, start + length


locate_motif.wrongs(
    around_the_maximum=(
        around_the_maximum,
        "You put the window around the largest value. Look for the window with the largest sum.",
    ),
    around_the_maximum_inside=(
        lambda M, length: (lambda s: (s, s + length))(
            min(max(around_the_maximum(M, length)[0], 0), len(M) - length)
        ),
        "You put the window around the largest value. Look for the window with the largest sum.",
    ),
    from_the_maximum=(
        lambda M, length: (int(M.argmax()), int(M.argmax()) + length),
        "You started the window at the largest value. Look for the window with the largest sum.",
    ),
    start_and_length=(
        lambda M, length: (window()(M, length)[0], length),
        "You returned the start and the length. The second number is stop = start + length.",
    ),
    first_window=(
        lambda M, length: (0, length),
        "You returned the first window. Slide it over the map and compare the sums.",
    ),
    largest_value_in_the_window=(
        lambda M, length: (lambda s: (s, s + length))(int(M.unfold(0, length, 1).amax(1).argmax())),
        "You compared the largest value of each window. Compare their sums.",
    ),
    windows_that_do_not_overlap=(
        lambda M, length: (lambda s: (s * length, s * length + length))(
            int(M.unfold(0, length, length).sum(1).argmax())
        ),
        "Your windows do not overlap: you moved them by `length`. Move them by one place: "
        "unfold(0, length, 1).",
    ),
    convolution_with_padding=(
        lambda M, length: (lambda s: (s, s + length))(
            int(
                nn.functional.conv1d(
                    M[None, None], torch.ones(1, 1, length), padding=length // 2
                ).argmax()
            )
        ),
        "Your start is the middle of the best window. A convolution with padding gives the middle: "
        "take no padding, or subtract length // 2.",
    ),
    start_only=(
        lambda M, length: window()(M, length)[0],
        "You returned the start only. Return two numbers: start and stop.",
    ),
    smallest=(
        window(pick=torch.argmin),
        "This is the window with the smallest sum. The largest one is asked for.",
    ),
    last_of_equals=(
        window(pick=lambda sums: len(sums) - 1 - sums.flip(0).argmax()),
        "Of two windows with the same sum you took the last one. Take the first.",
    ),
)


@locate_motif.accepts
def with_running_sums(M, length):
    total = np.concatenate([[0], np.cumsum(M.double().numpy())])
    start = int(np.argmax(np.round(total[length:] - total[:-length], 6)))
    return start, start + length


@locate_motif.accepts
def with_unfold(M, length):
    start = M.unfold(0, length, 1).sum(1).argmax()
    return [start, start + length]


@locate_motif.accepts
def with_a_convolution(M, length):
    sums = nn.functional.conv1d(M[None, None], torch.ones(1, 1, length))[0, 0]
    best = max(range(len(sums)), key=lambda s: float(sums[s]))
    return best, best + length


def test_lesson(proof):
    proof()
