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
import functools
import os
import warnings

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

    def __init__(self, channels: int, widths: tuple[int, int], K: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, w in zip((channels, K), widths, strict=True):
            layers += [nn.Conv1d(before, K, w, padding=w // 2), nn.BatchNorm1d(K), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(K, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).mean(dim=2))


def trained(make, x: Tensor, labels: Tensor, seed: int, epochs: int = 8, rate: float = 1e-2):
    """A network from this random start that has learned from series or token numbers."""
    torch.manual_seed(seed)
    net = make().double()
    x = x.double() if x.is_floating_point() else x
    nets.fit(net, x, labels, epochs=epochs, rate=rate, seed=seed)
    return net.float()


learn, test = data.signals(450, seed=0), data.signals(90 if fast else 150, seed=1)
x, c, N = test.signals, test.labels, len(test.labels)
signal_nets = [trained(lambda: SeriesNet(1, (9, 9)), learn.signals, learn.labels, s) for s in SEEDS]
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
figure.suptitle(f"Most evidence lies on the planted motif (first 3 of {N} test signals, network 0)")
plt.show()

# %% [markdown]
# ## A table: what is a neighbour?
#
# The Japanese article *CAMの発展と実装* says: for a table or a text Conv2D becomes Conv1D, and CAM
# works in the same way. For a table that hides a choice. `data.table` has 12 columns of random
# numbers. In class *fall* there are two **neighbouring** columns, high and then low; in class
# *rise*, low and then high; in class *none* nothing is planted. A row can be given in two ways:
#
# * **columns as places**, (N, 1, 12): a convolution of width 3 slides over the columns;
# * **columns as channels**, (N, 12, 1): each column is a channel, and there is one place.
#
# And we do what everybody may do with a table: write its columns in another **order**, the same one
# for all rows, and train again. No information is lost. **Guess first:** what happens to the
# accuracy of each kind? Chance: 33 %.


# %%
rows, kind, _ = data.table(1500, seed=0)
test_rows, test_kind, first = data.table(300, seed=1)
planted = test_kind < 2
table_right: dict[str, list[float]] = {}
column_found: dict[str, list[float]] = {}
for seed in SEEDS:
    mixed = torch.randperm(12, generator=torch.Generator().manual_seed(seed))
    for name, order in (("as it was", torch.arange(12)), ("another order", mixed)):
        as_places, seen = rows[:, None, order], test_rows[:, None, order]
        net = trained(lambda: SeriesNet(1, (3, 1)), as_places, kind, seed)
        right = nets.accuracy(net, seen, test_kind)
        table_right.setdefault(f"columns as places, {name}", []).append(right)
        M = cam_1d(net.features(seen).detach(), net.classifier.weight.detach(), test_kind)
        column = order[M.argmax(1)]
        hit = ((column == first) | (column == first + 1))[planted]
        column_found.setdefault(name, []).append(float(hit.float().mean()))
        net = trained(lambda: SeriesNet(12, (1, 1)), as_places.mT, kind, seed)
        right = nets.accuracy(net, seen.mT, test_kind)
        table_right.setdefault(f"columns as channels, {name}", []).append(right)
for name, right in table_right.items():
    print(f"{name:35} right:", "  ".join(f"{100 * r:.0f} %" for r in right))
for name, found in column_found.items():
    shares = "  ".join(f"{100 * s:.0f} %" for s in found)
    print(f"brightest column of the map is planted, {name:14} {shares}  (chance 17 %)")

# %% [markdown]
# **Your guess:** as places, the order decides. In the old order the network is right on most rows,
# and the map finds the planted columns far more often than chance. In a new order the accuracy
# falls, in every network: most pairs are no neighbours any more, and a window of 3 cannot see both.
# As channels, the order changes little. But both are worse than places in the old order: nothing is
# shared between columns, so each of the 11 pairs must be learned alone. And the map has **one**
# place. It is the logit without its bias, and says nothing about columns.
#
# So ask of every table: does *neighbour* mean something (months, wavelengths)? Then use places.
# Else (age, price, colour) a map over columns shows an order that somebody chose. And GAP forgets
# *which* column it was: "age is high" and "price is high" are nearly the same to it.
#
# ## A sentence: pieces of words
#
# A sentence is a series too. Its places are **tokens**: pieces of words. `data.word_pieces` learns
# the pieces from our own sentences, with *byte pair encoding*: begin with letters, and join the
# most frequent pair of neighbours, again and again. Each token then has a learned row of D numbers,
# its **embedding**.
#
# Our sentences say whether something is good or bad, with one word: *hopeful* or *hopeless*,
# *harmful* or *harmless*. Neither the beginning nor the ending of the word tells the class alone,
# and no single piece does.

# %%
known, new = data.sentences(600, seed=0), data.sentences(100, seed=1)
pieces = data.word_pieces(known.texts, joins=60)
number = {p: n + 1 for n, p in enumerate(sorted({p for cut in pieces.values() for p in cut}))}
T = 36  # tokens of a sentence; 0 fills the rest


def encode(texts: list[list[str]]) -> tuple[Tensor, Tensor]:
    """Token numbers (N, T), and for each token the number of its word in the sentence, or -1."""
    ids, owner = torch.zeros(len(texts), T, dtype=torch.long), torch.full((len(texts), T), -1)
    for n, text in enumerate(texts):
        cut = [(number[p], w) for w, word in enumerate(text) for p in pieces[word]]
        ids[n, : len(cut)], owner[n, : len(cut)] = torch.tensor(cut).T
    return ids, owner


print(" ".join(new.texts[0]), "→", ("bad", "good")[new.labels[0]])
shown = ("hopeful", "blameful", "harmful", "hopeless", "blameless", "harmless")
print(f"{len(number)} pieces;", "  ".join("|".join(pieces[word]) for word in shown))


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
    W = net.classifier.weight
    return token_map(net.embedding(ids), net.conv, W[1:] - W[:1], 0).detach()


def word_scores(M: Tensor, owner: Tensor) -> Tensor:
    """The sum over the pieces of each word, (N, words)."""
    return torch.stack([(M * (owner == w)).sum(1) for w in range(int(owner.max()) + 1)], 1)


text_nets = [
    trained(TextNet, encode(known.texts)[0], known.labels, seed, epochs=12, rate=2e-2)
    for seed in SEEDS
]
ids, owner = encode(new.texts)
turned, renamed = encode(new.opposite)[0], encode(new.renamed)[0]
text_found = []
for seed, text_net in enumerate(text_nets):
    answer = text_net(ids).argmax(1)
    top = word_scores(mood_map(text_net, ids), owner).abs().argmax(1)
    share = [answer == new.labels, top == new.deciding]
    share += [text_net(other).argmax(1) != answer for other in (turned, renamed)]
    text_found.append([float(s.float().mean()) for s in share])
    shares = "right {:.0%} · top word decides {:.0%} · flips: opposite {:.0%}, other thing {:.0%}"
    print(f"network {seed}:", shares.format(*text_found[-1]))
longest = word_scores(torch.ones(100, T), owner).argmax(1)
longest_found = float((longest == new.deciding).float().mean())
any_word = float(torch.tensor([1 / len(text) for text in new.texts]).mean())
print(f"floors: any word {any_word:.0%}, the word with most pieces {longest_found:.0%}")

# %% [markdown]
# **Your guess:** in most sentences the top word is the deciding one, more often than in both
# floors. The second floor matters: the deciding word has several pieces, and a sum over pieces
# favours such words, whatever the map says. And the swap proves what the map only claims. The
# opposite word flips the answer; another thing never or nearly never does. In the figure the
# neighbours of the word are coloured too: one place of this F has seen five tokens.


# %% tags=["figure"] jupyter={"source_hidden": true}
def written(axis, n: int, M: Tensor, top: float) -> None:
    """The tokens of sentence n, each on its colour; a thin gap inside a word, a wide one after."""
    colours, place = plt.get_cmap("RdBu_r"), 0.0
    flat = [(piece, w) for w, word in enumerate(new.texts[n]) for piece in pieces[word]]
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
top = float(M[:4].abs().max())
figure, axes = plt.subplots(4, 1, figsize=(10, 3.9), layout="constrained")
for n, axis in enumerate(axes):
    written(axis, n, M, top)
signed_bar(figure, axes, top, "good (red) minus\nbad (blue), white 0")
figure.suptitle(
    f"In {100 * text_found[0][1]:.0f} of 100 sentences the deciding word has the largest score "
    "(network 0)\nA token's colour tells of five tokens: the word's neighbours are coloured too"
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
    start, stop = torch.maximum(found[:, 0], spans[:, 0]), torch.minimum(found[:, 1], spans[:, 1])
    both = (stop - start).clamp(min=0)
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
print("IoU, CAM:", "  ".join(f"{v:.2f}" for v in one_motif))
print(f"loudest window: {loud_one:.2f} · random map: {random_one:.2f}")

# %% [markdown]
# The rival is strong! A motif is loud, so finding it proves little. A fairer test: add two signals
# with different motifs that do not overlap, and ask for **one** of them, then for the other. The
# rival gives the same window both times. The network has never seen two motifs.

# %%
i, (start, stop) = torch.arange(N - 1), test.spans.T
i = i[(stop[i] <= start[i + 1]) | (stop[i + 1] <= start[i])]
j = i + 1
double = x[i] + x[j]
asked, truth = torch.cat([c[i], c[j]]), torch.cat([test.spans[i], test.spans[j]])
twice = torch.cat([double, double])
two_motifs = [span_iou(map_of(net, twice, asked), truth) for net in signal_nets]
wrong_class = [span_iou(map_of(net, twice, torch.cat([c[j], c[i]])), truth) for net in signal_nets]
loud_two = span_iou(loudness(twice), truth)
print(f"{len(i)} double signals, each asked twice")
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
except camlite.ArchitectureError as error:
    print("camlite.cam refuses:", str(error).split(";")[0])

# %% [markdown]
# CAM's formula can be *computed* here: the GRU has 16 numbers, and F has 16 channels, so the shapes
# fit. But those are other 16 numbers. **Guess first:** does such a map add up to the logit? Does it
# find the action? And Grad-CAM, which only needs the gradient at F?

# %%
gru_found: dict[str, list[float]] = {}
gru_gaps = []
for gru in gru_nets:
    F = gru.features(watch).detach()
    by_hand = cam_1d(F, gru.classifier.weight.detach(), move)
    Y = gru(watch).detach()[range(len(move)), move]
    gap = by_hand.mean(1) + gru.classifier.bias.detach()[move] - Y
    gru_gaps.append((float(gap.abs().mean()), float(Y.abs().mean())))
    grad_map = functools.partial(camlite.grad_cam, gru, "features", watch, relu=False)
    maps = {
        "Grad-CAM": grad_map(move),
        "Grad-CAM, other class": grad_map((move + 1) % 3),
        "CAM's formula, by hand": by_hand,
        "sum of channels, no class": F.sum(1),
    }
    for name, M in maps.items():  # a place of the map is four samples
        found = span_iou(M.detach().repeat_interleave(4, dim=1), spans)
        gru_found.setdefault(name, []).append(found)
loud_gru = span_iou(loudness(watch), spans)
random_gru = span_iou(torch.rand(len(move), 96, generator=torch.Generator().manual_seed(0)), spans)
for mean_gap, mean_logit in gru_gaps:
    print(f"by hand: |mean of the map + bias − logit| {mean_gap:.1f}, |logit| {mean_logit:.1f}")
for name, ious in gru_found.items():
    print(f"IoU, {name:26}", "  ".join(f"{v:.2f}" for v in ious))
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
    right = [nets.accuracy(held[q], pictures, colours[:, q]) for q in (0, 1)]
    lost = []
    for other in (0, 1):  # paint the asked shape, then the other one
        painted = [torch.where(masks[:, abs(q - other), None], purple, pictures) for q in (0, 1)]
        still = [nets.accuracy(held[q], painted[q], colours[:, q]) for q in (0, 1)]
        lost.append(1 - sum(still) / 2)
    asked_numbers.append((*right, *share, *lost))
    print(
        f"network {seed}: right {right[0]:.0%} {right[1]:.0%} · share of the map on the asked "
        f"shape {share[0]:.0%} {share[1]:.0%}\n    answer is lost when the asked shape is painted "
        f"purple {lost[0]:.0%}, when the other one is {lost[1]:.0%}"
    )
area = masks.float().mean((0, 2, 3))
flat = " ".join(f"{part:.0%}" for part in area / area.sum())
print(f"{len(pictures)} pictures; a flat map on disc and cross: {flat}")

# %% [markdown]
# One scene, two questions, two maps. Here "share" is of the energy on the two shapes (lesson 6).
# Nearly all of it lies on the shape that is asked for, while a flat map would give about half to
# each. Painting agrees: the other shape may change, and the answer hardly ever does. Without the
# asked one it is lost about as often as by a guess, 67 %, or more often.


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
    "Other question, other map: of the energy on the two shapes "
    f"{asked_numbers[0][2]:.0%} and\n{asked_numbers[0][3]:.0%} lie on the asked one "
    f"(outlined; network 0, n = {len(pictures)})",
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
    """Mean IoU of each mask with as many of the brightest pixels; masks of one size (N, H, W)."""
    n = int(masks[0].sum())
    both = masks.flatten(1).gather(1, M.flatten(1).topk(n).indices).sum(1)
    return float((both / (2 * n - both)).mean())


def edges_of(images: Tensor) -> Tensor:
    """How strongly a pixel differs from its neighbours, blurred over 5×5: (N, H, W)."""
    grey = images.mean(1, keepdim=True)
    differs = (grey - nn.functional.avg_pool2d(grey, 3, 1, 1)).abs()
    return nn.functional.avg_pool2d(differs, 5, 1, 2)[:, 0]


anything = torch.rand(boxes.shape, generator=torch.Generator().manual_seed(0))
word_floors = {"random map": overlap(anything, boxes), "edges": overlap(edges_of(photos), boxes)}
word_iou, word_right = [], []
for seed in range(3):
    reader = nets.bundled(f"printed_{seed}")
    word_right.append(nets.accuracy(reader, printed.images, printed.labels))
    M = camlite.cam(reader, "features", photos, 1).detach()
    word_iou.append(overlap(camlite.up(M, (48, 48)), boxes))
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
    wide_map = camlite.up(M, (48, 96))
    wins.append(word_wins(wide_map))
wide_edges = edges_of(wide)
edge_wins = word_wins(wide_edges)
print(f"word brighter than mixed pixels, {some} pairs: CAM", "  ".join(f"{w:.0%}" for w in wins))
print(f"edges {edge_wins:.0%}")

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(2, 3, figsize=(10, 4), layout="constrained")
for n, row in enumerate(axes):
    panel(row[0], wide[n], None, None, "left a word, right mixed pixels")
    panel(row[1], wide[n], wide_map[n], word_box[n], "CAM of class word, word outlined")
    panel(row[2], wide[n], wide_edges[n], word_box[n], "edges, no network")
bar(figure, axes)
figure.suptitle(
    f"The class map lights the word and not the mixed pixels; edges light both ({some} pairs: "
    f"CAM {wins[-1]:.0%}, edges {edge_wins:.0%}; network 2)",
    fontsize=10,
)
plt.show()

# %% [markdown]
# **Your guess:** edges cannot read. Their number lies much nearer to chance, 50 %. The map of the
# class prefers the word in nearly all pairs, in all three networks. So the network has learned the
# order of the pixels, and its map says where.
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
    if M.shape[1] < 24:
        M = M.repeat_interleave(24 // M.shape[1], 1).repeat_interleave(24 // M.shape[2], 2)
    P, d = M.clamp(min=0), mean_on(M, asked_mask) - mean_on(M, other_mask)
    share = (P * (asked_mask | other_mask)).sum((1, 2)) / P.sum((1, 2))
    share = share.nanmean()  # nan: a map without any positive part
    return float(share), float((d > 0).float().mean() + 0.5 * (d == 0).float().mean())


def one_token(vit: nn.Module, blocks: int) -> Tensor:
    """Fall of the logit when one token, after so many blocks, becomes its mean: (N, 6, 6)."""
    tokens, rest = vit.blocks[:blocks](vit.tokens(seen)), vit.blocks[blocks:]
    changed = [tokens.clone() for _ in range(37)]  # the first stays as it is
    for k in range(1, 37):
        changed[k][:, k] = tokens[:, k].mean(0)
    with torch.no_grad():
        logits = [vit.classifier(vit.norm(rest(t))[:, 0])[turns, both_asked] for t in changed]
    return torch.stack([logits[0] - Y for Y in logits[1:]], 1).unflatten(1, (6, 6))


token_numbers: dict[str, list[tuple[float, float]]] = {}
token_maps: dict[str, Tensor] = {}
for seed in SEEDS:
    vit = nets.bundled(f"tokens_{seed}")
    maps = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", camlite.SplitByHook)  # a hook cuts: slower, same numbers
        for layer in ("blocks.0.norm_1", "blocks.0", "blocks.1.norm_1"):
            model, step = camlite.tokens_to_map(vit, layer)
            maps[f"Grad-CAM, {layer}"] = camlite.grad_cam(model, step, seen, both_asked, relu=False)
    attention = vit.blocks[1].attention(vit.blocks[0](vit.tokens(seen)))[:, :, 0, 1:].mean(1)
    maps["class attention"] = attention.unflatten(1, (6, 6))
    patches = dict(patch=8, stride=4, fill=0.3, probability=False)
    maps["hiding patches"] = camlite.occlusion(vit, seen, both_asked, **patches)
    maps["one token, before block 0"] = one_token(vit, 0)
    maps["one token, after block 0"] = one_token(vit, 1)
    for name, M in maps.items():
        token_numbers.setdefault(name, []).append(judged(M.detach()))
        token_maps.setdefault(name, M.detach())
token_numbers["flat map"] = [judged(torch.ones(len(seen), 6, 6))] * len(SEEDS)
for name, pairs_found in token_numbers.items():
    on = "  ".join(f"{100 * a:.0f} %" for a, _ in pairs_found)
    which = "  ".join(f"{100 * w:.0f} %" for _, w in pairs_found)
    print(f"{name:26} on the shapes {on:16} asked one brighter {which}")

# %% [markdown]
# **Your guess:** class attention lies on the shapes more than a flat map. But it has no class: for
# both questions it is the same picture, so it is right in exactly half of the cases. Grad-CAM of
# the tokens has a class, but hardly knows which shape is asked for: at none of the three layers and
# in no network is it right in three of four cases. The network itself knows very well: hide the
# asked shape, and its logit falls.
#
# Why? The rows *one token* change a single token into its mean over all pictures, and look at the
# logit. **Before** the first block a token is its patch, and this finds the asked shape in nearly
# all cases. So the place is there, and Grad-CAM does not show it: a derivative is no change (lesson
# 7). **After** one block the same test finds it less often, in every network: each token has looked
# at all others, and is no longer the only witness of its patch. This does *not* show that it must
# be so in large transformers. Ours is tiny, and learned from 3,000 pictures. It does show what you
# must measure before you trust such a picture.
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
# the formula of CAM has no meaning, and Grad-CAM still has one. In a transformer a token is its
# patch only before the first block, and the map of tokens told hardly better than chance, even
# there, which shape was asked for.
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
# **Try this.** Train the table with width 5 or 11 instead of 3 (`SeriesNet(1, (11, 1))`): does the
# new order still hurt? Leave one word (*useless*) out of the training sentences: do its pieces still
# tell? And read the printed words with letters in random order (`FRGO`): is that a word for the
# network?
#
# **Where to read on.** The CAM paper's section on text and on visual question answering. The
# Grad-CAM paper's section on captions, where an LSTM writes. For attention as an explanation: S.
# Jain, B. C. Wallace, *Attention is not Explanation*, NAACL 2019, arXiv 1902.10186. In the library:
# `camlite.tokens_to_map`, `camlite.data.signals`.
#
# **Words.** *signal*: tín hiệu · 信号 · 訊號 · 信号. *token*: token · 词元 · 詞元 · トークン.
# *attention*: cơ chế chú ý · 注意力 · 注意力 · アテンション. *embedding*: vectơ nhúng · 嵌入 · 嵌入 · 埋め込み.
# *visual question answering*: hỏi đáp trực quan · 视觉问答 · 視覺問答 · 視覚的質問応答.
#
# **Next:** lesson 20 takes all of this to a real network and a gallery of methods.
