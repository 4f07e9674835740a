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
# **Time** 110 minutes · **Difficulty** ●●●○○ · **You need** lessons 3, 4 and 8 · **At the end** you
# know which question each score asks, you can tell evidence *against* a class from places that are
# only weak, and you have drawn the one part in which two look-alikes differ.
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
# $S = (2, 1, 0)$. Three scores could stand for the first class, $c = 1$:
#
# * the **logit** $S_c$;
# * the **probability** $P_c = e^{S_c} / \sum_j e^{S_j}$;
# * the **log-probability** $\log P_c = S_c - \log \sum_j e^{S_j}$.
#
# How do they move when a logit moves? ($[j = c]$ is 1 for $j = c$ and 0 for all others.)
#
# $$ \frac{\partial S_c}{\partial S_j} = [j = c], \qquad
# \frac{\partial \log P_c}{\partial S_j} = [j = c] - P_j, \qquad
# \frac{\partial P_c}{\partial S_j} = P_c\,\big([j = c] - P_j\big) $$
#
# The probabilities are about $P = (0.67, 0.24, 0.09)$. Write down the three gradients, three numbers
# each. Then: add up each row. What does the sum tell you?

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
    print(f"{text:16} {numbers}    sum {slopes[text].sum() + 0:+.2f}")

# %% [markdown]
# The logit does not know its rivals: their numbers are 0. The other two do: they rise when a rival
# falls, and a likely rival counts more than an unlikely one. Their rows have the sum 0. So if *all*
# logits rise by the same number, probability and log-probability stay. The logit rises.
#
# And the second row is the third one, times $P_c = 0.67$.
#
# ## A trap: the logarithm of zero
#
# `softmax` and then `log`: is that not the log-probability? On paper, yes. A computer has 32 bits,
# and $e^{-120}$ is smaller than the smallest number it knows there. `log_softmax` does both steps in one,
# with the formula $S_c - \log\sum_j e^{S_j}$, and loses nothing:

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
# The first way gives −∞, and a gradient of NaN: no map at all. Logits of 100 and more are rare, but
# networks for a thousand classes come near.
#
# ## Exercise 11.1: the score
# *●●○○○ · about 10 minutes*
#
# Write a function that returns the score of class `c` for each image, (N,). `logits` is (N, C); `c`
# is one class for all images or a tensor (N,), as before: `torch.as_tensor(c).expand(N)` makes N
# classes of both. `kind` is `"logit"`, `"prob"` or `"log_prob"`. It must be right for logits of 100
# and more.
#
# We will take the gradient of what you return. So the way from `logits` to it must stay in torch:
# no `.item()`, no `.detach()`, no NumPy. (The check looks at the gradient too.)


# %% tags=["exercise", "11.1"]
def target_score(logits: Tensor, c: int | Tensor, kind: str) -> Tensor:
    """The score of class c as logit, prob or log_prob: logits (N, C) -> (N,)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 11.1: target_score")


# %%
check("11.1", target_score)

# %% [markdown]
# If you need help: `hint("11.1")`.
#
# ## One network, one picture: how many maps?
#
# Now Grad-CAM with its sign (lesson 8), for any score. `score` is a function that makes (N,) out of
# logits (N, C). `partial(target_score, c=0, kind="prob")` is such a function: your function, with two
# of its three arguments filled in.


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
for kind in kinds[::2]:
    print(
        f"   {kind:9} speaks against the frog at {(maps[kind, 0] < 0).float().mean():.0%} of them"
    )

# %% tags=["figure"] jupyter={"source_hidden": true}


def wall(cells: list, titles: list[str], columns: int, title: str, cell=(3.1, 1.75), **options):
    """Signed maps on their pictures, line by line, and one colour bar."""
    rows = -(-len(cells) // columns)
    figure, axes = plot.canvas(rows, columns, cell, margin=(1.2, 0.5))
    plot.draw(list(axes.flat[: len(cells)]), cells, signed=True, **options)
    for axis, text in zip(axes.flat, titles, strict=False):
        axis.set_title(text, fontsize=9)
    plot.finished(figure, title)
    plt.show()
    return axes


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
# factor $P_c$: that is the third formula above, carried down to the feature maps. After scaling,
# nobody can tell them apart. The logit has another one.
#
# So is there no reason to choose between the last two? There is: the factor. **Guess:** take pictures
# with one animal, of which the network is sure. How large are the three maps, for the class that it
# answers and for a class that it excludes?

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
    print(f"{text:10} (P = {p:.0e}) {numbers}")

# %% [markdown]
# Where the network is sure of its answer, both softmax scores have nearly nothing to say: $1 - P_c$
# is small, and nothing that could still rise is left. For a class that it excludes the probability
# is flat too, but the log-probability is not: there its map is as large as that of the logit. So if you want
# the rivals in the score, take the **log-probability**. And never look at a scaled map without its
# size.
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
# Does this make the logit's map worthless? No. Nobody adds such a row on purpose, and training starts
# with small random rows, so the common part of all rows stays small. But nothing in the *loss* keeps
# it small. The **zero** of a logit's map, the border between "for" and "against", rests on a custom
# of training. The zero of a softmax score, or of a difference of two logits (exercise 4.3), does not.
#
# ## Exercise 11.2: evidence for and against
# *●○○○○ · about 5 minutes*
#
# To measure both sides we take the map apart:
#
# $$ M = M^+ - M^-, \qquad M^+ \ge 0, \quad M^- \ge 0 $$
#
# where at each place at most one of the two is not 0. `M` is (N, h, w). Return the two, positive
# first.


# %% tags=["exercise", "11.2"]
def split_evidence(M: Tensor) -> tuple[Tensor, Tensor]:
    """Evidence for and evidence against, both ≥ 0, with positive − negative = M."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 11.2: split_evidence")


# %%
check("11.2", split_evidence)

# %% [markdown]
# ## Where is the evidence against the frog?
#
# It should be on the bird. And it should be what speaks *for* the bird. We ask all pairs, with three
# scores: logit, log-probability, and "frog rather than bird", $S_0 - S_1$. As in lesson 6, we
# give the energy on an animal divided by its area: 1 is what a flat map has.


# %%
def density(M: Tensor, mask: Tensor) -> Tensor:
    """Energy on the mask divided by its area, for a map without negative values; 1: flat. (N,)"""
    M, inside = camlite.up(M, mask.shape[1:]), mask.float()
    total = M.sum(dim=(1, 2)).clamp_min(1e-12)
    return (M * inside).sum(dim=(1, 2)) / total / inside.mean(dim=(1, 2))


three = {
    "logit": [partial(target_score, c=c, kind="logit") for c in (0, 1)],
    "log-probability": [partial(target_score, c=c, kind="log_prob") for c in (0, 1)],
    "one − the other": [lambda Y: Y[:, 0] - Y[:, 1], lambda Y: Y[:, 1] - Y[:, 0]],
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
# PLACE_SIGNS
#
# ## The experiment
#
# A place "against the frog" makes a claim: without it, the score of the frog would be higher. We can
# erase the bird, and the frog. **Guess first:** in how many of the pictures does the score of *frog*
# rise without the bird? In lesson 8 this claim was weak.

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

# %% [markdown]
# PLACE_TESTED
#
# ## Against, or only weak? A map centred by its median
#
# One of the articles behind this course (in Japanese; a gallery of a dog and a cat, with positive
# *and negative* maps for each method) makes its maps two-signed in another way: it subtracts the
# **median** of the map from the map. **Guess first:** which share of the places is then negative, for any
# map whatever? And is a place that became negative evidence against the class?
#
# The second question has an experiment. We take the places that are positive in the map and negative
# after centring, set the feature maps to 0 there, and look at the logit. If such a place spoke
# against the class, the logit must rise.

# %%
features, classifier = camlite.split(pond, "features")
with torch.no_grad():
    F = features(pairs)
M = maps["logit", 0]
centred = M - M.flatten(1).median(dim=1).values[:, None, None]
noise = camlite.random_cam(pond, "features", pairs, 0, relu=False)
noise_centred = noise - noise.flatten(1).median(dim=1).values[:, None, None]
below = {"logit's map": M, "centred": centred, "random, centred": noise_centred}
below = {text: float((each < 0).float().mean()) for text, each in below.items()}
for text, share in below.items():
    print(f"{text:16} {share:.1%} of the places are negative")
turned = (M > 0) & (centred < 0)
with torch.no_grad():
    hidden = classifier(F * ~turned[:, None])[:, 0] - before[:, 0]
some = turned.any(dim=2).any(dim=1)
turned_share, rises_there = float(turned.float().mean()), int((hidden[some] > 0).sum())
print(f"{turned_share:.0%} of all places are for the class, and negative after centring")
print(f"without them the logit rises in {rises_there} of {int(some.sum())} pictures ", end="")
print(f"(mean change {hidden[some].mean():+.2f})")

# %% [markdown]
# PLACE_MEDIAN
#
# ## The dog's map at the cat's neck
#
# The same article shows a picture with a dog and a cat, and a map of the *dog* that is also warm at
# the neck of the *cat*. Its explanation: the gradient jumps, and must be smoothed. In lesson 9 you
# saw that this cannot be the reason on a network with GAP: there the gradient is the same at every
# place. What else can it be? We look for such necks in our pairs: for each picture the place on the
# bird where the logit's map of *frog* is warmest. Then we paint the ground over it, a square of
# 12×12 pixels, and ask for three scores.
#
# **Guess first:** is the warm place real, does the logit of *frog* fall? And does the lead of the frog
# over the bird fall?

# %%
on_bird_only = torch.where(on_bird, camlite.up(maps["logit", 0], size), -torch.inf)
warmest, place = on_bird_only.flatten(1).max(dim=1)
lead_map = explain(pond, pairs, three["one − the other"][0])
row, column = place // size[1], place % size[1]
near_row = (torch.arange(size[0]) - row[:, None]).abs() <= 6
near_column = (torch.arange(size[1]) - column[:, None]).abs() <= 6
square = (near_row[:, :, None] & near_column[:, None, :])[:, None]  # (N, 1, H, W)
with torch.no_grad():
    painted = pond(torch.where(square, no_bird, pairs))
warm = warmest > 0
at_neck = camlite.up(lead_map, size).flatten(1).gather(1, place[:, None])[:, 0][warm]
top = camlite.up(maps["logit", 0], size).flatten(1).amax(dim=1)
fell = {}
print(f"{int(warm.sum())} of {count} birds have a place that is warm for *frog*, ", end="")
print(f"with {(warmest / top)[warm].mean():.0%} of the map's maximum")
print(f'there the map of "frog rather than bird" is negative in {(at_neck < 0).float().mean():.0%}')
for text, score in {
    "logit of the frog": three["logit"][0],
    "logit of the bird": three["logit"][1],
    "lead of the frog": three["one − the other"][0],
}.items():
    change = (score(painted) - score(before))[warm]
    fell[text] = float((change < 0).float().mean()), float(change.mean())
    print(f"painted over: {text} falls in {fell[text][0]:4.0%} (mean {fell[text][1]:+.2f})")

# %% [markdown]
# PLACE_NECK
#
# ## Dog and cat, every method that has a sign
#
# Now the gallery of that article. If the photograph and ResNet50 are at hand we take them, else a
# frog and a bird. Not each method can speak against a class: where the weights cannot be negative and
# the feature maps are not either, "negative evidence" is empty by construction. **Guess:** for which
# methods of the course so far? (`camlite gallery` draws this wall for a photograph of your own, also
# with the slow methods.)

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
print(f"{'places against':22}" + "".join(f"{thing:>8}" for thing in asked))
for name in signed_methods:
    print(f"{camlite.METHODS[name].short:22}" + "".join(f"{v:8.0%}" for v in negative[name]))

# %% tags=["figure"] jupyter={"source_hidden": true}
cells, titles = [], []
for thing in asked:
    cells.append((seen[0], None))
    titles.append(f"{thing}?")
    for name in signed_methods:
        cells.append((seen[0], camlite.up(gallery[name, thing], seen.shape[2:])[0]))
        titles.append(camlite.METHODS[name].short)
wall(
    cells,
    titles,
    (len(signed_methods) + 2) // 2 if not real else 7,
    "Evidence for (red) and against (blue), each map on its own scale",
    cell=(1.9, 2.0) if real else (2.4, 1.5),
)

# %% [markdown]
# PLACE_WALL
#
# ## Exercise 11.3: the contrast
# *●●●○○ · about 15 minutes*
#
# Back to the bird watcher. Frog and bird differ everywhere; a difference of two logits is then
# hardly another map than a logit. White-wing and dark-wing are alike in all but one part.
# **Finer-CAM** (2025) takes Grad-CAM, and as its score the class against its rivals $i$:
#
# $$ Y = \frac{\sum_i p_i\,(S_c - \alpha\,S_i)}{\sum_i p_i} $$
#
# where $p$ is the softmax of all logits: a likely rival counts more than an unlikely one. With
# $\alpha = 1$ all that class and rival share drops out; with $\alpha = 0$ it is the logit.
#
# `rivals` is a list or a 1-D tensor of classes for all images, or a LongTensor (N, R) with R rivals for
# each image. `torch.as_tensor(rivals).expand(N, -1)` makes (N, R) of all three (−1: "as long as it
# is"), and `logits.gather(1, …)` picks one number for each entry:

# %%
some_logits = torch.tensor([[3.0, 1.0, 0.0, 2.0], [0.0, 5.0, 1.0, 4.0]])
for rivals in ([3, 0], torch.tensor([[3, 1], [0, 2]])):
    print(some_logits.gather(1, torch.as_tensor(rivals).expand(2, -1)).tolist())

# %% [markdown]
# Two more conditions. All rivals may be so unlikely that their $p_i$ is 0 in 32 bits, and then $0 / 0$ is
# no answer. (Think: $p_i / \sum_i p_i$ over the rivals. Which function of the rivals' *logits* is this?
# The common factor of all $p_i$ is gone.) And the gradient runs through everything, through $p_i$
# too, as in the authors' code: no `.detach()`.


# %% tags=["exercise", "11.3"]
def contrast_score(logits: Tensor, c: int | Tensor, rivals, alpha: float) -> Tensor:
    """The class against its rivals, weighted by their probabilities: logits (N, C) -> (N,)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 11.3: contrast_score")


# %%
check("11.3", contrast_score)

# %% [markdown]
# ## White-wing or dark-wing?
#
# Our generator draws the two birds, and frogs and fish beside them. Each picture exists twice: the
# second time the bird has the other kind's wing, and *nothing else* is different. So we know which
# part tells the two apart, and where it is. Three small networks, trained with three seeds, come
# with camlite.

# %%
seeds = (0, 1, 2)
judges = [nets.bundled(f"lookalikes_{seed}") for seed in seeds]
zoo = data.lookalikes(120 if fast else 320, seed=100)
is_bird = zoo.labels < 2
X, other_wing, kind_of, wing = (
    T[is_bird] for T in (zoo.images, zoo.swapped, zoo.labels, zoo.part_mask)
)
body = zoo.object_mask[is_bird]
rival = 1 - kind_of  # (N,) the look-alike
knows, follows = [], []
for seed, judge in zip(seeds, judges, strict=True):
    with torch.no_grad():
        knows.append(float((judge(X).argmax(1) == kind_of).float().mean()))
        follows.append(float((judge(other_wing).argmax(1) == rival).float().mean()))
    print(f"network {seed}: knows {knows[-1]:.0%} of {len(X)} birds; ", end="")
    print(f"with the other wing it answers the other kind in {follows[-1]:.0%}")
print(f"the bird covers {body.float().mean():.0%} of a picture, the wing {wing.float().mean():.1%}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 6, figsize=(10, 3.9), layout="constrained")
for n in range(6):
    for axis, picture in zip(axes[:, n], (X, other_wing), strict=True):
        axis.imshow(picture[n].permute(1, 2, 0))
        axis.set(xticks=[], yticks=[])
    axes[0, n].contour(wing[n].float(), levels=[0.5], colors="magenta", linewidths=1)
    axes[0, n].set_title(zoo.class_names[kind_of[n]], fontsize=10)
    axes[1, n].set_title(zoo.class_names[rival[n]], fontsize=10)
figure.suptitle("The same bird with both wings; the line: the part that tells them apart")
plt.show()

# %% [markdown]
# The swap is the experiment that lesson 6 asked for: change one thing only. It proves that these
# networks use the wing. A map that answers "why a white-wing rather than a dark-wing?" must lie on
# the wing. **Guess first:** which of these maps will be the densest there, and which one will be
# nearly the same as it?
#
# * the logit; the log-probability;
# * the contrast with the look-alike, $\alpha = 0.6$ and $\alpha = 1$;
# * the contrast with a **wrong** rival, the fish;
# * two floors: a spot in the middle of the picture, and the outline of the whole bird (what "it looks
#   at the bird" would give).

# %%
look_alike = rival[:, None]
asked_scores = {
    "logit": partial(target_score, c=kind_of, kind="logit"),
    "log-probability": partial(target_score, c=kind_of, kind="log_prob"),
    "contrast, α = 0.6": partial(contrast_score, c=kind_of, rivals=look_alike, alpha=0.6),
    "contrast, α = 1": partial(contrast_score, c=kind_of, rivals=look_alike, alpha=1),
    "contrast with the fish": partial(contrast_score, c=kind_of, rivals=[3], alpha=1),
}
on_wing, found = {}, {}
for text, score in asked_scores.items():
    for seed, judge in zip(seeds, judges, strict=True):
        M = explain(judge, X, score)
        found[text, seed] = M
        on_wing[text, seed] = density(split_evidence(M)[0], wing)
spot = camlite.center_gaussian(judges[0], "features", X, 0)
floors = {
    "spot in the middle": float(density(spot, wing).mean()),
    "the whole bird": float(density(body.float(), wing).mean()),
}
print("evidence for the true kind on the wing, 1: as dense as a flat map")
print(f"{'network':24}" + "".join(f"{seed:8}" for seed in seeds))
means = {}
for text in asked_scores:
    means[text] = [float(on_wing[text, seed].mean()) for seed in seeds]
    print(f"{text:24}" + "".join(f"{v:8.1f}" for v in means[text]))
for text, value in floors.items():
    print(f"{text:24}{value:8.1f}")
twins_maps = [
    float(like(found["log-probability", s], found["contrast, α = 1", s]).mean()) for s in seeds
]
print("correlation of log-probability and contrast:", [round(v, 2) for v in twins_maps])

# %% [markdown]
# PLACE_FINER
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
everybody = torch.tensor([[k for k in range(4) if k != int(one)] for one in kind_of])
weight = L.softmax(dim=1).detach().gather(1, everybody)
fixed = (weight * (L.gather(1, kind_of[:, None]) - L.gather(1, everybody))).sum(1) / weight.sum(1)
slope_fixed = torch.autograd.grad(fixed.sum(), L)[0]
slope_log = torch.autograd.grad(target_score(L, kind_of, "log_prob").sum(), L)[0]
left = 1 - L.detach().softmax(dim=1).gather(1, kind_of[:, None])
identity_off = float((slope_fixed * left - slope_log).abs().max())
print(f"largest difference of the two sides: {identity_off:.0e}")

# %% [markdown]
# So the log-probability *is* a contrast: with everybody, each weighted by its probability. Where one
# look-alike holds nearly all of the remaining probability, it asks the bird watcher's second question
# by itself. What Finer-CAM adds: **you** name the rival, and the map does not fade when the network
# is sure.
#
# ## In the library
#
# `camlite.finer_cam` takes the rivals from you, or the classes with the closest logits. For one
# kind of bird at a time, it is your score and `explain`:

# %%
white = X[kind_of == 0]
ours = explain(judges[0], white, partial(contrast_score, c=0, rivals=[1, 2], alpha=0.6))
theirs = camlite.finer_cam(judges[0], "features", white, 0, rivals=[1, 2], alpha=0.6, relu=False)
finer_off = float((ours - theirs).abs().max())
print(f"largest difference to camlite.finer_cam: {finer_off:.0e}")

# %% [markdown]
# ## A score for a second derivative
#
# ShapleyCAM (2025) mixes logit and log-probability: its score, named ReST, is $u = S_c + \log P_c$. And it
# adds a term of second order to each channel's weight: $\alpha_k = \mathrm{GAP}(G - \frac12 H F)_k$, where
# $H$ holds the second derivatives of $u$. **Guess first:** two networks of lesson 4, one with ReLUs in
# its head, one with a smooth function (Hardswish) instead. For which scores is $HF$ exactly 0?

# %%
digits, digit_labels = data.digits(train=False)
small = functional.interpolate(digits[:40], size=(14, 14), mode="bilinear", align_corners=False)
laid, digit = functional.pad(small, (7, 7, 7, 7)), digit_labels[:40]
scores = {
    "logit": partial(target_score, c=digit, kind="logit"),
    "ReST": lambda Y: target_score(Y, digit, "logit") + target_score(Y, digit, "log_prob"),
}
second = {}
for head in ("flatten", "gap_two_linears"):
    model = nets.bundled(f"heads_{head}")
    for text, u in scores.items():
        plain = explain(model, laid, u)
        shapley = camlite.shapley_cam(model, "features", laid, u, relu=False)
        second[head, text] = float((shapley - plain).abs().mean() / plain.abs().mean())
        print(f"{head:16} {text:6} the second term changes the map by {second[head, text]:.1%}")

# %% [markdown]
# PLACE_SHAPLEY
#
# ## The answer in one picture


# %% tags=["figure"] jupyter={"source_hidden": true}
show_kinds = ("logit", "log-probability", "contrast, α = 1")
# the first birds of each kind that all three networks know
with torch.no_grad():
    known = torch.stack([judge(X).argmax(1) == kind_of for judge in judges]).all(0)
chosen = [int((known & (kind_of == k)).nonzero()[i, 0]) for k in (0, 1) for i in (0, 1)]
figure, axes = plot.canvas(len(chosen), 4, (1.85, 1.85), margin=(1.6, 0.9))
cells = []
for n in chosen:
    cells.append((X[n], None))
    cells += [(X[n], camlite.up(found[text, 0][n : n + 1], (48, 48))[0]) for text in show_kinds]
plot.draw(list(axes.flat), cells, signed=True, shrink=0.6)
for row_axes, n in zip(axes, chosen, strict=True):
    row_axes[0].set_axis_on()
    row_axes[0].set_ylabel(
        f"{zoo.class_names[kind_of[n]]}?", rotation=0, ha="right", va="center", fontsize=10
    )
    for axis in row_axes[1:]:
        axis.contour(wing[n].float(), levels=[0.5], colors="magenta", linewidths=1.2)
heads = ["image"] + [f"{text}\n{sum(means[text]) / 3:.1f} × flat" for text in show_kinds]
for axis, text in zip(axes[0], heads, strict=True):
    axis.set_title(text, fontsize=10)
plot.finished(
    figure,
    "Why this bird? And why not the other one? Purple line: the wing,\n"
    f"the only difference (density on it: n = {len(X)} birds × 3 networks)",
)
plt.show()

# %% [markdown]
# PLACE_CLOSING
#
# ## Once more
#
# *From lesson 8, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# There you asked for the counterfactual map, with the gradient turned round. Here the score is a lead:
# "frog rather than bird". Compute the counterfactual map of that lead for all pairs, ReLU included,
# **without a gradient**: only from `F`, from the weights `pond.classifier.weight`, and with $Z$ = 12·24
# places. Two lines.

# %%
weight_of = pond.classifier.weight.detach()
counterfactual = torch.zeros(count, 12, 24)  # your lines here
wanted = split_evidence(lead_map)[1]
print(f"largest difference: {(counterfactual - wanted).abs().max():.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `α = (weight_of[1] - weight_of[0]) / (12 * 24)`, then
# `counterfactual = torch.einsum("k,nkxy->nxy", α, F).relu()`. It is the evidence for *bird rather
# than frog*: for a lead of two classes, "against" is "for" with the classes exchanged.
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
# **2.** A class has the logit 6, its two rivals 4 and 1 with the probabilities 0.15 and 0.05. What is
# the contrast with α = 1, and with α = 0?
#
# <details><summary>Answer</summary>
#
# The weights are 0.15 / 0.2 = 0.75 and 0.05 / 0.2 = 0.25. With α = 1 it is 0.75 · 2 + 0.25 · 5 = 2.75. With
# α = 0 it is the logit, 6.
#
# </details>
#
# **3.** A map has the values 5, 4, 3, 2 and 1. A program subtracts the median and draws red and
# blue. Which places are blue, and what do they say against the class?
#
# <details><summary>Answer</summary>
#
# The last two: −1 and −2. They say nothing against it; all five places were for the class. They are only
# weaker than the middle one.
#
# </details>
#
# **4.** (lesson 4) All rows of $W$ get the same row $v$ added. Which of these stay as they are: the
# probabilities, the map of a logit, the map of a log-probability, the contrast with α = 0.6?
#
# <details><summary>Answer</summary>
#
# The probabilities and the map of the log-probability. The logit's map gets all of $\sum_k v_k F_k$, the
# contrast with α = 0.6 gets 1 − 0.6 = 0.4 of it. Only with α = 1 it drops out.
#
# </details>
#
# **5.** (lesson 8) A network answers *frog* with P = 0.9999. One program draws Grad-CAM of the
# probability, scaled to [0, 1], another one that of the log-probability. Which picture is
# brighter?
#
# <details><summary>Answer</summary>
#
# They are the same picture: the two maps differ by the factor P = 0.9999, and scaling removes it. Both
# were very small before the scaling, about 1 − P = 0.0001 times a contrast.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * The **logit** asks "why this class?". What look-alikes share is part of its answer.
# * **Probability** and **log-probability** ask "why this one rather than the others?". Their maps are the
#   same up to $P_c$. Take the log-probability, with `log_softmax`, and look at the size before
#   you scale.
# * A **contrast** lets you name the rival. With α = 1 nothing that all logits share is left.
# * The zero of a logit's map is a custom of training. The zero of a difference is not.
# * "Against" is a claim about the score. Weak is not against: subtracting the median makes half of
#   every map negative.
# * Write the score below the picture. A map without its score is half a sentence.
#
# **Where it fails.** A contrast answers only what you ask: the wrong rival gives a map that looks as
# convincing. It shows where two classes differ *for this network*, and this can be a shortcut (lesson
# 6). And it is still Grad-CAM: as coarse as the layer, with a mean over the places where a head
# flattens (lesson 9).
#
# **Try this** (15 minutes). Use an *unlikely* rival with `rivals=[0, 1, 2, 3]` for all frogs of
# `zoo`: does it matter that the class is among its own rivals? (With α = 1 its own term is 0.) Then draw
# the density on the wing over α from 0 to 2. Where is its maximum, for each of the three networks?
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
# * *contrast*: sự tương phản · 对比 · 對比 · 対比
# * *evidence for / against*: bằng chứng ủng hộ / phản bác · 支持 / 反对的证据 · 支持 / 反對的證據 ·
#   賛成 / 反対の根拠
# * *softmax*: softmax · softmax · softmax · softmax
# * *median*: trung vị · 中位数 · 中位數 · 中央値
#
# **Next:** lesson 12 needs no gradient: it takes something away and asks the network.
