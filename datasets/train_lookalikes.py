"""Train the networks of the look-alikes: `python datasets/train_lookalikes.py`.

`lookalikes_0`, `_1` and `_2` differ in their seed, for images and weights alike. The weights of the
last epoch are kept, in half precision, so that the files are small. The numbers in the `.json` are
those of the saved weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from camlite import data
from camlite.nets import SceneNet, accuracy, bundled, count_parameters, fit

HERE = Path(__file__).parent
COUNT, TEST_COUNT, TEST_SEED, EPOCHS, BATCH, RATE = 600, 200, 100, 14, 8, 5e-3


def save(seed: int) -> None:
    """Train, save in half precision, and write beside it what a reader must know."""
    path = HERE / f"lookalikes_{seed}.pt"
    learned = data.lookalikes(COUNT, seed=seed)
    torch.manual_seed(seed)
    model = SceneNet(classes=len(learned.class_names))
    recipe = {"epochs": EPOCHS, "rate": RATE, "batch_size": BATCH}
    fit(model, learned.images, learned.labels, **recipe, seed=seed)
    weights = model.state_dict()
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in weights.items()}, path)
    model = bundled(path.stem)
    test = data.lookalikes(TEST_COUNT, seed=TEST_SEED)
    facts = {
        "network": f"SceneNet, {count_parameters(model):,} parameters, saved in half precision",
        "data": f"data.lookalikes({COUNT}, seed={seed})",
        "recipe": f"Adam, batch {BATCH}, one cycle of the rate up to {RATE}, {EPOCHS} epochs",
        "seed": seed,
        "test_data": f"data.lookalikes({TEST_COUNT}, seed={TEST_SEED})",
        "test_accuracy": round(accuracy(model, test.images, test.labels), 4),
        "test_accuracy_with_the_other_mark": round(
            accuracy(model, test.swapped, test.labels ^ 1), 4
        ),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    print(path.name, json.dumps(facts, indent=1), flush=True)


if __name__ == "__main__":
    for each in (0, 1, 2):
        save(each)
