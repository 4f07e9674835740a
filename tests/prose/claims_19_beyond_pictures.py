"""Lesson 19: what it says about its own output."""

from __future__ import annotations

import torch

from camlite.data.small import BAD, GOOD
from tests.prose import says


@says(
    "The map still adds up to the logit, up to rounding",
    "camlite takes (N, K, L) as it is",
    "the map adds up to the logit",
)
def _(run):
    assert run.series_gap < 1e-4
    assert run.same
    assert min(run.signal_right) > 0.9


def table(run, how: str, order: str) -> list[float]:
    return run.table_right[f"columns as {how}, {order}"]


@says("In the old order the network is right on most rows", "Chance: 33 %")
def _(run):
    assert min(table(run, "places", "as it was")) > 0.8


@says("the map finds the planted columns far more often than chance")
def _(run):
    assert min(run.column_found["as it was"]) > 0.8


@says("In a new order the accuracy falls, in every network")
def _(run):
    pairs = zip(
        table(run, "places", "as it was"), table(run, "places", "another order"), strict=True
    )
    assert all(new < old - 0.2 for old, new in pairs)


@says("both are worse than places in the old order")
def _(run):
    best = max(table(run, "channels", "as it was") + table(run, "channels", "another order"))
    assert best < min(table(run, "places", "as it was")) - 0.15


@says("As channels, the order changes little")
def _(run):
    pairs = zip(
        table(run, "channels", "as it was"), table(run, "channels", "another order"), strict=True
    )
    assert all(abs(new - old) < 0.12 for old, new in pairs)


@says("the map has one place. It is the logit without its bias")
def _(run):
    one = run.SeriesNet(12, (1, 1)).eval()
    given = run.test_rows[:4, :, None]
    M = run.cam_1d(one.features(given), one.classifier.weight, 1)
    assert M.shape == (4, 1)
    assert torch.allclose(M[:, 0] + one.classifier.bias[1], one(given)[:, 1], atol=1e-5)


@says("Neither the beginning nor the ending of the word tells the class alone")
def _(run):
    for words in (GOOD, BAD):
        assert {word.endswith("ful") for word in words} == {True, False}
    stems = [{w.removesuffix("ful").removesuffix("less") for w in ws} for ws in (GOOD, BAD)]
    assert stems[0] == stems[1]


@says("and no single piece does")
def _(run):
    good, bad = ({piece for word in words for piece in run.pieces[word]} for words in (GOOD, BAD))
    assert good == bad
    said = {word for text in run.known.texts for word in text}
    assert said.issuperset(GOOD + BAD)


@says(
    "in most sentences the top word is the deciding one, more often than in both floors",
    "the deciding word has several pieces",
)
def _(run):
    for _, top, _, _ in run.text_found:
        assert top > 0.8
        assert top > max(run.any_word, run.longest_found) + 0.3
    assert min(len(run.pieces[word]) for word in GOOD + BAD) > 1


@says(
    "The opposite word flips the answer; another thing never or nearly never does",
    "swapping the word proved the map",
)
def _(run):
    for right, _, opposite, thing in run.text_found:
        assert right > 0.95
        assert opposite > 0.95
        assert thing < 0.05


@says("The rival is strong!", "with one motif the map was better than loudness, but not by much")
def _(run):
    assert run.loud_one > run.random_one + 0.4
    assert all(0.05 < v - run.loud_one < 0.25 for v in run.one_motif)


@says("it finds the asked one, and the rival finds it only about half as well")
def _(run):
    assert min(run.two_motifs) > 0.6
    assert all(0.3 < run.loud_two / v < 0.6 for v in run.two_motifs)


@says("The map of the other class hardly meets it")
def _(run):
    assert max(run.wrong_class) < 0.1


@says(
    "the map made by hand does not add up: it misses the logit by about the size of the logit "
    "itself"
)
def _(run):
    assert all(0.5 < gap / size < 1.7 for gap, size in run.gru_gaps)


@says(
    "It finds the action worse than Grad-CAM, in every network",
    "camlite.cam is right to refuse",
)
def _(run):
    by_hand, grad = run.gru_found["CAM's formula, by hand"], run.gru_found["Grad-CAM"]
    assert all(a < b - 0.05 for a, b in zip(by_hand, grad, strict=True))
    assert "camlite.cam refuses: CAM needs global average pooling" in run.printed
    assert min(run.gru_right) > 0.9


@says(
    "Grad-CAM finds the action better than loudness and better than chance",
    "with another class it points there less",
)
def _(run):
    of_class, of_other = run.gru_found["Grad-CAM"], run.gru_found["Grad-CAM, other class"]
    for grad, other in zip(of_class, of_other, strict=True):
        assert grad > max(run.loud_gru, run.random_gru) + 0.08
        assert other < grad - 0.08


@says("the plain sum of the channels, without any class or head, is about as good")
def _(run):
    plain = torch.tensor(run.gru_found["sum of channels, no class"])
    assert (plain - torch.tensor(run.gru_found["Grad-CAM"])).abs().mean() < 0.15


@says(
    "Nearly all of it lies on the shape that is asked for, while a flat map would give about half"
)
def _(run):
    assert min(share for numbers in run.asked_numbers for share in numbers[2:4]) > 0.85
    assert abs(float(run.area[0] / run.area.sum()) - 0.5) < 0.1


@says("it is lost about as often as by a guess, 67 %, or more often")
def _(run):
    assert all(numbers[4] > 0.6 for numbers in run.asked_numbers)


@says("one place of this F has seen five tokens")
def _(run):
    assert run.text_nets[0].conv.kernel_size == (5,)


@says("the other shape may change, and the answer hardly ever does")
def _(run):
    for numbers in run.asked_numbers:
        assert min(numbers[:2]) > 0.97
        assert numbers[4] > 0.5
        assert numbers[5] < 0.06


@says(
    "The map finds the word far better than chance", "the rival without a network is better still"
)
def _(run):
    assert min(run.word_iou) > run.word_floors["random map"] + 0.2
    assert max(run.word_iou) < run.word_floors["edges"] - 0.1


@says(
    "Their number lies much nearer to chance, 50 %",
    "prefers the word in nearly all pairs, in all three networks",
)
def _(run):
    assert min(run.wins) > 0.85
    assert abs(run.edge_wins - 0.5) < 0.25


@says("class attention lies on the shapes more than a flat map")
def _(run):
    flat = run.token_numbers["flat map"][0][0]
    assert min(on for on, _ in run.token_numbers["class attention"]) > flat + 0.1


@says("so it is right in exactly half of the cases")
def _(run):
    assert all(which == 0.5 for _, which in run.token_numbers["class attention"])


@says(
    "at none of the three layers and in no network is it right in three of four cases",
    "the map of tokens told hardly better than chance, even there, which shape was asked for",
)
def _(run):
    of_tokens = [v for name, v in run.token_numbers.items() if name.startswith("Grad-CAM")]
    assert len(of_tokens) == 3
    assert all(which < 0.75 for found in of_tokens for _, which in found)
    mean = sum(which for found in of_tokens for _, which in found) / sum(map(len, of_tokens))
    assert abs(mean - 0.5) < 0.1


@says("The network itself knows very well: hide the asked shape, and its logit falls")
def _(run):
    assert min(which for _, which in run.token_numbers["hiding patches"]) > 0.95


@says(
    "this finds the asked shape in nearly all cases",
    "a token is its patch only before the first block",
)
def _(run):
    assert min(which for _, which in run.token_numbers["one token, before block 0"]) > 0.9


@says("the same test finds it less often, in every network")
def _(run):
    before, after = (
        run.token_numbers[f"one token, {when} block 0"] for when in ("before", "after")
    )
    assert all(b < a - 0.08 for (_, a), (_, b) in zip(before, after, strict=True))


@says("The mean is several times the share of a flat map, which is 24 / 128 ≈ 19 %")
def _(run):
    P = run.map_of(run.signal_nets[0], run.x, run.c).clamp(min=0)
    assert ((P * run.test.mask).sum(1) / P.sum(1)).mean() > 3 * run.motif_share
    assert abs(run.motif_share - 24 / 128) < 1e-3
    assert run.energy_on_motif.isnan().all()  # not answered yet
