"""GapNet and the bundled networks: as large, as right and as unchanged as their cards say."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

import camlite
from camlite import boxes, data, nets
from camlite.errors import ArchitectureError, DataNotFound
from camlite.maps import up
from camlite.methods import grad_cam
from camlite.metrics import localization_error
from camlite.paths import DATASETS


def card(name: str) -> dict:
    return json.loads((DATASETS / f"{name}.json").read_text(encoding="utf-8"))


def test_gapnet_has_the_parameters_of_the_article():
    assert nets.count_parameters(nets.GapNet()) == 98_442


def test_gapnet_takes_any_size_and_keeps_every_pixel():
    net = nets.GapNet(in_channels=3, classes=4)
    x = torch.rand(2, 3, 9, 14)
    assert net(x).shape == (2, 4)
    assert net.features(x).shape == (2, 128, 9, 14)


def test_accuracy_counts_hits_and_leaves_the_mode_alone():
    class Says(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 3).float()

    images = torch.tensor([0, 1, 2, 1]).float().reshape(4, 1, 1, 1)
    net = Says().train()
    assert nets.accuracy(net, images, torch.tensor([0, 1, 1, 1]), batch_size=3) == 0.75
    assert net.training


@pytest.mark.parametrize("name", sorted(p.stem for p in DATASETS.glob("*.json")))
def test_bundled_weights_are_those_of_their_card(name):
    file = DATASETS / f"{name}.pt"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == card(name)["sha256"]
    assert file.stat().st_size < 1_000_000
    assert not nets.bundled(name).training


def test_the_digits_network_is_as_right_as_stated():
    x, y = data.digits(train=False)
    stated = card("gapnet_digits")["test_accuracy"]
    assert stated >= 0.98
    found = nets.accuracy(nets.bundled("gapnet_digits"), data.like_mnist(x), y)
    assert found == pytest.approx(stated, abs=0.004)


@pytest.mark.parametrize(
    "count", [1000, pytest.param(10_000, marks=pytest.mark.slow)], ids=["first_1000", "all"]
)
def test_the_mnist_network_is_as_right_as_stated(count):
    try:
        images, labels = data.mnist(train=False, limit=count)
    except DataNotFound:
        pytest.skip("MNIST is not at hand: set CAMLITE_DATA")
    stated = card("gapnet_mnist")
    assert stated["validation_accuracy"] >= 0.9818
    found = nets.accuracy(nets.bundled("gapnet_mnist"), images, labels)
    assert found == pytest.approx(stated["test_accuracy"], abs=0.0005 if count == 10_000 else 0.02)


def test_the_head_with_maxima_sees_one_place_of_each_map():
    net = nets.bundled("heads_gmp_linear")
    x = torch.rand(3, 1, 28, 28)
    F, linear = net.features(x), net.classifier[-1]
    torch.testing.assert_close(net(x), linear(F.amax((2, 3))))
    with pytest.raises(ArchitectureError):
        camlite.cam(net, "features", x, 1)


def test_the_heads_of_large_networks_are_five_and_each_is_bundled():
    assert len(nets.HeadNet.HEADS) == 5
    for head in nets.HeadNet.ALL_HEADS:
        assert nets.bundled(f"heads_{head}")(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    with pytest.raises(ValueError, match="gmp_linear"):
        nets.HeadNet("attention")


@pytest.mark.parametrize("head", nets.HeadNet.ALL_HEADS)
def test_each_head_has_the_parameters_of_its_card(head):
    parameters = nets.count_parameters(nets.HeadNet(head))
    assert f"{parameters:,} parameters" in card(f"heads_{head}")["network"]


def test_another_name_lists_what_there_is():
    with pytest.raises(ValueError, match="gapnet_mnist"):
        nets.bundled("resnet9000")


def test_scenenet_pools_with_the_mean_or_the_maximum():
    torch.manual_seed(0)
    mean = nets.SceneNet().eval()
    most = nets.SceneNet(pooling="max").eval()
    most.load_state_dict(mean.state_dict())
    x = torch.rand(2, 3, 20, 28)
    F = mean.features(x)
    assert torch.allclose(mean(x), mean.classifier(F.flatten(2).mean(2)), atol=1e-6)
    assert torch.equal(most(x), mean.classifier(F.flatten(2).amax(2)))
    assert not torch.allclose(mean(x), most(x))
    with pytest.raises(ValueError, match="median"):
        nets.SceneNet(pooling="median")


def test_laddernet_has_four_sizes_and_each_seed_is_bundled():
    for seed in range(3):
        net = nets.bundled(f"ladder_{seed}")
        features, *parts = camlite.split(net, list(nets.LadderNet.LAYERS))
        x = torch.rand(2, 3, 48, 32)
        F = [features(x)]
        for part in parts[:-1]:
            F.append(part(F[-1]))
        assert [tuple(each.shape[1:]) for each in F] == [
            (16, 48, 32),
            (32, 24, 16),
            (48, 12, 8),
            (64, 6, 4),
        ]
        assert torch.equal(parts[-1](F[-1]), net(x))
        assert card(f"ladder_{seed}")["test_accuracy"] > 0.98
    parameters = nets.count_parameters(nets.LadderNet())
    assert f"{parameters:,} parameters" in card("ladder_0")["network"]


def test_askednet_answers_another_question_with_other_gates():
    x = data.shapes(60, seed=7, kinds=2)
    for seed in range(3):
        net = nets.bundled(f"asked_{seed}")
        for question in (0, 1):
            logits = net(x.images, torch.full((60,), question))
            assert (logits.argmax(1) == x.colours[:, question]).float().mean() > 0.95
        assert card(f"asked_{seed}")["test_accuracy"] > 0.97
    F = net.eyes(x.images)
    assert F.shape == (60, 32, 12, 12)
    gates = net.gates(torch.tensor(1)).sigmoid()
    by_hand = net.classifier(F.mean((2, 3)) * gates)
    assert torch.allclose(by_hand, net(x.images, torch.ones(60, dtype=torch.long)), atol=1e-4)


@pytest.mark.parametrize("pooling", ["class", "mean"])
def test_tinyvit_reads_the_class_token_or_the_patches(pooling):
    torch.manual_seed(0)
    net, x = nets.TinyViT(pooling=pooling).eval(), torch.rand(2, 3, 24, 24)
    tokens = net.tokens(x)
    assert tokens.shape == (2, 37, 32)
    attention = net.blocks[0].attention(tokens)
    assert attention.shape == (2, 4, 37, 37)
    assert torch.allclose(attention.sum(3), torch.ones(2, 4, 37))
    last = net.norm(net.blocks(tokens))
    read = last[:, 0] if pooling == "class" else last[:, 1:].mean(1)
    assert torch.allclose(net.classifier(read), net(x), atol=1e-6)


def test_a_block_is_the_attention_of_torch():
    torch.manual_seed(0)
    block, tokens = nets.Block(32), torch.randn(2, 7, 32)
    theirs = torch.nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.in_proj_weight.data = block.query_key_value.weight.data
    theirs.in_proj_bias.data = block.query_key_value.bias.data
    theirs.out_proj.load_state_dict(block.out.state_dict())
    normed = block.norm_1(tokens)
    taken, attention = theirs(normed, normed, normed, average_attn_weights=False)
    assert torch.allclose(attention, block.attention(tokens), atol=1e-6)
    after = tokens + taken
    assert torch.allclose(after + block.mlp(block.norm_2(after)), block(tokens), atol=1e-5)


def test_the_networks_of_lesson_19_are_as_right_as_stated():
    for seed in range(3):
        words = data.printed_words(80, seed=9)
        stated = card(f"printed_{seed}")["test_accuracy"]
        found = nets.accuracy(nets.bundled(f"printed_{seed}"), words.images, words.labels)
        assert found == pytest.approx(stated, abs=0.07)
        one = data.shapes(80, seed=9, shown=1)
        vit = nets.bundled(f"tokens_{seed}")
        assert nets.accuracy(vit, one.images, one.shown.int().argmax(1)) > 0.97
        assert card(f"tokens_{seed}")["both_of_two_shapes"] > 0.95
    parameters = nets.count_parameters(vit)
    assert f"{parameters:,} parameters" in card("tokens_0")["network"]
    assert f"{parameters:,} parameters" in nets.TinyViT.__doc__
    with pytest.raises(ValueError, match="sum"):
        nets.TinyViT(pooling="sum")


def test_boxnet_says_a_class_and_draws_a_box_in_pixels():
    net = nets.BoxNet().eval()
    x = torch.rand(2, 3, 48, 48)
    assert net(x).shape == (2, 4)
    assert net.boxes(x).shape == (2, 4)
    assert torch.allclose(net.boxes(x), 48 * net.localizer(net.features(x)))


def test_the_networks_of_the_look_alikes_are_as_right_as_stated():
    test = data.lookalikes(200, seed=100)
    for seed in (0, 1, 2):
        net, stated = nets.bundled(f"lookalikes_{seed}"), card(f"lookalikes_{seed}")
        found = nets.accuracy(net, test.images, test.labels)
        swapped = nets.accuracy(net, test.swapped, test.labels ^ 1)
        assert found == pytest.approx(stated["test_accuracy"], abs=0.01)
        assert swapped == pytest.approx(stated["test_accuracy_with_the_other_mark"], abs=0.01)


@pytest.mark.parametrize("name", ["pond_gap_1", "pond_gmp_0", "pond_rival"])
def test_the_networks_of_the_boxes_are_as_right_as_stated(name):
    test, net, stated = (
        data.scenes("pond", "varied", count=300, seed=100),
        nets.bundled(name),
        card(name),
    )
    found = nets.accuracy(net, test.images, test.labels)
    assert found == pytest.approx(stated["test_accuracy"], abs=0.01)
    truths = boxes.bounding_boxes(test.object_mask.float(), 0.5)
    if name == "pond_rival":
        drawn = net.boxes(test.images).detach().round().clamp(0, 48)
    else:
        M = grad_cam(net, "features", test.images, test.labels, relu=False)
        drawn = boxes.bounding_boxes(up(M.detach(), (48, 48)))
    error = localization_error(drawn, truths, test.labels, test.labels)
    assert error == pytest.approx(stated["localization_error_known_class"], abs=1.5)
