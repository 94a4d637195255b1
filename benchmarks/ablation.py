"""What each part of the price model earns: groups of features left out, and other ways to fit.

Both are parts of ``benchmarks/model.py``. All variants of a seed see one encoding of the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks import report
from benchmarks.judged import Figures, Tell, held_out, median_error
from tasador import study
from tasador.encoding import Sample, fit_out_of_fold
from tasador.features import BASE, FEATURE_NAMES
from tasador.gate import r2
from tasador.table import columns_of

# What is left out, by the features' names (by their beginnings).
GROUPS = {
    "nothing": (),
    "comparables": ("comparables",),
    "zip and city premiums": ("zip_count", "zip_premium", "zip_spread", "city_"),
    "broker": ("broker",),
    "how built-up the place is": ("zip_codes_",),
    "the narrowest regression": ("price_15",),
    "the wide regressions": ("price_nation", "price_state", "price_1000", "price_200"),
    "rooms and ratios": ("rooms", "log_size_per_room", "baths_per_bed", "log_lot_to_house"),
    "last sale": ("prev_sold_year",),
}

_DEARER = ("log_house_size", "bath")


class Fit(NamedTuple):
    """How the trees are fitted otherwise: parameters, rounds, whether hidden views are shown."""

    params: Mapping[str, Any] = {}
    rounds: int = study.MOST_ROUNDS
    hidden: bool = True


TRIED = {
    "as it is": Fit(),
    "squared error": Fit({"objective": "reg:squarederror"}),
    "pseudo-Huber error, slope 0.2": Fit({"objective": "reg:pseudohubererror", "huber_slope": 0.2}),
    "never cheaper for size or baths": Fit(
        {"monotone_constraints": tuple(int(name in _DEARER) for name in FEATURE_NAMES)}
    ),
    "500 rounds at 0.06": Fit({"eta": 0.06}, rounds=500),
    "250 rounds at 0.12": Fit({"eta": 0.12}, rounds=250),
    "depth 5": Fit({"max_depth": 5}),
    "depth 7": Fit({"max_depth": 7}),
    "no row shown with something hidden": Fit(hidden=False),
}


class Encoded(NamedTuple):
    """Training rows out of fold with log prices [n], and judged rows [m] with their prices."""

    sample: Sample
    log_price: np.ndarray
    matrix: np.ndarray
    price: np.ndarray

    def priced(self, booster: Any, kept: list[int]) -> np.ndarray:
        """The prices [m] by a booster of the columns ``kept``."""
        return np.exp(self.matrix[:, BASE] + booster.inplace_predict(self.matrix[:, kept]))


def encoded(frame: pd.DataFrame, seed: int) -> Encoded:
    """The encoding of a seed's training and judged rows."""
    away = held_out(frame, seed)
    shown, judged = columns_of(frame[~away]), columns_of(frame[away])
    keys = frame["property_key"].to_numpy(dtype=object)[~away]
    folds = pd.util.hash_array(keys, hash_key="model bench fold") % np.uint64(5)
    encoders, sample = fit_out_of_fold(shown, folds.astype(int), seed)
    return Encoded(sample, np.log(shown["price"]), encoders.transform(judged), judged["price"])


def ablation(frame: pd.DataFrame, seeds: int, trials: int, scratch: Path, tell: Tell) -> Figures:
    """Each group of features left out in turn, the rest as it is."""
    del trials, scratch
    figures: Figures = {}
    for seed in range(seeds):
        rows = encoded(frame, seed)
        for group, gone in GROUPS.items():
            kept = [n for n, name in enumerate(FEATURE_NAMES) if not name.startswith(gone or "?")]
            price = rows.priced(_fitted(rows, kept, Fit(), seed), kept)
            error = median_error(rows.price, price)
            figures.setdefault(f"without {group}", []).append(error)
            tell(f"ablation, seed {seed}, without {group}: {error:.2%}")
        plain = median_error(rows.price, np.exp(rows.matrix[:, BASE]))
        figures.setdefault("without the trees", []).append(plain)
    return figures


def tried(frame: pd.DataFrame, seeds: int, trials: int, scratch: Path, tell: Tell) -> Figures:
    """Other ways to fit the trees, each in place of the one in use."""
    del trials, scratch
    figures: Figures = {}
    every = list(range(len(FEATURE_NAMES)))
    for seed in range(seeds):
        rows = encoded(frame, seed)
        for name, fit in TRIED.items():
            began = time.perf_counter()
            booster = _fitted(rows, every, fit, seed)
            took = time.perf_counter() - began
            price = rows.priced(booster, every)
            seen = {
                "error": median_error(rows.price, price),
                "r2": r2(rows.price, price),
                "seconds": took,
            }
            for what, value in seen.items():
                figures.setdefault(f"{name}: {what}", []).append(value)
            tell(f"tried, seed {seed}, {name}: {seen['error']:.2%}, R² {seen['r2']:.3f}")
    return figures


def _fitted(rows: Encoded, kept: list[int], fit: Fit, seed: int) -> Any:
    masked = rows.sample.masked if fit.hidden else ()
    views = (rows.sample.matrix, *masked)
    weights = [1.0, *[study.MASKED_WEIGHT / len(masked) for _ in masked]]
    training = study.training_engine().QuantileDMatrix(
        np.concatenate([view[:, kept] for view in views]),
        np.concatenate([rows.log_price - view[:, BASE] for view in views]),
        weight=np.repeat(weights, len(rows.log_price)),
    )
    params = {**study.KNOWN_GOOD, **fit.params}
    return study.boost(params, training, rounds=fit.rounds, seed=seed)


def left_out_table(figures: Figures) -> str:
    """The table of ``ablation``: means over the seeds."""
    mean = {name: float(np.mean(values)) for name, values in figures.items()}
    rows = [
        (name.removeprefix("without "), f"{error:.2%}", f"{error / mean['without nothing']:.3f}")
        for name, error in mean.items()
    ]
    return report.table(("left out", "median error, all rows", "ratio"), rows)


def tried_table(figures: Figures) -> str:
    """The table of ``tried``: means over the seeds."""
    mean = {name: float(np.mean(values)) for name, values in figures.items()}
    base = {what: mean[f"as it is: {what}"] for what in ("error", "seconds")}
    rows = [
        (
            name,
            f"{(error := mean[f'{name}: error']):.2%}",
            f"{error / base['error']:.3f}",
            f"{mean[f'{name}: r2']:.3f}",
            f"{mean[f'{name}: seconds'] / base['seconds']:.2f}",
        )
        for name in TRIED
    ]
    return report.table(("trees fitted", "median error", "ratio", "R²", "time to fit"), rows)
