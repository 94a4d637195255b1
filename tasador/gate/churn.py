"""Churn: how far the values of the requests that people made would move with the challenger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasador.arrays import Array
from tasador.gate.decision import Check, Policy, make_check

# Moves that a report lists.
_WORST = 20


@dataclass(frozen=True, slots=True)
class Move:
    """A request, and its price in dollars by the champion and by the challenger."""

    listing: Mapping[str, Any]
    before: float
    after: float

    @property
    def change(self) -> float:
        """The change as a share of the champion's price."""
        return self.after / self.before - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """The moves of the distinct requests that were priced again.

    ``moved`` is the share that changes by more than ``threshold`` of the champion's price,
    ``median`` the median change (signed), ``worst`` the largest moves, largest first.
    """

    requests: int
    threshold: float
    moved: float
    median: float
    worst: tuple[Move, ...]


def churn_of(
    listings: Sequence[Mapping[str, Any]], before: Array, after: Array, policy: Policy | None = None
) -> Churn | None:
    """The churn between two arrays of prices (dollars, n); None without a request."""
    policy = policy or Policy()
    if not len(listings):
        return None
    change = np.asarray(after, dtype=np.float64) / np.asarray(before, dtype=np.float64) - 1
    size = np.abs(np.log1p(change))
    largest = np.argsort(-size, kind="stable")[:_WORST]
    return Churn(
        requests=len(listings),
        threshold=policy.churn_threshold,
        moved=float(np.mean(np.abs(change) > policy.churn_threshold)),
        median=float(np.median(change)),
        worst=tuple(Move(listings[i], float(before[i]), float(after[i])) for i in largest),
    )


def churn_check(churn: Churn | None, policy: Policy) -> Check:
    """Whether few enough values move; it passes if no request is recorded."""
    limit = policy.most_churn
    if churn is None:
        says = "No request to the champion is recorded, so none was priced again."
        return make_check("churn", True, 0.0, limit, says)
    passed = churn.moved <= limit
    allowed = f"; at most {limit:.0%} is allowed" if limit < 1 else ""
    says = (
        f"{churn.moved:.1%} of {churn.requests:,} recorded requests would move by more than "
        f"{churn.threshold:.0%} (median {churn.median:+.1%}){allowed}."
    )
    if not passed:
        worst = churn.worst[0]
        says += f" The largest move is ${worst.before:,.0f} to ${worst.after:,.0f}."
    return make_check("churn", passed, churn.moved, limit, says)
