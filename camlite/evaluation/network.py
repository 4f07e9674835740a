"""The network that is evaluated: where it comes from, its classes, its preprocessing."""

from __future__ import annotations

import hashlib
import importlib
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from camlite import nets
from camlite.cutting.running import whole
from camlite.data import drawing
from camlite.data.generated import LOOKALIKES
from camlite.data.small import SHAPES
from camlite.evaluation.preprocessing import Preprocessing
from camlite.paths import DATASETS
from camlite.weights import pretrained


@dataclass(frozen=True)
class Network:
    """A network in eval mode, how its images are prepared, its class names, and its origin."""

    name: str
    model: nn.Module
    preprocessing: Preprocessing
    categories: list[str]
    source: str


def load_network(name: str, side: int | None = None, normalize: bool | None = None) -> Network:
    """A bundled network, a torchvision classifier with ImageNet weights, or `module:function`.

    `module:function` is your own code: the function returns a classifier, with the attribute
    `categories` (class names) if it has any. Raises ValueError for an unknown name.
    """
    if name in bundled_names():
        made = Network(
            name,
            nets.bundled(name),
            Preprocessing(0, False),
            _bundled_classes(name),
            f"bundled {name}.pt",
        )
    elif ":" in name:
        made = Network(name, _own(name), Preprocessing(), [], "your own code")
    else:
        found = pretrained(name)
        made = Network(name, found.model, Preprocessing(), found.categories, found.source)
    preprocessing = Preprocessing(
        made.preprocessing.side if side is None else side,
        made.preprocessing.normalize if normalize is None else normalize,
        _input_channels(made.model) == 1,
    )
    if preprocessing.side < 0:
        raise ValueError(
            f"side must be 0 (pictures as they are) or more pixels, not {preprocessing.side}"
        )
    categories = made.categories or _categories(made.model, preprocessing)
    return Network(name, made.model, preprocessing, categories, made.source)


def in_cells(found: Network, cells: int = 2) -> Network:
    """The network with a head for each cell of a grid (`nets.DiFull`), and a name for each logit.

    Raises ValueError for a network of another kind than the bundled ones for scenes.
    """
    net = found.model
    if not isinstance(net, nets.SceneNet):
        raise ValueError(
            f"{found.name} cannot be put into cells: its features and its head must be known. "
            "For a network of your own build camlite.nets.DiFull(features, head), and give a "
            "folder of grids with --masks"
        )
    pool = {"mean": nn.AdaptiveAvgPool2d, "max": nn.AdaptiveMaxPool2d}[net.pooling]
    head = nn.Sequential(pool(1), nn.Flatten(), net.classifier)
    model = nets.DiFull(net.features, head, cells).eval()
    names = [f"{c} in cell {n + 1}" for n in range(cells**2) for c in found.categories]
    source = f"{found.source} with a head for each of {cells}×{cells} cells"
    return replace(found, model=model, categories=names, source=source)


def bundled_names() -> list[str]:
    """The networks of pictures that come with camlite; `asked_…` need a question too."""
    names = (path.stem for path in DATASETS.glob("*.pt"))
    return sorted(name for name in names if not name.startswith("asked_"))


def _bundled_classes(name: str) -> list[str]:
    of_world = {"pond": drawing.ANIMALS, "rail": drawing.VEHICLES, "lookalikes": LOOKALIKES}
    of_world["ladder"] = drawing.ANIMALS
    of_world |= {"tokens": dict.fromkeys(SHAPES), "printed": dict.fromkeys(("no word", "word"))}
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


def _categories(model: nn.Module, preprocessing: Preprocessing) -> list[str]:
    named = getattr(model, "categories", None)
    if named is not None:
        if not isinstance(named, Iterable) or isinstance(named, str):
            raise ValueError(f"categories of the model should be a list of names, not {named!r}")
        return [str(c) for c in named]
    side = preprocessing.side or 224
    like = next(model.parameters(), torch.zeros(1))
    try:
        out = whole(model)(torch.zeros(1, 1 if preprocessing.grey else 3, side, side).to(like))
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
