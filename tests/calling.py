"""How the tests call any method of `camlite.METHODS`: cheaply, and the same way twice."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import torch
from torch import Tensor, nn

import camlite

CHEAP = {
    "samples": 3,
    "steps": 3,
    "batch_size": 16,
    "cells": 3,
    "patch": 4,
    "stride": 4,
    "groups": 3,
    "clusters": 3,
}
# All but those for transformers: tests/methods/test_attention.py holds these to the same.
METHODS = {name: card for name, card in camlite.METHODS.items() if card.family != "attention"}
# They ask for no class.
CLASSLESS = ("eigen_cam", "kpca_cam", "lafam", "random_cam", "center_gaussian")


def parameters(method: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(camlite.METHODS[method].function).parameters)


def takes_layers(method: str) -> bool:
    """Methods over several layers say so in the annotation of `layer`."""
    takes = parameters(method)
    return "layer" in takes and "Sequence" in str(takes["layer"].annotation)


def is_random(method: str) -> bool:
    return "generator" in parameters(method)


def call(
    method: str,
    model: nn.Module,
    images: Tensor,
    target: Any = None,
    layer: Any = "conv2",
    several: Any = ("conv1", "conv2"),
    **options: Any,
) -> Tensor:
    """One map per image, with few samples and a fixed seed; warnings are kept quiet."""
    takes = parameters(method)
    options = {k: v for k, v in {**CHEAP, **options}.items() if k in takes}
    if "generator" in takes:
        options.setdefault("generator", torch.Generator().manual_seed(5))
    where = [list(several) if takes_layers(method) else layer] if "layer" in takes else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return camlite.METHODS[method].function(model, *where, images, target, **options)


class Plain(nn.Module):
    """The shape class activation maps were made for: convolutions, GAP, one linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu1 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU())
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.bn1(self.conv1(x))))
        return self.fc(self.drop(self.conv2(x).mean((2, 3))))


class Residual(Plain):
    """ReLUs in place, a path around `conv2`, and a head that is not linear: the hook path."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu2 = nn.ReLU(inplace=True)
        self.fc = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True), nn.Linear(8, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.bn1(self.conv1(x))))
        x = self.relu2(self.conv2(x) + x)
        return self.fc(self.drop(x.mean((2, 3))))


class DataDependent(Plain):
    """Control flow that no trace can follow."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.bn1(self.conv1(x)))
        if x.mean() > -1:
            x = self.pool(x)
        return self.fc(self.drop(self.conv2(x).mean((2, 3))))


MODELS = (Plain, Residual, DataDependent)


def build(kind: type[Plain], dtype: torch.dtype = torch.float32) -> nn.Module:
    """Fixed weights that separate the classes; BatchNorm with statistics of its own."""
    torch.manual_seed(3)
    model = kind()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight)
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return model.to(dtype).eval()


def pictures(n: int = 2, size: int = 12, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(4)).to(dtype)


def needs_cam_head(method: str, kind: type[Plain]) -> bool:
    """CAM itself refuses a head that is not GAP and one linear layer."""
    return method == "cam" and kind is Residual
