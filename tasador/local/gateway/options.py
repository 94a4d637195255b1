"""Options of the gateway, and the command and environment of function processes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from tasador.errors import ConfigurationError
from tasador.events.event import PREDICTION_MADE, TYPES
from tasador.local.gateway.services import Revision
from tasador.machine.environment import for_child
from tasador.machine.files import write_private
from tasador.settings import ENDPOINTS_FILE, Settings, read_env_file, whole_number

_OBJECTS = ("s3_endpoint", "s3_access_key", "s3_secret_key", "s3_region", "bucket_mlflow")
_COMMON = ("platform", "model_name", "broker_url")
# The settings that each function gets, and no others: predict could not reach the database.
_NEEDS = {
    "predict": _OBJECTS,
    "explain": _OBJECTS,
    "record": ("database_url", "functions_url"),
    "reload": (
        *_OBJECTS,
        "database_url",
        "mlflow_url",
        "functions_url",
        "gateway_admin_url",
        "gateway_token",
    ),
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """Events of ``type`` (empty: of all types) are also posted to ``url``."""

    type: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``command`` runs a function; ``{name}`` in it is the function's name."""

    command: tuple[str, ...] = (sys.executable, "-m", "functions.host", "functions/{name}")
    scale_to_zero_seconds: float = 60.0
    cold_start_seconds: float = 30.0
    liveness_seconds: float = 10.0
    delivery_retries: int = 8
    delivery_backoff_seconds: float = 0.5
    reconcile_seconds: float = 300.0  # 0: never
    subscribers: tuple[Subscription, ...] = ()

    @classmethod
    def load(cls, environ: Mapping[str, str], command: tuple[str, ...] = ()) -> Options:
        """Read TASADOR_SCALE_TO_ZERO_SECONDS and the like; raises ConfigurationError."""
        seconds: dict[str, float] = {}
        for name in (
            "scale_to_zero_seconds",
            "cold_start_seconds",
            "liveness_seconds",
            "delivery_backoff_seconds",
            "reconcile_seconds",
        ):
            variable = f"TASADOR_{name.upper()}"
            if (text := environ.get(variable)) is not None:
                seconds[name] = _seconds(variable, text)
        variable = "TASADOR_DELIVERY_RETRIES"
        retries = whole_number(variable, environ.get(variable, "8"))
        subscribers = _subscribers(environ.get("TASADOR_SUBSCRIBERS", ""))
        options = cls(delivery_retries=retries, subscribers=subscribers, **seconds)  # type: ignore[arg-type]
        return options if not command else cls(**{**_dict(options), "command": command})  # type: ignore[arg-type]


def _subscribers(text: str) -> tuple[Subscription, ...]:
    """TASADOR_SUBSCRIBERS: TYPE=URL for one type, or URL for all, separated by commas."""
    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        kind, is_chosen, url = part.partition("=")
        # The address of all events may have a query.
        if not is_chosen or "/" in kind:
            kind, url = "", part
        if kind and kind not in TYPES:
            raise ConfigurationError(
                f"TASADOR_SUBSCRIBERS has the type {kind!r}; the known ones are {', '.join(TYPES)}"
            )
        address = urlsplit(url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ConfigurationError(
                f"TASADOR_SUBSCRIBERS has {part!r}; write TYPE=URL or URL, as in "
                f"{PREDICTION_MADE}=http://127.0.0.1:9000/"
            )
        found.append(Subscription(kind, url))
    return tuple(found)


def _seconds(variable: str, text: str) -> float:
    # float() also reads nan, infinity, 1_0 and the digits of other scripts.
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]*)?|\.[0-9]+", text):
        raise ConfigurationError(f"{variable} is {text!r}, not a number of seconds such as 0.5")
    return float(text)


def _dict(options: Options) -> dict[str, object]:
    return {f.name: getattr(options, f.name) for f in fields(options)}


def current_settings(settings: Settings) -> Settings:
    """The settings with the addresses and secrets that are in the home's file now."""
    stored = read_env_file(settings.home / ENDPOINTS_FILE)
    return Settings.load({**settings.as_environ(), **stored, "TASADOR_HOME": str(settings.home)})


def grant(service: str, settings: Settings) -> None:
    """Write the settings of a function into its home, where its processes read them again."""
    known = settings.as_environ()
    names = [f"TASADOR_{name.upper()}" for name in _NEEDS[service]]
    text = "".join(f"{name}={known[name]}\n" for name in names if known[name])
    home = settings.home / "functions" / service
    home.mkdir(parents=True, exist_ok=True)
    file = home / ENDPOINTS_FILE
    text = f"# Written by the gateway; holds secrets.\n{text}"
    if not file.is_file() or file.read_text() != text:
        write_private(file, text)


def function_environ(
    revision: Revision, settings: Settings, port: int, metrics_port: int
) -> dict[str, str]:
    """The environment of a function process; ``grant`` has written its other settings."""
    known = settings.as_environ()
    inherited = {
        name: value
        for name, value in for_child(settings.home, os.environ).items()
        if name not in known and name != "TASADOR_SETTINGS"
    }
    granted = {f"TASADOR_{name.upper()}": known[f"TASADOR_{name.upper()}"] for name in _COMMON}
    return {
        **inherited,
        **granted,
        **revision.env,
        # A separate folder: the home of the platform has a file with all secrets.
        "TASADOR_HOME": str(settings.home / "functions" / revision.service),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "METRICS_PORT": str(metrics_port),
        "K_SERVICE": revision.service,
        "K_REVISION": revision.name,
        "K_SINK": settings.broker_url,
        "PYTHONUNBUFFERED": "1",
    }
