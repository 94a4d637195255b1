"""The host of every function: ``python -m functions.host functions/predict``.

parliament makes the app (its POST / and GET / call the function's ``main``); the host adds the
function's own addresses, honest health, metrics, logs, limits and an orderly end. HOST (default
127.0.0.1), PORT (default 8080) and THREADS (default 4) come from the environment.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any

from flask import Flask, Response, g, request
from parliament import Context, server
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from functions.observe import HTTP_DURATION, HTTP_REQUESTS, REGISTRY, log_to_stdout
from functions.surface import (
    MEGABYTE,
    Function,
    Problem,
    as_problem,
    guarded,
    problem_response,
    reply,
    unready,
)

log = logging.getLogger("tasador.functions.host")

# Up to here a body is read to its end, so that its sender gets the 413 and not a broken pipe.
_READ_AT_MOST = 32 * MEGABYTE
_DRAIN_SECONDS = 20.0
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_NOT_TRAFFIC = frozenset({"/health", "/ready", "/metrics", "/health/liveness", "/health/readiness"})


class Host:
    """One function, its Flask app, and whether it may be sent requests."""

    def __init__(self, module: ModuleType) -> None:
        self.function: Function = module.FUNCTION
        self.app: Flask = server.create(module)
        self._module = module
        self._draining = threading.Event()
        self._broken = ""
        self._add_routes()

    # -- life ---------------------------------------------------------------------------------

    def load(self) -> None:
        """Let the function load what it needs; until then (and if it fails) it is not ready."""
        try:
            self.function.load()
        except Problem as problem:
            log.error("not ready: %s", problem.detail)
        except Exception:
            self._broken = f"{self.function.name} could not be prepared; its log says why"
            log.exception(self._broken)

    def ready(self) -> None:
        """Raise a Problem that says why no request should be sent here, if there is a reason."""
        if self._draining.is_set():
            raise unready("the process is ending")
        if self._broken:
            raise unready(self._broken, final=True)
        self.function.ready()

    def serve(self, host: str, port: int, threads: int) -> None:
        """Serve until SIGTERM or SIGINT; then finish what was begun and let the function end."""
        waitress = create_server(
            self.app,
            host=host,
            port=port,
            threads=threads,
            max_request_body_size=_READ_AT_MOST,
            connection_limit=1000,
            ident="tasador",
        )
        waitress.channel_class = Channel

        def end(*_: object) -> None:
            self._draining.set()
            waitress.pull_trigger()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        threading.Thread(target=self.load, name="load", daemon=True).start()
        log.info("listening", extra={"fields": {"host": host, "port": waitress.effective_port}})
        connections = waitress._map
        while not self._draining.is_set():
            wasyncore.loop(timeout=30.0, map=connections, count=1)
        log.info("ending")
        self._drain(waitress, connections)
        self.function.stop()
        waitress.task_dispatcher.shutdown(timeout=1)
        log.info("ended")

    def _drain(self, waitress: Any, connections: dict[int, Any]) -> None:
        # What is connected already is still taken, then the door is shut.
        wasyncore.loop(timeout=0.05, map=connections, count=1)
        waitress.accepting = False
        waitress.del_channel(connections)
        waitress.socket.close()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while waitress.active_channels and time.monotonic() < deadline:
            for channel in list(waitress.active_channels.values()):
                if not channel.requests and channel.request is None:
                    channel.close_when_flushed = True
            wasyncore.loop(timeout=0.1, map=connections, count=1)
        if waitress.active_channels:
            log.warning("%d connections cut off", len(waitress.active_channels))

    # -- addresses ----------------------------------------------------------------------------

    def _add_routes(self) -> None:
        app = self.app
        # parliament reads every body as a CloudEvent first, whatever its length; main does it once.
        app.view_functions["handle_post"] = self._main
        app.view_functions["handle_get"] = self._main
        app.view_functions["liveness"] = self._health
        app.view_functions["readiness"] = self._readiness
        app.add_url_rule("/health", "health", self._health)
        app.add_url_rule("/ready", "ready", self._readiness)
        app.add_url_rule("/metrics", "metrics", _metrics)
        app.add_url_rule("/openapi.json", "openapi", self._openapi)
        for route in self.function.routes:
            app.add_url_rule(
                route.path,
                f"{route.method} {route.path}",
                _bound(route.view),
                methods=[route.method],
            )
        app.before_request(_begin)
        app.after_request(_finish)
        app.register_error_handler(Exception, lambda error: problem_response(as_problem(error)))

    def _main(self) -> Any:
        return self._module.main(Context(request))

    def _health(self) -> Response:
        return reply({"status": "alive", "function": self.function.name})

    def _openapi(self) -> Response:
        from functions.openapi import document

        return reply(document(self.function.name))

    def _readiness(self) -> Response:
        def answer() -> Response:
            self.ready()
            return reply({"status": "ready", "function": self.function.name})

        return guarded(answer)


def _bound(view: Callable[..., Response]) -> Callable[..., Response]:
    return lambda **parts: guarded(view, request, **parts)


def _metrics() -> Response:
    return Response(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _begin() -> None:
    g.started = time.perf_counter()
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if 0 < len(given) <= 64 and given.isascii() else uuid.uuid4().hex


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    if request.path in _NOT_TRAFFIC:
        return response
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else "unmatched"
    method = request.method if request.method in _METHODS else "other"
    HTTP_REQUESTS.labels(route, method, f"{response.status_code // 100}xx").inc()
    HTTP_DURATION.labels(route, method).observe(seconds)
    log.info(
        "request",
        extra={
            "fields": {
                "method": method,
                "route": route,
                "status": response.status_code,
                "ms": round(seconds * 1000, 2),
                "request_id": g.request_id,
                "correlation_id": request.headers.get("Ce-Correlationid", "")[:64]
                or os.environ.get("MODEL_CORRELATION_ID", ""),
            }
        },
    )
    return response


class _RefusedTask(ErrorTask):
    """What waitress itself refuses (a broken request line, a monstrous body), as a problem too."""

    def execute(self) -> None:
        error = self.request.error
        answer = problem_response(Problem(error.code, str(error.body)))
        self.status = answer.status
        self.response_headers.append(("Content-Type", "application/problem+json"))
        self.set_close_on_finish()
        body = answer.get_data()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    """A connection whose errors are problems."""

    error_task_class = _RefusedTask


def main() -> None:
    """Serve the function whose folder is the argument."""
    if len(sys.argv) != 2 or not os.path.isfile(os.path.join(sys.argv[1], "func.py")):
        raise SystemExit("usage: python -m functions.host FOLDER (one that holds a func.py)")
    host = Host(server.load(sys.argv[1]))
    log_to_stdout(host.function.name)
    host.serve(
        os.environ.get("HOST", "127.0.0.1"),
        int(os.environ.get("PORT", "8080")),
        int(os.environ.get("THREADS", "4")),
    )


if __name__ == "__main__":
    main()
