"""Batches of listings from the simulated market, as dirty as real ones.

The same seed, scenario, batch number and number of rows give the same rows on every machine. The
dirt: fields are missing at the rates of real listings (land has no beds, baths or size; others are
dropped at random), a few outliers (price 0, thousands instead of dollars, 212 millions, 99 beds,
lots of 100,000 acres), codes like "33156.0" and zip codes without their leading zeros.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.errors import ConfigurationError
from tasador.source.market import draw
from tasador.source.scenarios import AS_TEXT, GARBAGE_PRICES, RENAMED, Scenario, find_scenario

Row = dict[str, object]

OUTLIERS = 0.001  # the share of rows with each kind of outlier; at least one row of each
SQUARE_METRE = 10.7639  # square feet

# Shares of the rows without a field, besides what land, flats and unsold houses lack.
_DROPPED = {
    "price": 0.0006,
    "acre_lot": 0.045,
    "street": 0.0048,
    "city": 0.0006,
    "brokered_by": 0.0025,
    "zip_code": 0.0001,
}
_DROPPED_ROOMS = 0.035  # bed and bath together, and in half of these rows the size too
_DROPPED_BATH = 0.015
_DROPPED_SIZE = 0.065
_NEVER_SOLD = 0.42  # of houses for sale
_NEVER_SOLD_LAND = 0.75

_SALES_BEGIN, _SALES_DAYS = date(2021, 11, 1), 180
_EARLIER_BEGIN, _EARLIER_DAYS = date(1990, 1, 1), 11_600


def generate(
    seed: int, scenario: str, batch_number: int, rows: int | None = None
) -> list[dict[str, object]]:
    """The rows of one batch, as a JSON source sends them: floats, text and None by column name.

    ``rows`` defaults to the scenario's number. Raises ConfigurationError for a seed below 0, an
    unknown scenario or batch, and fewer than one row.
    """
    market, rows = _checked(seed, scenario, batch_number, rows)
    drawn = draw(seed, batch_number, rows, market.phases)
    rng = np.random.default_rng([seed, batch_number, 2])
    land = np.isnan(drawn.size)
    zips = np.array([f"{int(place.zip_code)}.0" for place in drawn.places], dtype=object)
    cities = np.array([place.city for place in drawn.places], dtype=object)
    states = np.array([place.state for place in drawn.places], dtype=object)
    columns: dict[str, Array] = {
        "brokered_by": np.array([f"{broker}.0" for broker in drawn.broker], dtype=object),
        "status": drawn.status,
        "price": drawn.price.astype(object),
        "bed": drawn.bed.astype(object),
        "bath": drawn.bath.astype(object),
        "acre_lot": drawn.acres.astype(object),
        "street": np.array([f"{street}.0" for street in drawn.street], dtype=object),
        "city": cities[drawn.place],
        "state": states[drawn.place],
        "zip_code": zips[drawn.place],
        "house_size": drawn.size.astype(object),
        "prev_sold_date": _dates(rng, drawn.status, land),
    }
    _drop_fields(rng, columns, land)
    _add_outliers(rng, columns)
    for name in ("bed", "bath", "acre_lot", "house_size"):
        columns[name][columns[name] != columns[name]] = None
    names = list(columns)
    batch = [
        dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    feed = market.phases[batch_number].feed
    if feed == "broken-schema":
        return _break_schema(rng, batch)
    if feed == "garbage":
        return _corrupt(rng, batch)
    return batch


def true_prices(seed: int, scenario: str, batch_number: int, rows: int | None = None) -> Array:
    """The rule's price (dollars, [rows]) of each row of ``generate``, before fields are dropped."""
    market, rows = _checked(seed, scenario, batch_number, rows)
    return draw(seed, batch_number, rows, market.phases).truth


def _checked(seed: int, name: str, batch_number: int, rows: int | None) -> tuple[Scenario, int]:
    scenario = find_scenario(name)
    rows = scenario.rows if rows is None else rows
    last = len(scenario.phases) - 1
    if not 0 <= batch_number <= last:
        raise ConfigurationError(
            f"there is no batch {batch_number}: they are numbered from 0 to {last}"
        )
    if seed < 0 or rows < 1:
        raise ConfigurationError(f"seed {seed} and rows {rows}: at least 0 and 1 are needed")
    return scenario, rows


def _dates(rng: np.random.Generator, status: Array, land: Array) -> Array:
    """The dates of the last sales, YYYY-MM-DD or None, [rows]."""
    chance, when = rng.random(len(status)), rng.random(len(status))
    never = np.where(land, _NEVER_SOLD_LAND, _NEVER_SOLD)
    dates = np.full(len(status), None, dtype=object)
    for row, name in enumerate(status):
        if name == "sold":
            dates[row] = _day(_SALES_BEGIN, when[row] * _SALES_DAYS)
        elif name == "for_sale" and chance[row] >= never[row]:
            dates[row] = _day(_EARLIER_BEGIN, when[row] * _EARLIER_DAYS)
    return dates


def _day(begin: date, days: float) -> str:
    return (begin + timedelta(days=int(days))).isoformat()


def _drop_fields(rng: np.random.Generator, columns: dict[str, Array], land: Array) -> None:
    """Drop fields at the rates of real listings."""
    rows = len(land)
    rooms, with_size = rng.random(rows) < _DROPPED_ROOMS, rng.random(rows) < 0.5
    bath, size = rng.random(rows) < _DROPPED_BATH, rng.random(rows) < _DROPPED_SIZE
    to_build = columns["status"] == "ready_to_build"
    columns["bed"][rooms] = None
    columns["bath"][rooms | bath | to_build] = None
    columns["house_size"][(size | (rooms & with_size)) & ~to_build] = None
    for name, share in _DROPPED.items():
        dropped = rng.random(rows) < share
        # Land without its lot would have nothing to price.
        columns[name][dropped & ~land if name == "acre_lot" else dropped] = None


def _add_outliers(rng: np.random.Generator, columns: dict[str, Array]) -> None:
    rows = len(columns["price"])
    each = max(1, round(rows * OUTLIERS))
    kinds: tuple[tuple[str, float], ...] = (
        ("price", 0.0),
        ("price", 350.0),
        ("price", 212_000_000.0),
        ("bed", 99.0),
        ("acre_lot", 100_000.0),
    )
    picked = rng.permutation(rows)
    for kind, (name, value) in enumerate(kinds):
        columns[name][picked[kind * each : (kind + 1) * each]] = value


def _break_schema(rng: np.random.Generator, batch: list[Row]) -> list[Row]:
    renamed, as_text = rng.random(len(batch)) < RENAMED, rng.random(len(batch)) < AS_TEXT
    broken = []
    for number, row in enumerate(batch):
        size = row["house_size"]
        if isinstance(size, float):
            row["house_size"] = round(size / SQUARE_METRE, 1)
        if as_text[number]:
            row["price"] = _formatted(row["price"], "${:,.0f}")
            row["bath"] = _formatted(row["bath"], "{:.0f} baths")
        if renamed[number]:
            row = {("bedrooms" if name == "bed" else name): row[name] for name in row}
        broken.append(row)
    return broken


def _corrupt(rng: np.random.Generator, batch: list[Row]) -> list[Row]:
    prices = rng.random(len(batch)) < GARBAGE_PRICES
    for number, row in enumerate(batch):
        size = row["house_size"]
        metres = size / SQUARE_METRE if isinstance(size, float) else None
        row["house_size"] = _formatted(metres, "{:.0f} m2")
        if prices[number]:
            price: Any = _formatted(row["price"], "USD {:,.0f}")
            row["price"] = price and price.replace(",", ".")
    return batch


def _formatted(value: object, form: str) -> object:
    return form.format(value) if isinstance(value, float) else value
