"""The search for training parameters: an Optuna study that can be killed and resumed.

The study is in ``shared_study.py``: an interrupted and resumed search runs the same trials as an
uninterrupted one, and several tasks may share them.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasador.progress import Progress
from tasador.training.boosting import RUNG, boost, import_xgboost
from tasador.training.search_options import Params, SearchOptions
from tasador.training.views import Views

if TYPE_CHECKING:
    from tasador.training.shared_study import SharedStudy

# The DMatrix to fit on, and the one to judge on.
Matrices = tuple[Any, Any]

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
# So long may a thread of a search keep the interpreter while another waits.
SWITCH_SECONDS = 0.0005


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


def run_search(
    training: Views,
    judged: Views,
    options: SearchOptions,
    *,
    progress: Progress | None = None,
) -> SearchResult:
    """Search for the parameters with the lowest mean absolute log error on ``judged``.

    Several tasks of this process share the binned rows: fits in threads only read them. (XGBoost
    promises this for predictions alone, so a test checks it for fits.) Of several processes, the
    one that ends last has the outcomes of all trials. One that ends before the first outcome
    returns an infinite error.
    """

    def open_study() -> SharedStudy:
        from tasador.training.shared_study import SharedStudy

        return SharedStudy(options, KNOWN_GOOD, warmup_rounds=2 * RUNG)

    def bin_rows() -> Matrices:
        train_matrix = training.matrix()
        return train_matrix, judged.matrix(like=train_matrix)

    if len(options.own) == 1:
        study = open_study()
        _run_trials(study, options.own[0], bin_rows(), options, progress)
        return _result(study, progress)
    # XGBoost is imported first: until then, no thread can import scikit-learn. Binning hardly needs
    # the interpreter, so Optuna is imported meanwhile.
    import_xgboost()
    with _switching_often(), ThreadPoolExecutor(len(options.own)) as threads:
        binning = threads.submit(bin_rows)
        study = open_study()
        try:
            matrices = binning.result()
            running = [
                # A copy of the context has the span that the trials belong to.
                threads.submit(
                    copy_context().run, _run_trials, study, task, matrices, options, progress
                )
                for task in options.own
            ]
            for ended in as_completed(running):
                ended.result()
        except BaseException:
            # The others end after the trial that they run.
            study.stop()
            raise
    return _result(study, progress)


@contextmanager
def _switching_often() -> Iterator[None]:
    """Let a thread ask for the interpreter after half a millisecond.

    A fit needs the interpreter after each round, every ten milliseconds. By default it waits five
    milliseconds each time while another thread claims or records a trial.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _run_trials(
    study: SharedStudy,
    task: int,
    matrices: Matrices,
    options: SearchOptions,
    progress: Progress | None,
) -> None:
    """Run the trials of that task."""
    import optuna

    train_matrix, judged_matrix = matrices
    while (claim := study.claim(task)) is not None:
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


def _result(study: SharedStudy, progress: Progress | None) -> SearchResult:
    import optuna

    from tasador.training.shared_study import SPACE

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
