"""The locations of US zip codes, from PyPI's ``zipcodes``; only training needs them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from tasador.arrays import Array
from tasador.model.features import REACHES_KM

_EARTH_KM = 6_371.0
_APART_KM = 30.0


@dataclass(frozen=True, slots=True)
class Geography:
    """Every zip code of the United States.

    ``codes`` [n] are the zip codes as sorted numbers, ``points`` [n, 3] their locations in
    kilometres from the centre of the earth. ``around`` [n, len(REACHES_KM)] is log1p of the number
    of zip codes within each distance, itself included. ``spread`` are the positions of some zip
    codes about _APART_KM apart, which represent the whole country.
    """

    codes: Array
    points: Array
    around: Array
    spread: Array

    def positions(self, zips: Array) -> Array:
        """The position of each of ``zips`` (numbers) in ``codes``; -1 if it is not there."""
        place = np.minimum(np.searchsorted(self.codes, zips), len(self.codes) - 1)
        return np.where(self.codes[place] == zips, place, -1)


@cache
def load_geography() -> Geography:
    """Load the zip codes that have coordinates."""
    import zipcodes
    from scipy.spatial import cKDTree

    places = {
        int(entry["zip_code"]): (float(entry["lat"]), float(entry["long"]))
        for entry in zipcodes.list_all()  # type: ignore[no-untyped-call]
        if entry["lat"] and entry["long"]
    }
    codes = np.array(sorted(places), dtype=np.int64)
    latitude, longitude = np.radians([places[code] for code in codes.tolist()]).T
    points = _EARTH_KM * np.column_stack(
        [
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
        ]
    )
    tree = cKDTree(points)
    around = [tree.query_ball_point(points, km, return_length=True) for km in REACHES_KM]
    _, spread = np.unique(np.floor(points / _APART_KM), axis=0, return_index=True)
    return Geography(
        codes, points, np.log1p(np.column_stack(around)).astype(np.float32), np.sort(spread)
    )
