"""Support: what training showed around a place, and how a listing outside of it leans back to it.

A number beyond those of the surroundings, or beyond those of houses of its size, counts as a number
just outside. A price beyond the prices of the surroundings becomes a price just outside. How far
outside grows more and more slowly, up to a bound. Both rules are continuous and never change the
order of two values. The reasons are in docs/decisions/0062-prices-lean-back.md.

A function that ends in ``_of_one`` gives the numbers of the function above it for a single listing.
numpy alone: serving imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import Numbers
from tasador.model.features import CENTRED, TERMS
from tasador.model.own_features import (
    centred,
    centred_of_one,
    from_centred,
    from_centred_rows,
)
from tasador.model.traits import TRAIT_WEIGHTS

# The numbers of CENTRED, in their order, as listings name them.
SUPPORTED = ("house_size", "bed", "bath", "acre_lot")
# The numbers that the size of the house bounds too: their positions in SUPPORTED.
BOUNDED_BY_SIZE = (SUPPORTED.index("bed"), SUPPORTED.index("bath"))
PRICE = len(SUPPORTED)
# How far outside of its range a number counts at most: a distance of 0.5 in traits.
_BEYOND = tuple(0.5 / TRAIT_WEIGHTS[name] for name in CENTRED)
# How far outside of the range a price lies at most, in log price: a factor of 2.5.
_PRICE_BEYOND = math.log(2.5)
_TERM_NAMES = [term.name for term in TERMS]
_WORTH = [_TERM_NAMES.index(name) for name in CENTRED]


class Leaned(NamedTuple):
    """Rows as they are priced [n].

    ``numbers`` by name. ``moved`` is what the nation's regression says that the moves are worth, in
    log price and never negative. ``lowest`` and ``highest`` are the log prices of the surroundings.
    """

    numbers: dict[str, Array]
    moved: Array
    lowest: Array
    highest: Array


class LeanedListing(NamedTuple):
    """``Leaned`` of one listing."""

    numbers: dict[str, float]
    moved: float
    lowest: float
    highest: float


@dataclass(frozen=True, eq=False, repr=False)
class Support:
    """The lowest and highest values in training, float32: of the numbers on the scale of CENTRED,
    and of the log price.

    ``areas`` [areas, 2, len(SUPPORTED) + 1] are those of the listings around each area, ``states``
    [states, ...] those of each state, ``nation`` [1, ...] those of all listings. ``bands``
    [len(BOUNDED_BY_SIZE), 2, sizes] are the lowest and highest values of houses of a size, for log
    sizes that are ``grid`` [1] apart and begin with ``grid`` [0].
    """

    areas: Array
    states: Array
    nation: Array
    bands: Array
    grid: Array

    def lean(self, numbers: Numbers, area: Array, state: Array, nation: Array) -> Leaned:
        """Rows as they are priced, from their area and state [n] (-1 if unknown).

        ``nation`` [len(TERMS)] is the nation's regression.
        """
        ranges = self._all_ranges
        of_state = np.where(state >= 0, len(self.areas) + state, len(ranges) - 1)
        ranges = ranges.take(np.where(area >= 0, area, of_state), axis=0)
        low, high = np.ascontiguousarray(ranges.transpose(1, 2, 0), dtype=np.float64)
        given = list(centred(numbers).values())
        leaned = [
            _lean(value, low[place], high[place], _BEYOND[place])
            for place, value in enumerate(given)
        ]
        bands = self._bands(leaned[0])
        for place, (lowest, highest) in zip(BOUNDED_BY_SIZE, bands, strict=True):
            leaned[place] = _lean(leaned[place], lowest, highest, _BEYOND[place])
        whole, moved = dict(numbers), np.zeros(len(area))
        by = np.abs(np.subtract(given, leaned))
        # False where a number is missing.
        differs = by > 0.0
        # Few rows lean.
        rows = np.flatnonzero(differs.any(axis=0))
        for place, values in enumerate(from_centred_rows(*(each[rows] for each in leaned))):
            name, own = SUPPORTED[place], differs[place, rows]
            whole[name] = numbers[name].copy()
            whole[name][rows[own]] = values[own]
            worth = np.abs(by[place, rows] * nation[_WORTH[place]])
            moved[rows] += np.where(own, worth, 0.0)
        return Leaned(whole, moved, low[PRICE], high[PRICE])

    def lean_one(
        self, numbers: Mapping[str, float], area: int, state: int, nation: Array
    ) -> LeanedListing:
        """``lean`` of one listing."""
        ranges = self.nation[0]
        if area >= 0:
            ranges = self.areas[area]
        elif state >= 0:
            ranges = self.states[state]
        low, high = ranges.tolist()
        lowest, highest = low[PRICE], high[PRICE]
        given = centred_of_one(numbers)
        # ``zip`` leaves the price out.
        leaned = list(map(_lean_one, given, low, high, _BEYOND))
        size = leaned[0]
        if size == size:
            bands = self._bands_of_one(size)
            for place, (least, most) in zip(BOUNDED_BY_SIZE, bands, strict=True):
                leaned[place] = _lean_one(leaned[place], least, most, _BEYOND[place])
        moved = 0.0
        if leaned == given:  # as for most listings; a missing number is the same object in both
            return LeanedListing(dict(numbers), moved, lowest, highest)
        whole = dict(numbers)
        for place, (value, before) in enumerate(zip(leaned, given, strict=True)):
            # False where the number is missing.
            if (by := abs(before - value)) > 0.0:
                whole[SUPPORTED[place]] = from_centred(*leaned)[place]
                moved += abs(by * float(nation[_WORTH[place]]))
        return LeanedListing(whole, moved, lowest, highest)

    @cached_property
    def _all_ranges(self) -> Array:
        """Those of areas, states and the nation, in this order."""
        return np.concatenate([self.areas, self.states, self.nation])

    def _bands(self, size: Array) -> Array:
        """The lowest and highest of BOUNDED_BY_SIZE [.., 2, n] for log sizes [n]; infinite for a
        missing size."""
        start, step = self.grid.tolist()
        last = self.bands.shape[2] - 1
        place = np.clip((np.where(np.isnan(size), start, size) - start) / step, 0.0, float(last))
        below = np.minimum(place.astype(np.int64), last - 1)
        share = place - below
        # One row for each size: numpy takes whole rows in a fraction of the time.
        bands = self.bands.transpose(2, 0, 1).reshape(last + 1, -1).astype(np.float64)
        share = share[:, None]
        between = bands.take(below, axis=0) * (1.0 - share) + bands.take(below + 1, axis=0) * share
        shaped = between.T.reshape(*self.bands.shape[:2], len(size))
        return np.where(np.isnan(size), np.array([-np.inf, np.inf])[:, None], shaped)

    @cached_property
    def _band_lists(self) -> tuple[float, float, list[list[list[float]]]]:
        start, step = self.grid.tolist()
        return start, step, self.bands.tolist()

    def _bands_of_one(self, size: float) -> list[list[float]]:
        start, step, bands = self._band_lists
        last = len(bands[0][0]) - 1
        place = min(max((size - start) / step, 0.0), float(last))
        below = min(int(place), last - 1)
        share = place - below
        return [
            [ends[below] * (1.0 - share) + ends[below + 1] * share for ends in of] for of in bands
        ]


def bounded(log_price: Array, lowest: Array, highest: Array) -> Array:
    """Log prices [n] within what the surroundings bear out."""
    return _lean(log_price, lowest, highest, _PRICE_BEYOND)


def bounded_one(log_price: float, lowest: float, highest: float) -> float:
    """``bounded`` of one log price."""
    return _lean_one(log_price, lowest, highest, _PRICE_BEYOND)


def _lean(values: Array, low: Array, high: Array, beyond: float) -> Array:
    """``values`` [n], of which those outside of ``low`` to ``high`` come to lie at most ``beyond``
    outside; NaN stays NaN."""
    leaned = values.copy()
    # Few rows are outside.
    above, below = np.flatnonzero(values > high), np.flatnonzero(values < low)
    highest, lowest = high[above], low[below]
    leaned[above] = highest - beyond * np.expm1((highest - values[above]) / beyond)
    leaned[below] = lowest + beyond * np.expm1((values[below] - lowest) / beyond)
    return leaned


def _lean_one(value: float, low: float, high: float, beyond: float) -> float:
    if value > high:
        return high - beyond * math.expm1((high - value) / beyond)
    if value < low:
        return low + beyond * math.expm1((value - low) / beyond)
    return value
