"""Features of a listing: what the model reads, by name, and what a listing tells by itself.

numpy alone: serving imports this module. What the features remember of the training data (price
levels of places, comparables, brokers) is in ``tasador.model.encoders``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, Numbers, text_of
from tasador.listings.listing import NUMBERS, STATUSES, Listing
from tasador.listings.text_column import letters_of

# What the model reads; the street is a property's name and says nothing about another property.
MODEL_INPUTS = (
    *NUMBERS,
    "status",
    "prev_sold_date",
    "city",
    "state",
    "zip_code",
    "brokered_by",
)
PLACE = ("city", "state", "zip_code")
RANGED = (*NUMBERS, "prev_sold_year")

# How many of the nearest listings each local regression is made of; the narrower, the closer it
# follows the place, and the more it leans on the wider one. Before the first come state and nation.
SCALES = (1000, 200, 50, 15)
# The local regression whose answer the trees correct.
BASE_SCALE = 50
# The farther a place is from every known listing (km), the less its nearest ones tell: at this
# distance state, 1000, 200, ... count for half of what they add to the wider regression.
HALF_KM = (400.0, 100.0, 40.0, 20.0, 10.0)
# How built-up a place is, which tells of prices where no listing is known: how many zip codes of
# the country lie within so many kilometres.
REACHES_KM = (15, 50)
# Widths of the kernels that weigh comparables by likeness.
KERNELS = (0.4, 1.2)

_SQUARE_FEET_PER_ACRE = 43_560.0
_STATUS_CODE: dict[str | None, float] = {
    status: float(code) for code, status in enumerate(STATUSES)
}
_LOT_OFFSET = 0.01


class Feature(NamedTuple):
    """A column of the feature matrix and the listing column (or group of them) it speaks of."""

    name: str
    column: str


# The terms of the local regressions: a listing's own numbers around their means, with an indicator
# where one is missing; land (neither rooms nor a house) has a price and a slope of its own.
TERMS = (
    Feature("level", "place"),
    Feature("sold", "status"),
    Feature("ready_to_build", "status"),
    Feature("log_house_size", "house_size"),
    Feature("house_size_missing", "house_size"),
    Feature("bed", "bed"),
    Feature("bed_missing", "bed"),
    Feature("log_bath", "bath"),
    Feature("bath_missing", "bath"),
    Feature("log_lot", "acre_lot"),
    Feature("lot_missing", "acre_lot"),
    Feature("land", "house_size"),
    Feature("land_lot", "acre_lot"),
)
# The numbers behind the terms, as their training means are named.
CENTRED = ("log_house_size", "bed", "log_bath", "log_lot")

_OWN = (
    Feature("log_house_size", "house_size"),
    Feature("log_acre_lot", "acre_lot"),
    Feature("bed", "bed"),
    Feature("bath", "bath"),
    Feature("rooms", "bath"),
    Feature("log_size_per_room", "house_size"),
    Feature("baths_per_bed", "bath"),
    Feature("log_lot_to_house", "acre_lot"),
    Feature("status", "status"),
    Feature("prev_sold_year", "prev_sold_date"),
)
_OF_PLACE = (
    *(Feature(f"price_{scale}", "place") for scale in ("nation", "state", *SCALES)),
    Feature("distance", "place"),
    *(Feature(f"zip_codes_{km}km", "place") for km in REACHES_KM),
    Feature("zip_count", "place"),
    Feature("zip_premium", "place"),
    Feature("zip_spread", "place"),
    Feature("city_premium", "place"),
    Feature("city_count", "place"),
    Feature("broker_premium", "brokered_by"),
    Feature("broker_count", "brokered_by"),
)
_OF_COMPARABLES = tuple(
    Feature(f"comparables_{measure}_{width:g}", "comparables")
    for width in KERNELS
    for measure in ("premium", "price", "weight")
)
FEATURES = (*_OWN, *_OF_PLACE, *_OF_COMPARABLES)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
BASE = FEATURE_NAMES.index(f"price_{BASE_SCALE}")
DISTANCE = FEATURE_NAMES.index("distance")
OWN = len(_OWN)


def own_numbers(
    columns: InputColumns, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, Array]:
    """The numbers of the listings themselves [n], clipped to the training range, NaN if missing."""
    numbers = {
        name: np.clip(np.asarray(columns[name], dtype=np.float64), *ranges[name])
        for name in NUMBERS
    }
    numbers["prev_sold_year"] = np.clip(sale_years(columns), *ranges["prev_sold_year"])
    numbers["status"] = text_of(columns, "status").each(
        lambda status: _STATUS_CODE.get(status, math.nan)
    )
    return numbers


def own_numbers_of_one(
    listing: Listing, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, float]:
    """``own_numbers`` of one listing; plain Python, for speed."""
    numbers = {name: _clip(getattr(listing, name), *ranges[name]) for name in NUMBERS}
    year = sale_year(listing.prev_sold_date)
    numbers["prev_sold_year"] = _clip(year, *ranges["prev_sold_year"])
    numbers["status"] = _STATUS_CODE.get(listing.status, math.nan)
    return numbers


def own_features(numbers: Numbers) -> Array:
    """The features that a listing gives itself, float64 [n, OWN]."""
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
    """The numbers behind the terms, by the names in CENTRED, before a mean is taken off."""
    return {
        "log_house_size": np.log1p(numbers["house_size"]),
        "bed": numbers["bed"],
        "log_bath": np.log1p(numbers["bath"]),
        "log_lot": np.log(numbers["acre_lot"] + _LOT_OFFSET),
    }


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


def places_known(matrix: Array) -> Array:
    """Whether each row's place is near any listing that the model has learnt from, bool [n].

    It is not where no place is given, or where the nearest listing is over ``NEAR_KM`` away.
    """
    with np.errstate(invalid="ignore"):
        return np.asarray(matrix[:, DISTANCE] <= _NEAR)


def place_known(distance: float) -> bool:
    """``places_known`` of one listing, by log1p of its distance (km)."""
    return distance <= _NEAR


# Farther than this from every known listing, a place counts as unknown (kilometres).
NEAR_KM = 25.0
# As the matrix holds it.
_NEAR = float(np.float32(math.log1p(NEAR_KM)))


def sale_year(date: str | None) -> float:
    """The year of a YYYY-MM-DD date with the month as its fraction; NaN for None."""
    return math.nan if date is None else int(date[:4]) + (int(date[5:7]) - 1) / 12.0


def sale_years(columns: InputColumns) -> Array:
    """``sale_year`` of every row [n]."""
    dates = text_of(columns, "prev_sold_date")
    letters = letters_of(dates.values, "0000-00-00")
    year, month = letters[:, :4] @ np.array([1_000, 100, 10, 1]), letters[:, 5:7] @ [10, 1]
    return dates.of_rows(np.where(year > 0, year + (month - 1) / 12.0, math.nan))
