"""CloudEvents 1.0: the types that Tasador speaks, how they are built, read and published.

Ids are made from what happened, so that the same happening published twice has the same source and
id: consumers deduplicate on the two and compare promotion numbers, and a replay does no harm.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tasador.errors import ConfigurationError, StoreUnavailable, TasadorError
from tasador.records import (
    Batch,
    DecisionRecord,
    DriftRecord,
    MonitorRecord,
    PredictionRecord,
    RolloutRecord,
    now,
)

BATCH_INGESTED = "tasador.batch.ingested"
DRIFT_DETECTED = "tasador.drift.detected"
TRAINING_REQUESTED = "tasador.training.requested"
MODEL_PROMOTED = "tasador.model.promoted"
MODEL_REJECTED = "tasador.model.rejected"
MODEL_SERVING = "tasador.model.serving"
ROLLOUT_FAILED = "tasador.rollout.failed"
PREDICTION_REQUESTED = "tasador.prediction.requested"
PREDICTION_MADE = "tasador.prediction.made"
EXPLANATION_MADE = "tasador.explanation.made"

# CloudEvent type -> the name by which Argo Events hands it to a flow's @trigger. Of several events
# Metaflow's @trigger waits for all, so what starts the same flow comes under one name.
ARGO_EVENTS = {
    BATCH_INGESTED: BATCH_INGESTED,
    DRIFT_DETECTED: TRAINING_REQUESTED,
    TRAINING_REQUESTED: TRAINING_REQUESTED,
}

STRUCTURED = "application/cloudevents+json"
_BATCHED = "application/cloudevents-batch+json"

_CORE = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")
_NOT_EXTENSIONS = frozenset({*_CORE, "dataschema", "data", "data_base64"})
_NAME = re.compile(r"[a-z0-9]{1,64}")


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


# -- building ---------------------------------------------------------------------------------


def batch_ingested(batch: Batch) -> Event:
    """A batch is ready to be judged and trained on."""
    return Event(
        type=BATCH_INGESTED,
        source="/tasador/ingest",
        id=f"batch-{batch.batch_id}",
        subject=batch.batch_id,
        time=(batch.ready_at or now()).isoformat(),
        extensions=_extensions(batch.correlation_id),
        data={
            "batch_id": batch.batch_id,
            "batch_number": batch.batch_number,
            "rows_raw": batch.rows_raw,
            "rows_clean": batch.rows_clean,
            "rows_quarantined": batch.rows_quarantined,
            "clean_uri": batch.clean_uri,
        },
    )


def drift_detected(drift: DriftRecord) -> Event:
    """A batch calls for training: the market moved, or there is no champion yet."""
    return Event(
        type=DRIFT_DETECTED,
        source="/tasador/drift",
        id=f"drift-{drift.drift_id}",
        subject=drift.batch_id,
        time=drift.decided_at.isoformat(),
        extensions=_extensions(drift.correlation_id),
        data={
            "batch_id": drift.batch_id,
            "drift_id": drift.drift_id,
            "verdict": drift.verdict,
            "moved": drift.moved,
            "hurts": drift.hurts,
            "reasons": drift.reasons,
        },
    )


def training_requested(look: MonitorRecord) -> Event:
    """What is asked of the champion hurts it: a successor is to be trained."""
    return Event(
        type=TRAINING_REQUESTED,
        source="/tasador/monitor",
        id=f"monitor-{look.monitor_id}",
        subject=f"{look.model_name}/{look.champion_version}",
        time=look.looked_at.isoformat(),
        extensions=_extensions(look.correlation_id, look.champion_version),
        data={
            "monitor_id": look.monitor_id,
            "model_name": look.model_name,
            "champion_version": look.champion_version,
            "reasons": look.reasons,
            "causes": look.causes,
            "predictions": look.predictions,
            "estimated_error": look.estimated_error,
            "realised_error": look.realised_error,
            "usual_error": look.usual_error,
        },
    )


def model_promoted(decision: DecisionRecord) -> Event:
    """A version is to serve. A rollback is the same: an older version under a newer number."""
    return _decided(
        decision,
        MODEL_PROMOTED,
        {"model_uri": decision.model_uri, "previous_version": decision.champion_version},
    )


def model_rejected(decision: DecisionRecord) -> Event:
    """A version did not pass the gate; ``reasons`` say why."""
    return _decided(decision, MODEL_REJECTED, {"champion_version": decision.champion_version})


def _decided(decision: DecisionRecord, kind: str, more: dict[str, Any]) -> Event:
    return Event(
        type=kind,
        source="/tasador/train",
        id=f"decision-{decision.promotion}",
        subject=f"{decision.model_name}/{decision.version}",
        time=decision.decided_at.isoformat(),
        extensions=_extensions(decision.correlation_id, decision.version, decision.digest),
        data={
            "model_name": decision.model_name,
            "version": decision.version,
            "digest": decision.digest,
            "promotion": decision.promotion,
            "reasons": decision.reasons,
            **more,
        },
    )


def model_serving(rollout: RolloutRecord) -> Event:
    """A promotion is in service in one function."""
    return _rolled_out(rollout, MODEL_SERVING, f"serving-{rollout.revision}")


def rollout_failed(rollout: RolloutRecord) -> Event:
    """A promotion could not be put into service; the old revision goes on serving."""
    attempt = rollout.started_at.strftime("%Y%m%dT%H%M%S%f")
    return _rolled_out(rollout, ROLLOUT_FAILED, f"failed-{rollout.revision}-{attempt}")


def _rolled_out(rollout: RolloutRecord, kind: str, id_: str) -> Event:
    return Event(
        type=kind,
        source="/tasador/reload",
        id=id_,
        subject=f"{rollout.model_name}/{rollout.version}",
        time=rollout.finished_at.isoformat(),
        extensions=_extensions(rollout.correlation_id, rollout.version, rollout.digest),
        data={
            "service": rollout.service,
            "revision": rollout.revision,
            "version": rollout.version,
            "digest": rollout.digest,
            "promotion": rollout.promotion,
            "reason": rollout.reason,
        },
    )


def prediction_made(records: Sequence[PredictionRecord]) -> Event:
    """Answered predictions of one process: one as it is, several as {"predictions": [...]}."""
    first = records[0]
    many = len(records) > 1
    return Event(
        type=PREDICTION_MADE,
        source=f"/tasador/predict/{first.revision or 'local'}",
        id=f"{first.prediction_id}+{len(records) - 1}" if many else first.prediction_id,
        subject=f"{first.model_name}/{first.model_version}",
        time=first.predicted_at.isoformat(),
        extensions=_extensions(first.correlation_id, first.model_version, first.model_digest),
        data=(
            {"predictions": [prediction_as_json(r) for r in records]}
            if many
            else prediction_as_json(first)
        ),
    )


def explanation_made(request: Event, explanation: Mapping[str, Any], revision: str) -> Event:
    """The answer of explain to a request; its id comes from the request's, as predict's does."""
    model = explanation["model"]
    return Event(
        type=EXPLANATION_MADE,
        source=f"/tasador/explain/{revision or 'local'}",
        id=identity_of(request),
        subject=f"{model['name']}/{model['version']}",
        extensions=_extensions(explanation["correlation_id"], model["version"], model["digest"]),
        data=explanation,
    )


def identity_of(event: Event) -> str:
    """An id made from the event's source and id: the same for every delivery of it."""
    return hashlib.sha256(f"{event.source}\n{event.id}".encode()).hexdigest()[:32]


def _extensions(correlation_id: str, version: int = 0, digest: str = "") -> dict[str, str]:
    given = {
        "correlationid": correlation_id,
        "modelversion": str(version) if version else "",
        "modeldigest": digest,
    }
    return {name: value for name, value in given.items() if value}


# -- predictions as data ----------------------------------------------------------------------


def prediction_as_json(record: PredictionRecord) -> dict[str, Any]:
    """The record as JSON values."""
    return {**asdict(record), "predicted_at": record.predicted_at.isoformat()}


# -- reading ----------------------------------------------------------------------------------


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether a request with these headers means to be a CloudEvent, in whichever mode."""
    names = {name.lower() for name in headers}
    content_type = _header(headers, "content-type").lower()
    return content_type.startswith("application/cloudevents") or any(
        name in names for name in ("ce-specversion", "ce-type", "ce-id", "ce-source")
    )


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """Read a CloudEvent in binary or structured mode; EventError names what is wrong."""
    content_type = _header(headers, "content-type").lower()
    if content_type.startswith(_BATCHED):
        raise EventError("batched CloudEvents are not taken: send one event a request")
    if content_type.startswith(STRUCTURED):
        given = _json(body, "the event")
        if not isinstance(given, Mapping):
            raise EventError("the event is not a JSON object")
        if "data_base64" in given:
            raise EventError("data_base64: the data must be JSON")
        return _event({k: v for k, v in given.items() if k != "data"}, given.get("data"))
    attributes = {
        name.lower()[3:]: unquote(value)
        for name, value in headers.items()
        if name.lower().startswith("ce-")
    }
    if content_type and "json" not in content_type:
        raise EventError(f"content-type is {content_type[:100]!r}: the data must be JSON")
    return _event(attributes, _json(body, "the data") if body else None)


def from_structured(given: Mapping[str, Any]) -> Event:
    """The event that ``Event.structured`` made; raises EventError."""
    return _event({k: v for k, v in given.items() if k != "data"}, given.get("data"))


def _event(attributes: Mapping[str, Any], data: Any) -> Event:
    if attributes.get("specversion") != "1.0":
        raise EventError(f"specversion is {attributes.get('specversion')!r}; 1.0 is taken")
    for name in ("id", "source", "type"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise EventError(f"{name}: a CloudEvent needs it, as text that is not empty")
    extensions: dict[str, str] = {}
    for name, value in attributes.items():
        if name in _NOT_EXTENSIONS or value is None:
            continue
        if not _NAME.fullmatch(name) or not isinstance(value, str | int):
            raise EventError(f"{name[:64]!r} is no extension attribute of a CloudEvent")
        extensions[name] = value if isinstance(value, str) else json.dumps(value)
    return Event(
        type=attributes["type"],
        source=attributes["source"],
        id=attributes["id"],
        subject=str(attributes.get("subject") or ""),
        time=str(attributes.get("time") or now().isoformat()),
        extensions=extensions,
        data=data,
    )


def _json(body: bytes, what: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EventError(f"{what} is not JSON: {str(error)[:200]}") from None


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


# -- publishing -------------------------------------------------------------------------------


def publish(event: Event, broker_url: str, *, retries: int = 3, timeout: float = 10.0) -> None:
    """POST the event to the broker, in binary mode; raises as ``send`` does."""
    send(event.type, broker_url, event.headers(), event.body(), retries=retries, timeout=timeout)


def send(
    what: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    retries: int = 3,
    timeout: float = 10.0,
) -> None:
    """POST to whoever takes events at ``url``; ``what`` names the event in an error.

    No answer, 408, 429 and 5xx are tried again (``retries`` times, after 0.2, 0.4, ... seconds),
    then raise StoreUnavailable; any other refusal raises EventError at once.
    """
    # http.client and not httpx: predict publishes too, and httpx would cost a third of its start.
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(0.2 * 2 ** (attempt - 1))
        try:
            status, answer = _post(url, headers, body, timeout)
        except (OSError, http.client.HTTPException) as error:
            trouble = f"{type(error).__name__}: {error}"
            continue
        if 200 <= status < 300:
            return
        trouble = f"HTTP {status} {answer[:200].decode(errors='replace')}"
        if status not in (408, 429) and status < 500:
            raise EventError(f"the broker at {url} refused {what}: {trouble}")
    raise StoreUnavailable(f"{what} could not be published: {url} did not take it ({trouble})")


def _post(url: str, headers: Mapping[str, str], body: bytes, timeout: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(f"the broker's address {url!r} is not an http(s) URL")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout)
    try:
        target = parts.path or "/"
        connection.request("POST", target, body=body, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
