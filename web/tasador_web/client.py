"""The functions' HTTP surface, as the pages need it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import httpx

from tasador.settings import Settings

# A function that was scaled to zero is started by the request.
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)


class Problem(Exception):
    """An answer that is no success; ``errors`` maps a field to what is wrong with it."""

    def __init__(self, detail: str, status: int = 0, errors: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        self.errors = errors or {}

    @property
    def no_model(self) -> bool:
        """Whether the answer is that no model has been promoted yet."""
        return self.status == 503 and "no model" in self.detail

    @classmethod
    def of(cls, response: httpx.Response) -> Problem:
        """The problem that a response describes (RFC 9457), or that it fails to describe."""
        try:
            body = response.json()
            detail = str(body["detail"] or body["title"])
            errors = {str(e["field"]): str(e["reason"]) for e in body.get("errors", ())}
        except (ValueError, KeyError, TypeError, AttributeError):
            detail = f"the functions answered with status {response.status_code}"
            return cls(detail, response.status_code)
        return cls(detail, response.status_code, errors)


class Functions:
    """A client of the address in TASADOR_FUNCTIONS_URL; every method may raise a Problem.

    Where each function has an address of its own, ``{function}`` stands for its name.
    """

    def __init__(self, url: str = "") -> None:
        url = url or Settings.load().require("functions_url").functions_url
        self._url = url.rstrip("/")
        # The functions are near; a proxy of this machine is for what is not.
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)

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
        return await self._ask("predict", "POST", "/predict", json=listing)

    async def explain(self, listing: dict[str, str]) -> dict[str, Any]:
        """The same price taken apart in dollars."""
        return await self._ask("explain", "POST", "/explain", json=listing)

    async def states(self) -> list[str]:
        """The states that the model in service has met, in order."""
        return sorted((await self._ask("predict", "GET", "/states"))["states"])

    async def model(self) -> dict[str, Any]:
        """The model in service."""
        return await self._ask("predict", "GET", "/model")

    async def summary(self) -> dict[str, Any]:
        """All recorded predictions in figures."""
        return await self._ask("record", "GET", "/metrics/summary")

    async def history(self, limit: int) -> list[dict[str, Any]]:
        """The newest recorded predictions."""
        path = "/predictions/history"
        answer = await self._ask("record", "GET", path, params={"limit": limit})
        return list(answer["predictions"])

    async def _ask(self, function: str, method: str, path: str, **more: Any) -> dict[str, Any]:
        at = self._url.replace("{function}", function)
        try:
            response = await self._http.request(method, f"{at}{path}", **more)
        except httpx.HTTPError:
            raise Problem(f"The functions at {at} do not answer. Are they up?") from None
        if not response.is_success:
            raise Problem.of(response)
        try:
            return dict(response.json())
        except ValueError:
            raise Problem(f"{path} answered with something that is not JSON") from None
