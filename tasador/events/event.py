"""What an event is: CloudEvents 1.0 with JSON data, and the types that Tasador speaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tasador.clock import now
from tasador.errors import TasadorError

BATCH_INGESTED = "tasador.batch.ingested"
DRIFT_DETECTED = "tasador.drift.detected"
MODEL_PROMOTED = "tasador.model.promoted"
MODEL_REJECTED = "tasador.model.rejected"
MODEL_SERVING = "tasador.model.serving"
ROLLOUT_FAILED = "tasador.rollout.failed"
PREDICTION_REQUESTED = "tasador.prediction.requested"
PREDICTION_MADE = "tasador.prediction.made"
EXPLANATION_MADE = "tasador.explanation.made"
TRAINING_REQUESTED = "tasador.training.requested"

# CloudEvent type -> the name by which Argo Events hands it to a flow's @trigger. Of several events
# Metaflow's @trigger waits for all, so what starts the same flow comes under one name.
ARGO_EVENTS = {
    BATCH_INGESTED: BATCH_INGESTED,
    DRIFT_DETECTED: TRAINING_REQUESTED,
    TRAINING_REQUESTED: TRAINING_REQUESTED,
}


class EventError(TasadorError):
    """A request is no CloudEvent that can be read, or a broker refused one; retrying is no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One CloudEvent with JSON data. ``extensions`` values are strings, as the HTTP binding has."""

    type: str
    source: str
    id: str
    data: Any
    subject: str = ""
    time: str = field(default_factory=lambda: now().isoformat())
    extensions: Mapping[str, str] = field(default_factory=dict)

    @property
    def correlation_id(self) -> str:
        """The id that runs from the batch to the prediction; empty when the event has none."""
        return self.extensions.get("correlationid", "")

    def attributes(self) -> dict[str, str]:
        """Every attribute but the data, those that are empty left out."""
        given = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time,
            **self.extensions,
        }
        return {name: value for name, value in given.items() if value}

    def headers(self) -> dict[str, str]:
        """The HTTP headers of the binary mode."""
        encoded = {f"ce-{k}": quote(v, safe=_PLAIN) for k, v in self.attributes().items()}
        return {"content-type": "application/json", **encoded}

    def body(self) -> bytes:
        """The HTTP body of the binary mode: the data as JSON."""
        return json.dumps(self.data, separators=(",", ":"), allow_nan=False).encode()

    def structured(self) -> dict[str, Any]:
        """The event as one JSON object, data and all."""
        return {**self.attributes(), "datacontenttype": "application/json", "data": self.data}


# What a binary-mode header value may hold as it is; all else is percent-encoded.
_PLAIN = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '%"')
