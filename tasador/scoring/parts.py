"""Cutting a file of listings into parts that are priced one by one.

Each part is a whole file: a CSV with the header and complete records, or a Parquet file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, NamedTuple

from tasador.listings.csv_bytes import TableError, is_parquet, open_bytes
from tasador.listings.lines_ahead import LONGEST_CELL
from tasador.machine.disk import writing_below

# A record that has a quote: fields, of which those that begin with a quote end with one. As in
# csv, a quote within a field that does not begin with one is a character like any other.
# Possessive, so that a record without an end is found in linear time.
_FIELD = rb'(?:"(?:[^"]|"")*+"[^,\r\n]*+|[^",\r\n][^,\r\n]*+)?+'
_RECORD = re.compile(_FIELD + rb"(?:," + _FIELD + rb")*+(?:\r\n|\n|\r(?!\n))")
_READ, _LEAST_READ = 1 << 20, 4_096
_PARQUET_ROWS = 20_000
# A row of listings in a Parquet file, uncompressed.
_ROW_BYTES = 150


class Part(NamedTuple):
    """A part: its file, and how many lines (CSV) or rows (Parquet) of the whole file are before
    what the part counts from: a line or row of the part plus ``offset`` is its place in the file.
    """

    path: Path
    offset: int


def cut(path: str | Path, folder: Path, size: int) -> Iterator[Part]:
    """Cut a CSV (plain, .gz, or alone in a .zip) or Parquet file; parts have about ``size`` bytes.

    A part is complete when it is yielded; the caller may delete it. A file without rows is one
    part. Raises TableError for a file that cannot be read, DiskFull.
    """
    path = Path(path)
    return _cut_parquet(path, folder, size) if is_parquet(path) else _cut_csv(path, folder, size)


def end_of_records(content: bytes) -> int:
    """Where the last complete record of a text ends that begins with one; 0 if none is complete."""
    begin = 0  # of a record
    while (quote := content.find(b'"', begin)) >= 0:
        # No quote before it: its lines are records.
        begin = max(begin, content.rfind(b"\n", begin, quote) + 1)
        record = _RECORD.match(content, begin)
        # One that ends with the text may have a line feed to come.
        if record is None or (record.end() == len(content) and content.endswith(b"\r")):
            return begin
        begin = record.end()
    return max(begin, content.rfind(b"\n", begin) + 1)


def _cut_csv(path: Path, folder: Path, size: int) -> Iterator[Part]:
    with ExitStack() as stack:
        file = open_bytes(path, stack)
        read = min(_READ, max(size, _LEAST_READ))
        header, rest = _header(path, file, read)
        number, offset = 0, 0
        while number == 0 or rest is not None:
            part = folder / f"{number:05d}.csv"
            lines, written = 0, 0
            with writing_below(folder), part.open("wb") as out:
                out.write(header)
                while written < size and rest is not None:
                    content, rest = _more(path, file, rest, offset + lines, read)
                    out.write(content)
                    lines += content.count(b"\n")
                    written += len(content)
            yield Part(part, offset)
            number, offset = number + 1, offset + lines


def _header(path: Path, file: IO[bytes], read: int) -> tuple[bytes, bytes | None]:
    """The header with its line end, and the bytes that were read beyond it, None at the end."""
    content = b""
    while chunk := file.read(read):
        content += chunk
        record = _RECORD.match(content)
        if record and record.end() < len(content):
            return content[: record.end()], content[record.end() :]
        if len(content) > LONGEST_CELL + _READ:
            raise TableError(f"{path}: its first line has no end: is a quote not closed?")
    return content, None


def _more(
    path: Path, file: IO[bytes], begun: bytes, lines: int, read: int
) -> tuple[bytes, bytes | None]:
    """Complete records, and the bytes of the next one; None for these at the end of the file."""
    while True:
        # As much again: a long record is searched for its end a few times only.
        chunk = file.read(max(read, len(begun)))
        if not chunk:
            return begun, None  # the reader says what is wrong with a record that has no end
        begun += chunk
        end = end_of_records(begun)
        if end:
            return begun[:end], begun[end:]
        if len(begun) > LONGEST_CELL * 4:
            raise TableError(
                f"{path}: the row after line {lines + 1:,} has no end: is a quote not closed?"
            )


def _cut_parquet(path: Path, folder: Path, size: int) -> Iterator[Part]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    offset, most = 0, max(1, size // _ROW_BYTES)
    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(min(_PARQUET_ROWS, most))
            batch = next(batches, None)
            number = 0
            while number == 0 or batch is not None:
                part, rows = folder / f"{number:05d}.parquet", 0
                with writing_below(folder), pq.ParquetWriter(part, file.schema_arrow) as out:
                    while batch is not None and rows < most:
                        out.write_batch(batch)
                        rows += batch.num_rows
                        batch = next(batches, None)
                yield Part(part, offset)
                number, offset = number + 1, offset + rows
    except pa.ArrowException as error:
        raise TableError(f"{path} is damaged after row {offset:,}: {error}") from error
