# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 8: Grad-CAM
#
# **Time** 110 minutes · **Difficulty** ●●●○○ · **You need** lesson 3, and: you know what a
# derivative is · **At the end** you can draw a heat map for any convolutional network with any
# head, at any layer, and you know how to test what it claims.
#
# A picture shows two digits, a 3 and a 7. A network looks at it and says: "A 3 or a 7." Which part
# of the picture made it say 3, and which part 7?
#
# In lesson 3 the answer was easy: the network ended in global average pooling and *one* linear
# layer, and the weights of that layer were all we needed. But LeNet-5, AlexNet and VGG end
# differently. They **flatten** the feature maps into one long row of numbers, and several linear
# layers follow. There is no weight for a channel any more. Do we have to build and train another
# network, only to get a map?
#
# In 2017 Selvaraju and his colleagues showed that we do not. Where there is no weight to read, one
# can **ask the gradient**. Their Figure 1 shows a picture with a dog and a cat, and why the network
# says "dog", and why it says "cat". At the end of this lesson you have the same figure for two
# digits.
#
# > **Paper:** R. R. Selvaraju, M. Cogswell, A. Das, R. Vedantam, D. Parikh, D. Batra: *Grad-CAM:
# > Visual Explanations from Deep Networks via Gradient-based Localization*, ICCV 2017, arXiv
# > 1610.02391.

# %% tags=["imports"]
import os
from collections import OrderedDict

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

import camlite
from camlite import data, nets, weights
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # shorter loops, for tests

# %% [markdown]
# ## A network where CAM is impossible
#
# We put two digits side by side, 28×56 pixels, and train a small network with a flattening head. As
# in ImageNet, the picture has more than one thing in it, but the softmax allows only one answer; so
# the best answer to "3 beside 7" is one half for each. Every digit is moved by up to three pixels:
# a network should know *what* is there, not which pixel it usually lies on.


# %%
def draw_pairs(
    images: Tensor, labels: Tensor, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Two different digits side by side: images (n, 1, 28, 56), labels (n, 2), left and right."""
    left, right = torch.randint(len(images), (2, count), generator=generator)
    keep = labels[left] != labels[right]
    halves = []
    for numbers in (left[keep], right[keep]):
        steps = torch.randint(-3, 4, (len(numbers), 2), generator=generator).tolist()
        moved = [images[i].roll(s, (1, 2)) for i, s in zip(numbers, steps, strict=True)]
        halves.append(torch.stack(moved))
    return torch.cat(halves, 3), torch.stack([labels[left[keep]], labels[right[keep]]], 1)


def block(number: int, inputs: int, outputs: int, pool: bool = True) -> list[tuple[str, nn.Module]]:
    """Convolution, normalisation, ReLU, and (not in the last block) pooling to half the size."""
    layers: list[tuple[str, nn.Module]] = [
        (f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1)),
        (f"norm{number}", nn.BatchNorm2d(outputs)),
        (f"relu{number}", nn.ReLU(inplace=True)),
    ]
    if pool:
        layers.append((f"pool{number}", nn.MaxPool2d(2)))
    return layers


torch.manual_seed(8)
net = nn.Sequential(
    OrderedDict(
        [
            *block(1, 1, 16),
            *block(2, 16, 32),
            *block(3, 32, 64),
            *block(4, 64, 64, pool=False),
            ("flatten", nn.Flatten()),  # 64 maps of 3×7 become 1344 numbers
            ("fc1", nn.Linear(64 * 3 * 7, 64)),
            ("relu5", nn.ReLU(inplace=True)),
            ("fc2", nn.Linear(64, 10)),
        ]
    )
)

# %% [markdown]
# We train on a few thousand pairs for a few epochs, and that is enough for this lesson. It takes
# about half a minute on a quick computer, and two minutes on a slow or busy one. (Tests set
# `CAMLITE_FAST`: then training and tables are shorter, and your numbers differ. For a better
# network take all images, `epochs = 15`.)
#
# The target of "3 beside 7" is one half at place 3, one half at place 7, and 0 elsewhere: the mean
# of two one-hot rows. A training step has three lines: `zero_grad()` empties the `.grad` of all
# weights, `backward()` fills it with ∂loss/∂weight, `step()` moves the weights.
#
# Why `set_num_threads(1)`? With several threads the sums are added up in another order and rounded
# otherwise. These tiny differences grow from step to step, and the network would be another one.

# %%
threads = torch.get_num_threads()
torch.set_num_threads(1)  # the same network on every run
epochs, count = (2, 2500) if fast else (4, 6000)
images, labels, name = data.handwriting(train=True, limit=10_000)
generator = torch.Generator().manual_seed(8)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
for _ in tqdm(range(epochs), desc="training"):
    X, pair = draw_pairs(images, labels, count, generator)
    half_each = functional.one_hot(pair, 10).float().mean(1)
    for some in torch.randperm(len(X), generator=generator).split(64):
        loss = functional.cross_entropy(net(X[some]), half_each[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
torch.set_num_threads(threads)
optimizer.zero_grad()  # the gradients of the training are not needed any more
net.eval()

test_images, test_labels, _ = data.handwriting(train=False, limit=2_000)
X, pair = draw_pairs(test_images, test_labels, 600, generator)
with torch.no_grad():
    two_best = net(X).topk(2).indices
both = (two_best.sort(1).values == pair.sort(1).values).all(1)
right = both.float().mean()
print(f"{name}: the two best guesses are the two digits in {right:.1%} of {len(X)} test pairs")
X, pair = X[both], pair[both]  # we explain the pairs that it understands

# %% [markdown]
# Do not forget `net.eval()`: in training mode batch normalisation lets the images of a batch change
# each other's feature maps, and the map of one image would depend on its neighbours.
#
# Our example: the test pair of which the network is most sure, for both digits. (So it is a *good*
# case. A picked example proves nothing; that is why we will also measure over all test pairs.)

# %%
with torch.no_grad():
    sure = net(X).softmax(1).gather(1, pair).amin(1)
best = int(sure.argmax())
x, (a, b) = X[best : best + 1], pair[best].tolist()
with torch.no_grad():
    p = net(x).softmax(1)[0]
print(f"left a {a}, right a {b};   P({a}) = {p[a]:.2f}, P({b}) = {p[b]:.2f}")

try:
    camlite.cam(net, "relu4", x, a)
except camlite.ArchitectureError as error:
    print("\nCAM says:", error)

# %% [markdown]
# The weight of `fc1` is a table of 64 rows and 1344 columns: one column for each channel **and
# place**. A second linear layer follows. There is no "weight of channel $k$ for class $c$" that we
# could read.
#
# ## The idea: let the gradient be the weight
#
# What is a weight, really? If the weight of a channel is large, then the score grows a lot when the
# channel grows a little. That is a **derivative**, and a derivative can be had from every network:
#
# $$ G_k(x,y) = \frac{\partial Y_c}{\partial F_k(x,y)} $$
#
# `G` has the same shape as `F`: one number for each channel and place. The mean over the places
# gives one weight for each channel, and then all is as in CAM:
#
# $$ \alpha_k = \frac{1}{Z}\sum_{x,y} G_k(x,y) , \qquad Z = h\,w $$
#
# $$ L(x,y) = \mathrm{ReLU}\Big(\sum_k \alpha_k\,F_k(x,y)\Big) $$
#
# That is **Grad-CAM** (Equations 1 and 2 of the paper). $Y_c$ is the logit, before the softmax.
#
# ## First by hand: cut the network in two
#
# To differentiate with respect to `F` we need the network as two functions: `features` makes `F`
# from the image, `classifier` makes `Y` from `F`. A `nn.Sequential` can simply be cut.

# %%
features, classifier = net[:-4], net[-4:]
with torch.no_grad():
    F = features(x)
F.requires_grad_()  # F is where the graph begins
Y = classifier(F)
G = torch.autograd.grad(Y[0, a], F)[0]
print(f"F {tuple(F.shape)}   Y {tuple(Y.shape)}   G {tuple(G.shape)}")
print("the two halves make the whole:", torch.allclose(Y, net(x)))

# %% [markdown]
# That was easy. `torch.autograd.grad(number, F)` gives a tuple with one gradient for each tensor
# asked for, so `[0]` takes the first. `Y[0, a]` is the logit of class `a` of image 0.
#
# Now the same a little earlier, after `norm4` and before its ReLU. **Guess first:** batch
# normalisation gives positive and negative numbers. What is the smallest value of `F` before the
# second half has run, and what is it afterwards?

# %%
with torch.no_grad():
    F_early = net[:-5](x)
    before = F_early.min().item()
    net[-5:](F_early)
    after = F_early.min().item()
print(f"smallest value of F: before {before:.3f}, after {after:.3f}")

# %% [markdown]
# **Your guess:** first a negative number, then 0. `F` changed, although nobody assigned anything to
# it! The next layer is `ReLU(inplace=True)`. It saves memory by writing its result over its input,
# and its input is our `F`. Torchvision's VGG, ResNet and many others do that. There is no error and
# no warning; the map is only wrong. At the time of writing the two most used CAM libraries fall
# into this trap. The cure is one word: let the network go on with a **copy**.
#
# ## Hooks: for networks that are no Sequential
#
# Most networks cannot be cut with `[:-4]`. But PyTorch lets us listen at every module. A **forward
# hook** is a function `hook(module, args, output)`, which is called each time the module has run.
# `register_forward_hook` gives a handle; `handle.remove()` ends the listening.


# %%
def print_shape(module: nn.Module, args: tuple, output: Tensor) -> None:
    print(f"  {type(module).__name__:12} {tuple(output.shape)}")


handles = [layer.register_forward_hook(print_shape) for layer in net]
with torch.no_grad():
    net(x)
for handle in handles:
    handle.remove()

# %% [markdown]
# A hook can do more than look. **What it returns goes on through the network** instead of `output`.
# And it can keep something for us, if it puts it into a dictionary that lives outside. Here is a
# hook that does both: it keeps the largest value, and sends on only zeros. `get_submodule` finds a
# layer by its name, also inside blocks, such as `"features.3"`.

# %%
store = {}


def send_zeros(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
    store["largest"] = output.max().item()
    return torch.zeros_like(output)


handle = net.get_submodule("relu4").register_forward_hook(send_zeros)
try:
    with torch.no_grad():
        Y_zeros = net(x)
finally:
    handle.remove()  # runs in any case: after an error too
print(f"largest value of F: {store['largest']:.2f}")
with torch.no_grad():
    Y_head = classifier(torch.zeros(1, 64, 3, 7))
print("the head alone, given zeros:", torch.equal(Y_head, Y_zeros))

# %% [markdown]
# `try … finally` is for errors: whatever happens between the two words, the lines after `finally`
# run, and then the error goes on to the caller. Without it, a network that stops with an error
# would keep your hook for ever.
#
# One more tool. `t.detach()` is the same numbers as `t` without their history: no graph leads from
# it to the image. `.requires_grad_()` then makes it a start: from here on the graph is recorded.

# %%
start = net(x).detach().requires_grad_()
print("start of a graph:", start.is_leaf, "· gradient of Σ start²:", end=" ")
print(torch.equal(torch.autograd.grad((start**2).sum(), start)[0], 2 * start))

# %% [markdown]
# ## Exercise 8.1: record
# *●●●●○ · about 25 minutes*
#
# Write a function that runs the model once and returns `F`, the output of one layer, and `Y`, the
# logits. This is the hardest exercise of the lesson. Take it in four steps, and run the check after
# each one; it tells you what is still missing.
#
# 1. **Keep.** A hook at `model.get_submodule(layer)` puts `output` into a dictionary. Run the
#    model, return what was kept, and `Y`.
# 2. **Start.** `F` is where the graph begins: the same numbers, cut off from what was before. Then
#    `torch.autograd.grad(Y[0, c], F)` works, also for a network whose weights are all frozen
#    (`requires_grad=False`).
# 3. **Copy.** The network goes on with a copy, `F.clone()`. So `F` is what the layer gave, also if
#    a later layer works in place, and `Y` depends on it.
# 4. **Tidy up.** The hook is removed afterwards, also if the model stops with an error.
#
# Nothing else changes: not the model's mode, not its weights or their `.grad`, and not the image
# `x`, which belongs to the caller. (`x.requires_grad_()` would change it.)


# %% tags=["exercise", "8.1"]
def record(model: nn.Module, layer: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """F, the output of the layer (N, K, h, w), and Y, the logits (N, C), which depend on F."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 8.1: record")


# %%
check("8.1", record)

# %% [markdown]
# If you need help: `hint("8.1")`. There are three hints, each stronger than the one before.
#
# `camlite.split(model, layer)` gives you the two halves for nearly every network. Do the three ways
# agree? For the gradient we pick one logit for each image. `Y[rows, c]` does that, as in lesson 3:
# with `rows` = 0, 1, 2 and `c` = 7, 7, 4 it gives `Y[0, 7]`, `Y[1, 7]`, `Y[2, 4]`. If `c` is one
# `int`, it is meant for all images: `torch.as_tensor(c).expand(N)` makes N classes of it, and
# leaves a tensor (N,) as it is.


# %%
def gradient(Y: Tensor, F: Tensor, c: int | Tensor) -> Tensor:
    """G = ∂Y_c/∂F. One call for all images: the score of an image depends on its own F only."""
    rows, c = torch.arange(len(Y)), torch.as_tensor(c).expand(len(Y))
    return torch.autograd.grad(Y[rows, c].sum(), F)[0]


F_hook, Y_hook = record(net, "relu4", x)
G_hook = gradient(Y_hook, F_hook, a)
features, classifier = camlite.split(net, "relu4")
F_split = features(x).requires_grad_()
G_split = gradient(classifier(F_split), F_split, a)
print("hook and cut by hand:  ", torch.allclose(G_hook, G))
print("hook and camlite.split:", torch.allclose(G_hook, G_split))
F_early, _ = record(net, "norm4", x)
print(f"before the in-place ReLU, with a hook: smallest value {F_early.min():.3f}")

# %% [markdown]
# All agree, and the in-place ReLU does no harm.
#
# What if the hook keeps `output.requires_grad_()`, without `detach`? The weights of this network
# can learn, so PyTorch records a graph from the first layer on, and `output` is not its start but
# a point on the way. **Guess first:** is `G` another one then? And if somebody calls `backward()`,
# which weights get a gradient?


# %%
def run_and_keep(cut: bool) -> tuple[Tensor, Tensor]:
    """`record` at relu4, with or without `detach`."""

    def keep_output(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
        store["F"] = (output.detach() if cut else output).requires_grad_()
        return store["F"].clone()

    handle = net.relu4.register_forward_hook(keep_output)
    try:
        return net(x), store["F"]
    finally:
        handle.remove()


same_G, reached = {}, {}
for cut in (True, False):
    Y_kept, F_kept = run_and_keep(cut)
    Y_kept[0, a].backward(retain_graph=True)
    reached[cut] = [n for n, w in net.named_parameters() if w.grad is not None]
    net.zero_grad()
    same_G[cut] = torch.allclose(gradient(Y_kept, F_kept, a), G)
    text = "with detach   " if cut else "without detach"
    print(f"{text}  same G: {same_G[cut]};  backward() fills {len(reached[cut])} tensors", end=" ")
    print(f"of weights, first {reached[cut][0]}")

# %% [markdown]
# **Your guess:** `G` is the same; the check accepts both. But without `detach` the graph of the
# whole network stays in memory, and `backward()` goes down to `conv1`. With `detach` it ends at the
# layer: only the head is touched. For a deep network and a late layer this saves most of the work.
#
# (You will also meet *backward* hooks, which listen to the gradient on its way back. If an in-place
# ReLU follows, PyTorch stops with an error. With `torch.autograd.grad` we do not need them.)
#
# ## Exercise 8.2: one weight for each channel
# *●○○○○ · about 5 minutes*
#
# $$ \alpha_k = \frac{1}{Z}\sum_{x,y} G_k(x,y) , \qquad Z = h\,w $$
#
# `G` is (N, K, h, w), the result (N, K).


# %% tags=["exercise", "8.2"]
def channel_weights(G: Tensor) -> Tensor:
    """The weight of each channel, α = GAP(G): (N, K, h, w) -> (N, K)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 8.2: channel_weights")


# %%
check("8.2", channel_weights)

# %% [markdown]
# ## Exercise 8.3: Grad-CAM
# *●●○○○ · about 8 minutes*
#
# $$ L(x,y) = \mathrm{ReLU}\Big(\sum_k \alpha_k\,F_k(x,y)\Big) $$
#
# Why a ReLU? The authors want to see only what speaks *for* the class. We often want both, so
# `relu=False` must give the map with its sign. The result is (N, h, w). Use your `channel_weights`.


# %% tags=["exercise", "8.3"]
def grad_cam(F: Tensor, G: Tensor, relu: bool = True) -> Tensor:
    """The Grad-CAM map: F and G (N, K, h, w) -> (N, h, w)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 8.3: grad_cam")


# %%
check("8.3", grad_cam)

# %% [markdown]
# ## Test it where the answer is known
#
# The network of lesson 3 ends in GAP and one linear layer. There
# $Y_c = \sum_k W_{c,k} \frac{1}{Z}\sum_{x,y} F_k(x,y) + b_c$, so the derivative is easy by hand:
#
# $$ \frac{\partial Y_c}{\partial F_k(x,y)} = \;? $$
#
# **Work it out before you run the cell.** By which factor will Grad-CAM differ from CAM?

# %%
gap_net = nets.bundled(f"gapnet_{name}")
one = test_images[:5]
F_gap, Y_gap = record(gap_net, "features", one)
c = Y_gap.argmax(1)
cam_map = torch.einsum("nk,nkxy->nxy", gap_net.classifier.weight.detach()[c], F_gap.detach())
grad_map = grad_cam(F_gap, gradient(Y_gap, F_gap, c), relu=False).detach()
Z = F_gap[0, 0].numel()
strong = cam_map.abs() > 0.01 * cam_map.abs().max()
ratio = (cam_map / grad_map)[strong]
print(f"CAM / Grad-CAM: from {ratio.min():.2f} to {ratio.max():.2f};   Z = {Z}")
print("Grad-CAM = CAM / Z:", torch.allclose(grad_map, cam_map / Z, rtol=1e-4, atol=1e-6))

# %% [markdown]
# **The answer:** every place has the same derivative, $W_{c,k}/Z$. The factor is $Z$. So on such a
# network **Grad-CAM is CAM**, divided by $Z$; after scaling to $[0, 1]$ nobody can tell them apart.
# If you read "Grad-CAM gives better maps than CAM" and the network was a ResNet with its last
# layer, then something else was changed too.
#
# Let us test that on ResNet50 itself. Its last block is called `layer4`, and its linear layer `fc`,
# so `fc.weight` is the `W` of lesson 3, (1000, 2048). A hook and one sum: CAM of a real network, by
# hand. This needs the weights of ResNet50 and a photograph in your data folder (`camlite doctor`
# shows it). Where they are missing, we take a small network that comes with camlite. It has the
# same kind of head, and has learned small digits somewhere on a black image.

# %%
photo = data.find("photos/cat_dog.jpg")
if photo is not None and "resnet50" in weights.at_hand():
    big_name, big_layer, asked = "ResNet50", "layer4", {"bull mastiff": 243, "tiger cat": 282}
    big = weights.pretrained("resnet50").model
    W_big = big.fc.weight.detach()
    seen, z = weights.preprocess(data.load_image(photo))  # z: the mean subtracted, scaled
else:
    big_name, big_layer, asked = "heads_gap_linear", "features", {"digit 0": 0, "digit 1": 1}
    big = nets.bundled(big_name)
    W_big = big.classifier[2].weight.detach()
    small, small_labels = data.digits(train=False)
    small = functional.interpolate(small, size=(14, 14), mode="bilinear", align_corners=False)
    seen = torch.zeros(1, 1, 28, 28)
    seen[0, :, :14, :14] = small[small_labels == 0][0]  # a 0 above on the left
    seen[0, :, 14:, 14:] = small[small_labels == 1][0]  # a 1 below on the right
    z = seen
classes = torch.tensor(list(asked.values()))
F_big, Y_big = record(big, big_layer, z)
cam_big = torch.einsum("ck,kxy->cxy", W_big[classes], F_big.detach()[0])
grad_big = torch.cat(
    [grad_cam(F_big, gradient(*record(big, big_layer, z)[::-1], k), relu=False) for k in classes]
).detach()
Z_big = F_big[0, 0].numel()
same_big = torch.allclose(grad_big * Z_big, cam_big, rtol=1e-3, atol=1e-3)
p_big = Y_big.softmax(1)[0, classes].tolist()
print(f"{big_name}: W {tuple(W_big.shape)}, F {tuple(F_big.shape)}, Z = {Z_big}")
print(", ".join(f"{text}: P = {value:.3f}" for text, value in zip(asked, p_big, strict=True)))
print("Grad-CAM = CAM / Z:", same_big)

# %% tags=["figure"] jupyter={"source_hidden": true}
cells = [(seen[0], None)] + [(seen[0], one) for one in camlite.up(cam_big, seen.shape[2:])]
plot.grid(
    [cells],
    [""],
    ["image", *asked],
    title=f"{big_name}: CAM by hand, one image and two questions",
    signed=True,
    scale="shared",
)
plt.show()

# %% [markdown]
# Red is evidence for the class, blue against it. Each map is strongest at its own object. The small
# network also finds evidence against the class at the other digit. ResNet50 has hardly any, and its
# map of the cat is faint: both maps share one scale, and it gives the cat a small probability.
#
# ## Two digits, two maps
#
# Now the network for which there is no CAM. One image, two classes, no new training.


# %%
def explain(layer: str, x: Tensor, c: int | Tensor, relu: bool = True) -> Tensor:
    """From images to Grad-CAM maps, with the functions of this lesson."""
    F, Y = record(net, layer, x)
    return grad_cam(F, gradient(Y, F, c), relu).detach()


some, left = X[:50], pair[:50, 0]
ours, theirs = explain("relu4", some, left), camlite.grad_cam(net, "relu4", some, left)
print("the same as camlite.grad_cam:", torch.allclose(ours, theirs, atol=1e-5))

# %%
size = tuple(x.shape[-2:])


def share_on_the_digit(M: Tensor, side: Tensor) -> Tensor:
    """Share of a positive map (N, H, W) in its left half (side 0) or right half (side 1): (N,)."""
    left, right = (half.sum((1, 2)) for half in M.tensor_split(2, dim=2))
    return torch.where(side == 0, left, right) / (left + right).clamp_min(1e-12)


two_maps = camlite.up(explain("relu4", x.repeat(2, 1, 1, 1), torch.tensor([a, b])), size)
own = share_on_the_digit(two_maps, torch.tensor([0, 1]))  # a stands on the left, b on the right

# %% tags=["figure"] jupyter={"source_hidden": true}
cells = [(x[0], None)] + [(x[0], M) for M in two_maps]
titles = [f"P({a}) = {p[a]:.2f}\nP({b}) = {p[b]:.2f}"] + [
    f"evidence for {k}?\n{share:.0%} on its side" for k, share in zip((a, b), own, strict=True)
]
plot.grid([cells], [""], titles, title="One image, two questions, two maps: Grad-CAM at relu4")
plt.show()

# %% [markdown]
# A network with two linear layers after a flattening, and Grad-CAM tells us where. Above each map
# stands the share of its heat on the side of its own digit. It is not all of the heat: a map of
# 3×7 cells is coarse, and some of its heat lies beside the strokes. Is it more than a half? And if
# it is, one picture may be luck.
#
# ## One picture proves nothing: measure it
#
# For each test pair we ask for the left digit and for the right one, and measure which share of the
# heat lies on the half where this digit stands. A map that knows nothing gets 0.5. And we can ask
# at **any layer**. **Guess:** which layer is the best? Which one has the finest map?


# %%
ladder = {}  # layer: (mean share, spread, number of empty maps)
many = 60 if fast else 300
X2 = torch.cat([X[:many], X[:many]])  # each pair twice: once for its left digit, once for its right
c2 = torch.cat([pair[:many, 0], pair[:many, 1]])
side2 = (torch.arange(len(X2)) >= len(X2) // 2).long()
print("layer    size    share of the heat on the digit asked for")
for layer in ("relu1", "relu2", "relu3", "relu4"):
    M = explain(layer, X2, c2)
    full = M.amax((1, 2)) > 0  # a map may be empty: nothing speaks for the class
    share = share_on_the_digit(camlite.up(M, size), side2)[full]
    ladder[layer] = float(share.mean()), float(share.std()), int((~full).sum())
    print(
        f"{layer}   {M.shape[1]:2}×{M.shape[2]:<2}   {share.mean():.2f} ± {share.std():.2f}"
        f"   ({int((~full).sum())} of {len(M)} maps are empty)"
    )

# %% [markdown]
# **Your guess:** the last layer is the best, the first one has the finest map. The deeper the
# layer, the coarser the map, and the better it knows the class. The first layer knows strokes, but
# not yet to which digit they belong: whatever the class, its map shows every stroke, or every gap,
# and its share is close to 0.5. That is why the last convolutional layer is the usual choice. It is
# a choice, and part of what you must report with a map.
#
# Two more things stand in the table. At an early layer a map can be empty: the sum is negative at
# all places, and the ReLU leaves nothing. (How many, the last column says.) And look at the spread,
# which does not get smaller. Grad-CAM is right *on average*. Why does it go wrong for some images,
# even at the last layer? One mean over all places is a rough summary where, after a flattening,
# each place has weights of its own. HiResCAM takes no mean: see *Try this* at the
# end, and lesson 9.
#
# ## Negative evidence
#
# The ReLU hides one half of the story. Leave it out, and blue places speak **against** the class.
# The paper turns the sign round to get a **counterfactual** explanation, "what would have to go
# away?":
#
# $$ \alpha'_k = \frac{1}{Z}\sum_{x,y} -\frac{\partial Y_c}{\partial F_k(x,y)} $$
#
# That is your function again, with `-G`. For one digit of the pair, it should point to the other
# one. Does it?

# %%
F2, Y2 = record(net, "relu4", X2)
G2 = gradient(Y2, F2, c2)
against = camlite.up(grad_cam(F2, -G2).detach(), size)
has_some = against.amax((1, 2)) > 0
on_rival = share_on_the_digit(against, 1 - side2)[has_some]
print(
    f"{int(has_some.sum())} of {len(X2)} maps have negative evidence, "
    f"{on_rival.mean():.0%} of it on the other digit"
)

# %% [markdown]
# It does, mostly. So the maps make two claims about the network, and both can be tested. We make
# one half of the picture darker, by 10 %, by 50 %, and by 100 % (erased), and look at the logit of
# the digit:
#
# * darken the digit itself: the map says that its evidence is there, so the logit must **fall**;
# * darken the other digit: the map says that it speaks against, so the logit must **rise**.
#
# **Which of the two will come true? Write down your guess for each.**


# %%
def logit_with_darker(half: Tensor, amount: float) -> Tensor:
    """The logit of c2 after one half of each image (0: left, 1: right) was made darker."""
    columns = torch.arange(X2.shape[-1]) // 28
    darker = 1 - amount * (columns[None, :] == half[:, None]).float()
    with torch.no_grad():
        return net(X2 * darker[:, None, None, :])[torch.arange(len(X2)), c2]


rows2 = torch.arange(len(X2))
whole = Y2.detach()[rows2, c2]
falls, rises = {}, {}
print("darker by     the digit itself: falls in        the other digit: rises in")
for amount in (0.1, 0.5, 1.0):
    drop = whole - logit_with_darker(side2, amount)
    rise = logit_with_darker(1 - side2, amount) - whole
    falls[amount], rises[amount] = (float((v > 0).float().mean()) for v in (drop, rise))
    print(
        f"   {amount:4.0%}     {falls[amount]:4.0%} of the cases ({-drop.mean():+.2f})"
        f"       {rises[amount]:4.0%} of the cases ({rise.mean():+.2f})"
    )
print(f"a coin gives 50 %, and 95 % of all coins lie within ±{98 / len(X2) ** 0.5:.0f} % of that")

# %% [markdown]
# **Your guesses:** the first claim holds. The more we take away from the digit, the more the logit
# falls, and erased it falls nearly always. The second claim is much weaker: at every amount it
# comes true less often than the first one, and the mean change of the logit is small beside the
# fall. How weak depends on the network. With MNIST, about half of the cases rise, or fewer: the
# claim is no better than a coin. With the small digits it is more than half: the claim holds
# for most of the images, but far from all. Your own numbers stand in the last column.
#
# Is the test fair? A picture with one half erased is **off-distribution**: in training the network
# always saw two digits, so nobody knows what its logits mean there. Therefore we also took the
# small step of 10 %, after which the picture is nearly an ordinary one. The answer there is the
# same.
#
# Why? A gradient describes a small change of the *feature maps*, not a large one of the *pixels*.
# And Grad-CAM takes the mean of the gradient over all places: a channel can speak against the class
# on average, and for it at just this place. So a blue place does not promise "take this away, and
# the score rises". The map makes a claim, **the experiment decides**. Many heat maps in the
# literature were never asked to prove anything.
#
# ## Logit or probability?
#
# Some programs take the gradient of the probability $P_c$ instead of the logit $Y_c$. "Same map up
# to a scale", one could think. **What do you think?** Here is the derivative of the softmax:
#
# $$ \frac{\partial P_c}{\partial F} =
# P_c\,\Big(\frac{\partial Y_c}{\partial F} - \sum_j P_j \frac{\partial Y_j}{\partial F}\Big) $$

# %%
F1, Y1 = record(net, "relu4", x)
P1 = Y1.softmax(1)
G_logit = torch.autograd.grad(Y1[0, a], F1, retain_graph=True)[0]
G_prob = torch.autograd.grad(P1[0, a], F1)[0]
M_logit = grad_cam(F1, G_logit, relu=False).detach()
M_prob = grad_cam(F1, G_prob, relu=False).detach()

# %% tags=["figure"] jupyter={"source_hidden": true}
cells = [(x[0], None)] + [(x[0], camlite.up(M, size)[0]) for M in (M_logit, M_prob)]
titles = ["image", f"logit of {a}", f"probability of {a}"]
plot.grid([cells], [""], titles, title="Two scores, two maps", signed=True)
plt.show()

# %%
same = torch.sign(channel_weights(G_logit)) == torch.sign(channel_weights(G_prob))
other_sign = int((~same).sum())
print(f"{other_sign} of {same.numel()} channel weights change their sign")

# %% [markdown]
# **Your guess:** not the same map up to a scale, for signs change. The probability of one class
# also grows when its rivals shrink: its gradient answers "why this one *rather than* the others?".
# That can be a good question, but it is another one. (Lesson 11 asks both.)
#
# And there is a second trap. Where a network is sure, the softmax is flat:

# %%
F_sure, Y_sure = record(gap_net, "features", one)
P_sure = Y_sure.softmax(1)[torch.arange(5), c]
Y_c = Y_sure[torch.arange(5), c].sum()
α_logit = channel_weights(torch.autograd.grad(Y_c, F_sure, retain_graph=True)[0])
α_prob = channel_weights(torch.autograd.grad(P_sure.sum(), F_sure)[0])
print("probability     ", [f"{v:.6f}" for v in P_sure.tolist()])
print("size of α, logit", [f"{v:.0e}" for v in α_logit.abs().amax(1).tolist()])
print("size of α, prob ", [f"{v:.0e}" for v in α_prob.abs().amax(1).tolist()])

# %% [markdown]
# The gradient of the logit has the same size for all five. The gradient of the probability is small
# where the network is sure, and for a network that is surer still it ends in rounding error;
# scaling to $[0, 1]$ makes a bright picture of it. Grad-CAM takes the logit.
#
# ## Guided Grad-CAM: which pixels?
#
# A map of 3×7 cells says *where*, but not *what* there. **Guided back-propagation** says
# what: it is the gradient of the score with respect to the pixels, but at every ReLU only positive
# signals may go back,
#
# $$ R_{\text{below}} = \mathbb{1}[f > 0]\;\mathbb{1}[R > 0]\;R , $$
#
# where $f$ is what went into the ReLU and $R$ the signal that comes back. Its pictures are sharp.
# But they depend on the class only a little, as we will measure. The paper's idea: multiply the
# two. One knows *where*, the other *what*. Here we use `camlite.guided_backprop`; lesson 7
# took it apart.
#
# ## Exercise 8.4: the product
# *●●○○○ · about 8 minutes*
#
# $$ \text{Guided Grad-CAM} = \mathrm{Up}(M) \cdot \text{guided} $$
#
# `M` is (N, h, w), `guided` is (N, C, H, W). First enlarge `M` to H×W (bilinear,
# `align_corners=False`, as in lesson 3), then multiply. No scaling, no ReLU: take both as they
# come.


# %% tags=["exercise", "8.4"]
def guided_grad_cam(M: Tensor, guided: Tensor) -> Tensor:
    """Where times what: maps M (N, h, w), guided (N, C, H, W) -> (N, C, H, W)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 8.4: guided_grad_cam")


# %%
check("8.4", guided_grad_cam)

# %%
M2 = explain("relu4", X2, c2)
guided2 = camlite.guided_backprop(net, X2, c2)
product2 = guided_grad_cam(M2, guided2)
pictures = {
    "Grad-CAM": camlite.up(M2, size),
    "guided back-propagation": guided2.abs().sum(1),
    "Guided Grad-CAM": product2.abs().sum(1),
}
shares = {}
for text, picture in pictures.items():
    share = share_on_the_digit(picture, side2)[M2.amax((1, 2)) > 0]
    shares[text] = float(share.mean())
    print(f"{text:24} {share.mean():.2f} of its heat is on the digit in question")

# %% [markdown]
# Guided back-propagation alone puts only a little more than half of its lines on the digit in
# question: it hardly depends on the class. The product has the largest share.
#
# ## Is it an explanation?
#
# It looks like one. But let us break the network: a copy of it, whose two linear layers get
# **random** weights. Its convolutions are still trained and find strokes, but its decision is
# random now. A good explanation of this decision must look different. **Guess first:** how similar
# are the pictures of the trained and of the broken network? (Correlation 1: the same picture, 0:
# nothing in common.)

# %%
broken = nn.Sequential(OrderedDict((n, m) for n, m in net.named_children()))
torch.manual_seed(0)
broken.fc1, broken.fc2 = nn.Linear(64 * 3 * 7, 64), nn.Linear(64, 10)


def likeness(A: Tensor, B: Tensor) -> float:
    """Mean correlation of two pictures of the same image, over all images."""
    A, B = (T.flatten(1) - T.flatten(1).mean(1, keepdim=True) for T in (A, B))
    return float(functional.cosine_similarity(A, B, dim=1).mean())


M_signed = explain("relu4", X2, c2, relu=False)
M_broken = camlite.grad_cam(broken, "relu4", X2, c2, relu=False)
guided_broken = camlite.guided_backprop(broken, X2, c2)
drawn, drawn_broken = guided2.abs().sum(1), guided_broken.abs().sum(1)
alike_map, alike_guided = likeness(M_signed, M_broken), likeness(drawn, drawn_broken)
print(f"Grad-CAM (with sign):     correlation {alike_map:.2f}")
print(f"guided back-propagation:  correlation {alike_guided:.2f}")

# %% [markdown]
# **Your guess:** Grad-CAM becomes another map. Guided back-propagation draws nearly the same
# picture for a network whose decision is random. Most of what it shows are the strokes that the
# convolutions find in the *image*, not the decision (Adebayo and colleagues, 2018). In Guided
# Grad-CAM only the coarse factor carries the explanation; the fine lines are decoration. Use it to
# guide the eye, not as evidence.
#
# ## The figure of this lesson
#
# On the left the ladder of layers, on the right the way from the coarse map to single pixels, for
# both questions: why this digit, and why the other one?


# %% tags=["figure"] jupyter={"source_hidden": true}
def with_heat(axis, image: Tensor, heat: Tensor):
    """The picture in grey, and the heat over it; where there is none, the picture stays visible."""
    box = (0, image.shape[-1], image.shape[-2], 0)
    axis.imshow(0.6 * image[0], cmap="gray", vmin=0, vmax=1, extent=box)
    heat = heat / float(heat.max() or 1)
    opacity = heat.clamp(0, 1).sqrt().numpy() * 0.8
    return axis.imshow(heat, cmap="magma", vmin=0, vmax=1, alpha=opacity, extent=box)


figure = plt.figure(figsize=(12, 6.4), layout="constrained")
rungs_part, pixels_part = figure.subfigures(1, 2, wspace=0.04)
rungs, steps = rungs_part.subplots(4, 2), pixels_part.subplots(4, 2)
for row, (layer, (mean, _, _)) in zip(rungs, ladder.items(), strict=True):
    for axis, digit in zip(row, (a, b), strict=True):
        M = explain(layer, x, digit)
        warm = with_heat(axis, x[0], M[0])
    row[0].set_ylabel(
        f"{layer}, {M.shape[1]}×{M.shape[2]}\n{mean:.0%} of the\nheat on\nthe digit",
        rotation=0,
        ha="right",
        va="center",
    )
for column, digit in enumerate((a, b)):
    M = explain("relu4", x, digit)
    guided = camlite.guided_backprop(net, x, digit)
    steps[0, column].imshow(x[0, 0], cmap="gray")
    with_heat(steps[1, column], x[0], camlite.up(M, size)[0])
    for axis, lines in zip(steps[2:, column], (guided, guided_grad_cam(M, guided)), strict=True):
        top = float(lines.abs().flatten().quantile(0.995)) or 1.0
        signed = axis.imshow(lines[0, 0] / top, cmap="RdBu_r", vmin=-1, vmax=1)
names = "image", "where:\nGrad-CAM", "what:\nguided\nback-prop.", "product:\nGuided\nGrad-CAM"
for axis, text in zip(steps[:, 0], names, strict=True):
    axis.set_ylabel(text, rotation=0, ha="right", va="center")
for axes in (rungs, steps):
    for axis, digit in zip(axes[0], (a, b), strict=True):
        axis.set_title(f"why {digit}?   P = {p[digit]:.2f}", fontsize=11)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
bar = {"location": "bottom", "shrink": 0.7, "aspect": 40}
plot.opaque(
    rungs_part.colorbar(warm, ax=rungs, label="evidence, 0 to the map's own maximum", **bar)
)
line = pixels_part.colorbar(
    signed, ax=steps, label="for a higher score: darker ← 0 → brighter", **bar
)
line.set_ticks([-1, 0, 1])
line.ax.axvline(0, color="black", linewidth=0.8)
rungs_part.suptitle(
    f"The deeper the layer, the coarser the map,\nand the surer of the digit (n = {len(X2)} maps)"
)
pixels_part.suptitle("Where × what = which pixels:\nthe sharp lines come from the image")
plt.show()

# %% [markdown]
# ## Once more
#
# *From lesson 2, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 2.4, for the head of today. Compute the ten logits of the example from `F_flat`, the
# maps as one row (1, 1344), and from the weights and biases of the two linear layers. Two lines.

# %%
F_flat = F_split.detach().flatten(1)
W1, b1 = net.fc1.weight.detach(), net.fc1.bias.detach()
W2, b2 = net.fc2.weight.detach(), net.fc2.bias.detach()
logits_flat = torch.zeros(1, 10)  # your lines here
with torch.no_grad():
    off = float((logits_flat - net(x)).abs().max())
print(f"largest difference to the network: {off:.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `hidden = (F_flat @ W1.T + b1).relu()`, then `logits_flat = hidden @ W2.T + b2`. What is left is
# rounding. Without the ReLU the two tables could be multiplied into one; with it they cannot.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 8` asks them again, also next week.
#
# **1.** A network ends in GAP and one linear layer. Its last maps are 7×7, and one channel has
# the weight 9.8 for the class. What is the gradient at each place of this channel? What is its α?
#
# <details><summary>Answer</summary>
#
# 9.8 / 49 = 0.2 at every place, and the mean of equal numbers is 0.2 too. So here Grad-CAM is
# CAM, divided by 49.
#
# </details>
#
# **2.** One channel and two places: F = (1, 3) and G = (2, −2). What is the map of Grad-CAM? What
# is gradient times feature map, place by place?
#
# <details><summary>Answer</summary>
#
# (0, 0), because the mean of G is 0. Place by place it is (2, −6). Where the gradient changes its
# sign, the mean over the places hides what single places do.
#
# </details>
#
# **3.** A network is nearly sure: P = 0.999999. You take the gradient of this probability instead
# of the logit. What happens to the values of the map? What do you see after scaling to [0, 1]?
#
# <details><summary>Answer</summary>
#
# The values become very small, because the softmax is flat there. After scaling, the map is as
# bright as any other, and nobody sees how small the values were.
#
# </details>
#
# **4.** (lesson 6) A map for *3* lies on the 3 and nowhere else. Does this prove that the network
# uses the 3? What do you do?
#
# <details><summary>Answer</summary>
#
# No, the map is only a claim. Make the 3 darker and leave all else as it is. If the claim is
# true, the logit falls. Then make another part as dark: now the logit should hardly move.
#
# </details>
#
# **5.** (lesson 3) Two heads: (a) GAP, Linear, ReLU, Linear; (b) GAP, Linear. For which one can
# you exchange the two sums, as CAM does? Why not for the other one?
#
# <details><summary>Answer</summary>
#
# For (b): its logit is a weighted sum of means, and the order of two sums does not matter. In (a)
# there is a ReLU in between. The logit is no weighted sum of the means any more, and no row of
# weights belongs to a class.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * Grad-CAM replaces the weights of CAM by mean gradients. So it works for **any head** and **any
#   layer**, without new training. It costs one forward pass, and one backward pass down to the
#   layer.
# * On a network with GAP and one linear layer it **is** CAM, divided by $Z$.
# * Cut the network in two, by hand, with a hook, or with `camlite.split`. Whoever keeps feature
#   maps must let the network go on with a **copy**, remove the hook, and use `eval()`.
# * Deep layers know the class and are coarse; shallow ones are fine and do not know it.
# * Without the ReLU you see evidence against the class. That is a claim, and here it was weaker
#   than the claim of the positive map: change the image, and measure.
# * Say which score you explain. Logit and probability give different maps.
# * Guided Grad-CAM is sharp, but its sharpness comes from the image.
#
# **Where it fails.** The mean over all places can light up places that the network does not use,
# and hide others that it uses. Of several objects of the same class it may show only
# some. And after a flattening the map does not add up to the logit, as it did in
# lesson 3.
#
# **Try this** (10 minutes). Leave out the mean: $\sum_k G_k(x,y)\,F_k(x,y)$, gradient times feature
# map place by place, is called **HiResCAM**. Write `hires(F, G)`, and test it on `F2` and `G2`:
# it must agree with `camlite.hires_cam(net, "relu4", X2, c2)`. Then take the ReLU of it and measure
# the share of its heat on the digit, as above. Is it larger than with Grad-CAM? Is the spread
# smaller? And if you have more time: replace the head, by `nn.AdaptiveMaxPool2d(1)` instead of the
# flattening, or by a GRU that reads the columns. Nothing else in this lesson has to change.
#
# **Where to read on.** Sections 3.1 to 3.3 of the paper: the method, Guided Grad-CAM,
# counterfactual explanations. `camlite.grad_cam` has the same steps as your functions; `camlite
# card grad_cam` lists its needs and caveats. J. Adebayo and others: *Sanity Checks for Saliency
# Maps*, NeurIPS 2018; lesson 18 makes these checks.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *gradient*: gradient · 梯度 · 梯度 · 勾配
# * *back-propagation*: lan truyền ngược · 反向传播 · 反向傳播 · 逆伝播
# * *guided back-propagation*: lan truyền ngược có hướng dẫn · 导向反向传播 · 導向反向傳播 ·
#   ガイド付き逆伝播
# * *hook*: hook · 钩子函数 · 掛鉤函式 · フック
# * *flatten*: làm phẳng · 展平 · 扁平化 · 平坦化
# * *fully connected layer*: lớp kết nối đầy đủ · 全连接层 · 全連結層 · 全結合層
#
# **Next:** lesson 9. When does Grad-CAM show a place that the network does not use?
