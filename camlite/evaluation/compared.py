"""The methods that are compared, and the floors beside them."""

from __future__ import annotations

from camlite.methods.cards import METHODS, find_card

FLOORS = ("random_cam", "center_gaussian", "fake_cam", "sobel_edges")
ONE_FORWARD = tuple(  # the networks that are evaluated have no attention
    name
    for name, card in METHODS.items()
    if card.quick and name not in FLOORS and card.family != "attention"
)


def method_name(name: str) -> str:
    """The name as in METHODS or FLOORS; ValueError, with near names, for an unknown one."""
    return name if name in FLOORS else find_card(name).name


def title(method: str) -> str:
    """A method's or floor's name for people."""
    own = {"fake_cam": "Fake-CAM", "sobel_edges": "Sobel edges"}
    return own.get(method) or METHODS[method].short
