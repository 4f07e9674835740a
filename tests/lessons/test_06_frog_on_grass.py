"""Lesson 6, checked: energy on the object, accuracy by group, the shortcut gap, what goes with what."""

from __future__ import annotations

import numpy as np
import torch

from camlite.course import Case, Exercise, normal


def block(shape, top, bottom, left, right):
    """A mask with one rectangle."""
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def called(answer, *arguments):
    """The answer's result, and whether it left its arguments alone.

    PyTorch raises NotImplementedError for the mean of truth values. That is a learner's mistake,
    not an exercise that is not written yet, so it gets another name.
    """
    before = [t.clone() for t in arguments]
    try:
        found = answer(*arguments)
    except NotImplementedError as error:
        if str(error).startswith("Exercise"):
            raise
        text = f"{error}. Truth values and whole numbers have no mean: use .float() first."
        raise TypeError(text).with_traceback(error.__traceback__) from None
    same = all(torch.equal(a, b) for a, b in zip(before, arguments, strict=True))
    return found, "left alone" if same else "changed"


# ------------------------------------------------------------------ 6.1

energy_inside = Exercise(
    "6.1",
    "energy_inside",
    formula="Σ_mask M⁺ / Σ M⁺,  M⁺ = max(M, 0); 0 where M⁺ = 0 everywhere",
    hints=(
        "Which share of the evidence FOR the class lies on the mask? Evidence against the class is "
        "left out, on the mask and outside.",
        "Σ_mask M⁺ / Σ M⁺, for each image, with M⁺ = max(M, 0). Where no value of a map is positive, "
        "the denominator is 0 and the answer is 0.",
        "Clamp M at 0. Sum it over the last two axes, once multiplied by the mask and once whole. "
        "Divide, and let torch.where choose 0 where the whole is 0.",
    ),
)


@energy_inside.cases
def _(rng):
    masks = torch.stack(
        [block((5, 7), 1, 4, 0, 3), block((5, 7), 0, 2, 2, 7), block((5, 7), 2, 5, 3, 5)]
    )
    M = normal(rng, 3, 5, 7)
    yield Case("three signed maps of 5×7", M + 0.3, masks)
    nothing = -M[1].abs() - 0.1
    yield Case(
        "the second map has no positive value", torch.stack([M[0] + 0.2, nothing, M[2]]), masks
    )
    yield Case("one map of 4×3, only zeros", torch.zeros(1, 4, 3), block((4, 3), 1, 3, 0, 2)[None])
    yield Case("very small values", (normal(rng, 2, 5, 7) + 0.5) * 1e-6, masks[:2])
    yield Case("the mask covers the whole image", normal(rng, 1, 5, 7) + 0.4, masks[:1] | True)


@energy_inside.reference
def _(M, mask):
    shares = []
    for m, inside in zip(M.clamp(min=0), mask, strict=True):
        shares.append(m[inside].sum() / m.sum() if m.sum() > 0 else torch.tensor(0.0))
    return torch.stack(shares)


def share(part, whole):
    return torch.where(whole > 0, part / whole.where(whole > 0, torch.ones_like(whole)), 0.0)


@energy_inside.wrong(
    "You kept the negative values. Evidence for and against then cancel in the sums, and the share "
    "can leave the range from 0 to 1."
)
def negative_values_kept(M, mask):
    whole = M.sum((1, 2))
    return torch.where(
        whole != 0, (M * mask).sum((1, 2)) / whole.where(whole != 0, torch.ones_like(whole)), 0.0
    )


@energy_inside.wrong(
    "You kept the negative values. Evidence for and against then cancel in the sums, and the share "
    "can leave the range from 0 to 1. And a map of zeros gave NaN."
)
def negative_values_kept_and_nan(M, mask):
    return (M * mask).sum((1, 2)) / M.sum((1, 2))


@energy_inside.wrong(
    "You took absolute values: evidence against the class counts as if it spoke for the class."
)
def absolute_values(M, mask):
    return share((M.abs() * mask).sum((1, 2)), M.abs().sum((1, 2)))


@energy_inside.wrong(
    "You scaled each map to [0, 1] first. That lifts all values by the minimum, so that places "
    "without any evidence get energy too."
)
def scaled_by_minmax(M, mask):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    M = torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))
    return share((M * mask).sum((1, 2)), M.sum((1, 2)))


@energy_inside.wrong(
    "A map without positive values gave NaN: 0 divided by 0. It has no energy anywhere; return 0."
)
def empty_map_is_nan(M, mask):
    M = M.relu()
    return (M * mask).sum((1, 2)) / M.sum((1, 2))


@energy_inside.wrong(
    "You divided by the energy of all images together. Each map has its own total."
)
def one_total_for_all(M, mask):
    M = M.relu()
    whole = M.sum()
    return (M * mask).sum((1, 2)) / (whole if whole > 0 else 1.0)


@energy_inside.wrong("This is the energy outside the mask. The mask marks the pixels that count.")
def outside_instead_of_inside(M, mask):
    M = M.relu()
    return share((M * ~mask).sum((1, 2)), M.sum((1, 2)))


@energy_inside.wrong(
    "This is the mean of the map on the mask. Energy is a share: divide by the sum of the whole map."
)
def mean_on_the_mask(M, mask):
    return (M.relu() * mask).sum((1, 2)) / mask.sum((1, 2))


@energy_inside.wrong(
    "You divided the mean on the mask by the mean of the map. That measures how dense the evidence "
    "is (we use it below), but energy is the share itself, with sums."
)
def density_instead_of_share(M, mask):
    M = M.relu()
    return share((M * mask).sum((1, 2)) / mask.sum((1, 2)), M.mean((1, 2)))


@energy_inside.wrong(
    "You counted the pixels with positive evidence. Energy counts how strong they are."
)
def pixels_counted(M, mask):
    M = (M > 0).float()
    return share((M * mask).sum((1, 2)), M.sum((1, 2)))


@energy_inside.wrong(
    "A small number in the denominator changes maps with small values. Test whether the total is 0 "
    "instead of adding an epsilon."
)
def epsilon_in_denominator(M, mask):
    M = M.relu()
    return (M * mask).sum((1, 2)) / (M.sum((1, 2)) + 1e-6)


@energy_inside.wrong(
    "This asks only whether the maximum lies on the mask: the pointing game. Energy looks at the "
    "whole map."
)
def maximum_on_the_mask(M, mask):
    at = M.flatten(1).argmax(1)
    return mask.flatten(1).gather(1, at[:, None])[:, 0].float()


@energy_inside.wrong(
    "There is one number for all images together. Each image has its own share: keep the first axis."
)
def one_number_for_all(M, mask):
    M = M.relu()
    whole = M.sum()
    return (M * mask).sum() / whole if whole > 0 else whole


@energy_inside.wrong(
    "You took the mean on the mask and the mean beside it. Two means forget how many pixels they "
    "stand for: a share needs the sums."
)
def share_of_two_means(M, mask):
    P = M.relu()
    on = (P * mask).sum((1, 2)) / mask.sum((1, 2)).clamp_min(1)
    off = (P * ~mask).sum((1, 2)) / (~mask).sum((1, 2)).clamp_min(1)
    return share(on, on + off)


@energy_inside.accepts
def means_of_whole_maps(M, mask):  # both over all pixels: the number of pixels cancels
    P = M.relu()
    return share((P * mask).mean((1, 2)), P.mean((1, 2)))


@energy_inside.accepts
def multiply_and_nan_to_num(M, mask):
    P = torch.clamp(M, min=0).flatten(1)
    return torch.nan_to_num((P * mask.flatten(1)).sum(1) / P.sum(1))


@energy_inside.accepts
def einsum(M, mask):
    P = M * (M > 0)
    inside, whole = torch.einsum("nxy,nxy->n", P, mask.float()), torch.einsum("nxy->n", P)
    whole[whole == 0] = 1
    return inside / whole


@energy_inside.accepts
def numpy_answer(M, mask):
    P = np.maximum(M.numpy(), 0)
    inside, whole = np.where(mask.numpy(), P, 0).sum((1, 2)), P.sum((1, 2))
    return np.divide(inside, whole, out=np.zeros_like(inside), where=whole > 0)


@energy_inside.accepts
def one_after_the_other(M, mask):
    found = torch.zeros(len(M))
    for n in range(len(M)):
        positive = M[n] > 0
        if positive.any():
            found[n] = M[n][positive & mask[n]].sum() / M[n][positive].sum()
    return found


# ------------------------------------------------------------------ 6.2

accuracy_by_group = Exercise(
    "6.2",
    "accuracy_by_group",
    formula="accuracy(g) = (right answers in group g) / (images in group g)",
    hints=(
        "One accuracy for each group that occurs. The answer is right where the largest logit is the "
        "label.",
        "right = (argmax over the classes == label), one truth value for each image. accuracy(g) is "
        "the mean of right over the images with groups == g.",
        "Go through groups.unique().tolist(). For each of these numbers take the mean of right (as "
        "float) where groups equals it, and store it in a dict under that number.",
    ),
)


def logits_for(rng, labels, right, classes):
    """Negative logits whose largest is the label where `right` says so, and another elsewhere."""
    logits = -normal(rng, len(labels), classes).abs() - 2
    shift = torch.randint(1, classes, (len(labels),), generator=rng)
    winner = torch.where(right, labels, (labels + shift) % classes)
    logits[torch.arange(len(labels)), winner] = -1 + 0.5 * torch.rand(len(labels), generator=rng)
    return logits


@accuracy_by_group.cases
def _(rng):
    groups = torch.tensor([7, 2, 11, 7, 7, 2, 11, 7, 2, 7])
    right = torch.tensor([1, 0, 0, 1, 0, 1, 0, 1, 0, 1]).bool()
    labels = torch.tensor([0, 3, 2, 1, 1, 4, 4, 2, 0, 3])
    yield Case(
        "groups 7, 2 and 11; one of them is never right",
        logits_for(rng, labels, right, 5),
        labels,
        groups,
    )
    order = torch.randperm(9, generator=rng)
    groups = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 3])[order]
    right = torch.tensor([1, 1, 1, 1, 1, 0, 0, 1, 1]).bool()[order]
    labels = torch.randint(0, 3, (9,), generator=rng)
    yield Case(
        "groups of six, two and one image; there is no group 2",
        logits_for(rng, labels, right, 3),
        labels,
        groups,
    )
    labels = torch.tensor([1])
    yield Case(
        "one image", logits_for(rng, labels, torch.tensor([True]), 4), labels, torch.tensor([5])
    )


@accuracy_by_group.probe
def _(answer, logits, labels, groups):
    """Keys of NumPy's integer types are as good as Python's; tensors are not: d[3] finds none."""

    def plain(found):
        if not isinstance(found, dict):
            return found
        return {int(k) if isinstance(k, np.integer) else k: v for k, v in found.items()}

    found, arguments = called(answer, logits, labels, groups)
    return {"result": plain(found), "arguments": arguments}


@accuracy_by_group.reference
def _(logits, labels, groups):
    right = logits.argmax(dim=1) == labels
    return {g: right[groups == g].float().mean().item() for g in sorted(set(groups.tolist()))}


def by_group(values, groups):
    return {g: float(values[groups == g].float().mean()) for g in groups.unique().tolist()}


@accuracy_by_group.wrong(
    "Every group got the accuracy of all images. Look only at the images of the group."
)
def same_for_all(logits, labels, groups):
    right = (logits.argmax(1) == labels).float()
    return {g: float(right.mean()) for g in groups.unique().tolist()}


@accuracy_by_group.wrong(
    "You counted the right answers. Accuracy is their share: divide by the images of the group."
)
def counts(logits, labels, groups):
    right = logits.argmax(1) == labels
    return {g: int(right[groups == g].sum()) for g in groups.unique().tolist()}


@accuracy_by_group.wrong(
    "You divided by the number of all images. Divide by the number of images in the group, or small "
    "groups can never be good."
)
def divided_by_all(logits, labels, groups):
    right = (logits.argmax(1) == labels).float()
    return {g: float(right[groups == g].sum() / len(right)) for g in groups.unique().tolist()}


@accuracy_by_group.wrong(
    "You sorted the images by their label. The groups come as an argument of their own."
)
def labels_as_groups(logits, labels, groups):
    return by_group(logits.argmax(1) == labels, labels)


@accuracy_by_group.wrong(
    "You compared the prediction with the group. An answer is right where it equals the label."
)
def compared_with_group(logits, labels, groups):
    return by_group(logits.argmax(1) == groups, groups)


@accuracy_by_group.wrong(
    "A group without images is in your dict. Nobody knows the accuracy there: leave it out."
)
def empty_groups(logits, labels, groups):
    right = (logits.argmax(1) == labels).float()
    return {
        g: float(right[groups == g].mean()) if (groups == g).any() else 0.0
        for g in range(int(groups.max()) + 1)
    }


@accuracy_by_group.wrong("These are percent. Give shares from 0 to 1.")
def percent(logits, labels, groups):
    return {g: 100 * v for g, v in by_group(logits.argmax(1) == labels, groups).items()}


@accuracy_by_group.wrong("These are the shares of wrong answers, the error rates.")
def error_rates(logits, labels, groups):
    return by_group(logits.argmax(1) != labels, groups)


@accuracy_by_group.wrong(
    "The keys of your dict are tensors. Two tensors are never the same key, so nobody can look a "
    "group up: make them whole numbers with .tolist() or int()."
)
def keys_are_tensors(logits, labels, groups):
    right = (logits.argmax(1) == labels).float()
    return {g: float(right[groups == g].mean()) for g in groups.unique()}


@accuracy_by_group.wrong(
    "This is only the worst group. Return all of them in a dict; the minimum is taken later."
)
def only_the_worst(logits, labels, groups):
    return min(by_group(logits.argmax(1) == labels, groups).values())


@accuracy_by_group.wrong(
    "You averaged the probability of the true class. Accuracy counts: right or not right."
)
def mean_probability(logits, labels, groups):
    return by_group(logits.softmax(1).gather(1, labels[:, None])[:, 0], groups)


@accuracy_by_group.wrong(
    "A group in which no answer is right is missing. Its accuracy is 0, and it is the worst group."
)
def groups_without_a_right_answer_left_out(logits, labels, groups):
    return {g: v for g, v in by_group(logits.argmax(1) == labels, groups).items() if v > 0}


@accuracy_by_group.wrong(
    "You took the largest value over the images, argmax(0). Each image has its own row of logits: "
    "the classes are axis 1."
)
def argmax_over_the_images(logits, labels, groups):
    best = logits.argmax(0)
    right = torch.stack([best[n % len(best)] == label for n, label in enumerate(labels)])
    return by_group(right, groups)


@accuracy_by_group.accepts
def loop_with_counts(logits, labels, groups):
    hits, seen = {}, {}
    for y, label, g in zip(logits, labels.tolist(), groups.tolist(), strict=True):
        seen[g] = seen.get(g, 0) + 1
        hits[g] = hits.get(g, 0) + (int(y.argmax()) == label)
    return {g: hits[g] / seen[g] for g in seen}


@accuracy_by_group.accepts
def bincount(logits, labels, groups):
    right = (logits.max(dim=1).indices == labels).double()
    seen = torch.bincount(groups)
    hits = torch.bincount(groups, weights=right)
    return {g: (hits[g] / seen[g]).item() for g in range(len(seen)) if seen[g] > 0}


@accuracy_by_group.accepts
def numpy_keys(logits, labels, groups):
    right, groups = (logits.argmax(1) == labels).numpy(), groups.numpy()
    return {g: right[groups == g].mean() for g in np.unique(groups)}


@accuracy_by_group.accepts
def tensors_as_values(logits, labels, groups):
    right = (logits.softmax(1).argmax(1) == labels).float()
    return {int(g): right[groups == g].mean() for g in groups.unique()}


# ------------------------------------------------------------------ 6.3

shortcut_gap = Exercise(
    "6.3",
    "shortcut_gap",
    formula="energy_inside(M, background_mask) − energy_inside(M, object_mask)",
    hints=(
        "You have the tool already: the energy on one mask and the energy on the other mask.",
        "gap = energy on the background minus energy on the object. Both are shares of the whole "
        "map, also where the two masks together do not cover the image.",
        "Call energy_inside twice, once with each mask, and subtract: background first.",
    ),
)


def energy(M, mask):
    M = M.relu()
    return share((M * mask).sum((1, 2)), M.sum((1, 2)))


@shortcut_gap.cases
def _(rng):
    shape = (6, 8)
    objects = torch.stack([block(shape, 1, 4, 2, 5), block(shape, 0, 3, 4, 8)])
    M = normal(rng, 2, *shape) + 0.3
    yield Case("two signed maps; the background is all but the object", M, objects, ~objects)
    rails = torch.stack([block(shape, 4, 6, 0, 8), block(shape, 4, 5, 0, 6)])
    yield Case("only the rails are marked, most pixels belong to neither mask", M, objects, rails)
    yield Case(
        "the second map has no positive value",
        torch.stack([M[0], -M[1].abs() - 0.1]),
        objects,
        rails,
    )
    lit = torch.where(objects[:1], 1.0, -1.0) * (0.1 + normal(rng, 1, *shape).abs())
    yield Case("all evidence lies on the object", lit, objects[:1], rails[:1])


@shortcut_gap.reference
def _(M, object_mask, background_mask):
    gaps = []
    for m, o, b in zip(M.clamp(min=0), object_mask, background_mask, strict=True):
        whole = m.sum()
        gaps.append((m[b].sum() - m[o].sum()) / whole if whole > 0 else torch.tensor(0.0))
    return torch.stack(gaps)


@shortcut_gap.wrong(
    "The sign is turned round. A large gap shall mean: the evidence lies on the background."
)
def object_minus_background(M, object_mask, background_mask):
    return energy(M, object_mask) - energy(M, background_mask)


@shortcut_gap.wrong(
    "You did not use background_mask: not every pixel outside the object belongs to the shortcut."
)
def rest_as_background(M, object_mask, background_mask):
    return energy(M, ~object_mask) - energy(M, object_mask)


@shortcut_gap.wrong(
    "You computed 1 − 2 E(object). That takes all that is not object for background, and it gives a "
    "map without energy the gap 1."
)
def one_minus_twice_the_object(M, object_mask, background_mask):
    return 1 - 2 * energy(M, object_mask)


@shortcut_gap.wrong("This is only the energy on the background. Subtract the energy on the object.")
def background_only(M, object_mask, background_mask):
    return energy(M, background_mask)


@shortcut_gap.wrong(
    "You took the absolute difference. Then nobody sees which of the two won: keep the sign."
)
def absolute_difference(M, object_mask, background_mask):
    return (energy(M, background_mask) - energy(M, object_mask)).abs()


@shortcut_gap.wrong(
    "You divided by the energy on the two masks. Both shares are shares of the whole map, so energy "
    "that lies on neither mask counts too."
)
def share_of_both_masks(M, object_mask, background_mask):
    P = M.relu()
    o, b = (P * object_mask).sum((1, 2)), (P * background_mask).sum((1, 2))
    return torch.where(o + b > 0, (b - o) / (o + b).clamp_min(1e-12), 0.0)


@shortcut_gap.wrong(
    "You divided the two energies. The gap is a difference; a ratio has no value where the object "
    "gets nothing."
)
def ratio(M, object_mask, background_mask):
    o = energy(M, object_mask)
    return torch.where(o > 0, energy(M, background_mask) / o.clamp_min(1e-12), 0.0)


@shortcut_gap.wrong(
    "You kept the negative values. As in exercise 6.1 only positive evidence has energy."
)
def negative_values_kept_in_gap(M, object_mask, background_mask):
    return (M * background_mask).sum((1, 2)) / M.sum((1, 2)) - (M * object_mask).sum(
        (1, 2)
    ) / M.sum((1, 2))


@shortcut_gap.wrong(
    "You compared the mean on one mask with the mean on the other. The gap compares shares of the "
    "energy."
)
def difference_of_means(M, object_mask, background_mask):
    P = M.relu()
    o = (P * object_mask).sum((1, 2)) / object_mask.sum((1, 2))
    return (P * background_mask).sum((1, 2)) / background_mask.sum((1, 2)) - o


@shortcut_gap.wrong(
    "A map without positive values gave NaN. Its energy is 0 everywhere, so its gap is 0."
)
def empty_map_is_nan_in_gap(M, object_mask, background_mask):
    P = M.relu()
    return (P * (background_mask.float() - object_mask.float())).sum((1, 2)) / P.sum((1, 2))


@shortcut_gap.wrong(
    "These are sums of evidence, not shares. Divide by the energy of the whole map, or images with "
    "strong maps cannot be compared with others."
)
def sums_not_shares(M, object_mask, background_mask):
    P = M.relu()
    return (P * background_mask).sum((1, 2)) - (P * object_mask).sum((1, 2))


@shortcut_gap.accepts
def two_energies(M, object_mask, background_mask):
    return energy(M, background_mask) - energy(M, object_mask)


@shortcut_gap.accepts
def signed_mask(M, object_mask, background_mask):
    P = M.clamp(min=0)
    sign = background_mask.to(P.dtype) - object_mask.to(P.dtype)
    return torch.nan_to_num(torch.einsum("nxy,nxy->n", P, sign) / P.sum((1, 2)))


@shortcut_gap.accepts
def numpy_gap(M, object_mask, background_mask):
    P = np.maximum(M.numpy(), 0).reshape(len(M), -1)
    b, o = background_mask.numpy().reshape(P.shape), object_mask.numpy().reshape(P.shape)
    whole = P.sum(1)
    difference = (P * b).sum(1) - (P * o).sum(1)
    return np.divide(difference, whole, out=np.zeros_like(whole), where=whole > 0)


# ------------------------------------------------------------------ 6.4

scene_table = Exercise(
    "6.4",
    "scene_table",
    formula="T[c, k] = (images of class c that show object k) / (images of class c)",
    hints=(
        "One row for each class, one column for each object. Look at all images of one class: in "
        "which share of them is the object?",
        "T[c, k] is the mean of objects[:, k] over the images with label c. There are "
        "labels.max() + 1 rows; a class without images gets zeros.",
        "Make an empty table of zeros. For each class select its rows of objects (as float) and take "
        "the mean over the images, if there are any.",
    ),
)


@scene_table.cases
def _(rng):
    labels = torch.tensor([0, 1, 1, 2, 1, 0, 2, 1, 1])
    objects = torch.rand(9, 4, generator=rng) < 0.5
    objects[:, 0] = labels == 0  # this object goes with class 0 always, and with no other
    objects[:, 3] = True  # this one is everywhere
    objects[0, 1], objects[5, 1] = True, False
    yield Case("nine images, three classes, four objects", labels, objects)
    labels = torch.tensor([3, 0, 3, 0, 3])
    objects = torch.tensor([[1, 0], [1, 1], [1, 1], [0, 0], [0, 1]]).bool()
    yield Case("four classes, but no image of classes 1 and 2", labels, objects)
    labels = torch.randint(0, 2, (12,), generator=rng)
    labels[:3] = torch.tensor([0, 1, 1])
    yield Case("one object, twelve images", labels, torch.rand(12, 1, generator=rng) < 0.6)


@scene_table.probe
def _(answer, labels, objects):
    found, arguments = called(answer, labels, objects)
    return {"result": found, "arguments": arguments}


@scene_table.reference
def _(labels, objects):
    classes = int(labels.max()) + 1
    table = torch.zeros(classes, objects.shape[1])
    for c in range(classes):
        of_class = labels == c
        if of_class.any():
            table[c] = objects[of_class].float().mean(dim=0)
    return table


def counted(labels, objects):
    one_hot = torch.nn.functional.one_hot(labels).float()
    return one_hot.T @ objects.float(), one_hot.sum(0)


@scene_table.wrong("These are counts. A share is wanted: divide by the images of the class.")
def counts_of_images(labels, objects):
    return counted(labels, objects)[0]


@scene_table.wrong(
    "You divided by the number of all images. A class with few images would look as if it had "
    "nothing: divide by the images of the class."
)
def share_of_all_images(labels, objects):
    return counted(labels, objects)[0] / len(labels)


@scene_table.wrong(
    "You turned the question round: of the images with this object, which share has this class? "
    "Most trains stand on rails; that is not the same as: most rails carry a train."
)
def share_of_the_object(labels, objects):
    table, _ = counted(labels, objects)
    return table / table.sum(0).clamp_min(1)


@scene_table.wrong("The table is turned: classes are the rows, objects the columns.")
def transposed(labels, objects):
    table, images = counted(labels, objects)
    return (table / images.clamp_min(1)[:, None]).T


@scene_table.wrong(
    "A class without images gave NaN: 0 divided by 0. Give that class a row of zeros."
)
def missing_class_is_nan(labels, objects):
    table, images = counted(labels, objects)
    return table / images[:, None]


@scene_table.wrong(
    "The classes without images have no row. Row c must belong to class c, so keep a row of zeros."
)
def missing_class_left_out(labels, objects):
    return torch.stack([objects[labels == c].float().mean(0) for c in labels.unique()])


@scene_table.wrong(
    "Each row adds up to 1. But an image can show several objects at once: divide by the number of "
    "images, not by the number of objects."
)
def rows_add_up_to_one(labels, objects):
    table, _ = counted(labels, objects)
    return table / table.sum(1, keepdim=True).clamp_min(1)


@scene_table.wrong(
    "You asked only whether the object occurs at all in the class. One image of a thousand would "
    "count like all of them."
)
def occurs_at_all(labels, objects):
    return (counted(labels, objects)[0] > 0).float()


@scene_table.wrong(
    "The last class has no row. Classes are counted from 0, so there are labels.max() + 1 of them."
)
def one_row_too_few(labels, objects):
    table, images = counted(labels, objects)
    return (table / images.clamp_min(1)[:, None])[:-1]


@scene_table.wrong("These are percent. Give shares from 0 to 1.")
def percent_of_images(labels, objects):
    table, images = counted(labels, objects)
    return 100 * table / images.clamp_min(1)[:, None]


@scene_table.wrong(
    "There is only one number for each class: you took the mean over the objects too. Each object "
    "has its own column."
)
def one_number_per_class(labels, objects):
    table, images = counted(labels, objects)
    return (table / images.clamp_min(1)[:, None]).mean(1)


@scene_table.accepts
def one_hot_product(labels, objects):
    table, images = counted(labels, objects)
    return table / images.clamp_min(1)[:, None]


@scene_table.accepts
def index_add(labels, objects):
    classes = int(labels.max()) + 1
    table = torch.zeros(classes, objects.shape[1]).index_add(0, labels, objects.float())
    return table / torch.bincount(labels).clamp(min=1).unsqueeze(1)


@scene_table.accepts
def numpy_table(labels, objects):
    labels, objects = labels.numpy(), objects.numpy()
    rows = [
        objects[labels == c].mean(0) if (labels == c).any() else np.zeros(objects.shape[1])
        for c in range(labels.max() + 1)
    ]
    return np.stack(rows)


@scene_table.accepts
def image_by_image(labels, objects):
    classes, kinds = int(labels.max()) + 1, objects.shape[1]
    table = torch.zeros(classes, kinds, dtype=torch.float64)
    for label, shown in zip(labels.tolist(), objects, strict=True):
        table[label] += shown
    for c in range(classes):
        table[c] /= max(labels.tolist().count(c), 1)
    return table


def test_lesson(proof):
    proof()
