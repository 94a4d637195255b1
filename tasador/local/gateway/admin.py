"""/_admin: what the Knative API is on a cluster, for clients with the bearer token."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tasador.local.gateway.activator import Activator
from tasador.local.gateway.answers import Refusal, log
from tasador.local.gateway.broker import Broker
from tasador.local.gateway.dead_letters import DeadLetters
from tasador.local.gateway.journal import Journal
from tasador.local.gateway.services import Service, Services, Target, describe

_MAX_NAME = 63
_MAX_EVENTS = 1000
View = Callable[[Request], Awaitable[Response]]


class Admin:
    """The handlers of the admin API; each raises Refusal for a bad request."""

    def __init__(
        self,
        token: str,
        services: Services,
        activator: Activator,
        broker: Broker,
        journal: Journal,
        dead_letters: DeadLetters,
    ) -> None:
        self._token = token
        self._services = services
        self._activator = activator
        self._broker = broker
        self._journal = journal
        self._dead_letters = dead_letters

    def routes(self) -> list[Route]:
        """The routes below /_admin."""
        service = "/services/{service}"
        revision = service + "/revisions/{revision}"
        table: list[tuple[str, str, View]] = [
            ("GET", "/services", self._list),
            ("GET", service, self._get),
            ("POST", service + "/revisions", self._add),
            ("PUT", service + "/traffic", self._split),
            ("POST", revision + "/start", self._start),
            ("DELETE", revision, self._remove),
            ("GET", "/events", self._events),
            ("GET", "/dead-letters", self._list_dead_letters),
            ("DELETE", "/dead-letters", self._delete_dead_letters),
            ("POST", "/dead-letters/replay", self._replay),
        ]
        return [
            Route("/health", self._health),
            *(Route(path, self._guarded(view), methods=[m]) for m, path, view in table),
        ]

    def _guarded(self, view: View) -> View:
        async def checked(request: Request) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not self._token or not secrets.compare_digest(token.encode(), self._token.encode()):
                refusal = Refusal(401, "the bearer token TASADOR_GATEWAY_TOKEN is required")
                return refusal.response({"WWW-Authenticate": "Bearer"})
            return await view(request)

        return checked

    # -- services -------------------------------------------------------------------------------

    async def _health(self, _request: Request) -> Response:
        return JSONResponse({"status": "up"})

    async def _list(self, _request: Request) -> Response:
        return JSONResponse([self._described(s) for s in self._services.all()])

    async def _get(self, request: Request) -> Response:
        return JSONResponse(self._described(self._service(request)))

    async def _add(self, request: Request) -> Response:
        body = await _json(request, dict)
        name, env = body.get("revision"), body.get("env", {})
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or "/" in name:
            raise Refusal(400, "revision: a name is required, such as predict-00002")
        if not isinstance(env, dict) or not all(isinstance(v, str) for v in env.values()):
            raise Refusal(400, "env: an object of texts is required")
        service = self._service(request)
        is_new = self._services.add_revision(service, name, env)
        if is_new:
            log("revision added", revision=name, env=env)
        return JSONResponse(self._described(service), 201 if is_new else 200)

    async def _split(self, request: Request) -> Response:
        body = await _json(request, list)
        try:
            targets = [
                Target(str(t["revision"]), int(t.get("percent") or 0), str(t.get("tag") or ""))
                for t in body
            ]
        except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
            raise Refusal(400, 'each entry must be {"revision", "percent", "tag"}') from None
        service = self._service(request)
        self._services.split(service, targets)
        log("traffic", service=service.name, traffic=describe(service)["traffic"])
        return JSONResponse(self._described(service))

    async def _start(self, request: Request) -> Response:
        body = await _json(request, dict, empty={})
        seconds = body.get("timeout_seconds", 60)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
            raise Refusal(400, "timeout_seconds: a number above zero is required")
        revision = self._service(request).revision(request.path_params["revision"])
        ready, reason = await self._activator.start(revision, float(seconds))
        return JSONResponse({"ready": ready, "reason": reason})

    async def _remove(self, request: Request) -> Response:
        name = request.path_params["revision"]
        self._services.remove_revision(self._service(request), name)
        self._activator.stop_revision(name)
        log("revision removed", revision=name)
        return Response(status_code=204)

    # -- events ---------------------------------------------------------------------------------

    async def _events(self, request: Request) -> Response:
        limit = min(_whole(request, "limit", "100"), _MAX_EVENTS)
        if "after" in request.query_params:
            return _as_ascii(self._journal.after(_whole(request, "after", "0"), limit))
        return _as_ascii(self._journal.recent(limit))

    async def _list_dead_letters(self, _request: Request) -> Response:
        return _as_ascii(self._dead_letters.all())

    async def _delete_dead_letters(self, request: Request) -> Response:
        try:
            before = datetime.fromisoformat(request.query_params.get("before", ""))
        except ValueError:
            before = datetime.min
        if before.tzinfo is None:
            raise Refusal(400, "before: a time with an offset is required, in ISO 8601")
        return JSONResponse({"deleted": self._dead_letters.delete_before(before)})

    async def _replay(self, request: Request) -> Response:
        ids = (await _json(request, dict, empty={})).get("ids", [])
        if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
            raise Refusal(400, "ids: a list of event ids is required")
        return JSONResponse({"replayed": self._broker.replay(ids)})

    # -- inside ---------------------------------------------------------------------------------

    def _service(self, request: Request) -> Service:
        return self._services.get(request.path_params["service"])

    def _described(self, service: Service) -> dict[str, Any]:
        described = describe(service)
        for revision in described["revisions"]:
            revision["ready"], revision["reason"] = self._activator.readiness(revision["name"])
        return described


def _whole(request: Request, name: str, default: str) -> int:
    text = request.query_params.get(name, default)
    # Longer texts are larger numbers, unless they begin with zeros; SQLite's have 63 bits.
    if not text.isascii() or not text.isdigit():
        raise Refusal(400, f"{name}: a whole number is required")
    return int(text.lstrip("0")[:18] or 0)


def _as_ascii(content: Any) -> Response:
    """JSON with every other character escaped: an old event may have half of a surrogate pair."""
    return Response(json.dumps(content), media_type="application/json")


async def _json(request: Request, kind: type, empty: Any = None) -> Any:
    body = await request.body()
    if not body and empty is not None:
        return empty
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal(400, "the body is not JSON") from None
    if not isinstance(value, kind):
        raise Refusal(400, f"the body is not a JSON {'array' if kind is list else 'object'}")
    return value
