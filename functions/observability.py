"""The metrics that the functions export, and the log line of each request.

Label values come from closed sets (a route's template, a known method, a status class), never from
a request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime

from functions.logs import common_fields, write_line
from functions.metric_families import Histogram, Value, counter, gauge, histogram
from tasador.tracing import spans
from tasador.tracing.context import parse, trace_id_of

# Up to what a rollout takes, which is the answer to a request too.
_REQUEST_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
    *(10.0, 30.0, 60.0, 120.0, 300.0),
)
_MODEL_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_ROLLOUT_SECONDS = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
_DOLLARS = (25e3, 50e3, 100e3, 200e3, 300e3, 400e3, 600e3, 800e3, 1e6, 1.5e6, 2.5e6, 5e6)

HTTP_REQUESTS = counter(
    "tasador_http_requests_total",
    "Requests answered, without probes.",
    "route",
    "method",
    "status",
)
HTTP_DURATION = histogram(
    "tasador_http_request_duration_seconds",
    "Time to answer a request.",
    _REQUEST_SECONDS,
    "route",
    "method",
)
READY = gauge("tasador_ready", "1 while the function can do its work.")
# mode: single, batch, event
PREDICTIONS = counter("tasador_predictions_total", "Listings priced.", "mode")
PREDICTION_DURATION = histogram(
    "tasador_prediction_duration_seconds", "Time in the model for one listing.", _MODEL_SECONDS
)
PREDICTION_PRICE = histogram("tasador_prediction_price_dollars", "Predicted prices.", _DOLLARS)
MODEL_LOADED = gauge("tasador_model_loaded", "1 when a verified model is loaded.")
MODEL_INFO = gauge(
    "tasador_model_info", "The model that the process has loaded.", "model", "version", "promotion"
)
# cause: unavailable (no answer), refused (the key), bundle (missing or damaged), setting, other
MODEL_LOAD_FAILURES = counter(
    "tasador_model_load_failures_total", "Attempts to load the model that failed.", "cause"
)
STORES_REACHABLE = gauge(
    "tasador_stores_reachable",
    "1 while the database and the other stores of the function accept its credentials.",
)
# cause: unavailable, refused, other
STORE_FAILURES = counter(
    "tasador_store_failures_total",
    "Checks of the database and the other stores of the function that failed.",
    "cause",
)
EXPLAINER_LOADED = gauge("tasador_explainer_loaded", "1 when the explainer is ready.")
RECORDINGS = counter(
    "tasador_recordings_total",
    "Predictions that the broker accepted (sent), that were dropped (lost), or whose caller got a "
    "503 (refused).",
    "outcome",
)
# outcome: done, refused, retry
EVENTS = counter("tasador_events_total", "CloudEvents received.", "type", "outcome")
# outcome: serving, unchanged, superseded, failed, paused
ROLLOUTS = counter(
    "tasador_rollouts_total",
    "Attempts to bring a promotion into service; one for all services together.",
    "outcome",
)
ROLLOUT_DURATION = histogram(
    "tasador_rollout_duration_seconds",
    "Time of an attempt that tried a candidate.",
    _ROLLOUT_SECONDS,
    "outcome",
)


# Requests of which spans are sent: one costs as much as a tenth of a prediction.
_SPANS_PER_SECOND = 20.0
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traffic:
    """Counts and logs answered requests.

    It bypasses ``logging``, which takes as long as pricing a listing.
    """

    def __init__(self, function: str) -> None:
        self._common = common_fields(function)
        self._model_correlation_id = os.environ.get("MODEL_CORRELATION_ID", "")
        self._model_trace_id = trace_id_of(self._model_correlation_id)
        self._sampler = spans.Sampler(_SPANS_PER_SECOND)
        self._counters: dict[tuple[str, str, int], tuple[Value, Histogram]] = {}

    def answered(
        self,
        method: str,
        route: str,
        status: int,
        seconds: float,
        request_id: str,
        correlation_id: str,
        trace_id: str = "",
    ) -> None:
        """Count and log one request."""
        method = method if method in _METHODS else "other"
        key = (route, method, status // 100)
        if (counters := self._counters.get(key)) is None:
            counters = self._counters[key] = (
                HTTP_REQUESTS.labels(route, method, f"{status // 100}xx"),
                HTTP_DURATION.labels(route, method),
            )
            # A counter that appears with its first failure has no rate before the second.
            HTTP_REQUESTS.labels(route, method, "5xx")
        counters[0].inc()
        counters[1].observe(seconds, trace_id=trace_id)
        write_line(
            {
                "time": datetime.now(UTC).isoformat(),
                "level": "info",
                **self._common,
                "message": "request",
                "method": method,
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "request_id": request_id,
                "correlation_id": correlation_id or self._model_correlation_id,
                "trace_id": trace_id
                or (trace_id_of(correlation_id) if correlation_id else self._model_trace_id),
            }
        )

    def begin_span(self, headers: Mapping[str, str], correlation_id: str) -> spans.Span | None:
        """Begin the span of a request, unless the sampler or the caller declines it.

        It continues the caller's trace. Without one it belongs to that of the event's correlation
        id, or of the model's.
        """
        if not self._sampler.takes():
            return None
        parent = parse(headers.get("ce-traceparent") or headers.get("traceparent") or "")
        if parent is not None and not parent.sampled:
            return None
        return spans.begin(
            self._common["function"],
            spans.SERVER,
            parent=parent,
            correlation_id=correlation_id or self._model_correlation_id,
        )

    def end_span(self, span: spans.Span, method: str, route: str, status: int) -> str:
        """End the span of a request; returns its trace id."""
        method = method if method in _METHODS else "other"
        span.name = f"{self._common['function']} {method} {route}"
        span.attributes.update(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "tasador.revision": self._common["revision"],
            }
        )
        trace_id = span.context.trace_id
        spans.end(span, f"status {status}" if status >= 500 else "")
        return trace_id
