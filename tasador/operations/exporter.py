"""The exporter: what the warehouse says about the loop, for Prometheus.

It answers each scrape with queries, keeps nothing and writes nothing. Decision 0050 says why it is
not postgres_exporter.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tasador.errors import TasadorError
from tasador.settings import Settings
from tasador.warehouse.overview.figures import DEAD_LETTERS
from tasador.warehouse.overview.overview import FAMILIES, Measured, Overview

log = logging.getLogger("tasador.exporter")


class Exporter(Collector):
    """Reads the warehouse at each scrape, with the settings of that moment."""

    def __init__(self) -> None:
        self._overview = Overview(lambda: Settings.load().require("database_url").database_url)

    def collect(self) -> Iterator[Metric]:
        """The metrics; without a warehouse, only that it cannot be reached."""
        started = time.perf_counter()
        reachable = GaugeMetricFamily(
            "tasador_warehouse_reachable", "1 if the warehouse answered this scrape."
        )
        try:
            measured = self._measure()
        except TasadorError as error:
            log.warning("the warehouse cannot be read: %s", error)
            reachable.add_metric((), 0)
            yield reachable
            return
        reachable.add_metric((), 1)
        yield reachable
        yield GaugeMetricFamily(
            "tasador_warehouse_read_seconds",
            "How long the queries of this scrape took.",
            value=time.perf_counter() - started,
        )
        yield from map(_metric, measured)

    def _measure(self) -> list[Measured]:
        settings = Settings.load()
        families = FAMILIES if settings.platform == "embedded" else (*FAMILIES, *DEAD_LETTERS)
        return self._overview.measure(families, settings.model_name)


def _metric(measured: Measured) -> Metric:
    family = measured.family
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for labels, value in measured.values:
        metric.add_metric(labels, value)
    return metric


def serve(host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
    """Serve the metrics at http://HOST:PORT/metrics in a thread; raises OSError for a taken port.

    Raises ConfigurationError where no database is configured.
    """
    Settings.load().require("database_url")
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    registry.register(Exporter())
    return start_http_server(port, host, registry)


def run(host: str, port: int) -> None:
    """Serve the metrics until SIGTERM or SIGINT."""
    ended = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ended.set())
    try:
        server, thread = serve(host, port)
    except OSError as error:
        raise TasadorError(f"port {port} on {host} cannot be used: {error}") from error
    log.info("metrics at http://%s:%d/metrics", host, server.server_port)
    ended.wait()
    server.shutdown()
    thread.join()


def main() -> None:
    """``python -m tasador.operations.exporter``: as its Deployment runs it.

    HOST and METRICS_PORT come from the environment, as they do for the functions.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    port = os.environ.get("METRICS_PORT") or "9464"
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise SystemExit(f"METRICS_PORT is {port!r}, not a port")
    try:
        run(os.environ.get("HOST", "127.0.0.1"), int(port))
    except TasadorError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
