"""Publishing to a broker over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.events.event import Event, EventError

if TYPE_CHECKING:
    import http.client


class Publisher:
    """A connection to one broker, kept open between events; for one thread."""

    def __init__(self, broker_url: str, timeout: float = 10.0) -> None:
        self._url = broker_url
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def publish(self, event: Event, *, retries: int = 3) -> None:
        """POST the event to the broker, in binary mode.

        No answer, 408, 429 and 5xx are tried again (``retries`` times, after 0.2, 0.4, ...
        seconds), then raise ServiceUnavailable; any other refusal raises EventError at once.
        """
        self.send(event.type, event.headers(), event.body(), retries=retries)

    def send(self, what: str, headers: dict[str, str], body: bytes, *, retries: int = 3) -> None:
        """POST as ``publish`` does; ``what`` names the event in an error."""
        # http.client and not httpx, and not before it is needed: predict publishes too.
        import http.client

        attempt = 0
        while True:
            kept = self._connection is not None
            try:
                status, answer = self._post(headers, body)
            except (OSError, http.client.HTTPException) as error:
                trouble = f"{type(error).__name__}: {error}"
                self.close()
                if kept:
                    # The broker may have closed it long since, which says nothing of the broker.
                    continue
            else:
                if 200 <= status < 300:
                    return
                trouble = f"HTTP {status} {answer[:200].decode(errors='replace')}"
                if status not in (408, 429) and status < 500:
                    raise EventError(f"the broker at {self._url} refused {what}: {trouble}")
            if attempt >= retries:
                raise ServiceUnavailable(
                    f"{what} could not be published: {self._url} did not take it ({trouble})"
                )
            time.sleep(0.2 * 2**attempt)
            attempt += 1

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


def publish(event: Event, broker_url: str, *, retries: int = 3, timeout: float = 10.0) -> None:
    """Publish one event, as ``Publisher.publish`` does."""
    send(event.type, broker_url, event.headers(), event.body(), retries=retries, timeout=timeout)


def send(
    what: str,
    url: str,
    headers: dict[str, str],
    body: bytes,
    *,
    retries: int = 3,
    timeout: float = 10.0,
) -> None:
    """POST to whoever takes events at ``url``; ``what`` names the event in an error."""
    publisher = Publisher(url, timeout)
    try:
        publisher.send(what, headers, body, retries=retries)
    finally:
        publisher.close()
