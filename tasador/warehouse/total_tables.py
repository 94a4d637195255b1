"""ops.prediction_totals: the recorded predictions of a version in an hour, or in an older month.

A trigger fills it (migrations/versions/v0016_prediction_totals.py): a row for each statement. It
merges rows now and then, so there may be several of one period. Predictions that were pruned stay
counted.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Table

from tasador.warehouse.columns import (
    METADATA,
    integer_column,
    json_column,
    text_column,
    time_column,
)

# latencies: milliseconds with two digits as text -> predictions.
prediction_totals = Table(
    "prediction_totals",
    METADATA,
    time_column("period"),
    text_column("model_name"),
    integer_column("model_version"),
    text_column("model_digest"),
    Column("predictions", BigInteger, nullable=False),
    Column("price_sum", Double, nullable=False),
    Column("incomplete", BigInteger, nullable=False),
    time_column("first_at"),
    time_column("last_at"),
    json_column("latencies"),
    schema="ops",
)
