"""The tables of an Iceberg catalog, as pyiceberg and Iceberg's JDBC catalog name them.

operations/lake_table.py writes them, by pyiceberg.
"""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from tasador.warehouse.columns import METADATA


def _key(name: str) -> Column[str]:
    return Column(name, String(255), primary_key=True)


iceberg_tables = Table(
    "iceberg_tables",
    METADATA,
    _key("catalog_name"),
    _key("table_namespace"),
    _key("table_name"),
    Column("metadata_location", String(1000)),
    Column("previous_metadata_location", String(1000)),
    Column("iceberg_type", String(5)),
    schema="lake",
)

iceberg_namespace_properties = Table(
    "iceberg_namespace_properties",
    METADATA,
    _key("catalog_name"),
    _key("namespace"),
    _key("property_key"),
    Column("property_value", String(1000), nullable=False),
    schema="lake",
)
