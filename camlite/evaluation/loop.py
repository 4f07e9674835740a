"""The loop over samples and methods: a map, its metrics, a row on the disk."""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from camlite import metrics as measuring
from camlite.cutting.running import whole
from camlite.evaluation.dataset import Sample
from camlite.evaluation.measures import METRICS, Case
from camlite.evaluation.plan import Run
from camlite.evaluation.preprocessing import ModelInput, preprocessed
from camlite.evaluation.store import Row, RowFile, RowKey, read_rows
from camlite.maps import constant
from camlite.methods.cards import METHODS
from camlite.nets import DiFull
from camlite.perturb import at_once
from camlite.scores import chosen


def measure_missing(run: Run, progress: bool = True) -> None:
    """Make the rows that are missing: this process's share of them."""
    done = read_rows(run.parts)
    missing = [sample for sample in run.samples if _missing(sample, done, run)]
    mine = missing[run.group.rank :: run.group.world_size]
    rows = sum(len(_missing(sample, done, run)) for sample in mine)
    run.group.barrier()  # nobody appends before all have read
    bar = tqdm(
        total=rows,
        unit="map",
        disable=not (progress and run.group.is_main),
        desc=f"{len(mine)} pictures",
        mininterval=0.5 if sys.stderr.isatty() else 60,
    )
    with RowFile(run.parts, run.group.rank) as file, bar:
        for sample in mine:
            methods = _missing(sample, done, run)
            try:
                shown = _on_device(sample, run)
                c, facts = _explained(sample, shown, run)
            except Exception as error:
                _raise_if_fatal(error)
                problem = _problem(sample, "", error)
                known = done.get((sample.name, sample.label, ""))  # from an earlier start
                if known != problem:
                    file.append_row(problem)
                bar.update(len(methods))
                continue
            for method in methods:
                bar.set_postfix_str(f"{sample.name} {method}", refresh=False)
                file.append_row(_row(sample, shown, method, c, facts, run))
                bar.update()


def _raise_if_fatal(error: Exception) -> None:
    """One picture must not end a run of days; but a machine that fails would fail for all."""
    of_the_machine = isinstance(error, torch.OutOfMemoryError) or any(
        name in str(error) for name in ("CUDA", "CUBLAS", "CUDNN")
    )
    if of_the_machine or not isinstance(error, (ValueError, RuntimeError)):
        raise error


def _missing(sample: Sample, done: Mapping[Any, Row], run: Run) -> list[str]:
    """The methods without a row that has all metrics. Rows with a problem are tried again."""

    def there(method: str) -> bool:
        row = done.get((sample.name, sample.label, method))
        return row is not None and not row["problem"] and set(run.metrics) <= set(row["metrics"])

    return [method for method in run.methods if not there(method)]


def _on_device(sample: Sample, run: Run) -> ModelInput:
    """The picture, as the network gets it, where the network is."""
    if sample.problem:
        raise ValueError(sample.problem)
    here = preprocessed(sample.read(), run.network.preprocessing)
    device = run.group.device
    without = None if here.without is None else here.without.to(device)
    return replace(here, x=here.x.to(device), without=without)


def _explained(sample: Sample, shown: ModelInput, run: Run) -> tuple[Tensor, dict[str, Any]]:
    """The class that is explained, (1,), and what the network says about the picture."""
    logits = whole(run.fused)(shown.x)
    predicted = chosen(logits, None)
    c = predicted if run.plan.target == "predicted" else chosen(logits, sample.label)
    assert isinstance(predicted, Tensor)
    assert isinstance(c, Tensor)
    return c, {"predicted": int(predicted), "explained": int(c)}


def _row(
    sample: Sample, shown: ModelInput, method: str, c: Tensor, facts: dict[str, Any], run: Run
) -> Row:
    """One method on one picture: the map, then all metrics."""
    seed = _seed(run.plan.seed, sample)
    begin = _now(run)
    try:
        L = map_of(method, run, shown.x, c, seed)
        made = _now(run)
        if sample in run.examples:
            _keep_map(run, sample, method, L)
        case = Case(
            run.fused,
            shown,
            c,
            L,
            lambda x: map_of(method, run, x, c, seed),
            run.plan.protocol,
            at_once(shown.x, run.plan.batch_size),
            seed,
        )
        values, notes = measured(case, run.metrics)
    except Exception as error:
        _raise_if_fatal(error)
        return _problem(sample, method, error)
    return {
        "file": sample.name,
        "class_index": sample.label,
        "method": method,
        **facts,
        **values,
        "blank": int(constant(L)),
        "metrics": list(run.metrics),
        "notes": notes,
        "problem": "",
        "seconds": round(made - begin, 4),
        "seconds_metrics": round(_now(run) - made, 4),
    }


def _now(run: Run) -> float:
    """Seconds; a GPU works on after the call returns, so wait for it."""
    if run.group.device.type == "cuda":
        torch.cuda.synchronize(run.group.device)
    return time.perf_counter()


def measured(case: Case, names: tuple[str, ...]) -> tuple[dict[str, float], dict[str, str]]:
    """The raw numbers of all metrics, and why some have none."""
    values: dict[str, float] = {}
    notes: dict[str, str] = {}
    for name in names:
        needs = METRICS[name].needs
        known = getattr(case.input, needs) if needs else None
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


def map_of(method: str, run: Run, x: Tensor, c: Tensor, seed: int) -> Tensor:
    """The map (1, h, w) ≥ 0 of a method or a floor; a picture always gets the same chance."""
    if method not in METHODS:
        floor = {"fake_cam": measuring.fake_cam, "sobel_edges": measuring.sobel_edges}[method]
        return floor(x)
    card = METHODS[method]
    options = dict(run.plan.options.get(method, {}))
    if "generator" in card.options:
        options["generator"] = torch.Generator().manual_seed(seed)
    model = run.network.model
    if isinstance(model, DiFull) and len(model.heads) > 1:
        classes = len(run.network.categories) // len(model.heads)
        model, c = _own_head(model, int(c) // classes), c % classes
    return card.evidence(model, run.layer, x, c, **options)


def _own_head(model: DiFull, cell: int) -> DiFull:
    """The network with this cell's head alone: a softmax over all of them would mix the cells."""
    return DiFull(model.features.network, model.head, model.cells, cell).eval()


def _seed(seed: int, sample: Sample) -> int:
    text = f"{seed} {sample.name} {sample.label}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def _problem(sample: Sample, method: str, error: Exception) -> Row:
    return {
        "file": sample.name,
        "class_index": sample.label,
        "method": method,
        "problem": " ".join(str(error).split()),
    }


def _keep_map(run: Run, sample: Sample, method: str, L: Tensor) -> None:
    """Maps of the first pictures are kept for the figure; a kill leaves no half of one."""
    path = map_file(run, sample, method)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npy")
    np.save(partial, L[0].cpu().numpy().astype(np.float32))
    partial.replace(path)


def map_file(run: Run, sample: Sample, method: str) -> Path:
    """Where the map of an example is kept."""
    name = hashlib.sha256(f"{sample.name} {sample.label}".encode()).hexdigest()[:12]
    return run.parts / "maps" / f"{name}-{method}.npy"


def finished(run: Run, rows: dict[RowKey, Row], method: str) -> list[Row]:
    """The rows of a method for the pictures of this run: the folder may hold more."""
    found = (rows.get((sample.name, sample.label, method)) for sample in run.samples)
    return [row for row in found if row is not None and not row["problem"]]
