"""Recording: every prediction leaves as a prediction.made event for the record function.

TASADOR_RECORDING is ``best-effort`` (a bounded queue and a thread; what is lost is counted),
``required`` (the caller is answered only after the broker took the event) or ``off``.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Sequence

from functions.observe import RECORDINGS
from tasador import events
from tasador.errors import ConfigurationError, TasadorError
from tasador.records import PredictionRecord

log = logging.getLogger("tasador.functions.recording")

MODES = ("best-effort", "required", "off")
_IN_ONE_EVENT = 200
_QUEUED = 20_000


class Recorder:
    """Publishes predictions to K_SINK in the mode that the environment names."""

    def __init__(self) -> None:
        self._queue: queue.Queue[PredictionRecord | None] = queue.Queue(_QUEUED)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._sending = 0

    @property
    def mode(self) -> str:
        """The mode; without a broker nothing can be recorded, which ``required`` does not allow."""
        mode = os.environ.get("TASADOR_RECORDING") or "best-effort"
        if mode not in MODES:
            raise ConfigurationError(f"TASADOR_RECORDING is {mode!r}; it is one of {MODES}")
        if not os.environ.get("K_SINK"):
            if mode == "required":
                raise ConfigurationError("TASADOR_RECORDING is required, but K_SINK is not set")
            return "off"
        return mode

    def record(self, records: Sequence[PredictionRecord]) -> None:
        """Record; in mode ``required`` raises StoreUnavailable when the broker does not answer."""
        mode = self.mode
        if mode == "required":
            for start in range(0, len(records), _IN_ONE_EVENT):
                _publish(records[start : start + _IN_ONE_EVENT])
        elif mode == "best-effort":
            self._start()
            for number, record in enumerate(records):
                try:
                    self._queue.put_nowait(record)
                except queue.Full:
                    lost = len(records) - number
                    RECORDINGS.labels("lost").inc(lost)
                    log.error("%d predictions lost: the queue to the broker is full", lost)
                    return

    def close(self, timeout: float = 10.0) -> None:
        """Send what is queued, then stop; what the broker has not taken in time is lost."""
        if self._thread is None:
            return
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            pass
        else:
            self._thread.join(timeout)
        if left := self._queue.qsize() + self._sending:
            RECORDINGS.labels("lost").inc(left)
            log.error("%d predictions lost: the broker did not take them in time", left)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        ended = False
        while not ended:
            waiting = [self._queue.get()]
            while len(waiting) < _IN_ONE_EVENT and waiting[-1] is not None:
                try:
                    waiting.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            ended = waiting[-1] is None
            records = [record for record in waiting if record is not None]
            if not records:
                continue
            self._sending = len(records)
            try:
                _publish(records)
            except TasadorError as error:
                RECORDINGS.labels("lost").inc(len(records))
                log.error("%d predictions lost: %s", len(records), error)
            except Exception:
                RECORDINGS.labels("lost").inc(len(records))
                log.exception("%d predictions lost", len(records))
            self._sending = 0


def _publish(records: Sequence[PredictionRecord]) -> None:
    events.publish(events.prediction_made(records), os.environ["K_SINK"])
    RECORDINGS.labels("sent").inc(len(records))
