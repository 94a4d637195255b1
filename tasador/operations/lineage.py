"""Trace a prediction back to the listings that its model was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasador.errors import TasadorError
from tasador.records.loop import Batch, DecisionRecord, DriftRecord, MonitorRecord, RolloutRecord
from tasador.records.prediction import PredictionRecord
from tasador.tracing.context import trace_id_of

if TYPE_CHECKING:
    from tasador.warehouse.warehouse import Warehouse

# Entries of each history that are searched, newest first.
_HISTORY_LIMIT = 1000


class LineageError(TasadorError):
    """A prediction is not recorded, or the decision on its model is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """One prediction and what led to it. Lists are oldest first.

    ``drift`` and ``checks`` are the verdicts and monitoring checks that requested the training.
    ``trace_id`` is the trace from the batch to the prediction, where spans are sent.
    """

    prediction: PredictionRecord
    trace_id: str
    rollouts: list[RolloutRecord]
    decision: DecisionRecord
    drift: list[DriftRecord]
    checks: list[MonitorRecord]
    batches: list[Batch]


def trace(prediction_id: str, warehouse: Warehouse) -> Lineage:
    """Trace a prediction: its Revision, model version, training request and training batches.

    Raises LineageError if the prediction or the decision on its model is not recorded, or if the
    prediction's model digest is not the one that was promoted.
    """
    prediction = warehouse.prediction(prediction_id)
    if prediction is None:
        raise LineageError(
            f"no prediction {prediction_id} is recorded; GET /predictions/history lists them"
        )
    decision = warehouse.gate_decision(prediction.model)
    if decision is None:
        others = warehouse.gate_decisions(prediction.model_name, prediction.model_version)
        digests = ", ".join(other.digest for other in others)
        raise LineageError(
            f"prediction {prediction_id} was made by {prediction.model} with digest "
            f"{prediction.model_digest}, but no decision on that version is recorded"
            + (f" (only on {prediction.model} with digest {digests})" if digests else "")
        )
    batch_ids = set(decision.batch_ids)
    return Lineage(
        prediction=prediction,
        trace_id=trace_id_of(prediction.correlation_id),
        rollouts=[
            record
            for record in reversed(warehouse.rollout_history(limit=_HISTORY_LIMIT))
            if record.revision == prediction.revision and record.model.key == prediction.model.key
        ],
        decision=decision,
        drift=warehouse.verdicts_of(decision.correlation_id),
        checks=[
            record
            for record in reversed(
                warehouse.monitor_history(limit=_HISTORY_LIMIT, requested_training=True)
            )
            if record.correlation_id == decision.correlation_id
        ],
        batches=[batch for batch in warehouse.batches() if batch.batch_id in batch_ids],
    )
