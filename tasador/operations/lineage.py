"""From a prediction back to the listings that its model learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasador.errors import TasadorError
from tasador.prediction_record import PredictionRecord
from tasador.records import Batch, DecisionRecord, DriftRecord, MonitorRecord, RolloutRecord

if TYPE_CHECKING:
    from tasador.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """One prediction and everything behind it; a list is in the order things happened."""

    prediction: PredictionRecord
    rollouts: list[RolloutRecord]
    decision: DecisionRecord
    drift: list[DriftRecord]
    looks: list[MonitorRecord]
    batches: list[Batch]


def trace(prediction_id: str, warehouse: Warehouse) -> Lineage:
    """Walk back: prediction, Revision, model version and run, what asked for it, its batches."""
    prediction = warehouse.prediction(prediction_id)
    if prediction is None:
        raise TasadorError(
            f"no prediction {prediction_id} is recorded; GET /predictions/history lists them"
        )
    decision = warehouse.decision(prediction.model_version)
    if decision is None:
        raise TasadorError(
            f"prediction {prediction_id} was made by {prediction.model_name}"
            f"@{prediction.model_version}, of which no decision is recorded"
        )
    if decision.digest != prediction.model_digest:
        raise TasadorError(
            f"prediction {prediction_id} names digest {prediction.model_digest}, but version "
            f"{decision.version} was promoted with {decision.digest}"
        )
    wanted = set(decision.batch_ids)
    return Lineage(
        prediction=prediction,
        rollouts=[
            record
            for record in reversed(warehouse.rollout_history(limit=1000))
            if record.revision == prediction.revision
        ],
        decision=decision,
        drift=[
            record
            for record in reversed(warehouse.drift_history(limit=1000))
            if record.correlation_id == decision.correlation_id
        ],
        looks=[
            look
            for look in reversed(warehouse.monitor_history(limit=1000, requested_training=True))
            if look.correlation_id == decision.correlation_id
        ],
        batches=[batch for batch in warehouse.batches() if batch.batch_id in wanted],
    )
