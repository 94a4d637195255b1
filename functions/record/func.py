"""record: stores predictions in raw.inference_logs and serves their history.

It also stores a broker's dead letters in ops.dead_letters.
"""

import json
import logging
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

# parliament puts only this folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from functions import dead_letters
from functions.database import Database
from functions.function import Function, Route
from functions.http import (
    HttpProblem,
    Request,
    Response,
    invalid_fields,
    no_content,
    reply,
)
from functions.limits import MAX_BODY_BYTES, MAX_PAGE_ROWS, PAGE_ROWS
from functions.observability import EVENTS
from tasador.errors import StoreUnavailable
from tasador.events.build import prediction_as_json
from tasador.events.event import PREDICTION_MADE, Event, EventError
from tasador.listings.listing import FieldProblem
from tasador.prediction_record import PredictionRecord
from tasador.settings import Settings

DATABASE = Database()

log = logging.getLogger("tasador.functions.record")


def on_event(event: Event) -> Response:
    """Store the predictions of a prediction.made event; known ids are left as they are.

    503 asks the broker to deliver the event again; 400 and 422 reject it for good.
    """
    if event.type != PREDICTION_MADE:
        EVENTS.labels("other", "refused").inc()
        raise HttpProblem(422, f"type is {event.type!r}; {PREDICTION_MADE} is expected")
    try:
        records = predictions_of(event.data)
        new = DATABASE.warehouse().log_predictions(records)
    except StoreUnavailable:
        EVENTS.labels(event.type, "retry").inc()
        raise
    except EventError:
        EVENTS.labels(event.type, "refused").inc()
        raise
    EVENTS.labels(event.type, "done").inc()
    log.info(
        "predictions stored",
        extra={
            "fields": {
                "new": new,
                "known": len(records) - new,
                "correlation_id": event.correlation_id,
            }
        },
    )
    return no_content()


def on_batch(batch: Sequence[Event | EventError]) -> Response:
    """Store the predictions of a batch of events in one transaction.

    Invalid events are named in a 422 after all others have been stored. The sender may send the
    others again without harm.
    """
    records: list[PredictionRecord] = []
    wrong: list[FieldProblem] = []
    for index_in_batch, event in enumerate(batch):
        where = f"events[{index_in_batch}]"
        if isinstance(event, EventError):
            wrong.append(FieldProblem(where, str(event), ""))
        elif event.type != PREDICTION_MADE:
            reason = f"is not of type {PREDICTION_MADE}"
            wrong.append(FieldProblem(f"{where}.type", reason, event.type[:200]))
        else:
            try:
                records += predictions_of(event.data)
            except EventError as error:
                wrong.append(FieldProblem(f"{where}.data", str(error), ""))
    try:
        new = DATABASE.warehouse().log_predictions(records) if records else 0
    except StoreUnavailable:
        EVENTS.labels(PREDICTION_MADE, "retry").inc(len(batch))
        raise
    EVENTS.labels(PREDICTION_MADE, "done").inc(len(batch) - len(wrong))
    EVENTS.labels(PREDICTION_MADE, "refused").inc(len(wrong))
    log.info("predictions stored", extra={"fields": {"new": new, "known": len(records) - new}})
    if wrong:
        raise invalid_fields(wrong)
    return no_content()


def on_json(_request: Request) -> Response:
    """Plain JSON is rejected: a prediction arrives as the event that predict publishes."""
    raise HttpProblem(415, f"a CloudEvent of type {PREDICTION_MADE} is expected")


def history(request: Request) -> Response:
    """GET /predictions/history?limit=&before=: newest first; ``next`` is the next ``before``."""
    limit = _limit(request.args.get("limit"))
    before = _time(request.args.get("before"))
    records = DATABASE.warehouse().predictions(limit, before)
    following = records[-1].predicted_at.isoformat() if len(records) == limit else None
    return reply(
        {"predictions": [prediction_as_json(record) for record in records], "next": following}
    )


def one(_request: Request, prediction_id: str) -> Response:
    """GET /predictions/ID."""
    record = DATABASE.warehouse().prediction(prediction_id)
    if record is None:
        raise HttpProblem(404, f"no prediction {prediction_id[:64]!r} is recorded")
    return reply(prediction_as_json(record))


def summary(_request: Request) -> Response:
    """GET /metrics/summary: predictions by version and hour, with prices and latencies.

    ``rollouts`` says in ``message`` what serves and what is to serve, and whether that is
    ``healthy`` or ``paused``.
    """
    from tasador.rollout.status import read_status

    warehouse = DATABASE.warehouse()
    status = read_status(warehouse, Settings.load().model_name)
    rollouts = {
        "healthy": status.healthy,
        "paused": status.pause is not None,
        "message": status.message,
    }
    return reply({**warehouse.prediction_summary(), "rollouts": rollouts})


def index(_request: Request) -> Response:
    """GET /: the function and its routes."""
    links = {"history": "/predictions/history", "summary": "/metrics/summary"}
    return reply({"name": "record", "links": links | {"ready": "/ready", "metrics": "/metrics"}})


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE_ROWS
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MAX_PAGE_ROWS:
        reason = f"is not a whole number from 1 to {MAX_PAGE_ROWS}"
        raise invalid_fields([FieldProblem("limit", reason, text[:200])])
    return int(text)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # An unencoded + in a query is a space.
        return _utc(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError):
        reason = "is not a time like 2026-01-31T12:00:00Z"
        raise invalid_fields([FieldProblem("before", reason, text[:200])]) from None


def _utc(text: str) -> datetime:
    """The time in UTC: Postgres rejects an offset of 16 hours, which RFC 3339 allows."""
    when = datetime.fromisoformat(text)
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


# The JSON types of a prediction's fields, by their type in PredictionRecord.
_JSON_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": (int, float),
    "datetime": str,
    "dict[str, Any]": dict,
    "dict[str, list[float]]": dict,
    "list[str]": list,
}


def predictions_of(data: Any) -> list[PredictionRecord]:
    """The records in a prediction.made event's data; raises EventError that names the field."""
    if isinstance(data, Mapping) and isinstance(data.get("predictions"), list):
        return [_record(item, f"predictions[{i}].") for i, item in enumerate(data["predictions"])]
    return [_record(data, "")]


def _record(data: Any, where: str) -> PredictionRecord:
    if not isinstance(data, Mapping):
        raise EventError(f"{where or 'data'} is not a prediction (a JSON object)")
    values: dict[str, Any] = {}
    for field in fields(PredictionRecord):
        if field.name not in data:
            raise EventError(f"{where}{field.name} is missing")
        value: Any = data[field.name]
        if not isinstance(value, _JSON_TYPES[str(field.type)]) or isinstance(value, bool):
            raise EventError(f"{where}{field.name} is not of type {field.type}")
        if field.type == "float" and not _finite(value):
            raise EventError(f"{where}{field.name} is not a finite number")
        if field.type == "int" and not 0 <= value < 2**31:
            raise EventError(f"{where}{field.name} is not a version number")
        if not _storable(value):
            raise EventError(f"{where}{field.name} has characters that the database cannot store")
        values[field.name] = value
    try:
        values["predicted_at"] = _utc(values["predicted_at"])
    except (ValueError, OverflowError):
        raise EventError(f"{where}predicted_at is not a time like 2026-01-31T12:00:00Z") from None
    return PredictionRecord(**values)


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _storable(value: Any) -> bool:
    """Whether Postgres can store the text in it: no NUL, no lone surrogate."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\\u0000" not in text


FUNCTION = Function(
    name="record",
    index=index,
    on_json=on_json,
    on_event=on_event,
    on_batch=on_batch,
    routes=(
        Route("GET", "/predictions/history", history),
        Route("GET", "/predictions/<prediction_id>", one),
        Route("GET", "/metrics/summary", summary),
        Route("POST", "/dead-letters", partial(dead_letters.store, DATABASE)),
    ),
    body_limit=MAX_BODY_BYTES,
    load=DATABASE.load,
    check_ready=DATABASE.check_ready,
    stop=DATABASE.close,
)


def main(context: Any) -> Any:
    """parliament's entry point: GET / and POST /."""
    from functions.flask_edge import invoke  # the host answers its first predictions without Flask

    return invoke(FUNCTION, context)
