"""Whether a different unit explains a column's change, in all rows or in some."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasador.arrays import Array

if TYPE_CHECKING:
    import pandas as pd


# Factors by which a column's values change in another unit.
_UNITS = {
    "house_size": {0.092903: "square metres"},
    "acre_lot": {43_560.0: "square feet", 4_046.86: "square metres", 0.404686: "hectares"},
    "price": {100.0: "cents", 0.001: "thousands of dollars"},
}
_SLACK = math.log(1.25)
# A mixture of units must explain this much of the distance and affect at least this share.
_EXPLAINED = 0.6
# A market may change by less than this factor too: then nothing but the unit may have changed.
_SMALL, _ALL_EXPLAINED = math.log(4), 0.9
_FEWEST = 0.05


class Unit(NamedTuple):
    """The unit that explains a change, and the share of the values in that unit."""

    name: str
    share: float


def find_unit(reference: pd.Series, current: pd.Series) -> Unit | None:
    """The unit that explains the change from the reference to the batch (both log1p, no NaN).

    It applies to some or all values if the batch's distribution is a mixture of the reference's and
    the same in the other unit. It applies to all values if the median changed by the unit's factor,
    even if more changed as well. None if no unit explains the change.
    """
    usual, now = _logs(reference), _logs(current)
    if not len(usual) or not len(now):
        return None
    change = float(np.median(now) - np.median(usual))
    for factor, name in _UNITS.get(str(reference.name), {}).items():
        is_small = abs(math.log(factor)) < _SMALL
        share = _mixed_share(
            usual, now, math.log(factor), _ALL_EXPLAINED if is_small else _EXPLAINED
        )
        if share >= _FEWEST:
            return Unit(name, min(share, 1.0))
        if not is_small and abs(change - math.log(factor)) < _SLACK:
            return Unit(name, 1.0)
    return None


def _mixed_share(usual: Array, now: Array, shift: float, explained: float) -> float:
    """The share of ``now`` that is ``usual`` shifted, by least squares; 0 if that does not explain
    so much of the distance."""
    grid = np.concatenate([usual, usual + shift])
    usual_cdf, shifted_cdf, now_cdf = (_cdf(v, grid) for v in (usual, usual + shift, now))
    distance, direction = now_cdf - usual_cdf, shifted_cdf - usual_cdf
    share = float(distance @ direction / (direction @ direction))
    residual = np.abs(distance - share * direction).max()
    return share if residual <= (1 - explained) * np.abs(distance).max() else 0.0


def _cdf(values: Array, grid: Array) -> Array:
    return np.searchsorted(np.sort(values), grid, side="right") / len(values)


def _logs(values: pd.Series) -> Array:
    """The logs of the positive values; measured columns are log1p."""
    plain = np.expm1(values.to_numpy(dtype=np.float64))
    logs: Array = np.log(plain[plain > 0])
    return logs
