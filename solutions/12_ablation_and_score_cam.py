# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 12: No gradients: Ablation-CAM and Score-CAM
#
# **Time** 120 minutes · **Difficulty** ●●●○○ · **You need** lesson 3; lesson 8 helps ·
# **At the end** you have two maps that need no gradient, you have found a mistake in a published
# formula by running it, and you know which of your own choices decided a comparison of methods.
#
# How do you find out which fuse in the house feeds the kitchen? You may study the wiring plan. Or
# you take one fuse out, and look whether the kitchen gets dark.
#
# Until now we studied plans: the weights of the last layer (lesson 3), the gradient (lesson 8).
# Today we take something away and look at the score. There are two things that we can take away:
#
# * a channel of the **network**: this is Ablation-CAM;
# * a part of the **image**: this is Score-CAM.
#
# But a hole in an image cannot be empty. Something must stand there: black, grey, another picture.
# **So here is today's question: we hide a part of the image and ask the network. How much of its
# answer comes from what we put into the hole?**
#
# > **Papers:** S. Desai, H. G. Ramaswamy: *Ablation-CAM: Visual Explanations for Deep Convolutional
# > Network via Gradient-free Localization*, WACV 2020. · H. Wang, Z. Wang, M. Du, F. Yang, Z.
# > Zhang, S. Ding, P. Mardziel, X. Hu: *Score-CAM: Score-Weighted Visual Explanations for
# > Convolutional Neural Networks*, CVPR Workshops 2020, arXiv 1910.01279.

# %% tags=["imports"]
import os
import time

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, metrics, nets, weights
from camlite.course import check, hint
from camlite.data import scenes
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer pairs and channels: only for automatic tests
_ = torch.set_grad_enabled(False)  # nothing in this lesson needs a gradient

# %% [markdown]
# ## Part 1: take a channel away
#
# We start with the network that you know from lesson 3. Its head is GAP and one linear layer. So we
# know the true answer to our question, and can compare: channel $k$ adds exactly
# $W_{c,k}\,\bar F_k$ to the logit of class $c$, where $\bar F_k$ is the mean of map $k$.

# %%
images, labels, name = data.handwriting(train=False, limit=2000)
net = nets.bundled(f"gapnet_{name}")
digit_features, digit_classifier = camlite.split(net, "features")
x = images[torch.stack([(labels == digit).nonzero()[0, 0] for digit in (7, 2, 0, 4, 3)])]
F = digit_features(x)
Y = digit_classifier(F)
c = Y.argmax(1)
print(f"{name}: F {tuple(F.shape)}, predicted {c.tolist()}")
print("logits", [round(v, 2) for v in Y.amax(1).tolist()])

# %% [markdown]
# Three lines that you will need. `logits[rows, classes]` takes one logit from each row. `c` may be
# one class for all images; `expand` repeats it. `stack` puts a list of columns side by side.

# %%
one_class = torch.as_tensor(7).expand(len(F))  # the same for c: torch.as_tensor(c).expand(len(F))
print("classes", one_class.tolist())
print("logits of class 7", [round(v, 2) for v in Y[torch.arange(len(F)), one_class].tolist()])
print("stacked", tuple(torch.stack([Y[:, 0], Y[:, 1]], dim=1).shape))

# %% [markdown]
# ## Exercise 12.1: what is a channel worth?
# *●●●○○ · about 15 minutes*
#
# To take something out of a network and see what is lost is called **ablation**. Let $y$ be the
# logit of class $c$, and $y_k$ the same logit after channel $k$ was set to zero at all places. The
# paper's weight is the relative drop:
#
# $$ w_k = \frac{y - y_k}{y} $$
#
# There is a trap. A positive weight shall mean: *this channel helps the class.* What does the
# formula say when $y$ is negative? Repair it so that the sign is always right and the size stays
# the same. In one batch some images may have a positive $y$ and some a negative one.
#
# `classifier` maps `F` (N, K, h, w) to logits (N, C). `c` is one class, or one for each image.
# Return (N, K). No logit of class c is exactly zero. Do not change `F` itself: `F.clone()` copies.


# %% tags=["exercise", "12.1"]
def ablation_weights(classifier, F: Tensor, c: int | Tensor) -> Tensor:
    """The relative drop of the logit without each channel: F (N, K, h, w) -> (N, K)."""
    ### BEGIN SOLUTION
    rows, classes = torch.arange(len(F)), torch.as_tensor(c).expand(len(F))
    y = classifier(F)[rows, classes]
    drops = []
    for k in range(F.shape[1]):
        without_k = F.clone()
        without_k[:, k] = 0
        drops.append(y - classifier(without_k)[rows, classes])
    return torch.stack(drops, dim=1) / y.abs()[:, None]
    ### END SOLUTION


# %%
check("12.1", ablation_weights)

# %% [markdown]
# Now compare with the truth. The drop $y - y_k$ must be $W_{c,k}\,\bar F_k$, channel for channel:

# %%
W = net.classifier.weight.detach()
y = Y.gather(1, c[:, None])
w = ablation_weights(digit_classifier, F, c)
contribution = W[c] * F.mean(dim=(2, 3))
difference = (w * y.abs() - contribution).abs().max()
print(f"largest drop {contribution.abs().max():.2f}, largest difference {difference:.1e}")
silent = (F.flatten(2).amax(2) == 0).sum(1)
print(f"channels of {F.shape[1]} that are zero everywhere in the image: {silent.tolist()}")

# %% [markdown]
# The experiment gives the true contribution, to the last digits. (The second line: in each image
# many channels are silent. They find nothing there. Without them nothing changes: their weight is 0.)
#
# **Guess before you go on:** the map is $L = \mathrm{ReLU}(\sum_k w_k F_k)$. Is it, for this
# network, the same as CAM, $\sum_k W_{c,k} F_k$, up to a factor?


# %%
def signed_map(weights: Tensor, F: Tensor) -> Tensor:
    """Σ_k w_k F_k, with its sign."""
    return torch.einsum("nk,nkxy->nxy", weights, F)


def correlation(a: Tensor, b: Tensor) -> float:
    """Correlation of two maps, place by place."""
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


loser = Y.argmin(1)  # the least likely class of each image
asked = {"predicted class": c, "least likely class": loser}
maps_of = {}  # for each question: the logit of the first image, and its three maps
for text, classes in asked.items():
    drop = ablation_weights(digit_classifier, F, classes)
    logit = Y.gather(1, classes[:, None])
    maps_of[text] = (
        float(logit[0, 0]),
        {
            "CAM": signed_map(W[classes], F)[0],
            "Ablation-CAM, divided by |y|": signed_map(drop, F)[0],
            "the paper's, divided by y": signed_map(drop * logit.sign(), F)[0],
        },
    )
for text, (logit, maps) in maps_of.items():
    cam, ablation, paper = maps.values()
    print(
        f"{text}, logit {logit:.1f}: correlation of Ablation-CAM with CAM "
        f"{correlation(ablation, cam):.2f}, with the paper's version {correlation(ablation, paper):.2f}"
    )

# %% tags=["figure"] jupyter={"source_hidden": true}
white = torch.ones_like(x[0])  # the maps alone, on white
plot.grid(
    [[(x[0], None), *((white, M) for M in maps.values())] for _, maps in maps_of.values()],
    [f"{text},\n{int(asked[text][0])}: logit {logit:.1f}" for text, (logit, _) in maps_of.items()],
    ["image", *(title.replace(", ", ",\n") for title in maps)],
    title="Divided by a negative logit, for and against change places (last map)",
    signed=True,
)
plt.show()

# %% [markdown]
# Two answers are in this picture.
#
# 1. **Ablation-CAM is not CAM.** Its weight is $W_{c,k}\bar F_k/|y|$: each channel is multiplied by
#    its own mean once more. Strong channels get stronger.
# 2. **The trap.** The paper's quotient turns all colours of the second row around. After the ReLU
#    the map would show exactly the places that speak *against* the class. Nobody sees that from the
#    map.
#
# Ablation-CAM needs the network to be cut in two, no more. One article says that it is impossible
# for networks with shortcuts, such as ResNet. That is a limit of its author's program: cut *after*
# the block, as `camlite.split(model, "layer4")` does, and `camlite.ablation_cam` works.
#
# ## Part 2: take a part of the image away
#
# Ablation touches the inside of the network. Score-CAM touches only the image: it lets the network
# look through a **mask**. And where do masks come from? From the feature maps: each of them already
# marks some places.
#
# Two things side by side make the best test, because then everybody can see whether a map is right.
# So we go to the pond: frogs, birds, fish and turtles. The network comes with camlite; it is the
# repaired one of lesson 6. In its training set every animal stood on every ground, and on plain
# grey too, so the ground is no use to it. Its maps are 12×12, its images 48×48. We put two pictures
# side by side and ask: *where is the frog?* and *where is the bird?*

# %%
f = nets.bundled("pond_repaired")
features, classifier = camlite.split(f, "features")
pond = scenes("pond", "flipped", 96)
animals = pond.class_names
print(f"accuracy on {len(pond)} images: {nets.accuracy(f, pond.images, pond.labels):.1%}")

# %% [markdown]
# A network with GAP reads images of any size. We keep pairs where it has both animals in its first
# two places: for those it can be asked about either. `pairs` holds them all; `left` and `right` are
# the classes of the two animals. `x` holds three pairs, and `F` their maps.

# %%
first = torch.arange(80)
second = first + 1 + (first // 4) % 3  # another animal each time
pairs = torch.cat([pond.images[first], pond.images[second]], dim=3)  # 48×96
left, right = pond.labels[first], pond.labels[second]
best_two = f(pairs).topk(2).indices.sort(dim=1).values
sees_both = (best_two == torch.stack([left, right], dim=1).sort(dim=1).values).all(1)
keep = sees_both.nonzero()[: 12 if fast else 80, 0]
pairs, left, right = pairs[keep], left[keep], right[keep]
x, c = pairs[:3], left[:3]
F = features(x)
names = [f"{animals[a]} and {animals[b]}" for a, b in zip(left[:3], right[:3], strict=True)]
print(f"{len(pairs)} pairs; x {tuple(x.shape)}, F {tuple(F.shape)}:", ", ".join(names))

# %% [markdown]
# ## Exercise 12.2: maps become masks
# *●●○○○ · about 12 minutes*
#
# $$ H_k = s\big(\mathrm{Up}(F_k)\big), \qquad s(Z) = \frac{Z - \min Z}{\max Z - \min Z} $$
#
# Each channel of each image becomes a mask with values in $[0, 1]$, as large as the image. Read the
# formula from the inside: which step is first? A channel that is constant marks no place: zeros.
#
# `Z.amin(dim=(2, 3), keepdim=True)` is the minimum of each map, and keeps the axes. You enlarged
# maps with `functional.interpolate` in lesson 3. `torch.where(condition, a, b)` takes `a` where the
# condition holds, else `b`.
#
# `F` is (N, K, h, w), `size` is (H, W). Bilinear, `align_corners=False`. Return (N, K, H, W).


# %% tags=["exercise", "12.2"]
def masks_from_maps(F: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask in [0, 1] from each channel: F (N, K, h, w) -> (N, K, H, W)."""
    ### BEGIN SOLUTION
    Z = functional.interpolate(F, size=size, mode="bilinear", align_corners=False)
    low, high = Z.amin(dim=(2, 3), keepdim=True), Z.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (Z - low) / (high - low), torch.zeros_like(Z))
    ### END SOLUTION


# %%
check("12.2", masks_from_maps)

# %% [markdown]
# Does the order matter? Take one bright pixel in a map of 3×3, and make it a mask of 12×12, both
# ways.

# %%
dot = torch.zeros(1, 1, 3, 3)
dot[0, 0, 1, 1] = 5.0
right_order = masks_from_maps(dot, (12, 12))
other_order = functional.interpolate(masks_from_maps(dot, (3, 3)), size=(12, 12), mode="bilinear")
print(
    f"largest value: {right_order.max():.3f} enlarged first, {other_order.max():.3f} scaled first"
)

# %% [markdown]
# With the other order no pixel of the mask reaches 1: every masked image would be a little too
# dark. Here are four of the 64 masks of the first pair.

# %% tags=["figure"] jupyter={"source_hidden": true}
H = masks_from_maps(F, (48, 96))
strongest = F[0].flatten(1).std(1).argsort(descending=True)[::16]
figure, axes = plt.subplots(2, 5, figsize=(12, 3.1), layout="constrained")
for axis, k in zip(axes.T[1:], strongest.tolist(), strict=True):
    drawn = axis[0].imshow(H[0, k], cmap="magma", vmin=0, vmax=1)
    axis[0].set_title(f"mask of channel {k}", fontsize=10)
    axis[1].imshow((x[0] * H[0, k]).permute(1, 2, 0))
axes[0, 0].axis("off")
axes[1, 0].imshow(x[0].permute(1, 2, 0))
axes[1, 0].set_title("image", fontsize=10)
axes[1, 1].set_title("image ∘ mask", fontsize=10)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes[0], label="share that\npasses")
figure.suptitle(f"A {names[0].replace('and ', 'and a ')}, through their own feature maps")
plt.show()

# %% [markdown]
# ## A formula from the web
#
# How good is a mask? Score-CAM calls the answer **increase of confidence**. A well-written article,
# *CAM, Grad-CAM và Score-CAM trong CNN*, from which many readers learn this method, gives it like
# this, with a **baseline** image $X_b$:
#
# $$ C_k = f_c(X_b \circ H_k) - f_c(X_b), \qquad \alpha_k = \frac{e^{C_k}}{\sum_j e^{C_j}} $$
#
# where $\circ$ is the product pixel by pixel, and $X_b$ is usually a black image. Do not believe
# it, and do not doubt it either. Run it! **Guess first:** which of the 64 channels will get the
# largest weight?
#
# `masks[:, k, None]` below is (N, 1, H, W): one mask for all colours of a pixel.


# %%
def as_in_the_article(f, x: Tensor, masks: Tensor, c: Tensor, baseline: Tensor) -> Tensor:
    """C_k = f_c(X_b ∘ H_k) − f_c(X_b), letter by letter."""
    n = torch.arange(len(x))
    before = f(baseline)[n, c]
    return torch.stack(
        [f(baseline * masks[:, k, None])[n, c] - before for k in range(masks.shape[1])], dim=1
    )


H = masks_from_maps(F, (48, 96))
black = torch.zeros_like(x)
C_article = as_in_the_article(f, x, H, c, black)
α_article = C_article.softmax(1)
print(f"C: from {C_article.min():.1e} to {C_article.max():.1e}")
print(f"α of the first pair: from {α_article[0].min():.5f} to {α_article[0].max():.5f}")
print(f"1/64 is {1 / 64:.5f}")

# %% [markdown]
# None gets the largest weight: all channels get the same, for every image and for every class. This
# "Score-CAM" is the plain mean of the feature maps. The map would still look like a heat map! Stop
# here, and find the mistake. Which letter should be in the formula, and is not?
#
# ## Exercise 12.3: increase of confidence
# *●●●○○ · about 12 minutes*
#
# Write the formula as it must be. Equation 6 of the paper has the right one: the mask lies on the
# image that we explain; the baseline is only there to compare with. (The article comes to its
# formula from a definition for single inputs, with $H_i = [1, \dots, x_i, \dots, 1]$. The paper
# has there a vector of zeros with a single 1. Start from Equation 6.)
#
# `f` maps images (N, C, H, W) to logits. `x` and `baseline` have the same shape. `masks` is (N, K,
# H, W): one mask covers all colours of a pixel. Return the $C_k$, (N, K), as they are: no softmax
# yet.


# %% tags=["exercise", "12.3"]
def increase_of_confidence(
    f, x: Tensor, masks: Tensor, c: int | Tensor, baseline: Tensor
) -> Tensor:
    """How much better than the baseline each masked image does for class c -> (N, K)."""
    ### BEGIN SOLUTION
    rows, classes = torch.arange(len(x)), torch.as_tensor(c).expand(len(x))
    scores = [f(x * masks[:, k, None])[rows, classes] for k in range(masks.shape[1])]
    return torch.stack(scores, dim=1) - f(baseline)[rows, classes][:, None]
    ### END SOLUTION


# %%
check("12.3", increase_of_confidence)

# %%
C = increase_of_confidence(f, x, H, c, black)
for n, text in enumerate(names):
    print(
        f"{text:18s} C of the {animals[c[n]]}: from {C[n].min():6.2f} to {C[n].max():6.2f}, "
        f"negative for {int((C[n] < 0).sum())} of 64"
    )

# %% [markdown]
# ## Does the baseline matter?
#
# Black, grey, a blurred image: people argue about the right baseline. Take paper and pencil. Write
# down $\alpha_k$ with the $C_k$ of Equation 6, and take the factor $e^{-f_c(X_b)}$ out of both
# sums. You need two lines. What is left of the baseline? Then look at the numbers:

# %%
baselines = {
    "black": black,
    "the image itself": x,
    "noise": torch.rand(x.shape, generator=torch.Generator().manual_seed(0)),
}
changes = {}
for text, baseline in baselines.items():
    C_b = increase_of_confidence(f, x, H, c, baseline)
    changes[text] = float((C_b.softmax(1) - C.softmax(1)).abs().max())
    print(f"{text:17s} mean C {C_b.mean():7.2f}   largest change of a weight {changes[text]:.0e}")

# %% [markdown]
# Nothing is left of it: $C$ moves, the weights do not. (What differs is rounding.) So the baseline of
# Equation 6 is *not* what stands in the hole. Keep the two apart: the **baseline** is compared with,
# the **fill** is what the network sees in the hidden part.
#
# ## Exercise 12.4: Score-CAM
# *●●○○○ · about 10 minutes*
#
# This is the paper's Algorithm 1:
#
# $$ \alpha_k = \frac{e^{C_k}}{\sum_j e^{C_j}}, \qquad L = \mathrm{ReLU}\Big(\sum_k \alpha_k F_k\Big) $$
#
# $C_k$ is made of logits, the softmax goes over the **channels**, and the ReLU stands around the
# sum. One thing that the formula does not say, but the authors' code does: a constant channel has
# no mask. It was not tested, so it gets the weight 0, and the other weights sum to 1. This helps:

# %%
some_C = torch.tensor([2.0, -1.0, 2.0])
untested = torch.tensor([False, True, False])
print(some_C.masked_fill(untested, -torch.inf).softmax(0).tolist())

# %% [markdown]
# `F` are the maps of the images `x`. Return (N, h, w). Use your functions of 12.2 and 12.3.


# %% tags=["exercise", "12.4"]
def score_cam(f, F: Tensor, x: Tensor, c: int | Tensor) -> Tensor:
    """Score-CAM of class c: F (N, K, h, w), x (N, C, H, W) -> (N, h, w)."""
    ### BEGIN SOLUTION
    H = masks_from_maps(F, x.shape[2:])
    C = increase_of_confidence(f, x, H, c, torch.zeros_like(x))
    constant = F.amax(dim=(2, 3)) == F.amin(dim=(2, 3))
    α = C.masked_fill(constant, -torch.inf).softmax(1)
    return torch.einsum("nk,nkxy->nxy", α, F).relu()
    ### END SOLUTION


# %%
check("12.4", score_cam)

# %%
L = score_cam(f, F, x, c)
difference_to_library = float((L - camlite.score_cam(f, "features", x, c)).abs().max())
print(f"L {tuple(L.shape)}; difference to camlite.score_cam: {difference_to_library:.0e}")

# %% [markdown]
# ## Part 3: black or mean colour?
#
# Is Score-CAM a good method? Before we judge it, let us list what *we* chose, and no formula told us.
# The first choice is hidden in one sign: $X \circ H_k$. Where the mask is 0, the product is 0. And
# what is 0? On our images, 0 is **black**. In the paper's experiments, and in all programs that we
# have read, the mean is subtracted from each image before the network sees it. There, 0 is the
# **mean colour** of the data. Same formula, another picture.
#
# Test it with a mask that is perfect. We know every pixel of every animal. Cut it out along its
# outline, and put it on black, on the mean colour, on white. **Guess:** how many of the 96 animals
# does the network recognise on each?

# %%
mean_colour = pond.images.mean(dim=(0, 2, 3))[:, None, None]  # (3, 1, 1)
fills = {"black": torch.zeros(3, 1, 1), "mean colour": mean_colour, "white": torch.ones(3, 1, 1)}
outline = pond.object_mask[:, None].float()
recognised, says_to_nothing, called = {}, {}, {}
for text, fill in fills.items():
    cut_out = f(pond.images * outline + fill * (1 - outline)).argmax(1)
    recognised[text] = float((cut_out == pond.labels).float().mean())
    called[text] = {animals[j]: int((cut_out == j).sum()) for j in range(4)}
    says_to_nothing[text] = f(fill.expand(1, 3, 48, 48))[0]  # the logits of the fill alone
    j = int(says_to_nothing[text].argmax())
    print(
        f"{text:12s} {recognised[text]:4.0%} recognised, called {called[text]}; "
        f"nothing but {text}: {animals[j]}, logit {says_to_nothing[text][j]:.1f}"
    )
usual = float(f(pond.images).amax(1).mean())
print(f"mean logit of the winner on whole images: {usual:.1f}")

# %% [markdown]
# On black, all 96 animals are called *bird*, also the frogs, with the best mask that there is. Why?
# The last column says it: **black itself is a bird**, and with a larger logit than a real animal
# usually gets. Nothing like it was in the training set; it is **off-distribution**, and the network
# must still give an answer. On the mean colour the same outlines are nearly all recognised: this
# colour is close to the plain grey ground, which the network knows from its training. White is in
# between. A mask cannot show what it hides if the fill shouts louder than the animal.
#
# So let us make the experiment of today: all pairs, both questions, two fills. Your functions can
# do it without a change, if 0 *means* the mean colour: give them $z = x - \text{mean}$ and a network
# that adds the mean again, because
# $z \circ H + \text{mean} = x \circ H + \text{mean} \circ (1 - H)$.


# %%
def f_centred(z: Tensor) -> Tensor:
    """The same network, for images whose mean colour is 0."""
    return f(z + mean_colour)


L_black, L_mean = score_cam(f, F, x, c), score_cam(f_centred, F, x - mean_colour, c)
for n, text in enumerate(names):
    print(f"{text}: correlation of the two maps {correlation(L_black[n], L_mean[n]):.2f}")

# %% [markdown]
# ## One name, several methods
#
# The second choice: the **score**, and what becomes of it. The paper's notation says probability,
# its Algorithm 1 says logit and softmax over channels, its Equations 6 and 10 have no softmax. The
# authors' code takes the probability itself, without softmax over channels and without baseline. An
# article (*CAMの発展と実装*) compares with the whole image; its program fills with a blurred copy,
# takes log-odds and only the strongest channels. All are called Score-CAM.
#
# The masked images are the same for all of them. So we ask the network once for each fill, keep all
# logits, and write the variants as weights. As a measure we take the share of the heat in the half
# with the animal that was asked for. A map that knows nothing has 0.5.
#
# **Guess:** probabilities lie in $[0, 1]$. What does the softmax over 64 channels make of them? And
# which moves the share more, the fill or the variant?


# %%
N, K = len(pairs), F.shape[1]
F_pairs = features(pairs)
H_pairs = masks_from_maps(F_pairs, (48, 96))
alive = F_pairs.amax((2, 3)) > F_pairs.amin((2, 3))  # a constant channel was not tested
rows = torch.arange(N)


def masked_logits(fill: Tensor) -> Tensor:
    """The logits of every masked image, (N, K, classes)."""
    holes = 1 - H_pairs
    return torch.stack(
        [f(pairs * H_pairs[:, k, None] + fill * holes[:, k, None]) for k in range(K)], dim=1
    )


def softmax_over_channels(C: Tensor) -> Tensor:
    return C.masked_fill(~alive, -torch.inf).softmax(1)


def all_variants(logits: Tensor, fill: Tensor, c: Tensor) -> dict[str, Tensor]:
    """The weights (N, K) of each method that is called Score-CAM, for the classes c (N,)."""
    Y, P = logits[rows, :, c], logits.softmax(2)[rows, :, c]
    whole, empty = f(pairs)[rows, c], f(fill.expand_as(pairs))[rows, c]
    return {
        "probability, softmax": softmax_over_channels(P),
        "logit, softmax (Alg. 1)": softmax_over_channels(Y),
        "probability (authors' code)": P * alive,
        "logit − whole image": (Y - whole[:, None]) * alive,
        "logit − fill (Eq. 6, 10)": (Y - empty[:, None]) * alive,
    }


def share(maps: Tensor) -> Tensor:
    """The share of the heat in the half with the asked animal; NaN where the map is blank."""
    heat, half = maps.relu(), maps.shape[2] // 2
    in_left, total = heat[:, :, :half].sum((1, 2)), heat.sum((1, 2))
    asked_left = torch.arange(len(maps)) < N
    return torch.where(asked_left, in_left, total - in_left) / total


masked = {text: masked_logits(fills[text]) for text in ("black", "mean colour")}
both = torch.cat([F_pairs, F_pairs])  # first all questions for the left animal, then for the right
maps = {"mean of all maps": both.mean(1)}
for text, method in {"CAM": camlite.cam, "Ablation-CAM": camlite.ablation_cam}.items():
    maps[text] = torch.cat([method(f, "features", pairs, classes) for classes in (left, right)])
K_eff = {}  # 1 / Σ α²: how many channels share the weight
for fill_name, logits in masked.items():
    weights_left, weights_right = (
        all_variants(logits, fills[fill_name], classes) for classes in (left, right)
    )
    for variant in weights_left:
        α = torch.cat([weights_left[variant], weights_right[variant]])
        maps[variant, fill_name] = signed_map(α, both).relu()
        K_eff[variant, fill_name] = float((1 / α.square().sum(1)).median())
shares = {text: float(share(M).nanmean()) for text, M in maps.items()}
blank = {text: int(share(M).isnan().sum()) for text, M in maps.items()}
for text in ("mean of all maps", "CAM", "Ablation-CAM"):
    print(f"{text:28s} share {shares[text]:.2f}")
print(f"\n{'share (blank maps of ' + str(2 * N) + ')':28s}{'black':>12s}{'mean colour':>16s}")
variants = list(weights_left)
for variant in variants:
    cells = [f"{shares[variant, t]:.2f} ({blank[variant, t]})" for t in masked]
    print(f"{variant:28s}{cells[0]:>12s}{cells[1]:>16s}")
asked_for = [animals[j] for j in torch.cat([left, right])]
empty_maps = share(maps["logit − fill (Eq. 6, 10)", "black"]).isnan()
blank_birds = sum(a == "bird" for a, e in zip(asked_for, empty_maps, strict=True) if e)
print(
    f"Eq. 10 on black: {blank_birds} of the {int(empty_maps.sum())} blank maps ask for a bird,",
    end=" ",
)
print(f"as {asked_for.count('bird')} of all {2 * N} questions do")

# %% [markdown]
# Read the first column alone, and you would write: "Score-CAM is far behind CAM, whatever the
# variant." Read the second: the same method, the same network, the same images, and with Equations 6
# and 10 it comes near to CAM. **Most of the case against that Score-CAM was our black.**
#
# Which moves the share more? Without softmax over channels, both the fill and the variant move it a
# lot. Where the softmax stands, the fill changes little:

# %%
print(f"effective number of channels 1/Σα², of {K} (median of {2 * N} maps)")
for variant in variants[:2]:
    print(f"{variant:28s}" + "   ".join(f"{t} {K_eff[variant, t]:5.1f}" for t in masked))
of_frog, of_rival = maps[variants[0], "mean colour"][[0, N]]
print(f"'{variants[0]}': correlation of the maps for both animals of the first pair")
print(f"{correlation(of_frog, of_rival):.3f}, with the mean colour")

# %% [markdown]
# * **Probability and softmax.** Two weights can differ by the factor $e$ and no more. So nearly all
#   channels share the weight, and the map is almost the mean of all maps: the same picture for both
#   animals. With the 2048 channels of ResNet50 no channel can get more than $e/2048$.
# * **Any softmax over channels.** All $\alpha_k$ are positive, also for channels that speak
#   *against* the class. $F \ge 0$ after a ReLU layer, so every channel adds heat, nothing takes any
#   away, and the ReLU around the sum never acts. The paper saw it too: its Figure 5 shows weights
#   from logits that light up both animals.
# * **Without softmax** $C_k$ may be negative: channels of the wrong animal are subtracted. But now
#   the baseline does not cancel. Compared with the whole image, most masked images are worse, most
#   weights are negative, and many maps are blank; the table says how many. Its share counts only
#   the maps that are left. Compared with black, it is the bird that suffers: most blank maps ask for
#   it. A masked image is seldom a better bird than black is.
#
# The library has all of these. Here it says the same as our table, for the first three pairs, with 0
# as the mean colour:


# %%
class Centred(nn.Module):
    """A network for images whose mean colour is 0."""

    def __init__(self, net: nn.Module, mean_colour: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean_colour", mean_colour)

    def forward(self, z: Tensor) -> Tensor:
        return self.net(z + self.mean_colour)


options = {
    "logit, softmax (Alg. 1)": {},
    "logit − fill (Eq. 6, 10)": {"channel_softmax": False},
    "probability (authors' code)": {
        "probability": True,
        "channel_softmax": False,
        "baseline": None,
    },
}
library_differences = {}
for variant, chosen in options.items():
    M = camlite.score_cam(Centred(f, mean_colour), "net.features", x - mean_colour, c, **chosen)
    ours = maps[variant, "mean colour"][:3]
    library_differences[variant] = float((M - ours).abs().max() / ours.max())
    print(f"{variant:28s} relative difference {library_differences[variant]:.0e}")

# %% [markdown]
# ## Does it say what the channels do?
#
# On both networks of today we know what each channel really adds to the logit: $W_{c,k}\bar F_k$. If
# Score-CAM asks the right question, a channel that adds more should get more confidence. We compare
# the two orders with a rank correlation: 1 means the same order, 0 means no relation. We also count
# how many masked images get the same answer as the fill alone.


# %%
def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's: the correlation of the ranks of two vectors."""
    ranks = torch.stack([v.argsort().argsort().float() for v in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])


def agreement(model: nn.Module, pictures: Tensor, fill: Tensor) -> tuple[float, float]:
    """Mean rank correlation of C_k with the true contribution; share of answers of the fill."""
    F, c = model.features(pictures), model(pictures).argmax(1)
    H = masks_from_maps(F, pictures.shape[2:])[:, :, None]
    Y = torch.stack([model(x * h + fill * (1 - h)) for x, h in zip(pictures, H, strict=True)])
    true = model.classifier.weight[c] * F.mean(dim=(2, 3))
    alive = F.amax((2, 3)) > F.amin((2, 3))
    of_fill = model(fill.expand_as(pictures[:1])).argmax()
    ranks = [rank_correlation(Y[n, k, c[n]], true[n, k]) for n, k in enumerate(alive)]
    return sum(ranks) / len(ranks), float((Y.argmax(2) == of_fill)[alive].float().mean())


count = 8 if fast else 24
tested = {
    ("pond", "black"): (f, pond.images, fills["black"]),
    ("pond", "mean colour"): (f, pond.images, mean_colour),
    (name, "black"): (net, images, torch.zeros(1, 1, 1)),
}
agreements = {}
for (text, fill_name), (model, pictures, fill) in tested.items():
    agreements[text, fill_name] = agreement(model, pictures[:count], fill)
    r, same = agreements[text, fill_name]
    print(
        f"{text:7s}{fill_name:12s} rank correlation {r:5.2f}; "
        f"{same:4.0%} of the masked images get the answer of the fill alone"
    )

# %% [markdown]
# Ablation would get 1 here: with GAP and one linear layer it measures the contribution itself. For the
# pond the fill explains much of the disagreement: with the mean colour the order fits far better. For
# the digits there is no relation at all, and their ground *is* black, so the fill is not to blame.
# The second number shows what all three have in common: one channel is a small window, and through
# most of these windows the network says what it says to the fill alone. It says so with logits that
# differ a little, and the $C_k$ are these differences. Do they still mean something? On the pond,
# yes; on the digits, no. We do not know why. It is another question anyway: not "what does this
# channel add?", but "how well is the image recognised through this window?"
#
# ## What was published
#
# The paper judges maps with the **average drop**: multiply the image by its map, and see what share
# of the class's probability is lost (lower is better). VGG16, 2000 images of ImageNet: Grad-CAM 47.8
# percent, Grad-CAM++ 45.5, **Score-CAM 31.5**. (A localisation test in the LayerCAM paper goes the
# other way: Grad-CAM 43.62 percent right, Score-CAM 39.51.)
#
# Our table said that CAM is better. Let us measure as the paper does, on single animals. This measure lays
# a mask on the image too. So it needs a fill as well! **Guess** what black does to it.

# %%
is_right = f(pond.images).argmax(1) == pond.labels
singles, c_singles = pond.images[is_right], pond.labels[is_right]
singles, c_singles = (singles[:24], c_singles[:24]) if fast else (singles, c_singles)
before = f(singles).softmax(1).gather(1, c_singles[:, None])[:, 0]
centred = Centred(f, mean_colour)
judged = {
    "random": torch.rand(len(singles), 12, 12, generator=torch.Generator().manual_seed(0)),
    "mean of all maps": features(singles).mean(1),
    "CAM": camlite.cam(f, "features", singles, c_singles).relu(),
    "Score-CAM, black": camlite.score_cam(f, "features", singles, c_singles),
    "Score-CAM, mean colour": camlite.score_cam(
        centred, "net.features", singles - mean_colour, c_singles
    ),
}
drops = {}
print(f"average drop on {len(singles)} images{'black':>10s}{'mean colour':>14s}")
for text, M in judged.items():
    heat = camlite.heatmap(M, (48, 48))[:, None]
    for fill_name in masked:
        after = f(singles * heat + fills[fill_name] * (1 - heat)).softmax(1)
        after = after.gather(1, c_singles[:, None])[:, 0]
        drops[text, fill_name] = float(metrics.average_drop(before, after))
    print(f"{text:28s}{drops[text, 'black']:10.1f}{drops[text, 'mean colour']:14.1f}")

# %% [markdown]
# With black the measure is useless: a *random* map is as good as CAM. (Three of four animals lose
# everything, because the black picture is a bird, and the birds lose nothing.) With the mean colour
# the random map is last, and Score-CAM, made with the mean colour too, has a lower drop than CAM: what
# the paper reports, in small. But the mean of all maps, which knows nothing of the class, is nearly as
# good as CAM. And think once more. The average drop asks the network about a masked image, and
# Score-CAM chose its weights by asking the network about masked images. It is good at the question
# that it was made from. The share above is another question, and there CAM is first.
#
# ## A real network
#
# Is black always so harmful? If the weights of a torchvision network that ends in GAP and one linear
# layer are in your data folder (`camlite doctor` shows it), and the photograph too, we ask a network
# that has seen a million photographs: where is the dog (*bull mastiff*), where is the cat (*tiger
# cat*)? All channels would take minutes. We take those that vary most, as in *Faster-Score-CAM*.

# %%
photo = data.find("photos/cat_dog.jpg")
found = [n for n in ("mobilenet_v2", "resnet18", "resnet50") if n in weights.at_hand()]
real_name = found[0] if found and photo is not None else None
real_maps, real_apart = {}, {}
if real_name is None:
    print("no real network and photograph at hand: the next figure is left out")
else:
    dog, cat = 243, 282
    network = weights.pretrained(real_name)
    big = network.model
    layer = "features" if real_name == "mobilenet_v2" else "layer4"
    seen, z = weights.preprocess(data.load_image(photo))  # z: the mean subtracted, scaled
    F_big = camlite.split(big, layer)[0](z)
    some = F_big[0].flatten(1).var(1).argsort(descending=True)[: 32 if fast else 64]
    H_big = masks_from_maps(F_big[:, some], z.shape[2:])[0][:, None]
    p = big(z).softmax(1)[0]
    black_z = (0 - torch.tensor(weights.MEAN)) / torch.tensor(weights.STD)
    start = time.perf_counter()
    for text, fill in {
        "black": black_z[:, None, None],
        "mean colour": torch.zeros(3, 1, 1),
    }.items():
        Y_big = torch.cat([big(z * h + fill * (1 - h)) for h in H_big.split(16)])
        α_dog, α_cat = Y_big[:, dog].softmax(0), Y_big[:, cat].softmax(0)
        real_maps[text] = signed_map(
            torch.stack([α_dog, α_cat]), F_big[:, some].expand(2, -1, -1, -1)
        )
    per_run = (time.perf_counter() - start) / (2 * len(some))
    real_maps["CAM"] = torch.cat([camlite.cam(big, layer, z, k).relu() for k in (dog, cat)])
    print(
        f"{real_name}: dog {p[dog]:.3f}, cat {p[cat]:.1e}; {len(some)} of {F_big.shape[1]} channels"
    )
    for text, (of_dog, of_cat) in real_maps.items():
        real_apart[text] = correlation(of_dog, of_cat)
        print(f"{text:12s} correlation of the dog's map with the cat's map {real_apart[text]:5.2f}")
    between, near_cam = (
        sum(correlation(a, b) for a, b in zip(real_maps["mean colour"], others, strict=True)) / 2
        for others in (real_maps["black"], real_maps["CAM"])
    )
    print(f"Score-CAM (Alg. 1), mean correlation: black with mean colour {between:.2f}, ", end="")
    print(f"mean colour with CAM {near_cam:.2f}")
    p_black = big(black_z[:, None, None].expand_as(z)).softmax(1)[0]
    black_is = network.categories[int(p_black.argmax())]
    print(f"a black picture: {black_is}, probability {p_black.max():.2f}")
    print(
        f"all {F_big.shape[1]} channels would take {F_big.shape[1] * per_run:.0f} s for each fill"
    )

# %% tags=["figure"] jupyter={"source_hidden": true}
if real_name is not None:
    real_heat = [camlite.heatmap(real_maps[t], seen.shape[2:]) for t in ("CAM", *masked)]
    plot.grid(
        [[(seen[0], None), *((seen[0], heat[n]) for heat in real_heat)] for n in (0, 1)],
        ["where is\nthe dog?", "where is\nthe cat?"],
        ["image", "CAM", *(f"Score-CAM,\n{fill}" for fill in masked)],
        title=f"{real_name}: dog and cat are told apart with either fill",
    )
    plt.show()

# %% [markdown]
# We ran it with MobileNetV2: with black and with the mean colour the maps are nearly the same, the
# dog's map and the cat's map are far apart, and Algorithm 1 is close to CAM. To this network a black
# picture is no animal, and it is not sure of it. So "Score-CAM lights up both animals" was true for our pond
# network, and it is not a law. One network is not a study, and neither is one photograph.
#
# ## What does it cost?
#
# Score-CAM runs the **whole** network once for each channel. The usual cure is to take fewer channels.
# **Guess:** how many of the 64 do we need before the map looks like the full one? We have all logits
# already, so trying costs nothing.

# %%
order = F_pairs.flatten(2).std(2).argsort(dim=1, descending=True)
curve = {}  # channels used -> (correlation with the full map, share)
for used in (1, 2, 4, 8, 16, 32, 64):
    dropped = torch.ones(N, K, dtype=torch.bool).scatter(1, order[:, :used], False)
    fewer = torch.cat(
        [
            signed_map(C.masked_fill(dropped | ~alive, -torch.inf).softmax(1), F_pairs)
            for C in (masked["mean colour"][rows, :, classes] for classes in (left, right))
        ]
    )
    full = maps["logit, softmax (Alg. 1)", "mean colour"]
    alike = sum(correlation(a, b) for a, b in zip(fewer, full, strict=True)) / len(full)
    curve[used] = alike, float(share(fewer).nanmean())
    print(
        f"{used:2d} channels: correlation with the full map {alike:.2f}, share {curve[used][1]:.2f}"
    )

eight, asked_first = pairs[:8], left[:8]
methods = {
    "CAM": camlite.cam,
    "Grad-CAM": camlite.grad_cam,
    "Ablation-CAM": camlite.ablation_cam,
    "Score-CAM": camlite.score_cam,
}
costs = dict.fromkeys(methods, float("inf"))
for _ in range(3):  # the fastest of three: other programs disturb the clock
    for text, method in methods.items():
        start = time.perf_counter()
        method(f, "features", eight, asked_first)
        costs[text] = min(costs[text], 1000 * (time.perf_counter() - start) / len(eight))
for text, cost in costs.items():
    print(f"{text:14s} {cost:7.2f} ms for each map")

# %% [markdown]
# Half of the channels can go, and nothing changes. With 8 it is another map, and not a better one.
# Ablation-CAM is cheap here because camlite sees GAP and one linear layer, and uses
# $W_{c,k}\bar F_k$ instead of 64 runs. Score-CAM has no such short way: 64 runs of the whole
# network here, 2048 runs with ResNet50. (The times were measured just now, on your machine.)
#
# ## The whole lesson in one picture


# %% tags=["figure"] jupyter={"source_hidden": true}
GREY = 0.5  # how dark the picture under the heat is
BLACK, MEAN = "0.15", "#d95f02"


def with_heat(axis, image: Tensor, heat: Tensor):
    """The picture, darker, and the heat on it: where there is none, the picture stays visible."""
    axis.imshow(GREY * plot.picture(image), cmap="gray", vmin=0, vmax=1)
    return axis.imshow(heat, cmap="magma", vmin=0, vmax=1, alpha=heat.sqrt() * 0.9)


figure = plt.figure(figsize=(13, 5.6), layout="constrained")
above, below = figure.subfigures(1, 2, width_ratios=(1.25, 1))
equation = "logit − fill (Eq. 6, 10)"
columns = {
    "CAM": "CAM",
    "Score-CAM, Eq. 10\non black": (equation, "black"),
    "Score-CAM, Eq. 10\non mean colour": (equation, "mean colour"),
}
axes = above.subplots(4, 1 + len(columns))
for i, row in enumerate(axes):
    n, is_right_one = i // 2, i % 2
    row[0].imshow(pairs[n].permute(1, 2, 0))
    animal = animals[(right if is_right_one else left)[n]]
    row[0].set_ylabel(f"where is\nthe {animal}?", rotation=0, ha="right", va="center")
    for axis, key in zip(row[1:], columns.values(), strict=True):
        heat = camlite.heatmap(maps[key][n + N * is_right_one][None].relu(), (48, 96))[0]
        drawn = with_heat(axis, pairs[n], heat)
        if not heat.any():
            axis.text(48, 24, "blank", color="white", ha="center", va="center")
for axis, text in zip(axes[0], ["image", *columns], strict=True):
    axis.set_title(text, fontsize=10)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
bar = above.colorbar(drawn, ax=axes, shrink=0.7, label="evidence, 0 to the map's own maximum")
plot.opaque(bar)
above.suptitle("Same network, same image, same formula: only the fill differs")

axis = below.subplots()
for place, variant in enumerate(variants):
    a, b = shares[variant, "black"], shares[variant, "mean colour"]
    axis.plot([a, b], [place, place], color="0.7", linewidth=3, zorder=1)
    axis.scatter([a], [place], color=BLACK, marker="s", s=70, label="black" if not place else None)
    axis.scatter([b], [place], color=MEAN, s=80, label="mean colour" if not place else None)
axis.axvline(0.5, color="gray", linestyle=":")
axis.axvline(shares["CAM"], color="gray")
axis.text(0.5, -0.75, "knows nothing", ha="center", color="0.3", fontsize=9)
axis.text(shares["CAM"], -0.75, "CAM", ha="center", color="0.3", fontsize=9)
blanks = [f"{v}\nblank: {blank[v, 'black']} / {blank[v, 'mean colour']}" for v in variants]
axis.set_yticks(range(len(variants)), blanks, fontsize=9)
axis.set(ylim=(len(variants) - 0.5, -0.6), xlim=(0.35, 1))
axis.set_xlabel(f"share of the heat on the asked animal, n = {2 * N}")
axis.legend(title="fill", loc=(0.5, 0.72))
below.suptitle("Five methods called Score-CAM: what the fill changes")
plt.show()

# %% [markdown]
# (The seam between two pictures is an edge that no training image had: off-distribution again, and
# this time we made it ourselves.)
#
# **Today's question was: how much of the answer comes from what we put into the hole?** On our pond:
# enough to change the verdict. The network does not lie, but it answers the picture that it gets, fill
# included. "How well is the frog recognised through this window, with black around it?" is not "where
# is the frog?" Before you call a method bad, change what you chose yourself: the fill, the score, the
# network. Before you call it good, too.
#
# ## Try this
#
# * White is a fill as well. Run the big table with `fills["white"]`. Where does it come to lie? First
#   guess, from the line about white in Part 3.
# * Take the network of lesson 6 that was *not* repaired, `nets.bundled("pond_biased")`. It never saw
#   plain grey. Are the outlines on the mean colour still recognised?
# * A blurred copy of the image as fill: `camlite.perturb.strong_blur(pairs)` in place of `fill`.

# %% [markdown]
# ## Once more
#
# *From lesson 8, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercises 8.2 and 8.3, without `backward`. The pond network ends in GAP and one linear layer, so
# you know the gradient of the logit by hand. Write the weights α of Grad-CAM for the three pairs
# in `x` and the classes `c`, (3, 64).

# %%
α_by_hand = torch.zeros(3, 64)  # your line here
by_gradient = camlite.grad_cam(f, "features", x, c)
off = float((signed_map(α_by_hand, F).relu() - by_gradient).abs().max())
print(f"largest value of the map {by_gradient.max():.3f}, largest difference {off:.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `α_by_hand = f.classifier.weight[c] / F[0, 0].numel()`: the row of the class, divided by the
# number of places. What is left is rounding.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 12` asks them again, also next week.
#
# **1.** A class has the logit `y = −4`. Without channel k it is `y_k = −6`. Does the channel help
# the class? What do `(y − y_k) / y` and `(y − y_k) / |y|` say?
#
# <details><summary>Answer</summary>
#
# It helps: without it the logit is lower. The drop is −4 + 6 = 2. Divided by −4 it gives −0.5, as
# if the channel spoke against the class. Divided by 4 it gives 0.5.
#
# </details>
#
# **2.** A softmax over two channels makes weights of their scores. How many times larger is the
# first weight if the scores are the probabilities 1 and 0? If they are the logits 10 and 0?
#
# <details><summary>Answer</summary>
#
# e ≈ 2.7 times, which is the most that probabilities can give. With the logits it is e¹⁰ ≈ 22 000
# times: the best channel takes nearly all of the weight.
#
# </details>
#
# **3.** You take another baseline, and its logit is larger by 5. What happens to the weights with
# the softmax over channels? What happens to them without it?
#
# <details><summary>Answer</summary>
#
# With the softmax nothing happens: every term has the same factor e⁻⁵, and it cancels. Without it
# every weight is smaller by 5. Some may now be negative, and the map is another one.
#
# </details>
#
# **4.** (lesson 8) A network ends in GAP and one linear layer, with maps of 2×2. A channel has
# the weight 3, and its map has the mean 0.5. What is its α in Grad-CAM? How far does the logit
# drop without the channel? And what if its map is zero everywhere?
#
# <details><summary>Answer</summary>
#
# α = 3 / 4 = 0.75, and the drop is 3 · 0.5 = 1.5. If the map is zero everywhere, the drop is 0,
# and α is still 0.75. The gradient says what would happen if the channel grew; the ablation says
# what the channel does now.
#
# </details>
#
# **5.** (lesson 6) Of 100 animals that were cut out, 25 are birds. On black, all 100 are called
# *bird*. What is the accuracy, and what is it in the worst group? Which number tells you more?
#
# <details><summary>Answer</summary>
#
# 25 % and 0 %. The first one looks like guessing. The groups tell more: all birds are right and
# no other animal is. The network is not unsure, it always says the same.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * **Ablation-CAM** removes a channel and measures the drop of the score: K runs of the part
#   *after* the layer. With GAP and one linear layer the drop is $W_{c,k}\bar F_k$ exactly, and
#   the map is *not* CAM. Dividing by a negative score turns the map into its opposite.
# * **Score-CAM** makes a mask of each channel, lets the network look through it, and mixes the maps:
#   K runs of the *whole* network.
# * The mask belongs on the image. With the mask on a black baseline all weights are $1/K$, and you
#   would not see it from the picture. Run formulas, also those of good articles; also those of this
#   course.
# * The **baseline** cancels under the softmax over channels:
#   $\alpha_k = \dfrac{e^{f_c(X\circ H_k)}\,e^{-f_c(X_b)}}{\sum_j e^{f_c(X\circ H_j)}\,e^{-f_c(X_b)}} = \dfrac{e^{f_c(X\circ H_k)}}{\sum_j e^{f_c(X\circ H_j)}}$.
#   The **fill** does not cancel anywhere. 0 is black only if nobody subtracted the mean.
# * A fill that the network has never seen is an object of its own: here black is a *bird*.
# * Softmax over channels makes all weights positive, so nothing can speak against the class. With
#   probabilities it also makes them nearly equal.
# * Measures that mask the image (average drop) have the same weakness: lesson 17 measures them.
# * Write down variant, fill and baseline. "Score-CAM" alone does not say it.
#
# **Where to read on.** Score-CAM, Sections 3.1-3.3, Equations 6-10 and Algorithm 1; try to find the
# place where the paper changes from probability to logit. `camlite card score_cam` lists the
# variants. `camlite card group_cam` scores groups of channels: the same idea with fewer forward
# passes. (Some articles call such maps *attention maps*. There is no attention layer in it.)
#
# **Words.** *ablation*: cắt bỏ · 消融 · 消融 · アブレーション. *mask*: mặt nạ · 掩码 · 遮罩 · マスク. *increase
# of confidence*: mức tăng độ tin cậy · 置信度提升 · 置信度增量 · 信頼度の増加. *baseline*: input cơ sở ·
# 基线输入 · 基準輸入 · ベースライン入力.
#
# **Next:** lesson 13 asks the network a hundred times instead of once: averages and paths.
