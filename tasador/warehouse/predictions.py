"""Predictions, and the sale prices that batches brought later for the properties they priced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import ColumnElement, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert as upsert

from tasador.model.model_ref import ModelRef
from tasador.records.prediction import PredictionRecord
from tasador.warehouse import schema
from tasador.warehouse.database import Database, values_of
from tasador.warehouse.prediction_copy import copy_predictions
from tasador.warehouse.summary import SUMMARY


class RequestSample(NamedTuple):
    """One recorded prediction: time, inputs as read, price (dollars), latency (milliseconds)."""

    predicted_at: datetime
    listing: dict[str, Any]
    price: float
    latency_ms: float


class Chosen(NamedTuple):
    """Which predictions: those made at or after a time, by a version, of a state; None is any."""

    since: datetime | None = None
    version: int | None = None
    state: str | None = None


EVERY = Chosen()


class Sale(NamedTuple):
    """A price (dollars) that a batch brought for a property, and when the batch was fetched."""

    property_key: str
    price: float
    fetched_at: datetime


# One row. Without predictions the count is 0 and the percentiles are null.
_STATISTICS = text("""
select count(*) as predictions,
       percentile_cont(0.5) within group (order by latency_ms) as p50,
       percentile_cont(0.95) within group (order by latency_ms) as p95,
       percentile_cont(0.99) within group (order by latency_ms) as p99
from raw.inference_logs
where model_name = :name and model_version = :version and model_digest = :digest
  and predicted_at >= :since and predicted_at < :until
""")

_SALES = text("""
select c.property_key, c.price, b.fetched_at
from clean.clean_data as c
join ops.batches as b using (batch_id)
join unnest(cast(:keys as text[])) as wanted(property_key) using (property_key)
where b.status = 'ready' and (b.refused_at is null or b.accepted_at is not null)
  and b.fetched_at > :since
  -- Most often there is none, and the rows need not be read.
  and exists (select from ops.batches where fetched_at > :since)
order by b.fetched_at, b.batch_id, c.row_number
""")


class Predictions(Database):
    """raw.inference_logs."""

    def log_predictions(self, records: Sequence[PredictionRecord]) -> int:
        """Store the predictions that are not stored yet; returns how many those were."""
        table = schema.inference_logs
        written = 0
        with self._begin() as connection:
            for start in range(0, len(records), 1000):
                values = [values_of(table, record) for record in records[start : start + 1000]]
                statement = upsert(table).values(values).on_conflict_do_nothing()
                written += connection.execute(statement).rowcount
        return written

    def copy_predictions(self, columns: Sequence[str], lines: BinaryIO) -> int:
        """Store many predictions at once; see ``prediction_copy``."""
        return copy_predictions(self._engine, columns, lines)

    def predictions(
        self,
        limit: int = 100,
        before: datetime | None = None,
        before_id: str | None = None,
        *,
        chosen: Chosen = EVERY,
    ) -> list[PredictionRecord]:
        """The chosen predictions, newest first, and those of one time by their ids in reverse.

        With ``before`` only those made before it, and with ``before_id`` also those of the same
        time with a smaller id.
        """
        c = schema.inference_logs.c
        where: list[ColumnElement[bool]] = []
        if before is not None and before_id is not None:
            where.append(tuple_(c.predicted_at, c.prediction_id) < (before, before_id))
        elif before is not None:
            where.append(c.predicted_at < before)
        if chosen.since is not None:
            where.append(c.predicted_at >= chosen.since)
        if chosen.version is not None:
            where.append(c.model_version == chosen.version)
        if chosen.state is not None:
            where.append(c.listing["state"].as_string() == chosen.state)
        newest = [c.predicted_at.desc(), c.prediction_id.desc()]
        return self._select(
            PredictionRecord, schema.inference_logs, *where, order=newest, limit=limit
        )

    def prediction(self, prediction_id: str) -> PredictionRecord | None:
        """The prediction with this id, if it is recorded."""
        table = schema.inference_logs
        matches = self._select(PredictionRecord, table, table.c.prediction_id == prediction_id)
        return matches[0] if matches else None

    def prediction_summary(self) -> dict[str, Any]:
        """All predictions in figures, as JSON values: count, first_at, last_at, mean_price,
        with_missing, latency_ms {p50, p95}, by_version [{model_name, version, count, mean_price,
        last_at}] and by_hour [{hour, count, mean_price}] of the hours that began in the last 24.

        It reads their totals, so it takes as long with ten million as with none.
        """
        with self._begin() as connection:
            return dict(connection.execute(SUMMARY).scalar_one())

    def prediction_statistics(
        self, model: ModelRef, since: datetime, until: datetime
    ) -> tuple[int, dict[str, float]]:
        """The number of predictions of a version in a window, and latency p50, p95, p99 (ms)."""
        window = {
            "name": model.name,
            "version": model.version,
            "digest": model.digest,
            "since": since,
            "until": until,
        }
        with self._begin() as connection:
            row = connection.execute(_STATISTICS, window).one()
        latency = {p: float(row._mapping[p]) for p in ("p50", "p95", "p99") if row.predictions}
        return int(row.predictions), latency

    def request_samples(
        self, model: ModelRef, since: datetime, until: datetime, limit: int
    ) -> list[RequestSample]:
        """The newest requests to a version in a window, newest first."""
        c = schema.inference_logs.c
        statement = (
            select(c.predicted_at, c.listing, c.price, c.latency_ms)
            .where(c.model_name == model.name, c.model_version == model.version)
            .where(c.model_digest == model.digest)
            .where(c.predicted_at >= since, c.predicted_at < until)
            .order_by(c.predicted_at.desc(), c.prediction_id.desc())
            .limit(limit)
        )
        with self._begin() as connection:
            return [RequestSample(*row) for row in connection.execute(statement)]

    def sales(self, keys: Sequence[str], since: datetime) -> list[Sale]:
        """Clean prices of these properties in batches fetched after ``since``, in that order."""
        with self._begin() as connection:
            result = connection.execute(_SALES, {"keys": list(keys), "since": since})
            return [Sale(*row) for row in result]
