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
# **Time** 100 minutes · **Difficulty** ●●○○○ · **You need** lesson 1, or: you know what a
# convolution, a ReLU and a feature map are · **At the end** you have built a network of 98,442
# parameters, trained it yourself in a minute or two, and computed its answer by hand.
#
# In lesson 1 we saw where a classical network loses the place: at *flatten*. It writes all maps into
# one long vector, and rows and columns are gone. So let us leave flatten out. But then we have 128
# maps at the end, each as large as the picture, and we need ten numbers. What do we do with a whole
# map?
#
# The simplest thing that one can do: take its **average**. One map, one number. **Today's question:
# can a network that ends as crudely as that still read digits? And what does the average forget?**
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
# come with the package, nothing is downloaded. (The larger ones of lesson 1, 28×28, come back at the
# end, with a network that was trained before.) The pictures are divided into three parts. From the
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

# %% tags=["figure"] jupyter={"source_hidden": true}
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
# *●○○○○ · about 5 minutes*
#
# $$ \mathrm{GAP}_k = \frac{1}{Z} \sum_{x,y} F_k(x, y), \qquad Z = h\,w $$
#
# *Global*, because the average goes over the whole map, not over small windows. `F` is (N, K, h,
# w), the result is (N, K): for each image one number for each channel. It says how *much* of
# pattern $k$ is in the picture, on average over all places. As an example of such a call,
# `F.sum(dim=1)` adds along axis 1, which disappears: (N, h, w) is left. Two axes at once are a
# tuple, `dim=(…, …)`.


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
# *●●○○○ · about 15 minutes*
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
#
# Layers are made like this: `nn.Conv2d(3, 8, kernel_size=5)` makes 8 channels out of 3, with bias.
# `nn.Linear(20, 4)` makes 4 numbers out of 20. `nn.Sequential(a, b, c)` is a row of layers. Layers
# that you keep in `self` are found by PyTorch: `model.parameters()` lists their weights and biases.


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
# **Your prediction:** $-\log(1/10) = 2.303$. An untrained network is not exactly uniform, but near.
#
# ## One step
#
# The **gradient** of the loss says for each parameter in which direction the loss rises. We go a
# small step in the other direction; how small, the **learning rate** says. In PyTorch an
# *optimizer* does that. Here it is with a single parameter $w = 3$ and the loss $(w - 1)^2$. The
# gradient is $2 (w - 1)$. **Predict** the gradient, and $w$ after one step with learning rate 0.1.

# %%
w = nn.Parameter(torch.tensor(3.0))
sgd = torch.optim.SGD([w], lr=0.1)  # for a network: its parameters(), instead of [w]
loss = (w - 1) ** 2
loss.backward()  # computes the gradient of the loss
gradient = w.grad.item()
((w - 1) ** 2).backward()  # once more: what happens to the first gradient?
print(
    f"loss {loss.item():.1f}, gradient {gradient:.1f}, after a second backward {w.grad.item():.1f}"
)
sgd.zero_grad()  # forgets the old gradients
((w - 1) ** 2).backward()
sgd.step()  # w becomes w − 0.1 · gradient
print(f"w after the step: {w.item():.1f}")

# %% [markdown]
# The gradient is 4, and $3 - 0.1 \cdot 4 = 2.6$. But the second `backward` made 8 of it: PyTorch
# *adds* new gradients to old ones, until somebody sets them to zero.
#
# ## Batches
#
# To use all images for one step would be slow, so we take small **batches**, and make one step for
# each. When every image has had its turn, one **epoch** is over. It is good to shuffle the images
# in each epoch, but images and labels together! This is how one does it: make a random order *once*,
# cut it into pieces, and use each piece as an index for both.

# %%
torch.manual_seed(0)
pictures, names = torch.tensor([10, 20, 30, 40, 50]), torch.tensor([1, 2, 3, 4, 5])
shuffled = torch.randperm(len(pictures))
for batch in shuffled.split(2):
    some = f"pictures {pictures[batch].tolist()!s:9} names {names[batch].tolist()}"
    print(f"batch {batch.tolist()!s:7} {some}")

# %% [markdown]
# 10 still belongs to 1, and 20 to 2. The last batch is smaller. This matters for the mean: let two
# batches of 32 images have the mean loss 1, and a last batch of 8 images the mean loss 4. The mean
# of the three means is 2. But the mean over the 72 *images* is
#
# $$ \frac{32 \cdot 1 + 32 \cdot 1 + 8 \cdot 4}{72} = 1.33 . $$
#
# So multiply each mean with the number of images it stands for.
#
# ## Exercise 2.3: one epoch
# *●●●○○ · about 20 minutes*
#
# For each batch:
#
# 1. forward: the logits of the batch, and `functional.cross_entropy(logits, labels)`, which is the
#    mean loss of the batch (and contains the softmax);
# 2. set the old gradients to zero;
# 3. backward: compute the new gradients;
# 4. let the optimizer make its step.
#
# Before the first batch, switch the model to training mode with `model.train()`: some layers behave
# differently then. Our network has none of them, but your function shall work for others too.
#
# Return the mean loss over all *images*, as a Python float: `loss.item()` takes the number out of a
# tensor. The check accepts both, with and without shuffling.


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
# at the end. A bar shows how far it is, and how long it still takes. (Where the variable
# `CAMLITE_FAST` is set, as in our automatic tests, only 8 epochs are run instead of 24. The network
# is a little worse then.)
#
# **Guess before you run:** how many percent will it get right after the last epoch?

# %%
epochs = 8 if os.environ.get("CAMLITE_FAST") else 24
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
train_accuracy = nets.accuracy(net, images[learn], labels[learn])
test_accuracy = nets.accuracy(net, test_images, test_labels)
print(f"accuracy on the pictures it has learned from: {train_accuracy:.1%}")
print(f"accuracy on the test pictures:                {test_accuracy:.1%}")

# %% [markdown]
# That is the answer to our first question: a network that only averages at the end can read digits.
#
# > **The full recipe** (optional). The bundled network, which the next lessons use, has the same
# > architecture. It was trained on pictures of 28×28 pixels: Adam, batches of 32, nine tenths of
# > the pictures to learn from and one tenth to validate with. With the MNIST files at hand you can
# > repeat it: `python datasets/train_gapnet.py mnist`. It takes much longer than a minute: without
# > pooling all four layers work on all 784 places. That is the price for keeping the place. What
# > came out stands in `datasets/gapnet_mnist.json`: right on 98.43 % of 6,000 validation pictures.
# > The plan is that of an article, *Tìm hiểu về class activation maping*, which reports 98.18 %, and
# > 97.42 % of the pictures it learned from. After how many epochs? Its text says 7, its code says 5.
# > So we do not try to hit its numbers. Keep with every number the code that made it.

# %%
larger_images, larger_labels, name = data.handwriting(train=False, limit=500)
bundled = nets.bundled(f"gapnet_{name}")
print(
    f"the bundled network, {name} at 28×28: {nets.accuracy(bundled, larger_images, larger_labels):.1%} "
    f"of the first {len(larger_images)} test pictures"
)

# %% [markdown]
# ## Exercise 2.4: the logits by hand
# *●●○○○ · about 8 minutes*
#
# A trained network is not a mystery, it is arithmetic. Take the feature maps `F` (N, K, h, w), the
# weights `W` (C, K) and the bias `b` (C,) of the linear layer. Compute the logits without the
# network:
#
# $$ Y_c = \sum_k W_{c,k}\,\Big(\frac{1}{Z}\sum_{x,y} F_k(x,y)\Big) + b_c $$
#
# Use numpy or torch, as you like. Return (N, C). A sum over a common index is a matrix product: `A @
# B` with A (2, 3) and B (3, 5) is (2, 5). The inner sizes must be equal, and they disappear. `A.T`
# exchanges the two axes: (3, 2).


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
    largest = net(test_images).softmax(dim=1).amax(dim=1)
    unsure = int(largest.argmin())  # the picture of which the network is least sure
    F, Y = net.features(test_images[[unsure]]), net(test_images[[unsure]])
by_hand = logits_by_hand(F, W, b)
print("class       ", "".join(f"{c:8}" for c in range(10)))
print("by hand     ", "".join(f"{v:8.2f}" for v in by_hand[0].tolist()))
print("the network ", "".join(f"{v:8.2f}" for v in Y[0].tolist()))
print("probability ", "".join(f"{v:8.3f}" for v in by_hand.softmax(1)[0].tolist()))
print(
    f"largest difference {(by_hand - Y).abs().max():.1e}; the label says {int(test_labels[unsure])}"
)

# %% [markdown]
# The two rows of logits agree. This is the picture of which the network is least sure, so the last
# row shows well what the softmax does: the order stays, and a few large logits share nearly all of
# the probability. Only the distance of two logits counts: if it is 1, the two probabilities differ
# by the factor $e \approx 2.7$.
#
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
    side = 8 + 2 * frame
    sizes[f"black frame of {frame}: {side}×{side}"] = functional.pad(test_images, (frame,) * 4)
for side in (10, 12, 16):
    sizes[f"enlarged: {side}×{side}"] = functional.interpolate(
        test_images, size=(side, side), mode="bilinear"
    )
sizes["each pixel as 2×2: 16×16"] = test_images.repeat_interleave(2, 2).repeat_interleave(2, 3)
by_size = {says: nets.accuracy(net, some, test_labels) for says, some in sizes.items()}
for says, value in by_size.items():
    print(f"{says:25} {value:6.1%}")

# %% [markdown]
# It runs with every size, and it gets worse the further we go from what it has learned. Why? An
# explanation is only a guess until somebody tests it.
#
# **The enlargement.** The strokes are twice as thick now, and a 3×3 kernel knows only the strokes it
# has learned. If this is the reason, kernels that are stretched in the same way must repair it. That
# is easy: with `dilation=2` a kernel takes every second pixel.


# %%
@torch.no_grad()
def stretched(pictures: Tensor) -> Tensor:
    """The logits of the same network, with all its kernels stretched to double size."""
    F = pictures
    for layer in net.features:
        if isinstance(layer, nn.Conv2d):
            F = functional.conv2d(F, layer.weight, layer.bias, padding=2, dilation=2)
        else:
            F = layer(F)
    return net.classifier(global_average_pool(F))


def right(logits: Tensor) -> float:
    """The share of right answers on the test pictures."""
    return float((logits.argmax(dim=1) == test_labels).float().mean())


doubled = sizes["each pixel as 2×2: 16×16"]
with torch.no_grad():
    before, repaired = right(net(doubled)), right(stretched(doubled))
print(f"each pixel as 2×2: {before:.1%}, with stretched kernels {repaired:.1%}")

# %% [markdown]
# With stretched kernels it is exactly as good as with 8×8 pixels. So the size was the reason. A
# convolution does not care *where* a pattern is, but it does care *how large* it is.
#
# **The frame** is more interesting. All the pixels of the digit are still there! Three suspects:
#
# 1. The average is taken over more places, and black places dilute it. Test: divide by the 64 places
#    of before.
# 2. The black places are not silent. Because of the biases, maps may have values other than zero
#    there, and these are averaged too. Test: average the places of the digit only.
# 3. The digits touch the edge of the picture. There each layer sees the zeros of the padding, and
#    the network has learned with them. Now it sees the values of the frame instead. Test: set the
#    frame to zero again after each layer, and average the places of the digit only.


# %%
@torch.no_grad()
def framed(frame: int, silent: bool) -> Tensor:
    """Feature maps of the test pictures in a black frame; `silent` sets it to zero after each layer."""
    F = functional.pad(test_images, (frame,) * 4)
    digit = functional.pad(torch.ones(8, 8), (frame,) * 4)  # 1 on the digit, 0 on the frame
    for layer in net.features:
        F = layer(F) * digit if silent else layer(F)
    return F


frames = {}
print("             mean  sum / 64  digit only  digit only, silent frame")
with torch.no_grad():
    for n in (1, 2, 4):
        F, quiet = framed(n, silent=False), framed(n, silent=True)
        inside, quiet_inside = F[:, :, n:-n, n:-n], quiet[:, :, n:-n, n:-n]
        pooled = (
            F.mean((2, 3)),
            F.sum((2, 3)) / 64,
            inside.mean((2, 3)),
            quiet_inside.mean((2, 3)),
        )
        frames[n] = [right(net.classifier(each)) for each in pooled]
        print("frame of {}: {:6.1%} {:8.1%} {:11.1%} {:11.1%}".format(n, *frames[n]))
    black = net.features(torch.zeros(1, 1, 30, 30))[0, :, 15, 15]
print(
    f"in the middle of a black picture {int((black > 0).sum())} of 128 maps are not zero; "
    f"the largest value is {black.max():.2f}"
)

# %% [markdown]
# Dilution is not the reason: dividing by 64 does not bring the accuracy back. Averaging the digit
# only helps a lot, so the black places had spoken too. And the last column is exactly as good as the
# pictures without a frame: what was still missing was the edge of zeros.
#
# "Works for any size" means that the shapes fit. It is no promise about the answers.
#
# ## What the average forgets
#
# Our second question. The average does not ask for the place. So if we move the values of a *map*
# around, nothing changes. What if we move the parts of the *picture*? We take the bundled network and
# its pictures of 28×28 pixels. We exchange the upper and the lower half: once of the last maps, and
# once of the picture.
#
# How far does one value of the last map see? One 3×3 layer sees one pixel further on each side, 3
# pixels in all. Each layer adds one more on each side: 3, 5, 7, 9. So four layers see four rows
# further, and a row of the map that is further away from the cut and from the edge does not notice
# the exchange. **Guess:** how many pictures will still be right, in both cases? Guessing blindly
# gives about 10 %.

# %%
exchanged = torch.roll(larger_images, shifts=14, dims=2)
with torch.no_grad():
    F, F_exchanged = bundled.features(larger_images), bundled.features(exchanged)
    F_moved = torch.roll(F, shifts=14, dims=2)  # the halves of the maps, exchanged
    shares = []
    for each in (F, F_moved, F_exchanged):
        answers = bundled.classifier(global_average_pool(each)).argmax(dim=1)
        shares.append(float((answers == larger_labels).float().mean()))
print(f"{name}, as they are:            {shares[0]:.1%}")
print(f"halves of the maps exchanged:     {shares[1]:.1%}")
print(f"halves of the pictures exchanged: {shares[2]:.1%}")

difference = (F_exchanged - F_moved).abs()
noticed = [row for row in range(28) if difference[:, :, row].max() > 1e-3]
same, active = difference < 1e-3, (F_exchanged > 0) | (F_moved > 0)
same_of_all, same_of_active = float(same.float().mean()), float(same[active].float().mean())
print("rows of the maps that notice the exchange:", noticed)
print(
    f"values that stay the same: {same_of_all:.0%} of all, {same_of_active:.0%} of those "
    "that are not zero in both"
)

# %% [markdown]
# With exchanged *maps* nothing changes: the average really has forgotten the place. With exchanged
# *pictures* many answers change, and now we know where this comes from. The two differ only in the
# rows within reach of the cut and of the edge. There, strokes end that were whole before, and other
# strokes meet. These new pieces are counted too.
#
# Look at the last line. Of all values nearly everything stays the same: it looks as if almost nothing
# had happened. But most values are zero, before and after. Of those that say something, fewer stay.
# When somebody tells you how much stays the same, ask first how much was nothing.
#
# A network with GAP counts pieces: so much of a curve, so much of a bar, so many ends. Where the
# pieces stand, it does not ask at the end. (Deeper networks see the whole picture with each value,
# so their pieces can be a whole object.)
#
# ## How good is it?
#
# One number hides a lot. The **confusion matrix** counts for each class (row) what the network
# answered (column). What stands on the diagonal is right.

# %%
with torch.no_grad():
    answers = net(test_images).argmax(1)
confusion = torch.zeros(10, 10, dtype=torch.long)
for truth, answer in zip(test_labels.tolist(), answers.tolist(), strict=True):
    confusion[truth, answer] += 1
wrong = confusion.clone().fill_diagonal_(0)
confused, instead = divmod(int(wrong.argmax()), 10)
print(f"the most frequent mistake: {instead} instead of {confused}, {int(wrong.max())} times")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplot_mosaic(
    "LLLMMM;012345", figsize=(11, 6.4), height_ratios=[3, 1], layout="constrained"
)
curve, matrix, steps = axes["L"], axes["M"], range(1, epochs + 1)
curve.plot(steps, losses, color="black", label="loss (left axis)")
curve.set(xlabel="epoch", ylabel="mean loss", ylim=(0, None), title="Most is learned early")
percent = curve.twinx()
percent.plot(steps, [100 * a for a in accuracies], "o--", color="#b5367a", markersize=3.5)
percent.set(ylabel="validation accuracy in percent (dashed)", ylim=(0, 102))
curve.legend(loc="center right")
drawn = matrix.imshow(confusion, cmap="Greys", vmin=0)
for (truth, answer), count in zip(
    torch.cartesian_prod(*[torch.arange(10)] * 2).tolist(),
    confusion.flatten().tolist(),
    strict=True,
):
    if count:
        shade = "white" if count > confusion.max() / 2 else "black"
        frame = (
            None if truth == answer else {"facecolor": "#fdb863", "edgecolor": "black", "pad": 2}
        )
        matrix.text(
            answer, truth, count, ha="center", va="center", color=shade, fontsize=9, bbox=frame
        )
matrix.set(xticks=range(10), yticks=range(10), xlabel="answer of the network", ylabel="label")
matrix.set_title(f"{int(confusion.trace())} of {len(answers)} test pictures right; boxes: mistakes")
figure.colorbar(drawn, ax=matrix, label="number of pictures")
for axis in (axes[str(n)] for n in range(6)):
    axis.set_axis_off()
for n, mistake in enumerate((answers != test_labels).nonzero().flatten()[:6].tolist()):
    axes[str(n)].imshow(test_images[mistake, 0], cmap="gray", vmin=0, vmax=1)
    axes[str(n)].set_title(f"a {test_labels[mistake]}, answer {answers[mistake]}", fontsize=9)
plt.show()

# %% [markdown]
# Below the curves stand (up to) six mistakes. Would *you* be sure?
#
# Note also how the curves run. The first half of the epochs brings nearly everything. In the second
# half the loss still falls, but the accuracy on the validation pictures hardly moves. And the network
# is better on the pictures it has learned from than on the test pictures: a part of what it learns
# in the end are these very pictures, and that does not help with new ones. Too much of this is
# called **overfitting**. And do not read too much into small steps of the dashed line: of 144
# validation pictures, one is 0.7 %.
#
# > **Try this** (for the fast). Mix up all places of the last maps in any order: `mixed =
# > F.flatten(2)[:, :, torch.randperm(F[0, 0].numel())]`. What is the largest change of the logits?
# > Then write a `class MaxNet(GapNet)` whose `forward` takes the maximum of each map, `amax`, and
# > train it with the same cell. Is it better? Does it mind the black frame as much? (Lesson 4 will
# > compare the two.)

# %% [markdown]
# ## Once more
#
# *From lesson 1, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# The mean of a map can be had with a convolution. Its kernel is as large as the map, so the
# window fits in one place only, and one number comes out (exercise 1.2). Which weights must the
# kernel have, so that this number is the mean?

# %%
with torch.no_grad():
    last_maps = net.features(test_images[:1])[0]  # (128, 8, 8)
busy = last_maps[last_maps.mean(dim=(1, 2)).argmax()]  # the map with the largest mean
kernel = torch.zeros(8, 8)  # your line here
slid = functional.conv2d(busy[None, None], kernel[None, None])
print(f"{tuple(slid.shape)}: your kernel gives {slid.item():.4f}, the mean is {busy.mean():.4f}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `kernel = torch.full((8, 8), 1 / 64)`. So global average pooling is a convolution of each map
# with a kernel that nobody has to learn.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 2` asks them again, also next week.
#
# **1.** Two maps of 2×2: A has the values 4, 0, 0, 0, and B has 1, 1, 1, 1. Can the classifier
# tell them apart after global average pooling? Could it if we took the largest value instead of
# the mean?
#
# <details><summary>Answer</summary>
#
# Not with the average: both means are 1. With the largest value it could: 4 and 1. The average
# asks how much there is in all, the maximum how much there is at the best place.
#
# </details>
#
# **2.** A network gives the right class the probability 1/2 on one picture, and 1/8 on another
# one. What is the mean loss? (log 2 is about 0.7.)
#
# <details><summary>Answer</summary>
#
# About 1.4. The two losses are log 2 and log 8 = 3 · log 2, so the mean is 2 · log 2.
#
# </details>
#
# **3.** You forget `zero_grad()`. For one weight, the first two batches have the gradient 2 each.
# How far does plain SGD with learning rate 0.1 move this weight in the first step, and how far in
# the second?
#
# <details><summary>Answer</summary>
#
# 0.2 in the first step and 0.4 in the second: `backward()` adds the new gradient to the old one,
# so `.grad` is 2 + 2 = 4.
#
# </details>
#
# **4.** (lesson 1) Put a pooling of 2×2 with stride 2 between the second and the third of our
# four 3×3 layers. How many pixels wide is the receptive field of a last value now?
#
# <details><summary>Answer</summary>
#
# 14 instead of 9. Two layers see 5 pixels, and the pooling adds one: 6. After it, one step in the
# map is 2 pixels, so each of the last two layers adds 2 · 2 = 4.
#
# </details>
#
# **5.** (lesson 1) At the end there are 128 maps of 28×28. About how many weights does a linear
# layer to ten classes need after a flatten, and how many after GAP? Which of the two also works
# for pictures of 40×40?
#
# <details><summary>Answer</summary>
#
# About a million (128 · 784 · 10), and 1280. Only the one after GAP: it gets 128 numbers, however
# large the maps are.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * Global average pooling turns each feature map into one number: how much of this pattern, on
#   average.
# * After it one linear layer is enough. It is small, and it fits pictures of any size.
# * Training is a loop of four lines: forward, gradients to zero, backward, step.
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
# *logit*: logit · 分数（logit） · 分數（logit） · ロジット. *score*: điểm số · 分数 · 分數 · スコア.
# *probability*: xác suất · 概率 · 機率 · 確率.
# *gradient*: gradient · 梯度 · 梯度 · 勾配. *forward pass*: lan truyền xuôi · 前向传播 · 前向傳播 · 順伝播.
# *back-propagation*: lan truyền ngược · 反向传播 · 反向傳播 · 逆伝播. *overfitting*: quá khớp · 过拟合 · 過擬合 ·
# 過学習.
#
# **Next:** lesson 3. We exchange two sums, and the network shows us where it looked.
