"""Folders of image files with classes, masks and boxes, as samples.

What is wrong with one file becomes a sample with a problem; what is wrong with the folder as a
whole is a ValueError.
"""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from camlite import data
from camlite.data.files import PHOTO_TYPES
from camlite.evaluation.dataset import GENERATED, AnnotatedImage, Dataset, Sample


def require_folder(folder: Path) -> None:
    """ValueError unless there is such a folder."""
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is no folder: give a folder with labels.csv, a folder of class "
            f"folders, or one of {', '.join(GENERATED)}"
        )


def from_folder(
    folder: Path,
    categories: Sequence[str],
    masks: Path | None = None,
    boxes: Path | None = None,
    classes: Path | None = None,
) -> Dataset:
    """The samples of a folder, sorted by name.

    What does not fit becomes a sample with a problem. `categories` are the network's classes.
    Raises ValueError where the folder as a whole cannot be understood.
    """
    require_folder(folder)
    table = folder / "labels.csv"
    if table.exists():
        masks = masks or _if_there(folder / "masks")
        boxes = boxes or _if_there(folder / "boxes.csv")
        if classes is not None:
            raise ValueError(
                f"{table} already names the class of each picture: leave "
                "--class-table out, or remove that file"
            )
        found = _labelled_by_table(folder, table, len(categories), masks)
    else:
        found = _labelled_by_folders(folder, categories, classes, masks)
    if not found:
        raise ValueError(f"{folder} holds no pictures ({', '.join(sorted(PHOTO_TYPES))})")
    _require_folder(masks)
    of_file = _read_boxes(boxes) if boxes else {}
    unknown = sorted(set(of_file) - {name for name, _, _ in found})
    samples = [
        Sample(
            name, label, functools.partial(_read, folder, name, masks, of_file.get(name)), problem
        )
        for name, label, problem in found
    ]
    nothing = functools.partial(_read, folder, "", None, None)
    samples += [
        Sample(
            name,
            None,
            nothing,
            f"{boxes.name if boxes else ''} names it, but it is no picture of the data set",
        )
        for name in unknown
    ]
    samples.sort(key=lambda sample: (sample.name, sample.label is None, sample.label or 0))
    annotated = masks is not None or boxes is not None
    return Dataset(samples, annotated, _checksum(folder, samples, masks, boxes))


def _checksum(folder: Path, samples: list[Sample], masks: Path | None, boxes: Path | None) -> str:
    """Changes with names, labels, masks and boxes, and with the pictures' sizes in bytes."""
    listed = [
        f"{sample.name},{sample.label},{(folder / sample.name).stat().st_size}"
        for sample in samples
        if not sample.problem
    ]
    files = sorted(p for p in masks.rglob("*") if p.is_file()) if masks else []
    listed += [f"{path.name},{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files]
    listed += [boxes.read_text(encoding="utf-8", errors="replace")] if boxes else []
    return hashlib.sha256("\n".join(listed).encode(errors="surrogateescape")).hexdigest()[:16]


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _require_folder(masks: Path | None) -> None:
    if masks is not None and not masks.is_dir():
        raise ValueError(f"masks: {masks} is no folder")


Found = tuple[str, int | None, str]  # name, class, problem


def _labelled_by_table(folder: Path, table: Path, classes: int, masks: Path | None) -> list[Found]:
    rows = _csv(table, ("file", "class_index"))
    found: dict[tuple[str, int | None], str] = {}
    for row in rows:
        name = row["file"]
        label, problem = _class_number(row["class_index"], classes)
        if not name:
            name, problem = table.name, "one of its rows has no file name"
        elif not (folder / name).is_file():
            problem = "labels.csv names it, but there is no such file"
        elif (name, label) in found:
            problem = problem or "labels.csv has it more than once"
        found[name, label] = problem
    listed = {row["file"] for row in rows}
    unlisted = [name for name in _pictures(folder, without=masks) if name not in listed]
    return [
        *((name, label, problem) for (name, label), problem in found.items()),
        *((name, None, "labels.csv does not name it") for name in unlisted),
    ]


def _labelled_by_folders(
    folder: Path, categories: Sequence[str], classes: Path | None, masks: Path | None
) -> list[Found]:
    inside = sorted(
        (
            p
            for p in folder.iterdir()
            if p.is_dir() and not p.name.startswith(".") and _within(folder, masks) != Path(p.name)
        ),
        key=lambda p: p.name,
    )
    if not inside:
        raise ValueError(
            f"{folder} has neither labels.csv (columns file, class_index) nor one "
            "folder for each class"
        )
    numbers = _folder_classes([p.name for p in inside], categories, classes)
    loose = sorted(p.name for p in folder.iterdir() if _is_picture(p))
    found: list[Found] = [(name, None, "it lies in no class folder") for name in loose]
    for one in inside:
        names = [f"{one.name}/{name}" for name in _pictures(one, without=masks)]
        found += [(name, numbers[one.name], "") for name in names]
    return found


def _folder_classes(
    names: list[str], categories: Sequence[str], classes: Path | None
) -> dict[str, int]:
    """The class number of each folder: from a table, its number, its class name, or its place."""
    if classes is not None:
        rows = _csv(classes, ("folder", "class_index"))
        table = {row["folder"]: row["class_index"] for row in rows}
        missing = [name for name in names if name not in table]
        if missing:
            raise ValueError(f"{classes} has no row for the folder {missing[0]!r}")
        numbers = {name: _class_number(table[name], len(categories)) for name in names}
        wrong = next(((n, why) for n, (_, why) in numbers.items() if why), None)
        if wrong:
            raise ValueError(f"{classes}: folder {wrong[0]!r}: {wrong[1]}")
        return {name: number for name, (number, _) in numbers.items() if number is not None}
    if all(name.isdecimal() and int(name) < len(categories) for name in names):
        return {name: int(name) for name in names}
    low = [c.lower().replace(" ", "_") for c in categories]
    plain = [name.lower().replace(" ", "_") for name in names]
    if all(low.count(name) == 1 for name in plain):
        return {name: low.index(p) for name, p in zip(names, plain, strict=True)}
    if len(names) == len(categories):
        return {name: place for place, name in enumerate(names)}  # as ImageFolder numbers them
    raise ValueError(
        f"the {len(names)} class folders ({', '.join(names[:3])}{' …' if len(names) > 3 else ''}) "
        f"are neither numbers nor names of the network's {len(categories)} classes, and there are "
        "not as many as classes: name each folder by its class number, or give "
        "--class-table FILE with the columns folder, class_index"
    )


def _class_number(text: str, classes: int) -> tuple[int | None, str]:
    if not text.strip().removeprefix("-").isdecimal():
        return None, f"class_index {text!r} is no whole number"
    if not 0 <= int(text) < classes:
        return None, f"class_index {int(text)} is out of range: the network has 0 to {classes - 1}"
    return int(text), ""


def _pictures(folder: Path, without: Path | None = None) -> list[str]:
    """All picture files below a folder, as names relative to it; nothing in hidden folders."""
    names = (p.relative_to(folder) for p in folder.rglob("*") if _is_picture(p))
    inner = _within(folder, without)
    return sorted(
        name.as_posix()
        for name in names
        if inner is None or inner not in name.parents
        if not any(part.startswith(".") for part in name.parts)
    )


def _is_picture(path: Path) -> bool:
    hidden = path.name.startswith(".")  # macOS leaves ._photo.jpg beside photo.jpg
    return path.suffix.lower() in PHOTO_TYPES and not hidden and path.is_file()


def _within(folder: Path, other: Path | None) -> Path | None:
    """`other` as a path inside the folder; None where it lies elsewhere."""
    if other is None or folder.resolve() not in other.resolve().parents:
        return None
    return other.resolve().relative_to(folder.resolve())


def _csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table that must have these columns."""
    if not path.is_file():
        raise ValueError(f"{path} does not exist: it should have the columns {', '.join(columns)}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            rows, heads = list(reader), reader.fieldnames or []
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{path} cannot be read as a table ({error}): save it as CSV with commas, in UTF-8"
        ) from None
    missing = [c for c in columns if c not in heads]
    if missing:
        raise ValueError(
            f"{path} lacks the column {missing[0]}: it should have "
            f"{', '.join(columns)}, and has {', '.join(heads) or 'nothing'}"
        )
    return [{c: (row[c] or "") for c in columns} for row in rows]


def _read_boxes(path: Path) -> dict[str, list[list[str]]]:
    """The boxes of each picture, as they are written: several rows for several objects."""
    sides = ("x0", "y0", "x1", "y1")
    of_file: dict[str, list[list[str]]] = {}
    for row in _csv(path, ("file", *sides)):
        of_file.setdefault(row["file"], []).append([row[side] for side in sides])
    return of_file


def _box(written: list[str], width: int, height: int) -> list[float]:
    """Pixels of the upright picture, half-open."""
    shown = f"its box ({', '.join(written)})"
    try:
        x0, y0, x1, y1 = (float(text) for text in written)
    except ValueError:
        raise ValueError(f"{shown} is wrong: four numbers x0, y0, x1, y1 are needed") from None
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
        raise ValueError(
            f"{shown} does not lie in the picture of {width}×{height}: "
            "0 ≤ x0 < x1 ≤ width and 0 ≤ y0 < y1 ≤ height are needed"
        )
    return [x0, y0, x1, y1]


def _read(
    folder: Path, name: str, masks: Path | None, boxes: list[list[str]] | None
) -> AnnotatedImage:
    try:
        image = data.load_image(folder / name)
    except ValueError as error:  # tables are passed on: without the path on this machine
        raise ValueError(str(error).replace(str(folder / name), name)) from None
    height, width = image.shape[2:]
    mask = _read_mask(masks, name) if masks is not None else None
    if mask is not None and mask.shape != (height, width):
        raise ValueError(
            f"its mask is {mask.shape[1]}×{mask.shape[0]} pixels, the picture {width}×{height}"
        )
    if boxes is None:
        return AnnotatedImage(image, mask)
    numbers = [_box(written, width, height) for written in boxes]
    return AnnotatedImage(image, mask, torch.tensor(numbers, dtype=torch.float64))


def _read_mask(masks: Path, name: str) -> Tensor | None:
    """(H, W) bool, true where the mask's picture is not black; None where there is none."""
    places = (masks / name, masks / PurePosixPath(name).with_suffix(".png"))
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        return None
    try:
        with Image.open(path) as file:
            values, dark = _brightness(file), 127 if file.format == "JPEG" else 0
    except Exception as error:  # a damaged file can fail in many ways
        raise ValueError(f"its mask {path.name} cannot be read ({error})") from None
    return torch.from_numpy(values > dark)  # a JPEG is not quite black around the object


def _brightness(file: Image.Image) -> np.ndarray:
    """(H, W): the largest of the colours; transparent parts are black."""
    if file.mode in ("1", "L", "F") or file.mode.startswith("I"):
        return np.asarray(file)
    black = Image.new("RGBA", file.size, "black")
    return np.asarray(Image.alpha_composite(black, file.convert("RGBA")))[..., :3].max(-1)
