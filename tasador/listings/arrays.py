"""Listings as plain arrays, one per column: the form that the model and the drift judge work on.

numpy alone: serving imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import COLUMNS, INPUTS, NUMBERS, Listing
from tasador.listings.text_column import TextColumn

# Numbers as float64 with NaN for a missing value, text as object arrays of str or None.
Columns = dict[str, Array]
# Like Columns, but a column of text may also be a TextColumn.
InputColumns = Mapping[str, Array | TextColumn]
Numbers = Mapping[str, Array]


def arrays_of(listings: Iterable[Listing]) -> Columns:
    """The listings as Columns."""
    listings = list(listings)
    columns: Columns = {}
    for name in COLUMNS:
        values = [getattr(listing, name) for listing in listings]
        if name == "price" or name in NUMBERS:
            numbers = [math.nan if value is None else value for value in values]
            columns[name] = np.array(numbers, dtype=np.float64)
        else:
            columns[name] = np.empty(len(values), dtype=object)
            columns[name][:] = values
    return columns


def listing_at(columns: InputColumns, row: int) -> Listing:
    """One row of the columns."""
    values: dict[str, Any] = {name: columns[name][row] for name in COLUMNS}
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            values[name] = None if math.isnan(value) else float(value)
    return Listing(**values)


def text_of(columns: InputColumns, name: str) -> TextColumn:
    """A column of text as a TextColumn."""
    column = columns[name]
    return column if isinstance(column, TextColumn) else TextColumn.of(column)


def is_missing(values: Array | TextColumn) -> Array:
    """Which values of a column are missing, bool [n]."""
    if isinstance(values, TextColumn):
        return values.absent()
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.asarray(np.equal(values, np.array(None, dtype=object)), dtype=bool)


def absent_of(columns: InputColumns) -> dict[str, Array]:
    """Which rows have no value, bool [n], by input column."""
    return {name: is_missing(columns[name]) for name in INPUTS}
