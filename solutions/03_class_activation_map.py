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
# **Time** 45 minutes · **Difficulty** ●●○○○ · **You need** lessons 1 and 2, or: you know what a
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
from torch import Tensor
from torch.nn import functional

from camlite import data, nets
from camlite.course import check, hint

# %% [markdown]
# ## The network of lesson 2
#
# We take the network you know, already trained: four convolutions, then **global average pooling**
# (GAP), then one linear layer. It comes with camlite. Where the MNIST files are at hand we use
# MNIST; otherwise we use the small digits of scikit-learn, enlarged to the size of MNIST's. Both work.

# %%
images, labels, name = data.handwriting(train=False)
net = nets.bundled(f"gapnet_{name}")
accuracy = nets.accuracy(net, images[:1000], labels[:1000])
print(f"{len(images)} test images of {name}; right on {accuracy:.1%} of the first 1000")

# %% [markdown]
# We pick the first image of each of five digits, and run the network in two steps. The first step
# gives the **feature maps** `F`, the second one the class scores `Y`, which are called **logits**.
#
# | letter | shape | what it is |
# |---|---|---|
# | `F` | (N, K, h, w) | feature maps: N images, K = 128 channels, h × w positions |
# | `W` | (C, K) | weights of the linear layer: one row for each class |
# | `b` | (C,) | its bias |
# | `Y` | (N, C) | logits |

# %%
picked = torch.tensor([int((labels == digit).nonzero()[0]) for digit in (7, 2, 0, 4, 3)])
x, truth = images[picked], labels[picked]
with torch.no_grad():
    F = net.features(x)
    Y = net(x)
W, b = net.classifier.weight.detach(), net.classifier.bias.detach()
c = Y.argmax(1)
p = Y.softmax(1).gather(1, c[:, None])[:, 0]
print(f"F {tuple(F.shape)}   W {tuple(W.shape)}   Y {tuple(Y.shape)}")
print("predicted", c.tolist(), "with probability", [f"{v:.3f}" for v in p.tolist()])

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
#
# $$ M_c(x,y) = \sum_k W_{c,k}\,F_k(x,y) $$
#
# `F` is (N, K, h, w), `W` is (C, K). `c` is one class for all images, or a tensor with one class for
# each image. The result is (N, h, w). There is no ReLU in this formula.


# %% tags=["exercise", "3.1"]
def class_activation_map(F: Tensor, W: Tensor, c: int | Tensor) -> Tensor:
    """The evidence for class c at each place: F (N, K, h, w), W (C, K) -> (N, h, w)."""
    ### BEGIN SOLUTION
    rows = W[torch.as_tensor(c).expand(len(F))]
    return torch.einsum("nk,nkxy->nxy", rows, F)
    ### END SOLUTION


# %%
check("3.1", class_activation_map)

# %% [markdown]
# If you need help, ask for a hint: `hint("3.1")`. Ask again for a stronger one. There are three.

# %%
M = class_activation_map(F, W, c)
print(f"M {tuple(M.shape)}, smallest value {M.min():.2f}, largest {M.max():.2f}")

# %% [markdown]
# ## Exercise 3.2: is it really the score?
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
from_map, from_network = logit_from_map(M, b[c]), Y.gather(1, c[:, None])[:, 0]
print("from the map    ", [f"{v:.4f}" for v in from_map.tolist()])
print("from the network", [f"{v:.4f}" for v in from_network.tolist()])

# %% [markdown]
# The two lines agree. This property is called **completeness**: nothing of the score is lost, and
# nothing is invented. Few methods of the family have it. CAM has it, for this kind of network.
#
# ## Exercise 3.3: a common scale
#
# The values of $M_c$ have no unit that we could show as a colour. For a picture we move them to
# $[0, 1]$, each map by its own smallest and largest value:
#
# $$ s(M) = \frac{M - \min M}{\max M - \min M} $$
#
# What if the map is constant? Then the denominator is 0. A constant map points nowhere; return zeros.


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
# ## Exercise 3.4: as large as the image
#
# Our network has no pooling, so its maps are as large as the image. Most networks are different:
# ResNet50 turns 224×224 pixels into maps of 7×7. To lay such a map over the image we have to
# enlarge it. **Upsampling** with bilinear interpolation mixes the four nearest values. It makes the
# map smooth. It does not make it more precise!
#
# Use `functional.interpolate` with `align_corners=False`: pixels are small areas, not points.


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
# ## Exercise 3.5: heat on the image
#
# The last step is a picture. We colour the heat, and mix it with the image:
#
# $$ \text{overlay} = (1 - \alpha)\,\text{image} + \alpha\,\text{jet}(\text{heat}) $$
#
# `image` is (H, W) for grey or (H, W, 3) for colour, `heat` is (H, W), all in $[0, 1]$. The result
# is (H, W, 3). The colour map of the paper is *jet*; you find it in `matplotlib.colormaps`.


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
# All five functions together. Each digit stands above its map and above the mix of both.

# %% tags=["figure"]
heat = upsample(normalize(M), tuple(x.shape[-2:]))
figure, axes = plt.subplots(3, 5, figsize=(10, 6.4), layout="constrained")
for n in range(5):
    axes[0, n].imshow(x[n, 0], cmap="gray")
    axes[0, n].set_title(f"predicted {int(c[n])}\nprobability {p[n]:.3f}", fontsize=10)
    drawn = axes[1, n].imshow(heat[n], cmap="magma", vmin=0, vmax=1)
    axes[2, n].imshow(overlay(x[n, 0], heat[n]))
for axis, text in zip(axes[:, 0], ("image", "map", "overlay (jet)"), strict=True):
    axis.set_ylabel(text)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes[1], label="scaled evidence")
figure.suptitle("Five digits and where the evidence for them lies")
plt.show()

# %% [markdown]
# Compare rows two and three. They show the same numbers. In the *magma* colours of row two, more is
# always brighter. In *jet* the largest values are dark red, darker than the middle ones: print it
# in grey, and the most important place looks unimportant. That is why later lessons use magma.
#
# ## One image, two classes
#
# Each class has its own row of `W`, so each class has its own map. We take the digit of which the
# network is least sure, and draw the map of its first and of its second guess. Now we keep the sign:
# red places speak **for** the class, blue places speak **against** it. And we draw the difference,
# which shows why the first guess won.

# %% tags=["figure"]
with torch.no_grad():
    sure = net(images[:500]).softmax(1).amax(1)
hard = images[sure.argmin()][None]
with torch.no_grad():
    F_hard, Y_hard = net.features(hard), net(hard)
first, second = Y_hard[0].topk(2).indices.tolist()
M_first, M_second = (
    class_activation_map(F_hard, W, first)[0],
    class_activation_map(F_hard, W, second)[0],
)
panels = {
    f"evidence for {first}": M_first,
    f"evidence for {second}": M_second,
    f"{first} rather than {second}": M_first - M_second,
}
top = max(float(panel.abs().max()) for panel in panels.values())
figure, axes = plt.subplots(1, 4, figsize=(10.5, 3), layout="constrained")
axes[0].imshow(hard[0, 0], cmap="gray")
axes[0].set_title(f"an image between {first} and {second}", fontsize=10)
for axis, (title, panel) in zip(axes[1:], panels.items(), strict=True):
    drawn = axis.imshow(panel, cmap="RdBu_r", vmin=-top, vmax=top)
    axis.set_title(title, fontsize=10)
for axis in axes:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="against   ←   0   →   for")
plt.show()

# %% [markdown]
# ## What you know now
#
# * CAM exchanges two sums: first weigh the maps, then average. The map is what stands inside.
# * Its mean plus the bias **is** the logit. Test it; a pretty picture proves nothing.
# * It needs one special kind of head: GAP, then *one* linear layer. Lesson 8 meets other heads.
# * Negative values are evidence against the class. Scaling to $[0, 1]$ hides the sign, and it makes
#   the weakest map as bright as the strongest: colours of two pictures cannot be compared.
# * The map explains the *logit*. It does not say that the network is right.
#
# **Where to read on.** Section 2 of the paper has all formulas of this lesson; note that it sums
# where we average, and leaves out the bias. `camlite.cam` is the library's version: read it, it
# has ten lines. `camlite card cam` lists what the method needs and where it fails.
#
# **Words.** *class activation map*: bản đồ kích hoạt lớp · 类激活映射 · 類別活化映射 · クラス活性化マップ.
# *heat map*: bản đồ nhiệt · 热力图 · 熱力圖 · ヒートマップ. *upsampling*: nội suy tăng kích thước · 上采样 · 上採樣 ·
# アップサンプリング.
#
# **Next:** lesson 6, and a network that learned the grass instead of the frog.
