"""Weights of rows by the error that is to be expected of them: a price that its listing hardly
tells says less about the others (docs/decisions/0081-weights-by-expected-error.md)."""

from __future__ import annotations

import numpy as np

from tasador.arrays import Array
from tasador.model.features import PREMIUM_SCALE, SCALES
from tasador.model.own_features import own_features
from tasador.training.blend_fit import chunks
from tasador.training.boosting import boost, import_xgboost
from tasador.training.geography import Geography
from tasador.training.local_regressions import fit_local_regressions, neighbours, sum_listings
from tasador.training.rows import Rows

# A small model predicts the log of a row's error. Its leaves have many rows, so that a row's own
# error hardly shows in its weight.
_PARAMS = {
    "max_depth": 5,
    "eta": 0.2,
    "min_child_weight": 50.0,
    "colsample_bytree": 0.8,
    "objective": "reg:squarederror",
}
_TREES = 60
_SEED = 0
# Added to every error (log price): rows that happen to be right are not all that counts.
_LEAST_ERROR = 0.03
_SCALE = SCALES.index(PREMIUM_SCALE)


def weights(rows: Rows, used: Array, geography: Geography) -> Array:
    """The weights of all rows [n], learned from those where ``used`` [n] is true, whose mean is 1.

    They are in inverse proportion to the errors that are to be expected of a local regression.
    """
    level = _levels(rows, used, geography)
    errors = np.abs(rows.log_price[used] - level[used])
    degrees = np.where((rows.zips >= 0)[:, None], geography.degrees[rows.zips], np.nan)
    own = own_features(rows.numbers).astype(np.float32)
    features = np.column_stack([own, level.astype(np.float32), degrees.astype(np.float32)])
    matrix = import_xgboost().QuantileDMatrix(
        features[used], np.log(errors + _LEAST_ERROR), nthread=1
    )
    expected = boost(_PARAMS, matrix, rounds=_TREES, seed=_SEED).inplace_predict(features)
    weight = np.exp(-expected.astype(np.float64))
    return np.asarray(weight / weight[used].mean())


def _levels(rows: Rows, used: Array, geography: Geography) -> Array:
    """The log prices [n] by the regression around a row's zip code, or else its state's or the
    nation's, each fitted on the rows used."""
    among = np.flatnonzero(used)
    sums = sum_listings(
        rows.terms[among],
        rows.log_price[among],
        np.ones(len(among)),
        rows.zips[among],
        rows.state[among],
        len(rows.vocabulary["state"]),
        geography,
    )
    # The regressions, of which the nation's comes after the states', and each row's among them.
    found = np.vstack([sums.states, sums.nation])
    chosen = np.where(rows.state >= 0, rows.state, len(sums.states))
    with_listings, placed = np.flatnonzero(sums.count), np.flatnonzero(rows.zips >= 0)
    if len(with_listings):
        zips, of_row = np.unique(rows.zips[placed], return_inverse=True)
        near, km = neighbours(geography, with_listings, zips)
        nothing_excluded = np.zeros(near.shape, dtype=bool)
        around = fit_local_regressions(sums, near[:, 0], near, km, nothing_excluded)
        chosen[placed] = len(found) + of_row
        found = np.vstack([found, around.coefficients[:, _SCALE]])
    levels = np.empty(len(chosen))
    for part in chunks(len(chosen)):
        levels[part] = np.vecdot(rows.terms[part], found[chosen[part]])
    return levels
