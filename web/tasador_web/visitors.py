"""Who a visitor is: the session's cookie, the token against forged forms, the address. No Reflex.

The browser keeps one secret, the cookie of its session, which no script can read and which it sends
to no page of another site. The database says the rest, each time, so a session that has ended is
over at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from tasador.errors import TasadorError
from tasador.records.account import Session
from tasador.settings import Settings

if TYPE_CHECKING:
    from tasador.warehouse.warehouse import Warehouse


def may_sign_in() -> bool:
    """Whether this process can check passwords; without the database nobody can act here."""
    return bool(Settings.load().database_url)


@cache
def warehouse() -> Warehouse:
    """The warehouse of this process; its connections read the URL again, which may be rotated."""
    from tasador.warehouse.warehouse import Warehouse

    return Warehouse(lambda: Settings.load().require("database_url").database_url)


def cookie_name(kind: str, secure: bool) -> str:
    """The cookie of the ``session``, or of the ``form`` that begins one.

    Browsers send a cookie to every port of a host, so two platforms on one machine need two names.
    With https, ``__Host-`` makes the browser refuse one that another host of the domain has set.
    """
    port = os.environ.get("TASADOR_WEB_PORT", "3000")
    return f"__Host-tasador-{kind}" if secure else f"tasador-{kind}-{port}"


def session_token(cookies: str) -> str:
    """The token of the session in a Cookie header, or empty."""
    return read_cookie(cookies, cookie_name("session", True)) or read_cookie(
        cookies, cookie_name("session", False)
    )


def read_cookie(cookies: str, name: str) -> str:
    """The value of a cookie in a Cookie header, or empty."""
    for part in cookies.split(";"):
        given, _, value = part.strip().partition("=")
        if given == name:
            return value
    return ""


def form_token(secret: str) -> str:
    """What a form must send with the cookie ``secret``: pages of other sites cannot know it."""
    return hmac.new(secret.encode(), b"tasador form", hashlib.sha256).hexdigest()


def is_form_token(secret: str, token: str) -> bool:
    """Whether a form with that token belongs to the cookie ``secret``."""
    return bool(secret) and hmac.compare_digest(form_token(secret).encode(), token.encode())


async def session_of(cookies: str) -> Session | None:
    """The session in a Cookie header; None without one. Raises TasadorError."""
    token = session_token(cookies)
    if not token or not may_sign_in():
        return None
    from tasador.accounts import verbs

    return await asyncio.to_thread(verbs.session_of, warehouse(), token)


def address_of(scope: Mapping[str, Any], hops: int) -> str:
    """The visitor's address; behind ``hops`` proxies, the one that the first of them saw."""
    headers = dict(scope["headers"])
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
    if hops and len(forwarded) >= hops and forwarded[-hops].strip():
        return forwarded[-hops].strip()
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


async def whoever(cookies: str) -> tuple[Session | None, str]:
    """The session, and why it is not known, for a page that shows the rest all the same."""
    try:
        return await session_of(cookies), ""
    except TasadorError as error:
        return None, str(error)
