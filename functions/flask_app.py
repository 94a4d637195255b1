"""parliament's Flask app with every route of a function, created when it is first needed.

The server hands it what ``functions.endpoints`` does not answer itself: a function's GET routes,
unknown paths and wrong methods.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from parliament import server
from werkzeug.exceptions import HTTPException

from functions.endpoints import Endpoints
from functions.flask_edge import from_flask, to_flask
from functions.http import HttpProblem, Response, as_problem, guarded


def make_app(module: Any, endpoints: Endpoints) -> flask.Flask:
    """parliament's app for the function's module, with our routes, errors, ids and metrics."""
    app: flask.Flask = server.create(module)
    root = _flask_view(endpoints.function.root)
    # parliament's own view parses every body as a CloudEvent first, whatever its length.
    app.view_functions["handle_get"] = app.view_functions["handle_post"] = root
    for path in ("/health/liveness", "/health/readiness"):
        app.view_functions[path.rpartition("/")[2]] = _flask_view(endpoints.probes[path])
    for path, view in endpoints.probes.items():
        if path.count("/") == 1:
            app.add_url_rule(path, f"GET {path}", _flask_view(view))
    for route in endpoints.routes:
        app.add_url_rule(
            route.path,
            f"{route.method} {route.path}",
            _flask_view(route.view),
            methods=[route.method],
        )

    def begin() -> None:
        flask.g.exchange = endpoints.begin(from_flask(flask.request))

    def finish(response: flask.Response) -> flask.Response:
        rule = flask.request.url_rule
        response.headers["X-Request-Id"] = endpoints.finish(
            flask.g.exchange,
            flask.request.method,
            rule.rule if rule else "unmatched",
            response.status_code,
        )
        return response

    app.before_request(begin)
    app.after_request(finish)
    app.register_error_handler(Exception, _problem)
    return app


_DETAILS = {
    404: "there is nothing at this path; GET /openapi.json lists what there is",
    405: "this path has no such method; the header Allow lists those that it has",
}


def _flask_view(view: Callable[..., Response]) -> Callable[..., flask.Response]:
    return lambda **path_values: to_flask(guarded(view, from_flask(flask.request), **path_values))


def _problem(error: Exception) -> flask.Response:
    if isinstance(error, HTTPException) and error.code is not None:
        headers = {}
        if allowed := getattr(error, "valid_methods", None):
            headers["Allow"] = ", ".join(sorted(allowed))
        detail = _DETAILS.get(error.code, error.description or "")
        problem = HttpProblem(error.code, detail, headers=headers)
    else:
        problem = as_problem(error)
    return to_flask(problem.response())
