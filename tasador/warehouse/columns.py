"""What the tables share: their metadata, and columns that several of them have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Identity, Integer, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB

METADATA = MetaData()


def text_column(name: str, server_default: str | None = None) -> Column[str]:
    """A text that is always there."""
    return Column(name, Text, nullable=False, server_default=server_default)


def integer_column(name: str, server_default: str | None = None) -> Column[int]:
    """A whole number that is always there."""
    return Column(name, Integer, nullable=False, server_default=server_default)


def time_column(name: str, *, nullable: bool = False) -> Column[object]:
    """A time with its zone."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def json_column(name: str, *, nullable: bool = False) -> Column[object]:
    """JSON; where it may be absent, that is SQL's null and not JSON's."""
    return Column(name, JSONB(none_as_null=nullable), nullable=nullable)


def number_column(name: str) -> Column[int]:
    """The primary key: a number that Postgres assigns."""
    return Column(name, BigInteger, Identity(always=True), primary_key=True)


def row_key_columns() -> list[Column[object]]:
    """The primary key of a row of a batch."""
    return [
        Column("batch_id", Text, primary_key=True),
        Column("row_number", Integer, primary_key=True),
    ]
