"""A file of listings, CSV or Parquet, as blocks of columns in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.listings.by_column import Given
from tasador.listings.csv_bytes import is_parquet
from tasador.listings.csv_file import CsvRow, PlainLines, TableError, open_csv_by_column
from tasador.listings.text_column import TextColumn
from tasador.listings.value_reader import FieldProblem

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 20_000
_ALONE = 4_096  # rows read one by one that are given at once


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of a file: ``columns`` by place, each of ``rows`` values as received.

    ``first`` is the line or the row of the first one, or those of each. ``odd`` rows of a CSV have
    more or fewer cells than the header: their cells are as many as there are columns, in the order
    received, so that a key may be found again.
    """

    rows: int
    columns: Sequence[Given]
    first: int | Sequence[int]
    odd: dict[int, FieldProblem]

    def place(self, row: int) -> int:
        """The line (CSV, the header is line 1) or the row (Parquet, from 1) of a row."""
        return self.first + row if isinstance(self.first, int) else self.first[row]

    def texts(self, place: int) -> list[str]:
        """A column as text, unchanged; a missing value is empty."""
        values = self.columns[place]
        if isinstance(values, np.ndarray):
            return ["" if value != value else _as_text(value) for value in values.tolist()]
        each = values.tolist() if isinstance(values, TextColumn) else values
        return ["" if value is None else str(value) for value in each]


@dataclass(frozen=True, slots=True)
class Table:
    """The names of the columns, the blocks, and what a ``place`` counts: "line" or "row"."""

    header: list[str]
    blocks: Iterator[Block]
    counts: str


def open_table(path: str | Path) -> Table:
    """Open a CSV (plain, .gz, or alone in a .zip) or a Parquet file, by its content.

    Raises TableError, also while the blocks are read.
    """
    path = Path(path)
    if is_parquet(path):
        return _open_parquet(path)
    header, rows = open_csv_by_column(path)
    return Table(header, _csv_blocks(rows, len(header)), "line")


def _csv_blocks(rows: Iterable[CsvRow | PlainLines], width: int) -> Iterator[Block]:
    waiting: list[CsvRow] = []
    for row in rows:
        if isinstance(row, CsvRow):
            waiting.append(row)
        if waiting and (isinstance(row, PlainLines) or len(waiting) == _ALONE):
            yield _block(waiting, width)
            waiting = []
        if isinstance(row, PlainLines):
            yield Block(len(row.columns[0]), row.columns, row.line, {})
    if waiting:
        yield _block(waiting, width)


def _block(rows: Sequence[CsvRow], width: int) -> Block:
    nothing = [""] * width
    odd = {n: row.values for n, row in enumerate(rows) if isinstance(row.values, FieldProblem)}
    cells = [
        row.values if isinstance(row.values, list) else [*row.received, *nothing][:width]
        for row in rows
    ]
    return Block(len(rows), list(zip(*cells, strict=True)), [row.line for row in rows], odd)


# -- Parquet ---------------------------------------------------------------------------------------


def _open_parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:  # the images of the functions and of the web app have none
        raise TableError(f"{path} is a Parquet file: convert it to CSV") from None
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise TableError(f"{path} is a damaged Parquet file: {error}") from error
    for field in file.schema_arrow:
        if pa.types.is_nested(field.type):
            raise TableError(
                f"{path}: the column {field.name} has values of the type {field.type}, not single "
                "values"
            )
    return Table(list(file.schema_arrow.names), _parquet_blocks(path, file), "row")


def _parquet_blocks(path: Path, file: pa.parquet.ParquetFile) -> Iterator[Block]:
    import pyarrow as pa

    first = 1
    with file:
        try:
            for batch in file.iter_batches(_ROWS):
                columns = [_received(column) for column in batch.columns]
                yield Block(batch.num_rows, columns, first, {})
                first += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise TableError(f"{path} is damaged after row {first - 1:,}: {error}") from error


def _received(column: pa.Array) -> Given:
    """The values as a source sends them: numbers, true and false, or text."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_floating(kind):
        return _numbers(column.cast(pa.float64()))
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return list(column.to_pylist())  # an integer may be beyond a float
    encoded = column.cast(pa.string()).dictionary_encode(null_encoding="encode")
    return TextColumn(encoded.dictionary.to_pylist(), np.from_dlpack(encoded.indices))


def _numbers(column: pa.Array) -> Array:
    return np.asarray(np.from_dlpack(column.fill_null(float("nan"))))


def _as_text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
