"""The dead letters of the embedded platform.

The gateway stores events that it could not deliver, and answers through its admin API. The database
holds rows that a migration moved out of a table because they break a new rule.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from tasador.clock import now
from tasador.errors import ServiceUnavailable
from tasador.local import gateway_client
from tasador.operations import dead_letters as stored
from tasador.operations.retention import Pruned
from tasador.settings import Settings

log = logging.getLogger("tasador.local.dead_letters")


def dead_letters(settings: Settings) -> list[dict[str, Any]]:
    """All undelivered events, the oldest first: time, subscriber, status, reason, event."""
    letters: list[dict[str, Any]] = gateway_client.request(settings, "GET", "/dead-letters")
    with _warned("the events that a migration moved are not listed"):
        letters += stored.dead_letters(settings)
    return sorted(letters, key=itemgetter("time"))


def replay(settings: Settings, ids: Sequence[str] = ()) -> int:
    """Deliver them again, all or the events with these ids; returns how many."""
    answer = gateway_client.request(settings, "POST", "/dead-letters/replay", {"ids": list(ids)})
    count = int(answer["replayed"])
    # Last: one that fails again becomes a dead letter of the gateway.
    with _warned("the events that a migration moved are not replayed"):
        count += stored.replay(settings, ids)
    return count


def prune(settings: Settings, *, dry_run: bool = False) -> Iterator[Pruned]:
    """Delete what is too old of the gateway's; `tasador.operations.retention` has the rest.

    Yields nothing if TASADOR_KEEP_DEAD_LETTERS_DAYS is 0. With ``dry_run`` it only counts.
    """
    if not (days := settings.keep_dead_letters_days):
        return
    before = now() - timedelta(days=days)
    if dry_run:
        letters = gateway_client.request(settings, "GET", "/dead-letters")
        count = sum(datetime.fromisoformat(each["time"]) < before for each in letters)
    else:
        path = f"/dead-letters?{urlencode({'before': before.isoformat()})}"
        count = gateway_client.request(settings, "DELETE", path)["deleted"]
    yield Pruned("dead letters of the gateway", before, count)


@contextmanager
def _warned(consequence: str) -> Iterator[None]:
    """Warn if the database is away: the gateway's dead letters need none."""
    try:
        yield
    except ServiceUnavailable as error:
        log.warning("%s, so %s", error, consequence)
