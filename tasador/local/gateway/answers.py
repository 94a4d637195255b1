"""The gateway's own output: problem+json to callers, JSON lines to its log."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from tasador.clock import now

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class Refusal(Exception):
    """The gateway refuses a request. ``retry_after`` is in seconds, None if trying again is
    useless."""

    def __init__(
        self,
        status: int,
        detail: str,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry_after = retry_after
        self.headers = dict(headers or {})

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The refusal as application/problem+json."""
        body = {
            "type": "about:blank",
            "title": _TITLES.get(self.status, "Error"),
            "status": self.status,
            "detail": self.detail,
        }
        all_headers = {**self.headers, **(headers or {})}
        if self.retry_after is not None:
            all_headers["Retry-After"] = str(self.retry_after)
        return Response(
            json.dumps(body), self.status, all_headers, media_type="application/problem+json"
        )


def log(message: str, /, **fields: Any) -> None:
    """Write one line to the log."""
    line = {"time": now().isoformat(timespec="milliseconds"), "message": message, **fields}
    sys.stderr.write(json.dumps(line, default=str) + "\n")
