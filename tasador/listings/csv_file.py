"""CSV files, read strictly: plain, as .gz, or as the only CSV in a .zip.

A file that is not such a CSV is refused with what it is and what to do. Where a row cannot be read,
the error names the line.
"""

from __future__ import annotations

import csv
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tasador.listings.csv_bytes import SAVE, open_bytes
from tasador.listings.csv_bytes import TableError as TableError
from tasador.listings.lines_ahead import LONGEST_CELL, LinesAhead, PlainReader
from tasador.listings.listing import COLUMNS, INPUTS
from tasador.listings.rules import RULES
from tasador.listings.value_reader import FieldProblem, cleaned, read_value

if TYPE_CHECKING:
    from tasador.listings.cells import Cells

# The columns in which not every text is a value.
_STRICT = frozenset(
    rule.column for rule in RULES if rule.kind in ("number", "zip code", "status", "date")
)

# The longest line: a cell in each column. Without a limit a file without line ends fills memory.
_LONGEST_LINE = 16 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Line ends of old Macs, within a line that ends with a line feed.
_CARRIAGE_RETURN = re.compile(r"(?<=\r)(?!\n)")


class CsvRow(NamedTuple):
    """A row: the line at which it begins (the header is line 1), and its cells, or why the row has
    none: it has more or fewer than the header. Those are then ``received``."""

    line: int
    values: list[str] | FieldProblem
    received: Sequence[str] = ()


class PlainLines(NamedTuple):
    """Rows of a line each without quotes, by column: the line of the first, and the cells."""

    line: int
    columns: list[Cells]


def open_csv(path: str | Path, require: Sequence[str] = ()) -> tuple[list[str], Iterator[CsvRow]]:
    """Open a CSV with a header: its column names, and its rows. A blank line is not a row.

    Raises TableError, naming the file and the line, when it cannot be read or lacks a column of
    ``require``.
    """
    header, read = _open_csv(Path(path), require)
    return header, (row for row in read if isinstance(row, CsvRow))


def open_csv_by_column(
    path: str | Path, require: Sequence[str] = ()
) -> tuple[list[str], Iterator[CsvRow | PlainLines]]:
    """Open a CSV as ``open_csv`` does; thousands of rows come at once where all of them are plain.

    Needs numpy.
    """
    from tasador.listings.plain_csv import plain_columns

    return _open_csv(Path(path), require, plain_columns)


def _open_csv(
    path: Path, require: Sequence[str], plain: PlainReader | None = None
) -> tuple[list[str], Iterator[CsvRow | PlainLines]]:
    rows = _rows(path, plain)
    first = next(rows, None)
    assert not isinstance(first, PlainLines)  # the header comes first
    if first is None:
        raise TableError(f"{path} is empty: a CSV with a header line is expected")
    header = [cleaned(name) for name in first[1]]
    if "\x00" in "".join(header):
        raise TableError(f"{path} is binary, or UTF-16 text without a byte order mark: {SAVE}")
    absent = [name for name in require if name not in header]
    _refuse_header(path, first[1], (*INPUTS, *require))
    if absent:
        raise TableError(
            f"{path} has no column {', '.join(absent)}; its columns are {', '.join(header)[:300]}"
        )
    duplicates = sorted({name for name in header if name in COLUMNS and header.count(name) > 1})
    if duplicates:
        raise TableError(f"{path} has the column {', '.join(duplicates)} more than once")

    def read() -> Iterator[CsvRow | PlainLines]:
        for row in rows:
            if isinstance(row, PlainLines):
                yield row
                continue
            line, values, lines = row
            if lines > 1:
                _refuse_line_breaks(path, line, header, values)
            # A blank line is not a row, unless the table has one column and the value is missing.
            if not values and len(header) == 1:
                yield CsvRow(line, [""])
            elif len(values) == len(header):
                yield CsvRow(line, values)
            elif values:
                reason = f"has {len(values)} values where the header has {len(header)}"
                yield CsvRow(line, FieldProblem("row", reason, ",".join(values)[:200]), values)

    return header, read()


def _refuse_header(path: Path, header: list[str], wanted: Sequence[str]) -> None:
    """Raise TableError if the first line is not a header, or spells a wanted column otherwise."""
    names = list(map(cleaned, header))
    if not any(names):
        raise TableError(f"{path}, line 1 is empty: it must be the header with the columns' names")
    if re.fullmatch("sep=.?", header[0], re.IGNORECASE):
        raise TableError(
            f"{path}, line 1 is {header[0]!r}, which only Excel reads: delete the line"
        )
    plain = {name: re.sub("[ -]", "_", name.lower()) for name in names}
    other = {n: to for n, to in plain.items() if to in wanted and to not in names}
    if other:
        what, it_is = ("column", "it is") if len(other) == 1 else ("columns", "they are")
        raise TableError(
            f"{path} has the {what} {', '.join(other)}: {it_is} read if {it_is} named "
            f"{', '.join(other.values())}"
        )


def _refuse_delimiter(path: Path, line: str = "") -> None:
    """Raise TableError if the columns of the header are not separated by commas."""

    def columns(delimiter: str) -> set[str]:
        return {cleaned(cell.strip().strip('"')) for cell in line.split(delimiter)} & set(COLUMNS)

    for delimiter, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if columns(delimiter) and not columns(","):
            raise TableError(f"{path} separates its columns by {name}: save it with commas")


def _refuse_line_breaks(path: Path, line: int, header: list[str], values: list[str]) -> None:
    """Refuse a quoted cell that goes on in the next line, if a quote was not closed.

    A listing has no such value. In another column, as in a description, it shows by the rows that
    the cell has swallowed. They would be lost in silence.
    """
    for place, value in enumerate(values):
        if "\n" in value or "\r" in value:
            name = header[place] if place < len(header) else f"number {place + 1}"
            if (
                name in COLUMNS
                or len(values) != len(header)
                or _has_rows(value.splitlines(), header, place)
            ):
                raise TableError(
                    f"{path}, line {line}: the quote that opens the value of column {name} is not "
                    "closed on its line"
                )


def _has_rows(lines: list[str], header: list[str], place: int) -> bool:
    """Whether any line of the cell in ``place`` is a row, or the part of one that it swallowed."""
    ends = [header] * len(lines)
    ends[0], ends[-1] = header[place:], header[: place + 1]
    return any(_is_row(text, names) for text, names in zip(lines, ends, strict=True))


def _is_row(text: str, names: list[str]) -> bool:
    """Whether the text has a value in each of the columns that read, some of them no mere text."""
    try:
        cells = next(csv.reader([text]), [])
    except csv.Error:
        return False
    if len(cells) != len(names):
        return False
    read = {
        name: read_value(name, cell)
        for name, cell in zip(names, cells, strict=True)
        if name in _STRICT
    }
    return any(value is not None for value, _ in read.values()) and not any(
        problem for _, problem in read.values()
    )


class _Row(NamedTuple):
    """The first line of a row, its cells, and its number of lines."""

    line: int
    values: list[str]
    lines: int


def _rows(path: Path, plain: PlainReader | None) -> Iterator[_Row | PlainLines]:
    line, width = 1, 0  # the width of the header
    try:
        with ExitStack() as stack:
            file = LinesAhead(open_bytes(path, stack))
            lines = _lines(path, file)
            head = list(islice(lines, 1))
            _refuse_delimiter(path, *head)
            reader = csv.reader(chain(head, lines), strict=True)
            for values in reader:
                after = file.lines_taken + reader.line_num + 1
                yield _Row(line, values, after - line)
                line, width = after, width or len(values)
                while plain is not None and (columns := file.take(plain, width)) is not None:
                    yield PlainLines(line, columns)
                    line = file.lines_taken + reader.line_num + 1
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise TableError(
            f"{path} is a damaged .gz or .zip file: it breaks off near line {line} ({error})"
        ) from error
    except OSError as error:
        raise TableError(f"{path} cannot be read: {error.strerror or error}") from error
    except csv.Error as error:
        raise TableError(f"{path}, line {line}: {_explained(error)}") from error


def _explained(error: csv.Error) -> str:
    message = str(error)
    if "field larger than" in message:
        return f"a value is longer than {LONGEST_CELL:,} characters: is a quote not closed?"
    if "unexpected end of data" in message:
        return 'a quote (") is opened and not closed before the end of the file'
    if "expected after" in message:
        return 'a comma must follow a closing quote ("): is a quote before it not closed?'
    return message


def _lines(path: Path, file: LinesAhead) -> Iterator[str]:
    """The lines of a binary file as text; errors name the line."""
    read = 0
    while raw := file.readline(_LONGEST_LINE):
        read += 1
        number = file.lines_taken + read
        if number == 1 and raw.startswith(_BYTE_ORDER_MARK):
            raw = raw[len(_BYTE_ORDER_MARK) :]
        if len(raw) == _LONGEST_LINE:
            raise TableError(f"{path}, line {number} is too long for a line of a CSV")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise TableError(
                f"{path} is not UTF-8 text: byte {byte:#x} in line {number}; {SAVE}"
            ) from error
        if "\r" in text[:-2]:
            yield from _CARRIAGE_RETURN.split(text)
        else:
            yield text
