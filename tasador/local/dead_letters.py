"""The dead letters of the embedded platform.

The gateway stores events that it could not deliver, and answers through its admin API. The database
holds rows that a migration moved out of a table because they break a new rule.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.operations import dead_letters as stored
from tasador.settings import Settings

log = logging.getLogger("tasador.local.dead_letters")


def dead_letters(settings: Settings) -> list[dict[str, Any]]:
    """All undelivered events, the oldest first: time, subscriber, status, reason, event."""
    letters: list[dict[str, Any]] = _request(settings, "GET", "/dead-letters")
    with _warned("the events that a migration moved are not listed"):
        letters += stored.dead_letters(settings)
    return sorted(letters, key=itemgetter("time"))


def replay(settings: Settings, ids: Sequence[str] = ()) -> int:
    """Deliver them again, all or the events with these ids; returns how many."""
    answer = _request(settings, "POST", "/dead-letters/replay", {"ids": list(ids)})
    count = int(answer["replayed"])
    # Last: one that fails again becomes a dead letter of the gateway.
    with _warned("the events that a migration moved are not replayed"):
        count += stored.replay(settings, ids)
    return count


@contextmanager
def _warned(consequence: str) -> Iterator[None]:
    """Warn if the database is away: the gateway's dead letters need none."""
    try:
        yield
    except ServiceUnavailable as error:
        log.warning("%s, so %s", error, consequence)


def _request(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    import httpx

    settings.require("gateway_admin_url", "gateway_token")
    url = f"{settings.gateway_admin_url}{path}"
    headers = {"authorization": f"Bearer {settings.gateway_token}"}
    try:
        # A proxy of the machine does not apply to 127.0.0.1.
        answer = httpx.request(method, url, json=body, headers=headers, timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceUnavailable(
            f"the gateway at {settings.gateway_admin_url} did not answer ({error}); "
            "is the platform up? (`tasador status`)"
        ) from error
    if answer.is_error:
        raise ConfigurationError(f"the gateway refused {path}: {answer.text[:300]}")
    return answer.json()
