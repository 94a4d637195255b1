"""Event: a CloudEvent 1.0 with JSON data, and the event types of Tasador."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tasador.clock import now
from tasador.errors import TasadorError

BATCH_INGESTED = "tasador.batch.ingested"
BATCH_REFUSED = "tasador.batch.refused"
DRIFT_DETECTED = "tasador.drift.detected"
MODEL_PROMOTED = "tasador.model.promoted"
MODEL_REJECTED = "tasador.model.rejected"
MODEL_WAITING = "tasador.model.waiting"
MODEL_SERVING = "tasador.model.serving"
ROLLOUT_FAILED = "tasador.rollout.failed"
MODEL_UNAVAILABLE = "tasador.model.unavailable"
PREDICTION_REQUESTED = "tasador.prediction.requested"
PREDICTION_MADE = "tasador.prediction.made"
PREDICTION_COMPARED = "tasador.prediction.compared"
EXPLANATION_MADE = "tasador.explanation.made"
TRAINING_REQUESTED = "tasador.training.requested"

TYPES = (
    BATCH_INGESTED,
    BATCH_REFUSED,
    DRIFT_DETECTED,
    MODEL_PROMOTED,
    MODEL_REJECTED,
    MODEL_WAITING,
    MODEL_SERVING,
    MODEL_UNAVAILABLE,
    ROLLOUT_FAILED,
    PREDICTION_REQUESTED,
    PREDICTION_MADE,
    PREDICTION_COMPARED,
    EXPLANATION_MADE,
    TRAINING_REQUESTED,
)

# CloudEvent type -> the event name in a flow's @trigger. Metaflow's @trigger waits for all of
# several events, so all events that start one flow share one name
# (docs/decisions/0031-one-argo-event-name.md).
ARGO_EVENTS = {
    BATCH_INGESTED: BATCH_INGESTED,
    DRIFT_DETECTED: TRAINING_REQUESTED,
    TRAINING_REQUESTED: TRAINING_REQUESTED,
}


class EventError(TasadorError):
    """A request is not a readable CloudEvent, or a broker refused it. Do not try again.

    ``status`` is the HTTP status of the answer.
    """

    status = 400


class UnsupportedEvent(EventError):
    """The event has a mode or a media type that is not read."""

    status = 415


class UnknownType(EventError):
    """The event has a type that nobody reads."""

    status = 422


# Not frozen, as predict makes one for every price (see ``records.prediction``).
@dataclass(slots=True, kw_only=True)
class Event:
    """One CloudEvent with JSON data. The values of ``extensions`` are text, as in HTTP headers.

    ``subject``, ``time`` and ``dataschema`` are empty in an event that does not have them.
    """

    type: str
    source: str
    id: str
    data: Any
    subject: str = ""
    time: str = field(default_factory=lambda: now().isoformat())
    extensions: Mapping[str, str] = field(default_factory=dict)
    datacontenttype: str = "application/json"
    dataschema: str = ""

    @property
    def correlation_id(self) -> str:
        """The id that runs from the batch to the prediction; empty if the event has none."""
        return self.extensions.get("correlationid", "")

    def attributes(self) -> dict[str, str]:
        """Every attribute except ``datacontenttype``, which each mode writes in its own way."""
        optional = {"subject": self.subject, "time": self.time, "dataschema": self.dataschema}
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            **{name: value for name, value in optional.items() if value},
            **self.extensions,
        }

    def headers(self) -> dict[str, str]:
        """The HTTP headers in binary mode."""
        encoded = {f"ce-{k}": quote(v, safe=_PLAIN) for k, v in self.attributes().items()}
        return {"content-type": self.datacontenttype, **encoded}

    def body(self) -> bytes:
        """The HTTP body in binary mode: the data as JSON."""
        return json.dumps(self.data, separators=(",", ":"), allow_nan=False).encode()

    def structured(self) -> dict[str, Any]:
        """The event as one JSON object, data included."""
        return {**self.attributes(), "datacontenttype": self.datacontenttype, "data": self.data}


# The characters that are not percent-encoded in a binary-mode header value.
_PLAIN = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '%"')


def require_known_type(event: Event) -> None:
    """Raise UnknownType, which names the known types, for an event that nobody would read."""
    if event.type not in TYPES:
        raise UnknownType(f"type is {event.type[:100]!r}; the known types are {', '.join(TYPES)}")
