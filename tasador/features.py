"""Features of a listing: numbers, ratios, and the price level of its place and its broker.

numpy alone: serving imports this module. ``Encoders.transform`` takes a table and
``Encoders.transform_one`` one listing; both give the same numbers. How encoders are learned is in
``tasador.encoding``, which only training needs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tasador.errors import BundleError
from tasador.listing import COLUMNS, NUMBERS, STATUSES, Listing

Array = np.ndarray[Any, Any]
Columns = dict[str, Array]

# What the model reads; the street is a property's name and says nothing about another property.
INPUTS = (
    *NUMBERS,
    "status",
    "prev_sold_date",
    "city",
    "state",
    "zip_code",
    "brokered_by",
)
PLACE = ("city", "state", "zip_code")

# Categories, each with the level that stands in for it where it is unknown or rare.
LEVELS: dict[str, str | None] = {
    "state": None,
    "zip3": "state",
    "city": "zip3",
    "zip_code": "zip3",
    "brokered_by": "zip_code",
}
# What is known of each category: its mean log price, its mean log price per square foot, and the
# mean of what a plain regression on the listing's own numbers leaves unexplained.
MEASURES = ("price", "per_sqft", "premium")
RANGED = (*NUMBERS, "prev_sold_year")

_PER_SQFT = MEASURES.index("per_sqft")
_SQUARE_FEET_PER_ACRE = 43_560.0
_STATUS_CODE: dict[str | None, float] = {
    status: float(code) for code, status in enumerate(STATUSES)
}


class Feature(NamedTuple):
    """A column of the feature matrix and the listing column (or group of them) it speaks of."""

    name: str
    column: str


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
_OF_LEVELS = tuple(
    Feature(f"{level}_{measure}", level if level == "brokered_by" else "place")
    for level in LEVELS
    for measure in (*MEASURES, "count")
)
FEATURES = (*_OWN, *_OF_LEVELS, Feature("log_price_by_size", "house_size"))
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
_PLACE_COUNTS = [
    FEATURE_NAMES.index(f"{level}_count") for level in LEVELS if level != "brokered_by"
]


@dataclass(frozen=True, slots=True)
class LevelTable:
    """The categories of one level: ``values`` [keys, len(MEASURES) + 1], log1p(count) last."""

    index: dict[str, int]
    values: Array


@dataclass(frozen=True, slots=True)
class Encoders:
    """What the features remember of the training data.

    ``ranges`` holds the lowest and highest value of each of RANGED that the model was shown; values
    beyond are moved to the border. ``overall`` [len(MEASURES)] stands in where a place is unknown.
    """

    ranges: dict[str, tuple[float, float]]
    overall: Array
    tables: dict[str, LevelTable]

    def transform(self, columns: Columns) -> Array:
        """The feature matrix, float32 [n, len(FEATURES)], NaN where a number is missing."""
        keys = keys_of(columns)
        codes = {
            level: np.array(
                [-1 if key is None else table.index.get(key, -1) for key in keys[level]],
                dtype=np.int64,
            )
            for level, table in self.tables.items()
        }
        values = {level: table.values for level, table in self.tables.items()}
        return assemble(self.own_numbers(columns), *resolve(codes, values, self.overall))

    def own_numbers(self, columns: Columns) -> dict[str, Array]:
        """The numbers of the listings themselves, clipped to the training range."""
        numbers = {
            name: np.clip(np.asarray(columns[name], dtype=np.float64), *self.ranges[name])
            for name in NUMBERS
        }
        years = sale_years(columns["prev_sold_date"])
        numbers["prev_sold_year"] = np.clip(years, *self.ranges["prev_sold_year"])
        codes = [_STATUS_CODE.get(status, math.nan) for status in columns["status"]]
        numbers["status"] = np.array(codes, dtype=np.float64)
        return numbers

    def transform_one(self, listing: Listing) -> Array:
        """The features of one listing, float32 [1, len(FEATURES)]; plain Python, for speed."""
        bed, bath = self._clip("bed", listing.bed), self._clip("bath", listing.bath)
        size = math.log1p(self._clip("house_size", listing.house_size))
        acres = self._clip("acre_lot", listing.acre_lot)
        row = [
            size,
            math.log1p(acres),
            bed,
            bath,
            bed + bath,
            size - math.log1p(bed + bath),
            bath / (bed + 1.0),
            math.log1p(acres * _SQUARE_FEET_PER_ACRE) - size,
            _STATUS_CODE.get(listing.status, math.nan),
            self._clip("prev_sold_year", sale_year(listing.prev_sold_date)),
        ]
        found: dict[str | None, list[float]] = {None: [*self.overall.tolist(), 0.0]}
        for level, key in _keys_of_one(listing).items():
            table = self.tables[level]
            code = -1 if key is None else table.index.get(key, -1)
            if code >= 0:
                found[level] = table.values[code].tolist()
            else:
                found[level] = [*found[LEVELS[level]][:-1], 0.0]
            row += found[level]
        row.append(size + found["zip_code"][_PER_SQFT])
        return np.array([row], dtype=np.float32)

    def _clip(self, name: str, value: float | None) -> float:
        if value is None:
            return math.nan
        low, high = self.ranges[name]
        return min(max(value, low), high)

    def knows(self, level: str, listing: Listing) -> bool:
        """Whether the listing's category of this level was in the training data."""
        return _keys_of_one(listing)[level] in self.tables[level].index

    def to_json(self) -> str:
        """The encoders as JSON, the same text for the same encoders."""
        return json.dumps(
            {
                "features": FEATURE_NAMES,
                "ranges": self.ranges,
                "overall": self.overall.tolist(),
                "levels": {
                    level: {"keys": list(table.index), "values": table.values.tolist()}
                    for level, table in self.tables.items()
                },
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Encoders:
        """Read what ``to_json`` wrote; raises BundleError for anything else."""
        try:
            stored = json.loads(text)
            if tuple(stored["features"]) != FEATURE_NAMES:
                raise BundleError(
                    "encoders.json is of another version of Tasador: its features differ"
                )
            width = len(MEASURES) + 1
            tables = {
                level: LevelTable(
                    {key: code for code, key in enumerate(stored["levels"][level]["keys"])},
                    np.array(stored["levels"][level]["values"], np.float64).reshape(-1, width),
                )
                for level in LEVELS
            }
            ranges = {
                name: (float(low), float(high)) for name, (low, high) in stored["ranges"].items()
            }
            return cls(ranges, np.array(stored["overall"], np.float64), tables)
        except (ValueError, KeyError, TypeError) as error:
            raise BundleError(f"encoders.json cannot be read: {error!r}") from error


def resolve(
    codes: Mapping[str, Array], tables: Mapping[str, Array], overall: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Look categories up, each unknown one (code -1, or never counted) replaced by its parent.

    ``codes`` maps a level to [n]; ``tables`` to [keys, measures + 1]. Returns the measures [n,
    measures] and the log1p counts [n] by level.
    """
    rows = len(codes["state"])
    measures: dict[str, Array] = {}
    counts: dict[str, Array] = {}
    for level, parent in LEVELS.items():
        above = (
            np.broadcast_to(overall, (rows, len(overall))) if parent is None else measures[parent]
        )
        if len(tables[level]) == 0:
            measures[level], counts[level] = above, np.zeros(rows)
            continue
        found = tables[level][codes[level]]
        known = (codes[level] >= 0) & (found[:, -1] > 0)
        measures[level] = np.where(known[:, None], found[:, :-1], above)
        counts[level] = np.where(known, found[:, -1], 0.0)
    return measures, counts


def assemble(
    numbers: Mapping[str, Array], measures: Mapping[str, Array], counts: Mapping[str, Array]
) -> Array:
    """Put the feature matrix together from its numbers [n] and what is known of the categories."""
    bed, bath, acres = numbers["bed"], numbers["bath"], numbers["acre_lot"]
    size = np.log1p(numbers["house_size"])
    matrix = np.empty((len(bed), len(FEATURES)), dtype=np.float32)
    own = (
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
    )
    for place, values in enumerate(own):
        matrix[:, place] = values
    place = len(own)
    for level in LEVELS:
        matrix[:, place : place + len(MEASURES)] = measures[level]
        matrix[:, place + len(MEASURES)] = counts[level]
        place += len(MEASURES) + 1
    matrix[:, place] = size + measures["zip_code"][:, _PER_SQFT]
    return matrix


def keys_of(columns: Columns) -> dict[str, list[str | None]]:
    """The category of every row at every level."""
    states = [_fold(state) for state in columns["state"]]
    zips = list(columns["zip_code"])
    return {
        "state": states,
        "zip3": [None if code is None else code[:3] for code in zips],
        "city": [
            None if city is None else f"{_fold(city)}|{state or ''}"
            for city, state in zip(columns["city"], states, strict=True)
        ],
        "zip_code": zips,
        "brokered_by": list(columns["brokered_by"]),
    }


def _keys_of_one(listing: Listing) -> dict[str, str | None]:
    state, code = _fold(listing.state), listing.zip_code
    return {
        "state": state,
        "zip3": None if code is None else code[:3],
        "city": None if listing.city is None else f"{_fold(listing.city)}|{state or ''}",
        "zip_code": code,
        "brokered_by": listing.brokered_by,
    }


def _fold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def places_known(matrix: Array) -> Array:
    """Whether anything of each row's place was in the training data, bool [n]."""
    return np.asarray((matrix[:, _PLACE_COUNTS] > 0).any(axis=1))


def is_missing(values: Array) -> Array:
    """Which values of a column are missing, bool [n]."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    return np.array([value is None for value in values], dtype=bool)


def sale_year(date: str | None) -> float:
    """The year of a YYYY-MM-DD date with the month as its fraction; NaN for None."""
    return math.nan if date is None else int(date[:4]) + (int(date[5:7]) - 1) / 12.0


def sale_years(dates: Array) -> Array:
    """``sale_year`` of every row."""
    return np.array([sale_year(date) for date in dates], dtype=np.float64)


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
