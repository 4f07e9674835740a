# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 5: Boxes
#
# **Time** 160 minutes, best in two parts · **Difficulty** ●●●○○ · **You need** lesson 3 · **At the
# end** you have turned maps into boxes, measured how well they fit, and know what has to stand
# beside such a number.
#
# A biologist has a camera at a pond. Under each of her photographs somebody wrote one word: *frog*,
# *bird*, *fish* or *turtle*. A network has learned these words. Now she asks a new question: "And
# **where** is the animal? I want a box around it, on each picture, to cut it out and to count."
#
# The usual way is to draw thousands of boxes by hand and to train a network on them. A word is
# cheap, a box is not. But you have a class activation map (lesson 3). It is bright where the
# evidence for *frog* lies. Perhaps the boxes are already there?
#
# **Today's question: how well does a map find the object, if nobody ever showed the network a
# box?**
#
# To find the place of objects when only their names were given is called **weakly supervised object
# localization**. It was the proof of the first CAM paper: its title says "for discriminative
# localization", and its tables count boxes.
#
# > **Papers:** B. Zhou and others: *Learning Deep Features for Discriminative Localization*, CVPR
# > 2016, arXiv 1512.04150 (the box rule, §3.2, and the tables). · J. Choe and others: *Evaluating
# > Weakly Supervised Object Localization Methods Right*, CVPR 2020, arXiv 2001.07437 (how to measure
# > it fairly). · O. Russakovsky and others: *ImageNet Large Scale Visual Recognition Challenge*, 2015,
# > arXiv 1409.0575 (the localization error).

# %% tags=["imports"]
import os

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, nets
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images, for tests
COUNT = 100 if fast else 300  # test images of each kind
HALF = COUNT // 2  # the first half is for choices, the second half is for the report
GREEN, RED = "#7fff00", "#ff4040"  # true boxes and boxes of a map

# %% [markdown]
# ## A map is not a place yet
#
# We take the ponds of camlite: drawn pictures of 48×48 pixels, one animal each, on grass, leaves,
# water, sand or plain grey. The network `pond_repaired` comes with camlite. It ends in GAP and one
# linear layer, and it has learned from 1000 such pictures and their words. It never saw a box or a
# mask. These pictures are new to it.

# %%
close = data.scenes("pond", "varied", count=COUNT, seed=100)
classes = close.class_names
net = nets.bundled("pond_repaired")


def maps(model: nn.Module, images: Tensor, c: Tensor) -> Tensor:
    """The signed class activation map of class c, as large as the image: (N, H, W)."""
    return camlite.up(camlite.cam(model, "features", images, c), images.shape[-2:]).detach()


@torch.no_grad()
def answers(model: nn.Module, images: Tensor) -> Tensor:
    """The predicted classes (N,)."""
    return model(images).argmax(dim=1)


M_close = maps(net, close.images, close.labels)
names_right = nets.accuracy(net, close.images, close.labels)
print(
    f"{len(close)} pictures {tuple(close.images.shape[1:])}, the word is right in {names_right:.1%}"
)

# %% [markdown]
# The authors of CAM made boxes in three steps. They keep the places where the map is above 20 % of
# its largest value; they take the **largest connected component** of these places, the largest
# island; they draw the box around it.
#
# Why only the largest island? One small island in the far corner would make the box as large as the
# picture. The rule has a price, too: sometimes the islands all belong to one animal, and then the
# box around all of them would fit better. We keep the rule of the paper, and you write it now.
#
# **How to walk over an island.** Begin at one white pixel. Look at its neighbours; those that are
# white and not yet taken join the island; then look at *their* neighbours, and so on until nobody
# new is found. Two pixels that touch only at a corner are neighbours too (**8-connected**). In
# Python a list may grow while a loop goes through it, and that is all you need:

# %%
chain = [1]
for number in chain:  # the loop also comes to the numbers that are added on the way
    if 2 * number <= 20:
        chain.append(2 * number)
print(chain)


def neighbours(y: int, x: int) -> list[tuple[int, int]]:
    """The place (y, x) itself and the eight places around it."""
    return [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]


mask = torch.tensor([[True, False, True], [False, False, True]])
print(mask.nonzero().tolist())  # the places that are True, in reading order: [row, column]

# %% [markdown]
# ## Exercise 5.1: the largest component
# *●●●○○ · about 18 minutes*
#
# `mask` is (H, W) with truth values. Return a new mask (H, W) of truth values that is True on the
# largest 8-connected island of `mask`, and False elsewhere.
#
# * Of two islands with the same number of pixels take the one that comes first in reading order
#   (line by line, as `nonzero` does).
# * An empty mask stays empty.
# * The mask that you were given must not change.
#
# A set of the places that nobody has taken yet is useful: `left = {(0, 0), (0, 2)}`, then `(0, 2)
# in left`, `left.remove((0, 2))`. Do not let a function call itself for every pixel: Python stops
# such a recursion after about 1000 calls, and an island can be larger. (SciPy has
# `scipy.ndimage.label`, which numbers the islands. You may use it, but it counts only four
# neighbours if you do not give `structure=np.ones((3, 3))`.)


# %% tags=["exercise", "5.1"]
def largest_component(mask: Tensor) -> Tensor:
    """The largest 8-connected island of the mask (H, W) -> (H, W), truth values."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 5.1: largest_component")


# %%
check("5.1", largest_component)

# %% [markdown]
# If you need help: `hint("5.1")`. There are three hints, each stronger than the one before.
#
# Now the first two steps on real maps. We show the first picture with more than 30 pixels outside the
# largest island.

# %%
above = M_close > 0.2 * M_close.amax(dim=(1, 2), keepdim=True)  # (N, 48, 48), truth values
largest = torch.stack([torch.as_tensor(largest_component(mask)).bool() for mask in above])
outside = (above & ~largest).sum(dim=(1, 2))  # how many pixels lie on other islands
example = int((outside > 30).nonzero()[0])
print(f"one island: {int((outside == 0).sum())} maps, more than one: {int((outside > 0).sum())}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 4, figsize=(11, 3.1), layout="constrained")
axes[0].imshow(close.images[example].permute(1, 2, 0))
plot.overlay(axes[1], close.images[example], M_close[example] / M_close[example].max(), signed=True)
axes[2].imshow(above[example], cmap="gray", vmin=0, vmax=1)
axes[3].imshow(largest[example], cmap="gray", vmin=0, vmax=1)
texts = ("the picture", "its map", "above 20 % of the maximum", "the largest island")
for axis, text in zip(axes, texts, strict=True):
    axis.set(xticks=[], yticks=[], title=text)
plot.bar([axes[1]], "share of the maximum", signed=True, line=True)
figure.suptitle(f"From a map to one region: a {classes[close.labels[example]]}")
plt.show()

# %% [markdown]
# ## Exercise 5.2: the box
# *●●○○○ · about 10 minutes*
#
# A box is four whole numbers $(x_0, y_0, x_1, y_1)$. It is **half-open**, like a slice in Python:
# it covers the columns $x_0, \dots, x_1 - 1$ and the rows $y_0, \dots, y_1 - 1$. So its width is
# simply
# $x_1 - x_0$, and `image[:, y0:y1, x0:x1]` cuts it out. Mind the order: $x$ counts columns and comes
# first in a box, but a tensor is asked for `[row, column]`.
#
# $$ \text{region} = \text{largest component of } \{\, M > \tau \cdot \max M \,\} $$
#
# `M` is one map (H, W), $\tau$ is `threshold`. Return the smallest box around the region, as a
# tuple of four numbers. A map without a positive value has no evidence for the class anywhere; it
# gets the empty box `(0, 0, 0, 0)`. Take the map as it is: do not scale it to [0, 1] first. (You
# will see why.)
#
# One more tool: `nonzero(as_tuple=True)` gives the rows and the columns as two tensors.

# %%
rows, columns = mask.nonzero(as_tuple=True)
print("rows", rows.tolist(), " columns", columns.tolist())


# %% tags=["exercise", "5.2"]
def bounding_box(M: Tensor, threshold: float = 0.2) -> tuple[int, int, int, int]:
    """The box around the largest region above threshold · max M: (H, W) -> (x0, y0, x1, y1)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 5.2: bounding_box")


# %%
check("5.2", bounding_box)

# %% [markdown]
# Now boxes of the maps, and the **true boxes**. We know those, because the pictures are drawn: a
# mask says which pixels are animal. With the mask as a map your own function finds its box.

# %%
true_close = torch.stack(
    [torch.as_tensor(bounding_box(m.float(), 0.5)) for m in close.object_mask]
)  # (N, 4)
found_close = torch.stack([torch.as_tensor(bounding_box(M)) for M in M_close])


# %% tags=["figure"] jupyter={"source_hidden": true}
def draw_box(axis, box, colour: str, style: str = "-") -> None:
    """The outline of a box, with a black line under it, to be seen on any picture."""
    x0, y0, x1, y1 = (float(v) - 0.5 for v in box)
    for width, stroke, line in ((3.4, "black", "-"), (1.9, colour, style)):
        axis.plot(
            [x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], line, color=stroke, lw=width, clip_on=False
        )


def draw_scene(axis, image: Tensor, truth, found, title: str) -> None:
    """A picture with its true box in green and the box of a map in red (broken line)."""
    axis.imshow(image.permute(1, 2, 0))
    draw_box(axis, truth, GREEN)
    draw_box(axis, found, RED, "--")
    axis.set_title(title, fontsize=10)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


figure, axes = plt.subplots(1, 6, figsize=(11.5, 2.5), layout="constrained")
for n, axis in enumerate(axes):
    draw_scene(axis, close.images[n], true_close[n], found_close[n], classes[close.labels[n]])
figure.suptitle(
    "First 6 pictures: true box (green) and box of the map by the 20 % rule (red, broken)"
)
plt.show()

# %% [markdown]
# Not bad for a network that has seen nothing but words. But "not bad" is no number.
#
# ## Exercise 5.3: how much do two boxes overlap?
# *●●○○○ · about 8 minutes*
#
# **Intersection over union** (IoU) divides the area that both boxes share by the area that they
# cover together:
#
# $$ \mathrm{IoU}(a, b) = \frac{|a \cap b|}{|a \cup b|} , \qquad |a \cup b| = |a| + |b| - |a \cap b| $$
#
# 1: the same box. 0: nothing in common. The intersection of two boxes is a box again. Its left side is
# the *larger* of the two $x_0$, its right side the *smaller* of the two $x_1$; if they pass each
# other there is no intersection. An empty box has the IoU 0 with every box, also with itself.
#
# **Guess first:** two squares of 10×10, one of them moved to the right by half its width. IoU?
#
# `a` and `b` are boxes of four numbers. Return one number.


# %% tags=["exercise", "5.3"]
def iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1), half-open: 0 to 1."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 5.3: iou")


# %%
check("5.3", iou)

# %%
moved = iou((0, 0, 10, 10), (5, 0, 15, 10))
IoU_close = torch.tensor([iou(a, b) for a, b in zip(found_close, true_close, strict=True)])
print(f"moved by half the width: {moved:.2f}")
print(f"IoU of the map's boxes: mean {IoU_close.mean():.2f}", end=", ")
print(f"from {IoU_close.min():.2f} to {IoU_close.max():.2f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 5, figsize=(11, 2.8), layout="constrained")
for axis, wanted in zip(axes, (0.3, 0.4, 0.5, 0.6, 0.75), strict=True):
    n = int((IoU_close - wanted).abs().argmin())
    draw_scene(axis, close.images[n], true_close[n], found_close[n], f"IoU {IoU_close[n]:.2f}")
figure.suptitle("What an overlap looks like: green the true box, red the box of the map")
plt.show()

# %% [markdown]
# **Your guess:** 50 pixels are shared, 150 are covered, so the IoU is 1/3. Most people guess more.
# An IoU of 0.5 already looks quite good, and it is the usual border: from 0.5 on a box counts as
# right.
#
# ## Exercise 5.4: the error of a whole test set
# *●○○○○ · about 8 minutes*
#
# The ImageNet challenge counts so: an image is right if the *word* is right **and** the IoU with
# the true box is at least 0.5. The **localization error** is the share of the others, in percent:
#
# $$ \text{error} = \frac{100}{N} \sum_{n} \mathbb{1}\big[\,\text{predicted}_n \ne \text{label}_n
# \ \text{ or }\ \mathrm{IoU}(b_n, t_n) < 0.5\,\big] $$
#
# `boxes` and `truths` are (N, 4), `predicted` and `labels` are (N,), `threshold` is the border of
# the IoU. Return one number from 0 to 100. (Your `iou` takes rows of a tensor as well.)


# %% tags=["exercise", "5.4"]
def localization_error(
    boxes: Tensor, truths: Tensor, predicted: Tensor, labels: Tensor, threshold: float = 0.5
) -> float:
    """The share of images with a wrong class or an IoU below the threshold, in percent."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 5.4: localization_error")


# %%
check("5.4", localization_error)

# %% [markdown]
# If we give the true class, only the box can be wrong: the **error with known class**. On a new
# picture nobody knows it. Then the map of the *predicted* class makes the box, and both must be
# right: the **top-1 error**.

# %%
predicted = answers(net, close.images)
found_top1 = camlite.boxes.bounding_boxes(maps(net, close.images, predicted))
known_close = localization_error(found_close, true_close, close.labels, close.labels)
top1_close = localization_error(found_top1, true_close, predicted, close.labels)
print(f"error with known class {known_close:.1f} %, top-1 error {top1_close:.1f} %")
print(f"so {100 - known_close:.0f} % of the boxes fit, and nobody ever drew one for the network")

# %% [markdown]
# A good result: about three of four boxes fit. (Why are both errors the same, or nearly? The word is
# right in nearly every picture. So the predicted class is the true one, and its box is the same box.
# On harder pictures the two lie apart.) Many reports end here.
#
# ## A box that does not look
#
# **Guess first.** We give the *same* box to every picture: in the middle, and as large as the true
# boxes are on average. For how many pictures does it fit? And the box of the whole picture?
#
# The mean size must not come from the pictures on which we report. So we split: the first half of
# the pictures is for all choices, the second half for the numbers that we report. From here on we
# use `camlite.boxes`, which gives the same as your functions and is faster.


# %%
def overlaps(found: Tensor, truths: Tensor) -> Tensor:
    """The IoU of each box with its own true box: (N, 4) twice -> (N,)."""
    return camlite.boxes.iou_matrix(found, truths).diagonal()


def blind_boxes(truths: Tensor, side: int) -> dict[str, Tensor]:
    """Two boxes that never look: the whole picture, and the mean size (first half) in the middle."""
    w, h = (truths[:HALF, 2:] - truths[:HALF, :2]).float().mean(dim=0).tolist()
    middle = [(side - w) / 2, (side - h) / 2, (side + w) / 2, (side + h) / 2]
    return {
        "the whole picture": torch.tensor([[0.0, 0, side, side]]).expand(len(truths), 4),
        "always in the middle": torch.tensor([middle]).expand(len(truths), 4),
    }


def share_fit(found: Tensor, truths: Tensor, border: float = 0.5) -> float:
    """The share of boxes that fit, on the second half."""
    return float((overlaps(found, truths)[HALF:] >= border).double().mean())


same = torch.equal(camlite.boxes.bounding_boxes(M_close), found_close)
print(f"camlite finds the same boxes as you: {same}")
fit_close = {
    name: share_fit(found, true_close) for name, found in blind_boxes(true_close, 48).items()
}
fit_close["the map, 20 % rule"] = share_fit(found_close, true_close)
for name, share in fit_close.items():
    print(f"{name:22} fits in {share:.0%} of {COUNT - HALF}")

# %% [markdown]
# **Your guess:** hardly anybody guesses that. A box that never looks at the picture does as well as
# the map! On these pictures the animal fills the middle, as on most photographs that people take.
# Whoever reports "three of four boxes fit" without this line tells you about the photographer, not
# about the map.
#
# That is no toy problem. On ImageNet, Choe and others gave each picture a bell of light in its
# middle as its "map". It reached 52.5 % where CAM reached 63.5 %. **Put a box in the middle beside
# every result.**
#
# Does this mean that the map finds nothing? No. It means that these pictures cannot tell. So let us
# take pictures that can: **wide** ones, 72×72 pixels, the same animals in the same size, anywhere.
# (`data.twins` draws one, two or three animals; we keep the pictures with one.) The network is the
# same. With GAP at its end it takes pictures of any size.

# %%
twins = data.twins(3 * COUNT, seed=1)
alone = twins.counts == 1
X, y = twins.images[alone], twins.labels[alone]  # (N, 3, 72, 72), (N,)
animal = twins.object_masks[alone, 0]  # (N, 72, 72)
truths = camlite.boxes.bounding_boxes(animal.float(), 0.5)
M = maps(net, X, y)
found = camlite.boxes.bounding_boxes(M)

fit = {name: share_fit(some, truths) for name, some in blind_boxes(truths, 72).items()}
fit["the map, 20 % rule"] = share_fit(found, truths)
names_right_wide = nets.accuracy(net, X, y)
for name, share in fit.items():
    print(
        f"{name:22} fits in {share:4.0%} of the wide, {fit_close[name]:4.0%} of the close pictures"
    )
print(
    f"the word is right in {names_right_wide:.0%} of the wide, {names_right:.0%} of the close pictures"
)

# %% [markdown]
# Now the map is far better than the box that does not look. It fits nearly as often as before,
# because it does look; the box in the middle has lost its luck. From here on we measure on the wide
# pictures where nothing else is said.
#
# (The word is right less often. Why? The animal covers a smaller share of the places, and GAP takes
# the mean over all of them. You meet this again in the recall questions.)
#
# ## Which threshold?
#
# Why 20 %? Let us try others, and draw the share of boxes that fit over the threshold: for a mild,
# the usual and a strict border of the IoU.
#
# **Guess first:** with a *higher* threshold the region becomes smaller. Is the best threshold above
# 20 % or below?

# %%
TAUS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7]


def sweep(maps: Tensor, truths: Tensor) -> Tensor:
    """The IoU of every map's box at every threshold: (thresholds, N)."""
    return torch.stack([overlaps(camlite.boxes.bounding_boxes(maps, t), truths) for t in TAUS])


def tuned(IoU: Tensor, border: float = 0.5) -> tuple[float, Tensor]:
    """The best threshold on the first half, and which boxes of the second half fit with it."""
    fits = (IoU >= border).double()
    best = int(fits[:, :HALF].mean(dim=1).argmax())
    return TAUS[best], fits[best, HALF:]


IoU_wide, IoU_by_threshold_close = sweep(M, truths), sweep(M_close, true_close)
tau, fits = tuned(IoU_wide)
at_20 = float((IoU_wide[TAUS.index(0.2), HALF:] >= 0.5).double().mean())
print(f"best threshold on the first half: {tau:.2f}")
print(f"on the second half: {fits.mean():.0%} fit with it, {at_20:.0%} with 0.20")

# %% tags=["figure"] jupyter={"source_hidden": true}
BORDERS = {
    0.3: ("mild", "#7b3294", ":"),
    0.5: ("usual", "black", "-"),
    0.7: ("strict", "#e66101", "-."),
}
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True, layout="constrained")
parts = {
    "close, 48×48": (IoU_by_threshold_close, true_close, 48),
    "wide, 72×72": (IoU_wide, truths, 72),
}
for axis, (name, (IoU, true, side)) in zip(axes, parts.items(), strict=True):
    middle = overlaps(blind_boxes(true, side)["always in the middle"], true)[HALF:]
    for border, (word, colour, style) in BORDERS.items():
        curve = (IoU[:, HALF:] >= border).double().mean(dim=1)
        axis.plot(TAUS, curve, style, color=colour, lw=2, label=f"IoU ≥ {border} ({word})")
        level = (middle >= border).double().mean()
        axis.plot(0.79, level, "<", color=colour, ms=9, clip_on=False, zorder=5)
    axis.axvline(0.2, color="grey", lw=1)
    axis.text(0.205, 0.02, "20 % rule", color="grey", fontsize=9)
    axis.set(xlim=(0, 0.8), ylim=(0, 1.03), xlabel="threshold, share of the maximum")
    axis.set_title(f"{name} (n = {COUNT - HALF})")
axes[0].set_ylabel("share of boxes that fit")
figure.legend(
    *axes[0].get_legend_handles_labels(),
    loc="outside lower center",
    ncols=3,
    title="lines: the map; ◂ at the right edge: the box in the middle",
)
figure.suptitle("The threshold decides; the box in the middle is beaten clearly on wide pictures")
plt.show()

# %% [markdown]
# **Your guess:** below, for the usual border. A high threshold keeps only the brightest part, and
# the box becomes too small. The curve falls steeply: who takes 0.4 instead of 0.2 loses more than
# half of the boxes. So a threshold is a choice that matters, and it must be made on *other*
# pictures than those of the report.
#
# Look at the black lines on the left, too. On the close pictures the 20 % rule was unlucky: with a
# lower threshold the map does better than the box in the middle there as well. But without that box
# nobody would have asked.
#
# How much would we cheat ourselves otherwise? With many pictures only a little. With few pictures
# more: choose the threshold on ten pictures, and compare the share on these ten with the share on
# all others. We draw 300 such tens.

# %%
dice = torch.Generator().manual_seed(0)
fits_all = (IoU_wide >= 0.5).double()
on_the_ten, on_the_others = [], []
for _ in range(300):
    order = torch.randperm(COUNT, generator=dice)
    ten, others = order[:10], order[10:]
    best = fits_all[:, ten].mean(dim=1).argmax()
    on_the_ten.append(fits_all[best, ten].mean())
    on_the_others.append(fits_all[best, others].mean())
flattered, honest = torch.stack(on_the_ten).mean(), torch.stack(on_the_others).mean()
print(f"chosen and reported on the same ten: {flattered:.0%}; the truth: {honest:.0%}")

# %% [markdown]
# The ten pictures promise more than the others keep. That is what a *held-out* half is for.
#
# ## The rule in the paper, and what the code did
#
# Papers describe their boxes in one line. The code that Zhou and others released does much more. It
# merges ten crops of the picture into one heat map, scales it to grey levels from 0 to 255, and
# cuts it at **three** levels, 20, 100 and 110; a distance transform, contours and a rule that joins
# overlapping boxes follow. So the published errors are not what the one-line rule gives.
#
# We do not rebuild all that. But one step is easy to test: **scale to grey levels first** (min–max,
# lesson 3), then cut at 20, 100, 110 of 255. **Guess first:** 20 of 255 is 8 %. Is that nearly the
# same as 8 % of the maximum?

# %%
grey = camlite.minmax(M) * 255  # each map from 0 to 255
low, high = M.amin(dim=(1, 2)), M.amax(dim=(1, 2))
zero_at = float((255 * -low / (high - low)).mean())  # the grey level of "no evidence"
rules = {f"{t:.0%} of the maximum": camlite.boxes.bounding_boxes(M, t) for t in (0.08, 0.15, 0.2)}
rules |= {
    f"grey level {v} of 255": camlite.boxes.bounding_boxes(grey, v / 255) for v in (20, 100, 110)
}
fit_rule = {name: share_fit(some, truths) for name, some in rules.items()}
for name, share in fit_rule.items():
    print(f"{name:22} fits in {share:.0%}")
print(f"zero lies at grey level {zero_at:.0f} (mean of all maps)")

# %% [markdown]
# **Your guess:** not at all the same. Our maps have negative values: evidence *against* the class.
# Min–max moves the smallest value to 0, so "no evidence" lands at a grey level above 20 (in the
# mean). Everything above 20 is then, for many maps, nearly the whole picture. (100 and 110 are
# simply too high.) That is why exercise 5.2 takes the map as it is.
#
# The same maps, the same network, and the share goes up and down with one line that most papers do
# not print (15 % is the rule of Grad-CAM's authors). **Two numbers from two papers can be compared
# only if their boxes were made in the same way.** In the figure at the end we set published numbers
# beside ours; look at their order, not at their height.

# %% [markdown]
# ## Which map makes the best boxes?
#
# Now we compare maps. To be fair, each of them gets its *own* best threshold on the first half, and
# is measured on the second half. We give the true class, so that only the boxes count. And we put
# an interval beside each number, for the second half is not many pictures.
#
# **The interval.** With as many other pictures the share would be a little different. How
# different? We have no others, but we can draw as many from our own, with replacement, so that some
# come twice and some not at all. The share of this new set is one that we might have seen. We draw
# 2000 such sets; between the 2.5 % and the 97.5 % quantile of their shares lies the **bootstrap
# interval**.


# %%
def interval(fits: Tensor) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of `fits` (N,)."""
    dice = torch.Generator().manual_seed(0)
    drawn = torch.randint(len(fits), (2000, len(fits)), generator=dice)
    means = fits.double()[drawn].mean(dim=1)
    return tuple(means.quantile(torch.tensor([0.025, 0.975]).double()).tolist())


low, high = interval(fits)
print(f"CAM, own threshold {tau:.2f}: {fits.mean():.0%}, interval {low:.0%} to {high:.0%}")

# %% [markdown]
# **GAP or GMP?** The convolutions are the same, the training is the same, only one word is
# different: the mean of each feature map, or its **max**imum (global max pooling, GMP). The map of CAM has the
# same formula for both. **Guess first:** which of the two finds larger parts of the animal? Think
# of what the training asks for: with the mean, each place of the animal that lights up raises the
# score; with the maximum, one place is enough.
#
# How a network comes out of its training depends on the seed. So there are three networks of each
# kind, trained by `datasets/train_boxes.py` (`pond_repaired` is the first one with GAP).
#
# **Grad-CAM** weights the channels by the mean gradient (lesson 8 takes it apart). Here you only
# need to know: for a network with GAP and one linear layer it is CAM, divided by the number of
# places. For GMP too: the gradient arrives at one place only, and its mean is again the weight,
# divided by the same number. **Guess first:** if all values of a map are divided by 324, what
# happens to its box?

# %%
G = camlite.grad_cam(net, "features", X, y, relu=False).detach()
unchanged = (camlite.boxes.bounding_boxes(camlite.up(G, (72, 72))) == found).all(dim=1)
print(f"Grad-CAM with sign: the same box as CAM in {int(unchanged.sum())} of {COUNT}")
G = camlite.grad_cam(net, "features", X, y).detach()  # with the ReLU, as in the paper
unchanged_relu = (camlite.boxes.bounding_boxes(camlite.up(G, (72, 72))) == found).all(dim=1)
print(f"Grad-CAM with its ReLU: the same box in {int(unchanged_relu.sum())} of {COUNT}")

# %% [markdown]
# **Your guess:** nothing. The threshold is a share of the maximum, and the factor goes away. With
# the ReLU some boxes move a little, although only negative values were cut. Why? The map is
# enlarged from 18×18 to 72×72, and between a positive and a negative place the enlarged map falls
# through zero. If the negative place was set to 0 before, it falls more slowly. ReLU and enlarging
# cannot be exchanged.
#
# So "CAM against Grad-CAM" is no contest on this network. But Grad-CAM can ask an *earlier* layer,
# whose maps are finer (36×36), and there is one more map to try: the plain **gradient** of the
# score with respect to the pixels, the largest size of its three colours (lesson 7). And two
# **floors**: maps that know nothing, or not what is asked for. A good map has to be above them.
#
# * **random weights**: the same feature maps, mixed by random numbers;
# * **no class**: the mean of all feature maps. It does not even know what is asked for. (We also
#   take it from `pond_biased`, a network that has learned the grounds instead of the animals.)

# %%
dice = torch.Generator().manual_seed(0)
contest = {  # small maps, each (N, h, w)
    "random weights, one draw (floor)": camlite.random_cam(net, "features", X, generator=dice),
    "gradient at the pixels": camlite.saliency(net, X, y).abs().amax(dim=1),
    "Grad-CAM, earlier layer": camlite.grad_cam(net, "features.5", X, y),
    "no class, from pond_biased": nets.bundled("pond_biased").features(X).mean(dim=1),
}
gap_nets = [net, nets.bundled("pond_gap_1"), nets.bundled("pond_gap_2")]
gmp_nets = [nets.bundled(f"pond_gmp_{seed}") for seed in range(3)]
for seed, (gap_net, gmp_net) in enumerate(zip(gap_nets, gmp_nets, strict=True)):
    # with sign: CAM, up to one factor, for both kinds of head
    contest[f"GMP, seed {seed}"] = camlite.grad_cam(gmp_net, "features", X, y, relu=False)
    contest[f"no class, seed {seed}"] = gap_net.features(X).mean(dim=1)
    contest[f"GAP, seed {seed}"] = camlite.grad_cam(gap_net, "features", X, y, relu=False)

# %% [markdown]
# Now the table. And two questions beside it: was our one draw of random weights a lucky one? How
# often is the *word* right with each head?


# %%
def best_boxes(small: Tensor) -> tuple[float, Tensor]:
    """The threshold of the first half, and which boxes of the second half fit with it."""
    return tuned(sweep(camlite.up(small.detach(), (72, 72)), truths))


results = {}
for name, small in contest.items():
    best, right = best_boxes(small)
    results[name] = best, right, interval(right)
middle = (overlaps(blind_boxes(truths, 72)["always in the middle"], truths) >= 0.5).double()[HALF:]
results["box in the middle (floor)"] = 0.0, middle, interval(middle)
for name, (best, right, (low, high)) in sorted(results.items(), key=lambda r: r[1][1].mean()):
    print(f"{name:35} {right.mean():4.0%}  ({low:.0%} to {high:.0%})  threshold {best:.2f}")

# %%
draws = []
for seed in range(8):
    dice = torch.Generator().manual_seed(seed)
    _, right = best_boxes(camlite.random_cam(net, "features", X, generator=dice))
    draws.append(float(right.mean()))
print("random weights, eight draws: " + ", ".join(f"{share:.0%}" for share in sorted(draws)))
words = {
    kind: [nets.accuracy(model, X, y) for model in group]
    for kind, group in (("GAP", gap_nets), ("GMP", gmp_nets))
}
for kind, shares in words.items():
    print(f"{kind}: the word is right in " + ", ".join(f"{share:.0%}" for share in shares))

# %% tags=["figure"] jupyter={"source_hidden": true}
order = sorted(results, key=lambda name: float(results[name][1].mean()))
figure, axis = plt.subplots(figsize=(9.5, 4.6), layout="constrained")
looks = {"GAP": ("black", "o"), "GMP": ("#e66101", "s")}
for row, name in enumerate(order):
    _, right, (low, high) = results[name]
    colour, marker = looks.get(name[:3], ("#7b3294", "D"))
    if "floor" in name:
        colour, marker = "grey", "x"
    axis.plot([low, high], [row, row], color=colour, lw=2)
    axis.plot(float(right.mean()), row, marker, color=colour, ms=8)
axis.set(yticks=range(len(order)), yticklabels=order, xlim=(0, 1))
axis.grid(axis="x", alpha=0.4)
axis.set_xlabel("share of boxes with IoU ≥ 0.5, class known; line: 95 % bootstrap interval")
axis.set_title(f"Which map makes the best boxes? Wide pictures, n = {COUNT - HALF}")
plt.show()

# %% [markdown]
# **Your guess about GAP and GMP.** Every network with GAP finds the animal more often than every
# network with GMP. With the maximum one place per channel is enough, and nothing asks for the rest
# of the animal: the bright spot is small, and even the lowest thresholds do not make a good box of
# it. In reading the *words* GMP is not worse; on these pictures it is better on average, for the
# maximum does not care how many places are empty. So good words do not mean good boxes. (The paper
# found the same order, with a much smaller distance: 57.78 % error with GMP, 56.40 % with GAP. Look
# also at how far apart our three GMP networks are: one of them alone would have told you another
# story about *how much*.)
#
# **Grad-CAM at the earlier layer** makes finer maps and worse boxes: features there are small, and
# many of them fire on the ground too. **The gradient at the pixels** does about as well as CAM
# here. In the paper it did worse (61.31 % error), so this order did not come back.
#
# **Random weights** reach anything from nearly nothing to nearly as much as CAM: look at the eight
# draws. The interval of the one draw in the table knows nothing of that; it is about other
# *pictures* only. So a floor with luck in it is drawn several times, too.
#
# And now the rows *no class, seed 0, 1, 2*. **The best boxes come from maps that know no class:**
# each of them makes better boxes than the CAM of the same network. The mean of all feature maps
# lights up wherever the network sees anything that it has learned to use, so it covers more of the
# animal than the evidence for one class does. Then is it the better explanation? It cannot be: it
# is the same map for *frog* and for *bird*. **To find the object and to explain the answer are two
# tasks**, and a table of boxes measures the first one only. It is luck as well: these networks have
# learned to ignore the grounds. The mean of all maps of `pond_biased` finds little.
#
# ## A rival that was shown the boxes
#
# How much better is a network that *has* seen boxes? The rival `BoxNet` has the same convolutions
# and the same 1000 close pictures. It learned the words and, with a second head, the four numbers of the
# true box. (The second head reads feature maps of 12×12, so it takes only pictures of 48×48: we
# meet on the close ones.) **Guess first:** what share of its boxes fits, with the usual border 0.5
# and with the strict one 0.7?

# %%
rival = nets.bundled("pond_rival")
with torch.no_grad():
    of_rival = rival.boxes(close.images)  # (N, 4), not rounded
tau_close, fits_map = tuned(IoU_by_threshold_close)
of_map = camlite.boxes.bounding_boxes(M_close, tau_close)
versus = {
    "the picture's middle, no network": blind_boxes(true_close, 48)["always in the middle"],
    "the map, words only": of_map,
    "the rival, words and boxes": of_rival,
}
shares_versus = {}
for name, some in versus.items():
    IoU = overlaps(some, true_close)[HALF:]
    shares_versus[name] = [float((IoU >= border).double().mean()) for border in (0.5, 0.7)]
    usual, strict = shares_versus[name]
    print(f"{name:34} IoU ≥ 0.5: {usual:4.0%}   IoU ≥ 0.7: {strict:4.0%}   (n = {len(IoU)})")

# %% [markdown]
# **Your guess:** nearly all boxes of the rival fit, also at the strict border, where the map fails
# more often than not. That is no wonder. The rival was asked for the edge of the animal; the
# network with the map was asked for a word, and it has only 12×12 places to say where. (With the
# threshold of the first half the map is better than the middle box at the usual border.)
#
# The paper found a gap too. On the test set of ImageNet the top-5 localization error of
# GoogLeNet-GAP was 42.9 % (37.1 % with more elaborate rules for the boxes); GoogLeNet trained
# *with* boxes had 26.7 %. "Close to full supervision", say some texts about CAM. It is close to the
# AlexNet with boxes (34.2 %), not to the same network with boxes. And Choe and others showed that a
# few boxes per class (5 to 10) already beat all the maps they tried, on average.
#
# ## Crop by the box, and look again
#
# What are boxes good for? Zhou and others cut birds out of their photographs with the box of the
# map, and classified the *crop*. Of 200 kinds of birds GoogLeNet-GAP knew 63.0 % on the whole
# photograph, 67.8 % on the crop, and 70.5 % with the true box.
#
# ## Exercise 5.5: crop to the box
# *●○○○○ · about 6 minutes*
#
# `image` is (C, H, W), `box` is $(x_0, y_0, x_1, y_1)$ with at least one pixel, `size` is (rows,
# columns). Cut the box out and bring it to `size`: (C, *size). Bilinear, `align_corners=False`,
# without antialiasing; `functional.interpolate` as in lesson 3.


# %% tags=["exercise", "5.5"]
def crop_to_box(image: Tensor, box: tuple[int, int, int, int], size: tuple[int, int]) -> Tensor:
    """The part of the image (C, H, W) inside the box, resized: (C, *size)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 5.5: crop_to_box")


# %%
check("5.5", crop_to_box)

# %% [markdown]
# When can a crop help? A network has an input of fixed size, 48×48 for ours (224×224 for most large
# ones). A photograph has more pixels than that. It is *shrunk* first, and a small animal loses its
# details; a crop gives them back. When can it not help? Where the animal fills the picture already.
#
# Three tests. **Guess first** for each: does the crop help or harm?
#
# * **Far**: the wide pictures are shrunk to 48×48, as a camera program would do. The map of the
#   predicted class gives a box; the crop is taken from the *wide* picture, with all its pixels.
# * **Near**: the close pictures. The network sees them as they are.
# * **Biased**: the close animals on a foreign ground, and `pond_biased`, which has learned the
#   ground instead of the animal (lesson 6 tells its story).
#
# A box of a map is a little tight, so we also try boxes with a margin of 15 % on each side. A box is
# seldom a square: each crop is stretched to 48×48. We come back to that.


# %%
def wider(box: Tensor, margin: float, side: int) -> tuple[int, int, int, int]:
    """The box with a margin on each side, inside the picture; an empty box becomes the whole."""
    left, top, right, bottom = box.tolist()
    dx, dy = margin * (right - left), margin * (bottom - top)
    if right <= left or bottom <= top:
        return 0, 0, side, side
    return (
        *(max(0, round(left - dx)), max(0, round(top - dy))),
        *(min(side, round(right + dx)), min(side, round(bottom + dy))),
    )


def crops(images: Tensor, found: Tensor, margin: float) -> Tensor:
    """Each picture cut to its box with the margin, (N, 3, 48, 48)."""
    side = images.shape[-1]
    cut = [
        crop_to_box(x, wider(b, margin, side), (48, 48)) for x, b in zip(images, found, strict=True)
    ]
    return torch.stack(cut)


def whole_and_crops(model: nn.Module, images: Tensor, labels: Tensor, true: Tensor) -> list[float]:
    """Accuracy on: whole, own box, own box with margin, true box with margin."""
    small = functional.interpolate(images, size=(48, 48), mode="bilinear", antialias=True)
    M = maps(model, small, answers(model, small))
    own = camlite.boxes.bounding_boxes(M, 0.2) * (images.shape[-1] / 48)
    shown = small, crops(images, own, 0), crops(images, own, 0.15), crops(images, true, 0.15)
    return [nets.accuracy(model, x, labels) for x in shown]


# %%
flipped = data.scenes("pond", "flipped", count=COUNT, seed=100)
true_flipped = camlite.boxes.bounding_boxes(flipped.object_mask.float(), 0.5)
biased = nets.bundled("pond_biased")
again = {
    "far": whole_and_crops(net, X, y, truths),
    "near": whole_and_crops(net, close.images, close.labels, true_close),
    "biased": whole_and_crops(biased, flipped.images, flipped.labels, true_flipped),
}
print(f"{'n = ' + str(COUNT):8}  whole   own box   own + margin   true box + margin")
for name, (whole, own, margin, true) in again.items():
    print(f"{name:8} {whole:6.0%} {own:9.0%} {margin:14.0%} {true:19.0%}")

# %% [markdown]
# Two controls. A crop to a box **in the middle**, the same for all pictures: does the place matter?
# And for *near* three ways to use the same box (with its margin): the crop as it was, stretched to
# a square; the smallest **square** around it, so that nothing is stretched; and the picture **in its
# place**, nothing enlarged, with all outside the box painted grey.

# %%
middle_crops = {}
for name, model, scenes, labels, true in (
    ("far", net, X, y, truths),
    ("near", net, close.images, close.labels, true_close),
):
    side = scenes.shape[-1]
    middle_box = blind_boxes(true, side)["always in the middle"]
    middle_crops[name] = nets.accuracy(model, crops(scenes, middle_box, 0.15), labels)
for name, share in middle_crops.items():
    print(f"{name}: cropped to a box in the middle + margin {share:.0%}")


def square(box: Tensor, side: int) -> Tensor:
    """The smallest square around a box, moved into the picture: (4,)."""
    length = min(side, max(box[2] - box[0], box[3] - box[1]))
    x0, y0 = ((box[i] + box[i + 2] - length) // 2 for i in (0, 1))
    x0, y0 = (max(0, min(int(v), side - length)) for v in (x0, y0))
    return torch.tensor([x0, y0, x0 + length, y0 + length])


margins = torch.tensor([wider(box, 0.15, 48) for box in found_top1])
squares = torch.stack([square(box, 48) for box in margins])
inside = torch.stack([camlite.boxes.as_mask(box[None], (48, 48)) for box in margins])[:, None]
shown = {
    "stretched to a square": crops(close.images, margins, 0),
    "the square around it": crops(close.images, squares, 0),
    "in its place, the rest grey": torch.where(inside, close.images, 0.5),
}
in_place = {name: nets.accuracy(net, x, close.labels) for name, x in shown.items()}
for name, share in in_place.items():
    print(f"near, own box + margin: {name:28} {share:.0%}")

# %% tags=["figure"] jupyter={"source_hidden": true}
shrunk = functional.interpolate(X, size=(48, 48), mode="bilinear", antialias=True)
before = answers(net, shrunk)
own = camlite.boxes.bounding_boxes(maps(net, shrunk, before)) * 1.5
after = answers(net, crops(X, own, 0.15))
helped = ((before != y) & (after == y)).nonzero()[:2, 0].tolist()
harmed = ((before == y) & (after != y)).nonzero()[:1, 0].tolist()
figure, axes = plt.subplots(2, len(helped + harmed), figsize=(8.5, 5.4), layout="constrained")
for column, n in zip(axes.T, helped + harmed, strict=True):
    draw_scene(column[0], X[n], truths[n], wider(own[n], 0.15, 72), "")
    column[0].set_title(f'whole, seen at 48×48:\n"{classes[before[n]]}" (a {classes[y[n]]})')
    column[1].imshow(crops(X[n : n + 1], own[n : n + 1], 0.15)[0].permute(1, 2, 0))
    verdict = "right" if after[n] == y[n] else "wrong"
    column[1].set_title(f'cropped to the red box:\n"{classes[after[n]]}" ({verdict})')
    column[1].set(xticks=[], yticks=[])
better = int(((before != y) & (after == y)).sum())
worse = int(((before == y) & (after != y)).sum())
figure.suptitle(
    f"Far pictures (n = {len(y)}): the crop repairs {better} answers and spoils {worse}"
)
plt.show()

# %% [markdown]
# **Your guesses.** *Far*: the crop helps, and the true box helps even more. That is the order of
# the paper: whole picture, box of the map, true box. **And a box in the middle?** It helps at least
# as much as the map's! What helps here is that the animal becomes larger; that the map knows the
# *place* is not shown by this test.
#
# *Near*: the crop harms; with the true box and a margin nearly all stays as it was. Does the box cut
# off a part of the animal? No: in its place, with the rest painted grey, nearly all answers stay
# right. Is it the stretching? Hardly: with the square around it most of the harm is still there.
# What is left is the enlarging: a tight box makes the animal larger than all that the network
# knows.
#
# *Biased*: the crop with its own box changes hardly anything. This network looks at the ground, so
# its box is a box of ground. With the true box it is right more often. (How much of that is the
# missing ground, and how much the larger animal? This test does not say.)
#
# So a crop repairs a lack of *pixels*. It does not repair what was learned wrongly. And it is only
# as good as its box: look at the picture on the right.
#
# ## From boxes to pixels: segmentation seeds
#
# A box has corners, an animal has none. **Segmentation** gives every pixel a label. To draw masks
# by hand costs even more than boxes; so people use maps as **seeds**: where the map is high, the
# pixel is surely animal; where it is low, surely ground; in between nothing is decided, and another
# method, one that looks at colours and edges, lets the seeds grow.
#
# ## Exercise 5.6: seeds
# *●○○○○ · about 6 minutes*
#
# `M` is one map (h, w); `low` and `high` are shares of the maximum. Return whole numbers (h, w):
#
# $$ s(x,y) = \begin{cases} 1 & M(x,y) \ge \text{high} \cdot \max M \\ 0 & M(x,y) \le \text{low}
# \cdot \max M \\ -1 & \text{between} \end{cases} $$
#
# A map without a positive value is 0 everywhere. `torch.full(M.shape, -1)` makes a tensor of −1.


# %% tags=["exercise", "5.6"]
def segmentation_seed(M: Tensor, low: float, high: float) -> Tensor:
    """1 object, 0 ground, −1 not decided: (h, w) -> (h, w), whole numbers."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 5.6: segmentation_seed")


# %%
check("5.6", segmentation_seed)

# %% [markdown]
# Our seeds grow by colour: an undecided pixel asks the five seeds of its own picture whose colours
# are most like its own, and follows the majority. The **mask IoU** compares masks as the IoU
# compares boxes: pixels in both, divided by pixels in either. We put three others beside it: the
# map cut at 20 %, at its best threshold, and the *true box* filled.


# %%
def grown(image: Tensor, seed: Tensor) -> Tensor:
    """Undecided pixels follow the five seeds with the most similar colours: (H, W) truth values."""
    colours, seed = image.flatten(1).T, seed.flatten().clone()  # (H·W, 3), (H·W,)
    open_ = seed < 0
    if open_.any() and (~open_).sum() >= 5:
        nearest = torch.cdist(colours[open_], colours[~open_]).topk(5, largest=False).indices
        seed[open_] = (seed[~open_][nearest].sum(dim=1) >= 3).long()
    return (seed == 1).reshape(image.shape[1:])


def mask_iou(found: Tensor, true: Tensor) -> Tensor:
    """Pixels in both masks by pixels in either: (N, H, W) twice -> (N,)."""
    return (found & true).sum(dim=(1, 2)) / (found | true).sum(dim=(1, 2)).clamp(min=1)


seeds = torch.stack([torch.as_tensor(segmentation_seed(m, 0.05, 0.5)) for m in M])
sure = (seeds == 1)[HALF:], (seeds == 0)[HALF:]
here = animal[HALF:]
object_right = float((sure[0] & here).sum() / sure[0].sum())
ground_right = float((sure[1] & ~here).sum() / sure[1].sum())
undecided = float((seeds[HALF:] < 0).double().mean())
print(f"seeds: {object_right:.0%} of the object seeds lie on the animal,", end=" ")
print(f"{ground_right:.0%} of the ground seeds on the ground; {undecided:.0%} is not decided")


def cut_at(share: float) -> Tensor:
    """Where each map is above this share of its maximum, (N, H, W) truth values."""
    return share * M.amax(dim=(1, 2), keepdim=True).clamp(min=0) < M


on_first_half = [float(mask_iou(cut_at(t)[:HALF], animal[:HALF]).mean()) for t in TAUS]
best_cut = TAUS[max(range(len(TAUS)), key=lambda k: on_first_half[k])]
masks = {
    "map above 20 %": cut_at(0.2),
    f"map, best threshold ({best_cut:.2f})": cut_at(best_cut),
    "seeds, grown by colour": torch.stack([grown(x, s) for x, s in zip(X, seeds, strict=True)]),
    "true box, filled": torch.stack([camlite.boxes.as_mask(b[None], (72, 72)) for b in truths]),
}
of_masks = {name: float(mask_iou(m, animal)[HALF:].mean()) for name, m in masks.items()}
for name, value in of_masks.items():
    print(f"{name:32} mask IoU {value:.2f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
growing = mask_iou(masks["seeds, grown by colour"], animal)
middle_one = growing.argsort()[len(growing) // 2]
chosen = [int(growing.argmax()), int(middle_one), int(growing.argmin())]
three = plt.matplotlib.colors.ListedColormap(["#8c8c8c", "#2b2b2b", "#ffd37f"])  # −1, 0, 1
figure, axes = plt.subplots(3, 4, figsize=(8.6, 6.8), layout="constrained")
names = ("best", "middle", "worst")
for row, n, name in zip(axes, chosen, names, strict=True):
    row[0].imshow(X[n].permute(1, 2, 0))
    row[1].imshow(seeds[n], cmap=three, vmin=-1, vmax=1, interpolation="nearest")
    row[2].imshow(masks["seeds, grown by colour"][n], cmap="gray")
    row[3].imshow(animal[n], cmap="gray")
    row[0].set_ylabel(f"{name}\nmask IoU {growing[n]:.2f}", fontsize=10)
    for axis in row:
        axis.set(xticks=[], yticks=[])
titles = (
    "picture",
    "seeds: yellow object,\nblack ground, grey open",
    "grown by colour",
    "true mask",
)
for axis, text in zip(axes[0], titles, strict=True):
    axis.set_title(text, fontsize=10)
figure.suptitle(
    f"Colours finish what the map began: the best, the middle and the worst of {len(X)}"
)
plt.show()

# %% [markdown]
# Most of the object seeds are right, and nearly all of the ground seeds. What grows from them is
# better than the map cut at its best threshold, and about as good as the filled *true* box, which
# somebody had to draw. That is why maps are used as seeds. (Published work goes further than
# colour. Starting from seeds of LayerCAM, which you meet in a later lesson, a segmentation network
# reached a mean IoU of 60.8 % on the validation photographs of VOC 2012.)
#
# The last row of the figure is a warning. Colours cannot know what is meant: where the seeds are
# bad, what grows from them is bad too.
#
# ## Why is the region so small?
#
# One thing is still strange. At a high threshold the region lies on the animal, but the box is too
# small. Why does the map not cover the whole animal? Let us measure two shares for the places above
# half of the maximum:
#
# * **precision**: which share of the region lies on the animal?
# * **coverage**: which share of the animal lies in the region?

# %%
strong = cut_at(0.5)
precision = (strong & animal).sum(dim=(1, 2)) / strong.sum(dim=(1, 2)).clamp(min=1)
coverage = (strong & animal).sum(dim=(1, 2)) / animal.sum(dim=(1, 2))
print(
    f"above half of the maximum: precision {precision.mean():.0%}, coverage {coverage.mean():.0%}"
)
of_class = {name: float(coverage[y == c].mean()) for c, name in enumerate(classes)}
print("coverage by class: " + ", ".join(f"{name} {share:.0%}" for name, share in of_class.items()))

# %% [markdown]
# Most of the region is animal, but less than half of the animal is region. Is this a fault of the
# map? Or does the network really decide by a part of the animal, one that tells a frog from a bird:
# a **telling part**? **A map is a claim, an experiment decides.** We hide one third of each animal's
# pixels (with the mean colour of the picture): the third where the map is highest, or the third
# where it is lowest.
#
# That a loss follows proves little: perhaps *any* third hurts as much. So two more, with exactly as
# many hidden pixels. A **blob by chance** is the third that is nearest to some pixel of the animal,
# drawn by chance: in one piece, not in single dots. And the highest third of the map with **no
# class**, the mean of all feature maps. **Guess first:** how often is the word still right?


# %%
def hide_third(order: Tensor) -> Tensor:
    """Hides the third of each animal's pixels where `order` (N, H, W) is highest."""
    hidden = X.clone()
    for image, mask, values in zip(hidden, animal, order, strict=True):
        third = int(mask.sum()) // 3
        top = torch.where(mask, values, -torch.inf).flatten().topk(third).indices
        image.flatten(1)[:, top] = image.mean(dim=(1, 2))[:, None]
    return hidden


def nearness(seed: int) -> Tensor:
    """Minus the distance to a pixel of each animal, drawn by chance: (N, H, W)."""
    dice = torch.Generator().manual_seed(seed)
    everywhere = torch.ones(72, 72).nonzero().float()  # (72·72, 2)
    near = []
    for mask in animal:
        places = mask.nonzero().float()
        chosen = places[torch.randint(len(places), (1,), generator=dice)]
        near.append(-torch.cdist(everywhere, chosen).reshape(72, 72))
    return torch.stack(near)


no_class = camlite.up(net.features(X).mean(dim=1).detach(), (72, 72))
hidden = {
    "nothing": X,
    "the lowest third": hide_third(-M),
    "the highest third": hide_third(M),
    "the highest third, no class": hide_third(no_class),
}
still_right = {name: nets.accuracy(net, Z, y) for name, Z in hidden.items()}
blobs = [nets.accuracy(net, hide_third(nearness(seed)), y) for seed in range(5)]
for name, share in still_right.items():
    print(f"hidden: {name:30} the word is right in {share:.0%} of {len(y)}")
print("hidden: a blob by chance, five draws:   " + ", ".join(f"{b:.0%}" for b in sorted(blobs)))

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 4, figsize=(10, 5.4), layout="constrained")
for c, column in enumerate(axes.T):
    n = int((y == c).nonzero()[0])
    plot.overlay(column[0], X[n], (M[n] / M[n].max()).clamp(min=0))
    column[0].contour(animal[n].float(), [0.5], colors="white", linewidths=1, linestyles="dotted")
    column[0].contour(strong[n].float(), [0.5], colors=RED, linewidths=1.5)
    column[0].set_title(f"{classes[c]}: {coverage[n]:.0%} of it covered", fontsize=10)
    column[1].imshow(hidden["the highest third"][n].permute(1, 2, 0))
    now = classes[answers(net, hidden["the highest third"][n : n + 1])[0]]
    column[1].set_title(f'highest third hidden: "{now}"', fontsize=10)
    for axis in column:
        axis.set(xticks=[], yticks=[])
plot.bar(list(axes[0]), "evidence for the class\nscaled per map", line=True)
figure.suptitle(
    "The map lights up a part (red: above half of its maximum), not the animal (dotted)\n"
    "The first picture of each class"
)
plt.show()

# %% [markdown]
# **Your guess:** the lowest third is hardly missed. A blob by chance costs about a quarter of the
# right words, the highest third about half of them, with exactly as many pixels hidden. So one claim
# of the map holds: the network decides by this part more than by others of its size.
#
# But look at the line *no class*. That map does not know which word is asked for, and its highest
# third costs as many words. So the test shows **where** the network looks. It does not show that one
# needs the map of the *class* to find this place, nor that the place speaks for this word alone.
#
# The map is small because the network needs no more. For a word, the telling part is enough, and
# nothing in the training ever asked for the rest. That is the limit of weak supervision: no
# threshold makes an outline of evidence. Choe and others say it more sharply: where some part of
# the *background* tells more about the word than some part of the object does, words alone cannot
# teach where the object ends. The next lesson is about such a background.
#
# ## The answer in one picture
#
# Above: the first six wide pictures of the second half, with the box of the map at the threshold
# that the first half chose. Below left: what the threshold does. Below right: the tables of the
# paper and our miniature of them. (Other pictures, other classes, other rules for the boxes:
# compare the *order*.)

# %% tags=["figure"] jupyter={"source_hidden": true}
found = camlite.boxes.bounding_boxes(M, tau)  # at the threshold of the first half
figure = plt.figure(figsize=(12, 7.6), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=[1, 1.55])
for n, axis in enumerate(top.subplots(1, 6), start=HALF):
    overlap = float(overlaps(found[n : n + 1], truths[n : n + 1]))
    draw_scene(axis, X[n], truths[n], found[n], f"{classes[y[n]]}: IoU {overlap:.2f}")
top.suptitle(
    f"Green: the true box. Red, broken: the box of the map, at {tau:.0%} of its maximum. "
    f"{fits.mean():.0%} of {len(fits)} fit; nobody showed the network a box"
)
left, right = bottom.subfigures(1, 2, width_ratios=[1, 1.25])
axis = left.subplots()
curve = (IoU_wide[:, HALF:] >= 0.5).double().mean(dim=1)
axis.plot(TAUS, curve, "-", color="black", lw=2.2, label="map, wide pictures")
curve = (IoU_by_threshold_close[:, HALF:] >= 0.5).double().mean(dim=1)
axis.plot(TAUS, curve, "-", color="#7b3294", lw=1.4, label="map, close pictures")
axis.axhline(fit["always in the middle"], color="black", ls="--", lw=2.2, label="middle box, wide")
axis.axhline(
    fit_close["always in the middle"], color="#7b3294", ls="--", lw=1.4, label="middle box, close"
)
axis.plot(tau, float(fits.mean()), "o", color="#e66101", ms=9, label="chosen on the first half")
axis.set(xlabel="threshold, share of the maximum", ylabel="share with IoU ≥ 0.5", ylim=(0, 1.35))
axis.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
axis.legend(fontsize=8.5, loc="upper center", ncols=2)
axis.set_title(f"Is it better than not looking? (n = {COUNT - HALF})", fontsize=11)


def error(name: str) -> float:
    """100 minus the share that fits: mean of the seeds, class known."""
    values = [float(r[1].mean()) for key, r in results.items() if key.startswith(name)]
    return 100 * (1 - sum(values) / len(values))


rows = [
    ("Localization error, lower is better", "GoogLeNet\ntop-1, %", "here, class\nknown, %"),
    ("  GAP", "56.40", f"{error('GAP'):.0f}"),
    ("  GMP", "57.78", f"{error('GMP'):.0f}"),
    ("  gradient at the pixels", "61.31", f"{error('gradient'):.0f}"),
    ("With and without true boxes", "GoogLeNet\ntop-5, %", "here, close\npictures, %"),
    ("  words only", "42.9", f"{100 - 100 * shares_versus['the map, words only'][0]:.0f}"),
    (
        "  words and boxes",
        "26.7",
        f"{100 - 100 * shares_versus['the rival, words and boxes'][0]:.0f}",
    ),
    ("Accuracy, higher is better", "200 birds,\n%", "here, far\npictures, %"),
    ("  whole picture", "63.0", f"{100 * again['far'][0]:.0f}"),
    ("  cropped to the map's box", "67.8", f"{100 * again['far'][2]:.0f}"),
    ("  cropped to the true box", "70.5", f"{100 * again['far'][3]:.0f}"),
]
axis = right.subplots()
axis.set_axis_off()
heights = [0.135 if "\n" in row[1] else 0.066 for row in rows]
height = 1.0
for row, step in zip(rows, heights, strict=True):
    height -= step
    weight = "bold" if "\n" in row[1] else "normal"
    for x_at, text, align in zip((0, 0.72, 0.98), row, ("left", "right", "right"), strict=True):
        axis.text(x_at, height, text, ha=align, va="bottom", weight=weight, fontsize=10)
    if weight == "bold":
        axis.plot([0, 0.98], [height, height], color="black", lw=0.8)
axis.set(xlim=(0, 1), ylim=(height - 0.02, 1))
axis.set_title("Tables 2, 3, 4 of the CAM paper, and ours in miniature", fontsize=11)
plt.show()

# %% [markdown]
# **Today's question was: how well does a map find the object, if nobody ever showed the network a
# box?** About three of four boxes fit on pictures where a box in the middle fits fewer than one of
# four. That is good enough to crop and to plant seeds, and not good enough to measure: a network
# that was shown boxes is far ahead. The map finds a telling part, for the word asks for no more.
# And whether "three of four" is much, only the box in the middle could tell you.

# %% [markdown]
# ## Once more
#
# *From lesson 2, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 2.4, for the head with the maximum. `F` are the feature maps of a GMP network, (N, 64,
# 18, 18). Compute its logits (N, 4) from `F`, `W` (4, 64) and `b` (4,). One line.

# %%
gmp = gmp_nets[0]
with torch.no_grad():
    F = gmp.features(X)
    W, b = gmp.classifier.weight, gmp.classifier.bias
    logits_gmp = torch.zeros(len(X), 4)  # your line here
    off = float((logits_gmp - gmp(X)).abs().max())
print(f"largest difference to the network: {off:.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `logits_gmp = F.amax(dim=(2, 3)) @ W.T + b`. What is left is rounding. Note what is *not* true any
# more: the mean of the map plus the bias is no longer the logit (lesson 3), for each channel may
# have its maximum at another place. The formula of CAM still gives a map, but the map is not the
# score.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 5` asks them again, also next week.
#
# **1.** A true box is 10×10. Your box has the same size and is moved by 3 pixels to the right and by 3
# pixels down. Is it right at the border 0.5?
#
# <details><summary>Answer</summary>
#
# No. The boxes share 7 · 7 = 49 pixels and cover 200 − 49 = 151, so the IoU is 0.32. It looks
# better than it is: both directions count.
#
# </details>
#
# **2.** A map goes from −40 to 10. Where does the 20 % rule cut, and where does it cut if you scale the
# map to [0, 1] first?
#
# <details><summary>Answer</summary>
#
# At 2, and at −30. After min–max, zero has the value 0.8, and even strong evidence against the
# class is above the threshold.
#
# </details>
#
# **3.** A network is right in 90 % of the words, and its boxes fit in 80 % of the images. The two kinds
# of mistakes have nothing to do with each other. Which top-1 localization error do you expect? A
# colleague has 30 % with a network that is right in 80 % of the words. Whose boxes are better?
#
# <details><summary>Answer</summary>
#
# 28 %, because 0.9 · 0.8 = 0.72 are right in both. The colleague's boxes fit in 0.70 / 0.80 = 88 % of
# the images: better boxes, worse words. Compare boxes with known class.
#
# </details>
#
# **4.** (lesson 3) A map has the values 10, 4, 1 and −3, the bias is 0.5. Which logit does it explain?
# You set everything below 20 % of the maximum to 0. Which logit would the rest explain?
#
# <details><summary>Answer</summary>
#
# The mean is 3, so the logit is 3.5. The rest, 10, 4, 0 and 0, has the mean 3.5 and would explain
# 4.0. A box throws away what the logit needs: it answers *where*, not *how much*.
#
# </details>
#
# **5.** (lesson 2) A network with GAP has 12×12 places on a close picture and 18×18 on a wide one. The
# animal has the same size, and all other places are 0 in all feature maps. What happens to the part
# of the logit that comes from the maps? Why does the network run at all on another size?
#
# <details><summary>Answer</summary>
#
# It is multiplied by 144 / 324 = 0.44: the same sum, divided by more places. The network runs
# because convolutions take any size, and GAP makes one number of each map, however large it is.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * A box comes from a map in three steps: a threshold, the largest connected component, the
#   smallest box.
# * IoU is intersection by union. The localization error counts an image as right only if word and
#   box are right.
# * **Put a box in the middle beside every result.** Where objects fill the picture, it is as good
#   as the boxes of the 20 % rule.
# * The threshold decides. Choose it on other images than those you report on, and say how you made
#   the boxes. Min–max before the threshold is another rule.
# * Maps find a **telling part**: hide it, and half of the words are gone; a part of the same size by
#   chance costs fewer. A map that knows no class finds it as well.
# * A crop helps where the network saw the object too small. It harms where the object filled the
#   picture already, and it cannot repair a network that looks at the wrong place.
# * A network that was shown boxes is better at boxes. Words are cheaper.
#
# **Try this.** How many boxes is the map worth? Freeze `net.features`, take the maps of 12×12 of
# `data.scenes("pond", "varied", count=n)`, and train one `nn.Conv2d(64, 1, 1)` so that it is high
# inside the true boxes (`functional.binary_cross_entropy_with_logits`). Use its output as the map.
# With how many boxes does it beat the class activation map: 4, 20, 100? This is the question that
# Choe and others asked.
#
# **Where to read on.** Sections 3.2 and 4 of the CAM paper. Choe and others: the rules for a fair
# test (arXiv 2001.07437; with all borders and all regions, MaxBoxAccV2: arXiv 2007.04178).
# `camlite.boxes` has your functions, `camlite.metrics.max_box_acc_v2` the whole protocol with a
# held-out half, and `docs/metrics.md` says where published code differs.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *bounding box*: khung bao · 边界框 · 邊界框 · バウンディングボックス
# * *object localization*: định vị đối tượng · 目标定位 · 物件定位 · 物体位置特定
# * *connected component*: thành phần liên thông · 连通分量 · 連通元件 · 連結成分
# * *threshold*: ngưỡng · 阈值 · 閾值 · しきい値
# * *global max pooling*: gộp cực đại toàn cục · 全局最大池化 · 全域最大池化 · 大域最大プーリング
# * *segmentation seed*: hạt giống phân đoạn · 分割种子 · 影像分割的種子 · セグメンテーションのシード
#
# **Next:** lesson 6: The frog that was grass. There the map lies on the ground, and you find out
# why.
