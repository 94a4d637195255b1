"""What the gateway counts, and where Prometheus finds the function processes.

On a cluster, Knative's activator, queue-proxy and broker have metrics like these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tasador.local.gateway.instance import Instance

_START_SECONDS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class GatewayMetrics:
    """The metrics of one gateway."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "tasador_gateway_requests",
            "Requests forwarded to a function, by the class of the answer's status.",
            ("function", "status"),
            registry=self._registry,
        )
        self._starts = Histogram(
            "tasador_gateway_cold_start_seconds",
            "From starting a function process until it is ready.",
            ("function",),
            buckets=_START_SECONDS,
            registry=self._registry,
        )
        self._deliveries = Counter(
            "tasador_gateway_deliveries",
            "Attempts to deliver an event: delivered, failed (tried again) or dead_letter.",
            ("subscriber", "outcome"),
            registry=self._registry,
        )
        self._processes = Gauge(
            "tasador_gateway_processes",
            "Function processes that run.",
            ("function",),
            registry=self._registry,
        )
        self._dead_letters = Gauge(
            "tasador_dead_letters",
            "Events that could not be delivered and were not replayed.",
            registry=self._registry,
        )

    def answered(self, function: str, status: int) -> None:
        """Count a request to a function, which may have been refused by the gateway."""
        for each in ("2xx", "5xx"):
            self._requests.labels(function, each)
        self._requests.labels(function, f"{status // 100}xx").inc()

    def started(self, function: str, seconds: float) -> None:
        """Count a process that became ready."""
        self._starts.labels(function).observe(seconds)

    def delivered(self, subscriber: str, outcome: str) -> None:
        """Count an attempt to deliver an event."""
        for each in ("delivered", "failed", "dead_letter"):
            self._deliveries.labels(subscriber, each)
        self._deliveries.labels(subscriber, outcome).inc()

    def routes(
        self,
        functions: Iterable[str],
        running: Callable[[], list[Instance]],
        dead_letters: Callable[[], int],
    ) -> list[Route]:
        """The routes below /_metrics: the metrics, and the processes that run now.

        The second is Prometheus' format of HTTP service discovery. So a scrape starts no process
        and misses none.
        """

        async def text(_request: Request) -> Response:
            instances = running()
            for function in functions:
                count = sum(each.revision.service == function for each in instances)
                self._processes.labels(function).set(count)
            self._dead_letters.set(dead_letters())
            content = generate_latest(self._registry)
            return Response(content, headers={"content-type": CONTENT_TYPE_LATEST})

        async def targets(_request: Request) -> Response:
            return JSONResponse([_target(instance) for instance in running()])

        return [Route("/", text), Route("/targets", targets)]


def _target(instance: Instance) -> dict[str, Any]:
    return {
        "targets": [f"127.0.0.1:{instance.metrics_port}"],
        "labels": {"function": instance.revision.service, "revision": instance.revision.name},
    }
