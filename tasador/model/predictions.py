"""Prices of a table with their intervals."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import INPUTS
from tasador.model.confidence import ConfidenceColumns


class Predictions:
    """Prices of a table in dollars: ``price`` [n], and by level ("80", "90", "95") ``low`` and
    ``high`` [n].

    ``absent`` [n, len(INPUTS)] marks the fields without a value, ``unknown_categories``
    [n, len(CATEGORIES)] the categories that do not occur in the training data. ``priced_as``
    [n, len(SUPPORTED)] are the numbers that the listings count as. ``zip_state`` [n] is the state
    of a zip code that contradicts the listing's state, -1 for none. ``confidence`` is None for a
    bundle that has not measured it.
    """

    def __init__(
        self,
        price: Array,
        low: dict[str, Array],
        high: dict[str, Array],
        absent: Array,
        unknown_categories: Array,
        priced_as: Array,
        zip_state: Array,
        confidence: ConfidenceColumns | None = None,
    ) -> None:
        self.price = price
        self.low = low
        self.high = high
        self.absent = absent
        self.unknown_categories = unknown_categories
        self.priced_as = priced_as
        self.zip_state = zip_state
        self.confidence = confidence

    @cached_property
    def missing(self) -> list[tuple[str, ...]]:
        """The names of each row's fields without a value."""
        names, of_row = self.missing_patterns
        return [names[pattern] for pattern in of_row.tolist()]

    @cached_property
    def missing_patterns(self) -> tuple[list[tuple[str, ...]], Array]:
        """The distinct ones of ``missing``, and the index in them of each row [n]."""
        # Rows share few patterns, so the names of each pattern are collected once.
        patterns, of_row = np.unique(
            self.absent @ (1 << np.arange(len(INPUTS))), return_inverse=True
        )
        names = [
            tuple(name for bit, name in enumerate(INPUTS) if pattern >> bit & 1)
            for pattern in patterns.tolist()
        ]
        return names, of_row
