# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 3: The class activation map
#
# **Time** 85 minutes · **Difficulty** ●●○○○ · **You need** lessons 1 and 2, or: you know what a
# convolution and a linear layer are · **At the end** you have drawn your first heat map, with five
# functions you wrote yourself, and you know exactly which number it explains.
#
# A network looks at an image and says: "This is a 7. I am 99 % sure." Fine, but *where* did it look?
# At the diagonal stroke? At the bar on top? At a speck of dust in the corner?
#
# In 2016 Zhou and his colleagues found that some networks carry the answer with them. You do not
# have to train anything again, and you do not need a gradient. You only have to change the order
# of two sums. That is today's lesson.
#
# > **Paper:** B. Zhou, A. Khosla, A. Lapedriza, A. Oliva, A. Torralba: *Learning Deep Features for
# > Discriminative Localization*, CVPR 2016, arXiv 1512.04150.

# %% tags=["imports"]
import matplotlib
import matplotlib.pyplot as plt
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

import camlite
from camlite import data, nets
from camlite.course import check, hint
from camlite.figures import plot

# %% [markdown]
# ## The network of lesson 2
#
# We take the network you know, already trained: four convolutions, then **global average pooling**
# (GAP), then one linear layer. It comes with camlite. Where the MNIST files are at hand we use
# MNIST; otherwise we use the small digits of scikit-learn, enlarged to the size of MNIST's. Both
# work.

# %%
images, labels, name = data.handwriting(train=False, limit=1000)
net = nets.bundled(f"gapnet_{name}")
accuracy = nets.accuracy(net, images, labels)
print(f"right on {accuracy:.1%} of {len(images)} test images of {name}")

# %% [markdown]
# We pick the first image of each of five digits, and run the network in two steps. The first step
# gives the **feature maps** `F`, the second one the class scores `Y`, which are called **logits**.
#
# | letter | shape | what it is |
# |---|---|---|
# | `F` | (N, K, h, w) | feature maps: N images, K = 128 channels, h × w positions |
# | `W` | (C, K) | weights of the linear layer: one row for each of the C classes |
# | `b` | (C,) | its bias: one number for each class |
# | `Y` | (N, C) | logits |
# | `c` | (N,) | a class for each image: here the predicted one |
#
# Two ways to pick with such a `c` will be useful. `W[c]` takes for each image the row of its class,
# so its shape is (N, K). `Y[rows, c]` takes from each row *one* number, the logit of its class.

# %%
picked = torch.tensor([int((labels == digit).nonzero()[0]) for digit in (7, 2, 0, 4, 3)])
x = images[picked]
with torch.no_grad():
    F = net.features(x)
    Y = net(x)
W, b = net.classifier.weight.detach(), net.classifier.bias.detach()
c = Y.argmax(dim=1)
rows = torch.arange(len(x))  # 0, 1, 2, 3, 4
p = Y.softmax(dim=1)[rows, c]
print(f"F {tuple(F.shape)}   W {tuple(W.shape)}   W[c] {tuple(W[c].shape)}   Y {tuple(Y.shape)}")
print("predicted", c.tolist(), "with logits", [f"{v:.1f}" for v in Y[rows, c].tolist()])
print("and probabilities", [f"{v:.3f}" for v in p.tolist()])

# %% [markdown]
# ## The idea: change the order of two sums
#
# For class $c$ the network computes
#
# $$ Y_c = \sum_k W_{c,k}\;\underbrace{\frac{1}{Z}\sum_{x,y} F_k(x,y)}_{\text{GAP}} + b_c , \qquad Z = h\,w $$
#
# First it averages each map, then it weighs the averages. Both are sums, so we may exchange them:
#
# $$ Y_c = \frac{1}{Z}\sum_{x,y}\;\underbrace{\sum_k W_{c,k}\,F_k(x,y)}_{M_c(x,y)} + b_c $$
#
# The same number, but now something new stands inside: $M_c(x,y)$, one value for each place. It says
# how much this place adds to the score of class $c$. That is the **class activation map** (CAM).
#
# **Before you go on, guess:** can $M_c(x,y)$ be negative? What would that mean?

# %% [markdown]
# ## Exercise 3.1: the map
# *●●○○○ · about 10 minutes*
#
# $$ M_c(x,y) = \sum_k W_{c,k}\,F_k(x,y) $$
#
# `F` is (N, K, h, w), `W` is (C, K). `c` is one class for all images (an `int`), or a tensor with
# one class for each image. The result is (N, h, w). There is no ReLU in this formula.


# %% tags=["exercise", "3.1"]
def class_activation_map(F: Tensor, W: Tensor, c: int | Tensor) -> Tensor:
    """The evidence for class c at each place: F (N, K, h, w), W (C, K) -> (N, h, w)."""
    ### BEGIN SOLUTION
    weights = W[torch.as_tensor(c).expand(len(F))]
    return torch.einsum("nk,nkxy->nxy", weights, F)
    ### END SOLUTION


# %%
check("3.1", class_activation_map)

# %% [markdown]
# If you need help, ask for a hint: `hint("3.1")`. Ask again for a stronger one. There are three.

# %%
M = class_activation_map(F, W, c)
negative = (M < 0).float().mean()
small = (M.abs() < 0.05 * M.abs().max()).float().mean()
print(f"M {tuple(M.shape)}, {negative:.0%} of the values are negative")
print("smallest of each map", [f"{v:.0f}" for v in M.amin(dim=(1, 2)).tolist()])
print("largest of each map ", [f"{v:.0f}" for v in M.amax(dim=(1, 2)).tolist()])
print(f"{small:.0%} of all values are smaller than a twentieth of the largest one")

# %% [markdown]
# **Your guess:** yes, a value can be negative. `F` comes out of a ReLU and is never negative, but
# the weights have both signs. A negative value lowers the score: this place speaks *against* the
# class.
#
# Compare also the sizes. Single values are in the hundreds, and the logits above are small numbers.
# There is no mistake: the logit is a *mean* over all places, at most of them nearly nothing
# happens, and what is for and against partly cancels.
#
# ## Exercise 3.2: is it really the score?
# *●○○○○ · about 5 minutes*
#
# A heat map is easily drawn and easily believed. So test it. If the two sums were exchanged
# correctly, the map must give back the logit:
#
# $$ Y_c = \frac{1}{Z}\sum_{x,y} M_c(x,y) + b_c $$
#
# `M` is (N, h, w); `bias` is $b_c$, one number for all images or one for each. Return (N,).


# %% tags=["exercise", "3.2"]
def logit_from_map(M: Tensor, bias: Tensor) -> Tensor:
    """The logit that the map explains: M (N, h, w), bias (N,) or () -> (N,)."""
    ### BEGIN SOLUTION
    return M.mean(dim=(1, 2)) + bias
    ### END SOLUTION


# %%
check("3.2", logit_from_map)

# %%
from_map, from_network = logit_from_map(M, b[c]), Y[rows, c]
print("from the map    ", [f"{v:.4f}" for v in from_map.tolist()])
print("from the network", [f"{v:.4f}" for v in from_network.tolist()])

# %% [markdown]
# The two lines agree. This property is called **completeness**: nothing of the score is lost, and
# nothing is invented. Few methods of the family have it. CAM has it, for this kind of network.
#
# It makes the question from the start a question of arithmetic. *Where did the 7 come from?* Cut
# the picture into three bands, and add up what each band gives to the logit:

# %%
band = torch.arange(28) * 3 // 28  # 0 for the upper rows, then 1, then 2
gives = [float(M[0][band == i].sum() / M[0].numel()) for i in range(3)]
for where, value in zip(("upper", "middle", "lower"), gives, strict=True):
    print(f"{where:6} third {value:+6.2f}")
print(f"bias         {b[c[0]]:+6.2f}")
print(f"together     {sum(gives) + b[c[0]]:+6.2f}, the logit is {Y[0, c[0]]:.2f}")

# %% [markdown]
# Only because the map is complete may we read it as an account of the score. The answer belongs to
# *this* 7: for another one the bands may share differently.
#
# ## Exercise 3.3: a common scale
# *●●○○○ · about 8 minutes*
#
# The values of $M_c$ have no unit that we could show as a colour. For a picture, papers move them
# to $[0, 1]$, each map by its own smallest and largest value:
#
# $$ s(M) = \frac{M - \min M}{\max M - \min M} $$
#
# With `keepdim=True` the two values of each map keep their axes, `M.amin(dim=(1, 2), keepdim=True)`
# is (N, 1, 1), and PyTorch can subtract them from (N, h, w).
#
# What if the map is constant? Then the denominator is 0. A constant map points nowhere; return
# zeros. Do not add a small number to the denominator: other methods have maps with values of a
# millionth, and there it is no longer small.


# %% tags=["exercise", "3.3"]
def normalize(M: Tensor) -> Tensor:
    """Each map (N, h, w) scaled to [0, 1] by its own range; a constant map gives zeros."""
    ### BEGIN SOLUTION
    low = M.amin(dim=(1, 2), keepdim=True)
    high = M.amax(dim=(1, 2), keepdim=True)
    return torch.where(high > low, (M - low) / (high - low), torch.zeros_like(M))
    ### END SOLUTION


# %%
check("3.3", normalize)

# %% [markdown]
# **Guess:** a place with $M = 0$ says nothing about the class. Which value has it after the scaling?

# %%
lowest, highest = M.amin(dim=(1, 2)), M.amax(dim=(1, 2))
zero_at = (0 - lowest) / (highest - lowest)
print("zero has become", [f"{v:.2f}" for v in zero_at.tolist()])

# %% [markdown]
# Not 0! Zero has moved up, and in each picture to another place. So an empty background, which says
# nothing, will glow in the picture, at least a quarter bright. Remember this when you look at heat
# maps in papers.
#
# ## Exercise 3.4: as large as the image
# *●●○○○ · about 8 minutes*
#
# Our network has no pooling, so its maps are as large as the image. Most networks are different:
# ResNet50 turns 224×224 pixels into maps of 7×7. Here is a small one of this kind, which also comes
# with camlite. It looks at drawn pictures of 48×48 pixels and tells four animals apart. Two of its
# convolutions move in steps of two pixels (stride 2), so its maps are smaller.

# %%
pond = nets.bundled("pond_repaired")
scenes = data.scenes("pond", "flipped", count=80)
with torch.no_grad():
    F_pond = pond.features(scenes.images)
W_pond, b_pond = pond.classifier.weight.detach(), pond.classifier.bias.detach()
M_pond = class_activation_map(F_pond, W_pond, scenes.labels)
print(
    ", ".join(scenes.class_names),
    f"· right on {nets.accuracy(pond, scenes.images, scenes.labels):.1%} of {len(scenes)} pictures",
)
print(f"images {tuple(scenes.images.shape[2:])}, maps {tuple(M_pond.shape[1:])}")

# %% [markdown]
# To lay such a map over the image we have to enlarge it. **Upsampling** with bilinear interpolation
# mixes the four nearest values. It makes the map smooth. It does not make it more precise!
#
# Use `functional.interpolate(images, size=(H, W), mode="bilinear", align_corners=False)`.
# `align_corners=False` means: pixels are small areas, not points. The function wants four axes, (N,
# channels, h, w), and our maps have three. `None` in an index makes a new axis of length 1: if `a`
# is (5, 7), then `a[None]` is (1, 5, 7), and `a[:, None]` is (5, 1, 7).


# %% tags=["exercise", "3.4"]
def upsample(M: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (N, h, w) enlarged to size = (H, W), bilinear -> (N, H, W)."""
    ### BEGIN SOLUTION
    larger = functional.interpolate(M[:, None], size=size, mode="bilinear", align_corners=False)
    return larger[:, 0]
    ### END SOLUTION


# %%
check("3.4", upsample)

# %% [markdown]
# One of the articles this course grew from enlarges with `scipy.ndimage.zoom(..., order=2)`. Its
# maps were 28×28 already, as ours are: the factor is 1, and the call changes nothing. (Yours does
# not either: try `upsample(M, (28, 28))`.) But what does it do where something has to be enlarged?

# %%
size = (48, 48)
smooth = upsample(M_pond, size)
spline = torch.from_numpy(ndimage.zoom(M_pond.numpy(), (1, 4, 4), order=2))
unchanged = bool((ndimage.zoom(M.numpy(), 1, order=2) == M.numpy()).all())
print("zoom by the factor 1 changes nothing:", unchanged)
top = M_pond.amax(dim=(1, 2)) + 1e-4
too_high = [int((way.amax(dim=(1, 2)) > top).sum()) for way in (smooth, spline)]
print(f"above the largest value of the map: bilinear {too_high[0]} of {len(top)}", end=", ")
print(f"spline of order 2 {too_high[1]} of {len(top)}")

# %% tags=["figure"] jupyter={"source_hidden": true}
squares = M_pond[0].repeat_interleave(4, 0).repeat_interleave(4, 1)  # each value as 4×4 pixels
ways = {
    f"map {tuple(M_pond.shape[1:])}\nup to {M_pond[0].max():.1f}": squares,
    f"bilinear\nup to {smooth[0].max():.1f}": smooth[0],
    f"spline, order 2\nup to {spline[0].max():.1f}": spline[0],
}
white = torch.ones(1, *size)  # the maps alone, on white
plot.grid(
    [[(scenes.images[0], None), *((white, values) for values in ways.values())]],
    [""],
    [f"{scenes.class_names[scenes.labels[0]]}\n48×48", *ways],
    title="Enlarging makes a map smooth, not more precise",
    signed=True,
    scale="shared",
)
plt.show()

# %% [markdown]
# A spline overshoots: it draws evidence that no place of the map has. A bilinear mix of four values
# is never larger than the largest of them. It can be *smaller*: here the peak loses a little. So
# compute sums and shares before you enlarge, and enlarge for the eye.
#
# ## Exercise 3.5: heat on the image
# *●●○○○ · about 8 minutes*
#
# The last step is a picture. We colour the heat, and mix it with the image:
#
# $$ \text{overlay} = (1 - \alpha)\,\text{image} + \alpha\,\text{jet}(\text{heat}) $$
#
# The colour map of the paper is *jet*. In matplotlib a colour map is a function: it turns each
# number from 0 to 1 into four, red, green, blue and opacity.

# %%
jet = matplotlib.colormaps["jet"]
print("jet(0.5) =", [round(float(v), 2) for v in jet(0.5)])
print("jet of an array (2, 3) has shape", jet(torch.rand(2, 3).numpy()).shape)

# %% [markdown]
# `image` is (H, W) for grey or (H, W, 3) for colour, `heat` is (H, W), all in $[0, 1]$. The result
# is (H, W, 3), without the opacity. A grey image has the same value in red, green and blue.


# %% tags=["exercise", "3.5"]
def overlay(image: Tensor, heat: Tensor, alpha: float = 0.5) -> Tensor:
    """The image with coloured heat on it -> (H, W, 3) in [0, 1]."""
    ### BEGIN SOLUTION
    colours = torch.from_numpy(matplotlib.colormaps["jet"](heat.numpy())[..., :3]).float()
    if image.dim() == 2:
        image = image[..., None].expand(*image.shape, 3)
    return (1 - alpha) * image + alpha * colours
    ### END SOLUTION


# %%
check("3.5", overlay)

# %% [markdown]
# ## Your first class activation maps
#
# All five functions together. Each digit stands above its signed map, all five on one scale: red
# places speak **for** the class, blue ones **against** it, white ones say nothing. A solid line goes
# around strong evidence for the class, a dashed line around strong evidence against it. Below is the
# mix in *jet*, as papers draw it: each map scaled on its own.

# %%
heat = upsample(normalize(M), (28, 28))
mixed = [overlay(image[0], one) for image, one in zip(x, heat, strict=True)]


# %% tags=["figure"] jupyter={"source_hidden": true}
def signed(axis, M: Tensor, limit: float, image: Tensor | None = None):
    """A signed map, on the image if there is one: solid line = for, dashed line = against."""
    opacity = None
    if image is not None:
        axis.imshow(image.mean(0), cmap="gray", vmin=-0.4, vmax=1.2)
        opacity = (M.abs() / limit).sqrt().clamp(0, 0.9).numpy()  # no evidence: only the image
    drawn = axis.imshow(M, cmap="RdBu_r", vmin=-limit, vmax=limit, alpha=opacity)
    levels = [-0.25 * limit, 0.25 * limit]
    axis.contour(M, levels=levels, colors="black", linewidths=1, linestyles=["dashed", "solid"])
    return drawn


limit = float(M.abs().max())
figure, axes = plt.subplots(3, 5, figsize=(10, 6.4), layout="constrained")
for n in range(5):
    axes[0, n].imshow(x[n, 0], cmap="gray")
    axes[0, n].set_title(f"predicted {int(c[n])}\nlogit {Y[n, c[n]]:.1f}", fontsize=10)
    drawn = signed(axes[1, n], M[n], limit)
    axes[2, n].imshow(mixed[n])
    axes[2, n].set_xlabel(f"0 is now {zero_at[n]:.2f}", fontsize=9)
for axis, text in zip(axes[:, 0], ("image", "signed map", "scaled, jet"), strict=True):
    axis.set_ylabel(text)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes[1], label="against ← 0 → for")
scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, 1), "jet")
bar = figure.colorbar(scale, ax=axes[2], label="scaled evidence")
bar.ax.hlines(zero_at, 0, 1, color="black", linewidth=1.5)
figure.suptitle("White says nothing (middle). After scaling it glows (bottom; black lines: M = 0)")
plt.show()

# %% [markdown]
# Compare the rows. In the middle one most of the background is white: the network finds nothing
# there. In the last one the same places shine in blue, green or yellow, and nobody can see any more
# which places speak against the digit. Both rows come from the same numbers.
#
# And *jet* has a second fault. Its largest values are dark red, darker than the middle ones: print
# it in grey, and the most important place looks unimportant. In *magma*, which later lessons use,
# more is always brighter.
#
# Did you see colour at the border of the picture, where a digit seldom is? At the border a kernel
# sees the frame of zeros that `padding=1` puts around each map. This too is a pattern that it has
# learned, and it gets weights like any other.
#
# ## One image, two classes
#
# Each class has its own row of `W`, so each class has its own map. We take the digit of which the
# network is least sure among 500, and draw the maps of its first and of its second guess. And we
# draw their difference, which shows why the first guess won.

# %%
with torch.no_grad():
    sure = net(images[:500]).softmax(dim=1).amax(dim=1)
    hard = images[sure.argmin()][None]
    F_hard, Y_hard = net.features(hard), net(hard)
first, second = Y_hard[0].topk(2).indices.tolist()
p_first, p_second = Y_hard[0].softmax(dim=0)[[first, second]].tolist()
label = int(labels[sure.argmin()])
print(f"first {first} ({p_first:.2f}), second {second} ({p_second:.2f}), the label says {label}")
M_first, M_second = (class_activation_map(F_hard, W, k)[0] for k in (first, second))
lead = float((M_first - M_second).mean() + b[first] - b[second])
print(
    f"{first} is ahead by {Y_hard[0, first] - Y_hard[0, second]:.3f}; "
    f"the difference of the maps says {lead:.3f}"
)

# %% tags=["figure"] jupyter={"source_hidden": true}
panels = {
    f"for and against {first}": M_first,
    f"for and against {second}": M_second,
    f"{first} rather than {second}": M_first - M_second,
}
limit = max(float(panel.abs().max()) for panel in panels.values())
figure, axes = plt.subplots(1, 4, figsize=(10.5, 3.1), layout="constrained")
axes[0].imshow(hard[0, 0], cmap="gray")
axes[0].set_title(f"the label says {label}", fontsize=10)
for axis, (title, panel) in zip(axes[1:], panels.items(), strict=True):
    drawn = signed(axis, panel, limit)
    axis.set_title(title, fontsize=10)
for axis in axes:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="against   ←   0   →   for")
figure.suptitle("The same image asked twice: why the first guess won (right)")
plt.show()

# %% [markdown]
# The first guess is wrong here. The maps show which parts of the digit misled the network; they do
# not warn you. A map of a wrong answer looks as convincing as a map of a right one.
#
# ## A frog and a bird
#
# Now the test that convinces. We lay two pictures side by side, a frog on the left and a bird on
# the right, and give them to the animal network as *one* picture. It has never seen two animals,
# and never a picture of 48×96. But GAP takes any size. We make 20 such pictures and look at the one
# where frog and bird are closest.
#
# **Guess first:** the feature maps are the same for both questions, only the row of `W` changes.
# Where will the map of *frog* be red, and where the map of *bird*? And what does the *other* animal
# do to a class: nothing, or something?

# %%
pairs = torch.cat([scenes.images[scenes.labels == k] for k in (0, 1)], dim=3)
with torch.no_grad():
    F_pairs, Y_pairs = pond.features(pairs), pond(pairs)
closest = int((Y_pairs[:, 0] - Y_pairs[:, 1]).abs().argmin())
chance = Y_pairs[closest].softmax(dim=0)
print(
    f"{len(pairs)} pictures {tuple(pairs.shape[2:])}, maps {tuple(F_pairs.shape[2:])}; "
    f"number {closest}: frog {chance[0]:.1%}, bird {chance[1]:.1%}"
)

maps = torch.stack([class_activation_map(F_pairs, W_pond, k) for k in range(4)])  # (4, 20, 12, 24)
left, right = maps[..., :12].sum((2, 3)) / (12 * 24), maps[..., 12:].sum((2, 3)) / (12 * 24)
print("         frog half   bird half    bias   logit")
for k, animal in enumerate(scenes.class_names):
    numbers = (left[k, closest], right[k, closest], b_pond[k], Y_pairs[closest, k])
    print(f"{animal:8}" + "".join(f"{float(v):+10.2f}" for v in numbers))

# %% tags=["figure"] jupyter={"source_hidden": true}
pair = pairs[closest]
enlarged = upsample(maps[:2, closest], tuple(pair.shape[1:]))
limit = float(enlarged.abs().max())
figure, axes = plt.subplots(3, 1, figsize=(6.4, 8.4), layout="constrained")
axes[0].imshow(pair.permute(1, 2, 0))
axes[0].set_title(f"The network cannot decide: frog {chance[0]:.0%}, bird {chance[1]:.0%}")
for k, axis in enumerate(axes[1:]):
    drawn = signed(axis, enlarged[k], limit, pair)
    axis.set_title(
        f"{scenes.class_names[k]}: the left half gives {left[k, closest]:+.1f}, "
        f"the right half {right[k, closest]:+.1f}"
    )
for axis in axes:
    axis.set(xticks=[], yticks=[])
bar = figure.colorbar(drawn, ax=axes, shrink=0.6, label="against   ←   0   →   for")
bar.solids.set_alpha(1)
figure.suptitle("One picture, two questions: each class finds its own animal")
plt.show()

# %% [markdown]
# Nobody told the network where the animals are. It has learned from whole pictures with one word
# each. And yet the map of *frog* is red on the frog, and the map of *bird* on the bird.
#
# Read the numbers too. Each animal adds to its own class, and *takes away* from the other one: the
# frog is a reason against *bird*, and the bird a reason against *frog*. Both logits end at the same
# height. For fish and turtle, both halves count against the class.
#
# One picture proves little. So count: on how many of the 20 pictures does the brightest place of a
# map lie on the right animal?

# %%
none = torch.zeros(20, 48, 48, dtype=torch.bool)
frogs, birds = (scenes.object_mask[scenes.labels == k] for k in (0, 1))
masks = torch.stack(
    [torch.cat([frogs, none], dim=2), torch.cat([none, birds], dim=2)]
)  # (2, 20, …)
wider = functional.max_pool2d(masks.float(), 5, stride=1, padding=2).bool()  # two pixels more
hits, near = [], []
for k in (0, 1):
    brightest = upsample(maps[k], (48, 96)).flatten(1).argmax(dim=1)
    hits.append(int(masks[k].flatten(1)[torch.arange(20), brightest].sum()))
    near.append(int(wider[k].flatten(1)[torch.arange(20), brightest].sum()))
    print(
        f"{scenes.class_names[k]}: on the animal {hits[k]} of 20, "
        f"on it or at most two pixels beside it {near[k]} of 20; "
        f"it covers {masks[k].float().mean():.0%} of the picture"
    )

# %% [markdown]
# A place chosen by chance would be on the frog in 3 pictures of 20, and on the bird in 2. And the
# misses are small: one value of the map stands for 4×4 pixels, so two pixels are within its
# precision. In the picture above, the brightest place for *frog* is such a miss: it lies between
# the eyes, just above the head.
#
# On these pictures this network looks at the animal. Not every network does: lesson 6 has one that
# looks at the grass.
#
# ## The same in the library, and in Keras
#
# `camlite.cam` computes the same map. It takes the network itself and the name of the layer:

# %%
library = camlite.cam(net, "features", x, c)
print(f"largest difference to yours: {(library - M).abs().max():.1e}")

# %% [markdown]
# Many tutorials use Keras. There one makes a second model that returns *two outputs*, the last maps
# and the answer. This block is only to read, we do not run it:
#
# ```python
# weights, bias = model.layers[-1].get_weights()   # weights: (128, 10), turned round!
# two = keras.Model(model.inputs, [model.layers[-3].output, model.layers[-1].output])
# F, p = two.predict(images)                       # F: (N, 28, 28, 128), the channels come last
# M = F @ weights[:, c]                            # (N, 28, 28): a column of weights, one class c
# ```
#
# The formula is the same. Three things differ from PyTorch: the class is a *column* of the weights,
# the channels are the last axis, and if the last layer has a softmax, the second output is the
# probability, not the logit. So `M.mean((1, 2)) + bias[c]` gives a number that this model never
# shows.
#
# > **Try this** (for the fast). There is no fish in the pair. Draw
# > `overlay(pair.permute(1, 2, 0), normalize(upsample(maps[2], (48, 96)))[closest])`. How warm are
# > the warmest places, though the logit of *fish* is far below zero? Then divide the map by the
# > largest value of all four instead, and compare. And: what happens to the maps when the bird
# > stands on the left?

# %% [markdown]
# ## Once more
#
# *From lesson 2, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 2.4, for another network. Compute the logits of all pictures of the animal network,
# (80, 4), from `F_pond`, `W_pond` and `b_pond`, in one line.

# %%
logits_pond = torch.zeros(len(scenes), 4)  # your line here
with torch.no_grad():
    off = float((logits_pond - pond(scenes.images)).abs().max())
print(f"largest difference to the network: {off:.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `logits_pond = F_pond.mean(dim=(2, 3)) @ W_pond.T + b_pond`. First average, then weigh. What is
# left is rounding.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 3` asks them again, also next week.
#
# **1.** A map of 2×2 has the values 6, −2, 0 and 0. The bias of the class is −1. Which logit does
# the map explain?
#
# <details><summary>Answer</summary>
#
# The logit is 0: the mean is 4 / 4 = 1, and 1 − 1 = 0. A map may have a strong red place although
# the logit is not above zero.
#
# </details>
#
# **2.** The values of a map lie between −2 and 6. It is scaled to [0, 1] by its own smallest and
# largest value. What becomes of a place with the value 0? What can nobody see any more?
#
# <details><summary>Answer</summary>
#
# (0 + 2) / 8 = 0.25: a place that says nothing is now a quarter bright. Nobody can see any more
# which places speak against the class.
#
# </details>
#
# **3.** Two pictures of cats, each with a heat map that was scaled on its own. In the first one
# the ear has the brightest colour, in the second one it is half as bright. Does the first ear add
# more to its logit?
#
# <details><summary>Answer</summary>
#
# You cannot know it from these pictures. The same colour stands for different values in the two
# maps. Look at the raw values, or draw both maps on one scale.
#
# </details>
#
# **4.** (lesson 2) You exchange the upper and the lower half of all the last feature maps. What
# happens to the logits? What happens to the class activation map?
#
# <details><summary>Answer</summary>
#
# The logits stay: the mean does not ask for the place. The two halves of the map are exchanged
# too: each of its values comes from the feature maps at the same place.
#
# </details>
#
# **5.** (lesson 1) Our maps are as large as the picture. Does the value of the class activation
# map at one place depend on this one pixel only?
#
# <details><summary>Answer</summary>
#
# No, on 9×9 pixels around it: four layers of 3×3 see 1 + 4 · 2 = 9 pixels. So the brightest place
# of a map may lie beside the stroke.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * CAM exchanges two sums: first weigh the maps, then average. The map is what stands inside.
# * Its mean plus the bias **is** the logit. Test it; a pretty picture proves nothing.
# * It needs one special kind of head: GAP, then *one* linear layer. Lesson 8 meets other heads.
# * Negative values are evidence against the class. Scaling to $[0, 1]$ hides the sign, moves the
#   zero, and makes the weakest map as bright as the strongest: colours of two pictures cannot be
#   compared.
# * The map explains the *logit*. It does not say that the network is right.
#
# **The question from the start.** *Where did it look?* For a network with this head there is an
# exact answer: each place gives $M_c(x,y)/Z$ to the score, and the map draws that.
#
# **Where to read on.** Section 2 of the paper has all formulas of this lesson; note that it sums
# where we average, and leaves out the bias. `camlite.cam` is the library's version: read it.
# `camlite card cam` lists what the method needs and where it fails.
#
# **Words.** *class activation map*: bản đồ kích hoạt lớp · 类激活映射 · 類別活化映射 · クラス活性化マップ.
# *heat map*: bản đồ nhiệt · 热力图 · 熱力圖 · ヒートマップ. *upsampling*: nội suy tăng kích thước · 上采样 · 上採樣 ·
# アップサンプリング.
#
# **Next:** lesson 4 asks which networks have such a map, and why the others have none.
