"""Numbers that a process counts, and how Prometheus reads them.

``prometheus_client`` is loaded once the function answers (``prepare``), not before: what it imports
(an HTTP server, TLS, mail) would be a fifth of the time in which a function starts. The numbers are
kept here, and it collects them as it does from any collector of one's own
(https://prometheus.github.io/client_python/collector/custom/).
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.registry import Collector


class Number:
    """A number that many threads count up, or set."""

    def __init__(self) -> None:
        self.value = 0.0
        self._lock = threading.Lock()

    def inc(self, amount: float = 1.0) -> None:
        """Add to it."""
        with self._lock:
            self.value += amount

    def set(self, value: float) -> None:
        """Put another in its place."""
        self.value = value


class Spread:
    """How many values lie up to each of ``limits``, and their sum."""

    def __init__(self, limits: Sequence[float]) -> None:
        self._limits = limits
        self._counts = [0] * (len(limits) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

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

    def told(self) -> tuple[list[tuple[str, float]], float]:
        """By limit how many values lie up to it ("+Inf" comes last), and their sum."""
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        limits = [*map(str, map(float, self._limits)), "+Inf"]
        return list(zip(limits, counts, strict=True)), total


T = TypeVar("T", Number, Spread)
_REGISTERED: list[Family[Any]] = []


class Family(Generic[T]):
    """A metric: one ``T`` for each combination of its labels' values."""

    def __init__(
        self, kind: str, name: str, says: str, labels: Sequence[str], make: Callable[[], T]
    ) -> None:
        self._kind, self._name, self._says, self._labels = kind, name, says, labels
        self._make = make
        self._children: dict[tuple[str, ...], T] = {}
        self._lock = threading.Lock()
        _REGISTERED.append(self)

    def labels(self, *values: str) -> T:
        """The one of these values, which come from closed sets and never from a request."""
        if (child := self._children.get(values)) is None:
            if len(values) != len(self._labels):
                raise ValueError(f"{self._name} has the labels {self._labels}, not {values}")
            with self._lock:
                child = self._children.setdefault(values, self._make())
        return child

    def collect(self) -> Iterator[Metric]:
        """The metric, as prometheus_client asks for it."""
        from prometheus_client import core

        kinds = {
            "counter": core.CounterMetricFamily,
            "gauge": core.GaugeMetricFamily,
            "histogram": core.HistogramMetricFamily,
        }
        told = kinds[self._kind](self._name, self._says, labels=self._labels)
        with self._lock:
            children = sorted(self._children.items())
        for values, child in children:
            if isinstance(child, Number):
                told.add_metric(values, child.value)
            else:
                told.add_metric(values, *child.told())
        yield told


def counter(name: str, says: str, *labels: str) -> Family[Number]:
    """What is counted up, by labels."""
    return Family("counter", name, says, labels, Number)


def gauge(name: str, says: str) -> Number:
    """What goes up and down."""
    return Family("gauge", name, says, (), Number).labels()


def histogram(name: str, says: str, limits: Sequence[float], *labels: str) -> Family[Spread]:
    """What is counted by size, by labels."""
    return Family("histogram", name, says, labels, lambda: Spread(limits))


def prepare() -> None:
    """Load what ``metrics_text`` needs, so that who asks first need not wait for it."""
    _registry()


def metrics_text() -> tuple[bytes, str]:
    """Every metric in Prometheus' text format, and its content type."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return generate_latest(_registry()), CONTENT_TYPE_LATEST


@cache
def _registry() -> CollectorRegistry:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    for family in _REGISTERED:
        registry.register(cast("Collector", family))
    return registry
