"""Images from files: MNIST, scikit-learn's digits and photographs.

Nothing is downloaded behind your back. `CAMLITE_DATA` names a folder that is searched first,
then `datasets/downloads` in the repository; only then is the network tried.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from tqdm import tqdm

from camlite.errors import DataNotFound
from camlite.paths import DOWNLOADS

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
    named = os.environ.get("CAMLITE_DATA")
    return [Path(named), DOWNLOADS] if named else [DOWNLOADS]


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
        raise DataNotFound(
            f"{path} is not MNIST's {name}: wrong checksum. Delete it and try again."
        )
    return raw


def _download_mnist(name: str) -> Path:
    """Fetch one file into the last data folder; a broken download goes on where it stopped."""
    target = folders()[-1] / "MNIST" / "raw" / f"{name}.gz"
    partial = target.with_suffix(".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(MNIST_URL + target.name, partial)
    except OSError as error:
        raise DataNotFound(
            f"MNIST is not here and the download failed ({error}). Put {target.name} into "
            f"{target.parent}, or name a folder that has MNIST/raw/ in CAMLITE_DATA, "
            "or use camlite.data.digits(), which needs no download."
        ) from error
    try:
        whole = hashlib.sha256(gzip.decompress(partial.read_bytes())).hexdigest()
    except (OSError, EOFError):
        whole = "not a whole .gz file"
    if whole != MNIST_SHA256[name]:
        partial.unlink()
        raise DataNotFound(
            f"the download of {target.name} arrived damaged and was removed: try "
            "again, or use camlite.data.digits(), which needs no download."
        )
    partial.replace(target)
    return target


def _fetch(url: str, partial: Path) -> None:
    """Append to `partial` what is still missing of `url`."""
    have = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing any more
            return
        raise
    with answer:
        goes_on = answer.status == 206  # 200: the server sends the whole file
        size = int(answer.headers.get("Content-Length", 0)) + (have if goes_on else 0)
        bar = tqdm(
            total=size or None,
            initial=have if goes_on else 0,
            unit="B",
            unit_scale=True,
            desc=url.rsplit("/", 1)[-1],
            disable=None,
        )  # silent where no terminal is
        with partial.open("ab" if goes_on else "wb") as file, bar:
            while block := answer.read(1 << 16):
                file.write(block)
                bar.update(len(block))


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


def handwriting(train: bool = True, limit: int | None = None) -> tuple[Tensor, Tensor, str]:
    """Digits at 28×28 for the lessons: images (N, 1, 28, 28), labels (N,), and what they are.

    "mnist" where MNIST is at hand, else "digits": scikit-learn's, enlarged. Nothing is downloaded.
    The name is also the end of the bundled network's name: `nets.bundled("gapnet_" + name)`.
    """
    part = "train" if train else "t10k"
    wanted = [f"MNIST/raw/{part}-{what}-ubyte" for what in ("images-idx3", "labels-idx1")]
    if all(find(one) or find(one + ".gz") for one in wanted):
        return *mnist(train, limit), "mnist"
    images, labels = digits(train)
    return like_mnist(images[:limit]), labels[:limit], "digits"


def like_mnist(images: Tensor) -> Tensor:
    """scikit-learn's digits (N, 1, 8, 8) as MNIST has its own: 20×20 pixels in a frame of 28×28."""
    larger = torch.nn.functional.interpolate(images, size=(20, 20), mode="bilinear")
    return torch.nn.functional.pad(larger, (4, 4, 4, 4))


PHOTO_TYPES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}


def photos() -> dict[str, Tensor]:
    """Photographs by name, each (1, 3, H, W) in [0, 1], of different sizes.

    All pictures of the folder `photos/` in a data folder (see `CAMLITE_DATA`); where there is
    none, the sample photographs that come with scikit-learn ("china", "flower") and matplotlib
    ("grace_hopper"). Raises `DataNotFound` where these are missing too.
    """
    return {path.stem: load_image(path) for path in photo_files()}


def photo_files() -> list[Path]:
    """The files of `photos()`; at least one, or `DataNotFound`."""
    folder = find("photos")
    own = sorted(folder.iterdir()) if folder is not None and folder.is_dir() else []
    paths = [p for p in own if p.suffix.lower() in PHOTO_TYPES] or _sample_photos()
    if not paths:
        raise DataNotFound(
            "no photographs: put some into a folder photos/ and name the folder "
            "that holds it in the environment variable CAMLITE_DATA"
        )
    return paths


def _sample_photos() -> list[Path]:
    import matplotlib
    import sklearn.datasets

    images = Path(sklearn.datasets.__file__).parent / "images"
    samples = Path(matplotlib.get_data_path()) / "sample_data"
    wanted = [images / "china.jpg", images / "flower.jpg", samples / "grace_hopper.jpg"]
    return [path for path in wanted if path.exists()]


def load_image(path: str | Path) -> Tensor:
    """A picture file as (1, 3, H, W) RGB in [0, 1], upright as the camera held it.

    Grey, palette, CMYK and 16-bit pictures become RGB; transparent parts become white; of an
    animation the first frame is taken. Raises ValueError, in one line, where the file is missing
    or is no picture.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ValueError(f"{path} {what}: give the path of a picture file, such as photo.jpg")
    try:
        with Image.open(path) as image:
            rgb = _rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that Pillow can read: try JPEG or PNG") from None
    except Exception as error:  # a damaged file can fail in many ways
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is damaged or too large to read ({reason})") from None
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].contiguous()


def _rgb(image: Image.Image) -> np.ndarray:
    """Any mode of Pillow -> (H, W, 3) float32 in [0, 1]."""
    if image.mode.startswith("I") or image.mode == "F":  # 16 or 32 bits, one channel
        grey = np.asarray(image, dtype=np.float64)
        if not np.isfinite(grey).all():
            raise ValueError("it holds NaN or infinite values")
        top = 65535 if image.mode.startswith("I") and grey.max() <= 65535 else max(grey.max(), 1)
        grey = np.clip(grey / top, 0, 1).astype(np.float32)
        return np.repeat(grey[..., None], 3, axis=2)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"), dtype=np.float32) / 255
