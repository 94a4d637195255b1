"""Behind the front: parliament's app with the function's addresses, made when first needed.

What ``functions.host`` does not answer by itself comes here: every GET of a function's own, every
method and path that there is not. ``python -m parliament`` comes here with everything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import flask
from parliament import server
from werkzeug.exceptions import HTTPException

from functions.surface import Problem, Request, Response, as_problem, guarded, problem_response

if TYPE_CHECKING:
    from functions.host import Host


def make_app(host: Host) -> flask.Flask:
    """parliament's app for the function's module, with our addresses, errors, ids and metrics."""
    app: flask.Flask = server.create(host.module)
    # parliament reads every body as a CloudEvent first, whatever its length; main does it once.
    app.view_functions["handle_get"] = lambda: to_flask(
        guarded(host.function.index, from_flask(flask.request))
    )
    app.view_functions["handle_post"] = lambda: to_flask(
        guarded(host.function.post, from_flask(flask.request))
    )
    for path in ("/health/liveness", "/health/readiness"):
        app.view_functions[path.rpartition("/")[2]] = _bound(host.probes[path])
    for path, view in host.probes.items():
        if path.count("/") == 1:
            app.add_url_rule(path, f"GET {path}", _bound(view))
    for route in host.routes:
        app.add_url_rule(
            route.path, f"{route.method} {route.path}", _bound(route.view), methods=[route.method]
        )

    def begin() -> None:
        flask.g.begun = host.begin(from_flask(flask.request))

    def finish(response: flask.Response) -> flask.Response:
        rule = flask.request.url_rule
        route = rule.rule if rule else "unmatched"
        response.headers["X-Request-Id"] = host.finish(
            flask.g.begun, flask.request.method, route, response.status_code
        )
        return response

    app.before_request(begin)
    app.after_request(finish)
    app.register_error_handler(Exception, _refuse)
    return app


def _bound(view: Callable[..., Response]) -> Callable[..., flask.Response]:
    return lambda **parts: to_flask(guarded(view, from_flask(flask.request), **parts))


def _refuse(error: Exception) -> flask.Response:
    if isinstance(error, HTTPException) and error.code is not None:
        headers = {}
        if allowed := getattr(error, "valid_methods", None):
            headers["Allow"] = ", ".join(sorted(allowed))
        problem = Problem(error.code, error.description or "", headers=headers)
    else:
        problem = as_problem(error)
    return to_flask(problem_response(problem))


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
    """The answer as Flask gives it."""
    made = flask.Response(response.body, response.status, response.headers)
    if response.content_type:
        made.content_type = response.content_type
    else:
        del made.headers["Content-Type"]
    return made
