"""The records of a shadow: a version that prices what the champion answers, without traffic.

A process of predict that shadows imports no other record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasador.clock import now
from tasador.model.model_ref import CANDIDATE, ModelRef

MIRROR = "shadow"  # the name of the Trigger that delivers predictions to a shadow
# What a dead letter calls its subscriber: the host of the tag, or the Trigger if nothing answered.
SUBSCRIBERS = frozenset({MIRROR, "shadow-predict"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRecord:
    """ops.shadows: a version that shadows the champion. At most one has no ``ended_at``.

    ``mirroring_at`` is when reload had it ready, so that requests are mirrored; None until then.
    ``reason`` is why it ended.
    """

    model_name: str
    version: int
    digest: str
    model_uri: str
    correlation_id: str
    started_by: str
    started_at: datetime = field(default_factory=now)
    mirroring_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = ""
    reason: str = ""
    shadow_id: int | None = None

    @property
    def model(self) -> ModelRef:
        """The version; it has no promotion."""
        return ModelRef.of_record(CANDIDATE, self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRecord:
    """ops.shadow_predictions: what a shadow says of a prediction (unique by its id and digest).

    ``served_version`` answered the request with ``served_price`` dollars in ``served_latency_ms``.
    ``price`` and ``latency_ms`` are the shadow's; None with an ``error``.
    """

    prediction_id: str
    compared_at: datetime
    model_name: str
    model_version: int
    model_digest: str
    revision: str
    listing: dict[str, Any]
    served_version: int
    served_price: float
    served_latency_ms: float
    price: float | None
    latency_ms: float | None
    error: str = ""
