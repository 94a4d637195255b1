"""Where the zip codes of the country are, from PyPI's ``zipcodes``; training alone needs it."""

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
    """Every zip code of the United States: ``codes`` [n] as numbers, in order, ``points`` [n, 3],
    the place of each in kilometres from the centre of the earth, and ``around`` [n,
    len(REACHES_KM)], log1p of how many zip codes lie so near, itself among them. ``spread`` are the
    positions of some, not much nearer to each other than _APART_KM, that stand for all."""

    codes: Array
    points: Array
    around: Array
    spread: Array

    def positions(self, zips: Array) -> Array:
        """Where each of ``zips`` (numbers) is in ``codes``; -1 if nowhere."""
        place = np.minimum(np.searchsorted(self.codes, zips), len(self.codes) - 1)
        return np.where(self.codes[place] == zips, place, -1)


@cache
def load_geography() -> Geography:
    """The zip codes that have coordinates."""
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
