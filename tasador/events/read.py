"""Parse events from HTTP requests: binary, structured and batched mode.

As CloudEvents 1.0 says in its HTTP protocol binding and its JSON format. What is read can be
written again, so that an event that a broker accepted can always be delivered. The data must be
JSON: every type of Tasador has JSON data. (docs/decisions/0033-own-event-reader.md)
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import Any

from tasador.events.attributes import CORE, checked, from_header
from tasador.events.event import Event, EventError, UnsupportedEvent
from tasador.events.strict_json import NotJson, loads

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"

_FAMILY, _BATCHES = "application/cloudevents", "application/cloudevents-batch"
_CHARSETS = ("", "utf-8", "utf8", "us-ascii")
_ANNOUNCING = frozenset(("ce-specversion", "ce-type", "ce-id", "ce-source"))


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether the headers announce a CloudEvent, in any mode."""
    return any(name.lower() in _ANNOUNCING for name in headers) or _header(
        headers, "content-type"
    ).lower().startswith(_FAMILY)


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """Parse a CloudEvent in binary or structured mode.

    Raises EventError that names the attribute, or UnsupportedEvent. ``headers.items()`` may give a
    name several times.
    """
    content_type = _header(headers, "content-type")
    media_type = _media_type("content-type", content_type)
    if media_type.startswith(_BATCHES):
        raise UnsupportedEvent(
            "a batch of CloudEvents is not accepted here: send one event per request"
        )
    if media_type == STRUCTURED:
        return from_structured(_json(body, "the event"))
    if media_type.startswith(_FAMILY):
        raise UnsupportedEvent(
            f"content-type is {content_type[:100]!r}: of the event formats only {STRUCTURED} "
            "is read"
        )
    attributes: dict[str, Any] = {}
    for header, value in headers.items():
        name = header.lower()
        if not name.startswith("ce-"):
            continue
        name = name[3:]
        if name in attributes:
            raise EventError(
                f"{name}: a CloudEvent has each attribute once; the header is repeated"
            )
        if name == "datacontenttype":
            raise EventError("datacontenttype: in binary mode it is the header content-type")
        attributes[name] = from_header(name, value)
    if content_type:
        attributes["datacontenttype"] = content_type
    texts = checked(attributes)
    if media_type and not _is_json(media_type):
        raise UnsupportedEvent(f"content-type is {content_type[:100]!r}: the data must be JSON")
    return _event(texts, _json(body, "the data") if body else None)


def is_batch(headers: Mapping[str, str]) -> bool:
    """Whether the headers announce a batch of CloudEvents."""
    return _header(headers, "content-type").lower().startswith(_BATCHES)


def parse_batch(headers: Mapping[str, str], body: bytes) -> list[Event | EventError]:
    """Parse a batch: for each event, the event or the error.

    Raises EventError for a body that is not a batch, or UnsupportedEvent. A batch may be empty.
    """
    content_type = _header(headers, "content-type")
    if _media_type("content-type", content_type) != BATCHED:
        raise UnsupportedEvent(
            f"content-type is {content_type[:100]!r}: of the batch formats only {BATCHED} is read"
        )
    batch = _json(body, "the batch")
    if not isinstance(batch, list):
        raise EventError("the batch is not a JSON array of events")
    results: list[Event | EventError] = []
    for item in batch:
        try:
            results.append(from_structured(item))
        except EventError as error:
            results.append(error)
    return results


def from_structured(value: Any) -> Event:
    """The event in a JSON object, the inverse of ``Event.structured``; raises EventError."""
    if not isinstance(value, Mapping):
        raise EventError("the event is not a JSON object")
    attributes = {k: v for k, v in value.items() if k not in ("data", "data_base64")}
    texts = checked(attributes)
    stated = texts.get("datacontenttype", "")
    media_type = _media_type("datacontenttype", stated)
    if media_type and not _is_json(media_type):
        raise UnsupportedEvent(f"datacontenttype is {stated[:100]!r}: the data must be JSON")
    if media_type.startswith(_FAMILY):
        # In binary mode it is the content-type, which would announce another mode.
        raise UnsupportedEvent(
            f"datacontenttype is {stated[:100]!r}: an event cannot be the data of another"
        )
    encoded = value.get("data_base64")
    if encoded is None:
        return _event(texts, value.get("data"))
    if "data" in value:
        raise EventError("data_base64: an event has either data or data_base64")
    if not media_type:
        # The JSON format forbids to guess it (3.1.2).
        raise EventError("data_base64: without a datacontenttype it is not known to hold JSON")
    return _event(texts, _json(_bytes(encoded), "data_base64"))


def _event(texts: Mapping[str, str], data: Any) -> Event:
    return Event(
        type=texts["type"],
        source=texts["source"],
        id=texts["id"],
        subject=texts.get("subject", ""),
        time=texts.get("time", ""),
        extensions={name: value for name, value in texts.items() if name not in CORE},
        datacontenttype=texts.get("datacontenttype", "application/json"),
        dataschema=texts.get("dataschema", ""),
        data=data,
    )


def _bytes(encoded: object) -> bytes:
    try:
        if not isinstance(encoded, str):
            raise ValueError("it is not a text")
        return binascii.a2b_base64(encoded.encode("ascii"), strict_mode=True)
    except ValueError as error:
        raise EventError(f"data_base64 is not base64: {str(error)[:100]}") from None


def _json(body: bytes, what: str) -> Any:
    try:
        return loads(body)
    except NotJson as error:
        raise EventError(f"{what} is not JSON: {error}") from None


def _media_type(name: str, text: str) -> str:
    """The media type in lower case, without its parameters; raises UnsupportedEvent."""
    media_type, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "charset" and value.strip().strip('"') not in _CHARSETS:
            raise UnsupportedEvent(f"{name} is {text[:100]!r}: JSON is UTF-8")
    return media_type


def _is_json(media_type: str) -> bool:
    _, slash, subtype = media_type.partition("/")
    return bool(slash) and (subtype == "json" or subtype.endswith("+json"))


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
