"""The network that is evaluated, and how it wants its pictures."""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from camlite import nets
from camlite.boxes import as_mask, component_boxes
from camlite.data import drawing
from camlite.evaluation.items import Picture
from camlite.paths import DATASETS
from camlite.weights import MEAN, STD, preprocess, pretrained


@dataclass(frozen=True)
class View:
    """Preparation: short side to side · 256 / 224, the centre square, then normalisation.

    `side=0` keeps the pictures as they are. `grey` makes one channel of three.
    """

    side: int = 224
    normalize: bool = True
    grey: bool = False


@dataclass(frozen=True)
class Example:
    """What the network gets: x (1, C, H, W); seen the same in [0, 1]; mask and boxes moved along.

    `mask` (H, W) bool or None, `boxes` (B, 4) or None. Both may be empty after the cut.
    """

    x: Tensor
    seen: Tensor
    mask: Tensor | None
    boxes: Tensor | None


@dataclass(frozen=True)
class Subject:
    """A network in eval mode with its view, its class names and where it comes from."""

    name: str
    model: nn.Module
    view: View
    categories: list[str]
    source: str


def subject(name: str, side: int | None = None, normalize: bool | None = None) -> Subject:
    """A bundled network, a torchvision classifier with ImageNet weights, or `module:function`.

    `module:function` is your own code: the function returns a classifier, with the attribute
    `categories` (class names) if it has any. Raises ValueError for an unknown name.
    """
    if name in bundled_names():
        made = Subject(
            name, nets.bundled(name), View(0, False), _bundled_classes(name), f"bundled {name}.pt"
        )
    elif ":" in name:
        made = Subject(name, _own(name), View(), [], "your own code")
    else:
        found = pretrained(name)
        made = Subject(name, found.model, View(), found.categories, found.source)
    view = View(
        made.view.side if side is None else side,
        made.view.normalize if normalize is None else normalize,
        _input_channels(made.model) == 1,
    )
    if view.side < 0:
        raise ValueError(f"side must be 0 (pictures as they are) or more pixels, not {view.side}")
    categories = made.categories or _categories(made.model, view)
    return Subject(name, made.model, view, categories, made.source)


def bundled_names() -> list[str]:
    """The networks that come with camlite."""
    return sorted(path.stem for path in DATASETS.glob("*.pt"))


def _bundled_classes(name: str) -> list[str]:
    of_world = {"pond": drawing.ANIMALS, "rail": drawing.VEHICLES}
    return list(of_world.get(name.partition("_")[0], map(str, range(10))))


def _own(name: str) -> nn.Module:
    module, _, function = name.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        model = getattr(importlib.import_module(module), function)()
    except Exception as error:  # own code may fail in any way
        raise ValueError(
            f"--model {name}: {type(error).__name__}: {error}{_place(error, here)}. Give "
            "module:function, where the function needs no arguments and returns a torch classifier"
        ) from error
    finally:
        sys.path.remove(here)
    if not isinstance(model, nn.Module):
        raise ValueError(f"--model {name} returned {type(model).__name__}, not a torch.nn.Module")
    return model.eval()


def _place(error: Exception, folder: str) -> str:
    """The last line of the person's own code that the error came through, if any."""
    own = [
        f"{Path(frame.filename).name}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith(folder) and frame.filename != __file__
    ]
    return f" ({own[-1]})" if own else ""


def _input_channels(model: nn.Module) -> int | None:
    convs = (m for m in model.modules() if isinstance(m, (nn.Conv1d, nn.Conv2d, nn.Conv3d)))
    first = next(convs, None)
    return first.in_channels if first is not None else None


def _categories(model: nn.Module, view: View) -> list[str]:
    named = getattr(model, "categories", None)
    if named is not None:
        if not isinstance(named, Iterable) or isinstance(named, str):
            raise ValueError(f"categories of the model should be a list of names, not {named!r}")
        return [str(c) for c in named]
    side = view.side or 224
    like = next(model.parameters(), torch.zeros(1))
    try:
        with torch.no_grad():
            out = model(torch.zeros(1, 1 if view.grey else 3, side, side).to(like))
    except (RuntimeError, ValueError, TypeError) as error:
        raise ValueError(
            f"the model cannot read a picture of {side}×{side} ({' '.join(str(error).split())}): "
            "choose --side, or let your function set model.categories, the names of its classes"
        ) from error
    if not isinstance(out, Tensor) or out.dim() != 2:
        raise ValueError("the model must return logits of shape (N, classes)")
    return [str(c) for c in range(out.shape[1])]


def fingerprint(model: nn.Module) -> str:
    """A short checksum of all weights: two runs with the same one used the same network."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


# ------------------------------------------------------------------ pictures


def example(picture: Picture, view: View) -> Example:
    """A picture as the network gets it; mask and boxes go through the same resizing and cut."""
    image, mask, boxes = picture.image, picture.mask, picture.boxes
    size = (image.shape[2], image.shape[3])
    seen, x = (image, image) if not view.side else preprocess(image, view.side)
    if view.side:
        same = v2.Compose([v2.Resize(round(view.side * 256 / 224)), v2.CenterCrop(view.side)])
        if mask is not None:  # like the picture, half covered counts: a nearest pixel is biased
            mask = same(mask[None].float())[0] >= 0.5
        if boxes is not None:
            boxes = same(tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=size))
    if not view.normalize:
        x = seen
    elif not view.side:
        x = v2.functional.normalize(seen, list(MEAN), list(STD))
    x = x.mean(1, keepdim=True) if view.grey else x
    return Example(x, seen, *_completed(mask, boxes, seen.shape[2:]))


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
