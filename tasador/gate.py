"""The promotion policy: numbers in, a decision with its reasons out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


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
    """What a challenger must show; the defaults are the project's."""

    least_r2: float = 0.35
    most_rmse: float = 700_000.0


@dataclass(frozen=True, slots=True)
class Check:
    """One question put to the challenger: what was measured, what was asked, and in words."""

    name: str
    passed: bool
    value: float
    limit: float
    says: str

    def as_dict(self) -> dict[str, Any]:
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

    Both evaluations must be of the same rows; ValueError otherwise.
    """
    raise NotImplementedError


def r2(actual: Array, predicted: Array) -> float:
    """The share of the prices' variance that is explained; NaN when the prices do not vary."""
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return 1 - float(np.sum((actual - predicted) ** 2)) / spread if spread > 0 else float("nan")


def rmse(actual: Array, predicted: Array) -> float:
    """The root of the mean squared error, in dollars."""
    return float(np.sqrt(np.mean((actual - predicted) ** 2)))
