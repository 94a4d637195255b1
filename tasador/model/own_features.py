"""The features that a listing has by itself, and the terms of the local regressions.

A function that ends in ``_of_one`` gives the numbers of the function above it for a single listing.
It is plain Python, which takes a fraction of numpy's time for one row.
numpy alone: serving imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, Numbers, text_of
from tasador.listings.listing import NUMBERS, Listing
from tasador.listings.rules import FOR_SALE, STATUSES
from tasador.listings.text_column import digit_matrix

_SQUARE_FEET_PER_ACRE = 43_560.0
_STATUS_CODE: dict[str | None, float] = {
    status: float(code) for code, status in enumerate(STATUSES)
}
# What a listing without a status is read as: its price is the one that it would be listed at.
UNSTATED = FOR_SALE
# Acres, added before the logarithm: flats have a lot of 0.
_LOT_OFFSET = 0.01


def own_numbers(
    columns: InputColumns, ranges: Mapping[str, tuple[float, float]], unstated: str | None
) -> dict[str, Array]:
    """The listings' numbers by name [n], clipped to the training range; NaN if missing.

    ``unstated`` is the status of a listing without one; None: it is missing.
    """
    without = _STATUS_CODE.get(unstated, math.nan)
    numbers = {
        name: np.clip(np.asarray(columns[name], dtype=np.float64), *ranges[name])
        for name in NUMBERS
    }
    numbers["prev_sold_year"] = np.clip(sale_years(columns), *ranges["prev_sold_year"])
    numbers["status"] = text_of(columns, "status").to_numbers(
        lambda status: _STATUS_CODE.get(status, without)
    )
    return numbers


def own_numbers_of_one(
    listing: Listing, ranges: Mapping[str, tuple[float, float]], unstated: str | None
) -> dict[str, float]:
    """``own_numbers`` of one listing."""
    numbers = {name: _clip(getattr(listing, name), *ranges[name]) for name in NUMBERS}
    year = sale_year_of_one(listing.prev_sold_date)
    numbers["prev_sold_year"] = _clip(year, *ranges["prev_sold_year"])
    numbers["status"] = _STATUS_CODE.get(listing.status or unstated, math.nan)
    return numbers


def own_features(numbers: Numbers) -> Array:
    """The features that need no training data, float64 [n, OWN]."""
    bed, bath, acres = numbers["bed"], numbers["bath"], numbers["acre_lot"]
    size = np.log1p(numbers["house_size"])
    return np.column_stack(
        [
            size,
            np.log1p(acres),
            bed,
            bath,
            bed + bath,
            size - np.log1p(bed + bath),
            bath / (bed + 1.0),
            np.log1p(acres * _SQUARE_FEET_PER_ACRE) - size,
            numbers["status"],
            numbers["prev_sold_year"],
        ]
    )


def own_features_of_one(numbers: Mapping[str, float]) -> list[float]:
    """``own_features`` of one listing."""
    bed, bath, acres = numbers["bed"], numbers["bath"], numbers["acre_lot"]
    size = math.log1p(numbers["house_size"])
    return [
        size,
        math.log1p(acres),
        bed,
        bath,
        bed + bath,
        size - math.log1p(bed + bath),
        bath / (bed + 1.0),
        math.log1p(acres * _SQUARE_FEET_PER_ACRE) - size,
        numbers["status"],
        numbers["prev_sold_year"],
    ]


def centred(numbers: Numbers) -> dict[str, Array]:
    """The numbers of CENTRED by name, before their means are subtracted."""
    return {
        "log_house_size": np.log1p(numbers["house_size"]),
        "bed": numbers["bed"],
        "log_bath": np.log1p(numbers["bath"]),
        "log_lot": np.log(numbers["acre_lot"] + _LOT_OFFSET),
    }


def centred_of_one(numbers: Mapping[str, float]) -> list[float]:
    """``centred`` of one listing, in the order of CENTRED."""
    return [
        math.log1p(numbers["house_size"]),
        numbers["bed"],
        math.log1p(numbers["bath"]),
        math.log(numbers["acre_lot"] + _LOT_OFFSET),
    ]


def from_centred(
    log_house_size: float, bed: float, log_bath: float, log_lot: float
) -> tuple[float, float, float, float]:
    """The inverse of ``centred``: house size (square feet), bedrooms, bathrooms, lot (acres)."""
    return (
        math.expm1(log_house_size),
        bed,
        math.expm1(log_bath),
        max(math.exp(log_lot) - _LOT_OFFSET, 0.0),
    )


def from_centred_rows(
    log_house_size: Array, bed: Array, log_bath: Array, log_lot: Array
) -> tuple[Array, Array, Array, Array]:
    """``from_centred`` of rows [n]."""
    return (
        np.expm1(log_house_size),
        bed,
        np.expm1(log_bath),
        np.maximum(np.exp(log_lot) - _LOT_OFFSET, 0.0),
    )


def terms(numbers: Numbers, means: Mapping[str, float]) -> Array:
    """The terms of the local regressions, float64 [n, len(TERMS)]; none is NaN."""
    values = centred(numbers)
    missing = {name: np.isnan(value) for name, value in values.items()}
    around = {
        name: np.where(missing[name], 0.0, value - means[name]) for name, value in values.items()
    }
    land = missing["log_house_size"] & missing["bed"]
    status = numbers["status"]
    return np.column_stack(
        [
            np.ones(len(status)),
            status == 1.0,
            status == 2.0,
            around["log_house_size"],
            missing["log_house_size"],
            around["bed"],
            missing["bed"],
            around["log_bath"],
            missing["log_bath"],
            around["log_lot"],
            missing["log_lot"],
            land,
            np.where(land, around["log_lot"], 0.0),
        ]
    ).astype(np.float64)


def terms_of_one(numbers: Mapping[str, float], means: Mapping[str, float]) -> list[float]:
    """``terms`` of one listing."""
    size, bed, bath, lot = (numbers[name] for name in ("house_size", "bed", "bath", "acre_lot"))
    no_size, no_bed, no_bath, no_lot = size != size, bed != bed, bath != bath, lot != lot
    around_lot = 0.0 if no_lot else math.log(lot + _LOT_OFFSET) - means["log_lot"]
    land = no_size and no_bed
    status = numbers["status"]
    return [
        1.0,
        float(status == 1.0),
        float(status == 2.0),
        0.0 if no_size else math.log1p(size) - means["log_house_size"],
        float(no_size),
        0.0 if no_bed else bed - means["bed"],
        float(no_bed),
        0.0 if no_bath else math.log1p(bath) - means["log_bath"],
        float(no_bath),
        around_lot,
        float(no_lot),
        float(land),
        around_lot if land else 0.0,
    ]


def _clip(value: float | None, low: float, high: float) -> float:
    if value is None or value != value:
        return math.nan
    return min(max(value, low), high)


def sale_years(columns: InputColumns) -> Array:
    """Year of the last sale, with the month as its fraction [n]; NaN if missing."""
    dates = text_of(columns, "prev_sold_date")
    digits = digit_matrix(dates.values, "0000-00-00")
    year, month = digits[:, :4] @ np.array([1_000, 100, 10, 1]), digits[:, 5:7] @ [10, 1]
    return dates.by_row(np.where(year > 0, year + (month - 1) / 12.0, math.nan))


def sale_year_of_one(date: str | None) -> float:
    """``sale_years`` of one date, YYYY-MM-DD."""
    return math.nan if date is None else int(date[:4]) + (int(date[5:7]) - 1) / 12.0
