"""The reference that batches are compared with: a sample of the champion's training data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasador.drift.measures import PREDICTED, DriftError, in_market
from tasador.listings.listing import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

# Fewer out-of-sample predictions than this say nothing about the champion's usual error.
FEWEST_PREDICTIONS = 30


def make_reference(
    frame: pd.DataFrame, predicted: np.ndarray, *, rows: int = 20_000, seed: int = 0
) -> pd.DataFrame:
    """Sample the champion's data: the twelve columns and ``predicted`` (dollars), shuffled.

    ``frame`` holds the champion's data; ``predicted`` [n] are its prices for the rows that it was
    *not* fitted on, NaN for all others. (Errors on training rows are too small, so every new batch
    would look worse.) Rows with a prediction are taken first, up to half of the sample, or more if
    the other rows do not fill it. Both kinds must have been selected at random by property, so that
    each represents the whole.

    Raises DriftError if fewer than 30 rows with a price within the market range have a prediction.
    """
    predicted = np.asarray(predicted, dtype=np.float64)
    if predicted.shape != (len(frame),):
        raise DriftError(
            f"the reference has {len(frame)} rows but predictions of shape {predicted.shape}"
        )
    price = frame["price"].to_numpy(dtype=np.float64, na_value=np.nan)
    out_of_sample = np.isfinite(predicted) & in_market(price)
    if out_of_sample.sum() < FEWEST_PREDICTIONS:
        raise DriftError(
            f"only {int(out_of_sample.sum())} rows have a prediction by a model that was not "
            f"fitted on them; a reference needs {FEWEST_PREDICTIONS}: pass predictions for the "
            "holdout rows"
        )
    order = np.random.default_rng(seed).permutation(len(frame))
    with_prediction, without = order[out_of_sample[order]], order[~out_of_sample[order]]
    share = max(rows // 2, rows - len(without))
    chosen = np.concatenate([with_prediction[:share], without])[:rows]
    # NannyML chunks the reference by row order: each chunk must be a sample of the whole.
    chosen = np.random.default_rng(seed + 1).permutation(chosen)
    reference = frame.loc[:, list(COLUMNS)].iloc[chosen].reset_index(drop=True)
    reference[PREDICTED] = predicted[chosen]
    return reference
