"""The rows: every method on every picture, one after the other."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from camlite import metrics as measuring
from camlite.cutting.running import whole
from camlite.evaluation.items import Item
from camlite.evaluation.measures import METRICS, Case
from camlite.evaluation.plan import Job
from camlite.evaluation.store import RowFile, Stored, read_rows
from camlite.evaluation.subject import Example, example
from camlite.maps import constant
from camlite.methods.cards import METHODS
from camlite.perturb import at_once
from camlite.scores import chosen


def work(job: Job, progress: bool = True) -> None:
    """This process's share of the rows that are missing."""
    done = read_rows(job.parts)
    missing = [item for item in job.items if _missing(item, done, job)]
    mine = missing[job.we.rank :: job.we.size]
    rows = sum(len(_missing(item, done, job)) for item in mine)
    job.we.meet()  # nobody appends before all have read
    bar = tqdm(
        total=rows,
        unit="map",
        disable=not (progress and job.we.leads),
        desc=f"{len(mine)} pictures",
        mininterval=0.5 if sys.stderr.isatty() else 60,
    )
    with RowFile(job.parts, job.we.rank) as file, bar:
        for item in mine:
            methods = _missing(item, done, job)
            try:
                shown = _on_device(item, job)
                c, facts = _explained(item, shown, job)
            except Exception as error:
                _unless_fatal(error)
                problem = _problem(item, "", error)
                if done.get((item.name, item.label, "")) != problem:  # known from an earlier start
                    file.append(problem)
                bar.update(len(methods))
                continue
            for method in methods:
                bar.set_postfix_str(f"{item.name} {method}", refresh=False)
                file.append(_row(item, shown, method, c, facts, job))
                bar.update()


def _unless_fatal(error: Exception) -> None:
    """One picture must not end a run of days; but a machine that fails would fail for all."""
    of_the_machine = isinstance(error, torch.OutOfMemoryError) or any(
        name in str(error) for name in ("CUDA", "CUBLAS", "CUDNN")
    )
    if of_the_machine or not isinstance(error, (ValueError, RuntimeError)):
        raise error


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


def _explained(item: Item, shown: Example, job: Job) -> tuple[Tensor, dict[str, Any]]:
    """The class that is explained, (1,), and what the network says about the picture."""
    logits = whole(job.quick)(shown.x)
    predicted = chosen(logits, None)
    c = predicted if job.plan.target == "predicted" else chosen(logits, item.label)
    assert isinstance(predicted, Tensor)
    assert isinstance(c, Tensor)
    return c, {"predicted": int(predicted), "explained": int(c)}


def _row(
    item: Item, shown: Example, method: str, c: Tensor, facts: dict[str, Any], job: Job
) -> Stored:
    """One method on one picture: the map, then all metrics."""
    seed = _seed(job.plan.seed, item)
    begin = _now(job)
    try:
        L = map_of(method, job, shown.x, c, seed)
        made = _now(job)
        if item in job.examples:
            _keep_map(job, item, method, L)
        case = Case(
            job.quick,
            shown,
            c,
            L,
            lambda x: map_of(method, job, x, c, seed),
            job.plan.protocol,
            at_once(shown.x, job.plan.batch_size),
            seed,
        )
        values, notes = measured(case, job.metrics)
    except Exception as error:
        _unless_fatal(error)
        return _problem(item, method, error)
    return {
        "file": item.name,
        "class_index": item.label,
        "method": method,
        **facts,
        **values,
        "blank": int(constant(L)),
        "metrics": list(job.metrics),
        "notes": notes,
        "problem": "",
        "seconds": round(made - begin, 4),
        "seconds_metrics": round(_now(job) - made, 4),
    }


def _now(job: Job) -> float:
    """Seconds; a GPU works on after the call returns, so wait for it."""
    if job.we.device.type == "cuda":
        torch.cuda.synchronize(job.we.device)
    return time.perf_counter()


def measured(case: Case, names: tuple[str, ...]) -> tuple[dict[str, float], dict[str, str]]:
    """The raw numbers of all metrics, and why some have none."""
    values: dict[str, float] = {}
    notes: dict[str, str] = {}
    where = {"mask": case.example.mask, "boxes": case.example.boxes}
    for name in names:
        needs = METRICS[name].needs
        known = where[needs] if needs else None
        if needs and (known is None or not bool(known.any())):
            notes[name] = (
                "no object is annotated"
                if known is None
                else "the annotated object is empty, or outside the square that is used"
            )
            continue
        try:
            found = METRICS[name].measure(case)
        except ValueError as error:  # the other metrics may still have a value
            notes[name] = str(error)
            continue
        if all(math.isfinite(value) for value in found.values()):
            values |= found
        else:
            notes[name] = "the measured value is not finite"
    return values, notes


def map_of(method: str, job: Job, x: Tensor, c: Tensor, seed: int) -> Tensor:
    """The map (1, h, w) ≥ 0 of a method or a floor; a picture always gets the same chance."""
    if method not in METHODS:
        floor = {"fake_cam": measuring.fake_cam, "sobel_edges": measuring.sobel_edges}[method]
        return floor(x)
    card = METHODS[method]
    options = dict(job.plan.options.get(method, {}))
    if "generator" in card.options:
        options["generator"] = torch.Generator().manual_seed(seed)
    return card.evidence(job.subject.model, job.layer, x, c, **options)


def _seed(seed: int, item: Item) -> int:
    text = f"{seed} {item.name} {item.label}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _problem(item: Item, method: str, error: Exception) -> Stored:
    return {
        "file": item.name,
        "class_index": item.label,
        "method": method,
        "problem": " ".join(str(error).split()),
    }


def _keep_map(job: Job, item: Item, method: str, L: Tensor) -> None:
    """Maps of the first pictures are kept for the figure; a kill leaves no half of one."""
    path = map_file(job, item, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npy")
    np.save(partial, L[0].cpu().numpy().astype(np.float32))
    partial.replace(path)


def map_file(job: Job, item: Item, method: str) -> Path:
    """Where the map of an example is kept."""
    name = hashlib.sha256(f"{item.name} {item.label}".encode()).hexdigest()[:12]
    return job.parts / "maps" / f"{name}-{method}.npy"
