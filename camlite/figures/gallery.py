"""`camlite gallery IMAGE`: every method, all signs, a ladder of layers, several networks.

Each figure is written as soon as it is ready, the quick ones first; `budget.py` has the times.
"""

from __future__ import annotations

import math
import textwrap
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from camlite import data, methods
from camlite.errors import ArchitectureError
from camlite.figures import budget, explain, plot
from camlite.maps import heatmap, up
from camlite.methods.cards import METHODS
from camlite.split import LayerChosen, SplitByHook, last_spatial_layer, split, stage_ends
from camlite.weights import Pretrained, at_hand, preprocess, pretrained

MINUTES = 2.0  # the budget where none is asked for
LADDER = ("grad_cam", "hires_cam", "layer_cam")
RELU_INSIDE = ("integrated_grad_cam", "group_cam")  # with a sign they must be asked once more


@dataclass(frozen=True)
class Panel:
    """One method's place on the wall: the heat (H, W) in [0, 1], or None and the reason why.

    `signed` (H, W) is the map with its sign, where the method has one.
    """

    method: str
    heat: Tensor | None
    seconds: float
    note: str = ""
    signed: Tensor | None = None


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
    minutes: float,
    folder: Path,
    progress: bool,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Draw the figures of one picture into `folder`; returns what is on them, and what is not.

    The first of `models` gives the signed maps, the ladder of layers and the walls of methods (one
    for each class, and one with the signs of all classes); all of them stand side by side in one
    figure. It takes `minutes` (inf: no limit): what does not fit is left out. `tell` gets an
    estimate before the work, a line for each
    method that begins and for each figure that is written. KeyboardInterrupt stops it: what is
    finished is drawn, and the answer says so. ValueError unless `minutes` is more than 0.
    """
    if not minutes > 0:
        raise ValueError(f"--minutes must be more than 0, not {minutes:g}")
    clock = budget.Clock(60 * minutes)
    explain.known(wanted)
    picture = data.load_image(image)
    folder.mkdir(parents=True, exist_ok=True)
    with budget.useful_threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)  # the layer stands in every title
        first = look(models[0], pretrained(models[0]), picture)
        chosen = [first.net.classes(c) for c in classes] or [int(first.p.argmax())]
        chosen, wanted = list(dict.fromkeys(chosen)), list(dict.fromkeys(wanted))
        run = _Run(image, first, chosen, wanted, folder, clock, progress, tell)
        run.missing = ["signs", "layers", *["networks"][: len(models) - 1]]
        stopped = False
        try:
            run.announce()
            run.draw(models[1:], picture)
        except KeyboardInterrupt:
            stopped = True
        run.draw_walls()
    return {**run.answer(), "stopped": stopped}


@dataclass
class _Run:
    """What is asked for, and what has been drawn of it so far."""

    image: Path
    first: Scene
    chosen: list[int]
    wanted: list[str]
    folder: Path
    clock: budget.Clock
    progress: bool
    tell: Callable[[str], None]
    seconds: dict[str, float] = field(default_factory=dict)  # estimated, for all classes
    ladder: float = 0.0  # seconds for the figure of layers
    estimated: float = 0.0  # seconds for what fits
    order: list[str] = field(default_factory=list)
    walls: dict[int, list[Panel]] = field(default_factory=dict)
    drawn: dict[int, int] = field(default_factory=dict)  # how many maps the written wall has
    drawn_signed: int = 0
    files: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # figures

    def announce(self) -> None:
        """Measure, decide on an order, and say how long it will take."""
        self.walls = {c: [] for c in self.chosen}
        each = budget.estimates(self.first.net.model, self.first.layer, self.first.x)
        twice = {m: 2 if m in RELU_INSIDE else 1 for m in each}
        self.seconds = {m: len(self.chosen) * twice[m] * s for m, s in each.items()}
        self.order = self.wanted or budget.in_turns(self.seconds)
        layers = len(stage_ends(self.first.net.model, self.first.x))
        self.ladder = len(LADDER) * layers * self.seconds["saliency"]  # back to early layers
        fit = budget.fitting(self.order, self.seconds, self.clock.left - self.ladder)
        self.estimated = self.ladder + sum(self.seconds[m] for m in fit)
        total = self.clock.passed + self.estimated
        limit = "no limit" if math.isinf(self.clock.budget) else _minutes(self.clock.budget)
        classes = "1 class" if len(self.chosen) == 1 else f"{len(self.chosen)} classes"
        self.tell(
            f"{len(fit)} of {len(self.order)} methods for {classes} with {self.first.name}: "
            f"about {_minutes(total)} on this machine (limit: {limit})"
        )

    def draw(self, others: list[str], picture: Tensor) -> None:
        """All figures: signs, quick methods, layers, networks, and the methods that take longer."""
        first, chosen = self.first, self.chosen
        slow = [m for m in self.order if self.seconds[m] > budget.SLOW]
        self.done("signs", draw_signs(first, chosen, self.file("signs")))  # whatever the budget
        self.maps([m for m in self.order if m not in slow])
        self.draw_walls()
        if self.ladder * self.clock.pace <= self.clock.left:
            self.figure("layers", lambda file: draw_ladder(first, chosen, file))
        if others:

            def networks(file: str) -> str:
                scenes = [first, *(look(name, pretrained(name), picture) for name in others)]
                return draw_networks(scenes, chosen, file)

            self.figure("networks", networks)
        self.maps(slow)

    def file(self, what: str) -> str:
        """Where a figure is written."""
        name = "" if what == "networks" else f"-{self.first.name}"
        return f"{self.folder / self.image.stem}{name}-{what}.png"

    def figure(self, what: str, write: Callable[[str], str]) -> None:
        """One figure, unless the time is over."""
        try:
            with self.clock.running():
                file = write(self.file(what))
        except budget.OutOfTime:
            self.tell(f"{what}: left out, the time is over")
        else:
            self.done(what, file)

    def done(self, what: str, file: str) -> None:
        """This figure is there."""
        self.missing.remove(what)
        self.written(file)

    def written(self, file: str) -> None:
        """Say that a figure is there."""
        self.tell(f"{file} ({self.clock.passed:.0f} s)")
        if file not in self.files:
            self.files.append(file)

    def maps(self, names: Sequence[str]) -> None:
        """The maps of these methods for each class, as long as there is time for them."""
        for m in names:
            need, title = self.seconds[m] * self.clock.pace, METHODS[m].short
            if need > self.clock.left:
                continue
            at = f"{self.order.index(m) + 1}/{len(self.order)}"
            self.tell(f"{at} {title}, about {_minutes(need)} ({self.clock.passed:.0f} s)")
            begin = self.clock.passed
            try:
                with self.clock.running(partial(self.still, title)):
                    for c in self.chosen:
                        self.walls[c].append(panel(self.first, c, m, self.progress))
            except budget.OutOfTime:
                self.tell(f"{title}: stopped, the time is over")
                continue
            self.clock.learn(self.seconds[m], self.clock.passed - begin)

    def still(self, title: str, seconds: float) -> None:
        """Say that a method is still at work."""
        self.tell(f"… {title}: {seconds:.0f} s so far")

    def draw_walls(self) -> None:
        """Write the wall of each class that has new maps."""
        begin = time.perf_counter()
        place = {m: i for i, m in enumerate(self.wanted or METHODS)}
        for c, panels in self.walls.items():
            if len(panels) > self.drawn.get(c, 0):
                panels.sort(key=lambda panel: place[panel.method])
                self.written(draw_wall(self.first, c, panels, self.file(f"methods-{c}")))
                self.drawn[c] = len(panels)
        shown = with_sign(self.walls)
        if len(shown) > self.drawn_signed:
            self.written(draw_signed_wall(self.first, self.walls, self.file("signed")))
            self.drawn_signed = len(shown)
        self.clock.reserve = max(self.clock.reserve, time.perf_counter() - begin)

    def answer(self) -> dict[str, Any]:
        """What is on the figures, and what was left out."""
        first, walls = self.first, self.walls
        done = [{p.method for p in panels} for panels in walls.values()]
        left_out = [m for m in self.order if not all(m in methods for methods in done)]
        return {
            "image": str(self.image),
            "model": first.name,
            "weights": first.net.source,
            "layer": first.layer,
            "classes": [_class(first, c) for c in self.chosen],
            "methods": {c: {p.method: round(p.seconds, 3) for p in walls[c]} for c in walls},
            "without_map": {
                c: {p.method: p.note for p in walls[c] if p.heat is None} for c in walls
            },
            "estimated_seconds": round(self.estimated, 1),
            "left_out": {m: round(self.seconds[m], 1) for m in left_out},
            "minutes_for": self.minutes_for(left_out),
            "missing": self.missing,
            "figures": self.files,
        }

    def minutes_for(self, left_out: Sequence[str]) -> dict[str, int]:
        """For each method that was left out: the --minutes that would have reached it."""
        needed, total = {}, self.clock.passed + self.clock.reserve
        for m in left_out:
            total += self.seconds[m] * self.clock.pace
            needed[m] = math.ceil(total / 60)
        return needed


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


# ------------------------------------------------------------------ every method


def panel(scene: Scene, c: int, name: str, progress: bool) -> Panel:
    """The heat of a method for class c."""
    begin = time.perf_counter()
    heat, signed = None, None
    try:
        if METHODS[name].has_sign:
            M = signed_of(name, scene, c, progress)
            signed = up(M, scene.x.shape[2:])[0]
        if signed is None or name in RELU_INSIDE:
            heat = heat_of(name, scene, c, progress)
        else:
            heat = heatmap(M.relu(), scene.x.shape[2:])[0]  # its ReLU is the last step
        note = "" if heat.any() else "nothing positive"
    except ArchitectureError:
        note = f"needs {METHODS[name].needs}"
    except ValueError as error:  # guided backpropagation where there are no ReLUs
        note = textwrap.shorten(str(error), 120)
    return Panel(name, heat, time.perf_counter() - begin, note, signed)


def heat_of(name: str, scene: Scene, c: int, progress: bool = False) -> Tensor:
    """(H, W) in [0, 1], with the settings of this wall."""
    options = METHODS[name].fewer
    return explain.heat_of(name, scene.net.model, scene.layer, scene.x, c, progress, **options)


def signed_of(name: str, scene: Scene, c: int, progress: bool = False) -> Tensor:
    """The map with its sign, (1, h, w), with the settings of this wall."""
    card = METHODS[name]
    options = {**card.fewer, **({"progress": progress} if "progress" in card.options else {})}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitByHook)  # the same results, only slower
        return card.signed(scene.net.model, scene.layer, scene.x, c, **options)


def with_sign(walls: Mapping[int, Sequence[Panel]]) -> list[str]:
    """The methods that have a map with its sign for every class, in the order of the first wall."""
    signed = [{p.method: p for p in panels if p.signed is not None} for panels in walls.values()]
    return [m for m in signed[0] if all(m in others for others in signed)]


def draw_signed_wall(scene: Scene, walls: Mapping[int, Sequence[Panel]], file: str) -> str:
    """Evidence for and against each class, for every method that has a sign; classes as lines.

    Each map has its own scale. "none against": the method could not, or did not, go below zero.
    """
    shown = with_sign(walls)
    most = -(-len(shown) // -(-len(shown) // 7))  # up to 7 methods beside the picture, fewest gaps
    blocks = [shown[i : i + most] for i in range(0, len(shown), most)]
    columns = 1 + len(blocks[0])
    figure, axes = plot.canvas(len(blocks) * len(walls), columns, (1.9, 2.1), margin=(1.6, 0.6))
    lines = iter(axes)
    places, cells = [], []
    for block in blocks:
        for c, panels in walls.items():
            line = next(lines)
            maps = {p.method: p.signed for p in panels if p.signed is not None}
            line[0].set_axis_on()
            text = _caption(scene, c)
            line[0].set_ylabel(text, fontsize=9, rotation=0, ha="right", va="center")
            places += list(line[: len(block) + 1])
            cells += [(scene.seen[0], None), *((scene.seen[0], maps[m]) for m in block)]
            for axis, m in zip(line[1:], block, strict=False):
                note = "" if bool((maps[m] < 0).any()) else "\nnone against"
                axis.set_title(METHODS[m].short + note, fontsize=9)
    plot.draw(places, cells, signed=True, shrink=0.5)
    return _saved(figure, f"{scene.name}, {scene.layer}: for and against, without ReLU", file)


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
    fewer = ", ".join(f"{v} {k}" for k, v in METHODS[panel.method].fewer.items())
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

    part = Path(file).with_suffix(".part.png")  # whoever stops us finds no half of a figure
    try:
        plot.finished(figure, title, part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
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
