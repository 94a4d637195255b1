"""The dead letters of a cluster: events that its broker could not deliver.

`record` stores them in ops.dead_letters; `tasador dead-letters` lists and replays them. On one
machine the gateway stores them (tasador/local/dead_letters.py, same functions).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from tasador.events import publish
from tasador.records.loop import DeadLetter
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse


def dead_letters(settings: Settings) -> list[dict[str, Any]]:
    """Every undelivered event, oldest first: time, subscriber, status, reason, event."""
    settings.require("database_url")
    with Warehouse(settings.database_url) as warehouse:
        return [_as_json(letter) for letter in warehouse.dead_letters()]


def replay(settings: Settings, ids: Sequence[str] = ()) -> int:
    """Send the events (all, or those with these ids) to the broker again; returns how many.

    Every subscriber gets them, not only the one that failed: subscribers skip events that they
    have processed. An event that fails again becomes a dead letter again. Raises
    ServiceUnavailable if the broker does not answer; events that it accepted before that are not
    sent twice.
    """
    settings.require("database_url", "broker_url")
    count = 0
    with Warehouse(settings.database_url) as warehouse:
        for letter in warehouse.dead_letters():
            if ids and unquote(letter.event_id) not in ids:
                continue
            headers = {f"ce-{name}": value for name, value in letter.attributes.items()}
            if letter.content_type:
                headers["content-type"] = letter.content_type
            kind = letter.attributes.get("type", "an event")
            publish.send(kind, settings.broker_url, headers, letter.body)
            warehouse.mark_replayed(letter)
            count += 1
    return count


def _as_json(letter: DeadLetter) -> dict[str, Any]:
    attributes = {name: unquote(value) for name, value in letter.attributes.items()}
    return {
        "time": letter.given_up_at.isoformat(),
        "subscriber": letter.subscriber,
        "status": letter.status,
        "reason": letter.reason,
        "event": {**attributes, "data": _data(letter.body)},
    }


def _data(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
