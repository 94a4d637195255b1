"""The reference that batches are compared with: a sample of what the champion was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasador.drift.measures import PREDICTED, DriftError, in_market
from tasador.listings.listing import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

# Below this many honest predictions nothing can be said of the champion's usual error.
FEWEST_HONEST = 30


def make_reference(
    frame: pd.DataFrame, predicted: np.ndarray, *, rows: int = 20_000, seed: int = 0
) -> pd.DataFrame:
    """Sample the champion's data: the twelve columns and ``predicted`` (dollars), shuffled.

    ``frame`` holds the rows that the champion was trained and calibrated on; ``predicted`` [n] the
    champion's prices on those that it was *not* fitted on (calibration rows), NaN on all others:
    errors on rows that a model has seen would make every new batch look worse. Rows with a
    prediction are taken first, at most half of the sample unless the others do not fill it; both
    must be chosen at random by property, so that either stands for the whole.

    Raises DriftError when fewer than 30 rows with a price in the market have a prediction.
    """
    predicted = np.asarray(predicted, dtype=np.float64)
    if predicted.shape != (len(frame),):
        raise DriftError(
            f"the reference has {len(frame)} rows but predictions of shape {predicted.shape}"
        )
    price = frame["price"].to_numpy(dtype=np.float64, na_value=np.nan)
    honest = np.isfinite(predicted) & in_market(price)
    if honest.sum() < FEWEST_HONEST:
        raise DriftError(
            f"only {int(honest.sum())} rows have a prediction by a model that was not fitted on "
            f"them; a reference needs {FEWEST_HONEST}: pass the calibration rows' predictions"
        )
    order = np.random.default_rng(seed).permutation(len(frame))
    with_answer, without = order[honest[order]], order[~honest[order]]
    share = max(rows // 2, rows - len(without))
    chosen = np.concatenate([with_answer[:share], without])[:rows]
    # NannyML cuts the reference into chunks by order: each must be a sample of the whole.
    chosen = np.random.default_rng(seed + 1).permutation(chosen)
    reference = frame.loc[:, list(COLUMNS)].iloc[chosen].reset_index(drop=True)
    reference[PREDICTED] = predicted[chosen]
    return reference
