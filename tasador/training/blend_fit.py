"""Fitting ``tasador.model.blend``: the weights with the least absolute error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasador.arrays import Array
from tasador.model.blend import BLENDED_COLUMNS, LEVELS, Blend
from tasador.model.features import BASE_SCALE

_DIGITS = 6
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
    blended = np.concatenate([matrix[:, BLENDED_COLUMNS] for matrix, _, _ in views])
    base = blended[:, _BASE].astype(np.float64)
    known = np.delete(blended, _BASE, axis=1).astype(np.float64)
    known[:, : len(LEVELS) - 1] -= base[:, None]
    columns = np.column_stack([np.ones(len(base)), known])
    label = np.concatenate([log_price for _, log_price, _ in views]) - base
    rows = np.concatenate([np.full(len(matrix), weight) for matrix, _, weight in views])
    ridge = _PULL * rows.sum() * np.eye(columns.shape[1])
    found = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        weighted = (
            columns * (rows / np.maximum(np.abs(label - columns @ found), _LEAST_ERROR))[:, None]
        )
        found = np.linalg.solve(weighted.T @ columns + ridge, weighted.T @ label)
    others = found[1:]
    weights = np.insert(others, _BASE, 1 - others[: len(LEVELS) - 1].sum())
    return Blend(round(float(found[0]), _DIGITS), np.round(weights, _DIGITS))
