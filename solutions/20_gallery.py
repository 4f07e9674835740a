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
# **Time** 75 minutes · **Difficulty** ●●●○○ · **You need** lessons 3, 8 and 12 ·
# **At the end** you have compared several networks on one picture, and you have repeated a published
# table in small: protocol first, then the numbers, then an interval that says how sure you may be.
#
# A dog sits on the floor, a cat lies before it. The network says: bull mastiff. You have by now more
# than thirty methods that draw *why*, and as many networks as you like to download. Everybody can
# fill a wall with heat maps. On a wall like that you will always find one picture that you like.
#
# **Today's question: how do you find out that one method is better than another, when it would be
# so easy to choose the picture that agrees with you?**
#
# > **Paper:** A. Chattopadhyay, A. Sarkar, P. Howlader, V. N. Balasubramanian: *Grad-CAM++: Improved
# > Visual Explanations for Deep Convolutional Networks*, WACV 2018, arXiv 1710.11063. We repeat one
# > row of its tables. The interval is by B. Efron: *Bootstrap Methods: Another Look at the
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

fast = bool(os.environ.get("CAMLITE_FAST"))  # shorter loops, for tests
warnings.simplefilter("ignore", camlite.LayerChosen)  # we always take the last layer with space

# %% [markdown]
# ## The networks
#
# If the weights of ResNet50 lie in the folder `weights/` of your data folder (see `camlite doctor`),
# and the picture and the sample photographs too, we use real networks. If not, five small networks
# take their places. They come with camlite. They read small digits, and each of them has the **head**
# (the part behind the last feature maps) of a family of large networks:
#
# | small network | behind the last feature maps | the same in |
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
    main, first, second = "resnet50", 243, 282
    names = found[main].categories
else:
    zoo, seen, picture = small, two_digits, two_digits
    main, first, second = "gap_linear", 3, 8
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
# You know four maps that need one forward and at most one backward pass:
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
# ## Exercise 20.1: compare
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
    ### BEGIN SOLUTION
    table = {}
    for name, model in models.items():
        maps = {
            "hires_cam": camlite.hires_cam(model, None, image, target),
            "xgrad_cam": camlite.xgrad_cam(model, None, image, target, relu=False),
        }
        try:
            maps["cam"] = camlite.cam(model, None, image, target)
        except camlite.ArchitectureError:
            maps["cam"] = None
        grad = camlite.grad_cam(model, None, image, target, relu=False).flatten()
        table[name] = {
            key: None
            if M is None
            else float(functional.cosine_similarity(M.flatten(), grad, dim=0))
            for key, M in maps.items()
        }
    return table
    ### END SOLUTION


# %%
check("20.1", compare)

# %%
columns = ("cam", "hires_cam", "xgrad_cam")
print(f"{'cosine with Grad-CAM':24}" + "".join(f"{c:>12}" for c in columns))
for networks, image, target in ((zoo, picture, first), (small, two_digits, 3))[: 2 if real else 1]:
    for name, row in compare(networks, image, target).items():
        cells = ("none" if row[c] is None else f"{row[c]:.4f}" for c in columns)
        print(f"{name:24}" + "".join(f"{cell:>12}" for cell in cells))

# %% [markdown]
# Behind GAP the gradient is the same at all places, whatever follows. So Grad-CAM, HiResCAM and
# XGrad-CAM agree, also for two linear layers and for the head of SqueezeNet. CAM asks for more: *one*
# linear layer, whose weights it can read. Only the flattening head tells the three apart.
#
# Keep this in mind when you read a comparison of these methods on a ResNet, at its last layer: four
# columns of a table can be one column, printed four times.
#
# ## One picture, several networks


# %% tags=["figure"]
def heat(M: Tensor) -> Tensor:
    """The positive part of a map (1, h, w) as a picture (H, W) in [0, 1]."""
    return camlite.heatmap(M.relu(), picture.shape[2:])[0]


def cam_or_grad_cam(name: str, target: int) -> tuple[str, Tensor]:
    """CAM where the head allows it, else Grad-CAM."""
    try:
        return "CAM", camlite.cam(zoo[name], layers[name], picture, target)
    except ValueError:  # an ArchitectureError
        return "Grad-CAM", camlite.grad_cam(zoo[name], layers[name], picture, target)


shown = plot.picture(seen[0])  # (H, W, 3), or (H, W) for grey
figure, axes = plt.subplots(
    2, len(zoo) + 1, figsize=(2.1 * len(zoo) + 3.2, 4.9), layout="constrained"
)
for row, target in zip(axes, (first, second), strict=True):
    row[0].imshow(shown, cmap="gray")
    row[0].set_ylabel(f"{names[target]}?", fontsize=11)
    for axis, name in zip(row[1:], zoo, strict=True):
        method, M = cam_or_grad_cam(name, target)
        with torch.no_grad():
            p = zoo[name](picture).softmax(1)[0, target]
        axis.imshow(shown, cmap="gray")
        drawn = axis.imshow(heat(M), cmap="magma", vmin=0, vmax=1, alpha=0.6)
        axis.set_title(
            f"{name}\n{method}, p = {p:.3f}" if p > 5e-4 else f"{name}\n{method}, p = {p:.0e}",
            fontsize=9,
        )
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
bar = figure.colorbar(drawn, ax=axes, label="evidence, scaled per map")
bar.solids.set_alpha(1)
figure.suptitle("The same two questions to different networks")
plt.show()

# %% [markdown]
# Look at the second row, and at the numbers. Where the probability is nearly zero, there is still a
# map, as bright as the others: each map was scaled by its own maximum. A map answers "where?" even
# if the answer to "whether?" is no.
#
# ## For and against
#
# Now ResNet50 alone (or the small network in its place), with the sign: red speaks for the class,
# blue against it. We also draw the evidence for one class **rather than** the other, the map of
# $Y_a - Y_b$. And Score-CAM, which asks the network once for each channel. ResNet50 has 2048 channels:
# minutes for one map. So we take the short way that is known as *Faster Score-CAM*: only the
# channels whose maps vary most. Set `channels = None` to take all, as in the paper. (We compared
# both once, with ResNet50 and this picture: the correlation of the map from 64 channels with the
# map from all 2048 was 0.99 for the dog and 0.88 for the cat.)

# %%
channels = 16 if fast else 64  # None: all of them; for ResNet50 some minutes for each class


@torch.no_grad()
def score_cam(model: nn.Module, layer: str, image: Tensor, c: int) -> Tensor:
    """Score-CAM of lesson 12, from the `channels` maps with the largest variance."""
    features, _ = camlite.split(model, layer)
    F = features(image)  # (1, K, h, w)
    k = F.flatten(2).var(dim=2)[0].topk(min(channels or F.shape[1], F.shape[1])).indices
    H = camlite.minmax(camlite.up(F[:, k], image.shape[2:]))[0]  # masks (k, H, W)
    bar = tqdm(H.split(16), desc=f"Score-CAM, {names[c]}", disable=None)
    C = torch.cat([model(image * masks[:, None])[:, c] for masks in bar])
    return camlite.weighted_sum(C.softmax(0)[None], F[:, k]).relu()


# %% tags=["figure"]
def rather(a: int, b: int):
    """The score Y_a − Y_b, as a function of the logits."""
    return lambda logits: logits[:, a] - logits[:, b]


net, layer = zoo[main], layers[main]
figure, axes = plt.subplots(2, 5, figsize=(12.6, 5), layout="constrained")
for row, (a, b) in zip(axes, ((first, second), (second, first)), strict=True):
    signed = {
        f"CAM: {names[a]}": camlite.cam(net, layer, picture, a),
        f"Grad-CAM: {names[a]}": camlite.grad_cam(net, layer, picture, a, relu=False),
        f"rather than {names[b]}": camlite.grad_cam(net, layer, picture, rather(a, b), relu=False),
    }
    for axis in row:
        axis.imshow(shown, cmap="gray")
        axis.set(xticks=[], yticks=[])
    row[0].set_ylabel(names[a], fontsize=11)
    for axis, (title, M) in zip(row[1:4], signed.items(), strict=True):
        M = camlite.up(M, picture.shape[2:])[0]
        colours = axis.imshow(
            M / M.abs().max(), cmap="RdBu_r", vmin=-1, vmax=1, alpha=0.65 if real else 1.0
        )  # on black, white would look grey
        axis.set_title(title, fontsize=10)
    drawn = row[4].imshow(
        heat(score_cam(net, layer, picture, a)), cmap="magma", vmin=0, vmax=1, alpha=0.6
    )
    row[4].set_title(f"Score-CAM: {names[a]}", fontsize=10)
for colour, of, text in (
    (colours, axes[:, :4], "against   ←   0   →   for"),
    (drawn, axes[:, 4:], "evidence, scaled per map"),
):
    figure.colorbar(colour, ax=of, label=text, shrink=0.85).solids.set_alpha(1)
figure.suptitle(f"{main}, {layer}: positive and negative evidence")
plt.show()

# %% [markdown]
# * CAM and Grad-CAM are the same picture. Exercise 20.1 said so.
# * Ask whether negative evidence is there at all. A softmax network may add one number to *all* its
#   logits and nobody sees it. That is why the map of a single logit can be red nearly everywhere,
#   and the map of a **difference** shows the decision: the place of one speaks for, that
#   of the other against.
# * Does Score-CAM distinguish the two classes? The softmax makes all its weights positive: it
#   cannot say "against".
#
# Which of the pictures is the best? You have an opinion already. This is the moment to stop
# looking at pictures.
#
# ## Protocol first
#
# We repeat one row of a table of the Grad-CAM++ paper: ResNet-50, ImageNet, with three numbers.
# Let $Y_i$ be the probability of the predicted class on image $i$, and $O_i$ the same after the
# image was multiplied by its map, scaled to $[0, 1]$:
#
# $$ \text{drop}_i = 100\,\frac{\max(0,\,Y_i - O_i)}{Y_i}, \qquad
#    \text{average drop} = \frac1N\sum_i \text{drop}_i, \qquad
#    \text{increase} = \frac{100}{N}\,\#\{i : O_i > Y_i\} $$
#
# and **win**: on how many images is the drop of one method smaller than the drop of the other?
#
# There are many small choices: which layer, which score, which fill colour, which images. Each of
# them can be made *after* one has seen the numbers, and then each is a way to fool oneself. So
# write them down **before**, together with the rule that decides. We print a fingerprint of the
# text; if you change a word later, it changes too.

# %%
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
    "images": f"{N} of imagenet_samples, every fourth file by name"
    if real
    else f"{N} test digits of scikit-learn, two on each image",
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
print(f"\nfingerprint {sealed}")

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
        files = sorted(samples.glob("*.JPEG"))[::4][:N]
        return torch.cat([weights.preprocess(data.load_image(file))[1] for file in files])
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
# ## Exercise 20.2: how sure?
#
# These are means over a few images. With other images they would be different. How different? We
# have no other images. The **bootstrap** makes some: draw $N$ values out of your $N$ values, *with
# replacement* (some come twice, some not at all), and take the mean. Do so many times. The middle
# part of all these means is the interval: for level 0.95, between the 2.5 % and the 97.5 % quantile.
#
# `values` is (N,). Draw 4000 resamples of N values each with `generator`, take the mean of each, and
# return `(low, high)`: the two quantiles that hold the share `level` between them, with the same
# share on both sides.


# %% tags=["exercise", "20.2"]
def bootstrap_interval(
    values: Tensor, level: float, generator: torch.Generator
) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of values (N,): (low, high)."""
    ### BEGIN SOLUTION
    N = len(values)
    draws = torch.randint(N, (4000, N), generator=generator)
    means = values[draws].mean(dim=1)
    tail = (1 - level) / 2
    return float(means.quantile(tail)), float(means.quantile(1 - tail))
    ### END SOLUTION


# %%
check("20.2", bootstrap_interval)


# %%
def interval(values: Tensor) -> tuple[float, float]:
    """The interval of the protocol."""
    return bootstrap_interval(values, 0.95, torch.Generator().manual_seed(0))


for method in methods:
    low, high = interval(drop[method])
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
#
# Compare them image by image. `a` and `b` are (N,), the drops of two methods on the same images:
# lower is better. Return in percent how often `a` wins. The paper does not say what a tie is worth;
# we give half a win to each side, so that the two rates sum to 100.


# %% tags=["exercise", "20.3"]
def paired_win_rate(a: Tensor, b: Tensor) -> float:
    """How often a is lower than b on the same image, in percent; a tie is half a win."""
    ### BEGIN SOLUTION
    return float(100 * ((a < b).double() + 0.5 * (a == b).double()).mean())
    ### END SOLUTION


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
# The paired interval is shorter than the two intervals above: what both methods have in common
# is gone. Pairing costs nothing. You only have to use the same images, and to keep the numbers of
# each image rather than the means.
#
# Note that "lower drop on average" and "wins more often" are two questions. One method may win often
# by a hair, and lose rarely by a lot.
#
# ## The closing figure: your table beside the paper's

# %% tags=["figure"]
assert fingerprint(protocol) == sealed, "the protocol was changed after the numbers were seen"
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
    middle, (left, right) = float(drop[method].mean()), interval(drop[method])
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
    if method in published:
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
drops.invert_yaxis()
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
rate.plot(0.35, published_win, "D", color="#d95f02", markersize=8, markerfacecolor="white")
rate.axhline(50, color="gray", linewidth=1, linestyle=":")
rate.set(xlim=(-0.4, 0.75), ylim=(0, 100), ylabel="percent", title="Grad-CAM++ wins")
rate.set_xticks([0, 0.35], ["this run", "paper"])
figure.suptitle(f"{main}, {len(Y)} images, protocol {sealed}")
plt.show()

# %%
verdict = "repeated" if high < 0 else "contradicted" if low > 0 else "undecided"
increase = {m: metrics.increase_in_confidence(Y, O[m]) for m in methods}
print("Evaluation card")
print(f"  protocol    {sealed}, unchanged")
print(f"  verdict     {verdict}, by the rule of the protocol")
print(f"  {'':12}{'average drop':>22}{'increase':>20}")
for method in published:
    print(
        f"  {titles[method]:12}{float(drop[method].mean()):9.1f} (paper {published[method][0]:5.2f})"
        f"{increase[method]:9.1f} (paper {published[method][1]:5.2f})"
    )
print(f"  wins        {paired_win_rate(plus, plain):.1f} (paper {published_win})")
print(f"  cost        for each image and method: 1 forward, 1 backward, 1 masked forward; N = {N}")
print("  deviations  from the paper:")
for text in (
    f"{N} images instead of the validation set"
    + (", one for each class; they look like training images" if real else ", and digits"),
    "weights from another training" if real else "a small network of our own",
    f"layer {layer}, after its ReLU; fill colour and scaling as in the protocol; the paper's code "
    "may differ in each of these",
):
    print(f"              - {text}")

# %% [markdown]
# **Today's question was: how do you find out that one method is better?** Not from the gallery. Write
# down what you will measure and what would change your mind, measure it on images you did not
# choose, compare image by image, say how sure you are, and put the floors beside it. And then read
# your own verdict again: "undecided" is a result. So is a contradiction.
#
# And do not wonder if your numbers are not the paper's. For Grad-CAM, ResNet-50, the validation images
# of ImageNet and the average drop, this paper prints 30.36 percent; the tables in the repository of
# ShapleyCAM print 13.84 at the end of the last block and 16.91 at its last convolution. Same method,
# same measure, same images; another protocol. The protocol can move the numbers more than the method.
#
# Look at the floors once more. A blob in the middle has no idea of the class, and no network
# was asked. How far from it are the real methods? The average drop rewards a map that covers much;
# it is not a measure of truth.
#
# ## Your turn: one page
#
# Choose another published table: `camlite card METHOD` names the papers. Or change one line of the
# protocol above, such as the fill colour (black is a tensor), the layer, or the score. **First**
# write the protocol and your guess, print the fingerprint, then run. Your page has five lines:
# question, protocol, numbers with intervals, deviations, verdict. With `N = 200` the intervals
# become half as long; four times the images, half the length.
#
# ## What you know now
#
# * Behind GAP the gradient is the same everywhere: Grad-CAM, HiResCAM and XGrad-CAM are one map there.
#   CAM also needs a single linear layer.
# * A map of one logit hides what is common to all classes; the map of a difference shows the decision.
# * Scaled maps are equally bright, whether the network is sure or not.
# * Protocol first, fingerprint, floors, intervals, deviations. Never change the metric after seeing
#   the numbers; if you must, it is a new study.
# * The bootstrap draws with replacement; the quantiles of the *means* are the interval. With few
#   images it is a little too short, and it knows nothing of images unlike those you have.
# * Pair what can be paired.
#
# **Where to read on.** Section 5 of the Grad-CAM++ paper. `camlite gallery IMAGE` draws every method of
# this course on a picture of yours. `camlite.metrics` has more numbers, each with its weaknesses.
#
# **Words.** *head*: phần đầu phân loại · 分类头 · 分類頭 · ヘッド. *bootstrap*: lấy mẫu lặp có hoàn lại · 自助法 ·
# 拔靴法 · ブートストラップ. *confidence interval*: khoảng tin cậy · 置信区间 · 信賴區間 · 信頼区間. *replication*: nghiên cứu
# lặp lại · 复现 · 重現 · 再現. *protocol*: quy trình thí nghiệm · 实验方案 · 實驗方案 · 実験計画.
#
# This was the last lesson. The wall is yours now.
