"""Probe a server: whether it answers, and with which status."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit


def status_of(url: str, timeout: float = 2.0) -> int | None:
    """The HTTP status of GET ``url``, or None if nothing answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
