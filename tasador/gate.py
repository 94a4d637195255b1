"""The promotion policy: numbers in, a decision with its reasons out. Pure.

Every check is always made and kept, passed or not. Two models are compared on the same rows by a
bootstrap over properties, so that a difference counts only where it is larger than what another
draw of properties could have shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Stands in a check for a measure that is not a number, since JSON has none.
_NO_NUMBER = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What one model says about the rows of the permanent holdout.

    ``actual`` and ``predicted`` are dollars [n]; ``key`` the property keys [n] and ``state`` the
    states [n] (objects, None = missing). ``low`` and ``high`` map a level ("80", "90", "95") to the
    bounds of the interval [n]. ``golden_difference`` is ``Bundle.check_golden()``.
    """

    actual: Array
    predicted: Array
    key: Array
    state: Array
    low: Mapping[str, Array]
    high: Mapping[str, Array]
    golden_difference: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a challenger must show; the defaults are the project's.

    A state is big with ``state_share`` of the holdout rows and ``state_rows`` of them, and ruined
    when the mean log error there grows by ``state_loss`` and beyond noise. ``coverage_slack`` is
    widened by twice the standard error that coverage has on that many properties, when the interval
    was calibrated on about as many. ``confidence`` is two-sided.
    """

    least_r2: float = 0.35
    most_rmse: float = 700_000.0
    golden_tolerance: float = 1e-4
    coverage_slack: float = 0.02
    state_share: float = 0.02
    state_rows: int = 50
    state_loss: float = 0.10
    confidence: float = 0.95
    resamples: int = 500
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


def judge(
    challenger: Evaluation, champion: Evaluation | None, policy: Policy | None = None
) -> Decision:
    """Judge the challenger on the permanent holdout, against the champion where there is one.

    Both evaluations must be of the same rows in the same order; ValueError otherwise.
    """
    policy = policy or Policy()
    if champion is not None and not _same_rows(challenger, champion):
        raise ValueError("challenger and champion were not evaluated on the same holdout rows")
    against = [*_against(challenger, champion, policy), _states(challenger, champion, policy)]
    checks = [*_alone(challenger, policy), *against]
    failed = [check.says for check in checks if not check.passed]
    if failed:
        return Decision(False, failed, checks)
    return Decision(True, [against[0].says, checks[0].says], checks)


def r2(actual: Array, predicted: Array) -> float:
    """The share of the prices' variance that is explained; NaN when the prices do not vary."""
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return 1 - float(np.sum((actual - predicted) ** 2)) / spread if spread > 0 else float("nan")


def rmse(actual: Array, predicted: Array) -> float:
    """The root of the mean squared error, in dollars."""
    return float(np.sqrt(np.mean((actual - predicted) ** 2)))


def _alone(model: Evaluation, policy: Policy) -> list[Check]:
    explained, error = r2(model.actual, model.predicted), rmse(model.actual, model.predicted)
    inside = (model.actual >= model.low["90"]) & (model.actual <= model.high["90"])
    covered = float(np.mean(inside))
    properties = len(np.unique(model.key.astype(str)))
    slack = policy.coverage_slack + 2 * float(np.sqrt(2 * 0.9 * 0.1 / properties))
    golden = model.golden_difference
    return [
        _check(
            "r2",
            explained >= policy.least_r2,
            explained,
            policy.least_r2,
            f"R² on the permanent holdout is {explained:.3f}; at least {policy.least_r2:g} is "
            f"asked for ({len(model.actual):,} rows).",
        ),
        _check(
            "rmse",
            error <= policy.most_rmse,
            error,
            policy.most_rmse,
            f"RMSE on the permanent holdout is ${error:,.0f}; at most ${policy.most_rmse:,.0f} is "
            "allowed.",
        ),
        _check(
            "golden_parity",
            golden <= policy.golden_tolerance,
            golden,
            policy.golden_tolerance,
            f"Serving and training engine differ by {golden:.1e} on the golden rows; at most "
            f"{policy.golden_tolerance:.0e} is allowed.",
        ),
        _check(
            "coverage_90",
            abs(covered - 0.9) <= slack,
            covered,
            slack,
            f"The 90 % interval holds {covered:.1%} of the prices; within {slack:.1%} of 90 % is "
            f"asked for ({policy.coverage_slack:.0%} and the noise of {properties:,} properties).",
        ),
    ]


def _against(
    challenger: Evaluation, champion: Evaluation | None, policy: Policy
) -> tuple[Check, Check, Check]:
    """Better at all, not worse in log error, not worse in R²."""
    if champion is None:
        told = "There is no champion yet to be compared with."
        names = ("better_than_champion", "log_error_against_champion", "r2_against_champion")
        first, second, third = (Check(name, True, 0.0, 0.0, told) for name in names)
        return first, second, third
    every = np.ones(len(challenger.actual), dtype=bool)
    log_error, explained = _gains(challenger, champion, every, policy)
    better = log_error.low > 0 or explained.low > 0
    leads = (
        f"log error {_signed(-log_error.mean)} [{_signed(-log_error.high)} to "
        f"{_signed(-log_error.low)}], R² {_signed(explained.mean)} [{_signed(explained.low)} to "
        f"{_signed(explained.high)}] at {policy.confidence:.0%}"
    )
    return (
        _check(
            "better_than_champion",
            better,
            max(log_error.low, explained.low),
            0.0,
            f"{'Better' if better else 'No better'} than the champion on the same rows beyond "
            f"noise: {leads}.",
        ),
        _check(
            "log_error_against_champion",
            log_error.high >= 0,
            log_error.high,
            0.0,
            f"The mean log error is {'not ' if log_error.high >= 0 else ''}worse than the "
            f"champion's beyond noise ({_signed(-log_error.mean)}).",
        ),
        _check(
            "r2_against_champion",
            explained.high >= 0,
            explained.high,
            0.0,
            f"R² is {'not ' if explained.high >= 0 else ''}worse than the champion's beyond noise "
            f"({_signed(explained.mean)}).",
        ),
    )


def _states(challenger: Evaluation, champion: Evaluation | None, policy: Policy) -> Check:
    name, limit = "states_against_champion", policy.state_loss
    if champion is None:
        return Check(name, True, 0.0, limit, "There is no champion yet to be compared with.")
    least = max(policy.state_rows, policy.state_share * len(challenger.actual))
    states = np.array([state or "" for state in challenger.state], dtype=object)
    worst, ruined, judged = 0.0, [], 0
    for state in sorted(set(states) - {""}):
        rows = states == state
        if rows.sum() < least:
            continue
        judged += 1
        new, old = _log_error(challenger)[rows].mean(), _log_error(champion)[rows].mean()
        loss = float(new / max(old, 1e-9) - 1)
        worst = max(worst, loss)
        # Written so that a loss that is not a number counts as one.
        if not loss <= limit and not _gains(challenger, champion, rows, policy)[0].high >= 0:
            ruined.append(f"{state} (log error {old:.3f} to {new:.3f}, {rows.sum():,} rows)")
    says = (
        f"Much worse than the champion in {', '.join(ruined)}; at most {limit:.0%} is allowed."
        if ruined
        else f"In none of {judged} big states is it worse than the champion by more than "
        f"{limit:.0%} beyond noise."
    )
    return _check(name, not ruined, worst, limit, says)


@dataclass(frozen=True, slots=True)
class _Gain:
    """How much the challenger is better: the measured gain and its bounds."""

    mean: float
    low: float
    high: float


def _gains(
    challenger: Evaluation, champion: Evaluation, rows: Array, policy: Policy
) -> tuple[_Gain, _Gain]:
    """The gains in mean log error and in R², by a Poisson bootstrap over properties."""
    actual = challenger.actual[rows]
    centred = actual - actual.mean()
    sums = np.column_stack(
        [
            np.ones(len(actual)),
            (_log_error(champion) - _log_error(challenger))[rows],
            (champion.predicted[rows] - actual) ** 2 - (challenger.predicted[rows] - actual) ** 2,
            centred,
            centred**2,
        ]
    )
    _, owner = np.unique(challenger.key[rows].astype(str), return_inverse=True)
    by_property = np.column_stack([np.bincount(owner, weights=column) for column in sums.T])
    draw = np.random.default_rng(policy.seed)
    drawn = np.array(
        [draw.poisson(1.0, len(by_property)) @ by_property for _ in range(policy.resamples)]
    )
    tail = (1 - policy.confidence) / 2
    gains = []
    for measured, resampled in zip(
        _ratios(by_property.sum(axis=0)[None]), _ratios(drawn), strict=True
    ):
        low, high = np.quantile(resampled, [tail, 1 - tail])
        gains.append(_Gain(float(measured[0]), float(low), float(high)))
    return gains[0], gains[1]


def _ratios(totals: Array) -> tuple[Array, Array]:
    rows = np.maximum(totals[:, 0], 1)
    spread = np.maximum(totals[:, 4] - totals[:, 3] ** 2 / rows, 1e-9)
    return totals[:, 1] / rows, totals[:, 2] / spread


def _log_error(model: Evaluation) -> Array:
    return np.asarray(np.abs(np.log(model.predicted) - np.log(model.actual)))


def _same_rows(one: Evaluation, other: Evaluation) -> bool:
    return np.array_equal(one.key, other.key) and np.array_equal(one.actual, other.actual)


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _check(name: str, passed: bool, value: float, limit: float, says: str) -> Check:
    told = float(value) if np.isfinite(value) else _NO_NUMBER
    return Check(name, bool(passed), told, float(limit), says)
