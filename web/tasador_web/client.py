"""A client of the functions' HTTP API, with the calls that the pages make."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any
from urllib.parse import quote
from weakref import WeakKeyDictionary

import httpx

from tasador.records.prediction import SMOKE_TEST_HEADER
from tasador.settings import Settings, sent
from tasador_web.languages import language, text

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
            detail = text(
                "the functions answered with status {status}", status=response.status_code
            )
            return cls(detail, response.status_code)
        return cls(detail, response.status_code, errors)


class Functions:
    """A client of the address in TASADOR_FUNCTIONS_URL; every method may raise ApiError.

    Where each function has a separate address, ``{function}`` stands for its name. Its connections
    serve all visitors, so ``functions()`` returns the one of the process.
    """

    def __init__(self, url: str = "") -> None:
        url = url or Settings.load().require("functions_url").functions_url
        self._url = url.rstrip("/")
        # The functions are on the same network, so the proxies of the environment do not apply.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False, limits=limits)

    @staticmethod
    def _token() -> dict[str, str]:
        """The header that opens record's history, read at each request: tokens are rotated."""
        token = sent(Settings.load().functions_token)
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

    async def prices(self, columns: dict[str, list[Any]]) -> dict[str, Any]:
        """The prices of homes given by column, by column. They are questions: none is recorded."""
        return await self._request(
            "predict",
            "POST",
            "/batch_predict",
            json={"columns": columns},
            headers={SMOKE_TEST_HEADER: "compare"},
        )

    async def explain(self, listing: dict[str, str]) -> dict[str, Any]:
        """The same price, split into contributions in dollars."""
        return await self._request("explain", "POST", "/explain", json=listing)

    async def states(self) -> list[str]:
        """The states that the model in service was trained on, sorted."""
        return sorted((await self._request("predict", "GET", "/states"))["states"])

    async def model(self) -> dict[str, Any]:
        """The model in service."""
        return await self._request("predict", "GET", "/model")

    async def places(self) -> dict[str, Any]:
        """The places in the training data of the model in service."""
        return await self._request("predict", "GET", "/places")

    async def models(self, limit: int) -> dict[str, Any]:
        """The newest decisions on versions, and what serves."""
        return await self._request("record", "GET", "/models", params={"limit": limit})

    async def version(self, version: int) -> dict[str, Any]:
        """The gate's decision on one version."""
        return await self._request("record", "GET", f"/models/{version}")

    async def batches(self, limit: int) -> list[dict[str, Any]]:
        """The newest batches with their verdicts."""
        answer = await self._request("record", "GET", "/batches", params={"limit": limit})
        return list(answer["batches"])

    async def distribution(self, batch_id: str, feature: str) -> dict[str, Any]:
        """A column of a batch, and of the data that the champion learned from."""
        path = f"/batches/{quote(batch_id, safe='')}/distribution"
        return await self._request("record", "GET", path, params={"feature": feature})

    async def rollouts(self, limit: int) -> list[dict[str, Any]]:
        """The newest attempts to bring a version into service."""
        answer = await self._request("record", "GET", "/rollouts", params={"limit": limit})
        return list(answer["rollouts"])

    async def monitoring(self, limit: int) -> list[dict[str, Any]]:
        """The newest checks of the champion's requests."""
        answer = await self._request("record", "GET", "/monitoring", params={"limit": limit})
        return list(answer["checks"])

    async def change_mark(self) -> str:
        """A text that changes with the histories."""
        return str((await self._request("record", "GET", "/changes"))["mark"])

    async def prediction(self, prediction_id: str) -> dict[str, Any]:
        """One recorded prediction."""
        return await self._request("record", "GET", f"/predictions/{quote(prediction_id, safe='')}")

    async def summary(self) -> dict[str, Any]:
        """Statistics of all recorded predictions."""
        return await self._request("record", "GET", "/metrics/summary")

    async def history(self, limit: int, cursor: str = "", **chosen: str) -> dict[str, Any]:
        """A page of recorded predictions, newest first, with the ``next`` page's cursor.

        ``chosen`` may have since, version and state.
        """
        params = {"limit": limit, **({"cursor": cursor} if cursor else {}), **chosen}
        return await self._request("record", "GET", "/predictions/history", params=params)

    async def report(self, prediction_id: str) -> str:
        """The valuation report of a recorded prediction in the language now, as HTML."""
        path = f"/report/{quote(prediction_id, safe='')}"
        return (await self._send("record", "GET", path, params={"language": language()})).text

    async def lineage(self, prediction_id: str) -> dict[str, Any]:
        """One recorded prediction and what led to it."""
        path = f"/predictions/{quote(prediction_id, safe='')}/lineage"
        return await self._request("record", "GET", path)

    async def _request(
        self, function: str, method: str, path: str, **options: Any
    ) -> dict[str, Any]:
        response = await self._send(function, method, path, **options)
        try:
            return dict(response.json())
        except ValueError:
            raise ApiError(
                text("{path} answered with something that is not JSON", path=path)
            ) from None

    async def _send(
        self,
        function: str,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> httpx.Response:
        url = self._url.replace("{function}", function)
        try:
            # predict and explain are open, and need not learn the token.
            sent_headers = {**(headers or {}), **(self._token() if function == "record" else {})}
            response = await self._http.request(
                method, f"{url}{path}", headers=sent_headers, **options
            )
        except httpx.HTTPError:
            raise ApiError(
                text("{function} at {url} does not answer. Is it up?", function=function, url=url)
            ) from None
        if not response.is_success:
            raise ApiError.from_response(response)
        return response


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, Functions] = WeakKeyDictionary()


def functions() -> Functions:
    """The client of this process; making one for each request takes longer than a price."""
    loop = asyncio.get_running_loop()
    if loop not in _SHARED:
        _SHARED[loop] = Functions()
    return _SHARED[loop]
