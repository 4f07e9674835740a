"""The small data of lesson 19: what is drawn is where it is said to be."""

from __future__ import annotations

import pytest
import torch

from camlite import data
from camlite.data.small import BAD, COLOURS, GOOD


def test_shapes_are_where_the_masks_are_and_have_their_colours():
    s = data.shapes(30, seed=1, shown=2)
    assert s.images.shape == (30, 3, 24, 24)
    assert len(s) == 30
    assert 0 <= s.images.min()
    assert s.images.max() <= 1
    assert (s.shown.sum(1) == 2).all()
    table = torch.tensor(list(COLOURS.values()))
    for n, k in s.shown.nonzero().tolist():
        inside = s.images[n][:, s.object_masks[n, k]].mean(1)
        nearest = (table - inside / inside.max() * table.amax(1, keepdim=True)).square().sum(1)
        assert nearest.argmin() == s.colours[n, k]
    ground = s.images.permute(0, 2, 3, 1)[~s.object_masks.any(1)]
    assert (ground.amax(1) == ground.amin(1)).all()  # grey
    assert not (s.object_masks.sum(1) > 1).any()  # no shape covers another


def test_shapes_of_the_same_seed_are_the_same():
    a, b, c = data.shapes(5, seed=3), data.shapes(5, seed=3), data.shapes(5, seed=4)
    assert torch.equal(a.images, b.images)
    assert not torch.equal(a.images, c.images)
    assert not data.shapes(20, kinds=2).shown[:, 2].any()
    assert data.shapes(0).images.shape == (0, 3, 24, 24)


@pytest.mark.parametrize("wrong", [{"shown": 4}, {"kinds": 4}, {"shown": 3, "kinds": 2}])
def test_shapes_that_cannot_be_drawn(wrong):
    with pytest.raises(ValueError, match="shown"):
        data.shapes(2, **wrong)


def test_words_and_their_mixed_pixels_have_the_same_ink():
    p = data.printed_words(64, seed=2)
    empty = ~p.masks.flatten(1).any(1)
    assert (p.labels.sum(), int(empty.sum())) == (32, 16)
    assert not (p.labels[empty] == 1).any()
    assert (p.masks.flatten(1).sum(1)[~empty] == 5 * 23).all()
    ground = data.scenes("pond", "background_only", count=64, seed=2).images
    changed = (p.images != ground).any(1)
    assert not (changed & ~p.masks).any()
    inked = changed.flatten(1).sum(1).float()
    word, mixed = inked[p.labels == 1].mean(), inked[(p.labels == 0) & ~empty].mean()
    assert abs(float(word - mixed)) < 4  # other words, the same kind of ink
    for c in (0, 1):  # no ground tells the class
        assert (torch.bincount(torch.arange(64)[p.labels == c] % 4) == 8).all()
    with pytest.raises(ValueError, match="-1"):
        data.printed_words(-1)


def test_actions_lie_in_their_spans_and_the_hand_shakes_in_the_other_half():
    a = data.actions(60, seed=5)
    assert a.signals.shape == (60, 2, 96)
    assert (a.spans[:, 1] - a.spans[:, 0] == 24).all()
    half = a.spans[:, 0] // 48
    assert (half == (a.spans[:, 1] - 1) // 48).all()
    halves = a.signals.square().mean(1).unflatten(1, (2, 48)).mean(2)
    assert (halves > 0.05).all()  # both are louder than the noise, 0.15² = 0.02
    waves = a.signals[a.labels == 0]
    y = (waves[:, 1].square() * a.mask[a.labels == 0]).sum(1) / 24
    assert (y < 0.06).all()  # a wave has no y
    assert torch.equal(a.signals[:7], data.actions(60, seed=5).signals[:7])
    with pytest.raises(ValueError, match="-2"):
        data.actions(-2)


def test_the_two_columns_of_a_table_tell_the_class():
    rows, kind, first = data.table(600, seed=3)
    assert rows.shape == (600, 12)
    n = torch.arange(600)
    left, right = rows[n, first], rows[n, first + 1]
    assert (left[kind == 0] >= 1.5).all()
    assert (left[kind == 1] <= -1.5).all()
    assert torch.equal(right[kind < 2], -left[kind < 2])
    assert rows[kind == 2].std() == pytest.approx(1, abs=0.05)  # nothing but noise
    with pytest.raises(ValueError, match="-1"):
        data.table(-1)


def test_one_word_of_a_sentence_tells_the_class_and_the_copies_differ_in_one_word():
    s = data.sentences(40, seed=4)
    for n, (text, turned, renamed) in enumerate(zip(s.texts, s.opposite, s.renamed, strict=True)):
        at = int(s.deciding[n])
        assert text[at] in (BAD, GOOD)[int(s.labels[n])]
        assert turned[at] in (GOOD, BAD)[int(s.labels[n])]
        assert turned[:at] + turned[at + 1 :] == text[:at] + text[at + 1 :]
        assert [a != b for a, b in zip(text, renamed, strict=True)].count(True) == 1
        assert renamed[at] == text[at]
    assert s.texts == data.sentences(40, seed=4).texts != data.sentences(40, seed=5).texts
    assert data.sentences(0).texts == []
    with pytest.raises(ValueError, match="-3"):
        data.sentences(-3)


def test_word_pieces_join_the_most_frequent_pair():
    texts = [["low", "lower"], ["low", "now"]]
    assert data.word_pieces(texts, 0)["low"] == ["l", "o", "w"]
    assert data.word_pieces(texts, 1) == {
        "low": ["l", "ow"],
        "lower": ["l", "ow", "e", "r"],
        "now": ["n", "ow"],
    }
    assert data.word_pieces(texts, 2)["lower"] == ["low", "e", "r"]
    assert data.word_pieces(texts, 99)["lower"] == ["lower"]
