"""Pretrained torchvision networks: from `CAMLITE_DATA/weights` first, then from the network."""

from __future__ import annotations

import urllib.error
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms import v2

from camlite import data
from camlite.errors import DataNotFound

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Pretrained:
    """A network with its class names and where its weights come from."""

    model: nn.Module
    categories: list[str]
    source: str

    def classes(self, wanted: str) -> int:
        """The number of a class given as a number or as a part of its name."""
        if wanted.lstrip("-").isdigit():
            if not 0 <= int(wanted) < len(self.categories):
                raise ValueError(f"class {wanted} is out of range: 0 to {len(self.categories) - 1}")
            return int(wanted)
        low = wanted.lower()
        exact = [i for i, name in enumerate(self.categories) if name.lower() == low]
        found = exact or [i for i, name in enumerate(self.categories) if low in name.lower()]
        if len(found) != 1:
            some = ", ".join(f"{i} {self.categories[i]}" for i in found[:6])
            raise ValueError(
                f"no class is called {wanted!r}"
                if not found
                else f"{wanted!r} fits {len(found)} classes: {some}"
            )
        return found[0]


def names() -> list[str]:
    """The torchvision classifiers, by name."""
    return torchvision.models.list_models(module=torchvision.models)


def at_hand() -> dict[str, Path]:
    """The networks whose weight files lie in a data folder: name -> file."""
    files = [p for folder in data.folders() for p in sorted((folder / "weights").glob("*.pth"))]
    by_length = sorted(names(), key=len, reverse=True)  # resnet50 before resnet5…
    found: dict[str, Path] = {}
    for path in files:
        name = next((n for n in by_length if path.name.startswith(n)), None)
        if name is not None:
            found.setdefault(name, path)
    return found


def pretrained(name: str) -> Pretrained:
    """A torchvision classifier with ImageNet weights, in eval mode.

    Raises ValueError for an unknown name, `DataNotFound` where the weights are neither at hand nor
    downloadable.
    """
    if name not in names():
        raise ValueError(
            f"torchvision has no classifier {name!r}; try one of resnet18, resnet50, "
            "densenet121, efficientnet_b0, vgg16, mobilenet_v2"
        )
    catalogue = torchvision.models.get_model_weights(name)
    official = getattr(catalogue, "IMAGENET1K_V1", catalogue.DEFAULT)
    path = at_hand().get(name)
    state = _read(path) if path else _download(name, official)
    lazy = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = torchvision.models.get_model(name, weights=None, **lazy)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise DataNotFound(
            f"{path} does not hold the weights of torchvision's {name}: "
            f"{str(error).splitlines()[-1].strip()}"
        ) from error
    return Pretrained(
        model.eval(), official.meta["categories"], path.name if path else str(official)
    )


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file can fail in many ways
        raise DataNotFound(
            f"{path} cannot be read as weights ({type(error).__name__}). Delete it and try again."
        ) from error


def _download(name: str, official: torchvision.models.WeightsEnum) -> dict[str, Tensor]:
    folder = data.folders()[-1] / "weights"
    try:
        return torch.hub.load_state_dict_from_url(
            official.url,
            model_dir=str(folder),
            check_hash=True,
            map_location="cpu",
            file_name=f"{name}-imagenet.pth",
        )
    except (OSError, urllib.error.URLError, RuntimeError) as error:
        here = ", ".join(at_hand()) or "none"
        raise DataNotFound(
            f"the weights of {name} are not here and the download failed ({error}). Put "
            f"{official.url.rsplit('/', 1)[-1]} into {folder}, or name a folder with weights/ in "
            f"CAMLITE_DATA. Networks at hand: {here}."
        ) from error


def preprocess(image: Tensor, side: int = 224) -> tuple[Tensor, Tensor]:
    """(1, 3, H, W) in [0, 1] -> the square cut the network sees, and the same normalised for it.

    The short side becomes `side` · 256 / 224, the centre is cut out: torchvision's standard.
    """
    resize = v2.Resize(round(side * 256 / 224), antialias=True)
    seen = v2.CenterCrop(side)(resize(image)).clamp(0, 1)
    return seen, v2.functional.normalize(seen, list(MEAN), list(STD))
