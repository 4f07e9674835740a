"""Every public name with its signature: `python -m tests.public_api` writes public_api.txt.

What stands there is what users' code and lessons lean on. A change of it must be meant, and then
CHANGELOG.md says so.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import camlite
from camlite import boxes, course, data, figures, metrics, nets, sanity, weights

SNAPSHOT = Path(__file__).with_name("public_api.txt")
MODULES = (camlite, boxes, course, data, figures, metrics, nets, sanity, weights)


def public(module: ModuleType) -> list[str]:
    """The names in `__all__`; without one, what the module itself defines."""
    named = getattr(module, "__all__", None)
    own = [
        n
        for n, v in vars(module).items()
        if not n.startswith("_") and getattr(v, "__module__", "") == module.__name__
    ]
    return sorted(own if named is None else named)


def described(name: str, value: object) -> Iterator[str]:
    """One line for a function or a value; for a class also its public members."""
    if isinstance(value, ModuleType):
        yield f"{name}: module"
    elif inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__)
        yield f"{name}: class({bases}) {'' if issubclass(value, Exception) else signature(value)}"
        for member, what in sorted(vars(value).items()):
            if not member.startswith("_") and (callable(what) or isinstance(what, property)):
                yield f"{name}.{member}: {signature(what) if callable(what) else 'property'}"
    elif callable(value):
        yield f"{name}: {signature(value)}"
    else:
        yield f"{name}: {type(value).__name__}"


def signature(value: object) -> str:
    """Names, kinds and defaults of the arguments, without their types."""
    found = inspect.signature(value)  # type: ignore[arg-type]
    plain = [p.replace(annotation=p.empty) for p in found.parameters.values()]
    text = str(found.replace(parameters=plain, return_annotation=found.empty))
    return re.sub(r"<function (\w+) at 0x\w+>", r"\1", text)


def api() -> str:
    """All of it, sorted."""
    lines = {
        line
        for module in MODULES
        for name in public(module)
        for line in described(f"{module.__name__}.{name}", getattr(module, name))
    }
    return "\n".join(sorted(lines)) + "\n"


if __name__ == "__main__":
    SNAPSHOT.write_text(api(), encoding="utf-8")
