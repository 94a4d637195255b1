"""SQLAlchemy engines: transactions, advisory locks, and database errors as Tasador's errors."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import errors
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from tasador.errors import (
    ConfigurationError,
    DiskFull,
    InvalidValue,
    StoreRefused,
    StoreUnavailable,
    TasadorError,
)
from tasador.machine.environment import named
from tasador.tracing import spans

_UNAVAILABLE = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    errors.ReadOnlySqlTransaction,  # a standby, until the failover is complete
)
# A connection has no SQLSTATE while it is being opened, only the server's words.
_REFUSED = re.compile(
    "password authentication failed|no password supplied|no pg_hba.conf entry"
    '|role "[^"]*" (does not exist|is not permitted to log in)|authentication failed'
)
# First, since the message of these may quote anything that was to be stored.
_INVALID = (psycopg2.DataError, errors.CheckViolation)
_NO_SCHEMA = (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedColumn)


def connect(database_url: str | Callable[[], str]) -> Engine:
    """An engine for the URL. It connects on first use. Raises ConfigurationError.

    A function is called before each new connection, so that a rotated password is used.
    """
    current = database_url if callable(database_url) else lambda: database_url
    engine = create_engine(
        _parse(current()),
        pool_size=2,
        pool_pre_ping=True,
        json_serializer=as_json,
        connect_args={
            "connect_timeout": 10,
            "application_name": "tasador",
            "options": "-c timezone=UTC",
        },
    )

    @event.listens_for(engine, "do_connect")
    def use_current_url(dialect: Any, _record: Any, _args: Any, parameters: dict[str, Any]) -> None:
        parameters.update(dialect.create_connect_args(_parse(current()))[1])

    if spans.is_on():
        _trace(engine)
    return engine


def _trace(engine: Engine) -> None:
    """Make each statement a part of the span that it is executed for."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
        if spans.current() is not None:
            verb = statement.split(maxsplit=1)[0].upper()[:20]
            context.span = spans.begin(f"postgres {verb}", spans.CLIENT)
            context.span.attributes.update(
                {"db.system.name": "postgresql", "db.operation.name": verb}
            )

    @event.listens_for(engine, "after_cursor_execute")
    def end(_c: Any, _cursor: Any, _s: str, _p: Any, context: Any, _many: bool) -> None:
        if (span := getattr(context, "span", None)) is not None:
            spans.end(span)

    @event.listens_for(engine, "handle_error")
    def fail(error: Any) -> None:
        if (span := getattr(error.execution_context, "span", None)) is not None:
            spans.end(span, type(error.original_exception).__name__)


def _parse(database_url: str) -> URL:
    try:
        # SQLAlchemy 2.1 would use psycopg 3 for a plain postgresql:// URL.
        return make_url(database_url).set(drivername="postgresql+psycopg2")
    except ArgumentError:
        raise ConfigurationError(
            "TASADOR_DATABASE_URL is not of the form postgresql://user:password@host:port/name"
        ) from None


def log_in(database_url: str | Callable[[], str]) -> None:
    """Open a new connection and close it, as the next request may have to.

    Raises StoreUnavailable, or StoreRefused if the password or the role is refused.
    """
    engine = connect(database_url)
    try:
        with transaction(engine) as connection:
            connection.execute(text("select 1"))
    finally:
        engine.dispose()


def ensure_databases(database_url: str, names: Sequence[str]) -> None:
    """Create the databases that do not exist on the URL's server; raises StoreUnavailable."""
    # The database in the URL may itself not exist yet.
    url = connect(database_url).url.set(database="postgres")
    engine = connect(url.render_as_string(hide_password=False))
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with translated_errors(engine), autocommit.connect() as connection:
        existing = set(connection.scalars(text("SELECT datname FROM pg_database")))
        for name in names:
            if name not in existing:
                quoted = engine.dialect.identifier_preparer.quote(name)
                connection.execute(text(f"CREATE DATABASE {quoted}"))
    engine.dispose()


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction; raises StoreUnavailable, or TasadorError if the schema is missing."""
    with translated_errors(engine), engine.begin() as connection:
        yield connection


@contextmanager
def advisory_lock(engine: Engine, name: str) -> Iterator[None]:
    """Hold the lock of that name in this database; waits until it is free.

    A separate connection holds it, so it is released when the process ends, even if killed.
    """
    key = {"name": name}
    with translated_errors(engine):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with connection:
        with translated_errors(engine):
            connection.execute(text("select pg_advisory_lock(hashtextextended(:name, 0))"), key)
        try:
            yield
        finally:
            # Close it; a connection returned to the pool would keep the lock.
            connection.invalidate()


def as_json(value: Any) -> str:
    """JSON that Postgres accepts: NaN and infinities become null."""
    return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


@contextmanager
def translated_errors(engine: Engine) -> Iterator[None]:
    """Raise Tasador's errors for the database's: InvalidValue, DiskFull, StoreUnavailable, ..."""
    try:
        yield
    except (DBAPIError, psycopg2.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        host = engine.url.host or engine.url.query.get("host", "localhost")
        where = f"{engine.url.database} at {host}"
        lines = str(cause).strip().splitlines()
        first = lines[0] if lines else type(cause).__name__
        if isinstance(cause, _INVALID):
            raise InvalidValue(f"the database {where} refuses a value: {first}") from error
        if isinstance(cause, _NO_SCHEMA):
            raise TasadorError(
                f"the database {where} lacks Tasador's current tables ({first}): "
                "run `tasador up`, or `tasador db upgrade` on a cluster"
            ) from error
        if isinstance(cause, errors.InsufficientPrivilege) or _REFUSED.search(str(cause)):
            raise StoreRefused(
                f"the database {where} refuses the login of TASADOR_DATABASE_URL: {first}"
            ) from error
        if isinstance(cause, errors.DiskFull):
            raise DiskFull(
                f"the disk of the database {where} is full: {first}; delete files there, or "
                "enlarge its volume"
            ) from error
        if isinstance(cause, _UNAVAILABLE):
            raise StoreUnavailable(
                f"the database {where} does not answer: {first}{named('PG')}"
            ) from error
        raise
