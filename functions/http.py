"""Requests, responses and errors of a function, as plain values.

The server and parliament's Flask app call the same views, so this module depends on neither.
Errors are problem documents (RFC 9457) that name each rejected field.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from functions import json_text
from functions.limits import BODY_BYTES, MAX_ERRORS
from tasador import content_encoding
from tasador.errors import ConfigurationError, InvalidValue, TasadorError
from tasador.events.event import Event, EventError
from tasador.listings.listing import FieldProblem

# What a body that is not JSON may be, by its beginning.
_NOT_JSON = (
    (re.compile(rb"\x1f\x8b"), "gzip: send the header Content-Encoding: gzip with it"),
    (re.compile(rb"\s*<"), "XML or HTML; JSON is expected"),
    (re.compile(rb"--"), "a multipart form; JSON is expected"),
    (re.compile(rb"[\w.+%-]+="), 'a form; JSON is expected, such as {"state": "Texas"}'),
)

log = logging.getLogger("tasador.functions")


@dataclass(kw_only=True, eq=False, repr=False)
class Request:
    """A request. ``headers`` has lower-case names; ``read`` returns the body, ``length`` bytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: str = ""
    length: int = 0
    read: Callable[[], bytes] = bytes

    @cached_property
    def args(self) -> dict[str, str]:
        """The query parameters; raises HttpProblem 422 for a name that is given twice."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        args = dict(pairs)
        if len(args) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            twice = [name[:100] for name, count in counts.items() if count > 1]
            raise invalid_fields([FieldProblem(name, "is given twice", "") for name in twice])
        return args


@dataclass(slots=True)
class Response:
    """A response. Without a ``content_type`` it has no body."""

    body: bytes = b""
    content_type: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class HttpProblem(Exception):
    """An error response: ``status`` is the HTTP status, ``errors`` names the fields."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str = "",
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title or _TITLES.get(status, "Error")
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def document(self) -> dict[str, Any]:
        """The problem document."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            **self.extra,
        }
        if self.errors:
            document["errors"] = [e._asdict() for e in self.errors[:MAX_ERRORS]]
        return document

    def response(self) -> Response:
        """The problem as application/problem+json."""
        body = json.dumps(self.document()).encode()
        return Response(body, "application/problem+json", self.status, self.headers)


_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


# A process that has failed to become ready for this long gets requests all the same, so that their
# callers learn the reason at once instead of waiting for a process that is ready (seconds).
REASON_SECONDS = 5.0


def not_ready(
    reason: str, *, final: bool = False, failures: int = 0, has_peer: bool = False
) -> HttpProblem:
    """503: the function cannot work yet. ``final``: it never will in this process.

    ``failures`` is the number of attempts in a row that failed; 0 while the first one is running.
    ``has_peer``: another process of the revision serves.
    """
    return HttpProblem(
        503,
        reason,
        headers={} if final else {"Retry-After": "1"},
        extra={"final": final, "failures": failures} | ({"has_peer": True} if has_peer else {}),
    )


def invalid_fields(problems: Sequence[FieldProblem]) -> HttpProblem:
    """422 that names each field."""
    detail = "; ".join(f"{p.field} {p.reason}" for p in problems[:3])
    if len(problems) > 3:
        detail += f"; and {len(problems) - 3} more"
    return HttpProblem(422, detail, errors=problems)


def guarded(view: Callable[..., Response], *args: Any, **kwargs: Any) -> Response:
    """Call the view and turn every exception into problem+json, without a traceback."""
    try:
        return view(*args, **kwargs)
    except Exception as error:
        return as_problem(error).response()


def as_problem(error: Exception) -> HttpProblem:
    """The problem that reports an exception to the caller."""
    if isinstance(error, HttpProblem):
        return error
    if isinstance(error, EventError):
        return HttpProblem(error.status, str(error))
    if isinstance(error, InvalidValue):
        return HttpProblem(422, str(error))
    if isinstance(error, TasadorError):
        # The request did not cause any of the others.
        log.warning("request failed: %s", error)
        return not_ready(str(error), final=isinstance(error, ConfigurationError))
    log.error("unexpected error", exc_info=error)
    return HttpProblem(500, "unexpected error; the function's log has the details")


def reply(data: Any, status: int = 200) -> Response:
    """``data`` as JSON."""
    return Response(json_text.encode(data), "application/json", status)


def reply_event(event: Event) -> Response:
    """A CloudEvent in binary mode, which a broker accepts as a reply."""
    headers = event.headers()
    return Response(event.body(), headers.pop("content-type"), headers=headers)


def no_content() -> Response:
    """204. A broker would take any body for a malformed reply event."""
    return Response(status=204)


def new_id() -> str:
    """A random id of 32 hexadecimal digits."""
    return os.urandom(16).hex()


def read_body(request: Request, limit: int) -> bytes:
    """The body, decoded; more than ``limit`` bytes are a 413 and are not read.

    An encoding other than gzip is a 415.
    """
    if request.length > limit:
        raise HttpProblem(413, f"the body has {request.length:,} bytes; the limit is {limit:,}")
    body = request.read()
    if encoding := request.headers.get("content-encoding"):
        return _decoded(encoding, body, limit)
    return body


def _decoded(encoding: str, body: bytes, limit: int) -> bytes:
    try:
        return content_encoding.decoded(encoding, body, limit)
    except content_encoding.EncodingError as error:
        raise HttpProblem(error.status, str(error), headers=error.headers) from None


def read_json(request: Request, limit: int = BODY_BYTES) -> Any:
    """The body as JSON; raises HttpProblem 400, 413 or 415."""
    return parse_json(read_body(request, limit))


def parse_json(body: bytes) -> Any:
    """``body`` as JSON; raises HttpProblem 400 that gives the position of the error."""
    if not body:
        raise HttpProblem(400, "the body is empty; JSON is expected")
    try:
        data = json_text.decode(body)
    except (ValueError, RecursionError) as error:
        raise not_json(error, body) from None
    require_unique(body, body.count(b":"), len(data) if isinstance(data, dict) else 0)
    return data


def require_unique(body: bytes, colons: int, members: int) -> None:
    """Raise HttpProblem 400 if an object in ``body``, which is JSON, has a member twice.

    ``colons`` is how many the body has, ``members`` how many members its objects have after
    parsing. Parsers keep the last of two members with one name, so there are then more colons.
    """
    if colons == members:
        return
    from tasador.events.strict_json import repeated_member

    try:
        name = repeated_member(body)
    except (ValueError, RecursionError) as error:
        raise not_json(error, body) from None
    if name is not None:
        problem = FieldProblem(name, "is given twice", "")
        raise HttpProblem(
            400, f"{name or repr(name)} is given twice; send it once", errors=[problem]
        )


def not_json(error: Exception, body: bytes) -> HttpProblem:
    """400 for a body that is not JSON: what it is, or else where ``error`` was."""
    for begin, kind in _NOT_JSON:
        if begin.match(body):
            return HttpProblem(400, f"the body is {kind}")
    if isinstance(error, UnicodeDecodeError):
        return HttpProblem(400, f"the body is not JSON: byte {error.start} is not UTF-8")
    if isinstance(error, RecursionError):
        return HttpProblem(400, "the body is not JSON that can be read: it has too many levels")
    if isinstance(error, ValueError) and not isinstance(error, json.JSONDecodeError):
        return HttpProblem(400, "the body is not JSON that can be read: a number is too long")
    return HttpProblem(400, f"the body is not JSON: {str(error)[:200]}")


def require_object(data: Any, field_name: str) -> Mapping[str, Any]:
    """``data`` if it is a JSON object; raises HttpProblem 422 for ``field_name``."""
    if not isinstance(data, Mapping):
        raise invalid_fields([FieldProblem(field_name, "is not a JSON object", repr(data)[:200])])
    return data
