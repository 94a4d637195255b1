"""Places: where a listing is, the local regressions there, and the features they give.

A function that ends in ``_of_one`` gives the numbers of the function above it for one listing.
numpy alone: serving imports this module.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.categories import NOT_KNOWN
from tasador.model.features import (
    BASE_SCALE,
    COORDINATES,
    HALF_KM,
    PREMIUM_SCALE,
    REACHES_KM,
    SCALES,
    TERMS,
)

_ZIP_CODES = 100_000
# So many zip codes begin with the same three digits.
ZIP_PREFIX = 100
_NOWHERE = [math.nan] * len(REACHES_KM)
_NO_COORDINATES = [math.nan] * len(COORDINATES)
# The regressions of a place: that of its state, then those of SCALES.
REGRESSIONS = 1 + len(SCALES)
BASE_REGRESSION = 1 + SCALES.index(BASE_SCALE)
PREMIUM_REGRESSION = 1 + SCALES.index(PREMIUM_SCALE)


class Located(NamedTuple):
    """Where rows are [n]: the position of their zip code in ``Places.codes``, their area, their
    state (-1 if unknown), and log1p of the distance to the nearest listings (km).

    ``zip_known`` says whether there are training listings in the row's own zip code.
    """

    place: Array
    area: Array
    state: Array
    distance: Array
    zip_known: Array


class Location(NamedTuple):
    """``Located`` of one listing."""

    place: int
    area: int
    state: int
    distance: float
    zip_known: bool


@dataclass(frozen=True, eq=False, repr=False)
class Places:
    """What is learned of places. An area is a zip code and its surroundings; areas are numbered,
    those with listings in their own zip code first.

    ``zips`` [areas] are the zip codes of areas, as numbers. By zip code of the country: ``codes``
    as numbers, ``near`` the nearest area, ``distance`` log1p of the kilometres to the nearest
    listings, and ``around`` [..., len(REACHES_KM)] log1p of how many zip codes are in reach. Local
    regressions relative to the nation's (``nation`` [len(TERMS)]): ``coefficients`` [areas,
    len(SCALES), len(TERMS)] and ``states`` [states, len(TERMS)]. ``state`` [areas] is each area's
    state; ``count``, ``premium`` and ``spread`` [areas] describe its own zip code. ``coordinates``
    [areas, 2] are the latitude and longitude of areas with listings in their own zip code
    (degrees); None in a bundle of format 4 or 5, whose trees do not read them. By zip code of
    the country too, ``home_value`` is the log of what homes there are worth; None before format 8.
    """

    zips: Array
    codes: Array
    near: Array
    distance: Array
    around: Array
    coefficients: Array
    nation: Array
    states: Array
    state: Array
    count: Array
    premium: Array
    spread: Array
    coordinates: Array | None
    home_value: Array | None

    @cached_property
    def position(self) -> Array:
        """The position in ``codes`` of every possible zip code [100,000]; -1 for none."""
        table = np.full(_ZIP_CODES, NOT_KNOWN, dtype=np.int32)
        table[self.codes] = np.arange(len(self.codes))
        return table

    @cached_property
    def state_of_prefix(self) -> Array:
        """The state of the listings whose zip codes begin with the same three digits [1,000]; -1
        for none, or for several states."""
        own = self.distance == 0.0
        prefixes, states = self.codes[own] // ZIP_PREFIX, self.state[self.near[own]]
        lowest = np.full(_ZIP_CODES // ZIP_PREFIX, np.iinfo(np.int32).max)
        highest = np.full(_ZIP_CODES // ZIP_PREFIX, NOT_KNOWN)
        np.minimum.at(lowest, prefixes, states)
        np.maximum.at(highest, prefixes, states)
        return np.where(lowest == highest, highest, NOT_KNOWN)

    def locate(self, zips: Array, city_area: Array, state: Array) -> Located:
        """Where rows are, by zip code, else by the area of their city, ``city_area`` [n].

        Where the state is unknown, that of the area stands in.
        """
        place = np.where(zips >= 0, self.position[zips], NOT_KNOWN)
        by_zip = place >= 0
        by_city = ~by_zip & (city_area >= 0)
        area = np.where(by_zip, self.near[place], city_area).astype(np.int64)
        distance = np.where(by_zip, self.distance[place], math.nan)
        distance = np.where(by_city, 0.0, distance)
        place[by_city] = self.position[self.zips[area[by_city]]]
        state = np.where((state < 0) & (area >= 0), self.state[area], state)
        return Located(place, area, state, distance, by_zip & (distance == 0.0))

    def locate_one(self, zip_code: str | None, city_area: int, state: int) -> Location:
        """``locate`` of one listing."""
        place, area, distance, zip_known = NOT_KNOWN, city_area, math.nan, False
        if zip_code is not None:
            place = int(self.position[int(zip_code)])
        if place >= 0:
            area, distance = int(self.near[place]), float(self.distance[place])
            zip_known = distance == 0.0
        elif area >= 0:
            place, distance = int(self.position[self.zips[area]]), 0.0
        if state < 0 and area >= 0:
            state = int(self.state[area])
        return Location(place, area, state, distance, zip_known)

    def zips_known(self, zips: Array) -> Array:
        """Which zip codes have training listings, bool [n]."""
        place = self.position[zips]
        return np.asarray((place >= 0) & (self.distance[place] == 0.0))

    def levels(self, design: Array, located: Located) -> tuple[Array, Array]:
        """What the regressions predict for rows with the terms ``design`` [n, len(TERMS)]: the
        nation's [n], and those of the place [REGRESSIONS, n]; log prices."""
        area, state = located.area, located.state
        nation = design @ self.nation
        levels = np.empty((REGRESSIONS, len(design)))
        levels[0] = nation
        if len(self.states):
            of_state = np.einsum("nt,nt->n", self.states[state], design)
            levels[0] += np.where(state >= 0, of_state, 0.0)
        np.einsum("nst,nt->sn", self.coefficients[area].astype(np.float64), design, out=levels[1:])
        levels[1:] += nation
        nowhere = np.flatnonzero(area < 0)
        levels[1:, nowhere] = levels[0, nowhere]
        # Most places have their own listings.
        far = np.flatnonzero(located.distance > 0.0)
        levels[:, far] = _shrunk(levels[:, far], nation[far], located.distance[None, far])
        return nation, levels

    def regressions_of_one(self, location: Location) -> Array:
        """The regressions of a place [REGRESSIONS, len(TERMS)]: their products with the terms of
        one listing are its ``levels``."""
        regressions = np.empty((REGRESSIONS, len(TERMS)))
        regressions[0] = self.states[location.state] if location.state >= 0 else 0.0
        regressions[1:] = self.coefficients[location.area] if location.area >= 0 else regressions[0]
        regressions += self.nation
        if location.distance > 0.0:
            regressions = _shrunk(regressions, self.nation, np.array([[location.distance]]))
        return regressions

    def features(self, located: Located) -> list[Array]:
        """Distance, density, and the count, premium and spread of the row's own zip code [n]."""
        around = np.where(located.place[:, None] >= 0, self.around[located.place], math.nan)
        own_zip = [
            np.where(located.zip_known, values[located.area], 0.0)
            for values in (self.count, self.premium, self.spread)
        ]
        return [located.distance, *around.T, *own_zip]

    def coordinates_of(self, located: Located) -> list[Array]:
        """Latitude and longitude of the row's own zip code [n]; NaN where it has no listings.

        Trees that saw the coordinates of places without listings would have to extrapolate there.
        """
        if self.coordinates is None:
            return []
        known = located.zip_known[:, None]
        return list(np.where(known, self.coordinates[located.area], math.nan).T)

    def coordinates_of_one(self, location: Location) -> list[float]:
        """``coordinates_of`` one listing."""
        if self.coordinates is None:
            return []
        return self.coordinates[location.area].tolist() if location.zip_known else _NO_COORDINATES

    def home_value_of(self, located: Located) -> list[Array]:
        """What homes in the row's zip code are worth [n]; NaN where its place is unknown."""
        if self.home_value is None:
            return []
        return [np.where(located.place >= 0, self.home_value[located.place], math.nan)]

    def home_value_of_one(self, location: Location) -> list[float]:
        """``home_value_of`` one listing."""
        if self.home_value is None:
            return []
        return [float(self.home_value[location.place]) if location.place >= 0 else math.nan]

    def features_of_one(self, location: Location) -> list[float]:
        """``features`` of one listing."""
        place, area = location.place, location.area
        around = self.around[place].tolist() if place >= 0 else _NOWHERE
        own_zip = (
            [float(self.count[area]), float(self.premium[area]), float(self.spread[area])]
            if location.zip_known
            else [0.0, 0.0, 0.0]
        )
        return [location.distance, *around, *own_zip]


def _shrunk(by_scale: Array, nation: Array, distance: Array) -> Array:
    """Regressions, or their predictions, of state and SCALES [REGRESSIONS, n], each shrunk towards
    the next wider one, the more the farther the nearest known listings are.

    ``nation`` [n] is the widest of all, ``distance`` [1, n or 1] log1p of the kilometres.
    """
    share = 1 / (1 + (np.expm1(distance) / np.array(HALF_KM)[:, None]) ** 2)
    added = np.diff(by_scale, axis=0, prepend=nation[None])
    return np.asarray(nation + np.cumsum(share * added, axis=0))
