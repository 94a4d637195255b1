"""The record of one answered prediction.

predict imports it before its first answer, and nothing of the other records.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasador.model.model_ref import PREDICTION, ModelRef

# reload sends this header with the golden rows of a candidate, and predict does not record a
# request that has it. In lower case, as functions see header names.
SMOKE_TEST_HEADER = "tasador-smoke-test"


# Not frozen, which would make the class, and one for every price, in twice the time.
@dataclass(slots=True, kw_only=True)
class PredictionRecord:
    """raw.inference_logs: one answered prediction (unique by its id).

    ``listing`` is the parsed request (the eleven inputs), ``intervals`` maps "80", "90", "95" to
    [low, high] dollars. ``confidence`` is that of ``tasador.model.confidence``; None where the
    bundle has not measured it, and in older records. ``prices`` are the prices by status, and the
    status of ``price`` as "headline" (``Bundle.predict_one``); None for a row of a batch.
    """

    prediction_id: str
    predicted_at: datetime
    correlation_id: str
    model_name: str
    model_version: int
    model_digest: str
    revision: str
    listing: dict[str, Any]
    price: float
    intervals: dict[str, list[float]]
    missing: list[str]
    warnings: list[str]
    latency_ms: float
    confidence: dict[str, Any] | None = None
    prices: dict[str, Any] | None = None

    @property
    def model(self) -> ModelRef:
        """The model that answered."""
        return ModelRef.of_record(PREDICTION, self)
