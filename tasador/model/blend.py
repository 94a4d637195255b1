"""The blend: the log price that the trees correct, a weighted sum of some of a row's features.

Trees follow a straight line only in many small steps. The blend has the lines already: how much
each local regression and each premium counts. numpy alone: serving imports this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.model.features import BASE_SCALE, FEATURE_NAMES, KERNELS, SCALES

# The predictions of all regressions, the widest first. None of them is ever missing.
LEVELS = tuple(f"price_{scale}" for scale in ("nation", "state", *SCALES))
PREMIUMS = (
    *(f"comparables_{name}_{width:g}" for name in ("premium", "price") for width in KERNELS),
    "zip_premium",
    "city_premium",
    "broker_premium",
)
BLENDED = (*LEVELS, *PREMIUMS)
BLENDED_COLUMNS = [FEATURE_NAMES.index(name) for name in BLENDED]
PREMIUM_COLUMNS = BLENDED_COLUMNS[len(LEVELS) :]
# As an array: numpy would convert the list for each row.
_COLUMNS = np.array(BLENDED_COLUMNS)


class Blend(NamedTuple):
    """``offset`` plus the sum of BLENDED times ``weights`` [len(BLENDED)]."""

    offset: float
    weights: Array

    def log_prices(self, matrix: Array) -> Array:
        """The blend of each row, float64 [n], of a feature matrix."""
        blended = matrix[:, BLENDED_COLUMNS].astype(np.float64)
        return np.asarray(self.offset + np.vecdot(blended, self.weights))

    def log_price_of_one(self, row: Array) -> float:
        """``log_prices`` of one row [len(FEATURES)]."""
        blended = row.take(_COLUMNS).astype(np.float64)
        return self.offset + float(blended @ self.weights)

    def coefficients(self, regressions: Array) -> Array:
        """What each term is worth, from the regressions of LEVELS [len(LEVELS), len(TERMS)]."""
        return np.asarray(self.weights[: len(LEVELS)] @ regressions)

    def of_premiums(self, row: Array) -> Array:
        """What each feature adds to the blend apart from the regressions [len(row)]."""
        effects = np.zeros(len(row))
        effects[PREMIUM_COLUMNS] = row[PREMIUM_COLUMNS] * self.weights[len(LEVELS) :]
        return effects

    def to_names(self) -> dict[str, float]:
        """The offset and the weights by name; ``from_names`` reads them."""
        return {"offset": self.offset, **dict(zip(BLENDED, self.weights.tolist(), strict=True))}

    @classmethod
    def from_names(cls, names: Mapping[str, float]) -> Blend:
        """Read ``to_names``; raises KeyError, TypeError or ValueError for anything else."""
        weights = np.array([float(names[name]) for name in BLENDED])
        return cls(float(names["offset"]), weights)


# That of bundles of format 4 and 5.
ONE_REGRESSION = Blend(
    0.0, np.array([float(name == f"price_{BASE_SCALE}") for name in BLENDED], dtype=np.float64)
)
