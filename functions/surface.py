"""What a function says over HTTP: JSON, CloudEvents, and problems that name the field.

Requests and answers are plain values, so that the same views answer in front of parliament's app
(where a request is answered in a third of the time) and behind it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from tasador.errors import ConfigurationError, TasadorError
from tasador.events import read
from tasador.events.event import Event, EventError
from tasador.listings.listing import FieldProblem

MEGABYTE = 1_000_000
_LISTED = 100
# Made once: json.dumps with settings of its own makes an encoder at every call.
_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)

log = logging.getLogger("tasador.functions")


@dataclass(kw_only=True)
class Request:
    """A request: names in ``headers`` are in lower case; ``read`` gives the ``length`` bytes of the
    body."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str = ""
    length: int = 0
    read: Callable[[], bytes] = bytes

    @cached_property
    def args(self) -> dict[str, str]:
        """The query's values; the first of each name."""
        return dict(reversed(parse_qsl(self.query, keep_blank_values=True)))


@dataclass(slots=True)
class Response:
    """An answer. Without a ``content_type`` it has no body."""

    body: bytes = b""
    content_type: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Problem(Exception):
    """An answer that is no success: ``errors`` names the fields, ``status`` is the HTTP status."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str = "",
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or _TITLES.get(status, "Error")
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def body(self) -> dict[str, Any]:
        """The problem document."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        if self.errors:
            body["errors"] = [e._asdict() for e in self.errors[:_LISTED]]
        return body


_TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


def unready(reason: str, *, final: bool = False) -> Problem:
    """503 because the function cannot work yet, or (``final``) never will in this process."""
    return Problem(
        503, reason, headers={} if final else {"Retry-After": "1"}, more={"final": final}
    )


def invalid(problems: Sequence[FieldProblem]) -> Problem:
    """422 that names each field."""
    said = "; ".join(f"{p.field} {p.reason}" for p in problems[:3])
    rest = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return Problem(422, f"{said}{rest}", errors=problems)


View = Callable[[Request], Response]


class Route(NamedTuple):
    """One address of a function."""

    method: str
    path: str
    view: Callable[..., Response]


@dataclass(frozen=True, kw_only=True)
class Function:
    """One function: what it answers, and how the host starts, asks and stops it.

    ``on_json`` answers plain JSON on POST /, ``on_event`` a CloudEvent and ``on_batch``, where none
    of them has a reply, several. ``ready`` raises a Problem while the function cannot work.
    ``load`` may take its time (the host gives it a thread). ``prompt`` says of a path whether a
    POST to it is, for now, answered in some tenths of a millisecond and without waiting for
    anything; it is asked for every request.
    """

    name: str
    index: View
    on_json: View
    on_event: Callable[[Event], Response]
    on_batch: Callable[[Sequence[Event | EventError]], Response] | None = None
    routes: Sequence[Route] = ()
    body_limit: int = MEGABYTE
    load: Callable[[], None] = lambda: None
    ready: Callable[[], None] = lambda: None
    prompt: Callable[[str], bool] = lambda _path: False
    stop: Callable[[], None] = lambda: None

    def main(self, context: Any) -> Any:
        """parliament's entry: GET / and POST /."""
        from functions.flask_app import from_flask, to_flask

        request = from_flask(context.request)
        return to_flask(guarded(self.index if request.method == "GET" else self.post, request))

    def post(self, request: Request) -> Response:
        """POST /: a CloudEvent, or plain JSON."""
        if not read.is_event(request.headers):
            return self.on_json(request)
        if read.is_batch(request.headers):
            if self.on_batch is None:
                raise Problem(415, "one event has one reply: send one event a request")
            return self.on_batch(read.parse_batch(read_body(request, self.body_limit)))
        return self.on_event(read.parse(request.headers, read_body(request, self.body_limit)))


def guarded(view: Callable[..., Response], *args: Any, **kwargs: Any) -> Response:
    """Call the view; every error becomes problem+json, and none shows a traceback."""
    try:
        return view(*args, **kwargs)
    except Exception as error:
        return problem_response(as_problem(error))


def as_problem(error: Exception) -> Problem:
    """The problem that an exception means to the caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, EventError):
        return Problem(400, str(error))
    if isinstance(error, TasadorError):
        # Whatever is left is no fault of the request.
        log.warning("cannot answer: %s", error)
        return unready(str(error), final=isinstance(error, ConfigurationError))
    log.error("unexpected error", exc_info=error)
    return Problem(500, "something went wrong here; the log of the function says what")


def problem_response(problem: Problem) -> Response:
    """The problem as application/problem+json."""
    body = json.dumps(problem.body()).encode()
    return Response(body, "application/problem+json", problem.status, problem.headers)


def reply(data: Any, status: int = 200) -> Response:
    """``data`` as JSON."""
    return Response(_encode(data), "application/json", status)


def _by_the_standard_library(data: Any) -> bytes:
    return _JSON.encode(data).encode()


_encode: Callable[[Any], bytes] = _by_the_standard_library


def quicken() -> None:
    """Make JSON several times as fast from now on, for a load that a start need not wait for."""
    global _encode
    import orjson

    _encode = orjson.dumps


def reply_event(event: Event) -> Response:
    """A CloudEvent in binary mode, as a broker takes it from an answer."""
    headers = event.headers()
    return Response(event.body(), headers.pop("content-type"), headers=headers)


def nothing() -> Response:
    """The answer to an event that calls for none: a broker takes any body for a broken event."""
    return Response(status=204)


def new_id() -> str:
    """An id of 32 hexadecimal digits that no other request or prediction has."""
    return os.urandom(16).hex()


def read_body(request: Request, limit: int) -> bytes:
    """The body; a longer one than ``limit`` bytes is a 413 and is not read."""
    if request.length > limit:
        raise Problem(413, f"the body has {request.length:,} bytes; {limit:,} are taken")
    return request.read()


def read_json(request: Request, limit: int = MEGABYTE) -> Any:
    """The body as JSON; 400 says where it is broken."""
    return parse_json(read_body(request, limit))


def parse_json(body: bytes) -> Any:
    """A body that was read already as JSON; a request gives its body once."""
    if not body:
        raise Problem(400, "the body is empty; JSON is expected")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {str(error)[:200]}") from None


def read_object(data: Any, what: str) -> Mapping[str, Any]:
    """``data`` as a JSON object."""
    if not isinstance(data, Mapping):
        raise invalid([FieldProblem(what, "is not a JSON object", repr(data)[:200])])
    return data
