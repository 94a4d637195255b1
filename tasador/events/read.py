"""Parse events from HTTP requests: binary, structured and batched mode."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from tasador.clock import now
from tasador.events.event import Event, EventError

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"

_CORE = ("specversion", "id", "source", "type", "subject", "time", "datacontenttype")
_NOT_EXTENSIONS = frozenset({*_CORE, "dataschema", "data", "data_base64"})
_NAME = re.compile(r"[a-z0-9]{1,64}")


def is_event(headers: Mapping[str, str]) -> bool:
    """Whether the headers announce a CloudEvent, in any mode."""
    names = {name.lower() for name in headers}
    content_type = _header(headers, "content-type").lower()
    return content_type.startswith("application/cloudevents") or any(
        name in names for name in ("ce-specversion", "ce-type", "ce-id", "ce-source")
    )


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """Parse a CloudEvent in binary or structured mode; raises EventError with the reason."""
    content_type = _header(headers, "content-type").lower()
    if content_type.startswith(BATCHED):
        raise EventError("a batch of CloudEvents is not accepted here: send one event per request")
    if content_type.startswith(STRUCTURED):
        return from_structured(_json(body, "the event"))
    attributes = {
        name.lower()[3:]: unquote(value)
        for name, value in headers.items()
        if name.lower().startswith("ce-")
    }
    if content_type and "json" not in content_type:
        raise EventError(f"content-type is {content_type[:100]!r}: the data must be JSON")
    return _event(attributes, _json(body, "the data") if body else None)


def is_batch(headers: Mapping[str, str]) -> bool:
    """Whether the headers announce a batch of CloudEvents."""
    return _header(headers, "content-type").lower().startswith(BATCHED)


def parse_batch(body: bytes) -> list[Event | EventError]:
    """Parse a batch: for each event, the event or the error.

    Raises EventError for a body that is not a batch. A batch may be empty.
    """
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
    if "data_base64" in value:
        raise EventError("data_base64: the data must be JSON")
    return _event({k: v for k, v in value.items() if k != "data"}, value.get("data"))


def _event(attributes: Mapping[str, Any], data: Any) -> Event:
    if attributes.get("specversion") != "1.0":
        raise EventError(f"specversion is {attributes.get('specversion')!r}; 1.0 is expected")
    for name in ("id", "source", "type"):
        if not isinstance(attributes.get(name), str) or not attributes[name]:
            raise EventError(
                f"{name}: a CloudEvent needs this attribute, as a text that is not empty"
            )
    extensions: dict[str, str] = {}
    for name, value in attributes.items():
        if name in _NOT_EXTENSIONS or value is None:
            continue
        if not _NAME.fullmatch(name) or not isinstance(value, str | int):
            raise EventError(f"{name[:64]!r} is not an extension attribute of a CloudEvent")
        extensions[name] = value if isinstance(value, str) else json.dumps(value)
    return Event(
        type=attributes["type"],
        source=attributes["source"],
        id=attributes["id"],
        subject=str(attributes.get("subject") or ""),
        time=str(attributes.get("time") or now().isoformat()),
        extensions=extensions,
        data=data,
    )


def _json(body: bytes, what: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise EventError(f"{what} is not JSON: {str(error)[:200]}") from None


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
