"""The rows of a batch, by COPY: staged while they are read, then merged under the batch's id."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, Table, text

from tasador.warehouse.schema import clean_data, quarantine, raw_data

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_READ = 1 << 20  # bytes that psycopg2 takes at a time


class Counts(NamedTuple):
    """The number of rows of a batch: all of them, the clean ones, the quarantined ones."""

    raw: int
    clean: int
    quarantined: int


class Staging:
    """Temporary tables of one transaction, for the rows of a batch whose id is not known yet.

    The id is the digest of all rows, so they are read before it is known.
    """

    def __init__(self, connection: Connection) -> None:
        """Create the tables; they end with the transaction."""
        self._connection = connection
        with self._cursor() as cursor:
            for table in (raw_data, clean_data, quarantine):
                cursor.execute(
                    f"create temp table staged_{table.name} (like {table.fullname}) on commit drop;"
                    f" alter table staged_{table.name} drop column batch_id"
                )

    def add(self, raw: Any, clean: Any, quarantined: Any) -> None:
        """Stage rows, given as the lines of COPY's text format, in buffers.

        Their values are the number of the row, then, of each table, the columns of ``schema``.
        """
        with self._cursor() as cursor:
            for table, lines in ((raw_data, raw), (clean_data, clean), (quarantine, quarantined)):
                if len(lines):
                    cursor.copy_expert(
                        f"copy staged_{table.name} from stdin", io.BytesIO(lines), _READ
                    )

    def merge(self, batch_id: str) -> Counts:
        """Copy the staged rows into the tables; existing rows of the batch stay unchanged."""
        return Counts(
            self._merge(raw_data, batch_id),
            self._merge(clean_data, batch_id),
            self._merge(quarantine, batch_id),
        )

    def _merge(self, table: Table, batch_id: str) -> int:
        of_batch = {"batch_id": batch_id}
        columns = ", ".join(column.name for column in table.columns if column.name != "batch_id")
        exists = text(f"select exists (select from {table.fullname} where batch_id = :batch_id)")  # noqa: S608
        # It takes Postgres twice the time, and no other process writes rows of this batch.
        conflict = " on conflict (batch_id, row_number) do nothing"
        known = self._connection.execute(exists, of_batch).scalar_one()
        inserted = self._connection.execute(
            text(
                f"insert into {table.fullname} (batch_id, {columns})"  # noqa: S608
                f" select :batch_id, {columns} from staged_{table.name}{conflict if known else ''}"
            ),
            of_batch,
        )
        if not known:
            return inserted.rowcount
        count = text(f"select count(*) from staged_{table.name}")  # noqa: S608
        return int(self._connection.execute(count).scalar_one())

    def _cursor(self) -> Cursor:
        # psycopg2's cursor, in the transaction that SQLAlchemy began.
        return self._connection.connection.cursor()  # type: ignore[return-value]
