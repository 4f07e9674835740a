"""Lesson 15: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says

KINDS = ("number", "chance", "pattern")


def highest(run):
    return run.numbers_of_groups[-1]


# ------------------------------------------------------------------ part 1


@says("so we know Grad-CAM's weights without backward", "With one group, $M_1$ is Grad-CAM")
def _(run):
    assert run.off_alpha < 1e-5
    assert run.off_one < 1e-5


@says("the distance and the cosine say the same")
def _(run):
    assert run.off_identity < 1e-4


@says("Two channels of one group are about as alike as any two channels")
def _(run):
    assert abs(run.in_chunks - run.anywhere) < 0.05
    assert 0.1 < run.anywhere < 0.6


@says("as they are, the two weak channels are together, whatever they show")
def _(run):
    raw, unit = run.raw_toy, run.unit_toy
    assert raw[1] == raw[2]
    assert unit[0] == unit[1] != unit[2] == unit[3]


@says("A strong channel is with them")
def _(run):
    weak = run.raw_toy[1]
    assert (run.raw_toy[0] == weak) + (run.raw_toy[3] == weak) == 1


@says("as soon as there are k different vectors")
def _(run):
    two_patterns = torch.rand(1, 2, 3, 4).repeat(1, 5, 1, 1) + 1e-3 * torch.rand(1, 10, 3, 4)
    assert len(run.cluster_channels(two_patterns, 4, 0).unique()) == 4


@says("We keep only pairs of which the two best classes are the two animals")
def _(run):
    best = run.f(run.pairs).topk(2).indices.sort(dim=1).values
    assert best.equal(torch.stack([run.left, run.right], dim=1).sort(dim=1).values)


@says(
    "with unit length k-means joins nearly all of them, as they are hardly any",
    "Twins of different strength come together only after the division",
)
def _(run):
    assert run.twin_count >= 3
    assert run.joined["unit length"] > 0.8 * run.twin_count
    assert run.joined["as they are"] < 0.2 * run.twin_count


@says("With ten starts two seeds agree nearly everywhere; with one start less")
def _(run):
    assert run.stability["two seeds, ten starts"] > 0.94
    assert run.stability["two seeds, one start"] < run.stability["two seeds, ten starts"] - 0.02


@says("the floor, for a partition that knows nothing", "The third line is far from 1")
def _(run):
    assert run.stability["the same numbers, shuffled"] < 0.3
    assert 0.3 < run.stability["unit length and as they are"] < 0.8


@says("With threshold 0 every graph is connected; with 0.7 every graph falls into several parts")
def _(run):
    assert set(run.counts[0.0]) == {1}
    assert min(run.counts[0.7]) > 1


@says(
    "once for each such node",
    "there are as many eigenvalues 0 as the graph has parts",
    "each node is its own neighbour, a zero channel too",
)
def _(run):
    assert run.zeros == run.counts[0.7]
    four_alone = run.laplacian(torch.zeros(4, 4), 0.7)
    assert not torch.linalg.eigvalsh(four_alone).any()


@says("Our lines cut no edge in any graph")
def _(run):
    assert not any(run.cut["our lines"])


@says(
    "Scikit-learn warns, and in some graphs it does cut edges",
    "with channels without a neighbour: these are the same graphs",
)
def _(run):
    assert "not fully connected" in run.printed
    assert any(run.cut["scikit-learn"])
    assert [n > 0 for n in run.cut["scikit-learn"]] == [n > 0 for n in run.alone]


# ------------------------------------------------------------------ part 3


@says("black is a bird to this network, the mean colour is nothing special")
def _(run):
    P = {name: run.of_fill(fill).softmax(0) for name, fill in run.fills.items()}
    assert run.animals[int(P["black"].argmax())] == "bird"
    assert P["black"].max() > 0.99
    assert run.of_fill(run.fills["mean colour"]).abs().max() < run.of_fill(run.fills["black"]).max()


@says("sorted by pattern, four questions come as far as 64", "Here four questions replaced 64")
def _(run):
    assert run.shares["pattern", 4] > run.shares["pattern", highest(run)] - 0.02
    assert run.shares["pattern", 4] > 0.85


@says(
    "Sorted by number, sixteen do not, and they are hardly better than chance",
    "Sixteen groups sorted by number did not",
)
def _(run):
    assert run.shares["number", 16] < run.shares["pattern", 4] - 0.12
    assert run.chance_gap < 0.12


@says(
    "the groups that speak against the animal win everywhere",
    "Without them, sixteen by number are still below",
)
def _(run):
    assert run.blank["number", 4] > run.N / 4
    assert run.blank["number", 16] > 0
    assert run.blank["pattern", 4] == 0
    assert run.lit_maps[16] < run.shares["pattern", 4] - 0.08


@says(
    "sorted by number, the maps of two groups are nearly the same",
    "Sorted by pattern, the maps show different places",
)
def _(run):
    assert run.alike_maps["number"] > 0.85
    assert run.alike_maps["pattern"] < 0.4


@says("k-means of the channels as they are is as good here, and so is spectral clustering")
def _(run):
    for text in run.other_sorts:
        assert abs(run.shares[text] - run.shares["pattern", 8]) < 0.04


@says("It is best with one or two groups, and one group is Grad-CAM", "it falls even more")
def _(run):
    most = highest(run)
    alone, asked, not_asked = (
        run.shares["Group-CAM", 1],
        run.shares["Group-CAM", most],
        run.shares["not asked", most],
    )
    assert abs(alone - run.of_grad_cam) < 1e-3
    assert alone > max(run.shares["Group-CAM", k] for k in run.numbers_of_groups) - 0.01
    assert not_asked < asked - 0.01 < alone - 0.03


@says("So it holds for three of three networks")
def _(run):
    for name in ("pond_gap_1", "pond_gap_2"):
        four, number, each = (
            run.others[name, t] for t in ("4 by pattern", "16 by number", "one for each channel")
        )
        assert abs(four - each) < 0.05
        assert number < four - 0.08


@says("Nothing here: the last line has it below both", "the article's sentence does not hold")
def _(run):
    product, score, grad = (run.shares[run.both[t]] for t in ("Score × Grad", "Score", "Grad"))
    assert product < min(score, grad) - 0.02
    assert run.off_limit < 1e-4
    assert run.off_library < 1e-3


@says("64 questions cost far less than 64 runs of the whole network")
def _(run):
    """Multiplications: those of the head, and those of the convolutions alone."""
    sizes = []
    hooks = [
        m.register_forward_hook(
            lambda m, _, out: sizes.append(m.weight[0].numel() * out[0].numel())
        )
        for m in run.f.modules()
        if isinstance(m, torch.nn.Conv2d)
    ]
    run.f(run.x[:1])
    for hook in hooks:
        hook.remove()
    of_the_head = run.K * run.h * run.w + run.f.classifier.weight.numel()
    assert 50 * of_the_head < of_the_head + sum(sizes)


@says("with a linear head both say the same; with a ReLU in the head they do not")
def _(run):
    assert run.off_linear < 1e-4
    assert run.off_bent > 0.1


@says("questions to the head alone give a map about as good as the best ones without gradient")
def _(run):
    best = max(run.shares[kind, k] for kind in KINDS for k in run.numbers_of_groups)
    assert abs(run.shares["inside", run.K] - best) < 0.05


@says("With few clusters it is as good as all weights together", "With more clusters it falls")
def _(run):
    assert run.shares["base − scissors", 4] > run.shares["pattern", 4] - 0.02
    assert run.shares["base − scissors", 16] < run.shares["base − scissors", 4] - 0.06


def mean(run, way, fill, counts=(2, 3)):
    return sum(run.several[way, fill, count] for count in counts) / len(counts)


@says("base and scissors find hardly more of them than two clusters by chance")
def _(run):
    assert mean(run, "base − scissors", "black") < mean(run, "two by chance", "black") + 0.12


@says(
    "Base and scissors find at least twice as many as chance",
    "on the mean colour they mostly do not",
)
def _(run):
    ours, chance, all_weights = (
        mean(run, way, "mean colour") for way in ("base − scissors", "two by chance", "all weights")
    )
    assert ours > 2 * chance
    assert ours > all_weights - 0.2


@says("Two by chance asks nobody, so its two lines are the same")
def _(run):
    for count in (1, 2, 3, "mosaic"):
        black, colour = (run.several["two by chance", t, count] for t in ("black", "mean colour"))
        assert abs(black - colour) < 1e-6


@says("In the mosaic they are even the better choice, on both fills")
def _(run):
    for fill in ("black", "mean colour"):
        ours = run.several["base − scissors", fill, "mosaic"]
        assert ours > run.several["all weights", fill, "mosaic"] + 0.02


@says("By pattern falls to 0.72 from k = 4 on", "Group-CAM with one group loses 0.03")
def _(run):
    black, shares = torch.zeros(3, 1, 1), {}
    for k in (4, 8):
        M = run.sums(run.cluster_channels(run.F_pairs, k, 0).repeat(2, 1), run.F, k)
        shares[k] = run.score_groups(run.f, M, run.x, run.c, black), M
    M = run.group_maps(run.F, run.alpha, 1)
    shares["Group-CAM"] = run.score_groups(run.f, M, run.x, run.c, black), M
    for key, (Y, M) in shares.items():
        beta = Y - run.of_fill(black)[run.c][:, None]
        beta = beta.relu() if key == "Group-CAM" else beta
        shares[key] = float(run.share(run.add_up(beta, M)).mean())
    assert all(0.6 < shares[k] < 0.82 for k in (4, 8))
    assert abs(shares["Group-CAM"] - run.shares["Group-CAM", 1] + 0.03) < 0.04


@says("The column in the big table falls with the number of groups, and is best with four")
def _(run):
    column = {k: run.shares["base − scissors", k] for k in run.numbers_of_groups if k > 1}
    assert max(column, key=column.get) == 4


@says(
    "sixteen questions give nearly the map of CAM",
    "By number, sixteen questions give the same picture for both animals",
)
def _(run):
    if run.data == "digits":  # no real weights there: the lesson says so
        assert "no real network and photograph at hand" in run.printed
    else:
        assert run.real_near["by pattern"] > 0.9 > 0.8 > run.real_near["by number"]
        assert run.of_both["by pattern"] < 0.2
        assert run.of_both["by number"] > 0.9


@says("drop = f.classifier.weight[c] * F.mean(dim=(2, 3))")
def _(run):
    drop = run.f.classifier.weight[run.c] * run.F.mean(dim=(2, 3))
    assert torch.allclose(drop, run.ablation, atol=1e-4)
    assert run.off > 0.1  # not answered yet
