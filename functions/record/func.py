"""record: keep every prediction in raw.inference_logs, and tell what is there.

It keeps what a broker gave up, too, in ops.dead_letters.
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
from functions.database import Store
from functions.observability import EVENTS
from functions.surface import (
    MEGABYTE,
    Function,
    Problem,
    Request,
    Response,
    Route,
    invalid,
    nothing,
    reply,
)
from tasador.errors import StoreUnavailable
from tasador.events.build import prediction_as_json
from tasador.events.event import PREDICTION_MADE, Event, EventError
from tasador.listings.listing import FieldProblem
from tasador.prediction_record import PredictionRecord

STORE = Store()
PAGE, LONGEST_PAGE = 50, 500

log = logging.getLogger("tasador.functions.record")


def on_event(event: Event) -> Response:
    """Keep the predictions of a prediction.made event; one that is known already stays as it is.

    503 asks the broker to deliver again; 400 and 422 tell it that this never will be a prediction.
    """
    if event.type != PREDICTION_MADE:
        EVENTS.labels("other", "refused").inc()
        raise Problem(422, f"type is {event.type!r}; {PREDICTION_MADE} is taken")
    try:
        records = predictions_of(event.data)
        new = STORE.warehouse().log_predictions(records)
    except StoreUnavailable:
        EVENTS.labels(event.type, "retry").inc()
        raise
    except EventError:
        EVENTS.labels(event.type, "refused").inc()
        raise
    EVENTS.labels(event.type, "done").inc()
    log.info(
        "predictions kept",
        extra={
            "fields": {
                "new": new,
                "known": len(records) - new,
                "correlation_id": event.correlation_id,
            }
        },
    )
    return nothing()


def on_batch(given: Sequence[Event | EventError]) -> Response:
    """Keep what a batch of events holds, in one transaction.

    What can never be kept is named in a 422, after everything else has been kept: the sender may
    send the rest again without harm.
    """
    records: list[PredictionRecord] = []
    wrong: list[FieldProblem] = []
    for place, event in enumerate(given):
        where = f"events[{place}]"
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
        new = STORE.warehouse().log_predictions(records) if records else 0
    except StoreUnavailable:
        EVENTS.labels(PREDICTION_MADE, "retry").inc(len(given))
        raise
    EVENTS.labels(PREDICTION_MADE, "done").inc(len(given) - len(wrong))
    EVENTS.labels(PREDICTION_MADE, "refused").inc(len(wrong))
    log.info("predictions kept", extra={"fields": {"new": new, "known": len(records) - new}})
    if wrong:
        raise invalid(wrong)
    return nothing()


def on_json(_request: Request) -> Response:
    """Plain JSON is nothing to keep: a prediction comes as the event that predict publishes."""
    raise Problem(415, f"a CloudEvent of type {PREDICTION_MADE} is expected")


def history(request: Request) -> Response:
    """GET /predictions/history?limit=&before=: the newest first; ``next`` is the page after."""
    limit = _limit(request.args.get("limit"))
    before = _time(request.args.get("before"))
    records = STORE.warehouse().predictions(limit, before)
    following = records[-1].predicted_at.isoformat() if len(records) == limit else None
    return reply(
        {"predictions": [prediction_as_json(record) for record in records], "next": following}
    )


def one(_request: Request, prediction_id: str) -> Response:
    """GET /predictions/ID."""
    record = STORE.warehouse().prediction(prediction_id)
    if record is None:
        raise Problem(404, f"no prediction {prediction_id[:64]!r} is recorded")
    return reply(prediction_as_json(record))


def summary(_request: Request) -> Response:
    """GET /metrics/summary: how many, by which version, at what price, how fast, hour by hour."""
    return reply(STORE.warehouse().prediction_summary())


def index(_request: Request) -> Response:
    """GET /: who answers here, and where to go."""
    links = {"history": "/predictions/history", "summary": "/metrics/summary"}
    return reply({"name": "record", "links": links | {"ready": "/ready", "metrics": "/metrics"}})


def _limit(given: str | None) -> int:
    if given is None:
        return PAGE
    if not given.isascii() or not given.isdigit() or not 1 <= int(given[:9]) <= LONGEST_PAGE:
        reason = f"is not a whole number from 1 to {LONGEST_PAGE}"
        raise invalid([FieldProblem("limit", reason, given[:200])])
    return int(given)


def _time(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        # A + in a query means a blank.
        return _utc(given.replace(" ", "+") if "T" in given else given)
    except (ValueError, OverflowError):
        reason = "is not a time like 2026-01-31T12:00:00Z"
        raise invalid([FieldProblem("before", reason, given[:200])]) from None


def _utc(text: str) -> datetime:
    """The time in UTC: Postgres knows no offset of 16 hours, Python and RFC 3339 do."""
    when = datetime.fromisoformat(text)
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


# What each field of a prediction must be in JSON, by its type in PredictionRecord.
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
            raise EventError(f"{where}{field.name} is not a number that a version can have")
        if not _storable(value):
            raise EventError(f"{where}{field.name} holds characters that no database keeps")
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
    """Whether Postgres can hold the text in it: no NUL, no half of a surrogate pair."""
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
        Route("POST", "/dead-letters", partial(dead_letters.keep, STORE)),
    ),
    body_limit=8 * MEGABYTE,
    load=STORE.load,
    ready=STORE.ready,
    stop=STORE.close,
)


def main(context: Any) -> Any:
    """parliament's entry: GET / and POST /."""
    return FUNCTION.main(context)
