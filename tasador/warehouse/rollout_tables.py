"""The tables of rollouts: each attempt with its outcome, and the pauses of people."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, text

from tasador.warehouse.columns import (
    METADATA,
    integer_column,
    json_column,
    number_column,
    text_column,
    time_column,
)

rollout_history = Table(
    "rollout_history",
    METADATA,
    number_column("rollout_id"),
    text_column("service"),
    text_column("revision"),
    text_column("model_name"),
    integer_column("version"),
    text_column("digest"),
    Column("promotion", BigInteger, nullable=False),
    text_column("outcome"),
    text_column("reason"),
    json_column("steps"),
    text_column("correlation_id"),
    time_column("started_at"),
    time_column("finished_at"),
    Index("attempt_once", "service", "promotion", "started_at", unique=True),
    schema="ops",
)

rollout_pauses = Table(
    "rollout_pauses",
    METADATA,
    number_column("pause_id"),
    text_column("paused_by"),
    text_column("reason"),
    time_column("paused_at"),
    Column("forced_promotion", BigInteger),
    time_column("resumed_at", nullable=True),
    text_column("resumed_by"),
    # At most one pause is open.
    Index("paused_once", text("(true)"), unique=True, postgresql_where=text("resumed_at is null")),
    schema="ops",
)
