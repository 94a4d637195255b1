"""Batches: the log of requests to the source, their state, and their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tasador.clock import now
from tasador.records.loop import Batch, BatchStatus, Fetch, Outcome
from tasador.warehouse import schema
from tasador.warehouse.database import Database, values_of
from tasador.warehouse.rows import RowFiles, copy_rows


class RefusedField(NamedTuple):
    """How many rows of a batch were refused because of a field, and the most frequent reason."""

    rows: int
    reason: str


class Batches(Database):
    """ops.fetches, ops.batches, and the rows in raw.raw_data, clean.clean_data, ops.quarantine."""

    # -- the log of requests to the source ---------------------------------------------------------

    def begin_fetch(self, source: str, group: int, day: str) -> int:
        """Log a request that is about to be sent; returns the id for ``finish_fetch``."""
        return self._log_fetch(source, group, day, begun_at=now())

    def finish_fetch(
        self,
        fetch_id: int,
        outcome: Outcome,
        batch: Batch | None = None,
        batch_number: int | None = None,
    ) -> None:
        """Log how the request ended; a new batch is saved in the same transaction.

        ``batch_number`` is the number in this answer: a source may send a known batch again under
        another number.
        """
        table = schema.fetches
        values = {
            "outcome": outcome,
            "finished_at": now(),
            "batch_id": batch.batch_id if batch else None,
            "batch_number": batch_number,
        }
        with self._begin() as connection:
            if batch is not None:
                adding = upsert(schema.batches).values(values_of(schema.batches, batch))
                connection.execute(adding.on_conflict_do_nothing())
            connection.execute(update(table).where(table.c.fetch_id == fetch_id).values(values))

    def log_restart(self, source: str, group: int, day: str) -> None:
        """Log that the source was restarted."""
        self._log_fetch(source, group, day, begun_at=now(), finished_at=now(), outcome="restarted")

    def fetches(self, source: str, group: int, day: str) -> list[Fetch]:
        """Every request to the source, oldest first."""
        c = schema.fetches.c
        where = (c.source == source, c.group_number == group, c.day == day)
        return self._select(Fetch, schema.fetches, *where, order=[c.fetch_id])

    def _log_fetch(self, source: str, group: int, day: str, **values: Any) -> int:
        row = {"source": source, "group_number": group, "day": day, **values}
        statement = insert(schema.fetches).values(row).returning(schema.fetches.c.fetch_id)
        with self._begin() as connection:
            return int(connection.execute(statement).scalar_one())

    # -- batches -----------------------------------------------------------------------------------

    def batch(self, batch_id: str) -> Batch | None:
        """The batch with this id, or None."""
        matches = self._select(Batch, schema.batches, schema.batches.c.batch_id == batch_id)
        return matches[0] if matches else None

    def batches(self, status: BatchStatus | None = None) -> list[Batch]:
        """All batches, or those with ``status``, in the order they were fetched."""
        c = schema.batches.c
        where = () if status is None else (c.status == status,)
        return self._select(Batch, schema.batches, *where, order=[c.fetched_at, c.batch_id])

    def usable_batches(self) -> list[Batch]:
        """The batches that may be used: ready, and not refused because their feed broke."""
        return [batch for batch in self.batches(status="ready") if not batch.refused]

    def refuse_batch(self, batch_id: str) -> None:
        """Record that the feed of the batch broke; the first time stands."""
        table = schema.batches
        marking = update(table).where(table.c.batch_id == batch_id, table.c.refused_at.is_(None))
        with self._begin() as connection:
            connection.execute(marking.values(refused_at=now()))

    def accept_batch(self, batch_id: str) -> None:
        """Record that a person accepted the batch; the first time stands."""
        table = schema.batches
        marking = update(table).where(table.c.batch_id == batch_id, table.c.accepted_at.is_(None))
        with self._begin() as connection:
            connection.execute(marking.values(accepted_at=now()))

    def unannounced_batches(self) -> list[Batch]:
        """The batches whose ingestion is unfinished, in the order they were fetched.

        Without those that are set aside.
        """
        c = schema.batches.c
        where = (c.announced_at.is_(None), c.set_aside_at.is_(None))
        return self._select(Batch, schema.batches, *where, order=[c.fetched_at, c.batch_id])

    def fail_batch(self, batch_id: str, reason: str, most: int) -> Batch:
        """Count a failure of ingestion; sets the batch aside at the ``most``-th for one reason."""
        table = schema.batches
        failures = case((table.c.failure == reason, table.c.failures + 1), else_=1)
        values = {
            "failures": failures,
            "failure": reason,
            "set_aside_at": case((failures >= most, now()), else_=table.c.set_aside_at),
        }
        return self._update_batch(batch_id, values)

    def set_aside_batch(self, batch_id: str) -> Batch:
        """Set the batch aside: ingestion leaves it out. The first time stands."""
        return self._update_batch(
            batch_id, {"set_aside_at": func.coalesce(schema.batches.c.set_aside_at, now())}
        )

    def retry_batch(self, batch_id: str) -> Batch:
        """Let ingestion try the batch again, with no failure counted."""
        return self._update_batch(batch_id, {"failures": 0, "failure": "", "set_aside_at": None})

    def _update_batch(self, batch_id: str, values: Mapping[str, Any]) -> Batch:
        table = schema.batches
        columns = [table.c[field.name] for field in fields(Batch)]
        changing = update(table).where(table.c.batch_id == batch_id).values(values)
        with self._begin() as connection:
            return Batch(**connection.execute(changing.returning(*columns)).one()._mapping)

    def save_batch(self, batch: Batch) -> None:
        """Insert or update the batch."""
        with self._begin() as connection:
            _save_batch(connection, batch)

    def mark_announced(self, batch_id: str) -> None:
        """Record that the event of the batch was published: its ingestion is finished."""
        table = schema.batches
        with self._begin() as connection:
            connection.execute(
                update(table).where(table.c.batch_id == batch_id).values(announced_at=now())
            )

    # -- rows --------------------------------------------------------------------------------------

    def store_rows(self, batch_id: str, files: RowFiles) -> Batch:
        """Store the rows in the files as those of a batch in ops.batches, which becomes validated.

        A second call, here or in another process, changes nothing. Returns the batch as saved in
        the transaction that counts its rows.
        """
        c = schema.batches.c
        columns = [c[field.name] for field in fields(Batch)]
        locking = select(*columns).where(c.batch_id == batch_id).with_for_update()
        with self._begin() as connection:
            batch = Batch(**connection.execute(locking).one()._mapping)
            if batch.status != "fetched":
                return batch
            # Committed first: rows that no batch counts yet are found by the next call.
            with self._begin() as raw_connection:
                counts = copy_rows(connection, raw_connection, files, batch_id)
            validated = replace(
                batch,
                status="validated",
                rows_raw=counts.raw,
                rows_clean=counts.clean,
                rows_quarantined=counts.quarantined,
            )
            _save_batch(connection, validated)
        return validated

    def quarantine_reasons(self, batch_id: str) -> list[tuple[str, str, int, str]]:
        """(field, reason, rows, an example value) of a batch, most frequent first."""
        statement = text(
            "select r->>'field', r->>'reason', count(*), min(r->>'value') from ops.quarantine,"
            " jsonb_array_elements(reasons) as r where batch_id = :batch_id"
            " group by 1, 2 order by 3 desc, 1, 2"
        )
        with self._begin() as connection:
            result = connection.execute(statement, {"batch_id": batch_id})
            return [(field, reason, count, value) for field, reason, count, value in result]

    def refused_rows(self, batch_ids: Sequence[str]) -> dict[str, dict[str, RefusedField]]:
        """By batch and field: how many rows were refused for it, and the most frequent reason."""
        statement = text(
            "select batch_id, field, sum(rows), (array_agg(reason order by rows desc, reason))[1]"
            " from (select batch_id, r->>'field' as field, r->>'reason' as reason,"
            " count(distinct row_number) as rows"
            " from ops.quarantine, jsonb_array_elements(reasons) as r"
            " where batch_id = any(:batch_ids) group by 1, 2, 3) as counted group by 1, 2"
        )
        refused: dict[str, dict[str, RefusedField]] = {}
        with self._begin() as connection:
            for batch_id, field, count, reason in connection.execute(
                statement, {"batch_ids": list(batch_ids)}
            ):
                refused.setdefault(batch_id, {})[field] = RefusedField(int(count), reason)
        return refused


def _save_batch(connection: Connection, batch: Batch) -> None:
    values = values_of(schema.batches, batch)
    statement = upsert(schema.batches).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["batch_id"], set_=values))
