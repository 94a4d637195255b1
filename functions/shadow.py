"""A revision of predict that shadows: it prices again what others answered, and compares.

Imported with the first prediction.made event, which only a shadow receives.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from functions import model
from functions.access import require_seal
from functions.http import Response, no_content, reply_event
from functions.observability import EVENTS
from tasador.clock import now
from tasador.events import build
from tasador.events.comparisons import LONGEST_ERROR, prediction_compared
from tasador.events.event import Event
from tasador.events.predictions import predictions_of
from tasador.events.seal import sealed
from tasador.listings.listing import Listing
from tasador.model.bundle import Bundle
from tasador.records.prediction import PredictionRecord
from tasador.records.shadow import ComparisonRecord
from tasador.settings import Settings

log = logging.getLogger("tasador.functions.shadow")


def compare(event: Event, bundle: Bundle) -> Response:
    """Reply to prediction.made with prediction.compared, which the broker routes to record.

    What this model answered itself is left out; what cannot be read is refused by record.
    """
    require_seal(event)
    own = model.served(bundle.manifest).columns
    records = [
        _compared(record, bundle, own)
        for record in predictions_of(event.data)[0]
        if record.model_digest != own["model_digest"]
    ]
    EVENTS.labels(event.type, "done").inc()
    if not records:
        return no_content()
    made = build.in_reply_to(event, prediction_compared(records, event))
    return reply_event(sealed(made, Settings.load().events_key))


def _compared(record: PredictionRecord, bundle: Bundle, own: Mapping[str, Any]) -> ComparisonRecord:
    price, seconds, error = None, None, ""
    started = time.perf_counter()
    try:
        price = float(bundle.predict_one(Listing(**record.listing))["price"])
        seconds = time.perf_counter() - started
    except Exception as raised:
        # What the shadow is for: to learn this before anybody is answered by it.
        log.exception("the shadow cannot price prediction %s", record.prediction_id)
        text = f"{type(raised).__name__}: {raised}"[:LONGEST_ERROR]
        error = "".join(c if c.isprintable() else " " for c in text)
    return ComparisonRecord(
        prediction_id=record.prediction_id,
        compared_at=now(),
        model_name=own["model_name"],
        model_version=own["model_version"],
        model_digest=own["model_digest"],
        revision=model.revision(),
        listing=record.listing,
        served_version=record.model_version,
        served_price=record.price,
        served_latency_ms=record.latency_ms,
        price=price,
        latency_ms=None if seconds is None else round(seconds * 1000, 3),
        error=error,
    )
