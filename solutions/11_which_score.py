# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 11: Which score?
#
# **Time** 140 minutes, best in two parts · **Difficulty** ●●●○○ · **You need** lessons 3, 4, 6, 8
# and 9 · **At the end** you know which question each score asks, you can tell evidence *against* a
# class from places that are only weak, and you have drawn the one part in which two look-alikes
# differ.
#
# You walk through the reeds with a bird watcher. "A white-wing!" she says. You ask why. "It has a
# beak, two thin legs, a round body, and a white wing." Every word is true. But on the next branch
# sits a *dark-wing*. It has a beak, two thin legs and a round body too. You ask again: "Why a
# white-wing **rather than** a dark-wing?" Now only one thing is left of her list.
#
# Two questions, two answers, both true. A map answers one of them. Which one? That is decided by a
# choice which hardly anybody writes below a picture: the **score** whose gradient was taken.
#
# **Today's question: why this class, or why this one rather than that one? Which score asks which
# of the two?**
#
# > **Papers:** R. R. Selvaraju and others: *Grad-CAM*, ICCV 2017, arXiv 1610.02391 (the logit,
# > counterfactual maps). · Zhang and others: *Finer-CAM*, CVPR 2025, arXiv 2501.11309 (one class
# > against its rivals). · Cai: *ShapleyCAM*, The Visual Computer 2025, arXiv 2501.06261 (logit plus
# > log-probability).

# %% tags=["imports"]
import copy
import os
from functools import partial

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, nets, weights
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images, for tests

# %% [markdown]
# ## The frog beside the bird
#
# You know this picture from lesson 3: a frog on the left, a bird on the right, one picture of
# 48×96. This time we make many of them, and each one three times: as it is, without the frog, and
# without the bird. The ground under an erased animal is drawn, not black. So the picture without it
# is an ordinary one.

# %%
pond = nets.bundled("pond_repaired")
count = 20 if fast else 60
home = data.scenes("pond", "matched", count=4 * count, seed=11)
empty = data.scenes("pond", "background_only", count=4 * count, seed=11)  # the same grounds
frogs, birds = (home.labels == k for k in (0, 1))
pairs = torch.cat([home.images[frogs], home.images[birds]], dim=3)
no_frog = torch.cat([empty.images[frogs], home.images[birds]], dim=3)
no_bird = torch.cat([home.images[frogs], empty.images[birds]], dim=3)
nothing = torch.zeros(count, 48, 48, dtype=torch.bool)
on_frog = torch.cat([home.object_mask[frogs], nothing], dim=2)  # (N, 48, 96)
on_bird = torch.cat([nothing, home.object_mask[birds]], dim=2)
with torch.no_grad():
    Y = pond(pairs)
closest = int((Y[:, 0] - Y[:, 1]).abs().argmin())
size = tuple(pairs.shape[2:])
print(f"{count} pictures {size}; number {closest} is the one where frog and bird are closest")
for animal, logit, p in zip(home.class_names, Y[closest], Y[closest].softmax(0), strict=True):
    print(f"   {animal:7} logit {logit:+6.2f}   P = {p:.3f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 3, figsize=(10.5, 2.2), layout="constrained")
for axis, X, title in zip(
    axes,
    (pairs, no_frog, no_bird),
    ("as it is", "without the frog", "without the bird"),
    strict=True,
):
    axis.imshow(X[closest].permute(1, 2, 0))
    axis.set_title(title)
    axis.set(xticks=[], yticks=[])
figure.suptitle("One picture, three times: only one animal changes")
plt.show()

# %% [markdown]
# ## Three scores, on paper
#
# **Take paper and a pencil.** A network has three classes, and for one picture the logits
# $S = (2, 1, 0)$. Three scores could stand for the first class, $c$:
#
# * the **logit** $S_c$;
# * the **probability** $P_c = e^{S_c} / \sum_j e^{S_j}$;
# * the **log-probability** $\log P_c = S_c - \log \sum_j e^{S_j}$.
#
# How do they move when a logit moves? ($[j = c]$ is 1 for $j = c$ and 0 for all others.)
#
# $$ \frac{\partial S_c}{\partial S_j} = [j = c], \qquad
# \frac{\partial P_c}{\partial S_j} = P_c\,\big([j = c] - P_j\big), \qquad
# \frac{\partial \log P_c}{\partial S_j} = [j = c] - P_j $$
#
# The probabilities are about $P = (0.67, 0.24, 0.09)$. Write down the three gradients, three
# numbers each. Then: add up each row. What does the sum tell you?

# %%
S = torch.tensor([[2.0, 1.0, 0.0]], requires_grad=True)
on_paper = {
    "logit": S[0, 0],
    "probability": S.softmax(dim=1)[0, 0],
    "log-probability": S.log_softmax(dim=1)[0, 0],
}
slopes = {}
for text, score in on_paper.items():
    slopes[text] = torch.autograd.grad(score, S, retain_graph=True)[0][0]
    numbers = "".join(f"{v:+7.2f}" for v in slopes[text].tolist())
    print(f"{text:16} {numbers}    sum {round(float(slopes[text].sum()), 2) + 0:+.2f}")

# %% [markdown]
# The logit does not know its rivals: their numbers are 0. The other two do: they rise when a rival
# falls, and a likely rival counts more than an unlikely one. Their rows have the sum 0. So if *all*
# logits rise by the same number, probability and log-probability stay. The logit rises.
#
# ## A trap: the logarithm of zero
#
# `softmax` and then `log`: is that not the log-probability? On paper, yes. A computer has 32 bits,
# and $e^{-120}$ is smaller than the smallest number it knows there. `log_softmax` does both steps
# in one, with the formula $S_c - \log\sum_j e^{S_j}$, and loses hardly anything:

# %%
far = torch.tensor([[120.0, 0.0, 90.0]], requires_grad=True)
two_steps = far.softmax(dim=1).log()[0, 1]
one_step = far.log_softmax(dim=1)[0, 1]
trap = {}
for text, value in {"softmax, then log": two_steps, "log_softmax": one_step}.items():
    slope = torch.autograd.grad(value, far)[0][0].tolist()
    trap[text] = value.item(), slope
    print(f"{text:18} value {value.item():7.1f}   gradient {slope}")

# %% [markdown]
# The first way gives −∞, and a gradient of NaN: no map at all. Two logits more than
# 100 apart are rare. But a score should not fail exactly where a network is surest.
#
# ## Exercise 11.1: the score
# *●●○○○ · about 10 minutes*
#
# Write a function that returns the score of class `c` for each image, (N,). `logits` is (N, C); `c`
# is one class for all images or a tensor (N,): `torch.as_tensor(c).expand(N)` makes N classes of
# both. Two lists of indices pick one number of each row, as in lesson 8: `logits[torch.arange(N),
# classes]`. `kind` is `"logit"`, `"prob"` or `"log_prob"`; another one need not be handled. It must
# be right for logits of 100 and more.
#
# We will take the gradient of what you return. So the way from `logits` to it must stay in torch:
# no `.item()`, no `.detach()`, no NumPy. Leave `logits` as it is: no `-=`.


# %% tags=["exercise", "11.1"]
def target_score(logits: Tensor, c: int | Tensor, kind: str) -> Tensor:
    """The score of class c as logit, prob or log_prob: logits (N, C) -> (N,)."""
    ### BEGIN SOLUTION
    if kind == "prob":
        logits = logits.softmax(dim=1)
    if kind == "log_prob":
        logits = logits.log_softmax(dim=1)
    c = torch.as_tensor(c).expand(len(logits))
    return logits[torch.arange(len(logits)), c]
    ### END SOLUTION


# %%
check("11.1", target_score)

# %% [markdown]
# If you need help: `hint("11.1")`.
#
# ## One network, one picture: how many maps?
#
# Now Grad-CAM with its sign (lesson 8), for any score. `score` is a function that makes (N,) out of
# logits (N, C). `partial(target_score, c=0, kind="prob")` is such a function: your function, with
# two of its three arguments filled in. (Why `.sum()`? The images do not mix. So the gradient of the
# sum holds, for each image, the gradient of its own score.)


# %%
def explain(model: nn.Module, x: Tensor, score, layer: str = "features") -> Tensor:
    """Grad-CAM with its sign for any score: images -> (N, h, w)."""
    features, classifier = camlite.split(model, layer)
    F = features(x).detach().requires_grad_()
    G = torch.autograd.grad(score(classifier(F)).sum(), F)[0]
    return torch.einsum("nk,nkxy->nxy", G.mean(dim=(2, 3)), F).detach()


def like(A: Tensor, B: Tensor) -> Tensor:
    """The correlation of two maps of the same picture, place by place: (N, h, w) twice -> (N,)."""
    A, B = (T.flatten(1) - T.flatten(1).mean(1, keepdim=True) for T in (A, B))
    return functional.cosine_similarity(A, B, dim=1)


# %% [markdown]
# **Guess first:** three scores. How many maps will you be able to tell apart, after each was scaled
# by its own maximum?

# %%
kinds = "logit", "prob", "log_prob"
maps = {
    (kind, c): explain(pond, pairs, partial(target_score, c=c, kind=kind))
    for kind in kinds
    for c in (0, 1)
}
P = Y.softmax(dim=1)
factor_off = (maps["prob", 0] - P[:, 0, None, None] * maps["log_prob", 0]).abs().max()
print(f"probability − P · log-probability: {factor_off:.0e} at most")
sign_other = float((maps["logit", 0].sign() != maps["log_prob", 0].sign()).float().mean())
print(f"logit and log-probability have another sign at {sign_other:.0%} of all places")

# %% tags=["figure"] jupyter={"source_hidden": true}


def wall(cells: list, titles: list[str], columns: int, title: str, cell=(3.1, 1.75), mark_box=None):
    """Signed maps on their pictures, line by line, and one colour bar; None: an empty place."""
    rows = -(-len(cells) // columns)
    figure, axes = plot.canvas(rows, columns, cell, margin=(1.2, 0.5))
    used = [(axis, one) for axis, one in zip(axes.flat, cells, strict=False) if one is not None]
    plot.draw([axis for axis, _ in used], [one for _, one in used], signed=True)
    for axis, _ in used if mark_box else ():
        (top, bottom), (left, right) = ((part.start, part.stop) for part in mark_box)
        axis.plot([left, right, right, left, left], [top, top, bottom, bottom, top], "gold")
    figure.axes[-1].set_title("evidence", fontsize=9)  # above the colour bar
    for axis, text in zip(axes.flat, titles, strict=False):
        axis.set_title(text, fontsize=9)
    plot.finished(figure, title)
    plt.show()


def on_pair(M: Tensor, n: int = closest) -> tuple:
    """One picture of the pairs, and its map in the same size."""
    return pairs[n], camlite.up(M[n : n + 1], size)[0]


texts = {"logit": "logit", "prob": "probability", "log_prob": "log-probability"}
wall(
    [on_pair(maps[kind, c]) for c in (0, 1) for kind in kinds],
    [f"{home.class_names[c]}: {texts[kind]}" for c in (0, 1) for kind in kinds],
    3,
    "Three scores, two maps: the second and third columns are the same",
)

# %% [markdown]
# **Your guess:** two maps, not three. Probability and log-probability have the same map, up to the
# factor $P_c$: on paper, too, the second row is the third one times 0.67. After scaling, nobody can
# tell them apart. The logit has another map. (Its *sign* differs at few places only. Its values
# differ at the others, too.)
#
# So is there no reason to choose between the last two? There is: the factor. **Guess:** take
# pictures with one animal, of which the network is sure. How large are the three maps, for the
# class that it answers and for a class that it excludes?

# %%
alone = data.scenes("pond", "matched", count=40, seed=12).images
with torch.no_grad():
    P_alone = pond(alone).softmax(dim=1)
alone, P_alone = alone[P_alone.amax(1) > 0.99], P_alone[P_alone.amax(1) > 0.99]
sizes = {}
print(f"{len(alone)} pictures       logit   probability   log-probability")
for text, c in {"the answer": P_alone.argmax(1), "the last": P_alone.argmin(1)}.items():
    for kind in kinds:
        M = explain(pond, alone, partial(target_score, c=c, kind=kind))
        sizes[text, kind] = float(M.abs().amax(dim=(1, 2)).median())
    p = P_alone.gather(1, c[:, None]).median()
    numbers = "".join(f"{sizes[text, kind]:12.0e}" for kind in kinds)
    print(f"{text:10} (P = {p:.4f}) {numbers}")

# %% [markdown]
# Where the network is sure of its answer, both softmax scores have nearly nothing to say: $1 - P_c$
# is small, and the score can hardly rise. For a class that it excludes the probability
# is flat too, but the log-probability is not: there its map is even larger than that of the logit.
# So if you want the rivals in the score, take the **log-probability**. And never look at a scaled
# map without its size.
#
# ## What nobody can see: one number added to all logits
#
# Lesson 4 added the same row $v$ to all rows of $W$. Every logit of a picture then changes by the
# same number, the probabilities stay, and the maps change. Now we can say which maps. We take
# $v = W_{\text{bird}} - W_{\text{frog}}$. **Guess first:** which of the three maps of *frog* will
# stay? And of what will the other one be a map?

# %%
shifted = copy.deepcopy(pond)
with torch.no_grad():
    W = shifted.classifier.weight
    W += W[1] - W[0]
    P_shift = float((shifted(pairs).softmax(dim=1) - P).abs().max())
print(f"largest change of a probability: {P_shift:.0e}")
moved = {}
for kind in kinds:
    M = explain(shifted, pairs, partial(target_score, c=0, kind=kind))
    moved[kind] = float((M - maps[kind, 0]).abs().mean() / maps[kind, 0].abs().mean())
    print(f"{kind:9} the map of the frog changes by {moved[kind]:.0%} of its mean size")
M = explain(shifted, pairs, partial(target_score, c=0, kind="logit"))
became_bird = float((M - maps["logit", 1]).abs().max())
print(f"logit map of *frog* now − logit map of *bird* before: {became_bird:.0e} at most")

# %% [markdown]
# **Your guess:** the two softmax maps stay, and the logit's map of *frog* has become, number by
# number, the old map of *bird*. Both networks give the same probabilities to every picture: no test
# of their answers tells them apart.
#
# Does this make the logit's map worthless? No. Nobody adds such a row on purpose. And training with
# plain SGD does not add one: the gradient of the loss has the sum 0 over the classes, like your
# last row on paper. So the common part of all rows stays as it was at the start, small and random.
# But no *answer* of the network depends on it. So the **zero** of a logit's map, the border between
# "for" and "against", depends on how the training began. The zero of a softmax score does not. Nor
# does that of a difference of two logits (exercise 4.3).
#
# ## Against, or only weak? A map centred by its median
#
# One of the articles that this course grew from shows positive *and negative* maps of a dog and a
# cat. It makes its maps two-signed in another way: it subtracts the **median** of the map from the
# map. **Guess first:** about which share of the places is then negative? And is a place that became
# negative evidence against the class?
#
# The second question has an experiment. We take two kinds of places: those that speak against the
# class in the map as it is, and those that speak *for* it there and *against* it only after
# centring. In the picture we paint over one kind, with the mean colour of the picture, and look at
# the logit. What speaks against the class should raise the logit when it is gone. (Why not set the
# *feature maps* to 0 there? With GAP and a linear layer the logit then changes by minus the sum of
# the map over these places. That is how the map was made: nothing could go wrong.) We ask two
# networks of lesson 6: the repaired one, and the biased one, for which nearly the whole picture
# speaks for the class.


# %%
def centre(M: Tensor) -> Tensor:
    """Each map (h, w) minus its median."""
    return M - M.flatten(1).median(dim=1).values[:, None, None]


noise = camlite.random_cam(pond, "features", home.images, home.labels, relu=False)
print(f"random maps, centred: negative at {(centre(noise) < 0).float().mean():.1%} of the places")
of_truth = partial(target_score, c=home.labels, kind="logit")
turned, erased = {}, {}
colour = home.images.mean(dim=(2, 3), keepdim=True)
for name in ("repaired", "biased"):
    model = nets.bundled(f"pond_{name}")
    M = camlite.up(explain(model, home.images, of_truth), (48, 48))
    two_kinds = {"against": M < 0, "only centred": (M > 0) & (centre(M) < 0)}
    turned[name] = float((M < 0).float().mean()), float((centre(M) < 0).float().mean())
    print(f"{name}: negative {turned[name][0]:.0%} as it is, {turned[name][1]:.1%} centred")
    for text, places in two_kinds.items():
        some = places.flatten(1).any(dim=1)
        with torch.no_grad():
            painted = model(torch.where(places[:, None], colour, home.images))
            change = (of_truth(painted) - of_truth(model(home.images)))[some]
        erased[name, text] = float((change > 0).float().mean()), float(change.mean())
        print(f"   {text:12} painted over ({int(some.sum())} pictures): the logit ", end="")
        print("rises in {:.0%} (mean {:+.2f})".format(*erased[name, text]))

# %% tags=["figure"] jupyter={"source_hidden": true}
model, n = nets.bundled("pond_biased"), 0
M = explain(model, home.images[n : n + 1], partial(target_score, c=home.labels[n], kind="logit"))
wall(
    [(home.images[n], None)]
    + [(home.images[n], camlite.up(each, (48, 48))[0]) for each in (M, centre(M))],
    ["image", "the map as it is", "minus its median"],
    3,
    f"Minus its median, half of this map turns blue (biased network, {home.class_names[home.labels[n]]})",
    cell=(2.3, 2.4),
)

# %% [markdown]
# **Your guess:** about half, and never more: at most half of all values lie below their median.
# (Less where many values are the same. After a ReLU most maps are 0 at many places; where the
# median itself is 0, none becomes negative. And of an even number of values `median` takes the
# lower middle one, so the random maps stay a little below 50%.)
#
# And the experiment. In the repaired network, paint over what is negative in the map as it is: the
# logit rises in most pictures. Paint over what became negative by centring: it rises less often,
# and falls in the mean. The biased network shows it more weakly: nearly nothing in its map is
# negative before, half of it after, and painting over that half makes the logit fall in the mean,
# too. After centring, blue says "weaker than the middle of this picture". That is a statement about
# *rank*. It can be useful in a picture, and it must not be called negative evidence.
#
# And the zero of the map as it is? For the question "what if nothing were found there" ($F = 0$) it
# is right. As a border between two *classes* it is not: you added one row $v$ to all rows of $W$,
# and the border moved.
#
# ## Exercise 11.2: evidence for and against
# *●○○○○ · about 5 minutes*
#
# To measure both sides we take the map apart:
#
# $$ M = M^+ - M^-, \qquad M^+ \ge 0, \quad M^- \ge 0 $$
#
# where at each place at most one of the two is not 0. `M` is (N, h, w). Return the two as tensors
# (N, h, w), positive first.


# %% tags=["exercise", "11.2"]
def split_evidence(M: Tensor) -> tuple[Tensor, Tensor]:
    """Evidence for and evidence against, both ≥ 0, with positive − negative = M."""
    ### BEGIN SOLUTION
    return M.clamp(min=0), (-M).clamp(min=0)
    ### END SOLUTION


# %%
check("11.2", split_evidence)

# %% [markdown]
# ## Where is the evidence against the frog?
#
# It should be on the bird. And it should be what speaks *for* the bird. We ask all pairs, with
# three scores: the logit, the log-probability, and the **lead** of the frog over the bird, $S_0 -
# S_1$. As in lesson 6, the **density** is the energy on an animal divided by its area: a flat map
# has 1.


# %%
def density(M: Tensor, mask: Tensor) -> Tensor:
    """Energy on the mask divided by its area, for a map without negative values; 1: flat. (N,)"""
    M, inside = camlite.up(M, mask.shape[1:]), mask.float()
    total = M.sum(dim=(1, 2)).clamp_min(1e-12)
    return (M * inside).sum(dim=(1, 2)) / total / inside.mean(dim=(1, 2))


three = {
    "logit": [partial(target_score, c=c, kind="logit") for c in (0, 1)],
    "log-probability": [partial(target_score, c=c, kind="log_prob") for c in (0, 1)],
    "lead": [lambda Y: Y[:, 0] - Y[:, 1], lambda Y: Y[:, 1] - Y[:, 0]],
}
signs, mirror = {}, {}
print("                    for the frog       against the frog     against the frog =")
print("                  on frog  on bird     on frog  on bird     for the bird?")
for text, (of_frog, of_bird) in three.items():
    plus, minus = split_evidence(explain(pond, pairs, of_frog))
    other, _ = split_evidence(explain(pond, pairs, of_bird))
    signs[text] = [float(density(M, m).mean()) for M in (plus, minus) for m in (on_frog, on_bird)]
    mirror[text] = float(like(minus, other).mean())
    a, b, d, e = signs[text]
    print(f"{text:17} {a:7.1f} {b:8.1f} {d:11.1f} {e:8.1f}     correlation {mirror[text]:.2f}")

# %% [markdown]
# In all three maps what speaks for the frog lies on the frog, four times as dense as in a flat map.
# The other side differs. What the *logit* holds against the frog is spread out: some of it lies on
# the bird, some on the grounds, and it is only half alike to what speaks for the bird. With the
# log-probability both questions become nearly one. With the lead they are one, exactly: $S_0 - S_1$
# and $S_1 - S_0$ have the same map with the signs exchanged. That is no finding, it is how the
# score was made.
#
# Now the experiment. A place "against the frog" makes a claim: without it, the score of the frog
# would be higher. We can erase the bird, and the frog. **Guess first:** in how many of the pictures
# does the logit of *frog* rise without the bird? And the lead? In lesson 8 this claim was weak.

# %%
tested = {}
with torch.no_grad():
    before, without_bird, without_frog = pond(pairs), pond(no_bird), pond(no_frog)
print(f"{count} pictures       without the bird: rises   without the frog: falls")
for text, (of_frog, _) in three.items():
    rise, fall = of_frog(without_bird) - of_frog(before), of_frog(before) - of_frog(without_frog)
    tested[text] = float((rise > 0).float().mean()), float((fall > 0).float().mean())
    print(
        f"{text:17} {tested[text][0]:11.0%} ({rise.mean():+5.2f}) {tested[text][1]:17.0%}", end=""
    )
    print(f" ({-fall.mean():+5.2f})")
M = camlite.up(maps["logit", 0], size)
plus, minus = (side.flatten(1) for side in split_evidence(M))
blue = float(((minus * on_bird.flatten(1)).amax(1) / plus.amax(1)).median())
print(f"logit's map: strongest blue on the bird = {blue:.0%} of the strongest red (median)")

# %% [markdown]
# **Your guess:** without the bird the logit of the frog rises in about three of four pictures, but
# by little: its mean change is a few hundredths. Without the frog it falls by three, in every
# picture. The map says the same: its strongest blue on the bird is about an eighth of its strongest
# red. So the bird is hardly a reason *against* the frog. It is a reason *for the bird*: the lead of
# the frog grows clearly, in about nine of ten pictures. (Why not in all? The ground under the bird
# becomes visible, and for this network it counts too.)
#
# So "what speaks against the frog?" has two readings, too. Against its logit: little. Against the
# frog **rather than** the bird: the bird. Most people who draw a blue map mean the second one.
#
# ## Dog and cat, every method that has a sign
#
# Now that gallery: positive and negative maps of a dog and a cat, method by method. If the
# photograph and ResNet50 are at hand we take them, else a frog and a bird. Here are all methods of
# camlite that can leave out their ReLU and are quick; `camlite gallery` draws the same wall for a
# photograph of your own, with the slow ones too.
#
# Not each of them *can* speak against a class: where no weight and no feature is negative, the map
# has no blue by construction. **Guess:** for which methods that you know?

# %%
photo = data.find("photos/cat_dog.jpg")
real = photo is not None and "resnet50" in weights.at_hand()
if real:
    big, big_layer, asked = weights.pretrained("resnet50").model, "layer4", {"dog": 243, "cat": 282}
    seen, z = weights.preprocess(data.load_image(photo))
else:
    big, big_layer, asked = pond, "features", {"frog": 0, "bird": 1}
    seen = z = pairs[closest : closest + 1]
with torch.no_grad():
    P_big = big(z).softmax(dim=1)[0]
signed_methods = [name for name, card in camlite.METHODS.items() if card.has_sign and card.quick]
gallery = {}
for name in signed_methods:
    for thing, k in asked.items():
        gallery[name, thing] = camlite.METHODS[name].signed(big, big_layer, z, k).detach()
negative = {
    name: [float((gallery[name, thing] < 0).float().mean()) for thing in asked]
    for name in signed_methods
}
print(", ".join(f"{thing}: P = {float(P_big[k]):.3f}" for thing, k in asked.items()))
deepest = {
    (name, thing): float((-gallery[name, thing]).relu().amax() / gallery[name, thing].amax()) + 0.0
    for name in signed_methods
    for thing in asked
}
print(" " * 18 + "places against     strongest blue : strongest red")
print(f"{'':18}" + "".join(f"{thing:>8}" for thing in [*asked, "", *asked]))
for name in signed_methods:
    line = "".join(f"{v:8.0%}" for v in negative[name]) + " " * 8
    line += "".join(f"{deepest[name, thing]:8.2f}" for thing in asked)
    print(f"{camlite.METHODS[name].short:18}" + line)

# %% tags=["figure"] jupyter={"source_hidden": true}
cells, titles = [], []
columns = -(-(1 + len(signed_methods)) // 2)  # the picture and its methods: two lines a question
for thing in asked:
    left_over = 2 * columns - 1 - len(signed_methods)
    cells.append((seen[0], None))
    titles.append(f"{thing}?")
    for name in signed_methods:
        cells.append((seen[0], camlite.up(gallery[name, thing], seen.shape[2:])[0]))
        titles.append(camlite.METHODS[name].short)
    cells += [None] * left_over
    titles += [""] * left_over
wall(
    cells,
    titles,
    columns,
    "Evidence for (red) and against (blue): each map has its own scale",
    cell=(1.9, 2.1) if real else (2.4, 1.55),
)

# %% [markdown]
# **Your guess:** by construction there is no blue for five of them, since features after a ReLU are
# not negative.
#
# * Grad-CAM++ and LayerCAM cut off negative gradients.
# * LaFAM is the mean of the features, Eigen-CAM their strongest pattern. They never hear of the
#   class: their two maps are the same picture.
# * EigenGrad-CAM is the strongest pattern of $G F$. Before GAP this pattern has one sign, and
#   camlite draws it as plus.
#
# Ablation-CAM *can* be blue: its weights are drops of the logit, and a drop may be negative (lesson
# 12). CAM, Grad-CAM, XGrad-CAM and HiResCAM are one map here: both networks end in GAP (lesson 9).
#
# With the photograph: where these four are asked for the *cat*, they show the dog in pale colours
# or not at all. Grad-CAM++ and LayerCAM paint it red: they drop what the dog says against the cat.
# The two that put **rivals** into their score, Finer-CAM and ShapleyCAM (both below), draw the dog
# there in strong blue. Without the photograph: frog and bird are nearly as likely, and even the
# logit's map of one may be blue on the other (read the last two columns). So much of what looks
# like a difference of methods is a difference of scores. And a rival alone does not promise blue:
# with the photograph, Finer-CAM's map of the *dog* is bright red on the *cat*. Its rivals are the
# three classes with the closest logits, and these are other breeds of dogs.
#
# ## The dog's map at the cat's neck
#
# *With the photograph and ResNet50 only. Without them, read the text and go on.*
#
# The same article shows a map of the *dog* that is also warm at the neck of the *cat*. Its
# explanation: the gradient jumps, and must be smoothed. On a network that ends in GAP this cannot
# be the reason (lesson 9): there the gradient is the same at every place. So what is it?
#
# We look at that neck, a box of 32×48 pixels, with three scores: the dog's logit; the dog's lead
# over the class that is second in the network's own list; the dog's lead over the cat. Then we blur
# the box in the picture. As a control we blur each of 35 boxes of the same size in a grid (a few of
# them overlap the neck). **Guess first:** in which of the three maps is the neck warm?

# %%
if real:
    names = weights.pretrained("resnet50").categories
    with torch.no_grad():
        Y_big = big(z)[0]
    runner_up = int(Y_big.topk(2).indices[1])
    dog, cat = asked.values()
    neck_scores = {
        "the dog's logit": lambda Y: Y[:, dog],
        f"the dog's lead over a {names[runner_up]}": lambda Y: Y[:, dog] - Y[:, runner_up],
        "the dog's lead over the cat": lambda Y: Y[:, dog] - Y[:, cat],
    }
    neck = slice(171, 203), slice(165, 213)
    boxes = [neck] + [
        (slice(r, r + 32), slice(q, q + 48)) for r in range(0, 193, 32) for q in range(0, 177, 44)
    ]
    blurred = functional.avg_pool2d(z, 31, stride=1, padding=15, count_include_pad=False)
    covered = z.repeat(len(boxes), 1, 1, 1)
    for one, (rows, columns) in zip(covered, boxes, strict=True):
        one[:, rows, columns] = blurred[0][:, rows, columns]
    with torch.no_grad():
        Y_covered = torch.cat([big(part) for part in covered.split(9)])
    at_neck, neck_maps = {}, {}
    for text, score in neck_scores.items():
        M = camlite.up(explain(big, z, score, big_layer), z.shape[2:])[0]
        neck_maps[text] = M
        change = score(Y_covered) - score(Y_big[None])
        larger = int((change[1:].abs() >= change[0].abs()).sum())
        at_neck[text] = float(M[neck].mean() / M.abs().max()), float(change[0]), larger
        print(f"{text}: at the neck {at_neck[text][0]:+.0%} of the map's largest value;")
        print(f"    blurred, the score changes by {change[0]:+.2f}; ", end="")
        print(f"{larger} of 35 boxes change it as much or more")
else:
    print("ResNet50 or photos/cat_dog.jpg is not at hand: read on.")

# %% tags=["figure"] jupyter={"source_hidden": true}
if real:
    wall(
        [(seen[0], None)] + [(seen[0], M) for M in neck_maps.values()],
        ["the cat's neck", *(text.replace(" over", "\nover") for text in neck_maps)],
        4,
        "One place, three scores: the neck (yellow box) changes its sign with the rival",
        cell=(2.3, 2.5),
        mark_box=neck,
    )

# %% [markdown]
# **Your guess:** for the dog's logit the neck is warm, a little. For its lead over the second
# class, another breed of dog, it is very warm. For its lead over the cat it is cold. One network,
# one picture, one place, and the sign depends on the **rival**. Nothing had to be smoothed. The
# cat's coat may well tell one breed of dog from another, *for this network*.
#
# But look at the control: blurring the neck moves all three scores a little, in the same direction,
# and several boxes of the grid move them as much or more. Before you explain why a map is warm
# somewhere, ask whether another place would do the same. And one warm neck is one case.
#
# ## Exercise 11.3: the contrast
# *●●●○○ · about 15 minutes*
#
# Back to the bird watcher. Frog and bird differ everywhere. White-wing and dark-wing are alike in
# all but one part. **Finer-CAM** (2025) takes Grad-CAM, and as its score the class against its
# rivals $i$:
#
# $$ Y = \frac{\sum_i p_i\,(S_c - \alpha\,S_i)}{\sum_i p_i} $$
#
# where $p$ is the softmax of all logits: a likely rival counts more than an unlikely one. With
# $\alpha = 1$ all that class and rival share drops out; with $\alpha = 0$ it is the logit. With one
# rival and $\alpha = 1$ it is the lead.
#
# `rivals` is a list or a 1-D tensor of classes for all images, or a LongTensor (N, R) with R rivals
# for each image. `torch.as_tensor(rivals).expand(N, -1)` makes (N, R) of all three (−1: "as long as
# it is"), and `logits.gather(1, …)` picks one number for each entry:

# %%
some_logits = torch.tensor([[3.0, 1.0, 0.0, 2.0], [0.0, 5.0, 1.0, 4.0]])
for rivals in ([3, 0], torch.tensor([[3, 1], [0, 2]])):
    print(some_logits.gather(1, torch.as_tensor(rivals).expand(2, -1)).tolist())

# %% [markdown]
# Two more conditions. All rivals may be so unlikely that their $p_i$ is 0 in 32 bits, and then $0 /
# 0$ is no answer. (Think: $p_i / \sum_i p_i$ over the rivals. Which function of the rivals'
# *logits* is this? The common factor of all $p_i$ is gone.) And the gradient runs through
# everything, through $p_i$ too, as in the authors' code: no `.detach()`. (So a rival's logit acts
# in two ways, by itself and by its weight. Remember this when we hold the weights fixed.)


# %% tags=["exercise", "11.3"]
def contrast_score(logits: Tensor, c: int | Tensor, rivals, alpha: float) -> Tensor:
    """The class against its rivals, weighted by their probabilities: logits (N, C) -> (N,)."""
    ### BEGIN SOLUTION
    N = len(logits)
    S_c = logits.gather(1, torch.as_tensor(c).expand(N)[:, None])  # (N, 1)
    S_i = logits.gather(1, torch.as_tensor(rivals).expand(N, -1))  # (N, R)
    p = S_i.softmax(dim=1)  # p_i / Σ p_i
    return (p * (S_c - alpha * S_i)).sum(dim=1)
    ### END SOLUTION


# %%
check("11.3", contrast_score)

# %% [markdown]
# ## White-wing or dark-wing?
#
# Our generator draws the two birds, and two kinds of fish which have the same white or dark mark on
# their side. So each class has *two* kinds of rival: the look-alike, which differs from it in the
# mark only, and the other animal with the same mark. Each picture exists twice: the second time the
# mark has the other colour, and nothing else is different, up to the soft edge of the mark. We know
# which part tells the look-alikes apart, and where it is. Three small networks, trained with three
# seeds, come with camlite.

# %%
seeds = (0, 1, 2)
judges = [nets.bundled(f"lookalikes_{seed}") for seed in seeds]
zoo = data.lookalikes(24 if fast else 80, seed=100)
X, kind_of, mark = zoo.images, zoo.labels, zoo.part_mask
rest = zoo.object_mask & ~mark  # the animal without its mark
look_alike, other_animal = kind_of ^ 1, kind_of ^ 2  # white ↔ dark, bird ↔ fish
knows, follows = [], []
for seed, judge in zip(seeds, judges, strict=True):
    with torch.no_grad():
        knows.append(float((judge(X).argmax(1) == kind_of).float().mean()))
        follows.append(float((judge(zoo.swapped).argmax(1) == look_alike).float().mean()))
    print(f"network {seed}: knows {knows[-1]:.0%} of {len(X)} animals; ", end="")
    print(f"with the other mark it answers the look-alike in {follows[-1]:.0%}")
rivals_share = {}
print("of the probability that is left, 1 − P, hold (median)")
for text, k in {"the look-alike": look_alike, "the other animal": other_animal}.items():
    rivals_share[text] = []
    for judge in judges:
        with torch.no_grad():
            p = judge(X).softmax(dim=1)
        left = 1 - p.gather(1, kind_of[:, None])
        rivals_share[text].append(float((p.gather(1, k[:, None]) / left).median()))
    print(f"   {text:17}" + "".join(f"{v:8.0%}" for v in rivals_share[text]))
print(f"the mark covers {mark.float().mean():.1%} of a picture, the rest of the animal ", end="")
print(f"{rest.float().mean():.0%}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 6, figsize=(10, 3.9), layout="constrained")
for n in range(6):
    for axis, picture in zip(axes[:, n], (X, zoo.swapped), strict=True):
        axis.imshow(picture[n].permute(1, 2, 0))
        axis.set(xticks=[], yticks=[])
        axis.contour(mark[n].float(), levels=[0.5], colors="magenta", linewidths=1.2)
    axes[0, n].set_title(zoo.class_names[kind_of[n]], fontsize=10)
    axes[1, n].set_title(zoo.class_names[look_alike[n]], fontsize=10)
figure.suptitle(
    "Each animal and its look-alike: they differ inside of the line (and at its soft edge)"
)
plt.show()

# %% [markdown]
# The swap is the experiment that lesson 6 asked for: change one thing only. It proves that the mark
# decides between the look-alikes. A map that answers "why a white bird rather than a dark bird?"
# must lie on the mark. **Guess first:** on which part of the animal will each of these maps be
# densest?
#
# * the logit; the log-probability;
# * the contrast with the look-alike, $\alpha = 0.6$ and $\alpha = 1$;
# * the contrast with the other animal that has the same mark, $\alpha = 1$.

# %%
asked_scores = {
    "logit": partial(target_score, c=kind_of, kind="logit"),
    "log-probability": partial(target_score, c=kind_of, kind="log_prob"),
    "look-alike, α = 0.6": partial(
        contrast_score, c=kind_of, rivals=look_alike[:, None], alpha=0.6
    ),
    "look-alike, α = 1": partial(contrast_score, c=kind_of, rivals=look_alike[:, None], alpha=1),
    "other animal, α = 1": partial(
        contrast_score, c=kind_of, rivals=other_animal[:, None], alpha=1
    ),
}
found, on_part = {}, {}
print("evidence for the true class: density on the mark | on the rest of the animal")
print(f"{'(a flat map has 1)':26}" + "".join(f"   network {seed}" for seed in seeds))
for text, score in asked_scores.items():
    for seed, judge in zip(seeds, judges, strict=True):
        found[text, seed] = explain(judge, X, score)
        plus, _ = split_evidence(found[text, seed])
        on_part[text, seed] = [float(density(plus, part).mean()) for part in (mark, rest)]
    print(f"{text:26}" + "".join("{:7.1f} |{:3.1f}".format(*on_part[text, s]) for s in seeds))
spot = camlite.center_gaussian(judges[0], "features", X, 0)
floor = [float(density(spot, part).mean()) for part in (mark, rest)]
print("a spot in the middle      {:7.1f} |{:3.1f}".format(*floor))
mean_of = {
    text: [sum(on_part[text, s][i] for s in seeds) / 3 for i in (0, 1)] for text in asked_scores
}
times = {text: on_mark / on_rest for text, (on_mark, on_rest) in mean_of.items()}
print("mean density on the mark, divided by that on the rest:")
print("  ", ",  ".join(f"{text} {value:.1f}" for text, value in times.items()))

# %% [markdown]
# **Your guess:** named rivals move the evidence, in the direction that you would expect. Rather
# than the look-alike: most on the mark, less on the rest. Rather than the other animal: less on the
# mark, more on the rest. (The last line of numbers has it in short.) But look at the networks one
# by one:
#
# * **Network 1** knows every animal. Its logit listens to the mark and to the animal; the contrast
#   drops what the look-alikes share, and this is what Finer-CAM promises.
# * **Network 0** knows nearly every animal as well. But its contrast hardly gains: less on the
#   rest, but no more on the mark.
# * **Network 2** mixes up birds and fish, about one animal in five. Its logit hardly listens to the
#   rest of the animal, so there is nothing to drop: the contrast is the same map.
#
# So the promise is clearly kept by one network of three. (We did not choose them: these are the
# first three seeds.)
#
# Why does the *log-probability* lie less on the mark than the logit? It counts each rival by its
# probability, and the look-alike has little: most of what is left belongs to the other animal (the
# last lines of the cell that loaded the networks). So it asks "why not the other animal?".
#
# And one line should disturb you. "White bird rather than white *fish*": both have the same mark,
# and still this map is densest **on the mark**. Can the mark tell a bird from a fish? Ask the
# experiment: we swap the mark, and look which of the scores notices. **Guess first.**

# %%
noticed = {}
print("mean score, as it is → with the other mark")
print(f"{'':26}" + "".join(f"      network {seed}" for seed in seeds))
for text in ("logit", "look-alike, α = 1", "other animal, α = 1"):
    score = asked_scores[text]
    with torch.no_grad():
        noticed[text] = [
            (float(score(judge(X)).mean()), float(score(judge(zoo.swapped)).mean()))
            for judge in judges
        ]
    print(f"{text:26}" + "".join("{:+8.1f} →{:+5.1f}".format(*pair) for pair in noticed[text]))

# %% [markdown]
# **Your guess:** the contrast with the look-alike changes its sign, as it must. The contrast with
# the other animal keeps its sign in all three networks, and nearly all of its size in network 1.
# The logit changes its sign too: "why this class" has the mark among its reasons. So the experiment
# separates the two *rivals* better than the maps do. A place of the map sees the edge of the mark
# and the animal around it (its receptive field is 19 pixels wide). A bright place says *where*, not
# *what* was seen there. You know this from lesson 6.
#
# ## Why the log-probability is a contrast too
#
# Take **all** other classes as rivals, $\alpha = 1$, and hold the weights $p_i$ fixed. Then the
# gradient of the contrast is
#
# $$ \frac{\sum_{i \ne c} P_i\,(\partial S_c - \partial S_i)}{\sum_{i \ne c} P_i}
# = \frac{\partial S_c - \sum_j P_j\,\partial S_j}{1 - P_c} = \frac{\partial \log P_c}{1 - P_c} $$
#
# **Do the middle step on paper** (in the sum over all $j$, the term $j = c$ gives 0; and
# $\sum_{i \ne c} P_i = 1 - P_c$). The cell tests it.

# %%
L = judges[0](X).detach().double().requires_grad_()
everybody = torch.tensor([[k for k in range(4) if k != int(one)] for one in kind_of])  # (N, 3)
weight = L.softmax(dim=1).detach().gather(1, everybody)
fixed = (weight * (L.gather(1, kind_of[:, None]) - L.gather(1, everybody))).sum(1) / weight.sum(1)
slope_fixed = torch.autograd.grad(fixed.sum(), L)[0]
slope_log = torch.autograd.grad(target_score(L, kind_of, "log_prob").sum(), L)[0]
left = 1 - L.detach().softmax(dim=1).gather(1, kind_of[:, None])
identity_off = float((slope_fixed * left - slope_log).abs().max())
print(f"largest difference of the two sides: {identity_off:.0e}")
through_p = []
for seed, judge in zip(seeds, judges, strict=True):
    M = explain(judge, X, partial(contrast_score, c=kind_of, rivals=everybody, alpha=1))
    through_p.append(float(like(M, found["log-probability", seed]).mean()))
print("with the gradient through p, correlation with the map of the log-probability:", end="")
print("".join(f"  {value:.2f}" for value in through_p))

# %% [markdown]
# So the log-probability is a contrast with everybody, each weighted by its probability, **with the
# weights held fixed**. Your `contrast_score` is another function: its gradient runs through $p$
# too. The maps of the two are alike, but not the same; in network 2 they are hardly alike. (For the
# logits 6, 4, 1 and $\alpha = 1$ its gradient is about (1, −1.09, +0.09): when the weak rival
# rises, it takes weight from the strong one, and the score *rises*.) What Finer-CAM adds: **you**
# name the rival, and the map does not fade when the network is sure.
#
# ## In the library
#
# `camlite.finer_cam` takes the rivals from you, or the classes with the closest logits. For one
# kind of bird at a time, it is your score and `explain`:

# %%
white = X[kind_of == 0]  # the white birds
ours = explain(judges[0], white, partial(contrast_score, c=0, rivals=[1, 2], alpha=0.6))
theirs = camlite.finer_cam(judges[0], "features", white, 0, rivals=[1, 2], alpha=0.6, relu=False)
finer_off = float((ours - theirs).abs().max())
print(f"largest difference to camlite.finer_cam: {finer_off:.0e}")

# %% [markdown]
# ## A score for a second derivative
#
# ShapleyCAM (2025) mixes logit and log-probability: its score, named ReST, is $u = S_c + \log P_c$.
# And it adds a term of second order to the weight of each channel: $w_k = \mathrm{GAP}(G - \frac12
# H F)_k$. Here $H$ holds the second derivatives of $u$. **Guess first:** two networks of lesson 4,
# one with a ReLU in its head, one with Hardswish, which is curved between −3 and 3. For which of
# the scores is $HF$ exactly 0?

# %%
digits, digit_labels = data.digits(train=False)
small = functional.interpolate(digits[:40], size=(14, 14), mode="bilinear", align_corners=False)
laid, digit = functional.pad(small, (7, 7, 7, 7)), digit_labels[:40]
scores = {
    "logit": partial(target_score, c=digit, kind="logit"),
    "ReST": lambda Y: target_score(Y, digit, "logit") + target_score(Y, digit, "log_prob"),
}
second = {}
for head in ("flatten", "gap_two_linears"):  # with ReLUs; with Hardswish
    model = nets.bundled(f"heads_{head}")
    for text, u in scores.items():
        plain = explain(model, laid, u)
        shapley = camlite.shapley_cam(model, "features", laid, u, relu=False)
        second[head, text] = float((shapley - plain).abs().mean() / plain.abs().mean())
        print(f"{head:16} {text:6} the second term changes the map by {second[head, text]:.1%}")

# %% [markdown]
# **Your guess:** only for the logit, with ReLUs. There the logit is made of straight pieces, and a
# straight line has no second derivative: ShapleyCAM *is* Grad-CAM. The logarithm of a softmax is
# curved, and so is Hardswish; there the term is not 0. (How much it changes depends on the network,
# as you see.) If a paper reports a gain of ShapleyCAM, ask how much of it comes from the new score
# alone.
#
# ## The answer in one picture


# %% tags=["figure"] jupyter={"source_hidden": true}
show_kinds = ("logit", "look-alike, α = 1", "other animal, α = 1")
heads = "why this class?", "why not the look-alike?", "why not the other animal?"
dense = {}
for text in show_kinds:
    plus, _ = split_evidence(found[text, 1])
    dense[text] = torch.stack([density(plus, part) for part in (mark, rest)], dim=1)  # (N, 2)
all_numbers = torch.cat(list(dense.values()), dim=1)  # (N, 6)
chosen = []
for k in range(4):  # of each class the animal whose six numbers are closest to the means
    own = (kind_of == k).nonzero()[:, 0]
    chosen.append(int(own[(all_numbers[own] - all_numbers.mean(0)).norm(dim=1).argmin()]))
figure, axes = plot.canvas(len(chosen), 4, (2.7, 2.3), margin=(1.2, 0.9))
cells = []
for n in chosen:
    cells.append((X[n], None))
    cells += [(X[n], camlite.up(found[text, 1][n : n + 1], X.shape[2:])[0]) for text in show_kinds]
plot.draw(list(axes.flat), cells, signed=True, shrink=0.6)
figure.axes[-1].set_title("evidence", fontsize=9)
for line_of, n in zip(axes, chosen, strict=True):
    line_of[0].set_title(zoo.class_names[kind_of[n]], fontsize=9)
    for axis, head, text in zip(line_of[1:], heads, show_kinds, strict=True):
        axis.contour(mark[n].float(), levels=[0.5], colors="magenta", linewidths=1.2)
        numbers = "mark {:.1f}, rest {:.1f}".format(*dense[text][n].tolist())
        means = "all {}: mark {:.1f}, rest {:.1f}".format(len(X), *on_part[text, 1])
        above = f"{head}\n{means}\nthis one: " if n == chosen[0] else ""
        axis.set_title(above + numbers, fontsize=9)
plot.finished(
    figure,
    "Network 1: more on the mark (purple) against the look-alike than against the other animal\n"
    "Numbers: density of the evidence for the class, a flat map has 1",
)
plt.show()

# %% [markdown]
# **Today's question was:** why this class, or why this one rather than that one? Both are fair. The
# logit asks the first one, any score with rivals asks the second, and which rivals, decides what
# you see. In each row more of the evidence is inside of the line in the third column than in the
# last one; how much more depends on the animal. (For each class the picture shows the animal
# closest to the means. In networks 0 and 2 the third column hardly gains on the second one; the
# last column loses in all three.) A heat map is an answer. The score is its question: write it
# below the picture.
#
# ## Once more
#
# *From lesson 8, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# There you asked for the counterfactual map, with minus the gradient. Here the score is the lead of
# the frog. Compute its counterfactual map for all pairs, ReLU included, **without a gradient**:
# only from `F_pairs`, from the weights of the linear layer, and with $Z$ = 12·24 places. Two lines.

# %%
with torch.no_grad():
    F_pairs = pond.features(pairs)  # (N, 64, 12, 24)
weight_of = pond.classifier.weight.detach()  # (4, 64)
counterfactual = torch.zeros(count, 12, 24)  # your lines here
wanted = split_evidence(explain(pond, pairs, three["lead"][0]))[1]
print(f"largest difference: {(counterfactual - wanted).abs().max():.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `w = (weight_of[1] - weight_of[0]) / (12 * 24)`, then `counterfactual =
# torch.einsum("k,nkxy->nxy", w, F_pairs).relu()`. It is the evidence for the lead of the *bird*:
# for a lead, "against" is "for" with the classes exchanged.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 11` asks them again, also next week.
#
# **1.** The probabilities of a picture are (0.5, 0.3, 0.2). What is the gradient of $\log P$ of the
# first class with respect to the three logits, and that of $P$ itself?
#
# <details><summary>Answer</summary>
#
# (0.5, −0.3, −0.2), and half of it: (0.25, −0.15, −0.1). Both have the sum 0: a number added to all
# logits changes neither.
#
# </details>
#
# **2.** Three classes have the logits 6, 4 and 2.9, so the probabilities 0.847, 0.115 and 0.038.
# What is the contrast of the first class with its two rivals, with α = 1 and with α = 0?
#
# <details><summary>Answer</summary>
#
# The weights are 0.115 / 0.153 = 0.75 and 0.038 / 0.153 = 0.25. With α = 1 it is 0.75 · 2 + 0.25 ·
# 3.1 = 2.275. With α = 0 it is the logit, 6.
#
# </details>
#
# **3.** A map has the values 5, 4, 3, 2 and 1. A program subtracts the median and draws red and
# blue. Which places are blue, and what do they say against the class?
#
# <details><summary>Answer</summary>
#
# The last two: −1 and −2. They say nothing against it; all five places were for the class. They are
# only weaker than the middle one.
#
# </details>
#
# **4.** (lesson 4) A network ends in GAP and one linear layer. For the frog its weights are (2, 0,
# 1), for the bird (2, 3, 0), without a bias. The means of the three feature maps are 1, 1 and 2.
# What are the two logits? Which channel has no part in the map of frog minus bird?
#
# <details><summary>Answer</summary>
#
# Frog: 2 + 0 + 2 = 4. Bird: 2 + 3 + 0 = 5. The first channel: it has the same weight for both, so
# it drops out, however bright it is.
#
# </details>
#
# **5.** (lesson 9) A network ends in a flatten head. In one channel the gradient is (1, −1) at two
# places, and F is (3, 3). What do Grad-CAM and HiResCAM draw for this channel? Why is the answer
# another one if the network ends in GAP?
#
# <details><summary>Answer</summary>
#
# Grad-CAM draws (0, 0), because the mean of the gradient is 0. HiResCAM draws (3, −3). Before GAP
# the gradient is the same at all places, so its mean loses nothing, and the two maps are one.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * The **logit** asks "why this class?". What look-alikes share is part of its answer.
# * **Probability** and **log-probability** ask "why this one rather than the others?". Their maps
#   are the same up to $P_c$. Take the log-probability, with `log_softmax`, and look at the size
#   before you scale.
# * A **contrast** lets you name the rival. With α = 1 nothing that all logits share is left.
# * The zero of a logit's map depends on how the training began. The zero of a lead does not.
# * "Against" is a claim about the score. Weak is not against: subtracting the median makes about
#   half of a map negative.
# * Write the score below the picture. A map without its score is an answer without a question.
#
# **Where it fails.** A contrast answers only what you ask: the wrong rival gives a map that looks
# as convincing. It shows where two classes differ *for this network*, and this can be a shortcut
# (lesson 6). And it is still Grad-CAM: as coarse as the layer, with a mean over the places where a
# head flattens (lesson 9).
#
# **Try this** (15 minutes). Draw the density on the mark over α from 0 to 2, first with the
# look-alike as the only rival. Where is the maximum, for each of the three networks? Then take all
# four classes, `rivals=[0, 1, 2, 3]`: the class is among its own rivals. What happens above α = 1?
#
# <details><summary>Answer</summary>
#
# Look-alike: network 1 gains most up to α = 1, and little more after it; networks 0 and 2 are
# nearly flat. With all four, the class subtracts itself: for a sure network nearly all weight is on
# the class, so about $(1 - \alpha) S_c$ is left. Up to 0.75 the map lies on the mark, above 1 what
# is "for" the class leaves it. With α = 1 the own term is 0, but it still counts: the score is
# $1 - P_c$ times the contrast with the other three, and $1 - P_c$ has a gradient too.
#
# </details>
#
# **Where to read on.** arXiv 2501.11309: the score of Exercise 11.3; its authors take the classes
# with the closest logits as rivals. arXiv 2501.06261: ReST and the second order. Score-CAM (arXiv
# 1910.01279), Figure 5: for a cat beside a dog, weights from the scores before the softmax light up
# both animals. `camlite card finer_cam` and `camlite card shapley_cam` list needs and caveats.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *score, logit*: score / logit · 分数（logit） · 分數（logit） · スコア、ロジット
# * *probability*: xác suất · 概率 · 機率 · 確率
# * *log-probability*: log xác suất · 对数概率 · 對數機率 · 対数確率
# * *lead* (difference of two logits): hiệu hai logit · logit 之差 · logit 之差 · ロジットの差
# * *contrast*: sự tương phản · 对比 · 對比 · 対比
# * *evidence for / against*: bằng chứng ủng hộ / phản bác · 支持 / 反对的证据 · 支持 / 反對的證據 ·
#   賛成 / 反対の根拠
# * *softmax*: softmax · softmax · softmax · softmax
# * *median*: trung vị · 中位数 · 中位數 · 中央値
#
# **Next:** lesson 12 needs no gradient: it takes something away and asks the network.
