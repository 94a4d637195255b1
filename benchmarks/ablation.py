"""What each part of the price model earns: groups of features left out, and other ways to fit.

Both are parts of ``benchmarks/model.py``. All variants of a seed see one encoding of the same rows.
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
from benchmarks.judged import Figures, Tell, held_out, median_error
from tasador.gate.measures import r2
from tasador.listings.table import columns_of
from tasador.model.categories import zips_of
from tasador.model.features import BASE, FEATURE_NAMES
from tasador.training import study
from tasador.training.encoding import Sample, fit_out_of_fold
from tasador.training.geography import load_geography

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

ALL = slice(None)
_DEARER = ("log_house_size", "bath")


class Fit(NamedTuple):
    """How the trees are fitted otherwise: parameters, rounds, whether views in which something is
    hidden are shown, and whether the coordinates of the zip code are features."""

    params: Mapping[str, Any] = {}
    rounds: int = study.MOST_ROUNDS
    hidden: bool = True
    coordinates: bool = False


TRIED = {
    "as it is": Fit(),
    "squared error": Fit({"objective": "reg:squarederror"}),
    "pseudo-Huber error, slope 0.2": Fit({"objective": "reg:pseudohubererror", "huber_slope": 0.2}),
    "never cheaper for size or baths": Fit(
        {"monotone_constraints": tuple(int(name in _DEARER) for name in FEATURE_NAMES)}
    ),
    "330 rounds at 0.09": Fit({"eta": 0.09}, rounds=330),
    "120 rounds at 0.2": Fit({"eta": 0.2}, rounds=120),
    "half of the features a tree": Fit({"colsample_bytree": 0.5}),
    "depth 5": Fit({"max_depth": 5}),
    "depth 7": Fit({"max_depth": 7}),
    "no row shown with something hidden": Fit(hidden=False),
    "coordinates of the zip code too": Fit(coordinates=True),
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
        """The prices [m] by trees fitted so on these columns."""
        sample, matrix = self.sample, self.matrix
        if fit.coordinates:
            views = [np.hstack([view, self.place]) for view in (sample.matrix, *sample.masked)]
            sample = Sample(views[0], tuple(views[1:]))
            matrix = np.hstack([matrix, self.judged_place])
        hidden = np.full(len(self.log_price), fit.hidden)
        training = study.Views(sample, self.log_price).matrix(hidden=hidden, columns=columns)
        params = {**study.KNOWN_GOOD, **fit.params}
        booster = study.boost(params, training, rounds=fit.rounds, seed=seed)
        corrected = booster.inplace_predict(matrix[:, columns])
        prices: np.ndarray = np.exp(matrix[:, BASE] + corrected)
        return prices


def encoded(frame: pd.DataFrame, away: np.ndarray, seed: int) -> Encoded:
    """The encoding of the rows that are trained on, and of those ``away`` (bool), to be judged."""
    shown, judged = columns_of(frame[~away]), columns_of(frame[away])
    keys = frame["property_key"].to_numpy(dtype=object)[~away]
    folds = pd.util.hash_array(keys, hash_key="model bench fold") % np.uint64(5)
    encoders, sample = fit_out_of_fold(shown, folds.astype(int), seed)
    matrix = encoders.transform(judged)
    log_price, price = np.log(shown["price"]), judged["price"]
    return Encoded(sample, log_price, _place(shown), matrix, _place(judged), price)


def _place(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    known = load_geography()
    at = known.positions(zips_of(columns))
    return np.where(at[:, None] >= 0, known.points[at], np.nan).astype(np.float32)


def states_away(frame: pd.DataFrame, seed: int) -> np.ndarray:
    """Which rows lie in the quarter of the states that the seed draws, bool [n]."""
    states = sorted(frame["state"].dropna().unique())
    drawn = np.random.default_rng(seed).permutation(states)[: max(1, len(states) // 4)]
    return frame["state"].isin(drawn).to_numpy(dtype=bool)


class Drawn(NamedTuple):
    """What one seed draws: properties held out at home, and a quarter of the states held out."""

    home: Encoded
    abroad: Encoded

    @classmethod
    def of(cls, frame: pd.DataFrame, seed: int) -> Drawn:
        """Draw, and encode both."""
        return cls(
            encoded(frame, held_out(frame, seed), seed),
            encoded(frame, states_away(frame, seed), seed),
        )

    def judged(self, price: Callable[[Encoded], np.ndarray]) -> dict[str, float]:
        """How good prices are at home, their seconds there, and how good they are abroad."""
        began = time.perf_counter()
        found = price(self.home)
        took = time.perf_counter() - began
        return {
            "error": median_error(self.home.price, found),
            "r2": r2(self.home.price, found),
            "seconds": took,
            "abroad": median_error(self.abroad.price, price(self.abroad)),
        }


def ablation(frame: pd.DataFrame, seeds: int, trials: int, scratch: Path, tell: Tell) -> Figures:
    """Each group of features left out in turn, the rest as it is."""
    del trials, scratch
    figures: Figures = {}
    for seed in range(seeds):
        drawn = Drawn.of(frame, seed)
        for group, gone in GROUPS.items():
            kept = [n for n, name in enumerate(FEATURE_NAMES) if not name.startswith(gone or "?")]
            seen = drawn.judged(partial(Encoded.fitted, fit=Fit(), seed=seed, columns=kept))
            _keep(figures, f"ablation, seed {seed}", group, seen, tell)
        plain = drawn.judged(lambda rows: np.exp(rows.matrix[:, BASE]))
        _keep(figures, f"ablation, seed {seed}", "the trees", plain, tell)
    return figures


def tried(frame: pd.DataFrame, seeds: int, trials: int, scratch: Path, tell: Tell) -> Figures:
    """Other ways to fit the trees, each in place of the one in use: on properties in states that
    were met, and on a quarter of the states by a model that was trained without them."""
    del trials, scratch
    figures: Figures = {}
    for seed in range(seeds):
        drawn = Drawn.of(frame, seed)
        for name, fit in TRIED.items():
            seen = drawn.judged(partial(Encoded.fitted, fit=fit, seed=seed))
            _keep(figures, f"tried, seed {seed}", name, seen, tell)
    return figures


def _keep(figures: Figures, stage: str, name: str, seen: Mapping[str, float], tell: Tell) -> None:
    for what, value in seen.items():
        figures.setdefault(f"{name}: {what}", []).append(value)
    told = ", ".join(f"{what} {value:.4g}" for what, value in seen.items())
    tell(f"{stage}, {name}: {told}")


def left_out_table(figures: Figures) -> str:
    """The table of ``ablation``: means over the seeds."""
    return _table("left out", figures, (*GROUPS, "the trees"), timed=False)


def tried_table(figures: Figures) -> str:
    """The table of ``tried``: means over the seeds."""
    return _table("trees fitted", figures, tuple(TRIED), timed=True)


def _table(title: str, figures: Figures, names: Sequence[str], timed: bool) -> str:
    """A row a name, with ratios to the first of them."""
    mean = {name: float(np.mean(values)) for name, values in figures.items()}

    def row(name: str) -> tuple[str, ...]:
        of = {what: mean[f"{name}: {what}"] for what in ("error", "r2", "abroad", "seconds")}
        ratio = {what: value / mean[f"{names[0]}: {what}"] for what, value in of.items()}
        told = (
            name,
            f"{of['error']:.2%}",
            f"{ratio['error']:.3f}",
            f"{of['r2']:.3f}",
            f"{of['abroad']:.2%}",
            f"{ratio['abroad']:.3f}",
        )
        return (*told, f"{ratio['seconds']:.2f}") if timed else told

    header = (title, "median error", "ratio", "R²", "states left out", "ratio")
    return report.table((*header, "time") if timed else header, [row(name) for name in names])
