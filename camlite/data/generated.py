"""Generated pictures and signals whose evidence is known: every pixel of the object is marked.

Pond: a frog, bird, fish or turtle on grass, leaves, water or sand. Rail: a train or a car, on
rails, on a road or on a meadow. In training the object and its home background go together; the
test splits take them apart. All of it is drawn from a seed: same seed, same pixels.

The same seed gives the same objects in every test split, and the same backgrounds: image i of
"flipped" is image i of "matched" with another ground, and image i of "background_only" is image i
of "matched" without the object. So each pair differs in one thing only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from camlite.data import drawing
from camlite.data.drawing import OVERSAMPLE, PALETTE, Pen

SPLITS = ("train", "varied", "matched", "flipped", "background_only", "object_on_grey")
_TRAINING = ("train", "varied")  # drawn from other random numbers than the test splits
OWN_COLOUR = 0.8  # this share of the animals has the colour of its class; the others, any
_OBJECT, _GROUND, _CHOICE, _DETAIL = range(4)  # each has its own random numbers


@dataclass(frozen=True)
class Scenes:
    """Images with labels and with what is where.

    `images` (N, 3, H, W) in [0, 1]; `labels` (N,) classes; `backgrounds` (N,) indices into
    `background_names`. Masks are (N, H, W) bool: `object_mask` the animal or vehicle,
    `background_mask` all other pixels, `context_mask` where the shortcut lies (pond: the
    background; rail: the rails or the road). `contents` (N, K) bool says which of the
    `content_names` were drawn.
    """

    images: Tensor
    labels: Tensor
    backgrounds: Tensor
    object_mask: Tensor
    context_mask: Tensor
    contents: Tensor
    class_names: list[str]
    background_names: list[str]
    content_names: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def background_mask(self) -> Tensor:
        """All pixels that are not the object, (N, H, W) bool."""
        return ~self.object_mask

    @property
    def groups(self) -> Tensor:
        """Class and background as one number (N,): class · number of backgrounds + background."""
        return self.labels * len(self.background_names) + self.backgrounds

    @property
    def group_names(self) -> list[str]:
        """Name of every group, "frog on grass" and so on."""
        return [f"{c} on {b}" for c in self.class_names for b in self.background_names]


@dataclass(frozen=True)
class _Drawn:
    picture: Image.Image
    object_mask: np.ndarray  # (H, W) share of the pixel that the object covers
    context_mask: np.ndarray
    contents: set[str]


@dataclass(frozen=True)
class _World:
    classes: dict[str, drawing.Draw]
    backgrounds: tuple[str, ...]  # the home of class i is background i; last comes "grey"
    rare: Callable[[int], list[int]]  # backgrounds of class i where training breaks the rule
    wrong: Callable[[int], list[int]]  # backgrounds of class i in the flipped split
    free: list[int]  # backgrounds of the varied split
    contents: tuple[str, ...]
    paint: Callable[[int | None, int, int, Callable[[int], np.random.Generator], str], _Drawn]


def scenes(
    kind: str = "pond",
    split: str = "train",
    count: int = 1000,
    seed: int = 0,
    correlation: float = 0.95,
    size: int = 48,
) -> Scenes:
    """Pictures of `kind` "pond" (4 classes) or "rail" (2 classes); classes take turns.

    Splits to learn from:
      "train": the object is on its home background with probability `correlation`; else, in the
        pond, on another class's home, and at the railway on a meadow (rails without a train
        never occur).
      "varied": the same objects, each background equally likely, plain grey too. The repair.
    Splits to test with:
      "matched": always at home; "flipped": on another class's home; "background_only": the
      background of matched without the object, its label is the class at home there;
      "object_on_grey": no background.

    Most animals have the colour of their class (`OWN_COLOUR`), the others and all vehicles any.
    The first n images do not depend on `count`. A thousand images take a few seconds.
    Raises ValueError for an unknown kind or split and for numbers out of range.
    """
    world = _world(kind)
    _check(split, count, correlation, size)
    labels = [i % len(world.classes) for i in range(count)]
    drawn, backgrounds = [], []
    for i, label in enumerate(labels):
        stream = _streams(seed, split in _TRAINING, i)
        ground = _choose_background(world, split, label, correlation, stream(_CHOICE))
        shown = None if split == "background_only" else label
        drawn.append(world.paint(shown, ground, size * OVERSAMPLE, stream, ""))
        backgrounds.append(ground)
    return _collect(world, drawn, labels, backgrounds, size)


@dataclass(frozen=True)
class Parts:
    """Scenes, and each of them again without one part of its animal or vehicle.

    `without` holds for each image (P, 3, H, W): the image without its first, second, … part;
    `part_names` the P names. P differs between classes. A part that is hidden changes no pixel.
    """

    scenes: Scenes
    without: list[Tensor]
    part_names: list[tuple[str, ...]]


def parts(
    kind: str = "pond", split: str = "flipped", count: int = 100, seed: int = 0, size: int = 48
) -> Parts:
    """What does each part of the object do for the decision? `scenes`, and again without each part.

    Frog: hind legs, belly, front legs, eyes, mouth; bird: legs, tail, breast, wing, beak, eye;
    fish: tail, fins, stripes, mouth, eye; turtle: tail, legs, head, shell; train: cow catcher,
    chimney, dome, cab, wheels, lamp; car: windows, strip, wheels, lamps. The body, which carries
    them, stays. The same random numbers draw both, so only the pixels of the part differ; there
    appears what lies behind it. Interventions on parts are the idea of FunnyBirds (Hesse et al.
    2023, arXiv 2308.06248).

    Raises ValueError as `scenes` does, and for the split "background_only": it has no object.
    """
    whole = scenes(kind, split, count=count, seed=seed, size=size)
    if split == "background_only":
        raise ValueError("background_only has no object, and so no parts")
    world = _world(kind)
    names = [_part_names(draw) for draw in world.classes.values()]
    without = []
    for i, (label, ground) in enumerate(
        zip(whole.labels.tolist(), whole.backgrounds.tolist(), strict=True)
    ):
        stream = _streams(seed, split in _TRAINING, i)
        drawn = [world.paint(label, ground, size * OVERSAMPLE, stream, p) for p in names[label]]
        without.append(_stack([d.picture for d in drawn], size))
    return Parts(whole, without, [names[label] for label in whole.labels.tolist()])


def _part_names(draw: drawing.Draw) -> tuple[str, ...]:
    """The parts of an object, in the order of drawing: found by drawing it on a scrap."""
    pen = Pen(Image.new("RGB", (8, 8)), (4, 4), 4)
    draw(pen, drawing.WHITE, drawing.DARK)
    return tuple(pen.parts)


def _check(split: str, count: int, correlation: float, size: int) -> None:
    if split not in SPLITS:
        raise ValueError(f"there is no split {split!r}; choose one of {', '.join(SPLITS)}")
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation is a probability, 0 to 1, not {correlation}")
    if count < 0 or size < 16:
        raise ValueError(f"count must be at least 0 and size at least 16, not {count} and {size}")


def _world(kind: str) -> _World:
    if kind not in WORLDS:
        raise ValueError(f"there is no kind {kind!r}; choose one of {', '.join(WORLDS)}")
    return WORLDS[kind]


def _streams(seed: int, training: bool, i: int) -> Callable[[int], np.random.Generator]:
    """Random numbers of image i, one generator for each role: roles do not disturb each other."""
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    return lambda role: np.random.default_rng((seed, int(training), i, role))


def _choose_background(
    world: _World, split: str, label: int, correlation: float, rng: np.random.Generator
) -> int:
    if split == "object_on_grey":
        return len(world.backgrounds) - 1
    if split == "varied":
        return int(rng.choice(world.free))
    if split == "flipped":
        return int(rng.choice(world.wrong(label)))
    breaks_rule = split == "train" and rng.uniform() >= correlation
    return int(rng.choice(world.rare(label))) if breaks_rule else label


def _collect(
    world: _World, drawn: list[_Drawn], labels: list[int], backgrounds: list[int], size: int
) -> Scenes:
    return Scenes(
        images=_stack([d.picture for d in drawn], size),
        labels=torch.tensor(labels, dtype=torch.long),
        backgrounds=torch.tensor(backgrounds, dtype=torch.long),
        object_mask=_stack_masks([d.object_mask for d in drawn], size),
        context_mask=_stack_masks([d.context_mask for d in drawn], size),
        contents=torch.tensor(
            [[name in d.contents for name in world.contents] for d in drawn], dtype=torch.bool
        ).reshape(len(drawn), len(world.contents)),
        class_names=list(world.classes),
        background_names=list(world.backgrounds),
        content_names=list(world.contents),
    )


def _stack(pictures: list[Image.Image], size: int) -> Tensor:
    """Oversized drawings -> (N, 3, size, size) in [0, 1]."""
    small = [drawing.shrink(p) for p in pictures]
    array = np.stack(small) if small else np.zeros((0, size, size, 3), np.float32)
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()


def _stack_masks(shares: list[np.ndarray], size: int) -> Tensor:
    """A pixel belongs to the object when at least half of it is covered."""
    array = np.stack(shares) if shares else np.zeros((0, size, size))
    return torch.from_numpy(array >= 0.5)


# --- pond ----------------------------------------------------------------------------------------


def _paint_pond(
    label: int | None,
    ground: int,
    side: int,
    stream: Callable[[int], np.random.Generator],
    without: str,
) -> _Drawn:
    name = POND_GROUNDS[ground]
    paint = drawing.GROUNDS.get(name, drawing.grey)
    picture = paint(stream(_GROUND), side)
    mask, contents = np.zeros((side // OVERSAMPLE,) * 2, np.float32), {name}
    if label is not None:
        rng = stream(_OBJECT)
        scale = rng.uniform(0.28, 0.38)
        centre = rng.uniform(1.12 * scale, 1 - 1.12 * scale, 2)
        mask = _animal(label, picture, centre * side, scale * side, rng, without)
        contents.add(list(drawing.ANIMALS)[label])
    return _Drawn(picture, mask, 1 - mask, contents)


def _animal(
    label: int,
    picture: Image.Image,
    centre: np.ndarray,
    scale: float,
    rng: np.random.Generator,
    without: str = "",
) -> np.ndarray:
    """Draw one animal into the picture; returns the share of each pixel that it covers."""
    body, second = PALETTE[label if rng.uniform() < OWN_COLOUR else rng.integers(len(PALETTE))]
    turn, mirrored = rng.normal(0, 8), bool(rng.integers(2))
    pen = Pen(picture, (centre[0], centre[1]), scale, turn, mirrored, without)
    list(drawing.ANIMALS.values())[label](pen, body, second)
    return drawing.shrink(pen.sheet)


# --- railway -------------------------------------------------------------------------------------


def _paint_rail(
    label: int | None,
    ground: int,
    side: int,
    stream: Callable[[int], np.random.Generator],
    without: str,
) -> _Drawn:
    name, small = RAIL_GROUNDS[ground], (side // OVERSAMPLE,) * 2
    context, mask, contents = np.zeros(small, np.float32), np.zeros(small, np.float32), {name}
    if name == "grey":
        picture = drawing.grey(stream(_GROUND), side)
    else:
        picture = drawing.country(stream(_GROUND), side)
        contents |= _details(picture, side, stream(_DETAIL))
    if name in drawing.TRACKS:
        pen = Pen(picture, (0, 0), side)
        drawing.TRACKS[name](pen, stream(_GROUND))
        context = drawing.shrink(pen.sheet)
    if label is not None:
        mask = _vehicle(label, picture, side, stream(_OBJECT), without)
        contents.add(list(drawing.VEHICLES)[label])
    return _Drawn(picture, mask, np.where(mask >= 0.5, 0, context), contents)


def _details(picture: Image.Image, side: int, rng: np.random.Generator) -> set[str]:
    """A tree, a house, a cloud: each there or not, whatever the class."""
    found = set()
    left = rng.integers(2)  # tree on one side, house on the other
    for k, (name, draw) in enumerate(drawing.DETAILS.items()):
        x, y, scale, there = rng.uniform((0.08, 0, 0.2, 0), (0.24, 0.12, 0.28, 1))
        x = 1 - x if (k + left) % 2 else x
        y = 0.08 + y if name == "cloud" else drawing.HORIZON + 0.8 * y
        if there < 0.4:
            draw(Pen(picture, (x * side, y * side), scale * side * (0.6 if k == 2 else 1)), rng)
            found.add(name)
    return found


def _vehicle(
    label: int, picture: Image.Image, side: int, rng: np.random.Generator, without: str
) -> np.ndarray:
    """Draw one vehicle with its wheels on the track; returns the share of each pixel it covers."""
    body, second = PALETTE[rng.integers(len(PALETTE))]
    scale = rng.uniform(0.24, 0.32)
    x = rng.uniform(1.08 * scale, 1 - 1.08 * scale)
    y = drawing.NEAR + rng.uniform(0, 0.03) - 0.75 * scale
    mirrored = bool(rng.integers(2))
    place = (x * side, y * side), scale * side, rng.normal(0, 0.8), mirrored
    pen = Pen(picture, *place, without)
    list(drawing.VEHICLES.values())[label](pen, body, second)
    return drawing.shrink(pen.sheet)


POND_GROUNDS = (*drawing.GROUNDS, "grey")
RAIL_GROUNDS = (*drawing.TRACKS, "meadow", "grey")


def _others(label: int) -> list[int]:
    return [b for b in range(4) if b != label]


WORLDS = {
    "pond": _World(
        drawing.ANIMALS,
        POND_GROUNDS,
        _others,
        _others,
        [0, 1, 2, 3, 4],
        (*drawing.ANIMALS, *drawing.GROUNDS),
        _paint_pond,
    ),
    "rail": _World(
        drawing.VEHICLES,
        RAIL_GROUNDS,
        lambda c: [2],
        lambda c: [1 - c],
        [0, 1, 2, 3],
        (*drawing.VEHICLES, *drawing.TRACKS, *drawing.DETAILS),
        _paint_rail,
    ),
}


# --- several objects -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Twins:
    """Images with one, two or three animals of one class, each of another size.

    `images` (N, 3, H, W) in [0, 1]; `labels` (N,); `counts` (N,) how many animals;
    `object_masks` (N, 3, H, W) bool, one for each animal, the largest first, empty where there
    is none.
    """

    images: Tensor
    labels: Tensor
    counts: Tensor
    object_masks: Tensor
    class_names: list[str]


def twins(count: int = 100, seed: int = 0, size: int = 72) -> Twins:
    """Does a map find every animal, or only the largest? Animals of the pond, any background.

    At the default size the animals are as large as in `scenes`. Images with 1, 2 and 3 animals
    take turns. Raises ValueError for a negative count or a size below 32.
    """
    if count < 0 or size < 32:
        raise ValueError(f"count must be at least 0 and size at least 32, not {count} and {size}")
    classes, side = len(drawing.ANIMALS), size * OVERSAMPLE
    labels, counts = [i // 3 % classes for i in range(count)], [i % 3 + 1 for i in range(count)]
    pictures, masks = [], []
    for i in range(count):
        rng = np.random.default_rng((seed, 2, i))
        picture = list(drawing.GROUNDS.values())[rng.integers(4)](rng, side)
        spots = _spots(counts[i], rng)
        shares = [_animal(labels[i], picture, xy * side, r * side, rng) for xy, r in spots]
        empty = np.zeros((size, size), np.float32)
        masks.append(np.stack(shares + [empty] * (3 - len(shares))))
        pictures.append(picture)
    object_masks = np.stack(masks) if masks else np.zeros((0, 3, size, size))
    return Twins(
        _stack(pictures, size),
        torch.tensor(labels, dtype=torch.long),
        torch.tensor(counts, dtype=torch.long),
        torch.from_numpy(object_masks >= 0.5),
        list(drawing.ANIMALS),
    )


def _spots(number: int, rng: np.random.Generator) -> list[tuple[np.ndarray, float]]:
    """Places (x, y) and sizes, the largest first, that do not touch; shares of the side."""
    while True:  # a crowded start may leave no room: then begin again
        spots: list[tuple[np.ndarray, float]] = []
        for base in (0.22, 0.165, 0.12)[:number]:
            r = base * rng.uniform(0.92, 1.08)
            tries = rng.uniform(1.15 * r, 1 - 1.15 * r, (30, 2))
            room = [
                xy
                for xy in tries
                if all(np.hypot(*(xy - at)) > 1.12 * (r + other) for at, other in spots)
            ]
            if room:
                spots.append((room[0], r))
        if len(spots) == number:
            return spots


@dataclass(frozen=True)
class Mosaic:
    """Four scenes, one of each class, in a 2×2 grid.

    `images` (N, 3, 2H, 2W) in [0, 1]; `cells` (N, 2, 2) the class in each cell;
    `cell_masks` and `object_masks` (N, classes, 2H, 2W) bool: the cell, and the object, of
    each class.
    """

    images: Tensor
    cells: Tensor
    cell_masks: Tensor
    object_masks: Tensor
    class_names: list[str]


def mosaic(count: int = 50, seed: int = 0, split: str = "flipped", size: int = 48) -> Mosaic:
    """For the grid pointing game: how much of the map of class c lies in the cell of class c?

    `split` is a split of `scenes("pond", ...)`; each image of the mosaic is `size` pixels wide.
    The game is known from Böhle et al. 2021 (CoDA Nets, arXiv 2104.00032); that paper was not at
    hand when this was written.
    """
    parts = scenes("pond", split, count=4 * count, seed=seed, size=size)
    rng = np.random.default_rng((seed, 3))
    order = torch.from_numpy(
        np.stack([rng.permutation(4) for _ in range(count)])
        if count
        else np.zeros((0, 4), np.int64)
    )
    pick = order + 4 * torch.arange(count)[:, None]  # classes take turns: 4 n + class
    cell = torch.arange(2).repeat_interleave(size)
    number = 2 * cell[:, None] + cell[None, :]  # (2H, 2W): 0 1 above, 2 3 below
    cells = order.reshape(count, 2, 2)
    which = order[:, number]  # (N, 2H, 2W) the class of each pixel's cell
    cell_masks = torch.stack([which == c for c in range(4)], dim=1)
    objects = _tile(parts.object_mask[pick][:, :, None])
    return Mosaic(
        _tile(parts.images[pick]), cells, cell_masks, cell_masks & objects, parts.class_names
    )


def _tile(parts: Tensor) -> Tensor:
    """(N, 4, C, H, W) -> (N, C, 2H, 2W)."""
    N, _, C, H, W = parts.shape
    grid = parts.reshape(N, 2, 2, C, H, W).permute(0, 3, 1, 4, 2, 5)
    return grid.reshape(N, C, 2 * H, 2 * W)


# --- look-alikes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class LookAlikes:
    """Birds and fish with a white or a dark mark: each class has a look-alike in all but the mark.

    `images` (N, 3, H, W) in [0, 1]; `labels` (N,) indices into `class_names`, 2 · animal + mark;
    `swapped` (N, 3, H, W) the same pictures with the other mark. Masks are (N, H, W) bool:
    `object_mask` the animal, `part_mask` its mark.
    """

    images: Tensor
    labels: Tensor
    swapped: Tensor
    object_mask: Tensor
    part_mask: Tensor
    class_names: list[str]


_MARKS = {"white": drawing.WHITE, "dark": drawing.DARK}
_MARKED = {"bird": drawing.bird, "fish": drawing.fish}
LOOKALIKES = tuple(f"{mark} {animal}" for animal in _MARKED for mark in _MARKS)


def lookalikes(count: int = 100, seed: int = 0, size: int = 96) -> LookAlikes:
    """Does a map show what tells two classes apart? "white bird", "dark bird", the same as fish.

    The mark is the wing of the bird, and a patch of that shape on the fish. Any colour on any
    ground; classes take turns. At the default size the mark is as large as what one place of a
    small network's map sees. Image i and swapped image i differ in the colour of the mark and in
    nothing else. The first n images do not depend on `count`. Raises ValueError for a negative
    count or a size below 16.
    """
    if count < 0 or size < 16:
        raise ValueError(f"count must be at least 0 and size at least 16, not {count} and {size}")
    labels = [i % len(LOOKALIKES) for i in range(count)]
    as_it_is = [_marked(i, label, seed, size) for i, label in enumerate(labels)]
    swapped = [_marked(i, label ^ 1, seed, size) for i, label in enumerate(labels)]
    return LookAlikes(
        _stack([d.picture for d in as_it_is], size),
        torch.tensor(labels, dtype=torch.long),
        _stack([d.picture for d in swapped], size),
        _stack_masks([d.object_mask for d in as_it_is], size),
        _stack_masks([d.context_mask for d in as_it_is], size),
        list(LOOKALIKES),
    )


def _marked(i: int, label: int, seed: int, size: int) -> _Drawn:
    """Picture i with the animal and the mark of this label; the context is the mark."""
    rng, side = np.random.default_rng((seed, 5, i)), size * OVERSAMPLE
    picture = list(drawing.GROUNDS.values())[rng.integers(4)](rng, side)
    body, second = PALETTE[rng.integers(len(PALETTE))]
    scale = rng.uniform(0.32, 0.40)
    x, y = rng.uniform(1.12 * scale, 1 - 1.12 * scale, 2) * side
    place = (x, y), scale * side, rng.normal(0, 8), bool(rng.integers(2))
    pen, mark = Pen(picture, *place), Pen(picture, *place)
    list(_MARKED.values())[label // 2](pen, body, second)
    mark.fill(drawing.WING, list(_MARKS.values())[label % 2])
    whole, part = drawing.shrink(pen.sheet), drawing.shrink(mark.sheet)
    return _Drawn(picture, np.maximum(whole, part), part, set())


# --- signals -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Signals:
    """Series with one planted motif: `signals` (N, 1, L), `labels` (N,), `spans` (N, 2).

    `spans[n]` is (start, stop) of the motif, half open; `mask` (N, L) marks it.
    """

    signals: Tensor
    labels: Tensor
    spans: Tensor
    class_names: list[str]

    @property
    def mask(self) -> Tensor:
        """Where the motif lies, (N, L) bool."""
        t = torch.arange(self.signals.shape[-1])
        return (self.spans[:, :1] <= t) & (t < self.spans[:, 1:])


def _motifs(length: int) -> dict[str, np.ndarray]:
    t = np.linspace(0, 1, length)
    envelope = np.sin(np.pi * t)
    return {
        "burst": envelope * np.sin(2 * np.pi * 5 * t),
        "beat": 1.3 * np.exp(-(((t - 0.5) / 0.07) ** 2)) - 0.6 * np.exp(-(((t - 0.7) / 0.1) ** 2)),
        "ramp": 1.6 * (t - 0.35) * (t < 0.85),
    }


def signals(
    count: int = 600, length: int = 128, seed: int = 0, motif: int = 24, noise: float = 0.15
) -> Signals:
    """Slow waves and noise with one short motif somewhere: a burst, a heart beat or a ramp.

    The class is the motif, classes take turns; only the `motif` samples of it tell the class.
    Raises ValueError where the motif does not fit into `length`.
    """
    if not 4 <= motif <= length:
        raise ValueError(f"a motif of {motif} samples does not fit: it needs 4 to {length}")
    if count < 0 or noise < 0:
        raise ValueError(f"count and noise must be at least 0, not {count} and {noise}")
    rng = np.random.default_rng((seed, 4))
    shapes = _motifs(motif)
    labels = np.arange(count) % len(shapes)
    starts = rng.integers(0, length - motif + 1, count)
    t = np.arange(length) / length
    speed, phase, height = rng.uniform((0.5, 0, 0.1), (2.5, 1, 0.5), (count, 3)).T[..., None]
    series = height * np.sin(2 * np.pi * (speed * t + phase))
    series += rng.normal(0, noise, (count, length))
    for n, (label, start) in enumerate(zip(labels, starts, strict=True)):
        strength = rng.uniform(0.8, 1.3)
        series[n, start : start + motif] += strength * list(shapes.values())[label]
    return Signals(
        torch.from_numpy(series[:, None].astype(np.float32)),
        torch.from_numpy(labels),
        torch.from_numpy(np.stack([starts, starts + motif], axis=1)),
        list(shapes),
    )
