"""Factories of the records: a valid one each, with the fields that a test cares about changed.

The defaults tell one story: batch b1 drifted, version 2 was trained on it, promoted as promotion 7
and rolled out.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tasador.clock import now
from tasador.records.loop import (
    Batch,
    DecisionRecord,
    DriftRecord,
    MonitorRecord,
    RolloutRecord,
)
from tasador.records.prediction import PredictionRecord
from tasador.records.review import ReviewRecord
from tasador.records.shadow import ComparisonRecord, ShadowRecord

WHEN = datetime(2026, 1, 31, 12, tzinfo=UTC)


def make_batch(**changes: Any) -> Batch:
    return Batch(
        **{
            "batch_id": "b1",
            "source": "http://source",
            "group_number": 5,
            "day": "Tuesday",
            "batch_number": 0,
            "correlation_id": "c-1",
            "raw_uri": "s3://raw/b1",
            "fetched_at": WHEN,
            **changes,
        }
    )


def make_drift_record(**changes: Any) -> DriftRecord:
    return DriftRecord(
        **{
            "batch_id": "b1",
            "model_name": "tasador-price",
            "champion_version": 1,
            "champion_digest": f"d{changes.get('champion_version', 1)}",
            "correlation_id": "c-1",
            "verdict": "drift",
            "reasons": ["price moved"],
            "scores": {},
            "decided_at": WHEN,
            **changes,
        }
    )


def make_decision(**changes: Any) -> DecisionRecord:
    return DecisionRecord(
        **{
            "model_name": "tasador-price",
            "version": 2,
            "digest": "d2",
            "model_uri": "s3://mlflow/2/bundle",
            "run_id": "r",
            "decision": "promoted",
            "reasons": ["better"],
            "checks": [],
            "metrics": {},
            "correlation_id": "c-1",
            "training_id": "t",
            "batch_ids": ["b1"],
            "champion_version": 1,
            "champion_digest": f"d{changes.get('champion_version', 1)}",
            "decided_at": WHEN,
            **changes,
        }
    )


def make_review(**changes: Any) -> ReviewRecord:
    return ReviewRecord(
        **{
            "prediction_id": "p1",
            "predicted_at": WHEN,
            "model_name": "tasador-price",
            "model_version": 2,
            "model_digest": "d2",
            "price": 250_000.0,
            "listing": {"bed": 3},
            "week": "2026-W47",
            "drawn_at": WHEN,
            **changes,
        }
    )


def make_rollout(**changes: Any) -> RolloutRecord:
    return RolloutRecord(
        **{
            "service": "predict",
            "revision": "predict-00007",
            "model_name": "tasador-price",
            "version": 2,
            "digest": "d2",
            "promotion": 7,
            "outcome": "serving",
            "reason": "all traffic",
            "steps": [],
            "correlation_id": "c-1",
            "started_at": WHEN,
            "finished_at": WHEN,
            **changes,
        }
    )


def make_monitor_record(**changes: Any) -> MonitorRecord:
    """A monitoring check that requested training."""
    return MonitorRecord(
        **{
            "model_name": "tasador-price",
            "champion_version": 2,
            "champion_digest": f"d{changes.get('champion_version', 2)}",
            "correlation_id": "c-1",
            "window_from": WHEN - timedelta(days=1),
            "window_to": WHEN,
            "predictions": 500,
            "judged": 500,
            "moved": True,
            "hurts": True,
            "reasons": ["it hurts"],
            "causes": ["estimated_error"],
            "requested_training": True,
            "request_reason": "",
            "looked_at": WHEN,
            **changes,
        }
    )


CONFIDENCE = {
    "fsd": 0.1634,
    "class": "medium",
    "p15_low": 0.21,
    "p15_high": 0.26,
    "ppe10": 0.37,
    "ppe20": 0.65,
}


def make_shadow(**changes: Any) -> ShadowRecord:
    return ShadowRecord(
        **{
            "model_name": "tasador-price",
            "version": 8,
            "digest": "8" * 64,
            "model_uri": "s3://mlflow/8/bundle",
            "correlation_id": "c-1",
            "started_by": "ana",
            "started_at": WHEN,
            **changes,
        }
    )


def make_comparison(**changes: Any) -> ComparisonRecord:
    """What version 8, which shadows, says of a prediction of version 5."""
    return ComparisonRecord(
        **{
            "prediction_id": uuid4().hex,
            "compared_at": now(),
            "model_name": "tasador-price",
            "model_version": 8,
            "model_digest": "8" * 64,
            "revision": "predict-shadow-00008-88888888",
            "listing": {"bed": 3.0, "city": None},
            "served_version": 5,
            "served_price": 200_000.0,
            "served_latency_ms": 0.5,
            "price": 210_000.0,
            "latency_ms": 0.6,
            **changes,
        }
    )


def make_prediction(**changes: Any) -> PredictionRecord:
    """A prediction with a new id."""
    return PredictionRecord(
        **{
            "prediction_id": uuid4().hex,
            "predicted_at": WHEN,
            "correlation_id": "c-1",
            "model_name": "tasador-price",
            "model_version": 2,
            "model_digest": "d2",
            "revision": "predict-00007",
            "listing": {"city": "Peñuelas", "bed": 3.0, "bath": None},
            "price": 250_000.5,
            "intervals": {"80": [2e5, 3e5], "90": [1.8e5, 3.2e5], "95": [1.5e5, 4e5]},
            "missing": ["bath"],
            "warnings": [],
            "latency_ms": 0.4,
            "confidence": CONFIDENCE,
            "prices": {"headline": "for_sale", "for_sale": 250_000.5, "sold": 241_000.0},
            **changes,
        }
    )
