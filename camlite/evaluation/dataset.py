"""What is evaluated: images with a class, perhaps with a mask or boxes of the object.

Two layouts of folders (`folders.py`), and three generated data sets whose masks are exact:

| DATA | classes come from | masks and boxes |
|---|---|---|
| a folder with `labels.csv` (columns file, class_index) | that file | `masks/`, `boxes.csv` in it |
| a folder of folders, one for each class (ImageFolder) | the folders' names | --masks, --boxes |
| `scenes`, `twins`, `mosaic` | the generator | the generator |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from camlite import data

GENERATED = ("scenes", "twins", "mosaic")


@dataclass(frozen=True)
class AnnotatedImage:
    """image (1, 3, H, W) in [0, 1]; mask (H, W) bool or None; boxes (B, 4) x0 y0 x1 y1 or None.

    `objects` (B, H, W) bool: one mask for each single object, where they are known.
    """

    image: Tensor
    mask: Tensor | None = None
    boxes: Tensor | None = None
    objects: Tensor | None = None


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
    """All samples; whether objects are annotated; a checksum of names, labels, masks and boxes.

    `several`: pictures hold several objects of their class, and each has a mask of its own.
    """

    samples: list[Sample]
    annotated: bool
    checksum: str
    several: bool = False


def generated(kind: str, count: int, world: str) -> Dataset:
    """`count` pictures with exact masks; `mosaic` gives one sample for each of its four classes."""
    return Dataset(_generated(kind, count, world), True, "generated", several=kind == "twins")


def _generated(kind: str, count: int, world: str) -> list[Sample]:
    if kind == "scenes":
        part = data.scenes(world, "flipped", count=count, seed=1)
        return [
            _sample(f"scene-{n:04d}", int(part.labels[n]), part.images[n], part.object_mask[n])
            for n in range(count)
        ]
    if world != "pond":
        raise ValueError(
            f"the pictures of {kind} hold animals of the pond: choose --model "
            "pond_repaired or pond_biased"
        )
    if kind == "twins":
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
    mosaic = data.mosaic(count, seed=1)
    return [
        _sample(f"mosaic-{n:04d}", c, mosaic.images[n], mosaic.object_masks[n, c])
        for n in range(count)
        for c in range(len(mosaic.class_names))
    ]


def _sample(
    name: str, label: int, image: Tensor, mask: Tensor, objects: Tensor | None = None
) -> Sample:
    return Sample(name, label, lambda: AnnotatedImage(image[None], mask, objects=objects))
