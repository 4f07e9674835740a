# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Lesson 15: Groups and clusters
#
# **Time** 115 minutes, and 25 for the two parts marked *optional* · **Difficulty** ●●●○○ · **You
# need** lessons 8 and 12 · **At the end** you can explain a network with a few questions instead of
# thousands, and you know what sorts channels well, and where two groups are not enough.
#
# An orchestra has 64 players. Who plays the tune? You may let every player play alone: 64 trials.
# Or you let a whole section play: first the violins, then the trumpets. That is quicker. But you
# must know who belongs to which section, and the number on the chair does not tell you.
#
# Score-CAM (lesson 12) lets every channel play alone: one run of the **whole** network for each.
# Our network has 64 channels, the last layer of ResNet50 has 2048. So people put channels into
# groups, and ask one question for each group. **Today's question: can sixteen questions replace two
# thousand?**
#
# > **Papers:** Q. Zhang, L. Rao, Y. Yang: *Group-CAM: Group Score-Weighted Visual Explanations for
# > Deep Convolutional Networks*, 2021, arXiv 2103.13859 (the formula here is that of the authors'
# > code). · Z. Feng, H. Ji, M. Daković, X. Cui, M. Zhu, L. Stanković: *Cluster-CAM: Cluster-Weighted
# > Visual Interpretation of CNNs' Decision in Image Classification*, Neural Networks 178, 2024,
# > arXiv 2302.01642 (only the abstract was at hand). *Cosine-CAM* and *abscission* are no papers:
# > they are ideas of an article on the web, *CAMの発展と実装*.

# %% tags=["imports"]
import os
import warnings

import matplotlib.pyplot as plt
import torch
from sklearn.cluster import KMeans, SpectralClustering
from torch import Tensor
from torch.nn import functional

import camlite
from camlite import data, nets, weights
from camlite.course import check, hint
from camlite.data import scenes
from camlite.figures import plot

fast = bool(os.environ.get("CAMLITE_FAST"))  # fewer images, for tests
_ = torch.set_grad_enabled(False)  # the one gradient that we need is known by hand

# %% [markdown]
# ## Part 1: who belongs together?
#
# We go back to the pond of lesson 12: two pictures side by side, with two different animals, and
# the repaired network. Each pair is asked twice: where is the left animal, where is the right one?
# So `x` holds every pair two times, first with the left animals as class `c`, then with the right
# ones. We keep only pairs of which the two best classes are the two animals: pictures that the
# network understands.

# %%
f = nets.bundled("pond_repaired")
features, classifier = camlite.split(f, "features")
pond = scenes("pond", "flipped", 96)
animals = pond.class_names
first = torch.arange(80)
second = first + 1 + (first // 4) % 3  # another animal each time
pairs = torch.cat([pond.images[first], pond.images[second]], dim=3)  # 48×96
left, right = pond.labels[first], pond.labels[second]
best_two = f(pairs).topk(2).indices.sort(dim=1).values
sees_both = (best_two == torch.stack([left, right], dim=1).sort(dim=1).values).all(1)
keep = sees_both.nonzero()[: 4 if fast else 16, 0]
pairs, left, right = pairs[keep], left[keep], right[keep]
x, c = torch.cat([pairs, pairs]), torch.cat([left, right])
F = features(x)
N, K, h, w = F.shape
half = N // 2
F_pairs = F[:half]  # F[half:] is the same again: the same pictures, another question
print(f"{len(pairs)} pairs, {N} questions; x {tuple(x.shape)}, F {tuple(F.shape)}")

# %% [markdown]
# The head is GAP and one linear layer, so we know Grad-CAM's weights without `backward` (lesson 8):
# the row of the class, divided by the number of places.

# %%
alpha = f.classifier.weight[c] / (h * w)  # (N, K)
grad_cam = torch.einsum("nk,nkxy->nxy", alpha, F).relu()
off_alpha = float((grad_cam - camlite.grad_cam(f, "features", x, c)).abs().max() / grad_cam.max())
print(f"alpha {tuple(alpha.shape)}; relative difference to camlite.grad_cam {off_alpha:.0e}")

# %% [markdown]
# ## Exercise 15.1: maps of groups
# *●●○○○ · about 12 minutes*
#
# Group-CAM takes the groups from the numbers of the channels: with 64 channels and 8 groups the
# first group is channels 0 to 7, the second 8 to 15, and so on. Each group has one map, which is
# the Grad-CAM of its channels:
#
# $$ M_g = \mathrm{ReLU}\Big(\sum_{k\,\in\,g} \alpha_k F_k\Big) $$
#
# The ReLU stands around each group's sum. `F` is (N, K, h, w), `alpha` is (N, K): one weight for
# each channel of each image. `groups` is an int and divides K. Return (N, groups, h, w), a tensor
# of floats as `F` is.
#
# `A.unflatten(1, (groups, -1))` cuts axis 1 into `groups` parts of equal length, and makes two
# axes of it: (N, K, h, w) becomes (N, groups, K / groups, h, w).


# %% tags=["exercise", "15.1"]
def group_maps(F: Tensor, alpha: Tensor, groups: int) -> Tensor:
    """The map of each group of consecutive channels: F (N, K, h, w) -> (N, groups, h, w)."""
    ### BEGIN SOLUTION
    A = alpha[:, :, None, None] * F
    return A.unflatten(1, (groups, -1)).sum(dim=2).relu()
    ### END SOLUTION


# %%
check("15.1", group_maps)

# %%
M8 = group_maps(F, alpha, 8)
one = group_maps(F, alpha, 1)[:, 0]
off_one = float((one - grad_cam).abs().max() / grad_cam.max())
print(f"8 groups: {tuple(M8.shape)}; one group: relative difference to Grad-CAM {off_one:.0e}")

# %% tags=["figure"] jupyter={"source_hidden": true}
size = x.shape[2:]
shown = [None, *camlite.up(torch.cat([grad_cam[:1], M8[0]]), size)]
figure, axes = plot.canvas(2, 5, (2.4, 1.45), margin=(1.2, 0.4))
plot.draw(list(axes.flat), [(x[0], heat) for heat in shown])
chunk_titles = [f"channels {8 * g} to {8 * g + 7}" for g in range(8)]
for axis, text in zip(axes.flat, ["image", "Grad-CAM: all 64", *chunk_titles], strict=True):
    axis.set_title(text, fontsize=10)
plot.finished(figure, f"Where is the {animals[c[0]]}? Eight groups give eight maps")
plt.show()

# %% [markdown]
# With one group, $M_1$ **is** Grad-CAM. With more we have several maps, and will ask the network
# how good each of them is. But first: is it a good idea to sort channels by their number?
# **Guess:** are the eight channels of such a group more alike than any eight channels?
#
# ## Exercise 15.2: the pattern without its strength
# *●●○○○ · about 10 minutes*
#
# What does "alike" mean? Two channels show the same pattern if their maps are bright at the same
# places, also if one is ten times weaker. So we take the strength away. Think of the map as one
# long vector of $h\,w$ numbers, and divide it by its length (its **L2 norm**):
#
# $$ \hat F_k = \frac{F_k}{\lVert F_k\rVert}, \qquad \lVert F_k\rVert = \sqrt{\textstyle\sum_{x,y} F_k(x,y)^2} $$
#
# Each channel of each image has its own norm. A channel that is zero everywhere stays zero; very
# small channels get the length 1 as all others do. Return (N, K, h, w), a tensor of floats.
#
# `t.norm(dim=2)` is the L2 norm along axis 2; `t[:, :, None, None]` puts two axes of length 1 at
# the end.


# %% tags=["exercise", "15.2"]
def unit_channels(F: Tensor) -> Tensor:
    """Each channel divided by its L2 norm; a zero channel stays zero: (N, K, h, w), same shape."""
    ### BEGIN SOLUTION
    norm = F.flatten(2).norm(dim=2)[:, :, None, None]
    return torch.where(norm > 0, F / norm, torch.zeros_like(F))
    ### END SOLUTION


# %%
check("15.2", unit_channels)

# %% [markdown]
# The product of two unit vectors is the **cosine** of their angle: 1 for the same pattern, 0 for
# two patterns without a common place. (After a ReLU no value is negative, so no cosine is.) And
# for two unit vectors $\hat x$, $\hat y$ the distance and the cosine say the same:
#
# $$ \lVert\hat x-\hat y\rVert^2 = 2\,(1-\cos(x, y)) $$


# %%
def cosines(F: Tensor) -> Tensor:
    """The cosine of any two channels of each image: (N, K, h, w) -> (N, K, K)."""
    U = unit_channels(F).flatten(2)
    return U @ U.transpose(1, 2)


S = cosines(F_pairs)
U = unit_channels(F_pairs).flatten(2)
distances = torch.cdist(U[0].double(), U[0].double()).square()
off_identity = float((distances - 2 * (1 - S[0])).abs().max())
print(f"squared distance and 2 (1 − cos): largest difference {off_identity:.0e}")

different = ~torch.eye(K, dtype=torch.bool)
same_chunk = (torch.arange(K)[:, None] // 8 == torch.arange(K) // 8) & different
in_chunks, anywhere = float(S[:, same_chunk].mean()), float(S[:, different].mean())
print(f"mean cosine of two channels: same group of eight {in_chunks:.2f}, any two {anywhere:.2f}")

# %% [markdown]
# **Your guess:** they are not. Two channels of one group are about as alike as any two channels:
# nobody told the network to keep its channels in order.
#
# ## Strong and weak twins
#
# So let us sort by pattern. **k-means** is the usual tool: it looks for `k` centres such that the
# squared distances of all vectors to their nearest centre have the smallest sum. `KMeans` of
# scikit-learn starts from random centres and moves them; `n_init=10` starts ten times and keeps the
# best result, and `random_state` is its seed. `fit_predict` wants one row for each vector, and
# gives the number of its cluster.
#
# Here are four channels: two show something on the left, two on the right, and one of each two is
# weak. **Guess:** which of them does k-means put together, with `k = 2`?

# %%
on_left, on_right = torch.zeros(2, 3, 4).unbind()
on_left[:, 0], on_right[:, 3] = 1, 1
toy = torch.stack([10 * on_left, on_left, on_right, 10 * on_right])[None]  # (1, 4, 3, 4)
tool = KMeans(n_clusters=2, n_init=10, random_state=0)
raw_toy = tool.fit_predict(toy[0].flatten(1).numpy())
unit_toy = tool.fit_predict(unit_channels(toy)[0].flatten(1).numpy())
print("strong left, weak left, weak right, strong right")
print("clusters, as they are:", raw_toy.tolist())
print("clusters, unit length:", unit_toy.tolist())

# %% [markdown]
# **Your guess:** as they are, the two weak channels are together, whatever they show: both are near
# zero, so they are near each other. (A strong channel is with them, for `k = 2` is one cluster too
# few to leave both strong ones alone.) After the division each weak channel joins its strong twin.
# (The numbers of the clusters mean nothing: `[0, 0, 1, 1]` and `[1, 1, 0, 0]` are the same
# partition.)
#
# ## Exercise 15.3: clusters of channels
# *●●●○○ · about 15 minutes*
#
# Put the channels of each image into `k` clusters: k-means of the **unit channels**. Each image is
# sorted on its own, since the same channel may show other things there. Return (N, K), a tensor of
# whole numbers from 0 to k − 1. We compare partitions, not numbers. A channel that is zero
# everywhere may be in any cluster. `seed` is the seed of k-means: the same one gives the same
# result. Some starts end in a bad partition: use `n_init=10`.
#
# `v.numpy()` makes an array of a tensor, `torch.as_tensor(a).long()` whole numbers of an array.


# %% tags=["exercise", "15.3"]
def cluster_channels(F: Tensor, k: int, seed: int) -> Tensor:
    """The cluster of each channel by k-means of unit channels: F (N, K, h, w) -> (N, K) ints."""
    ### BEGIN SOLUTION
    clusters = []
    for vectors in unit_channels(F).flatten(2):  # (K, h·w) of one image
        tool = KMeans(n_clusters=k, n_init=10, random_state=seed)
        clusters.append(torch.as_tensor(tool.fit_predict(vectors.numpy())).long())
    return torch.stack(clusters)
    ### END SOLUTION


# %%
check("15.3", cluster_channels)

# %% [markdown]
# Now the real channels. Are there strong and weak twins? We take all pairs of channels with a
# cosine above 0.9 of which one is more than three times as strong. And does the seed matter? To
# compare two partitions we take all pairs of channels that are together in one of them, and ask how
# many are together in both: 1 means the same partition.


# %%
def together(clusters: Tensor) -> Tensor:
    """Which two channels are in the same cluster: (N, K) -> (N, K, K) bool, not with themselves."""
    return (clusters[:, :, None] == clusters[:, None]) & different


def alike(a: Tensor, b: Tensor) -> float:
    """Pairs of channels that are together in both partitions / in one of them."""
    a, b = together(a), together(b)
    return float((a & b).sum() / (a | b).sum())


def raw_clusters(F: Tensor, k: int, starts: int, seed: int) -> Tensor:
    """k-means of the channels as they are, (N, K, …) -> (N, K)."""
    tool = KMeans(n_clusters=k, n_init=starts, random_state=seed)
    return torch.stack([torch.as_tensor(tool.fit_predict(v)).long() for v in F.flatten(2).numpy()])


strength = F_pairs.flatten(2).norm(dim=2)
U_pairs = unit_channels(F_pairs)
twin_channels = (S > 0.9) & (strength[:, :, None] > 3 * strength[:, None])
by_pattern = cluster_channels(F_pairs, 4, 0)
as_they_are = raw_clusters(F_pairs, 4, 10, 0)
twin_count = int(twin_channels.sum())
joined = {
    "as they are": int((together(as_they_are) & twin_channels).sum()),
    "unit length": int((together(by_pattern) & twin_channels).sum()),
}
print(f"{twin_count} strong and weak twins; together in one of 4 clusters: {joined}")

generator = torch.Generator().manual_seed(0)
shuffled = by_pattern[:, torch.randperm(K, generator=generator)]
stability = {
    "two seeds, one start": alike(*(raw_clusters(U_pairs, 4, 1, seed) for seed in (1, 2))),
    "two seeds, ten starts": alike(*(cluster_channels(F_pairs, 4, seed) for seed in (1, 2))),
    "unit length and as they are": alike(by_pattern, as_they_are),
    "the same numbers, shuffled": alike(by_pattern, shuffled),
}
for text, value in stability.items():
    print(f"{text:28s} {value:.2f}")

# %% [markdown]
# The twins are real, and the division brings them together: with unit length k-means joins nearly
# all of them, as they are hardly any. The last line is the floor, for a partition that knows
# nothing. With ten starts two seeds agree nearly everywhere; with one start less. Say your seed,
# and say how many starts. The third line is far from 1: unit length gives other sections than
# k-means of the maps as they are.

# %% tags=["figure"] jupyter={"source_hidden": true}
figure, axes = plt.subplots(4, 5, figsize=(11.5, 5.4), layout="constrained")
for g, row in enumerate(axes):
    members = (by_pattern[0] == g).nonzero()[:, 0]
    members = members[strength[0, members].argsort()].tolist()
    chosen = members[:2] + members[-2:]  # the two weakest and the two strongest
    for axis, k in zip(row[1:], chosen, strict=False):
        drawn = axis.imshow(F[0, k] / F[0, k].max(), cmap="magma", vmin=0, vmax=1)
        axis.set_title(f"channel {k}: length {strength[0, k]:.1f}", fontsize=9)
    row[0].imshow(plot.picture(x[0]))
    row[0].set_ylabel(f"cluster {g}\n{len(members)} channels", rotation=0, ha="right", va="center")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, shrink=0.6, label="share of the channel's own maximum")
figure.suptitle("Each row is one cluster of one image: its two weakest and two strongest channels")
plt.show()

# %% [markdown]
# The two strongest channels of a row may look different from the two weakest: with `k = 4` each
# cluster must take what fits nowhere better. k-means gives `k` clusters as soon as there are `k`
# different vectors, whether there are `k` patterns or not.
#
# ## A graph of several parts
#
# The Cluster-CAM paper also names **spectral clustering**. It does not look at vectors but at a
# **graph**: the channels are its nodes, and two channels are joined by an edge if they are alike
# enough, $\cos \ge$ threshold. The web article warns: spectral clustering needs a *connected*
# graph, where one can walk from any node to any other, and graphs of channels fall into several
# parts. So it gave up, and took k-means of unit channels instead, which it calls **Cosine-CAM**. Is
# this a good reason? First we need to count.
#
# ## Exercise 15.4: how many parts?
# *●●●●○ · about 20 minutes*
#
# `similarity` is (K, K), symmetric, for one image. There is an edge between two nodes where their
# similarity is $\ge$ `threshold`. Two nodes are in the same **part** if one can walk from one to
# the other along edges, also in many steps. A node without any edge is a part of its own, also if
# its diagonal entry is 0. Return the number of parts, an int.
#
# One way: start at any node, visit all its neighbours, then their neighbours, until there is nobody
# new. That was one part. Start again at a node that was not visited yet. `row.nonzero()[:, 0]`
# gives the places where a row is true; a Python `set` knows `pop()`, and `a - b` is what is left of
# `a` without `b`.


# %% tags=["exercise", "15.4"]
def count_graph_parts(similarity: Tensor, threshold: float) -> int:
    """The number of connected parts of the graph with an edge where similarity >= threshold."""
    ### BEGIN SOLUTION
    edges = similarity >= threshold
    unseen, parts = set(range(len(edges))), 0
    while unseen:
        parts += 1
        to_visit = {unseen.pop()}
        while to_visit:
            neighbours = set(edges[to_visit.pop()].nonzero()[:, 0].tolist())
            to_visit |= neighbours & unseen
            unseen = unseen - neighbours
    return parts
    ### END SOLUTION


# %%
check("15.4", count_graph_parts)

# %%
counts = {}
for level in (0.0, 0.3, 0.5, 0.7, 0.9):
    counts[level] = [int(count_graph_parts(s, level)) for s in S]
    print(f"threshold {level:.1f}: parts of each pair's graph {counts[level]}")

# %% [markdown]
# With threshold 0 every graph is connected; with 0.7 every graph falls into several parts. The
# article saw well.
#
# ## Optional: spectral clustering itself
#
# *(About 15 minutes. If you leave it out, run its cells, and go on at Part 2.)* With $A$ the table
# of edges (1 or 0; each node has an edge to itself) and $d_k$ the number of edges of node $k$, the
# **Laplacian** of the graph is
#
# $$ \mathcal L_{kj} = \mathbb 1[k=j] - \frac{A_{kj}}{\sqrt{d_k\,d_j}} $$
#
# A vector $v$ with $\mathcal L v = \lambda v$ is an **eigenvector**: the table only makes it longer
# or shorter, and the **eigenvalue** $\lambda$ says how much. One takes the eigenvectors with the
# `k` smallest eigenvalues. They give each node a row of `k` numbers; the rows are divided by their
# length, and k-means sorts them: this is your exercise 15.3. (Ng, Jordan and Weiss described it in
# 2001.)
#
# **Guess:** a node has only the edge to itself. What is its row of $\mathcal L$? So which
# eigenvalue has the vector that is 1 at this node and 0 elsewhere? And four such nodes: how often
# is it there?


# %%
def laplacian(similarity: Tensor, threshold: float) -> Tensor:
    """1 − A / √(d dᵀ), in float64; each node is its own neighbour, a zero channel too: no d is 0."""
    A = (similarity >= threshold).double().fill_diagonal_(1)
    d = A.sum(1)
    return torch.eye(len(A), dtype=torch.double) - A / (d[:, None] * d).sqrt()


def spectral_clusters(similarity: Tensor, threshold: float, k: int, seed: int) -> Tensor:
    """Spectral clustering of the nodes of one graph: (K, K) -> (K,)."""
    vectors = torch.linalg.eigh(laplacian(similarity, threshold)).eigenvectors[:, :k]
    return cluster_channels(vectors[None, :, :, None], k, seed)[0].long()  # each row as a channel


threshold = 0.7  # from here on
parts = counts[threshold][0]
eigenvalues = torch.linalg.eigvalsh(laplacian(S[0], threshold))
zeros = [int((torch.linalg.eigvalsh(laplacian(s, threshold)) < 1e-9).sum()) for s in S]
print(f"first pair, {parts} parts; eigenvalues:", [f"{abs(v):.3f}" for v in eigenvalues[:7]])
print("eigenvalues that are 0:", zeros)

# %% [markdown]
# **Your guess:** the row is 1 − 1/1 = 0 and zeros, so the eigenvalue is 0, once for each such node.
# It is the same for larger parts (a theorem, and it holds for all pairs): there are as many
# eigenvalues 0 as the graph has parts. So for spectral clustering a graph of several parts is the
# case where the answer should be *exact*. Let us run it with `k` = number of parts. If the clusters
# are the parts, no edge goes from one cluster to another: we count the edges that are **cut**.
# Beside our lines runs the function of scikit-learn. In each graph we also count the channels that
# have no other neighbour.


# %%
def edges_cut(clusters: Tensor, similarity: Tensor) -> int:
    """How many edges go from one cluster to another."""
    edges = (similarity >= threshold) & different
    return int((edges & ~together(clusters[None])[0]).sum()) // 2


def of_scikit_learn(similarity: Tensor, threshold: float, k: int, seed: int) -> Tensor:
    """The same by scikit-learn, which gets the table of edges."""
    tool = SpectralClustering(k, affinity="precomputed", random_state=seed)
    return torch.as_tensor(tool.fit_predict((similarity >= threshold).double().numpy())).long()


cut = {"our lines": [], "scikit-learn": []}
with warnings.catch_warnings(record=True) as messages:
    warnings.simplefilter("always")
    for s, number in zip(S, counts[threshold], strict=True):
        for text, way in (("our lines", spectral_clusters), ("scikit-learn", of_scikit_learn)):
            cut[text].append(edges_cut(way(s, threshold, number, 0), s))
alone = [int(((s >= threshold) & different).any(1).logical_not().sum()) for s in S]
for text, edges in cut.items():
    print(f"edges cut, {text:18s}", edges)
print("channels without a neighbour", alone)
for text in sorted({str(m.message) for m in messages if "connected" in str(m.message)}):
    print("scikit-learn says:", text)

# %% tags=["figure"] jupyter={"source_hidden": true}
found = spectral_clusters(S[0], threshold, parts, 0)
order = found.argsort(stable=True)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.7), layout="constrained", width_ratios=(1, 1, 1.1))
for axis, ordered, text in zip(
    axes, (torch.arange(K), order), ("sorted by number", "sorted by cluster"), strict=False
):
    drawn = axis.imshow(S[0][ordered][:, ordered], cmap="magma", vmin=0, vmax=1)
    axis.set(title=f"cosines, channels {text}", xlabel="channel", xticks=[], yticks=[])
for edge in found[order].bincount().cumsum(0)[:-1].tolist():
    axes[1].axhline(edge - 0.5, color="white", linewidth=1)
    axes[1].axvline(edge - 0.5, color="white", linewidth=1)
figure.colorbar(drawn, ax=axes[1], label="cosine")
axes[2].plot(range(1, 13), eigenvalues[:12].abs(), "o-", color="0.2")
axes[2].axvline(parts + 0.5, color="#d95f02", linestyle="--")
axes[2].set(title=f"{parts} eigenvalues are 0", xlabel="number", ylabel="eigenvalue")
figure.suptitle(f"One image: {parts} sections that a list by number hides (threshold {threshold})")
plt.show()

# %% [markdown]
# Our lines cut no edge in any graph: a graph of several parts is no problem for the method.
# Scikit-learn warns, and in some graphs it does cut edges. Compare the line *edges cut,
# scikit-learn* with *channels without a neighbour*: these are the same graphs. Its Laplacian leaves
# out the edge of a channel to itself; so for a channel without a neighbour $d_k$ is 0, its row gets
# no eigenvalue 0, and its part is not found. The article was right about its tool, not about the
# method. But the threshold decides how many parts there are, and nobody tells you which one is
# right. So we take k-means, and come back to this in the big table.
#
# ## Part 2: ask the groups
#
# We have groups, and each has a map. Suppose that the network gave a score to each of them. What
# shall we do with the scores? Group-CAM and Cosine-CAM use them as weights. Cluster-CAM, as the web
# article reads it, is more severe: the group with the best score is the **cognition-base** and
# counts +1, the one with the worst score is the **cognition-scissors** and is cut away with −1. All
# others count nothing.
#
# ## Exercise 15.5: base and scissors
# *●●○○○ · about 8 minutes*
#
# `scores` is (N, k), $k \ge 2$, no two scores of an image are equal. Return (N, k), a tensor of
# floats: +1 for the best group of each image, −1 for the worst, else 0. The best is the largest
# number, also where all are negative. `functional.one_hot(i, k)` makes rows of k zeros with a
# single 1 at place `i`; they are whole numbers, and `t.to(scores)` makes floats as `scores` are.


# %% tags=["exercise", "15.5"]
def cognition_weights(scores: Tensor) -> Tensor:
    """+1 for the best group of each image, −1 for the worst, 0 for the others: (N, k) -> (N, k)."""
    ### BEGIN SOLUTION
    k = scores.shape[1]
    best = functional.one_hot(scores.argmax(dim=1), k)
    worst = functional.one_hot(scores.argmin(dim=1), k)
    return (best - worst).to(scores)
    ### END SOLUTION


# %%
check("15.5", cognition_weights)

# %% [markdown]
# The question itself is that of lesson 12: make a mask of the map, and let the network look through
# it. Here is `masks_from_maps` of exercise 12.2 once more. And lesson 12 told us to be careful with
# the **fill**, which is what the network sees in the hidden part: black is a *bird* to this
# network, the mean colour is nothing special.


# %%
def masks_from_maps(M: Tensor, size: tuple[int, int]) -> Tensor:
    """s(Up(M)), a mask in [0, 1] from each map: (N, groups, h, w) -> (N, groups, H, W)."""
    Z = functional.interpolate(M, size=size, mode="bilinear", align_corners=False)
    low, high = Z.amin(dim=(2, 3), keepdim=True), Z.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (Z - low) / (high - low), torch.zeros_like(Z))


# %% [markdown]
# ## Exercise 15.6: one question for each group
# *●●●○○ · about 15 minutes*
#
# $$ Y_g = f_c\big(x \circ H_g + \mathrm{fill}\circ(1 - H_g)\big), \qquad H_g = s(\mathrm{Up}(M_g)) $$
#
# `M` is (N, groups, h, w), `x` is (N, C, H, W), `f` maps images to logits, `c` is one class or one
# for each image. `fill` is a tensor that fits to `x`: (C, 1, 1), (C, H, W) or (N, C, H, W). Use
# `masks_from_maps`. The map of a silent group is 0 everywhere, so is its mask: the network sees
# only the fill. Return the logits of class `c`, (N, groups), as they are: a tensor of floats.
#
# `H[:, g, None]` is (N, 1, H, W): one mask for all colours. `torch.as_tensor(c).expand(len(x))` is
# one class for each image, and `logits[rows, classes]` takes one logit from each row.


# %% tags=["exercise", "15.6"]
def score_groups(f, M: Tensor, x: Tensor, c: int | Tensor, fill: Tensor) -> Tensor:
    """The logit of class c for the image seen through each group's mask -> (N, groups)."""
    ### BEGIN SOLUTION
    H = masks_from_maps(M, x.shape[2:])
    rows, classes = torch.arange(len(x)), torch.as_tensor(c).expand(len(x))
    scores = []
    for g in range(M.shape[1]):
        seen = x * H[:, g, None] + fill * (1 - H[:, g, None])
        scores.append(f(seen)[rows, classes])
    return torch.stack(scores, dim=1)
    ### END SOLUTION


# %%
check("15.6", score_groups)

# %% [markdown]
# ## Part 3: can few questions replace many?
#
# Now the experiment. First **without a gradient**: the map of a group is the plain sum of its
# channels, and its weight is $\beta_g = Y_g - Y_{\text{fill}}$, as in Equation 6 of Score-CAM,
# where
# $Y_{\text{fill}}$ is the logit of the fill alone. The map is $\mathrm{ReLU}(\sum_g \beta_g M_g)$.
# With 64 groups this *is* Score-CAM (without softmax). With clusters of unit channels it is
# Cosine-CAM. Three ways to sort: by number, by chance (the control: a random order of the channels,
# cut into groups of equal size), and by pattern.
#
# Then **with the gradient**: Group-CAM, $\beta_g = \mathrm{ReLU}(Y_g - Y_{\text{fill}})$ and the
# maps of 15.1. (Its authors take probabilities and a blurred copy as fill; we keep logits and mean
# colour.)
#
# As in lesson 12 we measure the share of the heat in the half with the asked animal. A map that
# knows nothing has 0.5, and we count a blank map as 0.5 too. We count questions, not seconds: the
# ten starts of k-means cost time as well. **Guess:** how many questions do you need to come as far
# as 64? Does it matter how you sort?


# %%
mean_colour = pond.images.mean(dim=(0, 2, 3))[:, None, None]  # (3, 1, 1)


def of_fill(fill: Tensor) -> Tensor:
    """The logits of a picture that is nothing but the fill, (classes,)."""
    return f(fill.expand(1, 3, 48, 48))[0]


def add_up(weights: Tensor, maps: Tensor) -> Tensor:
    """ReLU(Σ_g weight_g · map_g): (N, groups) and (N, groups, h, w) -> (N, h, w)."""
    return torch.einsum("ng,ngxy->nxy", weights.to(maps), maps).relu()


def sums(clusters: Tensor, F: Tensor, k: int) -> Tensor:
    """The sum of the channels of each cluster: (N, K) and (N, K, h, w) -> (N, k, h, w)."""
    return torch.einsum("nkg,nkxy->ngxy", functional.one_hot(clusters.long(), k).to(F), F)


def share(maps: Tensor) -> Tensor:
    """The share of the heat in the half with the asked animal; 0.5 for a blank map."""
    in_left, total = maps[:, :, : w // 2].sum((1, 2)), maps.sum((1, 2))
    asked_left = torch.arange(len(maps)) < half
    return torch.where(total > 0, torch.where(asked_left, in_left, total - in_left) / total, 0.5)


by_number = torch.arange(K).expand(N, K)
by_chance = torch.stack([torch.randperm(K, generator=generator) for _ in range(N)])
Y_fill = of_fill(mean_colour)[c][:, None]
numbers_of_groups = (1, 2, 4, 8, 16, 64)
maps, asked = {}, {}
for k in numbers_of_groups:
    sorted_by = {
        "number": by_number * k // K,
        "chance": by_chance * k // K,
        "pattern": by_number if k == K else cluster_channels(F_pairs, k, 0).repeat(2, 1),
    }
    for text, clusters in sorted_by.items():
        M = sums(clusters, F, k)
        asked[text, k] = score_groups(f, M, x, c, mean_colour)
        maps[text, k] = add_up(asked[text, k] - Y_fill, M)
    if k > 1:
        maps["base − scissors", k] = add_up(cognition_weights(asked["pattern", k]), M)
    M = group_maps(F, alpha, k).to(F)
    maps["not asked", k] = M.sum(1)  # the control: the same maps, all β = 1
    maps["Group-CAM", k] = add_up((score_groups(f, M, x, c, mean_colour) - Y_fill).relu(), M)
shares = {key: float(share(M).mean()) for key, M in maps.items()}
blank = {key: int((M.amax((1, 2)) == 0).sum()) for key, M in maps.items()}
of_grad_cam, of_flat = float(share(grad_cam).mean()), float(share(F.mean(1)).mean())
print(f"share on the asked animal, n = {N}; Grad-CAM {of_grad_cam:.2f}, mean map {of_flat:.2f}")
ways = ("number", "chance", "pattern", "base − scissors", "Group-CAM", "not asked")
print("questions " + "".join(f"{text:>16s}" for text in ways))
for k in numbers_of_groups:
    cells = [f"{shares[t, k]:.2f} ({blank[t, k]})" if (t, k) in shares else "" for t in ways]
    print(f"{k:9d} " + "".join(f"{cell:>16s}" for cell in cells))
lit = {k: maps["number", k].amax((1, 2)) > 0 for k in (4, 8, 16)}
lit_maps = {k: round(float(share(maps["number", k])[lit[k]].mean()), 2) for k in lit}
print("(in brackets: blank maps) by number without them:", lit_maps)
chance_gap = max(abs(shares["number", k] - shares["chance", k]) for k in (2, 4, 8, 16))
print(f"number and chance: at most {chance_gap:.2f} apart")
two_groups = ~torch.eye(4, dtype=torch.bool)
alike_maps = {
    text: float(cosines(sums(clusters, F_pairs, 4))[:, two_groups].mean())
    for text, clusters in (("number", by_number[:half] * 4 // K), ("pattern", by_pattern))
}
print("mean cosine of two of four maps:", {t: round(v, 2) for t, v in alike_maps.items()})

other_sorts = {
    "channels as they are, k-means": raw_clusters(F_pairs, 8, 10, 0),
    "spectral clustering": torch.stack([spectral_clusters(each, threshold, 8, 0) for each in S]),
}
for text, clusters in other_sorts.items():
    M = sums(clusters.repeat(2, 1), F, 8)
    shares[text] = float(share(add_up(score_groups(f, M, x, c, mean_colour) - Y_fill, M)).mean())
    print(f"8 questions, {text}: {shares[text]:.2f}")

# %% [markdown]
# **Your guess:** sorted by pattern, **four questions** come as far as 64. Sorted by number, sixteen
# do not, and they are hardly better than chance (the print says how far apart the two are). Some
# maps are blank: the groups that speak against the animal win everywhere. Without them, sixteen by
# number are still below. Why? Look at the line with the cosines: sorted by number, the maps of two
# groups are nearly the same, since each group is a mixture of everything. Then the masks are nearly
# the same too, and four questions are one question asked four times. Sorted by pattern, the maps
# show different places.
#
# Twins of different strength come together only after the division, but the map does not need it
# (the last two lines): k-means of the channels as they are is as good here, and so is spectral
# clustering. What counts is that channels are sorted by *some* pattern.
#
# **Group-CAM** is another story. It is best with one or two groups, and one group is Grad-CAM. Look
# at the last column, where nobody was asked (all $\beta = 1$): it falls even more. So the loss
# comes from the groups: each has its own ReLU, which throws away what speaks *against* the animal,
# before it can be subtracted from what speaks for it. The questions win back a part of it.
#
# Is this only our network? Two more were trained on the same kind of pictures from other seeds.

# %%
others = {}
for net_name in ("pond_gap_1", "pond_gap_2"):
    net = nets.bundled(net_name)
    own = net.features(x)
    own_fill = net(mean_colour.expand(1, 3, 48, 48))[0][c][:, None]
    own_clusters = {
        "4 by pattern": cluster_channels(own[:half], 4, 0).repeat(2, 1),
        "16 by number": by_number * 16 // K,
        "one for each channel": by_number,
    }
    for text, clusters in own_clusters.items():
        M = sums(clusters, own, int(clusters.max()) + 1)
        L = add_up(score_groups(net, M, x, c, mean_colour) - own_fill, M)
        others[net_name, text] = float(share(L).mean())
        print(f"{net_name}, {text}: {others[net_name, text]:.2f}")

# %% [markdown]
# So it holds for three of three networks: four questions by pattern come near to one for each
# channel, sixteen by number do not.
#
# ## Optional: one channel in each group, Score × Grad
#
# *(About 10 minutes; or run the cell, and go on at "Abscission".)* What is Group-CAM at its other
# end, with as many groups as channels? Then $M_k = \mathrm{ReLU}(\alpha_k)\,F_k$, since $F_k \ge 0$
# after a ReLU layer. Where $\alpha_k > 0$ the mask of $M_k$ is the mask of $F_k$, because min-max
# takes the factor away. So the map is
#
# $$ \mathrm{ReLU}\Big(\sum_k \underbrace{\beta_k}_{\text{Score-CAM}}\;\underbrace{\mathrm{ReLU}(\alpha_k)}_{\text{Grad-CAM}}\; F_k\Big) . $$
#
# The web article found that Score-CAM "works better combined with Grad-CAM". Here is the
# combination, from two sets of weights; and the library's function, beside yours.


# %%
some = slice(0, 3)
F3, x3, c3, alpha3 = F[some], x[some], c[some], alpha[some]
score = (score_groups(f, F3, x3, c3, mean_colour) - Y_fill[some]).relu()  # of the channels alone
product = add_up(score * alpha3.relu(), F3)
M = group_maps(F3, alpha3, K).to(F3)
limit = add_up((score_groups(f, M, x3, c3, mean_colour) - Y_fill[some]).relu(), M)
off_limit = float((product - limit).abs().max() / limit.max())
print(f"Score × Grad and Group-CAM with {K} groups: relative difference {off_limit:.0e}")

probabilities = torch.nn.Sequential(f, torch.nn.Softmax(1))
blurred = camlite.perturb.strong_blur(x3)
M = group_maps(F3, alpha3, 8).to(F3)
P_blurred = probabilities(blurred).gather(1, c3[:, None])
beta = (score_groups(probabilities, M, x3, c3, blurred) - P_blurred).relu()
theirs = camlite.group_cam(f, "features", x3, c3, groups=8)
off_library = float((add_up(beta, M) - theirs).abs().max() / theirs.max())
print(f"Group-CAM as its authors do it, yours and camlite's: {off_library:.0e}")
both = {"Score × Grad": ("Group-CAM", K), "Score": ("number", K), "Grad": ("Group-CAM", 1)}
print("share, from the table above:", {t: f"{shares[key]:.2f}" for t, key in both.items()})

# %% [markdown]
# So Group-CAM stands between two methods that you know. And what does the product gain over its two
# factors? Nothing here: the last line has it below both. On our pond the article's sentence does
# not hold.
#
# ## Abscission: the same question inside the network
#
# *Ablation* takes one channel away. The web article calls the opposite **abscission**: keep one
# channel, take all others away. Score-CAM does so with the image, by a mask. But one can do it at
# the **intermediate map** too: give the classifier `F` with all channels zero but one. Then only
# the head runs: 64 questions cost far less than 64 runs of the whole network.
#
# With GAP and one linear layer, each channel adds $W_{c,k}\bar F_k$ to the logit, and nothing else
# depends on it. **Guess:** what do ablation and abscission say then? And with a ReLU in the head?


# %%
def alone_and_without(classifier, F: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """What channel k adds to an empty F, and what is lost without it: two times (N, K)."""
    n = torch.arange(len(F))
    full, empty = classifier(F)[n, c], classifier(torch.zeros_like(F))[n, c]
    alone, without = [], []
    for k in range(F.shape[1]):
        only_k = torch.zeros_like(F)
        only_k[:, k] = F[:, k]
        alone.append(classifier(only_k)[n, c] - empty)
        without.append(full - classifier(F - only_k)[n, c])
    return torch.stack(alone, 1), torch.stack(without, 1)


abscission, ablation = alone_and_without(classifier, F, c)
off_linear = float((abscission - ablation).abs().max() / ablation.abs().max())
print(f"GAP and one linear layer: largest relative difference {off_linear:.0e}")
digits, digit_labels, _ = data.handwriting(train=False, limit=20)
digit_features, digit_head = camlite.split(nets.bundled("heads_flatten"), "features")
bent = alone_and_without(digit_head, digit_features(digits), digit_labels)
off_bent = float((bent[0] - bent[1]).abs().max() / bent[1].abs().max())
print(f"flatten, linear, ReLU, linear: largest relative difference {off_bent:.1f}")
shares["inside", K] = float(share(add_up(abscission, F)).mean())
print(f"share: {K} questions to the head {shares['inside', K]:.2f}")

# %% [markdown]
# **Your guess:** with a linear head both say the same; with a ReLU in the head they do not, because
# there the channels change each other's effect. On the pond, questions to the head alone give a map
# about as good as the best ones without gradient in the table, without any further run of the
# convolutions. It needs a network that can be cut in two.
#
# ## Where base and scissors fail
#
# Look at the column *base − scissors* again. With few clusters it is as good as all weights
# together. With more clusters it falls: of 16 groups it uses two, and forgets fourteen. And what if
# the picture shows several animals? The article expects it to fail there. `camlite evaluate`
# measured it on `twins`, one to three animals of one class: Cluster-CAM found no more of them than
# a random choice of weights. But that run used black as fill. You know what lesson 12 would ask.
# So: twins, and a mosaic of four scenes with four classes; three ways to weigh the same eight
# clusters; two fills. An animal is **found** if half of it is lit when as many pixels are lit as
# all animals cover. In the mosaic we measure the share of the heat in the asked quarter.


# %%
def found_animals(heat: Tensor, masks: Tensor) -> tuple[int, int]:
    """How many animals a map finds, and how many there are: heat (H, W), masks (animals, H, W)."""
    count = int(masks.any(0).sum())
    brightest = heat.flatten().topk(count).indices
    lit = torch.zeros(heat.numel(), dtype=torch.bool)
    lit[brightest] = True
    lit = (lit & (heat.flatten() > 0)).view(heat.shape)
    there = [m for m in masks if m.any()]
    return sum(bool((lit & m).sum() >= 0.5 * m.sum()) for m in there), len(there)


def three_ways(images: Tensor, c: Tensor, fill: Tensor, k: int) -> dict[str, list[Tensor]]:
    """Maps of the same clusters: all weights, base − scissors, two by chance (three draws)."""
    F = features(images)
    M = sums(cluster_channels(F, k, 0), F, k)
    Y = score_groups(f, M, images, c, fill)
    draws = torch.rand(3, *Y.shape, generator=torch.Generator().manual_seed(0))
    weights = {
        "all weights": [Y - of_fill(fill)[c][:, None]],
        "base − scissors": [cognition_weights(Y)],
        "two by chance": [cognition_weights(draw) for draw in draws],
    }
    size = images.shape[2:]
    return {text: [camlite.up(add_up(w, M), size) for w in ws] for text, ws in weights.items()}


def in_the_quarter(heat: Tensor, quarter: Tensor) -> Tensor:
    """The share of the heat in the asked quarter, (N,); 0.25 for a blank map."""
    inside, total = (heat * quarter).sum((1, 2)), heat.sum((1, 2))
    return torch.where(total > 0, inside / total, 0.25)


fills = {"black": torch.zeros(3, 1, 1), "mean colour": mean_colour}
twins = data.twins(18 if fast else 60)
mosaic = data.mosaic(3 if fast else 10)
several, pictures = {}, {}
tiles = mosaic.images.repeat_interleave(4, 0)
tile_class = torch.arange(4).repeat(len(mosaic.images))
quarter = mosaic.cell_masks.flatten(0, 1)
for fill_name, fill in fills.items():
    for way, draws in three_ways(twins.images, twins.labels, fill, 8).items():
        pictures[way, fill_name] = draws[0]
        for count in (1, 2, 3):
            chosen = (twins.counts == count).nonzero()[:, 0].tolist()
            hits = [found_animals(M[n], twins.object_masks[n]) for M in draws for n in chosen]
            several[way, fill_name, count] = sum(a for a, _ in hits) / sum(b for _, b in hits)
    for way, draws in three_ways(tiles, tile_class, fill, 8).items():
        inside = torch.stack([in_the_quarter(M, quarter) for M in draws])
        several[way, fill_name, "mosaic"] = float(inside.mean())
columns = (1, 2, 3, "mosaic")
print(
    f"animals found, {len(twins.images) // 3} pictures each; share in the quarter, n = {len(tiles)}"
)
print(" " * 33 + "1 animal   2 animals  3 animals     mosaic")
for fill_name in fills:
    for way in ("all weights", "base − scissors", "two by chance"):
        cells = [f"{several[way, fill_name, column]:.2f}" for column in columns]
        print(f"{fill_name:14s}{way:16s}" + "".join(f"{cell:>11s}" for cell in cells))

# %% tags=["figure"] jupyter={"source_hidden": true}
of_three = (twins.counts == 3).nonzero()[:, 0].tolist()
cells = [(way, t) for t in fills for way in ("all weights", "base − scissors")]
change = {n: (pictures[cells[1]][n] - pictures[cells[3]][n]).abs().mean() for n in of_three}
shown = sorted(of_three, key=lambda n: -change[n])[:2]
plot.grid(
    [
        [(twins.images[n], heat) for heat in [None, *(pictures[cell][n] for cell in cells)]]
        for n in shown
    ],
    [f"three animals:\n{animals[twins.labels[n]]}" for n in shown],
    ["image", *(f"{way},\non {t}" for way, t in cells)],
    title=f"The two pictures (of {len(of_three)}) where the fill changes base − scissors most",
)
plt.show()

# %% [markdown]
# * *Two by chance* asks nobody, so its two lines are the same.
# * **On black** the measurement is true: where there are two or three animals, base and scissors
#   find hardly more of them than two clusters by chance. (Black is a *bird* to this network: an
#   answer says little about the cluster.)
# * **On the mean colour** most of the failure is gone. Base and scissors find at least twice as many
#   as chance; the table says how near they come to all weights together. In the mosaic they are
#   even the better choice, on both fills. We did not look for the reason.
#
# So "bad for several objects" was mostly "bad on black", as for Score-CAM in lesson 12. What is
# left is a limit of the method itself: it uses two groups. The column in the big table falls with
# the number of groups, and is best with four.
#
# ## Two thousand?
#
# Our network has 64 channels. If MobileNetV2 (1280 channels) and a photograph are in your data
# folder, we ask it sixteen questions about the dog and sixteen about the cat. The reference is CAM,
# which is exact for its head; sixteen groups by number are the control.

# %%
photo = data.find("photos/cat_dog.jpg")
real_near, real_maps, of_both = {}, {}, {}
if photo is None or "mobilenet_v2" not in weights.at_hand():
    print("no real network and photograph at hand: this part is left out")
else:
    big = weights.pretrained("mobilenet_v2").model
    seen, z = weights.preprocess(data.load_image(photo))  # z: the mean subtracted, 0 is mean colour
    z2, c2 = z.expand(2, -1, -1, -1), torch.tensor([243, 282])  # bull mastiff, tiger cat
    F2 = camlite.split(big, "features")[0](z2)
    K2, black0 = F2.shape[1], torch.zeros(3, 1, 1)
    real_maps["CAM"] = camlite.cam(big, "features", z2, c2).relu()
    sorted_by = {
        "by number": (torch.arange(K2) * 16 // K2).expand(2, K2),
        "by pattern": cluster_channels(F2[:1], 16, 0).repeat(2, 1),
    }
    for text, clusters in sorted_by.items():
        M = sums(clusters, F2, 16)
        beta = score_groups(big, M, z2, c2, black0) - big(torch.zeros_like(z2))[[0, 1], c2][:, None]
        real_maps[text] = add_up(beta, M)
    for text, M in real_maps.items():
        flat = torch.cat([M, real_maps["CAM"]]).flatten(1)
        table = torch.corrcoef(flat)
        real_near[text], of_both[text] = float(table[[0, 1], [2, 3]].mean()), float(table[0, 1])
        print(f"{text:11s} correlation with CAM {real_near[text]:5.2f}", end=", ")
        print(f"of the dog's map with the cat's {of_both[text]:5.2f}")

# %% [markdown]
# We ran it: by pattern, sixteen questions give nearly the map of CAM, and the maps of dog and cat
# are far apart. By number, sixteen questions give the same picture for both animals. So the answer
# to today's question can be yes, for 1280 channels too. (One photograph, and black here *is* the
# mean colour, since the mean was subtracted.)
#
# ## The whole lesson in one picture

# %% tags=["figure"] jupyter={"source_hidden": true}
titles = {
    f"{K} questions": ("pattern", K),
    "4 by pattern": ("pattern", 4),
    "16 by number": ("number", 16),
    "base − scissors of 4": ("base − scissors", 4),
    "Grad-CAM: 1 group": ("Group-CAM", 1),
}
figure = plt.figure(figsize=(13, 7), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=(1, 1.25))
axes = above.subplots(2, 1 + len(titles))
heats = {n: [camlite.up(maps[key][n][None], size)[0] for key in titles.values()] for n in (0, half)}
plot.draw(list(axes.flat), [(x[n], heat) for n in heats for heat in [None, *heats[n]]])
for axis, text in zip(axes[0], ["image", *titles], strict=True):
    axis.set_title(text, fontsize=10)
for axis, n in zip(axes[:, 0], heats, strict=True):
    axis.set_ylabel(f"where is\nthe {animals[c[n]]}?", rotation=0, ha="right", va="center")
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
above.suptitle("Four questions, sorted by pattern, say what all say")
axis = below.subplots()
styles = {
    "by pattern": ("pattern", "o-", "#d95f02"),
    "base − scissors": ("base − scissors", "^--", "#e6ab02"),
    "Group-CAM (gradient)": ("Group-CAM", "s-", "0.1"),
    "by number": ("number", "v:", "#1f78b4"),
    "by chance": ("chance", "x:", "0.5"),
}
for text, (way, style, tone) in styles.items():
    ks = [k for k in numbers_of_groups if (way, k) in shares]
    axis.plot(ks, [shares[way, k] for k in ks], style, color=tone, label=text)
axis.axhline(0.5, color="0.6", linewidth=0.8)
axis.text(1, 0.507, "knows nothing", fontsize=9, color="0.4")
axis.set_xscale("log", base=2)
axis.set_xticks(numbers_of_groups, [str(k) for k in numbers_of_groups])
axis.set(xlabel="questions (runs of the whole network)", ylim=(0.45, 1))
axis.set_ylabel("share of the heat on\nthe asked animal")
axis.legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
below.suptitle(f"Without a gradient, sorting decides (n = {N} maps, one network)")
plt.show()

# %% [markdown]
# **Today's question was: can sixteen questions replace two thousand?** Here four questions replaced
# 64, if the groups were sorted by what they show. Sixteen groups sorted by number did not. And
# before you ask at all: where a gradient or the head alone can answer, no question to the whole
# network was needed. One world of pictures is no proof for others.
#
# ## Once more
#
# *From lesson 12, in new clothes. There is no hint, and no check but the numbers that the cell
# prints.*
#
# Exercise 12.1 set one channel to zero and took the drop of the logit, channel by channel. Do it
# for the head of today without running it once: (N, 64), from the weights of the classifier, `c`
# and `F`. One line.

# %%
drop = torch.zeros(N, K)  # your line here
off = float((drop - ablation).abs().max())
print(f"largest drop {ablation.max():.2f}, largest difference {off:.1e}")

# %% [markdown]
# <details><summary>Solution</summary>
#
# `drop = f.classifier.weight[c] * F.mean(dim=(2, 3))`. What is left is rounding.
#
# </details>
#
# ## Recall
#
# Five questions, two of them about earlier lessons. Think, and write your answer down; then open
# the one below. In a terminal, `camlite quiz 15` asks them again, also next week.
#
# **1.** A layer has 12 channels, and Group-CAM makes 4 groups of them. Which channels are in the
# group of channel 7? (The first channel is 0.) Which method do you get with 1 group, and which
# with 12?
#
# <details><summary>Answer</summary>
#
# 6, 7 and 8: each group has three neighbours. With 1 group you get Grad-CAM, times one number; with
# 12 groups the weights of Score-CAM times those of Grad-CAM.
#
# </details>
#
# **2.** One channel is (6, 8) at two places, another is (0.6, 0.8). How far are they from each other
# as they are, and how far as unit channels? What is their cosine?
#
# <details><summary>Answer</summary>
#
# As they are 9.0, as unit channels 0, since both become (0.6, 0.8). Their cosine is 1: the same
# pattern, one ten times stronger.
#
# </details>
#
# **3.** A graph has the nodes 0 to 5 and the edges 0–1, 1–2 and 3–4. How many parts does it have? How
# many eigenvalues of its Laplacian are 0?
#
# <details><summary>Answer</summary>
#
# 3 parts: {0, 1, 2}, {3, 4} and {5} alone. So 3 eigenvalues are 0, if a node counts as its own
# neighbour.
#
# </details>
#
# **4.** (lesson 12) A cluster's mask lets the network see a frog, and the hidden part is black. The
# network says "bird". Name two changes that tell you whether the cluster is to blame.
#
# <details><summary>Answer</summary>
#
# Take another fill, the mean colour, and ask again. And ask about a picture that is nothing but
# black: if it is a bird too, the answer came from the fill and not from the cluster.
#
# </details>
#
# **5.** (lesson 8) A network ends in GAP and one linear layer; its maps are 12×24. A channel has the
# weight 2.88 for the class. What is its α in Grad-CAM? Its map is zero everywhere: does the answer
# change?
#
# <details><summary>Answer</summary>
#
# 2.88 / 288 = 0.01, and it does not change: the gradient says what would happen if the channel grew.
# But α times the map is zero, so it adds nothing to the map of its group.
#
# </details>

# %% [markdown]
# ## What you know now
#
# * **Group-CAM** asks one question for each group of neighbouring channels. Its two ends are known
#   methods: one group is Grad-CAM, one channel in each group is Score-CAM times Grad-CAM.
# * Neighbours by number are not alike. **k-means of unit channels** brings strong and weak twins
#   together, and $\lVert\hat x-\hat y\rVert^2 = 2(1-\cos)$ says why. Say seed and starts.
# * **Spectral clustering** works on a graph of several parts: as many eigenvalues are 0 as there
#   are parts. A tool may still fail; look at what it does.
# * **Cognition-base and -scissors** use two groups and forget the others. On black they fail with
#   several animals; on the mean colour they mostly do not.
# * **Abscission** keeps one channel, ablation removes one. With a linear head both say the same.
# * A comparison needs its control: groups by chance, the same number of questions, another fill.
#
# **Where it fails.** Groups cannot tell apart what one cluster holds: two animals that the same
# channels show stay together. And all of this needs masks: what lesson 12 said of fills holds too.
#
# **Try this** (15 minutes). Give `torch.zeros(3, 1, 1)` as fill to the big table, with its own
# `Y_fill`. Which column falls most, and which hardly notices? (By pattern falls to 0.72 from k = 4
# on, and 64 questions are no better; Group-CAM with one group loses 0.03.) Then add `k = 3` for the
# columns sorted by pattern (`group_maps` wants a divisor of 64): we got 0.88 on the mean colour.
#
# **Where to read on.** The abstract of Cluster-CAM, arXiv 2302.01642; the code of Group-CAM's
# authors (`wofmanaf/Group-CAM`); A. Ng, M. Jordan, Y. Weiss: *On Spectral Clustering*, NeurIPS
# 2001. `camlite card group_cam`, `cluster_cam` and `cosine_cam` say what is certain about each of
# them.
#
# **Words** (Tiếng Việt · 简体中文 · 繁體中文 · 日本語)
#
# * *clustering*: phân cụm · 聚类 · 分群 · クラスタリング
# * *connected graph*: đồ thị liên thông · 连通图 · 連通圖 · 連結グラフ
# * *eigenvector*: vectơ riêng · 特征向量 · 特徵向量 · 固有ベクトル
# * *mask*: mặt nạ · 掩码 · 遮罩 · マスク
# * *ablation / abscission*: cắt bỏ / tách riêng · 消融 / 脱离 · 消融 / 脫離 · アブレーション / 離脱
#
# **Next:** lesson 16. What do the layers before the last one show?
