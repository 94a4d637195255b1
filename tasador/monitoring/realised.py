"""The champion's error where a price has come in since for a property that it priced."""

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
from tasador.listings.listing import Listing, property_key

if TYPE_CHECKING:
    import pandas as pd

    from tasador.warehouse.predictions import Sale

# Below this many prices nothing is told from chance.
FEWEST_SOLD = 30


def key_of(listing: Listing) -> str:
    """The property's key, empty where street, city or zip is missing: it could be any property."""
    whole = listing.street and listing.city and listing.zip_code
    return property_key(listing) if whole else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Realised:
    """``ratios`` [n] are log(price / prediction), one a property; ``error`` their mean absolute
    value, None without any; ``findings`` are empty where they are too few to judge by."""

    ratios: np.ndarray
    error: float | None
    usual: float
    findings: list[Finding] = field(default_factory=list)


def pair(
    predictions: Iterable[tuple[str, datetime, float]], sales: Sequence[Sale]
) -> list[tuple[float, float]]:
    """(predicted, paid) dollars, one pair a property: the first price that came after a
    prediction, and the last prediction before it came.

    ``predictions`` are (property key, when, dollars), ``sales`` in the order in which they came.
    """
    by_key: dict[str, list[tuple[datetime, float]]] = {}
    for key, when, price in predictions:
        if key:
            by_key.setdefault(key, []).append((when, price))
    pairs: dict[str, tuple[float, float]] = {}
    for sale in sales:
        if sale.property_key in pairs:
            continue
        before = [p for p in by_key.get(sale.property_key, ()) if p[0] < sale.came_at]
        if before:
            pairs[sale.property_key] = (max(before)[1], sale.price)
    return list(pairs.values())


def judge(
    pairs: Sequence[tuple[float, float]],
    reference: pd.DataFrame,
    baseline: Baseline | None,
    limits: Thresholds,
) -> Realised:
    """Compare the errors of the pairs with those on the reference's honest rows.

    Prices outside the market are left out on both sides: models do not answer for them. What the
    baseline says of how batches stray widens the limits; without one, chance alone does.
    """
    there = _ratios(reference["price"], reference[PREDICTED])
    usual = float(np.abs(there).mean())
    given = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    here = _ratios(given[:, 1], given[:, 0])
    if not len(here):
        return Realised(ratios=here, error=None, usual=usual)
    error = float(np.abs(here).mean())
    if len(here) < FEWEST_SOLD:
        return Realised(ratios=here, error=error, usual=usual)
    return Realised(
        ratios=here,
        error=error,
        usual=usual,
        findings=[
            _level(there, here, limits, _clustering(baseline, "price_level", "price")),
            _rise(there, here, limits, _clustering(baseline, "error", "")),
        ],
    )


def _clustering(baseline: Baseline | None, finding: str, column: str) -> Clustering:
    return Clustering() if baseline is None else baseline.of(finding, column)


def _ratios(price: object, predicted: object) -> np.ndarray:
    paid = np.asarray(price, dtype=np.float64)
    asked = np.asarray(predicted, dtype=np.float64)
    kept = in_market(paid) & np.isfinite(asked) & (asked > 0)
    ratios: np.ndarray = np.log(paid[kept] / asked[kept])
    return ratios


def _rise(
    there: np.ndarray, here: np.ndarray, limits: Thresholds, clustering: Clustering
) -> Finding:
    usual, error = float(np.abs(there).mean()), float(np.abs(here).mean())
    spread = float(np.abs(there).std()) / usual
    return Finding(
        name="realised_error",
        column="",
        value=error / usual - 1,
        limit=limits.shift(limits.error_rise, spread, len(here), len(there), clustering),
        effect="hurts",
        message=f"on the {len(here):,} properties whose price has come in since, the champion's "
        f"error is {math.expm1(error):.0%}, against {math.expm1(usual):.0%} on rows that it had "
        f"not seen in training ({error / usual - 1:+.0%})",
    )


def _level(
    there: np.ndarray, here: np.ndarray, limits: Thresholds, clustering: Clustering
) -> Finding:
    usual, now = float(np.median(there)), float(np.median(here))
    low, high = np.quantile(there, [0.25, 0.75])
    # Of a normal distribution with these quartiles: its standard deviation, then its median's.
    spread = float(high - low) / 1.349 * 1.2533
    side = "above" if now > usual else "below"
    return Finding(
        name="price_level",
        column="price",
        value=abs(now - usual),
        limit=limits.shift(limits.price_level, spread, len(here), len(there), clustering),
        effect="both",
        message=f"of the {len(here):,} properties whose price has come in since, the prices are "
        f"{abs(math.expm1(now - usual)):.0%} {side} what was predicted",
    )
