"""Many predictions at once into raw.inference_logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from psycopg2 import sql
from sqlalchemy import Engine

from tasador.warehouse.connection import transaction

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

_READ = 1 << 20  # bytes that psycopg2 takes at a time


def copy_predictions(engine: Engine, columns: Sequence[str], lines: BinaryIO) -> int:
    """Store the rows of a CSV without a header that are not stored yet; returns how many.

    All of them are stored, or none. An empty value is null.
    """
    named = sql.SQL(", ").join(map(sql.Identifier, columns))
    stage = "create temp table copied on commit drop as select {} from raw.inference_logs limit 0"
    copy = "copy copied ({}) from stdin (format csv)"
    insert = (
        "insert into raw.inference_logs ({0}) select {0} from copied"
        " on conflict (prediction_id) do nothing"
    )
    with transaction(engine) as connection:
        # psycopg2's cursor, in the transaction that SQLAlchemy began. COPY knows no ON CONFLICT.
        cursor: Cursor = connection.connection.cursor()  # type: ignore[assignment]
        with cursor:
            cursor.execute(sql.SQL(stage).format(named))
            cursor.copy_expert(sql.SQL(copy).format(named), lines, _READ)
            cursor.execute(sql.SQL(insert).format(named))
            return cursor.rowcount
