"""Prediction intervals by normalised split conformal prediction.

A second, small model predicts the size of a price's error from the features: small in a dense town,
large for a remote estate. Properties that neither model has seen are the calibration rows: their
errors are divided by the predicted size, and quantiles are taken by group, so that a listing
without a house size gets a wider interval than a complete one (Papadopoulos, Gammerman and Vovk,
2008; groups after Vovk, 2012). Factors on the size, by the size and by state, let an interval hold
as often in a dense town as on a remote estate, and in one state as in another
(``tasador.ratio_study.factors``).

Each end of an interval has a separate quantile. Errors are almost symmetric in log price, where a
step up is more dollars than a step down. The narrowest interval in dollars therefore has fewer
misses below than above, and that one is used (a highest density region: Hyndman, 1996).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from operator import attrgetter
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.errors import BundleError
from tasador.listings.listing import Listing
from tasador.model.factors import Factors
from tasador.model.features import MODEL_INPUTS

Intervals = dict[str, dict[str, list[float]]]

LEVELS = {"80": 0.80, "90": 0.90, "95": 0.95}
COMPLETE, PARTIAL, NO_SIZE, NO_PLACE = (
    "complete",
    "something missing",
    "size missing",
    "place unknown",
)
_inputs_of = attrgetter(*MODEL_INPUTS)
# From the most complete listings to the least.
GROUPS = (COMPLETE, PARTIAL, NO_SIZE, NO_PLACE)

# With fewer calibration rows, a group's quantile is too noisy.
_MIN_ROWS = 40
# Added to an error (log price) before its logarithm, so that tiny errors do not dominate.
_FLOOR = 0.03
# Bounds of the predicted size of an error (log price).
_SIZES = (0.02, 2.0)
# Candidate shares of the misses that lie below an interval.
_SHARES_BELOW = (0.1, 0.2, 0.3, 0.4, 0.5)


def group_of(listing: Listing, place_known: bool) -> str:
    """The group of one listing."""
    if not place_known:
        return NO_PLACE
    if listing.house_size is None:
        return NO_SIZE
    return PARTIAL if None in _inputs_of(listing) else COMPLETE


def groups_of(absent: Mapping[str, Array], place_known: Array) -> Array:
    """The group of every row, as an index into GROUPS [n]; for ``absent`` see ``absent_of``."""
    partial = np.logical_or.reduce([absent[name] for name in MODEL_INPUTS])
    groups = np.where(partial, GROUPS.index(PARTIAL), GROUPS.index(COMPLETE))
    groups[absent["house_size"]] = GROUPS.index(NO_SIZE)
    groups[~place_known] = GROUPS.index(NO_PLACE)
    return groups


def log_size(residuals: Array) -> Array:
    """The target of the second model [n]; ``residuals`` are |log(actual) - log(predicted)| [n]."""
    return np.log(residuals + _FLOOR)


def size_of(predicted: Array) -> Array:
    """The size of the error [n], in log price, from the output of the second model."""
    return np.clip(np.exp(predicted), *_SIZES)


def stored_factors(factors: Factors) -> dict[str, Any]:
    """``Manifest.size_factors``."""
    return {
        "sizes": factors.points,
        "factors": factors.factors,
        "states": dict(factors.states),
    }


def read_factors(stored: Mapping[str, Any]) -> Factors:
    """The factors on the sizes; all are 1 for a bundle without any, BundleError if malformed."""
    if not stored:
        return Factors([], [], {})
    try:
        return Factors(stored["sizes"], stored["factors"], stored["states"])
    except (KeyError, TypeError) as error:
        raise BundleError(f"manifest.json: size_factors cannot be read: {error!r}") from None


def size_of_one(predicted: float) -> float:
    """``size_of`` for one row."""
    low, high = _SIZES
    return min(max(math.exp(predicted), low), high)


def calibrate(errors: Array, sizes: Array, groups: Array) -> Intervals:
    """How far intervals reach below and above a price, in units of ``sizes`` [n].

    ``errors`` [n] are log(actual) - log(predicted), ``groups`` [n] indices into GROUPS. Each end is
    a conformal quantile of rank ceil((n + 1) level), so coverage holds for small n too. A group
    with few rows also uses the rows of less complete groups, which makes its intervals wider; if
    there are none, it uses all rows.
    """
    intervals: Intervals = {name: {} for name in LEVELS}
    for code, group in enumerate(GROUPS):
        rows = groups == code
        if np.count_nonzero(rows) < _MIN_ROWS:
            rows = groups >= code if (groups >= code).any() else np.ones(len(groups), dtype=bool)
        scaled = errors[rows] / sizes[rows]
        share = min(_shares_for(len(scaled)), key=partial(_mean_width, scaled, sizes[rows]))
        for name, level in LEVELS.items():
            intervals[name][group] = [round(end, 6) for end in _ends(scaled, level, share)]
    return intervals


def _shares_for(rows: int) -> list[float]:
    """The shares for which so many rows have a conformal quantile at every level.

    With another share, the largest error would be the end of several levels and be valid for none.
    """
    missed = 1 - max(LEVELS.values())
    return [share for share in _SHARES_BELOW if (rows + 1) * share * missed >= 1] or [0.5]


def _mean_width(scaled: Array, sizes: Array, share: float) -> float:
    """The mean width of the 90 % intervals, in prices, with this share of the misses below."""
    below, above = _ends(scaled, LEVELS["90"], share)
    return float(np.mean(np.exp(above * sizes) - np.exp(-below * sizes)))


def _ends(scaled: Array, level: float, share: float) -> tuple[float, float]:
    """How far an interval reaches below and above; it always contains the price."""
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
    """How far the intervals of one level reach below and above, in log price [n]."""
    below, above = (np.array([intervals[level][group] for group in GROUPS]).T[:, groups]) * sizes
    return below, above
