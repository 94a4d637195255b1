"""Training without any service: search, fit and write a model of prepared rows.

``train`` searches and fits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import Columns, absent_of, arrays_of, listing_at
from tasador.listings.listing import Listing
from tasador.model.bundle import Bundle
from tasador.model.bundle_writer import stamp_measures, write_bundle
from tasador.model.encoders import Encoders
from tasador.model.features import places_known
from tasador.model.golden import GoldenRow
from tasador.model.intervals import GROUPS, NO_PLACE, groups_of
from tasador.model.manifest import Manifest
from tasador.model.support import bounded
from tasador.progress import Progress
from tasador.training.boosting import boost, import_xgboost
from tasador.training.encoding import encode_out_of_fold, fit_out_of_fold
from tasador.training.evaluation import evaluate, measured_confidence, ratio_study
from tasador.training.interval_fit import FittedIntervals, UnseenRows, fit_intervals
from tasador.training.search import MOST_ROUNDS, SearchResult, run_search
from tasador.training.search_options import Params, SearchOptions
from tasador.training.splits import Prepared
from tasador.training.views import Views

if TYPE_CHECKING:
    from xgboost import Booster


# Enough rows to rank parameters; the final fit uses all of them.
_SEARCH_ROWS = 25_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A fitted and calibrated model that has not been written yet."""

    encoders: Encoders
    booster: Booster
    intervals: FittedIntervals
    golden: list[GoldenRow]
    prepared: Prepared
    search_result: SearchResult
    rounds: int
    seed: int


def train(
    prepared: Prepared,
    options: SearchOptions,
    *,
    progress: Progress | None = None,
) -> TrainedModel:
    """Search and fit."""
    result = search(prepared, options, progress=progress)
    return fit(prepared, result, seed=options.seed, progress=progress)


def search(
    prepared: Prepared,
    options: SearchOptions,
    *,
    progress: Progress | None = None,
) -> SearchResult:
    """Search for training parameters; see ``SearchOptions`` for resuming and the time budget."""
    return run_search(*search_views(prepared, options.seed), options, progress=progress)


def search_views(prepared: Prepared, seed: int) -> tuple[Views, Views]:
    """The rows that a search fits on, and those that it judges on."""
    rows = np.flatnonzero(~prepared.calibration)
    # Sorted by place, so that properties stay whole.
    rows = rows[np.argsort(prepared.place[rows], kind="stable")][:_SEARCH_ROWS]
    columns, folds = _take(prepared.columns, rows), prepared.folds[rows]
    sample = encode_out_of_fold(columns, folds, seed)
    views = Views.of(sample, np.log(columns["price"]))
    return views.split(folds == 0)


def fit(
    prepared: Prepared,
    search_result: SearchResult,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainedModel:
    """Fit the final model on all training rows.

    First twins are fitted, each without one slice of the properties. Their errors there give the
    number of rounds and the intervals, which are therefore slightly wider than the final model
    needs. Every row's features come from other folds, so one encoding serves all of these models.
    """
    import pyarrow as pa

    # Arrow keeps the memory of frames that are gone.
    pa.default_memory_pool().release_unused()

    def report_encoding(fraction: float, message: str) -> None:
        if progress is not None:
            progress("encode", fraction, message)

    encoders, sample = fit_out_of_fold(prepared.columns, prepared.folds, seed, report_encoding)
    report_encoding(1.0, f"{len(prepared.place):,} rows")
    views = Views.of(sample, np.log(prepared.columns["price"]))
    encoders = encoders._replace(blend=views.blend)
    rounds, intervals = _calibrated(prepared, views, search_result.params, seed, progress)
    if progress is not None:
        progress("calibrate", 1.0, f"{rounds} rounds are enough")
        progress("fit", 0.0, f"{rounds} rounds on {len(prepared.place):,} rows")
    booster = boost(search_result.params, views.matrix(), rounds=rounds, seed=seed)
    if progress is not None:
        progress("fit", 1.0, f"{rounds} rounds")
    return TrainedModel(
        encoders=encoders,
        booster=booster,
        intervals=intervals,
        golden=_golden(prepared, encoders, booster),
        prepared=prepared,
        search_result=search_result,
        rounds=rounds,
        seed=seed,
    )


def write(
    model: TrainedModel,
    folder: str | Path,
    *,
    name: str = "tasador-price",
    git_sha: str = "",
    measured: bool = True,
) -> Manifest:
    """Write the model as a bundle; the manifest gets its metrics, ratio study and confidence on the
    permanent holdout.

    Without holdout rows, with one price only among them, or if not ``measured``, it has none of
    them.
    """
    manifest = write_bundle(
        folder,
        encoders=model.encoders,
        booster=model.booster,
        spread=model.intervals.spread,
        intervals=model.intervals.intervals,
        size_factors=model.intervals.size_factors,
        golden=model.golden,
        data=model.prepared.data,
        params={**model.search_result.params, "rounds": model.rounds, "seed": model.seed},
        states=model.prepared.states,
        name=name,
        git_sha=git_sha,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    # Of one price, no share of a variance can be explained.
    if not measured or model.prepared.holdout["price"].nunique() < 2:
        return manifest
    evaluation = evaluate(Bundle.load(folder), model.prepared.holdout)
    study = ratio_study(evaluation, states=False)
    confidence = measured_confidence(evaluation)
    return stamp_measures(folder, evaluation.metrics, study.summary(), confidence)


def _calibrated(
    prepared: Prepared, views: Views, params: Params, seed: int, progress: Progress | None
) -> tuple[int, FittedIntervals]:
    """The number of rounds, and the intervals by the errors of twins, one without each slice."""
    # The error in a state that was never seen is measured on states whose masked views the twins do
    # not train on: other listings of the same state would make it look too good.
    apart = _set_apart(prepared.columns["state"])
    rounds, unseen = MOST_ROUNDS, []
    slices = np.unique(prepared.slices)
    for done, number in enumerate(slices):
        if progress is not None:
            text = f"fitting without slice {done + 1} of {len(slices)}"
            progress("calibrate", done / len(slices), text)
        held = prepared.slices == number
        hidden, twin = _twin(views, held, apart, params, seed, None if done == 0 else rounds)
        if done == 0:
            rounds = int(twin.best_iteration) + 1
        unseen.append(_unseen(prepared, hidden, held, apart, twin, rounds))
        del hidden, twin  # or they would stay until the next ones are complete
    rows = UnseenRows.joined(unseen)
    del unseen
    return rounds, fit_intervals(rows, seed)


def _twin(
    views: Views, held: Array, apart: Array, params: Params, seed: int, rounds: int | None
) -> tuple[Views, Booster]:
    """The views of the rows that are ``held`` out, and a booster of the others.

    Without ``rounds``, it stops early by the rows held out.
    """
    shown, hidden = views.split(held, hidden=~apart)
    training = shown.matrix(hidden=~apart[~held])
    del shown
    judged = hidden.matrix(like=training) if rounds is None else None
    return hidden, boost(params, training, rounds=rounds or MOST_ROUNDS, seed=seed, judged=judged)


def _unseen(
    prepared: Prepared, unseen: Views, held: Array, apart: Array, twin: Booster, rounds: int
) -> UnseenRows:
    """The errors of a twin in the slice that it has not seen."""
    both = (unseen.sample.matrix, unseen.sample.masked[0])
    # Few properties lie in unseen places, so each one is also priced with a masked view.
    matrix = np.concatenate(both)
    predictions = unseen.blend.log_prices(matrix) + twin.inplace_predict(
        matrix, iteration_range=(0, rounds)
    )
    residuals = np.tile(unseen.log_price, 2) - predictions
    columns = _take(prepared.columns, held)
    groups = np.concatenate([groups_of(absent_of(columns), places_known(view)) for view in both])
    # Masked views count for unseen places only, and say nothing of a state that is known.
    unmasked = np.ones(len(unseen.log_price), dtype=bool)
    judged = np.concatenate([unmasked, apart[held]])
    calibrates = judged.copy()
    calibrates[len(unmasked) :] &= groups[len(unmasked) :] == GROUPS.index(NO_PLACE)
    nowhere = np.full(len(unmasked), None, dtype=object)
    return UnseenRows(
        matrix=matrix[judged],
        errors=residuals[judged],
        groups=groups[judged],
        states=np.concatenate([columns["state"], nowhere])[judged],
        second_half=np.tile(prepared.second_half[held], 2)[judged],
        calibrates=calibrates[judged],
    )


def _set_apart(states: Array) -> Array:
    """Which rows lie in a fixed third of the states, bool [n]; all of them without any state."""
    names = sorted(
        {state for state in states if state is not None},
        key=lambda name: hashlib.sha256(name.casefold().encode()).digest(),
    )
    if not names:
        return np.ones(len(states), dtype=bool)
    third = set(names[::3])
    return np.array([state in third for state in states], dtype=bool)


def _golden(prepared: Prepared, encoders: Encoders, booster: Booster) -> list[GoldenRow]:
    """Fourteen listings, real and extreme, with the training engine's prices."""
    real = [listing_at(prepared.columns, row) for row in range(8)]
    first = real[0]
    extreme = [
        Listing(),
        first._replace(house_size=None, bed=None, bath=None),
        first._replace(acre_lot=None, prev_sold_date=None, status=None),
        first._replace(city="Nowhere", state="Atlantis", zip_code="00000", brokered_by="none"),
        first._replace(zip_code=None),
        first._replace(house_size=1e6, bed=99.0, bath=99.0, acre_lot=1e5),
    ]
    listings = [listing._replace(price=None) for listing in (*real, *extreme)]
    matrix, leaned, _ = encoders.encode_rows(encoders.parse(arrays_of(listings)))
    corrected = booster.predict(import_xgboost().DMatrix(matrix)).astype(np.float64)
    prices = np.exp(
        bounded(encoders.blend.log_prices(matrix) + corrected, leaned.lowest, leaned.highest)
    )
    return [GoldenRow(*row) for row in zip(listings, prices.tolist(), strict=True)]


def _take(columns: Columns, rows: Array) -> Columns:
    return {name: values[rows] for name, values in columns.items()}
