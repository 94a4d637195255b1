"""The events of what happens here.

Ids are made from what happened, so that the same happening published twice has the same source and
id: consumers deduplicate on the two and compare promotion numbers, and a replay does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tasador.clock import now
from tasador.events.event import (
    BATCH_INGESTED,
    DRIFT_DETECTED,
    EXPLANATION_MADE,
    MODEL_PROMOTED,
    MODEL_REJECTED,
    MODEL_SERVING,
    PREDICTION_MADE,
    ROLLOUT_FAILED,
    TRAINING_REQUESTED,
    Event,
)
from tasador.prediction_record import PredictionRecord

if TYPE_CHECKING:
    from tasador.records import Batch, DecisionRecord, DriftRecord, MonitorRecord, RolloutRecord


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


def prediction_as_json(record: PredictionRecord) -> dict[str, Any]:
    """The record as JSON values; those that it holds, not copies (``asdict`` takes ten times as
    long, for every prediction that is recorded)."""
    values = {name: getattr(record, name) for name in _PREDICTION}
    return {**values, "predicted_at": record.predicted_at.isoformat()}


_PREDICTION = tuple(field.name for field in fields(PredictionRecord))
