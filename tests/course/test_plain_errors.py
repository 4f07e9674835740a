"""Errors that torch really raises get a sentence in plain words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from camlite.course.plain_errors import meaning

A, B = torch.ones(2, 3), torch.ones(4, 5)
SHAPES, NUMBERS, GRAPH = "Two shapes do not fit", "Numbers of two kinds", "There is no graph"
REAL = {
    "add": (lambda: A + B, SHAPES),
    "multiply matrices": (lambda: A @ B, SHAPES),
    "a stack of matrices": (lambda: torch.bmm(A.expand(2, 2, 3), B.expand(2, 4, 5)), SHAPES),
    "dot": (lambda: torch.ones(3) @ torch.ones(4), SHAPES),
    "numpy": (lambda: A.numpy() + B.numpy(), SHAPES),
    "numpy matrices": (lambda: A.numpy() @ B.numpy(), SHAPES),
    "expand": (lambda: A.expand(4, 5), SHAPES),
    "einsum": (lambda: torch.einsum("ij,jk->ik", A, B), SHAPES),
    "stack": (lambda: torch.stack([A, B]), SHAPES),
    "reshape": (lambda: A.reshape(4, 5), "another number of values"),
    "float and double": (lambda: A.double() @ A.mT, NUMBERS),
    "float and whole": (lambda: A.long() @ A.mT, NUMBERS),
    "one_hot": (lambda: functional.one_hot(torch.ones(3)), NUMBERS),
    "index": (lambda: A[torch.ones(2)], NUMBERS),
    "no graph": (lambda: A.sum().backward(), GRAPH),
    "unused": (
        lambda: torch.autograd.grad(B.clone().requires_grad_().sum(), A.clone().requires_grad_()),
        GRAPH,
    ),
    "in place": (lambda: A.clone().requires_grad_().mul_(2), "You write into a tensor"),
    "axis": (lambda: A.sum(2), "There is no such axis"),
    "if": (lambda: 1 if A > 0 else 0, "One number is needed"),
    "float()": (lambda: float(A), "One number is needed"),
    "numpy if": (lambda: 1 if np.ones(3) > 0 else 0, "One number is needed"),
    "svd": (lambda: torch.linalg.svd(A * torch.nan), "hold NaN"),
    "eigh": (lambda: torch.linalg.eigh(torch.full((4, 4), torch.nan)), "hold NaN"),
    "numpy svd": (lambda: np.linalg.svd(A.numpy() * np.nan), "hold NaN"),
    "place": (lambda: A[7], "An index is too large"),
    "einsum, letters": (lambda: torch.einsum("k,kx->x", A, A), "one letter for each of its axes"),
    "arguments": (lambda: (lambda F, G: F)(A), "other arguments than it has"),
    "keyword": (lambda: (lambda F: F)(A, center=True), "other arguments than it has"),
}


@pytest.mark.parametrize("name", REAL)
def test_a_real_error_gets_its_sentence(name):
    stops, words = REAL[name]
    with pytest.raises((RuntimeError, ValueError, IndexError, TypeError)) as error:
        stops()
    assert words in meaning(str(error.value)), error.value


def test_what_is_not_known_gets_none():
    assert meaning("division by zero") == ""
