"""The tables as the code uses them. migrations/ creates them; a test checks that both agree."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from tasador.listings.listing import COLUMNS

METADATA = MetaData()

_CLEAN_TYPES = {
    **dict.fromkeys(COLUMNS, Text),
    **dict.fromkeys(("price", "bed", "bath", "acre_lot", "house_size"), Double),
    "prev_sold_date": Date,
}


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _integer(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _time(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _json(name: str) -> Column[object]:
    return Column(name, JSONB, nullable=False)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, Identity(always=True), primary_key=True)


def _row_key() -> list[Column[object]]:
    return [
        Column("batch_id", Text, primary_key=True),
        Column("row_number", Integer, primary_key=True),
    ]


# A row as received: its twelve values as text or, if it is not twelve plain values, the whole row
# as JSON. json, not jsonb: it keeps escapes such as \u0000 that jsonb rejects.
raw_data = Table(
    "raw_data",
    METADATA,
    *_row_key(),
    *(Column(name, Text) for name in COLUMNS),
    Column("payload", JSON),
    schema="raw",
)

clean_data = Table(
    "clean_data",
    METADATA,
    *_row_key(),
    *(
        Column(name, _CLEAN_TYPES[name], nullable=name != "price")  # a clean row has a price
        for name in COLUMNS
    ),
    _text("property_key"),
    Column("holdout", Boolean, nullable=False),
    schema="clean",
)

# reasons: [{"field", "reason", "value"}]
quarantine = Table("quarantine", METADATA, *_row_key(), _json("reasons"), schema="ops")

batches = Table(
    "batches",
    METADATA,
    Column("batch_id", Text, primary_key=True),
    _text("source"),
    _integer("group_number"),
    _text("day"),
    _integer("batch_number"),
    _text("correlation_id"),
    _text("raw_uri"),
    _text("status"),
    _text("clean_uri"),
    _integer("rows_raw"),
    _integer("rows_clean"),
    _integer("rows_quarantined"),
    _time("fetched_at"),
    _time("ready_at", nullable=True),
    # When drift found its feed broken, and when a person accepted it all the same.
    _time("refused_at", nullable=True),
    _time("accepted_at", nullable=True),
    # When its event was published; until then its ingestion is unfinished.
    _time("announced_at", nullable=True),
    schema="ops",
)

fetches = Table(
    "fetches",
    METADATA,
    _number("fetch_id"),
    _text("source"),
    _integer("group_number"),
    _text("day"),
    _time("begun_at"),
    _time("finished_at", nullable=True),
    Column("outcome", Text),
    Column("batch_number", Integer),
    Column("batch_id", Text),
    Index("fetches_of_source", "source", "group_number", "day", "fetch_id"),
    schema="ops",
)

drift_history = Table(
    "drift_history",
    METADATA,
    _number("drift_id"),
    _text("batch_id"),
    _text("model_name"),
    _integer("champion_version"),
    _text("champion_digest"),
    _text("correlation_id"),
    _text("verdict"),
    _json("reasons"),
    _json("scores"),
    _time("decided_at"),
    # An accepted batch is judged again, so a broken feed does not count as its verdict.
    Index(
        "drift_once",
        "batch_id",
        "model_name",
        "champion_version",
        "champion_digest",
        unique=True,
        postgresql_where=text("verdict <> 'broken_feed'"),
    ),
    Index(
        "broken_feed_once",
        "batch_id",
        "model_name",
        "champion_version",
        "champion_digest",
        unique=True,
        postgresql_where=text("verdict = 'broken_feed'"),
    ),
    schema="ops",
)

model_history = Table(
    "model_history",
    METADATA,
    _number("promotion"),
    _text("model_name"),
    _integer("version"),
    _text("digest"),
    _text("model_uri"),
    _text("run_id"),
    _text("decision"),
    _json("reasons"),
    _json("checks"),
    _json("metrics"),
    _text("correlation_id"),
    _text("training_id"),
    _json("batch_ids"),
    _integer("champion_version"),
    _text("champion_digest"),
    _time("decided_at"),
    # A training is decided once; there may be any number of rollbacks.
    Index(
        "decided_once",
        "training_id",
        unique=True,
        postgresql_where=text("decision <> 'rolled_back'"),
    ),
    schema="ops",
)

monitor_history = Table(
    "monitor_history",
    METADATA,
    _number("monitor_id"),
    _text("model_name"),
    _integer("champion_version"),
    _text("champion_digest"),
    _text("correlation_id"),
    _time("window_from"),
    _time("window_to"),
    _integer("predictions"),
    _integer("judged"),
    Column("moved", Boolean, nullable=False),
    Column("hurts", Boolean, nullable=False),
    _json("reasons"),
    _json("causes"),
    Column("asked", Boolean, nullable=False),
    _text("asked_says"),
    Column("estimated_error", Double),
    Column("realised_error", Double),
    Column("usual_error", Double),
    _integer("sold"),
    _json("latency_ms"),
    _json("missing"),
    _json("scores"),
    _time("looked_at"),
    # A check that is repeated finds its row.
    Index(
        "look_once", "model_name", "champion_version", "champion_digest", "window_to", unique=True
    ),
    schema="ops",
)

# Undelivered events as received: attributes are the ce- headers, the body can be any bytes.
dead_letters = Table(
    "dead_letters",
    METADATA,
    _number("letter_id"),
    _text("subscriber"),
    _text("source"),
    _text("event_id"),
    Column("attributes", JSON, nullable=False),
    _text("content_type"),
    Column("body", LargeBinary, nullable=False),
    Column("status", Integer),
    _text("reason"),
    _time("given_up_at"),
    # Null while it is undelivered.
    _time("replayed_at", nullable=True),
    Index("given_up_once", "subscriber", "source", "event_id", unique=True),
    schema="ops",
)

rollout_history = Table(
    "rollout_history",
    METADATA,
    _number("rollout_id"),
    _text("service"),
    _text("revision"),
    _text("model_name"),
    _integer("version"),
    _text("digest"),
    Column("promotion", BigInteger, nullable=False),
    _text("outcome"),
    _text("reason"),
    _json("steps"),
    _text("correlation_id"),
    _time("started_at"),
    _time("finished_at"),
    Index("attempt_once", "service", "promotion", "started_at", unique=True),
    schema="ops",
)

rollout_pauses = Table(
    "rollout_pauses",
    METADATA,
    _number("pause_id"),
    _text("paused_by"),
    _text("reason"),
    _time("paused_at"),
    Column("forced_promotion", BigInteger),
    _time("resumed_at", nullable=True),
    _text("resumed_by"),
    # At most one pause is open.
    Index("paused_once", text("(true)"), unique=True, postgresql_where=text("resumed_at is null")),
    schema="ops",
)

# What readers of predictions rely on, as ``tasador.events.predictions`` checks it: sums of prices
# stay finite, and JSON has the form that the summary expects.
_EACH = 'strict $[*] ? (@.type() != "string")'
_BOUNDS = (
    'strict $.* ? (@.type() != "array" || @.size() != 2 || @[0].type() != "number"'
    ' || @[1].type() != "number" || @[0] > @[1] || @[0] < 0 || @[1] > 10000000000)'
)
PREDICTION_CHECKS = {
    "prediction_id_is_an_id": "prediction_id ~ '^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$'",
    "predicted_at_in_range": (
        "predicted_at >= '2000-01-01 00:00:00+00' and predicted_at < '2200-01-01 00:00:00+00'"
    ),
    "model_version_not_negative": "model_version >= 0",
    "price_in_range": "price > 0 and price <= 10000000000",
    "latency_in_range": "latency_ms >= 0 and latency_ms <= 86400000",
    "listing_is_an_object": "jsonb_typeof(listing) = 'object'",
    "intervals_are_bounds": (
        f"jsonb_typeof(intervals) = 'object' and not jsonb_path_exists(intervals, '{_BOUNDS}')"
    ),
    "missing_are_texts": (
        f"jsonb_typeof(missing) = 'array' and not jsonb_path_exists(missing, '{_EACH}')"
    ),
    "warnings_are_texts": (
        f"jsonb_typeof(warnings) = 'array' and not jsonb_path_exists(warnings, '{_EACH}')"
    ),
}

inference_logs = Table(
    "inference_logs",
    METADATA,
    Column("prediction_id", Text, primary_key=True),
    _time("predicted_at"),
    _text("correlation_id"),
    _text("model_name"),
    _integer("model_version"),
    _text("model_digest"),
    _text("revision"),
    _json("listing"),
    Column("price", Double, nullable=False),
    _json("intervals"),
    _json("missing"),
    _json("warnings"),
    Column("latency_ms", Double, nullable=False),
    *(CheckConstraint(rule, name=name) for name, rule in PREDICTION_CHECKS.items()),
    Index("inference_logs_by_time", "predicted_at", "prediction_id"),
    schema="raw",
)
