"""The tables as the code uses them. migrations/ creates them; a test checks that both agree."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from tasador.listings.listing import COLUMNS
from tasador.warehouse import (
    account_tables,
    catalog_tables,
    rollout_tables,
    shadow_tables,
    total_tables,
)
from tasador.warehouse.columns import (
    integer_column,
    json_column,
    number_column,
    row_key_columns,
    text_column,
    time_column,
)
from tasador.warehouse.prediction_checks import PREDICTION_CHECKS

# The tables of people, of rollouts, of shadows, of totals and of Iceberg are among its tables.
METADATA = account_tables.accounts.metadata
iceberg_tables = catalog_tables.iceberg_tables
rollout_history, rollout_pauses = rollout_tables.rollout_history, rollout_tables.rollout_pauses
shadows, shadow_predictions = shadow_tables.shadows, shadow_tables.shadow_predictions
prediction_totals = total_tables.prediction_totals

_CLEAN_TYPES = {
    **dict.fromkeys(COLUMNS, Text),
    **dict.fromkeys(("price", "bed", "bath", "acre_lot", "house_size"), Double),
    "prev_sold_date": Date,
}

# A row as received: its twelve values as text or, if it is not twelve plain values, the whole row
# as JSON. json, not jsonb: it keeps escapes such as \u0000 that jsonb rejects.
raw_data = Table(
    "raw_data",
    METADATA,
    *row_key_columns(),
    *(Column(name, Text) for name in COLUMNS),
    Column("payload", JSON),
    schema="raw",
)

clean_data = Table(
    "clean_data",
    METADATA,
    *row_key_columns(),
    # A clean row has a price.
    *(Column(name, _CLEAN_TYPES[name], nullable=name != "price") for name in COLUMNS),
    text_column("property_key"),
    Column("holdout", Boolean, nullable=False),
    schema="clean",
)

# reasons: [{"field", "reason", "value"}]
quarantine = Table("quarantine", METADATA, *row_key_columns(), json_column("reasons"), schema="ops")

batches = Table(
    "batches",
    METADATA,
    Column("batch_id", Text, primary_key=True),
    text_column("source"),
    integer_column("group_number"),
    text_column("day"),
    integer_column("batch_number"),
    text_column("correlation_id"),
    text_column("raw_uri"),
    text_column("status"),
    text_column("clean_uri"),
    integer_column("rows_raw"),
    integer_column("rows_clean"),
    integer_column("rows_quarantined"),
    time_column("fetched_at"),
    time_column("ready_at", nullable=True),
    # When drift found its feed broken, and when a person accepted it all the same.
    time_column("refused_at", nullable=True),
    time_column("accepted_at", nullable=True),
    # How often ingestion failed in a row for one reason, and when the batch was set aside.
    integer_column("failures", server_default="0"),
    text_column("failure", server_default=""),
    time_column("set_aside_at", nullable=True),
    # When its event was published; until then its ingestion is unfinished.
    time_column("announced_at", nullable=True),
    # When its payload and its rows in raw.raw_data were deleted.
    time_column("payload_deleted_at", nullable=True),
    schema="ops",
)

fetches = Table(
    "fetches",
    METADATA,
    number_column("fetch_id"),
    text_column("source"),
    integer_column("group_number"),
    text_column("day"),
    time_column("begun_at"),
    time_column("finished_at", nullable=True),
    Column("outcome", Text),
    Column("batch_number", Integer),
    Column("batch_id", Text),
    Index("fetches_of_source", "source", "group_number", "day", "fetch_id"),
    schema="ops",
)

drift_history = Table(
    "drift_history",
    METADATA,
    number_column("drift_id"),
    text_column("batch_id"),
    text_column("model_name"),
    integer_column("champion_version"),
    text_column("champion_digest"),
    text_column("correlation_id"),
    text_column("verdict"),
    json_column("reasons"),
    json_column("scores"),
    time_column("decided_at"),
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
    number_column("promotion"),
    text_column("model_name"),
    integer_column("version"),
    text_column("digest"),
    text_column("model_uri"),
    text_column("run_id"),
    text_column("decision"),
    json_column("reasons"),
    json_column("checks"),
    json_column("metrics"),
    text_column("correlation_id"),
    text_column("training_id"),
    json_column("batch_ids"),
    integer_column("champion_version"),
    text_column("champion_digest"),
    time_column("decided_at"),
    text_column("started_by"),
    text_column("decided_by"),
    # A training is decided once and reviewed at most once; there may be any number of rollbacks.
    Index(
        "decided_once",
        "training_id",
        unique=True,
        postgresql_where=text("decision in ('promoted', 'rejected', 'waiting')"),
    ),
    Index(
        "reviewed_once",
        "training_id",
        unique=True,
        postgresql_where=text("decision in ('approved', 'declined')"),
    ),
    schema="ops",
)

monitor_history = Table(
    "monitor_history",
    METADATA,
    number_column("monitor_id"),
    text_column("model_name"),
    integer_column("champion_version"),
    text_column("champion_digest"),
    text_column("correlation_id"),
    time_column("window_from"),
    time_column("window_to"),
    integer_column("predictions"),
    integer_column("judged"),
    Column("moved", Boolean, nullable=False),
    Column("hurts", Boolean, nullable=False),
    json_column("reasons"),
    json_column("causes"),
    # Names of the first release; ``key`` is what the code calls them.
    Column("asked", Boolean, key="requested_training", nullable=False),
    Column("asked_says", Text, key="request_reason", nullable=False),
    Column("estimated_error", Double),
    Column("realised_error", Double),
    Column("usual_error", Double),
    integer_column("sold"),
    json_column("latency_ms"),
    json_column("missing"),
    json_column("scores"),
    time_column("looked_at"),
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
    number_column("letter_id"),
    text_column("subscriber"),
    text_column("source"),
    text_column("event_id"),
    Column("attributes", JSON, nullable=False),
    text_column("content_type"),
    Column("body", LargeBinary, nullable=False),
    Column("status", Integer),
    text_column("reason"),
    time_column("given_up_at"),
    # Null while it is undelivered.
    time_column("replayed_at", nullable=True),
    Index("given_up_once", "subscriber", "source", "event_id", unique=True),
    schema="ops",
)

# Holds all that a reviewer sees, so that it outlives the prediction.
prediction_reviews = Table(
    "prediction_reviews",
    METADATA,
    number_column("review_id"),
    Column("prediction_id", Text, nullable=False, unique=True),
    time_column("predicted_at"),
    text_column("model_name"),
    integer_column("model_version"),
    text_column("model_digest"),
    Column("price", Double, nullable=False),
    json_column("listing"),
    text_column("week"),
    time_column("drawn_at"),
    Column("verdict", Text),
    text_column("note"),
    text_column("reviewed_by"),
    time_column("reviewed_at", nullable=True),
    Index("reviews_of_week", "week"),
    schema="ops",
)

inference_logs = Table(
    "inference_logs",
    METADATA,
    Column("prediction_id", Text, primary_key=True),
    time_column("predicted_at"),
    text_column("correlation_id"),
    text_column("model_name"),
    integer_column("model_version"),
    text_column("model_digest"),
    text_column("revision"),
    json_column("listing"),
    Column("price", Double, nullable=False),
    json_column("intervals"),
    json_column("missing"),
    json_column("warnings"),
    Column("latency_ms", Double, nullable=False),
    json_column("confidence", nullable=True),
    json_column("prices", nullable=True),
    *(CheckConstraint(rule, name=name) for name, rule in PREDICTION_CHECKS.items()),
    Index("inference_logs_by_time", "predicted_at", "prediction_id"),
    Index("inference_logs_by_version", "model_version", "predicted_at"),
    Index("inference_logs_by_state", text("(listing ->> 'state')"), "predicted_at"),
    schema="raw",
)
