"""Train GapNet on MNIST or on scikit-learn's digits: `python datasets/train_gapnet.py mnist`.

The recipe is the article's: Adam, batches of 32, nine tenths of the training images to learn
from and one tenth to validate with. The learning rate falls to zero along a cosine. The weights
of the last epoch are kept: no epoch is picked by its score. After every epoch the state is saved,
and the same command goes on from there. `--rounds 10 6` lets the rate fall twice: a second round
begins with the weights of the first and half its rate. `--start FILE` begins with other weights:
scikit-learn's digits are few, and GapNet, which has no normalisation, needs many steps to begin to
learn; with the MNIST weights as a start it needs a minute.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from camlite import data
from camlite.nets import GapNet, accuracy

HERE = Path(__file__).parent
DIGITS = "scikit-learn digits, 8×8 enlarged to 20×20 in a frame of 28×28"


def load(name: str) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
    """(train images, labels), (test images, labels), all at 28×28 in [0, 1]."""
    if name == "mnist":
        return data.mnist(train=True), data.mnist(train=False)
    train, test = data.digits(train=True), data.digits(train=False)
    return (data.like_mnist(train[0]), train[1]), (data.like_mnist(test[0]), test[1])


def train(name: str, rounds: list[int], seed: int, rate: float, begin: Path | None) -> None:
    torch.manual_seed(seed)
    (images, labels), test = load(name)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    cut = len(images) * 9 // 10
    learn, validation = order[:cut], (images[order[cut:]], labels[order[cut:]])
    model = GapNet().to(memory_format=torch.channels_last)
    if begin:
        model.load_state_dict(torch.load(begin, weights_only=True))
    for number, epochs in enumerate(rounds):
        checkpoint = HERE / "downloads" / f"gapnet_{name}_round{number + 1}_of_{epochs}.pt"
        fit(
            model,
            (images, labels),
            learn,
            validation,
            epochs,
            rate / 2**number,
            100 * seed + 50 * number,
            checkpoint,
        )
    report(name, model, validation, test, rounds, seed, rate, begin)


def fit(model, data, learn, validation, epochs, rate, seed, checkpoint) -> None:  # type: ignore[no-untyped-def]
    """One round: Adam, batches of 32, the rate falls along a cosine."""
    images, labels = data
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    start = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        start = saved["epoch"]
        for key, part in parts.items():
            part.load_state_dict(saved[key])
    for epoch in range(start, epochs):
        generator = torch.Generator().manual_seed(1000 * seed + epoch)
        shuffled = learn[torch.randperm(len(learn), generator=generator)]
        bar = tqdm(shuffled.split(32), desc=f"epoch {epoch + 1}/{epochs}", mininterval=10)
        for batch in bar:
            loss = cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        checkpoint.parent.mkdir(exist_ok=True)
        state = {key: part.state_dict() for key, part in parts.items()}
        torch.save({"epoch": epoch + 1, **state}, checkpoint)
        print(f"epoch {epoch + 1}: validation {accuracy(model, *validation):.4f}", flush=True)


def report(name, model, validation, test, rounds, seed, rate, begin) -> None:  # type: ignore[no-untyped-def]
    """Write the weights and, beside them, what a reader must know to trust them."""
    path = HERE / f"gapnet_{name}.pt"
    torch.save({k: v.contiguous() for k, v in model.state_dict().items()}, path)
    facts = {
        "network": "GapNet, 98,442 parameters",
        "data": {"mnist": "MNIST", "digits": DIGITS}[name],
        "recipe": "Adam, batch 32, cosine decay, "
        + ", then ".join(
            f"{epochs} epochs from {rate / 2**i:g}" for i, epochs in enumerate(rounds)
        ),
        "start": begin.name if begin else "random",
        "seed": seed,
        "validation_accuracy": round(accuracy(model, *validation), 4),
        "validation_images": len(validation[1]),
        "test_accuracy": round(accuracy(model, *test), 4),
        "test_images": len(test[1]),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(facts, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=["mnist", "digits"])
    parser.add_argument("--rounds", type=int, nargs="+", default=[10, 6], metavar="EPOCHS")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--start", type=Path, default=None, metavar="FILE")
    given = parser.parse_args()
    train(given.data, given.rounds, given.seed, given.rate, given.start)
