"""Measured factors on a number of a listing: by that number, interpolated, and by state."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import InputColumns, text_of


class Factors(NamedTuple):
    """``factors`` [k] belong to the rising ``points`` [k]; in between they are interpolated, and
    beyond the ends they stay. ``states`` has another factor for a state that differs. Without
    points and states all factors are 1."""

    points: list[float]
    factors: list[float]
    states: Mapping[str, float]

    def of_one(self, number: float, state: str | None) -> float:
        """The factor of one listing."""
        return self._between(number) * self.states.get(state or "", 1.0)

    def of_table(self, numbers: Array, columns: InputColumns) -> Array:
        """The factor of every row [n]; see ``of_one``."""
        of_state = text_of(columns, "state").to_numbers(
            lambda state: self.states.get(state or "", 1.0)
        )
        return self.between(numbers) * of_state

    def between(self, numbers: Array) -> Array:
        """The factors by number [n], without those of the states."""
        if not self.points:
            return np.ones(len(numbers))
        return np.asarray(np.interp(numbers, self.points, self.factors))

    def _between(self, number: float) -> float:
        """``between`` of one number."""
        points, factors = self.points, self.factors
        if not points:
            return 1.0
        above = bisect_right(points, number)
        if above == 0:
            return factors[0]
        if above == len(points):
            return factors[-1]
        left, first = points[above - 1], factors[above - 1]
        slope = (factors[above] - first) / (points[above] - left)
        return slope * (number - left) + first
