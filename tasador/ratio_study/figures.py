"""The figures of a ratio study, each for one group of listings.

``estimate`` and ``price`` are dollars above zero [n], ``ratio`` is estimate / price [n]. Sources:
IAAO, Standard on Ratio Studies (2013), in short "the Standard"; its exposure draft of 2025 for the
VEI; Quintos (2021) for the MKI. A figure that is not defined is NaN, for example a slope over
prices that are all equal. No function leaves rows out: see ``outliers``.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array

# No figure is given for fewer rows.
FEWEST_ROWS = 30
FAR_OUT = 3.0  # interquartile ranges
NEAR_ONE = (0.98, 1.02)
_SAME_SHARE_SLACK = 0.05
_VALUE_GROUPS = ((50, 2), (500, 4))
_MOST_VALUE_GROUPS = 10


class Interval(NamedTuple):
    """A figure and its confidence interval."""

    value: float
    low: float
    high: float


class VerticalEquity(NamedTuple):
    """The VEI in percent, and how far the outer groups' intervals lie apart, in percent of M.

    ``apart`` is 0 or less if the 90 % intervals of the two medians overlap.
    """

    value: float
    apart: float


class Chasing(NamedTuple):
    """Signs that estimates were set to the prices.

    ``excess`` is the share of ratios within NEAR_ONE beyond a normal distribution's of the same
    mean and deviation, ``excess_noise`` two standard errors of that share. ``jump`` is the density
    within NEAR_ONE divided by that of the two adjacent strips of half its width,
    ``jump_beyond_noise`` whether counts alone cannot explain a jump of more than a half.
    """

    excess: float
    excess_noise: float
    jump: float
    jump_beyond_noise: bool

    @property
    def suspected(self) -> bool:
        """Whether either sign is present."""
        return self.excess - self.excess_noise > _SAME_SHARE_SLACK or (
            self.jump > 1.5 and self.jump_beyond_noise
        )


def outliers(ratio: Array) -> Array:
    """Which ratios lie more than three interquartile ranges outside the quartiles, bool [n].

    The Standard, appendix B: the rule for extreme outliers, which are left out of the median, COD,
    PRD, PRB, MKI and VEI.
    """
    low, high = np.quantile(ratio, [0.25, 0.75])
    # Equal ratios differ by rounding.
    spread = FAR_OUT * (high - low) + 1e-9 * high
    return np.asarray((ratio < low - spread) | (ratio > high + spread))


def median_ratio(ratio: Array) -> float:
    """The median ratio M: the level of the estimates. The Standard, 5.3."""
    return float(np.median(ratio))


def median_interval(values: Array, confidence: float = 0.95) -> Interval:
    """The median with its interval by ranks.

    The ranks, counted from 1, are ceil(n/2 - z sqrt(n)/2) and floor(1 + n/2 + z sqrt(n)/2). The
    Standard, appendix C; the exposure draft for the VEI.
    """
    ordered = np.sort(values)
    rows = len(ordered)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * np.sqrt(rows) / 2
    low = max(int(np.ceil(rows / 2 - reach)), 1)
    high = min(int(np.floor(1 + rows / 2 + reach)), rows)
    return Interval(float(np.median(ordered)), float(ordered[low - 1]), float(ordered[high - 1]))


def cod(ratio: Array) -> float:
    """The coefficient of dispersion: the mean |r - M| in percent of M. The Standard, 5.4.1."""
    middle = np.median(ratio)
    return float(100 * np.mean(np.abs(ratio - middle)) / middle)


def prd(estimate: Array, price: Array) -> float:
    """The price-related differential: mean ratio / (sum of estimates / sum of prices).

    Above 1.03 cheap homes are valued too high compared with expensive ones (regressive), below
    0.98 too low. The Standard, 5.6.
    """
    return float(np.mean(estimate / price) / (estimate.sum() / price.sum()))


def prb(estimate: Array, price: Array, confidence: float = 0.95) -> Interval:
    """The coefficient of price-related bias with the interval of the regression.

    The slope of (r - M) / M on log2(price / 2 + estimate / (2 M)): how much the ratio changes when
    the value doubles. Negative: regressive. The Standard, 5.6 and appendix D; the interval is
    Student's t with n - 2 degrees of freedom.
    """
    ratio = estimate / price
    middle = np.median(ratio)
    value = np.log2(price / 2 + estimate / (2 * middle))
    return slope((ratio - middle) / middle, value, confidence)


def slope(dependent: Array, independent: Array, confidence: float = 0.95) -> Interval:
    """The least-squares slope of one variable on another, with its interval."""
    rows = len(dependent)
    centred = independent - independent.mean()
    spread = _dot(centred, centred)
    # Rounding leaves a trace of a spread where all values are equal.
    if rows < 3 or spread <= 1e-20 * rows:
        return Interval(*[float("nan")] * 3)
    found = _dot(centred, dependent) / spread
    rest = dependent - dependent.mean() - found * centred
    error = float(np.sqrt(_dot(rest, rest) / (rows - 2) / spread))
    reach = _student(confidence, rows - 2) * error
    return Interval(found, found - reach, found + reach)


def mki(estimate: Array, price: Array) -> float:
    """The modified Kakwani index: Gini of the estimates / Gini of the prices, in order of price.

    G(x) = 2 sum(i x_i) / (n sum x) - (n + 1) / n with the ranks i of the prices from 1; equal
    prices share their mean rank, so that the order of the rows does not matter. Below 1:
    regressive. Quintos (2021), "A Gini measure for vertical equity in property assessments",
    Journal of Property Tax Assessment & Administration 18(2).
    """
    ranks = mean_ranks(price)
    of_prices = _gini(price, ranks)
    if of_prices <= 1e-12:
        return float("nan")
    return _gini(estimate, ranks) / of_prices


def vei(estimate: Array, price: Array, confidence: float = 0.90) -> VerticalEquity:
    """The vertical equity indicator: 100 (M of the top group - M of the bottom group) / M.

    The groups are of equal size by price / 2 + estimate / (2 M): 2 for up to 50 rows, 4 for up to
    500, otherwise 10. The IAAO's exposure draft of the Standard on Ratio Studies (2025).
    """
    ratio = estimate / price
    middle = float(np.median(ratio))
    bottom, top = outer_groups(ratio, price / 2 + estimate / (2 * middle))
    low, high = (median_interval(ratio[rows], confidence) for rows in (bottom, top))
    apart = max(high.low - low.high, low.low - high.high)
    return VerticalEquity(100 * (high.value - low.value) / middle, 100 * apart / middle)


def outer_groups(ratio: Array, value: Array) -> tuple[Array, Array]:
    """The rows of the lowest and of the highest group of the VEI by value."""
    # Rows of one value are ordered by ratio, so that the order of the table does not matter.
    # Equal values differ by rounding, which depends on the currency.
    order = np.lexsort((ratio, np.round(np.log2(value / np.median(value)), 9)))
    count = next(
        (groups for most, groups in _VALUE_GROUPS if len(ratio) <= most), _MOST_VALUE_GROUPS
    )
    parts = np.array_split(order, count)
    return parts[0], parts[-1]


def error_of(estimate: Array, price: Array) -> Array:
    """The errors (estimate - price) / price [n], signed, as shares of the price."""
    return np.asarray((estimate - price) / price)


def ppe(estimate: Array, price: Array, within: float) -> float:
    """PPEx, the proportional percent error: the share of errors of at most ``within``."""
    return float(np.mean(np.abs(error_of(estimate, price)) <= within + 1e-12))


def p15(estimate: Array, price: Array) -> tuple[float, float]:
    """P15L and P15H: the shares of estimates more than 15 % below and above the price."""
    ratio = estimate / price
    return float(np.mean(ratio < 0.85)), float(np.mean(ratio > 1.15))


def fsd(estimate: Array, price: Array) -> float:
    """The forecast standard deviation: the relative error that 68 % of the estimates stay within.

    As AVM vendors define it for a listing; 100 (1 - FSD) is the confidence score.
    """
    return float(np.quantile(np.abs(error_of(estimate, price)), 0.68))


def chasing(ratio: Array) -> Chasing:
    """Signs of price chasing: too many ratios near 1. The exposure draft of 2025, and Cook County.

    NEAR_ONE is compared with a normal distribution, and with the strips next to it.
    """
    low, high = NEAR_ONE
    inside = float(np.mean((ratio >= low) & (ratio <= high)))
    noise_of_share = 2 * float(np.sqrt(inside * (1 - inside) / len(ratio)))
    deviation = float(ratio.std())
    if deviation <= 1e-12:
        return Chasing(inside, noise_of_share, float("nan"), False)
    normal = NormalDist(float(ratio.mean()), deviation)
    excess = inside - (normal.cdf(high) - normal.cdf(low))
    half = (high - low) / 2
    around = np.sum(
        ((ratio >= low - half) & (ratio < low)) | ((ratio > high) & (ratio <= high + half))
    )
    count = inside * len(ratio)
    # Both are counts of strips of equal width; the difference of two has the variance of the sum.
    noise = 3 * np.sqrt(count + 1.5**2 * around)
    jump = count / around if around else float("inf") if count else float("nan")
    return Chasing(excess, noise_of_share, float(jump), bool(count - 1.5 * around > noise))


def mean_ranks(values: Array) -> Array:
    """The ranks of the values from 1 [n]; equal values share the mean of their ranks."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[group])


def _gini(values: Array, ranks: Array) -> float:
    rows = len(values)
    return float(2 * _dot(ranks, values) / (rows * values.sum()) - (rows + 1) / rows)


def _dot(first: Array, second: Array) -> float:
    # Not BLAS: its threads wait for each other on a busy machine, and their number changes sums.
    return float(np.einsum("i,i", first, second))


def _student(confidence: float, freedom: int) -> float:
    """Student's t quantile by the expansion of Abramowitz and Stegun (1964), 26.7.5."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
