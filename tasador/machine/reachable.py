"""Whether the services that a command needs answer, before it imports or starts anything.

The clients of Postgres, S3 and MLflow try again for a while, as a flow needs it. Somebody who waits
for a command learns at once that a part is down, and which command starts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from tasador.errors import ServiceUnavailable
from tasador.machine.environment import LOOPBACK, PROXIES, named
from tasador.settings import Settings

# Seconds for a part that has accepted the connection; one that is down refuses at once.
_PATIENCE = 1.5
_GATEWAY = "the gateway"
# The setting with an address -> the part behind it.
_PARTS = {
    "database_url": "Postgres",
    "s3_endpoint": "the object store",
    "mlflow_url": "MLflow",
    "broker_url": _GATEWAY,
    "functions_url": _GATEWAY,
    "gateway_admin_url": _GATEWAY,
    "source_url": "the batch source",
}
# The gateway passes other paths to a function, which it would have to start first. A server that
# does not know this path says so, and that is an answer.
_HEALTH = "/_admin/health"
# A request for SSL, to which every Postgres replies with one byte.
_POSTGRES_GREETING = bytes.fromhex("0000000804d2162f")


def require_running(settings: Settings, *names: str) -> Settings:
    """Return the settings if the named ones are set and the parts behind them answer.

    Raises ConfigurationError for settings that are not set, and ServiceUnavailable with the parts
    that do not answer and the command that starts them, after 1.5 seconds at most.
    """
    settings.require(*names)
    if message := not_running(settings, names):
        raise ServiceUnavailable(message)
    return settings


def not_running(settings: Settings, names: Iterable[str]) -> str:
    """Which parts behind these settings do not answer, and the remedy; empty if all of them do."""
    from concurrent.futures import ThreadPoolExecutor  # slow to import for `tasador --help`

    urls = {name: getattr(settings, name) for name in names if name in _PARTS}
    direct = {name: url for name, url in urls.items() if _is_direct(name, url, settings)}
    if not direct:
        return ""
    with ThreadPoolExecutor(len(direct)) as pool:
        reasons = dict(zip(direct, pool.map(failure, direct.values()), strict=True))
    by_remedy: dict[str, dict[str, str]] = {}
    for name, reason in reasons.items():
        if reason:
            part = _PARTS[name]
            if settings.platform == "cluster" and part == _GATEWAY:
                part = "the broker" if name == "broker_url" else "the functions' address"
            found = f"{urlsplit(direct[name]).netloc.rpartition('@')[2]} {reason}"
            by_remedy.setdefault(_remedy(name, settings), {})[part] = found
    return "; ".join(
        f"{_listed(list(parts))} {'is' if len(parts) == 1 else 'are'} not running "
        f"({', '.join(parts.values())}): {remedy}"
        for remedy, parts in by_remedy.items()
    )


def _is_direct(name: str, url: str, settings: Settings) -> bool:
    """Whether a direct connection shows if the part runs: not where a proxy may be needed."""
    if urlsplit(url).hostname in LOOPBACK:
        return True
    if settings.platform == "embedded" or name == "source_url":
        return False
    return name == "database_url" or not named(*PROXIES)


def _remedy(name: str, settings: Settings) -> str:
    if name == "source_url":
        port = urlsplit(settings.source_url).port
        # The command listens on another port by default than the setting may name.
        option = f" --port {port}" if port else ""
        return (
            f"start it (`tasador source serve --simulate 7{option}`) or correct TASADOR_SOURCE_URL"
        )
    if settings.platform == "embedded":
        return "run `tasador up`"
    return f"see its pod, and TASADOR_{name.upper()}"


def failure(url: str) -> str:
    """Why nothing answers at the address: "refuses connections" and the like; empty if it does."""
    import socket

    parts = urlsplit(url)
    is_postgres = parts.scheme.startswith("postgres")
    port = parts.port or (5432 if is_postgres else 443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    request = f"GET {_HEALTH} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection((host, port), _PATIENCE) as connection:
            if parts.scheme == "https":
                return ""
            connection.sendall(_POSTGRES_GREETING if is_postgres else request)
            return "" if connection.recv(1) else "closes connections"
    except ConnectionRefusedError:
        return "refuses connections"
    except TimeoutError:
        return f"does not answer within {_PATIENCE} s"
    except OSError as error:
        return f"cannot be reached: {error.strerror or error}"


def without_password(url: str) -> str:
    """The address, fit to be shown."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _listed(parts: list[str]) -> str:
    text = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return text[0].upper() + text[1:]
