"""Small networks whose maps can be checked by loops, and an independent way to get F and ∂Y/∂F."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GapHead(nn.Module):
    """conv, ReLU, conv, ReLU, global average pooling, one linear layer."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1), activation(), nn.Conv2d(4, 5, 3, padding=1), activation()
        )
        self.fc = nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).mean((2, 3)))


class FlattenHead(nn.Module):
    """One linear layer with its own weight for each position; in-place ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(inplace=True))
        self.fc = nn.Linear(5 * 6 * 7, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.features(x).flatten(1))


class DeepHead(nn.Module):
    """More than one layer behind the features; `activation` may be curved."""

    def __init__(self, activation: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(2, 5, 3, padding=1),
            activation(),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 6, 3, padding=1),
            activation(),
        )
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.head = nn.Sequential(nn.Linear(24, 8), activation(), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.features(x)).flatten(1))


class Residual(nn.Module):
    """A skip connection goes around `conv1` and `conv2`; BatchNorm; in-place addition."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(5, 5, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 5, 3, padding=1)
        self.down = nn.Conv2d(5, 6, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(6)
        self.fc = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.stem(x))
        branch = self.conv2(self.relu(self.bn1(self.conv1(x))))
        branch += x
        x = self.relu(self.bn2(self.down(self.relu(branch))))
        return self.fc(x.mean((2, 3)))


class ByData(Residual):
    """The same with control flow that depends on the data, which no graph can hold."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if float(x.detach().sum()) > -1e9 else -x)


class Signal(nn.Module):
    """A network for signals (N, C, L)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv1d(2, 5, 3, padding=1), nn.ReLU())
        self.pool = nn.MaxPool1d(2)
        self.more = nn.Sequential(nn.Conv1d(5, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU())
        self.fc = nn.Linear(6 * 6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.more(self.pool(self.features(x))).flatten(1))


def ready(model: nn.Module, seed: int = 0) -> nn.Module:
    """Reproducible weights in float64, evaluation mode, BatchNorm with statistics of its own."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        size = 0.5 if p.dim() == 1 else 2 * p[0].numel() ** -0.5
        p.data = size * torch.randn(p.shape, generator=g)
        if "bn" in name and "weight" in name:
            p.data = p.data.abs() + 0.5
    for name, b in model.named_buffers():
        if b.is_floating_point():
            b.data = torch.rand(b.shape, generator=g) + (0.5 if "var" in name else -0.5)
    return model.double().eval()


def pictures(n: int = 3, size: tuple[int, ...] = (6, 7), seed: int = 1) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return torch.randn((n, 2, *size), generator=g, dtype=torch.float64)


# name: (model, layer, images)
CASES = {
    "gap": lambda: (ready(GapHead()), "features", pictures()),
    "flatten": lambda: (ready(FlattenHead()), "features", pictures()),
    "deep": lambda: (ready(DeepHead()), "features.4", pictures(size=(8, 8))),
    "shallow": lambda: (ready(DeepHead()), "features.1", pictures(size=(8, 8))),
    "silu": lambda: (ready(DeepHead(nn.SiLU)), "features.4", pictures(size=(8, 8))),
    "before relu": lambda: (ready(GapHead()), "features.2", pictures()),
    "residual": lambda: (ready(Residual()), "bn2", pictures()),
    "in a branch": lambda: (ready(Residual()), "conv1", pictures()),
    "by data": lambda: (ready(ByData()), "down", pictures()),
    "signal": lambda: (ready(Signal()), "more", pictures(size=(12,))),
}

# name: (model, layers from the image to the logits, images)
LADDERS = {
    "deep": lambda: (ready(DeepHead()), ["features.1", "features.4"], pictures(size=(8, 8))),
    "silu": lambda: (ready(DeepHead(nn.SiLU)), ["features.1", "features.4"], pictures(size=(8, 8))),
    "skip around": lambda: (ready(Residual()), ["stem", "conv1", "bn2"], pictures()),
    "by data": lambda: (ready(ByData()), ["stem", "conv2", "bn2"], pictures()),
    "signal": lambda: (ready(Signal()), ["features", "more"], pictures(size=(12,))),
}


def maps_and_gradients(model, layers, images, score):
    """F_l and ∂Y/∂F_l with plain hooks on one ordinary forward pass, without camlite.split."""
    taken: list[Tensor] = []

    def hook(module: nn.Module, args: object, out: Tensor) -> Tensor:
        taken.append(out)
        return out.clone()

    handles = [model.get_submodule(name).register_forward_hook(hook) for name in layers]
    Y = score(model(images.clone().requires_grad_()))
    for handle in handles:
        handle.remove()
    return [F.detach() for F in taken], torch.autograd.grad(Y.sum(), taken)


def logit(c: int):
    return lambda logits: logits[:, c]


def loops(F: Tensor):
    """(n, k, position) triples: the positions of a map as one index each."""
    N, K = F.shape[:2]
    return [(n, k, p) for n in range(N) for k in range(K) for p in range(F[0, 0].numel())]
