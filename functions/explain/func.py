"""explain: the contributions to a price, in dollars that add up to it."""

import sys
import threading
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
    not_ready,
    read_json,
    reply,
    reply_event,
)
from functions.observability import EVENTS, EXPLAINER_LOADED
from tasador.events import build
from tasador.events.event import PREDICTION_REQUESTED, Event
from tasador.listings.listing import Listing
from tasador.model import contributions
from tasador.model.contributions import Contribution

MODEL = model.ServedModel(explains=True)
PREPARED = threading.Event()
_LOADED = EXPLAINER_LOADED.labels()

_SINGLE_PATHS = frozenset({"/", "/explain"})


def explain(request: Request) -> Response:
    """POST /explain and /: one listing as a JSON object; ``on_event`` has CloudEvents."""
    explanation = _explain(read_json(request))
    columns = explanation["columns"]
    return reply(
        {
            **explanation,
            "model_version": explanation["model"]["version"],
            "base_value": explanation["base"],
            "feature_names": [column["feature"] for column in columns],
            "shap_values": [column["dollars"] for column in columns],
        }
    )


def on_event(event: Event) -> Response:
    """Reply to prediction.requested with explanation.made."""
    if event.type != PREDICTION_REQUESTED:
        EVENTS.labels("other", "refused").inc()
        raise HttpProblem(422, f"type is {event.type!r}; {PREDICTION_REQUESTED} is expected")
    explanation = _explain(event.data, "data")
    EVENTS.labels(event.type, "done").inc()
    made = build.explanation_made(event, explanation, model.revision())
    return reply_event(build.in_reply_to(event, made))


def _explain(data: Any, field_name: str = "body") -> dict[str, Any]:
    listing = listings.listing_from_json(data, field_name)
    bundle = MODEL.wait_for_bundle()
    explanation = contributions.explain(bundle, listing)
    return {
        "price": explanation.price,
        "prices": explanation.prices,
        "base": explanation.base,
        "contributions": _as_json(explanation.contributions),
        "columns": _as_json(explanation.columns),
        "comparables": [c._asdict() for c in explanation.comparables],
        "intervals": {
            level: {"low": low, "high": high}
            for level, (low, high) in explanation.intervals.items()
        },
        "confidence": explanation.confidence,
        "warnings": explanation.warnings,
        "sentence": explanation.sentence,
        "model": model.served(bundle.manifest).answer,
        "revision": model.revision(),
        "read_as": listings.read_as(data, listing),
        "missing": list(listing.missing()),
        "correlation_id": model.correlation_id(),
    }


def _as_json(contributions: list[Contribution]) -> list[dict[str, Any]]:
    return [
        {"feature": feature, "value": value, "dollars": dollars}
        for feature, value, dollars in contributions
    ]


def post(request: Request) -> Response:
    """POST /explain: the same as POST /."""
    return FUNCTION.post(request)


def index(_request: Request) -> Response:
    """GET /: the function, its model and its routes."""
    return reply(
        {
            "name": "explain",
            "service": "explain",
            "version": API_VERSION,
            "model": model.served(MODEL.wait_for_bundle().manifest).answer,
            "revision": model.revision(),
            "links": {"explain": "/explain", "ready": "/ready"},
        }
    )


def load() -> None:
    """Load the model and explain an empty listing, which builds what is built lazily."""
    MODEL.load()
    contributions.explain(MODEL.require(), Listing())
    PREPARED.set()
    _LOADED.set(1)


def check_ready() -> None:
    """Ready: the model is verified and has explained a listing."""
    MODEL.require()
    if not PREPARED.is_set():
        raise not_ready("the explainer is being prepared")


def answers_inline(path: str) -> bool:
    """An explanation never blocks, and with the fast engine it takes well under a millisecond."""
    return path in _SINGLE_PATHS and MODEL.is_ready and MODEL.require().engine.explains_inline


FUNCTION = Function(
    name="explain",
    index=index,
    on_json=explain,
    on_event=on_event,
    routes=(Route("POST", "/explain", post),),
    load=load,
    check_ready=check_ready,
    health=lambda: {"model_loaded": MODEL.is_ready},
    answers_inline=answers_inline,
)


def main(context: Any) -> Any:
    """parliament's entry point: GET / and POST /."""
    from functions.flask_edge import invoke  # the host answers its first predictions without Flask

    return invoke(FUNCTION, context)
