"""MLflow's server behind a password, as a plug-in: ``mlflow server --app-name tasador``.

MLflow's own ``basic-auth`` keeps users and permissions in a further database, needs three more
packages, and asks that database at every request. Here everybody who has the password may do
everything, which is what the flows need. Clients send it as MLflow's client does:
MLFLOW_TRACKING_USERNAME (any name) with MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.
Browsers ask for it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

SETTING = "TASADOR_MLFLOW_PASSWORD"
# The kubelet's probes send no password, and this path says nothing.
OPEN = frozenset({"/health"})

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def create() -> App:
    """MLflow's app behind TASADOR_MLFLOW_PASSWORD; ends the process if that is not set."""
    passwords = read_passwords(os.environ.get(SETTING, ""))
    from mlflow.server.fastapi_app import app

    return behind_password(app, passwords)


def read_passwords(text: str) -> list[bytes]:
    """The passwords, separated by commas while one is rotated."""
    passwords = [part.strip().encode() for part in text.split(",") if part.strip()]
    if not passwords:
        raise SystemExit(f"{SETTING} is not set: put a password in the Secret tasador-mlflow")
    return passwords


def behind_password(app: App, passwords: Iterable[bytes]) -> App:
    """The ASGI app, for requests that send one of the passwords."""
    known = tuple(passwords)

    async def guarded(scope: Message, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        is_open = kind == "lifespan" or (kind == "http" and scope["path"] in OPEN)
        if is_open or _is_known(_given(scope), known):
            await app(scope, receive, send)
        elif kind == "http":
            await _refuse(send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    return guarded


def _is_known(given: bytes, known: Iterable[bytes]) -> bool:
    matches = [hmac.compare_digest(given, password) for password in known]
    return any(matches)


def _given(scope: Message) -> bytes:
    """The password or token of a request; empty if it has none."""
    header = next((v for name, v in scope.get("headers", ()) if name == b"authorization"), b"")
    scheme, _, value = header.partition(b" ")
    match scheme.lower():
        case b"bearer":
            return bytes(value.strip())
        case b"basic":
            try:
                return base64.b64decode(value, validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return b""
    return b""


async def _refuse(send: Send) -> None:
    text = (
        "MLflow needs a password: set MLFLOW_TRACKING_USERNAME (any name) and "
        f"MLFLOW_TRACKING_PASSWORD to the value of {SETTING} in the Secret tasador-mlflow\n"
    )
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"www-authenticate", b'Basic realm="MLflow", charset="UTF-8"'),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
