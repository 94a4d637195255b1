"""A sample of the properties, for more listings than a training is to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array

if TYPE_CHECKING:
    import pandas as pd

# 16 bytes; makes the sample independent of the holdout's hash and of the training splits.
_SAMPLE_KEY = "tasador.sample.1"


def share_of(rows: int, most: int) -> float:
    """The share of the properties that about ``most`` of the rows belong to; 0 is no limit."""
    return min(1.0, most / rows) if most and rows else 1.0


def sampled(frame: pd.DataFrame, share: float) -> Array:
    """Which rows are in the sample, bool [n].

    It depends on the property alone, so all rows of a property are in it or none, whichever batches
    they came with, and a larger sample contains a smaller one.
    """
    if share >= 1:
        return np.ones(len(frame), dtype=bool)
    return np.asarray(place_of(frame["property_key"].to_numpy(dtype=object), _SAMPLE_KEY) < share)


def place_of(keys: Array, hash_key: str) -> Array:
    """A number in [0, 1) for each property key, float64 [n], by a hash; ``hash_key``: 16 bytes."""
    import pandas as pd

    key_hash = pd.util.hash_array(keys, hash_key=hash_key, categorize=False)
    # The 53 bits that a float64 holds exactly.
    return np.asarray((key_hash >> np.uint64(11)) / 2.0**53)
