"""File names for students: safe on every system, different for different students."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable

from camlite.grading.text import plain

LONGEST = 150  # bytes of a name; an ending such as .html is counted in
SPARE = 10
_FORBIDDEN = re.compile(r'[<>:"/\\|?*�\n\t]')  # by some system, or not to be printed
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.I)  # not files on Windows


def file_names(students: Iterable[str]) -> dict[str, str]:
    """Student -> a file name of their own, without ending.

    The same class gives the same names in whatever order it comes. Names that differ only in
    capital letters, which some systems take for one, get a number.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for student in sorted(set(students)):
        names[student] = free_name(student, taken)
        taken.add(key(names[student]))
    return names


def free_name(student: str, taken: Container[str]) -> str:
    """The first of `name`, `name-2`, `name-3` … whose `key` is not taken."""
    name, number = safe_name(student), 1
    while key(name) in taken:
        number += 1
        name = f"{safe_name(student, LONGEST - 2 * SPARE)}-{number}"
    return name


def safe_name(student: str, most: int = LONGEST - SPARE) -> str:
    """A file name of at most so many bytes; letters of all languages are kept.

    Two students may get the same name; see `file_names`.
    """
    name = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", plain(student)))
    name = name.strip().lstrip(".-~ ")
    name = f"_{name}" if _DEVICES.match(name) else name
    name = name.encode()[:most].decode(errors="ignore").rstrip(". ")
    return name or "student"


def key(name: str) -> str:
    """What is equal for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", name).casefold())
