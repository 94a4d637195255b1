"""What reload does itself on a cluster: check at intervals what should serve."""

from __future__ import annotations

import asyncio

from tasador.local.gateway.answers import Refusal, log
from tasador.local.gateway.forward import Forwarder
from tasador.local.gateway.services import Services
from tasador.settings import Settings, sent

_ANSWER_SECONDS = 600.0


async def reconcile_regularly(services: Services, forwarder: Forwarder, seconds: float) -> None:
    """POST /reconcile to reload every ``seconds``, for ever; never if that is 0."""
    while seconds > 0:
        await asyncio.sleep(seconds)
        try:
            answer = await forwarder.send(
                services.get("reload").pick(),
                "POST",
                "/reconcile",
                _headers(),
                b"",
                seconds=_ANSWER_SECONDS,
            )
        except Refusal as refusal:
            log("reconcile", status=refusal.status, reason=refusal.detail)
            continue
        try:
            content = await answer.response.aread()
            if answer.response.status_code != 200:
                reason = content[:500].decode(errors="replace")
                log("reconcile", status=answer.response.status_code, reason=reason)
        except Exception as error:
            # The process ended in between; the next check starts another one.
            log("reconcile", reason=repr(error))
        finally:
            await answer.close()


def _headers() -> list[tuple[bytes, bytes]]:
    headers = [(b"content-type", b"application/json")]
    if token := sent(Settings.load().functions_token):
        headers.append((b"authorization", f"Bearer {token}".encode()))
    return headers
