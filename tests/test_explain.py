"""`camlite explain` and its weights: real photographs, real networks, and what can fail."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from typer.testing import CliRunner

from camlite import weights
from camlite.cli import app
from camlite.errors import DataNotFound

DATA = Path(os.environ.get("CAMLITE_DATA", "/nowhere"))
needs_data = pytest.mark.skipif(
    not (DATA / "weights").is_dir(), reason="no real weights at hand: set CAMLITE_DATA"
)


def camlite(*args: str):
    return CliRunner().invoke(app, list(args))


@needs_data
def test_explain_draws_a_dog_and_a_cat(tmp_path):
    figure = tmp_path / "figure.png"
    done = camlite("explain", str(DATA / "photos" / "cat_dog.jpg"), "--model", "squeezenet1_1",
                   "--class", "bull mastiff", "--class", "281", "--method", "grad_cam",
                   "--method", "saliency", "--method", "guided_grad_cam",
                   "--layer", "features.12", "--save", str(figure), "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    (answer,) = json.loads(done.stdout)
    assert answer["layer"] == "features.12"
    assert answer["weights"] == "squeezenet1_1-caffe.pth"
    assert figure.stat().st_size > 20_000
    probabilities = [row["probability"] for row in answer["top"]]
    assert probabilities == sorted(probabilities, reverse=True)


WHY = "CAM is left out: it needs global average pooling and one linear layer after the layer"
TOKENS = "the tokens of encoder.layers.encoder_layer_10 are shown as a map"


@pytest.mark.parametrize(
    ("name", "drawn", "says"),
    [
        ("mobilenet_v3_small", ["grad_cam"], [WHY]),
        ("shufflenet_v2_x0_5", ["cam", "grad_cam"], []),
        pytest.param("alexnet", ["grad_cam"], [WHY], marks=pytest.mark.slow),
        pytest.param("vgg11", ["grad_cam"], [WHY], marks=pytest.mark.slow),
        pytest.param("vit_b_16", ["grad_cam"], [TOKENS, WHY], marks=pytest.mark.slow),
    ],
)
def test_the_usual_methods_are_those_that_fit(tmp_path, monkeypatch, name, drawn, says):
    torch.manual_seed(0)
    (tmp_path / "weights").mkdir()
    network = torchvision.models.get_model(name, weights=None)
    if name == "vit_b_16":
        torch.nn.init.normal_(network.heads.head.weight)  # zeros would suit every formula
    torch.save(network.state_dict(), tmp_path / "weights" / f"{name}-random.pth")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 300, 3), "uint8")).save(
        tmp_path / "photo.png"
    )
    monkeypatch.setenv("CAMLITE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = camlite("explain", "photo.png", "--model", name, "--json")
    assert done.exit_code == 0, done.output
    (answer,) = json.loads(done.stdout)
    assert answer["methods"] == drawn
    assert len(answer["notes"]) == len(says)
    assert all(text in note for text, note in zip(says, answer["notes"], strict=True))
    assert Path(answer["figure"]).stat().st_size > 10_000
    done = camlite("explain", "photo.png", "--model", name, "--method", "cam")
    assert done.exit_code == (0 if "cam" in drawn else 2), "asked for, and it does not fit"
    assert "cam" in drawn or "use grad_cam" in done.stderr


@needs_data
@pytest.mark.slow
def test_resnet50_sees_the_dog_above_and_the_cat_below():
    from camlite import cam, data

    net = weights.pretrained("resnet50")
    _, x = weights.preprocess(data.load_image(DATA / "photos" / "cat_dog.jpg"))
    dog, cat = cam(net.model, "layer4", x, 243)[0], cam(net.model, "layer4", x, 282)[0]
    assert int(net.model(x).argmax()) == 243
    assert int(dog.argmax()) // 7 < 3  # the dog's face is in the upper half, the cat lies below
    assert int(cat.argmax()) // 7 > 3


@needs_data
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--model", "resnet9000"), "torchvision has no classifier 'resnet9000'"),
        (("--model", "squeezenet1_1", "--class", "1000"), "class 1000 is out of range"),
        (("--model", "squeezenet1_1", "--class", "unicorn"), "no class is called 'unicorn'"),
        (("--model", "squeezenet1_1", "--class", "dog"), "fits"),
        (("--model", "squeezenet1_1", "--layer", "features.99"), "no layer 'features.99'"),
        (("--model", "squeezenet1_1", "--method", "magic"), "no method is called 'magic'"),
        (("--model", "squeezenet1_1", "--method", "cam"), "use grad_cam"),
    ],
)
def test_a_wrong_word_is_one_line_and_exit_2(tmp_path, monkeypatch, args, says):
    monkeypatch.chdir(tmp_path)
    done = camlite("explain", str(DATA / "photos" / "cat_bowl.jpg"), *args)
    assert done.exit_code == 2, done.output
    assert says in done.stderr


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n broken"])
def test_a_corrupt_image_is_one_line_and_exit_2(tmp_path, content):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    done = camlite("explain", str(path))
    assert done.exit_code == 2
    assert "photo.png" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_weights_that_are_not_there_say_what_to_do(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("CAMLITE_DATA", str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", no_network)
    with pytest.raises(DataNotFound, match=r"resnet18-.*\.pth.*CAMLITE_DATA"):
        weights.pretrained("resnet18")


def test_damaged_weights_are_named(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "resnet18.pth").write_bytes(b"half a file")
    monkeypatch.setenv("CAMLITE_DATA", str(tmp_path))
    with pytest.raises(DataNotFound, match=r"resnet18\.pth cannot be read"):
        weights.pretrained("resnet18")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "weights" / "resnet18.pth")
    with pytest.raises(DataNotFound, match="does not hold the weights"):
        weights.pretrained("resnet18")


def test_weight_files_are_found_by_the_longest_name(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    for name in ("resnet50-x.pth", "wide_resnet50_2.pth", "vgg16_bn.pth", "other.pth"):
        (tmp_path / "weights" / name).touch()
    monkeypatch.setenv("CAMLITE_DATA", str(tmp_path))
    assert set(weights.at_hand()) >= {"resnet50", "wide_resnet50_2", "vgg16_bn"}


def test_the_standard_cut_is_square_and_normalised():
    seen, x = weights.preprocess(torch.rand(1, 3, 300, 500))
    assert seen.shape == x.shape == (1, 3, 224, 224)
    mean = torch.tensor(weights.MEAN).view(3, 1, 1)
    assert torch.allclose(x[0] * torch.tensor(weights.STD).view(3, 1, 1) + mean, seen[0], atol=1e-5)
