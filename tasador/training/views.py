"""Rows to train or judge a model on, in all views: as listed, and with features masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.model.blend import Blend
from tasador.training.blend_fit import chunks, fit_blend
from tasador.training.boosting import import_xgboost
from tasador.training.encoding import Sample

# The weight of all masked views of a row together; the row itself has weight 1.
MASKED_WEIGHT = 0.4


@dataclass(frozen=True, slots=True)
class Views:
    """Rows to train or judge a model on, in all views, with their log prices [n] and the blend."""

    sample: Sample
    log_price: Array
    blend: Blend

    @classmethod
    def of(cls, sample: Sample, log_price: Array, hidden: Array | None = None) -> Views:
        """The views of rows, with the blend that fits them best.

        ``hidden`` [n] selects the rows whose masked views the blend is fitted on (default: all).
        """
        hidden = np.ones(len(log_price), dtype=bool) if hidden is None else hidden
        weight = MASKED_WEIGHT / len(sample.masked)
        masked = [(view[hidden], log_price[hidden], weight) for view in sample.masked]
        return cls(sample, log_price, fit_blend([(sample.matrix, log_price, 1.0), *masked]))

    def split(self, held: Array, hidden: Array | None = None) -> tuple[Views, Views]:
        """The rows to train on and the ``held`` ones [n], whose prices the blend has not seen.

        ``hidden``: see ``of``.
        """
        hidden = None if hidden is None else hidden[~held]
        training = Views.of(self.sample.take(~held), self.log_price[~held], hidden)
        return training, replace(self.take(held), blend=training.blend)

    def take(self, rows: Array) -> Views:
        """The views of the given rows."""
        return Views(self.sample.take(rows), self.log_price[rows], self.blend)

    def matrix(
        self,
        like: Any = None,
        hidden: Array | None = None,
        columns: Sequence[int] | slice = slice(None),
    ) -> Any:
        """The DMatrix of all views, binned like the training matrix ``like`` if given.

        ``hidden`` [n] selects the rows whose masked views are included (default: all), ``columns``
        the features for the trees (default: all). The label is the residual of the blend,
        which the trees correct. In the rows to judge on, all errors count the same.
        """
        features, residual, weight = self.joined(hidden, columns, weighed=like is None)
        return import_xgboost().QuantileDMatrix(
            features, residual, weight=weight, nthread=1, ref=like
        )

    def joined(
        self,
        hidden: Array | None = None,
        columns: Sequence[int] | slice = slice(None),
        *,
        weighed: bool = True,
    ) -> tuple[Array, Array, Array]:
        """The features of all views, their residuals and weights; see ``matrix``. They are copied
        once, since they are most of a training's memory. If not ``weighed``, only the view counts.
        """
        every = np.arange(len(self.log_price))
        shown = every if hidden is None else np.flatnonzero(hidden)
        masked = self.sample.masked
        views = [(self.sample.matrix, every, 1.0)]
        views += [(view, shown, MASKED_WEIGHT / len(masked)) for view in masked]
        total = sum(len(rows) for _, rows, _ in views)
        features = np.empty((total, self.sample.matrix[:1, columns].shape[1]), dtype=np.float32)
        residual, weights = np.empty(total), np.empty(total)
        begin = 0
        for view, view_rows, weight in views:
            for chunk in chunks(len(view_rows)):
                rows = view_rows[chunk]
                part = slice(begin, begin + len(rows))
                taken = view[rows]
                features[part] = taken[:, columns]
                residual[part] = self.log_price[rows] - self.blend.log_prices(taken)
                weights[part] = weight * self.sample.weight[rows] if weighed else weight
                begin = part.stop
        return features, residual, weights
