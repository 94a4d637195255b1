"""Encoders: the features of listings, from what was learned of the training data.

``Encoders.transform`` encodes a table and ``Encoders.encode`` one listing, with the same numbers
(``tests/code/test_single_row_parity.py`` says how close). numpy alone: serving imports this module.
``tasador.training.encoding`` learns encoders.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, Numbers
from tasador.listings.listing import Listing
from tasador.model.blend import Blend
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
from tasador.model.comparable import Comparable
from tasador.model.comparables import Comparables, Neighbours, query_of_one
from tasador.model.features import (
    CENTRED,
    FEATURE_NAMES,
    NAMES_WITHOUT_COORDINATES,
    NAMES_WITHOUT_HOME_VALUE,
)
from tasador.model.own_features import (
    own_features,
    own_features_of_one,
    own_numbers,
    own_numbers_of_one,
    terms,
    terms_of_one,
)
from tasador.model.places import (
    BASE_REGRESSION,
    PREMIUM_REGRESSION,
    ZIP_PREFIX,
    Located,
    Location,
    Places,
)
from tasador.model.support import Leaned, LeanedListing, Support
from tasador.model.traits import traits_of, traits_of_one

# The columns whose values may be unknown to the model.
CATEGORIES = ("state", "city", "zip_code", "brokered_by")


class CodesOfOne(NamedTuple):
    """``Codes`` of one listing, whose zip code ``Places`` looks up by its text."""

    state: int
    city: int
    broker: int


class EncodedListing(NamedTuple):
    """One listing as the model sees it.

    ``matrix`` [1, len(FEATURES)] are its features, ``distance`` log1p of the distance to the
    nearest listings (km). The base price is the product of ``design``, its terms, and
    ``coefficients`` [len(TERMS)]. ``area`` is where it is (-1: unknown), ``neighbours`` are the
    candidates for its comparables, and ``premium_regression`` [len(TERMS)] is the one that their
    premiums are relative to.
    ``unknown_categories`` are the columns whose value is not in the training data. ``zip_state`` is
    the state of a zip code that contradicts the listing's state (-1: none), ``leaned`` the numbers
    that the listing counts as.
    """

    matrix: Array
    distance: float
    design: Array
    regressions: Array
    area: int
    neighbours: Neighbours
    premium_regression: Array
    unknown_categories: list[str]
    zip_state: int
    leaned: LeanedListing


class EncodedRows(NamedTuple):
    """Rows as the model sees them: their features [n, len(FEATURES)], and how they leaned back.

    ``zip_state`` [n] is the state of a zip code that contradicts the row's state (-1: none).
    """

    matrix: Array
    leaned: Leaned
    zip_state: Array


class Encoders(NamedTuple):
    """What was learned of the training data.

    ``ranges`` holds the training range of each of RANGED; values beyond are clipped to it.
    ``means`` holds those of CENTRED. ``city_area`` [cities] is the area that stands for a city
    where no zip code is given. ``support`` is None in a bundle of format 4 or 5, whose listings
    lean nowhere. ``unstated`` is the status that a listing without one is read as; None in bundles
    of older releases.
    """

    ranges: dict[str, tuple[float, float]]
    means: dict[str, float]
    places: Places
    state_index: dict[str, int]
    cities: Category
    city_area: Array
    brokers: Category
    comparables: Comparables
    support: Support | None
    blend: Blend
    unstated: str | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the columns of the feature matrix."""
        if self.places.coordinates is None:
            return NAMES_WITHOUT_COORDINATES
        return NAMES_WITHOUT_HOME_VALUE if self.places.home_value is None else FEATURE_NAMES

    def transform(self, columns: InputColumns) -> Array:
        """The feature matrix, float32 [n, len(FEATURES)], NaN where a number is missing."""
        return self.features(self.parse(columns))

    def parse(self, columns: InputColumns) -> ParsedRows:
        """The columns as numbers: all the work that needs Python and not numpy."""
        keys = keys_of(columns)
        codes = Codes(
            zips=zips_of(columns),
            state=codes_of(keys["state"], self.state_index),
            city=self.cities.codes_of(keys["city"]),
            broker=self.brokers.codes_of(keys["broker"]),
        )
        return ParsedRows(own_numbers(columns, self.ranges, self.unstated), codes)

    def codes_of_one(self, listing: Listing) -> CodesOfOne:
        """The codes that ``parse`` gives, of one listing."""
        return CodesOfOne(
            state=self.state_index.get(fold(listing.state) or "", NOT_KNOWN),
            city=self.cities.code_of_one(city_key(listing.city, listing.state)),
            broker=self.brokers.code_of_one(listing.brokered_by),
        )

    def features(self, rows: ParsedRows) -> Array:
        """``transform`` of parsed rows."""
        return self.encode_rows(rows).matrix

    def encode_rows(self, rows: ParsedRows) -> EncodedRows:
        """The features of parsed rows, and how they leaned back."""
        numbers, codes = rows
        located = self.locate(codes)
        leaned = self.lean(numbers, located)
        matrix = self.matrix(leaned.numbers, located, codes.city, codes.broker)
        return EncodedRows(matrix, leaned, self.zip_state(codes, located))

    def lean(self, numbers: Numbers, located: Located) -> Leaned:
        """The numbers as they are priced."""
        if self.support is None:
            none = np.zeros(len(located.area))
            return Leaned(dict(numbers), none, none - math.inf, none + math.inf)
        return self.support.lean(numbers, located.area, located.state, self.places.nation)

    def matrix(self, numbers: Numbers, located: Located, city: Array, broker: Array) -> Array:
        """The feature matrix of leaned ``numbers``; ``city`` and ``broker`` are codes [n]."""
        design = terms(numbers, self.means)
        nation, levels = self.places.levels(design, located)
        base = levels[BASE_REGRESSION]
        columns = np.column_stack(
            [
                own_features(numbers),
                nation,
                *levels,
                *self.places.features(located),
                *self.cities.features(city),
                *self.brokers.features(broker),
                self.comparables.features(located.area, traits_of(design), base),
                *self.places.coordinates_of(located),
                *self.places.home_value_of(located),
            ]
        )
        return columns.astype(np.float32)

    def encode(self, listing: Listing) -> EncodedListing:
        """The features of one listing, and what its price is explained by."""
        codes = self.codes_of_one(listing)
        location = self.locate_one(listing, codes)
        leaned = self.lean_one(own_numbers_of_one(listing, self.ranges, self.unstated), location)
        numbers = leaned.numbers
        listing_terms = terms_of_one(numbers, self.means)
        design = np.array(listing_terms)
        regressions = self.places.regressions_of_one(location)
        levels = (regressions @ design).tolist()
        query = query_of_one(traits_of_one(listing_terms))
        neighbours = self.comparables.neighbours(location.area, query)
        row = [
            *own_features_of_one(numbers),
            float(self.places.nation @ design),
            *levels,
            *self.places.features_of_one(location),
            *self.cities.features_of_one(codes.city),
            *self.brokers.features_of_one(codes.broker),
            *self.comparables.features_of_one(neighbours, levels[BASE_REGRESSION]),
            *self.places.coordinates_of_one(location),
            *self.places.home_value_of_one(location),
        ]
        return EncodedListing(
            matrix=np.array([row], dtype=np.float32),
            distance=location.distance,
            design=design,
            regressions=regressions,
            area=location.area,
            neighbours=neighbours,
            premium_regression=regressions[PREMIUM_REGRESSION],
            unknown_categories=self.unknown_categories_of_one(listing, codes, location),
            zip_state=self.zip_state_of_one(listing.zip_code, codes, location),
            leaned=leaned,
        )

    def lean_one(self, numbers: dict[str, float], location: Location) -> LeanedListing:
        """``lean`` of one listing."""
        if self.support is None:
            return LeanedListing(numbers, 0.0, -math.inf, math.inf)
        nation = self.places.nation
        return self.support.lean_one(numbers, location.area, location.state, nation)

    def locate(self, codes: Codes) -> Located:
        """Where rows are."""
        city_area = np.full(len(codes.city), NOT_KNOWN)
        if len(self.city_area):
            city_area = np.where(codes.city >= 0, self.city_area[codes.city], NOT_KNOWN)
        return self.places.locate(codes.zips, city_area, codes.state)

    def locate_one(self, listing: Listing, codes: CodesOfOne) -> Location:
        """``locate`` of one listing."""
        city_area = int(self.city_area[codes.city]) if codes.city >= 0 else NOT_KNOWN
        return self.places.locate_one(listing.zip_code, city_area, codes.state)

    def zip_state(self, codes: Codes, located: Located) -> Array:
        """The state of each row's zip code where its own state is another one [n]; -1 elsewhere."""
        of_zip = np.where(located.zip_known, self.places.state[located.area], NOT_KNOWN)
        # The postal service gives a state whole prefixes.
        lost = np.flatnonzero(~located.zip_known & (codes.zips >= 0) & (codes.state >= 0))
        if len(lost):
            of_zip[lost] = self.places.state_of_prefix[codes.zips[lost] // ZIP_PREFIX]
        return np.where((codes.state >= 0) & (of_zip != codes.state), of_zip, NOT_KNOWN)

    def zip_state_of_one(self, zip_code: str | None, codes: CodesOfOne, location: Location) -> int:
        """``zip_state`` of one listing."""
        if zip_code is None or codes.state < 0:
            return NOT_KNOWN
        if location.zip_known:
            of_zip = int(self.places.state[location.area])
        else:
            of_zip = int(self.places.state_of_prefix[int(zip_code) // ZIP_PREFIX])
        return NOT_KNOWN if of_zip == codes.state else of_zip

    def unknown_categories(self, absent: Mapping[str, Array], codes: Codes) -> Array:
        """Which rows have a value that is not in the training data, bool [n, len(CATEGORIES)].

        ``absent`` (``absent_of``) are the missing values, which are not unknown ones.
        """
        known = (
            codes.state >= 0,
            codes.city >= 0,
            self.places.zips_known(codes.zips),
            codes.broker >= 0,
        )
        return np.column_stack(
            [~is_known & ~absent[name] for name, is_known in zip(CATEGORIES, known, strict=True)]
        )

    def unknown_categories_of_one(
        self, listing: Listing, codes: CodesOfOne, location: Location
    ) -> list[str]:
        """The names of the ``unknown_categories`` of one listing."""
        known = (codes.state >= 0, codes.city >= 0, location.zip_known, codes.broker >= 0)
        if all(known):
            return []
        return [
            name
            for name, is_known in zip(CATEGORIES, known, strict=True)
            if not is_known and getattr(listing, name) is not None
        ]

    def nearest(self, encoded: EncodedListing, estimate: float, count: int) -> list[Comparable]:
        """The known listings most like an encoded one; none where its place is unknown.

        ``estimate`` is its price in dollars, at which their adjustments end.
        """
        means = np.array([self.means[name] for name in CENTRED])
        return self.comparables.nearest(
            encoded.area,
            encoded.neighbours,
            self.places.zips,
            means,
            encoded.premium_regression,
            encoded.design,
            estimate,
            count,
        )
