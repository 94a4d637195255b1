"""Sentences on values that the model has not seen in training, alone or together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns
from tasador.listings.listing import NUMBERS, Listing
from tasador.model.categories import capitalised
from tasador.model.encoders import CATEGORIES, EncodedListing, Encoders
from tasador.model.own_features import sale_year_of_one, sale_years
from tasador.model.predictions import Predictions
from tasador.model.support import SUPPORTED

# A number that is priced as one so much larger or smaller is worth a sentence, and so is a price
# that leans back by so much (log price).
_WORTH_SAYING = 0.05
# Sales since the training data was collected are no surprise (years).
_RECENT = 2.0

_numbers_of, _supported_of = attrgetter(*NUMBERS), attrgetter(*SUPPORTED)
_priced_as = itemgetter(*SUPPORTED)
Ranges = Mapping[str, tuple[float, float]]


def warnings_of_one(listing: Listing, encoded: EncodedListing, encoders: Encoders) -> list[str]:
    """The warnings of one listing."""
    ranges = encoders.ranges
    warnings = []
    for name, value in zip(NUMBERS, _numbers_of(listing), strict=True):
        low, high = ranges[name]
        if value is not None and not low <= value <= high:
            warnings.append(_out_of_range(name, value, ranges))
    if _is_strange(sale_year_of_one(listing.prev_sold_date), ranges):
        warnings.append(_strange_sale(listing.prev_sold_date, ranges))
    given = [math.nan if number is None else number for number in _supported_of(listing)]
    warnings += _together(given, _priced_as(encoded.leaned.numbers))
    if encoded.zip_state >= 0:
        warnings.append(_elsewhere(listing.zip_code, listing.state, encoded.zip_state, encoders))
    unknown = encoded.unknown_categories
    return [
        *warnings,
        *(_unknown(name, getattr(listing, name), listing.state) for name in unknown),
    ]


def warnings_of(
    columns: InputColumns, predictions: Predictions, encoders: Encoders
) -> dict[int, list[str]]:
    """The warnings of a priced table, by row, of the rows that have any."""
    ranges = encoders.ranges
    warnings: defaultdict[int, list[str]] = defaultdict(list)
    for name in NUMBERS:
        low, high = ranges[name]
        values = np.asarray(columns[name])
        for row in np.flatnonzero((values < low) | (values > high)).tolist():
            warnings[row].append(_out_of_range(name, values[row], ranges))
    for row in np.flatnonzero(_are_strange(sale_years(columns), ranges)).tolist():
        warnings[row].append(_strange_sale(columns["prev_sold_date"][row], ranges))
    given = np.column_stack([np.asarray(columns[name], dtype=np.float64) for name in SUPPORTED])
    for row in np.flatnonzero(_moves(given, predictions.priced_as).any(axis=1)).tolist():
        warnings[row] += _together(given[row].tolist(), predictions.priced_as[row].tolist())
    for row in np.flatnonzero(predictions.zip_state >= 0).tolist():
        state = int(predictions.zip_state[row])
        names = columns["zip_code"][row], columns["state"][row]
        warnings[row].append(_elsewhere(*names, state, encoders))
    for name, rows in zip(CATEGORIES, predictions.unknown_categories.T, strict=True):
        for row in np.flatnonzero(rows).tolist():
            warnings[row].append(_unknown(name, columns[name][row], columns["state"][row]))
    return dict(sorted(warnings.items()))


def _out_of_range(name: str, value: float, ranges: Ranges) -> str:
    low, high = ranges[name]
    ends = f"{_number(low)} to {_number(high)}"
    return f"{name} {_number(value)} is outside the training range ({ends})"


def _is_strange(year: float, ranges: Ranges) -> bool:
    low, high = ranges["prev_sold_year"]
    return high > 0 and not (year != year or low <= year <= high + _RECENT)


def _are_strange(years: Array, ranges: Ranges) -> Array:
    low, high = ranges["prev_sold_year"]
    return np.asarray((high > 0) & ((years < low) | (years > high + _RECENT)))


def _strange_sale(date: Any, ranges: Ranges) -> str:
    low, high = map(int, ranges["prev_sold_year"])
    return f"prev_sold_date {date} is outside the training range ({low} to {high})"


def _moves(given: Array, priced_as: Array) -> Array:
    """Whether a number [...] is priced as another one that is worth a sentence."""
    # One more, so that a small number of rooms or acres need not be exact.
    return np.asarray(np.abs(given - priced_as) > _WORTH_SAYING * (1.0 + np.abs(given)))


def _together(given: Iterable[float], priced_as: Iterable[float]) -> list[str]:
    moved = [
        (name, value, other)
        for name, value, other in zip(SUPPORTED, given, priced_as, strict=True)
        if abs(value - other) > _WORTH_SAYING * (1.0 + abs(value))
    ]
    if not moved:
        return []
    values = _listed([f"{name} {_number(value)}" for name, value, _ in moved])
    others = _listed(
        [
            f"{name} {other:,.3g}" if other < 100 else f"{name} {other:,.0f}"
            for name, _, other in moved
        ]
    )
    together = "together are" if len(moved) > 1 else "is"
    return [f"{values} {together} beyond the listings around it: priced as {others}"]


def _number(value: float) -> str:
    """Six digits, and all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:,g}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _elsewhere(zip_code: Any, state: Any, zip_state: int, encoders: Encoders) -> str:
    known = capitalised(list(encoders.state_index)[zip_state])
    return f"zip_code {zip_code!r} is in {known}, not in {state}"


def _unknown(name: str, value: Any, state: Any) -> str:
    # Cities of several states have the same name.
    where = f" of {state}" if name == "city" and state is not None else ""
    return f"{name} {value!r}{where} is not in the training data"
