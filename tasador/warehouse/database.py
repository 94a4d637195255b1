"""The database: transactions, locks, and dataclasses written to and read from tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any, Self, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, select, text
from sqlalchemy.dialects.postgresql import insert

from tasador.warehouse import migrations
from tasador.warehouse.connection import advisory_lock, connect, log_in, transaction

Record = TypeVar("Record")


class Database:
    """One Postgres database. Every method may raise StoreUnavailable.

    It is a StoreRefused if the database refuses the password or a statement.
    """

    def __init__(self, database_url: str | Callable[[], str]) -> None:
        """``postgresql://user:password@host:port/name``; connects on first use.

        A function returns the current URL; it is called before each new connection.
        """
        self._url = database_url
        self._engine = connect(database_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the object may be used again."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Upgrade the schema to the newest version; safe to run in several processes at once."""
        with self._begin() as connection:
            migrations.upgrade(connection)

    def log_in(self) -> None:
        """Check that a new connection is accepted; the open ones may be older than the password."""
        log_in(self._url)

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock of that name across processes; waits until it is free."""
        return advisory_lock(self._engine, name)

    def _begin(self) -> AbstractContextManager[Connection]:
        return transaction(self._engine)

    def _insert_once(self, table: Table, record: Record, *same: ColumnElement[bool]) -> Record:
        """Insert the record unless a row matches ``same``; returns the row that is stored."""
        columns = _columns_of(table, type(record))
        adding = insert(table).values(values_of(table, record)).on_conflict_do_nothing()
        with self._begin() as connection:
            # Numbers are assigned one transaction at a time, so that a larger one is later.
            lock = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
            connection.execute(lock, {"name": table.fullname})
            row = connection.execute(adding.returning(*columns)).one_or_none()
            if row is None:
                row = connection.execute(select(*columns).where(*same)).one()
        return type(record)(**row._mapping)

    def _select(
        self,
        kind: type[Record],
        table: Table,
        *where: ColumnElement[bool],
        order: Sequence[ColumnElement[Any]] = (),
        limit: int | None = None,
    ) -> list[Record]:
        statement = select(*_columns_of(table, kind)).where(*where).order_by(*order).limit(limit)
        with self._begin() as connection:
            return [kind(**row._mapping) for row in connection.execute(statement)]


def _columns_of(table: Table, kind: type[Any]) -> list[ColumnElement[Any]]:
    """The columns of the kind's fields, named as the fields are."""
    return [table.c[f.name].label(f.name) for f in fields(kind)]


def values_of(table: Table, record: Any) -> dict[str, Any]:
    """The record's fields by column, without a number that the database has yet to assign."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return {
        name: value
        for name, value in values.items()
        if not (value is None and table.c[name].identity)
    }
