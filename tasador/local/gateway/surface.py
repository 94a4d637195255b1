"""What the base URL itself answers: its health, the OpenAPI document of all functions, its page.

The document is printed by ``python -m functions.surface`` when somebody asks for it first: no
function has to start for it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tasador.local.gateway.answers import Refusal
from tasador.local.gateway.forward import Forwarder
from tasador.local.gateway.services import Services
from tasador.machine.reachable import failure
from tasador.settings import CHECKOUT

_SECONDS = 30.0


class Surface:
    """The routes of the base URL. ``database_url`` gives the current address."""

    def __init__(
        self, services: Services, forwarder: Forwarder, database_url: Callable[[], str]
    ) -> None:
        self._services = services
        self._forwarder = forwarder
        self._database_url = database_url
        self._printed: dict[str, bytes] = {}
        self._lock = asyncio.Lock()

    def routes(self) -> list[Route]:
        """GET /health, /openapi.json and /docs."""
        return [
            Route("/health", self._health),
            Route("/openapi.json", self._document),
            Route("/docs", self._page),
        ]

    async def _health(self, _request: Request) -> Response:
        """predict's answer, and whether the database accepts connections."""
        (status, kind, answer), unreachable = await asyncio.gather(
            self._health_of_predict(), asyncio.to_thread(failure, self._database_url())
        )
        parts = {"model_loaded": False, **answer, "database_connected": not unreachable}
        return Response(json.dumps(parts), status, media_type=kind)

    async def _health_of_predict(self) -> tuple[int, str, dict[str, Any]]:
        """Status, media type and JSON."""
        try:
            revision = self._services.get("predict").pick()
            answer = await self._forwarder.send(revision, "GET", "/health", [], b"")
        except Refusal as refusal:
            return _as_read(refusal)
        try:
            body = json.loads(await answer.response.aread())
            kind = answer.response.headers.get("content-type", "application/json")
            return answer.response.status_code, kind, body
        except (httpx.HTTPError, ValueError) as error:
            reason = f"{revision.name} gave no answer that can be read ({type(error).__name__})"
            return _as_read(Refusal(502, reason))
        finally:
            await answer.close()

    async def _document(self, _request: Request) -> Response:
        return Response(await self._print(), media_type="application/json")

    async def _page(self, _request: Request) -> Response:
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return Response(
            await self._print("--html"),
            media_type="text/html",
            headers={"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"},
        )

    async def _print(self, *arguments: str) -> bytes:
        """What ``python -m functions.surface`` prints; raises Refusal 503 if it fails."""
        key = " ".join(arguments)
        async with self._lock:
            if key not in self._printed:
                self._printed[key] = await _printed(*arguments)
        return self._printed[key]


def _as_read(refusal: Refusal) -> tuple[int, str, dict[str, Any]]:
    response = refusal.response()
    return response.status_code, str(response.media_type), json.loads(bytes(response.body))


async def _printed(*arguments: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "functions.surface", *arguments),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        raise Refusal(503, f"the document was not made in {_SECONDS:g} s", 5) from None
    if process.returncode:
        reason = err.decode(errors="replace").strip().splitlines()[-1:]
        raise Refusal(503, f"the document cannot be made: {' '.join(reason)[:300]}")
    return out
