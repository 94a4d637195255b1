"""The simulated market: its price rule, and the properties on offer.

The rule is the documented truth that models and drift judges are tested against. For a house,

    price = level * 1700 * (size / 1700)**0.8 * (1 + acres)**0.1
            * exp(0.06 * (baths - 2) + 0.03 * (beds - 3)) * status

and for land without a house, price = level * 450 * acres**0.45 * status, where ``level`` is dollars
per square foot in that zip code (places.py), ``status`` is 1 for_sale, 0.97 sold, 1.06
ready_to_build, and a flat has no lot (acres = 0). A scenario multiplies both by its price factor.
Asking prices vary around the rule, with a standard deviation of NOISE in log price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import Listing
from tasador.listings.rules import STATUSES
from tasador.source.places import Place, known_places, new_places, place_levels

if TYPE_CHECKING:
    from tasador.source.scenarios import Phase


NOISE = 0.15
REPEATED_IN_BATCH = 0.04
REPEATED_FROM_LAST_BATCH = 0.02

_STATUS_FACTORS = {"for_sale": 1.0, "sold": 0.97, "ready_to_build": 1.06}
_STATUS_SHARES = (0.622, 0.366, 0.012)  # in the order of STATUSES
_LAND_SHARES = (0.27, 0.05, 0.0)
_FLAT_SHARE = 0.12
_SMALL_HOUSES = 0.62  # factor on sizes in a phase of small houses
_CHEAP_PLACES = -1.2  # places are weighted by this power of their level in such a phase


@dataclass(frozen=True, slots=True)
class Properties:
    """Offers as arrays [n], before any field is dropped: NaN only where there is no house or lot.

    ``place`` indexes ``places``; ``price`` is the asking price, ``truth`` the rule's.
    """

    places: tuple[Place, ...]
    place: Array
    status: Array
    size: Array
    bed: Array
    bath: Array
    acres: Array
    street: Array
    broker: Array
    truth: Array
    price: Array


def true_price(listing: Listing, price_factor: float = 1.0) -> float:
    """The rule's price in dollars of a complete listing.

    Without house_size it is land, without acre_lot a flat. Raises ValueError for a place outside
    the market, and for a listing that is neither a house nor land.
    """
    level = place_levels().get((listing.state or "", listing.zip_code or ""))
    if level is None:
        raise ValueError(f"{listing.state}, {listing.zip_code} is not on the simulated map")
    if listing.house_size is None and listing.acre_lot is None:
        raise ValueError("neither a house nor land: house_size and acre_lot are missing")

    def as_array(value: float | None) -> Array:
        return np.array([np.nan if value is None else value], dtype=np.float64)

    status = np.array([_STATUS_FACTORS[listing.status or "for_sale"]])
    fields = (listing.house_size, listing.bed, listing.bath, listing.acre_lot)
    return float(_rule(np.array([level]), status, *map(as_array, fields))[0] * price_factor)


def _rule(level: Array, status: Array, size: Array, bed: Array, bath: Array, acres: Array) -> Array:
    lot = np.nan_to_num(acres, nan=0.0)
    rooms = 0.06 * (np.nan_to_num(bath, nan=2.0) - 2) + 0.03 * (np.nan_to_num(bed, nan=3.0) - 3)
    house = 1700 * (size / 1700) ** 0.8 * (1 + lot) ** 0.1 * np.exp(rooms)
    return level * status * np.where(np.isnan(size), 450 * lot**0.45, house)


def draw(seed: int, batch_number: int, rows: int, phases: tuple[Phase, ...]) -> Properties:
    """The offers of one batch; a few repeat a property of this batch or of the one before.

    ``phases`` has one phase per batch. Every scenario draws the same random numbers, so two of them
    differ only by their phases.
    """
    phase = phases[batch_number]
    drawn = _new_properties(np.random.default_rng([seed, batch_number, 0]), rows, phase)
    rng = np.random.default_rng([seed, batch_number, 1])
    chance, pick = rng.random(rows), rng.random(rows)
    source = np.arange(rows)
    inside = chance < REPEATED_IN_BATCH
    source[inside] = (pick[inside] * source[inside]).astype(np.int64)
    pool = {name: drawn[name] for name in _OF_PROPERTY}
    if batch_number:
        before = np.random.default_rng([seed, batch_number - 1, 0])
        earlier = _new_properties(before, rows, phases[batch_number - 1])
        pool = {name: np.concatenate([pool[name], earlier[name]]) for name in _OF_PROPERTY}
        again = chance > 1 - REPEATED_FROM_LAST_BATCH
        source[again] += rows
    of_property = {name: values[source] for name, values in pool.items()}

    places = known_places() + new_places()
    level = np.array([place.level for place in places])[of_property["place"]]
    factor = np.array([_STATUS_FACTORS[name] for name in STATUSES])[drawn["status"]]
    fields = (of_property["size"], of_property["bed"], of_property["bath"], of_property["acres"])
    truth = _rule(level, factor, *fields) * phase.price_factor
    price = np.maximum(np.round(truth * np.exp(NOISE * rng.standard_normal(rows)), -2), 1_000)
    status = np.array(STATUSES, dtype=object)[drawn["status"]]
    return Properties(
        places, status=status, broker=drawn["broker"], truth=truth, price=price, **of_property
    )


# The fields of a property; status, broker and price belong to the offer.
_OF_PROPERTY = ("place", "size", "bed", "bath", "acres", "street")


def _new_properties(rng: np.random.Generator, rows: int, phase: Phase) -> dict[str, Array]:
    """New properties, and the status and broker of their offers; arrays [rows]."""
    status = np.searchsorted(np.cumsum(_STATUS_SHARES)[:-1], rng.random(rows), side="right")
    land = rng.random(rows) < np.array(_LAND_SHARES)[status]
    flat = ~land & ((rng.random(rows) < _FLAT_SHARE) | (status == STATUSES.index("ready_to_build")))
    place = _places(rng, rows, phase)
    shrink = _SMALL_HOUSES if phase.small_houses else 1.0
    size = np.clip(1750 * shrink * np.exp(0.42 * rng.standard_normal(rows)), 350, 12_000)
    bed = np.clip(np.round(1.4 + size / 1100 + 0.6 * rng.standard_normal(rows)), 1, 9)
    bath = np.clip(np.round(0.5 + size / 1050 + 0.5 * rng.standard_normal(rows)), 1, 9)
    spread = rng.standard_normal(rows)
    acres = np.where(land, 1.5 * np.exp(1.5 * spread), 0.25 * np.exp(0.9 * spread))
    return {
        "place": place,
        "status": status,
        "size": np.where(land, np.nan, np.round(size)),
        "bed": np.where(land, np.nan, bed),
        "bath": np.where(land, np.nan, bath),
        "acres": np.where(flat, np.nan, np.maximum(np.round(acres, 2), 0.01)),
        "street": rng.integers(1, 2_000_000, rows),
        # Sixty brokers per zip area (first digit), a few of which have most of the offers.
        "broker": _broker_area(place) * 100 + (60 * rng.random(rows) ** 2).astype(np.int64),
    }


def _places(rng: np.random.Generator, rows: int, phase: Phase) -> Array:
    """Indices into known_places() + new_places(), [rows]."""
    known, new = known_places(), new_places()
    chosen = _weighted(known, rng.random(rows), _CHEAP_PLACES if phase.small_houses else 0.0)
    in_new_state = len(known) + _weighted(new, rng.random(rows), 0.0)
    return np.where(rng.random(rows) < phase.new_states, in_new_state, chosen)


def _weighted(places: tuple[Place, ...], chance: Array, power: float) -> Array:
    weights = np.array([place.weight * place.level**power for place in places])
    return np.searchsorted(np.cumsum(weights)[:-1] / weights.sum(), chance, side="right")


def _broker_area(place: Array) -> Array:
    areas = [int(p.zip_code[0]) + 1 for p in known_places() + new_places()]
    return np.array(areas, dtype=np.int64)[place]
