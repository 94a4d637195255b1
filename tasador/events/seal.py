"""The seal of an event: proof that a part of this platform published it.

Anybody in the cluster may post to a broker, and a broker delivers what it gets. So a publisher adds
an HMAC of the event's content in the extension attribute ``tasadorseal``, and the functions that
keep or act on events verify it. It passes every broker unchanged, and covers what consumers read:
type, source, id, correlation id and data.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

from tasador.events.event import Event
from tasador.settings import accepted, sent

SEAL = "tasadorseal"
_CONTEXT = "tasador event 1"


def sealed(event: Event, keys: str) -> Event:
    """The event with its seal; unchanged without a key.

    ``keys`` is TASADOR_EVENTS_KEY: one key, or several while they are rotated. The first one seals.
    """
    key = sent(keys)
    if not key:
        return event
    return replace(event, extensions={**event.extensions, SEAL: _seal(event, key)})


def is_sealed(event: Event, keys: str) -> bool:
    """Whether the event carries the seal of one of the keys."""
    seal = event.extensions.get(SEAL, "").encode(errors="replace")
    matches = [hmac.compare_digest(_seal(event, key).encode(), seal) for key in accepted(keys)]
    return any(matches)


def _seal(event: Event, key: str) -> str:
    # Of the values and not of the bytes: a broker may write the JSON again.
    content = json.dumps(
        [_CONTEXT, event.type, event.source, event.id, event.correlation_id, event.data],
        sort_keys=True,
        separators=(",", ":"),
    )
    return hmac.new(key.encode(), content.encode(), hashlib.sha256).hexdigest()
