"""Recording: predict publishes every prediction as a prediction.made event for record.

TASADOR_RECORDING is ``best-effort`` (a bounded queue; losses are counted), ``required`` (the caller
is answered only after the broker accepted the event) or ``off``. One thread publishes. Predictions
that wait at the same time share an event, so a slow broker makes events larger instead of answers
later. In mode ``best-effort`` an event waits for a moment to collect more predictions.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from functions.http import HttpProblem
from functions.observability import RECORDINGS
from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.events import build
from tasador.events.event import Event
from tasador.events.publish import Publisher
from tasador.events.seal import sealed
from tasador.records.prediction import PredictionRecord
from tasador.settings import Settings
from tasador.tracing import spans

log = logging.getLogger("tasador.functions.recording")

MODES = ("best-effort", "required", "off")
_MAX_PER_EVENT = 200
_MAX_QUEUED = 20_000
# A failed event is retried for 1.4 seconds while a caller waits, else for 6.2 seconds.
_RETRIES = {"required": 3, "best-effort": 5}
_TIMEOUT = 3.0
# Without a waiting caller an event is sent this long after its first prediction (seconds): one
# event costs as much as several predictions.
_GATHER_SECONDS = 0.05


@dataclass(slots=True)
class _Item:
    """The records of one request. ``settled`` is set once the broker accepted them all, or with
    ``error``. ``sent`` counts those that were tried."""

    records: Sequence[PredictionRecord]
    settled: threading.Event | None = None
    error: Exception | None = None
    sent: int = 0
    traceparent: str = ""


class Recorder:
    """Publishes predictions to K_SINK in the mode that the environment names."""

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self._queued = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False
        for outcome in ("sent", "lost", "refused"):
            RECORDINGS.labels(outcome)

    @cached_property
    def mode(self) -> str:
        """The mode; "off" without a broker. Raises ConfigurationError for a wrong setting."""
        mode = os.environ.get("TASADOR_RECORDING") or "best-effort"
        if mode not in MODES:
            raise ConfigurationError(f"TASADOR_RECORDING is {mode!r}, not one of {MODES}")
        if not os.environ.get("K_SINK"):
            if mode == "required":
                raise ConfigurationError("TASADOR_RECORDING is required, but K_SINK is not set")
            return "off"
        return mode

    @cached_property
    def waits(self) -> bool:
        """Whether ``record`` waits for the broker, or raises ConfigurationError."""
        try:
            return self.mode == "required"
        except ConfigurationError:
            return True

    def record(self, records: Sequence[PredictionRecord]) -> None:
        """Record ``records``, of which another thread takes slices.

        Raises ServiceUnavailable in mode ``required`` if the broker does not accept all of them.
        Those that it did accept stay recorded, although their caller gets no price.
        """
        if self.mode == "off" or not records:
            return
        waits = self.mode == "required"
        item = _Item(records, threading.Event() if waits else None)
        if (span := spans.current()) is not None:
            item.traceparent = span.context.traceparent
        if not self._put(item):
            if waits:
                raise HttpProblem(503, "too many predictions are waiting for the broker; try again")
            _lost(len(records), "the queue to the broker is full")
        elif item.settled is not None:
            item.settled.wait()
            if item.error is not None:
                raise item.error

    def close(self, timeout: float = 10.0) -> None:
        """Send what is queued, then stop. What is left after ``timeout`` seconds is lost."""
        with self._changed:
            self._ended = True
            self._changed.notify()
            thread = self._thread
        if thread is None:
            return
        thread.join(timeout)
        if left := self._queued:
            _lost(left, "the broker did not accept them in time")

    def _put(self, item: _Item) -> bool:
        with self._changed:
            if self._ended or self._queued + len(item.records) > _MAX_QUEUED:
                return False
            self._items.append(item)
            self._queued += len(item.records)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()
            # The thread is awake already if there were others; a full event need not wait.
            if len(self._items) == 1 or self._queued >= _MAX_PER_EVENT:
                self._changed.notify()
            return True

    def _run(self) -> None:
        publisher = Publisher(os.environ["K_SINK"], _TIMEOUT)
        while group := self._next():
            records = [
                record
                for item in group
                for record in item.records[item.sent : item.sent + _MAX_PER_EVENT]
            ]
            error: Exception | None = None
            try:
                event = sealed(_event(records, group), Settings.load().events_key)
                publisher.publish(event, retries=_RETRIES[self.mode])
                RECORDINGS.labels("sent").inc(len(records))
            except Exception as raised:
                error = raised
            self._settle(group, error)
        publisher.close()

    def _next(self) -> list[_Item]:
        """The items of the next event; a long item fills several events. Empty at the end."""
        with self._changed:
            while not self._items:
                if self._ended:
                    return []
                self._changed.wait()
            if not self.waits:
                self._changed.wait_for(
                    lambda: self._ended or self._queued >= _MAX_PER_EVENT, _GATHER_SECONDS
                )
            group: list[_Item] = []
            size = 0
            for item in self._items:
                size += len(item.records) - item.sent
                if group and size > _MAX_PER_EVENT:
                    break
                group.append(item)
            return group

    def _settle(self, group: list[_Item], error: Exception | None) -> None:
        for item in group:
            before = item.sent
            left = len(item.records) - before
            item.sent = before + (left if error else min(left, _MAX_PER_EVENT))
            with self._changed:
                self._queued -= item.sent - before
                if item.sent == len(item.records):
                    self._items.popleft()
            if error is not None:
                if item.settled is None:
                    _lost(left, str(error))
                else:
                    RECORDINGS.labels("refused").inc(left)
            if item.sent == len(item.records) and item.settled is not None:
                item.error = error and _as_unavailable(error)
                item.settled.set()


def _event(records: Sequence[PredictionRecord], group: Sequence[_Item]) -> Event:
    """prediction.made; of several traced requests the event continues the first."""
    event = build.prediction_made(records)
    traceparent = next((item.traceparent for item in group if item.traceparent), "")
    if not traceparent:
        return event
    return replace(event, extensions={**event.extensions, "traceparent": traceparent})


def _as_unavailable(error: Exception) -> Exception:
    """Any failure to publish as a 503: the caller did not cause it."""
    if isinstance(error, ServiceUnavailable):
        return error
    return ServiceUnavailable(f"the prediction could not be recorded: {error}")


def _lost(count: int, why: str) -> None:
    RECORDINGS.labels("lost").inc(count)
    log.error("%d predictions lost: %s", count, why)
