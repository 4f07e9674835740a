"""Lesson 4, checked: the largest value of a map, shifted rows, differences of maps, another head."""

from __future__ import annotations

import copy
import itertools
from collections import OrderedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from camlite.course import Case, Exercise, normal
from camlite.course.observe import NOTHING
from camlite.course.state import changes, condition

# ------------------------------------------------------------------ 4.1

global_max_pool = Exercise(
    "4.1",
    "global_max_pool",
    formula="GMP_k = max_xy F_k[x, y]",
    hints=(
        "Each map (h, w) becomes one number, its largest value. The images and the channels stay "
        "apart.",
        "Of the four axes n, k, x, y the last two disappear. It is exercise 2.1 with another word "
        "for the mean.",
        "Call amax on F with dim=(2, 3). (max takes only one axis and returns a pair.)",
    ),
)


@global_max_pool.cases
def _(rng):
    yield Case("two images, three maps of 5×7", normal(rng, 2, 3, 5, 7))
    yield Case("one image, one map", normal(rng, 1, 1, 4, 2))
    yield Case("only negative values", -normal(rng, 3, 2, 2, 3).abs() - 1)
    yield Case("square maps", normal(rng, 4, 4, 4, 4))
    dead = 1e4 * normal(rng, 2, 3, 2, 5)
    dead[:, 1] = 0
    yield Case("a map without any answer, huge values", dead)


@global_max_pool.reference
def _(F):
    N, K = F.shape[:2]
    return torch.stack([torch.stack([F[n, k].max() for k in range(K)]) for n in range(N)])


global_max_pool.wrongs(
    mean=(
        lambda F: F.mean((2, 3)),
        "You took the mean. That is global average pooling, exercise 2.1; here the largest value "
        "of each map is wanted.",
    ),
    sum_of_the_map=(
        lambda F: F.sum((2, 3)),
        "You took the sum. Global max pooling keeps the one largest value of each map.",
    ),
    minimum=(lambda F: F.amin((2, 3)), "You took the smallest value of each map."),
    largest_size=(
        lambda F: F.abs().amax((2, 3)),
        "You took the largest size, without its sign. A map with only negative values has a "
        "negative maximum.",
    ),
    never_below_zero=(
        lambda F: F.amax((2, 3)).relu(),
        "You cut off negative values, or your maximum starts at 0. A map with only negative values "
        "has a negative maximum.",
    ),
    place_of_the_maximum=(
        lambda F: F.flatten(2).argmax(2),
        "You give the place of the largest value. The value itself is wanted.",
    ),
    maximum_of_each_row=(
        lambda F: F.amax(3),
        "You took the maximum of each row. Global means: over rows and columns.",
    ),
    maximum_of_each_column=(
        lambda F: F.amax(2),
        "You took the maximum of each column. Global means: over rows and columns.",
    ),
    over_the_channels=(
        lambda F: F.amax(1),
        "You took the maximum over the channels. Each channel keeps its own number; rows and "
        "columns disappear.",
    ),
    channels_last=(
        lambda F: F.amax((1, 2)),
        "You took the maximum over axes 1 and 2, as if the channels came last. Here they are axis "
        "1: take axes 2 and 3.",
    ),
    one_number_for_each_image=(
        lambda F: F.amax((1, 2, 3)),
        "There is one number for each image: you took the maximum over the channels too. Each "
        "channel keeps its own.",
    ),
    one_number_for_each_channel=(
        lambda F: F.amax((0, 2, 3)),
        "You took the maximum over the images too. Each image has its own numbers.",
    ),
    one_number_for_all=(
        lambda F: F.max(),
        "This is the largest of all values, one number. Each map of each image has its own maximum: "
        "only the last two axes disappear.",
    ),
    axes_of_length_one=(
        lambda F: F.amax((2, 3), keepdim=True),
        "The two axes of the place are still there, with length 1. The result has shape (N, K).",
    ),
    pair_of_values_and_places=(
        lambda F: tuple(F.flatten(2).max(2)),
        "max(dim=…) returns a pair: the values, and where they are. Take .values, or use amax.",
    ),
    maximum_of_the_means=(
        lambda F: F.mean(3).amax(2),
        "You averaged along one axis before you took the maximum. No value is averaged here.",
    ),
)

global_max_pool.accepts_all(
    two_axes=lambda F: F.amax(dim=(2, 3)),
    pooling_layer=lambda F: nn.AdaptiveMaxPool2d(1)(F).flatten(1),
    one_axis_after_the_other=lambda F: F.max(3).values.max(2)[0],
    numpy_max=lambda F: F.numpy().max((2, 3)),
    sorted_values=lambda F: F.flatten(2).sort(2).values[..., -1],
    large_window=lambda F: functional.max_pool2d(F, F.shape[2:])[:, :, 0, 0],
    gathered=lambda F: F.flatten(2).gather(2, F.flatten(2).argmax(2, keepdim=True))[..., 0],
)

# ------------------------------------------------------------------ 4.2

shift_class_rows = Exercise(
    "4.2",
    "shift_class_rows",
    formula="W'[c, k] = W[c, k] + v[k]",
    hints=(
        "Each class owns one row of W. To each row the same vector is added.",
        "W is (C, K) and v is (K,). W'[c, k] = W[c, k] + v[k]: the number that is added depends on "
        "the channel, not on the class.",
        "Add v to W with +. PyTorch lines up the last axes, so v meets every row. Do not use +=.",
    ),
)


@shift_class_rows.cases
def _(rng):
    yield Case("four classes, six channels", normal(rng, 4, 6), normal(rng, 6))
    yield Case("as many classes as channels", normal(rng, 5, 5), normal(rng, 5))
    yield Case("one class, three channels", normal(rng, 1, 3), normal(rng, 3))
    yield Case("one channel, huge values", 1e4 * normal(rng, 3, 1), 1e4 * normal(rng, 1))
    yield Case("very small values, a zero in v", 1e-3 * normal(rng, 3, 2), torch.tensor([0, 2e-3]))


@shift_class_rows.reference
def _(W, v):
    C, K = W.shape
    return torch.stack([torch.stack([W[c, k] + v[k] for k in range(K)]) for c in range(C)])


def only_row(c):
    return lambda W, v: torch.cat([W[:c], W[c : c + 1] + v, W[c:][1:]])


shift_class_rows.wrongs(
    one_number_for_each_class=(
        lambda W, v: W + v[torch.arange(len(W)) % len(v), None],
        "You added one number to each row, another one for each class. The vector v has one number "
        "for each channel, and goes to every row as it is.",
    ),
    v_as_a_column=(
        lambda W, v: W + v[:, None],
        "You made a column of v. Then it fits the classes, not the channels. v lies along the rows: "
        "W + v is enough.",
    ),
    product_with_v=(
        lambda W, v: W @ v,
        "This is one number for each class, the product of its row with v. The rows stay rows: "
        "v is added to each.",
    ),
    subtracted=(lambda W, v: W - v, "You subtracted v. It is added to every row."),
    multiplied=(
        lambda W, v: W * v,
        "You multiplied the rows by v. It is added. (A product would change the probabilities.)",
    ),
    first_row_only=(
        only_row(0),
        "You shifted the first row only. Then the first logit moves alone, and the probabilities "
        "change. Add v to every row.",
    ),
    last_row_only=(
        lambda W, v: only_row(len(W) - 1)(W, v),
        "You shifted the last row only. Then the last logit moves alone, and the probabilities "
        "change. Add v to every row.",
    ),
    mean_of_v=(
        lambda W, v: W + v.mean(),
        "You added one number, the mean of v, to all weights. Each channel has its own number.",
    ),
    sum_of_v=(
        lambda W, v: W + v.sum(),
        "You added one number, the sum of v, to all weights. Each channel has its own number.",
    ),
    more_for_each_row=(
        lambda W, v: W + v * torch.arange(1, len(W) + 1)[:, None],
        "The shift grows from row to row, as if v were added again and again. Each row gets v once.",
    ),
    rows_replaced=(
        lambda W, v: v.expand_as(W).clone(),
        "Every row is v now, and the weights are gone. Add v to them.",
    ),
    nothing_added=(
        lambda W, v: W.clone(),
        "This is W as it was. v is not added.",
    ),
    turned_round=(
        lambda W, v: (W + v).T,
        "The result is turned round: classes are the rows, channels the columns.",
    ),
    centred=(
        lambda W, v: W + v - (W + v).mean(0),
        "You subtracted the mean of the rows afterwards: that takes the shift out again.",
    ),
)


@shift_class_rows.wrong(
    "The numbers are right, but you wrote them into W itself (+= or W[:] = …): the network that owns W "
    "is another one now. Make a new tensor: W + v."
)
def written_into_w(W, v):
    W += v
    return W


shift_class_rows.accepts_all(
    plus=lambda W, v: W + v,
    with_an_axis=lambda W, v: W.add(v[None, :]),
    outer_product=lambda W, v: W + torch.ones(len(W), 1) @ v[None],
    numpy_sum=lambda W, v: W.numpy() + v.numpy(),
    row_by_row=lambda W, v: torch.stack([row.double() + v.double() for row in W]),
    einsum=lambda W, v: W + torch.einsum("c,k->ck", torch.ones(len(W)), v),
)


@shift_class_rows.accepts
def copied_first(W, v):
    shifted = W.clone()
    for c in range(len(shifted)):
        shifted[c] += v
    return shifted


# ------------------------------------------------------------------ 4.3

class_difference_map = Exercise(
    "4.3",
    "class_difference_map",
    formula="D[x, y] = M_c[x, y] − M_d[x, y] = Σ_k (W[c, k] − W[d, k]) F_k[x, y]",
    hints=(
        "One class activation map minus another one, place by place. Or subtract the two rows "
        "first: the sum is the same.",
        "D[n, x, y] = Σ_k (W[c, k] − W[d, k]) F[n, k, x, y]. c and d may each be an int for all "
        "images, or hold one class for each image; then W[c] has shape (N, K).",
        "Make N classes of c and of d with torch.as_tensor(…).expand(len(F)). Subtract W at d from "
        "W at c, and sum the channels as in exercise 3.1. No ReLU.",
    ),
)


@class_difference_map.cases
def _(rng):
    F, W = normal(rng, 2, 4, 5, 7), normal(rng, 4, 4)
    yield Case("two images, maps of 5×7, the same two classes for both", F, W, 3, 1)
    c, d = torch.tensor([2, 0, 1]), torch.tensor([0, 2, 4])
    yield Case("two classes for each image", normal(rng, 3, 3, 2, 3), normal(rng, 5, 3), c, d)
    F, W = normal(rng, 3, 6, 2, 3).abs(), normal(rng, 5, 6)
    yield Case("an int and a class for each image", F, W, 2, torch.tensor([4, 0, 1]))
    c = torch.tensor([1, 2])
    yield Case(
        "the second image has the same class twice",
        normal(rng, 2, 3, 4, 2),
        normal(rng, 3, 3),
        c,
        2,
    )
    yield Case("one channel, one image", normal(rng, 1, 1, 3, 2), normal(rng, 3, 1), 0, 2)
    F = 1e4 * normal(rng, 2, 3, 4, 2)
    F[:, 1] = 0
    yield Case("a dead channel, huge values", F, normal(rng, 4, 3), 1, torch.tensor([3, 0]))


@class_difference_map.reference
def _(F, W, c, d):
    return maps(F, W, c) - maps(F, W, d)


def rows(F, W, c):
    """W[c] for each image: (N, K)."""
    return W[torch.as_tensor(c).expand(len(F))]


def maps(F, W, c):
    return torch.stack([torch.tensordot(w, f, 1) for w, f in zip(rows(F, W, c), F, strict=True)])


def difference(F, W, c, d):
    return maps(F, W, c) - maps(F, W, d)


def scaled(M):
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), 0.0)


class_difference_map.wrongs(
    other_way_round=(
        lambda F, W, c, d: difference(F, W, d, c),
        "The sign is turned round. Take M_c minus M_d: positive where a place speaks for c rather "
        "than d.",
    ),
    negative_cut_off=(
        lambda F, W, c, d: difference(F, W, c, d).relu(),
        "You cut the negative values off. There is no ReLU: a negative value says that this place "
        "speaks for d rather than c.",
    ),
    without_its_sign=(
        lambda F, W, c, d: difference(F, W, c, d).abs(),
        "You took the size of the difference. Its sign says for which of the two classes a place "
        "speaks.",
    ),
    relu_of_each_map=(
        lambda F, W, c, d: maps(F, W, c).relu() - maps(F, W, d).relu(),
        "You cut the negative values of each map off before you subtracted. A shift of the rows "
        "changes these maps, so it would change their difference too. Subtract the signed maps.",
    ),
    each_map_scaled_first=(
        lambda F, W, c, d: scaled(maps(F, W, c)) - scaled(maps(F, W, d)),
        "You scaled each map to [0, 1] before you subtracted. Then the two have different units, "
        "and their difference has none. Subtract the raw maps.",
    ),
    scaled_afterwards=(
        lambda F, W, c, d: scaled(difference(F, W, c, d)),
        "You scaled the difference to [0, 1]. Keep the raw values: zero must stay zero.",
    ),
    added=(
        lambda F, W, c, d: maps(F, W, c) + maps(F, W, d),
        "You added the two maps. The evidence for c rather than d is their difference.",
    ),
    only_the_first=(
        lambda F, W, c, d: maps(F, W, c),
        "This is the map of c alone. Subtract the map of d.",
    ),
    averaged_over_channels=(
        lambda F, W, c, d: difference(F, W, c, d) / F.shape[1],
        "You divided by the number of channels. The formula has a sum over k, not a mean.",
    ),
    divided_by_the_places=(
        lambda F, W, c, d: difference(F, W, c, d) / F[0, 0].numel(),
        "You divided by the number of places. The map is not averaged: its mean is the difference "
        "of the logits (without the biases).",
    ),
    columns=(
        lambda F, W, c, d: maps(F, square(W.T), c) - maps(F, square(W.T), d),
        "You took columns of W. Its rows are the classes.",
    ),
    probabilities_of_the_classes=(
        lambda F, W, c, d: difference(F, W.softmax(0), c, d),
        "You made probabilities of the weights with softmax. Take the weights as they are.",
    ),
    classes_of_the_first_image=(
        lambda F, W, c, d: difference(F, W, first(c), first(d)),
        "You used the classes of the first image for all images. c and d can hold one class for "
        "each image.",
    ),
    channels_not_summed=(
        lambda F, W, c, d: (rows(F, W, c) - rows(F, W, d))[..., None, None] * F,
        "You weighted the feature maps but did not add them up: the channel axis must disappear.",
    ),
    an_int_only=(
        lambda F, W, c, d: torch.einsum("k,nkxy->nxy", W[c] - W[d], F),
        "This works only where c and d are ints. They can also hold one class for each image: "
        "torch.as_tensor(c).expand(len(F)) makes N classes of both.",
    ),
    a_class_for_each_image_only=(
        lambda F, W, c, d: torch.einsum("nk,nkxy->nxy", W[c] - W[d], F),
        "This works only where c or d holds one class for each image. An int is meant for all of "
        "them: torch.as_tensor(c).expand(len(F)) makes N classes of both.",
    ),
    places_summed=(
        lambda F, W, c, d: difference(F, W, c, d).sum((1, 2)),
        "You summed over the places. Only the channels are summed; x and y stay.",
    ),
    places_averaged=(
        lambda F, W, c, d: difference(F, W, c, d).mean((1, 2)),
        "You took the mean over the places: that is the difference of the logits, one number. The "
        "map is wanted.",
    ),
    both_maps=(
        lambda F, W, c, d: torch.stack([maps(F, W, c), maps(F, W, d)], 1),
        "You return both maps. One is wanted: the first minus the second.",
    ),
    every_class_with_every_image=(
        lambda F, W, c, d: (
            torch.einsum("ck,nkxy->cnxy", W, F)[c] - torch.einsum("ck,nkxy->cnxy", W, F)[d]
        ),
        "You picked the classes after you had computed the maps of all images: now every class "
        "goes with every image. Image n belongs to c[n] and d[n] only.",
    ),
)


def square(W):
    """So large that any class can be asked for."""
    return functional.pad(W, (0, max(0, len(W.T) - W.shape[1]), 0, max(0, 5 - len(W))))[
        :, : W.shape[1]
    ]


def first(c):
    return torch.as_tensor(c).reshape(-1)[0]


class_difference_map.accepts_all(
    two_maps=difference,
    rows_subtracted=lambda F, W, c, d: torch.einsum(
        "nk,nkxy->nxy", rows(F, W, c) - rows(F, W, d), F
    ),
    float64_inside=lambda F, W, c, d: (
        (rows(F, W, c) - rows(F, W, d)).double()[..., None, None] * F.double()
    ).sum(1),
    centred_rows=lambda F, W, c, d: difference(F, W - W.mean(0), c, d),
)


@class_difference_map.accepts
def one_by_one_convolution(F, W, c, d):
    every, n = functional.conv2d(F, W[:, :, None, None]), torch.arange(len(F))
    c, d = (torch.as_tensor(k).expand(len(F)) for k in (c, d))
    return every[n, c] - every[n, d]


@class_difference_map.accepts
def numpy_loop(F, W, c, d):
    F, W, found = F.numpy(), W.numpy(), []
    c, d = (np.broadcast_to(np.asarray(k), (len(F),)) for k in (c, d))
    for n in range(len(F)):
        found.append(np.tensordot(W[c[n]] - W[d[n]], F[n], axes=1))
    return np.stack(found)


# ------------------------------------------------------------------ 4.4

swap_head = Exercise(
    "4.4",
    "swap_head",
    patience=3,
    formula="Y = W · GAP(features(x)) + b;  features: a frozen copy;  W, b: new",
    hints=(
        "Work on a copy of the model. What stands before the old head becomes features, and does "
        "not learn. After it come GAP and one new linear layer, which does.",
        "features is copied.features where the model has it; else the layers, in order, up to the "
        "first one for which ends_the_trunk is True. K, the number of its maps, is out_channels of "
        "its last convolution. Freeze before you add the new layer.",
        "copy.deepcopy the model. Collect the layers in a list, break at the first that ends the "
        "trunk, make an nn.Sequential of them, requires_grad_(False). Return an nn.Sequential of an "
        "OrderedDict with features, pool (AdaptiveAvgPool2d(1)), flatten and classifier "
        "(nn.Linear(K, num_classes)).",
    ),
)


class Residual(nn.Module):
    """A block that is no chain: its input is added to what the layers make of it."""

    def __init__(self, channels):
        super().__init__()
        self.conv, self.act = nn.Conv2d(channels, channels, 3, padding=1), nn.Tanh()

    def forward(self, x):
        return x + self.act(self.conv(x))


class Parts(nn.Module):
    """A network whose parts run one after the other, under the names that are given."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        for part in self.children():
            if isinstance(part, nn.Linear) and x.dim() == 4:
                x = x.mean((2, 3))  # here the average is no layer
            x = part(x)
        return x


def convolutions(*widths):
    """Convolution and ReLU, for each pair of widths."""
    pairs = itertools.pairwise(widths)
    return [
        layer for a, b in pairs for layer in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU(inplace=True))
    ]


def chain(*layers):
    return nn.Sequential(*layers)


def linears(inputs, classes):
    """Two layers; what stands between them would change the maps, if it were left in the trunk."""
    return [nn.Linear(inputs, 7), nn.Tanh(), nn.Linear(7, classes)]


@swap_head.cases
def _(rng):
    trunk = chain(*convolutions(1, 4), nn.MaxPool2d(2), *convolutions(4, 6), nn.MaxPool2d(2))
    head = chain(nn.Dropout(), *linears(6 * 2 * 3, 5))
    alexnet = Parts(
        features=trunk, avgpool=nn.AdaptiveAvgPool2d((2, 3)), flatten=nn.Flatten(), classifier=head
    )
    yield Case("it has .features, as AlexNet and VGG have; evaluation mode", alexnet.eval(), 3)
    layers = [*convolutions(3, 4), nn.MaxPool2d(2), *convolutions(4, 5)]
    yield Case("a Sequential with flatten", chain(*layers, nn.Flatten(), *linears(5 * 20, 4)), 2)
    layers = [*convolutions(1, 6), nn.AvgPool2d(2), nn.Conv2d(6, 3, 3), nn.Tanh()]
    gap = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4)]
    yield Case("a Sequential with GAP, as many classes as before", chain(*layers, *gap).eval(), 4)
    body = chain(*convolutions(1, 4, 5))
    body[0].requires_grad_(False)
    pooled = Parts(
        body=body, pool=nn.AdaptiveMaxPool2d((1, 1)), flat=nn.Flatten(), fc=nn.Linear(5, 2)
    )
    yield Case("a class of its own without .features; its first layer is frozen", pooled, 6)
    blocks = {
        "stem": chain(*convolutions(1, 4)),
        "block": Residual(4),
        "last": chain(nn.Conv2d(4, 6, 3, stride=2), nn.ReLU()),
        "head": chain(nn.Flatten(), *linears(6 * 12, 4)),
    }
    yield Case("blocks inside, one of them adds its input", chain(OrderedDict(blocks)).eval(), 3)
    averaged = Parts(conv=nn.Conv2d(2, 3, 3), act=nn.ReLU(), fc=nn.Linear(3, 5))
    yield Case("the average is no layer: a Linear comes directly after the maps", averaged, 2)
    squeeze = Parts(
        features=chain(*convolutions(1, 5)),
        classifier=chain(nn.Conv2d(5, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )
    yield Case("the old head is a convolution, as in SqueezeNet", squeeze.eval(), 4)


def attempt(action):
    """The result, or the error as text: one broken part must not hide the others."""
    try:
        return action()
    except NotImplementedError:
        raise
    except Exception as error:
        return f"stopped with {type(error).__name__}: {str(error).splitlines()[0][:120]}"


def pictures(model, *size):
    """Images for this network, the same for every answer."""
    channels = next(m.in_channels for m in model.modules() if isinstance(m, nn.Conv2d))
    return torch.randn(*size, channels, generator=torch.Generator().manual_seed(4)).movedim(-1, 1)


def shapes(parameters):
    return ", ".join(sorted("×".join(map(str, p.shape)) for p in parameters)) or "nothing"


def shared(one, others):
    """The shapes of the weights that one network has in common with others."""
    return shapes(
        p for p in one.parameters() if any(p is q or p.data_ptr() == q.data_ptr() for q in others)
    )


@swap_head.probe
def _(answer, model, num_classes):
    for weight in model.parameters():  # gradients of the caller, which must stay
        weight.grad = torch.ones_like(weight) if weight.requires_grad else None
    old, given = list(model.parameters()), condition(model, "")
    small, wide = pictures(model, 2, 9, 12), pictures(model, 1, 16, 11)
    got = answer(model, num_classes)
    changed = changes(given, condition(model, ""))
    if "the model's layers" in changed:  # then all else is another too
        changed = ["the model's layers"]
    if not isinstance(got, nn.Module):
        return {"what comes back": NOTHING if got is None else f"a {type(got).__name__}"}
    if any(isinstance(p, nn.UninitializedParameter) for p in got.parameters()):
        return {"what comes back": "a network with a layer that has no weights yet (lazy)"}
    weights = head_of(got, old)
    got.eval()
    return {
        "what comes back": "a network",
        "its parts": ", ".join(p for p in ("features", "classifier") if is_part(got, p)) or "none",
        "changed in the given model": ", ".join(changed) or "nothing",
        "weights of the head": weights,
        "features(x)": attempt(lambda: got.features(small)),
        "weights that learn": shapes(p for p in got.parameters() if p.requires_grad),
        "frozen numbers": sum(p.numel() for p in got.parameters() if not p.requires_grad),
        "weights shared with the given model": shared(got, old),
        "weights shared with the result of a second call": attempt(
            lambda: shared(got, list(answer(model, num_classes).parameters()))
        ),
        **logits_of(got, small, wide),
        "weights that get a gradient": attempt(lambda: reached(got, small)),
    }


def is_part(network, name):
    return isinstance(getattr(network, name, None), nn.Module)


def reached(got, x):
    got.zero_grad()
    Y = got(x)
    if not Y.requires_grad:
        return "none: no graph was recorded"
    Y.square().sum().backward()
    return shapes(p for p in got.parameters() if p.grad is not None)


def head_of(got, old):
    """What the weights of the linear layers are before anything has run."""
    head = [p for p in got.parameters() if p.dim() < 3]
    if not all(p.isfinite().all() for p in head):
        return "not finite"
    same = any(torch.equal(p, q) for p in head for q in old if p.dim() == 2)
    return "those of the given model" if same else "new"


def logits_of(got, small, wide):
    """The logits, after each weight of the head got a number that depends on its place alone."""
    with torch.no_grad():
        for p in got.parameters():
            if p.dim() < 3 and p.requires_grad:
                p.copy_(torch.linspace(-1, 2, p.numel()).sin().mul(3).reshape(p.shape))
        seen = {"logits": attempt(lambda: got(small))}
        return seen | {"logits of pictures of another size": attempt(lambda: got(wide))}


swap_head.teaches_parts(
    {
        "its parts": "The result needs two parts with the names .features and .classifier: an "
        "OrderedDict in nn.Sequential gives names, and so does a class.",
        "changed in the given model": "The given model is not as it was. Begin with "
        "copy.deepcopy(model) (copy.copy shares the layers), and set flags, modes and layers of "
        "the copy only.",
        "features(x)": "Your .features does not give the maps of the model's trunk: all layers "
        "before the first pooling to 1×1, Flatten or Linear, in their order, as they are.",
        "weights that learn": "Not the right weights learn. All of the trunk is frozen; of the "
        "head one nn.Linear learns, with as many inputs as the trunk has maps, one output for each "
        "class, and a bias.",
        "logits": "The maps and the weights are right, the logits are not: GAP, then the linear "
        "layer, and nothing else between or after them.",
    }
)


def ends_the_trunk(layer):
    to_one = isinstance(layer, (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d))
    return (to_one and layer.output_size in (1, (1, 1))) or isinstance(
        layer, (nn.Flatten, nn.Linear)
    )


def layers_in_order(model):
    for layer in model.children():
        yield from layers_in_order(layer) if isinstance(layer, nn.Sequential) else [layer]


@swap_head.reference
def swapped(model, num_classes):
    copied = copy.deepcopy(model)
    if hasattr(copied, "features"):
        features = copied.features
    else:
        layers = []
        for layer in layers_in_order(copied):
            if ends_the_trunk(layer):
                break
            layers.append(layer)
        features = nn.Sequential(*layers)
    features.requires_grad_(False)
    K = [m.out_channels for m in features.modules() if isinstance(m, nn.Conv2d)][-1]
    pool, linear = nn.AdaptiveAvgPool2d(1), nn.Linear(K, num_classes)
    parts = OrderedDict(features=features, pool=pool, flatten=nn.Flatten(), classifier=linear)
    return nn.Sequential(parts)


# the same in pieces, of which a wrong answer exchanges one


def trunk_of(model):
    if hasattr(model, "features"):
        return model.features
    return chain(*itertools.takewhile(lambda m: not ends_the_trunk(m), layers_in_order(model)))


def frozen(features):
    return features.requires_grad_(False)


def last_width(features):
    return [m.out_channels for m in features.modules() if isinstance(m, nn.Conv2d)][-1]


PARTS = ("features", "pool", "flatten", "classifier")


def in_order(*names, **more):
    """A network of the parts with these names, in this order; `more` are other layers."""

    def build(features, pool, linear):
        parts = dict(zip(PARTS, (features, pool, nn.Flatten(), linear), strict=True)) | more
        return chain(OrderedDict((name, parts[name]) for name in names))

    return build


ALL_FOUR = in_order(*PARTS)


def swapper(
    cut=trunk_of,
    freeze=frozen,
    width=lambda model, features: last_width(features),
    pool=lambda: nn.AdaptiveAvgPool2d(1),
    linear=nn.Linear,
    build=ALL_FOUR,
    copied=copy.deepcopy,
    after=lambda model, new: new,
):
    def answer(model, num_classes):
        features = freeze(cut(copied(model)))
        K = width(model, features)
        return after(model, build(features, pool(), linear(K, num_classes)))

    return answer


def until(stops, inside=nn.Sequential):
    """The trunk: `.features`, or all that stands before the first layer that `stops`."""

    def layers(model):
        for layer in model.children():
            yield from layers(layer) if isinstance(layer, inside) else [layer]

    def cut(model):
        if hasattr(model, "features"):
            return model.features
        return chain(*itertools.takewhile(lambda layer: not stops(layer), layers(model)))

    return cut


def random_again(features):
    for m in features.modules():
        if isinstance(m, nn.Conv2d):
            m.reset_parameters()
    return frozen(features)


def in_place(model, num_classes):
    """The given model gets a new head and is returned."""
    return swapper(copied=lambda model: model)(model, num_classes)


def children_before_the_first(model):
    """As the text asks, but a Sequential inside is not opened."""
    if hasattr(model, "features"):
        return model.features
    return chain(*itertools.takewhile(lambda layer: not ends_the_trunk(layer), model.children()))


def all_that_do_not_end(model):
    if hasattr(model, "features"):
        return model.features
    return chain(*(layer for layer in layers_in_order(model) if not ends_the_trunk(layer)))


def frozen_weight(linear):
    linear.weight.requires_grad_(False)
    return linear


def filled(linear, value):
    nn.init.constant_(linear.weight, value)
    return linear


def old_linears(model):
    return [m for m in model.modules() if isinstance(m, nn.Linear)]


class Averaging(nn.Module):
    def __init__(self, features, classifier):
        super().__init__()
        self.features, self.classifier = features, classifier

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class Summing(Averaging):
    def forward(self, x):
        return self.classifier(self.features(x).sum((2, 3)))


class WithoutGraph(Averaging):
    """The trunk is frozen, so no graph is needed for it."""

    def forward(self, x):
        with torch.no_grad():
            F = self.features(x)
        return self.classifier(F.flatten(2).mean(2))


class Blind(Averaging):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


CUTS = {
    "all_children_but_the_last": (
        lambda model: chain(*list(model.children())[:-1]),
        "You took all parts but the last one. The old head can have several parts (pooling, "
        "flatten, linear layers), so they are still in your trunk. Cut at the first of them.",
    ),
    "children_of_features_but_the_last": (
        lambda model: (
            chain(*list(model.features.children())[:-1])
            if hasattr(model, "features")
            else trunk_of(model)
        ),
        "The last layer of the model's own .features is missing (children()[:-1]). Where a model "
        "has .features, take all of it.",
    ),
    "sequential_not_opened": (
        children_before_the_first,
        "A head can stand inside of an nn.Sequential: you looked only at the outermost parts. "
        "layers_in_order opens them.",
    ),
    "only_with_features": (
        lambda model: model.features,
        "Not every model has .features. Where it has none, collect its layers up to the first that "
        "ends the trunk.",
    ),
    "filter_instead_of_a_cut": (
        all_that_do_not_end,
        "You left out the layers that end the trunk, and kept what comes after them: a ReLU or a "
        "dropout of the old head is in your trunk now. Stop at the first of them (break).",
    ),
    "cut_at_the_first_pooling": (
        until(lambda m: ends_the_trunk(m) or isinstance(m, (nn.MaxPool2d, nn.AvgPool2d))),
        "You cut at the first pooling of any kind. A pooling with small windows belongs to the "
        "trunk: only one to 1×1 loses the place.",
    ),
    "blocks_taken_apart": (
        until(ends_the_trunk, nn.Module),
        "You took every block apart into single layers (modules() does that). A block that adds its "
        "input is more than its layers in a row: open only nn.Sequential.",
    ),
    "only_flatten_ends": (
        until(lambda m: isinstance(m, (nn.Flatten, nn.Linear))),
        "A pooling to 1×1 is still in your trunk: its maps have one place only, and no map can be "
        "drawn. Cut before it.",
    ),
    "last_layer_missing": (
        lambda model: trunk_of(model)[:-1],
        "The last layer of the trunk is missing. It stands before the pooling, so it stays.",
    ),
}
FREEZES = {
    "not_frozen": (
        lambda features: features.requires_grad_(True),
        "Everything learns in your network. The trunk must be frozen: "
        "features.requires_grad_(False).",
    ),
    "eval_is_not_frozen": (
        lambda features: features.eval(),
        "The trunk still learns. eval() changes what dropout and batch normalisation do; it freezes "
        "no weight. Use requires_grad_(False).",
    ),
    "trunk_random_again": (
        random_again,
        "The weights of your trunk are random again. What it has learned is the very thing that we "
        "want to keep: copy the model with its weights.",
    ),
}
WIDTHS = {
    "inputs_of_the_old_head": (
        lambda model, features: [*(m.in_features for m in old_linears(model)), 1][0],
        "You took the number of inputs from the old linear layer. After a flatten that is one for "
        "each channel and place. After GAP it is one for each map: out_channels of the last "
        "convolution.",
    ),
    "width_of_the_first_convolution": (
        lambda model, features: next(
            m.out_channels for m in features.modules() if isinstance(m, nn.Conv2d)
        ),
        "You took out_channels of the first convolution. The trunk has as many maps as its last "
        "convolution makes.",
    ),
    "inputs_of_the_last_convolution": (
        lambda model, features: [
            m.in_channels for m in features.modules() if isinstance(m, nn.Conv2d)
        ][-1],
        "You took in_channels of the last convolution. It makes out_channels maps.",
    ),
    "last_convolution_of_the_whole_model": (
        lambda model, features: last_width(model),
        "The last convolution of the whole model need not belong to the trunk: an old head can have "
        "one too (SqueezeNet). Look for it in features.",
    ),
    "always_32": (
        lambda model, features: 32,
        "Your new layer has 32 inputs, whatever the model is. Other trunks have more or fewer maps: "
        "out_channels of the last convolution.",
    ),
}
POOLS = {
    "maximum_instead_of_mean": (
        lambda: nn.AdaptiveMaxPool2d(1),
        "You pool with the maximum. That is GMP: a map would not add up to the score. Use "
        "nn.AdaptiveAvgPool2d(1).",
    ),
    "two_by_two": (
        lambda: nn.AdaptiveAvgPool2d(2),
        "Your pooling leaves 2×2 places, four numbers for each map. Global means one: "
        "nn.AdaptiveAvgPool2d(1).",
    ),
}
LINEARS = {
    "always_ten_classes": (
        lambda k, n: nn.Linear(k, 10),
        "Your new layer has 10 outputs, whatever num_classes is.",
    ),
    "lazy": (
        lambda k, n: nn.LazyLinear(n),
        "nn.LazyLinear has no weights before the first picture: nothing can be written into them, "
        "and no optimizer gets them. You know the number of inputs, so use nn.Linear.",
    ),
    "not_a_number": (
        lambda k, n: filled(nn.Linear(k, n), float("nan")),
        "The weights of the new layer are NaN or infinite. Leave the start that nn.Linear has "
        "drawn; torch.empty is no start.",
    ),
    "weight_frozen_bias_learns": (
        lambda k, n: frozen_weight(nn.Linear(k, n)),
        "The weight of the new linear layer is frozen; only its bias learns.",
    ),
    "no_bias": (
        lambda k, n: nn.Linear(k, n, bias=False),
        "The new linear layer has no bias. Leave bias=True, which is the default.",
    ),
    "two_linear_layers": (
        lambda k, n: chain(nn.Linear(k, k), nn.ReLU(), nn.Linear(k, n)),
        "Your new head has two linear layers with a ReLU between them. CAM needs exactly one.",
    ),
    "two_linears_in_a_row": (
        lambda k, n: chain(nn.Linear(k, k), nn.Linear(k, n)),
        "Your new head has two linear layers. With nothing between them they are one, as in D of "
        "the quiz: give one.",
    ),
}
BUILDS = {
    "pooling_left_out": (
        in_order("features", "flatten", "classifier"),
        "There is no GAP: you flatten the maps, and the linear layer meets one number for each "
        "place. Put nn.AdaptiveAvgPool2d(1) before.",
    ),
    "not_flattened": (
        in_order("features", "pool", "classifier"),
        "After the pooling the maps are still (N, K, 1, 1), and the linear layer wants (N, K). Put "
        "nn.Flatten() between them.",
    ),
    "relu_after_gap": (
        in_order("features", "pool", "flatten", "relu", "classifier", relu=nn.ReLU()),
        "There is a ReLU between GAP and the linear layer. It does no harm where the maps are not "
        "negative; after another trunk (Tanh) it bends the means. Leave it out.",
    ),
    "softmax_at_the_end": (
        in_order(*PARTS, "softmax", softmax=nn.Softmax(1)),
        "Your network ends with a softmax. Return logits: the loss does the softmax, and CAM "
        "explains the logit.",
    ),
    "relu_at_the_end": (
        in_order(*PARTS, "relu", relu=nn.ReLU()),
        "There is a ReLU after the linear layer: no logit can be negative, and the map does not add "
        "up to it.",
    ),
    "no_gradient_for_the_head": (
        lambda features, pool, linear: Blind(features, linear),
        "Your whole forward runs without a graph (no_grad), so the new layer gets no gradient and "
        "cannot learn. Only the trunk may run so.",
    ),
    "maps_summed": (
        lambda features, pool, linear: Summing(features, linear),
        "You sum each map. GAP takes the mean: divide by the number of places.",
    ),
    "parts_without_names": (
        lambda features, pool, linear: chain(features, pool, nn.Flatten(), linear),
        "The network is right, but its parts have no names. The result needs .features and "
        ".classifier: use an OrderedDict in nn.Sequential, or a class.",
    ),
    "average_inside_features": (
        lambda features, pool, linear: chain(
            OrderedDict(features=chain(features, pool), flatten=nn.Flatten(), classifier=linear)
        ),
        "The average lies inside of features. features must return maps, or there is nothing to "
        "draw.",
    ),
    "features_and_classifier_as_a_pair": (
        lambda features, pool, linear: (features, linear),
        "You return the two parts. Return one network that runs them: features, GAP, classifier.",
    ),
    "only_the_head": (
        lambda features, pool, linear: chain(pool, nn.Flatten(), linear),
        "You return only the new head. Return one network with the trunk before it.",
    ),
}
for piece, table in {
    "cut": CUTS,
    "freeze": FREEZES,
    "width": WIDTHS,
    "pool": POOLS,
    "linear": LINEARS,
    "build": BUILDS,
}.items():
    swap_head.wrongs(
        **{name: (swapper(**{piece: value}), says) for name, (value, says) in table.items()}
    )

swap_head.wrongs(
    nothing_returned=(lambda model, num_classes: None, "Did you forget the return?"),
    weights_shared=(
        in_place,
        "You took the layers of the given model itself (copy.copy shares them too): now its own "
        "weights are frozen. Begin with copy.deepcopy(model).",
    ),
    frozen_before_the_copy=(
        lambda model, n: swapper()(model.requires_grad_(False), n),
        "You froze the given model, and copied it afterwards. Copy first, then freeze the copy.",
    ),
    given_model_learns_again=(
        lambda model, n: swapper()(model.requires_grad_(True), n),
        "You called requires_grad_(True) on the given model. A layer of it that was frozen learns "
        "now. Its flags stay as they were.",
    ),
    given_model_in_eval_mode=(
        lambda model, n: swapper()(model.eval(), n),
        "You switched the given model to evaluation mode. It must be as it was.",
    ),
    all_frozen=(
        swapper(after=lambda model, new: new.requires_grad_(False)),
        "Nothing can learn: you froze the new linear layer too. Freeze the trunk before you add the "
        "head.",
    ),
    double_precision=(
        swapper(after=lambda model, new: new.double()),
        "Your network has weights of type float64, and refuses the pictures of the given model. "
        "Leave .double() out.",
    ),
)


@swap_head.wrong(
    "You gave the copy a new .classifier and left the rest. Then what stood between the trunk and the old "
    "head (another pooling, a flatten) still runs, and a model without these names does not use it. "
    "Return a network of its own: features, GAP, classifier."
)
def classifier_replaced(model, num_classes):
    return with_classifier(copy.deepcopy(model), num_classes)


@swap_head.wrong(
    "You put the new head into the given model itself. It must stay as it is: begin with "
    "copy.deepcopy(model), and return a network of its own."
)
def given_model_changed(model, num_classes):
    return with_classifier(model, num_classes)


def with_classifier(new, num_classes):
    features = frozen(trunk_of(new))
    pool, linear = nn.AdaptiveAvgPool2d(1), nn.Linear(last_width(features), num_classes)
    new.classifier = chain(pool, nn.Flatten(), linear)
    return new


@swap_head.wrong(
    "You replaced only the last linear layer: the rest of the old head is still there. CAM needs GAP and "
    "one linear layer directly after the maps."
)
def last_linear_replaced(model, num_classes):
    new = frozen(copy.deepcopy(model))
    names = [name for name, m in new.named_modules() if isinstance(m, nn.Linear)]
    if names:
        owner, _, leaf = names[-1].rpartition(".")
        inputs = old_linears(new)[-1].in_features
        setattr(new.get_submodule(owner), leaf, nn.Linear(inputs, num_classes))
    return new


@swap_head.wrong(
    "The new layer has the weights of the old one. Make a new nn.Linear: it is trained for its own task."
)
def old_linear_kept(model, num_classes):
    new = swapped(model, num_classes)
    for old in old_linears(model):
        if old.weight.shape == new.classifier.weight.shape:
            new.classifier.load_state_dict(old.state_dict())
    return new


@swap_head.wrong(
    "You kept the old linear layer. It has other inputs (a weight for each place after a flatten), "
    "and other classes. Make a new one: nn.Linear(K, num_classes)."
)
def old_linear_reused(model, num_classes):
    copied = copy.deepcopy(model)
    linear = [*old_linears(copied), nn.Linear(1, 1)][-1].requires_grad_(True)
    return swapper(linear=lambda k, n: linear)(model, num_classes)


GIVEN_BEFORE = {}


@swap_head.wrong(
    "A second call gives the network of the first one again: what the first has learned is in it. "
    "Make a new copy in each call, and keep no network outside of the function."
)
def kept_from_the_first_call(model, num_classes):
    if GIVEN_BEFORE.get("model") is not model:
        GIVEN_BEFORE.update(model=model, new=swapped(model, num_classes))
    return GIVEN_BEFORE["new"]


swap_head.accepts_all(
    class_of_its_own=swapper(build=lambda features, pool, linear: Averaging(features, linear)),
    no_graph_for_the_trunk=swapper(
        build=lambda features, pool, linear: WithoutGraph(features, linear)
    ),
    pool_inside_the_classifier=swapper(
        build=lambda features, pool, linear: chain(
            OrderedDict(features=features, classifier=chain(pool, nn.Flatten(), linear))
        )
    ),
    left_in_eval_mode=swapper(after=lambda model, new: new.eval()),
    left_in_training_mode=swapper(after=lambda model, new: new.train()),
    zeros_to_begin_with=swapper(linear=lambda k, n: filled(nn.Linear(k, n), 0.0)),
)


@swap_head.accepts
def trunk_copied_layer_by_layer(model, num_classes):
    if hasattr(model, "features"):
        features = copy.deepcopy(model.features)
    else:
        features, todo = nn.Sequential(), list(model.children())
        while todo and not ends_the_trunk(todo[0]):
            layer = todo.pop(0)
            if isinstance(layer, nn.Sequential):
                todo = [*layer, *todo]
            else:
                features.append(copy.deepcopy(layer))
    for p in features.parameters():
        p.requires_grad = False
    with torch.no_grad():
        K = features(pictures(model, 1, 32, 32)).shape[1]
    return Averaging(features, nn.Linear(K, num_classes))


def test_lesson(proof):
    proof()
