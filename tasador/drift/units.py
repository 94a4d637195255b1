"""Whether a column's change is what another unit would make of it, in all rows or in some."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasador.arrays import Array

if TYPE_CHECKING:
    import pandas as pd


# Factors by which a column's values change when it comes in another unit.
_UNITS = {
    "house_size": {0.092903: "square metres"},
    "acre_lot": {43_560.0: "square feet", 4_046.86: "square metres"},
    "price": {100.0: "cents", 0.001: "thousands of dollars"},
}
_SLACK = math.log(1.25)
# A mixture of units must explain this much of the distance, and be more than a few odd rows.
_EXPLAINED = 0.6
_FEWEST = 0.05


class Unit(NamedTuple):
    """The unit that would explain a change, and the share of the values that come in it."""

    name: str
    share: float


def unit_of(there: pd.Series, here: pd.Series) -> Unit | None:
    """The unit that explains the change from the reference to the batch (both log1p, no NaN).

    Some or all of the values, where the batch's distribution is a mixture of the reference's and of
    that in the other unit; all, where more changed but the median did by the unit's factor.
    """
    known, asked = _logs(there), _logs(here)
    if not len(known) or not len(asked):
        return None
    change = float(np.median(asked) - np.median(known))
    for factor, name in _UNITS.get(str(there.name), {}).items():
        share = _mixed(known, asked, math.log(factor))
        if share >= _FEWEST:
            return Unit(name, min(share, 1.0))
        if abs(change - math.log(factor)) < _SLACK:
            return Unit(name, 1.0)
    return None


def _mixed(known: Array, asked: Array, shift: float) -> float:
    """The share of ``asked`` that is ``known`` shifted, by least squares; 0 if that is no story."""
    grid = np.concatenate([known, known + shift])
    usual, other, now = (_below(values, grid) for values in (known, known + shift, asked))
    distance, direction = now - usual, other - usual
    share = float(distance @ direction / (direction @ direction))
    left = np.abs(distance - share * direction).max()
    return share if left <= (1 - _EXPLAINED) * np.abs(distance).max() else 0.0


def _below(values: Array, grid: Array) -> Array:
    return np.searchsorted(np.sort(values), grid, side="right") / len(values)


def _logs(values: pd.Series) -> Array:
    """log of the positive values; the measured columns are log1p."""
    plain = np.expm1(values.to_numpy(dtype=np.float64))
    logs: Array = np.log(plain[plain > 0])
    return logs
