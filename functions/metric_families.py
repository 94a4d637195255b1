"""Counters, gauges and histograms of a process, exposed through prometheus_client.

``observability`` declares the metrics; each is a family, with a child for each set of label values.

prometheus_client is imported once the function is loaded (``prepare``): its imports (an HTTP
server, TLS, mail) would take a fifth of a function's start. Until then the values are kept here,
and it reads them through its custom collector interface
(https://prometheus.github.io/client_python/collector/custom/). Decision 0012 has the measurement.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.registry import Collector
    from prometheus_client.samples import Exemplar


class Value:
    """The value of a counter or a gauge; thread-safe."""

    def __init__(self) -> None:
        self.value = 0.0
        self._lock = threading.Lock()

    def inc(self, amount: float = 1.0) -> None:
        """Add ``amount``."""
        with self._lock:
            self.value += amount

    def set(self, value: float) -> None:
        """Set the value."""
        self.value = value


class Histogram:
    """Counts of values by bucket, and their sum. ``bounds`` are the upper bounds, ascending."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        # Bucket -> the newest value of a trace: (trace id, value, seconds since 1970).
        self._examples: dict[int, tuple[str, float, float]] = {}
        self._lock = threading.Lock()

    def observe(self, value: float, times: int = 1, trace_id: str = "") -> None:
        """Count a value ``times`` times. The value of a trace becomes its bucket's exemplar."""
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[bucket] += times
            self._sum += value * times
        if trace_id:
            self._examples[bucket] = (trace_id, value, time.time())

    def observe_all(self, values: Any) -> None:
        """Count every value of a numpy array."""
        import numpy as np

        counts = np.bincount(
            np.searchsorted(self._bounds, values), minlength=len(self._counts)
        ).tolist()
        with self._lock:
            self._counts = [a + b for a, b in zip(self._counts, counts, strict=True)]
            self._sum += float(values.sum())

    def exemplars(self) -> list[Exemplar | None]:
        """The exemplar of each bucket, "+Inf" last; only the OpenMetrics format shows them."""
        from prometheus_client.samples import Exemplar

        examples = (self._examples.get(bucket) for bucket in range(len(self._counts)))
        return [each and Exemplar({"trace_id": each[0]}, each[1], each[2]) for each in examples]

    def cumulative(self) -> tuple[list[tuple[str, float]], float]:
        """(upper bound, number of values up to it) for each bucket, "+Inf" last; and the sum."""
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        bounds = [*map(str, map(float, self._bounds)), "+Inf"]
        return list(zip(bounds, counts, strict=True)), total


T = TypeVar("T", Value, Histogram)
_REGISTERED: list[Family[Any]] = []


class Family(Generic[T]):
    """A metric: one ``T`` for each combination of label values."""

    def __init__(
        self, kind: str, name: str, help_text: str, labels: Sequence[str], create: Callable[[], T]
    ) -> None:
        self._kind, self._name, self._help, self._labels = kind, name, help_text, labels
        self._create: Callable[[], T] = create
        self._children: dict[tuple[str, ...], T] = {}
        self._lock = threading.Lock()
        _REGISTERED.append(self)

    def labels(self, *values: str) -> T:
        """The child of these label values, which come from closed sets and never from requests."""
        if (child := self._children.get(values)) is None:
            if len(values) != len(self._labels):
                raise ValueError(f"{self._name} has the labels {self._labels}, not {values}")
            with self._lock:
                child = self._children.setdefault(values, self._create())
        return child

    def collect(self) -> Iterator[Metric]:
        """The metric in prometheus_client's form; part of its collector interface.

        A metric without values belongs to another function and is left out.
        """
        from prometheus_client import core

        kinds = {
            "counter": core.CounterMetricFamily,
            "gauge": core.GaugeMetricFamily,
            "histogram": core.HistogramMetricFamily,
        }
        metric = kinds[self._kind](self._name, self._help, labels=self._labels)
        with self._lock:
            children = sorted(self._children.items())
        if not children:
            return
        for values, child in children:
            if isinstance(child, Value):
                metric.add_metric(values, child.value)
            else:
                buckets, total = child.cumulative()
                with_exemplars = [
                    (bound, count, exemplar)
                    for (bound, count), exemplar in zip(buckets, child.exemplars(), strict=True)
                ]
                metric.add_metric(values, with_exemplars, total)
        yield metric


def counter(name: str, help_text: str, *labels: str) -> Family[Value]:
    """A counter by labels."""
    return Family("counter", name, help_text, labels, Value)


def gauge(name: str, help_text: str, *labels: str) -> Family[Value]:
    """A gauge by labels."""
    return Family("gauge", name, help_text, labels, Value)


def histogram(
    name: str, help_text: str, bounds: Sequence[float], *labels: str
) -> Family[Histogram]:
    """A histogram by labels."""
    return Family("histogram", name, help_text, labels, lambda: Histogram(bounds))


def prepare() -> None:
    """Import prometheus_client, so that the first scrape need not wait for it."""
    _registry()


def metrics_text(accept: str = "") -> tuple[bytes, str]:
    """Every metric, and the content type: Prometheus' text, or OpenMetrics if it is accepted.

    Only OpenMetrics has exemplars: the trace of one request in each bucket.
    """
    if "application/openmetrics-text" in accept:
        from prometheus_client.openmetrics import exposition

        text: bytes = exposition.generate_latest(_registry())  # type: ignore[no-untyped-call]
        return text, exposition.CONTENT_TYPE_LATEST
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return generate_latest(_registry()), CONTENT_TYPE_LATEST


@cache
def _registry() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, ProcessCollector

    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    for family in _REGISTERED:
        registry.register(cast("Collector", family))
    return registry
