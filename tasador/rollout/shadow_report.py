"""What a shadow showed: differences, latency and errors, compared with what was served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from tasador.clock import now
from tasador.gate.churn import Churn, churn_of
from tasador.records.shadow import ComparisonRecord, ShadowRecord

if TYPE_CHECKING:
    from tasador.warehouse.warehouse import Warehouse

# Comparisons that a report reads, the newest.
MOST = 20_000
# A shadow that has scaled to zero starts first, and events wait for each other.
_ANSWERS_WITHIN = timedelta(seconds=30)
_QUANTILES = {"p50": 0.50, "p95": 0.95}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowReport:
    """``requests`` were mirrored, ``unanswered`` of them the shadow did not compare, and of the
    ``compared`` ones ``errors`` failed, for ``reasons`` (text: how often).

    ``churn`` is over the others. ``latency_ms`` and ``served_latency_ms`` have p50 and p95 of the
    time that the model took for one price; empty without a comparison.
    """

    shadow: ShadowRecord
    requests: int
    unanswered: int
    compared: int
    errors: int
    reasons: dict[str, int]
    served_versions: tuple[int, ...]
    churn: Churn | None
    latency_ms: dict[str, float]
    served_latency_ms: dict[str, float]

    @property
    def sentences(self) -> list[str]:
        """The report as text, without the largest moves."""
        shadow = self.shadow
        if shadow.mirroring_at is None:
            begun = "waits for reload to start it" if shadow.ended_at is None else "never started"
        else:
            begun = f"has priced what others answered since {_minute(shadow.mirroring_at)}"
        said = [f"version {shadow.version} (started by {shadow.started_by}) {begun}"]
        if shadow.ended_at is not None:
            said.append(f"it ended at {_minute(shadow.ended_at)}: {shadow.reason}")
        said.append(
            f"{self.requests:,} requests were mirrored and should be compared; "
            f"{self.unanswered:,} have no comparison, "
            f"{self.errors:,} of {self.compared:,} are errors"
        )
        said += [f"{reason} ({count:,} times)" for reason, count in self.reasons.items()]
        if self.churn is not None:
            served = " and ".join(map(str, self.served_versions))
            said.append(
                f"{self.churn.moved:.1%} of {self.churn.requests:,} values would move by more than "
                f"{self.churn.threshold:.0%} (median {self.churn.median:+.1%}), compared with "
                f"version {served}"
            )
            said.append(
                "a price takes "
                + " and ".join(
                    f"{self.latency_ms[name]:.2f} ms at {name} (served: "
                    f"{self.served_latency_ms[name]:.2f} ms)"
                    for name in _QUANTILES
                )
            )
        return said


def read_shadow_report(warehouse: Warehouse) -> ShadowReport | None:
    """The report on the open shadow, or on the last one; None if there has been none."""
    shadow = warehouse.newest_shadow()
    if shadow is None:
        return None
    if shadow.mirroring_at is None:
        return shadow_report(shadow, [], 0, 0)
    until = shadow.ended_at or now()
    compared = warehouse.comparisons(
        shadow.digest, shadow.mirroring_at, until + _ANSWERS_WITHIN, MOST
    )
    requests, unanswered = warehouse.unanswered(
        shadow.digest, shadow.mirroring_at, _judged_until(until)
    )
    return shadow_report(shadow, compared, requests, unanswered)


def _judged_until(until: datetime) -> datetime:
    return min(until, now() - _ANSWERS_WITHIN)


def shadow_report(
    shadow: ShadowRecord, compared: Sequence[ComparisonRecord], requests: int, unanswered: int
) -> ShadowReport:
    """The report on comparisons, newest first. Pure. ``requests``: how many were mirrored."""
    priced = [each for each in compared if each.price is not None]
    reasons: dict[str, int] = {}
    for each in compared:
        if each.error:
            reasons[each.error] = reasons.get(each.error, 0) + 1
    churn = churn_of(
        [{k: v for k, v in each.listing.items() if v is not None} for each in priced],
        np.array([each.served_price for each in priced]),
        np.array([each.price for each in priced], dtype=np.float64),
    )
    return ShadowReport(
        shadow=shadow,
        requests=requests,
        unanswered=unanswered,
        compared=len(compared),
        errors=len(compared) - len(priced),
        reasons=dict(sorted(reasons.items(), key=lambda item: -item[1])[:5]),
        served_versions=tuple(sorted({each.served_version for each in compared})),
        churn=churn,
        latency_ms=_quantiles([each.latency_ms or 0.0 for each in priced]),
        served_latency_ms=_quantiles([each.served_latency_ms for each in priced]),
    )


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {name: float(np.quantile(values, share)) for name, share in _QUANTILES.items()}


def _minute(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"
