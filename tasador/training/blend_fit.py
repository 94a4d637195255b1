"""Fitting ``tasador.model.blend``: the weights with the least absolute error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tasador.arrays import Array
from tasador.model.blend import BLENDED, BLENDED_COLUMNS, LEVELS, Blend
from tasador.model.features import BASE_SCALE

# Fewer than what the order of the sums changes.
_DIGITS = 6
_ROWS_AT_ONCE = 25_000
_STEPS = 20
# Errors below this (log price) count as this, so that no row dominates.
_LEAST_ERROR = 0.02
# The weight of "the base regression alone", as a share of the rows.
_PULL = 1e-4
_BASE = LEVELS.index(f"price_{BASE_SCALE}")


def fit_blend(views: Sequence[tuple[Array, Array, float]]) -> Blend:
    """The blend of rows: of each view the feature matrix [n, len(FEATURES)], the log prices [n] and
    the weight of a row.

    The weights of the regressions add up to 1. Iteratively reweighted least squares (Holland and
    Welsch, 1977) on the differences from the base regression.
    """
    ridge = _PULL * sum(len(matrix) * weight for matrix, _, weight in views)
    found: Array = np.zeros(len(BLENDED))
    for _ in range(_STEPS):
        # All rows at once would be the largest array of a training.
        squares, products = ridge * np.eye(len(BLENDED)), np.zeros(len(BLENDED))
        for matrix, log_price, weight in views:
            for rows in chunks(len(matrix)):
                columns, label = _equations(matrix[rows], log_price[rows])
                errors = np.maximum(np.abs(label - columns @ found), _LEAST_ERROR)
                weighted = columns * (weight / errors)[:, None]
                squares += weighted.T @ columns
                products += weighted.T @ label
        found = np.linalg.solve(squares, products)
    others = found[1:]
    weights = np.insert(others, _BASE, 1 - others[: len(LEVELS) - 1].sum())
    return Blend(round(float(found[0]), _DIGITS), np.round(weights, _DIGITS))


def chunks(rows: int) -> Iterator[slice]:
    """The rows from 0, some at a time."""
    return (slice(begin, begin + _ROWS_AT_ONCE) for begin in range(0, rows, _ROWS_AT_ONCE))


def _equations(matrix: Array, log_price: Array) -> tuple[Array, Array]:
    """One for each row: 1 and the differences from the base regression; the price's difference."""
    blended = matrix[:, BLENDED_COLUMNS].astype(np.float64)
    base = blended[:, _BASE]
    columns = np.column_stack([np.ones(len(base)), np.delete(blended, _BASE, axis=1)])
    columns[:, 1 : len(LEVELS)] -= base[:, None]
    return columns, log_price - base
