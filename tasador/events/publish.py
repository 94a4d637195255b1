"""Publish events to a broker over HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasador.clock import backoff, retry
from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.events.event import Event, EventError
from tasador.events.seal import sealed
from tasador.tracing import spans
from tasador.tracing.context import root_of

if TYPE_CHECKING:
    import http.client

_FIRST_PAUSE = 0.2


class _NotTaken(Exception):
    """The broker did not take the event. Trying again may help."""


class Publisher:
    """A connection to one broker, kept open between events. Not for several threads."""

    def __init__(self, broker_url: str, timeout: float = 10.0) -> None:
        self._url = broker_url
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def publish(self, event: Event, *, retries: int = 3) -> None:
        """POST the event to the broker, in binary mode.

        No answer, 408, 429 and 5xx are tried again ``retries`` times, after 0.2, 0.4, ... seconds;
        then ServiceUnavailable is raised. Any other refusal raises EventError at once.
        """
        self.send(event.type, traced(event).headers(), event.body(), retries=retries)

    def send(self, name: str, headers: dict[str, str], body: bytes, *, retries: int = 3) -> None:
        """POST as ``publish`` does; ``name`` is the event's name in an error."""
        try:
            retry(
                lambda: self._send_once(name, headers, body),
                _NotTaken,
                backoff(_FIRST_PAUSE),
                attempts=retries + 1,
            )
        except _NotTaken as error:
            raise ServiceUnavailable(
                f"{name} could not be published: {self._url} did not take it ({error})"
            ) from error.__cause__

    def _send_once(self, name: str, headers: dict[str, str], body: bytes) -> None:
        # http.client and not httpx, imported on first use: predict publishes too.
        import http.client

        is_reused = self._connection is not None
        try:
            status, answer = self._post(headers, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if is_reused:
                # The broker may have closed the idle connection, so try a new one at once.
                return self._send_once(name, headers, body)
            raise _NotTaken(f"{type(error).__name__}: {error}") from error
        if 200 <= status < 300:
            return None
        reason = f"HTTP {status} {answer[:200].decode(errors='replace')}"
        if status in (408, 429) or status >= 500:
            raise _NotTaken(reason)
        raise EventError(f"the broker at {self._url} refused {name}: {reason}")

    def _post(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        import http.client

        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(f"the broker's address {self._url!r} is not an http(s) URL")
        if self._connection is None:
            secure = parts.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self._connection = kind(parts.hostname, parts.port, timeout=self._timeout)
        self._connection.request("POST", parts.path or "/", body=body, headers=headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        """Close the connection; the next event opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def publish(
    event: Event, broker_url: str, *, key: str = "", retries: int = 3, timeout: float = 10.0
) -> None:
    """Publish one event, as ``Publisher.publish`` does, sealed with ``key`` if there is one."""
    headers = traced(sealed(event, key)).headers()
    send(event.type, broker_url, headers, event.body(), retries=retries, timeout=timeout)


def traced(event: Event) -> Event:
    """The event with the attribute ``traceparent``, while spans are sent.

    It names the current span, else the root of the event's correlation id.
    """
    if not spans.is_on() or "traceparent" in event.extensions:
        return event
    spans.join(event.correlation_id)
    if (span := spans.current()) is not None:
        context = span.context
    elif event.correlation_id:
        context = root_of(event.correlation_id)
    else:
        return event
    return replace(event, extensions={**event.extensions, "traceparent": context.traceparent})


def send(
    name: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    retries: int = 3,
    timeout: float = 10.0,
) -> None:
    """POST to an event consumer at ``url``; ``name`` is the event's name in an error."""
    publisher = Publisher(url, timeout)
    try:
        publisher.send(name, headers, body, retries=retries)
    finally:
        publisher.close()
