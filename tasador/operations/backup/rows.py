"""What the warehouse of a snapshot holds: rows by table, and the objects that it names."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql

from tasador.warehouse.schema import METADATA

# The objects without which a row is of no use: payloads, clean listings, bundles in service.
_NAMED = """
    select raw_uri from ops.batches
    union select clean_uri from ops.batches where clean_uri <> ''
    union select model_uri || '/manifest.json' from ops.model_history
        where decision in ('promoted', 'approved', 'rolled_back')
"""


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
    cursor.execute(_NAMED)
    return {row[0] for row in cursor.fetchall()}
