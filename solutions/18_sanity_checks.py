# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 18: Sanity checks
#
# **Time** 120 minutes · **Difficulty** ●●●○○ · **You need** lessons 7 and 8 · **At the end** you
# can take a network apart, layer by layer, and measure whether a map notices it; and you know what
# a "passed" and a "failed" check prove, and what they do not.
#
# A witness speaks a language that nobody in the court understands. Beside her sits a translator.
# The witness says a few words, and the translator tells a long, clear, convincing story. The judge
# is impressed. Then somebody has an idea: the witness is asked to speak *random* words. She does,
# and the translator tells the same story.
#
# Now the judge knows: the story did not come from the witness.
#
# A network is a witness whose language (its weights) nobody understands, and a heat map is a
# translation. In 2018 Adebayo and colleagues made this trick a test. **Today's question: would the
# map look the same if the network knew nothing?**
#
# > **Paper:** J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim: *Sanity Checks for
# > Saliency Maps*, NeurIPS 2018, arXiv 1810.03292.

# %% tags=["imports"]
import copy
import os
from collections import OrderedDict

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, metrics, nets, sanity
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer networks and images, for tests
torch.set_num_threads(1)  # the same sums, in the same order, on every run

# %% [markdown]
# ## Witnesses that we can break
#
# We train small networks on animals of lesson 6: frogs, birds, fish, turtles, each on any ground.
# The network is short on purpose: three convolutions, two linear layers, so **five layers with
# weights**. There is no batch normalisation: its stored means would fit the old weights, and make a
# network with new weights strange for another reason. (We come back to this.)
#
# One network is one case. So there are several, from different random starts.


# %%
def small_net(seed: int) -> nn.Sequential:
    """Five layers with weights; images (N, 3, 48, 48) -> logits (N, 4)."""
    torch.manual_seed(seed)
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 16, 3, stride=2, padding=1),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 24, 3, stride=2, padding=1),
            relu2=nn.ReLU(),
            conv3=nn.Conv2d(24, 24, 3, padding=1),
            relu3=nn.ReLU(),  # 24 maps of 12×12: the layer for the class activation maps
            pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(24 * 6 * 6, 32),
            relu4=nn.ReLU(),
            fc2=nn.Linear(32, 4),
        )
    )


def learn_by_heart(seed: int, images: Tensor, labels: Tensor) -> nn.Module:
    """A new network that learns until it knows every label, at most 100 times all images."""
    net, order = small_net(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(100):
        known = 0
        for some in torch.randperm(len(images), generator=order).split(16):
            Y = net(images[some])
            loss = functional.cross_entropy(Y, labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            known += int((Y.argmax(1) == labels[some]).sum())
        if known == len(images):
            break
    return net.eval()


SEEDS = range(2 if fast else 3)
learned = data.scenes("pond", "varied", count=64 if fast else 128, seed=0)
learned_x = learned.images - 0.5  # black is −0.5, white 0.5
networks = [learn_by_heart(seed, learned_x, learned.labels) for seed in SEEDS]

new = data.scenes(
    "pond", "varied", count=100 if fast else 200, seed=5
)  # images that they have never seen
known = [nets.accuracy(net, learned_x, learned.labels) for net in networks]
right = [nets.accuracy(net, new.images - 0.5, new.labels) for net in networks]
print("right on the images they learned from:", "  ".join(f"{v:.0%}" for v in known))
print(f"right on {len(new)} new images (chance 25 %):", "  ".join(f"{v:.0%}" for v in right))

N = 12 if fast else 24
x, c, size = new.images[:N] - 0.5, new.labels[:N], (48, 48)

# %% [markdown]
# They have seen few images, so they make mistakes. That is no harm: we ask about the *true* class
# `c` of each image, and whether the map belongs to the network.
#
# Now a small game. Below are three pictures of the same animal. **Two of them asked a network, and
# one did not. Which one?** Decide before you read on.


# %%
def gradient(model: nn.Module, x: Tensor, c: Tensor) -> Tensor:
    """∂Y_c/∂x of each image (lesson 7): (N, 3, H, W)."""
    x = x.clone().requires_grad_()
    Y = model(x)
    return torch.autograd.grad(Y[torch.arange(len(x)), c].sum(), x)[0]


with torch.no_grad():
    star = int(networks[0](x)[torch.arange(N), c].argmax())  # the highest logit of its true class

game = {
    "A": gradient(networks[0], x, c).abs().amax(1),
    "B": metrics.sobel_edges(x),
    "C": camlite.guided_backprop(networks[0], x, c).abs().amax(1),
}

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 4, figsize=(9, 2.7), layout="constrained")
axes[0].imshow(new.images[star].permute(1, 2, 0))
axes[0].set_title(f"a {new.class_names[c[star]]}", fontsize=10)
for axis, (letter, M) in zip(axes[1:], game.items(), strict=True):
    shown = axis.imshow(M[star] / M[star].flatten().quantile(0.99), cmap="magma", vmin=0, vmax=1)
    axis.set_title(f"picture {letter}", fontsize=10)
for axis in axes:
    axis.set(xticks=[], yticks=[])
figure.colorbar(shown, ax=axes, label="0 to the picture's\nown top 1 %", ticks=[0, 1], shrink=0.8)
figure.suptitle("Two of these pictures asked the network. Which one did not?")
plt.show()

# %% [markdown]
# **Your guess:** it is B, the edge filter of lesson 7 (Sobel's). A is the size of the gradient, C
# guided back-propagation. The filter has the clearest animal of the three, so it is easy to believe.
# **The eye cannot check a map.** It likes what looks like the image.
#
# So we break the network, and let the map show that it noticed.
#
# ## Tools to break a network
#
# Four things you need. `copy.deepcopy(model)` is a network of its own, with its own weights.
# `model.modules()` goes through all modules in their order, also those inside others, containers
# and ReLUs too. `module.parameters()` includes those of the modules inside;
# `module.parameters(recurse=False)` gives only its **own**. And `p.detach().copy_(numbers)` writes
# numbers into a parameter: `p.detach()` is the same memory without its history (lesson 8). Without
# `detach()` PyTorch stops: "a leaf Variable that requires grad is used in an in-place operation".

# %%
pair = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 1)))
for module in pair.modules():
    own = [tuple(p.shape) for p in module.parameters(recurse=False)]
    everything = len(list(module.parameters()))
    print(f"{type(module).__name__:12} parameters: {everything}, of its own: {own}")
twin = copy.deepcopy(pair)
twin[0].bias.detach().copy_(torch.tensor([1.0, 2.0, 3.0]))
print("the copy has new numbers, the original has not:", twin[0].bias.data, pair[0].bias.data)

# %% [markdown]
# ## Exercise 18.1: new weights, from the top
# *●●●○○ · about 20 minutes*
#
# The **top** of a network is the layer that makes the logits. Write a function that returns a copy
# of the model in which the last `count` layers have new random weights. A layer is here a module
# with at least one parameter **of its own**; their order is that of `model.modules()`. `count` is
# at least 1.
#
# All parameters of such a layer (weight, bias, or any other) get new numbers. Each of them is drawn
# from a normal distribution, about as large as the old one:
#
# $$ p = s\,z, \qquad z \sim N(0, 1), \qquad s = \sqrt{\text{mean of } p_{\text{old}}^2} $$
#
# with one number $s$ for each parameter, that is one for a weight and one for its bias. ($s$ is no
# standard deviation: no mean is subtracted.) `torch.randn(p.shape, generator=generator)` draws $z$.
# Take all random numbers from `generator`: the same seed must give the same network. The given
# model stays as it is.


# %% tags=["exercise", "18.1"]
def randomize_from_top(model: nn.Module, count: int, generator: torch.Generator) -> nn.Module:
    """A copy of the model whose last `count` layers have new random weights."""
    ### BEGIN SOLUTION
    model = copy.deepcopy(model)
    own = [m for m in model.modules() if list(m.parameters(recurse=False))]
    for module in own[-count:]:
        for p in module.parameters(recurse=False):
            s = p.detach().square().mean().sqrt()
            p.detach().copy_(s * torch.randn(p.shape, generator=generator))
    return model
    ### END SOLUTION


# %%
check("18.1", randomize_from_top)

# %% [markdown]
# If you need help: `hint("18.1")`. There are three hints, each stronger than the one before.
#
# **Guess first:** how many of the new images does the network know when only its last layer is
# random?

# %%
broken_right = []
for count in range(1, 6):
    some = [
        randomize_from_top(networks[0], count, torch.Generator().manual_seed(s)) for s in range(5)
    ]
    broken_right.append([nets.accuracy(net, new.images - 0.5, new.labels) for net in some])
    shares = "  ".join(f"{v:.0%}" for v in broken_right[-1])
    print(f"last {count} layers random, five draws: {shares}")
print(f"as it was: {right[0]:.0%}; chance: 25 %")

# %% [markdown]
# **Your guess:** on average about chance, already with one layer. But the draws differ: the trained
# layers still put frogs together with frogs, and a random last layer may call this group by a right
# or by a wrong name. So one draw is one sample, and we take several.
#
# All these networks decide at random. A map that claims to explain the decision must become another
# map.
#
# ## How alike are two maps?
#
# We need a number. Two maps may have different units (a gradient of 0.001, a map of 30), so we
# compare only the **order** of the pixels: which one is brightest, which one comes next, … This is
# **Spearman's rank correlation**. Lesson 7 used it; today you build it.
#
# Give each pixel its rank, 1 for the smallest value. Equal values share the mean of their ranks.
# $r_a$ and $r_b$ are the ranks in map $a$ and in map $b$; over all pixels $p$ of the image
#
# $$ \rho = \frac{\sum_p \tilde r_a(p)\,\tilde r_b(p)}
# {\sqrt{\sum_p \tilde r_a(p)^2 \;\cdot\; \sum_p \tilde r_b(p)^2}}, \qquad
# \tilde r = r - \text{mean of } r $$
#
# +1: the same order; 0: no connection; −1: the opposite order. Ties are not rare: after a ReLU half
# of a map may be exactly 0. `unique` helps to find ranks with ties:

# %%
m = torch.tensor([0.0, 5.0, 0.0, 2.0, 0.0, 2.0])
values, which, counts = m.unique(return_inverse=True, return_counts=True)
print("values, sorted:        ", values.tolist())
print("how often each occurs: ", counts.tolist())
print("up to this one:        ", counts.cumsum(0).tolist())
print("which one is at a pixel:", which.tolist())

# %% [markdown]
# Three zeros take the ranks 1, 2, 3, so each gets 2. The two 2s take the ranks 4 and 5: 4.5 each.
# The 5 gets 6. The last of equal ranks is `counts.cumsum(0)`; the mean is $(\text{counts}-1)/2$
# below it. And `[which]` gives each pixel the rank of its value.
#
# ## Exercise 18.2: rank correlation
# *●●●○○ · about 20 minutes*
#
# `a` and `b` are maps (N, h, w), with or without sign. The result is (N,): one number for each
# image. Where a map is **constant** the root in $\rho$ is 0. A constant map has no order, so it is
# similar to nothing: the answer there is 0, also if both maps are constant. A loop over the images
# is fine.


# %% tags=["exercise", "18.2"]
def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's ρ of each pair of maps: two times (N, h, w) -> (N,), from −1 to 1."""

    ### BEGIN SOLUTION
    def centred_ranks(M: Tensor) -> Tensor:
        _, which, counts = M.flatten().unique(return_inverse=True, return_counts=True)
        r = (counts.cumsum(0) - (counts - 1) / 2)[which].double()
        return r - r.mean()

    found = torch.zeros(len(a))
    for n in range(len(a)):
        ra, rb = centred_ranks(a[n]), centred_ranks(b[n])
        root = (ra.square().sum() * rb.square().sum()).sqrt()
        if root > 0:
            found[n] = (ra * rb).sum() / root
    return found
    ### END SOLUTION


# %%
check("18.2", rank_correlation)

# %% [markdown]
# ## Exercise 18.3: the cascade
# *●●○○○ · about 15 minutes*
#
# Now the test itself. First the map of the given model. Then the last layer becomes random, then
# the last two, … until all are random. Each time: a new map, compared with the **first** one.
#
# `method` is any function `method(model, layer, x, c)` that returns maps (N, h, w). The question
# `c` stays the same in all steps. The result is a list of floats, one for each step: after 1, 2, …,
# all layers, the mean of the rank correlation over the images. Layers are counted as in 18.1. Use
# your own two functions, and give them `generator`, from which each step draws on.


# %% tags=["exercise", "18.3"]
def cascade(model: nn.Module, layer: str, x: Tensor, c, method, generator) -> list[float]:
    """Mean rank correlation with the original's map, after 1, 2, … all layers are random."""
    ### BEGIN SOLUTION
    first = method(model, layer, x, c)
    number = sum(1 for m in model.modules() if list(m.parameters(recurse=False)))
    found = []
    for count in range(1, number + 1):
        M = method(randomize_from_top(model, count, generator), layer, x, c)
        found.append(float(rank_correlation(first, M).mean()))
    return found
    ### END SOLUTION


# %%
check("18.3", cascade)

# %% [markdown]
# ## Who notices?
#
# Eight translators stand before the judge. All keep their sign, where they have one.
#
# * **Grad-CAM** at `relu3`, without its last ReLU (lesson 8);
# * the **gradient**, its colours added up, and **|gradient|**, its size (lesson 7);
# * **guided** back-propagation, its colours added up (lesson 7);
# * **Eigen-CAM** (lesson 14), which asks the feature maps, and no class.
#
# And three **controls**, of which we know what they are: the edge filter (**Sobel**), a **blob** in
# the middle of the image, and **noise**: random numbers whose seed is made of the weights.


# %%
def noise(model: nn.Module, layer: str, x: Tensor, c: Tensor) -> Tensor:
    """Random numbers (N, 48, 48); another network gives other ones."""
    seed = int(1e6 * sum(float(p.detach().double().abs().sum()) for p in model.parameters()))
    return torch.randn(len(x), *x.shape[2:], generator=torch.Generator().manual_seed(seed))


def signed_grad_cam(model: nn.Module, layer: str, x: Tensor, c: Tensor) -> Tensor:
    return camlite.grad_cam(model, layer, x, c, relu=False)


def guided(model: nn.Module, layer: str, x: Tensor, c: Tensor) -> Tensor:
    return camlite.guided_backprop(model, x, c).sum(1)


METHODS = {
    "Grad-CAM": signed_grad_cam,
    "gradient": lambda model, layer, x, c: gradient(model, x, c).sum(1),
    "|gradient|": lambda model, layer, x, c: gradient(model, x, c).abs().amax(1),
    "guided": guided,
    "Eigen-CAM": lambda model, layer, x, c: camlite.eigen_cam(model, layer, x),
    "Sobel": lambda model, layer, x, c: metrics.sobel_edges(x),
    "blob": lambda model, layer, x, c: camlite.center_gaussian(model, layer, x),
    "noise": noise,
}

# %% [markdown]
# **Guess first:** which of them stay the same when the last layer is random? Which when all layers
# are random? And what does *noise* get, which explains nothing?
#
# Below, each number is a mean over all networks, random draws and images; in brackets the smallest
# and the largest of the networks and draws.
# Two more columns help to judge them: the same network asked about **another class**, and the map
# of **another image** (how alike are two maps that have nothing to do with each other?).

# %%
DRAWS = range(2 if fast else 3)
curves: dict[str, Tensor] = {}  # name -> (networks × draws, 5 steps)
floors: dict[str, tuple[float, float]] = {}  # name -> another class, another image
for name, method in METHODS.items():
    curves[name] = torch.tensor(
        [
            cascade(net, "relu3", x, c, method, torch.Generator().manual_seed(10 * seed + draw))
            for seed, net in enumerate(networks)
            for draw in DRAWS
        ]
    )
    found = []
    for net in networks:
        M, other = (method(net, "relu3", x, each) for each in (c, (c + 1) % 4))
        found.append([rank_correlation(M, other).mean(), rank_correlation(M, M.roll(1, 0)).mean()])
    floors[name] = tuple(torch.tensor(found).mean(0).tolist())

print(f"{len(networks)} networks, {len(DRAWS)} draws each, n = {N} images")
print(f"{'random layers:':14}{'1':>17}{'2':>21}{'3':>21}{'4':>21}{'all 5':>21}    class  image")
for name, rows in curves.items():
    steps = zip(rows.mean(0), rows.amin(0), rows.amax(0), strict=True)
    cells = "".join(f"{a:6.2f} ({low:5.2f}, {top:5.2f})" for a, low, top in steps)
    print(f"{name:11}{cells}   {floors[name][0]:5.2f}  {floors[name][1]:5.2f}")

# %% [markdown]
# **Your guess:** read it line by line.
#
# 1. **Grad-CAM and the gradient notice.** With one random layer their mean is far below that of
#    guided back-propagation, and near that of two different images. Look at the brackets: a single
#    draw can be off by 0.2 or more. There are only four classes, and a random decision may be like
#    the old one or like its opposite. (So may single images: see *three rulers* below.)
# 2. **Guided back-propagation does not notice.** With two random layers, the whole head, the
#    picture is still nearly the same. It hardly notices another class either. Only when the
#    *convolutions* become random does it change. So it shows what the filters see in the image, and
#    not the decision. Adebayo and colleagues found the same on large networks.
# 3. **|gradient| notices more than its numbers say.** Read its last column: two different images
#    have about half in common, so only the other half can be lost. One random layer takes most of
#    it, two take all. Without this floor you would say that it hardly noticed.
# 4. **Eigen-CAM has exactly 1.00 for two layers.** Of course: it never looks at the layers after
#    `relu3`. It fails a test that it never claimed to pass. It says where the features are strong,
#    and as such a picture it may be right. It is wrong only as an answer to "why *frog*?".
# 5. **Sobel and the blob** have 1.00 everywhere, as must be. The blob has 1.00 for *another image*
#    too. So a high number need not mean "edges": every map that is always in the middle gets it.
# 6. **Noise passes best of all.** It depends on every weight and explains nothing. **A passed check
#    proves only that the map depends on the network.** It does not prove that the map is right.
#
# ## Dead maps
#
# Grad-CAM is usually shown with its ReLU. With random weights the sum of a whole map can be
# negative. Then the ReLU makes it 0 everywhere: a **dead map**.

# %%
dead = torch.zeros(5)
for seed, net in enumerate(networks):
    draws = torch.Generator().manual_seed(seed)
    for count in range(1, 6):
        M = camlite.grad_cam(randomize_from_top(net, count, draws), "relu3", x, c)
        dead[count - 1] += (M.amax((1, 2)) == 0).sum() / (len(networks) * N)
alive = torch.stack([camlite.grad_cam(net, "relu3", x, c).amax((1, 2)) > 0 for net in networks])
print(f"dead maps of Grad-CAM with ReLU: trained {1 - alive.float().mean():.0%};", end=" ")
print("1 to 5 layers random:", "  ".join(f"{share:.0%}" for share in dead))

# %% [markdown]
# With one random layer more maps are dead than in the trained networks. (There it can happen too:
# then nothing speaks *for* the class.) Their similarity is 0 by our rule, not NaN, and not
# 1 (an all-black picture may *look* like a faint one). But say how many there are: a method whose
# maps all die would "pass" without ever showing anything. (Therefore our table took Grad-CAM with
# its sign.)
#
# The opposite is hidden too: $\rho$ does not see that a map became a hundred times *weaker*, if its
# order stays. A picture scaled to $[0, 1]$ does not show it either.
#
# ## Three rulers, three answers
#
# "How alike?" has more than one answer. The paper used three, all of them in `camlite.sanity`:
#
# * **ρ**, `spearman`: the order of all pixels;
# * **SSIM**, `ssim`: are brightness and contrast the same, window by window? It needs maps in
#   $[0, 1]$;
# * **HOG**, `hog_correlation`: which directions do the edges have, cell by cell?
#
# We make pairs of maps for which you know the truth. **Guess first**, for each pair: alike or not?

# %%
draws = torch.Generator().manual_seed(0)


def patches(side: int, n: int = 60) -> Tensor:
    """Random numbers on side×side places, enlarged to 48×48 and scaled to [0, 1]."""
    return camlite.heatmap(torch.rand(n, side, side, generator=draws), size)


def spots(n: int = 60) -> Tensor:
    """One small bright spot somewhere on black."""
    place, i = torch.randint(6, 42, (n, 2, 1), generator=draws), torch.arange(48)
    row, column = torch.exp(-((i - place) ** 2) / 8).unbind(1)
    return row[:, :, None] * column[:, None, :]


smooth = patches(6)
wide = camlite.heatmap(torch.rand(60, 6, 7, generator=draws), (48, 52))
toys = {
    "and its negative": (smooth, 1 - smooth),
    "and its 4th power": (smooth, smooth**4),
    "two spots": (spots(), spots()),
    "moved by 4 pixels": (wide[:, :, :48], wide[:, :, 4:]),
    "no relation, 6×6": (patches(6), patches(6)),
    "no relation, 3×3": (patches(3), patches(3)),
}
RULERS = {"ρ": sanity.spearman, "SSIM": sanity.ssim, "HOG": sanity.hog_correlation}
toy_numbers = {
    text: {ruler: f(*maps) for ruler, f in RULERS.items()} for text, maps in toys.items()
}
print("mean of 60 pairs ± standard deviation of a single pair")
for text, row in toy_numbers.items():
    print(f"{text:20}", "   ".join(f"{r} {v.mean():5.2f} ± {v.std():.2f}" for r, v in row.items()))

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 6, figsize=(11.5, 5), layout="constrained")
for column, (text, (A, B)) in enumerate(toys.items()):
    for axis, M in zip(axes[:, column], (A, B), strict=True):
        shown = axis.imshow(M[1], cmap="magma", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    numbers = [f"{r} {v.mean():.2f}" for r, v in toy_numbers[text].items()]
    axes[0, column].set_title(f"{text}\n" + "\n".join(numbers), fontsize=10)
figure.colorbar(shown, ax=axes, label="0 to 1", ticks=[0, 0.5, 1], shrink=0.7)
figure.suptitle("Are the two maps of a column alike? Three rulers disagree (means of 60 pairs)")
plt.show()

# %% [markdown]
# **Your guess:** compare it with what each ruler can and cannot see.
#
# * *A map and its negative*: for ρ the opposite; for HOG the same, because an edge has no sign
#   there. **HOG cannot see whether a map speaks for or against.**
# * *A map and its 4th power*: the same order, so ρ says 1. SSIM says that the contrast is another
#   one. **ρ cannot see contrast.**
# * *Two spots at different places*: they mark different things, and SSIM says "alike", because most
#   windows are black in both. **SSIM is high for all maps that are mostly dark.** (For maps as
#   smooth as a blob it can be high as well.)
# * *Moved by four pixels*: all three still see a likeness.
# * *No relation*: this is the floor. The means of ρ are near 0, but look at the deviation: for maps
#   of 3×3 places, a single pair often has a ρ of 0.3 or more by chance. HOG's floor is not 0. So:
#   never judge by one pair, and print the floor of your ruler.
#
# Do they disagree on our networks too? We print |ρ| as well, image by image, before the mean is
# taken; and below each line its floor, the map of another image.

# %%
FOUR = RULERS | {"|ρ|": lambda A, B: sanity.spearman(A, B).abs()}
ruled: dict[tuple[str, str], dict[str, float]] = {}  # (method, compared with) -> ruler -> mean
for text in ("Grad-CAM", "guided"):
    pairs: dict[str, list] = {"last layer random": [], "another image": []}
    for seed, net in enumerate(networks):
        M = camlite.heatmap(METHODS[text](net, "relu3", x, c), size)
        pairs["another image"].append((M, M.roll(1, 0)))
        for draw in DRAWS:
            broken = randomize_from_top(net, 1, torch.Generator().manual_seed(10 * seed + draw))
            other = camlite.heatmap(METHODS[text](broken, "relu3", x, c), size)
            pairs["last layer random"].append((M, other))
    for other, both in pairs.items():
        A, B = (torch.cat(maps) for maps in zip(*both, strict=True))
        ruled[text, other] = {ruler: float(f(A, B).mean()) for ruler, f in FOUR.items()}
        print(f"{text:9} {other:18}", *(f" {r} {v:5.2f}" for r, v in ruled[text, other].items()))

# %% [markdown]
# Yes. For Grad-CAM the mean of ρ is about as low as its floor; |ρ| and HOG are far above theirs.
# In some images ρ is near 0.8, in others near −0.8: the *places* come from the feature maps, which
# are still trained; the *sign*, which part speaks for the class, comes from the random layer. **A
# mean of 0 need not mean "nothing in common".** For guided back-propagation all rulers agree that
# little changed.
#
# ## Labels that mean nothing
#
# Random weights are a crude way to know nothing. The paper has a second test, a finer one. Train a
# network of the same kind on the same images, but **deal out the labels at random**. There is
# nothing to understand. Still, a network can learn the list *by heart*. Then its weights are
# trained, its answers are sure, and it knows nothing about frogs.

# %%
liars = []
for seed in SEEDS:
    order = torch.randperm(len(learned_x), generator=torch.Generator().manual_seed(seed))
    wrong_labels = learned.labels[order]
    liars.append(learn_by_heart(10 + seed, learned_x, wrong_labels))
    by_heart = nets.accuracy(liars[-1], learned_x, wrong_labels)
    on_new = nets.accuracy(liars[-1], new.images - 0.5, new.labels)
    print(
        f"labels dealt out at random: {by_heart:.0%} known by heart, {on_new:.0%} right on new ones"
    )

# %% [markdown]
# Is the map of such a network another one? Careful: other than what? Two *good* networks from two
# random starts also have different maps. That is the control: **good and good** must be more alike
# than **good and by heart**. (All networks here have different starts.)
#
# **Guess first:** for which method is it so?

# %%
labels_test: dict[str, tuple[float, float]] = {}
print(f"rank correlation, n = {N} new images     good and good       good and by heart    left")
for name, method in METHODS.items():
    good = [method(net, "relu3", x, c) for net in networks]
    bad = [method(net, "relu3", x, c) for net in liars]
    two_good = [(A, B) for i, A in enumerate(good) for B in good[:i]]
    mixed = [(A, B) for A in good for B in bad]
    values = [[float(rank_correlation(*p).mean()) for p in pairs] for pairs in (two_good, mixed)]
    control, result = labels_test[name] = tuple(sum(v) / len(v) for v in values)
    cells = [f"{sum(v) / len(v):5.2f} ({min(v):5.2f} to {max(v):5.2f})" for v in values]
    left = f"{max(result, 0) / control:.0%}" if control > 0.02 else "nothing to lose"
    print(f"{name:12}" + "".join(f"{cell:>25}" for cell in cells) + f"    {left}")

# %% [markdown]
# First look at the column *good and good*: it is far from 1. Even two networks that learned the same
# labels have different maps. So the control, and not 1, is the height from which a method can
# fall. The last column says how much of it is left (0 % where the likeness is below 0).
#
# **Your guess:**
#
# * **Grad-CAM and the gradient, with sign:** hardly anything is left. These maps have to do with
#   what was *learned*.
# * **Guided back-propagation:** a large part of it is left. (With other random starts we have seen
#   from 60 % to 150 %.) What two good pictures have in common, a network that knows nothing about
#   frogs has too, or much of it: the image.
# * **|gradient|:** two good networks have no more in common than two different images of one
#   network (the table before). So its last column says nothing: the floor is as high.
# * **Noise:** 0 in both columns. Did it pass? No: there was nothing to lose. **A low number is no
#   pass where the control is as low.** Without the control you would have praised it most.
# * **Sobel, the blob:** 1.00 and 1.00, everything is left.
#
# ## The edge filter as a control
#
# One worry is left: does guided back-propagation only draw edges? Then it would be like Sobel's
# filter. We can ask.

# %%
edges = metrics.sobel_edges(x)
like_edges: dict[str, tuple[float, float]] = {}  # with its own image's edges, with another's
for name in ("|gradient|", "guided", "Grad-CAM"):
    maps = [METHODS[name](net, "relu3", x, c).abs() for net in networks]
    large = [M if M.shape[1:] == size else camlite.up(M, size) for M in maps]
    own, others = (
        sum(float(rank_correlation(M, E).mean()) for M in large) / len(large)
        for E in (edges, edges.roll(1, 0))
    )
    like_edges[name] = own, others
    print(f"size of {name:11} and Sobel: {own:.2f}   Sobel of another image: {others:.2f}")

# %% [markdown]
# No: it has little in common with the filter, and no more than with the filter of another image. It
# draws what the *trained filters* respond to, and these are more than edges. So "it is only an edge detector" would be a wrong sentence about
# our networks. "It does not show the decision" is the right one.
#
# The use of the filter is another one. Whatever praise you have for a map ("it finds the animal",
# "sharp lines"), ask whether the filter gets it too.
#
# ## The library, and what critics say
#
# `camlite.sanity.cascading_randomization` does all of it: it takes layers in the order in which
# they run, draws weights as for a new layer (`how="reset"`) or shuffles the old ones
# (`how="shuffle"`), and uses three rulers. Its draws are others than ours, so the numbers are near,
# not equal.

# %%
net = networks[0]
A, B = guided(net, "relu3", x, c), guided(liars[0], "relu3", x, c)
same_number = torch.allclose(
    rank_correlation(A, B).float(), sanity.spearman(A, B).float(), atol=1e-4
)
print("18.2 and sanity.spearman agree:", same_number)
library: dict[str, tuple[Tensor, Tensor]] = {}  # how -> similarity, share of dead maps
for how in ("reset", "shuffle"):
    run = sanity.cascading_randomization(
        net, "relu3", x, c, method=guided, how=how, generator=torch.Generator().manual_seed(0)
    )
    library[how] = run.similarity["spearman"].mean(1)[1:], run.blank.double().mean(1)[1:]
    similarity, blank = (" ".join(f"{v:5.2f}" for v in row) for row in library[how])
    print(f"guided, {how:8}{similarity}    dead maps: {blank}")
print("guided, 18.3    " + " ".join(f"{v:5.2f}" for v in curves["guided"][0]))

# %% [markdown]
# With new weights the library's curve and ours have the same form: high while only the head is
# random, low at the end. Before you read the curve of the shuffled weights, look at the dead maps
# beside it. Where all of them are dead, the similarity is 0 by our rule. That says that the
# *signal* died in this draw, and nothing about the method. A curve without this column can be a trap.
#
# Not everything is settled. What one should know before quoting such a check:
#
# * **How to make weights random** is a choice: new ones, or the old ones shuffled. With batch
#   normalisation there is one more: keep its stored statistics, reset, or measure them again?
# * **One draw is one sample**, and random weights make maps noisy. Hedström and colleagues (2023)
#   proposed smoother and cheaper variants; the package Quantus has them.
# * **Passing is not enough** (*noise*), and **failing is not always an error** (Eigen-CAM answers
#   another question; a map that is always in the middle is right where all animals are in the
#   middle).
# * **It is not one method.** Sixt, Granz and Landgraf (*When Explanations Lie*, ICML 2020, arXiv
#   1912.09818) tried eight methods that change the backward pass, guided back-propagation among
#   them. All but one (DeepLIFT) gave pictures that did not depend on the later layers' weights.
# * **Who passed elsewhere?** In the paper gradient and Grad-CAM passed, guided back-propagation and
#   Guided Grad-CAM failed. Score-CAM's authors report in their Figure 9 that Score-CAM, Grad-CAM
#   and Grad-CAM++ pass.
#
# ## The figure of this lesson

# %% tags=["figure"] jupyter={"source_hidden": true}
SHOWN = ("Grad-CAM", "gradient", "guided", "Sobel")
names = ["trained", "fc2", "+ fc1", "+ conv3", "+ conv2", "+ conv1"]
figure = plt.figure(figsize=(13, 5.6), layout="constrained")
strip_part, curve_part = figure.subfigures(1, 2, width_ratios=[1.55, 1])
strip = strip_part.subplots(4, 6)
for row, name in zip(strip, SHOWN, strict=True):
    for count, axis in enumerate(row):
        draws = torch.Generator().manual_seed(0)
        net = randomize_from_top(networks[0], count, draws) if count else networks[0]
        M = METHODS[name](net, "relu3", x[star : star + 1], c[star : star + 1])[0]
        top = float(M.abs().flatten().quantile(0.99)) or 1.0
        painted = axis.imshow(M / top, cmap="RdBu_r", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[])
        if name == SHOWN[0]:
            axis.set_title(names[count], fontsize=10)
    row[0].set_ylabel(name, fontsize=10)
bar = strip_part.colorbar(painted, ax=strip, shrink=0.6, ticks=[-1, 0, 1])
bar.set_label("against ← 0 → for (Sobel: edge strength), each map's own scale")
strip_part.suptitle(f"One {new.class_names[c[star]]}: layers become random, from the logits down →")
axis = curve_part.subplots()
styles = {
    "Sobel": ("black", ":"),
    "guided": ("#d55e00", "-"),
    "|gradient|": ("#cc79a7", "--"),
    "Grad-CAM": ("#0072b2", "-"),
    "gradient": ("#009e73", "--"),
}
for name, (colour, style) in styles.items():
    rows = torch.cat([torch.ones(len(curves[name]), 1), curves[name]], 1)
    text = f"{name} ({floors[name][1]:.2f})"
    axis.plot(range(6), rows.mean(0), color=colour, linestyle=style, linewidth=2, label=text)
    axis.fill_between(range(6), rows.amin(0), rows.amax(0), color=colour, alpha=0.15)
axis.axhline(0, color="grey", linewidth=0.8)
axis.set(xticks=range(6), ylabel="rank correlation with the trained map", ylim=(-0.65, 1.05))
axis.set_xticklabels(names, fontsize=9)
axis.set_xlabel("layers that are random")
axis.legend(fontsize=9, loc="lower left", ncol=2, title="in brackets: two different images")
curve_part.suptitle(
    "Who notices that the decision is random?\n"
    f"(mean and range: {len(networks)} networks × {len(DRAWS)} draws, n = {N} images)"
)
plt.show()

# %% [markdown]
# **Today's question: would the map look the same if the network knew nothing?** For guided
# back-propagation: much the same, as long as the filters stay, and with labels learned by heart a
# large part of the likeness is left. For Grad-CAM and the gradient: no, neither with a random last
# layer, which deals out the signs anew, nor with labels learned by heart. And the edge filter, which looked best
# to the eye, never asked.
#
# ## Once more
#
# *From lesson 6, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 6.1: the share of a map's energy on the animal. Divided by the animal's share of the
# image it is 1 for a flat map. Write it, (N,), for maps `M` without negative values and `mask` (N,
# 48, 48). Do maps of networks that know nothing lie on the animal too?

# %%
mask = new.object_mask[:N]


def density(M: Tensor) -> Tensor:
    """Energy on the animal / area of the animal; 1 for a flat map."""
    return torch.full((len(M),), torch.nan)  # your line here; nan says: not written yet


one = networks[0]
for text, net in {"trained": one, "all layers random": randomize_from_top(one, 5, draws)}.items():
    print(f"guided, {text:18} {density(guided(net, 'relu3', x, c).abs()).mean():.2f}")
print(f"Sobel                      {density(edges).mean():.2f}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `return (M * mask).sum((1, 2)) / M.sum((1, 2)) / mask.float().mean((1, 2))`. The edge filter has
# clearly more than 1, because animals have edges. "The heat lies on the animal" is a property that
# a map can have without any knowledge of the network. Location and sanity are two questions; a good
# map needs a yes to both.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 18` asks them again, also next week.
#
# **1.** A map has the values 0, 0, 3, 7, and another one 0, 1, 0, 5 at the same four pixels. Which
# ranks do they have, and what is ρ?
#
# <details><summary>Answer</summary>
#
# Ranks 1.5, 1.5, 3, 4 and 1.5, 3, 1.5, 4. Minus the mean 2.5: (−1, −1, 0.5, 1.5) and (−1, 0.5, −1,
# 1.5). Sum of the products: 2.25; both sums of squares: 4.5. So ρ = 0.50.
#
# </details>
#
# **2.** "My new method passes the cascade: ρ falls to 0 after the first layer. So it explains the
# network." Which control do you ask for?
#
# <details><summary>Answer</summary>
#
# Noise whose seed is made of the weights falls to 0 too. And ask for "good and good": if two good
# networks have ρ near 0, there was nothing to lose. To fall is necessary, not enough.
#
# </details>
#
# **3.** After one random layer, ρ of a map is −0.8 and HOG's correlation 0.6. How can both be
# true?
#
# <details><summary>Answer</summary>
#
# HOG looks at the directions of edges, without their sign. The map has its edges at the same
# places, but what was bright is now dark: nearly the negative. ρ sees that, HOG cannot.
#
# </details>
#
# **4.** (lesson 14) Eigen-CAM is computed from the feature maps of one layer. How does its map
# change when you make all layers *after* this one random? Does it answer "why this class?"
#
# <details><summary>Answer</summary>
#
# Not at all: ρ is exactly 1. It does not look at these layers, so it cannot say why the network
# chose a class.
#
# </details>
#
# **5.** (lesson 8) Grad-CAM without ReLU has the values −3, −1, −2 for a network with a random
# last layer. What does Grad-CAM show, and what is its similarity to any other map, by our rule?
#
# <details><summary>Answer</summary>
#
# 0 everywhere: a dead map. It is constant, so its similarity is 0. Report how many there are.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * The eye cannot check a map: an edge filter that asked nobody looks best.
# * **Cascade**: make layers random from the logits down. A map of the decision changes at once.
# * **Random labels**: a network that learned by heart. Compare with two *good* networks.
# * ρ sees the order, SSIM brightness and contrast, HOG edges without sign. Print their floors, and
#   |ρ|: a mean ρ of 0 may be +0.8 and −0.8.
# * A dead map has similarity 0; count them. One draw is one sample.
# * To pass is necessary, not enough. To fail means: not about these weights.
#
# **Where it fails.** Tiny networks, four classes, drawn animals. With a thousand classes a random
# last layer is further from the old one (lesson 7 did it for ResNet50).
#
# **Try this** (10 minutes). Is it the *head* that Grad-CAM notices, or any layer?
# `sanity.cascading_randomization(net, "relu3", x, c, method=signed_grad_cam, order="independent")`
# makes one layer random at a time; print `run.layers` and `run.similarity["spearman"].mean(1)`.
# Then the same for `guided`: which single layer does it need most?
#
# **Where to read on.** The paper's Figure 2 is our figure for a large network. In the
# library: `camlite.sanity`, `camlite card guided_backprop`. Lesson 17 measures whether maps are
# *right*; today was about whether they are *about the network*.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *sanity check*: kiểm tra tính hợp lý · 合理性检验 · 合理性檢查 · 健全性チェック
# * *weight*: trọng số · 权重 · 權重 · 重み
# * *rank correlation*: tương quan hạng · 等级相关 · 等級相關 · 順位相関
# * *guided back-propagation*: lan truyền ngược có hướng dẫn · 导向反向传播 · 導向反向傳播 ·
#   ガイド付き逆伝播
# * *overfitting*: quá khớp · 过拟合 · 過擬合 · 過学習
#
# **Next:** lesson 19. The same formula without pictures: signals, sentences, tables.
