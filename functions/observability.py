"""What operators see of a function: its metrics, and logs as JSON lines.

Label values come from closed sets (a route's template, a known method, a status class), never from
a request.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from functions.metrics import Number, Spread, counter, gauge, histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_DOLLARS = (25e3, 50e3, 100e3, 200e3, 300e3, 400e3, 600e3, 800e3, 1e6, 1.5e6, 2.5e6, 5e6)

HTTP_REQUESTS = counter(
    "http_requests_total",
    "Requests answered, health and metrics left out.",
    "route",
    "method",
    "status",
)
HTTP_DURATION = histogram(
    "http_request_duration_seconds", "Time to answer a request.", _SECONDS, "route", "method"
)
# mode: single, batch, event
PREDICTIONS = counter("predictions_total", "Listings priced.", "mode")
PREDICTION_LATENCY = histogram(
    "prediction_latency_seconds", "Time in the model.", _SECONDS
).labels()
PREDICTION_PRICE = histogram("prediction_price_dollars", "Predicted prices.", _DOLLARS).labels()
MODEL_LOADED = gauge("model_loaded", "1 when a verified model serves.")
EXPLAINER_LOADED = gauge("explainer_loaded", "1 when the explainer works.")
RECORDINGS = counter(
    "recordings_total",
    "Predictions that the broker took (sent), that were given up (lost), or whose caller was told "
    "to try again (refused).",
    "outcome",
)
# outcome: done, refused, retry
EVENTS = counter("events_total", "CloudEvents taken.", "type", "outcome")
ROLLOUTS = counter("rollouts_total", "Promotions handled.", "outcome")


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traffic:
    """Counts and logs the requests that were answered.

    By hand and not by ``logging``, whose way takes as long as pricing a listing: one line, one
    write.
    """

    def __init__(self, function: str) -> None:
        self._same = _same(function)
        self._model = os.environ.get("MODEL_CORRELATION_ID", "")
        self._counters: dict[tuple[str, str, int], tuple[Number, Spread]] = {}

    def answered(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        request_id: str,
        correlation_id: str,
    ) -> None:
        """Count and log one request."""
        method = method if method in _METHODS else "other"
        key = (route, method, status // 100)
        if (counters := self._counters.get(key)) is None:
            counters = self._counters[key] = (
                HTTP_REQUESTS.labels(route, method, f"{status // 100}xx"),
                HTTP_DURATION.labels(route, method),
            )
        counters[0].inc()
        counters[1].observe(seconds)
        line = {
            "time": datetime.now(UTC).isoformat(),
            "level": "info",
            **self._same,
            "message": "request",
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "request_id": request_id,
            "correlation_id": correlation_id or self._model,
        }
        os.write(1, _encode(line).encode() + b"\n")


def _same(function: str) -> dict[str, str]:
    return {"function": function, "revision": os.environ.get("K_REVISION", "")}


_encode = json.JSONEncoder(default=str).encode


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, function, revision, message and the record's fields."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self._same = _same(function)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            **self._same,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _encode(line)


def log_to_stdout(function: str) -> None:
    """Send every log record of this process to stdout as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(function))
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    # Plain JSON on POST / is no reason for parliament to warn, nor is a full queue for waitress.
    logging.getLogger("parliament.server").setLevel(logging.ERROR)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
