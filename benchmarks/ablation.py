"""What each part of the price model contributes: feature groups left out, and other fits.

Both are parts of ``benchmarks/model.py``. All variants of a seed share one encoding of the rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks import report
from benchmarks.judged import Figures, Log, held_out, median_error
from tasador.gate.measures import r2
from tasador.listings.table import columns_of
from tasador.model.categories import zips_of
from tasador.model.features import BASE, FEATURE_NAMES
from tasador.training import boosting, search
from tasador.training.encoding import Sample, fit_out_of_fold
from tasador.training.geography import load_geography
from tasador.training.views import Views

# Prefixes of the names of the features that are left out.
GROUPS = {
    "nothing": (),
    "comparables": ("comparables",),
    "zip and city premiums": ("zip_count", "zip_premium", "zip_spread", "city_"),
    "broker": ("broker",),
    "how built-up the place is": ("zip_codes_",),
    "what homes are worth there": ("home_value",),
    "the narrowest regression": ("price_15",),
    "the wide regressions": ("price_nation", "price_state", "price_1000", "price_200"),
    "rooms and ratios": ("rooms", "log_size_per_room", "baths_per_bed", "log_lot_to_house"),
    "last sale": ("prev_sold_year",),
}

ALL = slice(None)
_DEARER = ("log_house_size", "bath")


class Fit(NamedTuple):
    """A variant of the fit: parameters, rounds, masked views or not, and whether the coordinates of
    the zip code are features."""

    params: Mapping[str, Any] = {}
    rounds: int = search.MOST_ROUNDS
    masked_views: bool = True
    coordinates: bool = False


TRIED = {
    "as it is": Fit(),
    "squared error": Fit({"objective": "reg:squarederror"}),
    "absolute error": Fit({"objective": "reg:absoluteerror"}),
    "never cheaper for size or baths": Fit(
        {"monotone_constraints": tuple(int(name in _DEARER) for name in FEATURE_NAMES)}
    ),
    "330 rounds at 0.09": Fit({"eta": 0.09}, rounds=330),
    "120 rounds at 0.2": Fit({"eta": 0.2}, rounds=120),
    "half of the features per tree": Fit({"colsample_bytree": 0.5}),
    "depth 5": Fit({"max_depth": 5}),
    "depth 7": Fit({"max_depth": 7}),
    "no masked views": Fit(masked_views=False),
    "with coordinates of the zip code": Fit(coordinates=True),
}


class Encoded(NamedTuple):
    """Training rows out of fold with log prices [n], and judged rows [m] with their prices.

    ``place`` [n, 3] and ``judged_place`` [m, 3] are coordinates in kilometres; nan where unknown.
    """

    sample: Sample
    log_price: np.ndarray
    place: np.ndarray
    matrix: np.ndarray
    judged_place: np.ndarray
    price: np.ndarray

    def fitted(self, fit: Fit, seed: int, columns: Sequence[int] | slice = ALL) -> np.ndarray:
        """Fit the trees on these columns, and return the prices [m] of the judged rows."""
        sample, matrix = self.sample, self.matrix
        if fit.coordinates:
            views = [np.hstack([view, self.place]) for view in (sample.matrix, *sample.masked)]
            sample = Sample(views[0], tuple(views[1:]), sample.weight)
            matrix = np.hstack([matrix, self.judged_place])
        hidden = np.full(len(self.log_price), fit.masked_views)
        training_views = Views.of(sample, self.log_price)
        training = training_views.matrix(hidden=hidden, columns=columns)
        params = {**search.KNOWN_GOOD, **fit.params}
        booster = boosting.boost(params, training, rounds=fit.rounds, seed=seed)
        corrected = booster.inplace_predict(matrix[:, columns])
        prices: np.ndarray = np.exp(training_views.blend.log_prices(matrix) + corrected)
        return prices


def encoded(
    frame: pd.DataFrame, away: np.ndarray, seed: int, folds: np.ndarray | None = None
) -> Encoded:
    """Encode the training rows, and the rows to be judged, ``away`` (bool [n]).

    ``folds`` [n] are those that the training rows are encoded by (default: five, by property).
    """
    shown, judged = columns_of(frame[~away]), columns_of(frame[away])
    if folds is None:
        keys = frame["property_key"].to_numpy(dtype=object)
        folds = (pd.util.hash_array(keys, hash_key="model bench fold") % np.uint64(5)).astype(int)
    encoders, sample = fit_out_of_fold(shown, folds[~away], seed)
    matrix = encoders.transform(judged)
    log_price, price = np.log(shown["price"]), judged["price"]
    return Encoded(sample, log_price, _place(shown), matrix, _place(judged), price)


def _place(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    known = load_geography()
    at = known.positions(zips_of(columns))
    return np.where(at[:, None] >= 0, known.points[at], np.nan).astype(np.float32)


def states_away(frame: pd.DataFrame, seed: int) -> np.ndarray:
    """Which rows lie in a quarter of the states sampled by ``seed``, bool [n]."""
    states = sorted(frame["state"].dropna().unique())
    drawn = np.random.default_rng(seed).permutation(states)[: max(1, len(states) // 4)]
    return np.asarray(frame["state"].isin(drawn), dtype=bool)


class Splits(NamedTuple):
    """The two splits of a seed: by property in known states, and by states."""

    known_states: Encoded
    new_states: Encoded

    @classmethod
    def of(cls, frame: pd.DataFrame, seed: int) -> Splits:
        """Sample both splits and encode them."""
        return cls(
            encoded(frame, held_out(frame, seed), seed),
            encoded(frame, states_away(frame, seed), seed),
        )

    def judged(self, price: Callable[[Encoded], np.ndarray]) -> dict[str, float]:
        """The errors of prices in known states, the time it takes, and the error in new states."""
        began = time.perf_counter()
        prices = price(self.known_states)
        took = time.perf_counter() - began
        return {
            "error": median_error(self.known_states.price, prices),
            "r2": r2(self.known_states.price, prices),
            "seconds": took,
            "new states": median_error(self.new_states.price, price(self.new_states)),
        }


def ablation(
    frame: pd.DataFrame, seeds: Sequence[int], trials: int, scratch: Path, log: Log
) -> Figures:
    """Leave out each group of features in turn."""
    del trials, scratch
    figures: Figures = {}
    for seed in seeds:
        splits = Splits.of(frame, seed)
        for group, prefixes in GROUPS.items():
            kept = [
                n for n, name in enumerate(FEATURE_NAMES) if not name.startswith(prefixes or "?")
            ]
            measured = splits.judged(partial(Encoded.fitted, fit=Fit(), seed=seed, columns=kept))
            _keep(figures, f"ablation, seed {seed}", group, measured, log)
        plain = splits.judged(lambda rows: np.exp(rows.matrix[:, BASE]))
        _keep(figures, f"ablation, seed {seed}", "the trees", plain, log)
    return figures


def tried(
    frame: pd.DataFrame, seeds: Sequence[int], trials: int, scratch: Path, log: Log
) -> Figures:
    """Fit the trees with each variant instead of the current settings.

    Judged on held-out properties in known states, and on a quarter of the states by a model that
    was trained without them.
    """
    del trials, scratch
    figures: Figures = {}
    for seed in seeds:
        splits = Splits.of(frame, seed)
        for name, fit in TRIED.items():
            measured = splits.judged(partial(Encoded.fitted, fit=fit, seed=seed))
            _keep(figures, f"tried, seed {seed}", name, measured, log)
    return figures


def _keep(figures: Figures, stage: str, name: str, measured: Mapping[str, float], log: Log) -> None:
    for what, value in measured.items():
        figures.setdefault(f"{name}: {what}", []).append(value)
    text = ", ".join(f"{what} {value:.4g}" for what, value in measured.items())
    log(f"{stage}, {name}: {text}")


def left_out_table(figures: Figures) -> str:
    """The table of ``ablation``: means over the seeds."""
    return _table("left out", figures, (*GROUPS, "the trees"), timed=False)


def tried_table(figures: Figures) -> str:
    """The table of ``tried``: means over the seeds."""
    return _table("trees fitted", figures, tuple(TRIED), timed=True)


def _table(title: str, figures: Figures, names: Sequence[str], timed: bool) -> str:
    """One row per name, with ratios to the first."""
    mean = {name: float(np.mean(values)) for name, values in figures.items()}

    def row(name: str) -> tuple[str, ...]:
        of = {what: mean[f"{name}: {what}"] for what in ("error", "r2", "new states", "seconds")}
        ratio = {what: value / mean[f"{names[0]}: {what}"] for what, value in of.items()}
        cells = (
            name,
            f"{of['error']:.2%}",
            f"{ratio['error']:.3f}",
            f"{of['r2']:.3f}",
            f"{of['new states']:.2%}",
            f"{ratio['new states']:.3f}",
        )
        return (*cells, f"{ratio['seconds']:.2f}") if timed else cells

    header = (title, "median error", "ratio", "R²", "states left out", "ratio")
    return report.table((*header, "time") if timed else header, [row(name) for name in names])
