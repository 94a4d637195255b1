"""Forward a request to a function, and its answer to the caller, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tasador.local.gateway.activator import Activator
from tasador.local.gateway.answers import Refusal, log
from tasador.local.gateway.instance import Instance
from tasador.local.gateway.services import Revision

Headers = Sequence[tuple[bytes, bytes]]

# These headers belong to a connection, not to the message.
_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
_REPLACED = frozenset((b"host", b"content-length"))
_ATTEMPTS = 3
_OUTSIDE_SECONDS = 30.0


@dataclass(slots=True)
class Answer:
    """A function's answer whose body is not read yet. It must be closed."""

    response: httpx.Response
    instance: Instance
    activator: Activator

    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers that are forwarded to the caller."""
        return [(k, v) for k, v in self.response.headers.raw if k.lower() not in _HOP_BY_HOP]

    async def close(self) -> None:
        """Return the connection and the process."""
        try:
            await self.response.aclose()
        finally:
            self.activator.release(self.instance)


class Forwarder:
    """Sends requests to functions."""

    def __init__(self, activator: Activator, client: httpx.AsyncClient) -> None:
        self._activator = activator
        self._client = client

    async def send(
        self,
        revision: Revision,
        method: str,
        target: str,
        headers: Headers,
        body: bytes,
        *,
        seconds: float = 120,
    ) -> Answer:
        """Forward a request; ``target`` is path and query as they were sent.

        If a process ends before it answers, the request is sent to a new one. Raises Refusal.
        """
        passed = [(k, v) for k, v in headers if k not in _HOP_BY_HOP and k not in _REPLACED]
        timeout = httpx.Timeout(seconds, connect=5)
        reason = ""
        for _ in range(_ATTEMPTS):
            instance = await self._activator.lease(revision)
            try:
                request = httpx.Request(
                    method,
                    f"{instance.url}{target}",
                    headers=passed,
                    content=body,
                    extensions={"timeout": timeout.as_dict()},
                )
                return Answer(
                    await self._client.send(request, stream=True), instance, self._activator
                )
            except httpx.InvalidURL as error:
                self._activator.release(instance)
                raise Refusal(400, f"the address is not valid: {error}") from None
            except httpx.ReadTimeout:
                self._activator.release(instance)
                raise Refusal(504, f"{revision.name} did not answer in {seconds:g} s") from None
            except httpx.TransportError as error:
                self._activator.release(instance)
                if isinstance(error, httpx.ConnectError):
                    self._activator.replace(instance)
                reason = f"{type(error).__name__} {error}".strip()
                log("no answer, trying again", revision=revision.name, reason=reason)
            except BaseException:
                self._activator.release(instance)
                raise
            await _notice_exit(instance)
        raise Refusal(502, f"{revision.name} ended the connection without an answer ({reason})")

    async def post(self, url: str, headers: Headers, body: bytes) -> httpx.Response:
        """Post to an address outside the platform. Raises Refusal if it does not answer."""
        try:
            return await self._client.post(
                url, headers=list(headers), content=body, timeout=_OUTSIDE_SECONDS
            )
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__} {error}".strip()
            raise Refusal(503, f"the subscriber does not answer ({reason})") from None


async def _notice_exit(instance: Instance) -> None:
    """Wait a moment, so that the end of a process is noticed before the next attempt."""
    for _ in range(20):
        if not instance.alive:
            return
        await asyncio.sleep(0.01)


class Relay(Response):
    """A function's answer, streamed to the caller."""

    def __init__(self, answer: Answer, request_id: str) -> None:
        self._answer = answer
        self._request_id = request_id.encode()
        self.status_code = answer.response.status_code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer."""
        try:
            headers = self._answer.headers()
            if not any(name.lower() == b"x-request-id" for name, _ in headers):
                headers.append((b"x-request-id", self._request_id))
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": headers}
            )
            async for piece in self._answer.response.aiter_raw():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except httpx.HTTPError as error:
            # The caller's connection breaks too.
            log("an answer was cut off", request_id=self._request_id.decode(), reason=repr(error))
        finally:
            await self._answer.close()
