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
    import pandas as pd

    if share >= 1:
        return np.ones(len(frame), dtype=bool)
    keys = frame["property_key"].to_numpy(dtype=object)
    key_hash = pd.util.hash_array(keys, hash_key=_SAMPLE_KEY, categorize=False)
    return np.asarray((key_hash >> np.uint64(11)) / 2.0**53 < share)
