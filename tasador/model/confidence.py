"""How much a price can be trusted: its forecast standard deviation (FSD) and its class.

The FSD of a listing is the relative error, |price - actual| / actual, that 68 % of such listings
stay within. It follows from the listing's own interval: half of the interval's width in log price,
times a factor that is measured on the permanent holdout (``tasador.ratio_study.confidence``). numpy
alone: serving imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.errors import BundleError
from tasador.listings.arrays import InputColumns
from tasador.model.factors import Factors

# The share of listings that stay within their FSD: one standard deviation of a normal distribution.
WITHIN = 0.68
# The interval whose width the FSD follows.
LEVEL = "80"
HIGH, MEDIUM, LOW = "high", "medium", "low"
CLASSES = (HIGH, MEDIUM, LOW)
# Above these FSDs a price is of the next class: confidence scores of 85 and 70, 100 (1 - FSD).
LIMITS = (0.15, 0.30)
# What a class carries in each answer: shares of its holdout rows.
FIGURES = ("p15_low", "p15_high", "ppe10", "ppe20")
# An FSD has four digits, so that it is the same for a single row and in a table.
_STEPS = 1e4


class ConfidenceColumns(NamedTuple):
    """The confidence of a table: ``fsd`` [n], and ``classes`` [n] as indices into CLASSES.

    ``measured`` has the figures of each class.
    """

    fsd: Array
    classes: Array
    measured: Confidence


class Confidence(NamedTuple):
    """The measured factors of a bundle.

    ``factors`` are by half the interval's width, in log price, and by state. ``figures`` maps a
    class to FIGURES as shares; None where too few holdout rows have that class.
    """

    factors: Factors
    figures: dict[str, dict[str, float | None]]

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Confidence | None:
        """``Manifest.confidence``; None for a bundle without it, BundleError if it is malformed."""
        if not stored:
            return None
        try:
            figures = {
                name: {figure: stored["classes"][name][figure] for figure in FIGURES}
                for name in CLASSES
            }
            factors = Factors(stored["widths"], stored["factors"], stored["states"])
            return cls(factors, figures)
        except (KeyError, TypeError) as error:
            raise BundleError(f"manifest.json: confidence cannot be read: {error!r}") from None

    def of_one(self, low: float, high: float, state: str | None) -> dict[str, Any]:
        """The confidence of one price: ``fsd``, ``class``, and FIGURES of the class.

        ``low`` and ``high`` are the ends of its interval of LEVEL, in dollars.
        """
        width = math.log(high / low) / 2
        fsd = width * self.factors.of_one(width, state)
        return self.answer(round(fsd * _STEPS) / _STEPS)

    def answer(self, fsd: float) -> dict[str, Any]:
        """The confidence with this FSD as an answer has it."""
        name = CLASSES[(fsd > LIMITS[0]) + (fsd > LIMITS[1])]
        return {"fsd": fsd, "class": name, **self.figures[name]}

    def of_table(self, low: Array, high: Array, columns: InputColumns) -> ConfidenceColumns:
        """The confidence of every row [n]; see ``of_one``."""
        width = np.log(high / low) / 2
        fsd = width * self.factors.of_table(width, columns)
        fsd = np.rint(fsd * _STEPS) / _STEPS
        return ConfidenceColumns(fsd, np.searchsorted(LIMITS, fsd, side="left"), self)
