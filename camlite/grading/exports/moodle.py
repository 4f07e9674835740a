"""Moodle: the grading worksheet of an assignment, or the export of the grader report, filled in.

The worksheet has a row for each participant: Identifier ("Participant 1234"), Full name, Email
address, Status, Grade, Maximum Grade, Grade can be changed, … Moodle translates these words.
Ids and e-mail addresses are known by their form; other words are known in English.
"""

from __future__ import annotations

import re

from camlite.grading.exports.fill import Sheet, column_named, find_column, number_in
from camlite.grading.exports.matching import Person
from camlite.grading.exports.table import Row, Table

IDS = ("ID number", "Username", "Email address")


def sheet(table: Table, column: str) -> Sheet:
    """Raises ValueError where no column says who the students are, or the column is no good."""
    rows = [row for row in table.rows[1:] if not row.empty]
    at = find_column(table, column)
    identifier, mail, named = _identifier(table, rows), _mail(table, rows), _names(table, rows)
    if identifier is None and mail is None and not named:
        raise ValueError("this is no table of Moodle: no column says who the students are")
    if at in {identifier, mail, *named}:
        raise ValueError(f"the column {table.header[at]!r} says who the students are")
    columns = [i for i in (*(column_named(table, name) for name in IDS), mail) if i is not None]
    people = [_person(table, row, identifier, columns, named) for row in rows]
    return Sheet(table, at, people, _maximum(table, rows), strict=True)


def _identifier(table: Table, rows: list[Row]) -> int | None:
    """The first column, where it is "Participant 1234" in some language."""
    texts = [table.value(row, 0).strip() for row in rows]
    words = {re.sub(r"\d+$", "", text) for text in texts}
    numbered = all(re.fullmatch(r"\D+\d+", text) for text in texts)
    return 0 if rows and numbered and len(words) == 1 else None


def _mail(table: Table, rows: list[Row]) -> int | None:
    for i in range(len(table.header)):
        texts = [text for row in rows if (text := table.value(row, i).strip())]
        if texts and all(re.fullmatch(r"[^@\s]+@[^@\s]+", text) for text in texts):
            return i
    return None


def _names(table: Table, rows: list[Row]) -> list[int]:
    """The column of the full name, or those of the last and the first name."""
    whole = column_named(table, "Full name")
    if whole is not None:
        return [whole]
    last, first = column_named(table, "Last name", "Surname"), column_named(table, "First name")
    if last is not None and first is not None:
        return [last, first]
    translated = _identifier(table, rows) == 0 and _mail(table, rows) == 2
    return [1] if translated else []  # between the two, whatever its head says


def _maximum(table: Table, rows: list[Row]) -> float | None:
    """The largest number in "Maximum Grade"."""
    column = column_named(table, "Maximum Grade")
    if column is None:
        return None
    numbers = (number_in(table.value(row, column)) for row in rows)
    return max((number for number in numbers if number is not None), default=None)


def _person(
    table: Table, row: Row, identifier: int | None, columns: list[int], named: list[int]
) -> Person:
    ids = [text for i in columns if (text := table.value(row, i).strip())]
    participant = table.value(row, identifier).strip() if identifier is not None else ""
    if participant:
        ids += [participant, participant.replace(" ", "_")]  # the second in names of folders
    number = re.findall(r"\d+$", participant)
    name = ", ".join(text for i in named if (text := table.value(row, i).strip()))
    names = (name,) if name else ()
    changeable = column_named(table, "Grade can be changed")
    locked = changeable is not None and table.value(row, changeable).strip().casefold() == "no"
    why = "Moodle says that the grade cannot be changed" if locked else ""
    return Person(row, (*filter(None, (name, *ids)), "?")[0], tuple(ids), tuple(number), names, why)
