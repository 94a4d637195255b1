"""record: stores predictions in raw.inference_logs and serves their history.

It also stores a broker's dead letters in ops.dead_letters.
"""

import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

# parliament puts only this folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from functions import (
    dead_letters,
    distributions,
    event_schemas,
    histories,
    predictions,
    reports,
)
from functions.access import protected, require_seal
from functions.database import Database
from functions.function import API_VERSION, Function, Route
from functions.http import (
    HttpProblem,
    Request,
    Response,
    invalid_fields,
    no_content,
    reply,
)
from functions.limits import MAX_BODY_BYTES
from functions.observability import EVENTS
from tasador.errors import StoreUnavailable
from tasador.events.comparisons import comparisons_of
from tasador.events.event import PREDICTION_COMPARED, PREDICTION_MADE, Event, EventError
from tasador.events.predictions import predictions_of
from tasador.listings.listing import FieldProblem
from tasador.records.prediction import PredictionRecord
from tasador.settings import Settings

DATABASE = Database()

log = logging.getLogger("tasador.functions.record")


def on_event(event: Event) -> Response:
    """Store the predictions of a prediction.made event; known ids are left as they are.

    So are the comparisons of a prediction.compared event stored, which a shadow makes.

    503 asks the broker to deliver the event again; 400 and 422 reject it for good. Of several
    predictions those that can be stored are: one that cannot be must not take the others with it.
    """
    if event.type not in (PREDICTION_MADE, PREDICTION_COMPARED):
        EVENTS.labels("other", "refused").inc()
        raise HttpProblem(422, f"type is {event.type!r}; {PREDICTION_MADE} is expected")
    _require_seal(event)
    if event.type == PREDICTION_COMPARED:
        return _store_comparisons(event)
    try:
        records, errors = predictions_of(event.data)
        new = DATABASE.warehouse().log_predictions(records) if records else 0
    except StoreUnavailable:
        EVENTS.labels(event.type, "retry").inc()
        raise
    if errors:
        EVENTS.labels(event.type, "refused").inc()
        more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
        stored = f"; the other {len(records)} are stored" if records else ""
        raise EventError(f"{errors[0]}{more}{stored}")
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


def _store_comparisons(event: Event) -> Response:
    """Store what a shadow says of predictions, apart from them."""
    try:
        new = DATABASE.warehouse().log_comparisons(comparisons_of(event.data))
    except StoreUnavailable:
        EVENTS.labels(event.type, "retry").inc()
        raise
    except EventError:
        EVENTS.labels(event.type, "refused").inc()
        raise
    EVENTS.labels(event.type, "done").inc()
    log.info("comparisons stored", extra={"fields": {"new": new}})
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
            _require_seal(event)
            found, errors = predictions_of(event.data)
            records += found
            wrong += [FieldProblem(f"{where}.data", str(error), "") for error in errors]
    try:
        new = DATABASE.warehouse().log_predictions(records) if records else 0
    except StoreUnavailable:
        EVENTS.labels(PREDICTION_MADE, "retry").inc(len(batch))
        raise
    refused = len({problem.field.partition(".")[0] for problem in wrong})
    EVENTS.labels(PREDICTION_MADE, "done").inc(len(batch) - refused)
    EVENTS.labels(PREDICTION_MADE, "refused").inc(refused)
    log.info("predictions stored", extra={"fields": {"new": new, "known": len(records) - new}})
    if wrong:
        raise invalid_fields(wrong)
    return no_content()


def _require_seal(event: Event) -> None:
    try:
        require_seal(event)
    except HttpProblem:
        EVENTS.labels(event.type, "refused").inc()
        raise


def on_json(_request: Request) -> Response:
    """Plain JSON is rejected: a prediction arrives as the event that predict publishes."""
    raise HttpProblem(415, f"a CloudEvent of type {PREDICTION_MADE} is expected")


def summary(_request: Request) -> Response:
    """GET /metrics/summary: predictions by version and hour, with prices and latencies.

    ``rollouts`` says in ``message`` what serves and what is to serve, and whether that is
    ``healthy`` or ``paused``.
    """
    from tasador.rollout.status import read_status

    warehouse = DATABASE.warehouse()
    name = Settings.load().model_name
    status = read_status(warehouse, name)
    rollouts = {
        "healthy": status.healthy,
        "paused": status.pause is not None,
        "message": status.message,
    }
    # Without a model in service, its reasons say what the newest version lacks.
    decision = next(
        (
            {
                "version": d.version,
                "decision": d.decision,
                "reasons": d.reasons,
                "started_by": d.started_by,
            }
            for d in warehouse.model_history(limit=1, name=name)
        ),
        None,
    )
    summary = warehouse.prediction_summary()
    return reply({**summary, "rollouts": rollouts, "newest_decision": decision})


def index(_request: Request) -> Response:
    """GET /: the function and its routes."""
    links = {"history": "/predictions/history", "summary": "/metrics/summary"}
    links |= {"models": "/models", "batches": "/batches", "rollouts": "/rollouts"}
    name = {"name": "record", "service": "record", "version": API_VERSION}
    return reply({**name, "links": links | {"ready": "/ready"}})


FUNCTION = Function(
    name="record",
    index=index,
    on_json=on_json,
    on_event=on_event,
    on_batch=on_batch,
    routes=(
        *(r._replace(view=protected(r.view)) for r in predictions.routes(DATABASE)),
        Route("GET", "/metrics/summary", protected(summary)),
        *(
            r._replace(view=protected(r.view))
            for module in (histories, distributions, reports)
            for r in module.routes(DATABASE)
        ),
        *(r._replace(view=protected(r.view)) for r in event_schemas.routes()),
        Route("POST", "/dead-letters", partial(dead_letters.store, DATABASE)),
    ),
    body_limit=MAX_BODY_BYTES,
    load=DATABASE.load,
    check_ready=DATABASE.check_ready,
    health=lambda: {"database_connected": DATABASE.is_connected},
    stop=DATABASE.close,
)


def main(context: Any) -> Any:
    """parliament's entry point: GET / and POST /."""
    from functions.flask_edge import invoke  # the host answers its first predictions without Flask

    return invoke(FUNCTION, context)
