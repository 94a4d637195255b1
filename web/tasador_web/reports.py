"""GET /report/ID and /es/report/ID: record's valuation report, which needs the token.

Only the server has the token of the predictions' history, so a browser asks the server. No Reflex
here.
"""

from __future__ import annotations

from tasador.errors import ConfigurationError
from tasador_web.client import ApiError, functions
from tasador_web.languages import address, below, speaking, text
from tasador_web.origins import App, Receive, Scope, Send
from tasador_web.plain_page import plain_page

# A report of each language has its address, as a page has.
_ROUTE = "/report/"
_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"no-store"),
]


def link_of(prediction_id: str) -> str:
    """The address of a report in the language now; empty for a prediction without an id."""
    return f"{address(_ROUTE)}{prediction_id}" if prediction_id else ""


class Reports:
    """Middleware that answers requests for reports and passes everything else on."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the report, or with a page that says why there is none."""
        found = below(str(scope.get("path", "")), _ROUTE)
        if scope["type"] != "http" or scope["method"] != "GET" or found is None:
            await self._app(scope, receive, send)
            return
        spoken, prediction_id = found
        with speaking(spoken):
            status, page = await _page(prediction_id)
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": page.encode()})


async def _page(prediction_id: str) -> tuple[int, str]:
    try:
        return 200, await functions().report(prediction_id)
    except ApiError as error:
        status, reason = error.status or 503, error.detail
        if status == 404:
            reason = text(
                "No such prediction is recorded. A new one is recorded after a moment: reload this "
                "page."
            )
    except ConfigurationError as error:
        status, reason = 503, str(error)
    return status, plain_page(text("There is no report"), reason)
