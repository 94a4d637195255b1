"""The slices of the holdout on which a challenger must not be much worse.

They are states, price bands and the newest batch.

Price bands are bands of the actual price, which is the target of both models. Regression to the
mean affects both in the same way on the same rows. But a model trained on one band only looks too
good there, which ``Policy.slice_trade`` allows for.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation

STATE, PRICE, NEWEST = "state", "price", "batch"
PRICE_BANDS = (0.0, 150_000.0, 300_000.0, 600_000.0, 1_200_000.0, float("inf"))


class Slice(NamedTuple):
    """A named part of the holdout: ``kind`` is one of the three below, ``rows`` a mask [n]."""

    kind: str
    name: str
    rows: Array


def slices_of(model: Evaluation, policy: Policy) -> list[Slice]:
    """The slices that are large enough under the policy.

    They are states, small states together, price bands, and the newest batch.

    States that are too small to be judged alone are judged together. Otherwise a challenger could
    be much worse in any number of them in exchange for a gain in a large one.
    """
    least = max(policy.slice_rows, policy.slice_share * len(model.actual))
    least = min(least, max(policy.slice_enough, policy.slice_rows))
    states = np.array([state or "" for state in model.state], dtype=object)
    slices = []
    small = np.zeros(len(states), dtype=bool)
    for state in sorted(set(states)):
        rows = states == state
        if rows.sum() >= least:
            slices.append(Slice(STATE, state or "no state given", rows))
        else:
            small |= rows
    slices.append(Slice(STATE, "the smaller states together", small))
    slices += price_slices(model)
    if model.newest is not None:
        slices.append(Slice(NEWEST, "the newest batch", model.newest))
    return [slice_ for slice_ in slices if slice_.rows.sum() >= least]


def price_slices(model: Evaluation) -> list[Slice]:
    """All bands of the actual price, cheapest first, including empty ones."""
    return [
        Slice(PRICE, band_name(low, high), (model.actual >= low) & (model.actual < high))
        for low, high in pairwise(PRICE_BANDS)
    ]


def band_name(low: float, high: float) -> str:
    """The display name of a price band in dollars."""
    return f"above ${low:,.0f}" if np.isinf(high) else f"${low:,.0f} to ${high:,.0f}"
