"""The comparisons in a prediction.compared event: what a shadow says of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tasador.events.event import PREDICTION_COMPARED, Event, EventError
from tasador.events.predictions import READERS, Refused
from tasador.model.model_ref import ModelRef
from tasador.records.shadow import ComparisonRecord

LONGEST_ERROR = 500


def prediction_compared(records: Sequence[ComparisonRecord], request: Event) -> Event:
    """The shadow's reply to a prediction.made event; at least one record."""
    first = records[0]
    return Event(
        type=PREDICTION_COMPARED,
        source=f"/tasador/predict/{first.revision or 'local'}",
        id=request.id,
        subject=ModelRef(first.model_name, first.model_version).subject,
        data={
            "comparisons": [
                {**asdict(record), "compared_at": record.compared_at.isoformat()}
                for record in records
            ]
        },
    )


def comparisons_of(data: Any) -> list[ComparisonRecord]:
    """The records in a prediction.compared event's data; raises EventError that names the field."""
    items = data.get("comparisons") if isinstance(data, Mapping) else None
    if not isinstance(items, list):
        raise EventError("data.comparisons is not a list")
    return [_record(item, f"comparisons[{place}]") for place, item in enumerate(items)]


def _record(data: object, where: str) -> ComparisonRecord:
    if not isinstance(data, Mapping):
        raise EventError(f"{where} is not a JSON object")
    values: dict[str, Any] = {}
    for name, (reader, may_lack) in _FIELDS.items():
        if name not in data:
            raise EventError(f"{where}.{name} is missing")
        value = data[name]
        try:
            values[name] = None if may_lack and value is None else READERS[reader](value)
        except Refused as refused:
            raise EventError(f"{where}.{name}{refused.part} {refused}") from None
    error = data.get("error")
    if not isinstance(error, str) or len(error) > LONGEST_ERROR or not error.isprintable():
        raise EventError(
            f"{where}.error is not a printable text of at most {LONGEST_ERROR} characters"
        )
    if (values["price"] is None) != bool(error):
        raise EventError(f"{where} needs either a price or an error")
    return ComparisonRecord(**values, error=error)


# Field: the field of a prediction that is read in the same way, and whether it may be null.
_FIELDS = {
    "prediction_id": ("prediction_id", False),
    "compared_at": ("predicted_at", False),
    "model_name": ("model_name", False),
    "model_version": ("model_version", False),
    "model_digest": ("model_digest", False),
    "revision": ("revision", False),
    "listing": ("listing", False),
    "served_version": ("model_version", False),
    "served_price": ("price", False),
    "served_latency_ms": ("latency_ms", False),
    "price": ("price", True),
    "latency_ms": ("latency_ms", True),
}
