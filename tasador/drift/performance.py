"""How well the champion prices a batch: the price level, and its error, realised or estimated.

Errors are mean absolute log errors over the rows with a prediction and, where labels exist, a price
within the market range. Of the reference, only the rows that the champion was not fitted on count.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tasador.drift.checks import CheckResult, Finding, ReferenceProfile
from tasador.drift.detectors import batch_value, reference_mean, with_limits
from tasador.drift.measures import PREDICTED, RATIO
from tasador.ratio_study.study import metrics_of

if TYPE_CHECKING:
    import pandas as pd


def check_with_prices(profile: ReferenceProfile, batch: pd.DataFrame) -> CheckResult:
    """Check the price level, the realised error and the estimated error; measured rows."""
    priced = batch[batch[RATIO].notna()]
    reference_rows = len(profile.detectors.priced)
    checked = CheckResult(scores={"rows": len(priced), "reference_rows": reference_rows})
    if len(priced) < profile.thresholds.fewest_rows:
        checked.scores["says"] = (
            f"only {len(priced)} prices within the market range: too few to judge the champion "
            f"(fewer than {profile.thresholds.fewest_rows})"
        )
        return checked
    reference, current = profile.detectors.priced[RATIO].to_numpy(), priced[RATIO].to_numpy()
    checked.add(_price_level(profile, reference, current))
    errors = float(np.abs(current).mean()), float(np.abs(reference).mean())
    checked.add(_error(profile, "realised_error", "is", *errors, len(priced)))
    checked.scores |= dict(zip(("realised_error", "realised_error_reference"), errors, strict=True))
    checked.scores["figures"] = _figures(priced)
    _estimate(checked, profile, priced)
    return checked


def _figures(priced: pd.DataFrame) -> dict[str, float]:
    """What the champion's ledger keeps of a batch, by the names of a version's metrics."""
    estimate = priced[PREDICTED].to_numpy(dtype=np.float64)
    price = estimate * np.exp(priced[RATIO].to_numpy(dtype=np.float64))
    error = float(np.median(np.abs(estimate / price - 1)))
    return {"rows": float(len(priced)), "median_error": error, **metrics_of(estimate, price)}


def check_without_prices(profile: ReferenceProfile, requests: pd.DataFrame) -> CheckResult:
    """Check the estimated error of requests, whose prices are unknown; measured rows."""
    reference_rows = len(profile.detectors.priced)
    checked = CheckResult(scores={"rows": len(requests), "reference_rows": reference_rows})
    _estimate(checked, profile, requests)
    return checked


def _estimate(checked: CheckResult, profile: ReferenceProfile, rows: pd.DataFrame) -> None:
    result = profile.detectors.estimated_error(rows)
    current, usual = batch_value(result, "mae"), reference_mean(result, "mae")
    verb = "is estimated (DLE, without the prices) to be"
    finding = _error(profile, "estimated_error", verb, current, usual, len(rows))
    checked.add(finding, with_limits(result, ("mae",), None, usual * (1 + finding.limit)))
    checked.scores |= {"estimated_error": current, "estimated_error_reference": usual}
    checked.scores["checks"] = {f.name: f.scored for f in checked.findings}


def _error(
    profile: ReferenceProfile, name: str, verb: str, current: float, usual: float, rows: int
) -> Finding:
    rise = current / usual - 1
    limit = profile.thresholds.error_rise_limit(
        profile.detectors.priced[RATIO].to_numpy(), rows, profile.baseline.of("error", "")
    )
    return Finding(
        name=name,
        column="",
        value=rise,
        limit=limit,
        effect="hurts",
        message=f"the champion's error on these listings {verb} {math.expm1(current):.0%}, "
        f"compared with {math.expm1(usual):.0%} on rows not seen in training ({rise:+.0%})",
    )


def _price_level(profile: ReferenceProfile, reference: np.ndarray, current: np.ndarray) -> Finding:
    usual, now = float(np.median(reference)), float(np.median(current))
    shift = now - usual
    side = "above" if shift > 0 else "below"
    limit = profile.thresholds.price_level_limit(
        reference, len(current), profile.baseline.of("price_level", "price")
    )
    return Finding(
        name="price_level",
        column="price",
        value=abs(shift),
        limit=limit,
        effect="both",
        message=f"prices are {abs(math.expm1(shift)):.0%} {side} what the champion expects: "
        f"median log ratio of price to prediction {now:+.3f}, compared with {usual:+.3f} in its "
        "own data",
    )
