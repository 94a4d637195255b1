"""Dead letters: a Knative broker sends undelivered events to POST /dead-letters.

It adds extension attributes that name the subscriber and what it answered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from functions.access import require_token_or_origin
from functions.database import Database
from functions.http import HttpProblem, Request, Response, no_content, read_body
from functions.limits import MAX_BODY_BYTES
from functions.observability import EVENTS
from tasador.errors import StoreUnavailable
from tasador.records.loop import DeadLetter
from tasador.records.shadow import SUBSCRIBERS

# The broker adds knativeerrordest, knativeerrorcode, knativeerrordata and internal attributes.
_BROKER_PREFIX = "knative"
# A filter that answered for its subscriber has the path /triggers/NAMESPACE/TRIGGER/UID.
_TRIGGER = re.compile(r"/triggers/[^/]+/([^/]+)")
# A third of what an index of Postgres holds for three texts.
_LONGEST_KEY = 500
_STATUS = re.compile(r"[1-9][0-9]{0,2}")

log = logging.getLogger("tasador.functions.dead_letters")


def store(database: Database, request: Request) -> Response:
    """POST /dead-letters: an event in binary mode with any data. 503 asks the broker to retry.

    What a shadow did not accept is not kept: its report counts it, and nobody should replay it.
    """
    body = read_body(request, MAX_BODY_BYTES)  # a request can be read once
    require_token_or_origin(request, body)
    letter = dead_letter_of(request.headers, body)
    if letter.subscriber in SUBSCRIBERS:
        EVENTS.labels("dead-letter", "refused").inc()
        log.info("a shadow did not accept an event: %s", letter.reason)
        return no_content()
    try:
        database.warehouse().save_dead_letter(letter)
    except StoreUnavailable:
        EVENTS.labels("dead-letter", "retry").inc()
        raise
    EVENTS.labels("dead-letter", "done").inc()
    log.warning(
        "%s did not accept an event: %s",
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
    return no_content()


def dead_letter_of(headers: Mapping[str, str], body: bytes) -> DeadLetter:
    """The dead letter in a request whose header names are in lower case."""
    attributes = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    if not {"id", "source", "type"} <= set(attributes):
        raise HttpProblem(400, "a CloudEvent in binary mode is expected: ce-id, ce-source, ce-type")
    added = {
        name: attributes.pop(name) for name in list(attributes) if name.startswith(_BROKER_PREFIX)
    }
    status = added.get("knativeerrorcode", "")
    answer = _detail(_decode(added.get("knativeerrordata", "")))
    return DeadLetter(
        subscriber=_key(_function_name(unquote(added.get("knativeerrordest", "")))),
        source=_key(attributes["source"]),
        event_id=_key(attributes["id"]),
        attributes=attributes,
        content_type=headers.get("content-type", ""),
        body=body,
        # Knative sends -1 if there was no answer.
        status=int(status) if _STATUS.fullmatch(status) else None,
        reason=_storable(answer)
        or (f"HTTP {status}" if _STATUS.fullmatch(status) else "no answer"),
    )


def _decode(data: str) -> str:
    """The subscriber's answer, which the broker forwards in base64."""
    try:
        text = base64.b64decode(unquote(data), validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        text = unquote(data)
    return text.strip()


def _key(text: str) -> str:
    """The text, shortened by its digest if it is too long for an index; ``attributes`` is whole."""
    if len(text) <= _LONGEST_KEY:
        return text
    return f"{text[: _LONGEST_KEY - 65]}~{hashlib.sha256(text.encode()).hexdigest()}"


def _storable(text: str) -> str:
    """The text without what Postgres cannot store: NUL and halves of surrogate pairs."""
    return text.encode(errors="replace").decode().replace("\x00", "")


def _function_name(url: str) -> str:
    """The trigger's name, or the first label of the host name."""
    trigger = _TRIGGER.search(url)
    if trigger:
        return _storable(trigger[1])
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # for example an IPv6 address without its end
        host = ""
    return _storable(host.partition(".")[0] or url)


def _detail(answer: str) -> str:
    """The detail of a problem document, else the answer itself."""
    try:
        return str(json.loads(answer)["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return answer
