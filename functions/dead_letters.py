"""Dead letters: what a Knative broker gives up comes to POST /dead-letters, and is kept as it is.

The broker says with it, in extension attributes, who did not take it and what was answered.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from functions.database import Store
from functions.observability import EVENTS
from functions.surface import MEGABYTE, Problem, Request, Response, nothing, read_body
from tasador.errors import StoreUnavailable
from tasador.records import DeadLetter

_LIMIT = 8 * MEGABYTE
# What the broker adds: knativeerrordest, -code and -data about this, others for itself.
_ADDED = "knative"
# A filter that answered for its subscriber was asked at /triggers/NAMESPACE/TRIGGER/UID.
_TRIGGER = re.compile(r"/triggers/[^/]+/([^/]+)")

log = logging.getLogger("tasador.functions.letters")


def keep(store: Store, request: Request) -> Response:
    """POST /dead-letters: an event in binary mode, whatever its data; 503 asks for it again."""
    letter = letter_of(request.headers, read_body(request, _LIMIT))
    try:
        store.warehouse().save_dead_letter(letter)
    except StoreUnavailable:
        EVENTS.labels("dead-letter", "retry").inc()
        raise
    EVENTS.labels("dead-letter", "done").inc()
    log.warning(
        "%s did not take an event: %s",
        letter.subscriber,
        letter.reason,
        extra={
            "fields": {
                "event_id": letter.event_id,
                "status": letter.status,
                "correlation_id": letter.attributes.get("correlationid", ""),
            }
        },
    )
    return nothing()


def letter_of(headers: Mapping[str, str], body: bytes) -> DeadLetter:
    """The letter in a request whose header names are in lower case."""
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    if not {"id", "source", "type"} <= set(attributes):
        raise Problem(400, "a CloudEvent in binary mode is expected: ce-id, ce-source, ce-type")
    told = {name: attributes.pop(name) for name in list(attributes) if name.startswith(_ADDED)}
    status = told.get("knativeerrorcode", "")
    said = _in_words(_decoded(told.get("knativeerrordata", "")))
    return DeadLetter(
        subscriber=_name_of(unquote(told.get("knativeerrordest", ""))),
        source=attributes["source"],
        event_id=attributes["id"],
        attributes=attributes,
        content_type=headers.get("content-type", ""),
        body=body,
        # Knative says -1 where there was no answer.
        status=int(status) if status.isdecimal() and 0 < int(status[:4]) < 1000 else None,
        reason=said or (f"HTTP {status}" if status.isdecimal() else "no answer"),
    )


def _decoded(told: str) -> str:
    """The answer that the broker got, which it passes on in base 64."""
    try:
        text = base64.b64decode(unquote(told), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        text = unquote(told)
    return text.replace("\x00", "").strip()


def _name_of(url: str) -> str:
    """The function's name: what is before the namespace in its address."""
    trigger = _TRIGGER.search(url)
    host = urlsplit(url).hostname or ""
    return trigger[1] if trigger else host.partition(".")[0] or url


def _in_words(answer: str) -> str:
    """The detail of a problem document, else the answer as it is."""
    try:
        return str(json.loads(answer)["detail"])
    except (ValueError, KeyError, TypeError):
        return answer
