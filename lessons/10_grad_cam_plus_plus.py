# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 10: Grad-CAM++
#
# **Time** 140 minutes · **Difficulty** ●●●○○ · **You need** lessons 3 and 8; lesson 9 helps · **At
# the end** you have written Grad-CAM++ and its smooth version. You know which of its two changes to
# Grad-CAM does something (pixel weights, or only positive gradients) and what it costs. And you can
# measure whether a map finds *each* object.
#
# Three frogs sit at a pond: a large one, a middle one and a small one. A network says "frog", and
# you draw the map. The large frog is bright. The small one is hardly seen.
#
# "So the small frog does not count," says a colleague. "No," says another, "the *map* is bad. Take
# Grad-CAM++. Its paper says that Grad-CAM has trouble with several objects of one class, and that
# Grad-CAM++ finds them."
#
# Two questions are mixed here. Does each frog count **for the network**? And does the **map** show
# it? **Today's question: three frogs. Does each of them count?**
#
# > **Papers:** A. Chattopadhyay, A. Sarkar, P. Howlader, V. N. Balasubramanian: *Grad-CAM++:
# > Generalized Gradient-Based Visual Explanations for Deep Convolutional Networks*, WACV 2018, arXiv
# > 1710.11063 (equation numbers here: version 3). · D. Omeiza, S. Speakman, C. Cintas, K.
# > Weldemariam: *Smooth Grad-CAM++*, 2019, arXiv 1908.01224. · M. Lerma, M. Lucas: *Grad-CAM++ is
# > equivalent to Grad-CAM with positive gradients*, 2022, arXiv 2205.10838.

# %% tags=["imports"]
import os

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torch.nn import functional

import camlite
from camlite import data, metrics, nets, weights
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images, for tests

# %% [markdown]
# ## Does each frog count for the network?
#
# camlite draws **twins**: one, two or three animals of one class, each of another size, on any
# ground. It keeps a mask for *each* animal, the largest first. The network is `pond_repaired`: four
# convolutions, global average pooling (GAP), one linear layer, trained on grounds that say nothing
# about the animal (lesson 6). In training it always saw *one* animal.
#
# Ask the network first, not the map. We take the pictures with three animals, paint over one animal
# with the mean colour of the ground, and ask for the logit of the class again. Paint could disturb
# by itself. So there is a control: the same shape, painted on empty ground.

# %%
twins = data.twins(60 if fast else 180, seed=10)
net = nets.bundled("pond_repaired").requires_grad_(False)
there = twins.object_masks.flatten(2).any(2)  # (N, 3): which animals are there
three = twins.counts == 3
right = net(twins.images).argmax(1) == twins.labels
print(f"{len(right)} pictures, {int(three.sum())} with three animals")
print(f"the answer is right for {right.float().mean():.0%} of all, ", end="")
print(f"{right[three].float().mean():.0%} of those with three")


# %%
def painted(scene, mask: Tensor) -> Tensor:
    """The pictures with `mask` (N, H, W) painted in the mean colour of the ground: (N, 3, H, W)."""
    ground = ~scene.object_masks.any(1)  # (N, H, W)
    colour = (scene.images * ground[:, None]).sum((2, 3)) / ground.sum((1, 2))[:, None]  # (N, 3)
    return torch.where(mask[:, None], colour[:, :, None, None], scene.images)


def on_empty_ground(scene, mask: Tensor) -> Tensor:
    """The same shapes, moved to where they meet the fewest animal pixels, without these."""
    animals, steps = scene.object_masks.any(1), range(0, mask.shape[1], 12)
    moved = torch.stack([mask.roll((x, y), (1, 2)) for x in steps for y in steps])
    best = (moved & animals).sum((2, 3)).argmin(0)
    return moved[best, torch.arange(len(mask))] & ~animals


rows = torch.arange(len(twins.labels))
Y = net(twins.images)[rows, twins.labels]
falls, areas, controls = [], [], []
for k, size in enumerate(("large", "middle", "small")):
    mask = twins.object_masks[:, k]
    fall, control = (
        (Y - net(painted(twins, shape))[rows, twins.labels])[three]
        for shape in (mask, on_empty_ground(twins, mask))
    )
    area = mask[three].float().mean()
    falls.append(fall)
    areas.append(float(area))
    controls.append(control)
    print(f"without the {size:6} animal the logit falls by {fall.mean():.2f}", end="")
    print(
        f" ± {1.96 * fall.std() / len(fall) ** 0.5:.2f}, in {(fall > 0).float().mean():.0%} of them"
    )
    print(f"   area {area:.1%}; fall / area {fall.mean() / area:.0f}; ", end="")
    print(f"the same shape on empty ground: {control.mean():.2f}")

# %% [markdown]
# (± is 1.96 standard errors here and below: about 95 % of such intervals hold the true mean.)
#
# So the answer for the network is clear: **each of them counts**. Even the small one, in most of
# the pictures. The larger an animal is, the more it counts; per area, the small one counts a little
# less than the large one. The same shapes on empty ground hardly change the logit.
#
# What we want from a map is then not "equal heat for all". It is that a place on the small animal
# is about as bright as a place on the large one. We will measure that.

# %% [markdown]
# ## The example of the paper
#
# Figure 2 of the paper has a small example. Three feature maps of 8×10 = 80 cells each see one of
# three objects: 15 cells, 4 cells, 2 cells. A cell is 1 where the object is, and 0 elsewhere. And
# the gradient is 1 where the map is 1, and 0 elsewhere.
#
# **Take paper and a pencil.** Which weights $\alpha_k$ does Grad-CAM give to the three maps? How
# bright is each object then? And which weights would you need, so that all objects are equally
# bright?

# %%
F_toy = torch.zeros(1, 3, 8, 10)
F_toy[0, 0, 1:6, 1:4] = 1  # 15 cells
F_toy[0, 1, 2:4, 6:8] = 1  # 4 cells
F_toy[0, 2, 6, 6:8] = 1  # 2 cells
G_toy = F_toy.clone()
cells = F_toy.sum((2, 3))
α_toy = G_toy.mean((2, 3))
rounded = [round(v, 3) for v in α_toy[0].tolist()]
print("cells", cells[0].int().tolist(), "  Grad-CAM's weights", rounded)
print("divided by the smallest", (α_toy / α_toy.min())[0].tolist())

# %% [markdown]
# Grad-CAM takes the mean of the gradient over *all* places, Z = 80 here: 15/80, 4/80, 2/80. So the
# largest object is 7.5 times as bright as the smallest one, though all three count alike. That is
# the criticism of the paper. Its repair: weigh the **places**. With
# $1 / (\text{number of active cells})$ at each active place, all three weights are 1 (Equation 6).
#
# A neat example. But one line of it deserves a second look: "the gradient is 1 where the map is 1,
# and 0 elsewhere". **In which network is that so?** Think of the networks of lessons 3 and 8. Then
# run the cell: it takes the same three maps and two ways to come to a logit.


# %%
def gradient(Y_of, F: Tensor) -> Tensor:
    """∂Y/∂F, the shape of F, where `Y_of` makes one number of F."""
    start = F.detach().clone().requires_grad_()
    return torch.autograd.grad(Y_of(start), start)[0]


ways = {
    "after the ReLU: GAP, all weights 1": (lambda F: F.mean((2, 3)).sum(), F_toy),
    "before it: ReLU, sum, all weights 1": (lambda F: F.relu().sum(), 2 * F_toy - 1),
}
α_ways = {}
for text, (Y_of, F) in ways.items():
    G = gradient(Y_of, F)
    α_ways[text] = (80 * G.mean((2, 3)))[0].tolist()
    print(f"{text:36} gradient where the large object is not: {G[0, 0, 0, 0]:.4f}", end="")
    print(f"   80 α = {[round(v, 2) for v in α_ways[text]]}")

# %% [markdown]
# **The answer:** before GAP the gradient is the same at all places, active or not (lessons 8 and 9).
# Grad-CAM's three weights are equal there, and all objects are equally bright. In the most common
# kind of network, at the layer that is asked most often, **the problem of the example does not
# exist**. It exists where the gradient is 0 at the places where nothing was found: for example if
# you take the feature maps *before* their ReLU. It can also exist in the middle of a network and
# before a flattening. So we will ask more than one layer.
#
# ## Where the weights come from
#
# The paper does not stop at Equation 6. It looks for weights of places in general, and finds them
# with second and third derivatives of a score $Y$ (Equation 10; each derivative is with respect to
# one value of $F_k$):
#
# $$ \alpha_k = \frac{Y''}{2\,Y'' + \big(\sum F_k\big)\,Y'''} $$
#
# (Lerma and Lucas criticise that the derivation leaves other weights possible too.) Here is a
# difficulty: a network of convolutions and ReLUs is piecewise linear. Move one value of $F$ a
# little: the logit $S$ moves along a straight line. Its second derivative is 0, and then Equation
# 10 is 0/0.
#
# The way out: take another score, $Y = e^S$ (Equation 12). Its derivatives with respect to one
# value of $F$ are
#
# $$ \frac{\partial Y}{\partial F} = e^S g, \qquad \frac{\partial^2 Y}{\partial F^2} = e^S g^2 ,
# \qquad \frac{\partial^3 Y}{\partial F^3} = e^S g^3 \qquad\text{with}\quad
# g = \frac{\partial S}{\partial F} . $$
#
# An article says: "Grad-CAM++ assumes that the second derivative is 0." Which one? Let PyTorch
# differentiate twice, at single places of the layer `features.8`, one convolution before the last.
# (In our cells the logit is called `S` here, and `Y` in `look` below. `torch.func.grad` makes the
# derivative of a function of one number; 64 bits, so that rounding does not disturb.)


# %%
def along_one_value(classifier, F: Tensor, k: int, x: int, y: int, c: int):
    """S_c as a function of one number: how far F[k, x, y] of the first image is moved."""
    where = torch.zeros_like(F[:1])
    where[0, k, x, y] = 1
    return lambda t: classifier(F[:1] + t * where)[0, c]


exact = nets.bundled("pond_repaired").double().requires_grad_(False)
middle, rest = camlite.split(exact, "features.8")
F_mid = middle(twins.images[:1].double()).detach()
zero, c_one = torch.zeros((), dtype=torch.double), int(twins.labels[0])
derivative = torch.func.grad
seconds = []
print("         g       second derivative of S    of exp(S)     exp(S) g²")
for k, x, y in ((3, 4, 4), (10, 9, 9), (20, 12, 5), (40, 8, 13)):
    S = along_one_value(rest, F_mid, k, x, y, c_one)
    g = derivative(S)(zero)
    of_S = derivative(derivative(S))(zero)
    of_Y = derivative(derivative(lambda t, S=S: S(t).exp()))(zero)
    seconds.append([float(v) for v in (g, of_S, of_Y, S(zero).exp() * g**2)])
    print("{:12.4e} {:20.1e} {:18.4e} {:13.4e}".format(*seconds[-1]))

# %% [markdown]
# Both halves of the sentence need care: the second derivative of the **logit** is 0 (Equation 16),
# that of $Y = e^S$ is not; it is $e^S g^2$ (Equation 17). If it were 0, there would be no
# Grad-CAM++. Put the second and the third derivative into Equation 10: the factor $e^S$ stands
# above and below the line, so it can be left out. What remains needs one ordinary gradient, no
# second one.
#
# ## Exercise 10.1: a weight for each place
# *●●○○○ · about 12 minutes*
#
# That is Equation 19, with $G = g$ at each place:
#
# $$ \alpha_k(x,y) = \frac{G_k(x,y)^2}{2\,G_k(x,y)^2 + \big(\sum_{u,v} F_k(u,v)\big)\,G_k(x,y)^3} $$
#
# The sum below the line is one number for each channel of each image. Places where $G \le 0$ will
# not be used (next exercise); give them the weight 0. Here are two traps: where $G$ is exactly 0
# the formula is 0/0, which is `nan`, and `nan * 0` is `nan` again. And gradients are small numbers:
# `G` of size 0.0001 is usual. Its square is 0.00000001. So nothing "small" may be added below the
# line. `torch.where` chooses, element by element, after both sides have been computed:

# %%
a, b = torch.tensor([1.0, 0.0, 3.0]), torch.tensor([2.0, 0.0, -1.0])
print((a / b).tolist(), torch.where(b > 0, a / b, torch.zeros_like(a)).tolist())

# %% [markdown]
# `F` and `G` are (N, K, h, w), with F ≥ 0. The result has the same shape.


# %% tags=["exercise", "10.1"]
def pixel_weights(F: Tensor, G: Tensor) -> Tensor:
    """α of Equation 19, 0 where G ≤ 0: F and G (N, K, h, w) -> (N, K, h, w)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 10.1: pixel_weights")


# %%
check("10.1", pixel_weights)

# %% [markdown]
# If you need help: `hint("10.1")`.
#
# Divide by $G^2$ above and below, and you see what the weight is:
#
# $$ \alpha = \frac{1}{2 + G \sum F} $$
#
# Where $G \sum F$ is small beside 2, it is nearly **1/2, at every place**. Then the weights of the
# places are no weights at all. Where $G \sum F$ is large, the weight is smaller. Before GAP,
# $G_k \sum F_k = W_k \bar F_k$ ($W_k$: the weight of the linear layer, $\bar F_k$: the mean of
# $F_k$). That is just what channel $k$ gives to the logit. So channels that give much get less
# weight.
#
# **Guess first:** the example of the paper again, with Equation 19 in place of Equation 6. Are all
# three objects equally bright? And between which numbers does α lie in our real network?

# %%
w_toy = (pixel_weights(F_toy, G_toy) * G_toy.relu()).sum((2, 3))
print("weights of the example with Equation 19:", [round(v, 2) for v in w_toy[0].tolist()])


def look(features, classifier, x: Tensor, c: int | Tensor) -> tuple[Tensor, Tensor]:
    """F and G = ∂Y_c/∂F, both (N, K, h, w), as in lesson 8; c is an int or (N,)."""
    F = features(x).detach().requires_grad_()
    Y = classifier(F)
    Y_c = Y[torch.arange(len(Y)), torch.as_tensor(c).expand(len(Y))]
    G = torch.autograd.grad(Y_c.sum(), F)[0]
    return F.detach(), G


layers = {"the last layer": "features", "one before": "features.8", "two before": "features.5"}
found_α = {}
for text, layer in layers.items():
    F, G = look(*camlite.split(net, layer), twins.images, twins.labels)
    α = pixel_weights(F, G)[G > 0]
    found_α[layer] = α[:: max(1, len(α) // 100_000)].quantile(torch.tensor([0.05, 0.5, 0.95]))
    low, mid, high = found_α[layer].tolist()
    print(f"{text:15} {tuple(F.shape[1:])}: α {low:.2f} to {high:.2f} (90 %), median {mid:.2f}")
F, G = look(*camlite.split(net, "features"), twins.images, twins.labels)
α_scaled = [float(pixel_weights(F, times * G)[G > 0].median()) for times in (1, 10, 100)]
print("last layer, logits × 1, 10, 100: median α", [round(v, 2) for v in α_scaled])

# %% [markdown]
# **Your guess:** 0.88, 0.67, 0.5. Not equal, but much flatter than 15 : 4 : 2: Equation 19 is not
# Equation 6. And in the real network nearly all weights of the last layer lie a little below 1/2.
# At the places of one channel they do not differ *at all*: before GAP, $G$ is the same everywhere,
# so α is too. What you see are differences between channels. Further back the spread grows, but the
# median stays close to 1/2. Lerma and Lucas (2022) say the same of large networks, and draw a
# conclusion that we will test. (The last line: α depends on the scale of the logits. Grad-CAM's map
# only gets brighter with it; with Grad-CAM++ the weights change among each other too.)
#
# ## When a small number is not small
#
# Programs add a small number $\varepsilon$ below the line against 0/0. One widely used library
# (pytorch-grad-cam 1.5) adds $10^{-6}$. **Guess:** the gradients at the last layer have sizes
# around 0.0007. Does $10^{-6}$ matter? And for a network whose logits are ten or a hundred times
# smaller?

# %%
print(f"median size of G {G.abs().median():.4f}, of G² {(G**2).median():.1e}")


def weights_with(F: Tensor, G: Tensor, ε: float) -> Tensor:
    """The channel weights Σ α ReLU(G), with ε added below the line: (N, K)."""
    P = G.relu()
    α = P**2 / (2 * P**2 + F.sum((2, 3), keepdim=True) * P**3 + ε)
    return (α * P).sum((2, 3))


def half_as_strong(F: Tensor, G: Tensor, ε: float) -> float:
    """The weight of a channel whose gradient is halved, as a share of what it was; the median."""
    whole = weights_with(F, G, ε)
    return float((weights_with(F, G / 2, ε) / whole)[whole > 0].median())


kept = {}
for scale in (1, 0.1, 0.01):
    parts = weights_with(F, scale * G, 1e-6), weights_with(F, scale * G, 1e-30)
    share = float((parts[0] / parts[1])[parts[1] > 0].median())
    halved = half_as_strong(F, scale * G, 1e-6), half_as_strong(F, scale * G, 1e-30)
    kept[scale] = share, *halved
    print(
        f"logits × {scale:<5} 10⁻⁶ leaves {share:8.4f} of the weights; half the gradient gives",
        end="",
    )
    print(f" {halved[0]:.2f} of the weight with it, {halved[1]:.2f} without")

# %% [markdown]
# **Your guess:** here $G^2$ is about as large as $10^{-6}$, so a good part of the weight is lost at
# once, and with small logits nearly all of it. That alone would only make the map darker. But look
# at the last two numbers of each line: without $\varepsilon$ half the gradient means half the
# weight. With it, and with small logits, half the gradient means an *eighth* of the weight: the
# weights follow the **cube** of the gradient. Strong channels gain weight. That is another method,
# and nobody chose it. A small number must be small beside what it is added to. (The
# picture often forgives it, because the feature maps of strong channels look alike. Do not rely on
# that.)
#
# ## Exercise 10.2: Grad-CAM++
# *●●○○○ · about 10 minutes*
#
# Equations 5 and 20: the channel's weight is the sum of the *positive* gradients, each with its
# pixel weight. Then all goes on as in Grad-CAM:
#
# $$ w_k = \sum_{x,y} \alpha_k(x,y)\;\mathrm{ReLU}\big(G_k(x,y)\big), \qquad
# L(x,y) = \mathrm{ReLU}\Big(\sum_k w_k F_k(x,y)\Big) $$
#
# Note what it is *not*: no product at each place, as in HiResCAM. The weights of the places are
# added up, and what comes out is **one** number for each channel again. (For $Y = e^S$ all $w_k$
# would have the factor $e^S$. It is the same for all places and is left out.) Two of the ReLUs
# change nothing if F ≥ 0: α is already 0 where G ≤ 0, and no $w_k F_k$ is negative. But F can have
# a sign.
#
# `F` and `G` are (N, K, h, w), the result is (N, h, w). Use `pixel_weights`.


# %% tags=["exercise", "10.2"]
def grad_cam_plus_plus(F: Tensor, G: Tensor) -> Tensor:
    """The Grad-CAM++ map, with its ReLU: F and G (N, K, h, w) -> (N, h, w)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 10.2: grad_cam_plus_plus")


# %%
check("10.2", grad_cam_plus_plus)

# %% [markdown]
# At the layer before GAP you can write the weights down without any gradient. $G_k = W_{c,k} / Z$
# at each place, so
#
# $$ w_k = \frac{\mathrm{ReLU}(W_{c,k})}{2 + W_{c,k}\,\bar F_k} . $$
#
# Grad-CAM has $w_k = W_{c,k} / Z$ there. **Name the two differences**, apart from the common
# factor 1/Z, before you go on.

# %%
W = net.classifier.weight[twins.labels]  # (N, K), the row of each picture's class
w_formula = W.relu() / (2 + W * F.mean((2, 3)))
by_formula = torch.einsum("nk,nkxy->nxy", w_formula, F).relu()
off_formula = float((by_formula - grad_cam_plus_plus(F, G)).abs().max())
print(f"largest difference to your map: {off_formula:.1e}; largest value {by_formula.max():.1f}")

# %% [markdown]
# Difference one: the **denominator** damps channels that add much to the logit. Difference two: the
# **ReLU**. A channel that speaks against the class, $W < 0$, has no weight at all. The pixel weights
# got the long derivation and the ++. We now look at both, one by one.
#
# ## Which animals does a map find?
#
# We need a number, and a fair one. "Found if it looks bright" depends on the colours; "found if it
# is above 20 % of the maximum" is passed by a map that is warm everywhere. So all maps get the same
# amount of light: **as many pixels as all animals of the picture cover together may be lit**, and
# each map lights its hottest ones. (Equal values at the edge all stay dark. So a map that is the
# same everywhere lights nothing.) An animal is *found* if at least half of its pixels are lit. The
# **recall** of a picture is the share of its animals that are found. A perfect map has 1. Only the
# order of the pixels counts, no scale and no threshold. (Counting as many pixels as the mask has is
# known as *relevance rank accuracy*: Arras and others, 2022, arXiv 2003.07258. One half is our
# choice. `camlite evaluate twins` prints the same number.)
#
# First the floors. What do maps get that know nothing? **Guess** for a blob in the middle of the
# picture, for random weights of the channels, for noise, and for a map that is 1 everywhere.


# %%
def enlarged(M: Tensor) -> Tensor:
    """A map at the size of the pictures: (N, h, w) -> (N, 72, 72)."""
    return camlite.up(M, twins.images.shape[2:])


def recall(M: Tensor) -> Tensor:
    """The share of each picture's animals that the map finds: (N, h, w) -> (N,)."""
    return metrics.object_recall(M, twins.object_masks).values.float()


def by_size(M: Tensor) -> list[float]:
    """In pictures with three animals: how often the large, middle and small one is found."""
    return metrics.objects_found(M, twins.object_masks)[three].float().mean(0).tolist()


def interval(v: Tensor) -> str:
    """Mean ± 1.96 standard errors."""
    return f"{v.mean():.2f} ± {1.96 * v.std() / len(v) ** 0.5:.2f}"


seeds = [torch.Generator().manual_seed(seed) for seed in range(2 if fast else 6)]
some_random = [camlite.random_cam(net, "features", twins.images, generator=g) for g in seeds]
noise = torch.rand(len(twins.labels), 18, 18, generator=torch.Generator().manual_seed(0))
floors = {
    "a blob in the middle": [camlite.center_gaussian(net, "features", twins.images)],
    f"random weights ({len(seeds)} draws)": some_random,
    "noise, 18×18 cells": [noise],
    "1 everywhere": [torch.ones_like(noise)],
    "the masks themselves": [twins.object_masks.any(1).float()],
}
floor_recall = {}
for text, maps in floors.items():
    floor_recall[text] = float(torch.stack([recall(M).mean() for M in maps]).mean())
    sizes = torch.tensor([by_size(M) for M in maps]).mean(0).tolist()
    print(f"{text:26} recall {floor_recall[text]:.2f}", end="   of three: ")
    print(
        "  ".join(f"{s} {v:.2f}" for s, v in zip(("large", "middle", "small"), sizes, strict=True))
    )

# %% [markdown]
# The blob finds an animal now and then, of three mostly the large one. Random weights find more
# than you may think: the feature maps are bright on animals anyway. A method must be better than
# that. Noise finds nothing, and neither does a map that is the same everywhere (equal values).
#
# Now the three maps. **Grad-CAM+** is the map in between: Grad-CAM with the ReLU on the gradient,
# and no pixel weights, $w_k = \frac1Z \sum \mathrm{ReLU}(G_k)$. **Guess:** does Grad-CAM++ find the
# small animals that Grad-CAM misses? And which of its two changes does it?


# %%
def with_weights(w: Tensor, F: Tensor) -> Tensor:
    """ReLU(Σ_k w_k F_k): w (N, K), F (N, K, h, w) -> (N, h, w)."""
    return (w[:, :, None, None] * F).sum(dim=1).relu()


def grad_cam(F: Tensor, G: Tensor) -> Tensor:
    """Grad-CAM, as in lesson 8."""
    return with_weights(G.mean((2, 3)), F)


def grad_cam_plus(F: Tensor, G: Tensor) -> Tensor:
    """Grad-CAM of the positive gradients."""
    return with_weights(G.relu().mean((2, 3)), F)


def brightest(M: Tensor) -> list[float]:
    """The brightest place on each of three animals, as a share of the map's maximum."""
    heat = enlarged(M)[three]
    places = heat[:, None] * twins.object_masks[three]
    return (places.amax((2, 3)) / heat.amax((1, 2))[:, None]).mean(0).tolist()


def correlation(A: Tensor, B: Tensor) -> float:
    """The mean correlation of two maps of the same picture."""
    A, B = (T.flatten(1) - T.flatten(1).mean(1, keepdim=True) for T in (A, B))
    return float(functional.cosine_similarity(A, B, dim=1).mean())


both = ("Grad-CAM", "Grad-CAM++")
methods = {"Grad-CAM": grad_cam, "Grad-CAM+": grad_cam_plus, "Grad-CAM++": grad_cam_plus_plus}
last = {text: method(F, G) for text, method in methods.items()}
last_recall = {text: recall(M) for text, M in last.items()}
sizes_found, peaks = {text: by_size(M) for text, M in last.items()}, {}
for text in methods:
    print(f"{text:11} recall {interval(last_recall[text])}", end="   of three: ")
    words = zip(("large", "middle", "small"), sizes_found[text], strict=True)
    print("  ".join(f"{size} {v:.2f}" for size, v in words))
    peaks[text] = brightest(last[text])
    print(" " * 13 + "the brightest place on each:", "  ".join(f"{v:.2f}" for v in peaks[text]))
gain = last_recall["Grad-CAM++"] - last_recall["Grad-CAM"]
print(f"Grad-CAM++ minus Grad-CAM, picture by picture: {interval(gain)}")
last_alike = {text: correlation(M, last["Grad-CAM++"]) for text, M in last.items()}
print("correlation with Grad-CAM++:", {text: round(r, 4) for text, r in last_alike.items()})

# %% tags=["figure"] jupyter={"source_hidden": true}
some = three.nonzero()[:, 0][1:5].tolist()
cells = [[(twins.images[n], None) for n in some]]
cells += [[(twins.images[n], enlarged(M)[n]) for n in some] for M in last.values()]
figure = plot.grid(
    cells,
    ["picture", *last],
    [f"3 × {twins.class_names[twins.labels[n]]}" for n in some],
    title=f"Three methods, nearly one map (the last two: correlation {last_alike['Grad-CAM+']:.4f})",
)
plt.show()

# %% [markdown]
# **Your guess:** the two intervals overlap. Picture by picture Grad-CAM++ is level or a little ahead
# at this layer, by some hundredths at most. And **Grad-CAM+ has the same numbers**: its map is
# nearly identical with that of Grad-CAM++. So the whole derivation with second and third
# derivatives does nothing here that $\mathrm{ReLU}(G)$ does not do alone. That is the title of the
# paper of Lerma and Lucas. All three miss the small animal more often than the large one: a cell of
# the map is 4×4 pixels, and each place of the layer sees more than the animal. And **what we wanted
# is not reached**: the brightest place on the small animal is much darker than that on the large
# one, and Grad-CAM++ changes this little. In the last picture no map draws its line on the small
# frog.
#
# One network, one layer: no proof. Three networks (trained with other seeds) and three layers. The
# fourth line of each network is the case of the paper's example: the gradient *before* the last
# ReLU is 0 where nothing was found.

# %%
table, small_change = {}, {}
print(f"recall{'':24}Grad-CAM    ++ minus Grad-CAM   the small ones   ++ minus +    corr(++, +)")
for name in ("pond_repaired", "pond_gap_1", "pond_gap_2"):
    other = nets.bundled(name).requires_grad_(False)
    places = {
        text: look(*camlite.split(other, layer), twins.images, twins.labels)
        for text, layer in layers.items()
    }
    F_l, G_l = places["the last layer"]
    places["before its ReLU"] = F_l, G_l * (F_l > 0)
    for text, (F_l, G_l) in places.items():
        maps = {t: method(F_l, G_l) for t, method in methods.items()}
        one, two = recall(maps["Grad-CAM"]), recall(maps["Grad-CAM++"])
        small = [metrics.objects_found(maps[t], twins.object_masks)[three, 2].float() for t in both]
        small_change[name, text] = small[1] - small[0]
        r = correlation(maps["Grad-CAM+"], maps["Grad-CAM++"])
        plus = two - recall(maps["Grad-CAM+"])
        table[name, text] = float(one.mean()), float(two.mean()), two - one, r, plus
        print(f"{name:13} {text:15} {interval(one)}", end="")
        for change in (two - one, small_change[name, text], plus):
            print(f"{interval(change):>16}", end="")
        print(f"      {r:.3f}")

# %% [markdown]
# At the last layer Grad-CAM++ is level or a little ahead, in all three networks. One layer before,
# it is level in two networks and worse in one. Two layers before, where the gradient differs most
# from place to place, it finds **fewer** animals in all three. At all these layers it is nearly the
# same map as Grad-CAM+. For the small animals alone it goes both ways: more of them in some lines,
# fewer in others.
#
# The fourth lines are the case of the example. Here the pixel weights find a few animals more in
# one network ("++ minus +") and do nothing in the two others. The gain stays small.
#
# ## Which of the two changes does it?
#
# A test with all four combinations: with and without pixel weights, with and without the ReLU on
# the gradient. (Without the ReLU the pixel weights of negative gradients are needed too. We take
# the size of $G$ below the line, so that it cannot come close to 0.)

# %%
four = {}
for layer in ("features", "features.8"):
    F_l, G_l = look(*camlite.split(net, layer), twins.images, twins.labels)
    half = 1 / (2 + F_l.sum((2, 3), keepdim=True) * G_l.abs())
    combinations = {
        "Grad-CAM": grad_cam(F_l, G_l),
        "pixel weights only": with_weights((half * G_l).sum((2, 3)), F_l),
        "ReLU only (Grad-CAM+)": grad_cam_plus(F_l, G_l),
        "both (Grad-CAM++)": grad_cam_plus_plus(F_l, G_l),
    }
    print(layer)
    for text, M in combinations.items():
        r = correlation(M, combinations["Grad-CAM"])
        four[layer, text] = r
        print(f"   {text:22} correlation with Grad-CAM {r:.3f}   recall {interval(recall(M))}")

# %% [markdown]
# The pixel weights alone leave Grad-CAM nearly as it is. **The ReLU makes the difference.** The
# authors tested something similar: without the ReLU on the gradient their method *lost* against
# Grad-CAM (VOC 2007, VGG-16: better in 26.09 % of the images, Grad-CAM in 73.91 %). Theirs was
# another network and another measure, and they kept the sign of $G$. But it says too: no gain
# without the ReLU.
#
# ## The published numbers, beside ours
#
# The paper compares with Grad-CAM like this (each pair is Grad-CAM++ / Grad-CAM):
#
# | data, network | average drop, % (less is better) | which one wins, % |
# |---|---|---|
# | ILSVRC 2012, VGG-16 | 36.84 / 46.56 | 70.72 / 29.28 |
# | VOC 2007 (several objects are common), VGG-16 | 19.53 / 28.54 | 61.47 / 39.44 |
# | ILSVRC 2012, ResNet-50 | 28.90 / 30.36 | 60.51 / 39.49 |
# | VOC 2007, ResNet-50 | 16.19 / 20.86 | 58.61 / 41.39 |
#
# (61.47 and 39.44 add up to more than 100 in the original too.) None of these numbers asks for each
# object. The average drop asks how much the score falls when only the bright part of the image is
# shown: that is easier for a larger bright part (lesson 17 will show it). And with ResNet-50, which
# ends in GAP and one linear layer, the two drops are nearly equal on ILSVRC; a win counts, however
# small it is.
#
# For VOC 2012 the paper compares the bright part with a box: (bright area inside) / (area of the
# box + bright area outside). It is 0.28 against 0.16 at the threshold 0.5, and 0.34 against 0.33 at
# 0. Pixels outside count *against* the map. So this is a real gain at 0.5: the bright part fits the
# box better. It is a comparison of areas, and does not say either that each object is found.
#
# ## What the ReLU costs
#
# Channels that speak *against* the class have a purpose. What is lost when they are dropped?
# **Guess**, then look at mosaics: four different animals, one question for each of them. Which share
# of the heat lies on the animal in question?

# %%
mosaic = data.mosaic(12 if fast else 40, seed=10)
X4 = mosaic.images.repeat_interleave(4, 0)  # each picture four times: one for each class
c4 = torch.arange(4).repeat(len(mosaic.images))
mask4 = mosaic.object_masks.flatten(0, 1)
print(f"{len(X4)} questions; the animal in question covers {mask4.float().mean():.1%}")
cost, mosaic_maps, wide = {}, {}, {}
for name in ("pond_repaired", "pond_gap_1", "pond_gap_2"):
    features, classifier = camlite.split(nets.bundled(name).requires_grad_(False), "features")
    F4, G4 = look(features, classifier, X4, c4)
    for text, method in methods.items():
        heat = camlite.up(method(F4, G4), X4.shape[2:])
        cost[name, text] = metrics.energy_pointing_game(heat, mask4).values.float()
        mosaic_maps.setdefault(text, heat)
        if name == "pond_repaired":
            of_top = heat / heat.amax((1, 2), keepdim=True)
            wide[text] = [float((of_top > limit).float().mean()) for limit in (0.2, 0.5)]
    loss = interval(cost[name, "Grad-CAM++"] - cost[name, "Grad-CAM"])
    means = "   ".join(f"{text} {cost[name, text].mean():.2f}" for text in methods)
    print(f"{name:14} {means}   ++ minus Grad-CAM {loss}")
less = (cost["pond_repaired", "Grad-CAM++"] < cost["pond_repaired", "Grad-CAM"]).float().mean()
print(f"pond_repaired: Grad-CAM++ has less on it in {less:.0%} of the questions")
for text in both:
    print(f"{text:11} pixels above 20 % of the maximum {wide[text][0]:.1%}", end="")
    print(f", above 50 % {wide[text][1]:.1%}")

# %% tags=["figure"] jupyter={"source_hidden": true}
gap = cost["pond_repaired", "Grad-CAM"] - cost["pond_repaired", "Grad-CAM++"]
order = gap.view(-1, 4).mean(1).argsort()
one = 4 * int(order[len(order) // 2])  # the mosaic with the median difference
figure = plot.grid(
    [
        [(X4[one], None)] + [(X4[one], mosaic_maps[text][one + c].sqrt()) for c in range(4)]
        for text in both
    ],
    [f"{text}\n(all questions:\n{cost['pond_repaired', text].mean():.0%})" for text in both],
    ["picture", *(f"why {name}?" for name in mosaic.class_names)],
    title="Without evidence against, other animals light up faintly\n"
    f"(the mosaic with the median difference, 1 of {len(mosaic.images)}; square root of the heat)",
)
for line, text in zip((figure.axes[1:5], figure.axes[6:10]), both, strict=True):
    for axis, share in zip(line, cost["pond_repaired", text][one : one + 4], strict=True):
        axis.set_axis_on()
        axis.set_xlabel(f"{share:.0%} of the heat on it", fontsize=9)
plt.show()

# %% [markdown]
# **Your guess:** in all three networks Grad-CAM++ has much less of its heat on the animal in
# question. A frog's channel may also answer a little to a turtle. Other channels know that it is a
# turtle, and have negative weights for *frog*: they take this heat away. Whoever drops them keeps
# it. The bright part hardly grows (above 50 % of the maximum), but **faint heat spreads** (above 20
# %): now and then onto one more animal of the same class, and nearly always onto animals of other
# classes. The figure shows a usual case, not a strong one.
#
# ## Exercise 10.3: the smooth version
# *●●●○○ · about 18 minutes*
#
# **Smooth Grad-CAM++** (Omeiza and others, 2019) joins Grad-CAM++ and the SmoothGrad of lesson 7: ask
# for the gradient at many noisy copies of the image. Collect the means of its powers,
#
# $$ D_p = \frac1n \sum_{i=1}^n G(x + \sigma \varepsilon_i)^p, \qquad p = 1, 2, 3, $$
#
# and put them in the places of $G$, $G^2$ and $G^3$:
#
# $$ \alpha = \frac{D_2}{2 D_2 + \big(\sum F\big) D_3}, \qquad
# w_k = \sum_{x,y} \alpha\,\mathrm{ReLU}(D_1), \qquad
# L = \mathrm{ReLU}\Big(\sum_k w_k F_k\Big) $$
#
# $F$ is that of the **clean** image; where the line below is 0, take α = 0 (a channel that the
# class does not use at all). A note in torchcam, a library with this method, says that the paper
# prints $D_1$ above the line; the derivation gives $D_2$. $D_3$ can be negative where $D_1$ is
# positive: then α is above 1/2. The noise is that of exercise 7.2: for each sample `sigma *
# torch.randn(x.shape, generator=generator)`, and `sigma` is the standard deviation itself.
# `look(features, classifier, x, c)` from above gives F and G of any images; here is one noisy copy:

# %%
draws = torch.Generator().manual_seed(0)
noisy = twins.images[:2] + 0.1 * torch.randn(twins.images[:2].shape, generator=draws)
_, G_noisy = look(*camlite.split(net, "features.8"), noisy, twins.labels[:2])
print(tuple(G_noisy.shape), f"largest gradient {G_noisy.max():.4f}")

# %% [markdown]
# `c` is an int or (N,). The result is (N, h, w).


# %% tags=["exercise", "10.3"]
def smooth_grad_cam_plus_plus(
    features,
    classifier,
    x: Tensor,
    c: int | Tensor,
    samples: int,
    sigma: float,
    generator: torch.Generator,
) -> Tensor:
    """Smooth Grad-CAM++ of class c: images x (N, C, H, W) -> (N, h, w)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 10.3: smooth_grad_cam_plus_plus")


# %%
check("10.3", smooth_grad_cam_plus_plus)

# %% [markdown]
# 25 samples cost 25 passes forward and backward, and one more for F of the clean image: 26 instead
# of one. (With all noise in one batch it is counted as 2, and costs the same.) What do they buy?
# **Guess** for the last layer (before GAP and one linear layer), and for the layer before it.

# %%
passes = 0


def counted(features):
    """The same features, and each call is counted."""

    def call(x: Tensor) -> Tensor:
        global passes
        passes += 1
        return features(x)

    return call


few = (twins.counts > 1).nonzero()[:, 0][: 16 if fast else 48]
X_few, c_few, mask_few = twins.images[few], twins.labels[few], twins.object_masks[few]
bought = {}
for name in ("pond_repaired", "pond_gap_2"):
    for layer in ("features", "features.8"):
        features, classifier = camlite.split(nets.bundled(name).requires_grad_(False), layer)
        plain = grad_cam_plus_plus(*look(features, classifier, X_few, c_few))
        passes, seeded = 0, torch.Generator().manual_seed(0)
        smooth = smooth_grad_cam_plus_plus(
            counted(features), classifier, X_few, c_few, 25, 0.15, seeded
        )
        before, after = (metrics.object_recall(M, mask_few).values for M in (plain, smooth))
        off = float((smooth - plain).abs().max() / plain.max())
        bought[name, layer] = off, after - before
        print(f"{name:14} {layer:11} {passes} passes; largest change {off:.0e}; recall", end=" ")
        print(f"{before.mean():.2f} → {after.mean():.2f}, change {interval(after - before)}")

# %% [markdown]
# **Your guess:** at the last layer they buy **nothing at all**: the gradient there is the row of
# weights divided by $Z$, for each image, noisy or not. What changes is rounding. At the layer
# before the map changes, at its most changed place by more than half of the largest value. Does it
# find more animals? In one network the recall hardly moves, in the other it falls; that interval
# ends close to 0 or holds it. For 25 times the cost that is no gain.
#
# ## Your functions and those of camlite

# %%
F_8, G_8 = look(*camlite.split(net, "features.8"), X_few, c_few)
theirs = camlite.grad_cam_plus_plus(net, "features.8", X_few, c_few)
off_plus = float((theirs - grad_cam_plus_plus(F_8, G_8)).abs().max() / theirs.max())
print(f"Grad-CAM++: largest difference {off_plus:.1e} of the largest value")
clean = camlite.smooth_grad_cam_plus_plus(net, "features.8", X_few, c_few, samples=1, sigma=0)
off_smooth = float((clean - grad_cam_plus_plus(F_8, G_8)).abs().max() / theirs.max())
print(f"its smooth version with sigma = 0: {off_smooth:.1e}")

# %% [markdown]
# `camlite.smooth_grad_cam_plus_plus` takes sigma as a share of each image's own range, and all
# images of a batch get the same noise; otherwise it has your steps. Both have an option for the
# form that other programs use; `camlite card grad_cam_plus_plus` lists them.
#
# ## A real network
#
# This part needs the weights of ResNet-50 and photographs in your data folder (`camlite doctor`
# shows it). It ends in GAP and one linear layer. The photographs hold several dogs. **Guess:**
# where will the two maps differ?

# %%
photos = [data.find(f"photos/{n}") for n in ("puppies.jpg", "six_dogs.png", "two_dogs.jpg")]
real = "resnet50" in weights.at_hand() and all(photo is not None for photo in photos)
real_alike, real_α = {}, {}
if not real:
    print("no ResNet-50 and photographs at hand: this part is left out")
else:
    big = weights.pretrained("resnet50")
    dogs, z = (
        torch.cat(parts)
        for parts in zip(*(weights.preprocess(data.load_image(p)) for p in photos), strict=True)
    )
    big.model.requires_grad_(False)
    c_big = big.model(z).argmax(1)
    print([big.categories[c] for c in c_big.tolist()])
    for layer in ("layer4", "layer3"):
        F_big, G_big = look(*camlite.split(big.model, layer), z, c_big)
        α_big = pixel_weights(F_big, G_big)[G_big > 0]
        real_α[layer] = α_big[:: max(1, len(α_big) // 100_000)].median()
        maps_big = {text: method(F_big, G_big) for text, method in methods.items()}
        if layer == "layer4":
            shown_big = maps_big
        alike_big = [correlation(maps_big[t], maps_big["Grad-CAM++"]) for t in methods]
        with_ε = with_weights(weights_with(F_big, 0.1 * G_big, 1e-6), F_big)
        tenth = grad_cam_plus_plus(F_big, 0.1 * G_big)
        real_alike[layer] = *alike_big[:2], correlation(with_ε, tenth)
        print(f"{layer}: median α {real_α[layer]:.3f}; correlation of Grad-CAM++ with", end=" ")
        print("Grad-CAM {:.2f}, with Grad-CAM+ {:.3f};".format(*real_alike[layer]), end=" ")
        print(f"logits × 0.1, with and without 10⁻⁶ {real_alike[layer][2]:.2f}")
    left_dog = {t: float(M[2, :, :3].amax() / M[2].amax()) for t, M in shown_big.items()}
    print("the left dog of the third photograph:", {t: round(v, 2) for t, v in left_dog.items()})

# %% tags=["figure"] jupyter={"source_hidden": true}
if real:
    plot.grid(
        [
            [(dog, None) for dog in dogs],
            *(
                [(dog, heat) for dog, heat in zip(dogs, camlite.up(M, (224, 224)), strict=True)]
                for text, M in shown_big.items()
                if text != "Grad-CAM+"
            ),
        ],
        ["photograph", "Grad-CAM", "Grad-CAM++"],
        [big.categories[c] for c in c_big.tolist()],
        title="ResNet-50, layer4: nearly one map;\n"
        "third photograph: only Grad-CAM++ draws a line on the left dog",
    )
    plt.show()

# %% [markdown]
# We ran it with three photographs, which prove nothing alone. At both layers the pixel weights are
# close to 1/2. At the last one the two maps are nearly one, but not quite: in the third photograph
# only Grad-CAM++ draws the half line on the left dog, and in the second it joins the two bright
# parts. That is what the paper claims; here it is a small step over a line. In `layer3` Grad-CAM
# and Grad-CAM++ differ much, but Grad-CAM+ goes with Grad-CAM++: it is the ReLU again. The small
# number $10^{-6}$, with logits of a tenth, changes these pictures a little.
#
# ## The figure of this lesson

# %% tags=["figure"] jupyter={"source_hidden": true}
figure = plt.figure(figsize=(12, 6.6), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=[1, 1.15])
n = some[2]
axes = above.subplots(1, 4)
axes[0].imshow(twins.images[n].permute(1, 2, 0))
axes[0].set_title("picture; dotted: the 3 masks")
for axis, (text, M) in zip(axes[1:], last.items(), strict=True):
    heat = enlarged(M)[n]
    plot.overlay(axis, twins.images[n], heat / heat.max())
    hits = int(metrics.objects_found(M, twins.object_masks)[n].sum())
    axis.set_title(f"{text}: {hits} of 3 found")
for axis in axes:
    axis.set(xticks=[], yticks=[])
    for mask in twins.object_masks[n]:
        axis.contour(mask.float(), levels=[0.5], colors="cyan", linewidths=1, linestyles="dotted")
plot.bar(list(axes[1:]), "evidence\nscaled per map", line=True)
bars, dots, price = below.subplots(1, 3, width_ratios=[1.5, 1, 1])
looks = {"color": ("#440154", "#21918c", "#c8c020"), "hatch": ("", "//", "..")}
for i, (text, M) in enumerate(last.items()):
    found = metrics.objects_found(M, twins.object_masks)[three].float()
    error = 1.96 * found.std(0) / len(found) ** 0.5
    look_of = {key: values[i] for key, values in looks.items()}
    places = torch.arange(3) + 0.27 * (i - 1)
    bars.bar(places, found.mean(0), 0.25, yerr=error, edgecolor="white", label=text, **look_of)
    shares = torch.stack([v for (_, t), v in cost.items() if t == text])  # (3 networks, questions)
    means, errors = shares.mean(1), 1.96 * shares.std(1) / shares.shape[1] ** 0.5
    price.bar(places, means, 0.25, yerr=errors, edgecolor="white", **look_of)
blob = by_size(floors["a blob in the middle"][0])
for place, height in enumerate(blob):
    bars.plot(
        [place - 0.42, place + 0.42], [height] * 2, color="black", linestyle=":", linewidth=1.5
    )
bars.set(
    xticks=range(3),
    xticklabels=["large", "middle", "small"],
    ylim=(0, 1.3),
    yticks=[0, 0.25, 0.5, 0.75, 1],
)
bars.set_ylabel("found (line: 95 %)")
bars.set_title(
    f"How often is each animal found?\n(3 in a picture, n = {int(three.sum())}; dotted: a blob)"
)
bars.legend(fontsize=8, loc="upper right", ncols=3)
x_axis, y_axis = (last[text][three].flatten() for text in ("Grad-CAM+", "Grad-CAM++"))
x_axis, y_axis = x_axis / x_axis.max(), y_axis / y_axis.max()
dots.scatter(x_axis[::17], y_axis[::17], s=4, color="#31688e", alpha=0.4)
dots.plot([0, 1], [0, 1], color="black", linewidth=0.8)
dots.set(xlabel="Grad-CAM+ (ReLU only)", ylabel="Grad-CAM++", xlim=(0, 1), ylim=(0, 1))
dots.set_title(f"At the last layer the pixel\nweights do nothing ({last_alike['Grad-CAM+']:.4f})")
price.axhline(float(mask4.float().mean()), color="black", linestyle=":", linewidth=1)
price.set(xticks=range(3), xticklabels=["repaired", "gap_1", "gap_2"], ylim=(0, 0.75))
price.set_ylabel("heat on the animal in question")
price.set_title(f"The ReLU has a price: four classes\n(n = {len(X4)}; dotted: a flat map)")
figure.suptitle(
    "Each animal counts; all three maps find the small one less often than the large one",
    fontsize=13,
)
plt.show()

# %% [markdown]
# **Today's question was: three frogs. Does each of them count?** For the network: yes, each one, the
# large one most; painting over shows it, and the control on empty ground supports it. For the map:
# before GAP, Grad-CAM shows each of them about as well as Grad-CAM++ does, and both miss the small
# one much more often than the large one (in the full run in nearly half of the pictures). The pixel
# weights, which the method is named for, are mostly close to 1/2. What changes the map is that
# evidence *against* the class is dropped. This spreads faint heat, also onto animals of other
# classes.

# %% [markdown]
# ## Once more
#
# *From lesson 6, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 6.1, for three masks at once: which share of the heat lies on *each* animal? `heat` is
# (N, H, W) and ≥ 0, `animals` is (N, 3, H, W), true where the animal is. Write (N, 3). Every
# picture here has three animals, and no map is empty.

# %%
heat = enlarged(last["Grad-CAM"])[three]
animals = twins.object_masks[three]
energy_each = torch.zeros(len(heat), 3)  # your line here
known = [metrics.energy_pointing_game(heat, animals[:, k]).values for k in range(3)]
off = float((energy_each - torch.stack(known, dim=1)).abs().max())
density = energy_each.mean(0) / animals.float().mean((0, 2, 3))
print(f"largest difference: {off:.1e}")
print("times as dense as a flat map:", [round(v, 1) for v in density.tolist()])

# %% [markdown]
# <details><summary>Solution</summary>
#
# `energy_each = (heat[:, None] * animals).sum((2, 3)) / heat.sum((1, 2))[:, None]`. The difference
# is rounding only. Look at the second line: on each animal the heat is denser than a flat map's, on
# the large one several times. The small one has the least: its cells are mixed with ground.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 10` asks them again, also next week.
#
# **1.** A map has 100 cells. A channel is 1 at 8 of them and 0 elsewhere. Its gradient is 1 where the
# channel is 1, and 0 elsewhere. What are its weights in Grad-CAM and in Grad-CAM++? And for a
# second channel with 2 such cells? How many times is the first one the stronger?
#
# <details><summary>Answer</summary>
#
# Grad-CAM: 0.08 and 0.02, the first is 4 times as strong. Grad-CAM++: α is 1 / (2 + 8) at 8 cells,
# so w = 0.8; for the second 2 / (2 + 2) = 0.5. The first is 1.6 times as strong.
#
# </details>
#
# **2.** A network ends in GAP and one linear layer. Two channels have the weights 2 and −2 for the
# class, and both have the mean 1 in this image. What are their weights in Grad-CAM++ at the last
# layer? What does Grad-CAM have there, if Z = 50?
#
# <details><summary>Answer</summary>
#
# 2 / (2 + 2 · 1) = 0.5, and 0 for the second one: it is dropped. Grad-CAM has 0.04 and −0.04.
#
# </details>
#
# **3.** A colleague adds 0.000001 below the line "to be safe". The gradients are of size 0.0001, and
# the sum of F is 10. What is α with it and without it?
#
# <details><summary>Answer</summary>
#
# Without it 1 / (2 + 0.001), nearly 0.5. With it the line below is about 0.00000002 + 0.000001, so
# α is 0.01: fifty times too small, and it depends on the gradient.
#
# </details>
#
# **4.** (lesson 9) Why does Smooth Grad-CAM++ draw exactly the map of Grad-CAM++ before GAP and one
# linear layer, but perhaps not before GAP and *two* linear layers with a
# ReLU between them?
#
# <details><summary>Answer</summary>
#
# With one linear layer the gradient is the row of weights divided by Z, whatever the image is:
# noise changes nothing. With two, units between them switch on and off, so the gradient is the same
# at all places, but not in all images.
#
# </details>
#
# **5.** (lesson 6) A small frog covers 3 % of the picture and has 12 % of the heat. A large frog
# covers 10 % and has 40 %. Does the map prefer the large one?
#
# <details><summary>Answer</summary>
#
# No: 12 / 3 = 4 and 40 / 10 = 4. On both the heat is 4 times as dense as a flat map's. The large
# frog has more heat because it has more pixels.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * "Does it count?" is a question to the network: hide one object and ask for the score. "Does the map
#   show it?" is another question.
# * **Grad-CAM++** weighs each place by $\alpha = 1/(2 + G\sum F)$ and takes only positive gradients.
#   It comes from $Y = e^S$: the second derivative of the logit is 0, that of $Y$ is not.
# * The pixel weights are mostly close to 1/2. After the ReLU, Grad-CAM++ was in our tests Grad-CAM
#   with positive gradients.
# * Its paper's example needs a gradient that is 0 where nothing was found. Before GAP it is the same
#   everywhere, and the example does not apply.
# * Dropping negative gradients spreads faint heat and loses what tells classes apart.
# * The smooth version costs 25 times as much. Before GAP and one linear layer it buys nothing.
# * $10^{-6}$ is large beside the square of a small gradient.
# * A measure for objects needs floors and a fixed amount of light, or a map that is warm everywhere
#   wins.
#
# **Where it fails.** Pictures with several classes; layers in the middle; small logits in programs
# with an $\varepsilon$. And our own test has limits: drawn animals, three small networks, one rule
# for "found". A network trained on pictures with many objects may be another case.
#
# **Try this** (15 minutes). Change one half in the rule for "found": count an animal if a quarter of
# its pixels is lit, or three quarters. Does the order of the three methods change? Then ask with
# the probability in place of the logit: which of the three maps changes most?
#
# **Where to read on.** arXiv 1710.11063v3, Section 3: from Equation 5 to Equation 19, and Figure 2.
# arXiv 2205.10838 for the answer to it. `camlite.grad_cam_plus_plus` has the same steps as your
# functions. `docs/differences.md` lists what four libraries compute under this name. For many
# objects in one photograph: the table *twins* in `docs/results.md`.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *second derivative*: đạo hàm bậc hai · 二阶导数 · 二階導數 · 二階微分
# * *partial derivative*: đạo hàm riêng · 偏导数 · 偏導數 · 偏微分
# * *weight*: trọng số · 权重 · 權重 · 重み
# * *element-wise product*: tích từng phần tử · 逐元素乘积 · 逐元素乘積 · 要素ごとの積
# * *recall*: độ phủ · 召回率 · 召回率 · 再現率
# * *floor, baseline*: mức sàn · 下限基准 · 下限基準 · 下限の基準
# * *interval*: khoảng tin cậy · 置信区间 · 信賴區間 · 信頼区間
# * *noise*: nhiễu · 噪声 · 雜訊 · ノイズ
#
# **Next:** lesson 11 asks why this class, and why this one rather than that one: which score?
