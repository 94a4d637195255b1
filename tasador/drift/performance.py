"""What the champion's prices are worth on a batch: their level, and its error by label or estimate.

Errors are mean absolute log errors, of the rows with an answer and, where there are labels, a price
in the market. Of the reference only rows count that the champion was not fitted on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tasador.drift.checks import Checked, Finding, Yardstick
from tasador.drift.detectors import limited, usual_of, value_of
from tasador.drift.measures import RATIO

if TYPE_CHECKING:
    import pandas as pd


def judged_by_price(by: Yardstick, batch: pd.DataFrame) -> Checked:
    """The level of the prices, the realised error and the estimated one; measured rows."""
    asked = batch[batch[RATIO].notna()]
    checked = Checked(scores={"rows": len(asked), "reference_rows": len(by.known.priced)})
    if len(asked) < by.limits.fewest_rows:
        checked.scores["says"] = (
            f"only {len(asked)} prices in the market: too few to judge the champion by "
            f"(fewer than {by.limits.fewest_rows})"
        )
        return checked
    there, here = by.known.priced[RATIO].to_numpy(), asked[RATIO].to_numpy()
    checked.add(_price_level(by, there, here))
    errors = float(np.abs(here).mean()), float(np.abs(there).mean())
    checked.add(_error(by, "realised_error", "is", *errors, len(asked)))
    checked.scores |= dict(zip(("realised_error", "realised_error_reference"), errors, strict=True))
    _estimate(checked, by, asked)
    return checked


def estimated_alone(by: Yardstick, requests: pd.DataFrame) -> Checked:
    """The estimated error of requests whose prices are not known; measured rows with an answer."""
    checked = Checked(scores={"rows": len(requests), "reference_rows": len(by.known.priced)})
    _estimate(checked, by, requests)
    return checked


def _estimate(checked: Checked, by: Yardstick, asked: pd.DataFrame) -> None:
    result = by.known.estimated_error(asked)
    here, there = value_of(result, "mae"), usual_of(result, "mae")
    verb = "is estimated (DLE, without the prices) to be"
    finding = _error(by, "estimated_error", verb, here, there, len(asked))
    checked.add(finding, limited(result, ("mae",), None, there * (1 + finding.limit)))
    checked.scores |= {"estimated_error": here, "estimated_error_reference": there}
    checked.scores["checks"] = {f.name: f.scored for f in checked.findings}


def _error(by: Yardstick, name: str, verb: str, here: float, there: float, rows: int) -> Finding:
    errors = by.known.priced[RATIO].abs()
    rise = here / there - 1
    limit = by.limits.shift(
        by.limits.error_rise,
        float(errors.std(ddof=0) / errors.mean()),
        rows,
        len(errors),
        by.baseline.of("error", ""),
    )
    return Finding(
        name=name,
        column="",
        value=rise,
        limit=limit,
        effect="hurts",
        says=f"the champion's error on these listings {verb} {math.expm1(here):.0%}, against "
        f"{math.expm1(there):.0%} on rows that it had not seen in training ({rise:+.0%})",
    )


def _price_level(by: Yardstick, there: np.ndarray, here: np.ndarray) -> Finding:
    usual, now = float(np.median(there)), float(np.median(here))
    low, high = np.quantile(there, [0.25, 0.75])
    # Of a normal distribution with these quartiles: its standard deviation, then its median's.
    spread = float(high - low) / 1.349 * 1.2533
    shift = now - usual
    side = "above" if shift > 0 else "below"
    clustering = by.baseline.of("price_level", "price")
    return Finding(
        name="price_level",
        column="price",
        value=abs(shift),
        limit=by.limits.shift(by.limits.price_level, spread, len(here), len(there), clustering),
        effect="both",
        says=f"prices are {abs(math.expm1(shift)):.0%} {side} what the champion expects: median "
        f"log ratio of price to prediction {now:+.3f}, against {usual:+.3f} in its own data",
    )
