"""predict: a price, its interval, and what is missing or unusual about the listing."""

import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# parliament puts only this folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from functions import listings, model
from functions.observability import EVENTS, PREDICTION_LATENCY, PREDICTION_PRICE, PREDICTIONS
from functions.recording import Recorder
from functions.surface import (
    MEGABYTE,
    Function,
    Problem,
    Request,
    Response,
    Route,
    new_id,
    read_json,
    reply,
    reply_event,
)
from tasador.clock import now
from tasador.events import build
from tasador.events.event import PREDICTION_REQUESTED, Event
from tasador.listings.listing import Listing
from tasador.model.bundle import Bundle
from tasador.model.manifest import Manifest
from tasador.prediction_record import SMOKE_TEST_HEADER, PredictionRecord

MODEL = model.ServedModel()
RECORDER = Recorder()

_SINGLE, _BATCH, _EVENT = (PREDICTIONS.labels(mode) for mode in ("single", "batch", "event"))

_ONE = frozenset({"/", "/predict"})
BATCH_LIMIT = 8 * MEGABYTE


def predict(request: Request) -> Response:
    """POST /predict: one listing as a JSON object."""
    record = _predict_one(listings.one(read_json(request)), new_id())
    _SINGLE.inc()
    _record(request, [record])
    return reply(_answer(record))


def batch_predict(request: Request) -> Response:
    """POST /batch_predict: listings by row or by column, all priced in one go."""
    from functions import batches  # the first prediction needs it not, so the start neither

    batch = batches.read_batch(request, BATCH_LIMIT)
    bundle = MODEL.bundle()
    started = time.perf_counter()
    found = bundle.predict(batch.columns)
    seconds = time.perf_counter() - started
    PREDICTION_LATENCY.observe(seconds / batch.rows, batch.rows)
    PREDICTION_PRICE.observe_all(found.price)
    _BATCH.inc(batch.rows)
    priced = batches.Priced(bundle, batch, found, seconds)
    _record(request, priced)
    return priced.response()


def on_event(event: Event) -> Response:
    """A prediction.requested event is answered by the prediction.made event.

    The answer is what the broker hands to record, so nothing is published besides. Its id comes
    from the request's source and id: the same request delivered twice is one prediction.
    """
    if event.type != PREDICTION_REQUESTED:
        EVENTS.labels("other", "refused").inc()
        raise Problem(422, f"type is {event.type!r}; {PREDICTION_REQUESTED} is taken")
    try:
        listing = listings.one(event.data, "data")
    except Problem:
        EVENTS.labels(event.type, "refused").inc()
        raise
    record = _predict_one(listing, build.identity_of(event))
    _EVENT.inc()
    EVENTS.labels(event.type, "done").inc()
    return reply_event(build.prediction_made([record]))


def describe(_request: Request) -> Response:
    """GET /model: what the served model is and how good it was found to be."""
    manifest = MODEL.bundle().manifest
    return reply(
        {
            **_model(manifest),
            "revision": model.revision(),
            "created": manifest.created,
            "git_sha": manifest.git_sha,
            "metrics": manifest.metrics,
            "data": manifest.data,
            "params": manifest.params,
            "features": manifest.features,
            "intervals": manifest.intervals,
            "ranges": manifest.ranges,
            "correlation_id": model.correlation_id(),
        }
    )


def states(_request: Request) -> Response:
    """GET /states: the states that the model has met."""
    return reply({"states": MODEL.bundle().manifest.categories["state"]})


def index(_request: Request) -> Response:
    """GET /: who answers here, and where to go."""
    bundle = MODEL.bundle()
    return reply(
        {
            "name": "predict",
            "model": _model(bundle.manifest),
            "revision": model.revision(),
            "links": {r.path.strip("/"): r.path for r in FUNCTION.routes}
            | {"ready": "/ready", "metrics": "/metrics"},
        }
    )


def _predict_one(listing: Listing, identity: str) -> PredictionRecord:
    bundle = MODEL.bundle()
    started = time.perf_counter()
    found = bundle.predict_one(listing)
    return _record_of(bundle, listing, identity, found, time.perf_counter() - started)


def _record_of(
    bundle: Bundle, listing: Listing, identity: str, found: dict[str, Any], seconds: float
) -> PredictionRecord:
    PREDICTION_LATENCY.observe(seconds)
    PREDICTION_PRICE.observe(found["price"])
    manifest = bundle.manifest
    return PredictionRecord(
        prediction_id=identity,
        predicted_at=now(),
        correlation_id=model.correlation_id(),
        model_name=manifest.name,
        model_version=manifest.version,
        model_digest=manifest.digest,
        revision=model.revision(),
        listing=listings.inputs(listing),
        latency_ms=round(seconds * 1000, 3),
        **found,
    )


def _record(request: Request, records: Sequence[PredictionRecord]) -> None:
    if SMOKE_TEST_HEADER not in request.headers:
        RECORDER.record(records)


def _answer(record: PredictionRecord) -> dict[str, Any]:
    return {
        "prediction_id": record.prediction_id,
        "price": record.price,
        "intervals": {
            level: {"low": low, "high": high} for level, (low, high) in record.intervals.items()
        },
        "model": {
            "name": record.model_name,
            "version": record.model_version,
            "digest": record.model_digest,
        },
        "revision": record.revision,
        "missing": record.missing,
        "warnings": record.warnings,
        "correlation_id": record.correlation_id,
    }


def _model(manifest: Manifest) -> dict[str, Any]:
    return {"name": manifest.name, "version": manifest.version, "digest": manifest.digest}


def load() -> None:
    """Load the model, then import what the first batch needs."""
    MODEL.load()
    if MODEL.here:
        importlib.import_module("functions.batches")


def ready() -> None:
    """Ready means: a verified model, and a way to record what must be recorded."""
    RECORDER.mode  # noqa: B018 - raises what is wrong with the setting
    MODEL.loaded()


def prompt(path: str) -> bool:
    """One price is only computed, unless it must be recorded before it is told."""
    return path in _ONE and MODEL.here and not RECORDER.waits


FUNCTION = Function(
    name="predict",
    index=index,
    on_json=predict,
    on_event=on_event,
    routes=(
        Route("POST", "/predict", predict),
        Route("POST", "/batch_predict", batch_predict),
        Route("GET", "/model", describe),
        Route("GET", "/states", states),
    ),
    load=load,
    ready=ready,
    prompt=prompt,
    stop=RECORDER.close,
)


def main(context: Any) -> Any:
    """parliament's entry: GET / and POST /."""
    return FUNCTION.main(context)
