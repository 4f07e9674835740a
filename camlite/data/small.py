"""Small data for lesson 19: shapes to ask about, words to find, movements, a table, sentences.

All of it is drawn from a seed: same seed, same pixels. What is where is known.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from camlite.data.generated import Signals, scenes

COLOURS = {"red": (0.9, 0.25, 0.2), "green": (0.2, 0.75, 0.3), "blue": (0.3, 0.4, 0.95)}
SHAPES = ("disc", "cross", "ring")
WORDS = ("FROG", "BIRD", "FISH", "POND", "SAND", "LEAF")
_SIDE = 24  # of a picture of shapes; four cells of 12×12, a shape has 9×9


@dataclass(frozen=True)
class Shapes:
    """`images` (N, 3, 24, 24) in [0, 1] with shapes on grey noise.

    `colours` (N, 3) holds for each of `shape_names` an index into `colour_names`, whether the shape
    is in the image or not. `object_masks` (N, 3, 24, 24) bool: the pixels of each shape, empty
    where it is not shown.
    """

    images: Tensor
    colours: Tensor
    object_masks: Tensor
    shape_names: list[str]
    colour_names: list[str]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shown(self) -> Tensor:
        """Which shapes are in the image, (N, 3) bool."""
        return self.object_masks.flatten(2).any(2)


def shapes(count: int = 200, seed: int = 0, shown: int = 2, kinds: int = 3) -> Shapes:
    """Pictures with `shown` different ones of the first `kinds` shapes, at most one in a quarter.

    Raises ValueError unless 0 <= shown <= kinds <= 3 and count >= 0.
    """
    if not 0 <= shown <= kinds <= len(SHAPES) or count < 0:
        raise ValueError(
            f"0 <= shown <= kinds <= 3 and count >= 0 are asked for, not shown={shown}, "
            f"kinds={kinds}, count={count}"
        )
    rng = torch.Generator().manual_seed(seed)
    grey = 0.2 + 0.2 * torch.rand(count, 1, _SIDE, _SIDE, generator=rng)
    colours = torch.randint(len(COLOURS), (count, len(SHAPES)), generator=rng)
    kind = torch.rand(count, kinds, generator=rng).argsort(1)[:, :shown]
    cell = torch.rand(count, 4, generator=rng).argsort(1)[:, :shown]
    corner = torch.randint(4, (count, shown, 2), generator=rng)
    corner += 12 * torch.stack([cell // 2, cell % 2], 2)
    masks = torch.zeros(count, len(SHAPES), _SIDE, _SIDE, dtype=torch.bool)
    for n in range(count):
        for k, (top, left) in zip(kind[n].tolist(), corner[n].tolist(), strict=True):
            masks[n, k, top : top + 9, left : left + 9] = _stamps()[k]
    images = grey.repeat(1, 3, 1, 1)
    table = torch.tensor(list(COLOURS.values()))
    for k in range(len(SHAPES)):
        paint = table[colours[:, k]][:, :, None, None] * (0.8 + 0.2 * images)
        images = torch.where(masks[:, k : k + 1], paint, images)
    return Shapes(images, colours, masks, list(SHAPES), list(COLOURS))


def _stamps() -> Tensor:
    """The three shapes, (3, 9, 9) bool."""
    y, x = torch.arange(-4, 5)[:, None], torch.arange(-4, 5)[None]
    square = x.abs().maximum(y.abs())
    return torch.stack([x**2 + y**2 <= 18, x.abs().minimum(y.abs()) <= 1, square >= 3])


@dataclass(frozen=True)
class PrintedWords:
    """`images` (N, 3, 48, 48) in [0, 1]: grass, leaves, water or sand, and on it a printed word.

    `labels` (N,): 1 a word, 0 none: a ground alone, or the pixels of a word in random order.
    `masks` (N, 48, 48) bool: the rectangle of the word, or of its mixed pixels; else empty.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    class_names: list[str]

    def __len__(self) -> int:
        return len(self.labels)


def printed_words(count: int = 200, seed: int = 0) -> PrintedWords:
    """Is there a word in the picture? Every other one has a word.

    Of the others half have the pixels of a word, mixed, so that white or black pixels alone do not
    tell the class. The letters have 5×5 pixels, a word 23×5. Raises ValueError for a negative
    count.
    """
    if count < 0:
        raise ValueError(f"count must be at least 0, not {count}")
    images = scenes("pond", "background_only", count=count, seed=seed).images
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) // 4 % 2  # the four grounds take turns: each has all classes
    masks = torch.zeros(count, 48, 48, dtype=torch.bool)
    for n in range(count):
        which, top, left, ink = torch.rand(4, generator=rng).tolist()
        word = _printed(WORDS[int(which * len(WORDS))])  # (5, 23)
        order = torch.randperm(word.numel(), generator=rng)
        if n // 4 % 4 == 0:
            continue
        if not labels[n]:
            word = word.flatten()[order].reshape(word.shape)
        y, x = int(top * (48 - 5 + 1)), int(left * (48 - 23 + 1))
        images[n, :, y : y + 5, x : x + 23][:, word] = float(ink < 0.5)
        masks[n, y : y + 5, x : x + 23] = True
    return PrintedWords(images, labels, masks, ["no word", "word"])


# each letter: five rows of five pixels, as binary numbers
_LETTERS = {
    "A": (14, 17, 31, 17, 17),
    "B": (30, 17, 30, 17, 30),
    "D": (30, 17, 17, 17, 30),
    "E": (31, 16, 30, 16, 31),
    "F": (31, 16, 30, 16, 16),
    "G": (15, 16, 19, 17, 15),
    "H": (17, 17, 31, 17, 17),
    "I": (14, 4, 4, 4, 14),
    "L": (16, 16, 16, 16, 31),
    "N": (17, 25, 21, 19, 17),
    "O": (14, 17, 17, 17, 14),
    "P": (30, 17, 30, 16, 16),
    "R": (30, 17, 30, 18, 17),
    "S": (15, 16, 14, 1, 30),
}


def _printed(word: str) -> Tensor:
    """The word's pixels, (5, 6 · letters − 1) bool."""
    bits = 2 ** torch.arange(4, -1, -1)
    letters = [(torch.tensor(_LETTERS[a])[:, None] & bits) > 0 for a in word]
    gap = torch.zeros(5, 1, dtype=torch.bool)
    return torch.cat([part for letter in letters for part in (letter, gap)][:-1], 1)


def actions(count: int = 600, seed: int = 0) -> Signals:
    """How a hand moves: two channels, x and y, 96 samples; it waves, jumps or circles once.

    The class is the action, 24 samples long; classes take turns. In the other half of the recording
    the hand shakes as long, whatever the class, so that loudness does not tell where the action is.
    Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError(f"count must be at least 0, not {count}")
    rng = torch.Generator().manual_seed(seed)
    t, still = torch.linspace(0, 1, 24) * math.pi, torch.zeros(24)
    moves = {
        "wave": torch.stack([torch.sin(6 * t), still]),
        "jump": torch.stack([still, 1.5 * torch.sin(t)]),
        "circle": torch.stack([torch.sin(2 * t), 1 - torch.cos(2 * t)]),
    }
    labels, half = torch.arange(count) % 3, torch.randint(2, (count,), generator=rng)
    start = 48 * half + torch.randint(25, (count,), generator=rng)
    shake = 48 * (1 - half) + torch.randint(25, (count,), generator=rng)
    x = 0.15 * torch.randn(count, 2, 96, generator=rng)
    size = 0.7 + 0.6 * torch.rand(count, generator=rng)
    for n in range(count):
        move = list(moves.values())[int(labels[n])]
        x[n, :, start[n] : start[n] + 24] += size[n] * move
        x[n, :, shake[n] : shake[n] + 24] += 0.7 * torch.randn(2, 24, generator=rng)
    return Signals(x, labels, torch.stack([start, start + 24], 1), list(moves))


def table(count: int = 300, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (count, 12) of random numbers, two neighbouring columns of which may tell the class.

    With them the classes (count,): 0 fall, high and then low; 1 rise, low and then high; 2 none,
    nothing planted. And for each row the first of the two columns, (count,); of class 2 ignore it.
    Raises ValueError for a negative count.
    """
    if count < 0:
        raise ValueError(f"count must be at least 0, not {count}")
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, 12, generator=rng)
    kind, first = torch.arange(count) % 3, torch.randint(11, (count,), generator=rng)
    size = (1.5 + torch.rand(count, generator=rng)) * (1 - 2.0 * kind)
    n = (kind < 2).nonzero()[:, 0]
    rows[n, first[n]], rows[n, first[n] + 1] = size[n], -size[n]
    return rows, kind, first


# Four of the beginnings are good with -ful, four with -less; of both some end in e: no piece of a
# word tells the class alone.
GOOD = [
    "hopeful",
    "careful",
    "useful",
    "thankful",
    "harmless",
    "fearless",
    "blameless",
    "wasteless",
]
BAD = [
    "hopeless",
    "careless",
    "useless",
    "thankless",
    "harmful",
    "fearful",
    "blameful",
    "wasteful",
]
_THINGS = ["film", "letter", "garden", "song", "journey"]
_HOW = ["very", "rather", "quite", "almost", "really"]
_BEFORE = ["", "in spring", "after lunch", "as we know", "on monday"]
_AFTER = ["", "said the doctor", "and nobody left", "but it was long", "with some tea"]


@dataclass(frozen=True)
class Sentences:
    """`texts`, lists of words, say whether something is good: `labels` (N,), 0 bad, 1 good.

    One word tells it, the one at `deciding` (N,). `opposite` are the same texts with the opposite
    of that word, `renamed` with another thing (a film becomes a letter).
    """

    texts: list[list[str]]
    labels: Tensor
    deciding: Tensor
    opposite: list[list[str]]
    renamed: list[list[str]]


def sentences(count: int = 100, seed: int = 0) -> Sentences:
    """Sentences of five to eleven words; classes take turns. Raises ValueError below 0."""
    if count < 0:
        raise ValueError(f"count must be at least 0, not {count}")
    rng = torch.Generator().manual_seed(seed)

    def any_of(choices: list[str]) -> str:
        return choices[int(torch.randint(len(choices), (), generator=rng))]

    texts = [
        f"{any_of(_BEFORE)} the {any_of(_THINGS)} was {any_of(_HOW)} "
        f"{any_of((BAD, GOOD)[n % 2])} {any_of(_AFTER)}".split()
        for n in range(count)
    ]
    turned = dict(zip(GOOD + BAD, BAD + GOOD, strict=True))
    other = dict(zip(_THINGS, _THINGS[1:] + _THINGS[:1], strict=True))
    deciding = [next(i for i, word in enumerate(text) if word in turned) for text in texts]
    return Sentences(
        texts,
        torch.arange(count) % 2,
        torch.tensor(deciding, dtype=torch.long),
        [[turned.get(word, word) for word in text] for text in texts],
        [[other.get(word, word) for word in text] for text in texts],
    )


def word_pieces(texts: list[list[str]], joins: int) -> dict[str, list[str]]:
    """Byte pair encoding: how each word of the texts is cut, {word: its pieces}.

    It begins with letters and joins the most frequent pair of neighbours, `joins` times; of equally
    frequent ones the last in the alphabet. Ends earlier when no word has two pieces.
    """
    times = Counter(word for text in texts for word in text)
    pieces = {word: list(word) for word in times}
    for _ in range(joins):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, cut in pieces.items():
            for pair in itertools.pairwise(cut):
                pairs[pair] += times[word]
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        pieces = {word: _joined(cut, best) for word, cut in pieces.items()}
    return pieces


def _joined(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    """Wherever the two pieces of `pair` stand side by side, they become one."""
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined
