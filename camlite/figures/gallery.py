"""`camlite gallery IMAGE`: every method, both signs, a ladder of layers, several networks.

Each figure is written as soon as it is ready, the quick ones first.
"""

from __future__ import annotations

import textwrap
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from camlite import data, methods
from camlite.cutting.running import whole
from camlite.errors import ArchitectureError
from camlite.figures import explain, plot
from camlite.maps import heatmap, up
from camlite.methods.cards import METHODS, Shape, shape_of
from camlite.scores import score_and_gradient
from camlite.split import LayerChosen, last_spatial_layer, split, stage_ends
from camlite.weights import Pretrained, at_hand, preprocess, pretrained

FAST = 120.0  # seconds that the walls of --fast may take, as they are estimated
SLOW = 10.0  # seconds: a wall is drawn without slower methods first, then with all
FEWER: dict[str, dict[str, Any]] = {  # settings that keep the wall at minutes, shown in its titles
    "ss_cam": {"samples": 2},
    "is_cam": {"steps": 2},
    "rise": {"samples": 1000},
}
LADDER = ("grad_cam", "hires_cam", "layer_cam")


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

    @property
    def shape(self) -> Shape:
        """What the cost of a method depends on."""
        return shape_of(self.net.model, self.layer, self.x)


def gallery(
    image: Path,
    models: list[str],
    classes: list[str],
    wanted: list[str],
    fast: bool,
    folder: Path,
    progress: bool,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Draw the figures of one picture into `folder`; returns what is on them.

    The first of `models` gives the signed maps, the ladder of layers and the walls of methods (one
    for each class); all of them stand side by side in one figure. `tell` gets an estimate before
    the work, and a line for each figure that is written.
    """
    explain.known(wanted)
    picture = data.load_image(image)
    folder.mkdir(parents=True, exist_ok=True)
    files: list[str] = []

    def done(file: str) -> None:
        tell(f"{file} ({time.perf_counter() - begin:.0f} s)")
        if file not in files:
            files.append(file)

    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)  # the layer stands in every title
        first = look(models[0], pretrained(models[0]), picture)
        chosen = [first.net.classes(c) for c in classes] or [int(first.p.argmax())]
        start = f"{folder / image.stem}-{first.name}"
        seconds = estimates(first)
        shown, left_out = selection(seconds, wanted, FAST / len(chosen) if fast else None)
        total = len(chosen) * sum(seconds[m] for m in shown)
        tell(f"{len(chosen) * len(shown)} maps of {first.name}: {_minutes(total)} here, estimated")
        done(draw_signs(first, chosen, f"{start}-signs.png"))
        done(draw_ladder(first, chosen, f"{start}-layers.png"))
        if len(models) > 1:
            scenes = [first, *(look(name, pretrained(name), picture) for name in models[1:])]
            done(draw_networks(scenes, chosen, f"{folder / image.stem}-networks.png"))
        soon = [m for m in shown if seconds[m] <= SLOW]
        walls: dict[int, list[Panel]] = {c: [] for c in chosen}
        for names in (soon, [m for m in shown if m not in soon]):
            for c in chosen if names else ():
                for panel in wall(first, c, names, progress):
                    walls[c].append(panel)
                    if panel.seconds > SLOW:
                        tell(f"{METHODS[panel.method].short}, class {c}: {panel.seconds:.0f} s")
                walls[c].sort(key=lambda panel: shown.index(panel.method))
                done(draw_wall(first, c, walls[c], f"{start}-methods-{c}.png"))
    return {
        "image": str(image),
        "model": first.name,
        "weights": first.net.source,
        "layer": first.layer,
        "classes": [_class(first, c) for c in chosen],
        "methods": {c: {p.method: round(p.seconds, 3) for p in walls[c]} for c in chosen},
        "without_map": {c: {p.method: p.note for p in walls[c] if p.heat is None} for c in chosen},
        "estimated_seconds": round(total, 1),
        "left_out": {m: round(seconds[m], 1) for m in left_out},
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


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


# ------------------------------------------------------------------ how long it takes


def estimates(scene: Scene) -> dict[str, float]:
    """Seconds for one map of each method: the passes on its card × what a pass takes here."""
    f = whole(scene.net.model)
    features, classifier = split(scene.net.model, scene.layer)
    F, shape = features(scene.x), scene.shape
    forward = _seconds(lambda: f(scene.x))
    after = _seconds(lambda: classifier(F)) / forward
    both = _seconds(lambda: score_and_gradient(f, scene.x, 0))
    backward = max(1.0, both / forward - 1)
    costs = {m: card.cost(shape, **FEWER.get(m, {})) for m, card in METHODS.items()}
    return {m: cost.in_forwards(min(after, 1), backward) * forward for m, cost in costs.items()}


def _seconds(run: Callable[[], Any], times: int = 2) -> float:
    """The shortest of a few runs, after one that warms up."""
    run()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return min(taken)


def selection(
    seconds: Mapping[str, float], wanted: list[str], budget: float | None
) -> tuple[list[str], list[str]]:
    """The methods to draw, and those left out: the slowest, if all together exceed the budget.

    A method that the user asked for by its name is always drawn.
    """
    if wanted or budget is None:
        return wanted or list(seconds), []
    kept, total = set(), 0.0
    for name in sorted(seconds, key=lambda name: seconds[name]):
        total += seconds[name]
        if total <= budget:
            kept.add(name)
    return [m for m in seconds if m in kept], [m for m in seconds if m not in kept]


# ------------------------------------------------------------------ every method


def wall(scene: Scene, c: int, names: Sequence[str], progress: bool) -> Iterator[Panel]:
    """The heat of each method for class c."""
    bar = tqdm(names, desc=f"class {c}", disable=not progress, leave=False)
    for name in bar:
        bar.set_postfix_str(name)
        begin = time.perf_counter()
        heat = None
        try:
            heat = heat_of(name, scene, c, progress)
            note = "" if heat.any() else "nothing positive"
        except ArchitectureError:
            note = f"needs {METHODS[name].needs}"
        except ValueError as error:  # guided backpropagation where there are no ReLUs
            note = textwrap.shorten(str(error), 120)
        yield Panel(name, heat, time.perf_counter() - begin, note)


def heat_of(name: str, scene: Scene, c: int, progress: bool = False) -> Tensor:
    """(H, W) in [0, 1], with the settings of this wall."""
    options = FEWER.get(name, {})
    return explain.heat_of(name, scene.net.model, scene.layer, scene.x, c, progress, **options)


def draw_wall(scene: Scene, c: int, panels: Sequence[Panel], file: str) -> str:
    """All methods in one figure, the picture first."""
    cells = len(panels) + 1
    columns = cells if cells <= 7 else min((7, 6, 8, 5), key=lambda n: -cells % n)  # fewest gaps
    figure, axes = plot.canvas(-(-cells // columns), columns, (1.9, 2.25), margin=(0.9, 0.6))
    images = [(scene.seen[0], None), *((scene.seen[0], panel.heat) for panel in panels)]
    plot.draw(list(axes.flat[:cells]), images, shrink=0.5)
    axes[0, 0].set_title("the network sees", fontsize=9)
    for axis, panel in zip(axes.flat[1:], panels, strict=False):
        axis.set_title(_title(panel), fontsize=9)
        if panel.heat is None:
            _write(axis, panel.note)
    title = _caption(scene, c).replace("\n", ", ")
    return _saved(figure, f"{scene.name}, {scene.layer}: the evidence for {title}", file)


def _title(panel: Panel) -> str:
    fewer = ", ".join(f"{v} {k}" for k, v in FEWER.get(panel.method, {}).items())
    cost = f"{panel.seconds:.1f} s" if panel.seconds >= 0.1 else "under 0.1 s"
    cost = cost if panel.heat is not None else "no map"
    cost = f"{panel.note}, {cost}" if panel.heat is not None and panel.note else cost
    return f"{METHODS[panel.method].short}\n{fewer + ', ' if fewer else ''}{cost}"


def _write(axis: Any, text: str) -> None:
    """A text in the place of a map, over a pale picture."""
    axis.images[0].set_alpha(0.25)
    lines = "\n".join(textwrap.wrap(text, 22))
    axis.text(0.5, 0.5, lines, ha="center", va="center", fontsize=8, transform=axis.transAxes)


def _saved(figure: Any, title: str, file: str) -> str:
    import matplotlib.pyplot as plt

    plot.finished(figure, title, file)
    plt.close(figure)
    return file


# ------------------------------------------------------------------ signs, layers, networks


def draw_signs(scene: Scene, classes: Sequence[int], file: str) -> str:
    """Evidence for and against each class: Grad-CAM without ReLU, of Y_c and of Y_c − Y_rival.

    A logit alone often has no negative places: the network may add the same to all classes, and
    softmax does not see it. Two classes against each other show the decision.
    """
    seen, rows, titles = scene.seen[0], [], []
    for c in classes:
        rival = _rival(scene, c, classes)
        alone, contrast = _signed(scene, c), _signed(scene, c, rival)
        signed = (None, alone, contrast, contrast.clamp(min=0), contrast.clamp(max=0))
        rows.append([(seen, M) for M in signed])
        titles.append(f"{_caption(scene, c)}\nrival: {scene.net.categories[rival]}")
    columns = ["the network sees", "the class", "class − rival", "… for", "… against"]
    title = f"{scene.name}, {scene.layer}: Grad-CAM without ReLU"
    return _saved(plot.grid(rows, titles, columns, signed=True, scale="shared"), title, file)


def _rival(scene: Scene, c: int, classes: Sequence[int]) -> int:
    """The class to compare c with: the next one asked for, else the likeliest other one."""
    if len(classes) > 1:
        return classes[(classes.index(c) + 1) % len(classes)]
    first, second = scene.p.topk(2).indices.tolist()
    return second if first == c else first


def _signed(scene: Scene, c: int, rival: int | None = None) -> Tensor:
    """Grad-CAM of Y_c, or of Y_c − Y_rival, with its sign: (H, W)."""

    def score(logits: Tensor) -> Tensor:
        return logits[:, c] if rival is None else logits[:, c] - logits[:, rival]

    L = methods.grad_cam(scene.net.model, scene.layer, scene.x, score, relu=False)
    return up(L, scene.x.shape[2:])[0]


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
            rows.append([(scene.seen[0], h) for h in (None, *heat)])
            titles.append(f"{METHODS[name].short}\n{scene.net.categories[c]}")
    columns = [f"{end}\n{h}×{w}" for end, (h, w) in zip(ends, sides, strict=True)]
    figure = plot.grid(rows, titles, ["the network sees", *columns])
    return _saved(figure, f"{scene.name}: the same question at each depth", file)


def draw_networks(scenes: Sequence[Scene], classes: Sequence[int], file: str) -> str:
    """CAM of several networks side by side; Grad-CAM where the head allows no CAM."""
    named = [_cam_or_grad_cam(scene) for scene in scenes]
    rows, titles = [], []
    for c in classes:
        heat = [heat_of(name, scene, c) for name, scene in zip(named, scenes, strict=True)]
        rows.append([(scenes[0].seen[0], h) for h in (None, *heat)])
        lines = [f"{s.name}: {_short(float(s.p[c]))}" for s in scenes]
        titles.append("\n".join([f"{scenes[0].net.categories[c]} ({c})", *lines]))
    columns = [f"{s.name}\n{METHODS[m].short}" for s, m in zip(scenes, named, strict=True)]
    figure = plot.grid(rows, titles, ["the networks see", *columns])
    return _saved(figure, "One picture, several networks", file)


def _cam_or_grad_cam(scene: Scene) -> str:
    try:
        methods.cam(scene.net.model, scene.layer, scene.x, 0)
    except ArchitectureError:
        return "grad_cam"
    return "cam"
