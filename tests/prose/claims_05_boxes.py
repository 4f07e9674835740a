"""Lesson 5: what it says about its own output."""

from __future__ import annotations

import torch

from tests.prose import says


def fit(run, name, pictures="wide"):
    return (run.fit if pictures == "wide" else run.fit_close)[name]


MAP, MIDDLE, WHOLE = "the map, 20 % rule", "always in the middle", "the whole picture"


@says("one small island far away is enough")
def _(run):
    assert run.islands[run.example] > 1
    whole = run.boxes.as_mask(torch.tensor([run.boxes.bounding_box(run.M_close[run.example])]), (48, 48))
    assert (run.above[run.example] & ~whole).any() or run.islands[run.example] > 1


@says("50 pixels are shared, 150 are covered, so the IoU is 1/3")
def _(run):
    assert abs(run.moved - 1 / 3) < 1e-9


@says("A good result: about three of four boxes fit")
def _(run):
    assert 0.65 < 1 - run.known_close / 100 < 0.85
    assert run.top1_close >= run.known_close - 3


@says("A box that never looks at the picture does as well as the map")
def _(run):
    assert fit(run, MIDDLE, "close") > fit(run, MAP, "close") - 0.06
    assert fit(run, WHOLE, "close") < 0.25


@says("camlite.boxes, which gives the same as your functions")
def _(run):
    assert run.same


@says("Now the map is far better than the box that does not look", "It fits as often as before")
def _(run):
    assert fit(run, MAP) > fit(run, MIDDLE) + 0.35
    assert abs(fit(run, MAP) - fit(run, MAP, "close")) < 0.12


@says("The word is right less often")
def _(run):
    assert run.names_right_wide < run.names_right - 0.03


@says("below. A high threshold keeps only the brightest part")
def _(run):
    assert run.tau < 0.2


@says("who takes 0.4 instead of 0.2 loses more than half of the boxes")
def _(run):
    right = (run.IoU_wide >= 0.5).double().mean(1)
    assert right[run.TAUS.index(0.4)] < 0.5 * right[run.TAUS.index(0.2)]


@says("The ten pictures promise more than the others keep")
def _(run):
    assert run.flattered > run.honest + 0.02


@says('so "no evidence" lands at a grey level above 20')
def _(run):
    assert run.zero_at > 21


@says("The same maps, the same network, and the share goes up and down with one line")
def _(run):
    shares = list(run.fit_rule.values())
    assert max(shares) - min(shares) > 0.25
    assert run.fit_rule["grey level 20 of 255"] < run.fit_rule["8% of the maximum"] - 0.1


@says("nothing. The threshold is a share of the maximum, and the factor goes away")
def _(run):
    assert int(run.unchanged.sum()) >= run.COUNT - 2  # rounding may move one


@says("With the ReLU some boxes move a little")
def _(run):
    assert 0.5 < float(run.unchanged_relu.double().mean()) < 0.98
