# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 17: Measuring maps
#
# **Time** 120 minutes · **Difficulty** ●●○○○ · **You need** lesson 3; lessons 6, 8 and 12 help ·
# **At the end** you have written six numbers that papers print about maps, cheated most of them
# with maps that know nothing, and met a network for which a map can be *proved* wrong.
#
# Two sellers stand at your door. Each one sells a method for heat maps, and each one has a table in
# which the own method wins. Both tables are honest. The first counts how much confidence is left
# when the network sees only the bright part. The second counts how often the brightest point lies
# on the object. You may buy one. Which number would convince you?
#
# A good test of a number is to become a cheat. Invent a map that knows nothing about the network,
# and look whether the number likes it. If it does, it does not measure what the seller says.
#
# **Today's question: which number would convince you, and how would you cheat it?**
#
# > **Papers:** A. Chattopadhyay et al.: *Grad-CAM++*, WACV 2018, arXiv 1710.11063 (average drop). ·
# > V. Petsiuk et al.: *RISE*, BMVC 2018, arXiv 1806.07421 (deletion). · J. Zhang et al.: *Top-down
# > Neural Attention by Excitation Backprop*, ECCV 2016, arXiv 1608.00507 (pointing game). · S. Poppi
# > et al.: *Revisiting the Evaluation of Class Activation Mapping*, CVPR Workshops 2021, arXiv
# > 2104.10252 (Fake-CAM, ADCC). · Y. Rong et al.: *ROAD*, ICML 2022, arXiv 2202.00449. · S. Rao et
# > al., CVPR 2022, arXiv 2205.10435 (DiFull).

# %% tags=["imports"]
import os

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, metrics, nets
from camlite.course import check, hint

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images, for tests

# %% [markdown]
# ## First, trust your eyes
#
# Before any number, the oldest measure: a person looks. Below are six pictures. For each one a
# network gave an answer, and two methods, **A** and **B**, say where in the picture the answer came
# from. (The code is folded, because it names the methods. Do not look.) **Choose now:** which of
# the two would you trust? Write down A or B. We come back to it.


# %% tags=["figure"] jupyter={"source_hidden": true}
def lit(image: Tensor, heat: Tensor) -> Tensor:
    """The picture in dark grey, and over it the heat, the more opaque the stronger: (H, W, 3)."""
    dark = 0.45 * image.mean(0)[..., None].expand(-1, -1, 3)
    heat = heat / float(heat.max() or 1)
    colours = torch.from_numpy(plt.get_cmap("magma")(heat.clamp(0, 1).numpy())[..., :3])
    cover = (heat / 0.4).clamp(0, 1)[..., None]
    return (1 - cover) * dark + cover * colours


def panel(axis, picture: Tensor, title: str = "") -> None:
    """One picture (H, W, 3), without ticks."""
    axis.imshow(picture.clamp(0, 1))
    axis.set_title(title, fontsize=9)
    axis.set(xticks=[], yticks=[])


def bar(figure, axes) -> None:
    """The colours, from 0 to each map's own maximum."""
    scale = plt.cm.ScalarMappable(plt.Normalize(0, 1), "magma")
    figure.colorbar(scale, ax=axes, label="0 none · 1 the map's maximum", ticks=[0, 0.5, 1])


cheat = nets.bundled("pond_biased")
shown = data.scenes("pond", "flipped", 24 if fast else 120, seed=7)
answer = cheat(shown.images).argmax(1)
fooled = answer != shown.labels
x_blind, c_blind, mask_blind = shown.images[fooled], answer[fooled], shown.object_mask[fooled]
blind = {
    "A": camlite.up(camlite.grad_cam(cheat, "features", x_blind, c_blind), (48, 48)).detach(),
    "B": camlite.up(functional.avg_pool2d(mask_blind[:, None].float(), 4)[:, 0], (48, 48)),
}
figure, axes = plt.subplots(3, 6, figsize=(10.5, 5.2), layout="constrained")
for n in range(6):
    panel(axes[0, n], x_blind[n].permute(1, 2, 0), f"picture {n + 1}")
    for axis, M in zip(axes[1:, n], blind.values(), strict=True):
        panel(axis, lit(x_blind[n], M[n]))
for axis, text in zip(axes[:, 0], ("picture", "A", "B"), strict=True):
    axis.set_ylabel(text, fontsize=12)
bar(figure, axes[1:])
figure.suptitle("Where did the answer come from? Two methods: which one would you trust?")
plt.show()

# %% [markdown]
# (For the paper of Grad-CAM++ 13 people compared the maps of two methods on 250 images.)
#
# ## The race
#
# A fixed set of pictures with known masks: animals of the pond on grounds that are not theirs.
# Three networks, trained by one recipe from three starts; what one network shows may be chance. All
# are bundled with camlite, and they know all the animals here.

# %%
networks = [nets.bundled(name) for name in ("pond_repaired", "pond_gap_1", "pond_gap_2")]
pond = data.scenes("pond", "flipped", 16 if fast else 32, seed=7)
x, c, mask = pond.images, pond.labels, pond.object_mask
N, size = len(x), x.shape[-2:]
area = mask.float().mean()
right = ", ".join(f"{nets.accuracy(net, x, c):.0%}" for net in networks)
print(f"{N} images {tuple(x.shape[1:])}; right: {right}; an animal covers {area:.1%}")

# %% [markdown]
# Six methods that you know. (On these networks CAM, Grad-CAM and HiResCAM are one map, lessons 8
# and 9.) And five **floors**: maps that know little or nothing. *Random weights* adds up feature
# maps by chance. The *blob* is a spot in the middle of every picture. *Edges* asks the picture, not
# the network. *Random pixels* is noise. And **Fake-CAM** (Poppi and others) is 1 everywhere and 0
# in one single pixel.


# %%
METHODS = {
    "Grad-CAM": lambda net, x, c: camlite.grad_cam(net, "features", x, c),
    "Ablation-CAM": lambda net, x, c: camlite.ablation_cam(net, "features", x, c),
    "Score-CAM": lambda net, x, c: camlite.score_cam(net, "features", x, c),
    "Eigen-CAM": lambda net, x, c: camlite.eigen_cam(net, "features", x, c),
    "gradient": lambda net, x, c: camlite.saliency(net, x, c).amax(1),
    "occlusion": lambda net, x, c: camlite.occlusion(net, x, c, patch=12, stride=6),
}
FLOORS = {
    "random weights": lambda net, x, c: camlite.random_cam(net, "features", x),
    "blob": lambda net, x, c: camlite.center_gaussian(net, None, x, sigma=0.35),
    "edges": lambda net, x, c: metrics.sobel_edges(x),
    "Fake-CAM": lambda net, x, c: metrics.fake_cam(x),
    "random pixels": lambda net, x, c: torch.rand(
        x[:, 0].shape, generator=torch.Generator().manual_seed(0)
    ),
}
names = [*METHODS, *FLOORS]


def explain(name: str, net: nn.Module, x: Tensor, c: Tensor) -> Tensor:
    """The map of one method or floor in the size of the image, without negative values."""
    M = (METHODS | FLOORS)[name](net, x, c).detach()
    return camlite.up(M, x.shape[-2:]).clamp(min=0)


def table(head: str, row, lines=tuple(names)) -> None:
    """One line for each map: `row(name)` gives its numbers."""
    print(" " * 16 + head)
    for name in lines:
        cells = (f"{v:{10 if i % 3 == 0 else 6}.1f}" for i, v in enumerate(row(name)))
        print(f"{name:14}" + "".join(cells))  # a gap after every third number


maps = [{name: explain(name, net, x, c) for name in names} for net in networks]

# %% [markdown]
# What does a map cost? Score-CAM and Ablation-CAM both ask one question for each channel. But
# Score-CAM changes the *image*, and the whole network must run. Ablation-CAM changes a *channel*,
# and only what comes after it, the **tail**, must run. We count.

# %%
whole_runs, tail_runs = [], []
features, classifier = camlite.split(networks[0], "features")
handle = networks[0].features.register_forward_hook(lambda *_: whole_runs.append(1))
with torch.no_grad():
    F = networks[0].features(x[:1])
    for k in range(F.shape[1]):  # Score-CAM: one masked image for each channel
        H = camlite.up(F[:, k], size)[:, None]
        networks[0](x[:1] * H / H.max().clamp(min=1e-12))
    for k in range(F.shape[1]):  # Ablation-CAM: one channel less
        tail_runs.append(classifier(F * (torch.arange(F.shape[1]) != k)[:, None, None]))
handle.remove()
print(f"{F.shape[1]} channels: {len(whole_runs)} whole runs, {len(tail_runs)} runs of the tail")

# %% [markdown]
# The first whole run makes `F`, for both. Then one asks the whole network 64 times, the other one
# the tail. MobileNetV3-Large has 960 channels there: 960 runs of the tail against 960 whole runs
# for one map. Measuring costs too: a deletion curve with 100 steps is 101 whole runs for each
# image, method and fill.
#
# ## Exercise 17.1: average drop
# *●○○○○ · about 8 minutes*
#
# The first idea: show the network only what the map lights up. Let $X$ be the image and
# $L$ the map, scaled to $[0, 1]$. The network sees $E = L \circ X$, the product pixel by pixel;
# where $L$ is 0, the picture is black. If the map is right, little confidence is lost:
#
# $$ \mathrm{AD} = \frac{100}{N}\sum_{i=1}^{N} \frac{\max(0,\; Y_i - O_i)}{Y_i} $$
#
# $Y_i$ is the probability of the class for the whole image number $i$ (`before`), $O_i$ for the
# masked one (`after`), both (N,) and more than 0. Less is better. Return percent: a number or a
# tensor with one number. (Two papers print the formula without the $1/N$, and write "average"
# beside it. Take the average.)


# %% tags=["exercise", "17.1"]
def average_drop(before: Tensor, after: Tensor) -> Tensor:
    """The lost share of the confidence in percent, 0 where nothing is lost: (N,), (N,) -> ()."""
    ### BEGIN SOLUTION
    return 100 * ((before - after).clamp(min=0) / before).mean()
    ### END SOLUTION


# %%
check("17.1", average_drop)

# %% [markdown]
# ## Exercise 17.2: increase in confidence
# *●○○○○ · about 5 minutes*
#
# Sometimes the masked image makes the network *more* sure. The same paper counts how often:
#
# $$ \mathrm{IC} = \frac{100}{N}\sum_{i=1}^{N} \mathbb{1}[\,Y_i < O_i\,] $$
#
# $\mathbb{1}[\dots]$ is 1 where the condition holds and 0 elsewhere. An equal score is no increase.
# More is better. The sizes as in 17.1; the result in percent.


# %% tags=["exercise", "17.2"]
def increase_in_confidence(before: Tensor, after: Tensor) -> Tensor:
    """How often masking raises the score, in percent: (N,), (N,) -> ()."""
    ### BEGIN SOLUTION
    return 100 * (before < after).float().mean()
    ### END SOLUTION


# %%
check("17.2", increase_in_confidence)

# %% [markdown]
# **Guess first:** eleven maps, of which five know nothing of the decision. Which one wins the drop?


# %%
@torch.no_grad()
def probability(f, x: Tensor, c: Tensor) -> Tensor:
    """The softmax probability of class c, (N,)."""
    return f(x).softmax(1)[torch.arange(len(x)), c]


def scaled(M: Tensor) -> Tensor:
    """Each map scaled to [0, 1]; a constant map becomes 0."""
    low, high = M.amin((1, 2), keepdim=True), M.amax((1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))


def seen_through(x: Tensor, M: Tensor, fill: Tensor) -> Tensor:
    """The image where the map is 1, the fill where it is 0."""
    L = scaled(M)[:, None]
    return L * x + (1 - L) * fill


black = torch.zeros(3, 1, 1)
mean = x.mean((2, 3), keepdim=True)  # (N, 3, 1, 1): the mean colour of each image
Y = [probability(net, x, c) for net in networks]


def drops(fill: Tensor) -> dict[str, list[float]]:
    """AD and IC of each map: for network 0, 1 and 2."""
    found = {}
    for name in names:
        O = [
            probability(net, seen_through(x, M[name], fill), c)
            for net, M in zip(networks, maps, strict=True)
        ]
        AD = [float(average_drop(y, o)) for y, o in zip(Y, O, strict=True)]
        IC = [float(increase_in_confidence(y, o)) for y, o in zip(Y, O, strict=True)]
        found[name] = AD + IC
    return found


on_black = drops(black)
table("average drop, networks 0-2 · increase, networks 0-2", on_black.get)
with torch.no_grad():
    called = [networks[0](seen_through(x, maps[0][name], black)).argmax(1) for name in METHODS]
said_bird = float((torch.stack(called) == 1).float().mean())
print(f"of what the six methods leave, network 0 calls {said_bird:.1%} bird")
print(f"share of the images that are birds: {(c == 1).float().mean():.0%}")

# %% [markdown]
# **Your guess:** Fake-CAM wins, on all three networks, and by far; the increase too. A map that
# says *everything matters* leaves the picture as it is, and loses nothing. (Its one pixel hardly
# moves the probability, upwards in about half of the images. IC does not ask how far.)
#
# And the others? Nearly all of them lose about 75 %, the best maps, the edges and the random
# weights. Such a number should make you suspicious. The lines below the table explain it: nearly
# all that these masks leave on black, network 0 calls *bird*. So the birds, one quarter, keep
# everything, and the others lose everything. We measured what the network thinks of black (lesson
# 12), not the maps. So change what you chose yourself, the fill. The last line is new: Grad-CAM
# again, scaled, and its **fourth root** taken. The order of the pixels stays; the map gets larger.

# %%
on_mean = drops(mean)
table("with the mean colour: average drop · increase", on_mean.get)
roots = [scaled(M["Grad-CAM"]) ** 0.25 for M in maps]
grown = [
    float(average_drop(y, probability(net, seen_through(x, L, mean), c)))
    for net, L, y in zip(networks, roots, Y, strict=True)
]
print("fourth root   " + "".join(f"{v:{10 if i == 0 else 6}.1f}" for i, v in enumerate(grown)))

# %% [markdown]
# Now there are differences. And look at the **blob**, a spot in the middle of every picture: its
# drop is much smaller than that of Grad-CAM, on all three networks. It is large and soft, and
# animals stand near the middle. The fourth root knows no more than Grad-CAM, and beats the blob.
# So here is the cheat of the first seller: make your maps larger. (Large alone is not enough: the
# random pixels are as large as the blob, on average.)
#
# ## Exercise 17.3: the deletion curve
# *●●●○○ · about 20 minutes*
#
# A better idea uses only the *order* of the pixels, so that soft and sharp maps are equal. Remove
# the most important pixel, then the next ones, and watch the probability. If the map is right, it
# falls soon.
#
# With $P = H \cdot W$ pixels and $S$ steps, the $\mathrm{round}(i\,P/S)$ most important pixels show
# the fill after step $i$, for $i = 0, 1, \dots, S$. So column 0 is the whole image, and in the last
# column all pixels are gone. All colours of a pixel go together. Equal values go in reading order:
# row by row, from left to right.
#
# You need the **rank** of each pixel: 0 for the most important one. Sorting twice gives it:

# %%
values = torch.tensor([[0.1, 0.9, 0.5, 0.9]])
order = values.argsort(dim=1, descending=True, stable=True)  # stable: equal ones keep their order
print("order", order.tolist(), " rank", order.argsort(dim=1).tolist())
print("the two most important are gone:", (order.argsort(dim=1) < 2).tolist())
print("round(2.5) =", round(2.5), " round(3.5) =", round(3.5), "(Python's rule; use it)")

# %% [markdown]
# `f` maps images (N, C, H, W) to logits (N, classes), `c` is one class or one for each image, `M`
# is (N, H, W). `fill` is a colour (C, 1, 1), a picture (C, H, W), or one for each image (N, C, 1,
# 1) or (N, C, H, W): `torch.where(gone, fill, x)` takes them all if `gone` is (N, 1, H, W). Return
# the softmax probability of class c, (N, steps + 1). Do not change `x`.


# %% tags=["exercise", "17.3"]
@torch.no_grad()
def deletion_curve(f, x: Tensor, c: int | Tensor, M: Tensor, steps: int, fill: Tensor) -> Tensor:
    """The probability of c while the pixels go, most important first -> (N, steps + 1)."""
    ### BEGIN SOLUTION
    n, classes = torch.arange(len(x)), torch.as_tensor(c).expand(len(x))
    order = M.flatten(1).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1).view_as(M)[:, None]  # (N, 1, H, W)
    scores = []
    for i in range(steps + 1):
        gone = rank < round(i * M[0].numel() / steps)
        scores.append(f(torch.where(gone, fill, x)).softmax(1)[n, classes])
    return torch.stack(scores, dim=1)
    ### END SOLUTION


# %%
check("17.3", deletion_curve)

# %% [markdown]
# ## Exercise 17.4: one number for a curve
# *●○○○○ · about 6 minutes*
#
# Papers print the **area under the curve**. Between two neighbouring points lies a **trapezoid**:
# its height is the mean of the two. The whole curve has width 1, so each of the $S$ trapezoids has
# width $1/S$:
#
# $$ A = \frac{1}{S}\sum_{i=1}^{S} \frac{y_{i-1} + y_i}{2} $$
#
# `scores` is (N, S + 1), with at least two points; $y_0, \dots, y_S$ are the points of one row. The
# result is (N,), for each image its own area.


# %% tags=["exercise", "17.4"]
def area_under_curve(scores: Tensor) -> Tensor:
    """The area by trapezoids, whole width 1: (N, S + 1) -> (N,)."""
    ### BEGIN SOLUTION
    return ((scores[:, :-1] + scores[:, 1:]) / 2).mean(dim=1)
    ### END SOLUTION


# %%
check("17.4", area_under_curve)

# %% [markdown]
# ## Three fills, three rankings
#
# What do the removed pixels show? We take black, the mean colour of the image, and a blurred
# picture. **Guess first:** deletion asks for the order only. Does the fill change which map is
# best?

# %%
STEPS = 3 if fast else 8
blurred = functional.interpolate(functional.avg_pool2d(x, 8), size=size, mode="bilinear")
fills = {"black": black, "mean colour": mean, "blurred": blurred}
curves = [  # one dict for each network: (map, fill) -> (N, STEPS + 1)
    {
        (name, text): deletion_curve(net, x, c, M[name], STEPS, fill)
        for name in names
        for text, fill in fills.items()
    }
    for net, M in zip(networks, maps, strict=True)
]
areas = {  # (map, fill) -> the area in percent, mean of the images, for each network
    key: torch.stack([area_under_curve(curve[key]).mean() for curve in curves]) * 100
    for key in curves[0]
}
head = "area, lower is better: black · mean colour · blurred (networks 0-2 each)"
table(head, lambda name: [v for text in fills for v in areas[name, text].tolist()])
grey = camlite.up(camlite.occlusion(networks[0], x, c, patch=12, stride=6, fill="mean"), size)
by_mean = [
    100 * float(area_under_curve(deletion_curve(networks[0], x, c, grey, STEPS, fill)).mean())
    for fill in (black, mean)
]
print(f"occlusion with the mean colour, network 0: {by_mean[0]:.1f} black, {by_mean[1]:.1f} mean")
for text in fills:
    best = [min(names, key=lambda name, i=i: areas[name, text][i]) for i in range(3)]
    print(f"best with {text}: {', '.join(best)}")


# %% tags=["figure"] jupyter={"source_hidden": true}
styles = {
    "Grad-CAM": ("#1b1b7a", "-"),
    "occlusion": ("#d1495b", "--"),
    "edges": ("#3a7d44", "-."),
    "random pixels": ("#777777", ":"),
}
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), layout="constrained", sharey=True)
for axis, text in zip(axes, fills, strict=True):
    for name, (colour, line) in styles.items():
        curve = 100 * curves[0][name, text].mean(0)
        label = f"{name}, area {areas[name, text][0]:.0f}"
        axis.plot(
            torch.arange(STEPS + 1) / STEPS * 100, curve, line, color=colour, lw=2, label=label
        )
    axis.set_title(f"fill: {text}", fontsize=11)
    axis.set(xlabel="removed pixels (%)", ylim=(0, 140), xlim=(0, 100), yticks=range(0, 101, 20))
    axis.legend(fontsize=8.5, loc="upper right")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("probability of the class (%)")
figure.suptitle(
    f"With black, noise deletes as well as Grad-CAM; with other fills it does not "
    f"(network 0, mean of {N} images)"
)
plt.show()

# %% [markdown]
# **Your guess:** it changes. With black, *random pixels* get about the area of Grad-CAM on networks
# 0 and 1: black specks all over a picture destroy it, whatever they hide. With the mean colour and
# with the blurred picture noise is one of the worst, as it should be. And look at *occlusion*: this
# map is made by hiding patches with **black**. With black it is better than Grad-CAM on networks 0
# and 1; with the mean colour Grad-CAM is better, on all three. Is it the fill? The line below the
# table: made with the mean colour instead, it does worse with black, and better with the mean
# colour. A method that asks the same question as the test has seen the answers: **choose the fill
# of your test to fit your map.**
#
# So never compare two areas from two papers, before you know the fill, the number of steps and the
# rule for the area.
#
# ## A hole that tells nothing
#
# Is there a right fill? The paper of ROAD (*remove and debias*) sees a deeper problem. A hole has a
# **shape**. If a map removes an animal pixel by pixel, a black animal remains, and the network may
# read the class from the hole. So the hole should not be seen. ROAD fills each removed pixel with
# the weighted mean of its eight neighbours: weight 1/6 for the four direct ones and 1/12 for the
# four diagonal ones. But neighbours may be missing too. Then they are **unknowns**:
#
# $$ z_i \sum_j w_{ij} \;-\; \sum_{j \text{ missing}} w_{ij}\,z_j \;=\; \sum_{j \text{ known}}
# w_{ij}\,x_j $$
#
# for each missing pixel $i$, where $z$ are the wanted values, $x$ the known ones, and $j$ goes over
# the neighbours inside the picture. These are as many equations as unknowns: a **linear system** $A
# z = b$. On 16×16 pixels it fits into one cell. (ROAD then adds a little noise.)


# %%
def linear_fill(x: Tensor, hole: Tensor) -> Tensor:
    """Fills the hole (h, w) of a picture (C, h, w) from its surroundings."""
    h, w = hole.shape
    row, column = torch.arange(h * w) // w, torch.arange(h * w) % w
    dy, dx = (row[:, None] - row).abs(), (column[:, None] - column).abs()
    W = ((dy + dx == 1) / 6 + ((dy == 1) & (dx == 1)) / 12).double()  # (P, P), P = h·w
    m = hole.flatten()
    A = torch.diag(W.sum(1)[m]) - W[m][:, m]  # one row for each missing pixel
    b = W[m][:, ~m] @ x.flatten(1).T[~m].double()  # one column for each colour
    out = x.flatten(1).clone()
    out[:, m] = torch.linalg.solve(A, b).T.to(x)
    return out.view_as(x)


small = functional.adaptive_avg_pool2d(x, 16)
hole = functional.adaptive_avg_pool2d(mask[:, None].float(), 16)[:, 0] > 0.5
filled = torch.stack([linear_fill(one, m) for one, m in zip(small, hole, strict=True)])
off_16 = (filled - metrics.imputed(small, hole, noise=0)).abs().max()
print(f"largest difference to camlite's: {off_16:.0e}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(3, 6, figsize=(9.5, 5), layout="constrained")
for n in range(6):
    panel(axes[0, n], small[n].permute(1, 2, 0))
    panel(axes[1, n], torch.where(hole[n], black, small[n]).permute(1, 2, 0))
    panel(axes[2, n], filled[n].permute(1, 2, 0))
texts = "picture\n16×16", "animal\nremoved,\nblack", "animal\nremoved,\nlinear"
for axis, text in zip(axes[:, 0], texts, strict=True):
    axis.set_ylabel(text, rotation=0, ha="right", va="center")
figure.suptitle("A black hole still shows the animal; a linear fill hardly does")
plt.show()

# %% [markdown]
# Now the 48×48 pictures: each map removes its 30 % most important pixels, and the hole is filled
# with `metrics.imputed`. What is the probability of the class then? Lower is better.


# %%
def without_top(x: Tensor, M: Tensor, share: float) -> Tensor:
    """The images without the most important pixels of the map, filled as ROAD does."""
    position = (-M.flatten(1)).argsort(dim=1, stable=True).argsort(dim=1).view_as(M)
    missing = position < round(share * M[0].numel())
    return metrics.imputed(x, missing, noise=0.01)


road = {name: probability(networks[0], without_top(x, maps[0][name], 0.3), c) for name in names}
table("network 0: probability after ROAD (%)", lambda name: [100 * float(road[name].mean())])
print(f"whole pictures: {100 * Y[0].mean():.1f}")

# %% [markdown]
# Here noise and Fake-CAM are the worst maps (network 0). A single missing pixel is repaired from
# its neighbours, and little is lost. ROAD is no truth either: large holes become a soft spot of
# colour, and no training image looked like that.
#
# ## Exercise 17.5: the pointing game
# *●●○○○ · about 8 minutes*
#
# The second seller does not touch the image, but looks where the brightest point of the map lies.
# On the object: a **hit**.
#
# `M` is (N, H, W), `mask` is (N, H, W) with truth values. Return (N,) truth values. Two rules, so
# that nobody can win by chance of the memory order: of several equal maxima the **first in reading
# order** counts; and a map that is the same everywhere points nowhere, so it is **no hit**. Three
# lines that help:

# %%
M_example = torch.tensor([[[0.0, 2.0], [2.0, 1.0]], [[3.0, 3.0], [3.0, 3.0]]])
flat = M_example.flatten(1)
print(
    "first maximum",
    flat.argmax(dim=1).tolist(),
    " constant",
    (flat.amax(1) == flat.amin(1)).tolist(),
)
print("one value of each row", flat[torch.arange(2), torch.tensor([3, 0])].tolist())


# %% tags=["exercise", "17.5"]
def pointing_hit(M: Tensor, mask: Tensor) -> Tensor:
    """Does the maximum lie on the mask? (N, H, W) twice -> (N,) truth values."""
    ### BEGIN SOLUTION
    M, mask = M.flatten(1), mask.flatten(1).bool()
    hit = mask[torch.arange(len(M)), M.argmax(dim=1)]
    return hit & (M.amax(dim=1) > M.amin(dim=1))
    ### END SOLUTION


# %%
check("17.5", pointing_hit)

# %% [markdown]
# ## Energy, and a mosaic
#
# The point is one pixel. Lesson 6 used all of them: the **energy** on the object, the share of the
# map's sum that lies on the mask. A flat map gets the object's share of the picture, so always
# print that beside it.


# %%
def energy_inside(M: Tensor, mask: Tensor) -> Tensor:
    """The share of each map's sum on the mask (lesson 6), (N,); maps without negative values."""
    return (M * mask).sum((1, 2)) / M.sum((1, 2)).clamp(min=1e-12)


def on_object(name: str) -> list[float]:
    """Hits and energy in percent, for network 0, 1 and 2."""
    hits = [pointing_hit(M[name], mask).float().mean() for M in maps]
    energy = [energy_inside(M[name], mask).mean() for M in maps]
    return [100 * float(v) for v in hits + energy]


table("hits, networks 0-2 · energy on the animal, networks 0-2", on_object)
print(f"a flat map: hits 0 by the rule, energy {100 * area:.1f}")
spot = camlite.center_gaussian(networks[0], None, x, sigma=0.1)
spot_energy = 100 * float(energy_inside(spot, mask).mean())
print(f"a small spot in the middle: energy {spot_energy:.1f}")

# %% [markdown]
# The *blob* and the *edges* hit about nine of ten animals, as the good methods do. The animals
# stand near the middle, and they are what has the sharpest edges. On the photographs of VOC 2007
# the centre of the picture alone has 69.6 % (TorchRay's table). So **put the centre beside every
# pointing game.** The energy tells them from Grad-CAM here. But the last line has a smaller spot in
# the middle, and it wins that as well.
#
# The mosaic is a better test: four animals in one picture, one of each class, and we ask for one of
# them. Now the middle is worth nothing, and neither is "where something is". How much of the map's
# energy lies in the quarter of the animal that we ask for? Chance: 25 %. (Without the two slow
# ones.)

# %%
tiles = data.mosaic(8 if fast else 24, seed=3)
x4, c4 = tiles.images, torch.arange(len(tiles.images)) % 4  # the classes take turns
quarter = tiles.cell_masks[torch.arange(len(x4)), c4]
quick = [name for name in names if name not in ("Score-CAM", "occlusion")]
in_quarter = {
    name: [float(energy_inside(explain(name, net, x4, c4), quarter).mean()) for net in networks]
    for name in quick
}
table("energy (%), networks 0-2", lambda name: [100 * v for v in in_quarter[name]], quick)

# %% [markdown]
# All five floors are near chance, and so is Eigen-CAM, which nobody told the class. (The gradient
# is hardly better. It knows the class, but its values lie on every animal.) No cheat of this lesson
# gets through, except one: a map could look *for the class* with any other network. It would tell
# where the bird is, and not why this network says so.
#
# ## The blind choice
#
# Now back to your A or B. **A** was Grad-CAM. **B** was drawn by hand from the mask of the object;
# no network was asked at all. And the network is `pond_biased` of lesson 6, which looks at the
# ground. All its answers here are wrong: fish on grass are called *frog*. We measure both maps, and
# noise.

# %%
blind["noise"] = torch.rand(x_blind[:, 0].shape, generator=torch.Generator().manual_seed(0))
judged = {}
for letter, M in blind.items():
    hits = pointing_hit(M, mask_blind).float().mean()
    energy = energy_inside(M, mask_blind).mean()
    colour = x_blind.mean((2, 3), keepdim=True)
    curve = deletion_curve(cheat, x_blind, c_blind, M, STEPS, colour)
    judged[letter] = [100 * float(v) for v in (hits, energy, area_under_curve(curve).mean())]
    hits, energy, removed = judged[letter]
    print(f"{letter:6} hits {hits:4.0f} %   energy {energy:3.0f} %   deletion area {removed:4.0f}")
print(f"n = {len(x_blind)} pictures; deletion fills with the mean colour of the picture")

# %% [markdown]
# **Your choice:** B lies neatly on the animal, where *you* would look. Hits and energy say B too,
# and by far. Deletion says A: its area is smaller than that of noise. The area of B is larger than
# that of noise: without the animal the answer stays. The animal was not the reason.
#
# Eyes, hits and energy measure whether a map is **plausible**: whether it shows what *we* would
# expect. Deletion measures whether it is **faithful**: whether it shows what the *network* used.
# For a network that cheats the two are opposite, and that is the case for which you need a map.
#
# ## Exercise 17.6: one number from three
# *●○○○○ · about 7 minutes*
#
# Poppi and others saw that the drop alone is cheated by large maps. They put three numbers
# together, all of them **fractions** from 0 to 1, not percent:
#
# * the **drop** of 17.1, as a fraction; it should be low;
# * **complexity**: the mean of $L$, the scaled map; it should be low (large maps pay);
# * **coherency**: the map of the masked image $E$ should be the same map again:
#   $(1 + \text{correlation of the two maps}) / 2$; it should be high.
#
# ADCC is their harmonic mean, in which one bad number is enough to spoil all:
#
# $$ \mathrm{ADCC} = \frac{3}{\dfrac{1}{\text{coherency}} + \dfrac{1}{1 - \text{complexity}} +
# \dfrac{1}{1 - \text{drop}}} $$
#
# The three are tensors of one shape, (N,) or (); so is the result. For 0.9, 0.3, 0.2 it is 0.7916.
# If one of the three is as bad as possible, the result shall be 0. Tensors do this alone:

# %%
print("3 / (1/0) =", float(3 / (1 / torch.tensor(0.0))))


# %% tags=["exercise", "17.6"]
def adcc(coherency: Tensor, complexity: Tensor, drop: Tensor) -> Tensor:
    """Three fractions in one number: higher is better, 0 to 1. (N,) three times -> (N,)."""
    ### BEGIN SOLUTION
    return 3 / (1 / coherency + 1 / (1 - complexity) + 1 / (1 - drop))
    ### END SOLUTION


# %%
check("17.6", adcc)


# %%
def three_of(name: str, i: int = 0) -> Tensor:
    """Coherency, complexity and drop of each image for network i, (3, N)."""
    M = maps[i][name]
    E = seen_through(x, M, mean)
    drop = (Y[i] - probability(networks[i], E, c)).clamp(min=0) / Y[i]
    again = explain(name, networks[i], E, c)
    return torch.stack([metrics.coherency(M, again), scaled(M).mean((1, 2)), drop])


three = {name: three_of(name) for name in names}
ADCC = {name: adcc(*three[name]) for name in names}
table(
    "network 0, percent: coherency · complexity · drop · ADCC",
    lambda name: [100 * float(v.mean()) for v in (*three[name], ADCC[name])],
)
on_1 = {name: 100 * float(adcc(*three_of(name, 1)).mean()) for name in ("Grad-CAM", "blob")}
print(f"network 1: Grad-CAM {on_1['Grad-CAM']:.1f}, blob {on_1['blob']:.1f}")

# %% [markdown]
# Fake-CAM is punished, with nearly 0: its complexity is nearly 1. But look at the **blob**: on
# network 0 it has the best ADCC of all eleven maps. (On network 1 Grad-CAM has a better one.) Its
# coherency is 1, the best possible: it never changes, because it does not look at the picture. A
# number that rewards stability rewards whoever does not listen. (Random pixels have coherency 1 for
# the same reason: the same noise each time.)
#
# ## Who wins?
#
# Eight numbers, eleven maps, network 0. Each number ranks the maps from 1 (best) to 11. But our
# pictures are few. With others the ranks would be others. The **bootstrap** shows how much:
# draw N pictures from the N, with repetition, and rank again, a thousand times. The middle 90 % of
# the ranks is an interval.
#
# And how far do the numbers disagree? Take two numbers and all 55 pairs of maps. In which share of
# the pairs do the two numbers prefer different maps? 0 %: the same ranking. 50 %: no relation.

# %%
FADING = "average drop", "deletion, black", "deletion, mean", "deletion, blurred", "ROAD, 30 %"
GROWING = "pointing", "energy", "ADCC"
per_image = {}  # name: (8, N), higher is better in all of them
for name in names:
    falls = [three[name][2], *(area_under_curve(curves[0][name, text]) for text in fills)]
    rises = [pointing_hit(maps[0][name], mask), energy_inside(maps[0][name], mask), ADCC[name]]
    per_image[name] = torch.stack([*(-v for v in falls), -road[name], *(v.float() for v in rises)])
V = torch.stack(list(per_image.values())).double()  # (11 maps, 8 numbers, N)


def rank_of(means: Tensor) -> Tensor:
    """Rank along the first axis, 1 is best, ties share: (maps, …) -> (maps, …)."""
    better = (means[None] > means[:, None]).double().sum(1)
    same = (means[None] == means[:, None]).double().sum(1) - 1
    return 1 + better + same / 2


def disagreement(means: Tensor) -> float:
    """The mean share of map pairs that two of the numbers order differently; (maps, numbers)."""
    sign = (means[:, None] - means[None]).sign().permute(2, 0, 1)  # (numbers, maps, maps)
    i, j = torch.triu_indices(len(means), len(means), 1)
    upper = sign[:, i, j]  # (numbers, pairs)
    alike = upper @ upper.T / upper.shape[1]
    first, second = torch.triu_indices(len(alike), len(alike), 1)
    return float((1 - alike[first, second]).mean() / 2)


draws = torch.randint(N, (1000, N), generator=torch.Generator().manual_seed(17))
resampled = torch.stack([V[:, :, draw].mean(2) for draw in draws], 2)  # (11, 8, 1000)
rank = rank_of(V.mean(2))
low, high = rank_of(resampled).quantile(torch.tensor([0.05, 0.95]).double(), dim=2)
all_of_them = disagreement(V.mean(2))
real_ones = disagreement(V.mean(2)[: len(METHODS)])
spread = torch.tensor([disagreement(each) for each in resampled[:, :, :200].unbind(2)])
ends = spread.quantile(torch.tensor([0.05, 0.95])).tolist()
print(f"disagreement: all maps {all_of_them:.0%} ({ends[0]:.0%} to {ends[1]:.0%})")
print(f"disagreement: the six methods alone {real_ones:.0%}")


# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(10, 6.2), layout="constrained")
drawn = axis.imshow(-rank, cmap="magma", vmin=-len(names), vmax=-1, aspect="auto")
for i in range(len(names)):
    for j in range(8):
        text = f"{rank[i, j]:.3g}\n{low[i, j]:.0f} to {high[i, j]:.0f}"
        colour = "black" if rank[i, j] < 5.5 else "white"
        axis.text(j, i, text, ha="center", va="center", fontsize=8.5, color=colour)
axis.set_xticks(range(8), [text.replace(", ", ",\n") for text in (*FADING, *GROWING)])
axis.set_yticks(range(len(names)), names)
axis.axhline(len(METHODS) - 0.5, color="white", linewidth=3)
axis.tick_params(length=0)
line = figure.colorbar(drawn, label="rank: 1 best (bright)", ticks=[-11, -6, -1])
line.ax.set_yticklabels(["11", "6", "1"])
axis.set_title(
    f"Each number has another winner, and some winners know nothing (below the line)\n"
    f"rank, and 90 % interval of 1000 bootstraps; network 0, {N} images; "
    f"two numbers order {all_of_them:.0%} of the pairs differently"
)
plt.show()

# %% [markdown]
# The floors do not make the disagreement: the six methods alone have no less. Read a row: no map is
# best everywhere. Read a column: the bright fields below the line are the cheats. Fake-CAM is first
# in the drop, the blob in ADCC. The intervals are wide where methods are close: a table with two
# decimals and 40 pictures says more than it knows. So which number convinces? One that keeps the
# floors down. In deletion with the mean colour or the blurred picture, in ROAD and in energy no
# floor is among the first three. (Here. And energy was just cheated by a map drawn by hand.)
#
# ## A network that cannot have looked elsewhere
#
# All these tests have one weakness. When a map is bright beside the object, we say: *probably*
# wrong. Perhaps the network did look there. Rao and others built a network in which this excuse is
# gone. **DiFull**: each quarter of the picture is run alone, and a head reads the features of *its*
# quarter only. Logit number cell · classes + c says: "class c in this cell". What the other
# quarters show cannot change it. So light outside the cell is not implausible. It is **wrong**.

# %%
difull = []
for net in networks:
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), net.classifier)
    difull.append(nets.DiFull(net.features, head).eval())
where = (tiles.cells.flatten(1) == c4[:, None]).long().argmax(1)  # the cell of the asked animal
target = 4 * where + c4
with torch.no_grad():
    noisy = torch.where(quarter[:, None], x4, torch.rand_like(x4))  # other quarters: noise
    n = torch.arange(len(x4))
    moved = [(net(noisy) - net(x4))[n, target].abs().max() for net in difull]
print(f"noise in the other quarters changes the logit by {max(moved):.1e}")

# %% [markdown]
# **Guess first:** for which of these maps is the light outside exactly 0? Think of the gradient:
# the logit does not depend on the features of other cells.

# %%
asked = {
    "gradient": lambda net: camlite.saliency(net, x4, target).amax(1),
    "HiResCAM": lambda net: camlite.hires_cam(net, "features", x4, target),
    "LayerCAM": lambda net: camlite.layer_cam(net, "features", x4, target),
    "Grad-CAM": lambda net: camlite.grad_cam(net, "features", x4, target),
    "Ablation-CAM": lambda net: camlite.ablation_cam(net, "features", x4, target),
    "Eigen-CAM": lambda net: camlite.eigen_cam(net, "features", x4, target),
}


def outside(M: Tensor) -> Tensor:
    """The share of each map's light outside the cell, at the map's own size, (N,)."""
    cell = functional.adaptive_avg_pool2d(quarter[:, None].float(), M.shape[-2:])[:, 0]
    return 1 - energy_inside(M.double(), cell.double())


light = {  # name: the map of each network, without negative values
    name: [make(net).detach().clamp(min=0) for net in difull] for name, make in asked.items()
}
wrong_light = {name: [float(outside(M).mean()) for M in made] for name, made in light.items()}
table("outside (%), networks 0-2", lambda name: [100 * v for v in wrong_light[name]], asked)
print("a flat map: 75.0")


# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(3, 5, figsize=(10, 6.2), layout="constrained")
for i, row in enumerate(axes):
    panel(row[0], x4[i].permute(1, 2, 0), f"asked: {tiles.class_names[c4[i]]}, in its cell")
    names_drawn = ("HiResCAM", "Grad-CAM", "Ablation-CAM", "Eigen-CAM")
    for axis, name in zip(row[1:], names_drawn, strict=True):
        M, share = light[name][0], float(outside(light[name][0])[i])
        panel(axis, lit(x4[i], camlite.up(M, (96, 96))[i]), f"{name}\n{share:.0%} outside")
    for axis in row:
        axis.contour(quarter[i].float(), levels=[0.5], colors="white", linewidths=1.5)
bar(figure, axes)
figure.suptitle(
    "The head has seen only the white cell: light outside it is wrong, not only implausible\n"
    f"(network 0; Grad-CAM has {wrong_light['Grad-CAM'][0]:.0%} outside, "
    f"mean of {len(x4)} mosaics)"
)
plt.show()

# %% [markdown]
# **Your guess:** the gradient, HiResCAM and LayerCAM are exactly 0 outside: they multiply the
# gradient place by place, and it is 0 there. **Grad-CAM is not.** Its weights are means over the
# *whole* map, and in other quarters the features are not 0, so $\alpha_k F_k$ shines there too. The
# picture looks as if the network had also looked at the neighbour. It cannot have. (It is the gap
# of lesson 9, now with a proof.) Ablation-CAM spreads its light for the same reason, one weight for
# a whole channel, and Eigen-CAM asks no class at all.
#
# Be fair: one weight for each channel is harmless where all places are read in the same way, as by
# GAP. DiFull reads them differently, and so do networks with a flattening head.
#
# ## The library's numbers
#
# `camlite.metrics` has all of these, with more options. Do they agree with yours?

# %%
after = probability(networks[0], seen_through(x, maps[0]["blob"], mean), c)
theirs = metrics.deletion(networks[0], x, maps[0]["Grad-CAM"], c, steps=STEPS, fill="mean")
mine = curves[0]["Grad-CAM", "mean colour"]
hits = pointing_hit(maps[0]["edges"], mask)
pairs = {
    "drop": (average_drop(Y[0], after), metrics.average_drop(Y[0], after)),
    "increase": (increase_in_confidence(Y[0], after), metrics.increase_in_confidence(Y[0], after)),
    "curve": (mine, theirs.scores),
    "area": (area_under_curve(mine), theirs.area),
    "hits": (hits, metrics.pointing_game(maps[0]["edges"], mask, tolerance=0).values),
    "ADCC": (ADCC["blob"], metrics.adcc(*three["blob"])),
}
off = {
    text: max(abs(v) for v in (torch.as_tensor(a) * 1.0 - b).reshape(-1).tolist())
    for text, (a, b) in pairs.items()
}
print("largest differences:", ", ".join(f"{text} {v:.0e}" for text, v in off.items()))

# %% [markdown]
# They agree, up to rounding. (With 7 steps deletion would not: 2304 pixels are no multiple of 7,
# and the library, as the code of RISE, rounds the step up. Whoever compares must say such things.)
#
# **Today's question was: which number would convince you, and how would you cheat it?** One number
# convinces nobody who has read so far:
#
# | number | what it measures | the cheat |
# |---|---|---|
# | average drop, increase | is enough left? | light up everything |
# | deletion | do the first pixels matter? | a map made with the fill of the test |
# | pointing, energy | is the map plausible? | the middle, edges, another network |
# | ADCC | drop, size, stability | a blob that never listens |
# | mosaic | does it know the class? | another network that knows it |
# | DiFull | light where none can be? | the cell, filled with 1 |
#
# Ask for two numbers of different kinds, for the floors beside them, for the fill, for n, and for
# an interval.
#
# ## Once more
#
# *From lesson 6, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 6.2, for maps. A mean over all images hides who pays. Compute for the *edges* the share
# of hits for each class, a tensor (4,), from `pointing_hit`, `mask` and the labels `c`. One line.

# %%
hits_of_edges = pointing_hit(maps[0]["edges"], mask).float()
by_class = torch.zeros(4)  # your line here
print("hits of the edges:", dict(zip(pond.class_names, by_class.tolist(), strict=True)))
print(f"mean over the classes {by_class.mean():.3f}, over the images {hits_of_edges.mean():.3f}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `by_class = torch.stack([hits_of_edges[c == k].mean() for k in range(4)])`. The two means are
# equal, because each class has equally many images here. Papers print the mean over the classes.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 17` asks them again, also next week.
#
# **1.** Three images have the probabilities 0.8, 0.5 and 0.4. Seen through their maps they have
# 0.4, 0.6 and 0.4. What are the average drop and the increase in confidence?
#
# <details><summary>Answer</summary>
#
# The drops are 50, 0 and 0 percent, so the average drop is 16.7 %. One of three images has a higher
# score (an equal one does not count): 33.3 %.
#
# </details>
#
# **2.** A curve has the points 1, 0.5, 0.2, 0.1 and 0. What is its area by trapezoids? What does
# the mean without the first point give?
#
# <details><summary>Answer</summary>
#
# The trapezoids give 0.325, the mean without the first point 0.2. Two papers with two rules cannot
# be compared, also with one and the same curve.
#
# </details>
#
# **3.** "Our map has the smallest deletion area of ten methods. It was made by hiding patches with
# grey, and in deletion the removed pixels are grey." What do you ask?
#
# <details><summary>Answer</summary>
#
# The map was made with the question of the test. Ask for another fill, one that no method uses, and
# for the floors. In this lesson, on networks 0 and 1, occlusion with black beats Grad-CAM when the
# fill is black, and loses when it is the mean colour.
#
# </details>
#
# **4.** (lesson 9) In DiFull one channel has the gradient 8 at one of 4 places, which lies in the
# cell, and 0 at the other three. Its feature is 1 everywhere. What are HiResCAM and Grad-CAM at a
# place outside the cell?
#
# <details><summary>Answer</summary>
#
# HiResCAM: 0 · 1 = 0. Grad-CAM: the weight is the mean 8 / 4 = 2, so the map is 2 there, and
# everywhere: it lights what the head has never seen.
#
# </details>
#
# **5.** (lesson 12) Whatever mask you lay over a picture on black, the network says *bird*. The
# average drop of fish is 100 % for every method. What did you measure, and what do you change?
#
# <details><summary>Answer</summary>
#
# What the network thinks of black. Change what stands in the hole: the mean colour, a blurred
# picture, and look whether the order of the methods stays.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * Average drop likes large maps. Fake-CAM wins.
# * Deletion needs a fill, and the fill decides. Give two at least, and none that made the map.
# * Pointing and energy measure whether a map is plausible. The centre and the edges do well.
# * ADCC rewards stability; what never listens is the most stable.
# * A rank without an interval is half a number. Two measures can order every third pair otherwise.
# * In DiFull light outside the cell is wrong, by construction. One weight for a whole channel puts
#   light there.
#
# **Where it fails.** Drawn animals, one recipe, small maps: a real network may rank the methods in
# another way. And each number here, DiFull too, can only refute a map. None proves one.
#
# **Try this.** Cheat on purpose: which map of your own beats all eleven in three of the eight
# numbers, without looking at the network? Add it to `FLOORS`, and run
# from the race on.
#
# **Where to read on.** Parts instead of pixels: FunnyBirds (R. Hesse, S. Schaub-Meyer, S. Roth,
# ICCV 2023, arXiv 2308.06248) removes whole parts, such as the beak, from drawn birds, and compares
# what is lost with the map's order of the parts. `camlite evaluate parts` does so with our scenes,
# and `camlite evaluate difull` asks for the energy in the cell; both put the floors beside the
# methods. Boxes: J. Choe et al., CVPR 2020, arXiv 2001.07437. Options: the page of
# `camlite.metrics`.
#
# **Words.** *average drop*: mức giảm trung bình · 平均下降 · 平均下降 · 平均低下率. *increase of confidence*:
# mức tăng độ tin cậy · 置信度提升 · 置信度增量 · 信頼度の増加. *faithfulness*: tính trung thực · 忠实度 · 忠實度 · 忠実性.
# *mask*: mặt nạ · 掩码 · 遮罩 · マスク. *floor (baseline)*: mức cơ sở · 基线 · 基準線 · ベースライン.
#
# **Next:** lesson 18. Would the map look the same if the network knew nothing?
