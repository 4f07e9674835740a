"""Train the networks of the generated scenes: `python datasets/train_scenes.py`.

For the pond and for the railway two networks are trained, from the same start and with the same
recipe: "biased" on scenes where the object and its home background go together (95 %), "repaired"
on the same objects with every background equally likely, plain grey too. The weights of
the last epoch are kept.

`python datasets/train_scenes.py --seeds` trains all of them with five seeds instead, for images
and weights alike, keeps none, and writes the table into datasets/README.md.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import time
from pathlib import Path

import torch
from joblib import Parallel, delayed
from sklearn.metrics import roc_auc_score
from torch import nn

from camlite import data
from camlite.data.generated import Scenes
from camlite.maps import up
from camlite.methods import cam
from camlite.nets import SceneNet, accuracy, count_parameters, fit

HERE = Path(__file__).parent
SEEDS = [0, 1, 2, 3, 4]
COUNT, TEST_COUNT, EPOCHS, RATE = 1000, 300, 12, 1e-2
LEARN_FROM = {"biased": "train", "repaired": "varied"}
BEGIN, END = "<!-- five seeds: begin -->", "<!-- five seeds: end -->"


def train(kind: str, version: str, seed: int) -> SceneNet:
    """A network of `kind` "pond" or "rail", `version` "biased" or "repaired", in eval mode."""
    scenes = data.scenes(kind, LEARN_FROM[version], count=COUNT, seed=seed)
    torch.manual_seed(seed)
    model = SceneNet(classes=len(scenes.class_names))
    fit(model, scenes.images, scenes.labels, epochs=EPOCHS, rate=RATE, seed=seed)
    return model


def worst_group(model: nn.Module, *parts: Scenes) -> float:
    """The lowest accuracy of any pair of class and background."""
    groups = [(p, g) for p in parts for g in p.groups.unique()]
    return min(accuracy(model, p.images[p.groups == g], p.labels[p.groups == g]) for p, g in groups)


def energy(
    model: nn.Module, scenes: Scenes, target: torch.Tensor | None
) -> dict[str, torch.Tensor]:
    """Share of each map's positive evidence, Σ_mask L / Σ L, on the object and on the context."""
    L = up(cam(model, "features", scenes.images, target).relu(), scenes.images.shape[-2:])
    total = L.sum(dim=(1, 2)).clamp_min(1e-12)
    masks = {"object": scenes.object_mask, "context": scenes.context_mask}
    return {name: (L * mask).sum(dim=(1, 2)) / total for name, mask in masks.items()}


@torch.no_grad()
def maps_foretell(model: nn.Module, *parts: Scenes) -> float | None:
    """AUC of "the map of the predicted class lies on the object" for "the answer is right"."""
    right = torch.cat([model(p.images).argmax(1) == p.labels for p in parts])
    if right.all() or not right.any():
        return None  # nothing to tell apart
    inside = torch.cat([energy(model, p, None)["object"] for p in parts])
    return float(roc_auc_score(right, inside))


@functools.lru_cache(maxsize=8)
def test_scenes(kind: str, name: str, seed: int, count: int) -> Scenes:
    """Drawn once, used for both networks."""
    return data.scenes(kind, name, count=count, seed=seed)


def measure(model: nn.Module, kind: str, seed: int, count: int = TEST_COUNT) -> dict[str, float]:
    """What the lesson is about, in numbers; the test images come from the same seed's test part."""
    names = ("matched", "flipped", "background_only", "object_on_grey")
    parts = {name: test_scenes(kind, name, seed, count) for name in names}
    matched, flipped = parts["matched"], parts["flipped"]
    found = {f"{n}_accuracy": accuracy(model, p.images, p.labels) for n, p in parts.items()}
    found["worst_group_accuracy"] = worst_group(model, matched, flipped)
    share = energy(model, matched, matched.labels)
    found |= {f"energy_on_{name}": float(value.mean()) for name, value in share.items()}
    found["object_area"] = float(matched.object_mask.float().mean())
    foretold = maps_foretell(model, matched, flipped)
    found |= {} if foretold is None else {"maps_foretell_auc": foretold}
    return {name: round(value, 4) for name, value in found.items()}


def bundle(kind: str, version: str, seed: int) -> None:
    """Train, save, and write beside the weights what a reader must know to trust them."""
    model = train(kind, version, seed)
    path = HERE / f"{kind}_{version}.pt"
    torch.save({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    facts = {
        "network": f"SceneNet, {count_parameters(model):,} parameters",
        "data": f'data.scenes("{kind}", "{LEARN_FROM[version]}", count={COUNT}, seed={seed})',
        "recipe": f"Adam, batch 32, one cycle of the learning rate up to {RATE}, {EPOCHS} epochs",
        "seed": seed,
        "test_images": TEST_COUNT,
        **measure(model, kind, seed),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    print(path.name, json.dumps(facts, indent=1), flush=True)


COLUMNS = [
    "matched_accuracy",
    "flipped_accuracy",
    "worst_group_accuracy",
    "background_only_accuracy",
    "object_on_grey_accuracy",
    "energy_on_object",
    "energy_on_context",
    "object_area",
    "maps_foretell_auc",
]


def one_seed(kind: str, seed: int) -> list[list[str]]:
    """Rows of the table for one seed: the biased and the repaired network."""
    rows = []
    for version in LEARN_FROM:
        start = time.process_time()
        model = train(kind, version, seed)
        seconds = time.process_time() - start
        found = measure(model, kind, seed)
        cells = [f"{found[c]:.2f}" if c in found else "–" for c in COLUMNS]
        rows.append([kind, version, str(seed), *cells, f"{seconds:.0f}"])
        print(*rows[-1], flush=True)
    return rows


def five_seeds(jobs: int) -> None:
    """Write the table of all seeds into datasets/README.md, between its two marks."""
    work = [delayed(one_seed)(kind, seed) for kind in ("pond", "rail") for seed in SEEDS]
    done = Parallel(n_jobs=jobs, backend="multiprocessing")(work)
    rows = sorted(row for rows in done for row in rows)
    names = [c.replace("_accuracy", "").replace("_", " ") for c in COLUMNS]
    head = ["scenes", "network", "seed", *names, "CPU seconds"]
    lines = [" | ".join(row) for row in [head, ["---"] * len(head), *rows]]
    page = HERE / "README.md"
    text = page.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    table = "\n".join(f"| {line} |" for line in lines)
    page.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", action="store_true", help="five seeds, a table, no weights kept")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at the same time")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.seeds:
        five_seeds(given.jobs)
    else:
        for kind in ("pond", "rail"):
            for version in LEARN_FROM:
                bundle(kind, version, given.seed)
