"""The warehouse: every write is one transaction and may be repeated without harm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, TextIO, TypeVar

from sqlalchemy import ColumnElement, Connection, Table, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tasador.clock import now
from tasador.ingestion.replay import Fetch, Outcome
from tasador.prediction_record import PredictionRecord
from tasador.records import (
    Batch,
    BatchStatus,
    DeadLetter,
    DecisionRecord,
    DriftRecord,
    MonitorRecord,
    RolloutRecord,
)
from tasador.warehouse import migrations, requests, rows, schema
from tasador.warehouse.connection import advisory_lock, connect, transaction
from tasador.warehouse.requests import Asked, Sale
from tasador.warehouse.rows import ReadRow
from tasador.warehouse.summary import SUMMARY

Record = TypeVar("Record")


class Warehouse:
    """The platform's Postgres database. Every method may raise StoreUnavailable."""

    def __init__(self, database_url: str) -> None:
        """``postgresql://user:password@host:port/name``; connects when first used."""
        self._engine = connect(database_url)

    def __enter__(self) -> Warehouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the object may be used again."""
        self._engine.dispose()

    def migrate(self) -> None:
        """Bring the schema to the newest version; may run in several processes at once."""
        with self._begin() as connection:
            migrations.upgrade(connection)

    def lock(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock of that name across processes; waits for whoever holds it."""
        return advisory_lock(self._engine, name)

    # -- fetches: what the source was asked ------------------------------------------------------

    def begin_fetch(self, source: str, group: int, day: str) -> int:
        """Write down that the source is about to be asked; returns the id to finish it with."""
        return self._log_fetch(source, group, day, begun_at=now())

    def finish_fetch(
        self,
        fetch_id: int,
        outcome: Outcome,
        batch: Batch | None = None,
        batch_number: int | None = None,
    ) -> None:
        """Write down how the question ended; a new batch is saved in the same transaction.

        The number is that of this answer: a known batch may come again under another one.
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
                adding = upsert(schema.batches).values(_values(schema.batches, batch))
                connection.execute(adding.on_conflict_do_nothing())
            connection.execute(update(table).where(table.c.fetch_id == fetch_id).values(values))

    def log_restart(self, source: str, group: int, day: str) -> None:
        """Write down that the source was told to begin again."""
        self._log_fetch(source, group, day, begun_at=now(), finished_at=now(), outcome="restarted")

    def unfinished_fetches(self, source: str, group: int, day: str) -> list[Fetch]:
        """The questions whose answers never arrived, or have not yet."""
        return [f for f in self.fetches(source, group, day) if f.outcome is None]

    def fetches(self, source: str, group: int, day: str) -> list[Fetch]:
        """Every question to the source, the oldest first."""
        c = schema.fetches.c
        asked = (c.source == source, c.group_number == group, c.day == day)
        return self._select(Fetch, schema.fetches, *asked, order=[c.fetch_id])

    def _log_fetch(self, source: str, group: int, day: str, **values: Any) -> int:
        row = {"source": source, "group_number": group, "day": day, **values}
        statement = insert(schema.fetches).values(row).returning(schema.fetches.c.fetch_id)
        with self._begin() as connection:
            return int(connection.execute(statement).scalar_one())

    # -- batches and their rows ------------------------------------------------------------------

    def batch(self, batch_id: str) -> Batch | None:
        """The batch with this content, if it was ever met."""
        found = self._select(Batch, schema.batches, schema.batches.c.batch_id == batch_id)
        return found[0] if found else None

    def batches(self, status: BatchStatus | None = None) -> list[Batch]:
        """All batches, or those of a status, in the order in which they were fetched."""
        c = schema.batches.c
        where = () if status is None else (c.status == status,)
        return self._select(Batch, schema.batches, *where, order=[c.fetched_at, c.batch_id])

    def unannounced_batches(self) -> list[Batch]:
        """The batches whose ingestion is not over, in the order in which they were fetched."""
        c = schema.batches.c
        order = [c.fetched_at, c.batch_id]
        return self._select(Batch, schema.batches, c.announced_at.is_(None), order=order)

    def save_batch(self, batch: Batch) -> None:
        """Insert or update the batch."""
        with self._begin() as connection:
            _save_batch(connection, batch)

    def announced(self, batch_id: str) -> None:
        """Write down that the event of the batch is out: its ingestion is over."""
        table = schema.batches
        with self._begin() as connection:
            connection.execute(
                update(table).where(table.c.batch_id == batch_id).values(announced_at=now())
            )

    def store_rows(self, batch: Batch, read: Iterable[ReadRow]) -> Batch:
        """Keep every row of the batch: raw, and either clean or in quarantine with its reasons.

        One transaction, by COPY, memory bounded. Returns the batch, validated and with its counts,
        as it is saved in the same transaction.
        """
        with self._begin() as connection:
            counts = rows.store(connection, batch.batch_id, read)
            validated = replace(
                batch,
                status="validated",
                rows_raw=counts.raw,
                rows_clean=counts.clean,
                rows_quarantined=counts.quarantined,
            )
            _save_batch(connection, validated)
        return validated

    def copy_clean(self, batch_id: str, out: TextIO) -> None:
        """Write the clean rows of a batch as CSV (see ``rows.copy_clean``)."""
        with self._begin() as connection:
            rows.copy_clean(connection, batch_id, out)

    def quarantine_reasons(self, batch_id: str) -> list[tuple[str, str, int, str]]:
        """(field, reason, rows, an example value) of a batch, the most frequent first."""
        statement = text(
            "select r->>'field', r->>'reason', count(*), min(r->>'value') from ops.quarantine,"
            " jsonb_array_elements(reasons) as r where batch_id = :batch_id"
            " group by 1, 2 order by 3 desc, 1, 2"
        )
        with self._begin() as connection:
            found = connection.execute(statement, {"batch_id": batch_id})
            return [(field, reason, count, value) for field, reason, count, value in found]

    # -- histories -------------------------------------------------------------------------------

    def record_drift(self, record: DriftRecord) -> DriftRecord:
        """Keep the verdict; the standing one where this batch and champion were judged before."""
        c = schema.drift_history.c
        same = (c.batch_id == record.batch_id, c.champion_version == record.champion_version)
        return self._record(schema.drift_history, record, *same)

    def drift_history(self, limit: int = 100) -> list[DriftRecord]:
        """The verdicts, the newest first."""
        newest = [schema.drift_history.c.drift_id.desc()]
        return self._select(DriftRecord, schema.drift_history, order=newest, limit=limit)

    def record_decision(self, record: DecisionRecord) -> DecisionRecord:
        """Keep the decision and give it its number; the standing one where this training was
        decided before. A rollback is always a new one."""
        c = schema.model_history.c
        same = (c.training_id == record.training_id, c.decision != "rolled_back")
        return self._record(schema.model_history, record, *same)

    def model_history(self, limit: int = 100) -> list[DecisionRecord]:
        """The decisions, the newest first."""
        return self._decisions(limit=limit)

    def latest_promotion(self) -> DecisionRecord | None:
        """What should be in service: the newest promotion or rollback."""
        c = schema.model_history.c
        found = self._decisions(c.decision != "rejected", limit=1)
        return found[0] if found else None

    def decision(self, version: int) -> DecisionRecord | None:
        """What the gate decided about the version (not a later rollback to it)."""
        c = schema.model_history.c
        found = self._decisions(c.version == version, c.decision != "rolled_back", limit=1)
        return found[0] if found else None

    def _decisions(self, *where: ColumnElement[bool], limit: int) -> list[DecisionRecord]:
        table = schema.model_history
        newest = [table.c.promotion.desc()]
        return self._select(DecisionRecord, table, *where, order=newest, limit=limit)

    def record_rollout(self, record: RolloutRecord) -> RolloutRecord:
        """Keep how an attempt ended; one attempt is known by service, promotion and start."""
        c = schema.rollout_history.c
        same = (
            c.service == record.service,
            c.promotion == record.promotion,
            c.started_at == record.started_at,
        )
        return self._record(schema.rollout_history, record, *same)

    def rollout_history(self, limit: int = 100) -> list[RolloutRecord]:
        """The attempts, the newest first."""
        newest = [schema.rollout_history.c.rollout_id.desc()]
        return self._select(RolloutRecord, schema.rollout_history, order=newest, limit=limit)

    def record_look(self, record: MonitorRecord) -> MonitorRecord:
        """Keep what a look at the requests found; the standing one where it is repeated."""
        same = _look(record.model_name, record.champion_version, record.window_to)
        return self._record(schema.monitor_history, record, *same)

    def look(self, name: str, version: int, window_to: datetime) -> MonitorRecord | None:
        """The look at that version's requests up to that time, if it is recorded."""
        where = _look(name, version, window_to)
        found = self._select(MonitorRecord, schema.monitor_history, *where)
        return found[0] if found else None

    def monitor_history(self, limit: int = 100, *, only_asked: bool = False) -> list[MonitorRecord]:
        """The looks at the requests, or those that asked for training, the newest first."""
        c = schema.monitor_history.c
        where = (c.asked,) if only_asked else ()
        newest = [c.monitor_id.desc()]
        return self._select(
            MonitorRecord, schema.monitor_history, *where, order=newest, limit=limit
        )

    # -- predictions -----------------------------------------------------------------------------

    def log_predictions(self, records: Sequence[PredictionRecord]) -> int:
        """Keep the predictions that are not kept yet; returns how many that were."""
        table = schema.inference_logs
        written = 0
        with self._begin() as connection:
            for start in range(0, len(records), 1000):
                values = [_values(table, record) for record in records[start : start + 1000]]
                statement = upsert(table).values(values).on_conflict_do_nothing()
                written += connection.execute(statement).rowcount
        return written

    def predictions(
        self, limit: int = 100, before: datetime | None = None
    ) -> list[PredictionRecord]:
        """The predictions, the newest first, made before a time when one is given."""
        c = schema.inference_logs.c
        where = () if before is None else (c.predicted_at < before,)
        newest = [c.predicted_at.desc(), c.prediction_id.desc()]
        return self._select(
            PredictionRecord, schema.inference_logs, *where, order=newest, limit=limit
        )

    def prediction(self, prediction_id: str) -> PredictionRecord | None:
        """The prediction with this id, if it is recorded."""
        table = schema.inference_logs
        found = self._select(PredictionRecord, table, table.c.prediction_id == prediction_id)
        return found[0] if found else None

    def prediction_summary(self) -> dict[str, Any]:
        """All predictions in figures, as JSON values: count, first_at, last_at, mean_price,
        with_missing, latency_ms {p50, p95}, by_version [{model_name, version, count, mean_price,
        last_at}] and by_hour [{hour, count, mean_price}] of the last 24 hours."""
        with self._begin() as connection:
            return dict(connection.execute(SUMMARY).scalar_one())

    def served(
        self, name: str, version: int, since: datetime, until: datetime
    ) -> tuple[int, dict[str, float]]:
        """How many predictions a version made in the time, and their latency's percentiles."""
        with self._begin() as connection:
            return requests.served(connection, name, version, since, until)

    def asked(
        self, name: str, version: int, since: datetime, until: datetime, limit: int
    ) -> list[Asked]:
        """The newest predictions of a version in the time, the newest first."""
        with self._begin() as connection:
            return requests.asked(connection, name, version, since, until, limit)

    def sales(self, keys: Sequence[str], since: datetime) -> list[Sale]:
        """The clean prices of these properties in batches that came after a time, in that order."""
        with self._begin() as connection:
            return requests.sales(connection, keys, since)

    # -- events that nobody took -----------------------------------------------------------------

    def keep_letter(self, letter: DeadLetter) -> None:
        """Keep an event that was given up; one that is given up again is to be looked at again."""
        table = schema.dead_letters
        values = _values(table, letter)
        key = ("subscriber", "source", "event_id")
        adding = upsert(table).values(values)
        with self._begin() as connection:
            connection.execute(adding.on_conflict_do_update(index_elements=key, set_=values))

    def dead_letters(self) -> list[DeadLetter]:
        """The events that were given up and not delivered again since, the oldest first."""
        c = schema.dead_letters.c
        order = [c.given_up_at, c.letter_id]
        return self._select(DeadLetter, schema.dead_letters, c.replayed_at.is_(None), order=order)

    def letter_replayed(self, letter: DeadLetter) -> None:
        """Write down that it was delivered again, unless it has come back in the meantime."""
        table = schema.dead_letters
        same = (table.c.letter_id == letter.letter_id, table.c.given_up_at == letter.given_up_at)
        with self._begin() as connection:
            connection.execute(update(table).where(*same).values(replayed_at=now()))

    # -- records and rows ------------------------------------------------------------------------

    def _begin(self) -> AbstractContextManager[Connection]:
        return transaction(self._engine)

    def _record(self, table: Table, record: Record, *same: ColumnElement[bool]) -> Record:
        """Insert the record and return it as it stands: this one, or the one that is the same."""
        columns = [table.c[f.name] for f in fields(record)]  # type: ignore[arg-type]
        adding = upsert(table).values(_values(table, record)).on_conflict_do_nothing()
        with self._begin() as connection:
            # Numbers are drawn one transaction at a time, so that the larger one is the later.
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
        columns = [table.c[f.name] for f in fields(kind)]  # type: ignore[arg-type]
        statement = select(*columns).where(*where).order_by(*order).limit(limit)
        with self._begin() as connection:
            return [kind(**row._mapping) for row in connection.execute(statement)]


def _values(table: Table, record: Any) -> dict[str, Any]:
    """The record's fields, but for the number that the database gives."""
    given = {f.name: getattr(record, f.name) for f in fields(record)}
    return {name: v for name, v in given.items() if not (v is None and table.c[name].identity)}


def _look(name: str, version: int, window_to: datetime) -> tuple[ColumnElement[bool], ...]:
    c = schema.monitor_history.c
    return c.model_name == name, c.champion_version == version, c.window_to == window_to


def _save_batch(connection: Connection, batch: Batch) -> None:
    values = _values(schema.batches, batch)
    statement = upsert(schema.batches).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["batch_id"], set_=values))
