# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 20: The gallery, and a study of your own
#
# **Time** 120 minutes · **Difficulty** ●●●○○ · **You need** lessons 3, 8 and 12 · **At the end**
# you have compared several networks on one picture, and you have repeated a published table in
# small: protocol first, then the numbers, then an interval that says how sure you may be.
#
# A dog sits on the floor, a cat lies before it. The network says: bull mastiff. camlite has more
# than thirty methods that draw *why*, and you may download as many networks as you like. Everybody
# can fill a wall with heat maps. On a wall like that you will always find one picture that you
# like.
#
# One article about class activation maps shows the Mona Lisa, with heat on the face and the hands:
# the network "looks for the person". It is a fine picture. But a map belongs to a network and to a
# class, and the usual networks, trained on the 1000 classes of ImageNet, have no class *person*.
# Which class was asked, of which network, and would another choice have put the heat somewhere
# else? A picture alone does not say it.
#
# **Today's question: how do you find out that one method is better than another, when it would be
# so easy to choose the picture that agrees with you?**
#
# > **Paper:** A. Chattopadhyay, A. Sarkar, P. Howlader, V. N. Balasubramanian: *Grad-CAM++:
# > Generalized Gradient-Based Visual Explanations for Deep Convolutional Networks*, WACV 2018, arXiv
# > 1710.11063 (version 3: *Improved Visual Explanations …*). We repeat one row of its tables. The interval is by B. Efron: *Bootstrap Methods: Another Look at the
# > Jackknife*, Annals of Statistics 7, 1979.

# %% tags=["imports"]
import hashlib
import json
import os
import warnings

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

import camlite
from camlite import data, metrics, nets, weights
from camlite.figures import plot
from camlite.course import check, hint
from camlite.split import last_spatial_layer

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images and channels: only for automatic tests
warnings.simplefilter("ignore", camlite.LayerChosen)  # we always take the last layer with space

# %% [markdown]
# ## The networks
#
# If the weights of ResNet50 lie in the folder `weights/` of your data folder (see `camlite
# doctor`), and the picture and the sample photographs too, we use real networks. If not, five small
# networks take their places. They come with camlite. They read small digits, and each of them has
# the **head** (the part after the last feature maps) of a family of large networks. Their picture
# holds two digits, a three and an eight.
#
# | small network | after the last feature maps | the same in |
# |---|---|---|
# | `gap_linear` | GAP, linear | ResNet, GoogLeNet |
# | `gap_two_linears` | GAP, linear, Hardswish, linear | MobileNetV3 |
# | `flatten` | pooling, flatten, two linear layers | VGG, AlexNet |
# | `conv_head` | 1×1 convolution to the classes, ReLU, GAP | SqueezeNet |
# | `functional_relu` | a ReLU that is no module, GAP, linear | DenseNet |
#
# To add others to the real ones, write their names into `more`: they will be downloaded.

# %%
more: list[str] = []  # for example ["densenet121", "efficientnet_b0", "vgg16"]

photo, samples = data.find("photos/cat_dog.jpg"), data.find("imagenet_samples")
real = "resnet50" in weights.at_hand() and photo is not None and samples is not None
small = {head: nets.bundled(f"heads_{head}") for head in nets.HeadNet.HEADS}


def on_canvas(digit: Tensor, y: int, x: int) -> Tensor:
    """A digit (1, 8, 8), enlarged to 14×14, with its corner at (y, x) of a black 28×28."""
    enlarged = functional.interpolate(digit[None], size=(14, 14), mode="bilinear")
    return functional.pad(enlarged, (x, 14 - x, y, 14 - y))


digits, labels = data.digits(train=False)
three, eight = (digits[labels == d][0] for d in (3, 8))
two_digits = on_canvas(three, 1, 2) + on_canvas(eight, 13, 13)

if real:
    found = {name: weights.pretrained(name) for name in [*weights.at_hand(), *more]}
    zoo = {name: net.model for name, net in found.items()}
    seen, picture = weights.preprocess(data.load_image(photo))
    main, first, second, absent = "resnet50", 243, 282, 859  # bull mastiff, tiger cat, toaster
    names = found[main].categories
else:
    zoo, seen, picture = small, two_digits, two_digits
    main, first, second, absent = "gap_linear", 3, 8, 5
    names = [f"digit {c}" for c in range(10)]
layers = {name: last_spatial_layer(network, picture) for name, network in zoo.items()}
for name, network in zoo.items():
    with torch.no_grad():
        p = network(picture).softmax(1)[0]
    print(
        f"{name:16} {layers[name]:12} says {names[int(p.argmax())]}; "
        f"{names[first]}: {p[first]:.3f}, {names[second]}: {p[second]:.1e}"
    )

# %% [markdown]
# ## Which maps are the same map?
#
# Here are four maps that need one forward and at most one backward pass. You have written all of
# them (lessons 3, 8 and 9). The last two change one thing in Grad-CAM: HiResCAM does not average
# the gradient over the places, XGrad-CAM averages it with the activations as weights.
#
# | method | map |
# |---|---|
# | CAM | $\sum_k W_{c,k}\,F_k$ |
# | Grad-CAM | $\sum_k \mathrm{GAP}(G_k)\,F_k$, where $G = \partial Y_c/\partial F$ |
# | HiResCAM | $\sum_k G_k \circ F_k$ |
# | XGrad-CAM | $\sum_k w_k\,F_k$, where $w_k$ is the mean of $G_k$ weighted by $F_k$ |
#
# **Guess before you run anything.** For which of the heads above are all four the same, up to a
# factor? Which heads have no CAM? Think about one thing only: does $G$ depend on the place?
#
# This is how the library is asked, with the sign kept, and what it says where there is no CAM:

# %%
M = camlite.grad_cam(small["flatten"], None, two_digits, 3, relu=False)
print("Grad-CAM", tuple(M.shape), "from", round(float(M.min()), 2), "to", round(float(M.max()), 2))
try:
    camlite.cam(small["flatten"], None, two_digits, 3)
except camlite.ArchitectureError as error:
    print("no CAM:", error)
a, b = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0])
print("cosine of (1, 2) and (3, 6):", float(functional.cosine_similarity(a, b, dim=0)))

# %% [markdown]
# ## Exercise 20.1: compare
# *●●●○○ · about 15 minutes*
#
# Measure it. A factor does not change a picture, so compare directions: the **cosine** of two maps,
# written as long vectors, is 1 if they are equal up to a positive factor.
#
# $$ \cos(A, B) = \frac{\sum_{x,y} A\,B}{\sqrt{\sum A^2}\,\sqrt{\sum B^2}} $$
#
# `models` is a dict: name → network. `image` is (1, C, H, W), `target` a class. For each network
# compare Grad-CAM with the other three, at the last layer with space (`layer=None`), all maps with
# their sign (no ReLU). Return a dict of dicts of numbers:
# `{name: {"cam": …, "hires_cam": …, "xgrad_cam": …}}`. Where a network has no CAM, `camlite.cam`
# raises `camlite.ArchitectureError`; write `None` there.


# %% tags=["exercise", "20.1"]
def compare(models: dict[str, nn.Module], image: Tensor, target: int) -> dict:
    """How far CAM, HiResCAM and XGrad-CAM point the way of Grad-CAM, for each network."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 20.1: compare")


# %%
check("20.1", compare)

# %%
columns = ("cam", "hires_cam", "xgrad_cam")
cosines = compare(zoo, picture, first) | compare(small, two_digits, 3)
print(f"{'cosine with Grad-CAM':24}" + "".join(f"{c:>12}" for c in columns))
for name, row in cosines.items():
    cells = ("none" if row[c] is None else f"{row[c]:.4f}" for c in columns)
    print(f"{name:24}" + "".join(f"{cell:>12}" for cell in cells))

# %% [markdown]
# Where GAP comes directly after the layer, each place enters the mean in the same way. Places exist
# only before GAP: what follows it cannot know them, so the gradient at the layer is the same at all
# places, whatever follows. Grad-CAM, HiResCAM and XGrad-CAM agree, also for two linear layers and
# for the small network with SqueezeNet's head. CAM asks for more: *one* linear layer, whose weights
# it can read. Of all these heads only the flattening one tells the three apart.
#
# Keep this in mind when you read a comparison of these methods on a ResNet, at its last layer: four
# columns of a table can be one column, printed four times.
#
# ## One picture, several networks
#
# We ask each network three questions: for the two things in the picture, and for one that is not in
# it. **Guess:** what does the map look like for something that is not there?


# %%
def heat(M: Tensor) -> Tensor:
    """The positive part of a map (1, h, w) as a picture (H, W) in [0, 1]."""
    return camlite.heatmap(M.relu(), picture.shape[2:])[0]


def cam_or_grad_cam(name: str, target: int) -> tuple[str, Tensor]:
    """CAM where the head allows it, else Grad-CAM."""
    try:
        return "CAM", camlite.cam(zoo[name], layers[name], picture, target)
    except ValueError:  # an ArchitectureError
        return "Grad-CAM", camlite.grad_cam(zoo[name], layers[name], picture, target)


questions = (first, second, absent)
answers = {}  # (class, network) -> method, map, probability
for target in questions:
    for name in zoo:
        method, M = cam_or_grad_cam(name, target)
        with torch.no_grad():
            p = float(zoo[name](picture).softmax(1)[0, target])
        answers[target, name] = method, M, p
brightest = {
    target: max(float(heat(answers[target, n][1]).max()) for n in zoo) for target in questions
}
largest_p = {target: max(answers[target, n][2] for n in zoo) for target in questions}
for target in questions:
    print(
        f"{names[target]:14} largest probability {largest_p[target]:.0e}, "
        f"brightest place of a map {brightest[target]:.1f}"
    )

# %% tags=["figure"] jupyter={"source_hidden": true}
shown = plot.picture(seen[0])  # (H, W, 3), or (H, W) for grey


def with_heat(axis, M: Tensor, cmap: str = "magma", low: float = 0.0):
    """The picture, darker, and the map on it: where it is zero, the picture stays visible."""
    axis.imshow(0.55 * shown, cmap="gray", vmin=0, vmax=1)
    axis.set(xticks=[], yticks=[])
    return axis.imshow(M, cmap=cmap, vmin=low, vmax=1, alpha=M.abs().clamp(max=1).sqrt() * 0.9)


figure, axes = plt.subplots(
    len(questions), len(zoo) + 1, figsize=(2.1 * len(zoo) + 3.2, 7.2), layout="constrained"
)
for row, target in zip(axes, questions, strict=True):
    row[0].imshow(shown, cmap="gray")
    row[0].set(xticks=[], yticks=[])
    row[0].set_ylabel(f"{names[target]}?", fontsize=11)
    for axis, name in zip(row[1:], zoo, strict=True):
        method, M, p = answers[target, name]
        drawn = with_heat(axis, heat(M))
        axis.set_title(
            f"{name}\n{method}, p = {p:.3f}" if p > 5e-4 else f"{name}\n{method}, p = {p:.0e}",
            fontsize=9,
        )
bar = figure.colorbar(drawn, ax=axes, label="evidence, 0 to the map's own maximum")
plot.opaque(bar)
figure.suptitle(f"The last row is not in the picture: {names[absent]}. Its maps are as bright")
plt.show()

# %% [markdown]
# Look at the last row, and at the numbers. The probability is nearly zero, and there is still a
# map, as bright as the others: each map was scaled by its own maximum. A map answers "where?" even
# if the answer to "whether?" is no. (Look along a row, too: the networks do not agree where the
# evidence is. In the second row SqueezeNet, if you have it, is brightest on the dog although the
# cat was asked for.)
#
# ## For and against
#
# Now ResNet50 alone (or the small network in its place), with the sign: red speaks for the class,
# blue against it. We also draw the evidence for one class **rather than** the other (lesson 11),
# the map of
# $Y_a - Y_b$. And Score-CAM, which asks the network once for each channel. ResNet50 has 2048 channels:
# minutes for one map. So we take the short way that is known as *Faster Score-CAM*: only the
# channels whose maps vary most. Set `channels = None` to take all, as in the paper. (We compared
# both once, with ResNet50 and this picture: the correlation of the map from 64 channels with the
# map from all 2048 was 0.99 for the dog and 0.88 for the cat.)
#
# **Guess:** a softmax makes all weights of Score-CAM positive: it cannot say "against". Will it
# give the same map for both?

# %%
channels = 16 if fast else 64  # None: all of them; for ResNet50 some minutes for each class


@torch.no_grad()
def score_cams(model: nn.Module, layer: str, image: Tensor, classes: tuple[int, ...]) -> Tensor:
    """Score-CAM of lesson 12 for each class, from the `channels` maps with the largest variance."""
    features, _ = camlite.split(model, layer)
    F = features(image)  # (1, K, h, w)
    k = F.flatten(2).var(dim=2)[0].topk(min(channels or F.shape[1], F.shape[1])).indices
    H = camlite.minmax(camlite.up(F[:, k], image.shape[2:]))[0]  # masks (k, H, W)
    bar = tqdm(H.split(16), desc="Score-CAM", disable=None)
    C = torch.cat(
        [model(image * masks[:, None])[:, list(classes)] for masks in bar]
    )  # (k, classes)
    return camlite.weighted_sum(C.softmax(0).T, F[:, k].expand(len(classes), -1, -1, -1)).relu()


def rather(a: int, b: int):
    """The score Y_a − Y_b, as a function of the logits."""
    return lambda logits: logits[:, a] - logits[:, b]


def alike(A: Tensor, B: Tensor) -> float:
    """Correlation of two maps, place by place."""
    return float(torch.corrcoef(torch.stack([A.flatten(), B.flatten()]))[0, 1])


net, layer = zoo[main], layers[main]
signed = {
    c: {
        "CAM": camlite.cam(net, layer, picture, c),
        "Grad-CAM": camlite.grad_cam(net, layer, picture, c, relu=False),
        f"rather than {names[other]}": camlite.grad_cam(
            net, layer, picture, rather(c, other), relu=False
        ),
    }
    for c, other in ((first, second), (second, first))
}
scores = dict(zip((first, second), score_cams(net, layer, picture, (first, second)), strict=True))
positive = {
    (c, text): float((M > 0).float().mean()) for c in signed for text, M in signed[c].items()
}
for (c, text), part in positive.items():
    print(f"{names[c]:14} {text:26} speaks for the class at {part:4.0%} of the places")
score_cams_alike = alike(scores[first], scores[second])
print(f"Score-CAM: correlation of the two maps {score_cams_alike:.2f}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 5, figsize=(12.6, 5), layout="constrained")
for row, c in zip(axes, (first, second), strict=True):
    row[0].imshow(shown, cmap="gray")
    row[0].set(xticks=[], yticks=[])
    row[0].set_ylabel(names[c], fontsize=11)
    for axis, (title, M) in zip(row[1:4], signed[c].items(), strict=True):
        M = camlite.up(M, picture.shape[2:])[0]
        colours = with_heat(axis, M / M.abs().max(), "RdBu_r", -1)
        axis.set_title(title, fontsize=10)
    drawn = with_heat(row[4], heat(scores[c][None]))
    row[4].set_title("Score-CAM", fontsize=10)
for colour, of, text in (
    (colours, axes[:, :4], "against   ←   0   →   for"),
    (drawn, axes[:, 4:], "evidence, 0 to the map's own maximum"),
):
    plot.opaque(figure.colorbar(colour, ax=of, label=text, shrink=0.85))
figure.suptitle(f"{main}, third map: each thing speaks for its own class and against the other")
plt.show()

# %% [markdown]
# * CAM and Grad-CAM are the same picture. Exercise 20.1 said so.
# * Ask whether negative evidence is there at all. A softmax network may add one number to *all* its
#   logits and nobody sees it. So the sign of a single logit's map means little: it may be red at
#   most places (see the shares above). The map of a **difference** shows the decision: the place of
#   one speaks for it, that of the other against it.
# * Does Score-CAM distinguish the two classes? All its weights are positive, and still the maps are
#   not the same: the softmax of logits gives most of the weight to other channels. The number above
#   says how far apart they are; 1 would be the same map.
#
# Which of the pictures is the best? You have an opinion already. This is the moment to stop
# looking at pictures.
#
# ## Protocol first
#
# We repeat one row of a table of the Grad-CAM++ paper (lesson 10): ResNet-50, ImageNet, with three
# numbers. Let $Y_i$ be the probability of the predicted class on image $i$, and $O_i$ the same
# after the image was multiplied by its map, scaled to $[0, 1]$:
#
# $$ \text{drop}_i = 100\,\frac{\max(0,\,Y_i - O_i)}{Y_i}, \qquad
#    \text{average drop} = \frac1N\sum_i \text{drop}_i, \qquad
#    \text{increase} = \frac{100}{N}\,\#\{i : O_i > Y_i\} $$
#
# and **win**: on how many images is the drop of one method smaller than the drop of the other?
#
# There are many small choices: which layer, which score, which fill (in lesson 12 it changed the
# verdict), which images. Each of them can be made *after* one has seen the numbers, and then each
# is a way to fool oneself. So write them down **before**, together with the rule that decides. We
# print a fingerprint of the text; if you change a word later, it changes too.

# %%
files = sorted(samples.glob("*.JPEG")) if real else []
at_most = len(files) if real else len(digits) // 2  # as many images as there are
N = 12 if fast else 50
published = {"grad_cam_plus_plus": (28.90, 22.16), "grad_cam": (30.36, 22.11)}  # drop, increase
published_win = 60.51  # Grad-CAM++ wins, percent

protocol = {
    "question": "Is the average drop of Grad-CAM++ lower than that of Grad-CAM?",
    "repeats": "Chattopadhyay et al. 2018, ILSVRC2012 val, ResNet-50"
    if real
    else "the idea only: other network, other images than Chattopadhyay et al. 2018",
    "network": f"{main}, {found[main].source if real else 'bundled with camlite'}",
    "layer": layer,
    "images": f"{N} of the {at_most} files of imagenet_samples, evenly spaced by name"
    if real
    else f"{N} images, two test digits of scikit-learn on each",
    "class": "the predicted one",
    "score": "softmax probability",
    "map": "with ReLU, upsampled bilinearly, then scaled by its minimum and maximum",
    "fill": "0 of the normalised image (the mean colour)" if real else "0 (black)",
    "floors": ["random_cam", "center_gaussian"],
    "left out": "nothing",
    "interval": "percentile bootstrap of the mean, 4000 resamples, level 0.95, seed 0",
    "decision": "repeated if the interval of drop(Grad-CAM++) - drop(Grad-CAM), paired, lies below "
    "0; contradicted if it lies above 0; otherwise undecided",
}


def fingerprint(text: dict) -> str:
    """Twelve characters that change with every change of the text."""
    return hashlib.sha256(json.dumps(text, sort_keys=True).encode()).hexdigest()[:12]


sealed = fingerprint(protocol)
for key, value in protocol.items():
    print(f"{key:10} {value}")
print(f"\nfingerprint {sealed}; N can be {at_most} at most")

# %% [markdown]
# **Guess now, and write it down:** how large will the drop of a *random* map be? Of a blob in the
# middle of the image? These two are the **floors**: whoever is not better than a floor has
# explained nothing.
#
# ## The run


# %%
def study_images() -> Tensor:
    """The N images of the protocol, as the network reads them."""
    if real:
        chosen = [files[i * at_most // N] for i in range(N)]
        return torch.cat([weights.preprocess(data.load_image(file))[1] for file in chosen])
    pairs = zip(digits[: 2 * N : 2], digits[1 : 2 * N : 2], strict=True)
    return torch.cat([on_canvas(a, 1, 2) + on_canvas(b, 13, 13) for a, b in pairs])


@torch.no_grad()
def probability(images: Tensor, c: Tensor) -> Tensor:
    return net(images).softmax(1).gather(1, c[:, None])[:, 0]


images = study_images()
methods = ["grad_cam_plus_plus", "grad_cam", *protocol["floors"]]
before, after = [], {method: [] for method in methods}
for x in tqdm(images.split(10), desc="ten images at a time", disable=None):
    with torch.no_grad():
        c = net(x).argmax(1)
    before.append(probability(x, c))
    for method in methods:
        M = getattr(camlite, method)(net, layer, x, c)
        L = camlite.heatmap(M, x.shape[2:])
        after[method].append(probability(L[:, None] * x, c))
Y = torch.cat(before)
O = {method: torch.cat(scores) for method, scores in after.items()}
drop = {method: metrics.relative_drop(Y, O[method]) for method in methods}

for method in methods:
    print(
        f"{method:20} average drop {metrics.average_drop(Y, O[method]):5.1f} %   "
        f"increase {metrics.increase_in_confidence(Y, O[method]):5.1f} %"
    )

# %% [markdown]
# Were you right about the floors? The random map is last, as it should be. The blob in the middle
# is better: it has seen no network, and its drop lies between that of the methods and that of the
# random map.
#
# ## Exercise 20.2: how sure?
# *●●●○○ · about 15 minutes*
#
# These are means over a few images. With other images they would be different. How different? We
# have no other images. The **bootstrap** makes some: draw $N$ values out of your $N$ values, *with
# replacement* (some come twice, some not at all), and take the mean. Do so many times. The middle
# part of all these means is the interval: for level 0.95, between the 2.5 % and the 97.5 %
# quantile.
#
# `torch.randint(N, (3, 5), generator=generator)` draws a 3×5 table of whole numbers below N;
# `values[table]` takes the values at these positions; `v.quantile(0.025)` is a quantile.
#
# `values` is (N,). Draw 4000 resamples of N values each with `generator`, take the mean of each,
# and return `(low, high)`: the two quantiles that hold the share `level` between them, with the
# same share on both sides.


# %% tags=["exercise", "20.2"]
def bootstrap_interval(
    values: Tensor, level: float, generator: torch.Generator
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of values (N,): (low, high)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 20.2: bootstrap_interval")


# %%
check("20.2", bootstrap_interval)


# %%
def interval(values: Tensor) -> tuple[float, float]:
    """The interval of the protocol."""
    return bootstrap_interval(values, 0.95, torch.Generator().manual_seed(0))


intervals = {method: interval(drop[method]) for method in methods}
for method, (low, high) in intervals.items():
    print(
        f"{method:20} average drop {float(drop[method].mean()):5.1f} %, "
        f"interval {low:5.1f} to {high:5.1f}"
    )

# %% [markdown]
# The intervals of the first two methods overlap. Does it follow that they cannot be told apart?
# **Guess.** Then think of this: some images are hard for both methods, some are easy for both.
# That spread is in both intervals. But it has nothing to do with the question which one is better.
#
# ## Exercise 20.3: who wins on the same image?
# *●○○○○ · about 6 minutes*
#
# Compare them image by image. `a` and `b` are (N,), the drops of two methods on the same images:
# lower is better. Return in percent how often `a` wins. The paper does not say what a tie is worth;
# we give half a win to each side, so that the two rates sum to 100.


# %% tags=["exercise", "20.3"]
def paired_win_rate(a: Tensor, b: Tensor) -> float:
    """How often a is lower than b on the same image, in percent; a tie is half a win."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 20.3: paired_win_rate")


# %%
check("20.3", paired_win_rate)

# %%
plus, plain = drop["grad_cam_plus_plus"], drop["grad_cam"]
difference = plus - plain
wins = 100 * ((plus < plain).double() + 0.5 * (plus == plain).double())
low, high = interval(difference)
win_low, win_high = interval(wins)
print(
    f"drop(Grad-CAM++) - drop(Grad-CAM): {float(difference.mean()):+.2f}, "
    f"interval {low:+.2f} to {high:+.2f}"
)
print(
    f"Grad-CAM++ wins on {paired_win_rate(plus, plain):.1f} % of the images, "
    f"interval {win_low:.1f} to {win_high:.1f}"
)
print(f"ties: {int((plus == plain).sum())} of {len(plus)}")

# %% [markdown]
# So the answer is no: overlapping intervals do not say that two methods cannot be told apart. The
# paired interval is shorter than the two intervals above: what both methods have in common is gone.
# Pairing costs nothing. You only have to use the same images, and to keep the numbers of each image
# rather than the means. Does it contain 0? Then the rule of the protocol says "undecided".
#
# Note that "lower drop on average" and "wins more often" are two questions. One method may win
# often by little, and lose rarely by a lot.
#
# ## The closing figure: one question, three ways to look
#
# With the real ResNet50 the numbers of the paper stand beside yours. Look at the ends of the panel
# in the middle, too: a fifth of the images makes more than half of all the difference.

# %%
assert fingerprint(protocol) == sealed, "the protocol was changed after the numbers were seen"
verdict = "repeated" if high < 0 else "contradicted" if low > 0 else "undecided"
print(f"verdict: {verdict}")

# %% tags=["figure"] jupyter={"source_hidden": true}
titles = {
    "grad_cam_plus_plus": "Grad-CAM++",
    "grad_cam": "Grad-CAM",
    "random_cam": "random (floor)",
    "center_gaussian": "centre (floor)",
}
figure, (drops, pairs, rate) = plt.subplots(
    1, 3, figsize=(12.6, 4), layout="constrained", width_ratios=(1.5, 1.2, 0.7)
)
for place, method in enumerate(methods):
    middle, (left, right) = float(drop[method].mean()), intervals[method]
    colour = "#3b528b" if method in published else "0.55"
    drops.plot([left, right], [place, place], color=colour, linewidth=3)
    drops.plot(
        middle,
        place,
        "o",
        color=colour,
        markersize=8,
        label="this run, 95 % interval" if place == 0 else None,
    )
    if real and method in published:  # other images, another network: nothing to compare
        drops.plot(
            published[method][0],
            place - 0.22,
            "D",
            color="#d95f02",
            markersize=8,
            markerfacecolor="white",
            label="the paper, ResNet-50" if place == 0 else None,
        )
drops.set_yticks(range(len(methods)), [titles[m] for m in methods])
drops.set_ylim(len(methods) - 0.5, -1.1)  # room for the legend
drops.set(xlabel="average drop in percent (lower is better)", title="Each method by itself")
drops.legend(fontsize=9)

ordered = difference.sort().values
pairs.bar(
    range(len(ordered)),
    ordered,
    color=["#3b528b" if d < 0 else "#d95f02" for d in ordered.tolist()],
)
pairs.axhspan(low, high, color="0.6", alpha=0.5, label="95 % interval of the mean")
pairs.axhline(0, color="black", linewidth=0.8)
pairs.set(
    xlabel="images, in order",
    ylabel="drop of Grad-CAM++ − drop of Grad-CAM",
    title="The same images, paired",
)
pairs.legend(fontsize=9)

rate.plot([0, 0], [win_low, win_high], color="#3b528b", linewidth=3)
rate.plot(0, paired_win_rate(plus, plain), "o", color="#3b528b", markersize=8)
if real:
    rate.plot(0.35, published_win, "D", color="#d95f02", markersize=8, markerfacecolor="white")
rate.axhline(50, color="gray", linewidth=1, linestyle=":")
rate.set(xlim=(-0.4, 0.75), ylim=(0, 100), ylabel="percent of the images", title="Grad-CAM++ wins")
rate.set_xticks(*([0, 0.35], ["this run", "paper"]) if real else ([0], ["this run"]))
figure.suptitle(
    f"Is Grad-CAM++ better than Grad-CAM? {verdict}, n = {len(Y)} images ({main}, protocol {sealed})"
)
plt.show()

# %%
increase = {m: metrics.increase_in_confidence(Y, O[m]) for m in methods}
print("Evaluation card")
print(f"  protocol    {sealed}, unchanged")
print(f"  verdict     {verdict}, by the rule of the protocol")
for method in published:
    ours = f"average drop {float(drop[method].mean()):5.1f}, increase {increase[method]:5.1f}"
    paper = "paper {:.2f}, {:.2f}".format(*published[method])
    print(f"  {titles[method]:12}{ours}" + f" ({paper})" * real)
wins_here = paired_win_rate(plus, plain)
print(f"  wins        {wins_here:.1f}" + f" (paper {published_win})" * real)
print(f"  cost        for each image and method: 1 forward, 1 backward, 1 masked forward; N = {N}")
print("  deviations  from the paper:")
for text in (
    f"{N} images instead of the validation set"
    + (", one for each class; they look like training images" if real else ", and digits"),
    "weights from another training"
    if real
    else "a small network of our own: the paper's numbers say nothing about it",
    f"layer {layer}, after its ReLU; fill colour and scaling as in the protocol; the paper's code "
    "may differ in each of these",
):
    print(f"              - {text}")

# %% [markdown]
# **Today's question was: how do you find out that one method is better?** Not from the gallery.
# Write down what you will measure and what would change your mind, measure it on images you did not
# choose, compare image by image, say how sure you are, and put the floors beside it. And then read
# your own verdict again: "undecided" is a result. So is a contradiction.
#
# And do not wonder if your numbers are not the paper's. For Grad-CAM, ResNet-50, the validation
# images of ImageNet and the average drop, this paper prints 30.36 percent; the tables in the
# repository of ShapleyCAM print 13.84 at the end of the last block and 16.91 at its last
# convolution, with maps of another score (ReST, the logit plus the logarithm of the probability).
# Same method by name, same measure by name; another protocol. The protocol can move the numbers
# more than the method.
#
# Look at the floors once more. A blob in the middle knows nothing of the class, and no network
# was asked. How far from it are the real methods? The average drop rewards a map that covers much;
# it is no measure of truth (lesson 17), nor of whether the network was asked (lesson 18).
#
# ## Your turn: one page
#
# Choose another published table: `camlite card METHOD` names the papers. Or change one line of the
# protocol above, such as the fill (black instead of the mean colour), the layer, or the score.
# **First** write the protocol and your guess, print the fingerprint, then run. Your page has five
# lines: question, protocol, numbers with intervals, deviations, verdict. Four times the images make
# the intervals about half as long: with `N = at_most` you use all images that are there.
#
# **Try this**, if you are fast: a floor that wins. Make a map that is 1 everywhere except at one
# pixel, and put it into the study. What is its average drop? (It was published as a warning, under
# the name Fake-CAM.)

# %% [markdown]
# ## Once more
#
# *From lesson 12, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 12.1 asked what a channel is worth: take it away, and see what changes. Ask the same
# about an image. `difference` is (N,). Write for each image the mean difference of all *other*
# images, (N,), without a loop.

# %%
without_one = torch.zeros(len(difference))  # your line here
print(f"without the first image: yours {without_one[0]:+.3f}, by hand {difference[1:].mean():+.3f}")
print(
    f"with all images {difference.mean():+.2f}, "
    f"without one of them {without_one.min():+.2f} to {without_one.max():+.2f}"
)

# %% [markdown]
# <details><summary>Solution</summary>
#
# `without_one = (difference.sum() - difference) / (len(difference) - 1)`. If one image could turn
# the sign of the mean, the result would be a story about this image.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 20` asks them again, also next week.
#
# **1.** On three images method A has the drops 10, 20 and 60, and method B has 12, 22 and 40.
# Which one has the lower average drop? Which one wins more often?
#
# <details><summary>Answer</summary>
#
# B has the lower average: 74 / 3 ≈ 24.7, and A has 30. But A wins on two of the three images.
# These are two questions; the protocol says beforehand which one you ask.
#
# </details>
#
# **2.** The interval of a paired difference is −3 to +1: undecided. You add 50 images and look,
# add 50 more and look, and stop as soon as the interval leaves out 0. What is wrong with that?
#
# <details><summary>Answer</summary>
#
# You let chance try many times, and stop when it agrees with you. The 95 % are meant for one
# look. Write a new protocol with a fixed number of images, and run it once.
#
# </details>
#
# **3.** A table compares Grad-CAM, HiResCAM and XGrad-CAM, each with a ReLU, at the last layer of
# a ResNet. Its three columns are equal. Is that a mistake in the program?
#
# <details><summary>Answer</summary>
#
# No. GAP follows this layer, so the gradient is the same at all places. Averaged, taken place by
# place, or averaged with weights: it is the same number. It is one map with three names.
#
# </details>
#
# **4.** (lesson 12) Somebody reports: "Score-CAM has a lower average drop than CAM; images were
# masked with black." What would you try before you believe that it is the better map?
#
# <details><summary>Answer</summary>
#
# Another fill, for example the mean colour: to this network black may be a thing of its own. And
# a random map beside the two: in lesson 12, on black, it was as good as CAM. Also, Score-CAM
# chose its weights with masked images, so the measure asks the question that it was made from.
#
# </details>
#
# **5.** (lesson 3) The largest value of the map of *dog* is 20, that of the map of *toaster* is
# 0.2. Both maps are scaled to [0, 1] and drawn. What do you see? What may you conclude about the
# toaster?
#
# <details><summary>Answer</summary>
#
# Two maps that are equally bright, and you may conclude nothing: scaling took the size away. The
# probability answers "whether"; the map only answers "where".
#
# </details>

# %% [markdown]
# ## What you know now
#
# * Where GAP follows the layer, the gradient is the same at all places: Grad-CAM, HiResCAM and
#   XGrad-CAM are one map there. CAM also needs a single linear layer.
# * A map of one logit hides what is common to all classes; the map of a difference shows the
#   decision.
# * Scaled maps are equally bright, whether the network is sure or not.
# * Protocol first, fingerprint, floors, intervals, deviations. Never change the metric after seeing
#   the numbers; if you must, it is a new study.
# * The bootstrap draws with replacement; the quantiles of the *means* are the interval. With few
#   images it is a little too short, and it knows nothing of images unlike those you have.
# * Pair what can be paired.
#
# **Where to read on.** Section 5 of the Grad-CAM++ paper. `camlite gallery IMAGE` draws the methods
# of this course on a picture of yours. `camlite.metrics` has more numbers, each with its
# weaknesses.
#
# **Words.** *head*: phần đầu phân loại · 分类头 · 分類頭 · ヘッド. *bootstrap*: lấy mẫu lặp có hoàn lại ·
# 自助法 · 拔靴法 · ブートストラップ. *confidence interval*: khoảng tin cậy · 置信区间 · 信賴區間 · 信頼区間. *replication*:
# nghiên cứu lặp lại · 复现 · 重現 · 追試. *protocol*: quy trình thí nghiệm · 实验方案 · 實驗方案 · 実験プロトコル.
# *saliency map*: bản đồ nổi bật · 显著图 · 顯著圖 · 顕著性マップ (特徴マップ, which one article has, is a *feature
# map*).
#
# This was the last lesson. The wall is yours now.
