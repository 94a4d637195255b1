"""reload: bring a promoted model into service as new revisions, or leave the old ones serving."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

# parliament puts only this folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from functions.database import Store
from functions.observability import EVENTS, ROLLOUTS
from functions.surface import (
    Function,
    Problem,
    Request,
    Response,
    Route,
    invalid,
    nothing,
    parse_json,
    read_body,
    read_object,
    reply,
)
from tasador.errors import ServiceUnavailable, TasadorError
from tasador.events.event import Event
from tasador.events.publish import publish
from tasador.listings.listing import FieldProblem
from tasador.model.model_ref import ModelRef
from tasador.records import RolloutRecord
from tasador.rollout.knative import KnativeBackend
from tasador.rollout.local import LocalBackend
from tasador.rollout.plan import promoted_by_decision, promoted_by_event
from tasador.rollout.verbs import Rollout

STORE = Store("broker_url")

log = logging.getLogger("tasador.functions.reload")


def on_event(event: Event) -> Response:
    """A model.promoted event: roll it out, in order of promotions and not of arrival.

    204 means that it was dealt with, be it served, superseded or failed (the history and a
    rollout.failed event tell which); 503 asks the broker to deliver it again.
    """
    try:
        model = promoted_by_event(event)
    except TasadorError:
        EVENTS.labels("other", "refused").inc()
        raise
    try:
        _count(_roll_out(model))
    except ServiceUnavailable:
        EVENTS.labels(event.type, "retry").inc()
        raise
    EVENTS.labels(event.type, "done").inc()
    return nothing()


def reload(request: Request) -> Response:
    """POST /reload: {"version": N} or nothing, which means the newest promotion.

    An older version than the one in service is not served again by this: that is `tasador
    rollback`, which decides it first.
    """
    given = read_body(request, 10_000)
    body = read_object(parse_json(given), "body") if given else {}
    version = body.get("version")
    if isinstance(version, float) and version.is_integer():
        version = int(version)  # to JSON 3.0 is as whole a number as 3
    if version is not None and (type(version) is not int or not 0 < version < 2**31):
        raise invalid([FieldProblem("version", "is not a version's number", repr(version)[:100])])
    warehouse = STORE.warehouse()
    decision = warehouse.latest_promotion()
    if version is not None and (decision is None or decision.version != version):
        decision = warehouse.decision(version)
    if decision is None:
        wanted = "no version has been promoted yet" if version is None else f"no version {version}"
        raise Problem(404, f"{wanted}: there is nothing to bring into service")
    try:
        records = _roll_out(promoted_by_decision(decision))
    except ServiceUnavailable:
        raise
    except TasadorError as error:
        raise Problem(409, str(error)) from error
    _count(records)
    outcomes = [_as_json(record) for record in records]
    failed = [record.reason for record in records if record.outcome == "failed"]
    if failed:
        detail = f"{failed[0]}; what served before goes on serving"
        raise Problem(409, detail, title="Rollout failed", more={"rollouts": outcomes})
    return reply({"promotion": decision.promotion, "rollouts": outcomes})


def reconcile_now(_request: Request) -> Response:
    """POST /reconcile: bring in the newest promotion if no event did; asked from time to time.

    What serves already and what failed before is left as it is.
    """
    with _rollout() as rollout:
        records = rollout.reconcile()
    _count(records)
    return reply({"rollouts": [_as_json(record) for record in records]})


def load() -> None:
    """Reach the database, then bring in what was promoted while nobody listened."""
    STORE.load()
    STORE.ready()
    try:
        with _rollout() as rollout:
            _count(rollout.reconcile())
    except TasadorError as error:
        log.warning("could not reconcile with the newest promotion: %s", error)


def _roll_out(model: ModelRef) -> list[RolloutRecord]:
    with _rollout() as rollout:
        return rollout.roll_out(model)


@contextmanager
def _rollout() -> Iterator[Rollout]:
    settings = STORE.settings()
    with LocalBackend(settings) if settings.platform == "embedded" else KnativeBackend() as backend:
        yield Rollout(
            backend=backend,
            warehouse=STORE.warehouse(),
            settings=settings,
            publish=partial(publish, broker_url=settings.broker_url),
        )


def _count(records: list[RolloutRecord]) -> None:
    for record in records:
        ROLLOUTS.labels(record.outcome).inc()
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
    """GET /: who answers here, and where to go."""
    links = {"reload": "/reload", "ready": "/ready", "metrics": "/metrics"}
    return reply({"name": "reload", "links": links})


FUNCTION = Function(
    name="reload",
    index=index,
    on_json=reload,
    on_event=on_event,
    routes=(Route("POST", "/reload", reload), Route("POST", "/reconcile", reconcile_now)),
    load=load,
    ready=STORE.ready,
    stop=STORE.close,
)


def main(context: Any) -> Any:
    """parliament's entry: GET / and POST /."""
    return FUNCTION.main(context)
