# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 9: HiResCAM and XGrad-CAM
#
# **Time** 130 minutes · **Difficulty** ●●●○○ · **You need** lessons 3 and 8 · **At the end** you
# know when Grad-CAM points to a place that the network does not use, you have built the image on
# which it goes most wrong, and you have tested two successors that promise to do better.
#
# A network reads pictures of the chest. It is asked for the **left** lung only: is there a dark
# spot? On one picture there are two spots that look alike, one in each lung. The network says yes,
# and Grad-CAM lights up both. A doctor asks: "Did it use the right lung? It was not asked for
# that."
#
# In lesson 8 you saw a hint that something is wrong. Grad-CAM takes the **mean** of the gradient
# over all places, before it multiplies. If a feature speaks *for* the class in one place and
# *against* it in another, the mean mixes the two.
#
# **Today's question: when does Grad-CAM show a place that the network does not use?** And who
# decides that it does not use it?
#
# > **Papers:** R. L. Draelos, L. Carin: *Use HiResCAM instead of Grad-CAM for faithful explanations
# > of convolutional neural networks*, 2020, arXiv 2011.08891. · R. Fu, Q. Hu, X. Dong, Y. Guo, Y.
# > Gao, B. Li: *Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs*, BMVC
# > 2020, arXiv 2008.02312.

# %% tags=["imports"]
import os
from collections import OrderedDict

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn import functional

import camlite
from camlite import data, nets, weights
from camlite.course import check, hint
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images and shorter loops, for tests

# %% [markdown]
# ## Two by two, on paper
#
# **Take paper and a pencil.** One channel, four places, and a head that is as simple as can be: it
# multiplies each place with a weight of its own and adds up (flatten, one linear layer, no bias).
# So the gradient $G$ *is* the table of weights, and the logit is $Y = \sum_{x,y} G(x,y)\,F(x,y)$.
#
# $$ \text{(a)}\quad F = \begin{pmatrix} 1 & 0 \\ 0 & 0 \end{pmatrix},\;
# G = \begin{pmatrix} 3 & -1 \\ -1 & -1 \end{pmatrix} \qquad\qquad
# \text{(b)}\quad F = \begin{pmatrix} 1 & 0 \\ 0 & 1 \end{pmatrix},\;
# G = \begin{pmatrix} 3 & 0 \\ 0 & -1 \end{pmatrix} $$
#
# For (a) and for (b) write down: the logit; the weight $\alpha$, which is the mean of $G$; the
# signed map of Grad-CAM, $\alpha F$; and the product $G(x,y)\,F(x,y)$, place by place. Then run the
# cell.

# %%
F_paper = torch.tensor([[[1.0, 0], [0, 0]], [[1.0, 0], [0, 1]]])[:, None]  # (2, 1, 2, 2)
G_paper = torch.tensor([[[3.0, -1], [-1, -1]], [[3.0, 0], [0, -1]]])[:, None]


def grad_cam(F: Tensor, G: Tensor) -> Tensor:
    """The signed map of lesson 8: F and G (N, K, h, w) -> (N, h, w)."""
    α = G.mean(dim=(2, 3))
    return torch.einsum("nk,nkxy->nxy", α, F)


Y_paper = torch.einsum("nkxy,nkxy->n", G_paper, F_paper)
M_paper = grad_cam(F_paper, G_paper)
for n, text in enumerate("ab"):
    product = (G_paper[n, 0] * F_paper[n, 0] + 0).tolist()  # + 0 turns −0 into 0
    print(f"({text})  Y = {Y_paper[n]:.0f}   α = {G_paper[n].mean():.1f}", end="   ")
    print(f"Grad-CAM {M_paper[n].tolist()}   product {product}")

# %% [markdown]
# In (a) the whole logit, 3, comes from the place above on the left. There is nothing else! Grad-CAM
# shows nothing at all: the three weights of −1, which meet only zeros, have pulled the mean down to
# 0.
#
# In (b) the place below on the right *lowers* the logit by 1. Grad-CAM gives it +0.5, exactly as
# much as the place that raises the logit by 3. The product tells both stories as they are.
#
# ## Exercise 9.1: HiResCAM
# *●○○○○ · about 5 minutes*
#
# So leave out the mean, multiply at each place, and add up the channels:
#
# $$ L(x,y) = \sum_k G_k(x,y)\,F_k(x,y) $$
#
# That is **HiResCAM** (Draelos and Carin, 2020). There is no ReLU in it: what is negative speaks
# against the class. `F` and `G` are (N, K, h, w), the result is (N, h, w).


# %% tags=["exercise", "9.1"]
def hires_cam(F: Tensor, G: Tensor) -> Tensor:
    """The signed HiResCAM map: F and G (N, K, h, w) -> (N, h, w)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 9.1: hires_cam")


# %%
check("9.1", hires_cam)

# %% [markdown]
# If you need help: `hint("9.1")`.
#
# The authors come from medicine. In a second paper (*Explainable multiple abnormality
# classification of chest CT volumes with deep learning*, 2021) they search 36,316 scans of the
# chest for many kinds of findings. Some findings belong to one organ. A network that decides about
# the *heart* from spots in the *lung* must be found out before a patient meets it; they even train
# it not to do so. For this you need a map which shows the places that were used, and no others.
# They write that Grad-CAM sometimes highlights irrelevant places there. We cannot show you these
# scans. But we can build a network of which we *know* where it should look.
#
# ## A network that should look left
#
# Two small digits lie side by side, somewhere in the left and somewhere in the right half of a
# picture of 28×28 pixels. The network must name the **left** digit. We take the trunk of a network
# that comes with camlite (three convolutions and a pooling, 32 maps of 7×7), keep it as it is, and
# train only a new head: flatten, and one linear layer.
#
# As the trunk does not learn, its feature maps are computed once; then the training takes seconds.
# (64 bits, `double()`, for the same reason as in lesson 6: the result hardly depends on the
# machine.)


# %%
def side_by_side(
    images: Tensor, labels: Tensor, count: int, generator: torch.Generator, twice: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Two digits, 14×14, on black 28×28, or one digit twice: images, left labels, right labels."""
    small = functional.interpolate(images, size=(14, 14), mode="bilinear", align_corners=False)
    left, right = torch.randint(len(images), (2, count), generator=generator)
    right = left if twice else right
    rows = torch.randint(0, 15, (count, 2), generator=generator).tolist()
    canvas = torch.zeros(count, 1, 28, 28)
    for picture, a, b, (p, q) in zip(canvas, small[left], small[right], rows, strict=True):
        picture[:, p : p + 14, :14] = a
        picture[:, q : q + 14, 14:] = b
    return canvas, labels[left], labels[right]


threads = torch.get_num_threads()
torch.set_num_threads(1)  # the same sums on every run
flat = nets.bundled("heads_flatten").requires_grad_(False)
trunk = nn.Sequential(OrderedDict(features=flat.features, pool=flat.classifier[0]))
digits, digit_labels = data.digits(train=True)
generator = torch.Generator().manual_seed(9)
X_train, left_train, _ = side_by_side(digits, digit_labels, 2000 if fast else 4000, generator)
F_train = torch.cat([trunk(some) for some in X_train.split(500)]).double()
print(f"{len(X_train)} pairs, feature maps {tuple(F_train.shape[1:])}")


def trained_head(hidden: int, seed: int) -> nn.Module:
    """A head that names the left digit: one linear layer, or two with `hidden` units between."""
    torch.manual_seed(seed)
    layers = [nn.Flatten(), nn.Linear(32 * 7 * 7, hidden or 10)]
    if hidden:
        layers += [nn.ReLU(), nn.Linear(hidden, 10)]
    head = nn.Sequential(*layers).double()
    nets.fit(head, F_train, left_train, epochs=8, rate=2e-3, seed=seed, batch_size=64)
    return head.float().requires_grad_(False)


head = trained_head(hidden=0, seed=0)
test_digits, test_labels = data.digits(train=False)
X_two, left_two, _ = side_by_side(test_digits, test_labels, 300, generator)
left_right = (head(trunk(X_two)).argmax(1) == left_two).float().mean()
print(f"it names the left digit of {left_right:.1%} of {len(X_two)} test pairs")

# %% [markdown]
# Now the picture of our story: **twice the same digit**. Whatever a channel finds in the left one,
# it finds in the right one too, or nearly (a cell of 4×4 pixels may cut the two a little
# differently). Only the place is different.
#
# `look` is lesson 8 in three lines: the feature maps, the gradient of one logit for each image, and
# these logits.


# %%
def look(features, classifier, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """F and G = ∂Y_c/∂F, both (N, K, h, w), and the logit of class c, (N,)."""
    F = features(x).detach().requires_grad_()
    Y_c = classifier(F)[torch.arange(len(F)), c]
    G = torch.autograd.grad(Y_c.sum(), F)[0]
    return F.detach(), G, Y_c.detach()


def right_half(M: Tensor) -> Tensor:
    """The share of the positive evidence in the right half, of the maps that have some: (≤ N,).

    The middle column of 7 belongs to no half.
    """
    P = M.relu()[M.amax(dim=(1, 2)) > 0]
    return P[:, :, 4:].sum(dim=(1, 2)) / P.sum(dim=(1, 2))


X_same, c_same, _ = side_by_side(test_digits, test_labels, 300, generator, twice=True)
known = head(trunk(X_same)).argmax(1) == c_same
X_same, c_same = X_same[known], c_same[known]  # we explain what it understands
F, G, Y = look(trunk, head, X_same, c_same)
M_grad, M_hires = grad_cam(F, G), hires_cam(F, G)
print(f"{len(X_same)} pairs of twice the same digit")

# %% [markdown]
# **Guess first:** which share of the evidence will lie on the right digit, with Grad-CAM and with
# HiResCAM? A flat map has 3 of 7 columns there, 0.43. Write down two numbers.

# %%
grad_right, hires_right = (float(right_half(M).mean()) for M in (M_grad, M_hires))
print(f"share of the evidence in the right half: Grad-CAM {grad_right:.2f}, ", end="")
print(f"HiResCAM {hires_right:.2f}, a flat map {3 / 7:.2f}")
empty = [int((M.amax(dim=(1, 2)) <= 0).sum()) for M in (M_grad, M_hires)]
print(f"without any evidence for the class: {empty[0]} maps of Grad-CAM, {empty[1]} of HiResCAM")

# %% tags=["figure"] jupyter={"source_hidden": true}
first = [int((c_same == digit).nonzero()[0]) for digit in (3, 6, 0, 4)]


def on_paper(x: Tensor, M: Tensor | None = None) -> list:
    """For a figure: dark digits on light grey, and each cell of a map as a square, not smoothed."""
    paper = 0.92 * (1 - x)
    if M is None:
        return [(one, None) for one in paper]
    M = functional.interpolate(M[:, None], size=x.shape[2:], mode="nearest")[:, 0]
    return list(zip(paper, M, strict=True))


rows = [on_paper(X_same[first], M) for M in (None, M_grad[first], M_hires[first])]
plot.grid(
    rows,
    ["image", f"Grad-CAM\n{grad_right:.0%} in the\nright half", f"HiResCAM\n{hires_right:.0%}"],
    [f"left: a {c_same[n]}" for n in first],
    title=f"Only the left digit counts. Grad-CAM shows both, or nothing (n = {len(X_same)})",
    signed=True,
)
plt.show()

# %% [markdown]
# **Your guess:** Grad-CAM gives about as much to the right digit as to the left one, as if it did
# not know which of the two was asked for. HiResCAM gives much less to the right, but not nothing.
# (Some maps of Grad-CAM have no positive cell. They are left out of the shares: a class that the
# network has recognised, and "no evidence for it anywhere". You will soon see why HiResCAM cannot
# do that here.)
#
# Which map is true? "The task says left" is no proof. Perhaps the network cheats and looks right as
# well: lesson 6 warned us. So **the experiment decides**: erase one digit, and ask for the logit of
# the digit again. And because one trained head proves little, we train five more: one linear layer
# with other seeds, and heads with two linear layers.


# %%
def without(x: Tensor, half: slice) -> Tensor:
    """The images with one half black."""
    x = x.clone()
    x[..., half] = 0
    return x


six = {}
print("linear           share on the right            the logit moves by    share of")
print("layers, seed     Grad-CAM   HiResCAM     without right   without left    right")
for hidden, seed in [(0, 0), (0, 1), (0, 2), (20, 0), (20, 1), (20, 2)]:
    one = head if (hidden, seed) == (0, 0) else trained_head(hidden, seed)
    F_one, G_one, Y_one = look(trunk, one, X_same, c_same)
    shares = [float(right_half(M(F_one, G_one)).mean()) for M in (grad_cam, hires_cam)]
    moves = []
    for half in (slice(14, 28), slice(0, 14)):
        Y_half = one(trunk(without(X_same, half)))[torch.arange(len(Y_one)), c_same]
        moves.append(float((Y_one - Y_half).abs().mean()))  # up or down: the size counts
    six[hidden, seed] = *shares, *moves
    numbers = "{:15.2f} {:10.2f} {:13.1f} {:14.1f}".format(*six[hidden, seed])
    print(f"     {2 if hidden else 1}, {seed}   {numbers} {moves[0] / sum(moves):11.2f}")

# %% [markdown]
# Erase the left digit, and the logit moves four times as much as without the right one, or more.
# For all six heads. So the network uses the right digit little, and the map that lights it up like
# the left one is wrong. Compare the last column with the share of HiResCAM: they are close. (The
# right digit is not quite without effect. For some pairs it raises the logit, for others it lowers
# it.)
#
# This is the answer to half of today's question. **Grad-CAM shows a place that the network does not
# use when the same feature counts differently at different places.** A mean over the places cannot
# know it.
#
# ## Is that a rare accident? Search for it
#
# Heads that care about the place are common: VGG and AlexNet flatten. But many of them learn to
# treat all places nearly alike. `flat` is such a network: trained on one digit *somewhere*, with
# two linear layers after its flattening. On ordinary test images its two maps nearly agree:

# %%
rest = flat.classifier[1:]  # flatten, linear, ReLU, linear


def alike(A: Tensor, B: Tensor) -> Tensor:
    """The cosine of two signed maps (N, h, w): 1 the same up to a factor, −1 opposite. (N,)"""
    return functional.cosine_similarity(A.flatten(1), B.flatten(1), dim=1)


def somewhere(images: Tensor, generator: torch.Generator) -> Tensor:
    """One digit, 14×14, somewhere on black 28×28."""
    small = functional.interpolate(images, size=(14, 14), mode="bilinear", align_corners=False)
    places = torch.randint(0, 15, (len(images), 2), generator=generator).tolist()
    pads = [(x, 14 - x, y, 14 - y) for x, y in places]
    return torch.cat([functional.pad(i[None], p) for i, p in zip(small, pads, strict=True)])


X_plain = somewhere(test_digits, generator)
known = flat(X_plain).argmax(1) == test_labels
X_plain, c_plain = X_plain[known][:100], test_labels[known][:100]
F, G, Y = look(trunk, rest, X_plain, c_plain)
plain_alike = alike(grad_cam(F, G), hires_cam(F, G))
print(f"{len(X_plain)} ordinary images: mean cosine {plain_alike.mean():.2f}, ", end="")
print(f"lowest {plain_alike.min():.2f}")

# %% [markdown]
# Is there an image for which they disagree? We do not wait for it, we **build** it. In lesson 8 we
# followed the gradient down to the feature maps, and in a training the weights move against the
# gradient of a loss. Now the *pixels* move, and the loss is the cosine of the two maps: 1 if they
# are the same up to a factor, −1 if they are opposite. A second term, the cross entropy, keeps the
# network's answer: we do not want an image that it does not know.
#
# **Guess first:** we start from ordinary digits and let each pixel move a little, between black and
# white. How low can the cosine get? And will the network still be sure of the digit?

# %%
count, steps = (40, 80) if fast else (80, 100)
c = c_plain[:count]


def built_image(x: Tensor, c: Tensor, keep_answer: float = 1) -> Tensor:
    """Images near x on which the two maps are as opposite as can be: (N, 1, H, W)."""
    x = x.clone().requires_grad_()
    optimizer = torch.optim.Adam([x], lr=0.02)  # what learns is the image
    for _ in range(steps):
        F = trunk(x)
        Y = rest(F)
        G = torch.autograd.grad(Y[torch.arange(len(x)), c].sum(), F, retain_graph=True)[0]
        # for a head of linear layers and ReLUs, G does not change while F moves a little
        loss = alike(grad_cam(F, G), hires_cam(F, G))
        loss = (loss + keep_answer * functional.cross_entropy(Y, c)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)  # still a picture
    return x.detach()


X_built = built_image(X_plain[:count], c)
X_free = built_image(X_plain[:40], c[:40], keep_answer=0)  # for later
torch.set_num_threads(threads)
F, G, Y = look(trunk, rest, X_built, c)
built_grad, built_hires = grad_cam(F, G), hires_cam(F, G)
built_alike = alike(built_grad, built_hires)
sure = flat(X_built).softmax(1)[torch.arange(count), c]
in_vain = torch.where(built_hires <= 0, built_grad.relu(), 0.0).sum((1, 2))
in_vain = (in_vain / built_grad.relu().sum((1, 2)).clamp_min(1e-12)).mean()
print(f"{count} built images: mean cosine {built_alike.mean():+.2f}, P = {sure.mean():.3f}")
print(f"share of Grad-CAM's evidence where HiResCAM has none: {in_vain:.3f}")
print(f"mean change of a pixel {(X_built - X_plain[:count]).abs().mean():.2f} (0: black, 1: white)")

# %% tags=["figure"] jupyter={"source_hidden": true}
some = [int((c == digit).nonzero()[0]) for digit in c.unique().tolist()[:4]]
start, built = X_plain[:count][some], X_built[some]
rows = [on_paper(start), on_paper(built)]
rows += [on_paper(built, M[some]) for M in (built_grad, built_hires)]
plot.grid(
    rows,
    ["start", "built", "Grad-CAM", "HiResCAM"],
    [f"{c[n]}: P = {sure[n]:.3f}\ncosine {built_alike[n]:+.2f}" for n in some],
    title="Built images: what one map calls evidence for, the other calls against",
    signed=True,
)
plt.show()

# %% [markdown]
# **Your guess:** the cosine goes down to almost −1. The two maps are *opposite*, and the network is
# as sure of the digit as can be. Where one map says "for", the other says "against", so one of them
# is wrong nearly everywhere.
#
# ## Who is right?
#
# Paint those five cells (of 49) that a map calls strongest black, in the image, and run the whole
# network again. If these places were used, the logit falls much. The floor is five cells taken by
# chance (the mean of ten draws). This test knows neither $G$ nor $F$: it asks the network.
#
# A cell of the map sees more of the image than its own 4×4 pixels (lesson 1: the receptive field).
# So we also hide the same cells in the feature maps, which is what the two maps speak about.


# %%
def hidden_cells(x: Tensor, M: Tensor, share: float = 0.1) -> Tensor:
    """x with the strongest cells of each map (a share of all its cells) set to 0."""
    top = M.flatten(1).topk(round(share * M[0].numel()), dim=1).indices
    keep = torch.ones_like(M.flatten(1)).scatter(1, top, 0).view_as(M)
    return x * functional.interpolate(keep[:, None], size=x.shape[2:], mode="nearest")


@torch.no_grad()
def drops(net, x: Tensor, c: Tensor, maps: dict[str, Tensor], draws: int = 10) -> dict[str, Tensor]:
    """For each map, and for cells taken by chance: how much the logit of c falls, (N,)."""
    rows, draw = torch.arange(len(x)), torch.Generator().manual_seed(0)
    Y_c = net(x)[rows, c]
    fall = {text: Y_c - net(hidden_cells(x, M))[rows, c] for text, M in maps.items()}
    noise = [torch.rand(next(iter(maps.values())).shape, generator=draw) for _ in range(draws)]
    fall["chance"] = torch.stack([Y_c - net(hidden_cells(x, M))[rows, c] for M in noise]).mean(0)
    return fall


def spoken(fall: dict[str, Tensor]) -> str:
    """Mean falls, each with its standard error."""
    parts = [f"{t} {v.mean():5.1f} ± {v.std() / len(v) ** 0.5:.1f}" for t, v in fall.items()]
    return "   ".join(parts)


plain_F, plain_G, _ = look(trunk, rest, X_plain, c_plain)
plain_maps = {"Grad-CAM": grad_cam(plain_F, plain_G), "HiResCAM": hires_cam(plain_F, plain_G)}
built_maps = {"Grad-CAM": built_grad, "HiResCAM": built_hires}
plain_fall = drops(flat, X_plain, c_plain, plain_maps)
built_fall = drops(flat, X_built, c, built_maps)
built_fall_F = drops(rest, trunk(X_built), c, built_maps)
print("The logit falls by (mean ± standard error)")
print(f"  ordinary images, n = {len(X_plain)}, in the image:  ", spoken(plain_fall))
print(f"  built images,    n = {count},  in the image:  ", spoken(built_fall))
print(f"  built images,    n = {count},  in the features:", spoken(built_fall_F))

# %% [markdown]
# On ordinary images both maps point to places that matter, far above chance; the experiment sees no
# clear winner. On the built images it does. In the image, Grad-CAM's cells matter hardly more than
# cells taken by chance, or even less, and HiResCAM's matter more. In the feature maps the
# logit even **rises** when Grad-CAM's cells are hidden: they spoke against the class.
#
# Is the test fair to Grad-CAM? Two doubts. The cosine favours neither map: exchange them, and it is
# the same. But the cross entropy keeps the *logit* up, and you will see in exercise 9.3 that the
# logit is the sum of HiResCAM's map (and a bias). So it may protect one of the two. We build images
# without it and repeat the test in the image. And hiding cells in the *features* is HiResCAM's home
# ground: for one linear layer the fall *is* the sum of its hidden cells. So what counts is the test
# in the image.

# %%
F_free, G_free, Y_free = look(trunk, rest, X_free, c[:40])
free_maps = {"Grad-CAM": grad_cam(F_free, G_free), "HiResCAM": hires_cam(F_free, G_free)}
free_alike = alike(*free_maps.values())
free_below = [int((M.sum((1, 2)) < 0).sum()) for M in free_maps.values()]
free_fall = drops(flat, X_free, c[:40], free_maps)
print(
    f"without the cross entropy: mean cosine {free_alike.mean():+.2f}, mean logit {Y_free.mean():.1f}"
)
print(f"maps with a negative sum: {free_below[0]} of Grad-CAM, {free_below[1]} of HiResCAM, of 40")
print("hidden in the image:", spoken(free_fall))

# %% [markdown]
# Now the network has lost its digit, and either map may be the negative one. HiResCAM's cells still
# matter more.
#
# And be fair to Grad-CAM in one more way: nobody will send you such an image. It proves that a map
# *can* be wrong in this way; it does not measure how often. That depends on the network. For the
# head that must look left, nearly half of Grad-CAM's evidence was on the wrong side, on average
# over the pairs whose map has any. For `flat`, on ordinary digits, the two maps nearly agree.
#
# ## XGrad-CAM: two axioms
#
# Fu and colleagues (2020) keep one weight for each channel, as Grad-CAM does. But they ask: what
# must a good weight fulfil? They name two **axioms**:
#
# * **Sensitivity.** If channel $k$ is removed, the score must fall by what the map gives to this
#   channel: $Y(F) - Y(F \text{ without } k) = \sum_{x,y} w_k F_k(x,y)$.
# * **Conservation.** All together must be the score: $Y(F) = \sum_{x,y}\sum_k w_k F_k(x,y)$.
#
# (You may read that XGrad-CAM comes from "boundary conditions". The paper's words are these two.)
# No weights fulfil both for every network. For a ReLU network, and if one neglects the biases, they
# propose the mean of the gradient over the places **weighted by the feature map itself**:
#
# $$ w_k = \sum_{x,y} \frac{F_k(x,y)}{\sum_{u,v} F_k(u,v)}\;G_k(x,y), \qquad
# L(x,y) = \mathrm{ReLU}\Big(\sum_k w_k F_k(x,y)\Big) $$
#
# A place where the channel is silent has no vote: in (a) on your paper the three −1 would not
# count. **Work out on paper** the signed XGrad-CAM maps of (a) and (b), before you write the code.
#
# ## Exercise 9.2: XGrad-CAM
# *●●○○○ · about 12 minutes*
#
# `F` and `G` are (N, K, h, w), the result is (N, h, w), with the ReLU. A channel may be 0
# everywhere; then $\sum F_k = 0$. Give it any finite weight: it is multiplied with 0 anyway. (The
# authors' code adds $10^{-6}$ to the sum.) Feature maps can be negative too, for example before a
# ReLU: then a sum may be negative, and the formula stays as it is.


# %% tags=["exercise", "9.2"]
def xgrad_cam(F: Tensor, G: Tensor) -> Tensor:
    """The XGrad-CAM map, with its ReLU: F and G (N, K, h, w) -> (N, h, w)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 9.2: xgrad_cam")


# %%
check("9.2", xgrad_cam)

# %%
paper_x = xgrad_cam(F_paper, G_paper)
for n, text in enumerate("ab"):
    print(f"({text})  Y = {Y_paper[n]:.0f}   XGrad-CAM {paper_x[n].tolist()}", end="   ")
    print(f"sum of the map {paper_x[n].sum():.0f}")
F, G, Y = look(trunk, head, X_same, c_same)
xgrad_right = float(right_half(xgrad_cam(F, G)).mean())
print(f"twice the same digit: {xgrad_right:.2f} of XGrad-CAM's evidence is in the right half")

# %% [markdown]
# **Your paper:** (a) is repaired: $w = 3$, and the used place gets 3. In (b)
# $w = \frac12 \cdot 3 + \frac12 \cdot (-1) = 1$, and both places get 1. The sum is 2, as the axioms
# demand. The places are as wrong as before: one weight for a channel cannot say "+3 here, −1
# there". And for the network that looks left XGrad-CAM lights up the right digit as much as
# Grad-CAM did.
#
# So an axiom about *sums* says nothing about *places*. Keep this in mind for the next exercise.
#
# ## Exercise 9.3: does it add up?
# *●●○○○ · about 8 minutes*
#
# In lesson 3 the *mean* of CAM plus the bias was the logit. The maps of today are made of
# gradients, and the $1/Z$ is inside $G$ already. So here it is the **sum**. How much is missing?
#
# $$ \text{gap} = \Big|\; \sum_{x,y} M(x,y) + b - Y_c \;\Big| $$
#
# `M` is a signed map (N, h, w), `logit` is (N,), and `bias` is one number for all images or (N,),
# one for each image. The result is (N,).


# %% tags=["exercise", "9.3"]
def conservation_gap(M: Tensor, logit: Tensor, bias: float | Tensor) -> Tensor:
    """How far the sum of each map and the bias are from the logit: (N, h, w), (N,) -> (N,)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 9.3: conservation_gap")


# %%
check("9.3", conservation_gap)

# %% [markdown]
# First the head that looks left: flatten and **one** linear layer. The bias is that of the asked
# class. For HiResCAM the gap must be 0, and you can see why: $G$ is the row of weights of class
# $c$, so $\sum_{x,y}\sum_k G_k F_k + b_c$ *is* how the network computes the logit. Even more: each
# place of the map is one part of this sum. Set the feature maps to 0 at one place, and the logit
# falls by exactly the value of the map there. That is the theorem of Draelos and Carin, and the
# cell tries it.
#
# For a fair comparison XGrad-CAM needs its sign. A small trick: `-G` turns the map around, as in
# lesson 8, so the difference of the two ReLU halves is the map with its sign.


# %%
def signed_xgrad(F: Tensor, G: Tensor) -> Tensor:
    """XGrad-CAM without its ReLU: the part for the class minus the part against it."""
    return xgrad_cam(F, G) - xgrad_cam(F, -G)


maps3 = {"Grad-CAM": grad_cam, "XGrad-CAM": signed_xgrad, "HiResCAM": hires_cam}
b_left = head[1].bias[c_same]
gap_one = {t: float(conservation_gap(m(F, G), Y, b_left).mean()) for t, m in maps3.items()}
print(f"one linear layer, n = {len(Y)}, mean logit {Y.mean():.1f}; mean gap:")
print("   " + "   ".join(f"{text} {gap:.1e}" for text, gap in gap_one.items()))

F_without = F.clone()
F_without[:, :, 3, 1] = 0  # one place, row 3, column 1
fall = Y - head(F_without)[torch.arange(len(F)), c_same]
place_off = float((fall - hires_cam(F, G)[:, 3, 1]).abs().max())
print(f"one place removed: largest difference of fall and HiResCAM's value there {place_off:.1e}")

# %% [markdown]
# Both HiResCAM and XGrad-CAM add up, to rounding; Grad-CAM misses most of the logit. (XGrad-CAM
# must: $w_k \sum F_k = \sum G_k F_k$, so each channel has the same sum in both maps.) And now you
# see why each HiResCAM above had a positive cell: the sum of its map is the logit without its bias,
# and this is positive for nearly every digit that the network has recognised.
#
# ## More than one linear layer
#
# With two linear layers and a ReLU between, is the gap of HiResCAM still 0? Not with the bias of
# the last layer alone. But a network of ReLUs is piecewise linear: for one image some hidden units
# are switched on, the others off, and with these switches fixed it *is* one linear layer. Its bias
# is what comes out if the features are 0 and the switches stay:
#
# $$ \varepsilon = b^{(2)}_c + \sum_{j \text{ on}} W^{(2)}_{c,j}\; b^{(1)}_j $$
#
# It is another number for each image. That is why `bias` may be (N,). (Equation 5 of the paper of
# XGrad-CAM: $Y_c = \sum_k\sum_{x,y} G_k F_k + \varepsilon$.)


# %%
def epsilon(net: nn.Module, F: Tensor, c: Tensor) -> Tensor:
    """The bias of the linear layer that the head of `flat` is for each image: (N,)."""
    _, first, _, second = net
    on = (first(F.flatten(1)) > 0).float()
    return second.bias[c] + (second.weight[c] * on * first.bias).sum(1)


F, G, Y = look(trunk, rest, X_plain, c_plain)
ε = epsilon(rest, F, c_plain)
b_last = rest[3].bias[c_plain]
gap_two = {
    text: [float(conservation_gap(m(F, G), Y, b).mean()) for b in (b_last, ε)]
    for text, m in maps3.items()
}
print(f"two linear layers, n = {len(Y)}, mean logit {Y.mean():.1f}; mean gap")
for text, (with_last, with_ε) in gap_two.items():
    print(f"   {text:10} with the last bias {with_last:8.1e}   with ε {with_ε:8.1e}")

# %% [markdown]
# With $\varepsilon$ the gap is 0 again. (Without it the gap is small here, for the biases of this
# network are small. In others they are not.) But now the sum proves less: if you remove a place,
# hidden units may switch on or off, and the logit falls by another number than the map says. **With
# more layers after it, HiResCAM is gradient times feature map, and no theorem protects it.** We can
# only measure: the five strongest cells did matter, above.
#
# ## The two axioms as bars
#
# Figure and table of the XGrad-CAM paper, in small: how much do the maps violate each axiom? For
# *sensitivity* we remove each channel in turn. Both numbers are shares: of the logit, and of all
# the falls together.


# %%
@torch.no_grad()
def axiom_residuals(classifier, F: Tensor, Y: Tensor, c: Tensor, ε: Tensor, maps) -> dict:
    """For each map: how much it violates conservation and sensitivity, as shares, (N,) each."""
    rows, kept = torch.arange(len(F)), 1 - torch.eye(F.shape[1])
    falls = torch.stack([Y - classifier(F * k[:, None, None])[rows, c] for k in kept], dim=1)
    residuals = {}
    for text, of_channel in maps.items():  # (N, K, h, w): what each channel gives to the map
        lost = (falls - of_channel.sum((2, 3))).abs().sum(1) / falls.abs().sum(1)
        gap = conservation_gap(of_channel.sum(1), Y, ε) / Y.abs()
        residuals[text] = {"conservation": gap, "sensitivity": lost}
    return residuals


def by_channel(F: Tensor, G: Tensor) -> dict[str, Tensor]:
    """What each channel gives to the three signed maps, (N, K, h, w)."""
    single = F.flatten(0, 1)[:, None], G.flatten(0, 1)[:, None]  # each channel as its own image
    return {text: m(*single).view_as(F) for text, m in maps3.items()}


residuals = axiom_residuals(rest, F, Y, c_plain, ε, by_channel(F, G))
for text, both in residuals.items():
    print(f"{text:10}", "   ".join(f"{axiom} {v.mean():.3f}" for axiom, v in both.items()))

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axis = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
looks = {"color": ("#440154", "#21918c", "#c8c020"), "hatch": ("", "//", "..")}
for i, (text, both) in enumerate(residuals.items()):
    look_of = {key: values[i] for key, values in looks.items()}
    for axiom, v in enumerate(both.values()):
        place, (low, high) = axiom + 0.27 * (i - 1), v.quantile(torch.tensor([0.25, 0.75])).tolist()
        label = text if axiom == 0 else None
        axis.barh(place, float(v.mean()), 0.25, edgecolor="white", label=label, **look_of)
        axis.plot([low, high], [place, place], color="black", linewidth=1.2)
        axis.text(max(float(v.mean()), high) + 0.008, place, f"{v.mean():.3f}", va="center")
axis.set(
    yticks=[0, 1],
    yticklabels=["conservation:\nshare of the\nlogit", "sensitivity:\nshare of\nall falls"],
)
axis.set_xlabel("violation (0: the axiom holds); line: the middle half of the images")
axis.set_title(f"Two maps keep the axioms better than Grad-CAM (n = {len(Y)})")
axis.invert_yaxis()
axis.margins(x=0.14)
figure.legend(loc="outside lower center", ncols=3)
plt.show()

# %% [markdown]
# XGrad-CAM does what it promises: it violates both axioms less than Grad-CAM. But look at the bars
# of HiResCAM: they are the same. Both maps give the same sum to each channel. The axioms cannot
# tell the two apart, and the left-looking head did: one was right about the place, the other not.
#
# ## A trap: features with a sign
#
# The formula of $w_k$ divides by $\sum F_k$. The paper has feature maps after a ReLU in mind: then
# the sum is 0 only where all is 0. But which tensor you ask is your choice, and many programs take
# the *convolution* or the normalisation before the ReLU. MobileNet has layers without a ReLU at
# their end. There positive and negative values cancel, and a sum can be close to 0 where $F_k$ is
# not.
#
# We ask the same network at its last ReLU and just before it (14×14 cells, before the pooling; a
# max pooling is piecewise linear too, so $\varepsilon$ is the same number there). **Guess first:**
# which of the three maps stays the same? And what happens to the largest weight?

# %%
signed = {}
for text, layer in {"after the ReLU": "features.8", "before it": "features.7"}.items():
    features_s, classifier_s = camlite.split(flat, layer)
    F, G, Y = look(features_s, classifier_s, X_plain, c_plain)
    maps, parts = {name: m(F, G) for name, m in maps3.items()}, by_channel(F, G)
    largest = F.abs().amax((2, 3)).clamp_min(1e-12)
    w = parts["XGrad-CAM"].abs().amax((2, 3)) / largest  # w_k F_k, without its F_k: |w_k|
    axioms = axiom_residuals(classifier_s, F, Y, c_plain, ε, parts)["XGrad-CAM"]
    fall = drops(flat, X_plain, c_plain, maps)
    signed[text] = {"F": F, "w": w, "maps": maps, "axioms": axioms, "fall": fall}
    print(f"{text}: {(F < 0).float().mean():.0%} of F is negative, largest |w| {w.max():.2g}")
    print("   XGrad-CAM violates", ", ".join(f"{a} {v.mean():.3f}" for a, v in axioms.items()))
    print("   hidden in the image:", spoken(fall))
kept = {
    name: float(alike(M, signed["before it"]["maps"][name]).mean())
    for name, M in signed["after the ReLU"]["maps"].items()
}
print("cosine of the maps after and before:", {name: round(v, 2) for name, v in kept.items()})

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for axis, (text, found) in zip(axes, signed.items(), strict=True):
    total, size_F = found["F"].sum((2, 3)).abs(), found["F"].abs().sum((2, 3)).clamp_min(1e-12)
    axis.scatter(total / size_F, found["w"].clamp_min(1e-5), s=5, color="#31688e", alpha=0.5)
    axis.set(yscale="log", title=f"{text}: largest |w| {found['w'].max():.2g}")
    axis.set(xlabel="|ΣF| / Σ|F| of the channel (0: cancels)", xlim=(-0.03, 1.03))
axes[0].set_ylabel("size of XGrad-CAM's weight |w|")
figure.suptitle(
    f"Before the ReLU sums cancel, and weights explode ({len(X_plain)} images × 32 channels)"
)
plt.show()

# %% [markdown]
# **Your guess:** HiResCAM stays exactly the same. Where the ReLU is off, $G$ before it is 0; where
# it is on, nothing changes. Grad-CAM changes. XGrad-CAM becomes another map: a few channels whose
# sum is close to 0 get huge weights and drown the others. Hidden in the image, its cells now matter
# clearly less than those of the other two.
#
# And the axioms? **They hold as well as before**, to the last digit! $w_k \sum F_k$ is still the
# right sum; it is only made of a huge weight and a tiny sum. A method can fulfil its axioms and
# show nonsense.
#
# The same happens on real networks. In the table beside the code of ShapleyCAM (Cai, 2025, arXiv
# 2501.06261; ResNet-50, 50,000 photographs, at the last *convolution*, before normalisation and
# ReLU) the *Average Drop* is 16.91 for Grad-CAM, 18.00 for HiResCAM and 40.03 for XGrad-CAM. (It
# says by how many percent the probability falls when only what the map calls bright is left. So
# here less is better. Lesson 12 has it.) At the end of the block, after the ReLU, these three are
# one and the same map. Why? See now.
#
# ## Just before a global average pooling they are one map
#
# Let GAP follow the layer, and then *anything*: two linear layers with a Hardswish between, as in
# MobileNetV3. The head sees only the means $\bar F_k$, so
#
# $$ \frac{\partial Y_c}{\partial F_k(x,y)} =
# \frac{\partial Y_c}{\partial \bar F_k}\cdot\frac{1}{Z} , $$
#
# and on the right side there is no $x$ and no $y$. **How large is the spread of $G_k$ over the
# places? What does that mean for the three methods?** Answer before you run the cell.
#
# There is a practical side to it. An article says that the gradient "jumps", that this makes
# Grad-CAM light up the wrong animal (a dog's map on a cat's neck), and that one must **smooth** it;
# XGrad-CAM and others are listed as ways to do so. Its network is MobileNetV3. Let us smooth: over
# the places (each $G$ replaced by the mean of its 3×3 neighbours), and over 25 noisy copies of the
# image. Two digits side by side are our dog and cat: we ask for the left one, and measure the share
# on the right one.

# %%
mobile = nets.bundled("heads_gap_two_linears").requires_grad_(False)
print(mobile.classifier)
both_known = mobile(X_two).topk(2).indices.eq(left_two[:, None]).any(1)
X_gap, c_gap = X_two[both_known], left_two[both_known]
F, G, Y = look(mobile.features, mobile.classifier, X_gap, c_gap)
spread = float((G.amax((2, 3)) - G.amin((2, 3))).max())
print(f"n = {len(X_gap)}; largest |G| {G.abs().max():.1e}, largest spread over places {spread:.1e}")

smooth_G = functional.avg_pool2d(functional.pad(G, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
noisy_G = torch.zeros_like(G)
for _ in range(5 if fast else 25):
    noise = 0.15 * torch.randn(X_gap.shape, generator=generator)
    noisy_G += look(mobile.features, mobile.classifier, X_gap + noise, c_gap)[1]
gap_maps = {
    "Grad-CAM": grad_cam(F, G),
    "HiResCAM": hires_cam(F, G),
    "XGrad-CAM": signed_xgrad(F, G),
    "Grad-CAM, G smoothed over 3×3": grad_cam(F, smooth_G),
    "Grad-CAM, G of noisy images": grad_cam(F, noisy_G),
}
gap_alike, gap_right = {}, {}
for text, M in gap_maps.items():
    gap_alike[text] = float(alike(M, gap_maps["Grad-CAM"]).mean())
    P = M.relu()
    gap_right[text] = float((P[:, :, 7:].sum((1, 2)) / P.sum((1, 2)).clamp_min(1e-12)).mean())
    print(f"{text:30} cosine with Grad-CAM {gap_alike[text]:.4f}", end="   ")
    print(f"on the other digit {gap_right[text]:.3f}")

rows = torch.arange(len(c_gap))
Y_erased = mobile(without(X_gap, slice(14, 28)))[rows, c_gap]
falls = Y - Y_erased
net_right = gap_maps["HiResCAM"][:, :, 7:].sum((1, 2))
both = float(torch.corrcoef(torch.stack([falls, net_right]))[0, 1])
print(
    f"without the other digit the logit falls by {falls.mean():+.1f} on average; HiResCAM's sum on"
)
print(
    f"that side, with its sign: {net_right.mean():+.1f}; over the images they correlate: {both:.2f}"
)

# %% [markdown]
# **The answer:** the spread is exactly 0. There is nothing that jumps, so there is nothing to
# smooth. A weighted mean of equal numbers is that number, with whatever weights: HiResCAM,
# XGrad-CAM and the smoothed version *are* Grad-CAM, and the evidence on the wrong digit stays where
# it was. (For any head: Grad-CAM takes the mean over **all** places. Smoothing $G$ over its
# neighbours before can hardly change that mean.) Only the noisy images give slightly other weights,
# and they repair nothing.
#
# The evidence on the other digit is not an accident of the gradient. The channels that this network
# built are active on both digits, and in one image each channel has one slope for all places. Is
# the map true, then? Erase the other digit, and the logit *rises*, on average. For there is also
# evidence **against** on that side, and more of it: the last line adds both, with their signs, and
# agrees with the experiment. "Positive evidence on the wrong digit" is half of what the map says.
#
# ## "High resolution"
#
# The name HiResCAM, and an article, promise a map of "high resolution". **How many cells has the
# map of HiResCAM, and how many that of Grad-CAM, at the same layer?**

# %%
F, G, Y = look(trunk, head, X_same, c_same)
packed = {}
for text, m in maps3.items():
    P = m(F, G).relu().flatten(1)
    P = P[P.sum(1) > 0]  # a map without evidence has no half of it
    half = (P.sort(1, descending=True).values.cumsum(1) < 0.5 * P.sum(1, keepdim=True)).sum(1) + 1
    print(f"{text:10} cells {tuple(m(F, G).shape[1:])}", end="; ")
    packed[text] = float(half.float().mean())
    print(f"half of the evidence in {packed[text]:.1f} of them")

# %% [markdown]
# The same: each has the cells of the layer, 7×7. Not even the heat is packed much closer here: half
# of the evidence of HiResCAM lies in about as many cells as with Grad-CAM. What changes is
# **which** cells. (XGrad-CAM is a little wider here.) For finer cells ask an earlier layer, and pay
# for it (lesson 8).
#
# A spread-out map can even *win* where the aim is another one: to outline a whole object. The
# authors write that Grad-CAM often expands the attention to bigger and smoother areas. Good for a
# mask of the dog; bad for the question what the network used.
#
# ## Your functions and those of camlite
#
# `camlite.hires_cam` and `camlite.xgrad_cam` take the network, a layer, images and classes. Both do
# what you have written.

# %%
F, G, _ = look(trunk, rest, X_plain, c_plain)
of_camlite = [
    m(flat, "classifier.0", X_plain, c_plain) for m in (camlite.hires_cam, camlite.xgrad_cam)
]
off_hires = float((hires_cam(F, G) - of_camlite[0]).abs().max())
off_xgrad = float((xgrad_cam(F, G) - of_camlite[1]).abs().max())
print(f"largest difference: HiResCAM {off_hires:.1e}, XGrad-CAM {off_xgrad:.1e}")

# %% [markdown]
# ## A real network
#
# This part needs the weights of MobileNetV2 and photographs in your data folder (`camlite doctor`
# shows it). We ask twice: at the end of `features`, where GAP and one linear layer follow, and in
# the middle of the network (`features.13`, 96 maps of 14×14). In the middle the layer has no ReLU
# at its end, so its features have both signs. **Guess:** at which layer do the three maps differ,
# and which of them fails?

# %%
samples, photo = data.find("imagenet_samples"), data.find("photos/cat_dog.jpg")
real = "mobilenet_v2" in weights.at_hand() and samples is not None and photo is not None
real_alike, real_fall = {}, {}
if not real:
    print("no MobileNetV2 and photographs at hand: this part is left out")
else:
    big = weights.pretrained("mobilenet_v2").model.requires_grad_(False)
    files = sorted(samples.glob("*.JPEG"))
    files = files[:: len(files) // (4 if fast else 20)][: 4 if fast else 20]
    z = torch.cat([weights.preprocess(data.load_image(file))[1] for file in files])
    c_big = big(z).argmax(1)
    for layer in ("features", "features.13"):
        F, G, Y = look(*camlite.split(big, layer), z, c_big)
        maps = {text: m(F, G) for text, m in maps3.items()}
        spread = (G.amax((2, 3)) - G.amin((2, 3))).max()
        real_alike[layer] = float(alike(maps["Grad-CAM"], maps["HiResCAM"]).mean())
        print(f"{layer}: spread of G {spread:.1e}, Grad-CAM and HiResCAM: cosine", end=" ")
        print(f"{real_alike[layer]:.2f}, {(F < 0).float().mean():.0%} of F is negative")
    real_fall = drops(big, z, c_big, maps, draws=3)
    print(f"features.13, hidden in the image, n = {len(z)}:", spoken(real_fall))

# %% tags=["figure"] jupyter={"source_hidden": true}
if real:
    seen, z_photo = weights.preprocess(data.load_image(photo))
    F, G, _ = look(*camlite.split(big, "features"), z_photo, torch.tensor([243]))
    heat = [camlite.up(m(F, G), seen.shape[2:])[0] for m in maps3.values()]
    plot.grid(
        [[(seen[0], None), *((seen[0], one) for one in heat)]],
        [""],
        ["image", *maps3],
        title="MobileNetV2, why bull mastiff? Before GAP three methods draw one map",
        signed=True,
        scale="shared",
    )
    plt.show()

# %% [markdown]
# We ran it with 20 photographs. At the end of `features` the three maps are one: whatever heat of
# the dog's map lies on the cat's neck, no method of this lesson moves it. In the middle Grad-CAM
# and HiResCAM hardly agree. Hidden in the image, HiResCAM's cells matter most; those of Grad-CAM
# and of XGrad-CAM matter about as much as cells taken by chance. By this test, on 20 images,
# their maps say next to nothing there.
#
# ## The figure of this lesson
#
# Three networks, one image of each; and on the right the experiment, over many images: how much
# does the logit fall when the strongest tenth of the cells is painted black in the image?

# %% tags=["figure"] jupyter={"source_hidden": true}
cases = {
    "reads the left\ndigit: flatten,\none linear": (trunk, head, X_same, c_same, first[0]),
    "built image:\nflatten, two\nlinears": (trunk, rest, X_built, c, some[-1]),
    "GAP, two\nlinears": (mobile.features, mobile.classifier, X_gap, c_gap, 0),
}
figure, axes = plt.subplots(
    3, 5, figsize=(11, 6.4), layout="constrained", width_ratios=[1, 1, 1, 1, 1.5]
)
last_falls = {}
for line, (text, (f, k, x, c_x, n)) in zip(axes, cases.items(), strict=True):
    F, G, _ = look(f, k, x, c_x)
    maps = {name: m(F, G) for name, m in maps3.items()}
    fall = last_falls[text] = drops(nn.Sequential(f, k), x, c_x, maps)
    line[0].imshow(1 - x[n, 0], cmap="gray", vmin=0, vmax=1)
    line[0].set_ylabel(f"{text}\n\nwhy {c_x[n]}?", rotation=0, ha="right", va="center")
    for axis, M in zip(line[1:4], maps.values(), strict=True):
        (pixels, cell) = on_paper(x[n : n + 1], M[n : n + 1])[0]
        plot.overlay(axis, pixels, cell / cell.abs().max(), signed=True)
    means = [float(v.mean()) for v in fall.values()]
    errors = [float(1.96 * v.std() / len(v) ** 0.5) for v in fall.values()]
    colours = ["#440154", "#21918c", "#c8c020", "#999999"]
    line[4].barh(range(4), means, xerr=errors, color=colours, edgecolor="black", linewidth=0.6)
    line[4].axvline(0, color="black", linewidth=0.8)
    line[4].set(yticks=range(4), yticklabels=fall, ylim=(3.6, -0.6))
    line[4].set_title(f"n = {len(x)}", fontsize=10)
    for axis in line[:4]:
        axis.set(xticks=[], yticks=[])
for axis, name in zip(axes[0], ["image", *maps3], strict=False):
    axis.set_title(name)
axes[2, 4].set_xlabel("fall of the logit without the\nstrongest tenth (line: 95 % interval)")
plot.bar(
    axes[:, :4].ravel(), "against ← 0 → for\nscaled per map", signed=True, line=True, shrink=0.6
)
figure.suptitle(
    "Where the place counts, Grad-CAM can go wrong; just before GAP all three maps are one"
)
plt.show()

# %% [markdown]
# **Today's question was: when does Grad-CAM show a place that the network does not use?** When the
# gradient of a channel is not the same at all places, above all when it changes its sign. Then the
# mean stands for places that have nothing in common. Where GAP follows this cannot happen. After a
# flattening, and in the middle of a network, it can. And who decides? Not the newer map: the
# experiment.

# %% [markdown]
# ## Once more
#
# *From lesson 3, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 3.1, for a flattening head. Its table of weights has one column for each channel **and
# place**; `W` below has the shape (10, 32, 7, 7). So the class activation map needs no gradient
# here either: $\sum_k W_{c,k}(x,y)\,F_k(x,y)$. Write it for `F_left` and the classes `c_same`, (N,
# 7, 7). It must be the HiResCAM map.

# %%
F_left, G_left, _ = look(trunk, head, X_same, c_same)
W = head[1].weight.view(10, 32, 7, 7)
cam_flat = torch.zeros(len(F_left), 7, 7)  # your line here
off = float((cam_flat - hires_cam(F_left, G_left)).abs().max())
print(f"largest difference to HiResCAM: {off:.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `cam_flat = torch.einsum("nkxy,nkxy->nxy", W[c_same], F_left)`. HiResCAM is CAM for a head that
# has a weight for each place. With GAP all places of a channel share one weight, and it is the CAM
# of lesson 3, divided by $Z$.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 9` asks them again, also next week.
#
# **1.** One channel, four places: F = (2, 0, 1, 1) and G = (1, −3, 0, 2). What are the signed maps
# of Grad-CAM, XGrad-CAM and HiResCAM? Which of them have the right sum, if the bias is 0?
#
# <details><summary>Answer</summary>
#
# The mean of G is 0, so Grad-CAM is (0, 0, 0, 0). XGrad-CAM's weight is (2 + 0 + 0 + 2) / 4 = 1,
# its map (2, 0, 1, 1). HiResCAM is (2, 0, 0, 2). The last two have the sum 4, which is the logit;
# only HiResCAM knows that the third place adds nothing.
#
# </details>
#
# **2.** A network ends in GAP, Linear, ReLU, Linear. A colleague says: "Grad-CAM lights up the
# wrong animal. Take HiResCAM or XGrad-CAM, they are more faithful." What do you answer?
#
# <details><summary>Answer</summary>
#
# At the layer before GAP the gradient is the same at all places, so all three draw the same map. If
# it is on the wrong animal, then the network's channels are active there, and the head counts them.
# Hide that animal and ask for the logit.
#
# </details>
#
# **3.** A channel before its ReLU has two places: F = (3, −2.99) and G = (1, 0). What is
# XGrad-CAM's weight, and what is its part of the map? Is conservation violated?
#
# <details><summary>Answer</summary>
#
# w = 3 / 0.01 = 300. The map gets (900, −897). The sum is 3, as it must be: the axiom holds, and
# the map is nonsense.
#
# </details>
#
# **4.** (lesson 8) You keep F after a normalisation, the next layer is a ReLU that works in place,
# and you forgot the copy. G is right. Which of the two maps is wrong, Grad-CAM or HiResCAM?
#
# <details><summary>Answer</summary>
#
# Your F has been overwritten: its negative values are 0 now. Grad-CAM multiplies them with α, so it
# is wrong. HiResCAM is right by luck: where F was negative, the ReLU let nothing through and G is
# 0.
#
# </details>
#
# **5.** (lesson 3) A network ends in GAP and one linear layer. The CAM of a class has the values
# 8, 0, −4 and 4, and the bias is 1. What is the logit? What are the values of HiResCAM, and how do
# they give the logit?
#
# <details><summary>Answer</summary>
#
# The mean is 2, so the logit is 3. HiResCAM is CAM / Z = (2, 0, −1, 1). Its *sum* is 2, and with
# the bias 3: the division by Z is inside the gradient already.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * Grad-CAM can show places that the network does not use, and show nothing where it looks: when
#   the gradient of a channel differs from place to place.
# * **HiResCAM** multiplies place by place. Before one linear layer each value of the map is exactly
#   what its place adds to the logit. With more layers after it there is no such promise: measure.
# * **XGrad-CAM** has one weight for each channel. It gets the sums right (two axioms), not the
#   places. With signed features its weights explode, and the axioms do not notice.
# * Before GAP all of them are one map, whatever follows. Smoothing the gradient repairs nothing.
# * HiResCAM has no higher resolution than its layer.
# * You can *search* for the image on which two methods disagree. Then an experiment that knows
#   neither of them must decide, with chance beside it.
#
# **Where it fails.** HiResCAM at a layer with many layers after it is gradient times feature map: a
# statement about small changes. It shows *where*, not *what*: two reasons at one place cancel. And
# an image with a black hole is off-distribution too (lesson 6): the experiment is better than a
# guess, but it is not the last word.
#
# **Try this** (15 minutes). Search for an image on which *XGrad-CAM* and HiResCAM disagree: copy
# `signed_xgrad` above the search, put it in the place of `grad_cam` in the loss and in
# `built_grad`, and run from there. (The texts still say Grad-CAM.) Does the experiment decide in
# the same way? If you have the weights of ResNet50: repeat the real network with `layer3` and
# `layer4`.
#
# **Where to read on.** arXiv 2011.08891: the theorems on flattening heads and on CAM. arXiv
# 2008.02312: the axioms and Equation 5. `camlite.hires_cam` and `camlite.xgrad_cam` have the same
# steps as your functions; `camlite card hires_cam` lists needs and caveats. For the terms with the
# biases at *all* layers: S. Srinivas, F. Fleuret, *Full-Gradient Representation for Neural Network
# Visualization*, NeurIPS 2019, arXiv 1905.00780.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *element-wise product*: tích từng phần tử · 逐元素乘积 · 逐元素乘積 · 要素ごとの積
# * *faithfulness*: tính trung thực · 忠实度 · 忠實度 · 忠実性
# * *axiom*: tiên đề · 公理 · 公理 · 公理
# * *sensitivity*: độ nhạy · 敏感性 · 敏感度 · 感度
# * *conservation*: tính bảo toàn · 守恒性 · 守恆性 · 保存性
# * *gradient*: gradient · 梯度 · 梯度 · 勾配
# * *resolution*: độ phân giải · 分辨率 · 解析度 · 解像度
#
# **Next:** lesson 10 asks whether each of several frogs counts: Grad-CAM++.
