"""Logs as JSON lines on stdout, written so that no request waits for a reader.

A pipe holds some 64 kB. If nobody reads it, the next write blocks. So a line is written at once
only while stdout has room for it. Otherwise it waits in a bounded queue for a writer thread, and
new lines are dropped and counted while the queue is full (decision 0013).
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any

from functions.json_text import encode_line
from functions.metric_families import counter

_STDOUT = 1
# A pipe that poll calls writable has room for this much (bytes).
_ROOM = select.PIPE_BUF
# The lines in the queue, bytes.
_MAX_QUEUED = 1_000_000
# The writer collects lines for this long (seconds): one wake-up and one write for many requests.
_GATHER_SECONDS = 0.02
_FLUSH_SECONDS = 1.0

DROPPED = counter(
    "tasador_log_lines_dropped_total", "Log lines dropped because nothing read stdout."
).labels()


class LineWriter:
    """Writes lines to a file descriptor, from a thread if it has no room. Never blocks a caller."""

    def __init__(self, descriptor: int = _STDOUT, max_queued: int = _MAX_QUEUED) -> None:
        self._descriptor = descriptor
        self._max_queued = max_queued
        self._lines: deque[bytes] = deque()
        self._queued = 0
        self._lock = threading.Lock()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Write a line, which ends in a newline, or queue it. Drop it if the queue is full."""
        with self._lock:
            if not self._queued and len(line) <= _ROOM and self._poll.poll(0):
                line = self._write_some(line)
                if not line:
                    return
            if self._queued + len(line) > self._max_queued:
                DROPPED.inc()
                return
            self._lines.append(line)
            self._queued += len(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        if not self._filled.is_set():
            self._filled.set()

    def flush(self, seconds: float = _FLUSH_SECONDS) -> bool:
        """Wait until every queued line is written; False if time is up first."""
        deadline = time.monotonic() + seconds
        while self._queued:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_GATHER_SECONDS / 4)
        return True

    def _run(self) -> None:
        while True:
            self._filled.wait()
            time.sleep(_GATHER_SECONDS)
            self._filled.clear()
            with self._lock:
                lines, self._lines = self._lines, deque()
            data = b"".join(lines)
            self._write_all(data)
            with self._lock:
                self._queued -= len(data)

    def _write_some(self, line: bytes) -> bytes:
        """Write what the descriptor takes now; returns the rest."""
        try:
            return line[os.write(self._descriptor, line) :]
        except BlockingIOError:
            return line
        except OSError:
            # Stdout is closed, so the error cannot be logged.
            DROPPED.inc()
            return b""

    def _write_all(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._descriptor, view) :]
            except BlockingIOError:
                # Another process that shares the pipe made it non-blocking.
                time.sleep(_GATHER_SECONDS)
            except OSError:
                # Stdout is closed, so the error cannot be logged.
                DROPPED.inc(bytes(view).count(b"\n"))
                return


STDOUT = LineWriter()


def common_fields(function: str) -> dict[str, str]:
    """The fields that every line of a process has."""
    return {"function": function, "revision": os.environ.get("K_REVISION", "")}


def write_line(fields: dict[str, Any]) -> None:
    """Write one JSON object to stdout; never blocks."""
    STDOUT.write(encode_line(fields) + b"\n")


class JsonLinesHandler(logging.Handler):
    """Writes a record as one JSON object: time, level, function, revision, message, its fields."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self._common = common_fields(function)

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record."""
        try:
            line = {
                "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
                "level": record.levelname.lower(),
                **self._common,
                "message": record.getMessage(),
                **getattr(record, "fields", {}),
            }
            if record.exc_info:
                line["traceback"] = logging.Formatter().formatException(record.exc_info)
            write_line(line)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write what is queued; ``logging`` calls this when the process exits."""
        STDOUT.flush()


def log_to_stdout(function: str) -> None:
    """Send every log record of this process to stdout as JSON."""
    logging.basicConfig(handlers=[JsonLinesHandler(function)], level=logging.INFO, force=True)
    # parliament warns about plain JSON on POST /, waitress about its queue: both are normal here.
    logging.getLogger("parliament.server").setLevel(logging.ERROR)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
