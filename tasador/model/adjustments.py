"""Adjustment grids: what each difference between a comparable and a listing is worth, in dollars.

An appraiser adjusts the price of a comparable for everything in which it differs. So does this: the
local regressions say what size, rooms, lot and status are worth in the listing's place, and what
the same home costs there and where the comparable is. numpy alone: serving imports this module.
"""

from __future__ import annotations

import numpy as np

from tasador.arrays import Array
from tasador.model.features import TERMS
from tasador.model.traits import KNOWN_COLUMNS, KNOWN_SCALES, KNOWN_TERMS

# The columns of a grid, in order. The place comes first: it is what the others leave.
ADJUSTED_FOR = ("place", "status", "house_size", "bed", "bath", "acre_lot")
_OTHERS = ADJUSTED_FOR[1:]
# Which terms of the regressions, and which known values of a comparable, belong to which column.
_COLUMN_OF_TERM = np.array([[float(term.column == name) for name in _OTHERS] for term in TERMS])
_COLUMN_OF_KNOWN = (
    np.array([[float(column == name) for name in _OTHERS] for column in KNOWN_COLUMNS])
    * np.array(KNOWN_SCALES)[:, None]
)
# Below this (log price), two prices are the same, and the mean of both is either of them.
_SAME = 1e-9


def adjustment_grid(
    design: Array, regression: Array, known: Array, log_price: Array, log_adjusted: Array
) -> tuple[Array, Array, Array]:
    """The grid [n, len(ADJUSTED_FOR)], and the prices [n] before and after it: whole dollars.

    ``design`` and ``regression`` [len(TERMS)] are the listing's terms and its local regression,
    ``known`` [n, len(KNOWN_TERMS)] the comparables' (``traits.known_values``). ``log_price`` [n]
    are the comparables' prices, ``log_adjusted`` [n] what they would cost if they were like the
    listing, in its place.

    A price plus its adjustments is the adjusted price, to the dollar. Shares of the log price
    become dollars along the straight line between the two prices (Aumann-Shapley), as in
    ``contributions``. The place gets what the other columns leave.
    """
    worth = regression[KNOWN_TERMS][:, None] * _COLUMN_OF_KNOWN
    logs = (design * regression) @ _COLUMN_OF_TERM - known @ worth
    total = log_adjusted - log_price
    price, adjusted = np.exp(log_price), np.exp(log_adjusted)
    mean = np.divide(adjusted - price, total, out=price.copy(), where=np.abs(total) > _SAME)
    price, adjusted = np.rint(price), np.rint(adjusted)
    grid = np.empty((len(price), len(ADJUSTED_FOR)))
    others = np.rint(logs * mean[:, None], out=grid[:, 1:])
    grid[:, 0] = adjusted - price - others.sum(axis=1)
    return grid.astype(np.int64), price, adjusted
