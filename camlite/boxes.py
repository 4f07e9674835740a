"""Boxes from maps: threshold, largest connected component, box, overlap.

A box is (x0, y0, x1, y1) in pixels and half-open: it covers columns x0 to x1 − 1 and rows y0 to
y1 − 1, so its width is x1 − x0. (0, 0, 0, 0) is the empty box: what a map without any positive
value gets. Its overlap with every box is 0, so it counts as a miss.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from camlite.checks import finite
from camlite.maps import up

Box = tuple[int, int, int, int]
EMPTY: Box = (0, 0, 0, 0)


def bounding_box(M: Tensor, threshold: float = 0.2) -> Box:
    """The box around the largest connected region where the map is above threshold × maximum.

    With the default this is the 20 % rule of the CAM paper (§3.2); the Grad-CAM paper takes 0.15.
    The map is not min–max scaled first: that would move the threshold where values are negative.
    Upsample a coarse map to the image's size first, or the box is in units of the layer's pixels.

    Shapes: one map (H, W) -> (x0, y0, x1, y1), half-open. A map whose maximum is not above 0 has
    no region and gets the empty box (0, 0, 0, 0).
    Source: Zhou et al. 2016, arXiv 1512.04150, §3.2. Raises ValueError for another shape, for NaN
    and for a threshold outside 0 ≤ threshold < 1.

    >>> M = torch.zeros(6, 8)
    >>> M[1:4, 2:7] = 1
    >>> bounding_box(M)
    (2, 1, 7, 4)
    """
    boxes = component_boxes(largest_component(above(M, threshold)))
    return boxes[0] if boxes else EMPTY


def bounding_boxes(maps: Tensor, threshold: float = 0.2) -> Tensor:
    """`bounding_box` of each of the maps (N, H, W) -> (N, 4), whole numbers.

    >>> bounding_boxes(torch.eye(3)[None])
    tensor([[0, 0, 3, 3]])
    """
    return torch.tensor([bounding_box(M, threshold) for M in maps]).reshape(-1, 4)


def above(M: Tensor, threshold: float) -> Tensor:
    """Where the map (H, W) is above threshold × maximum, (H, W) bool; nowhere if max M ≤ 0.

    >>> above(torch.tensor([[1.0, 2.0, 10.0]]), threshold=0.2)
    tensor([[False, False,  True]])
    """
    if M.dim() != 2:
        raise ValueError(f"a map must have shape (H, W), one at a time, not {tuple(M.shape)}")
    finite("the map", M)
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold is a share of the maximum, 0 ≤ threshold < 1, not {threshold}")
    top = M.max()
    return (threshold * top < M) & (top > 0)


def largest_component(mask: Tensor) -> Tensor:
    """Keeps only the largest 8-connected region: pixels that touch at a corner belong together.

    Of two equally large regions the one that is met first when reading line by line stays.
    Shapes: mask (H, W), bool or numbers (not 0 = inside) -> (H, W) bool. An empty mask stays empty.

    >>> largest_component(torch.tensor([[1, 0, 1, 1]])).int()
    tensor([[0, 0, 1, 1]], dtype=torch.int32)
    """
    labels, count = _label(mask)
    if count == 0:
        return torch.zeros(mask.shape, dtype=torch.bool, device=mask.device)
    sizes = np.bincount(labels.ravel())[1:]  # [0] is the background
    return torch.from_numpy(labels == 1 + sizes.argmax()).to(mask.device)


def component_boxes(mask: Tensor) -> list[Box]:
    """The box of each 8-connected region of the mask (H, W), in reading order.

    >>> component_boxes(torch.tensor([[1, 0, 1, 1]]))
    [(0, 0, 1, 1), (2, 0, 4, 1)]
    """
    from scipy.ndimage import find_objects

    labels, _ = _label(mask)
    return [(x.start, y.start, x.stop, y.stop) for y, x in find_objects(labels)]


def component_masks(mask: Tensor) -> Tensor:
    """Each 8-connected region of the mask (H, W) alone, (B, H, W) bool, in reading order.

    >>> component_masks(torch.tensor([[1, 0, 1, 1]])).int()
    tensor([[[1, 0, 0, 0]],
    <BLANKLINE>
            [[0, 0, 1, 1]]], dtype=torch.int32)
    """
    labels, count = _label(mask)
    alone = labels == np.arange(1, count + 1)[:, None, None]
    return torch.from_numpy(alone).to(mask.device)


def _label(mask: Tensor) -> tuple[np.ndarray, int]:
    from scipy.ndimage import label

    if mask.dim() != 2:
        raise ValueError(f"a mask must have shape (H, W), not {tuple(mask.shape)}")
    return label((mask != 0).cpu().numpy(), structure=np.ones((3, 3)))  # ones: 8 neighbours


def iou(a: Sequence[float] | Tensor, b: Sequence[float] | Tensor) -> float:
    """Intersection over union of two boxes, area(a ∩ b) / area(a ∪ b): 0 (apart) to 1 (the same).

    Boxes are half-open, so boxes that only share an edge have 0. An empty box has 0 with all
    others, also with itself. Some code counts both ends of a box as inside ("+1"): its values
    are larger, by much for small boxes.

    >>> iou((0, 0, 2, 2), (1, 0, 3, 2))  # 2 of 6 pixels
    0.3333333333333333
    """
    return float(iou_matrix(torch.as_tensor(a)[None], torch.as_tensor(b)[None]))


def iou_matrix(a: Tensor, b: Tensor) -> Tensor:
    """The IoU of each box in a (A, 4) with each box in b (B, 4) -> (A, B), float64.

    >>> iou_matrix(torch.tensor([[0, 0, 2, 2]]), torch.tensor([[0, 0, 2, 2], [0, 0, 4, 2]]))
    tensor([[1.0000, 0.5000]], dtype=torch.float64)
    """
    a, b = _checked(a)[:, None], _checked(b)[None]
    corner = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    both = corner.clamp(min=0).prod(-1)
    either = _area(a) + _area(b) - both
    return torch.where(either > 0, both / either.clamp(min=1e-12), 0.0)


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def _checked(boxes: Tensor) -> Tensor:
    boxes = torch.as_tensor(boxes).detach().cpu().double()
    if boxes.dim() != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes must have shape (B, 4), x0 y0 x1 y1, not {tuple(boxes.shape)}")
    wrong = ~((boxes[:, :2] <= boxes[:, 2:]).all(1) & torch.isfinite(boxes).all(1))
    if bool(wrong.any()):
        raise ValueError(
            f"box {boxes[wrong][0].tolist()} is not (x0, y0, x1, y1) with x0 ≤ x1 and y0 ≤ y1; "
            "boxes given as (x, y, width, height) must be converted"
        )
    return boxes


def as_mask(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """The pixels inside any of the boxes (B, 4) -> (H, W) bool, for metrics that need masks.

    >>> as_mask(torch.tensor([[1, 0, 3, 1]]), size=(2, 4)).int()
    tensor([[0, 1, 1, 0],
            [0, 0, 0, 0]], dtype=torch.int32)
    """
    mask = torch.zeros(tuple(size), dtype=torch.bool)
    for x0, y0, x1, y1 in _checked(boxes).round().long().clamp(min=0).tolist():
        mask[y0:y1, x0:x1] = True
    return mask


def crop(image: Tensor, box: Sequence[int], size: Sequence[int]) -> Tensor:
    """The part of an image (C, H, W) inside the box, resized to `size` -> (C, *size).

    To classify an object once more without its surroundings (CAM paper, Table 4).
    Raises ValueError where the box holds no pixel of the image.

    >>> crop(torch.rand(3, 40, 60), box=(10, 10, 30, 20), size=(24, 24)).shape
    torch.Size([3, 24, 24])
    """
    x0, y0, x1, y1 = (max(0, int(v)) for v in box)
    part = image[:, y0:y1, x0:x1]
    if part.numel() == 0:
        raise ValueError(f"box {tuple(box)} holds no pixel of an image of {tuple(image.shape[1:])}")
    return up(part[None], size)[0]
