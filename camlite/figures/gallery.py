"""`camlite gallery IMAGE`: every method, both signs, a ladder of layers, several networks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from camlite import data, methods
from camlite.errors import ArchitectureError
from camlite.figures import explain, plot
from camlite.maps import heatmap, up
from camlite.methods.cards import METHODS
from camlite.split import LayerChosen, last_spatial_layer, split, stage_ends
from camlite.weights import Pretrained, at_hand, preprocess, pretrained

MANY = 100  # --fast leaves out methods with more forward passes of the whole network
FEWER: dict[str, dict[str, Any]] = {  # settings that keep the wall at minutes, shown in its titles
    "ss_cam": {"samples": 2},
    "is_cam": {"steps": 2},
    "rise": {"samples": 1000},
}


@dataclass(frozen=True)
class Panel:
    """One method's place on the wall: the heat (H, W) in [0, 1], or None and the reason why."""

    method: str
    heat: Tensor | None
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Scene:
    """One network, one layer, and one picture: as people see it (seen) and normalised (x)."""

    name: str
    net: Pretrained
    layer: str
    seen: Tensor
    x: Tensor
    p: Tensor


def gallery(
    image: Path,
    models: list[str],
    classes: list[str],
    wanted: list[str],
    fast: bool,
    folder: Path,
    progress: bool,
) -> dict[str, Any]:
    """Draw the figures of one picture into `folder`; returns what is on them.

    The first of `models` gives the wall of methods (one figure for each class), the signed maps
    and the ladder of layers; all of them stand side by side in the last figure.
    """
    unknown = [m for m in wanted if m not in METHODS]
    if unknown:
        raise ValueError(f"no method is called {unknown[0]!r}; there are {', '.join(METHODS)}")
    picture = data.load_image(image)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)  # the layer stands in every title
        scenes = [look(name, pretrained(name), picture) for name in models]
        first = scenes[0]
        chosen = [first.net.classes(c) for c in classes] or [int(first.p.argmax())]
        shown, left_out = selection(first, wanted, fast)
        folder.mkdir(parents=True, exist_ok=True)
        start = f"{folder / image.stem}-{first.name}"
        walls = {c: wall(first, c, shown, progress) for c in chosen}
        files = [draw_wall(first, c, walls[c], f"{start}-methods-{c}.png") for c in chosen]
        files.append(draw_signs(first, chosen, f"{start}-signs.png"))
        files.append(draw_ladder(first, chosen, f"{start}-layers.png"))
        if len(scenes) > 1:
            files.append(draw_networks(scenes, chosen, f"{folder / image.stem}-networks.png"))
    return {
        "image": str(image),
        "model": first.name,
        "weights": first.net.source,
        "layer": first.layer,
        "classes": [_class(first, c) for c in chosen],
        "methods": {c: {p.method: round(p.seconds, 3) for p in walls[c]} for c in chosen},
        "without_map": {c: {p.method: p.note for p in walls[c] if p.heat is None} for c in chosen},
        "left_out": left_out,
        "figures": files,
    }


def look(name: str, net: Pretrained, picture: Tensor) -> Scene:
    """What a network says about a picture (1, 3, H, W), at its last layer with space."""
    seen, x = preprocess(picture)
    with torch.no_grad():
        p = net.model(x).softmax(1)[0]
    return Scene(name, net, last_spatial_layer(net.model, x), seen, x, p)


def default_models(first: str) -> list[str]:
    """`first`, then the other networks whose weights are at hand."""
    return [first, *(name for name in at_hand() if name != first)]


def _class(scene: Scene, c: int) -> dict[str, Any]:
    name, p = scene.net.categories[c], float(scene.p[c])
    return {"class": c, "name": name, "probability": p}


def _caption(scene: Scene, c: int) -> str:
    return f"{scene.net.categories[c]} ({c})\np = {_short(float(scene.p[c]))}"


def _short(p: float) -> str:
    return f"{p:.3f}" if p >= 0.0005 else f"{p:.0e}"


# ------------------------------------------------------------------ every method


def selection(scene: Scene, wanted: list[str], fast: bool) -> tuple[list[str], dict[str, int]]:
    """The methods to draw, and those that --fast leaves out with their number of forwards.

    A method that the user asked for by its name is always drawn.
    """
    if wanted:
        return wanted, {}
    cost = forwards(scene)
    left_out = {m: n for m, n in cost.items() if fast and n > MANY}
    return [m for m in METHODS if m not in left_out], left_out


def forwards(scene: Scene) -> dict[str, int]:
    """Forward passes of the whole network, for the methods that need many of them here."""
    K = split(scene.net.model, scene.layer)[0](scene.x).shape[1]
    ends, F = stage_ends(scene.net.model, scene.x), scene.x
    K_all = 0
    for part in split(scene.net.model, ends)[:-1]:
        F = part(F)
        K_all += F.shape[1]
    positions = ((min(scene.x.shape[2:]) - 28) // 14 + 1) ** 2
    return {
        "score_cam": K,
        "ss_cam": FEWER["ss_cam"]["samples"] * K,
        "is_cam": FEWER["is_cam"]["steps"] * K,
        "poly_cam": 2 * K_all,
        "occlusion": positions,
        "rise": FEWER["rise"]["samples"],
    }


def wall(scene: Scene, c: int, names: Sequence[str], progress: bool) -> list[Panel]:
    """The heat of each method for class c."""
    bar = tqdm(names, desc=f"class {c}", disable=not progress)
    panels = []
    for name in bar:
        bar.set_postfix_str(name)
        begin = time.perf_counter()
        try:
            heat = heat_of(name, scene, c, progress)
            note = "" if heat.any() else "nothing positive"
        except ArchitectureError:
            heat, note = None, METHODS[name].needs
        panels.append(Panel(name, heat, time.perf_counter() - begin, note))
    return panels


def heat_of(name: str, scene: Scene, c: int, progress: bool = False) -> Tensor:
    """(H, W) in [0, 1], with the settings of this wall."""
    options = FEWER.get(name, {})
    return explain.heat_of(name, scene.net.model, scene.layer, scene.x, c, progress, **options)


def draw_wall(scene: Scene, c: int, panels: Sequence[Panel], file: str) -> str:
    """All methods in one figure, the picture first."""
    import matplotlib.pyplot as plt

    cells = len(panels) + 1
    columns = cells if cells <= 7 else min((7, 6, 8, 5), key=lambda n: -cells % n)  # fewest gaps
    rows = -(-cells // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(1.9 * columns + 0.9, 2.25 * rows + 0.6),
        squeeze=False,
        layout="constrained",
    )
    for axis in axes.flat:
        axis.set_axis_off()
    picture = plot.picture(scene.seen[0])
    axes[0, 0].imshow(picture)
    axes[0, 0].set_title("the network sees", fontsize=9)
    drawn: Any = None
    for axis, panel in zip(axes.flat[1:], panels, strict=False):
        if panel.heat is None:
            axis.imshow(picture, alpha=0.25)
            _write(axis, panel.note)
        else:
            axis.imshow(picture)
            drawn = axis.imshow(panel.heat, cmap=plot.HEAT, vmin=0, vmax=1, alpha=0.6)
        axis.set_title(_title(panel), fontsize=9)
    if drawn is not None:
        plot.opaque(figure.colorbar(drawn, ax=axes, shrink=0.5, label="evidence, scaled per map"))
    figure.suptitle(f"{scene.name}, {scene.layer}: the evidence for {_one_line(scene, c)}")
    return _saved(figure, file)


def _title(panel: Panel) -> str:
    short = METHODS[panel.method].short
    fewer = ", ".join(f"{v} {k}" for k, v in FEWER.get(panel.method, {}).items())
    cost = f"{panel.seconds:.1f} s" if panel.seconds >= 0.1 else "under 0.1 s"
    cost = cost if panel.heat is not None else "no map"
    cost = f"{panel.note}, {cost}" if panel.heat is not None and panel.note else cost
    return f"{short}\n{fewer + ', ' if fewer else ''}{cost}"


def _one_line(scene: Scene, c: int) -> str:
    return _caption(scene, c).replace("\n", ", ")


def _write(axis: Any, text: str) -> None:
    import textwrap

    axis.text(
        0.5,
        0.5,
        "\n".join(textwrap.wrap(f"needs {text}", 22)),
        ha="center",
        va="center",
        fontsize=8,
        transform=axis.transAxes,
    )


def _saved(figure: Any, file: str) -> str:
    import matplotlib.pyplot as plt

    figure.savefig(file, dpi=150)
    plt.close(figure)
    return file


# ------------------------------------------------------------------ signs, layers, networks


def draw_signs(scene: Scene, classes: Sequence[int], file: str) -> str:
    """Evidence for and against each class: Grad-CAM without ReLU, of Y_c and of Y_c − Y_rival.

    A logit alone often has no negative places: the network may add the same to all classes, and
    softmax does not see it. Two classes against each other show the decision.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        len(classes),
        5,
        figsize=(12, 2.2 * len(classes) + 0.9),
        squeeze=False,
        layout="constrained",
    )
    for row, c in zip(axes, classes, strict=True):
        rival = _rival(scene, c, classes)
        alone, contrast = _signed(scene, c), _signed(scene, c, rival)
        names = scene.net.categories
        cells = (
            ("the network sees", None),
            (f"{names[c]}, signed", alone),
            (f"rather than {names[rival]}", contrast),
            ("… for", contrast.relu()),
            ("… against", (-contrast).relu()),
        )
        for axis, (title, M) in zip(row, cells, strict=True):
            axis.imshow(plot.picture(scene.seen[0]))
            axis.set(xticks=[], yticks=[])
            axis.set_title(title, fontsize=9)
            if title.startswith("…") and M is not None:
                heat = axis.imshow(M, cmap=plot.HEAT, vmin=0, vmax=1, alpha=0.6)
            elif M is not None:
                signed = axis.imshow(M, cmap=plot.SIGNED, vmin=-1, vmax=1, alpha=0.65)
        row[0].set_ylabel(_caption(scene, c), fontsize=9)
    for drawn, of, label in (
        (signed, axes[:, :3], "against  ←  0  →  for"),
        (heat, axes[:, 3:], "one half of it"),
    ):
        plot.opaque(figure.colorbar(drawn, ax=of, shrink=0.8, label=label))
    figure.suptitle(f"{scene.name}, {scene.layer}: Grad-CAM without ReLU, each map by its maximum")
    return _saved(figure, file)


def _rival(scene: Scene, c: int, classes: Sequence[int]) -> int:
    """The class to compare c with: the next one asked for, else the likeliest other one."""
    if len(classes) > 1:
        return classes[(classes.index(c) + 1) % len(classes)]
    first, second = scene.p.topk(2).indices.tolist()
    return second if first == c else first


def _signed(scene: Scene, c: int, rival: int | None = None) -> Tensor:
    """Grad-CAM of Y_c, or of Y_c − Y_rival, with its sign: (H, W) in [−1, 1]."""

    def score(logits: Tensor) -> Tensor:
        return logits[:, c] if rival is None else logits[:, c] - logits[:, rival]

    L = methods.grad_cam(scene.net.model, scene.layer, scene.x, score, relu=False)
    M = up(L, scene.x.shape[2:])[0]
    return M / M.abs().max().clamp_min(1e-12)


LADDER = ("grad_cam", "hires_cam", "layer_cam")


def draw_ladder(scene: Scene, classes: Sequence[int], file: str) -> str:
    """Three methods at the last layer of each resolution, for each class."""
    ends = stage_ends(scene.net.model, scene.x)
    sides = [split(scene.net.model, end)[0](scene.x).shape[2:] for end in ends]
    rows, titles = [], []
    for c in classes:
        for name in LADDER:
            function = METHODS[name].function
            maps = [function(scene.net.model, end, scene.x, c).relu() for end in ends]
            heat = [heatmap(m, scene.x.shape[2:])[0] for m in maps]
            rows.append([(scene.seen[0], None), *((scene.seen[0], h) for h in heat)])
            titles.append(f"{METHODS[name].short}\n{scene.net.categories[c]}")
    columns = [f"{end}\n{h}×{w}" for end, (h, w) in zip(ends, sides, strict=True)]
    figure = plot.grid(
        rows,
        titles,
        ["the network sees", *columns],
        title=f"{scene.name}: the same question at each depth",
    )
    return _saved(figure, file)


def draw_networks(scenes: Sequence[Scene], classes: Sequence[int], file: str) -> str:
    """CAM of several networks side by side; Grad-CAM where the head allows no CAM."""
    named = [_cam_or_grad_cam(scene) for scene in scenes]
    rows = []
    for c in classes:
        heat = [heat_of(name, scene, c) for name, scene in zip(named, scenes, strict=True)]
        rows.append(
            [
                (scenes[0].seen[0], None),
                *((scene.seen[0], h) for scene, h in zip(scenes, heat, strict=True)),
            ]
        )
    first = scenes[0]
    labels = [
        "\n".join(
            [
                f"{first.net.categories[c]} ({c})",
                *(f"{s.name}: {_short(float(s.p[c]))}" for s in scenes),
            ]
        )
        for c in classes
    ]
    columns = [f"{s.name}\n{METHODS[name].short}" for s, name in zip(scenes, named, strict=True)]
    figure = plot.grid(
        rows, labels, ["the networks see", *columns], title="One picture, several networks"
    )
    return _saved(figure, file)


def _cam_or_grad_cam(scene: Scene) -> str:
    try:
        methods.cam(scene.net.model, scene.layer, scene.x, 0)
    except ArchitectureError:
        return "grad_cam"
    return "cam"
