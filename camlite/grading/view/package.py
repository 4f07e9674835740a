"""camlite, where answers are graded: data, networks, split and figures. The rest is for you."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from camlite import data, nets
from camlite.errors import ArchitectureError, DataNotFound, LayerNotFound
from camlite.figures.plot import show
from camlite.split import LayerChosen, SplitByHook, split

__all__ = [
    "ArchitectureError",
    "DataNotFound",
    "LayerChosen",
    "LayerNotFound",
    "SplitByHook",
    "data",
    "nets",
    "show",
    "split",
]


class WriteItYourself(RuntimeError):
    """An answer called what it should be."""


class Absent:
    """Stands for a function or module of camlite. It can be named, but not called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._name}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise WriteItYourself(
            f"{self._name} cannot be called when answers are graded: write it yourself"
        )


class AbsentModules(MetaPathFinder, Loader):
    """Makes `import camlite.methods` work, and nothing in it callable."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: Any = None) -> Any:
        """Asked last, for what is not here."""
        return ModuleSpec(name, self, is_package=True) if name.startswith("camlite.") else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """An ordinary module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """All its names stand for something absent."""
        absent = Absent(module.__name__)
        module.__getattr__ = lambda name: getattr(absent, name)  # type: ignore[method-assign]


sys.meta_path.append(AbsentModules())


def __getattr__(name: str) -> Any:
    return getattr(Absent("camlite"), name)
