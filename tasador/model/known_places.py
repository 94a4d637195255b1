"""The places that a model has learned from: what a search for a place offers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.categories import capitalised
from tasador.model.encoders import Encoders


class KnownCities(NamedTuple):
    """Cities with training listings, by column; ``name`` and ``state`` in capitalised words.

    ``listings`` is how many there are, ``zip_code`` the zip code that stands for the city, or "".
    """

    name: list[str]
    state: list[str]
    listings: list[int]
    zip_code: list[str]


class KnownZipCodes(NamedTuple):
    """Zip codes with training listings, by column; ``state`` is "" where none is known."""

    code: list[str]
    state: list[str]
    listings: list[int]


class KnownPlaces(NamedTuple):
    """The cities and the zip codes that a model has training listings of."""

    cities: KnownCities
    zip_codes: KnownZipCodes


def known_places(encoders: Encoders, states: list[str]) -> KnownPlaces:
    """The places in the training data; ``states`` are the names of its states as written there."""
    written = {name.casefold(): name for name in states}
    return KnownPlaces(_cities(encoders, written), _zip_codes(encoders, written))


def _cities(encoders: Encoders, written: dict[str, str]) -> KnownCities:
    cities, places = encoders.cities, encoders.places
    names = [key.partition("|") for key in cities.index]
    areas = encoders.city_area.tolist()
    return KnownCities(
        name=[capitalised(name) for name, _, _ in names],
        state=[written.get(state, capitalised(state)) for _, _, state in names],
        listings=_counts(cities.count),
        zip_code=[f"{int(places.zips[area]):05d}" if area >= 0 else "" for area in areas],
    )


def _zip_codes(encoders: Encoders, written: dict[str, str]) -> KnownZipCodes:
    places = encoders.places
    folded = list(encoders.state_index)
    with_listings = np.flatnonzero(places.zips_known(places.zips) & (places.count > 0))
    states = places.state[with_listings].tolist()
    return KnownZipCodes(
        code=[f"{code:05d}" for code in places.zips[with_listings].tolist()],
        state=[written.get(folded[s], capitalised(folded[s])) if s >= 0 else "" for s in states],
        listings=_counts(places.count[with_listings]),
    )


def _counts(log_counts: Array) -> list[int]:
    return [int(n) for n in np.rint(np.expm1(log_counts)).tolist()]
