"""Prediction intervals by normalised split conformal prediction.

Two things are known of how far a price may be off. A second, small model predicts the size of the
error from the features (a dense town against a lonely estate); and properties that neither model
has seen tell how many times that size the error is, in groups by what is known of a listing, so
that a listing without a size gets an honest, wider interval than a complete one (Papadopoulos,
Gammerman and Vovk, 2008; by groups after Vovk, 2012).

The two ends have each a quantile of its own. Errors are near even on a log scale, where a step up
is more dollars than a step down; so the narrowest interval in dollars leaves fewer of the misses
below itself than above, and that is the one given (a highest density region: Hyndman, 1996).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from tasador.arrays import Array
from tasador.listings.listing import Listing
from tasador.model.features import MODEL_INPUTS

Intervals = dict[str, dict[str, list[float]]]

LEVELS = {"80": 0.80, "90": 0.90, "95": 0.95}
COMPLETE, PARTIAL, NO_SIZE, NO_PLACE = (
    "complete",
    "something missing",
    "size missing",
    "place unknown",
)
# From the best known to the least.
GROUPS = (COMPLETE, PARTIAL, NO_SIZE, NO_PLACE)

# Below this many calibration rows a group's own quantile is too noisy.
_LEAST_ROWS = 40
# An error below this (in log price) is as good as none; its logarithm must not count for much.
_FLOOR = 0.03
# The predicted size of an error is kept in these bounds (log price).
_SIZES = (0.02, 2.0)
# What of the misses may lie below an interval.
_SHARES_BELOW = (0.1, 0.2, 0.3, 0.4, 0.5)


def group_of(listing: Listing, place_known: bool) -> str:
    """The group of one listing."""
    if not place_known:
        return NO_PLACE
    if listing.house_size is None:
        return NO_SIZE
    return PARTIAL if any(getattr(listing, name) is None for name in MODEL_INPUTS) else COMPLETE


def groups_of(absent: Mapping[str, Array], place_known: Array) -> Array:
    """The group of every row, as positions in GROUPS [n], by what is ``absent`` (``absent_of``)."""
    partial = np.logical_or.reduce([absent[name] for name in MODEL_INPUTS])
    groups = np.where(partial, GROUPS.index(PARTIAL), GROUPS.index(COMPLETE))
    groups[absent["house_size"]] = GROUPS.index(NO_SIZE)
    groups[~place_known] = GROUPS.index(NO_PLACE)
    return groups


def log_size(residuals: Array) -> Array:
    """What the second model learns to predict: the log of |log(actual) - log(predicted)| [n]."""
    return np.log(residuals + _FLOOR)


def size_of(predicted: Array) -> Array:
    """The size of the error [n], in log price, from what the second model predicts."""
    return np.clip(np.exp(predicted), *_SIZES)


def size_of_one(predicted: float) -> float:
    """``size_of`` one."""
    low, high = _SIZES
    return min(max(math.exp(predicted), low), high)


def calibrate(off: Array, sizes: Array, groups: Array) -> Intervals:
    """How far intervals reach below and above a price, in ``sizes`` [n] of its error.

    ``off`` [n] is log(actual) - log(predicted), ``groups`` [n] positions in GROUPS. Each end is a
    conformal quantile, of rank ceil((n + 1) level), so that coverage holds for small n too. A group
    with few rows takes in those of which less is known, which errs on the wide side.
    """
    intervals: Intervals = {name: {} for name in LEVELS}
    for code, group in enumerate(GROUPS):
        own = groups == code
        if np.count_nonzero(own) < _LEAST_ROWS:
            own = groups >= code
        scaled = off[own] / sizes[own]
        share = min(_shares_for(len(scaled)), key=partial(_mean_width, scaled, sizes[own]))
        for name, level in LEVELS.items():
            intervals[name][group] = [round(end, 6) for end in _ends(scaled, level, share)]
    return intervals


def _shares_for(rows: int) -> list[float]:
    """The shares for which so many rows have a conformal quantile at every level.

    Without it, the farthest miss would stand for the ends of several levels, and hold for none.
    """
    missed = 1 - max(LEVELS.values())
    return [share for share in _SHARES_BELOW if (rows + 1) * share * missed >= 1] or [0.5]


def _mean_width(scaled: Array, sizes: Array, share: float) -> float:
    """The mean width of the 90 % intervals, in prices, with this share of the misses below."""
    below, above = _ends(scaled, LEVELS["90"], share)
    return float(np.mean(np.exp(above * sizes) - np.exp(-below * sizes)))


def _ends(scaled: Array, level: float, share: float) -> tuple[float, float]:
    """How far below and above; the price itself always lies between them."""
    missed = 1 - level
    below = _conformal(-scaled, 1 - share * missed)
    above = _conformal(scaled, 1 - (1 - share) * missed)
    return max(below, 0.0), max(above, 0.0)


def _conformal(values: Array, level: float) -> float:
    rank = min(math.ceil((len(values) + 1) * level), len(values))
    return float(np.partition(values, rank - 1)[rank - 1])


def reaches(
    intervals: Mapping[str, Mapping[str, Sequence[float]]], level: str, groups: Array, sizes: Array
) -> tuple[Array, Array]:
    """How far every row's interval reaches below and above, in log price, for one level [n]."""
    below, above = (np.array([intervals[level][group] for group in GROUPS]).T[:, groups]) * sizes
    return below, above
