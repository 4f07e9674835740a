"""What the person asked for, and whether it is possible: all that can go wrong before the work."""

from __future__ import annotations

import ast
import random
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from camlite.checks import one_of
from camlite.cutting.running import checked, whole
from camlite.evaluation import items as sources
from camlite.evaluation.items import DataSet, Item
from camlite.evaluation.measures import FAITHFULNESS, LOCALIZATION, METRICS, Protocol
from camlite.evaluation.subject import Subject, View, example, fingerprint, subject
from camlite.evaluation.team import Team
from camlite.methods.cards import METHODS, find_card
from camlite.perturb import at_once, fused
from camlite.split import chosen_layer, split

CHECKSUM = "checksum of pictures, labels, masks and boxes"
FLOORS = ("random_cam", "center_gaussian", "fake_cam", "sobel_edges")
QUICK = tuple(name for name, card in METHODS.items() if card.quick and name not in FLOORS)


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
    quick: nn.Module  # the subject's network, fused: for many forward passes
    layer: str
    items: list[Item]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    settings: dict[str, Any]
    we: Team

    @cached_property
    def examples(self) -> list[Item]:
        """The pictures whose maps are drawn."""
        return [item for item in self.items if not item.problem][: self.plan.examples]

    @property
    def parts(self) -> Path:
        """Where the rows are kept while the work goes on."""
        return self.plan.out / "parts"


def prepare(plan: Plan, we: Team) -> Job:
    """Everything that can go wrong before the first map goes wrong here, with a ValueError."""
    _require_place(plan)
    one_of("target", plan.target, ("label", "predicted"))
    methods = tuple(unique(_method(m) for m in plan.methods)) or QUICK
    methods = (*(m for m in methods if m not in FLOORS), *FLOORS)
    _require_options(plan.options)
    found = subject(plan.model, plan.side, plan.normalize)
    found.model.to(we.device)
    data = data_set(plan, found)
    metrics = unique(plan.metrics) or [*FAITHFULNESS, *(LOCALIZATION if data.annotated else ())]
    for name in metrics:
        one_of("metrics", name, tuple(METRICS))
        if METRICS[name].needs and not data.annotated:
            raise ValueError(f"{name} needs to know where the object is: give --masks or --boxes")
    items = _some(data.items, plan)
    first = _first(items, found.view).to(we.device)
    layer = _layer(plan, found, first)
    quick = fused(found.model, first)
    settings = {
        "data": Path(plan.data).name,  # the folder may move
        CHECKSUM: data.checksum,
        "model": plan.model,
        "weights": fingerprint(found.model),
        "layer": layer,
        "view": asdict(found.view),
        "target": plan.target,
        "protocol": asdict(plan.protocol),
        "options": plan.options,
        "seed": plan.seed,
        "device": we.device.type,
        **{name: version(name) for name in ("camlite", "torch", "torchvision")},
        "methods": methods,
        "metrics": metrics,
        "pictures": plan.limit,
    }
    return Job(plan, found, quick, layer, items, methods, tuple(metrics), settings, we)


def _require_place(plan: Plan) -> None:
    if plan.out.exists() and not plan.out.is_dir():
        raise ValueError(f"--out {plan.out} is a file: name a folder for the results")
    inside = Path(plan.data).resolve() in (plan.out.resolve(), *plan.out.resolve().parents)
    if plan.data not in sources.GENERATED and inside:
        raise ValueError(
            f"--out {plan.out} lies in the folder of the pictures, and its figures "
            "would count as pictures: choose a folder outside"
        )


def _method(name: str) -> str:
    return name if name in FLOORS else find_card(name).name


def data_set(plan: Plan, found: Subject) -> DataSet:
    """The pictures of the plan. Raises ValueError where there are none to evaluate."""
    if plan.limit is not None and plan.limit < 1:
        raise ValueError(f"--limit must be 1 or more pictures, not {plan.limit}")
    if plan.data in sources.GENERATED:
        given = {"masks": plan.masks, "boxes": plan.boxes, "class-table": plan.classes}
        for option in (name for name, path in given.items() if path is not None):
            raise ValueError(
                f"--{option} is for a folder of images: {plan.data} knows its classes and objects"
            )
        world = found.name.partition("_")[0]
        if world not in ("pond", "rail"):
            raise ValueError(
                f"{plan.data} are pictures for the bundled networks pond_repaired, "
                "pond_biased, rail_repaired and rail_biased: choose one with --model"
            )
        return sources.generated(plan.data, plan.limit or 60, world)
    return sources.from_folder(
        Path(plan.data), found.categories, plan.masks, plan.boxes, plan.classes
    )


def _some(items: list[Item], plan: Plan) -> list[Item]:
    """The first `limit` of a shuffled list, in their own order; a larger limit adds to them."""
    good = [n for n, item in enumerate(items) if not item.problem]
    if not good:
        raise ValueError(
            f"no picture of {plan.data} can be evaluated: {items[0].name}: {items[0].problem}"
        )
    if plan.limit is None or plan.data in sources.GENERATED:
        return items
    random.Random(plan.seed).shuffle(good)
    keep = set(good[: plan.limit])
    return [item for n, item in enumerate(items) if n in keep or item.problem]


def _first(items: list[Item], view: View) -> Tensor:
    """The first picture that can be read, as the network gets it."""
    reasons = []
    for item in items:
        try:
            if not item.problem:
                return example(item.read(), view).x
            reasons.append(f"{item.name}: {item.problem}")
        except ValueError as error:
            reasons.append(f"{item.name}: {error}")
    raise ValueError(f"none of the pictures can be read. The first: {reasons[0]}")


def _layer(plan: Plan, found: Subject, x: Tensor) -> str:
    """The layer to explain; ValueError if it, or the network, does not fit the pictures."""
    try:
        logits = whole(found.model)(x)
    except Exception as error:  # a network may be anyone's code
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{found.name} cannot take pictures of shape {tuple(x.shape)} "
            f"({reason}): choose another --side"
        ) from error
    if not isinstance(logits, Tensor):
        raise ValueError(
            f"{found.name} returns {type(logits).__name__}, not a tensor of logits (N, classes)"
        )
    if logits.dim() != 2 or logits.shape[1] != len(found.categories):
        raise ValueError(
            f"{found.name} returns shape {tuple(logits.shape)} for one picture, but "
            f"there are {len(found.categories)} class names"
        )
    at_once(x, plan.batch_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the card names the layer
        layer = chosen_layer(found.model, plan.layer, x)
        checked(split(found.model, layer)[0](x), x)
    return layer


def _require_options(options: Mapping[str, Mapping[str, Any]]) -> None:
    for method, given in options.items():
        known = METHODS[method].options
        possible = [n for n in known if n != "generator"]
        for name, value in given.items():
            if name not in possible:
                raise ValueError(
                    f"{method} has no option {name!r}; it has {', '.join(possible) or 'none'}"
                )
            _require_kind(f"--set {method}.{name}", value, known[name])


def _require_kind(option: str, value: Any, default: Any) -> None:
    """A number where the default is a number, and so on; other mistakes the method itself finds."""
    kinds = {bool: (bool,), int: (int,), float: (int, float)}.get(type(default))
    if kinds and (not isinstance(value, kinds) or isinstance(value, bool) != (kinds == (bool,))):
        what = {bool: "True or False", int: "a whole number", float: "a number"}[type(default)]
        raise ValueError(f"{option} must be {what} (default {default}), not {value!r}")
    if not isinstance(value, (bool, int, float, str, list, tuple, type(None))):
        raise ValueError(f"{option} must be a number, a word or a list, not {value!r}")


def parse_options(texts: list[str]) -> dict[str, dict[str, Any]]:
    """`score_cam.batch_size=16` -> {"score_cam": {"batch_size": 16}}."""
    options: dict[str, dict[str, Any]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        method, dot, name = left.partition(".")
        if not (equals and dot):
            raise ValueError(
                f"--set {text}: write it as method.option=value, "
                "for instance score_cam.batch_size=16"
            )
        try:
            parsed = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            parsed = value  # a word, like blur
        options.setdefault(find_card(method).name, {})[name] = parsed
    return options


def unique(names: Iterable[str]) -> list[str]:
    """Each name once, in the order of their first appearance."""
    return list(dict.fromkeys(names))
