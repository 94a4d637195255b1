"""httpx without what a process may not need.

Its command line: for it httpx imports rich, click and Pygments where they exist, which is most of
what its import costs, 50 ms. And the certificates of authorities: reading them takes 17 ms.
"""

from __future__ import annotations

import ssl
import sys
from typing import Any

_COMMAND_LINE = "httpx._main"


def import_httpx() -> None:
    """Import httpx; the caller, or a module that it imports, then does so in no time."""
    if "httpx" in sys.modules:
        return
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
    try:
        import httpx  # noqa: F401
    finally:
        del sys.modules[_COMMAND_LINE]


def verification(url: str, *, trust_env: bool) -> bool | ssl.SSLContext:
    """What httpx's ``verify`` takes for an address that may redirect to another one.

    For http the certificates are read at the first redirection to https. ``trust_env``: as for
    httpx.
    """
    return True if url.lower().startswith("https:") else _OnDemand(trust_env)


class _OnDemand(ssl.SSLContext):
    """httpx's context for TLS, which is made at the first connection."""

    _trust_env: bool

    def __new__(cls, trust_env: bool) -> _OnDemand:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._trust_env = trust_env
        return context

    def _made(self) -> ssl.SSLContext:
        import httpx

        return httpx.create_ssl_context(trust_env=self._trust_env)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        return self._made().wrap_socket(*args, **options)

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        # For a connection through an https proxy.
        return self._made().wrap_bio(*args, **options)
