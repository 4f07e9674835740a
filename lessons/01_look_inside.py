# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 1: Look inside
#
# **Time** 95 minutes · **Difficulty** ●○○○○ · **You need** a little Python, and you have seen a
# PyTorch tensor before. Nothing about networks. · **At the end** you have drawn everything that a
# network sees on its way from a picture to an answer, and you know what each of the numbers means.
#
# A picture of a digit goes in: 784 grey values. Ten numbers come out, and the largest one says
# "this is a 7". People call what lies between a **black box**. But it is not black at all. Every
# number in it can be printed, counted and drawn. You only have to open it.
#
# The field that asks how a model comes to its answers is called **explainable AI**, for short *XAI*.
# It has two ways. Some models are made so that a person can read them: the next section shows one.
# Others are explained afterwards, when they are trained already. Such an explanation is called
# **post-hoc** (Latin: after this). Heat maps are post-hoc explanations.
#
# Two questions lead us through this lesson:
#
# 1. *What* does the network see on its way?
# 2. On which part of the way does it still know *where* it saw it?
#
# The second question decides whether a heat map is possible. So it decides about the whole course.

# %% tags=["imports"]
import matplotlib.pyplot as plt
import torch
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor, fx, nn
from torch.nn import functional

from camlite import data, nets
from camlite.course import check, hint

# %% [markdown]
# ## A model that can be read
#
# A **decision tree** asks one question after the other, always of the same kind: "is this pixel
# brighter than that?" After the last question it names the digit. We train two of them on the small
# digits of scikit-learn, 8×8 pixels: one may ask three questions, the other as many as it likes.
# **Guess:** how many of 100 new pictures will each one get right?

# %%
small, small_labels = data.digits(train=True)
small_test, small_test_labels = data.digits(train=False)
tree_scores = {}
for questions in (3, None):
    tree = DecisionTreeClassifier(max_depth=questions, random_state=0)
    tree.fit(small.flatten(1), small_labels)
    tree_scores[questions] = tree.score(small_test.flatten(1), small_test_labels)
    print(
        f"up to {tree.get_depth():2} questions, {tree.get_n_leaves():3} possible ends: "
        f"{tree_scores[questions]:.1%} of {len(small_test)} test pictures right"
    )
enlarged = data.like_mnist(small_test)  # the same test pictures, for the network of this lesson
network_score = nets.accuracy(nets.bundled("gapnet_digits"), enlarged, small_test_labels)
print(f"the network that we shall open:           {network_score:.1%}")

# %% [markdown]
# And this is what the small tree thinks about one picture, word for word:

# %%
tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(small.flatten(1), small_labels)
one = small_test[(small_test_labels == 7).nonzero()[0]].flatten(1)
path = tree.decision_path(one).indices  # the nodes of the tree that this picture passes
for node in path[:-1]:
    pixel, limit = int(tree.tree_.feature[node]), float(tree.tree_.threshold[node])
    value = float(one[0, pixel])
    answer = "yes" if value > limit else "no"
    print(
        f"row {pixel // 8}, column {pixel % 8}: is {value:.2f} brighter than {limit:.2f}? {answer}"
    )
tree_answer = int(tree.predict(one)[0])
print("so it is a", tree_answer)

# %% [markdown]
# Nothing is left to explain: the three lines *are* the decision. No heat map, no second method, no
# doubt. But a tree that a person can read gets fewer than half of the pictures right. The large one
# does better, and has so many ends that nobody reads it any more. The network is better than both,
# and nobody can read it as it stands. That is why post-hoc explanations exist. They are worth less
# than a readable model, because they can be wrong. So this course tests them.
#
# ## A picture is a table of numbers
#
# We take one handwritten digit. Where the MNIST files are at hand it comes from MNIST; otherwise
# from the small digits of scikit-learn, enlarged to 28×28. PyTorch wants four axes: image, channel,
# row, column. For one grey picture that is (1, 1, 28, 28).

# %%
images, labels, name = data.handwriting(train=False)
x = images[(labels == 7).nonzero()[0]]
print(f"{name}: x has shape {tuple(x.shape)}, values from {x.min():.2f} to {x.max():.2f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
row, column = 6, 9
piece = x[0, 0, row : row + 9, column : column + 9]
figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.6), layout="constrained")
left.imshow(x[0, 0], cmap="gray", vmin=0, vmax=1)
left.add_patch(
    plt.Rectangle((column - 0.5, row - 0.5), 9, 9, fill=False, edgecolor="orange", linewidth=2)
)
left.set_title("what you see")
drawn = right.imshow(piece, cmap="gray", vmin=0, vmax=1)
for i in range(9):
    for j in range(9):
        shade = "black" if piece[i, j] > 0.5 else "white"
        right.text(j, i, f"{piece[i, j]:.1f}", ha="center", va="center", color=shade, fontsize=9)
right.set_title("what the network gets (the part in the frame)")
for axis in (left, right):
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=right, label="grey value", shrink=0.85)
plt.show()

# %% [markdown]
# ## Open the box
#
# camlite comes with a small network that has been trained to read digits. You will build and train
# the same kind yourself in lesson 2. Now we only look at it.

# %%
net = nets.bundled(f"gapnet_{name}")
with torch.no_grad():
    Y = net(x)
print(net)
print("\nten outputs:", [f"{v:.1f}" for v in Y[0].tolist()], "-> the answer is", int(Y.argmax()))

# %% [markdown]
# Four kinds of steps, no more:
#
# | step | what it does |
# |---|---|
# | `Conv2d` | slides small windows of weights over the picture. You will write it in exercise 1.2 |
# | `ReLU` | cuts off negative values: $\max(0, v)$ |
# | `mean` | the average of each map: **global average pooling**. It waits for lesson 2 |
# | `Linear` | ten weighted sums, one for each digit. The results are called **logits** |
#
# PyTorch can write the steps down in the order in which they run, and from which step each one gets
# its numbers. That is the **computation graph**. No arrow in it leads back: it is a *directed
# acyclic graph*, for short DAG. Training needs exactly this list, because gradients run through it
# backwards.

# %%
graph = fx.symbolic_trace(net).graph
for step in graph.nodes:
    print(f"{step.op:12} {step.name:12} gets {[s.name for s in step.all_input_nodes]}")

# %% [markdown]
# ## Exercise 1.1: how much does it know?
# *●○○○○ · about 8 minutes*
#
# All that the network has learned is stored in numbers: the **parameters**. A convolution has
# weights and one bias for each output channel; a linear layer has weights and biases too. How many
# numbers are there in the whole network?
#
# **Before you write code, guess:** a hundred? ten thousand? a million?
#
# Count all numbers that training changes, in all layers, and in layers inside of layers. Some
# layers (`BatchNorm2d`) also keep running averages. Those are *buffers*, not parameters: do not
# count them.
#
# A layer and a network list their parameters in the same way. For the last layer it looks like this:

# %%
for parameter in net.classifier.parameters():
    print(f"a tensor of shape {tuple(parameter.shape)} holds {parameter.numel()} numbers")


# %% tags=["exercise", "1.1"]
def count_parameters(model: nn.Module) -> int:
    """How many numbers the model learns: weights and biases of all its layers."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 1.1: count_parameters")


# %%
check("1.1", count_parameters)

# %% [markdown]
# If you need help, ask for a hint: `hint("1.1")`. Ask again for a stronger one. There are three.
#
# **Your guess:** 98,442, nearly a hundred thousand. ResNet50, which comes later, has 26 million.
#
# Now check it with pencil and paper. A convolution from $a$ to $b$ channels with 3×3 windows has
# $b \cdot a \cdot 3 \cdot 3$ weights and $b$ biases.

# %%
total = 0
for part in [*net.features, net.classifier]:
    if count_parameters(part):
        weights, biases = part.weight.numel(), part.bias.numel()
        total += weights + biases
        shape = tuple(part.weight.shape)
        print(f"{type(part).__name__:8} weights {shape!s:17} = {weights:6,}   biases {biases:3}")
print(f"together {total:,}; your function says {count_parameters(net):,}")

# %% [markdown]
# The same graph as a drawing, with the shape of what flows along each arrow.


# %% tags=["figure"] jupyter={"source_hidden": true}
def shapes_along(model: nn.Module, x: Tensor) -> list[tuple[str, str, int]]:
    """Each step of our network: its name, the shape of its output, its parameters."""
    steps, F = [("image", "×".join(map(str, x.shape[1:])), 0)], x
    for layer in model.features:
        F = layer(F)
        steps.append(
            (type(layer).__name__, "×".join(map(str, F.shape[1:])), count_parameters(layer))
        )
    steps.append(("mean\n(GAP)", str(F.shape[1]), 0))
    steps.append(("Linear", str(model.classifier.out_features), count_parameters(model.classifier)))
    return steps


with torch.no_grad():
    steps = shapes_along(net, x)
figure, axis = plt.subplots(figsize=(12, 2.7), layout="constrained")
for n, (kind, shape, numbers) in enumerate(steps):
    learns = "#fdd9a0" if numbers else "#e4e4ec"
    label = f"{kind}\n{numbers:,}" if numbers else kind
    axis.text(
        n,
        0,
        label,
        ha="center",
        va="center",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.45", "facecolor": learns, "edgecolor": "black"},
    )
    axis.text(n, -0.62, shape, ha="center", va="center", fontsize=8.5)
    if n + 1 < len(steps):
        axis.annotate("", (n + 0.62, 0), (n + 0.4, 0), arrowprops={"arrowstyle": "->"})
axis.text(-0.5, 0.75, "boxes with a number learn: it is their count of parameters", fontsize=9.5)
axis.text(-0.5, -1.05, "below: channels × rows × columns of what comes out", fontsize=9.5)
axis.set(xlim=(-0.6, len(steps) - 0.4), ylim=(-1.25, 1.0))
axis.set_axis_off()
axis.set_title(f"The computation graph: {count_parameters(net):,} parameters in five layers")
plt.show()

# %% [markdown]
# Most of the numbers sit in the last convolution, because it connects 64 channels with 128. The
# whole linear layer at the end is small. Keep this in mind: at the end of the lesson we meet a
# network where it is the other way round.
#
# ## Exercise 1.2: what a convolution does
# *●●○○○ · about 15 minutes*
#
# Take a small window of weights, the **kernel** $k$. Lay it on the picture $I$. Multiply each
# weight with the grey value under it, and add everything up. That gives *one* number. Then move the
# window by one pixel, and again, until it has been everywhere:
#
# $$ (I \star k)(y, x) = \sum_{i,j} k(i, j)\; I(y + i,\; x + j) $$
#
# A picture of H × W pixels and a kernel of $k_h \times k_w$ weights: the window fits in
# $(H - k_h + 1) \times (W - k_w + 1)$ places. Take only these (this is called *valid*). Do not flip
# the kernel. Two loops are fine here; do not fear slow code today. A piece of the picture is
# `image[2:5, 0:3]`: rows 2 to 4, columns 0 to 2. And `(a * b).sum()` multiplies two such pieces
# element by element, and adds everything up.
#
# > In mathematics this is the **cross-correlation**. A *convolution* turns the kernel by 180°
# > first. Deep learning says convolution and computes the cross-correlation. Since the kernels are
# > learned, the network simply learns them the other way round.


# %% tags=["exercise", "1.2"]
def cross_correlate(image: Tensor, kernel: Tensor) -> Tensor:
    """Slide kernel (kh, kw) over image (H, W) -> (H - kh + 1, W - kw + 1)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 1.2: cross_correlate")


# %%
check("1.2", cross_correlate)

# %% [markdown]
# ### A bar detector, made by hand
#
# Nobody has to train a kernel. Here is one that we write down ourselves:
#
# $$ k = \begin{pmatrix} -1 & 2 & -1 \\ -1 & 2 & -1 \\ -1 & 2 & -1 \end{pmatrix} $$
#
# **Predict on paper, before you run the cell:** the picture is black (0), with one white (1)
# vertical bar, one pixel wide. Which value stands where the window is centred on the bar? Which one
# beside it? Which one where the window sees only black? And what happens at a *horizontal* bar?

# %%
cross = torch.zeros(9, 9)
cross[:, 4] = 1
cross[4, :] = 1
upright = torch.tensor([[-1.0, 2, -1], [-1, 2, -1], [-1, 2, -1]])
vertical, horizontal = cross_correlate(cross, upright), cross_correlate(cross, upright.T)

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.7), layout="constrained")
axes[0].imshow(cross, cmap="gray", extent=(-1.5, 7.5, 7.5, -1.5))
axes[0].set_title("a cross, 9×9")
for axis, panel, title in zip(
    axes[1:],
    (vertical, horizontal),
    ("kernel for vertical bars", "the same kernel, transposed"),
    strict=True,
):
    drawn = axis.imshow(panel, cmap="RdBu_r", vmin=-6, vmax=6)
    for i in range(7):
        for j in range(7):
            shade = "white" if abs(panel[i, j]) > 4 else "black"
            axis.text(j, i, f"{panel[i, j]:.0f}", ha="center", va="center", color=shade, fontsize=9)
    axis.set_title(f"{title}: 7×7")
for axis in axes:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="looks unlike   ←   0   →   looks like the kernel")
plt.show()

# %% [markdown]
# Compare with your paper: 6 on the bar (three times 2), −3 beside it, 0 on black. On the horizontal
# bar the weights cancel, −1 + 2 − 1 = 0: the kernel does not see it. Where the two bars cross, some
# of the −1 lie on white pixels too, and 4 is left. A value of the map answers the question "does
# the picture look like my kernel, *here*?"
#
# ### The network does exactly this
#
# Our network has 16 kernels in its first layer. The trick with `pad`: it puts a frame of zeros
# around the picture, so that the map becomes as large as the picture.

# %%
first = net.features[0]
kernels = first.weight.detach()[:, 0]  # (16, 3, 3)
framed = functional.pad(x[0, 0], (1, 1, 1, 1))
with torch.no_grad():
    maps = first(x)[0]
    by_hand = torch.stack(
        [
            cross_correlate(framed, kernel[0]) + bias
            for kernel, bias in zip(first.weight, first.bias, strict=True)
        ]
    )
print(
    "largest difference between your function and PyTorch:", f"{(by_hand - maps).abs().max():.1e}"
)

# %% tags=["figure"] jupyter={"source_hidden": true}
scales = float(kernels.abs().max()), float(by_hand.abs().max())
figure, axes = plt.subplots(4, 8, figsize=(11, 5.9), layout="constrained")
for k in range(16):
    top, below = axes[2 * (k // 8), k % 8], axes[2 * (k // 8) + 1, k % 8]
    weights = top.imshow(kernels[k], cmap="RdBu_r", vmin=-scales[0], vmax=scales[0])
    answers = below.imshow(by_hand[k], cmap="RdBu_r", vmin=-scales[1], vmax=scales[1])
    top.set_title(f"kernel {k}", fontsize=9)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
figure.colorbar(weights, ax=axes[:2], label="weight")
figure.colorbar(answers, ax=axes[2:], label="value of the map")
figure.suptitle("The 16 kernels of the first layer, each above its map of the digit")
plt.show()

# %% [markdown]
# Nobody told these kernels what to look for. Some are positive on one side and negative on the other:
# they answer at *edges*. **Guess:** which of them would you call a bar detector? Write down a number,
# for vertical and for horizontal bars.
#
# We can measure it. The cosine between two kernels is 1 if they are the same up to their size, 0 if
# they have nothing in common, and −1 if one is the opposite of the other.

# %%
flat = functional.normalize(kernels.flatten(1), dim=1)
bars = functional.normalize(torch.stack([upright, upright.T]).flatten(1), dim=1)
likeness = flat @ bars.T  # (16, 2)
best = likeness.argmax(dim=0).tolist()
print(f"most like the vertical bar:   kernel {best[0]}, cosine {likeness[best[0], 0]:.2f}")
print(f"most like the horizontal bar: kernel {best[1]}, cosine {likeness[best[1], 1]:.2f}")
print("positive weights of each kernel:", (kernels > 0).sum((1, 2)).tolist())

# %% [markdown]
# Compare with your numbers. The best ones are similar to our handmade kernel, not copies: a cosine
# of one half. And no kernel is positive in all nine places. "This kernel is the bar detector" is
# always a simplification.
#
# ## Exercise 1.3: feature maps
# *●●●○○ · about 15 minutes*
#
# After each convolution comes a **ReLU**: it keeps "looks like it", and sets "looks unlike it" to
# zero. What comes out is called a **feature map** (or *activation*): one small picture for each
# channel. The next convolution takes *these* as its picture. So the second layer looks for patterns
# of edges, the third for patterns of patterns.
#
# Write a function that returns the output of each ReLU, first to last, as a list of tensors (N, K,
# h, w). There are two good ways:
#
# * **Step by step.** All networks of this exercise have a part `model.features`, an
#   `nn.Sequential`. Send `x` through its layers one after the other, and write down what comes out of
#   each `nn.ReLU`.
# * **With hooks.** `handle = module.register_forward_hook(f)` makes PyTorch call `f(module, inputs,
#   output)` every time this module has run. This works for every network. But take the hook out again
#   with `handle.remove()`: a hook that stays runs at every later call too.
#
# Either way, keep a *copy* of each map: `output.detach().clone()`. (`detach` says that we need no
# gradient, `clone` makes the copy.) To save memory, some networks write over their own maps later
# on. Leave the model as it was.


# %% tags=["exercise", "1.3"]
def feature_maps(model: nn.Module, x: Tensor) -> list[Tensor]:
    """The output of each ReLU of the model for images x (N, C, H, W), first to last."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 1.3: feature_maps")


# %%
check("1.3", feature_maps)

# %%
F = feature_maps(net, x)
for number, one in enumerate(F, start=1):
    silent = int((one.amax((2, 3)) == 0).sum())
    zeros = (one == 0).float().mean()
    print(
        f"layer {number}: {tuple(one.shape)}, {zeros:.0%} zeros, {silent} maps without any answer"
    )

# %% [markdown]
# The deeper the layer, the more zeros: later maps answer to rarer patterns. And 60 of the 128 last
# maps are silent, without a single answer. Do they wait for another digit? Look:

# %%
with torch.no_grad():
    last = torch.cat([net.features(part).amax(dim=(2, 3)) for part in images[:300].split(100)])
silent_here = F[-1].amax(dim=(2, 3))[0] == 0
silent_always = last.amax(dim=0) == 0  # for all of the 300 pictures
print(
    f"silent for this 7: {int(silent_here.sum())}, silent for all {len(last)} pictures: "
    f"{int(silent_always.sum())}"
)

# %% [markdown]
# The same maps are silent for every picture. They are *dead*: their values lie below zero
# everywhere, the ReLU cuts all of that off, and where it cuts, no gradient comes through either. So
# training cannot wake them up. Nearly half of the last layer does nothing: the network has 128 maps,
# and uses 68.
#
# ## Exercise 1.4: how far does one value see?
# *●●○○○ · about 12 minutes*
#
# One value of the first map comes from 3×3 pixels. One value of the second map comes from 3×3
# values of the first map. These come from ... how many pixels? The area of the picture that can
# change one value is its **receptive field**.
#
# **Guess first:** how wide is the receptive field after our four layers with 3×3 kernels? 9, 12 or
# 81?
#
# Some layers also move their window by more than one pixel: the **stride** $s$. After such a layer,
# neighbours in the map are $s$ pixels apart, so every later layer takes larger steps over the
# picture:
#
# $$ r = 1 + \sum_l \;(k_l - 1)\, \prod_{i < l} s_i $$
#
# `layers` lists (kernel, stride) from the picture upwards. Only the strides of the layers *before*
# count. Without any layer a value is the pixel itself: $r = 1$.


# %% tags=["exercise", "1.4"]
def receptive_field(layers: list[tuple[int, int]]) -> int:
    """The width of the receptive field, in pixels, after layers of (kernel, stride)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 1.4: receptive_field")


# %%
check("1.4", receptive_field)

# %%
pool = (2, 2)
known = {
    "our network": [(3, 1)] * 4,
    "LeNet-5 (1998), up to the flatten": [(5, 1), pool, (5, 1), pool],
    "VGG16 (2014), up to the flatten": ([(3, 1)] * 2 + [pool]) * 2 + ([(3, 1)] * 3 + [pool]) * 3,
}
for which, layers in known.items():
    print(f"{which:34} one value sees {receptive_field(layers)} × {receptive_field(layers)} pixels")

# %% [markdown]
# **Your guess:** 9. Each layer adds one pixel on each side: 3, 5, 7, 9.
#
# A formula is easily believed. So do the experiment: change *one* pixel of the picture, and look
# which values of each layer notice it. If a value sees 9×9 pixels, then one pixel is seen by 9×9
# values.

# %%
touched = x.clone()
touched[0, 0, 14, 14] += 5.0
noticed = [(b - a).abs().amax(1)[0] for a, b in zip(F, feature_maps(net, touched), strict=True)]
for number, change in enumerate(noticed, start=1):
    where = (change > 0).nonzero()
    height, width = (where.amax(0) - where.amin(0) + 1).tolist()
    r = receptive_field([(3, 1)] * number)
    print(f"layer {number}: {height} × {width} values have changed, the formula says {r}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 5, figsize=(12, 2.9), layout="constrained")
axes[0].imshow((touched - x)[0, 0] > 0, cmap="gray")
axes[0].set_title("the pixel that we change", fontsize=10)
for number, (axis, change) in enumerate(zip(axes[1:], noticed, strict=True), start=1):
    r = receptive_field([(3, 1)] * number)
    drawn = axis.imshow(change / change.max(), cmap="magma", vmin=0, vmax=1)
    corner = 14 - r // 2 - 0.5
    axis.add_patch(
        plt.Rectangle((corner, corner), r, r, fill=False, edgecolor="white", linestyle="--")
    )
    axis.set_title(f"layer {number}: {r}×{r}", fontsize=10)
for axis in axes:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, label="change / largest change")
figure.suptitle("One pixel, and who notices it (dashed: the formula)")
plt.show()

# %% [markdown]
# The formula gives the *limit*. Inside it, not all places listen equally: the four corners of the
# last field notice least, because only one path leads there. And a limit of 9×9 means: **no
# value in this network ever sees the whole digit.** It sees a piece of a stroke, a corner, an end.
# Remember that when the heat maps come.
#
# ## The two sizes: *what* and *where*
#
# A tensor of feature maps has two kinds of size. The **channels** say *what* was found: edge,
# corner, end of a stroke. The **rows and columns** say *where*. Convolutions keep the "where". Move
# the digit, and its maps move with it:

# %%
moved = torch.roll(x, shifts=3, dims=3)  # three pixels to the right
for number, (before, after) in enumerate(zip(F, feature_maps(net, moved), strict=True), start=1):
    back = torch.roll(after, shifts=-3, dims=3)
    difference = (back - before)[..., 8:-8]  # the frame of zeros disturbs the border
    print(f"layer {number}: moved back, the maps differ by at most {difference.abs().max():.1e}")

# %% [markdown]
# That is called **translation equivariance**. It comes from the sliding: the same kernel
# everywhere.
#
# Now the other way to end a network, which was usual for a long time: **flatten**. All maps are cut
# into rows, and all rows are put one after the other, into one long vector. Then a **fully connected**
# layer weighs each of its entries. How many weights would our network need for that?

# %%
K, h, w = F[-1].shape[1:]
flat_head, gap_head = nn.Linear(K * h * w, 10), nn.Linear(K, 10)
print(
    f"flatten, then linear: {count_parameters(flat_head):9,} parameters, for images of {h}×{w} only"
)
print(f"average, then linear: {count_parameters(gap_head):9,} parameters, for images of any size")

# %% [markdown]
# After flatten there are no rows and columns any more, only entry 1, entry 2, entry 3 ... Entries 5
# and 6 were neighbours, entries 5 and 33 too (one below the other), but no layer after the flatten
# knows it. A 7 that stands three pixels further to the right is, for this layer, a different set of
# entries: it must be learned again. And because several fully connected layers usually follow,
# which mix everything with everything, nobody can say afterwards which place an output came from.
#
# ### LeNet-5, the grandmother
#
# In 1998 Yann LeCun and his colleagues described **LeNet-5**, a network that read handwritten
# digits. Its plan was the plan of almost all networks for many years: convolution, pooling,
# convolution, pooling, flatten, fully connected. **Pooling** joins 2×2 values into one: with each
# pooling a network sees further, and knows the place less exactly. Here it is in today's PyTorch.
# (The original differs in details: its pooling had weights, its second convolution was only partly
# connected, and its ten outputs measured distances.)

# %%
lenet5 = nn.Sequential(
    nn.Conv2d(1, 6, 5),
    nn.Tanh(),
    nn.AvgPool2d(2),
    nn.Conv2d(6, 16, 5),
    nn.Tanh(),
    nn.AvgPool2d(2),
    nn.Flatten(),
    nn.Linear(400, 120),
    nn.Tanh(),
    nn.Linear(120, 84),
    nn.Tanh(),
    nn.Linear(84, 10),
)
flow = torch.zeros(1, 1, 32, 32)
print(f"{'picture':10} {tuple(flow.shape[1:])}")
for layer in lenet5:
    flow = layer(flow)
    if not isinstance(layer, nn.Tanh):
        print(
            f"{type(layer).__name__:10} {tuple(flow.shape[1:])!s:13} {count_parameters(layer):7,} parameters"
        )
after_flatten = sum(count_parameters(layer) for layer in lenet5 if isinstance(layer, nn.Linear))
after_maps = count_parameters(net.classifier)
print(
    f"LeNet-5: {count_parameters(lenet5):,} parameters, "
    f"{after_flatten / count_parameters(lenet5):.0%} of them after the flatten"
)
print(
    f"ours:    {count_parameters(net):,} parameters, "
    f"{after_maps / count_parameters(net):.0%} of them after the last map"
)

# %% [markdown]
# Follow the shapes. Up to the last pooling there are three numbers: channels, rows, columns. At
# `Flatten` one number is left. **There the "where" ends.** That is the answer to our second
# question, and it tells us how to build a network that can be explained: keep rows and columns
# until the very end, and then do something gentler than flatten. That is lesson 2.
#
# ## The sheet: everything the network sees
#
# Now the answer to the first question, in one figure. Each row is a layer, each small picture a
# channel. We show for each layer the twelve channels with the largest mean. The rule matters: if you
# pick the prettiest maps by hand, you will find in them what you want to find.

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(4, 13, figsize=(13.5, 5.0), layout="constrained")
for number, (maps, line) in enumerate(zip(F, axes, strict=True), start=1):
    strongest = maps[0].mean((1, 2)).argsort(descending=True)[:12]
    highest = float(maps[0][strongest].max())
    r = receptive_field([(3, 1)] * number)
    line[0].imshow(x[0, 0], cmap="gray")
    line[0].add_patch(
        plt.Rectangle((14 - r / 2, 14 - r / 2), r, r, fill=False, edgecolor="orange", linewidth=1.5)
    )
    line[0].set_ylabel(f"layer {number}\n{maps.shape[1]} maps", rotation=0, ha="right", va="center")
    for axis, k in zip(line[1:], strongest.tolist(), strict=True):
        drawn = axis.imshow(maps[0, k], cmap="magma", vmin=0, vmax=highest)
        axis.set_title(f"{k}", fontsize=8, pad=2)
    figure.colorbar(drawn, ax=line, pad=0.01, aspect=8)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
axes[0, 0].set_title("sees", fontsize=9)
figure.suptitle(
    "One digit, four layers: deeper maps answer at fewer places (above: channel; bar: activation)"
)
plt.show()

# %% [markdown]
# Read the sheet from top to bottom. The first layer shows the digit itself, bright, dim, or only
# one of its edges. Further down the maps become more special: they have more zeros, and answer at
# fewer places. Look in the last row for a map that answers at a bar, one for a slanted stroke, and
# one for the end of a stroke. These are the patterns of patterns. And in *all* rows you can still say
# where in the picture they were found. Nothing of the "where" is lost up to here.
#
# > **Try this** (for the fast). Take the dead maps away: `less = copy.deepcopy(net)`, then inside
# > `torch.no_grad()` set `less.classifier.weight[:, silent_always]` to 0. How many of the first 300
# > answers change? Predict it first. Then write a kernel for strokes that are slanted like that of
# > the 7, and let `cross_correlate` look for them.

# %% [markdown]
# ## Recall
#
# Five questions. Think, and write your answer down; then open the one below. In a terminal,
# `camlite quiz 1` asks them again, also next week.
#
# **1.** A picture is black (0), with one white pixel (1) far from the edge. You slide a 3×3
# kernel of nine ones over it. How many values of the map are not zero, and how large are they?
#
# <details><summary>Answer</summary>
#
# Nine values, all 1. Nine windows contain the pixel, and each of them sees nothing else that is
# white. One pixel is noticed by as many values as one value sees pixels.
#
# </details>
#
# **2.** A convolution makes 8 channels out of 3, with 5×5 windows and a bias for each channel.
# How many parameters does it have? How many if the pictures become twice as wide?
#
# <details><summary>Answer</summary>
#
# 8 · 3 · 5 · 5 + 8 = 608, and the same 608 for wide pictures: the same kernels slide over all
# places.
#
# </details>
#
# **3.** Two layers of 3×3, one after the other, or one layer of 5×5: all with stride 1, one
# channel and no bias. Which way sees further? Which way has more weights?
#
# <details><summary>Answer</summary>
#
# Both see equally far: 1 + 2 + 2 = 5 pixels, and 1 + 4 = 5. The two small layers have 9 + 9 = 18
# weights, the large one has 25.
#
# </details>
#
# **4.** Somebody shows you a feature map: "It is bright at the bar of the 7, so the bar made the
# network say 7." What is missing in this argument?
#
# <details><summary>Answer</summary>
#
# The weight. A bright map says that a pattern was found there. Whether it speaks for the 7,
# against it, or not at all, is decided by the numbers that come after the map.
#
# </details>
#
# **5.** You move a digit three pixels to the right; it stays far from the edge. What happens to
# the maps of a convolution? What happens to the vector after a flatten, and why is that a
# problem?
#
# <details><summary>Answer</summary>
#
# The maps move by three pixels too. In the vector the same values stand at other entries, and
# there they meet other weights. For the next layer it is another picture: the moved digit must be
# learned again.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * A convolution slides a small window over the picture and asks everywhere: does it look like my
#   kernel?
# * A feature map is the answer of one kernel: one value for each place. ReLU keeps the positive
#   ones.
# * The parameters can be counted, and every number between input and output can be read.
# * The receptive field says how far one value sees at most. Ours see 9×9 pixels.
# * Some models can be read as they stand (a small tree). Others need *post-hoc* explanations.
# * Channels say *what*, rows and columns say *where*. Flatten ends the "where".
#
# **What this does not tell you.** The sheet shows what was *computed*, not what was *important*. A
# bright map may have no influence on the answer, and a dim one may decide it. A sheet of 240 maps
# is not an explanation. It takes weights that say which maps speak for the 7: that is lesson 3.
#
# **Where to read on.** Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: *Gradient-Based Learning Applied
# to Document Recognition*, Proceedings of the IEEE, 1998, describes LeNet-5. `camlite.nets` holds
# the network of today: it has ten lines.
#
# **Words.** *convolutional layer*: lớp tích chập · 卷积层 · 卷積層 · 畳み込み層. *feature map*: bản đồ đặc
# trưng · 特征图 · 特徵圖 · 特徴マップ. *channel*: kênh · 通道 · 通道 · チャネル. *weight*: trọng số · 权重 · 權重 · 重み.
# *directed acyclic graph*: đồ thị có hướng không chu trình · 有向无环图 · 有向非循環圖 · 有向非巡回グラフ. *pooling
# layer*: lớp gộp · 池化层 · 池化層 · プーリング層. *flatten*: làm phẳng · 展平 · 扁平化 · 平坦化. *fully connected
# layer*: lớp kết nối đầy đủ · 全连接层 · 全連結層 · 全結合層. *hook*: hook · 钩子函数 · 掛鉤函式 · フック. *black box*:
# hộp đen · 黑箱 · 黑箱 · ブラックボックス.
#
# **Next:** lesson 2. We replace flatten by an average, and train a network that keeps the place.
