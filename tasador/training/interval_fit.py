"""Fit the intervals on properties that the price model has not seen: the sizes of their errors, the
factors on these, and the quantiles (``tasador.model.intervals``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.model.factors import Factors
from tasador.model.intervals import (
    LEVELS,
    Intervals,
    calibrate,
    log_size,
    reaches,
    size_of,
)
from tasador.ratio_study.factors import fit_factors
from tasador.training.boosting import boost, import_xgboost

if TYPE_CHECKING:
    from xgboost import Booster

_PARAMS = {
    "max_depth": 4,
    "eta": 0.16,
    "min_child_weight": 30.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "objective": "reg:squarederror",
}
_TREES = 40
# The level at which every size and every state has its share of prices inside.
_LEVEL = "90"
# The end of an interval from n rows of a state is off by some 90 % / sqrt(n), while states differ
# by some 2.4 %.
_PRIOR_ROWS = 1_400
# An interval may end at the price itself.
_LEAST_REACH = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class UnseenRows:
    """Rows that the price model has not seen.

    ``matrix`` [n, len(FEATURES)]; ``errors`` [n] are log(actual) - log(predicted); ``groups`` [n]
    indices into GROUPS; ``states`` [n] names, None where unknown to the model; ``second_half`` [n]
    splits them by property; ``calibrates`` [n] says which of them the intervals are calibrated on.
    The sizes of errors are learned from all of them.
    """

    matrix: Array
    errors: Array
    groups: Array
    states: Array
    second_half: Array
    calibrates: Array

    @classmethod
    def joined(cls, parts: Sequence[UnseenRows]) -> UnseenRows:
        """The rows of several parts as one."""
        return cls(
            **{
                each.name: np.concatenate([getattr(part, each.name) for part in parts])
                for each in fields(cls)
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedIntervals:
    """The model of the error sizes, the factors on these, and the quantiles."""

    spread: Booster
    size_factors: Factors
    intervals: Intervals


def fit_intervals(rows: UnseenRows, seed: int) -> FittedIntervals:
    """Fit the intervals.

    The sizes of the rows that calibrate are predicted from the other half (cross-conformal
    prediction: Vovk, 2015), so that all of them do both; the bundle's model learns from all.
    """
    sizes = np.empty(len(rows.errors))
    for half in (False, True):
        inside = rows.second_half == half
        other = _fit_sizes(rows, ~inside, seed) if (~inside).any() else None
        if inside.any():
            spread = other or _fit_sizes(rows, inside, seed)
            sizes[inside] = _sizes(spread, rows.matrix[inside])
    at = rows.calibrates
    errors, groups, states = rows.errors[at], rows.groups[at], rows.states[at]
    factors = _size_factors(errors, sizes[at], groups, states)
    corrected = sizes[at] * factors.of_table(sizes[at], {"state": states})
    return FittedIntervals(
        spread=_fit_sizes(rows, np.ones(len(rows.errors), dtype=bool), seed),
        size_factors=factors,
        intervals=calibrate(errors, corrected, groups),
    )


def _size_factors(errors: Array, sizes: Array, groups: Array, states: Array) -> Factors:
    """The factors that let every size and state have the same share of its prices inside.

    An error counts as the size that would have its price at the end of its interval.
    """
    below, above = reaches(calibrate(errors, sizes, groups), _LEVEL, groups, np.ones(len(errors)))
    needed = np.maximum(
        errors / np.maximum(above, _LEAST_REACH), -errors / np.maximum(below, _LEAST_REACH)
    )
    return fit_factors(sizes, needed, states, LEVELS[_LEVEL], prior_rows=_PRIOR_ROWS)


def _fit_sizes(rows: UnseenRows, learned: Array, seed: int) -> Booster:
    target = log_size(np.abs(rows.errors[learned]))
    matrix = import_xgboost().QuantileDMatrix(rows.matrix[learned], target, nthread=1)
    fitted: Booster = boost(_PARAMS, matrix, rounds=_TREES, seed=seed)
    return fitted


def _sizes(spread: Booster, matrix: Array) -> Array:
    return size_of(spread.inplace_predict(matrix).astype(np.float64))
