"""Every example in a docstring runs and gives what it says; every public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import camlite
from camlite import boxes, maps, methods, metrics, sanity

FINDER = doctest.DocTestFinder(recurse=True)
FLAGS = doctest.NORMALIZE_WHITESPACE


def modules() -> list[str]:
    """The modules of camlite that are not commands: these run when they are imported."""
    names = [m.name for m in pkgutil.walk_packages(camlite.__path__, "camlite.")]
    return [n for n in names if not n.endswith("__main__") and n != "camlite.course.worker"]


def run(test: doctest.DocTest, capsys: Any) -> None:
    results = doctest.DocTestRunner(optionflags=FLAGS).run(test)
    assert results.failed == 0, capsys.readouterr().out


def examples(module: str) -> Iterator[doctest.DocTest]:
    yield from (t for t in FINDER.find(importlib.import_module(module)) if t.examples)


@pytest.fixture(scope="module")
def setting() -> dict[str, Any]:
    """The names that the docstring of camlite.methods gives to its model and images."""
    names: dict[str, Any] = {}
    for example in doctest.DocTestParser().get_examples(methods.__doc__ or ""):
        exec(compile(example.source, "<camlite.methods>", "single"), names)
    return {name: names[name] for name in ("torch", "camlite", "model", "images")}


@pytest.mark.parametrize("module", modules())
def test_the_examples_of(module: str, setting: dict[str, Any], capsys: Any) -> None:
    for test in examples(module):
        test.globs = {**setting, **test.globs}
        torch.manual_seed(0)
        run(test, capsys)


@pytest.mark.parametrize("name", methods.__all__)
def test_every_method_shows_how_it_is_called(name: str) -> None:
    text = inspect.getdoc(getattr(camlite, name)) or ""
    assert f">>> maps = camlite.{name}(" in text or f"camlite.{name}(model" in text


def test_every_public_function_of_the_library_has_an_example() -> None:
    public = [(metrics, metrics.__all__), (camlite, ["split", "gap", "weighted_sum", "up"])]
    for module in (boxes, maps, sanity):
        own = [
            n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__
        ]
        public.append((module, [n for n in own if not n.startswith("_")]))
    bare = [
        f"{module.__name__}.{name}"
        for module, names in public
        for name in names
        if inspect.isfunction(getattr(module, name))
        and ">>> " not in (inspect.getdoc(getattr(module, name)) or "")
    ]
    assert set(bare) <= {"camlite.maps.same_size", "camlite.maps.channel_sum"}, bare
