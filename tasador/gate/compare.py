"""How much better one model is than another on the same rows, and how sure that is.

A Poisson bootstrap over properties (Hanley and MacGibbon 2006): each resample weights every
property, with all of its rows, by a Poisson(1) count. The same resamples serve the whole holdout
and every slice of it. Looking at many slices at once is paid for by the max-t method (Westfall and
Young 1993): a slice counts as worse only beyond what the worst of all slices shows by chance. The
bounds of the two gains hold together (Bonferroni), since either may make the challenger better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation, log_error
from tasador.gate.slices import Slice

# So many resamples at once bound the memory: properties x this x 8 bytes.
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Gain:
    """How much the challenger is better: the measured gain and its bounds."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SliceLoss:
    """How much worse the challenger is on one slice.

    ``old`` and ``new`` are mean log errors of champion and challenger, ``loss`` the relative growth
    and ``beyond_noise`` whether it is worse at all, all slices being looked at together.
    """

    part: Slice
    old: float
    new: float
    loss: float
    beyond_noise: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """Gains in mean log error and in R² on all rows, and the losses on each slice.

    ``improved`` is the share of the champion's mean log error that is gone for certain, at least 0.
    """

    log_error: Gain
    improved: float
    r2: Gain
    slices: list[SliceLoss]


def compare(
    challenger: Evaluation, champion: Evaluation, slices: Sequence[Slice], policy: Policy
) -> Comparison:
    """Compare two models on the same rows; see the module for the method."""
    old, new = log_error(champion), log_error(challenger)
    actual = challenger.actual
    centred = actual - actual.mean()
    _, owner = np.unique(challenger.key.astype(str), return_inverse=True)
    columns = [
        np.ones(len(actual)),
        old - new,
        (champion.predicted - actual) ** 2 - (challenger.predicted - actual) ** 2,
        centred,
        centred**2,
    ]
    columns += [part.rows.astype(np.float64) for part in slices]
    columns += [np.where(part.rows, new - old, 0.0) for part in slices]
    by_property = np.column_stack([np.bincount(owner, weights=column) for column in columns])
    drawn = _resampled(by_property, policy)
    measured = by_property.sum(axis=0)[None]
    tail = (1 - policy.confidence) / 2
    gains = []
    for found, resampled in zip(_gains(measured), _gains(drawn), strict=True):
        low, high = np.quantile(resampled, [tail / 2, 1 - tail / 2])
        gains.append(Gain(float(found[0]), float(low), float(high)))
    worse = _beyond_noise(_losses(measured)[0], _losses(drawn), tail)
    told = []
    for part, is_worse in zip(slices, worse, strict=True):
        before, after = float(old[part.rows].mean()), float(new[part.rows].mean())
        loss = after / max(before, 1e-9) - 1
        told.append(SliceLoss(part, before, after, loss, bool(is_worse)))
    improved = max(0.0, gains[0].low) / max(float(old.mean()), 1e-9)
    return Comparison(gains[0], improved, gains[1], told)


def _resampled(by_property: Array, policy: Policy) -> Array:
    """The totals of every resample [resamples, columns]."""
    draw = np.random.default_rng(policy.seed)
    parts = []
    for begin in range(0, policy.resamples, _AT_ONCE):
        count = min(_AT_ONCE, policy.resamples - begin)
        weights = draw.poisson(1.0, (count, len(by_property))).astype(np.float64)
        parts.append(weights @ by_property)
    return np.concatenate(parts)


def _gains(totals: Array) -> tuple[Array, Array]:
    rows = np.maximum(totals[:, 0], 1)
    spread = np.maximum(totals[:, 4] - totals[:, 3] ** 2 / rows, 1e-9)
    return totals[:, 1] / rows, totals[:, 2] / spread


def _losses(totals: Array) -> Array:
    """The growth of the mean log error, by slice [totals, slices]."""
    slices = (totals.shape[1] - 5) // 2
    rows, grown = totals[:, 5 : 5 + slices], totals[:, 5 + slices :]
    return np.asarray(grown / np.maximum(rows, 1))


def _beyond_noise(measured: Array, resampled: Array, tail: float) -> Array:
    """Which losses [slices] are above zero beyond the noise of all of them, bool [slices]."""
    if len(measured) == 0:
        return np.zeros(0, dtype=bool)
    # A loss that is not a number is beyond any noise, and says nothing of the others' noise.
    known = np.isfinite(measured)
    spread = np.maximum(resampled.std(axis=0), 1e-12)
    steps = np.where(known, (resampled - measured) / spread, -np.inf)
    critical = np.quantile(steps.max(axis=1), 1 - tail) if known.any() else 0.0
    return np.asarray(~known | (measured > critical * spread))
