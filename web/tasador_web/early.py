"""Asks record for what a page will show while its browser still loads the scripts.

The state of a page asks once its websocket is open, a fifth of a second later, and finds the
answer. No Reflex here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from tasador.errors import ConfigurationError
from tasador_web.client import ApiError
from tasador_web.origins import App, Receive, Scope, Send

Ask = Callable[[Mapping[str, str]], Awaitable[Any]]


class Early:
    """Middleware; ``asked`` has, by the path of a page, what asks for it. It is given the query."""

    def __init__(self, app: App, asked: Mapping[str, Ask]) -> None:
        self._app = app
        self._asked = asked
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and ask meanwhile."""
        if scope["type"] == "http" and scope["method"] == "GET":
            ask = self._asked.get(str(scope.get("path", "")).rstrip("/"))
            if ask is not None:
                query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
                task = asyncio.create_task(_asked(ask, query))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        await self._app(scope, receive, send)


async def _asked(ask: Ask, query: Mapping[str, str]) -> None:
    # After an error the page asks again, and says so.
    with suppress(ApiError, ConfigurationError):
        await ask(query)
