"""A CSV file that another system made: read it, change single cells, leave the rest as it was.

Python's `csv` reads the values but forgets how they were written: quotes, line ends, encoding.
Here each cell keeps its own text, and a file without changes is written byte for byte as it came.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

DELIMITERS = ",;\t"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass
class Row:
    """`cells`: the text between the delimiters, quotes included. `end`: the line end after it."""

    number: int
    cells: list[str]
    end: str

    @property
    def values(self) -> list[str]:
        """The cells without their quotes."""
        return [_value(cell) for cell in self.cells]

    @property
    def empty(self) -> bool:
        """Nothing but delimiters and spaces."""
        return not "".join(self.values).strip()


@dataclass
class Table:
    """The rows of a file, and how it was written. Row 0 is the header."""

    rows: list[Row]
    delimiter: str
    encoding: str
    bom: bytes = b""

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return self.rows[0].values

    def value(self, row: Row, column: int) -> str:
        """The text of a cell, "" where the row is too short."""
        return row.values[column] if column < len(row.cells) else ""

    def change(self, row: Row, column: int, value: str) -> None:
        """Write a cell. Quotes stay, and are added only where the value needs them."""
        if column >= len(row.cells):
            raise ValueError(f"line {row.number} has fewer cells than the header")
        needed = any(sign in value for sign in (self.delimiter, '"', "\n", "\r"))
        quoted = needed or row.cells[column].startswith('"')
        row.cells[column] = '"{}"'.format(value.replace('"', '""')) if quoted else value

    def text(self) -> str:
        """The whole file."""
        return "".join(self.delimiter.join(row.cells) + row.end for row in self.rows)

    def bytes(self) -> bytes:
        """The whole file, as it lies on the disk."""
        return self.bom + self.text().encode(self.encoding)


def read_table(path: Path) -> Table:
    """Raises ValueError where the file is no CSV with a header, or could not be kept as it is."""
    content = path.read_bytes()
    bom, encoding = _encoding(content)
    try:
        text = content[len(bom) :].decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text: it does not decode as {encoding}") from None
    tables = [Table(_rows(text, sign), sign, encoding, bom) for sign in DELIMITERS]
    tables = [table for table in tables if _plain(table) and table.bytes() == content]
    if not tables:
        raise ValueError(f"{path} is no CSV file with a header, as the system exports it")
    return max(tables, key=_fit)


def _fit(table: Table) -> tuple[int, int]:
    """How many rows are as wide as the header, then how wide that is."""
    width = len(table.header)
    return sum(len(row.cells) == width for row in table.rows), width


def _encoding(content: bytes) -> tuple[bytes, str]:
    """The byte order mark and the encoding: UTF-8 or UTF-16, else that of Windows or Latin-1."""
    for bom, encoding in _BOMS:
        if content.startswith(bom):
            return bom, encoding
    if b"\0" in content[:200]:
        return b"", "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    for encoding in ("utf-8", "cp1252"):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return b"", encoding
    return b"", "latin-1"  # takes any byte, and gives it back


def _rows(text: str, delimiter: str) -> list[Row]:
    """Split at delimiters and line ends that stand outside of quotes."""
    cell = re.compile(rf'"(?:[^"]|"")*"(?=[{delimiter}\r\n]|\Z)|[^{delimiter}\r\n]*')
    rows, at, line = [], 0, 1
    while at < len(text):
        cells, start = [], at
        while True:
            found = cell.match(text, at)
            assert found is not None  # the second form matches nothing at all, too
            cells.append(found[0])
            at = found.end()
            if text[at : at + 1] != delimiter:
                break
            at += 1
        end = _LINE_END.match(text, at)
        at += len(end[0]) if end else 0
        rows.append(Row(line, cells, end[0] if end else ""))
        line += len(_LINE_END.findall(text[start:at]))
    return rows


def _plain(table: Table) -> bool:
    """Several columns, and Python's csv reads the same values."""
    lines = io.StringIO(table.text(), newline=None)  # every line end becomes a newline
    reader = csv.reader(lines, delimiter=table.delimiter)
    try:
        known = [row for row in reader if row]
    except csv.Error:
        return False
    ours = [_newlines(row.values) for row in table.rows if row.values != [""]]
    return len(table.rows) > 1 and len(table.header) > 1 and known == ours


def _newlines(values: list[str]) -> list[str]:
    return [_LINE_END.sub("\n", value) for value in values]


def _value(cell: str) -> str:
    quoted = len(cell) > 1 and cell.startswith('"') and cell.endswith('"')
    return cell[1:-1].replace('""', '"') if quoted else cell
