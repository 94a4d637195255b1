"""Whether estimates are lower, or less exact, where the make-up of the zip codes differs.

The make-up comes from a public table that the user gives. It serves the report only: no model ever
sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from tasador.arrays import Array
from tasador.ratio_study.figures import outliers
from tasador.ratio_study.limits import Verdict

NO_FIGURE = "not in the table"
# Fewer zip codes say nothing about their make-up.
FEWEST_ZIP_CODES = 30
# The 10th and the 90th percentile of the listings are compared.
_FROM, _TO = 0.10, 0.90
_FIFTHS = 5
_CONFIDENCE = 0.95
# A ratio that differs by more, or a PPE10 that differs by more, is outside.
MOST_LEVEL, MOST_ACCURACY = 0.05, 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Disparity:
    """How the estimates differ between zip codes with little and with much of a column.

    ``low`` and ``high`` are the 10th and the 90th percentile of the column over the listings.
    ``level`` is how much larger the ratio of estimate and price is at ``high``, as a share of it;
    ``accuracy`` is how much larger the share within 10 % of the price is. Both come from a
    regression over all listings, with the interval that accounts for all columns together.
    """

    column: str
    rows: int
    zip_codes: int
    low: float
    high: float
    level: float
    level_ends: tuple[float, float]
    level_verdict: Verdict
    accuracy: float
    accuracy_ends: tuple[float, float]
    accuracy_verdict: Verdict


def disparities(
    estimate: Array, price: Array, zip_code: Array, makeup: Mapping[str, Array]
) -> list[Disparity]:
    """The disparity by each column of ``makeup``.

    ``estimate`` and ``price`` are dollars [n], ``zip_code`` texts [n]; a column holds the figure of
    each row's zip code [n], NaN if it is unknown. Columns that are known for fewer than
    FEWEST_ZIP_CODES zip codes, or equal for all, are left out. Ratios that a ratio study counts as
    outliers are left out of the level.
    """
    found = []
    for column, values in makeup.items():
        known = np.isfinite(values)
        places = np.unique(zip_code[known].astype(str), return_inverse=True)[1]
        zip_codes = int(places.max()) + 1 if known.any() else 0
        if zip_codes < FEWEST_ZIP_CODES:
            continue
        low, high = np.quantile(values[known], [_FROM, _TO])
        if low == high:
            continue
        ratio = estimate[known] / price[known]
        kept = ~outliers(ratio)
        x = values[known]
        step, tail = float(high - low), (1 - _CONFIDENCE) / 2 / len(makeup)
        log_level = _between(np.log(ratio[kept]), x[kept], places[kept], step, tail)
        exact = (np.abs(ratio - 1) <= 0.10).astype(np.float64)
        accuracy = _between(exact, x, places, step, tail)
        level = tuple(float(np.expm1(value)) for value in log_level)
        found.append(
            Disparity(
                column=column,
                rows=int(known.sum()),
                zip_codes=zip_codes,
                low=float(low),
                high=float(high),
                level=level[0],
                level_ends=(level[1], level[2]),
                level_verdict=_verdict(level[0], level[1], level[2], MOST_LEVEL),
                accuracy=accuracy[0],
                accuracy_ends=(accuracy[1], accuracy[2]),
                accuracy_verdict=_verdict(*accuracy, MOST_ACCURACY),
            )
        )
    return found


def fifths(values: Array) -> Array:
    """The fifth of the listings that each row's figure falls into, as text; [n] objects."""
    names = np.full(len(values), NO_FIGURE, dtype=object)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) == 0:
        return names
    edges = np.quantile(values[known], np.linspace(0, 1, _FIFTHS + 1))
    fifth = np.clip(np.searchsorted(edges[1:-1], values[known], side="right"), 0, _FIFTHS - 1)
    for number in range(_FIFTHS):
        rows = known[fifth == number]
        if len(rows):
            part = values[rows]
            names[rows] = f"fifth {number + 1}: {short(part.min())} to {short(part.max())}"
    return names


def short(value: float) -> str:
    """A figure of a zip code as text: four digits, but an income in whole dollars."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _between(
    y: Array, x: Array, places: Array, step: float, tail: float
) -> tuple[float, float, float]:
    """The change of ``y`` over ``step`` of ``x`` by least squares, and its interval.

    The standard error is the cluster-robust one, by zip code (Cameron and Miller, "A practitioner's
    guide to cluster-robust inference", Journal of Human Resources 50, 2015, equation 11), since
    homes of one zip code share their errors.
    """
    centred = x - x.mean()
    spread = float(np.sum(np.square(centred)))
    slope = float(np.sum(centred * y)) / spread
    residual = y - y.mean() - slope * centred
    scores = np.bincount(places, centred * residual)
    clusters = len(np.unique(places))
    error = np.sqrt(np.sum(np.square(scores)) * clusters / (clusters - 1)) / spread
    reach = NormalDist().inv_cdf(1 - tail) * float(error)
    return slope * step, (slope - reach) * step, (slope + reach) * step


def _verdict(value: float, low: float, high: float, most: float) -> Verdict:
    if abs(value) <= most:
        return "within"
    return "noise" if low <= 0 <= high else "outside"
