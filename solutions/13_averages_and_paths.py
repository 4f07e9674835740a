# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 13: Averages and paths
#
# **Time** 140 minutes · **Difficulty** ●●●○○ · **You need** lessons 6, 8 and 12; lesson 4 helps ·
# **At the end** you have written Integrated Grad-CAM, RISE and the weights of IS-CAM. You know how
# fast a path and an average become exact, what the baseline decides, and what you get for the
# price of 100 passes through a network.
#
# Two lamps burn in a room, and you can read. You switch off the left one: you can still read. You
# switch it on again, and switch off the right one: you can still read. So neither lamp matters?
#
# The gradient would say so. It asks only about *a little*, and *here*. But start in the dark and
# turn up both lamps slowly. On the way there is a moment when you begin to see the letters, and
# both lamps have brought you there.
#
# This is a **path**, and it has a price: you look many times instead of once. Other methods look
# many times through random masks, and take the **average**. They cost 10, 100, 1000 times as much
# as Grad-CAM. **Today's question: what does a hundred times the cost buy?**
#
# > **Papers:** S. Sattarzadeh, M. Sudhakar, K. N. Plataniotis, J. Jang, Y. Jeong, H. Kim:
# > *Integrated Grad-CAM*, ICASSP 2021, arXiv 2102.07805. · M. Sundararajan, A. Taly, Q. Yan:
# > *Axiomatic Attribution for Deep Networks* (Integrated Gradients), ICML 2017, arXiv 1703.01365. ·
# > V. Petsiuk, A. Das, K. Saenko: *RISE*, BMVC 2018, arXiv 1806.07421. · H. Wang, R. Naidu, J.
# > Michael, S. S. Kundu: *SS-CAM*, 2020, arXiv 2006.14255. · R. Naidu, A. Ghosh, Y. Maurya, S. R.
# > Nayak, S. S. Kundu: *IS-CAM*, 2020, arXiv 2010.03023.

# %% tags=["imports"]
import os
from collections import OrderedDict

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, nets
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer pictures, masks and steps, for tests

# %% [markdown]
# ## Two lamps and a poster
#
# The picture has 4×12 pixels: a lamp on the left, a lamp on the right, and in the middle a bright
# poster that gives no light. Three channels find the three things. The head adds up the light of
# the lamps. Each lamp alone gives 1.2 times the light that you need, and more does not help:
#
# $$ Y = \min(1,\ \text{light}) $$


# %%
class Thirds(nn.Module):
    """Three feature maps: in each of them, one third of the picture."""

    def forward(self, x: Tensor) -> Tensor:
        """Pictures (N, 1, 4, 12) -> F (N, 3, 4, 12)."""
        third = torch.arange(12) // 4
        return x * torch.stack([third == k for k in range(3)])[:, None]


class Reader(nn.Module):
    """Class 0: you can read. Class 1: you cannot."""

    def forward(self, F: Tensor) -> Tensor:
        """F (N, 3, 4, 12) -> Y (N, 2)."""
        light = F.sum((2, 3)) @ torch.tensor([0.3, 0.0, 0.3])  # a lamp has 4 pixels: 1.2
        enough = light.clamp(max=1)
        return torch.stack([enough, 1 - enough], dim=1)


room = nn.Sequential(OrderedDict(features=Thirds(), classifier=Reader()))
x_room = torch.zeros(1, 1, 4, 12)
x_room[:, :, 1:3, 1:3] = 1  # left lamp
x_room[:, :, :, 5:7] = 1  # poster
x_room[:, :, 1:3, 9:11] = 1  # right lamp
one_lamp = x_room.clone()
one_lamp[..., 9:] = 0
for text, picture in {"both lamps": x_room, "left lamp only": one_lamp, "dark": 0 * x_room}.items():
    print(f"{text:15s} Y = {room(picture)[0, 0]:.1f}")

# %% [markdown]
# We need `F` and the gradient `G` at any picture. `look` is what you know from lesson 8: `F` begins
# a graph, one score for each image is picked, and the gradient of their sum is taken. What it
# returns holds no graph any more.


# %%
def look(features, classifier, x: Tensor, c: int | Tensor) -> tuple[Tensor, Tensor]:
    """F and G = ∂Y_c/∂F at the pictures x: both (N, K, h, w)."""
    F = features(x).detach().requires_grad_()
    Y = classifier(F)
    rows = torch.arange(len(x))
    classes = torch.as_tensor(c).expand(len(x))  # an int is meant for all images
    G = torch.autograd.grad(Y[rows, classes].sum(), F)[0]
    return F.detach(), G


# %% [markdown]
# **Guess first:** what does Grad-CAM show for "you can read"? And what is the gradient when both
# lamps are at a quarter of their strength?

# %%
slopes = {}
for t in (0.0, 0.25, 0.5, 0.75, 1.0):
    _, G_t = look(room.features, room.classifier, t * x_room, 0)
    slopes[t] = G_t.mean((2, 3))[0].tolist()
    Y_t = room(t * x_room)[0, 0]
    print(f"all at {t:4.0%}: Y = {Y_t:.1f}, weights α = {[round(a, 2) for a in slopes[t]]}")
grad_cam_room = camlite.grad_cam(room, "features", x_room, 0)
print(f"largest value of Grad-CAM at the picture: {grad_cam_room.max():.1f}")

# %% [markdown]
# **Your guess:** the score is **saturated**. At the picture the gradient is exactly 0, so
# Grad-CAM is blank, although the lamps are the only reason for the answer. At a quarter of the
# strength the gradient is not 0: it names both lamps, and not the poster.
#
# ## Exercise 13.1: Integrated Grad-CAM
# *●●●○○ · about 20 minutes*
#
# Walk from a **baseline** $b$ (here: the dark room) to the picture $x$, in $m$ equal steps. Make a
# map at each step, and take the mean of the maps:
#
# $$ x_t = b + t\,(x - b), \qquad t = \tfrac1m, \tfrac2m, \dots, 1 $$
#
# $$ L = \frac1m \sum_{t} \mathrm{ReLU}\Big(\sum_k \alpha_k(x_t)\,\big(F_k(x_t) - F_k(b)\big)\Big),
# \qquad \alpha_k(x_t) = \frac1Z\sum_{\text{places}} G_k(x_t) $$
#
# $F_k(x_t)$ is feature map $k$ of the picture $x_t$, and $G_k(x_t)$ the gradient of the score
# there; $Z$ is the number of places. What the baseline shows already is subtracted:
# $F_k(x_t) - F_k(b)$ is what was gained on the way. (We could not check this subtraction in the paper
# itself. The authors' notebook subtracts nothing, and leaves the last step out.)
#
# `features` and `classifier` are functions; the score is what `classifier` returns for class `c`,
# as it is. `c` is an int or a tensor (N,). `baseline` has the shape of `x`; `steps` is $m$. Return
# (N, h, w): as large as the feature maps, not enlarged, not scaled. Where a step has no positive
# place, it adds 0. Do not change `x` or `baseline`. Use `look`.


# %% tags=["exercise", "13.1"]
def integrated_grad_cam(
    features, classifier, x: Tensor, c: int | Tensor, baseline: Tensor, steps: int
) -> Tensor:
    """The mean of Grad-CAM's maps on the way from the baseline to x: (N, h, w)."""
    ### BEGIN SOLUTION
    F_b = features(baseline).detach()
    L = 0
    for i in range(1, steps + 1):
        F, G = look(features, classifier, baseline + i / steps * (x - baseline), c)
        α = G.mean((2, 3), keepdim=True)
        L = L + (α * (F - F_b)).sum(1).relu()
    return L / steps
    ### END SOLUTION


# %%
check("13.1", integrated_grad_cam)

# %% [markdown]
# If you need help: `hint("13.1")`. Now the room, from the dark, with 100 steps, and with the
# library:

# %%
dark = torch.zeros_like(x_room)
path_room = integrated_grad_cam(room.features, room.classifier, x_room, 0, dark, 100)
parts = {"left lamp": path_room[0, 1:3, 1:3], "poster": path_room[0, :, 5:7]}
parts["right lamp"] = path_room[0, 1:3, 9:11]
for text, part in parts.items():
    print(f"{text:11s} from {part.min():.3f} to {part.max():.3f}")
library_room = camlite.integrated_grad_cam(room, "features", x_room, 0, steps=100)
print(f"difference to camlite.integrated_grad_cam: {(path_room - library_room).abs().max():.0e}")

# %% [markdown]
# Both lamps light up equally, the poster stays dark.

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 2, figsize=(9, 3.9), layout="constrained")
top = float(path_room.max())
drawn = {
    "the room: lamp, poster, lamp": (axes[0, 0], x_room[0, 0], "gray", 1),
    "Grad-CAM: blank": (axes[1, 0], grad_cam_room[0], plot.HEAT, top),
    "Integrated Grad-CAM, 100 steps": (axes[1, 1], path_room[0], plot.HEAT, top),
}
for text, (axis, M, colours, high) in drawn.items():
    shown = axis.imshow(M, cmap=colours, vmin=0, vmax=high)
    axis.set_title(text, fontsize=10)
    axis.set(xticks=[], yticks=[])
figure.colorbar(shown, ax=axes[1, 1], label="heat, same scale")
shares = torch.linspace(0, 1, 101)
axes[0, 1].plot(shares, [float(room(each * x_room)[0, 0]) for each in shares], color="black")
axes[0, 1].axvspan(1 / 2.4, 1, color="0.85")
axes[0, 1].text(0.7, 0.3, "slope 0", ha="center")
axes[0, 1].set(xlabel="t: all lights at this share", ylabel="Y")
figure.suptitle(
    "Where the score is flat the gradient is blind; on the way both lamps have brought it up"
)
plt.show()

# %% [markdown]
# ## What does the map add up to?
#
# On the way Y went from 0 to 1. A good account would say: the left lamp brought 0.5, the right one
# 0.5, and the sum is 1. This is called **completeness**:
#
# $$ \sum_{\text{places}} L = Y(x) - Y(b) $$
#
# **Guess:** is Integrated Grad-CAM complete? Beside it we ask an older path method of the same name
# but for pixels: **Integrated Gradients** takes the mean gradient with respect to the *pixels* on
# the way, times $x - b$.

# %%
gained = float((room(x_room) - room(dark))[0, 0])
pixel_path = camlite.integrated_gradients(room, x_room, 0, steps=1000)
print(f"gained on the way, Y(x) − Y(b):          {gained:.3f}")
print(f"sum of Integrated Grad-CAM:              {path_room.sum():.3f}")
print(f"sum of Integrated Gradients:             {pixel_path.sum():.3f}")

# %% [markdown]
# **Your guess:** it is not complete. Why? Follow one step from $t$ to $t + \frac1m$. What the step
# itself gains is slope times *what was added in this step*; these gains add up to $Y(x) - Y(b)$,
# and that is Integrated Gradients (with ever smaller steps: a **path integral**). Integrated
# Grad-CAM multiplies the slope by *all that was added since the baseline*, and takes the mean. So
# its size means nothing. Only the picture is meant.
#
# ## The network of today
#
# Now real networks. We take three networks of lesson 4: the same trunk, trained on the same small
# digits on black, under three heads. **GAP and one linear layer**; **flatten and two linear
# layers**; and **GMP**, where only the largest value of each feature map counts.
#
# The test is the one of lesson 12: two digits in one picture, and a question, *where is the 3?* The
# answer is known. Each digit lies in its own box of 14×14 pixels. Of 800 drawn pairs we drop those
# with twice the same digit, and keep those in which all three networks have both digits in their
# first two places.

# %%
digits, digit_labels = data.digits(train=False)
digits = functional.interpolate(digits, size=(14, 14), mode="bilinear", align_corners=False)


def two_digits(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures (n, 1, 28, 28), the two labels (n, 2), and the boxes of both (n, 2, 28, 28)."""
    pick = torch.randint(len(digits), (count, 2), generator=generator)
    pick = pick[digit_labels[pick[:, 0]] != digit_labels[pick[:, 1]]]
    top = torch.randint(15, pick.shape, generator=generator)
    pictures = torch.zeros(len(pick), 1, 28, 28)
    boxes = torch.zeros(len(pick), 2, 28, 28, dtype=torch.bool)
    for n, side in [(n, side) for n in range(len(pick)) for side in (0, 1)]:
        place = (slice(top[n, side], top[n, side] + 14), slice(14 * side, 14 * side + 14))
        pictures[n, 0][place] = digits[pick[n, side], 0]
        boxes[n, side][place] = True
    return pictures, digit_labels[pick], boxes


heads = {"GAP, linear": "gap_linear", "flatten, 2 linear": "flatten", "GMP, linear": "gmp_linear"}
networks = {text: nets.bundled(f"heads_{head}") for text, head in heads.items()}
for net in networks.values():
    net.requires_grad_(False)
pictures, both_labels, both_boxes = two_digits(800, torch.Generator().manual_seed(13))
known = torch.ones(len(pictures), dtype=torch.bool)
for text, net in networks.items():
    two_best = net(pictures).topk(2).indices.sort(1).values
    right = (two_best == both_labels.sort(1).values).all(1)
    known &= right
    print(f"{text:18s} both digits in the first two places: {right.float().mean():.0%}")
used = known.nonzero()[: 12 if fast else 40, 0]
side = torch.arange(len(used)) % 2  # ask for the left digit, for the right one, in turn
x, c, box = pictures[used], both_labels[used, side], both_boxes[used, side]
print(f"{int(known.sum())} of {len(known)} in all three; {len(x)} questions")

# %% [markdown]
# The measure: a box is a quarter of the picture. So take the brightest quarter of the map, and see
# which share of it lies in the box of the digit in question. Call it the **hits**. It needs only
# the order of the pixels; methods with another zero or another scale are not at a disadvantage.
# Where several equal pixels compete for the last places, each counts as the same fraction. A random
# map has 0.25. A map that knows "here is ink" and not which digit has about 0.5. As floors we also
# take `camlite.center_gaussian`, a blob in the middle, and `camlite.lafam`, the mean of all feature
# maps: neither asks for a class.


# %%
def hits(maps: Tensor, box: Tensor) -> Tensor:
    """Which share of the brightest pixels, as many as the box has, lies in the box: (N,)."""
    heat, inside = camlite.up(maps, box.shape[1:]).flatten(1), box.flatten(1)
    count = int(inside[0].sum())
    last = heat.sort(1, descending=True).values[:, count - 1 : count]
    sure, tied = (heat > last).float(), (heat == last).float()
    chosen = sure + tied * (count - sure.sum(1, keepdim=True)) / tied.sum(1, keepdim=True)
    return (chosen * inside).sum(1) / count


def error(v: Tensor) -> float:
    """1.96 standard errors: about 95 % of such intervals hold the true mean."""
    return float(1.96 * v.std() / len(v) ** 0.5)


gap_net = networks["GAP, linear"]
MEAN_MAP = "mean of all feature maps"
floors = {
    "random numbers": torch.rand(x[:, 0].shape, generator=torch.Generator().manual_seed(0)),
    "blob in the middle": camlite.center_gaussian(gap_net, None, x),
    "the picture itself": x[:, 0],
    MEAN_MAP: camlite.lafam(gap_net, "features", x),
}
floor_hits = {text: float(hits(M, box).mean()) for text, M in floors.items()}
for text, value in floor_hits.items():
    print(f"{text:26s} hits {value:.2f}")

# %% [markdown]
# These are the floors (full run: 40 questions). A map clearly above 0.5 knows the digit. Below 0.5
# it may know it too, in thin lines that fill no box: you will meet such a map.
#
# ## How many steps?
#
# 50 steps, says the authors' notebook. Why 50? Let us see how the map of $m$ steps approaches the
# map of very many. **Guess:** with ten times the steps, how many times smaller is the error?

# %%
few, class_few = x[:8], c[:8]
black = torch.zeros_like(few)


def path_map(m: int) -> Tensor:
    """Your map of m steps, from black, for the eight pictures."""
    return integrated_grad_cam(gap_net.features, gap_net.classifier, few, class_few, black, m)


# 200 ends of steps are 100 ends and the 100 middles between them: so this is the mean at the middles
limit = 2 * path_map(200) - path_map(100)
path_error = {}
for m in (1, 2, 5, 10, 20, 50):
    path_error[m] = float((path_map(m) - limit).norm() / limit.norm())
    print(f"m = {m:3d}: error {path_error[m]:.4f}, times m: {m * path_error[m]:.2f}")

# %% [markdown]
# **Your guess:** about ten times smaller. The error is about a constant divided by $m$, as the last
# column shows. Here 20 steps are enough for every eye: the error is 4 %. (Why $1/m$? The sum takes
# the *end* of each step, a little ahead of the path. The middles, our "very many", are far better.)
#
# ## Where does the path begin?
#
# Black, says the one; a blurred copy of the picture, says the other (the companion program of the
# article *CAMの発展と実装* does so); the mean colour, says the third. The formula does not care.
# Does the map? We take the three digit networks, and three pond networks of lesson 6 that were
# trained with three seeds; two animals stand side by side there. Both kinds of pictures have a
# ground: the digits lie on black, the animals on grass, sand, water, leaves, and in training on
# plain grey too.
#
# **Guess first:** which baseline is best for the digits, and which for the pond?

# %%
# pictures: two animals side by side, and a network knows both
pond_nets = {f"pond {i}": f"pond_{n}" for i, n in enumerate(("repaired", "gap_1", "gap_2"))}
pond_nets = {text: nets.bundled(n).requires_grad_(False) for text, n in pond_nets.items()}
pond = data.scenes("pond", "flipped", 96)
first = torch.arange(80)
second = first + 1 + (first // 4) % 3  # another animal each time
pairs = torch.cat([pond.images[first], pond.images[second]], dim=3)  # (80, 3, 48, 96)
animals = torch.stack([pond.labels[first], pond.labels[second]], dim=1)
sees_both = torch.ones(80, dtype=torch.bool)
for net in pond_nets.values():
    sees_both &= (net(pairs).topk(2).indices.sort(1).values == animals.sort(1).values).all(1)
of_pond = sees_both.nonzero()[:24, 0]
asked = torch.arange(len(of_pond)) % 2
x_pond, c_pond = pairs[of_pond], animals[of_pond, asked]
shape = torch.where(asked[:, None, None] == 0, pond.object_mask[first][of_pond], False)
other = torch.where(asked[:, None, None] == 1, pond.object_mask[second][of_pond], False)
animal_mask = torch.cat([shape, other], dim=2)
print(f"{len(x_pond)} pairs; an animal covers {animal_mask.float().mean():.0%} of its pair")


# %%
# three baselines for six networks: the hits of the path, and its difference to Grad-CAM


def hits_each(maps: Tensor, areas: Tensor) -> Tensor:
    """`hits`, for areas of different sizes."""
    return torch.cat([hits(M[None], each[None]) for M, each in zip(maps, areas, strict=True)])


def blurred(images: Tensor) -> Tensor:
    """Each pixel becomes the mean of 11×11 pixels around it; beyond the border it is dark."""
    return functional.avg_pool2d(images, 11, stride=1, padding=5)


def mean_colour(images: Tensor) -> Tensor:
    """Each picture's own mean colour, everywhere."""
    return images.mean((2, 3), keepdim=True).expand_as(images)


baselines = {"black": torch.zeros_like, "blurred": blurred, "mean colour": mean_colour}
by_baseline, said = {}, {}
tasks = [(text, net, x, c, box) for text, net in networks.items()]
tasks += [(text, net, x_pond, c_pond, animal_mask) for text, net in pond_nets.items()]
steps = 5 if fast else 20
print(f"hits, {steps} steps{'Grad-CAM':>21s}" + "".join(f"{b:>22s}" for b in baselines))
for text, net, images, classes, areas in tasks:
    halves = camlite.split(net, "features")  # the two functions: up to the layer, and after it
    once = hits_each(camlite.grad_cam(net, "features", images, classes), areas)
    columns = []
    for name, make in baselines.items():
        said[text, name] = float(net(make(images)).gather(1, classes[:, None]).mean())
        M = integrated_grad_cam(*halves, images, classes, make(images), steps)
        found = hits_each(M, areas)
        by_baseline[text, name] = gain = found - once
        columns.append(f"{found.mean():.2f} ({gain.mean():+.2f} ± {error(gain):.2f})")
    print(f"{text:20s}{once.mean():15.2f}" + "".join(f"{cell:>22s}" for cell in columns))

# %%
# what the networks say about the baselines
print(
    f"mean logit of the class in question{'picture':>14s}" + "".join(f"{b:>14s}" for b in baselines)
)
for text, net, images, classes, _ in tasks:
    at_picture = float(net(images).gather(1, classes[:, None]).mean())
    values = [at_picture, *(said[text, name] for name in baselines)]
    print(f"{text:35s}" + "".join(f"{v:14.1f}" for v in values))
print("\nhighest logit of all classes")
for text, net, images, _, _ in tasks:
    top, winner = net(torch.zeros_like(images[:1]))[0].max(0)
    name = pond.class_names[winner] if text in pond_nets else int(winner)
    highest = net(images).amax(1)
    print(
        f"{text:18s} black is a {name}: {top:.1f}; pictures: mean {highest.mean():.1f}, "
        f"at most {highest.max():.1f}"
    )

# %% tags=["figure"] jupyter={"source_hidden": true}
rows = []
for _, net, images, classes, _ in (tasks[0], tasks[3]):
    image, asked_for = images[:1], classes[:1]
    starts = {"": image, **{name: make(image) for name, make in baselines.items()}}
    maps = [camlite.grad_cam(net, "features", image, asked_for)] + [
        integrated_grad_cam(*camlite.split(net, "features"), image, asked_for, b, steps)
        for b in list(starts.values())[1:]
    ]
    rows.append([(b[0], None) for b in starts.values()])
    rows.append([(image[0], camlite.up(M, image.shape[2:])[0]) for M in maps])
figure, axes = plt.subplots(
    4, 4, figsize=(10.5, 7.8), height_ratios=(2, 2, 1, 1), layout="constrained"
)
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
plot.draw(list(axes.flat), [each for row in rows for each in row], shrink=0.6)
titles = "Grad-CAM: no path", *(f"from {b}" for b in baselines)
for axis, text in zip(axes[0], titles, strict=True):
    axis.set_title(text, fontsize=11)
where = [f"where is\nthe {int(c[0])}?", f"where is\nthe {pond.class_names[c_pond[0]]}?"]
texts = "digits:\nbegins at", where[0], "pond 0:\nbegins at", where[1]
for axis, text in zip(axes[:, 0], texts, strict=True):
    axis.set_ylabel(text, fontsize=10, rotation=0, ha="right", va="center")
figure.suptitle(f"The same formula, {steps} steps: the map depends on where the path begins")
plt.show()

# %% [markdown]
# **Your guess:** for the digits black is the best of the three, or level. For the pond (24 pairs,
# full run, 95 % intervals) the path from black loses on pond 1. On pond 0 it is not clear: black
# −0.07 ± 0.08; blurred (−0.08 ± 0.04) and mean colour (−0.04 ± 0.02) lose a little. On pond 2 no
# baseline changes anything.
#
# The last table gives a reason. Under GAP and GMP black says nothing: its highest logit is below 1,
# where the pictures have 6 and 11. To the flatten network black is a little of a 4: 3.5, where the
# pictures have about 15. It is the ground that they learned. To the pond networks black is a bird
# or a fish, with a higher logit than any class has at any of these pairs (a single large animal can
# have more): the path begins at a wrong answer. Blurred and mean colour are worse for the digits of
# the first network: in the blurred picture the digit is still there, and its own features are
# subtracted; the mean colour is a grey that the network never saw.
#
# So is a baseline good if the network knows it as "nothing"? The digits agree, and pond 1. But pond
# 2 does not: black is a fish to it, and the path from black loses nothing (full run). The table
# shows less: **black is the best of the three for one network and the worst for another (full run),
# and the formula does not say which.** And with none of the three baselines, in none of the six
# networks, did the path find clearly more than Grad-CAM, which looks once.
#
# Why not? In five of the six networks one linear layer follows GAP or GMP. Then the mean gradient
# $\alpha_k = W_{c,k}/Z$ is the same number at *every* picture: walking cannot change the weights.
# Only the feature maps are averaged, and those of half dark pictures are not better. Only the head
# with two linear layers has an $\alpha$ that changes on the way.
#
# ## Averages: look through random masks
#
# **RISE** (randomized input sampling for explanation) does not look inside the network at all. It
# covers the picture with a random mask, asks for the score, and does this many times. A pixel that
# is often seen when the score is high must be important. The masks are coarse: each cell of a small
# grid is open with the chance $p$ (`keep`), else closed; then the grid is enlarged softly, and
# shifted by a random step.


# %%
def draw_masks(count: int, cells: int, keep: float, size: int, generator) -> Tensor:
    """Random masks in [0, 1], (count, size, size), as in the authors' program."""
    cell = -(-size // cells)  # pixels of one cell, rounded up
    opened = (torch.rand(count, cells, cells, generator=generator) < keep).float()
    down, across = (torch.randint(cell, (count,), generator=generator) for _ in range(2))
    large = camlite.up(opened, ((cells + 1) * cell, (cells + 1) * cell))
    crops = zip(large, down.tolist(), across.tolist(), strict=True)
    return torch.stack([M[i : i + size, j : j + size] for M, i, j in crops])


some = draw_masks(3, 4, 0.5, 28, torch.Generator().manual_seed(1))
print("masks", tuple(some.shape), "mean", [round(m, 2) for m in some.mean((1, 2)).tolist()])
through = x[:1] * some[:, None]  # (3, 1, 28, 28): one picture through three masks
print("scores of the class", [round(v, 2) for v in gap_net(through)[:, c[0]].tolist()])

# %% [markdown]
# ## Exercise 13.2: RISE
# *●●○○○ · about 15 minutes*
#
# $$ R(\text{pixel}) = \frac{1}{S\,p}\sum_{s=1}^{S} f_c(x \circ m_s)\; m_s(\text{pixel}) $$
#
# $m_s$ are the $S$ masks, $\circ$ is the product pixel by pixel, $p$ is `keep`, the chance with
# which a pixel is seen. `f` maps images (N, C, H, W) to scores (N, classes); $f_c$ is what it
# returns for class `c`, as it is, also where it is negative. `c` is an int or a tensor (N,).
# `masks` is (S, H, W), the same for all images and colours. Return (N, H, W), not scaled. Do not
# change `x`.
#
# Why $S\,p$ and not $S$? A pixel is seen in about $S\,p$ of the masks. So $R$ is its **mean score
# when it is seen**.


# %% tags=["exercise", "13.2"]
def rise(f, x: Tensor, c: int | Tensor, masks: Tensor, keep: float) -> Tensor:
    """Each pixel's mean score when it is seen: masks (S, H, W) -> (N, H, W)."""
    ### BEGIN SOLUTION
    rows, classes = torch.arange(len(x)), torch.as_tensor(c).expand(len(x))
    R = 0
    for m in masks:
        R = R + f(x * m)[rows, classes][:, None, None] * m
    return R / (len(masks) * keep)
    ### END SOLUTION


# %%
check("13.2", rise)

# %% [markdown]
# Now test the norm. A network that always answers 1 has no important pixel; each pixel's mean score
# is 1. **Guess:** what does the map of a real network look like without the $p$ below the line,
# for $p$ = 0.3 and 0.7?


# %%
def always_one(x: Tensor) -> Tensor:
    """A network that does not look: score 1 for each of ten classes."""
    return torch.ones(len(x), 10)


def probability(x: Tensor) -> Tensor:
    """The score that RISE's authors take."""
    return gap_net(x).softmax(1)


levels = {}
for keep in (0.3, 0.5, 0.7):
    masks = draw_masks(100 if fast else 300, 4, keep, 28, torch.Generator().manual_seed(2))
    flat = rise(always_one, x[:1], 0, masks, keep)
    real = rise(probability, few, class_few, masks, keep)
    levels[keep] = float(flat.mean()), float(flat.std()), float(real.mean())
    print(
        f"p = {keep}: 'always 1' {flat.mean():.2f} ± {flat.std():.2f} over the pixels, real network "
        f"{real.mean():.2f}; divided by S only: {keep * flat.mean():.2f} and {keep * real.mean():.2f}"
    )

# %% [markdown]
# **Your guess:** divided by $S$ only, the map of the real network is more than twice as strong at
# 0.7 as at 0.3: your own choice looks like a property of the network. With the right norm the flat
# network gives about 1 for each $p$. The real one still grows, but less: through more open masks it
# sees more of the digit. And "± over the pixels" is noise: some pixels were seen more often than
# others, by chance. So a map of few masks has a pattern although there is nothing to see.
#
# Two more things follow. The zero of this map means nothing: all pixels have a mean score, larger
# than 0. Only differences count. And maps of equal sets of masks can be averaged: the mean of
# the maps of ten times 50 masks is the map of 500.

# %%
cells, keep, count = 4, 0.5, 320 if fast else 640
masks = draw_masks(count, cells, keep, 28, torch.Generator().manual_seed(13))
maps_of_20 = torch.stack([rise(probability, few, class_few, m, keep) for m in masks.split(20)])
rise_all = rise(probability, few, class_few, masks, keep)
print(f"mean of the parts against all at once: {(maps_of_20.mean(0) - rise_all).abs().max():.0e}")
options = {"samples": count, "cells": cells, "keep": keep}
same_generator = torch.Generator().manual_seed(13)
same_draws = camlite.rise(gap_net, few, class_few, **options, generator=same_generator)
print(f"difference to camlite.rise: {(same_draws - rise_all).abs().max():.0e}")
contrast = maps_of_20.mean(0).var((1, 2)).mean().sqrt()  # how much the map varies over its pixels
rise_error = {}
for group in (1, 2, 4) if fast else (1, 2, 4, 8):
    maps_S = maps_of_20.unflatten(0, (-1, group)).mean(1)  # independent maps of 20 · group masks
    rise_error[20 * group] = float(maps_S.var(0).mean().sqrt() / contrast)
    print(f"S = {20 * group:3d}: error {rise_error[20 * group]:.2f}")

# %% [markdown]
# **An average becomes exact slowly:** in theory four times the masks halve the error, $1/\sqrt{S}$;
# the table comes near. A path has $1/m$: four times the steps make it four times smaller. The error
# is compared with how much the map varies; at 1 the noise is as strong as the map, and with 20
# masks it is stronger.

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.5, 4), layout="constrained")
lines = {
    "path: Integrated Grad-CAM, m steps": (path_error, "o-", "#1b6ca8"),
    "average: RISE, S masks": (rise_error, "s--", "#d95f02"),
}
for text, (found, style, colour) in lines.items():
    axis.loglog(list(found), list(found.values()), style, color=colour, label=text)
axis.set(
    xlabel="steps m, or masks S",
    ylabel="error, as a share of\nthe map (path), its variation (average)",
)
axis.grid(alpha=0.3)
axis.legend()
axis.set_title(
    "Compare the slopes: a path becomes exact like 1/m, an average like 1/√S\n"
    f"(n = {len(few)} pictures, GAP and one linear layer)"
)
plt.show()

# %% [markdown]
# ## Score-CAM, many times
#
# Score-CAM (lesson 12) asks one question for each channel: what is the score of the picture through
# the mask $H_k$ of channel $k$? Two relatives ask it many times and take the mean:
#
# * **IS-CAM** opens the mask slowly: $\frac1m H_k, \frac2m H_k, \dots, H_k$. It is a path from the
#   dark to the masked picture.
# * **SS-CAM** adds noise, to the mask or to the picture. It is an average.
#
# (Both papers were not at hand when this was written; what is here comes from programs and from
# papers that quote them. How IS-CAM scales its masks is not sure: one known program adds the
# strengths up, so that its last picture of ten is 5.5 times as bright as the input. We take the
# plain reading.)
#
# ## Exercise 13.3: the weights of IS-CAM
# *●●●○○ · about 15 minutes*
#
# $$ C_k = \frac1m\sum_{i=1}^{m} f_c\big(x \circ \tfrac{i}{m} H_k\big), \qquad
# \alpha_k = \frac{e^{C_k}}{\sum_j e^{C_j}} $$
#
# `masks` is (N, K, H, W): $H_k$ of each image, for all its colours. `f` maps images (N, C, H, W) to
# scores; take what it returns for class `c`, an int or a tensor (N,). `steps` is $m$. Return the
# $\alpha_k$, (N, K): each row sums to 1. A mask of zeros is treated like any other here. There is
# no baseline in the formula: you showed in lesson 12 that the softmax removes it.


# %% tags=["exercise", "13.3"]
def is_cam_weights(f, x: Tensor, masks: Tensor, c: int | Tensor, steps: int) -> Tensor:
    """The weight of each channel, its mask opened in steps: masks (N, K, H, W) -> (N, K)."""
    ### BEGIN SOLUTION
    rows, classes = torch.arange(len(x)), torch.as_tensor(c).expand(len(x))
    C = torch.zeros(masks.shape[:2])
    for k in range(masks.shape[1]):
        for i in range(1, steps + 1):
            C[:, k] += f(x * (i / steps * masks[:, k, None]))[rows, classes] / steps
    return C.softmax(1)
    ### END SOLUTION


# %%
check("13.3", is_cam_weights)

# %% [markdown]
# With one step it is Score-CAM. **Guess:** do ten steps make the weights more different from each
# other, or more equal? Think of what the picture looks like at $i = 1$. As in lesson 12,
# $1/\sum_k\alpha_k^2$ is the number of channels that share the weight.

# %%
F_few = gap_net.features(few)
H_few = camlite.minmax(camlite.up(F_few, (28, 28)))
alive = F_few.amax((2, 3)) > F_few.amin((2, 3))  # camlite leaves constant channels out
shared = {}
for m in (1, 3, 10):
    α = is_cam_weights(gap_net, few, H_few, class_few, m) * alive
    α = α / α.sum(1, keepdim=True)
    shared[m] = float((1 / α.square().sum(1)).mean())
    print(
        f"m = {m:2d}: {shared[m]:.1f} of {int(alive.sum(1).float().mean())} channels share the weight"
    )
L_is = torch.einsum("nk,nkxy->nxy", α, F_few).relu()
difference_is = float((L_is - camlite.is_cam(gap_net, "features", few, class_few)).abs().max())
print(f"m = 10, difference to camlite.is_cam: {difference_is:.0e}")

# %%
# SS-CAM with weak and with strong noise, two draws of each
ss_alike, ss_hits, some_asked = {}, {}, (x[:16], c[:16])
score_hits = float(hits(camlite.score_cam(gap_net, "features", *some_asked), box[:16]).mean())
mean_hits = float(hits(camlite.lafam(gap_net, "features", x[:16]), box[:16]).mean())
for sigma, samples in ((0.2, 1), (0.2, 4), (2.0, 1), (2.0, 4)):
    options = {"sigma": sigma, "samples": samples}
    draws = [
        camlite.ss_cam(gap_net, "features", *some_asked, **options, generator=generator)
        for generator in (torch.Generator().manual_seed(1), torch.Generator().manual_seed(2))
    ]
    ss_hits[sigma, samples] = float(hits(torch.cat(draws), box[:16].repeat(2, 1, 1)).mean())
    one, two = (M.flatten(1) - M.flatten(1).mean(1, keepdim=True) for M in draws)
    ss_alike[sigma, samples] = float(functional.cosine_similarity(one, two).mean())
    print(
        f"SS-CAM, σ = {sigma}, samples {samples}: two draws correlate "
        f"{ss_alike[sigma, samples]:.3f}, hits {ss_hits[sigma, samples]:.2f}"
    )
print(f"the same questions: Score-CAM {score_hits:.2f}, the mean of all maps {mean_hits:.2f}")

# %% [markdown]
# **Your guess:** more equal. At $i = 1$ the picture is nearly black, whatever the mask is, and all
# channels get nearly the same score. So the map moves towards the plain mean of the maps.
#
# For SS-CAM look at $\sigma$. The masks have values between 0 and 1. Programs and papers that quote
# it say $\sigma = 2$: noise twice as strong as the whole range of the mask. The hits fall below
# those of the mean of all maps: the mask is lost. With $\sigma = 0.2$ and four samples they come
# near those of Score-CAM (0.59 and 0.62 in the full run, 16 questions). More samples: two draws
# agree better.
#
# ## The newest relative
#
# V. Buono and colleagues, *Expected Grad-CAM: Towards gradient faithfulness*, 2024, arXiv
# 2406.01274 (2026, in TMLR: *Not All CAMs Are Complete*). When this was written, the paper was not
# at hand, and the authors' repository held no code. We know the **abstract**: the gradient of
# Grad-CAM is replaced by an *expected* gradient, the mean over many paths that begin at many
# baselines; Integrated Grad-CAM is a special case. `camlite.expected_grad_cam` is a reading of
# these words: blurred baselines with noise, one random point on each path, F of the image itself.
# Do not cite our numbers as the authors'.
#
# **Guess first:** for which of the three networks can this map differ from Grad-CAM's?

# %%
expected_is_grad_cam = {}
for text, net in networks.items():
    expected = camlite.expected_grad_cam(net, "features", x, c, samples=5 if fast else 25)
    plain = camlite.grad_cam(net, "features", x, c)
    expected_is_grad_cam[text] = float((expected - plain).norm() / plain.norm())
    change = hits(expected, box) - hits(plain, box)
    print(
        f"{text:18s} differs from Grad-CAM by {expected_is_grad_cam[text]:5.1%}; "
        f"hits {change.mean():+.3f} ± {error(change):.3f}"
    )

# %% [markdown]
# **Your guess:** only for the head with two linear layers. For the others $\alpha_k = W_{c,k}/Z$
# everywhere, and the mean of equal numbers is this number: 25 + 1 passes (full run) buy exactly the
# map of one. Where the map does change, it finds no more than before.
#
# ## What does a hundred times the cost buy?
#
# All methods, the same questions, three networks. Beside the hits we take a second measure, because
# one measure is an opinion: blacken the brightest quarter of the map (black is the true ground
# here), and see how far the logit falls. 1 means: as far as when the box of the digit itself is
# blackened. The **passes** are forward passes, counted as camlite's cards count them, with one or
# two for the picture itself and the baseline. Methods with a gradient also go back, once for each
# step of a path. That costs about as much again, and is not counted.
#
# **Guess:** which method is first, and what is the control that costs nothing?


# %%
def smoothed(maps: Tensor, window: int) -> Tensor:
    """Each pixel becomes the mean of a window around it: (N, h, w) -> (N, 28, 28)."""
    large = camlite.up(maps, (28, 28))[:, None]
    return functional.avg_pool2d(large, window, 1, window // 2, count_include_pad=False)[:, 0]


S_all = 80 if fast else 320
few_steps, many_steps = (3, 10) if fast else (10, 100)


def all_maps(net: nn.Module) -> dict[str, tuple[int, Tensor]]:
    """{method: (forward passes for one map, maps)}."""
    halves, K = camlite.split(net, "features"), net.features(x[:1]).shape[1]
    found = {
        "random map": (0, floors["random numbers"]),
        "the picture itself": (0, floors["the picture itself"]),
        "mean of all maps": (1, camlite.lafam(net, "features", x)),
        "Grad-CAM": (1, camlite.grad_cam(net, "features", x, c)),
        "HiResCAM": (1, camlite.hires_cam(net, "features", x, c, relu=True)),
    }
    for m in (few_steps, many_steps):
        M = integrated_grad_cam(*halves, x, c, torch.zeros_like(x), m)
        found[f"Integrated Grad-CAM, {m}"] = (m + 1, M)
    found["Score-CAM"] = (K + 2, camlite.score_cam(net, "features", x, c))
    found["IS-CAM, 5"] = (5 * K + 2, camlite.is_cam(net, "features", x, c, steps=5))
    found["SS-CAM, 5"] = (5 * K + 2, camlite.ss_cam(net, "features", x, c, samples=5, sigma=0.2))
    for cells in (7, 4):
        draws = draw_masks(S_all, cells, 0.5, 28, torch.Generator().manual_seed(13))
        quarters = [
            rise(lambda z: net(z).softmax(1), x, c, part, 0.5) for part in draws.split(S_all // 4)
        ]
        found[f"RISE {cells}×{cells}, {S_all // 4}"] = (S_all // 4 + 1, quarters[0])
        found[f"RISE {cells}×{cells}, {S_all}"] = (S_all + 1, sum(quarters) / 4)
    for unsmoothed in ("Grad-CAM", "mean of all maps"):
        found[f"{unsmoothed}, smoothed"] = (1, smoothed(found[unsmoothed][1], 15))
    return found


# %%
# the two measures, for all methods and networks
def erased(net: nn.Module, maps: Tensor, box: Tensor) -> Tensor:
    """Blacken the brightest quarter: the fall of the logit, as a share of that of the box."""
    heat, count = camlite.up(maps, (28, 28)).flatten(1), int(box[0].sum())
    gone = torch.zeros_like(heat).scatter(1, heat.topk(count).indices, 1).view_as(box) > 0
    Y, without, without_box = (
        net(x.masked_fill(m[:, None], 0)).gather(1, c[:, None])[:, 0]
        for m in (torch.zeros_like(box), gone, box)
    )
    return (Y - without) / (Y - without_box).mean()


first_map, results = {}, {}  # (network, method) -> passes, hits, share of the fall
for text, net in networks.items():
    print(f"\n{text}: passes, hits (compared with Grad-CAM), fall of the logit")
    for method, (passes, M) in all_maps(net).items():
        results[text, method] = passes, hits(M, box), erased(net, M, box)
        first_map[text, method] = camlite.up(M[:1], (28, 28))[0]  # to draw
    for method in [m for t, m in results if t == text]:
        passes, found, fall = results[text, method]
        gain = found - results[text, "Grad-CAM"][1]
        print(
            f"{method:26s}{passes:5d}  {found.mean():.2f} ({gain.mean():+.2f} ± {error(gain):.2f})"
            f"  {fall.mean():5.2f} ± {error(fall):.2f}"
        )

# %% [markdown]
# **Your guess.** By the hits:
#
# * **The path** buys nothing. With ten times as many steps it is level, and not better than
#   Grad-CAM.
# * **IS-CAM and SS-CAM** are not better than Score-CAM, and Score-CAM is not better than Grad-CAM.
# * **RISE** (4×4) buys something: in the full run the more, the worse Grad-CAM is. But look at its
#   cells: with 7×7 it finds less. In the full run 80 masks with the right cells beat 320 with the
#   wrong ones. A cell of 4×4 is 7 pixels wide, half a digit.
# * And then **the control**: take Grad-CAM, and give each pixel the mean of the 15×15 pixels around
#   it, about the size of a digit. No further pass. Under GAP and GMP it finds about as much as RISE
#   with all masks; under flatten it finds less (full run: 0.68 against 0.76, a difference of
#   0.08 ± 0.07).
# * **The control for the control**: the same window on the mean of all maps, which knows no class.
#   It buys nothing (full run: 0.49 → 0.50, 0.46 → 0.44, 0.47 → 0.47).
#
# So smoothing finds no digit. It helps a map that holds the class already, in thin lines: it fills
# the box around them. Grad-CAM of the GMP network was below 0.5 and knew the digit. (RISE and the
# smoothing use something that we know, how large a digit is; and we picked 15 after we had tried
# several widths on these very digits.) Without the controls we would have written "RISE finds the
# digit, Grad-CAM does not".
#
# By the fall of the logit the order is another one. RISE (4×4) and the smoothed map are now *below*
# plain Grad-CAM. But this measure has a bad floor: in the first network, blackening **random**
# pixels makes the logit fall about as far as blackening the whole digit. A digit with holes is a
# picture that the network never saw (lesson 12), and it answers to the holes. And the path? It is
# level with Grad-CAM, or below, here too.
#
# **Today's question was: what does a hundred times the cost buy?** Here: with a path, nothing. With
# random masks, a map that fills the digit. Grad-CAM held the class already: a free smoothing gives
# most of the same gain. A path pays where the gradient is 0, as in the room with two lamps. None of
# our trained networks is such a room: no map of Grad-CAM was blank.
# In the figure: to the right is expensive, up is good.


# %% tags=["figure"] jupyter={"source_hidden": true}
path_names = tuple(f"Integrated Grad-CAM, {m}" for m in (few_steps, many_steps))
families = {
    "floors": ("0.45", "x", ("random map", "the picture itself", "mean of all maps")),
    "Grad-CAM, HiResCAM": ("black", "o", ("Grad-CAM", "HiResCAM")),
    "Integrated Grad-CAM": ("#1b6ca8", "D", path_names),
    "Score-CAM": ("#7a5195", "s", ("Score-CAM",)),
    "IS-CAM": ("#7a5195", "P", ("IS-CAM, 5",)),
    "SS-CAM": ("#7a5195", "X", ("SS-CAM, 5",)),
    "RISE 7×7": ("#d9a302", "v", tuple(f"RISE 7×7, {s}" for s in (S_all // 4, S_all))),
    "RISE 4×4": ("#d95f02", "^", tuple(f"RISE 4×4, {s}" for s in (S_all // 4, S_all))),
    "Grad-CAM, smoothed": ("#2a9d3a", "*", ("Grad-CAM, smoothed",)),
    "mean of all maps, smoothed": ("0.45", "*", ("mean of all maps, smoothed",)),
}
figure, axes = plt.subplots(2, 3, figsize=(12, 7), sharex=True, sharey="row", layout="constrained")
for column, text in zip(axes.T, networks, strict=True):
    for row, axis in enumerate(column):
        for family, (colour, marker, methods) in families.items():
            aside = {"IS-CAM": 0.85, "SS-CAM": 1.2}.get(family, 1)  # the two cost the same
            passes = [max(0.5, aside * results[text, method][0]) for method in methods]
            values = [results[text, method][1 + row] for method in methods]
            axis.errorbar(
                passes,
                [float(v.mean()) for v in values],
                [error(v) for v in values],
                color=colour,
                marker=marker,
                markersize=11 if marker == "*" else 7,
                linestyle="-" if family.startswith(("RISE", "Int")) else "none",
                linewidth=1,
                label=family,
                zorder=3 if marker == "*" else 2,
            )
        once = float(results[text, "Grad-CAM"][1 + row].mean())
        axis.axhline(once, color="black", linewidth=0.8, linestyle=":")
        axis.set_xscale("log")
        axis.grid(alpha=0.25)
    column[0].set_title(text, fontsize=11)
    column[1].set_xlabel("forward passes for one map (0 drawn at 0.5)")
axes[0, 0].set_ylabel("hits: brightest quarter\nin the right box")
axes[1, 0].set_ylabel("fall of the logit when\nit is blackened (box = 1)")
figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
figure.suptitle(
    "Smoothing buys hits for Grad-CAM (green star), none for a map without a class (grey star); "
    "paths and channel masks buy none\n"
    f"n = {len(x)} questions, 95 % intervals, dotted: Grad-CAM"
)
plt.show()

# %% tags=["figure"] jupyter={"source_hidden": true}
methods = ["Grad-CAM", f"Integrated Grad-CAM, {many_steps}", "Score-CAM"]
methods += [f"RISE 4×4, {S_all}", "Grad-CAM, smoothed"]
figure, axes = plt.subplots(3, 6, figsize=(11.5, 6), layout="constrained")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
for row, text in zip(axes, networks, strict=True):
    row[0].imshow(x[0, 0], cmap="gray")
    row[0].set_ylabel(f"{text}:\nwhere is\nthe {int(c[0])}?", rotation=0, ha="right", va="center")
    for axis, method in zip(row[1:], methods, strict=True):
        heat = camlite.minmax(first_map[text, method])
        shown = axis.imshow(heat, cmap=plot.HEAT, vmin=0, vmax=1)
        for colour, width in (("white", 2.4), ("black", 0.8)):
            axis.contour(x[0, 0], [0.3], colors=colour, linewidths=width)
for axis, text in zip(axes[0], ["image", *methods], strict=True):
    axis.set_title(text.replace("d Grad", "d\nGrad").replace("CAM, s", "CAM,\ns"), fontsize=10)
figure.colorbar(shown, ax=axes, shrink=0.6, label="evidence, scaled per map; lines: the digits")
other_digit = int(both_labels[used[0], 1 - side[0]])
figure.suptitle(
    f"Where is the {int(c[0])}? Under flatten and GMP the sharp maps also light the {other_digit}; "
    "RISE lights far more than the digit"
)
plt.show()

# %% [markdown]
# ## Once more
#
# *From lesson 3, in new clothes. No hint, and no check but the numbers that the cell prints.*
#
# There the mean of the map plus the bias was the logit. Here `L_signed` is Integrated Grad-CAM of
# the network with GAP and one linear layer, without any ReLU, with black as the baseline and ten
# steps. Predict its **sum over all places**, for each picture, from *logits only*. Two or three
# lines. (Think: what is the sum of $\sum_k \alpha_k F_k$ over the places, if $\alpha_k =
# W_{c,k}/Z$?)

# %%
L_signed = camlite.integrated_grad_cam(gap_net, "features", few, class_few, steps=10, relu=False)
predicted = torch.zeros(len(few))  # your lines here
print(f"largest difference: {(predicted - L_signed.sum((1, 2))).abs().max():.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# Each step has the sum $Y(x_t) - Y(b)$: the bias drops out. So it is the mean score on the way,
# minus that of the baseline: `Y = [gap_net(i / 10 * few)[torch.arange(8), class_few] for i in
# range(11)]`, then `predicted = sum(Y[1:]) / 10 - Y[0]`. A complete map would have the sum
# $Y(x) - Y(b)$, the *last* score instead of the mean one.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 13` asks them again, also next week.
#
# **1.** Two lamps give 0.75 of the needed light each, Y = min(1, light). You walk from the dark in
# four steps, t = 1/4, 2/4, 3/4, 1. At how many steps is the gradient not 0? What is the sum of
# Integrated Gradients with these four steps, and what would it be with very many?
#
# <details><summary>Answer</summary>
#
# The light is 1.5 t: 0.375, 0.75, 1.125, 1.5. So at two of four steps. The sum is 1.5 · 2/4 = 0.75;
# with very many steps 1.5 · 2/3 = 1, which is Y(x) − Y(b).
#
# </details>
#
# **2.** Four masks, keep = 0.5. A pixel is open in two of them, with the scores 0.9 and 0.5;
# another pixel is open in three, with 0.2, 0.1 and 0.3. What is the RISE map at the two pixels?
# And if you divide by how often each was really open?
#
# <details><summary>Answer</summary>
#
# 1.4 / (4 · 0.5) = 0.7 and 0.6 / 2 = 0.3. Divided by how often they were open: 1.4 / 2 = 0.7 and
# 0.6 / 3 = 0.2. The second pixel was seen more often than expected, and RISE counts that as
# importance.
#
# </details>
#
# **3.** A map of 10 steps has the error 0.08, a RISE map of 100 masks the error 0.8. You pay four
# times as much for each. Which errors do you expect?
#
# <details><summary>Answer</summary>
#
# The path: 0.08 / 4 = 0.02. The average: 0.8 / 2 = 0.4.
#
# </details>
#
# **4.** (lesson 12) Two channels have the scores 2 and 1 through their masks, and 0.4 and 0.2
# through the half open masks. How many times as large is the first weight as the second, in
# Score-CAM and in IS-CAM with two steps?
#
# <details><summary>Answer</summary>
#
# Score-CAM: e to the power 2 − 1 is 2.72. IS-CAM: the means are 1.2 and 0.6, and e to the power 0.6
# is 1.82. The weights have become more equal.
#
# </details>
#
# **5.** (lesson 8) A network ends in GAP and one linear layer. A colleague averages the gradient
# over 50 noisy pictures before he makes the map of Grad-CAM. What changes?
#
# <details><summary>Answer</summary>
#
# Nothing. The gradient is a weight of the linear layer, divided by the number of places: the same
# at every picture. So the mean of 50 is this number again.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * A gradient asks about *a little*, *here*. Where the score is **saturated** it is 0, and only a
#   path sees what brought the answer.
# * **Integrated Grad-CAM** averages maps on the way from a baseline. It is not complete;
#   Integrated Gradients at the pixels is.
# * The **baseline** changes the map. Look what the network says about it before you choose one.
# * A path has the error $1/m$, an average $1/\sqrt{S}$.
# * **RISE** needs no look inside. Divided by $S\,p$ it is a mean score. The size of its cells is
#   your choice, and it decides more than the number of masks.
# * With one linear layer after GAP the weights of Grad-CAM are the same at every picture. No path
#   and no average of gradients can improve them.
# * Before you pay a hundred times, try what is free: another score, a smoothing, another layer. And
#   keep the controls in the figure.
#
# **Where it fails.** Three small networks on one kind of picture are not a study. Where a real
# network has several layers after its feature maps and a saturated score, a path may buy more. RISE
# depends on cells that fit the object; when objects have many sizes, none fits all.
#
# **Try this** (15 minutes). (a) Use the middle of each step, t = (i − 1/2)/m. What happens to the
# table of errors? (b) Give `lambda F: net.classifier(F).softmax(1)` to `integrated_grad_cam` with
# one step and with 20: the score is now the probability, and this one is free. What does it buy?
#
# <details><summary>Answer</summary>
#
# (a) The error falls much faster, in the end like $1/m^2$: 0.0054 with 10 steps, 0.0014 with 20.
# (b) With one step it found 0.06, 0.05 and 0.02 more than the logit with one step (40 questions,
# each gain about ± 0.02). With 20 steps against the logit with 20, the first network kept its gain
# (0.07 ± 0.03), and the two others had none.
#
# </details>
#
# **Where to read on.** arXiv 1806.07421, Table 1: on ImageNet with ResNet50, RISE with 8000 masks
# has deletion 0.1076 and insertion 0.7267, Grad-CAM 0.1232 and 0.6766. (Both numbers come from
# masked pictures, as the map of RISE does.) arXiv 1703.01365: the axioms, and why completeness.
# `camlite card integrated_grad_cam` and `camlite card is_cam` list what is doubtful.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *path integral*: tích phân đường · 路径积分 · 路徑積分 · 経路積分
# * *baseline*: input cơ sở · 基线输入 · 基準輸入 · ベースライン入力
# * *saturated*: bão hoà · 饱和 · 飽和 · 飽和
# * *completeness*: tính đầy đủ · 完备性 · 完備性 · 完全性
# * *average*: trung bình · 平均 · 平均 · 平均
# * *mask*: mặt nạ · 掩码 · 遮罩 · マスク
# * *noise*: nhiễu · 噪声 · 雜訊 · ノイズ
#
# **Next:** lesson 14 asks no class at all: the strongest pattern of the feature maps, Eigen-CAM.
