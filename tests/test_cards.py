"""Every method has a card that says what it needs, what it costs and where it fails."""

from __future__ import annotations

import json

import pytest

import camlite
from camlite import methods
from camlite.methods.cards import METHODS, find_card


def test_every_method_has_a_card_and_every_card_a_method():
    assert set(METHODS) == set(methods.__all__) - {"full_gradients"}
    assert all(getattr(camlite, name) is card.function for name, card in METHODS.items())


@pytest.mark.parametrize("name", METHODS)
def test_a_card_is_complete(name):
    card = METHODS[name]
    assert all((card.title, card.paper, card.equation, card.needs, card.forwards, card.backwards))
    assert card.caveats, "every method fails somewhere"
    assert card.call.startswith(f"camlite.{name}(model, ")
    assert json.dumps(card.as_dict())


@pytest.mark.parametrize(
    ("asked", "found"),
    [("Grad-CAM", "grad_cam"), ("gradcam++", "grad_cam_plus_plus"), ("SCORE_CAM", "score_cam")],
)
def test_cards_are_found_by_the_names_people_type(asked, found):
    assert find_card(asked).name == found


def test_a_wrong_name_gets_near_ones():
    with pytest.raises(ValueError, match="did you mean grad_cam"):
        find_card("gard_cam")
