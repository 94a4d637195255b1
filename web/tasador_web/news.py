"""GET /news: a text that changes with the histories, for the script of pages that follow them.

Most events of open pages would find that nothing has changed, and an event loads, compares and
stores the state of its visitor. This answer is one text for all. No Reflex here.
"""

from __future__ import annotations

from tasador.errors import ConfigurationError
from tasador_web.client import ApiError
from tasador_web.marks import change_mark
from tasador_web.origins import App, Receive, Scope, Send

PATH = "/news"
_HEADERS = [
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


class News:
    """Middleware that answers GET /news and passes everything else on."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the mark of the histories, or with why it is not known."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope.get("path") != PATH:
            await self._app(scope, receive, send)
            return
        status = 200
        try:
            said = await change_mark()
        except (ApiError, ConfigurationError) as error:
            status, said = 503, str(error)
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": said.encode()})
