"""The parts of the holdout that a challenger may not ruin: states and bands of the actual price.

Bands of the actual price are chosen by what both models are to guess. Regression to the mean is the
same for both on the same rows; but a model that has met one band alone is flattered there, which
``Policy.slice_trade`` allows for.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.gate.decision import Policy
from tasador.gate.measures import Evaluation

PRICE_BANDS = (0.0, 150_000.0, 300_000.0, 600_000.0, 1_200_000.0, float("inf"))


class Slice(NamedTuple):
    """A named part of the holdout: ``kind`` is "state" or "price", ``rows`` a mask [n]."""

    kind: str
    name: str
    rows: Array


def slices_of(model: Evaluation, policy: Policy) -> list[Slice]:
    """The large slices, as the policy has it: each state, what is left of them, each price band.

    The states that are too small to be judged alone are judged together, so that no number of them
    can be given up for one that is large.
    """
    least = max(policy.slice_rows, policy.slice_share * len(model.actual))
    least = min(least, max(policy.slice_enough, policy.slice_rows))
    states = np.array([state or "" for state in model.state], dtype=object)
    found = []
    small = np.zeros(len(states), dtype=bool)
    for state in sorted(set(states)):
        rows = states == state
        if rows.sum() >= least:
            found.append(Slice("state", state or "no state given", rows))
        else:
            small |= rows
    found.append(Slice("state", "the smaller states together", small))
    found += price_slices(model)
    return [part for part in found if part.rows.sum() >= least]


def price_slices(model: Evaluation) -> list[Slice]:
    """The bands of the actual price, from the cheapest, empty ones too."""
    return [
        Slice("price", band_name(low, high), (model.actual >= low) & (model.actual < high))
        for low, high in pairwise(PRICE_BANDS)
    ]


def band_name(low: float, high: float) -> str:
    """A band of dollars in words."""
    return f"above ${low:,.0f}" if np.isinf(high) else f"${low:,.0f} to ${high:,.0f}"
