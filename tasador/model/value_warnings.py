"""Sentences on values that the model has not seen in training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns
from tasador.listings.listing import NUMBERS, Listing
from tasador.model.encoders import CATEGORIES

Ranges = Mapping[str, tuple[float, float]]


def warnings_of_one(listing: Listing, unknown: Iterable[str], ranges: Ranges) -> list[str]:
    """The warnings of one listing; ``unknown`` are its fields with an unknown category."""
    warnings = []
    for name in NUMBERS:
        value = getattr(listing, name)
        low, high = ranges[name]
        if value is not None and not low <= value <= high:
            warnings.append(_out_of_range(name, value, ranges))
    return [*warnings, *(_unknown(name, getattr(listing, name)) for name in unknown)]


def warnings_of(columns: InputColumns, unknown: Array, ranges: Ranges) -> dict[int, list[str]]:
    """The warnings of a table, by row, of the rows that have any.

    ``unknown`` [n, len(CATEGORIES)] marks the unknown categories.
    """
    warnings: defaultdict[int, list[str]] = defaultdict(list)
    for name in NUMBERS:
        low, high = ranges[name]
        values = np.asarray(columns[name])
        for row in np.flatnonzero((values < low) | (values > high)).tolist():
            warnings[row].append(_out_of_range(name, values[row], ranges))
    for name, rows in zip(CATEGORIES, unknown.T, strict=True):
        for row in np.flatnonzero(rows).tolist():
            warnings[row].append(_unknown(name, columns[name][row]))
    return dict(sorted(warnings.items()))


def _out_of_range(name: str, value: float, ranges: Ranges) -> str:
    low, high = ranges[name]
    return (
        f"{name} {value:,g} is outside the training range ({low:,g} to {high:,g}): "
        f"priced as {low if value < low else high:,g}"
    )


def _unknown(name: str, value: Any) -> str:
    return f"{name} {value!r} is not in the training data"
