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
# **Time** 60 minutes · **Difficulty** ●●●○○ · **You need** lesson 3; lesson 8 helps ·
# **At the end** you have two maps that need no gradient, you have found a mistake in a published
# formula by running it, and you have measured what these maps cost and where they fail.
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
# Both sound like plain experiments with plain answers. **So here is today's question: if we only
# ask the network, can the answer be wrong?**
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
from camlite import data, nets
from camlite.course import check, hint
from camlite.data import scenes

fast = bool(os.environ.get("CAMLITE_FAST"))  # shorter loops, for tests
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
features, classifier = camlite.split(net, "features")
x = images[torch.stack([(labels == digit).nonzero()[0, 0] for digit in (7, 2, 0, 4, 3)])]
F = features(x)
Y = classifier(F)
c = Y.argmax(1)
print(f"{name}: F {tuple(F.shape)}, predicted {c.tolist()}")
print("logits", [round(v, 2) for v in Y.amax(1).tolist()])

# %% [markdown]
# ## Exercise 12.1: what is a channel worth?
#
# To take something out of a network and see what is lost is called **ablation**. Let $y$ be the
# logit of class $c$, and $y_k$ the same logit after channel $k$ was set to zero at all places. The
# paper's weight is the relative drop:
#
# $$ w_k = \frac{y - y_k}{y} $$
#
# There is a trap. A positive weight shall mean: *this channel helps the class.* What does the
# formula say when $y$ is negative? Repair it so that the sign is always right and the size stays
# the same.
#
# `classifier` maps `F` (N, K, h, w) to logits (N, C). `c` is one class, or one for each image.
# Return (N, K). No logit of class c is exactly zero.


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
w = ablation_weights(classifier, F, c)
contribution = W[c] * F.mean(dim=(2, 3))
difference = (w * y.abs() - contribution).abs().max()
print(f"largest drop {contribution.abs().max():.2f}, largest difference {difference:.1e}")
dead = F.flatten(2).amax(2) == F.flatten(2).amin(2)
print(f"channels of {F.shape[1]} that are zero everywhere in the image: {dead.sum(1).tolist()}")

# %% [markdown]
# The experiment gives the true contribution. **Guess before you go on:** the map is
# $L = \mathrm{ReLU}(\sum_k w_k F_k)$. Is it, for this network, the same as CAM,
# $\sum_k W_{c,k} F_k$, up to a factor?


# %% tags=["figure"]
def signed_map(weights: Tensor, F: Tensor) -> Tensor:
    """Σ_k w_k F_k, with its sign."""
    return torch.einsum("nk,nkxy->nxy", weights, F)


def to_one(M: Tensor) -> Tensor:
    """Divide by the largest size, keep the sign: only for drawing."""
    return M / M.abs().max().clamp_min(1e-12)


loser = Y.argmin(1)
rows = {
    "predicted class": (c, W[c], w),
    "least likely class": (loser, W[loser], ablation_weights(classifier, F, loser)),
}
figure, axes = plt.subplots(2, 4, figsize=(10, 5), layout="constrained")
for axis, (text, (classes, cam_weights, drop)) in zip(axes, rows.items(), strict=True):
    sign = Y.gather(1, classes[:, None]).sign()
    panels = {
        "CAM": cam_weights,
        "Ablation-CAM, divided by |y|": drop,
        "the paper's, divided by y": drop * sign,
    }
    axis[0].imshow(x[0, 0], cmap="gray")
    axis[0].set_title(f"class {int(classes[0])}, logit {Y[0, classes[0]]:.1f}", fontsize=10)
    axis[0].set_ylabel(text)
    for panel, (title, weights) in zip(axis[1:], panels.items(), strict=True):
        drawn = panel.imshow(to_one(signed_map(weights, F)[0]), cmap="RdBu_r", vmin=-1, vmax=1)
        panel.set_title(title, fontsize=10)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="against   ←   0   →   for", shrink=0.8)
figure.suptitle("CAM and Ablation-CAM, before the ReLU")
plt.show()

# %% [markdown]
# Two answers are in this picture.
#
# 1. **Ablation-CAM is not CAM.** Its weight is $W_{c,k}\bar F_k/|y|$: each channel is multiplied by
#    its own mean once more. Strong channels get stronger.
# 2. **The trap.** The paper's quotient turns all colours of the second row around. With the ReLU
#    behind it, the map would show exactly the places that speak *against* the class. Nobody sees
#    that from the map.
#
# ## Part 2: take a part of the image away
#
# Ablation touches the inside of the network. Score-CAM touches only the image: it lets the network
# look through a **mask**. And where do masks come from? From the feature maps: each of them already
# marks some places.
#
# Two things side by side make the best test, because then everybody can see whether a map is right.
# So we go to the pond: frogs, birds, fish and turtles on four kinds of ground. The network comes
# with camlite; it is the repaired one of lesson 6. In its training set every animal stood on every
# ground, so the ground is no use to it. Its maps are 12×12, its images 48×48. We put two pictures
# side by side and ask: *where is the frog?* and *where is the bird?*

# %%
pond_net = nets.bundled("pond_repaired")
pond = scenes("pond", "flipped", 96)
print(f"accuracy on {len(pond)} images: {nets.accuracy(pond_net, pond.images, pond.labels):.1%}")

# %% [markdown]
# A network with GAP reads images of any size. We keep pairs where it has both animals in its first
# two places: for those it can be asked about either. From now on `f` is this network, `x` holds
# three pairs, and `F` their maps. `left` and `right` are the classes of the two animals.

# %%
f = pond_net
features, classifier = camlite.split(pond_net, "features")
first = torch.arange(0, 80)
second = first + 1 + (first // 4) % 3  # another animal each time
pairs = torch.cat([pond.images[first], pond.images[second]], dim=3)  # 48×96
left, right = pond.labels[first], pond.labels[second]
best_two = f(pairs).topk(2).indices.sort(dim=1).values
sees_both = (
    (best_two == torch.stack([left, right], dim=1).sort(dim=1).values).all(1).nonzero()[:, 0]
)
sees_both = sees_both[: 12 if fast else 24]
pairs, left, right = pairs[sees_both], left[sees_both], right[sees_both]
x, c = pairs[:3], left[:3]
F = features(x)
names = [pond.class_names[label] for label in c]
rivals = [pond.class_names[label] for label in right[:3]]
print(
    f"{len(pairs)} pairs; x {tuple(x.shape)}, F {tuple(F.shape)}:",
    ", ".join(f"{a} and {b}" for a, b in zip(names, rivals, strict=True)),
)

# %% [markdown]
# ## Exercise 12.2: maps become masks
#
# $$ H_k = s\big(\mathrm{Up}(F_k)\big), \qquad s(Z) = \frac{Z - \min Z}{\max Z - \min Z} $$
#
# Each channel of each image becomes a mask with values in $[0, 1]$, as large as the image. Read the
# formula from the inside: which step is first? A channel that is constant marks no place: zeros.
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

# %% tags=["figure"]
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
figure.suptitle(f"A {names[0]} and a {rivals[0]}, through their own feature maps")
plt.show()

# %% [markdown]
# ## A formula from the web
#
# How good is a mask? Score-CAM calls the answer **increase of confidence**. A well-written article,
# from which many readers learn this method, gives it like this, with a **baseline** image $X_b$:
#
# $$ C_k = f_c(X_b \circ H_k) - f_c(X_b), \qquad \alpha_k = \frac{e^{C_k}}{\sum_j e^{C_j}} $$
#
# where $\circ$ is the product pixel by pixel, and $X_b$ is usually a black image. Do not believe
# it, and do not doubt it either. Run it! **Guess first:** which of the 64 channels will get the
# largest weight?


# %%
def as_in_the_article(f, x: Tensor, masks: Tensor, c: Tensor, baseline: Tensor) -> Tensor:
    """C_k = f_c(X_b ∘ H_k) − f_c(X_b), letter by letter."""
    n = torch.arange(len(x))
    before = f(baseline)[n, c]
    return torch.stack(
        [f(baseline * masks[:, k, None])[n, c] - before for k in range(masks.shape[1])], dim=1
    )


black = torch.zeros_like(x)
C = as_in_the_article(f, x, H, c, black)
α = C.softmax(1)
print(f"C: from {C.min():.1e} to {C.max():.1e}")
print(f"α of the first pair: from {α[0].min():.5f} to {α[0].max():.5f}; 1/64 is {1 / 64:.5f}")

# %% [markdown]
# All channels get the same weight, for every image and for every class. This "Score-CAM" is the
# plain mean of the feature maps. The map would still look like a heat map! Stop here, and find the
# mistake. Which letter should be in the formula, and is not?
#
# ## Exercise 12.3: increase of confidence
#
# Write the formula as it must be. Equation 6 of the paper has the right one: the mask lies on the
# image that we explain; the baseline is only there to compare with.
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
    negative = int((C[n] < 0).sum())
    print(f"{text:6s} C from {C[n].min():6.2f} to {C[n].max():6.2f}, negative for {negative} of 64")

# %% [markdown]
# ## Does the baseline matter?
#
# Black, grey, a blurred image: people argue about the right baseline. Take paper and pencil. Write
# down $\alpha_k$ with the $C_k$ of Equation 6, and take the factor $e^{-f_c(x_b)}$ out of both
# sums. You need two lines. What is left of the baseline? Then look at the numbers:

# %%
baselines = {
    "black": black,
    "the image itself": x,
    "noise": torch.rand(x.shape, generator=torch.Generator().manual_seed(0)),
}
for text, baseline in baselines.items():
    C_b = increase_of_confidence(f, x, H, c, baseline)
    change = (C_b.softmax(1) - C.softmax(1)).abs().max()
    print(f"{text:17s} mean C {C_b.mean():7.2f}   largest change of a weight {change:.0e}")

# %% [markdown]
# ## Exercise 12.4: Score-CAM
#
# This is the paper's Algorithm 1:
#
# $$ \alpha_k = \frac{e^{C_k}}{\sum_j e^{C_j}}, \qquad L = \mathrm{ReLU}\Big(\sum_k \alpha_k F_k\Big) $$
#
# $C_k$ is made of logits, the softmax goes over the **channels**, and the ReLU stands around the
# sum. One thing that the formula does not say, but the authors' code does: a constant channel has
# no mask. It was not tested, so it gets the weight 0, and the other weights sum to 1.
#
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
difference = (L - camlite.score_cam(f, "features", x, c)).abs().max()
print(f"L {tuple(L.shape)}; difference to camlite.score_cam: {difference:.0e}")

# %% [markdown]
# ## How many channels take part?
#
# The weights sum to 1, but how are they spread? A simple count is the
# **effective number of channels**
#
# $$ K_\text{eff} = \frac{1}{\sum_k \alpha_k^2} $$
#
# If $m$ channels share the weight equally, it is exactly $m$. **Guess:** logits may differ by 10,
# probabilities by at most 1. What does the softmax over channels do with probabilities?


# %%
def effective_number(α: Tensor) -> Tensor:
    """1 / Σ α²: how many channels share the weight, (N, K) -> (N,)."""
    return 1 / α.square().sum(1)


def probability(x: Tensor) -> Tensor:
    """The network, with the softmax over classes behind it."""
    return f(x).softmax(1)


def correlation(a: Tensor, b: Tensor) -> float:
    """Correlation of two maps, place by place."""
    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])


print(f"{'':28s}{'K_eff of 64':>14s}{'correlation of the two maps':>30s}")
for text, score in {"logits": f, "probabilities": probability}.items():
    α_left = increase_of_confidence(score, x, H, left[:3], black).softmax(1)
    α_right = increase_of_confidence(score, x, H, right[:3], black).softmax(1)
    L_left, L_right = signed_map(α_left, F), signed_map(α_right, F)
    for n in range(len(x)):
        K_eff, alike = effective_number(α_left)[n], correlation(L_left[n], L_right[n])
        print(f"{text:14s}{names[n]:>6s}, {rivals[n]:6s}{K_eff:14.1f}{alike:30.3f}")

# %% [markdown]
# Probabilities lie between 0 and 1, so two of the weights can differ by the factor $e$ and no more:
# the baseline cancels. The softmax over channels makes them nearly equal, and the map is almost the
# mean of all maps. The last column compares "where is the one animal?" with "where is the other?"
# With probabilities the two maps are nearly the same picture. With 2048 channels, as in ResNet50,
# no channel can get more than $e/2048$ of the weight.
#
# With logits $K_\text{eff}$ can be small or large. It depends on how large the logits of this
# network are, and nobody chose that for the sake of the map.
#
# And there is more. All $\alpha_k$ are positive, also for channels that speak *against* the class.
# If $F \ge 0$, as behind a ReLU layer, then every channel adds heat, nothing takes any away, and
# the ReLU around the sum never acts. **Guess:** what does this do to "where is the frog?" when a
# bird stands beside it?
#
# ## One name, several methods
#
# The paper's notation says probability, its Algorithm 1 says logit, and the authors' code takes the
# probability without a softmax over channels and without a baseline. Others use the drop from the
# whole image. All of them are called Score-CAM. `camlite.score_cam` has each of them as an option:

# %%
variants = {
    "Algorithm 1:\nlogits, softmax": {},
    "probability,\nsoftmax": {"probability": True},
    "authors' code:\nprobability itself": {
        "probability": True,
        "channel_softmax": False,
        "baseline": None,
    },
    "Eq. 6, 10: logit\nminus black": {"channel_softmax": False},
    "logit minus\nwhole image": {"channel_softmax": False, "baseline": "original"},
}


def share(maps: Tensor) -> Tensor:
    """The share of the heat in the half with the asked animal; NaN where the map is blank."""
    heat = maps.relu()
    half = maps.shape[2] // 2
    in_left, total = heat[:, :, :half].sum((1, 2)), heat.sum((1, 2))
    asked_left = torch.arange(len(maps)) < len(pairs)
    return torch.where(asked_left, in_left, total - in_left) / total


def timed(method, **options) -> tuple[Tensor, float]:
    """Maps for the left animal of every pair, then for the right one; and seconds per map."""
    start = time.perf_counter()
    maps = torch.cat(
        [method(f, "features", pairs, classes, **options) for classes in (left, right)]
    )
    return maps, (time.perf_counter() - start) / len(maps)


results = {
    "mean of all\nmaps": (features(torch.cat([pairs, pairs])).mean(1), 0.0),
    "CAM": timed(camlite.cam),
}
results |= {"Grad-CAM": timed(camlite.grad_cam), "Ablation-CAM": timed(camlite.ablation_cam)}
results |= {text: timed(camlite.score_cam, **options) for text, options in variants.items()}
print(f"{'share of the heat on the asked animal':46s}{'blank maps':>19s}{'ms per map':>12s}")
for text, (maps, seconds) in results.items():
    values = share(maps)
    line = f"{text.replace(chr(10), ' '):40s}{values.nanmean():6.2f}"
    line += f"{int(values.isnan().sum()):13d} of {len(maps)}"
    print(line + (f"{1000 * seconds:12.2f}" if seconds else ""))

# %% [markdown]
# Compare each line with the first one: the mean of all maps knows nothing about the class, and
# shows where *something* is.
#
# * The softmax versions are nearer to that mean than to CAM: often heat lies on both animals. The
#   paper saw this too: its Figure 5 shows weights from logits that light up both animals.
# * Without softmax, $C_k$ may be negative. Now channels of the wrong animal are subtracted. But now
#   the baseline does not cancel, and everything hangs on it. Compared with the whole image, most
#   masked images are worse: then most weights are negative, and the ReLU leaves many maps blank.
# * Ablation-CAM has negative weights too, and a clear comparison: with and without the channel.
#
# ## Where it fails
#
# **First failure: nobody has trained the network on masked images.** A picture that is black with a
# soft window in it is **off-distribution**: nothing like it was in the training set. The network
# must still give an answer. What does it say about a picture with nothing in it, and about masks
# without any picture (the mask laid on plain white)?

# %%
empty = f(black[:1])[0].softmax(0)
print(
    "a black image:",
    ", ".join(
        f"{pond.class_names[j]} {empty[j]:.2f}" for j in empty.argsort(descending=True).tolist()
    ),
)
single = pond.images[:4]  # one of each animal
single_masks = masks_from_maps(features(single), (48, 48))
for n in range(4):
    masks = single_masks[n][:, None]
    through = (f(single[n] * masks).argmax(1) == pond.labels[n]).float().mean()
    alone = (f(torch.ones_like(single[n]) * masks).argmax(1) == pond.labels[n]).float().mean()
    print(
        f"{pond.class_names[pond.labels[n]]:8s} recognized through {through:4.0%} of its masks, "
        f"and in {alone:4.0%} of the masks alone, without any image"
    )

# %% [markdown]
# Where the black image already belongs to a class, hiding the animal does no harm to that class.
# And where the mask alone is recognized, its outline was judged, not what lies behind it. (The
# article's formula with a white baseline measures just that.)
#
# **Second failure: compare with the truth.** On both networks of today we know what each channel
# really adds to the logit: $W_{c,k}\bar F_k$. If Score-CAM asks the right question, a channel that
# adds more should get more confidence. We compare the two orders with a rank correlation: 1 means
# the same order, 0 means no relation.


# %%
def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's: the correlation of the ranks of two vectors."""
    ranks = torch.stack([v.argsort().argsort().float() for v in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])


def agreement(model: nn.Module, pictures: Tensor) -> Tensor:
    """Rank correlation of C_k with the true contribution, without constant channels."""
    F, c = model.features(pictures), model(pictures).argmax(1)
    C = increase_of_confidence(
        model, pictures, masks_from_maps(F, pictures.shape[2:]), c, torch.zeros_like(pictures)
    )
    true = model.classifier.weight[c] * F.mean(dim=(2, 3))
    alive = F.amax((2, 3)) > F.amin((2, 3))
    return torch.tensor(
        [rank_correlation(C[n, alive[n]], true[n, alive[n]]) for n in range(len(pictures))]
    )


count = 8 if fast else 24
agreements = {
    "pond": agreement(pond_net, pond.images[:count]),
    name: agreement(net, images[:count]),
}
for text, values in agreements.items():
    print(f"{text:7s} mean {values.mean():.2f}, from {values.min():.2f} to {values.max():.2f}")

# %% [markdown]
# Ablation gets 1 here, because with GAP and one linear layer it measures the contribution itself.
# Score-CAM is a different question: not "what does this channel add?", but "how well does the
# network recognize the image through this window?" The digits are the harder case. Their network
# averages over the whole image, so dimming the strokes makes nearly every activation smaller, and
# the logits slide towards those of a black image. The answer comes from the network itself, and it
# is still not the answer to our question.
#
# ## What does it cost?
#
# Score-CAM runs the **whole** network once for each channel. The usual cure: use only the N
# channels that vary most. (This is known as Faster-Score-CAM.) **Guess:** how many of the 64
# channels do we need before the map looks like the full one?

# %%
F_pairs = features(pairs)
order = F_pairs.flatten(2).std(2).argsort(dim=1, descending=True)
full = results["Algorithm 1:\nlogits, softmax"][0]
curve = []
for N in (1, 2, 4, 8, 16, 32, 64):
    some = torch.take_along_dim(F_pairs, order[:, :N, None, None], dim=1)
    start = time.perf_counter()
    maps = torch.cat([score_cam(f, some, pairs, classes) for classes in (left, right)])
    seconds = (time.perf_counter() - start) / len(maps)
    alike = sum(correlation(a, b) for a, b in zip(maps, full, strict=True)) / len(maps)
    curve.append((N, 1000 * seconds, alike, float(share(maps).nanmean())))
    print(
        f"N = {N:2d}: {curve[-1][1]:7.2f} ms per map, correlation {alike:.2f}, share {curve[-1][3]:.2f}"
    )
per_run = curve[-1][1] / 64
print(f"one run of this tiny network takes {per_run:.2f} ms")
print(f"with the 2048 channels of ResNet50 that would be {2.048 * per_run:.1f} s for one map")

# %% [markdown]
# ## The whole lesson in one picture
#
# Three pairs, two questions each, eight answers. The number above a column is the share of the heat
# in the half with the asked animal, averaged over all pairs and over the maps that are not blank
# (0.5 is a coin). Below: what a map costs, and what fewer channels change.

# %% tags=["figure"]
columns = ["mean of all\nmaps", "CAM", "Ablation-CAM", *variants]
figure = plt.figure(figsize=(14, 8.8), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(2, 1))
axes = above.subplots(6, 1 + len(columns))
for i, row in enumerate(axes):
    n, asked = i // 2, (left, right)[i % 2]
    row[0].imshow(pairs[n].permute(1, 2, 0))
    row[0].set_ylabel(
        f"where is\nthe {pond.class_names[asked[n]]}?", rotation=0, ha="right", va="center"
    )
    for axis, text in zip(row[1:], columns, strict=True):
        map_ = results[text][0][n + len(pairs) * (i % 2)]
        heat = camlite.heatmap(map_[None].relu(), (48, 96))[0]
        drawn = axis.imshow(heat, cmap="magma", vmin=0, vmax=1)
        if not heat.any():
            axis.text(48, 24, "blank", color="white", ha="center", va="center", fontsize=10)
for axis, text in zip(axes[0], ["image", *columns], strict=True):
    axis.set_title(
        text if text == "image" else f"{text}\n{share(results[text][0]).nanmean():.2f}", fontsize=9
    )
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
above.colorbar(drawn, ax=axes, label="positive evidence,\nscaled per map", shrink=0.6)
above.suptitle(
    "One name, several methods: how much of the heat lies on the animal that was asked for?"
)

cost, fewer = below.subplots(1, 2, width_ratios=(1.15, 1))
bars = {text: 1000 * results[text][1] for text in ("CAM", "Grad-CAM", "Ablation-CAM")}
bars["Score-CAM, camlite"] = 1000 * results["Algorithm 1:\nlogits, softmax"][1]
bars["Score-CAM, yours, 8 channels"] = curve[3][1]
bars["Score-CAM, yours, 64 channels"] = curve[-1][1]
drawn_bars = cost.barh(list(bars), list(bars.values()), color="#3b528b")
cost.bar_label(drawn_bars, [f"{v:.1f}" if v < 10 else f"{v:.0f}" for v in bars.values()], padding=3)
cost.set(xscale="log", xlabel="milliseconds per map (log scale)", title="What a map costs")
cost.set_xlim(min(bars.values()) / 3, 3 * max(bars.values()))
cost.invert_yaxis()
N, _, alike, on_asked = zip(*curve, strict=True)
fewer.plot(N, alike, "o-", color="#3b528b", label="correlation with the full map")
fewer.plot(N, on_asked, "s--", color="#b5367a", label="share on the asked animal")
fewer.axhline(0.5, color="gray", linewidth=1, linestyle=":", label="a coin")
fewer.set_xscale("log", base=2)
fewer.set_xticks(N, [str(n) for n in N])
fewer.set(xlabel="channels used, N", ylim=(0, 1.05), title="What fewer channels change")
fewer.legend(loc="lower right", fontsize=9)
plt.show()

# %% [markdown]
# Look along one row: same network, same image, same class, and five of the columns claim to be
# Score-CAM. (The seam between two pictures is an edge that no training image had: off-distribution
# again, and this time we made it ourselves. The times were measured just now, on your machine.)
#
# **Today's question was: if we only ask the network, can the answer be wrong?** The network does
# not lie. But it answers the question that was really asked, and there are many of those: with
# which mask, on which filling, with which score, against which baseline, with which weights
# afterwards. "How well is the frog recognized through this window?" is not "where is the frog?"
#
# ## What you know now
#
# * **Ablation-CAM** removes a channel and measures the drop of the score: K runs of the part
#   *behind* the layer. Behind GAP and one linear layer the drop is $W_{c,k}\bar F_k$ exactly, and
#   the map is *not* CAM.
# * Dividing by a negative score turns the map into its opposite.
# * **Score-CAM** makes a mask of each channel, lets the network look through it, and mixes the maps
#   with a softmax over the scores: K runs of the *whole* network.
# * The mask belongs on the image. With the mask on a black baseline all weights are $1/K$, and you
#   would not see it from the picture. Run formulas, also those of good articles; also those of this
#   course.
# * The baseline cancels:
#   $\alpha_k = \dfrac{e^{f_c(x\circ H_k)}\,e^{-f_c(x_b)}}{\sum_j e^{f_c(x\circ H_j)}\,e^{-f_c(x_b)}} = \dfrac{e^{f_c(x\circ H_k)}}{\sum_j e^{f_c(x\circ H_j)}}$.
#   Without the softmax it does not.
# * With probabilities, the softmax over many channels flattens the weights and forgets the class.
#   With any score it makes all weights positive, so nothing can speak against the class.
# * Masked images are off-distribution. What the network says about black pictures and about
#   outlines goes into the weights.
# * Write down which variant you used. "Score-CAM" alone does not say it.
#
# **Where to read on.** Score-CAM, Sections 3.1-3.3, Equations 6-10 and Algorithm 1; try to find the
# place where the paper changes from probability to logit. `camlite.score_cam` and
# `camlite.ablation_cam` are the library's versions; `camlite card score_cam` lists the variants.
# `camlite card group_cam` scores groups of channels: the same idea with fewer forward passes.
#
# **Words.** *ablation*: cắt bỏ · 消融 · 消融 · 切除. *mask*: mặt nạ · 掩码 · 遮罩 · マスク. *increase of
# confidence*: mức tăng độ tin cậy · 置信度提升 · 置信度增量 · 信頼度の増加. *baseline*: input cơ sở · 基线输入 · 基準輸入 ·
# ベースライン入力.
#
# **Next:** lesson 20 takes all this to ResNet50 and to photographs.
