"""The host of every function: ``python -m functions.host functions/predict``.

The function is one for parliament, and parliament's app (``functions.flask_app``) answers for it.
In
front stand the addresses that must be fast or must always answer: every POST, and the probes. They
share their views with the app behind, and they are why the app need not be loaded before the first
prediction. HOST (default 127.0.0.1), PORT (8080), THREADS (4) and QUEUE (64 requests may wait) come
from the environment.
"""

from __future__ import annotations

import gc
import os

if __name__ == "__main__":
    # Looking for garbage among what is imported would be a tenth of the start. ``Host.load`` turns
    # the collector on again.
    gc.disable()
    # numpy's OpenBLAS starts a thread for each other processor, which spins for a while: a quarter
    # of the start's processor time, for large products of matrices, which no function has.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import ctypes
import importlib
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from functions import fetching, metrics
from functions.observability import Traffic, log_to_stdout
from functions.server import Server
from functions.surface import (
    Function,
    Problem,
    Request,
    Response,
    Route,
    guarded,
    new_id,
    problem_response,
    reply,
    unready,
)
from tasador.errors import ConfigurationError

log = logging.getLogger("tasador.functions.host")

_DRAIN_SECONDS = 20.0
# M_ARENA_MAX of malloc.h.
_ARENA_MAX = -8


class Host:
    """One function, who answers for it, and whether it may be sent requests."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.function: Function = module.FUNCTION
        self.routes = (
            *self.function.routes,
            Route("GET", "/openapi.json", self._openapi),
        )
        self.probes: dict[str, Callable[[Request], Response]] = {
            "/health": self._health,
            "/health/liveness": self._health,
            "/ready": self._readiness,
            "/health/readiness": self._readiness,
            "/metrics": lambda _request: Response(*metrics.metrics_text()),
        }
        self._front = {r.path: r.view for r in self.routes if r.method == "POST"}
        self._front["/"] = self.function.post
        self._paths = {"/", *(route.path for route in self.routes)}
        self._traffic = Traffic(self.function.name)
        self._ending = threading.Event()
        self._broken = ""
        self._app: Callable[..., Any] | None = None
        self._app_lock = threading.Lock()

    # -- life ---------------------------------------------------------------------------------

    def load(self) -> None:
        """Let the function load what it needs; until then (and if it fails) it is not ready."""
        # What was imported stays: no garbage collection need look through it. (Loading may take
        # hours, where a store is away.)
        gc.freeze()
        gc.enable()
        try:
            self.function.load()
        except Problem as problem:
            # Whoever found it has logged it as what it is.
            log.info("not ready: %s", problem.detail)
        except Exception:
            self._broken = f"{self.function.name} could not be prepared; its log says why"
            log.exception(self._broken)
        metrics.prepare()
        # So does what was loaded; what loading took besides goes back.
        gc.freeze()
        if give_back := getattr(ctypes.CDLL(None), "malloc_trim", None):
            give_back(0)

    def ready(self) -> None:
        """Raise a Problem that says why no request should be sent here, if there is a reason."""
        if self._ending.is_set():
            raise unready("the process is ending")
        if self._broken:
            raise unready(self._broken, final=True)
        self.function.ready()

    def serve(self, host: str, port: int, threads: int, queue: int) -> None:
        """Serve until SIGTERM or SIGINT; then finish what was begun and let the function end."""
        server = Server(self, self._behind, host=host, port=port, threads=threads, queue=queue)

        def end(*_: object) -> None:
            self._ending.set()
            server.end()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        threading.Thread(target=self.load, name="load", daemon=True).start()
        log.info("listening", extra={"fields": {"host": host, "port": server.effective_port}})
        server.run()
        log.info("ending")
        if left := server.drain(_DRAIN_SECONDS):
            log.warning("%d connections cut off", left)
        self.function.stop()
        log.info("ended")

    # -- answers ------------------------------------------------------------------------------

    def probe(self, request: Request) -> Response:
        """The answer to a probe. It is not traffic."""
        return guarded(self.probes[request.path], request)

    def prompt(self, method: str, path: str) -> bool:
        """Whether the function answers this at once, without waiting for anything."""
        return method == "POST" and self.function.prompt(path)

    def answer(self, request: Request) -> Response | None:
        """The answer of the addresses in front; None for all others."""
        view = self._front.get(request.path) if request.method == "POST" else None
        if view is None:
            return None
        begun = self.begin(request)
        response = guarded(view, request)
        response.headers["X-Request-Id"] = self.finish(begun, "POST", request.path, response.status)
        return response

    def refuse(self, request: Request, problem: Problem) -> Response:
        """The answer to a request that has no room, came too slowly, or is none."""
        response = problem_response(problem)
        route = request.path if request.path in self._paths else "unmatched"
        response.headers["X-Request-Id"] = self.finish(
            self.begin(request), request.method, route, response.status
        )
        return response

    def begin(self, request: Request) -> tuple[float, str, str]:
        """A request begins: when, its id, and the correlation id of its event."""
        given = request.headers.get("x-request-id", "")
        return (
            time.perf_counter(),
            given if 0 < len(given) <= 64 and given.isascii() else new_id(),
            request.headers.get("ce-correlationid", "")[:64],
        )

    def finish(self, begun: tuple[float, str, str], method: str, route: str, status: int) -> str:
        """It has been answered; its id. Health and metrics are not traffic."""
        started, request_id, correlation_id = begun
        if route not in self.probes:
            seconds = time.perf_counter() - started
            self._traffic.answered(method, route, status, seconds, request_id, correlation_id)
        return request_id

    def _behind(self, environ: Any, start_response: Any) -> Any:
        with self._app_lock:
            if self._app is None:
                from functions.flask_app import make_app

                self._app = make_app(self)
        return self._app(environ, start_response)

    def _health(self, _request: Request) -> Response:
        return reply({"status": "alive", "function": self.function.name})

    def _openapi(self, _request: Request) -> Response:
        from functions.openapi import document

        return reply(document(self.function.name))

    def _readiness(self, _request: Request) -> Response:
        self.ready()
        return reply({"status": "ready", "function": self.function.name})


def load_module(folder: str) -> ModuleType:
    """The function's module, loaded as parliament loads it."""
    sys.path.append(os.path.realpath(folder))
    return importlib.import_module("func")


def main() -> None:
    """Serve the function whose folder is the argument."""
    if len(sys.argv) != 2 or not os.path.isfile(os.path.join(sys.argv[1], "func.py")):
        raise SystemExit("usage: python -m functions.host FOLDER (one that holds a func.py)")
    _share_memory()  # before there is a second thread
    fetching.begin(os.environ)
    host = Host(load_module(sys.argv[1]))
    log_to_stdout(host.function.name)
    try:
        port, threads, queue = (
            _number(name, default)
            for name, default in (("PORT", 8080), ("THREADS", 4), ("QUEUE", 64))
        )
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    host.serve(os.environ.get("HOST", "127.0.0.1"), port, threads, queue)


def _share_memory() -> None:
    """One pool of memory for all threads, where the C library is glibc.

    It would keep one for each worker, and every large batch would swell another of them.
    """
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(_ARENA_MAX, 1)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ConfigurationError(f"{name} is {text!r}, not a whole number from 1 to 65,535")
    return int(text)


if __name__ == "__main__":
    main()
