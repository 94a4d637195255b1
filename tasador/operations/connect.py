"""Use a cluster from this machine: its addresses and keys, for Tasador and for Metaflow.

The cluster's Secrets name services that resolve inside the cluster only. For each of them there is
a port of this machine, to which `kubectl port-forward` carries connections: you reach what your
account may reach, and nothing in the cluster opens a port for it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tasador.errors import ConfigurationError, ServiceUnavailable
from tasador.flowkit import argo_environ
from tasador.machine.files import write_private
from tasador.settings import CHECKOUT, ENDPOINTS_FILE, Settings

SECRETS = ("tasador-endpoints", "tasador-flows")
# The names that resolve inside a cluster. The short form SERVICE.NAMESPACE could be any domain.
_INSIDE = re.compile(r"(?P<service>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(\.cluster\.local)?")
_AFTER_FAILURE = 1.0


@dataclass(frozen=True, slots=True)
class Forward:
    """One port of this machine, carried to a port of a service."""

    setting: str
    namespace: str
    service: str
    port: int
    local_port: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as kubectl reaches it."""

    context: str
    namespace: str = "tasador"

    def kubectl(self, *arguments: str, namespace: str = "") -> list[str]:
        """A command of kubectl; TASADOR_KUBECTL names another program."""
        program = shlex.split(os.environ.get("TASADOR_KUBECTL") or "kubectl")
        where = ("--context", self.context, "--namespace", namespace or self.namespace)
        return [*program, *where, *arguments]

    def settings(self) -> dict[str, str]:
        """The TASADOR_* values of the cluster's Secrets.

        Raises ServiceUnavailable with kubectl's message, ConfigurationError without kubectl.
        """
        command = self.kubectl("get", "secret", *SECRETS, "--output", "json")
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except OSError as error:
            raise ConfigurationError(
                f"{command[0]} cannot be run ({error.strerror}): install kubectl"
            ) from None
        except subprocess.TimeoutExpired:
            raise ServiceUnavailable(
                f"the cluster of context {self.context} did not answer kubectl within 60 s"
            ) from None
        if done.returncode:
            raise ServiceUnavailable(
                f"kubectl could not read the Secrets {' and '.join(SECRETS)} in namespace "
                f"{self.namespace} (context {self.context}): {done.stderr.strip()}"
            )
        return {
            name: base64.b64decode(value).decode()
            for secret in json.loads(done.stdout)["items"]
            for name, value in secret.get("data", {}).items()
            if name.startswith("TASADOR_")
        }


def reachable_from_here(
    inside: Mapping[str, str], elsewhere: Mapping[str, str], first_port: int
) -> tuple[dict[str, str], list[Forward]]:
    """The settings with addresses of this machine, and the ports that they need.

    ``elsewhere`` are addresses by setting (``s3_endpoint``) that need no port. Raises
    ConfigurationError for a setting that does not exist.
    """
    for name in elsewhere:
        if name not in Settings._fields:
            raise ConfigurationError(f"there is no setting {name!r}: see `tasador connect --help`")
    values = dict(inside)
    forwards: list[Forward] = []
    for variable in sorted(inside):
        name = variable.removeprefix("TASADOR_").lower()
        if name in elsewhere:
            continue
        address = urlsplit(inside[variable])
        match = _INSIDE.fullmatch(address.hostname or "")
        if match is None:
            continue
        # By the name and not by the position: a further setting must not move the others.
        local_port = first_port + _PORTS.get(name, 50 + len(forwards))
        port = address.port or (5432 if address.scheme.startswith("postgres") else 80)
        forwards.append(Forward(name, match["namespace"], match["service"], port, local_port))
        login, at, _ = address.netloc.rpartition("@")
        netloc = f"{login}{at}127.0.0.1:{local_port}"
        values[variable] = urlunsplit(address._replace(netloc=netloc))
    values.update({f"TASADOR_{name.upper()}": url for name, url in elsewhere.items()})
    return {**values, "TASADOR_PLATFORM": "cluster"}, forwards


_PORTS = {
    "database_url": 1,
    "s3_endpoint": 2,
    "mlflow_url": 3,
    "metaflow_service_url": 4,
    "broker_url": 5,
    "argo_events_url": 6,
    "source_url": 7,
}


def metaflow_profile(values: Mapping[str, str], inside: Mapping[str, str]) -> dict[str, object]:
    """Metaflow's configuration for a Python process that knows nothing of Tasador."""
    environ = argo_environ(Settings.load({**values, "TASADOR_HOME": os.devnull}))
    profile: dict[str, object] = {
        name: value for name, value in environ.items() if name.startswith("METAFLOW_")
    }
    # A step in the cluster reaches the service by its name there.
    if internal := inside.get("TASADOR_METAFLOW_SERVICE_URL"):
        profile["METAFLOW_SERVICE_INTERNAL_URL"] = internal
    profile["METAFLOW_ARGO_EVENTS_INTERNAL_WEBHOOK_URL"] = environ[
        "METAFLOW_ARGO_EVENTS_WEBHOOK_URL"
    ]
    if reachable := values.get("TASADOR_ARGO_EVENTS_URL"):
        profile["METAFLOW_ARGO_EVENTS_WEBHOOK_URL"] = reachable
    profile["METAFLOW_DATATOOLS_SESSION_VARS"] = {
        "aws_access_key_id": environ["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": environ["AWS_SECRET_ACCESS_KEY"],
        "region_name": environ["AWS_DEFAULT_REGION"],
    }
    return profile


def write(home: Path, values: Mapping[str, str], profile_file: Path, profile: object) -> None:
    """Write ``endpoints.env`` in ``home``, and Metaflow's profile; only this account may read them.

    Raises ConfigurationError for a place in the checkout, where a key could be committed, and for a
    home of the embedded platform.
    """
    for path in (home, profile_file):
        if CHECKOUT in path.resolve().parents:
            raise ConfigurationError(f"{path} is in the checkout: keys do not belong there")
    if (home / "postgres").exists():
        raise ConfigurationError(f"{home} is the home of an embedded platform: choose another one")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    profile_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = ["# Written by `tasador connect`", *(f"{n}={v}" for n, v in sorted(values.items()))]
    write_private(home / ENDPOINTS_FILE, "\n".join(lines) + "\n")
    write_private(profile_file, json.dumps(profile, indent=1, sort_keys=True) + "\n")


def carry(cluster: Cluster, forwards: Sequence[Forward], report: Callable[[str], None]) -> None:
    """Carry connections until KeyboardInterrupt. A port-forward that ends is started again."""
    processes: dict[Forward, subprocess.Popen[bytes]] = {}
    try:
        while True:
            for forward in forwards:
                process = processes.get(forward)
                if process is not None and process.poll() is None:
                    continue
                if process is not None:
                    report(f"{forward.service}: the port-forward ended; it is started again")
                processes[forward] = subprocess.Popen(
                    cluster.kubectl(
                        *("port-forward", f"service/{forward.service}", "--address", "127.0.0.1"),
                        f"{forward.local_port}:{forward.port}",
                        namespace=forward.namespace,
                    ),
                    stdout=subprocess.DEVNULL,
                )
            time.sleep(_AFTER_FAILURE)
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait()
