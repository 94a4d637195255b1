"""The endpoints of a function process: its POST routes and probes, answered without Flask.

All other requests go to the WSGI application (``functions.flask_app``), which has the same views.
So a process answers its first prediction before Flask is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from functions.function import Function, Route, View
from functions.http import (
    REASON_SECONDS,
    HttpProblem,
    Request,
    Response,
    as_problem,
    guarded,
    new_id,
    not_ready,
    reply,
)
from functions.observability import READY, Traffic
from tasador.tracing import spans

# A process that has not been ready for this long fails its liveness probe: the platform starts it
# again, with the current settings (seconds).
UNREADY_SECONDS = 300.0


class Exchange(NamedTuple):
    """A request that is being answered: when it began (perf_counter) and its ids."""

    started: float
    request_id: str
    correlation_id: str
    span: spans.Span | None = None


class Endpoints:
    """Answers requests for one function and counts them. Implements ``server.Handler``."""

    def __init__(self, function: Function, unready_seconds: float = UNREADY_SECONDS) -> None:
        self.function = function
        self._unready_seconds = unready_seconds
        self._unready_since: float | None = time.monotonic()
        self.routes = (*function.routes, Route("GET", "/openapi.json", self._openapi))
        self.probes: dict[str, View] = {
            "/health": self._health,
            "/health/liveness": self._health,
            "/ready": self._readiness,
            "/health/readiness": self._routability,
        }
        self._posts: dict[str, Callable[..., Response]] = {
            route.path: route.view for route in self.routes if route.method == "POST"
        }
        self._posts["/"] = function.post
        self._paths = {"/", *(route.path for route in self.routes)}
        self._traffic = Traffic(function.name)
        self._ready = READY.labels()
        self._ending = False
        self._failure = ""

    def end(self) -> None:
        """The process is ending: it is not ready from now on. Safe in a signal handler."""
        self._ending = True

    def fail(self, reason: str) -> None:
        """The function could not be loaded: it is never ready."""
        self._failure = reason

    def probe(self, request: Request) -> Response:
        """The answer to a probe, which does not count as traffic."""
        return guarded(self.probes[request.path], request)

    def answers_inline(self, method: str, path: str) -> bool:
        """Whether the function answers at once and without blocking."""
        return method == "POST" and self.function.answers_inline(path)

    def answer(self, request: Request) -> Response | None:
        """The answer to a POST; None where the WSGI application answers."""
        view = self._posts.get(request.path) if request.method == "POST" else None
        if view is None:
            return None
        exchange = self.begin(request)
        response = guarded(view, request)
        response.headers["X-Request-Id"] = self.finish(
            exchange, "POST", request.path, response.status
        )
        return response

    def refuse(self, request: Request, problem: HttpProblem) -> Response:
        """The answer to a request that the server rejects: malformed, late, or one too many."""
        response = problem.response()
        route = request.path if request.path in self._paths else "unmatched"
        response.headers["X-Request-Id"] = self.finish(
            self.begin(request), request.method, route, response.status
        )
        return response

    def begin(self, request: Request) -> Exchange:
        """Start the clock of a request and read or create its id."""
        request_id = request.headers.get("x-request-id", "")
        if not (0 < len(request_id) <= 64 and request_id.isascii()):
            request_id = new_id()
        correlation_id = request.headers.get("ce-correlationid", "")[:64]
        span = None
        if spans.is_on() and request.path not in self.probes:
            span = self._traffic.begin_span(request.headers, correlation_id)
        return Exchange(time.perf_counter(), request_id, correlation_id, span)

    def finish(self, exchange: Exchange, method: str, route: str, status: int) -> str:
        """Count and log an answered request, unless it was a probe; its id."""
        started, request_id, correlation_id, span = exchange
        if route not in self.probes:
            seconds = time.perf_counter() - started
            trace_id = ""
            if span is not None:
                trace_id = self._traffic.end_span(span, method, route, status)
            self._traffic.answered(
                method, route, status, seconds, request_id, correlation_id, trace_id
            )
        return request_id

    def _health(self, _request: Request) -> Response:
        """Alive, unless the process has not been ready for too long."""
        if (problem := self._unready()) is not None and not self._ending:
            seconds = self._seconds_unready()
            if seconds >= self._unready_seconds:
                raise not_ready(f"not ready for {seconds:,.0f} s: {problem.detail}")
        return reply({"status": "alive", "function": self.function.name, **self.function.health()})

    def _readiness(self, _request: Request) -> Response:
        """Ready: the function can do its work."""
        if (problem := self._unready()) is not None:
            raise problem
        return reply({"status": "ready", "function": self.function.name})

    def _routability(self, _request: Request) -> Response:
        """The platform's readiness: ready, or able to tell callers for what reason it is not."""
        problem = self._unready()
        if problem is None:
            return reply({"status": "ready", "function": self.function.name})
        has_failed = bool(problem.extra.get("failures") or problem.extra.get("final"))
        # Its answers would be faster than those of a process that serves, and draw requests away.
        has_peer = problem.extra.get("has_peer", False)
        if self._ending or has_peer or not has_failed or self._seconds_unready() < REASON_SECONDS:
            raise problem
        return reply({"status": f"not ready: {problem.detail}", "function": self.function.name})

    def _unready(self) -> HttpProblem | None:
        """The reason why the function cannot work, if it cannot."""
        problem = self._problem()
        self._ready.set(float(problem is None))
        return problem

    def _problem(self) -> HttpProblem | None:
        if self._ending:
            return not_ready("the process is ending")
        try:
            if self._failure:
                raise not_ready(self._failure, final=True)
            self.function.check_ready()
        except Exception as error:
            if self._unready_since is None:
                self._unready_since = time.monotonic()
            return as_problem(error)
        self._unready_since = None
        return None

    def _seconds_unready(self) -> float:
        return 0.0 if self._unready_since is None else time.monotonic() - self._unready_since

    def _openapi(self, _request: Request) -> Response:
        from functions.openapi import document

        return reply(document(self.function.name))
