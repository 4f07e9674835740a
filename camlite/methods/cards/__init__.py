"""One card per method: what it needs, what it costs, where it fails.

`card.py` says what a card is; the other files hold the cards.
"""

from __future__ import annotations

import difflib

from camlite.methods.cards import attention, gradient, pixels, score
from camlite.methods.cards.card import RESNET50, Card, Cost, Family, Layers, Shape, shape_of

__all__ = [
    "METHODS",
    "RESNET50",
    "Card",
    "Cost",
    "Family",
    "Layers",
    "Shape",
    "find_card",
    "shape_of",
]

METHODS: dict[str, Card] = {
    card.name: card for card in (*gradient.CARDS, *score.CARDS, *pixels.CARDS, *attention.CARDS)
}
"""Every method's card, by the function's name."""


def find_card(name: str) -> Card:
    """The card of a method; "Grad-CAM" and "gradcam" find grad_cam. ValueError with near names."""
    plain = {key.replace("_", ""): key for key in METHODS}
    asked = "".join(ch for ch in name.lower().replace("++", "plusplus") if ch.isalnum())
    if asked in plain:
        return METHODS[plain[asked]]
    near = [plain[n] for n in difflib.get_close_matches(asked, plain, n=3)]
    advice = f"did you mean {', '.join(near)}?" if near else "`camlite card` lists all methods"
    raise ValueError(f"no method is called {name!r}; {advice}")
