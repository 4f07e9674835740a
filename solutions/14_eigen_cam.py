# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 14: Eigen-CAM
#
# **Time** 130 minutes · **Difficulty** ●●●○○ · **You need** lessons 3, 6, 8 and 12; lessons 5 and 9
# help · **At the end** you have drawn a map for which nobody asked a question, you know what such a
# map can show and what it cannot, and you have made it show something else without changing one
# answer of the network.
#
# You stand at the pond. Your guide is a small robot. You open your mouth to ask: "Where is the
# bird?" Before you have said a word, it points. "There!" It points to the orange fish. You ask
# about the frog. It points to the fish. You ask about the turtle. The fish.
#
# The robot is not wrong: the fish is there, and one sees it first. But it has not heard you.
#
# All maps of this course so far had a question: a class, a score. **Eigen-CAM** has none. It finds
# the strongest pattern in the feature maps, and draws it. No class, no gradient, no weights of the
# last layer. Its pictures often lie on the object, and many people use it. **Today's question: a
# map without a question, what does it answer?**
#
# > **Papers:** M. B. Muhammad, M. Yeasin: *Eigen-CAM: Class Activation Map using Principal
# > Components*, IJCNN 2020, arXiv 2008.00299. · A. Karjauv, S. Albayrak: *LaFAM*, 2024, arXiv
# > 2407.06059. · *CAMの発展と実装* (an article, in Japanese) puts Eigen-CAM into the family. ·
# > EigenGrad-CAM has no paper; it comes from the program pytorch-grad-cam.

# %% tags=["imports"]
import copy
import os

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

import camlite
from camlite import data, nets, weights
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer pictures, for tests
_ = torch.set_grad_enabled(False)  # we turn it on where we need a gradient

# %% [markdown]
# ## Part 1: a decomposition by hand
#
# **Take paper and a pencil.** A layer has two channels and maps of 2×2:
#
# $$ F_1 = \begin{pmatrix} 3 & 4 \\ 0 & 0 \end{pmatrix}, \qquad
#    F_2 = \begin{pmatrix} 0 & 5 \\ 0 & 0 \end{pmatrix} $$
#
# We write them as a table $O$ with one **row for each place** and one **column for each channel**.
# Here $Z = h\,w = 4$ places and $K = 2$ channels:
#
# $$ O = \begin{pmatrix} 3 & 0 \\ 4 & 5 \\ 0 & 0 \\ 0 & 0 \end{pmatrix} $$
#
# Every map of this course is a weighted sum of the channels: $L = O\,v$, with one weight in $v$ for
# each channel. This time nobody gives us the weights. So we ask: **which weights make the strongest
# map?** "Strong" is the sum of the squares of $L$ (we call it the energy, here with squares). And
# to be fair, all choices have the same length: the squares of the weights add up to 1.
#
# Compute the energy of $L = O\,v$ for four choices of $v$: $(1, 0)$, $(0, 1)$, $(1, 1)/\sqrt 2$ and
# $(1, -1)/\sqrt 2$. Which one wins? **Guess** whether a fifth can beat it.

# %%
O = torch.tensor([[3.0, 0], [4, 5], [0, 0], [0, 0]])
angle = torch.arange(0, 360)  # all weights of length 1 lie on a circle
circle = torch.stack([angle.deg2rad().cos(), angle.deg2rad().sin()])  # (2, 360)
energy = (O @ circle).square().sum(0)
for degrees in (0, 90, 45, 315):
    v = circle[:, degrees].tolist()
    print(f"{degrees:4}°  v = ({v[0]:+.2f}, {v[1]:+.2f})   energy {energy[degrees]:.1f}")
best = [a for a in range(360) if energy[a] > energy.max() - 1e-4]
print("the largest energy of all 360:", round(float(energy.max()), 1), "at", best, "degrees")

# %% [markdown]
# 25, 25, 45 and 5. No other direction beats $(1, 1)/\sqrt 2$, but one other *equals* it: 225°,
# which is $-v$. The same map, with the other sign. Remember this.
#
# The best direction is what the **singular value decomposition** (SVD) finds:
#
# $$ O = U\,\Sigma\,V^\top $$
#
# The columns of $V$ are the directions $v_1, v_2, \dots$, the strongest first, at right angles to
# each other. $\Sigma$ holds the **singular values** $\sigma_1 \ge \sigma_2 \ge \dots \ge 0$;
# $\sigma_i^2$ is the energy along $v_i$. $u_1$, the first column of $U$, is the map, scaled to
# length 1. So $O\,v_1 = \sigma_1 u_1$. ($v_1$ is the first eigenvector of $O^\top O$: hence the
# name.) Eigen-CAM takes the first direction, and forgets the rest:
#
# $$ L = O\,v_1 $$

# %%
U, S, Vh = torch.linalg.svd(O, full_matrices=False)
print("U", tuple(U.shape), "  S", tuple(S.shape), "  Vh", tuple(Vh.shape))
print("σ² =", [round(float(s) ** 2, 2) for s in S], "  their sum is ΣO² =", float((O**2).sum()))
v = Vh[0]  # the first ROW: torch gives Vᵀ, not V
print("v₁ =", [round(float(a), 3) for a in v], "  L =", [round(float(a), 2) for a in O @ v])
batch = torch.stack([O, 2 * O])  # (2, 4, 2): a batch of tables is decomposed at once
print("a batch:", tuple(torch.linalg.svd(batch, full_matrices=False).Vh.shape))

# %% [markdown]
# 90 % of all energy, 45 of 50, lie along one direction. (Where $v_1$ has two minus signs, your SVD
# took 225°; else it took 45°. Both are right.)
#
# ## Exercise 14.1: Eigen-CAM
# *●●●○○ · about 15 minutes*
#
# `F` is (N, K, h, w). For each image: make the table $O$ of (h·w, K), find $v_1$, and return $L =
# O\,v_1$ as (N, h, w).
#
# `center=True`: subtract from each channel its mean over the places, before the decomposition, and
# go on with this $O$: also $L$ is made of it. `center=False`: leave $O$ as it is.
#
# Both signs are right. The check turns your map so that its farthest value from 0 is positive, and
# shows it like that. Return the map with its sign (no ReLU), and do not scale it. An image whose
# features are all 0 gets a map of zeros. (If $\sigma_1 = \sigma_2$, there is no single strongest
# direction. No case is like that, except the image of zeros.) `F.flatten(2)` is (N, K, h·w);
# `.transpose(1, 2)` exchanges the last two axes; `v[:, None, :]` gives weights (N, K) an axis that
# meets all rows of $O$; `L.reshape(N, h, w)` makes maps again.


# %% tags=["exercise", "14.1"]
def eigen_cam(F: Tensor, center: bool = False) -> Tensor:
    """The strongest pattern of each image's feature maps: F (N, K, h, w) -> (N, h, w)."""
    ### BEGIN SOLUTION
    O = F.flatten(2).transpose(1, 2)  # (N, h·w, K)
    if center:
        O = O - O.mean(dim=1, keepdim=True)
    Vh = torch.linalg.svd(O, full_matrices=False).Vh
    L = (O * Vh[:, :1]).sum(dim=2)  # the first row of Vh, for all places
    return L.reshape(len(F), *F.shape[2:])
    ### END SOLUTION


# %%
check("14.1", eigen_cam)

# %% [markdown]
# If you need help: `hint("14.1")`.
#
# ## One map for all questions
#
# Now the guide of the first page. A **mosaic** has four pictures of the pond in one: a frog, a
# bird, a fish and a turtle, on any ground. So each mosaic can be asked four questions. The networks
# are those of lessons 5 and 6: three of the same kind, trained with varied grounds from three
# seeds. (Seed 0 is the *repaired* network of lesson 6.) All of them know the animals; they differ
# in nothing but chance.

# %%
mosaics = data.mosaic(8 if fast else 25, seed=0)
animals = mosaics.class_names
size = tuple(mosaics.images.shape[2:])
trained = {
    f"seed {i}": nets.bundled(f"pond_{name}")
    for i, name in enumerate(("repaired", "gap_1", "gap_2"))
}
first = trained["seed 0"]
features = {seed: camlite.split(f, "features")[0] for seed, f in trained.items()}
F = features["seed 0"](mosaics.images)
print(f"{len(F)} mosaics {size}, F {tuple(F.shape)}, smallest value {F.min():.1f}")
raw = eigen_cam(F)
plus, minus = (int((sign * raw >= -1e-4).all(2).all(1).sum()) for sign in (1, -1))
print(f"maps that are ≥ 0 everywhere: {plus}, ≤ 0 everywhere: {minus}")

# %% [markdown]
# Features after a ReLU are not negative. Then $v_1$ has only one sign. (If two weights had
# different signs, making both positive could only enlarge every $|L(x,y)|$, and so the energy.) So
# each map has only one sign too, plus or minus; the SVD chooses. Until Part 2 we take `.abs()`,
# which is allowed here and only here: there is nothing on the other side.
#
# To compare maps we use the **density** on an animal, as in lesson 6: its share of the positive
# part of the map, divided by its share of the area. A flat map has 1. And we need a floor.
# **LaFAM** has no weights at all: it is the mean of the feature maps, $L = \frac1K \sum_k F_k$.
# Eigen-CAM has to beat that mean.
#
# **Guess first:** for which animal will Eigen-CAM be densest? The same one in all three networks?


# %%
def density(M: Tensor, mask: Tensor) -> Tensor:
    """Positive evidence on the mask, as a multiple of a flat map's; a map without any has 0."""
    P, inside = camlite.up(M, mask.shape[1:]).clamp(min=0), mask.float()
    share = (P * inside).sum((1, 2)) / P.sum((1, 2)).clamp_min(1e-12)
    return share / inside.mean((1, 2))


def alike(A: Tensor, B: Tensor) -> Tensor:
    """The correlation of two maps of each image, place by place: (N,)."""
    A, B = (T.flatten(1) - T.flatten(1).mean(1, keepdim=True) for T in (A, B))
    return nn.functional.cosine_similarity(A, B, dim=1)


def cam(f: nn.Module, F: Tensor, c: int | Tensor) -> Tensor:
    """Class activation maps with their sign (lesson 3), from feature maps you have already."""
    w = f.classifier.weight[torch.as_tensor(c).expand(len(F))]
    return torch.einsum("nk,nkxy->nxy", w, F)


on_animal = {}  # seed -> method -> four mean densities, one for each question
on_fish, on_answer = {}, {}  # seed -> in how many mosaics Eigen-CAM is densest there
for seed, f in trained.items():
    F = features[seed](mosaics.images)
    methods = {
        "CAM": [cam(f, F, c) for c in range(4)],
        "Eigen-CAM": [eigen_cam(F).abs()] * 4,
        "LaFAM": [F.mean(1)] * 4,
    }
    on_animal[seed] = {}
    for method, maps in methods.items():
        on_each = [density(M, mosaics.object_masks[:, c]) for c, M in enumerate(maps)]
        on_animal[seed][method] = [float(d.mean()) for d in on_each]
        if method == "Eigen-CAM":
            densest = torch.stack(on_each).argmax(0)  # the animal where the map is densest, (N,)
    on_fish[seed] = int((densest == 2).sum())
    on_answer[seed] = int((densest == f(mosaics.images).argmax(1)).sum())
    like_mean = float(alike(methods["Eigen-CAM"][0], F.mean(1)).mean())
    print(f"{seed}   density on {'   '.join(animals)}   (Eigen-CAM and LaFAM: r = {like_mean:.2f})")
    for method, values in on_animal[seed].items():
        print(f"   {method:10}     ", "  ".join(f"{v:5.1f}" for v in values))
    print(f"   Eigen-CAM is densest on the fish in {on_fish[seed]} of {len(F)} mosaics, ", end="")
    print(f"on the network's answer in {on_answer[seed]}")

# %% [markdown]
# Whatever we ask, the map is the same. In the mean Eigen-CAM is densest on the fish, in all three
# networks; in a single mosaic it may be another animal. On the turtle it is about as dense as a
# flat map, or less. CAM finds each animal that we ask for. That is the first half of the answer
# (the second half comes in Part 4): **Eigen-CAM shows what dominates the layer.** So does LaFAM: it
# prefers the fish too, only less.
#
# `camlite.eigen_cam(model, layer, images, target=2)` accepts a class, and never looks at it. The
# Japanese article says that the result is always the map "of the top rank": of the class that the
# network gives as its answer. The last line of each block tests it. It is so in many mosaics, in
# many others not.


# %% tags=["figure"] jupyter={"source_hidden": true}
def row(x: Tensor, maps: list[Tensor], n: int = 0) -> list:
    """One row of a figure: image n alone, then with each of its maps."""
    return [(x[n], None), *((x[n], camlite.up(M, x.shape[2:])[n]) for M in maps)]


F = features["seed 0"](mosaics.images)
maps = [cam(first, F, c).relu() for c in range(4)] + [eigen_cam(F).abs()]
plot.grid(
    [row(mosaics.images, maps, n) for n in range(3)],
    [f"mosaic {n}" for n in range(3)],
    ["image", *(f"CAM:\nwhere is the {a}?" for a in animals), "Eigen-CAM:\nno question"],
    title="Four questions, four maps. Without a question, one map (3 mosaics, seed 0)",
)
plt.show()

# %% [markdown]
# ## Part 2: plus or minus?
#
# $v_1$ and $-v_1$ are equally right. The program decides, and its choice may change with its
# version and the machine. **Guess:** in how many of our images does the SVD give the sign that runs
# *against* the feature maps?
#
# Now to single pictures. `moved` has animals on the home of another animal (lesson 6: *flipped*).
# With `center=True` the maps have both signs. `against` says that a map is large where the features
# are small.

# %%
count = 30 if fast else 80
moved = data.scenes("pond", "flipped", count, seed=14)
biased = nets.bundled("pond_biased")  # of lesson 6: it learned the ground
networks = {**trained, "biased": biased}
F_of = {who: camlite.split(f, "features")[0](moved.images) for who, f in networks.items()}
against = {}
for who, F in F_of.items():
    for center in (False, True):
        M = eigen_cam(F, center)
        against[who, center] = int(((M * F.sum(1)).sum((1, 2)) < 0).sum())
    a, b = against[who, False], against[who, True]
    print(f"{who:7} against the features: {a:3} of {count} maps; centred {b:3}")

# %% [markdown]
# Without centring the SVD of our machine mostly gives minus. With centring it is sometimes this,
# sometimes that. (Yours may differ.) Most programs apply a ReLU now, or scale the map to [0, 1]. A
# turned map then shows everything *but* the pattern. (Only one pair is worse: not centred, then a
# ReLU. All values are ≤ 0, and nothing is left.) The Japanese article names this as the weakness of
# Eigen-CAM.
#
# ## Exercise 14.2: a rule for the sign
# *●●○○○ · about 10 minutes*
#
# Ask the feature maps. If the map runs against their sum, turn the whole map:
#
# $$ s = \sum_{x,y} M(x,y) \sum_k F_k(x,y), \qquad
#    M \leftarrow -M \;\text{ where } s < 0 $$
#
# Each image has its own $s$. If $s$ is exactly 0, it says nothing: leave the map as it is. `M` is
# (N, h, w), `F` is (N, K, h, w) and may be signed. Return (N, h, w), and do not change `M` itself.


# %% tags=["exercise", "14.2"]
def fix_sign(M: Tensor, F: Tensor) -> Tensor:
    """Turn the maps that run against the sum of the feature maps: (N, h, w) -> (N, h, w)."""
    ### BEGIN SOLUTION
    s = (M * F.sum(dim=1)).sum(dim=(1, 2), keepdim=True)
    return torch.where(s < 0, -M, M)
    ### END SOLUTION


# %%
check("14.2", fix_sign)

# %% [markdown]
# There are other repairs. *Seg-Eigen-CAM* (Chung and Ying, Applied Sciences 2025, 15(13), 7562,
# Equation 13) turns the map if its smallest value is farther from 0 than its largest. Some people
# take the absolute value. We try all on the centred maps. **Guess:** will the two repairs agree?
# And what does the absolute value show?


# %%
def fix_by_extremes(M: Tensor) -> Tensor:
    """Turn the map if |min| > |max|."""
    turn = -M.amin((1, 2), keepdim=True) > M.amax((1, 2), keepdim=True)
    return torch.where(turn, -M, M)


repairs, disagree = {}, {}
print(f"centred Eigen-CAM, {count} images: maps that are denser on the animal than a flat map")
for who, F in F_of.items():
    M = eigen_cam(F, center=True)
    candidates = {
        "as it comes": M,
        "by the features": fix_sign(M, F),
        "by |min|, |max|": fix_by_extremes(M),
        "absolute value": M.abs(),
    }
    repairs[who] = {
        text: (float((d > 1).float().mean()), float(d.mean()))
        for text, d in ((t, density(C, moved.object_mask)) for t, C in candidates.items())
    }
    same = (candidates["by the features"] * candidates["by |min|, |max|"]).sum((1, 2)) > 0
    disagree[who] = float((~same).float().mean())
    print(
        f"{who:7}", "   ".join(f"{t} {s:4.0%} (mean {d:.1f})" for t, (s, d) in repairs[who].items())
    )
    print(f"        the two repairs disagree in {disagree[who]:.0%} of the images")

# %% tags=["figure"] jupyter={"source_hidden": true}
SIDES = "one side ← 0 → the other\nscaled per map"  # nothing is for or against here
M = fix_sign(eigen_cam(F_of["biased"], center=True), F_of["biased"])
two_sides = (-M.amin((1, 2)) / M.amax((1, 2))).log().abs().argsort()[:2]  # equally strong
figure = plot.grid(
    [row(moved.images, [M, -M, M.abs()], n) for n in two_sides],
    [f"image {n}" for n in two_sides],
    ["image", "by the features", "the other sign", "absolute value"],
    title="The sign decides what is red; |M| makes both sides red (biased, 2 picked images)",
    signed=True,
)
figure.axes[-1].set_ylabel(SIDES, fontsize=8)
plt.show()

# %% [markdown]
# For the three networks that know the animals both repairs do the same, and all maps lie on the
# animal. The absolute value is no repair. Look at the means in brackets: they fall to about half.
# Animal and ground lie on the two sides of 0, and now both light up. (The figure shows two images
# in which both sides are equally strong.)
#
# For the biased network the two repairs disagree; the last line says in which share of the images.
# For "where is the animal?" the rule |min| > |max| does better: animals are small, so their values
# stand out farther from the mean. But nobody asked that! **Without a question no sign is right or
# wrong**; a rule only makes it the same on every machine.
#
# `camlite.eigen_cam` turns the map where $\sum_k v_1[k] < 0$. Is this another rule? A centred map
# has the sum 0, so a constant that is subtracted from a channel changes nothing in $s$: $O$ may
# stand for $F$. Then $s = \sum_k (O^\top O\,v_1)_k = \sigma_1^2 \sum_k v_1[k]$. So it is the same
# rule.

# %%
library = camlite.eigen_cam(first, "features", moved.images, center=True)
ours = fix_sign(eigen_cam(F_of["seed 0"], center=True), F_of["seed 0"])
off_library = float((library - ours).abs().max() / ours.abs().max())
print(f"difference to camlite.eigen_cam: {off_library:.0e} of the largest value")

# %% [markdown]
# ## Part 3: what goes into the table
#
# The paper decomposes $O$ as it is. The program pytorch-grad-cam centres each channel. The
# article's program subtracts *one* mean of all numbers (and divides by one number). Textbooks of
# statistics standardise each column. Does it matter?
#
# * **as it is**;
# * **centred**: each channel minus its mean over the places;
# * **one mean**: all channels minus the same number;
# * **standardised**: centred, and each channel divided by its standard deviation;
# * **unit length**: not centred; each channel divided by its length $\sqrt{\sum_{x,y} F_k^2}$.
#
# A channel that is constant stays 0 where it would be divided by 0. **Guess:** which of the five
# has nearly the pattern of LaFAM? Which is denser on the animal than LaFAM? Why?


# %%
def over(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is (nearly) 0."""
    return torch.where(b > 1e-6, a / b.clamp_min(1e-6), torch.zeros_like(a))


def prepared(F: Tensor) -> dict[str, Tensor]:
    """The five tables, as feature maps (N, K, h, w)."""
    centred = F - F.mean((2, 3), keepdim=True)
    return {
        "as it is": F,
        "centred": centred,
        "one mean": F - F.mean((1, 2, 3), keepdim=True),
        "standardised": over(centred, centred.square().mean((2, 3), keepdim=True).sqrt()),
        "unit length": over(F, F.square().sum((2, 3), keepdim=True).sqrt()),
    }


def level_free(M: Tensor) -> Tensor:
    """The map minus its mean: what centring does to LaFAM."""
    return M - M.mean((1, 2), keepdim=True)


table, floor, five = {}, {}, {}
print("              share of the energy    like LaFAM, r =    density on the animal")
for who, F in F_of.items():
    mean = F.mean(1)
    floor[who] = [float(density(M, moved.object_mask).mean()) for M in (mean, level_free(mean))]
    print(f"{who}: LaFAM {floor[who][0]:.1f}, LaFAM centred {floor[who][1]:.1f}")
    tables = prepared(F)
    five[who] = {text: fix_sign(eigen_cam(A), A) for text, A in tables.items()}
    for text, M in five[who].items():
        share = M.square().sum((1, 2)) / tables[text].square().sum((1, 2, 3))  # σ₁² / Σ σ²
        measured = share, alike(M, mean), density(M, moved.object_mask)
        table[who, text] = [float(values.mean()) for values in measured]
        e, r, d = table[who, text]
        print(f"   {text:13} {e:12.0%} {r:21.2f} {d:20.1f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
n_picked = int(alike(five["biased"]["as it is"], five["biased"]["centred"]).argmin())
figure = plot.grid(
    [row(moved.images, list(five[who].values()), n_picked) for who in ("seed 0", "biased")],
    ["seed 0", "biased"],
    ["image", *five["biased"]],
    title="Five tables: seed 0 shows the animal every time, biased does not (1 picked image)",
    signed=True,
)
figure.axes[-1].set_ylabel(SIDES, fontsize=8)
plt.show()

# %% [markdown]
# **As it is, Eigen-CAM is nearly LaFAM** in the three networks that know the animals. The features
# are ≥ 0, so all weights in $v_1$ have one sign, as those of LaFAM. And one direction holds about
# 90 % of the energy (first column). If it held all, each channel would be a multiple of the same
# map, and so would their mean. Such dominance is *enough, not necessary*: with unit length the
# first direction holds less than half there, and $r$ is still above 0.9. One sign alone is not
# enough: in the biased network the features are ≥ 0 too, and $r$ is much smaller.
#
# So in the three networks the answer to the first guess is: all five. To the second: four of them.
# Unit length is about as dense as LaFAM. Centring keeps the pattern: $r$ is nearly the same. But
# $r$ does not see the level of a map; the density does. Without the level that all places share,
# these maps are denser on the animal. Is this due to the decomposition? Compare: **LaFAM minus its
# mean is as dense, in all three networks.** The gain comes from subtracting.
#
# And the last block: in the biased network the five disagree. One small step before the SVD decides
# whether the map lies on the animal.
#
# ## The frog or the grass?
#
# Lesson 6 again. When the animal stands on another ground, the biased network gives the class that
# is at home there: its answer comes from the ground. So here is a test with a known result: **a map
# that explains the answer must lie on the ground.** For each image: is the map denser on the animal
# or on the ground? We take the railway too: there the shortcut are the rails. (LaFAM minus its mean
# is the floor of the centred maps.) **Guess:** what will Eigen-CAM show, the animal, or what the
# answer rests on?

# %%
lit = {}  # (world, version) -> accuracy, and the share of maps that are denser on the object
rail = data.scenes("rail", "flipped", count, seed=14)
for world, scenes in {"pond": moved, "rail": rail}.items():
    for version in ("biased", "repaired"):
        f = nets.bundled(f"{world}_{version}")
        F = camlite.split(f, "features")[0](scenes.images)
        answer = f(scenes.images).argmax(1)
        maps = {
            "CAM of its answer": cam(f, F, answer),
            "Eigen-CAM": fix_sign(eigen_cam(F), F),
            "LaFAM": F.mean(1),
            "Eigen-CAM, centred": fix_sign(eigen_cam(F, center=True), F),
            "LaFAM, centred": level_free(F.mean(1)),
        }
        hits = {"right answer": answer == scenes.labels}
        hits["the ground's"] = answer == scenes.backgrounds  # the class that is at home there
        for text, M in maps.items():
            hits[text] = density(M, scenes.object_mask) > density(M, scenes.context_mask)
        lit[world, version] = {text: float(hit.float().mean()) for text, hit in hits.items()}
        print(f"{world}, {version} network")
        for text, share in lit[world, version].items():
            print(f"   {text:20} {share:4.0%}", "" if text in maps else "of the answers")

# %% [markdown]
# (Lines with a map: the share of images in which it is denser on the object than on the context.)
# The two repaired networks use the object, and all maps lie on it. With these only, Eigen-CAM seems
# to explain very well. The biased networks answer from the ground and the rails, and CAM of their
# answer lies there. Eigen-CAM does not follow the answer: at the pond it lies on the animal in many
# images, centred even in most. (LaFAM does so in nearly all: it does not follow the answer either.)
# At the railway it follows the rails more often: there the rails stand out.
#
# So a map on the object does not say that the network used the object. It says that the layer is
# *active* there. Look at a column "it says turtle" on the sand: the map shows a beautiful animal,
# no turtle, and the sand gave the answer! (The figure shows extreme cases: from the images where
# the two maps are farthest apart.)

# %% tags=["figure"] jupyter={"source_hidden": true}
F, answer_biased = F_of["biased"], biased(moved.images).argmax(1)
M_cam, M_eigen = cam(biased, F, answer_biased), fix_sign(eigen_cam(F, center=True), F)
wrong = answer_biased != moved.labels
apart = density(M_eigen, moved.object_mask) - density(M_cam, moved.object_mask)
shown = torch.where(wrong, apart, -torch.inf).argsort(descending=True)[:18:3]
columns = [row(moved.images, [M_cam.relu(), M_eigen.relu()], n) for n in shown]
plot.grid(
    list(zip(*columns, strict=True)),
    ["image", "CAM of\nits answer", "Eigen-CAM,\ncentred"],
    [f"{animals[moved.labels[n]]}:\nit says {animals[answer_biased[n]]}" for n in shown],
    title="Biased: it answers from the ground, Eigen-CAM shows the animal (6 picked images)",
)
plt.show()

# %% [markdown]
# ## Part 4: the same network, another map
#
# Take one channel after the last ReLU, make it 50 times as large, and divide its column of weights
# in the last layer by 50. Each product $W_{c,k} F_k$ stays. So **every logit of every image
# stays**: it is the same network, written in other units. We choose a channel that is active on the
# ground, and do it with all three networks. **Guess:** which maps stay?


# %%
def in_other_units(f: nn.Module, k: int, factor: float) -> nn.Module:
    """The same function: channel k is `factor` times as large, its weights as much smaller."""
    f = copy.deepcopy(f)
    norm = f.features[-2]  # batch normalisation; after it comes the last ReLU
    norm.weight[k] *= factor
    norm.bias[k] *= factor
    f.classifier.weight[:, k] /= factor
    return f


def five_maps(f: nn.Module, F: Tensor, c: Tensor) -> dict[str, Tensor]:
    """CAM and four maps without a question."""
    tables = prepared(F)
    del tables["one mean"], tables["unit length"]
    eigen = {f"Eigen-CAM, {t}": fix_sign(eigen_cam(A), A) for t, A in tables.items()}
    return {"CAM": cam(f, F, c), "LaFAM": F.mean(1), **eigen}


def channel_on_the_ground(F: Tensor) -> int:
    """The one least dense on the animals, of those more active than the mean."""
    on_animals = torch.stack([density(M, moved.object_mask).mean() for M in F.unbind(1)])
    return int(torch.where(F.mean((0, 2, 3)) > F.mean(), on_animals, torch.inf).argmin())


units, logit_moves, rescaled, spread = {}, {}, {}, {}
for seed, f in trained.items():
    k = channel_on_the_ground(F_of[seed])
    rescaled[seed] = in_other_units(f, k, 50)
    Y, Y_new = f(moved.images), rescaled[seed](moved.images)
    logit_moves[seed] = float((Y - Y_new).abs().max() / Y.abs().max())
    F_new = camlite.split(rescaled[seed], "features")[0](moved.images)
    before = five_maps(f, F_of[seed], moved.labels)
    after = five_maps(rescaled[seed], F_new, moved.labels)
    print(f"{seed}, channel {k}: largest change of a logit {logit_moves[seed]:.0e} of the largest")
    means = F_of[seed].mean((0, 2, 3))
    spread[seed] = float(means.max() / means.median())
    print(f"   before: the largest channel is {spread[seed]:.1f} times the median one")
    for text in before:
        a, b = (float(density(M[text], moved.object_mask).mean()) for M in (before, after))
        units[seed, text] = a, b, float(alike(before[text], after[text]).mean())
        print(f"   {text:23} density on the animal {a:.1f} -> {b:.1f}", end="")
        print(f"   r = {units[seed, text][2]:.2f}")

# %% [markdown]
# The logits stay, and CAM stays. Eigen-CAM as it is goes from the animal to the ground in all three
# networks, centred in two of them. **We chose what it shows**, and no test of the network's answers
# shows it. That is the second half of the answer: *what dominates depends on the units.* LaFAM
# moves too. Only the standardised table does not know units: each channel is divided by its own
# size, so a factor cancels. (The same holds for unit length. But then weak channels count as much
# as strong ones.)
#
# Before the change, centred Eigen-CAM is denser on the animal than CAM, in all three networks. With
# one animal in the picture, a dense map needs no question; it explains no answer for that.
#
# Is 50 fair? In our small networks batch normalisation keeps the channels alike: the largest is
# about twice the median one (second line of each block); in large networks it is not so. A smaller
# factor does less: with 10, Eigen-CAM (not centred) is less dense on the animal; with 20 it is
# about like a flat map there, or below. One thing holds for every factor. CAM belongs to the
# *function* that the network computes. Eigen-CAM belongs to how this function happens to be written
# down. It cannot know how much a channel *counts*.
#
# ## Part 5: give it a question
#
# The article has a remedy: let something that knows the class look at the maps first, and decompose
# *its* maps. With the gradient $G = \partial Y_c / \partial F$ (lesson 8) that is
# **EigenGrad-CAM**:
#
# $$ A = G \circ F \;(\text{place by place}), \qquad O = A \text{ as places × channels}, \qquad
#    L = O\,v_1 $$
#
# $\sum_k G_k F_k$ is HiResCAM (lesson 9): it adds up the channels, for and against. EigenGrad-CAM
# takes the strongest pattern among them.
#
# ## Exercise 14.3: EigenGrad-CAM
# *●●○○○ · about 6 minutes*
#
# `F` and `G` are (N, K, h, w). Decompose $G \circ F$, not centred. Return the signed map (N, h, w),
# no ReLU; both signs are right. You may use your `eigen_cam`.


# %% tags=["exercise", "14.3"]
def eigen_grad_cam(F: Tensor, G: Tensor) -> Tensor:
    """The strongest pattern of gradient times features: F, G (N, K, h, w) -> (N, h, w)."""
    ### BEGIN SOLUTION
    return eigen_cam(G * F)
    ### END SOLUTION


# %%
check("14.3", eigen_grad_cam)

# %% [markdown]
# Back to the mosaics, with four questions each. The sign: `fix_sign(L, G * F)`. Then the ReLU.
# **Guess:** which share of the questions will get a map that is 0 everywhere?


# %%
def gradient(f: nn.Module, F: Tensor, c: int) -> Tensor:
    """G = ∂Y_c/∂F for the networks of the pond."""
    with torch.enable_grad():
        F = F.detach().requires_grad_()
        Y = camlite.split(f, "features")[1](F)
        return torch.autograd.grad(Y[:, c].sum(), F)[0]


asked = {}  # (seed, animal) -> maps that are blank, and three mean densities
blank, same_rule, same_as_size, is_blank_of = {}, {}, {}, {}
for seed, f in trained.items():
    F = features[seed](mosaics.images)
    blanks, says_no, off = [], [], []
    for c, animal in enumerate(animals):
        G, mask = gradient(f, F, c), mosaics.object_masks[:, c]
        L = fix_sign(eigen_grad_cam(F, G), G * F)
        is_blank = L.amax((1, 2)) <= 1e-6
        d, turned = density(L, mask)[~is_blank], density(-L, mask)[is_blank]
        C = cam(f, F, c)
        three = d.mean(), turned.mean(), density(C, mask).mean()
        asked[seed, animal] = [int(is_blank.sum())] + [float(value) for value in three]
        blanks.append(is_blank)
        says_no.append((L.abs() * C).sum((1, 2)) < 0)  # explained below
        off.append((L.abs() - eigen_grad_cam(F, G.abs()).abs()).abs().max() / L.abs().max())
        a, b, e, g = asked[seed, animal]
        line = (
            f"{seed} {animal:7} blank {a:2} of {len(F)}   density on it: CAM {g:4.1f}, "
            f"EigenGrad-CAM {b:4.1f}, blank maps turned {e:4.1f}"
        )
        print(line.replace(" nan", "   –"))  # the mean of no map at all
    is_blank_of[seed] = blanks = torch.stack(blanks, dim=1)
    blank[seed] = int(blanks.sum())
    same_rule[seed] = int((blanks == torch.stack(says_no, dim=1)).sum())
    same_as_size[seed] = float(max(off))
    print(f"{seed}: {blank[seed]} of {blanks.numel()} blank")

# %% [markdown]
# About half of the maps are blank, in each of the three networks. It is not chance: the turtle gets
# no map at all, the bird mostly none, the frog and the fish mostly do. (– where there was no map to
# measure.) Turning a blank map does not save it: on the turtle it is then not denser than a flat
# map.
#
# What has happened? **Guess:** the gradient has a sign, for and against the class. What does the
# decomposition do with it? Replace $G$ by $|G|$ and look at the map:

# %%
for seed in trained:
    off, n = same_as_size[seed], is_blank_of[seed].numel()
    print(f"{seed}: |map of G ∘ F| − |map of |G| ∘ F|: {off:.0e} of the largest value;", end="")
    print(f" Σ |L| · CAM < 0 tells blank or not in {same_rule[seed]} of {n} maps")

# %% [markdown]
# Nothing changes. These networks end in GAP and one linear layer, so $G_k$ is the same at all
# places (lesson 8). Turn one column of $O$ around: then the SVD turns its weight in $v_1$ around
# too, and the product stays. **The decomposition loses the sign of the gradient.** The class comes
# in through $|W_{c,k}|$ only: how *much* a channel counts, not whether it speaks for the class or
# against it. (At an earlier layer, or with another head, $G_k$ varies from place to place, and then
# this is not exact. The article decomposes $\mathrm{GAP}(G_k)\,F_k$: there it always is.)
#
# So the map has one sign everywhere, as in Part 1, and your rule chooses it. Its $s$ asks $\sum_k
# G_k F_k$, which is CAM but for a factor above 0. So now you know exactly which maps are blank:
#
# $$ \text{blank} \iff \sum_{x,y} |L(x,y)| \, \mathrm{CAM}_c(x,y) < 0 $$
#
# Where the pattern is strong, more speaks against the class than for it: then the ReLU erases the
# whole map. The end of the lines above counts it: the rule holds for all maps. The same happens in
# `camlite.eigen_grad_cam`. In the big evaluation of camlite (`docs/results/mosaic/card.md`) 48 of
# 100 of its maps were constant.
#
# ## Any map can go in
#
# The article goes further: *whatever* stands before the SVD, its maps can be decomposed, also those
# of Ablation-CAM, or groups of channels. We try four sources of maps $A_k$, and two ways to make
# one map of them: the first direction, and **the plain sum** of the $A_k$, the floor here.
# **Guess:** does the decomposition beat the sum anywhere?

# %%


def intermediate(f: nn.Module, F: Tensor, c: int) -> dict[str, Tensor]:
    """Four kinds of intermediate maps A (N, K, h, w) of class c."""
    W = f.classifier.weight[c][:, None, None]  # (K, 1, 1)
    drop = W * F.mean((2, 3), keepdim=True)  # what the logit loses without the channel (lesson 12)
    eight = (W * F).reshape(len(F), 8, 8, *F.shape[2:])  # eight groups of eight channels
    groups = eight.sum(2).relu()
    return {"F": F, "G ∘ F": W * F / F[0, 0].numel(), "ablation": drop * F, "groups": groups}


sources = {}
print("density on the asked animal         first direction    plain sum")
for seed, f in trained.items():
    F = features[seed](mosaics.images)
    for text in ("F", "G ∘ F", "ablation", "groups"):
        direction, plain = [], []
        for c in range(4):
            A, mask = intermediate(f, F, c)[text], mosaics.object_masks[:, c]
            direction.append(density(fix_sign(eigen_cam(A), A), mask))
            plain.append(density(A.sum(1), mask))
        sources[seed, text] = [float(torch.stack(d).mean()) for d in (direction, plain)]
        print(f"{seed}   {text:10} {sources[seed, text][0]:29.1f} {sources[seed, text][1]:12.1f}")

# %% [markdown]
# For the plain features the first direction is a little better than the mean: that is what
# Eigen-CAM has over its floor. For all maps that know the class the plain sum is better, and for
# the first two of them by far: there the sum adds evidence for and subtracts evidence against, and
# the first direction adds up both. (The sum of $G \circ F$ is CAM.) The groups went through a ReLU,
# so nothing speaks against, and both ways are nearly the same.
#
# ## A real network
#
# Our networks are small. If weights of torchvision and the photograph of lesson 12 are in your data
# folder (`camlite doctor` shows it), here is a network that has seen a million photographs.

# %%
photo = data.find("photos/cat_dog.jpg")
found = [n for n in ("mobilenet_v2", "resnet18", "resnet50") if n in weights.at_hand()]
real_name = found[0] if found and photo is not None else None
real, real_like = {}, {}
if real_name is None:
    print("no real network and photograph at hand: this part is left out")
else:
    dog, cat = 243, 282  # bull mastiff, tiger cat
    layer = "features" if real_name == "mobilenet_v2" else "layer4"
    big = weights.pretrained(real_name).model
    seen, z = weights.preprocess(data.load_image(photo))
    F_big = camlite.split(big, layer)[0](z)
    real = {
        "CAM: dog": camlite.cam(big, layer, z, dog),
        "CAM: cat": camlite.cam(big, layer, z, cat),
        "LaFAM": F_big.mean(1),
        "Eigen-CAM": fix_sign(eigen_cam(F_big), F_big),
        "Eigen-CAM,\ncentred": fix_sign(eigen_cam(F_big, center=True), F_big),
    }
    means = F_big.mean((0, 2, 3))
    spread["real"] = float(means.max() / means.median())
    print(f"{real_name}: the largest channel is {spread['real']:.0f} times the median one")
    for text, M in real.items():
        real_like[text] = tuple(float(alike(M, real[o])) for o in ("CAM: dog", "CAM: cat", "LaFAM"))
        a, b, g = real_like[text]
        name = text.replace("\n", " ")
        print(f"{name:20} r with CAM of the dog {a:+.2f}, of the cat {b:+.2f}; LaFAM {g:+.2f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
if real_name is not None:
    plot.grid(
        [row(seen, [M.relu() for M in real.values()])],
        [real_name],
        ["image", *real],
        title="Two questions, two maps; without a question one map (1 photograph)",
    )
    plt.show()

# %% [markdown]
# We ran it with MobileNetV2 and with ResNet50. In both, Eigen-CAM is nearly the CAM of the *dog*.
# The dog is the network's answer, and also the strongest pattern of the layer. LaFAM is not like
# this: it shows both animals. But ask for the cat: there is no cat in the last two maps. And there
# the largest channel is tens of times the median one. One photograph is an example, not a study.
#
# ## The whole lesson in one picture

# %% tags=["figure"] jupyter={"source_hidden": true}
n_last = int((is_blank_of["seed 0"].sum(1) == 2).int().argmax())  # the first with two blank maps
x = mosaics.images[n_last : n_last + 1]
F = features["seed 0"](x)
F_units = camlite.split(rescaled["seed 0"], "features")[0](x)
silent = {"LaFAM": F.mean(1), "Eigen-CAM": fix_sign(eigen_cam(F), F)}
silent["Eigen-CAM,\nother units"] = fix_sign(eigen_cam(F_units), F_units)
rows = []
for c in range(4):
    G = gradient(first, F, c)
    heard = cam(first, F, c), fix_sign(eigen_grad_cam(F, G), G * F)
    rows.append(row(x, [M.relu() for M in (*heard, *silent.values())]))
figure = plot.grid(
    rows,
    [f"where is\nthe {animal}?" for animal in animals],
    ["image", "CAM", "EigenGrad-CAM", *silent],
    title="One network, one mosaic: only CAM answers all four questions",
)
for axis, (_, M) in zip(figure.axes, (cell for row in rows for cell in row), strict=False):
    if M is not None and not M.any():
        box = {"facecolor": "black", "edgecolor": "none"}
        axis.text(48, 48, "blank", color="white", ha="center", va="center", bbox=box)
for c, axis in enumerate(figure.axes[:24:6]):
    axis.contour(
        mosaics.object_masks[n_last, c].float(), levels=[0.5], colors="yellow", linewidths=1.5
    )
plt.show()

# %% [markdown]
# (Yellow: the outline of the animal that is asked for. The mosaic is the first with two blank maps.
# The peak of Eigen-CAM lies on the frog here; its density is about the same on frog and fish. That
# the fish comes first was true in the mean of many mosaics.)
#
# **Today's question was: a map without a question, what does it answer?** It answers: *what is the
# strongest pattern in this layer, in the units that training happened to leave?* Where the network
# uses what stands out, this looks like an explanation. Where it answers from something else, the
# map does not notice.
#
# What is it good for? To see what a layer responds to, when there is no class to ask about: in an
# encoder trained without labels, for example. LaFAM was made for that. Say how you centre and fix
# the sign, and show LaFAM beside it.
#
# ## Try this
#
# * The second direction: `Vh[:, 1]` in a copy of your function, with both signs. Does it find the
#   turtle in the mosaics? (Expect little: a density of at most about 2. CAM has 6 to 8.)
# * Lesson 4 added one row to all rows of $W$. Which maps of today change then? (Expect: CAM and
#   EigenGrad-CAM. Those without a question stay.)

# %% [markdown]
# ## Once more
#
# *From lesson 12, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Ablation took a channel away. Now we take a **direction** away: $O - (O\,v_1)\,v_1^\top$. What is
# left has no part along $v_1$. How far does the logit of class `c` fall? You know the head: GAP and
# one linear layer. So write the drop with `W` (4, 64), `c` (N,), `v` (N, 64) and `L` (N, h, w),
# without running the network. One line, (N,).

# %%
W, c = first.classifier.weight, moved.labels
O = F_of["seed 0"].flatten(2).transpose(1, 2)
v = torch.linalg.svd(O, full_matrices=False).Vh[:, 0]
L = (O @ v[:, :, None]).reshape(F_of["seed 0"][:, 0].shape)
without = O - (O @ v[:, :, None]) * v[:, None, :]
drop_measured = ((O - without).mean(1) * W[c]).sum(1)  # the logits are linear in the means
drop = torch.zeros(len(c))  # your line here
off_drop = float((drop - drop_measured).abs().max())
logit = first(moved.images).gather(1, c[:, None]).mean()
print(
    f"mean drop {drop_measured.mean():.2f}, mean logit {logit:.2f}; yours is off by {off_drop:.1e}"
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# `drop = (W[c] * v).sum(1) * L.mean(dim=(1, 2))`: a direction has the weight $W_c \cdot v_1$, as a
# channel has $W_{c,k}$, and its map has the mean of $L$. With $v_1$ and $L$ turned around it is the
# same. (The mean drop is larger than the mean logit: the bias and the other directions together are
# negative.)
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 14` asks them again, also next week.
#
# **1.** A layer has two places and two channels; the rows of O are (2, 1) and (1, 2). Which energy
# does O v have for (1, 0), (1, 1)/√2 and (1, −1)/√2? The last two are v₁ and v₂. Which share of all
# energy does v₁ hold?
#
# <details><summary>Answer</summary>
#
# 5, 9 and 1. All energy is 9 + 1 = 10, so v₁ holds 90 %. The map is (3, 3)/√2, or with both signs
# turned.
#
# </details>
#
# **2.** A map has the values (−2, 1, 1) at three places, and the features there have the sums (1,
# 5, 4). Does your rule turn it? Does the rule |min| > |max|? Which one is right?
#
# <details><summary>Answer</summary>
#
# s = −2 + 5 + 4 = 7 is positive: it stays. The other rule turns it, because 2 > 1. Neither is right
# or wrong: no question was asked.
#
# </details>
#
# **3.** At one place two channels have F = (2, 4), and class c has the weights (3, 1). Somebody
# makes the first channel 10 times as large and divides its weight by 10. What are CAM and LaFAM at
# this place, before and after?
#
# <details><summary>Answer</summary>
#
# CAM: 3 · 2 + 1 · 4 = 10, and 0.3 · 20 + 4 = 10. LaFAM: 3 before, 12 after. The network is the
# same. LaFAM changed, CAM did not.
#
# </details>
#
# **4.** (lesson 8) A network ends in GAP and one linear layer; the maps are 2×2. Class c has the
# weights (4, −8), F₁ = (1, 0, 0, 1), F₂ = (0, 1, 0, 0). What is Grad-CAM before the ReLU? And what
# does EigenGrad-CAM lose of it?
#
# <details><summary>Answer</summary>
#
# α = (1, −2), so the map is (1, −2, 0, 1). EigenGrad-CAM loses the minus: for it the second place
# is as good as evidence for the class. It is the strongest place, and v₁ takes that channel alone:
# the map is (0, −2, 0, 0) with your rule for the sign, and blank after the ReLU.
#
# </details>
#
# **5.** (lesson 6) A map has no negative values. An animal covers 22 % of the image, and 66 % of
# the sum of the map's values lies on it. How dense is the map there? Somebody adds a constant to
# the map, so that its mean doubles. And now?
#
# <details><summary>Answer</summary>
#
# 3.0 times as dense as a flat map. The half that was added is flat: the share is (66 + 22) / 2 = 44
# %, so the density is 2.0. That is one reason why centred maps look cleaner.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * **Eigen-CAM** writes the feature maps as a table, places × channels, and draws the direction in
#   which the rows are longest: $L = O\,v_1$. It knows no class and needs no gradient.
# * Features ≥ 0, not centred: $v_1$ has one sign. If one direction then holds nearly all of the
#   energy, the map is nearly **LaFAM**, the mean of the feature maps. That is enough, but not
#   necessary. Show this floor beside it.
# * The **sign** is free. A rule ($s < 0$: turn) makes it the same on every machine; it does not
#   make it right. The absolute value is no rule: it lights up both sides.
# * Centring, standardising, unit length are different methods. Say which one.
# * The map shows what dominates the layer. On the biased networks that was not what the answer
#   rested on.
# * One channel 50 times as large and its weights 50 times smaller: the same network, the same CAM,
#   another Eigen-CAM.
# * **EigenGrad-CAM** decomposes $G \circ F$. Where $G$ is the same at all places, the decomposition
#   loses its sign: for and against are added. About half of the maps of our mosaics were blank:
#   those with $\sum |L| \, \mathrm{CAM}_c < 0$.
# * The plain sum of the same maps was better whenever they knew the class.
#
# **Where to read on.** `camlite card eigen_cam`, `camlite card lafam`. `docs/differences.md` says
# where camlite and other programs differ.
#
# **Words.** *singular value decomposition*: phân tích giá trị kỳ dị · 奇异值分解 · 奇異值分解 · 特異値分解.
# *eigenvector*: vectơ riêng · 特征向量 · 特徵向量 · 固有ベクトル. *principal component*: thành phần chính · 主成分 ·
# 主成分 · 主成分. *to standardise*: chuẩn hóa · 标准化 · 標準化 · 標準化. *feature map*: bản đồ đặc trưng · 特征图 ·
# 特徵圖 · 特徴マップ.
#
# **Next:** lesson 15, *groups and clusters*. Here all channels became one pattern. What if we sort
# them into a few groups that belong together, and ask the network about each group?
