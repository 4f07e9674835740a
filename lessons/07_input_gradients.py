# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 7: Gradients at the pixels
#
# **Time** 150 minutes, best in two parts · **Difficulty** ●●●○○ · **You need** lesson 3, and: you
# know what a derivative is; lesson 6 helps · **At the end** you have drawn five maps over the
# pixels of an image, and you have tested what each of them may claim.
#
# You stand in front of a machine with 784 small sliders and one needle. Nobody tells you how it
# works. You want to know which sliders matter. What do you do? You move one slider a little and
# watch the needle. Then the next one.
#
# The machine is our network, the sliders are the pixels of a digit, and the needle is the logit of
# a class. To move the inputs a little and watch the output is called **sensitivity analysis**. In
# 2013 Simonyan, Vedaldi and Zisserman saw that one backward pass moves all sliders at once, and
# made a picture of the answer. It was grainy. Soon there were calmer pictures, and sharper ones.
# One of today's six pictures was made without any network. Will you notice which?
#
# **Today's question: which pixels, says the derivative, and may we believe it?**
#
# > **Papers:** K. Simonyan, A. Vedaldi, A. Zisserman: *Deep Inside Convolutional Networks*, 2013,
# > arXiv 1312.6034 (saliency). · D. Smilkov and others: *SmoothGrad*, 2017, arXiv 1706.03825. ·
# > M. Zeiler, R. Fergus: *Visualizing and Understanding Convolutional Networks*, ECCV 2014, arXiv
# > 1311.2901 (DeconvNet, occlusion). · J. T. Springenberg and others: *Striving for Simplicity*,
# > 2015, arXiv 1412.6806 (guided back-propagation). · J. Adebayo and others: *Sanity Checks for
# > Saliency Maps*, NeurIPS 2018, arXiv 1810.03292.

# %% tags=["imports"]
import copy
import os

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, metrics, nets, sanity, weights
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images and samples, for tests

# %% [markdown]
# ## One slider at a time
#
# The network of lesson 2 reads one digit. We make one pixel a little brighter, by 0.001, and note
# how much the logit of its class rises, divided by 0.001. That is the **derivative**, nearly. Then
# the next pixel.

# %%
images, labels, name = data.handwriting(train=False, limit=600)
net = nets.bundled(f"gapnet_{name}")
with torch.no_grad():
    right = net(images[:100]).argmax(1) == labels[:100]
digits, c = images[:100][right], labels[:100][right]
x, digit = digits[:1], int(c[0])

pixels = torch.arange(0, 784, 8 if fast else 2)  # every second one is enough
moved = x.repeat(len(pixels), 1, 1, 1).flatten(1)  # one copy of the image for each pixel
moved[torch.arange(len(pixels)), pixels] += 0.001
with torch.no_grad():
    moved_logits = torch.cat([net(some)[:, digit] for some in moved.view(-1, 1, 28, 28).split(98)])
    slopes = (moved_logits - net(x)[0, digit]) / 0.001
print(f"{name}, a {digit}: {len(pixels)} forward passes, slopes {slopes.min():.2f} to", end=" ")
print(f"{slopes.max():.2f}")

# %% [markdown]
# Many forward passes for one small image. PyTorch can do it in one pass forward and one back. In
# training it computes the derivative of the loss with respect to the *weights*. Now we ask for
# another one: the derivative of the logit with respect to the *image*,
#
# $$ G = \frac{\partial Y_c}{\partial x} , $$
#
# which has the shape of the image. Two steps. First, the image must be a **start**: a tensor that
# PyTorch follows through the network. `x.detach().clone()` has the same numbers, and whatever we do
# to it, the caller's `x` stays as it was; `.requires_grad_()` makes it a start. (PyTorch's own
# words for it: a *leaf* that *requires grad*.) Then `torch.autograd.grad(number, start)` gives a
# tuple with one gradient for each start, so `[0]` takes the first.

# %%
start = x.detach().clone().requires_grad_()
Y = net(start)
G = torch.autograd.grad(Y[0, digit], start)[0]
same_slopes = float(torch.corrcoef(torch.stack([slopes, G.flatten()[pixels]]))[0, 1])
print(f"Y {tuple(Y.shape)}, G {tuple(G.shape)}")
print(f"correlation with the slopes that we measured: {same_slopes:.4f}")

# %% [markdown]
# One pass back, and we have all 784 slopes. (The correlation is not quite 1: even a step of 0.001
# may open or close a ReLU on the way.)
#
# With a batch we pick one logit for each image. `Y[rows, classes]` takes one from each row. `c` may
# be one class for all images: `torch.as_tensor(c).expand(N)` repeats it (N is `len(x)`), and leaves
# a tensor of N classes as it is. The **sum** of the picked logits is one number, and its gradient
# holds the gradient of each image: the logit of an image depends on its own pixels only.

# %%
rows = torch.arange(3)
start = digits[:3].detach().clone().requires_grad_()
Y = net(start)
print("one class for all:", Y[rows, torch.as_tensor(7).expand(3)].tolist())
picked = Y[rows, torch.as_tensor(c[:3]).expand(3)]
G_three = torch.autograd.grad(picked.sum(), start)[0]
print("the first of three is as before:", torch.allclose(G_three[0], G[0], atol=1e-4))
print("a weight has a .grad now:", net.classifier.weight.grad is not None)

# %% [markdown]
# The last line: `torch.autograd.grad` leaves the weights alone. `picked.sum().backward()` would
# fill the `.grad` of all weights too, and the next training step would use it.
#
# ## Exercise 7.1: saliency
# *●●○○○ · about 15 minutes*
#
# The paper makes a picture of `G`: how sensitive is the logit to each pixel, up or down? A pixel
# has several colours; the strongest one counts.
#
# $$ S(x,y) = \max_{\text{colours}} \left|\frac{\partial Y_c}{\partial x}\right| $$
#
# `f` maps images (N, C, H, W) to logits, `c` is one class or one for each image. Return (N, H, W).
# Nothing else changes: not the image `x` of the caller, and no weight's `.grad`.


# %% tags=["exercise", "7.1"]
def saliency(f, x: Tensor, c: int | Tensor) -> Tensor:
    """The size of ∂Y_c/∂x at each pixel: images (N, C, H, W) -> (N, H, W)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 7.1: saliency")


# %%
check("7.1", saliency)

# %% [markdown]
# If you need help: `hint("7.1")`. There are three hints, each stronger than the one before.
#
# ## What does it say, and what not?
#
# Here are five digits. **Guess first:** where will the bright pixels be: on the strokes, or beside
# them?

# %%
five = digits[:5]
S = saliency(net, five, c[:5])
print("the same as camlite.saliency:", torch.allclose(S, camlite.saliency(net, five, c[:5])[:, 0]))
many = digits[: 12 if fast else 40]
S_many = saliency(net, many, c[: len(many)])
stroke = many[:, 0] > 0.2
wide = functional.max_pool2d(stroke.float(), kernel_size=5, stride=1, padding=2) > 0


def density(M: Tensor, zone: Tensor) -> float:
    """How dense the positive part of M is in a zone, in units of a flat map (lesson 6)."""
    P = M.clamp(min=0)
    share = (P * zone).sum((1, 2)) / P.sum((1, 2))
    return float((share / zone.float().mean((1, 2))).mean())


zones = {"strokes": stroke, "two pixels around": wide & ~stroke, "all the rest": ~wide}
for text, zone in zones.items():
    share = float(((S_many * zone).sum((1, 2)) / S_many.sum((1, 2))).mean())
    print(
        f"{text:17} {share:4.0%} of the saliency, {zone.float().mean():4.0%} of the pixels: "
        f"density {density(S_many, zone):.2f} (n = {len(many)} digits)"
    )


# %% tags=["figure"] jupyter={"source_hidden": true}
def size_grid(rows: list, row_titles: list, column_titles: list, title: str) -> None:
    """`plot.grid` for maps without sign; the colour bar says that the colours are only sizes."""
    figure = plot.grid(rows, row_titles, column_titles, title=title, alpha=1.0)
    figure.axes[-1].set_ylabel("size, from 0 to each map's own top", fontsize=8)
    figure.get_layout_engine().set(w_pad=0.1)  # room for the names of the rows
    plt.show()


blank = torch.zeros(1, 28, 28)
size_grid(
    [[(one, None) for one in five], [(blank, one) for one in S]],
    ["image", "saliency"],
    [f"logit of {k}" for k in c[:5].tolist()],
    title="Saliency: the logit is sensitive to strokes, and to black pixels beside them",
)

# %% [markdown]
# **Your guess:** both. The strokes get more than their share, but most of the saliency lies on
# *black* pixels. Many of these are close to a stroke: in the ring around it the map is denser than
# on the stroke itself. (Density 1: as a map without any preference.) A black pixel is 0; there is
# nothing. But the logit would change if there were ink, and ink beside a stroke may close a 6 to an
# 8. So do not read the picture as "these pixels made it this digit". Saliency is **sensitivity**:
# what would happen if. It is not contribution: what did happen. For $Y = 3x_1 + x_2$ at
# $x = (0, 5)$ the saliency is $(3, 1)$, and the contributions are $(0, 5)$.
#
# > **A word.** In this lesson a *saliency map* is the picture of $|G|$. Many texts use the word for
# > every heat map, CAM too. The Japanese article *CAMの発展と実装* does so and translates it
# > 特徴マップ. But 特徴マップ is a *feature map*, what a layer gives; *saliency map* is 顕著性マップ.
# > One is inside the network, the other is drawn over the image.
#
# ## Animals, where we know the place
#
# For measuring we go to the pond of lesson 6: frogs, birds, fish and turtles on all kinds of
# ground, with a mask of the animal. The network comes with camlite; it is the repaired one, which
# does not follow the ground. We take images that it gets right.

# %%
f = nets.bundled("pond_repaired")
pond = data.scenes("pond", "flipped", count=40 if fast else 120, seed=0)
with torch.no_grad():
    known = f(pond.images).argmax(1) == pond.labels
X, cX, mask = (t[known][: 32 if fast else 80] for t in (pond.images, pond.labels, pond.object_mask))
print(f"accuracy {known.float().mean():.1%}; we explain {len(X)} images {tuple(X.shape[1:])}")


S_pond = saliency(f, X, cX)
dense = {"saliency": density(S_pond, mask), "Sobel": density(metrics.sobel_edges(X), mask)}
print({text: round(value, 2) for text, value in dense.items()}, "times a flat map, on the animal")

# %% [markdown]
# The second number is a **floor**, to compare with. Sobel's filter marks the edges of an image. It
# knows no network and no class, and yet it prefers the animals: an animal has edges. The saliency
# is about twice as dense as that. Keep the filter in mind; it comes back in each of today's tests.
#
# ## Why is it grainy?
#
# Look at the digits' saliency again. It looks like noise, but nothing was random: run it twice, and
# every number is the same. What jumps is the derivative. Each ReLU makes a kink in the network's
# function, and at a kink the slope jumps. We walk from the first digit a short way in a random
# direction, and write down the derivative of three pixels.


# %%
def gradient(f, x: Tensor, c: int | Tensor) -> Tensor:
    """G = ∂Y_c/∂x with its sign, (N, C, H, W)."""
    start = x.detach().clone().requires_grad_()
    Y = f(start)
    picked = Y[torch.arange(len(Y)), torch.as_tensor(c).expand(len(Y))]
    return torch.autograd.grad(picked.sum(), start)[0]


def walk(f, x: Tensor, c: int, steps: int, length: float) -> tuple[Tensor, Tensor]:
    """Positions (steps,), and the gradient of one image (1, C, H, W) there, (steps, C·H·W)."""
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    t = torch.linspace(0, length, steps)
    way = (x + t[:, None, None, None] * direction).split(20)
    return t, torch.cat([gradient(f, part, c) for part in way]).flatten(1)


t, G_walk = walk(net, x, digit, 41 if fast else 121, 0.02)
strongest = G_walk[0].abs().topk(9).indices[::4]
rank = float(sanity.spearman(G_walk[:1], G_walk[-1:]))
print(f"rank correlation of the derivatives (with sign) before and after the walk: {rank:.2f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
for pixel, style in zip(strongest, ("-", "--", ":"), strict=True):
    axis.plot(t, G_walk[:, pixel], style, color="black", drawstyle="steps-mid")
axis.axhline(0, color="grey", linewidth=0.6)
axis.set(xlabel="noise added (its standard deviation; the image goes from 0 to 1)", ylabel="∂Y/∂x")
axis.set_title("Three derivatives jump when a ReLU opens or closes (one digit)")
plt.show()

# %% [markdown]
# (**Rank correlation** compares the order of the pixels, from the smallest value to the largest. 1:
# the same order, 0: no connection, −1: the opposite order. Lesson 18 builds it.)
#
# Noise of 0.02 cannot be seen by eye, and yet the picture of the derivative changes a lot. So a
# natural idea: ask at many places near the image, and take the mean of the answers. That is
# **SmoothGrad**: "removing noise by adding noise", says its title.
#
# ## Exercise 7.2: SmoothGrad
# *●●○○○ · about 12 minutes*
#
# $$ \hat G = \frac{1}{n}\sum_{i=1}^{n} \frac{\partial Y_c}{\partial x}\Big|_{x + \sigma\varepsilon_i}
# , \qquad \varepsilon_i \sim \mathcal{N}(0, 1) $$
#
# For each of the `samples` draw fresh noise with `torch.randn(x.shape, generator=generator)`.
# `sigma` is the standard deviation: the noise is multiplied by it. The gradient keeps its **sign**
# and its colours: return (N, C, H, W). The class is always `c`. Do not cut the noisy image to
# [0, 1]. The function `gradient` above does one of the steps for you.


# %% tags=["exercise", "7.2"]
def smooth_grad(
    f, x: Tensor, c: int | Tensor, samples: int, sigma: float, generator: torch.Generator
) -> Tensor:
    """The mean gradient over noisy copies: (N, C, H, W) -> (N, C, H, W), signed."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 7.2: smooth_grad")


# %%
check("7.2", smooth_grad)


# %%
def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def flat(M: Tensor, sign: bool) -> Tensor:
    """One number for each pixel (N, H, W): the colours added with sign, or the largest size."""
    if M.dim() == 3:
        return M if sign else M.abs()
    return M.sum(1) if sign else M.abs().amax(1)


samples, sigma = 10 if fast else 25, 0.1
before_after, alike_after, dense_after = {}, {}, {}
print("          alike, with sign  without sign    density: saliency  SmoothGrad")
for text, model, one, k, zone in (
    ("digits", net, many, c[: len(many)], stroke),
    ("animals", f, X, cX, mask),
):
    pair = gradient(model, one, k), smooth_grad(model, one, k, samples, sigma, seeded(0))
    before_after[text] = pair
    alike_after[text] = [
        float(sanity.spearman(*(flat(M, sign) for M in pair)).mean()) for sign in (True, False)
    ]
    dense_after[text] = [density(flat(M, sign=False), zone) for M in pair]
    with_sign, without = alike_after[text]
    print(f"{text:8} {with_sign:12.2f} {without:15.2f}", end=" ")
    print("{:21.2f} {:13.2f}".format(*dense_after[text]), f"  (n = {len(one)})")
G_X, smooth = before_after["animals"]


# %% tags=["figure"] jupyter={"source_hidden": true}
shown = [int((cX == k).nonzero()[1]) for k in range(4)]  # one of each class
row_of = [pond.class_names[cX[n]] for n in shown]


def picture_of(M: Tensor) -> Tensor:
    """One number for each pixel, without sign; a few very bright ones do not hide the rest."""
    S = M.abs().amax(1) if M.dim() == 4 else M.clamp(min=0)
    return (S / S.flatten(1).quantile(0.995, dim=1)[:, None, None].clamp_min(1e-12)).clamp(max=1)


def on_black(M: Tensor) -> tuple[Tensor, Tensor]:
    """A map (H, W) alone, on black."""
    return torch.zeros(1, *M.shape), M


both = [(five, *before_after["digits"], (0, 1)), (X, G_X, smooth, shown[:2])]
size_grid(
    [
        [(one[n], None), *(on_black(picture_of(M)[n]) for M in (G, G_smooth))]
        for one, G, G_smooth, numbers in both
        for n in numbers
    ],
    [f"digit {k}" for k in c[:2].tolist()] + row_of[:2],
    ["image", "saliency", f"SmoothGrad\n{samples} samples"],
    title="Without sign, SmoothGrad changes\nthe digits' maps, hardly the animals'",
)

# %% [markdown]
# "Alike" is the rank correlation of saliency and SmoothGrad. The pictures show sizes, so look at the
# second column first. For the digits it is another picture. For the animals it is nearly the old
# one, grain and all, although many **signs** have changed (first column). So **their grain is no
# noise**. Look closely: it is a grid. This network has two convolutions that take every second
# place (stride 2, with a border of one zero around the image). Count rows and columns from 0.
# **Guess:** which pixels does the first one see most often?

# %%
parity = torch.stack([S_pond[:, i::2, j::2].mean() for i in (0, 1) for j in (0, 1)]).view(2, 2)
parity /= S_pond.mean()
parity_digits = torch.stack([S_many[:, i::2, j::2].mean() for i in (0, 1) for j in (0, 1)])
parity_digits /= S_many.mean()
print("mean saliency of the pixels in even and odd rows and columns (1: the mean of all)")
print("animals:", [round(v, 2) for v in parity.flatten().tolist()], "· digits:", end=" ")
print([round(v, 2) for v in parity_digits.tolist()])

# %% [markdown]
# A 3×3 filter that moves by two sees a pixel in an odd row and an odd column four times, and one in
# an even row and an even column once. (Draw it.) The derivative adds these ways up: about three
# times as much saliency for the first kind. The network of the digits has no strides, and no grid.
# The grid says nothing about frogs. It is how the network is built.
#
# Is the calm picture **better**? One measurement for both networks stands in the last two columns:
# density on the strokes, and on the animals. SmoothGrad is not denser on the animals, where its
# picture stayed, and not on the digits, where it became another one. Your eye may like it more;
# this measurement does not. (camlite's own `smooth_grad` takes sigma as a share of the image's
# range; the paper recommends 10 to 20 % of it, and about 50 samples.)
#
# ## How many samples?
#
# **Guess first.** With four times as many samples, how much smaller is the variance of the result?
# And does the picture for many samples still depend on sigma?
#
# The mean of $n$ independent numbers has $1/n$ of the variance of one of them. Is that so here? We
# draw many gradients once, form groups of $n$, and look at how the means of the groups differ.

# %%
draws = 128 if fast else 512
sizes = [1, 2, 4, 8, 16, 32]
variances, limits = {}, {}
for noise in (0.05, 0.1, 0.3):
    g = seeded(0)
    parts = [X[:1] + noise * torch.randn(64, *X.shape[1:], generator=g) for _ in range(draws // 64)]
    many_G = torch.cat([gradient(f, part, cX[:1]) for part in parts])
    variances[noise] = [float(many_G.unflatten(0, (-1, n)).mean(1).var(0).mean()) for n in sizes]
    limits[noise] = many_G.mean(0, keepdim=True)
    ratios = [variances[noise][0] / v for v in variances[noise]]
    print(f"sigma {noise:4}: variance of 1 / variance of n =", [round(r, 1) for r in ratios])
print(f"{'n =':>44}", sizes)
limits_alike = {
    (noise, sign): float(sanity.spearman(flat(limits[0.05], sign), flat(limits[noise], sign)))
    for noise in (0.1, 0.3)
    for sign in (True, False)
}
print(f"rank correlation of the means of {draws}, sigma 0.05 and another sigma:")
for (noise, sign), value in limits_alike.items():
    print(f"   sigma {noise}, {'with' if sign else 'without'} sign: {value:.2f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for (noise, values), mark in zip(variances.items(), "os^", strict=True):
    axis.loglog(sizes, values, mark, color="black", label=f"measured, sigma = {noise}")
    axis.loglog(sizes, [values[0] / n for n in sizes], "-", color="grey", linewidth=0.8)
axis.plot([], [], "-", color="grey", label="the variance of one, divided by n")
axis.set_xticks(sizes, [str(n) for n in sizes])
axis.minorticks_off()
axis.set(xlabel="samples n", ylabel="variance of the mean gradient")
axis.set_title(f"The variance falls as 1/n (one image, {draws} gradients per sigma)")
axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# **Your guesses:** four times the samples, a quarter of the variance. The measured points lie on
# the line. To halve what the eye sees as grain, the standard deviation, you need four times the
# samples.
#
# But *where to* does the mean go? That depends on sigma (the last lines): with 0.3 it is another
# picture than with 0.05, with its sign and without. More samples take away the grain of the sampling. They do not bring you
# nearer to the derivative at the image. SmoothGrad is the exact gradient of another function: of
# the mean logit over noisy images. That can be a good question. But say which sigma, as you say
# which layer.
#
# ## Three rules at a ReLU
#
# The sharpest pictures come from another idea: change the way back. A ReLU is a gate. On the way
# forward its input $f$ passes if it is positive. On the way back a signal $R$ arrives at the gate.
# What does the gate send back? Three answers:
#
# | rule | what is sent back | who opens the gate? |
# |---|---|---|
# | gradient | $1[f > 0]\;R$ | the input $f$: it is the true derivative |
# | DeconvNet | $1[R > 0]\;R$ | the signal itself; what came forward is forgotten |
# | guided back-propagation | $1[f > 0]\,1[R > 0]\;R$ | both |
#
# Here $1[\ldots]$ is 1 where the condition holds and 0 elsewhere.
#
# **By hand, on paper.** Two inputs, three units, one output, at the input $x = (1, 1)$:
#
# * $f_1 = 3x_1 - x_2$, $\quad f_2 = x_1 - 2x_2$, $\quad f_3 = x_1 + 2x_2$
# * $Y = 1\cdot\mathrm{ReLU}(f_1) + 2\cdot\mathrm{ReLU}(f_2) - 1\cdot\mathrm{ReLU}(f_3)$
#
# The signals that come back to the three gates are the weights of $Y$: $R = (1, 2, -1)$. Compute
# $f$, then what passes each gate by each rule, then what arrives at $x_1$ and $x_2$ (each unit
# sends its signal times its weight). **Six numbers; write them down before you go on.**

# %%
A = torch.tensor([[3.0, -1.0], [1.0, -2.0], [1.0, 2.0]])  # the weights of the three units
R = torch.tensor([1.0, 2.0, -1.0])
two = torch.tensor([1.0, 1.0])
f_two = A @ two
passes = {
    "gradient": torch.tensor([1.0, 0.0, -1.0]),
    "deconvnet": torch.tensor([1.0, 2.0, 0.0]),
    "guided": torch.tensor([1.0, 0.0, 0.0]),
}
print("f =", f_two.tolist())
for rule, through in passes.items():
    print(f"{rule:10} through the gates {through.tolist()}, at the input {(through @ A).tolist()}")


def small_net(x: Tensor) -> Tensor:
    return R @ (A @ x).relu()


for n in range(2):
    pushed = two.clone()
    pushed[n] += 0.01
    print(
        f"x{n + 1} a little larger: Y moves by {(small_net(pushed) - small_net(two)) / 0.01:+.2f}"
    )

# %% [markdown]
# Only the first rule tells what really happens: $Y$ rises by 2 for each step of $x_1$, and falls by
# 3 for each step of $x_2$. Guided back-propagation has the right signs here and the wrong sizes; it
# has not seen unit 3, which speaks against. The DeconvNet counts unit 2, which is **off**: nothing
# that you do a little to $x$ changes anything there.
#
# ## Exercise 7.3: the rules as code
# *●○○○○ · about 8 minutes*
#
# `activation` is $f$ (or the output of the ReLU: it is positive at the same places), `signal` is
# $R$, of the same shape. `rule` is `"gradient"`, `"deconvnet"` or `"guided"`. For any other rule
# raise a `ValueError`: a typing error must not look like a result. Where $f$ is exactly 0 the gate
# is closed.


# %% tags=["exercise", "7.3"]
def relu_rule(activation: Tensor, signal: Tensor, rule: str) -> Tensor:
    """What a ReLU sends back when `signal` arrives: tensors of one shape -> the same shape."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 7.3: relu_rule")


# %%
check("7.3", relu_rule)

# %% [markdown]
# Now into a real network. A `torch.autograd.Function` says how a step goes forward, and how a
# signal goes back; `ctx` carries $f$ from one to the other. (`backward` returns one signal for each
# argument of `forward`. The rule is a word and gets none: `None`.) `with_rule` makes a copy of a
# network and puts our ReLU where it finds an `nn.ReLU`.


# %%
class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, f: Tensor, rule: str) -> Tensor:
        ctx.save_for_backward(f)
        ctx.rule = rule
        return f.relu()

    @staticmethod
    def backward(ctx, R: Tensor):
        return relu_rule(ctx.saved_tensors[0], R, ctx.rule), None


class RuledReLU(nn.Module):
    """Forward a ReLU, backward by a rule."""

    def __init__(self, rule: str):
        super().__init__()
        self.rule = rule

    def forward(self, f: Tensor) -> Tensor:
        return _Gate.apply(f, self.rule)


def with_rule(model: nn.Module, rule: str) -> tuple[nn.Module, int]:
    """A copy whose ReLU modules follow the rule, and how many there were."""
    model, found = copy.deepcopy(model), 0
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU):
                setattr(parent, name, RuledReLU(rule))
                found += 1
    return model, found


signals = {}
for rule, theirs in (
    ("gradient", None),
    ("deconvnet", camlite.deconvnet),
    ("guided", camlite.guided_backprop),
):
    ruled, found = with_rule(f, rule)
    signals[rule] = gradient(ruled, X, cX)
    expected = gradient(f, X, cX) if theirs is None else theirs(f, X, cX)
    same = torch.allclose(signals[rule], expected, atol=1e-5)
    print(f"{rule:10} {found} ReLUs, the same as the library: {same}")

# %% tags=["figure"] jupyter={"source_hidden": true}
titles = {"gradient": "gradient", "deconvnet": "DeconvNet", "guided": "guided\nback-propagation"}
twins = [int(n) for k in (0, 1) for n in (cX == k).nonzero()[:2]]  # two frogs, two birds
size_grid(
    [[(X[n], None), *(on_black(picture_of(signals[rule])[n]) for rule in titles)] for n in twins],
    [pond.class_names[cX[n]] for n in twins],
    ["image", *titles.values()],
    title="Guided back-propagation is the cleanest.\nIs DeconvNet looking at the image?",
)

# %% [markdown]
# Guided back-propagation is the cleanest: it has the fewest grains beside the animal. And the
# DeconvNet? **Look at the two frogs, and at the two birds, in its column.** What do you see? What
# does it mean?

# %%
same_class = {}
for k, class_name in enumerate(pond.class_names):
    drawn = signals["deconvnet"][cX == k]
    same_class[class_name] = float((drawn - drawn[:1]).abs().max() / drawn.abs().max())
    print(
        f"{class_name:7} largest difference between {len(drawn)} images: {same_class[class_name]:.0e}"
    )

# %% [markdown]
# **Your answer:** it draws *the same picture for every frog*. The difference is rounding, or zero.
# There is the proof in its rule: $1[R > 0]\,R$ does not ask for $f$, and nothing else on the way
# back depends on the image here. So what you see belongs to the class and the weights, not to the
# image. (The networks of the paper have max pooling, which remembers the place of each maximum on
# the way forward. On the way back, all that their DeconvNet knows of the image comes from there.)
#
# ## And where there is no ReLU?
#
# Many newer networks (EfficientNet and others) have smooth functions in place of the ReLU. One of
# them is **SiLU**, $f \cdot \mathrm{sigmoid}(f)$. We train a network that differs from `f` in this:
# the same layers, the same images, SiLU in place of ReLU. (The training is a little shorter.) It
# takes about ten seconds. **Guess first:** what does our `with_rule` do with it? What should it do?

# %%
threads = torch.get_num_threads()
torch.set_num_threads(1)  # the same network on every run
pond_train = data.scenes("pond", "varied", count=400 if fast else 1000, seed=0)
torch.manual_seed(0)
silu_net = nets.SceneNet()
for n, layer in enumerate(silu_net.features):
    if isinstance(layer, nn.ReLU):
        silu_net.features[n] = nn.SiLU()
epochs = 6 if fast else 8
losses = nets.fit(silu_net, pond_train.images, pond_train.labels, epochs, progress="train SiLU")
torch.set_num_threads(threads)
silu_right = nets.accuracy(silu_net, pond.images, pond.labels)
print(f"SiLU: accuracy {silu_right:.1%} of {len(pond)} images")

silu_ruled, silu_found = with_rule(silu_net, "guided")
silu_gradient = gradient(silu_net, X, cX)
unchanged = torch.equal(gradient(silu_ruled, X, cX), silu_gradient)
print(
    f"our with_rule found {silu_found} ReLUs; its 'guided' signal is the plain gradient: {unchanged}"
)
try:
    camlite.guided_backprop(silu_net, X, cX)
except ValueError as error:
    print("camlite:", error)

# %% [markdown]
# **The answer:** our own function found nothing to replace, said nothing, and gave the plain
# gradient under the name of guided back-propagation. A program should rather stop, as camlite does.
# (The same silence threatens where a ReLU is not a module, but a function inside `forward`.)
#
# Could one write a rule for SiLU? A ReLU is open or closed. Let us see whether a SiLU ever closes:
# how many units have a negative input, and how much of the signal goes back through them?

# %%
through_negative = []


def look(module: nn.Module, args: tuple, output: Tensor) -> None:
    """Keep what went in, and what comes back out of the SiLU."""
    f_in = args[0]
    slope = f_in.sigmoid() * (1 + f_in * (1 - f_in.sigmoid()))  # the derivative of SiLU
    output.register_hook(lambda R: through_negative.append((f_in < 0, (slope * R).abs())))


handles = [m.register_forward_hook(look) for m in silu_net.modules() if isinstance(m, nn.SiLU)]
gradient(silu_net, X, cX)
for handle in handles:
    handle.remove()
negative_share = [float(below.float().mean()) for below, _ in through_negative]
negative_signal = [float(size[below].sum() / size.sum()) for below, size in through_negative]
print("units with f < 0, last layer first:   ", [f"{v:.0%}" for v in negative_share])
print("share of the signal that passes there:", [f"{v:.0%}" for v in negative_signal])

# %% [markdown]
# In every layer about half of the units or more have a negative input, and more than a tenth of the
# signal goes through them. (With ReLUs it would be nothing.) To close these gates is not a small
# change of the rule. You may invent a rule, but then it is yours, and it needs tests of its own.
#
# What SiLU does bring is a derivative without jumps. The same walk as above, now from the first
# animal, for both networks:


# %%
def largest_step(G: Tensor) -> float:
    """The largest step between neighbours on a walk, in units of the mean step."""
    steps = (G[1:] - G[:-1]).abs()
    return float((steps.amax(0) / steps.mean(0).clamp_min(1e-12)).mean())


walks = {
    text: walk(model, X[:1], int(cX[0]), 121, 0.05)
    for text, model in (("ReLU", f), ("SiLU", silu_net))
}
jumps = {}
for text, (_, G_way) in walks.items():
    jumps[text] = largest_step(G_way[:, G_way[0].abs().topk(60).indices])
    print(
        f"{text}: the largest step is {jumps[text]:.0f} times the mean step (60 strongest pixels)"
    )

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
for axis, (text, (t_way, G_way)) in zip(axes, walks.items(), strict=True):
    for pixel, style in zip(G_way[0].abs().topk(31).indices[::15], ("-", "--", ":"), strict=True):
        drift = (G_way[:, pixel] - G_way[0, pixel]) / G_way.abs().max()
        axis.plot(t_way, drift, style, color="black")
    axis.axhline(0, color="grey", linewidth=0.6)
    axis.set(title=text, xlabel="noise added")
axes[0].set_ylabel("change of ∂Y/∂x\n(the largest ∂Y/∂x is 1)")
figure.suptitle("The same walk: with ReLUs the derivative jumps, with SiLUs it bends")
plt.show()

# %% [markdown]
# ## Without any derivative: occlusion
#
# (A good place for a break: from here on you need `X`, `cX`, `f` and the functions above.)
#
# All these pictures describe very small changes. A colleague says: "Nobody changes a pixel by
# 0.001. Take a piece of paper and hold it over the picture!" That is **occlusion**: a patch hides a
# part of the image, and we look at how much of the logit is lost. Then the patch moves on.
#
# To fill a square in a *copy* of the images, all colours at once:

# %%
hidden = X.clone()
hidden[:, :, 8 : 8 + 16, 20 : 20 + 16] = 0.5  # rows 8 to 23, columns 20 to 35
print(
    "the original is whole:", not torch.equal(hidden, X), "· top edges for H = 7, patch 3,", end=" "
)
print("stride 2:", list(range(0, 7 - 3 + 1, 2)))

# %% [markdown]
# ## Exercise 7.4: occlusion
# *●●●○○ · about 15 minutes*
#
# For each place where the **whole** patch fits: the drop of the logit,
#
# $$ M_{r,s} = f_c(x) - f_c(x \text{ with the patch at row } r\cdot\text{stride}, \text{ column }
# s\cdot\text{stride filled}) $$
#
# The place is the upper left corner of the patch, a square of `patch` × `patch` pixels. The first
# patch lies at (0, 0). `fill` is one number for all colours. Keep the sign: a negative drop means
# that the class gains when this part is hidden. Return (N, rows, columns), and leave `x` as it was.


# %% tags=["exercise", "7.4"]
@torch.no_grad()  # no derivative is needed, and no graph is kept
def occlusion(f, x: Tensor, c: int | Tensor, patch: int, stride: int, fill: float) -> Tensor:
    """The drop of the logit for each place of the patch: (N, C, H, W) -> (N, rows, columns)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 7.4: occlusion")


# %%
check("7.4", occlusion)

# %% [markdown]
# camlite's own function lays each drop on the pixels of its patch, and takes the mean where patches
# overlap: a map as large as the image. Where the patches lie edge to edge, that is your map,
# enlarged. We use it for the pictures.

# %%
ours = occlusion(f, X[:8], cX[:8], 8, 8, 0.5)
theirs = camlite.occlusion(f, X[:8], cX[:8], patch=8, stride=8, fill=0.5, probability=False)
enlarged = functional.interpolate(ours[:, None], scale_factor=8, mode="nearest")[:, 0]
print(
    f"ours {tuple(ours.shape)}, the same as camlite's: {torch.allclose(enlarged, theirs, atol=1e-4)}"
)

# %% [markdown]
# Here is a map that *is* an experiment. It needs no ReLU, no derivative, no look inside: only 122
# questions for each image (121 places, and the whole image). Is this the truth at last? **Guess
# first:** we change the size of the patch, and what it is filled with. How alike are the maps?
# (Rank correlation 1: the same order of all pixels; 0: nothing in common.)

# %%
hide_n = 12 if fast else 32
asked = X[:hide_n], cX[:hide_n]
settings = {
    "8×8, grey": (8, 4, 0.5),
    "4×4, grey": (4, 4, 0.5),
    "16×16, grey": (16, 4, 0.5),
    "8×8, black": (8, 4, 0.0),
    "8×8, white": (8, 4, 1.0),
    "8×8, mean colour": (8, 4, "mean"),
}
hidden_maps = {
    text: camlite.occlusion(f, *asked, patch=p, stride=s, fill=fill, probability=False)
    for text, (p, s, fill) in settings.items()
}
first = hidden_maps["8×8, grey"]
to_first = {text: float(sanity.spearman(first, M).mean()) for text, M in hidden_maps.items()}
peaks = {}
for text, M in hidden_maps.items():  # the largest drop fills a square: all its pixels count
    top = (M.amax((1, 2), keepdim=True) == M).float()
    peaks[text] = float(((top * mask[:hide_n]).sum((1, 2)) / top.sum((1, 2))).mean())
negative = {text: float((M < 0).float().mean()) for text, M in hidden_maps.items()}
print(f"{'':17} like the first   largest drop on the animal   negative (n = {hide_n})")
for text in settings:
    print(f"{text:17} {to_first[text]:10.2f} {peaks[text]:18.0%} {negative[text]:24.0%}")
print(f"the animals cover {mask[:hide_n].float().mean():.0%} of the pixels")

# %% tags=["figure"] jupyter={"source_hidden": true}
pick = shown[0] if shown[0] < hide_n else 0
order = ["4×4, grey", "8×8, grey", "16×16, grey", "8×8, black", "8×8, white", "8×8, mean colour"]
plot.grid(
    [[(X[n], None), *((X[n], hidden_maps[text][n]) for text in order)] for n in (pick, pick + 1)],
    [f"{pond.class_names[cX[n]]}" for n in (pick, pick + 1)],
    ["image", *(text.replace(", ", ",\n") for text in order)],
    title="Occlusion: patch and fill are part of the question, and change the answer",
    signed=True,
)
plt.show()

# %% [markdown]
# **Your guess:** related, but far from alike. The place of the *largest* drop is robust: with small
# squares of grey or of the mean colour it lies on the animal for nearly all images. The rest of the
# map depends on the patch and on the fill. A black or a white square is an object of its own: the
# network has never seen one, and gives its own answer to it. And a large patch smears the animal
# over its neighbourhood. So an occlusion map answers "what if a *grey* square of *8×8* stood
# there?". That is a fair question, but you have to write it under the picture. (Lesson 12 comes
# back to it: how much of the answer comes from what we put into the hole?)
#
# ## Six pictures: which one has not seen the network?
#
# Here are the five maps and Sobel's filter for three animals, without names and in mixed order.
# **Guess first, three columns:** Which one would you put into a report? Which one is the filter, so
# it has not seen the network? And which one has not seen the image?

# %%
NAMES = ["saliency", "SmoothGrad", "DeconvNet", "guided", "occlusion", "Sobel"]


def six_maps(
    model: nn.Module, x: Tensor, c: Tensor, samples: int = 4 if fast else 8
) -> dict[str, Tensor]:
    """Signed maps: (N, C, H, W), and (N, H, W) for occlusion and Sobel."""
    patch = x.shape[-1] // 6
    return {
        "saliency": gradient(model, x, c),
        "SmoothGrad": smooth_grad(model, x, c, samples, sigma, seeded(0)),
        "DeconvNet": camlite.deconvnet(model, x, c),
        "guided": camlite.guided_backprop(model, x, c),
        "occlusion": camlite.occlusion(
            model, x, c, patch=patch, stride=patch, fill="mean", probability=False
        ),
        "Sobel": metrics.sobel_edges(x),
    }


quiz = six_maps(f, X[shown[:3]], cX[shown[:3]], samples)
mixed = ["guided", "SmoothGrad", "Sobel", "saliency", "DeconvNet", "occlusion"]

# %% tags=["figure"] jupyter={"source_hidden": true}
size_grid(
    [
        [(X[shown[n]], None), *(on_black(picture_of(quiz[text])[n]) for text in mixed)]
        for n in range(3)
    ],
    row_of[:3],
    ["image", *"ABCDEF"],
    title="Which column has never seen the network, and which one never the image?",
)

# %%
print("  ".join(f"{letter} = {text}" for letter, text in zip("ABCDEF", mixed, strict=True)))

# %% [markdown]
# **The answer** stands above: Sobel's filter has not seen the network, and the DeconvNet not the
# image (look at its frog above). The filter shows the animals most clearly. If it had stood there
# alone, as "the explanation", would you have asked? Clear outlines need no network, and a look is
# no test. So we test, on the animals, where there is a ground that does not matter.

# %% [markdown]
# ## Test 1: a small change
#
# The derivative makes an exact claim. Move the image a very little, by $\delta$: the logit moves by
# $\sum G\,\delta$, added up over all pixels and colours. Any map with a sign for each number can be
# asked to predict it. We draw random small $\delta$, and correlate what each map predicts with
# what happens. **Guess:** who is near 1?

# %%
maps = six_maps(f, X, cX, samples=1) | {"SmoothGrad": smooth}
tries, test_n = (20, 16) if fast else (60, 40)
deltas = 1e-3 * torch.randn(tries, *X.shape[1:], generator=seeded(3), dtype=torch.double)
f64 = copy.deepcopy(f).double()  # differences of 0.001 need many digits
each = torch.arange(test_n)
with torch.no_grad():
    Y0 = f64(X[:test_n].double())[each, cX[:test_n]]
    happens = torch.stack(
        [f64(X[:test_n].double() + δ)[each, cX[:test_n]] - Y0 for δ in deltas]
    )  # (tries, n)
predicted = {}
for text in ("saliency", "SmoothGrad", "DeconvNet", "guided"):
    says = torch.einsum("nchw,tchw->tn", maps[text][:test_n].double(), deltas)
    a, b = (v - v.mean(0) for v in (says, happens))
    predicted[text] = float(functional.cosine_similarity(a, b, dim=0).mean())
    label = "the gradient" if text == "saliency" else text
    print(
        f"{label:13} correlation of predicted and real change {predicted[text]:+.2f} (n = {test_n})"
    )

# %% [markdown]
# **Your guess:** the gradient, with its sign, is near 1: it *is* this claim. SmoothGrad is not far.
# Guided back-propagation predicts only a part, DeconvNet almost nothing. (Saliency as a picture
# has lost the sign, so it claims only *how much*, not which way.)
#
# ## Test 2: a large change
#
# Nobody cares for changes of 0.001? Then erase the 5 % brightest pixels of each map, and look at
# how much of the logit is lost. As always, the fill is our choice: once grey, once the mean colour
# of the image. The floor is 5 % of the pixels by chance.


# %%
def order_of(M: Tensor) -> Tensor:
    """The size of each pixel; of occlusion the positive drops."""
    return M.abs().amax(1) if M.dim() == 4 else M


def brightest(M: Tensor, share: float = 0.05) -> Tensor:
    """1 at the pixels where M (N, H, W) is largest, 0 elsewhere."""
    k = round(share * M[0].numel())
    return torch.zeros_like(M).flatten(1).scatter_(1, M.flatten(1).topk(k).indices, 1).view_as(M)


def erased(x: Tensor, M: Tensor, fill: Tensor) -> Tensor:
    """The images without the brightest pixels of M; fill (N, C, 1, 1)."""
    gone = brightest(M)[:, None]
    return x * (1 - gone) + fill * gone


ranked = {text: order_of(maps[text]) for text in NAMES}
ranked["by chance"] = torch.rand(mask.shape, generator=seeded(4))
fills = {"grey": torch.full((len(X), 3, 1, 1), 0.5), "mean colour": X.mean((2, 3), keepdim=True)}
lost, on_animal = {}, {}
every = torch.arange(len(X))
print(f"{'':11} logit lost: grey   mean colour     erased pixels on the animal (n = {len(X)})")
for text, M in ranked.items():
    with torch.no_grad():
        lost[text] = {
            kind: float((f(X) - f(erased(X, M, fill)))[every, cX].mean())
            for kind, fill in fills.items()
        }
    on_animal[text] = float((brightest(M) * mask).sum() / brightest(M).sum())
    first_two = "  ".join(f"{value:11.2f}" for value in lost[text].values())
    print(f"{text:11} {first_two} {on_animal[text]:20.0%}")

# %% [markdown]
# Look at *guided*: it loses the most, with both fills. The rule that is **not** the derivative
# finds the pixels whose loss hurts most. Most of what it erases lies on the animal (last column),
# but about as much with saliency and occlusion: it counts which pixels *of the animal*. Saliency
# and SmoothGrad are close to each other; occlusion, with its coarse squares, comes after them. The
# filter and the DeconvNet lose much less; the filter still more than chance, because animals have
# edges. (Another fill or another share can give another order. Try white, or 20 % of the pixels.)
#
# So guided back-propagation has failed test 1 and won test 2. Should we believe it? One more
# question. These pixels are *important*. But for **what**?
#
# ## Test 3: whose decision is it?
#
# This is a first **sanity check** (Adebayo and others, 2018; lesson 18 does it in full). We break
# the decision and see whether the map notices:
#
# * *another class*: ask the same network about a class that it did not answer;
# * *last layer random*: the filters are still the trained ones, but the decision is drawn at
#   random;
# * *all layers random*: a network that has learned nothing.
#
# A map that explains the decision must become another one. We compare maps by rank correlation,
# once with their sign, once without, as they are usually shown. (Saliency *with its sign* is the
# gradient.) **Guess first:** which maps will not notice that the decision is random?


# %%
def randomised(model: nn.Module, x: Tensor, count: int | None, seed: int) -> nn.Module:
    """A copy whose last `count` layers (None: all) have new random weights."""
    model = copy.deepcopy(model)
    for layer in sanity.layers_from_top(model, x)[:count]:
        sanity.randomize(model.get_submodule(layer), generator=seeded(seed))
    return model


def alike(A: dict, B: dict, sign: bool) -> dict[str, float]:
    """Mean rank correlation of the maps of two sets."""
    return {n: float(sanity.spearman(flat(A[n], sign), flat(B[n], sign)).mean()) for n in A}


def sanity_table(model: nn.Module, x: Tensor, c: Tensor, seeds: int) -> dict:
    """(what was changed, sign) -> for each map the mean over the seeds, and the range."""
    original, classes = six_maps(model, x, c), model(x[:1]).shape[1]
    changed = {
        "another class": [six_maps(model, x, (c + 1 + s) % classes) for s in range(2)],
        "last layer random": [six_maps(randomised(model, x, 1, s), x, c) for s in range(seeds)],
        "all layers random": [six_maps(randomised(model, x, None, s), x, c) for s in range(seeds)],
        "another image": [{n: M.roll(1, 0) for n, M in original.items()}],
    }
    table = {}
    for sign in (True, False):
        for what, others in changed.items():
            found = [alike(original, other, sign) for other in others]
            values = {n: torch.tensor([one[n] for one in found]) for n in NAMES}
            table[what, sign] = {
                n: (float(v.mean()), float(v.max() - v.min())) for n, v in values.items()
            }
    return table


def print_table(table: dict, n: int, seeds: int) -> None:
    print(f"n = {n} images, {seeds} seeds; ±: half the range over the seeds")
    for sign in (True, False):
        print(f"\n{'maps with their sign' if sign else 'maps without sign':18}", end="")
        print("".join(f"{text:>13}" for text in NAMES))
        for (what, signed), row in table.items():
            if signed == sign:
                cells = (f"{mean:7.2f} ±{spread / 2:4.2f}" for mean, spread in row.values())
                print(f"{what:20}" + "".join(cells))


seeds, check_n = (2, 12) if fast else (5, 24)
pond_table = sanity_table(f, X[:check_n], cX[:check_n], seeds)
print_table(pond_table, check_n, seeds)

# %% [markdown]
# The last row of each half is there to compare with: how alike are the maps of two *different
# images*? A map that notices falls to about this number, or below it. Now the same on the digits,
# with the network of lesson 2. (It is slow for its size, so fewer images.)

# %%
digit_seeds, digit_n = (2, 2) if fast else (3, 6)
digit_table = sanity_table(net, digits[:digit_n], c[:digit_n], digit_seeds)
print_table(digit_table, digit_n, digit_seeds)

# %% [markdown]
# **Your guess:** Sobel's filter does not notice anything, of course: 1.00 everywhere but between
# two images. Read on, line by line; the same holds for animals and digits where nothing else is
# said.
#
# 1. **With sign, guided back-propagation hardly notices.** Another class, or a random decision: its
#    picture stays much the same. It shows what the trained filters find in *this image*, not why
#    the network said *frog*. (It is not quite an edge filter: with all layers random it
#    changes too.)
# 2. **With sign, gradient, SmoothGrad and occlusion notice.** For a random last layer their mean is
#    far below that of guided. On the animals the range over the seeds is large: there are only four
#    classes, and a random decision may be like the old one, or like its opposite.
# 3. **Without sign, on the animals, nobody notices another class or a random decision.** All maps
#    stay far more alike than those of two different images (the DeconvNet apart), saliency too, and
#    the *size* of the drops of occlusion. Only with all layers random all but the filter fall below
#    that mark.
#    On the digits saliency notices more, but far from fully. The class is in the **sign**, and the
#    usual picture of saliency throws the sign away.
# 4. **DeconvNet** has, on the animals, about the same likeness for another *image* as for another
#    class. You know why.
#
# Is it the measure? Rank correlation counts every pixel alike, also the faint grid. So once more
# with plain correlation, where the strong pixels count most.


# %%
def plain_correlation(A: Tensor, B: Tensor) -> float:
    """Mean correlation of two sets of maps, all pixels and colours, with sign."""
    A, B = (M.flatten(1) - M.flatten(1).mean(1, keepdim=True) for M in (A, B))
    return float(functional.cosine_similarity(A, B, dim=1).mean())


plain = {}
for text, method in {"gradient": gradient, "guided": camlite.guided_backprop}.items():
    before = method(f, X, cX)
    random_ones = [method(randomised(f, X, 1, s), X, cX) for s in range(seeds)]
    plain[text] = (
        plain_correlation(before, method(f, X, (cX + 1) % 4)),
        sum(plain_correlation(before, one) for one in random_ones) / seeds,
    )
    print(f"{text:9} another class {plain[text][0]:+.2f}   last layer random {plain[text][1]:+.2f}")

# %% [markdown]
# The same result, so it does not hang on the measure.
#
# The literature says: the gradient passes this check, guided back-propagation fails. We found the
# second half, for both networks. The first half needs the word *signed*. If you quote such a
# result, say which maps were compared: the paper reports both ways too.
#
# ## A real network, if you have one
#
# If the weights of ResNet50 and some photographs are in your data folder (`camlite doctor` shows
# it), the next cell asks the same of it: its last layer, `fc`, gets random weights. It takes about
# half a minute.

# %%
paths = [p for n in ("cat_dog", "puppies", "two_horses") if (p := data.find(f"photos/{n}.jpg"))]
big_table, big_maps = {}, {}
if "resnet50" in weights.at_hand() and paths and not fast:
    big = weights.pretrained("resnet50").model
    seen, photos = zip(*(weights.preprocess(data.load_image(p)) for p in paths), strict=True)
    photos = torch.cat(photos)
    with torch.no_grad():
        answers = big(photos).argmax(1)
    broken = randomised(big, photos, 1, 0)
    methods = {"saliency": gradient, "guided": camlite.guided_backprop}
    for text, method in methods.items():
        big_maps[text] = method(big, photos, answers), method(broken, photos, answers)
    big_maps["Sobel"] = (metrics.sobel_edges(torch.cat(seen)),) * 2
    print(f"n = {len(photos)} photographs: fc random (one seed), and the floor, another photograph")
    for sign in (True, False):
        for text, (one, other) in big_maps.items():
            big_table[text, sign] = [
                float(sanity.spearman(flat(one, sign), flat(M, sign)).mean())
                for M in (other, one.roll(1, 0))
            ]
            likeness, floor = big_table[text, sign]
            kind = "with sign" if sign else "without"
            print(f"{text:9} {kind:9} {likeness:+.2f}, floor {floor:+.2f}", end="   ")
        print()
else:
    print("ResNet50 or its photographs are not at hand (or this is a fast run): nothing to do here")

# %% tags=["figure"] jupyter={"source_hidden": true}
if big_maps:
    rows = [
        [(seen[n][0], None)]
        + [on_black(picture_of(M)[n]) for pair in big_maps.values() for M in pair]
        for n in range(len(photos))
    ]
    titles = [f"{text},\n{net_text}" for text in big_maps for net_text in ("trained", "fc random")]
    size_grid(
        rows,
        [""] * len(rows),
        ["image", *titles],
        title="ResNet50, trained and with a random decision: who draws another picture?",
    )

# %% [markdown]
# If you have no ResNet50, here is what we got for three photographs and one random `fc`: guided
# back-propagation +1.00 with sign and +0.99 without, the gradient +0.16 and +0.47. The floor,
# another photograph: guided +0.00 and +0.20, the gradient −0.01 and +0.09. So with a thousand
# classes even the picture without sign changes clearly, but it stays far from the floor. The filter
# has +1.00, so by this number guided back-propagation is as blind to the decision as an edge
# filter.
#
# ## The figure of this lesson
#
# One animal, six maps with their sign (the colours added up), and four questions. Red is positive,
# blue is negative. For the gradient that means: a brighter pixel raises the logit, or lowers it.
# For occlusion: without this square the logit is lower, or higher. For the others it is what their
# rule gives; test 1 has shown how little that may mean. The number in each picture is the mean rank
# correlation with the first row over all images of the table; this animal is only one of them.

# %% tags=["figure"] jupyter={"source_hidden": true}
n = shown[0]
one, k = X[n : n + 1], cX[n : n + 1]
name_of = pond.class_names[k[0]]
other = pond.class_names[(int(k[0]) + 1) % 4]
rows = {
    f"why {name_of}?": six_maps(f, one, k, samples),
    f"why {other}?": six_maps(f, one, (k + 1) % 4, samples),
    "last layer\nrandom": six_maps(randomised(f, X, 1, 0), one, k, samples),
    "all layers\nrandom": six_maps(randomised(f, X, None, 0), one, k, samples),
}


def signed_picture(M: Tensor) -> Tensor:
    """Colours added, from -1 to 1, the strongest pixels cut: (H, W)."""
    S = flat(M, sign=True)[0]
    return (S / S.abs().flatten().quantile(0.995).clamp_min(1e-12)).clamp(-1, 1)


white = torch.ones(1, 48, 48)
figure = plot.grid(
    [[(one[0], None), *((white, signed_picture(M[m])) for m in NAMES)] for M in rows.values()],
    list(rows),
    ["image", "gradient", "SmoothGrad", "DeconvNet", "guided\nback-prop.", "occlusion", "Sobel"],
    title="Who notices that the question, or the network, is another one?\n"
    f"Guided back-propagation only when the filters go, the edge filter never (n = {check_n} images)",
    signed=True,
    alpha=1.0,
)
figure.get_layout_engine().set(w_pad=0.1)
figure.axes[-1].set_ylabel("negative ← 0 → positive, scaled per map", fontsize=8)
asked_rows = ("another class", "last layer random", "all layers random")
for row, what in enumerate(asked_rows, start=1):
    for column, text in enumerate(NAMES, start=1):
        value = pond_table[what, True][text][0]
        label = {
            "fontsize": 9,
            "va": "top",
            "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1},
        }
        figure.axes[row * 7 + column].text(1, 1, f"{value:+.2f}", **label)
plt.show()

# %% [markdown]
# **So which pixels, says the derivative, and may we believe it?** Believe what it claims: if this
# pixel changed *a little*, the logit would move like this (test 1). With its sign it knows the
# question; without, on our animals, it did not (test 3). Guided back-propagation finds pixels that
# matter (test 2), and draws nearly the same picture for every question. Occlusion answers honestly,
# for one patch and one fill. No map was first in every test. Ask first what you want to know; then
# take the map that claims just this, and test the claim.

# %% [markdown]
# ## Once more
#
# *From lesson 1, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 1.2: a filter moves over an image. Sobel's filter is two such filters, one for changes
# from left to right, `K`, and one for changes from top to bottom, `K.T`. The strength of the edge
# is the root of the sum of the two squares. `grey` is the mean of the colours, with a border of one
# pixel around it, (N, 1, 50, 50). Write `edges`, (N, 48, 48). Two or three lines.

# %%
K = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
grey = functional.pad(X.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
edges = torch.zeros(len(X), 48, 48)  # your lines here
off = float((edges - metrics.sobel_edges(X)).abs().max())
print(f"largest difference to camlite's filter: {off:.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `right, down = (functional.conv2d(grey, k[None, None])[:, 0] for k in (K, K.T))`, then
# `edges = torch.hypot(right, down)`. What is left is rounding. No network, no class, no training:
# this is all there is in the column that looked so much like an explanation.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 7` asks them again, also next week.
#
# **1.** Four ReLUs have the inputs f = (2, −1, 3, −2), and the signals R = (−1, 4, 2, −3) come back.
# What is sent back by each of the three rules?
#
# <details><summary>Answer</summary>
#
# Gradient (−1, 0, 2, 0), DeconvNet (0, 4, 2, 0), guided (0, 0, 2, 0). Only the first tells what a
# small change does.
#
# </details>
#
# **2.** With 50 samples the variance of SmoothGrad is 0.02. How many samples do you need for
# 0.005? Do they bring the map nearer to the derivative at the image?
#
# <details><summary>Answer</summary>
#
# 200 samples: a quarter of the variance needs four times as many. No: the mean goes to the gradient
# of the mean logit over noisy images, which depends on sigma.
#
# </details>
#
# **3.** An image has 28×28 pixels, the patch 7×7. How many times do you ask the network for an
# occlusion map with stride 7, and how many times with stride 1? (Count the whole image too.)
#
# <details><summary>Answer</summary>
#
# With stride 7 there are 4 · 4 = 16 places, so 17 times. With stride 1 there are 22 · 22 = 484
# places, so 485 times. A gradient takes one pass forward and one back.
#
# </details>
#
# **4.** (lesson 6) An animal covers 20 % of the pixels. A saliency map has 60 % of its energy on
# it, and Sobel's filter 30 %. How dense is each on the animal? Which number does the saliency have
# to beat?
#
# <details><summary>Answer</summary>
#
# 3.0 times and 1.5 times as dense as a flat map. It has to beat the filter's 1.5, not only 1: a
# picture of edges, without any network, gets that far.
#
# </details>
#
# **5.** (lesson 1) A network has four 3×3 convolutions with stride 1. You take the derivative of
# one single value of the last feature map with respect to the image. At how many pixels can it
# differ from 0? And the derivative of the logit after GAP?
#
# <details><summary>Answer</summary>
#
# At 9 · 9 = 81 pixels, its receptive field. The logit depends on the mean over all places, so its
# derivative can differ from 0 at every pixel.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * The derivative of a logit with respect to the image costs one pass forward and one back. It
#   claims what a **small** change does. It is sensitivity, not contribution.
# * A picture that looks like noise may come from kinks (the digits) or from the strides of the
#   network (the animals). SmoothGrad helps only against the first.
# * The variance of SmoothGrad falls as $1/n$. Where it goes to depends on sigma.
# * Gradient, DeconvNet and guided back-propagation differ in one line: who opens the gate of a
#   ReLU on the way back. Without max pooling the DeconvNet does not see the image at all. Where
#   there is no ReLU, the rules have no meaning, and a careless program does not say so.
# * Occlusion is an experiment. Its patch and its fill are part of the question.
# * Look at an **edge filter** beside every map, and ask who notices a random decision. Say whether
#   you compared maps with or without their sign.
#
# **Where it fails.** All of these maps ask about one pixel, or one square, at a time. They say
# nothing about how the parts of a picture work together. And they do not add up to the logit, as
# the CAM of lesson 3 did.
#
# **Try this** (10 minutes). A map of pixels that *does* add up: **Integrated Gradients**
# (Sundararajan, Taly and Yan, 2017, arXiv 1703.01365). Walk from a black image to the image in `m`
# equal steps: take the gradients at `i / m * x` for i = 1 … m, their mean, and multiply it by the
# image. Five lines with the function `gradient`. It must agree with
# `camlite.integrated_gradients(f, X[:4], cX[:4], steps=m)`; and its sum comes the nearer to the
# difference of the two logits, the larger `m` is. Then put it through the three tests. And if you
# have more time: `camlite.rise` is occlusion with thousands of random masks.
#
# **Where to read on.** Section 3 of Simonyan and others: the method, and boxes from it. Adebayo and
# others, arXiv 1810.03292: the check, in full in lesson 18. For why guided back-propagation draws
# the image: L. Sixt, M. Granz, T. Landgraf, *When Explanations Lie*, 2020, arXiv 1912.09818. In the
# library: `camlite/methods/pixels.py`, and `camlite card guided_backprop`.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *saliency map*: bản đồ nổi bật · 显著图 · 顯著圖 · 顕著性マップ
# * *sensitivity analysis*: phân tích độ nhạy · 敏感性分析 · 敏感度分析 · 感度分析
# * *gradient*: gradient · 梯度 · 梯度 · 勾配
# * *deconvolution network*: mạng giải chập · 反卷积网络 · 反卷積網路 · 逆畳み込みネットワーク
# * *guided back-propagation*: lan truyền ngược có hướng dẫn · 导向反向传播 · 導向反向傳播 ·
#   ガイド付き逆伝播
# * *sanity check*: kiểm tra tính hợp lý · 合理性检验 · 合理性檢查 · 健全性チェック
#
# **Next:** lesson 8 takes the derivative not at the pixels, but at the last feature maps: Grad-CAM.
# There guided back-propagation comes back, multiplied by a map that knows the class.
