"""Price the newest recorded requests again, by the champion and by the challenger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tasador.gate.churn import Churn, churn_of
from tasador.gate.decision import Policy
from tasador.listings.listing import INPUTS, read_inputs
from tasador.listings.table import columns_of, frame_of
from tasador.model.bundle import Bundle

# Recorded requests that are read.
MOST_REQUESTS = 5_000


def replay(
    requests: Iterable[Mapping[str, Any]], champion: Bundle, challenger: Bundle, policy: Policy
) -> Churn | None:
    """The churn over the distinct requests; None if there is none.

    A request that any client of the broker wrote may hold an unreadable value: it is missing.
    """
    distinct = {}
    for request in requests:
        listing = read_inputs(request)[0]
        distinct[tuple(getattr(listing, name) for name in INPUTS)] = listing
    if not distinct:
        return None
    columns = columns_of(frame_of(distinct.values()))
    given = [
        {name: value for name, value in zip(INPUTS, values, strict=True) if value is not None}
        for values in distinct
    ]
    before, after = champion.predict(columns).price, challenger.predict(columns).price
    return churn_of(given, before, after, policy)
