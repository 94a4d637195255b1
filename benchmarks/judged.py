"""The rows that the model's benchmarks judge on, sampled by property, and the error measure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

Figures = dict[str, list[float]]
Log = Callable[[str], None]

_HELD_OUT = 0.1


def held_out(frame: pd.DataFrame, seed: int) -> np.ndarray:
    """Which rows are judged, bool [n]: one property in ten, sampled by ``seed``."""
    keys = frame["property_key"].to_numpy(dtype=object)
    place = pd.util.hash_array(keys, hash_key=f"model bench {seed:04d}", categorize=False) / 2.0**64
    return np.asarray(place < _HELD_OUT)


def median_error(actual: np.ndarray, predicted: np.ndarray) -> float:
    """The median of the relative errors."""
    return float(np.median(np.abs(predicted - actual) / actual))
