"""What operators see of a function: metrics in a registry of our own, and logs as JSON lines.

Label values come from closed sets (a route's template, a known method, a status class), never from
a request.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

REGISTRY = CollectorRegistry()

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_DOLLARS = (25e3, 50e3, 100e3, 200e3, 300e3, 400e3, 600e3, 800e3, 1e6, 1.5e6, 2.5e6, 5e6)

HTTP_REQUESTS = Counter(
    "http_requests_total",
    "Requests answered, health and metrics left out.",
    ("route", "method", "status"),
    registry=REGISTRY,
)
HTTP_DURATION = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request.",
    ("route", "method"),
    buckets=_SECONDS,
    registry=REGISTRY,
)
PREDICTIONS = Counter(
    "predictions_total", "Listings priced.", ("mode",), registry=REGISTRY
)  # single, batch, event


class Spread(Collector):
    """A histogram that takes many values at a time."""

    def __init__(self, name: str, says: str, limits: Sequence[float]) -> None:
        self._name, self._says, self._limits = name, says, limits
        self._counts = [0] * (len(limits) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()
        REGISTRY.register(self)

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value."""
        place = bisect_left(self._limits, value)
        with self._lock:
            self._counts[place] += times
            self._sum += value * times

    def observe_all(self, values: Any) -> None:
        """Count every value of a numpy array."""
        import numpy as np

        counts = np.bincount(
            np.searchsorted(self._limits, values), minlength=len(self._counts)
        ).tolist()
        with self._lock:
            self._counts = [a + b for a, b in zip(self._counts, counts, strict=True)]
            self._sum += float(values.sum())

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """The metric, as prometheus_client asks for it."""
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        limits = [*map(str, map(float, self._limits)), "+Inf"]
        yield HistogramMetricFamily(
            self._name, self._says, list(zip(limits, counts, strict=True)), total
        )


PREDICTION_LATENCY = Spread("prediction_latency_seconds", "Time in the model.", _SECONDS)
PREDICTION_PRICE = Spread("prediction_price_dollars", "Predicted prices.", _DOLLARS)
MODEL_LOADED = Gauge("model_loaded", "1 when a verified model serves.", registry=REGISTRY)
EXPLAINER_LOADED = Gauge("explainer_loaded", "1 when the explainer works.", registry=REGISTRY)
RECORDINGS = Counter(
    "recordings_total",
    "Predictions that the broker took (sent), that were given up (lost), or whose caller was told "
    "to try again (refused).",
    ("outcome",),
    registry=REGISTRY,
)
EVENTS = Counter(
    "events_total", "CloudEvents taken.", ("type", "outcome"), registry=REGISTRY
)  # outcome: done, refused, retry
ROLLOUTS = Counter("rollouts_total", "Promotions handled.", ("outcome",), registry=REGISTRY)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def metrics_text() -> tuple[bytes, str]:
    """Every metric in Prometheus' text format, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


class Traffic:
    """Counts and logs the requests that were answered.

    By hand and not by ``logging``, whose way takes as long as pricing a listing: one line, one
    write.
    """

    def __init__(self, function: str) -> None:
        self._same = _same(function)
        self._model = os.environ.get("MODEL_CORRELATION_ID", "")
        self._counters: dict[tuple[str, str, int], tuple[Any, Any]] = {}

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
