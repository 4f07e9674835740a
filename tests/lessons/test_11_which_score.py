"""Lesson 11, checked: three scores with their gradients, both signs of a map, the contrast."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from camlite.course import Case, Exercise, normal
from camlite.course.observe import NOTHING

CHANGED = "the given logits were changed"
IN_PLACE = (
    "You changed the given logits in place: `-=` writes into them, and whoever uses them next gets "
    "other numbers. Make a new tensor: `logits = logits - …`."
)


def value_and_slope(answer, logits, *rest):
    """The score, and its gradient: a map needs both."""
    logits = logits.clone().requires_grad_()
    given = logits * 1  # of a network, so torch lets an answer change it in place
    Y = answer(given, *rest)
    parts = {CHANGED: "yes" if bool((given != logits).any()) else "no"} | {"result": Y}
    if isinstance(Y, (list, tuple)) and Y and all(isinstance(y, Tensor) for y in Y):
        Y = torch.stack(tuple(y.sum() for y in Y))
    if isinstance(Y, Tensor) and Y.requires_grad:
        slope = torch.autograd.grad(Y.sum(), logits, materialize_grads=True)[0]
        return parts | {"gradient": slope}
    return parts | {"gradient": "none: the result has lost its way back to the logits"}


def of_class(S, c):
    """One column for each image, (N,)."""
    return S.gather(1, torch.as_tensor(c).expand(len(S))[:, None])[:, 0]


# ------------------------------------------------------------------ 11.1

target_score = Exercise(
    "11.1",
    "target_score",
    inside=True,
    formula="logit: S_c;  prob: softmax(S)_c;  log_prob: log_softmax(S)_c",
    hints=(
        "Make a table (N, C) of the right kind first: logits, probabilities or log-probabilities. "
        "Then take one number of each row.",
        "softmax and log_softmax run over the classes, axis 1. The number of class c of each row: "
        "table[rows, classes], with rows = 0 … N − 1, as in lesson 8.",
        "If kind is prob, replace logits by logits.softmax(dim=1); if it is log_prob, by "
        "logits.log_softmax(dim=1). Make N classes of c with torch.as_tensor(c).expand(N), and "
        "return logits[torch.arange(N), classes].",
    ),
)
target_score.probe(value_and_slope)
target_score.teaches_parts({CHANGED: IN_PLACE})
KINDS = ("logit", "prob", "log_prob")


@target_score.cases
def _(rng):
    S, each = 2 * normal(rng, 4, 6), torch.tensor([2, 5, 0, 2])
    for kind in KINDS:
        yield Case(f"{kind}, four images, a class for each", S, each, kind)
    for kind in KINDS:
        yield Case(f"{kind}, one class for all", S[:3], 1, kind)
    square = 2 * normal(rng, 3, 3)
    yield Case("as many images as classes, prob", square, torch.tensor([1, 1, 2]), "prob")
    yield Case("as many images as classes, log_prob", square, torch.tensor([2, 0, 0]), "log_prob")
    large = torch.tensor([[120.0, 0.0, 118.0], [-150.0, 3.0, 2.0]]) + normal(rng, 2, 3)
    yield Case("logits of 100 and more, prob", large, 2, "prob")
    yield Case("logits of 100 and more, log_prob", large, torch.tensor([1, 0]), "log_prob")
    yield Case("one image, one class as a tensor", S[:1], torch.tensor(3), "log_prob")


SOFTMAX, LOG = partial(torch.softmax, dim=1), partial(torch.log_softmax, dim=1)


def scores(softmax=SOFTMAX, log=LOG):
    """The answer with these two tables."""
    tables = {"logit": lambda S: S, "prob": softmax, "log_prob": log}
    return lambda logits, c, kind: of_class(tables[kind](logits), c)


@target_score.reference
def _(logits, c, kind):
    table = logits
    if kind == "prob":
        table = logits.softmax(1)
    if kind == "log_prob":
        table = logits.log_softmax(1)
    return table.gather(1, torch.as_tensor(c).expand(len(logits))[:, None])[:, 0]


def by_hand(S):
    return S.exp() / S.exp().sum(1, keepdim=True)


target_score.wrongs(
    kind_ignored=(
        lambda logits, c, kind: of_class(logits, c),
        "This is the logit for each kind. Look at `kind`: prob is the softmax, log_prob its "
        "logarithm.",
    ),
    always_the_probability=(
        scores(log=SOFTMAX),
        "For log_prob you gave the probability. The two maps differ only in size, but the size is "
        "what the logarithm repairs.",
    ),
    softmax_for_the_logit=(
        lambda logits, c, kind: of_class(
            logits.softmax(1).log() if kind != "prob" else logits.softmax(1), c
        ),
        "For the logit you gave the log-probability. The logit is taken before any softmax.",
    ),
    prob_and_log_prob_exchanged=(
        scores(softmax=LOG, log=SOFTMAX),
        "prob and log_prob are exchanged: prob is the softmax, log_prob its logarithm.",
    ),
    denominator_detached=(
        scores(log=lambda S: S - S.logsumexp(1, keepdim=True).detach()),
        "The values are right, but the denominator is cut out of the graph: without it the "
        "gradient is that of the logit, and no rival is in the map.",
    ),
    logarithm_of_the_softmax=(
        scores(log=lambda S: S.softmax(1).log()),
        "You took the logarithm of the softmax. Where the probability is below 1e-45 it is 0 in 32 "
        "bits, and you get −∞ and a gradient of NaN. log_softmax does both steps in one.",
    ),
    exponentials_by_hand=(
        scores(softmax=by_hand, log=lambda S: S - S.exp().sum(1, keepdim=True).log()),
        "You wrote the softmax with exp. From a logit of 89 on this is infinite in 32 bits. softmax "
        "and log_softmax subtract the largest logit first.",
    ),
    exponential_without_a_sum=(
        scores(softmax=torch.exp),
        "You took the exponential only. A probability is divided by the sum over all classes.",
    ),
    softmax_over_the_images=(
        scores(partial(torch.softmax, dim=0), partial(torch.log_softmax, dim=0)),
        "Your softmax runs over the images (axis 0). The classes of one image compete: axis 1.",
    ),
    sigmoid=(
        scores(torch.sigmoid, torch.nn.functional.logsigmoid),
        "You took the sigmoid. It knows no other class; the softmax divides by the sum over all.",
    ),
    minus_the_logarithm=(
        scores(log=lambda S: -S.log_softmax(1)),
        "You gave minus the log-probability, the loss. The score shall rise when the class becomes "
        "more likely.",
    ),
    logarithm_to_base_two=(
        scores(log=lambda S: S.log_softmax(1) / np.log(2)),
        "Your logarithm has the base 2. The natural one is asked for.",
    ),
    all_classes_of_all_images=(
        lambda logits, c, kind: scores()(logits, c, kind)[:, None],
        "An axis of length 1 is left: the result is (N,).",
    ),
    columns_instead_of_single_numbers=(
        lambda logits, c, kind: {
            "logit": logits,
            "prob": logits.softmax(1),
            "log_prob": logits.log_softmax(1),
        }[kind][:, c],
        "`[:, c]` takes whole columns where c is a tensor: (N, N). You want one number of each row: "
        "`[torch.arange(N), c]`.",
    ),
    first_class_for_all=(
        lambda logits, c, kind: scores()(logits, torch.as_tensor(c).reshape(-1)[0], kind),
        "You took the class of the first image for all. Each image has its own.",
    ),
    largest_class=(
        lambda logits, c, kind: scores()(logits, logits.argmax(1), kind),
        "You took the class with the largest logit. The class is given: c.",
    ),
    one_number_for_the_batch=(
        lambda logits, c, kind: scores()(logits, c, kind).sum(),
        "You added the scores of all images. Each image has its own score: (N,).",
    ),
    detached=(
        lambda logits, c, kind: scores()(logits, c, kind).detach(),
        "The values are right, but the way back to the logits is cut: no gradient, no map. Leave "
        "out detach, item and NumPy.",
    ),
    probabilities_cut_off=(
        scores(log=lambda S: S.log_softmax(1).clamp_min(-30)),
        "You cut the log-probability off. Below that number its gradient is 0.",
    ),
    gradient_of_the_logit_only=(
        lambda logits, c, kind: (
            of_class(logits, c) + (scores()(logits, c, kind) - of_class(logits, c)).detach()
        ),
        "The values are right, but a part of the gradient is missing: the rivals in the softmax "
        "must stay in the graph too.",
    ),
)


def largest_subtracted_in_place(logits, c, kind):
    logits -= logits.detach().max(dim=1, keepdim=True).values
    return scores()(logits, c, kind)


def one_row_for_all(logits, c, kind):
    table = {"logit": logits, "prob": logits.softmax(1), "log_prob": logits.log_softmax(1)}[kind]
    return table.gather(1, torch.as_tensor(c).reshape(-1, 1))[:, 0]


target_score.wrongs(
    largest_subtracted_in_place=(largest_subtracted_in_place, IN_PLACE),
    class_without_rows=(
        lambda logits, c, kind: {
            "logit": logits,
            "prob": logits.softmax(1),
            "log_prob": logits.log_softmax(1),
        }[kind].gather(1, torch.as_tensor(c)[:, None])[:, 0],
        "Your code stops where c is one class for all images. Make N classes first, with "
        "torch.as_tensor(c).expand(N).",
    ),
    largest_subtracted_for_the_logit=(
        lambda logits, c, kind: scores()(logits - logits.amax(1, keepdim=True), c, kind),
        "You subtracted the largest logit for the logit, too. That is allowed only before a softmax, "
        "where it drops out.",
    ),
    one_row_for_all=(
        one_row_for_all,
        "gather gives as many rows as its index has. One class for all images gives one number: "
        "make N classes first, with torch.as_tensor(c).expand(N).",
    ),
)

for small in (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5):  # what learners take against log(0)
    target_score.wrongs(
        **{
            f"logarithm_of_at_least_{small:.0e}": (
                scores(log=lambda S, small=small: (S.softmax(1) + small).log()),
                "A small number before the logarithm saves you from −∞. But below it every "
                "probability gives the same score, and no gradient. Use log_softmax.",
            )
        }
    )


@target_score.accepts
def one_row_after_the_other(logits, c, kind):
    classes = torch.as_tensor(c).expand(len(logits)).tolist()
    found = []
    for row, k in zip(logits, classes, strict=True):
        of = {"logit": row, "prob": row.softmax(0), "log_prob": row.log_softmax(0)}[kind]
        found.append(of[k])
    return torch.stack(found)


@target_score.accepts
def logsumexp_in_float64(logits, c, kind):
    S = logits.double()
    log_p = S - S.logsumexp(1, keepdim=True)
    table = {"logit": S, "prob": log_p.exp(), "log_prob": log_p}[kind]
    return (table * torch.nn.functional.one_hot(torch.as_tensor(c).expand(len(S)), S.shape[1])).sum(
        1
    )


@target_score.accepts
def largest_subtracted_first(logits, c, kind):
    rows, c = range(len(logits)), torch.as_tensor(c).expand(len(logits))
    if kind == "logit":
        return logits[rows, c]
    T = logits - logits.max(dim=1, keepdim=True).values
    if kind == "prob":
        return T.exp()[rows, c] / T.exp().sum(1)
    return T[rows, c] - T.exp().sum(1).log()


@target_score.accepts
def cross_entropy(logits, c, kind):
    c = torch.as_tensor(c).expand(len(logits))
    log_p = -torch.nn.functional.cross_entropy(logits, c, reduction="none")
    return {"logit": of_class(logits, c), "prob": log_p.exp(), "log_prob": log_p}[kind]


# ------------------------------------------------------------------ 11.2

split_evidence = Exercise(
    "11.2",
    "split_evidence",
    formula="M⁺ = max(M, 0),  M⁻ = max(−M, 0),  M = M⁺ − M⁻",
    hints=(
        "Two maps of M's size. One keeps what is above 0, the other what is below 0, as a positive "
        "number.",
        "M⁺ = max(M, 0) and M⁻ = max(−M, 0). At each place one of the two is 0.",
        "Return M.clamp(min=0) and (-M).clamp(min=0), in this order.",
    ),
)


BACK = "what comes back"


@split_evidence.probe
def _(answer, M):
    """Two maps by their names: what can be unpacked into two is as good as a tuple."""
    found = answer(M)
    if isinstance(found, Tensor) and found.dim() < 4:
        return {BACK: "one map"}
    if not isinstance(found, (tuple, list, Tensor)):
        return {BACK: NOTHING if found is None else f"a {type(found).__name__}"}
    if isinstance(found, Tensor) and len(found) != 2:
        return {BACK: f"one tensor {tuple(found.shape)}"}
    if len(found) != 2:
        return {BACK: f"{len(found)} things"}
    if not all(isinstance(side, Tensor) for side in found):
        arrays = all(isinstance(side, (Tensor, np.ndarray)) for side in found)
        return {BACK: "NumPy arrays" if arrays else "no tensors"}
    return {BACK: "two tensors", "positive": found[0], "negative": found[1]}


@split_evidence.cases
def _(rng):
    M = normal(rng, 2, 4, 7)
    yield Case("two maps of 4×7 with both signs", M)
    yield Case("only evidence for the class", M.abs() + 0.1)
    yield Case("only evidence against it", -M.abs() - 0.1)
    yield Case("one map of 3×2, very small values", 1e-6 * normal(rng, 1, 3, 2))
    zeros = M * (torch.rand(2, 4, 7, generator=rng) < 0.5)
    yield Case("half of the places are 0", zeros)
    yield Case("one strong and one weak map", M * torch.tensor([1e4, 1.0])[:, None, None])


@split_evidence.reference
def _(M):
    return M.relu(), (-M).relu()


SHIFTED = (
    "You subtracted the minimum. Then all that spoke against the class looks as if it spoke for it. "
    "Split at 0: cut the negative values off, do not shift them."
)


def both(M):
    """The right answer for another map."""
    return M.relu(), (-M).relu()


split_evidence.teaches_parts(
    {BACK: "Two tensors (N, h, w) are asked for: `return positive, negative`."}
)
split_evidence.wrongs(
    negative_part_with_its_sign=(
        lambda M: (M.clamp(min=0), M.clamp(max=0)),
        "The second map still has its minus sign. Both are ≥ 0, so that positive − negative = M.",
    ),
    exchanged=(
        lambda M: ((-M).relu(), M.relu()),
        "The two are exchanged: what speaks for the class comes first.",
    ),
    absolute_value_second=(
        lambda M: (M.relu(), M.abs()),
        "Your second map is |M|: it holds the evidence for the class as well.",
    ),
    map_itself_first=(
        lambda M: (M, (-M).relu()),
        "Your first map is M itself. Cut its negative values off.",
    ),
    minus_after_the_relu=(
        lambda M: (M.relu(), -M.relu()),
        "`-M.relu()` takes the ReLU first and the minus after it. Write `(-M).relu()`.",
    ),
    twice_too_large=(
        lambda M: (M.abs() + M, M.abs() - M),
        "Both maps are twice too large: divide by 2.",
    ),
    scaled_by_one_maximum=(
        lambda M: (
            M.relu() / M.abs().amax((1, 2), keepdim=True).clamp_min(1e-30),
            (-M).relu() / M.abs().amax((1, 2), keepdim=True).clamp_min(1e-30),
        ),
        "You scaled the maps. Their difference must give back M itself.",
    ),
    each_scaled_by_its_own_maximum=(
        lambda M: tuple(
            P / P.amax((1, 2), keepdim=True).clamp_min(1e-30) for P in (M.relu(), (-M).relu())
        ),
        "You scaled each map by its own maximum. Then weak evidence against looks as strong as "
        "strong evidence for: keep the values.",
    ),
    centred_by_the_median=(
        lambda M: tuple(
            (s * (M - M.flatten(1).median(1).values[:, None, None])).relu() for s in (1, -1)
        ),
        "You subtracted the median first. Then half of every map speaks against the class, "
        "whatever it shows. Split at 0.",
    ),
    centred_by_the_mean=(
        lambda M: tuple((s * (M - M.mean((1, 2), keepdim=True))).relu() for s in (1, -1)),
        "You subtracted the mean first. Below the mean is not against the class. Split at 0.",
    ),
    truth_values=(
        lambda M: ((M > 0).float(), (M < 0).float()),
        "These say only where the evidence is, not how strong: keep the values.",
    ),
    places_chosen=(
        lambda M: (M[M > 0], -M[M < 0]),
        "`M[M > 0]` is a row of numbers without places. Keep the shape (N, h, w) and put 0 where "
        "the other sign is.",
    ),
    only_the_first=(
        lambda M: M.relu(),
        "You returned one map. Both are asked for: `return positive, negative`.",
    ),
    three_of_them=(
        lambda M: (M.relu(), (-M).relu(), M),
        "You returned three things. Two are asked for: `return positive, negative`.",
    ),
    nothing_returned=(
        lambda M: None,
        "Nothing came back. Did you forget the return? `return positive, negative`.",
    ),
    stacked_along_axis_1=(
        lambda M: torch.stack([M, -M], dim=1).relu(),
        "You stacked the two maps along axis 1. `plus, minus = …` would take that tensor apart along "
        "its images. Return two tensors: `return positive, negative`.",
    ),
    numpy_arrays=(
        lambda M: (np.maximum(M.numpy(), 0), np.maximum(-M.numpy(), 0)),
        "These are NumPy arrays. The lesson goes on with tensors: use torch (`M.clamp(min=0)`), or "
        "torch.from_numpy at the end.",
    ),
    shifted_by_the_minimum=(
        lambda M: both(M - M.amin((1, 2), keepdim=True)),
        SHIFTED,
    ),
    shifted_by_the_minimum_of_the_batch=(lambda M: both(M - M.min()), SHIFTED),
    first_shifted_by_the_minimum=(
        lambda M: (M - M.amin((1, 2), keepdim=True), (-M).relu()),
        SHIFTED,
    ),
    minimum_and_maximum=(lambda M: (M - M.min(), M.max() - M), SHIFTED),
    changed_in_place=(
        lambda M: (M.clamp_(min=0), (-M).clamp(min=0)),
        "`clamp_` and `relu_` write into M itself: afterwards nothing negative is left for the second "
        "map. Leave out the `_`.",
    ),
    first_shifted_by_the_minimum_of_the_batch=(lambda M: (M - M.min(), (-M).relu()), SHIFTED),
    below_the_largest=(
        lambda M: (M.relu(), M.amax((1, 2), keepdim=True) - M),
        "Your second map says how far a place is below the maximum. Against the class is what is "
        "below 0.",
    ),
)
split_evidence.accepts_all(
    where=lambda M: (torch.where(M > 0, M, 0.0), torch.where(M < 0, -M, 0.0)),
    halves=lambda M: ((M.abs() + M) / 2, (M.abs() - M) / 2),
    from_the_first=lambda M: (M.relu(), M.relu() - M),
    stacked=lambda M: torch.stack([M, -M]).relu(),
    a_list_from_numpy=lambda M: [
        torch.from_numpy(np.maximum(side, 0)) for side in (M.numpy(), -M.numpy())
    ],
    masks=lambda M: (M * (M > 0), -M * (M < 0)),
)


# ------------------------------------------------------------------ 11.3

contrast_score = Exercise(
    "11.3",
    "contrast_score",
    inside=True,
    formula="Σ_i p_i (S_c − α S_i) / Σ_i p_i,  p = softmax(S), over the rivals i",
    hints=(
        "One difference S_c − α S_i for each rival, and a weighted mean of them. The weights are "
        "the rivals' probabilities, divided by their sum.",
        "p_i / Σ p_i over the rivals is the softmax of the rivals' logits alone: the denominator "
        "of the large softmax cancels. So nothing can become 0 / 0.",
        "Gather S_c (N, 1) and the rivals' logits S_i (N, R). p = S_i.softmax(dim=1). Return the "
        "sum over axis 1 of p · (S_c − alpha · S_i).",
    ),
    rtol=3e-3,  # of unlikely rivals the gradient of p is a product of large numbers
)
contrast_score.probe(value_and_slope)
contrast_score.teaches_parts({CHANGED: IN_PLACE})


@contrast_score.cases
def _(rng):
    S, each = 1.5 * normal(rng, 4, 6), torch.tensor([2, 5, 0, 1])
    table = torch.tensor([[0, 4, 3], [1, 2, 0], [5, 3, 4], [4, 0, 2]])
    yield Case("a class and three rivals for each image", S, each, table, 0.6)
    yield Case("one class, a list of two rivals, α = 1", S[:3], 1, [4, 0], 1)
    yield Case("rivals as a 1-D tensor", S, 3, torch.tensor([5, 0, 1]), 0.8)
    yield Case("a single rival", S, each, table[:, :1], 1.0)
    yield Case(
        "as many rivals as images", S, each, torch.tensor([4, 3, 3, 4])[None].expand(4, -1), 0.5
    )
    yield Case("α = 0 leaves the logit", S, each, table, 0.0)
    unlikely = torch.tensor([[150.0, 2, 1, 0], [3, -130, 141, 1]]) + normal(rng, 2, 4)
    yield Case(
        "the rivals' probabilities are 0 in 32 bits",
        unlikely,
        torch.tensor([0, 2]),
        torch.tensor([[1, 3], [0, 3]]),
        1.0,
    )
    yield Case("one image", S[:1], 2, [0, 1, 3, 4, 5], 1.0)


@contrast_score.reference
def _(logits, c, rivals, alpha):
    S_c = logits.gather(1, torch.as_tensor(c).expand(len(logits))[:, None])
    S_i = logits.gather(1, torch.as_tensor(rivals).expand(len(logits), -1))
    p = S_i.softmax(1)
    return (p * (S_c - alpha * S_i)).sum(1)


def parts_of(S, c, rivals):
    """S_c (N, 1) and S_i (N, R)."""
    i = torch.as_tensor(rivals).expand(len(S), -1)
    return of_class(S, c)[:, None], S.gather(1, i), i


def contrast(weights=None, difference=lambda S_c, S_i, alpha: S_c - alpha * S_i):
    """The answer with these weights (N, R) and differences (N, R)."""

    def answer(logits, c, rivals, alpha):
        S_c, S_i, i = parts_of(logits, c, rivals)
        p = S_i.softmax(1) if weights is None else weights(logits, S_i, i)
        return (p * difference(S_c, S_i, alpha)).sum(1)

    return answer


def share(p):
    return p / p.sum(1, keepdim=True)


contrast_score.wrongs(
    plain_mean_of_the_rivals=(
        contrast(lambda S, S_i, i: torch.full_like(S_i, 1 / S_i.shape[1])),
        "You took the plain mean over the rivals. A likely rival counts more: weigh with p_i / Σ p_i.",
    ),
    not_divided_by_the_sum=(
        contrast(lambda S, S_i, i: S.softmax(1).gather(1, i)),
        "You did not divide by Σ p_i. The weights of the rivals must add up to 1, or a sure network "
        "gets a score near 0.",
    ),
    zero_by_zero=(
        contrast(lambda S, S_i, i: share(S.softmax(1).gather(1, i))),
        "Where all rivals have the probability 0 in 32 bits you divide 0 by 0. p_i / Σ p_i is the "
        "softmax of the rivals' logits alone.",
    ),
    epsilon_below=(
        contrast(
            lambda S, S_i, i: (
                S.softmax(1).gather(1, i) / (S.softmax(1).gather(1, i).sum(1, keepdim=True) + 1e-12)
            )
        ),
        "The small number below the line turns the contrast with unlikely rivals into 0. p_i / Σ p_i "
        "is the softmax of the rivals' logits alone.",
    ),
    divided_by_one_minus_the_probability=(
        lambda logits, c, rivals, alpha: (
            contrast(lambda S, S_i, i: S.softmax(1).gather(1, i))(logits, c, rivals, alpha)
            / (1 - of_class(logits.softmax(1), c))
        ),
        "You divided by 1 − P_c. That is the sum over *all* other classes; divide by the sum over "
        "the rivals.",
    ),
    alpha_on_the_class=(
        contrast(difference=lambda S_c, S_i, alpha: alpha * S_c - S_i),
        "You multiplied S_c by α. α says how much of the rival is taken away: α S_i.",
    ),
    alpha_on_the_difference=(
        contrast(difference=lambda S_c, S_i, alpha: alpha * (S_c - S_i)),
        "You multiplied the whole difference by α. Only the rival's logit has the factor.",
    ),
    alpha_ignored=(
        contrast(difference=lambda S_c, S_i, alpha: S_c - S_i),
        "α is not in your formula. It says how much of the rival is taken away.",
    ),
    rival_minus_class=(
        contrast(difference=lambda S_c, S_i, alpha: alpha * S_i - S_c),
        "The sign is the wrong one: the score shall rise with the logit of the class.",
    ),
    added=(
        contrast(difference=lambda S_c, S_i, alpha: S_c + alpha * S_i),
        "You added the rival. What the two share shall drop out: subtract it.",
    ),
    probabilities_instead_of_logits=(
        lambda logits, c, rivals, alpha: contrast(lambda S, S_i, i: share(S_i))(
            logits.softmax(1), c, rivals, alpha
        ),
        "You subtracted probabilities. S are the logits; probabilities are only the weights.",
    ),
    logits_as_weights=(
        contrast(lambda S, S_i, i: share(S_i)),
        "Your weights are the logits divided by their sum. Logits can be negative: take the softmax.",
    ),
    only_the_strongest_rival=(
        lambda logits, c, rivals, alpha: (
            of_class(logits, c) - alpha * parts_of(logits, c, rivals)[1].amax(1)
        ),
        "You took only the strongest rival. All of them count, each with its weight.",
    ),
    only_the_first_rival=(
        lambda logits, c, rivals, alpha: (
            of_class(logits, c) - alpha * parts_of(logits, c, rivals)[1][:, 0]
        ),
        "You used only the first rival. Take the weighted sum over all of them.",
    ),
    all_classes_as_rivals=(
        lambda logits, c, rivals, alpha: (
            logits.softmax(1) * (of_class(logits, c)[:, None] - alpha * logits)
        ).sum(1),
        "You took all classes. The sum runs over the given rivals only.",
    ),
    rivals_of_the_first_image=(
        lambda logits, c, rivals, alpha: contrast()(
            logits,
            c,
            torch.as_tensor(rivals).reshape(-1, torch.as_tensor(rivals).shape[-1])[0],
            alpha,
        ),
        "You took the rivals of the first image for all. A table (N, R) has a row for each image.",
    ),
    softmax_over_the_images=(
        contrast(lambda S, S_i, i: S_i.softmax(0)),
        "Your softmax runs over the images. The rivals of one image are compared: axis 1.",
    ),
    softmax_turned_round=(
        contrast(lambda S, S_i, i: (-S_i).softmax(1)),
        "Your weights prefer the unlikely rivals. A likely rival counts more.",
    ),
    weights_detached=(
        contrast(lambda S, S_i, i: S_i.softmax(1).detach()),
        "The values are right, but you cut the weights out of the graph. In the authors' code the "
        "gradient runs through p_i too.",
    ),
    all_detached=(
        lambda logits, c, rivals, alpha: contrast()(logits, c, rivals, alpha).detach(),
        "The values are right, but the way back to the logits is cut: no gradient, no map. Leave "
        "out detach, item and NumPy.",
    ),
    rivals_not_summed=(
        lambda logits, c, rivals, alpha: (
            parts_of(logits, c, rivals)[1].softmax(1)
            * (of_class(logits, c)[:, None] - alpha * parts_of(logits, c, rivals)[1])
        ),
        "There is one number for each rival. Add them up: (N,).",
    ),
    mean_over_the_rivals=(
        lambda logits, c, rivals, alpha: (
            contrast()(logits, c, rivals, alpha) / parts_of(logits, c, rivals)[1].shape[1]
        ),
        "You took the mean over the rivals after weighing them. The weights add up to 1 already: "
        "take the sum.",
    ),
    one_number_for_the_batch=(
        lambda logits, c, rivals, alpha: contrast()(logits, c, rivals, alpha).sum(),
        "You added the scores of all images. Each image has its own score: (N,).",
    ),
    an_axis_left=(
        lambda logits, c, rivals, alpha: contrast()(logits, c, rivals, alpha)[:, None],
        "An axis of length 1 is left: the result is (N,).",
    ),
)
COLUMNS = (
    "`logits[:, rivals]` with a table (N, R) takes columns of all images: (N, N, R). You want R "
    "numbers of each row: `logits.gather(1, table)`."
)
HIDDEN = (
    "`nan_to_num` hides 0 / 0 but does not answer it: unlikely rivals get the score 0. "
    "p_i / Σ p_i is the softmax of the rivals' logits alone."
)
ONE_ROW = (
    "gather gives as many rows as its index has. A list of rivals is one row, so all images got the "
    "logits of the first image. Make N rows first, with .expand(N, -1)."
)


def columns_of_all_images(axis):
    """S_i = logits[:, rivals], with softmax and sum over this axis."""

    def answer(logits, c, rivals, alpha):
        S_i = logits[:, torch.as_tensor(rivals)]
        return (S_i.softmax(axis) * (of_class(logits, c)[:, None] - alpha * S_i)).sum(axis)

    return answer


def without_expand(one_class, one_table):
    """The class, the rivals or both gathered with an index of a single row."""

    def answer(logits, c, rivals, alpha):
        N = len(logits)
        c, rivals = torch.as_tensor(c).reshape(-1, 1), torch.atleast_2d(torch.as_tensor(rivals))
        S_c = logits.gather(1, c if one_class else c.expand(N, 1))
        S_i = logits.gather(1, rivals if one_table else rivals.expand(N, -1))
        return (S_i.softmax(1) * (S_c - alpha * S_i)).sum(1)

    return answer


def largest_in_place(logits, c, rivals, alpha):
    logits -= logits.detach().max(dim=1, keepdim=True).values
    return contrast()(logits, c, rivals, alpha)


contrast_score.wrongs(
    columns_of_all_images=(columns_of_all_images(1), COLUMNS),
    columns_of_all_images_last_axis=(columns_of_all_images(-1), COLUMNS),
    columns_for_class_and_rivals=(
        lambda logits, c, rivals, alpha: (
            lambda S_i: (S_i.softmax(1) * (logits[:, c] - alpha * S_i)).sum(1)
        )(logits[:, rivals]),
        COLUMNS,
    ),
    index_of_one_axis=(
        lambda logits, c, rivals, alpha: (
            lambda S_i: (S_i.softmax(1) * (of_class(logits, c)[:, None] - alpha * S_i)).sum(1)
        )(logits.gather(1, torch.as_tensor(rivals))),
        "gather needs an index with as many axes as the logits. Make a table of a list of rivals: "
        "torch.as_tensor(rivals).expand(N, -1).",
    ),
    rivals_without_expand=(without_expand(False, True), ONE_ROW),
    class_without_expand=(
        without_expand(True, False),
        "gather gives as many rows as its index has. One class for all gave the logit of the first "
        "image only. Make N classes first, with .expand(N).",
    ),
    both_without_expand=(without_expand(True, True), ONE_ROW),
    made_finite=(
        lambda *args: torch.nan_to_num(
            contrast(lambda S, S_i, i: share(S.softmax(1).gather(1, i)))(*args)
        ),
        HIDDEN,
    ),
    alpha_in_the_weights=(
        lambda logits, c, rivals, alpha: contrast(lambda S, S_i, i: (alpha * S_i).softmax(1))(
            logits, c, rivals, alpha
        ),
        "α is inside of your softmax. The weights are those of the network, without α.",
    ),
    logits_changed=(largest_in_place, IN_PLACE),
    class_without_an_axis=(
        lambda logits, c, rivals, alpha: (
            lambda S_i: S_i.softmax(1) * (of_class(logits, c) - alpha * S_i)
        )(parts_of(logits, c, rivals)[1]).sum(1),
        "S_c has the shape (N,), S_i (N, R): the two do not fit. Give S_c an axis: `S_c[:, None]`.",
    ),
)
contrast_score.accepts_all(
    class_first=lambda logits, c, rivals, alpha: (
        of_class(logits, c)
        - alpha * (lambda S: (S.softmax(1) * S).sum(1))(parts_of(logits, c, rivals)[1])
    ),
    float64_and_the_formula=lambda logits, c, rivals, alpha: contrast(
        lambda S, S_i, i: share(S.softmax(1).gather(1, i))
    )(logits.double(), c, rivals, alpha),
    exponentials_of_log_probabilities=contrast(
        lambda S, S_i, i: (
            S.log_softmax(1).gather(1, i) - S.log_softmax(1).gather(1, i).logsumexp(1, keepdim=True)
        ).exp()
    ),
)


@contrast_score.accepts
def image_by_image(logits, c, rivals, alpha):
    classes = torch.as_tensor(c).expand(len(logits)).tolist()
    table = torch.as_tensor(rivals).expand(len(logits), -1).tolist()
    found = []
    for S, k, others in zip(logits, classes, table, strict=True):
        p = S[others].softmax(0)
        found.append(sum(w * (S[k] - alpha * S[i]) for w, i in zip(p, others, strict=True)))
    return torch.stack(found)


def test_lesson(proof):
    proof()
