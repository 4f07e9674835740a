"""Values come over as they are; what is no message is told apart from one."""

from __future__ import annotations

import contextlib
import json
import random

import numpy as np
import pytest
import torch

from camlite.course.state import same
from camlite.grading.plain import (
    Garbled,
    Strange,
    is_plain,
    pack,
    random_numbers,
    set_random_numbers,
    unpack,
)

VALUES = {
    "none": None,
    "truth": True,
    "integers": [0, -7, 2**70],
    "floats": (0.1 + 0.2, float("inf"), float("-inf"), 1e-320),
    "text": "học viên 学生 \x00\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
    "dict": {"a": 1, 2: (3, [4, {"b": None}]), (1, 2): "key"},
    "tensor": torch.randn(2, 3, 4),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(3),
    "bfloat16": torch.randn(5).bfloat16(),
    "half": torch.randn(5).half(),
    "complex": torch.randn(3, dtype=torch.complex64),
    "bool": torch.tensor([True, False]),
    "turned": torch.randn(4, 5).T,
    "array": np.arange(6.0).reshape(2, 3)[:, ::-1],
    "big endian": np.arange(3, dtype=">i4"),
    "numpy scalar": np.float32(0.5),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_over(name):
    value = VALUES[name]
    back = unpack(pack(value))
    if isinstance(value, np.ndarray):
        assert (back == value).all()
        assert back.dtype == value.dtype.newbyteorder("=")
    else:
        assert same(back, value)


def test_what_belongs_to_a_tensor_comes_over():
    x = torch.randn(3, requires_grad=True)
    (x * x).sum().backward()
    back = unpack(pack(x))
    assert back.requires_grad
    assert torch.equal(back.grad, x.grad)
    generator = torch.Generator().manual_seed(4)
    torch.rand(3, generator=generator)
    there = unpack(pack(generator))
    assert there.initial_seed() == 4
    assert torch.equal(torch.rand(5, generator=there), torch.rand(5, generator=generator))


def test_only_the_name_of_other_kinds_comes_over():
    class Answer:
        def __reduce__(self):
            raise AssertionError("nobody pickles")

    back = unpack(pack([Answer(), np.array(["a"]), lambda x: x]))
    assert [type(v).__name__ for v in back] == ["Answer", "numpy array of <U1", "function"]
    assert all(isinstance(v, Strange) for v in back)
    assert not is_plain([Answer()])
    assert is_plain([torch.ones(2), {"a": np.ones(2)}, torch.Generator()])
    assert not is_plain(torch.nn.Parameter(torch.ones(2)))


def test_random_numbers_go_on_from_the_same_place():
    state = unpack(pack(random_numbers()))
    drawn = torch.rand(3), np.random.rand(3), random.random()
    set_random_numbers(state)
    again = torch.rand(3), np.random.rand(3), random.random()
    assert same(drawn, again)


def message(text: str) -> bytes:
    return len(text).to_bytes(8, "big") + text.encode()


def with_array(kind: str, shape: list[int]) -> bytes:
    tree = {"numpy": 0, "scalar": False}
    return message(json.dumps({"tree": tree, "arrays": [[kind, shape]]}))


HOSTILE = {
    "nothing": b"",
    "a length beyond the end": (2**60).to_bytes(8, "big") + b"{}",
    "no JSON": message("{[[["),
    "deep JSON": message("[" * 200_000),
    "objects": with_array("|O", [2]),
    "too large a shape": with_array("<f8", [10**6, 10**6]),
    "a negative shape": with_array("<f8", [-1, -8]),
    "an array that is not there": message('{"tree": {"numpy": 7, "scalar": false}, "arrays": []}'),
    "a dtype that is a function": message(
        '{"tree": {"tensor": 0, "dtype": "load", "requires_grad": false}, "arrays": []}'
    ),
    "too many values": message(json.dumps({"tree": {"list": [0] * 30_000}, "arrays": []})),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_message_is_garbled(name):
    with pytest.raises(Garbled):
        unpack(HOSTILE[name])


def test_any_flipped_byte_is_a_value_or_garbled():
    data = bytearray(pack({"a": torch.randn(2, 2), "b": [1, 2.5, "x"]}))
    rng = random.Random(0)
    for _ in range(500):
        spoilt = bytearray(data)
        spoilt[rng.randrange(len(spoilt))] = rng.randrange(256)
        with contextlib.suppress(Garbled):
            unpack(bytes(spoilt))
