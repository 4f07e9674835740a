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
    "This works for one class only. c can also hold a class for each series or sentence: W[c] is "
    "then (N, K)."
)
CLASS_OF_EACH = "This works for a class of each series or sentence only. c can also be one int: W[c] is then (K,)."

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
    class_of_each_only=(lambda F, W, c: torch.einsum("nk,nkl->nl", W[c], F), CLASS_OF_EACH),
    relu=(
        lambda F, W, c: weighted(F, W, c).relu(),
        "You cut the negative values off. CAM has no ReLU, with one index neither.",
    ),
    weights_without_an_axis=(
        lambda F, W, c: (W[c] * F).sum(1),
        "W[c] meets the last axis of F, the places. It needs an axis of length 1 after K: "
        "W[c].reshape(-1, K, 1).",
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
)
cam_1d.accepts_all(
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
    E, W = normal(rng, 2, 7, 4), normal(rng, 3, 6)
    yield Case("two sentences of seven tokens", E, convolution(4, 6, 3), W, 1)
    yield Case("a class for each sentence", E, convolution(4, 6, 3), W, torch.tensor([2, 0]))
    same = normal(rng, 3, 6, 6)
    yield Case("as many tokens as numbers", same, convolution(6, 4, 3), normal(rng, 2, 4), 0)
    dead = convolution(5, 3, 1)
    with torch.no_grad():
        dead.bias[1] = -100.0
    yield Case(
        "one sentence, a channel that is never active", normal(rng, 1, 3, 5), dead, W[:, :3], 2
    )
    pair = nn.Sequential(convolution(4, 5, 5), nn.Tanh(), convolution(5, 6, 1))
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
    class_of_each_only=(
        lambda E, conv, W, c: torch.einsum("nk,nkt->nt", W[c], conv(E.mT).relu()),
        CLASS_OF_EACH,
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
    features_only=(
        lambda E, conv, W, c: conv(E.mT).relu(),
        "These are the features F. The map is their weighted sum: (N, T).",
    ),
    maps_of_all_classes=(
        lambda E, conv, W, c: torch.einsum("ck,nkt->nct", W, conv(E.mT).relu()),
        "These are the maps of all classes, (N, C, T). Only the map of class c is asked for.",
    ),
)
token_map.teaches(
    {
        "selection: then first for all": "You used the class of the first sentence for all of them.",
    }
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


def starting(start):
    """The window that starts where `start(M, length)` says."""
    return lambda M, length: (lambda s: (s, s + length))(int(start(M, length)))


def sums(M, length):
    return M.unfold(0, length, 1).sum(1)


def window(values=lambda M: M, windows=1, stop=0):
    def answer(M, length):
        count = max(len(M) - length + windows, 1)
        start = int(sums(values(M), length)[:count].argmax())
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
        "size": (torch.abs, "You summed |M| or M². Negative values lower the sum of a window."),
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


def from_zero(M, length):
    best, start = 0.0, 0
    for s, value in enumerate(sums(M, length).tolist()):
        if value > best:
            best, start = value, s
    return start


def inside(M, length, start):
    return min(max(int(start), 0), len(M) - length)


AROUND = "You put the window around the largest value. Look for the window with the largest sum."
FROM = "You started the window at the largest value. Look for the window with the largest sum."
locate_motif.wrongs(
    around_the_maximum=(starting(lambda M, length: M.argmax() - length // 2), AROUND),
    around_the_maximum_inside=(
        starting(lambda M, length: inside(M, length, M.argmax() - length // 2)),
        AROUND,
    ),
    from_the_maximum=(starting(lambda M, length: M.argmax()), FROM),
    from_the_maximum_inside=(starting(lambda M, length: inside(M, length, M.argmax())), FROM),
    from_zero=(
        starting(from_zero),
        "Your best sum so far begins with 0. When all sums are negative none is larger: begin with "
        "-inf, or with the first window.",
    ),
    over_the_end=(
        starting(lambda M, n: torch.stack([M[s : s + n].sum() for s in range(len(M))]).argmax()),
        "Your last windows run over the end of the map and are shorter. Windows start at 0 … "
        "L − length.",
    ),
    from_first_to_last_of_the_largest=(
        lambda M, length: (lambda i: (int(i.min()), int(i.max()) + 1))(M.topk(length).indices),
        "You went from the first to the last of the largest values. The window has `length` "
        "places side by side.",
    ),
    start_and_length=(
        lambda M, length: (int(sums(M, length).argmax()), length),
        "You returned the start and the length. The second number is stop = start + length.",
    ),
    stop_and_start=(
        lambda M, length: best_window(M, length)[::-1],
        "You returned (stop, start). The start comes first.",
    ),
    first_window=(
        starting(lambda M, length: 0),
        "You returned the first window. Slide it over the map and compare the sums.",
    ),
    windows_that_do_not_overlap=(
        starting(lambda M, length: length * M.unfold(0, length, length).sum(1).argmax()),
        "Your windows do not overlap: you moved them by `length`. Move them by one place: "
        "unfold(0, length, 1).",
    ),
    convolution_with_padding=(
        starting(lambda M, n: np.convolve(M.numpy(), np.ones(n), "same").argmax()),
        "Your start is the middle of the best window. A convolution with padding gives the middle: "
        "take no padding.",
    ),
    start_only=(
        lambda M, length: int(sums(M, length).argmax()),
        "You returned the start only. Return two numbers: start and stop.",
    ),
    last_of_equals=(
        starting(lambda M, length: len(M) - length - sums(M, length).flip(0).argmax()),
        "Of two windows with the same sum you took the last one. Take the first.",
    ),
)


@locate_motif.accepts
def with_running_sums(M, length):
    total = np.concatenate([[0], np.cumsum(M.double().numpy())])
    start = int(np.argmax(np.round(total[length:] - total[:-length], 6)))
    return start, start + length


locate_motif.accepts_all(
    a_loop=starting(
        lambda M, n: max(range(len(M) - n + 1), key=lambda s: float(M[s : s + n].sum()))
    ),
    a_convolution=starting(lambda M, n: np.convolve(M.numpy(), np.ones(n), "valid").argmax()),
)


def test_lesson(proof):
    proof()
