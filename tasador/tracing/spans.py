"""Spans, sent to an OpenTelemetry collector as OTLP in its JSON form. Off unless a setting says so.

OTEL_EXPORTER_OTLP_ENDPOINT is the collector (``http://collector:4318``), and
OTEL_EXPORTER_OTLP_HEADERS what its requests carry (``name=value,...``). Nothing waits for the
collector: spans are sent by a thread, and dropped while it does not take them.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any
from urllib.parse import unquote

from tasador.tracing.context import TraceContext, root_of

_LOG = logging.getLogger("tasador.tracing")

INTERNAL, SERVER, CLIENT = 1, 2, 3
# Spans that wait to be sent, and those in one request.
_MAX_WAITING = 4096
_MAX_SENT = 512
# The parts of one span: a search makes thousands of queries.
_MAX_CHILDREN = 500
_GATHER_SECONDS = 1.0
_FLUSH_SECONDS = 2.0
_TIMEOUT = 5.0

Value = str | int | float | bool


class Span:
    """A piece of work, with its parts. Its trace may become known only while it runs."""

    __slots__ = (
        *("name", "kind", "span_id", "attributes", "correlation_id", "begins", "error"),
        *("_parent", "_above", "_children", "_dropped", "_started", "_ended", "_token"),
    )

    def __init__(
        self, name: str, kind: int, parent: TraceContext | None, above: Span | None
    ) -> None:
        self.name = name
        self.kind = kind
        self.span_id = os.urandom(8).hex()
        self.attributes: dict[str, Value] = {}
        self.correlation_id = ""
        # It begins the trace of its correlation id: others name it as their parent.
        self.begins = False
        self.error = ""
        self._parent = parent
        self._above = above
        self._children: list[Span] = []
        self._dropped = 0
        self._started = time.time_ns()
        self._ended = 0
        self._token: Token[Span | None] | None = None

    @property
    def context(self) -> TraceContext:
        """How another process names this span. The trace is settled by the first call."""
        top = self._top()
        if top._parent is None and not top.correlation_id:
            top._parent = TraceContext(os.urandom(16).hex(), "")
        root = top._parent or root_of(top.correlation_id)
        if self is top and top.begins:
            return root
        return TraceContext(root.trace_id, self.span_id)

    def _top(self) -> Span:
        span = self
        while span._above is not None:
            span = span._above
        return span

    def _as_json(self) -> dict[str, Any]:
        context = self.context
        if self._above is not None:
            parent = self._above.context.span_id
        else:
            parent = "" if self.begins else (self._parent or root_of(self.correlation_id)).span_id
        attributes = dict(self.attributes)
        if self.correlation_id:
            attributes["tasador.correlation_id"] = self.correlation_id
        if self._dropped:
            attributes["tasador.dropped_spans"] = self._dropped
        return {
            "traceId": context.trace_id,
            "spanId": context.span_id,
            **({"parentSpanId": parent} if parent else {}),
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": str(self._started),
            "endTimeUnixNano": str(self._ended),
            "attributes": [{"key": k, "value": _value(v)} for k, v in attributes.items()],
            **({"status": {"code": 2, "message": self.error}} if self.error else {}),
        }


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": value}


_current: ContextVar[Span | None] = ContextVar("span", default=None)
_exporter: Exporter | None = None


def start(service: str, environ: Mapping[str, str] | None = None) -> bool:
    """Send the spans of this process, if the environment names a collector; whether it does."""
    global _exporter
    environ = os.environ if environ is None else environ
    endpoint = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    if not endpoint and (base := environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")):
        endpoint = f"{base.rstrip('/')}/v1/traces"
    if endpoint and _exporter is None:
        headers = _headers(environ.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
        _exporter = Exporter(endpoint, environ.get("OTEL_SERVICE_NAME") or service, headers)
        atexit.register(flush)
    return _exporter is not None


def is_on() -> bool:
    """Whether spans are sent."""
    return _exporter is not None


def begin(
    name: str,
    kind: int = INTERNAL,
    *,
    parent: TraceContext | None = None,
    correlation_id: str = "",
) -> Span:
    """Begin a span, which becomes the current one of this thread. ``end`` must follow.

    Its parent is the current span; without one it is ``parent``, else the root of its correlation
    id.
    """
    above = _current.get()
    span = Span(name, kind, parent if above is None else None, above)
    span.correlation_id = correlation_id
    span._token = _current.set(span)
    return span


def end(span: Span, error: str = "") -> None:
    """End a span, in the thread that began it."""
    span._ended = time.time_ns()
    span.error = span.error or error
    if span._token is not None:
        _current.reset(span._token)
        span._token = None
    top = span._top()
    if span is not top:
        if len(top._children) < _MAX_CHILDREN:
            top._children.append(span)
        else:
            top._dropped += 1
    elif _exporter is not None:
        _exporter.put([span, *span._children])


@contextmanager
def part(name: str, kind: int = INTERNAL, **attributes: Value) -> Iterator[Span | None]:
    """A part of the current span; nothing where there is none."""
    if _current.get() is None:
        yield None
        return
    span = begin(name, kind)
    span.attributes.update(attributes)
    try:
        yield span
    except BaseException as error:
        span.error = type(error).__name__
        raise
    finally:
        end(span)


def current() -> Span | None:
    """The span that this thread works for."""
    return _current.get()


def join(correlation_id: str, *, begins: bool = False) -> None:
    """The current work belongs to this correlation id, if it has none yet, or begins its trace."""
    span = _current.get()
    if span is not None and correlation_id:
        top = span._top()
        if not top.correlation_id:
            top.correlation_id, top.begins = correlation_id, begins


def flush(seconds: float = _FLUSH_SECONDS) -> None:
    """Send what waits, for at most ``seconds``."""
    if _exporter is not None:
        _exporter.flush(seconds)


def _headers(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split(",") if "=" in pair)
    return {unquote(name.strip()): unquote(value.strip()) for name, _, value in pairs}


class Sampler:
    """Limits the spans that begin in a second: a request that is not chosen costs nothing."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._left = per_second
        self._since = time.monotonic()

    def takes(self) -> bool:
        """Whether the next one may begin. Several threads may let a few more begin."""
        now = time.monotonic()
        left = min(self._per_second, self._left + (now - self._since) * self._per_second)
        self._since = now
        self._left = left - 1 if left >= 1 else left
        return left >= 1


class Exporter:
    """Sends spans to one collector from a thread."""

    def __init__(self, endpoint: str, service: str, headers: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._headers = {**headers, "content-type": "application/json"}
        resource = {"service.name": service, "service.namespace": "tasador"}
        self._resource = [{"key": k, "value": _value(v)} for k, v in resource.items()]
        self._waiting: deque[list[Span]] = deque()
        self._count = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._flushing = self._is_sending = self._is_away = False

    def put(self, spans: list[Span]) -> None:
        """Queue the spans, or drop them if too many wait."""
        with self._changed:
            if self._count + len(spans) > _MAX_WAITING:
                return
            self._waiting.append(spans)
            self._count += len(spans)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tracing", daemon=True)
                self._thread.start()
            if self._count >= _MAX_SENT:
                self._changed.notify_all()

    def flush(self, seconds: float) -> None:
        """Send what waits, for at most ``seconds``."""
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._count and not self._is_sending, seconds)
            self._flushing = False

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._count >= _MAX_SENT or (self._flushing and self._count),
                    _GATHER_SECONDS,
                )
                spans: list[Span] = []
                while self._waiting and len(spans) < _MAX_SENT:
                    spans += self._waiting.popleft()
                self._count -= len(spans)
                self._is_sending = bool(spans)
            if spans:
                self._send(spans)
                with self._changed:
                    self._is_sending = False
                    self._changed.notify_all()

    def _send(self, spans: list[Span]) -> None:
        import urllib.request  # after the first answer of a function

        scopes = [{"scope": {"name": "tasador"}, "spans": [span._as_json() for span in spans]}]
        body = {
            "resourceSpans": [{"resource": {"attributes": self._resource}, "scopeSpans": scopes}]
        }
        request = urllib.request.Request(  # noqa: S310 (the address is a setting)
            self._endpoint, json.dumps(body).encode(), self._headers
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310
                self._is_away = False
        except (OSError, ValueError) as error:
            if not self._is_away:
                _LOG.warning("spans are lost: %s does not take them: %s", self._endpoint, error)
            self._is_away = True
