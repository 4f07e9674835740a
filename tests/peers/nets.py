"""Small networks, and how to get raw maps out of each library."""

from __future__ import annotations

import contextlib
import io
import itertools
from typing import Any

import numpy as np
import torch
from declared import peer
from torch import Tensor, nn

import camlite

LAYER = "conv2"


class Net(nn.Module):
    """conv1, conv2 with an activation behind it, GAP and a head; no layer works in place."""

    def __init__(self, act: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(3, 6, 3, stride=3), nn.ReLU())
        self.conv2 = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), act)
        self.flatten = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.fc = head

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.flatten(self.conv2(self.conv1(x))))


def net(act: nn.Module | None = None, deep_head: bool = False, seed: int = 0) -> nn.Module:
    """GAP and one linear layer, or two; weights wide enough that classes and positions differ."""
    torch.manual_seed(seed)
    head = nn.Linear(8, 5)
    if deep_head:
        head = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 5))
    model = Net(act or nn.ReLU(), head)
    for p in model.parameters():
        nn.init.normal_(p, std=0.5)
    return model.eval()


def flatten_net(seed: int = 0) -> nn.Module:
    """The head sees every position: gradients differ over space."""
    model = net(seed=seed)
    model.flatten = nn.Flatten()
    torch.manual_seed(seed)
    model.fc = nn.Sequential(nn.Linear(128, 8), nn.Tanh(), nn.Linear(8, 5))
    return model.eval()


def pictures(n: int = 2) -> Tensor:
    return torch.randn(n, 3, 12, 12, generator=torch.Generator().manual_seed(7))


def pgc_raw(
    method: str,
    model: nn.Module,
    x: Tensor,
    c: int,
    layer: str = LAYER,
    target: str = "ClassifierOutputTarget",
    **attributes: Any,
) -> Tensor:
    """pytorch-grad-cam's map before its ReLU, resizing and scaling, (N, h, w)."""
    library = peer("pgc")
    module = model.get_submodule(layer)
    targets = [getattr(library.utils.model_targets, target)(c)] * len(x)
    with getattr(library, method)(model=model, target_layers=[module]) as cam, quiet():
        for name, value in attributes.items():
            setattr(cam, name, value)
        kept = []
        get_cam_image = cam.get_cam_image

        def keep(*args: Any) -> np.ndarray:
            kept.append(get_cam_image(*args))
            return kept[-1]

        cam.get_cam_image = keep
        cam(input_tensor=x.clone(), targets=targets)
        return torch.as_tensor(np.asarray(detached(kept[0])))


def detached(a: Any) -> Any:
    return a.detach() if isinstance(a, Tensor) else a


def tc_raw(
    method: str, model: nn.Module, x: Tensor, c: int, layer: str = LAYER, **options: Any
) -> Tensor:
    """torch-cam's map before scaling, (N, h, w); its ReLU is applied."""
    library = peer("tc").methods
    with getattr(library, method)(model, layer, **options) as extractor:
        scores = model(x.clone())
        return extractor([c] * len(x), scores, normalized=False)[0].detach()


@contextlib.contextmanager
def quiet() -> Any:
    """The peers' progress bars stay out of the test's output."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield


def far(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest value of b."""
    return float((a - b).abs().max() / b.abs().max())


def heat(M: Tensor) -> Tensor:
    return camlite.minmax(M)


def correlation(a: Tensor, b: Tensor) -> float:
    return float(np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1])


def features_and_gradient(model: nn.Module, x: Tensor, c: int) -> tuple[Tensor, Tensor]:
    """F and G in float64 by plain autograd, for the literal loops; independent of camlite."""
    model = model.double()
    try:
        kept = []
        handle = model.conv2.register_forward_hook(lambda m, i, out: (kept.append(out), None)[1])
        Y = model(x.double())[:, c].sum()
        handle.remove()
        (G,) = torch.autograd.grad(Y, kept[0])
        return kept[0].detach(), G
    finally:
        model.float()


def literal_grad_cam_plus_plus(F: Tensor, G: Tensor) -> Tensor:
    """Chattopadhyay et al., Eq. 5, 19 and 20, one number after the other."""
    L = torch.zeros_like(F[:, 0])
    N, K, h, w = F.shape
    for n, k in itertools.product(range(N), range(K)):
        total, weight = float(F[n, k].sum()), 0.0
        for i, j in itertools.product(range(h), range(w)):
            g = float(G[n, k, i, j])
            if g > 0:
                weight += g**2 / (2 * g**2 + total * g**3) * g
        L[n] += weight * F[n, k]
    return L.relu()
