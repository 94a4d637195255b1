"""What browsers may do with our pages: an ASGI middleware that adds headers. No Reflex.

Scripts come from this server, and inline ones only as the build wrote them (by their digests).
Reflex's components write style attributes, so styles alone may be inline. No text is evaluated:
what an event handler asks the page to do goes by ``BrowserState``, not by ``rx.call_script``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasador_web.origins import App, Receive, Scope, Send

_POLICY = b"content-security-policy"
_FOR_EVER = b"public, max-age=31536000, immutable"
_INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.+?)</script>", re.DOTALL)


class BrowserRules:
    """Middleware; ``policy`` is the Content-Security-Policy of an answer that brings none."""

    def __init__(self, app: App, policy: str) -> None:
        self._app = app
        self._headers = [
            (_POLICY, policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"same-origin"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                own = any(bytes(name).lower() == _POLICY for name, _ in given)
                added = [h for h in self._headers if not (own and h[0] == _POLICY)]
                ours = {name for name, _ in added}
                kept = [h for h in given if bytes(h[0]).lower() not in ours]
                if all(bytes(name).lower() != b"cache-control" for name, _ in kept):
                    added = [*added, (b"cache-control", _caching(scope["path"], message["status"]))]
                message = {**message, "headers": [*kept, *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _caching(path: str, status: int) -> bytes:
    """A built file whose name has a digest never changes; browsers ask again for anything else."""
    return _FOR_EVER if path.startswith("/assets/") and status in (200, 206, 304) else b"no-cache"


def policy(built: Path, framed: Iterable[str] = ()) -> str:
    """The policy for the pages in the folder ``built``, which embed pages of ``framed``."""
    digests = sorted({d for page in built.rglob("*.html") for d in inline_digests(page)})
    frames = sorted({origin for url in framed if (origin := _origin(url))})
    rules: dict[str, Sequence[str]] = {
        "default-src": ["'self'"],
        "script-src": ["'self'", *(f"'sha256-{d}'" for d in digests)],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "frame-src": frames or ["'none'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())


def inline_digests(page: Path) -> set[str]:
    """The SHA-256 digests, in base64, of the scripts within a page."""
    return {
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        for script in _INLINE.findall(page.read_text())
    }


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
