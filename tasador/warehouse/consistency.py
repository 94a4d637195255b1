"""What the tables of the warehouse say of each other, and of the object store."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text

from tasador.warehouse import migrations
from tasador.warehouse.database import Database

# The objects without which a row is of no use: payloads, clean listings, bundles in service.
# A backup may be of a schema that has no payload_deleted_at yet.
NAMED_OBJECTS = """
select raw_uri as uri, 'batch ' || batch_id as named_by from ops.batches
where to_jsonb(batches) ->> 'payload_deleted_at' is null
union select clean_uri, 'batch ' || batch_id from ops.batches where clean_uri <> ''
union select model_uri || '/manifest.json', 'version ' || version from ops.model_history
where decision in ('promoted', 'approved', 'rolled_back')
"""
# Without its current metadata nobody can read an Iceberg table.
_ICEBERG_METADATA = """
union select metadata_location, 'the Iceberg table ' || table_namespace || '.' || table_name
from lake.iceberg_tables
"""
# Rows of a batch by table; a batch that is being ingested has none yet.
_ROWS = """
select batch_id, payload_deleted_at is not null,
       rows_raw, (select count(*) from raw.raw_data as r where r.batch_id = b.batch_id),
       rows_clean, (select count(*) from clean.clean_data as r where r.batch_id = b.batch_id),
       rows_quarantined, (select count(*) from ops.quarantine as r where r.batch_id = b.batch_id)
from ops.batches as b where status <> 'fetched' order by fetched_at, batch_id
"""
_UNDECIDED = """
select model_name, model_version, left(model_digest, 16), sum(predictions)
from ops.prediction_totals as t
where not exists (
    select from ops.model_history as h
    where (h.model_name, h.version, h.digest) = (t.model_name, t.model_version, t.model_digest)
) group by 1, 2, 3 order by 1, 2, 3
"""
_UNKNOWN_BATCHES = """
select h.version, trained.batch_id
from ops.model_history as h, jsonb_array_elements_text(h.batch_ids) as trained(batch_id)
where not exists (select from ops.batches as b where b.batch_id = trained.batch_id)
group by 1, 2 order by 1, 2
"""


class RowCount(NamedTuple):
    """The rows of a batch in a table: as recorded with the batch, and as counted."""

    batch_id: str
    table: str
    recorded: int
    counted: int


class Consistency(Database):
    """Reads, and changes nothing."""

    def schema_versions(self) -> tuple[str, str]:
        """The revision of the schema, and the newest one; empty in a database without tables."""
        with self._begin() as connection:
            return migrations.current(connection), migrations.newest()

    def row_counts(self) -> list[RowCount]:
        """The rows of every stored batch in each of its tables."""
        found = []
        with self._begin() as connection:
            for batch_id, deleted, *numbers in connection.execute(text(_ROWS)):
                raw, raw_counted, clean, clean_counted, refused, refused_counted = numbers
                expected = 0 if deleted else raw
                found += [
                    RowCount(batch_id, "raw.raw_data", expected, raw_counted),
                    RowCount(batch_id, "clean.clean_data", clean, clean_counted),
                    RowCount(batch_id, "ops.quarantine", refused, refused_counted),
                ]
        return found

    def named_objects(self) -> dict[str, str]:
        """The URIs of the objects that batches, promotions and the lake name, and by what."""
        with self._begin() as connection:
            rows = connection.execute(text(NAMED_OBJECTS + _ICEBERG_METADATA)).all()
        return {row.uri: row.named_by for row in rows}

    def undecided_versions(self) -> list[tuple[str, int, str, int]]:
        """Versions with predictions but without a decision: name, version, digest, predictions."""
        with self._begin() as connection:
            rows = connection.execute(text(_UNDECIDED)).all()
        return [(name, version, digest, int(count)) for name, version, digest, count in rows]

    def unknown_batches(self) -> list[tuple[int, str]]:
        """Versions that were trained on a batch that is not recorded: version, batch id."""
        with self._begin() as connection:
            return [
                (version, batch_id)
                for version, batch_id in connection.execute(text(_UNKNOWN_BATCHES))
            ]
