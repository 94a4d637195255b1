"""Confidence intervals by a bootstrap over properties, where the Standard gives no formula.

A Poisson bootstrap (Hanley and MacGibbon 2006): each resample weights every property, with all of
its rows, by a Poisson(1) count. The Standard recommends a bootstrap for the COD (appendix C). The
rows that count as outliers and the groups of the VEI stay those of the sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasador.arrays import Array
from tasador.ratio_study.figures import outer_groups

RESAMPLED = ("median", "cod", "prd", "prb", "mki", "vei")
# Weights of one block, which bounds the memory.
_BLOCK_VALUES = 2_000_000


def draw_weights(key: Array, resamples: int, draw: np.random.Generator) -> Array:
    """Poisson(1) counts of each property for its rows, float [resamples, n]; no row sums to 0."""
    _, owner = np.unique(key.astype(str), return_inverse=True)
    counts = draw.poisson(1.0, (resamples, int(owner.max()) + 1)).astype(np.float64)
    counts[counts.sum(axis=1) == 0] = 1.0
    return np.asarray(counts[:, owner])


def resample(
    estimate: Array, price: Array, weights: Array, names: Sequence[str] = RESAMPLED
) -> dict[str, Array]:
    """The figures of ``names`` for each row of weights [resamples, n], each [resamples].

    The weights are counts: a weight of 2 stands for the row twice.
    """
    block = max(1, _BLOCK_VALUES // len(price))
    parts = [
        _resample(estimate, price, weights[begin : begin + block], names)
        for begin in range(0, len(weights), block)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def shares(marks: Array, weights: Array) -> Array:
    """The weighted mean of marks [n] for each row of weights, [resamples]."""
    return np.asarray(weighted_sum(marks.astype(np.float64), weights) / weights.sum(axis=1))


def weighted_sum(values: Array, weights: Array) -> Array:
    """The sum of the values [n] for each row of weights, [resamples]."""
    # Not BLAS: its threads wait for each other on a busy machine, and their number changes sums.
    return np.asarray(np.einsum("rn,n->r", weights, values))


def weighted_quantile(values: Array, weights: Array, share: float) -> Array:
    """The quantile of the values [n] for each row of weights; the median of 0.5, [resamples].

    The median of an even number of rows is the mean of the two in the middle.
    """
    order = np.argsort(values, kind="stable")
    ordered, below = values[order], np.cumsum(weights[:, order], axis=1)
    total = below[:, -1]
    position = share * (total - 1)
    lower, upper = np.floor(position + 1e-9), np.ceil(position - 1e-9)
    # Row number k, from 0, is the first whose cumulated count exceeds k.
    at_lower = ordered[_first_above(below, lower)]
    at_upper = ordered[_first_above(below, upper)]
    return np.asarray(at_lower + (at_upper - at_lower) * (position - lower))


def _first_above(below: Array, count: Array) -> Array:
    return np.asarray(np.argmax(below > count[:, None], axis=1))


def _resample(
    estimate: Array, price: Array, weights: Array, names: Sequence[str]
) -> dict[str, Array]:
    ratio = estimate / price
    total = weights.sum(axis=1)
    middle = weighted_quantile(ratio, weights, 0.5)
    found: dict[str, Array] = {"median": middle}
    if "cod" in names:
        # One resample at a time, so that the deviations need no second table of this size.
        deviation = [
            np.einsum("n,n", row, np.abs(ratio - centre))
            for row, centre in zip(weights, middle, strict=True)
        ]
        found["cod"] = 100 * np.array(deviation) / total / middle
    if "prd" in names:
        sums = [weighted_sum(values, weights) for values in (ratio, estimate, price)]
        found["prd"] = sums[0] / total / (sums[1] / sums[2])
    if "prb" in names:
        bias = [
            _slope(ratio / centre, np.log2(price / 2 + estimate / (2 * centre)), row)
            for row, centre in zip(weights, middle, strict=True)
        ]
        found["prb"] = np.array(bias)
    if "mki" in names:
        found["mki"] = _mki(estimate, price, weights)
    if "vei" in names:
        value = price / 2 + estimate / (2 * float(np.median(ratio)))
        low, high = (_part_median(ratio, weights, rows) for rows in outer_groups(ratio, value))
        found["vei"] = 100 * (high - low) / middle
    return found


def _part_median(ratio: Array, weights: Array, rows: Array) -> Array:
    part = weights[:, rows]
    median = weighted_quantile(ratio[rows], part, 0.5)
    median[part.sum(axis=1) == 0] = np.nan
    return median


def _slope(dependent: Array, independent: Array, weights: Array) -> float:
    total = weights.sum()
    centred = independent - np.einsum("n,n", weights, independent) / total
    weighted = weights * centred
    spread = np.einsum("n,n", weighted, centred)
    return float(np.einsum("n,n", weighted, dependent) / spread) if spread > 1e-20 else np.nan


def _mki(estimate: Array, price: Array, weights: Array) -> Array:
    order = np.argsort(price, kind="stable")
    starts = np.flatnonzero(np.diff(price[order], prepend=-np.inf))
    sorted_weights = weights[:, order]
    count = np.add.reduceat(sorted_weights, starts, axis=1)
    # Equal prices share the mean of their ranks.
    rank = np.cumsum(count, axis=1) - (count - 1) / 2
    total = count.sum(axis=1)
    gini = []
    for values in (estimate[order], price[order]):
        sums = np.add.reduceat(sorted_weights * values, starts, axis=1)
        gini.append(
            2 * (rank * sums).sum(axis=1) / (total * sums.sum(axis=1)) - (total + 1) / total
        )
    of_prices = np.where(gini[1] > 1e-12, gini[1], np.nan)
    return np.asarray(gini[0] / of_prices)
