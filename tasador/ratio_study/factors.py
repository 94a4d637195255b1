"""Fit ``tasador.model.factors``: so that one share of the errors stays within a scale everywhere.

A scale orders listings by their error, but the share that stays within it differs by the scale
itself and by state. Both are measured: conformal quantiles within groups of equal scale (Mondrian
conformal regressors: Boström and Johansson, 2020), interpolated so that neighbours do not differ by
a jump, and within states, shrunk towards 1 by their number of rows.
"""

from __future__ import annotations

import numpy as np

from tasador.arrays import Array
from tasador.model.factors import Factors

# Rows of one scale, which share a factor: enough that a quantile is known to some 3 %.
_ROWS_OF_A_POINT = 400
_MOST_POINTS = 12
# A state has a factor from so many rows.
_ROWS_OF_A_STATE = 100
_ROUNDS = 3


def fit_factors(
    scale: Array, error: Array, state: Array, share: float, *, prior_rows: int
) -> Factors:
    """The factors by ``scale`` [n], and the states', fitted in turn: ``share`` of the errors [n]
    stay within scale times factor.

    ``state`` [n] has None where it is missing. A state's factor is shrunk towards 1 as if it had
    ``prior_rows`` others: the square of the ratio of one row's noise to what states really differ
    by (empirical Bayes).
    """
    of_state = np.ones(len(scale))
    order = np.argsort(scale, kind="stable")
    count = int(np.clip(len(scale) // _ROWS_OF_A_POINT, 1, _MOST_POINTS))
    groups = np.array_split(order, count)
    points = _increasing([float(np.median(scale[rows])) for rows in groups])
    rows_of_state = {
        name: np.flatnonzero(state == name) for name in sorted({s for s in state if s is not None})
    }
    factors = [1.0] * count
    states: dict[str, float] = {}
    for _ in range(_ROUNDS):
        scaled = error / (scale * of_state)
        factors = [_quantile(scaled[rows], share) for rows in groups]
        expected = scale * np.interp(scale, points, factors)
        states = {}
        for name, rows in rows_of_state.items():
            if len(rows) >= _ROWS_OF_A_STATE:
                found = _quantile(error[rows] / expected[rows], share)
                weight = len(rows) / (len(rows) + prior_rows)
                states[name] = round(float(found**weight), 4)
                of_state[rows] = states[name]
    return Factors(points, [round(factor, 6) for factor in factors], states)


def _increasing(points: list[float]) -> list[float]:
    """The points, each a little above the one before: equal ones have no slope in between."""
    return [round(float(point), 9) + 1e-9 * place for place, point in enumerate(points)]


def _quantile(scaled: Array, share: float) -> float:
    """The conformal quantile of ``share``; above zero, since a factor is."""
    rank = min(int(np.ceil((len(scaled) + 1) * share)), len(scaled))
    return max(float(np.partition(scaled, rank - 1)[rank - 1]), 1e-6)
