"""The rows of a batch, by COPY: written as they are read, and the clean ones read back as CSV."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from psycopg2 import sql
from sqlalchemy import Connection, Table

from tasador.listings.listing import COLUMNS, FieldProblem, Listing, in_holdout, property_key
from tasador.warehouse.schema import clean_data, quarantine, raw_data

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

# Rows held in memory at a time, about 10 MB of text.
_CHUNK = 10_000

_COLUMN_SET = frozenset(COLUMNS)
_NULL = "\\N"
_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class ReadRow(NamedTuple):
    """One row of a batch: its number, the raw row, and the result of ``listing.read_row``."""

    number: int
    raw: object
    listing: Listing
    problems: list[FieldProblem]


class Counts(NamedTuple):
    """The number of rows of a batch: all of them, the clean ones, the quarantined ones."""

    raw: int
    clean: int
    quarantined: int


def store(connection: Connection, batch_id: str, rows: Iterable[ReadRow]) -> Counts:
    """COPY the rows into staging tables and merge them by (batch_id, row_number).

    Rows without problems go to clean.clean_data, the others to ops.quarantine, and all of them to
    raw.raw_data. Existing rows stay unchanged. Memory is bounded.
    """
    tables = (raw_data, clean_data, quarantine)
    with _cursor(connection) as cursor:
        for table in tables:
            cursor.execute(
                f"create temp table staged_{table.name} (like {table.fullname}) on commit drop"
            )
        counts = [0, 0, 0]
        remaining = iter(rows)
        while chunk := list(islice(remaining, _CHUNK)):
            clean = [row for row in chunk if not row.problems]
            quarantined = [row for row in chunk if row.problems]
            lines = (
                [_raw_line(batch_id, row) for row in chunk],
                [_clean_line(batch_id, row) for row in clean],
                [_quarantine_line(batch_id, row) for row in quarantined],
            )
            for i, table in enumerate(tables):
                counts[i] += len(lines[i])
                _copy(cursor, table, lines[i])
        for table in tables:
            cursor.execute(
                f"insert into {table.fullname} select * from staged_{table.name}"  # noqa: S608
                " on conflict (batch_id, row_number) do nothing"
            )
    return Counts(*counts)


def copy_clean(connection: Connection, batch_id: str, out: TextIO) -> None:
    """Write the clean rows of a batch as CSV with a header, in the order of the batch.

    Columns: the twelve of a listing, property_key, holdout, batch_id, row_number. Missing values
    are empty and unquoted; booleans are t and f.
    """
    names = (*COLUMNS, "property_key", "holdout", "batch_id", "row_number")
    query = sql.SQL(
        "copy (select {} from clean.clean_data where batch_id = {} order by row_number)"
        " to stdout with (format csv, header)"
    ).format(sql.SQL(", ").join(map(sql.Identifier, names)), sql.Literal(batch_id))
    with _cursor(connection) as cursor:
        cursor.copy_expert(query, out)


def _cursor(connection: Connection) -> Cursor:
    # psycopg2's cursor, in the transaction that SQLAlchemy began.
    return connection.connection.cursor()  # type: ignore[return-value]


def _copy(cursor: Cursor, table: Table, lines: list[bytes]) -> None:
    if lines:
        cursor.copy_expert(
            f"copy staged_{table.name} ({', '.join(table.columns.keys())}) from stdin",
            io.BytesIO(b"".join(lines)),
        )


def _raw_line(batch_id: str, row: ReadRow) -> bytes:
    texts = _as_columns(row.raw)
    if texts is not None:
        try:
            line = _line(batch_id, row.number, *texts, None)
        except UnicodeEncodeError:  # lone surrogates, which a text column rejects
            line = b"\x00"
        if b"\x00" not in line:
            return line
    nulls = (None,) * len(COLUMNS)
    return _line(batch_id, row.number, *nulls, _as_payload(row.raw))


def _as_columns(raw: object) -> list[str | None] | None:
    """The twelve values as text, or None if the row is not twelve plain values."""
    values: Iterable[Any]
    if isinstance(raw, Mapping):
        if not raw.keys() <= _COLUMN_SET:
            return None
        values = map(raw.get, COLUMNS)
    elif isinstance(raw, list | tuple) and len(raw) == len(COLUMNS):
        values = raw
    else:
        return None
    texts: list[str | None] = []
    for value in values:
        if value is None or isinstance(value, str):
            texts.append(value)
        elif isinstance(value, bool):
            texts.append("true" if value else "false")
        elif isinstance(value, dict | list | tuple):
            return None
        else:
            texts.append(str(value))
    return texts


def _as_payload(raw: object) -> str:
    try:
        return json.dumps(raw, allow_nan=False, default=str)
    except (ValueError, RecursionError):
        return json.dumps(repr(raw)[:10_000])


def _clean_line(batch_id: str, row: ReadRow) -> bytes:
    key = property_key(row.listing)
    values = (None if v is None else str(v) for v in row.listing.values())
    return _line(batch_id, row.number, *values, key, "t" if in_holdout(key) else "f")


def _quarantine_line(batch_id: str, row: ReadRow) -> bytes:
    # jsonb rejects NUL and lone surrogates even as escapes, so write them as text.
    reasons = [
        {"field": _printable(p.field), "reason": p.reason, "value": _printable(p.value)}
        for p in row.problems
    ]
    return _line(batch_id, row.number, json.dumps(reasons))


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _line(batch_id: str, number: int, *values: str | None) -> bytes:
    return ("\t".join([batch_id, str(number), *_fields(values)]) + "\n").encode()


def _fields(values: Iterable[str | None]) -> Iterator[str]:
    for value in values:
        if value is None:
            yield _NULL
        elif _SPECIAL.search(value):
            yield value.translate(_ESCAPES)
        else:
            yield value
