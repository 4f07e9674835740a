"""What crosses the trust line: plain arrays, numbers, text, and lists, tuples and dicts of them.

A message is JSON (the tree) and the raw bytes of its arrays; no pickle. What comes from the other
side is believed in nothing: its length, kinds of numbers and shapes are looked at before use.
"""

from __future__ import annotations

import json
import math
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

KINDS = {"?", "|b1", "|u1", "|i1"} | {f"<{k}{n}" for k in "iufc" for n in (2, 4, 8, 16)}
MOST_BYTES = 256 * 2**20  # of one message
MOST_JSON = 8 * 2**20  # bytes of its tree: Python makes twenty times as many of them
MOST_NODES = 20_000  # of one tree
MOST_TEXT = 2**20  # characters
HEAD = 8  # bytes that hold a length


class Garbled(ValueError):
    """The other side sent something that is no message."""


class Strange:
    """A value that is none of the plain kinds; only the name of its type crosses."""


# ------------------------------------------------------------------ values as trees


def pack(value: Any) -> bytes:
    """A tree as bytes: the length of the JSON, the JSON, the arrays one after the other."""
    arrays: list[np.ndarray] = []
    tree = _tree(value, arrays, 0)
    head = [[a.dtype.str, list(a.shape)] for a in arrays]
    text = json.dumps({"tree": tree, "arrays": head}, ensure_ascii=True).encode()
    return b"".join(
        [len(text).to_bytes(HEAD, "big"), text, *(np.ascontiguousarray(a).data for a in arrays)]
    )


def _tree(value: Any, arrays: list[np.ndarray], depth: int) -> Any:
    kind = type(value)
    if value is None or kind in (bool, str):
        return value[:MOST_TEXT] if kind is str else value
    if kind is int:
        return {"int": str(value)} if value.bit_length() < 4096 else {"strange": "int"}
    if kind is float:
        return {"float": value.hex()}
    if kind is complex:
        return {"complex": [value.real.hex(), value.imag.hex()]}
    if isinstance(value, torch.Generator):
        return {"generator": _tree(value.get_state(), arrays, depth), "seed": value.initial_seed()}
    if isinstance(value, Tensor):
        return _tensor_tree(value, arrays)
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.newbyteorder("<").str not in KINDS:
            return {"strange": f"numpy array of {array.dtype}"[:100]}
        arrays.append(array.astype(array.dtype.newbyteorder("<"), copy=False))
        return {"numpy": len(arrays) - 1, "scalar": isinstance(value, np.generic)}
    if depth < 12 and isinstance(value, (list, tuple)):
        name = "list" if isinstance(value, list) else "tuple"
        return {name: [_tree(v, arrays, depth + 1) for v in list(value)[:2000]]}
    if depth < 12 and isinstance(value, dict):
        pairs = list(value.items())[:2000]
        return {"dict": [[_tree(x, arrays, depth + 1) for x in pair] for pair in pairs]}
    return {"strange": kind.__name__[:100]}


def _tensor_tree(value: Tensor, arrays: list[np.ndarray]) -> Any:
    dense = value.detach() if value.layout == torch.strided else value.detach().to_dense()
    dense = (dense.dequantize() if dense.is_quantized else dense).cpu().resolve_conj().resolve_neg()
    name = str(dense.dtype).removeprefix("torch.")
    arrays.append((dense.float() if dense.dtype == torch.bfloat16 else dense).numpy())
    tree = {"tensor": len(arrays) - 1, "dtype": name, "requires_grad": value.requires_grad}
    if value.is_leaf and value.grad is not None:
        tree["grad"] = _tensor_tree(value.grad, arrays)
    return tree


def unpack(data: bytes) -> Any:
    """What `pack` packed. Raises `Garbled` for anything else."""
    try:
        end = HEAD + int.from_bytes(data[:HEAD], "big")
        if end > MOST_JSON:
            raise Garbled("a tree that is too long")
        message = json.loads(data[HEAD:end])
        arrays, at = [], end
        for kind, shape in message["arrays"]:
            if kind not in KINDS or not all(isinstance(n, int) and n >= 0 for n in shape):
                raise Garbled(f"an array of {str(kind)[:50]}")
            if math.prod(n or 1 for n in shape) > MOST_BYTES:
                raise Garbled("an array of a huge shape")
            size = math.prod(shape) * np.dtype(kind).itemsize
            if at + size > len(data):
                raise Garbled("an array longer than the message")
            arrays.append(np.frombuffer(data, kind, math.prod(shape), at).reshape(shape).copy())
            at += size
        return _value(message["tree"], iter(arrays), [0])
    except Garbled:
        raise
    except Exception as error:  # of whatever kind: it was no message
        raise Garbled(f"no message: {type(error).__name__}") from None


def _value(tree: Any, arrays: Iterator[np.ndarray], count: list[int]) -> Any:
    """The arrays are taken in their order, each one once: a copy of each is all that is made."""
    count[0] += 1
    if count[0] > MOST_NODES:
        raise Garbled("a tree of too many values")
    if not isinstance(tree, dict):
        return tree
    if "int" in tree:
        return int(tree["int"][:2000])
    if "float" in tree:
        return float.fromhex(tree["float"])
    if "complex" in tree:
        return complex(*map(float.fromhex, tree["complex"]))
    if "tensor" in tree:
        return _tensor(tree, arrays)
    if "numpy" in tree:
        array = next(arrays)
        return array[()] if tree["scalar"] and array.ndim == 0 else array
    if "generator" in tree:
        generator = torch.Generator().manual_seed(tree["seed"])
        return generator.set_state(_tensor(tree["generator"], arrays))
    if "dict" in tree:
        return {_value(k, arrays, count): _value(v, arrays, count) for k, v in tree["dict"]}
    if "strange" in tree:
        return type(str(tree["strange"])[:100], (Strange,), {})()
    kind = list if "list" in tree else tuple
    return kind(_value(v, arrays, count) for v in tree[kind.__name__])


def _tensor(tree: dict[str, Any], arrays: Iterator[np.ndarray]) -> Tensor:
    dtype, value = getattr(torch, tree["dtype"]), torch.from_numpy(next(arrays))
    if dtype is torch.bfloat16 and value.dtype is torch.float32:
        value = value.to(dtype)
    if value.dtype is not dtype:
        raise Garbled("a tensor of another kind of numbers")
    value.requires_grad_(
        bool(tree["requires_grad"]) and (dtype.is_floating_point or dtype.is_complex)
    )
    if "grad" in tree:
        value.grad = _tensor(tree["grad"], arrays)
    return value


def is_plain(value: Any) -> bool:
    """Whether a value arrives on the other side as it is."""
    if isinstance(value, (list, tuple)):
        return type(value) in (list, tuple) and all(map(is_plain, value))
    if isinstance(value, dict):
        return all(is_plain(k) and is_plain(v) for k, v in value.items())
    known = (bool, int, float, complex, str, type(None), np.ndarray, np.generic, torch.Generator)
    return type(value) is Tensor or isinstance(value, known)


def random_numbers() -> list[Any]:
    """Where the generators stand that a process shares: torch, numpy, random."""
    version, numbers, gauss = random.getstate()
    state = np.array(numbers, np.uint64)
    return [torch.get_rng_state(), list(np.random.get_state()), [version, state, gauss]]


def set_random_numbers(states: list[Any]) -> None:
    """As `random_numbers` gave them. Raises `Garbled` for what would lead numpy out of its memory.

    torch and random look at it themselves.
    """
    name, key, position, has_gauss, gauss = states[1]
    kinds = [type(one) for one in (key, position, has_gauss, gauss)]
    if kinds != [np.ndarray, int, int, float] or name != "MT19937" or not 0 <= position <= len(key):
        raise Garbled("no random numbers")
    torch.set_rng_state(states[0])
    np.random.set_state((name, key, position, has_gauss, gauss))
    version, numbers, gauss = states[2]
    random.setstate((version, tuple(numbers.tolist()), gauss))


# ------------------------------------------------------------------ messages on a socket


def send(line: socket.socket, value: Any, until: float | None = None) -> None:
    """Send one message. Raises TimeoutError after `until`: the other side may not listen."""
    line.settimeout(None if until is None else max(0.001, until - time.monotonic()))
    send_packed(line, pack(value))


def send_packed(line: socket.socket, data: bytes) -> None:
    """Send what `pack` made."""
    line.sendall(len(data).to_bytes(HEAD, "big") + data)


def receive(line: socket.socket, until: float | None = None) -> Any:
    """The next message. Raises EOFError at the end, TimeoutError after `until`, `Garbled`."""
    length = int.from_bytes(_exactly(line, HEAD, until), "big")
    if length > MOST_BYTES:
        raise Garbled("a message that is too long")
    return unpack(_exactly(line, length, until))


def _exactly(line: socket.socket, count: int, until: float | None) -> bytes:
    data = bytearray()
    while len(data) < count:
        if until is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            line.settimeout(left)
        try:
            piece = line.recv(min(count - len(data), 2**20))
        except ConnectionError:
            piece = b""
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
