"""The rows of a batch: lines for COPY in files while it is read, then its rows in the tables."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Self

from sqlalchemy import Connection, Table, text

from tasador.warehouse.schema import clean_data, quarantine, raw_data

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_TABLES = (raw_data, clean_data, quarantine)
_READ = 1 << 16  # bytes that psycopg2 takes at a time


class Counts(NamedTuple):
    """The number of rows of a batch: all of them, the clean ones, the quarantined ones."""

    raw: int
    clean: int
    quarantined: int


class RowFiles:
    """Three files with the rows of a batch whose id is not known yet.

    The id is the digest of all rows, so they are read before it is known.
    """

    def __init__(self, folder: Path) -> None:
        """Create the files in the folder; close them before ``copy_rows``."""
        self.paths = {table.fullname: folder / f"{table.fullname}.copy" for table in _TABLES}
        self._files = [path.open("wb") for path in self.paths.values()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, raw: Any, clean: Any, quarantined: Any) -> None:
        """Add rows, given as the lines of COPY's text format, in buffers.

        Their values are the number of the row, then, of each table, the columns of ``schema``.
        """
        for file, lines in zip(self._files, (raw, clean, quarantined), strict=True):
            file.write(lines)


def copy_rows(
    connection: Connection, raw_connection: Connection, files: RowFiles, batch_id: str
) -> Counts:
    """Copy the rows into the tables; existing rows of the batch stay unchanged.

    Postgres works for a connection on one core, so half of the work, the rows as received, is done
    for another one at the same time. Both must be in a transaction.
    """
    # A killed process may have a commit on its way, which nothing else waits for.
    raw_connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{raw_data.fullname} of batch {batch_id}"},
    )
    with ThreadPoolExecutor(1, "raw rows") as pool:
        raw = pool.submit(_copy, raw_connection, raw_data, files, batch_id)
        clean, refused = (
            _copy(connection, table, files, batch_id) for table in (clean_data, quarantine)
        )
        return Counts(raw.result(), clean, refused)


def _copy(connection: Connection, table: Table, files: RowFiles, batch_id: str) -> int:
    of_batch = {"batch_id": batch_id}
    exists = text(f"select exists (select from {table.fullname} where batch_id = :batch_id)")  # noqa: S608
    columns = ", ".join(column.name for column in table.columns if column.name != "batch_id")
    # psycopg2's cursor, in the transaction that SQLAlchemy began.
    cursor: Cursor = connection.connection.cursor()  # type: ignore[assignment]
    with cursor, files.paths[table.fullname].open("rb") as file:
        if not connection.execute(exists, of_batch).scalar_one():
            lines = _Prefixed(file, f"{batch_id}\t".encode())
            cursor.copy_expert(
                f"copy {table.fullname} (batch_id, {columns}) from stdin", lines, _READ
            )
            return cursor.rowcount
        # COPY knows no ON CONFLICT.
        staged = f"staged_{table.name}"
        cursor.execute(
            f"create temp table {staged} (like {table.fullname}) on commit drop;"
            f" alter table {staged} drop column batch_id"
        )
        cursor.copy_expert(f"copy {staged} ({columns}) from stdin", file, _READ)
        rows = cursor.rowcount
    connection.execute(
        text(
            f"insert into {table.fullname} (batch_id, {columns})"  # noqa: S608
            f" select :batch_id, {columns} from {staged}"
            " on conflict (batch_id, row_number) do nothing"
        ),
        of_batch,
    )
    return rows


class _Prefixed(io.RawIOBase):
    """A file whose lines begin with another text, for ``copy_expert``."""

    def __init__(self, file: BinaryIO, prefix: bytes) -> None:
        self._file, self._prefix = file, prefix
        self._begins = True  # a line

    def read(self, size: int = -1, /) -> bytes:
        content = self._file.read(size)
        if not content:
            return b""
        begin, end = self._prefix if self._begins else b"", content[-1:]
        self._begins = end == b"\n"
        return begin + content[:-1].replace(b"\n", b"\n" + self._prefix) + end
