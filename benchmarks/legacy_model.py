"""The model of the platform that Tasador replaces, reimplemented from its description.

Eleven features, rows with a missing field dropped, XGBoost on the price. Uses no code of Tasador.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

NEEDED = ("price", "bed", "bath", "acre_lot", "house_size", "state", "status")


@dataclass(frozen=True)
class LegacyModel:
    """A fitted model and the mean price of each state, its only information about a place."""

    booster: Any
    state_prices: pd.Series
    mean_price: float

    def predict(self, frame: pd.DataFrame) -> np.ndarray:
        """Dollars [n]; the rows must have all of NEEDED."""
        import xgboost

        return np.asarray(self.booster.predict(xgboost.DMatrix(_features(frame, self))))


def complete(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that the previous platform keeps."""
    kept = frame.dropna(subset=list(NEEDED))
    return kept[(kept["bed"] > 0) & (kept["bath"] > 0) & (kept["house_size"] > 0)]


def fit(frame: pd.DataFrame, seed: int = 0) -> LegacyModel:
    """Train on a frame of listings; incomplete rows are dropped first."""
    import xgboost

    kept = complete(frame)
    means = kept.groupby("state")["price"].mean()
    unfitted = LegacyModel(None, means, float(kept["price"].mean()))
    matrix = xgboost.DMatrix(_features(kept, unfitted), kept["price"])
    params = {"max_depth": 6, "eta": 0.1, "subsample": 0.8, "seed": seed, "nthread": 2}
    return LegacyModel(xgboost.train(params, matrix, 300), means, unfitted.mean_price)


def _features(frame: pd.DataFrame, model: LegacyModel) -> np.ndarray:
    bed, bath, lot, size = (frame[c].to_numpy(float) for c in NEEDED[1:5])
    state = frame["state"].map(model.state_prices).fillna(model.mean_price).to_numpy(float)
    sold = (frame["status"] == "sold").to_numpy(float)
    columns = [bed, bath, lot, size, state, sold, bed * bath, size / bed, size / bath, bed + bath]
    return np.column_stack([*columns, lot / size])
