"""A model's predictions on the permanent holdout, and the errors computed from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tasador.arrays import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """A model's predictions on the rows of the permanent holdout.

    ``actual`` and ``predicted`` are dollars [n]; ``key`` the property keys [n] and ``state`` the
    states [n] (objects, None = missing). ``low`` and ``high`` map a level ("80", "90", "95") to the
    bounds of the interval [n]. ``golden_difference`` is ``Bundle.check_golden()``.
    ``known_states`` are the display names of the states that the model was trained on. ``parts``
    maps a kind of group to the group of each row [n] (``tasador.ratio_study.groups.parts_of``).
    ``newest`` says which rows [n] are of the newest batch (bool; None = unknown).
    """

    actual: Array
    predicted: Array
    key: Array
    state: Array
    low: Mapping[str, Array]
    high: Mapping[str, Array]
    golden_difference: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    known_states: tuple[str, ...] = ()
    parts: Mapping[str, Array] = field(default_factory=dict)
    newest: Array | None = None


def r2(actual: Array, predicted: Array) -> float:
    """The explained share of the variance of the prices; NaN if the prices do not vary."""
    spread = float(np.sum((actual - actual.mean()) ** 2))
    return 1 - float(np.sum((actual - predicted) ** 2)) / spread if spread > 0 else float("nan")


def rmse(actual: Array, predicted: Array) -> float:
    """The root of the mean squared error, in dollars."""
    return float(np.sqrt(np.mean((actual - predicted) ** 2)))


def log_error(model: Evaluation) -> Array:
    """|log(predicted) - log(actual)| of each row [n]."""
    return np.asarray(np.abs(np.log(model.predicted) - np.log(model.actual)))
