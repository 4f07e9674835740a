"""Lesson 6, checked: energy on the object, accuracy by group, the shortcut gap, what goes with what."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from camlite.course import Case, Exercise, normal


def block(shape, top, bottom, left, right):
    """A mask with one rectangle."""
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


# ------------------------------------------------------------------ 6.1

energy_inside = Exercise(
    "6.1",
    "energy_inside",
    formula="Σ_mask M⁺ / Σ M⁺,  M⁺ = max(M, 0); 0 where M⁺ = 0 everywhere",
    hints=(
        "Which share of the evidence FOR the class lies on the mask? Evidence against the class is "
        "left out, on the mask and outside.",
        "Σ_mask M⁺ / Σ M⁺, for each image, with M⁺ = max(M, 0). Where no value of a map is "
        "positive, the denominator is 0 and the answer is 0.",
        "Clamp M at 0. Sum it over the last two axes, once multiplied by the mask and once whole. "
        "Divide, and let torch.where choose 0 where the whole is 0.",
    ),
)


@energy_inside.cases
def _(rng):
    places = (1, 4, 0, 3), (0, 2, 2, 7), (2, 5, 3, 5)
    masks = torch.stack([block((5, 7), *place) for place in places])
    M = normal(rng, 3, 5, 7)
    yield Case("three signed maps of 5×7", M + 0.3, masks)
    signed = torch.stack([M[0] + 0.2, -M[1].abs() - 0.1, M[2]])
    yield Case("the second map has no positive value", signed, masks)
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
    return torch.where(whole != 0, part / whole, 0.0)


def evidence(M, mask=1):
    """The sum of the positive values on the mask, for each image."""
    return (M.relu() * mask).sum((1, 2))


def energy(M, mask):
    return share(evidence(M, mask), evidence(M))


def density(M, mask):
    """The mean of the positive values on the mask."""
    return evidence(M, mask) / mask.sum((1, 2))


def share_after(values, divided):
    return lambda M, mask: divided((values(M) * mask).sum((1, 2)), values(M).sum((1, 2)))


energy_inside.products(
    share_after,
    values={
        "positive": (torch.relu, ""),
        "negative_values_kept": (
            lambda M: M,
            "You kept the negative values. Evidence for and against then cancel in the sums, and "
            "the share can leave the range from 0 to 1.",
        ),
        "absolute_values": (
            torch.abs,
            "You took absolute values: evidence against the class counts as if it spoke for the class.",
        ),
    },
    divided={
        "share": (share, ""),
        "empty_map_is_nan": (
            torch.div,
            "A map without positive values gave NaN: 0 divided by 0. It has no energy anywhere; "
            "return 0.",
        ),
        "epsilon_in_denominator": (
            lambda part, whole: part / (whole + 1e-6),
            "A small number in the denominator changes maps with small values. Test whether the "
            "total is 0 instead of adding an epsilon.",
        ),
    },
)
energy_inside.teaches(
    {
        # where the sum of a map is negative, it depends on the test for zero what comes out
        "limit (clamp): left out": "You kept the negative values. Evidence for and against then "
        "cancel in the sums, and the share can leave the range from 0 to 1.",
        "minmax(M)": "You scaled each map to [0, 1] first. That lifts all values by the minimum, "
        "so that places without any evidence get energy too.",
        "sign(M)": "You counted the pixels with positive evidence. Energy counts how strong they are.",
        "not mask": "This is the energy outside the mask. The mask marks the pixels that count.",
    }
)
energy_inside.wrongs(
    one_total_for_all=(
        lambda M, mask: share(evidence(M, mask), M.relu().sum()),
        "You divided by the energy of all images together. Each map has its own total.",
    ),
    one_number_for_all=(
        lambda M, mask: share((M.relu() * mask).sum(), M.relu().sum()),
        "There is one number for all images together. Each image has its own share: keep the first "
        "axis.",
    ),
    sum_on_the_mask=(
        evidence,
        "This is the sum of the map on the mask. Energy is a share: divide by the sum of the whole "
        "map.",
    ),
    inside_by_outside=(
        lambda M, mask: share(evidence(M, mask), evidence(M, ~mask)),
        "You divided by the energy outside the mask. A share is divided by the whole: inside and "
        "outside together.",
    ),
    mean_on_the_mask=(
        density,
        "This is the mean of the map on the mask. Energy is a share: divide by the sum of the "
        "whole map.",
    ),
    density_instead_of_share=(
        lambda M, mask: share(density(M, mask), M.relu().mean((1, 2))),
        "You divided the mean on the mask by the mean of the map. That measures how dense the "
        "evidence is (we use it below), but energy is the share itself, with sums.",
    ),
    share_of_two_means=(
        lambda M, mask: share(density(M, mask), density(M, mask) + density(M, ~mask).nan_to_num()),
        "You took the mean on the mask and the mean beside it. Two means forget how many pixels "
        "they stand for: a share needs the sums.",
    ),
    maximum_on_the_mask=(
        lambda M, mask: mask.flatten(1)[range(len(M)), M.flatten(1).argmax(1)].float(),
        "This asks only whether the maximum lies on the mask: the pointing game. Energy looks at "
        "the whole map.",
    ),
)

energy_inside.accepts_all(
    sums=energy,
    # both means over all pixels: their number cancels
    means_of_whole_maps=lambda M, mask: share(
        (M.relu() * mask).mean((1, 2)), M.relu().mean((1, 2))
    ),
    multiply_and_nan_to_num=lambda M, mask: torch.nan_to_num(
        (M.clamp(min=0) * mask).flatten(1).sum(1) / M.clamp(min=0).flatten(1).sum(1)
    ),
)


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
        "One accuracy for each group that occurs. The answer is right where the largest logit is "
        "the label.",
        "right = (argmax over the classes == label), one truth value for each image. accuracy(g) "
        "is the mean of right over the images with groups == g.",
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
    logits = logits_for(rng, labels, right, 5)
    yield Case("groups 7, 2 and 11; one of them is never right", logits, labels, groups)
    order = torch.randperm(9, generator=rng)
    groups = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 3])[order]
    right = torch.tensor([1, 1, 1, 1, 1, 0, 0, 1, 1]).bool()[order]
    labels = torch.randint(0, 3, (9,), generator=rng)
    logits = logits_for(rng, labels, right, 3)
    yield Case("groups of six, two and one image; there is no group 2", logits, labels, groups)
    labels = torch.tensor([1])
    logits = logits_for(rng, labels, torch.tensor([True]), 4)
    yield Case("one image", logits, labels, torch.tensor([5]))


@accuracy_by_group.probe
def _(answer, logits, labels, groups):
    """Keys of NumPy's integer types are as good as Python's; tensors are not: d[3] finds none."""
    found = answer(logits, labels, groups)
    if isinstance(found, dict):
        found = {int(k) if isinstance(k, np.integer) else k: v for k, v in found.items()}
    return {"result": found}


@accuracy_by_group.reference
def _(logits, labels, groups):
    right = logits.argmax(dim=1) == labels
    return {g: right[groups == g].float().mean().item() for g in sorted(set(groups.tolist()))}


def by_group(values, groups, which=None):
    which = groups.unique().tolist() if which is None else which
    return {g: float(values[groups == g].float().mean()) for g in which}


def right(logits, labels):
    return (logits.argmax(1) == labels).float()


accuracy_by_group.wrongs(
    same_for_all=(
        lambda logits, labels, groups: dict.fromkeys(groups.tolist(), right(logits, labels).mean()),
        "Every group got the accuracy of all images. Look only at the images of the group.",
    ),
    counts=(
        lambda logits, labels, groups: {
            g: right(logits, labels)[groups == g].sum() for g in groups.tolist()
        },
        "You counted the right answers. Accuracy is their share: divide by the images of the group.",
    ),
    divided_by_all=(
        lambda logits, labels, groups: {
            g: (right(logits, labels) * (groups == g)).mean() for g in groups.tolist()
        },
        "You divided by the number of all images. Divide by the number of images in the group, or "
        "small groups can never be good.",
    ),
    labels_as_groups=(
        lambda logits, labels, groups: by_group(right(logits, labels), labels),
        "You sorted the images by their label. The groups come as an argument of their own.",
    ),
    compared_with_group=(
        lambda logits, labels, groups: by_group(right(logits, groups), groups),
        "You compared the prediction with the group. An answer is right where it equals the label.",
    ),
    percent=(
        lambda logits, labels, groups: by_group(100 * right(logits, labels), groups),
        "These are percent. Give shares from 0 to 1.",
    ),
    error_rates=(
        lambda logits, labels, groups: by_group(1 - right(logits, labels), groups),
        "These are the shares of wrong answers, the error rates.",
    ),
    mean_probability=(
        lambda logits, labels, groups: by_group(
            logits.softmax(1)[range(len(labels)), labels], groups
        ),
        "You averaged the probability of the true class. Accuracy counts: right or not right.",
    ),
    keys_are_tensors=(
        lambda logits, labels, groups: by_group(right(logits, labels), groups, groups.unique()),
        "The keys of your dict are tensors. Two tensors are never the same key, so nobody can look "
        "a group up: make them whole numbers with .tolist() or int().",
    ),
    a_list_of_accuracies=(
        lambda logits, labels, groups: list(by_group(right(logits, labels), groups).values()),
        "These are the accuracies without their groups. Return a dict: the number of the group is "
        "the key.",
    ),
    only_the_worst=(
        lambda logits, labels, groups: min(by_group(right(logits, labels), groups).values()),
        "This is only the worst group. Return all of them in a dict; the minimum is taken later.",
    ),
    groups_without_a_right_answer_left_out=(
        lambda logits, labels, groups: by_group(
            right(logits, labels), groups, groups[logits.argmax(1) == labels].tolist()
        ),
        "A group in which no answer is right is missing. Its accuracy is 0, and it is the worst group.",
    ),
)


@accuracy_by_group.wrong(
    "A group without images is in your dict. Nobody knows the accuracy there: leave it out."
)
def empty_groups(logits, labels, groups):
    found = by_group(right(logits, labels), groups)
    return {g: found.get(g, 0.0) for g in range(int(groups.max()) + 1)}


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


@shortcut_gap.cases
def _(rng):
    shape = (6, 8)
    objects = torch.stack([block(shape, 1, 4, 2, 5), block(shape, 0, 3, 4, 8)])
    M = normal(rng, 2, *shape) + 0.3
    yield Case("two signed maps; the background is all but the object", M, objects, ~objects)
    rails = torch.stack([block(shape, 4, 6, 0, 8), block(shape, 4, 5, 0, 6)])
    yield Case("only the rails are marked, most pixels belong to neither mask", M, objects, rails)
    signed = torch.stack([M[0], -M[1].abs() - 0.1])
    yield Case("the second map has no positive value", signed, objects, rails)
    lit = torch.where(objects[:1], 1.0, -1.0) * (0.1 + normal(rng, 1, *shape).abs())
    yield Case("all evidence lies on the object", lit, objects[:1], rails[:1])


@shortcut_gap.reference
def _(M, object_mask, background_mask):
    gaps = []
    for m, o, b in zip(M.clamp(min=0), object_mask, background_mask, strict=True):
        whole = m.sum()
        gaps.append((m[b].sum() - m[o].sum()) / whole if whole > 0 else torch.tensor(0.0))
    return torch.stack(gaps)


shortcut_gap.teaches(
    {
        "result: neg": "The sign is turned round. A large gap shall mean: the evidence lies on the "
        "background.",
        "difference: only first": "This is only the energy on the background. Subtract the energy "
        "on the object.",
        # the difference on the two masks, below
        "quotient: only first": "These are sums of evidence, not shares. Divide by the energy of "
        "the whole map, or images with strong maps cannot be compared with others.",
        "limit (clamp): left out": "You kept the negative values. As in exercise 6.1 only positive "
        "evidence has energy.",
    }
)
shortcut_gap.wrongs(
    rest_as_background=(
        lambda M, object_mask, background_mask: energy(M, ~object_mask) - energy(M, object_mask),
        "You did not use background_mask: not every pixel outside the object belongs to the shortcut.",
    ),
    one_minus_twice_the_object=(
        lambda M, object_mask, background_mask: 1 - 2 * energy(M, object_mask),
        "You computed 1 − 2 E(object). That takes all that is not object for background, and it "
        "gives a map without energy the gap 1.",
    ),
    absolute_difference=(
        lambda M, object_mask, background_mask: (
            energy(M, background_mask) - energy(M, object_mask)
        ).abs(),
        "You took the absolute difference. Then nobody sees which of the two won: keep the sign.",
    ),
    share_of_both_masks=(
        lambda M, object_mask, background_mask: share(
            evidence(M, background_mask) - evidence(M, object_mask),
            evidence(M, object_mask | background_mask),
        ),
        "You divided by the energy on the two masks. Both shares are shares of the whole map, so "
        "energy that lies on neither mask counts too.",
    ),
    ratio=(
        lambda M, object_mask, background_mask: share(
            energy(M, background_mask), energy(M, object_mask)
        ),
        "You divided the two energies. The gap is a difference; a ratio has no value where the "
        "object gets nothing.",
    ),
    difference_of_means=(
        lambda M, object_mask, background_mask: (
            density(M, background_mask) - density(M, object_mask)
        ),
        "You compared the mean on one mask with the mean on the other. The gap compares shares of "
        "the energy.",
    ),
    empty_map_is_nan_in_gap=(
        lambda M, object_mask, background_mask: (
            (evidence(M, background_mask) - evidence(M, object_mask)) / evidence(M)
        ),
        "A map without positive values gave NaN. Its energy is 0 everywhere, so its gap is 0.",
    ),
)

shortcut_gap.accepts_all(
    two_energies=lambda M, object_mask, background_mask: (
        energy(M, background_mask) - energy(M, object_mask)
    ),
    one_difference=lambda M, object_mask, background_mask: share(
        evidence(M, background_mask) - evidence(M, object_mask), evidence(M)
    ),
)


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
        "T[c, k] is the mean of objects[:, k] over the images with label c. There are labels.max() "
        "+ 1 rows; a class without images gets zeros.",
        "Make an empty table of zeros. For each class select its rows of objects (as float) and "
        "take the mean over the images, if there are any.",
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
    """How many images of each class show each object, and how many there are: a column."""
    one_hot = functional.one_hot(labels).float()
    return one_hot.T @ objects.float(), one_hot.sum(0)[:, None]


def shares(labels, objects):
    table, images = counted(labels, objects)
    return table / images.clamp_min(1)


scene_table.teaches(
    {
        "result: transpose": "The table is turned: classes are the rows, objects the columns.",
        "result: mean 1": "There is only one number for each class: you took the mean over the "
        "objects too. Each object has its own column.",
    }
)
scene_table.wrongs(
    counts_of_images=(
        lambda labels, objects: counted(labels, objects)[0],
        "These are counts. A share is wanted: divide by the images of the class.",
    ),
    share_of_all_images=(
        lambda labels, objects: counted(labels, objects)[0] / len(labels),
        "You divided by the number of all images. A class with few images would look as if it had "
        "nothing: divide by the images of the class.",
    ),
    share_of_the_object=(
        lambda labels, objects: counted(labels, objects)[0] / objects.sum(0).clamp_min(1),
        "You turned the question round: of the images with this object, which share has this "
        "class? Most trains stand on rails; that is not the same as: most rails carry a train.",
    ),
    rows_add_up_to_one=(
        lambda labels, objects: functional.normalize(counted(labels, objects)[0], p=1, dim=1),
        "Each row adds up to 1. But an image can show several objects at once: divide by the "
        "number of images, not by the number of objects.",
    ),
    last_image_of_each_class=(
        lambda labels, objects: torch.stack(
            [objects[labels == c][-1:].sum(0) for c in range(int(labels.max()) + 1)]
        ),
        "Each image replaced the row of its class, so only the last image of each class is left. "
        "Take the mean over all of them.",
    ),
    occurs_at_all=(
        lambda labels, objects: shares(labels, objects).ceil(),
        "You asked only whether the object occurs at all in the class. One image of a thousand "
        "would count like all of them.",
    ),
    percent_of_images=(
        lambda labels, objects: 100 * shares(labels, objects),
        "These are percent. Give shares from 0 to 1.",
    ),
    missing_class_is_nan=(
        lambda labels, objects: torch.div(*counted(labels, objects)),
        "A class without images gave NaN: 0 divided by 0. Give that class a row of zeros.",
    ),
    missing_class_left_out=(
        lambda labels, objects: shares(labels, objects)[labels.unique()],
        "The classes without images have no row. Row c must belong to class c, so keep a row of zeros.",
    ),
    one_row_too_few=(
        lambda labels, objects: shares(labels, objects)[:-1],
        "The last class has no row. Classes are counted from 0, so there are labels.max() + 1 of them.",
    ),
)

scene_table.accepts_all(one_hot_product=shares)


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
