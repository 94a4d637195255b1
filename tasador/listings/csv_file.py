"""CSV files, read strictly: plain, as .gz, or as the only CSV in a .zip.

A file that is no such CSV is refused with what it is and what to do. Where a row cannot be read,
the error names the line.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple, cast

from tasador.errors import TasadorError
from tasador.listings.listing import COLUMNS, INPUTS
from tasador.listings.rules import RULES
from tasador.listings.value_reader import FieldProblem, cleaned, read_value

# The csv module's limit. No listing has such a cell; an unclosed quote swallows many rows.
LONGEST_CELL = 131_072

# The columns in which not every text is a value.
_STRICT = frozenset(
    rule.column for rule in RULES if rule.kind in ("number", "zip code", "status", "date")
)

# The longest line: a cell in each column. Without a limit a file without line ends fills memory.
_LONGEST_LINE = 16 << 20
_HEAD = 1_024
_BUFFER = 1 << 16
_SAVE = "save it as CSV (UTF-8)"
_UNPACK = "unpack it first; .csv, .csv.gz and a .zip with one CSV are read"

# How a file that is no CSV begins, what it is, and what to do.
_KINDS = (
    (b"PAR1", "a Parquet file", "convert it to CSV"),
    (b"ARROW1", "an Arrow file", "convert it to CSV"),
    (b"FEA1", "a Feather file", "convert it to CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)", _SAVE),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"%PDF", "a PDF document", "the table is needed as CSV"),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\xff\xfe\x00\x00", "UTF-32 text", _SAVE),
    (b"\x00\x00\xfe\xff", "UTF-32 text", _SAVE),
    (b"\xff\xfe", "UTF-16 text", _SAVE),
    (b"\xfe\xff", "UTF-16 text", _SAVE),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file", "run `git lfs pull`"),
)
_GZIP, _ZIP = b"\x1f\x8b", (b"PK\x03\x04", b"PK\x05\x06")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:(<!doctype html|<html)|(<\?xml)|([{\[]))", re.I)
# Line ends of old Macs, within a line that ends with a line feed.
_CARRIAGE_RETURN = re.compile(r"(?<=\r)(?!\n)")


class TableError(TasadorError):
    """A file is not a table of listings; the message names the file, the place and the columns."""


class CsvRow(NamedTuple):
    """A row: the line at which it begins (the header is line 1), and its cells, or why the row has
    none: it has more or fewer than the header."""

    line: int
    values: list[str] | FieldProblem


def open_csv(path: str | Path, require: Sequence[str] = ()) -> tuple[list[str], Iterator[CsvRow]]:
    """Open a CSV with a header: its column names, and its rows. A blank line is no row.

    Raises TableError, naming the file and the line, when it cannot be read or lacks a column of
    ``require``.
    """
    path = Path(path)
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise TableError(f"{path} is empty: a CSV with a header line is expected")
    header = [cleaned(name) for name in first[1]]
    if "\x00" in "".join(header):
        raise TableError(f"{path} is binary, or UTF-16 text without a byte order mark: {_SAVE}")
    absent = [name for name in require if name not in header]
    _refuse_header(path, first[1], (*INPUTS, *require))
    if absent:
        raise TableError(
            f"{path} has no column {', '.join(absent)}; its columns are {', '.join(header)[:300]}"
        )
    duplicates = sorted({name for name in header if name in COLUMNS and header.count(name) > 1})
    if duplicates:
        raise TableError(f"{path} has the column {', '.join(duplicates)} more than once")

    def read() -> Iterator[CsvRow]:
        for line, values, lines in rows:
            if lines > 1:
                _refuse_line_breaks(path, line, header, values)
            # A blank line is not a row, unless the table has one column and the value is missing.
            if not values and len(header) == 1:
                yield CsvRow(line, [""])
            elif len(values) == len(header):
                yield CsvRow(line, values)
            elif values:
                reason = f"has {len(values)} values where the header has {len(header)}"
                yield CsvRow(line, FieldProblem("row", reason, ",".join(values)[:200]))

    return header, read()


def _refuse_header(path: Path, header: list[str], wanted: Sequence[str]) -> None:
    """Raise TableError for a first line that is no header, or spells a wanted column otherwise."""
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


def _rows(path: Path) -> Iterator[tuple[int, list[str], int]]:
    """The first line of each row, its cells, and its number of lines."""
    line = 1
    try:
        with ExitStack() as stack:
            lines = _lines(path, _open(path, stack))
            head = list(islice(lines, 1))
            _refuse_delimiter(path, *head)
            reader = csv.reader(chain(head, lines), strict=True)
            for values in reader:
                yield line, values, reader.line_num + 1 - line
                line = reader.line_num + 1
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


def _lines(path: Path, file: IO[bytes]) -> Iterator[str]:
    """The lines of a binary file as text; errors name the line."""
    number = 0
    while raw := file.readline(_LONGEST_LINE):
        number += 1
        if number == 1 and raw.startswith(_BYTE_ORDER_MARK):
            raw = raw[len(_BYTE_ORDER_MARK) :]
        if len(raw) == _LONGEST_LINE:
            raise TableError(f"{path}, line {number} is too long for a line of a CSV")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise TableError(
                f"{path} is not UTF-8 text: byte {byte:#x} in line {number}; {_SAVE}"
            ) from error
        if "\r" in text[:-2]:
            yield from _CARRIAGE_RETURN.split(text)
        else:
            yield text


def _open(path: Path, stack: ExitStack) -> IO[bytes]:
    """The bytes of the CSV, unpacked."""
    file = stack.enter_context(path.open("rb"))
    head = file.peek(_HEAD)
    if head.startswith(_ZIP):
        return _only_csv(path, stack.enter_context(zipfile.ZipFile(file)), stack)
    if head.startswith(_GZIP):
        unpacked = stack.enter_context(_buffered(gzip.GzipFile(fileobj=file)))
        head = unpacked.peek(_HEAD)
        if head[257:262] == b"ustar":
            raise TableError(f"{path} is a .tar.gz archive: {_UNPACK}")
        _refuse(path, head)
        return unpacked
    _refuse(path, head)
    return file


def _refuse(path: Path, head: bytes) -> None:
    """Raise TableError if bytes that begin like this are no CSV."""
    for begin, kind, remedy in _KINDS:
        if head.startswith(begin):
            raise TableError(f"{path} is {kind}: {remedy}")
    if head.startswith((*_ZIP, _GZIP)):
        raise TableError(f"{path} is packed twice: {_UNPACK}")
    if found := _MARKUP.match(head):
        page, xml, _ = found.groups()
        kind = "an HTML page" if page else "XML" if xml else "JSON"
        hint = ", perhaps a download that needs a login" if page else ""
        raise TableError(f"{path} is {kind}, not a CSV{hint}")


def _only_csv(path: Path, archive: zipfile.ZipFile, stack: ExitStack) -> IO[bytes]:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise TableError(f"{path} is a workbook (.xlsx or .ods) or document: {_SAVE}")
    # What macOS adds to an archive is no file of the user's: __MACOSX/, .DS_Store and ._x.csv.
    names = [
        name for name in names if not name.startswith("__MACOSX/") and Path(name).name[0] != "."
    ]
    tables = [name for name in names if name.lower().endswith(".csv")]
    if len(tables) != 1:
        found = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise TableError(
            f"{path} is a .zip with {len(tables)} CSV files where one is expected; it contains "
            f"{found or 'nothing'}"
        )
    try:
        file = stack.enter_context(_buffered(archive.open(tables[0])))
    except (RuntimeError, NotImplementedError) as error:  # a password, or another compression
        raise TableError(f"{path}: {error}; {_UNPACK}") from error
    _refuse(path / tables[0], file.peek(_HEAD))
    return file


def _buffered(file: IO[bytes] | gzip.GzipFile) -> io.BufferedReader:
    # Its readline is several times faster.
    return io.BufferedReader(cast("io.RawIOBase", file), _BUFFER)
