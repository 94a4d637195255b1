"""The search for training parameters: an Optuna study that can be killed and resumed.

The study is in ``shared_study.py``: an interrupted and resumed search runs the same trials as an
uninterrupted one, and several tasks may share them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.model.blend import Blend
from tasador.progress import Progress
from tasador.training.blend_fit import chunks, fit_blend
from tasador.training.boosting import RUNG, boost, import_xgboost
from tasador.training.encoding import Sample
from tasador.training.search_options import Params, SearchOptions

# The weight of all masked views of a row together; the row itself has weight 1.
MASKED_WEIGHT = 0.4

# Known good values, tried first. Depth and rounds are bounded because a price costs trees x depth
# steps and an exact explanation trees x leaves x depth squared.
KNOWN_GOOD: Params = {
    "max_depth": 6,
    "eta": 0.17,
    "min_child_weight": 10.0,
    "subsample": 0.9,
    "colsample_bytree": 0.8,
    "reg_lambda": 3.0,
}
MOST_ROUNDS = 128


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial; ``value`` is the mean absolute log error, None where it was pruned."""

    number: int
    params: Params
    value: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The outcome of a study: the best parameters, their error, and every finished trial."""

    params: Params
    value: float
    trials: list[Trial]


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


def run_search(
    training: Views,
    judged: Views,
    options: SearchOptions,
    *,
    progress: Progress | None = None,
) -> SearchResult:
    """Search for the parameters with the lowest mean absolute log error on ``judged``.

    Of several tasks, the one that ends last has the outcomes of all trials. One that ends before
    the first outcome returns an infinite error.
    """
    import optuna

    from tasador.training.shared_study import SPACE, SharedStudy

    study = SharedStudy(options, KNOWN_GOOD, warmup_rounds=2 * RUNG)
    train_matrix = training.matrix()
    judged_matrix = judged.matrix(like=train_matrix)
    while (claim := study.claim()) is not None:
        if progress is not None:
            text = f"trial {claim.number + 1} of {options.trials}"
            progress("search", claim.number / options.trials, text)
        began = time.monotonic()
        value: float | None = None
        errors: dict[int, float] = {}

        def prune(step: int, error: float, view: Any = claim.view, errors: Any = errors) -> None:
            errors[step] = error
            view.report(error, step)
            if view.should_prune():
                raise optuna.TrialPruned

        with study.alive(claim), suppress(optuna.TrialPruned):
            booster = boost(
                claim.params,
                train_matrix,
                rounds=MOST_ROUNDS,
                seed=options.seed,
                judged=judged_matrix,
                report=prune,
            )
            value = float(booster.best_score)
        if study.finish(claim, value, errors) and options.on_trial is not None:
            options.on_trial(claim.number, claim.params, value, time.monotonic() - began)
    trials = [
        Trial(
            number,
            {name: t.params[name] for name in SPACE},
            t.value if t.state == optuna.trial.TrialState.COMPLETE else None,
            t.duration.total_seconds() if t.duration else 0.0,
        )
        for number, t in study.finished().items()
    ]
    values = {trial.number: trial.value for trial in trials if trial.value is not None}
    best = min(values, key=lambda number: values[number], default=None)
    if best is None:
        return SearchResult({}, math.inf, trials)
    if progress is not None:
        progress("search", 1.0, f"best error {values[best]:.4f}")
    params = next(dict(trial.params) for trial in trials if trial.number == best)
    return SearchResult(params, values[best], trials)
