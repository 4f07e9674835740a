"""Data sets of `camlite evaluate`: every bad input is one clear row, or one clear sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from camlite.evaluation.dataset import AnnotatedImage, Sample, generated
from camlite.evaluation.folders import from_folder
from camlite.evaluation.measures import default_metrics
from camlite.evaluation.network import bundled_names, fingerprint, load_network
from camlite.evaluation.preprocessing import Preprocessing, preprocessed

POND = ("frog", "bird", "fish", "turtle")


def picture(path: Path, size: tuple[int, int] = (48, 48), shade: int = 90) -> Path:
    """A picture of (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 120, 60)).save(path)
    return path


def square(path: Path, box: tuple[int, int, int, int], size: tuple[int, int] = (48, 48)) -> Path:
    """A mask that is white inside the box."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.new("L", size)
    mask.paste(255, box)
    mask.save(path)
    return path


def labels(folder: Path, *rows: str, head: str = "file,class_index") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return folder


def pond(tmp_path: Path) -> Path:
    """Two good pictures with labels."""
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    return labels(tmp_path, "a.png,0", "b.png,3")


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def samples(folder: Path, categories=POND, **options) -> list[Sample]:
    return from_folder(folder, categories, **options).samples


def found(folder: Path, categories=POND, **options) -> list[tuple[str, int | None, str]]:
    return [(i.name, i.label, i.problem) for i in samples(folder, categories, **options)]


def good(folder: Path, categories=POND, **options) -> dict[str, int | None]:
    listed = found(folder, categories, **options)
    assert not any(problem for _, _, problem in listed), listed
    return {name: label for name, label, _ in listed}


def covered(mask: torch.Tensor | None) -> tuple[int, ...]:
    """The box around a mask."""
    assert mask is not None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


# ------------------------------------------------------------------ a folder with labels.csv


def test_labels_name_the_class_of_each_picture(tmp_path):
    picture(tmp_path / "b.png", (30, 20), shade=255)
    picture(tmp_path / "deep" / "er" / "a.jpg")
    labels(tmp_path, "deep/er/a.jpg,3", "b.png,1")
    assert found(tmp_path) == [("b.png", 1, ""), ("deep/er/a.jpg", 3, "")]
    read = samples(tmp_path)[0].read()
    assert read.image.shape == (1, 3, 20, 30)
    assert float(read.image[0, 0].min()) == 1.0
    assert read.mask is None
    assert read.boxes is None


def test_the_checksum_changes_with_labels_masks_and_boxes(tmp_path):
    """A run must not go on with rows that were measured against other objects."""

    def sum_of(**options) -> str:
        return from_folder(pond(tmp_path / "data"), POND, **options).checksum

    plain = sum_of()
    assert sum_of() == plain
    square(tmp_path / "m" / "a.png", (1, 1, 9, 9))
    square(tmp_path / "k" / "a.png", (20, 3, 45, 40))
    boxes = table(tmp_path / "boxes.csv", "file,x0,y0,x1,y1\na.png,1,2,3,4\n")
    sums = [plain, sum_of(masks=tmp_path / "m"), sum_of(masks=tmp_path / "k"), sum_of(boxes=boxes)]
    table(boxes, "file,x0,y0,x1,y1\na.png,1,2,3,5\n")
    sums.append(sum_of(boxes=boxes))
    labels(tmp_path / "data", "a.png,0", "b.png,2")
    sums.append(from_folder(tmp_path / "data", POND).checksum)
    assert len(set(sums)) == len(sums)


def test_a_folder_without_masks_and_boxes_is_not_annotated(tmp_path):
    folder = pond(tmp_path)
    assert from_folder(folder, POND).annotated is False
    assert from_folder(folder, POND, masks=tmp_path).annotated is True
    (folder / "masks").mkdir()
    assert from_folder(folder, POND).annotated is True


def test_boxes_csv_in_the_folder_is_found(tmp_path):
    folder = pond(tmp_path)
    table(folder / "boxes.csv", "file,x0,y0,x1,y1\na.png,1,2,3,4.5\na.png,5,6,48,48\n")
    data = from_folder(folder, POND)
    listed, annotated = data.samples, data.annotated
    assert annotated
    assert listed[0].read().boxes.tolist() == [[1, 2, 3, 4.5], [5, 6, 48, 48]]
    assert listed[1].read().boxes is None


@pytest.mark.parametrize("text", [
    "\ufefffile,class_index\na.png,0\nb.png,3\n",  # Excel's mark at the beginning
    "file,class_index\r\na.png,0\r\nb.png,3\r\n",
    "file, class_index\na.png, 0\nb.png, 3\n",
    "note,class_index,file\nx,0,a.png\n,3,b.png\n\n\n",
    '"file","class_index"\n"a.png","0"\n"b.png","3"',
])  # fmt: skip
def test_tables_may_be_written_in_many_ways(tmp_path, text):
    pond(tmp_path)
    (tmp_path / "labels.csv").write_bytes(text.encode())
    assert good(tmp_path) == {"a.png": 0, "b.png": 3}


def test_names_may_have_spaces_commas_and_any_letters(tmp_path):
    names = ["ein Frosch.png", "лягушка 青蛙.png", "a,b.png", "ordner ü/é.png"]
    for name in names:
        picture(tmp_path / name)
    labels(tmp_path, *(f'"{name}",{n}' for n, name in enumerate(names)))
    assert good(tmp_path) == {name: n for n, name in enumerate(names)}
    assert all(sample.read().image.shape == (1, 3, 48, 48) for sample in samples(tmp_path))


@pytest.mark.parametrize(("row", "label", "says"), [
    ("gone.png,1", 1, "there is no such file"),
    ("gone.png,9", None, "there is no such file"),
    ("c.png,4", None, "class_index 4 is out of range: the network has 0 to 3"),
    ("c.png,-1", None, "class_index -1 is out of range: the network has 0 to 3"),
    ("c.png,frog", None, "class_index 'frog' is no whole number"),
    ("c.png,1.5", None, "class_index '1.5' is no whole number"),
    ("c.png,--1", None, "class_index '--1' is no whole number"),
    ("c.png,²", None, "class_index '²' is no whole number"),
    ("c.png,", None, "class_index '' is no whole number"),
    ("c.png", None, "class_index '' is no whole number"),
    (",1", 1, "one of its rows has no file name"),
])  # fmt: skip
def test_a_wrong_row_is_one_item_with_a_problem(tmp_path, row, label, says):
    folder = pond(tmp_path)
    name = row.split(",")[0] or "labels.csv"
    if name == "c.png":
        picture(folder / name)
    labels(folder, "a.png,0", row, "b.png,3")
    listed = {sample[0]: sample[1:] for sample in found(folder)}
    assert listed.pop("a.png") == (0, "")
    assert listed.pop("b.png") == (3, "")
    ((wrong, (its_label, problem)),) = listed.items()
    assert (wrong, its_label) == (name, label)
    assert says in problem


def test_a_picture_that_is_not_listed_is_an_item_with_a_problem(tmp_path):
    folder = pond(tmp_path)
    picture(folder / "more" / "c.JPG")
    picture(folder / ".hidden" / "d.png")
    picture(folder / "._a.png")  # macOS leaves such files; they are no pictures
    assert ("more/c.JPG", None, "labels.csv does not name it") in found(folder)
    assert len(found(folder)) == 3


@pytest.mark.parametrize("again", ["a.png,0", "a.png, 0", "a.png,00"])
def test_a_row_that_stands_twice_is_one_item_with_a_problem(tmp_path, again):
    labels(pond(tmp_path), "a.png,0", "b.png,3", again)
    first, second = found(tmp_path)
    assert first == ("a.png", 0, "labels.csv has it more than once")
    assert second == ("b.png", 3, "")


def test_one_picture_may_show_two_classes(tmp_path):
    labels(pond(tmp_path), "a.png,2", "b.png,3", "a.png,0")
    assert found(tmp_path) == [("a.png", 0, ""), ("a.png", 2, ""), ("b.png", 3, "")]


@pytest.mark.parametrize(("content", "says"), [
    (b"picture,class_index\na.png,0\n", r"lacks the column file: .* has picture, class_index"),
    (b"file;class_index\na.png;0\n", r"lacks the column file: .* has file;class_index"),
    (b"file\na.png\n", r"lacks the column class_index"),
    (b"", r"lacks the column file: it should have file, class_index, and has nothing"),
    ("file,class_index\nä.png,0\n".encode("latin-1"), r"cannot be read as a table .* UTF-8"),
    ("file,class_index\na.png,0\n".encode("utf-16"), r"cannot be read as a table .* UTF-8"),
    (b'file,class_index\n"' + 200_000 * b"a", r"cannot be read as a table"),
])  # fmt: skip
def test_a_table_that_is_none_is_one_sentence(tmp_path, content, says):
    pond(tmp_path)
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"labels\.csv.*{says}"):
        samples(tmp_path)


def test_a_table_of_bad_rows_only_is_no_table_of_nothing(tmp_path):
    labels(tmp_path)
    with pytest.raises(ValueError, match=r"holds no pictures \(.*\.jpg"):
        samples(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "file.txt"])
def test_what_is_no_folder_is_one_sentence(tmp_path, name):
    (tmp_path / "file.txt").touch()
    with pytest.raises(ValueError, match=rf"{name} is no folder: give a folder .* scenes, twins"):
        samples(tmp_path / name)


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(ValueError, match=r"neither labels\.csv .* nor one folder for each class"):
        samples(tmp_path)
    (tmp_path / "frog").mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        samples(tmp_path)


# ------------------------------------------------------------------ a folder of class folders


def tree(folder: Path, *classes: str) -> Path:
    for name in classes:
        picture(folder / name / "one.png")
    return folder


@pytest.mark.parametrize(("names", "expected"), [
    (("3", "0"), (3, 0)),
    (("0", "1", "10", "2"), (0, 1, 10, 2)),  # numbers, not places
    (("0003", "00"), (3, 0)),
    (("turtle", "Frog"), (3, 0)),
    (("fish",), (2,)),  # one class is enough
    (("2",), (2,)),
])  # fmt: skip
def test_folders_are_class_numbers_or_class_names(tmp_path, names, expected):
    many = (*POND, *"abcdefg")  # 11 classes, so that as many folders cannot decide
    tree(tmp_path, *names)
    assert good(tmp_path, many) == {
        f"{name}/one.png": label for name, label in zip(names, expected, strict=True)
    }


def test_class_names_of_several_words_may_have_underscores(tmp_path):
    tree(tmp_path, "tree_frog", "Blue Bird")
    assert good(tmp_path, ["fish", "blue bird", "tree frog"]) == {
        "tree_frog/one.png": 2, "Blue Bird/one.png": 1}  # fmt: skip


def test_a_class_name_that_two_classes_have_is_not_guessed(tmp_path):
    tree(tmp_path, "crane")
    with pytest.raises(ValueError, match="neither numbers nor names"):
        samples(tmp_path, ["crane", "crane", "fish"])


def test_as_many_folders_as_classes_are_numbered_as_imagefolder_does(tmp_path):
    names = ("n04", "N10", "ä", "a b")
    tree(tmp_path, *names)
    torchvision = ImageFolder(tmp_path)
    expected = {Path(p).relative_to(tmp_path).as_posix(): n for p, n in torchvision.samples}
    assert good(tmp_path) == expected
    assert sorted(expected.values()) == [0, 1, 2, 3]


def test_a_table_gives_the_folders_their_classes(tmp_path):
    tree(tmp_path / "data", "cats", "dogs", "x y")
    text = 'folder,class_index\ndogs,3\ncats,1\n"x y",1\nbirds,0\n'
    classes = table(tmp_path / "classes.csv", text)
    assert good(tmp_path / "data", classes=classes) == {
        "cats/one.png": 1, "dogs/one.png": 3, "x y/one.png": 1}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), [
    ("folder,class_index\ncats,1\n", "has no row for the folder 'dogs'"),
    ("folder,class_index\ncats,1\ndogs,4\n", "folder 'dogs': class_index 4 is out of range"),
    ("folder,class_index\ncats,1\ndogs,x\n", "folder 'dogs': class_index 'x' is no whole number"),
    ("name,class_index\ncats,1\n", "lacks the column folder"),
])  # fmt: skip
def test_a_wrong_table_of_classes_is_one_sentence(tmp_path, text, says):
    tree(tmp_path / "data", "cats", "dogs")
    classes = table(tmp_path / "classes.csv", text)
    with pytest.raises(ValueError, match=f"classes.csv.* {says}"):
        samples(tmp_path / "data", classes=classes)


def test_a_missing_table_of_classes_says_what_it_should_hold(tmp_path):
    tree(tmp_path / "data", "cats", "dogs")
    with pytest.raises(ValueError, match=r"no\.csv does not exist: .* folder, class_index"):
        samples(tmp_path / "data", classes=tmp_path / "no.csv")


def test_a_table_of_classes_beside_labels_is_not_silently_unused(tmp_path):
    classes = table(tmp_path / "classes.csv", "folder,class_index\n")
    with pytest.raises(ValueError, match=r"labels\.csv already names the class .* --class-table"):
        samples(pond(tmp_path), classes=classes)


@pytest.mark.parametrize("names", [("cats",), ("cats", "frog"), ("0", "4"), ("²", "1")])
def test_folders_that_fit_no_class_are_one_sentence(tmp_path, names):
    tree(tmp_path, *names)
    with pytest.raises(ValueError, match="neither numbers nor names of the network's 4 classes"):
        samples(tmp_path)


def test_a_picture_beside_the_class_folders_is_an_item_with_a_problem(tmp_path):
    tree(tmp_path, "frog")
    for name in ("loose.png", "._loose.png"):
        picture(tmp_path / name)
    assert found(tmp_path) == [
        ("frog/one.png", 0, ""), ("loose.png", None, "it lies in no class folder")]  # fmt: skip


def test_pictures_deeper_in_a_class_folder_and_behind_links_count(tmp_path):
    tree(tmp_path / "data", "frog/spring", "frog/.trash")
    tree(tmp_path / "elsewhere", "fish")
    (tmp_path / "data" / "fish").symlink_to(tmp_path / "elsewhere" / "fish")
    assert good(tmp_path / "data") == {"fish/one.png": 2, "frog/spring/one.png": 0}


# ------------------------------------------------------------------ pictures that cannot be read


def damaged(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize(("name", "spoil", "says"), [
    ("x.png", lambda p: p.write_text("a text"), "is not a picture that Pillow can read"),
    ("x.png", lambda p: p.write_bytes(b""), "is not a picture that Pillow can read"),
    ("x.jpg", damaged, "is damaged"),
    ("x.png", damaged, "is damaged"),
])  # fmt: skip
def test_a_broken_picture_is_found_when_it_is_read(tmp_path, name, spoil, says):
    folder = pond(tmp_path)
    spoil(folder / name)
    labels(folder, "a.png,0", "b.png,3", f"{name},1")
    broken = samples(folder)[-1]
    assert (broken.name, broken.problem) == (name, "")
    with pytest.raises(ValueError, match=rf"{name} {says}"):
        broken.read()


# ------------------------------------------------------------------ masks


def mask_of(tmp_path: Path, mask: Image.Image, name: str = "a.png") -> torch.Tensor:
    picture(tmp_path / "a.png", mask.size)
    labels(tmp_path, "a.png,0")
    (tmp_path / "masks").mkdir()
    mask.save(tmp_path / "masks" / name)
    read = samples(tmp_path)[0].read().mask
    assert read is not None
    assert read.dtype == torch.bool
    return read


def painted(mode: str, off, on, palette: list[int] | None = None) -> Image.Image:
    """20×10 pixels, `on` in columns 3 to 7 and rows 2 to 4."""
    image = Image.new(mode, (20, 10), off)
    if palette:
        image.putpalette(palette)
    image.paste(on, (3, 2, 8, 5))
    return image


@pytest.mark.parametrize(("mode", "off", "on", "palette"), [
    ("L", 0, 255, None),
    ("L", 0, 1, None),  # class numbers
    ("1", 0, 1, None),
    ("I;16", 0, 300, None),
    ("RGB", (0, 0, 0), (0, 0, 9), None),
    ("RGBA", (0, 0, 0, 255), (0, 200, 0, 255), None),
    ("RGBA", (255, 255, 255, 0), (255, 255, 255, 255), None),  # nothing around the object
    ("LA", (0, 255), (255, 255), None),
    ("P", 0, 15, [0, 0, 0] + 15 * [128, 0, 0]),  # as VOC
    ("P", 1, 0, [255, 255, 255, 0, 0, 0]),  # black is number 1
])  # fmt: skip
def test_masks_of_every_kind_are_the_object_where_they_are_not_black(
    tmp_path, mode, off, on, palette
):
    mask = mask_of(tmp_path, painted(mode, off, on, palette))
    assert covered(mask) == (3, 2, 8, 5)
    assert int(mask.sum()) == 15


def test_a_jpeg_mask_does_not_spread_into_the_black(tmp_path):
    mask = square(tmp_path / "masks" / "a.jpg", (13, 21, 41, 37), (64, 64))
    picture(tmp_path / "a.jpg", (64, 64))
    labels(tmp_path, "a.jpg,0")
    assert int((np.asarray(Image.open(mask)) > 0).sum()) > 28 * 16  # the file has noise around it
    read = samples(tmp_path)[0].read().mask
    assert covered(read) == (13, 21, 41, 37)
    assert int(read.sum()) == 28 * 16


def test_masks_of_photographs_may_be_png(tmp_path):
    picture(tmp_path / "deep" / "a.jpg")
    square(tmp_path / "masks" / "deep" / "a.png", (1, 2, 3, 4))
    labels(tmp_path, "deep/a.jpg,0")
    assert covered(samples(tmp_path)[0].read().mask) == (1, 2, 3, 4)


def test_a_picture_without_a_mask_and_an_empty_mask_are_no_problem(tmp_path):
    square(pond(tmp_path) / "masks" / "a.png", (0, 0, 0, 0))
    empty, missing = (sample.read() for sample in samples(tmp_path))
    assert not bool(empty.mask.any())
    assert missing.mask is None
    assert preprocessed(empty, Preprocessing(0, False)).boxes.shape == (0, 4)


def test_a_mask_of_another_size_is_refused(tmp_path):
    square(pond(tmp_path) / "masks" / "a.png", (0, 0, 5, 5), (48, 47))
    with pytest.raises(ValueError, match="its mask is 48×47 pixels, the picture 48×48"):
        samples(tmp_path)[0].read()


@pytest.mark.parametrize("spoil", [lambda p: p.write_text("a text"), damaged])
def test_a_mask_that_is_no_picture_is_refused(tmp_path, spoil):
    (pond(tmp_path) / "masks").mkdir()
    spoil(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match=r"its mask a\.png cannot be read"):
        samples(tmp_path)[0].read()


def test_a_huge_mask_is_refused(tmp_path, monkeypatch):
    square(pond(tmp_path) / "masks" / "a.png", (0, 0, 5, 5), (100, 100))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)  # Pillow refuses twice as many
    with pytest.raises(ValueError, match=r"its mask a\.png cannot be read .*exceeds"):
        samples(tmp_path)[0].read()


def test_masks_that_are_no_folder_are_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"masks: .*nowhere is no folder"):
        samples(pond(tmp_path), masks=tmp_path / "nowhere")


@pytest.mark.parametrize("written", ["data/marks", "data/../data/marks", "{}/data/marks"])
def test_masks_inside_the_data_folder_are_no_pictures(tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    masks = Path(written.format(tmp_path))
    tree(Path("data"), "frog", "fish")
    for name in ("frog", "fish"):
        square(masks / name / "one.png", (1, 2, 3, 4))
    assert good(Path("data"), masks=masks) == {"frog/one.png": 0, "fish/one.png": 2}
    assert covered(samples(Path("data"), masks=masks)[0].read().mask) == (1, 2, 3, 4)
    labels(Path("data"), "frog/one.png,1", "fish/one.png,2")
    assert good(Path("data"), masks=masks) == {"frog/one.png": 1, "fish/one.png": 2}


def test_a_folder_called_masks_is_a_class_unless_it_holds_the_masks(tmp_path):
    tree(tmp_path, "masks", "hats")
    assert good(tmp_path, ["hats", "masks"]) == {"hats/one.png": 0, "masks/one.png": 1}


# ------------------------------------------------------------------ boxes


@pytest.mark.parametrize(("box", "says"), [
    ("1,2,x,4", r"its box \(1, 2, x, 4\) is wrong: four numbers"),
    ("1,2,3,", r"its box \(1, 2, 3, \) is wrong: four numbers"),
    ("1,2,3", r"its box \(1, 2, 3, \) is wrong: four numbers"),
    ("nan,2,3,4", "does not lie in the picture of 48×48"),
    ("1,2,inf,4", "does not lie in the picture of 48×48"),
    ("1,2,49,4", "does not lie in the picture of 48×48"),
    ("1,2,3,48.5", "does not lie in the picture of 48×48"),
    ("-1,2,3,4", "does not lie in the picture of 48×48"),
    ("1,-2,3,4", "does not lie in the picture of 48×48"),
    ("3,2,1,4", "x0 < x1"),
    ("1,4,3,2", "y0 < y1"),
    ("3,2,3,4", "x0 < x1"),
    ("1,4,3,4", "y0 < y1"),
])  # fmt: skip
def test_a_wrong_box_spoils_its_own_picture_only(tmp_path, box, says):
    folder = pond(tmp_path / "data")
    boxes = table(
        tmp_path / "boxes.csv", f"file,x0,y0,x1,y1\na.png,0,0,1,1\na.png,{box}\nb.png,0,0,48,48\n"
    )
    wrong, right = samples(folder, boxes=boxes)
    assert right.read().boxes.tolist() == [[0, 0, 48, 48]]
    assert wrong.problem == ""
    with pytest.raises(ValueError, match=says):
        wrong.read()


def test_a_box_of_an_unknown_file_is_an_item_with_a_problem(tmp_path):
    table(pond(tmp_path) / "boxes.csv", "file,x0,y0,x1,y1\na.png,0,0,1,1\nc.png,0,0,1,1\n")
    assert found(tmp_path)[:2] == [("a.png", 0, ""), ("b.png", 3, "")]
    name, label, problem = found(tmp_path)[2]
    assert (name, label) == ("c.png", None)
    assert "boxes.csv names it, but it is no picture of the data set" in problem


def test_a_table_of_boxes_without_a_column_is_one_sentence(tmp_path):
    table(pond(tmp_path) / "boxes.csv", "file,x,y,width,height\na.png,0,0,1,1\n")
    with pytest.raises(ValueError, match=r"boxes\.csv lacks the column x0: .*x0, y0, x1, y1"):
        samples(tmp_path)


# ------------------------------------------------------------------ as the network gets them


def drawn(box: tuple[int, int, int, int], size: tuple[int, int]) -> AnnotatedImage:
    """A black picture (height, width) with the object in white: it shows where the object is."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return AnnotatedImage(
        mask.float().expand(1, 3, *size).clone(), mask, torch.tensor([box]).double()
    )


SIZES = [(60, 40), (40, 60), (31, 97), (200, 300), (333, 250), (32, 32), (20, 30)]


@pytest.mark.parametrize("size", SIZES)
def test_mask_and_box_move_with_the_picture(size):
    height, width = size
    box = (width * 4 // 10, height * 3 // 10, width * 6 // 10, height * 7 // 10)
    shown = preprocessed(drawn(box, size), Preprocessing(32))
    assert shown.x.shape == shown.seen.shape == (1, 3, 32, 32)
    white = shown.seen[0, 0] >= 0.5
    assert torch.equal(shown.mask, white)
    assert np.allclose(shown.boxes.numpy(), [covered(white)], atol=0.75)
    # sums of grey place an edge more finely than pixels do
    sums = shown.seen[0, 0].double().sum(0), shown.seen[0, 0].double().sum(1)
    middle = [float((s * (torch.arange(32) + 0.5)).sum() / s.sum()) for s in sums]
    centre = (shown.boxes[0, :2] + shown.boxes[0, 2:]) / 2
    assert np.allclose(centre.numpy(), middle, atol=0.05)


@pytest.mark.parametrize("size", SIZES)
def test_what_the_cut_takes_away_is_gone_from_mask_and_box(size):
    height, width = size
    shown = preprocessed(drawn((0, 0, width, height // 2), size), Preprocessing(32))
    x0, y0, x1, y1 = shown.boxes[0].tolist()
    assert (x0, y0, x1) == (0, 0, 32)
    assert y1 == pytest.approx(16, abs=0.6)
    assert torch.equal(shown.mask, shown.seen[0, 0] >= 0.5)


def test_a_box_outside_the_cut_disappears():
    picture = drawn((0, 0, 20, 40), (40, 200))  # at the left of a wide picture
    both = torch.tensor([[0, 0, 20, 40], [90, 10, 110, 30]]).double()
    gone = preprocessed(picture, Preprocessing(32))
    assert gone.boxes.shape == (0, 4)
    assert not bool(gone.mask.any())
    only_boxes = preprocessed(AnnotatedImage(picture.image, None, both), Preprocessing(32))
    assert len(only_boxes.boxes) == 1
    assert bool(only_boxes.mask.any())
    assert (
        preprocessed(AnnotatedImage(picture.image, None, both[:1]), Preprocessing(32)).mask.sum()
        == 0
    )


def test_pictures_stay_as_they_are_with_side_0():
    shown = preprocessed(drawn((3, 4, 20, 11), (30, 50)), Preprocessing(0, normalize=False))
    assert shown.x.shape == (1, 3, 30, 50)
    assert covered(shown.mask) == (3, 4, 20, 11)
    assert shown.boxes.tolist() == [[3, 4, 20, 11]]


@pytest.mark.parametrize("view", [Preprocessing(0), Preprocessing(32)])
def test_normalised_pictures_are_imagenets_and_seen_ones_are_not(view):
    picture = AnnotatedImage(torch.full((1, 3, 48, 48), 0.5))
    shown = preprocessed(picture, view)
    expected = [
        (0.5 - m) / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    ]
    assert torch.allclose(shown.x.mean((0, 2, 3)), torch.tensor(expected), atol=1e-4)
    assert torch.allclose(shown.seen, torch.tensor(0.5))
    plain = preprocessed(picture, Preprocessing(view.side, normalize=False))
    assert torch.equal(plain.x, plain.seen)


def test_grey_networks_get_the_mean_of_the_colours():
    image = torch.tensor([0.0, 0.3, 0.9]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    shown = preprocessed(AnnotatedImage(image), Preprocessing(0, normalize=False, grey=True))
    assert torch.allclose(shown.x, torch.full((1, 1, 8, 8), 0.4))
    assert shown.seen.shape == (1, 3, 8, 8)


def test_boxes_are_made_around_each_region_of_a_mask():
    mask = torch.zeros(20, 30, dtype=torch.bool)
    mask[2:5, 3:9] = True
    mask[5, 9] = True  # touches at a corner: the same region
    mask[10:12, 20:25] = True
    shown = preprocessed(AnnotatedImage(torch.zeros(1, 3, 20, 30), mask), Preprocessing(0, False))
    assert shown.boxes.tolist() == [[3, 2, 10, 6], [20, 10, 25, 12]]


def test_a_mask_is_made_of_all_boxes():
    boxes = torch.tensor([[3, 2, 10, 6], [8, 4, 12, 12]]).double()
    shown = preprocessed(
        AnnotatedImage(torch.zeros(1, 3, 20, 30), None, boxes), Preprocessing(0, False)
    )
    expected = torch.zeros(20, 30, dtype=torch.bool)
    expected[2:6, 3:10] = expected[4:12, 8:12] = True
    assert torch.equal(shown.mask, expected)


def test_mask_and_boxes_both_given_are_both_kept():
    picture = drawn((3, 4, 20, 11), (30, 50))
    other = torch.tensor([[1, 1, 2, 2]]).double()
    shown = preprocessed(
        AnnotatedImage(picture.image, picture.mask, other), Preprocessing(0, False)
    )
    assert covered(shown.mask) == (3, 4, 20, 11)
    assert shown.boxes.tolist() == [[1, 1, 2, 2]]


def test_each_box_or_each_region_is_an_object():
    black = torch.zeros(1, 3, 20, 30)
    boxes = torch.tensor([[3, 2, 10, 6], [8, 4, 12, 12]]).double()  # they overlap
    two = preprocessed(AnnotatedImage(black, None, boxes), Preprocessing(0, False)).objects
    assert [covered(one) for one in two] == [(3, 2, 10, 6), (8, 4, 12, 12)]
    mask = two[0] | two[1].roll(12, 1)
    apart = preprocessed(AnnotatedImage(black, mask), Preprocessing(0, False)).objects
    assert [covered(one) for one in apart] == [(3, 2, 10, 6), (20, 4, 24, 12)]
    assert preprocessed(AnnotatedImage(black), Preprocessing(0, False)).objects is None


def test_objects_move_with_the_picture_and_may_be_cut_away():
    objects = torch.zeros(2, 40, 200, dtype=torch.bool)
    objects[0, 5:35, 90:110] = True
    objects[1, 5:35, 0:20] = True  # outside the square in the middle
    given = AnnotatedImage(torch.zeros(1, 3, 40, 200), objects.any(0), objects=objects)
    shown = preprocessed(given, Preprocessing(32)).objects
    assert shown.shape == (1, 32, 32)
    assert torch.equal(shown[0], preprocessed(given, Preprocessing(32)).mask)


# ------------------------------------------------------------------ generated pictures


@pytest.mark.parametrize(
    ("kind", "each"), [("scenes", 1), ("twins", 1), ("mosaic", 4), ("difull", 4)]
)
def test_more_generated_pictures_begin_with_the_same_ones(kind, each):
    few, more = generated(kind, 2, "pond").samples, generated(kind, 3, "pond").samples
    assert len(few) == 2 * each
    assert len(more) == 3 * each
    for a, b in zip(few, more, strict=False):
        assert (a.name, a.label) == (b.name, b.label)
        assert torch.equal(a.read().image, b.read().image)
        assert torch.equal(a.read().mask, b.read().mask)


def test_generated_items_are_different_pictures_with_the_mask_of_their_class():
    four = generated("mosaic", 1, "pond").samples
    assert [sample.label for sample in four] == [0, 1, 2, 3]
    masks = torch.stack([sample.read().mask for sample in four])
    assert bool(masks.flatten(1).any(1).all())
    assert int(masks.sum(0).max()) == 1  # the four animals do not cover each other


def test_twins_keep_each_animal_apart():
    for n, sample in enumerate(generated("twins", 3, "pond").samples):
        shown = preprocessed(sample.read(), Preprocessing(0, False))
        assert len(shown.objects) == n + 1
        assert torch.equal(shown.objects.any(0), shown.mask)
        assert int(shown.objects.sum(0).max()) == 1
    assert "object_recall" in default_metrics("twins", True)
    assert "object_recall" not in default_metrics("scenes", True)


def test_the_rail_has_no_animals():
    assert len(generated("scenes", 2, "rail").samples) == 2
    with pytest.raises(ValueError, match="twins hold animals of the pond: choose --model pond_"):
        generated("twins", 2, "rail")


# ------------------------------------------------------------------ the network


@pytest.mark.parametrize("name", bundled_names())
def test_a_bundled_network_reads_its_pictures_and_has_a_name_for_each_class(name):
    one = load_network(name)
    assert not one.model.training
    assert (one.preprocessing.side, one.preprocessing.normalize) == (0, False)
    side = 48 if name.startswith(("pond", "rail", "lookalikes", "ladder", "printed")) else 28
    side = 24 if name.startswith("tokens") else side
    x = preprocessed(AnnotatedImage(torch.rand(1, 3, side, side)), one.preprocessing).x
    assert one.model(x).shape == (1, len(one.categories))


def test_the_pond_has_its_animals():
    assert tuple(load_network("pond_repaired").categories) == POND
    assert fingerprint(load_network("pond_repaired").model) == fingerprint(
        load_network("pond_repaired").model
    )
    assert fingerprint(load_network("pond_repaired").model) != fingerprint(
        load_network("pond_biased").model
    )


def test_the_view_can_be_chosen():
    view = load_network("pond_repaired", side=40, normalize=True).preprocessing
    assert (view.side, view.normalize, view.grey) == (40, True, False)
    with pytest.raises(ValueError, match=r"side must be 0 .* not -3"):
        load_network("pond_repaired", side=-3)


def test_an_unknown_network_is_one_sentence():
    with pytest.raises(ValueError, match="no classifier 'pond_fixed'"):
        load_network("pond_fixed")


OWN = """
import torch
from torch import nn

def good(channels=3):
    return nn.Sequential(nn.Conv2d(channels, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(5, 7)).train()

def grey():
    return good(1)

def late():
    import helper_of_own_network
    return good()

def named():
    model = good()
    model.categories = list("abcdefg")
    return model

def badly_named():
    model = good()
    model.categories = 7
    return model

def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 48 * 48, 7))

def image():
    return nn.Conv2d(3, 4, 3)

def number():
    return 3

def needs(path):
    return good()

def broken():
    raise KeyError("no weights")
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "own_network.py", OWN)
    table(tmp_path / "helper_of_own_network.py", "")
    table(tmp_path / "torn_network.py", "def make(:\n")
    yield "own_network:"
    for name in ("own_network", "helper_of_own_network", "torn_network"):
        sys.modules.pop(name, None)


def test_own_code_makes_a_network(own):
    before = list(sys.path)
    one = load_network(own + "good")
    assert not one.model.training
    assert one.categories == list("0123456")
    assert one.preprocessing == Preprocessing(224, True, False)
    assert load_network(own + "grey").preprocessing.grey
    assert load_network(own + "named").categories == list("abcdefg")
    assert load_network(own + "late").categories == list("0123456")
    assert load_network(own + "fixed", side=48).categories == list("0123456")
    assert sys.path == before


@pytest.mark.parametrize(("name", "says"), [
    ("own_network:nothing", "AttributeError: .*'nothing'.* Give module:function"),
    ("own_network:", "Give module:function"),
    (":good", "Give module:function"),
    ("no_such_module:good", "No module named 'no_such_module'.* Give module:function"),
    ("torn_network:make", r"SyntaxError: .*torn_network.py, line 1"),
    ("own_network:needs", "TypeError: .*'path'.* needs no arguments"),
    ("own_network:broken", r"KeyError: 'no weights' \(own_network.py, line 39\)"),
    ("own_network:number", "returned int, not a torch.nn.Module"),
    ("own_network:image", r"must return logits of shape \(N, classes\)"),
    ("own_network:badly_named", "categories of the model should be a list of names, not 7"),
    ("own_network:fixed", "cannot read a picture of 224×224 .* choose --side"),
])  # fmt: skip
def test_own_code_that_fails_is_one_sentence(own, name, says):
    with pytest.raises(ValueError, match=says) as caught:
        load_network(name)
    assert "\n" not in str(caught.value)
