"""What was asked of one version, and what was paid since for the properties that it priced."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, text

from tasador.warehouse.schema import inference_logs


class Asked(NamedTuple):
    """One prediction: when, the inputs as read, the price answered, milliseconds."""

    predicted_at: datetime
    listing: dict[str, Any]
    price: float
    latency_ms: float


class Sale(NamedTuple):
    """A price (dollars) that a batch brought for a property, and when the batch came."""

    property_key: str
    price: float
    came_at: datetime


# One row. Without predictions made is 0 and the percentiles are null.
_SERVED = text("""
select count(*) as made,
       percentile_cont(0.5) within group (order by latency_ms) as p50,
       percentile_cont(0.95) within group (order by latency_ms) as p95,
       percentile_cont(0.99) within group (order by latency_ms) as p99
from raw.inference_logs
where model_name = :name and model_version = :version
  and predicted_at >= :since and predicted_at < :until
""")

_SALES = text("""
select c.property_key, c.price, b.fetched_at
from clean.clean_data as c
join ops.batches as b using (batch_id)
join unnest(cast(:keys as text[])) as wanted(property_key) using (property_key)
where b.status = 'ready' and b.fetched_at > :since
order by b.fetched_at, b.batch_id, c.row_number
""")


def served(
    connection: Connection, name: str, version: int, since: datetime, until: datetime
) -> tuple[int, dict[str, float]]:
    """How many predictions a version made in the time, and their latency's p50, p95 and p99."""
    given = {"name": name, "version": version, "since": since, "until": until}
    found = connection.execute(_SERVED, given).one()
    latency = {p: float(found._mapping[p]) for p in ("p50", "p95", "p99") if found.made}
    return int(found.made), latency


def asked(
    connection: Connection, name: str, version: int, since: datetime, until: datetime, limit: int
) -> list[Asked]:
    """The newest predictions of a version in the time, the newest first."""
    c = inference_logs.c
    statement = (
        select(c.predicted_at, c.listing, c.price, c.latency_ms)
        .where(c.model_name == name, c.model_version == version)
        .where(c.predicted_at >= since, c.predicted_at < until)
        .order_by(c.predicted_at.desc(), c.prediction_id.desc())
        .limit(limit)
    )
    return [Asked(*row) for row in connection.execute(statement)]


def sales(connection: Connection, keys: Sequence[str], since: datetime) -> list[Sale]:
    """The clean prices of these properties in batches that came after a time, in that order."""
    found = connection.execute(_SALES, {"keys": list(keys), "since": since})
    return [Sale(*row) for row in found]
