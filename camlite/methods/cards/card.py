"""What a card holds, and what follows from it: a method's cost in numbers, its map as evidence."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import SimpleNamespace
from typing import Any, Literal

from torch import Tensor, nn

from camlite.errors import LayerNotFound
from camlite.methods.score import _pool_and_linear
from camlite.scores import Target
from camlite.split import Layer, LayerChosen, split_at, split_at_all, stage_ends

Family = Literal[
    "last layer",  # weights of the network's own linear layer
    "gradient",  # weights from gradients
    "components",  # singular value decomposition
    "score",  # weights from scores of changed images or feature maps
    "groups",  # the same, for groups of channels
    "several layers",
    "attention",  # the attention of transformers, and nothing else
    "pixels",  # maps at the resolution of the image
    "floor",  # knows nothing of the decision: to compare with
]
Layers = Literal["none", "one", "one or several", "several"]


@dataclass(frozen=True)
class Shape:
    """What the cost of a method depends on, besides its options."""

    K: int
    """Channels of the layer."""
    hw: tuple[int, ...]
    """Positions of the layer's maps, (h, w)."""
    size: tuple[int, ...]
    """Positions of the image, (H, W)."""
    channels: tuple[int, ...]
    """Channels of each layer, for methods over several layers."""
    linear_head: bool = False
    """Whether only global average pooling and one linear layer come after the layer."""


RESNET50 = Shape(2048, (7, 7), (224, 224), (64, 256, 512, 1024, 2048), linear_head=True)
_OTHER = Shape(512, (14, 14), (256, 256), (64, 512))


def shape_of(model: nn.Module, layer: Layer, images: Tensor) -> Shape:
    """The shape of a network at a layer; of several layers: the last of each resolution."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)
        features, classifier = split_at(model, layer, images)
        F = features(images[:1])
        try:
            stages = split_at_all(model, None, images, otherwise=stage_ends)
        except LayerNotFound:  # the network holds maps at this layer only
            stages = (features, classifier)
    channels, F_l = [], images[:1]
    for stage in stages[:-1]:
        F_l = stage(F_l)
        channels.append(F_l.shape[1])
    head = _pool_and_linear(model, classifier, F) is not None
    return Shape(F.shape[1], tuple(F.shape[2:]), tuple(images.shape[2:]), tuple(channels), head)


@dataclass(frozen=True)
class Cost:
    """Passes through the network for one image, when the layer is given and the class is not.

    A pass through the whole network is one through the part before the layer (the layer is its
    end) and one through the part after it. Of several layers the first one counts. Not counted:
    two passes for each call that check the fused network of the methods with many forward passes.
    """

    forwards: int = 0
    """Forward passes through the whole network."""
    forwards_before: int = 0
    """Further ones that end at the layer."""
    forwards_after: int = 0
    """Further ones that start at the layer."""
    backwards: int = 0
    """Backward passes through the whole network, to the image."""
    backwards_after: int = 0
    """Backward passes that end at the layer."""

    def in_forwards(self, after: float = 1.0, backward: float = 2.0) -> float:
        """The cost in forward passes of the whole network.

        `after`: the share of a forward pass that the part after the layer takes; `backward`: how
        many forward passes a backward pass costs.
        """
        whole = self.forwards + backward * self.backwards
        part = self.forwards_after + backward * self.backwards_after
        return whole + part * after + self.forwards_before * (1 - after)


@dataclass(frozen=True)
class Card:
    """What a reader wants to know before using a method. Costs are per image."""

    function: Callable[..., Tensor]
    title: str
    short: str
    """The method's name in figures and tables."""
    family: Family
    layers: Layers
    """What `layer` may be: no argument, one layer, a list; "several": None is a list as well."""
    paper: str
    equation: str
    needs: str
    caveats: tuple[str, ...]
    passes: Callable[[Shape, Any], Cost]
    """The cost, from the shape `s` and all options `o`; call `cost`, which fills in defaults."""
    formula: Mapping[str, str] = field(default_factory=dict)
    """The numbers of the cost that are not constant, as people read them."""
    variants: tuple[str, ...] = ()
    fewer: Mapping[str, Any] = field(default_factory=dict)
    """Options that make it quicker than its defaults, for a look at a single photograph."""

    @property
    def name(self) -> str:
        """The function's name, which is the key in METHODS."""
        return self.function.__name__

    @property
    def call(self) -> str:
        """How the function is called, without its options."""
        given = inspect.signature(self.function).parameters.values()
        plain = [str(p.name) for p in given if p.kind is p.POSITIONAL_OR_KEYWORD]
        return f"camlite.{self.name}({', '.join(plain)})"

    @property
    def options(self) -> dict[str, Any]:
        """The method's options with their defaults, from its signature."""
        given = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in given if p.kind is p.KEYWORD_ONLY}

    def cost(self, shape: Shape = RESNET50, **options: Any) -> Cost:
        """Passes through the network for one image; default: ResNet50's layer4 at 224×224.

        Raises ValueError for an option that the method does not have.
        """
        unknown = set(options) - set(self.options)
        if unknown:
            names = ", ".join(self.options) or "none"
            raise ValueError(f"{self.name} has no option {min(unknown)!r}; its options: {names}")
        return self.passes(shape, SimpleNamespace(**{**self.options, **options}))

    @property
    def quick(self) -> bool:
        """Whether one forward pass of the whole network is enough."""
        return self.cost().forwards <= 1

    @property
    def forwards(self) -> str:
        """The forward passes, for people."""
        return _text(self, "forwards", ("", " up to the layer", " of the part after the layer"))

    @property
    def backwards(self) -> str:
        """The backward passes, for people."""
        first = "the first layer" if self.layers == "several" else "the layer"
        return _text(
            self, "backwards", (", through the whole network", "", f", after {first} only")
        )

    def as_dict(self) -> dict[str, Any]:
        """All facts by name, for printing and for `--json`."""
        kept = ("title", "short", "family", "layers", "paper", "equation", "needs")
        more = ("forwards", "backwards", "caveats", "variants", "call")
        facts = {name: getattr(self, name) for name in (*kept, *more)}
        return {"name": self.name, **facts, "cost_of_resnet50": asdict(self.cost())}

    def evidence(
        self, model: nn.Module, layer: Layer, images: Tensor, target: Target = None, **options: Any
    ) -> Tensor:
        """One map per image, whatever the method returns: (N, h, w) ≥ 0, or (N, l) for signals.

        The positive part of a map; for a pixel method, which has a value for each colour, the
        largest absolute one. A layer is used only where the method takes one; methods over
        several layers choose their own.
        """
        where = {"none": (), "several": (None,)}.get(self.layers, (layer,))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LayerChosen)
            maps = self.function(model, *where, images, target, **options).detach()
        return maps.abs().amax(1) if maps.dim() == images.dim() else maps.relu()

    @property
    def has_sign(self) -> bool:
        """Whether the method can give a map with its sign: CAM, and what can leave out its ReLU."""
        return self.family != "floor" and (self.name == "cam" or "relu" in self.options)

    def signed(
        self, model: nn.Module, layer: Layer, images: Tensor, target: Target = None, **options: Any
    ) -> Tensor:
        """The map as the formula gives it, without a ReLU: (N, h, w), or (N, l) for signals.

        Where a formula takes products of positive parts only, nothing in it is negative. ValueError
        for a method that has no sign.
        """
        if not self.has_sign:
            raise ValueError(f"{self.name} gives no map with a sign")
        if "relu" in self.options:
            options["relu"] = False
        where = (None,) if self.layers == "several" else (layer,)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LayerChosen)
            return self.function(model, *where, images, target, **options).detach()


def _text(card: Card, kind: str, where: Sequence[str]) -> str:
    """The passes of one kind in words: through the whole network, before and after the layer."""
    names = (kind, f"{kind}_before", f"{kind}_after")
    parts = [
        f"{card.formula.get(name, number)}{_example(card, name)}{place}"
        for name, place in zip(names, where, strict=True)
        if (number := getattr(card.cost(), name, 0))
    ]
    return ", and ".join(parts) or "0"


def _example(card: Card, name: str) -> str:
    """The number where the text is a formula, and its network where that changes the number."""
    if name not in card.formula:
        return ""
    number = getattr(card.cost(), name)
    if number == getattr(card.cost(_OTHER), name):
        return f" ({number:,})"
    of = {"none": "224×224", "several": "ResNet50, five layers"}.get(card.layers, "ResNet50 layer4")
    return f" ({of}: {number:,})"
