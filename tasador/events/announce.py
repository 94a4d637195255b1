"""Announce the result of a flow: to the broker, and on a cluster to Argo Events as well.

Argo Events starts the next flow. Metaflow's @trigger compiles to a Sensor that reads
``body.payload`` of a webhook, which no Trigger of a Broker can send. The event bus also keeps an
event until it has started a flow; an in-memory channel does not. So an event goes to both, the
broker first. If the bus does not answer, the step fails and runs again, and the broker's consumers
recognise the event by its id. (docs/decisions/0032-webhook-and-broker.md)
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from tasador.events.event import ARGO_EVENTS, Event
from tasador.events.publish import publish, send
from tasador.settings import Settings

# On a cluster the broker's pod may be restarting: eight attempts in half a minute.
PATIENCE = 7


def announce(event: Event, settings: Settings) -> None:
    """Publish the event to the broker, then to Argo Events where TASADOR_ARGO_EVENTS_URL is set.

    Raises ServiceUnavailable when one of them does not answer (announce the event again),
    EventError when one of them refuses, ConfigurationError without a broker.
    """
    settings.require("broker_url")
    if not settings.argo_events_url:
        publish(event, settings.broker_url, key=settings.events_key)
        return
    publish(event, settings.broker_url, key=settings.events_key, retries=PATIENCE)
    body = json.dumps(argo_event(event), separators=(",", ":")).encode()
    headers = {"content-type": "application/json"}
    if settings.argo_events_token:
        headers["authorization"] = f"Bearer {settings.argo_events_token}"
    send(event.type, settings.argo_events_url, headers, body, retries=PATIENCE)


def argo_event(event: Event) -> dict[str, Any]:
    """The event as Metaflow's sensors read it: {"name": NAME, "payload": {...}}.

    The name comes from ``ARGO_EVENTS``, else it is the event's type. The payload holds the scalars
    of the data, and the event's ``name``, ``id``, ``correlation_id`` and ``timestamp`` (seconds
    since 1970), which ``current.trigger`` reads.
    """
    name = ARGO_EVENTS.get(event.type, event.type)
    data = event.data if isinstance(event.data, dict) else {}
    scalars = {k: v for k, v in data.items() if isinstance(v, str | int | float)}
    return {
        "name": name,
        "payload": {
            **scalars,
            "name": name,
            "id": event.id,
            "timestamp": int(datetime.fromisoformat(event.time).timestamp()),
            "correlation_id": event.correlation_id,
        },
    }
