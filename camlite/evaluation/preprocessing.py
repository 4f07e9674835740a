"""An annotated image, as the network gets it: mask and boxes go through the same steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from camlite.boxes import as_mask, component_boxes, component_masks
from camlite.evaluation.dataset import AnnotatedImage
from camlite.weights import MEAN, STD, preprocess


@dataclass(frozen=True)
class Preprocessing:
    """Preparation: short side to side · 256 / 224, the centre square, then normalisation.

    `side=0` keeps the pictures as they are. `grey` makes one channel of three.
    """

    side: int = 224
    normalize: bool = True
    grey: bool = False


@dataclass(frozen=True)
class ModelInput:
    """What the network gets: x (1, C, H, W); seen the same in [0, 1]; mask and boxes moved along.

    `mask` (H, W) bool or None, `boxes` (B, 4) or None, `objects` (B, H, W) bool or None. They may
    be empty after the cut. `without` (P, C, H, W) is x without each part of the object, or None.
    """

    x: Tensor
    seen: Tensor
    mask: Tensor | None
    boxes: Tensor | None
    objects: Tensor | None = None
    without: Tensor | None = None


def preprocessed(annotated: AnnotatedImage, preprocessing: Preprocessing) -> ModelInput:
    """A picture as the network gets it; mask and boxes go through the same resizing and cut."""
    image, mask, boxes = annotated.image, annotated.mask, annotated.boxes
    objects = annotated.objects
    size = (image.shape[2], image.shape[3])
    side = preprocessing.side
    seen, x = _seen_and_input(image, preprocessing)
    if side:
        same = v2.Compose([v2.Resize(round(side * 256 / 224)), v2.CenterCrop(side)])
        if mask is not None:  # like the picture, half covered counts: a nearest pixel is biased
            mask = same(mask[None].float())[0] >= 0.5
        if objects is not None:
            objects = same(objects.float()) >= 0.5
        if boxes is not None:
            boxes = same(tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=size))
    objects = _single(objects, mask, boxes, seen.shape[2:])
    without = annotated.without
    without = None if without is None else _seen_and_input(without, preprocessing)[1]
    return ModelInput(x, seen, *_completed(mask, boxes, seen.shape[2:]), objects, without)


def _seen_and_input(images: Tensor, preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """Resized and cut, in [0, 1]; and the same as the network gets it."""
    side = preprocessing.side
    seen, x = (images, images) if not side else preprocess(images, side)
    if not preprocessing.normalize:
        x = seen
    elif not side:
        x = v2.functional.normalize(seen, list(MEAN), list(STD))
    return seen, x.mean(1, keepdim=True) if preprocessing.grey else x


def _single(
    objects: Tensor | None, mask: Tensor | None, boxes: Tensor | None, size: torch.Size
) -> Tensor | None:
    """One mask (H, W) for each object: as given, or each box, or else each region of the mask.

    What the cut took away is left out.
    """
    if objects is None and boxes is not None:
        filled = [as_mask(box[None].as_subclass(Tensor), size) for box in boxes]
        objects = torch.stack(filled) if filled else torch.zeros(0, *size, dtype=torch.bool)
    elif objects is None and mask is not None:
        objects = component_masks(mask)
    return None if objects is None else objects[objects.flatten(1).any(1)]


def _completed(
    mask: Tensor | None, boxes: Tensor | None, size: torch.Size
) -> tuple[Tensor | None, Tensor | None]:
    """Plain tensors; where one is missing, a box around each region, or the mask of all boxes."""
    if boxes is not None:
        boxes = boxes.as_subclass(Tensor)
        boxes = boxes[(boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])]  # the cut's rest
    elif mask is not None:
        boxes = torch.tensor(component_boxes(mask), dtype=torch.float64).reshape(-1, 4)
    if mask is None and boxes is not None:
        mask = as_mask(boxes, size)
    return mask, boxes
