"""The admin API of the embedded platform's gateway, as commands ask it."""

from __future__ import annotations

from typing import Any

from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.settings import Settings


def events(settings: Settings, *, after: int | None = None) -> list[dict[str, Any]]:
    """The newest events that the broker accepted, or those after a number; the oldest first.

    Each is structured JSON with ``seq``, ``received`` (seconds) and ``pending`` subscribers.
    """
    if after is None:
        return list(reversed(request(settings, "GET", "/events?limit=1000")))
    return list(request(settings, "GET", f"/events?limit=1000&after={after}"))


def request(settings: Settings, method: str, path: str, body: Any = None) -> Any:
    """The answer of the gateway's admin API. Raises ServiceUnavailable and ConfigurationError."""
    import httpx

    settings.require("gateway_admin_url", "gateway_token")
    url = f"{settings.gateway_admin_url}{path}"
    headers = {"authorization": f"Bearer {settings.gateway_token}"}
    try:
        # A proxy of the machine does not apply to 127.0.0.1.
        answer = httpx.request(method, url, json=body, headers=headers, timeout=10, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceUnavailable(
            f"the gateway at {settings.gateway_admin_url} did not answer ({error}); "
            "is the platform up? (`tasador status`)"
        ) from error
    if answer.is_error:
        raise ConfigurationError(f"the gateway refused {path}: {answer.text[:300]}")
    return answer.json()
