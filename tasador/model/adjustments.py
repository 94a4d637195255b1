"""Adjustment grids: what each difference between a comparable and a listing is worth, in dollars.

An appraiser adjusts the price of a comparable for everything in which it differs. So does this: the
local regressions say what size, rooms, lot and status are worth in the listing's place, and what
the same home costs there and where the comparable is. numpy alone: serving imports this module.
"""

from __future__ import annotations

import numpy as np

from tasador.arrays import Array
from tasador.model.features import TERMS

# The columns of a grid, in order. The place comes first: it is what the others leave.
ADJUSTED_FOR = ("place", "status", "house_size", "bed", "bath", "acre_lot")
# Which terms of the regressions belong to which column; the level belongs to the place.
_COLUMN_OF_TERM = np.array(
    [[float(term.column == column != "place") for column in ADJUSTED_FOR] for term in TERMS]
)
# Below this (log price), two prices are the same, and the mean of both is either of them.
_SAME = 1e-9


def adjustment_grid(
    differences: Array, coefficients: Array, log_price: Array, log_adjusted: Array
) -> tuple[Array, Array, Array]:
    """The grid [n, len(ADJUSTED_FOR)], and the prices [n] before and after it, in whole dollars.

    ``differences`` [n, len(TERMS)] are the terms of the listing minus those of each comparable,
    ``coefficients`` [len(TERMS)] the listing's regression. ``log_price`` [n] are the comparables'
    prices, ``log_adjusted`` [n] what they would cost if they were like the listing, in its place.

    A price plus its adjustments is the adjusted price, to the dollar. Shares of the log price
    become dollars along the straight line between the two prices (Aumann-Shapley), as in
    ``contributions``.
    """
    logs = (differences * coefficients) @ _COLUMN_OF_TERM
    total = log_adjusted - log_price
    logs[:, 0] = total - logs.sum(axis=1)
    price, adjusted = np.exp(log_price), np.exp(log_adjusted)
    same = np.abs(total) < _SAME
    mean = np.where(same, price, (adjusted - price) / np.where(same, 1.0, total))
    price, adjusted = np.rint(price), np.rint(adjusted)
    grid = np.rint(logs * mean[:, None])
    # Rounding is settled in the largest one.
    largest = np.abs(grid).argmax(axis=1)
    grid[np.arange(len(grid)), largest] += adjusted - price - grid.sum(axis=1)
    return grid, price, adjusted
