# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 16: Many layers
#
# **Time** 140 minutes (15 of them optional) · **Difficulty** ●●●○○ · **You need** lessons 8 and 9;
# 12 helps · **At the end** you have put the maps of four layers together in four ways, measured
# what that brings, and used two controls that tell a sharper map from one that only looks sharp.
#
# A dog is lost in a town. One witness stands on a tower. She sees the whole town and says: "The dog
# is near the church." But she sees no detail. Another witness stands in a street. He sees every
# stone, and something that moves, but only three metres of the town. Who finds the dog?
#
# A network has such witnesses. A **deep** layer, near the logits, has seen a large part of the
# image. It knows the class, but its map has few and large places. A **shallow** layer, near the
# image, has a map with as many places as the image has pixels. But each place has seen only a few
# pixels.
#
# Nearly all maps so far came from one deep layer. Many authors wanted more. **Today's question: put
# the maps of many layers together. Is the result fine and right at once?**
#
# > **Papers:** P.-T. Jiang et al.: *LayerCAM: Exploring Hierarchical Class Activation Maps for
# > Localization*, IEEE Transactions on Image Processing 30, 2021. · X. Shi et al.: *Zoom-CAM:
# > Generating Fine-grained Pixel Annotations from Image Labels*, ICPR 2020. · A. Englebert et al.:
# > *Poly-CAM: High resolution class activation map for CNNs*, ICPR 2022, arXiv 2204.13359. ·
# > Domeniconi et al.: *How to Evaluate and Refine your CAM*, 2026, arXiv 2605.14641 (RefineCAM). ·
# > S. Srinivas, F. Fleuret: *Full-Gradient Representation*, NeurIPS 2019, arXiv 1905.00780.

# %% tags=["imports"]
import os

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, nets
from camlite.course import check, hint

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images, for tests

# %% [markdown]
# ## A network with four sizes
#
# `LadderNet` is a small VGG: four convolutions, each with a ReLU, and a max pooling between them.
# Then GAP and one linear layer. It has learned frogs, birds, fish and turtles on all grounds. Three
# of them come with camlite: the same recipe from three random starts. What one network shows may be
# chance. So each number below is printed three times, once for each network.
#
# We ask about **mosaics**: four animals, one in each quarter, and one of them is the one we ask
# for. Now a map can be *wrong*: it can light up another animal. The network has never seen a
# mosaic, but with GAP it reads images of any size.

# %%
networks = [nets.bundled(f"ladder_{seed}") for seed in range(3)]
alone = data.scenes("pond", "flipped", count=100, seed=0)
for seed, net in enumerate(networks):
    right_alone = nets.accuracy(net, alone.images, alone.labels)
    print(f"network {seed}: {100 * right_alone:.0f} % right on {len(alone)} single animals")

mosaic = data.mosaic(16 if fast else 40, seed=1)
x, N = mosaic.images, len(mosaic.images)
rows, c = torch.arange(N), torch.arange(N) % 4  # the classes that we ask for take turns
asked = mosaic.object_masks[rows, c]  # (N, 96, 96), the animal that we ask for
animals = mosaic.object_masks.any(1)  # all four
quarter = mosaic.cell_masks[rows, c]  # the quarter of the asked animal
area, all_area = asked.float().mean(), animals.float().mean()
print(f"{N} mosaics {tuple(x.shape[1:])}, share of the image: ", end="")
print(f"the asked animal {100 * area:.1f} %, all four {100 * all_area:.1f} %")

# %% [markdown]
# ## Four numbers
#
# The question has two words, *right* and *fine*. Because the scenes are drawn, we know every pixel,
# and can measure both. All four numbers look at a map $M \ge 0$ in the size of the image.
#
# * **right**: of the map's energy (the sum of its values, lesson 6) on the four animals, the share
#   on the asked one. Chance: 25 %.
# * **noise**: the share of all its energy that lies on no animal. A flat map has about 78 %.
# * **IoU**: light as many pixels as the asked animal has, the brightest ones. Intersection of lit
#   pixels and animal, divided by their union.
# * **outline**: take pixels at most three pixels away from the outline of the asked animal. Of two
#   of them, one inside and one outside: how often is the inner one brighter? Chance: 50 %. (This is
#   the AUC of lesson 6.) It is the number for *fine*: the rest of the image does not matter.
#
# You may skip the next cell. `near` are the pixels close to the outline, all in the `quarter` of
# the asked animal. `report(name, maps)` prints the four numbers, each for every network's maps.


# %%
def up(M: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear resizing, larger or smaller: (N, h, w) -> (N, H, W)."""
    return functional.interpolate(M[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]


def grown(mask: Tensor, by: int = 3) -> Tensor:
    """The mask and all that is at most `by` pixels away from it."""
    return functional.max_pool2d(mask.float()[:, None], 2 * by + 1, 1, by)[:, 0] > 0


def wins(inner: Tensor, outer: Tensor) -> float:
    """How often an inner value is larger than an outer one; a tie counts one half."""
    d = inner[:, None] - outer[None]
    return float((d > 0).float().mean() + 0.5 * (d == 0).float().mean())


def overlap(M: Tensor, mask: Tensor) -> float:
    """IoU of the mask with as many of the brightest pixels as it has itself."""
    brightest = M.flatten().argsort(descending=True, stable=True)[: int(mask.sum())]
    both = mask.flatten()[brightest].sum()
    return float(both / (2 * mask.sum() - both))


near = grown(asked) & grown(~asked) & quarter
NUMBERS = ("right", "noise", "IoU", "outline")


def four_numbers(M: Tensor) -> list[float]:
    """right, noise, IoU and outline of maps of the first len(M) mosaics, any resolution; means."""
    M, n = up(M, (96, 96)).clamp(min=0), len(M)
    energy = [(M * mask[:n]).sum((1, 2)) for mask in (asked, animals, torch.ones_like(asked))]
    right, on_animals = energy[0] / energy[1].clamp(min=1e-12), energy[1] / energy[2]
    iou = [overlap(m, a) for m, a in zip(M, asked[:n], strict=True)]
    outline = [wins(m[b & a], m[b & ~a]) for m, a, b in zip(M, asked, near, strict=False)]
    both = torch.tensor([iou, outline]).mean(1).tolist()
    return [float(right.mean()), float(1 - on_animals.mean()), *both]


found: dict[str, Tensor] = {}  # name: (4 numbers, networks)


def report(name: str, maps: list[Tensor]) -> None:
    """Prints the four numbers, in percent, for the map of each network."""
    found[name] = torch.tensor([four_numbers(M) for M in maps]).T
    cells = ["".join(f"{100 * v:4.0f}" for v in row) for row in found[name].tolist()]
    texts = [f"{what} {cell}" for what, cell in zip(NUMBERS, cells, strict=True)]
    print(f"{name:26}" + "   ".join(texts))


# %% [markdown]
# Before any network, the **floors and ceilings**. Random numbers know nothing. A round blob in the
# middle of the asked quarter knows *which* animal, and nothing of its outline. And the last lines
# are no maps of a network: they are the true mask itself, seen through a grid. No map of that grid
# can be expected to do better.

# %%
random_numbers = torch.rand(N, 96, 96, generator=torch.Generator().manual_seed(0))
place = (torch.arange(96) % 48 - 23.5) ** 2
blob = torch.exp(-(place[:, None] + place) / (2 * 12**2)) * quarter
report("random numbers", [random_numbers])
report("a blob in its quarter", [blob])
for side in (12, 24, 48):
    seen = functional.adaptive_avg_pool2d(asked[:, None].float(), side)[:, 0]
    report(f"the true mask, {side}×{side}", [seen])

# %% [markdown]
# Read the table before you trust it. The blob has an IoU of about one half, and an outline well
# above 50 %, for two simple reasons: the animals stand near the middle of their quarters, and they
# are round. So a map with IoU 0.5 may know no more than the quarter. And a grid of only 12×12 is no
# excuse: the mask itself, seen through it, still has a good IoU.
#
# ## Exercise 16.1: LayerCAM
# *●●○○○ · about 8 minutes*
#
# Which map can a shallow layer have? Grad-CAM takes the mean of the gradient over all places, and
# in a shallow layer that mean says little: the same edge is useful here and harmful there. LayerCAM
# keeps a weight for each place, and trusts only positive gradients:
#
# $$ M(x,y) = \mathrm{ReLU}\Big(\sum_k \mathrm{ReLU}\big(G_k(x,y)\big)\,F_k(x,y)\Big), \qquad
# G_k = \frac{\partial Y_c}{\partial F_k} $$
#
# $F_k$ is channel $k$ of the layer, $Y_c$ the logit of class $c$. `F` and `G` are both (N, K, h,
# w). `F` may be negative (a layer before its ReLU). The result is (N, h, w), never negative, not
# scaled.


# %% tags=["exercise", "16.1"]
def layer_cam(F: Tensor, G: Tensor) -> Tensor:
    """LayerCAM of one layer: F and G (N, K, h, w) -> (N, h, w), no value below 0."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 16.1: layer_cam")


# %%
check("16.1", layer_cam)

# %% [markdown]
# ## The ladder
#
# `camlite.split` also cuts at several layers. Four layers give five parts. One backward pass gives
# all four gradients: `torch.autograd.grad(number, [F_1, F_2, …])` returns one for each tensor. The
# first ladder has the output of each ReLU, from the finest to the coarsest.


# %%
def layers_of(net: nn.Module, layers: tuple, c: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """F and G of each layer, from the image to the logits."""
    features, *parts = camlite.split(net, list(layers))
    F = [features(x).requires_grad_()]
    for part in parts[:-1]:
        F.append(part(F[-1]))
    Y = parts[-1](F[-1])
    G = torch.autograd.grad(Y[rows, c].sum(), F)
    return [each.detach() for each in F], list(G)


def ladder(net: nn.Module, layers: tuple, c: Tensor = c) -> list[Tensor]:
    """The LayerCAM of each layer, from the image to the logits."""
    return [layer_cam(F, G) for F, G in zip(*layers_of(net, layers, c), strict=True)]


RELUS = ("features.2", "features.6", "features.10", "features.14")
at_relus = [ladder(net, RELUS) for net in networks]  # [network][layer]
sizes = [f"{M.shape[1]}×{M.shape[2]}" for M in at_relus[0]]

# %% [markdown]
# **Guess first:** which of the four layers has the best *outline*, which the best *IoU*, which is
# largest share *right*? Three numbers in a row: the three networks, in percent.

# %%
relu_names = [f"ReLU {number + 1}, {size}" for number, size in enumerate(sizes)]
for number, name in enumerate(relu_names):
    report(name, [maps[number] for maps in at_relus])

# %% [markdown]
# **Your guess:** the deepest layer has the largest share *right* and the best *IoU*. That was
# expected. But the layer with the finest grid does not have the best outline. It has the worst one,
# in all three networks! A fine grid is not a fine map. What is wrong with this witness? Look at
# what he says: the gradient.

# %%
for seed, net in enumerate(networks):
    F, G = layers_of(net, RELUS, c)
    zeros = [float((g == 0).float().mean()) for g in G]
    print(f"network {seed}: gradients of exactly 0:", "  ".join(f"{100 * z:.0f} %" for z in zeros))

# %% [markdown]
# After each of the first three ReLUs comes a max pooling. It lets the largest of 2×2 values
# through, and only that one gets a gradient. The other three get exactly 0, so three of four
# numbers of `G` are lost, place by place and channel by channel. The map is a sieve. The authors of
# LayerCAM warn of this: before a max pooling, or before a convolution with stride 2, the map has a
# grid; take a neighbouring layer. The neighbour here is the **output of the pooling**: half the
# places, but every one has its gradient.

# %%
POOLS = ("features.3", "features.7", "features.11", "features.14")  # the last one has no pooling
ladders = [ladder(net, POOLS) for net in networks]
sizes = [f"{M.shape[1]}×{M.shape[2]}" for M in ladders[0]]
names = [f"layer {number + 1}, {size}" for number, size in enumerate(sizes)]
for number, name in enumerate(names):
    report(name, [maps[number] for maps in ladders])

# %% [markdown]
# Now the witnesses are worth a question. Each of the first three layers has a better outline than
# the ReLU just before it (after ReLU 4 there is no pooling). Layers 2 and 3 have a better one than
# the deepest layer, in all three networks (layer 1 in two of them). But in all of them a smaller
# share is right, and their IoU is lower.
#
# (The Japanese article *CAMの発展と実装* reports that Zoom-CAM and LayerCAM did not go well in its
# author's hands. Perhaps it looked through the sieve; we do not know.)


# %% tags=["figure"] jupyter={"source_hidden": true}
def lit(image: Tensor, heat: Tensor) -> Tensor:
    """The picture in dark grey, and over it the heat, the more opaque the stronger: (H, W, 3)."""
    dark = 0.4 * image.mean(0)[..., None].expand(-1, -1, 3)
    colours = torch.from_numpy(plt.get_cmap("magma")(heat.clamp(0, 1).numpy())[..., :3])
    cover = (heat / 0.4).clamp(0, 1)[..., None]
    return (1 - cover) * dark + cover * colours


def panel(axis, n: int, M: Tensor | None, title: str = "") -> None:
    """Mosaic n, or its map over it, with the outline of the asked animal."""
    if M is None:
        axis.imshow(x[n].permute(1, 2, 0))
    else:
        heat = up(M[n : n + 1], (96, 96))[0]
        axis.imshow(lit(x[n], heat / heat.flatten().quantile(0.995).clamp(min=1e-12)))
    axis.contour(asked[n].float(), levels=[0.5], colors="white", linewidths=0.9)
    axis.set_title(title, fontsize=9)
    axis.set(xticks=[], yticks=[])


def bar(figure, axes) -> None:
    """The colours, from 0 to each map's own brightest places."""
    scale = plt.cm.ScalarMappable(plt.Normalize(0, 1), "magma")
    label = "0 none · 1 the map's own\nbrightest places (top 0.5 %)"
    figure.colorbar(scale, ax=axes, label=label, ticks=[0, 0.5, 1], extend="max")


def said(name: str) -> str:
    """IoU and outline of all networks and mosaics."""
    _, _, iou, outline = found[name].mean(1).tolist()
    return f"IoU {100 * iou:.0f} %, outline {100 * outline:.0f} %"


shown = 2  # the mosaic of the figure; it asks for the fish
figure, axes = plt.subplots(2, 5, figsize=(11, 4.9), layout="constrained")
panel(axes[0, 0], shown, None, f"asked: {mosaic.class_names[c[shown]]}")
axes[1, 0].axis("off")
for number in range(4):
    before, after = relu_names[number], names[number]
    panel(axes[0, number + 1], shown, at_relus[0][number], f"{before}\n{said(before)}")
    if number < 3:
        panel(axes[1, number + 1], shown, ladders[0][number], f"{after}\n{said(after)}")
axes[1, 4].axis("off")
axes[1, 4].text(0.5, 0.5, "no pooling\nafter ReLU 4", ha="center", transform=axes[1, 4].transAxes)
axes[0, 1].set_ylabel("before the pooling")
axes[1, 1].set_ylabel("after it")
bar(figure, axes)
figure.suptitle(
    "LayerCAM of a fish, layer by layer: at ReLU 1, before a max pooling, the map is a sieve\n"
    f"(maps: network 0; numbers: mean of 3 networks × {N} mosaics)"
)
plt.show()

# %% [markdown]
# ## What a network that knows nothing shows
#
# Look at the shallow maps above: spots, edges, details. An eye is easily convinced. So we need a
# control. Here is a network of the same kind that has learned **nothing**: its weights are random.
# **Guess first:** what does its map of layer 1 look like?

# %%
untrained = []
for seed in range(3):
    torch.manual_seed(100 + seed)
    untrained.append(nets.LadderNet().eval())
random_ladders = [ladder(net, POOLS) for net in untrained]
for number, name in enumerate(names):
    report(f"random: {name}", [maps[number] for maps in random_ladders])

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 5, figsize=(11, 4.7), layout="constrained")
for row, n in zip(axes, (shown, 5), strict=True):
    panel(row[0], n, None, f"asked: {mosaic.class_names[c[n]]}")
    for seed in (0, 1):
        panel(row[1 + seed], n, ladders[seed][0], f"trained, network {seed}")
        panel(row[3 + seed], n, random_ladders[seed][0], f"random, network {seed}")
bar(figure, axes)
figure.suptitle(
    "LayerCAM of layer 1. A random network's map is full of detail too, and marks no animal\n"
    f"(right: trained {100 * found[names[0]][0].mean():.0f} %, random "
    f"{100 * found['random: ' + names[0]][0].mean():.0f} %, chance 25 %; 3 networks × {N} mosaics)"
)
plt.show()

# %% [markdown]
# **Your guess:** the map is full of detail, and the detail is grain. No class is in it: *right* is
# 25 %, the share of chance. The outline is a little above 50 %, lower than that of the trained
# layer of the same number. So the trained shallow layers do know something. But an eye that only
# asks "is there detail?" is content with both. **Detail in a map says nothing about the network
# until a random network has been asked too.** Lesson 18 makes a test of this. For today it is our
# control: whatever we put together, we also do with the shallow maps of a random network.
#
# ## Exercise 16.2: put them together
# *●●●○○ · about 18 minutes*
#
# Three authors, three ways. Let $M_1, M_2, \dots$ be the maps of the layers, all $\ge 0$, and
# $\mathrm{Up}$ the bilinear enlarging to one `size`.
#
# $$ \text{"max"}: \max_l \mathrm{Up}\big(s(M_l)\big) \qquad
# \text{"product"}: \prod_l \mathrm{Up}\big(s(M_l)\big) \qquad
# \text{"tanh"}: \max_l \mathrm{Up}\Big(\tanh \frac{2\,M_l}{\max M_l}\Big) $$
#
# with $s(M) = (M - \min M) / (\max M - \min M)$. Zoom-CAM takes the maximum: the place counts if
# **any** layer is sure. RefineCAM takes the product: **all** must be sure. LayerCAM takes the
# maximum of maps that tanh has lifted, so that weak places of a layer count more. (In the paper
# only shallow layers are lifted; here all.)
#
# `maps` is a list of (N, h_l, w_l), each with its own size; the result is (N, H, W) for `size = (H,
# W)`. Minimum and maximum belong to each layer and each image. Note the order: scale first, enlarge
# then. Of a constant map $s$ makes zeros: (3, 3, 3) becomes (0, 0, 0), not 0 / 0. Of a map that is
# 0 everywhere tanh makes zeros too. (So one empty layer makes a product empty. That is right.)
# `how` is one of the three words.
#
# `M.amax(dim=(1, 2), keepdim=True)` is the maximum of each image as (N, 1, 1); `torch.stack(list)`
# puts maps of one size on a new axis 0; `.amax(0)` and `.prod(0)` run over that axis.
# `torch.where(test, A, B)` takes `A` where the test is true, and `B` elsewhere. `up` is above.


# %% tags=["exercise", "16.2"]
def fuse(maps: list[Tensor], size: tuple[int, int], how: str) -> Tensor:
    """The maps of several layers as one: a list of (N, h_l, w_l) -> (N, H, W)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 16.2: fuse")


# %%
check("16.2", fuse)

# %% [markdown]
# **Guess first:** maximum or product: which has more noise? Of which is a larger share right?

# %%
size = (96, 96)
report("deepest layer alone", [maps[3] for maps in ladders])
for how in ("max", "tanh", "product"):
    report(how, [fuse(maps, size, how) for maps in ladders])

# %% [markdown]
# **Your guess:** one careless layer is enough to spoil a maximum. A smaller share of it is right
# than of the deepest layer alone, and the noise stays about where it was; of tanh, which lifts weak
# places, a smaller share still. The outline hardly moves. The product has little noise, a much
# larger share of it is right, and it has a better outline than the deepest layer, in all three
# networks. But compare it with *every* witness: layer 2 alone has about the same outline. To layer
# 2 the product adds *right* and *IoU*, not outline. (And remember the blob: the deepest layer's
# outline is no better than the blob's. The product's is, in one network only just.) Is that the
# answer? Not yet. Every product needs two controls.
#
# **Control 1: less noise is easy to get.** Take the deepest map four times: no new witness.
#
# **Control 2: a better outline could come from anybody.** Keep the deepest map, and take the three
# shallow maps from a *random* network.

# %%
power = [fuse([maps[3]] * 4, size, "product") for maps in ladders]
report("deepest, to the power 4", power)
foreign = [a[:3] + b[3:] for a, b in zip(random_ladders, ladders, strict=True)]
report("product, 3 random layers", [fuse(maps, size, "product") for maps in foreign])

# %% [markdown]
# Control 1 takes a large part of the noise away, and has the largest share right of all five. Yet
# the order of the pixels is the same, so IoU and outline stay as they were (up to rounding). So the
# low noise of a product proves little: most of it is free. A map with high energy on the animal may
# be nothing but a *sharper contrast*.
#
# Control 2 gives a worse outline than the deepest layer alone, while the trained layers gave a
# better one. So the outline of the product comes from what the shallow layers have *learned*.
# **That** is the evidence for the product.
#
# And the price? Look at the IoU: the product's is lower than that of the deepest layer alone, in
# all three networks. It lights only what all layers agree on, such as the eyes of a frog. Fine and
# right, but not complete.
#
# Must it be all four? On *other* mosaics (`seed=2`) we measured the product of every pair of
# layers. For each of the three networks layers 3 and 4 had the best IoU. So our mosaics had no part
# in the choice. **Guess first:** both have a grid of only 12×12. Is the outline of their product
# better than that of layer 4?

# %%
report("product, layers 3 and 4", [fuse(maps[2:], size, "product") for maps in ladders])

# %% [markdown]
# **Your guess:** it is. But again compare it with *every* witness: layer 3 alone has this outline
# already. What the pair adds is IoU: it is higher than that of layer 3 and of layer 4, in all three
# networks. No finer grid was needed for that.
#
# Could the witnesses be better? LayerCAM drops every negative gradient, and with it the evidence
# against the class. Lesson 9's HiResCAM, $\sum_k G_k F_k$, keeps it until the sum, and only then
# comes a ReLU.


# %%
def signed_ladder(net: nn.Module) -> list[Tensor]:
    """ReLU(HiResCAM) of each layer."""
    return [(G * F).sum(1).relu() for F, G in zip(*layers_of(net, POOLS, c), strict=True)]


signed_ladders = [signed_ladder(net) for net in networks]
report("HiResCAM, layer 3 alone", [maps[2] for maps in signed_ladders])
report("HiResCAM, deepest alone", [maps[3] for maps in signed_ladders])
report("HiResCAM, product", [fuse(maps, size, "product") for maps in signed_ladders])

# %% [markdown]
# With the sign more than nine tenths of the deepest map's energy on animals are right, without any
# fusion: the other animals were lit because the evidence against the class had been cut off. The
# product of signed maps has a better outline *and* an IoU no lower than its deepest layer. But look
# at its witnesses: **layer 3 alone, with its sign**, has on average over the three networks about
# the same IoU and the same outline. The product only adds less noise and a larger share right.
#
# ## Exercise 16.3: brighter than around here
# *●●○○○ · about 10 minutes*
#
# The third idea. A shallow map is asked about *details* only: where is a place brighter than its
# surroundings? Whether the whole region is bright, it does not know well enough. **Local
# normalisation** divides the map by a blurred copy of itself:
#
# $$ \mathrm{LNorm}(M) = \frac{M}{\max\big(\mathrm{Up}(\mathrm{Down}(M)),\, 10^{-12}\big)} $$
#
# $\mathrm{Down}$ makes the map as small as `coarse_size`, $\mathrm{Up}$ makes it as large as
# before. Both are bilinear: the function `up` does both. 1 means: as bright as around here. 2:
# twice as bright. Where Down halves the sides (a larger step skips pixels), the number
# $10^{-12}$ only prevents 0 / 0: a map that is 0 everywhere stays 0.
# `M` is (N, h, w), not negative; so is the result, in the same size.


# %% tags=["exercise", "16.3"]
def local_normalize(M: Tensor, coarse_size: tuple[int, int]) -> Tensor:
    """Each place of M divided by what is around it: (N, h, w) -> (N, h, w)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 16.3: local_normalize")


# %%
check("16.3", local_normalize)

# %% [markdown]
# A small example: a map with one step. The left half is 0.1, the right half is 1. **Guess first:**
# what is LNorm at the far left, and at the far right?

# %%
step = torch.cat([torch.full((1, 4, 12), 0.1), torch.ones(1, 4, 12)], dim=2)  # (1, 4, 24)
leveled = local_normalize(step, (2, 12))[0, 0]
print([round(v, 2) for v in leveled[8:16].tolist()], "ends:", leveled[[0, -1]].tolist())

# %% [markdown]
# **Your guess:** 1 at both ends. Only beside the step there is something to see: darker on the dark
# side, brighter on the light side. So LNorm keeps *details* and forgets the *level*. Remember this.
#
# ## Exercise 16.4: Poly-CAM's rule
# *●●○○○ · about 8 minutes*
#
# Poly-CAM starts with the deepest map, and each shallower layer sharpens what is there:
#
# $$ P \leftarrow M_{\text{deepest}}, \qquad \text{then, layer by layer:} \quad
# P \leftarrow \mathrm{LNorm}(M_l) \circ \mathrm{Up}(P) $$
#
# $\mathrm{Up}$ enlarges $P$ to the size of $M_l$. The coarse size in LNorm is the size of $P$
# *before* it is enlarged. `maps` is a list with the **deepest first**, each (N, h_l, w_l). The
# result has the size of the last one, not scaled. Use your `local_normalize` (check 16.3 first).


# %% tags=["exercise", "16.4"]
def poly_cam(maps: list[Tensor]) -> Tensor:
    """Poly-CAM's rule: maps (N, h_l, w_l), deepest first -> the size of the last one."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 16.4: poly_cam")


# %%
check("16.4", poly_cam)

# %% [markdown]
# The same Japanese article calls Poly-CAM the one method over several layers that "works well": a
# map of the deepest layer, made high-resolution by the earlier ones. Is it so on our scenes? First
# the rule alone, with our LayerCAMs as its maps. (Layers 3 and 4 have one size; there LNorm could
# only say 1 or 0. So we take layers 4, 2 and 1.) Beside it stand the same rule *without* LNorm, and
# the rule with shallow maps of random networks.


# %%
def without_lnorm(maps: list[Tensor]) -> Tensor:
    """The same chain of products, with M itself in the place of LNorm(M)."""
    P, *shallower = maps
    for M in shallower:
        P = M * up(P, M.shape[1:])
    return P


steps = [[maps[3], maps[1], maps[0]] for maps in ladders]
random_steps = [[maps[3], maps[1], maps[0]] for maps in foreign]
report("deepest layer alone", [maps[0] for maps in steps])
report("Poly rule", [poly_cam(maps) for maps in steps])
report("without LNorm", [without_lnorm(maps) for maps in steps])
report("Poly rule, random layers", [poly_cam(maps) for maps in random_steps])

# %% [markdown]
# LNorm does what it promises: it adds detail, and leaves it to the deepest layer where the energy
# lies; *right* and *noise* stay nearer to the deepest map than without it. The shallow layers are
# heard: with random ones the outline is worse, in all three networks. But the IoU is lower than
# that of the deepest layer alone, and the outline is worse than *without* LNorm, in all three
# networks. And with *random* layers the IoU is higher in two networks of three: there the trained
# ones do harm. The step after 16.3 suggests why: LNorm forgets the level, and the level (bright on
# the animal, dark beside it) is what the shallow layers know about inside and outside.
#
# That was the rule with our maps. The paper makes its maps in another way, with no gradient: it
# hides parts of the image, as Score-CAM does. Each channel becomes a mask $H_k$, and its weight is
# made of the probability $p$ that the network gives to the class of an image $X$:
#
# * PCAM+: $p(X \circ H_k)$, what the network says to the part that the mask *keeps*;
# * PCAM−: $\mathrm{ReLU}(p(X) - p(X \circ (1 - H_k)))$, what is lost when that part is *hidden*;
# * PCAM±: $\mathrm{ReLU}$ of both together.
#
# It costs one forward pass for each channel of each layer, and two for ±. So we take few mosaics.

# %%
few = 4
CHAIN = ["features.3", "features.7", "features.14"]  # with 16, 32 and 64 channels
print(f"PCAM±: up to {2 * (16 + 32 + 64)} forward passes for a mosaic, {few} mosaics")
report(f"deepest alone, n = {few}", [maps[3][:few] for maps in ladders])
variants = {"+": "PCAM+", "-": "PCAM−", "+-": "PCAM±"}
for variant in ["+-"] if fast else variants:
    options = {"variant": variant, "batch_size": 64}
    made = [camlite.poly_cam(net, CHAIN, x[:few], c[:few], **options) for net in networks]
    report(variants[variant], made)

# %% [markdown]
# Each variant in the list above has on our mosaics a lower IoU than the deepest LayerCAM alone, and
# a smaller share of it is right, in each network. What this does *not* show: that Poly-CAM is a bad
# method. Our hidden parts are black, which these networks have never seen (lesson 12: such a choice
# decides much); our network is tiny, our animals are round, the paper's are photographs with VGG16
# and ResNet50. What it does show: detail may be wrong. Measure where you know the truth.
#
# ## Everything at once: FullGrad (optional, 15 minutes)
#
# Why choose layers at all? For a network of convolutions, ReLUs, poolings and linear layers there
# is an exact sum over **all** of them. The logit is
#
# $$ Y_c = \sum \frac{\partial Y_c}{\partial X} \circ X \;+\;
# \sum_l \sum \frac{\partial Y_c}{\partial z_l} \circ b_l $$
#
# where $X$ is the image, $z_l$ the output of layer $l$, and $b_l$ its bias (of a batch norm too).
# Nothing is missing. `full_gradients` gives every term with its place, `.total()` adds them up.

# %%
d = (c + 1) % 4  # another animal of the same mosaic
full_gradients = camlite.methods.layers.full_gradients
terms = [full_gradients(net, x, c) for net in networks]
other = [full_gradients(net, x, d) for net in networks]
gap = max(float((t.total() - t.Y).abs().max()) for t in terms)
print(f"largest |sum of all terms − logit|: {gap:.1e}, mean |logit|: {terms[0].Y.abs().mean():.1f}")


# %% [markdown]
# Complete, up to rounding. The *map* FullGrad takes each term's absolute value, scales each layer
# to $[0, 1]$, and adds all of them up. **Guess first:** is the map of one animal another one than
# that of the animal beside it?


# %%
def spread(terms) -> Tensor:
    """All terms that have a place, with their sign, as one map (N, 96, 96) of the same sum."""
    S = terms.input.sum(1)
    for _, part in terms.biases:
        if part.dim() == 4:
            k = 96 // part.shape[2]  # each place becomes k×k pixels
            S = S + part.sum(1).repeat_interleave(k, 1).repeat_interleave(k, 2) / k**2
    return S


def correlation(A: Tensor, B: Tensor) -> float:
    """Correlation of two maps, place by place; the mean over the images."""
    pairs = [torch.stack([a.flatten(), b.flatten()]) for a, b in zip(A, B, strict=True)]
    return float(torch.stack([torch.corrcoef(pair)[0, 1] for pair in pairs]).mean())


signed = [spread(t) for t in terms]
absolute = [camlite.full_grad(net, x, c) for net in networks]
absolute_other = [camlite.full_grad(net, x, d) for net in networks]
report("FullGrad", absolute)
report("its terms with their sign", signed)
same_map = [correlation(A, B) for A, B in zip(absolute, absolute_other, strict=True)]
same_signed = [correlation(S, spread(t)) for S, t in zip(signed, other, strict=True)]
print("correlation of two animals' maps, FullGrad:  ", "  ".join(f"{v:+.2f}" for v in same_map))
print("correlation, terms with a sign:              ", "  ".join(f"{v:+.2f}" for v in same_signed))
sums = {"asked animal": asked, "other three": animals & ~asked, "ground": ~animals}
for name, mask in sums.items():
    values = [float((S * mask).sum((1, 2)).mean()) for S in signed]
    print(f"  sum of the signed terms on {name:13}", "  ".join(f"{v:+.2f}" for v in values))

# %% [markdown]
# **Your guess:** the two maps are nearly the same. FullGrad is *right* in about a quarter of its
# energy on animals: chance. Its sum was complete, but the absolute value destroyed the only thing
# that told the classes apart, the sign. And the scaling to $[0, 1]$ destroyed the sizes.
#
# With its sign the same sum is right: the asked animal speaks for the class, the other three
# against it. (The row above counts the positive places only.) But you have to add it up over whole
# animals. Pixel by pixel it is grain: its outline
# is about 50 %, chance. And the lines of FullGrad's map look clean, but its outline is below the
# blob's. So here is today's question in one method: **complete and right, but not fine; or full of
# lines, but neither right nor fine.**
#
# ## The answer in one picture

# %% tags=["figure"] jupyter={"source_hidden": true}
columns = {
    "layer 1": (names[0], ladders[0][0]),
    "layer 4, the deepest": (names[3], ladders[0][3]),
    "max of all": ("max", fuse(ladders[0], size, "max")),
    "product of all": ("product", fuse(ladders[0], size, "product")),
    "product of signed maps": ("HiResCAM, product", fuse(signed_ladders[0], size, "product")),
    "layer 4 × 3 random": ("product, 3 random layers", fuse(foreign[0], size, "product")),
}
figure, axes = plt.subplots(3, 7, figsize=(12.5, 6.1), layout="constrained")
for row, n in zip(axes, (shown, 5, 8), strict=True):
    panel(row[0], n, None, f"asked: {mosaic.class_names[c[n]]}")
    for axis, (title, (name, M)) in zip(row[1:], columns.items(), strict=True):
        right, noise, _, _ = found[name].mean(1).tolist()
        text = f"{title}\nright {100 * right:.0f} %, noise {100 * noise:.0f} %\n{said(name)}"
        panel(axis, n, M, text if n == shown else "")
bar(figure, axes)
figure.suptitle(
    "The maximum keeps what any layer marks, the product what all agree on; three random layers "
    f"add only grain\n(maps: network 0; numbers: mean of 3 networks × {N} mosaics; random "
    "guess: right 25 %, outline 50 %)"
)
plt.show()

# %% [markdown]
# (Dots on the seam in the last row of layer 1: such an edge stood in no training image.)
#
# **Today's question was: fine and right at once?** Partly. On our scenes a larger share of the
# product of trained layers, taken after the poolings, was right than of its deepest layer, and it
# had a better outline, in three networks of three. Random layers could not do that. But its outline
# was only about that of layer 2 alone. Of the maximum a smaller share was right than of the deepest
# layer. Two layers of the same coarse grid were enough to gain IoU and outline together. Keeping
# the sign until the sum made even a single map right; and one layer with its sign, layer 3, reached
# the IoU and the outline of the best product, without any fusion. And none of the maps comes near
# to the true mask, seen through a grid of 12×12: not in IoU, not in outline. In IoU hardly any of
# them beats a round blob that is told the quarter.
#
# Does your function agree with the library's?

# %%
net = networks[0]
theirs = camlite.layer_cam(net, list(POOLS), x, c)
mine = fuse(ladders[0], (48, 48), "tanh")
print("LayerCAM with tanh:", torch.allclose(mine, theirs, atol=1e-5))
zoom = camlite.zoom_cam(net, list(POOLS), x, c)
mine = fuse(signed_ladders[0], (48, 48), "max")
print("Zoom-CAM:          ", torch.allclose(mine, zoom, atol=1e-5))

# %% [markdown]
# Zoom-CAM takes the maps with their sign, as our `signed_ladder` does.
#
# ## Once more
#
# *From lesson 9, in new clothes. No hint; your check are the numbers that the cell prints.*
#
# Exercise 9.3: does a map add up to the logit? Write the gap $|\sum_{x,y} M + b - Y|$, (N,), for
# HiResCAM (without any ReLU) and for LayerCAM, both at the deepest layer.

# %%
F, G = layers_of(net, POOLS, c)
hires = (G[3] * F[3]).sum(1)
Y = net(x).detach()[rows, c]
b = net.classifier.bias.detach()[c]
gap_of_hires = torch.full((N,), torch.nan)  # your line here; nan says: not written yet
gap_of_layer_cam = torch.full((N,), torch.nan)  # and here, with ladders[0][3]
print(f"largest gap of HiResCAM: {gap_of_hires.max():.1e}")
print(f"mean gap of LayerCAM: {gap_of_layer_cam.mean():.1f}, mean |Y|: {Y.abs().mean():.1f}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `gap_of_hires = (hires.sum((1, 2)) + b - Y).abs()` and `gap_of_layer_cam = (ladders[0][3].sum((1,
# 2)) + b - Y).abs()`. HiResCAM adds up, up to rounding. LayerCAM misses by about 4 on average,
# while the logits have a mean size of about 1.5: all that speaks against the class is gone.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 16` asks them again, also next week.
#
# **1.** At one place a layer has two channels, $F = (2, 3)$ with $G = (-1, 0.5)$. What is LayerCAM
# there? What is HiResCAM, and what is left of it after a ReLU?
#
# <details><summary>Answer</summary>
#
# LayerCAM: 0 · 2 + 0.5 · 3 = 1.5. HiResCAM: −2 + 1.5 = −0.5, and after the ReLU 0. LayerCAM lights
# a place whose evidence, all in all, speaks against the class.
#
# </details>
#
# **2.** Three layers have the scaled values 0.9, 0.8 and 0.1 at one place. What do Zoom-CAM's rule
# and RefineCAM's rule give? Which layer decides each time?
#
# <details><summary>Answer</summary>
#
# The maximum is 0.9, the product 0.072. The most confident layer decides the maximum. The one that
# sees least decides the product: one layer is enough to darken a place.
#
# </details>
#
# **3.** "I raised my map to the power 4, and twice as much of its energy lies on the animal. So it
# is a finer map." What is wrong?
#
# <details><summary>Answer</summary>
#
# The order of the pixels is the same. Every number that only asks which pixel is brighter (IoU of
# the brightest, outline) is unchanged: it is the same map with more contrast. A product of several
# layers must be compared with such a power, or its low noise proves little.
#
# </details>
#
# **4.** (lesson 6) An animal covers 5.6 % of a mosaic. A map has 34 % of its energy there. How many
# times as dense as a flat map is it on the animal?
#
# <details><summary>Answer</summary>
#
# 0.34 / 0.056 ≈ 6.1 times. Most of the energy still lies elsewhere; most pixels do too.
#
# </details>
#
# **5.** (lesson 9) Which gradients make LayerCAM surely the same as HiResCAM, if $F \ge 0$?
#
# <details><summary>Answer</summary>
#
# Where no gradient is negative: then ReLU(G) = G, and a sum of products that are not negative needs
# no last ReLU.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * A fine grid is not a fine map. Before a max pooling three of four gradients are 0.
# * The maximum keeps what *any* layer says, noise included; the product keeps what *all* say.
# * A power of one map has less noise too; random layers add detail too. Beat both controls.
# * Local normalisation adds detail. Here it did not make the outline better than a product did.
# * FullGrad's terms add up to the logit exactly. The absolute value throws the class away.
#
# **Where it fails.** All this was measured on drawn animals with a tiny network. In a deeper one a
# shallow place sees a smaller part of the object, and the layers may disagree more.
#
# **Try this.** Are 3 and 4 the best pair with signed maps too? In a new cell, on other mosaics:
#
# ```python
# new = data.mosaic(N, seed=2)
# x, asked, animals = new.images, new.object_masks[rows, c], new.object_masks.any(1)
# near = grown(asked) & grown(~asked) & new.cell_masks[rows, c]
# again = [signed_ladder(net) for net in networks]
# for i, j in ((2, 3), (1, 3), (1, 2), (0, 3)):
#     pairs = [fuse([maps[i], maps[j]], size, "product") for maps in again]
#     report(f"layers {i + 1} and {j + 1}", pairs)
# ```
#
# Expect the best IoU from 3 and 4, with 2 and 4 close to it. Then take the root of the product
# (`pair ** 0.5`): which of the four numbers change, and which cannot? (*right* and *noise* do; IoU
# and outline only ask which pixel is brighter.)
#
# **Where to read on.** The LayerCAM paper's part on the fusion of layers (its Equation 9 is tanh).
# The Poly-CAM paper (arXiv 2204.13359) measures with insertion and deletion, which is lesson 17's
# subject. In the library: `camlite.layer_cam`, `zoom_cam`, `refine_cam`, `poly_cam`, `full_grad`.
#
# **Words.** *layer*: lớp · 层 · 層 · 層. *upsampling*: nội suy tăng kích thước · 上采样 · 上採樣 ·
# アップサンプリング. *element-wise product*: tích từng phần tử · 逐元素乘积 · 逐元素乘積 · 要素ごとの積.
# *noise*: nhiễu · 噪声 · 雜訊 · ノイズ. *resolution*: độ phân giải · 分辨率 · 解析度 · 解像度.
#
# **Next:** lesson 17 asks what the numbers that papers print about maps really measure.
