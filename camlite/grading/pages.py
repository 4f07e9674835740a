"""HTML and Markdown from templates. All that is put in is escaped, without having to be asked."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from camlite.grading.text import lines, one_line

_TEMPLATES = Path(__file__).parent / "templates"
_SPECIAL = re.compile(
    r"([\\`*_{}\[\]()<>#|~&$^]|:(?=//)|(?<=www)\.)", re.I
)  # and what makes a link
_FENCE = re.compile(r"`{3,}")


def html(template: str, **values: Any) -> str:
    """A page of `templates/`, where `Markup` alone is not escaped."""
    return _for_html().get_template(template).render(values)


def markdown(template: str, **values: Any) -> str:
    """The same as Markdown."""
    return _for_markdown().get_template(template).render(values)


def escape_markdown(value: object) -> str:
    """Text in a line of Markdown, as it is."""
    return value if isinstance(value, Markup) else _SPECIAL.sub(r"\\\1", one_line(str(value)))


def fenced(text: str) -> Markup:
    """Text as a block of code that it cannot end."""
    shown = lines(text)
    fence = "`" * max([3, *(len(found) + 1 for found in _FENCE.findall(shown))])
    return Markup(f"{fence}text\n{shown}\n{fence}")


@cache
def _for_html() -> Environment:
    made = _environment(autoescape=True)
    made.filters |= {"line": one_line, "lines": lines}
    return made


@cache
def _for_markdown() -> Environment:
    made = _environment(autoescape=False, finalize=escape_markdown)
    made.filters |= {"fenced": fenced}
    return made


def _environment(**more: Any) -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **more,
    )
