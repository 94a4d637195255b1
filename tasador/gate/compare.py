"""How much better one model is than another on the same rows, and how certain that is.

A Poisson bootstrap over properties (Hanley and MacGibbon 2006): each resample weights every
property, with all of its rows, by a Poisson(1) count. The same resamples serve the whole holdout
and every slice. The max-t method (Westfall and Young 1993) corrects for comparing many slices at
once: a slice counts as worse only beyond what the worst of all slices shows by chance. The bounds
of the two overall gains hold jointly (Bonferroni), because either can make the challenger better.
See docs/decisions/0020-max-t-gate.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasador.arrays import Array
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation, log_error
from tasador.gate.slices import Slice

# Resamples per block, which bounds memory to properties x this x 8 bytes.
_BLOCK = 50


@dataclass(frozen=True, slots=True)
class Gain:
    """How much better the challenger is: the measured gain and its bounds."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class SliceLoss:
    """How much worse the challenger is on one slice.

    The errors are mean log errors, ``growth`` is their relative growth from the champion to the
    challenger. ``beyond_noise`` says whether the challenger is worse at all, corrected for
    comparing all slices at once.
    """

    slice: Slice
    champion_error: float
    challenger_error: float
    growth: float
    beyond_noise: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The gains in mean log error and in R² on all rows, and the loss on each slice.

    ``improved`` is the lower bound of the gain as a share of the champion's mean log error; 0 if
    negative.
    """

    log_error: Gain
    improved: float
    r2: Gain
    slices: list[SliceLoss]


def compare(
    challenger: Evaluation, champion: Evaluation, slices: Sequence[Slice], policy: Policy
) -> Comparison:
    """Compare two models on the same rows; the module's docstring describes the method."""
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
    columns += [slice_.rows.astype(np.float64) for slice_ in slices]
    columns += [np.where(slice_.rows, new - old, 0.0) for slice_ in slices]
    by_property = np.column_stack([np.bincount(owner, weights=column) for column in columns])
    resampled = _resampled(by_property, policy)
    measured = by_property.sum(axis=0)[None]
    tail = (1 - policy.confidence) / 2
    gains = []
    for gain, resampled_gain in zip(_gains(measured), _gains(resampled), strict=True):
        low, high = np.quantile(resampled_gain, [tail / 2, 1 - tail / 2])
        gains.append(Gain(float(gain[0]), float(low), float(high)))
    worse = _beyond_noise(_losses(measured)[0], _losses(resampled), tail)
    losses = []
    for slice_, is_worse in zip(slices, worse, strict=True):
        before, after = float(old[slice_.rows].mean()), float(new[slice_.rows].mean())
        growth = after / max(before, 1e-9) - 1
        losses.append(SliceLoss(slice_, before, after, growth, bool(is_worse)))
    improved = max(0.0, gains[0].low) / max(float(old.mean()), 1e-9)
    return Comparison(gains[0], improved, gains[1], losses)


def _resampled(by_property: Array, policy: Policy) -> Array:
    """The weighted totals of every resample, [resamples, columns]."""
    draw = np.random.default_rng(policy.seed)
    blocks = []
    for begin in range(0, policy.resamples, _BLOCK):
        count = min(_BLOCK, policy.resamples - begin)
        weights = draw.poisson(1.0, (count, len(by_property))).astype(np.float64)
        blocks.append(weights @ by_property)
    return np.concatenate(blocks)


def _gains(totals: Array) -> tuple[Array, Array]:
    rows = np.maximum(totals[:, 0], 1)
    spread = np.maximum(totals[:, 4] - totals[:, 3] ** 2 / rows, 1e-9)
    return totals[:, 1] / rows, totals[:, 2] / spread


def _losses(totals: Array) -> Array:
    """The growth of the mean log error by slice, [totals, slices]."""
    slices = (totals.shape[1] - 5) // 2
    rows, grown = totals[:, 5 : 5 + slices], totals[:, 5 + slices :]
    return np.asarray(grown / np.maximum(rows, 1))


def _beyond_noise(measured: Array, resampled: Array, tail: float) -> Array:
    """Which losses [slices] exceed the joint noise of all slices (max-t); bool [slices]."""
    if len(measured) == 0:
        return np.zeros(0, dtype=bool)
    # A NaN loss counts as beyond noise and does not affect the noise of the others.
    known = np.isfinite(measured)
    spread = np.maximum(resampled.std(axis=0), 1e-12)
    steps = np.where(known, (resampled - measured) / spread, -np.inf)
    critical = np.quantile(steps.max(axis=1), 1 - tail) if known.any() else 0.0
    return np.asarray(~known | (measured > critical * spread))
