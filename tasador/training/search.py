"""The search for training parameters: an Optuna study that can be killed and resumed.

For each trial the sampler is seeded with the number of finished trials, so an interrupted and
resumed search runs the same trials as an uninterrupted one.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.engine.xgboost_library import sleep_while_waiting
from tasador.errors import TrainingError
from tasador.model.blend import Blend
from tasador.progress import Progress
from tasador.training.blend_fit import fit_blend
from tasador.training.encoding import Sample

Params = dict[str, Any]
OnTrial = Callable[[int, Params, float | None, float], None]

# The weight of all masked views of a row together; the row itself has weight 1.
MASKED_WEIGHT = 0.4
# Squared up to errors of some 0.2 in log price and absolute beyond, so that an outlier counts once.
# The absolute error itself takes six times as long: each tree's leaves are then medians.
_LOSS: Params = {"objective": "reg:pseudohubererror", "huber_slope": 0.2}

# Known good values, tried first. Depth and rounds are bounded because a price costs trees x depth
# steps and an exact explanation trees x leaves x depth squared.
KNOWN_GOOD: Params = {
    "max_depth": 6,
    "eta": 0.15,
    "min_child_weight": 10.0,
    "subsample": 0.9,
    "colsample_bytree": 0.8,
    "reg_lambda": 3.0,
}
MOST_ROUNDS = 160
LARGEST_SEED = 2**31 - 1  # of xgboost
_PATIENCE = 30
_RUNG = 50


@dataclass(frozen=True, slots=True)
class Trial:
    """One finished trial; ``value`` is the mean absolute log error, None where it was pruned."""

    number: int
    params: Params
    value: float | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How to search for training parameters.

    ``trials`` is the number of finished trials to reach. After ``budget_seconds`` no further trial
    starts; at least one always runs. With a ``storage`` URL the study ``study_name`` is kept there
    and resumed; without one it is kept in memory. ``on_trial`` is called after each trial with
    (number, parameters, error or None if pruned, seconds).

    Raises TrainingError for numbers that no search can have.
    """

    trials: int = 12
    seed: int = 0
    budget_seconds: float | None = None
    storage: str | None = None
    study_name: str | None = None
    on_trial: OnTrial | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise TrainingError(
                f"seed is {self.seed}: choose a whole number from 0 to {LARGEST_SEED:,}"
            )
        if self.trials < 1:
            raise TrainingError(f"trials is {self.trials}: at least 1 is needed")


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
        which the trees correct.
        """
        features, residual, weight = self.joined(hidden, columns)
        return import_xgboost().QuantileDMatrix(
            features, residual, weight=weight, nthread=1, ref=like
        )

    def joined(
        self, hidden: Array | None = None, columns: Sequence[int] | slice = slice(None)
    ) -> tuple[Array, Array, Array]:
        """The features of all views, their residuals and weights; see ``matrix``. They are copied
        once, since they are most of a training's memory."""
        every = np.arange(len(self.log_price))
        shown = every if hidden is None else np.flatnonzero(hidden)
        masked = self.sample.masked
        views = [(self.sample.matrix, every, 1.0)]
        views += [(view, shown, MASKED_WEIGHT / len(masked)) for view in masked]
        total = sum(len(rows) for _, rows, _ in views)
        features = np.empty((total, self.sample.matrix[:1, columns].shape[1]), dtype=np.float32)
        residual, weights = np.empty(total), np.empty(total)
        begin = 0
        for view, rows, weight in views:
            part = slice(begin, begin + len(rows))
            # With mode="raise" numpy would make a copy first.
            np.take(view[:, columns], rows, axis=0, out=features[part], mode="clip")
            residual[part] = (self.log_price - self.blend.log_prices(view))[rows]
            weights[part] = weight
            begin = part.stop
        return features, residual, weights


def boost(
    params: Mapping[str, Any],
    training: Any,
    *,
    rounds: int,
    seed: int,
    judged: Any = None,
    report: Callable[[int, float], None] | None = None,
) -> Any:
    """Fit a booster on DMatrix ``training``; with ``judged``, stop early when it stops improving.

    ``report`` is called with (round, error) every fifty rounds and may raise to stop the fit.
    """
    import_xgboost()
    import xgboost

    class Rungs(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if report is not None and (epoch + 1) % _RUNG == 0:
                report(epoch + 1, min(evals_log["judged"]["mae"]))
            return False

    settings = {
        **({} if "objective" in params else _LOSS),
        **params,
        "eval_metric": "mae",
        "tree_method": "hist",
        # Threads would sum gradients in another order, and one seed would not give one model.
        "nthread": 1,
        "seed": seed,
        "verbosity": 1,
    }
    return xgboost.train(
        settings,
        training,
        rounds,
        evals=[] if judged is None else [(judged, "judged")],
        early_stopping_rounds=None if judged is None else _PATIENCE,
        callbacks=[Rungs()] if judged is not None else None,
        verbose_eval=False,
    )


def run_search(
    training: Views,
    judged: Views,
    options: SearchOptions,
    *,
    progress: Progress | None = None,
) -> SearchResult:
    """Search for the parameters with the lowest mean absolute log error on ``judged``."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    states = optuna.trial.TrialState
    study = optuna.create_study(
        storage=options.storage,
        study_name=options.study_name,
        load_if_exists=options.storage is not None,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=2 * _RUNG),
    )
    for stale in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        study.tell(stale.number, state=states.FAIL)
    train_matrix = training.matrix()
    judged_matrix = judged.matrix(like=train_matrix)
    started = time.monotonic()
    while True:
        done = len(study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED)))
        spent = time.monotonic() - started
        out_of_time = options.budget_seconds is not None and spent >= options.budget_seconds
        if done >= options.trials or (done and out_of_time):
            break
        if progress is not None:
            progress("search", done / options.trials, f"trial {done + 1} of {options.trials}")
        study.sampler = optuna.samplers.TPESampler(
            seed=(options.seed * 100_003 + done) % 2**32, n_startup_trials=4
        )
        # A killed trial is marked FAIL by now and does not count.
        if not done and not study.get_trials(False, (states.WAITING,)):
            study.enqueue_trial(KNOWN_GOOD)
        trial = study.ask()
        params = _suggest(trial)
        began = time.monotonic()
        value: float | None = None
        try:
            booster = boost(
                params,
                train_matrix,
                rounds=MOST_ROUNDS,
                seed=options.seed,
                judged=judged_matrix,
                report=partial(_rung, trial),
            )
            value = float(booster.best_score)
            study.tell(trial, value)
        except optuna.TrialPruned:
            study.tell(trial, state=states.PRUNED)
        if options.on_trial is not None:
            options.on_trial(trial.number, params, value, time.monotonic() - began)
    finished = [
        Trial(
            t.number,
            dict(t.params),
            t.value if t.state == states.COMPLETE else None,
            t.duration.total_seconds() if t.duration else 0.0,
        )
        for t in study.get_trials(deepcopy=False, states=(states.COMPLETE, states.PRUNED))
    ]
    if progress is not None:
        progress("search", 1.0, f"best error {study.best_value:.4f}")
    return SearchResult(dict(study.best_params), float(study.best_value), finished)


def _rung(trial: Any, step: int, error: float) -> None:
    import optuna

    trial.report(error, step)
    if trial.should_prune():
        raise optuna.TrialPruned


def _suggest(trial: Any) -> Params:
    return {
        "max_depth": trial.suggest_int("max_depth", 4, 7),
        "eta": trial.suggest_float("eta", 0.05, 0.25, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 50.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.6, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.1, 20.0, log=True),
    }


def import_xgboost() -> Any:
    """Import the xgboost package; all training code imports it through this function.

    Its threads sleep while waiting. It also imports scikit-learn if that is installed, which would
    be most of a process's start-up time, so scikit-learn is hidden during the import.
    """
    sleep_while_waiting()
    hidden = "xgboost" not in sys.modules and "sklearn" not in sys.modules
    if hidden:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
    try:
        import xgboost
    finally:
        if hidden:
            del sys.modules["sklearn"]
    return xgboost
