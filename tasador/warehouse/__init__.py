"""Postgres: what came, what was kept, what was refused, and the histories of every decision."""

from tasador.warehouse.connection import ensure_databases
from tasador.warehouse.requests import Asked, Sale
from tasador.warehouse.rows import ReadRow
from tasador.warehouse.warehouse import Warehouse

__all__ = ["Asked", "ReadRow", "Sale", "Warehouse", "ensure_databases"]
