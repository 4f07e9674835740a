"""Drawing for the generated scenes: animals, vehicles, and what is behind them.

Everything is drawn four times too large with Pillow and then shrunk: that is anti-aliasing.
An object is a list of simple shapes in its own units: x to the right, y down, about −1 to 1,
looking to the right. A `Pen` places it: where, how large, how far turned, mirrored or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, ...]  # (R, G, B) or (R, G, B, opacity), each 0 to 255
Points = Sequence[tuple[float, float]] | np.ndarray
OVERSAMPLE = 4

DARK: Colour = (34, 32, 38)
WHITE: Colour = (250, 248, 240)

# Body and second colour. The first four are the own colours of frog, bird, fish and turtle, but
# every animal and vehicle comes in all of them: colour alone does not tell the class.
PALETTE: list[tuple[Colour, Colour]] = [
    ((92, 164, 62), (214, 226, 128)),  # green
    ((70, 122, 196), (196, 222, 246)),  # blue
    ((226, 112, 44), (252, 214, 150)),  # orange
    ((134, 96, 66), (226, 200, 160)),  # brown
    ((196, 58, 62), (246, 196, 176)),  # red
    ((226, 184, 58), (252, 240, 190)),  # yellow
    ((124, 88, 158), (220, 200, 236)),  # violet
]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Colour a with this share of colour b."""
    return tuple(round((1 - share) * x + share * y) for x, y in zip(a[:3], b[:3], strict=True))


def shrink(image: Image.Image) -> np.ndarray:
    """The oversized drawing, averaged to its real size, in [0, 1]."""
    return np.asarray(image.reduce(OVERSAMPLE), dtype=np.float32) / 255


def oval(x: float, y: float, a: float, b: float, turn: float = 0.0) -> np.ndarray:
    """Outline of an ellipse with half axes a, b, turned by `turn` degrees."""
    t = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    u, v = a * np.cos(t), b * np.sin(t)
    return np.stack([x + c * u - s * v, y + s * u + c * v], axis=1)


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    """Outline of a rectangle."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


def smooth(points: Points, steps: int = 6) -> np.ndarray:
    """A closed, rounded outline through the points (Catmull-Rom spline)."""
    p1 = np.asarray(points, dtype=float)
    p0, p2, p3 = np.roll(p1, 1, 0), np.roll(p1, -1, 0), np.roll(p1, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None, None]
    curve = p1 + t * (p2 - p0) / 2
    curve = curve + t**2 * (p0 - 2.5 * p1 + 2 * p2 - p3 / 2)
    curve = curve + t**3 * (1.5 * (p1 - p2) + (p3 - p0) / 2)
    return curve.transpose(1, 0, 2).reshape(-1, 2)


class Pen:
    """Draws in the units of one object, on the picture and, for its mask, on a blank sheet.

    `centre` and `scale` are in pixels of the oversized picture; `turn` in degrees. `without` names
    a part that is left out; `parts` are the parts that were met, in the order of drawing.
    """

    def __init__(
        self,
        picture: Image.Image,
        centre: tuple[float, float],
        scale: float,
        turn: float = 0.0,
        mirrored: bool = False,
        without: str = "",
    ) -> None:
        self.draw = ImageDraw.Draw(picture, "RGBA")  # "RGBA": half-transparent colours blend
        self.sheet = Image.new("L", picture.size)
        self.trace = ImageDraw.Draw(self.sheet)
        c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        mirror = np.diag([-1.0 if mirrored else 1.0, 1.0])
        self.matrix = scale * np.array([[c, -s], [s, c]]) @ mirror
        self.centre = np.asarray(centre)
        self.scale = scale
        self.without, self.hidden = without, False
        self.parts: list[str] = []

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is drawn inside belongs to this part: all of it is there, or nothing."""
        self.parts += [name] if name not in self.parts else []
        self.hidden = name == self.without
        yield
        self.hidden = False

    def place(self, points: Points) -> list[tuple[float, ...]]:
        """Points of the object as pixels of the picture."""
        return list(map(tuple, np.asarray(points) @ self.matrix.T + self.centre))

    def fill(self, points: Points, colour: Colour, edge: float = 0.05) -> None:
        """A filled shape with a darker edge of this width (0: none)."""
        if self.hidden:
            return
        xy = self.place(points)
        self.draw.polygon(xy, fill=colour)
        self.trace.polygon(xy, fill=255)
        if edge:
            self.line(np.vstack([points, points[:1]]), mix(colour, DARK, 0.6), edge)

    def line(self, points: Points, colour: Colour, width: float) -> None:
        """A line through the points."""
        if self.hidden:
            return
        xy, thick = self.place(points), max(1, round(width * self.scale))
        self.draw.line(xy, fill=colour, width=thick, joint="curve")
        self.trace.line(xy, fill=255, width=thick, joint="curve")

    def tint(self, points: Points, colour: Colour) -> None:
        """Light or shade on what is there already; not part of the mask."""
        if not self.hidden:
            self.draw.polygon(self.place(points), fill=colour)


# --- animals -------------------------------------------------------------------------------------
# What stands in no `pen.part` is the body: it carries the parts and is always there.


def eye(pen: Pen, x: float, y: float, r: float) -> None:
    """A white eye with a dark pupil and a spark."""
    pen.fill(oval(x, y, r, r), WHITE, edge=0.04)
    pen.fill(oval(x + 0.15 * r, y, 0.58 * r, 0.62 * r), DARK, edge=0)
    pen.fill(oval(x + 0.35 * r, y - 0.25 * r, 0.2 * r, 0.2 * r), WHITE, edge=0)


def frog(pen: Pen, body: Colour, second: Colour) -> None:
    """A frog that sits and looks at you."""
    dark = mix(body, DARK, 0.22)
    for side in (-1, 1):
        with pen.part("hind legs"):
            pen.fill(oval(side * 0.66, 0.80, 0.34, 0.11), dark)  # feet
            pen.fill(oval(side * 0.62, 0.42, 0.40, 0.30, side * 62), dark)  # folded
    pen.fill(oval(0, 0.36, 0.52, 0.50), body)
    with pen.part("belly"):
        pen.fill(oval(0, 0.44, 0.33, 0.38), second, edge=0)
    for side in (-1, 1):
        with pen.part("front legs"):
            pen.line([(side * 0.34, 0.34), (side * 0.30, 0.80)], mix(body, DARK, 0.6), 0.24)
            pen.line([(side * 0.34, 0.34), (side * 0.30, 0.80)], body, 0.16)
            pen.fill(oval(side * 0.32, 0.84, 0.20, 0.09), body)
        with pen.part("eyes"):
            pen.fill(oval(side * 0.40, -0.56, 0.27, 0.28), body)
    pen.fill(oval(0, -0.18, 0.72, 0.42), body)
    pen.tint(oval(0, -0.34, 0.46, 0.14), (255, 255, 255, 46))
    with pen.part("mouth"):
        pen.line(oval(0, -0.26, 0.56, 0.36)[1:14], DARK, 0.075)
    for side in (-1, 1):
        with pen.part("eyes"):
            eye(pen, side * 0.40, -0.60, 0.20)
        pen.fill(oval(side * 0.12, -0.24, 0.03, 0.03), DARK, edge=0)


WING = smooth([(0.20, -0.12), (0.24, 0.16), (-0.16, 0.34), (-0.76, 0.28), (-0.30, -0.06)])


def bird(pen: Pen, body: Colour, second: Colour) -> None:
    """A small round bird, from the side."""
    wing = mix(body, DARK, 0.30)
    with pen.part("legs"):
        for x in (-0.06, 0.16):
            pen.line([(x, 0.48), (x + 0.04, 0.90), (x + 0.20, 0.92)], (190, 120, 50), 0.075)
    with pen.part("tail"):
        pen.fill(
            [(-0.42, -0.02), (-1.10, -0.34), (-1.16, -0.08), (-0.98, 0.06), (-0.40, 0.28)], wing
        )
    pen.fill(
        smooth(
            [
                (-0.62, 0.06),
                (-0.10, -0.22),
                (0.22, -0.62),
                (0.52, -0.72),
                (0.80, -0.52),
                (0.80, -0.22),
                (0.60, 0.22),
                (0.20, 0.56),
                (-0.24, 0.52),
            ]
        ),
        body,
    )
    with pen.part("breast"):
        pen.fill(
            smooth([(0.72, -0.10), (0.56, 0.22), (0.20, 0.50), (-0.12, 0.48), (0.26, 0.20)]),
            second,
            edge=0,
        )
    with pen.part("wing"):
        pen.fill(WING, wing)
        pen.line([(-0.60, 0.24), (-0.10, 0.16)], mix(wing, WHITE, 0.35), 0.05)
    with pen.part("beak"):
        pen.fill([(0.80, -0.52), (1.14, -0.36), (0.80, -0.24)], (246, 170, 50))
    with pen.part("eye"):
        eye(pen, 0.54, -0.44, 0.14)


def fish(pen: Pen, body: Colour, second: Colour) -> None:
    """A striped fish, from the side."""
    fin = mix(body, DARK, 0.18)
    with pen.part("tail"):
        pen.fill(
            smooth(
                [
                    (-0.52, 0.0),
                    (-0.80, -0.24),
                    (-1.12, -0.48),
                    (-0.98, 0.0),
                    (-1.12, 0.48),
                    (-0.80, 0.24),
                ]
            ),
            fin,
        )
    with pen.part("fins"):
        pen.fill(smooth([(-0.36, -0.28), (-0.16, -0.70), (0.20, -0.66), (0.46, -0.32)]), fin)
        pen.fill(smooth([(-0.16, 0.34), (-0.16, 0.64), (0.12, 0.54), (0.22, 0.36)]), fin)
    pen.fill(
        smooth(
            [
                (-0.66, 0.0),
                (-0.30, -0.34),
                (0.20, -0.48),
                (0.66, -0.34),
                (0.94, 0.02),
                (0.66, 0.34),
                (0.20, 0.46),
                (-0.30, 0.32),
            ]
        ),
        body,
    )
    pen.tint(
        smooth(
            [(-0.40, 0.16), (0.20, 0.22), (0.74, 0.20), (0.56, 0.36), (0.16, 0.42), (-0.26, 0.30)]
        ),
        (255, 255, 255, 90),
    )
    with pen.part("stripes"):
        for x, height in ((-0.30, 0.26), (0.04, 0.38), (0.36, 0.40)):
            pen.fill(oval(x, -0.01, 0.085, height), second, edge=0)
    with pen.part("fins"):
        pen.fill(smooth([(0.26, 0.08), (-0.04, 0.02), (-0.06, 0.26)]), fin)
    with pen.part("mouth"):
        pen.line([(0.76, 0.16), (0.90, 0.12)], DARK, 0.05)
    with pen.part("eye"):
        eye(pen, 0.64, -0.12, 0.14)


def turtle(pen: Pen, body: Colour, second: Colour) -> None:
    """A turtle under its dome, from the side."""
    skin = mix(second, body, 0.35)
    with pen.part("tail"):
        pen.fill([(-0.74, 0.30), (-1.04, 0.48), (-0.70, 0.48)], skin)
    with pen.part("legs"):
        for x in (-0.56, 0.40):
            pen.fill(
                smooth(
                    [
                        (x - 0.16, 0.28),
                        (x + 0.20, 0.28),
                        (x + 0.20, 0.70),
                        (x + 0.02, 0.78),
                        (x - 0.20, 0.72),
                    ]
                ),
                skin,
            )
    with pen.part("head"):
        pen.fill(
            smooth(
                [
                    (0.56, 0.40),
                    (0.62, 0.14),
                    (0.84, -0.12),
                    (1.08, -0.14),
                    (1.20, 0.04),
                    (1.10, 0.20),
                    (0.92, 0.26),
                    (0.80, 0.44),
                ]
            ),
            skin,
        )
    with pen.part("shell"):
        pen.fill(
            smooth(
                [
                    (-0.86, 0.36),
                    (-0.80, 0.02),
                    (-0.52, -0.40),
                    (-0.06, -0.58),
                    (0.40, -0.42),
                    (0.68, 0.0),
                    (0.74, 0.36),
                    (0.30, 0.44),
                    (-0.42, 0.44),
                ]
            ),
            body,
        )
        line, scute = mix(body, DARK, 0.55), mix(body, second, 0.42)
        for x, w in ((-0.50, 0.13), (-0.06, 0.17), (0.38, 0.13)):
            top = -0.34 if x == -0.06 else -0.22
            hexagon = [
                (x - w, -0.04),
                (x - 0.6 * w, top),
                (x + 0.6 * w, top),
                (x + w, -0.04),
                (x + 0.6 * w, 0.16),
                (x - 0.6 * w, 0.16),
            ]
            pen.fill(hexagon, scute, edge=0.045)
        pen.line([(-0.84, 0.26), (-0.40, 0.32), (0.30, 0.32), (0.72, 0.26)], line, 0.05)
        pen.tint(oval(-0.16, -0.42, 0.30, 0.07, -6), (255, 255, 255, 80))
    with pen.part("head"):
        eye(pen, 1.00, -0.02, 0.09)


# --- vehicles ------------------------------------------------------------------------------------


def wheel(pen: Pen, x: float, y: float, r: float) -> None:
    """A dark wheel with a light hub."""
    pen.fill(oval(x, y, r, r), DARK, edge=0)
    pen.fill(oval(x, y, 0.55 * r, 0.55 * r), (168, 168, 174), edge=0)
    pen.fill(oval(x, y, 0.18 * r, 0.18 * r), DARK, edge=0)


def train(pen: Pen, body: Colour, second: Colour) -> None:
    """A steam locomotive, from the side."""
    iron, dark = mix(body, DARK, 0.35), (62, 60, 68)
    with pen.part("cow catcher"):
        pen.fill([(0.66, 0.20), (0.84, 0.20), (1.06, 0.56), (0.66, 0.56)], dark)
    with pen.part("chimney"):
        pen.fill(
            [
                (0.42, -0.30),
                (0.38, -0.66),
                (0.32, -0.76),
                (0.70, -0.76),
                (0.64, -0.66),
                (0.60, -0.30),
            ],
            dark,
        )
    with pen.part("dome"):
        pen.fill(
            smooth([(0.00, -0.22), (0.02, -0.44), (0.12, -0.50), (0.22, -0.44), (0.24, -0.22)]),
            second,
        )
    pen.fill(box(-0.52, -0.30, 0.74, 0.28), body)
    pen.tint(box(-0.50, -0.24, 0.72, -0.14), (255, 255, 255, 80))
    for x in (0.06, 0.48):
        pen.fill(box(x, -0.30, x + 0.07, 0.28), second, edge=0)
    with pen.part("cab"):
        pen.fill(box(-0.96, -0.62, -0.44, 0.36), iron)
        pen.fill(box(-0.84, -0.46, -0.56, -0.12), (206, 230, 242), edge=0.04)
        pen.fill(box(-1.04, -0.74, -0.36, -0.60), dark)
    pen.fill(box(-0.96, 0.28, 0.80, 0.44), dark, edge=0)
    with pen.part("wheels"):
        for x, r in ((-0.70, 0.26), (-0.14, 0.26), (0.30, 0.18), (0.66, 0.18)):
            wheel(pen, x, 0.76 - r, r)
        pen.line([(-0.70, 0.50), (-0.14, 0.50)], (190, 186, 180), 0.06)
    with pen.part("lamp"):
        pen.fill(oval(0.80, -0.12, 0.08, 0.10), (252, 228, 120))


def car(pen: Pen, body: Colour, second: Colour) -> None:
    """A family car, from the side."""
    pen.fill(
        smooth([(-0.64, -0.08), (-0.46, -0.48), (-0.10, -0.56), (0.26, -0.50), (0.56, -0.08)]), body
    )
    glass = (196, 224, 240)
    with pen.part("windows"):
        pen.fill([(-0.50, -0.10), (-0.38, -0.40), (-0.08, -0.45), (-0.08, -0.10)], glass, edge=0.03)
        pen.fill([(0.02, -0.10), (0.02, -0.45), (0.22, -0.41), (0.42, -0.10)], glass, edge=0.03)
    pen.fill(
        smooth(
            [
                (-1.04, 0.10),
                (-0.92, -0.10),
                (-0.40, -0.14),
                (0.50, -0.12),
                (0.92, 0.00),
                (1.06, 0.22),
                (1.02, 0.46),
                (0.40, 0.50),
                (-0.40, 0.50),
                (-1.00, 0.46),
            ]
        ),
        body,
    )
    pen.tint(box(-0.86, -0.04, 0.76, 0.04), (255, 255, 255, 90))
    with pen.part("strip"):
        pen.fill(box(-1.00, 0.34, 1.00, 0.44), second, edge=0)
    pen.line([(-0.03, -0.06), (-0.03, 0.34)], mix(body, DARK, 0.5), 0.035)
    with pen.part("wheels"):
        for x in (-0.58, 0.58):
            pen.fill(oval(x, 0.46, 0.31, 0.30), mix(body, DARK, 0.7), edge=0)
            wheel(pen, x, 0.50, 0.26)
    with pen.part("lamps"):
        pen.fill(oval(0.94, 0.14, 0.08, 0.09), (252, 236, 150), edge=0.03)
        pen.fill(oval(-0.98, 0.14, 0.05, 0.09), (220, 60, 50), edge=0.03)


Draw = Callable[[Pen, Colour, Colour], None]
ANIMALS: dict[str, Draw] = {"frog": frog, "bird": bird, "fish": fish, "turtle": turtle}
VEHICLES: dict[str, Draw] = {"train": train, "car": car}


# --- backgrounds of the pond ---------------------------------------------------------------------


def clouds(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """Smooth random spots in [0, 1], (side, side)."""
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), np.float32) / 255


def blend(low: Colour, high: Colour, share: np.ndarray) -> Image.Image:
    """A picture between two colours: share (side, side), 0 is `low`, 1 is `high`."""
    low_, high_ = np.array(low, np.float32), np.array(high, np.float32)
    rgb = low_ + np.clip(share, 0, 1)[..., None] * (high_ - low_)
    return Image.fromarray(rgb.astype(np.uint8))


def grass(rng: np.random.Generator, side: int) -> Image.Image:
    """Blades of grass, the nearer the lighter."""
    picture = blend((44, 88, 34), (74, 128, 46), clouds(rng, side, 5))
    draw = ImageDraw.Draw(picture)
    count = 230
    x, y = rng.uniform(-0.05, 1.05, count) * side, np.sort(rng.uniform(0, 1.18, count)) * side
    long, lean = rng.uniform(0.10, 0.20, count) * side, rng.normal(0, 0.05, count) * side
    light = rng.uniform(0, 1, count)
    for i in range(count):
        w = 0.014 * side
        tip, bend = (x[i] + lean[i], y[i] - long[i]), (x[i] + 0.2 * lean[i], y[i] - 0.55 * long[i])
        outline = [
            (x[i] - w, y[i]),
            (bend[0] - 0.7 * w, bend[1]),
            tip,
            (bend[0] + 0.7 * w, bend[1]),
            (x[i] + w, y[i]),
        ]
        draw.polygon(outline, fill=mix((52, 106, 34), (152, 200, 78), light[i]))
    return picture


def sand(rng: np.random.Generator, side: int) -> Image.Image:
    """Ripples that the wind left, grains and a few pebbles."""
    v, u = np.mgrid[0:side, 0:side].astype(np.float32) / side
    bent = v + rng.uniform(-0.25, 0.25) * u + 0.16 * clouds(rng, side, 4)
    ripple = 0.5 + 0.5 * np.sin(2 * np.pi * (rng.uniform(6, 8) * bent + rng.uniform()))
    grains = rng.integers(0, 256, (side // 2, side // 2), dtype=np.uint8).repeat(2, 0).repeat(2, 1)
    share = 0.15 + 0.55 * ripple + 0.3 * clouds(rng, side, 3) + 0.5 * (grains / 255 - 0.5)
    picture = blend((202, 164, 108), (244, 222, 172), share)
    draw = ImageDraw.Draw(picture)
    for x, y, r in rng.uniform(0, 1, (4, 3)) * (side, side, 0.02 * side) + (0, 0, 0.012 * side):
        draw.ellipse((x - 1.4 * r, y - r, x + 1.4 * r, y + r), fill=(150, 128, 104))
        draw.ellipse((x - 1.1 * r, y - 0.9 * r, x + 0.7 * r, y + 0.2 * r), fill=(196, 178, 150))
    return picture


def water(rng: np.random.Generator, side: int) -> Image.Image:
    """Light that dances on the ground of a clear pond."""
    v, u = np.mgrid[0 : side // 2, 0 : side // 2].astype(np.float32) / (side // 2)
    a, b = 0.5 * clouds(rng, side // 2, 5), 0.5 * clouds(rng, side // 2, 5)
    start = rng.uniform(0, 1, 3)
    waves = [
        np.abs(np.sin(np.pi * (3.2 * (u + a) + start[0]))),
        np.abs(np.sin(np.pi * (4.2 * (v + b) + start[1]))),
        np.abs(np.sin(np.pi * (2.4 * (u - v + a + b) + start[2]))),
    ]
    caustic = (1 - np.minimum(np.minimum(waves[0], waves[1]), waves[2])) ** 7
    light = 0.22 * clouds(rng, side // 2, 4) + 0.7 * caustic
    return blend((28, 104, 164), (186, 232, 240), light).resize((side, side))


def leaves(rng: np.random.Generator, side: int) -> Image.Image:
    """Fallen leaves, one over the other."""
    picture = Image.new("RGB", (side, side), (70, 44, 30))
    draw = ImageDraw.Draw(picture)
    colours = [(176, 74, 34), (206, 120, 42), (222, 164, 64), (142, 60, 40), (160, 118, 54)]
    half = np.array([(-1, 0), (-0.6, 0.40), (-0.1, 0.58), (0.45, 0.38), (1, 0)])
    outline = np.vstack([half, half[-2:0:-1] * (1, -1)])
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(8)), -1).reshape(-1, 2)
    spots = rng.permutation((grid + rng.uniform(0, 1, (64, 2))) / 8 * 1.1 - 0.05) * side
    for spot in spots:
        t, size = rng.uniform(0, 2 * np.pi), rng.uniform(0.09, 0.14) * side
        matrix = size * np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])
        colour = mix(colours[rng.integers(5)], (60, 30, 20), rng.uniform(0, 0.35))
        xy = list(map(tuple, outline @ matrix.T + spot))
        draw.polygon(xy, fill=colour)
        draw.line([*xy, xy[0]], fill=mix(colour, DARK, 0.5), width=2)
        draw.line([xy[0], xy[4]], fill=mix(colour, WHITE, 0.35), width=3)
    return picture


def grey(rng: np.random.Generator, side: int) -> Image.Image:
    """No background: one middle grey. The generator is not used."""
    return Image.new("RGB", (side, side), (128, 128, 128))


Paint = Callable[[np.random.Generator, int], Image.Image]
GROUNDS: dict[str, Paint] = {"grass": grass, "leaves": leaves, "water": water, "sand": sand}


# --- backgrounds of the railway ------------------------------------------------------------------

HORIZON, NEAR = 0.46, 0.70  # where the meadow begins and where wheels stand, shares of the height


def country(rng: np.random.Generator, side: int) -> Image.Image:
    """Sky, hills and a meadow: what trains and cars have in common."""
    height = np.linspace(0, 1, side, dtype=np.float32)[:, None].repeat(side, 1)
    picture = blend((122, 178, 226), (222, 238, 246), height / HORIZON)
    draw = ImageDraw.Draw(picture)
    x = np.linspace(0, 1, 40)
    for base, colour in ((0.36, (128, 160, 168)), (0.42, (104, 146, 104))):
        hill = base + 0.05 * np.sin(2 * np.pi * (rng.uniform(0.6, 1.4) * x + rng.uniform()))
        line = list(map(tuple, np.stack([x, hill], 1) * side))
        draw.polygon([*line, (side, side), (0, side)], fill=colour)
    draw.rectangle((0, HORIZON * side, side, side), fill=(122, 174, 84))
    for u, v in rng.uniform((0, HORIZON), (1, 1), (90, 2)) * side:
        blade = mix((88, 140, 62), (164, 206, 110), rng.uniform())
        draw.line((u, v, u + 1, v - 0.025 * side), fill=blade, width=3)
    return picture


def rails(pen: Pen, rng: np.random.Generator) -> None:
    """A bed of gravel, wooden sleepers and two bright rails, across the whole picture."""
    pen.fill(
        [(-0.1, NEAR - 0.06), (1.1, NEAR - 0.06), (1.1, NEAR + 0.19), (-0.1, NEAR + 0.19)],
        (150, 140, 130),
        edge=0,
    )
    for x, y in rng.uniform((0, NEAR - 0.05), (1, NEAR + 0.18), (160, 2)):
        stone = mix((112, 104, 98), (196, 188, 178), rng.uniform())
        pen.tint(box(x, y, x + 0.014, y + 0.012), stone)
    start = rng.uniform(0, 0.125)
    for x in np.arange(-2, 10) * 0.125 + start:
        pen.fill(
            [
                (x + 0.025, NEAR - 0.045),
                (x + 0.075, NEAR - 0.045),
                (x + 0.045, NEAR + 0.17),
                (x - 0.02, NEAR + 0.17),
            ],
            (98, 68, 46),
            edge=0.006,
        )
    for y, w in ((NEAR + 0.0, 0.020), (NEAR + 0.115, 0.028)):
        pen.line([(-0.1, y + w), (1.1, y + w)], (62, 58, 62), w)
        pen.line([(-0.1, y), (1.1, y)], (206, 208, 214), w)


def road(pen: Pen, rng: np.random.Generator) -> None:
    """Asphalt with a dashed line, across the whole picture."""
    pen.fill(
        [(-0.1, NEAR - 0.06), (1.1, NEAR - 0.06), (1.1, NEAR + 0.19), (-0.1, NEAR + 0.19)],
        (92, 94, 102),
        edge=0,
    )
    for x, y in rng.uniform((0, NEAR - 0.05), (1, NEAR + 0.18), (60, 2)):
        pen.tint(box(x, y, x + 0.014, y + 0.010), (124, 126, 134, 160))
    for y in (NEAR - 0.052, NEAR + 0.182):
        pen.line([(-0.1, y), (1.1, y)], (222, 222, 218), 0.014)
    start = rng.uniform(0, 0.3)
    for x in np.arange(-1, 5) * 0.30 + start:
        pen.fill(box(x, NEAR + 0.075, x + 0.17, NEAR + 0.105), (246, 240, 214), edge=0)


def tree(pen: Pen, rng: np.random.Generator) -> None:
    """A round tree; its foot is at (0, 0), it is about one unit high."""
    green = mix((58, 116, 58), (122, 164, 70), rng.uniform())
    pen.fill(box(-0.07, -0.40, 0.07, 0.0), (112, 78, 52), edge=0.03)
    for x, y, r in ((-0.20, -0.52, 0.24), (0.20, -0.54, 0.24), (0.0, -0.78, 0.28)):
        pen.fill(oval(x, y, r, r), green, edge=0.03)
    pen.fill(oval(0, -0.60, 0.24, 0.22), green, edge=0)
    pen.tint(oval(-0.06, -0.86, 0.14, 0.10), (255, 255, 255, 50))


def house(pen: Pen, rng: np.random.Generator) -> None:
    """A house with a gable; its foot is at (0, 0), it is about one unit high."""
    wall = mix((246, 232, 206), (222, 186, 158), rng.uniform())
    pen.fill(box(-0.42, -0.52, 0.42, 0.0), wall, edge=0.03)
    pen.fill([(-0.54, -0.50), (0.0, -0.98), (0.54, -0.50)], (176, 82, 62), edge=0.03)
    pen.fill(box(-0.30, -0.36, -0.08, -0.14), (124, 164, 194), edge=0.03)
    pen.fill(box(0.10, -0.36, 0.30, 0.0), (132, 92, 66), edge=0.03)


def cloud(pen: Pen, rng: np.random.Generator) -> None:
    """A white cloud around (0, 0)."""
    for x, y, r in ((-0.42, 0.06, 0.26), (0.0, -0.08, 0.36), (0.44, 0.04, 0.28)):
        pen.fill(oval(x, y, r * 1.2, r), (255, 255, 255, 235), edge=0)


Detail = Callable[[Pen, np.random.Generator], None]
TRACKS: dict[str, Detail] = {"rails": rails, "road": road}
DETAILS: dict[str, Detail] = {"tree": tree, "house": house, "cloud": cloud}
