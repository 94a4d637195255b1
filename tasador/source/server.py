"""The course's API over stored batches: GET /data, /restart_data_generation and /health."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tasador.errors import ConfigurationError
from tasador.source.refusals import BAD_GROUP, USED_UP, without_accents
from tasador.source.stored import StoredBatch

GROUPS = range(1, 11)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_GRACE_SECONDS = 2


class _Unprocessable(Exception):
    """A query that cannot be read; ``detail`` is a list of problems in FastAPI's form."""

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        self.detail = detail


@dataclass(slots=True)
class _Progress:
    """The last batch of one group on one day (-1: none yet), and when it was handed out."""

    number: int = -1
    advanced_at: float = 0.0


@dataclass(slots=True)
class _CourseApi:
    """The three endpoints; each group has its progress per day."""

    batches: Sequence[StoredBatch]
    every_seconds: float
    accents: bool
    clock: Callable[[], float]
    progress: dict[tuple[int, str], _Progress] = field(default_factory=dict)

    async def data(self, request: Request) -> Response:
        group, day = self._caller(request)
        progress = self.progress.setdefault((group, day), _Progress())
        now = self.clock()
        if progress.number < 0 or now - progress.advanced_at >= self.every_seconds:
            if progress.number + 1 >= len(self.batches):
                raise HTTPException(400, self._worded(USED_UP))
            progress.number += 1
            progress.advanced_at = now
        batch = self.batches[progress.number]
        head = json.dumps({"group_number": group, "day": day, "batch_number": progress.number})
        opening, closing = (head[:-1] + ', "data": [').encode(), b"]}"

        async def body() -> AsyncIterator[bytes]:
            yield opening
            async for chunk in iterate_in_threadpool(batch.chunks()):
                yield chunk
            yield closing

        length = str(len(opening) + batch.size + len(closing))
        return StreamingResponse(
            body(), media_type="application/json", headers={"content-length": length}
        )

    async def restart(self, request: Request) -> Response:
        self.progress.pop(self._caller(request), None)
        return JSONResponse({"ok": True})

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "OK"})

    def _caller(self, request: Request) -> tuple[int, str]:
        problems: list[dict[str, Any]] = []
        group, day = (request.query_params.get(name) for name in ("group_number", "day"))
        number = 0
        if group is None:
            problems.append(_problem("missing", "group_number", "Field required", None))
        else:
            try:
                number = int(group)
            except ValueError:
                message = "Input should be a valid integer, unable to parse string as an integer"
                problems.append(_problem("int_parsing", "group_number", message, group))
        if day is None:
            problems.append(_problem("missing", "day", "Field required", None))
        elif day not in DAYS:
            expected = ", ".join(f"'{name}'" for name in DAYS[:-1]) + f" or '{DAYS[-1]}'"
            problem = _problem("enum", "day", f"Input should be {expected}", day)
            problems.append(problem | {"ctx": {"expected": expected}})
        if day is None or problems:
            raise _Unprocessable(problems)
        if number not in GROUPS:
            raise HTTPException(400, self._worded(BAD_GROUP))
        return number, day

    def _worded(self, message: str) -> str:
        return message if self.accents else without_accents(message)


def _problem(kind: str, name: str, message: str, value: str | None) -> dict[str, Any]:
    return {"type": kind, "loc": ["query", name], "msg": message, "input": value}


def build_app(
    batches: Sequence[StoredBatch],
    *,
    every_seconds: float = 0.0,
    accents: bool = True,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The course's API for these batches, which must stay open while the app is used.

    A group advances at every call, or with ``every_seconds`` only that long after it last did.
    ``accents=False`` refuses without accents, as some course servers do. ``clock`` gives seconds.
    """
    api = _CourseApi(batches, every_seconds, accents, clock)

    async def unprocessable(_: Request, error: Exception) -> Response:
        assert isinstance(error, _Unprocessable)
        return JSONResponse({"detail": error.detail}, 422)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"detail": error.detail}, error.status_code, headers=error.headers)

    routes = [
        Route("/data", api.data, methods=["GET"]),
        Route("/restart_data_generation", api.restart, methods=["GET"]),
        Route("/health", api.health, methods=["GET"]),
    ]
    for route in routes:
        # Starlette adds HEAD to GET. Here a HEAD would use up a batch without sending it.
        assert route.methods is not None
        route.methods.discard("HEAD")
    handlers = {_Unprocessable: unprocessable, HTTPException: refused}
    return Starlette(routes=routes, exception_handlers=handlers)


class SourceServer(uvicorn.Server):
    """A uvicorn server on its own socket, which reports its URL once it answers.

    ``run`` blocks until a signal, or until another thread sets ``should_exit``. Raises
    ConfigurationError if the address cannot be used.
    """

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        on_ready: Callable[[str], object] = lambda url: None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port}: {error}; choose another address or --port 0"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        self._on_ready = on_ready
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready(self.url)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets or [self._socket])
        except KeyboardInterrupt:
            pass  # Ctrl-C stops the server; uvicorn has shut down by now
        finally:
            self._socket.close()


def serve(
    app: Starlette,
    host: str = "127.0.0.1",
    port: int = 0,
    on_ready: Callable[[str], object] = lambda url: None,
) -> None:
    """Serve until a signal comes; ``on_ready`` gets the URL (port 0 takes a free port)."""
    SourceServer(app, host, port, on_ready).run()
