"""Train six small networks that differ in their heads: `python datasets/train_heads.py`.

`python datasets/train_heads.py gmp_linear` trains one of them and leaves the others as they are.

They learn scikit-learn's digits, enlarged from 8×8 to 14×14 and laid somewhere on a black image of
28×28. Two digits fit on one image then, and we may ask the networks for either of them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from camlite import data
from camlite.nets import HeadNet, accuracy, count_parameters, fit

HERE = Path(__file__).parent
COPIES, EPOCHS, RATE = 6, 10, 5e-3


def somewhere(images: Tensor, seed: int) -> Tensor:
    """Digits (N, 1, 8, 8), each 14×14 somewhere on a black image: (N, 1, 28, 28)."""
    g = torch.Generator().manual_seed(seed)
    small = interpolate(images, size=(14, 14), mode="bilinear", align_corners=False)
    out = torch.zeros(len(images), 1, 28, 28)
    corners = torch.randint(0, 15, (len(images), 2), generator=g).tolist()
    for canvas, digit, (y, x) in zip(out, small, corners, strict=True):
        canvas[:, y : y + 14, x : x + 14] = digit
    return out


def train(head: str, seed: int = 0) -> None:
    """Train one network; write its weights and, beside them, what a reader must know."""
    images, labels = data.digits(train=True)
    learn = somewhere(images.repeat(COPIES, 1, 1, 1), seed), labels.repeat(COPIES)
    test_images, test_labels = data.digits(train=False)
    test = somewhere(test_images, seed + 1), test_labels
    torch.manual_seed(seed)
    model = HeadNet(head)
    fit(model, *learn, epochs=EPOCHS, rate=RATE, seed=seed, batch_size=64)
    path = HERE / f"heads_{head}.pt"
    torch.save(model.state_dict(), path)
    facts = {
        "network": f"HeadNet({head!r}), {count_parameters(model):,} parameters",
        "data": "scikit-learn digits, 8×8 enlarged to 14×14, somewhere on a black 28×28",
        "recipe": f"Adam, batch 64, one cycle of the learning rate up to {RATE:g}, {EPOCHS} "
        f"epochs, each digit at {COPIES} random places",
        "seed": seed,
        "test_accuracy": round(accuracy(model, *test), 4),
        "test_images": len(test_labels),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(facts, indent=1, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or HeadNet.ALL_HEADS:
        train(name)
