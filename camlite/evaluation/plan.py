"""What was asked for, and whether it is possible: all that can go wrong before the first map."""

from __future__ import annotations

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
from camlite.cutting.fused import fused
from camlite.cutting.running import whole
from camlite.evaluation.compared import FLOORS, ONE_FORWARD, method_name
from camlite.evaluation.dataset import GENERATED, Dataset, Sample, generated
from camlite.evaluation.distributed import ProcessGroup
from camlite.evaluation.folders import from_folder, require_folder
from camlite.evaluation.measures import METRICS, Protocol, default_metrics
from camlite.evaluation.network import Network, fingerprint, in_cells, load_network
from camlite.evaluation.options import require_options
from camlite.evaluation.preprocessing import Preprocessing, preprocessed
from camlite.perturb import at_once
from camlite.split import chosen_layer, split

CHECKSUM = "checksum of pictures, labels, masks and boxes"


@dataclass(frozen=True)
class Plan:
    """What was asked for. Empty methods or metrics: the defaults."""

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
class Run:
    """A plan that was found possible: the network, the pictures, the methods, the metrics."""

    plan: Plan
    network: Network
    fused: nn.Module  # the model with BatchNorm fused: for many forward passes
    layer: str
    samples: list[Sample]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    settings: dict[str, Any]
    group: ProcessGroup

    @cached_property
    def examples(self) -> list[Sample]:
        """The pictures whose maps are drawn."""
        return [sample for sample in self.samples if not sample.problem][: self.plan.examples]

    @property
    def parts(self) -> Path:
        """Where the rows are kept while the work goes on."""
        return self.plan.out / "parts"


def prepare(plan: Plan, group: ProcessGroup) -> Run:
    """Everything that can go wrong before the first map goes wrong here, with a ValueError."""
    _require_separate_folder(plan)
    one_of("target", plan.target, ("label", "predicted"))
    if plan.data == "difull" and plan.target != "label":
        raise ValueError("difull asks for the class in each cell: --target must be label")
    methods = tuple(unique(method_name(m) for m in plan.methods)) or ONE_FORWARD
    methods = (*(m for m in methods if m not in FLOORS), *FLOORS)
    require_options(plan.options, methods)
    if plan.seed < 0:
        raise ValueError(f"--seed must be 0 or more, not {plan.seed}")
    found = load_network(plan.model, plan.side, plan.normalize)
    data = dataset(plan, found)
    found = in_cells(found) if plan.data == "difull" else found
    found.model.to(group.device)
    metrics = _metrics(plan, data)
    samples = _limited(data.samples, plan)
    first = _first_input(samples, found.preprocessing).to(group.device)
    layer = _layer(plan, found, first)
    settings = {
        "data": Path(plan.data).name,  # the folder may move
        CHECKSUM: data.checksum,
        "model": plan.model,
        "weights": fingerprint(found.model),
        "layer": layer,
        "preprocessing": asdict(found.preprocessing),
        "target": plan.target,
        "protocol": asdict(plan.protocol),
        "options": plan.options,
        "seed": plan.seed,
        "device": group.device.type,
        **{name: version(name) for name in ("camlite", "torch", "torchvision")},
        "methods": methods,
        "metrics": metrics,
        "pictures": plan.limit,
    }
    model = fused(found.model, first)
    return Run(plan, found, model, layer, samples, methods, tuple(metrics), settings, group)


def _metrics(plan: Plan, data: Dataset) -> list[str]:
    """The metrics asked for, or those of the data set. ValueError where one does not apply."""
    names = unique(plan.metrics) or list(default_metrics(plan.data, data.annotated))
    for name in names:
        one_of("metrics", name, tuple(METRICS))
        if METRICS[name].needs == "without" and plan.data != "parts":
            raise ValueError(f"{name} needs drawings without each part: camlite evaluate parts")
        if METRICS[name].needs and not data.annotated:
            raise ValueError(f"{name} needs to know where the object is: give --masks or --boxes")
    return names


def _require_separate_folder(plan: Plan) -> None:
    if plan.out.exists() and not plan.out.is_dir():
        raise ValueError(f"--out {plan.out} is a file: name a folder for the results")
    inside = Path(plan.data).resolve() in (plan.out.resolve(), *plan.out.resolve().parents)
    if plan.data in GENERATED:
        return
    require_folder(Path(plan.data))  # before a network is downloaded
    if inside:
        raise ValueError(
            f"--out {plan.out} lies in the folder of the pictures, and its figures "
            "would count as pictures: choose a folder outside"
        )


def dataset(plan: Plan, found: Network) -> Dataset:
    """The pictures of the plan. Raises ValueError where there are none to evaluate."""
    if plan.limit is not None and plan.limit < 1:
        raise ValueError(f"--limit must be 1 or more pictures, not {plan.limit}")
    if plan.data in GENERATED:
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
        return generated(plan.data, plan.limit or 60, world)
    return from_folder(Path(plan.data), found.categories, plan.masks, plan.boxes, plan.classes)


def _limited(samples: list[Sample], plan: Plan) -> list[Sample]:
    """The first `limit` of a shuffled list, in their own order; a larger limit adds to them."""
    good = [n for n, sample in enumerate(samples) if not sample.problem]
    if not good:
        raise ValueError(
            f"no picture of {plan.data} can be evaluated: {samples[0].name}: {samples[0].problem}"
        )
    if plan.limit is None or plan.data in GENERATED:
        return samples
    random.Random(plan.seed).shuffle(good)
    keep = set(good[: plan.limit])
    return [sample for n, sample in enumerate(samples) if n in keep or sample.problem]


def _first_input(samples: list[Sample], preprocessing: Preprocessing) -> Tensor:
    """The first picture that can be read, as the network gets it."""
    reasons = []
    for sample in samples:
        try:
            if not sample.problem:
                return preprocessed(sample.read(), preprocessing).x
            reasons.append(f"{sample.name}: {sample.problem}")
        except ValueError as error:
            reasons.append(f"{sample.name}: {error}")
    raise ValueError(f"none of the pictures can be read. The first: {reasons[0]}")


def _layer(plan: Plan, found: Network, x: Tensor) -> str:
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
        split(found.model, layer)[0](x)  # refuses a layer that gives no map
    return layer


def unique(names: Iterable[str]) -> list[str]:
    """Each name once, in the order of their first appearance."""
    return list(dict.fromkeys(names))
