"""Train the networks with four resolutions: `python datasets/train_ladder.py`.

`ladder_0`, `ladder_1` and `ladder_2` learn from the same scenes, from three starts. The weights of
the last epoch are kept, in half precision; the numbers in the `.json` are those of the saved
weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from camlite import data
from camlite.nets import LadderNet, accuracy, bundled, count_parameters, fit

HERE = Path(__file__).parent
COUNT, TEST_COUNT, TEST_SEED, EPOCHS, RATE = 1000, 300, 100, 12, 1e-2


def save(seed: int) -> None:
    """Train, save in half precision, and write beside it what a reader must know."""
    path = HERE / f"ladder_{seed}.pt"
    scenes = data.scenes("pond", "varied", count=COUNT, seed=0)
    torch.manual_seed(seed)
    model = LadderNet()
    fit(model, scenes.images, scenes.labels, epochs=EPOCHS, rate=RATE, seed=seed)
    weights = model.state_dict()
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in weights.items()}, path)
    model = bundled(path.stem)
    test = data.scenes("pond", "varied", count=TEST_COUNT, seed=TEST_SEED)
    facts = {
        "network": f"LadderNet, {count_parameters(model):,} parameters, saved in half precision",
        "data": f'data.scenes("pond", "varied", count={COUNT}, seed=0)',
        "recipe": f"Adam, batch 32, one cycle of the learning rate up to {RATE}, {EPOCHS} epochs",
        "seed": seed,
        "test_data": f'data.scenes("pond", "varied", count={TEST_COUNT}, seed={TEST_SEED})',
        "test_accuracy": round(accuracy(model, test.images, test.labels), 4),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(path.name, json.dumps(facts, indent=1, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    for each in range(3):
        save(each)
