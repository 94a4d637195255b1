"""A client of the functions' HTTP API, with the calls that the pages make."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

from tasador.settings import Settings

# The request may have to start a function that was scaled to zero.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class ApiError(Exception):
    """A request that failed; ``errors`` maps the name of a field to its error."""

    def __init__(self, detail: str, status: int = 0, errors: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.errors = errors or {}

    @property
    def no_model(self) -> bool:
        """Whether no model has been promoted yet."""
        return self.status == 503 and "no model" in self.detail

    @classmethod
    def from_response(cls, response: httpx.Response) -> ApiError:
        """Read a problem document (RFC 9457); any other body is replaced by a general text."""
        try:
            body = response.json()
            detail = str(body["detail"] or body["title"])
            errors = {str(e["field"]): str(e["reason"]) for e in body.get("errors", ())}
        except (ValueError, KeyError, TypeError, AttributeError):
            detail = f"the functions answered with status {response.status_code}"
            return cls(detail, response.status_code)
        return cls(detail, response.status_code, errors)


class Functions:
    """A client of the address in TASADOR_FUNCTIONS_URL; every method may raise ApiError.

    Where each function has a separate address, ``{function}`` stands for its name.
    """

    def __init__(self, url: str = "") -> None:
        url = url or Settings.load().require("functions_url").functions_url
        self._url = url.rstrip("/")
        # The functions are on the same network, so the proxies of the environment do not apply.
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

    @staticmethod
    def _token() -> dict[str, str]:
        """The header that opens record's history, read at each request: tokens are rotated."""
        token = Settings.load().functions_token.split(",")[0].strip()
        return {"authorization": f"Bearer {token}"} if token else {}

    async def __aenter__(self) -> Functions:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def predict(self, listing: dict[str, str]) -> dict[str, Any]:
        """A price with its intervals; the prediction is recorded."""
        return await self._request("predict", "POST", "/predict", json=listing)

    async def explain(self, listing: dict[str, str]) -> dict[str, Any]:
        """The same price, split into contributions in dollars."""
        return await self._request("explain", "POST", "/explain", json=listing)

    async def states(self) -> list[str]:
        """The states that the model in service was trained on, sorted."""
        return sorted((await self._request("predict", "GET", "/states"))["states"])

    async def model(self) -> dict[str, Any]:
        """The model in service."""
        return await self._request("predict", "GET", "/model")

    async def summary(self) -> dict[str, Any]:
        """Statistics of all recorded predictions."""
        return await self._request("record", "GET", "/metrics/summary")

    async def history(self, limit: int) -> list[dict[str, Any]]:
        """The newest recorded predictions."""
        path = "/predictions/history"
        answer = await self._request("record", "GET", path, params={"limit": limit})
        return list(answer["predictions"])

    async def _request(
        self, function: str, method: str, path: str, **options: Any
    ) -> dict[str, Any]:
        url = self._url.replace("{function}", function)
        try:
            # predict and explain are open, and need not learn the token.
            headers = self._token() if function == "record" else {}
            response = await self._http.request(method, f"{url}{path}", headers=headers, **options)
        except httpx.HTTPError:
            raise ApiError(f"The functions at {url} do not answer. Are they up?") from None
        if not response.is_success:
            raise ApiError.from_response(response)
        try:
            return dict(response.json())
        except ValueError:
            raise ApiError(f"{path} answered with something that is not JSON") from None
