"""The small networks of the course."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GapNet(nn.Module):
    """Four convolutions that keep every pixel, then a global average, then one linear layer.

    This is the network of the MNIST experiment: 3×3 filters, 16 → 32 → 64 → 128 channels, ReLU
    after each, padding 1 and no pooling, so a feature map is as large as the image. GAP turns
    each of the 128 maps into one number, and one linear layer turns these into class scores
    (logits). With one input channel and ten classes it has 98,442 parameters.

    Shapes: images (N, in_channels, H, W) of any size -> logits (N, classes).

    Source: the architecture class activation maps need, Zhou et al. 2016 (arXiv 1512.04150), §2.
    """

    def __init__(self, in_channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        widths = [in_channels, 16, 32, 64, 128]
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        F = self.features(images)  # (N, 128, H, W)
        return self.classifier(F.mean(dim=(2, 3)))  # GAP, then W F + b


def count_parameters(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """Share of the images (N, C, H, W) whose largest logit is the label (N,): 0 to 1."""
    was_training = model.training
    model.eval()
    hits = [
        (model(x).argmax(1) == y).sum().item()
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True)
    ]
    model.train(was_training)
    return sum(hits) / len(labels)


def bundled(name: str) -> nn.Module:
    """A small network that comes with camlite, trained by a script in datasets/, in eval mode.

    `gapnet_mnist` and `gapnet_digits` read images (N, 1, 28, 28) in [0, 1]. What each one learned
    from, and how well it does, stands in datasets/<name>.json. Raises ValueError for another name.
    """
    from camlite.course.paths import DATASETS

    path = DATASETS / f"{name}.pt"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in DATASETS.glob("*.pt")))
        raise ValueError(f"there is no bundled network {name!r}; there are {known}")
    model = GapNet()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model.eval()
