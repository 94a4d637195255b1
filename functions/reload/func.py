"""reload: rolls out a promoted model as new revisions; if that fails, the old ones keep serving."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

# parliament puts only this folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from functions.access import protected, require_seal
from functions.database import Database
from functions.function import API_VERSION, Function, Route
from functions.http import (
    HttpProblem,
    Request,
    Response,
    invalid_fields,
    no_content,
    parse_json,
    read_body,
    reply,
    require_object,
)
from functions.limits import RELOAD_BODY_BYTES
from functions.observability import EVENTS, ROLLOUT_DURATION, ROLLOUTS
from tasador.errors import ServiceUnavailable, TasadorError
from tasador.events.event import Event
from tasador.events.publish import publish
from tasador.listings.listing import FieldProblem
from tasador.model.model_ref import ModelRef
from tasador.records.loop import RolloutOutcome, RolloutRecord
from tasador.rollout.knative import KnativeBackend
from tasador.rollout.local import LocalBackend
from tasador.rollout.plan import SERVICES, promoted_by_decision, promotion_in
from tasador.rollout.verbs import Rollout
from tasador.settings import Settings
from tasador.stores.bundles import check_access

DATABASE = Database("broker_url", also=lambda: check_stores())
# The outcome of an attempt is the first of these that a service reports.
_OUTCOMES: tuple[RolloutOutcome, ...] = (
    "failed",
    "paused",
    "serving",
    "superseded",
    "unchanged",
)

ENDED = threading.Event()
# Between two checks whether the newest promotion serves, on a cluster.
RECONCILE_SECONDS = 120.0

log = logging.getLogger("tasador.functions.reload")


def on_event(event: Event) -> Response:
    """Roll out a promoted model, in the order of promotions and not of arrival.

    The event is a hint. Only the number of the promotion is read from it; what was promoted is in
    ops.model_history, and a number that is not there changes nothing.

    204: the event was handled, and the model is served, superseded, failed or paused (the rollout
    history and a rollout.failed event report which). 503 asks the broker to deliver it again.
    """
    try:
        number = promotion_in(event)
        require_seal(event)
    except (TasadorError, HttpProblem):
        EVENTS.labels("other", "refused").inc()
        raise
    try:
        _count(_roll_out(_recorded(number)))
    except HttpProblem as problem:
        EVENTS.labels(event.type, "refused").inc()
        log.warning("event %s changes nothing: %s", event.id, problem.detail)
        raise
    except ServiceUnavailable:
        EVENTS.labels(event.type, "retry").inc()
        raise
    EVENTS.labels(event.type, "done").inc()
    return no_content()


def reload(request: Request) -> Response:
    """POST /reload: roll out {"version": N}, or without a body the newest promotion.

    While rollouts are paused it answers 409.
    It does not return to an older version than the one that serves: `tasador rollback` does.
    """
    content = read_body(request, RELOAD_BODY_BYTES)
    body = require_object(parse_json(content), "body") if content else {}
    version = body.get("version")
    if isinstance(version, float) and version.is_integer():
        version = int(version)  # 3.0 is an integer in JSON
    if version is not None and (type(version) is not int or not 0 < version < 2**31):
        reason = "is not a version number"
        raise invalid_fields([FieldProblem("version", reason, repr(version)[:100])])
    warehouse, name = DATABASE.warehouse(), DATABASE.settings().model_name
    decision = warehouse.latest_promotion(name)
    if version is not None and (decision is None or decision.version != version):
        decision = next(iter(warehouse.gate_decisions(name, version)), None)
    if decision is None:
        reason = (
            "no version has been promoted yet"
            if version is None
            else f"version {version} does not exist"
        )
        raise HttpProblem(404, reason)
    try:
        records = _roll_out(promoted_by_decision(decision))
    except ServiceUnavailable:
        raise
    except TasadorError as error:
        raise HttpProblem(409, str(error)) from error
    _count(records)
    outcomes = [_as_json(record) for record in records]
    paused = [record.reason for record in records if record.outcome == "paused"]
    if paused:
        raise HttpProblem(409, paused[0], title="Rollouts paused", extra={"rollouts": outcomes})
    failed = [record.reason for record in records if record.outcome == "failed"]
    if failed:
        detail = f"{failed[0]}; the previous model keeps serving"
        raise HttpProblem(409, detail, title="Rollout failed", extra={"rollouts": outcomes})
    return reply({"promotion": decision.promotion, "rollouts": outcomes})


def reconcile_now(_request: Request) -> Response:
    """POST /reconcile: bring the services to the newest promotion that can serve. Called
    periodically; tasador.rollout.choice decides what to try and when.
    """
    with _rollout() as rollout:
        records = rollout.reconcile()
    _count(records)
    return reply({"rollouts": [_as_json(record) for record in records]})


def load() -> None:
    """Reach the database, then roll out what was promoted while the function was down.

    On a cluster it repeats that at intervals, in its one process: an event can be lost, and a
    promotion in the database cannot. On one machine the gateway calls /reconcile.
    """
    for outcome in _OUTCOMES:
        ROLLOUTS.labels(outcome)
    DATABASE.load()
    DATABASE.check_ready()
    _reconcile()
    if DATABASE.settings().platform == "cluster":
        threading.Thread(target=_reconcile_regularly, name="reconcile", daemon=True).start()


def _reconcile() -> None:
    try:
        with _rollout() as rollout:
            _count(rollout.reconcile())
    except TasadorError as error:
        log.warning("cannot reconcile with the newest promotion: %s", error)


def _reconcile_regularly() -> None:
    while not ENDED.wait(RECONCILE_SECONDS):
        try:
            _reconcile()
        except Exception:
            # The next check may succeed; without the thread there would be none.
            log.exception("cannot reconcile with the newest promotion")


def stop() -> None:
    """End the checks and close the connections."""
    ENDED.set()
    DATABASE.close()


def _recorded(number: int) -> ModelRef:
    """The model that was promoted under the number; raises HttpProblem 422 for any other number."""
    name = DATABASE.settings().model_name
    decision = DATABASE.warehouse().promotion(number)
    if decision is None or not decision.promotes:
        reason = f"promotion {number} is not in ops.model_history"
    elif decision.model_name != name:
        reason = (
            f"promotion {number} is of {decision.model}, and this platform serves {name} "
            "(TASADOR_MODEL_NAME)"
        )
    else:
        return promoted_by_decision(decision)
    raise HttpProblem(422, reason)


def check_stores() -> None:
    """Check what the next rollout needs besides the database: the object store and the platform.

    Raises TasadorError with what is refused or does not answer.
    """
    settings = DATABASE.settings()
    newest = DATABASE.warehouse().latest_promotion(settings.model_name)
    if newest is not None:
        check_access(newest.model_uri, settings)
    with _backend(settings) as backend:
        backend.state(SERVICES[0])


def _roll_out(model: ModelRef) -> list[RolloutRecord]:
    with _rollout() as rollout:
        return rollout.roll_out(model)


def _backend(settings: Settings) -> LocalBackend | KnativeBackend:
    return LocalBackend(settings) if settings.platform == "embedded" else KnativeBackend()


@contextmanager
def _rollout() -> Iterator[Rollout]:
    settings = DATABASE.settings()
    with _backend(settings) as backend:
        yield Rollout(
            backend=backend,
            warehouse=DATABASE.warehouse(),
            settings=settings,
            publish=partial(publish, broker_url=settings.broker_url, key=settings.events_key),
        )


def _count(records: list[RolloutRecord]) -> None:
    """Count an attempt once, though it has a record for each service, and log the records."""
    outcome = next((each for each in _OUTCOMES if any(r.outcome == each for r in records)), None)
    if outcome is not None:
        ROLLOUTS.labels(outcome).inc()
    if outcome in ("failed", "serving"):
        ROLLOUT_DURATION.labels(outcome).observe(
            (
                max(record.finished_at for record in records)
                - min(record.started_at for record in records)
            ).total_seconds()
        )
    for record in records:
        log.info(
            "rollout %s: %s",
            record.outcome,
            record.reason,
            extra={
                "fields": {
                    "service": record.service,
                    "rolled_out": record.revision,
                    "model": str(record.model),
                    "promotion": record.promotion,
                    "correlation_id": record.correlation_id,
                }
            },
        )


def _as_json(record: RolloutRecord) -> dict[str, Any]:
    times = {name: getattr(record, name).isoformat() for name in ("started_at", "finished_at")}
    return asdict(record) | times


def index(_request: Request) -> Response:
    """GET /: the function and its routes."""
    links = {"reload": "/reload", "ready": "/ready"}
    name = {"name": "reload", "service": "reload", "version": API_VERSION}
    return reply({**name, "links": links})


FUNCTION = Function(
    name="reload",
    index=index,
    on_json=protected(reload),
    on_event=on_event,
    routes=(
        Route("POST", "/reload", protected(reload)),
        Route("POST", "/reconcile", protected(reconcile_now)),
    ),
    load=load,
    check_ready=DATABASE.check_ready,
    health=lambda: {"database_connected": DATABASE.is_connected},
    stop=stop,
)


def main(context: Any) -> Any:
    """parliament's entry point: GET / and POST /."""
    from functions.flask_edge import invoke  # the host answers its first predictions without Flask

    return invoke(FUNCTION, context)
