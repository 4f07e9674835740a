"""Images for the course: MNIST, scikit-learn's digits, photographs, and generated pictures.

`files` reads what lies on the disk or can be downloaded; `generated` makes pictures and signals
whose evidence is known, with the shapes of `drawing`; `small` makes the data of lesson 19.
"""

from camlite.data.files import (
    digits,
    find,
    folders,
    handwriting,
    like_mnist,
    load_image,
    mnist,
    photos,
)
from camlite.data.generated import Parts, Scenes, lookalikes, mosaic, parts, scenes, signals, twins
from camlite.data.small import actions, printed_words, sentences, shapes, table, word_pieces

__all__ = [
    "Parts",
    "Scenes",
    "actions",
    "digits",
    "find",
    "folders",
    "handwriting",
    "like_mnist",
    "load_image",
    "lookalikes",
    "mnist",
    "mosaic",
    "parts",
    "photos",
    "printed_words",
    "scenes",
    "sentences",
    "shapes",
    "signals",
    "table",
    "twins",
    "word_pieces",
]
