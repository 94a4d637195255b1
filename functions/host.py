"""The process of a function: ``python -m functions.host functions/predict``.

It loads the function as parliament does and serves it until SIGTERM. HOST (default 127.0.0.1), PORT
(8080), THREADS (4), QUEUE (64, the requests that may wait) and UNREADY_SECONDS (300, after which
/health fails if the function has not been ready) come from the environment. METRICS_PORT, if it is
set, serves the metrics, apart from the requests.
"""

from __future__ import annotations

import gc
import os

if __name__ == "__main__":
    # Collecting garbage among imported modules would be a tenth of the start. ``Host.load`` turns
    # the collector on again.
    gc.disable()
    # numpy's OpenBLAS starts a spinning thread for every further processor, for large matrix
    # products that no function computes: a quarter of the start's processor time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import ctypes
import importlib
import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from functions import fetching, metric_families, metrics_server
from functions.endpoints import UNREADY_SECONDS, Endpoints
from functions.function import Function
from functions.http import HttpProblem
from functions.logs import log_to_stdout
from functions.server import Server
from tasador.errors import ConfigurationError
from tasador.tracing import spans

log = logging.getLogger("tasador.functions.host")

_DRAIN_SECONDS = 20.0
# M_ARENA_MAX of malloc.h.
_ARENA_MAX = -8
# What gives numpy's compiled functions their docstrings: a fifth of its import.
NUMPY_DOCSTRINGS = ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars")


class Host:
    """Runs one function: loads it, serves it and ends it."""

    def __init__(self, module: ModuleType, unready_seconds: float = UNREADY_SECONDS) -> None:
        self._module = module
        self.function: Function = module.FUNCTION
        self._endpoints = Endpoints(self.function, unready_seconds)
        self._app: Callable[..., Any] | None = None
        self._app_lock = threading.Lock()

    def load(self) -> None:
        """Let the function load what it needs; until then (and if that fails) it is not ready."""
        # Modules stay for good: exempt them from garbage collection. Loading may take hours, if a
        # store is unavailable, so the collector is turned on first.
        gc.freeze()
        gc.enable()
        spans.start(self.function.name)
        try:
            self.function.load()
        except HttpProblem as problem:
            # The function has logged the cause.
            log.info("not ready: %s", problem.detail)
        except Exception:
            reason = f"{self.function.name} could not be loaded; its log has the details"
            self._endpoints.fail(reason)
            log.exception(reason)
        metric_families.prepare()
        # Exempt what was loaded too, and return the memory that only loading needed.
        gc.freeze()
        if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
            trim(0)

    def serve(self, host: str, port: int, threads: int, queue: int) -> None:
        """Serve until SIGTERM or SIGINT; then answer what was begun and stop the function."""
        server = Server(
            self._endpoints, self._wsgi, host=host, port=port, threads=threads, queue=queue
        )

        def end(*_: object) -> None:
            self._endpoints.end()
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
        spans.flush()
        log.info("ended")

    def _wsgi(self, environ: Any, start_response: Any) -> Any:
        """The WSGI application, created at its first request."""
        with self._app_lock:
            if self._app is None:
                from functions.flask_app import make_app

                self._app = make_app(self._module, self._endpoints)
        return self._app(environ, start_response)


def load_module(folder: str) -> ModuleType:
    """The function's module, loaded as parliament loads it."""
    sys.path.append(os.path.realpath(folder))
    return importlib.import_module("func")


def main() -> None:
    """Serve the function whose folder is the argument."""
    if len(sys.argv) != 2 or not os.path.isfile(os.path.join(sys.argv[1], "func.py")):
        raise SystemExit("usage: python -m functions.host FOLDER (one that holds a func.py)")
    _use_one_arena()  # before there is a second thread
    without_docstrings()
    fetching.start(os.environ)
    module = load_module(sys.argv[1])
    log_to_stdout(module.FUNCTION.name)
    try:
        port, threads, queue, unready = (
            _positive(name, default)
            for name, default in (
                ("PORT", 8080),
                ("THREADS", 4),
                ("QUEUE", 64),
                ("UNREADY_SECONDS", int(UNREADY_SECONDS)),
            )
        )
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    address = os.environ.get("HOST", "127.0.0.1")
    host = Host(module, unready)
    if os.environ.get("METRICS_PORT"):
        metrics_port = _positive("METRICS_PORT", 0)
        try:
            metrics_server.start(address, metrics_port)
        except OSError as error:
            raise SystemExit(f"METRICS_PORT {metrics_port} cannot be used: {error}") from None
    host.serve(address, port, threads, queue)


def without_docstrings() -> None:
    """Let numpy import without the docstrings of its compiled functions, which no function reads.

    If a release of numpy renames those modules, its import is slower and nothing else changes.
    """
    for name in NUMPY_DOCSTRINGS:
        sys.modules.setdefault(name, ModuleType(name))


def _use_one_arena() -> None:
    """Make glibc's malloc use one arena: with one per worker, large batches would grow each."""
    if set_option := getattr(ctypes.CDLL(None), "mallopt", None):
        set_option(_ARENA_MAX, 1)


def _positive(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ConfigurationError(f"{name} is {text!r}, not a whole number from 1 to 65,535")
    return int(text)


if __name__ == "__main__":
    main()
