"""The gateway's routes: the functions' paths and ``surface`` at the root, /fn, /broker, /_admin."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from tasador import content_encoding
from tasador.events import read
from tasador.events.event import EventError
from tasador.local.gateway.activator import Activator
from tasador.local.gateway.admin import Admin
from tasador.local.gateway.answers import Refusal, log
from tasador.local.gateway.broker import Broker
from tasador.local.gateway.daemon import end_functions
from tasador.local.gateway.dead_letters import DeadLetters
from tasador.local.gateway.forward import Forwarder, Relay
from tasador.local.gateway.journal import Journal
from tasador.local.gateway.metrics import GatewayMetrics
from tasador.local.gateway.options import Options, current_settings
from tasador.local.gateway.reload_timer import reconcile_regularly
from tasador.local.gateway.services import Revision, Services
from tasador.local.gateway.surface import Surface
from tasador.settings import Settings

# Path -> function, as an ingress would route it.
FUNCTION_OF_PATH = {
    "/": "predict",
    "/ready": "predict",
    "/model": "predict",
    "/states": "predict",
    "/places": "predict",
    "/predict": "predict",
    "/batch_predict": "predict",
    "/explain": "explain",
    "/reload": "reload",
    "/reconcile": "reload",
    "/predictions/history": "record",
    "/predictions/{prediction_id}": "record",
    "/predictions/{prediction_id}/lineage": "record",
    "/report/{prediction_id}": "record",
    "/metrics/summary": "record",
    "/models": "record",
    "/models/{version}": "record",
    "/batches": "record",
    "/batches/{batch_id}/distribution": "record",
    "/rollouts": "record",
    "/monitoring": "record",
    "/ledger": "record",
    "/changes": "record",
    "/events/schemas": "record",
    "/events/schemas/{event_type}": "record",
}
Pick = Callable[[], Revision]
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_MAX_BODY = 16_000_000


class Gateway:
    """All parts of the gateway, connected."""

    def __init__(self, settings: Settings, options: Options) -> None:
        end_functions(settings.home)
        self._options = options
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
            # A proxy of the machine does not apply to 127.0.0.1.
            trust_env=False,
        )
        self.services = Services(settings.home / "gateway.json")
        self._metrics = GatewayMetrics()
        self.activator = Activator(settings, options, self._client, self._metrics)
        self._forwarder = Forwarder(self.activator, self._client)
        self._journal = Journal(settings.home / "events.sqlite")
        dead_letters = DeadLetters(settings.home / "dead-letters.jsonl")
        self.broker = Broker(
            self.services, self._forwarder, self._journal, dead_letters, options, self._metrics
        )
        admin = Admin(
            settings.gateway_token,
            self.services,
            self.activator,
            self.broker,
            self._journal,
            dead_letters,
        )
        surface = Surface(
            self.services, self._forwarder, lambda: current_settings(settings).database_url
        )
        self.app = Starlette(
            routes=[
                Mount("/_admin", routes=admin.routes()),
                Mount(
                    "/_metrics",
                    routes=self._metrics.routes(
                        sorted(set(FUNCTION_OF_PATH.values())),
                        self.activator.running,
                        lambda: len(dead_letters.all()),
                    ),
                ),
                *surface.routes(),
                Route("/broker", self._take_event, methods=["POST"]),
                Route("/fn/{name}", self._function, methods=_METHODS),
                Route("/fn/{name}/{rest:path}", self._function, methods=_METHODS),
                *(
                    Route(path, partial(self._route, function), methods=_METHODS)
                    for path, function in FUNCTION_OF_PATH.items()
                ),
            ],
            exception_handlers={
                Refusal: lambda _request, refusal: refusal.response(),
                HTTPException: _http_problem,
                Exception: lambda _request, _error: Refusal(
                    500, "internal error of the gateway; see its log"
                ).response(),
            },
            lifespan=self._life,
        )

    @contextlib.asynccontextmanager
    async def _life(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(self.broker.run()),
            asyncio.create_task(self.activator.scale_down()),
            asyncio.create_task(
                reconcile_regularly(self.services, self._forwarder, self._options.reconcile_seconds)
            ),
            asyncio.create_task(self.activator.replace_unhealthy()),
        ]
        yield
        # Interrupted deliveries continue after the next start: they are in the journal.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.activator.close()
        await self._client.aclose()
        self._journal.close()

    # -- requests to functions ------------------------------------------------------------------

    async def _route(self, function: str, request: Request) -> Response:
        service = self.services.get(function)
        return await self._forward(request, service.name, service.pick, request.scope["path"])

    async def _function(self, request: Request) -> Response:
        service, tagged = self.services.at(request.path_params["name"])
        pick = service.pick if tagged is None else (lambda: tagged)
        path = "/" + request.path_params.get("rest", "")
        return await self._forward(request, service.name, pick, path)

    async def _forward(self, request: Request, function: str, pick: Pick, path: str) -> Response:
        began = time.monotonic()
        request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        revision = ""
        try:
            body = await read_body(request)
            chosen = pick()
            revision = chosen.name
            headers = list(request.headers.raw)
            if "x-request-id" not in request.headers:
                headers.append((b"x-request-id", request_id.encode()))
            # The path as it was sent, still percent-encoded.
            raw = request.scope["raw_path"].decode("latin-1").partition("?")[0]
            target = raw if path == request.scope["path"] else "/" + "/".join(raw.split("/")[3:])
            if query := request.scope["query_string"]:
                target += f"?{query.decode('latin-1')}"
            answer = await self._forwarder.send(chosen, request.method, target, headers, body)
            response: Response = Relay(answer, request_id)
        except Refusal as refusal:
            response = refusal.response({"X-Request-Id": request_id})
        self._metrics.answered(function, response.status_code)
        log(
            "request",
            method=request.method,
            path=request.scope["path"],
            status=response.status_code,
            revision=revision,
            ms=round((time.monotonic() - began) * 1000, 1),
            request_id=request_id,
            correlation_id=request.headers.get("ce-correlationid", ""),
        )
        return response

    # -- events ---------------------------------------------------------------------------------

    async def _take_event(self, request: Request) -> Response:
        body = _decoded(request, await read_body(request))
        try:
            self.broker.publish(read.parse(request.headers, body))
        except EventError as error:
            raise Refusal(error.status, str(error)) from None
        return Response(status_code=202)


async def read_body(request: Request) -> bytes:
    """Read the whole body; raises Refusal 413 as soon as it is too long."""
    if int(request.headers.get("content-length") or 0) > _MAX_BODY:
        raise Refusal(413, f"the body is longer than {_MAX_BODY:,} bytes")
    pieces: list[bytes] = []
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > _MAX_BODY:
                raise Refusal(413, f"the body is longer than {_MAX_BODY:,} bytes")
            pieces.append(piece)
    except ClientDisconnect:
        raise Refusal(400, "the connection broke before the end of the body") from None
    return b"".join(pieces)


def _decoded(request: Request, body: bytes) -> bytes:
    """The body without its Content-Encoding; functions decode what is forwarded to them."""
    try:
        encoding = request.headers.get("content-encoding", "")
        return content_encoding.decoded(encoding, body, _MAX_BODY)
    except content_encoding.EncodingError as error:
        raise Refusal(error.status, str(error), headers=error.headers) from None


def _http_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    details = {404: "there is nothing at this address", 405: "this address has no such method"}
    return Refusal(error.status_code, details.get(error.status_code, error.detail)).response(
        error.headers
    )
