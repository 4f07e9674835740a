"""Maps that know nothing about the model: every table of results needs them beside the methods.

A metric that prefers one of them to an explanation does not measure explanations. Two more floors
are methods: `camlite.random_cam` and `camlite.center_gaussian`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from camlite.checks import finite_floats


def fake_cam(images: Tensor) -> Tensor:
    """Fake-CAM: 1 everywhere, 0 in the first pixel. (N, C, H, W) -> (N, H, W).

    Says nothing, and yet its average drop is almost 0 and its complexity almost 1: the reason why
    average drop alone must not rank methods. Source: Poppi et al. 2021, arXiv 2104.10252.

    >>> fake_cam(torch.rand(1, 3, 2, 3))
    tensor([[[0., 1., 1.],
             [1., 1., 1.]]])
    """
    finite_floats("images", images)
    maps = torch.ones(len(images), *images.shape[2:], dtype=images.dtype, device=images.device)
    maps.flatten(1)[:, 0] = 0
    return maps


def sobel_edges(images: Tensor) -> Tensor:
    """Edge strength |∇X| of the mean over channels, by Sobel's filter. (N, C, H, W) -> (N, H, W).

    Looks like a saliency map, and no model was asked: the control of Adebayo et al. 2018,
    arXiv 1810.03292. Borders repeat the outermost pixels.

    >>> sobel_edges(torch.ones(1, 3, 4, 5)).any()  # no edge
    tensor(False)
    """
    finite_floats("images", images)
    grey = pad(images.detach().mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).to(grey)
    x, y = conv2d(grey, torch.stack([across, across.T])[:, None]).unbind(1)
    return torch.hypot(x, y)
