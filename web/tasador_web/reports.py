"""GET /report/ID at the web app's address: record's valuation report, which needs the token.

Only the server has the token of the predictions' history, so a browser asks the server. No Reflex
here.
"""

from __future__ import annotations

from html import escape

from tasador.errors import ConfigurationError
from tasador_web.client import ApiError, functions
from tasador_web.origins import App, Receive, Scope, Send

PATH = "/report/"
_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


def link_of(prediction_id: str) -> str:
    """The address of a report; empty for a prediction without an id."""
    return f"{PATH}{prediction_id}" if prediction_id else ""


class Reports:
    """Middleware that answers GET /report/ID and passes everything else on."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the report, or with a page that says why there is none."""
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or scope["method"] != "GET" or not path.startswith(PATH):
            await self._app(scope, receive, send)
            return
        status, page = await _page(path.removeprefix(PATH))
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": page.encode()})


async def _page(prediction_id: str) -> tuple[int, str]:
    try:
        return 200, await functions().report(prediction_id)
    except ApiError as error:
        status, reason = error.status or 503, error.detail
        if status == 404:
            reason += ". A new one is recorded after a moment: reload this page."
    except ConfigurationError as error:
        status, reason = 503, str(error)
    return status, (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>No report</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; "
        "margin: 2rem auto; max-width: 40rem; padding: 0 1rem; }</style>"
        f"<h1>There is no report</h1><p>{escape(reason)}</p></html>"
    )
