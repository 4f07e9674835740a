"""Floors: maps that know nothing of the network's decision. A method should do better than these.

They take the same arguments as the other methods, so that they can stand in their place.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from camlite.checks import a_number, finite
from camlite.cutting.running import check_images
from camlite.maps import weighted_sum
from camlite.perturb import own_generator
from camlite.scores import Target
from camlite.split import Layer, split_at


def random_cam(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    relu: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Feature maps with random weights: L = ReLU(Σ_k r_k F_k), r_k uniform in [−1, 1].

    The target is not used. All images of a batch get the same weights; without `generator` they
    have seed 0.

    Shapes: images (N, C, H, W) -> maps (N, h, w) at the layer's resolution.
    Source: no paper; the same control is in pytorch-grad-cam (RandomCAM).

    >>> camlite.random_cam(model, "features", images).shape
    torch.Size([2, 12, 12])
    """
    features, _ = split_at(model, layer, images)
    F = features(images)  # (N, K, h, w)
    finite("the layer's output", F)
    g = own_generator(generator)
    r = 2 * torch.rand(F.shape[1], generator=g, device=g.device).to(F) - 1
    L = weighted_sum(r.expand(F.shape[:2]), F)
    return L.relu() if relu else L


def center_gaussian(
    model: nn.Module,
    layer: Layer,
    images: Tensor,
    target: Target = None,
    *,
    sigma: float = 0.25,
) -> Tensor:
    """A blob in the middle of the image: exp(−d²/2σ²), the same for every image and class.

    d is the distance from the centre in units of each side's length, as `sigma` is. Photographers
    put the object in the middle, so this beats some methods in localisation. Model, layer and
    target are not used.

    Shapes: images (N, C, H, W) -> maps (N, H, W) at the image's resolution.
    Source: no paper; the centre baseline of Choe et al. 2020 (arXiv 2001.07437) is its kind.

    >>> maps = camlite.center_gaussian(model, None, images)
    >>> maps.shape, torch.equal(maps[0], maps[1])
    (torch.Size([2, 48, 48]), True)
    """
    check_images(model, images)
    a_number("sigma", sigma, low=0, open=True)
    M = torch.ones_like(images.detach()[:, 0])  # (N, H, W)
    for axis, side in enumerate(images.shape[2:], start=1):
        d = (torch.arange(side).to(M) + 0.5) / side - 0.5
        M = M * torch.exp(-(d**2) / (2 * sigma**2)).view(-1, *[1] * (M.dim() - 1 - axis))
    return M
