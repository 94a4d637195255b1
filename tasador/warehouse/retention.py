"""What may be deleted once it is old: payloads, predictions, requests to the source, dead letters.

Each deletion is a short transaction; callers repeat it until it returns 0.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, select, text, update

from tasador.clock import now
from tasador.records.loop import Batch
from tasador.warehouse import schema
from tasador.warehouse.database import Database

OldRows = Literal["predictions", "comparisons", "fetches", "dead letters"]

# table, its key, and a query of the old rows' keys, the oldest first.
_OLD: dict[OldRows, tuple[str, str, str]] = {
    "predictions": (
        "raw.inference_logs",
        "prediction_id",
        "select prediction_id from raw.inference_logs where predicted_at < :before"
        " order by predicted_at, prediction_id",
    ),
    "comparisons": (
        "ops.shadow_predictions",
        "prediction_id, model_digest",
        "select prediction_id, model_digest from ops.shadow_predictions"
        " where compared_at < :before order by compared_at, prediction_id",
    ),
    # Ingestion decides by this log whether the source has to be restarted. An answer that the ones
    # before and after it repeat changes none of these decisions (ingestion/replay.py).
    "fetches": (
        "ops.fetches",
        "fetch_id",
        """
        select fetch_id from (
            select fetch_id, begun_at, outcome, answer, lag(answer) over source as previous,
                   lead(answer) over source as next
            from ops.fetches,
                 jsonb_build_array(outcome, batch_number, batch_id) as answer
            window source as (partition by source, group_number, day order by fetch_id)
        ) as each
        where answer = previous and answer = next and outcome in ('received', 'exhausted')
          and begun_at < :before order by fetch_id
        """,
    ),
    "dead letters": (
        "ops.dead_letters",
        "letter_id",
        "select letter_id from ops.dead_letters"
        " where coalesce(replayed_at, given_up_at) < :before order by letter_id",
    ),
}


class Retention(Database):
    """Deletes old rows. What trainings, dossiers and decisions read is never among them."""

    def count_old(self, kind: OldRows, before: datetime) -> int:
        """How many rows of a kind are older than a time and may be deleted."""
        _, _, old = _OLD[kind]
        return int(self._one(f"select count(*) from ({old}) as old", before=before))  # noqa: S608

    def delete_old(self, kind: OldRows, before: datetime, most: int = 20_000) -> int:
        """Delete the oldest of these rows, at most ``most``; returns how many.

        The summary still counts deleted predictions.
        """
        table, key, old = _OLD[kind]
        deleting = text(f"delete from {table} where ({key}) in ({old} limit :most)")  # noqa: S608
        with self._begin() as connection:
            return connection.execute(deleting, {"before": before, "most": most}).rowcount

    def old_payloads(self, before: datetime) -> list[Batch]:
        """The batches fetched before a time that are ingested and still have their payload."""
        c = schema.batches.c
        where = (
            c.fetched_at < before,
            c.announced_at.is_not(None),
            c.payload_deleted_at.is_(None),
        )
        return self._select(Batch, schema.batches, *where, order=[c.fetched_at, c.batch_id])

    def delete_original_rows(self, batch_id: str) -> None:
        """Delete the rows as received, and record that the payload is to be deleted."""
        table, raw = schema.batches, schema.raw_data
        marking = update(table).where(
            table.c.batch_id == batch_id, table.c.payload_deleted_at.is_(None)
        )
        with self._begin() as connection:
            connection.execute(marking.values(payload_deleted_at=now()))
            connection.execute(delete(raw).where(raw.c.batch_id == batch_id))

    def deleted_payloads(self) -> set[str]:
        """The URIs of the payloads that are to be deleted, or are."""
        c = schema.batches.c
        marked = select(c.raw_uri).where(c.payload_deleted_at.is_not(None))
        with self._begin() as connection:
            return set(connection.scalars(marked))

    def _one(self, statement: str, **values: Any) -> Any:
        with self._begin() as connection:
            return connection.execute(text(statement), values).scalar_one()
