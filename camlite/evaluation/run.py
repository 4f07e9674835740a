"""Goes through the pictures, the methods and the metrics, one row at a time."""

from __future__ import annotations

import ast
import hashlib
import inspect
import random
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from camlite import metrics as measuring
from camlite.cards import METHODS, find_card
from camlite.evaluation import items as sources
from camlite.evaluation.items import Item
from camlite.evaluation.measures import FAITHFULNESS, LOCALIZATION, METRICS, Case, Protocol
from camlite.evaluation.store import RowFile, Stored, claim, read_rows
from camlite.evaluation.subject import Example, Subject, example, fingerprint, subject
from camlite.evaluation.team import Team, team
from camlite.evidence import evidence, takes
from camlite.perturb import at_once, fused, one_of
from camlite.scores import chosen
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


def evaluate(plan: Plan, progress: bool = True) -> dict[str, Any]:
    """Measure all methods on all pictures; returns the summary, and writes it to `plan.out`.

    Goes on where an earlier run of the same plan stopped. Under torchrun the pictures are divided
    among the processes; only the leading one returns a summary. Raises ValueError for a plan that
    is not possible.
    """
    from camlite.evaluation.report import report

    with team(plan.device) as we:
        job = prepare(plan, we)
        if we.leads:
            claim(plan.out, job.settings, free=("methods", "metrics", "pictures"))
        we.meet()
        work(job, progress)
        we.meet()
        return report(job) if we.leads else {}


# ------------------------------------------------------------------ before the work


def prepare(plan: Plan, we: Team) -> Job:
    """Everything that can go wrong before the first map goes wrong here, with a ValueError."""
    one_of("target", plan.target, ("label", "predicted"))
    one_of("protocol", plan.protocol.curves, tuple(measuring.PROTOCOLS))
    methods = tuple(_unique(find_card(m).name for m in plan.methods)) or QUICK
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
        "data": plan.data,
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
        known = inspect.signature(METHODS[method].function).parameters
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


def _unique(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))


# ------------------------------------------------------------------ the work


def work(job: Job, progress: bool = True) -> None:
    """This process's share of the rows that are missing."""
    done = read_rows(job.parts)
    missing = [item for item in job.items if _missing(item, done, job)]
    mine = missing[job.we.rank :: job.we.size]
    rows = sum(len(_missing(item, done, job)) for item in mine)
    job.we.meet()  # nobody appends before all have read
    bar = tqdm(total=rows, unit="map", disable=not (progress and job.we.leads),
               desc=f"{len(mine)} pictures", mininterval=0.5 if sys.stderr.isatty() else 60)
    with RowFile(job.parts, job.we.rank) as file, bar:
        quick: nn.Module | None = None
        for item in mine:
            methods = _missing(item, done, job)
            try:
                shown = _on_device(item, job)
                quick = quick or fused(job.subject.model, shown.x)
                c, facts = _explained(item, shown, quick, job)
            except ValueError as error:
                file.append(_problem(item, "", error))
                bar.update(len(methods))
                continue
            for method in methods:
                bar.set_postfix_str(f"{item.name} {method}", refresh=False)
                file.append(_row(item, shown, method, c, facts, quick, job))
                bar.update()


def _missing(item: Item, done: Mapping[Any, Stored], job: Job) -> list[str]:
    """The methods without a row that has all metrics. Rows with a problem are tried again."""
    def there(method: str) -> bool:
        row = done.get((item.name, item.label, method))
        return row is not None and not row["problem"] and set(job.metrics) <= set(row["metrics"])

    return [method for method in job.methods if not there(method)]


def _on_device(item: Item, job: Job) -> Example:
    """The picture, as the network gets it, where the network is."""
    if item.problem:
        raise ValueError(item.problem)
    here = example(item.read(), job.subject.view)
    return Example(here.x.to(job.we.device), here.seen, here.mask, here.boxes)


def _explained(
    item: Item, shown: Example, quick: nn.Module, job: Job
) -> tuple[Tensor, dict[str, Any]]:
    """The class that is explained, (1,), and what the network says about the picture."""
    with torch.no_grad():
        logits = quick(shown.x)
    predicted = chosen(logits, None)
    c = predicted if job.plan.target == "predicted" else chosen(logits, item.label)
    assert isinstance(predicted, Tensor)
    assert isinstance(c, Tensor)
    return c, {"predicted": int(predicted), "explained": int(c)}


def _row(
    item: Item, shown: Example, method: str, c: Tensor, facts: dict[str, Any], quick: nn.Module,
    job: Job,
) -> Stored:
    """One method on one picture: the map, then all metrics."""
    seed = _seed(job.plan.seed, item)
    begin = time.perf_counter()
    try:
        L = map_of(method, job, shown.x, c, seed)
        made = time.perf_counter()
        if item in job.examples:
            _keep_map(job, item, method, L)
        case = Case(quick, shown, c, L, lambda x: map_of(method, job, x, c, seed),
                    job.plan.protocol, at_once(shown.x, job.plan.batch_size), seed)
        values, notes = measured(case, job.metrics)
    except ValueError as error:
        return _problem(item, method, error)
    return {
        "file": item.name, "class_index": item.label, "method": method, **facts, **values,
        "metrics": list(job.metrics), "note": "; ".join(notes), "problem": "",
        "seconds": round(made - begin, 4), "seconds_metrics": round(time.perf_counter() - made, 4),
    }


def measured(case: Case, names: tuple[str, ...]) -> tuple[dict[str, float], list[str]]:
    """The raw numbers of all metrics, and why some of them are missing."""
    values: dict[str, float] = {}
    notes: list[str] = []
    where = {"mask": case.example.mask, "boxes": case.example.boxes}
    for name in names:
        metric = METRICS[name]
        if metric.needs:
            known = where[metric.needs]
            if known is None or not bool(known.any()):
                notes.append("no object is annotated" if known is None else
                             "the annotated object is empty, or outside the square that is used")
                continue
        values |= metric.measure(case)
    return values, _unique(iter(notes))


def map_of(method: str, job: Job, x: Tensor, c: Tensor, seed: int) -> Tensor:
    """The map (1, h, w) ≥ 0 of a method or a floor; a picture always gets the same chance."""
    if method not in METHODS:
        floor = {"fake_cam": measuring.fake_cam, "sobel_edges": measuring.sobel_edges}[method]
        return floor(x)
    card = METHODS[method]
    options = dict(job.plan.options.get(method, {}))
    if takes(card, "generator"):
        options["generator"] = torch.Generator().manual_seed(seed)
    return evidence(card, job.subject.model, job.layer, x, c, **options)


def _seed(seed: int, item: Item) -> int:
    text = f"{seed} {item.name} {item.label}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _problem(item: Item, method: str, error: Exception) -> Stored:
    return {"file": item.name, "class_index": item.label, "method": method,
            "problem": " ".join(str(error).split())}


def _keep_map(job: Job, item: Item, method: str, L: Tensor) -> None:
    """Maps of the first pictures are kept for the figure."""
    path = map_file(job, item, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, L[0].cpu().numpy().astype(np.float32))


def map_file(job: Job, item: Item, method: str) -> Path:
    """Where the map of an example is kept."""
    name = hashlib.sha256(f"{item.name} {item.label}".encode()).hexdigest()[:12]
    return job.parts / "maps" / f"{name}-{method}.npy"
