"""The tables of people: accounts, their sessions, wrong passwords, and what people did."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text

from tasador.warehouse.columns import (
    METADATA,
    integer_column,
    number_column,
    text_column,
    time_column,
)

accounts = Table(
    "accounts",
    METADATA,
    Column("name", Text, primary_key=True),
    text_column("role"),
    text_column("password_hash"),
    text_column("created_by"),
    time_column("created_at"),
    time_column("password_set_at"),
    schema="ops",
)

account_sessions = Table(
    "account_sessions",
    METADATA,
    Column("token_digest", Text, primary_key=True),
    Column("name", Text, ForeignKey("ops.accounts.name", ondelete="CASCADE"), nullable=False),
    time_column("began_at"),
    time_column("expires_at"),
    Index("sessions_of_account", "name"),
    schema="ops",
)

# Wrong passwords of an account or from an address, the key.
sign_in_failures = Table(
    "sign_in_failures",
    METADATA,
    Column("key", Text, primary_key=True),
    integer_column("failures"),
    time_column("last_at"),
    schema="ops",
)

actions = Table(
    "actions",
    METADATA,
    number_column("action_id"),
    text_column("actor"),
    text_column("role"),
    text_column("channel"),
    text_column("action"),
    text_column("target"),
    text_column("note"),
    time_column("begun_at"),
    time_column("finished_at", nullable=True),
    text_column("outcome"),
    text_column("detail"),
    schema="ops",
)
