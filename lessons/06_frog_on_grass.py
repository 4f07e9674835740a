# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 6: The frog that was grass
#
# **Time** 60 minutes · **Difficulty** ●●○○○ · **You need** lesson 3 · **At the end** you have
# trained a network that cheats, caught it with maps and with an experiment, repaired it with better
# data, and measured what the repair changed.
#
# You train a network to tell frogs from birds, fish and turtles. It is right on almost every test
# image. A customer asks: "Which part of the picture made it say *frog*?" And then: "Would it also
# know a frog on sand?" You do not know.
#
# Frogs like to sit in the grass. So in most pictures of frogs there is grass, much more of it than
# of the frog. **Today's question: did our network learn the frog, or the grass? And how can we be
# sure of the answer?**
#
# A rule that works on the training data, but is not the one we meant, is called a **shortcut**.
#
# > **Papers:** B. Zhou and others: *Learning Deep Features for Discriminative Localization*, CVPR
# > 2016, arXiv 1512.04150 (the map). · R. R. Selvaraju and others: *Grad-CAM*, ICCV 2017, arXiv
# > 1610.02391 (a shortcut found and repaired). · H. Wang and others: *Score-CAM*, CVPR Workshops
# > 2020, arXiv 1910.01279 (energy on the object).

# %% tags=["imports"]
import os

import matplotlib.pyplot as plt
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

import camlite
from camlite import data, nets
from camlite.course import check, hint

fast = bool(os.environ.get("CAMLITE_FAST"))  # bundled networks and fewer images, for tests
SEED = 0  # the whole lesson works with 0, 1, 2, 3 and 4: change it and run again
TEST = 80 if fast else 240  # test images of each kind

# %% [markdown]
# ## The pond
#
# camlite draws its own pictures: four animals, each with a **home**. Frogs live on grass, birds in
# leaves, fish in water, turtles on sand. In the training set 95 of 100 animals are at home. The
# other five are at the home of another animal. That is how real collections of photographs look.
#
# Because the pictures are drawn, we know which pixels are animal and which are background.

# %%
train = data.scenes("pond", "train", count=80 if fast else 1000, seed=SEED)
classes, grounds = train.class_names, train.background_names[:4]
at_home = (train.labels == train.backgrounds).float().mean()
print(
    f"{len(train)} training images {tuple(train.images.shape[1:])}, {at_home:.1%} of them at home"
)

# %% tags=["figure"]
figure, axes = plt.subplots(2, 6, figsize=(10, 4), layout="constrained")
for n, axis in enumerate(axes.flat):
    axis.imshow(train.images[n].permute(1, 2, 0))
    axis.set_title(f"{classes[train.labels[n]]} on {grounds[train.backgrounds[n]]}", fontsize=10)
    axis.set(xticks=[], yticks=[])
figure.suptitle("What the network learns from")
plt.show()

# %% [markdown]
# ## Train the network
#
# `SceneNet` is a relative of the network of lesson 2: four convolutions, GAP, one linear layer. So
# it has a class activation map. The network and its training start from the seed.
#
# The two **test sets** hold the same animals. In *matched* each one is at home. In *flipped* image
# number $i$ shows exactly the animal of image $i$ of *matched*, on the home of another animal.


# %%
def trained(scenes, version: str) -> nn.Module:
    """A network that has seen these scenes; always the same start and the same recipe."""
    if fast:
        return nets.bundled(f"pond_{version}")
    torch.manual_seed(SEED)
    model = nets.SceneNet(classes=len(classes))
    losses = nets.fit(model, scenes.images, scenes.labels, seed=SEED, progress=f"train {version}")
    print(f"{version}: loss {losses[0]:.3f} in the first epoch, {losses[-1]:.3f} in the last")
    return model


biased = trained(train, "biased")

# %%
matched = data.scenes("pond", "matched", count=TEST, seed=SEED)
flipped = data.scenes("pond", "flipped", count=TEST, seed=SEED)
print(f"accuracy on matched: {nets.accuracy(biased, matched.images, matched.labels):.1%}")

# %% [markdown]
# A good result. Many projects end here.
#
# **Before you go on, guess:** how many percent will it get on *flipped*, with the same animals on
# other grounds? Four classes, so pure guessing gives 25 %. Write your number down. We look at maps
# first.

# %% [markdown]
# ## The map
#
# The class activation map comes from the library this time (you wrote it in lesson 3). We enlarge
# it to the size of the image. To compare two maps we show all of them in one unit: **1 means as
# bright as a flat map**, which has the same value everywhere; 3 means three times that. The line is
# the outline of the animal.


# %%
def maps(model: nn.Module, images: Tensor, c: Tensor) -> Tensor:
    """The signed class activation map of class c, as large as the image: (N, H, W)."""
    return camlite.up(camlite.cam(model, "features", images, c), images.shape[-2:]).detach()


def times_flat(M: Tensor) -> Tensor:
    """Positive evidence in units of a flat map's; a map without any stays zero."""
    P = M.clamp(min=0)
    return P / P.mean(dim=(1, 2), keepdim=True).clamp_min(1e-12)


def draw(axis, image: Tensor, heat: Tensor | None, mask: Tensor, title: str, top: float = 4):
    """The image, or its map with the outline of the object."""
    drawn = None
    if heat is None:
        axis.imshow(image.permute(1, 2, 0))
    else:
        drawn = axis.imshow(heat, cmap="magma", vmin=0, vmax=top)
        axis.contour(mask.float(), levels=[0.5], colors="white", linewidths=1.2)
    axis.set_title(title, fontsize=10)
    axis.set(xticks=[], yticks=[])
    return drawn


# %% tags=["figure"]
M = maps(biased, matched.images, matched.labels)
figure, axes = plt.subplots(2, 6, figsize=(10.5, 4), layout="constrained")
for n in range(6):
    title = f"{classes[matched.labels[n]]} on {grounds[matched.backgrounds[n]]}"
    draw(axes[0, n], matched.images[n], None, matched.object_mask[n], title)
    heat, mask = times_flat(M)[n], matched.object_mask[n]
    drawn = draw(axes[1, n], matched.images[n], heat, mask, "map", top=2.5)
figure.colorbar(drawn, ax=axes, label="evidence, 1 = flat map", extend="max")
figure.suptitle("Evidence for the true class, network trained on animals at home")
plt.show()

# %% [markdown]
# The ground lights up, and the animal hardly stands out from it; here and there it is even a hole.
# But an impression from six pictures is no measurement: perhaps you looked at those that you
# expected. So we count.
#
# ## Exercise 6.1: energy on the object
#
# Which share of the evidence lies on the animal? The paper of Score-CAM calls the sum of a map its
# **energy**:
#
# $$ E(M, \text{mask}) = \frac{\sum_{\text{mask}} M^+}{\sum M^+}, \qquad M^+ = \max(M, 0) $$
#
# The formula needs a map without negative values, or the share could leave $[0, 1]$. Our map has
# negative values: evidence *against* the class. We leave them out ($M^+$); this is a decision, and
# a reader must be told. If no value is positive, there is no energy anywhere: return 0 for that
# image. `M` is (N, h, w), `mask` is (N, h, w) with truth values. The result is (N,).


# %% tags=["exercise", "6.1"]
def energy_inside(M: Tensor, mask: Tensor) -> Tensor:
    """The share of each map's positive evidence on the mask: (N, h, w) twice -> (N,) in [0, 1]."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 6.1: energy_inside")


# %%
check("6.1", energy_inside)

# %%
area = matched.object_mask.float().mean()
on_animal = energy_inside(M, matched.object_mask).mean()
on_ground = energy_inside(M, matched.background_mask).mean()
on_flat = energy_inside(torch.ones_like(M), matched.background_mask).mean()
print(f"energy on the ground {on_ground:.1%}, on the animal {on_animal:.1%}")
print(f"the animal covers {area:.1%} of the image: {on_animal / area:.2f} times a flat map")
print(f"energy of a flat map on the ground {on_flat:.1%}")

# %% [markdown]
# The ground has most of the energy. Case closed? **Read the last line again.** A flat map, which
# knows nothing at all, has most of its energy on the ground too, because most pixels are ground.
# So always put the area beside the energy. What we may say is: *this map does not prefer the animal
# much*. What we may not say yet is: *the network decides by the grass*.
#
# ## Exercise 6.2: accuracy, group by group
#
# Now the test on *flipped*. One number for all images hides who pays for the mistakes. So sort the
# images into **groups**, here a class on a ground ("frog on sand"), and give each group its own
# accuracy:
#
# $$ \text{accuracy}(g) = \frac{\text{right answers in group } g}{\text{images in group } g} $$
#
# `logits` is (N, C), `labels` (N,), `groups` (N,) whole numbers. Return a dict with one entry for
# each group that occurs: the number of the group (an `int`), and a share from 0 to 1. The smallest
# of the values is the **worst-group accuracy**.


# %% tags=["exercise", "6.2"]
def accuracy_by_group(logits: Tensor, labels: Tensor, groups: Tensor) -> dict[int, float]:
    """The share of right answers in each group that occurs: {group: 0 to 1}."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 6.2: accuracy_by_group")


# %%
check("6.2", accuracy_by_group)

# %%
images = torch.cat([matched.images, flipped.images])
labels = torch.cat([matched.labels, flipped.labels])
groups = torch.cat([matched.groups, flipped.groups])
object_mask = torch.cat([matched.object_mask, flipped.object_mask])


@torch.no_grad()
def answers(model: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, C)."""
    return torch.cat([model(part) for part in images.split(200)])


by_group = accuracy_by_group(answers(biased, images), labels, groups)
worst = min(by_group, key=by_group.get)
print(f"matched {nets.accuracy(biased, matched.images, matched.labels):6.1%}")
print(f"flipped {nets.accuracy(biased, flipped.images, flipped.labels):6.1%}")
print(f"worst group: {matched.group_names[worst]}, {by_group[worst]:.1%}")

# %% tags=["figure"]
table = torch.zeros(4, 4)
for group, value in by_group.items():
    table[group // 5, group % 5] = value  # five grounds have a number: the fifth is plain grey
figure, axis = plt.subplots(figsize=(5.4, 4.2), layout="constrained")
drawn = axis.imshow(table, cmap="magma", vmin=0, vmax=1)
for row in range(4):
    for column in range(4):
        value = float(table[row, column])
        colour = "black" if value > 0.6 else "white"
        axis.text(column, row, f"{value:.0%}", ha="center", va="center", color=colour)
axis.set(xticks=range(4), yticks=range(4), xticklabels=grounds, yticklabels=classes)
figure.colorbar(drawn, label="accuracy")
axis.set_title("Which animal on which ground is known?", fontsize=11)
plt.show()

# %% [markdown]
# Compare with the number you wrote down. The network is not just unsure about animals away from
# home; it is **worse than guessing** there. The bright diagonal is all that our first test set
# showed us.
#
# ## Exercise 6.3: can the map foretell the mistakes?
#
# Suppose we had only maps and masks, and not the labels. For each image we compare the two places:
#
# $$ \text{gap} = E(M, \text{background}) - E(M, \text{object}) $$
#
# +1: all evidence lies on the background. −1: all of it lies on the object. Both shares are shares
# of the whole map, also where the two masks together do not cover the image (you will need that at
# the railway). A map without energy has the gap 0. `M` and both masks are (N, h, w); return (N,).


# %% tags=["exercise", "6.3"]
def shortcut_gap(M: Tensor, object_mask: Tensor, background_mask: Tensor) -> Tensor:
    """Energy on the background minus energy on the object, for each image: (N,) in [-1, 1]."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 6.3: shortcut_gap")


# %%
check("6.3", shortcut_gap)

# %% [markdown]
# We take the map of the **predicted** class: on a new image nobody knows the true one. Then we ask:
# do images with a large gap fail more often? The **AUC** answers that. Draw one failed image and
# one right image; the AUC is the probability that the failed one has the larger gap. 0.5 is
# guessing, 1 is perfect.
#
# **Predict:** on an image of *flipped*, a frog on sand, the network says "turtle". Where on this
# image is evidence for *turtle*, and where is none?

# %%
predicted = answers(biased, images).argmax(1)
failed = predicted != labels
gap = shortcut_gap(maps(biased, images, predicted), object_mask, ~object_mask)
auc = roc_auc_score(failed, gap)
print(f"{int(failed.sum())} of {len(failed)} images fail")
print(
    f"mean gap of the failed {gap[failed].mean():+.2f}, of the right ones {gap[~failed].mean():+.2f}"
)
print(f"AUC of the gap: {auc:.2f}")
print(f"failed, though most of the evidence lies on the animal: {int((gap[failed] < 0).sum())}")

# %% tags=["figure"]
figure, axis = plt.subplots(figsize=(7, 3.2), layout="constrained")
edges = torch.linspace(-1, 1, 41).tolist()
axis.hist(gap[~failed], edges, color="#fdb863", edgecolor="black", label="right answer")
axis.hist(
    gap[failed],
    edges,
    color="#5e3c99",
    alpha=0.65,
    hatch="//",
    edgecolor="black",
    label="wrong answer",
)
axis.axvline(1 - 2 * float(area), color="black", linestyle="--", label="a flat map (mean)")
axis.set(xlabel="gap: energy on the background − energy on the object", ylabel="images")
axis.set_title("The maps alone, and who fails")
axis.legend()
plt.show()

# %% [markdown]
# The gap foretells much of it. Look at the failed ones: the sand speaks for *turtle*, but the frog
# does not. So the map of *turtle* has a hole where the frog is, and the gap is large. On an image
# at home the animal may add a little evidence of its own.
#
# It does not foretell all of it. The last line counts images that fail although their evidence lies
# on the animal. With some seeds there are such images: a green turtle is called *frog*, because
# green is the colour of grass. The map lies on the turtle, and the answer is wrong all the same.
# **A map says where. It does not say what the network saw there.**
#
# You needed no labels for this. But you needed masks, and these are labels too, of a kind that
# takes more work. And you did *not* find out **why** the images fail. That is the next step.
#
# ## Why the map is no proof
#
# Three reasons to doubt:
#
# 1. A flat map has a large gap too. "It looks at the ground" and "it looks nowhere in particular"
#    give nearly the same numbers.
# 2. The place at (x, y) of a feature map sees more than pixel (x, y): its receptive field (lesson 1)
#    reaches over the edge of the animal. Evidence on the grass may come from the animal's outline.
# 3. Large gap and mistake go together. But things that go together need not be cause and effect.
#    That is the very mistake that the network made!
#
# What is missing is an **intervention**: change one thing, leave all others alone, and look at what
# happens. Our pictures allow it, because they come in pairs:
#
# * the same animal on another ground: image $i$ of *matched* and of *flipped*;
# * the same ground without the animal: image $i$ of *matched* and of *background_only*.
#
# **Predict** both numbers for a network that knows animals, and for one that knows grounds.

# %%
empty = data.scenes("pond", "background_only", count=TEST, seed=SEED)


def interventions(model: nn.Module) -> tuple[float, float, float]:
    """Shares of images: answer follows the ground, follows the animal, survives without animal."""
    at_home, moved, alone = (answers(model, s.images).argmax(1) for s in (matched, flipped, empty))
    follows_ground = (moved == flipped.backgrounds).float().mean()  # class i lives on ground i
    follows_animal = (moved == flipped.labels).float().mean()
    survives = (alone == at_home).float().mean()
    return float(follows_ground), float(follows_animal), float(survives)


to_ground, to_animal, survives = interventions(biased)
print(f"animal moved:  the answer goes to the ground's class in {to_ground:.1%}")
print(f"               it stays with the animal in {to_animal:.1%}")
print(f"animal erased: the answer stays the same in {survives:.1%}")

# %% [markdown]
# This is the proof. We moved the animal, and the answer went with the ground. We erased the animal,
# and the answer hardly noticed. In each pair **nothing else changed**, so nothing else can be the
# cause. The map told us where to experiment. The experiment told us what is true.
#
# ## Repair the data
#
# The network did what we asked: in the training set the ground is the easier rule, and almost always right.
# So we do not blame the network; we change the question. The *varied* training set has the same
# animals; each of the four grounds, and plain grey too, is equally likely. Now the ground says
# nothing about the class.
#
# This is an intervention as well: same start, same number of images, same recipe. Only the grounds
# are different.

# %%
varied = data.scenes("pond", "varied", count=80 if fast else 1000, seed=SEED)
repaired = trained(varied, "repaired")

# %%
grey = data.scenes("pond", "object_on_grey", count=TEST, seed=SEED)
railway = data.scenes("rail", "background_only", count=TEST, seed=SEED)
travellers = torch.where(grey.object_mask[:, None], grey.images, railway.images)  # cut out, pasted


def report(model: nn.Module) -> dict[str, float]:
    """All numbers of this lesson for one network."""
    M = maps(model, matched.images, matched.labels)
    on_object = float(energy_inside(M, matched.object_mask).mean())
    to_ground, _, survives = interventions(model)
    return {
        "accuracy, matched": nets.accuracy(model, matched.images, matched.labels),
        "accuracy, flipped": nets.accuracy(model, flipped.images, flipped.labels),
        "accuracy, worst group": min(
            accuracy_by_group(answers(model, images), labels, groups).values()
        ),
        "moved: follows the ground": to_ground,
        "erased: same answer": survives,
        "energy on the animal": on_object,
        "... divided by its area": on_object / float(area),
        "accuracy, plain grey": nets.accuracy(model, grey.images, grey.labels),
        "accuracy, at the railway": nets.accuracy(model, travellers, grey.labels),
    }


before, after = report(biased), report(repaired)
print(f"{'':27}  biased  repaired")
for line in before:
    print(f"{line:27}  {before[line]:6.2f}  {after[line]:8.2f}")

# %% [markdown]
# From top to bottom: the accuracy at home is high for both, so the first test set could never have
# told them apart. On *flipped* and in the worst group the repair helps, often very much. The answer
# no longer follows the ground. And the evidence moves onto the animal: several times as dense as a
# flat map.
#
# **The last line is a question of its own.** There we cut the animals out and pasted them into
# pictures of a railway, with sky and hills. Neither network has ever seen such a ground. Compare the
# line with the one above: plain grey was in the varied set, the railway was not. Did the repair help
# there at all? It taught the network the grounds that it varied. What happens on others must be
# tested, not hoped for; "robust" without "against what" is an empty word.
#
# > **The same in the world.** The authors of Grad-CAM trained a network to tell doctors from
# > nurses. The maps lay on faces and hair. In their training images 78 % of the doctors were men,
# > and 93 % of the nurses were women. With balanced images the accuracy rose from 82 % to
# > 90 %.
#
# ## The train that was rails
#
# Another shortcut, of another kind. On most photographs of trains there are rails. But rails do not
# make a train: a car may cross them. Here the shortcut is no texture behind the object, but a
# *thing* beside it. Could we have seen the danger before any training? Look at the data!
#
# ## Exercise 6.4: what goes with what
#
# `labels` (N,) are the classes, `objects` (N, K) truth values: which of K things is in the image.
# For each class and each thing, count:
#
# $$ T_{c,k} = \frac{\text{images of class } c \text{ with thing } k}{\text{images of class } c} $$
#
# Return (classes, K), with `labels.max() + 1` rows. A class without images gets a row of zeros.


# %% tags=["exercise", "6.4"]
def scene_table(labels: Tensor, objects: Tensor) -> Tensor:
    """The share of each class's images with each object: (N,), (N, K) -> (classes, K) in [0, 1]."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 6.4: scene_table")


# %%
check("6.4", scene_table)

# %%
rail_train = data.scenes("rail", "train", count=100 if fast else 400, seed=SEED)
rail_varied = data.scenes("rail", "varied", count=100 if fast else 400, seed=SEED)
for title, scenes in (("biased training set", rail_train), ("varied training set", rail_varied)):
    print(f"{title:20}" + "".join(f"{thing:>8}" for thing in scenes.content_names))
    for name, row in zip(
        scenes.class_names, scene_table(scenes.labels, scenes.contents), strict=True
    ):
        print(f"{name:20}" + "".join(f"{share:8.2f}" for share in row.tolist()))

# %% [markdown]
# Read the columns. Where both classes have about the same number (tree, house, cloud), the thing
# says nothing about the class. Where the numbers differ much, the thing *could* become a shortcut.
# In the biased set there are two such pairs: the vehicles, as we want, and what lies under them.
# The table cannot say which one a network will take. So: maps to see, experiments to be sure.
#
# Both rail networks come with camlite, trained with the same recipe. Now `context_mask` marks the
# rails or the road, and most of the image is neither vehicle nor track.

# %%
rail_biased, rail_repaired = nets.bundled("rail_biased"), nets.bundled("rail_repaired")
rail = data.scenes("rail", "matched", count=TEST, seed=SEED)
crossed = data.scenes("rail", "flipped", count=TEST, seed=SEED)
rail_area, track_area = rail.object_mask.float().mean(), rail.context_mask.float().mean()
print(f"area: vehicle {rail_area:.1%}, track {track_area:.1%}")
for name, model in (("biased", rail_biased), ("repaired", rail_repaired)):
    M = maps(model, rail.images, rail.labels)
    on_vehicle = energy_inside(M, rail.object_mask).mean()
    on_track = energy_inside(M, rail.context_mask).mean()
    rail_gap = shortcut_gap(M, rail.object_mask, rail.context_mask).mean()
    both_labels = torch.cat([rail.labels, crossed.labels])
    both_groups = torch.cat([rail.groups, crossed.groups])
    logits = answers(model, torch.cat([rail.images, crossed.images]))
    worst = min(accuracy_by_group(logits, both_labels, both_groups).values())
    moved = (answers(model, crossed.images).argmax(1) == crossed.backgrounds).float().mean()
    print(f"{name}: worst group {worst:.2f}; vehicle moved: follows the track {moved:.2f}")
    print(
        f"    energy on the vehicle {on_vehicle:.2f}, {on_vehicle / rail_area:.1f} times its area"
    )
    print(f"    energy on the track   {on_track:.2f}, {on_track / track_area:.1f} times its area")
    print(f"    gap {rail_gap:+.2f}")

# %% [markdown]
# Here the map is a better witness than at the pond: the track is small, so a flat map would not give
# it so much energy. But again the last number, from the experiment, is the proof.
#
# And is it a fault at all? That depends on the question. Had the classes been "railway" and "street", the rails would be the right answer!
# The first CAM paper used this: its authors asked of scene networks which objects light up for
# which scene, and learned from the maps what makes a kitchen a kitchen. The same map is a
# fault in one project and a discovery in another.
#
# ## The answer in one picture
#
# Objects away from home: of each class the first one that the biased network gets wrong. Four
# animals, a car on rails and a train on the road. Each map is that of the class which the network
# **answered**.


# %% tags=["figure"]
def first_mistake(model: nn.Module, scenes, c: int) -> int:
    """The first image of class c that the model gets wrong (or the first of c at all)."""
    wrong = answers(model, scenes.images).argmax(1) != scenes.labels
    of_class = scenes.labels == c
    return int((of_class & wrong if (of_class & wrong).any() else of_class).nonzero()[0])


shown = [(biased, repaired, flipped, first_mistake(biased, flipped, c)) for c in range(4)]
shown += [
    (rail_biased, rail_repaired, crossed, first_mistake(rail_biased, crossed, c)) for c in (1, 0)
]
figure, axes = plt.subplots(3, 6, figsize=(11, 6.2), layout="constrained")
for column, (old, new, scenes, n) in zip(axes.T, shown, strict=True):
    one, mask, names = scenes.images[n : n + 1], scenes.object_mask[n], scenes.class_names
    truth = f"{names[scenes.labels[n]]} on {scenes.background_names[scenes.backgrounds[n]]}"
    draw(column[0], one[0], None, mask, truth)
    for axis, model in ((column[1], old), (column[2], new)):
        c = answers(model, one).argmax(1)
        verdict = "right" if c[0] == scenes.labels[n] else "wrong"
        heat = times_flat(maps(model, one, c))[0]
        drawn = draw(axis, one[0], heat, mask, f'"{names[c[0]]}" ({verdict})')
for axis, text in zip(
    axes[:, 0], ("image", "before:\nbiased data", "after:\nvaried data"), strict=True
):
    axis.set_ylabel(text, fontsize=11)
figure.colorbar(drawn, ax=axes[1:], label="evidence for the answer, 1 = flat map", extend="max")
figure.suptitle("The same objects, away from home: before and after the repair")
plt.show()

# %% [markdown]
# In the middle row most of the evidence lies around the object, often with a hole in its place. (Is
# there an exception? Compare its colours with the ground of the class that was answered.) In the
# last row, where the answer is right, it lies on the object. Is an answer still wrong there? The
# repaired network is better, not perfect. It has the same layers in both rows. The data made the
# difference.
#
# ## What you know now
#
# * A shortcut is a rule that fits the training data and is not the one you meant. A test set from
#   the same source cannot show it.
# * Energy on the object is a share of the positive evidence. Without the object's **area** beside
#   it, the number means nothing: a flat map has energy too.
# * Report the **worst group**. The mean hides who pays.
# * A map is a reason for suspicion, not a proof. It tells you **where to experiment**. The proof is
#   an intervention: change one thing only, and watch the answer.
# * Cut the link in the data, and the network must learn something else. It is robust against what
#   the data varied, and nothing more.
# * Where you have no masks and cannot redraw the picture, all of this is harder. Then photograph the
#   frog on sand.
#
# **Where to read on.** Grad-CAM's section on bias in data sets has the story of the doctors. For groups
# and their worst accuracy: S. Sagawa, P. W. Koh, T. Hashimoto, P. Liang, *Distributionally Robust
# Neural Networks*, ICLR 2020, arXiv 1911.08731. For shortcuts in general: R. Geirhos and others,
# *Shortcut Learning in Deep Neural Networks*, 2020, arXiv 2004.07780. In the library:
# `camlite.metrics.energy_pointing_game`, which refuses signed maps until you say what to do with
# them. `datasets/README.md` shows how the numbers of this lesson change with the seed.
#
# **Words.** *shortcut, dataset bias*: thiên lệch dữ liệu · 数据偏差, 捷径 · 資料偏誤 · データの偏り. *mask*: mặt nạ ·
# 掩码 · 遮罩 · マスク. *knowledge discovery*: khám phá tri thức · 知识发现 · 知識發現 · 知識発見.
#
# **Next:** lesson 8: Grad-CAM, which gives a map for networks with any head.
