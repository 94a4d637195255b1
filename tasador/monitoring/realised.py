"""The champion's realised error: predictions compared with prices that arrived afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from tasador.drift.baseline import Baseline, Clustering
from tasador.drift.checks import Finding
from tasador.drift.measures import PREDICTED, in_market
from tasador.drift.thresholds import Thresholds

if TYPE_CHECKING:
    import pandas as pd

    from tasador.warehouse.predictions import Sale

# With fewer prices than this a change cannot be told from chance.
FEWEST_SOLD = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """The realised error.

    ``ratios`` [n] are log(price / prediction), one per property. ``error`` is their mean absolute
    value, None if there are none; ``usual`` is the same over the champion's reference. ``findings``
    is empty if there are too few prices to judge.
    """

    ratios: np.ndarray
    error: float | None
    usual: float
    findings: list[Finding] = field(default_factory=list)


def pair(
    predictions: Iterable[tuple[str, datetime, float]], sales: Sequence[Sale]
) -> list[tuple[float, float]]:
    """Match predictions with later prices: (predicted, paid) in dollars, one pair per property.

    A pair is the first price that arrived after a prediction, and the last prediction before that
    price. ``predictions`` are (property key, time, dollars), ``sales`` in order of arrival.
    """
    by_key: dict[str, list[tuple[datetime, float]]] = {}
    for key, when, price in predictions:
        if key:
            by_key.setdefault(key, []).append((when, price))
    pairs: dict[str, tuple[float, float]] = {}
    for sale in sales:
        if sale.property_key in pairs:
            continue
        before = [p for p in by_key.get(sale.property_key, ()) if p[0] < sale.fetched_at]
        if before:
            pairs[sale.property_key] = (max(before)[1], sale.price)
    return list(pairs.values())


def judge(
    pairs: Sequence[tuple[float, float]],
    reference: pd.DataFrame,
    baseline: Baseline | None,
    thresholds: Thresholds,
) -> Realised:
    """Compare the errors of the pairs with those on the reference's out-of-sample rows.

    Prices outside the market range are ignored on both sides: models make no claim there. The
    limits allow for chance, and for the baseline's clustering if there is one.
    """
    usual_ratios = _ratios(reference["price"], reference[PREDICTED])
    usual = float(np.abs(usual_ratios).mean())
    dollars = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    ratios = _ratios(dollars[:, 1], dollars[:, 0])
    if not len(ratios):
        return Realised(ratios=ratios, error=None, usual=usual)
    error = float(np.abs(ratios).mean())
    if len(ratios) < FEWEST_SOLD:
        return Realised(ratios=ratios, error=error, usual=usual)
    return Realised(
        ratios=ratios,
        error=error,
        usual=usual,
        findings=[
            _price_level(
                usual_ratios, ratios, thresholds, _clustering(baseline, "price_level", "price")
            ),
            _error_rise(usual_ratios, ratios, thresholds, _clustering(baseline, "error", "")),
        ],
    )


def _clustering(baseline: Baseline | None, finding: str, column: str) -> Clustering:
    return Clustering() if baseline is None else baseline.of(finding, column)


def _ratios(price: object, predicted: object) -> np.ndarray:
    paid = np.asarray(price, dtype=np.float64)
    expected = np.asarray(predicted, dtype=np.float64)
    kept = in_market(paid) & np.isfinite(expected) & (expected > 0)
    ratios: np.ndarray = np.log(paid[kept] / expected[kept])
    return ratios


def _error_rise(
    usual_ratios: np.ndarray, ratios: np.ndarray, thresholds: Thresholds, clustering: Clustering
) -> Finding:
    usual, error = float(np.abs(usual_ratios).mean()), float(np.abs(ratios).mean())
    return Finding(
        name="realised_error",
        column="",
        value=error / usual - 1,
        limit=thresholds.error_rise_limit(usual_ratios, len(ratios), clustering),
        effect="hurts",
        message=f"on the {len(ratios):,} properties whose price has arrived since, the champion's "
        f"error is {math.expm1(error):.0%}, compared with {math.expm1(usual):.0%} on rows not "
        f"seen in training ({error / usual - 1:+.0%})",
    )


def _price_level(
    usual_ratios: np.ndarray, ratios: np.ndarray, thresholds: Thresholds, clustering: Clustering
) -> Finding:
    usual, now = float(np.median(usual_ratios)), float(np.median(ratios))
    side = "above" if now > usual else "below"
    return Finding(
        name="price_level",
        column="price",
        value=abs(now - usual),
        limit=thresholds.price_level_limit(usual_ratios, len(ratios), clustering),
        effect="both",
        message=f"on the {len(ratios):,} properties whose price has arrived since, prices are "
        f"{abs(math.expm1(now - usual)):.0%} {side} the predictions",
    )
