"""Build the events of the loop from its records.

An event's id is derived from what it reports, so the same record gives the same source and id each
time. Consumers deduplicate on the two and compare promotion numbers; a replay does no harm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from tasador.clock import now
from tasador.events.event import (
    BATCH_INGESTED,
    BATCH_REFUSED,
    DRIFT_DETECTED,
    EXPLANATION_MADE,
    MODEL_PROMOTED,
    MODEL_REJECTED,
    MODEL_SERVING,
    MODEL_UNAVAILABLE,
    MODEL_WAITING,
    PREDICTION_MADE,
    ROLLOUT_FAILED,
    TRAINING_REQUESTED,
    Event,
)
from tasador.model.model_ref import ANSWER, EXTENSIONS, PROMOTED, REJECTED, ROLLED_OUT, ModelRef
from tasador.records.prediction import PredictionRecord

if TYPE_CHECKING:
    from tasador.records.loop import (
        Batch,
        DecisionRecord,
        DriftRecord,
        MonitorRecord,
        RolloutRecord,
    )


def batch_ingested(batch: Batch) -> Event:
    """A batch is ready to be judged and trained on.

    A batch that a person accepted after it was refused is announced again, under another id.
    """
    return Event(
        type=BATCH_INGESTED,
        source="/tasador/ingest",
        id=f"batch-{batch.batch_id}{'-accepted' if batch.accepted_at else ''}",
        subject=batch.batch_id,
        time=(batch.accepted_at or batch.ready_at or now()).isoformat(),
        extensions=_extensions(ModelRef(correlation_id=batch.correlation_id)),
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
    return _judged(drift, DRIFT_DETECTED, {"moved": drift.moved, "hurts": drift.hurts})


def batch_refused(drift: DriftRecord) -> Event:
    """The source's feed broke: the batch trains nothing until a person accepts it."""
    return _judged(drift, BATCH_REFUSED, {"fields": list(drift.scores.get("broken_fields", []))})


def _judged(drift: DriftRecord, kind: str, findings: dict[str, Any]) -> Event:
    return Event(
        type=kind,
        source="/tasador/drift",
        id=f"drift-{drift.drift_id}",
        subject=drift.batch_id,
        time=drift.decided_at.isoformat(),
        extensions=_extensions(ModelRef(correlation_id=drift.correlation_id)),
        data={
            "batch_id": drift.batch_id,
            "drift_id": drift.drift_id,
            "verdict": drift.verdict,
            **findings,
            "reasons": drift.reasons,
        },
    )


def training_requested(check: MonitorRecord) -> Event:
    """The champion's error on its requests rose: train a successor."""
    champion = ModelRef(
        check.model_name, check.champion_version, correlation_id=check.correlation_id
    )
    return Event(
        type=TRAINING_REQUESTED,
        source="/tasador/monitor",
        id=f"monitor-{check.monitor_id}",
        subject=champion.subject,
        time=check.looked_at.isoformat(),
        extensions=_extensions(champion),
        data={
            "monitor_id": check.monitor_id,
            "model_name": check.model_name,
            "champion_version": check.champion_version,
            "reasons": check.reasons,
            "causes": check.causes,
            "predictions": check.predictions,
            "estimated_error": check.estimated_error,
            "realised_error": check.realised_error,
            "usual_error": check.usual_error,
        },
    )


def model_promoted(decision: DecisionRecord) -> Event:
    """A version is to serve. A rollback is the same: an older version under a newer number."""
    data = {**decision.model.write(PROMOTED), "previous_version": decision.champion_version}
    return _decided(decision, MODEL_PROMOTED, data)


def model_rejected(decision: DecisionRecord) -> Event:
    """A version did not pass the gate; ``reasons`` say why."""
    data = {**decision.model.write(REJECTED), "champion_version": decision.champion_version}
    return _decided(decision, MODEL_REJECTED, data)


def model_waiting(decision: DecisionRecord) -> Event:
    """A version passed the gate and waits for a person's approval."""
    data = {**decision.model.write(REJECTED), "champion_version": decision.champion_version}
    return _decided(decision, MODEL_WAITING, data)


def _decided(decision: DecisionRecord, kind: str, data: dict[str, Any]) -> Event:
    return Event(
        type=kind,
        source="/tasador/train",
        id=f"decision-{decision.promotion}",
        subject=decision.model.subject,
        time=decision.decided_at.isoformat(),
        extensions=_extensions(decision.model),
        data={**data, "reasons": decision.reasons},
    )


def model_serving(rollout: RolloutRecord) -> Event:
    """A promotion is in service in one function, perhaps again."""
    return _rolled_out(rollout, MODEL_SERVING, f"serving-{rollout.revision}-{_attempt(rollout)}")


def rollout_failed(rollout: RolloutRecord) -> Event:
    """A promotion could not be brought into service; the old revision keeps serving."""
    return _rolled_out(rollout, ROLLOUT_FAILED, f"failed-{rollout.revision}-{_attempt(rollout)}")


def _attempt(rollout: RolloutRecord) -> str:
    return rollout.started_at.strftime("%Y%m%dT%H%M%S%f")


def model_unavailable(model: ModelRef, service: str, revision: str, reason: str) -> Event:
    """A process of a revision cannot load its model; it goes on trying."""
    at = now()
    return Event(
        type=MODEL_UNAVAILABLE,
        source=f"/tasador/{service}/{revision or 'local'}",
        id=f"unavailable-{revision}-{at.strftime('%Y%m%dT%H%M%S%f')}",
        subject=model.subject,
        time=at.isoformat(),
        extensions=_extensions(model),
        data={
            "service": service,
            "revision": revision,
            **model.write(ROLLED_OUT),
            "reason": reason,
        },
    )


def _rolled_out(rollout: RolloutRecord, kind: str, id_: str) -> Event:
    return Event(
        type=kind,
        source="/tasador/reload",
        id=id_,
        subject=rollout.model.subject,
        time=rollout.finished_at.isoformat(),
        extensions=_extensions(rollout.model),
        data={
            "service": rollout.service,
            "revision": rollout.revision,
            **rollout.model.write(ROLLED_OUT),
            "reason": rollout.reason,
        },
    )


def prediction_made(records: Sequence[PredictionRecord]) -> Event:
    """Answered predictions of one process: one as it is, several as {"predictions": [...]}."""
    first = records[0]
    several = len(records) > 1
    return Event(
        type=PREDICTION_MADE,
        source=f"/tasador/predict/{first.revision or 'local'}",
        id=f"{first.prediction_id}+{len(records) - 1}" if several else first.prediction_id,
        subject=first.model.subject,
        time=first.predicted_at.isoformat(),
        extensions=_extensions(first.model),
        data=(
            {"predictions": [prediction_as_json(r) for r in records]}
            if several
            else prediction_as_json(first)
        ),
    )


def explanation_made(request: Event, explanation: Mapping[str, Any], revision: str) -> Event:
    """The answer of explain to a request. Its id is derived from the request, as predict's is."""
    correlation_id = explanation["correlation_id"]
    model = replace(ModelRef.read(ANSWER, explanation["model"]), correlation_id=correlation_id)
    return Event(
        type=EXPLANATION_MADE,
        source=f"/tasador/explain/{revision or 'local'}",
        id=identity_of(request),
        subject=model.subject,
        extensions=_extensions(model),
        data=explanation,
    )


def in_reply_to(request: Event, reply: Event) -> Event:
    """The reply with the ids by which its caller traces the request: ``correlationid``, the
    attributes of the extension "Distributed Tracing", and the request's own id as ``causationid``.

    Without a ``correlationid`` of the caller it is the one of the model's batch, which the data
    always has.
    """
    kept = {name: request.extensions[name] for name in _TRACED if request.extensions.get(name)}
    return replace(reply, extensions={**reply.extensions, **kept, "causationid": request.id})


_TRACED = ("correlationid", "traceparent", "tracestate")


def identity_of(event: Event) -> str:
    """An id derived from the event's source and id: the same for every delivery of it."""
    return hashlib.sha256(f"{event.source}\n{event.id}".encode()).hexdigest()[:32]


def _extensions(model: ModelRef) -> dict[str, str]:
    return {name: value for name, value in model.write_text(EXTENSIONS).items() if value}


def prediction_as_json(record: PredictionRecord) -> dict[str, Any]:
    """The record as JSON values. They are shared with the record: ``asdict`` copies, and takes ten
    times as long for every prediction that is recorded."""
    values = {name: getattr(record, name) for name in _PREDICTION_FIELDS}
    return {**values, "predicted_at": record.predicted_at.isoformat()}


_PREDICTION_FIELDS = tuple(field.name for field in fields(PredictionRecord))
