"""Which addresses of a browser the app answers, and what the visitor of another one reads.

A page of another site must not talk to this server, so Reflex's websocket accepts the origins in
TASADOR_WEB_ORIGINS only. This ASGI middleware also accepts a tunnel such as
``ssh -L 9000:127.0.0.1:3000``: there the origin is the address that the request was sent to, and a
name of the visitor's own machine, which no other site can have. No Reflex here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_OWN_MACHINE = ("127.0.0.1", "localhost", "::1")


class KnownOrigins:
    """Middleware that passes on what comes from ``origins`` (scheme://host:port) or a tunnel."""

    def __init__(self, app: App, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = [origin.strip().rstrip("/") for origin in origins]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer a page at an unknown address with 403."""
        if scope["type"] in ("http", "websocket"):
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1")
            origin = headers.get(b"origin", b"").decode("latin-1")
            if origin and origin not in self._origins and is_tunnel(origin, host):
                # As if sent from the server's first address, which every later check knows.
                known = (b"origin", self._origins[0].encode())
                scope = {
                    **scope,
                    "headers": [known if h[0] == b"origin" else h for h in scope["headers"]],
                }
            accepts_page = b"text/html" in headers.get(b"accept", b"")
            if scope["type"] == "http" and accepts_page and not self._knows(host):
                await _refuse(send, scope.get("scheme", "http"), host)
                return
        await self._app(scope, receive, send)

    def _knows(self, host: str) -> bool:
        return is_own_machine(host) or host in [urlsplit(origin).netloc for origin in self._origins]


def is_tunnel(origin: str, host: str) -> bool:
    """Whether a page that this server served sent the request, at a name of the own machine."""
    return origin.partition("://")[2] == host and is_own_machine(host)


def is_own_machine(host: str) -> bool:
    """Whether a Host header names the visitor's own machine, at any port."""
    try:
        return "@" not in host and urlsplit(f"//{host}").hostname in _OWN_MACHINE
    except ValueError:
        return False


async def _refuse(send: Send, scheme: str, host: str) -> None:
    text = (
        f"The web app does not answer at {host}, because another site could use that name.\n"
        f"Start it with TASADOR_WEB_ORIGINS={scheme}://{host} if that is its address.\n"
    )
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
