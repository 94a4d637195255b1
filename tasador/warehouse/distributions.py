"""How the values of a column are distributed in some batches, counted in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import text

from tasador.warehouse.database import Database

# The number that a column is counted by; the names in it are this module's.
_NUMBERS = {
    "price": "price",
    "house_size": "house_size",
    "acre_lot": "acre_lot",
    "bed": "bed",
    "bath": "bath",
    "prev_sold_date": "extract(year from prev_sold_date)::float",
}
_NAMES = {"state": "state", "status": "status", "zip_area": "left(zip_code, 2)"}
COUNTED = (*_NUMBERS, *_NAMES)

_BY_NUMBER = """
select width_bucket({value}, cast(:edges as float[])), count(*)
from clean.clean_data where batch_id = any(:batches) group by 1
"""
_BY_NAME = """
select {value}, count(*) from clean.clean_data where batch_id = any(:batches) group by 1
"""


class Counts(NamedTuple):
    """Rows by bucket or by name, and the rows without a value."""

    rows: dict[int | str, int]
    missing: int


class Distributions(Database):
    """Reads clean.clean_data."""

    def count_numbers(self, column: str, edges: Sequence[float], batches: Sequence[str]) -> Counts:
        """The rows of a column of numbers in these batches, by bucket.

        Bucket n begins at ``edges[n - 1]``; 0 is what lies below all edges.
        """
        return self._count(_BY_NUMBER.format(value=_NUMBERS[column]), batches, edges)

    def count_names(self, column: str, batches: Sequence[str]) -> Counts:
        """The rows of a column of names in these batches, by name."""
        return self._count(_BY_NAME.format(value=_NAMES[column]), batches)

    def _count(self, sql: str, batches: Sequence[str], edges: Sequence[float] = ()) -> Counts:
        values = {"batches": list(batches), "edges": list(edges)}
        if not edges:
            del values["edges"]
        with self._begin() as connection:
            rows = {row[0]: int(row[1]) for row in connection.execute(text(sql), values)}
        missing = rows.pop(None, 0)
        return Counts(rows, missing)
