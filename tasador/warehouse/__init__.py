"""Postgres: what came, what was kept, what was refused, and the histories of every decision."""

from tasador.warehouse.connection import ensure_databases
from tasador.warehouse.rows import ReadRow
from tasador.warehouse.store import Warehouse

__all__ = ["ReadRow", "Warehouse", "ensure_databases"]
