"""Data that is found, data that is damaged, data that is not there; picture files of any kind."""

import gzip
import http.server
import os
import threading
from pathlib import Path

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from camlite.data import files as data
from camlite.errors import DataNotFound

DATA = Path(os.environ.get("CAMLITE_DATA", ""))
needs_mnist = pytest.mark.skipif(
    "CAMLITE_DATA" not in os.environ or not (DATA / "MNIST/raw").is_dir(),
    reason="CAMLITE_DATA names no folder with MNIST/raw",
)
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A data folder with nothing in it, and no network: the server's port is closed."""
    monkeypatch.setattr(data, "folders", lambda: [tmp_path])
    monkeypatch.setattr(data, "MNIST_URL", "http://127.0.0.1:9/")
    return tmp_path


# --- MNIST ---------------------------------------------------------------------------------------


@needs_mnist
def test_mnist_is_complete_and_scaled():
    images, labels = data.mnist(train=False)
    assert images.shape == (10_000, 1, 28, 28)
    assert images.dtype == torch.float32
    assert images.min() == 0
    assert images.max() == 1
    assert labels[:5].tolist() == [7, 2, 1, 0, 4]
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert torch.bincount(labels).tolist() == counts


@needs_mnist
def test_limit_keeps_the_first_images():
    few, all_ = data.mnist(train=False, limit=7), data.mnist(train=False)
    assert torch.equal(few[0], all_[0][:7])
    assert torch.equal(few[1], all_[1][:7])


@needs_mnist
def test_unpacked_files_are_read_too(empty):
    raw = empty / "MNIST/raw"
    raw.mkdir(parents=True)
    for name in (IMAGES, LABELS):
        (raw / name).write_bytes(gzip.decompress((DATA / f"MNIST/raw/{name}.gz").read_bytes()))
    assert data.mnist(train=False, limit=3)[1].tolist() == [7, 2, 1]


def test_without_files_and_network_the_message_names_the_way_out(empty):
    with pytest.raises(DataNotFound) as error:
        data.mnist()
    text = str(error.value)
    assert "train-images-idx3-ubyte.gz" in text
    assert str(empty / "MNIST" / "raw") in text
    assert "CAMLITE_DATA" in text
    assert "camlite.data.digits()" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"no gzip at all",
        gzip.compress(b"x" * 999)[:-9],
        gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 1, 5])),
    ],
    ids=["empty", "no gzip", "cut off", "other data"],  # the bytes hold the time of day
)
def test_a_damaged_file_is_named(empty, damage):
    path = empty / "MNIST/raw" / f"{IMAGES}.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    with pytest.raises(DataNotFound, match="Delete it and try again") as error:
        data.mnist(train=False)
    assert str(path) in str(error.value)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A real server on this machine; `files` is what it serves, `asked` the ranges asked for."""
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body, start = files[self.path[1:]], self.headers.get("Range")
            asked.append(start)
            offset = int(start[6:-1]) if start else 0
            if start and offset >= len(body):
                return self.send_error(416)
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body) - offset))
            self.end_headers()
            self.wfile.write(body[offset:])

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setattr(data, "folders", lambda: [tmp_path])
    monkeypatch.setattr(data, "MNIST_URL", f"http://127.0.0.1:{running.server_port}/")
    yield files, asked
    running.shutdown()
    running.server_close()


def small_idx(server, monkeypatch):
    """Serve three labels and say that this is the right file."""
    import hashlib

    raw = bytes([0, 0, 8, 1, 0, 0, 0, 3, 4, 5, 6])
    monkeypatch.setitem(data.MNIST_SHA256, LABELS, hashlib.sha256(raw).hexdigest())
    server[0][f"{LABELS}.gz"] = gzip.compress(raw, mtime=0)
    return server[0][f"{LABELS}.gz"]


def test_download_is_stored_once(server, tmp_path, monkeypatch):
    body = small_idx(server, monkeypatch)
    for _ in range(2):
        assert data._read_idx(LABELS).tolist() == [4, 5, 6]
    assert server[1] == [None]  # asked once
    assert (tmp_path / "MNIST/raw" / f"{LABELS}.gz").read_bytes() == body
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("have", [10, None])
def test_a_broken_download_goes_on(server, tmp_path, monkeypatch, have):
    body = small_idx(server, monkeypatch)
    part = tmp_path / "MNIST/raw" / f"{LABELS}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(body[:have])
    assert data._read_idx(LABELS).tolist() == [4, 5, 6]
    assert server[1] == [f"bytes={len(body[:have])}-"]


def test_a_download_with_wrong_content_is_not_kept(server, tmp_path):
    server[0][f"{LABELS}.gz"] = gzip.compress(b"something else")
    with pytest.raises(DataNotFound, match="arrived damaged"):
        data._read_idx(LABELS)
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


# --- digits --------------------------------------------------------------------------------------


def test_digits_are_split_without_overlap():
    (learn, learn_labels), (test, test_labels) = data.digits(train=True), data.digits(train=False)
    assert learn.shape == (1437, 1, 8, 8)
    assert test.shape == (360, 1, 8, 8)
    assert learn.max() == 1
    assert learn.min() == 0
    assert set(learn_labels.tolist()) == set(test_labels.tolist()) == set(range(10))
    from sklearn.datasets import load_digits

    assert torch.equal(test[1, 0] * 16, torch.tensor(load_digits().images[5]).float())


# --- pictures ------------------------------------------------------------------------------------


def test_photos_fall_back_to_the_samples_of_libraries(empty):
    found = data.photos()
    assert {"china", "flower"} <= set(found)
    for name, x in found.items():
        assert x.shape[:2] == (1, 3), name
        assert 0 <= x.min() < x.max() <= 1
    assert found["china"].shape == (1, 3, 427, 640)


def test_photos_of_the_data_folder_come_first(empty):
    (empty / "photos").mkdir()
    Image.new("RGB", (5, 4), (255, 0, 0)).save(empty / "photos" / "mine.png")
    (empty / "photos" / "notes.txt").write_text("not a picture")
    found = data.photos()
    assert list(found) == ["mine"]
    red = torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1).expand(1, 3, 4, 5)
    assert torch.equal(found["mine"], red)


def test_no_photos_anywhere(empty, monkeypatch):
    monkeypatch.setattr(data, "_sample_photos", list)
    with pytest.raises(DataNotFound, match="CAMLITE_DATA"):
        data.photos()


@pytest.mark.skipif(
    "CAMLITE_DATA" not in os.environ or not (DATA / "photos").is_dir(),
    reason="CAMLITE_DATA names no folder with photos",
)
def test_photos_of_camlite_data():
    found = data.photos()
    assert found["cat_dog"].shape == (1, 3, 480, 640)
    assert len(found) == len(list((DATA / "photos").iterdir()))


def saved(tmp_path, image, name="x.png", **options):
    image.save(tmp_path / name, **options)
    return data.load_image(tmp_path / name)


def test_orientation_of_axes(tmp_path):
    """Row, column and colour stay where they were."""
    image = Image.new("RGB", (7, 4))
    image.putpixel((5, 1), (10, 20, 30))
    x = saved(tmp_path, image)
    assert x.shape == (1, 3, 4, 7)
    assert x.dtype == torch.float32
    assert (x[0, :, 1, 5] * 255).round().tolist() == [10, 20, 30]
    assert x.sum() == pytest.approx(60 / 255, abs=1e-6)


def test_grey(tmp_path):
    x = saved(tmp_path, Image.new("L", (3, 2), 51))
    assert torch.allclose(x, torch.full((1, 3, 2, 3), 0.2))


def test_transparent_becomes_white(tmp_path):
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    x = saved(tmp_path, image)
    assert x[0, :, 0, 0].tolist() == [1, 0, 0]
    assert x[0, :, 0, 1].tolist() == [1, 1, 1]


@pytest.mark.parametrize("mode", ["LA", "P", "1", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(tmp_path, mode):
    if mode == "YCbCr" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("older Pillow does not read the YCbCr TIFF that it wrote")
    """A white picture with a black pixel stays that in every mode."""
    image = Image.new("RGB", (16, 16), "white")
    image.paste("black", (0, 0, 8, 16))
    image = image.convert("L").convert(mode) if mode == "LA" else image.convert(mode)
    x = saved(tmp_path, image, "x.tif" if mode in ("CMYK", "YCbCr") else "x.png")
    assert x.shape == (1, 3, 16, 16)
    assert x[..., :8].max() < 0.02
    assert x[..., 8:].min() > 0.98


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    x = saved(tmp_path, image, transparency=1)
    assert x[0, :, 0].T.tolist() == [[1, 0, 0], [1, 1, 1]]


def test_sixteen_bits_keep_their_brightness(tmp_path):
    """Pillow's own convert("RGB") would clip everything above 255 to white."""
    values = np.array([[0, 32768, 65535]], dtype=np.uint16)
    x = saved(tmp_path, Image.fromarray(values))
    assert torch.allclose(x[0, 0, 0], torch.tensor([0, 0.5, 1]), atol=1e-4)
    assert torch.equal(x[0, 0], x[0, 2])


def test_floats(tmp_path):
    x = saved(tmp_path, Image.fromarray(np.array([[0, 0.25, 1]], dtype=np.float32)), "x.tif")
    assert torch.allclose(x[0, 1, 0], torch.tensor([0, 0.25, 1]))


def test_the_camera_was_held_upright(tmp_path):
    image = Image.new("RGB", (6, 3), "white")
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees to see it upright
    assert saved(tmp_path, image, "x.jpg", exif=exif).shape == (1, 3, 6, 3)


def test_first_frame_of_an_animation(tmp_path):
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    x = saved(tmp_path, frames[0], "x.gif", save_all=True, append_images=frames[1:])
    assert x[0, :, 0, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize("what", ["missing", "folder", "empty", "text", "cut png", "cut jpeg"])
def test_bad_files_give_one_line(tmp_path, what):
    path = tmp_path / "x.jpg"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    if what == "folder":
        path.mkdir()
    elif what in ("empty", "text"):
        path.write_bytes(b"" if what == "empty" else b"hello")
    elif what.startswith("cut"):
        noise.save(path, what[4:])
        path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"x\.jpg") as error:
        data.load_image(path)
    assert type(error.value) is ValueError
    assert "\n" not in str(error.value)


def test_a_picture_that_is_far_too_large_is_refused(tmp_path, monkeypatch):
    Image.new("L", (100, 100)).save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ValueError, match="too large"):
        data.load_image(tmp_path / "x.png")
