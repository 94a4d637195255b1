"""What the features remember of the training data: levels of places, brokers, comparables.

``Encoders.transform`` takes a table and ``Encoders.transform_one`` one listing; both give the same
numbers. numpy alone: serving imports this module. How encoders are learned is in
``tasador.training.encoding``, which only training needs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns
from tasador.listings.listing import Listing
from tasador.model.categories import (
    NOT_KNOWN,
    Category,
    Codes,
    ParsedRows,
    city_key,
    codes_of,
    fold,
    keys_of,
    zips_of,
)
from tasador.model.comparables import (
    Comparable,
    ComparableQuery,
    Comparables,
    query_of,
)
from tasador.model.features import BASE_SCALE, CENTRED, HALF_KM, REACHES_KM, SCALES, TERMS
from tasador.model.own_features import (
    own_features,
    own_features_of_one,
    own_numbers,
    own_numbers_of_one,
    terms,
    terms_of_one,
)
from tasador.model.traits import traits_of, traits_of_one

# The listing's columns whose values are known or not.
CATEGORIES = ("state", "city", "zip_code", "brokered_by")

_ZIPS = 100_000
_NOWHERE = [math.nan] * len(REACHES_KM)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Places:
    """What is known of places. An area is a zip code and what lies around it; areas are numbered,
    those with listings of their own first.

    ``zips`` [areas] are their codes as numbers; ``near`` and ``distance`` [zip codes of the
    country] say for every code in ``codes`` which area is nearest, and log1p of how far the nearest
    listings are (km);
    ``around`` [zip codes of the country, len(REACHES_KM)] is log1p of how many others are near it.
    ``coefficients`` [areas, len(SCALES), len(TERMS)] are the local regressions, around the nation's
    (``nation`` [len(TERMS)]); ``states`` [states, len(TERMS)] likewise; ``state`` [areas] is each
    area's state. ``count``, ``premium`` and ``spread`` [areas] are the area's own.
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Located:
    """Where rows are [n]: the position of their zip code in ``Places.codes``, their area and state
    (-1: none known), and log1p of the distance (km).

    ``zip_known`` says whether the row's own zip code is the area.
    """

    place: Array
    area: Array
    state: Array
    distance: Array
    zip_known: Array


class EncodedListing(NamedTuple):
    """One listing as the model sees it.

    ``matrix`` [1, len(FEATURES)] are its features, ``distance`` log1p of the distance (km),
    ``design`` its terms and ``coefficients`` what its base price is made of [len(TERMS)], ``area``
    where it is (-1: nowhere known), ``query`` what its comparables are found by.
    ``unknown_categories`` are the fields whose value is not in the training data.
    """

    matrix: Array
    distance: float
    design: Array
    coefficients: Array
    area: int
    query: ComparableQuery
    unknown_categories: list[str]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Encoders:
    """What the features remember of the training data.

    ``ranges`` holds the lowest and highest value of each of RANGED that the model was shown; values
    beyond are moved to the border. ``means`` holds those of CENTRED. ``city_area`` [cities] is the
    area that stands for a city where no zip code is given.
    """

    ranges: dict[str, tuple[float, float]]
    means: dict[str, float]
    places: Places
    state_index: dict[str, int]
    cities: Category
    city_area: Array
    brokers: Category
    comparables: Comparables
    _place_of_zip: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        table = np.full(_ZIPS, NOT_KNOWN, dtype=np.int32)
        table[self.places.codes] = np.arange(len(self.places.codes))
        object.__setattr__(self, "_place_of_zip", table)

    def parse(self, columns: InputColumns) -> ParsedRows:
        """The columns as numbers, which is all that is left to do in Python."""
        keys = keys_of(columns)
        codes = Codes(
            zips=zips_of(columns),
            state=codes_of(keys["state"], self.state_index),
            city=self.cities.codes_of(keys["city"]),
            broker=self.brokers.codes_of(keys["broker"]),
        )
        return ParsedRows(own_numbers(columns, self.ranges), codes)

    def transform(self, columns: InputColumns) -> Array:
        """The feature matrix, float32 [n, len(FEATURES)], NaN where a number is missing."""
        return self.features(self.parse(columns))

    def features(self, rows: ParsedRows) -> Array:
        """``transform`` of what has been read."""
        numbers, codes = rows
        own = own_features(numbers)
        design = terms(numbers, self.means)
        located = self._locate(codes.zips, codes.city, codes.state)
        rest = self.learned_features(design, located, codes.city, codes.broker)
        return np.concatenate([own, rest], axis=1).astype(np.float32)

    def transform_one(self, listing: Listing) -> Array:
        """The features of one listing, float32 [1, len(FEATURES)]."""
        return self.encode(listing).matrix

    def encode(self, listing: Listing) -> EncodedListing:
        """What a price of one listing is made of, and what of it is strange."""
        numbers = own_numbers_of_one(listing, self.ranges)
        terms = terms_of_one(numbers, self.means)
        design = np.array(terms)
        city = self.cities.index.get(city_key(listing.city, listing.state) or "", NOT_KNOWN)
        broker = self.brokers.index.get(listing.brokered_by or "", NOT_KNOWN)
        state = given_state = self.state_index.get(fold(listing.state) or "", NOT_KNOWN)
        place, area, distance, zip_known = NOT_KNOWN, NOT_KNOWN, math.nan, False
        if listing.zip_code is not None:
            place = int(self._place_of_zip[int(listing.zip_code)])
            if place >= 0:
                area = int(self.places.near[place])
                distance = float(self.places.distance[place])
                zip_known = distance == 0.0
        if area < 0 and city >= 0 and self.city_area[city] >= 0:
            area, distance = int(self.city_area[city]), 0.0
            place = int(self._place_of_zip[self.places.zips[area]])
        if state < 0 and area >= 0:
            state = int(self.places.state[area])
        places, nation = self.places, self.places.nation
        by_scale = np.empty((len(SCALES) + 1, len(TERMS)))
        by_scale[0] = places.states[state] if state >= 0 else 0.0
        by_scale[1:] = places.coefficients[area] if area >= 0 else by_scale[0]
        by_scale += nation
        if distance > 0.0:
            by_scale = _leaning(by_scale, nation, np.full((len(SCALES) + 1, 1), distance))
        levels = (by_scale @ design).tolist()
        row = own_features_of_one(numbers)
        row += [float(nation @ design), *levels, distance]
        row += places.around[place].tolist() if place >= 0 else _NOWHERE
        row += (
            [float(places.count[area]), float(places.premium[area]), float(places.spread[area])]
            if zip_known
            else [0.0, 0.0, 0.0]
        )
        for category, code in ((self.cities, city), (self.brokers, broker)):
            row += (
                [float(category.premium[code]), float(category.count[code])]
                if code >= 0
                else [0.0, 0.0]
            )
        query = query_of(traits_of_one(terms))
        row += self.comparables.features_of_one(area, query, levels[_BASE])
        known = (given_state >= 0, city >= 0, zip_known, broker >= 0)
        return EncodedListing(
            matrix=np.array([row], dtype=np.float32),
            distance=distance,
            design=design,
            coefficients=by_scale[_BASE],
            area=area,
            query=query,
            unknown_categories=[
                name
                for name, met in zip(CATEGORIES, known, strict=True)
                if not met and getattr(listing, name) is not None
            ],
        )

    def nearest(self, found: EncodedListing, count: int) -> list[Comparable]:
        """The known listings most like the one looked up; none where its place is not known."""
        means = np.array([self.means[name] for name in CENTRED])
        return self.comparables.nearest(found.area, found.query, self.places.zips, means, count)

    def _locate(self, zips: Array, city: Array, state: Array) -> Located:
        places = self.places
        place = np.where(zips >= 0, self._place_of_zip[zips], NOT_KNOWN)
        found = place >= 0
        area = np.where(found, places.near[place], NOT_KNOWN).astype(np.int64)
        distance = np.where(found, places.distance[place], math.nan)
        by_city = ~found & (city >= 0)
        if len(self.city_area):
            area = np.where(by_city, self.city_area[city], area)
        by_city &= area >= 0
        distance = np.where(by_city, 0.0, distance)
        place[by_city] = self._place_of_zip[places.zips[area[by_city]]]
        # A state that is not given or was never met is taken for that of the nearest area.
        state = np.where((state < 0) & (area >= 0), places.state[area], state)
        return Located(place, area, state, distance, found & (distance == 0.0))

    def learned_features(
        self, design: Array, located: Located, city: Array, broker: Array
    ) -> Array:
        """The features that are not the listing's own [n, len(FEATURES) - OWN], float64, of rows
        with ``design`` (their terms), where they are, and the codes of city and broker (-1)."""
        places, area, state = self.places, located.area, located.state
        nation = design @ places.nation
        levels = np.empty((len(SCALES) + 1, len(design)))
        levels[0] = nation
        if len(places.states):
            of_state = np.einsum("nt,nt->n", places.states[state], design)
            levels[0] += np.where(state >= 0, of_state, 0.0)
        local = np.einsum("nst,nt->sn", places.coefficients[area].astype(np.float64), design)
        levels[1:] = np.where(area >= 0, nation + local, levels[0])
        levels = _leaning(levels, nation, np.broadcast_to(located.distance, levels.shape))
        around = np.where(located.place[:, None] >= 0, places.around[located.place], math.nan)
        known = located.zip_known
        own_area = [
            np.where(known, values[area], 0.0)
            for values in (places.count, places.premium, places.spread)
        ]
        told = [
            np.where(codes >= 0, values[codes], 0.0) if len(values) else np.zeros(len(codes))
            for category, codes in ((self.cities, city), (self.brokers, broker))
            for values in (category.premium, category.count)
        ]
        alike = self.comparables.features(area, traits_of(design), levels[_BASE])
        return np.column_stack([nation, *levels, located.distance, around, *own_area, *told, alike])

    def unknown_categories(self, absent: Mapping[str, Array], codes: Codes) -> Array:
        """Which rows name a category that the training data has not, bool [n, len(CATEGORIES)]."""
        place = self._place_of_zip[codes.zips]
        unknown = {
            "state": codes.state < 0,
            "city": codes.city < 0,
            "zip_code": (place < 0) | (self.places.distance[place] != 0.0),
            "brokered_by": codes.broker < 0,
        }
        # What is missing is not strange.
        return np.column_stack([unknown[name] & ~absent[name] for name in CATEGORIES])


# The state's regression comes before those of SCALES.
_BASE = 1 + SCALES.index(BASE_SCALE)


def _leaning(by_scale: Array, nation: Array, distance: Array) -> Array:
    """Regressions (or what they answer) of state and SCALES [len(SCALES) + 1, n], each leaning on
    the wider one the more, the farther the nearest known listings are.

    ``nation`` [n] is the widest of all, ``distance`` log1p of the kilometres, NaN for no place.
    """
    km = np.expm1(np.where(np.isnan(distance), 0.0, distance))
    share = 1 / (1 + (km / np.array(HALF_KM)[:, None]) ** 2)
    added = np.diff(by_scale, axis=0, prepend=nation[None])
    return np.asarray(nation + np.cumsum(share * added, axis=0))
