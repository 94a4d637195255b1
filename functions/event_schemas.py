"""GET /events/schemas: the JSON Schema of the data of each event type."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from functions.function import Route
from functions.http import HttpProblem, Request, Response, reply
from tasador import events
from tasador.events.event import TYPES

_FOLDER = Path(events.__file__).parent / "schemas"


def routes() -> tuple[Route, ...]:
    """The routes, answered from files."""
    return (
        Route("GET", "/events/schemas", _list),
        Route("GET", "/events/schemas/<event_type>", _schema),
    )


def _list(_request: Request) -> Response:
    """GET /events/schemas: the types, each with the path of its schema."""
    return reply({"schemas": {name: f"/events/schemas/{name}" for name in sorted(TYPES)}})


def _schema(_request: Request, event_type: str) -> Response:
    """GET /events/schemas/TYPE: one schema."""
    if event_type not in TYPES:
        detail = f"there is no event type {event_type[:100]!r}; GET /events/schemas lists them"
        raise HttpProblem(404, detail)
    return Response(_read(event_type), "application/schema+json")


@cache
def _read(event_type: str) -> bytes:
    return (_FOLDER / f"{event_type}.json").read_bytes()
