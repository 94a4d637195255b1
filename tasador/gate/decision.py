"""What is asked of a challenger, and the answer: the policy, a check, a decision."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

# Stands in a check for a measure that is not a number, since JSON has none.
_NO_NUMBER = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a challenger must show; the defaults are the project's.

    A slice (a state, a price band) is large with ``slice_share`` of the holdout's rows and
    ``slice_rows`` of them, or with ``slice_enough`` of them whatever their share; it is ruined when
    the mean log error there grows by ``slice_loss`` and beyond noise. In a price band it may grow
    by ``slice_trade`` of what the whole gains, where that is more: a champion that has met cheap
    houses alone calls every house cheap, and so is at home there as no model of the whole market
    can be. ``coverage_slack`` is widened by twice the standard error that coverage has on that many
    properties, when the interval was
    calibrated on about as many. ``states_covered`` is the share of the champion's states that the
    holdout must hold rows of. ``confidence`` is two-sided.
    """

    least_r2: float = 0.35
    most_rmse: float = 700_000.0
    golden_tolerance: float = 1e-4
    coverage_slack: float = 0.02
    states_covered: float = 0.5
    slice_share: float = 0.02
    slice_rows: int = 50
    slice_enough: int = 500
    slice_loss: float = 0.10
    slice_trade: float = 0.5
    confidence: float = 0.95
    resamples: int = 1_000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Check:
    """One question put to the challenger: what was measured, what was asked, and in words."""

    name: str
    passed: bool
    value: float
    limit: float
    says: str

    def as_dict(self) -> dict[str, Any]:
        """The check as it is stored."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote; ``reasons`` in plain words, ``checks`` with all numbers."""

    promote: bool
    reasons: list[str]
    checks: list[Check]


def check(name: str, passed: bool, value: float, limit: float, says: str) -> Check:
    """A check that JSON can hold, whatever was measured."""
    told = float(value) if np.isfinite(value) else _NO_NUMBER
    return Check(name, bool(passed), told, float(limit), says)
