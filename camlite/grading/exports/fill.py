"""Points into one column of a table that a system exported. All other cells stay as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from camlite.grading.exports import common
from camlite.grading.exports.matching import Person, match
from camlite.grading.exports.table import Table
from camlite.grading.marks import Mark


@dataclass(frozen=True)
class Sheet:
    """What a system's table says. `column`: the one that is filled in. `maximum`: its points, None
    where the file does not say. `strict`: the system drops points above the maximum.
    """

    table: Table
    column: int
    people: Sequence[Person]
    maximum: float | None = None
    strict: bool = False


@dataclass
class Filled:
    """What was done. All dictionaries: student -> why or what."""

    written: dict[str, str] = field(default_factory=dict)
    same: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unmatched: dict[str, str] = field(default_factory=dict)
    without: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Each student has their points in the file, and each row has a student."""
        return not (self.kept or self.refused or self.unmatched or self.without)


def fill(
    sheet: Sheet, everyone: Mapping[str, Sequence[Mark]], scale: bool | None, overwrite: bool
) -> Filled:
    """Write the points of each student. Other points in the column stay, without `overwrite`.

    `scale`: points are converted to the column's maximum (True), or stand as they are (False).
    Raises ValueError where the two maxima differ and `scale` is None.
    """
    matches = match(everyone, sheet.people)
    factor = _factor(sheet, max(map(common.max_points, everyone.values())), scale)
    mark = decimal_mark(sheet.table, sheet.column)
    done = Filled(unmatched=matches.unmatched)
    done.without = [person.label for person in matches.without if not person.blocked]
    for student, person in matches.found.items():
        points = common.points(everyone[student]) * factor
        _fill_one(sheet, student, person, points, mark, overwrite, done)
    return done


def _fill_one(
    sheet: Sheet,
    student: str,
    person: Person,
    points: float,
    mark: str,
    overwrite: bool,
    done: Filled,
) -> None:
    new, old = common.number(points), sheet.table.value(person.row, sheet.column).strip()
    if person.blocked:
        done.refused[student] = person.blocked
    elif sheet.strict and sheet.maximum and points > sheet.maximum + 0.005:
        done.refused[student] = f"{new} is more than the maximum of {common.number(sheet.maximum)}"
    elif number_in(old) is not None and common.number(number_in(old) or 0.0) == new:
        done.same.append(student)
    elif old not in ("", "-") and not overwrite:
        done.kept[student] = f"{old}, not {new}"
    else:
        sheet.table.change(person.row, sheet.column, new.replace(".", mark))
        done.written[student] = new


def _factor(sheet: Sheet, top: float, scale: bool | None) -> float:
    if not sheet.maximum or not top or abs(sheet.maximum - top) < 0.005 or scale is False:
        return 1.0
    if scale is None:
        raise ValueError(
            f"the column is out of {common.number(sheet.maximum)} points, the marks are out of "
            f"{common.number(top)}; give --scale to convert them, or --no-scale to keep them"
        )
    return sheet.maximum / top


def find_column(table: Table, name: str) -> int:
    """The column of this name, whatever stands before a colon or in brackets after it.

    `Lesson 8` finds `Lesson 8 (1234)` and `Assignment: Lesson 8 (Real)`. Raises ValueError where
    none or several fit.
    """
    exact = [i for i, head in enumerate(table.header) if _plain(head) == _plain(name)]
    loose = [i for i, head in enumerate(table.header) if _bare(head) == _plain(name)]
    found = exact or loose
    if len(found) == 1:
        return found[0]
    if found:
        heads = ", ".join(repr(table.header[i]) for i in found)
        raise ValueError(f"several columns are called {name!r}: {heads}; give the whole name")
    heads = ", ".join(repr(head) for head in table.header if head)
    raise ValueError(f"no column is called {name!r}; there are {heads}")


def column_named(table: Table, *names: str) -> int | None:
    """The first column with one of these names; None where there is none."""
    for name in names:
        for i, head in enumerate(table.header):
            if _plain(head) == _plain(name):
                return i
    return None


def number_in(text: str) -> float | None:
    """7.5 and 7,5; None where it is no number."""
    found = re.fullmatch(r"-?\d+(?:[.,]\d+)?", text.strip())
    return float(found[0].replace(",", ".")) if found else None


def decimal_mark(table: Table, column: int) -> str:
    """A comma where the numbers of the table have one and none has a point; else a point.

    The columns behind the filled one are read, too: an empty column says nothing.
    """
    texts = [text.strip() for row in table.rows[1:] for text in row.values[column:]]
    commas = any(re.fullmatch(r"-?\d+,\d+", text) for text in texts)
    periods = any(re.fullmatch(r"-?\d+\.\d+", text) for text in texts)
    return "," if commas and not periods else "."


def _plain(head: str) -> str:
    return " ".join(head.split()).casefold()


def _bare(head: str) -> str:
    """`Assignment: Lesson 8 (Real)` -> lesson 8."""
    without_end = re.sub(r"\s*\([^()]*\)\s*$", "", head)
    return _plain(re.sub(r"^[^:]*:\s", "", without_end))
