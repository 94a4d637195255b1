"""The promotion policy, a check, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tasador.ratio_study.limits import Limits

# Stored in place of NaN and infinity, which JSON lacks.
_NO_NUMBER = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a challenger must achieve; the defaults are the project's.

    A slice (a state or a price band) is judged if it has ``slice_share`` of the holdout's rows and
    at least ``slice_rows``, or if it has ``slice_enough`` rows whatever their share. The challenger
    fails if the mean log error on a slice grows by more than ``slice_loss`` and beyond noise. In a
    price band it may grow by ``slice_trade`` of the overall gain, if that is more: a champion
    trained on cheap houses only predicts every house to be cheap, and no model of the whole market
    can match it on cheap houses. ``coverage_slack`` is widened by twice the standard error of the
    coverage on that many properties, assuming that calibration used about as many.
    ``states_covered`` is the share of the champion's states that the holdout must cover.
    ``confidence`` is two-sided.

    ``ratio_limits`` are the standards' limits of the ratio study, and ``ratio_losses`` how much
    farther from the ideal than the champion's a figure outside them may be (the COD relatively).
    ``most_cod`` bounds the COD of a model without a champion. ``ratio_draws`` simulations say what
    noise alone would give, and a state is judged if it has ``ratio_rows`` rows. See
    ``tasador.gate.ratio_checks``.

    At most ``most_churn`` of the recorded requests may move by more than ``churn_threshold`` (a
    share of the champion's price); 1 allows all.
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
    ratio_limits: Limits = field(default_factory=Limits)
    ratio_losses: Mapping[str, float] = field(
        default_factory=lambda: {"median": 0.03, "cod": 0.10, "prb": 0.02, "vei": 5.0, "mki": 0.02}
    )
    most_cod: float = 60.0
    ratio_draws: int = 60
    ratio_rows: int = 100
    churn_threshold: float = 0.10
    most_churn: float = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the challenger: the measured value, its limit, and a sentence for people."""

    name: str
    passed: bool
    value: float
    limit: float
    says: str

    def as_dict(self) -> dict[str, Any]:
        """The check as stored in the decision record."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether to promote, the reasons for it, and all checks with their numbers."""

    promote: bool
    reasons: list[str]
    checks: list[Check]


def make_check(name: str, passed: bool, value: float, limit: float, says: str) -> Check:
    """A check that JSON can represent, even if the value or the limit is NaN or infinite."""
    return Check(name, bool(passed), _finite(value), _finite(limit), says)


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else _NO_NUMBER
