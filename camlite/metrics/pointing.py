"""Does the map point at the object? Maps against masks."""

from __future__ import annotations

import torch
from torch import Tensor

from camlite.checks import a_number, finite, one_of
from camlite.maps import constant, minmax
from camlite.metrics.shared import Measure, fitted, require


def pointing_game(
    maps: Tensor, masks: Tensor, *, tolerance: float = 15, ties: str = "first"
) -> Measure:
    """Pointing game: 1 where the map's maximum lies on the object, or close to it; otherwise 0.

    A hit if an object pixel is nearer than `tolerance` pixels to the maximum; `tolerance=0` asks
    for the maximum itself to lie on the object. Mean 0 to 1, higher is better; published
    accuracies are means over classes (`class_mean`). Equal maxima: `ties="first"` takes the first
    in reading order, "any" counts a hit if any of them hits (Quantus), "share" the share of them
    that hit.

    Pitfalls: 15 pixels belong to photographs; on 28 × 28 digits everything hits. The centre of
    the picture alone hits 69.6 % on VOC07 (TorchRay): put the centre beside each result. `chance`
    is the share of pixels that would hit. A constant map points nowhere: 0, marked in `blank`.
    Shapes: maps (N, h, w), upsampled to the masks (N, H, W), bool.
    Source: Zhang et al. 2016 (excitation backprop), arXiv 1608.00507; tolerance as in TorchRay's
    code. Raises `Undefined` for empty masks.

    >>> maps = torch.tensor([[[0.0, 1.0], [0.2, 0.3]]])
    >>> pointing_game(maps, torch.tensor([[[0, 1], [0, 1]]]), tolerance=0).values
    tensor([1.], dtype=torch.float64)
    """
    one_of("ties", ties, ("first", "any", "share"))
    a_number("tolerance", tolerance, low=0)
    masks = _checked(masks, "the pointing game")
    M = fitted(maps, masks.shape[1:], len(masks)).flatten(1)
    zone = torch.stack([_near(mask, tolerance) for mask in masks]).flatten(1).to(M.device)
    highest = M.amax(1, keepdim=True)
    top = highest == M
    if ties == "first":
        hits = zone.gather(1, top.double().argmax(1, keepdim=True))[:, 0].double()
    else:
        hits = (zone & top).sum(1).double() / top.sum(1)
        hits = (hits > 0).double() if ties == "any" else hits
    blank = constant(M)
    protocol = {
        "metric": "pointing game",
        "tolerance": tolerance,
        "ties": ties,
        "upsampling": "bilinear",
    }
    return Measure(torch.where(blank, 0.0, hits), blank, zone.double().mean(1), protocol)


def _near(mask: Tensor, tolerance: float) -> Tensor:
    """The pixels on the mask or nearer to it than `tolerance`."""
    from scipy.ndimage import distance_transform_edt

    away = torch.from_numpy(distance_transform_edt(~mask.cpu().numpy()))
    return (away < tolerance) | (away == 0)


def energy_pointing_game(maps: Tensor, masks: Tensor, *, negative: str = "error") -> Measure:
    """Energy-based pointing game, Σ_mask L / Σ L: the share of the map's energy on the object.

    Range 0 to 1, higher is better, but only against `chance`, the object's share of the picture:
    a flat map gets exactly that. Needs L ≥ 0; for signed maps say what to do: `negative="relu"`
    drops negative values (what CAM methods do), "minmax" lifts the map by its minimum, which adds
    a floor of energy to the whole background, "error" (the default) refuses.

    Pitfalls: boxes contain background, masks do not; favours small, sure maps. A map without
    energy gets 0 and is marked in `blank`. Quantus calls it relevance mass accuracy.
    Shapes: maps (N, h, w), upsampled to the masks (N, H, W), bool.
    Source: Wang et al. 2020 (Score-CAM), arXiv 1910.01279. Raises `Undefined` for empty
    masks.

    >>> maps = torch.tensor([[[0.0, 1.0], [0.5, 0.5]]])
    >>> energy_pointing_game(maps, torch.tensor([[[0, 1], [0, 1]]])).values
    tensor([0.7500], dtype=torch.float64)
    """
    one_of("negative", negative, ("error", "relu", "minmax"))
    masks = _checked(masks, "the energy-based pointing game")
    L = fitted(maps, masks.shape[1:], len(masks)).double()
    if negative == "error" and bool((L < 0).any()):
        raise ValueError(
            "maps hold negative values, and energy cannot be negative: choose "
            "negative='relu' (positive evidence only) or negative='minmax'"
        )
    L = L.clamp(min=0) if negative == "relu" else minmax(L) if negative == "minmax" else L
    total = L.flatten(1).sum(1)
    inside = (L * masks.to(L.device)).flatten(1).sum(1)
    blank = total == 0
    share = torch.where(blank, 0.0, inside / total.where(~blank, torch.ones_like(total)))
    protocol = {
        "metric": "energy-based pointing game",
        "negative": negative,
        "upsampling": "bilinear",
    }
    return Measure(share, blank, masks.double().flatten(1).mean(1).to(L.device), protocol)


def objects_found(maps: Tensor, masks: Tensor) -> Tensor:
    """Which of several objects does a map show? (N, B) bool; an empty mask is never found.

    All maps may light up equally many pixels: as many as all objects of the image cover together,
    a pixels. Lit is what is hotter than the (a + 1)-th hottest pixel, so equal values at that place
    stay dark, and a map that is the same everywhere shows nothing. An object is found if at least
    half of its pixels are lit. The scale of the map and any threshold do not matter.

    Shapes: maps (N, h, w), upsampled to the masks (N, B, H, W), bool, one for each object; images
    with fewer objects have empty masks. The counting of pixels follows the relevance rank accuracy
    of Arras et al. 2022 (CLEVR-XAI), arXiv 2003.07258; one half as limit is ours.

    >>> maps = torch.tensor([[[9.0, 8.0, 7.0, 0.0, 1.0, 2.0]]])
    >>> masks = torch.tensor([[[[1, 1, 0, 0, 0, 0]], [[0, 0, 0, 0, 1, 1]]]])
    >>> objects_found(maps, masks)  # four pixels may be lit: 9, 8, 7 and 2
    tensor([[True, True]])
    """
    if not isinstance(masks, Tensor) or masks.dim() != 4 or len(masks) == 0:
        shape = tuple(masks.shape) if isinstance(masks, Tensor) else type(masks).__name__
        raise ValueError(f"masks must be a tensor (N, B, H, W), one for each object; got {shape}")
    finite("masks", masks)
    masks = masks != 0
    M = fitted(maps, masks.shape[2:], len(masks)).flatten(1)
    area = masks.any(1).flatten(1).sum(1, keepdim=True).to(M.device)
    hottest = M.sort(dim=1, descending=True).values
    edge = hottest.gather(1, area.clamp(max=M.shape[1] - 1))
    lit = (edge < M) & ~constant(M)[:, None]
    sizes = masks.flatten(2).sum(2).to(M.device)
    covered = (masks.flatten(2).to(M.device) & lit[:, None]).sum(2)
    return (2 * covered >= sizes) & (sizes > 0)


def object_recall(maps: Tensor, masks: Tensor) -> Measure:
    """The share of each image's objects that its map finds: `objects_found` says how.

    Range 0 to 1, higher is better. Floors on `camlite.data.twins`: a blob in the centre 0.2, random
    weights of the channels 0 to 0.5 (the feature maps know where something is), noise, a map that
    is the same everywhere and Fake-CAM 0; the masks themselves get 1.

    Pitfalls: coarse maps cannot light up half of a small object; a map of thin edges neither.
    Shapes: maps (N, h, w), upsampled to the masks (N, B, H, W), bool, one for each object.
    Raises `Undefined` for images without an object.

    >>> maps = torch.tensor([[[9.0, 8.0, 7.0, 6.0, 1.0, 0.0]]])
    >>> masks = torch.tensor([[[[1, 1, 0, 0, 0, 0]], [[0, 0, 0, 0, 1, 1]]]])
    >>> object_recall(maps, masks).values  # the first of two
    tensor([0.5000], dtype=torch.float64)
    """
    found = objects_found(maps, masks)
    there = (masks != 0).flatten(2).any(2).to(found.device)
    require("object recall", there.any(1), "no object is marked")
    protocol = {"metric": "object recall", "lit": "as many pixels as all objects", "found": 0.5}
    share = found.double().sum(1) / there.sum(1)
    return Measure(share, constant(maps.flatten(1)), None, protocol)


def _checked(masks: Tensor, metric: str) -> Tensor:
    if not isinstance(masks, Tensor) or masks.dim() != 3 or len(masks) == 0:
        shape = tuple(masks.shape) if isinstance(masks, Tensor) else type(masks).__name__
        raise ValueError(f"masks must be a tensor (N, H, W), 1 on the object; got {shape}")
    finite("masks", masks)
    masks = masks != 0
    require(metric, masks.flatten(1).any(1), "the object mask is empty")
    return masks
