"""The tables of shadows: which version shadowed when, and what it said of each prediction."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, Table, Text, text

from tasador.warehouse.columns import (
    METADATA,
    integer_column,
    json_column,
    number_column,
    text_column,
    time_column,
)

shadows = Table(
    "shadows",
    METADATA,
    number_column("shadow_id"),
    text_column("model_name"),
    integer_column("version"),
    text_column("digest"),
    text_column("model_uri"),
    text_column("correlation_id"),
    text_column("started_by"),
    time_column("started_at"),
    time_column("mirroring_at", nullable=True),
    time_column("ended_at", nullable=True),
    text_column("ended_by"),
    text_column("reason"),
    # At most one shadow is open.
    Index("shadow_once", text("(true)"), unique=True, postgresql_where=text("ended_at is null")),
    schema="ops",
)

# Apart from raw.inference_logs: nobody was answered with these prices.
shadow_predictions = Table(
    "shadow_predictions",
    METADATA,
    Column("prediction_id", Text, primary_key=True),
    Column("model_digest", Text, primary_key=True),
    time_column("compared_at"),
    text_column("model_name"),
    integer_column("model_version"),
    text_column("revision"),
    json_column("listing"),
    integer_column("served_version"),
    Column("served_price", Double, nullable=False),
    Column("served_latency_ms", Double, nullable=False),
    Column("price", Double),
    Column("latency_ms", Double),
    text_column("error"),
    Index("shadow_predictions_by_time", "model_digest", "compared_at"),
    schema="ops",
)
