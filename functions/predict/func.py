"""predict: a price, its intervals, and which fields are missing or unusual."""

import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# parliament puts only this folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from functions import listings, model
from functions.function import API_VERSION, Function, Route
from functions.http import (
    HttpProblem,
    Request,
    Response,
    invalid_fields,
    new_id,
    read_json,
    reply,
    reply_event,
)
from functions.limits import MAX_BODY_BYTES
from functions.observability import EVENTS, PREDICTION_DURATION, PREDICTION_PRICE, PREDICTIONS
from functions.recording import Recorder
from tasador.clock import now
from tasador.events import build
from tasador.events.event import PREDICTION_MADE, PREDICTION_REQUESTED, Event
from tasador.events.seal import sealed
from tasador.listings.listing import FieldProblem, Listing
from tasador.listings.states import state_code
from tasador.records.prediction import SMOKE_TEST_HEADER, PredictionRecord
from tasador.settings import Settings

MODEL = model.ServedModel()
RECORDER = Recorder()

_SINGLE, _BATCH, _EVENT = (PREDICTIONS.labels(mode) for mode in ("single", "batch", "event"))
_DURATION, _PRICE = PREDICTION_DURATION.labels(), PREDICTION_PRICE.labels()

_SINGLE_PATHS = frozenset({"/", "/predict"})
_STATE_FORMS = ("names", "objects")


def predict(request: Request) -> Response:
    """POST /predict and /: one listing as a JSON object; ``on_event`` has CloudEvents."""
    data = read_json(request)
    listing = listings.listing_from_json(data)
    record = _predict_one(listing, new_id())
    _SINGLE.inc()
    _record(request, [record])
    return reply(_prediction(record, listings.read_as(data, listing)))


def batch_predict(request: Request) -> Response:
    """POST /batch_predict: listings by row or by column."""
    # Not needed for a first price.
    from functions.batch_predict import PricedBatch
    from functions.batch_reader import read_batch

    batch = read_batch(request, MAX_BODY_BYTES)
    bundle = MODEL.wait_for_bundle()
    started = time.perf_counter()
    predictions = bundle.predict(batch.columns)
    seconds = time.perf_counter() - started
    _DURATION.observe(seconds / batch.rows, batch.rows)
    _PRICE.observe_all(predictions.price)
    _BATCH.inc(batch.rows)
    priced = PricedBatch(bundle, batch, predictions, seconds)
    _record(request, priced)
    return priced.response()


def on_event(event: Event) -> Response:
    """Reply to prediction.requested with prediction.made, which the broker routes to record.

    Its id is derived from the request's source and id: the same request delivered twice is one
    prediction. A revision that shadows receives prediction.made, and replies prediction.compared.
    """
    if event.type == PREDICTION_MADE:
        from functions import shadow  # only a version that shadows receives this

        return shadow.compare(event, MODEL.wait_for_bundle())
    return _reply(event, _answer(event))


def on_direct_event(event: Event) -> Response:
    """As ``on_event``, for a caller that does not pass the reply on: it is recorded here."""
    record = _answer(event)
    RECORDER.record([record])
    return _reply(event, record)


def _answer(event: Event) -> PredictionRecord:
    if event.type != PREDICTION_REQUESTED:
        EVENTS.labels("other", "refused").inc()
        raise HttpProblem(422, f"type is {event.type!r}; {PREDICTION_REQUESTED} is expected")
    try:
        listing = listings.listing_from_json(event.data, "data")
    except HttpProblem:
        EVENTS.labels(event.type, "refused").inc()
        raise
    record = _predict_one(listing, build.identity_of(event))
    _EVENT.inc()
    EVENTS.labels(event.type, "done").inc()
    return record


def _reply(event: Event, record: PredictionRecord) -> Response:
    # A broker routes the reply to record, which accepts sealed events only.
    made = build.in_reply_to(event, build.prediction_made([record]))
    return reply_event(sealed(made, Settings.load().events_key))


def post(request: Request) -> Response:
    """POST /predict: the same as POST /."""
    return FUNCTION.post(request)


def describe(_request: Request) -> Response:
    """GET /model: the served model, its metrics, its ratio study and its classes of confidence."""
    manifest = MODEL.wait_for_bundle().manifest
    return reply(
        {
            **model.served(manifest).answer,
            "model_version": manifest.version,
            "stage": "Production",
            "loaded": True,
            "revision": model.revision(),
            "created": manifest.created,
            "git_sha": manifest.git_sha,
            "metrics": manifest.metrics,
            "ratio_study": manifest.ratio_study,
            "confidence": manifest.confidence,
            "data": manifest.data,
            "params": manifest.params,
            "features": manifest.features,
            "intervals": manifest.intervals,
            "size_factors": manifest.size_factors,
            "ranges": manifest.ranges,
            "correlation_id": model.correlation_id(),
        }
    )


def states(request: Request) -> Response:
    """GET /states: the states in the training data, by name; ``form=objects`` adds their codes."""
    names = MODEL.wait_for_bundle().manifest.categories["state"]
    form = request.args.get("form", "names")
    if form not in _STATE_FORMS:
        reason = f"is not one of {', '.join(_STATE_FORMS)}"
        raise invalid_fields([FieldProblem("form", reason, form[:100])])
    known: list[Any] = names
    if form == "objects":
        known = [{"name": name, "code": state_code(name)} for name in names]
    return reply({"states": known, "unique_states": len(names)})


def places(_request: Request) -> Response:
    """GET /places: the cities and zip codes in the training data, by column."""
    from tasador.model.known_places import known_places  # for a search, not for prices

    bundle = MODEL.wait_for_bundle()
    states_known = bundle.manifest.categories["state"]
    known = known_places(bundle.encoders, states_known)
    return reply(
        {
            "model": model.served(bundle.manifest).answer,
            "states": states_known,
            "cities": known.cities._asdict(),
            "zip_codes": known.zip_codes._asdict(),
        }
    )


def index(_request: Request) -> Response:
    """GET /: the function, its model and its routes."""
    bundle = MODEL.wait_for_bundle()
    return reply(
        {
            "name": "predict",
            "service": "predict",
            "version": API_VERSION,
            "model": model.served(bundle.manifest).answer,
            "revision": model.revision(),
            "links": {r.path.strip("/"): r.path for r in FUNCTION.routes} | {"ready": "/ready"},
        }
    )


def _predict_one(listing: Listing, identity: str) -> PredictionRecord:
    bundle = MODEL.wait_for_bundle()
    started = time.perf_counter()
    prediction = bundle.predict_one(listing)
    seconds = time.perf_counter() - started
    _DURATION.observe(seconds)
    _PRICE.observe(prediction["price"])
    return PredictionRecord(
        prediction_id=identity,
        predicted_at=now(),
        **model.served(bundle.manifest).columns,
        revision=model.revision(),
        listing=listings.inputs_of(listing),
        latency_ms=round(seconds * 1000, 3),
        **prediction,
    )


def _record(request: Request, records: Sequence[PredictionRecord]) -> None:
    if SMOKE_TEST_HEADER not in request.headers:
        RECORDER.record(records)


def _prediction(record: PredictionRecord, read_as: dict[str, str]) -> dict[str, Any]:
    return {
        "prediction_id": record.prediction_id,
        "request_id": record.prediction_id,
        "model_version": record.model_version,
        "price": record.price,
        "prices": record.prices,
        "intervals": {
            level: {"low": low, "high": high} for level, (low, high) in record.intervals.items()
        },
        "confidence": record.confidence,
        "model": model.served(MODEL.wait_for_bundle().manifest).answer,
        "revision": record.revision,
        "read_as": read_as,
        "missing": record.missing,
        "warnings": record.warnings,
        "correlation_id": record.correlation_id,
    }


def load() -> None:
    """Load the model, then import what the first batch needs."""
    MODEL.load()
    if MODEL.is_ready:
        importlib.import_module("functions.batch_predict")


def check_ready() -> None:
    """Ready: the model is verified and the recording settings are valid."""
    RECORDER.mode  # noqa: B018 - raises ConfigurationError
    MODEL.require()


def answers_inline(path: str) -> bool:
    """A single price never blocks, unless it must be recorded before the answer."""
    return path in _SINGLE_PATHS and MODEL.is_ready and not RECORDER.waits


FUNCTION = Function(
    name="predict",
    index=index,
    on_json=predict,
    on_event=on_event,
    on_direct_event=on_direct_event,
    routes=(
        Route("POST", "/predict", post),
        Route("POST", "/batch_predict", batch_predict),
        Route("GET", "/model", describe),
        Route("GET", "/states", states),
        Route("GET", "/places", places),
    ),
    load=load,
    check_ready=check_ready,
    health=lambda: {"model_loaded": MODEL.is_ready},
    answers_inline=answers_inline,
    stop=RECORDER.close,
)


def main(context: Any) -> Any:
    """parliament's entry point: GET / and POST /."""
    from functions.flask_edge import invoke  # the host answers its first predictions without Flask

    return invoke(FUNCTION, context)
