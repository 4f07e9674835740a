"""What is evaluated: images with a class, perhaps with a mask or boxes of the object.

Two layouts of folders (`folders.py`), and generated data sets whose masks are exact:

| DATA | classes come from | masks and boxes |
|---|---|---|
| a folder with `labels.csv` (columns file, class_index) | that file | `masks/`, `boxes.csv` in it |
| a folder of folders, one for each class (ImageFolder) | the folders' names | --masks, --boxes |
| `scenes`, `twins`, `mosaic`, `difull`, `parts` | the generator | the generator |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from camlite import data


@dataclass(frozen=True)
class AnnotatedImage:
    """image (1, 3, H, W) in [0, 1]; mask (H, W) bool or None; boxes (B, 4) x0 y0 x1 y1 or None.

    `objects` (B, H, W) bool: one mask for each single object, where they are known. `without`
    (P, 3, H, W): the image without each part of its object, where it is drawn so.
    """

    image: Tensor
    mask: Tensor | None = None
    boxes: Tensor | None = None
    objects: Tensor | None = None
    without: Tensor | None = None


@dataclass(frozen=True)
class Sample:
    """One picture and one class. A `problem` says why it cannot be evaluated: one row reports it.

    `read()` raises ValueError for a picture that cannot be read.
    """

    name: str
    label: int | None
    read: Callable[[], AnnotatedImage]
    problem: str = ""


@dataclass(frozen=True)
class Dataset:
    """All samples; whether objects are annotated; a checksum of names, labels, masks and boxes."""

    samples: list[Sample]
    annotated: bool
    checksum: str


def generated(kind: str, count: int, world: str) -> Dataset:
    """`count` pictures with exact masks. `world` is "pond" or "rail": what the network knows.

    `mosaic` and `difull` give one sample for each of a picture's four classes. Raises ValueError
    for the rail where a kind has animals only.
    """
    if world != "pond" and kind not in ("scenes", "parts"):
        raise ValueError(
            f"the pictures of {kind} hold animals of the pond: choose --model "
            "pond_repaired or pond_biased"
        )
    return Dataset(_GENERATORS[kind](count, world), True, "generated")


def _scenes(count: int, world: str) -> list[Sample]:
    part = data.scenes(world, "flipped", count=count, seed=1)
    return [
        _sample(f"scene-{n:04d}", int(part.labels[n]), part.images[n], part.object_mask[n])
        for n in range(count)
    ]


def _twins(count: int, world: str) -> list[Sample]:
    twins = data.twins(count, seed=1)
    return [
        _sample(
            f"twins-{n:04d}",
            int(twins.labels[n]),
            twins.images[n],
            twins.object_masks[n].any(0),
            twins.object_masks[n, : twins.counts[n]],
        )
        for n in range(count)
    ]


def _mosaic(count: int, world: str) -> list[Sample]:
    mosaic = data.mosaic(count, seed=1)
    return [
        _sample(f"mosaic-{n:04d}", c, mosaic.images[n], mosaic.object_masks[n, c])
        for n in range(count)
        for c in range(len(mosaic.class_names))
    ]


def _difull(count: int, world: str) -> list[Sample]:
    """The pictures of `mosaic`; the mask is the cell, and the label names class and cell."""
    mosaic = data.mosaic(count, seed=1)
    classes = len(mosaic.class_names)
    return [
        _sample(
            f"difull-{n:04d}", cell * classes + int(c), mosaic.images[n], mosaic.cell_masks[n, c]
        )
        for n in range(count)
        for cell, c in enumerate(mosaic.cells[n].flatten())
    ]


def _parts(count: int, world: str) -> list[Sample]:
    """The pictures of `scenes`, and each again without one part."""
    parts = data.parts(world, "flipped", count=count, seed=1)
    scenes = parts.scenes
    return [
        _sample(
            f"scene-{n:04d}",
            int(scenes.labels[n]),
            scenes.images[n],
            scenes.object_mask[n],
            without=parts.without[n],
        )
        for n in range(count)
    ]


_GENERATORS: dict[str, Callable[[int, str], list[Sample]]] = {
    "scenes": _scenes,
    "twins": _twins,
    "mosaic": _mosaic,
    "difull": _difull,
    "parts": _parts,
}
GENERATED = tuple(_GENERATORS)


def _sample(
    name: str,
    label: int,
    image: Tensor,
    mask: Tensor,
    objects: Tensor | None = None,
    without: Tensor | None = None,
) -> Sample:
    return Sample(
        name, label, lambda: AnnotatedImage(image[None], mask, objects=objects, without=without)
    )
