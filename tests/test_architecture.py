"""Which part of camlite may import which: downward only, no cycle, formulas know no machinery."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import camlite
from tests.public_api import MODULES, public

PACKAGE = Path(camlite.__file__).parent
LESSONS = sorted((PACKAGE.parent / "solutions").glob("*.py"))

# From the top. A part may import parts of the layers below its own, nothing beside or above it.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("evaluation", "grading"),
    ("__init__",),  # the names that users see
    ("figures", "sanity"),
    ("methods", "metrics"),
    ("perturb", "weights"),
    ("split",),
    ("boxes", "course", "cutting", "data", "nets"),
    ("maps", "scores"),
    ("checks", "errors", "paths"),
)
FORMULAS = {
    "boxes",
    "cutting",
    "maps",
    "methods",
    "metrics",
    "perturb",
    "sanity",
    "scores",
    "split",
}
MACHINERY = {"cli", "course", "data", "evaluation", "figures", "grading", "nets", "paths"}
MACHINERY |= {"weights"}
PUBLIC = {f"{m.__name__}.{name}" for m in MODULES for name in public(m)}
PUBLIC |= {m.__name__ for m in MODULES}
PUBLIC |= {"camlite.split.last_spatial_layer", "camlite.figures.plot"}  # modules with a door


def imports(source: str) -> Iterator[str]:
    """What a file imports of camlite, also inside functions: `camlite.data.files.find`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "camlite imports by absolute names"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (n for n in names if n == "camlite" or n.startswith("camlite."))


def module_of(name: str, package: Path = PACKAGE) -> str:
    """The module that an imported name lies in: `camlite.data.files.find` -> data.files."""
    parts = name.split(".")[1:]
    while parts:
        path = package.joinpath(*parts)
        if path.is_dir() or path.with_suffix(".py").is_file():
            return ".".join(parts)
        parts.pop()
    return "__init__"


def graph(package: Path = PACKAGE) -> dict[str, set[str]]:
    """Each module of the package, and the modules it imports."""
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        inner = path.relative_to(package).with_suffix("")
        if "_course" in inner.parts:
            continue  # the lessons in an installed package
        parts = inner.parts[:-1] if inner.name == "__init__" else inner.parts
        own = ".".join(parts) or "__init__"
        names = imports(path.read_text(encoding="utf-8"))
        found[own] = {module_of(name, package) for name in names} - {own}
    return found


def part(module: str) -> str:
    """The folder or file directly in camlite/."""
    return module.split(".")[0]


def upward(modules: dict[str, set[str]]) -> list[str]:
    """The imports that do not go down."""
    level = {name: n for n, layer in enumerate(LAYERS) for name in layer}
    return [
        f"{a} imports {b}"
        for a, others in modules.items()
        for b in sorted(others)
        if part(a) != part(b) and level[part(a)] >= level[part(b)]
    ]


def test_every_part_has_a_layer() -> None:
    assert {part(module) for module in graph()} == {name for layer in LAYERS for name in layer}


def test_imports_go_down() -> None:
    assert upward(graph()) == []


def test_no_module_imports_itself_through_others() -> None:
    modules = graph()
    for package in {m.rpartition(".")[0] for m in modules} - {""}:
        # importing a submodule runs the package's __init__, which may import its submodules
        for module, others in modules.items():
            if module.startswith(f"{package}."):
                others.discard(package)
    try:
        tuple(TopologicalSorter(modules).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_formulas_know_no_machinery(name: str) -> None:
    found = {
        other for module, others in graph().items() if part(module) == name for other in others
    }
    assert not {part(other) for other in found} & MACHINERY


def test_the_course_needs_nothing_of_the_library() -> None:
    found = {part(o) for m, others in graph().items() if part(m) == "course" for o in others}
    assert found - {"course"} <= {"errors", "paths"}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lessons_import_only_public_names(lesson: Path) -> None:
    assert [name for name in imports(lesson.read_text("utf-8")) if name not in PUBLIC] == []


def test_public_names_of_lessons_exist() -> None:
    for name in PUBLIC - {"camlite"}:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)


# ------------------------------------------------------------------ the reader itself


def test_a_wrong_import_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    for folder in ("methods", "course"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "maps.py").write_text("from camlite import methods\n")
    late = "def f():\n    import camlite.course.judge\n"
    (tmp_path / "methods" / "gradient.py").write_text(late)
    (tmp_path / "course" / "judge.py").write_text("from camlite.methods.gradient import f\n")
    modules = graph(tmp_path)
    assert modules["methods.gradient"] == {"course.judge"}
    assert modules["course.judge"] == {"methods.gradient"}
    assert upward(modules) == [
        "course.judge imports methods.gradient",
        "maps imports methods",
    ]
    with pytest.raises(CycleError):
        tuple(TopologicalSorter(modules).static_order())
