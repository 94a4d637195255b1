"""The gateway's dead letters, asked for over its control address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.settings import Settings


def dead_letters(settings: Settings) -> list[dict[str, Any]]:
    """Every event that was given up, the oldest first: time, subscriber, status, reason, event."""
    found: list[dict[str, Any]] = _ask(settings, "GET", "/dead-letters")
    return found


def replay(settings: Settings, ids: Sequence[str] = ()) -> int:
    """Deliver them again (all, or the events of these ids); how many."""
    return int(_ask(settings, "POST", "/dead-letters/replay", {"ids": list(ids)})["replayed"])


def _ask(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    import httpx

    settings.require("gateway_admin_url", "gateway_token")
    url = f"{settings.gateway_admin_url}{path}"
    headers = {"authorization": f"Bearer {settings.gateway_token}"}
    try:
        # Nothing of the machine's proxy settings concerns 127.0.0.1.
        answer = httpx.request(method, url, json=body, headers=headers, timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceUnavailable(
            f"the gateway at {settings.gateway_admin_url} gave no answer ({error}); "
            "is the platform up? (`tasador status`)"
        ) from error
    if answer.is_error:
        raise ConfigurationError(f"the gateway refused {path}: {answer.text[:300]}")
    return answer.json()
