"""Canvas: the gradebook that it exports as CSV (Grades, Export), with one column filled in.

The form is that of `gradebook_exporter.rb` and `gradebook_importer.rb` of Canvas: the columns
Student (or LastName and FirstName), ID, SIS User ID, SIS Login ID, Section, then the assignments.
"""

from __future__ import annotations

import re

from camlite.grading.exports.fill import Sheet, column_named, find_column, number_in
from camlite.grading.exports.matching import Person
from camlite.grading.exports.table import Row, Table

COMPUTED = re.compile(
    r"(current|final|override) (score|points|grade|status)(\s*\(.*\))?$", re.IGNORECASE
)
IDS = ("ID", "SIS User ID", "SIS Login ID", "Integration ID")
TEST_STUDENT = ("Student, Test", "Test Student")


def sheet(table: Table, column: str) -> Sheet:
    """Raises ValueError where the file is no gradebook, or Canvas does not take the column."""
    if column_named(table, "Student", "LastName") is None or column_named(table, "ID") is None:
        raise ValueError("this is no gradebook of Canvas: it has no columns Student and ID")
    at = find_column(table, column)
    possible = next((row for row in table.rows[1:] if _points_possible(row)), None)
    says = table.value(possible, at) if possible else ""
    if at < _info_columns(table) or COMPUTED.search(table.header[at]) or "read only" in says:
        raise ValueError(f"Canvas takes no points in the column {table.header[at]!r}")
    people = [_person(table, row, at) for row in table.rows[1:] if _is_student(table, row)]
    return Sheet(table, at, people, number_in(says))


def _info_columns(table: Table) -> int:
    """How many columns say who the student is: all up to Section."""
    section = column_named(table, "Section")
    return (section if section is not None else 1) + 1


def _points_possible(row: Row) -> bool:
    return "Points Possible" in row.values[0]


def _is_student(table: Table, row: Row) -> bool:
    """Not the rows for points, for hidden assignments, for the test student."""
    posting = all(re.fullmatch(r"\s*(Muted|Manual Posting.*)?\s*", text) for text in row.values)
    test = any(name in TEST_STUDENT for name in _names(table, row))
    return not (row.empty or posting or test or _points_possible(row))


def _names(table: Table, row: Row) -> tuple[str, ...]:
    whole = column_named(table, "Student")
    if whole is not None:
        return (table.value(row, whole).strip(),)
    last, first = column_named(table, "LastName"), column_named(table, "FirstName")
    parts = [table.value(row, i).strip() for i in (last, first) if i is not None]
    return (", ".join(parts),)


def _person(table: Table, row: Row, column: int) -> Person:
    columns = [i for name in IDS if (i := column_named(table, name)) is not None]
    ids = tuple(filter(None, (table.value(row, i).strip() for i in columns)))
    names = tuple(filter(None, _names(table, row)))
    number = table.value(row, columns[0]).strip()
    not_theirs = table.value(row, column).strip() == "N/A"
    why = "Canvas says N/A: the assignment is not theirs" if not_theirs else ""
    return Person(row, (*names, *ids, "?")[0], ids, (number,), names, why)
