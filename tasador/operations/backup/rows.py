"""What the warehouse of a snapshot holds: rows by table, and the objects that it names."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql

from tasador.warehouse.consistency import NAMED_OBJECTS
from tasador.warehouse.schema import METADATA


def counts(cursor: Any) -> dict[str, int]:
    """Rows by table, without the tables that the database lacks."""
    found = {}
    for table in METADATA.sorted_tables:
        cursor.execute("select to_regclass(%s) is not null", [table.fullname])
        if cursor.fetchone()[0]:
            name = sql.Identifier(*filter(None, (table.schema, table.name)))
            cursor.execute(sql.SQL("select count(*) from {}").format(name))
            found[table.fullname] = int(cursor.fetchone()[0])
    return found


def named_objects(cursor: Any) -> set[str]:
    """The URIs of the objects that batches and promotions name."""
    cursor.execute(NAMED_OBJECTS)
    return {row[0] for row in cursor.fetchall()}
