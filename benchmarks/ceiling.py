"""What the same features allow without a bound on trees, and what a careless split would claim.

A part of ``benchmarks/model.py``. Each learner corrects the same blend from the same features, on
the same splits. LightGBM and CatBoost are compared if they are installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import report
from benchmarks.ablation import Encoded, Fit, encoded, states_away
from benchmarks.judged import Figures, Log, held_out, median_error
from tasador.gate.measures import r2
from tasador.model.features import FEATURE_NAMES
from tasador.training import boosting, search
from tasador.training.views import Views

# The features that tell a row with bed, bath and size.
_ROOMS = [FEATURE_NAMES.index(name) for name in ("bed", "bath", "log_house_size")]
_SHARE = 0.1
# Features, labels and weights to train on, features to correct, the seed -> corrections.
Learner = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]

OURS = "tasador"
MEAN = "mean of the learners"
BY_ROW = "tasador, rows split at random"
_WHAT = ("rooms error", "rooms r2", "error", "r2", "new states")


def _xgboost(
    rows: np.ndarray, label: np.ndarray, weight: np.ndarray, judged: np.ndarray, seed: int
) -> np.ndarray:
    training = boosting.import_xgboost().QuantileDMatrix(rows, label, weight=weight, nthread=1)
    params = {**search.KNOWN_GOOD, "max_depth": 7, "eta": 0.05, "colsample_bytree": 0.5}
    return np.asarray(
        boosting.boost(params, training, rounds=600, seed=seed).inplace_predict(judged)
    )


def _lightgbm(
    rows: np.ndarray, label: np.ndarray, weight: np.ndarray, judged: np.ndarray, seed: int
) -> np.ndarray:
    import lightgbm

    params = {
        "objective": "huber",
        "alpha": 0.2,
        "learning_rate": 0.05,
        "num_leaves": 95,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.9,
        "bagging_freq": 1,
        "lambda_l2": 3.0,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
    training = lightgbm.Dataset(rows, label, weight=weight)
    return np.asarray(lightgbm.train(params, training, 600).predict(judged))


def _catboost(
    rows: np.ndarray, label: np.ndarray, weight: np.ndarray, judged: np.ndarray, seed: int
) -> np.ndarray:
    # Not a dependency, so mypy does not find it.
    model = import_module("catboost").CatBoostRegressor(
        loss_function="Huber:delta=0.2",
        iterations=1500,
        learning_rate=0.1,
        depth=8,
        thread_count=1,
        random_seed=seed,
        allow_writing_files=False,
        verbose=False,
    )
    return np.asarray(model.fit(rows, label, sample_weight=weight).predict(judged))


# Title -> package and learner.
LEARNERS: dict[str, tuple[str, Learner]] = {
    "XGBoost, 600 rounds at depth 7": ("xgboost", _xgboost),
    "LightGBM, 600 rounds of 95 leaves": ("lightgbm", _lightgbm),
    "CatBoost, 1,500 rounds at depth 8": ("catboost", _catboost),
}


def ceiling(
    frame: pd.DataFrame, seeds: Sequence[int], trials: int, scratch: Path, log: Log
) -> Figures:
    """Judge each learner, their mean, and today's trees on rows that were split at random."""
    del trials, scratch
    figures: Figures = {}

    def keep(seed: int, name: str, measured: dict[str, float]) -> None:
        for what, value in measured.items():
            figures.setdefault(f"{name}: {what}", []).append(value)
        text = ", ".join(f"{what} {value:.4g}" for what, value in measured.items())
        log(f"ceiling, seed {seed}, {name}: {text}")

    learners = {name: of for name, (package, of) in LEARNERS.items() if find_spec(package)}
    for seed in seeds:
        known = encoded(frame, held_out(frame, seed), seed)
        new = encoded(frame, states_away(frame, seed), seed)
        logs: list[tuple[np.ndarray, np.ndarray]] = []
        for name, learner in learners.items():
            logs.append((_log_prices(known, learner, seed), _log_prices(new, learner, seed)))
            keep(seed, name, _judged(known, new, *logs[-1]))
        keep(seed, MEAN, _judged(known, new, *np.mean(np.array(logs, dtype=object), axis=0)))
        ours = [np.log(rows.fitted(Fit(), seed)) for rows in (known, new)]
        keep(seed, OURS, _judged(known, new, *ours))
        draw = np.random.default_rng(seed)
        away = draw.random(len(frame)) < _SHARE
        by_row = encoded(frame, away, seed, draw.integers(0, 5, len(frame)))
        keep(seed, BY_ROW, _errors(by_row, np.log(by_row.fitted(Fit(), seed))))
    return figures


def _log_prices(rows: Encoded, learner: Learner, seed: int) -> np.ndarray:
    views = Views.of(rows.sample, rows.log_price)
    corrected = learner(*views.joined(), rows.matrix, seed)
    return np.asarray(views.blend.log_prices(rows.matrix) + corrected)


def _judged(
    known: Encoded, new: Encoded, log_prices: np.ndarray, new_log_prices: np.ndarray
) -> dict[str, float]:
    in_new = median_error(new.price, np.exp(new_log_prices.astype(float)))
    return {**_errors(known, log_prices.astype(float)), "new states": in_new}


def _errors(rows: Encoded, log_prices: np.ndarray) -> dict[str, float]:
    price = np.exp(log_prices)
    rooms = ~np.isnan(rows.matrix[:, _ROOMS]).any(axis=1)
    return {
        "rooms error": median_error(rows.price[rooms], price[rooms]),
        "rooms r2": r2(rows.price[rooms], price[rooms]),
        "error": median_error(rows.price, price),
        "r2": r2(rows.price, price),
    }


def ceiling_table(figures: Figures) -> str:
    """The table of ``ceiling``: means over the seeds."""

    def cell(name: str, what: str) -> str:
        values: Any = figures.get(f"{name}: {what}")
        if not values:
            return "" if f"{name}: error" in figures else "not installed"
        return f"{np.mean(values):.3f}" if what.endswith("r2") else f"{np.mean(values):.2%}"

    header = ("trees", "bed, bath, size", "R²", "all rows", "R²", "states left out")
    names = (OURS, *LEARNERS, MEAN, BY_ROW)
    return report.table(header, [(name, *(cell(name, what) for what in _WHAT)) for name in names])
