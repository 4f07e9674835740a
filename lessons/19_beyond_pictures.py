# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 19: Beyond pictures
#
# **Time** 115 minutes · **Difficulty** ●●●○○ · **You need** lessons 3 and 8; 4 and 6 help · **At
# the end** you have made maps of signals, tables, sentences, questions and tokens, and tested what
# each of them claims.
#
# Four people call on one day. A doctor has the curve of a heart: "Which beat is wrong?" A bank has
# a table: "Which column decided?" A newspaper has a sentence: "Which word?" A blind man has a photo
# and a question: "What colour is the bus?" None of them has only a picture. Must you learn four new
# methods?
#
# The formula of lesson 3 says: take the channels, weigh each one with its weight of class $c$, add
# them up. Nothing in it speaks of pictures. It needs **channels** and **places**. **Today's
# question: the same formula with one index, or two inputs, or tokens. What is a place now, and is
# the map still true there?**
#
# > **Papers:** B. Zhou et al.: *Learning Deep Features for Discriminative Localization*, CVPR 2016,
# > arXiv 1512.04150 (CAM; finds text in pictures, answers questions about them). · R. R. Selvaraju
# > et al.: *Grad-CAM*, ICCV 2017, arXiv 1610.02391 (any head, also one that reads in order). · A.
# > Dosovitskiy et al., ICLR 2021, arXiv 2010.11929 (ViT, a transformer for pictures).

# %% tags=["imports"]
import os
import warnings
from collections import Counter

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

import camlite
from camlite import data, nets
from camlite.course import check, hint

fast = bool(os.environ.get("CAMLITE_FAST"))  # one network of each kind, for tests
SEEDS = range(1 if fast else 3)

# %% [markdown]
# ## A series: one index
#
# camlite draws signals: slow waves and noise, and somewhere a **motif** of 24 samples, a burst, a
# heart beat or a ramp. The motif is the class. A signal is (N, C, L): C channels, L places in time.
# `nn.Conv1d` slides over L as `nn.Conv2d` slides over a picture. Then GAP, the mean over L, and one
# linear layer. We train one network from each of a few random starts (in 64 bits, as in lesson 6).


# %%
class SeriesNet(nn.Module):
    """Two convolutions over a series, GAP, one linear layer: (N, C, L) -> logits (N, classes)."""

    def __init__(self, channels: int, width: int, K: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, w in ((channels, width), (K, width if channels == 1 and width > 3 else 1)):
            layers += [nn.Conv1d(before, K, w, padding=w // 2), nn.BatchNorm1d(K), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(K, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(dim=2))


def trained(make, x: Tensor, labels: Tensor, seed: int, epochs: int = 8) -> nn.Module:
    """A network from this random start that has learned from these series."""
    torch.manual_seed(seed)
    net = make().double()
    nets.fit(net, x.double(), labels, epochs=epochs, seed=seed)
    return net.float()


learn, test = data.signals(450, seed=0), data.signals(90 if fast else 150, seed=1)
x, c, N = test.signals, test.labels, len(test.labels)
signal_nets = [trained(lambda: SeriesNet(1, 9), learn.signals, learn.labels, s) for s in SEEDS]
signal_right = [nets.accuracy(net, x, c) for net in signal_nets]
print(f"signals {tuple(x.shape)}, right:", "  ".join(f"{100 * r:.0f} %" for r in signal_right))

# %% [markdown]
# ## Exercise 19.1: CAM with one index
# *●○○○○ · about 7 minutes*
#
# $$ M_c(l) = \sum_k W_{ck}\,F_k(l) $$
#
# $F_k(l)$ is channel $k$ of the last layer at place $l$, $W$ the weights of the linear layer, row
# $c$ for class $c$. `F` is (N, K, L), `W` is (C, K), `c` an int or one class for each series, a
# LongTensor (N,). The result is (N, L), with its sign, not scaled.


# %% tags=["exercise", "19.1"]
def cam_1d(F: Tensor, W: Tensor, c: int | Tensor) -> Tensor:
    """The class activation map of a series: F (N, K, L), W (C, K) -> (N, L), signed."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 19.1: cam_1d")


# %%
check("19.1", cam_1d)

# %%
net = signal_nets[0]
F, W, b = net.features(x).detach(), net.classifier.weight.detach(), net.classifier.bias.detach()
M = cam_1d(F, W, c)
Y = net(x).detach()[range(N), c]
series_gap = float((M.mean(1) + b[c] - Y).abs().max())
same = torch.allclose(M, camlite.cam(net, "features", x, c), atol=1e-4)
print(f"maps {tuple(M.shape)}; largest |mean of the map + bias − logit|: {series_gap:.1e}")
print("the same as camlite.cam:", same)

# %% [markdown]
# The map still adds up to the logit, up to rounding. `camlite` takes (N, K, L) as it is. (A library
# that only knows pictures can be fed `F.unsqueeze(2)`: a picture of one row.)


# %% tags=["figure"] jupyter={"source_hidden": true}
def series(axis, values: Tensor, heat: Tensor, top: float, title: str) -> None:
    """A line in dark grey, and behind it the map, red for and blue against the class."""
    low, high = float(values.min()) - 0.2, float(values.max()) + 0.2
    image = dict(aspect="auto", cmap="RdBu_r", vmin=-top, vmax=top, alpha=0.75)
    axis.imshow(heat[None], extent=(0, len(heat), low, high), **image)
    axis.plot(torch.arange(len(values)) + 0.5, values, color="black", linewidth=1.1)
    axis.set_title(title, fontsize=9)
    axis.set(ylim=(low, high), yticks=[])


def signed_bar(figure, axes, top: float, label: str) -> None:
    scale = plt.cm.ScalarMappable(plt.Normalize(-top, top), "RdBu_r")
    figure.colorbar(scale, ax=axes, label=label, extend="both")


figure, axes = plt.subplots(3, 1, figsize=(9, 4.8), layout="constrained", sharex=True)
top = float(M[:3].abs().max())
for n, axis in enumerate(axes):
    start, stop = test.spans[n].tolist()
    series(axis, x[n, 0], M[n], top, f"{test.class_names[c[n]]}; motif between the dashed lines")
    for place in (start, stop):
        axis.axvline(place, color="black", linestyle="--", linewidth=1)
axes[-1].set_xlabel("place in time, samples")
signed_bar(figure, axes, top, "CAM: red for the class,\nblue against it, white 0")
figure.suptitle(f"The evidence lies on the planted motif (first 3 of {N} test signals, network 0)")
plt.show()

# %% [markdown]
# ## A table: what is a neighbour?
#
# A Japanese article says: for a table or a text Conv2D becomes Conv1D, and CAM works in the same
# way. For a table that hides a choice. Here is one with 12 columns, all random numbers. In class
# *fall* there are two **neighbouring** columns, high and then low; in class *rise*, low and then
# high; in class *none* nothing is planted. A row of the table can be given in two ways:
#
# * **columns as places**, (N, 1, 12): a convolution of width 3 slides over the columns;
# * **columns as channels**, (N, 12, 1): each column is a channel, and there is one place.
#
# And we do what everybody may do with a table: write its columns in another **order**, the same one
# for all rows, and train again. No information is lost. **Guess first:** what happens to the
# accuracy of each kind? Chance: 33 %.


# %%
def table(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (count, 12), classes (0 fall, 1 rise, 2 none), and the first of the two columns."""
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 12, generator=rng)
    kind, first = torch.arange(count) % 3, torch.randint(11, (count,), generator=rng)
    size = (1.5 + torch.rand(count, generator=rng)) * (1 - 2.0 * kind)
    n = (kind < 2).nonzero()[:, 0]
    rows[n, first[n]], rows[n, first[n] + 1] = size[n], -size[n]
    return rows, kind, first


rows, kind, _ = table(1500, seed=0)
test_rows, test_kind, first = table(300, seed=1)
planted = test_kind < 2
as_places, as_channels = (lambda r: r[:, None]), (lambda r: r[:, :, None])
table_right: dict[str, list[float]] = {}
column_found: dict[str, list[float]] = {}
for seed in SEEDS:
    mixed = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    for how, given, make in (
        ("places", as_places, lambda: SeriesNet(1, 3)),
        ("channels", as_channels, lambda: SeriesNet(12, 1)),
    ):
        for order, name in ((torch.arange(12), "as it was"), (mixed, "another order")):
            table_net = trained(make, given(rows[:, order]), kind, seed)
            seen = given(test_rows[:, order])
            right = nets.accuracy(table_net, seen, test_kind)
            table_right.setdefault(f"columns as {how}, {name}", []).append(right)
            W = table_net.classifier.weight.detach()
            M = cam_1d(table_net.features(seen).detach(), W, test_kind)
            column = order[M.argmax(1)] if how == "places" else torch.full((300,), -1)
            hit = (column == first) | (column == first + 1)
            column_found.setdefault(f"{how}, {name}", []).append(float(hit[planted].float().mean()))
for name, right in table_right.items():
    print(f"{name:35} right:", "  ".join(f"{100 * r:.0f} %" for r in right))
for name in ("places, as it was", "places, another order"):
    shares = "  ".join(f"{100 * s:.0f} %" for s in column_found[name])
    print(f"brightest column of the map is planted, {name:22} {shares}  (chance 17 %)")

# %% [markdown]
# **Your guess:** as places, the order decides. In the old order the network is right on most rows,
# and the map finds the planted columns far more often than chance. In a new order the accuracy
# falls, in every network: most pairs are no neighbours any more, and a window of 3 cannot see both.
# As channels, the order changes little. But there the map has **one** place. It is the logit
# without its bias, and says nothing about columns.
#
# So ask of every table: does *neighbour* mean something (months, wavelengths)? Then use places.
# Else (age, price, colour) a map over columns shows an order that somebody chose. And GAP forgets
# *which* column it was: "age is high" and "price is high" are nearly the same to it.
#
# ## A sentence: pieces of words
#
# A sentence is a series too. Its places are **tokens**: pieces of words. We learn the pieces here,
# from our own sentences, with *byte pair encoding*: begin with letters, and join the most frequent
# pair of neighbours, again and again. Each token then has a learned row of D numbers, its
# **embedding**.
#
# Our sentences say whether something is good or bad, with one word: *hopeful* or *hopeless*,
# *harmful* or *harmless*. Neither the beginning nor the ending of the word tells the class alone.
# You may skim the next cell. Look at what it prints.

# %%
GOOD = ["hopeful", "harmless", "careful", "painless", "useful", "fearless", "thankful"]
BAD = ["hopeless", "harmful", "careless", "painful", "useless", "fearful", "thankless"]
OPPOSITE = dict(zip(GOOD + BAD, BAD + GOOD, strict=True))
THINGS = ["film", "letter", "garden", "song", "journey"]
HOW = ["very", "rather", "quite", "almost", "really"]
BEFORE = ["", "in spring", "after lunch", "as we know", "on monday"]
AFTER = ["", "said the doctor", "and nobody left", "but it was long", "with some tea"]


def sentences(count: int, seed: int) -> tuple[list[list[str]], Tensor]:
    """Sentences as lists of words, and their classes: 0 bad, 1 good."""
    rng = torch.Generator().manual_seed(seed)

    def any_of(choices: list[str]) -> str:
        return choices[int(torch.randint(len(choices), (), generator=rng))]

    texts = [
        f"{any_of(BEFORE)} the {any_of(THINGS)} was {any_of(HOW)} "
        f"{any_of((BAD, GOOD)[n % 2])} {any_of(AFTER)}".split()
        for n in range(count)
    ]
    return texts, torch.arange(count) % 2


def join(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """Wherever the two pieces of `pair` stand side by side, they become one."""
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


texts, mood = sentences(600, seed=0)
words = Counter(word for text in texts for word in text)
pieces = {word: list(word) for word in words}
for _ in range(70):
    pairs: Counter = Counter()
    for word, times in words.items():
        for pair in zip(pieces[word], pieces[word][1:], strict=False):
            pairs[pair] += times
    best = max(pairs, key=lambda pair: (pairs[pair], pair))
    pieces = {word: join(cut, best) for word, cut in pieces.items()}
number = {
    piece: n + 1 for n, piece in enumerate(sorted({p for cut in pieces.values() for p in cut}))
}
T = 32  # tokens of a sentence; 0 fills the rest


def encode(texts: list[list[str]]) -> tuple[Tensor, Tensor]:
    """Token numbers (N, T), and for each token the number of its word in the sentence, or -1."""
    ids, owner = torch.zeros(len(texts), T, dtype=torch.long), torch.full((len(texts), T), -1)
    for n, text in enumerate(texts):
        cut = [(number[p], w) for w, word in enumerate(text) for p in pieces[word]]
        ids[n, : len(cut)], owner[n, : len(cut)] = torch.tensor(cut).T
    return ids, owner


print(f"{len(number)} pieces;", " ".join("|".join(pieces[w]) for w in (*GOOD[:4], *BAD[:4])))


# %% [markdown]
# ## Exercise 19.2: a map of tokens
# *●●○○○ · about 10 minutes*
#
# $$ F = \mathrm{ReLU}\big(\mathrm{conv}(E^\top)\big), \qquad M_c(t) = \sum_k W_{ck}\,F_k(t) $$
#
# $E$ are the `embeddings`, (N, T, D): for each of T tokens D numbers. `conv` is a module that
# takes (N, D, T), the channels **before** the places, and gives (N, K, T), as many places as
# before. `E.transpose(1, 2)` exchanges the last two axes. $t$ counts the tokens. `W` and `c` are as
# in 19.1. The result is (N, T), signed.


# %% tags=["exercise", "19.2"]
def token_map(embeddings: Tensor, conv: nn.Module, W: Tensor, c: int | Tensor) -> Tensor:
    """A map of tokens: embeddings (N, T, D), conv (N, D, T) -> (N, K, T), W (C, K) -> (N, T)."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 19.2: token_map")


# %%
check("19.2", token_map)

# %% [markdown]
# Two classes, so we draw *good* minus *bad* (lesson 4: a single row of $W$ can be shifted, the
# difference cannot). The score of a word is the sum over its pieces. **Guess first:** which word
# will have the largest score, in size? And is it enough that a map points to it? We also **swap**
# words: the deciding word for its opposite, and the thing (*film*) for another thing.


# %%
class TextNet(nn.Module):
    """Embedding, one convolution over 5 tokens, GAP, one linear layer: (N, T) -> logits (N, 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(number) + 1, 16, padding_idx=0)
        self.conv = nn.Conv1d(16, 32, 5, padding=2)
        self.classifier = nn.Linear(32, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.classifier(self.conv(self.embedding(ids).mT).relu().mean(dim=2))


def mood_map(net: TextNet, ids: Tensor) -> Tensor:
    """Good minus bad, (N, T)."""
    W = net.classifier.weight.detach()
    return token_map(net.embedding(ids).detach(), net.conv, W[1:] - W[:1], 0).detach()


def word_scores(M: Tensor, owner: Tensor) -> Tensor:
    """The sum over the pieces of each word, (N, words)."""
    return torch.stack([(M * (owner == w)).sum(1) for w in range(int(owner.max()) + 1)], 1)


def train_text(seed: int) -> TextNet:
    torch.manual_seed(seed)
    net = TextNet().double()
    nets.fit(net, encode(texts)[0], mood, epochs=12, rate=2e-2, seed=seed)
    return net.float()


text_nets = [train_text(seed) for seed in SEEDS]
new, new_mood = sentences(100, seed=1)
ids, owner = encode(new)
decides = torch.tensor([next(i for i, w in enumerate(text) if w in OPPOSITE) for text in new])
turned = encode([[OPPOSITE.get(w, w) for w in text] for text in new])[0]
other_thing = dict(zip(THINGS, THINGS[1:] + THINGS[:1], strict=True))
moved = encode([[other_thing.get(w, w) for w in text] for text in new])[0]
text_found = []
for seed, text_net in enumerate(text_nets):
    answer = text_net(ids).argmax(1)
    top = word_scores(mood_map(text_net, ids), owner).abs().argmax(1)
    share = [
        (answer == new_mood), (top == decides), (text_net(turned).argmax(1) != answer),
        (text_net(moved).argmax(1) != answer),
    ]  # fmt: skip
    text_found.append([float(s.float().mean()) for s in share])
    texts_of = ("right", "top word decides", "opposite word flips", "other thing flips")
    cells = zip(texts_of, text_found[-1], strict=True)
    print(f"network {seed}:", " · ".join(f"{t} {100 * s:.0f} %" for t, s in cells))
longest = word_scores(torch.ones(100, T), owner).argmax(1)
longest_found = float((longest == decides).float().mean())
any_word = float(torch.tensor([1 / len(text) for text in new]).mean())
print(f"floors for the top word: any word {any_word:.0%}, the word with most pieces", end=" ")
print(f"{longest_found:.0%}")

# %% [markdown]
# **Your guess:** in most sentences the top word is the deciding one, more often than in both
# floors. The second floor matters: the deciding word has several pieces, and a sum over pieces
# favours such words, whatever the map says. And the swap proves what the map only claims. The
# opposite word flips the answer; another thing never or nearly never does.


# %% tags=["figure"] jupyter={"source_hidden": true}
def written(axis, n: int, M: Tensor, top: float) -> None:
    """The tokens of sentence n, each on its colour; a thin gap inside a word, a wide one after."""
    colours, place = plt.get_cmap("RdBu_r"), 0.0
    flat = [(piece, w) for w, word in enumerate(new[n]) for piece in pieces[word]]
    for t, (piece, w) in enumerate(flat):
        place += 0.25 if t and flat[t - 1][1] == w else 1.0
        width, value = 0.95 * len(piece) + 0.5, float(M[n, t])
        colour = colours(0.5 + 0.5 * max(-1.0, min(1.0, value / top)))
        axis.add_patch(plt.Rectangle((place, 0), width, 1, facecolor=colour, edgecolor="grey"))
        dark = sum(colour[:3]) < 1.35
        text = dict(ha="center", va="center", fontsize=10, family="monospace")
        axis.text(place + width / 2, 0.5, piece, color="white" if dark else "black", **text)
        place += width
    verdict = ("bad", "good")[int(text_nets[0](ids[n : n + 1]).argmax())]
    axis.set_title(f'answer: "{verdict}"', fontsize=9, loc="left")
    axis.set(xlim=(0, 74), ylim=(-0.1, 1.1))
    axis.axis("off")


M = mood_map(text_nets[0], ids)
show = [0, 1, 2, 3]
top = float(M[show].abs().max())
figure, axes = plt.subplots(4, 1, figsize=(10, 3.9), layout="constrained")
for n, axis in zip(show, axes, strict=True):
    written(axis, n, M, top)
signed_bar(figure, axes, top, "good (red) minus\nbad (blue), white 0")
figure.suptitle(
    f"The ending of the word and what stands before it decide: in {100 * text_found[0][1]:.0f} of "
    "100 sentences\nthe deciding word has the largest score (network 0)"
)
plt.show()

# %% [markdown]
# ## Exercise 19.3: where is the motif?
# *●●○○○ · about 9 minutes*
#
# Back to the signals. A map with colours is not yet an answer for the doctor. She wants two
# numbers: from where to where. With one index a box is an interval:
#
# $$ \text{start} = \arg\max_s \sum_{l=s}^{s+\text{length}-1} M(l), \qquad
# \text{stop} = \text{start} + \text{length} $$
#
# `M` is one map (L,), it may be negative everywhere; `length` is an int from 1 to L. The windows
# start at 0, 1, …, L − length. Return two ints, **half-open** (`stop` is the first place after the
# window). Of equal sums take the first. `M.unfold(0, length, 1)` gives all windows as rows.


# %% tags=["exercise", "19.3"]
def locate_motif(M: Tensor, length: int) -> tuple[int, int]:
    """The window of `length` places with the largest sum: M (L,) -> (start, stop), half-open."""
    # YOUR CODE HERE
    raise NotImplementedError("Exercise 19.3: locate_motif")


# %%
check("19.3", locate_motif)

# %% [markdown]
# Now a number for the claim: the IoU of two intervals. **Guess first:** a rival that knows no
# network takes the window where the signal moves most (the largest sum of squares around its mean).
# Is the map much better than that?


# %%
def span_iou(M: Tensor, spans: Tensor, length: int = 24) -> float:
    """Mean IoU of the located windows and the true spans: M (N, L), spans (N, 2)."""
    found = torch.tensor([[int(v) for v in locate_motif(m, length)] for m in M])
    both = torch.minimum(found[:, 1], spans[:, 1]) - torch.maximum(found[:, 0], spans[:, 0])
    both = both.clamp(min=0)
    return float((both / (2 * length - both)).mean())


def loudness(x: Tensor) -> Tensor:
    """Squares around the mean, summed over the channels: (N, C, L) -> (N, L)."""
    return (x - x.mean(dim=2, keepdim=True)).square().sum(dim=1)


def map_of(net: nn.Module, x: Tensor, c: Tensor) -> Tensor:
    """cam_1d of a SeriesNet."""
    return cam_1d(net.features(x).detach(), net.classifier.weight.detach(), c)


one_motif = [span_iou(map_of(net, x, c), test.spans) for net in signal_nets]
loud_one = span_iou(loudness(x), test.spans)
anywhere = torch.rand(x[:, 0].shape, generator=torch.Generator().manual_seed(0))
random_one = span_iou(anywhere, test.spans)
print("IoU, CAM:", "  ".join(f"{v:.2f}" for v in one_motif), end="")
print(f" · loudest window: {loud_one:.2f} · random map: {random_one:.2f}")

# %% [markdown]
# The rival is strong! A motif is loud, so finding it proves little. A fairer test: add two signals
# with different motifs that do not overlap, and ask for **one** of them, then for the other. The
# rival gives the same window both times. The network has never seen two motifs.

# %%
pairs_of = [
    (i, j) for i in range(0, N - 1) for j in (i + 1,)
    if not (test.spans[i, 0] < test.spans[j, 1] and test.spans[j, 0] < test.spans[i, 1])
]  # fmt: skip
i, j = torch.tensor(pairs_of).T
double = x[i] + x[j]
asked, truth = torch.cat([c[i], c[j]]), torch.cat([test.spans[i], test.spans[j]])
twice = torch.cat([double, double])
two_motifs = [span_iou(map_of(net, twice, asked), truth) for net in signal_nets]
wrong_class = [span_iou(map_of(net, twice, torch.cat([c[j], c[i]])), truth) for net in signal_nets]
loud_two = span_iou(loudness(twice), truth)
print(f"{len(pairs_of)} double signals, each asked twice")
print("IoU, CAM of the asked class:", "  ".join(f"{v:.2f}" for v in two_motifs))
print("IoU, CAM of the other class:", "  ".join(f"{v:.2f}" for v in wrong_class))
print(f"IoU, loudest window: {loud_two:.2f}")

# %% [markdown]
# **Your guess:** with one motif the map was better than loudness, but not by much. With two motifs
# it finds the asked one, and the rival finds it only about half as well. The map of the *other*
# class hardly meets it. That is what "class" in class activation map must mean.
#
# ## Actions, and a head that reads in order
#
# A watch measures how a hand moves: two channels, x and y. The **actions** are *wave*, *jump* and
# *circle*. In the other half of each recording the hand **shakes**, in every class. This network
# has no GAP. After two convolutions a **GRU** (gated recurrent unit, a relative of the
# LSTM) reads place after place and keeps a memory; the linear layer sees only the last memory.


# %%
class GruNet(nn.Module):
    """Two convolutions, then a GRU over the places: (N, 2, L) -> logits (N, 3)."""

    def __init__(self, K: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in (2, K):
            layers += [nn.Conv1d(before, K, 7, padding=3), nn.BatchNorm1d(K), nn.ReLU()]
            layers += [nn.MaxPool1d(2)]
        self.features = nn.Sequential(*layers)
        self.reader = nn.GRU(K, K, batch_first=True)
        self.classifier = nn.Linear(K, 3)

    def forward(self, x: Tensor) -> Tensor:
        memories, _ = self.reader(self.features(x).transpose(1, 2))  # (N, L / 4, K)
        return self.classifier(memories[:, -1])


moves, recorded = data.actions(600, seed=0), data.actions(90 if fast else 150, seed=1)
watch, move, spans = recorded.signals, recorded.labels, recorded.spans
gru_nets = [trained(GruNet, moves.signals, moves.labels, seed) for seed in SEEDS]
gru_right = [nets.accuracy(net, watch, move) for net in gru_nets]
print("right:", "  ".join(f"{100 * r:.0f} %" for r in gru_right))
try:
    camlite.cam(gru_nets[0], "features", watch, move)
    refused = False
except camlite.ArchitectureError as error:
    refused = True
    print("camlite.cam refuses:", str(error).split(";")[0])

# %% [markdown]
# CAM's formula can be *computed* here: the GRU has 16 numbers, and F has 16 channels, so the shapes
# fit. But those are other 16 numbers. **Guess first:** does such a map add up to the logit? Does it
# find the action? And Grad-CAM, which only needs the gradient at F?


# %%
def every_sample(M: Tensor) -> Tensor:
    """Each place of a map (N, 24) becomes four samples: (N, 96)."""
    return M.detach().repeat_interleave(4, dim=1)


gru_found: dict[str, list[float]] = {}
gru_gaps = []
for gru in gru_nets:
    F = gru.features(watch).detach()
    by_hand = cam_1d(F, gru.classifier.weight.detach(), move)
    Y = gru(watch).detach()[range(len(move)), move]
    gap = by_hand.mean(1) + gru.classifier.bias.detach()[move] - Y
    gru_gaps.append((float(gap.abs().mean()), float(Y.abs().mean())))
    maps = {
        "Grad-CAM": camlite.grad_cam(gru, "features", watch, move, relu=False),
        "Grad-CAM, other class": camlite.grad_cam(
            gru, "features", watch, (move + 1) % 3, relu=False
        ),
        "CAM's formula, by hand": by_hand,
        "sum of channels, no class": F.sum(1),
    }
    for name, M in maps.items():
        gru_found.setdefault(name, []).append(span_iou(every_sample(M), spans))
loud_gru = span_iou(loudness(watch), spans)
random_gru = span_iou(torch.rand(len(move), 96, generator=torch.Generator().manual_seed(0)), spans)
for mean_gap, mean_logit in gru_gaps:
    print(f"by hand: mean |mean of the map + bias − logit| {mean_gap:.1f}", end="")
    print(f", mean |logit| {mean_logit:.1f}")
for name, found in gru_found.items():
    print(f"IoU, {name:26}", "  ".join(f"{v:.2f}" for v in found))
print(f"IoU, loudest window {loud_gru:.2f}, random map {random_gru:.2f}")

# %% [markdown]
# **Your guess:** the map made by hand does not add up: it misses the logit by about the size of the
# logit itself. It finds the action worse than Grad-CAM, in every network. `camlite.cam` is right to
# refuse. Grad-CAM finds the action better than loudness and better than chance, and with another
# class it points there less. So it works after a head that reads in order.
#
# But look at the last map: the plain **sum of the channels**, without any class or head, is
# about as good. The convolutions already light up at actions and not at shaking, and Grad-CAM's
# weights add little to that place. What Grad-CAM adds here is the class.
#
# ## Two inputs: a question about a picture
#
# Visual question answering has two inputs: a picture and a question. Our pictures show a disc and a
# cross. Question 0: *what colour is the disc?* Question 1: *what colour is the cross?* The answers
# are red, green, blue. `AskedNet` comes with camlite, trained from three starts. The question opens
# and closes channels: each question has one gate from 0 to 1 for each of 32 channels.
#
# CAM wants a network of **one** input. So we hold the question fixed in a small module. Then all
# stands as in lesson 3: features (with the gates), GAP, one linear layer.


# %%
class Gates(nn.Module):
    """Multiplies each channel with its gate: (N, K, h, w) -> the same shape."""

    def __init__(self, gates: Tensor) -> None:
        super().__init__()
        self.register_buffer("gates", gates[:, None, None])

    def forward(self, F: Tensor) -> Tensor:
        return F * self.gates


class WithQuestion(nn.Module):
    """An AskedNet that holds one question: (N, 3, H, W) -> logits (N, 3)."""

    def __init__(self, net: nets.AskedNet, question: int) -> None:
        super().__init__()
        gates = net.gates.weight[question].detach().sigmoid()
        self.features = nn.Sequential(net.eyes, Gates(gates))
        self.classifier = net.classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).mean(dim=(2, 3)))


scene = data.shapes(200, seed=300, kinds=2)
differ = scene.colours[:, 0] != scene.colours[:, 1]  # then the two answers differ too
pictures, colours = scene.images[differ], scene.colours[differ, :2]
masks = scene.object_masks[differ, :2]
purple = torch.tensor([0.6, 0.3, 0.7])[:, None, None]  # no answer has this colour
asked_nets = [nets.bundled(f"asked_{seed}").eval() for seed in range(3)]
asked_numbers = []
for seed, asked_net in enumerate(asked_nets):
    held = [WithQuestion(asked_net, q).eval() for q in (0, 1)]
    maps = [camlite.cam(held[q], "features", pictures, colours[:, q]).detach() for q in (0, 1)]
    maps = [camlite.up(M.clamp(min=0), (24, 24)) for M in maps]
    on = [[(maps[q] * masks[:, k]).sum((1, 2)) for k in (0, 1)] for q in (0, 1)]
    share = [float((on[q][q] / (on[q][0] + on[q][1]).clamp(min=1e-9)).mean()) for q in (0, 1)]
    right, follows = [], []
    for q in (0, 1):
        right.append(nets.accuracy(held[q], pictures, colours[:, q]))
        for k in (q, 1 - q):  # paint the asked shape, then the other one
            painted = torch.where(masks[:, k, None], purple, pictures)
            follows.append(1 - nets.accuracy(held[q], painted, colours[:, q]))
    asked_numbers.append(
        (*right, *share, (follows[0] + follows[2]) / 2, (follows[1] + follows[3]) / 2)
    )
    print(
        f"network {seed}: right {right[0]:.0%} {right[1]:.0%} · share of the map on the asked "
        f"shape {share[0]:.0%} {share[1]:.0%}\n    answer is lost when the asked shape is painted "
        f"purple {asked_numbers[-1][4]:.0%}, when the other one is {asked_numbers[-1][5]:.0%}"
    )
area = masks.float().mean((0, 2, 3))
print(f"{len(pictures)} pictures; a flat map: disc {area[0] / area.sum():.0%}", end="")
print(f", cross {area[1] / area.sum():.0%}")

# %% [markdown]
# One scene, two questions, two maps. Here "share" is of the energy on the two shapes (lesson 6).
# Nearly all of it lies on the shape that is asked for, while a flat map would give about half to
# each. Painting agrees: the other shape may change, and the answer hardly ever does.


# %% tags=["figure"] jupyter={"source_hidden": true}
def lit(image: Tensor, heat: Tensor) -> Tensor:
    """The picture in dark grey, and over it the heat, the more opaque the stronger: (H, W, 3)."""
    dark = 0.45 * image.mean(0)[..., None].expand(-1, -1, 3)
    coloured = torch.from_numpy(plt.get_cmap("magma")(heat.clamp(0, 1).numpy())[..., :3])
    cover = (heat / 0.4).clamp(0, 1)[..., None]
    return (1 - cover) * dark + cover * coloured


def panel(axis, image: Tensor, heat: Tensor | None, outline: Tensor | None, title: str) -> None:
    """The picture, or its map (scaled to its own maximum) with an outline."""
    if heat is None:
        axis.imshow(image.permute(1, 2, 0))
    else:
        axis.imshow(lit(image, heat.clamp(min=0) / heat.max().clamp(min=1e-9)))
    if outline is not None:
        axis.contour(outline.float(), levels=[0.5], colors="white", linewidths=1.2)
    axis.set_title(title, fontsize=9)
    axis.set(xticks=[], yticks=[])


def bar(figure, axes) -> None:
    scale = plt.cm.ScalarMappable(plt.Normalize(0, 1), "magma")
    label = "positive evidence\n0 none · 1 the map's maximum"
    figure.colorbar(scale, ax=axes, label=label, ticks=[0, 0.5, 1])


figure, axes = plt.subplots(2, 3, figsize=(6.6, 4.5), layout="constrained")
held = [WithQuestion(asked_nets[0], q).eval() for q in (0, 1)]
for n, row in enumerate(axes):
    panel(row[0], pictures[n], None, None, "picture")
    for q, axis in enumerate(row[1:]):
        answer = int(held[q](pictures[n : n + 1]).argmax())
        M = camlite.cam(held[q], "features", pictures[n : n + 1], answer).detach()
        title = f'"colour of the {scene.shape_names[q]}?"\n"{scene.colour_names[answer]}"'
        panel(axis, pictures[n], camlite.up(M, (24, 24))[0], masks[n, q], title)
bar(figure, axes)
figure.suptitle(
    f"Same scene, other question, other map: {asked_numbers[0][2]:.0%} and "
    f"{asked_numbers[0][3]:.0%} of the energy\non the asked shape (outlined; network 0, "
    f"n = {len(pictures)})",
    fontsize=10,
)
plt.show()

# %% [markdown]
# ## A printed word in a picture
#
# The CAM paper found text in street photos with a network that had learned only *text* or *no
# text*. The miniature: grass, leaves, water or sand, with a printed word of 23×5 pixels. A quarter
# of the pictures have the pixels of a word **in random order**, and a quarter have none. So white
# dots alone do not decide. Nobody told the network where the words are.
#
# The number is the IoU of the word's rectangle with equally many of the map's brightest pixels
# (lesson 16). The rival without a network: how strongly a pixel differs from its neighbours,
# blurred over 5×5.

# %%
printed = data.printed_words(48 if fast else 96, seed=400)
has_word = printed.labels == 1
photos, boxes = printed.images[has_word], printed.masks[has_word]


def overlap(M: Tensor, masks: Tensor) -> float:
    """Mean IoU of each mask with as many of the brightest pixels as it has itself."""
    found = []
    for m, mask in zip(M, masks, strict=True):
        brightest = m.flatten().argsort(descending=True, stable=True)[: int(mask.sum())]
        both = mask.flatten()[brightest].sum()
        found.append(both / (2 * mask.sum() - both))
    return float(torch.stack(found).mean())


grey = photos.mean(1, keepdim=True)
edges = (grey - nn.functional.avg_pool2d(grey, 3, 1, 1)).abs()
edges = nn.functional.avg_pool2d(edges, 5, 1, 2)[:, 0]
floors = {
    "random map": torch.rand(boxes.shape, generator=torch.Generator().manual_seed(0)),
    "edges": edges,
}
word_maps, word_iou, word_right = [], [], []
for seed in range(3):
    reader = nets.bundled(f"printed_{seed}")
    word_right.append(nets.accuracy(reader, printed.images, printed.labels))
    word_maps.append(camlite.up(camlite.cam(reader, "features", photos, 1), (48, 48)).detach())
    word_iou.append(overlap(word_maps[-1], boxes))
word_floors = {name: overlap(M, boxes) for name, M in floors.items()}
print("right:", "  ".join(f"{r:.0%}" for r in word_right), f"of {len(printed)}")
print("IoU of CAM:", "  ".join(f"{v:.2f}" for v in word_iou), f"({len(photos)} words)")
print("floors:", " · ".join(f"{name} {v:.2f}" for name, v in word_floors.items()))

# %% [markdown]
# The map finds the word far better than chance. But the rival without a network is better still! A
# word is full of edges. As with the loud motif, "it finds the object" is too easy a test. The
# class must matter. So we put a picture with a word and one with mixed pixels side by side (with
# GAP a network reads any size) and ask: is the word's rectangle brighter than the mixed one?
# **Guess first:** what will the edges say?

# %%
is_mixed = ~has_word & printed.masks.any(2).any(1)
mixed_photos, mixed_boxes = printed.images[is_mixed], printed.masks[is_mixed]
some = len(mixed_photos)
wide = torch.cat([photos[:some], mixed_photos], 3)  # (some, 3, 48, 96)
nothing = torch.zeros_like(mixed_boxes)
word_box = torch.cat([boxes[:some], nothing], 2)
mixed_box = torch.cat([nothing, mixed_boxes], 2)


def mean_on(M: Tensor, mask: Tensor) -> Tensor:
    """The mean of each map on its mask: (N, H, W) twice -> (N,)."""
    return (M * mask).sum((1, 2)) / mask.sum((1, 2))


def word_wins(M: Tensor) -> float:
    return float((mean_on(M, word_box) > mean_on(M, mixed_box)).float().mean())


wins = []
for seed in range(3):
    M = camlite.cam(nets.bundled(f"printed_{seed}"), "features", wide, 1).detach()
    wins.append(word_wins(camlite.up(M, (48, 96))))
wide_grey = wide.mean(1, keepdim=True)
wide_edges = (wide_grey - nn.functional.avg_pool2d(wide_grey, 3, 1, 1)).abs()[:, 0]
edge_wins = word_wins(wide_edges)
print(f"word brighter than mixed pixels, {some} pairs: CAM", "  ".join(f"{w:.0%}" for w in wins))
print(f"edges {edge_wins:.0%}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 3, figsize=(10, 4), layout="constrained")
seen_map = camlite.cam(nets.bundled("printed_0"), "features", wide[:2], 1).detach()
seen_map = camlite.up(seen_map, (48, 96))
for n, row in enumerate(axes):
    panel(row[0], wide[n], None, None, "left a word, right mixed pixels")
    panel(row[1], wide[n], seen_map[n], word_box[n], "CAM of class word, word outlined")
    panel(row[2], wide[n], wide_edges[n], word_box[n], "edges, no network")
bar(figure, axes)
figure.suptitle(
    f"The class map lights the word and not the mixed pixels; edges light both ({some} pairs: "
    f"CAM {wins[0]:.0%}, edges {edge_wins:.0%})",
    fontsize=10,
)
plt.show()

# %% [markdown]
# **Your guess:** edges cannot read. Their number lies much nearer to chance, 50 %. The map of the
# class prefers the word in nearly all pairs, in all three networks. So the network has learned the order of the pixels,
# and its map says where.
#
# (When we made these pictures, our first network was right on all of them, and its map lay beside
# the words. Our own program had always put the words on the same two grounds. The map found our
# shortcut: lesson 6.)
#
# ## Tokens become a map
#
# A vision transformer cuts the picture into patches. Each patch becomes a token, a row of D
# numbers. In each **block** every token looks at all others (**attention**) and takes something
# from them. One more token, the **class token**, stands for no patch; the logits are read from it
# alone. `TinyViT` has 36 patches of 4×4 pixels and two blocks. It has learned which of disc, cross
# and ring are in the picture.
#
# The tokens after a block are (N, 1 + 36, D). Without the class token, and with D as the channels,
# they are feature maps (N, D, 6, 6). `camlite.tokens_to_map(model, layer)` gives back a model that
# does this step and undoes it, and the name of the step. Then each method runs on it. The common
# rival picture is **class attention**: how much the class token takes from each patch, the mean of
# four heads. `block.attention(tokens)` is (N, heads, 37, 37), row 0 the class token.
#
# Each test picture has **two** shapes, and we ask for each of them. Two numbers: which share of the
# map lies *on the two shapes*, and in how many cases the *asked* one is brighter than the other
# (chance 50 %). The control asks the network itself (lesson 7): hide a patch of 8×8 pixels with
# grey, and see how far the logit falls. **Guess first:** which of the three maps knows which shape
# is asked for?

# %%
two = data.shapes(40 if fast else 100, seed=500)
ones, others = two.shown.int().argmax(1), 2 - two.shown.int().flip(1).argmax(1)
both_asked = torch.cat([ones, others])  # each picture is asked twice
not_asked = torch.cat([others, ones])
seen = two.images.repeat(2, 1, 1, 1)
shape_masks = two.object_masks.repeat(2, 1, 1, 1)
turns = torch.arange(len(seen))
asked_mask, other_mask = shape_masks[turns, both_asked], shape_masks[turns, not_asked]


def judged(M: Tensor) -> tuple[float, float]:
    """Share of the positive part on the two shapes; how often the asked one is brighter."""
    M = M.detach()
    if M.shape[1] < 24:
        M = M.repeat_interleave(24 // M.shape[1], 1).repeat_interleave(24 // M.shape[2], 2)
    P, d = M.clamp(min=0), mean_on(M, asked_mask) - mean_on(M, other_mask)
    share = (P * (asked_mask | other_mask)).sum((1, 2)) / P.sum((1, 2)).clamp(min=1e-9)
    share = share[P.sum((1, 2)) > 0].mean()
    return float(share), float((d > 0).float().mean() + 0.5 * (d == 0).float().mean())


token_numbers: dict[str, list[tuple[float, float]]] = {}
token_maps: dict[str, Tensor] = {}
for seed in SEEDS:
    vit = nets.bundled(f"tokens_{seed}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", camlite.SplitByHook)  # a hook cuts: slower, same numbers
        for layer in ("blocks.0.norm_1", "blocks.0", "blocks.1.norm_1"):
            model, step = camlite.tokens_to_map(vit, layer)
            name = f"Grad-CAM, {layer}"
            M = camlite.grad_cam(model, step, seen, both_asked, relu=False)
            token_numbers.setdefault(name, []).append(judged(M))
            token_maps.setdefault(name, M)
    before_last = vit.blocks[0](vit.tokens(seen))
    attention = vit.blocks[1].attention(before_last)[:, :, 0, 1:].mean(1).unflatten(1, (6, 6))
    hidden = camlite.occlusion(
        vit, seen, both_asked, patch=8, stride=4, fill=0.3, probability=False
    )
    for name, M in (("class attention", attention), ("hiding patches", hidden)):
        token_numbers.setdefault(name, []).append(judged(M))
        token_maps.setdefault(name, M.detach())
token_numbers["flat map"] = [judged(torch.ones(len(seen), 6, 6))] * len(SEEDS)
for name, pairs_found in token_numbers.items():
    on = "  ".join(f"{100 * a:.0f} %" for a, _ in pairs_found)
    which = "  ".join(f"{100 * w:.0f} %" for _, w in pairs_found)
    print(f"{name:26} on the shapes {on:16} asked one brighter {which}")

# %% [markdown]
# **Your guess:** class attention lies on the shapes more than a flat map. But it has no class: for
# both questions it is the same picture, so it is right in exactly half of the cases. Grad-CAM of
# the tokens has a class, but hardly knows which shape is asked for: at no layer and in no network
# is it right in three of four cases. The network itself knows very well: hide the asked shape, and
# its logit falls.
#
# Why? A place of a convolution has seen its neighbourhood. A token has looked at **all** patches
# already in the first block. It is called token of patch (x, y), but it is no witness of that place
# any more. `tokens_to_map` gives the numbers a place on the paper, not in the network. What this
# does *not* show: that it must be so in large transformers. Ours is tiny, and learned from 3,000
# pictures. It does show what you must measure before you trust such a picture.
#
# ## The answer in one picture


# %% tags=["figure"] jupyter={"source_hidden": true}
columns = ("class attention", "Grad-CAM, blocks.0", "hiding patches")
figure, axes = plt.subplots(2, 4, figsize=(9.4, 5.1), layout="constrained")
half = len(two)
for row, n in zip(axes, (1, 1 + half), strict=True):
    name = two.shape_names[int(both_asked[n])]
    panel(row[0], seen[n], None, asked_mask[n], f'asked: "{name}"')
    for axis, title in zip(row[1:], columns, strict=True):
        heat = camlite.up(token_maps[title][n : n + 1].clamp(min=0), (24, 24))[0]
        which = f"asked one brighter: {token_numbers[title][0][1]:.0%}"
        panel(axis, seen[n], heat, asked_mask[n], f"{title}\n{which}")
bar(figure, axes)
figure.suptitle(
    "A transformer, asked for each of two shapes: attention is the same map twice; hiding patches\n"
    f"finds the asked one (outlined); numbers: network 0, {len(seen)} questions, chance 50 %",
    fontsize=10,
)
plt.show()

# %% [markdown]
# **Today's question was: what is a place now, and is the map still true there?** In a signal a
# place is a moment, and all stays as in pictures: the map adds up to the logit and finds the asked
# one of two motifs. In a sentence it is a piece of a word, and swapping the word proved the map. In
# a table a place is a column, and its neighbours are an accident, unless you know better. With a
# question the places are those of the picture, and the question chooses the channels. After a GRU
# the formula of CAM has no meaning, and Grad-CAM still has one. In a transformer a token is no
# place, and the map of tokens told hardly better than chance which shape was asked for.
#
# The formula ran each time. Only a test told whether its picture was true.
#
# ## Once more
#
# *From lesson 6, in new clothes. No hint; your check are the numbers that the cell prints.*
#
# Exercise 6.1 with one index: which share of the positive evidence lies on the planted motif? Write
# it for the maps `M` of network 0 with `test.mask`, both (N, L). The result is (N,).

# %%
M = map_of(signal_nets[0], x, c)
energy_on_motif = torch.full((N,), torch.nan)  # your line here; nan says: not written yet
motif_share = float(test.mask.float().mean())
print(f"energy on the motif {energy_on_motif.mean():.0%}, a flat map has {motif_share:.0%}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `P = M.clamp(min=0)`, then `energy_on_motif = (P * test.mask).sum(1) / P.sum(1)`. The mean is
# several times the share of a flat map, which is 24 / 128 ≈ 19 %.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 19` asks them again, also next week.
#
# **1.** A series has two channels and three places: $F_1 = (1, 0, 2)$, $F_2 = (0, 3, 1)$. The
# weights of class $c$ are 2 and −1, the bias is 0.5. What are the map and the logit?
#
# <details><summary>Answer</summary>
#
# The map is (2, −3, 3). Its mean is 2/3, so the logit is 0.67 + 0.5 = 1.17.
#
# </details>
#
# **2.** A map has the values (1, 4, −6, 3, 2, 1). Where is the best window of length 2? Which
# window would you get from $|M|$?
#
# <details><summary>Answer</summary>
#
# The sums are 5, −2, −3, 5 and 3. The first of the two largest starts at 0: (0, 2). From |M| the
# window (1, 3) has the largest sum, 10: it holds the place that speaks most against the class.
#
# </details>
#
# **3.** A table has the columns age, price, colour code and height. A colleague trains a convolution
# of width 3 over the columns, and shows a map: "Price and its neighbours decide." What do you ask?
#
# <details><summary>Answer</summary>
#
# Who chose the order of the columns? Write them in another order and train again: if the map then
# names other columns, it showed the order. And remove or shuffle the values of one column, and see
# whether the answer changes.
#
# </details>
#
# **4.** (lesson 8) A GRU stands after the feature maps. Why can Grad-CAM be computed, and which
# property of CAM is lost?
#
# <details><summary>Answer</summary>
#
# Grad-CAM needs only the gradient of the logit at the feature maps, and the GRU has one. Lost is the
# sum: the mean of the map plus the bias is not the logit.
#
# </details>
#
# **5.** (lesson 6) The map of a word has 36 % of its energy on the word's rectangle of 23×5 pixels,
# in a picture of 48×48. How many times as dense as a flat map is that?
#
# <details><summary>Answer</summary>
#
# The rectangle is 115 / 2304 ≈ 5.0 % of the picture; 0.36 / 0.050 ≈ 7.2 times.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * CAM needs channels and places, not pictures. With one index all its properties stay.
# * Ask what a *neighbour* means before you use a convolution, above all in a table.
# * A second input can be held fixed in a small module; then each method runs.
# * "It finds the object" is too easy when the object is loud or full of edges. Put two things side
#   by side, and ask for one.
# * A map of tokens is drawn in a second. Whether a token is still a place must be measured.
#
# **Where it fails.** All data here are planted: we knew the truth. Real sentences have no single
# deciding word, and a real heart beat may be wrong in its rhythm, which no window of 24 samples has.
#
# **Try this.** Train the table with width 5 or 11 instead of 3 (`SeriesNet(1, 11)`): does the new
# order still hurt? Leave one word (*useless*) out of the training sentences: do its pieces still
# tell? And read the printed words with letters in random order (`FRGO`): is that a word for the
# network?
#
# **Where to read on.** The CAM paper's section on text and on visual question answering. The
# Grad-CAM paper's section on captions, where an LSTM writes. For attention as an explanation: S.
# Jain, B. C. Wallace, *Attention is not Explanation*, NAACL 2019, arXiv 1902.10186. In the library:
# `camlite.tokens_to_map`, and `docs/` for signals.
#
# **Words.** *signal*: tín hiệu · 信号 · 訊號 · 信号. *token*: token · 词元 · 詞元 · トークン.
# *attention*: cơ chế chú ý · 注意力 · 注意力 · アテンション. *embedding*: vectơ nhúng · 嵌入 · 嵌入 · 埋め込み.
# *visual question answering*: hỏi đáp trực quan · 视觉问答 · 視覺問答 · 視覚的質問応答.
#
# **Next:** lesson 20 takes all of this to a real network and a gallery of methods.
