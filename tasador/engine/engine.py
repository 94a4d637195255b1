"""What evaluates the two models of a bundle, and the implementation by xgboost's C library.

A bundle has a price model, which corrects the log price of the local regression, and a spread
model, which predicts the log of the error's size. A process starts with the ``LibraryEngine``;
``tasador.engine.fast_engine`` builds a faster one from it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from tasador.arrays import Array
from tasador.engine.booster import Booster


class Engine(Protocol):
    """Evaluates both models; safe to use from several threads.

    Rows are float32 [features] with NaN for a missing value, a matrix is [n, features].
    """

    @property
    def explains_inline(self) -> bool:
        """Whether ``contributions_one`` takes well under a millisecond."""
        ...

    def predict(self, matrix: Array) -> tuple[Array, Array]:
        """The outputs of the price model and of the spread model, float32 [n] each."""
        ...

    def predict_one(self, row: Array) -> tuple[float, float]:
        """``predict`` for one row."""
        ...

    def contributions(self, matrix: Array) -> Array:
        """Tree-SHAP values of the price model, float32 [n, features + 1]; the base is last."""
        ...

    def contributions_one(self, row: Array) -> tuple[Array, float]:
        """``contributions`` for one row: float64 [features], and the base."""
        ...


class LibraryEngine(NamedTuple):
    """Both models evaluated by xgboost's C library."""

    price: Booster
    spread: Booster

    @property
    def explains_inline(self) -> bool:
        """False: the library takes more than a millisecond."""
        return False

    def predict(self, matrix: Array) -> tuple[Array, Array]:
        """See ``Engine``."""
        return self.price.predict(matrix), self.spread.predict(matrix)

    def predict_one(self, row: Array) -> tuple[float, float]:
        """See ``Engine``."""
        price, spread = self.predict(row[None])
        return float(price[0]), float(spread[0])

    def contributions(self, matrix: Array) -> Array:
        """See ``Engine``."""
        return self.price.contributions(matrix)

    def contributions_one(self, row: Array) -> tuple[Array, float]:
        """See ``Engine``."""
        values = self.price.contributions(row[None])[0].astype(np.float64)
        return values[:-1], float(values[-1])
