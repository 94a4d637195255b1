"""Training: of rows that ``tasador.training.splits`` has prepared, search, fit, write.

``train`` prepares, searches and fits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasador.arrays import Array
from tasador.listings.arrays import Columns, absent_of, arrays_of
from tasador.listings.listing import Listing
from tasador.listings.table import listing_at
from tasador.model.bundle import Bundle
from tasador.model.bundle_writer import stamp_metrics, write_bundle
from tasador.model.encoders import Encoders
from tasador.model.features import BASE, places_known
from tasador.model.golden import GoldenRow
from tasador.model.intervals import (
    GROUPS,
    NO_PLACE,
    Intervals,
    calibrate,
    groups_of,
    log_size,
    size_of,
)
from tasador.model.manifest import Manifest
from tasador.progress import Progress
from tasador.training import study
from tasador.training.encoding import fit_out_of_fold
from tasador.training.evaluation import evaluate
from tasador.training.splits import CALIBRATION_SHARE, Prepared, prepare
from tasador.training.study import Params, SearchOptions, SearchResult, Views

if TYPE_CHECKING:
    import pandas as pd
    from xgboost import Booster


# Of the calibration slice, the part from which the sizes of errors are learned; the rest says how
# far to trust them.
_SIZES_SHARE = 0.6
_SIZES_PARAMS = {
    "max_depth": 4,
    "eta": 0.16,
    "min_child_weight": 30.0,
    "subsample": 0.8,
    "colsample_bytree": 0.8,
    "objective": "reg:squarederror",
}
_SIZES_ROUNDS = 40
# A search needs no more properties than this to rank parameters; the final fit sees all.
_SEARCH_ROWS = 25_000


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A fitted and calibrated model that has not been written yet."""

    encoders: Encoders
    booster: Booster
    spread: Booster
    intervals: Intervals
    golden: list[GoldenRow]
    prepared: Prepared
    search_result: SearchResult
    rounds: int
    seed: int


def train(
    frame: pd.DataFrame,
    options: SearchOptions,
    *,
    progress: Progress | None = None,
) -> TrainedModel:
    """Prepare, search and fit; see those. Raises TrainingError when there are too few rows."""
    prepared = prepare(frame, progress=progress)
    result = search(prepared, options, progress=progress)
    return fit(prepared, result, seed=options.seed, progress=progress)


def search(
    prepared: Prepared,
    options: SearchOptions,
    *,
    progress: Progress | None = None,
) -> SearchResult:
    """Find training parameters; see ``tasador.training.study.run`` for resuming and the budget."""
    rows = np.flatnonzero(~prepared.calibration)
    # By place, so that whole properties are taken.
    rows = rows[np.argsort(prepared.place[rows], kind="stable")][:_SEARCH_ROWS]
    columns, folds = _take(prepared.columns, rows), prepared.folds[rows]
    _, sample = fit_out_of_fold(columns, folds, options.seed)
    views = Views(sample, np.log(columns["price"]))
    judged = folds == 0
    return study.run(
        views.take(~judged),
        views.take(judged),
        options,
        progress=progress,
    )


def fit(
    prepared: Prepared,
    search_result: SearchResult,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> TrainedModel:
    """Fit the final model on all training rows.

    A twin that has not seen the calibration slice says first how many rounds are enough and how
    far off it is there, which is what the intervals are made of: they are a little wider than the
    final model, which saw more, would need. Every row's features come from other folds, the
    slice's too, so one encoding serves both.
    """

    def tell(share: float, message: str) -> None:
        if progress is not None:
            progress("encode", share, message)

    encoders, sample = fit_out_of_fold(prepared.columns, prepared.folds, seed, tell)
    tell(1.0, f"{len(prepared.place):,} rows")
    views = Views(sample, np.log(prepared.columns["price"]))
    if progress is not None:
        progress("calibrate", 0.0, "fitting without the calibration slice")
    rounds, spread, intervals = _calibrated(prepared, views, search_result.params, seed)
    if progress is not None:
        progress("calibrate", 1.0, f"{rounds} rounds are enough")
        progress("fit", 0.0, f"{rounds} rounds on {len(prepared.place):,} rows")
    booster = study.boost(search_result.params, views.matrix(), rounds=rounds, seed=seed)
    if progress is not None:
        progress("fit", 1.0, f"{rounds} rounds")
    return TrainedModel(
        encoders=encoders,
        booster=booster,
        spread=spread,
        intervals=intervals,
        golden=_golden(prepared, encoders, booster),
        prepared=prepared,
        search_result=search_result,
        rounds=rounds,
        seed=seed,
    )


def write(
    model: TrainedModel, folder: str | Path, *, name: str = "tasador-price", git_sha: str = ""
) -> Manifest:
    """Write the model as a bundle, with its measures on the permanent holdout in the manifest."""
    manifest = write_bundle(
        folder,
        encoders=model.encoders,
        booster=model.booster,
        spread=model.spread,
        intervals=model.intervals,
        golden=model.golden,
        data=model.prepared.data,
        params={**model.search_result.params, "rounds": model.rounds, "seed": model.seed},
        states=model.prepared.states,
        name=name,
        git_sha=git_sha,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if len(model.prepared.holdout) == 0:
        return manifest
    measured = evaluate(Bundle.load(folder), model.prepared.holdout)
    return stamp_metrics(folder, measured.metrics)


def _calibrated(
    prepared: Prepared, views: Views, params: Params, seed: int
) -> tuple[int, Booster, Intervals]:
    held = prepared.calibration
    # What a whole state never met costs is told by states whose hidden views the twin has not seen
    # either: what it saw of a state's other listings would make it look better than it is.
    apart = _set_apart(prepared.columns["state"])
    training = views.take(~held).matrix(hidden=~apart[~held])
    unseen = views.take(held)
    twin = study.boost(
        params,
        training,
        rounds=study.MOST_ROUNDS,
        seed=seed,
        judged=unseen.matrix(like=training),
    )
    rounds = int(twin.best_iteration) + 1
    both = (unseen.sample.matrix, unseen.sample.masked[0])
    # Few unseen properties lie in a place never met, so each is also asked about as if it did.
    matrix = np.concatenate(both)
    answers = matrix[:, BASE] + twin.inplace_predict(matrix, iteration_range=(0, rounds))
    off = np.tile(unseen.log_price, 2) - answers
    columns = _take(prepared.columns, held)
    groups = np.concatenate([groups_of(absent_of(columns), places_known(view)) for view in both])
    # What is hidden for show tells of places never met, and of nothing else.
    first = np.ones(len(unseen.log_price), dtype=bool)
    judged = np.concatenate([first, apart[held]])
    learned = judged & np.tile(prepared.place[held] < _SIZES_SHARE * CALIBRATION_SHARE, 2)
    judged[len(first) :] &= groups[len(first) :] == GROUPS.index(NO_PLACE)
    spread = study.boost(
        _SIZES_PARAMS,
        study.training_engine().QuantileDMatrix(
            matrix[learned], log_size(np.abs(off[learned])), nthread=1
        ),
        rounds=_SIZES_ROUNDS,
        seed=seed,
    )
    judged &= ~learned
    sizes = size_of(spread.inplace_predict(matrix[judged]).astype(np.float64))
    return rounds, spread, calibrate(off[judged], sizes, groups[judged])


def _set_apart(states: Array) -> Array:
    """Which rows lie in the third of the states that is set apart, bool [n]; the same each time."""
    names = sorted(
        {state for state in states if state is not None},
        key=lambda name: hashlib.sha256(name.casefold().encode()).digest(),
    )
    third = set(names[::3])
    return np.array([state in third for state in states], dtype=bool)


def _golden(prepared: Prepared, encoders: Encoders, booster: Booster) -> list[GoldenRow]:
    """A dozen listings, real and stretched, with the price that the training engine gives them."""
    real = [listing_at(prepared.columns, row) for row in range(8)]
    one = real[0]
    stretched = [
        Listing(),
        replace(one, house_size=None, bed=None, bath=None),
        replace(one, acre_lot=None, prev_sold_date=None, status=None),
        replace(one, city="Nowhere", state="Atlantis", zip_code="00000", brokered_by="none"),
        replace(one, zip_code=None),
        replace(one, house_size=1e6, bed=99.0, bath=99.0, acre_lot=1e5),
    ]
    listings = [replace(listing, price=None) for listing in (*real, *stretched)]
    matrix = encoders.transform(arrays_of(listings))
    corrected = booster.predict(study.training_engine().DMatrix(matrix)).astype(np.float64)
    prices = np.exp(matrix[:, BASE] + corrected)
    return [GoldenRow(*row) for row in zip(listings, prices.tolist(), strict=True)]


def _take(columns: Columns, rows: Array) -> Columns:
    return {name: values[rows] for name, values in columns.items()}
