"""Images for the course: MNIST, scikit-learn's digits and photographs.

Nothing is downloaded behind your back. `CAMLITE_DATA` names a folder that is searched first,
then `datasets/downloads` in the repository; only then is the network tried.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import urllib.request
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from camlite.errors import DataNotFound

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
# sha256 of the unpacked files: a .gz of the same data may be packed in more than one way.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def folders() -> list[Path]:
    """Where data is looked for, in this order."""
    downloads = Path(__file__).resolve().parent.parent / "datasets" / "downloads"
    named = os.environ.get("CAMLITE_DATA")
    return [Path(named), downloads] if named else [downloads]


def find(relative: str) -> Path | None:
    """The first of the data folders that holds this file or folder."""
    return next((f / relative for f in folders() if (f / relative).exists()), None)


def mnist(train: bool = True, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """Handwritten digits: images (N, 1, 28, 28) float in [0, 1] and labels (N,).

    60,000 training or 10,000 test images; `limit` keeps the first ones. Raises `DataNotFound`
    where the files are neither at hand nor downloadable: use `digits()` then.

    Source: LeCun, Cortes, Burges, the MNIST database.
    """
    part = "train" if train else "t10k"
    images = torch.from_numpy(_read_idx(f"{part}-images-idx3-ubyte"))[:limit]
    labels = torch.from_numpy(_read_idx(f"{part}-labels-idx1-ubyte"))[:limit]
    return images[:, None].float() / 255, labels.long()


def _read_idx(name: str) -> np.ndarray:
    """An IDX file: two zero bytes, the type (8 = bytes), the rank, the sizes, then the numbers."""
    raw = _mnist_bytes(name)
    rank = raw[3]
    sizes = np.frombuffer(raw, ">i4", count=rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(sizes).copy()


def _mnist_bytes(name: str) -> bytes:
    path = find(f"MNIST/raw/{name}") or find(f"MNIST/raw/{name}.gz") or _download_mnist(name)
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError) as error:
        raise DataNotFound(f"{path} is damaged ({error}). Delete it and try again.") from error
    if hashlib.sha256(raw).hexdigest() != MNIST_SHA256[name]:
        raise DataNotFound(f"{path} is not MNIST's {name}: wrong checksum. Delete it and try again.")
    return raw


def _download_mnist(name: str) -> Path:
    target = folders()[-1] / "MNIST" / "raw" / f"{name}.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".part")
    try:
        urllib.request.urlretrieve(MNIST_URL + target.name, partial)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataNotFound(
            f"MNIST is not here and the download failed ({error}). Put {target.name} into "
            f"{target.parent}, or name a folder that has MNIST/raw/ in CAMLITE_DATA, "
            "or use camlite.data.digits(), which needs no download."
        ) from error
    partial.replace(target)
    return target


def digits(train: bool = True) -> tuple[Tensor, Tensor]:
    """scikit-learn's bundled 8×8 digits: images (N, 1, 8, 8) in [0, 1] and labels (N,).

    Every fifth image is a test image: 1,437 to learn from, 360 to test with. They need no
    download. Source: Alpaydin and Kaynak 1998, UCI Optical Recognition of Handwritten Digits.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(bunch.images).float()[:, None] / 16
    labels = torch.from_numpy(bunch.target).long()
    is_test = torch.arange(len(labels)) % 5 == 0
    keep = ~is_test if train else is_test
    return images[keep], labels[keep]
