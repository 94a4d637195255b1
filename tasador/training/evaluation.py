"""Evaluating a bundle on the permanent holdout, for the gate and for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.arrays import Array
from tasador.errors import TrainingError
from tasador.gate.measures import Evaluation, r2, rmse
from tasador.gate.slices import price_slices
from tasador.listings.listing import MARKET_PRICE
from tasador.listings.table import columns_of
from tasador.model.bundle import Bundle
from tasador.model.confidence import LEVEL
from tasador.model.intervals import LEVELS
from tasador.ratio_study.confidence import measure_confidence
from tasador.ratio_study.groups import STATE, parts_of
from tasador.ratio_study.study import Study, metrics_of, study
from tasador.training.holdout import NEWEST, holdout_mask

if TYPE_CHECKING:
    import pandas as pd


def evaluate(bundle: Bundle, frame: pd.DataFrame) -> Evaluation:
    """Evaluate the bundle on the frame's holdout rows priced within MARKET_PRICE.

    Raises TrainingError if there are none.
    """
    low, high = MARKET_PRICE
    rows = frame[holdout_mask(frame) & frame["price"].between(low, high).to_numpy(dtype=bool)]
    if len(rows) == 0:
        raise TrainingError(
            f"none of {len(frame):,} rows is in the permanent holdout: nothing to evaluate on"
        )
    columns = columns_of(rows)
    predictions = bundle.predict(columns)
    actual = columns["price"]
    return Evaluation(
        actual=actual,
        predicted=predictions.price,
        key=rows["property_key"].to_numpy(dtype=object),
        state=columns["state"],
        low=predictions.low,
        high=predictions.high,
        golden_difference=bundle.check_golden(),
        metrics={
            **measure(actual, predictions.price, predictions.low, predictions.high),
            **metrics_of(predictions.price, actual),
        },
        known_states=tuple(bundle.manifest.categories.get("state", ())),
        parts=parts_of(columns),
        newest=np.asarray(rows[NEWEST], dtype=bool) if NEWEST in rows else None,
    )


def measure(
    actual: Array, predicted: Array, low: dict[str, Array], high: dict[str, Array]
) -> dict[str, float]:
    """The overall metrics: rmse and mae in dollars, all others as shares."""
    metrics = {
        "rows": float(len(actual)),
        "r2": r2(actual, predicted),
        "rmse": rmse(actual, predicted),
        "mae": float(np.mean(np.abs(actual - predicted))),
        "median_error": float(np.median(np.abs(actual - predicted) / actual)),
    }
    for level in LEVELS:
        inside = (actual >= low[level]) & (actual <= high[level])
        metrics[f"coverage_{level}"] = float(np.mean(inside))
        metrics[f"width_{level}"] = float(np.median((high[level] - low[level]) / predicted))
    return metrics


def ratio_study(evaluation: Evaluation, *, states: bool = True) -> Study:
    """The ratio study of an evaluation; ``states`` says whether it has a group for each state."""
    parts = {kind: names for kind, names in evaluation.parts.items() if states or kind != STATE}
    return study(evaluation.predicted, evaluation.actual, evaluation.key, parts)


def measured_confidence(evaluation: Evaluation) -> dict[str, Any]:
    """How far the FSDs of an evaluation's prices reach, and what each class is worth."""
    return measure_confidence(
        evaluation.predicted,
        evaluation.actual,
        evaluation.low[LEVEL],
        evaluation.high[LEVEL],
        evaluation.state,
        evaluation.key,
    )


def by_slice(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Metrics by state and by price band: {"kind", "slice", and those of ``measure``}."""
    slices: list[tuple[str, str, Array]] = []
    states = np.array([state or "unknown" for state in evaluation.state], dtype=object)
    for state in sorted(set(states)):
        slices.append(("state", state, states == state))
    slices += price_slices(evaluation)
    return [
        {
            "kind": kind,
            "slice": name,
            **measure(
                evaluation.actual[rows],
                evaluation.predicted[rows],
                {level: values[rows] for level, values in evaluation.low.items()},
                {level: values[rows] for level, values in evaluation.high.items()},
            ),
        }
        for kind, name, rows in slices
        if rows.any()
    ]
