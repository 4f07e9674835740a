"""What the person asked for, and whether it is possible: all that can go wrong before the work."""

from __future__ import annotations

import ast
import hashlib
import random
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

from camlite.cards import METHODS, find_card
from camlite.evaluation import items as sources
from camlite.evaluation.items import Item
from camlite.evaluation.measures import FAITHFULNESS, LOCALIZATION, METRICS, Protocol
from camlite.evaluation.subject import Subject, example, fingerprint, subject
from camlite.evaluation.team import Team
from camlite.metrics import PROTOCOLS
from camlite.perturb import one_of
from camlite.split import LayerChosen, last_spatial_layer

FLOORS = ("random_cam", "center_gaussian", "fake_cam", "sobel_edges")
QUICK = tuple(name for name, card in METHODS.items()
              if card.forwards.startswith("1") and name not in FLOORS)


@dataclass(frozen=True)
class Plan:
    """What the person asked for. Empty methods or metrics: the defaults."""

    data: str
    model: str
    out: Path
    layer: str | None = None
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    target: str = "label"
    protocol: Protocol = field(default_factory=Protocol)
    masks: Path | None = None
    boxes: Path | None = None
    classes: Path | None = None
    side: int | None = None
    normalize: bool | None = None
    limit: int | None = None
    seed: int = 0
    batch_size: int | None = None
    device: str | None = None
    examples: int = 4


@dataclass(frozen=True)
class Job:
    """A plan that was found possible: the network, the pictures, the methods, the metrics."""

    plan: Plan
    subject: Subject
    layer: str
    items: list[Item]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    settings: dict[str, Any]
    we: Team

    @property
    def examples(self) -> list[Item]:
        """The pictures whose maps are drawn."""
        return [item for item in self.items if not item.problem][: self.plan.examples]

    @property
    def parts(self) -> Path:
        """Where the rows are kept while the work goes on."""
        return self.plan.out / "parts"


def prepare(plan: Plan, we: Team) -> Job:
    """Everything that can go wrong before the first map goes wrong here, with a ValueError."""
    one_of("target", plan.target, ("label", "predicted"))
    one_of("protocol", plan.protocol.curves, tuple(PROTOCOLS))
    methods = tuple(unique(find_card(m).name for m in plan.methods)) or QUICK
    methods = (*(m for m in methods if m not in FLOORS), *FLOORS)
    _require_options(plan.options)
    found = subject(plan.model, plan.side, plan.normalize)
    found.model.to(we.device)
    items, annotated = find_items(plan, found)
    metrics = plan.metrics or (*FAITHFULNESS, *(LOCALIZATION if annotated else ()))
    for name in metrics:
        one_of("metrics", name, tuple(METRICS))
        if METRICS[name].needs and not annotated:
            raise ValueError(f"{name} needs to know where the object is: give --masks or --boxes")
    layer = plan.layer or _default_layer(found, items, we)
    settings = {
        "data": Path(plan.data).name,  # the folder may move
        "items": _checksum(items) if plan.data not in sources.GENERATED else "generated",
        "model": plan.model,
        "weights": fingerprint(found.model),
        "layer": layer,
        "view": asdict(found.view),
        "target": plan.target,
        "protocol": asdict(plan.protocol),
        "options": plan.options,
        "seed": plan.seed,
        **{name: version(name) for name in ("camlite", "torch", "torchvision")},
        "methods": methods,
        "metrics": metrics,
        "pictures": plan.limit,
    }
    return Job(plan, found, layer, _some(items, plan), methods, tuple(metrics), settings, we)


def find_items(plan: Plan, found: Subject) -> tuple[list[Item], bool]:
    """All items of the data set, and whether it says where the objects are."""
    if plan.data in sources.GENERATED:
        world = found.name.partition("_")[0]
        if world not in ("pond", "rail"):
            raise ValueError(f"{plan.data} are pictures for the bundled networks pond_repaired, "
                             "pond_biased, rail_repaired and rail_biased: choose one with --model")
        count = 60 if plan.limit is None else plan.limit
        return sources.generated(plan.data, count, world), True
    return sources.from_folder(Path(plan.data), found.categories, plan.masks, plan.boxes,
                               plan.classes)


def _some(items: list[Item], plan: Plan) -> list[Item]:
    """The first `limit` of a shuffled list, in their own order; a larger limit adds to them."""
    good = [n for n, item in enumerate(items) if not item.problem]
    if not good:
        raise ValueError(f"no picture of {plan.data} can be evaluated: {items[0].name}: "
                         f"{items[0].problem}")
    if plan.limit is None or plan.data in sources.GENERATED:
        return items
    if plan.limit < 1:
        raise ValueError(f"limit must be 1 or more pictures, not {plan.limit}")
    random.Random(plan.seed).shuffle(good)
    keep = set(good[: plan.limit])
    return [item for n, item in enumerate(items) if n in keep or item.problem]


def _require_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    for method, given in options.items():
        known = signature(METHODS[method].function).parameters
        possible = [n for n, p in known.items() if p.kind is p.KEYWORD_ONLY and n != "generator"]
        for name in given:
            if name not in possible:
                raise ValueError(f"{method} has no option {name!r}; it has "
                                 f"{', '.join(possible) or 'none'}")


def parse_options(texts: list[str]) -> dict[str, dict[str, Any]]:
    """`score_cam.batch_size=16` -> {"score_cam": {"batch_size": 16}}."""
    options: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        method, dot, name = left.partition(".")
        if not (equals and dot):
            raise ValueError(f"--set {text}: write it as method.option=value, "
                             "for instance score_cam.batch_size=16")
        try:
            parsed = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parsed = value  # a word, like blur
        options.setdefault(find_card(method).name, {})[name] = parsed
    return options


def _default_layer(found: Subject, items: list[Item], we: Team) -> str:
    """The last layer that has space, for the first picture that can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LayerChosen)  # the card names the layer
        for item in items:
            try:
                x = example(item.read(), found.view).x if not item.problem else None
            except ValueError:
                continue
            if x is not None:
                return last_spatial_layer(found.model, x.to(we.device))
    raise ValueError("none of the pictures can be read")


def _checksum(items: list[Item]) -> str:
    listed = "\n".join(f"{item.name},{item.label}" for item in items if not item.problem)
    return hashlib.sha256(listed.encode()).hexdigest()[:16]


def unique(names: Iterable[str]) -> list[str]:
    """Each name once, in the order of their first appearance."""
    return list(dict.fromkeys(names))


