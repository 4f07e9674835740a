"""Images for the course: MNIST, scikit-learn's digits, photographs, and generated pictures.

`files` reads what lies on the disk or can be downloaded; `generated` makes pictures and signals
whose evidence is known, with the shapes of `drawing`.
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

__all__ = [
    "Parts",
    "Scenes",
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
    "scenes",
    "signals",
    "twins",
]
