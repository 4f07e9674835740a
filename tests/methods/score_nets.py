"""Small networks for the tests of the score, group and pixel methods: every awkward kind once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class PoolLinear(nn.Module):
    """conv, BatchNorm, in-place ReLU, conv, ReLU, GAP, linear. Channel 2 of `last` is dead."""

    def __init__(self, channels: int = 3, classes: int = 4, K: int = 6) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 5, 3, padding=1, stride=2)
        self.norm = nn.BatchNorm2d(5)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(5, K, 3, padding=1)
        self.last = nn.ReLU()
        self.head = nn.Linear(K, classes)
        with torch.no_grad():
            self.conv.bias[2] = -100

    def forward(self, x: Tensor) -> Tensor:
        F = self.last(self.conv(self.relu(self.norm(self.first(x)))))
        return self.head(F.mean((2, 3)))


class Flat(nn.Module):
    """The head flattens: the place matters, and the head is not linear."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(6 * 5 * 6, 7), nn.ReLU(), nn.Linear(7, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class Residual(nn.Module):
    """`inside` lies in a branch: the network cannot be cut there, only hooked."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU())
        self.inside = nn.Sequential(nn.Conv2d(5, 5, 3, padding=1), nn.ReLU())
        self.after = nn.Conv2d(5, 5, 1)
        self.head = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        F = self.first(x)
        F = functional.relu(F + self.after(self.inside(F)))
        return self.head(F.mean((2, 3)))


class Untraceable(nn.Module):
    """Control flow that depends on the data, and only functional ReLUs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, stride=2)
        self.head = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        F = self.conv(x)
        if F.mean() > 1e6:
            F = F * 2
        F = functional.relu(F, inplace=True)
        return self.head(F.mean((2, 3)))


class Signal(nn.Module):
    """The same on signals (N, C, L)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(2, 6, 5, stride=2)
        self.norm = nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(self.conv(x))).mean(2))


def ready(kind: type[nn.Module], seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A network with random weights and BatchNorm statistics, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = kind()
        for module in net.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
            elif isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=1.5 / module.weight[0].numel() ** 0.5)
    return net.to(dtype).eval()


def pictures(N: int = 2, seed: int = 1, dtype: torch.dtype = torch.float64) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(N, 3, 11, 13, generator=g, dtype=torch.float64).to(dtype)


def signals(N: int = 2, seed: int = 1) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(N, 2, 30, generator=g, dtype=torch.float64)


LAYERS = [(PoolLinear, "last"), (Flat, "features"), (Residual, "inside"), (Untraceable, "conv")]
