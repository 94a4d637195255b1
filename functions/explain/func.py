"""explain: why a listing is priced as it is, in dollars that add up to the price."""

import sys
import threading
from pathlib import Path
from typing import Any

# parliament puts only this folder on the path.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from functions import listings, model
from functions.observability import EVENTS, EXPLAINER_LOADED
from functions.surface import (
    Function,
    Problem,
    Request,
    Response,
    Route,
    read_json,
    reply,
    reply_event,
    unready,
)
from tasador.events import build
from tasador.events.event import PREDICTION_REQUESTED, Event
from tasador.listings.listing import Listing
from tasador.model import contributions
from tasador.model.contributions import Contribution

MODEL = model.ServedModel(explains=True)
EXPLAINED = threading.Event()

_ONE = frozenset({"/", "/explain"})


def explain(request: Request) -> Response:
    """POST /explain: one listing as a JSON object."""
    return reply(_explain(listings.one(read_json(request))))


def on_event(event: Event) -> Response:
    """A prediction.requested event is answered by an explanation.made event."""
    if event.type != PREDICTION_REQUESTED:
        EVENTS.labels("other", "refused").inc()
        raise Problem(422, f"type is {event.type!r}; {PREDICTION_REQUESTED} is taken")
    found = _explain(listings.one(event.data, "data"))
    EVENTS.labels(event.type, "done").inc()
    return reply_event(build.explanation_made(event, found, model.revision()))


def _explain(listing: Listing) -> dict[str, Any]:
    bundle = MODEL.bundle()
    found = contributions.explain(bundle, listing)
    manifest = bundle.manifest
    return {
        "price": found.price,
        "base": found.base,
        "contributions": [_told(part) for part in found.contributions],
        "columns": [_told(part) for part in found.columns],
        "comparables": [c._asdict() for c in found.comparables],
        "sentence": found.sentence,
        "model": {"name": manifest.name, "version": manifest.version, "digest": manifest.digest},
        "revision": model.revision(),
        "missing": list(listing.missing()),
        "correlation_id": model.correlation_id(),
    }


def _told(part: Contribution) -> dict[str, Any]:
    return {"feature": part.feature, "value": part.value, "dollars": part.dollars}


def index(_request: Request) -> Response:
    """GET /: who answers here, and where to go."""
    manifest = MODEL.bundle().manifest
    return reply(
        {
            "name": "explain",
            "model": {
                "name": manifest.name,
                "version": manifest.version,
                "digest": manifest.digest,
            },
            "revision": model.revision(),
            "links": {"explain": "/explain", "ready": "/ready", "metrics": "/metrics"},
        }
    )


def load() -> None:
    """Load the model and explain one empty listing, so that the first caller need not wait."""
    MODEL.load()
    contributions.explain(MODEL.bundle(), Listing())
    EXPLAINED.set()
    EXPLAINER_LOADED.set(1)


def ready() -> None:
    """Ready means: a verified model, explained once."""
    MODEL.loaded()
    if not EXPLAINED.is_set():
        raise unready("the explainer is being prepared")


def prompt(path: str) -> bool:
    """One explanation is only computed, in well under a millisecond where there is a quick way."""
    return path in _ONE and MODEL.here and MODEL.bundle().engine.explains_inline


FUNCTION = Function(
    name="explain",
    index=index,
    on_json=explain,
    on_event=on_event,
    routes=(Route("POST", "/explain", explain),),
    load=load,
    ready=ready,
    prompt=prompt,
)


def main(context: Any) -> Any:
    """parliament's entry: GET / and POST /."""
    return FUNCTION.main(context)
