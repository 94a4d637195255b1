"""Addresses and secrets of the parts: chosen once, kept in home/endpoints.env."""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from tasador.clock import wait_until
from tasador.local import postgres, web_parts
from tasador.local.ports import port_is_free
from tasador.local.process import DaemonFailed
from tasador.machine.files import write_private
from tasador.settings import ENDPOINTS_FILE, Settings, read_env_file

# Part -> the variable that holds its address.
ADDRESSES = {
    "postgres": "TASADOR_DATABASE_URL",
    "objects": "TASADOR_S3_ENDPOINT",
    "mlflow": "TASADOR_MLFLOW_URL",
    "gateway": "TASADOR_FUNCTIONS_URL",
    "cards-ingest": "TASADOR_CARDS_INGEST_URL",
    "cards-drift": "TASADOR_CARDS_DRIFT_URL",
    "cards-train": "TASADOR_CARDS_TRAIN_URL",
    "cards-monitor": "TASADOR_CARDS_MONITOR_URL",
    "web": "TASADOR_WEB_URL",
}

# Below the ports of outgoing connections, one of which could occupy a port for a moment.
_PORTS = range(20_000, 30_000)


def settle(home: Path, parts: Iterable[str], runs: Callable[[str], bool]) -> Settings:
    """The settings of this home, with ports and secrets; new values are written to the file.

    A port in the file is used again if its part ``runs`` or the port is free. The addresses of the
    infrastructure come only from the file, everything else may come from the environment.
    """
    kept = read_env_file(home / ENDPOINTS_FILE)
    ports: dict[str, int] = {}
    for part in parts:
        port = urlsplit(kept.get(ADDRESSES[part], "")).port
        if port is None or not (runs(part) or _becomes_free(port)):
            port = _free_port(ports.values())
        ports[part] = port
    values = _values(ports, kept)
    if values != kept:
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        write_private(home / ENDPOINTS_FILE, f"# Written by `tasador up`; holds secrets.\n{lines}")
    return Settings.load({**os.environ, **values, "TASADOR_HOME": str(home)})


def _values(ports: dict[str, int], kept: dict[str, str]) -> dict[str, str]:
    urls = {part: f"http://127.0.0.1:{port}" for part, port in ports.items()}
    password = urlsplit(kept.get("TASADOR_DATABASE_URL", "")).password
    gateway = urls["gateway"]
    values = {
        "TASADOR_PLATFORM": "embedded",
        "TASADOR_DATABASE_URL": postgres.database_url(
            ports["postgres"], password or secrets.token_urlsafe(24)
        ),
        "TASADOR_S3_ENDPOINT": urls["objects"],
        "TASADOR_S3_ACCESS_KEY": secrets.token_hex(10),
        "TASADOR_S3_SECRET_KEY": secrets.token_hex(24),
        "TASADOR_MLFLOW_URL": urls["mlflow"],
        "TASADOR_FUNCTIONS_URL": gateway,
        "TASADOR_BROKER_URL": f"{gateway}/broker",
        "TASADOR_GATEWAY_ADMIN_URL": f"{gateway}/_admin",
        "TASADOR_GATEWAY_TOKEN": secrets.token_urlsafe(24),
    }
    for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY", "GATEWAY_TOKEN"):
        values[f"TASADOR_{name}"] = kept.get(f"TASADOR_{name}") or values[f"TASADOR_{name}"]
    if not kept.get("TASADOR_SIGNING_KEY"):
        from tasador.stores.signing import new_key  # once for each home

        values["TASADOR_SIGNING_KEY"], public = new_key()
        # What another key signed stays trusted.
        others = kept.get("TASADOR_SIGNING_PUBLIC_KEYS", "")
        values["TASADOR_SIGNING_PUBLIC_KEYS"] = f"{public},{others}".rstrip(",")
    values |= {ADDRESSES[part]: url for part, url in urls.items() if part in web_parts.NAMES}
    # Other lines that a user wrote into the file stay.
    return {**kept, **values}


def _becomes_free(port: int, seconds: float = 2.0) -> bool:
    """A part that was just killed keeps its port until its last thread has ended."""
    return wait_until(lambda: port_is_free(port), seconds, 0.02)


def _free_port(taken: Iterable[int]) -> int:
    for port in random.sample(_PORTS, 200):
        if port not in taken and port_is_free(port):
            return port
    raise DaemonFailed(f"there is no free port between {_PORTS.start} and {_PORTS.stop}")
