"""Train the networks of the boxes: `python datasets/train_boxes.py`.

All learn from the same kind of scenes as `pond_repaired`, with the same recipe:

- `pond_gap_1`, `pond_gap_2`: GAP, two more seeds (`pond_repaired` is seed 0);
- `pond_gmp_0`, `_1`, `_2`: the same networks with GMP, the largest value instead of the mean;
- `pond_rival`: seed 0 once more, but the true boxes are shown to it too (`BoxNet`).

The weights of the last epoch are kept, in half precision, so that the files are small. The numbers
in the `.json` are those of the saved weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from camlite import data
from camlite.boxes import bounding_boxes
from camlite.maps import up
from camlite.methods import grad_cam
from camlite.metrics import localization_error
from camlite.nets import BoxNet, SceneNet, accuracy, bundled, count_parameters, fit

HERE = Path(__file__).parent
COUNT, TEST_COUNT, TEST_SEED, EPOCHS, RATE = 1000, 300, 100, 12, 1e-2
WEIGHT_OF_BOXES = 20.0  # the error of a box is a small number beside a cross entropy


def true_boxes(scenes: Any) -> Tensor:
    """The boxes around the objects, (N, 4): known, because the scenes are drawn."""
    return bounding_boxes(scenes.object_mask.float(), threshold=0.5)


def fit_with_boxes(model: BoxNet, images: Tensor, labels: Tensor, boxes: Tensor, seed: int) -> None:
    """The recipe of `nets.fit`, with the error of the box added to the cross entropy."""
    generator = torch.Generator().manual_seed(seed)
    steps = EPOCHS * -(-len(images) // 32)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    shares = boxes.float() / images.shape[-1]
    model.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images), generator=generator).split(32):
            F = model.features(images[batch])
            loss = nn.functional.cross_entropy(model.classifier(F.mean((2, 3))), labels[batch])
            off = nn.functional.l1_loss(model.localizer(F), shares[batch])
            optimizer.zero_grad()
            (loss + WEIGHT_OF_BOXES * off).backward()
            optimizer.step()
            schedule.step()
    model.eval()


def trained(name: str) -> SceneNet:
    """The network of this name, in eval mode."""
    seed = 0 if name == "pond_rival" else int(name[-1])
    scenes = data.scenes("pond", "varied", count=COUNT, seed=seed)
    torch.manual_seed(seed)
    if name == "pond_rival":
        rival = BoxNet()
        fit_with_boxes(rival, scenes.images, scenes.labels, true_boxes(scenes), seed)
        return rival
    model = SceneNet(pooling="max" if "gmp" in name else "mean")
    fit(model, scenes.images, scenes.labels, epochs=EPOCHS, rate=RATE, seed=seed)
    return model


@torch.no_grad()
def boxes_of(model: SceneNet, images: Tensor, labels: Tensor) -> Tensor:
    """The boxes (N, 4): of the rival's second head, of the others by the 20 % rule of the map."""
    if isinstance(model, BoxNet):
        return model.boxes(images).round().clamp(0, images.shape[-1]).long()
    with torch.enable_grad():
        maps = grad_cam(model, "features", images, labels, relu=False)  # CAM, divided by Z
    return bounding_boxes(up(maps, images.shape[-2:]))


def save(name: str) -> None:
    """Train, save in half precision, and write beside it what a reader must know."""
    path = HERE / f"{name}.pt"
    weights = trained(name).state_dict()
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in weights.items()}, path)
    model = bundled(name)
    test = data.scenes("pond", "varied", count=TEST_COUNT, seed=TEST_SEED)
    boxes = boxes_of(model, test.images, test.labels)
    seed = 0 if name == "pond_rival" else int(name[-1])
    facts = {
        "network": f"{type(model).__name__}, {model.pooling} pooling, "
        f"{count_parameters(model):,} parameters, saved in half precision",
        "data": f'data.scenes("pond", "varied", count={COUNT}, seed={seed})'
        + (", with the true boxes" if name == "pond_rival" else ""),
        "recipe": f"Adam, batch 32, one cycle of the learning rate up to {RATE}, {EPOCHS} epochs"
        + (
            f"; cross entropy + {WEIGHT_OF_BOXES:g} · L1 of the box" if name == "pond_rival" else ""
        ),
        "seed": seed,
        "test_data": f'data.scenes("pond", "varied", count={TEST_COUNT}, seed={TEST_SEED})',
        "test_accuracy": round(accuracy(model, test.images, test.labels), 4),
        "localization_error_known_class": round(
            localization_error(boxes, true_boxes(test), test.labels, test.labels), 2
        ),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(path.name, json.dumps(facts, indent=1, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    for each in (
        *("pond_gap_1", "pond_gap_2"),
        *("pond_gmp_0", "pond_gmp_1", "pond_gmp_2"),
        "pond_rival",
    ):
        save(each)
