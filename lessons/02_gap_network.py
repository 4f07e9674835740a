# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 2: A network that keeps the place
#
# **Time** 60 minutes · **Difficulty** ●●○○○ · **You need** lesson 1, or: you know what a
# convolution, a ReLU and a feature map are · **At the end** you have built a network of 98,442
# parameters, trained it yourself in less than a minute, and computed its answer by hand.
#
# In lesson 1 we saw where a classical network loses the place: at *flatten*. All maps are laid
# behind each other to one vector, and rows and columns are gone. So let us leave flatten out. But
# then we have 128 maps of 28×28 values, and we need ten numbers. What do we do with a whole map?
#
# The simplest thing that one can do: take its **average**. One map, one number. Can a network that
# ends as crudely as that still read digits?
#
# > **Papers:** M. Lin, Q. Chen, S. Yan: *Network In Network*, 2013, arXiv 1312.4400, ended a
# > network with such an average. B. Zhou and colleagues, CVPR 2016, arXiv 1512.04150, saw what else
# > it is good for: lesson 3.

# %% tags=["imports"]
import os

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from camlite import data, nets
from camlite.course import check, hint

# %% [markdown]
# ## The data
#
# We train *here and now*, so we take small pictures: the digits of scikit-learn, 8×8 pixels. They
# come with the package, nothing is downloaded. The pictures are divided into three parts. From the
# first part the network learns. The second one, the **validation** part, tells us after each round
# how it goes. The **test** part is locked away until the end: who looks at it often begins to tune
# for it.

# %%
torch.manual_seed(0)
images, labels = data.digits(train=True)
test_images, test_labels = data.digits(train=False)
order = torch.randperm(len(images))
learn, validate = order[: len(order) * 9 // 10], order[len(order) * 9 // 10 :]
print(
    f"learn from {len(learn)}, validate with {len(validate)}, test with {len(test_images)} pictures"
)
print("shape of all pictures to learn from:", tuple(images[learn].shape))

# %% tags=["figure"]
figure, axes = plt.subplots(1, 10, figsize=(11, 1.7), layout="constrained")
for digit, axis in enumerate(axes):
    drawn = axis.imshow(images[(labels == digit).nonzero()[0, 0], 0], cmap="gray", vmin=0, vmax=1)
    axis.set_title(str(digit))
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="grey value")
figure.suptitle("One picture of each class")
plt.show()

# %% [markdown]
# ## Exercise 2.1: global average pooling
#
# $$ \mathrm{GAP}_k = \frac{1}{Z} \sum_{x,y} F_k(x, y), \qquad Z = h\,w $$
#
# *Global*, because the average goes over the whole map, not over small windows. `F` is (N, K, h,
# w), the result is (N, K): for each image one number for each channel. It says how *much* of
# pattern $k$ is in the picture, on average over all places.


# %% tags=["exercise", "2.1"]
def global_average_pool(F: Tensor) -> Tensor:
    """The mean of each feature map: F (N, K, h, w) -> (N, K)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 2.1: global_average_pool")


# %%
check("2.1", global_average_pool)

# %% [markdown]
# If you need help, ask for a hint: `hint("2.1")`. Ask again for a stronger one. There are three.
#
# ## Exercise 2.2: the network
#
# Now the whole network. It has two parts, and in this course they always have the same names:
#
# * `features`: four convolutions with 3×3 kernels, to **16, 32, 64, 128** channels, each followed
#   by a ReLU, the last one too. With `padding=1` a frame of zeros is put around each map, so that it
#   stays as large as the picture. No pooling in between: each pooling would halve the rows and
#   columns, and we want the place as exactly as we can have it.
# * `classifier`: one linear layer, from 128 numbers to 10.
#
# $$ F = \mathrm{features}(x), \qquad Y = W\,\mathrm{GAP}(F) + b $$
#
# Return the **logits** $Y$, one row of ten numbers for each image. They may be any numbers, also
# negative. If you want probabilities, the **softmax** turns them into positive numbers with sum 1:
#
# $$ p_c = \frac{e^{Y_c}}{\sum_d e^{Y_d}} $$
#
# But leave the softmax out of the network! The loss in the next exercise does it itself.


# %% tags=["exercise", "2.2"]
class GapNet(nn.Module):
    """Convolutions, global average pooling, one linear layer: (N, 1, H, W) -> logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        # YOUR CODE HERE
        raise NotImplementedError("Exercise 2.2: GapNet")

    def forward(self, images: Tensor) -> Tensor:
        # YOUR CODE HERE
        raise NotImplementedError("Exercise 2.2: GapNet")


# %%
check("2.2", GapNet)

# %%
torch.manual_seed(0)
net = GapNet()
with torch.no_grad():
    print("maps", tuple(net.features(images[:5]).shape), "-> logits", tuple(net(images[:5]).shape))
print(
    f"{nets.count_parameters(net):,} parameters, {nets.count_parameters(net.classifier):,} of them in the classifier"
)

# %% [markdown]
# ## Learning
#
# A fresh network knows nothing. Its parameters are random numbers. To improve it we need a measure
# of how bad it is, the **loss**. For classes that is the **cross-entropy**: the negative logarithm
# of the probability that the network gives to the right class,
#
# $$ \ell = -\log p_{\text{label}} . $$
#
# Is the network sure and right, the loss is near 0. Is it sure and wrong, the loss is large.
#
# **Predict:** how large is the loss of a network that gives each of ten classes the same
# probability?

# %%
with torch.no_grad():
    print(f"loss of the untrained network: {functional.cross_entropy(net(images), labels):.3f}")
    print(f"−log(1/10)                   : {-torch.tensor(0.1).log():.3f}")

# %% [markdown]
# ## Exercise 2.3: one epoch
#
# The **gradient** of the loss says for each parameter in which direction the loss rises. We go a
# small step in the other direction. To do this for all images at once would be slow, so we take
# small **batches**, and make one step for each. When every image has had its turn, one **epoch** is
# over. For each batch:
#
# 1. forward: the logits of the batch, and `functional.cross_entropy(logits, labels)`, which is the
#    mean loss of the batch (and contains the softmax);
# 2. set the old gradients to zero. PyTorch *adds* new gradients to the old ones, if nobody does
#    that;
# 3. backward: compute the new gradients;
# 4. let the optimizer make its step.
#
# Before the first batch, switch the model to training mode with `model.train()`: some layers behave
# differently then. Our network has none of them, but your function shall work for others too.
#
# Return the mean loss over all *images*, as a Python float. Be careful: the last batch may be
# smaller than the others. It is good to shuffle the images (`torch.randperm`), but images and
# labels together! The check accepts both, with and without shuffling.


# %% tags=["exercise", "2.3"]
def train_epoch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    optimizer: torch.optim.Optimizer,
    batch_size: int,
) -> float:
    """One step for each batch of the images; returns the mean loss of all images."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 2.3: train_epoch")


# %%
check("2.3", train_epoch)

# %% [markdown]
# ## Train it
#
# Everything is ready. The optimizer is **Adam**, which chooses the length of the step for each
# parameter by itself. Its learning rate falls to zero along a cosine: large steps first, fine ones
# at the end. A bar shows how far it is, and how long it still takes.
#
# **Guess before you run:** how many percent will it get right after the last epoch?

# %%
epochs = 3 if os.environ.get("CAMLITE_FAST") else 24
torch.manual_seed(0)
net = GapNet()
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
losses, accuracies = [], []
bar = tqdm(range(epochs), desc="training", unit="epoch")
for _ in bar:
    losses.append(train_epoch(net, images[learn], labels[learn], optimizer, batch_size=32))
    schedule.step()
    accuracies.append(nets.accuracy(net, images[validate], labels[validate]))
    bar.set_postfix_str(f"loss {losses[-1]:.3f}, validation {accuracies[-1]:.1%}")
net.eval()
print(f"accuracy on the test pictures: {nets.accuracy(net, test_images, test_labels):.1%}")

# %% [markdown]
# That is the answer to our question: a network that only averages can read digits.
#
# > **The full recipe** (optional). The bundled network, which the next lessons use, has the same
# > architecture. It was trained on pictures of 28×28 pixels: Adam, batches of 32, nine tenths of
# > the pictures to learn from and one tenth to validate with. With the MNIST files at hand you can
# > repeat it: `python datasets/train_gapnet.py mnist`. It takes much longer than a minute: without
# > pooling all four layers work on all 784 places. That is the price for keeping the place. What
# > came out stands in `datasets/gapnet_mnist.json`.

# %%
larger_images, larger_labels, name = data.handwriting(train=False, limit=500)
bundled = nets.bundled(f"gapnet_{name}")
print(
    f"the bundled network, {name} at 28×28: {nets.accuracy(bundled, larger_images, larger_labels):.1%} "
    f"of the first {len(larger_images)} test pictures"
)

# %% [markdown]
# ## Exercise 2.4: the logits by hand
#
# A trained network is not a mystery, it is arithmetic. Take the feature maps `F` (N, K, h, w), the
# weights `W` (C, K) and the bias `b` (C,) of the linear layer. Compute the logits without the
# network:
#
# $$ Y_c = \sum_k W_{c,k}\,\Big(\frac{1}{Z}\sum_{x,y} F_k(x,y)\Big) + b_c $$
#
# Use numpy or torch, as you like. Return (N, C).


# %% tags=["exercise", "2.4"]
def logits_by_hand(F: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """From feature maps F (N, K, h, w), weights W (C, K) and bias b (C,) to logits (N, C)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 2.4: logits_by_hand")


# %%
check("2.4", logits_by_hand)

# %%
W, b = net.classifier.weight.detach(), net.classifier.bias.detach()
with torch.no_grad():
    F, Y = net.features(test_images[:1]), net(test_images[:1])
by_hand = logits_by_hand(F, W, b)
print("class       ", "".join(f"{c:8}" for c in range(10)))
print("by hand     ", "".join(f"{v:8.2f}" for v in by_hand[0].tolist()))
print("the network ", "".join(f"{v:8.2f}" for v in Y[0].tolist()))
print("probability ", "".join(f"{v:8.3f}" for v in by_hand.softmax(1)[0].tolist()))
print(f"largest difference {(by_hand - Y).abs().max():.1e}; the label says {int(test_labels[0])}")

# %% [markdown]
# You have just opened the black box with three operations: average, multiply, add. And look at the
# formula again: it has *two sums*, one over channels and one over places. What happens if we
# exchange them? That question is the whole of lesson 3.
#
# ## Another size of picture
#
# The linear layer of our network gets 128 numbers, however large the maps are. So the network takes
# pictures of any size. A network with flatten does not:

# %%
flatten_net = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8 * 8, 10)
)
wide = functional.pad(test_images, (4, 4, 2, 2))  # a black frame: 8×8 becomes 12×16
print("GAP:     pictures", tuple(wide.shape[2:]), "-> logits", tuple(net(wide[:1]).shape))
try:
    flatten_net(wide[:1])
except RuntimeError as error:
    print("flatten: pictures", tuple(wide.shape[2:]), "->", error)

# %% [markdown]
# It *runs*. But does it *work*? **Guess for each:** the same digits with a black frame around them;
# the same digits enlarged to double size.

# %%
sizes = {"8×8, as learned": test_images}
for frame in (1, 2, 4):
    sizes[f"black frame of {frame}: {8 + 2 * frame}×{8 + 2 * frame}"] = functional.pad(
        test_images, (frame,) * 4
    )
for side in (10, 12, 16):
    sizes[f"enlarged: {side}×{side}"] = functional.interpolate(
        test_images, size=(side, side), mode="bilinear"
    )
for says, pictures in sizes.items():
    print(f"{says:25} {nets.accuracy(net, pictures, test_labels):6.1%}")

# %% [markdown]
# It runs with every size, and it gets worse the further we go from what it has learned. Why?
#
# **The enlargement** is easy to explain: the strokes are thicker now, and a 3×3 kernel knows only
# the strokes it has learned. A convolution does not care *where* a pattern is, but it does care
# *how large* it is.
#
# **The frame** is more interesting. All the pixels of the digit are still there! Our first suspect
# is the average: it is taken over more places now, and black places dilute it. Our second suspect:
# the black places are not silent. Because of the biases, maps may have values other than zero
# there, and these are averaged too. Do not believe, test: average the places of the digit only, and
# leave the frame out. And for the first suspect: divide by the 64 places of before.


# %%
def right(pooled: Tensor) -> str:
    """The accuracy on the test pictures, from pooled maps (N, K)."""
    return f"{(net.classifier(pooled).argmax(1) == test_labels).float().mean():.1%}"


with torch.no_grad():
    for frame in (1, 2, 4):
        F = net.features(functional.pad(test_images, (frame,) * 4))
        inside = F[:, :, frame:-frame, frame:-frame]
        print(
            f"frame of {frame}: mean {right(F.mean((2, 3)))}, sum / 64 {right(F.sum((2, 3)) / 64)}, "
            f"mean without the frame {right(inside.mean((2, 3)))}"
        )
    black = net.features(torch.zeros(1, 1, 30, 30))[0, :, 15, 15]
print(
    f"in the middle of a black picture {int((black > 0).sum())} of 128 maps are not zero; "
    f"the largest value is {black.max():.1f}"
)

# %% [markdown]
# Dividing by 64 changes hardly anything: dilution is not the reason. Leaving the frame out helps a
# lot: the black places have spoken too, and nobody had taught the network what to make of so many
# of them. Something is still missing, and that is the border: these small digits touch the edge of
# the picture, the network has learned its edge of zeros with them, and behind a frame this edge is
# gone.
#
# "Works for any size" means that the shapes fit. It is no promise about the answers.
#
# ## What the average forgets
#
# One more test, with the bundled network for 28×28 pictures. We cut each picture in the middle and
# exchange the upper and the lower half. A value of the last map sees 9×9 pixels (lesson 1), so most
# values do not notice. They only stand at another place, and the average does not ask for the
# place. **Guess:** how many will it still get right? Guessing blindly gives about 10 %.

# %%
exchanged = torch.roll(larger_images, shifts=14, dims=2)
print(
    f"{name}, halves exchanged: {nets.accuracy(bundled, exchanged, larger_labels):.1%}, "
    f"as they are: {nets.accuracy(bundled, larger_images, larger_labels):.1%}"
)

# %% [markdown]
# A network with GAP counts pieces: so much of a curve, so much of a bar, so many ends. Where the
# pieces stand, it does not ask at the end. (Deeper networks see the whole picture with each value,
# so their pieces can be a whole object.)
#
# ## How good is it?
#
# One number hides a lot. The **confusion matrix** counts for each class (row) what the network
# answered (column). What stands on the diagonal is right.

# %% tags=["figure"]
with torch.no_grad():
    answers = net(test_images).argmax(1)
confusion = torch.zeros(10, 10, dtype=torch.long)
for truth, answer in zip(test_labels.tolist(), answers.tolist(), strict=True):
    confusion[truth, answer] += 1

figure, (left, right) = plt.subplots(1, 2, figsize=(11.5, 4.7), layout="constrained")
steps = range(1, epochs + 1)
left.plot(steps, losses, color="black", label="loss (left axis)")
left.set(xlabel="epoch", ylabel="mean loss", ylim=(0, None), title="Learning curve")
percent = left.twinx()
percent.plot(
    steps,
    [100 * a for a in accuracies],
    color="#b5367a",
    linestyle="--",
    marker="o",
    markersize=3.5,
    label="validation accuracy (right axis)",
)
percent.set(ylabel="accuracy in percent", ylim=(0, 102))
lines = [*left.get_lines(), *percent.get_lines()]
left.legend(lines, [line.get_label() for line in lines], loc="center right")
drawn = right.imshow(confusion, cmap="magma", vmin=0)
for truth in range(10):
    for answer in range(10):
        count = int(confusion[truth, answer])
        if count:
            shade = "black" if count > confusion.max() / 2 else "white"
            right.text(answer, truth, count, ha="center", va="center", color=shade, fontsize=9)
right.set(
    xticks=range(10),
    yticks=range(10),
    xlabel="answer of the network",
    ylabel="label",
    title=f"Test pictures: {int(confusion.trace())} of {len(answers)} right",
)
figure.colorbar(drawn, ax=right, label="number of pictures")
plt.show()

# %% [markdown]
# Which two digits does *your* network confuse? Look at the pictures of such a pair: would you be
# sure?
#
# Note also how the curves run. The first epochs bring nearly everything. Later the loss still
# falls, but the accuracy on the validation pictures does not rise any more: the network learns the
# pictures that it has seen by heart, and that does not help with new ones. Too much of this is
# called **overfitting**. And do not read too much into small steps of the dashed line: of 144
# validation pictures, one is 0.7 %.
#
# ## What you know now
#
# * Global average pooling turns each feature map into one number: how much of this pattern, on
#   average.
# * Behind it one linear layer is enough. It is small, and it fits pictures of any size.
# * Training is a loop of four lines: forward, clear the gradients, backward, step.
# * A network returns logits. Softmax makes probabilities of them, and the loss does that itself.
# * The answer of a trained network can be computed by hand: average, multiply, add.
#
# **What is lost.** The average forgets the order of the places: a map with the same values, mixed
# up, has the same mean. So the place is *kept* up to the last map, and *not used* after it. That is
# exactly why we can ask each place what it has contributed. And it has a price: without pooling,
# such a network is slow.
#
# **Where to read on.** *Network In Network* introduces global average pooling.
# `camlite.nets.GapNet` is the library's version of your class, and `datasets/train_gapnet.py` the
# full training.
#
# **Words.** *global average pooling*: gộp trung bình toàn cục · 全局平均池化 · 全域平均池化 · 大域平均プーリング.
# *logit, score*: điểm số (logit) · 分数 · 置信度評分 · スコア. *probability*: xác suất · 概率 · 機率 · 確率.
# *gradient*: gradient · 梯度 · 梯度 · 勾配. *forward pass*: lan truyền xuôi · 前向传播 · 前向傳播 · 順伝播.
# *back-propagation*: lan truyền ngược · 反向传播 · 反向傳播 · 逆伝播. *overfitting*: quá khớp · 过拟合 · 過擬合 ·
# 過学習.
#
# **Next:** lesson 3. We exchange two sums, and the network shows us where it looked.
