"""Train the networks of lesson 19: `python datasets/train_beyond.py`.

`asked_0` … answer questions about pictures, `tokens_0` … are small vision transformers,
`printed_0` … find printed words; each from three starts. The weights of the last epoch are kept, in
half precision; the numbers in the `.json` are those of the saved weights.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from camlite import data
from camlite.nets import AskedNet, SceneNet, TinyViT, accuracy, bundled, count_parameters, fit

HERE = Path(__file__).parent
TEST_SEED = 100


class _Questions(nn.Module):
    """For `fit`, which gives one input: the question stands in one more channel of the picture."""

    def __init__(self, net: AskedNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, both: Tensor) -> Tensor:
        return self.net(both[:, :3], both[:, 3, 0, 0].long())


def asked(seed: int) -> tuple[nn.Module, dict]:
    """The colour of the disc, or of the cross, in pictures that have both."""
    scenes = data.shapes(2000, seed=0, kinds=2)
    questions = torch.arange(2000) % 2
    channel = questions[:, None, None, None].expand(-1, 1, 24, 24)
    net = AskedNet()
    X = torch.cat([scenes.images, channel.float()], 1)
    fit(_Questions(net), X, scenes.colours[range(2000), questions], epochs=12, seed=seed)
    return net, {"data": "data.shapes(2000, seed=0, kinds=2)", "epochs": 12}


def tokens(seed: int) -> tuple[nn.Module, dict]:
    """Which shapes are there? One in half of the pictures, two in the others, each a half then."""
    one, two = data.shapes(1500, seed=0, shown=1), data.shapes(1500, seed=1, shown=2)
    net = TinyViT()
    targets = torch.cat([one.shown / 1, two.shown / 2])
    fit(net, torch.cat([one.images, two.images]), targets, epochs=16, rate=4e-3, seed=seed)
    return net, {
        "data": "data.shapes(1500, seed=0, shown=1), (1500, seed=1, shown=2)",
        "epochs": 16,
    }


def printed(seed: int) -> tuple[nn.Module, dict]:
    """Is there a printed word?"""
    words = data.printed_words(2000, seed=0)
    net = SceneNet(classes=2)
    fit(net, words.images, words.labels, epochs=12, seed=seed)
    return net, {"data": "data.printed_words(2000, seed=0)", "epochs": 12}


@torch.no_grad()
def tested(name: str) -> dict:
    """How many answers of the saved network are right."""
    model = bundled(name)
    if name.startswith("asked"):
        scenes = data.shapes(300, seed=TEST_SEED, kinds=2)
        right = [
            (model(scenes.images, torch.full((300,), q)).argmax(1) == scenes.colours[:, q]).float()
            for q in (0, 1)
        ]
        return {"test_accuracy": round(float(torch.cat(right).mean()), 4)}
    if name.startswith("tokens"):
        one = data.shapes(300, seed=TEST_SEED, shown=1)
        two = data.shapes(300, seed=TEST_SEED + 1, shown=2)
        top = model(two.images).argsort(1, descending=True)[:, :2]
        return {
            "test_accuracy": accuracy(model, one.images, one.shown.int().argmax(1)),
            "both_of_two_shapes": round(float(two.shown.gather(1, top).all(1).float().mean()), 4),
        }
    words = data.printed_words(300, seed=TEST_SEED)
    return {"test_accuracy": round(accuracy(model, words.images, words.labels), 4)}


def save(make, seed: int) -> None:
    """Train, save in half precision, and write beside it what a reader must know."""
    path = HERE / f"{make.__name__}_{seed}.pt"
    torch.manual_seed(seed)
    model, facts = make(seed)
    weights = model.state_dict()
    torch.save({k: v.half() if v.is_floating_point() else v for k, v in weights.items()}, path)
    size = f"{count_parameters(model):,} parameters, saved in half precision"
    facts = {
        "network": f"{type(model).__name__}, {size}",
        **facts,
        "recipe": "camlite.nets.fit: Adam, batch 32, one cycle of the learning rate",
        "seed": seed,
        "test_seed": TEST_SEED,
        **tested(path.stem),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(path.name, facts, flush=True)


if __name__ == "__main__":
    for each in (asked, tokens, printed):
        for start in range(3):
            save(each, start)
