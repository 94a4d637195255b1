"""Converts Flask's requests and responses, and defines parliament's entry point.

Importing this module imports Flask, so a function imports it only inside ``main``.
"""

from __future__ import annotations

from typing import Any

import flask

from functions.function import Function
from functions.http import Request, Response, guarded


def invoke(function: Function, context: Any) -> flask.Response:
    """GET / and POST / as ``python -m parliament`` calls them: with its invocation context."""
    return to_flask(guarded(function.root, from_flask(context.request)))


def from_flask(request: flask.Request) -> Request:
    """The request as our views take it."""
    return Request(
        method=request.method,
        path=request.path,
        headers={name.lower(): value for name, value in request.headers},
        query=request.query_string.decode("latin-1"),
        length=request.content_length or 0,
        read=request.get_data,
    )


def to_flask(response: Response) -> flask.Response:
    """Our response as Flask's."""
    converted = flask.Response(response.body, response.status, response.headers)
    if response.content_type:
        converted.content_type = response.content_type
    else:
        del converted.headers["Content-Type"]
    return converted
