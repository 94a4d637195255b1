"""Cookies and pages of signing in and out, as a middleware reads and writes them. No Reflex."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

from tasador_web import visitors
from tasador_web.languages import language_of
from tasador_web.origins import Scope, Send

# Only a path of this server; //host and /\host would lead to another one.
_PATH = re.compile(r"/(?![/\\])[\w/?=&%.,+~-]*")


def following(path: str) -> str:
    """The page that comes next: a path of this server, else the first page."""
    return path if len(path) < 500 and _PATH.fullmatch(path) else "/"


def cookies(scope: Scope) -> str:
    """The cookies of a request."""
    # HTTP/2 sends one header for each cookie.
    given = [value for name, value in scope["headers"] if name == b"cookie"]
    return b"; ".join(given).decode("latin-1")


def set_cookie(
    name: str, value: str, seconds: int, secure: bool, site: str = "Strict"
) -> tuple[bytes, bytes]:
    """The header of a cookie that no script can read."""
    text = f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={site}"
    return b"set-cookie", (text + ("; Secure" if secure else "")).encode()


async def page(send: Send, status: int, html: str, *headers: tuple[bytes, bytes]) -> None:
    """Answer with a page that nobody keeps."""
    all_headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": html.encode()})


async def redirect(send: Send, path: str, *headers: tuple[bytes, bytes]) -> None:
    """Lead to another address."""
    all_headers = [(b"location", path.encode()), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": 303, "headers": all_headers})
    await send({"type": "http.response.body", "body": b""})


def query_of(scope: Scope) -> dict[str, str]:
    """The parameters of a request, the first of each name."""
    found = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return {name: values[0] for name, values in found.items()}


def spoken(scope: Scope) -> str:
    """The language of the page that comes next, or else of the one that led here."""
    referer = dict(scope["headers"]).get(b"referer", b"").decode("latin-1")
    came = urlsplit(referer)
    known = parse_qs(came.query).get("next", [came.path])[0]
    return language_of(query_of(scope).get("next", known))


def is_secure(scope: Scope, origins: Sequence[str]) -> bool:
    """Whether the browser uses https, which a proxy in front may hide."""
    return scope.get("scheme") == "https" or f"https://{host_of(scope)}" in origins


def host_of(scope: Scope) -> str:
    """The Host header."""
    return dict(scope["headers"]).get(b"host", b"").decode("latin-1")


def cookie_name(scope: Scope, origins: Sequence[str], kind: str) -> str:
    """The name of a cookie for this request's scheme."""
    return visitors.cookie_name(kind, is_secure(scope, origins))


def session_cookie(
    scope: Scope, origins: Sequence[str], token: str, hours: int
) -> tuple[bytes, bytes]:
    """The header that gives the browser its session."""
    name = cookie_name(scope, origins, "session")
    return set_cookie(name, token, hours * 3600, is_secure(scope, origins))


def sentence(text: str) -> str:
    """A message with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"
