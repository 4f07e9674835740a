"""Every method has a card that says what it needs, what it costs and where it fails."""

from __future__ import annotations

import inspect
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
    assert card.title.startswith(card.short)
    assert len(card.short) <= 22, "it stands above a small picture"


@pytest.mark.parametrize("name", METHODS)
def test_what_a_card_says_of_the_layer_is_in_the_signature(name):
    given = inspect.signature(METHODS[name].function).parameters
    takes = str(given["layer"].annotation) if "layer" in given else ""
    possible = {"": {"none"}, "Layer": {"one"}}.get(takes, {"several", "one or several"})
    assert METHODS[name].layers in possible


def test_options_are_those_of_the_signature():
    assert METHODS["rise"].options["samples"] == 4000
    assert METHODS["saliency"].options == {}


def test_quick_methods_need_one_forward_pass():
    quick = {name for name, card in METHODS.items() if card.quick}
    assert {"cam", "grad_cam", "shapley_cam", "ablation_cam", "saliency"} <= quick
    assert not quick & {"score_cam", "rise", "occlusion", "smooth_grad", "guided_grad_cam"}


def test_costs_are_printed_from_the_numbers():
    card = METHODS["score_cam"]
    assert card.forwards == "K + 2 (ResNet50 layer4: 2,050)"
    assert METHODS["rise"].forwards == "samples + 1 (4,001)"
    assert METHODS["grad_cam"].backwards == "1, after the layer only"
    assert METHODS["recipro_cam"].forwards.startswith(
        "1, and h·w (ResNet50 layer4: 49) of the part"
    )
    assert METHODS["center_gaussian"].forwards == "0"


@pytest.mark.parametrize(
    ("asked", "found"),
    [("Grad-CAM", "grad_cam"), ("gradcam++", "grad_cam_plus_plus"), ("SCORE_CAM", "score_cam")],
)
def test_cards_are_found_by_the_names_people_type(asked, found):
    assert find_card(asked).name == found


def test_a_wrong_name_gets_near_ones():
    with pytest.raises(ValueError, match="did you mean grad_cam"):
        find_card("gard_cam")
